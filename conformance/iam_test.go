package conformance

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	iamTrust   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}`
	iamReadS3  = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
	iamListing = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:CreateBucket","s3:ListBucket","s3:ListAllMyBuckets"],"Resource":"*"}]}`
)

// iam returns a client of the AWS SDK for Go, as root or with an access key.
func (s *server) iam(key ...string) *iam.Client {
	c := s.credentials()
	if len(key) > 0 {
		c = credentials.NewStaticCredentialsProvider(key[0], key[1], "")
	}
	return iam.New(iam.Options{BaseEndpoint: aws.String(s.endpoint), Region: s.region, Credentials: c})
}

// iamOK returns v, or stops the test.
func iamOK[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// iamRefused reports an error other than that of AWS with the status and the type
// that the SDK gives it.
func iamRefused[T error](t testing.TB, what string, err error, status int) {
	t.Helper()
	var typed T
	var response *smithyhttp.ResponseError
	if !errors.As(err, &typed) || !errors.As(err, &response) || response.HTTPStatusCode() != status {
		t.Errorf("%s = %v; want %T with status %d", what, err, typed, status)
	}
}

// TestIAM tries the IAM API with the AWS SDK for Go: what it makes is read back
// through the SDK's own decoders.
func TestIAM(t *testing.T) {
	t.Parallel()
	s := start(t)
	t.Run("users", func(t *testing.T) { testIAMUsers(t, s) })
	t.Run("groups", func(t *testing.T) { testIAMGroups(t, s) })
	t.Run("roles", func(t *testing.T) { testIAMRoles(t, s) })
	t.Run("managed policies", func(t *testing.T) { testIAMPolicies(t, s) })
	t.Run("identity providers", func(t *testing.T) { testIAMProviders(t, s) })
	t.Run("what is not there", func(t *testing.T) { testIAMAbsent(t, s) })
	t.Run("pages", func(t *testing.T) { testIAMPages(t, s) })
	t.Run("a user's rights", func(t *testing.T) { testIAMRights(t, s) })
}

func testIAMUsers(t *testing.T, s *server) {
	ctx, c := t.Context(), s.iam()
	made := iamOK(c.CreateUser(ctx, &iam.CreateUserInput{
		UserName: aws.String("ursula"), Path: aws.String("/dev/"), PermissionsBoundary: aws.String(iamReadS3),
		Tags: []iamtypes.Tag{{Key: aws.String("Team"), Value: aws.String("blue + green")}},
	}))(t).User
	u := iamOK(c.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("ursula")}))(t).User
	if *u.UserId != *made.UserId || *u.Arn != "arn:aws:iam::123456789012:user/dev/ursula" || *u.Path != "/dev/" || u.CreateDate.IsZero() ||
		*u.PermissionsBoundary.PermissionsBoundaryArn != iamReadS3 || len(u.Tags) != 1 || *u.Tags[0].Value != "blue + green" {
		t.Errorf("GetUser = %+v", u)
	}
	root := iamOK(c.GetUser(ctx, &iam.GetUserInput{}))(t).User
	if *root.Arn != "arn:aws:iam::123456789012:root" || *root.UserId != "123456789012" || root.UserName != nil {
		t.Errorf("GetUser of root = %+v", root)
	}
	_, err := c.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("URSULA")})
	iamRefused[*iamtypes.EntityAlreadyExistsException](t, "the same name", err, 409)

	// A policy document comes back as it was put, whatever characters it has.
	document := strings.Replace(iamListing, `"Allow"`, "\"Allow\",\n\t\"Sid\":\"S1\"", 1)
	iamOK(c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("ursula"), PolicyName: aws.String("inline"), PolicyDocument: &document}))(t)
	got := iamOK(c.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: aws.String("ursula"), PolicyName: aws.String("inline")}))(t)
	if text, err := url.PathUnescape(*got.PolicyDocument); err != nil || text != document || *got.UserName != "ursula" {
		t.Errorf("GetUserPolicy = %s, %v; want %s", text, err, document)
	}
	broken := strings.Replace(iamListing, "Allow", "Permit", 1)
	_, err = c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("ursula"), PolicyName: aws.String("x"), PolicyDocument: &broken})
	iamRefused[*iamtypes.MalformedPolicyDocumentException](t, "an unknown effect", err, 400)

	iamOK(c.TagUser(ctx, &iam.TagUserInput{UserName: aws.String("ursula"), Tags: []iamtypes.Tag{{Key: aws.String("cost"), Value: aws.String("")}}}))(t)
	iamOK(c.UntagUser(ctx, &iam.UntagUserInput{UserName: aws.String("ursula"), TagKeys: []string{"Team"}}))(t)
	if tags := iamOK(c.ListUserTags(ctx, &iam.ListUserTagsInput{UserName: aws.String("ursula")}))(t).Tags; len(tags) != 1 || *tags[0].Key != "cost" {
		t.Errorf("ListUserTags = %+v", tags)
	}
	iamOK(c.UpdateUser(ctx, &iam.UpdateUserInput{UserName: aws.String("ursula"), NewUserName: aws.String("uma")}))(t)
	_, err = c.DeleteUser(ctx, &iam.DeleteUserInput{UserName: aws.String("uma")})
	iamRefused[*iamtypes.DeleteConflictException](t, "DeleteUser with a policy", err, 409)
	iamOK(c.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: aws.String("uma"), PolicyName: aws.String("inline")}))(t)
	iamOK(c.DeleteUserPermissionsBoundary(ctx, &iam.DeleteUserPermissionsBoundaryInput{UserName: aws.String("uma")}))(t)
	iamOK(c.DeleteUser(ctx, &iam.DeleteUserInput{UserName: aws.String("uma")}))(t)
	_, err = c.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("uma")})
	iamRefused[*iamtypes.NoSuchEntityException](t, "GetUser", err, 404)
}

