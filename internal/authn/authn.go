package authn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"coffer/internal/sigv4"
)

// Values of Caller.AuthType.
const (
	AuthHeader = "AuthHeader"
	AuthQuery  = "QueryString"
	AuthPost   = "POST"
)

// Config of an Authenticator.
type Config struct {
	Keys Keys
	// Tokens opens session tokens, with Entities. Without them there are no
	// temporary credentials.
	Tokens   *Tokens
	Entities Entities
	Usage    Usage            // may be nil
	Now      func() time.Time // wall time, of signatures; time.Now if nil
	Calendar func() time.Time // of the lives of sessions; Now if nil
	// Region is the server's own, which callers without a signature get.
	Region string
	// MaxSkew is how far the time of a signed S3 request may be from ours; 15
	// minutes if 0. The other services take 5 minutes.
	MaxSkew time.Duration
	// MaxJSONBody bounds the body of a request to another service, in bytes;
	// 1 MiB if 0.
	MaxJSONBody int64
	// TrustedProxies are the networks whose X-Forwarded-For and X-Forwarded-Proto
	// are believed; none if empty.
	TrustedProxies []netip.Prefix
}

// maxSkew is how far the time of a request to another service than S3 may be from
// ours.
//
// Source: IAM User Guide, "AWS Signature Version 4 for API requests": "requests
// must reach AWS within five minutes of the timestamp in the signature", read
// 2026-11-21.
const maxSkew = 5 * time.Minute

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
	if cfg.Calendar == nil {
		cfg.Calendar = cfg.Now
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

// caller returns the anonymous caller of r. Where it comes from is what the
// connection says; a header can change it only if the connection is that of a
// trusted proxy.
func (a *Authenticator) caller(r *http.Request, service string, f Facts) *Caller {
	c := &Caller{
		Type:      TypeAnonymous,
		Region:    a.cfg.Region,
		Service:   service,
		RequestID: f.RequestID,
		HostID:    f.HostID,
		UserAgent: r.UserAgent(),
		Referer:   r.Referer(),
		Host:      r.Host,
		BytesIn:   r.ContentLength,
	}
	c.SourceIP, c.SecureTransport = a.origin(r)
	if r.TLS != nil {
		c.TLSVersion = strings.Replace(tls.VersionName(r.TLS.Version), "TLS ", "TLSv", 1) // as CloudTrail spells it
		c.CipherSuite = tls.CipherSuiteName(r.TLS.CipherSuite)
	}
	return c
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
	token         string // the session token, if there is one
}

// A verdict is the outcome of checking a claim.
type verdict struct {
	signer    *signer // nil if nobody can have signed
	refused   error   // why not: errNoKey, ErrToken or errExpired
	ok        bool    // the signature is the signer's
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
	var err error
	v.signer, err = a.signer(ctx, cl.credential.AccessKeyID, cl.token)
	switch {
	case err == nil:
		secret = v.signer.secret.Reveal()
	case errors.Is(err, errNoKey), errors.Is(err, ErrToken), errors.Is(err, errExpired):
		v.refused = err
	default:
		return v, fmt.Errorf("authenticate: %w", err)
	}
	var cached bool
	if v.signing, cached = a.signing.Get(secret, cl.credential.Scope); !cached {
		v.signing = sigv4.DeriveKey(secret, cl.credential.Scope)
	}
	v.ok = v.signing.Verify(toSign, cl.signature) && v.signer != nil
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
