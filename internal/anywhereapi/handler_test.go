package anywhereapi

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/rolesanywhere"

	"coffer/internal/anchor"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/awsjson"
	"coffer/internal/identity"
	"coffer/internal/meta"
	"coffer/internal/meta/mem"
	"coffer/internal/rolesanywhere"
	"coffer/internal/trail"
)

const account = "123456789012"

var self = &authn.Caller{Type: authn.TypeRoot, Account: account, ARN: "arn:aws:iam::" + account + ":root", Region: "us-east-1",
	Service: "rolesanywhere", RequestID: "e1f2a3b4"}

// testHandler is a handler with the trail that it records in.
type testHandler struct {
	*Handler
	store meta.Store
	trail *trail.Trail
}

// newHandler returns a handler that takes everyone for self.
func newHandler(t testing.TB) *testHandler {
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
	svc := rolesanywhere.New(rolesanywhere.Config{
		Anchors: anchor.New(anchor.Config{Meta: store}), Identity: identities, Gate: authz.New(authz.Config{Trail: tr, Identities: identities}), Meta: store,
	})
	h := New(svc, func(r *http.Request) (*authn.Caller, []byte, error) {
		if r.Header.Get("Authorization") == "none" {
			return &authn.Caller{Type: authn.TypeAnonymous}, nil, nil
		}
		body, err := io.ReadAll(r.Body)
		return self, body, err
	}, func(r *http.Request) (*authn.Caller, *authn.CertificateSigner, []byte, error) {
		return &authn.Caller{Type: authn.TypeAnonymous, RequestID: "e1f2a3b4"}, nil, nil, awserr.New(403, "AccessDeniedException", "no")
	})
	return &testHandler{h, store, tr}
}

func send(h http.Handler, method, target, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
	return w
}

// The table has every operation of the SDK's client, once and in order.
func TestOperations(t *testing.T) {
	client := reflect.TypeFor[*sdk.Client]()
	var want, got []string
	for i := range client.NumMethod() {
		if name := client.Method(i).Name; name != "Options" {
			want = append(want, name)
		}
	}
	for _, o := range Operations() {
		got = append(got, o.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("Operations = %v; want %v", got, want)
	}
}

// Each row is found by its method and path alone.
func TestRoutes(t *testing.T) {
	const id = "12345678-1234-1234-1234-123456789012"
	h := newHandler(t)
	for _, o := range Operations() {
		path := strings.Replace(o.Path, "{id}", id, 1)
		found := 0
		for _, p := range Operations() {
			if got, ok := p.match(path); ok && p.Method == o.Method {
				found++
				if strings.Contains(p.Path, "{id}") && got != id {
					t.Errorf("%s: ID %q of %s", p.Name, got, path)
				}
			}
		}
		if found != 1 {
			t.Errorf("%s %s is that of %d operations", o.Method, path, found)
		}
		w := send(h, o.Method, path, "")
		if isMissing := w.Code == http.StatusNotImplemented; isMissing == o.Implemented || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s = %d %s; implemented: %t", o.Name, w.Code, w.Body, o.Implemented)
		}
	}
	for _, path := range []string{"/", "/profiles/", "/profile/", "/profile/a/b", "/profiles/a/b/mappings", "/crl/x/y/disable", "//profiles"} {
		if w := send(h, "GET", path, ""); w.Code != 404 || w.Header().Get("X-Amzn-Errortype") != "UnknownOperationException" {
			t.Errorf("GET %s = %d %s", path, w.Code, w.Body)
		}
	}
}

