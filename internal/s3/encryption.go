package s3

import (
	"context"
	"strconv"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/object"
	"coffer/internal/sealed"
)

// Values of EncryptionType in BlockedEncryptionTypes.
const (
	blockSSEC = "SSE-C"
	blockNone = "NONE"
)

// defaultEncryption is what a new bucket starts with.
//
// Source: Amazon S3 User Guide, "Blocking or unblocking SSE-C for a general
// purpose bucket", and answers recorded after April 2026.
func (s *Service) defaultEncryption() object.Encryption {
	e := object.Encryption{Algorithm: algorithmS3}
	if !s.allowSSEC {
		e.Blocked = []string{blockSSEC}
	}
	return e
}

// PutBucketEncryption sets a bucket's default encryption.
func (s *Service) PutBucketEncryption(ctx context.Context, c *authn.Caller, in *PutBucketEncryptionInput) error {
	r := s.begin(ctx, c, "PutBucketEncryption", managementWrite, in.Bucket, "", in.ExpectedBucketOwner)
	for _, rule := range in.Rules {
		r.Param("ServerSideEncryptionConfiguration", map[string]any{"Rule": map[string]any{
			"SSEAlgorithm": rule.Algorithm, "KMSMasterKeyID": rule.KMSMasterKeyID, "BlockedEncryptionTypes": rule.BlockedTypes,
		}})
	}
	return r.end(r.putEncryption(in))
}

func (r *request) putEncryption(in *PutBucketEncryptionInput) error {
	if err := r.authorize("s3:PutEncryptionConfiguration"); err != nil {
		return err
	}
	if len(in.Rules) != 1 {
		return errMalformedXML
	}
	e, err := r.s.checkRule(&in.Rules[0])
	if err != nil {
		return err
	}
	return r.s.objects.UpdateBucket(r.ctx, r.bucket, func(b *object.Bucket) error {
		b.Encryption = e
		return nil
	}, r.Record)
}

// checkRule checks a rule of default encryption. Leaving BlockedEncryptionTypes
// out blocks SSE-C again, as S3 was recorded to do.
func (s *Service) checkRule(rule *EncryptionRule) (object.Encryption, error) {
	e := object.Encryption{Algorithm: rule.Algorithm, KMSMasterKeyID: rule.KMSMasterKeyID}
	if rule.BucketKeyEnabled != nil {
		e.BucketKeyEnabled = *rule.BucketKeyEnabled
	}
	switch rule.Algorithm {
	case "":
		e.Algorithm = algorithmS3
		if !rule.BlockedPresent && rule.BucketKeyEnabled == nil {
			return e, errMalformedXML
		}
	case algorithmS3, algorithmKMS, algorithmDSSE:
	default:
		return e, errMalformedXML
	}
	if e.Algorithm == algorithmS3 && e.KMSMasterKeyID != "" {
		return e, invalidArgument("KMSMasterKeyID", e.KMSMasterKeyID, "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse")
	}
	if len(e.KMSMasterKeyID) > 2048 || strings.ContainsFunc(e.KMSMasterKeyID, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return e, invalidArgument("KMSMasterKeyID", "", "The KMSMasterKeyID is not valid")
	}
	if !rule.BlockedPresent {
		e.Blocked = s.defaultEncryption().Blocked
		return e, nil
	}
	for _, t := range rule.BlockedTypes {
		if t != blockSSEC && t != blockNone {
			return e, errMalformedXML
		}
	}
	if len(rule.BlockedTypes) != 1 {
		return e, invalidArgument("EncryptionType", strings.Join(rule.BlockedTypes, ","), "BlockedEncryptionTypes must hold exactly one EncryptionType: SSE-C or NONE")
	}
	e.Blocked = rule.BlockedTypes
	return e, nil
}

// GetBucketEncryption returns a bucket's default encryption as it was put.
func (s *Service) GetBucketEncryption(ctx context.Context, c *authn.Caller, in *BucketInput) (*GetBucketEncryptionOutput, error) {
	r := s.begin(ctx, c, "GetBucketEncryption", managementRead, in.Bucket, "", in.ExpectedBucketOwner)
	err := r.authorize("s3:GetEncryptionConfiguration")
	if err != nil {
		return finish[*GetBucketEncryptionOutput](r, nil, err)
	}
	e := r.bucket.Encryption
	return finish(r, &GetBucketEncryptionOutput{Rules: []EncryptionRule{{
		Algorithm: e.Algorithm, KMSMasterKeyID: e.KMSMasterKeyID, BucketKeyEnabled: &e.BucketKeyEnabled,
		BlockedTypes: e.Blocked, BlockedPresent: len(e.Blocked) > 0,
	}}}, nil)
}

