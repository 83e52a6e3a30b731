package policy_test

import (
	"slices"
	"strings"

	"coffer/internal/policy"
)

// naiveDecide answers an input straight from the rules of the AWS pages, one
// after the other, without a thought for speed. It shares nothing with Evaluate,
// so that a misreading in one of them shows as a difference.
//
// Sources: IAM User Guide, "How AWS enforcement code logic evaluates requests to
// allow or deny access", "Policy evaluation for requests within a single account",
// "Cross-account policy evaluation logic", "Permissions boundaries for IAM
// entities" and "AWS JSON policy elements: Principal"; AWS Organizations User
// Guide, "SCP evaluation" and "RCP evaluation"; AWS KMS Developer Guide, "Key
// policies" and "Grants in AWS KMS"; Amazon S3 User Guide, "Blocking public access
// to your Amazon S3 storage"; read 2026-11-21.
func naiveDecide(in *policy.Input) bool { return naiveWhy(in).allowed }

// A naiveAnswer is a decision with the rule that made it.
type naiveAnswer struct {
	allowed bool
	why     string
}

func naiveWhy(in *policy.Input) naiveAnswer {
	deny := func(why string) naiveAnswer { return naiveAnswer{false, "denied: " + why} }
	allow := func(why string) naiveAnswer { return naiveAnswer{true, "allowed: " + why} }
	p := &in.Principal

	// Which kinds of policies apply to whom.
	hasIdentity := p.Type == policy.User || p.Type == policy.Session || p.Type == policy.Federated
	underSCP := (hasIdentity || p.Type == policy.Root) && !p.ServiceLinked
	underRCP := !p.ServiceLinked && !strings.EqualFold(in.Action, "kms:RetireGrant")

	// An explicit deny in any policy that applies wins.
	var limits []policy.Named
	if in.Boundary != nil {
		limits = append(limits, *in.Boundary)
	}
	switch {
	case hasIdentity && naiveAny(in, in.Identity, policy.Deny):
		return deny("explicitly by an identity policy")
	case hasIdentity && naiveAny(in, limits, policy.Deny):
		return deny("explicitly by the boundary")
	case hasIdentity && naiveAny(in, in.Session, policy.Deny):
		return deny("explicitly by a session policy")
	case naiveAny(in, in.Endpoint, policy.Deny):
		return deny("explicitly by an endpoint policy")
	}
	for _, level := range in.SCPs {
		if underSCP && naiveAny(in, level, policy.Deny) {
			return deny("explicitly by an SCP")
		}
	}
	for _, level := range in.RCPs {
		if underRCP && naiveAny(in, level, policy.Deny) {
			return deny("explicitly by an RCP")
		}
	}
	account := in.Account
	if account == "" {
		account = p.Account
	}
	if in.ResourcePolicy != nil && naiveAny(in, []policy.Named{*in.ResourcePolicy}, policy.Deny) {
		// The root user of the bucket's account can always get, put and delete the
		// bucket's policy, whatever the policy says.
		if !(p.Type == policy.Root && p.Account == account && naiveIsBucketPolicyAction(in.Action)) {
			return deny("explicitly by the resource policy")
		}
	}

	// Every level of SCPs must allow, and the endpoint policies must. The RCP
	// RCPFullAWSAccess is attached everywhere and can't be detached.
	for _, level := range in.SCPs {
		if underSCP && !naiveAny(in, level, policy.Allow) {
			return deny("no SCP of a level allows")
		}
	}
	if len(in.Endpoint) > 0 && !naiveAny(in, in.Endpoint, policy.Allow) {
		return deny("no endpoint policy allows")
	}

	// Block Public Access leaves a bucket with a public policy to its account and
	// to services.
	if in.RestrictPublic && in.ResourcePolicy != nil && naiveIsPublic(in.ResourcePolicy.Policy) &&
		p.Type != policy.Service && (p.Account == "" || p.Account != account) {
		return deny("Block Public Access")
	}

	// "Roles may not be assumed by root accounts."
	if p.Type == policy.Root && naiveIsTrust(in) {
		return deny("root towards a role")
	}

	if p.Type == policy.WebIdentity && !naiveIsTrust(in) {
		return deny("a web identity can do nothing but assume roles")
	}
	if in.ResourcePolicy == nil && naiveNeedsResourcePolicy(in) {
		return deny("no key or trust policy")
	}

	named := naiveNamed(in) // how the resource side allows the principal
	switch p.Type {
	case policy.Anonymous, policy.Service, policy.WebIdentity:
		switch {
		case len(named) > 0:
			return allow("the resource policy, no account behind the caller")
		case p.Type == policy.Service && naiveGranted(in)["service"]:
			return allow("a grant to a service")
		case in.ACLAllows:
			return allow("an ACL, no account behind the caller")
		}
		return deny("nothing allows, no account behind the caller")
	}

	boundary := !hasIdentity || in.Boundary == nil || naiveAny(in, limits, policy.Allow)
	session := !hasIdentity || !in.HasSession || naiveAny(in, in.Session, policy.Allow)
	if p.Type == policy.Federated && !in.HasSession {
		session = false // GetFederationToken without a policy gives nothing
	}
	identity := p.Type == policy.Root || naiveAny(in, in.Identity, policy.Allow)
	if p.Type == policy.Federated && strings.HasSuffix(p.User, ":root") {
		identity = true // the root user's federated user has what its session policy gives
	}
	mine := identity && boundary && session

	grants := naiveGranted(in)
	switch {
	case grants["direct"]:
		return allow("a grant")
	case grants["limited"] && boundary && session:
		return allow("a grant, within boundary and session")
	case grants["account"] && mine:
		return allow("a grant to the account, and IAM")
	}

	if p.Account != account {
		switch {
		case !mine:
			return deny("the caller's account does not allow, across accounts")
		case len(named) > 0:
			return allow("both accounts")
		case in.ACLAllows:
			return allow("an ACL and the caller's account")
		}
		return deny("the resource's account does not allow")
	}

	switch {
	case named["direct"]:
		return allow("the resource policy, directly")
	case in.ACLAllows && in.PublicACL:
		return allow("a public ACL")
	case named["limited"] && boundary && session:
		return allow("the resource policy, within boundary and session")
	case naiveNeedsResourcePolicy(in):
		if named["account"] && mine {
			return allow("the resource policy delegates, and IAM")
		}
		return deny("the key or trust policy does not allow")
	case mine:
		return allow("IAM")
	case !identity:
		return deny("no identity policy allows")
	case !boundary:
		return deny("the boundary does not allow")
	}
	return deny("the session does not allow")
}

