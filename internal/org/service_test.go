package org

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/identity"
	"coffer/internal/meta"
	"coffer/internal/meta/mem"
	"coffer/internal/organization"
	"coffer/internal/trail"
)

const (
	owner  = "123456789012"
	member = "210987654321"
	alone  = "111122223333"
	denyS3 = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}`
)

// world is a service with three accounts, the first of which has an organization with
// the second.
type world struct {
	*Service
	t          *testing.T
	identities *identity.Store
	orgs       *organization.Store
	meta       meta.Store
	trail      *trail.Trail
	root       *authn.Caller // of owner
	o          *organization.Organization
	unit       *organization.Unit
	policy     *organization.Policy
	users      int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	store := mem.New()
	t.Cleanup(func() { store.Close() })
	w := &world{t: t, meta: store, root: rootOfAccount(owner)}
	var err error
	w.trail, err = trail.New(t.Context(), trail.Config{Store: store, Node: "n", Log: slog.New(slog.DiscardHandler)})
	w.ok(err)
	t.Cleanup(func() { w.trail.Close(context.Background()) })
	w.identities = identity.New(identity.Config{Meta: store})
	t.Cleanup(func() { w.identities.Close(context.Background()) })
	for _, id := range []string{owner, member, alone} {
		_, err := w.identities.CreateAccount(t.Context(), id, "a"+id, nil)
		w.ok(err)
	}
	w.orgs = organization.New(organization.Config{Meta: store, Identity: w.identities})
	gate := authz.New(authz.Config{Trail: w.trail, Meta: store, Identities: w.identities, Organizations: w.orgs})
	t.Cleanup(gate.Close)
	w.Service = New(Config{Organizations: w.orgs, Gate: gate})
	ctx := t.Context()
	_, err = w.CreateOrganization(ctx, w.root, &CreateOrganizationInput{})
	w.ok(err)
	h, err := w.InviteAccountToOrganization(ctx, w.root, &InviteAccountToOrganizationInput{Target: &HandshakeParty{member, "ACCOUNT"}})
	w.ok(err)
	_, err = w.AcceptHandshake(ctx, rootOfAccount(member), &HandshakeInput{h.Handshake.ID})
	w.ok(err)
	w.o, err = w.orgs.Of(ctx, owner)
	w.ok(err)
	for _, pt := range []string{"SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"} {
		_, err = w.EnablePolicyType(ctx, w.root, &PolicyTypeInput{w.o.Root, pt})
		w.ok(err)
	}
	u, err := w.CreateOrganizationalUnit(ctx, w.root, &CreateOrganizationalUnitInput{ParentID: w.o.Root, Name: "unit", Tags: []Tag{{"team", "red"}}})
	w.ok(err)
	w.unit = &organization.Unit{ID: u.OrganizationalUnit.ID}
	p, err := w.CreatePolicy(ctx, w.root, &CreatePolicyInput{Name: "policy", Description: new(string), Type: "SERVICE_CONTROL_POLICY", Content: denyS3})
	w.ok(err)
	w.policy = &organization.Policy{ID: p.Policy.PolicySummary.ID}
	return w
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func rootOfAccount(account string) *authn.Caller {
	return &authn.Caller{Type: authn.TypeRoot, UserName: "root", Account: account, ARN: "arn:aws:iam::" + account + ":root", PrincipalID: account, Region: "us-east-1",
		Service: "organizations", RequestID: "e1f2a3b4"}
}

// user makes a user of an account with an inline policy of the statements.
func (w *world) user(account string, statements ...string) *authn.Caller {
	w.t.Helper()
	w.users++
	name := fmt.Sprint("user", w.users)
	u, err := w.identities.CreateUser(w.t.Context(), account, identity.NewUser{Name: name}, nil)
	w.ok(err)
	if len(statements) > 0 {
		text := `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
		w.ok(w.identities.PutInline(w.t.Context(), identity.Entity{Kind: identity.KindUser, Account: account, Name: name}, "p", text, nil))
	}
	return &authn.Caller{Type: authn.TypeUser, Account: account, ARN: u.ARN, PrincipalID: u.ID, EntityID: u.ID, UserName: name, Region: "us-east-1", Service: "organizations", RequestID: "e1f2a3b4"}
}

// call is one operation with arguments that exist, and the resources that it is
// authorized on: %o is the organization's ID.
type call struct {
	name      string
	resources []string // after arn:aws:organizations::123456789012:
	do        func(w *world, c *authn.Caller) error
	anyMember bool
	noOrg     bool // needs no organization
}

