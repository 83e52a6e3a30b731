package conformance

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// account makes another account and returns its ID and a client of its root user.
func (k *sdk) account(t *testing.T, name string) (id string, c *s3.Client) {
	t.Helper()
	id = fmt.Sprintf("2%011d", len(name))
	out := k.run(t.TempDir(), nil, binary, "account", "create", name, "--id", id)
	keys := regexp.MustCompile(`(?s)aws_access_key_id = (\S+)\s+aws_secret_access_key = (\S+)`).FindStringSubmatch(out)
	if keys == nil {
		t.Fatalf("account create printed %q", out)
	}
	return id, k.server.s3(func(o *s3.Options) {
		o.Credentials = credentials.NewStaticCredentialsProvider(keys[1], keys[2], "")
	}, defaults)
}

// TestS3Policies tries what decides over a bucket with the AWS SDK for Go.
func TestS3Policies(t *testing.T) {
	k := connect(t, start(t))
	id, other := k.account(t, "other")
	nobody := k.server.s3(func(o *s3.Options) { o.Credentials = aws.AnonymousCredentials{} }, defaults)
	for _, c := range []struct {
		name string
		run  func(*testing.T, *sdk, string, *s3.Client, *s3.Client)
	}{
		{"bucket policy", testBucketPolicy}, {"missing or denied", testMissingOrDenied},
		{"public access", testPublicAccess}, {"ownership and ACLs", testOwnership},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, k, id, other, nobody) })
	}
}

func get(t *testing.T, c *s3.Client, bucket, key string) error {
	out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err == nil {
		out.Body.Close()
	}
	return err
}

func allowing(principal, action, resource string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":` + principal + `,"Action":"` + action + `","Resource":"arn:aws:s3:::` + resource + `"}]}`
}

func testBucketPolicy(t *testing.T, k *sdk, id string, other, nobody *s3.Client) {
	ctx := t.Context()
	b := k.bucket(t)
	k.put(t, b, "o", "x")
	text := allowing(`{"AWS":"`+id+`"}`, "s3:GetObject", b+"/*")
	refused(t, "GetObject of another account", get(t, other, b, "o"), "AccessDenied")
	_, err := k.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &b, Policy: &text})
	check(t, "PutBucketPolicy", err)
	check(t, "GetObject of another account", get(t, other, b, "o"))
	refused(t, "GetObject of nobody", get(t, nobody, b, "o"), "AccessDenied")
	out, err := k.s3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &b})
	check(t, "GetBucketPolicy", err)
	want(t, "policy", *out.Policy, text)
	status, err := k.s3.GetBucketPolicyStatus(ctx, &s3.GetBucketPolicyStatusInput{Bucket: &b})
	check(t, "GetBucketPolicyStatus", err)
	want(t, "public", *status.PolicyStatus.IsPublic, false)
	_, err = other.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &b})
	refused(t, "GetBucketPolicy of another account", err, "AccessDenied")
	grant := allowing(`{"AWS":"`+id+`"}`, "s3:GetBucketPolicy", b)
	_, err = k.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &b, Policy: &grant})
	check(t, "PutBucketPolicy", err)
	_, err = other.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &b})
	refused(t, "GetBucketPolicy that is allowed to another account", err, "MethodNotAllowed")
	for what, text := range map[string]string{
		"another bucket":       allowing(`{"AWS":"`+id+`"}`, "s3:GetObject", b+"2/*"),
		"an unknown principal": allowing(`{"AWS":"arn:aws:iam::123456789012:user/ghost"}`, "s3:GetObject", b+"/*"),
		"an unknown action":    allowing(`{"AWS":"`+id+`"}`, "s3:GetObjekt", b+"/*"),
		"no resource for it":   allowing(`{"AWS":"`+id+`"}`, "s3:GetObject", b),
		"no JSON":              "hello",
	} {
		_, err = k.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &b, Policy: &text})
		refused(t, "PutBucketPolicy with "+what, err, "MalformedPolicy")
	}
	_, err = k.s3.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: &b})
	check(t, "DeleteBucketPolicy", err)
	_, err = k.s3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &b})
	refused(t, "GetBucketPolicy once it is gone", err, "NoSuchBucketPolicy")
	refused(t, "GetObject of another account", get(t, other, b, "o"), "AccessDenied")
}

