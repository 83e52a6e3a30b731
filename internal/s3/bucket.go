package s3

import (
	"context"
	"encoding/base64"
	"errors"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/object"
)

const defaultRegion = "us-east-1"

// maxListBuckets is the largest page of ListBuckets.
//
// Source: Amazon S3 API Reference, ListBuckets, read 2026-11-21.
const maxListBuckets = 10_000

// ListBuckets lists the caller's buckets.
func (s *Service) ListBuckets(ctx context.Context, c *authn.Caller, in *ListBucketsInput) (*ListBucketsOutput, error) {
	r := s.begin(ctx, c, "ListBuckets", managementRead, "", "", "")
	out, err := r.listBuckets(in)
	return finish(r, out, err)
}

func (r *request) listBuckets(in *ListBucketsInput) (*ListBucketsOutput, error) {
	if err := r.decideOwn("s3:ListAllMyBuckets", "arn:aws:s3:::*"); err != nil {
		return nil, err
	}
	limit := in.MaxBuckets
	if limit == 0 {
		limit = maxListBuckets
	}
	if limit < 1 || limit > maxListBuckets {
		return nil, invalidArgument("max-buckets", "", "Argument max-buckets must be an integer between 1 and 10000")
	}
	after := ""
	if in.ContinuationToken != "" {
		b, err := base64.RawURLEncoding.DecodeString(in.ContinuationToken)
		if err != nil {
			return nil, invalidArgument("continuation-token", in.ContinuationToken, "The continuation token provided is incorrect")
		}
		after = string(b)
	}
	list, more, err := r.s.objects.Buckets(r.ctx, r.c.Account, in.Prefix, after, in.BucketRegion, limit)
	if err != nil {
		return nil, err
	}
	out := &ListBucketsOutput{Prefix: in.Prefix}
	if out.Owner, err = r.owner(r.c.Account); err != nil {
		return nil, err
	}
	for _, b := range list {
		out.Buckets = append(out.Buckets, BucketInfo{Name: b.Name, Region: b.Region, ARN: arn.Bucket(b.Name), Created: time.UnixMilli(b.Created).UTC()})
	}
	if more {
		out.ContinuationToken = base64.RawURLEncoding.EncodeToString([]byte(list[len(list)-1].Name))
	}
	return out, nil
}

var (
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	regionName = regexp.MustCompile(`^[a-z]{2,8}(-[a-z]{2,10}){1,3}-[0-9]{1,2}$`)
)

// ValidBucketName reports whether S3 lets a general purpose bucket have a name.
//
// Source: Amazon S3 User Guide, "General purpose bucket naming rules", read
// 2026-11-21.
func ValidBucketName(name string) bool {
	if !bucketName.MatchString(name) || strings.Contains(name, "..") {
		return false
	}
	if a, err := netip.ParseAddr(name); err == nil && a.Is4() {
		return false
	}
	for _, p := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(name, p) {
			return false
		}
	}
	for _, p := range []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3", "-an"} {
		if strings.HasSuffix(name, p) {
			return false
		}
	}
	return true
}

// CreateBucket creates a bucket in the region of its location constraint.
func (s *Service) CreateBucket(ctx context.Context, c *authn.Caller, in *CreateBucketInput) (*CreateBucketOutput, error) {
	r := s.begin(ctx, c, "CreateBucket", managementWrite, in.Bucket, "", "")
	r.create = in
	out, err := r.createBucket(in)
	return finish(r, out, err)
}

