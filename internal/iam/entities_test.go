package iam

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"coffer/internal/awserr"
)

func TestGroups(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	g := made(b.CreateGroup(ctx, b.root, &CreateGroupInput{GroupName: "devs", Path: p("/a/")}))(t).Group
	if want := (Group{"/a/", "devs", g.GroupID, arnStart + "group/a/devs", testTime}); g != want || !strings.HasPrefix(g.GroupID, "AGPA") {
		t.Errorf("CreateGroup = %+v; want %+v", g, want)
	}
	for _, name := range []string{"alice", "bob", "carol"} {
		b.user(t, name, "")
		ok(t, b.AddUserToGroup(ctx, b.root, &AddUserToGroupInput{"devs", name}))
	}
	ok(t, b.AddUserToGroup(ctx, b.root, &AddUserToGroupInput{"devs", "alice"})) // again
	out := made(b.GetGroup(ctx, b.root, &GetGroupInput{GroupName: "devs", Paging: Paging{MaxItems: p[int32](2)}}))(t)
	if out.Group != g || len(out.Users) != 2 || !out.IsTruncated {
		t.Errorf("GetGroup = %+v", out)
	}
	out = made(b.GetGroup(ctx, b.root, &GetGroupInput{GroupName: "devs", Paging: Paging{Marker: &out.Marker}}))(t)
	if len(out.Users) != 1 || out.Users[0].UserName != "carol" || out.IsTruncated {
		t.Errorf("the second page of GetGroup = %+v", out)
	}
	made(b.CreateGroup(ctx, b.root, &CreateGroupInput{GroupName: "ops"}))(t)
	ok(t, b.AddUserToGroup(ctx, b.root, &AddUserToGroupInput{"ops", "alice"}))
	of := made(b.ListGroupsForUser(ctx, b.root, &ListGroupsForUserInput{UserName: "alice"}))(t)
	if names := each(of.Groups, func(g Group) string { return g.GroupName }); !slices.Equal(names, []string{"devs", "ops"}) {
		t.Errorf("ListGroupsForUser = %v", names)
	}
	list := made(b.ListGroups(ctx, b.root, &ListGroupsInput{PathPrefix: p("/a/")}))(t)
	if len(list.Groups) != 1 || list.Groups[0] != g {
		t.Errorf("ListGroups = %+v", list)
	}
	ok(t, b.UpdateGroup(ctx, b.root, &UpdateGroupInput{GroupName: "devs", NewGroupName: p("coders")}))
	refused(t, "UpdateGroup", b.UpdateGroup(ctx, b.root, &UpdateGroupInput{GroupName: "coders", NewGroupName: p("ops")}), 409, "EntityAlreadyExists: Group with name ops already exists.")
	refused(t, "DeleteGroup", b.DeleteGroup(ctx, b.root, &DeleteGroupInput{"coders"}), 409, "DeleteConflict: Cannot delete entity, must remove users from group first.")
	for _, name := range []string{"alice", "bob", "carol"} {
		ok(t, b.RemoveUserFromGroup(ctx, b.root, &RemoveUserFromGroupInput{"coders", name}))
	}
	refused(t, "RemoveUserFromGroup", b.RemoveUserFromGroup(ctx, b.root, &RemoveUserFromGroupInput{"coders", "bob"}), 404, "NoSuchEntity: The user with name bob is not in the group coders.")
	refused(t, "AddUserToGroup", b.AddUserToGroup(ctx, b.root, &AddUserToGroupInput{"coders", "nobody"}), 404, "NoSuchEntity: The user with name nobody cannot be found.")
	ok(t, b.DeleteGroup(ctx, b.root, &DeleteGroupInput{"coders"}))
	_, err := b.GetGroup(ctx, b.root, &GetGroupInput{GroupName: "coders"})
	refused(t, "GetGroup", err, 404, "NoSuchEntity: The group with name coders cannot be found.")
}