func testMissingOrDenied(t *testing.T, k *sdk, id string, other, _ *s3.Client) {
	ctx := t.Context()
	b := k.bucket(t)
	head := func(key string) error {
		_, err := other.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b, Key: &key})
		return err
	}
	objects := allowing(`{"AWS":"`+id+`"}`, "s3:GetObject", b+"/*")
	_, err := k.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &b, Policy: &objects})
	check(t, "PutBucketPolicy", err)
	refused(t, "GetObject of a missing key", get(t, other, b, "none"), "AccessDenied")
	wantStatus(t, "HeadObject of a missing key", head("none"), 403)
	both := strings.TrimSuffix(objects, "]}") + "," + strings.TrimPrefix(allowing(`{"AWS":"`+id+`"}`, "s3:ListBucket", b), `{"Version":"2012-10-17","Statement":[`)
	_, err = k.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &b, Policy: &both})
	check(t, "PutBucketPolicy", err)
	refused(t, "GetObject of a missing key by who may list", get(t, other, b, "none"), "NoSuchKey")
	wantStatus(t, "HeadObject of a missing key by who may list", head("none"), 404)
}

func testPublicAccess(t *testing.T, k *sdk, _ string, _, nobody *s3.Client) {
	ctx := t.Context()
	b := k.bucket(t)
	k.put(t, b, "o", "x")
	public := allowing(`"*"`, "s3:GetObject", b+"/*")
	put := func() error {
		_, err := k.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &b, Policy: &public})
		return err
	}
	err := put()
	refused(t, "PutBucketPolicy that is public", err, "AccessDenied")
	if !strings.Contains(err.Error(), "BlockPublicPolicy setting in S3 Block Public Access") {
		t.Errorf("the refusal says %v", err)
	}
	_, err = k.s3.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: &b})
	check(t, "DeletePublicAccessBlock", err)
	_, err = k.s3.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &b})
	refused(t, "GetPublicAccessBlock once it is gone", err, "NoSuchPublicAccessBlockConfiguration")
	check(t, "PutBucketPolicy", put())
	status, err := k.s3.GetBucketPolicyStatus(ctx, &s3.GetBucketPolicyStatusInput{Bucket: &b})
	check(t, "GetBucketPolicyStatus", err)
	want(t, "public", *status.PolicyStatus.IsPublic, true)
	check(t, "GetObject of nobody", get(t, nobody, b, "o"))
	_, err = k.s3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: &b,
		PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{RestrictPublicBuckets: aws.Bool(true)}})
	check(t, "PutPublicAccessBlock", err)
	refused(t, "GetObject of nobody in a restricted bucket", get(t, nobody, b, "o"), "AccessDenied")
	block, err := k.s3.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &b})
	check(t, "GetPublicAccessBlock", err)
	want(t, "RestrictPublicBuckets", *block.PublicAccessBlockConfiguration.RestrictPublicBuckets, true)
	want(t, "BlockPublicPolicy", *block.PublicAccessBlockConfiguration.BlockPublicPolicy, false)
	_, err = k.s3.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: &b})
	check(t, "DeletePublicAccessBlock", err)

	// The account's own setting, through S3 Control.
	control := func(method, account, body string) (int, string) {
		t.Helper()
		res, err := http.DefaultClient.Do(k.newRequest(method, "/v20180820/configuration/publicAccessBlock", strings.NewReader(body), "X-Amz-Account-Id", account))
		check(t, method+" of S3 Control", err)
		return res.StatusCode, read(t, res.Body)
	}
	const owner = "123456789012"
	wantAnswer := func(what string, status int, body string, wantStatus int, wantCode string) {
		t.Helper()
		var e struct {
			XMLName xml.Name `xml:"ErrorResponse"`
			Code    string   `xml:"Error>Code"`
		}
		if wantCode != "" && xml.Unmarshal([]byte(body), &e) != nil || status != wantStatus || e.Code != wantCode {
			t.Errorf("%s = %d %s; want %d %s", what, status, body, wantStatus, wantCode)
		}
	}
	code, body := control("GET", owner, "")
	wantAnswer("GET", code, body, 404, "NoSuchPublicAccessBlockConfiguration")
	code, body = control("PUT", owner, `<PublicAccessBlockConfiguration xmlns="http://awss3control.amazonaws.com/doc/2018-08-20/"><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>`)
	wantAnswer("PUT", code, body, 201, "")
	refused(t, "GetObject of nobody in a restricted account", get(t, nobody, b, "o"), "AccessDenied")
	code, body = control("GET", owner, "")
	if wantAnswer("GET", code, body, 200, ""); !strings.Contains(body, "<RestrictPublicBuckets>true</RestrictPublicBuckets>") {
		t.Errorf("GET = %s", body)
	}
	code, body = control("GET", "210987654321", "")
	wantAnswer("GET of another account", code, body, 403, "AccessDenied")
	code, body = control("DELETE", owner, "")
	wantAnswer("DELETE", code, body, 204, "")
	check(t, "GetObject of nobody", get(t, nobody, b, "o"))
}

