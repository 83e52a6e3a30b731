package policy

import (
	"slices"
	"strings"
)

// grants looks for grants on the key that cover the request. A grant adds to what
// the key policy allows, and names its grantee as a policy names a principal, so
// that boundary and session of a role limit it in the same way. Unlike a policy, it
// needs nothing from the account of a grantee in another account: service-linked
// roles, whose policies say nothing of KMS, use keys of other accounts by grants
// alone.
//
// Sources: KMS Developer Guide, "Grants in AWS KMS" and "Creating grants"; Amazon EC2
// Auto Scaling User Guide, "Required AWS KMS key policy for use with encrypted
// volumes"; read 2026-11-21.
func (e *evaluator) grants(a *answers) {
	for i := range e.in.Grants {
		g := &e.in.Grants[i]
		if e.grantCovers(g) {
			a.grants.add(g.names(&e.in.Principal), place{0, i})
		}
	}
	if e.slow != nil {
		e.slow.level = 0
		e.slow.layer(LayerGrant, len(e.in.Grants), &a.grants)
	}
}

// names tells how g names p; 0 means not at all.
func (g *Grant) names(p *Principal) reach {
	var how reach
	if g.GranteePrincipal != "" {
		if v, problem := compileAWS(g.GranteePrincipal); problem == "" {
			how = v.named(p)
		}
	}
	if g.GranteeService != "" && p.Type == Service && p.Service == g.GranteeService {
		how |= reachWhole
	}
	return how
}

// encryptionContextOperations are the operations that carry an encryption context.
// The constraints on it hold for these only.
//
// Source: KMS API Reference, GrantConstraints, read 2026-11-21.
var encryptionContextOperations = map[string]bool{
	"encrypt": true, "decrypt": true, "reencryptfrom": true, "reencryptto": true,
	"generatedatakey": true, "generatedatakeywithoutplaintext": true,
	"generatedatakeypair": true, "generatedatakeypairwithoutplaintext": true,
}

// grantLists reports whether g is for the operation that is asked for.
func (e *evaluator) grantLists(g *Grant) bool {
	return string(e.service) == "kms" && slices.ContainsFunc(g.Operations, func(op string) bool {
		return strings.EqualFold(op, string(e.name))
	})
}

// grantCovers reports whether g is for the operation and its constraints are met.
func (e *evaluator) grantCovers(g *Grant) bool {
	if !e.grantLists(g) {
		return false
	}
	if g.SourceARN != "" && !e.is("aws:sourcearn", g.SourceARN) {
		return false
	}
	if g.ContextEquals == nil && g.ContextSubset == nil || !encryptionContextOperations[string(e.name)] {
		return true
	}
	if g.ContextEquals != nil {
		if len(e.lookup("kms:encryptioncontextkeys")) != len(g.ContextEquals) {
			return false
		}
	}
	return e.contextHas(g.ContextEquals) && e.contextHas(g.ContextSubset)
}

// contextHas reports whether the request's encryption context has all pairs. Case
// matters in values and not in keys.
func (e *evaluator) contextHas(pairs map[string]string) bool {
	for k, v := range pairs {
		if !e.is("kms:encryptioncontext:"+lowerKey(k), v) {
			return false
		}
	}
	return true
}

// is reports whether the request has a key with one value, and this one.
func (e *evaluator) is(key, value string) bool {
	values := e.lookup(key)
	return len(values) == 1 && values[0] == value
}
