package policy

import (
	"strings"
	"sync"
)

// maxAction bounds the name of an action with its service.
const maxAction = 128

// An evaluator holds what one decision needs beside its input. Evaluators are
// reused, so that a decision allocates nothing.
type evaluator struct {
	in            *Input
	action        []byte // in lower case
	service, name []byte // its parts
	lower         [maxAction]byte
	hasBoundary   bool
	known         []known  // condition keys that were looked up
	room          []string // where their values are
	text          []byte   // scratch: a pattern with its variables filled in
	singles       [2]Named // the resource policy and the boundary
	slow          *slow    // nil in Evaluate
	named         bool     // the action must be named, see mustName
	naming        bool     // and the policies that are scanned must name it
}

var evaluators = sync.Pool{New: func() any {
	return &evaluator{known: make([]known, 0, maxKnown), room: make([]string, 0, 64), text: make([]byte, 0, 256)}
}}

// begin gets an evaluator for in. It reports false if the action is no action.
func begin(in *Input) (*evaluator, bool) {
	e := evaluators.Get().(*evaluator)
	e.in = in
	e.hasBoundary = in.Principal.HasBoundary || in.Boundary != nil
	ok := e.setAction(in.Action)
	e.named, e.naming = ok && mustName(e.action), false
	return e, ok
}

// mustName reports whether only a statement that names the action in full allows it:
// no wildcard does, no NotAction, and being root neither. The statement must stand in
// an identity policy of the user or the role; the policies that limit, such as a
// boundary or an SCP, may use wildcards.
//
// It is so for what can't be taken back and has no waiting period: nobody has the
// right to it who was not given exactly that.
func mustName(action []byte) bool {
	return string(action) == "coffer:shrednow" || string(action) == "coffer:destroykeyversions"
}

// end gives e back and lets go of what it refers to.
func (e *evaluator) end() {
	e.in, e.slow, e.singles = nil, nil, [2]Named{}
	clear(e.known)
	clear(e.room[:cap(e.room)])
	e.known, e.room = e.known[:0], e.room[:0]
	if cap(e.text) <= 64<<10 {
		evaluators.Put(e)
	}
}

func (e *evaluator) setAction(s string) bool {
	colon := strings.IndexByte(s, ':')
	if colon <= 0 || colon == len(s)-1 || len(s) > maxAction {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case c <= ' ' || c > '~' || c == '*' || c == '?':
			return false
		}
		e.lower[i] = c
	}
	e.action = e.lower[:len(s)]
	e.service, e.name = e.action[:colon], e.action[colon+1:]
	return true
}

// A known is a condition key with its values in the request.
type known struct {
	key    string
	values []string
}

// maxKnown bounds the keys that are remembered; the others are looked up again.
const maxKnown = 32

// lookup returns the values of a condition key; none if the request lacks the key.
// They are valid until the decision is made.
func (e *evaluator) lookup(key string) []string {
	for i := range e.known {
		if e.known[i].key == key {
			return e.known[i].values
		}
	}
	if e.in.Context == nil {
		return nil
	}
	used := len(e.room)
	values, ok := e.in.Context.Lookup(key, e.room[used:used])
	switch {
	case !ok || len(values) == 0:
		values = nil
	case used+len(values) <= cap(e.room) && &values[0] == &e.room[:used+1][used]:
		e.room = e.room[:used+len(values)]
	}
	if len(e.known) < maxKnown {
		e.known = append(e.known, known{key, values})
	}
	return values
}

// Evaluate decides. It reads what it needs of the principal in in.Principal, and
// in.Context only for conditions and variables. It may be called by several
// goroutines at once, also with the same policies.
//
// The order, and each rule with its source, is in docs/spec/authorization.md.
func Evaluate(in *Input) Decision {
	e, ok := begin(in)
	defer e.end()
	if !ok {
		return Decision{}
	}
	return e.decide()
}

// A place is where a statement stands: the indices of its policy in the layer and
// of itself in the policy. none is no place.
type place struct{ policy, statement int }

var none = place{-1, -1}

// A finding is what the policies of a layer say together.
type finding struct {
	allow, deny place
	// Of resource policies: how the Allow statements name the principal, and the
	// first statement for each way.
	reach reach
	by    [3]place
}

func noFinding() finding {
	return finding{allow: none, deny: none, by: [3]place{none, none, none}}
}

func (f *finding) allowed() bool { return f.allow != none }
func (f *finding) denied() bool  { return f.deny != none }

// scan looks through the policies of a layer. It stops at the first Deny that
// applies.
func (e *evaluator) scan(layer Layer, policies []Named, level int, byName bool) finding {
	f := noFinding()
	if e.slow != nil {
		e.slow.level = level
	}
	e.naming = e.named && layer == LayerIdentity
	for i := range policies {
		e.scanPolicy(layer, &policies[i], i, byName, &f)
		if f.denied() && e.slow == nil {
			break
		}
	}
	if e.slow != nil {
		e.slow.layer(layer, len(policies), &f)
	}
	return f
}

func (e *evaluator) scanPolicy(layer Layer, n *Named, index int, byName bool, f *finding) {
	if n.Policy == nil || n.Policy.compiled == nil {
		// Nobody has read this policy, so it may hold a Deny.
		if f.deny == none {
			f.deny = place{index, -1}
		}
		if e.slow != nil {
			e.slow.policy(layer, n)
		}
		return
	}
	if e.slow != nil {
		e.slow.policy(layer, n)
	}
	rules := n.Policy.compiled.rules
	for i := range rules {
		r := &rules[i]
		if e.slow == nil && !r.deny && !byName && f.allowed() {
			continue // a further Allow adds nothing
		}
		var how reach
		if e.slow == nil {
			how = r.match(e, byName)
		} else {
			how = e.slow.match(e, layer, n, i, byName)
		}
		switch {
		case how == 0:
		case r.deny:
			if f.deny == none {
				f.deny = place{index, i}
			}
			if e.slow == nil {
				return
			}
		default:
			f.add(how, place{index, i})
		}
	}
}

// add notes an Allow, unless how is 0.
func (f *finding) add(how reach, at place) {
	if how != 0 && f.allow == none {
		f.allow = at
	}
	for bit := range f.by {
		if how&(1<<bit) != 0 && f.by[bit] == none {
			f.by[bit] = at
		}
	}
	f.reach |= how
}

// first returns the first Allow that names the principal in one of the given ways.
func (f *finding) first(how reach) place {
	for bit := range f.by {
		if how&(1<<bit) != 0 && f.by[bit] != none {
			return f.by[bit]
		}
	}
	return none
}

// matchAt returns the Match of a place in the policies of a layer.
func matchAt(layer Layer, policies []Named, at place) Match {
	if at.policy < 0 || at.policy >= len(policies) {
		return Match{Layer: layer}
	}
	n := &policies[at.policy]
	m := Match{Layer: layer, Policy: n.Name, Index: at.statement, Effect: Deny}
	if at.statement >= 0 && n.Policy != nil {
		s := &n.Policy.Statements[at.statement]
		m.Sid, m.Effect = s.Sid, s.Effect
	}
	return m
}
