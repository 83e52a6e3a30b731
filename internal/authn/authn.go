package authn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"coffer/internal/identity"
	"coffer/internal/sigv4"
)

// Values of Caller.AuthType.
const (
	AuthHeader = "AuthHeader"
	AuthQuery  = "QueryString"
	AuthPost   = "POST"
)

// Keys finds access keys. The identity store implements it.
type Keys interface {
	// Lookup returns the access key with an ID, or identity.ErrNoAccessKey.
	Lookup(ctx context.Context, id string) (*identity.AccessKey, error)
}

// Config of an Authenticator.
type Config struct {
	Keys Keys
	Now  func() time.Time // wall time; time.Now if nil
	// Region is the server's own, which callers without a signature get.
	Region string
	// MaxSkew is how far the time of a signed S3 request may be from ours; 15
	// minutes if 0. The JSON services take 5 minutes.
	MaxSkew time.Duration
	// MaxJSONBody bounds the body of a request to a JSON service, in bytes;
	// 1 MiB if 0.
	MaxJSONBody int64
}

// jsonMaxSkew is how far the time of a request to a JSON service may be from ours.
//
// Source: IAM User Guide, "AWS Signature Version 4 for API requests": "requests
// must reach AWS within five minutes of the timestamp in the signature", read
// 2026-11-21.
const jsonMaxSkew = 5 * time.Minute

// An Authenticator finds out who sends a request, by Signature Version 4. It is
// safe for concurrent use.
type Authenticator struct {
	cfg     Config
	signing *sigv4.KeyCache // a pointer, which package fmt does not follow here
}

// New returns an authenticator.
func New(cfg Config) *Authenticator {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.MaxSkew == 0 {
		cfg.MaxSkew = 15 * time.Minute
	}
	if cfg.MaxJSONBody == 0 {
		cfg.MaxJSONBody = 1 << 20
	}
	return &Authenticator{cfg: cfg, signing: new(sigv4.KeyCache)}
}

// Facts are what a front knows of a request besides the request.
type Facts struct {
	RequestID string
	HostID    string // x-amz-id-2
}

// Service returns the service that a request says it is signed for, and "" if it
// carries no Signature Version 4. It proves nothing: it is for routing.
func Service(r *http.Request) string {
	credential := ""
	if authorization := r.Header.Get("Authorization"); authorization != "" {
		_, rest, _ := strings.Cut(authorization, " ")
		_, rest, _ = strings.Cut(rest, "Credential=")
		credential, _, _ = strings.Cut(rest, ",")
		credential, _, _ = strings.Cut(credential, " ")
	} else if q, err := sigv4.ParsePresignedQuery(r.URL.RawQuery); err == nil && q.Algorithm != "" {
		credential = q.Credential
	}
	c, err := sigv4.ParseCredential(credential)
	if err != nil {
		return ""
	}
	return c.Scope.Service
}

// caller returns the anonymous caller of r. The address is that of the connection:
// no header can change it.
func (a *Authenticator) caller(r *http.Request, service string, f Facts) *Caller {
	c := &Caller{
		Type:      TypeAnonymous,
		Region:    a.cfg.Region,
		Service:   service,
		RequestID: f.RequestID,
		HostID:    f.HostID,
		SourceIP:  r.RemoteAddr,
		UserAgent: r.UserAgent(),
		Host:      r.Host,
		BytesIn:   r.ContentLength,
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		c.SourceIP = host
	}
	if r.TLS != nil {
		c.SecureTransport = true
		c.TLSVersion = strings.Replace(tls.VersionName(r.TLS.Version), "TLS ", "TLSv", 1) // as CloudTrail spells it
		c.CipherSuite = tls.CipherSuiteName(r.TLS.CipherSuite)
	}
	return c
}

// signedBy makes c the principal of a key that signed a request.
func (c *Caller) signedBy(k *identity.AccessKey, cl *claim) {
	c.Type = TypeRoot
	c.Account = k.Account
	c.ARN = k.Principal
	c.PrincipalID = k.Account // the root user's, as CloudTrail has it
	c.AccessKeyID = k.ID
	c.Region = cl.credential.Scope.Region
	c.Service = cl.credential.Scope.Service
	c.AuthType = cl.authType
	c.SignatureVersion = "SigV4"
	c.SignedAt = cl.signedAt
}

// A claim is what a request says about its own signature. Its form has been
// checked, its truth has not.
type claim struct {
	authType      string
	credential    sigv4.Credential
	signedHeaders string
	signature     string
	date          string // in the form of X-Amz-Date
	signedAt      time.Time
	payload       string // the payload hash that the signature covers
}

// A verdict is the outcome of checking a claim.
type verdict struct {
	key       *identity.AccessKey // nil if there is no such key, or none that is active
	ok        bool                // the signature is that of the key
	signing   sigv4.SigningKey
	toSign    string
	canonical []byte // nil for a POST policy
}

// verify checks the signature of a request. The error is one of our own, never the
// client's.
func (a *Authenticator) verify(r *http.Request, cl *claim) (verdict, error) {
	request := &sigv4.Request{
		Method:    r.Method,
		Path:      r.URL.EscapedPath(),
		RawQuery:  r.URL.RawQuery,
		Host:      r.Host,
		Header:    wireHeader(r, cl.signedHeaders),
		Presigned: cl.authType == AuthQuery,
	}
	v, err := a.checkRequest(r.Context(), cl, request)
	if err == nil && !v.ok && cl.credential.Scope.Service == sigv4.ServiceS3 && !sigv4.EncodesPathAsSent(request.Path) {
		request.PathAsSent = true
		if w, err := a.checkRequest(r.Context(), cl, request); err == nil && w.ok {
			return w, nil
		}
	}
	return v, err
}