func TestRoles(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	r := made(b.CreateRole(ctx, b.root, &CreateRoleInput{
		RoleName: "app", Path: p("/x/"), AssumeRolePolicyDocument: trust, Description: p("an app"), MaxSessionDuration: p[int32](7200),
		PermissionsBoundary: p(readARN), Tags: []Tag{{"a", "b"}},
	}))(t).Role
	want := Role{"/x/", "app", r.RoleID, arnStart + "role/x/app", testTime, trust, "an app", 7200, &AttachedPermissionsBoundary{"Policy", readARN}, []Tag{{"a", "b"}}, &RoleLastUsed{}}
	if !reflect.DeepEqual(r, want) || !strings.HasPrefix(r.RoleID, "AROA") {
		t.Errorf("CreateRole = %+v; want %+v", r, want)
	}
	if got := made(b.GetRole(ctx, b.root, &GetRoleInput{"app"}))(t).Role; !reflect.DeepEqual(got, want) {
		t.Errorf("GetRole = %+v; want %+v", got, want)
	}
	made(b.UpdateRole(ctx, b.root, &UpdateRoleInput{"app", p(""), p[int32](3600)}))(t)
	got := made(b.UpdateRoleDescription(ctx, b.root, &UpdateRoleDescriptionInput{"app", p("new")}))(t).Role
	if got.Description != "new" || got.MaxSessionDuration != 3600 {
		t.Errorf("UpdateRoleDescription = %+v", got)
	}
	alice := b.user(t, "alice", "")
	byUser := strings.Replace(trust, arnStart+"root", alice.ARN, 1)
	ok(t, b.UpdateAssumeRolePolicy(ctx, b.root, &UpdateAssumeRolePolicyInput{"app", byUser}))
	if got := made(b.GetRole(ctx, b.root, &GetRoleInput{"app"}))(t).Role; got.AssumeRolePolicyDocument != byUser {
		t.Errorf("the trust policy is %s; want %s", got.AssumeRolePolicyDocument, byUser)
	}
	// Who is deleted is shown by the unique ID: another of that name is not trusted.
	ok(t, b.DeleteUser(ctx, b.root, &DeleteUserInput{"alice"}))
	if got := made(b.GetRole(ctx, b.root, &GetRoleInput{"app"}))(t).Role; got.AssumeRolePolicyDocument != strings.Replace(byUser, alice.ARN, alice.EntityID, 1) {
		t.Errorf("the trust policy is %s; want the unique ID", got.AssumeRolePolicyDocument)
	}
	list := made(b.ListRoles(ctx, b.root, &ListRolesInput{}))(t)
	if len(list.Roles) != 1 || list.Roles[0].Tags != nil || list.Roles[0].PermissionsBoundary != nil || list.Roles[0].RoleLastUsed != nil || list.Roles[0].AssumeRolePolicyDocument == "" {
		t.Errorf("ListRoles = %+v", list)
	}
	if profiles := made(b.ListInstanceProfilesForRole(ctx, b.root, &ListInstanceProfilesForRoleInput{RoleName: "app"}))(t); len(profiles.InstanceProfiles) != 0 || profiles.IsTruncated {
		t.Errorf("ListInstanceProfilesForRole = %+v", profiles)
	}
	ok(t, b.DeleteRole(ctx, b.root, &DeleteRoleInput{"app"}))
	_, err := b.ListInstanceProfilesForRole(ctx, b.root, &ListInstanceProfilesForRoleInput{RoleName: "app"})
	refused(t, "ListInstanceProfilesForRole", err, 404, "NoSuchEntity: The role with name app cannot be found.")
}

