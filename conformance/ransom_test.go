package conformance

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// An account is another account of a server, with the credentials of its root user.
type account struct {
	id, keyID, secret string
}

// account makes an account as an operator does.
func (s *server) account(name string) account {
	s.t.Helper()
	out := s.run(s.t.TempDir(), nil, binary, "account", "create", name, "--endpoint-url", s.endpoint)
	var a account
	for _, line := range strings.Split(out, "\n") {
		k, v, _ := strings.Cut(line, " = ")
		switch k {
		case "aws_access_key_id":
			a.keyID = v
		case "aws_secret_access_key":
			a.secret = v
		case "aws_account_id":
			a.id = v
		}
	}
	if a.id == "" || a.keyID == "" || a.secret == "" {
		s.t.Fatalf("coffer account create prints no credentials: %q", out)
	}
	return a
}

func (a account) credentials() aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(a.keyID, a.secret, "")
}

// s3As returns a client that signs with other credentials.
func (s *server) s3As(c aws.CredentialsProvider) *s3.Client {
	return s.s3(func(o *s3.Options) { o.Credentials = c })
}

func (s *server) organizations() *organizations.Client {
	return organizations.New(organizations.Options{BaseEndpoint: &s.endpoint, Region: s.region, Credentials: s.credentials()})
}

// restrictSSEC is the policy of the AWS blog post on ransom through SSE-C, with
// straight quotes and the bucket's name put back.
const restrictSSEC = `{
"Version": "2012-10-17",
"Statement": [
{
"Sid": "RestrictSSECObjectUploads",
"Effect": "Deny",
"Principal": "*",
"Action": "s3:PutObject",
"Resource": "%s",
"Condition": {
"Null": {
"s3:x-amz-server-side-encryption-customer-algorithm": "false"
}
}
}
]
}`

// testBlocksSSEC checks that every way to write with SSE-C is refused in a bucket,
// and nothing else is. sealed is an object there that was written with SSE-C before.
func testBlocksSSEC(t *testing.T, c *s3.Client, bucket, sealed string, key []byte) {
	ctx := context.Background()
	refused := func(doing string, err error) {
		t.Helper()
		wantCode(t, doing+" with SSE-C", err, "AccessDenied")
	}
	put := &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("ransom"), Body: strings.NewReader("x")}
	setPutKey(put, key)
	_, err := c.PutObject(ctx, put)
	refused("PutObject", err)

	plain := &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("plain"), Body: strings.NewReader("mine")}
	_, err = c.PutObject(ctx, plain)
	check(t, "PutObject", err)
	source := aws.String(bucket + "/plain")
	in := &s3.CopyObjectInput{Bucket: &bucket, Key: aws.String("plain"), CopySource: source}
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = sseC(key)
	_, err = c.CopyObject(ctx, in)
	refused("CopyObject onto itself", err)

	create := &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: aws.String("parts")}
	create.SSECustomerAlgorithm, create.SSECustomerKey, create.SSECustomerKeyMD5 = sseC(key)
	_, err = c.CreateMultipartUpload(ctx, create)
	refused("CreateMultipartUpload", err)

	// And nothing else.
	_, err = c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &bucket, Key: aws.String("copy"), CopySource: source})
	check(t, "CopyObject", err)
	_, err = c.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("kms"), Body: strings.NewReader("y"), ServerSideEncryption: types.ServerSideEncryptionAwsKms})
	check(t, "PutObject with SSE-KMS", err)
	up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: aws.String("parts")})
	check(t, "CreateMultipartUpload", err)
	part := &s3.UploadPartInput{Bucket: &bucket, Key: aws.String("parts"), UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("p")}
	p, err := c.UploadPart(ctx, part)
	check(t, "UploadPart", err)
	_, err = c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &bucket, Key: aws.String("parts"), UploadId: up.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{ETag: p.ETag, PartNumber: aws.Int32(1)}}}})
	check(t, "CompleteMultipartUpload", err)
	_, err = c.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: aws.String("plain")})
	check(t, "GetObject", err)
	if sealed != "" {
		get := &s3.GetObjectInput{Bucket: &bucket, Key: &sealed}
		setGetKey(key)(get)
		_, err = c.GetObject(ctx, get)
		check(t, "GetObject of what was written with SSE-C before", err)
	}
	_, err = c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String("copy")})
	check(t, "DeleteObject", err)
}