func testIAMGroups(t *testing.T, s *server) {
	ctx, c := t.Context(), s.iam()
	iamOK(c.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: aws.String("devs")}))(t)
	iamOK(c.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("gina")}))(t)
	iamOK(c.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: aws.String("devs"), UserName: aws.String("gina")}))(t)
	g := iamOK(c.GetGroup(ctx, &iam.GetGroupInput{GroupName: aws.String("devs")}))(t)
	if len(g.Users) != 1 || *g.Users[0].UserName != "gina" || *g.Group.Arn != "arn:aws:iam::123456789012:group/devs" || g.IsTruncated {
		t.Errorf("GetGroup = %+v", g)
	}
	if of := iamOK(c.ListGroupsForUser(ctx, &iam.ListGroupsForUserInput{UserName: aws.String("gina")}))(t).Groups; len(of) != 1 || *of[0].GroupName != "devs" {
		t.Errorf("ListGroupsForUser = %+v", of)
	}
	iamOK(c.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: aws.String("devs"), PolicyArn: aws.String(iamReadS3)}))(t)
	if list := iamOK(c.ListAttachedGroupPolicies(ctx, &iam.ListAttachedGroupPoliciesInput{GroupName: aws.String("devs")}))(t).AttachedPolicies; len(list) != 1 || *list[0].PolicyArn != iamReadS3 {
		t.Errorf("ListAttachedGroupPolicies = %+v", list)
	}
	_, err := c.DeleteGroup(ctx, &iam.DeleteGroupInput{GroupName: aws.String("devs")})
	iamRefused[*iamtypes.DeleteConflictException](t, "DeleteGroup", err, 409)
	iamOK(c.DetachGroupPolicy(ctx, &iam.DetachGroupPolicyInput{GroupName: aws.String("devs"), PolicyArn: aws.String(iamReadS3)}))(t)
	iamOK(c.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{GroupName: aws.String("devs"), UserName: aws.String("gina")}))(t)
	iamOK(c.DeleteGroup(ctx, &iam.DeleteGroupInput{GroupName: aws.String("devs")}))(t)
	iamOK(c.DeleteUser(ctx, &iam.DeleteUserInput{UserName: aws.String("gina")}))(t)
}

