package iam

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"coffer/internal/identity"
)

func TestGetAccountSummary(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	b.user(t, "alice", allowAll)
	b.role(t, "app")
	b.policy(t, "p")
	if _, err := b.identity.NewRootKey(ctx, account, nil); err != nil {
		t.Fatal(err)
	}
	got := made(b.GetAccountSummary(ctx, b.root, &GetAccountSummaryInput{}))(t).SummaryMap
	for key, want := range map[string]int32{
		"Users": 1, "UsersQuota": 5000, "Groups": 0, "GroupsQuota": 300, "Roles": 1, "RolesQuota": 1000, "Policies": 1, "PoliciesQuota": 1500,
		"PolicyVersionsInUse": 1, "PolicyVersionsInUseQuota": 7500, "VersionsPerPolicyQuota": 5, "PolicySizeQuota": 6144, "UserPolicySizeQuota": 2048,
		"GroupPolicySizeQuota": 5120, "RolePolicySizeQuota": 10240, "AssumeRolePolicySizeQuota": 2048, "AccessKeysPerUserQuota": 2,
		"AccountAccessKeysPresent": 1, "AccountMFAEnabled": 0, "MFADevices": 0, "GroupsPerUserQuota": 10, "AttachedPoliciesPerUserQuota": 10,
		"GlobalEndpointTokenVersion": 2,
	} {
		if v, ok := got[key]; v != want || !ok {
			t.Errorf("%s = %d, %t; want %d", key, v, ok, want)
		}
	}
	_, err := b.GetAccountSummary(ctx, b.user(t, "bob", ""), &GetAccountSummaryInput{})
	denied(t, "GetAccountSummary", err)
}

// denied reports an error that is no denial.
func denied(t testing.TB, what string, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("%s = %v; want AccessDenied", what, err)
	}
}

// fullBench has two users, a group, a role and a policy, all connected.
func fullBench(t *testing.T) (b *bench, policyARN string) {
	t.Helper()
	b = newBench(t)
	ctx := t.Context()
	b.user(t, "alice", allowAll)
	b.user(t, "Bob", "")
	b.role(t, "app")
	p := b.policy(t, "shared").ARN
	made(b.CreateGroup(ctx, b.root, &CreateGroupInput{GroupName: "devs"}))(t)
	ok(t, b.AddUserToGroup(ctx, b.root, &AddUserToGroupInput{GroupName: "devs", UserName: "alice"}))
	ok(t, b.PutGroupPolicy(ctx, b.root, &PutGroupPolicyInput{"devs", "g", allowAll}))
	ok(t, b.AttachGroupPolicy(ctx, b.root, &AttachGroupPolicyInput{"devs", readARN}))
	ok(t, b.AttachUserPolicy(ctx, b.root, &AttachUserPolicyInput{"alice", p}))
	ok(t, b.AttachRolePolicy(ctx, b.root, &AttachRolePolicyInput{"app", p}))
	ok(t, b.PutRolePolicy(ctx, b.root, &PutRolePolicyInput{"app", "r", allowAll}))
	return b, p
}

