package policy

import "slices"

// A mode says what a statement counts as whose match can't be told.
type mode uint8

const (
	exact       mode = iota // nothing is open
	optimistic              // every open Allow matches and no open Deny does
	pessimistic             // the other way round
)

// A slow is what Explain and EvaluatePartial do at each statement, beside deciding.
type slow struct {
	mode   mode
	opens  func(key string) bool // tells the keys whose values are not known; nil if all are
	layers []Layer               // whose policies are not seen
	out    *Explanation          // nil if nothing is explained
	rest   []Residual            // what is open
	level  int                   // of the organization, while its policies are scanned
}

// assumed stands for a statement of a policy that is not seen.
var assumed = place{-2, -2}

// isOpen reports whether the policies of a layer are not seen.
func (s *slow) isOpen(layer Layer) bool {
	if layer == LayerTrust {
		return slices.Contains(s.layers, layer) || slices.Contains(s.layers, LayerResource)
	}
	return slices.Contains(s.layers, layer)
}

// optimistic reports whether e decides as if a layer that is not seen allows.
func (e *evaluator) optimistic(layer Layer) bool {
	return e.slow != nil && e.slow.mode == optimistic && e.slow.isOpen(layer)
}

// layer notes what the policies of a layer say, and adds what they may say if they
// are not seen.
func (s *slow) layer(layer Layer, policies int, f *finding) {
	if s.isOpen(layer) {
		switch s.mode {
		case optimistic:
			f.add(reachWhole, assumed)
		case pessimistic:
			f.deny = assumed
		}
	}
	// A level of the organization without a policy denies; elsewhere no policy means
	// that the layer has no say.
	if s.out != nil && (policies > 0 || layer == LayerSCP) {
		s.out.addLayer(layer, s.level, f)
	}
}

// policy notes that the statements of a policy follow.
func (s *slow) policy(layer Layer, n *Named) {
	if s.out != nil {
		s.out.addPolicy(layer, s.level, n)
	}
}

// match is rule.match for the statement at index of n.
func (s *slow) match(e *evaluator, layer Layer, n *Named, index int, byName bool) reach {
	r := &n.Policy.compiled.rules[index]
	if s.out != nil {
		s.out.addStatement(e, n, index, byName)
	}
	if s.mode == exact {
		return r.match(e, byName)
	}
	how, open := s.open(e, r, byName)
	if how == 0 || len(open) == 0 {
		return how
	}
	statement := &n.Policy.Statements[index]
	for _, i := range open {
		rest := Residual{
			Match: Match{Layer: layer, Policy: n.Name, Index: index, Sid: statement.Sid, Effect: statement.Effect},
			Holds: !r.deny,
		}
		switch {
		case i >= 0:
			rest.Condition = statement.Conditions[i]
		case r.unknown:
			rest.Unknown = n.Policy.whyUnknown(index)
		default:
			rest.Unknown = "the value of a variable in Resource"
		}
		s.rest = append(s.rest, rest)
	}
	if r.deny == (s.mode == pessimistic) {
		return how
	}
	return 0
}

// whyUnknown says what of a statement, or of the whole policy, is not understood.
func (p *Policy) whyUnknown(index int) string {
	if why := p.Statements[index].Unknown; why != "" {
		return why
	}
	return p.Unknown
}

// notCondition stands in the list of what is open for the statement as a whole.
const notCondition = -1

// open tells how r may name the request's principal, 0 if it surely does not apply,
// and which of its conditions are open; none if it surely applies.
func (s *slow) open(e *evaluator, r *rule, byName bool) (how reach, open []int) {
	if r.unknown {
		// It may name anyone and say anything.
		return reachWhole, []int{notCondition}
	}
	if !r.matchesAction(e) {
		return 0, nil
	}
	how = reachWhole
	if byName {
		if how = r.matchesPrincipal(e); how == 0 {
			return 0, nil
		}
	}
	switch match, isOpen := s.resource(e, r); {
	case isOpen:
		open = append(open, notCondition)
	case !match:
		return 0, nil
	}
	for i := range r.tests {
		t := &r.tests[i]
		switch {
		case s.isOpenTest(t):
			open = append(open, i)
		case !t.holds(e):
			return 0, nil
		}
	}
	return how, open
}

// resource reports whether r matches the resource, or that this is open.
func (s *slow) resource(e *evaluator, r *rule) (match, open bool) {
	if r.resources == nil {
		return true, false
	}
	for i := range r.resources {
		p := &r.resources[i]
		switch {
		case s.isOpenPattern(p):
			open = true
		case p.match(e, e.in.Resource):
			return !r.notResource, false
		}
	}
	return r.notResource, open
}

func (s *slow) isOpenKey(key string) bool { return s.opens != nil && s.opens(key) }

func (s *slow) isOpenPattern(p *pattern) bool {
	return slices.ContainsFunc(p.pieces, func(v piece) bool { return v.key != "" && s.isOpenKey(v.key) })
}

// isOpenTest reports whether a condition can't be decided: its key, or a variable in
// its values, is open.
func (s *slow) isOpenTest(t *test) bool {
	if s.isOpenKey(t.key) {
		return true
	}
	for i := range t.patterns {
		if s.isOpenPattern(&t.patterns[i]) {
			return true
		}
	}
	for i := range t.arns {
		for j := range t.arns[i].parts {
			if s.isOpenPattern(&t.arns[i].parts[j]) {
				return true
			}
		}
	}
	return false
}
