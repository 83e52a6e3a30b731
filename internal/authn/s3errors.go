package authn

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"coffer/internal/awserr"
	"coffer/internal/sigv4"
)

// The answers of S3. Codes, texts and fields are those that AWS gives, as clients
// recorded them up to 2026-11-21 and as far as they did.

const (
	oneMechanism    = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified"
	payloadNames    = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value."
	queryCredential = "Error parsing the X-Amz-Credential parameter; "
	serverTime      = "2006-01-02T15:04:05Z"
)

var (
	errS3Version2      = awserr.New(400, "InvalidRequest", "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")
	errS3NoDate        = awserr.New(403, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
	errS3NoPayloadHash = awserr.New(400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
	errS3PayloadUse    = awserr.New(400, "InvalidRequest", "The value of x-amz-content-sha256 header is invalid.")
	errS3NoLength      = awserr.New(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
	errS3Token         = awserr.New(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
	errS3Expired       = awserr.New(400, "ExpiredToken", "The provided token has expired.")
	errS3Body          = awserr.New(400, "IncompleteBody", "The request body terminated unexpectedly")
	errS3Trailer       = awserr.New(400, "MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema.")
)

func s3Argument(message, name, value string) *awserr.Error {
	return awserr.New(400, "InvalidArgument", "%s", message).With("ArgumentName", name).With("ArgumentValue", value)
}

func s3NotImplemented(header string) *awserr.Error {
	return awserr.New(501, "NotImplemented", "A header you provided implies functionality that is not implemented").With("Header", header)
}

func s3Malformed(detail string) *awserr.Error {
	return awserr.New(400, "AuthorizationHeaderMalformed", "The authorization header is malformed; %s", detail)
}

func s3Query(message string) *awserr.Error {
	return awserr.New(400, "AuthorizationQueryParametersError", "%s", message)
}

// withRegion adds the region that was expected to an error about another one.
func (a *Authenticator) withRegion(e *awserr.Error, c sigv4.Credential) *awserr.Error {
	if c.Scope.Region == "" || isRegion(c.Scope.Region) {
		return e
	}
	return e.With("Region", a.cfg.Region)
}

func s3Skewed(date string, now time.Time, most time.Duration) *awserr.Error {
	return awserr.New(403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.").
		With("RequestTime", date).
		With("ServerTime", now.UTC().Format(serverTime)).
		With("MaxAllowedSkewMilliseconds", strconv.FormatInt(most.Milliseconds(), 10))
}

func s3Early(signedAt, expires, now time.Time) *awserr.Error {
	return awserr.New(403, "AccessDenied", "Request is not yet valid").
		With("X-Amz-Date", strconv.FormatInt(signedAt.UnixMilli(), 10)).
		With("Expires", expires.UTC().Format(serverTime)).
		With("ServerTime", now.UTC().Format(serverTime))
}

func s3Expired(seconds int64, expires, now time.Time) *awserr.Error {
	return awserr.New(403, "AccessDenied", "Request has expired").
		With("X-Amz-Expires", strconv.FormatInt(seconds, 10)).
		With("Expires", expires.UTC().Format(serverTime)).
		With("ServerTime", now.UTC().Format(serverTime))
}

func s3NotSigned(names []string) *awserr.Error {
	return awserr.New(403, "AccessDenied", "There were headers present in the request which were not signed").
		With("HeadersNotSigned", strings.Join(names, ", "))
}

func s3UnknownKey(cl *claim) *awserr.Error {
	return awserr.New(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.").
		With("AWSAccessKeyId", cl.credential.AccessKeyID)
}

// s3Refuse returns the error of a verdict that does not hold, or nil.
func s3Refuse(cl *claim, v *verdict) error {
	switch {
	case errors.Is(v.refused, errExpired):
		return errS3Expired
	case errors.Is(v.refused, ErrToken):
		return errS3Token.Because(v.refused)
	case v.signer == nil:
		return s3UnknownKey(cl)
	case !v.ok:
		return s3Mismatch(cl, v)
	}
	return nil
}

// s3Mismatch answers a wrong signature with what the server signed, so that the
// client can compare.
func s3Mismatch(cl *claim, v *verdict) *awserr.Error {
	e := awserr.New(403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method.").
		With("AWSAccessKeyId", cl.credential.AccessKeyID).
		With("StringToSign", v.toSign).
		With("SignatureProvided", cl.signature).
		With("StringToSignBytes", spacedHex([]byte(v.toSign)))
	if v.canonical == nil {
		return e
	}
	canonical := withoutSecrets(v.canonical)
	return e.With("CanonicalRequest", string(canonical)).With("CanonicalRequestBytes", spacedHex(canonical))
}

// withoutSecrets replaces the values of headers that hold secrets in a canonical
// request, and the session token in its query: what goes into an error may end in a
// client's log.
func withoutSecrets(canonical []byte) []byte {
	lines := bytes.Split(canonical, []byte("\n"))
	for i, line := range lines {
		if i == 2 {
			lines[i] = withoutToken(line)
			continue
		}
		name, _, ok := bytes.Cut(line, []byte(":"))
		if ok && (bytes.HasSuffix(name, []byte("-customer-key")) || string(name) == "x-amz-security-token") {
			lines[i] = append(bytes.Clone(name), ":[secret]"...)
		}
	}
	return bytes.Join(lines, []byte("\n"))
}

// withoutToken replaces the session token in a canonical query.
func withoutToken(query []byte) []byte {
	parts := bytes.Split(query, []byte("&"))
	for i, p := range parts {
		if bytes.HasPrefix(p, []byte(securityToken+"=")) {
			parts[i] = []byte(securityToken + "=[secret]")
		}
	}
	return bytes.Join(parts, []byte("&"))
}

// spacedHex writes bytes as S3 does: "41 57 53".
func spacedHex(b []byte) string {
	out := make([]byte, 0, 3*len(b))
	for i := range b {
		if i > 0 {
			out = append(out, ' ')
		}
		out = hex.AppendEncode(out, b[i:i+1])
	}
	return string(out)
}

func s3HashMismatch(declared, computed []byte) *awserr.Error {
	return awserr.New(400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.").
		With("ClientComputedContentSHA256", hex.EncodeToString(declared)).
		With("S3ComputedContentSHA256", hex.EncodeToString(computed))
}

func s3ChunkSize(e *sigv4.ChunkSizeError) *awserr.Error {
	return awserr.New(403, "InvalidChunkSizeError", "Only the last chunk is allowed to have a size less than 8192 bytes").
		With("Chunk", strconv.Itoa(e.Chunk)).
		With("BadChunkSize", strconv.FormatInt(e.Size, 10))
}

// scheme returns the first word of an Authorization header. What follows may be a
// secret in some schemes, and is not repeated in an answer.
func scheme(authorization string) string {
	s, _, _ := strings.Cut(authorization, " ")
	return s
}
