package identity

import (
	"errors"
	"regexp"
	"testing"

	"coffer/internal/meta"
	"coffer/internal/meta/mem"
	"coffer/internal/meta/metatest"
	"coffer/internal/revision"
)

func revisionOf(t *testing.T, s *Store) (n uint64) {
	t.Helper()
	ok(t, s.cfg.Meta.View(t.Context(), func(r meta.Reader) (err error) {
		n, err = revision.Read(r)
		return err
	}))
	return n
}

func TestCreateAccessKey(t *testing.T) {
	s, restarted := newPeople(t)
	ctx := t.Context()
	var recorded AccessKey
	k, err := s.CreateAccessKey(ctx, account, "ALICE", func(_ meta.Txn, k AccessKey) error { recorded = k; return nil })
	ok(t, err)
	alice := made[User](t)(s.UserByName(ctx, account, "alice"))
	if !regexp.MustCompile(`^AKIA[A-Z2-7]{16}$`).MatchString(k.ID) || !regexp.MustCompile(`^[A-Za-z0-9+/]{40}$`).MatchString(k.Secret.Reveal()) ||
		k.Principal != alice.ARN || k.UserID != alice.ID || k.UserName != "alice" || k.IsRoot() || k.Status != Active || k != recorded {
		t.Errorf("CreateAccessKey = %+v, also got %+v", k, recorded)
	}
	for _, s := range []*Store{s, restarted} {
		if got, err := s.Lookup(ctx, k.ID); err != nil || *got != k {
			t.Errorf("Lookup = %+v, %v; want %+v", got, err, k)
		}
	}
	second := made[AccessKey](t)(s.CreateAccessKey(ctx, account, "alice", nil))
	_, err = s.CreateAccessKey(ctx, account, "alice", nil)
	if quota := (*QuotaError)(nil); !errors.As(err, &quota) || *quota != (QuotaError{"AccessKeysPerUser", 2}) {
		t.Errorf("CreateAccessKey of the third = %v", err)
	}
	if list := made[[]AccessKey](t)(restarted.AccessKeys(ctx, account, "alice")); len(list) != 2 || list[0] != k || list[1] != second {
		t.Errorf("AccessKeys = %+v; want both, the oldest first", list)
	}
	_, err = s.CreateAccessKey(ctx, account, "nobody", nil)
	wantErr(t, "CreateAccessKey of nobody", err, ErrNoUser)
}

func TestAccessKeyStatus(t *testing.T) {
	s, restarted := newPeople(t)
	ctx := t.Context()
	k := made[AccessKey](t)(s.CreateAccessKey(ctx, account, "alice", nil))
	made[User](t)(s.CreateUser(ctx, account, NewUser{Name: "bob"}, nil))
	root := made[AccessKey](t)(s.NewRootKey(ctx, account, nil))
	if !root.IsRoot() {
		t.Error("IsRoot of a root key = false")
	}
	made[*AccessKey](t)(s.Lookup(ctx, k.ID))
	before := revisionOf(t, s)
	ok(t, s.SetAccessKeyStatus(ctx, account, "alice", k.ID, Inactive, nil))
	if revisionOf(t, s) == before {
		t.Error("the revision is the same after a key was made inactive")
	}
	for _, s := range []*Store{s, restarted} {
		if got := made[*AccessKey](t)(s.Lookup(ctx, k.ID)); got.Status != Inactive {
			t.Errorf("Status = %s; want Inactive", got.Status)
		}
	}
	ok(t, s.SetAccessKeyStatus(ctx, account, "alice", k.ID, Active, nil))
	wantErr(t, "odd status", s.SetAccessKeyStatus(ctx, account, "alice", k.ID, "active", nil), ErrInvalid)
	wantErr(t, "key of another user", s.SetAccessKeyStatus(ctx, account, "bob", k.ID, Inactive, nil), ErrNoAccessKey)
	wantErr(t, "root key", s.SetAccessKeyStatus(ctx, account, "bob", root.ID, Inactive, nil), ErrNoAccessKey)
	wantErr(t, "deleting another user's key", s.DeleteAccessKey(ctx, account, "bob", k.ID, nil), ErrNoAccessKey)
	wantErr(t, "deleting a root key", s.DeleteAccessKey(ctx, account, "alice", root.ID, nil), ErrNoAccessKey)
	_, err := s.PutRootKey(ctx, account, k.ID, NewSecret("password"), nil)
	wantErr(t, "PutRootKey of a user's ID", err, ErrAccessKeyExists)
	ok(t, s.DeleteAccessKey(ctx, account, "alice", k.ID, nil))
	for _, s := range []*Store{s, New(s.cfg)} {
		_, err := s.Lookup(ctx, k.ID)
		wantErr(t, "Lookup of a deleted key", err, ErrNoAccessKey)
	}
}

