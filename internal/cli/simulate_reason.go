package cli

import (
	"slices"
	"strconv"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/policy"
)

// reason says why a case was decided as it was, in one of a few sentences.
func reason(in *policy.Input, d *policy.Decision) string {
	switch {
	case d.Explicit:
		return explicitDeny[d.Layer]
	case d.Allowed:
		if d.Cross && d.Layer != policy.LayerGrant {
			return "allowed by both accounts"
		}
		return allowedBy[d.Layer]
	}
	if d.Layer == policy.LayerResource && d.Cross {
		return "the resource's account does not allow"
	}
	if d.Layer == policy.LayerIdentity && d.Cross {
		return "the principal's account does not allow"
	}
	if text, ok := notAllowedBy[d.Layer]; ok {
		return text
	}
	return "nothing allows"
}

var explicitDeny = map[policy.Layer]string{
	policy.LayerRCP:      "explicit deny in a resource control policy",
	policy.LayerSCP:      "explicit deny in a service control policy",
	policy.LayerEndpoint: "explicit deny in a VPC endpoint policy",
	policy.LayerResource: "explicit deny in the resource-based policy",
	policy.LayerTrust:    "explicit deny in the role trust policy",
	policy.LayerIdentity: "explicit deny in an identity-based policy",
	policy.LayerBoundary: "explicit deny in the permissions boundary",
	policy.LayerSession:  "explicit deny in the session policy",
}

// layerFree is the layer of an action that needs no permission.
const layerFree policy.Layer = "no permission"

// isFree reports whether every identity may do the action, whatever policies say.
//
// Source: STS API Reference, GetCallerIdentity, read 2026-11-21.
func isFree(in *policy.Input) bool {
	return in.Principal.Account != "" && strings.EqualFold(in.Action, "sts:GetCallerIdentity")
}

var allowedBy = map[policy.Layer]string{
	policy.LayerResource: "allowed by the resource-based policy",
	policy.LayerTrust:    "allowed by the role trust policy",
	policy.LayerIdentity: "allowed by an identity-based policy",
	policy.LayerGrant:    "allowed by a grant",
	policy.LayerRoot:     "allowed to the root user",
	layerFree:            "no permission is needed",
}

var notAllowedBy = map[policy.Layer]string{
	policy.LayerSCP:      "no service control policy of one level allows",
	policy.LayerEndpoint: "no VPC endpoint policy allows",
	policy.LayerResource: "the resource-based policy does not allow",
	policy.LayerTrust:    "the role trust policy does not allow",
	policy.LayerIdentity: "no identity-based policy allows",
	policy.LayerBoundary: "the permissions boundary does not allow",
	policy.LayerSession:  "the session policy does not allow",
	policy.LayerPublic:   "Block Public Access",
}

// appendStatements appends the statements that decided: the Deny, or the Allow, or
// both Allows where one alone is not enough.
func appendStatements(b []byte, in *policy.Input, d *policy.Decision) []byte {
	if d.Match.Policy == "" {
		return b
	}
	b = appendStatement(b, &d.Match)
	if d.Allowed && needsIdentity(in, d) {
		if m, ok := identityAllow(in); ok {
			b = append(b, ',')
			b = appendStatement(b, &m)
		}
	}
	return b
}

// needsIdentity reports whether what allowed only opens the resource to an account,
// which has to allow by itself.
func needsIdentity(in *policy.Input, d *policy.Decision) bool {
	p := &in.Principal
	if p.Account == "" || p.Type == policy.Root {
		return false
	}
	if d.Layer == policy.LayerGrant {
		return slices.ContainsFunc(in.Grants, func(g policy.Grant) bool {
			return g.ID == d.Match.Policy && isAccountName(g.GranteePrincipal, p.Account)
		})
	}
	if d.Cross {
		return d.Layer != policy.LayerIdentity
	}
	if d.Layer != policy.LayerResource && d.Layer != policy.LayerTrust {
		return false
	}
	names := in.ResourcePolicy.Policy.Statements[d.Match.Index].Principal
	return names != nil && !names.Any && slices.ContainsFunc(names.AWS, func(name string) bool { return isAccountName(name, p.Account) }) &&
		!slices.ContainsFunc(names.AWS, func(name string) bool { return name == p.ARN || name == p.Role || name == p.User })
}

func isAccountName(name, account string) bool {
	return name == account || name == arn.Root(account)
}

// identityAllow returns the first statement of an identity-based policy that allows.
func identityAllow(in *policy.Input) (policy.Match, bool) {
	for _, p := range policy.Explain(in).Policies {
		if p.Layer != policy.LayerIdentity {
			continue
		}
		for _, st := range p.Statements {
			if st.Applies && st.Effect == policy.Allow {
				return policy.Match{Layer: p.Layer, Policy: p.Name, Index: st.Index, Sid: st.Sid, Effect: st.Effect}, true
			}
		}
	}
	return policy.Match{}, false
}

func appendStatement(b []byte, m *policy.Match) []byte {
	b = append(b, `{"policy":`...)
	b = appendJSON(b, m.Policy)
	b = append(b, `,"index":`...)
	b = strconv.AppendInt(b, int64(m.Index), 10)
	b = append(b, `,"sid":`...)
	b = appendJSON(b, m.Sid)
	b = append(b, `,"effect":`...)
	b = appendJSON(b, string(m.Effect))
	return append(b, '}')
}