func errOf[T any](_ T, err error) error { return err }

func calls(w *world) []call {
	ctx := w.t.Context()
	root, unit, account := "root/%o/"+w.o.Root, "ou/%o/"+w.unit.ID, "account/%o/"+member
	policy := "policy/%o/service_control_policy/" + w.policy.ID
	text, scp := "x", "SERVICE_CONTROL_POLICY"
	return []call{
		{name: "DescribeOrganization", anyMember: true, do: func(w *world, c *authn.Caller) error { return errOf(w.DescribeOrganization(ctx, c, nil)) }},
		{name: "EnableAllFeatures", do: func(w *world, c *authn.Caller) error { return errOf(w.EnableAllFeatures(ctx, c, nil)) }},
		{name: "ListAWSServiceAccessForOrganization", do: func(w *world, c *authn.Caller) error {
			return errOf(w.ListAWSServiceAccessForOrganization(ctx, c, &EmptyListInput{}))
		}},
		{name: "ListDelegatedAdministrators", do: func(w *world, c *authn.Caller) error {
			return errOf(w.ListDelegatedAdministrators(ctx, c, &EmptyListInput{}))
		}},
		{name: "ListRoots", do: func(w *world, c *authn.Caller) error { return errOf(w.ListRoots(ctx, c, &ListRootsInput{})) }},
		{name: "ListAccounts", do: func(w *world, c *authn.Caller) error { return errOf(w.ListAccounts(ctx, c, &ListAccountsInput{})) }},
		{name: "CreateOrganizationalUnit", resources: []string{root}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.CreateOrganizationalUnit(ctx, c, &CreateOrganizationalUnitInput{ParentID: w.o.Root, Name: c.UserName}))
		}},
		{name: "UpdateOrganizationalUnit", resources: []string{unit}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.UpdateOrganizationalUnit(ctx, c, &UpdateOrganizationalUnitInput{w.unit.ID, "renamed"}))
		}},
		{name: "DescribeOrganizationalUnit", resources: []string{unit}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.DescribeOrganizationalUnit(ctx, c, &OrganizationalUnitInput{w.unit.ID}))
		}},
		{name: "ListOrganizationalUnitsForParent", resources: []string{root}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.ListOrganizationalUnitsForParent(ctx, c, &ForParentInput{ParentID: w.o.Root}))
		}},
		{name: "ListAccountsForParent", resources: []string{root}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.ListAccountsForParent(ctx, c, &ForParentInput{ParentID: w.o.Root}))
		}},
		{name: "ListChildren", resources: []string{root}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.ListChildren(ctx, c, &ListChildrenInput{ParentID: w.o.Root, ChildType: "ACCOUNT"}))
		}},
		{name: "ListParents", resources: []string{account}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.ListParents(ctx, c, &ListParentsInput{ChildID: member}))
		}},
		{name: "DescribeAccount", resources: []string{account}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.DescribeAccount(ctx, c, &AccountInput{member}))
		}},
		{name: "MoveAccount", resources: []string{account, root, unit}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.MoveAccount(ctx, c, &MoveAccountInput{member, w.o.Root, w.unit.ID}))
		}},
		{name: "MoveAccount", resources: []string{account, unit, root}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.MoveAccount(ctx, c, &MoveAccountInput{member, w.unit.ID, w.o.Root}))
		}},
		{name: "CreateAccount", do: func(w *world, c *authn.Caller) error {
			return errOf(w.CreateAccount(ctx, c, &CreateAccountInput{Email: c.UserName + "@example.com", AccountName: c.UserName}))
		}},
		{name: "DescribeCreateAccountStatus", do: func(w *world, c *authn.Caller) error {
			return errOf(w.DescribeCreateAccountStatus(ctx, c, &DescribeCreateAccountStatusInput{"car-12345678"}))
		}},
		{name: "ListCreateAccountStatus", do: func(w *world, c *authn.Caller) error {
			return errOf(w.ListCreateAccountStatus(ctx, c, &ListCreateAccountStatusInput{}))
		}},
		{name: "CreatePolicy", do: func(w *world, c *authn.Caller) error {
			return errOf(w.CreatePolicy(ctx, c, &CreatePolicyInput{Name: c.UserName, Description: &text, Type: scp, Content: denyS3}))
		}},
		{name: "UpdatePolicy", resources: []string{policy}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.UpdatePolicy(ctx, c, &UpdatePolicyInput{PolicyID: w.policy.ID, Description: &text}))
		}},
		{name: "DescribePolicy", resources: []string{policy}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.DescribePolicy(ctx, c, &PolicyInput{w.policy.ID}))
		}},
		{name: "ListPolicies", do: func(w *world, c *authn.Caller) error {
			return errOf(w.ListPolicies(ctx, c, &ListPoliciesInput{Filter: scp}))
		}},
		{name: "AttachPolicy", resources: []string{policy, unit}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.AttachPolicy(ctx, c, &AttachmentInput{w.policy.ID, w.unit.ID}))
		}},
		{name: "ListPoliciesForTarget", resources: []string{unit}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.ListPoliciesForTarget(ctx, c, &ListPoliciesForTargetInput{TargetID: w.unit.ID, Filter: scp}))
		}},
		{name: "ListTargetsForPolicy", resources: []string{policy}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.ListTargetsForPolicy(ctx, c, &ListTargetsForPolicyInput{PolicyID: w.policy.ID}))
		}},
		{name: "DetachPolicy", resources: []string{policy, unit}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.DetachPolicy(ctx, c, &AttachmentInput{w.policy.ID, w.unit.ID}))
		}},
		{name: "TagResource", resources: []string{unit}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.TagResource(ctx, c, &TagResourceInput{w.unit.ID, []Tag{{"a", "b"}}}))
		}},
		{name: "TagResource", resources: []string{policy}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.TagResource(ctx, c, &TagResourceInput{w.policy.ID, []Tag{{"a", "b"}}}))
		}},
		{name: "ListTagsForResource", resources: []string{unit}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.ListTagsForResource(ctx, c, &ListTagsForResourceInput{ResourceID: w.unit.ID}))
		}},
		{name: "UntagResource", resources: []string{unit}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.UntagResource(ctx, c, &UntagResourceInput{w.unit.ID, []string{"a"}}))
		}},
		{name: "InviteAccountToOrganization", resources: []string{"account/%o/" + alone}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.InviteAccountToOrganization(ctx, c, &InviteAccountToOrganizationInput{Target: &HandshakeParty{alone, "ACCOUNT"}}))
		}},
		{name: "ListHandshakesForOrganization", do: func(w *world, c *authn.Caller) error {
			return errOf(w.ListHandshakesForOrganization(ctx, c, &ListHandshakesInput{}))
		}},
		{name: "ListHandshakesForAccount", anyMember: true, noOrg: true, do: func(w *world, c *authn.Caller) error {
			return errOf(w.ListHandshakesForAccount(ctx, c, &ListHandshakesInput{}))
		}},
		{name: "DisablePolicyType", resources: []string{root}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.DisablePolicyType(ctx, c, &PolicyTypeInput{w.o.Root, "RESOURCE_CONTROL_POLICY"}))
		}},
		{name: "EnablePolicyType", resources: []string{root}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.EnablePolicyType(ctx, c, &PolicyTypeInput{w.o.Root, "RESOURCE_CONTROL_POLICY"}))
		}},
		{name: "DeletePolicy", resources: []string{policy}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.DeletePolicy(ctx, c, &PolicyInput{w.policy.ID}))
		}},
		{name: "DeleteOrganizationalUnit", resources: []string{unit}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.DeleteOrganizationalUnit(ctx, c, &OrganizationalUnitInput{w.unit.ID}))
		}},
		{name: "RemoveAccountFromOrganization", resources: []string{account}, do: func(w *world, c *authn.Caller) error {
			return errOf(w.RemoveAccountFromOrganization(ctx, c, &AccountInput{member}))
		}},
		{name: "DeleteOrganization", do: func(w *world, c *authn.Caller) error { return errOf(w.DeleteOrganization(ctx, c, nil)) }},
	}
}

