package conformance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A person is an IAM user with its clients.
type person struct {
	arn string
	kms *kms.Client
	s3  *s3.Client
}

// person makes an IAM user with an inline policy, unless that is empty, and an
// access key.
func (k *sdk) person(t testing.TB, name, policy string) person {
	t.Helper()
	ctx, s := t.Context(), k.server
	admin := iam.New(iam.Options{BaseEndpoint: &s.endpoint, Region: s.region, Credentials: s.credentials()})
	u, err := admin.CreateUser(ctx, &iam.CreateUserInput{UserName: &name})
	check(t, "CreateUser", err)
	if policy != "" {
		_, err = admin.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("p"), PolicyDocument: &policy})
		check(t, "PutUserPolicy", err)
	}
	key, err := admin.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: &name})
	check(t, "CreateAccessKey", err)
	c := credentials.NewStaticCredentialsProvider(*key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey, "")
	return person{
		arn: *u.User.Arn,
		kms: kms.New(kms.Options{BaseEndpoint: &s.endpoint, Region: s.region, Credentials: c}),
		s3:  s.s3(func(o *s3.Options) { o.Credentials = c }, defaults),
	}
}

// statements returns a policy.
func statements(list ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(list, ",") + `]}`
}

const everything = `{"Effect":"Allow","Action":"*","Resource":"*"}`

// keyWith makes a key whose policy lets the account administer it, with further
// statements.
func keyWith(t testing.TB, c *kms.Client, list ...string) string {
	t.Helper()
	list = append(list, `{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Resource":"*",
		"NotAction":["kms:Encrypt","kms:Decrypt","kms:GenerateDataKey*","kms:ReEncrypt*"]}`)
	out, err := c.CreateKey(t.Context(), &kms.CreateKeyInput{Policy: aws.String(statements(list...))})
	check(t, "CreateKey", err)
	return *out.KeyMetadata.Arn
}

// TestKMSPolicies tries what decides over a key with the AWS SDK for Go.
func TestKMSPolicies(t *testing.T) {
	k := connect(t, start(t))
	t.Run("key policy", func(t *testing.T) { testKeyPolicy(t, k) })
	t.Run("grants", func(t *testing.T) { testGrants(t, k) })
	t.Run("through S3", func(t *testing.T) { testKeyThroughS3(t, k) })
	t.Run("aws/s3", func(t *testing.T) { testManagedKeyAcrossAccounts(t, k) })
}

func encryptAs(t testing.TB, c *kms.Client, key string, context map[string]string) error {
	_, err := c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x"), EncryptionContext: context})
	return err
}

func testKeyPolicy(t *testing.T, k *sdk) {
	ctx := t.Context()
	admin, reader := k.person(t, "admin", statements(everything)), k.person(t, "reader", "")
	key := keyWith(t, k.kms, `{"Effect":"Allow","Principal":{"AWS":"`+reader.arn+`"},"Action":"kms:Decrypt","Resource":"*"}`,
		`{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"kms:Encrypt","Resource":"*"}`)
	blob, err := admin.kms.Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: []byte("hello")})
	check(t, "Encrypt, which the key policy delegates", err)
	_, err = admin.kms.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob.CiphertextBlob})
	refused(t, "Decrypt, which it does not", err, "AccessDeniedException")
	_, err = k.kms.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob.CiphertextBlob})
	refused(t, "Decrypt by root, whom it does not name", err, "AccessDeniedException")
	opened, err := reader.kms.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob.CiphertextBlob})
	check(t, "Decrypt by the user whom it names", err)
	want(t, "plaintext", string(opened.Plaintext), "hello")
	refused(t, "Encrypt by that user", encryptAs(t, reader.kms, key, nil), "AccessDeniedException")

	out, err := k.kms.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &key})
	check(t, "GetKeyPolicy", err)
	want(t, "the policy names the user", strings.Contains(*out.Policy, `"`+reader.arn+`"`), true)
	_, err = k.kms.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &key, Policy: aws.String(statements(
		`{"Effect":"Allow","Principal":{"AWS":"` + reader.arn + `"},"Action":"kms:*","Resource":"*"}`))})
	refused(t, "PutKeyPolicy that locks its caller out", err, "MalformedPolicyDocumentException")
	_, err = k.kms.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &key, Policy: aws.String(statements(
		`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/ghost"},"Action":"kms:*","Resource":"*"}`)), BypassPolicyLockoutSafetyCheck: true})
	refused(t, "PutKeyPolicy for nobody", err, "MalformedPolicyDocumentException")
	_, err = k.kms.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &key, Policy: aws.String(statements(
		`{"Effect":"Allow","Principal":{"AWS":"` + reader.arn + `"},"Action":"kms:*","Resource":"*"}`)), BypassPolicyLockoutSafetyCheck: true})
	check(t, "PutKeyPolicy that does so on purpose", err)
	_, err = k.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key})
	refused(t, "DescribeKey by root afterwards", err, "AccessDeniedException")
	check(t, "Encrypt by the new owner", encryptAs(t, reader.kms, key, nil))
}

