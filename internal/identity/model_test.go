package identity

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"coffer/internal/meta"
	"coffer/internal/meta/mem"
	"coffer/internal/meta/metatest"
)

// A model is what a store should hold, kept the plain way.
type model struct {
	users    map[string]*modelUser
	groups   map[string]map[string]bool // attached policies
	policies map[string]int             // versions
}

type modelUser struct {
	groups, attached, inline map[string]bool
	boundary                 string
	keys                     []string
}

// TestModel makes random changes and compares the store with the model after each:
// the answer, the listings, the counts and what a decision sees. Transactions run
// twice, and some fail or lose their answers.
func TestModel(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			faults := metatest.NewFaults(mem.New())
			faults.RunTwice(true)
			s := New(Config{Meta: faults})
			ctx := t.Context()
			made[Account](t)(s.CreateAccount(ctx, account, "main", nil))
			m := &model{make(map[string]*modelUser), make(map[string]map[string]bool), make(map[string]int)}
			for step := range 250 {
				if rng.IntN(20) == 0 {
					faults.FailUpdates(1)
				}
				what, got, want, apply := m.change(t, s, rng)
				switch {
				case errors.Is(got, meta.ErrUnavailable):
				case !errors.Is(got, want):
					t.Fatalf("step %d: %s = %v; want %v", step, what, got, want)
				case want == nil:
					apply()
				}
				faults.FailUpdates(0)
				m.compare(t, s, fmt.Sprintf("step %d: after %s", step, what))
				if t.Failed() {
					return
				}
			}
		})
	}
}

func policyOf(name string) string { return "arn:aws:iam::" + account + ":policy/" + name }

