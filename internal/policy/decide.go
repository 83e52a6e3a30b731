package policy

import (
	"slices"
	"strings"
)

// facts are what a decision derives from its input before it looks at a policy.
type facts struct {
	owner     string // account of the resource
	account   bool   // the principal is an identity of an account
	same      bool   // and that account owns the resource
	identity  bool   // identity policies, boundary and session policies apply
	scp, rcp  bool   // these apply to the principal and the action
	key       bool   // the resource is a KMS key, to which only its policy gives access
	trust     bool   // the question is whether a role may be assumed
	ownsBlock bool   // root of the bucket's account asks about the bucket policy
	resource  Layer  // how the resource's policy is called
}

func (e *evaluator) facts() facts {
	in, p := e.in, &e.in.Principal
	f := facts{owner: in.Account, account: p.hasAccount(), resource: LayerResource}
	if f.owner == "" {
		f.owner = p.Account
	}
	f.same = f.account && p.Account == f.owner
	f.identity = p.Type == User || p.Type == Session || p.Type == Federated
	f.scp = f.account && !p.ServiceLinked
	retire := string(e.service) == "kms" && string(e.name) == "retiregrant"
	f.rcp = !p.ServiceLinked && !retire

	kind := Kind(0)
	if in.ResourcePolicy != nil && in.ResourcePolicy.Policy != nil {
		kind = in.ResourcePolicy.Policy.Kind
	}
	f.key = kind == KindKey || isKeyARN(in.Resource)
	f.trust = kind == KindTrust || e.assumes() && isRoleARN(in.Resource)
	if f.trust {
		f.resource = LayerTrust
	}
	f.ownsBlock = p.Type == Root && f.same && kind == KindBucket && string(e.service) == "s3" &&
		(string(e.name) == "getbucketpolicy" || string(e.name) == "putbucketpolicy" || string(e.name) == "deletebucketpolicy")
	return f
}

// assumes reports whether the action is one that a trust policy decides.
func (e *evaluator) assumes() bool {
	return string(e.service) == "sts" && slices.Contains(trustActions, string(e.name))
}

func isKeyARN(s string) bool {
	var p [arnParts]string
	return splitARN(s, &p) && p[2] == "kms" && strings.HasPrefix(p[5], "key/")
}

func isRoleARN(s string) bool {
	var p [arnParts]string
	return splitARN(s, &p) && p[2] == "iam" && strings.HasPrefix(p[5], "role/")
}

// answers are the findings of all layers.
type answers struct {
	endpoint, resource, grants, identity, boundary, session finding

	scpMissing int // the first level without an Allow, or -1
	// The resource policy and the boundary as lists, of one policy or none.
	resourcePolicies, boundaryPolicies []Named
}

// decide decides on e.in.
func (e *evaluator) decide() Decision {
	f := e.facts()
	d := Decision{Cross: f.account && !f.same}
	in, p := e.in, &e.in.Principal
	if !valid(p, &f) {
		return d
	}
	var a answers
	a.resourcePolicies, a.boundaryPolicies = e.single(0, in.ResourcePolicy), e.single(1, in.Boundary)
	if e.denied(&f, &a, &d) {
		return d
	}

	if layer := e.limited(&f, &a); layer != "" {
		d.Layer = layer
		return d
	}
	m, missing := e.allowed(&f, &a)
	if m.Layer == "" {
		d.Layer = missing
		return d
	}
	d.Allowed, d.Layer, d.Match = true, m.Layer, m
	return d
}

// limited returns the layer that denies although none of its statements does, before
// anything is asked for an Allow; or "".
func (e *evaluator) limited(f *facts, a *answers) Layer {
	in, p := e.in, &e.in.Principal
	restricted := in.RestrictPublic || e.slow != nil && e.slow.mode == pessimistic && e.slow.isOpen(LayerPublic)
	switch {
	case a.scpMissing >= 0:
		return LayerSCP
	case len(in.Endpoint) > 0 && !a.endpoint.allowed():
		return LayerEndpoint
	case restricted && !f.same && p.Type != Service && isPublicPolicy(in.ResourcePolicy):
		return LayerPublic
	case f.trust && p.Type == Root:
		// "Roles may not be assumed by root accounts."
		return f.resource
	case p.Type == WebIdentity && !f.trust:
		return f.resource
	case f.ownPolicy() && in.ResourcePolicy == nil && !e.optimistic(f.resource):
		return f.resource
	}
	return ""
}

