package iam

import (
	"context"
	"time"

	"coffer/internal/authn"
	"coffer/internal/identity"
)

// A Group is an IAM group as answers show it.
type Group struct {
	Path       string
	GroupName  string
	GroupID    string `query:"GroupId"`
	ARN        string `query:"Arn"`
	CreateDate time.Time
}

func showGroup(g identity.Group) Group { return Group{g.Path, g.Name, g.ID, g.ARN, g.CreatedAt} }

// CreateGroupInput is the request of [Service.CreateGroup].
type CreateGroupInput struct {
	Path      *string
	GroupName string
}

// CreateGroupOutput is the answer of [Service.CreateGroup].
type CreateGroupOutput struct{ Group Group }

// CreateGroup makes a group.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied,
// EntityAlreadyExists or LimitExceeded.
//
// Source: IAM API Reference, CreateGroup, read 2026-11-21.
func (s *Service) CreateGroup(ctx context.Context, c *authn.Caller, in *CreateGroupInput) (*CreateGroupOutput, error) {
	return run(ctx, s, c, "CreateGroup", in, func(v *checker) {
		v.name("groupName", in.GroupName, maxGroupName)
		v.path("path", in.Path)
	}, func(o *op) (out *CreateGroupOutput, err error) {
		if err := o.ask(ctx, iamARN(o, "group"+or(in.Path, "/")+in.GroupName), nil); err != nil {
			return nil, err
		}
		_, err = s.identity.CreateGroup(ctx, c.Account, in.GroupName, or(in.Path, ""), answered(o, &out, func(g identity.Group) *CreateGroupOutput {
			return &CreateGroupOutput{showGroup(g)}
		}))
		return out, about(err, "newGroup", in.GroupName)
	})
}

// GetGroupInput is the request of [Service.GetGroup].
type GetGroupInput struct {
	GroupName string
	Paging
}

// GetGroupOutput is the answer of [Service.GetGroup].
type GetGroupOutput struct {
	Group Group
	Users []User
	Paged
}

// GetGroup returns a group and lists its users in the order of their names.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, GetGroup, read 2026-11-21.
func (s *Service) GetGroup(ctx context.Context, c *authn.Caller, in *GetGroupInput) (*GetGroupOutput, error) {
	return run(ctx, s, c, "GetGroup", in, func(v *checker) {
		v.name("groupName", in.GroupName, maxGroupName)
		v.page(&in.Paging)
	}, func(o *op) (*GetGroupOutput, error) {
		t, g, err := s.group(ctx, o, in.GroupName)
		if err != nil {
			return nil, err
		}
		if err := o.use(ctx, t); err != nil {
			return nil, err
		}
		page, err := in.page("members", nil)
		if err != nil {
			return nil, err
		}
		users, more, err := s.identity.Members(ctx, c.Account, t.name, page)
		if err != nil {
			return nil, t.about(err)
		}
		return &GetGroupOutput{showGroup(*g), each(users, listUser), paged("members", more, func() string { return users[len(users)-1].Name })}, nil
	})
}

// UpdateGroupInput is the request of [Service.UpdateGroup].
type UpdateGroupInput struct {
	GroupName    string
	NewPath      *string
	NewGroupName *string
}

// UpdateGroup gives a group another name or path. The caller needs the right on the
// group as it is and as it will be.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied, NoSuchEntity
// or EntityAlreadyExists.
//
// Source: IAM API Reference, UpdateGroup, read 2026-11-21.
func (s *Service) UpdateGroup(ctx context.Context, c *authn.Caller, in *UpdateGroupInput) error {
	return do(ctx, s, c, "UpdateGroup", in, func(v *checker) {
		v.name("groupName", in.GroupName, maxGroupName)
		v.path("newPath", in.NewPath)
		v.maybeName("newGroupName", in.NewGroupName, maxGroupName)
	}, func(o *op) error {
		t, err := s.findGroup(ctx, o, in.GroupName)
		if err != nil {
			return err
		}
		if err := o.rename(ctx, t, in.NewPath, in.NewGroupName); err != nil {
			return err
		}
		_, err = s.identity.UpdateGroup(ctx, c.Account, in.GroupName, or(in.NewGroupName, ""), or(in.NewPath, ""), recordOf[identity.Group](o))
		return t.about(err, "newGroup", or(in.NewGroupName, in.GroupName))
	})
}

// DeleteGroupInput is the request of [Service.DeleteGroup].
type DeleteGroupInput struct{ GroupName string }

// DeleteGroup removes a group, which must have no members or policies.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied, NoSuchEntity
// or DeleteConflict.
//
// Source: IAM API Reference, DeleteGroup, read 2026-11-21.
func (s *Service) DeleteGroup(ctx context.Context, c *authn.Caller, in *DeleteGroupInput) error {
	return do(ctx, s, c, "DeleteGroup", in, func(v *checker) {
		v.name("groupName", in.GroupName, maxGroupName)
	}, func(o *op) error {
		return s.change(ctx, o, s.findGroup, in.GroupName, func(t *target) error {
			return s.identity.DeleteGroup(ctx, c.Account, t.name, o.Record)
		})
	})
}

