package authn

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"coffer/internal/sigv4"
)

func TestQuery(t *testing.T) {
	const form = "Action=GetUser&Version=2010-05-08"
	post := func(service, target, body string) *http.Request {
		r := newRequest("POST", target, "Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		newSigner(service).Sign(unsigned(r), hashOf(body), testNow)
		setBody(r, body)
		return r
	}
	presign := func(method, target string, at time.Time, expires time.Duration) *http.Request {
		r := newRequest(method, target)
		r.URL.RawQuery = newSigner("sts").Presign(unsigned(r), sigv4.EmptySHA256, at, expires)
		return r
	}
	const identity = "/?Action=GetCallerIdentity&Version=2011-06-15"
	anonymous := newRequest("POST", "/")
	setBody(anonymous, "Action=AssumeRoleWithWebIdentity")
	anonymousGET := newRequest("GET", "/?Action=AssumeRoleWithWebIdentity")
	edit := func(r *http.Request, change func(*http.Request)) *http.Request { change(r); return r }
	setForm := func(body string) func(*http.Request) { return func(r *http.Request) { setBody(r, body) } }
	query := func(suffix string) func(*http.Request) {
		return func(r *http.Request) { r.URL.RawQuery += suffix }
	}
	missing := answer{"MissingAuthenticationToken", 403, "Request is missing Authentication Token", nil}
	mismatch := answer{"SignatureDoesNotMatch", 403, noMatch, nil}
	invalid := answer{code: "SignatureDoesNotMatch", status: 403}
	incomplete := answer{code: "IncompleteSignature", status: 400}
	malformed := answer{code: "MalformedInput", status: 400}
	key := answer{"InvalidClientTokenId", 403, tokenInvalid, nil}
	tests := []struct {
		name, service string
		r             *http.Request
		form          string // of an admitted request
		want          answer
	}{
		{"POST", "iam", post("iam", "/", form), form, answer{}},
		{"POST with a query string", "iam", post("iam", "/?"+form, ""), form, answer{}},
		{"presigned", "sts", presign("GET", identity, testNow, time.Minute), "", answer{}},
		{"presigned 14 minutes ago", "sts", presign("GET", identity, testNow.Add(-14*time.Minute), time.Hour), "", answer{}},
		{"web identity", "sts", anonymous, "Action=AssumeRoleWithWebIdentity", answer{}},
		{"web identity, GET", "sts", anonymousGET, "Action=AssumeRoleWithWebIdentity", answer{}},

		{"form and query string", "iam", post("iam", "/?"+form, form), "", malformed},
		{"unsigned", "iam", edit(newRequest("POST", "/"), setForm(form)), "", missing},
		{"unsigned, of another operation", "sts", edit(newRequest("POST", "/"), setForm("Action=GetCallerIdentity")), "", missing},
		{"unsigned, action twice", "sts", edit(newRequest("POST", "/"), setForm("Action=AssumeRoleWithWebIdentity&Action=GetCallerIdentity")), "", malformed},
		{"unsigned, in another case", "sts", edit(newRequest("POST", "/"), setForm("Action=assumerolewithwebidentity")), "", missing},
		{"web identity of IAM", "iam", edit(newRequest("POST", "/"), setForm("Action=AssumeRoleWithWebIdentity")), "", missing},
		{"bearer token", "sts", edit(anonymousCopy(), func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }), "", missing},
		{"another form", "iam", edit(post("iam", "/", form), setForm("Action=DeleteUser&Version=2010-05-08")), "", mismatch},
		{"another query string", "iam", edit(post("iam", "/?"+form, ""), query("&UserName=x")), "", mismatch},
		{"another method", "iam", edit(post("iam", "/?"+form, ""), func(r *http.Request) { r.Method = "GET" }), "", mismatch},
		{"another service", "iam", post("sts", "/", form), "", invalid},
		{"another service's presigned request", "iam", presign("GET", identity, testNow, time.Minute), "", incomplete},
		{"another host", "sts", edit(presign("GET", identity, testNow, time.Minute), func(r *http.Request) { r.Host = "sts.other.test" }), "", mismatch},
		{"presigned POST", "sts", presign("POST", identity, testNow, time.Minute), "", incomplete},
		{"presigned, of another operation", "sts", presign("GET", "/?Action=AssumeRole&Version=2011-06-15", testNow, time.Minute), "", incomplete},
		{"presigned, with an operation added", "sts", edit(presign("GET", "/?Version=2011-06-15", testNow, time.Minute), query("&Action=GetCallerIdentity")), "", mismatch},
		{"presigned, with another operation added", "sts", edit(presign("GET", identity, testNow, time.Minute), query("&Action=AssumeRole")), "", malformed},
		{"presigned, parameter twice", "sts", edit(presign("GET", identity, testNow, time.Minute), query("&X-Amz-Date=20261121T120000Z")), "", malformed},
		{"presigned, with a header", "sts", edit(presign("GET", identity, testNow, time.Minute), func(r *http.Request) { r.Header.Set("X-Amz-Acl", "x") }), "", invalid},
		{"presigned, with a token in the header", "sts", edit(presign("GET", identity, testNow, time.Minute), func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "x") }), "", invalid},
		{"presigned, with a token added", "sts", edit(presign("GET", identity, testNow, time.Minute), query("&X-Amz-Security-Token=x")), "", key},
		{"presigned and signed", "sts", edit(presign("GET", identity, testNow, time.Minute), func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 x") }), "", incomplete},
		{"presigned by nobody", "sts", newRequest("GET", identity+"&X-Amz-Signature=00"), "", incomplete},
		{"expired", "sts", presign("GET", identity, testNow.Add(-61*time.Second), time.Minute), "", invalid},
		{"expired whatever it says", "sts", presign("GET", identity, testNow.Add(-16*time.Minute), time.Hour), "", invalid},
		{"of tomorrow", "sts", presign("GET", identity, testNow.Add(6*time.Minute), time.Hour), "", invalid},
		{"too long", "iam", post("iam", "/", strings.Repeat("x", 1<<20+1)), "", answer{code: "RequestEntityTooLarge", status: 413}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, text, err := newTest().Query(wire(t, tt.r), tt.service, Facts{RequestID: "R"})
			if tt.want.code != "" {
				if c != nil || text != nil {
					t.Errorf("Query = %+v, %q", c, text)
				}
				tt.want.check(t, err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if tt.form != "" && string(text) != tt.form {
				t.Errorf("form = %q; want %q", text, tt.form)
			}
			if strings.HasPrefix(tt.name, "web") != c.IsAnonymous() || c.RequestID != "R" || c.Service != tt.service {
				t.Errorf("caller = %+v", c)
			}
		})
	}
}

// anonymousCopy returns a request that needs no signature.
func anonymousCopy() *http.Request {
	r := newRequest("POST", "/")
	setBody(r, "Action=AssumeRoleWithWebIdentity")
	return r
}

// TestSDKPresignsGetCallerIdentity: it signs the empty body and sets no
// X-Amz-Expires, and proofs of identity are made so.
func TestSDKPresignsGetCallerIdentity(t *testing.T) {
	u := &url.URL{Scheme: "http", Host: testHost, Path: "/", RawQuery: "Action=GetCallerIdentity&Version=2011-06-15"}
	r := &http.Request{Method: "GET", URL: u, Host: testHost, Header: http.Header{"X-K8s-Aws-Id": {"cluster"}}}
	signed, header, err := v4.NewSigner().PresignHTTP(t.Context(), sdkCredentials, r, sigv4.EmptySHA256, "sts", "us-east-1", testNow)
	if err != nil {
		t.Fatal(err)
	}
	got, err := http.NewRequest("GET", signed, nil)
	if err != nil {
		t.Fatal(err)
	}
	got.Header = header
	c, _, err := newTest().Query(wire(t, got), "sts", Facts{})
	if err != nil || c.AuthType != AuthQuery || c.Type != TypeRoot {
		t.Errorf("Query = %+v, %v", c, err)
	}
}