// ownPolicy reports whether nothing gives access to the resource but its own policy
// and what it delegates to.
func (f *facts) ownPolicy() bool { return f.key || f.trust }

// allowed returns what allows; or a Match without a layer, and the layer whose Allow
// is missing.
func (e *evaluator) allowed(f *facts, a *answers) (m Match, missing Layer) {
	in := e.in
	named, granted := a.resource.reach, a.grants.reach
	byACL := in.ACLAllows || e.optimistic(LayerACL)
	acl := Match{Layer: LayerACL, Policy: in.ACLName, Effect: Allow}
	if !f.account {
		switch {
		case named&reachWhole != 0:
			return e.fromPolicy(f, a, reachWhole), ""
		case granted&reachWhole != 0:
			return e.fromGrant(a, reachWhole), ""
		case byACL:
			return acl, ""
		}
		return Match{}, f.resource
	}

	limit := e.limit(f, a)
	identity := e.identity(a)
	mine := identity.Layer != "" && limit == ""
	switch {
	case granted&reachWhole != 0:
		return e.fromGrant(a, reachWhole), ""
	case granted&reachRole != 0 && limit == "":
		return e.fromGrant(a, reachRole), ""
	case granted&reachAccount != 0 && mine:
		return e.fromGrant(a, reachAccount), ""
	case f.same && named&reachWhole != 0:
		return e.fromPolicy(f, a, reachWhole), ""
	case f.same && byACL && (in.PublicACL || e.optimistic(LayerACL)):
		return acl, ""
	case f.same && named&reachRole != 0 && limit == "":
		return e.fromPolicy(f, a, reachRole), ""
	case f.same && f.ownPolicy() && named&reachAccount != 0 && mine:
		return e.fromPolicy(f, a, reachAccount), ""
	case f.same && !f.ownPolicy() && mine:
		return identity, ""
	case !f.same && named != 0 && mine:
		return e.fromPolicy(f, a, named), ""
	case !f.same && byACL && mine:
		return acl, ""
	}

	// Nothing allows. What is missing first is named.
	switch {
	case named|granted == 0 && (f.ownPolicy() || !f.same && !byACL):
		return Match{}, f.resource
	case f.same && (named|granted)&reachRole != 0:
		return Match{}, limit
	case identity.Layer == "":
		return Match{}, LayerIdentity
	}
	return Match{}, limit
}

// fromPolicy returns the first Allow of the resource policy that names the principal
// in one of the given ways.
func (e *evaluator) fromPolicy(f *facts, a *answers, how reach) Match {
	return matchAt(f.resource, a.resourcePolicies, a.resource.first(how))
}

func (e *evaluator) fromGrant(a *answers, how reach) Match {
	m := Match{Layer: LayerGrant, Effect: Allow}
	if at := a.grants.first(how); at != assumed {
		m.Policy = e.in.Grants[at.statement].ID
	}
	return m
}

// valid refuses principals that no request has.
func valid(p *Principal, f *facts) bool {
	switch p.Type {
	case Anonymous:
		return true
	case Service:
		return p.Service != ""
	case WebIdentity:
		return p.Provider != ""
	}
	return f.account && p.Account != "" && p.ARN != ""
}

