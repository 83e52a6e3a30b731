package policy

import (
	"bytes"
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
	return string(e.service) == "sts" &&
		(bytes.HasPrefix(e.name, []byte("assumerole")) || string(e.name) == "tagsession" || string(e.name) == "setsourceidentity")
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

	scpMissing       int // the first level without an Allow, or -1
	resourcePolicies [1]Named
	boundaryPolicies [1]Named
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
	if e.denied(&f, &a, &d) {
		return d
	}

	deny := func(l Layer) Decision {
		d.Layer = l
		return d
	}
	allow := func(m Match) Decision {
		d.Allowed, d.Layer, d.Match = true, m.Layer, m
		return d
	}
	if a.scpMissing >= 0 {
		return deny(LayerSCP)
	}
	if len(in.Endpoint) > 0 && !a.endpoint.allowed() {
		return deny(LayerEndpoint)
	}
	if in.RestrictPublic && !f.same && p.Type != Service && isPublicPolicy(in.ResourcePolicy) {
		return deny(LayerPublic)
	}
	if f.trust && p.Type == Root {
		return deny(f.resource) // "Roles may not be assumed by root accounts"
	}
	if p.Type == WebIdentity && !f.trust {
		return deny(f.resource)
	}
	// A key or a role without a policy of its own is out of reach, with grants too.
	ownPolicy := f.key || f.trust
	if ownPolicy && in.ResourcePolicy == nil {
		return deny(f.resource)
	}

	acl := Match{Layer: LayerACL, Policy: in.ACLName, Effect: Allow}
	fromPolicy := func(how reach) Decision {
		return allow(matchAt(f.resource, a.resourcePolicies[:], a.resource.first(how)))
	}
	fromGrant := func(how reach) Decision {
		g := &in.Grants[a.grants.first(how).statement]
		return allow(Match{Layer: LayerGrant, Policy: g.ID, Effect: Allow})
	}

	if !f.account {
		switch {
		case a.resource.reach&reachWhole != 0:
			return fromPolicy(reachWhole)
		case a.grants.reach&reachWhole != 0:
			return fromGrant(reachWhole)
		case in.ACLAllows:
			return allow(acl)
		}
		return deny(f.resource)
	}

	limit := e.limit(&f, &a)
	identity := e.identity(&f, &a)
	mine := identity.Layer != "" && limit == ""
	switch how := a.grants.reach; {
	case how&reachWhole != 0:
		return fromGrant(reachWhole)
	case how&reachRole != 0 && limit == "":
		return fromGrant(reachRole)
	case how&reachAccount != 0 && mine:
		return fromGrant(reachAccount)
	}

	how := a.resource.reach
	if f.same {
		switch {
		case how&reachWhole != 0:
			return fromPolicy(reachWhole)
		case in.ACLAllows && in.PublicACL:
			return allow(acl)
		case how&reachRole != 0 && limit == "":
			return fromPolicy(reachRole)
		case ownPolicy && how&reachAccount != 0 && mine:
			return fromPolicy(reachAccount)
		case !ownPolicy && mine:
			return allow(identity)
		}
	} else if mine {
		switch {
		case how != 0:
			return fromPolicy(how)
		case in.ACLAllows:
			return allow(acl)
		}
	}

	// Nothing allows. What is missing first is named.
	switch {
	case how|a.grants.reach == 0 && (ownPolicy || !f.same && !in.ACLAllows):
		return deny(f.resource)
	case f.same && (how|a.grants.reach)&reachRole != 0:
		return deny(limit)
	case identity.Layer == "":
		return deny(e.withoutIdentity())
	}
	return deny(limit)
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
		for _, level := range in.RCPs {
			if got := e.scan(LayerRCP, level, true); got.denied() {
				deny(LayerRCP, level, got.deny)
			}
		}
	}
	if f.scp {
		for i, level := range in.SCPs {
			got := e.scan(LayerSCP, level, false)
			if got.denied() {
				deny(LayerSCP, level, got.deny)
			}
			if !got.allowed() && a.scpMissing < 0 {
				a.scpMissing = i
			}
		}
	}
	a.endpoint = e.scan(LayerEndpoint, in.Endpoint, true)
	if a.endpoint.denied() {
		deny(LayerEndpoint, in.Endpoint, a.endpoint.deny)
	}
	if in.ResourcePolicy != nil {
		a.resourcePolicies[0] = *in.ResourcePolicy
		a.resource = e.scan(f.resource, a.resourcePolicies[:], true)
		if a.resource.denied() && !f.ownsBlock {
			deny(f.resource, a.resourcePolicies[:], a.resource.deny)
		}
	}
	if f.identity {
		a.identity = e.scan(LayerIdentity, in.Identity, false)
		if a.identity.denied() {
			deny(LayerIdentity, in.Identity, a.identity.deny)
		}
		if in.Boundary != nil {
			a.boundaryPolicies[0] = *in.Boundary
			a.boundary = e.scan(LayerBoundary, a.boundaryPolicies[:], false)
			if a.boundary.denied() {
				deny(LayerBoundary, a.boundaryPolicies[:], a.boundary.deny)
			}
		}
		a.session = e.scan(LayerSession, in.Session, false)
		if a.session.denied() {
			deny(LayerSession, in.Session, a.session.deny)
		}
	}
	if f.key && (!found || e.slow != nil) {
		e.grants(a)
	}
	return found
}

// limit returns the layer that limits the principal and does not allow the action,
// or "".
func (e *evaluator) limit(f *facts, a *answers) Layer {
	switch {
	case !f.identity:
		return ""
	case e.in.Boundary != nil && !a.boundary.allowed():
		return LayerBoundary
	case (e.in.HasSession || len(e.in.Session) > 0) && !a.session.allowed():
		return LayerSession
	}
	return ""
}

// identity returns what allows the action on the principal's side, or no layer.
func (e *evaluator) identity(f *facts, a *answers) Match {
	in, p := e.in, &e.in.Principal
	hasSession := in.HasSession || len(in.Session) > 0
	switch {
	case p.Type == Root:
		return Match{Layer: LayerRoot}
	case p.Type == Federated && !hasSession:
		return Match{}
	case p.Type == Federated && isRoot(p.User, p.Account):
		// All that root has, within the session policy.
		return Match{Layer: LayerRoot}
	case a.identity.allowed():
		return matchAt(LayerIdentity, in.Identity, a.identity.allow)
	}
	return Match{}
}

// withoutIdentity names the layer that is missing on the principal's side.
func (e *evaluator) withoutIdentity() Layer {
	if e.in.Principal.Type == Federated && !e.in.HasSession && len(e.in.Session) == 0 {
		return LayerSession
	}
	return LayerIdentity
}

// isRoot reports whether s is the ARN of the account's root user.
func isRoot(s, account string) bool {
	var p [arnParts]string
	return splitARN(s, &p) && p[2] == "iam" && p[4] == account && p[5] == "root"
}

func isPublicPolicy(n *Named) bool {
	return n != nil && (n.Policy == nil || n.Policy.IsPublic())
}
