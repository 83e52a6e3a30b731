package authn

import (
	"net/http"
	"strconv"
	"time"

	"coffer/internal/awserr"
	"coffer/internal/awsquery"
	"coffer/internal/sigv4"
)

var queryDialect = dialect{
	missing:        awserr.New(403, "MissingAuthenticationToken", "Request is missing Authentication Token"),
	key:            awserr.New(403, "InvalidClientTokenId", tokenInvalid),
	expired:        awserr.New(403, "ExpiredToken", tokenExpired),
	incompleteCode: "IncompleteSignature",
	invalidCode:    "SignatureDoesNotMatch", invalidStatus: 403,
	bodyCutCode: "MalformedInput", bodyTooLongCode: "RequestEntityTooLarge",
}

var errQueryTwice = awserr.New(400, "MalformedInput", "The parameters of a request stand in its body or in its query string, not in both.")

// maxPresigned is how long a presigned request to STS is good for, at most. A
// shorter X-Amz-Expires holds as well.
//
// Source: AWS STS API Reference, "Common Error Types", RequestExpired, read
// 2026-11-21.
const maxPresigned = 15 * time.Minute

// mayPresign is the operation that takes a signature in the query string.
const mayPresign = "GetCallerIdentity"

// needsNothing reports whether an operation of STS needs no signature: a token in
// the request is the proof.
func needsNothing(action string) bool {
	return action == "AssumeRoleWithWebIdentity" || action == "AssumeRoleWithSAML"
}

// Query authenticates a request to a service with the AWS Query protocol, IAM or
// STS, and returns its form: the body of a POST or the query string of a GET. The
// signature always covers the form.
//
// A signature in the query string is taken for GetCallerIdentity of STS alone: such
// a URL is handed to others as a proof of identity, and must not be worth more.
// AssumeRoleWithWebIdentity and AssumeRoleWithSAML of STS need no signature; their
// caller is anonymous.
//
// An error that is not an *awserr.Error is the server's own. The others are
//
//   - MissingAuthenticationToken without a signature,
//   - IncompleteSignature for one that is malformed,
//   - SignatureDoesNotMatch for one that is wrong, too old, for another service, or
//     does not cover all that it must,
//   - InvalidClientTokenId for an unknown key or session token, and ExpiredToken
//     for a token that was good,
//   - MalformedInput and RequestEntityTooLarge for the form.
//
// Source: IAM and AWS STS API References, "Common Error Types", read 2026-11-21.
// Codes and texts that the pages lack are as clients recorded them up to then.
func (a *Authenticator) Query(r *http.Request, service string, f Facts) (*Caller, []byte, error) {
	c := a.caller(r, service, f)
	data, err := a.readBody(r, &queryDialect)
	if err != nil {
		return nil, nil, err
	}
	text := data
	if r.URL.RawQuery != "" {
		if len(data) > 0 {
			return nil, nil, errQueryTwice
		}
		text = []byte(r.URL.RawQuery)
	}
	cl, err := a.queryClaim(r, service, text)
	if err != nil {
		return nil, nil, err
	}
	if cl != nil {
		if err := a.admit(r, c, cl, data, &queryDialect); err != nil {
			return nil, nil, err
		}
	}
	return c, text, nil
}

// queryClaim reads how a request is signed. It returns nil for one that needs no
// signature and has none.
func (a *Authenticator) queryClaim(r *http.Request, service string, text []byte) (*claim, error) {
	if r.Header.Get("Authorization") != "" {
		return a.headerClaim(r, service, &queryDialect)
	}
	inQuery := signsQuery(r)
	form, err := awsquery.Parse(text)
	switch {
	case err != nil:
		return nil, err
	case !inQuery && service == "sts" && needsNothing(form.Action):
		return nil, nil
	case !inQuery:
		return nil, queryDialect.missing
	case service != "sts" || form.Action != mayPresign || r.Method != http.MethodGet:
		return a.headerClaim(r, service, &queryDialect) // which refuses it
	}
	return a.presignedClaim(r, service, &queryDialect)
}

// presignedClaim reads how the query string of a request signs it. The payload is
// left empty.
func (a *Authenticator) presignedClaim(r *http.Request, service string, d *dialect) (*claim, error) {
	q, err := sigv4.ParsePresignedQuery(r.URL.RawQuery)
	switch {
	case err != nil:
		return nil, d.incomplete("Each parameter of a presigned request may occur only once.")
	case q.Algorithm != sigv4.Algorithm:
		return nil, d.incomplete("Unsupported AWS 'algorithm': '" + q.Algorithm + "' (only AWS4-HMAC-SHA256 for now). ")
	case q.Credential == "" || q.Signature == "" || q.Date == "" || q.SignedHeaders == "":
		return nil, d.incomplete("AWS query-string parameters must include 'X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Signature', 'X-Amz-SignedHeaders' and 'X-Amz-Date'. Re-examine the query-string parameters.")
	}
	signedAt, err := sigv4.ParseDate(q.Date)
	if err != nil {
		return nil, d.incomplete("Date must be in ISO-8601 'basic format'. Got '" + q.Date + "'. See http://en.wikipedia.org/wiki/ISO_8601")
	}
	most := maxPresigned
	if q.Expires != "" {
		seconds, err := strconv.ParseUint(q.Expires, 10, 32)
		if err != nil || seconds > maxExpires {
			return nil, d.incomplete("X-Amz-Expires must be a number of seconds up to 604800.")
		}
		most = min(most, time.Duration(seconds)*time.Second)
	}
	if err := d.skew(signedAt, a.cfg.Now(), most); err != nil {
		return nil, err
	}
	credential, err := d.covered(r, q.SignedHeaders, q.Credential, service, q.Date)
	if err != nil {
		return nil, err
	}
	if r.Header.Get(securityToken) != "" {
		return nil, d.key
	}
	return &claim{AuthQuery, credential, q.SignedHeaders, q.Signature, q.Date, signedAt, "", q.SecurityToken}, nil
}
