package iam

import (
	"context"

	"coffer/internal/authn"
)

// putInline sets an inline policy of the user, group or role of a name.
func (s *Service) putInline(ctx context.Context, o *op, find finder, name, policyName, document string) error {
	t, err := find(ctx, o, name)
	if err != nil {
		return err
	}
	if err := o.useBounded(ctx, t); err != nil {
		return err
	}
	return t.about(s.identity.PutInline(ctx, t.entity(o), policyName, document, o.Record))
}

// deleteInline removes an inline policy.
func (s *Service) deleteInline(ctx context.Context, o *op, find finder, name, policyName string) error {
	t, err := find(ctx, o, name)
	if err != nil {
		return err
	}
	if err := o.useBounded(ctx, t); err != nil {
		return err
	}
	return t.about(s.identity.DeleteInline(ctx, t.entity(o), policyName, o.Record), "inline", policyName)
}

// inline returns the text of an inline policy.
func (s *Service) inline(ctx context.Context, o *op, find finder, name, policyName string) (document string, err error) {
	t, err := find(ctx, o, name)
	if err != nil {
		return "", err
	}
	if err := o.use(ctx, t); err != nil {
		return "", err
	}
	document, err = s.identity.Inline(ctx, t.entity(o), policyName)
	return document, t.about(err, "inline", policyName)
}

// inlines lists the names of inline policies.
func (s *Service) inlines(ctx context.Context, o *op, find finder, name string, p *Paging) ([]string, Paged, error) {
	t, err := find(ctx, o, name)
	if err != nil {
		return nil, Paged{}, err
	}
	if err := o.use(ctx, t); err != nil {
		return nil, Paged{}, err
	}
	all, err := s.identity.InlineNames(ctx, t.entity(o))
	if err != nil {
		return nil, Paged{}, t.about(err)
	}
	return cut(p, "inline", all, func(name string) string { return name })
}

// PutUserPolicyInput is the request of [Service.PutUserPolicy].
type PutUserPolicyInput struct{ UserName, PolicyName, PolicyDocument string }

// PutUserPolicy sets an inline policy of a user.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied,
// NoSuchEntity, MalformedPolicyDocument or LimitExceeded.
//
// Source: IAM API Reference, PutUserPolicy, read 2026-11-21.
func (s *Service) PutUserPolicy(ctx context.Context, c *authn.Caller, in *PutUserPolicyInput) error {
	return do(ctx, s, c, "PutUserPolicy", in, func(v *checker) {
		v.name("userName", in.UserName, 128)
		v.name("policyName", in.PolicyName, maxPolicyName)
		v.document("policyDocument", in.PolicyDocument)
	}, func(o *op) error {
		return s.putInline(ctx, o, s.findUser, in.UserName, in.PolicyName, in.PolicyDocument)
	})
}

// GetUserPolicyInput is the request of [Service.GetUserPolicy].
type GetUserPolicyInput struct{ UserName, PolicyName string }

// GetUserPolicyOutput is the answer of [Service.GetUserPolicy].
type GetUserPolicyOutput struct {
	UserName       string
	PolicyName     string
	PolicyDocument string `query:",uri"`
}

// GetUserPolicy returns the text of an inline policy of a user.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, GetUserPolicy, read 2026-11-21.
func (s *Service) GetUserPolicy(ctx context.Context, c *authn.Caller, in *GetUserPolicyInput) (*GetUserPolicyOutput, error) {
	return run(ctx, s, c, "GetUserPolicy", in, func(v *checker) {
		v.name("userName", in.UserName, 128)
		v.name("policyName", in.PolicyName, maxPolicyName)
	}, func(o *op) (*GetUserPolicyOutput, error) {
		document, err := s.inline(ctx, o, s.findUser, in.UserName, in.PolicyName)
		return &GetUserPolicyOutput{in.UserName, in.PolicyName, document}, err
	})
}

// DeleteUserPolicyInput is the request of [Service.DeleteUserPolicy].
type DeleteUserPolicyInput struct{ UserName, PolicyName string }

// DeleteUserPolicy removes an inline policy of a user.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, DeleteUserPolicy, read 2026-11-21.
func (s *Service) DeleteUserPolicy(ctx context.Context, c *authn.Caller, in *DeleteUserPolicyInput) error {
	return do(ctx, s, c, "DeleteUserPolicy", in, func(v *checker) {
		v.name("userName", in.UserName, 128)
		v.name("policyName", in.PolicyName, maxPolicyName)
	}, func(o *op) error { return s.deleteInline(ctx, o, s.findUser, in.UserName, in.PolicyName) })
}

