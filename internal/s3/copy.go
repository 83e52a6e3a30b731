package s3

import (
	"context"
	"maps"
	"time"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/meta"
	"coffer/internal/object"
	"coffer/internal/sealed"
)

// A copySource is the object that a copy reads.
type copySource struct {
	version *object.Version
	opened  *object.Opened
	secret  *sealed.Secret
}

func (s *copySource) close() {
	s.opened.Close()
	s.secret.Wipe()
}

// openSource authorizes, checks and opens what a copy reads. The source is decided
// as a read of its own, by bucket, key and version as the copy will use them.
func (r *request) openSource(src *CopySource) (*copySource, *request, error) {
	from := &request{Call: r.Call, s: r.s, c: r.c, ctx: r.ctx, bucketName: src.Bucket, key: src.Key, expectOwner: src.ExpectedBucketOwner,
		aboutObject: true, inputs: inputs{versionID: src.VersionID}}
	if err := from.authorizeAnyRegion(versioned("s3:GetObject", "s3:GetObjectVersion", src.VersionID)); err != nil {
		return nil, nil, from.translate(err)
	}
	v, err := from.find()
	if err == nil {
		err = from.covers(from.bucket, v.Key)
	}
	if err == nil {
		err = from.shape(&v.Content.Wrap, src.Customer)
	}
	if err == nil {
		if err = checkRead(&src.Conditions, v); awserr.Is(err, "NotModified") {
			err = errPrecondition // a copy has no answer 304
		}
	}
	if err != nil {
		if e := awserr.As(err); e != nil && e.Code == "MethodNotAllowed" {
			err = invalidRequest("The source of a copy request may not specifically refer to a delete marker by version id.")
		}
		return nil, nil, from.translate(err)
	}
	secret, err := from.secret(&v.Content.Wrap, src.Customer)
	if err != nil {
		return nil, nil, from.translate(err)
	}
	opened, err := r.s.objects.Open(r.ctx, from.bucket, v, secret)
	if err != nil {
		secret.Wipe()
		return nil, nil, from.translate(err)
	}
	return &copySource{v, opened, secret}, from, nil
}

func (r *request) noteSource(src *CopySource) {
	text := src.Bucket + "/" + src.Key
	if src.VersionID != "" {
		text += "?versionId=" + src.VersionID
	}
	r.Param("x-amz-copy-source", text)
}

// CopyObject copies an object of up to 5 GiB. The copy is opened and sealed anew
// under keys of its own.
func (s *Service) CopyObject(ctx context.Context, c *authn.Caller, in *CopyObjectInput) (*CopyObjectOutput, error) {
	r := s.begin(ctx, c, "CopyObject", dataWrite, in.Bucket, in.Key, in.ExpectedBucketOwner)
	r.noteSource(&in.Source)
	if in.TaggingDirective != "REPLACE" {
		in.Tagging = "" // the source's are copied
	}
	r.writes(&in.PutObjectInput, "true")
	r.inputs.source, r.directive = &in.Source, in.MetadataDirective
	out, err := r.copyObject(in)
	return finish(r, out, err)
}

func (r *request) copyObject(in *CopyObjectInput) (*CopyObjectOutput, error) {
	if err := r.authorizeWrite(&in.PutObjectInput); err != nil {
		return nil, err
	}
	if err := checkDirectives(in); err != nil {
		return nil, err
	}
	src, from, err := r.openSource(&in.Source)
	if err != nil {
		return nil, err
	}
	defer src.close()
	if src.version.Size() > object.MaxPutSize {
		return nil, invalidRequest("The specified copy source is larger than the maximum allowable size for a copy source: 5368709120")
	}
	if in.TaggingDirective != "REPLACE" && len(src.version.Tags) > 0 {
		if err := r.authorizeTagCopy(from); err != nil {
			return nil, err
		}
	}
	put := in.PutObjectInput
	if in.MetadataDirective != "REPLACE" {
		kept := shownAttributes(&src.version.Attributes)
		// Storage class and redirect are the copy's own.
		kept.StorageClass, kept.WebsiteRedirectLocation = put.Attributes.StorageClass, put.Attributes.WebsiteRedirectLocation
		put.Attributes = kept
	}
	w, err := r.prepare(&put)
	if err != nil {
		return nil, err
	}
	defer w.Sealing.Wipe()
	if in.TaggingDirective != "REPLACE" {
		w.Tags = src.version.Tags
	}
	if err := changesSomething(in); err != nil {
		return nil, err
	}
	if err := r.covers(w.Bucket, w.Key); err != nil {
		return nil, err
	}
	plain, err := src.opened.Range(r.ctx, 0, src.version.Size())
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	b := &object.Body{Reader: plain, Length: src.version.Size(), Algorithm: in.Upload.Algorithm}
	if b.Algorithm == "" {
		// A copy keeps the source's kind of checksum. It covers the whole
		// copy, whatever parts the source had.
		if kept := src.version.Sums.Algorithms; len(kept) > 0 {
			b.Algorithm = kept[0]
		}
	}
	v, sums, err := r.s.objects.Put(r.ctx, w, b)
	if err != nil {
		return nil, err
	}
	out := &CopyObjectOutput{PutObjectOutput: *written(v, sums), LastModified: v.LastModified()}
	out.SourceVersionID = from.shownVersion(src.version)
	return out, nil
}

