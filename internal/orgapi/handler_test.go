package orgapi

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/organizations"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/awsjson"
	"coffer/internal/identity"
	"coffer/internal/meta/mem"
	"coffer/internal/org"
	"coffer/internal/organization"
	"coffer/internal/targetapi"
	"coffer/internal/trail"
)

const account = "123456789012"

var self = &authn.Caller{Type: authn.TypeRoot, Account: account, ARN: "arn:aws:iam::" + account + ":root", Region: "us-east-1",
	Service: "organizations", RequestID: "e1f2a3b4"}

// trusting authenticates everyone as self.
func trusting(r *http.Request) (*authn.Caller, []byte, error) {
	body, err := io.ReadAll(r.Body)
	return self, body, err
}

func newHandler(t testing.TB, authenticate targetapi.Authenticate) *targetapi.Handler {
	t.Helper()
	h, _ := newRecorded(t, authenticate)
	return h
}

// newRecorded is newHandler with a function that returns the trail, each event as its
// name and its code.
func newRecorded(t testing.TB, authenticate targetapi.Authenticate) (*targetapi.Handler, func() []string) {
	t.Helper()
	store := mem.New()
	tr, err := trail.New(t.Context(), trail.Config{Store: store, Node: "n", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close(context.Background()) })
	identities := identity.New(identity.Config{Meta: store})
	t.Cleanup(func() { identities.Close(context.Background()) })
	if _, err := identities.CreateAccount(t.Context(), account, "account", nil); err != nil {
		t.Fatal(err)
	}
	orgs := organization.New(organization.Config{Meta: store, Identity: identities})
	gate := authz.New(authz.Config{Trail: tr, Identities: identities, Organizations: orgs})
	recorded := func() (list []string) {
		if err := tr.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := trail.Scan(t.Context(), store, "n", 1, func(e trail.Entry) (bool, error) {
			var ev struct{ EventName, ErrorCode string }
			err := json.Unmarshal(e.JSON, &ev)
			list = append(list, ev.EventName+" "+ev.ErrorCode)
			return true, err
		})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	return New(org.New(org.Config{Organizations: orgs, Gate: gate}), authenticate), recorded
}

func call(t testing.TB, h *targetapi.Handler, operation, body string) (int, string) {
	t.Helper()
	status, answer, _ := h.ServeCall(t.Context(), self, TargetPrefix+operation, []byte(body))
	return status, string(answer)
}

// The table has every operation of the SDK's client, once and in order.
func TestOperations(t *testing.T) {
	client := reflect.TypeFor[*sdk.Client]()
	var want []string
	for i := range client.NumMethod() {
		if name := client.Method(i).Name; name != "Options" {
			want = append(want, name)
		}
	}
	var got []string
	for _, o := range Operations() {
		got = append(got, o.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("Operations = %v; want %v", got, want)
	}
}

// Each operation that is not implemented says so, and no other does.
func TestNotImplemented(t *testing.T) {
	h := newHandler(t, nil)
	for _, o := range Operations() {
		status, answer := call(t, h, o.Name, "{}")
		if isMissing := status == http.StatusNotImplemented && strings.Contains(answer, o.Name+" is not implemented by this server."); isMissing == o.Implemented {
			t.Errorf("%s = %d %s; implemented: %t", o.Name, status, answer, o.Implemented)
		}
	}
}

// The members of requests and answers have the names that the API model gives them.
func TestShapes(t *testing.T) {
	h := newHandler(t, nil)
	if status, answer := call(t, h, "CreateOrganization", ""); status != 200 || !strings.Contains(answer, `"MasterAccountId":"`+account+`"`) {
		t.Fatalf("CreateOrganization = %d %s", status, answer)
	}
	_, answer := call(t, h, "ListRoots", "{}")
	root := answer[strings.Index(answer, `"r-`)+1:][:6]
	tests := []struct {
		name, operation, body string
		status                int
		want                  string
	}{
		{"list", "ListRoots", `{"MaxResults":1}`, 200, `{"Roots":[{"Id":"` + root + `","Arn":"arn:aws:organizations::123456789012:root/`},
		{"empty list", "ListHandshakesForAccount", ``, 200, `{"Handshakes":[]}`},
		{"none registered", "ListDelegatedAdministrators", `{}`, 200, `{"DelegatedAdministrators":[]}`},
		{"no answer", "TagResource", `{"ResourceId":"` + root + `","Tags":[{"Key":"a","Value":"b"}]}`, 200, ``},
		{"reason", "ListAccounts", `{"MaxResults":21}`, 400, `{"__type":"InvalidInputException","message":"MaxResults must be at most 20.","Reason":"MAX_VALUE_EXCEEDED","Message":"MaxResults must be at most 20."}`},
		{"error", "DescribeAccount", `{"AccountId":"210987654321"}`, 400, `{"__type":"AccountNotFoundException",`},
		{"member in another case", "DescribeAccount", `{"accountId":"210987654321"}`, 400, `{"__type":"InvalidInputException","message":"You must include a value for AccountId.",`},
		{"no JSON", "ListRoots", `{`, 400, `{"__type":"SerializationException",`},
		{"wrong type", "ListRoots", `{"MaxResults":"1"}`, 400, `{"__type":"SerializationException",`},
		{"duplicate", "DescribeAccount", `{"AccountId":"1","AccountId":"2"}`, 400, `{"__type":"SerializationException",`},
		{"unknown", "MakeCoffee", `{}`, 400, `{"__type":"UnknownOperationException",`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if status, answer := call(t, h, tt.operation, tt.body); status != tt.status || !strings.HasPrefix(answer, tt.want) {
				t.Errorf("%s(%s) = %d %s; want %d %s", tt.operation, tt.body, status, answer, tt.status, tt.want)
			}
		})
	}
	nobody := &authn.Caller{Type: authn.TypeAnonymous}
	if status, answer, _ := h.ServeCall(t.Context(), nobody, TargetPrefix+"ListRoots", nil); status != 400 || !strings.Contains(string(answer), "MissingAuthenticationTokenException") {
		t.Errorf("anonymous call = %d %s", status, answer)
	}
	if status, answer, err := h.ServeCall(t.Context(), self, "TrentService.ListKeys", nil); status != 400 || !awserr.Is(err, "UnknownOperationException") {
		t.Errorf("target of another service = %d %s", status, answer)
	}
}

// TestRefusalsAreRecorded: what no operation takes is in the trail as well, so that
// nobody tries credentials unseen.
func TestRefusalsAreRecorded(t *testing.T) {
	caller, refusal := self, error(nil)
	h, recorded := newRecorded(t, func(*http.Request) (*authn.Caller, []byte, error) { return caller, nil, refusal })
	nobody := &authn.Caller{Type: authn.TypeAnonymous, RequestID: "r"}
	invalid := awserr.New(400, "InvalidSignatureException", "no")
	tests := []struct {
		caller               *authn.Caller
		refusal              error
		target, method, want string
	}{
		{nobody, invalid, "AWSOrganizationsV20161128.ListRoots", "POST", "ListRoots InvalidSignatureException"},
		{nobody, invalid, "AWSOrganizationsV20161128.Invented", "POST", "Unknown InvalidSignatureException"},
		{nobody, invalid, "", "POST", "Unknown InvalidSignatureException"},
		{nobody, nil, "AWSOrganizationsV20161128.ListRoots", "POST", "ListRoots MissingAuthenticationTokenException"},
		{self, nil, "AWSOrganizationsV20161128.Invented", "POST", "Unknown UnknownOperationException"},
		{self, nil, "AWSOrganizationsV20161128.ListRoots", "GET", "ListRoots UnknownOperationException"},
	}
	var want []string
	for _, tt := range tests {
		caller, refusal = tt.caller, tt.refusal
		r := httptest.NewRequest(tt.method, "/", nil)
		r.Header.Set("Content-Type", awsjson.ContentType)
		r.Header.Set("X-Amz-Target", tt.target)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if _, code, _ := strings.Cut(tt.want, " "); !strings.Contains(w.Body.String(), code) {
			t.Errorf("%s of %q = %d %s; want %s", tt.method, tt.target, w.Code, w.Body, code)
		}
		want = append(want, tt.want)
	}
	if got := recorded(); !slices.Equal(got, want) {
		t.Errorf("trail = %q; want %q", got, want)
	}
}

func TestServeHTTP(t *testing.T) {
	h := newHandler(t, func(r *http.Request) (*authn.Caller, []byte, error) {
		if r.Header.Get("Authorization") == "bad" {
			return self, nil, awserr.New(403, "InvalidSignatureException", "The request signature does not match.").WithHeader("x-test", "yes")
		}
		return trusting(r)
	})
	tests := []struct {
		name, method, contentType, authorization, body string
		status                                         int
		want                                           string
	}{
		{"fine", "POST", awsjson.ContentType, "", "{}", 200, `{"Handshakes":[]}`},
		{"GET", "GET", awsjson.ContentType, "", "", 400, "UnknownOperationException"},
		{"form", "POST", "application/x-www-form-urlencoded", "", "", 400, "UnknownOperationException"},
		{"bad signature", "POST", awsjson.ContentType, "bad", "", 403, "InvalidSignatureException"},
		{"too large", "POST", awsjson.ContentType, "", strings.Repeat(" ", awsjson.MaxSize+1), 413, "RequestEntityTooLarge"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "/", strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.contentType)
			r.Header.Set("X-Amz-Target", TargetPrefix+"ListHandshakesForAccount")
			r.Header.Set("Authorization", tt.authorization)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("%d %s; want %d %s", w.Code, w.Body, tt.status, tt.want)
			}
			g := w.Header()
			if g.Get("x-amzn-RequestId") != self.RequestID || g.Get("Content-Type") != awsjson.ContentType || !strings.Contains(g.Get("Cache-Control"), "no-store") || (g.Get("x-test") == "yes") != (tt.status == 403) {
				t.Errorf("headers %v", g)
			}
		})
	}
}

