package iam

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestManagedPolicies(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	x := made(b.CreatePolicy(ctx, b.root, &CreatePolicyInput{PolicyName: "x", Path: p("/team/"), PolicyDocument: allowAll, Description: p("all"), Tags: []Tag{{"a", "b"}}}))(t).Policy
	want := Policy{"x", x.PolicyID, arnStart + "policy/team/x", "/team/", "v1", 0, 0, true, "all", testTime, testTime, []Tag{{"a", "b"}}}
	if !reflect.DeepEqual(x, want) {
		t.Errorf("CreatePolicy = %+v; want %+v", x, want)
	}
	if e := b.last(t); e.RequestParameters["policyDocument"] != allowAll || e.ResponseElements["policy"].(map[string]any)["policyId"] != x.PolicyID {
		t.Errorf("the trail has %s", e.Text)
	}
	b.user(t, "alice", "")
	b.role(t, "app")
	made(b.CreateGroup(ctx, b.root, &CreateGroupInput{GroupName: "devs"}))(t)
	ok(t, b.AttachUserPolicy(ctx, b.root, &AttachUserPolicyInput{"alice", x.ARN}))
	ok(t, b.AttachUserPolicy(ctx, b.root, &AttachUserPolicyInput{"alice", x.ARN})) // again
	ok(t, b.AttachGroupPolicy(ctx, b.root, &AttachGroupPolicyInput{"devs", x.ARN}))
	ok(t, b.AttachRolePolicy(ctx, b.root, &AttachRolePolicyInput{"app", x.ARN}))
	ok(t, b.PutUserPermissionsBoundary(ctx, b.root, &PutUserPermissionsBoundaryInput{"alice", x.ARN}))
	ok(t, b.AttachUserPolicy(ctx, b.root, &AttachUserPolicyInput{"alice", readARN}))

	got := made(b.GetPolicy(ctx, b.root, &GetPolicyInput{x.ARN}))(t).Policy
	if got.AttachmentCount != 3 || got.PermissionsBoundaryUsageCount != 1 {
		t.Errorf("GetPolicy = %+v; want 3 attachments and 1 boundary", got)
	}
	entities := made(b.ListEntitiesForPolicy(ctx, b.root, &ListEntitiesForPolicyInput{PolicyARN: x.ARN}))(t)
	if len(entities.PolicyUsers) != 1 || len(entities.PolicyGroups) != 1 || len(entities.PolicyRoles) != 1 || entities.PolicyUsers[0].UserName != "alice" {
		t.Errorf("ListEntitiesForPolicy = %+v", entities)
	}
	entities = made(b.ListEntitiesForPolicy(ctx, b.root, &ListEntitiesForPolicyInput{PolicyARN: x.ARN, PolicyUsageFilter: p(usageBoundary)}))(t)
	if len(entities.PolicyUsers) != 1 || len(entities.PolicyGroups)+len(entities.PolicyRoles) != 0 {
		t.Errorf("ListEntitiesForPolicy of boundaries = %+v", entities)
	}
	entities = made(b.ListEntitiesForPolicy(ctx, b.root, &ListEntitiesForPolicyInput{PolicyARN: x.ARN, EntityFilter: p("Role")}))(t)
	if len(entities.PolicyRoles) != 1 || len(entities.PolicyUsers)+len(entities.PolicyGroups) != 0 {
		t.Errorf("ListEntitiesForPolicy of roles = %+v", entities)
	}
	attached := made(b.ListAttachedUserPolicies(ctx, b.root, &ListAttachedUserPoliciesInput{UserName: "alice"}))(t)
	if !slices.Equal(attached.AttachedPolicies, []AttachedPolicy{{"AmazonS3ReadOnlyAccess", readARN}, {"x", x.ARN}}) {
		t.Errorf("ListAttachedUserPolicies = %+v", attached)
	}
	attached = made(b.ListAttachedUserPolicies(ctx, b.root, &ListAttachedUserPoliciesInput{UserName: "alice", PathPrefix: p("/team/")}))(t)
	if !slices.Equal(attached.AttachedPolicies, []AttachedPolicy{{"x", x.ARN}}) {
		t.Errorf("ListAttachedUserPolicies of a path = %+v", attached)
	}

	list := func(in ListPoliciesInput) string {
		t.Helper()
		out := made(b.ListPolicies(ctx, b.root, &in))(t)
		return strings.Join(each(out.Policies, func(p Policy) string { return p.PolicyName }), " ")
	}
	for want, in := range map[string]ListPoliciesInput{
		"x":                        {Scope: p("Local")},
		"x AmazonS3ReadOnlyAccess": {OnlyAttached: p(true)},
		"AmazonS3ReadOnlyAccess":   {Scope: p("AWS"), PolicyUsageFilter: p(usageAttached)},
		"":                         {Scope: p("AWS"), PolicyUsageFilter: p(usageBoundary)},
		"x AdministratorAccess":    {Paging: Paging{MaxItems: p[int32](2)}},
	} {
		if got := list(in); got != want {
			t.Errorf("ListPolicies(%+v) = %s; want %s", in, got, want)
		}
	}

	refused(t, "DeletePolicy", b.DeletePolicy(ctx, b.root, &DeletePolicyInput{x.ARN}), 409, "DeleteConflict: Cannot delete a policy attached to entities.")
	ok(t, b.DetachUserPolicy(ctx, b.root, &DetachUserPolicyInput{"alice", x.ARN}))
	ok(t, b.DetachGroupPolicy(ctx, b.root, &DetachGroupPolicyInput{"devs", x.ARN}))
	ok(t, b.DetachRolePolicy(ctx, b.root, &DetachRolePolicyInput{"app", x.ARN}))
	refused(t, "DeletePolicy of a boundary", b.DeletePolicy(ctx, b.root, &DeletePolicyInput{x.ARN}), 409, "DeleteConflict: Cannot delete a policy attached to entities.")
	ok(t, b.DeleteUserPermissionsBoundary(ctx, b.root, &DeleteUserPermissionsBoundaryInput{"alice"}))
	ok(t, b.DeletePolicy(ctx, b.root, &DeletePolicyInput{x.ARN}))
	_, err := b.GetPolicy(ctx, b.root, &GetPolicyInput{x.ARN})
	refused(t, "GetPolicy", err, 404, "NoSuchEntity: Policy "+x.ARN+" was not found.")
}