func TestServeHTTP(t *testing.T) {
	h := newHandler(t)
	tests := []struct {
		name, method, target, body string
		status                     int
		want                       string
	}{
		{"create", "POST", "/profiles", `{"name":"p","roleArns":[],"tags":[{"key":"a","value":"b"}]}`, 201, `{"profile":{"profileId":"`},
		{"list", "GET", "/trustanchors?pageSize=5", "", 200, `{"trustAnchors":[]}`},
		{"page size", "GET", "/crls?pageSize=x", "", 400, `{"__type":"ValidationException"`},
		{"parameter twice", "GET", "/crls?nextToken=a&nextToken=b", "", 400, `{"__type":"ValidationException"`},
		{"no JSON", "POST", "/profiles", `{`, 400, `{"__type":"SerializationException"`},
		{"duplicate", "POST", "/profiles", `{"name":"a","name":"b"}`, 400, `{"__type":"SerializationException"`},
		{"ID", "GET", "/profile/x", "", 400, `{"__type":"ValidationException"`},
		{"missing", "GET", "/profile/12345678-1234-1234-1234-123456789012", "", 404, `{"__type":"ResourceNotFoundException"`},
		{"session", "POST", "/sessions", "{}", 403, `{"__type":"AccessDeniedException","message":"no"}`},
		{"session with GET", "GET", "/sessions", "", 404, `{"__type":"UnknownOperationException"`},
		{"too large", "POST", "/profiles", strings.Repeat(" ", awsjson.MaxSize+1), 413, `{"__type":"RequestEntityTooLarge"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := send(h, tt.method, tt.target, tt.body)
			if w.Code != tt.status || !strings.HasPrefix(w.Body.String(), tt.want) {
				t.Errorf("%d %s; want %d %s", w.Code, w.Body, tt.status, tt.want)
			}
			g := w.Header()
			if g.Get("x-amzn-RequestId") != self.RequestID || g.Get("Content-Type") != "application/json" || !strings.Contains(g.Get("Cache-Control"), "no-store") ||
				(g.Get("X-Amzn-Errortype") != "") != (tt.status >= 400) {
				t.Errorf("headers %v", g)
			}
		})
	}
	r := httptest.NewRequest("GET", "/profiles", nil)
	r.Header.Set("Authorization", "none")
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != 403 || w.Header().Get("X-Amzn-Errortype") != "MissingAuthenticationTokenException" {
		t.Errorf("anonymous = %d %s", w.Code, w.Body)
	}
}

// What is refused before any operation is in the trail too.
func TestRefusalsAreRecorded(t *testing.T) {
	h := newHandler(t)
	for _, target := range []string{"/profiles", "/made-up"} {
		r := httptest.NewRequest("GET", target, nil)
		r.Header.Set("Authorization", "none")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	send(h, "GET", "/made-up", "")
	send(h, "POST", "/sessions", "{}")
	if err := h.trail.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := trail.Scan(t.Context(), h.store, "n", 0, func(e trail.Entry) (bool, error) {
		var ev struct{ EventName, ErrorCode string }
		err := json.Unmarshal(e.JSON, &ev)
		got = append(got, ev.EventName+" "+ev.ErrorCode)
		return true, err
	})
	want := []string{"ListProfiles MissingAuthenticationTokenException", "Unknown MissingAuthenticationTokenException", "Unknown UnknownOperationException", "CreateSession AccessDeniedException"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("events %q, %v; want %q", got, err, want)
	}
}

func TestDecodeSession(t *testing.T) {
	tests := []struct {
		name, query, body string
		want              string // role and profile; empty for an error
	}{
		{"query", "roleArn=r&profileArn=p", `{"durationSeconds":900}`, "r p"},
		{"body", "", `{"roleArn":"r","profileArn":"p"}`, "r p"},
		{"both the same", "roleArn=r", `{"roleArn":"r","profileArn":"p"}`, "r p"},
		{"both", "roleArn=r", `{"roleArn":"other","profileArn":"p"}`, ""},
		{"twice", "roleArn=r&roleArn=r", `{}`, ""},
		{"no JSON", "", `[]`, ""},
		{"duplicate", "", `{"roleArn":"r","roleArn":"r"}`, ""},
		{"type", "", `{"durationSeconds":"900"}`, ""},
	}
	for _, tt := range tests {
		query, _ := url.ParseQuery(tt.query)
		in, err := decodeSession(query, []byte(tt.body))
		if (err == nil) != (tt.want != "") || err == nil && in.RoleARN+" "+in.ProfileARN != tt.want {
			t.Errorf("%s: decodeSession = %+v, %v; want %q", tt.name, in, err, tt.want)
		}
	}
}

// docs/roles-anywhere.md names every operation that is not implemented.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "roles-anywhere.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range Operations() {
		if !o.Implemented && !strings.Contains(string(page), "`"+o.Name+"`") {
			t.Errorf("docs/roles-anywhere.md does not name %s", o.Name)
		}
	}
}

// FuzzServeHTTP sends any body and query to every operation: whatever they are, the
// answer is JSON, and nothing breaks inside.
func FuzzServeHTTP(f *testing.F) {
	for i := range Operations() {
		f.Add(uint8(i), "pageSize=1&certificateField=x509Subject&specifiers=CN", []byte(`{"name":"a","roleArns":["arn:aws:iam::123456789012:role/r"],"crlData":"AAAA","source":{"sourceType":"CERTIFICATE_BUNDLE","sourceData":{"x509CertificateData":"x"}},"tags":[{"key":"a","value":"b"}],"trustAnchorArn":"arn:aws:rolesanywhere:us-east-1:123456789012:trust-anchor/12345678-1234-1234-1234-123456789012"}`))
	}
	h := newHandler(f)
	operations := Operations()
	f.Fuzz(func(t *testing.T, n uint8, query string, body []byte) {
		o := operations[int(n)%len(operations)]
		r := httptest.NewRequest(o.Method, strings.Replace(o.Path, "{id}", "12345678-1234-1234-1234-123456789012", 1), strings.NewReader(string(body)))
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if !json.Valid(w.Body.Bytes()) || w.Code == 500 || w.Code == 503 {
			t.Errorf("%s(%q, %q) = %d %s", o.Name, query, body, w.Code, w.Body)
		}
	})
}