func (a *Authenticator) checkRequest(ctx context.Context, cl *claim, request *sigv4.Request) (verdict, error) {
	scope := cl.credential.Scope
	canonical := sigv4.AppendCanonicalRequest(make([]byte, 0, 768), request, scope.Service, cl.signedHeaders, cl.payload)
	v, err := a.check(ctx, cl, sigv4.StringToSign(cl.date, scope, canonical))
	v.canonical = canonical
	return v, err
}

// check checks the signature of a string. For a key that does not exist it does
// the same work with an empty secret.
func (a *Authenticator) check(ctx context.Context, cl *claim, toSign string) (verdict, error) {
	v := verdict{toSign: toSign}
	secret := ""
	k, err := a.cfg.Keys.Lookup(ctx, cl.credential.AccessKeyID)
	switch {
	case errors.Is(err, identity.ErrNoAccessKey):
	case err != nil:
		return v, fmt.Errorf("authenticate: %w", err)
	case k.Status == identity.Active:
		v.key, secret = k, k.Secret.Reveal()
	}
	var cached bool
	if v.signing, cached = a.signing.Get(secret, cl.credential.Scope); !cached {
		v.signing = sigv4.DeriveKey(secret, cl.credential.Scope)
	}
	v.ok = v.signing.Verify(toSign, cl.signature) && v.key != nil
	if v.ok && !cached {
		a.signing.Put(secret, cl.credential.Scope, v.signing)
	}
	return v, nil
}

// wireHeader returns the headers of r with those that net/http keeps elsewhere, if
// they are signed.
func wireHeader(r *http.Request, signed string) http.Header {
	h := r.Header
	set := func(name, key, value string) {
		if isSigned(signed, name) && value != "" && r.Header[key] == nil {
			h = h.Clone()
			h[key] = []string{value}
		}
	}
	if r.ContentLength >= 0 {
		set("content-length", "Content-Length", strconv.FormatInt(r.ContentLength, 10))
	}
	if len(r.TransferEncoding) > 0 {
		set("transfer-encoding", "Transfer-Encoding", strings.Join(r.TransferEncoding, ","))
	}
	return h
}

// isSigned reports whether a lower-case header name is in a list of signed headers.
func isSigned(list, name string) bool {
	for s := range strings.SplitSeq(list, ";") {
		if s == name {
			return true
		}
	}
	return false
}

// unsignedAllowed are the x-amz- headers that need no signature: they say how the
// body is framed and checked, which the body then proves or refutes. The value of
// the first is in every canonical request anyway. Nothing that names an object, a
// key or a right is among them.
var unsignedAllowed = []string{
	"X-Amz-Content-Sha256",
	"X-Amz-Decoded-Content-Length",
	"X-Amz-Trailer",
	"X-Amz-Checksum-Algorithm",
	"X-Amz-Sdk-Checksum-Algorithm",
}

// unsignedHeaders returns the sorted names of the headers that must be signed and
// are not: host, and each x-amz- header that the request has. Who could add one to
// a signed request would, say, turn an upload into a copy of what the signer may
// read.
func unsignedHeaders(h http.Header, signed string) []string {
	var missing []string
	if !isSigned(signed, "host") {
		missing = append(missing, "host")
	}
	for key := range h {
		if !isAmz(key) || slices.Contains(unsignedAllowed, key) {
			continue
		}
		name := strings.ToLower(key)
		// A key in another form than net/http makes is one that the canonical
		// request does not see.
		if !isSigned(signed, name) || key != http.CanonicalHeaderKey(key) {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return missing
}

// isAmz reports whether a header is one of AWS's own.
func isAmz(key string) bool {
	const prefix = "x-amz-"
	return len(key) >= len(prefix) && strings.EqualFold(key[:len(prefix)], prefix)
}

// joinSigned makes one value of each header that the signature covers as one: a
// reader of the first of several values would see another request than was signed.
func joinSigned(h http.Header, signed string) {
	for key, values := range h {
		if len(values) > 1 && (isAmz(key) || isSigned(signed, strings.ToLower(key))) {
			h[key] = []string{strings.Join(values, ",")}
		}
	}
}

// once are the headers that decide how a request is authenticated and framed.
var once = []string{
	"Authorization", "Date", "X-Amz-Date", "X-Amz-Content-Sha256", "X-Amz-Security-Token", "X-Amz-Decoded-Content-Length",
}

// repeated returns the name of a header in once that r has twice, or "".
func repeated(h http.Header) string {
	for _, name := range once {
		if len(h[name]) > 1 {
			return name
		}
	}
	return ""
}

// requestDate returns the time of a request with an Authorization header, and that
// time in the form of X-Amz-Date. X-Amz-Date goes before Date.
func requestDate(h http.Header) (time.Time, string, error) {
	if s := h.Get("X-Amz-Date"); s != "" {
		t, err := sigv4.ParseDate(s)
		return t, s, err
	}
	s := h.Get("Date")
	if t, err := sigv4.ParseDate(s); err == nil {
		return t, s, nil
	}
	t, err := http.ParseTime(s)
	return t, t.UTC().Format(sigv4.DateFormat), err
}

// isRegion reports whether a region has the form of one.
func isRegion(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
