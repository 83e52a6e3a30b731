package identity

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"coffer/internal/meta"
	"coffer/internal/meta/mem"
	"coffer/internal/policy"
)

func names(list []policy.Named) (out []string) {
	for _, n := range list {
		out = append(out, n.Name)
	}
	return out
}

func TestEffectiveUser(t *testing.T) {
	s, restarted := newPeople(t)
	ctx := t.Context()
	p := newPolicy(t, s, "p")
	ok(t, s.PutInline(ctx, user("alice"), "own", allowAll, nil))
	ok(t, s.PutInline(ctx, group("devs"), "shared", allowAll, nil))
	ok(t, s.Attach(ctx, user("alice"), p.ARN, nil))
	ok(t, s.Attach(ctx, group("devs"), adminARN, nil))
	ok(t, s.AddToGroup(ctx, account, "devs", "alice", nil))
	ok(t, s.SetBoundary(ctx, user("alice"), p.ARN, nil))
	ok(t, s.TagEntity(ctx, user("alice"), []Tag{{"Dept", "x"}}, nil))
	alice := made[User](t)(s.UserByName(ctx, account, "alice"))
	for _, s := range []*Store{s, restarted} {
		e := made[*Effective](t)(s.EffectiveUser(ctx, account, alice.ID))
		want := []string{"user_alice_own", p.ARN, "group_devs_shared", adminARN}
		if e.ID != alice.ID || e.ARN != alice.ARN || e.Name != "alice" || e.Path != "/" || e.Tags["Dept"] != "x" || !slices.Equal(names(e.Policies), want) ||
			e.Boundary == nil || e.Boundary.Name != p.ARN || e.Boundary.Policy.Kind != policy.KindBoundary || e.Trust != nil || e.ServiceLinked {
			t.Errorf("EffectiveUser = %+v; policies %v, want %v", e, names(e.Policies), want)
		}
		if again := made[*Effective](t)(s.EffectiveUser(ctx, account, alice.ID)); again != e {
			t.Error("a second EffectiveUser returns another one; want the same")
		}
		_, err := s.EffectiveUser(ctx, "210987654321", alice.ID)
		wantErr(t, "EffectiveUser of another account", err, ErrNoUser)
		_, err = s.EffectiveRole(ctx, account, alice.ID)
		wantErr(t, "EffectiveRole of a user", err, ErrNoRole)
		devs := made[Group](t)(s.GroupByName(ctx, account, "devs"))
		_, err = s.EffectiveUser(ctx, account, devs.ID)
		wantErr(t, "EffectiveUser of a group", err, ErrNoUser)
	}
}

func TestEffectiveRole(t *testing.T) {
	s, _ := newPeople(t)
	ctx := t.Context()
	ok(t, s.PutInline(ctx, role("app"), "own", allowAll, nil))
	app := made[Role](t)(s.RoleByName(ctx, account, "app"))
	e := made[*Effective](t)(s.EffectiveRole(ctx, account, app.ID))
	if !slices.Equal(names(e.Policies), []string{"role_app_own"}) || e.Trust == nil || e.Trust.Name != app.ARN || e.MaxSession != time.Hour || e.Boundary != nil {
		t.Errorf("EffectiveRole = %+v", e)
	}
}

