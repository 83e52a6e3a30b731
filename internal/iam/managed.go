package iam

import (
	"context"
	"strings"
	"time"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/identity"
)

// A Policy is a managed policy as answers show it.
type Policy struct {
	PolicyName                    string
	PolicyID                      string `query:"PolicyId"`
	ARN                           string `query:"Arn"`
	Path                          string
	DefaultVersionID              string `query:"DefaultVersionId"`
	AttachmentCount               int32
	PermissionsBoundaryUsageCount int32
	IsAttachable                  bool
	Description                   string `query:",omitempty"`
	CreateDate                    time.Time
	UpdateDate                    time.Time
	Tags                          []Tag `query:",omitempty"`
}

// showPolicy returns a policy with all that is known of it.
func showPolicy(p identity.Policy) Policy {
	v := listPolicy(p)
	v.Description, v.Tags = p.Description, each(p.Tags, showTag)
	return v
}

// listPolicy returns what listings show of a policy.
func listPolicy(p identity.Policy) Policy {
	return Policy{
		PolicyName: p.Name, PolicyID: p.ID, ARN: p.ARN, Path: p.Path, DefaultVersionID: p.Default,
		AttachmentCount: int32(p.Attachments), PermissionsBoundaryUsageCount: int32(p.Boundaries), IsAttachable: true,
		CreateDate: p.CreatedAt, UpdateDate: p.UpdatedAt,
	}
}

// checkPolicyARN refuses what is an ARN of something else, or none at all.
func checkPolicyARN(policyARN string) error {
	a, err := arn.Parse(policyARN)
	if err != nil || a.Service != "iam" || a.Region != "" || a.Account == "" || !strings.HasPrefix(a.Resource, "policy/") {
		return fault(400, "InvalidInput", "ARN %s is not valid.", policyARN)
	}
	return nil
}

// managed authorizes the operation on the managed policy of an ARN.
func (s *Service) managed(ctx context.Context, o *op, policyARN string) (*target, *identity.Policy, error) {
	if err := checkPolicyARN(policyARN); err != nil {
		return nil, nil, err
	}
	t, p, err := s.policy(ctx, o, policyARN)
	if err != nil {
		return nil, nil, err
	}
	return t, p, o.use(ctx, t)
}

// CreatePolicyInput is the request of [Service.CreatePolicy].
type CreatePolicyInput struct {
	PolicyName     string
	Path           *string
	PolicyDocument string
	Description    *string
	Tags           []Tag
}

// CreatePolicyOutput is the answer of [Service.CreatePolicy].
type CreatePolicyOutput struct{ Policy Policy }

// CreatePolicy makes a managed policy, with version v1. With tags the caller needs
// iam:TagPolicy as well.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied,
// EntityAlreadyExists, MalformedPolicyDocument, InvalidInput or LimitExceeded.
//
// Source: IAM API Reference, CreatePolicy, read 2026-11-21.
func (s *Service) CreatePolicy(ctx context.Context, c *authn.Caller, in *CreatePolicyInput) (*CreatePolicyOutput, error) {
	return run(ctx, s, c, "CreatePolicy", in, func(v *checker) {
		v.name("policyName", in.PolicyName, maxPolicyName)
		v.policyPath("path", in.Path)
		v.document("policyDocument", in.PolicyDocument)
		if in.Description != nil {
			v.text("description", *in.Description, 0, maxDescription, "", nil)
		}
		v.tags(in.Tags)
	}, func(o *op) (out *CreatePolicyOutput, err error) {
		if err := o.create(ctx, iamARN(o, "policy"+or(in.Path, "/")+in.PolicyName), "TagPolicy", in.Tags, nil); err != nil {
			return nil, err
		}
		new := identity.NewPolicy{Name: in.PolicyName, Path: or(in.Path, ""), Description: or(in.Description, ""), Text: in.PolicyDocument, Tags: each(in.Tags, keepTag)}
		_, err = s.identity.CreatePolicy(ctx, c.Account, new, answered(o, &out, func(p identity.Policy) *CreatePolicyOutput {
			return &CreatePolicyOutput{showPolicy(p)}
		}))
		return out, about(err, "newPolicy", in.PolicyName)
	})
}

