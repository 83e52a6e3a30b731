package iam

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/identity"
)

// statement returns a policy with one Allow.
func statement(action, resource, condition string) string {
	if condition != "" {
		condition = `,"Condition":` + condition
	}
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":%s,"Resource":%q%s}]}`, action, resource, condition)
}

// TestConditions gives a user one statement, and tells by it what each operation
// asks for: the resource, and the condition keys.
func TestConditions(t *testing.T) {
	tests := []struct {
		name                        string
		action, resource, condition string
		allowed, denied             func(context.Context, *Service, *authn.Caller) error
	}{
		{"the path is part of the resource", `"iam:CreateUser"`, arnStart + "user/dev/*", "", func(ctx context.Context, s *Service, c *authn.Caller) error {
			_, err := s.CreateUser(ctx, c, &CreateUserInput{UserName: "new", Path: p("/dev/")})
			return err
		}, func(ctx context.Context, s *Service, c *authn.Caller) error {
			_, err := s.CreateUser(ctx, c, &CreateUserInput{UserName: "new2"})
			return err
		}},
		{"an existing user counts with its own path", `"iam:GetUser"`, arnStart + "user/ops/*", "", func(ctx context.Context, s *Service, c *authn.Caller) error {
			_, err := s.GetUser(ctx, c, &GetUserInput{p("oscar")})
			return err
		}, func(ctx context.Context, s *Service, c *authn.Caller) error {
			_, err := s.GetUser(ctx, c, &GetUserInput{p("bob")})
			return err
		}},
		{"a missing user is not told to a stranger", `"iam:GetUser"`, arnStart + "user/oscar", "", nil, func(ctx context.Context, s *Service, c *authn.Caller) error {
			_, err := s.GetUser(ctx, c, &GetUserInput{p("nobody")})
			return err
		}},
		{"a listing of a path", `"iam:ListUsers"`, arnStart + "user/ops/*", "", func(ctx context.Context, s *Service, c *authn.Caller) error {
			_, err := s.ListUsers(ctx, c, &ListUsersInput{PathPrefix: p("/ops/")})
			return err
		}, func(ctx context.Context, s *Service, c *authn.Caller) error {
			_, err := s.ListUsers(ctx, c, &ListUsersInput{})
			return err
		}},
		{"a rename needs both names", `"iam:UpdateUser"`, arnStart + "user/*b", "", func(ctx context.Context, s *Service, c *authn.Caller) error {
			return s.UpdateUser(ctx, c, &UpdateUserInput{UserName: "bob", NewUserName: p("rob")})
		}, func(ctx context.Context, s *Service, c *authn.Caller) error {
			return s.UpdateUser(ctx, c, &UpdateUserInput{UserName: "rob", NewUserName: p("oscar2")})
		}},
		{"a new path as well", `"iam:UpdateUser"`, arnStart + "user/bob", "", nil, func(ctx context.Context, s *Service, c *authn.Caller) error {
			return s.UpdateUser(ctx, c, &UpdateUserInput{UserName: "bob", NewPath: p("/admins/")})
		}},
		{"iam:PolicyARN", `"iam:AttachUserPolicy"`, "*", `{"ArnEquals":{"iam:PolicyARN":"` + readARN + `"}}`, func(ctx context.Context, s *Service, c *authn.Caller) error {
			return s.AttachUserPolicy(ctx, c, &AttachUserPolicyInput{"bob", readARN})
		}, func(ctx context.Context, s *Service, c *authn.Caller) error {
			return s.AttachUserPolicy(ctx, c, &AttachUserPolicyInput{"bob", adminARN})
		}},
		{"iam:PolicyARN of roles", `"iam:*"`, "*", `{"ArnEquals":{"iam:PolicyARN":"` + readARN + `"}}`, func(ctx context.Context, s *Service, c *authn.Caller) error {
			return s.AttachRolePolicy(ctx, c, &AttachRolePolicyInput{"app", readARN})
		}, func(ctx context.Context, s *Service, c *authn.Caller) error {
			return s.AttachRolePolicy(ctx, c, &AttachRolePolicyInput{"app", adminARN})
		}},
		{"iam:PermissionsBoundary of a new user", `"iam:CreateUser"`, "*", `{"StringEquals":{"iam:PermissionsBoundary":"` + readARN + `"}}`, func(ctx context.Context, s *Service, c *authn.Caller) error {
			_, err := s.CreateUser(ctx, c, &CreateUserInput{UserName: "new", PermissionsBoundary: p(readARN)})
			return err
		}, func(ctx context.Context, s *Service, c *authn.Caller) error {
			_, err := s.CreateUser(ctx, c, &CreateUserInput{UserName: "new2"})
			return err
		}},
		{"iam:PermissionsBoundary of who gets a policy", `["iam:AttachUserPolicy","iam:PutUserPolicy"]`, "*", `{"StringEquals":{"iam:PermissionsBoundary":"` + readARN + `"}}`, func(ctx context.Context, s *Service, c *authn.Caller) error {
			return s.AttachUserPolicy(ctx, c, &AttachUserPolicyInput{"oscar", adminARN})
		}, func(ctx context.Context, s *Service, c *authn.Caller) error {
			return s.AttachUserPolicy(ctx, c, &AttachUserPolicyInput{"bob", adminARN})
		}},
		{"also inline", `["iam:AttachUserPolicy","iam:PutUserPolicy"]`, "*", `{"StringEquals":{"iam:PermissionsBoundary":"` + readARN + `"}}`, func(ctx context.Context, s *Service, c *authn.Caller) error {
			return s.PutUserPolicy(ctx, c, &PutUserPolicyInput{"oscar", "x", allowAll})
		}, func(ctx context.Context, s *Service, c *authn.Caller) error {
			return s.PutUserPolicy(ctx, c, &PutUserPolicyInput{"bob", "x", allowAll})
		}},
		{"iam:PermissionsBoundary that is set", `"iam:PutUserPermissionsBoundary"`, "*", `{"StringEquals":{"iam:PermissionsBoundary":"` + readARN + `"}}`, func(ctx context.Context, s *Service, c *authn.Caller) error {
			return s.PutUserPermissionsBoundary(ctx, c, &PutUserPermissionsBoundaryInput{"bob", readARN})
		}, func(ctx context.Context, s *Service, c *authn.Caller) error {
			return s.PutUserPermissionsBoundary(ctx, c, &PutUserPermissionsBoundaryInput{"oscar", adminARN})
		}},
		{"iam:PermissionsBoundary that is removed", `"iam:DeleteUserPermissionsBoundary"`, "*", `{"StringNotEquals":{"iam:PermissionsBoundary":"` + readARN + `"}}`, func(ctx context.Context, s *Service, c *authn.Caller) error {
			return s.DeleteUserPermissionsBoundary(ctx, c, &DeleteUserPermissionsBoundaryInput{"bob"})
		}, func(ctx context.Context, s *Service, c *authn.Caller) error {
			return s.DeleteUserPermissionsBoundary(ctx, c, &DeleteUserPermissionsBoundaryInput{"oscar"})
		}},
		{"iam:ResourceTag", `"iam:CreateAccessKey"`, "*", `{"StringEquals":{"iam:ResourceTag/Team":"blue"}}`, func(ctx context.Context, s *Service, c *authn.Caller) error {
			_, err := s.CreateAccessKey(ctx, c, &CreateAccessKeyInput{p("oscar")})
			return err
		}, func(ctx context.Context, s *Service, c *authn.Caller) error {
			_, err := s.CreateAccessKey(ctx, c, &CreateAccessKeyInput{p("bob")})
			return err
		}},
		{"aws:ResourceTag of a role", `"iam:DeleteRole"`, "*", `{"StringEquals":{"aws:ResourceTag/team":"blue"}}`, func(ctx context.Context, s *Service, c *authn.Caller) error {
			return s.DeleteRole(ctx, c, &DeleteRoleInput{"app"})
		}, func(ctx context.Context, s *Service, c *authn.Caller) error {
			return s.DeleteRole(ctx, c, &DeleteRoleInput{"untagged"})
		}},
		{"aws:ResourceTag of a policy", `"iam:GetPolicy"`, "*", `{"StringEquals":{"aws:ResourceTag/team":"blue"}}`, func(ctx context.Context, s *Service, c *authn.Caller) error {
			_, err := s.GetPolicy(ctx, c, &GetPolicyInput{arnStart + "policy/tagged"})
			return err
		}, func(ctx context.Context, s *Service, c *authn.Caller) error {
			_, err := s.GetPolicy(ctx, c, &GetPolicyInput{arnStart + "policy/untagged"})
			return err
		}},
		{"aws:RequestTag", `"iam:TagUser"`, "*", `{"StringEquals":{"aws:RequestTag/Team":"red"}}`, func(ctx context.Context, s *Service, c *authn.Caller) error {
			return s.TagUser(ctx, c, &TagUserInput{"bob", []Tag{{"team", "red"}}})
		}, func(ctx context.Context, s *Service, c *authn.Caller) error {
			return s.TagUser(ctx, c, &TagUserInput{"bob", []Tag{{"team", "green"}}})
		}},
		{"aws:TagKeys", `"iam:UntagUser"`, "*", `{"ForAllValues:StringEquals":{"aws:TagKeys":["cost"]}}`, func(ctx context.Context, s *Service, c *authn.Caller) error {
			return s.UntagUser(ctx, c, &UntagUserInput{"oscar", []string{"cost"}})
		}, func(ctx context.Context, s *Service, c *authn.Caller) error {
			return s.UntagUser(ctx, c, &UntagUserInput{"oscar", []string{"cost", "Team"}})
		}},
		{"tags of what is made need their own right", `"iam:CreateRole"`, "*", "", func(ctx context.Context, s *Service, c *authn.Caller) error {
			_, err := s.CreateRole(ctx, c, &CreateRoleInput{RoleName: "r1", AssumeRolePolicyDocument: trust})
			return err
		}, func(ctx context.Context, s *Service, c *authn.Caller) error {
			_, err := s.CreateRole(ctx, c, &CreateRoleInput{RoleName: "r2", AssumeRolePolicyDocument: trust, Tags: []Tag{{"a", "b"}}})
			return err
		}},
		{"a user's own key", `"iam:*AccessKey*"`, arnStart + "user/${aws:username}", "", func(ctx context.Context, s *Service, c *authn.Caller) error {
			_, err := s.CreateAccessKey(ctx, c, &CreateAccessKeyInput{})
			return err
		}, func(ctx context.Context, s *Service, c *authn.Caller) error {
			_, err := s.ListAccessKeys(ctx, c, &ListAccessKeysInput{UserName: p("bob")})
			return err
		}},
		{"the right to a group is on the group", `"iam:AddUserToGroup"`, arnStart + "group/devs", "", func(ctx context.Context, s *Service, c *authn.Caller) error {
			return s.AddUserToGroup(ctx, c, &AddUserToGroupInput{"devs", "bob"})
		}, func(ctx context.Context, s *Service, c *authn.Caller) error {
			return s.AddUserToGroup(ctx, c, &AddUserToGroupInput{"admins", "bob"})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			ctx := t.Context()
			b.user(t, "bob", "")
			made(b.CreateUser(ctx, b.root, &CreateUserInput{UserName: "oscar", Path: p("/ops/"), PermissionsBoundary: p(readARN), Tags: []Tag{{"Team", "blue"}, {"cost", "1"}}}))(t)
			b.role(t, "app")
			b.role(t, "untagged")
			ok(t, b.TagRole(ctx, b.root, &TagRoleInput{"app", []Tag{{"Team", "blue"}}}))
			b.policy(t, "untagged")
			ok(t, b.TagPolicy(ctx, b.root, &TagPolicyInput{b.policy(t, "tagged").ARN, []Tag{{"Team", "blue"}}}))
			for _, g := range []string{"devs", "admins"} {
				made(b.CreateGroup(ctx, b.root, &CreateGroupInput{GroupName: g}))(t)
			}
			c := b.user(t, "carol", statement(tt.action, tt.resource, tt.condition))
			if tt.allowed != nil {
				if err := tt.allowed(ctx, b.Service, c); err != nil {
					t.Errorf("what is allowed = %v", err)
				}
			}
			err := tt.denied(ctx, b.Service, c)
			if e := awserr.As(err); e == nil || e.Code != "AccessDenied" || e.Status != 403 || !strings.HasPrefix(e.Message, "User: "+c.ARN+" is not authorized to perform: iam:") {
				t.Errorf("what is not allowed = %v; want AccessDenied", err)
			}
		})
	}
}