func (r *request) createBucket(in *CreateBucketInput) (*CreateBucketOutput, error) {
	if err := r.decideOwn("s3:CreateBucket", arn.Bucket(in.Bucket), creations(in)...); err != nil {
		return nil, err
	}
	r.Resource("AWS::S3::Bucket", arn.Bucket(in.Bucket), r.c.Account)
	if !ValidBucketName(in.Bucket) {
		return nil, awserr.New(400, "InvalidBucketName", "The specified bucket is not valid.").With("BucketName", in.Bucket)
	}
	region, err := r.location(in.LocationConstraint)
	if err != nil {
		return nil, err
	}
	switch {
	case in.ObjectLockEnabled:
		return nil, awserr.New(501, "NotImplemented", "Object Lock is not implemented.")
	case in.Unsupported != "":
		return nil, awserr.New(501, "NotImplemented", "%s is not implemented.", in.Unsupported)
	case in.ObjectOwnership != "" && !isOwnership(in.ObjectOwnership):
		return nil, invalidArgument("x-amz-object-ownership", in.ObjectOwnership, "Invalid x-amz-object-ownership header")
	}
	b := &object.Bucket{Name: in.Bucket, Account: r.c.Account, Region: region, Encryption: r.s.defaultEncryption()}
	if b.Tags, err = checkBucketTags(in.Tags); err != nil {
		return nil, err
	}
	if in.ObjectOwnership != object.BucketOwnerEnforced {
		b.Ownership = in.ObjectOwnership
	}
	if b.ACL, err = r.firstACL(&in.ACL, b); err != nil {
		return nil, err
	}
	err = r.s.objects.CreateBucket(r.ctx, b, r.Record)
	if errors.Is(err, object.ErrBucketOwned) && region == defaultRegion {
		err = r.createAgain(in.Bucket)
	}
	if err != nil {
		return nil, err
	}
	return &CreateBucketOutput{Location: "/" + in.Bucket, BucketARN: arn.Bucket(in.Bucket)}, nil
}

// decideOwn decides actions on what belongs to the caller's account, or would.
func (r *request) decideOwn(action, resource string, more ...string) error {
	for _, a := range append([]string{action}, more...) {
		q := &question{r: r}
		q.Action, q.Resource, q.Account, q.Keys = a, resource, r.c.Account, q
		if err := r.Ask(r.ctx, &q.Ask); err != nil {
			return err
		}
	}
	return nil
}

// creations are the actions that CreateBucket takes besides its own.
//
// Source: Amazon S3 API Reference, CreateBucket, "Permissions"; Amazon S3 User
// Guide, "Using tags with S3 general purpose buckets", read 2026-11-21.
func creations(in *CreateBucketInput) (actions []string) {
	if in.ACL.Canned != "" && in.ACL.Canned != "private" || len(in.ACL.Grants) > 0 {
		actions = append(actions, "s3:PutBucketAcl")
	}
	if in.ObjectOwnership != "" {
		actions = append(actions, "s3:PutBucketOwnershipControls")
	}
	if in.ObjectLockEnabled {
		actions = append(actions, "s3:PutBucketObjectLockConfiguration", "s3:PutBucketVersioning")
	}
	if len(in.Tags) > 0 {
		actions = append(actions, "s3:TagResource")
	}
	return actions
}

// firstACL returns the access control list that a bucket is created with. Block
// Public Access is on for every new bucket, so none can be public.
//
// Source: Amazon S3 User Guide, "Blocking public access to your Amazon S3 storage",
// of buckets created since April 2023, read 2026-11-21.
func (r *request) firstACL(headers *ACL, b *object.Bucket) (*object.ACL, error) {
	if headers.isZero() || headers.Canned == "private" && len(headers.Grants) == 0 {
		return nil, nil
	}
	if !b.HasACLs() {
		return nil, errACLWithOwnership
	}
	acl, err := r.newACL(headers, b.Account, true)
	if err == nil && isPublic(acl) {
		err = awserr.New(400, "InvalidBucketAclWithBlockPublicAccessError", "Bucket cannot have public ACLs set with BlockPublicAccess enabled")
	}
	return acl, err
}

// createAgain answers the creation of a bucket that the caller owns in us-east-1,
// where S3 has always taken it: nothing changes.
//
// Source: Amazon S3 API Reference, "Error responses", BucketAlreadyOwnedByYou, read
// 2026-11-21.
func (r *request) createAgain(name string) error {
	b, err := r.s.objects.Bucket(r.ctx, name)
	if err != nil {
		return err
	}
	if b.Region != defaultRegion {
		return object.ErrBucketOwned
	}
	return r.s.objects.UpdateBucket(r.ctx, b, func(*object.Bucket) error { return nil }, r.Record)
}