// TestFailedChangeIsForgotten loses the answer to a change: the change may have been
// made, so that nothing remembered from before may be served.
func TestFailedChangeIsForgotten(t *testing.T) {
	faults := metatest.NewFaults(mem.New())
	s := New(Config{Meta: faults})
	ctx := t.Context()
	made[Account](t)(s.CreateAccount(ctx, account, "main", nil))
	u := made[User](t)(s.CreateUser(ctx, account, NewUser{Name: "alice"}, nil))
	k := made[AccessKey](t)(s.CreateAccessKey(ctx, account, "alice", nil))
	ok(t, s.Attach(ctx, user("alice"), adminARN, nil))
	made[*AccessKey](t)(s.Lookup(ctx, k.ID))
	made[*Effective](t)(s.EffectiveUser(ctx, account, u.ID))
	faults.LoseAnswers(2)
	wantErr(t, "SetAccessKeyStatus", s.SetAccessKeyStatus(ctx, account, "alice", k.ID, Inactive, nil), meta.ErrUnavailable)
	wantErr(t, "Detach", s.Detach(ctx, user("alice"), adminARN, nil), meta.ErrUnavailable)
	if got := made[*AccessKey](t)(s.Lookup(ctx, k.ID)); got.Status != Inactive {
		t.Errorf("Status = %s; want Inactive", got.Status)
	}
	if e := made[*Effective](t)(s.EffectiveUser(ctx, account, u.ID)); len(e.Policies) != 0 {
		t.Errorf("a decision sees %v; want no policy", names(e.Policies))
	}
	faults.FailUpdates(1)
	_, err := s.CreateUser(ctx, account, NewUser{Name: "bob"}, nil)
	wantErr(t, "CreateUser", err, meta.ErrUnavailable)
	_, err = s.UserByName(ctx, account, "bob")
	wantErr(t, "UserByName", err, ErrNoUser)
}

// TestAlsoIsLast refuses the record of every kind of change: nothing must be made.
func TestAlsoIsLast(t *testing.T) {
	s, _ := newPeople(t)
	ctx := t.Context()
	full := errors.New("trail is full")
	refuse := func(meta.Txn) error { return full }
	p := newPolicy(t, s, "p")
	k := made[AccessKey](t)(s.CreateAccessKey(ctx, account, "alice", nil))
	pr := made[Provider](t)(s.CreateProvider(ctx, account, NewProvider{URL: "https://a.example"}, nil))
	before := dump(t, s)
	_, e1 := s.CreateUser(ctx, account, NewUser{Name: "bob"}, func(meta.Txn, User) error { return full })
	_, e2 := s.UpdateUser(ctx, account, "alice", "bob", "", func(meta.Txn, User) error { return full })
	_, e3 := s.CreateGroup(ctx, account, "ops", "", func(meta.Txn, Group) error { return full })
	_, e4 := s.UpdateGroup(ctx, account, "devs", "ops", "", func(meta.Txn, Group) error { return full })
	_, e5 := s.CreateRole(ctx, account, NewRole{Name: "r", Trust: trustRoot}, func(meta.Txn, Role) error { return full })
	_, e6 := s.UpdateRole(ctx, account, "app", RoleUpdate{}, func(meta.Txn, Role) error { return full })
	_, e7 := s.CreatePolicy(ctx, account, NewPolicy{Name: "q", Text: allowAll}, func(meta.Txn, Policy) error { return full })
	_, e8 := s.CreatePolicyVersion(ctx, account, p.ARN, allowAll, true, func(meta.Txn, PolicyVersion) error { return full })
	_, e9 := s.CreateAccessKey(ctx, account, "alice", func(meta.Txn, AccessKey) error { return full })
	_, e10 := s.CreateProvider(ctx, account, NewProvider{URL: "https://b.example"}, func(meta.Txn, Provider) error { return full })
	_, e11 := s.AddAccount(ctx, NewAccount{Name: "x"}, func(meta.Txn, Account) error { return full })
	for i, err := range []error{
		e1, e2, e3, e4, e5, e6, e7, e8, e9, e10, e11,
		s.AddToGroup(ctx, account, "devs", "alice", refuse), s.SetTrust(ctx, account, "app", trustRoot, refuse), s.DeleteRole(ctx, account, "app", refuse),
		s.PutInline(ctx, user("alice"), "i", allowAll, refuse), s.Attach(ctx, user("alice"), p.ARN, refuse), s.SetBoundary(ctx, user("alice"), p.ARN, refuse),
		s.TagEntity(ctx, user("alice"), []Tag{{"a", "b"}}, refuse), s.TagPolicy(ctx, account, p.ARN, []Tag{{"a", "b"}}, refuse),
		s.DeletePolicy(ctx, account, p.ARN, refuse), s.SetAccessKeyStatus(ctx, account, "alice", k.ID, Inactive, refuse),
		s.DeleteAccessKey(ctx, account, "alice", k.ID, refuse), s.SetAlias(ctx, account, "alias", refuse), s.AddClientID(ctx, account, pr.ARN, "x", refuse),
		s.DeleteProvider(ctx, account, pr.ARN, refuse), s.DeleteGroup(ctx, account, "devs", refuse), s.RevokeSession(ctx, "ASIA", testTime, refuse),
	} {
		if !errors.Is(err, full) {
			t.Errorf("change %d = %v; want %v", i, err, full)
		}
	}
	if after := dump(t, s); after != before {
		t.Errorf("refused changes changed rows:\n%s\nwant\n%s", after, before)
	}
}

// dump returns all rows.
func dump(t *testing.T, s *Store) string {
	t.Helper()
	var out []byte
	ok(t, s.cfg.Meta.View(t.Context(), func(r meta.Reader) error {
		return r.Scan(meta.Range{}, func(key, value []byte) (bool, error) {
			out = append(append(append(append(out, key...), '='), value...), '\n')
			return true, nil
		})
	}))
	return string(out)
}
