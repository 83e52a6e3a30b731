package iam

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"coffer/internal/authn"
	"coffer/internal/identity"
)

// GetAccountAuthorizationDetailsInput is the request of
// [Service.GetAccountAuthorizationDetails].
type GetAccountAuthorizationDetailsInput struct {
	Filter []string // User, Group, Role, LocalManagedPolicy, AWSManagedPolicy; all if empty
	Paging
}

// GetAccountAuthorizationDetailsOutput is the answer of
// [Service.GetAccountAuthorizationDetails].
type GetAccountAuthorizationDetailsOutput struct {
	UserDetailList  []UserDetail
	GroupDetailList []GroupDetail
	RoleDetailList  []RoleDetail
	Policies        []ManagedPolicyDetail
	Paged
}

// A PolicyDetail is an inline policy.
type PolicyDetail struct {
	PolicyName     string
	PolicyDocument string `query:",uri"`
}

// A UserDetail is a user with its groups and policies.
type UserDetail struct {
	Path                    string
	UserName                string
	UserID                  string `query:"UserId"`
	ARN                     string `query:"Arn"`
	CreateDate              time.Time
	UserPolicyList          []PolicyDetail
	GroupList               []string
	AttachedManagedPolicies []AttachedPolicy
	PermissionsBoundary     *AttachedPermissionsBoundary
	Tags                    []Tag
}

// A GroupDetail is a group with its policies.
type GroupDetail struct {
	Path                    string
	GroupName               string
	GroupID                 string `query:"GroupId"`
	ARN                     string `query:"Arn"`
	CreateDate              time.Time
	GroupPolicyList         []PolicyDetail
	AttachedManagedPolicies []AttachedPolicy
}

// A RoleDetail is a role with its policies.
type RoleDetail struct {
	Path                     string
	RoleName                 string
	RoleID                   string `query:"RoleId"`
	ARN                      string `query:"Arn"`
	CreateDate               time.Time
	AssumeRolePolicyDocument string   `query:",uri"`
	InstanceProfileList      []string // none: this server has no instance profiles
	RolePolicyList           []PolicyDetail
	AttachedManagedPolicies  []AttachedPolicy
	PermissionsBoundary      *AttachedPermissionsBoundary
	Tags                     []Tag
	RoleLastUsed             *RoleLastUsed
}

// A ManagedPolicyDetail is a managed policy with its versions.
type ManagedPolicyDetail struct {
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
	PolicyVersionList             []PolicyVersion
}

// A detailKind is a kind of entity in the details, in the order in which they come.
type detailKind struct {
	name string
	// list returns one page, and the last entry of it.
	list func(*details, context.Context, identity.Page) (n int, last string, more bool, err error)
}

var detailKinds = []detailKind{
	{"User", (*details).users},
	{"Group", (*details).groups},
	{"Role", (*details).roles},
	{"LocalManagedPolicy", (*details).localPolicies},
	{"AWSManagedPolicy", (*details).awsPolicies},
}

// details is an answer that is being put together.
type details struct {
	*Service
	account string
	out     GetAccountAuthorizationDetailsOutput
}

// GetAccountAuthorizationDetails returns the users, groups and roles of the account
// with their policies, the account's managed policies, and those of AWS that it
// uses.
//
// It returns a *awserr.Error with code ValidationError or AccessDenied.
//
// Source: IAM API Reference, GetAccountAuthorizationDetails, read 2026-11-21.
func (s *Service) GetAccountAuthorizationDetails(ctx context.Context, c *authn.Caller, in *GetAccountAuthorizationDetailsInput) (*GetAccountAuthorizationDetailsOutput, error) {
	return run(ctx, s, c, "GetAccountAuthorizationDetails", in, func(v *checker) {
		for i := range in.Filter {
			v.oneOf(fmt.Sprintf("filter.%d.member", i+1), &in.Filter[i], "User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy")
		}
		v.page(&in.Paging)
	}, func(o *op) (*GetAccountAuthorizationDetailsOutput, error) {
		if err := o.ask(ctx, "*", nil); err != nil {
			return nil, err
		}
		d := &details{Service: s, account: c.Account}
		err := d.page(ctx, in)
		return &d.out, err
	})
}

// page fills in one page: what comes after the marker, which names a kind and an
// entity of it.
func (d *details) page(ctx context.Context, in *GetAccountAuthorizationDetailsInput) error {
	after, err := in.after("details")
	if err != nil {
		return err
	}
	kinds := slices.DeleteFunc(slices.Clone(detailKinds), func(k detailKind) bool {
		return len(in.Filter) > 0 && !slices.Contains(in.Filter, k.name)
	})
	start, last, _ := strings.Cut(after, ":")
	if after != "" {
		i := slices.IndexFunc(kinds, func(k detailKind) bool { return k.name == start })
		if i < 0 {
			return fault(400, "ValidationError", "Invalid Marker.")
		}
		kinds = kinds[i:]
	}
	room := in.limit()
	for _, k := range kinds {
		if room == 0 {
			// Whether there is more of the other kinds, the next page tells.
			d.out.Paged = Paged{true, mark("details", k.name+":")}
			return nil
		}
		n, end, more, err := k.list(d, ctx, identity.Page{After: last, Limit: room})
		if err != nil {
			return err
		}
		if more {
			d.out.Paged = Paged{true, mark("details", k.name+":"+end)}
			return nil
		}
		room, last = room-n, ""
	}
	return nil
}

