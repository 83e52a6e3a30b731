package access

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/policy"
)

// A Principal is somebody of whom a question is answered.
type Principal struct {
	policy.Principal
	// Label names the principal: an ARN, "anonymous", or words such as "any other
	// account".
	Label string

	entity   *Entity
	name     string
	tags     map[string]string
	stranger bool // stands for principals of which nothing is known
	unseen   bool // its own account's side was not seen
}

// A Condition must hold of a request for an answer to be yes.
type Condition struct {
	Key      string   `json:"key"`
	Operator string   `json:"operator"`
	Values   []string `json:"values"`
	// Holds is false for a condition of a Deny, which must not hold.
	Holds  bool   `json:"holds"`
	Policy string `json:"policy"`
	Text   string `json:"text,omitempty"` // of something that is no condition
}

// A StepAnswer is the answer for one decision that an answer needs.
type StepAnswer struct {
	Action   string       `json:"action,omitempty"`
	Resource string       `json:"resource,omitempty"`
	Answer   Answer       `json:"answer"`
	Because  string       `json:"because"`
	Match    policy.Match `json:"match,omitzero"`
	If       []Condition  `json:"if,omitempty"`
}

// A Row is the answer for one principal.
type Row struct {
	Principal string       `json:"principal"`
	Account   string       `json:"account,omitempty"`
	Answer    Answer       `json:"answer"`
	Steps     []StepAnswer `json:"steps"`
	// FetchesOnly is set if S3 would give the object to the principal, and KMS does
	// not open it.
	FetchesOnly bool `json:"fetchesOnly,omitempty"`
	// Actions are those of the alternatives that the principal may take, for
	// Administer.
	Actions []string `json:"actions,omitempty"`
	// Escalations are ways in which the principal could give itself access.
	Escalations []Escalation `json:"escalations,omitempty"`
}

// Answers answers q for all principals that the world and the resources' policies
// know, the best answers first.
func (w *World) Answers(q *Question) ([]Row, error) {
	alternatives, err := q.steps(w)
	if err != nil {
		return nil, err
	}
	var rows []Row
	for _, p := range w.principals(alternatives) {
		r := w.row(q, alternatives, p)
		if p.entity != nil && r.Answer < YesIf {
			r.Escalations = w.escalations(q, alternatives, p)
		}
		rows = append(rows, r)
	}
	slices.SortStableFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.Answer, a.Answer), cmp.Compare(a.Principal, b.Principal))
	})
	return rows, nil
}

// row answers for one principal: the best of the alternatives, and of each the
// worst step.
func (w *World) row(q *Question, alternatives [][]step, p *Principal) Row {
	r := Row{Principal: p.Label, Account: p.Account}
	if p.stranger {
		r.Account = ""
	}
	for i, steps := range alternatives {
		answer := Yes
		var list []StepAnswer
		for _, s := range steps {
			a := w.decide(&s, p)
			list = append(list, a)
			answer = min(answer, a.Answer)
		}
		if len(alternatives) > 1 && answer > No {
			r.Actions = append(r.Actions, steps[0].action)
		}
		if i == 0 || answer > r.Answer {
			r.Answer, r.Steps = answer, list
		}
	}
	if q.Verb == Read && len(r.Steps) > 1 && r.Steps[0].Answer > No && r.Steps[1].Answer == No {
		r.FetchesOnly = true
	}
	return r
}

// input is the question of one step for a principal.
func (w *World) input(s *step, p *Principal) *policy.Input {
	c := w.context(p, s.account, s.region, s.forwarded)
	for k, v := range s.keys {
		c.known[k] = v
	}
	c.open = append(c.open, s.open...)
	if strings.HasPrefix(s.resource, "arn:aws:kms:") && p.Account != "" {
		c.known["kms:calleraccount"] = []string{p.Account}
	}
	in := &policy.Input{Principal: p.Principal, Action: s.action, Resource: s.resource, Account: s.account, Context: c,
		ResourcePolicy: s.policy, Grants: s.grants, RestrictPublic: s.restrict, UnknownLayers: slices.Clone(s.unseen)}
	for _, g := range s.acl {
		everyone := g.Group == "AllUsers" || g.Group == "AuthenticatedUsers" && p.Type != policy.Anonymous
		if everyone && !s.ignoreACL {
			in.ACLAllows, in.ACLName = true, "access control list"
			in.PublicACL = g.Group == "AllUsers"
		}
	}
	if e := p.entity; e != nil {
		in.Identity, in.Boundary = e.Policies, e.Boundary
	}
	if p.unseen || p.entity != nil && p.entity.Unseen {
		in.UnknownLayers = append(in.UnknownLayers, policy.LayerIdentity)
	}
	if a := w.Account(p.Account); a != nil && a.SeesOrg {
		in.SCPs = a.SCPs
	} else if p.Account != "" && p.Type != policy.Service {
		in.UnknownLayers = append(in.UnknownLayers, policy.LayerSCP)
	}
	if a := w.Account(s.account); s.noRCP {
	} else if a != nil && a.SeesOrg {
		in.RCPs = a.RCPs
	} else {
		in.UnknownLayers = append(in.UnknownLayers, policy.LayerRCP)
	}
	return in
}

