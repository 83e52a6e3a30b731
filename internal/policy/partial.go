package policy

// An Answer is what can be said of an input that is not fully known.
type Answer string

// The answers.
const (
	Yes     Answer = "yes"     // allowed, whatever the rest is
	No      Answer = "no"      // denied, whatever the rest is
	Depends Answer = "depends" // on the residual
)

// A Residual is something that is open and may decide.
type Residual struct {
	Match
	// Holds is true if the statement would have to apply for the action to be
	// allowed, and false if it must not.
	Holds bool `json:"holds"`
	// Condition is the condition that is open; its Operator is empty if it is
	// something else.
	Condition Condition `json:"condition"`
	// Unknown says what is open if it is no condition: what of the statement is not
	// understood, or a variable.
	Unknown string `json:"unknown,omitempty"`
}

// A Partial is the answer to an input that is not fully known.
type Partial struct {
	Answer Answer `json:"answer"`
	// Residual lists what is open. Some of it may not matter.
	Residual []Residual `json:"residual,omitempty"`
	// Layers are the layers that were not seen and may decide.
	Layers []Layer `json:"layers,omitempty"`
	// Decision is the decision if every open Allow applies and no open Deny.
	Decision Decision `json:"decision"`
}

// unknowns is what a Context may implement too: IsUnknown reports whether the value
// of a key, in lower case, is not known, not even whether the request has it.
type unknowns interface{ IsUnknown(key string) bool }

// EvaluatePartial decides on what is known. Open are the keys that in.Context
// reports as unknown, if it has a method IsUnknown(key string) bool; the policies of
// in.UnknownLayers; and statements that are not understood.
//
// It decides twice. An Allow can only help and a Deny only hurt, so the best case is
// that every open Allow applies and no open Deny, and the worst case is the
// opposite. What holds in both holds always.
func EvaluatePartial(in *Input) Partial {
	worst, _ := evaluateOpen(in, pessimistic)
	best, rest := evaluateOpen(in, optimistic)
	p := Partial{Answer: Depends, Decision: best}
	switch {
	case worst.Allowed:
		p.Answer = Yes
	case !best.Allowed:
		p.Answer = No
	default:
		p.Residual, p.Layers = rest, append([]Layer(nil), in.UnknownLayers...)
	}
	return p
}

func evaluateOpen(in *Input, m mode) (Decision, []Residual) {
	e, ok := begin(in)
	defer e.end()
	if !ok {
		return Decision{}, nil
	}
	e.slow = &slow{mode: m, layers: in.UnknownLayers}
	if u, ok := in.Context.(unknowns); ok {
		e.slow.opens = u.IsUnknown
	}
	d := e.decide()
	return d, e.slow.rest
}