// TestBucketPolicyBlocksSSEC: the bucket policy of the blog post. The parts of an
// upload that was begun with SSE-C before are refused too.
func TestBucketPolicyBlocksSSEC(t *testing.T) {
	ctx := t.Context()
	s := start(t, "--allow-sse-c")
	c := s.s3()
	bucket, key := "your-bucket-name", random(9, 32)
	_, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
	check(t, "CreateBucket", err)
	put := &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("before"), Body: strings.NewReader("x")}
	setPutKey(put, key)
	_, err = c.PutObject(ctx, put)
	check(t, "PutObject with SSE-C before the policy", err)
	create := &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: aws.String("begun")}
	create.SSECustomerAlgorithm, create.SSECustomerKey, create.SSECustomerKeyMD5 = sseC(key)
	up, err := c.CreateMultipartUpload(ctx, create)
	check(t, "CreateMultipartUpload with SSE-C before the policy", err)

	_, err = c.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: aws.String(fmt.Sprintf(restrictSSEC, "arn:aws:s3:::"+bucket+"/*"))})
	check(t, "PutBucketPolicy", err)
	testBlocksSSEC(t, c, bucket, "before", key)

	part := &s3.UploadPartInput{Bucket: &bucket, Key: aws.String("begun"), UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("p")}
	part.SSECustomerAlgorithm, part.SSECustomerKey, part.SSECustomerKeyMD5 = sseC(key)
	_, err = c.UploadPart(ctx, part)
	wantCode(t, "UploadPart with SSE-C", err, "AccessDenied")
	from := &s3.UploadPartCopyInput{Bucket: &bucket, Key: aws.String("begun"), UploadId: up.UploadId, PartNumber: aws.Int32(1), CopySource: aws.String(bucket + "/plain")}
	from.SSECustomerAlgorithm, from.SSECustomerKey, from.SSECustomerKeyMD5 = sseC(key)
	_, err = c.UploadPartCopy(ctx, from)
	wantCode(t, "UploadPartCopy with SSE-C", err, "AccessDenied")

	_, err = c.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: &bucket})
	check(t, "DeleteBucketPolicy", err)
	put.Body = strings.NewReader("x")
	_, err = c.PutObject(ctx, put)
	check(t, "PutObject with SSE-C after the policy", err)
}

// TestRCPBlocksSSEC: the resource control policy of the blog post, in force in a
// member account and not in the management account.
func TestRCPBlocksSSEC(t *testing.T) {
	ctx := t.Context()
	s := start(t, "--allow-sse-c")
	org := s.organizations()
	_, err := org.CreateOrganization(ctx, &organizations.CreateOrganizationInput{FeatureSet: orgtypes.OrganizationFeatureSetAll})
	check(t, "CreateOrganization", err)
	member := s.account("member")
	roots, err := org.ListRoots(ctx, &organizations.ListRootsInput{})
	check(t, "ListRoots", err)
	root := roots.Roots[0].Id
	_, err = org.EnablePolicyType(ctx, &organizations.EnablePolicyTypeInput{RootId: root, PolicyType: orgtypes.PolicyTypeResourceControlPolicy})
	check(t, "EnablePolicyType", err)
	policy, err := org.CreatePolicy(ctx, &organizations.CreatePolicyInput{Name: aws.String("RestrictSSEC"), Description: aws.String("no SSE-C"),
		Type: orgtypes.PolicyTypeResourceControlPolicy, Content: aws.String(fmt.Sprintf(restrictSSEC, "*"))})
	check(t, "CreatePolicy", err)

	bucket, key := "member-bucket", random(9, 32)
	c := s.s3As(member.credentials())
	_, err = c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
	check(t, "CreateBucket", err)
	put := &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("before"), Body: strings.NewReader("x")}
	setPutKey(put, key)
	_, err = c.PutObject(ctx, put)
	check(t, "PutObject with SSE-C before the policy", err)
	_, err = org.AttachPolicy(ctx, &organizations.AttachPolicyInput{PolicyId: policy.Policy.PolicySummary.Id, TargetId: root})
	check(t, "AttachPolicy", err)
	testBlocksSSEC(t, c, bucket, "before", key)

	// Not in the management account.
	owned := "management-bucket"
	c = s.s3()
	_, err = c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &owned})
	check(t, "CreateBucket", err)
	put = &s3.PutObjectInput{Bucket: &owned, Key: aws.String("k"), Body: strings.NewReader("x")}
	setPutKey(put, key)
	_, err = c.PutObject(ctx, put)
	check(t, "PutObject with SSE-C in the management account", err)
}

