package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"coffer/internal/access"
	"coffer/internal/arn"
)

// An asker asks the read APIs of some accounts.
type asker struct {
	accounts []*askedAccount
	secure   bool
}

// An askedAccount is an account with what its APIs answered.
type askedAccount struct {
	client *client
	aws    aws.Config
	isAWS  bool
	id     string
	saved  access.Saved
}

func (a *asker) saved() []access.Saved {
	var all []access.Saved
	for _, x := range a.accounts {
		all = append(all, x.saved)
	}
	return all
}

// ask asks all accounts about themselves, and about the target.
func (f *whoCanFlags) ask(ctx context.Context, e *environment, t *whoCanTarget) (*asker, error) {
	a := &asker{secure: true}
	for _, profile := range append([]string{f.profile}, f.profiles...) {
		flags := *f.clientFlags
		flags.profile = profile
		c, err := e.client(ctx, &flags)
		if err != nil {
			return nil, &usageError{err}
		}
		x := &askedAccount{client: c, aws: c.aws, isAWS: f.aws, saved: make(access.Saved)}
		if f.aws {
			x.aws.BaseEndpoint = nil
		} else {
			a.secure = c.endpoint.Scheme == "https"
		}
		if err := x.about(ctx); err != nil {
			return nil, fmt.Errorf("see the account of profile %q: %w", profile, err)
		}
		a.accounts = append(a.accounts, x)
	}
	for _, x := range a.accounts {
		if err := x.organization(ctx, a.accounts); err != nil {
			return nil, err
		}
		if err := x.target(ctx, t); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// put keeps an answer. That something does not exist is an answer too; that the
// caller may not see it is none. Other errors are returned.
func (x *askedAccount) put(answer any, err error, name ...string) error {
	if err != nil {
		var api smithy.APIError
		if !errors.As(err, &api) {
			return err
		}
		code := api.ErrorCode()
		if isRefusal(code) {
			return nil
		}
		answer = map[string]any{"Error": map[string]string{"Code": code}}
	}
	b, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	x.saved[access.Name(name...)] = b
	return nil
}

// isRefusal reports whether an error code says that the caller may not see, or that
// the service does not offer to tell, rather than that there is nothing.
func isRefusal(code string) bool {
	for _, s := range []string{"AccessDenied", "Unauthorized", "Forbidden", "NotImplemented", "MethodNotAllowed", "InternalError", "ServiceUnavailable", "Throttl", "SlowDown", "BadRequest"} {
		if strings.Contains(code, s) {
			return true
		}
	}
	return false
}

// about asks who the account is and whom it has.
func (x *askedAccount) about(ctx context.Context) error {
	id, err := sts.NewFromConfig(x.aws).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return err
	}
	x.id = aws.ToString(id.Account)
	if err := x.put(map[string]any{"Account": id.Account, "Arn": id.Arn, "UserId": id.UserId}, nil, "sts", "get-caller-identity"); err != nil {
		return err
	}
	var all iam.GetAccountAuthorizationDetailsOutput
	pages := iam.NewGetAccountAuthorizationDetailsPaginator(iam.NewFromConfig(x.aws), &iam.GetAccountAuthorizationDetailsInput{})
	for pages.HasMorePages() {
		page, failed := pages.NextPage(ctx)
		if err = failed; err != nil {
			break
		}
		all.UserDetailList = append(all.UserDetailList, page.UserDetailList...)
		all.GroupDetailList = append(all.GroupDetailList, page.GroupDetailList...)
		all.RoleDetailList = append(all.RoleDetailList, page.RoleDetailList...)
		all.Policies = append(all.Policies, page.Policies...)
	}
	if err := x.put(&all, err, "iam", "get-account-authorization-details"); err != nil {
		return err
	}
	return x.accountBlock(ctx)
}

// accountBlock asks for the account's Block Public Access, which S3 Control has.
func (x *askedAccount) accountBlock(ctx context.Context) error {
	const path = "/v20180820/configuration/publicAccessBlock"
	at := "https://" + x.id + ".s3-control." + x.aws.Region + ".amazonaws.com" + path
	if !x.isAWS {
		at = x.client.endpoint.String() + path
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return err
	}
	creds, err := x.aws.Credentials.Retrieve(ctx)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(nil)
	r.Header.Set("X-Amz-Account-Id", x.id)
	r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	if err := v4.NewSigner().SignHTTP(ctx, creds, r, hex.EncodeToString(sum[:]), "s3", x.aws.Region, time.Now()); err != nil {
		return err
	}
	answer, err := x.aws.HTTPClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	if err != nil {
		return err
	}
	var block access.Block
	var failure struct {
		Code  string
		Error struct{ Code string }
	}
	switch {
	case answer.StatusCode == http.StatusOK:
		if err := xml.Unmarshal(b, &block); err != nil {
			return fmt.Errorf("read the account's Block Public Access: %w", err)
		}
		return x.put(map[string]any{"PublicAccessBlockConfiguration": block}, nil, "s3control", "get-public-access-block")
	case xml.NewDecoder(bytes.NewReader(b)).Decode(&failure) == nil:
		return x.put(nil, &smithy.GenericAPIError{Code: failure.Code + failure.Error.Code}, "s3control", "get-public-access-block")
	}
	return nil
}

// organization asks what stands above the accounts.
func (x *askedAccount) organization(ctx context.Context, accounts []*askedAccount) error {
	c := organizations.NewFromConfig(x.aws)
	org, err := c.DescribeOrganization(ctx, &organizations.DescribeOrganizationInput{})
	if err := x.put(org, err, "organizations", "describe-organization"); err != nil || org == nil || org.Organization == nil {
		return err
	}
	asked := make(map[string]bool)
	for _, other := range accounts {
		for child := other.id; !asked[child]; {
			asked[child] = true
			for _, kind := range []orgtypes.PolicyType{orgtypes.PolicyTypeServiceControlPolicy, orgtypes.PolicyTypeResourceControlPolicy} {
				if err := x.policiesOf(ctx, c, child, kind); err != nil {
					return err
				}
			}
			if strings.HasPrefix(child, "r-") {
				break
			}
			parents, err := c.ListParents(ctx, &organizations.ListParentsInput{ChildId: &child})
			if err := x.put(parents, err, "organizations", "list-parents", child); err != nil {
				return err
			}
			if parents == nil || len(parents.Parents) != 1 {
				break
			}
			child = aws.ToString(parents.Parents[0].Id)
		}
	}
	return nil
}

// policiesOf asks for the policies that are attached to a target.
func (x *askedAccount) policiesOf(ctx context.Context, c *organizations.Client, target string, kind orgtypes.PolicyType) error {
	var all organizations.ListPoliciesForTargetOutput
	var err error
	pages := organizations.NewListPoliciesForTargetPaginator(c, &organizations.ListPoliciesForTargetInput{TargetId: &target, Filter: kind})
	for pages.HasMorePages() {
		page, failed := pages.NextPage(ctx)
		if err = failed; err != nil {
			break
		}
		all.Policies = append(all.Policies, page.Policies...)
	}
	if err := x.put(&all, err, "organizations", "list-policies-for-target", target, string(kind)); err != nil {
		return err
	}
	for _, p := range all.Policies {
		id := aws.ToString(p.Id)
		if _, ok := x.saved[access.Name("organizations", "describe-policy", id)]; ok {
			continue
		}
		d, err := c.DescribePolicy(ctx, &organizations.DescribePolicyInput{PolicyId: &id})
		if err := x.put(d, err, "organizations", "describe-policy", id); err != nil {
			return err
		}
	}
	return nil
}

// target asks about what the question is about.
func (x *askedAccount) target(ctx context.Context, t *whoCanTarget) error {
	if t.kmsKey != "" {
		if a, err := arn.Parse(t.kmsKey); err == nil && (a.Account != x.id) {
			return nil
		}
		return x.key(ctx, t.kmsKey)
	}
	c := x.s3("")
	buckets, err := c.ListBuckets(ctx, &s3.ListBucketsInput{})
	if err := x.put(buckets, err, "s3api", "list-buckets"); err != nil {
		return err
	}
	if buckets != nil && !slices.ContainsFunc(buckets.Buckets, func(b s3types.Bucket) bool { return aws.ToString(b.Name) == t.bucket }) {
		return nil // another account's
	}
	location, err := c.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: &t.bucket})
	if err != nil {
		var api smithy.APIError
		if errors.As(err, &api) && api.ErrorCode() == "NoSuchBucket" {
			return fmt.Errorf("there is no bucket %s", t.bucket)
		}
	}
	if err := x.put(location, err, "s3api", "get-bucket-location", t.bucket); err != nil {
		return err
	}
	region := "us-east-1"
	if location != nil && location.LocationConstraint != "" {
		region = string(location.LocationConstraint)
	}
	return x.bucket(ctx, x.s3(region), region, t)
}