// TestEffectiveAfterChanges makes every kind of change that decisions rest on, and
// looks what the next decision sees.
func TestEffectiveAfterChanges(t *testing.T) {
	s, _ := newPeople(t)
	ctx := t.Context()
	p := newPolicy(t, s, "p")
	made[PolicyVersion](t)(s.CreatePolicyVersion(ctx, account, p.ARN, sized(300), false, nil))
	alice := made[User](t)(s.UserByName(ctx, account, "alice"))
	see := func() string {
		e := made[*Effective](t)(s.EffectiveUser(ctx, account, alice.ID))
		var out strings.Builder
		fmt.Fprint(&out, e.ARN, " ", e.Tags)
		for _, n := range e.Policies {
			fmt.Fprint(&out, " ", n.Name, "=", n.Policy.Statements[0].Actions)
		}
		if e.Boundary != nil {
			fmt.Fprint(&out, " within ", e.Boundary.Name, "=", e.Boundary.Policy.Statements[0].Actions)
		}
		return out.String()
	}
	const a, pARN = "arn:aws:iam::123456789012:user/alice map[]", "arn:aws:iam::123456789012:policy/p"
	for _, step := range []struct {
		name string
		do   func() error
		want string
	}{
		{"nothing", func() error { return nil }, a},
		{"PutInline", func() error { return s.PutInline(ctx, user("alice"), "i", allowAll, nil) }, a + " user_alice_i=[*]"},
		{"PutInline again", func() error { return s.PutInline(ctx, user("alice"), "i", sized(200), nil) }, a + " user_alice_i=[s3:GetObject]"},
		{"DeleteInline", func() error { return s.DeleteInline(ctx, user("alice"), "i", nil) }, a},
		{"Attach", func() error { return s.Attach(ctx, user("alice"), p.ARN, nil) }, a + " " + pARN + "=[*]"},
		{"SetDefaultVersion", func() error { return s.SetDefaultVersion(ctx, account, p.ARN, "v2", nil) }, a + " " + pARN + "=[s3:GetObject]"},
		{"SetBoundary", func() error { return s.SetBoundary(ctx, user("alice"), p.ARN, nil) }, a + " " + pARN + "=[s3:GetObject] within " + pARN + "=[s3:GetObject]"},
		{"CreatePolicyVersion", func() error {
			_, err := s.CreatePolicyVersion(ctx, account, p.ARN, allowAll, true, nil)
			return err
		}, a + " " + pARN + "=[*] within " + pARN + "=[*]"},
		{"Detach", func() error { return s.Detach(ctx, user("alice"), p.ARN, nil) }, a + " within " + pARN + "=[*]"},
		{"no boundary", func() error { return s.SetBoundary(ctx, user("alice"), "", nil) }, a},
		{"policy of a group", func() error { return s.PutInline(ctx, group("devs"), "g", allowAll, nil) }, a},
		{"AddToGroup", func() error { return s.AddToGroup(ctx, account, "devs", "alice", nil) }, a + " group_devs_g=[*]"},
		{"UpdateGroup", func() error { _, err := s.UpdateGroup(ctx, account, "devs", "ops", "", nil); return err }, a + " group_ops_g=[*]"},
		{"DeleteInline of the group", func() error { return s.DeleteInline(ctx, group("ops"), "g", nil) }, a},
		{"Attach to the group", func() error { return s.Attach(ctx, group("ops"), p.ARN, nil) }, a + " " + pARN + "=[*]"},
		{"RemoveFromGroup", func() error { return s.RemoveFromGroup(ctx, account, "ops", "alice", nil) }, a},
		{"TagEntity", func() error { return s.TagEntity(ctx, user("alice"), []Tag{{"k", "v"}}, nil) }, strings.Replace(a, "map[]", "map[k:v]", 1)},
		{"UntagEntity", func() error { return s.UntagEntity(ctx, user("alice"), []string{"k"}, nil) }, a},
		{"UpdateUser", func() error { _, err := s.UpdateUser(ctx, account, "alice", "al", "/p/", nil); return err }, "arn:aws:iam::123456789012:user/p/al map[]"},
	} {
		see()
		revision := revisionOf(t, s)
		ok(t, step.do())
		if got := see(); got != step.want {
			t.Errorf("after %s a decision sees %s; want %s", step.name, got, step.want)
		}
		if step.name != "nothing" && revisionOf(t, s) == revision {
			t.Errorf("%s does not bump the revision", step.name)
		}
	}
}