// TestOnlyThisKey: a policy on s3:x-amz-server-side-encryption-aws-kms-key-id
// denies every write that names another key, by whichever name.
func TestOnlyThisKey(t *testing.T) {
	ctx := t.Context()
	s := start(t)
	c, k := s.s3(), s.kms()
	bucket := "only-this-key"
	_, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
	check(t, "CreateBucket", err)
	newKey := func(alias string) string {
		out, err := k.CreateKey(ctx, &kms.CreateKeyInput{})
		check(t, "CreateKey", err)
		_, err = k.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: out.KeyMetadata.KeyId})
		check(t, "CreateAlias", err)
		return *out.KeyMetadata.Arn
	}
	mine, other := newKey("alias/mine"), newKey("alias/other")
	names := func(keyARN, alias string) []string {
		prefix, id, _ := strings.Cut(keyARN, "key/")
		return []string{keyARN, id, alias, prefix + alias}
	}
	for _, test := range []struct {
		condition string
		byDefault bool // whether a write that names no key is allowed
	}{
		// A negated operator holds for a key that the request does not have, with
		// IfExists too.
		{`"ArnNotEquals":{"%s":"%s"}`, false},
		{`"StringNotEqualsIfExists":{"%s":"%s"}`, false},
		{`"Null":{"s3:x-amz-server-side-encryption-aws-kms-key-id":"false"},"StringNotEquals":{"%s":"%s"}`, true},
	} {
		condition := fmt.Sprintf(test.condition, "s3:x-amz-server-side-encryption-aws-kms-key-id", mine)
		policy := `{"Version":"2012-10-17","Statement":[{"Sid":"OnlyThisKey","Effect":"Deny","Principal":"*","Action":"s3:PutObject",` +
			`"Resource":"arn:aws:s3:::` + bucket + `/*","Condition":{` + condition + `}}]}`
		_, err := c.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: &policy})
		check(t, "PutBucketPolicy", err)
		_, err = c.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("d"), Body: strings.NewReader("x")})
		if test.byDefault {
			check(t, test.condition+": PutObject that names no key", err)
		} else {
			wantCode(t, test.condition+": PutObject that names no key", err, "AccessDenied")
		}
		for _, algorithm := range []types.ServerSideEncryption{types.ServerSideEncryptionAwsKms, types.ServerSideEncryptionAwsKmsDsse} {
			for _, name := range names(mine, "alias/mine") {
				_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("a"), ServerSideEncryption: algorithm, SSEKMSKeyId: &name, Body: strings.NewReader("x")})
				check(t, test.condition+": PutObject under "+name, err)
			}
			for _, name := range names(other, "alias/other") {
				_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("a"), ServerSideEncryption: algorithm, SSEKMSKeyId: &name, Body: strings.NewReader("x")})
				wantCode(t, test.condition+": PutObject under "+name, err, "AccessDenied")
				_, err = c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &bucket, Key: aws.String("b"), CopySource: aws.String(bucket + "/" + url.PathEscape("a")), ServerSideEncryption: algorithm, SSEKMSKeyId: &name})
				wantCode(t, test.condition+": CopyObject under "+name, err, "AccessDenied")
				_, err = c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: aws.String("c"), ServerSideEncryption: algorithm, SSEKMSKeyId: &name})
				wantCode(t, test.condition+": CreateMultipartUpload under "+name, err, "AccessDenied")
			}
		}
	}
}
