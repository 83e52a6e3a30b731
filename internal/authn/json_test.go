package authn

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"coffer/internal/sigv4"
)

// signedJSON returns a request to a JSON service.
func signedJSON(service, body string) *http.Request {
	r := newRequest("POST", "/", "X-Amz-Target", "TrentService.ListKeys", "Content-Type", "application/x-amz-json-1.1")
	newSigner(service).Sign(unsigned(r), hashOf(body), testNow)
	setBody(r, body)
	return r
}

func TestJSON(t *testing.T) {
	for _, service := range []string{"kms", "coffer"} {
		c, b, err := newTest().JSON(wire(t, signedJSON(service, "{}")), service, Facts{RequestID: "R"})
		if err != nil {
			t.Fatal(err)
		}
		if c.Type != TypeRoot || c.Account != testAccount || c.Service != service || c.Region != "us-east-1" || c.RequestID != "R" || c.BytesIn != 2 {
			t.Errorf("caller = %+v", c)
		}
		if got, err := io.ReadAll(b); string(got) != "{}" || err != nil || b.Length() != 2 {
			t.Errorf("ReadAll = %q, %v; Length = %d", got, err, b.Length())
		}
	}
}

func TestJSONRefused(t *testing.T) {
	incomplete := func(message string) answer { return answer{"IncompleteSignatureException", 400, message, nil} }
	invalid := func(message string) answer { return answer{"InvalidSignatureException", 400, message, nil} }
	missing := answer{"MissingAuthenticationTokenException", 400, "Missing Authentication Token", nil}
	unknown := answer{"UnrecognizedClientException", 400, "The security token included in the request is invalid.", nil}
	mismatch := invalid("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	replace := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			s := r.Header.Get("Authorization")
			if !strings.Contains(s, old) {
				panic(old + " is not in " + s)
			}
			r.Header.Set("Authorization", strings.Replace(s, old, new, 1))
		}
	}
	at := func(offset time.Duration) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Del("Authorization")
			newSigner("kms").Sign(unsigned(r), hashOf("{}"), testNow.Add(offset))
		}
	}
	tests := []struct {
		name   string
		change func(*http.Request)
		want   answer
	}{
		{"no authorization", func(r *http.Request) { r.Header.Del("Authorization") }, missing},
		{"bearer token", set("Authorization", "Bearer t0ken"), missing},
		{"version 2", set("Authorization", "AWS a:b"), missing},
		{"version 4A", replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), incomplete("Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256' (only AWS4-HMAC-SHA256 for now). ")},
		{"no equal sign", set("Authorization", "AWS4-HMAC-SHA256 x"), incomplete("Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with Base64): '" + hashed("AWS4-HMAC-SHA256 x") + "'.")},
		{"nothing in it", func(r *http.Request) { set("Authorization", "AWS4-HMAC-SHA256 a=b")(r); r.Header.Del("X-Amz-Date") },
			incomplete("Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. (Hashed with SHA-256 and encoded with Base64) Authorization=" + hashed("AWS4-HMAC-SHA256 a=b"))},
		{"unknown parameter", func(r *http.Request) { r.Header.Set("Authorization", r.Header.Get("Authorization")+", a=b") }, answer{code: "IncompleteSignatureException", status: 400}},
		{"empty signature", func(r *http.Request) {
			s, _, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
			r.Header.Set("Authorization", s+"Signature=")
		}, answer{code: "IncompleteSignatureException", status: 400}},
		{"short signature", func(r *http.Request) {
			s, _, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
			r.Header.Set("Authorization", s+"Signature=00")
		}, mismatch},
		{"odd date", set("X-Amz-Date", "201"), incomplete("Date must be in ISO-8601 'basic format'. Got '201'. See http://en.wikipedia.org/wiki/ISO_8601")},
		{"too old", at(-5*time.Minute - time.Second), invalid("Signature expired: 20261121T115459Z is now earlier than 20261121T115500Z (20261121T120000Z - 5 min.)")},
		{"too new", at(5*time.Minute + time.Second), invalid("Signature not yet current: 20261121T120501Z is still later than 20261121T120500Z (20261121T120000Z + 5 min.)")},
		{"host not signed", replace("host;", ""), invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")},
		{"target not signed", replace(";x-amz-target", ""), invalid("'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization.")},
		{"four parts", replace("/us-east-1", ""), incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got (hashed with SHA-256 and encoded with Base64): '" + hashed(testKeyID+"/20261121/kms/aws4_request") + "'")},
		{"no region", replace("/us-east-1/", "//"), invalid("Credential should be scoped to a valid region. ")},
		{"another service", replace("/kms/", "/s3/"), invalid("Credential should be scoped to correct service: 'kms'. ")},
		{"everything about the scope", replace("20261121/us-east-1/kms/aws4_request", "2026/US/s3/x"),
			invalid("Credential should be scoped to a valid region. Credential should be scoped to correct service: 'kms'. Credential should be scoped with a valid terminator: 'aws4_request', not 'x'. Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '2026' != '20261121', from '20261121T120000Z'. ")},
		{"session token", func(r *http.Request) { set("X-Amz-Security-Token", "t")(r); at(0)(r) }, unknown},
		{"unknown key", replace(testKeyID, "AKIAUNKNOWN"), unknown},
		{"inactive key", replace(testKeyID, "AKIAINACTIVE"), unknown},
		{"another target", set("X-Amz-Target", "TrentService.Decrypt"), mismatch},
		{"another body", func(r *http.Request) { setBody(r, "[]") }, mismatch},
		{"no body", func(r *http.Request) { setBody(r, "") }, mismatch},
		{"another body that says it is unsigned", func(r *http.Request) { setBody(r, "[]"); set("X-Amz-Content-Sha256", sigv4.UnsignedPayload)(r) }, mismatch},
		{"another body with the old hash", func(r *http.Request) { setBody(r, "[]"); set("X-Amz-Content-Sha256", hashOf("{}"))(r) }, mismatch},
		{"long body", func(r *http.Request) { setBody(r, strings.Repeat("x", 1<<20+1)) }, answer{code: "RequestEntityTooLargeException", status: 413}},
		{"query beside the header", func(r *http.Request) { r.URL.RawQuery = "X-Amz-Signature=0" }, incomplete(oneMechanism)},
		{"query", func(r *http.Request) { r.Header.Del("Authorization"); r.URL.RawQuery = "X-Amz-Algorithm=x" }, answer{code: "IncompleteSignatureException", status: 400}},
		{"two authorizations", func(r *http.Request) { r.Header.Add("Authorization", "x") }, answer{code: "IncompleteSignatureException", status: 400}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := signedJSON("kms", "{}")
			tt.change(r)
			c, b, err := newTest().JSON(wire(t, r), "kms", Facts{})
			if c != nil || b != nil {
				t.Errorf("JSON = %v, %v; want nil, nil", c, b)
			}
			tt.want.check(t, err)
		})
	}
}

// TestJSONDoesNotRepeatSecrets swaps the ID and the secret, as people do.
func TestJSONDoesNotRepeatSecrets(t *testing.T) {
	r := newRequest("POST", "/")
	sigv4.NewSigner(testSecret, testKeyID, "us-east-1", "kms").Sign(unsigned(r), sigv4.EmptySHA256, testNow)
	_, _, err := newTest().JSON(wire(t, r), "kms", Facts{})
	if err == nil || strings.Contains(err.Error(), "wJalr") {
		t.Errorf("JSON = %v; want an error without the secret", err)
	}
}