// GetPolicyInput is the request of [Service.GetPolicy].
type GetPolicyInput struct {
	PolicyARN string `query:"PolicyArn"`
}

// GetPolicyOutput is the answer of [Service.GetPolicy].
type GetPolicyOutput struct{ Policy Policy }

// GetPolicy returns a managed policy, of the account or of AWS.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput, AccessDenied
// or NoSuchEntity.
//
// Source: IAM API Reference, GetPolicy, read 2026-11-21.
func (s *Service) GetPolicy(ctx context.Context, c *authn.Caller, in *GetPolicyInput) (*GetPolicyOutput, error) {
	return run(ctx, s, c, "GetPolicy", in, func(v *checker) {
		v.arn("policyArn", in.PolicyARN)
	}, func(o *op) (*GetPolicyOutput, error) {
		_, p, err := s.managed(ctx, o, in.PolicyARN)
		if err != nil {
			return nil, err
		}
		return &GetPolicyOutput{showPolicy(*p)}, nil
	})
}

// DeletePolicyInput is the request of [Service.DeletePolicy].
type DeletePolicyInput struct {
	PolicyARN string `query:"PolicyArn"`
}

// DeletePolicy removes a managed policy, which must be attached to nothing and
// have no version but the default one.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput, AccessDenied,
// NoSuchEntity or DeleteConflict.
//
// Source: IAM API Reference, DeletePolicy, read 2026-11-21.
func (s *Service) DeletePolicy(ctx context.Context, c *authn.Caller, in *DeletePolicyInput) error {
	return do(ctx, s, c, "DeletePolicy", in, func(v *checker) {
		v.arn("policyArn", in.PolicyARN)
	}, func(o *op) error {
		t, _, err := s.managed(ctx, o, in.PolicyARN)
		if err != nil {
			return err
		}
		return t.about(s.identity.DeletePolicy(ctx, c.Account, t.arn, o.Record))
	})
}

// ListPoliciesInput is the request of [Service.ListPolicies].
type ListPoliciesInput struct {
	Scope             *string // "All", "AWS" or "Local"
	OnlyAttached      *bool
	PathPrefix        *string
	PolicyUsageFilter *string // "PermissionsPolicy" or "PermissionsBoundary"
	Paging
}

// ListPoliciesOutput is the answer of [Service.ListPolicies].
type ListPoliciesOutput struct {
	Policies []Policy
	Paged
}

// The uses of a managed policy, as filters spell them.
const (
	usageAttached = "PermissionsPolicy"
	usageBoundary = "PermissionsBoundary"
)

// ListPolicies lists managed policies, those of the account before those of AWS.
//
// It returns a *awserr.Error with code ValidationError or AccessDenied.
//
// Source: IAM API Reference, ListPolicies, read 2026-11-21.
func (s *Service) ListPolicies(ctx context.Context, c *authn.Caller, in *ListPoliciesInput) (*ListPoliciesOutput, error) {
	return run(ctx, s, c, "ListPolicies", in, func(v *checker) {
		v.oneOf("scope", in.Scope, "All", "AWS", "Local")
		v.pathPrefix(in.PathPrefix)
		v.oneOf("policyUsageFilter", in.PolicyUsageFilter, usageAttached, usageBoundary)
		v.page(&in.Paging)
	}, func(o *op) (*ListPoliciesOutput, error) {
		if err := o.ask(ctx, "*", nil); err != nil {
			return nil, err
		}
		page, err := in.page("policies", in.PathPrefix)
		if err != nil {
			return nil, err
		}
		usage := or(in.PolicyUsageFilter, "")
		if usage == "" && in.OnlyAttached != nil && *in.OnlyAttached {
			usage = usageAttached
		}
		policies, more, err := s.identity.Policies(ctx, c.Account, identity.PolicyPage{
			Page: page, Local: or(in.Scope, "") == "Local", AWS: or(in.Scope, "") == "AWS",
			Permissions: usage == usageAttached, Boundaries: usage == usageBoundary,
		})
		if err != nil {
			return nil, err
		}
		return &ListPoliciesOutput{each(policies, listPolicy), paged("policies", more, func() string { return policies[len(policies)-1].ARN })}, nil
	})
}

