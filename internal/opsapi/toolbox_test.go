package opsapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"coffer/internal/admin"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/identity"
	"coffer/internal/policy"
	"coffer/internal/sigv4"
)

// toolbox sends a request to the IAM Toolbox.
func (f *fixture) toolbox(key, service, method, target string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://127.0.0.1:7070"+target, nil)
	if key != "" {
		sum := sha256.Sum256(nil)
		sigv4.NewSigner(key, secret, "us-east-1", service).Sign(&sigv4.Request{
			Method: method, Path: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Host: r.Host, Header: r.Header,
		}, hex.EncodeToString(sum[:]), day0)
	}
	w := httptest.NewRecorder()
	f.ServeToolbox(w, r)
	return w
}

// newToolbox returns a fixture whose gate keeps explanations.
func newToolbox(t *testing.T) (*fixture, *authz.Gate) {
	t.Helper()
	f := newFixture(t, nil)
	gate := authz.New(authz.Config{Trail: f.trail, Meta: f.store, Identities: identity.New(identity.Config{Meta: f.store})})
	t.Cleanup(gate.Close)
	f.cfg.Gate = gate
	f.ops.Admin = admin.New(*f.cfg)
	f.Handler = New(f.ops)
	return f, gate
}

// denied has a caller denied, and returns the authorization ID.
func denied(t *testing.T, g *authz.Gate, c *authn.Caller, a *authz.Ask) string {
	t.Helper()
	d := authz.AsDenied(g.Ask(t.Context(), c, a))
	if d == nil || d.ID == "" {
		t.Fatalf("Ask = %v; want a denial with an ID", d)
	}
	return d.ID
}