func TestPolicyRefusals(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	b.user(t, "alice", "")
	x := b.policy(t, "x").ARN
	create := func(name, document string) error {
		_, err := b.CreatePolicy(ctx, b.root, &CreatePolicyInput{PolicyName: name, PolicyDocument: document})
		return err
	}
	get := func(arn string) error {
		_, err := b.GetPolicy(ctx, b.root, &GetPolicyInput{arn})
		return err
	}
	version := func(arn string) error {
		_, err := b.CreatePolicyVersion(ctx, b.root, &CreatePolicyVersionInput{PolicyARN: arn, PolicyDocument: allowAll})
		return err
	}
	tests := []struct {
		name   string
		err    error
		status int
		want   string
	}{
		{"same name", create("x", allowAll), 409, "EntityAlreadyExists: A policy called x already exists. Duplicate names are not allowed."},
		{"no document", create("y", ""), 400, "ValidationError: 1 validation error detected: Value null at 'policyDocument' failed to satisfy constraint: Member must not be null"},
		{"characters of a document", create("y", "{\"\u0100\"}"), 400, `ValidationError: 1 validation error detected: Value at 'policyDocument' failed to satisfy constraint: Member must satisfy regular expression pattern: [\u0009\u000A\u000D\u0020-\u00FF]+`},
		{"long document", create("y", strings.Repeat("x", 6145)), 409, "LimitExceeded: Cannot exceed quota for PolicySize: 6144"},
		{"an ARN of something else", get(arnStart + "user/alice"), 400, "InvalidInput: ARN arn:aws:iam::123456789012:user/alice is not valid."},
		{"no ARN", get("policy/0123456789012345"), 400, "InvalidInput: ARN policy/0123456789012345 is not valid."},
		{"another account's", get("arn:aws:iam::210987654321:policy/x"), 404, "NoSuchEntity: Policy arn:aws:iam::210987654321:policy/x was not found."},
		{"attach an unknown one", b.AttachUserPolicy(ctx, b.root, &AttachUserPolicyInput{"alice", arnStart + "policy/y"}), 404, "NoSuchEntity: Policy arn:aws:iam::123456789012:policy/y does not exist or is not attachable."},
		{"attach to nobody", b.AttachUserPolicy(ctx, b.root, &AttachUserPolicyInput{"nobody", x}), 404, "NoSuchEntity: The user with name nobody cannot be found."},
		{"detach one that is not attached", b.DetachUserPolicy(ctx, b.root, &DetachUserPolicyInput{"alice", x}), 404, "NoSuchEntity: Policy " + x + " was not found."},
		{"an unknown boundary", b.PutUserPermissionsBoundary(ctx, b.root, &PutUserPermissionsBoundaryInput{"alice", arnStart + "policy/y"}), 404, "NoSuchEntity: Policy arn:aws:iam::123456789012:policy/y does not exist or is not attachable."},
		{"change a policy of AWS", version(adminARN), 403, "AccessDenied: The policy arn:aws:iam::aws:policy/AdministratorAccess is managed by AWS and can't be changed."},
		{"delete the default version", b.DeletePolicyVersion(ctx, b.root, &DeletePolicyVersionInput{x, "v1"}), 409, "DeleteConflict: Cannot delete the default version of a policy."},
		{"delete an unknown version", b.DeletePolicyVersion(ctx, b.root, &DeletePolicyVersionInput{x, "v9"}), 404, "NoSuchEntity: Policy " + x + " version v9 does not exist."},
		{"odd version", b.SetDefaultPolicyVersion(ctx, b.root, &SetDefaultPolicyVersionInput{x, "1"}), 400, `ValidationError: 1 validation error detected: Value '1' at 'versionId' failed to satisfy constraint: Member must satisfy regular expression pattern: v[1-9][0-9]*(\.[A-Za-z0-9-]*)?`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { refused(t, tt.name, tt.err, tt.status, tt.want) })
	}
	err := create("y", `{"Version":"2012-10-17",`+"\n"+`"Statement":[{"Effect":"Permit","Action":"*","Resource":"*"}]}`)
	if err == nil || !strings.HasPrefix(err.Error(), "MalformedPolicyDocument: Syntax errors in policy. (line 2, column ") {
		t.Errorf("a policy with an unknown effect = %v; want where it is", err)
	}
}