func testIAMRoles(t *testing.T, s *server) {
	ctx, c := t.Context(), s.iam()
	iamOK(c.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: aws.String("app"), AssumeRolePolicyDocument: aws.String(iamTrust), Description: aws.String("<app>"), MaxSessionDuration: aws.Int32(7200),
	}))(t)
	iamOK(c.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: aws.String("app"), MaxSessionDuration: aws.Int32(3600)}))(t)
	r := iamOK(c.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("app")}))(t).Role
	trust, err := url.PathUnescape(*r.AssumeRolePolicyDocument)
	if err != nil || trust != iamTrust || *r.Description != "<app>" || *r.MaxSessionDuration != 3600 || *r.Arn != "arn:aws:iam::123456789012:role/app" || r.RoleLastUsed == nil {
		t.Errorf("GetRole = %+v, trust policy %s", r, trust)
	}
	if profiles := iamOK(c.ListInstanceProfilesForRole(ctx, &iam.ListInstanceProfilesForRoleInput{RoleName: aws.String("app")}))(t); len(profiles.InstanceProfiles) != 0 {
		t.Errorf("ListInstanceProfilesForRole = %+v", profiles)
	}
	_, err = c.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("app"), PolicyDocument: aws.String(iamListing)})
	iamRefused[*iamtypes.MalformedPolicyDocumentException](t, "a trust policy without a principal", err, 400)
	iamOK(c.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("app")}))(t)
}

func testIAMPolicies(t *testing.T, s *server) {
	ctx, c := t.Context(), s.iam()
	p := iamOK(c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("listing"), PolicyDocument: aws.String(iamListing), Description: aws.String("lists")}))(t).Policy
	v := iamOK(c.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: p.Arn, PolicyDocument: aws.String(iamListing), SetAsDefault: true}))(t).PolicyVersion
	if *v.VersionId != "v2" || !v.IsDefaultVersion {
		t.Errorf("CreatePolicyVersion = %+v", v)
	}
	text, _ := url.PathUnescape(*iamOK(c.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: p.Arn, VersionId: aws.String("v1")}))(t).PolicyVersion.Document)
	if text != iamListing {
		t.Errorf("GetPolicyVersion = %s", text)
	}
	local := iamOK(c.ListPolicies(ctx, &iam.ListPoliciesInput{Scope: iamtypes.PolicyScopeTypeLocal}))(t).Policies
	if len(local) != 1 || *local[0].Arn != *p.Arn || *local[0].AttachmentCount != 0 || !local[0].IsAttachable || *local[0].DefaultVersionId != "v2" {
		t.Errorf("ListPolicies = %+v", local)
	}
	_, err := c.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: p.Arn})
	iamRefused[*iamtypes.DeleteConflictException](t, "DeletePolicy with two versions", err, 409)
	iamOK(c.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: p.Arn, VersionId: aws.String("v1")}))(t)
	iamOK(c.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: p.Arn}))(t)
	_, err = c.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: p.Arn})
	iamRefused[*iamtypes.NoSuchEntityException](t, "GetPolicy", err, 404)
	long := strings.Replace(iamListing, `"*"`, `"`+strings.Repeat("x", 6200)+`"`, 1)
	_, err = c.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("long"), PolicyDocument: &long})
	iamRefused[*iamtypes.LimitExceededException](t, "a long policy", err, 409)
}

func testIAMProviders(t *testing.T, s *server) {
	ctx, c := t.Context(), s.iam()
	arn := iamOK(c.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{
		Url: aws.String("https://token.actions.githubusercontent.com"), ClientIDList: []string{"sts.amazonaws.com"},
	}))(t).OpenIDConnectProviderArn
	p := iamOK(c.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn}))(t)
	if *p.Url != "token.actions.githubusercontent.com" || len(p.ClientIDList) != 1 || p.CreateDate.IsZero() {
		t.Errorf("GetOpenIDConnectProvider = %+v", p)
	}
	iamOK(c.DeleteOpenIDConnectProvider(ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn}))(t)
}