// decide answers one step for a principal.
func (w *World) decide(s *step, p *Principal) StepAnswer {
	out := StepAnswer{Action: s.action, Resource: s.resource}
	switch {
	case s.unknown != "":
		out.Answer, out.Because = Unknown, s.unknown
		return out
	case s.action == "" && s.only != "":
		out.Answer, out.Because = YesIf, s.only
		out.If = []Condition{{Text: s.only, Holds: true}}
		return out
	}
	if p.Type == policy.Anonymous && strings.HasPrefix(s.action, "kms:") {
		out.Because = "KMS takes no unsigned requests"
		return out
	}
	partial := policy.EvaluatePartial(w.input(s, p))
	out.Match = partial.Decision.Match
	for _, r := range partial.Residual {
		c := Condition{Key: r.Condition.Key, Values: r.Condition.Values, Holds: r.Holds, Policy: r.Policy, Text: r.Unknown}
		if r.Condition.Operator != "" {
			c.Operator = operator(&r.Condition)
		}
		out.If = append(out.If, c)
	}
	switch partial.Answer {
	case policy.No:
		out.Because = because(&partial.Decision)
		return out
	case policy.Yes:
		out.Answer, out.Because = Yes, "allowed by "+layerWithArticle(partial.Decision.Layer)
	default:
		out.Answer, out.Because = YesIf, "depends on the request"
		if layers := undecided(partial.Layers); len(layers) > 0 {
			out.Answer = Unknown
			if p.unseen || p.stranger || w.Account(p.Account) == nil && p.Type != policy.Anonymous {
				out.Answer = Possible
			}
			out.Because = "not seen: " + strings.Join(layers, ", ")
		}
	}
	if w.blockDecides(s, p) {
		out.Answer, out.Because = min(out.Answer, Unknown), "not seen: Block Public Access"
	}
	if s.never != "" {
		out.Answer, out.Because = No, s.never
	}
	return out
}

// blockDecides reports whether Block Public Access, of which not all was seen, may
// take away what a policy or an access control list gives to everyone.
func (w *World) blockDecides(s *step, p *Principal) bool {
	if !s.unseenBlock || p.Account == s.account || p.Type == policy.Service {
		return false
	}
	return s.policy != nil && s.policy.Policy.IsPublic() || len(s.acl) > 0
}

// operator returns an operator as it stands in a policy.
func operator(c *policy.Condition) string {
	s := c.Operator
	if c.Set != "" {
		s = c.Set + ":" + s
	}
	if c.IfExists {
		s += "IfExists"
	}
	return s
}

// undecided names the kinds of policies that may decide and were not seen.
func undecided(layers []policy.Layer) []string {
	var out []string
	for _, l := range layers {
		if !slices.Contains(out, string(l)) {
			out = append(out, string(l))
		}
	}
	return out
}

func because(d *policy.Decision) string {
	switch {
	case d.Layer == policy.LayerPublic:
		return "RestrictPublicBuckets"
	case d.Explicit && d.Match.Policy != "":
		return "denied by " + layerWithArticle(d.Layer) + ": " + d.Match.Policy + statementName(&d.Match)
	case d.Explicit:
		return "denied by " + layerWithArticle(d.Layer)
	}
	return "no " + string(d.Layer) + " allows it"
}

func statementName(m *policy.Match) string {
	if m.Sid != "" {
		return ", statement " + m.Sid
	}
	return fmt.Sprintf(", statement %d", m.Index)
}