// bucket asks about a bucket and the object in it.
func (x *askedAccount) bucket(ctx context.Context, c *s3.Client, region string, t *whoCanTarget) error {
	b := &t.bucket
	policy, err := c.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: b})
	errs := []error{x.put(policy, err, "s3api", "get-bucket-policy", *b)}
	block, err := c.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: b})
	errs = append(errs, x.put(block, err, "s3api", "get-public-access-block", *b))
	ownership, err := c.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: b})
	errs = append(errs, x.put(ownership, err, "s3api", "get-bucket-ownership-controls", *b))
	acl, err := c.GetBucketAcl(ctx, &s3.GetBucketAclInput{Bucket: b})
	errs = append(errs, x.put(acl, err, "s3api", "get-bucket-acl", *b))
	encryption, err := c.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: b})
	errs = append(errs, x.put(encryption, err, "s3api", "get-bucket-encryption", *b))
	var keys []string
	if err == nil && encryption.ServerSideEncryptionConfiguration != nil {
		for _, rule := range encryption.ServerSideEncryptionConfiguration.Rules {
			if d := rule.ApplyServerSideEncryptionByDefault; d != nil && aws.ToString(d.KMSMasterKeyID) != "" {
				keys = append(keys, *d.KMSMasterKeyID)
			}
		}
	}
	if t.key != "" {
		var versionID *string
		name := []string{"s3api", "", *b, t.key}
		if t.version != "" {
			versionID, name = &t.version, append(name, t.version)
		}
		under := func(command string) []string { return append([]string{name[0], command}, name[2:]...) }
		head, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: b, Key: &t.key, VersionId: versionID})
		errs = append(errs, x.put(head, err, under("head-object")...))
		if err == nil && aws.ToString(head.SSEKMSKeyId) != "" {
			keys = append(keys, *head.SSEKMSKeyId)
		}
		objectACL, err := c.GetObjectAcl(ctx, &s3.GetObjectAclInput{Bucket: b, Key: &t.key, VersionId: versionID})
		errs = append(errs, x.put(objectACL, err, under("get-object-acl")...))
		tags, err := c.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: b, Key: &t.key, VersionId: versionID})
		errs = append(errs, x.put(tags, err, under("get-object-tagging")...))
	}
	for _, k := range keys {
		if a, err := arn.Parse(k); err == nil && a.Account != x.id {
			continue
		}
		x.aws.Region = region
		errs = append(errs, x.key(ctx, k))
	}
	return errors.Join(errs...)
}