func testIAMAbsent(t *testing.T, s *server) {
	ctx, c := t.Context(), s.iam()
	_, err := c.GetAccountPasswordPolicy(ctx, &iam.GetAccountPasswordPolicyInput{})
	iamRefused[*iamtypes.NoSuchEntityException](t, "GetAccountPasswordPolicy", err, 404)
	if out := iamOK(c.ListVirtualMFADevices(ctx, &iam.ListVirtualMFADevicesInput{}))(t); len(out.VirtualMFADevices) != 0 {
		t.Errorf("ListVirtualMFADevices = %+v", out)
	}
	_, err = c.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: aws.String("x"), Password: aws.String("correct horse battery")})
	if code(err) != "NotImplemented" {
		t.Errorf("CreateLoginProfile = %v; want NotImplemented", err)
	}
	if strings.Contains(s.logs(), "correct horse") {
		t.Error("the log holds a password")
	}
}

func testIAMPages(t *testing.T, s *server) {
	ctx, c := t.Context(), s.iam()
	for _, name := range []string{"p1", "p2", "p3", "p4", "p5"} {
		iamOK(c.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String(name), Path: aws.String("/pages/")}))(t)
	}
	var names []string
	pages := iam.NewListUsersPaginator(c, &iam.ListUsersInput{PathPrefix: aws.String("/pages/"), MaxItems: aws.Int32(2)})
	for pages.HasMorePages() {
		for _, u := range iamOK(pages.NextPage(ctx))(t).Users {
			names = append(names, *u.UserName)
		}
	}
	if got := strings.Join(names, " "); got != "p1 p2 p3 p4 p5" {
		t.Errorf("ListUsers in pages = %s", got)
	}
}

// testIAMRights goes through a user's life with an access key: without a policy it
// may do nothing, then what its policy says, and nothing again.
func testIAMRights(t *testing.T, s *server) {
	ctx, c := t.Context(), s.iam()
	iamOK(c.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("rita")}))(t)
	k := iamOK(c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: aws.String("rita")}))(t).AccessKey
	own := credentials.NewStaticCredentialsProvider(*k.AccessKeyId, *k.SecretAccessKey, "")
	who := iamOK(sts.New(sts.Options{BaseEndpoint: aws.String(s.endpoint), Region: s.region, Credentials: own}).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t)
	if *who.Arn != "arn:aws:iam::123456789012:user/rita" {
		t.Errorf("GetCallerIdentity = %+v", who)
	}
	buckets := s.s3(func(o *s3.Options) { o.Credentials = own })
	list := func() error {
		_, err := buckets.ListBuckets(ctx, &s3.ListBucketsInput{})
		return err
	}
	if err := list(); code(err) != "AccessDenied" {
		t.Errorf("ListBuckets without a policy = %v; want AccessDenied", err)
	}
	self := s.iam(*k.AccessKeyId, *k.SecretAccessKey)
	_, err := self.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("rita"), PolicyName: aws.String("x"), PolicyDocument: aws.String(iamListing)})
	if code(err) != "AccessDenied" || !strings.Contains(err.Error(), "User: arn:aws:iam::123456789012:user/rita is not authorized to perform: iam:PutUserPolicy on resource: ") {
		t.Errorf("PutUserPolicy on oneself = %v; want AccessDenied", err)
	}
	iamOK(c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("rita"), PolicyName: aws.String("listing"), PolicyDocument: aws.String(iamListing)}))(t)
	if err := list(); err != nil {
		t.Errorf("ListBuckets with a policy = %v", err)
	}
	used := iamOK(c.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: k.AccessKeyId}))(t)
	if *used.UserName != "rita" || used.AccessKeyLastUsed == nil {
		t.Errorf("GetAccessKeyLastUsed = %+v", used)
	}
	iamOK(c.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: aws.String("rita"), AccessKeyId: k.AccessKeyId, Status: iamtypes.StatusTypeInactive}))(t)
	if err := list(); err == nil {
		t.Error("an inactive access key lists buckets")
	}
	_, err = self.GetUser(ctx, &iam.GetUserInput{})
	if code(err) != "InvalidClientTokenId" {
		t.Errorf("GetUser with an inactive key = %v; want InvalidClientTokenId", err)
	}
	if strings.Contains(s.logs(), *k.SecretAccessKey) {
		t.Error("the log holds a secret access key")
	}
}
