package organization

import (
	"context"
	"sync"
	"testing"

	"coffer/internal/meta"
)

func TestChain(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	chain := func(account, want string) *Chain {
		t.Helper()
		c := made(w.Chain(ctx, account))(t)
		if got := show(c); got != want {
			t.Errorf("Chain(%s) = %s; want %s", account, got, want)
		}
		if fresh := made(w.restarted().Chain(ctx, account))(t); show(fresh) != want {
			t.Errorf("Chain(%s) of a restarted server = %s; want %s", account, show(fresh), want)
		}
		return c
	}
	chain(second, "none")
	chain("000000000000", "none")
	o := w.org()
	w.invited(o, second)
	if c := chain(second, " 0"); c.SCPs != nil || c.RCPs != nil || c.ID != o.ID || c.ManagementAccount != owner || c.Path != o.ID+"/"+o.Root+"/" {
		t.Errorf("Chain without policies = %+v", c)
	}
	made(w.EnableType(ctx, o.ID, o.Root, SCP, nothing[*Organization]))(t)
	chain(second, "[p-FullAWSAccess][p-FullAWSAccess] 0")
	if c := chain(owner, " 0"); c.SCPs != nil || c.RCPs != nil {
		t.Errorf("Chain of the management account = %+v; want no policies", c)
	}
	u := w.unit(o, o.Root, "u")
	v := w.unit(o, u.ID, "v")
	okay(t, w.MoveAccount(ctx, o.ID, second, o.Root, v.ID, none))
	if c := chain(second, "[p-FullAWSAccess][p-FullAWSAccess][p-FullAWSAccess][p-FullAWSAccess] 0"); c.Path != o.ID+"/"+o.Root+"/"+u.ID+"/"+v.ID+"/" {
		t.Errorf("Path = %s", c.Path)
	}
	p := w.scp(o, "p")
	okay(t, w.AttachPolicy(ctx, o.ID, p.ID, u.ID, none))
	okay(t, w.DetachPolicy(ctx, o.ID, "p-FullAWSAccess", u.ID, none))
	c := chain(second, "[p-FullAWSAccess]["+p.ID+"][p-FullAWSAccess][p-FullAWSAccess] 0")
	if want := "arn:aws:organizations::" + owner + ":policy/" + o.ID + "/service_control_policy/" + p.ID; c.SCPs[1][0].Name != want || c.SCPs[1][0].Policy == nil {
		t.Errorf("policy = %+v; want %s", c.SCPs[1][0], want)
	}
	if want := "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess"; c.SCPs[0][0].Name != want {
		t.Errorf("policy = %+v; want %s", c.SCPs[0][0], want)
	}
	made(w.EnableType(ctx, o.ID, o.Root, RCP, nothing[*Organization]))(t)
	chain(second, "[p-FullAWSAccess]["+p.ID+"][p-FullAWSAccess][p-FullAWSAccess] 4")
	made(w.DisableType(ctx, o.ID, o.Root, SCP, nothing[*Organization]))(t)
	if c := chain(second, " 4"); c.SCPs != nil {
		t.Errorf("SCPs = %v; want nil", c.SCPs)
	}
	okay(t, w.RemoveAccount(ctx, o.ID, second, none))
	chain(second, "none")
}

// A change of a policy reaches the next decision.
func TestChainOfUpdatedPolicy(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	o := w.org()
	w.invited(o, second)
	made(w.EnableType(ctx, o.ID, o.Root, SCP, nothing[*Organization]))(t)
	p := w.scp(o, "p")
	okay(t, w.AttachPolicy(ctx, o.ID, p.ID, second, none))
	text := `{"Version":"2012-10-17","Statement":[{"Sid":"New","Effect":"Deny","Action":"kms:*","Resource":"*"}]}`
	made(w.Chain(ctx, second))(t)
	made(w.UpdatePolicy(ctx, o.ID, p.ID, PolicyChange{Content: &text}, nothing[*Policy]))(t)
	for _, q := range made(w.Chain(ctx, second))(t).SCPs[1] {
		if q.Name == PolicyARN(owner, o.ID, p) && q.Policy.Statements[0].Sid != "New" {
			t.Errorf("policy = %+v; want the new text", q.Policy)
		}
	}
}