// ListUserPoliciesInput is the request of [Service.ListUserPolicies].
type ListUserPoliciesInput struct {
	UserName string
	Paging
}

// ListUserPoliciesOutput is the answer of [Service.ListUserPolicies].
type ListUserPoliciesOutput struct {
	PolicyNames []string
	Paged
}

// ListUserPolicies lists the names of the inline policies of a user.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, ListUserPolicies, read 2026-11-21.
func (s *Service) ListUserPolicies(ctx context.Context, c *authn.Caller, in *ListUserPoliciesInput) (*ListUserPoliciesOutput, error) {
	return run(ctx, s, c, "ListUserPolicies", in, func(v *checker) {
		v.name("userName", in.UserName, 128)
		v.page(&in.Paging)
	}, func(o *op) (*ListUserPoliciesOutput, error) {
		names, more, err := s.inlines(ctx, o, s.findUser, in.UserName, &in.Paging)
		return &ListUserPoliciesOutput{names, more}, err
	})
}

// PutGroupPolicyInput is the request of [Service.PutGroupPolicy].
type PutGroupPolicyInput struct{ GroupName, PolicyName, PolicyDocument string }

// PutGroupPolicy sets an inline policy of a group.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied,
// NoSuchEntity, MalformedPolicyDocument or LimitExceeded.
//
// Source: IAM API Reference, PutGroupPolicy, read 2026-11-21.
func (s *Service) PutGroupPolicy(ctx context.Context, c *authn.Caller, in *PutGroupPolicyInput) error {
	return do(ctx, s, c, "PutGroupPolicy", in, func(v *checker) {
		v.name("groupName", in.GroupName, maxGroupName)
		v.name("policyName", in.PolicyName, maxPolicyName)
		v.document("policyDocument", in.PolicyDocument)
	}, func(o *op) error {
		return s.putInline(ctx, o, s.findGroup, in.GroupName, in.PolicyName, in.PolicyDocument)
	})
}

// GetGroupPolicyInput is the request of [Service.GetGroupPolicy].
type GetGroupPolicyInput struct{ GroupName, PolicyName string }

// GetGroupPolicyOutput is the answer of [Service.GetGroupPolicy].
type GetGroupPolicyOutput struct {
	GroupName      string
	PolicyName     string
	PolicyDocument string `query:",uri"`
}

// GetGroupPolicy returns the text of an inline policy of a group.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, GetGroupPolicy, read 2026-11-21.
func (s *Service) GetGroupPolicy(ctx context.Context, c *authn.Caller, in *GetGroupPolicyInput) (*GetGroupPolicyOutput, error) {
	return run(ctx, s, c, "GetGroupPolicy", in, func(v *checker) {
		v.name("groupName", in.GroupName, maxGroupName)
		v.name("policyName", in.PolicyName, maxPolicyName)
	}, func(o *op) (*GetGroupPolicyOutput, error) {
		document, err := s.inline(ctx, o, s.findGroup, in.GroupName, in.PolicyName)
		return &GetGroupPolicyOutput{in.GroupName, in.PolicyName, document}, err
	})
}

// DeleteGroupPolicyInput is the request of [Service.DeleteGroupPolicy].
type DeleteGroupPolicyInput struct{ GroupName, PolicyName string }

// DeleteGroupPolicy removes an inline policy of a group.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, DeleteGroupPolicy, read 2026-11-21.
func (s *Service) DeleteGroupPolicy(ctx context.Context, c *authn.Caller, in *DeleteGroupPolicyInput) error {
	return do(ctx, s, c, "DeleteGroupPolicy", in, func(v *checker) {
		v.name("groupName", in.GroupName, maxGroupName)
		v.name("policyName", in.PolicyName, maxPolicyName)
	}, func(o *op) error { return s.deleteInline(ctx, o, s.findGroup, in.GroupName, in.PolicyName) })
}

// ListGroupPoliciesInput is the request of [Service.ListGroupPolicies].
type ListGroupPoliciesInput struct {
	GroupName string
	Paging
}

// ListGroupPoliciesOutput is the answer of [Service.ListGroupPolicies].
type ListGroupPoliciesOutput struct {
	PolicyNames []string
	Paged
}