// denied looks through all layers and reports whether a Deny applies, which it puts
// into d. A Deny anywhere wins over everything, so all of them come before any
// other reason to deny.
func (e *evaluator) denied(f *facts, a *answers, d *Decision) bool {
	in := e.in
	a.scpMissing = -1
	a.endpoint, a.resource, a.grants = noFinding(), noFinding(), noFinding()
	a.identity, a.boundary, a.session = noFinding(), noFinding(), noFinding()
	found := false
	deny := func(layer Layer, policies []Named, at place) {
		if !found {
			found = true
			d.Explicit, d.Layer, d.Match = true, layer, matchAt(layer, policies, at)
		}
	}

	if f.rcp {
		for i, level := range e.levels(LayerRCP, in.RCPs) {
			if got := e.scan(LayerRCP, level, i, true); got.denied() {
				deny(LayerRCP, level, got.deny)
			}
		}
	}
	if f.scp {
		for i, level := range e.levels(LayerSCP, in.SCPs) {
			got := e.scan(LayerSCP, level, i, false)
			if got.denied() {
				deny(LayerSCP, level, got.deny)
			}
			if !got.allowed() && a.scpMissing < 0 {
				a.scpMissing = i
			}
		}
	}
	a.endpoint = e.scan(LayerEndpoint, in.Endpoint, 0, true)
	if a.endpoint.denied() {
		deny(LayerEndpoint, in.Endpoint, a.endpoint.deny)
	}
	if in.ResourcePolicy != nil || e.slow != nil {
		a.resource = e.scan(f.resource, a.resourcePolicies, 0, true)
		if a.resource.denied() && !f.ownsBlock {
			deny(f.resource, a.resourcePolicies, a.resource.deny)
		}
	}
	if f.identity {
		a.identity = e.scan(LayerIdentity, in.Identity, 0, false)
		if a.identity.denied() {
			deny(LayerIdentity, in.Identity, a.identity.deny)
		}
		if in.Boundary != nil || e.slow != nil {
			a.boundary = e.scan(LayerBoundary, a.boundaryPolicies, 0, false)
			if a.boundary.denied() {
				deny(LayerBoundary, a.boundaryPolicies, a.boundary.deny)
			}
		}
		a.session = e.scan(LayerSession, in.Session, 0, false)
		if a.session.denied() {
			deny(LayerSession, in.Session, a.session.deny)
		}
	}
	if f.key && !found {
		e.grants(a)
	}
	return found
}

// single returns a policy, or none, as a list, in the i-th of two places.
func (e *evaluator) single(i int, n *Named) []Named {
	if n == nil {
		return nil
	}
	e.singles[i] = *n
	return e.singles[i : i+1]
}

// levels returns the policies of an organization's levels; one empty level if there
// are none and it is not known that there are none.
func (e *evaluator) levels(layer Layer, levels [][]Named) [][]Named {
	if len(levels) == 0 && e.slow != nil && e.slow.isOpen(layer) {
		return [][]Named{nil}
	}
	return levels
}

// limit returns the layer that limits the principal and does not allow the action,
// or "".
func (e *evaluator) limit(f *facts, a *answers) Layer {
	switch {
	case !f.identity:
		return ""
	case e.in.Boundary != nil && !a.boundary.allowed():
		return LayerBoundary
	case e.needsSession() && !a.session.allowed():
		return LayerSession
	}
	return ""
}

// needsSession reports whether session policies limit the principal: if some were
// passed, and for a federated user always. Without any, only a policy that names the
// federated user itself gives it something.
//
// Source: AWS STS API Reference, GetFederationToken, read 2026-11-21.
func (e *evaluator) needsSession() bool {
	in := e.in
	return in.HasSession || len(in.Session) > 0 || in.Principal.Type == Federated
}

// identity returns what allows the action on the principal's side, or no layer.
func (e *evaluator) identity(a *answers) Match {
	in, p := e.in, &e.in.Principal
	switch {
	case e.named && (p.Type == Root || p.Type == Federated && isRoot(p.User, p.Account)):
		return Match{} // no policy is attached to it that could name the action
	case p.Type == Root:
		return Match{Layer: LayerRoot, Effect: Allow}
	case p.Type == Federated && isRoot(p.User, p.Account):
		// All that root has, within the session policy.
		return Match{Layer: LayerRoot, Effect: Allow}
	case a.identity.allowed():
		return matchAt(LayerIdentity, in.Identity, a.identity.allow)
	}
	return Match{}
}

// isRoot reports whether s is the ARN of the account's root user.
func isRoot(s, account string) bool {
	var p [arnParts]string
	return splitARN(s, &p) && p[2] == "iam" && p[4] == account && p[5] == "root"
}

func isPublicPolicy(n *Named) bool {
	return n != nil && (n.Policy == nil || n.Policy.IsPublic())
}
