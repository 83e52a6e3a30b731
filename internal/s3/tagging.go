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

func shownTags(tags []object.Tag) []Tag {
	out := make([]Tag, len(tags))
	for i, t := range tags {
		out[i] = Tag{t.Key, t.Value}
	}
	return out
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
	checked, err := checkTags(tags, maxBucketTags)
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
	out, err := r.setObjectTags(in.VersionID, in.Tags, "s3:PutObject")
	return finish(r, out, err)
}

// DeleteObjectTagging removes the tags of an object's version.
func (s *Service) DeleteObjectTagging(ctx context.Context, c *authn.Caller, in *ObjectInput) (*TaggingOutput, error) {
	r := s.begin(ctx, c, "DeleteObjectTagging", dataWrite, in.Bucket, in.Key, in.ExpectedBucketOwner)
	out, err := r.setObjectTags(in.VersionID, nil, "s3:DeleteObject")
	return finish(r, out, err)
}

// taggingAction returns the action of a tagging operation: prefix with Tagging,
// or with VersionTagging if a version is named.
func taggingAction(prefix, versionID string) string {
	if versionID != "" {
		return prefix + "VersionTagging"
	}
	return prefix + "Tagging"
}

func (r *request) setObjectTags(versionID string, tags []Tag, prefix string) (*TaggingOutput, error) {
	if err := r.authorize(taggingAction(prefix, versionID)); err != nil {
		return nil, err
	}
	checked, err := checkTags(tags, maxObjectTags)
	if err != nil {
		return nil, err
	}
	v, err := r.find(versionID)
	if err != nil {
		return nil, err
	}
	if err := r.s.objects.SetTags(r.ctx, r.bucket, v, checked, r.Record); err != nil {
		return nil, err
	}
	return r.shownTagging(v, nil), nil
}

func (r *request) shownTagging(v *object.Version, tags []object.Tag) *TaggingOutput {
	out := &TaggingOutput{Tags: shownTags(tags)}
	if v.ID != object.NullVersion || r.bucket.Versioning != object.NeverVersioned {
		out.VersionID = v.ID
	}
	return out
}

// GetObjectTagging returns the tags of an object's version.
func (s *Service) GetObjectTagging(ctx context.Context, c *authn.Caller, in *ObjectInput) (*TaggingOutput, error) {
	r := s.begin(ctx, c, "GetObjectTagging", dataRead, in.Bucket, in.Key, in.ExpectedBucketOwner)
	err := r.authorize(taggingAction("s3:GetObject", in.VersionID))
	if err != nil {
		return finish[*TaggingOutput](r, nil, err)
	}
	v, err := r.find(in.VersionID)
	if err != nil {
		return finish[*TaggingOutput](r, nil, err)
	}
	return finish(r, r.shownTagging(v, v.Tags), nil)
}