// ListGroupPolicies lists the names of the inline policies of a group.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, ListGroupPolicies, read 2026-11-21.
func (s *Service) ListGroupPolicies(ctx context.Context, c *authn.Caller, in *ListGroupPoliciesInput) (*ListGroupPoliciesOutput, error) {
	return run(ctx, s, c, "ListGroupPolicies", in, func(v *checker) {
		v.name("groupName", in.GroupName, maxGroupName)
		v.page(&in.Paging)
	}, func(o *op) (*ListGroupPoliciesOutput, error) {
		names, more, err := s.inlines(ctx, o, s.findGroup, in.GroupName, &in.Paging)
		return &ListGroupPoliciesOutput{names, more}, err
	})
}

// PutRolePolicyInput is the request of [Service.PutRolePolicy].
type PutRolePolicyInput struct{ RoleName, PolicyName, PolicyDocument string }

// PutRolePolicy sets an inline policy of a role.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied,
// NoSuchEntity, MalformedPolicyDocument, UnmodifiableEntity or LimitExceeded.
//
// Source: IAM API Reference, PutRolePolicy, read 2026-11-21.
func (s *Service) PutRolePolicy(ctx context.Context, c *authn.Caller, in *PutRolePolicyInput) error {
	return do(ctx, s, c, "PutRolePolicy", in, func(v *checker) {
		v.name("roleName", in.RoleName, maxRoleName)
		v.name("policyName", in.PolicyName, maxPolicyName)
		v.document("policyDocument", in.PolicyDocument)
	}, func(o *op) error {
		return s.putInline(ctx, o, s.findRole, in.RoleName, in.PolicyName, in.PolicyDocument)
	})
}

// GetRolePolicyInput is the request of [Service.GetRolePolicy].
type GetRolePolicyInput struct{ RoleName, PolicyName string }

// GetRolePolicyOutput is the answer of [Service.GetRolePolicy].
type GetRolePolicyOutput struct {
	RoleName       string
	PolicyName     string
	PolicyDocument string `query:",uri"`
}

// GetRolePolicy returns the text of an inline policy of a role.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, GetRolePolicy, read 2026-11-21.
func (s *Service) GetRolePolicy(ctx context.Context, c *authn.Caller, in *GetRolePolicyInput) (*GetRolePolicyOutput, error) {
	return run(ctx, s, c, "GetRolePolicy", in, func(v *checker) {
		v.name("roleName", in.RoleName, maxRoleName)
		v.name("policyName", in.PolicyName, maxPolicyName)
	}, func(o *op) (*GetRolePolicyOutput, error) {
		document, err := s.inline(ctx, o, s.findRole, in.RoleName, in.PolicyName)
		return &GetRolePolicyOutput{in.RoleName, in.PolicyName, document}, err
	})
}

// DeleteRolePolicyInput is the request of [Service.DeleteRolePolicy].
type DeleteRolePolicyInput struct{ RoleName, PolicyName string }

// DeleteRolePolicy removes an inline policy of a role.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied, NoSuchEntity
// or UnmodifiableEntity.
//
// Source: IAM API Reference, DeleteRolePolicy, read 2026-11-21.
func (s *Service) DeleteRolePolicy(ctx context.Context, c *authn.Caller, in *DeleteRolePolicyInput) error {
	return do(ctx, s, c, "DeleteRolePolicy", in, func(v *checker) {
		v.name("roleName", in.RoleName, maxRoleName)
		v.name("policyName", in.PolicyName, maxPolicyName)
	}, func(o *op) error { return s.deleteInline(ctx, o, s.findRole, in.RoleName, in.PolicyName) })
}

// ListRolePoliciesInput is the request of [Service.ListRolePolicies].
type ListRolePoliciesInput struct {
	RoleName string
	Paging
}

// ListRolePoliciesOutput is the answer of [Service.ListRolePolicies].
type ListRolePoliciesOutput struct {
	PolicyNames []string
	Paged
}

// ListRolePolicies lists the names of the inline policies of a role.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, ListRolePolicies, read 2026-11-21.
func (s *Service) ListRolePolicies(ctx context.Context, c *authn.Caller, in *ListRolePoliciesInput) (*ListRolePoliciesOutput, error) {
	return run(ctx, s, c, "ListRolePolicies", in, func(v *checker) {
		v.name("roleName", in.RoleName, maxRoleName)
		v.page(&in.Paging)
	}, func(o *op) (*ListRolePoliciesOutput, error) {
		names, more, err := s.inlines(ctx, o, s.findRole, in.RoleName, &in.Paging)
		return &ListRolePoliciesOutput{names, more}, err
	})
}