func TestGetAccountAuthorizationDetails(t *testing.T) {
	b, shared := fullBench(t)
	ctx := t.Context()
	out := made(b.GetAccountAuthorizationDetails(ctx, b.root, &GetAccountAuthorizationDetailsInput{}))(t)
	if len(out.UserDetailList) != 2 || len(out.GroupDetailList) != 1 || len(out.RoleDetailList) != 1 || len(out.Policies) != 2 || out.IsTruncated {
		t.Fatalf("GetAccountAuthorizationDetails = %+v", out)
	}
	alice := out.UserDetailList[0]
	if alice.UserName != "alice" || !slices.Equal(alice.UserPolicyList, []PolicyDetail{{"inline", allowAll}}) ||
		!slices.Equal(alice.AttachedManagedPolicies, []AttachedPolicy{{"shared", shared}}) || !slices.Equal(alice.GroupList, []string{"devs"}) {
		t.Errorf("alice = %+v", alice)
	}
	devs := out.GroupDetailList[0]
	if !slices.Equal(devs.GroupPolicyList, []PolicyDetail{{"g", allowAll}}) || !slices.Equal(devs.AttachedManagedPolicies, []AttachedPolicy{{"AmazonS3ReadOnlyAccess", readARN}}) {
		t.Errorf("devs = %+v", devs)
	}
	app := out.RoleDetailList[0]
	if app.AssumeRolePolicyDocument != trust || !slices.Equal(app.RolePolicyList, []PolicyDetail{{"r", allowAll}}) {
		t.Errorf("app = %+v", app)
	}
	p := out.Policies[0]
	if p.ARN != shared || p.AttachmentCount != 2 || len(p.PolicyVersionList) != 1 || p.PolicyVersionList[0].Document != allowAll || !p.PolicyVersionList[0].IsDefaultVersion {
		t.Errorf("shared = %+v", p)
	}
	if aws := out.Policies[1]; aws.ARN != readARN || aws.AttachmentCount != 1 || aws.PolicyVersionList[0].VersionID != "v3" {
		t.Errorf("AWS's = %+v; want the one that is used", aws)
	}
	_, err := b.GetAccountAuthorizationDetails(ctx, b.user(t, "carol", ""), &GetAccountAuthorizationDetailsInput{})
	denied(t, "GetAccountAuthorizationDetails", err)
}

func TestAuthorizationDetailsPages(t *testing.T) {
	b, shared := fullBench(t)
	all := []string{"alice", "Bob", "devs", "app", shared, readARN}
	for _, tt := range []struct {
		name   string
		filter []string
		want   []string
	}{
		{"all", nil, all},
		{"users", []string{"User"}, all[:2]},
		{"roles and groups", []string{"Role", "Group"}, all[2:4]},
		{"policies", []string{"AWSManagedPolicy", "LocalManagedPolicy"}, all[4:]},
	} {
		for _, limit := range []int32{1, 2, 3, 100} {
			t.Run(fmt.Sprint(tt.name, limit), func(t *testing.T) {
				in := &GetAccountAuthorizationDetailsInput{Filter: tt.filter, Paging: Paging{MaxItems: &limit}}
				var got []string
				for range 20 {
					out := made(b.GetAccountAuthorizationDetails(t.Context(), b.root, in))(t)
					n := len(got)
					for _, v := range out.UserDetailList {
						got = append(got, v.UserName)
					}
					for _, v := range out.GroupDetailList {
						got = append(got, v.GroupName)
					}
					for _, v := range out.RoleDetailList {
						got = append(got, v.RoleName)
					}
					for _, v := range out.Policies {
						got = append(got, v.ARN)
					}
					if len(got)-n > int(limit) {
						t.Errorf("a page holds %d; want at most %d", len(got)-n, limit)
					}
					if !out.IsTruncated {
						break
					}
					in.Marker = p(out.Marker)
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("pages hold %v; want %v", got, tt.want)
				}
			})
		}
	}
	_, err := b.GetAccountAuthorizationDetails(t.Context(), b.root, &GetAccountAuthorizationDetailsInput{Paging: Paging{Marker: p(mark("users", "alice"))}})
	refused(t, "another listing's marker", err, 400, "ValidationError: Invalid Marker.")
	_, err = b.GetAccountAuthorizationDetails(t.Context(), b.root, &GetAccountAuthorizationDetailsInput{Paging: Paging{Marker: p(mark("details", "Device:x"))}})
	refused(t, "a marker of nothing", err, 400, "ValidationError: Invalid Marker.")
	_, err = b.GetAccountAuthorizationDetails(t.Context(), b.root, &GetAccountAuthorizationDetailsInput{Filter: []string{"Device"}})
	if err == nil || !strings.Contains(err.Error(), "ValidationError") {
		t.Errorf("an unknown filter = %v; want ValidationError", err)
	}
}

