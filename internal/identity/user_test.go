package identity

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"coffer/internal/meta"
	"coffer/internal/meta/mem"
	"coffer/internal/meta/metatest"
)

const (
	allowAll  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	trustRoot = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}`
	adminARN  = "arn:aws:iam::aws:policy/AdministratorAccess"
)

// ok stops the test at an error.
func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// made returns v, or stops the test.
func made[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// wantErr reports an error that is not want.
func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s = %v; want %v", what, err, want)
	}
}

func user(name string) Entity  { return Entity{KindUser, account, name} }
func group(name string) Entity { return Entity{KindGroup, account, name} }
func role(name string) Entity  { return Entity{KindRole, account, name} }

// newPeople returns a store with the user alice, the group devs and the role app.
// Every transaction of it runs twice.
func newPeople(t *testing.T) (s, restarted *Store) {
	t.Helper()
	faults := metatest.NewFaults(mem.New())
	faults.RunTwice(true)
	cfg := Config{Meta: faults, Now: newStoreNow}
	t.Cleanup(func() { cfg.Meta.Close() })
	s, restarted = New(cfg), New(cfg)
	ctx := t.Context()
	made[Account](t)(s.CreateAccount(ctx, account, "main", nil))
	made[User](t)(s.CreateUser(ctx, account, NewUser{Name: "alice"}, nil))
	made[Group](t)(s.CreateGroup(ctx, account, "devs", "", nil))
	made[Role](t)(s.CreateRole(ctx, account, NewRole{Name: "app", Trust: trustRoot}, nil))
	return s, restarted
}

func TestCreateUser(t *testing.T) {
	s, restarted := newPeople(t)
	ctx := t.Context()
	var recorded User
	u, err := s.CreateUser(ctx, account, NewUser{Name: "Bob", Path: "/team/a/", Boundary: adminARN, Tags: []Tag{{"Dept", "x"}}}, func(_ meta.Txn, u User) error {
		recorded = u
		return nil
	})
	ok(t, err)
	if !regexp.MustCompile(`^AIDA[A-Z2-7]{17}$`).MatchString(u.ID) || u.ARN != "arn:aws:iam::123456789012:user/team/a/Bob" || u.Path != "/team/a/" ||
		u.Boundary != adminARN || !slices.Equal(u.Tags, []Tag{{"Dept", "x"}}) || !u.CreatedAt.Equal(testTime) {
		t.Errorf("CreateUser = %+v", u)
	}
	for name, got := range map[string]User{
		"also":       recorded,
		"UserByName": made[User](t)(restarted.UserByName(ctx, account, "bOB")),
		"UserByID":   made[User](t)(restarted.UserByID(ctx, u.ID)),
	} {
		if fmt.Sprint(got) != fmt.Sprint(u) {
			t.Errorf("%s = %+v; want %+v", name, got, u)
		}
	}
}

func TestCreateUserRefuses(t *testing.T) {
	s, _ := newPeople(t)
	many := make([]Tag, 51)
	for i := range many {
		many[i].Key = fmt.Sprint(i)
	}
	for name, tt := range map[string]struct {
		account string
		in      NewUser
		want    error
	}{
		"same name":            {account, NewUser{Name: "alice"}, ErrExists},
		"same name, case":      {account, NewUser{Name: "ALICE", Path: "/other/"}, ErrExists},
		"no account":           {"000000000000", NewUser{Name: "bob"}, ErrNoAccount},
		"odd account":          {"../", NewUser{Name: "bob"}, ErrNoAccount},
		"no name":              {account, NewUser{}, ErrInvalid},
		"long name":            {account, NewUser{Name: strings.Repeat("n", 65)}, ErrInvalid},
		"slash":                {account, NewUser{Name: "a/b"}, ErrInvalid},
		"colon":                {account, NewUser{Name: "a:b"}, ErrInvalid},
		"not ASCII":            {account, NewUser{Name: "bøb"}, ErrInvalid},
		"path without a start": {account, NewUser{Name: "bob", Path: "a/"}, ErrInvalid},
		"path without an end":  {account, NewUser{Name: "bob", Path: "/a"}, ErrInvalid},
		"two slashes":          {account, NewUser{Name: "bob", Path: "//"}, ErrInvalid},
		"space in the path":    {account, NewUser{Name: "bob", Path: "/a b/"}, ErrInvalid},
		"long path":            {account, NewUser{Name: "bob", Path: "/" + strings.Repeat("p", 511) + "/"}, ErrInvalid},
		"reserved tag":         {account, NewUser{Name: "bob", Tags: []Tag{{"AWS:x", ""}}}, ErrInvalid},
		"same tag twice":       {account, NewUser{Name: "bob", Tags: []Tag{{"dept", ""}, {"Dept", ""}}}, ErrInvalid},
		"empty tag key":        {account, NewUser{Name: "bob", Tags: []Tag{{"", "x"}}}, ErrInvalid},
		"long tag key":         {account, NewUser{Name: "bob", Tags: []Tag{{strings.Repeat("k", 129), "x"}}}, ErrInvalid},
		"long tag value":       {account, NewUser{Name: "bob", Tags: []Tag{{"k", strings.Repeat("v", 257)}}}, ErrInvalid},
		"odd tag":              {account, NewUser{Name: "bob", Tags: []Tag{{"k;", "x"}}}, ErrInvalid},
		"tag of bad UTF-8":     {account, NewUser{Name: "bob", Tags: []Tag{{"k", "\xff"}}}, ErrInvalid},
		"too many tags":        {account, NewUser{Name: "bob", Tags: many}, ErrQuota},
		"unknown boundary":     {account, NewUser{Name: "bob", Boundary: "arn:aws:iam::aws:policy/None"}, ErrNoPolicy},
		"foreign boundary":     {account, NewUser{Name: "bob", Boundary: "arn:aws:iam::210987654321:policy/p"}, ErrNoPolicy},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.CreateUser(t.Context(), tt.account, tt.in, nil)
			wantErr(t, "CreateUser", err, tt.want)
		})
	}
	if sum := made[Summary](t)(s.Summary(t.Context(), account)); sum.Users != 1 {
		t.Errorf("Summary counts %d users; want 1", sum.Users)
	}
}

func TestRecreatedUserIsAnother(t *testing.T) {
	s, _ := newPeople(t)
	ctx := t.Context()
	first := made[User](t)(s.UserByName(ctx, account, "alice"))
	ok(t, s.DeleteUser(ctx, account, "ALICE", nil))
	_, err := s.UserByName(ctx, account, "alice")
	wantErr(t, "UserByName of a deleted user", err, ErrNoUser)
	_, err = s.UserByID(ctx, first.ID)
	wantErr(t, "UserByID of a deleted user", err, ErrNoUser)
	second := made[User](t)(s.CreateUser(ctx, account, NewUser{Name: "alice"}, nil))
	if second.ID == first.ID || second.ARN != first.ARN {
		t.Errorf("the user made anew is %s %s; want another ID than %s and ARN %s", second.ID, second.ARN, first.ID, first.ARN)
	}
	_, err = s.EffectiveUser(ctx, account, first.ID)
	wantErr(t, "EffectiveUser of the first", err, ErrNoUser)
}

func TestDeleteUserConflicts(t *testing.T) {
	s, _ := newPeople(t)
	ctx := t.Context()
	e := user("alice")
	k := made[AccessKey](t)(s.CreateAccessKey(ctx, account, "alice", nil))
	ok(t, s.PutInline(ctx, e, "p", allowAll, nil))
	ok(t, s.Attach(ctx, e, adminARN, nil))
	ok(t, s.AddToGroup(ctx, account, "devs", "alice", nil))
	ok(t, s.SetBoundary(ctx, e, adminARN, nil))
	for _, step := range []struct {
		want error
		undo func() error
	}{
		{ErrHasKeys, func() error { return s.DeleteAccessKey(ctx, account, "alice", k.ID, nil) }},
		{ErrHasInline, func() error { return s.DeleteInline(ctx, e, "p", nil) }},
		{ErrHasAttached, func() error { return s.Detach(ctx, e, adminARN, nil) }},
		{ErrHasGroups, func() error { return s.RemoveFromGroup(ctx, account, "devs", "alice", nil) }},
	} {
		wantErr(t, "DeleteUser", s.DeleteUser(ctx, account, "alice", nil), step.want)
		ok(t, step.undo())
	}
	ok(t, s.DeleteUser(ctx, account, "alice", nil))
	wantErr(t, "DeleteUser again", s.DeleteUser(ctx, account, "alice", nil), ErrNoUser)
	if p := made[Policy](t)(s.PolicyByARN(ctx, account, adminARN)); p.Attachments != 0 || p.Boundaries != 0 {
		t.Errorf("after the deletion the policy has %d attachments, is %d boundaries; want none", p.Attachments, p.Boundaries)
	}
}

func TestUpdateUser(t *testing.T) {
	s, restarted := newPeople(t)
	ctx := t.Context()
	made[User](t)(s.CreateUser(ctx, account, NewUser{Name: "bob"}, nil))
	ok(t, s.AddToGroup(ctx, account, "devs", "alice", nil))
	k := made[AccessKey](t)(s.CreateAccessKey(ctx, account, "alice", nil))
	before := made[User](t)(s.UserByName(ctx, account, "alice"))
	_, err := s.Lookup(ctx, k.ID)
	ok(t, err)

	_, err = s.UpdateUser(ctx, account, "alice", "BOB", "", nil)
	wantErr(t, "UpdateUser to a name that is taken", err, ErrExists)
	_, err = s.UpdateUser(ctx, account, "carol", "dave", "", nil)
	wantErr(t, "UpdateUser of no user", err, ErrNoUser)
	_, err = s.UpdateUser(ctx, account, "alice", "", "x", nil)
	wantErr(t, "UpdateUser to an odd path", err, ErrInvalid)

	u := made[User](t)(s.UpdateUser(ctx, account, "alice", "Zoe", "/new/", nil))
	if u.ID != before.ID || u.ARN != "arn:aws:iam::123456789012:user/new/Zoe" {
		t.Errorf("UpdateUser = %+v; want the same ID and another ARN", u)
	}
	_, err = s.UserByName(ctx, account, "alice")
	wantErr(t, "UserByName of the old name", err, ErrNoUser)
	if found, err := s.Lookup(ctx, k.ID); err != nil || found.Principal != u.ARN || found.UserName != "Zoe" {
		t.Errorf("Lookup of the key = %+v, %v; want principal %s", found, err, u.ARN)
	}
	list, _, err := restarted.Members(ctx, account, "devs", Page{})
	if err != nil || len(list) != 1 || list[0].Name != "Zoe" {
		t.Errorf("Members = %v, %v; want Zoe", list, err)
	}
	again := made[User](t)(s.UpdateUser(ctx, account, "zoe", "ZOE", "", nil)) // another case only
	if again.ARN != "arn:aws:iam::123456789012:user/new/ZOE" {
		t.Errorf("UpdateUser of the case = %s", again.ARN)
	}
	ok(t, s.RemoveFromGroup(ctx, account, "devs", "zoe", nil))
}

func TestListPages(t *testing.T) {
	s, _ := newPeople(t)
	ctx := t.Context()
	for _, n := range []string{"Bob", "carol", "Dave", "eve"} {
		path := "/"
		if n == "Dave" || n == "eve" {
			path = "/ops/night/"
		}
		made[User](t)(s.CreateUser(ctx, account, NewUser{Name: n, Path: path}, nil))
	}
	read := func(p Page) (names []string) {
		t.Helper()
		for {
			list, more, err := s.Users(ctx, account, p)
			ok(t, err)
			if p.Limit > 0 && len(list) > p.Limit {
				t.Errorf("a page holds %d; want at most %d", len(list), p.Limit)
			}
			for _, u := range list {
				names = append(names, u.Name)
			}
			if !more {
				return names
			}
			p.After = names[len(names)-1]
		}
	}
	for _, tt := range []struct {
		name string
		in   Page
		want []string
	}{
		{"all", Page{}, []string{"alice", "Bob", "carol", "Dave", "eve"}},
		{"one by one", Page{Limit: 1}, []string{"alice", "Bob", "carol", "Dave", "eve"}},
		{"two by two", Page{Limit: 2}, []string{"alice", "Bob", "carol", "Dave", "eve"}},
		{"exactly all", Page{Limit: 5}, []string{"alice", "Bob", "carol", "Dave", "eve"}},
		{"below a path", Page{PathPrefix: "/ops/", Limit: 1}, []string{"Dave", "eve"}},
		{"half a path", Page{PathPrefix: "/op"}, []string{"Dave", "eve"}},
		{"after a deleted one", Page{After: "bz"}, []string{"carol", "Dave", "eve"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := read(tt.in); !slices.Equal(got, tt.want) {
				t.Errorf("Users(%+v) = %v; want %v", tt.in, got, tt.want)
			}
		})
	}
	_, more, err := s.Users(ctx, account, Page{Limit: 5})
	if more || err != nil {
		t.Errorf("a page of all = more %t, %v; want false, <nil>", more, err)
	}
	if list, _, err := s.Users(ctx, "210987654321", Page{}); len(list) != 0 || err != nil {
		t.Errorf("Users of another account = %v, %v; want none", list, err)
	}
}

func TestGroups(t *testing.T) {
	s, restarted := newPeople(t)
	ctx := t.Context()
	if g := made[Group](t)(restarted.GroupByName(ctx, account, "DEVS")); !regexp.MustCompile(`^AGPA[A-Z2-7]{17}$`).MatchString(g.ID) || g.ARN != "arn:aws:iam::123456789012:group/devs" {
		t.Errorf("GroupByName = %+v", g)
	}
	_, err := s.CreateGroup(ctx, account, "Devs", "", nil)
	wantErr(t, "CreateGroup of a name that is taken", err, ErrExists)
	wantErr(t, "AddToGroup of no user", s.AddToGroup(ctx, account, "devs", "nobody", nil), ErrNoUser)
	wantErr(t, "AddToGroup to no group", s.AddToGroup(ctx, account, "none", "alice", nil), ErrNoGroup)
	wantErr(t, "RemoveFromGroup of no member", s.RemoveFromGroup(ctx, account, "devs", "alice", nil), ErrNotMember)
	ok(t, s.AddToGroup(ctx, account, "devs", "alice", nil))
	ok(t, s.AddToGroup(ctx, account, "DEVS", "ALICE", nil))
	if list := made[[]Group](t)(s.GroupsOf(ctx, account, "alice")); len(list) != 1 || list[0].Name != "devs" {
		t.Errorf("GroupsOf = %+v; want devs, once", list)
	}
	wantErr(t, "DeleteGroup with members", s.DeleteGroup(ctx, account, "devs", nil), ErrHasMembers)
	g := made[Group](t)(s.UpdateGroup(ctx, account, "devs", "makers", "/x/", nil))
	if list := made[[]Group](t)(restarted.GroupsOf(ctx, account, "alice")); len(list) != 1 || list[0] != g {
		t.Errorf("GroupsOf after the renaming = %+v; want %+v", list, g)
	}
	for i := range 9 {
		name := fmt.Sprint("g", i)
		made[Group](t)(s.CreateGroup(ctx, account, name, "", nil))
		ok(t, s.AddToGroup(ctx, account, name, "alice", nil))
	}
	made[Group](t)(s.CreateGroup(ctx, account, "eleventh", "", nil))
	wantErr(t, "AddToGroup to the eleventh", s.AddToGroup(ctx, account, "eleventh", "alice", nil), ErrQuota)
	ok(t, s.RemoveFromGroup(ctx, account, "makers", "alice", nil))
	ok(t, s.PutInline(ctx, group("makers"), "p", allowAll, nil))
	wantErr(t, "DeleteGroup with a policy", s.DeleteGroup(ctx, account, "makers", nil), ErrHasInline)
	ok(t, s.DeleteInline(ctx, group("makers"), "p", nil))
	ok(t, s.Attach(ctx, group("makers"), adminARN, nil))
	wantErr(t, "DeleteGroup with an attached policy", s.DeleteGroup(ctx, account, "makers", nil), ErrHasAttached)
	ok(t, s.Detach(ctx, group("makers"), adminARN, nil))
	ok(t, s.DeleteGroup(ctx, account, "makers", nil))
	wantErr(t, "boundary of a group", s.SetBoundary(ctx, group("g1"), adminARN, nil), ErrInvalid)
	wantErr(t, "tags of a group", s.TagEntity(ctx, group("g1"), []Tag{{"a", "b"}}, nil), ErrInvalid)
}

func TestTags(t *testing.T) {
	s, restarted := newPeople(t)
	ctx := t.Context()
	ok(t, s.TagEntity(ctx, user("alice"), []Tag{{"Dept", "finance"}, {"site", "x"}}, nil))
	ok(t, s.TagEntity(ctx, user("alice"), []Tag{{"department", "y"}, {"dept", "hr"}}, nil))
	want := []Tag{{"dept", "hr"}, {"site", "x"}, {"department", "y"}}
	if u := made[User](t)(restarted.UserByName(ctx, account, "alice")); !slices.Equal(u.Tags, want) {
		t.Errorf("tags = %v; want %v", u.Tags, want)
	}
	ok(t, s.UntagEntity(ctx, user("alice"), []string{"SITE", "none"}, nil))
	if u := made[User](t)(restarted.UserByName(ctx, account, "alice")); !slices.Equal(u.Tags, []Tag{{"dept", "hr"}, {"department", "y"}}) {
		t.Errorf("tags = %v after one was removed", u.Tags)
	}
	for i := range 48 {
		ok(t, s.TagEntity(ctx, user("alice"), []Tag{{fmt.Sprint("t", i), ""}}, nil))
	}
	wantErr(t, "TagEntity with the 51st", s.TagEntity(ctx, user("alice"), []Tag{{"more", ""}}, nil), ErrQuota)
	ok(t, s.TagEntity(ctx, user("alice"), []Tag{{"DEPT", "again"}}, nil))
	wantErr(t, "TagEntity of nobody", s.TagEntity(ctx, user("bob"), []Tag{{"a", ""}}, nil), ErrNoUser)
	wantErr(t, "TagEntity with a reserved key", s.TagEntity(ctx, role("app"), []Tag{{"aws:a", ""}}, nil), ErrInvalid)
}

// TestQuota fills an account with groups, the smallest quota of entities.
func TestQuota(t *testing.T) {
	s, _ := newPeople(t)
	ctx := t.Context()
	for i := range MaxGroups - 1 {
		made[Group](t)(s.CreateGroup(ctx, account, fmt.Sprint("g", i), "", nil))
	}
	_, err := s.CreateGroup(ctx, account, "more", "", nil)
	var quota *QuotaError
	if !errors.As(err, &quota) || *quota != (QuotaError{"GroupsPerAccount", MaxGroups}) {
		t.Errorf("CreateGroup past the quota = %v", err)
	}
	ok(t, s.DeleteGroup(ctx, account, "g7", nil))
	made[Group](t)(s.CreateGroup(ctx, account, "more", "", nil))
}

// TestNothingIsLeft makes one of everything, takes all of it away again and looks
// for rows that nothing needs any more.
func TestNothingIsLeft(t *testing.T) {
	s, _ := newPeople(t)
	ctx := t.Context()
	p := newPolicy(t, s, "p")
	pr := made[Provider](t)(s.CreateProvider(ctx, account, NewProvider{URL: "https://a.example"}, nil))
	k := made[AccessKey](t)(s.CreateAccessKey(ctx, account, "alice", nil))
	app := made[Role](t)(s.RoleByName(ctx, account, "app"))
	s.Used(k.ID, "s3", "us-east-1", testTime)
	s.RoleUsed(app.ID, "us-east-1", testTime)
	ok(t, s.Close(ctx))
	ok(t, s.SetAlias(ctx, account, "alias", nil))
	ok(t, s.AddToGroup(ctx, account, "devs", "alice", nil))
	made[User](t)(s.UpdateUser(ctx, account, "alice", "bob", "/x/", nil))
	for _, e := range []Entity{user("bob"), group("devs"), role("app")} {
		ok(t, s.PutInline(ctx, e, "i", allowAll, nil))
		ok(t, s.Attach(ctx, e, p.ARN, nil))
		ok(t, s.Attach(ctx, e, adminARN, nil))
		if e.Kind != KindGroup {
			ok(t, s.SetBoundary(ctx, e, p.ARN, nil))
		}
	}
	for _, e := range []Entity{user("bob"), group("devs"), role("app")} {
		ok(t, s.DeleteInline(ctx, e, "i", nil))
		ok(t, s.Detach(ctx, e, p.ARN, nil))
		ok(t, s.Detach(ctx, e, adminARN, nil))
	}
	ok(t, s.RemoveFromGroup(ctx, account, "devs", "bob", nil))
	ok(t, s.DeleteAccessKey(ctx, account, "bob", k.ID, nil))
	ok(t, s.DeleteUser(ctx, account, "bob", nil))
	ok(t, s.DeleteGroup(ctx, account, "devs", nil))
	ok(t, s.DeleteRole(ctx, account, "app", nil))
	ok(t, s.DeletePolicy(ctx, account, p.ARN, nil))
	ok(t, s.DeleteProvider(ctx, account, pr.ARN, nil))
	ok(t, s.DeleteAlias(ctx, account, "alias", nil))
	if sum := made[Summary](t)(s.Summary(ctx, account)); sum != (Summary{}) {
		t.Errorf("Summary = %+v; want nothing", sum)
	}
	for line := range strings.Lines(dump(t, s)) {
		key, _, _ := strings.Cut(line, "=")
		if key != rowAccount+account && key != rowCount+account && strings.HasPrefix(key, "identity/") {
			t.Errorf("row %q is left", key)
		}
	}
}
