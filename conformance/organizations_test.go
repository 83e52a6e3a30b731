package conformance

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

const (
	orgDenyBuckets = `{"Version":"2012-10-17","Statement":[{"Sid":"NoBuckets","Effect":"Deny","Action":"s3:CreateBucket","Resource":"*"}]}`
	orgDenyReads   = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"*"}]}`
)

// another makes an account, and returns a server whose credentials are those of the
// account's root user.
func (s *server) another(name string) (*server, string) {
	s.t.Helper()
	a := s.account(name)
	return &server{t: s.t, dir: s.dir, endpoint: s.endpoint, region: s.region, keyID: a.keyID, secret: a.secret}, a.id
}

// TestOrganizations tells the story of an organization with the AWS SDK for Go.
func TestOrganizations(t *testing.T) {
	s := start(t)
	ctx := t.Context()
	own := s.organizations()
	before, beforeID := s.another("before")

	_, err := own.DescribeOrganization(ctx, nil)
	iamRefused[*orgtypes.AWSOrganizationsNotInUseException](t, "DescribeOrganization before", err, 400)
	made := iamOK(own.CreateOrganization(ctx, &organizations.CreateOrganizationInput{}))(t).Organization
	if made.FeatureSet != orgtypes.OrganizationFeatureSetAll || *made.MasterAccountId != "123456789012" ||
		*made.Arn != "arn:aws:organizations::123456789012:organization/"+*made.Id {
		t.Errorf("CreateOrganization = %+v", made)
	}
	_, err = own.CreateOrganization(ctx, nil)
	iamRefused[*orgtypes.AlreadyInOrganizationException](t, "a second CreateOrganization", err, 400)
	if got := iamOK(before.organizations().DescribeOrganization(ctx, nil))(t).Organization; *got.Id != *made.Id {
		t.Errorf("an account that was made before is in %s; want %s", *got.Id, *made.Id)
	}
	_, err = before.organizations().ListAccounts(ctx, nil)
	iamRefused[*orgtypes.AccessDeniedException](t, "ListAccounts of a member", err, 400)

	root := iamOK(own.ListRoots(ctx, nil))(t).Roots[0]
	if *root.Name != "Root" || len(root.PolicyTypes) != 0 {
		t.Errorf("ListRoots = %+v; want a root without policy types", root)
	}
	t.Run("accounts", func(t *testing.T) { testOrgAccounts(t, s, own, *root.Id) })
	t.Run("SCPs", func(t *testing.T) { testSCPs(t, own, before, beforeID, *root.Id) })
	t.Run("RCPs", func(t *testing.T) { testRCPs(t, own, before, beforeID, *root.Id) })
	t.Run("invitations", func(t *testing.T) { testInvitations(t, s, own) })
	t.Run("tags", func(t *testing.T) { testOrgTags(t, own, beforeID) })
	t.Run("pages", func(t *testing.T) { testOrgPages(t, own, *root.Id) })

	_, err = own.CloseAccount(ctx, &organizations.CloseAccountInput{AccountId: &beforeID})
	wantCode(t, "CloseAccount", err, "NotImplemented")
	_, err = own.CreatePolicy(ctx, &organizations.CreatePolicyInput{Type: orgtypes.PolicyTypeTagPolicy, Name: aws.String("x"), Description: aws.String(""), Content: aws.String("{}")})
	wantCode(t, "CreatePolicy of a tag policy", err, "NotImplemented")
	_, err = own.DeleteOrganization(ctx, nil)
	iamRefused[*orgtypes.OrganizationNotEmptyException](t, "DeleteOrganization", err, 400)
}

func testOrgAccounts(t *testing.T, s *server, own *organizations.Client, root string) {
	ctx := t.Context()
	asked := iamOK(own.CreateAccount(ctx, &organizations.CreateAccountInput{AccountName: aws.String("Development"), Email: aws.String("dev@example.com")}))(t).CreateAccountStatus
	st := iamOK(own.DescribeCreateAccountStatus(ctx, &organizations.DescribeCreateAccountStatusInput{CreateAccountRequestId: asked.Id}))(t).CreateAccountStatus
	if st.State != orgtypes.CreateAccountStateSucceeded || st.AccountId == nil || time.Since(*st.CompletedTimestamp).Abs() > time.Minute {
		t.Fatalf("DescribeCreateAccountStatus = %+v; want SUCCEEDED", st)
	}
	again := iamOK(own.CreateAccount(ctx, &organizations.CreateAccountInput{AccountName: aws.String("Again"), Email: aws.String("dev@example.com")}))(t).CreateAccountStatus
	if again.State != orgtypes.CreateAccountStateFailed || again.FailureReason != orgtypes.CreateAccountFailureReasonEmailAlreadyExists {
		t.Errorf("CreateAccount with an address that is taken = %+v", again)
	}
	a := iamOK(own.DescribeAccount(ctx, &organizations.DescribeAccountInput{AccountId: st.AccountId}))(t).Account
	if *a.Name != "Development" || *a.Email != "dev@example.com" || a.JoinedMethod != orgtypes.AccountJoinedMethodCreated || a.State != orgtypes.AccountStateActive ||
		len(a.Paths) != 1 || !strings.HasSuffix(a.Paths[0], "/"+root+"/"+*st.AccountId+"/") {
		t.Errorf("DescribeAccount = %+v", a)
	}
	// A user of the management account administers it through its role.
	i := s.iam()
	iamOK(i.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("admin")}))(t)
	iamOK(i.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: aws.String("admin"), PolicyName: aws.String("p"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}`)}))(t)
	k := iamOK(i.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: aws.String("admin")}))(t).AccessKey
	client := sts.New(sts.Options{BaseEndpoint: aws.String(s.endpoint), Region: s.region, Credentials: credentials.NewStaticCredentialsProvider(*k.AccessKeyId, *k.SecretAccessKey, "")})
	session := iamOK(client.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + *st.AccountId + ":role/OrganizationAccountAccessRole"), RoleSessionName: aws.String("admin")}))(t).Credentials
	b := s.s3(func(o *s3.Options) {
		o.Credentials = credentials.NewStaticCredentialsProvider(*session.AccessKeyId, *session.SecretAccessKey, *session.SessionToken)
	})
	iamOK(b.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("of-development")}))(t)
	_, err := s.s3().PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("of-development"), Key: aws.String("k"), Body: strings.NewReader("x")})
	wantCode(t, "PutObject of the management account's root into a member's bucket", err, "AccessDenied")
}

