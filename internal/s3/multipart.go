package s3

import (
	"context"
	"time"

	"coffer/internal/authn"
	"coffer/internal/checksum"
	"coffer/internal/meta"
	"coffer/internal/object"
	"coffer/internal/sealed"
)

// maxPage is the largest page of parts, uploads, keys and versions.
//
// Source: Amazon S3 API Reference, ListParts, ListMultipartUploads,
// ListObjectsV2, read 2026-11-21.
const maxPage = 1000

// page returns the page size for what a client asked: -1 is the default.
func page(name string, n int) (int, error) {
	if n < -1 {
		return 0, invalidArgument(name, itoa(int64(n)), "Argument %s must be an integer between 0 and 2147483647", name)
	}
	if n == -1 {
		return maxPage, nil
	}
	return min(n, maxPage), nil
}

// CreateMultipartUpload starts an upload in parts.
func (s *Service) CreateMultipartUpload(ctx context.Context, c *authn.Caller, in *CreateMultipartUploadInput) (*CreateMultipartUploadOutput, error) {
	r := s.begin(ctx, c, "CreateMultipartUpload", dataWrite, in.Bucket, in.Key, in.ExpectedBucketOwner)
	r.writes(&in.PutObjectInput, "false")
	out, err := r.createUpload(in)
	return finish(r, out, err)
}

