package kms

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/key"
	"coffer/internal/meta"
)

// Tag is a name with a value.
type Tag struct {
	TagKey   string `json:"TagKey"`
	TagValue string `json:"TagValue"`
}

// Prefixes of tag names that no client sets on a key that exists. Coffer's own tags
// steer how a key works, and are set when it is made.
var reservedTags = []string{"aws:", key.ReservedTagPrefix}

// TagXks is the tag, with the value true, of keys that this server offers to others as
// an external key manager.
const TagXks = "coffer:xks"

// creationTags are Coffer's own tags.
var creationTags = []string{key.TagShredBy, TagXks}

// tags checks the shape of tags.
func (v *checker) tags(member string, tags []Tag) {
	for i, t := range tags {
		v.required(fmt.Sprintf("%s.%d.member.tagKey", member, i+1), t.TagKey, 128)
		v.optional(fmt.Sprintf("%s.%d.member.tagValue", member, i+1), t.TagValue, 256)
	}
}

// checkTags refuses tags that can't be set together, or not by a client.
func checkTags(tags []Tag) error {
	names := make([]string, 0, len(tags))
	for _, t := range tags {
		if slices.Contains(names, t.TagKey) {
			return fault("TagException", "Duplicate tag keys")
		}
		names = append(names, t.TagKey)
		if len(names) > key.MaxTags {
			return fault("TagException", "Too many tags")
		}
	}
	return checkReserved(names)
}

// checkNewTags is checkTags for a key to be made, which may have Coffer's own tags.
func checkNewTags(in *CreateKeyInput) error {
	var others []Tag
	for _, t := range in.Tags {
		if !slices.Contains(creationTags, t.TagKey) {
			others = append(others, t)
			continue
		}
		if t.TagKey != key.TagShredBy {
			continue
		}
		switch {
		case spec(in) != key.SpecSymmetricDefault:
			return fault("ValidationException", "The tag %s is for keys of the key spec %s only.", t.TagKey, key.SpecSymmetricDefault)
		case t.TagValue == "" || strings.HasPrefix(t.TagValue, "aws:"):
			return fault("TagException", "The value of the tag %s names a pair of the encryption context that clients set.", t.TagKey)
		}
	}
	if len(in.Tags) > key.MaxTags {
		return fault("TagException", "Too many tags")
	}
	for i, t := range in.Tags {
		if slices.ContainsFunc(in.Tags[:i], func(o Tag) bool { return o.TagKey == t.TagKey }) {
			return fault("TagException", "Duplicate tag keys")
		}
	}
	return checkTags(others)
}

func checkReserved(names []string) error {
	for _, name := range names {
		for _, p := range reservedTags {
			if strings.HasPrefix(strings.ToLower(name), p) {
				return fault("TagException", "Tags beginning with %s are reserved", p)
			}
		}
	}
	return nil
}

func keyTags(tags []Tag) []key.Tag {
	out := make([]key.Tag, len(tags))
	for i, t := range tags {
		out[i] = key.Tag{Key: t.TagKey, Value: t.TagValue}
	}
	return out
}

func trailTags(tags []Tag) []any {
	out := make([]any, len(tags))
	for i, t := range tags {
		out[i] = map[string]any{"tagKey": t.TagKey, "tagValue": t.TagValue}
	}
	return out
}

// TagResourceInput is the request of [Service.TagResource].
type TagResourceInput struct {
	KeyID string `json:"KeyId"`
	Tags  []Tag  `json:"Tags"`
}

// TagResourceOutput is the answer of [Service.TagResource].
type TagResourceOutput struct{}

// TagResource sets tags of a key, each anew or over its old value.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// InvalidArnException, AccessDeniedException, TagException for too many,
// duplicate or reserved tags, or KMSInvalidStateException for a key that is
// pending deletion.
//
// Source: AWS KMS API Reference, TagResource.
func (s *Service) TagResource(ctx context.Context, c *authn.Caller, in *TagResourceInput) (*TagResourceOutput, error) {
	return run(ctx, s, c, "TagResource", changes, func(call *authz.Call) (*TagResourceOutput, error) {
		call.Param("keyId", in.KeyID)
		call.Param("tags", trailTags(in.Tags))
		var v checker
		v.required("keyId", in.KeyID, maxKeyID)
		v.list("tags", in.Tags == nil)
		v.tags("tags", in.Tags)
		if err := v.err(); err != nil {
			return nil, err
		}
		k, err := s.use(ctx, call, &conditions{caller: c, tags: in.Tags}, "kms:TagResource", in.KeyID, keysOnly)
		if err != nil {
			return nil, err
		}
		if err := checkTags(in.Tags); err != nil {
			return nil, err
		}
		if _, err := s.keys.SetTags(ctx, k.Ref, keyTags(in.Tags), recordKey(call)); err != nil {
			return nil, about(k.ARN, err)
		}
		return &TagResourceOutput{}, nil
	})
}

