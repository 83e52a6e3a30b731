package organization

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestCreateAccount(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	a, k, err := w.CreateAccount(ctx, NewAccount{Name: "first", Email: "First@example.com", Creator: owner, RootKey: true}, nothing[*Account])
	if err != nil || a.Email != "First@example.com" || a.Creator != owner || a.Org != "" || len(a.ID) != 12 || a.ID[0] == '0' {
		t.Fatalf("CreateAccount = %+v, %v", a, err)
	}
	if got, err := w.cfg.Identity.RootKey(ctx, a.ID); err != nil || got.ID != k.ID {
		t.Errorf("RootKey = %v, %v; want %s", got.ID, err, k.ID)
	}
	if strings.Contains(k.Secret.String(), k.Secret.Reveal()) {
		t.Error("the secret shows")
	}
	tests := []struct {
		name string
		in   NewAccount
		want error
	}{
		{"same name", NewAccount{Name: "first", RootKey: true}, ErrAccountExists},
		{"same ID", NewAccount{Name: "x", ID: a.ID}, ErrAccountExists},
		{"same address", NewAccount{Name: "x", Email: "fIRST@example.com"}, ErrEmailExists},
		{"bad ID", NewAccount{Name: "x", ID: "12"}, ErrInvalid},
		{"no name", NewAccount{}, ErrInvalid},
		{"address without a dot", NewAccount{Name: "x", Email: "nobody@example"}, ErrInvalid},
		{"address with two @", NewAccount{Name: "x", Email: "a@b@example.com"}, ErrInvalid},
		{"address with a space", NewAccount{Name: "x", Email: "a b@example.com"}, ErrInvalid},
		{"short address", NewAccount{Name: "x", Email: "a@b.c"}, ErrInvalid},
		{"long address", NewAccount{Name: "x", Email: strings.Repeat("a", 60) + "@b.cd"}, ErrInvalid},
		{"same name without a key", NewAccount{Name: "first"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if a, _, err := w.CreateAccount(ctx, tt.in, nothing[*Account]); !errors.Is(err, tt.want) {
				t.Errorf("CreateAccount = %+v, %v; want %v", a, err, tt.want)
			}
		})
	}
	list := made(w.Accounts(ctx))(t)
	if len(list) != 5 {
		t.Errorf("Accounts = %d; want 5", len(list))
	}
	for _, a := range list {
		if a.Email == "" || a.Name == "" {
			t.Errorf("account %+v has no name or address", a)
		}
	}
}

func TestRequestAccount(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	o := w.org()
	st := made(w.RequestAccount(ctx, o.ID, NewAccount{Name: "dev", Email: "dev@example.com", Creator: owner, Role: "Admin", Tags: []Tag{{"a", "b"}}}, nothing[*Status]))(t)
	if st.Failure != "" || len(st.Account) != 12 || !strings.HasPrefix(st.ID, "car-") || !st.Completed.Equal(day0) {
		t.Fatalf("RequestAccount = %+v", st)
	}
	if m := made(w.Member(ctx, o.ID, st.Account))(t); m.Name != "dev" || m.Method != Created || m.Parent != o.Root {
		t.Errorf("Member = %+v", m)
	}
	if tags := made(w.Tags(ctx, o.ID, st.Account))(t); len(tags) != 1 {
		t.Errorf("Tags = %v", tags)
	}
	role, err := w.cfg.Identity.RoleByName(ctx, st.Account, "Admin")
	if err != nil || !strings.Contains(role.Trust, owner) {
		t.Errorf("RoleByName = %+v, %v; want one that trusts %s", role, err, owner)
	}
	if _, err := w.cfg.Identity.RootKey(ctx, st.Account); err == nil {
		t.Error("the account has a root access key; want none")
	}
	// The name may be taken; the address may not.
	again := made(w.RequestAccount(ctx, o.ID, NewAccount{Name: "dev", Email: "dev2@example.com", Creator: owner}, nothing[*Status]))(t)
	if again.Failure != "" || made(w.Member(ctx, o.ID, again.Account))(t).Name != "dev" {
		t.Errorf("RequestAccount with a name that is taken = %+v", again)
	}
	taken := made(w.RequestAccount(ctx, o.ID, NewAccount{Name: "x", Email: "DEV@example.com", Creator: owner}, nothing[*Status]))(t)
	if taken.Failure != FailedEmail || taken.Account != "" {
		t.Errorf("RequestAccount with an address that is taken = %+v", taken)
	}
	if got := made(w.Status(ctx, o.ID, taken.ID))(t); *got != *taken {
		t.Errorf("Status = %+v; want %+v", got, taken)
	}
	if list := made(w.Statuses(ctx, o.ID))(t); len(list) != 3 {
		t.Errorf("Statuses = %v; want three", list)
	}
	if _, err := w.Status(ctx, o.ID, "car-12345678"); !errors.Is(err, ErrNoStatus) {
		t.Errorf("Status = %v; want ErrNoStatus", err)
	}
	// A bad role undoes the account.
	if st, err := w.RequestAccount(ctx, o.ID, NewAccount{Name: "y", Email: "y@example.com", Creator: owner, Role: "a b"}, nothing[*Status]); err == nil {
		t.Errorf("RequestAccount with a bad role = %+v; want an error", st)
	}
	if list, _, err := w.Members(ctx, o.ID, "", 100); err != nil || len(list) != 3 {
		t.Errorf("Members = %v, %v; want three", list, err)
	}
	w.now = day0.Add(StatusMemory + time.Hour)
	made(w.RequestAccount(ctx, o.ID, NewAccount{Name: "z", Email: "z@example.com", Creator: owner}, nothing[*Status]))(t)
	if list := made(w.Statuses(ctx, o.ID))(t); len(list) != 1 {
		t.Errorf("Statuses after %v = %v; want the last one", StatusMemory, list)
	}
}

func TestMembersPages(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	o := w.org()
	for _, id := range []string{"000000000001", "000000000002", "999999999999"} {
		_, _, err := w.CreateAccount(ctx, NewAccount{ID: id, Name: id, Creator: owner}, nothing[*Account])
		okay(t, err)
	}
	var got []string
	for after := ""; ; {
		list, more, err := w.Members(ctx, o.ID, after, 3)
		okay(t, err)
		for _, a := range list {
			got = append(got, a.ID)
			after = a.ID
		}
		if !more {
			break
		}
	}
	if want := "000000000001 000000000002 " + owner + " 999999999999"; strings.Join(got, " ") != want {
		t.Errorf("Members = %v; want %s", got, want)
	}
}