func (r *request) createUpload(in *CreateMultipartUploadInput) (*CreateMultipartUploadOutput, error) {
	if err := r.authorizeWrite(&in.PutObjectInput); err != nil {
		return nil, err
	}
	u := &object.Upload{Key: in.Key, Algorithm: in.ChecksumAlgorithm, Named: in.ChecksumAlgorithm != ""}
	if u.Algorithm == "" {
		u.Algorithm = checksum.CRC64NVME
		if in.ChecksumType != "" {
			return nil, invalidRequest("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
		}
	}
	u.Type = string(u.Algorithm.MultipartType())
	if in.ChecksumType != "" {
		t, err := checksum.ParseType(in.ChecksumType)
		if err != nil || !u.Algorithm.AllowsMultipart(t) {
			return nil, invalidRequest("The %s checksum type cannot be used with the %s checksum algorithm.", in.ChecksumType, u.Algorithm)
		}
		u.Type = string(t)
	}
	w, err := r.prepare(&in.PutObjectInput)
	if err != nil {
		return nil, err
	}
	defer w.Sealing.Wipe()
	u.Attributes, u.Tags, u.Owner, u.ACL = w.Attributes, w.Tags, w.Owner, w.ACL
	if err := r.covers(r.bucket, u.Key); err != nil {
		return nil, err
	}
	record := r.recordUsing(w.Sealing.KeyARN, w.Sealing.Context)
	err = r.s.objects.CreateUpload(r.ctx, r.bucket, u, w.Sealing, func(txn meta.Txn) error {
		r.Response("uploadId", u.ID)
		return record(txn)
	})
	if err != nil {
		return nil, err
	}
	out := &CreateMultipartUploadOutput{UploadID: u.ID, SSE: sse(&u.Wrap)}
	if u.Named {
		out.ChecksumAlgorithm, out.ChecksumType = u.Algorithm, u.Type
	}
	return out, nil
}

// upload finds an upload under way.
func (r *request) upload(id string) (*object.Upload, error) {
	u, err := r.s.objects.Upload(r.ctx, r.bucket, r.key, id)
	if err != nil {
		return nil, err
	}
	r.Param("uploadId", id)
	return u, nil
}

// part authorizes the writing of a part, and returns its upload and what the
// upload is sealed under.
func (r *request) part(in *UploadPartInput) (*object.Upload, *sealed.Secret, error) {
	r.creation, r.customer = "false", &in.Customer
	if err := r.authorize("s3:PutObject"); err != nil {
		return nil, nil, err
	}
	if in.PartNumber < 1 || in.PartNumber > object.MaxParts {
		return nil, nil, invalidArgument("partNumber", itoa(int64(in.PartNumber)), "Part number must be an integer between 1 and 10000, inclusive")
	}
	if !in.Encryption.IsZero() {
		return nil, nil, invalidArgument(headerSSE, in.Encryption.Algorithm, "x-amz-server-side-encryption header is not supported for this operation.")
	}
	u, err := r.upload(in.UploadID)
	if err != nil {
		return nil, nil, err
	}
	mode, err := u.Wrap.Mode()
	if err != nil {
		return nil, nil, err
	}
	switch {
	case mode == sealed.ModeCustomer && in.Customer.IsZero():
		return nil, nil, invalidRequest("The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.")
	case mode != sealed.ModeCustomer && !in.Customer.IsZero():
		return nil, nil, invalidRequest("The multipart upload initiate did not request encryption with customer-provided keys. Subsequent part requests must not include such parameters.")
	case mode == sealed.ModeCustomer && r.bucket.Encryption.BlocksCustomerKeys():
		return nil, nil, errAccessDenied
	case mode == sealed.ModeCustomer && in.Customer.KeyMD5 != u.Wrap.KeyMD5 && in.Customer.KeyMD5 != "":
		if _, err := r.customerKey(in.Customer); err != nil {
			return nil, nil, err
		}
		return nil, nil, invalidRequest("The provided encryption parameters did not match the ones used originally.")
	}
	r.noteSSE(mode, false)
	secret, err := r.secret(&u.Wrap, in.Customer)
	return u, secret, err
}

// UploadPart stores one part.
func (s *Service) UploadPart(ctx context.Context, c *authn.Caller, in *UploadPartInput) (*UploadPartOutput, error) {
	r := s.begin(ctx, c, "UploadPart", dataWrite, in.Bucket, in.Key, in.ExpectedBucketOwner)
	r.Param("partNumber", in.PartNumber)
	out, err := r.uploadPart(in)
	return finish(r, out, err)
}

func (r *request) uploadPart(in *UploadPartInput) (*UploadPartOutput, error) {
	u, secret, err := r.part(in)
	if err != nil {
		return nil, err
	}
	defer secret.Wipe()
	b, err := body(&in.Upload)
	if err != nil {
		return nil, err
	}
	if b.Algorithm != "" && u.Named && b.Algorithm != u.Algorithm {
		return nil, invalidRequest("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", lower(u.Algorithm), lower(b.Algorithm))
	}
	if err := r.covers(r.bucket, u.Key); err != nil {
		return nil, err
	}
	p, sums, err := r.s.objects.PutPart(r.ctx, r.bucket, u, in.PartNumber, secret, b, r.recordPart)
	if err != nil {
		return nil, err
	}
	r.Additional("bytesTransferredIn", p.Length)
	out := &UploadPartOutput{ETag: p.ETag, SSE: sse(&u.Wrap)}
	if u.Named || in.Upload.Algorithm != "" {
		out.Checksums = Checksums{Values: sums}
	}
	return out, nil
}

// CompleteMultipartUpload makes the named parts one object.
func (s *Service) CompleteMultipartUpload(ctx context.Context, c *authn.Caller, in *CompleteMultipartUploadInput) (*CompleteMultipartUploadOutput, error) {
	r := s.begin(ctx, c, "CompleteMultipartUpload", dataWrite, in.Bucket, in.Key, in.ExpectedBucketOwner)
	out, err := r.completeUpload(in)
	return finish(r, out, err)
}

func (r *request) completeUpload(in *CompleteMultipartUploadInput) (*CompleteMultipartUploadOutput, error) {
	r.creation, r.conditions = "true", &in.Conditions
	actions := []string{"s3:PutObject"}
	if in.Conditions.IfMatch != "" {
		actions = append(actions, "s3:GetObject") // as authorizeWrite has it
	}
	if err := r.authorize(actions...); err != nil {
		return nil, err
	}
	if n := in.Conditions.IfNoneMatch; n != "" && n != "*" {
		return nil, errNotImplemented
	}
	u, err := r.upload(in.UploadID)
	if err != nil {
		return nil, err
	}
	if in.ChecksumType != "" && in.ChecksumType != u.Type {
		return nil, invalidRequest("The upload was created using the %s checksum mode. The complete request must use the same checksum mode.", u.Type)
	}
	c := &object.Completion{
		Write: object.Write{Bucket: r.bucket, Key: in.Key,
			Condition: object.WriteCondition{IfMatch: in.Conditions.IfMatch, IfNoneMatch: in.Conditions.IfNoneMatch}},
		Upload: u, Algorithm: in.Algorithm, Checksum: in.Checksum, Size: in.ObjectSize,
	}
	for _, p := range in.Parts {
		c.Parts = append(c.Parts, object.CompletedPart{Number: p.Number, ETag: p.ETag, Sums: p.Checksums.Values})
	}
	if c.Secret, c.Sealing, err = r.sealUpload(u, in); err != nil {
		return nil, err
	}
	if c.Secret != nil {
		defer c.Secret.Wipe()
		defer c.Sealing.Wipe()
	}
	record := r.recordUsing(u.Wrap.KeyARN, u.Wrap.Context)
	c.Record = func(txn meta.Txn, v *object.Version) error {
		if v.ID != object.NullVersion {
			r.Response("x-amz-version-id", v.ID)
		}
		return record(txn)
	}
	if err := r.covers(r.bucket, u.Key); err != nil {
		return nil, err
	}
	v, sums, err := r.s.objects.Complete(r.ctx, c)
	if err != nil {
		return nil, err
	}
	out := &CompleteMultipartUploadOutput{PutObjectOutput: *written(v, sums)}
	// S3 answers no SSE-C headers here.
	out.SSE.CustomerAlgorithm, out.SSE.CustomerKeyMD5 = "", ""
	return out, nil
}

// sealUpload returns what an upload is sealed under, twice: as what opens its
// keys and as what will seal them for the object. Like S3, it asks for the client's
// key of an SSE-C upload only if checksums are to be confirmed; without it, both
// are nil.
//
// Source: Amazon S3 API Reference, CompleteMultipartUpload,
// x-amz-server-side-encryption-customer-algorithm, read 2026-11-21.
func (r *request) sealUpload(u *object.Upload, in *CompleteMultipartUploadInput) (*sealed.Secret, *object.Sealing, error) {
	mode, err := u.Wrap.Mode()
	if err != nil {
		return nil, nil, err
	}
	r.noteSSE(mode, false)
	if mode == sealed.ModeCustomer && in.Customer.IsZero() && !u.Named && in.Checksum == "" {
		return nil, nil, nil
	}
	secret, err := r.secret(&u.Wrap, in.Customer)
	if err != nil {
		return nil, nil, err
	}
	return secret, &object.Sealing{
		Mode: mode, Secret: *secret, KeyARN: u.Wrap.KeyARN, KeyBlob: u.Wrap.KeyBlob, Context: u.Wrap.Context,
		ContextSent: u.Wrap.ContextSent, KeyMD5: u.Wrap.KeyMD5, Part: u.Wrap.Part,
	}, nil
}

// AbortMultipartUpload gives an upload up.
func (s *Service) AbortMultipartUpload(ctx context.Context, c *authn.Caller, in *MultipartUploadInput) error {
	r := s.begin(ctx, c, "AbortMultipartUpload", dataWrite, in.Bucket, in.Key, in.ExpectedBucketOwner)
	r.Param("uploadId", in.UploadID)
	err := r.authorize("s3:AbortMultipartUpload")
	if err == nil {
		err = r.covers(r.bucket, in.Key)
	}
	if err == nil {
		err = s.objects.Abort(ctx, r.bucket, in.Key, in.UploadID, r.Record)
	}
	return r.end(err)
}

// ListParts lists the parts of an upload.
func (s *Service) ListParts(ctx context.Context, c *authn.Caller, in *MultipartUploadInput) (*ListPartsOutput, error) {
	r := s.begin(ctx, c, "ListParts", dataRead, in.Bucket, in.Key, in.ExpectedBucketOwner)
	out, err := r.listParts(in)
	return finish(r, out, err)
}

func (r *request) listParts(in *MultipartUploadInput) (*ListPartsOutput, error) {
	if err := r.authorize("s3:ListMultipartUploadParts"); err != nil {
		return nil, err
	}
	limit, err := page("max-parts", in.MaxParts)
	if err != nil {
		return nil, err
	}
	u, err := r.upload(in.UploadID)
	if err != nil {
		return nil, err
	}
	var secret *sealed.Secret
	mode, err := u.Wrap.Mode()
	if err != nil {
		return nil, err
	}
	// Checksums that are sealed are shown to who could read the parts.
	if u.Named && mode != sealed.ModeS3 && (mode != sealed.ModeCustomer || !in.Customer.IsZero()) {
		if secret, err = r.secret(&u.Wrap, in.Customer); err != nil {
			return nil, err
		}
		defer secret.Wipe()
	}
	if err := r.covers(r.bucket, u.Key); err != nil {
		return nil, err
	}
	parts, more, err := r.s.objects.ListParts(r.ctx, r.bucket, u, secret, in.PartNumberMarker, limit)
	if err != nil {
		return nil, err
	}
	out := &ListPartsOutput{PartNumberMarker: in.PartNumberMarker, MaxParts: limit, IsTruncated: more, StorageClass: classOr(u.Attributes.StorageClass)}
	if out.Owner, err = r.owner(r.bucket.Account); err != nil {
		return nil, err
	}
	if u.Named {
		out.ChecksumAlgorithm, out.ChecksumType = u.Algorithm, u.Type
	}
	for _, p := range parts {
		shown := Part{Number: p.Number, ETag: p.ETag, Size: p.Length, LastModified: time.UnixMilli(p.Modified).UTC()}
		if u.Named {
			shown.Checksums = Checksums{Values: p.Sums}
		}
		out.Parts = append(out.Parts, shown)
		out.NextMarker = p.Number
	}
	return out, nil
}

// ListMultipartUploads lists the uploads under way in a bucket.
func (s *Service) ListMultipartUploads(ctx context.Context, c *authn.Caller, in *ListMultipartUploadsInput) (*ListMultipartUploadsOutput, error) {
	r := s.begin(ctx, c, "ListMultipartUploads", managementRead, in.Bucket, "", in.ExpectedBucketOwner)
	out, err := r.listUploads(in)
	return finish(r, out, err)
}

func (r *request) listUploads(in *ListMultipartUploadsInput) (*ListMultipartUploadsOutput, error) {
	if err := r.authorize("s3:ListBucketMultipartUploads"); err != nil {
		return nil, err
	}
	limit, err := page("max-uploads", in.MaxUploads)
	if err != nil {
		return nil, err
	}
	l := object.Listing{Prefix: in.Prefix, Delimiter: in.Delimiter, After: in.KeyMarker, Limit: limit}
	if in.KeyMarker != "" {
		l.AfterVersion = in.UploadIDMarker
	}
	if err := r.covers(r.bucket, ""); err != nil {
		return nil, err
	}
	entries, truncated, err := r.s.objects.Uploads(r.ctx, r.bucket, l)
	if err != nil {
		return nil, err
	}
	owner, err := r.owner(r.bucket.Account)
	if err != nil {
		return nil, err
	}
	out := &ListMultipartUploadsOutput{MaxUploads: limit, IsTruncated: truncated && limit > 0}
	for _, e := range entries {
		out.NextUploadIDMarker = ""
		if e.CommonPrefix != "" {
			out.CommonPrefixes = append(out.CommonPrefixes, e.CommonPrefix)
			out.NextKeyMarker = e.CommonPrefix
			continue
		}
		u := e.Upload
		shown := UploadEntry{Key: u.Key, UploadID: u.ID, StorageClass: classOr(u.Attributes.StorageClass), Initiated: time.UnixMilli(u.Initiated).UTC(), Owner: owner}
		if u.Named {
			shown.ChecksumAlgorithm, shown.ChecksumType = u.Algorithm, u.Type
		}
		out.Uploads = append(out.Uploads, shown)
		out.NextKeyMarker, out.NextUploadIDMarker = u.Key, u.ID
	}
	return out, nil
}

func classOr(class string) string {
	if class == "" {
		return "STANDARD"
	}
	return class
}

// lower returns an algorithm's name as S3 writes it in messages.
func lower(a checksum.Algorithm) string {
	return a.Header()[len("x-amz-checksum-"):]
}
