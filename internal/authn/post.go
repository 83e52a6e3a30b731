package authn

import (
	"encoding/base64"
	"net/http"

	"coffer/internal/awserr"
	"coffer/internal/sigv4"
)

// postFields are the fields that sign a form, in S3's spelling, by lower-case name.
var postFields = []struct{ name, spelling string }{
	{"x-amz-signature", "X-Amz-Signature"},
	{"x-amz-algorithm", "X-Amz-Algorithm"},
	{"x-amz-credential", "X-Amz-Credential"},
	{"x-amz-date", "X-Amz-Date"},
}

// Post authenticates a form that a browser posts to the S3 API. The fields are
// those before the file, with names in lower case. It returns the policy as JSON,
// whose signature it has verified and nothing else: that the policy has not expired
// and that the form meets it is for the caller to check. Without a policy and
// without any of the fields that sign one the caller is anonymous and the policy
// nil.
//
// An error that is not an *awserr.Error is the server's own. The others are
//
//   - InvalidArgument for a field that is missing or malformed, a scope that is
//     wrong, and another kind of authentication beside the form,
//   - InvalidRequest for Signature Version 2, NotImplemented for 4A,
//   - InvalidPolicyDocument for a policy that is not base64,
//   - InvalidToken and ExpiredToken for a session token,
//   - InvalidAccessKeyId, SignatureDoesNotMatch.
func (a *Authenticator) Post(r *http.Request, fields map[string]string, f Facts) (*Caller, []byte, error) {
	c := a.caller(r, sigv4.ServiceS3, f)
	cl, err := a.postClaim(r, fields)
	if err != nil {
		return nil, nil, err
	}
	if cl == nil {
		return c, nil, nil
	}
	policy, err := base64.StdEncoding.DecodeString(fields["policy"])
	if err != nil {
		return nil, nil, awserr.New(400, "InvalidPolicyDocument", "Invalid Policy: Invalid Base64 encoding")
	}
	v, err := a.check(r.Context(), cl, fields["policy"])
	if err != nil {
		return nil, nil, err
	}
	if err := s3Refuse(cl, &v); err != nil {
		return nil, nil, err
	}
	a.signedBy(c, v.signer, cl)
	return c, policy, nil
}

// postClaim reads how a form is signed. It returns nil for one that is not.
func (a *Authenticator) postClaim(r *http.Request, fields map[string]string) (*claim, error) {
	authorization := r.Header.Get("Authorization")
	if authorization != "" || sigv4.HasQueryParameter(r.URL.RawQuery, "X-Amz-Algorithm") || sigv4.HasQueryParameter(r.URL.RawQuery, "Signature") {
		return nil, s3Argument(oneMechanism, "Authorization", scheme(authorization))
	}
	_, hasPolicy := fields["policy"]
	signed := 0
	for _, field := range postFields {
		if _, ok := fields[field.name]; ok {
			signed++
		}
	}
	_, v2 := fields["signature"]
	_, v2key := fields["awsaccesskeyid"]
	switch {
	case v2 || v2key:
		return nil, errS3Version2
	case !hasPolicy && signed == 0:
		return nil, nil
	case !hasPolicy:
		return nil, postMissing("Policy")
	}
	for _, field := range postFields {
		if fields[field.name] == "" {
			return nil, postMissing(field.spelling)
		}
	}
	switch algorithm := fields["x-amz-algorithm"]; algorithm {
	case sigv4.Algorithm:
	case schemeECDSA:
		return nil, s3NotImplemented("X-Amz-Algorithm")
	default:
		return nil, s3Argument("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\"", "X-Amz-Algorithm", algorithm)
	}
	date := fields["x-amz-date"]
	signedAt, err := sigv4.ParseDate(date)
	if err != nil {
		return nil, s3Argument("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"", "X-Amz-Date", date)
	}
	credential, detail := a.s3Credential(fields["x-amz-credential"])
	if detail == "" && credential.Scope.Date != date[:8] {
		detail = `Invalid credential date "` + credential.Scope.Date + `". This date is not the same as X-Amz-Date: "` + date[:8] + `".`
	}
	if detail != "" {
		return nil, a.withRegion(s3Argument(queryCredential+detail, "X-Amz-Credential", ""), credential)
	}
	return &claim{AuthPost, credential, "", fields["x-amz-signature"], date, signedAt, "", fields["x-amz-security-token"]}, nil
}

func postMissing(field string) error {
	return s3Argument("Bucket POST must contain a field named '"+field+"'.  If it is specified, please check the order of the fields.", field, "")
}
