package policy_test

import (
	"slices"
	"strings"
	"testing"

	"coffer/internal/policy"
)

// everyPolicy returns the policies of a draft, to be changed in place, but for
// those of AWS.
func everyPolicy(in *policy.Input) []*policy.Policy {
	var list []*policy.Policy
	add := func(named []policy.Named) {
		for _, n := range named {
			if n.Policy.ID != fullID {
				list = append(list, n.Policy)
			}
		}
	}
	add(in.Identity)
	add(in.Session)
	add(in.Endpoint)
	for _, n := range []*policy.Named{in.Boundary, in.ResourcePolicy} {
		if n != nil {
			list = append(list, n.Policy)
		}
	}
	for _, level := range slices.Concat(in.SCPs, in.RCPs) {
		add(level)
	}
	return list
}

// A change makes another draft of a draft, in place. It returns false if it has
// nothing to change.
type change struct {
	name string
	make func(d *drafter) bool
}

// Changes that never turn a denial into an allowance.
var narrowing = []change{
	{"a Deny statement more", func(d *drafter) bool {
		policies := everyPolicy(d.in)
		if len(policies) == 0 {
			return false
		}
		p := pick(d.chooser, policies)
		st := d.statement(p.Kind)
		st.Effect = policy.Deny
		p.Statements = slices.Insert(p.Statements, d.below(len(p.Statements)+1), st)
		return true
	}},
	{"an SCP level more", func(d *drafter) bool {
		d.in.SCPs = slices.Insert(d.in.SCPs, d.below(len(d.in.SCPs)+1), d.policies(policy.KindSCP, 2))
		return true
	}},
	{"an RCP level more", func(d *drafter) bool {
		level := append(d.policies(policy.KindRCP, 2), policy.Named{Name: "RCPFullAWSAccess", Policy: full(policy.KindRCP)})
		d.in.RCPs = slices.Insert(d.in.RCPs, d.below(len(d.in.RCPs)+1), level)
		return true
	}},
	{"a boundary", func(d *drafter) bool {
		if d.in.Boundary != nil || d.in.Principal.Account == "" || d.in.Principal.Type == policy.Root {
			return false
		}
		d.in.Boundary = &policy.Named{Name: "boundary", Policy: d.policy(policy.KindBoundary)}
		d.in.Principal.HasBoundary = true
		return true
	}},
	{"a session policy", func(d *drafter) bool {
		if d.in.HasSession || d.in.Principal.Type != policy.Session {
			return false // a federated user has nothing without one
		}
		d.in.Session, d.in.HasSession = d.policies(policy.KindSession, 2), true
		return true
	}},
	{"an endpoint policy", func(d *drafter) bool {
		if d.in.Endpoint != nil {
			return false
		}
		d.in.Endpoint = d.policies(policy.KindEndpoint, 2)
		return true
	}},
	{"an Allow statement less", func(d *drafter) bool {
		if d.in.RestrictPublic {
			return false // the policy may stop to be public
		}
		for _, p := range everyPolicy(d.in) {
			i := slices.IndexFunc(p.Statements, func(st policy.Statement) bool { return st.Effect == policy.Allow })
			if i >= 0 && len(p.Statements) > 1 && d.chance(50) {
				p.Statements = slices.Delete(p.Statements, i, i+1)
				return true
			}
		}
		return false
	}},
	{"an identity policy less", func(d *drafter) bool {
		if len(d.in.Identity) == 0 {
			return false
		}
		for _, st := range d.in.Identity[0].Policy.Statements {
			if st.Effect == policy.Deny {
				return false
			}
		}
		d.in.Identity = d.in.Identity[1:]
		return true
	}},
	{"no resource policy", func(d *drafter) bool {
		p := d.in.ResourcePolicy
		if p == nil || d.in.RestrictPublic || slices.ContainsFunc(p.Policy.Statements, func(st policy.Statement) bool { return st.Effect == policy.Deny }) {
			return false
		}
		d.in.ResourcePolicy = nil
		return true
	}},
	{"no grants", func(d *drafter) bool {
		had := d.in.Grants != nil
		d.in.Grants = nil
		return had
	}},
	{"a condition more on an Allow", func(d *drafter) bool {
		if d.in.RestrictPublic {
			return false
		}
		for _, p := range everyPolicy(d.in) {
			i := slices.IndexFunc(p.Statements, func(st policy.Statement) bool { return st.Effect == policy.Allow })
			if i >= 0 && d.chance(50) {
				d.condition(&p.Statements[i])
				return true
			}
		}
		return false
	}},
}

