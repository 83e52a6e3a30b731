package policy

// A slow is what Explain and EvaluatePartial do at each statement, beside deciding.
type slow struct{}

func (s *slow) unread(layer Layer, n *Named) {}

func (s *slow) match(e *evaluator, layer Layer, n *Named, index int, byName bool) reach {
	return n.Policy.compiled.rules[index].match(e, byName)
}