// key asks about a KMS key.
func (x *askedAccount) key(ctx context.Context, name string) error {
	cfg := x.aws
	if a, err := arn.Parse(name); err == nil {
		cfg.Region = a.Region
	}
	c := kms.NewFromConfig(cfg)
	d, err := c.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &name})
	id := name[strings.LastIndexByte(name, '/')+1:]
	if err == nil {
		id = aws.ToString(d.KeyMetadata.KeyId)
	}
	errs := []error{x.put(d, err, "kms", "describe-key", id)}
	policy, err := c.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &id})
	errs = append(errs, x.put(policy, err, "kms", "get-key-policy", id))
	var grants kms.ListGrantsOutput
	pages := kms.NewListGrantsPaginator(c, &kms.ListGrantsInput{KeyId: &id})
	for pages.HasMorePages() {
		page, failed := pages.NextPage(ctx)
		if err = failed; err != nil {
			break
		}
		grants.Grants = append(grants.Grants, page.Grants...)
	}
	errs = append(errs, x.put(&grants, err, "kms", "list-grants", id))
	var aliases kms.ListAliasesOutput
	aliasPages := kms.NewListAliasesPaginator(c, &kms.ListAliasesInput{})
	for aliasPages.HasMorePages() {
		page, failed := aliasPages.NextPage(ctx)
		if err = failed; err != nil {
			break
		}
		aliases.Aliases = append(aliases.Aliases, page.Aliases...)
	}
	errs = append(errs, x.put(&aliases, err, "kms", "list-aliases"))
	tags, err := c.ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: &id})
	return errors.Join(append(errs, x.put(tags, err, "kms", "list-resource-tags", id))...)
}

// s3 returns a client for a region.
func (x *askedAccount) s3(region string) *s3.Client {
	return s3.NewFromConfig(x.aws, func(o *s3.Options) {
		o.UsePathStyle = !x.isAWS
		if region != "" {
			o.Region = region
		}
	})
}