// TestEffectiveFailsClosed damages what a user's rights rest on.
func TestEffectiveFailsClosed(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func(tx meta.Txn, s *Store, alice User) error
	}{
		{"inline policy of another format", func(tx meta.Txn, _ *Store, u User) error { return tx.Put([]byte(rowInline+u.ID+"/i"), []byte{0xff}) }},
		{"inline policy that is no JSON", func(tx meta.Txn, _ *Store, u User) error { return put(tx, rowInline+u.ID+"/i", "{") }},
		{"policy that is gone", func(tx meta.Txn, _ *Store, _ User) error { return remove(tx, rowPolicy+account+"/p") }},
		{"version that is gone", func(tx meta.Txn, s *Store, _ User) error {
			return tx.Scan(meta.Prefix([]byte(rowVersion)), func(key, _ []byte) (bool, error) { gone = string(key); return true, nil })
		}},
		{"group that is gone", func(tx meta.Txn, _ *Store, _ User) error { return remove(tx, rowGroup+account+"/devs") }},
		{"user that is gone", func(tx meta.Txn, _ *Store, _ User) error { return remove(tx, rowUser+account+"/alice") }},
		{"user of another ID", func(tx meta.Txn, _ *Store, _ User) error {
			return put(tx, rowUser+account+"/alice", entityRow{ID: "AIDAAAAAAAAAAAAAAAAAA", Name: "alice", Path: "/"})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			gone = ""
			s, restarted := newPeople(t)
			ctx := t.Context()
			p := newPolicy(t, s, "p")
			ok(t, s.PutInline(ctx, user("alice"), "i", allowAll, nil))
			ok(t, s.Attach(ctx, user("alice"), p.ARN, nil))
			ok(t, s.AddToGroup(ctx, account, "devs", "alice", nil))
			k := made[AccessKey](t)(s.CreateAccessKey(ctx, account, "alice", nil))
			alice := made[User](t)(s.UserByName(ctx, account, "alice"))
			ok(t, s.cfg.Meta.Update(ctx, func(tx meta.Txn) error { return tt.damage(tx, s, alice) }))
			if gone != "" {
				ok(t, s.cfg.Meta.Update(ctx, func(tx meta.Txn) error { return remove(tx, gone) }))
			}
			_, err := restarted.EffectiveUser(ctx, account, alice.ID)
			wantErr(t, "EffectiveUser", err, meta.ErrCorrupt)
			if strings.HasPrefix(tt.name, "user") {
				_, err := restarted.Lookup(ctx, k.ID)
				wantErr(t, "Lookup", err, meta.ErrCorrupt)
			}
		})
	}
}

// gone is the row that a case of TestEffectiveFailsClosed found.
var gone string

// TestEffectiveIsNeverStale reads while policies change: once a change has returned,
// nobody sees what was before it.
func TestEffectiveIsNeverStale(t *testing.T) {
	s := New(Config{Meta: mem.New()})
	ctx := t.Context()
	made[Account](t)(s.CreateAccount(ctx, account, "main", nil))
	u := made[User](t)(s.CreateUser(ctx, account, NewUser{Name: "alice"}, nil))
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					s.EffectiveUser(ctx, account, u.ID)
				}
			}
		})
	}
	for i := range 60 {
		ok(t, s.PutInline(ctx, user("alice"), fmt.Sprint("p", i%2), allowAll, nil))
		if e := made[*Effective](t)(s.EffectiveUser(ctx, account, u.ID)); !slices.Contains(names(e.Policies), fmt.Sprint("user_alice_p", i%2)) {
			t.Fatalf("a decision after PutInline does not see the policy")
		}
		ok(t, s.DeleteInline(ctx, user("alice"), fmt.Sprint("p", i%2), nil))
		if e := made[*Effective](t)(s.EffectiveUser(ctx, account, u.ID)); len(e.Policies) != 0 {
			t.Fatalf("a decision after DeleteInline sees the policy")
		}
	}
	close(stop)
	readers.Wait()
}

