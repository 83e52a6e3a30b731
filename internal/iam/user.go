package iam

import (
	"context"
	"time"

	"coffer/internal/authn"
	"coffer/internal/identity"
)

// A Tag is a key with a value.
type Tag struct{ Key, Value string }

// A User is an IAM user as answers show it. The root user has neither a path nor a
// name.
type User struct {
	Path                string `query:",omitempty"`
	UserName            string `query:",omitempty"`
	UserID              string `query:"UserId"`
	ARN                 string `query:"Arn"`
	CreateDate          time.Time
	PermissionsBoundary *AttachedPermissionsBoundary
	Tags                []Tag `query:",omitempty"`
}

// An AttachedPermissionsBoundary names the permissions boundary of a user or role.
type AttachedPermissionsBoundary struct {
	PermissionsBoundaryType string // "Policy"
	PermissionsBoundaryARN  string `query:"PermissionsBoundaryArn"`
}

func attachedBoundary(policyARN string) *AttachedPermissionsBoundary {
	if policyARN == "" {
		return nil
	}
	return &AttachedPermissionsBoundary{"Policy", policyARN}
}

func showTag(t identity.Tag) Tag { return Tag{t.Key, t.Value} }

func keepTag(t Tag) identity.Tag { return identity.Tag{Key: t.Key, Value: t.Value} }

// showUser returns a user with all that is known of it.
func showUser(u identity.User) User {
	v := listUser(u)
	v.PermissionsBoundary, v.Tags = attachedBoundary(u.Boundary), each(u.Tags, showTag)
	return v
}

// listUser returns what listings show of a user.
func listUser(u identity.User) User {
	return User{Path: u.Path, UserName: u.Name, UserID: u.ID, ARN: u.ARN, CreateDate: u.CreatedAt}
}

// CreateUserInput is the request of [Service.CreateUser].
type CreateUserInput struct {
	Path                *string
	UserName            string
	PermissionsBoundary *string
	Tags                []Tag
}

// CreateUserOutput is the answer of [Service.CreateUser].
type CreateUserOutput struct{ User User }

// CreateUser makes a user. With tags the caller needs iam:TagUser as well.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied,
// EntityAlreadyExists, NoSuchEntity for a permissions boundary that does not exist,
// InvalidInput or LimitExceeded.
//
// Source: IAM API Reference, CreateUser, read 2026-11-21.
func (s *Service) CreateUser(ctx context.Context, c *authn.Caller, in *CreateUserInput) (*CreateUserOutput, error) {
	return run(ctx, s, c, "CreateUser", in, func(v *checker) {
		v.name("userName", in.UserName, maxUserName)
		v.path("path", in.Path)
		v.maybeARN("permissionsBoundary", in.PermissionsBoundary)
		v.tags(in.Tags)
	}, func(o *op) (out *CreateUserOutput, err error) {
		resource := iamARN(o, "user"+or(in.Path, "/")+in.UserName)
		if err := o.create(ctx, resource, "TagUser", in.Tags, boundaryKey(or(in.PermissionsBoundary, ""))); err != nil {
			return nil, err
		}
		new := identity.NewUser{Name: in.UserName, Path: or(in.Path, ""), Boundary: or(in.PermissionsBoundary, ""), Tags: each(in.Tags, keepTag)}
		_, err = s.identity.CreateUser(ctx, c.Account, new, answered(o, &out, func(u identity.User) *CreateUserOutput {
			return &CreateUserOutput{showUser(u)}
		}))
		return out, about(err, "newUser", in.UserName, "user", in.UserName, "boundary", or(in.PermissionsBoundary, ""))
	})
}

// or returns what p points to, or otherwise if it is nil.
func or(p *string, otherwise string) string {
	if p == nil {
		return otherwise
	}
	return *p
}

// GetUserInput is the request of [Service.GetUser].
type GetUserInput struct {
	UserName *string // the caller if nil
}

// GetUserOutput is the answer of [Service.GetUser].
type GetUserOutput struct{ User User }

// GetUser returns a user, and without a name the caller, who may be the root user.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, GetUser, read 2026-11-21.
func (s *Service) GetUser(ctx context.Context, c *authn.Caller, in *GetUserInput) (*GetUserOutput, error) {
	return run(ctx, s, c, "GetUser", in, func(v *checker) {
		v.maybeName("userName", in.UserName, 128)
	}, func(o *op) (*GetUserOutput, error) {
		if in.UserName == nil && c.Type == authn.TypeRoot {
			return s.rootUser(ctx, o)
		}
		name, err := s.nameOrCaller(ctx, o, in.UserName)
		if err != nil {
			return nil, err
		}
		t, u, err := s.user(ctx, o, name)
		if err != nil {
			return nil, err
		}
		if err := o.use(ctx, t); err != nil {
			return nil, err
		}
		return &GetUserOutput{showUser(*u)}, nil
	})
}

