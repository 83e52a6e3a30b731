package conformance

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
)

// TestChildIsNeverWider calls every operation of IAM, STS, KMS and Organizations with
// credentials that may be less than who made them. Servers have skipped the session
// policy for what an identity does to itself (CVE-2025-62506 in MinIO), let a child
// key edit its own policy (CVE-2024-24747 there), and taken a policy of denials alone
// for no limit (GHSA-xgr5 in RustFS).
func TestChildIsNeverWider(t *testing.T) {
	t.Parallel()
	c := holdCourt(t)
	ctx := t.Context()
	reads := stsAllow(`"s3:GetObject"`, `"arn:aws:s3:::vault/victim"`)
	denies := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:DeleteBucket","Resource":"*"}]}`
	federated := func(policy *string) aws.CredentialsProvider {
		return temporary(iamOK(c.sts(c.boss).GetFederationToken(ctx, &sts.GetFederationTokenInput{Name: aws.String("fed"), Policy: policy}))(t).Credentials)
	}
	federatedOfRoot := temporary(iamOK(c.sts(c.credentials()).GetFederationToken(ctx, &sts.GetFederationTokenInput{Name: aws.String("fed"), Policy: &reads}))(t).Credentials)
	managed := iamOK(c.iam().CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("reads"), PolicyDocument: &reads}))(t).Policy.Arn
	_, bounded := c.stsUser(t, "bounded", stsAllow(`"*"`, `"*"`))
	iamOK(c.iam().PutUserPermissionsBoundary(ctx, &iam.PutUserPermissionsBoundaryInput{UserName: aws.String("bounded"), PermissionsBoundary: managed}))(t)
	before := c.state(t)

	children := map[string]struct {
		credentials aws.CredentialsProvider
		reads       bool
		may         map[string]bool // operations that need no permission
	}{
		"a role with a session policy":         {c.session(&sts.AssumeRoleInput{Policy: &reads}), true, nil},
		"a role with a managed session policy": {c.session(&sts.AssumeRoleInput{PolicyArns: []ststypes.PolicyDescriptorType{{Arn: managed}}}), true, nil},
		"a role with denials alone":            {c.session(&sts.AssumeRoleInput{Policy: &denies}), false, nil},
		"a federated user":                     {federated(&reads), true, nil},
		"a federated user of root":             {federatedOfRoot, true, nil},
		"a federated user with denials alone":  {federated(&denies), false, nil},
		"a federated user without a policy":    {federated(nil), false, nil},
		"a user with a boundary":               {bounded, true, map[string]bool{"GetSessionToken": true}},
		"a user without policies":              {c.nobody, false, map[string]bool{"GetSessionToken": true}},
	}
	for name, child := range children {
		t.Run(name, func(t *testing.T) {
			a := c.attack(t, child.credentials)
			denied := 0
			answered := func(service, operation string, err error) {
				switch {
				case service == "sts" && (operation == "GetCallerIdentity" || child.may[operation]):
					if err != nil {
						t.Errorf("%s = %v; want it to need no permission", operation, err)
					}
				case operation == "AssumeRoleWithWebIdentity" && code(err) == "InvalidIdentityToken":
				case operation == "RetireGrant" && code(err) == "NotFoundException": // which needs no permission, but a grant
				case isMissing(err), operation == "PutAccountProperties": // which this server does not have
				case isDenial(err), code(err) == "ValidationError" && strings.Contains(err.Error(), "Must specify userName when calling with non-User credentials"):
					denied++
				default:
					t.Errorf("%s %s = %v; want a denial", service, operation, err)
				}
			}
			// Of oneself, where the name can be left out, and of another.
			a.everyService(nil, answered)
			a.each("iam", map[string]bool{"UserName": true}, func(operation string, err error) { answered("iam", operation, err) })
			if denied < 280 {
				t.Errorf("%d operations were denied; want most", denied)
			}
			client := c.s3With(child.credentials)
			for key, may := range map[string]bool{"victim": child.reads, "other": false} {
				if err := get(t, client, "vault", key); may != (err == nil) || err != nil && code(err) != "AccessDenied" {
					t.Errorf("GetObject of %s = %v; want it to succeed: %t", key, err, may)
				}
			}
			_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("vault"), Key: aws.String("victim")})
			wantCode(t, "PutObject", err, "AccessDenied")
			_, err = client.ListBuckets(ctx, &s3.ListBucketsInput{})
			wantCode(t, "ListBuckets", err, "AccessDenied")
		})
	}
	c.unchanged(t, before)

	// A session's session: chained roles and a user's own are not wider either.
	wide := c.session(&sts.AssumeRoleInput{})
	_, err := c.iamAs(wide).GetUser(ctx, &iam.GetUserInput{UserName: aws.String("boss")})
	check(t, "GetUser by a session without policies", err)
	_, err = c.sts(wide).GetFederationToken(ctx, &sts.GetFederationTokenInput{Name: aws.String("fed"), Policy: &reads})
	wantCode(t, "GetFederationToken by a session", err, "AccessDenied")
	_, err = c.sts(wide).GetSessionToken(ctx, &sts.GetSessionTokenInput{})
	wantCode(t, "GetSessionToken by a session", err, "AccessDenied")
}
