package policy

import "strings"

// Versions of the policy language. Variables came with the later one.
const (
	version2008 = "2008-10-17"
	version2012 = "2012-10-17"
)

// Parse reads a policy that is being put, and takes nothing that it does not fully
// understand. Its error is [ErrTooLong] or a *[SyntaxError].
//
// Whether the principals and resources that a policy names exist, and whether the
// kind of resource knows an action, is for the services to check.
func Parse(text string, kind Kind) (*Policy, error) {
	if len(text) > maxText || sizeOf(text, kind) > MaxSize(kind) {
		return nil, ErrTooLong
	}
	root, err := readJSON(text)
	if err != nil {
		return nil, err
	}
	p := &parser{kind: kind, sids: make(map[string]bool)}
	if root.kind != nodeObject {
		p.refuse(root.line, root.column, "a policy is a JSON object")
		return nil, p.first
	}
	p.duplicates(root)
	if p.first != nil {
		return nil, p.first
	}
	policy := p.policy(root, text)
	if p.first != nil {
		return nil, p.first
	}
	return policy, nil
}

// Load reads a policy that is stored already or comes from elsewhere. What it does
// not understand it notes in the policy and its statements, where it denies. It
// returns an error only if the text is no JSON object at all, or longer than any
// policy.
func Load(text string, kind Kind) (*Policy, error) {
	if len(text) > maxText {
		return nil, ErrTooLong
	}
	root, err := readJSON(text)
	if err != nil {
		return nil, err
	}
	p := &parser{kind: kind, sids: make(map[string]bool)}
	if root.kind != nodeObject {
		p.refuse(root.line, root.column, "a policy is a JSON object")
		return nil, p.first
	}
	return p.policy(root, text), nil
}

// FullAWSAccess returns the policy of AWS that allows everything and stands on every
// level of an organization at first: FullAWSAccess for KindSCP, RCPFullAWSAccess,
// which only AWS may write, for KindRCP. For another kind it returns nil.
//
// Source: AWS Organizations User Guide, "SCP evaluation" and "Resource control
// policy examples", read 2026-11-21.
func FullAWSAccess(kind Kind) *Policy {
	var text string
	switch kind {
	case KindSCP:
		text = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	case KindRCP:
		text = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`
	default:
		return nil
	}
	p, err := Load(text, kind)
	if err != nil {
		panic("policy: internal error: " + err.Error())
	}
	return p
}

// Text returns the text that the policy was made from.
func (p *Policy) Text() string {
	if p.compiled == nil {
		return ""
	}
	return p.compiled.text
}

// A parser turns JSON into a policy. It goes on after a problem; Parse looks at the
// first one, Load at what is marked unknown.
type parser struct {
	kind      Kind
	variables bool
	sids      map[string]bool
	first     *SyntaxError
}

// refuse notes a problem that makes Parse refuse the policy, although its meaning
// may be clear.
func (p *parser) refuse(line, column int, message string) {
	if p.first == nil {
		p.first = &SyntaxError{Line: line, Column: column, Message: message}
	}
}

// unknown notes a problem that leaves the meaning open of what mark belongs to.
func (p *parser) unknown(mark *string, line, column int, message string) {
	if *mark == "" {
		*mark = message
	}
	p.refuse(line, column, message)
}

// duplicates refuses the first name that an object has twice.
func (p *parser) duplicates(n *node) bool {
	for i := range n.members {
		m := &n.members[i]
		if m.again {
			p.refuse(m.line, m.column, "duplicate name "+quote(m.key))
		}
		if m.again || p.duplicates(m.value) {
			return true
		}
	}
	for _, item := range n.items {
		if p.duplicates(item) {
			return true
		}
	}
	return false
}

func (p *parser) policy(root *node, text string) *Policy {
	out := &Policy{Kind: p.kind, Version: version2008}
	p.version(root, out)
	p.variables = out.Version == version2012
	var lists []*node
	for i := range root.members {
		m := &root.members[i]
		if m.again {
			p.unknown(&out.Unknown, m.line, m.column, "duplicate name "+quote(m.key))
		}
		switch m.key {
		case "Version":
		case "Id":
			if m.value.kind != nodeString {
				p.unknown(&out.Unknown, m.value.line, m.value.column, "Id is not a string")
			}
			out.ID = m.value.text
			switch p.kind {
			case KindIdentity, KindBoundary, KindSession, KindSCP, KindRCP:
				p.refuse(m.line, m.column, "this kind of policy has no Id")
			}
		case "Statement":
			lists = append(lists, m.value)
		default:
			p.unknown(&out.Unknown, m.line, m.column, "unknown element "+quote(m.key))
		}
	}
	c := &compiled{text: text}
	if len(lists) == 0 {
		p.unknown(&out.Unknown, root.line, root.column, "a policy needs Statement")
	}
	var nodes []*node
	for _, list := range lists {
		switch list.kind {
		case nodeObject:
			nodes = append(nodes, list)
		case nodeList:
			nodes = append(nodes, list.items...)
			if len(list.items) == 0 {
				p.refuse(list.line, list.column, "Statement is empty")
			}
		default:
			p.unknown(&out.Unknown, list.line, list.column, "Statement is neither an object nor a list")
		}
	}
	for _, n := range nodes {
		s, r := p.statement(n)
		out.Statements = append(out.Statements, s)
		c.rules = append(c.rules, r)
	}
	if out.Unknown != "" {
		// What stands around the statements may change what they mean; and if
		// there are none, something was not read that may have been a Deny.
		if len(c.rules) == 0 {
			out.Statements = []Statement{{Effect: Deny, Unknown: out.Unknown, Line: root.line, Column: root.column}}
			c.rules = []rule{{deny: true}}
		}
		for i := range c.rules {
			c.rules[i].unknown = true
		}
	}
	for i := range c.rules {
		if isPublic(&out.Statements[i], &c.rules[i]) {
			c.public = append(c.public, i)
		}
	}
	out.compiled = c
	return out
}

func (p *parser) version(root *node, out *Policy) {
	for i := range root.members {
		m := &root.members[i]
		if m.key != "Version" {
			continue
		}
		switch v := m.value; {
		case v.kind == nodeString && (v.text == version2008 || v.text == version2012):
			out.Version = v.text
		default:
			p.unknown(&out.Unknown, v.line, v.column, `Version is neither "2012-10-17" nor "2008-10-17"`)
		}
		if (p.kind == KindSCP || p.kind == KindRCP) && out.Version != version2012 {
			p.refuse(m.value.line, m.value.column, `Version is not "2012-10-17"`)
		}
		return
	}
	if p.kind == KindSCP || p.kind == KindRCP {
		p.refuse(root.line, root.column, `this kind of policy needs Version "2012-10-17"`)
	}
}

// texts returns the strings of a string or of a list of strings. It reports false
// if n is something else, or an empty list.
func texts(n *node) ([]*node, bool) {
	switch n.kind {
	case nodeString:
		return []*node{n}, true
	case nodeList:
		for _, item := range n.items {
			if item.kind != nodeString {
				return nil, false
			}
		}
		return n.items, len(n.items) > 0
	}
	return nil, false
}

// serviceOf returns the service of an action in lower case.
func serviceOf(action string) string {
	service, _, _ := strings.Cut(action, ":")
	return strings.ToLower(service)
}
