package opsapi

import (
	"encoding/json"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"coffer/internal/admin"
	"coffer/internal/identity"
	"coffer/internal/organization"
)

// accounts returns a fixture that can make accounts.
func accounts(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t, nil)
	f.cfg.Organizations = organization.New(organization.Config{Meta: f.store, Identity: identity.New(identity.Config{Meta: f.store})})
	f.ops.Admin = admin.New(*f.cfg)
	f.Handler = New(f.ops)
	return f
}

func TestCreateAccount(t *testing.T) {
	f := accounts(t)
	w := f.send(ownKey, "POST", "/_coffer/accounts", `{"name":"staging","email":"s@example.com"}`)
	var made newAccount
	if err := json.Unmarshal(w.Body.Bytes(), &made); err != nil || w.Code != 200 {
		t.Fatalf("POST = %d %s", w.Code, w.Body)
	}
	if made.Account.Name != "staging" || made.Account.ARN != "arn:aws:iam::"+made.Account.ID+":root" || !regexp.MustCompile(`^[A-Za-z0-9+/]{40}$`).MatchString(made.SecretAccessKey) {
		t.Errorf("POST = %s", w.Body)
	}
	if e := f.last(); e.EventName != "CreateAccount" || e.RequestParameters["name"] != "staging" || e.ReadOnly {
		t.Errorf("event %+v", e)
	}
	if strings.Contains(f.log.String(), made.SecretAccessKey) {
		t.Error("the log holds the secret")
	}
	f.trailLacks(made.SecretAccessKey)
	var list admin.ListAccountsOutput
	w = f.send(ownKey, "GET", "/_coffer/accounts", "")
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list.Accounts) != 3 || strings.Contains(w.Body.String(), made.AccessKeyID) {
		t.Errorf("GET = %d %s", w.Code, w.Body)
	}
	w = f.send(ownKey, "GET", "/_coffer/accounts?after="+list.Accounts[1].ID, "")
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list.Accounts) != 1 {
		t.Errorf("GET behind the second = %d %s", w.Code, w.Body)
	}
}

// trailLacks fails the test if an event holds a text.
func (f *fixture) trailLacks(text string) {
	f.t.Helper()
	for _, e := range f.events() {
		if b, _ := json.Marshal(e); strings.Contains(string(b), text) {
			f.t.Errorf("the trail holds %s: %s", text, b)
		}
	}
}

func TestAccountRefusals(t *testing.T) {
	f := accounts(t)
	tests := []struct {
		name string
		w    *httptest.ResponseRecorder
		code string
	}{
		{"unsigned", f.send("", "POST", "/_coffer/accounts", `{"name":"a"}`), "MissingAuthenticationTokenException"},
		{"another account", f.send(keyOf2, "POST", "/_coffer/accounts", `{"name":"a"}`), "AccessDeniedException"},
		{"another account's listing", f.send(keyOf2, "GET", "/_coffer/accounts", ""), "AccessDeniedException"},
		{"no JSON", f.send(ownKey, "POST", "/_coffer/accounts", `{`), "ValidationException"},
		{"list", f.send(ownKey, "POST", "/_coffer/accounts", `[]`), "ValidationException"},
		{"unknown member", f.send(ownKey, "POST", "/_coffer/accounts", `{"name":"a","admin":true}`), "ValidationException"},
		{"member twice", f.send(ownKey, "POST", "/_coffer/accounts", `{"name":"a","Name":"b"}`), "ValidationException"},
		{"two objects", f.send(ownKey, "POST", "/_coffer/accounts", `{"name":"a"}{}`), "ValidationException"},
		{"no name", f.send(ownKey, "POST", "/_coffer/accounts", `{}`), "ValidationException"},
		{"no profile name", f.send(ownKey, "POST", "/_coffer/accounts", `{"name":"a]\n[default"}`), "ValidationException"},
		{"a space", f.send(ownKey, "POST", "/_coffer/accounts", `{"name":"a b"}`), "ValidationException"},
		{"a bracket", f.send(ownKey, "POST", "/_coffer/accounts", `{"name":"a]"}`), "ValidationException"},
		{"ID", f.send(ownKey, "POST", "/_coffer/accounts", `{"name":"a","id":"12"}`), "ValidationException"},
		{"taken ID", f.send(ownKey, "POST", "/_coffer/accounts", `{"name":"a","id":"`+other+`"}`), "AccountAlreadyExistsException"},
		{"page", f.send(ownKey, "GET", "/_coffer/accounts?after=x", ""), "ValidationException"},
		{"method", f.send(ownKey, "DELETE", "/_coffer/accounts", ""), "MethodNotAllowed"},
	}
	for _, tt := range tests {
		if got := code(t, tt.w); got != tt.code || tt.w.Code < 400 {
			t.Errorf("%s = %d %s; want %s", tt.name, tt.w.Code, tt.w.Body, tt.code)
		}
	}
	w := f.send(ownKey, "GET", "/_coffer/accounts", "")
	if n := strings.Count(w.Body.String(), `"id"`); n != 2 {
		t.Errorf("%d accounts after refusals; want the 2 from before", n)
	}
}