func naiveIsBucketPolicyAction(action string) bool {
	return slices.Contains([]string{"s3:getbucketpolicy", "s3:putbucketpolicy", "s3:deletebucketpolicy"}, strings.ToLower(action))
}

// naiveNeedsResourcePolicy reports whether nothing but the resource's own policy
// can open the resource, not even to its own account: keys and roles.
func naiveNeedsResourcePolicy(in *policy.Input) bool {
	if naiveIsTrust(in) || in.ResourcePolicy != nil && in.ResourcePolicy.Policy.Kind == policy.KindKey {
		return true
	}
	parts := strings.SplitN(in.Resource, ":", 6)
	return len(parts) == 6 && parts[2] == "kms" && strings.HasPrefix(parts[5], "key/")
}

// naiveIsTrust reports whether the question is who may assume a role.
func naiveIsTrust(in *policy.Input) bool {
	if in.ResourcePolicy != nil && in.ResourcePolicy.Policy.Kind == policy.KindTrust {
		return true
	}
	parts := strings.SplitN(in.Resource, ":", 6)
	action := strings.ToLower(in.Action)
	return len(parts) == 6 && parts[2] == "iam" && strings.HasPrefix(parts[5], "role/") &&
		(strings.HasPrefix(action, "sts:assumerole") || action == "sts:tagsession" || action == "sts:setsourceidentity")
}