func TestRoleRefusals(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	b.role(t, "app")
	ok(t, b.PutRolePolicy(ctx, b.root, &PutRolePolicyInput{"app", "x", allowAll}))
	create := func(in CreateRoleInput) error {
		if in.AssumeRolePolicyDocument == "" {
			in.AssumeRolePolicyDocument = trust
		}
		_, err := b.CreateRole(ctx, b.root, &in)
		return err
	}
	setTrust := func(document string) error {
		return b.UpdateAssumeRolePolicy(ctx, b.root, &UpdateAssumeRolePolicyInput{"app", document})
	}
	update := func(seconds int32) error {
		_, err := b.UpdateRole(ctx, b.root, &UpdateRoleInput{RoleName: "app", MaxSessionDuration: &seconds})
		return err
	}
	unknown := arnStart + "user/nobody"
	tests := []struct {
		name   string
		err    error
		status int
		want   string
	}{
		{"same name", create(CreateRoleInput{RoleName: "App"}), 409, "EntityAlreadyExists: Role with name App already exists."},
		{"a service's path", create(CreateRoleInput{RoleName: "x", Path: p("/aws-service-role/x.amazonaws.com/")}), 400, "ValidationError: The path /aws-service-role/ is for the roles of services."},
		{"short session", update(3599), 400, "ValidationError: 1 validation error detected: Value '3599' at 'maxSessionDuration' failed to satisfy constraint: Member must have value greater than or equal to 3600"},
		{"long session", update(43201), 400, "ValidationError: 1 validation error detected: Value '43201' at 'maxSessionDuration' failed to satisfy constraint: Member must have value less than or equal to 43200"},
		{"an unknown principal", setTrust(strings.Replace(trust, arnStart+"root", unknown, 1)), 400, fmt.Sprintf(`MalformedPolicyDocument: Invalid principal in policy: "AWS":%q`, unknown)},
		{"long trust policy", setTrust(trust + strings.Repeat("x", 8192)), 409, "LimitExceeded: Cannot exceed quota for ACLSizePerRole: 2048"},
		{"delete with a policy", b.DeleteRole(ctx, b.root, &DeleteRoleInput{"app"}), 409, "DeleteConflict: Cannot delete entity, must delete policies first."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { refused(t, tt.name, tt.err, tt.status, tt.want) })
	}
	for name, document := range map[string]string{"an identity policy": allowAll, "no JSON": "{"} {
		if err := setTrust(document); !awserr.Is(err, "MalformedPolicyDocument") {
			t.Errorf("%s as trust policy = %v; want MalformedPolicyDocument", name, err)
		}
	}
}