// Each operation is allowed by exactly its action on exactly its resources.
func TestAuthorization(t *testing.T) {
	w := newWorld(t)
	statement := func(action string, resources []string) string {
		return `{"Effect":"Allow","Action":"organizations:` + action + `","Resource":["` + strings.Join(resources, `","`) + `"]}`
	}
	for _, c := range calls(w) {
		if err := c.do(w, w.user(owner)); !awserr.Is(err, "AccessDeniedException") || !strings.Contains(err.Error(), "is not authorized to perform: organizations:"+c.name+" ") {
			t.Errorf("%s without a policy = %v; want AccessDeniedException", c.name, err)
		}
		resources := []string{"*"}
		if c.resources != nil {
			resources = nil
			for _, r := range c.resources {
				resources = append(resources, "arn:aws:organizations::"+owner+":"+strings.Replace(r, "%o", w.o.ID, 1))
			}
		}
		for i := range c.resources { // all of them are needed
			others := append(append([]string{"arn:aws:organizations::" + owner + ":ou/o-none/ou-none"}, resources[:i]...), resources[i+1:]...)
			if err := c.do(w, w.user(owner, statement(c.name, others))); !awserr.Is(err, "AccessDeniedException") {
				t.Errorf("%s without %s = %v; want AccessDeniedException", c.name, resources[i], err)
			}
		}
		if err := c.do(w, w.user(owner, statement(c.name+"x", []string{"*"}))); !awserr.Is(err, "AccessDeniedException") {
			t.Errorf("%s with the policy for another action = %v; want AccessDeniedException", c.name, err)
		}
		want := map[string]string{"EnableAllFeatures": "HandshakeConstraintViolationException", "DescribeCreateAccountStatus": "CreateAccountStatusNotFoundException",
			"DeleteOrganization": "OrganizationNotEmptyException"}[c.name]
		err := c.do(w, w.user(owner, statement(c.name, resources)))
		if got := awserr.As(err); (got == nil) != (want == "") || got != nil && got.Code != want {
			t.Errorf("%s with its policy = %v; want %q", c.name, err, want)
		}
	}
}

