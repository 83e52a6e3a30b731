package authn

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"coffer/internal/awserr"
	"coffer/internal/sigv4"
)

// JSON authenticates a request to a service with the AWS JSON protocol, by its
// Authorization header. It reads the body, whose hash the signature always covers.
// There are no anonymous callers.
//
// An error that is not an *awserr.Error is the server's own. The others are
//
//   - MissingAuthenticationTokenException without a signature,
//   - IncompleteSignatureException for one that is malformed,
//   - InvalidSignatureException for one that is wrong, too old, for another
//     service, or does not cover all that it must,
//   - UnrecognizedClientException for an unknown key or session token, and
//     ExpiredTokenException for a token that was good,
//   - RequestEntityTooLargeException and SerializationException for the body.
//
// Source: AWS KMS API Reference, "Common Errors"; texts as clients recorded them up
// to 2026-11-21.
func (a *Authenticator) JSON(r *http.Request, service string, f Facts) (*Caller, *Body, error) {
	c := a.caller(r, service, f)
	cl, err := a.headerClaim(r, service, &jsonDialect)
	if err != nil {
		return nil, nil, err
	}
	data, err := a.readBody(r, &jsonDialect)
	if err != nil {
		return nil, nil, err
	}
	if err := a.admit(r, c, cl, data, &jsonDialect); err != nil {
		return nil, nil, err
	}
	return c, &Body{src: bytes.NewReader(data), closer: r.Body, length: int64(len(data)), left: -1}, nil
}

const (
	tokenInvalid = "The security token included in the request is invalid."
	tokenExpired = "The security token included in the request is expired"
	noMatch      = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)

// A dialect is how the services of a protocol refuse a signature. The texts are the
// same in all of them.
type dialect struct {
	missing, key, expired        *awserr.Error
	incompleteCode, invalidCode  string
	invalidStatus                int
	bodyCutCode, bodyTooLongCode string
}

var jsonDialect = dialect{
	missing:        awserr.New(400, "MissingAuthenticationTokenException", "Missing Authentication Token"),
	key:            awserr.New(400, "UnrecognizedClientException", tokenInvalid),
	expired:        awserr.New(400, "ExpiredTokenException", tokenExpired),
	incompleteCode: "IncompleteSignatureException",
	invalidCode:    "InvalidSignatureException", invalidStatus: 400,
	bodyCutCode: "SerializationException", bodyTooLongCode: "RequestEntityTooLargeException",
}

// incomplete refuses a signature that can't be read.
func (d *dialect) incomplete(message string) *awserr.Error {
	return awserr.New(400, d.incompleteCode, "%s", message)
}

// invalid refuses a signature that does not hold.
func (d *dialect) invalid(message string) *awserr.Error {
	return awserr.New(d.invalidStatus, d.invalidCode, "%s", message)
}

// refuse returns the error of a verdict that does not hold, or nil.
func (d *dialect) refuse(v *verdict) error {
	switch {
	case errors.Is(v.refused, errExpired):
		return d.expired
	case v.signer == nil:
		return d.key.Because(v.refused)
	case !v.ok:
		return d.invalid(noMatch)
	}
	return nil
}