func testOwnership(t *testing.T, k *sdk, _ string, other, nobody *s3.Client) {
	ctx := t.Context()
	b := k.bucket(t)
	_, err := k.s3.PutBucketAcl(ctx, &s3.PutBucketAclInput{Bucket: &b, ACL: types.BucketCannedACLPrivate})
	refused(t, "PutBucketAcl where ACLs are disabled", err, "AccessControlListNotSupported")
	_, err = k.s3.PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{Bucket: &b, OwnershipControls: &types.OwnershipControls{
		Rules: []types.OwnershipControlsRule{{ObjectOwnership: types.ObjectOwnershipObjectWriter}}}})
	check(t, "PutBucketOwnershipControls", err)
	own, err := k.s3.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: &b})
	check(t, "GetBucketOwnershipControls", err)
	want(t, "ownership", own.OwnershipControls.Rules[0].ObjectOwnership, types.ObjectOwnershipObjectWriter)

	put := func(acl types.ObjectCannedACL) error {
		_, err := k.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &b, Key: aws.String("o"), Body: strings.NewReader("x"), ACL: acl})
		return err
	}
	refused(t, "PutObject with a public ACL", put(types.ObjectCannedACLPublicRead), "AccessDenied")
	_, err = k.s3.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: &b})
	check(t, "DeletePublicAccessBlock", err)
	check(t, "PutObject with a public ACL", put(types.ObjectCannedACLPublicRead))
	check(t, "GetObject of nobody", get(t, nobody, b, "o"))
	acl, err := k.s3.GetObjectAcl(ctx, &s3.GetObjectAclInput{Bucket: &b, Key: aws.String("o")})
	check(t, "GetObjectAcl", err)
	want(t, "grants", len(acl.Grants), 2)
	want(t, "group", *acl.Grants[1].Grantee.URI, "http://acs.amazonaws.com/groups/global/AllUsers")

	// The same list as a document, for another account by its canonical ID.
	lists, err := other.ListBuckets(ctx, &s3.ListBucketsInput{})
	check(t, "ListBuckets", err)
	_, err = k.s3.PutObjectAcl(ctx, &s3.PutObjectAclInput{Bucket: &b, Key: aws.String("o"), AccessControlPolicy: &types.AccessControlPolicy{
		Owner: acl.Owner, Grants: []types.Grant{{Permission: types.PermissionRead, Grantee: &types.Grantee{Type: types.TypeCanonicalUser, ID: lists.Owner.ID}}}}})
	check(t, "PutObjectAcl", err)
	refused(t, "GetObject of nobody", get(t, nobody, b, "o"), "AccessDenied")
	check(t, "GetObject of another account", get(t, other, b, "o"))
	grant := "id=" + *lists.Owner.ID
	_, err = k.s3.PutBucketAcl(ctx, &s3.PutBucketAclInput{Bucket: &b, GrantRead: &grant})
	check(t, "PutBucketAcl", err)
	page, err := other.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &b})
	check(t, "ListObjectsV2 of another account", err)
	want(t, "keys", len(page.Contents), 1)
	_, err = k.s3.PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{Bucket: &b, OwnershipControls: &types.OwnershipControls{
		Rules: []types.OwnershipControlsRule{{ObjectOwnership: types.ObjectOwnershipBucketOwnerEnforced}}}})
	refused(t, "PutBucketOwnershipControls over a list", err, "InvalidBucketAclWithObjectOwnership")
	_, err = k.s3.DeleteBucketOwnershipControls(ctx, &s3.DeleteBucketOwnershipControlsInput{Bucket: &b})
	check(t, "DeleteBucketOwnershipControls", err)
	_, err = k.s3.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: &b})
	refused(t, "GetBucketOwnershipControls once they are gone", err, "OwnershipControlsNotFoundError")

	fresh := bucketName(t) + "-fresh"
	_, err = k.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &fresh, ACL: types.BucketCannedACLPublicRead})
	refused(t, "CreateBucket with an ACL", err, "InvalidBucketAclWithObjectOwnership")
	_, err = k.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &fresh, ObjectOwnership: types.ObjectOwnershipBucketOwnerPreferred})
	check(t, "CreateBucket with an ownership", err)
}
