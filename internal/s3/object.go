package s3

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/checksum"
	"coffer/internal/meta"
	"coffer/internal/object"
	"coffer/internal/sealed"
)

// storageClasses are the storage classes that S3 accepts on a write. Coffer keeps
// and echoes them, and stores all alike.
//
// Source: Amazon S3 API Reference, PutObject, read 2026-11-21.
var storageClasses = []string{
	"STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER",
	"DEEP_ARCHIVE", "GLACIER_IR",
}

// attributes checks the headers that an object keeps.
func attributes(a *Attributes) (object.Attributes, error) {
	class := a.StorageClass
	if class != "" && !slices.Contains(storageClasses, class) {
		return object.Attributes{}, awserr.New(400, "InvalidStorageClass", "The storage class you specified is not valid").With("StorageClassRequested", class)
	}
	if class == "STANDARD" {
		class = ""
	}
	return object.Attributes{
		ContentType: a.ContentType, CacheControl: a.CacheControl, ContentDisposition: a.ContentDisposition,
		ContentEncoding: a.ContentEncoding, ContentLanguage: a.ContentLanguage, Expires: a.Expires,
		WebsiteRedirectLocation: a.WebsiteRedirectLocation, StorageClass: class, Metadata: a.Metadata,
	}, nil
}

func shownAttributes(a *object.Attributes) Attributes {
	return Attributes{
		ContentType: a.ContentType, CacheControl: a.CacheControl, ContentDisposition: a.ContentDisposition,
		ContentEncoding: a.ContentEncoding, ContentLanguage: a.ContentLanguage, Expires: a.Expires,
		WebsiteRedirectLocation: a.WebsiteRedirectLocation, StorageClass: a.StorageClass, Metadata: a.Metadata,
	}
}

// prepare checks everything about a write that can be checked before its body is
// read, and asks for the key that will seal it.
func (r *request) prepare(in *PutObjectInput) (*object.Write, error) {
	if !in.Lock.IsZero() {
		return nil, invalidRequest("Bucket is missing Object Lock Configuration")
	}
	if in.WriteOffset {
		return nil, errNotImplemented
	}
	owner, acl, err := r.objectACL(&in.ACL)
	if err != nil {
		return nil, err
	}
	cond := object.WriteCondition{IfMatch: in.Conditions.IfMatch, IfNoneMatch: in.Conditions.IfNoneMatch}
	if cond.IfNoneMatch != "" && cond.IfNoneMatch != "*" || cond.IfMatch != "" && cond.IfNoneMatch != "" {
		return nil, errNotImplemented
	}
	w := &object.Write{Bucket: r.bucket, Key: in.Key, Owner: owner, ACL: acl, Condition: cond}
	if w.Attributes, err = attributes(&in.Attributes); err != nil {
		return nil, err
	}
	if w.Tags, err = parseTagging(in.Tagging); err != nil {
		return nil, err
	}
	p, err := r.plan(in.Encryption, in.Customer)
	if err != nil {
		return nil, err
	}
	r.noteSSE(p.mode, p.byDefault)
	if w.Sealing, err = r.sealing(p); err != nil {
		return nil, err
	}
	w.Record = func(txn meta.Txn, v *object.Version) error {
		if v.ID != object.NullVersion {
			r.Response("x-amz-version-id", v.ID)
		}
		return r.recordUsing(w.Sealing.KeyARN, w.Sealing.Context)(txn)
	}
	return w, nil
}

// recordUsing returns the record of a change that seals under a KMS key, if keyARN
// names one: the key must still be usable for the encryption context when the change
// commits.
func (r *request) recordUsing(keyARN string, encryptionContext map[string]string) object.Record {
	return func(txn meta.Txn) error {
		if keyARN != "" {
			if err := r.s.keys.Usable(txn, keyARN, encryptionContext); err != nil {
				return kmsError(err)
			}
		}
		return r.Record(txn)
	}
}