func TestPolicyVersions(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	x := b.policy(t, "x").ARN
	text := func(n int) string {
		return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Sid":"S%d","Effect":"Allow","Action":"*","Resource":"*"}]}`, n)
	}
	for n := 2; n <= 5; n++ {
		v := made(b.CreatePolicyVersion(ctx, b.root, &CreatePolicyVersionInput{x, text(n), p(n == 3)}))(t).PolicyVersion
		if v.VersionID != fmt.Sprintf("v%d", n) || v.IsDefaultVersion != (n == 3) || v.Document != "" {
			t.Errorf("CreatePolicyVersion = %+v", v)
		}
	}
	_, err := b.CreatePolicyVersion(ctx, b.root, &CreatePolicyVersionInput{x, allowAll, nil})
	refused(t, "a sixth version", err, 409, "LimitExceeded: A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.")
	v := made(b.GetPolicyVersion(ctx, b.root, &GetPolicyVersionInput{x, "v3"}))(t).PolicyVersion
	if v.Document != text(3) || !v.IsDefaultVersion {
		t.Errorf("GetPolicyVersion = %+v", v)
	}
	ok(t, b.SetDefaultPolicyVersion(ctx, b.root, &SetDefaultPolicyVersionInput{x, "v5"}))
	ok(t, b.DeletePolicyVersion(ctx, b.root, &DeletePolicyVersionInput{x, "v3"}))
	list := made(b.ListPolicyVersions(ctx, b.root, &ListPolicyVersionsInput{PolicyARN: x, Paging: Paging{MaxItems: p[int32](3)}}))(t)
	ids := each(list.Versions, func(v PolicyVersion) string { return v.VersionID })
	if !slices.Equal(ids, []string{"v5", "v4", "v2"}) || !list.IsTruncated || !list.Versions[0].IsDefaultVersion {
		t.Errorf("ListPolicyVersions = %+v", list)
	}
	list = made(b.ListPolicyVersions(ctx, b.root, &ListPolicyVersionsInput{PolicyARN: x, Paging: Paging{Marker: &list.Marker}}))(t)
	if len(list.Versions) != 1 || list.Versions[0].VersionID != "v1" || list.IsTruncated {
		t.Errorf("the second page of ListPolicyVersions = %+v", list)
	}
	refused(t, "DeletePolicy", b.DeletePolicy(ctx, b.root, &DeletePolicyInput{x}), 409, "DeleteConflict: This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
}

func TestInlinePolicies(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	b.user(t, "alice", "")
	b.role(t, "app")
	made(b.CreateGroup(ctx, b.root, &CreateGroupInput{GroupName: "devs"}))(t)
	kinds := []struct {
		name   string
		put    func(policy, document string) error
		get    func(policy string) (string, error)
		delete func(policy string) error
		list   func() ([]string, error)
	}{
		{"user", func(policy, document string) error {
			return b.PutUserPolicy(ctx, b.root, &PutUserPolicyInput{"alice", policy, document})
		}, func(policy string) (string, error) {
			out, err := b.GetUserPolicy(ctx, b.root, &GetUserPolicyInput{"alice", policy})
			if err != nil {
				return "", err
			}
			return out.UserName + " " + out.PolicyName + " " + out.PolicyDocument, nil
		}, func(policy string) error {
			return b.DeleteUserPolicy(ctx, b.root, &DeleteUserPolicyInput{"alice", policy})
		}, func() ([]string, error) {
			out, err := b.ListUserPolicies(ctx, b.root, &ListUserPoliciesInput{UserName: "alice"})
			if err != nil {
				return nil, err
			}
			return out.PolicyNames, nil
		}},
		{"group", func(policy, document string) error {
			return b.PutGroupPolicy(ctx, b.root, &PutGroupPolicyInput{"devs", policy, document})
		}, func(policy string) (string, error) {
			out, err := b.GetGroupPolicy(ctx, b.root, &GetGroupPolicyInput{"devs", policy})
			if err != nil {
				return "", err
			}
			return out.GroupName + " " + out.PolicyName + " " + out.PolicyDocument, nil
		}, func(policy string) error {
			return b.DeleteGroupPolicy(ctx, b.root, &DeleteGroupPolicyInput{"devs", policy})
		}, func() ([]string, error) {
			out, err := b.ListGroupPolicies(ctx, b.root, &ListGroupPoliciesInput{GroupName: "devs"})
			if err != nil {
				return nil, err
			}
			return out.PolicyNames, nil
		}},
		{"role", func(policy, document string) error {
			return b.PutRolePolicy(ctx, b.root, &PutRolePolicyInput{"app", policy, document})
		}, func(policy string) (string, error) {
			out, err := b.GetRolePolicy(ctx, b.root, &GetRolePolicyInput{"app", policy})
			if err != nil {
				return "", err
			}
			return out.RoleName + " " + out.PolicyName + " " + out.PolicyDocument, nil
		}, func(policy string) error {
			return b.DeleteRolePolicy(ctx, b.root, &DeleteRolePolicyInput{"app", policy})
		}, func() ([]string, error) {
			out, err := b.ListRolePolicies(ctx, b.root, &ListRolePoliciesInput{RoleName: "app"})
			if err != nil {
				return nil, err
			}
			return out.PolicyNames, nil
		}},
	}
	for i, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			ok(t, k.put("b", allowAll))
			ok(t, k.put("a", allowAll))
			ok(t, k.put("a", trustless))
			name := []string{"alice", "devs", "app"}[i]
			if got := made(k.get("a"))(t); got != name+" a "+trustless {
				t.Errorf("Get = %s", got)
			}
			if got := made(k.list())(t); !slices.Equal(got, []string{"a", "b"}) {
				t.Errorf("List = %v", got)
			}
			ok(t, k.delete("a"))
			_, err := k.get("a")
			refused(t, "Get", err, 404, "NoSuchEntity: The "+k.name+" policy with name a cannot be found.")
			refused(t, "Delete", k.delete("a"), 404, "NoSuchEntity: The "+k.name+" policy with name a cannot be found.")
			if err := k.put("c", strings.Repeat("x", 20_000)); err == nil || !strings.Contains(err.Error(), "bytes exceeded for "+k.name+" "+name) {
				t.Errorf("a long policy = %v", err)
			}
			if err := k.put("c", trust); err == nil || !strings.HasPrefix(err.Error(), "MalformedPolicyDocument: ") {
				t.Errorf("a policy with a principal = %v; want it refused", err)
			}
		})
	}
}

const trustless = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`