// ListEntitiesForPolicyInput is the request of [Service.ListEntitiesForPolicy].
type ListEntitiesForPolicyInput struct {
	PolicyARN         string  `query:"PolicyArn"`
	EntityFilter      *string // "User", "Role", "Group", "LocalManagedPolicy" or "AWSManagedPolicy"
	PathPrefix        *string
	PolicyUsageFilter *string // "PermissionsPolicy" or "PermissionsBoundary"
	Paging
}

// ListEntitiesForPolicyOutput is the answer of [Service.ListEntitiesForPolicy].
type ListEntitiesForPolicyOutput struct {
	PolicyGroups []PolicyGroup
	PolicyUsers  []PolicyUser
	PolicyRoles  []PolicyRole
	Paged
}

// A PolicyGroup names a group that a policy is attached to.
type PolicyGroup struct {
	GroupName string
	GroupID   string `query:"GroupId"`
}

// A PolicyUser names a user that a policy is attached to, or a boundary of.
type PolicyUser struct {
	UserName string
	UserID   string `query:"UserId"`
}

// A PolicyRole names a role that a policy is attached to, or a boundary of.
type PolicyRole struct {
	RoleName string
	RoleID   string `query:"RoleId"`
}

// ListEntitiesForPolicy lists what a managed policy is attached to, and whose
// permissions boundary it is: groups, roles, then users.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput, AccessDenied
// or NoSuchEntity.
//
// Source: IAM API Reference, ListEntitiesForPolicy, read 2026-11-21.
func (s *Service) ListEntitiesForPolicy(ctx context.Context, c *authn.Caller, in *ListEntitiesForPolicyInput) (*ListEntitiesForPolicyOutput, error) {
	return run(ctx, s, c, "ListEntitiesForPolicy", in, func(v *checker) {
		v.arn("policyArn", in.PolicyARN)
		v.oneOf("entityFilter", in.EntityFilter, "User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy")
		v.path("pathPrefix", in.PathPrefix)
		v.oneOf("policyUsageFilter", in.PolicyUsageFilter, usageAttached, usageBoundary)
		v.page(&in.Paging)
	}, func(o *op) (*ListEntitiesForPolicyOutput, error) {
		t, _, err := s.managed(ctx, o, in.PolicyARN)
		if err != nil {
			return nil, err
		}
		all, err := s.identity.PolicyEntities(ctx, c.Account, t.arn)
		if err != nil {
			return nil, t.about(err)
		}
		page, more, err := cut(&in.Paging, "entities", in.filter(all), func(e identity.PolicyEntity) string { return string(e.Kind) + " " + e.Name })
		if err != nil {
			return nil, err
		}
		out := &ListEntitiesForPolicyOutput{PolicyGroups: []PolicyGroup{}, PolicyUsers: []PolicyUser{}, PolicyRoles: []PolicyRole{}, Paged: more}
		for _, e := range page {
			switch e.Kind {
			case identity.KindUser:
				out.PolicyUsers = append(out.PolicyUsers, PolicyUser{e.Name, e.ID})
			case identity.KindGroup:
				out.PolicyGroups = append(out.PolicyGroups, PolicyGroup{e.Name, e.ID})
			case identity.KindRole:
				out.PolicyRoles = append(out.PolicyRoles, PolicyRole{e.Name, e.ID})
			}
		}
		return out, nil
	})
}

// filter returns the entities that are asked for, each once.
func (in *ListEntitiesForPolicyInput) filter(all []identity.PolicyEntity) []identity.PolicyEntity {
	var list []identity.PolicyEntity
	seen := make(map[string]bool)
	for _, e := range all {
		switch {
		case in.EntityFilter != nil && *in.EntityFilter != string(e.Kind),
			in.PathPrefix != nil && !strings.HasPrefix(e.Path, *in.PathPrefix),
			in.PolicyUsageFilter != nil && (*in.PolicyUsageFilter == usageBoundary) != e.Boundary,
			seen[e.ID]:
			continue
		}
		seen[e.ID] = true
		list = append(list, e)
	}
	return list
}