// A user must not get further by changing itself: whatever it does to itself is
// decided like anything else.
func TestNobodyRaisesItself(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	c := b.user(t, "carol", statement(`["iam:Get*","iam:List*"]`, "*", ""))
	made(b.CreateGroup(ctx, b.root, &CreateGroupInput{GroupName: "admins"}))(t)
	_, create := b.CreateAccessKey(ctx, c, &CreateAccessKeyInput{})
	for name, err := range map[string]error{
		"PutUserPolicy":                 b.PutUserPolicy(ctx, c, &PutUserPolicyInput{"carol", "more", allowAll}),
		"AttachUserPolicy":              b.AttachUserPolicy(ctx, c, &AttachUserPolicyInput{"carol", adminARN}),
		"AddUserToGroup":                b.AddUserToGroup(ctx, c, &AddUserToGroupInput{"admins", "carol"}),
		"DeleteUserPermissionsBoundary": b.DeleteUserPermissionsBoundary(ctx, c, &DeleteUserPermissionsBoundaryInput{"carol"}),
		"UpdateUser":                    b.UpdateUser(ctx, c, &UpdateUserInput{UserName: "carol", NewPath: p("/admins/")}),
		"TagUser":                       b.TagUser(ctx, c, &TagUserInput{"carol", []Tag{{"role", "admin"}}}),
		"CreateAccessKey":               create,
	} {
		if !awserr.Is(err, "AccessDenied") {
			t.Errorf("%s on oneself = %v; want AccessDenied", name, err)
		}
	}
}

