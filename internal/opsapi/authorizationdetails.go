package opsapi

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/authz"
	"coffer/internal/policy"
)

// authorizationDetails is the answer of GetRequestAuthorizationDetails. There is one
// evaluation: the one that denied.
//
// Source of this and of the following: IAM Toolbox API Reference,
// GetRequestAuthorizationDetails and "Data Types", read 2026-11-22.
type authorizationDetails struct {
	// RequestContext has the condition keys of the request: a string, or a list of
	// several.
	RequestContext map[string]any `json:"requestContext"`
	Evaluations    []evaluation   `json:"evaluations"`
	Policies       []policyInfo   `json:"policies"`
}

type evaluation struct {
	Action          string          `json:"action"`
	Resource        string          `json:"resource"`        // empty for an action without one
	EvaluatedEffect string          `json:"evaluatedEffect"` // "EXPLICIT_DENY" or "IMPLICIT_DENY"
	MatchedPolicies []matchedPolicy `json:"matchedPolicies"` // none for an implicit denial
}

type matchedPolicy struct {
	URI               string             `json:"uri"`
	MatchedStatements []matchedStatement `json:"matchedStatements"`
}

type matchedStatement struct {
	Sid             string `json:"sid"`             // "[0]" for the first statement, if it has none
	EvaluatedEffect string `json:"evaluatedEffect"` // "ALLOW" or "DENY"
}

type policyInfo struct {
	Type       string       `json:"type"`
	Inline     bool         `json:"inline"`
	URI        string       `json:"uri"` // ARN of a managed policy; otherwise a name without a meaning
	AttachedTo []attachedTo `json:"attachedTo,omitempty"`
}

type attachedTo struct {
	ARN string `json:"arn"`
}

// policyTypes are the kinds of policies that the IAM Toolbox knows.
var policyTypes = map[policy.Layer]string{
	policy.LayerIdentity: "IDENTITY_BASED_POLICY", policy.LayerResource: "RESOURCE_BASED_POLICY", policy.LayerTrust: "RESOURCE_BASED_POLICY",
	policy.LayerBoundary: "PERMISSIONS_BOUNDARY", policy.LayerSession: "SESSION_POLICY", policy.LayerSCP: "SERVICE_CONTROL_POLICY",
	policy.LayerRCP: "RESOURCE_CONTROL_POLICY", policy.LayerEndpoint: "VPC_ENDPOINT_POLICY",
}

// detailsOf returns an explanation as the IAM Toolbox has it.
func detailsOf(x *authz.Explanation) *authorizationDetails {
	out := &authorizationDetails{RequestContext: make(map[string]any, len(x.Context)), Policies: []policyInfo{}}
	for key, values := range x.Context {
		if len(values) == 1 {
			out.RequestContext[key] = values[0]
		} else {
			out.RequestContext[key] = values
		}
	}
	e := evaluation{Action: x.Action, Resource: x.Resource, EvaluatedEffect: "IMPLICIT_DENY", MatchedPolicies: []matchedPolicy{}}
	if e.Resource == "*" {
		e.Resource = ""
	}
	if x.Evaluation == nil {
		out.Evaluations = []evaluation{e}
		return out
	}
	explicit := x.Evaluation.Decision.Explicit
	if explicit {
		e.EvaluatedEffect = "EXPLICIT_DENY"
	}
	seen := make(map[string]bool)
	for i := range x.Evaluation.Policies {
		p := &x.Evaluation.Policies[i]
		info := infoOf(x, p, i)
		if seen[info.Type+info.URI] { // attached twice, such as at two levels
			continue
		}
		seen[info.Type+info.URI] = true
		out.Policies = append(out.Policies, info)
		if matched := matchedIn(p); explicit && len(matched) > 0 {
			e.MatchedPolicies = append(e.MatchedPolicies, matchedPolicy{info.URI, matched})
		}
	}
	out.Evaluations = []evaluation{e}
	return out
}

// matchedIn returns the statements of a policy that apply.
func matchedIn(p *policy.PolicyExplanation) []matchedStatement {
	var list []matchedStatement
	for _, s := range p.Statements {
		if !s.Applies {
			continue
		}
		sid := s.Sid
		if sid == "" {
			sid = fmt.Sprintf("[%d]", s.Index)
		}
		list = append(list, matchedStatement{sid, strings.ToUpper(string(s.Effect))})
	}
	return list
}

// infoOf returns what is known of the policy at place i of an explanation. To which
// root, unit or account the policies of an organization are attached is not kept.
func infoOf(x *authz.Explanation, p *policy.PolicyExplanation, i int) policyInfo {
	info := policyInfo{Type: policyTypes[p.Layer], URI: p.Name}
	if !isManaged(p.Name) {
		h := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%s\x00%s", x.ID, i, p.Layer, p.Name))
		info.Inline, info.URI = true, hex.EncodeToString(h[:16])
	}
	switch p.Layer {
	case policy.LayerIdentity, policy.LayerBoundary, policy.LayerSession:
		principal := x.Principal
		if own := x.Context["aws:PrincipalArn"]; len(own) == 1 {
			principal = own[0]
		}
		info.AttachedTo = []attachedTo{{principal}}
	case policy.LayerResource, policy.LayerTrust:
		resource := x.Resource
		if strings.HasPrefix(p.Name, "arn:") { // the bucket of an object
			resource = p.Name
		}
		info.AttachedTo = []attachedTo{{resource}}
	}
	return info
}

// isManaged reports whether a policy's name is the ARN of a managed policy, or of one
// of an organization.
func isManaged(name string) bool {
	a, err := arn.Parse(name)
	return err == nil && (a.Service == "iam" || a.Service == "organizations") && strings.HasPrefix(a.Resource, "policy/")
}
