package key

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"coffer/internal/meta"
	"coffer/internal/policy"
	"coffer/internal/revision"
)

var (
	alice  = Party{ARN: "arn:aws:iam::" + account + ":user/alice", ID: "AIDAALICE"}
	worker = Party{ARN: "arn:aws:iam::" + account + ":role/worker", ID: "AROAWORKER"}
	far    = Party{ARN: "arn:aws:iam::210987654321:role/far", ID: "AROAFAR"}
)

func grant(t testing.TB, k *Keys, in Grant) *Grant {
	t.Helper()
	if in.Issuer == "" {
		in.Issuer = account
	}
	if in.Operations == nil {
		in.Operations = []string{"Decrypt"}
	}
	g, err := k.CreateGrant(t.Context(), &in, nil)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// granted returns the IDs of the grants that decisions see, sorted.
func granted(t testing.TB, k *Keys, ref Ref, names ...string) []string {
	t.Helper()
	key, err := k.Get(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	list, err := k.Granted(t.Context(), key, names...)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, g := range list {
		ids = append(ids, g.ID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func revisionOf(t testing.TB, k *Keys) (n uint64) {
	t.Helper()
	err := k.meta.View(t.Context(), func(r meta.Reader) (err error) {
		n, err = revision.Read(r)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestGrantsCountAtOnceAndNoLonger(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	one, two := makeSample(t, k).key.Ref, makeSample(t, k).key.Ref
	if got := granted(t, k, one, alice.ID); len(got) != 0 {
		t.Fatalf("grants before any = %v", got)
	}
	before := revisionOf(t, k)
	a := grant(t, k, Grant{Key: one, Grantee: alice})
	b := grant(t, k, Grant{Key: one, Grantee: worker, Retiring: alice})
	if a.ID == b.ID || len(a.ID) != 64 || !a.Created.Equal(w.now) {
		t.Errorf("grants %+v and %+v", a, b)
	}
	for names, want := range map[string][]string{
		alice.ID: {a.ID}, worker.ID: {b.ID}, alice.ID + " " + worker.ID: {a.ID, b.ID}, alice.ARN: nil, "": nil,
	} {
		slices.Sort(want)
		if got := granted(t, k, one, strings.Fields(names)...); !slices.Equal(got, want) {
			t.Errorf("grants of %q = %v; want %v", names, got, want)
		}
		if got := granted(t, k, two, strings.Fields(names)...); len(got) != 0 {
			t.Errorf("grants of %q on another key = %v", names, got)
		}
	}
	if _, err := k.RemoveGrant(t.Context(), two, a.ID, nil); !errors.Is(err, ErrGrantNotFound) {
		t.Errorf("RemoveGrant on another key = %v", err)
	}
	if _, err := k.RemoveGrant(t.Context(), one, a.ID, nil); err != nil {
		t.Fatal(err)
	}
	if got := granted(t, k, one, alice.ID); len(got) != 0 {
		t.Errorf("grants after their removal = %v", got)
	}
	if got := revisionOf(t, k); got != before+3 {
		t.Errorf("revision %d after 3 changes from %d", got, before)
	}
	for _, id := range []string{a.ID, "", "x", strings.ToUpper(b.ID)} {
		if _, err := k.RemoveGrant(t.Context(), one, id, nil); !errors.Is(err, ErrGrantNotFound) {
			t.Errorf("RemoveGrant(%q) = %v; want ErrGrantNotFound", id, err)
		}
	}
	if _, err := k.RemoveGrant(t.Context(), one, b.ID, nil); err != nil {
		t.Fatal(err)
	}
	for name := range dump(t, w.rows) {
		if strings.HasPrefix(name, "key/gr") || strings.HasPrefix(name, "key/retir") {
			t.Errorf("row %q is left", name)
		}
	}
}

// The grants of one grantee are found without a look at those of others, and the
// constraints do not reach operations that have no encryption context.
func TestGrantsAsDecisionsSeeThem(t *testing.T) {
	k := newWorld(t).open()
	ref := makeSample(t, k).key.Ref
	subset := map[string]string{"a": "b"}
	tests := []struct {
		name  string
		grant Grant
		by    string
		want  []policy.Grant
	}{
		{"split", Grant{Grantee: alice, ContextSubset: subset, SourceARN: "arn:aws:s3:::b",
			Operations: []string{"Decrypt", "CreateGrant", "DescribeKey", "Encrypt", "RetireGrant"}}, alice.ID, []policy.Grant{
			{GranteePrincipal: alice.ID, Operations: []string{"Decrypt", "Encrypt"}, ContextSubset: subset, SourceARN: "arn:aws:s3:::b"},
			{GranteePrincipal: alice.ID, Operations: []string{"DescribeKey"}, SourceARN: "arn:aws:s3:::b"}}},
		{"nothing to use", Grant{Grantee: worker, Operations: []string{"CreateGrant"}}, worker.ID, nil},
		{"session", Grant{Grantee: Party{ARN: "arn:aws:sts::" + account + ":assumed-role/r/s", ID: "AROAR:s"}}, "AROAR:s",
			[]policy.Grant{{GranteePrincipal: "arn:aws:sts::" + account + ":assumed-role/r/s", Operations: []string{"Decrypt"}}}},
		{"service", Grant{Grantee: Party{Service: "logs.amazonaws.com"}}, "logs.amazonaws.com",
			[]policy.Grant{{GranteeService: "logs.amazonaws.com", Operations: []string{"Decrypt"}}}},
		{"another account, by the key's owner", Grant{Grantee: far}, far.ID,
			[]policy.Grant{{GranteePrincipal: "arn:aws:iam::210987654321:root", Operations: []string{"Decrypt"}}}},
		{"another account, by itself", Grant{Grantee: Party{ARN: far.ARN, ID: "AROAFAR2"}, Issuer: "210987654321"}, "AROAFAR2",
			[]policy.Grant{{GranteePrincipal: "AROAFAR2", Operations: []string{"Decrypt"}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.grant.Key = ref
			g := grant(t, k, tt.grant)
			key, err := k.Get(t.Context(), ref)
			if err != nil {
				t.Fatal(err)
			}
			got, err := k.Granted(t.Context(), key, tt.by)
			if err != nil || len(got) != len(tt.want) {
				t.Fatalf("Granted = %+v, %v; want %+v", got, err, tt.want)
			}
			for i, want := range tt.want {
				want.ID = g.ID
				if fmt.Sprintf("%+v", got[i]) != fmt.Sprintf("%+v", want) {
					t.Errorf("grant %d = %+v; want %+v", i, got[i], want)
				}
			}
		})
	}
}

func TestGrantOfTheSameNameIsTheSame(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	ref := makeSample(t, k).key.Ref
	in := Grant{Key: ref, Name: "n", Grantee: alice, Operations: []string{"Decrypt", "Encrypt"}, ContextEquals: map[string]string{"a": "1", "b": "2", "c": "3"}}
	first := grant(t, k, in)
	w.pass(1)
	for range 20 {
		again := in
		again.ContextEquals = maps.Clone(in.ContextEquals)
		again.Operations = []string{"Encrypt", "Decrypt", "Encrypt"}
		if g := grant(t, k, again); g.ID != first.ID || !g.Created.Equal(first.Created) {
			t.Fatalf("the same grant again = %+v; want %+v", g, first)
		}
	}
	for _, change := range []func(*Grant){
		func(g *Grant) { g.Name = "" }, func(g *Grant) { g.Name = "m" }, func(g *Grant) { g.Grantee = worker }, func(g *Grant) { g.Retiring = alice },
		func(g *Grant) { g.Operations = []string{"Decrypt"} }, func(g *Grant) { g.ContextEquals = nil }, func(g *Grant) { g.SourceARN = "arn:aws:s3:::b" },
		func(g *Grant) { g.Issuer = "210987654321" }, func(g *Grant) { g.Grantee.ID = "AIDAOTHER" },
	} {
		other := in
		change(&other)
		if g := grant(t, k, other); g.ID == first.ID {
			t.Errorf("%+v is the grant %+v", other, first)
		}
	}
	if _, err := k.RemoveGrant(t.Context(), ref, first.ID, nil); err != nil {
		t.Fatal(err)
	}
	if g := grant(t, k, in); g.ID == first.ID {
		t.Error("a removed grant came back")
	}
}

func TestGrantRefusals(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	ref := makeSample(t, k).key.Ref
	disabled, pending := makeSample(t, k).key.Ref, makeSample(t, k).key.Ref
	if _, err := k.Disable(t.Context(), disabled, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := k.ScheduleDeletion(t.Context(), pending, MinWindow, nil); err != nil {
		t.Fatal(err)
	}
	managed, err := k.EnsureManaged(t.Context(), account, region, "alias/aws/s3", "{}", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		in   Grant
		want error
	}{
		{"disabled", Grant{Key: disabled, Grantee: alice}, ErrDisabled},
		{"pending", Grant{Key: pending, Grantee: alice}, ErrPendingDeletion},
		{"managed", Grant{Key: managed.Ref, Grantee: alice}, ErrManaged},
		{"no key", Grant{Key: Ref{account, region, "134f2428-cec1-4b25-a1ae-9048164dba47"}, Grantee: alice}, ErrNotFound},
		{"nobody", Grant{Key: ref}, ErrInvalidID},
		{"name with a NUL", Grant{Key: ref, Grantee: Party{ARN: "a\x00b"}}, ErrInvalidID},
		{"long name", Grant{Key: ref, Grantee: alice, Retiring: Party{Service: strings.Repeat("x", 3000)}}, ErrInvalidID},
	} {
		if _, err := k.CreateGrant(t.Context(), &tt.in, nil); !errors.Is(err, tt.want) {
			t.Errorf("%s: CreateGrant = %v; want %v", tt.name, err, tt.want)
		}
	}
	err = k.meta.Update(t.Context(), func(tx meta.Txn) error { return putRow(tx, grantsKey(ref), &grantsRow{MaxGrants - 1}) })
	if err != nil {
		t.Fatal(err)
	}
	grant(t, k, Grant{Key: ref, Grantee: alice})
	if _, err := k.CreateGrant(t.Context(), &Grant{Key: ref, Grantee: alice}, nil); !errors.Is(err, ErrTooManyGrants) {
		t.Errorf("one grant too many = %v; want ErrTooManyGrants", err)
	}
}

func TestListGrants(t *testing.T) {
	k := newWorld(t).open()
	ref, other := makeSample(t, k).key.Ref, makeSample(t, k).key.Ref
	var all, hers, retirable []string
	for i := range 7 {
		g := Grant{Key: ref, Grantee: worker, Retiring: alice}
		if i%2 == 0 {
			g.Grantee = alice
		}
		made := grant(t, k, g)
		all = append(all, made.ID)
		if i%2 == 0 {
			hers = append(hers, made.ID)
		}
		retirable = append(retirable, made.Place(), grant(t, k, Grant{Key: other, Grantee: worker, Retiring: alice}).Place())
	}
	slices.Sort(all)
	slices.Sort(hers)
	slices.Sort(retirable)
	pages := func(size int, read func(after string) ([]*Grant, bool, error), name func(*Grant) string) (got []string) {
		for after := ""; ; after = got[len(got)-1] {
			list, more, err := read(after)
			if err != nil || len(list) > size {
				t.Fatalf("page of %d: %d grants, %v", size, len(list), err)
			}
			for _, g := range list {
				got = append(got, name(g))
			}
			if !more {
				return got
			}
		}
	}
	for size := range 9 {
		if size == 0 {
			continue
		}
		id := func(g *Grant) string { return g.ID }
		if got := pages(size, func(a string) ([]*Grant, bool, error) { return k.Grants(t.Context(), ref, "", a, size) }, id); !slices.Equal(got, all) {
			t.Errorf("grants in pages of %d = %v; want %v", size, got, all)
		}
		if got := pages(size, func(a string) ([]*Grant, bool, error) { return k.Grants(t.Context(), ref, alice.ID, a, size) }, id); !slices.Equal(got, hers) {
			t.Errorf("grants of alice in pages of %d = %v; want %v", size, got, hers)
		}
		got := pages(size, func(a string) ([]*Grant, bool, error) {
			return k.RetirableGrants(t.Context(), region, alice.ID, a, size)
		}, (*Grant).Place)
		if !slices.Equal(got, retirable) {
			t.Errorf("retirable grants in pages of %d = %v; want %v", size, got, retirable)
		}
	}
	if list, _, err := k.RetirableGrants(t.Context(), "eu-west-1", alice.ID, "", 10); err != nil || len(list) != 0 {
		t.Errorf("retirable grants of another region = %v, %v", list, err)
	}
}

// A key's grants vanish with it, by pages.
func TestGrantsDieWithTheirKey(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	gone, kept := makeSample(t, k).key.Ref, makeSample(t, k).key.Ref
	for i := range grantPage + 3 {
		grant(t, k, Grant{Key: gone, Name: fmt.Sprint(i), Grantee: worker, Retiring: alice})
	}
	left := grant(t, k, Grant{Key: kept, Name: "n", Grantee: worker, Retiring: alice})
	if _, err := k.Destroy(t.Context(), []Ref{gone}, nil); err != nil {
		t.Fatal(err)
	}
	rows := dump(t, w.rows)
	for _, prefix := range []string{rowGrant, rowGrants, rowGrantee, rowRetiring, rowGrantName} {
		if n := countRows(rows, prefix); n != 1 {
			t.Errorf("%d rows under %s; want that of the other key", n, prefix)
		}
	}
	if got := granted(t, k, kept, worker.ID); !slices.Equal(got, []string{left.ID}) {
		t.Errorf("grants of the other key = %v", got)
	}
}

// The facts of a key that conditions see follow its aliases.
func TestAliasesOfACachedKey(t *testing.T) {
	k := newWorld(t).open()
	one, two := makeSample(t, k).key.Ref, makeSample(t, k).key.Ref
	want := func(ref Ref, names ...string) {
		t.Helper()
		key, err := k.Get(t.Context(), ref)
		if err != nil || !slices.Equal(key.Aliases, names) {
			t.Errorf("aliases of %s = %v, %v; want %v", ref.ID, key.Aliases, err, names)
		}
	}
	want(one)
	for _, name := range []string{"alias/b", "alias/a"} {
		if err := k.CreateAlias(t.Context(), one, name, nil); err != nil {
			t.Fatal(err)
		}
	}
	want(one, "alias/a", "alias/b")
	want(two)
	if err := k.UpdateAlias(t.Context(), two, "alias/a", nil); err != nil {
		t.Fatal(err)
	}
	want(one, "alias/b")
	want(two, "alias/a")
	if err := k.DeleteAlias(t.Context(), account, region, "alias/b", nil); err != nil {
		t.Fatal(err)
	}
	want(one)
}

// A policy is compiled once, and anew once it was changed; one that can't be read
// has no compiled form, which decisions take for a denial.
func TestCompiledPolicy(t *testing.T) {
	k := newWorld(t).open()
	ref := makeSample(t, k).key.Ref
	get := func() *Key {
		t.Helper()
		key, err := k.Get(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	first := get().CompiledPolicy()
	if get().CompiledPolicy() != first || first.Name != "key policy" {
		t.Errorf("the policy is compiled again: %+v", first)
	}
	if _, err := k.SetPolicy(t.Context(), ref, `{"Version":"2012-10-17","Statement":[{"Sid":"s","Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}]}`, nil); err != nil {
		t.Fatal(err)
	}
	if p := get().CompiledPolicy(); p == first || len(p.Policy.Statements) != 1 || p.Policy.Statements[0].Sid != "s" {
		t.Errorf("policy after a change = %+v", p)
	}
	if _, err := k.SetPolicy(t.Context(), ref, "no JSON", nil); err != nil {
		t.Fatal(err)
	}
	if p := get().CompiledPolicy(); p == nil || p.Policy != nil {
		t.Errorf("policy that can't be read = %+v; want one without statements", p)
	}
}

func BenchmarkGranted(b *testing.B) {
	k := benchKeys(b, 0)
	ref := makeSample(b, k).key.Ref
	for i := range 1000 {
		grant(b, k, Grant{Key: ref, Grantee: Party{ARN: "a", ID: fmt.Sprint(i)}})
	}
	b.ReportAllocs()
	for b.Loop() {
		key, err := k.Get(b.Context(), ref)
		if err != nil {
			b.Fatal(err)
		}
		if list, err := k.Granted(b.Context(), key, "x", "500", "y"); err != nil || len(list) != 1 {
			b.Fatal(list, err)
		}
	}
}
