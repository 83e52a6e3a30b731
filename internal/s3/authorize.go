package s3

import (
	"context"
	"errors"
	"fmt"

	"coffer/internal/arn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/object"
)

// authorize decides actions on the bucket or, if the request names a key, on the
// object, and finds the bucket. Every operation on a bucket starts with it, before
// it looks at anything else of the request or of the bucket. The first denial ends
// it.
func (r *request) authorize(actions ...string) error {
	if err := r.findBucket(); err != nil {
		return err
	}
	if err := r.inRegion(r.bucket); err != nil {
		return err
	}
	return r.decide(actions...)
}

// authorizeAnyRegion is authorize whichever region the request was signed for: for
// GetBucketLocation, which clients call to learn the region, and for the sources of
// copies. What follows asks KMS in the bucket's region.
func (r *request) authorizeAnyRegion(actions ...string) error {
	if err := r.findBucket(); err != nil {
		return err
	}
	c := *r.c
	c.Region = r.bucket.Region
	r.c = &c
	return r.decide(actions...)
}

func (r *request) findBucket() error {
	if r.bucket != nil {
		return nil
	}
	// Before anything is read that decides: what changes later shows at the commit.
	r.Watch()
	b, err := r.s.objects.Bucket(r.ctx, r.bucketName)
	if err != nil {
		return err
	}
	r.bucket = b
	r.resource = arn.Bucket(b.Name)
	r.Resource("AWS::S3::Bucket", r.resource, b.Account)
	if r.key != "" {
		r.resource = arn.Object(b.Name, r.key)
		r.Resource("AWS::S3::Object", r.resource, b.Account)
	}
	return nil
}

// decide decides actions on the bucket that was found, or the object in it.
func (r *request) decide(actions ...string) error {
	if r.expectOwner != "" && r.expectOwner != r.bucket.Account {
		return errAccessDenied
	}
	for _, action := range actions {
		q, err := r.question(action, r.resource)
		if err != nil {
			return err
		}
		err = r.Ask(r.ctx, &q.Ask)
		if q.failed != nil {
			return fmt.Errorf("decide %s: %w", action, q.failed)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// covers returns nil if the request was allowed to touch the bucket or the object
// that it is about to touch, by the name that the store has for it.
func (r *request) covers(b *object.Bucket, key string) error {
	name := arn.Bucket(b.Name)
	if key != "" {
		name = arn.Object(b.Name, key)
	}
	return r.Covers(name)
}

// inRegion refuses a request that was signed for another region than the
// bucket's, with what a client needs to sign it anew.
func (r *request) inRegion(b *object.Bucket) error {
	if r.c.IsAnonymous() || r.c.Region == b.Region {
		return nil
	}
	return awserr.New(400, "AuthorizationHeaderMalformed",
		"The authorization header is malformed; the region '%s' is wrong; expecting '%s'", r.c.Region, b.Region).
		With("Region", b.Region).WithHeader("x-amz-bucket-region", b.Region)
}

// A question is one action that a request asks for, with the bucket as it was
// read for it. It tells the condition keys of S3.
type question struct {
	authz.Ask
	r      *request
	bucket *object.Bucket
	// failed is why a condition key could not be told; the decision then stands for
	// nothing.
	failed error
}

// question returns the question whether the caller may do action to a resource of
// the request's bucket.
func (r *request) question(action, resource string) (*question, error) {
	q := &question{r: r, bucket: r.bucket}
	q.Action, q.Resource = action, resource
	q.Keys = q
	q.Refresh = q.refresh
	return q, q.fill(r.ctx, &q.Ask)
}

// refresh reads what the decision needs of the bucket again.
func (q *question) refresh(ctx context.Context, a *authz.Ask) error {
	b, err := q.r.s.objects.Bucket(ctx, q.bucket.Name)
	if err != nil {
		return err
	}
	if b.ID != q.bucket.ID {
		return object.ErrNoSuchBucket
	}
	q.bucket = b
	return q.fill(ctx, a)
}

// fill sets what the bucket says of the question: its policy, Block Public Access
// and access control lists.
func (q *question) fill(ctx context.Context, a *authz.Ask) error {
	b := q.bucket
	a.Account = b.Account
	a.Policy, a.RestrictPublic, a.ACLAllows, a.PublicACL, a.ACLName = nil, false, false, false, ""
	var p *bucketPolicy
	if b.HasPolicy {
		var err error
		if p, err = q.r.s.policies.of(ctx, q.r.s.objects, b); err != nil {
			return err
		}
	}
	if p != nil {
		a.Policy = &p.named
		if p.public {
			block, err := q.r.s.publicAccess(ctx, b)
			if err != nil {
				return err
			}
			a.RestrictPublic = block.RestrictPublicBuckets
		}
	}
	if b.HasACLs() {
		return q.lists(ctx, a, p)
	}
	return nil
}

// publicAccess returns what is blocked in a bucket: by its own setting or by that
// of its account.
func (s *Service) publicAccess(ctx context.Context, b *object.Bucket) (object.PublicAccessBlock, error) {
	block := b.PublicAccess()
	if block == (object.PublicAccessBlock{BlockPublicACLs: true, IgnorePublicACLs: true, BlockPublicPolicy: true, RestrictPublicBuckets: true}) {
		return block, nil // the account's can't add to it
	}
	account, err := s.objects.AccountBlock(ctx, b.Account)
	return block.Union(account), err
}

// lookup finds the version that the request names, once for the decision and for
// what follows it: so that the version whose tags were judged is the one that is
// served.
func (r *request) lookup(ctx context.Context) (*object.Version, error) {
	if !r.looked {
		r.version, r.versionErr = r.s.objects.Find(ctx, r.bucket, r.key, r.versionID)
		r.looked = true
	}
	return r.version, r.versionErr
}

// again forgets the version that was found, for a request that starts anew.
func (r *request) again() { r.version, r.versionErr, r.looked = nil, nil, false }

// existing returns the version that the request names, or nil if there is no such
// object.
func (r *request) existing(ctx context.Context) (*object.Version, error) {
	v, err := r.lookup(ctx)
	switch {
	case err == nil:
		return v, nil
	case errors.Is(err, object.ErrNoSuchKey), errors.Is(err, object.ErrNoSuchVersion), errors.Is(err, object.ErrIsMarker),
		errors.Is(err, object.ErrInvalidVersionID):
		return nil, nil
	}
	return nil, err
}

// absent returns the answer about an object that is not there: that it is not to
// those who may list the bucket, and a denial to everybody else.
//
// Source: Amazon S3 API Reference, GetObject and HeadObject, "Permissions", read
// 2026-11-21.
func (r *request) absent(answer error) error {
	q, err := r.question("s3:ListBucket", arn.Bucket(r.bucket.Name))
	if err != nil {
		return err
	}
	if err := r.s.gate.Ask(r.ctx, r.c, &q.Ask); err != nil {
		return err
	}
	return answer
}
