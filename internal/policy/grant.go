package policy

import "strings"

// grants looks for grants on the key that cover the request. A grant adds to what
// the key policy allows, and names its grantee as a policy names a principal, so
// that boundary and session of a role limit it in the same way.
//
// Source: KMS Developer Guide, "Grants in AWS KMS" and "Creating grants", read
// 2026-11-21.
func (e *evaluator) grants(a *answers) {
	for i := range e.in.Grants {
		g := &e.in.Grants[i]
		how := reach(0)
		if e.grantCovers(g) {
			how = g.names(&e.in.Principal)
		}
		if how == 0 {
			continue
		}
		a.resource.reach |= how
		if a.grant < 0 {
			a.grant = i
		}
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

func (e *evaluator) grantCovers(g *Grant) bool {
	if string(e.service) != "kms" {
		return false
	}
	listed := false
	for _, op := range g.Operations {
		listed = listed || strings.EqualFold(op, string(e.name))
	}
	if !listed {
		return false
	}
	if g.SourceARN != "" && !e.is("aws:sourcearn", g.SourceARN) {
		return false
	}
	if g.ContextEquals == nil && g.ContextSubset == nil || !encryptionContextOperations[string(e.name)] {
		return true
	}
	if g.ContextEquals != nil {
		e.values = e.lookup("kms:encryptioncontextkeys", e.values)
		if len(e.values) != len(g.ContextEquals) {
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
	e.values = e.lookup(key, e.values)
	return len(e.values) == 1 && e.values[0] == value
}