func TestTags(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	b.user(t, "alice", "")
	b.role(t, "app")
	policy := b.policy(t, "x").ARN
	provider := made(b.CreateOpenIDConnectProvider(ctx, b.root, &CreateOpenIDConnectProviderInput{URL: "https://idp.example.com"}))(t).OpenIDConnectProviderARN
	kinds := []struct {
		name  string
		tag   func([]Tag) error
		untag func([]string) error
		list  func(Paging) ([]Tag, Paged)
	}{
		{"user", func(tags []Tag) error { return b.TagUser(ctx, b.root, &TagUserInput{"alice", tags}) },
			func(keys []string) error { return b.UntagUser(ctx, b.root, &UntagUserInput{"alice", keys}) },
			func(p Paging) ([]Tag, Paged) {
				out := made(b.ListUserTags(ctx, b.root, &ListUserTagsInput{"alice", p}))(t)
				return out.Tags, out.Paged
			}},
		{"role", func(tags []Tag) error { return b.TagRole(ctx, b.root, &TagRoleInput{"app", tags}) },
			func(keys []string) error { return b.UntagRole(ctx, b.root, &UntagRoleInput{"app", keys}) },
			func(p Paging) ([]Tag, Paged) {
				out := made(b.ListRoleTags(ctx, b.root, &ListRoleTagsInput{"app", p}))(t)
				return out.Tags, out.Paged
			}},
		{"policy", func(tags []Tag) error { return b.TagPolicy(ctx, b.root, &TagPolicyInput{policy, tags}) },
			func(keys []string) error { return b.UntagPolicy(ctx, b.root, &UntagPolicyInput{policy, keys}) },
			func(p Paging) ([]Tag, Paged) {
				out := made(b.ListPolicyTags(ctx, b.root, &ListPolicyTagsInput{policy, p}))(t)
				return out.Tags, out.Paged
			}},
		{"provider", func(tags []Tag) error {
			return b.TagOpenIDConnectProvider(ctx, b.root, &TagOpenIDConnectProviderInput{provider, tags})
		}, func(keys []string) error {
			return b.UntagOpenIDConnectProvider(ctx, b.root, &UntagOpenIDConnectProviderInput{provider, keys})
		}, func(p Paging) ([]Tag, Paged) {
			out := made(b.ListOpenIDConnectProviderTags(ctx, b.root, &ListOpenIDConnectProviderTagsInput{provider, p}))(t)
			return out.Tags, out.Paged
		}},
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			ok(t, k.tag([]Tag{{"b", "1"}, {"A", "2"}, {"c", ""}}))
			ok(t, k.tag([]Tag{{"B", "3"}}))
			page, more := k.list(Paging{MaxItems: p[int32](2)})
			rest, end := k.list(Paging{Marker: &more.Marker})
			if got := fmt.Sprint(page, rest); !strings.EqualFold(got, "[{A 2} {b 3}] [{c }]") || !more.IsTruncated || end.IsTruncated {
				t.Errorf("List = %s", got)
			}
			ok(t, k.untag([]string{"B", "missing"}))
			if left, _ := k.list(Paging{}); !slices.Equal(left, []Tag{{"A", "2"}, {"c", ""}}) {
				t.Errorf("List after Untag = %v", left)
			}
			refused(t, "Tag", k.tag([]Tag{{"x", "1"}, {"X", "2"}}), 400, "InvalidInput: Duplicate tag keys found. Please note that Tag keys are case insensitive.")
			refused(t, "Untag", k.untag([]string{"aws:x"}), 400, "InvalidInput: Tag keys that start with aws: are reserved.")
			refused(t, "Tag nothing", k.tag(nil), 400, "ValidationError: 1 validation error detected: Value null at 'tags' failed to satisfy constraint: Member must not be null")
			var many []Tag
			for i := range 50 {
				many = append(many, Tag{fmt.Sprint("k", i), ""})
			}
			if err := k.tag(many); !awserr.Is(err, "LimitExceeded") {
				t.Errorf("52 tags = %v; want LimitExceeded", err)
			}
			if err := k.tag([]Tag{{"a*b", ""}}); !awserr.Is(err, "ValidationError") {
				t.Errorf("a tag a*b = %v; want ValidationError", err)
			}
		})
	}
}