// Only the management account may call most operations, and nobody without an
// organization.
func TestAudience(t *testing.T) {
	w := newWorld(t)
	for _, c := range calls(w) {
		err := c.do(w, rootOfAccount(member))
		if want := !c.anyMember; awserr.Is(err, "AccessDeniedException") != want {
			t.Errorf("%s of a member = %v; want a denial: %t", c.name, err, want)
		}
		err = c.do(w, rootOfAccount(alone))
		if want := !c.noOrg; awserr.Is(err, "AWSOrganizationsNotInUseException") != want {
			t.Errorf("%s of a stranger = %v; want AWSOrganizationsNotInUseException: %t", c.name, err, want)
		}
	}
	if _, err := w.CreateOrganization(t.Context(), w.root, &CreateOrganizationInput{}); !awserr.Is(err, "AlreadyInOrganizationException") {
		t.Errorf("CreateOrganization = %v; want AlreadyInOrganizationException", err)
	}
	if _, err := w.LeaveOrganization(t.Context(), w.root, nil); !awserr.Is(err, "MasterCannotLeaveOrganizationException") {
		t.Errorf("LeaveOrganization = %v; want MasterCannotLeaveOrganizationException", err)
	}
	if _, err := w.LeaveOrganization(t.Context(), w.user(member), nil); !awserr.Is(err, "AccessDeniedException") {
		t.Errorf("LeaveOrganization = %v; want AccessDeniedException", err)
	}
	_, err := w.LeaveOrganization(t.Context(), rootOfAccount(member), nil)
	w.ok(err)
}

