package sts

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/identity"
	"coffer/internal/meta"
	"coffer/internal/meta/mem"
	"coffer/internal/sigv4"
	"coffer/internal/trail"
)

const (
	account  = "123456789012"
	stranger = "210987654321"
	region   = "us-east-1"
)

// A bench is a service over real identities, decisions, tokens and a trail, in
// memory, and a clock to move.
type bench struct {
	*Service
	t      testing.TB
	store  meta.Store
	ids    *identity.Store
	authn  *authn.Authenticator
	trail  *trail.Trail
	now    time.Time
	log    *strings.Builder
	dialTo func(ctx context.Context, network, address string) (net.Conn, error) // of identity providers
}

// dial connects to an identity provider, if the test has one.
func (b *bench) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if b.dialTo == nil {
		return nil, errors.New("no network")
	}
	return b.dialTo(ctx, network, address)
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{t: t, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), log: new(strings.Builder), store: mem.New()}
	now := func() time.Time { return b.now }
	b.ids = identity.New(identity.Config{Meta: b.store, Now: now})
	var err error
	b.trail, err = trail.New(t.Context(), trail.Config{Store: b.store, Node: "n", FlushEvery: time.Hour, Now: now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	tokens := authn.NewTokens([32]byte{1})
	b.authn = authn.New(authn.Config{Keys: b.ids, Tokens: tokens, Entities: b.ids, Usage: b.ids, Now: now, Region: region})
	gate := authz.New(authz.Config{Trail: b.trail, Meta: b.store, Identities: b.ids, Alive: b.authn.Alive, Now: now})

	b.Service = New(Config{
		Identity: b.ids, Gate: gate, Tokens: tokens, Meta: b.store, Now: now, Wall: now, Dial: b.dial,
		Log: slog.New(slog.NewJSONHandler(b.log, nil)),
	})
	t.Cleanup(func() {
		gate.Close()
		b.trail.Close(context.Background())
		b.ids.Close(context.Background())
	})
	for _, a := range []string{account, stranger} {
		if _, err := b.ids.CreateAccount(t.Context(), a, a, nil); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// root returns the root user of an account as a caller.
func (b *bench) root(account string) *authn.Caller {
	b.t.Helper()
	k, err := b.ids.NewRootKey(b.t.Context(), account, nil)
	return b.as(k.ID, k.Secret, "", err)
}

// user makes a user with an inline policy, and returns it as a caller.
func (b *bench) user(account, name, policy string) *authn.Caller {
	b.t.Helper()
	if _, err := b.ids.CreateUser(b.t.Context(), account, identity.NewUser{Name: name}, nil); err != nil {
		b.t.Fatal(err)
	}
	if policy != "" {
		err := b.ids.PutInline(b.t.Context(), identity.Entity{Kind: identity.KindUser, Account: account, Name: name}, "p", policy, nil)
		if err != nil {
			b.t.Fatal(err)
		}
	}
	k, err := b.ids.CreateAccessKey(b.t.Context(), account, name, nil)
	return b.as(k.ID, k.Secret, "", err)
}

// role makes a role in the account with a trust policy and an inline policy, and
// returns its ARN.
func (b *bench) role(name, trust, policy string) string {
	b.t.Helper()
	r, err := b.ids.CreateRole(b.t.Context(), account, identity.NewRole{Name: name, Path: "/app/", Trust: trust}, nil)
	if err == nil && policy != "" {
		err = b.ids.PutInline(b.t.Context(), identity.Entity{Kind: identity.KindRole, Account: account, Name: name}, "p", policy, nil)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return r.ARN
}

// as returns the caller that credentials are, as a signed request proves them.
func (b *bench) as(id string, secret identity.Secret, token string, err error) *authn.Caller {
	b.t.Helper()
	var c *authn.Caller
	if err == nil {
		c, err = b.sign(id, secret.Reveal(), token)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// sign sends a signed request with credentials.
func (b *bench) sign(id, secret, token string) (*authn.Caller, error) {
	r, err := http.NewRequest("POST", "https://sts.test/", http.NoBody)
	if err != nil {
		b.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("X-Amz-Security-Token", token)
	}
	sigv4.NewSigner(id, secret, region, "sts").Sign(&sigv4.Request{Method: "POST", Path: "/", Host: r.Host, Header: r.Header}, sigv4.EmptySHA256, b.now)
	r.RemoteAddr, r.TLS = "192.0.2.7:1", &tls.ConnectionState{Version: tls.VersionTLS13}
	c, _, err := b.authn.Query(r, "sts", authn.Facts{RequestID: "req-1"})
	return c, err
}

// with returns the caller that temporary credentials are.
func (b *bench) with(c *Credentials, err error) *authn.Caller {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	return b.as(c.AccessKeyID, c.SecretAccessKey, c.SessionToken.Reveal(), nil)
}

// assume assumes a role and returns its session as a caller.
func (b *bench) assume(c *authn.Caller, in *AssumeRoleInput) *authn.Caller {
	b.t.Helper()
	out, err := b.AssumeRole(b.t.Context(), c, in)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.with(out.Credentials, nil)
}

// An event is one record of the trail.
type event struct {
	EventName, ErrorCode, RecipientAccountID          string
	ReadOnly                                          bool
	UserIdentity, RequestParameters, ResponseElements map[string]any
	Resources                                         []map[string]any
}

// last returns the last event, and its text.
func (b *bench) last() (event, string) {
	b.t.Helper()
	if err := b.trail.Flush(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	text := ""
	err := trail.Scan(b.t.Context(), b.store, "n", 1, func(e trail.Entry) (bool, error) {
		text = string(e.JSON)
		return true, nil
	})
	var e event
	if err == nil {
		err = json.Unmarshal([]byte(text), &e)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return e, text
}

// wantError reports an error that is not one with a code and a part of a message.
func wantError(t *testing.T, what string, err error, code, text string) {
	t.Helper()
	if e := awserr.As(err); e == nil || e.Code != code || !strings.Contains(e.Message, text) {
		t.Errorf("%s: error = %v; want %s: ...%s...", what, err, code, text)
	}
}

// withoutID cuts the authorization ID off a message.
func withoutID(err error) string {
	text, _, _ := strings.Cut(err.Error(), ". Run coffer why")
	return text
}

func ptr[T any](v T) *T { return &v }

// allow returns a policy that allows actions on everything, or denies them.
func statement(effect, action string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"` + effect + `","Action":` + action + `,"Resource":"*"}]}`
}

// trusts returns a trust policy with one statement.
func trusts(principal, action, condition string) string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":` + principal + `,"Action":` + action + condition + `}]}`
}

const (
	trustsAccount = `{"AWS":"` + account + `"}`
	assumes       = `"sts:AssumeRole"`
	assumesAll    = `["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]`
)