func testSCPs(t *testing.T, own *organizations.Client, before *server, account, root string) {
	ctx := t.Context()
	scp := orgtypes.PolicyTypeServiceControlPolicy
	p := iamOK(own.CreatePolicy(ctx, &organizations.CreatePolicyInput{Type: scp, Name: aws.String("no-buckets"), Description: aws.String("d"), Content: aws.String(orgDenyBuckets)}))(t).Policy.PolicySummary
	_, err := own.AttachPolicy(ctx, &organizations.AttachPolicyInput{PolicyId: p.Id, TargetId: &root})
	iamRefused[*orgtypes.PolicyTypeNotEnabledException](t, "AttachPolicy", err, 400)
	on := iamOK(own.EnablePolicyType(ctx, &organizations.EnablePolicyTypeInput{RootId: &root, PolicyType: scp}))(t).Root
	if len(on.PolicyTypes) != 1 || on.PolicyTypes[0].Status != orgtypes.PolicyTypeStatusEnabled {
		t.Errorf("EnablePolicyType = %+v", on)
	}
	u := iamOK(own.CreateOrganizationalUnit(ctx, &organizations.CreateOrganizationalUnitInput{ParentId: &root, Name: aws.String("workloads")}))(t).OrganizationalUnit
	iamOK(own.MoveAccount(ctx, &organizations.MoveAccountInput{AccountId: &account, SourceParentId: &root, DestinationParentId: u.Id}))(t)
	if parent := iamOK(own.ListParents(ctx, &organizations.ListParentsInput{ChildId: &account}))(t).Parents[0]; *parent.Id != *u.Id || parent.Type != orgtypes.ParentTypeOrganizationalUnit {
		t.Errorf("ListParents = %+v", parent)
	}
	b := before.s3()
	iamOK(b.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("of-before")}))(t)
	iamOK(own.AttachPolicy(ctx, &organizations.AttachPolicyInput{PolicyId: p.Id, TargetId: u.Id}))(t)
	_, err = b.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("of-before-2")})
	wantCode(t, "CreateBucket of a member's root under a denying SCP", err, "AccessDenied")
	if err != nil && !strings.Contains(err.Error(), "service control policy") {
		t.Errorf("the denial does not name the SCP: %v", err)
	}
	_, err = own.DetachPolicy(ctx, &organizations.DetachPolicyInput{PolicyId: aws.String("p-FullAWSAccess"), TargetId: &account})
	var bound *orgtypes.ConstraintViolationException
	if !errors.As(err, &bound) || bound.Reason != orgtypes.ConstraintViolationExceptionReasonMinPolicyTypeAttachmentLimitExceeded || bound.ErrorMessage() == "" {
		t.Errorf("DetachPolicy of the last SCP = %v; want a ConstraintViolationException with its reason", err)
	}
	_, err = own.DeletePolicy(ctx, &organizations.DeletePolicyInput{PolicyId: p.Id})
	iamRefused[*orgtypes.PolicyInUseException](t, "DeletePolicy", err, 400)
	targets := iamOK(own.ListTargetsForPolicy(ctx, &organizations.ListTargetsForPolicyInput{PolicyId: p.Id}))(t).Targets
	if len(targets) != 1 || *targets[0].TargetId != *u.Id || targets[0].Type != orgtypes.TargetTypeOrganizationalUnit {
		t.Errorf("ListTargetsForPolicy = %+v", targets)
	}
	// Without an Allow at every level nothing is allowed.
	list := iamOK(own.CreatePolicy(ctx, &organizations.CreatePolicyInput{Type: scp, Name: aws.String("kms-only"), Description: aws.String(""),
		Content: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}`)}))(t).Policy.PolicySummary
	iamOK(own.DetachPolicy(ctx, &organizations.DetachPolicyInput{PolicyId: p.Id, TargetId: u.Id}))(t)
	iamOK(b.ListBuckets(ctx, nil))(t)
	iamOK(own.AttachPolicy(ctx, &organizations.AttachPolicyInput{PolicyId: list.Id, TargetId: &account}))(t)
	iamOK(own.DetachPolicy(ctx, &organizations.DetachPolicyInput{PolicyId: aws.String("p-FullAWSAccess"), TargetId: &account}))(t)
	_, err = b.ListBuckets(ctx, nil)
	wantCode(t, "ListBuckets under an SCP that allows KMS alone", err, "AccessDenied")
	iamOK(before.kms().ListKeys(ctx, nil))(t)
	iamOK(own.AttachPolicy(ctx, &organizations.AttachPolicyInput{PolicyId: aws.String("p-FullAWSAccess"), TargetId: &account}))(t)
	iamOK(b.ListBuckets(ctx, nil))(t)
	_, err = own.CreatePolicy(ctx, &organizations.CreatePolicyInput{Type: scp, Name: aws.String("bad"), Description: aws.String(""), Content: aws.String(orgDenyReads)})
	iamRefused[*orgtypes.MalformedPolicyDocumentException](t, "CreatePolicy of an SCP with a principal", err, 400)
	_, err = own.CreatePolicy(ctx, &organizations.CreatePolicyInput{Type: scp, Name: aws.String("kms-only"), Description: aws.String(""), Content: aws.String(orgDenyBuckets)})
	iamRefused[*orgtypes.DuplicatePolicyException](t, "CreatePolicy of a name that is taken", err, 400)
	iamOK(own.MoveAccount(ctx, &organizations.MoveAccountInput{AccountId: &account, SourceParentId: u.Id, DestinationParentId: &root}))(t)
}

func testRCPs(t *testing.T, own *organizations.Client, before *server, account, root string) {
	ctx := t.Context()
	rcp := orgtypes.PolicyTypeResourceControlPolicy
	b := before.s3()
	iamOK(b.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("guarded")}))(t)
	iamOK(b.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("guarded"), Key: aws.String("k"), Body: strings.NewReader("x")}))(t)
	iamOK(own.EnablePolicyType(ctx, &organizations.EnablePolicyTypeInput{RootId: &root, PolicyType: rcp}))(t)
	p := iamOK(own.CreatePolicy(ctx, &organizations.CreatePolicyInput{Type: rcp, Name: aws.String("no-reads"), Description: aws.String(""), Content: aws.String(orgDenyReads)}))(t).Policy.PolicySummary
	iamOK(b.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("guarded"), Key: aws.String("k")}))(t)
	iamOK(own.AttachPolicy(ctx, &organizations.AttachPolicyInput{PolicyId: p.Id, TargetId: &account}))(t)
	_, err := b.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("guarded"), Key: aws.String("k")})
	wantCode(t, "GetObject under an RCP that denies it", err, "AccessDenied")
	_, err = own.DetachPolicy(ctx, &organizations.DetachPolicyInput{PolicyId: aws.String("p-RCPFullAWSAccess"), TargetId: &account})
	iamRefused[*orgtypes.ConstraintViolationException](t, "DetachPolicy of RCPFullAWSAccess", err, 400)
	off := iamOK(own.DisablePolicyType(ctx, &organizations.DisablePolicyTypeInput{RootId: &root, PolicyType: rcp}))(t).Root
	if len(off.PolicyTypes) != 1 {
		t.Errorf("DisablePolicyType = %+v; want SCPs alone", off)
	}
	iamOK(b.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("guarded"), Key: aws.String("k")}))(t)
	iamOK(own.DeletePolicy(ctx, &organizations.DeletePolicyInput{PolicyId: p.Id}))(t)
}

func testInvitations(t *testing.T, s *server, own *organizations.Client) {
	ctx := t.Context()
	after, id := s.another("after")
	client := after.organizations()
	iamOK(client.LeaveOrganization(ctx, nil))(t)
	_, err := client.DescribeOrganization(ctx, nil)
	iamRefused[*orgtypes.AWSOrganizationsNotInUseException](t, "DescribeOrganization after leaving", err, 400)
	target := &orgtypes.HandshakeParty{Id: &id, Type: orgtypes.HandshakePartyTypeAccount}
	h := iamOK(own.InviteAccountToOrganization(ctx, &organizations.InviteAccountToOrganizationInput{Target: target, Notes: aws.String("come back")}))(t).Handshake
	if h.State != orgtypes.HandshakeStateOpen || h.Action != orgtypes.ActionTypeInviteAccountToOrganization || len(h.Resources) != 3 {
		t.Errorf("InviteAccountToOrganization = %+v", h)
	}
	_, err = own.InviteAccountToOrganization(ctx, &organizations.InviteAccountToOrganizationInput{Target: target})
	iamRefused[*orgtypes.DuplicateHandshakeException](t, "a second invitation", err, 400)
	if list := iamOK(client.ListHandshakesForAccount(ctx, nil))(t).Handshakes; len(list) != 1 || *list[0].Id != *h.Id {
		t.Errorf("ListHandshakesForAccount = %+v", list)
	}
	iamOK(client.DeclineHandshake(ctx, &organizations.DeclineHandshakeInput{HandshakeId: h.Id}))(t)
	_, err = client.AcceptHandshake(ctx, &organizations.AcceptHandshakeInput{HandshakeId: h.Id})
	iamRefused[*orgtypes.InvalidHandshakeTransitionException](t, "AcceptHandshake of what was declined", err, 400)
	h = iamOK(own.InviteAccountToOrganization(ctx, &organizations.InviteAccountToOrganizationInput{Target: target}))(t).Handshake
	iamOK(client.AcceptHandshake(ctx, &organizations.AcceptHandshakeInput{HandshakeId: h.Id}))(t)
	if got := iamOK(own.DescribeHandshake(ctx, &organizations.DescribeHandshakeInput{HandshakeId: h.Id}))(t).Handshake; got.State != orgtypes.HandshakeStateAccepted {
		t.Errorf("DescribeHandshake = %+v", got)
	}
	a := iamOK(own.DescribeAccount(ctx, &organizations.DescribeAccountInput{AccountId: &id}))(t).Account
	if a.JoinedMethod != orgtypes.AccountJoinedMethodInvited {
		t.Errorf("DescribeAccount = %+v; want one that was invited", a)
	}
	iamOK(own.RemoveAccountFromOrganization(ctx, &organizations.RemoveAccountFromOrganizationInput{AccountId: &id}))(t)
}

func testOrgTags(t *testing.T, own *organizations.Client, account string) {
	ctx := t.Context()
	tags := []orgtypes.Tag{{Key: aws.String("cost"), Value: aws.String("é ü")}, {Key: aws.String("a"), Value: aws.String("")}}
	iamOK(own.TagResource(ctx, &organizations.TagResourceInput{ResourceId: &account, Tags: tags}))(t)
	iamOK(own.UntagResource(ctx, &organizations.UntagResourceInput{ResourceId: &account, TagKeys: []string{"a"}}))(t)
	if got := iamOK(own.ListTagsForResource(ctx, &organizations.ListTagsForResourceInput{ResourceId: &account}))(t).Tags; len(got) != 1 || *got[0].Value != "é ü" {
		t.Errorf("ListTagsForResource = %+v", got)
	}
	_, err := own.TagResource(ctx, &organizations.TagResourceInput{ResourceId: aws.String("ou-none-12345678"), Tags: tags})
	iamRefused[*orgtypes.TargetNotFoundException](t, "TagResource of nothing", err, 400)
}

func testOrgPages(t *testing.T, own *organizations.Client, root string) {
	ctx := t.Context()
	for i := range 25 {
		iamOK(own.CreateOrganizationalUnit(ctx, &organizations.CreateOrganizationalUnitInput{ParentId: &root, Name: aws.String(fmt.Sprint("page", i))}))(t)
	}
	n := 0
	pages := organizations.NewListOrganizationalUnitsForParentPaginator(own, &organizations.ListOrganizationalUnitsForParentInput{ParentId: &root, MaxResults: aws.Int32(10)})
	for pages.HasMorePages() {
		n += len(iamOK(pages.NextPage(ctx))(t).OrganizationalUnits)
	}
	if n != 26 {
		t.Errorf("%d OUs on all pages; want 26", n)
	}
	deep := root
	for i := range 6 {
		u, err := own.CreateOrganizationalUnit(ctx, &organizations.CreateOrganizationalUnitInput{ParentId: &deep, Name: aws.String("deep")})
		if i == 5 {
			iamRefused[*orgtypes.ConstraintViolationException](t, "the sixth level of OUs", err, 400)
			break
		}
		deep = *iamOK(u, err)(t).OrganizationalUnit.Id
	}
}