func TestCredentialReport(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	now := testTime
	b.now = func() time.Time { return now }
	_, err := b.GetCredentialReport(ctx, b.root, &GetCredentialReportInput{})
	refused(t, "GetCredentialReport before any", err, 410, "ReportNotPresent: No report exists. Call GenerateCredentialReport to make one.")

	b.user(t, "zoe", "")
	b.user(t, "Alice", "")
	k := made(b.identity.CreateAccessKey(ctx, account, "alice", nil))(t)
	second := made(b.identity.CreateAccessKey(ctx, account, "alice", nil))(t)
	ok(t, b.identity.SetAccessKeyStatus(ctx, account, "alice", second.ID, identity.Inactive, nil))
	root := made(b.identity.NewRootKey(ctx, account, nil))(t)
	b.identity.Used(k.ID, "kms", "eu-west-1", testTime.Add(time.Minute))
	b.identity.Used(root.ID, "s3", "us-east-1", testTime.Add(time.Hour))

	if out := made(b.GenerateCredentialReport(ctx, b.root, &GenerateCredentialReportInput{}))(t); out.State != "COMPLETE" {
		t.Errorf("State = %s; want COMPLETE", out.State)
	}
	out := made(b.GetCredentialReport(ctx, b.root, &GetCredentialReportInput{}))(t)
	if out.ReportFormat != "text/csv" || !out.GeneratedTime.Equal(now) {
		t.Errorf("GetCredentialReport = %s, %v", out.ReportFormat, out.GeneratedTime)
	}
	want := `user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated
<root_account>,arn:aws:iam::123456789012:root,2026-11-21T12:00:00Z,not_supported,no_information,not_supported,not_supported,false,true,2026-11-21T12:00:00Z,2026-11-21T13:00:00Z,N/A,s3,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A
Alice,arn:aws:iam::123456789012:user/Alice,2026-11-21T12:00:00Z,false,N/A,N/A,N/A,false,true,2026-11-21T12:00:00Z,2026-11-21T12:01:00Z,eu-west-1,kms,false,2026-11-21T12:00:00Z,N/A,N/A,N/A,false,N/A,false,N/A
zoe,arn:aws:iam::123456789012:user/zoe,2026-11-21T12:00:00Z,false,N/A,N/A,N/A,false,false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A`
	if got := string(out.Content); got != want {
		t.Errorf("report =\n%s\nwant\n%s", got, want)
	}
	if rows, err := csv.NewReader(strings.NewReader(string(out.Content))).ReadAll(); err != nil || len(rows) != 4 || len(rows[0]) != 22 {
		t.Errorf("the report has %d rows, %v; want 4 of 22 columns", len(rows), err)
	}

	// Within four hours the report stays; after that it is gone until it is made anew.
	b.user(t, "later", "")
	now = now.Add(4*time.Hour - time.Second)
	made(b.GenerateCredentialReport(ctx, b.root, &GenerateCredentialReportInput{}))(t)
	if again := made(b.GetCredentialReport(ctx, b.root, &GetCredentialReportInput{}))(t); string(again.Content) != want {
		t.Error("the report changed within four hours")
	}
	now = now.Add(time.Second)
	_, err = b.GetCredentialReport(ctx, b.root, &GetCredentialReportInput{})
	refused(t, "GetCredentialReport after four hours", err, 410, "ReportExpired: The most recent report has expired. Call GenerateCredentialReport to make a new one.")
	made(b.GenerateCredentialReport(ctx, b.root, &GenerateCredentialReportInput{}))(t)
	if again := made(b.GetCredentialReport(ctx, b.root, &GetCredentialReportInput{}))(t); !strings.Contains(string(again.Content), "\nlater,") {
		t.Error("the new report does not have the new user")
	}
	weak := b.user(t, "weak", "")
	_, err = b.GenerateCredentialReport(ctx, weak, &GenerateCredentialReportInput{})
	denied(t, "GenerateCredentialReport", err)
	_, err = b.GetCredentialReport(ctx, weak, &GetCredentialReportInput{})
	denied(t, "GetCredentialReport", err)
}
