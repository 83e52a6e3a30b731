package authn

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
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
//   - UnrecognizedClientException for an unknown key or a session token,
//   - RequestEntityTooLargeException and SerializationException for the body.
//
// Source: AWS KMS API Reference, "Common Errors"; texts as clients recorded them up
// to 2026-11-21.
func (a *Authenticator) JSON(r *http.Request, service string, f Facts) (*Caller, *Body, error) {
	c := a.caller(r, service, f)
	cl, err := a.jsonClaim(r, service)
	if err != nil {
		return nil, nil, err
	}
	b, sum, err := a.jsonBody(r)
	if err != nil {
		return nil, nil, err
	}
	cl.payload = hex.EncodeToString(sum)
	v, err := a.verify(r, cl)
	switch {
	case err != nil:
		return nil, nil, err
	case v.key == nil:
		return nil, nil, errJSONKey
	case !v.ok:
		return nil, nil, errJSONMismatch
	}
	joinSigned(r.Header, cl.signedHeaders)
	c.signedBy(v.key, cl)
	c.BytesIn = b.Length()
	return c, b, nil
}

var (
	errJSONMissing   = awserr.New(400, "MissingAuthenticationTokenException", "Missing Authentication Token")
	errJSONKey       = awserr.New(400, "UnrecognizedClientException", "The security token included in the request is invalid.")
	errJSONMismatch  = jsonInvalid("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	errJSONMechanism = jsonIncomplete(oneMechanism)
	errJSONQuery     = jsonIncomplete("Query-string authentication is not supported by this service. Use the Authorization header.")
)

func jsonIncomplete(message string) *awserr.Error {
	return awserr.New(400, "IncompleteSignatureException", "%s", message)
}

func jsonInvalid(message string) *awserr.Error {
	return awserr.New(400, "InvalidSignatureException", "%s", message)
}

// jsonClaim reads how a request is signed. The payload is left empty.
func (a *Authenticator) jsonClaim(r *http.Request, service string) (*claim, error) {
	if name := repeated(r.Header); name != "" {
		return nil, jsonIncomplete("The header '" + name + "' may occur only once.")
	}
	authorization := r.Header.Get("Authorization")
	inQuery := sigv4.HasQueryParameter(r.URL.RawQuery, "X-Amz-Algorithm") || sigv4.HasQueryParameter(r.URL.RawQuery, "X-Amz-Signature")
	switch {
	case inQuery && authorization != "":
		return nil, errJSONMechanism
	case inQuery:
		return nil, errJSONQuery
	}
	name, rest, _ := strings.Cut(authorization, " ")
	switch {
	case !strings.HasPrefix(name, "AWS4-"):
		return nil, errJSONMissing
	case name != sigv4.Algorithm:
		return nil, jsonIncomplete("Unsupported AWS 'algorithm': '" + name + "' (only AWS4-HMAC-SHA256 for now). ")
	}
	parsed, err := sigv4.ParseAuthorization(rest)
	hasDate := r.Header.Get("X-Amz-Date") != "" || r.Header.Get("Date") != ""
	if err != nil || !hasDate {
		return nil, jsonComponents(authorization, rest, hasDate)
	}
	signedAt, date, err := requestDate(r.Header)
	if err != nil {
		return nil, jsonIncomplete("Date must be in ISO-8601 'basic format'. Got '" + cmp.Or(r.Header.Get("X-Amz-Date"), r.Header.Get("Date")) + "'. See http://en.wikipedia.org/wiki/ISO_8601")
	}
	if err := jsonSkew(signedAt, a.cfg.Now()); err != nil {
		return nil, err
	}
	if missing := unsignedHeaders(r.Header, parsed.SignedHeaders); missing != nil {
		return nil, jsonNotSigned(missing)
	}
	credential, err := sigv4.ParseCredential(parsed.Credential)
	if err != nil {
		// Who has swapped ID and secret sees the secret here: it is hashed.
		return nil, jsonIncomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got (hashed with SHA-256 and encoded with Base64): '" + hashed(parsed.Credential) + "'")
	}
	if err := jsonScope(credential, service, date); err != nil {
		return nil, err
	}
	if r.Header.Get("X-Amz-Security-Token") != "" {
		return nil, errJSONKey
	}
	return &claim{AuthHeader, credential, parsed.SignedHeaders, parsed.Signature, date, signedAt, ""}, nil
}

// jsonComponents says what an Authorization header lacks.
func jsonComponents(authorization, rest string, hasDate bool) error {
	has := make(map[string]bool)
	for _, part := range strings.FieldsFunc(rest, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return jsonIncomplete("Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with Base64): '" + hashed(authorization) + "'.")
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
	return jsonIncomplete(message + "(Hashed with SHA-256 and encoded with Base64) Authorization=" + hashed(authorization))
}

func hashed(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func jsonSkew(signedAt, now time.Time) error {
	at := func(t time.Time) string { return t.UTC().Format(sigv4.DateFormat) }
	switch d := now.Sub(signedAt); {
	case d > jsonMaxSkew:
		return jsonInvalid("Signature expired: " + at(signedAt) + " is now earlier than " + at(now.Add(-jsonMaxSkew)) + " (" + at(now) + " - 5 min.)")
	case d < -jsonMaxSkew:
		return jsonInvalid("Signature not yet current: " + at(signedAt) + " is still later than " + at(now.Add(jsonMaxSkew)) + " (" + at(now) + " + 5 min.)")
	}
	return nil
}

func jsonNotSigned(names []string) error {
	if names[0] == "host" {
		return jsonInvalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	return jsonInvalid("'" + http.CanonicalHeaderKey(names[0]) + "' must be a 'SignedHeader' in the AWS Authorization.")
}

// jsonScope says all that is wrong with a scope at once.
func jsonScope(c sigv4.Credential, service, date string) error {
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
		return jsonInvalid(message)
	}
	return nil
}
