package policy

import "strings"

// An Explanation says how a decision came about.
type Explanation struct {
	Principal string   `json:"principal"`
	Action    string   `json:"action"`
	Resource  string   `json:"resource"`
	Account   string   `json:"account,omitempty"` // that owns the resource
	Decision  Decision `json:"decision"`

	Layers   []LayerExplanation  `json:"layers"`
	Policies []PolicyExplanation `json:"policies"`
	Grants   []GrantExplanation  `json:"grants,omitempty"`
}

// The outcomes of a layer.
const (
	OutcomeAllow   = "allows"  // an Allow applies, and no Deny
	OutcomeDeny    = "denies"  // a Deny applies
	OutcomeSilent  = "silent"  // neither applies
	OutcomeIgnored = "ignored" // the layer has no say in this request
)

// A LayerExplanation says what the policies of a layer say together.
type LayerExplanation struct {
	Layer   Layer  `json:"layer"`
	Level   int    `json:"level"` // of the organization, from 0, the root; otherwise 0
	Outcome string `json:"outcome"`
	Reason  string `json:"reason,omitempty"` // why a layer is ignored
}

// A PolicyExplanation says what a policy says.
type PolicyExplanation struct {
	Layer      Layer                  `json:"layer"`
	Level      int                    `json:"level"`
	Name       string                 `json:"name"`
	Unknown    string                 `json:"unknown,omitempty"` // what of it is not understood
	Statements []StatementExplanation `json:"statements"`
}

// The elements by which a statement fails to apply.
const (
	ElementPrincipal = "principal"
	ElementAction    = "action"
	ElementResource  = "resource"
	ElementCondition = "condition"
	ElementUnknown   = "unknown" // an Allow that is not understood
)

// A StatementExplanation says whether a statement applies, and if not why.
type StatementExplanation struct {
	Index   int    `json:"index"`
	Sid     string `json:"sid,omitempty"`
	Effect  Effect `json:"effect"`
	Line    int    `json:"line"`
	Applies bool   `json:"applies"`
	// Failed is the first element that does not match.
	Failed string `json:"failed,omitempty"`
	// Unknown says what of the statement is not understood: then a Deny applies and
	// an Allow does not.
	Unknown string `json:"unknown,omitempty"`
	// Conditions are all conditions of a statement whose other elements match.
	Conditions []ConditionExplanation `json:"conditions,omitempty"`
}

// A ConditionExplanation says whether a condition is met.
type ConditionExplanation struct {
	Operator string   `json:"operator"` // in full, as in the policy
	Key      string   `json:"key"`
	Wanted   []string `json:"wanted"`
	Actual   []string `json:"actual"`  // of the request
	Missing  bool     `json:"missing"` // the request has no value for the key
	Holds    bool     `json:"holds"`
}

// A GrantExplanation says whether a grant covers the request.
type GrantExplanation struct {
	ID      string `json:"id"`
	Applies bool   `json:"applies"`
	Failed  string `json:"failed,omitempty"` // "principal", "action" or "condition"
}

// Explain decides as [Evaluate] does and says how. It looks at every statement of
// every policy that has a say, also behind the one that decides.
func Explain(in *Input) *Explanation {
	x := &Explanation{
		Principal: in.Principal.name(), Action: in.Action, Resource: in.Resource, Account: in.Account,
		Layers: []LayerExplanation{}, Policies: []PolicyExplanation{},
	}
	if x.Account == "" {
		x.Account = in.Principal.Account
	}
	e, ok := begin(in)
	defer e.end()
	if !ok {
		return x
	}
	f := e.facts()
	x.ignored(in, &f)
	e.slow = &slow{out: x}
	x.Decision = e.decide()
	for i := range in.Grants {
		x.Grants = append(x.Grants, e.explainGrant(&in.Grants[i], &f))
	}
	return x
}

// name returns what explanations call p.
func (p *Principal) name() string {
	switch p.Type {
	case Anonymous:
		return "anonymous"
	case Service:
		return p.Service
	case WebIdentity:
		return p.Provider
	}
	return p.ARN
}

