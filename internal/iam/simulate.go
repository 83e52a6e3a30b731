package iam

import (
	"context"
	"fmt"

	"coffer/internal/authn"
	"coffer/internal/policy"
)

// A ContextEntry gives a condition key to a simulation.
type ContextEntry struct {
	ContextKeyName   string
	ContextKeyValues []string
	ContextKeyType   string
}

// A Simulation holds what both simulations ask.
type Simulation struct {
	PolicyInputList                    []string
	PermissionsBoundaryPolicyInputList []string
	ActionNames                        []string
	ResourceARNs                       []string `query:"ResourceArns"` // "*" if empty
	ResourcePolicy                     *string
	ResourceOwner                      *string
	CallerARN                          *string `query:"CallerArn"`
	ContextEntries                     []ContextEntry
	ResourceHandlingOption             *string
	Paging
}

// SimulateCustomPolicyInput is the request of [Service.SimulateCustomPolicy].
type SimulateCustomPolicyInput struct{ Simulation }

// SimulatePrincipalPolicyInput is the request of [Service.SimulatePrincipalPolicy].
type SimulatePrincipalPolicyInput struct {
	PolicySourceARN string `query:"PolicySourceArn"` // of a user, a group or a role
	Simulation
}

// SimulateOutput is the answer to a simulation: one result for each action on each
// resource.
type SimulateOutput struct {
	EvaluationResults []EvaluationResult
	Paged
}

// An EvaluationResult is the decision about one action on one resource.
type EvaluationResult struct {
	EvalActionName                    string
	EvalResourceName                  string
	EvalDecision                      string // "allowed", "explicitDeny" or "implicitDeny"
	MatchedStatements                 []MatchedStatement
	MissingContextValues              []string
	OrganizationsDecisionDetail       *OrganizationsDecisionDetail
	PermissionsBoundaryDecisionDetail *PermissionsBoundaryDecisionDetail
	EvalDecisionDetails               map[string]string        `query:",omitempty"` // across accounts
	ResourceSpecificResults           []ResourceSpecificResult `query:",omitempty"` // unless the resource is "*"
}

// A ResourceSpecificResult says the same of the resource.
type ResourceSpecificResult struct {
	EvalResourceName                  string
	EvalResourceDecision              string
	MatchedStatements                 []MatchedStatement
	MissingContextValues              []string
	EvalDecisionDetails               map[string]string `query:",omitempty"`
	PermissionsBoundaryDecisionDetail *PermissionsBoundaryDecisionDetail
}

// OrganizationsDecisionDetail tells what the service control policies say.
type OrganizationsDecisionDetail struct{ AllowedByOrganizations bool }

// PermissionsBoundaryDecisionDetail tells what the permissions boundary says.
type PermissionsBoundaryDecisionDetail struct{ AllowedByPermissionsBoundary bool }

// A MatchedStatement is a statement that made the decision.
type MatchedStatement struct {
	SourcePolicyID   string `query:"SourcePolicyId"`
	SourcePolicyType string
	StartPosition    Position
	EndPosition      Position
}

// A Position is a place in the text of a policy, from 1.
type Position struct{ Line, Column int32 }

// Decisions and types of policies in the answers to simulations.
const (
	simulatedAllow        = "allowed"
	simulatedDeny         = "explicitDeny"
	simulatedImplicitDeny = "implicitDeny"

	sourceIdentity = "IAM Policy"
	sourceResource = "Resource Policy"
)

// Bounds of one simulation. A page holds as many results as work allows, at least
// one: AWS too may return fewer than are asked for.
const (
	maxSimulated      = 100     // policies in a list
	maxContextEntries = 1000    // in the request
	maxSimulatedWork  = 200_000 // statements looked at for one page
)

// SimulateCustomPolicy decides actions by the policies of the request, and by
// nothing else.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput or
// AccessDenied, and NotImplemented for a ResourceHandlingOption.
//
// Source: IAM API Reference, SimulateCustomPolicy, read 2026-11-21.
func (s *Service) SimulateCustomPolicy(ctx context.Context, c *authn.Caller, in *SimulateCustomPolicyInput) (*SimulateOutput, error) {
	return run(ctx, s, c, "SimulateCustomPolicy", in, func(v *checker) {
		v.list("policyInputList", len(in.PolicyInputList) == 0)
		v.simulation(&in.Simulation)
	}, func(o *op) (*SimulateOutput, error) {
		if err := o.ask(ctx, "*", nil); err != nil {
			return nil, err
		}
		m := &simulator{Service: s, account: c.Account}
		m.principal = policy.Principal{Type: policy.User, Account: c.Account, ARN: iamARN(o, "user/simulated")}
		return m.run(ctx, &in.Simulation)
	})
}

// SimulatePrincipalPolicy decides actions by the policies of a user, a group or a
// role, and by those of the request.
//
// Its errors are those of SimulateCustomPolicy, and NoSuchEntity.
//
// Source: IAM API Reference, SimulatePrincipalPolicy, read 2026-11-21.
func (s *Service) SimulatePrincipalPolicy(ctx context.Context, c *authn.Caller, in *SimulatePrincipalPolicyInput) (*SimulateOutput, error) {
	return run(ctx, s, c, "SimulatePrincipalPolicy", in, func(v *checker) {
		v.arn("policySourceArn", in.PolicySourceARN)
		v.simulation(&in.Simulation)
	}, func(o *op) (*SimulateOutput, error) {
		m, err := s.simulate(ctx, o, in.PolicySourceARN)
		if err != nil {
			return nil, err
		}
		return m.run(ctx, &in.Simulation)
	})
}

// simulation checks the shape of what a simulation asks.
func (v *checker) simulation(in *Simulation) {
	v.documents("policyInputList", in.PolicyInputList)
	v.documents("permissionsBoundaryPolicyInputList", in.PermissionsBoundaryPolicyInputList)
	v.list("actionNames", len(in.ActionNames) == 0)
	for i, name := range in.ActionNames {
		v.text(fmt.Sprintf("actionNames.%d.member", i+1), name, 3, 128, "", nil)
	}
	for i, name := range in.ResourceARNs {
		v.text(fmt.Sprintf("resourceArns.%d.member", i+1), name, 1, 2048, "", nil)
	}
	if in.ResourcePolicy != nil {
		v.document("resourcePolicy", *in.ResourcePolicy)
	}
	for i, e := range in.ContextEntries {
		v.text(fmt.Sprintf("contextEntries.%d.member.contextKeyName", i+1), e.ContextKeyName, 5, 256, "", nil)
		v.oneOf(fmt.Sprintf("contextEntries.%d.member.contextKeyType", i+1), &e.ContextKeyType, contextKeyTypes...)
	}
	v.page(&in.Paging)
}

func (v *checker) documents(member string, list []string) {
	for i, text := range list {
		v.document(fmt.Sprintf("%s.%d.member", member, i+1), text)
	}
}