func testGrants(t *testing.T, k *sdk) {
	ctx := t.Context()
	grantee, retiring := k.person(t, "grantee", ""), k.person(t, "retiring", "")
	key := keyWith(t, k.kms)
	context := map[string]string{"Department": "IT"}
	in := &kms.CreateGrantInput{KeyId: &key, Name: aws.String("one"), GranteePrincipal: &grantee.arn, RetiringPrincipal: &retiring.arn,
		Operations:  []kmstypes.GrantOperation{kmstypes.GrantOperationEncrypt, kmstypes.GrantOperationDescribeKey},
		Constraints: &kmstypes.GrantConstraints{EncryptionContextSubset: context}, DryRun: aws.Bool(true)}
	_, err := k.kms.CreateGrant(ctx, in)
	refused(t, "CreateGrant in a dry run", err, "DryRunOperationException")
	in.DryRun = nil
	made, err := k.kms.CreateGrant(ctx, in)
	check(t, "CreateGrant", err)
	again, err := k.kms.CreateGrant(ctx, in)
	check(t, "CreateGrant again", err)
	want(t, "grant ID of the same grant", *again.GrantId, *made.GrantId)

	check(t, "Encrypt", encryptAs(t, grantee.kms, key, context))
	refused(t, "Encrypt in another context", encryptAs(t, grantee.kms, key, nil), "AccessDeniedException")
	refused(t, "Encrypt by another user", encryptAs(t, retiring.kms, key, context), "AccessDeniedException")
	_, err = grantee.kms.Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x"), EncryptionContext: context,
		GrantTokens: []string{*made.GrantToken}, DryRun: aws.Bool(true)})
	refused(t, "Encrypt in a dry run", err, "DryRunOperationException")
	_, err = grantee.kms.Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x"), EncryptionContext: context, GrantTokens: []string{"forged"}})
	refused(t, "Encrypt with a forged token", err, "InvalidGrantTokenException")
	_, err = grantee.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key})
	check(t, "DescribeKey", err)

	list, err := k.kms.ListGrants(ctx, &kms.ListGrantsInput{KeyId: &key})
	check(t, "ListGrants", err)
	want(t, "grants", len(list.Grants), 1)
	g := list.Grants[0]
	want(t, "the grant", fmt.Sprint(*g.GrantId, *g.KeyId, *g.Name, *g.GranteePrincipal, *g.RetiringPrincipal, *g.IssuingAccount, g.Operations, g.Constraints.EncryptionContextSubset),
		fmt.Sprint(*made.GrantId, key, "one", grantee.arn, retiring.arn, "arn:aws:iam::123456789012:root", in.Operations, context))
	retirable, err := k.kms.ListRetirableGrants(ctx, &kms.ListRetirableGrantsInput{RetiringPrincipal: &retiring.arn})
	check(t, "ListRetirableGrants", err)
	want(t, "retirable grants", len(retirable.Grants), 1)

	_, err = grantee.kms.RetireGrant(ctx, &kms.RetireGrantInput{GrantToken: made.GrantToken})
	refused(t, "RetireGrant by the grantee", err, "AccessDeniedException")
	_, err = retiring.kms.RetireGrant(ctx, &kms.RetireGrantInput{GrantToken: again.GrantToken})
	check(t, "RetireGrant", err)
	refused(t, "Encrypt afterwards", encryptAs(t, grantee.kms, key, context), "AccessDeniedException")
	made, err = k.kms.CreateGrant(ctx, in)
	check(t, "CreateGrant", err)
	_, err = k.kms.RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: &key, GrantId: made.GrantId})
	check(t, "RevokeGrant", err)
	_, err = k.kms.RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: &key, GrantId: made.GrantId})
	refused(t, "RevokeGrant again", err, "NotFoundException")
}