func (s *Service) rootUser(ctx context.Context, o *op) (*GetUserOutput, error) {
	if err := o.ask(ctx, o.caller.ARN, nil); err != nil {
		return nil, err
	}
	a, err := s.identity.Account(ctx, o.caller.Account)
	if err != nil {
		return nil, err
	}
	return &GetUserOutput{User{UserID: a.ID, ARN: o.caller.ARN, CreateDate: a.CreatedAt}}, nil
}

// nameOrCaller returns the name, and without one that of the caller, who must then
// be a user.
func (s *Service) nameOrCaller(ctx context.Context, o *op, name *string) (string, error) {
	switch {
	case name != nil:
		return *name, nil
	case o.caller.Type == authn.TypeUser:
		u, err := s.identity.UserByID(ctx, o.caller.EntityID)
		return u.Name, about(err, "user", o.caller.UserName)
	}
	return "", fault(400, "ValidationError", "Must specify userName when calling with non-User credentials")
}

// UpdateUserInput is the request of [Service.UpdateUser].
type UpdateUserInput struct {
	UserName    string
	NewPath     *string
	NewUserName *string
}

// UpdateUser gives a user another name or path. The caller needs the right on the
// user as it is and as it will be.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied, NoSuchEntity
// or EntityAlreadyExists.
//
// Source: IAM API Reference, UpdateUser; IAM User Guide, "Rename or change the path
// of an IAM user", read 2026-11-21.
func (s *Service) UpdateUser(ctx context.Context, c *authn.Caller, in *UpdateUserInput) error {
	return do(ctx, s, c, "UpdateUser", in, func(v *checker) {
		v.name("userName", in.UserName, 128)
		v.path("newPath", in.NewPath)
		v.maybeName("newUserName", in.NewUserName, maxUserName)
	}, func(o *op) error {
		t, err := s.findUser(ctx, o, in.UserName)
		if err != nil {
			return err
		}
		if err := o.rename(ctx, t, in.NewPath, in.NewUserName); err != nil {
			return err
		}
		_, err = s.identity.UpdateUser(ctx, c.Account, in.UserName, or(in.NewUserName, ""), or(in.NewPath, ""), recordOf[identity.User](o))
		return t.about(err, "newUser", or(in.NewUserName, in.UserName))
	})
}

// DeleteUserInput is the request of [Service.DeleteUser].
type DeleteUserInput struct{ UserName string }

// DeleteUser removes a user, who must have no access keys, policies or groups.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied, NoSuchEntity
// or DeleteConflict.
//
// Source: IAM API Reference, DeleteUser, read 2026-11-21.
func (s *Service) DeleteUser(ctx context.Context, c *authn.Caller, in *DeleteUserInput) error {
	return do(ctx, s, c, "DeleteUser", in, func(v *checker) {
		v.name("userName", in.UserName, 128)
	}, func(o *op) error {
		return s.change(ctx, o, s.findUser, in.UserName, func(t *target) error {
			return s.identity.DeleteUser(ctx, c.Account, t.name, o.Record)
		})
	})
}

// ListUsersInput is the request of [Service.ListUsers].
type ListUsersInput struct {
	PathPrefix *string
	Paging
}

// ListUsersOutput is the answer of [Service.ListUsers].
type ListUsersOutput struct {
	Users []User
	Paged
}

// ListUsers lists the users of the account in the order of their names.
//
// It returns a *awserr.Error with code ValidationError or AccessDenied.
//
// Source: IAM API Reference, ListUsers, read 2026-11-21.
func (s *Service) ListUsers(ctx context.Context, c *authn.Caller, in *ListUsersInput) (*ListUsersOutput, error) {
	return run(ctx, s, c, "ListUsers", in, func(v *checker) {
		v.pathPrefix(in.PathPrefix)
		v.page(&in.Paging)
	}, func(o *op) (*ListUsersOutput, error) {
		if err := o.ask(ctx, iamARN(o, "user"+or(in.PathPrefix, "/")), nil); err != nil {
			return nil, err
		}
		page, err := in.page("users", in.PathPrefix)
		if err != nil {
			return nil, err
		}
		users, more, err := s.identity.Users(ctx, c.Account, page)
		if err != nil {
			return nil, err
		}
		return &ListUsersOutput{each(users, listUser), paged("users", more, func() string { return users[len(users)-1].Name })}, nil
	})
}