// change makes one random change of the store. apply makes it in the model.
//
//lint:ignore ST1008 the error that the model expects stands beside the one that the store returned
func (m *model) change(t *testing.T, s *Store, rng *rand.Rand) (what string, got, want error, apply func()) {
	ctx := t.Context()
	pick := func(prefix string, n int) string { return fmt.Sprint(prefix, rng.IntN(n)) }
	name, g, p, i := pick("u", 4), pick("g", 3), pick("p", 4), pick("i", 2)
	if rng.IntN(2) == 0 {
		name = strings.ToUpper(name)
	}
	key := strings.ToLower(name)
	u, group := m.users[key], m.groups[g]
	_, isPolicy := m.policies[p]
	used := func() bool {
		for _, u := range m.users {
			if u.attached[policyOf(p)] || u.boundary == policyOf(p) {
				return true
			}
		}
		for _, g := range m.groups {
			if g[policyOf(p)] {
				return true
			}
		}
		return false
	}
	members := func() bool {
		for _, u := range m.users {
			if u.groups[g] {
				return true
			}
		}
		return false
	}
	first := func(cases ...any) error { // pairs of a condition and the error that it makes
		for i := 0; i < len(cases); i += 2 {
			if cases[i].(bool) {
				return cases[i+1].(error)
			}
		}
		return nil
	}
	noUser, noGroup := u == nil, group == nil
	if noUser {
		u = &modelUser{make(map[string]bool), make(map[string]bool), make(map[string]bool), "", nil}
	}
	e := Entity{KindUser, account, name}
	switch rng.IntN(17) {
	case 0, 1:
		_, got = s.CreateUser(ctx, account, NewUser{Name: name}, nil)
		return "CreateUser " + name, got, first(!noUser, ErrExists), func() { m.users[key] = u }
	case 2:
		got = s.DeleteUser(ctx, account, name, nil)
		want = first(noUser, ErrNoUser, len(u.keys) > 0, ErrHasKeys, len(u.inline) > 0, ErrHasInline, len(u.attached) > 0, ErrHasAttached, len(u.groups) > 0, ErrHasGroups)
		return "DeleteUser " + name, got, want, func() { delete(m.users, key) }
	case 3:
		to := pick("u", 4)
		_, got = s.UpdateUser(ctx, account, name, to, "", nil)
		return "UpdateUser " + name + " to " + to, got, first(noUser, ErrNoUser, to != key && m.users[to] != nil, ErrExists), func() {
			delete(m.users, key)
			m.users[to] = u
		}
	case 4:
		_, got = s.CreateGroup(ctx, account, g, "", nil)
		return "CreateGroup " + g, got, first(!noGroup, ErrExists), func() { m.groups[g] = make(map[string]bool) }
	case 5:
		got = s.DeleteGroup(ctx, account, g, nil)
		return "DeleteGroup " + g, got, first(noGroup, ErrNoGroup, members(), ErrHasMembers, len(group) > 0, ErrHasAttached), func() { delete(m.groups, g) }
	case 6, 7:
		got = s.AddToGroup(ctx, account, g, name, nil)
		return "AddToGroup " + g + " " + name, got, first(noGroup, ErrNoGroup, noUser, ErrNoUser), func() { u.groups[g] = true }
	case 8:
		got = s.RemoveFromGroup(ctx, account, g, name, nil)
		return "RemoveFromGroup " + g + " " + name, got, first(noGroup, ErrNoGroup, noUser, ErrNoUser, !u.groups[g], ErrNotMember), func() { delete(u.groups, g) }
	case 9:
		_, got = s.CreatePolicy(ctx, account, NewPolicy{Name: p, Text: allowAll}, nil)
		return "CreatePolicy " + p, got, first(isPolicy, ErrExists), func() { m.policies[p] = 1 }
	case 10:
		got = s.DeletePolicy(ctx, account, policyOf(p), nil)
		return "DeletePolicy " + p, got, first(!isPolicy, ErrNoPolicy, used(), ErrIsAttached), func() { delete(m.policies, p) }
	case 11:
		got = s.Attach(ctx, e, policyOf(p), nil)
		return "Attach " + p + " to " + name, got, first(noUser, ErrNoUser, !isPolicy, ErrNoPolicy), func() { u.attached[policyOf(p)] = true }
	case 12:
		got = s.Detach(ctx, e, policyOf(p), nil)
		return "Detach " + p + " from " + name, got, first(noUser, ErrNoUser, !u.attached[policyOf(p)], ErrNotAttached), func() { delete(u.attached, policyOf(p)) }
	case 13:
		if rng.IntN(2) == 0 {
			got = s.Detach(ctx, Entity{KindGroup, account, g}, policyOf(p), nil)
			return "Detach " + p + " from " + g, got, first(noGroup, ErrNoGroup, !group[policyOf(p)], ErrNotAttached), func() { delete(group, policyOf(p)) }
		}
		got = s.Attach(ctx, Entity{KindGroup, account, g}, policyOf(p), nil)
		return "Attach " + p + " to " + g, got, first(noGroup, ErrNoGroup, !isPolicy, ErrNoPolicy), func() { group[policyOf(p)] = true }
	case 14:
		to := ""
		if rng.IntN(2) == 0 {
			to = policyOf(p)
		}
		got = s.SetBoundary(ctx, e, to, nil)
		return "SetBoundary " + to + " of " + name, got, first(noUser, ErrNoUser, to != "" && !isPolicy, ErrNoPolicy), func() { u.boundary = to }
	case 15:
		if rng.IntN(2) == 0 {
			got = s.DeleteInline(ctx, e, i, nil)
			return "DeleteInline " + i + " of " + name, got, first(noUser, ErrNoUser, !u.inline[i], ErrNoInline), func() { delete(u.inline, i) }
		}
		got = s.PutInline(ctx, e, i, allowAll, nil)
		return "PutInline " + i + " of " + name, got, first(noUser, ErrNoUser), func() { u.inline[i] = true }
	}
	if len(u.keys) > 0 && rng.IntN(2) == 0 {
		id := u.keys[0]
		got = s.DeleteAccessKey(ctx, account, name, id, nil)
		return "DeleteAccessKey of " + name, got, nil, func() { u.keys = u.keys[1:] }
	}
	k, got := s.CreateAccessKey(ctx, account, name, nil)
	return "CreateAccessKey of " + name, got, first(noUser, ErrNoUser, len(u.keys) == MaxAccessKeys, ErrQuota), func() { u.keys = append(u.keys, k.ID) }
}