func TestAccessKeys(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	alice := b.user(t, "alice", allowAll)
	out := made(b.CreateAccessKey(ctx, alice, &CreateAccessKeyInput{}))(t)
	k := out.AccessKey
	if !regexp.MustCompile(`^AKIA[A-Z2-7]{16}$`).MatchString(k.AccessKeyID) || len(k.SecretAccessKey.Reveal()) != 40 || k.UserName != "alice" || k.Status != "Active" {
		t.Errorf("CreateAccessKey = %+v", k)
	}
	if e := b.last(t); !strings.Contains(e.Text, `"accessKeyId":"`+k.AccessKeyID+`"`) || strings.Contains(e.Text, k.SecretAccessKey.Reveal()) || strings.Contains(strings.ToLower(e.Text), "secretaccesskey") {
		t.Errorf("the trail has %s; want the key without its secret", e.Text)
	}
	second := made(b.CreateAccessKey(ctx, b.root, &CreateAccessKeyInput{p("alice")}))(t).AccessKey
	_, err := b.CreateAccessKey(ctx, b.root, &CreateAccessKeyInput{p("alice")})
	refused(t, "a third key", err, 409, "LimitExceeded: Cannot exceed quota for AccessKeysPerUser: 2")

	used := made(b.GetAccessKeyLastUsed(ctx, b.root, &GetAccessKeyLastUsedInput{k.AccessKeyID}))(t)
	if want := (GetAccessKeyLastUsedOutput{"alice", AccessKeyLastUsed{ServiceName: "N/A", Region: "N/A"}}); *used != want {
		t.Errorf("GetAccessKeyLastUsed = %+v; want %+v", *used, want)
	}
	_, err = b.GetAccessKeyLastUsed(ctx, b.root, &GetAccessKeyLastUsedInput{"AKIAIOSFODNN7EXAMPLE"})
	refused(t, "GetAccessKeyLastUsed", err, 404, "NoSuchEntity: The Access Key with id AKIAIOSFODNN7EXAMPLE cannot be found.")

	ok(t, b.UpdateAccessKey(ctx, alice, &UpdateAccessKeyInput{AccessKeyID: k.AccessKeyID, Status: "Inactive"}))
	list := made(b.ListAccessKeys(ctx, b.root, &ListAccessKeysInput{UserName: p("alice")}))(t)
	want := []AccessKeyMetadata{{"alice", k.AccessKeyID, "Inactive", testTime}, {"alice", second.AccessKeyID, "Active", testTime}}
	if len(list.AccessKeyMetadata) != 2 || !slices.Contains(list.AccessKeyMetadata, want[0]) || !slices.Contains(list.AccessKeyMetadata, want[1]) {
		t.Errorf("ListAccessKeys = %+v; want %+v", list.AccessKeyMetadata, want)
	}
	err = b.UpdateAccessKey(ctx, b.root, &UpdateAccessKeyInput{p("alice"), k.AccessKeyID, "Expired"})
	refused(t, "UpdateAccessKey", err, 400, "ValidationError: 1 validation error detected: Value 'Expired' at 'status' failed to satisfy constraint: Member must satisfy enum value set: [Active, Inactive]")

	// A key is found by its own user only.
	b.user(t, "bob", "")
	for name, err := range map[string]error{
		"DeleteAccessKey": b.DeleteAccessKey(ctx, b.root, &DeleteAccessKeyInput{p("bob"), k.AccessKeyID}),
		"UpdateAccessKey": b.UpdateAccessKey(ctx, b.root, &UpdateAccessKeyInput{p("bob"), k.AccessKeyID, "Active"}),
	} {
		refused(t, name, err, 404, "NoSuchEntity: The Access Key with id "+k.AccessKeyID+" cannot be found.")
	}
	ok(t, b.DeleteAccessKey(ctx, b.root, &DeleteAccessKeyInput{p("alice"), k.AccessKeyID}))
	if _, err := b.identity.Lookup(ctx, k.AccessKeyID); err == nil {
		t.Error("a deleted access key is found")
	}
}

func TestRootAccessKey(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	if list := made(b.ListAccessKeys(ctx, b.root, &ListAccessKeysInput{}))(t); len(list.AccessKeyMetadata) != 0 {
		t.Errorf("ListAccessKeys = %+v; want none", list)
	}
	k := made(b.identity.NewRootKey(ctx, account, nil))(t)
	list := made(b.ListAccessKeys(ctx, b.root, &ListAccessKeysInput{}))(t)
	if len(list.AccessKeyMetadata) != 1 || list.AccessKeyMetadata[0] != (AccessKeyMetadata{"", k.ID, "Active", testTime}) {
		t.Errorf("ListAccessKeys = %+v", list)
	}
	if out := made(b.GetAccessKeyLastUsed(ctx, b.root, &GetAccessKeyLastUsedInput{k.ID}))(t); out.UserName != "" {
		t.Errorf("GetAccessKeyLastUsed = %+v", out)
	}
	_, create := b.CreateAccessKey(ctx, b.root, &CreateAccessKeyInput{})
	for name, err := range map[string]error{
		"CreateAccessKey": create,
		"DeleteAccessKey": b.DeleteAccessKey(ctx, b.root, &DeleteAccessKeyInput{nil, k.ID}),
		"UpdateAccessKey": b.UpdateAccessKey(ctx, b.root, &UpdateAccessKeyInput{nil, k.ID, "Inactive"}),
	} {
		if !awserr.Is(err, "NotImplemented") {
			t.Errorf("%s of root = %v; want NotImplemented", name, err)
		}
	}
}