// naiveAny reports whether a statement with the effect in one of the policies
// applies to the input.
func naiveAny(in *policy.Input, policies []policy.Named, effect policy.Effect) bool {
	for _, named := range policies {
		for i := range named.Policy.Statements {
			st := &named.Policy.Statements[i]
			if st.Effect == effect && naiveApplies(in, named.Policy, st) {
				return true
			}
		}
	}
	return false
}

// naiveApplies reports whether the whole of a statement matches. What is not
// understood applies if it denies, and does not if it allows.
func naiveApplies(in *policy.Input, p *policy.Policy, st *policy.Statement) bool {
	if p.Unknown != "" || st.Unknown != "" {
		return st.Effect == policy.Deny
	}
	if !naiveMatches(in, p, st) {
		return false
	}
	if st.Principal == nil {
		return true
	}
	if st.NotPrinc {
		return !naiveExcepted(in, st.Principal)
	}
	return len(naiveKinds(&in.Principal, st.Principal)) > 0
}

// naiveMatches compares action, resource and conditions.
func naiveMatches(in *policy.Input, p *policy.Policy, st *policy.Statement) bool {
	action := false
	for _, pattern := range st.Actions {
		action = action || naiveGlob(naiveWild(strings.ToLower(pattern)), strings.ToLower(in.Action))
	}
	if action == st.NotAction {
		return false
	}
	variables := p.Version == "2012-10-17"
	if len(st.Resources) > 0 {
		resource := false
		for _, pattern := range st.Resources {
			symbols, ok := naiveSubstitute(in, pattern, variables, true)
			resource = resource || ok && naiveGlob(naiveParts(symbols), in.Resource)
		}
		if resource == st.NotRes {
			return false
		}
	}
	for i := range st.Conditions {
		if !naiveCondition(in, &st.Conditions[i], variables) {
			return false
		}
	}
	return true
}

// naiveNamed tells in which ways allowing statements of the resource policy name
// the principal: "direct", "limited" by boundary and session, or through its
// "account".
func naiveNamed(in *policy.Input) map[string]bool {
	found := map[string]bool{}
	if in.ResourcePolicy == nil {
		return found
	}
	p := in.ResourcePolicy.Policy
	for i := range p.Statements {
		st := &p.Statements[i]
		if st.Effect != policy.Allow || !naiveApplies(in, p, st) || st.Principal == nil || st.NotPrinc {
			continue
		}
		names := *st.Principal
		if in.Principal.Type == policy.WebIdentity {
			names.Any = false // a trust policy names the provider that it trusts
		}
		for kind := range naiveKinds(&in.Principal, &names) {
			found[kind] = true
		}
	}
	return found
}

// naiveKinds tells in which ways a Principal element names a principal.
//
// Source: IAM User Guide, "How AWS enforcement code logic evaluates requests to
// allow or deny access", the table of resource-based policies and implicit denies.
func naiveKinds(p *policy.Principal, names *policy.Principals) map[string]bool {
	kinds := map[string]bool{}
	if names.Any {
		kinds["direct"] = true
	}
	for _, name := range names.AWS {
		for kind := range naiveKindsOfName(p, name) {
			kinds[kind] = true
		}
	}
	if p.Type == policy.Service && slices.Contains(names.Service, p.Service) {
		kinds["direct"] = true
	}
	if p.Type == policy.WebIdentity && slices.Contains(names.Federated, p.Provider) {
		kinds["direct"] = true
	}
	return kinds
}

func naiveKindsOfName(p *policy.Principal, name string) map[string]bool {
	kinds := map[string]bool{}
	if name == "*" {
		kinds["direct"] = true
	}
	switch p.Type {
	case policy.Root, policy.User, policy.Session, policy.Federated:
		if name == p.Account || name == "arn:aws:iam::"+p.Account+":root" {
			kinds["account"] = true
		}
	}
	isID := p.ID != "" && name == p.ID
	switch p.Type {
	case policy.User:
		if name == p.ARN || isID {
			kinds["direct"] = true
		}
	case policy.Session:
		if name == p.ARN {
			kinds["direct"] = true
		}
		if name == p.Role || isID {
			kinds["limited"] = true
		}
	case policy.Federated:
		if name == p.ARN {
			kinds["direct"] = true
		}
		if name == p.User && !strings.HasSuffix(name, ":root") || isID {
			kinds["limited"] = true
		}
	}
	return kinds
}

