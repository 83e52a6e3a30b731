package iam

import (
	"context"
	"strings"

	"coffer/internal/authn"
	"coffer/internal/identity"
)

// An AttachedPolicy names a managed policy that is attached.
type AttachedPolicy struct {
	PolicyName string
	PolicyARN  string `query:"PolicyArn"`
}

// attach attaches a managed policy to the user, group or role of a name.
func (s *Service) attach(ctx context.Context, o *op, find finder, name, policyARN string) error {
	t, err := s.useAttachment(ctx, o, find, name, policyARN)
	if err != nil {
		return err
	}
	return t.about(s.identity.Attach(ctx, t.entity(o), policyARN, o.Record), "attaching", policyARN, "policy", policyARN)
}

// detach ends an attachment.
func (s *Service) detach(ctx context.Context, o *op, find finder, name, policyARN string) error {
	t, err := s.useAttachment(ctx, o, find, name, policyARN)
	if err != nil {
		return err
	}
	return t.about(s.identity.Detach(ctx, t.entity(o), policyARN, o.Record), "policy", policyARN)
}

// useAttachment authorizes a change of what is attached.
func (s *Service) useAttachment(ctx context.Context, o *op, find finder, name, policyARN string) (*target, error) {
	if err := checkPolicyARN(policyARN); err != nil {
		return nil, err
	}
	t, err := find(ctx, o, name)
	if err != nil {
		return nil, err
	}
	return t, o.useBounded(ctx, t, policyKey(policyARN))
}

// attached lists the managed policies of the user, group or role of a name.
func (s *Service) attached(ctx context.Context, o *op, find finder, name string, pathPrefix *string, p *Paging) ([]AttachedPolicy, Paged, error) {
	t, err := find(ctx, o, name)
	if err != nil {
		return nil, Paged{}, err
	}
	if err := o.use(ctx, t); err != nil {
		return nil, Paged{}, err
	}
	all, err := s.identity.Attached(ctx, t.entity(o))
	if err != nil {
		return nil, Paged{}, t.about(err)
	}
	var list []identity.Attachment
	for _, a := range all {
		if strings.HasPrefix(a.Path, or(pathPrefix, "")) {
			list = append(list, a)
		}
	}
	page, more, err := cut(p, "attached", list, func(a identity.Attachment) string { return a.ARN })
	return each(page, func(a identity.Attachment) AttachedPolicy { return AttachedPolicy{a.Name, a.ARN} }), more, err
}

// AttachUserPolicyInput is the request of [Service.AttachUserPolicy].
type AttachUserPolicyInput struct {
	UserName  string
	PolicyARN string `query:"PolicyArn"`
}

// AttachUserPolicy attaches a managed policy to a user; one that is attached stays so.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput,
// AccessDenied, NoSuchEntity or LimitExceeded.
//
// Source: IAM API Reference, AttachUserPolicy, read 2026-11-21.
func (s *Service) AttachUserPolicy(ctx context.Context, c *authn.Caller, in *AttachUserPolicyInput) error {
	return do(ctx, s, c, "AttachUserPolicy", in, func(v *checker) {
		v.name("userName", in.UserName, maxUserName)
		v.arn("policyArn", in.PolicyARN)
	}, func(o *op) error { return s.attach(ctx, o, s.findUser, in.UserName, in.PolicyARN) })
}

// DetachUserPolicyInput is the request of [Service.DetachUserPolicy].
type DetachUserPolicyInput struct {
	UserName  string
	PolicyARN string `query:"PolicyArn"`
}

// DetachUserPolicy takes a managed policy from a user.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput, AccessDenied
// or NoSuchEntity.
//
// Source: IAM API Reference, DetachUserPolicy, read 2026-11-21.
func (s *Service) DetachUserPolicy(ctx context.Context, c *authn.Caller, in *DetachUserPolicyInput) error {
	return do(ctx, s, c, "DetachUserPolicy", in, func(v *checker) {
		v.name("userName", in.UserName, maxUserName)
		v.arn("policyArn", in.PolicyARN)
	}, func(o *op) error { return s.detach(ctx, o, s.findUser, in.UserName, in.PolicyARN) })
}

// ListAttachedUserPoliciesInput is the request of [Service.ListAttachedUserPolicies].
type ListAttachedUserPoliciesInput struct {
	UserName   string
	PathPrefix *string
	Paging
}

// ListAttachedUserPoliciesOutput is the answer of [Service.ListAttachedUserPolicies].
type ListAttachedUserPoliciesOutput struct {
	AttachedPolicies []AttachedPolicy
	Paged
}

// ListAttachedUserPolicies lists the managed policies of a user in the order of
// their names.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, ListAttachedUserPolicies, read 2026-11-21.
func (s *Service) ListAttachedUserPolicies(ctx context.Context, c *authn.Caller, in *ListAttachedUserPoliciesInput) (*ListAttachedUserPoliciesOutput, error) {
	return run(ctx, s, c, "ListAttachedUserPolicies", in, func(v *checker) {
		v.name("userName", in.UserName, maxUserName)
		v.pathPrefix(in.PathPrefix)
		v.page(&in.Paging)
	}, func(o *op) (*ListAttachedUserPoliciesOutput, error) {
		list, more, err := s.attached(ctx, o, s.findUser, in.UserName, in.PathPrefix, &in.Paging)
		return &ListAttachedUserPoliciesOutput{list, more}, err
	})
}

// AttachGroupPolicyInput is the request of [Service.AttachGroupPolicy].
type AttachGroupPolicyInput struct {
	GroupName string
	PolicyARN string `query:"PolicyArn"`
}

