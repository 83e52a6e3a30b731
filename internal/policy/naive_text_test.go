package policy_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"coffer/internal/policy"
)

// text writes a drafted policy as JSON, in one of the spellings that mean the same.
// Nothing in drafts needs an escape.
func text(p *policy.Policy, c *chooser) string {
	var b strings.Builder
	b.WriteByte('{')
	if p.Version == "2012-10-17" || c.chance(50) {
		b.WriteString(`"Version":"` + p.Version + `",`)
	}
	if p.ID != "" {
		b.WriteString(`"Id":"` + p.ID + `",`)
	}
	if p.Unknown != "" {
		b.WriteString(`"Remark":"none",`)
	}
	b.WriteString(`"Statement":`)
	if len(p.Statements) == 1 && c.chance(50) {
		writeStatement(&b, &p.Statements[0], p.Kind == policy.KindRCP, c)
	} else {
		b.WriteByte('[')
		for i := range p.Statements {
			if i > 0 {
				b.WriteByte(',')
			}
			writeStatement(&b, &p.Statements[i], p.Kind == policy.KindRCP, c)
		}
		b.WriteByte(']')
	}
	b.WriteByte('}')
	return b.String()
}

func writeStatement(b *strings.Builder, st *policy.Statement, isRCP bool, c *chooser) {
	b.WriteString(`{"Effect":"` + string(st.Effect) + `"`)
	if st.Sid != "" {
		b.WriteString(`,"Sid":"` + st.Sid + `"`)
	}
	if st.Principal != nil {
		b.WriteString(`,"` + not(st.NotPrinc) + `Principal":`)
		if isRCP {
			b.WriteString(`"*"`) // nothing else will do
		} else {
			writePrincipals(b, st.Principal, c)
		}
	}
	b.WriteString(`,"` + not(st.NotAction) + `Action":`)
	writeValues(b, st.Actions, c)
	if len(st.Resources) > 0 {
		b.WriteString(`,"` + not(st.NotRes) + `Resource":`)
		writeValues(b, st.Resources, c)
	}
	conditions := st.Conditions
	switch st.Unknown {
	case "operator":
		conditions = append(slices.Clone(conditions), policy.Condition{Operator: "StringResembles", Key: "aws:username", Values: []string{"alice"}})
	case "set":
		conditions = append(slices.Clone(conditions), policy.Condition{Operator: "StringEquals", Set: "ForSomeValues", Key: "aws:username", Values: []string{"alice"}})
	case "number":
		conditions = append(slices.Clone(conditions), policy.Condition{Operator: "NumericEquals", Set: "ForAnyValue", Key: "s3:none", Values: []string{"ten"}})
	case "element":
		b.WriteString(`,"Remark":"none"`)
	}
	writeConditions(b, conditions, c)
	b.WriteByte('}')
}

func not(is bool) string {
	if is {
		return "Not"
	}
	return ""
}

func writePrincipals(b *strings.Builder, p *policy.Principals, c *chooser) {
	if p.Any {
		if c.chance(50) {
			b.WriteString(`{"AWS":"*"}`)
		} else {
			b.WriteString(`"*"`)
		}
		return
	}
	b.WriteByte('{')
	separator := ""
	for _, kind := range []struct {
		name  string
		names []string
	}{{"AWS", p.AWS}, {"Service", p.Service}, {"Federated", p.Federated}, {"CanonicalUser", p.Canonical}} {
		if len(kind.names) > 0 {
			b.WriteString(separator + `"` + kind.name + `":`)
			writeValues(b, kind.names, c)
			separator = ","
		}
	}
	b.WriteByte('}')
}

func writeConditions(b *strings.Builder, conditions []policy.Condition, c *chooser) {
	if len(conditions) == 0 {
		return
	}
	operators := map[string][]policy.Condition{}
	for _, cond := range conditions {
		name := cond.Operator
		if cond.Set != "" {
			name = cond.Set + ":" + name
		}
		if cond.IfExists {
			name += "IfExists"
		}
		operators[name] = append(operators[name], cond)
	}
	b.WriteString(`,"Condition":{`)
	for i, name := range slices.Sorted(maps.Keys(operators)) {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + name + `":{`)
		for j, cond := range operators[name] {
			if j > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`"` + cond.Key + `":`)
			writeValues(b, cond.Values, c)
		}
		b.WriteByte('}')
	}
	b.WriteByte('}')
}

func writeValues(b *strings.Builder, values []string, c *chooser) {
	if len(values) == 1 && c.chance(50) {
		b.WriteString(`"` + values[0] + `"`)
		return
	}
	b.WriteByte('[')
	for i, v := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + v + `"`)
	}
	b.WriteByte(']')
}

// A typist writes the policies of a drafted input as text, and reads them as the
// program does.
type typist struct {
	*chooser
	err  error            // what the parser did that it should not have
	text *strings.Builder // what was written, for people; nil if nobody asked
}

