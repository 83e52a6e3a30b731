package opsapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"coffer/internal/admin"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/calendar"
	"coffer/internal/identity"
	"coffer/internal/meta"
	"coffer/internal/meta/mem"
	"coffer/internal/meta/metatest"
	"coffer/internal/sigv4"
	"coffer/internal/trail"
)

const (
	account = "123456789012"
	other   = "210987654321"
	secret  = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	ownKey  = "AKIAIOSFODNN7EXAMPLE"
	keyOf2  = "AKIAI44QH8DHBEXAMPLE" // of the other account
)

var day0 = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// fixture is a handler with two accounts, on a store with faults.
type fixture struct {
	*Handler
	t        *testing.T
	cfg      *admin.Config
	ops      Config
	store    *metatest.Faults
	trail    *trail.Trail
	wall     time.Time
	unready  error
	advanced int // calls of Config.Advanced
	log      bytes.Buffer
}

func newFixture(t *testing.T, change func(*admin.Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, store: metatest.NewFaults(mem.New()), wall: day0}
	log := slog.New(slog.NewTextHandler(&f.log, nil))
	now := func() time.Time { return day0 }
	var err error
	f.trail, err = trail.New(t.Context(), trail.Config{Store: f.store, Node: "n", Now: now, Log: log, FlushEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.trail.Close(context.Background()) })
	users := identity.New(identity.Config{Meta: f.store, Now: now})
	for account, id := range map[string]string{account: ownKey, other: keyOf2} {
		if _, err := users.CreateAccount(t.Context(), account, "a"+account, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := users.PutRootKey(t.Context(), account, id, identity.NewSecret(secret), nil); err != nil {
			t.Fatal(err)
		}
	}
	clock, err := calendar.Open(t.Context(), calendar.Config{
		Store: f.store, Wall: func() time.Time { return f.wall }, Boot: func() time.Duration { return 0 },
	})
	if err != nil {
		t.Fatal(err)
	}
	auth := authn.New(authn.Config{Keys: users, Now: now, Region: "us-east-1"})
	metrics := NewMetrics()
	metrics.Observe("s3", "PutObject", 200, time.Millisecond, 5, 0)
	metrics.Observe("s3", "GetObject", 503, time.Millisecond, 0, 7)
	metrics.Gauge("coffer_root_epoch", "Epoch.", func() float64 { return 3 })
	metrics.Counter("coffer_sealed_bytes_total", "Sealed.", func() float64 { return 4 })
	authenticate := func(service string) func(*http.Request) (*authn.Caller, []byte, error) {
		return func(r *http.Request) (*authn.Caller, []byte, error) {
			facts := authn.Facts{RequestID: "0123456789ABCDEF"}
			c, body, err := auth.JSON(r, service, facts)
			if err != nil {
				return auth.Stranger(r, service, facts), nil, err
			}
			b, err := io.ReadAll(body)
			return c, b, err
		}
	}
	f.ops = Config{
		Authenticate:    authenticate("coffer"),
		AuthenticateIAM: authenticate("iam"),
		Metrics:         metrics.Handler(),
		Ready:           func(context.Context) error { return f.unready },
		Log:             log,
	}
	f.cfg = &admin.Config{
		Gate: authz.NewGate(f.trail), Clock: clock, Account: account, DevClock: true,
		Advanced: func(context.Context) error { f.advanced++; return nil },
		Log:      log,
	}
	if change != nil {
		change(f.cfg)
	}
	f.ops.Admin = admin.New(*f.cfg)
	f.Handler = New(f.ops)
	return f
}

// send sends a request, signed with a key unless that is "".
func (f *fixture) send(key, method, target, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://127.0.0.1:7070"+target, strings.NewReader(body))
	if key != "" {
		sum := sha256.Sum256([]byte(body))
		sigv4.NewSigner(key, secret, "us-east-1", "coffer").Sign(&sigv4.Request{
			Method: method, Path: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Host: r.Host, Header: r.Header,
		}, hex.EncodeToString(sum[:]), day0)
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

// An event is what the trail says of a call.
type event struct {
	EventSource, EventName, ErrorCode string
	ReadOnly                          bool
	UserIdentity                      struct{ Type, AccountID string }
	RequestParameters                 map[string]any
}

// events returns the trail's events since the last call.
func (f *fixture) events() []event {
	f.t.Helper()
	if err := f.trail.Flush(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	var events []event
	err := trail.Scan(f.t.Context(), f.store, "n", 0, func(e trail.Entry) (bool, error) {
		var ev event
		err := json.Unmarshal(e.JSON, &ev)
		events = append(events, ev)
		if bytes.Contains(e.JSON, []byte(secret)) {
			f.t.Errorf("event holds the secret: %s", e.JSON)
		}
		return true, err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return events
}

// last returns the only event.
func (f *fixture) last() event {
	f.t.Helper()
	events := f.events()
	if len(events) != 1 {
		f.t.Fatalf("the trail holds %+v; want one event", events)
	}
	return events[0]
}

// code returns the error code of an answer in JSON.
func code(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var e struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || w.Code >= 400 && e.Message == "" {
		t.Errorf("body %q is no error with a message: %v", w.Body, err)
	}
	return e.Type
}

func TestHealth(t *testing.T) {
	f := newFixture(t, nil)
	tests := []struct {
		method, path string
		unready      error
		status       int
		body         string
	}{
		{"GET", "health/live", nil, 200, `{"status":"live"}`},
		{"HEAD", "health/live", nil, 200, ""},
		{"GET", "health/live", errors.New("disk full"), 200, `{"status":"live"}`},
		{"GET", "health/ready", nil, 200, `{"status":"ready"}`},
		{"GET", "health/ready", errors.New("disk full"), 503, `{"status":"unavailable"}`},
	}
	for _, tt := range tests {
		f.unready = tt.unready
		w := f.send("", tt.method, Prefix+tt.path, "")
		if w.Code != tt.status || tt.method == "GET" && strings.TrimSpace(w.Body.String()) != tt.body {
			t.Errorf("%s %s with %v = %d %s; want %d %s", tt.method, tt.path, tt.unready, w.Code, w.Body, tt.status, tt.body)
		}
	}
	if !strings.Contains(f.log.String(), "disk full") {
		t.Error("the log does not say why the server is not ready")
	}
	if events := f.events(); len(events) != 0 {
		t.Errorf("health left events: %+v", events)
	}
}

func TestHeaders(t *testing.T) {
	f := newFixture(t, nil)
	for _, path := range []string{"health/live", "metrics", "nothing", "clock"} {
		h := f.send("", "GET", Prefix+path, "").Header()
		if h.Get("Content-Security-Policy") != "sandbox" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("headers of %s = %v; want sandbox, nosniff and no-store", path, h)
		}
	}
}

func TestUnknownPath(t *testing.T) {
	f := newFixture(t, nil)
	for _, tt := range []struct{ method, path string }{
		{"GET", ""}, {"GET", "nothing"}, {"POST", "health/live"}, {"GET", "dev/clock"}, {"GET", "clock/confirm"},
		{"POST", "clock"}, {"DELETE", "metrics"}, {"GET", "health/live/"},
	} {
		w := f.send(ownKey, tt.method, Prefix+tt.path, "")
		if got := code(t, w); w.Code != 404 || got != "NotFound" {
			t.Errorf("%s %s = %d %s; want 404 NotFound", tt.method, tt.path, w.Code, got)
		}
	}
}

func TestMetrics(t *testing.T) {
	f := newFixture(t, nil)
	w := f.send("", "GET", Prefix+"metrics", "")
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Fatalf("metrics = %d %s; want 200 text/plain", w.Code, w.Header().Get("Content-Type"))
	}
	lines := strings.Split(w.Body.String(), "\n")
	for _, want := range []string{
		`coffer_requests_total{api="s3",operation="PutObject",status="200"} 1`,
		`coffer_requests_total{api="s3",operation="GetObject",status="503"} 1`,
		`coffer_request_errors_total{api="s3",operation="GetObject"} 1`,
		`coffer_request_duration_seconds_count{api="s3",operation="PutObject"} 1`,
		`coffer_request_bytes_total{api="s3"} 5`,
		`coffer_response_bytes_total{api="s3"} 7`,
		`coffer_root_epoch 3`,
		`coffer_sealed_bytes_total 4`,
	} {
		found := false
		for _, l := range lines {
			found = found || l == want
		}
		if !found {
			t.Errorf("metrics lack %s", want)
		}
	}
	// Our own series have no labels but these, whose values come from fixed sets.
	for _, l := range lines {
		_, labels, ok := strings.Cut(strings.TrimSuffix(l, "}"), "{")
		if !ok || !strings.HasPrefix(l, "coffer_") {
			continue
		}
		labels, _, _ = strings.Cut(labels, "}")
		for label := range strings.SplitSeq(labels, ",") {
			switch name, _, _ := strings.Cut(label, "="); name {
			case "api", "operation", "status", "le":
			default:
				t.Errorf("label %q in %s", name, l)
			}
		}
	}
}

func TestAdvanceClock(t *testing.T) {
	f := newFixture(t, nil)
	w := f.send(ownKey, "POST", Prefix+"dev/clock", `{"advance":"168h"}`)
	want := `{"now":"2026-11-28T12:00:00Z"}`
	if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != want || f.advanced != 1 {
		t.Errorf("advance = %d %s, %d sweeps; want 200 %s and one sweep", w.Code, got, f.advanced, want)
	}
	ev := f.last()
	if ev.EventSource != "coffer" || ev.EventName != "AdvanceClock" || ev.ErrorCode != "" || ev.ReadOnly ||
		ev.UserIdentity.AccountID != account || ev.RequestParameters["advance"] != "168h0m0s" {
		t.Errorf("event = %+v; want AdvanceClock by %s", ev, account)
	}
}

func TestAdvanceClockRefuses(t *testing.T) {
	tests := []struct {
		name, key, body string
		devClock        bool
		status          int
		code            string
	}{
		{"without --dev-clock", ownKey, `{"advance":"1h"}`, false, 403, "AccessDeniedException"},
		{"no JSON", ownKey, `advance=1h`, true, 400, "ValidationException"},
		{"empty", ownKey, ``, true, 400, "ValidationException"},
		{"null", ownKey, `null`, true, 400, "ValidationException"},
		{"a number", ownKey, `{"advance":3600}`, true, 400, "ValidationException"},
		{"no duration", ownKey, `{"advance":"a week"}`, true, 400, "ValidationException"},
		{"back", ownKey, `{"advance":"-1h"}`, true, 400, "ValidationException"},
		{"nothing", ownKey, `{"advance":"0s"}`, true, 400, "ValidationException"},
		{"too far", ownKey, `{"advance":"2500000h"}`, true, 400, "ValidationException"},
		{"too long", ownKey, `{"advance":"1h"}` + strings.Repeat(" ", maxBody), true, 413, "RequestEntityTooLargeException"},
		{"unsigned", "", `{"advance":"1h"}`, true, 400, "MissingAuthenticationTokenException"},
		{"unknown key", "AKIAUNKNOWN00000000", `{"advance":"1h"}`, true, 400, "UnrecognizedClientException"},
		{"another account", keyOf2, `{"advance":"1h"}`, true, 403, "AccessDeniedException"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, func(c *admin.Config) { c.DevClock = tt.devClock })
			w := f.send(tt.key, "POST", Prefix+"dev/clock", tt.body)
			if got := code(t, w); w.Code != tt.status || got != tt.code {
				t.Errorf("advance = %d %s; want %d %s", w.Code, w.Body, tt.status, tt.code)
			}
			if ev := f.last(); ev.EventName != "AdvanceClock" || ev.ErrorCode != tt.code {
				t.Errorf("event = %+v; want AdvanceClock with %s", ev, tt.code)
			}
			if now := f.cfg.Clock.Now(); !now.Equal(day0) || f.advanced != 0 {
				t.Errorf("time is %s after %d sweeps; want %s and none", now, f.advanced, day0)
			}
		})
	}
}

func TestOtherAccountIsToldWhy(t *testing.T) {
	f := newFixture(t, nil)
	w := f.send(keyOf2, "GET", Prefix+"clock", "")
	want := "User: arn:aws:iam::210987654321:root is not authorized to perform: coffer:GetClock on resource: " +
		"arn:aws:coffer:us-east-1:123456789012:server because no resource-based policy allows the coffer:GetClock action"
	if !strings.Contains(w.Body.String(), want) || w.Code != 403 {
		t.Errorf("answer = %d %s; want 403 %s", w.Code, w.Body, want)
	}
	if ev := f.last(); ev.UserIdentity.AccountID != other || !ev.ReadOnly || ev.ErrorCode != "AccessDeniedException" {
		t.Errorf("event = %+v; want a refusal of %s", ev, other)
	}
}

func TestConfirm(t *testing.T) {
	f := newFixture(t, nil)
	f.wall = day0.Add(48 * time.Hour)
	if err := f.cfg.Clock.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	var state struct {
		Now  time.Time
		Held string
	}
	w := f.send(ownKey, "GET", Prefix+"clock", "")
	if err := json.Unmarshal(w.Body.Bytes(), &state); err != nil || w.Code != 200 || state.Held == "" || !state.Now.Equal(f.wall) {
		t.Errorf("clock = %d %s, %v; want %s, held", w.Code, w.Body, err, f.wall)
	}
	if w := f.send(keyOf2, "POST", Prefix+"clock/confirm", ""); w.Code != 403 || f.cfg.Clock.Held() == "" {
		t.Errorf("confirm by another account = %d, held %q; want 403", w.Code, f.cfg.Clock.Held())
	}
	w = f.send(ownKey, "POST", Prefix+"clock/confirm", "")
	if got, want := strings.TrimSpace(w.Body.String()), `{"now":"2026-11-23T12:00:00Z"}`; w.Code != 200 || got != want {
		t.Errorf("confirm = %d %s; want 200 %s", w.Code, got, want)
	}
	if f.cfg.Clock.Held() != "" || f.advanced != 1 {
		t.Errorf("held %q after %d sweeps; want nothing after one", f.cfg.Clock.Held(), f.advanced)
	}
	var names []string
	for _, ev := range f.events() {
		names = append(names, ev.EventName+ev.ErrorCode)
	}
	if got := strings.Join(names, " "); !strings.Contains(got, "GetClock") ||
		!strings.Contains(got, "ConfirmClockAccessDeniedException") || strings.Count(got, "ConfirmClock") != 2 {
		t.Errorf("events = %s; want GetClock and both confirmations", got)
	}
}

func TestStoreFails(t *testing.T) {
	f := newFixture(t, nil)
	f.store.FailUpdates(-1)
	for _, path := range []string{"dev/clock", "clock/confirm"} {
		w := f.send(ownKey, "POST", Prefix+path, `{"advance":"1h"}`)
		if got := code(t, w); w.Code != 503 || got != "ServiceUnavailableException" {
			t.Errorf("%s = %d %s; want 503 ServiceUnavailableException", path, w.Code, got)
		}
	}
	f.store.FailUpdates(0)
	if now := f.cfg.Clock.Now(); !now.Equal(day0) {
		t.Errorf("time is %s; want %s", now, day0)
	}
}

// What goes wrong inside goes to the log and not to the client.
func TestInternalError(t *testing.T) {
	f := newFixture(t, func(c *admin.Config) {
		c.Advanced = func(context.Context) error { return errors.New("open /var/lib/coffer") }
	})
	w := f.send(ownKey, "POST", Prefix+"clock/confirm", "")
	if got := code(t, w); w.Code != 500 || got != "InternalFailure" || strings.Contains(w.Body.String(), "/var") {
		t.Errorf("confirm = %d %s; want 500 InternalFailure", w.Code, w.Body)
	}
	if !strings.Contains(f.log.String(), "/var/lib/coffer") {
		t.Errorf("log = %s; want the error", &f.log)
	}
}

func TestUnrecordedIsNotAnswered(t *testing.T) {
	f := newFixture(t, nil)
	if err := f.trail.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := f.send(ownKey, "GET", Prefix+"clock", "")
	if got := code(t, w); w.Code != 503 || got != "ServiceUnavailableException" {
		t.Errorf("clock without a trail = %d %s; want 503 ServiceUnavailableException", w.Code, got)
	}
	if err := f.cfg.Clock.Confirm(t.Context(), func(meta.Txn) error { return nil }); err != nil {
		t.Errorf("the store does not work: %v", err) // so it was the trail
	}
}

func TestNotBuilt(t *testing.T) {
	tests := []struct {
		name, service, target, contentType string
		isJSON                             bool
		event                              string
	}{
		{"JSON by target", "organizations", "AWSOrganizationsV20161128.ListRoots", "application/x-amz-json-1.1", true, "ListRoots"},
		{"JSON by content type", "cloudtrail", "", "application/x-amz-json-1.1", true, "Unknown"},
		{"target without a dot", "other", "Nothing", "", true, "Unknown"},
		{"Query", "iam", "", "application/x-www-form-urlencoded", false, "Unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t, nil)
			r := httptest.NewRequest("POST", "/", strings.NewReader("Action=ListUsers"))
			r.Header.Set("Content-Type", tt.contentType)
			if tt.target != "" {
				r.Header.Set("X-Amz-Target", tt.target)
			}
			w := httptest.NewRecorder()
			w.Header().Set("X-Amz-Request-Id", "0123456789ABCDEF")
			f.NotBuilt(w, r, &authn.Caller{Type: authn.TypeAnonymous, Service: tt.service, Region: "us-east-1"})
			if w.Code != 501 {
				t.Errorf("status = %d; want 501", w.Code)
			}
			if tt.isJSON {
				if got := code(t, w); got != "NotImplemented" || w.Header().Get("X-Amzn-Errortype") != got ||
					!strings.HasPrefix(w.Header().Get("Content-Type"), "application/x-amz-json-1.") {
					t.Errorf("answer = %v %s; want NotImplemented in JSON", w.Header(), w.Body)
				}
			} else {
				var e struct {
					XMLName   xml.Name `xml:"ErrorResponse"`
					Code      string   `xml:"Error>Code"`
					Message   string   `xml:"Error>Message"`
					RequestID string   `xml:"RequestId"`
				}
				if err := xml.Unmarshal(w.Body.Bytes(), &e); err != nil || e.Code != "NotImplemented" || e.Message == "" ||
					e.RequestID != "0123456789ABCDEF" || w.Header().Get("Content-Type") != "text/xml" {
					t.Errorf("answer = %v %s, %v; want NotImplemented in XML", w.Header(), w.Body, err)
				}
			}
			ev := f.last()
			if ev.EventSource != tt.service+".amazonaws.com" || ev.EventName != tt.event || ev.ErrorCode != "NotImplemented" {
				t.Errorf("event = %+v; want %s of %s", ev, tt.event, tt.service)
			}
		})
	}
}
