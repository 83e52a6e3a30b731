package s3api

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"coffer/internal/awserr"
)

// A Level is what a request is about.
type Level int

// The levels.
const (
	Service Level = iota
	Bucket
	Object
	Account // S3 Control
)

// String returns the level as error bodies spell it.
func (l Level) String() string { return [...]string{"SERVICE", "BUCKET", "OBJECT", "ACCOUNT"}[l] }

// MaxKeyLength is the largest object key, in bytes of UTF-8.
//
// Source: Amazon S3 User Guide, "Naming Amazon S3 objects", read 2026-11-21.
const MaxKeyLength = 1024

// sortedDomains returns the domains in lower case, the longest first, so that
// the most specific one matches.
func sortedDomains(domains []string) []string {
	out := make([]string, 0, len(domains))
	for _, d := range domains {
		if d = strings.Trim(strings.ToLower(d), "."); d != "" {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) })
	return out
}

// hostBucket returns the bucket that a host names, or "" for path style.
func (h *Handler) hostBucket(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	for _, d := range h.domains {
		if host == d {
			return ""
		}
		if bucket, ok := strings.CutSuffix(host, "."+d); ok {
			return bucket
		}
	}
	return ""
}

// address finds the bucket and the key. The key is the percent-decoded rest of
// the raw path: nothing is cleaned, so "..", empty segments and a trailing slash
// are part of it, and the same string is authorized, stored and recorded.
func (c *call) address() (Level, error) {
	raw := c.r.URL.EscapedPath()
	if isS3Control(c.r) {
		return Account, nil
	}
	if raw == "" {
		raw = "/"
	}
	if raw[0] != '/' {
		return Service, invalidURI(raw)
	}
	rest := raw[1:]
	if c.bucket = c.hostBucket(c.r.Host); c.bucket == "" {
		if rest == "" {
			return Service, nil
		}
		segment, after, _ := strings.Cut(rest, "/")
		bucket, err := url.PathUnescape(segment)
		if err != nil || !utf8.ValidString(bucket) {
			return Bucket, invalidURI(raw)
		}
		if bucket == "" || strings.Contains(bucket, "/") {
			return Bucket, awserr.New(400, "InvalidBucketName", "The specified bucket is not valid.").With("BucketName", bucket)
		}
		c.bucket, rest = bucket, after
	}
	if rest == "" {
		return Bucket, nil
	}
	key, err := decodeKey(rest)
	if err != nil {
		return Object, err
	}
	c.key = key
	return Object, nil
}

// decodeKey decodes a percent-encoded key.
func decodeKey(raw string) (string, error) {
	key, err := url.PathUnescape(raw)
	if err != nil || !utf8.ValidString(key) {
		return "", invalidURI(raw)
	}
	return key, checkKey(key)
}

// checkKey refuses a key that is too long.
func checkKey(key string) error {
	if len(key) > MaxKeyLength {
		return awserr.New(400, "KeyTooLongError", "Your key is too long").
			With("Size", itoa(int64(len(key)))).With("MaxSizeAllowed", itoa(MaxKeyLength))
	}
	return nil
}

func invalidURI(raw string) error {
	return awserr.New(400, "InvalidURI", "Couldn't parse the specified URI.").With("URI", raw)
}

// location returns the URL of the object at the host that the client named.
func (c *call) location() string {
	u := url.URL{Scheme: "http", Host: c.r.Host, Path: "/" + c.key}
	if c.r.TLS != nil {
		u.Scheme = "https"
	}
	if c.hostBucket(c.r.Host) == "" {
		u.Path = "/" + c.bucket + u.Path
	}
	return u.String()
}

// preflight answers a browser that asks whether a page of another origin may
// read the answers: no bucket has a CORS configuration, so none may.
//
// Source: Amazon S3 API Reference, "Preflight OPTIONS request"; wording as S3
// answers.
func preflight(r *http.Request, level Level) error {
	if r.Header.Get("Origin") == "" {
		return awserr.New(400, "BadRequest", "Insufficient information. Origin request header needed.")
	}
	if r.Header.Get("Access-Control-Request-Method") == "" {
		return awserr.New(400, "BadRequest", "Invalid Access-Control-Request-Method: null")
	}
	if level == Service {
		level = Bucket
	}
	return awserr.New(403, "AccessForbidden", "CORSResponse: CORS is not enabled for this bucket.").
		With("Method", r.Method).With("ResourceType", level.String())
}