// typed returns the input with parsed policies, and what the parser did that it
// should not have.
func typed(draft *policy.Input, data []byte) (*policy.Input, error) {
	t := &typist{chooser: &chooser{data}}
	return t.input(draft), t.err
}

// described says what typed makes of the same arguments.
func described(in *policy.Input, data []byte) string {
	t := &typist{chooser: &chooser{data}, text: new(strings.Builder)}
	fmt.Fprintf(t.text, "principal %+v\naction %s\nresource %s of %q\ncontext %v\nsession %t restrict %t acl %t grants %+v\n",
		in.Principal, in.Action, in.Resource, in.Account, in.Context, in.HasSession, in.RestrictPublic, in.ACLAllows, in.Grants)
	t.input(in)
	return t.text.String()
}

func (t *typist) input(draft *policy.Input) *policy.Input {
	in := *draft
	in.Identity = t.parseAll("identity", draft.Identity)
	in.Session = t.parseAll("session", draft.Session)
	in.Endpoint = t.parseAll("endpoint", draft.Endpoint)
	in.Boundary = t.parseOne("boundary", draft.Boundary)
	in.ResourcePolicy = t.parseOne("resource policy", draft.ResourcePolicy)
	in.SCPs, in.RCPs = nil, nil
	for i, level := range draft.SCPs {
		in.SCPs = append(in.SCPs, t.parseAll("scp level "+strconv.Itoa(i), level))
	}
	for i, level := range draft.RCPs {
		in.RCPs = append(in.RCPs, t.parseAll("rcp level "+strconv.Itoa(i), level))
	}
	return &in
}

func (t *typist) parseAll(what string, policies []policy.Named) []policy.Named {
	if policies == nil {
		return nil
	}
	list := []policy.Named{}
	for i := range policies {
		list = append(list, *t.parseOne(what, &policies[i]))
	}
	return list
}

func (t *typist) parseOne(what string, n *policy.Named) *policy.Named {
	if n == nil {
		return nil
	}
	s := text(n.Policy, t.chooser)
	if t.text != nil {
		fmt.Fprintf(t.text, "%s %s: %s\n", what, n.Name, s)
	}
	isKnown := n.Policy.Unknown == "" && !slices.ContainsFunc(n.Policy.Statements, func(st policy.Statement) bool { return st.Unknown != "" })
	parsed, err := policy.Parse(s, n.Policy.Kind)
	if n.Policy.ID == fullID {
		parsed, err = policy.FullAWSAccess(n.Policy.Kind), nil
	}
	if (err == nil) != isKnown && t.err == nil {
		t.err = fmt.Errorf("Parse(%s) = %v; want it to be refused: %t", s, err, !isKnown)
	}
	if err != nil {
		if parsed, err = policy.Load(s, n.Policy.Kind); err != nil {
			t.err = fmt.Errorf("Load(%s) = %v", s, err)
			return n
		}
	}
	if t.err == nil && n.Policy.ID != fullID {
		t.err = sameText(n.Policy, parsed, s)
	}
	return &policy.Named{Name: n.Name, Policy: parsed}
}

// sameText compares what was written with what was read.
func sameText(want, got *policy.Policy, s string) error {
	if (want.Unknown != "") != (got.Unknown != "") {
		return fmt.Errorf("%s: Unknown = %q; want %q", s, got.Unknown, want.Unknown)
	}
	if got.Unknown != "" {
		return nil
	}
	if want.Kind != got.Kind || want.Version != got.Version || want.ID != got.ID || len(want.Statements) != len(got.Statements) {
		return fmt.Errorf("%s: read as %+v; want %+v", s, got, want)
	}
	for i := range want.Statements {
		w, g := plain(want.Statements[i]), plain(got.Statements[i])
		if !reflect.DeepEqual(w, g) {
			return fmt.Errorf("%s: statement %d is\n%+v; want\n%+v", s, i, g, w)
		}
	}
	return nil
}

// plain returns a statement without its position, with what has no order sorted.
func plain(st policy.Statement) policy.Statement {
	st.Line, st.Column = 0, 0
	if st.Unknown != "" {
		return policy.Statement{Effect: st.Effect, Unknown: "something"}
	}
	if st.Principal != nil {
		p := *st.Principal
		if p.Any {
			p.AWS = nil
		}
		for _, list := range []*[]string{&p.AWS, &p.Service, &p.Federated, &p.Canonical} {
			if len(*list) == 0 {
				*list = nil
			}
		}
		st.Principal = &p
	}
	if len(st.Resources) == 0 {
		st.Resources = nil
	}
	st.Conditions = slices.Clone(st.Conditions)
	slices.SortFunc(st.Conditions, func(a, b policy.Condition) int {
		return strings.Compare(fmt.Sprint(a.Operator, a.Set, a.IfExists, a.Key), fmt.Sprint(b.Operator, b.Set, b.IfExists, b.Key))
	})
	if len(st.Conditions) == 0 {
		st.Conditions = nil
	}
	return st
}
