package org

import (
	"context"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/organization"
)

// Tag is a name with a value.
type Tag struct {
	Key   string `json:"Key"`
	Value string `json:"Value"`
}

func domainTags(tags []Tag) []organization.Tag {
	out := make([]organization.Tag, len(tags))
	for i, t := range tags {
		out[i] = organization.Tag{Key: t.Key, Value: t.Value}
	}
	return out
}

// paramTags records the tags of a request.
func paramTags(call *authz.Call, tags []Tag) {
	if len(tags) == 0 {
		return
	}
	list := make([]any, len(tags))
	for i, t := range tags {
		list[i] = map[string]any{"key": t.Key, "value": t.Value}
	}
	call.Param("tags", list)
}

// taggable returns the resource that tags are asked of.
func (s *Service) taggable(ctx context.Context, id string) func(*organization.Organization) ([]resource, error) {
	if patternPolicy.MatchString(id) {
		return s.policies(ctx, id)
	}
	return targets(id)
}

// checkTaggable refuses the resources that only AWS has.
func (v *checker) taggable(id string) {
	v.id("ResourceId", id, patternTaggable)
	if v.failed == nil && !patternTarget.MatchString(id) && !patternPolicy.MatchString(id) {
		v.failed = NotImplemented("Resource policies and responsibility transfers are not implemented by this server.")
	}
}

// TagResourceInput is the request of [Service.TagResource].
type TagResourceInput struct {
	ResourceID string `json:"ResourceId"`
	Tags       []Tag  `json:"Tags"`
}

// TagResourceOutput is the answer of [Service.TagResource].
type TagResourceOutput struct{}

// TagResource sets tags of a root, OU, account or policy, each anew or over its old
// value.
//
// It returns a *awserr.Error with code InvalidInputException,
// TargetNotFoundException, ConstraintViolationException for too many,
// AWSOrganizationsNotInUseException or AccessDeniedException.
//
// Source: AWS Organizations API Reference, TagResource.
func (s *Service) TagResource(ctx context.Context, c *authn.Caller, in *TagResourceInput) (*TagResourceOutput, error) {
	return run(ctx, s, c, "TagResource", changes, func(call *authz.Call) (*TagResourceOutput, error) {
		call.Param("resourceId", in.ResourceID)
		paramTags(call, in.Tags)
		var v checker
		v.taggable(in.ResourceID)
		if in.Tags == nil {
			v.add("INPUT_REQUIRED", "You must include a value for Tags.")
		}
		v.tags(in.Tags)
		if err := v.err(); err != nil {
			return nil, err
		}
		o, err := s.use(ctx, call, c, "TagResource", management, tagKeys(nil, in.Tags), s.taggable(ctx, in.ResourceID))
		if err != nil {
			return nil, err
		}
		if err := s.orgs.Tag(ctx, o.ID, in.ResourceID, domainTags(in.Tags), call.Record); err != nil {
			return nil, err
		}
		return &TagResourceOutput{}, nil
	})
}

// UntagResourceInput is the request of [Service.UntagResource].
type UntagResourceInput struct {
	ResourceID string   `json:"ResourceId"`
	TagKeys    []string `json:"TagKeys"`
}

// UntagResourceOutput is the answer of [Service.UntagResource].
type UntagResourceOutput struct{}

// UntagResource removes tags of a root, OU, account or policy; a missing one is not
// an error. Its errors are those of [Service.TagResource].
//
// Source: AWS Organizations API Reference, UntagResource.
func (s *Service) UntagResource(ctx context.Context, c *authn.Caller, in *UntagResourceInput) (*UntagResourceOutput, error) {
	return run(ctx, s, c, "UntagResource", changes, func(call *authz.Call) (*UntagResourceOutput, error) {
		call.Param("resourceId", in.ResourceID)
		call.Param("tagKeys", in.TagKeys)
		var v checker
		v.taggable(in.ResourceID)
		if in.TagKeys == nil {
			v.add("INPUT_REQUIRED", "You must include a value for TagKeys.")
		}
		keys := tagKeys(nil, nil)
		for _, k := range in.TagKeys {
			v.tagKey(k)
			keys["aws:tagkeys"] = append(keys["aws:tagkeys"], k)
		}
		if err := v.err(); err != nil {
			return nil, err
		}
		o, err := s.use(ctx, call, c, "UntagResource", management, keys, s.taggable(ctx, in.ResourceID))
		if err != nil {
			return nil, err
		}
		if err := s.orgs.Untag(ctx, o.ID, in.ResourceID, in.TagKeys, call.Record); err != nil {
			return nil, err
		}
		return &UntagResourceOutput{}, nil
	})
}

// ListTagsForResourceInput is the request of [Service.ListTagsForResource].
type ListTagsForResourceInput struct {
	ResourceID string `json:"ResourceId"`
	NextToken  string `json:"NextToken,omitempty"`
}

// ListTagsForResourceOutput is the answer of [Service.ListTagsForResource].
type ListTagsForResourceOutput struct {
	Tags      []Tag  `json:"Tags"`
	NextToken string `json:"NextToken,omitempty"`
}

// ListTagsForResource lists the tags of a root, OU, account or policy in the order
// of their keys.
//
// It returns a *awserr.Error with code InvalidInputException,
// TargetNotFoundException, AWSOrganizationsNotInUseException or
// AccessDeniedException.
//
// Source: AWS Organizations API Reference, ListTagsForResource.
func (s *Service) ListTagsForResource(ctx context.Context, c *authn.Caller, in *ListTagsForResourceInput) (*ListTagsForResourceOutput, error) {
	return run(ctx, s, c, "ListTagsForResource", reads, func(call *authz.Call) (*ListTagsForResourceOutput, error) {
		call.Param("resourceId", in.ResourceID)
		var v checker
		v.taggable(in.ResourceID)
		v.page(nil, in.NextToken)
		if err := v.err(); err != nil {
			return nil, err
		}
		o, err := s.use(ctx, call, c, "ListTagsForResource", management, nil, s.taggable(ctx, in.ResourceID))
		if err != nil {
			return nil, err
		}
		tags, err := s.orgs.Tags(ctx, o.ID, in.ResourceID)
		if err != nil {
			return nil, err
		}
		list := []Tag{}
		for _, t := range tags {
			list = append(list, Tag{t.Key, t.Value})
		}
		out := new(ListTagsForResourceOutput)
		out.Tags, out.NextToken, err = cut(list, func(t Tag) string { return t.Key }, "tags", nil, in.NextToken)
		return out, err
	})
}