// authorizeTagCopy decides what it takes to copy the tags of a source too.
//
// Source: Amazon S3 User Guide, "Copying, moving, and renaming objects", read
// 2026-11-21.
func (r *request) authorizeTagCopy(from *request) error {
	if err := from.authorizeAnyRegion(versioned("s3:GetObjectTagging", "s3:GetObjectVersionTagging", from.versionID)); err != nil {
		return from.translate(err)
	}
	return r.authorize("s3:PutObjectTagging")
}

func checkDirectives(in *CopyObjectInput) error {
	switch in.MetadataDirective {
	case "", "COPY", "REPLACE":
	default:
		return invalidArgument("x-amz-metadata-directive", in.MetadataDirective, "Unknown metadata directive.")
	}
	switch in.TaggingDirective {
	case "", "COPY", "REPLACE":
	default:
		return invalidArgument("x-amz-tagging-directive", in.TaggingDirective, "Unknown tagging directive.")
	}
	return nil
}

// changesSomething refuses a copy of an object onto itself that would change
// nothing.
func changesSomething(in *CopyObjectInput) error {
	if in.Source.Bucket != in.Bucket || in.Source.Key != in.Key || in.Source.VersionID != "" ||
		in.MetadataDirective == "REPLACE" || in.TaggingDirective == "REPLACE" ||
		!in.Encryption.IsZero() || !in.Customer.IsZero() || !in.Source.Customer.IsZero() || in.Upload.Algorithm != "" ||
		in.Attributes.StorageClass != "" || in.Attributes.WebsiteRedirectLocation != "" {
		return nil
	}
	return invalidRequest("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
}

// UploadPartCopy makes a part from a range of an object.
func (s *Service) UploadPartCopy(ctx context.Context, c *authn.Caller, in *UploadPartCopyInput) (*UploadPartOutput, error) {
	r := s.begin(ctx, c, "UploadPartCopy", dataWrite, in.Bucket, in.Key, in.ExpectedBucketOwner)
	r.noteSource(&in.Source)
	r.Param("uploadId", in.UploadID)
	r.Param("partNumber", in.PartNumber)
	r.inputs.source = &in.Source
	out, err := r.uploadPartCopy(in)
	return finish(r, out, err)
}

func (r *request) uploadPartCopy(in *UploadPartCopyInput) (*UploadPartOutput, error) {
	u, secret, err := r.part(&in.UploadPartInput)
	if err != nil {
		return nil, err
	}
	defer secret.Wipe()
	src, from, err := r.openSource(&in.Source)
	if err != nil {
		return nil, err
	}
	defer src.close()
	size := src.version.Size()
	off, n := int64(0), size
	if in.Range != nil {
		if in.Range.IsSuffix || in.Range.Last < 0 {
			return nil, invalidArgument("x-amz-copy-source-range", "", "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
		}
		if in.Range.First >= size || in.Range.Last >= size {
			return nil, invalidArgument("x-amz-copy-source-range", "", "Range specified is not valid for source object of size: %d", size)
		}
		off, n = in.Range.First, in.Range.Last-in.Range.First+1
	}
	if n > object.MaxPutSize {
		return nil, invalidRequest("The specified copy source is larger than the maximum allowable size for a copy source: 5368709120")
	}
	if err := r.covers(r.bucket, u.Key); err != nil {
		return nil, err
	}
	plain, err := src.opened.Range(r.ctx, off, n)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	p, sums, err := r.s.objects.PutPart(r.ctx, r.bucket, u, in.PartNumber, secret, &object.Body{Reader: plain, Length: n}, r.recordPart)
	if err != nil {
		return nil, err
	}
	out := &UploadPartOutput{ETag: p.ETag, SSE: sse(&u.Wrap), LastModified: time.UnixMilli(p.Modified).UTC().Truncate(time.Second)}
	if u.Named {
		out.Checksums = Checksums{Values: maps.Clone(sums)}
	}
	out.SourceVersionID = from.shownVersion(src.version)
	return out, nil
}

func (r *request) recordPart(txn meta.Txn, p *object.Part) error { return r.Record(txn) }
