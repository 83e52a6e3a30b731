package org

import (
	"context"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/meta"
	"coffer/internal/organization"
)

// AttachmentInput names a policy and a target.
type AttachmentInput struct {
	PolicyID string `json:"PolicyId"`
	TargetID string `json:"TargetId"`
}

// useAttachment authorizes an operation on a policy and a target, both of which have
// to be allowed.
func (s *Service) useAttachment(ctx context.Context, call *authz.Call, c *authn.Caller, action string, in *AttachmentInput) (*organization.Organization, error) {
	call.Param("policyId", in.PolicyID)
	call.Param("targetId", in.TargetID)
	var v checker
	v.id("PolicyId", in.PolicyID, patternPolicy)
	v.id("TargetId", in.TargetID, patternTarget)
	if err := v.err(); err != nil {
		return nil, err
	}
	return s.usePolicy(ctx, call, c, action, in.PolicyID, in.TargetID)
}

// AttachPolicyOutput is the answer of [Service.AttachPolicy].
type AttachPolicyOutput struct{}

// AttachPolicy attaches a policy to a root, an OU or an account. It takes effect at
// once on every account below.
//
// It returns a *awserr.Error with code
//
//   - InvalidInputException, PolicyNotFoundException, TargetNotFoundException,
//   - PolicyTypeNotEnabledException, DuplicatePolicyAttachmentException,
//   - ConstraintViolationException for one policy too many on the target,
//   - AWSOrganizationsNotInUseException or AccessDeniedException.
//
// Source: AWS Organizations API Reference, AttachPolicy.
func (s *Service) AttachPolicy(ctx context.Context, c *authn.Caller, in *AttachmentInput) (*AttachPolicyOutput, error) {
	return run(ctx, s, c, "AttachPolicy", changes, func(call *authz.Call) (*AttachPolicyOutput, error) {
		o, err := s.useAttachment(ctx, call, c, "AttachPolicy", in)
		if err != nil {
			return nil, err
		}
		if err := s.orgs.AttachPolicy(ctx, o.ID, in.PolicyID, in.TargetID, call.Record); err != nil {
			return nil, err
		}
		return &AttachPolicyOutput{}, nil
	})
}

// DetachPolicyOutput is the answer of [Service.DetachPolicy].
type DetachPolicyOutput struct{}

// DetachPolicy detaches a policy from a root, an OU or an account, which keeps at
// least one SCP, and RCPFullAWSAccess.
//
// It returns a *awserr.Error with code InvalidInputException,
// PolicyNotFoundException, TargetNotFoundException, PolicyNotAttachedException,
// ConstraintViolationException, AWSOrganizationsNotInUseException or
// AccessDeniedException.
//
// Source: AWS Organizations API Reference, DetachPolicy.
func (s *Service) DetachPolicy(ctx context.Context, c *authn.Caller, in *AttachmentInput) (*DetachPolicyOutput, error) {
	return run(ctx, s, c, "DetachPolicy", changes, func(call *authz.Call) (*DetachPolicyOutput, error) {
		o, err := s.useAttachment(ctx, call, c, "DetachPolicy", in)
		if err != nil {
			return nil, err
		}
		if err := s.orgs.DetachPolicy(ctx, o.ID, in.PolicyID, in.TargetID, call.Record); err != nil {
			return nil, err
		}
		return &DetachPolicyOutput{}, nil
	})
}

// ListPoliciesForTargetInput is the request of [Service.ListPoliciesForTarget].
type ListPoliciesForTargetInput struct {
	TargetID   string `json:"TargetId"`
	Filter     string `json:"Filter"`
	NextToken  string `json:"NextToken,omitempty"`
	MaxResults *int32 `json:"MaxResults"`
}

// ListPoliciesForTarget lists the policies of one type that are attached to a root,
// an OU or an account itself, by ID, 20 to a page.
//
// It returns a *awserr.Error with code InvalidInputException, NotImplemented for
// another type of policy, TargetNotFoundException, AWSOrganizationsNotInUseException
// or AccessDeniedException.
//
// Source: AWS Organizations API Reference, ListPoliciesForTarget.
func (s *Service) ListPoliciesForTarget(ctx context.Context, c *authn.Caller, in *ListPoliciesForTargetInput) (*ListPoliciesOutput, error) {
	return run(ctx, s, c, "ListPoliciesForTarget", reads, func(call *authz.Call) (*ListPoliciesOutput, error) {
		call.Param("targetId", in.TargetID)
		call.Param("filter", in.Filter)
		var v checker
		v.id("TargetId", in.TargetID, patternTarget)
		v.policyType("Filter", in.Filter)
		v.page(in.MaxResults, in.NextToken)
		if err := v.err(); err != nil {
			return nil, err
		}
		t := organization.PolicyType(in.Filter)
		o, err := s.use(ctx, call, c, "ListPoliciesForTarget", management, policyType(t), targets(in.TargetID))
		if err != nil {
			return nil, err
		}
		list, err := s.orgs.PoliciesOf(ctx, o.ID, in.TargetID, t)
		if err != nil {
			return nil, err
		}
		return policyPage(o, list, in.MaxResults, in.NextToken)
	})
}

// PolicyTargetSummary names what a policy is attached to.
type PolicyTargetSummary struct {
	TargetID string `json:"TargetId"`
	ARN      string `json:"Arn"`
	Name     string `json:"Name"`
	Type     string `json:"Type"`
}

