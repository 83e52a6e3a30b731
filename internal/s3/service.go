// Package s3 is the S3 service: one method for each operation, which authorizes,
// acts, records and returns. What an object is stands in package object; how a
// request looks on the wire, in package s3api.
//
// S3 asks KMS as the caller: reading an SSE-KMS object takes two decisions.
package s3

import (
	"context"
	"errors"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/meta"
	"coffer/internal/object"
)

// A KeyService makes and opens the data keys of objects, as the caller. The KMS
// service implements it. Its errors are *awserr.Error in the words of KMS.
type KeyService interface {
	// NewDataKey returns a fresh 256-bit data key in the clear, which the
	// caller wipes, and as KMS ciphertext.
	NewDataKey(ctx context.Context, c *authn.Caller, keyID string, encryptionContext map[string]string) (plain [32]byte, blob []byte, keyARN string, err error)
	// OpenDataKey decrypts such a ciphertext.
	OpenDataKey(ctx context.Context, c *authn.Caller, keyARN string, blob []byte, encryptionContext map[string]string) (plain [32]byte, err error)
	// CheckKey returns the ARN of a key that could be used now.
	CheckKey(ctx context.Context, c *authn.Caller, keyID string) (keyARN string, err error)
	// ManagedS3Key returns the ARN of the account's key aws/s3, which it
	// makes on first use.
	ManagedS3Key(ctx context.Context, c *authn.Caller) (keyARN string, err error)
	// Usable returns nil if the key may be used in the state that r sees, so
	// that a write is decided again in its own transaction.
	Usable(r meta.Reader, keyARN string) error
}

// An Owners tells the canonical user ID of an account.
type Owners interface {
	CanonicalID(ctx context.Context, account string) (string, error)
}

// A Config holds what a Service needs.
type Config struct {
	Objects *object.Store
	Keys    KeyService
	Gate    *authz.Gate
	Owners  Owners
	// AllowCustomerKeys makes new buckets start without the SSE-C block, as
	// S3 did before April 2026.
	AllowCustomerKeys bool
}

// A Service is the S3 service. It is safe for concurrent use.
type Service struct {
	objects   *object.Store
	keys      KeyService
	gate      *authz.Gate
	owners    Owners
	allowSSEC bool
	bucketKeys
}

var _ API = (*Service)(nil)

// New returns a service.
func New(cfg Config) *Service {
	return &Service{objects: cfg.Objects, keys: cfg.Keys, gate: cfg.Gate, owners: cfg.Owners, allowSSEC: cfg.AllowCustomerKeys}
}

const source = "s3.amazonaws.com"

// A request is one call under way and what it is about.
type request struct {
	*authz.Call
	s           *Service
	c           *authn.Caller
	bucketName  string
	key         string
	bucket      *object.Bucket // once it is found
	ctx         context.Context
	expectOwner string
}

// kinds of operations, as the trail tells them apart.
const (
	managementRead = iota
	managementWrite
	dataRead
	dataWrite
)

func (s *Service) begin(ctx context.Context, c *authn.Caller, operation string, kind int, bucket, key, expectOwner string) *request {
	r := &request{s: s, c: c, ctx: ctx, bucketName: bucket, key: key, expectOwner: expectOwner,
		Call: s.gate.Begin(c, authz.Operation{
			Source: source, Name: operation,
			ReadOnly: kind == managementRead || kind == dataRead, Data: kind == dataRead || kind == dataWrite,
		})}
	if bucket != "" {
		r.Param("bucketName", bucket)
	}
	if c.Host != "" {
		r.Param("Host", c.Host)
	}
	if key != "" {
		r.Param("key", key)
	}
	return r
}

// end records the outcome of r and returns the error to answer with.
func (r *request) end(err error) error {
	if err != nil {
		err = r.translate(err)
	}
	if ended := r.End(r.ctx, err); ended != nil {
		return r.translate(ended)
	}
	return nil
}

// finish ends r and returns out, or the zero value with the error.
func finish[T any](r *request, out T, err error) (T, error) {
	if err = r.end(err); err != nil {
		var none T
		return none, err
	}
	return out, nil
}

// authorize decides an action on the bucket or, if the request names a key, on
// the object, and finds the bucket. Every operation on a bucket starts with it. A
// second action of the same request is decided on the bucket that was found.
func (r *request) authorize(action string) error {
	if err := r.findBucket(); err != nil {
		return err
	}
	if err := r.inRegion(r.bucket); err != nil {
		return err
	}
	return r.decide(action)
}

// authorizeAnyRegion is authorize whichever region the request was signed for: for
// GetBucketLocation, which clients call to learn the region, and for the sources of
// copies. What follows asks KMS in the bucket's region.
func (r *request) authorizeAnyRegion(action string) error {
	if err := r.findBucket(); err != nil {
		return err
	}
	c := *r.c
	c.Region = r.bucket.Region
	r.c = &c
	return r.decide(action)
}

func (r *request) findBucket() error {
	if r.bucket != nil {
		return nil
	}
	b, err := r.s.objects.Bucket(r.ctx, r.bucketName)
	if err != nil {
		return err
	}
	r.bucket = b
	r.Resource("AWS::S3::Bucket", arn.Bucket(b.Name), b.Account)
	if r.key != "" {
		r.Resource("AWS::S3::Object", arn.Object(b.Name, r.key), b.Account)
	}
	return nil
}

// decide decides an action on the bucket that was found, or the object in it.
func (r *request) decide(action string) error {
	b := r.bucket
	if r.expectOwner != "" && r.expectOwner != b.Account {
		return errAccessDenied
	}
	resource := arn.Bucket(b.Name)
	if r.key != "" {
		resource = arn.Object(b.Name, r.key)
	}
	return r.Authorize(r.ctx, action, resource, b.Account, nil)
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

// owner returns the owner of a bucket as listings show it.
func (r *request) owner(account string) (Owner, error) {
	id, err := r.s.owners.CanonicalID(r.ctx, account)
	return Owner{ID: id}, err
}

// Refuse records an operation that Coffer does not have, or a request that
// failed before any method could take it.
func (s *Service) Refuse(ctx context.Context, c *authn.Caller, operation, bucket, key string, err error) error {
	r := s.begin(ctx, c, operation, managementWrite, bucket, key, "")
	if err == nil {
		err = errors.New("s3: refused for no reason")
	}
	return r.end(err)
}
