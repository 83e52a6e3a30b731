package iam

import (
	"context"
	"time"

	"coffer/internal/authn"
	"coffer/internal/identity"
)

// A Role is an IAM role as answers show it.
type Role struct {
	Path                     string
	RoleName                 string
	RoleID                   string `query:"RoleId"`
	ARN                      string `query:"Arn"`
	CreateDate               time.Time
	AssumeRolePolicyDocument string `query:",uri"`
	Description              string `query:",omitempty"`
	MaxSessionDuration       int32  // seconds
	PermissionsBoundary      *AttachedPermissionsBoundary
	Tags                     []Tag         `query:",omitempty"`
	RoleLastUsed             *RoleLastUsed // empty if it was not used
}

// RoleLastUsed tells when and where a role was used last.
type RoleLastUsed struct {
	LastUsedDate time.Time
	Region       string `query:",omitempty"`
}

// showRole returns a role with all that is known of it.
func showRole(r identity.Role) Role {
	v := listRole(r)
	v.PermissionsBoundary, v.Tags = attachedBoundary(r.Boundary), each(r.Tags, showTag)
	v.RoleLastUsed = &RoleLastUsed{r.LastUsed.At, r.LastUsed.Region}
	return v
}

// listRole returns what listings show of a role.
func listRole(r identity.Role) Role {
	return Role{
		Path: r.Path, RoleName: r.Name, RoleID: r.ID, ARN: r.ARN, CreateDate: r.CreatedAt,
		AssumeRolePolicyDocument: r.Trust, Description: r.Description, MaxSessionDuration: int32(r.MaxSession / time.Second),
	}
}

// CreateRoleInput is the request of [Service.CreateRole].
type CreateRoleInput struct {
	Path                     *string
	RoleName                 string
	AssumeRolePolicyDocument string
	Description              *string
	MaxSessionDuration       *int32 // seconds
	PermissionsBoundary      *string
	Tags                     []Tag
}

// CreateRoleOutput is the answer of [Service.CreateRole].
type CreateRoleOutput struct{ Role Role }

// servicePath is the path of service-linked roles, which only services make.
const servicePath = "/aws-service-role/"

// CreateRole makes a role. With tags the caller needs iam:TagRole as well.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied,
// EntityAlreadyExists, MalformedPolicyDocument, NoSuchEntity for a permissions
// boundary that does not exist, InvalidInput or LimitExceeded.
//
// Source: IAM API Reference, CreateRole, read 2026-11-21.
func (s *Service) CreateRole(ctx context.Context, c *authn.Caller, in *CreateRoleInput) (*CreateRoleOutput, error) {
	return run(ctx, s, c, "CreateRole", in, func(v *checker) {
		v.name("roleName", in.RoleName, maxRoleName)
		v.path("path", in.Path)
		v.document("assumeRolePolicyDocument", in.AssumeRolePolicyDocument)
		v.description(in.Description)
		v.between("maxSessionDuration", in.MaxSessionDuration, 3600, 43_200)
		v.maybeARN("permissionsBoundary", in.PermissionsBoundary)
		v.tags(in.Tags)
	}, func(o *op) (out *CreateRoleOutput, err error) {
		path := or(in.Path, "/")
		if err := o.create(ctx, iamARN(o, "role"+path+in.RoleName), "TagRole", in.Tags, boundaryKey(or(in.PermissionsBoundary, ""))); err != nil {
			return nil, err
		}
		if isServicePath(path) {
			return nil, fault(400, "ValidationError", "The path %s is for the roles of services.", servicePath)
		}
		if e := checkIssuers(in.AssumeRolePolicyDocument); e != nil {
			return nil, e
		}
		new := identity.NewRole{
			Name: in.RoleName, Path: or(in.Path, ""), Description: or(in.Description, ""), Trust: in.AssumeRolePolicyDocument,
			Boundary: or(in.PermissionsBoundary, ""), Tags: each(in.Tags, keepTag),
		}
		if in.MaxSessionDuration != nil {
			new.MaxSession = time.Duration(*in.MaxSessionDuration) * time.Second
		}
		_, err = s.identity.CreateRole(ctx, c.Account, new, answered(o, &out, func(r identity.Role) *CreateRoleOutput {
			return &CreateRoleOutput{showRole(r)}
		}))
		return out, about(err, "newRole", in.RoleName, "role", in.RoleName, "boundary", or(in.PermissionsBoundary, ""))
	})
}

