package iam

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/identity"
	"coffer/internal/policy"
)

// A simulator decides for one principal.
type simulator struct {
	*Service
	account   string // of the caller of the simulation
	principal policy.Principal
	isUser    bool              // the principal is a user that is there
	tags      map[string]string // of the principal
	policies  []policy.Named    // identity-based
	boundary  *policy.Named
	keys      policy.MapContext
	resource  map[policy.Kind]*policy.Named // the resource policy as a policy of each kind
}

// simulate authorizes the use of the policies of a user, a group or a role, and
// returns a simulator with them.
func (s *Service) simulate(ctx context.Context, o *op, sourceARN string) (*simulator, error) {
	a, err := arn.Parse(sourceARN)
	kind, name, _ := strings.Cut(a.Resource, "/")
	name = name[strings.LastIndex(name, "/")+1:]
	find := map[string]finder{"user": s.findUser, "group": s.findGroup, "role": s.findRole}[kind]
	if err != nil || a.Service != "iam" || find == nil || name == "" {
		return nil, fault(400, "InvalidInput", "Invalid Entity Arn: %s does not clearly define entity type and name.", sourceARN)
	}
	if a.Account != o.caller.Account {
		if err := o.ask(ctx, sourceARN, nil); err != nil {
			return nil, err
		}
		return nil, fault(404, "NoSuchEntity", "The entity %s cannot be found.", sourceARN)
	}
	t, err := find(ctx, o, name)
	if err != nil {
		return nil, err
	}
	if err := o.use(ctx, t); err != nil {
		return nil, err
	}
	if t.arn != sourceARN {
		return nil, fault(404, "NoSuchEntity", "The entity %s cannot be found.", sourceARN)
	}
	m := &simulator{Service: s, account: o.caller.Account}
	m.principal = policy.Principal{Type: policy.User, Account: m.account, ARN: iamARN(o, "user/simulated")}
	if kind == "group" {
		m.policies, err = s.groupPolicies(ctx, t.entity(o))
		return m, t.about(err)
	}
	id, found, err := s.identity.PrincipalID(ctx, sourceARN)
	if err == nil && !found {
		err = map[string]error{"user": identity.ErrNoUser, "role": identity.ErrNoRole}[kind]
	}
	if err != nil {
		return nil, t.about(err)
	}
	m.principal.ID = id
	var e *identity.Effective
	if kind == "user" {
		m.isUser, m.principal.ARN = true, sourceARN
		e, err = s.identity.EffectiveUser(ctx, m.account, id)
	} else {
		m.principal.Type, m.principal.Role = policy.Session, sourceARN
		m.principal.ARN = arn.ARN{Partition: arn.Partition, Service: "sts", Account: m.account, Resource: "assumed-role/" + name + "/simulated"}.String()
		e, err = s.identity.EffectiveRole(ctx, m.account, id)
	}
	if err != nil {
		return nil, t.about(err)
	}
	m.principal.ServiceLinked, m.tags, m.boundary = e.ServiceLinked, e.Tags, e.Boundary
	m.policies = slices.Clone(e.Policies) // which others share
	return m, nil
}

// sourceID returns what answers call a policy: the name of a managed one.
func sourceID(name string) string {
	if a, err := arn.Parse(name); err == nil {
		return a.Resource[strings.LastIndex(a.Resource, "/")+1:]
	}
	return name
}