// ignored notes the policies that are there and have no say.
func (x *Explanation) ignored(in *Input, f *facts) {
	add := func(there bool, layer Layer, reason string) {
		if there {
			x.Layers = append(x.Layers, LayerExplanation{Layer: layer, Outcome: OutcomeIgnored, Reason: reason})
		}
	}
	why := "it applies to identities of the organization's accounts"
	if in.Principal.ServiceLinked {
		why = "it does not apply to service-linked roles"
	}
	add(in.SCPs != nil && !f.scp, LayerSCP, why)
	why = "it does not apply to kms:RetireGrant"
	if in.Principal.ServiceLinked {
		why = "it does not apply to service-linked roles"
	}
	add(in.RCPs != nil && !f.rcp, LayerRCP, why)
	why = "it applies to users, roles and federated users"
	add(len(in.Identity) > 0 && !f.identity, LayerIdentity, why)
	add(in.Boundary != nil && !f.identity, LayerBoundary, why)
	add(len(in.Session) > 0 && !f.identity, LayerSession, why)
	add(len(in.Grants) > 0 && !f.key, LayerGrant, "the resource is no KMS key")
}

func (x *Explanation) addLayer(layer Layer, level int, f *finding) {
	outcome := OutcomeSilent
	switch {
	case f.denied():
		outcome = OutcomeDeny
	case f.allowed():
		outcome = OutcomeAllow
	}
	x.Layers = append(x.Layers, LayerExplanation{Layer: layer, Level: level, Outcome: outcome})
}

func (x *Explanation) addPolicy(layer Layer, level int, n *Named) {
	p := PolicyExplanation{Layer: layer, Level: level, Name: n.Name, Statements: []StatementExplanation{}}
	if n.Policy == nil || n.Policy.compiled == nil {
		p.Unknown = "the policy was not read"
	} else {
		p.Unknown = n.Policy.Unknown
	}
	x.Policies = append(x.Policies, p)
}

// addStatement adds a statement to the last policy.
func (x *Explanation) addStatement(e *evaluator, n *Named, index int, byName bool) {
	s, r := &n.Policy.Statements[index], &n.Policy.compiled.rules[index]
	out := StatementExplanation{Index: index, Sid: s.Sid, Effect: s.Effect, Line: s.Line}
	switch {
	case r.unknown:
		out.Unknown, out.Applies = n.Policy.whyUnknown(index), r.deny
		if !r.deny {
			out.Failed = ElementUnknown
		}
	case byName && r.matchesPrincipal(e) == 0:
		out.Failed = ElementPrincipal
	case !r.matchesAction(e):
		out.Failed = ElementAction
	case !r.matchesResource(e):
		out.Failed = ElementResource
	default:
		out.Applies = true
		for i := range r.tests {
			c := explainCondition(e, &s.Conditions[i], &r.tests[i])
			out.Conditions = append(out.Conditions, c)
			if !c.Holds && out.Applies {
				out.Applies, out.Failed = false, ElementCondition
			}
		}
	}
	p := &x.Policies[len(x.Policies)-1]
	p.Statements = append(p.Statements, out)
}

func explainCondition(e *evaluator, c *Condition, t *test) ConditionExplanation {
	values := e.lookup(t.key)
	return ConditionExplanation{
		Operator: c.name(), Key: c.Key, Wanted: c.Values,
		Actual: append([]string{}, values...), Missing: len(values) == 0, Holds: t.holds(e),
	}
}

// name returns the operator in full.
func (c *Condition) name() string {
	var b strings.Builder
	if c.Set != "" {
		b.WriteString(c.Set + ":")
	}
	b.WriteString(c.Operator)
	if c.IfExists {
		b.WriteString("IfExists")
	}
	return b.String()
}

func (e *evaluator) explainGrant(g *Grant, f *facts) GrantExplanation {
	out := GrantExplanation{ID: g.ID}
	switch {
	case !f.key || !e.grantLists(g):
		out.Failed = ElementAction
	case g.names(&e.in.Principal) == 0:
		out.Failed = ElementPrincipal
	case !e.grantCovers(g):
		out.Failed = ElementCondition
	default:
		out.Applies = true
	}
	return out
}