// readBody reads the whole body of a request.
func (a *Authenticator) readBody(r *http.Request, d *dialect) ([]byte, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	data, err := io.ReadAll(io.LimitReader(r.Body, a.cfg.MaxJSONBody+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, awserr.New(400, d.bodyCutCode, "The request body ends before its declared length.").Because(err)
	case err != nil:
		return nil, err
	case int64(len(data)) > a.cfg.MaxJSONBody:
		return nil, awserr.New(413, d.bodyTooLongCode, "The request body is longer than %d bytes.", a.cfg.MaxJSONBody)
	}
	return data, nil
}

// admit verifies a claim over a request with its whole body, and makes c the one who
// signed it.
func (a *Authenticator) admit(r *http.Request, c *Caller, cl *claim, data []byte, d *dialect) error {
	sum := sha256.Sum256(data)
	cl.payload = hex.EncodeToString(sum[:])
	v, err := a.verify(r, cl)
	if err != nil {
		return err
	}
	if err := d.refuse(&v); err != nil {
		return err
	}
	joinSigned(r.Header, cl.signedHeaders)
	a.signedBy(c, v.signer, cl)
	c.BytesIn = int64(len(data))
	return nil
}

// signsQuery reports whether the query of a request says that it is signed.
func signsQuery(r *http.Request) bool {
	return sigv4.HasQueryParameter(r.URL.RawQuery, "X-Amz-Algorithm") || sigv4.HasQueryParameter(r.URL.RawQuery, "X-Amz-Signature")
}

// headerClaim reads how the Authorization header of a request signs it. The payload
// is left empty.
func (a *Authenticator) headerClaim(r *http.Request, service string, d *dialect) (*claim, error) {
	if name := repeated(r.Header); name != "" {
		return nil, d.incomplete("The header '" + name + "' may occur only once.")
	}
	authorization := r.Header.Get("Authorization")
	switch {
	case signsQuery(r) && authorization != "":
		return nil, d.incomplete(oneMechanism)
	case signsQuery(r):
		return nil, d.incomplete("Query-string authentication is not supported by this operation. Use the Authorization header.")
	}
	name, rest, _ := strings.Cut(authorization, " ")
	switch {
	case !strings.HasPrefix(name, "AWS4-"):
		return nil, d.missing
	case name != sigv4.Algorithm:
		return nil, d.incomplete("Unsupported AWS 'algorithm': '" + name + "' (only AWS4-HMAC-SHA256 for now). ")
	}
	parsed, err := sigv4.ParseAuthorization(rest)
	hasDate := r.Header.Get("X-Amz-Date") != "" || r.Header.Get("Date") != ""
	if err != nil || !hasDate {
		return nil, d.components(authorization, rest, hasDate)
	}
	signedAt, date, err := requestDate(r.Header)
	if err != nil {
		return nil, d.incomplete("Date must be in ISO-8601 'basic format'. Got '" + cmp.Or(r.Header.Get("X-Amz-Date"), r.Header.Get("Date")) + "'. See http://en.wikipedia.org/wiki/ISO_8601")
	}
	if err := d.skew(signedAt, a.cfg.Now(), maxSkew); err != nil {
		return nil, err
	}
	credential, err := d.covered(r, parsed.SignedHeaders, parsed.Credential, service, date)
	if err != nil {
		return nil, err
	}
	if sigv4.HasQueryParameter(r.URL.RawQuery, securityToken) {
		return nil, d.key
	}
	return &claim{AuthHeader, credential, parsed.SignedHeaders, parsed.Signature, date, signedAt, "", r.Header.Get(securityToken)}, nil
}

// securityToken is the header, and the parameter of a presigned query, that holds
// the session token.
const securityToken = "X-Amz-Security-Token"

// covered checks that a signature covers all that it must, and that its scope is
// right.
func (d *dialect) covered(r *http.Request, signedHeaders, credential, service, date string) (sigv4.Credential, error) {
	if missing := unsignedHeaders(r.Header, signedHeaders); missing != nil {
		return sigv4.Credential{}, d.notSigned(missing)
	}
	c, err := sigv4.ParseCredential(credential)
	if err != nil {
		// Who has swapped ID and secret sees the secret here: it is hashed.
		return c, d.incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got (hashed with SHA-256 and encoded with Base64): '" + hashed(credential) + "'")
	}
	return c, d.scope(c, service, date)
}

// components says what an Authorization header lacks.
func (d *dialect) components(authorization, rest string, hasDate bool) error {
	has := make(map[string]bool)
	for _, part := range strings.FieldsFunc(rest, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return d.incomplete("Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with Base64): '" + hashed(authorization) + "'.")
		}
		has[name] = value != ""
	}
	message := ""
	for _, name := range []string{"Credential", "Signature", "SignedHeaders"} {
		if !has[name] {
			message += "Authorization header requires '" + name + "' parameter. "
		}
	}
	if !hasDate {
		message += "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
	}
	if message == "" {
		message = "Authorization header has a parameter that is unknown or repeated. "
	}
	return d.incomplete(message + "(Hashed with SHA-256 and encoded with Base64) Authorization=" + hashed(authorization))
}

func hashed(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// skew refuses a time too far from ours: minutes in the past, or maxSkew ahead.
func (d *dialect) skew(signedAt, now time.Time, most time.Duration) error {
	at := func(t time.Time) string { return t.UTC().Format(sigv4.DateFormat) }
	in := func(d time.Duration) string { return strconv.Itoa(int(d/time.Minute)) + " min.)" }
	switch age := now.Sub(signedAt); {
	case age > most:
		return d.invalid("Signature expired: " + at(signedAt) + " is now earlier than " + at(now.Add(-most)) + " (" + at(now) + " - " + in(most))
	case age < -maxSkew:
		return d.invalid("Signature not yet current: " + at(signedAt) + " is still later than " + at(now.Add(maxSkew)) + " (" + at(now) + " + " + in(maxSkew))
	}
	return nil
}

func (d *dialect) notSigned(names []string) error {
	if names[0] == "host" {
		return d.invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	return d.invalid("'" + http.CanonicalHeaderKey(names[0]) + "' must be a 'SignedHeader' in the AWS Authorization.")
}

// scope says all that is wrong with a scope at once.
func (d *dialect) scope(c sigv4.Credential, service, date string) error {
	message := ""
	if !isRegion(c.Scope.Region) {
		message += "Credential should be scoped to a valid region. "
	}
	if c.Scope.Service != service {
		message += "Credential should be scoped to correct service: '" + service + "'. "
	}
	if c.Terminator != sigv4.Terminator {
		message += "Credential should be scoped with a valid terminator: 'aws4_request', not '" + c.Terminator + "'. "
	}
	if c.Scope.Date != date[:8] {
		message += "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '" + c.Scope.Date + "' != '" + date[:8] + "', from '" + date + "'. "
	}
	if message != "" {
		return d.invalid(message)
	}
	return nil
}