// location returns the region for a location constraint, as the endpoint of the
// region that the request was signed for takes it: the one of us-east-1 takes
// any, the others only their own.
func (r *request) location(constraint string) (string, error) {
	if constraint == "EU" {
		constraint = "eu-west-1"
	}
	if constraint != "" && !regionName.MatchString(constraint) || constraint == defaultRegion {
		return "", awserr.New(400, "InvalidLocationConstraint", "The specified location-constraint is not valid").
			With("LocationConstraint", constraint)
	}
	switch {
	case r.c.Region == defaultRegion && constraint == "":
		return defaultRegion, nil
	case r.c.Region == defaultRegion || r.c.Region == constraint:
		return constraint, nil
	case constraint == "":
		return "", awserr.New(400, "IllegalLocationConstraintException", "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.")
	}
	return "", awserr.New(400, "IllegalLocationConstraintException", "The %s location constraint is incompatible for the region specific endpoint this request was sent to.", constraint)
}

// HeadBucket tells where a bucket lies.
func (s *Service) HeadBucket(ctx context.Context, c *authn.Caller, in *BucketInput) (*HeadBucketOutput, error) {
	r := s.begin(ctx, c, "HeadBucket", managementRead, in.Bucket, "", in.ExpectedBucketOwner)
	err := r.authorize("s3:ListBucket")
	var out *HeadBucketOutput
	if err == nil {
		out = &HeadBucketOutput{Region: r.bucket.Region, BucketARN: arn.Bucket(in.Bucket)}
	}
	return finish(r, out, err)
}

// DeleteBucket deletes an empty bucket.
func (s *Service) DeleteBucket(ctx context.Context, c *authn.Caller, in *BucketInput) error {
	r := s.begin(ctx, c, "DeleteBucket", managementWrite, in.Bucket, "", in.ExpectedBucketOwner)
	err := r.authorize("s3:DeleteBucket")
	if err == nil {
		err = s.objects.DeleteBucket(ctx, r.bucket, r.Record)
	}
	return r.end(err)
}

// GetBucketLocation tells a bucket's location constraint.
func (s *Service) GetBucketLocation(ctx context.Context, c *authn.Caller, in *BucketInput) (*GetBucketLocationOutput, error) {
	r := s.begin(ctx, c, "GetBucketLocation", managementRead, in.Bucket, "", in.ExpectedBucketOwner)
	out := new(GetBucketLocationOutput)
	err := r.authorizeAnyRegion("s3:GetBucketLocation")
	if err == nil && r.bucket.Region != defaultRegion {
		out.LocationConstraint = r.bucket.Region
	}
	return finish(r, out, err)
}

// PutBucketVersioning enables or suspends versioning.
func (s *Service) PutBucketVersioning(ctx context.Context, c *authn.Caller, in *PutBucketVersioningInput) error {
	r := s.begin(ctx, c, "PutBucketVersioning", managementWrite, in.Bucket, "", in.ExpectedBucketOwner)
	r.Param("VersioningConfiguration", map[string]any{"Status": in.Status})
	return r.end(r.putVersioning(in))
}

func (r *request) putVersioning(in *PutBucketVersioningInput) error {
	if err := r.authorize("s3:PutBucketVersioning"); err != nil {
		return err
	}
	switch {
	case in.MFADelete == "Enabled":
		return awserr.New(501, "NotImplemented", "MFA delete is not implemented.")
	case in.MFADelete != "" && in.MFADelete != "Disabled":
		return errMalformedXML
	case in.Status == "":
		return awserr.New(400, "IllegalVersioningConfigurationException", "The Versioning element must be specified")
	case in.Status != object.Enabled && in.Status != object.Suspended:
		return errMalformedXML
	}
	return r.s.objects.UpdateBucket(r.ctx, r.bucket, func(b *object.Bucket) error {
		b.Versioning = in.Status
		return nil
	}, r.Record)
}

// GetBucketVersioning tells whether a bucket is versioned.
func (s *Service) GetBucketVersioning(ctx context.Context, c *authn.Caller, in *BucketInput) (*GetBucketVersioningOutput, error) {
	r := s.begin(ctx, c, "GetBucketVersioning", managementRead, in.Bucket, "", in.ExpectedBucketOwner)
	out := new(GetBucketVersioningOutput)
	err := r.authorize("s3:GetBucketVersioning")
	if err == nil {
		out.Status = r.bucket.Versioning
	}
	return finish(r, out, err)
}
