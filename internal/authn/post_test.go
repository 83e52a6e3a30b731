package authn

import (
	"encoding/json"
	"maps"
	"os"
	"strings"
	"testing"

	"coffer/internal/sigv4"
)

// examplePost returns the fields of the form that AWS publishes.
func examplePost(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile("../sigv4/testdata/vectors/s3-post-policy.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct{ Policy, Signature string }
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"key":              "user/user1/${filename}",
		"policy":           v.Policy,
		"x-amz-algorithm":  sigv4.Algorithm,
		"x-amz-credential": testKeyID + "/20151229/us-east-1/s3/aws4_request",
		"x-amz-date":       "20151229T000000Z",
		"x-amz-signature":  v.Signature,
	}
}

func TestPost(t *testing.T) {
	c, policy, err := newTest().Post(wire(t, newRequest("POST", "/bucket")), examplePost(t), Facts{})
	if err != nil {
		t.Fatal(err)
	}
	if c.Type != TypeRoot || c.AuthType != AuthPost || c.Account != testAccount || c.Region != "us-east-1" || c.Service != "s3" {
		t.Errorf("caller = %+v", c)
	}
	var document struct{ Expiration string }
	if err := json.Unmarshal(policy, &document); err != nil || document.Expiration != "2015-12-30T12:00:00.000Z" {
		t.Errorf("policy = %s, %v", policy, err)
	}
}

func TestPostAnonymous(t *testing.T) {
	c, policy, err := newTest().Post(wire(t, newRequest("POST", "/bucket")), map[string]string{"key": "k"}, Facts{})
	if err != nil || policy != nil || !c.IsAnonymous() {
		t.Errorf("Post = %+v, %q, %v; want an anonymous caller", c, policy, err)
	}
}

func TestPostRefused(t *testing.T) {
	argument := func(message, name string) answer {
		return answer{"InvalidArgument", 400, message, map[string]string{"ArgumentName": name}}
	}
	missing := func(name string) answer {
		return argument("Bucket POST must contain a field named '"+name+"'.  If it is specified, please check the order of the fields.", name)
	}
	mismatch := answer{code: "SignatureDoesNotMatch", status: 403}
	version2 := answer{"InvalidRequest", 400, "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.", nil}
	tests := []struct {
		name, field, value string // an empty value removes the field
		want               answer
	}{
		{"no signature", "x-amz-signature", "", missing("X-Amz-Signature")},
		{"no algorithm", "x-amz-algorithm", "", missing("X-Amz-Algorithm")},
		{"no credential", "x-amz-credential", "", missing("X-Amz-Credential")},
		{"no date", "x-amz-date", "", missing("X-Amz-Date")},
		{"no policy", "policy", "", missing("Policy")},
		{"version 2", "signature", "x", version2},
		{"version 2 key", "awsaccesskeyid", "x", version2},
		{"version 4A", "x-amz-algorithm", "AWS4-ECDSA-P256-SHA256", answer{code: "NotImplemented", status: 501}},
		{"another algorithm", "x-amz-algorithm", "AWS4-HMAC-SHA1", argument("", "X-Amz-Algorithm")},
		{"odd date", "x-amz-date", "2015", argument("", "X-Amz-Date")},
		{"another day", "x-amz-date", "20151230T000000Z", argument("", "X-Amz-Credential")},
		{"four parts", "x-amz-credential", "a/b/c/d", argument("", "X-Amz-Credential")},
		{"another service", "x-amz-credential", testKeyID + "/20151229/us-east-1/kms/aws4_request", argument("", "X-Amz-Credential")},
		{"unknown key", "x-amz-credential", "AKIAUNKNOWN/20151229/us-east-1/s3/aws4_request", answer{code: "InvalidAccessKeyId", status: 403}},
		{"another region", "x-amz-credential", testKeyID + "/20151229/us-west-2/s3/aws4_request", mismatch},
		{"token", "x-amz-security-token", "t", answer{code: "InvalidToken", status: 400}},
		{"not base64", "policy", "{}", answer{code: "InvalidPolicyDocument", status: 400}},
		{"another policy", "policy", "e30=", mismatch},
		{"short signature", "x-amz-signature", "00", mismatch},
		{"zero signature", "x-amz-signature", strings.Repeat("0", 64), mismatch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fields := maps.Clone(examplePost(t))
			fields[tt.field] = tt.value
			if tt.value == "" {
				delete(fields, tt.field)
			}
			c, policy, err := newTest().Post(wire(t, newRequest("POST", "/bucket")), fields, Facts{})
			if c != nil || policy != nil {
				t.Errorf("Post = %v, %q; want nil, nil", c, policy)
			}
			tt.want.check(t, err)
		})
	}
	for name, r := range map[string][]string{"header": {"Authorization", "AWS4-HMAC-SHA256 x"}} {
		t.Run("beside a "+name, func(t *testing.T) {
			_, _, err := newTest().Post(wire(t, newRequest("POST", "/bucket", r...)), examplePost(t), Facts{})
			argument(oneMechanism, "Authorization").check(t, err)
		})
	}
	_, _, err := newTest().Post(wire(t, presigned("POST", "/bucket")), examplePost(t), Facts{})
	argument(oneMechanism, "Authorization").check(t, err)
}