// ListGroupsInput is the request of [Service.ListGroups].
type ListGroupsInput struct {
	PathPrefix *string
	Paging
}

// ListGroupsOutput is the answer of [Service.ListGroups].
type ListGroupsOutput struct {
	Groups []Group
	Paged
}

// ListGroups lists the groups of the account in the order of their names.
//
// It returns a *awserr.Error with code ValidationError or AccessDenied.
//
// Source: IAM API Reference, ListGroups, read 2026-11-21.
func (s *Service) ListGroups(ctx context.Context, c *authn.Caller, in *ListGroupsInput) (*ListGroupsOutput, error) {
	return run(ctx, s, c, "ListGroups", in, func(v *checker) {
		v.pathPrefix(in.PathPrefix)
		v.page(&in.Paging)
	}, func(o *op) (*ListGroupsOutput, error) {
		if err := o.ask(ctx, iamARN(o, "group"+or(in.PathPrefix, "/")), nil); err != nil {
			return nil, err
		}
		page, err := in.page("groups", in.PathPrefix)
		if err != nil {
			return nil, err
		}
		groups, more, err := s.identity.Groups(ctx, c.Account, page)
		if err != nil {
			return nil, err
		}
		return &ListGroupsOutput{each(groups, showGroup), paged("groups", more, func() string { return groups[len(groups)-1].Name })}, nil
	})
}

// ListGroupsForUserInput is the request of [Service.ListGroupsForUser].
type ListGroupsForUserInput struct {
	UserName string
	Paging
}

// ListGroupsForUserOutput is the answer of [Service.ListGroupsForUser].
type ListGroupsForUserOutput struct {
	Groups []Group
	Paged
}

// ListGroupsForUser lists the groups of a user in the order of their names.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, ListGroupsForUser, read 2026-11-21.
func (s *Service) ListGroupsForUser(ctx context.Context, c *authn.Caller, in *ListGroupsForUserInput) (*ListGroupsForUserOutput, error) {
	return run(ctx, s, c, "ListGroupsForUser", in, func(v *checker) {
		v.name("userName", in.UserName, 128)
		v.page(&in.Paging)
	}, func(o *op) (*ListGroupsForUserOutput, error) {
		t, err := s.findUser(ctx, o, in.UserName)
		if err != nil {
			return nil, err
		}
		if err := o.use(ctx, t); err != nil {
			return nil, err
		}
		groups, err := s.identity.GroupsOf(ctx, c.Account, t.name)
		if err != nil {
			return nil, t.about(err)
		}
		some, page, err := cut(&in.Paging, "groups of user", groups, func(g identity.Group) string { return g.Name })
		if err != nil {
			return nil, err
		}
		return &ListGroupsForUserOutput{each(some, showGroup), page}, nil
	})
}

// AddUserToGroupInput is the request of [Service.AddUserToGroup].
type AddUserToGroupInput struct{ GroupName, UserName string }

// AddUserToGroup makes a user a member of a group, and leaves a member one. The
// right is asked for on the group.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied, NoSuchEntity
// or LimitExceeded.
//
// Source: IAM API Reference, AddUserToGroup, read 2026-11-21.
func (s *Service) AddUserToGroup(ctx context.Context, c *authn.Caller, in *AddUserToGroupInput) error {
	return do(ctx, s, c, "AddUserToGroup", in, func(v *checker) {
		v.name("groupName", in.GroupName, maxGroupName)
		v.name("userName", in.UserName, 128)
	}, func(o *op) error {
		return s.change(ctx, o, s.findGroup, in.GroupName, func(t *target) error {
			return t.about(s.identity.AddToGroup(ctx, c.Account, t.name, in.UserName, o.Record), "user", in.UserName)
		})
	})
}

// RemoveUserFromGroupInput is the request of [Service.RemoveUserFromGroup].
type RemoveUserFromGroupInput struct{ GroupName, UserName string }

// RemoveUserFromGroup ends a membership.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, RemoveUserFromGroup, read 2026-11-21.
func (s *Service) RemoveUserFromGroup(ctx context.Context, c *authn.Caller, in *RemoveUserFromGroupInput) error {
	return do(ctx, s, c, "RemoveUserFromGroup", in, func(v *checker) {
		v.name("groupName", in.GroupName, maxGroupName)
		v.name("userName", in.UserName, 128)
	}, func(o *op) error {
		return s.change(ctx, o, s.findGroup, in.GroupName, func(t *target) error {
			return t.about(s.identity.RemoveFromGroup(ctx, c.Account, t.name, in.UserName, o.Record), "user", in.UserName)
		})
	})
}