// groupPolicies returns the policies of a group.
func (s *Service) groupPolicies(ctx context.Context, e identity.Entity) ([]policy.Named, error) {
	var list []policy.Named
	add := func(name, text string) error {
		p, err := policy.Load(text, policy.KindIdentity)
		list = append(list, policy.Named{Name: name, Policy: p})
		return err
	}
	inline, err := s.identity.InlinePolicies(ctx, e)
	for _, p := range inline {
		err = errors.Join(err, add("group_"+e.Name+"_"+p.Name, p.Text))
	}
	if err != nil {
		return nil, err
	}
	attached, err := s.identity.Attached(ctx, e)
	if err != nil {
		return nil, err
	}
	for _, a := range attached {
		v, err := s.identity.PolicyVersion(ctx, e.Account, a.ARN, "")
		if err == nil {
			err = add(a.ARN, v.Text)
		}
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// given reads the policies of a request.
func given(member string, texts []string, kind policy.Kind) ([]policy.Named, error) {
	if len(texts) > maxSimulated {
		return nil, fault(400, "InvalidInput", "%s has more than %d policies.", member, maxSimulated)
	}
	var list []policy.Named
	for i, text := range texts {
		name := fmt.Sprintf("%s.%d", member, i+1)
		p, err := read(name, text, kind)
		if err != nil {
			return nil, err
		}
		list = append(list, policy.Named{Name: name, Policy: p})
	}
	return list, nil
}

// read reads one policy of a request, which may be longer than one that is put.
func read(name, text string, kind policy.Kind) (*policy.Policy, error) {
	p, err := policy.Parse(text, kind)
	if errors.Is(err, policy.ErrTooLong) {
		if p, err = policy.Load(text, kind); err == nil {
			problem := p.Unknown
			for i := range p.Statements {
				if problem == "" {
					problem = p.Statements[i].Unknown
				}
			}
			if problem != "" {
				err = errors.New(problem)
			}
		}
	}
	if err != nil {
		return nil, fault(400, "InvalidInput", "Policy %s is invalid: %s", name, err).Because(err)
	}
	return p, nil
}

// run decides one page of what is asked.
func (m *simulator) run(ctx context.Context, in *Simulation) (*SimulateOutput, error) {
	if in.ResourceHandlingOption != nil {
		return nil, NotImplemented("The ResourceHandlingOption %s is not implemented by this server.", *in.ResourceHandlingOption)
	}
	if err := m.prepare(in); err != nil {
		return nil, err
	}
	resources := in.ResourceARNs
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	owner := m.principal.Account
	if in.ResourceOwner != nil {
		owner = strings.TrimSuffix(strings.TrimPrefix(*in.ResourceOwner, "arn:aws:iam::"), ":root")
		if !isAccountID(owner) {
			return nil, fault(400, "InvalidInput", "Invalid ResourceOwner: %s", *in.ResourceOwner)
		}
	}
	for _, name := range in.ActionNames {
		if !isActionName(name) {
			return nil, fault(400, "InvalidInput", "Invalid Action Name: %s", name)
		}
	}
	for _, r := range resources {
		if _, err := arn.Parse(r); err != nil && r != "*" {
			return nil, fault(400, "InvalidInput", "Invalid Resource Arn: %s", r)
		}
	}
	scps, err := m.scps(ctx)
	if err != nil {
		return nil, err
	}
	start, err := m.start(in)
	if err != nil {
		return nil, err
	}
	n := min(in.limit(), max(1, maxSimulatedWork/max(1, m.statements(scps))))
	all := len(in.ActionNames) * len(resources)
	out := &SimulateOutput{EvaluationResults: []EvaluationResult{}}
	for i := start; i < min(start+n, all); i++ {
		r, err := m.decide(in, in.ActionNames[i/len(resources)], resources[i%len(resources)], owner, scps)
		if err != nil {
			return nil, err
		}
		out.EvaluationResults = append(out.EvaluationResults, *r)
	}
	out.Paged = paged("simulation", start+n < all, func() string { return strconv.Itoa(start + n) })
	return out, nil
}

// start returns the index of the first result of the page.
func (m *simulator) start(in *Simulation) (int, error) {
	after, err := in.after("simulation")
	if err != nil || after == "" {
		return 0, err
	}
	n, err := strconv.Atoi(after)
	if err != nil || n < 1 {
		return 0, fault(400, "ValidationError", "Invalid Marker.")
	}
	return n, nil
}

// prepare reads the policies, the caller and the condition keys of a request.
func (m *simulator) prepare(in *Simulation) error {
	more, err := given("PolicyInputList", in.PolicyInputList, policy.KindIdentity)
	if err != nil {
		return err
	}
	m.policies = append(m.policies, more...)
	boundary, err := given("PermissionsBoundaryPolicyInputList", in.PermissionsBoundaryPolicyInputList, policy.KindBoundary)
	switch {
	case err != nil:
		return err
	case len(boundary) > 1:
		return fault(400, "InvalidInput", "Only one permissions boundary can be simulated.")
	case len(boundary) == 1:
		m.boundary = &boundary[0]
	}
	m.principal.HasBoundary = m.boundary != nil
	if in.CallerARN != nil {
		if err := m.callAs(*in.CallerARN); err != nil {
			return err
		}
	} else if in.ResourcePolicy != nil && !m.isUser {
		return fault(400, "InvalidInput", "CallerArn is needed, because a ResourcePolicy is to be simulated.")
	}
	if m.keys, err = contextOf(in.ContextEntries); err != nil {
		return err
	}
	m.tellPrincipal()
	return nil
}

// callAs makes a user the simulated caller. Nothing is looked up of it: who may
// simulate one user, or none, is not told the tags of another.
func (m *simulator) callAs(callerARN string) error {
	a, err := arn.Parse(callerARN)
	name, ok := strings.CutPrefix(a.Resource, "user/")
	if err != nil || a.Service != "iam" || !isAccountID(a.Account) || !ok || name == "" {
		return fault(400, "InvalidInput", "Invalid Caller Arn: %s is not the ARN of an IAM user.", callerARN)
	}
	if m.isUser && callerARN == m.principal.ARN {
		return nil
	}
	m.principal = policy.Principal{Type: policy.User, Account: a.Account, ARN: callerARN, HasBoundary: m.principal.HasBoundary}
	m.isUser, m.tags = true, nil
	return nil
}

// tellPrincipal adds the condition keys about the principal that the request does
// not give.
func (m *simulator) tellPrincipal() {
	p := &m.principal
	add := func(key, value string) {
		if _, ok := m.keys[key]; !ok && value != "" {
			m.keys[key] = []string{value}
		}
	}
	add("aws:principalaccount", p.Account)
	for k, v := range m.tags {
		if key := "aws:principaltag/" + strings.ToLower(k); m.keys[key] == nil {
			m.keys[key] = []string{v}
		}
	}
	switch {
	case p.Type == policy.Session:
		add("aws:principalarn", p.Role)
		add("aws:principaltype", "AssumedRole")
		add("aws:userid", p.ID+":simulated")
	case m.isUser:
		add("aws:principalarn", p.ARN)
		add("aws:principaltype", "User")
		add("aws:userid", p.ID)
		add("aws:username", p.ARN[strings.LastIndex(p.ARN, "/")+1:])
	}
}

// scps returns the service control policies above the principal's account, and nil
// if none apply.
func (m *simulator) scps(ctx context.Context) ([][]policy.Named, error) {
	if m.orgs == nil || m.principal.Account != m.account {
		return nil, nil
	}
	chain, err := m.orgs.Chain(ctx, m.account)
	if err != nil || chain == nil {
		return nil, err
	}
	return chain.SCPs, nil
}

// statements counts what one decision looks at.
func (m *simulator) statements(scps [][]policy.Named) int {
	n := 0
	for _, list := range append(slices.Clone(scps), m.policies) {
		for _, p := range list {
			n += len(p.Policy.Statements)
		}
	}
	if m.boundary != nil {
		n += len(m.boundary.Policy.Statements)
	}
	return n
}

// isActionName reports whether s is service:Name without wildcards.
func isActionName(s string) bool {
	service, name, ok := strings.Cut(s, ":")
	return ok && service != "" && name != "" && only(service, "-") && only(name, "-_")
}

func isAccountID(s string) bool { return len(s) == 12 && strings.Trim(s, "0123456789") == "" }
