package authn

import (
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"coffer/internal/sigv4"
)

// maxExpires is the longest life of a presigned request: a week.
//
// Source: Amazon S3 API Reference, "Authenticating Requests: Using Query
// Parameters", X-Amz-Expires, read 2026-11-21.
const maxExpires = 604800

// schemeECDSA is Signature Version 4A, which Coffer does not speak.
const schemeECDSA = "AWS4-ECDSA-P256-SHA256"

// S3 authenticates a request to the S3 API, by its Authorization header or its
// query; without either the caller is anonymous. It does not read the body: the
// returned one verifies what was declared of it. On success, a signed header that
// occurs more than once is one value in r, joined with commas as it was signed.
//
// An error that is not an *awserr.Error is the server's own. The others are
//
//   - InvalidArgument for more than one kind of authentication, an unknown one, a
//     header that may occur once and occurs twice, and a malformed payload hash,
//   - InvalidRequest for Signature Version 2, and for no x-amz-content-sha256,
//   - NotImplemented for Signature Version 4A,
//   - AccessDenied for no date, a presigned request that is not yet valid or has
//     expired, and headers that must be signed and are not,
//   - RequestTimeTooSkewed,
//   - AuthorizationHeaderMalformed and AuthorizationQueryParametersError,
//   - MissingContentLength for a streamed payload of unknown length,
//   - InvalidToken and ExpiredToken for a session token,
//   - InvalidAccessKeyId, SignatureDoesNotMatch,
//   - XAmzContentSHA256Mismatch for an empty body that was declared otherwise.
func (a *Authenticator) S3(r *http.Request, f Facts) (*Caller, *Body, error) {
	c := a.caller(r, sigv4.ServiceS3, f)
	cl, err := a.s3Claim(r)
	if err != nil {
		return nil, nil, err
	}
	if cl == nil {
		p, err := declaredPayload(r, "", AuthQuery)
		if err != nil {
			return nil, nil, err
		}
		b, err := newBody(r, p, nil)
		return c, b, err
	}
	p, err := declaredPayload(r, cl.payload, cl.authType)
	if err != nil {
		return nil, nil, err
	}
	if missing := unsignedHeaders(r.Header, cl.signedHeaders); missing != nil {
		return nil, nil, s3NotSigned(missing)
	}
	// The token stands where the signature does, and nowhere else.
	if cl.authType == AuthQuery && r.Header.Get(securityToken) != "" ||
		cl.authType == AuthHeader && sigv4.HasQueryParameter(r.URL.RawQuery, securityToken) {
		return nil, nil, errS3Token
	}
	v, err := a.verify(r, cl)
	if err != nil {
		return nil, nil, err
	}
	if err := s3Refuse(cl, &v); err != nil {
		return nil, nil, err
	}
	joinSigned(r.Header, cl.signedHeaders)
	a.signedBy(c, v.signer, cl)
	b, err := newBody(r, p, &signedBody{cl, v})
	if err != nil {
		return nil, nil, err
	}
	if p.streaming() {
		c.BytesIn = b.Length()
	}
	return c, b, nil
}

// s3Claim reads how a request is signed. It returns nil for one that is not.
func (a *Authenticator) s3Claim(r *http.Request) (*claim, error) {
	if name := repeated(r.Header); name != "" {
		return nil, s3Argument("The header "+name+" may occur only once.", name, "")
	}
	authorization := r.Header.Get("Authorization")
	v4 := sigv4.HasQueryParameter(r.URL.RawQuery, "X-Amz-Algorithm")
	v2 := sigv4.HasQueryParameter(r.URL.RawQuery, "Signature")
	switch {
	case authorization != "" && (v4 || v2), v4 && v2:
		return nil, s3Argument(oneMechanism, "Authorization", scheme(authorization))
	case authorization != "":
		return a.s3HeaderClaim(r, authorization)
	case v4:
		return a.s3QueryClaim(r)
	case v2:
		return nil, errS3Version2
	}
	return nil, nil
}