// naiveExcepted reports whether a NotPrincipal element leaves the principal out of
// a denial: the account, the role and the session must all be listed, and who has
// a boundary is never left out.
//
// Source: IAM User Guide, "AWS JSON policy elements: NotPrincipal".
func naiveExcepted(in *policy.Input, names *policy.Principals) bool {
	p := &in.Principal
	listed := func(name string) bool { return name != "" && slices.Contains(names.AWS, name) }
	if p.HasBoundary {
		return false
	}
	if names.Any {
		return true
	}
	account := listed(p.Account) || p.Account != "" && listed("arn:aws:iam::"+p.Account+":root")
	switch p.Type {
	case policy.Root:
		return account
	case policy.User:
		return account && (listed(p.ARN) || listed(p.ID))
	case policy.Session:
		return account && (listed(p.Role) || listed(p.ID)) && listed(p.ARN)
	case policy.Federated:
		return account && listed(p.ARN)
	case policy.Service:
		return slices.Contains(names.Service, p.Service)
	case policy.WebIdentity:
		return slices.Contains(names.Federated, p.Provider)
	}
	return false
}

// naiveGranted tells in which ways the grants of the key allow the principal the
// operation: as naiveNamed, and "service".
func naiveGranted(in *policy.Input) map[string]bool {
	found := map[string]bool{}
	for i := range in.Grants {
		g := &in.Grants[i]
		operation, ok := strings.CutPrefix(strings.ToLower(in.Action), "kms:")
		if !ok || !slices.ContainsFunc(g.Operations, func(o string) bool { return strings.ToLower(o) == operation }) {
			continue
		}
		if !naiveConstraints(in, g) {
			continue
		}
		if g.GranteeService != "" && in.Principal.Type == policy.Service && g.GranteeService == in.Principal.Service {
			found["service"] = true
		}
		if g.GranteePrincipal != "" && g.GranteePrincipal != "*" {
			for kind := range naiveKindsOfName(&in.Principal, g.GranteePrincipal) {
				found[kind] = true
			}
		}
	}
	return found
}

// naiveConstraints compares a grant's constraints with the request's encryption
// context, whose keys are compared without and whose values with regard to case.
//
// Source: AWS KMS API Reference, GrantConstraints.
func naiveConstraints(in *policy.Input, g *policy.Grant) bool {
	value := func(key string) (string, bool) {
		v, ok := naiveLookup(in, "kms:encryptioncontext:"+strings.ToLower(key))
		if !ok || len(v) != 1 {
			return "", false
		}
		return v[0], true
	}
	contains := func(pairs map[string]string) bool {
		for k, want := range pairs {
			if got, ok := value(k); !ok || got != want {
				return false
			}
		}
		return true
	}
	if g.SourceARN != "" {
		v, ok := naiveLookup(in, "aws:sourcearn")
		if !ok || len(v) != 1 || v[0] != g.SourceARN {
			return false
		}
	}
	switch strings.ToLower(in.Action) {
	case "kms:encrypt", "kms:decrypt", "kms:reencryptfrom", "kms:reencryptto", "kms:generatedatakey", "kms:generatedatakeywithoutplaintext",
		"kms:generatedatakeypair", "kms:generatedatakeypairwithoutplaintext":
	default:
		return true // the operation has no encryption context to constrain
	}
	if g.ContextSubset != nil && !contains(g.ContextSubset) {
		return false
	}
	if g.ContextEquals != nil {
		if !contains(g.ContextEquals) {
			return false
		}
		keys, _ := naiveLookup(in, "kms:encryptioncontextkeys")
		if len(keys) != len(g.ContextEquals) {
			return false
		}
	}
	return true
}

func naiveLookup(in *policy.Input, key string) ([]string, bool) {
	if in.Context == nil {
		return nil, false
	}
	return in.Context.Lookup(strings.ToLower(key), nil)
}