// docs/organizations.md names every operation that is not implemented.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "organizations.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range Operations() {
		if !o.Implemented && !strings.Contains(string(page), "`"+o.Name+"`") {
			t.Errorf("docs/organizations.md does not name %s", o.Name)
		}
	}
}

// FuzzServeCall sends any body to every operation: whatever it is, the answer is
// JSON, and nothing breaks inside.
func FuzzServeCall(f *testing.F) {
	for i := range Operations() {
		f.Add(uint8(i), []byte(`{"AccountId":"123456789012","ParentId":"r-abcd","PolicyId":"p-FullAWSAccess","TargetId":"123456789012","Name":"a","Description":"","Content":"{}","Type":"SERVICE_CONTROL_POLICY","Filter":"RESOURCE_CONTROL_POLICY","Tags":[{"Key":"a","Value":"b"}],"MaxResults":2,"Target":{"Id":"210987654321","Type":"ACCOUNT"}}`))
	}
	f.Add(uint8(49), []byte(`{"Filter":{"ActionType":"INVITE"},"NextToken":"cm9vdHM6ci0x"}`))
	h := newHandler(f, nil)
	if status, answer := call(f, h, "CreateOrganization", ""); status != 200 {
		f.Fatal(answer)
	}
	operations := Operations()
	f.Fuzz(func(t *testing.T, n uint8, body []byte) {
		name := operations[int(n)%len(operations)].Name
		if name == "DeleteOrganization" {
			return
		}
		status, answer, err := h.ServeCall(t.Context(), self, TargetPrefix+name, body)
		if len(answer) > 0 && !json.Valid(answer) || status == 500 || (err == nil) != (status == 200) {
			t.Errorf("%s(%q) = %d %s, %v", name, body, status, answer, err)
		}
	})
}