// compare reports where the store differs from the model.
func (m *model) compare(t *testing.T, s *Store, when string) {
	ctx := t.Context()
	differ := func(what string, got, want any) {
		t.Helper()
		if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
			t.Errorf("%s: %s = %s; want %s", when, what, g, w)
		}
	}
	sorted := func(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
	sum := made[Summary](t)(s.Summary(ctx, account))
	differ("counts", []int{sum.Users, sum.Groups, sum.Policies, sum.PolicyVersions}, []int{len(m.users), len(m.groups), len(m.policies), len(m.policies)})
	users, _, err := s.Users(ctx, account, Page{})
	ok(t, err)
	var have []string
	for _, u := range users {
		have = append(have, strings.ToLower(u.Name))
	}
	differ("users", have, slices.Sorted(maps.Keys(m.users)))
	uses := make(map[string][2]int)
	for name, want := range m.users {
		e := Entity{KindUser, account, name}
		u := made[User](t)(s.UserByName(ctx, account, name))
		differ("boundary of "+name, u.Boundary, want.boundary)
		if want.boundary != "" {
			uses[want.boundary] = [2]int{uses[want.boundary][0], uses[want.boundary][1] + 1}
		}
		differ("inline policies of "+name, made[[]string](t)(s.InlineNames(ctx, e)), sorted(want.inline))
		var attached, groups, keys []string
		for _, a := range made[[]Attachment](t)(s.Attached(ctx, e)) {
			attached = append(attached, a.ARN)
		}
		differ("attached policies of "+name, attached, sorted(want.attached))
		for _, g := range made[[]Group](t)(s.GroupsOf(ctx, account, name)) {
			groups = append(groups, g.Name)
		}
		differ("groups of "+name, groups, sorted(want.groups))
		for _, k := range made[[]AccessKey](t)(s.AccessKeys(ctx, account, name)) {
			keys = append(keys, k.ID)
			if found, err := s.Lookup(ctx, k.ID); err != nil || found.Principal != u.ARN {
				t.Errorf("%s: Lookup(%s) = %+v, %v; want %s", when, k.ID, found, err, u.ARN)
			}
		}
		differ("keys of "+name, keys, want.keys)
		var decides []string
		for i := range want.inline {
			decides = append(decides, "user_"+u.Name+"_"+i)
		}
		decides = append(decides, sorted(want.attached)...)
		for g := range want.groups {
			decides = append(decides, sorted(m.groups[g])...)
		}
		slices.Sort(decides)
		effective := made[*Effective](t)(s.EffectiveUser(ctx, account, u.ID))
		differ("what decides for "+name, slices.Sorted(slices.Values(names(effective.Policies))), decides)
		for a := range want.attached {
			uses[a] = [2]int{uses[a][0] + 1, uses[a][1]}
		}
	}
	for g, attached := range m.groups {
		members, _, err := s.Members(ctx, account, g, Page{})
		ok(t, err)
		var have, want []string
		for _, u := range members {
			have = append(have, strings.ToLower(u.Name))
		}
		for name, u := range m.users {
			if u.groups[g] {
				want = append(want, name)
			}
		}
		slices.Sort(want)
		differ("members of "+g, have, want)
		for a := range attached {
			uses[a] = [2]int{uses[a][0] + 1, uses[a][1]}
		}
	}
	policies, _, err := s.Policies(ctx, account, PolicyPage{Local: true})
	ok(t, err)
	differ("policies", len(policies), len(m.policies))
	for _, p := range policies {
		differ("uses of "+p.Name, [2]int{p.Attachments, p.Boundaries}, uses[p.ARN])
	}
	if len(m.users)+len(m.groups)+len(m.policies) == 0 { // then only the account is left
		ok(t, s.cfg.Meta.View(ctx, func(r meta.Reader) error {
			return r.Scan(meta.Prefix([]byte("identity/")), func(key, _ []byte) (bool, error) {
				if k := string(key); !strings.HasPrefix(k, rowAccount) && !strings.HasPrefix(k, rowCount) {
					t.Errorf("%s: row %s is left of nothing", when, k)
				}
				return true, nil
			})
		}))
	}
}