func (a *Authenticator) s3HeaderClaim(r *http.Request, authorization string) (*claim, error) {
	name, rest, ok := strings.Cut(authorization, " ")
	switch {
	case !ok:
		return nil, s3Argument("Authorization header is invalid -- one and only one ' ' (space) required", "Authorization", "")
	case strings.EqualFold(name, "AWS"):
		return nil, errS3Version2
	case strings.EqualFold(name, schemeECDSA):
		return nil, s3NotImplemented("Authorization")
	case !strings.EqualFold(name, sigv4.Algorithm):
		return nil, s3Argument("Unsupported Authorization Type", "Authorization", name)
	}
	signedAt, date, err := requestDate(r.Header)
	if err != nil {
		return nil, errS3NoDate
	}
	now := a.cfg.Now()
	if d := now.Sub(signedAt); d > a.cfg.MaxSkew || d < -a.cfg.MaxSkew {
		return nil, s3Skewed(date, now, a.cfg.MaxSkew)
	}
	parsed, err := sigv4.ParseAuthorization(rest)
	if err != nil {
		return nil, s3Malformed("the authorization header requires three components: Credential, SignedHeaders, and Signature.")
	}
	credential, detail := a.s3Credential(parsed.Credential)
	if detail != "" {
		return nil, a.withRegion(s3Malformed(detail), credential)
	}
	if credential.Scope.Date != date[:8] {
		return nil, s3Malformed("Invalid credential date. Date is not the same as X-Amz-Date.")
	}
	payload := r.Header.Get("X-Amz-Content-Sha256")
	if payload == "" {
		return nil, errS3NoPayloadHash
	}
	return &claim{AuthHeader, credential, parsed.SignedHeaders, parsed.Signature, date, signedAt, payload, r.Header.Get(securityToken)}, nil
}