// UntagResourceInput is the request of [Service.UntagResource].
type UntagResourceInput struct {
	KeyID   string   `json:"KeyId"`
	TagKeys []string `json:"TagKeys"`
}

// UntagResourceOutput is the answer of [Service.UntagResource].
type UntagResourceOutput struct{}

// UntagResource removes tags of a key; a missing one is not an error. Its errors
// are those of [Service.TagResource].
//
// Source: AWS KMS API Reference, UntagResource.
func (s *Service) UntagResource(ctx context.Context, c *authn.Caller, in *UntagResourceInput) (*UntagResourceOutput, error) {
	return run(ctx, s, c, "UntagResource", changes, func(call *authz.Call) (*UntagResourceOutput, error) {
		call.Param("keyId", in.KeyID)
		call.Param("tagKeys", in.TagKeys)
		var v checker
		v.required("keyId", in.KeyID, maxKeyID)
		v.list("tagKeys", in.TagKeys == nil)
		for i, name := range in.TagKeys {
			v.required(fmt.Sprintf("tagKeys.%d.member", i+1), name, 128)
		}
		if err := v.err(); err != nil {
			return nil, err
		}
		k, err := s.use(ctx, call, &conditions{caller: c, tagKeys: in.TagKeys}, "kms:UntagResource", in.KeyID, keysOnly)
		if err != nil {
			return nil, err
		}
		if err := checkReserved(in.TagKeys); err != nil {
			return nil, err
		}
		if _, err := s.keys.RemoveTags(ctx, k.Ref, in.TagKeys, recordKey(call)); err != nil {
			return nil, about(k.ARN, err)
		}
		return &UntagResourceOutput{}, nil
	})
}

// ListResourceTagsInput is the request of [Service.ListResourceTags].
type ListResourceTagsInput struct {
	KeyID  string `json:"KeyId"`
	Limit  *int32 `json:"Limit"`
	Marker string `json:"Marker,omitempty"`
}

// ListResourceTagsOutput is the answer of [Service.ListResourceTags].
type ListResourceTagsOutput struct {
	Tags       []Tag  `json:"Tags"`
	NextMarker string `json:"NextMarker,omitempty"`
	Truncated  bool   `json:"Truncated"`
}

// ListResourceTags lists the tags of a key in the order of their names, 50 to a
// page.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// InvalidArnException, AccessDeniedException or InvalidMarkerException.
//
// Source: AWS KMS API Reference, ListResourceTags.
func (s *Service) ListResourceTags(ctx context.Context, c *authn.Caller, in *ListResourceTagsInput) (*ListResourceTagsOutput, error) {
	return run(ctx, s, c, "ListResourceTags", reads, func(call *authz.Call) (*ListResourceTagsOutput, error) {
		call.Param("keyId", in.KeyID)
		recordPage(call, in.Limit, in.Marker)
		var v checker
		v.required("keyId", in.KeyID, maxKeyID)
		v.page(in.Limit, in.Marker)
		if err := v.err(); err != nil {
			return nil, err
		}
		k, err := s.use(ctx, call, &conditions{caller: c}, "kms:ListResourceTags", in.KeyID, keysOnly)
		if err != nil {
			return nil, err
		}
		after, err := unmark("tags", in.Marker)
		if err != nil {
			return nil, err
		}
		if err := call.Covers(k.ARN); err != nil {
			return nil, err
		}
		tags := slices.SortedFunc(slices.Values(k.Tags), func(a, b key.Tag) int { return strings.Compare(a.Key, b.Key) })
		out := &ListResourceTagsOutput{Tags: []Tag{}}
		for _, t := range tags {
			if t.Key <= after {
				continue
			}
			if len(out.Tags) == pageSize(in.Limit, 50, 50) {
				out.Truncated, out.NextMarker = true, mark("tags", out.Tags[len(out.Tags)-1].TagKey)
				break
			}
			out.Tags = append(out.Tags, Tag{t.Key, t.Value})
		}
		return out, nil
	})
}

// recordKey returns what runs last in a transaction that changes a key: the check
// that it is a key which the caller was allowed to change, and the call's record,
// which names it.
func recordKey(call *authz.Call) key.Also {
	return func(tx meta.Txn, k *key.Key) error {
		if err := call.Covers(k.ARN); err != nil {
			return err
		}
		call.Response("keyId", k.ARN)
		return call.Record(tx)
	}
}
