package organization

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"coffer/internal/identity"
	"coffer/internal/meta"
	"coffer/internal/meta/mem"
	"coffer/internal/revision"
)

var day0 = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const (
	owner  = "123456789012"
	second = "210987654321"
	third  = "111122223333"
	denyS3 = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}`
	denyR  = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}]}`
)

// world is a store with accounts, at a time that the test sets.
type world struct {
	*Store
	t    testing.TB
	meta meta.Store
	now  time.Time
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, meta: mem.New(), now: day0}
	t.Cleanup(func() { w.meta.Close() })
	w.Store = w.restarted()
	for _, id := range []string{owner, second, third} {
		if _, err := w.cfg.Identity.CreateAccount(t.Context(), id, "a"+id, nil); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// restarted returns a store on the same rows that remembers nothing.
func (w *world) restarted() *Store {
	now := func() time.Time { return w.now }
	return New(Config{Meta: w.meta, Identity: identity.New(identity.Config{Meta: w.meta, Now: now}), Now: now})
}

// okay fails the test if err is not nil.
func okay(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func made[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// org makes an organization of owner.
func (w *world) org() *Organization {
	w.t.Helper()
	return made(w.CreateOrganization(w.t.Context(), owner, nothing[*Organization]))(w.t)
}

func (w *world) unit(o *Organization, parent, name string) *Unit {
	w.t.Helper()
	return made(w.CreateUnit(w.t.Context(), o.ID, parent, name, nil, nothing[*Unit]))(w.t)
}

func (w *world) scp(o *Organization, name string) *Policy {
	w.t.Helper()
	return made(w.CreatePolicy(w.t.Context(), o.ID, Policy{Type: SCP, Name: name, Content: denyS3}, nil, nothing[*Policy]))(w.t)
}

// join brings an account into the organization by an invitation.
func (w *world) invited(o *Organization, account string) {
	w.t.Helper()
	h := made(w.Invite(w.t.Context(), o.ID, Invitation{Account: account}, nothing[*Handshake]))(w.t)
	made(w.EndHandshake(w.t.Context(), account, h.ID, Accepted, nothing[*Handshake]))(w.t)
}

func nothing[T any](meta.Txn, T) error { return nil }
func none(meta.Txn) error              { return nil }

// show describes a chain's policies: the names of each level.
func show(c *Chain) string {
	if c == nil {
		return "none"
	}
	var b strings.Builder
	for _, level := range c.SCPs {
		var names []string
		for _, p := range level {
			names = append(names, p.Name[strings.LastIndex(p.Name, "/")+1:])
		}
		slices.Sort(names)
		fmt.Fprintf(&b, "%v", names)
	}
	fmt.Fprintf(&b, " %d", len(c.RCPs))
	return b.String()
}

func (w *world) revision() uint64 {
	w.t.Helper()
	var n uint64
	okay(w.t, w.meta.View(w.t.Context(), func(r meta.Reader) (err error) {
		n, err = revision.Read(r)
		return err
	}))
	return n
}

// rows returns the row keys of organizations.
func (w *world) rows() []string {
	w.t.Helper()
	var list []string
	okay(w.t, w.meta.View(w.t.Context(), func(r meta.Reader) (err error) {
		list, err = names(r, "organization/")
		return err
	}))
	return list
}

var errFull = errors.New("trail is full")

func full(meta.Txn) error { return errFull }