// TestAuthorizationDetails asks for a denial by a bucket policy as both accounts that
// it concerns.
func TestAuthorizationDetails(t *testing.T) {
	f, gate := newToolbox(t)
	text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::tour/*"},
		{"Sid":"NotThem","Effect":"Deny","Principal":{"AWS":"210987654321"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::tour/*"}]}`
	bucket, err := policy.Parse(text, policy.KindBucket)
	if err != nil {
		t.Fatal(err)
	}
	c := &authn.Caller{Type: authn.TypeRoot, Account: other, ARN: "arn:aws:iam::" + other + ":root", PrincipalID: other, Region: "us-east-1", SourceIP: "192.0.2.7", SecureTransport: true}
	id := denied(t, gate, c, &authz.Ask{Action: "s3:GetObject", Resource: "arn:aws:s3:::tour/key", Account: account, Policy: &policy.Named{Name: "arn:aws:s3:::tour", Policy: bucket}})

	w := f.toolbox(ownKey, "iam", "GET", "/authorization-details/"+id)
	var got struct {
		RequestContext map[string]any
		Evaluations    json.RawMessage
		Policies       []policyInfo
		NextToken      *string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("GetRequestAuthorizationDetails = %d %s, %v", w.Code, w.Body, err)
	}
	if len(got.Policies) != 1 || got.NextToken != nil {
		t.Fatalf("policies = %+v; want the bucket's, and no next token", got.Policies)
	}
	p := got.Policies[0]
	if p.Type != "RESOURCE_BASED_POLICY" || !p.Inline || len(p.URI) != 32 || len(p.AttachedTo) != 1 || p.AttachedTo[0].ARN != "arn:aws:s3:::tour" {
		t.Errorf("policy = %+v", p)
	}
	want := `[{"action":"s3:GetObject","resource":"arn:aws:s3:::tour/key","evaluatedEffect":"EXPLICIT_DENY","matchedPolicies":[{"uri":"` + p.URI +
		`","matchedStatements":[{"sid":"[0]","evaluatedEffect":"ALLOW"},{"sid":"NotThem","evaluatedEffect":"DENY"}]}]}]`
	if string(got.Evaluations) != want {
		t.Errorf("evaluations =\n\t%s; want\n\t%s", got.Evaluations, want)
	}
	if got.RequestContext["aws:PrincipalArn"] != c.ARN || got.RequestContext["aws:SourceIp"] != "192.0.2.7" || got.RequestContext["aws:SecureTransport"] != "true" {
		t.Errorf("context = %v", got.RequestContext)
	}
	if e := f.last(); e.EventSource != "iam-toolbox.amazonaws.com" || e.EventName != "GetRequestAuthorizationDetails" || !e.ReadOnly || e.ErrorCode != "" || e.RequestParameters["authorizationId"] != id {
		t.Errorf("event = %+v", e)
	}

	// The principal's account learns that it was denied, and nothing of the policy.
	w = f.toolbox(keyOf2, "iam", "GET", "/authorization-details/"+id)
	if w.Code != 200 || strings.Contains(w.Body.String(), "NotThem") || !strings.Contains(w.Body.String(), `"EXPLICIT_DENY","matchedPolicies":[]}],"policies":[]}`) {
		t.Errorf("as the principal's account = %d %s; want no policies", w.Code, w.Body)
	}
}

// TestImplicitDenialDetails: no statement matched, and the policies that were asked are
// named.
func TestImplicitDenialDetails(t *testing.T) {
	x := &authz.Explanation{
		ID: "0001", Principal: "arn:aws:sts::123456789012:assumed-role/app/web", Action: "s3:ListAllMyBuckets", Resource: "*",
		Context: map[string][]string{"aws:PrincipalArn": {"arn:aws:iam::123456789012:role/app"}, "aws:TagKeys": {"a", "b"}},
		Evaluation: &policy.Explanation{Policies: []policy.PolicyExplanation{
			{Layer: policy.LayerSCP, Level: 0, Name: "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess", Statements: []policy.StatementExplanation{{Effect: policy.Allow, Applies: true}}},
			{Layer: policy.LayerSCP, Level: 1, Name: "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess"},
			{Layer: policy.LayerIdentity, Name: "arn:aws:iam::aws:policy/AmazonS3FullAccess"},
			{Layer: policy.LayerIdentity, Name: "role_app_inline"},
			{Layer: policy.LayerIdentity, Name: "role_app_inline"},
			{Layer: policy.LayerBoundary, Name: "arn:aws:iam::123456789012:policy/edge"},
		}},
	}
	out := detailsOf(x)
	b, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	inline, again := out.Policies[2].URI, out.Policies[3].URI
	if inline == again || strings.Contains(inline, "app") {
		t.Errorf("inline policies are called %q and %q", inline, again)
	}
	const attached = `"attachedTo":[{"arn":"arn:aws:iam::123456789012:role/app"}]}`
	want := `{"requestContext":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role/app","aws:TagKeys":["a","b"]},` +
		`"evaluations":[{"action":"s3:ListAllMyBuckets","resource":"","evaluatedEffect":"IMPLICIT_DENY","matchedPolicies":[]}],` +
		`"policies":[{"type":"SERVICE_CONTROL_POLICY","inline":false,"uri":"arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess"},` +
		`{"type":"IDENTITY_BASED_POLICY","inline":false,"uri":"arn:aws:iam::aws:policy/AmazonS3FullAccess",` + attached + `,` +
		`{"type":"IDENTITY_BASED_POLICY","inline":true,"uri":"` + inline + `",` + attached + `,` +
		`{"type":"IDENTITY_BASED_POLICY","inline":true,"uri":"` + again + `",` + attached + `,` +
		`{"type":"PERMISSIONS_BOUNDARY","inline":false,"uri":"arn:aws:iam::123456789012:policy/edge",` + attached + `]}`
	if string(b) != want {
		t.Errorf("details =\n\t%s; want\n\t%s", b, want)
	}
}

func TestToolboxRefuses(t *testing.T) {
	f, gate := newToolbox(t)
	c := &authn.Caller{Type: authn.TypeUser, Account: "333333333333", ARN: "arn:aws:iam::333333333333:user/carol", EntityID: "AIDACAROL"}
	foreign := denied(t, gate, c, &authz.Ask{Action: "s3:ListAllMyBuckets", Resource: "*"})
	for _, tt := range []struct {
		name, key, service, method, target string
		status                             int
		code, operation                    string
	}{
		{"no signature", "", "", "GET", "/authorization-details/0001", 400, "MissingAuthenticationTokenException", "GetRequestAuthorizationDetails"},
		{"another service's signature", ownKey, "iam-toolbox", "GET", "/authorization-details/0001", 400, "InvalidSignatureException", "GetRequestAuthorizationDetails"},
		{"of other accounts", ownKey, "iam", "GET", "/authorization-details/" + foreign, 404, "ResourceNotFoundException", "GetRequestAuthorizationDetails"},
		{"no such ID", ownKey, "iam", "GET", "/authorization-details/0001", 404, "ResourceNotFoundException", "GetRequestAuthorizationDetails"},
		{"no ID", ownKey, "iam", "GET", "/authorization-details/", 400, "ValidationException", "GetRequestAuthorizationDetails"},
		{"letters of an ID", ownKey, "iam", "GET", "/authorization-details/EXAMPLE", 400, "ValidationException", "GetRequestAuthorizationDetails"},
		{"a long ID", ownKey, "iam", "GET", "/authorization-details/" + strings.Repeat("0", 257), 400, "ValidationException", "GetRequestAuthorizationDetails"},
		{"a next token", ownKey, "iam", "GET", "/authorization-details/" + foreign + "?nextToken=x", 400, "ValidationException", "GetRequestAuthorizationDetails"},
		{"a policy", ownKey, "iam", "GET", "/authorization-details/" + foreign + "/policy?policyUri=x", 501, "NotImplemented", "GetRequestAuthorizationPolicy"},
		{"something below", ownKey, "iam", "GET", "/authorization-details/0001/x", 404, "UnknownOperationException", "Unknown"},
		{"another method", ownKey, "iam", "DELETE", "/authorization-details/0001", 404, "UnknownOperationException", "Unknown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(f.events())
			w := f.toolbox(tt.key, tt.service, tt.method, tt.target)
			if got := code(t, w); w.Code != tt.status || got != tt.code || w.Header().Get("X-Amzn-Errortype") != tt.code {
				t.Errorf("%s %s = %d %s; want %d %s", tt.method, tt.target, w.Code, got, tt.status, tt.code)
			}
			events := f.events()
			if len(events) != before+1 {
				t.Fatalf("%d events; want %d", len(events), before+1)
			}
			if e := events[before]; e.EventSource != "iam-toolbox.amazonaws.com" || e.EventName != tt.operation || e.ErrorCode != tt.code {
				t.Errorf("event = %+v", e)
			}
		})
	}
	// A user needs the right of its own.
	user := &authn.Caller{Type: authn.TypeUser, Account: account, ARN: "arn:aws:iam::" + account + ":user/bob", EntityID: "AIDABOB"}
	if _, err := f.ops.Admin.GetRequestAuthorizationDetails(t.Context(), user, foreign, ""); err == nil || !strings.HasPrefix(err.Error(), "AccessDeniedException: User: "+user.ARN+" is not authorized to perform: iam:GetRequestAuthorizationDetails") {
		t.Errorf("a user without rights = %v; want AccessDeniedException", err)
	}
}