// AttachGroupPolicy attaches a managed policy to a group; one that is attached stays so.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput,
// AccessDenied, NoSuchEntity or LimitExceeded.
//
// Source: IAM API Reference, AttachGroupPolicy, read 2026-11-21.
func (s *Service) AttachGroupPolicy(ctx context.Context, c *authn.Caller, in *AttachGroupPolicyInput) error {
	return do(ctx, s, c, "AttachGroupPolicy", in, func(v *checker) {
		v.name("groupName", in.GroupName, maxGroupName)
		v.arn("policyArn", in.PolicyARN)
	}, func(o *op) error { return s.attach(ctx, o, s.findGroup, in.GroupName, in.PolicyARN) })
}

// DetachGroupPolicyInput is the request of [Service.DetachGroupPolicy].
type DetachGroupPolicyInput struct {
	GroupName string
	PolicyARN string `query:"PolicyArn"`
}

// DetachGroupPolicy takes a managed policy from a group.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput, AccessDenied
// or NoSuchEntity.
//
// Source: IAM API Reference, DetachGroupPolicy, read 2026-11-21.
func (s *Service) DetachGroupPolicy(ctx context.Context, c *authn.Caller, in *DetachGroupPolicyInput) error {
	return do(ctx, s, c, "DetachGroupPolicy", in, func(v *checker) {
		v.name("groupName", in.GroupName, maxGroupName)
		v.arn("policyArn", in.PolicyARN)
	}, func(o *op) error { return s.detach(ctx, o, s.findGroup, in.GroupName, in.PolicyARN) })
}

// ListAttachedGroupPoliciesInput is the request of [Service.ListAttachedGroupPolicies].
type ListAttachedGroupPoliciesInput struct {
	GroupName  string
	PathPrefix *string
	Paging
}

// ListAttachedGroupPoliciesOutput is the answer of [Service.ListAttachedGroupPolicies].
type ListAttachedGroupPoliciesOutput struct {
	AttachedPolicies []AttachedPolicy
	Paged
}

// ListAttachedGroupPolicies lists the managed policies of a group in the order of
// their names.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, ListAttachedGroupPolicies, read 2026-11-21.
func (s *Service) ListAttachedGroupPolicies(ctx context.Context, c *authn.Caller, in *ListAttachedGroupPoliciesInput) (*ListAttachedGroupPoliciesOutput, error) {
	return run(ctx, s, c, "ListAttachedGroupPolicies", in, func(v *checker) {
		v.name("groupName", in.GroupName, maxGroupName)
		v.pathPrefix(in.PathPrefix)
		v.page(&in.Paging)
	}, func(o *op) (*ListAttachedGroupPoliciesOutput, error) {
		list, more, err := s.attached(ctx, o, s.findGroup, in.GroupName, in.PathPrefix, &in.Paging)
		return &ListAttachedGroupPoliciesOutput{list, more}, err
	})
}

// AttachRolePolicyInput is the request of [Service.AttachRolePolicy].
type AttachRolePolicyInput struct {
	RoleName  string
	PolicyARN string `query:"PolicyArn"`
}

// AttachRolePolicy attaches a managed policy to a role; one that is attached stays so.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput,
// AccessDenied, NoSuchEntity, LimitExceeded or UnmodifiableEntity.
//
// Source: IAM API Reference, AttachRolePolicy, read 2026-11-21.
func (s *Service) AttachRolePolicy(ctx context.Context, c *authn.Caller, in *AttachRolePolicyInput) error {
	return do(ctx, s, c, "AttachRolePolicy", in, func(v *checker) {
		v.name("roleName", in.RoleName, maxRoleName)
		v.arn("policyArn", in.PolicyARN)
	}, func(o *op) error { return s.attach(ctx, o, s.findRole, in.RoleName, in.PolicyARN) })
}

// DetachRolePolicyInput is the request of [Service.DetachRolePolicy].
type DetachRolePolicyInput struct {
	RoleName  string
	PolicyARN string `query:"PolicyArn"`
}

// DetachRolePolicy takes a managed policy from a role.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput,
// AccessDenied, NoSuchEntity or UnmodifiableEntity.
//
// Source: IAM API Reference, DetachRolePolicy, read 2026-11-21.
func (s *Service) DetachRolePolicy(ctx context.Context, c *authn.Caller, in *DetachRolePolicyInput) error {
	return do(ctx, s, c, "DetachRolePolicy", in, func(v *checker) {
		v.name("roleName", in.RoleName, maxRoleName)
		v.arn("policyArn", in.PolicyARN)
	}, func(o *op) error { return s.detach(ctx, o, s.findRole, in.RoleName, in.PolicyARN) })
}

// ListAttachedRolePoliciesInput is the request of [Service.ListAttachedRolePolicies].
type ListAttachedRolePoliciesInput struct {
	RoleName   string
	PathPrefix *string
	Paging
}

// ListAttachedRolePoliciesOutput is the answer of [Service.ListAttachedRolePolicies].
type ListAttachedRolePoliciesOutput struct {
	AttachedPolicies []AttachedPolicy
	Paged
}

// ListAttachedRolePolicies lists the managed policies of a role in the order of
// their names.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, ListAttachedRolePolicies, read 2026-11-21.
func (s *Service) ListAttachedRolePolicies(ctx context.Context, c *authn.Caller, in *ListAttachedRolePoliciesInput) (*ListAttachedRolePoliciesOutput, error) {
	return run(ctx, s, c, "ListAttachedRolePolicies", in, func(v *checker) {
		v.name("roleName", in.RoleName, maxRoleName)
		v.pathPrefix(in.PathPrefix)
		v.page(&in.Paging)
	}, func(o *op) (*ListAttachedRolePoliciesOutput, error) {
		list, more, err := s.attached(ctx, o, s.findRole, in.RoleName, in.PathPrefix, &in.Paging)
		return &ListAttachedRolePoliciesOutput{list, more}, err
	})
}