// A row that does not read must not read as no policy.
func TestChainFailsClosed(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	o := w.org()
	w.invited(o, second)
	made(w.EnableType(ctx, o.ID, o.Root, SCP, nothing[*Organization]))(t)
	p := w.scp(o, "p")
	okay(t, w.AttachPolicy(ctx, o.ID, p.ID, second, none))
	broken := map[string]func(meta.Txn) error{
		"policy missing":       func(tx meta.Txn) error { return tx.Delete([]byte(policyKey(o.ID, p.ID))) },
		"policy damaged":       func(tx meta.Txn) error { return tx.Put([]byte(policyKey(o.ID, p.ID)), []byte("x")) },
		"policy no JSON":       func(tx meta.Txn) error { return put(tx, policyKey(o.ID, p.ID), policyRow{Type: SCP, Content: "x"}) },
		"organization missing": func(tx meta.Txn) error { return tx.Delete([]byte(rowOrg + o.ID)) },
		"parent missing": func(tx meta.Txn) error {
			return put(tx, rowAccount+second, accountRow{Org: o.ID, Parent: "ou-none-12345678"})
		},
		"account damaged": func(tx meta.Txn) error { return tx.Put([]byte(rowAccount+second), []byte{0xff}) },
	}
	for name, damage := range broken {
		t.Run(name, func(t *testing.T) {
			undo := errUndo{}
			err := w.meta.Update(ctx, func(tx meta.Txn) error {
				okay(t, damage(tx))
				if c, err := w.readChain(tx, second); err == nil {
					t.Errorf("readChain = %+v; want an error", c)
				}
				return undo
			})
			if err != undo {
				t.Fatal(err)
			}
		})
	}
}

type errUndo struct{}

func (errUndo) Error() string { return "undo" }

// TestChainIsNew reads chains while policies come and go: once a change has
// returned, nobody reads the state before it.
func TestChainIsNew(t *testing.T) {
	w := newWorld(t)
	o := w.org()
	w.invited(o, second)
	made(w.EnableType(t.Context(), o.ID, o.Root, SCP, nothing[*Organization]))(t)
	p := w.scp(o, "p")
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for ctx.Err() == nil {
				w.Chain(ctx, second)
			}
		})
	}
	for range 100 {
		okay(t, w.AttachPolicy(t.Context(), o.ID, p.ID, second, none))
		if c, err := w.Chain(t.Context(), second); err != nil || len(c.SCPs[1]) != 2 {
			t.Errorf("Chain after AttachPolicy = %s, %v", show(c), err)
		}
		okay(t, w.DetachPolicy(t.Context(), o.ID, p.ID, second, none))
		if c, err := w.Chain(t.Context(), second); err != nil || len(c.SCPs[1]) != 1 {
			t.Errorf("Chain after DetachPolicy = %s, %v", show(c), err)
		}
	}
	cancel()
	readers.Wait()
}

// A lagging store lets others in between a commit and the return of Update.
type lagging struct {
	meta.Store
	committed func()
}

func (l *lagging) Update(ctx context.Context, fn func(meta.Txn) error) error {
	err := l.Store.Update(ctx, fn)
	if l.committed != nil {
		l.committed()
	}
	return err
}

// Who has seen the revision of a change sees its chain, also before the change has
// returned.
func TestChainKeepsUpWithTheRevision(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	o := w.org()
	w.invited(o, second)
	made(w.EnableType(ctx, o.ID, o.Root, SCP, nothing[*Organization]))(t)
	p := w.scp(o, "p")
	made(w.Chain(ctx, second))(t) // and remember it
	before, seen := w.revision(), 0
	w.cfg.Meta = &lagging{w.meta, func() {
		if now := w.revision(); now != before+1 {
			t.Errorf("revision = %d; want %d", now, before+1)
		}
		seen = len(made(w.Chain(ctx, second))(t).SCPs[1])
	}}
	okay(t, w.AttachPolicy(ctx, o.ID, p.ID, second, none))
	if seen != 2 {
		t.Errorf("the chain after the commit has %d policies of the account; want 2", seen)
	}
}

func TestChainHitDoesNotAllocate(t *testing.T) {
	w := newWorld(t)
	o := w.org()
	w.invited(o, second)
	ctx := t.Context()
	made(w.Chain(ctx, second))(t)
	if n := testing.AllocsPerRun(100, func() { w.Chain(ctx, second) }); n != 0 {
		t.Errorf("Chain allocates %v times; want 0", n)
	}
}

func BenchmarkChain(b *testing.B) {
	w := newWorld(b)
	o := w.org()
	w.invited(o, second)
	made(w.EnableType(b.Context(), o.ID, o.Root, SCP, nothing[*Organization]))(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Chain(b.Context(), second); err != nil {
			b.Fatal(err)
		}
	}
}
