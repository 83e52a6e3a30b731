package s3

import (
	"context"
	"encoding/base64"

	"coffer/internal/authn"
	"coffer/internal/object"
)

// ListObjects lists the keys of a bucket, version 1.
func (s *Service) ListObjects(ctx context.Context, c *authn.Caller, in *ListObjectsInput) (*ListObjectsOutput, error) {
	r := s.begin(ctx, c, "ListObjects", dataRead, in.Bucket, "", in.ExpectedBucketOwner)
	out, err := r.listObjects(in, in.Marker)
	return finish(r, out, err)
}

// ListObjectsV2 lists the keys of a bucket.
func (s *Service) ListObjectsV2(ctx context.Context, c *authn.Caller, in *ListObjectsInput) (*ListObjectsOutput, error) {
	r := s.begin(ctx, c, "ListObjects", dataRead, in.Bucket, "", in.ExpectedBucketOwner)
	r.Param("list-type", "2")
	after := in.StartAfter
	if in.ContinuationToken != "" {
		b, err := base64.RawURLEncoding.DecodeString(in.ContinuationToken)
		if err != nil {
			return finish[*ListObjectsOutput](r, nil, invalidArgument("continuation-token", in.ContinuationToken, "The continuation token provided is incorrect"))
		}
		after = string(b)
	}
	out, err := r.listObjects(in, after)
	return finish(r, out, err)
}

func (r *request) listObjects(in *ListObjectsInput, after string) (*ListObjectsOutput, error) {
	r.list = in
	if err := r.authorize("s3:ListBucket"); err != nil {
		return nil, err
	}
	if in.Prefix != "" {
		r.Param("prefix", in.Prefix)
	}
	limit, err := page("max-keys", in.MaxKeys)
	if err != nil {
		return nil, err
	}
	out := &ListObjectsOutput{Name: in.Bucket, MaxKeys: limit}
	if limit == 0 {
		return out, nil
	}
	if err := r.covers(r.bucket, ""); err != nil {
		return nil, err
	}
	p, err := r.s.objects.Objects(r.ctx, r.bucket, object.Listing{Prefix: in.Prefix, Delimiter: in.Delimiter, After: after, Limit: limit})
	if err != nil {
		return nil, err
	}
	owner, err := r.owner(r.bucket.Account)
	if err != nil {
		return nil, err
	}
	out.IsTruncated, out.KeyCount = p.Truncated, len(p.Entries)
	last := ""
	out.Contents = make([]ObjectEntry, 0, len(p.Entries))
	for _, e := range p.Entries {
		if e.CommonPrefix != "" {
			last = e.CommonPrefix
			out.CommonPrefixes = append(out.CommonPrefixes, last)
			continue
		}
		last = e.Version.Key
		shown, err := r.entry(e.Version, owner)
		if err != nil {
			return nil, err
		}
		out.Contents = append(out.Contents, shown)
	}
	if p.Truncated {
		out.NextMarker = last
		out.NextContinuationToken = base64.RawURLEncoding.EncodeToString([]byte(last))
	}
	return out, nil
}

// entry is one object of a listing. The owner of the bucket owns it unless another
// account kept it.
func (r *request) entry(v *object.Version, owner Owner) (ObjectEntry, error) {
	if account := v.Owned(r.bucket); account != r.bucket.Account {
		var err error
		if owner, err = r.owner(account); err != nil {
			return ObjectEntry{}, err
		}
	}
	e := ObjectEntry{
		Key: v.Key, VersionID: v.ID, IsLatest: v.IsLatest, DeleteMarker: v.IsMarker, LastModified: v.LastModified(),
		ETag: v.ETag, Size: v.Size(), StorageClass: classOr(v.Attributes.StorageClass), ChecksumType: v.Sums.Type, Owner: owner,
	}
	for _, a := range v.Sums.Algorithms {
		e.Algorithms = append(e.Algorithms, string(a))
	}
	return e, nil
}

// ListObjectVersions lists all versions and delete markers of a bucket.
func (s *Service) ListObjectVersions(ctx context.Context, c *authn.Caller, in *ListObjectsInput) (*ListObjectVersionsOutput, error) {
	r := s.begin(ctx, c, "ListObjectVersions", dataRead, in.Bucket, "", in.ExpectedBucketOwner)
	out, err := r.listVersions(in)
	return finish(r, out, err)
}

func (r *request) listVersions(in *ListObjectsInput) (*ListObjectVersionsOutput, error) {
	r.list = in
	if err := r.authorize("s3:ListBucketVersions"); err != nil {
		return nil, err
	}
	limit, err := page("max-keys", in.MaxKeys)
	if err != nil {
		return nil, err
	}
	if in.VersionIDMarker != "" && in.KeyMarker == "" {
		return nil, invalidArgument("version-id-marker", in.VersionIDMarker, "A version-id marker cannot be specified without a key marker.")
	}
	out := &ListObjectVersionsOutput{Name: in.Bucket, MaxKeys: limit}
	if limit == 0 {
		return out, nil
	}
	if err := r.covers(r.bucket, ""); err != nil {
		return nil, err
	}
	p, err := r.s.objects.Versions(r.ctx, r.bucket, object.Listing{
		Prefix: in.Prefix, Delimiter: in.Delimiter, After: in.KeyMarker, AfterVersion: in.VersionIDMarker, Limit: limit})
	if err != nil {
		return nil, err
	}
	owner, err := r.owner(r.bucket.Account)
	if err != nil {
		return nil, err
	}
	out.IsTruncated = p.Truncated
	for _, e := range p.Entries {
		out.NextVersionIDMarker = ""
		if e.CommonPrefix != "" {
			out.CommonPrefixes = append(out.CommonPrefixes, e.CommonPrefix)
			out.NextKeyMarker = e.CommonPrefix
			continue
		}
		shown, err := r.entry(e.Version, owner)
		if err != nil {
			return nil, err
		}
		out.Entries = append(out.Entries, shown)
		out.NextKeyMarker, out.NextVersionIDMarker = e.Version.Key, e.Version.ID
	}
	if !p.Truncated {
		out.NextKeyMarker, out.NextVersionIDMarker = "", ""
	}
	return out, nil
}