func TestProviders(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	const thumbprint = "990f4193972f2becf12ddeda5237f9c952f20d9e"
	out := made(b.CreateOpenIDConnectProvider(ctx, b.root, &CreateOpenIDConnectProviderInput{
		URL: "https://token.actions.githubusercontent.com", ClientIDList: []string{"sts.amazonaws.com"}, ThumbprintList: []string{thumbprint}, Tags: []Tag{{"a", "b"}},
	}))(t)
	arn := arnStart + "oidc-provider/token.actions.githubusercontent.com"
	if want := (&CreateOpenIDConnectProviderOutput{arn, []Tag{{"a", "b"}}}); !reflect.DeepEqual(out, want) {
		t.Errorf("CreateOpenIDConnectProvider = %+v; want %+v", out, want)
	}
	ok(t, b.AddClientIDToOpenIDConnectProvider(ctx, b.root, &AddClientIDToOpenIDConnectProviderInput{arn, "other"}))
	ok(t, b.RemoveClientIDFromOpenIDConnectProvider(ctx, b.root, &RemoveClientIDFromOpenIDConnectProviderInput{arn, "sts.amazonaws.com"}))
	ok(t, b.RemoveClientIDFromOpenIDConnectProvider(ctx, b.root, &RemoveClientIDFromOpenIDConnectProviderInput{arn, "missing"}))
	ok(t, b.UpdateOpenIDConnectProviderThumbprint(ctx, b.root, &UpdateOpenIDConnectProviderThumbprintInput{arn, []string{strings.Repeat("a", 40)}}))
	got := made(b.GetOpenIDConnectProvider(ctx, b.root, &GetOpenIDConnectProviderInput{arn}))(t)
	want := &GetOpenIDConnectProviderOutput{"token.actions.githubusercontent.com", []string{"other"}, []string{strings.Repeat("a", 40)}, testTime, []Tag{{"a", "b"}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("GetOpenIDConnectProvider = %+v; want %+v", got, want)
	}
	list := made(b.ListOpenIDConnectProviders(ctx, b.root, &ListOpenIDConnectProvidersInput{}))(t)
	if !reflect.DeepEqual(list.OpenIDConnectProviderList, []OpenIDConnectProviderListEntry{{arn}}) {
		t.Errorf("ListOpenIDConnectProviders = %+v", list)
	}
	create := func(url string, thumbprints ...string) error {
		_, err := b.CreateOpenIDConnectProvider(ctx, b.root, &CreateOpenIDConnectProviderInput{URL: url, ThumbprintList: thumbprints})
		return err
	}
	refused(t, "the same", create("https://token.actions.githubusercontent.com"), 409, "EntityAlreadyExists: Provider with url https://token.actions.githubusercontent.com already exists.")
	for _, url := range []string{"http://idp.example.com", "https://", "idp.example.com", "https://a b", "https://idp.example.com?x=y", ""} {
		if err := create(url); !awserr.Is(err, "ValidationError") {
			t.Errorf("a provider at %q = %v; want ValidationError", url, err)
		}
	}
	if err := create("https://idp.example.com", "short"); !awserr.Is(err, "ValidationError") {
		t.Errorf("a short thumbprint = %v; want ValidationError", err)
	}
	refused(t, "an ARN of something else", b.DeleteOpenIDConnectProvider(ctx, b.root, &DeleteOpenIDConnectProviderInput{arnStart + "user/a"}), 400, "InvalidInput: Invalid ARN: arn:aws:iam::123456789012:user/a")
	ok(t, b.DeleteOpenIDConnectProvider(ctx, b.root, &DeleteOpenIDConnectProviderInput{arn}))
	refused(t, "DeleteOpenIDConnectProvider", b.DeleteOpenIDConnectProvider(ctx, b.root, &DeleteOpenIDConnectProviderInput{arn}), 404, "NoSuchEntity: OpenIDConnect Provider not found for arn "+arn)
}

func TestAccountAlias(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	if list := made(b.ListAccountAliases(ctx, b.root, &ListAccountAliasesInput{}))(t); len(list.AccountAliases) != 0 || list.AccountAliases == nil && list.IsTruncated {
		t.Errorf("ListAccountAliases = %+v; want none", list)
	}
	ok(t, b.CreateAccountAlias(ctx, b.root, &CreateAccountAliasInput{"our-alias"}))
	if list := made(b.ListAccountAliases(ctx, b.root, &ListAccountAliasesInput{}))(t); !slices.Equal(list.AccountAliases, []string{"our-alias"}) {
		t.Errorf("ListAccountAliases = %+v", list)
	}
	refused(t, "DeleteAccountAlias", b.DeleteAccountAlias(ctx, b.root, &DeleteAccountAliasInput{"other"}), 404, "NoSuchEntity: The account alias other cannot be found.")
	ok(t, b.DeleteAccountAlias(ctx, b.root, &DeleteAccountAliasInput{"our-alias"}))
	for _, alias := range []string{"", "ab", "-abc", "abc-", "a--b", "Abc", "a.b", strings.Repeat("a", 64)} {
		if err := b.CreateAccountAlias(ctx, b.root, &CreateAccountAliasInput{alias}); !awserr.Is(err, "ValidationError") {
			t.Errorf("an alias %q = %v; want ValidationError", alias, err)
		}
	}
}

// What no user has is answered so for a user who exists, and for nobody else.
func TestWhatThisServerDoesNotHave(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	b.user(t, "alice", "")
	for _, user := range []*string{p("alice"), nil, p("nobody")} {
		_, keys := b.ListSSHPublicKeys(ctx, b.root, &ListSSHPublicKeysInput{UserName: user})
		_, devices := b.ListMFADevices(ctx, b.root, &ListMFADevicesInput{UserName: user})
		_, certificates := b.ListSigningCertificates(ctx, b.root, &ListSigningCertificatesInput{UserName: user})
		_, credentials := b.ListServiceSpecificCredentials(ctx, b.root, &ListServiceSpecificCredentialsInput{UserName: user})
		for name, err := range map[string]error{"ListSSHPublicKeys": keys, "ListMFADevices": devices, "ListSigningCertificates": certificates, "ListServiceSpecificCredentials": credentials} {
			if unknown := user != nil && *user == "nobody"; unknown != awserr.Is(err, "NoSuchEntity") || !unknown && err != nil {
				t.Errorf("%s of %v = %v", name, user, err)
			}
		}
	}
	refused(t, "GetLoginProfile", b.GetLoginProfile(ctx, b.root, &GetLoginProfileInput{p("alice")}), 404, "NoSuchEntity: Login Profile for User alice cannot be found.")
	refused(t, "DeleteLoginProfile", b.DeleteLoginProfile(ctx, b.root, &DeleteLoginProfileInput{p("alice")}), 404, "NoSuchEntity: Login Profile for User alice cannot be found.")
	refused(t, "GetAccountPasswordPolicy", b.GetAccountPasswordPolicy(ctx, b.root, &GetAccountPasswordPolicyInput{}), 404, "NoSuchEntity: The Password Policy with domain name 123456789012 cannot be found.")
	made(b.ListInstanceProfiles(ctx, b.root, &ListInstanceProfilesInput{}))(t)
	made(b.ListServerCertificates(ctx, b.root, &ListServerCertificatesInput{}))(t)
	made(b.ListVirtualMFADevices(ctx, b.root, &ListVirtualMFADevicesInput{AssignmentStatus: p("Any")}))(t)
	made(b.ListSAMLProviders(ctx, b.root, &ListSAMLProvidersInput{}))(t)
}
