package rolesanywhere

import (
	"context"
	"errors"
	"slices"
	"strings"

	"coffer/internal/anchor"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/policy"
)

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

// header returns what all resources have, or nil for one that is missing.
func (s *Service) header(ctx context.Context, p anchor.Place, kind anchor.Kind, id string) (*anchor.Header, error) {
	switch kind {
	case anchor.KindTrustAnchor:
		t, err := s.anchors.TrustAnchor(ctx, p, id)
		if err == nil {
			return &t.Header, nil
		}
		return nil, unless(err, anchor.ErrNoTrustAnchor)
	case anchor.KindProfile:
		r, err := s.anchors.Profile(ctx, p, id)
		if err == nil {
			return &r.Header, nil
		}
		return nil, unless(err, anchor.ErrNoProfile)
	}
	l, err := s.anchors.CRL(ctx, p, id)
	if err == nil {
		return &l.Header, nil
	}
	return nil, unless(err, anchor.ErrNoCRL)
}

// unless returns err, and nil if it is expected.
func unless(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// tagged checks an ARN whose tags are asked for, and authorizes the action on it.
func (s *Service) tagged(ctx context.Context, call *authz.Call, c *authn.Caller, action, resource string, v *checker, keys policy.MapContext) (kind anchor.Kind, id string, err error) {
	call.Param("resourceArn", resource)
	if strings.Contains(resource, ":subject/") {
		return "", "", NotImplemented("Subjects are not implemented by this server.")
	}
	p, kind, id, ok := parseARN(resource)
	if !ok || p != place(c) {
		v.add("resourceArn must be the ARN of a trust anchor, a profile or a revocation list of the account and region.")
	}
	if err := v.err(); err != nil {
		return "", "", err
	}
	return kind, id, s.ask(ctx, call, c, action, kind, id, keys)
}

// TagResourceInput is the request of [Service.TagResource].
type TagResourceInput struct {
	ResourceARN string `json:"resourceArn"`
	Tags        []Tag  `json:"tags"`
}

// TagResourceOutput is the answer of [Service.TagResource].
type TagResourceOutput struct{}

// TagResource sets tags, each anew or over its old value.
//
// It returns a *awserr.Error with code ValidationException,
// ResourceNotFoundException, TooManyTagsException or AccessDeniedException.
//
// Source: IAM Roles Anywhere API Reference, TagResource.
func (s *Service) TagResource(ctx context.Context, c *authn.Caller, in *TagResourceInput) (*TagResourceOutput, error) {
	return run(ctx, s, c, "TagResource", changes, func(call *authz.Call) (*TagResourceOutput, error) {
		paramTags(call, in.Tags)
		var v checker
		if in.Tags == nil {
			v.add("tags must be given.")
		}
		v.tags(in.Tags)
		kind, id, err := s.tagged(ctx, call, c, "TagResource", in.ResourceARN, &v, tagKeys(in.Tags))
		if err != nil {
			return nil, err
		}
		err = s.anchors.Retag(ctx, kind, place(c), id, func(old []anchor.Tag) []anchor.Tag {
			for _, t := range in.Tags {
				old = slices.DeleteFunc(old, func(o anchor.Tag) bool { return o.Key == t.Key })
				old = append(old, anchor.Tag{Key: t.Key, Value: t.Value})
			}
			return old
		}, call.Record)
		if err != nil {
			return nil, err
		}
		return &TagResourceOutput{}, nil
	})
}

// UntagResourceInput is the request of [Service.UntagResource].
type UntagResourceInput struct {
	ResourceARN string   `json:"resourceArn"`
	TagKeys     []string `json:"tagKeys"`
}

// UntagResourceOutput is the answer of [Service.UntagResource].
type UntagResourceOutput struct{}

// UntagResource removes tags; a missing one is not an error. Its errors are those of
// [Service.TagResource].
//
// Source: IAM Roles Anywhere API Reference, UntagResource.
func (s *Service) UntagResource(ctx context.Context, c *authn.Caller, in *UntagResourceInput) (*UntagResourceOutput, error) {
	return run(ctx, s, c, "UntagResource", changes, func(call *authz.Call) (*UntagResourceOutput, error) {
		call.Param("tagKeys", in.TagKeys)
		var v checker
		if in.TagKeys == nil {
			v.add("tagKeys must be given.")
		}
		v.tagKeys(in.TagKeys)
		kind, id, err := s.tagged(ctx, call, c, "UntagResource", in.ResourceARN, &v, policy.MapContext{"aws:tagkeys": in.TagKeys})
		if err != nil {
			return nil, err
		}
		err = s.anchors.Retag(ctx, kind, place(c), id, func(old []anchor.Tag) []anchor.Tag {
			return slices.DeleteFunc(old, func(o anchor.Tag) bool { return slices.Contains(in.TagKeys, o.Key) })
		}, call.Record)
		if err != nil {
			return nil, err
		}
		return &UntagResourceOutput{}, nil
	})
}

// ListTagsForResourceInput is the request of [Service.ListTagsForResource].
type ListTagsForResourceInput struct {
	ResourceARN string `json:"resourceArn"`
}

// ListTagsForResourceOutput is the answer of [Service.ListTagsForResource].
type ListTagsForResourceOutput struct {
	Tags []Tag `json:"tags"`
}

// ListTagsForResource lists the tags of a resource.
//
// It returns a *awserr.Error with code ValidationException,
// ResourceNotFoundException or AccessDeniedException.
//
// Source: IAM Roles Anywhere API Reference, ListTagsForResource.
func (s *Service) ListTagsForResource(ctx context.Context, c *authn.Caller, in *ListTagsForResourceInput) (*ListTagsForResourceOutput, error) {
	return run(ctx, s, c, "ListTagsForResource", reads, func(call *authz.Call) (*ListTagsForResourceOutput, error) {
		var v checker
		kind, id, err := s.tagged(ctx, call, c, "ListTagsForResource", in.ResourceARN, &v, nil)
		if err != nil {
			return nil, err
		}
		h, err := s.header(ctx, place(c), kind, id)
		if err != nil {
			return nil, err
		}
		if h == nil {
			return nil, map[anchor.Kind]error{anchor.KindTrustAnchor: anchor.ErrNoTrustAnchor, anchor.KindProfile: anchor.ErrNoProfile, anchor.KindCRL: anchor.ErrNoCRL}[kind]
		}
		out := &ListTagsForResourceOutput{Tags: []Tag{}}
		for _, t := range h.Tags {
			out.Tags = append(out.Tags, Tag{t.Key, t.Value})
		}
		return out, nil
	})
}