func BenchmarkEffectiveUser(b *testing.B) {
	s := New(Config{Meta: mem.New()})
	ctx := b.Context()
	if _, err := s.CreateAccount(ctx, account, "main", nil); err != nil {
		b.Fatal(err)
	}
	u, err := s.CreateUser(ctx, account, NewUser{Name: "alice"}, nil)
	if err != nil {
		b.Fatal(err)
	}
	for range 2 {
		if err := s.Attach(ctx, user("alice"), adminARN, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("cached", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.EffectiveUser(ctx, account, u.ID)
		}
	})
	b.Run("after a change", func(b *testing.B) {
		for b.Loop() {
			s.changing()()
			s.EffectiveUser(ctx, account, u.ID)
		}
	})
}

// A lateStore calls late once, after a View has read and before it returns.
type lateStore struct {
	meta.Store
	late func()
}

func (l *lateStore) View(ctx context.Context, fn func(meta.Reader) error) error {
	err := l.Store.View(ctx, fn)
	if late := l.late; late != nil {
		l.late = nil
		late()
	}
	return err
}

// TestOvertakenReadingIsForgotten changes something after it was read and before it
// would be remembered.
func TestOvertakenReadingIsForgotten(t *testing.T) {
	late := &lateStore{Store: mem.New()}
	s := New(Config{Meta: late})
	ctx := t.Context()
	made[Account](t)(s.CreateAccount(ctx, account, "main", nil))
	u := made[User](t)(s.CreateUser(ctx, account, NewUser{Name: "alice"}, nil))
	k := made[AccessKey](t)(s.CreateAccessKey(ctx, account, "alice", nil))
	ok(t, s.Attach(ctx, user("alice"), adminARN, nil))
	late.late = func() { ok(t, s.Detach(ctx, user("alice"), adminARN, nil)) }
	made[*Effective](t)(s.EffectiveUser(ctx, account, u.ID)) // began before the change
	if e := made[*Effective](t)(s.EffectiveUser(ctx, account, u.ID)); len(e.Policies) != 0 {
		t.Errorf("a decision sees %v; want no policy", names(e.Policies))
	}
	late.late = func() { ok(t, s.DeleteAccessKey(ctx, account, "alice", k.ID, nil)) }
	made[*AccessKey](t)(s.Lookup(ctx, k.ID))
	_, err := s.Lookup(ctx, k.ID)
	wantErr(t, "Lookup", err, ErrNoAccessKey)
}

// TestNoDecisionByTheStateBefore: once a change is committed, nobody gets what was
// remembered before it, not even before the change has returned.
func TestNoDecisionByTheStateBefore(t *testing.T) {
	ctx := t.Context()
	var check func()
	store := &commitStore{Store: mem.New(), after: func() {
		if check != nil {
			check()
		}
	}}
	s := New(Config{Meta: store, Now: func() time.Time { return testTime }})
	if _, err := s.CreateAccount(ctx, account, "a", nil); err != nil {
		t.Fatal(err)
	}
	u, err := s.CreateUser(ctx, account, NewUser{Name: "alice"}, nil)
	if err == nil {
		err = s.Attach(ctx, user("alice"), adminARN, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	if e, err := s.EffectiveUser(ctx, account, u.ID); err != nil || len(e.Policies) != 1 {
		t.Fatalf("EffectiveUser = %+v, %v; want one policy", e, err)
	}
	checked := false
	check = func() {
		checked = true
		if e, err := s.EffectiveUser(ctx, account, u.ID); err != nil || len(e.Policies) != 0 {
			t.Errorf("EffectiveUser after the commit = %+v, %v; want no policy", e, err)
		}
	}
	if err := s.Detach(ctx, user("alice"), adminARN, nil); err != nil || !checked {
		t.Fatalf("Detach = %v, checked %v", err, checked)
	}
}

// A commitStore calls after between the commit of an Update and its return.
type commitStore struct {
	meta.Store
	after func()
}

func (s *commitStore) Update(ctx context.Context, fn func(meta.Txn) error) error {
	err := s.Store.Update(ctx, fn)
	s.after()
	return err
}
