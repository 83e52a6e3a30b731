package opsapi

import (
	"context"
	"net/http"
	"strings"

	"coffer/internal/admin"
	"coffer/internal/authn"
	"coffer/internal/authz"
)

// An Operation is one row of the routing table.
type Operation struct {
	Name   string // in the trail, and as an action of coffer
	Method string // GET takes HEAD as well
	Path   string // below Prefix; behind one that ends in a slash an ID follows

	serve func(h *Handler, w http.ResponseWriter, r *http.Request, name, id string)
}

// Operations returns the routing table of the administration: all that needs a
// signature. Health and metrics need none, and are not among them.
func Operations() []Operation {
	return append(append(backupOperations(), shredOperations()...), []Operation{
		{"AdvanceClock", http.MethodPost, "dev/clock", withBody(`{"advance":"168h"}`, func(h *Handler, ctx context.Context, c *authn.Caller, in *admin.AdvanceClockInput) (*admin.ClockState, error) {
			return h.cfg.Admin.AdvanceClock(ctx, c, in)
		})},
		{"ConfirmClock", http.MethodPost, "clock/confirm", plain(func(h *Handler, r *http.Request, c *authn.Caller, _ string) (*admin.ClockState, error) {
			return h.cfg.Admin.ConfirmClock(r.Context(), c)
		})},
		{"GetClock", http.MethodGet, "clock", plain(func(h *Handler, r *http.Request, c *authn.Caller, _ string) (*admin.ClockState, error) {
			return h.cfg.Admin.GetClock(r.Context(), c)
		})},
		{"CreateAccount", http.MethodPost, accountsPath, withBody(`{"name":"staging"}`, (*Handler).createAccount)},
		{"ListAccounts", http.MethodGet, accountsPath, plain((*Handler).listAccounts)},
		{"IssueSession", http.MethodPost, "sessions", withBody(`{"principal":"arn:aws:iam::123456789012:user/alice"}`, (*Handler).issueSession)},
		{"GetUsage", http.MethodGet, "usage", plain(func(h *Handler, r *http.Request, c *authn.Caller, _ string) (*admin.GetUsageOutput, error) {
			q := r.URL.Query()
			return h.cfg.Admin.GetUsage(r.Context(), c, &admin.GetUsageInput{Month: q.Get("month"), Account: q.Get("account"), Key: q.Get("key"), After: q.Get("after")})
		})},
		{"ExplainDecision", http.MethodGet, "decisions/", plain(func(h *Handler, r *http.Request, c *authn.Caller, id string) (*authz.Explanation, error) {
			return h.cfg.Admin.ExplainDecision(r.Context(), c, id)
		})},
	}...)
}

// matches reports whether a request selects the row, and returns the ID in its path.
func (o *Operation) matches(r *http.Request) (id string, ok bool) {
	name := strings.TrimPrefix(r.URL.Path, Prefix)
	if strings.HasSuffix(o.Path, "/") {
		id, ok = strings.CutPrefix(name, o.Path)
	} else {
		ok = name == o.Path
	}
	return id, ok && (r.Method == o.Method || o.Method == http.MethodGet && isRead(r))
}

// plain serves an operation without a body.
func plain[Output any](act func(h *Handler, r *http.Request, c *authn.Caller, id string) (*Output, error)) func(*Handler, http.ResponseWriter, *http.Request, string, string) {
	return func(h *Handler, w http.ResponseWriter, r *http.Request, name, id string) {
		serve(h, w, r, name, func(_ context.Context, c *authn.Caller, _ []byte) (*Output, error) { return act(h, r, c, id) })
	}
}

// withBody serves an operation whose body is one JSON object such as the example.
func withBody[Input, Output any](example string, act func(*Handler, context.Context, *authn.Caller, *Input) (*Output, error)) func(*Handler, http.ResponseWriter, *http.Request, string, string) {
	return func(h *Handler, w http.ResponseWriter, r *http.Request, name, _ string) {
		serve(h, w, r, name, func(ctx context.Context, c *authn.Caller, body []byte) (*Output, error) {
			in := new(Input)
			if err := h.decode(ctx, c, name, body, in, example); err != nil {
				return nil, err
			}
			return act(h, ctx, c, in)
		})
	}
}