// testKeyThroughS3 reads and writes SSE-KMS objects as a user whom the key's policy
// admits through S3, and for one prefix of one bucket.
func testKeyThroughS3(t *testing.T, k *sdk) {
	ctx := t.Context()
	b := k.bucket(t)
	user := k.person(t, "through", statements(`{"Effect":"Allow","Action":"s3:*","Resource":"*"}`))
	key := keyWith(t, k.kms, `{"Effect":"Allow","Principal":{"AWS":"`+user.arn+`"},"Action":["kms:GenerateDataKey","kms:Decrypt"],"Resource":"*","Condition":{
		"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"},"StringLike":{"kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::`+b+`/open/*"}}}`)
	put := func(name string) error {
		_, err := user.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &b, Key: &name, Body: strings.NewReader("text"),
			ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &key})
		return err
	}
	check(t, "PutObject", put("open/a"))
	check(t, "GetObject", get(t, user.s3, b, "open/a"))
	refused(t, "PutObject under another prefix", put("closed/a"), "AccessDenied")
	_, err := user.kms.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &key, KeySpec: kmstypes.DataKeySpecAes256,
		EncryptionContext: map[string]string{"aws:s3:arn": "arn:aws:s3:::" + b + "/open/a"}})
	refused(t, "GenerateDataKey without S3", err, "AccessDeniedException")
	refused(t, "GetObject by root, whom the key does not admit", k.getErr(b, "open/a"), "AccessDenied")

	// With a bucket key the context is that of the bucket.
	_, err = user.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &b, Key: aws.String("open/b"), Body: strings.NewReader("text"),
		ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &key, BucketKeyEnabled: aws.Bool(true)})
	refused(t, "PutObject with a bucket key", err, "AccessDenied")

	// A grant opens the key for one who reads through S3.
	reader := k.person(t, "grantedreader", statements(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`))
	refused(t, "GetObject without the grant", get(t, reader.s3, b, "open/a"), "AccessDenied")
	grant, err := k.kms.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &reader.arn, Operations: []kmstypes.GrantOperation{kmstypes.GrantOperationDecrypt},
		Constraints: &kmstypes.GrantConstraints{EncryptionContextEquals: map[string]string{"aws:s3:arn": "arn:aws:s3:::" + b + "/open/a"}}})
	check(t, "CreateGrant", err)
	check(t, "GetObject with the grant", get(t, reader.s3, b, "open/a"))
	_, err = k.kms.RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: &key, GrantId: grant.GrantId})
	check(t, "RevokeGrant", err)
	refused(t, "GetObject once it is revoked", get(t, reader.s3, b, "open/a"), "AccessDenied")
}

// testManagedKeyAcrossAccounts lets another account read a bucket whose objects lie
// under the key of alias/aws/s3: it gets those that it may, and not these.
func testManagedKeyAcrossAccounts(t *testing.T, k *sdk) {
	ctx := t.Context()
	id, other := k.account(t, "kms-other")
	b := k.bucket(t)
	text := allowing(`{"AWS":"`+id+`"}`, "s3:GetObject", b+"/*")
	_, err := k.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &b, Policy: &text})
	check(t, "PutBucketPolicy", err)
	k.put(t, b, "plain", "x")
	made := k.put(t, b, "managed", "x", func(in *s3.PutObjectInput) { in.ServerSideEncryption = types.ServerSideEncryptionAwsKms })
	check(t, "GetObject under SSE-S3", get(t, other, b, "plain"))
	refused(t, "GetObject under aws/s3", get(t, other, b, "managed"), "AccessDenied")
	plain := k.person(t, "s3only", statements(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`))
	check(t, "GetObject under aws/s3 by a user of the account without KMS rights", get(t, plain.s3, b, "managed"))
	_, err = k.kms.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: made.SSEKMSKeyId, Policy: aws.String(statements(
		`{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:*","Resource":"*"}`))})
	refused(t, "PutKeyPolicy on aws/s3", err, "AccessDeniedException")
	_, err = k.kms.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: made.SSEKMSKeyId})
	refused(t, "ScheduleKeyDeletion of aws/s3", err, "AccessDeniedException")
	_, err = k.kms.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: made.SSEKMSKeyId, KeySpec: kmstypes.DataKeySpecAes256})
	refused(t, "GenerateDataKey under aws/s3 without S3", err, "AccessDeniedException")
}