// A change is decided again at its commit, on what the target is by then: a user
// that is moved out of reach in between is not changed.
func TestTargetThatMovesIsDecidedAgain(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	b.user(t, "bob", "")
	c := b.user(t, "carol", statement(`"iam:TagUser"`, arnStart+"user/bob", ""))
	err := do(ctx, b.Service, c, "TagUser", nil, nil, func(o *op) error {
		t2, err := b.findUser(ctx, o, "bob")
		if err == nil {
			err = o.use(ctx, t2)
		}
		if err != nil {
			return err
		}
		ok(t, b.UpdateUser(ctx, b.root, &UpdateUserInput{UserName: "bob", NewPath: p("/vip/")}))
		return t2.about(b.identity.TagEntity(ctx, t2.entity(o), nil, o.Record))
	})
	if !awserr.Is(err, "AccessDenied") {
		t.Errorf("a change of a user that has moved = %v; want AccessDenied", err)
	}
	if e := b.last(t); e.EventName != "TagUser" || e.ErrorCode != "AccessDenied" {
		t.Errorf("the trail has %s", e.Text)
	}
}

// So is a new name: on what the user or group would be called by then.
func TestRenameOfTargetThatMovesIsDecidedAgain(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	b.user(t, "bob", "")
	made(b.CreateGroup(ctx, b.root, &CreateGroupInput{GroupName: "devs"}))(t)
	rights := func(action string, resources ...string) string {
		return `{"Effect":"Allow","Action":"` + action + `","Resource":["` + arnStart + strings.Join(resources, `","`+arnStart) + `"]}`
	}
	c := b.user(t, "carol", `{"Version":"2012-10-17","Statement":[`+rights("iam:UpdateUser", "user/bob", "user/vip/bob", "user/rob")+","+
		rights("iam:UpdateGroup", "group/devs", "group/vip/devs", "group/ops")+`]}`)
	err := do(ctx, b.Service, c, "UpdateUser", nil, nil, func(o *op) error {
		u := made(b.findUser(ctx, o, "bob"))(t)
		ok(t, o.rename(ctx, u, nil, p("rob")))
		ok(t, b.UpdateUser(ctx, b.root, &UpdateUserInput{UserName: "bob", NewPath: p("/vip/")}))
		_, err := b.identity.UpdateUser(ctx, account, "bob", "rob", "", recordOf[identity.User](o))
		return u.about(err)
	})
	if !awserr.Is(err, "AccessDenied") || !strings.Contains(err.Error(), "user/vip/rob") {
		t.Errorf("renaming a user that has moved = %v; want AccessDenied on user/vip/rob", err)
	}
	err = do(ctx, b.Service, c, "UpdateGroup", nil, nil, func(o *op) error {
		g := made(b.findGroup(ctx, o, "devs"))(t)
		ok(t, o.rename(ctx, g, nil, p("ops")))
		ok(t, b.UpdateGroup(ctx, b.root, &UpdateGroupInput{GroupName: "devs", NewPath: p("/vip/")}))
		_, err := b.identity.UpdateGroup(ctx, account, "devs", "ops", "", recordOf[identity.Group](o))
		return g.about(err)
	})
	if !awserr.Is(err, "AccessDenied") || !strings.Contains(err.Error(), "group/vip/ops") {
		t.Errorf("renaming a group that has moved = %v; want AccessDenied on group/vip/ops", err)
	}
	ok(t, b.UpdateUser(ctx, b.root, &UpdateUserInput{UserName: "bob", NewPath: p("/")}))
	ok(t, b.UpdateUser(ctx, c, &UpdateUserInput{UserName: "bob", NewUserName: p("rob")}))
}