// A service control policy of the organization keeps a member's root from leaving it.
func TestSCPKeepsMembers(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	stay := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"organizations:LeaveOrganization","Resource":"*"}]}`
	p, err := w.CreatePolicy(ctx, w.root, &CreatePolicyInput{Name: "stay", Description: new(string), Type: "SERVICE_CONTROL_POLICY", Content: stay})
	w.ok(err)
	_, err = w.AttachPolicy(ctx, w.root, &AttachmentInput{p.Policy.PolicySummary.ID, w.o.Root})
	w.ok(err)
	if _, err := w.LeaveOrganization(ctx, rootOfAccount(member), nil); !awserr.Is(err, "AccessDeniedException") || !strings.Contains(err.Error(), "service control policy") {
		t.Errorf("LeaveOrganization = %v; want a denial by the service control policy", err)
	}
}

func TestConditionKeys(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	red := []Tag{{"team", "red"}}
	tests := []struct {
		name      string
		condition string
		do        func(c *authn.Caller) error
		want      bool
	}{
		{"PolicyType", `{"StringEquals":{"organizations:PolicyType":"SERVICE_CONTROL_POLICY"}}`, func(c *authn.Caller) error {
			return errOf(w.DescribePolicy(ctx, c, &PolicyInput{w.policy.ID}))
		}, true},
		{"another PolicyType", `{"StringEquals":{"organizations:PolicyType":"TAG_POLICY"}}`, func(c *authn.Caller) error {
			return errOf(w.AttachPolicy(ctx, c, &AttachmentInput{w.policy.ID, w.unit.ID}))
		}, false},
		{"PolicyType of a listing", `{"StringEquals":{"organizations:PolicyType":"RESOURCE_CONTROL_POLICY"}}`, func(c *authn.Caller) error {
			return errOf(w.ListPolicies(ctx, c, &ListPoliciesInput{Filter: "RESOURCE_CONTROL_POLICY"}))
		}, true},
		{"ResourceTag", `{"StringEquals":{"aws:ResourceTag/Team":"red"}}`, func(c *authn.Caller) error {
			return errOf(w.DescribeOrganizationalUnit(ctx, c, &OrganizationalUnitInput{w.unit.ID}))
		}, true},
		{"another ResourceTag", `{"StringEquals":{"aws:ResourceTag/team":"blue"}}`, func(c *authn.Caller) error {
			return errOf(w.DescribeOrganizationalUnit(ctx, c, &OrganizationalUnitInput{w.unit.ID}))
		}, false},
		{"RequestTag", `{"StringEquals":{"aws:RequestTag/team":"red"}}`, func(c *authn.Caller) error {
			return errOf(w.TagResource(ctx, c, &TagResourceInput{w.unit.ID, red}))
		}, true},
		{"TagKeys", `{"ForAllValues:StringEquals":{"aws:TagKeys":["cost"]}}`, func(c *authn.Caller) error {
			return errOf(w.UntagResource(ctx, c, &UntagResourceInput{w.unit.ID, []string{"team"}}))
		}, false},
		{"RequestTag of a new OU", `{"StringEquals":{"aws:RequestTag/team":"red"}}`, func(c *authn.Caller) error {
			return errOf(w.CreateOrganizationalUnit(ctx, c, &CreateOrganizationalUnitInput{ParentID: w.o.Root, Name: "tagged", Tags: red}))
		}, true},
		{"ServicePrincipal", `{"StringEquals":{"organizations:ServicePrincipal":"config.amazonaws.com"}}`, func(c *authn.Caller) error {
			return errOf(w.ListDelegatedAdministrators(ctx, c, &EmptyListInput{ServicePrincipal: "config.amazonaws.com"}))
		}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := w.user(owner, `{"Effect":"Allow","Action":"organizations:*","Resource":"*","Condition":`+tt.condition+`}`)
			if err := tt.do(c); (err == nil) != tt.want || err != nil && !awserr.Is(err, "AccessDeniedException") {
				t.Errorf("error %v; want none: %t", err, tt.want)
			}
		})
	}
	// Tags of something new need TagResource too.
	c := w.user(owner, `{"Effect":"Allow","Action":"organizations:CreateOrganizationalUnit","Resource":"*"}`)
	_, err := w.CreateOrganizationalUnit(ctx, c, &CreateOrganizationalUnitInput{ParentID: w.o.Root, Name: "more", Tags: red})
	if !awserr.Is(err, "AccessDeniedException") || !strings.Contains(err.Error(), "organizations:TagResource") {
		t.Errorf("CreateOrganizationalUnit with tags = %v; want a denial of TagResource", err)
	}
	_, err = w.CreateOrganizationalUnit(ctx, c, &CreateOrganizationalUnitInput{ParentID: w.o.Root, Name: "more"})
	w.ok(err)
}

func TestShapes(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	zero, many := int32(0), int32(21)
	text := func(n int) string { return strings.Repeat("x", n) }
	tests := []struct {
		name, code, reason string
		err                error
	}{
		{"no ID", invalid, "INPUT_REQUIRED", errOf(w.DescribeAccount(ctx, w.root, &AccountInput{}))},
		{"bad ID", invalid, "INVALID_PATTERN", errOf(w.DescribeAccount(ctx, w.root, &AccountInput{"12345678901a"}))},
		{"ID with a tail", invalid, "INVALID_PATTERN", errOf(w.ListChildren(ctx, w.root, &ListChildrenInput{ParentID: "r-abcd/../x", ChildType: "ACCOUNT"}))},
		{"bad target", invalid, "INVALID_PATTERN_TARGET_ID", errOf(w.AttachPolicy(ctx, w.root, &AttachmentInput{w.policy.ID, "x" + member}))},
		{"bad enum", invalid, "INVALID_ENUM", errOf(w.ListChildren(ctx, w.root, &ListChildrenInput{ParentID: w.o.Root, ChildType: "ROOT"}))},
		{"bad type", invalid, "INVALID_ENUM_POLICY_TYPE", errOf(w.ListPolicies(ctx, w.root, &ListPoliciesInput{Filter: "SCP"}))},
		{"type of AWS alone", "NotImplemented", "", errOf(w.ListPolicies(ctx, w.root, &ListPoliciesInput{Filter: "TAG_POLICY"}))},
		{"effective SCP", invalid, "INVALID_ENUM_POLICY_TYPE", errOf(w.DescribeEffectivePolicy(ctx, w.root, &DescribeEffectivePolicyInput{PolicyType: "SERVICE_CONTROL_POLICY"}))},
		{"small page", invalid, "MIN_VALUE_EXCEEDED", errOf(w.ListAccounts(ctx, w.root, &ListAccountsInput{MaxResults: &zero}))},
		{"large page", invalid, "MAX_VALUE_EXCEEDED", errOf(w.ListAccounts(ctx, w.root, &ListAccountsInput{MaxResults: &many}))},
		{"bad token", invalid, "INVALID_NEXT_TOKEN", errOf(w.ListAccounts(ctx, w.root, &ListAccountsInput{NextToken: "x"}))},
		{"token of another listing", invalid, "INVALID_NEXT_TOKEN", errOf(w.ListAccounts(ctx, w.root, &ListAccountsInput{NextToken: nextToken("roots", "r-1234")}))},
		{"long name", invalid, "MAX_LENGTH_EXCEEDED", errOf(w.CreateOrganizationalUnit(ctx, w.root, &CreateOrganizationalUnitInput{ParentID: w.o.Root, Name: text(129)}))},
		{"no description", invalid, "INPUT_REQUIRED", errOf(w.CreatePolicy(ctx, w.root, &CreatePolicyInput{Name: "x", Type: "SERVICE_CONTROL_POLICY", Content: denyS3}))},
		{"no tags", invalid, "INPUT_REQUIRED", errOf(w.TagResource(ctx, w.root, &TagResourceInput{ResourceID: w.unit.ID}))},
		{"tag of AWS", invalid, "INVALID_SYSTEM_TAGS_PARAMETER", errOf(w.TagResource(ctx, w.root, &TagResourceInput{w.unit.ID, []Tag{{"AWS:x", ""}}}))},
		{"tag twice", invalid, "DUPLICATE_TAG_KEY", errOf(w.TagResource(ctx, w.root, &TagResourceInput{w.unit.ID, []Tag{{"x", ""}, {"x", "1"}}}))},
		{"tag with a line break", invalid, "INVALID_PATTERN", errOf(w.TagResource(ctx, w.root, &TagResourceInput{w.unit.ID, []Tag{{"x\n", ""}}}))},
		{"resource policy", "NotImplemented", "", errOf(w.TagResource(ctx, w.root, &TagResourceInput{"rp-12345678", []Tag{{"x", ""}}}))},
		{"bad address", invalid, "INVALID_PATTERN", errOf(w.CreateAccount(ctx, w.root, &CreateAccountInput{Email: "nobody", AccountName: "x"}))},
		{"bad role", invalid, "INVALID_ROLE_NAME", errOf(w.CreateAccount(ctx, w.root, &CreateAccountInput{Email: "x@example.com", AccountName: "x", RoleName: "AWSServiceRoleForX"}))},
		{"bad party", invalid, "INVALID_PARTY_TYPE_TARGET", errOf(w.InviteAccountToOrganization(ctx, w.root, &InviteAccountToOrganizationInput{Target: &HandshakeParty{"o-1", "ORGANIZATION"}}))},
		{"nobody", invalid, "INVALID_PARTY_TYPE_TARGET", errOf(w.InviteAccountToOrganization(ctx, w.root, &InviteAccountToOrganizationInput{Target: &HandshakeParty{"000000000000", "ACCOUNT"}}))},
		{"invited member", handshakeConstraint, "ALREADY_IN_AN_ORGANIZATION", errOf(w.InviteAccountToOrganization(ctx, w.root, &InviteAccountToOrganizationInput{Target: &HandshakeParty{member, "ACCOUNT"}}))},
		{"two filters", invalid, "MAX_LIMIT_EXCEEDED_FILTER", errOf(w.ListHandshakesForAccount(ctx, w.root, &ListHandshakesInput{Filter: &HandshakeFilter{"INVITE", "h-12345678"}}))},
		{"billing", "NotImplemented", "", errOf(w.CreateOrganization(ctx, rootOfAccount(alone), &CreateOrganizationInput{"CONSOLIDATED_BILLING"}))},
		{"policy of AWS", invalid, "IMMUTABLE_POLICY", errOf(w.DeletePolicy(ctx, w.root, &PolicyInput{"p-FullAWSAccess"}))},
		{"last SCP", constraint, "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", errOf(w.DetachPolicy(ctx, w.root, &AttachmentInput{"p-FullAWSAccess", w.unit.ID}))},
		{"long policy", constraint, "POLICY_CONTENT_LIMIT_EXCEEDED", errOf(w.CreatePolicy(ctx, w.root, &CreatePolicyInput{Name: "x", Description: new(string), Type: "SERVICE_CONTROL_POLICY", Content: denyS3 + text(10_240)}))},
		{"no policy", "MalformedPolicyDocumentException", "", errOf(w.CreatePolicy(ctx, w.root, &CreatePolicyInput{Name: "x", Description: new(string), Type: "SERVICE_CONTROL_POLICY", Content: "{}"}))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := awserr.As(tt.err)
			if e == nil || e.Code != tt.code {
				t.Fatalf("error %v; want %s", tt.err, tt.code)
			}
			reason := ""
			for _, f := range e.Fields {
				if f.Name == "Reason" {
					reason = f.Value
				}
			}
			if reason != tt.reason {
				t.Errorf("reason %q of %v; want %q", reason, e, tt.reason)
			}
		})
	}
}

func TestPages(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for i := range 44 {
		_, err := w.CreateOrganizationalUnit(ctx, w.root, &CreateOrganizationalUnitInput{ParentID: w.unit.ID, Name: fmt.Sprint(i)})
		w.ok(err)
	}
	seen := make(map[string]bool)
	pages := 0
	for token := ""; ; pages++ {
		out, err := w.ListOrganizationalUnitsForParent(ctx, w.root, &ForParentInput{ParentID: w.unit.ID, NextToken: token})
		w.ok(err)
		for _, u := range out.OrganizationalUnits {
			if seen[u.ID] {
				t.Errorf("%s is listed twice", u.ID)
			}
			seen[u.ID] = true
		}
		if token = out.NextToken; token == "" {
			break
		}
	}
	if len(seen) != 44 || pages != 2 {
		t.Errorf("%d OUs on %d pages; want 44 on 3", len(seen), pages+1)
	}
}

func TestTrail(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, err := w.CreateAccount(ctx, w.root, &CreateAccountInput{Email: "secret.person@example.com", AccountName: "Secret Person"})
	w.ok(err)
	_, _ = w.DescribeAccount(ctx, w.user(owner), &AccountInput{member})
	w.ok(w.trail.Flush(ctx))
	events := make(map[string]map[string]any)
	w.ok(trail.Scan(ctx, w.meta, "n", 0, func(entry trail.Entry) (bool, error) {
		record := entry.JSON
		var e map[string]any
		err := json.Unmarshal(record, &e)
		events[fmt.Sprint(e["eventName"])] = e
		if strings.Contains(string(record), "ecret") {
			t.Errorf("the trail shows a name or an address: %s", record)
		}
		return true, err
	}))
	for name, want := range map[string]string{
		"CreateAccount":   `map[accountName:**** email:**** roleName:OrganizationAccountAccessRole]`,
		"DescribeAccount": `map[accountId:` + member + `]`,
		"CreatePolicy":    `map[content:` + denyS3 + ` description: name:policy type:SERVICE_CONTROL_POLICY]`,
	} {
		if got := fmt.Sprint(events[name]["requestParameters"]); got != want || events[name]["eventSource"] != source {
			t.Errorf("%s: %v of %v; want %s", name, got, events[name]["eventSource"], want)
		}
	}
	if e := events["DescribeAccount"]; e["errorCode"] != "AccessDeniedException" || e["readOnly"] != true {
		t.Errorf("denied event = %v", e)
	}
	if got := fmt.Sprint(events["CreateAccount"]["responseElements"]); !strings.Contains(got, "state:SUCCEEDED") || !strings.Contains(got, "accountId:") {
		t.Errorf("responseElements = %s", got)
	}
}
