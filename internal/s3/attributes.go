package s3

import (
	"context"
	"slices"

	"coffer/internal/authn"
	"coffer/internal/object"
	"coffer/internal/sealed"
)

// GetObjectAttributes returns what the client asks of an object.
func (s *Service) GetObjectAttributes(ctx context.Context, c *authn.Caller, in *GetObjectAttributesInput) (*GetObjectAttributesOutput, error) {
	r := s.begin(ctx, c, "GetObjectAttributes", dataRead, in.Bucket, in.Key, in.ExpectedBucketOwner)
	r.onVersion(in.VersionID)
	out, err := r.attributes(in)
	return finish(r, out, err)
}

func (r *request) attributes(in *GetObjectAttributesInput) (*GetObjectAttributesOutput, error) {
	if err := r.authorize(versioned("s3:GetObject", "s3:GetObjectVersion", in.VersionID),
		versioned("s3:GetObjectAttributes", "s3:GetObjectVersionAttributes", in.VersionID)); err != nil {
		return nil, err
	}
	if len(in.Attributes) == 0 {
		return nil, invalidArgument("x-amz-object-attributes", "", "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty")
	}
	for _, a := range in.Attributes {
		if !slices.Contains([]string{"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"}, a) {
			return nil, invalidArgument("x-amz-object-attributes", a, "Invalid attribute name specified.")
		}
	}
	limit, err := page("x-amz-max-parts", in.MaxParts)
	if err != nil {
		return nil, err
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
	out := &GetObjectAttributesOutput{LastModified: v.LastModified(), SSE: sse(&v.Content.Wrap)}
	out.VersionID = r.shownVersion(v)
	asks := func(a string) bool { return slices.Contains(in.Attributes, a) }
	if asks("ETag") {
		out.ETag = v.ETag
	}
	if asks("StorageClass") {
		out.StorageClass = classOr(v.Attributes.StorageClass)
	}
	if asks("ObjectSize") {
		size := v.Size()
		out.Size = &size
	}
	mode, err := v.Content.Wrap.Mode()
	if err != nil {
		return nil, err
	}
	if !asks("Checksum") && !asks("ObjectParts") && mode != sealed.ModeCustomer {
		return out, nil
	}
	return out, r.sealedAttributes(in, v, limit, out)
}

// sealedAttributes fills in what only who can read the object may see.
func (r *request) sealedAttributes(in *GetObjectAttributesInput, v *object.Version, limit int, out *GetObjectAttributesOutput) error {
	secret, err := r.secret(&v.Content.Wrap, in.Customer)
	if err != nil {
		return err
	}
	defer secret.Wipe()
	opened, err := r.s.objects.Open(r.ctx, r.bucket, v, secret)
	if err != nil {
		return err
	}
	defer opened.Close()
	if slices.Contains(in.Attributes, "Checksum") {
		if out.Checksums.Values, err = opened.Sums(); err != nil {
			return err
		}
		out.Checksums.Type = v.Sums.Type
	}
	if !slices.Contains(in.Attributes, "ObjectParts") || v.Content.PartCount == 0 {
		return nil
	}
	parts, more, err := opened.Parts(r.ctx, in.PartNumberMarker, limit)
	if err != nil {
		return err
	}
	out.Parts = &ObjectParts{Total: v.Content.PartCount, PartNumberMarker: in.PartNumberMarker, MaxParts: limit, IsTruncated: more}
	for _, p := range parts {
		out.Parts.NextMarker = p.Number
		if v.Sums.Type == "COMPOSITE" {
			out.Parts.Parts = append(out.Parts.Parts, Part{Number: p.Number, Size: p.Length, Checksums: Checksums{Values: p.Sums}})
		}
	}
	return nil
}
