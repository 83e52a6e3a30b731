package organization

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"coffer/internal/meta"
)

func TestCreateOrganization(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	if _, err := w.Of(ctx, owner); !errors.Is(err, ErrNotInOrganization) {
		t.Errorf("Of before = %v; want ErrNotInOrganization", err)
	}
	o := w.org()
	if !regexp.MustCompile(`^o-[a-z0-9]{10}$`).MatchString(o.ID) || !regexp.MustCompile(`^r-[a-z0-9]{4}$`).MatchString(o.Root) ||
		o.ManagementAccount != owner || o.Email != owner+"@account.invalid" || len(o.Enabled) != 0 || !o.Created.Equal(day0) {
		t.Errorf("CreateOrganization = %+v", o)
	}
	if got, err := w.restarted().Of(ctx, owner); err != nil || got.ID != o.ID || got.Root != o.Root {
		t.Errorf("Of = %+v, %v; want %+v", got, err, o)
	}
	if _, err := w.CreateOrganization(ctx, owner, nothing[*Organization]); !errors.Is(err, ErrInOrganization) {
		t.Errorf("a second CreateOrganization = %v; want ErrInOrganization", err)
	}
	if _, err := w.CreateOrganization(ctx, "000000000000", nothing[*Organization]); !errors.Is(err, ErrNoAccount) {
		t.Errorf("CreateOrganization of nobody = %v; want ErrNoAccount", err)
	}
	other := made(w.CreateOrganization(ctx, second, nothing[*Organization]))(t)
	if other.ID == o.ID || other.Root == o.Root {
		t.Errorf("two organizations %+v and %+v", o, other)
	}
}

// What a server's owner made before its organization belongs to it.
func TestCreateOrganizationAdopts(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	a, k, err := w.CreateAccount(ctx, NewAccount{Name: "mine", Creator: owner, RootKey: true}, nothing[*Account])
	if err != nil || a.Org != "" || k.ID == "" {
		t.Fatalf("CreateAccount = %+v, %v", a, err)
	}
	b, _, err := w.CreateAccount(ctx, NewAccount{Name: "another's", Creator: second}, nothing[*Account])
	okay(t, err)
	o := w.org()
	list, more, err := w.Members(ctx, o.ID, "", 100)
	if err != nil || more || len(list) != 2 {
		t.Fatalf("Members = %v, %t, %v; want owner and the one it made", list, more, err)
	}
	if m := made(w.Member(ctx, o.ID, a.ID))(t); m.Method != Created || m.Parent != o.Root || m.Name != "mine" {
		t.Errorf("Member = %+v", m)
	}
	if m := made(w.Member(ctx, o.ID, owner))(t); m.Method != Invited {
		t.Errorf("Member = %+v; AWS shows the management account as invited", m)
	}
	if _, err := w.Member(ctx, o.ID, b.ID); !errors.Is(err, ErrNoAccount) {
		t.Errorf("Member = %v; want ErrNoAccount", err)
	}
	// One that is made later joins at once; one that has left does not come back.
	c, _, err := w.CreateAccount(ctx, NewAccount{Name: "later", Creator: owner}, nothing[*Account])
	if err != nil || c.Org != o.ID {
		t.Errorf("CreateAccount = %+v, %v; want one in %s", c, err, o.ID)
	}
	okay(t, w.RemoveAccount(ctx, o.ID, a.ID, none))
	okay(t, w.RemoveAccount(ctx, o.ID, c.ID, none))
	okay(t, w.DeleteOrganization(ctx, o.ID, none))
	o = w.org()
	if list, _, err := w.Members(ctx, o.ID, "", 100); err != nil || len(list) != 1 {
		t.Errorf("Members = %v, %v; want the management account alone", list, err)
	}
}

