package iam

import (
	"context"

	"coffer/internal/authn"
)

// setBoundary sets the permissions boundary of the user or role of a name; an empty
// ARN removes it. The condition key holds the one that is set, or removed.
func (s *Service) setBoundary(ctx context.Context, o *op, find finder, name, policyARN string) error {
	if policyARN != "" {
		if err := checkPolicyARN(policyARN); err != nil {
			return err
		}
	}
	t, err := find(ctx, o, name)
	if err != nil {
		return err
	}
	if policyARN == "" {
		err = o.useBounded(ctx, t)
	} else {
		err = o.use(ctx, t, boundaryKey(policyARN))
	}
	if err != nil {
		return err
	}
	return t.about(s.identity.SetBoundary(ctx, t.entity(o), policyARN, o.Record), "attaching", policyARN)
}

// PutUserPermissionsBoundaryInput is the request of
// [Service.PutUserPermissionsBoundary].
type PutUserPermissionsBoundaryInput struct{ UserName, PermissionsBoundary string }

// PutUserPermissionsBoundary makes a managed policy the permissions boundary of a user.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput, AccessDenied
// or NoSuchEntity.
//
// Source: IAM API Reference, PutUserPermissionsBoundary, read 2026-11-21.
func (s *Service) PutUserPermissionsBoundary(ctx context.Context, c *authn.Caller, in *PutUserPermissionsBoundaryInput) error {
	return do(ctx, s, c, "PutUserPermissionsBoundary", in, func(v *checker) {
		v.name("userName", in.UserName, maxUserName)
		v.arn("permissionsBoundary", in.PermissionsBoundary)
	}, func(o *op) error { return s.setBoundary(ctx, o, s.findUser, in.UserName, in.PermissionsBoundary) })
}

// DeleteUserPermissionsBoundaryInput is the request of
// [Service.DeleteUserPermissionsBoundary].
type DeleteUserPermissionsBoundaryInput struct{ UserName string }

// DeleteUserPermissionsBoundary removes the permissions boundary of a user, which
// takes a limit away: the user may then do all that its policies allow.
//
// Its errors are those of [Service.PutUserPermissionsBoundary].
//
// Source: IAM API Reference, DeleteUserPermissionsBoundary, read 2026-11-21.
func (s *Service) DeleteUserPermissionsBoundary(ctx context.Context, c *authn.Caller, in *DeleteUserPermissionsBoundaryInput) error {
	return do(ctx, s, c, "DeleteUserPermissionsBoundary", in, func(v *checker) {
		v.name("userName", in.UserName, maxUserName)
	}, func(o *op) error { return s.setBoundary(ctx, o, s.findUser, in.UserName, "") })
}

// PutRolePermissionsBoundaryInput is the request of
// [Service.PutRolePermissionsBoundary].
type PutRolePermissionsBoundaryInput struct{ RoleName, PermissionsBoundary string }

// PutRolePermissionsBoundary makes a managed policy the permissions boundary of a role.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput,
// AccessDenied, NoSuchEntity or UnmodifiableEntity.
//
// Source: IAM API Reference, PutRolePermissionsBoundary, read 2026-11-21.
func (s *Service) PutRolePermissionsBoundary(ctx context.Context, c *authn.Caller, in *PutRolePermissionsBoundaryInput) error {
	return do(ctx, s, c, "PutRolePermissionsBoundary", in, func(v *checker) {
		v.name("roleName", in.RoleName, maxRoleName)
		v.arn("permissionsBoundary", in.PermissionsBoundary)
	}, func(o *op) error { return s.setBoundary(ctx, o, s.findRole, in.RoleName, in.PermissionsBoundary) })
}

// DeleteRolePermissionsBoundaryInput is the request of
// [Service.DeleteRolePermissionsBoundary].
type DeleteRolePermissionsBoundaryInput struct{ RoleName string }

// DeleteRolePermissionsBoundary removes the permissions boundary of a role, which
// takes a limit away: the role may then do all that its policies allow.
//
// Its errors are those of [Service.PutRolePermissionsBoundary].
//
// Source: IAM API Reference, DeleteRolePermissionsBoundary, read 2026-11-21.
func (s *Service) DeleteRolePermissionsBoundary(ctx context.Context, c *authn.Caller, in *DeleteRolePermissionsBoundaryInput) error {
	return do(ctx, s, c, "DeleteRolePermissionsBoundary", in, func(v *checker) {
		v.name("roleName", in.RoleName, maxRoleName)
	}, func(o *op) error { return s.setBoundary(ctx, o, s.findRole, in.RoleName, "") })
}