// body turns an upload into what the store reads.
func body(u *Upload) (*object.Body, error) {
	b := &object.Body{Reader: u.Body, Length: u.Length, Max: object.MaxPutSize, Algorithm: u.Algorithm}
	if u.Length > object.MaxPutSize {
		return nil, awserr.New(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size").
			With("ProposedSize", itoa(u.Length)).With("MaxSizeAllowed", itoa(object.MaxPutSize))
	}
	if u.ContentMD5 != "" {
		sum, err := base64.StdEncoding.DecodeString(u.ContentMD5)
		if err != nil || len(sum) != 16 {
			return nil, awserr.New(400, "InvalidDigest", "The Content-MD5 you specified was invalid.").With("Content-MD5", u.ContentMD5)
		}
		b.MD5 = sum
	}
	if u.Algorithm == "" {
		return b, nil
	}
	header := u.Algorithm.Header()
	if u.Checksum != "" {
		if _, err := u.Algorithm.Decode(u.Checksum); err != nil {
			return nil, invalidRequest("Value for %s header is invalid.", header)
		}
		b.Expected = func() (string, error) { return u.Checksum, nil }
	} else if u.Trailer != nil {
		b.Expected = func() (string, error) {
			sum := u.Trailer()[header]
			if sum == "" {
				return "", awserr.New(400, "MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema.")
			}
			if _, err := u.Algorithm.Decode(sum); err != nil {
				return "", invalidRequest("Value for %s trailing header is invalid.", header)
			}
			return sum, nil
		}
	}
	return b, nil
}

// PutObject stores an object.
func (s *Service) PutObject(ctx context.Context, c *authn.Caller, in *PutObjectInput) (*PutObjectOutput, error) {
	r := s.begin(ctx, c, "PutObject", dataWrite, in.Bucket, in.Key, in.ExpectedBucketOwner)
	r.writes(in, "true")
	out, err := r.putObject(in)
	return finish(r, out, err)
}

// writes notes what condition keys tell of a write. creation is
// s3:ObjectCreationOperation.
//
// Source: Amazon S3 User Guide, "Enforce conditional writes on Amazon S3 buckets",
// read 2026-11-21: true for what makes an object, false for the steps of an upload
// in parts, which take no conditions.
func (r *request) writes(in *PutObjectInput, creation string) {
	r.put, r.conditions, r.creation = in, &in.Conditions, creation
}

// authorizeWrite decides a write: the object, and each of the headers that are a
// right of their own.
//
// Source: Amazon S3 API Reference, PutObject, "Permissions"; Amazon S3 User Guide,
// "How to prevent object overwrites with conditional writes" (If-Match needs
// s3:GetObject), read 2026-11-21.
func (r *request) authorizeWrite(in *PutObjectInput) error {
	actions := append(make([]string, 0, 6), "s3:PutObject")
	if in.Tagging != "" {
		actions = append(actions, "s3:PutObjectTagging")
	}
	if !in.ACL.isZero() {
		actions = append(actions, "s3:PutObjectAcl")
	}
	if in.Lock.Mode != "" || in.Lock.RetainUntil != "" {
		actions = append(actions, "s3:PutObjectRetention")
	}
	if in.Lock.LegalHold != "" {
		actions = append(actions, "s3:PutObjectLegalHold")
	}
	if in.Conditions.IfMatch != "" {
		actions = append(actions, "s3:GetObject")
	}
	return r.authorize(actions...)
}

func (r *request) putObject(in *PutObjectInput) (*PutObjectOutput, error) {
	if err := r.authorizeWrite(in); err != nil {
		return nil, err
	}
	b, err := body(&in.Upload)
	if err != nil {
		return nil, err
	}
	w, err := r.prepare(in)
	if err != nil {
		return nil, err
	}
	defer w.Sealing.Wipe()
	if err := r.covers(w.Bucket, w.Key); err != nil {
		return nil, err
	}
	v, sums, err := r.s.objects.Put(r.ctx, w, b)
	if err != nil {
		return nil, err
	}
	r.Additional("bytesTransferredIn", v.Size())
	return written(v, sums), nil
}

// written is the answer to a write.
func written(v *object.Version, sums map[checksum.Algorithm]string) *PutObjectOutput {
	out := &PutObjectOutput{ETag: v.ETag, SSE: sse(&v.Content.Wrap), Checksums: Checksums{Values: sums, Type: v.Sums.Type}, Size: v.Size()}
	if v.ID != object.NullVersion {
		out.VersionID = v.ID
	}
	return out
}

// find returns the version that the request names, or S3's answer that there is
// none.
func (r *request) find() (*object.Version, error) {
	v, err := r.lookup(r.ctx)
	switch {
	case err == nil:
		return v, nil
	case errors.Is(err, object.ErrIsMarker) && r.versionID == "":
		err = awserr.New(404, "NoSuchKey", "The specified key does not exist.").With("Key", r.key).
			WithHeader("x-amz-delete-marker", "true").WithHeader("x-amz-version-id", v.ID)
	case errors.Is(err, object.ErrIsMarker):
		err = methodNotAllowedOnMarker(v)
	case errors.Is(err, object.ErrNoSuchVersion):
		err = awserr.New(404, "NoSuchVersion", "The specified version does not exist.").With("Key", r.key).With("VersionId", r.versionID)
	case errors.Is(err, object.ErrNoSuchKey):
	case errors.Is(err, object.ErrInvalidVersionID):
		return nil, invalidArgument("versionId", r.versionID, "Invalid version id specified")
	default:
		return nil, err
	}
	return nil, r.absent(err)
}

// matches reports whether an If-Match or If-None-Match header names the ETag.
func matches(header, etag string) bool {
	for _, part := range strings.Split(header, ",") {
		part = strings.TrimSpace(part)
		part = strings.TrimPrefix(part, "W/")
		if part == "*" || strings.Trim(part, `"`) == etag {
			return true
		}
	}
	return false
}

// checkRead evaluates the conditions of a read, in the order of RFC 9110,
// section 13.2.2.
func checkRead(c *Conditions, v *object.Version) error {
	modified := v.LastModified()
	if c.IfMatch != "" {
		if !matches(c.IfMatch, v.ETag) {
			return errPrecondition.With("Condition", "If-Match")
		}
	} else if !c.IfUnmodifiedSince.IsZero() && modified.After(c.IfUnmodifiedSince) {
		return errPrecondition.With("Condition", "If-Unmodified-Since")
	}
	unchanged := false
	if c.IfNoneMatch != "" {
		unchanged = matches(c.IfNoneMatch, v.ETag)
	} else if !c.IfModifiedSince.IsZero() {
		unchanged = !modified.After(c.IfModifiedSince)
	}
	if unchanged {
		e := errNotModified.WithHeader("ETag", `"`+v.ETag+`"`).WithHeader("Last-Modified", modified.Format("Mon, 02 Jan 2006 15:04:05 GMT"))
		if v.ID != object.NullVersion {
			e = e.WithHeader("x-amz-version-id", v.ID)
		}
		return e
	}
	return nil
}

// maxTries is how often a read that loses its object to an overwrite starts anew.
const maxTries = 3

// GetObject opens an object for reading, or describes it for HeadObject.
func (s *Service) GetObject(ctx context.Context, c *authn.Caller, in *GetObjectInput) (*GetObjectOutput, error) {
	name := "GetObject"
	if in.Head {
		name = "HeadObject"
	}
	r := s.begin(ctx, c, name, dataRead, in.Bucket, in.Key, in.ExpectedBucketOwner)
	r.onVersion(in.VersionID)
	out, err := r.getObject(in)
	for try := 1; errors.Is(err, object.ErrChanged) && try < maxTries; try++ {
		// The version was found and then overwritten and collected.
		r.again()
		out, err = r.getObject(in)
	}
	ended, endErr := finish(r, out, err)
	if endErr != nil && out != nil && out.Body != nil {
		_ = out.Body.Close()
	}
	return ended, endErr
}

func (r *request) getObject(in *GetObjectInput) (*GetObjectOutput, error) {
	if err := r.authorize(versioned("s3:GetObject", "s3:GetObjectVersion", in.VersionID)); err != nil {
		return nil, err
	}
	if !in.Encryption.IsZero() {
		return nil, invalidArgument(headerSSE, in.Encryption.Algorithm, "x-amz-server-side-encryption header is not supported for this operation.")
	}
	if len(in.Overrides) > 0 && r.c.IsAnonymous() {
		return nil, invalidRequest("Request specific response headers cannot be used for anonymous GET requests.")
	}
	v, err := r.find()
	if err != nil {
		return nil, err
	}
	if err := r.covers(r.bucket, v.Key); err != nil {
		return nil, err
	}
	if err := r.shape(&v.Content.Wrap, in.Customer); err != nil {
		return nil, err
	}
	if err := checkRead(&in.Conditions, v); err != nil {
		return nil, err
	}
	out := &GetObjectOutput{
		Size: v.Size(), Length: v.Size(), ETag: v.ETag, LastModified: v.LastModified(),
		Attributes: shownAttributes(&v.Attributes), SSE: sse(&v.Content.Wrap), TagCount: len(v.Tags),
	}
	out.SSE.Context = ""
	out.VersionID = r.shownVersion(v)
	if err := r.placeRange(in, v, out); err != nil {
		return nil, err
	}
	mode, err := v.Content.Wrap.Mode()
	if err != nil {
		return nil, err
	}
	r.noteSSE(mode, false)
	if in.Head && mode != sealed.ModeCustomer && !in.ChecksumMode {
		return out, nil
	}
	return out, r.open(in, v, out)
}

// open opens what the answer needs: checksums if asked for, and the body.
func (r *request) open(in *GetObjectInput, v *object.Version, out *GetObjectOutput) error {
	secret, err := r.secret(&v.Content.Wrap, in.Customer)
	if err != nil {
		return err
	}
	defer secret.Wipe()
	opened, err := r.s.objects.Open(r.ctx, r.bucket, v, secret)
	if err != nil {
		return err
	}
	if in.ChecksumMode && (!out.Partial || out.PartsCount > 0 || in.PartNumber > 0) {
		if out.Checksums.Values, err = opened.Sums(); err != nil {
			opened.Close()
			return err
		}
		out.Checksums.Type = v.Sums.Type
	}
	if in.Head {
		opened.Close()
		return nil
	}
	plain, err := opened.Range(r.ctx, out.Offset, out.Length)
	if err != nil {
		opened.Close()
		return err
	}
	out.Body = &liveBody{Plaintext: plain, opened: opened, r: r, wrap: &v.Content.Wrap, asked: time.Now()}
	r.Additional("bytesTransferredOut", out.Length)
	return nil
}

// placeRange sets which bytes of v the answer holds.
func (r *request) placeRange(in *GetObjectInput, v *object.Version, out *GetObjectOutput) error {
	if in.PartNumber != 0 {
		if in.Range != nil {
			return invalidRequest("Cannot specify both Range header and partNumber query parameter")
		}
		place, err := r.s.objects.PartPlace(r.ctx, v, in.PartNumber)
		if errors.Is(err, object.ErrInvalidPart) {
			return awserr.New(416, "InvalidPartNumber", "The requested partnumber is not satisfiable").With("PartNumberRequested", itoa(int64(in.PartNumber)))
		}
		if err != nil {
			return err
		}
		out.Offset, out.Length, out.PartsCount = place.Offset, place.Length, place.Count
		out.Partial = v.Size() > 0
		return nil
	}
	if in.Range == nil {
		return nil
	}
	off, n, ok := in.Range.Resolve(v.Size())
	if !ok {
		return awserr.New(416, "InvalidRange", "The requested range is not satisfiable").
			With("ActualObjectSize", itoa(v.Size())).WithHeader("Content-Range", "bytes */"+itoa(v.Size()))
	}
	out.Offset, out.Length, out.Partial = off, n, true
	return nil
}

// Resolve returns the bytes of an object of the given size that b names, or
// false if there are none.
func (b *ByteRange) Resolve(size int64) (off, n int64, ok bool) {
	if b.IsSuffix {
		n = min(b.Suffix, size)
		return size - n, n, n > 0
	}
	if b.First >= size {
		return 0, 0, false
	}
	last := size - 1
	if b.Last >= 0 {
		last = min(last, b.Last)
	}
	return b.First, last - b.First + 1, true
}

// parseTagging decodes the header x-amz-tagging.
func parseTagging(s string) ([]object.Tag, error) {
	if s == "" {
		return nil, nil
	}
	values, err := url.ParseQuery(s)
	if err != nil {
		return nil, invalidArgument("x-amz-tagging", s, "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
	}
	var tags []Tag
	for k, vs := range values {
		if len(vs) != 1 {
			return nil, invalidArgument("x-amz-tagging", s, "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
		}
		tags = append(tags, Tag{k, vs[0]})
	}
	slices.SortFunc(tags, func(a, b Tag) int { return strings.Compare(a.Key, b.Key) })
	return checkTags(tags, maxObjectTags)
}