func TestUnits(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	o := w.org()
	parent := o.Root
	var deepest *Unit
	for range MaxDepth {
		deepest = w.unit(o, parent, "level")
		parent = deepest.ID
	}
	if !strings.HasPrefix(deepest.ID, "ou-"+strings.TrimPrefix(o.Root, "r-")+"-") {
		t.Errorf("ID of an OU = %s in %s", deepest.ID, o.Root)
	}
	if _, err := w.CreateUnit(ctx, o.ID, parent, "level", nil, nothing[*Unit]); !errors.Is(err, ErrTooDeep) {
		t.Errorf("CreateUnit below %d others = %v; want ErrTooDeep", MaxDepth, err)
	}
	if _, err := w.CreateUnit(ctx, o.ID, o.Root, "level", nil, nothing[*Unit]); !errors.Is(err, ErrUnitExists) {
		t.Errorf("CreateUnit of a sibling's name = %v; want ErrUnitExists", err)
	}
	if path := made(w.Path(ctx, o.ID, deepest.ID))(t); len(path) != MaxDepth+1 || path[0] != o.Root || path[MaxDepth] != deepest.ID {
		t.Errorf("Path = %v", path)
	}
	other := w.unit(o, o.Root, "other")
	if _, err := w.RenameUnit(ctx, o.ID, other.ID, "level", nothing[*Unit]); !errors.Is(err, ErrUnitExists) {
		t.Errorf("RenameUnit to a sibling's name = %v; want ErrUnitExists", err)
	}
	if u := made(w.RenameUnit(ctx, o.ID, other.ID, "renamed", nothing[*Unit]))(t); u.Name != "renamed" || made(w.Unit(ctx, o.ID, other.ID))(t).Name != "renamed" {
		t.Errorf("RenameUnit = %+v", u)
	}
	if list := made(w.Units(ctx, o.ID, o.Root))(t); len(list) != 2 {
		t.Errorf("Units = %v; want two", list)
	}
	if p := made(w.Parent(ctx, o.ID, deepest.ID))(t); p != deepest.Parent {
		t.Errorf("Parent = %s; want %s", p, deepest.Parent)
	}
	w.invited(o, second)
	okay(t, w.MoveAccount(ctx, o.ID, second, o.Root, other.ID, none))
	if err := w.DeleteUnit(ctx, o.ID, other.ID, none); !errors.Is(err, ErrUnitNotEmpty) {
		t.Errorf("DeleteUnit with an account = %v; want ErrUnitNotEmpty", err)
	}
	if err := w.DeleteUnit(ctx, o.ID, deepest.Parent, none); !errors.Is(err, ErrUnitNotEmpty) {
		t.Errorf("DeleteUnit with an OU = %v; want ErrUnitNotEmpty", err)
	}
	okay(t, w.DeleteUnit(ctx, o.ID, deepest.ID, none))
	if _, err := w.Unit(ctx, o.ID, deepest.ID); !errors.Is(err, ErrNoUnit) {
		t.Errorf("Unit after its deletion = %v; want ErrNoUnit", err)
	}
}

func TestMoveAccount(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	o := w.org()
	a, b := w.unit(o, o.Root, "a"), w.unit(o, o.Root, "b")
	w.invited(o, second)
	tests := []struct {
		name, account, from, to string
		want                    error
	}{
		{"unknown account", third, o.Root, a.ID, ErrNoAccount},
		{"unknown source", second, "ou-none-12345678", a.ID, ErrNoSource},
		{"another's root", second, "r-none", a.ID, ErrNoSource},
		{"not the source", second, a.ID, b.ID, ErrNoSource},
		{"unknown destination", second, o.Root, "ou-none-12345678", ErrNoDestination},
		{"no move", second, o.Root, o.Root, ErrThere},
		{"down", second, o.Root, a.ID, nil},
		{"across", second, a.ID, b.ID, nil},
		{"up", second, b.ID, o.Root, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := made(w.Member(ctx, o.ID, second))(t).Parent
			err := w.MoveAccount(ctx, o.ID, tt.account, tt.from, tt.to, none)
			if !errors.Is(err, tt.want) {
				t.Errorf("MoveAccount = %v; want %v", err, tt.want)
			}
			want := before
			if tt.want == nil {
				want = tt.to
			}
			if got := made(w.Member(ctx, o.ID, second))(t).Parent; got != want {
				t.Errorf("parent = %s; want %s", got, want)
			}
			below := made(w.AccountsBelow(ctx, o.ID, want))(t)
			if len(below) == 0 || below[len(below)-1].ID != second {
				t.Errorf("AccountsBelow(%s) = %v", want, below)
			}
		})
	}
}

func TestRemoveAccount(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	o := w.org()
	w.invited(o, second)
	made(w.EnableType(ctx, o.ID, o.Root, SCP, nothing[*Organization]))(t)
	okay(t, w.Tag(ctx, o.ID, second, []Tag{{"a", "b"}}, none))
	if err := w.RemoveAccount(ctx, o.ID, owner, none); !errors.Is(err, ErrManagement) {
		t.Errorf("RemoveAccount of the management account = %v; want ErrManagement", err)
	}
	if err := w.RemoveAccount(ctx, o.ID, third, none); !errors.Is(err, ErrNoAccount) {
		t.Errorf("RemoveAccount of a stranger = %v; want ErrNoAccount", err)
	}
	okay(t, w.RemoveAccount(ctx, o.ID, second, none))
	if c := made(w.Chain(ctx, second))(t); c != nil {
		t.Errorf("Chain after leaving = %+v; want none", c)
	}
	for _, row := range w.rows() {
		if strings.Contains(row, second) && !strings.HasPrefix(row, "account/") && !strings.HasPrefix(row, "party/") {
			t.Errorf("row %s is left", row)
		}
	}
	// It may join again.
	w.invited(o, second)
}