// Changes of the spelling, which change no decision.
var neutral = []change{
	{"the order of statements", func(d *drafter) bool {
		for _, p := range everyPolicy(d.in) {
			slices.Reverse(p.Statements)
		}
		return true
	}},
	{"the order of policies", func(d *drafter) bool {
		slices.Reverse(d.in.Identity)
		slices.Reverse(d.in.Session)
		slices.Reverse(d.in.Endpoint)
		slices.Reverse(d.in.SCPs)
		slices.Reverse(d.in.RCPs)
		for _, level := range slices.Concat(d.in.SCPs, d.in.RCPs) {
			slices.Reverse(level)
		}
		return true
	}},
	{"the order of values", func(d *drafter) bool {
		eachStatement(d.in, func(st *policy.Statement) {
			slices.Reverse(st.Actions)
			slices.Reverse(st.Resources)
			slices.Reverse(st.Conditions)
			for _, c := range st.Conditions {
				slices.Reverse(c.Values)
			}
			if st.Principal != nil {
				slices.Reverse(st.Principal.AWS)
			}
		})
		return true
	}},
	{"letter case of actions and condition keys", func(d *drafter) bool {
		eachStatement(d.in, func(st *policy.Statement) {
			for i := range st.Actions {
				st.Actions[i] = swapCase(st.Actions[i])
			}
			for i := range st.Conditions {
				st.Conditions[i].Key = swapCase(st.Conditions[i].Key)
			}
		})
		d.in.Action = swapCase(d.in.Action)
		return true
	}},
	{"a list in several statements", func(d *drafter) bool {
		for _, p := range everyPolicy(d.in) {
			var split []policy.Statement
			for _, st := range p.Statements {
				split = append(split, splitStatement(st)...)
			}
			p.Statements = split
		}
		return true
	}},
	{"a statement twice", func(d *drafter) bool {
		for _, p := range everyPolicy(d.in) {
			st := pick(d.chooser, p.Statements)
			st.Sid = ""
			p.Statements = append(p.Statements, st)
		}
		return true
	}},
	{"a policy twice", func(d *drafter) bool {
		d.in.Identity = slices.Concat(d.in.Identity, d.in.Identity)
		d.in.SCPs = slices.Concat(d.in.SCPs, d.in.SCPs)
		d.in.RCPs = slices.Concat(d.in.RCPs, d.in.RCPs)
		d.in.Session = slices.Concat(d.in.Session, d.in.Session)
		return true
	}},
	{"a level of SCPs that allows everything", func(d *drafter) bool {
		d.in.SCPs = append(d.in.SCPs, []policy.Named{{Name: "FullAWSAccess", Policy: full(policy.KindSCP)}})
		return true
	}},
	{"the spelling of lists", func(*drafter) bool { return true }},
}

func eachStatement(in *policy.Input, do func(*policy.Statement)) {
	for _, p := range everyPolicy(in) {
		for i := range p.Statements {
			do(&p.Statements[i])
		}
	}
}

// swapCase turns lower case to upper case and upper case to lower.
func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		if lower := strings.ToLower(string(r)); lower != string(r) {
			return []rune(lower)[0]
		}
		return []rune(strings.ToUpper(string(r)))[0]
	}, s)
}

// splitStatement makes a statement for each action, resource and principal.
func splitStatement(st policy.Statement) []policy.Statement {
	list := []policy.Statement{st}
	list[0].Sid = ""
	split := func(parts func(policy.Statement) []policy.Statement) {
		var next []policy.Statement
		for _, s := range list {
			next = append(next, parts(s)...)
		}
		list = next
	}
	split(func(s policy.Statement) []policy.Statement {
		if s.NotAction {
			return []policy.Statement{s}
		}
		var parts []policy.Statement
		for _, a := range s.Actions {
			part := s
			part.Actions = []string{a}
			parts = append(parts, part)
		}
		return parts
	})
	split(func(s policy.Statement) []policy.Statement {
		if s.NotRes || len(s.Resources) == 0 {
			return []policy.Statement{s}
		}
		var parts []policy.Statement
		for _, r := range s.Resources {
			part := s
			part.Resources = []string{r}
			parts = append(parts, part)
		}
		return parts
	})
	split(func(s policy.Statement) []policy.Statement {
		if s.NotPrinc || s.Principal == nil || s.Principal.Any {
			return []policy.Statement{s}
		}
		var parts []policy.Statement
		add := func(p policy.Principals) {
			part := s
			part.Principal = &p
			parts = append(parts, part)
		}
		for _, name := range s.Principal.AWS {
			add(policy.Principals{AWS: []string{name}})
		}
		for _, name := range s.Principal.Service {
			add(policy.Principals{Service: []string{name}})
		}
		for _, name := range s.Principal.Federated {
			add(policy.Principals{Federated: []string{name}})
		}
		return parts
	})
	return list
}

// Some changes never open anything, and some change nothing.
func TestMetamorphic(t *testing.T) {
	perChange := *cases / 50
	decide := func(t *testing.T, draft *policy.Input, data []byte) policy.Decision {
		in, err := typed(draft, data)
		if err != nil {
			t.Fatal(err)
		}
		return policy.Evaluate(in)
	}
	run := func(list []change, check func(t *testing.T, before, after policy.Decision) bool) {
		for k, c := range list {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				changed := 0
				for n := range perChange {
					data := randomCase(n)
					before := decide(t, draft(data), data)
					more := randomCase(-1 - n*len(list) - k)
					in := draft(data)
					d := &drafter{chooser: &chooser{more}, in: in, scene: sceneOf(in)}
					if !c.make(d) {
						continue
					}
					after := decide(t, in, more[caseBytes/2:])
					if changed++; !check(t, before, after) {
						t.Fatalf("case %d: Evaluate = %+v, and then %+v:\n%s\n%s", n, before, after, described(draft(data), data), described(in, more[caseBytes/2:]))
					}
				}
				if changed < perChange/20 {
					t.Errorf("%d of %d cases could be changed; want a twentieth", changed, perChange)
				}
			})
		}
	}
	run(narrowing, func(t *testing.T, before, after policy.Decision) bool { return before.Allowed || !after.Allowed })
	run(neutral, func(t *testing.T, before, after policy.Decision) bool {
		return before.Allowed == after.Allowed && before.Explicit == after.Explicit && before.Layer == after.Layer
	})
}

func sceneOf(in *policy.Input) scene {
	return scenes[slices.IndexFunc(scenes, func(s scene) bool { return s.resource == in.Resource })]
}