func isServicePath(path string) bool {
	return len(path) >= len(servicePath) && path[:len(servicePath)] == servicePath
}

// GetRoleInput is the request of [Service.GetRole].
type GetRoleInput struct{ RoleName string }

// GetRoleOutput is the answer of [Service.GetRole].
type GetRoleOutput struct{ Role Role }

// GetRole returns a role.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, GetRole, read 2026-11-21.
func (s *Service) GetRole(ctx context.Context, c *authn.Caller, in *GetRoleInput) (*GetRoleOutput, error) {
	return run(ctx, s, c, "GetRole", in, func(v *checker) {
		v.name("roleName", in.RoleName, maxRoleName)
	}, func(o *op) (*GetRoleOutput, error) {
		t, r, err := s.role(ctx, o, in.RoleName)
		if err != nil {
			return nil, err
		}
		if err := o.use(ctx, t); err != nil {
			return nil, err
		}
		return &GetRoleOutput{showRole(*r)}, nil
	})
}

// UpdateRoleInput is the request of [Service.UpdateRole].
type UpdateRoleInput struct {
	RoleName           string
	Description        *string
	MaxSessionDuration *int32 // seconds
}

// UpdateRoleOutput is the answer of [Service.UpdateRole].
type UpdateRoleOutput struct{}

// UpdateRole changes the description or the longest session of a role.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied, NoSuchEntity
// or UnmodifiableEntity.
//
// Source: IAM API Reference, UpdateRole, read 2026-11-21.
func (s *Service) UpdateRole(ctx context.Context, c *authn.Caller, in *UpdateRoleInput) (*UpdateRoleOutput, error) {
	return run(ctx, s, c, "UpdateRole", in, func(v *checker) {
		v.name("roleName", in.RoleName, maxRoleName)
		v.description(in.Description)
		v.between("maxSessionDuration", in.MaxSessionDuration, 3600, 43_200)
	}, func(o *op) (*UpdateRoleOutput, error) {
		update := identity.RoleUpdate{Description: in.Description}
		if in.MaxSessionDuration != nil {
			d := time.Duration(*in.MaxSessionDuration) * time.Second
			update.MaxSession = &d
		}
		return &UpdateRoleOutput{}, s.change(ctx, o, s.findRole, in.RoleName, func(t *target) error {
			_, err := s.identity.UpdateRole(ctx, c.Account, t.name, update, recordOf[identity.Role](o))
			return err
		})
	})
}

// UpdateRoleDescriptionInput is the request of [Service.UpdateRoleDescription].
type UpdateRoleDescriptionInput struct {
	RoleName    string
	Description *string
}

// UpdateRoleDescriptionOutput is the answer of [Service.UpdateRoleDescription].
type UpdateRoleDescriptionOutput struct{ Role Role }