// What one organization has, another cannot name.
func TestOrganizationsAreApart(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	o := w.org()
	foreign := made(w.CreateOrganization(ctx, second, nothing[*Organization]))(t)
	unit := w.unit(foreign, foreign.Root, "theirs")
	p := w.scp(foreign, "theirs")
	made(w.EnableType(ctx, o.ID, o.Root, SCP, nothing[*Organization]))(t)
	mine := w.scp(o, "mine")
	for name, got := range map[string]error{
		"Unit":         errOf(w.Unit(ctx, o.ID, unit.ID)),
		"Units":        errOf(w.Units(ctx, o.ID, unit.ID)),
		"Units root":   errOf(w.Units(ctx, o.ID, foreign.Root)),
		"CreateUnit":   errOf(w.CreateUnit(ctx, o.ID, foreign.Root, "x", nil, nothing[*Unit])),
		"DeleteUnit":   w.DeleteUnit(ctx, o.ID, unit.ID, none),
		"Member":       errOf(w.Member(ctx, o.ID, second)),
		"Parent":       errOf(w.Parent(ctx, o.ID, second)),
		"Policy":       errOf(w.Policy(ctx, o.ID, p.ID)),
		"UpdatePolicy": errOf(w.UpdatePolicy(ctx, o.ID, p.ID, PolicyChange{}, nothing[*Policy])),
		"DeletePolicy": w.DeletePolicy(ctx, o.ID, p.ID, none),
		"Attach":       w.AttachPolicy(ctx, o.ID, p.ID, o.Root, none),
		"Attach to":    w.AttachPolicy(ctx, o.ID, mine.ID, foreign.Root, none),
		"Attach unit":  w.AttachPolicy(ctx, o.ID, mine.ID, unit.ID, none),
		"Attach acct":  w.AttachPolicy(ctx, o.ID, mine.ID, second, none),
		"EnableType":   errOf(w.EnableType(ctx, o.ID, foreign.Root, RCP, nothing[*Organization])),
		"Tags":         errOf(w.Tags(ctx, o.ID, unit.ID)),
		"Tag":          w.Tag(ctx, o.ID, p.ID, []Tag{{"a", "b"}}, none),
		"Remove":       w.RemoveAccount(ctx, o.ID, second, none),
	} {
		if got == nil {
			t.Errorf("%s reached another organization", name)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }

func TestDeleteOrganizationLeavesNothing(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	o := w.org()
	made(w.EnableType(ctx, o.ID, o.Root, SCP, nothing[*Organization]))(t)
	made(w.EnableType(ctx, o.ID, o.Root, RCP, nothing[*Organization]))(t)
	u := w.unit(o, w.unit(o, o.Root, "a").ID, "b")
	p := w.scp(o, "p")
	okay(t, w.AttachPolicy(ctx, o.ID, p.ID, u.ID, none))
	for _, id := range []string{o.Root, u.ID, owner, p.ID} {
		okay(t, w.Tag(ctx, o.ID, id, []Tag{{"k", "v"}}, none))
	}
	made(w.Invite(ctx, o.ID, Invitation{Account: third}, nothing[*Handshake]))(t)
	st := made(w.RequestAccount(ctx, o.ID, NewAccount{Name: "n", Email: "n@example.com", Creator: owner, Role: "Admin"}, nothing[*Status]))(t)
	if err := w.DeleteOrganization(ctx, o.ID, none); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("DeleteOrganization with a member = %v; want ErrNotEmpty", err)
	}
	okay(t, w.RemoveAccount(ctx, o.ID, st.Account, none))
	okay(t, w.DeleteOrganization(ctx, o.ID, none))
	for _, row := range w.rows() {
		if !strings.HasPrefix(row, "account/") {
			t.Errorf("row %s is left", row)
		}
	}
	if c := made(w.Chain(ctx, owner))(t); c != nil {
		t.Errorf("Chain = %+v; want none", c)
	}
}

// Every change counts a revision and carries its event, or is not made.
func TestChanges(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	var o *Organization
	var u *Unit
	var p *Policy
	var h *Handshake
	type changing struct {
		name string
		do   func(also func(meta.Txn) error) error
	}
	with := func(also func(meta.Txn) error) func(meta.Txn, *Organization) error {
		return func(tx meta.Txn, _ *Organization) error { return also(tx) }
	}
	name := "renamed"
	steps := []changing{
		{"CreateOrganization", func(also func(meta.Txn) error) (err error) {
			o, err = w.CreateOrganization(ctx, owner, with(also))
			return err
		}},
		{"EnableType", func(also func(meta.Txn) error) error {
			return errOf(w.EnableType(ctx, o.ID, o.Root, SCP, with(also)))
		}},
		{"CreateUnit", func(also func(meta.Txn) error) (err error) {
			u, err = w.CreateUnit(ctx, o.ID, o.Root, "u", nil, func(tx meta.Txn, _ *Unit) error { return also(tx) })
			return err
		}},
		{"RenameUnit", func(also func(meta.Txn) error) error {
			return errOf(w.RenameUnit(ctx, o.ID, u.ID, "v", func(tx meta.Txn, _ *Unit) error { return also(tx) }))
		}},
		{"CreatePolicy", func(also func(meta.Txn) error) (err error) {
			p, err = w.CreatePolicy(ctx, o.ID, Policy{Type: SCP, Name: "p", Content: denyS3}, nil, func(tx meta.Txn, _ *Policy) error { return also(tx) })
			return err
		}},
		{"UpdatePolicy", func(also func(meta.Txn) error) error {
			return errOf(w.UpdatePolicy(ctx, o.ID, p.ID, PolicyChange{Name: &name}, func(tx meta.Txn, _ *Policy) error { return also(tx) }))
		}},
		{"AttachPolicy", func(also func(meta.Txn) error) error { return w.AttachPolicy(ctx, o.ID, p.ID, u.ID, also) }},
		{"DetachPolicy", func(also func(meta.Txn) error) error { return w.DetachPolicy(ctx, o.ID, p.ID, u.ID, also) }},
		{"Tag", func(also func(meta.Txn) error) error { return w.Tag(ctx, o.ID, u.ID, []Tag{{"a", "b"}}, also) }},
		{"Untag", func(also func(meta.Txn) error) error { return w.Untag(ctx, o.ID, u.ID, []string{"a"}, also) }},
		{"Invite", func(also func(meta.Txn) error) (err error) {
			h, err = w.Invite(ctx, o.ID, Invitation{Account: second}, func(tx meta.Txn, _ *Handshake) error { return also(tx) })
			return err
		}},
		{"EndHandshake", func(also func(meta.Txn) error) error {
			return errOf(w.EndHandshake(ctx, second, h.ID, Accepted, func(tx meta.Txn, _ *Handshake) error { return also(tx) }))
		}},
		{"MoveAccount", func(also func(meta.Txn) error) error { return w.MoveAccount(ctx, o.ID, second, o.Root, u.ID, also) }},
		{"RemoveAccount", func(also func(meta.Txn) error) error { return w.RemoveAccount(ctx, o.ID, second, also) }},
		{"CreateAccount", func(also func(meta.Txn) error) error {
			_, _, err := w.CreateAccount(ctx, NewAccount{Name: "made", Creator: third}, func(tx meta.Txn, _ *Account) error { return also(tx) })
			return err
		}},
		{"DeletePolicy", func(also func(meta.Txn) error) error { return w.DeletePolicy(ctx, o.ID, p.ID, also) }},
		{"DeleteUnit", func(also func(meta.Txn) error) error { return w.DeleteUnit(ctx, o.ID, u.ID, also) }},
		{"DisableType", func(also func(meta.Txn) error) error {
			return errOf(w.DisableType(ctx, o.ID, o.Root, SCP, with(also)))
		}},
		{"DeleteOrganization", func(also func(meta.Txn) error) error { return w.DeleteOrganization(ctx, o.ID, also) }},
	}
	for _, step := range steps {
		before, rows := w.revision(), strings.Join(w.rows(), "\n")
		if err := step.do(full); !errors.Is(err, errFull) {
			t.Fatalf("%s on a full trail = %v; want %v", step.name, err, errFull)
		}
		if now := strings.Join(w.rows(), "\n"); now != rows || w.revision() != before {
			t.Errorf("%s on a full trail changed rows", step.name)
		}
		recorded := false
		if err := step.do(func(meta.Txn) error { recorded = true; return nil }); err != nil || !recorded {
			t.Fatalf("%s = %v, recorded %t", step.name, err, recorded)
		}
		if w.revision() == before {
			t.Errorf("%s counts no revision", step.name)
		}
	}
}