func layerWithArticle(l policy.Layer) string {
	switch l {
	case policy.LayerIdentity, policy.LayerACL:
		return "an " + string(l)
	case policy.LayerRoot:
		return "being root"
	}
	return "a " + string(l)
}

// anyAccount is the account of those who are in none that was seen.
const anyAccount = "000000000000"

// principals returns who there is: everybody in the accounts that were seen,
// everybody whom the policies and grants of the resources name, and the strangers.
func (w *World) principals(alternatives [][]step) []*Principal {
	var list []*Principal
	seen := make(map[string]bool)
	add := func(p *Principal) {
		if !seen[p.Label] {
			seen[p.Label] = true
			list = append(list, p)
		}
	}
	for _, a := range w.Accounts {
		root := arn.Root(a.ID)
		add(&Principal{Principal: policy.Principal{Type: policy.Root, Account: a.ID, ARN: root}, Label: root})
		for _, e := range a.Entities {
			add(&Principal{Principal: e.Principal, Label: e.ARN, entity: e, name: e.Name, tags: e.Tags})
		}
		if !a.SeesEntities {
			name := arn.ARN{Partition: arn.Partition, Service: "iam", Account: a.ID, Resource: "user/?"}.String()
			add(&Principal{Principal: policy.Principal{Type: policy.User, Account: a.ID, ARN: name, ID: "?"},
				Label: "users and roles of " + a.ID + " (not seen)", unseen: true, stranger: true})
		}
	}
	for _, steps := range alternatives {
		for _, s := range steps {
			w.named(&s, add)
		}
	}
	add(&Principal{Principal: policy.Principal{Type: policy.User, Account: anyAccount, ARN: "arn:aws:iam::" + anyAccount + ":user/?", ID: "?"},
		Label: "any other account", unseen: true, stranger: true})
	add(&Principal{Principal: policy.Principal{Type: policy.Anonymous}, Label: "anonymous"})
	return list
}

// named adds the principals that a resource's policy and grants name and that are
// not in any account that was seen.
func (w *World) named(s *step, add func(*Principal)) {
	var names []string
	if s.policy != nil && s.policy.Policy != nil {
		for _, st := range s.policy.Policy.Statements {
			if st.Effect != policy.Allow || st.Principal == nil || st.NotPrinc {
				continue
			}
			names = append(names, st.Principal.AWS...)
			for _, service := range st.Principal.Service {
				add(&Principal{Principal: policy.Principal{Type: policy.Service, Service: service}, Label: service})
			}
		}
	}
	for _, g := range s.grants {
		if g.GranteePrincipal != "" {
			names = append(names, g.GranteePrincipal)
		}
		if g.GranteeService != "" {
			add(&Principal{Principal: policy.Principal{Type: policy.Service, Service: g.GranteeService}, Label: g.GranteeService})
		}
	}
	for _, name := range names {
		if p := foreign(name); p != nil && w.Account(p.Account) == nil {
			add(p)
		}
	}
}

// foreign returns the principal that a policy names by an ARN or an account's ID, or
// nil.
func foreign(name string) *Principal {
	if len(name) == 12 && strings.Trim(name, "0123456789") == "" {
		name = arn.Root(name)
	}
	a, err := arn.Parse(name)
	if err != nil || a.Account == "" {
		return nil
	}
	p := &Principal{Principal: policy.Principal{Account: a.Account, ARN: name}, Label: name, unseen: true}
	kind, rest, _ := strings.Cut(a.Resource, "/")
	switch kind {
	case "root":
		p.Type = policy.Root
		p.Label = "account " + a.Account
	case "user":
		p.Type, p.name = policy.User, rest[strings.LastIndexByte(rest, '/')+1:]
	case "role":
		role := rest[strings.LastIndexByte(rest, '/')+1:]
		p.Type, p.Role = policy.Session, name
		p.ARN = "arn:aws:sts::" + a.Account + ":assumed-role/" + role + "/?"
	case "assumed-role":
		role, _, _ := strings.Cut(rest, "/")
		p.Type, p.Role = policy.Session, "arn:aws:iam::"+a.Account+":role/"+role
	case "federated-user":
		p.Type = policy.Federated
	default:
		return nil
	}
	return p
}
