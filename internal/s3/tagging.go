package s3

import (
	"context"
	"unicode/utf8"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/object"
)

// Limits of tags.
//
// Source: Amazon S3 User Guide, "Categorizing your objects using tags" and "Using
// cost allocation S3 bucket tags", read 2026-11-21.
const (
	maxObjectTags = 10
	maxBucketTags = 50
	maxTagKey     = 128 // characters
	maxTagValue   = 256 // characters
)

func checkTags(tags []Tag, limit int) ([]object.Tag, error) {
	if len(tags) > limit {
		if limit == maxObjectTags {
			return nil, awserr.New(400, "BadRequest", "Object tags cannot be greater than 10")
		}
		return nil, awserr.New(400, "BadRequest", "Bucket tag count cannot be greater than 50")
	}
	seen := make(map[string]bool, len(tags))
	out := make([]object.Tag, 0, len(tags))
	for _, t := range tags {
		switch {
		case t.Key == "" || utf8.RuneCountInString(t.Key) > maxTagKey || !utf8.ValidString(t.Key):
			return nil, awserr.New(400, "InvalidTag", "The TagKey you have provided is invalid").With("TagKey", t.Key)
		case utf8.RuneCountInString(t.Value) > maxTagValue || !utf8.ValidString(t.Value):
			return nil, awserr.New(400, "InvalidTag", "The TagValue you have provided is invalid").With("TagKey", t.Key)
		case len(t.Key) >= 4 && (t.Key[:4] == "aws:" || t.Key[:4] == "AWS:"):
			return nil, awserr.New(400, "InvalidTag", "System tags cannot be added/updated by requester").With("TagKey", t.Key)
		case seen[t.Key]:
			return nil, awserr.New(400, "InvalidTag", "Cannot provide multiple Tags with the same key").With("TagKey", t.Key)
		}
		seen[t.Key] = true
		out = append(out, object.Tag{Key: t.Key, Value: t.Value})
	}
	return out, nil
}

// checkBucketTags is checkTags for a bucket, where some names have a meaning.
func checkBucketTags(tags []Tag) ([]object.Tag, error) {
	checked, err := checkTags(tags, maxBucketTags)
	if err != nil {
		return nil, err
	}
	for _, t := range tags {
		if err := checkReservedTag(t); err != nil {
			return nil, err
		}
	}
	return checked, nil
}

// PutBucketTagging replaces a bucket's tags.
func (s *Service) PutBucketTagging(ctx context.Context, c *authn.Caller, in *PutTaggingInput) error {
	r := s.begin(ctx, c, "PutBucketTagging", managementWrite, in.Bucket, "", in.ExpectedBucketOwner)
	return r.end(r.setBucketTags(in.Tags))
}

// DeleteBucketTagging removes a bucket's tags.
func (s *Service) DeleteBucketTagging(ctx context.Context, c *authn.Caller, in *BucketInput) error {
	r := s.begin(ctx, c, "DeleteBucketTagging", managementWrite, in.Bucket, "", in.ExpectedBucketOwner)
	return r.end(r.setBucketTags(nil))
}

func (r *request) setBucketTags(tags []Tag) error {
	if err := r.authorize("s3:PutBucketTagging"); err != nil {
		return err
	}
	checked, err := checkBucketTags(tags)
	if err != nil {
		return err
	}
	return r.s.objects.UpdateBucket(r.ctx, r.bucket, func(b *object.Bucket) error {
		b.Tags = checked
		return nil
	}, r.Record)
}

// GetBucketTagging returns a bucket's tags.
func (s *Service) GetBucketTagging(ctx context.Context, c *authn.Caller, in *BucketInput) (*TaggingOutput, error) {
	r := s.begin(ctx, c, "GetBucketTagging", managementRead, in.Bucket, "", in.ExpectedBucketOwner)
	err := r.authorize("s3:GetBucketTagging")
	out := new(TaggingOutput)
	if err == nil {
		if out.Tags = shownTags(r.bucket.Tags); len(out.Tags) == 0 {
			err = awserr.New(404, "NoSuchTagSet", "The TagSet does not exist").With("BucketName", in.Bucket)
		}
	}
	return finish(r, out, err)
}

// PutObjectTagging replaces the tags of an object's version.
func (s *Service) PutObjectTagging(ctx context.Context, c *authn.Caller, in *PutTaggingInput) (*TaggingOutput, error) {
	r := s.begin(ctx, c, "PutObjectTagging", dataWrite, in.Bucket, in.Key, in.ExpectedBucketOwner)
	r.onVersion(in.VersionID)
	r.tags = in.Tags
	out, err := r.setObjectTags(versioned("s3:PutObjectTagging", "s3:PutObjectVersionTagging", in.VersionID), in.Tags)
	return finish(r, out, err)
}

// DeleteObjectTagging removes the tags of an object's version.
func (s *Service) DeleteObjectTagging(ctx context.Context, c *authn.Caller, in *ObjectInput) (*TaggingOutput, error) {
	r := s.begin(ctx, c, "DeleteObjectTagging", dataWrite, in.Bucket, in.Key, in.ExpectedBucketOwner)
	r.onVersion(in.VersionID)
	out, err := r.setObjectTags(versioned("s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging", in.VersionID), nil)
	return finish(r, out, err)
}

func (r *request) setObjectTags(action string, tags []Tag) (*TaggingOutput, error) {
	if err := r.authorize(action); err != nil {
		return nil, err
	}
	checked, err := checkTags(tags, maxObjectTags)
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
	if err := r.s.objects.SetTags(r.ctx, r.bucket, v, checked, r.Record); err != nil {
		return nil, err
	}
	return &TaggingOutput{VersionID: r.shownVersion(v)}, nil
}

// shownVersion returns the version ID that answers show: none in a bucket that was
// never versioned.
func (r *request) shownVersion(v *object.Version) string {
	if v.ID == object.NullVersion && r.bucket.Versioning == object.NeverVersioned {
		return ""
	}
	return v.ID
}

// GetObjectTagging returns the tags of an object's version.
func (s *Service) GetObjectTagging(ctx context.Context, c *authn.Caller, in *ObjectInput) (*TaggingOutput, error) {
	r := s.begin(ctx, c, "GetObjectTagging", dataRead, in.Bucket, in.Key, in.ExpectedBucketOwner)
	r.onVersion(in.VersionID)
	out, err := r.objectTags(versioned("s3:GetObjectTagging", "s3:GetObjectVersionTagging", in.VersionID))
	return finish(r, out, err)
}

func (r *request) objectTags(action string) (*TaggingOutput, error) {
	if err := r.authorize(action); err != nil {
		return nil, err
	}
	v, err := r.find()
	if err != nil {
		return nil, err
	}
	if err := r.covers(r.bucket, v.Key); err != nil {
		return nil, err
	}
	return &TaggingOutput{Tags: shownTags(v.Tags), VersionID: r.shownVersion(v)}, nil
}