// policies returns the inline and the attached policies of an entity. gone is set if
// it was deleted since it was listed.
func (d *details) policies(ctx context.Context, kind identity.Kind, name string) (inline []PolicyDetail, attached []AttachedPolicy, gone bool, err error) {
	e := identity.Entity{Kind: kind, Account: d.account, Name: name}
	texts, err := d.identity.InlinePolicies(ctx, e)
	if err != nil {
		return nil, nil, isGone(err), unlessGone(err)
	}
	list, err := d.identity.Attached(ctx, e)
	if err != nil {
		return nil, nil, isGone(err), unlessGone(err)
	}
	return each(texts, func(p identity.InlinePolicy) PolicyDetail { return PolicyDetail{p.Name, p.Text} }),
		each(list, func(a identity.Attachment) AttachedPolicy { return AttachedPolicy{a.Name, a.ARN} }), false, nil
}

func isGone(err error) bool {
	return errors.Is(err, identity.ErrNoUser) || errors.Is(err, identity.ErrNoGroup) || errors.Is(err, identity.ErrNoRole) || errors.Is(err, identity.ErrNoPolicy)
}

func unlessGone(err error) error {
	if isGone(err) {
		return nil
	}
	return err
}

func (d *details) users(ctx context.Context, p identity.Page) (n int, last string, more bool, err error) {
	list, more, err := d.identity.Users(ctx, d.account, p)
	for _, u := range list {
		last = u.Name
		inline, attached, gone, err := d.policies(ctx, identity.KindUser, u.Name)
		if err != nil {
			return 0, "", false, err
		}
		groups, err := d.identity.GroupsOf(ctx, d.account, u.Name)
		if gone = gone || isGone(err); gone {
			continue
		} else if err != nil {
			return 0, "", false, err
		}
		d.out.UserDetailList = append(d.out.UserDetailList, UserDetail{
			Path: u.Path, UserName: u.Name, UserID: u.ID, ARN: u.ARN, CreateDate: u.CreatedAt, UserPolicyList: inline,
			GroupList:               each(groups, func(g identity.Group) string { return g.Name }),
			AttachedManagedPolicies: attached, PermissionsBoundary: attachedBoundary(u.Boundary), Tags: each(u.Tags, showTag),
		})
	}
	return len(list), last, more, err
}

func (d *details) groups(ctx context.Context, p identity.Page) (n int, last string, more bool, err error) {
	list, more, err := d.identity.Groups(ctx, d.account, p)
	for _, g := range list {
		last = g.Name
		inline, attached, gone, err := d.policies(ctx, identity.KindGroup, g.Name)
		if err != nil {
			return 0, "", false, err
		}
		if !gone {
			d.out.GroupDetailList = append(d.out.GroupDetailList, GroupDetail{g.Path, g.Name, g.ID, g.ARN, g.CreatedAt, inline, attached})
		}
	}
	return len(list), last, more, err
}

func (d *details) roles(ctx context.Context, p identity.Page) (n int, last string, more bool, err error) {
	list, more, err := d.identity.Roles(ctx, d.account, p)
	for _, r := range list {
		last = r.Name
		inline, attached, gone, err := d.policies(ctx, identity.KindRole, r.Name)
		if err != nil {
			return 0, "", false, err
		}
		if gone {
			continue
		}
		d.out.RoleDetailList = append(d.out.RoleDetailList, RoleDetail{
			Path: r.Path, RoleName: r.Name, RoleID: r.ID, ARN: r.ARN, CreateDate: r.CreatedAt, AssumeRolePolicyDocument: r.Trust,
			RolePolicyList: inline, AttachedManagedPolicies: attached, PermissionsBoundary: attachedBoundary(r.Boundary),
			Tags: each(r.Tags, showTag), RoleLastUsed: &RoleLastUsed{r.LastUsed.At, r.LastUsed.Region},
		})
	}
	return len(list), last, more, err
}

func (d *details) localPolicies(ctx context.Context, p identity.Page) (n int, last string, more bool, err error) {
	return d.managed(ctx, identity.PolicyPage{Page: p, Local: true})
}

func (d *details) awsPolicies(ctx context.Context, p identity.Page) (n int, last string, more bool, err error) {
	return d.managed(ctx, identity.PolicyPage{Page: p, AWS: true, Used: true})
}

func (d *details) managed(ctx context.Context, p identity.PolicyPage) (n int, last string, more bool, err error) {
	list, more, err := d.identity.Policies(ctx, d.account, p)
	for _, m := range list {
		last = m.ARN
		versions, err := d.identity.PolicyVersions(ctx, d.account, m.ARN)
		if isGone(err) {
			continue
		} else if err != nil {
			return 0, "", false, err
		}
		d.out.Policies = append(d.out.Policies, ManagedPolicyDetail{
			PolicyName: m.Name, PolicyID: m.ID, ARN: m.ARN, Path: m.Path, DefaultVersionID: m.Default,
			AttachmentCount: int32(m.Attachments), PermissionsBoundaryUsageCount: int32(m.Boundaries), IsAttachable: true,
			Description: m.Description, CreateDate: m.CreatedAt, UpdateDate: m.UpdatedAt,
			PolicyVersionList: each(versions, func(v identity.PolicyVersion) PolicyVersion {
				shown := listVersion(v)
				shown.Document = v.Text
				return shown
			}),
		})
	}
	return len(list), last, more, err
}
