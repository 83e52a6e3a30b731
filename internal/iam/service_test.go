package iam

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/identity"
	"coffer/internal/meta"
	"coffer/internal/meta/mem"
	"coffer/internal/meta/metatest"
	"coffer/internal/trail"
)

const (
	account  = "123456789012"
	arnStart = "arn:aws:iam::" + account + ":"
	adminARN = "arn:aws:iam::aws:policy/AdministratorAccess"
	readARN  = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"

	allowAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	trust    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}`
)

var testTime = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// A bench is a service over real identities in memory, whose transactions all run
// twice.
type bench struct {
	*Service
	root  *authn.Caller
	store meta.Store
	trail *trail.Trail
	log   *strings.Builder
}

func newBench(t testing.TB) *bench {
	t.Helper()
	faults := metatest.NewFaults(mem.New())
	faults.RunTwice(true)
	b := &bench{store: faults, log: new(strings.Builder)}
	now := func() time.Time { return testTime }
	people := identity.New(identity.Config{Meta: b.store, Now: now})
	if _, err := people.CreateAccount(t.Context(), account, "main", nil); err != nil {
		t.Fatal(err)
	}
	var err error
	b.trail, err = trail.New(t.Context(), trail.Config{Store: b.store, Node: "n", FlushEvery: time.Hour, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.trail.Close(context.Background()) })
	gate := authz.New(authz.Config{Trail: b.trail, Meta: b.store, Identities: people, Now: now})
	t.Cleanup(gate.Close)
	b.Service = New(Config{Identity: people, Gate: gate, Log: slog.New(slog.NewTextHandler(b.log, nil))})
	b.root = &authn.Caller{Type: authn.TypeRoot, Account: account, ARN: arnStart + "root", PrincipalID: account, Region: "us-east-1", RequestID: "r-1", SourceIP: "192.0.2.7"}
	return b
}

// user makes a user with an inline policy, unless that is empty, and returns it as
// a caller.
func (b *bench) user(t testing.TB, name, policy string) *authn.Caller {
	t.Helper()
	out := made(b.CreateUser(t.Context(), b.root, &CreateUserInput{UserName: name}))(t)
	if policy != "" {
		ok(t, b.PutUserPolicy(t.Context(), b.root, &PutUserPolicyInput{name, "inline", policy}))
	}
	return &authn.Caller{Type: authn.TypeUser, Account: account, ARN: out.User.ARN, PrincipalID: out.User.UserID, EntityID: out.User.UserID, UserName: name, Region: "us-east-1", RequestID: "r-2"}
}

func (b *bench) role(t testing.TB, name string) *Role {
	t.Helper()
	return &made(b.CreateRole(t.Context(), b.root, &CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: trust}))(t).Role
}

func (b *bench) policy(t testing.TB, name string) *Policy {
	t.Helper()
	return &made(b.CreatePolicy(t.Context(), b.root, &CreatePolicyInput{PolicyName: name, PolicyDocument: allowAll}))(t).Policy
}

// An event is what tests read of a record of the trail.
type event struct {
	EventName, ErrorCode string
	ReadOnly             bool
	RequestParameters    map[string]any
	ResponseElements     map[string]any
	Text                 string `json:"-"`
}

// last returns the last event that was recorded.
func (b *bench) last(t testing.TB) (last event) {
	t.Helper()
	if err := b.trail.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := trail.Scan(t.Context(), b.store, "n", 1, func(e trail.Entry) (bool, error) {
		last = event{Text: string(e.JSON)}
		return true, json.Unmarshal(e.JSON, &last)
	})
	if err != nil {
		t.Fatal(err)
	}
	return last
}

// made returns v, or stops the test.
func made[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// ok stops the test at an error.
func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused reports an error other than that of AWS with the code and the message.
func refused(t testing.TB, what string, err error, status int, text string) {
	t.Helper()
	if e := awserr.As(err); e == nil || e.Status != status || e.Error() != text {
		t.Errorf("%s = %v; want %d %s", what, err, status, text)
	}
}

func p[T any](v T) *T { return &v }
