// Package s3 is the S3 service: one method for each operation, which authorizes,
// acts, records and returns. What an object is stands in package object; how a
// request looks on the wire, in package s3api.
//
// S3 asks KMS as the caller: reading an SSE-KMS object takes two decisions.
package s3

import (
	"context"
	"errors"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/meta"
	"coffer/internal/object"
	"coffer/internal/policy"
)

// A KeyService makes and opens the data keys of objects, as the caller. The KMS
// service implements it. Its errors are *awserr.Error in the words of KMS.
type KeyService interface {
	// NewDataKey returns a fresh 256-bit data key in the clear, which the
	// caller wipes, and as KMS ciphertext.
	NewDataKey(ctx context.Context, c *authn.Caller, keyID string, encryptionContext map[string]string) (plain [32]byte, blob []byte, keyARN string, err error)
	// OpenDataKey decrypts such a ciphertext.
	OpenDataKey(ctx context.Context, c *authn.Caller, keyARN string, blob []byte, encryptionContext map[string]string) (plain [32]byte, err error)
	// CheckKey returns the ARN of a key with which the caller could do operation,
	// GenerateDataKey or Decrypt, now.
	CheckKey(ctx context.Context, c *authn.Caller, operation, keyID string, encryptionContext map[string]string) (keyARN string, err error)
	// ManagedS3Key returns the ARN of the account's key aws/s3, which it
	// makes on first use.
	ManagedS3Key(ctx context.Context, c *authn.Caller) (keyARN string, err error)
	// ResolveKey returns the ARN of the key that keyID names, whether or not the
	// caller may use it. Nothing is decided or recorded.
	ResolveKey(ctx context.Context, c *authn.Caller, keyID string) (keyARN string, err error)
	// ShredBy returns the name of the pair of the encryption context that names the
	// subjects of a key; empty if it has none, or there is no such key. Nothing is
	// decided or recorded.
	ShredBy(ctx context.Context, c *authn.Caller, keyID string) (name string, err error)
	// Part names what of a key seals under an encryption context, if that can be
	// destroyed alone; it is empty if that is the key as a whole.
	Part(ctx context.Context, keyARN string, encryptionContext map[string]string) (string, error)
	// Usable returns nil if the key may be used for an encryption context in the
	// state that r sees, so that a write is decided again in its own transaction.
	Usable(r meta.Reader, keyARN string, encryptionContext map[string]string) error
}

// An Owners tells the canonical user ID of an account. [identity.Store] implements it.
type Owners interface {
	CanonicalID(ctx context.Context, account string) (string, error)
}

// Principals keeps the principals that a policy names by what can't be made anew.
// [identity.Store] implements it.
type Principals interface {
	// SavePrincipals returns a policy's text as it is kept.
	SavePrincipals(ctx context.Context, text string, kind policy.Kind) (saved string, err error)
	// ShowPrincipals is the reverse, as far as the principals are still there.
	ShowPrincipals(ctx context.Context, saved string) (text string, err error)
}

// A Config holds what a Service needs.
type Config struct {
	Objects *object.Store
	Keys    KeyService
	Gate    *authz.Gate
	Owners  Owners
	// Principals is needed to put bucket policies; without it they are refused.
	Principals Principals
	// AllowCustomerKeys makes new buckets start without the SSE-C block, as
	// S3 did before April 2026.
	AllowCustomerKeys bool
}

// A Service is the S3 service. It is safe for concurrent use.
type Service struct {
	objects    *object.Store
	keys       KeyService
	gate       *authz.Gate
	owners     Owners
	principals Principals
	allowSSEC  bool
	bucketKeys
	policies policies
}

var _ API = (*Service)(nil)

// New returns a service.
func New(cfg Config) *Service {
	return &Service{objects: cfg.Objects, keys: cfg.Keys, gate: cfg.Gate, owners: cfg.Owners, principals: cfg.Principals, allowSSEC: cfg.AllowCustomerKeys}
}

const source = "s3.amazonaws.com"

// A request is one call under way and what it is about.
type request struct {
	*authz.Call
	s           *Service
	c           *authn.Caller
	bucketName  string
	key         string
	ctx         context.Context
	expectOwner string
	inputs      // what condition keys tell

	bucket   *object.Bucket // once it is found
	resource string         // ARN of the bucket or the object, once it is found

	// aboutObject is set if the operation is about an object that exists, so that
	// the object's owner has a say.
	aboutObject bool
	// mustDraw is set if a bucket key in use does not do.
	mustDraw bool
	// What lookup found.
	looked     bool
	version    *object.Version
	versionErr error
}

// onVersion notes that the operation is about an object, or one version of it.
func (r *request) onVersion(id string) {
	r.aboutObject, r.versionID = true, id
	if id != "" {
		r.Param("versionId", id)
	}
}

// kinds of operations, as the trail tells them apart.
const (
	managementRead = iota
	managementWrite
	dataRead
	dataWrite
)

func (s *Service) begin(ctx context.Context, c *authn.Caller, operation string, kind int, bucket, key, expectOwner string) *request {
	return s.beginAt(ctx, c, source, operation, kind, bucket, key, expectOwner)
}

// beginAt begins an operation of another API than S3.
func (s *Service) beginAt(ctx context.Context, c *authn.Caller, source, operation string, kind int, bucket, key, expectOwner string) *request {
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