// UpdateRoleDescription changes the description of a role. Its errors are those of
// [Service.UpdateRole].
//
// Source: IAM API Reference, UpdateRoleDescription, read 2026-11-21.
func (s *Service) UpdateRoleDescription(ctx context.Context, c *authn.Caller, in *UpdateRoleDescriptionInput) (*UpdateRoleDescriptionOutput, error) {
	return run(ctx, s, c, "UpdateRoleDescription", in, func(v *checker) {
		v.name("roleName", in.RoleName, maxRoleName)
		v.list("description", in.Description == nil)
		v.description(in.Description)
	}, func(o *op) (out *UpdateRoleDescriptionOutput, err error) {
		err = s.change(ctx, o, s.findRole, in.RoleName, func(t *target) error {
			_, err := s.identity.UpdateRole(ctx, c.Account, t.name, identity.RoleUpdate{Description: in.Description}, answered(o, &out, func(r identity.Role) *UpdateRoleDescriptionOutput {
				return &UpdateRoleDescriptionOutput{showRole(r)}
			}))
			return err
		})
		return out, err
	})
}

// UpdateAssumeRolePolicyInput is the request of [Service.UpdateAssumeRolePolicy].
type UpdateAssumeRolePolicyInput struct{ RoleName, PolicyDocument string }

// UpdateAssumeRolePolicy replaces the trust policy of a role.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied, NoSuchEntity,
// MalformedPolicyDocument, LimitExceeded or UnmodifiableEntity.
//
// Source: IAM API Reference, UpdateAssumeRolePolicy, read 2026-11-21.
func (s *Service) UpdateAssumeRolePolicy(ctx context.Context, c *authn.Caller, in *UpdateAssumeRolePolicyInput) error {
	return do(ctx, s, c, "UpdateAssumeRolePolicy", in, func(v *checker) {
		v.name("roleName", in.RoleName, maxRoleName)
		v.document("policyDocument", in.PolicyDocument)
	}, func(o *op) error {
		return s.change(ctx, o, s.findRole, in.RoleName, func(t *target) error {
			if e := checkIssuers(in.PolicyDocument); e != nil {
				return e
			}
			return s.identity.SetTrust(ctx, c.Account, t.name, in.PolicyDocument, o.Record)
		})
	})
}

// DeleteRoleInput is the request of [Service.DeleteRole].
type DeleteRoleInput struct{ RoleName string }

// DeleteRole removes a role, which must have no policies.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied, NoSuchEntity,
// DeleteConflict or UnmodifiableEntity.
//
// Source: IAM API Reference, DeleteRole, read 2026-11-21.
func (s *Service) DeleteRole(ctx context.Context, c *authn.Caller, in *DeleteRoleInput) error {
	return do(ctx, s, c, "DeleteRole", in, func(v *checker) {
		v.name("roleName", in.RoleName, maxRoleName)
	}, func(o *op) error {
		return s.change(ctx, o, s.findRole, in.RoleName, func(t *target) error {
			return s.identity.DeleteRole(ctx, c.Account, t.name, o.Record)
		})
	})
}

// ListRolesInput is the request of [Service.ListRoles].
type ListRolesInput struct {
	PathPrefix *string
	Paging
}

// ListRolesOutput is the answer of [Service.ListRoles].
type ListRolesOutput struct {
	Roles []Role
	Paged
}

// ListRoles lists the roles of the account in the order of their names.
//
// It returns a *awserr.Error with code ValidationError or AccessDenied.
//
// Source: IAM API Reference, ListRoles, read 2026-11-21.
func (s *Service) ListRoles(ctx context.Context, c *authn.Caller, in *ListRolesInput) (*ListRolesOutput, error) {
	return run(ctx, s, c, "ListRoles", in, func(v *checker) {
		v.pathPrefix(in.PathPrefix)
		v.page(&in.Paging)
	}, func(o *op) (*ListRolesOutput, error) {
		if err := o.ask(ctx, iamARN(o, "role"+or(in.PathPrefix, "/")), nil); err != nil {
			return nil, err
		}
		page, err := in.page("roles", in.PathPrefix)
		if err != nil {
			return nil, err
		}
		roles, more, err := s.identity.Roles(ctx, c.Account, page)
		if err != nil {
			return nil, err
		}
		return &ListRolesOutput{each(roles, listRole), paged("roles", more, func() string { return roles[len(roles)-1].Name })}, nil
	})
}
