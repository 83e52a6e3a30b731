package iam

import (
	"slices"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/policy"
)

// noResourcePolicy stands for the policy of a resource that has to have one, and
// whose policy is not simulated: it leaves all to the identity policies.
const noResourcePolicy = ""

// resourceKind returns what kind of policy a resource has.
func resourceKind(resource string) policy.Kind {
	a, _ := arn.Parse(resource)
	switch {
	case a.Service == "s3":
		return policy.KindBucket
	case a.Service == "kms" && strings.HasPrefix(a.Resource, "key/"):
		return policy.KindKey
	case a.Service == "iam" && strings.HasPrefix(a.Resource, "role/"):
		return policy.KindTrust
	}
	return policy.KindResource
}

// resourcePolicy returns the policy that simulated resources have.
func (m *simulator) resourcePolicy(in *Simulation, resource, account string) (*policy.Named, error) {
	kind := resourceKind(resource)
	if in.ResourcePolicy != nil {
		if p := m.resource[kind]; p != nil {
			return p, nil
		}
		p, err := read("ResourcePolicy", *in.ResourcePolicy, kind)
		if err != nil {
			return nil, err
		}
		if m.resource == nil {
			m.resource = make(map[policy.Kind]*policy.Named)
		}
		m.resource[kind] = &policy.Named{Name: "ResourcePolicy", Policy: p}
		return m.resource[kind], nil
	}
	// A key and a role always have a policy, and AWS does not read it here: what is
	// asked is what the identity policies say.
	text := ""
	switch kind {
	case policy.KindKey:
		text = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + arn.Root(account) + `"},"Action":"kms:*","Resource":"*"}]}`
	case policy.KindTrust:
		text = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + arn.Root(account) + `"},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]}]}`
	default:
		return nil, nil
	}
	p, err := policy.Load(text, kind)
	return &policy.Named{Name: noResourcePolicy, Policy: p}, err
}

// decide decides one action on one resource.
func (m *simulator) decide(in *Simulation, action, resource, owner string, scps [][]policy.Named) (*EvaluationResult, error) {
	if a, err := arn.Parse(resource); err == nil && a.Account != "" {
		owner = a.Account
	}
	ask := policy.Input{
		Principal: m.principal, Action: action, Resource: resource, Account: owner, Context: m.keys,
		Identity: m.policies, Boundary: m.boundary, SCPs: scps,
	}
	var err error
	if ask.ResourcePolicy, err = m.resourcePolicy(in, resource, owner); err != nil {
		return nil, err
	}
	x := policy.Explain(&ask)
	r := &EvaluationResult{
		EvalActionName: action, EvalResourceName: resource, EvalDecision: simulatedImplicitDeny,
		MatchedStatements: []MatchedStatement{}, MissingContextValues: m.missing(&ask, x),
	}
	switch {
	case x.Decision.Allowed:
		r.EvalDecision = simulatedAllow
		r.MatchedStatements = matched(&ask, x, policy.Allow)
	case x.Decision.Explicit:
		r.EvalDecision = simulatedDeny
		r.MatchedStatements = matched(&ask, x, policy.Deny)
	}
	if scps != nil {
		r.OrganizationsDecisionDetail = &OrganizationsDecisionDetail{allows(x, policy.LayerSCP)}
	}
	if m.boundary != nil {
		r.PermissionsBoundaryDecisionDetail = &PermissionsBoundaryDecisionDetail{allows(x, policy.LayerBoundary)}
	}
	if x.Decision.Cross && (r.OrganizationsDecisionDetail == nil || r.OrganizationsDecisionDetail.AllowedByOrganizations) {
		r.EvalDecisionDetails = map[string]string{
			sourceIdentity: says(x, policy.LayerIdentity), sourceResource: says(x, policy.LayerResource),
		}
	}
	if resource != "*" {
		r.ResourceSpecificResults = []ResourceSpecificResult{{
			resource, r.EvalDecision, r.MatchedStatements, r.MissingContextValues, r.EvalDecisionDetails, r.PermissionsBoundaryDecisionDetail,
		}}
	}
	return r, nil
}

// allows reports whether every level of a layer allows.
func allows(x *policy.Explanation, layer policy.Layer) bool {
	return !slices.ContainsFunc(x.Layers, func(l policy.LayerExplanation) bool {
		return l.Layer == layer && l.Outcome != policy.OutcomeAllow && l.Outcome != policy.OutcomeIgnored
	})
}

// says returns the decision of one layer by itself.
func says(x *policy.Explanation, layer policy.Layer) string {
	for _, l := range x.Layers {
		switch {
		case l.Layer != layer:
		case l.Outcome == policy.OutcomeAllow:
			return simulatedAllow
		case l.Outcome == policy.OutcomeDeny:
			return simulatedDeny
		}
	}
	return simulatedImplicitDeny
}

// find returns the policy that an explanation names in a layer, and what type of
// policy that is. It returns nil for the policies of the organization, which are not
// shown, and for the one that stands for none.
func find(ask *policy.Input, p *policy.PolicyExplanation) (*policy.Policy, string) {
	in := func(list []policy.Named) *policy.Policy {
		i := slices.IndexFunc(list, func(n policy.Named) bool { return n.Name == p.Name })
		if i < 0 {
			return nil
		}
		return list[i].Policy
	}
	switch p.Layer {
	case policy.LayerIdentity:
		return in(ask.Identity), sourceIdentity
	case policy.LayerBoundary:
		return ask.Boundary.Policy, sourceIdentity
	case policy.LayerResource, policy.LayerTrust:
		if p.Name != noResourcePolicy {
			return ask.ResourcePolicy.Policy, sourceResource
		}
	}
	return nil, ""
}

// matched returns the statements with the effect that apply. Those of a permissions
// boundary count only where they deny: they grant nothing.
func matched(ask *policy.Input, x *policy.Explanation, effect policy.Effect) []MatchedStatement {
	out := []MatchedStatement{}
	for i := range x.Policies {
		e := &x.Policies[i]
		p, source := find(ask, e)
		if p == nil || e.Layer == policy.LayerBoundary && effect == policy.Allow {
			continue
		}
		var spans []span
		for _, s := range e.Statements {
			if !s.Applies || s.Effect != effect {
				continue
			}
			if spans == nil {
				spans = statementSpans(p.Text())
			}
			m := MatchedStatement{SourcePolicyID: sourceID(e.Name), SourcePolicyType: source}
			if s.Index < len(spans) {
				m.StartPosition, m.EndPosition = spans[s.Index].start, spans[s.Index].end
			}
			out = append(out, m)
		}
	}
	return out
}

// missing returns the condition keys that statements about the action ask for and
// the request does not give, as they are written.
func (m *simulator) missing(ask *policy.Input, x *policy.Explanation) []string {
	out := []string{}
	seen := make(map[string]bool)
	for i := range x.Policies {
		e := &x.Policies[i]
		p, _ := find(ask, e)
		if p == nil {
			continue
		}
		for _, s := range e.Statements {
			if s.Failed == policy.ElementPrincipal || s.Failed == policy.ElementAction || s.Index >= len(p.Statements) {
				continue
			}
			for _, key := range statementKeys(p, &p.Statements[s.Index]) {
				lower := strings.ToLower(key)
				if _, have := m.keys[lower]; !have && !seen[lower] {
					seen[lower] = true
					out = append(out, key)
				}
			}
		}
	}
	return out
}