// DeleteBucketEncryption resets a bucket's default encryption to SSE-S3.
func (s *Service) DeleteBucketEncryption(ctx context.Context, c *authn.Caller, in *BucketInput) error {
	r := s.begin(ctx, c, "DeleteBucketEncryption", managementWrite, in.Bucket, "", in.ExpectedBucketOwner)
	err := r.authorize("s3:PutEncryptionConfiguration")
	if err == nil {
		err = s.objects.UpdateBucket(ctx, r.bucket, func(b *object.Bucket) error {
			b.Encryption = s.defaultEncryption()
			return nil
		}, r.Record)
	}
	return r.end(err)
}

// UpdateObjectEncryption wraps an object's keys under a KMS key. Its data, ETag,
// checksums and time stay.
//
// Source: Amazon S3 API Reference, UpdateObjectEncryption, read 2026-11-21.
func (s *Service) UpdateObjectEncryption(ctx context.Context, c *authn.Caller, in *UpdateObjectEncryptionInput) error {
	r := s.begin(ctx, c, "UpdateObjectEncryption", dataWrite, in.Bucket, in.Key, in.ExpectedBucketOwner)
	r.onVersion(in.VersionID)
	r.rekey = in
	r.Param("ObjectEncryption", map[string]any{"SSE-KMS": map[string]any{"KMSKeyArn": in.KMSKeyARN, "BucketKeyEnabled": in.BucketKeyEnabled}})
	return r.end(r.updateEncryption(in))
}

func (r *request) updateEncryption(in *UpdateObjectEncryptionInput) error {
	if err := r.authorize("s3:UpdateObjectEncryption"); err != nil {
		return err
	}
	if in.Unsupported != "" {
		return invalidRequest("The encryption type %s is not supported by UpdateObjectEncryption. Supported value: SSE-KMS.", strconv.Quote(in.Unsupported))
	}
	v, mode, err := r.toRekey()
	if err != nil {
		return err
	}
	if mode == sealed.ModeCustomer || mode == sealed.ModeDSSE {
		return invalidRequest("UpdateObjectEncryption supports objects encrypted with SSE-S3 or SSE-KMS only.")
	}
	p := &plan{mode: sealed.ModeKMS}
	if in.BucketKeyEnabled {
		p.mode = sealed.ModeBucketKey
	}
	return r.sealAnew(v, p, r.s.objects.Rekey)
}

// toRekey finds the version that is to come under the KMS key that the request names.
func (r *request) toRekey() (v *object.Version, mode sealed.Mode, err error) {
	a, err := arn.Parse(r.rekey.KMSKeyARN)
	if err != nil || a.Service != "kms" || !strings.HasPrefix(a.Resource, "key/") {
		return nil, 0, invalidArgument("KMSKeyArn", r.rekey.KMSKeyARN, "The KMSKeyArn must be the full ARN of a KMS key")
	}
	if v, err = r.find(); err != nil {
		return nil, 0, err
	}
	if err := r.covers(r.bucket, v.Key); err != nil {
		return nil, 0, err
	}
	mode, err = v.Content.Wrap.Mode()
	return v, mode, err
}

// sealAnew obtains what opens v and, under the KMS key that the request names, what is
// to seal it, and lets the store seal it so.
func (r *request) sealAnew(v *object.Version, p *plan,
	seal func(context.Context, *object.Bucket, *object.Version, *sealed.Secret, *object.Sealing, object.Record) error,
) error {
	secret, err := r.secret(&v.Content.Wrap, CustomerKey{})
	if err != nil {
		return err
	}
	defer secret.Wipe()
	p.keyID = r.rekey.KMSKeyARN
	// A bucket key of a while ago may be of an older version of the KMS key.
	r.mustDraw = p.mode == sealed.ModeBucketKey
	to, err := r.sealing(p)
	if err != nil {
		return err
	}
	defer to.Wipe()
	r.noteSSE(p.mode, false)
	return seal(r.ctx, r.bucket, v, secret, to, r.recordUsing(to.KeyARN, to.Context))
}

// methodNotAllowedOnMarker is the answer to reading a delete marker by its id.
func methodNotAllowedOnMarker(v *object.Version) error {
	return awserr.New(405, "MethodNotAllowed", "The specified method is not allowed against this resource.").
		With("Method", "GET").With("ResourceType", "DeleteMarker").
		WithHeader("x-amz-delete-marker", "true").WithHeader("x-amz-version-id", v.ID).
		WithHeader("Last-Modified", v.LastModified().Format("Mon, 02 Jan 2006 15:04:05 GMT")).WithHeader("Allow", "DELETE")
}