func (a *Authenticator) s3QueryClaim(r *http.Request) (*claim, error) {
	q, err := sigv4.ParsePresignedQuery(r.URL.RawQuery)
	if err != nil {
		return nil, s3Query("Query-string authentication version 4 allows each of its parameters only once.")
	}
	switch {
	case q.Algorithm == schemeECDSA:
		return nil, s3NotImplemented("X-Amz-Algorithm")
	case q.Algorithm != sigv4.Algorithm:
		return nil, s3Query(`X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"`)
	case q.Credential == "" || q.Signature == "" || q.Date == "" || q.SignedHeaders == "" || q.Expires == "":
		return nil, s3Query("Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
	}
	signedAt, err := sigv4.ParseDate(q.Date)
	if err != nil {
		return nil, s3Query(`X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`)
	}
	seconds, err := strconv.ParseInt(q.Expires, 10, 64)
	switch {
	case err != nil:
		return nil, s3Query("X-Amz-Expires should be a number")
	case seconds < 0:
		return nil, s3Query("X-Amz-Expires must be non-negative")
	case seconds > maxExpires:
		return nil, s3Query("X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds")
	}
	now, expires := a.cfg.Now(), signedAt.Add(time.Duration(seconds)*time.Second)
	switch {
	case signedAt.Sub(now) > a.cfg.MaxSkew:
		return nil, s3Early(signedAt, expires, now)
	case !now.Before(expires):
		return nil, s3Expired(seconds, expires, now)
	}
	credential, detail := a.s3Credential(q.Credential)
	if detail != "" {
		return nil, a.withRegion(s3Query(queryCredential+detail), credential)
	}
	if credential.Scope.Date != q.Date[:8] {
		return nil, s3Query(`Invalid credential date "` + credential.Scope.Date + `". This date is not the same as X-Amz-Date: "` + q.Date[:8] + `".`)
	}
	// The value of a header goes before that of the query, and is in the
	// canonical request either way.
	payload := r.Header.Get("X-Amz-Content-Sha256")
	if payload == "" {
		payload = q.ContentSHA256
	}
	if payload == "" {
		payload = sigv4.UnsignedPayload
	}
	return &claim{AuthQuery, credential, q.SignedHeaders, q.Signature, q.Date, signedAt, payload, q.SecurityToken}, nil
}

// s3Credential splits a credential and says in S3's words what is wrong with it.
// Which regions there are is for callers to know.
func (a *Authenticator) s3Credential(s string) (sigv4.Credential, string) {
	c, err := sigv4.ParseCredential(s)
	switch {
	case err != nil:
		return c, `the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`
	case c.AccessKeyID == "":
		return c, "a non-empty Access Key (AKID) must be provided in the credential."
	case len(c.Scope.Date) != 8 || strings.Trim(c.Scope.Date, "0123456789") != "":
		return c, `incorrect date format "` + c.Scope.Date + `". This date in the credential must be in the format "yyyyMMdd".`
	case c.Scope.Region == "":
		return c, "a non-empty region must be provided in the credential."
	case !isRegion(c.Scope.Region):
		return c, "the region '" + c.Scope.Region + "' is wrong; expecting '" + a.cfg.Region + "'"
	case c.Scope.Service != sigv4.ServiceS3:
		return c, `incorrect service "` + c.Scope.Service + `". This endpoint belongs to "s3".`
	case c.Terminator != sigv4.Terminator:
		return c, `incorrect terminal "` + c.Terminator + `". This endpoint uses "aws4_request".`
	}
	return c, ""
}

// A payload is how the body of a request is declared.
type payload struct {
	mode     string // one of the names in package sigv4, or "" for a hash
	hash     []byte // of the body, if mode is ""
	length   int64  // of the data, for a streamed payload
	declared []string
}

func (p *payload) streaming() bool { return strings.HasPrefix(p.mode, "STREAMING-") }

// declaredPayload reads how the body of r is declared. An anonymous request may
// declare nothing; signed chunks need a signature in the header to begin with.
func declaredPayload(r *http.Request, value, authType string) (*payload, error) {
	if value == "" {
		value = r.Header.Get("X-Amz-Content-Sha256")
	}
	if value == "" {
		value = sigv4.UnsignedPayload
	}
	p := &payload{mode: value}
	switch value {
	case sigv4.UnsignedPayload:
		// A framed body that is not declared as one would be stored with its
		// frames.
		if r.Header.Get("X-Amz-Decoded-Content-Length") != "" && isChunked(r.Header) {
			return nil, errS3PayloadUse
		}
		return p, nil
	case sigv4.StreamingPayload, sigv4.StreamingPayloadTrailer:
		if authType != AuthHeader {
			return nil, errS3PayloadUse
		}
	case sigv4.StreamingUnsignedTrailer:
	case "STREAMING-" + schemeECDSA + "-PAYLOAD", "STREAMING-" + schemeECDSA + "-PAYLOAD-TRAILER":
		return nil, s3NotImplemented("x-amz-content-sha256")
	default:
		hash, err := hex.DecodeString(value)
		if err != nil || len(hash) != 32 {
			return nil, s3Argument(payloadNames, "x-amz-content-sha256", value)
		}
		return &payload{hash: hash}, nil
	}
	length := r.Header.Get("X-Amz-Decoded-Content-Length")
	if length == "" {
		return nil, errS3NoLength
	}
	n, err := strconv.ParseUint(length, 10, 63)
	if err != nil {
		return nil, s3Argument("The value of x-amz-decoded-content-length is invalid.", "x-amz-decoded-content-length", length)
	}
	p.length = int64(n)
	if value != sigv4.StreamingPayload {
		p.declared = trailerNames(r.Header["X-Amz-Trailer"])
	}
	return p, nil
}

// isChunked reports whether the body is said to be aws-chunked.
func isChunked(h http.Header) bool {
	for _, v := range h["Content-Encoding"] {
		for s := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(s), "aws-chunked") {
				return true
			}
		}
	}
	return false
}

// trailerNames returns the names in x-amz-trailer, in lower case.
func trailerNames(values []string) []string {
	var names []string
	for _, v := range values {
		for s := range strings.SplitSeq(v, ",") {
			if s = strings.ToLower(strings.TrimSpace(s)); s != "" {
				names = append(names, s)
			}
		}
	}
	return names
}