// ListTargetsForPolicyInput is the request of [Service.ListTargetsForPolicy].
type ListTargetsForPolicyInput struct {
	PolicyID   string `json:"PolicyId"`
	NextToken  string `json:"NextToken,omitempty"`
	MaxResults *int32 `json:"MaxResults"`
}

// ListTargetsForPolicyOutput is the answer of [Service.ListTargetsForPolicy].
type ListTargetsForPolicyOutput struct {
	Targets   []PolicyTargetSummary `json:"Targets"`
	NextToken string                `json:"NextToken,omitempty"`
}

// ListTargetsForPolicy lists what a policy is attached to by ID, 20 to a page.
//
// It returns a *awserr.Error with code InvalidInputException,
// PolicyNotFoundException, AWSOrganizationsNotInUseException or
// AccessDeniedException.
//
// Source: AWS Organizations API Reference, ListTargetsForPolicy.
func (s *Service) ListTargetsForPolicy(ctx context.Context, c *authn.Caller, in *ListTargetsForPolicyInput) (*ListTargetsForPolicyOutput, error) {
	return run(ctx, s, c, "ListTargetsForPolicy", reads, func(call *authz.Call) (*ListTargetsForPolicyOutput, error) {
		var v checker
		v.page(in.MaxResults, in.NextToken)
		if err := v.policyID(call, in.PolicyID); err != nil {
			return nil, err
		}
		o, err := s.usePolicy(ctx, call, c, "ListTargetsForPolicy", in.PolicyID)
		if err != nil {
			return nil, err
		}
		list, err := s.orgs.Targets(ctx, o.ID, in.PolicyID)
		if err != nil {
			return nil, err
		}
		page, next, err := cut(list, func(t organization.Target) string { return t.ID }, "targets", in.MaxResults, in.NextToken)
		if err != nil {
			return nil, err
		}
		out := &ListTargetsForPolicyOutput{Targets: []PolicyTargetSummary{}, NextToken: next}
		for _, t := range page {
			out.Targets = append(out.Targets, PolicyTargetSummary{t.ID, targetARN(o, t.ID), t.Name, typeOf(t.ID)})
		}
		return out, nil
	})
}

// PolicyTypeInput names a root and a type of policy.
type PolicyTypeInput struct {
	RootID     string `json:"RootId"`
	PolicyType string `json:"PolicyType"`
}

// PolicyTypeOutput is the answer of the operations on a type of policy.
type PolicyTypeOutput struct {
	Root Root `json:"Root"`
}

// A switching is the domain's way to turn a type of policy on or off.
type switching func(ctx context.Context, org, root string, t organization.PolicyType, also func(meta.Txn, *organization.Organization) error) (*organization.Organization, error)

func (s *Service) switchType(ctx context.Context, c *authn.Caller, action string, in *PolicyTypeInput, act switching) (*PolicyTypeOutput, error) {
	return run(ctx, s, c, action, changes, func(call *authz.Call) (*PolicyTypeOutput, error) {
		call.Param("rootId", in.RootID)
		call.Param("policyType", in.PolicyType)
		var v checker
		v.id("RootId", in.RootID, patternRoot)
		v.policyType("PolicyType", in.PolicyType)
		if err := v.err(); err != nil {
			return nil, err
		}
		t := organization.PolicyType(in.PolicyType)
		o, err := s.use(ctx, call, c, action, management, policyType(t), targets(in.RootID))
		if err != nil {
			return nil, err
		}
		o, err = act(ctx, o.ID, in.RootID, t, func(tx meta.Txn, o *organization.Organization) error {
			r := rootOf(o)
			types := []any{}
			for _, t := range r.PolicyTypes {
				types = append(types, map[string]any{"type": t.Type, "status": t.Status})
			}
			call.Response("root", map[string]any{"id": r.ID, "arn": r.ARN, "name": r.Name, "policyTypes": types})
			return call.Record(tx)
		})
		if err != nil {
			return nil, err
		}
		return &PolicyTypeOutput{rootOf(o)}, nil
	})
}

// EnablePolicyType turns a type of policy on. The root, every OU and every account
// get AWS's policy of the type, which lets everything pass.
//
// It returns a *awserr.Error with code InvalidInputException, NotImplemented for
// another type of policy, RootNotFoundException, PolicyTypeAlreadyEnabledException,
// AWSOrganizationsNotInUseException or AccessDeniedException.
//
// Source: AWS Organizations API Reference, EnablePolicyType.
func (s *Service) EnablePolicyType(ctx context.Context, c *authn.Caller, in *PolicyTypeInput) (*PolicyTypeOutput, error) {
	return s.switchType(ctx, c, "EnablePolicyType", in, s.orgs.EnableType)
}

// DisablePolicyType turns a type of policy off, and detaches its policies from
// everything; they stay.
//
// It returns a *awserr.Error with code InvalidInputException, NotImplemented for
// another type of policy, RootNotFoundException, PolicyTypeNotEnabledException,
// AWSOrganizationsNotInUseException or AccessDeniedException.
//
// Source: AWS Organizations API Reference, DisablePolicyType.
func (s *Service) DisablePolicyType(ctx context.Context, c *authn.Caller, in *PolicyTypeInput) (*PolicyTypeOutput, error) {
	return s.switchType(ctx, c, "DisablePolicyType", in, s.orgs.DisableType)
}
