package iam

import (
	"context"
	"slices"
	"strings"

	"coffer/internal/authn"
	"coffer/internal/identity"
)

// checkTags refuses tags that can't be set together, or not by a client. The keys
// of IAM's tags differ in more than case.
//
// Source: IAM User Guide, "Tags for AWS Identity and Access Management resources",
// read 2026-11-21.
func checkTags(tags []Tag) error {
	seen := make(map[string]bool)
	for _, t := range tags {
		key := strings.ToLower(t.Key)
		if seen[key] {
			return fault(400, "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		seen[key] = true
	}
	return checkTagKeys(each(tags, func(t Tag) string { return t.Key }))
}

func checkTagKeys(keys []string) error {
	if slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(strings.ToLower(k), "aws:") }) {
		return fault(400, "InvalidInput", "Tag keys that start with aws: are reserved.")
	}
	return nil
}

// tag authorizes the setting of tags on t and sets them.
func (o *op) tag(ctx context.Context, t *target, tags []Tag, set func([]identity.Tag) error) error {
	if err := checkTags(tags); err != nil {
		return err
	}
	if err := o.use(ctx, t, requestKeys(tags)); err != nil {
		return err
	}
	return t.about(set(each(tags, keepTag)))
}

// untag authorizes the removal of tags of t and removes them.
func (o *op) untag(ctx context.Context, t *target, keys []string, remove func() error) error {
	if err := checkTagKeys(keys); err != nil {
		return err
	}
	if err := o.use(ctx, t, map[string][]string{"aws:tagkeys": keys}); err != nil {
		return err
	}
	return t.about(remove())
}

// listTags authorizes the listing of the tags of t, and returns a page of them in
// the order of their keys.
func (o *op) listTags(ctx context.Context, t *target, p *Paging) ([]Tag, Paged, error) {
	if err := o.use(ctx, t); err != nil {
		return nil, Paged{}, err
	}
	all := slices.SortedFunc(slices.Values(t.tags), func(a, b identity.Tag) int {
		return strings.Compare(strings.ToLower(a.Key), strings.ToLower(b.Key))
	})
	page, more, err := cut(p, "tags", all, func(t identity.Tag) string { return t.Key })
	return each(page, showTag), more, err
}

// TagUserInput is the request of [Service.TagUser].
type TagUserInput struct {
	UserName string
	Tags     []Tag
}

// TagUser sets tags of a user, each anew or over its old value.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput,
// AccessDenied, NoSuchEntity or LimitExceeded.
//
// Source: IAM API Reference, TagUser, read 2026-11-21.
func (s *Service) TagUser(ctx context.Context, c *authn.Caller, in *TagUserInput) error {
	return do(ctx, s, c, "TagUser", in, func(v *checker) {
		v.name("userName", in.UserName, 128)
		v.list("tags", in.Tags == nil)
		v.tags(in.Tags)
	}, func(o *op) error {
		t, err := s.findUser(ctx, o, in.UserName)
		if err != nil {
			return err
		}
		return o.tag(ctx, t, in.Tags, func(tags []identity.Tag) error {
			return s.identity.TagEntity(ctx, t.entity(o), tags, o.Record)
		})
	})
}

// UntagUserInput is the request of [Service.UntagUser].
type UntagUserInput struct {
	UserName string
	TagKeys  []string
}

// UntagUser removes tags of a user; a missing one is not an error. Its
// errors are those of [Service.TagUser].
//
// Source: IAM API Reference, UntagUser, read 2026-11-21.
func (s *Service) UntagUser(ctx context.Context, c *authn.Caller, in *UntagUserInput) error {
	return do(ctx, s, c, "UntagUser", in, func(v *checker) {
		v.name("userName", in.UserName, 128)
		v.tagKeys(in.TagKeys)
	}, func(o *op) error {
		t, err := s.findUser(ctx, o, in.UserName)
		if err != nil {
			return err
		}
		return o.untag(ctx, t, in.TagKeys, func() error {
			return s.identity.UntagEntity(ctx, t.entity(o), in.TagKeys, o.Record)
		})
	})
}

// ListUserTagsInput is the request of [Service.ListUserTags].
type ListUserTagsInput struct {
	UserName string
	Paging
}

// ListUserTagsOutput is the answer of [Service.ListUserTags].
type ListUserTagsOutput struct {
	Tags []Tag
	Paged
}

// ListUserTags lists the tags of a user in the order of their keys.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, ListUserTags, read 2026-11-21.
func (s *Service) ListUserTags(ctx context.Context, c *authn.Caller, in *ListUserTagsInput) (*ListUserTagsOutput, error) {
	return run(ctx, s, c, "ListUserTags", in, func(v *checker) {
		v.name("userName", in.UserName, 128)
		v.page(&in.Paging)
	}, func(o *op) (*ListUserTagsOutput, error) {
		t, err := s.findUser(ctx, o, in.UserName)
		if err != nil {
			return nil, err
		}
		tags, more, err := o.listTags(ctx, t, &in.Paging)
		return &ListUserTagsOutput{tags, more}, err
	})
}

// TagRoleInput is the request of [Service.TagRole].
type TagRoleInput struct {
	RoleName string
	Tags     []Tag
}

// TagRole sets tags of a role, each anew or over its old value.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput,
// AccessDenied, NoSuchEntity, UnmodifiableEntity or LimitExceeded.
//
// Source: IAM API Reference, TagRole, read 2026-11-21.
func (s *Service) TagRole(ctx context.Context, c *authn.Caller, in *TagRoleInput) error {
	return do(ctx, s, c, "TagRole", in, func(v *checker) {
		v.name("roleName", in.RoleName, maxRoleName)
		v.list("tags", in.Tags == nil)
		v.tags(in.Tags)
	}, func(o *op) error {
		t, err := s.findRole(ctx, o, in.RoleName)
		if err != nil {
			return err
		}
		return o.tag(ctx, t, in.Tags, func(tags []identity.Tag) error {
			return s.identity.TagEntity(ctx, t.entity(o), tags, o.Record)
		})
	})
}

// UntagRoleInput is the request of [Service.UntagRole].
type UntagRoleInput struct {
	RoleName string
	TagKeys  []string
}

// UntagRole removes tags of a role; a missing one is not an error. Its
// errors are those of [Service.TagRole].
//
// Source: IAM API Reference, UntagRole, read 2026-11-21.
func (s *Service) UntagRole(ctx context.Context, c *authn.Caller, in *UntagRoleInput) error {
	return do(ctx, s, c, "UntagRole", in, func(v *checker) {
		v.name("roleName", in.RoleName, maxRoleName)
		v.tagKeys(in.TagKeys)
	}, func(o *op) error {
		t, err := s.findRole(ctx, o, in.RoleName)
		if err != nil {
			return err
		}
		return o.untag(ctx, t, in.TagKeys, func() error {
			return s.identity.UntagEntity(ctx, t.entity(o), in.TagKeys, o.Record)
		})
	})
}

// ListRoleTagsInput is the request of [Service.ListRoleTags].
type ListRoleTagsInput struct {
	RoleName string
	Paging
}

// ListRoleTagsOutput is the answer of [Service.ListRoleTags].
type ListRoleTagsOutput struct {
	Tags []Tag
	Paged
}

// ListRoleTags lists the tags of a role in the order of their keys.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, ListRoleTags, read 2026-11-21.
func (s *Service) ListRoleTags(ctx context.Context, c *authn.Caller, in *ListRoleTagsInput) (*ListRoleTagsOutput, error) {
	return run(ctx, s, c, "ListRoleTags", in, func(v *checker) {
		v.name("roleName", in.RoleName, maxRoleName)
		v.page(&in.Paging)
	}, func(o *op) (*ListRoleTagsOutput, error) {
		t, err := s.findRole(ctx, o, in.RoleName)
		if err != nil {
			return nil, err
		}
		tags, more, err := o.listTags(ctx, t, &in.Paging)
		return &ListRoleTagsOutput{tags, more}, err
	})
}

// TagPolicyInput is the request of [Service.TagPolicy].
type TagPolicyInput struct {
	PolicyARN string `query:"PolicyArn"`
	Tags      []Tag
}

// TagPolicy sets tags of a managed policy, each anew or over its old value.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput,
// AccessDenied, NoSuchEntity or LimitExceeded.
//
// Source: IAM API Reference, TagPolicy, read 2026-11-21.
func (s *Service) TagPolicy(ctx context.Context, c *authn.Caller, in *TagPolicyInput) error {
	return do(ctx, s, c, "TagPolicy", in, func(v *checker) {
		v.arn("policyArn", in.PolicyARN)
		v.list("tags", in.Tags == nil)
		v.tags(in.Tags)
	}, func(o *op) error {
		t, err := s.findPolicy(ctx, o, in.PolicyARN)
		if err != nil {
			return err
		}
		return o.tag(ctx, t, in.Tags, func(tags []identity.Tag) error {
			return s.identity.TagPolicy(ctx, c.Account, t.arn, tags, o.Record)
		})
	})
}

// UntagPolicyInput is the request of [Service.UntagPolicy].
type UntagPolicyInput struct {
	PolicyARN string `query:"PolicyArn"`
	TagKeys   []string
}

// UntagPolicy removes tags of a managed policy; a missing one is not an error. Its
// errors are those of [Service.TagPolicy].
//
// Source: IAM API Reference, UntagPolicy, read 2026-11-21.
func (s *Service) UntagPolicy(ctx context.Context, c *authn.Caller, in *UntagPolicyInput) error {
	return do(ctx, s, c, "UntagPolicy", in, func(v *checker) {
		v.arn("policyArn", in.PolicyARN)
		v.tagKeys(in.TagKeys)
	}, func(o *op) error {
		t, err := s.findPolicy(ctx, o, in.PolicyARN)
		if err != nil {
			return err
		}
		return o.untag(ctx, t, in.TagKeys, func() error {
			return s.identity.UntagPolicy(ctx, c.Account, t.arn, in.TagKeys, o.Record)
		})
	})
}

// ListPolicyTagsInput is the request of [Service.ListPolicyTags].
type ListPolicyTagsInput struct {
	PolicyARN string `query:"PolicyArn"`
	Paging
}

// ListPolicyTagsOutput is the answer of [Service.ListPolicyTags].
type ListPolicyTagsOutput struct {
	Tags []Tag
	Paged
}

// ListPolicyTags lists the tags of a managed policy in the order of their keys.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, ListPolicyTags, read 2026-11-21.
func (s *Service) ListPolicyTags(ctx context.Context, c *authn.Caller, in *ListPolicyTagsInput) (*ListPolicyTagsOutput, error) {
	return run(ctx, s, c, "ListPolicyTags", in, func(v *checker) {
		v.arn("policyArn", in.PolicyARN)
		v.page(&in.Paging)
	}, func(o *op) (*ListPolicyTagsOutput, error) {
		t, err := s.findPolicy(ctx, o, in.PolicyARN)
		if err != nil {
			return nil, err
		}
		tags, more, err := o.listTags(ctx, t, &in.Paging)
		return &ListPolicyTagsOutput{tags, more}, err
	})
}

// TagOpenIDConnectProviderInput is the request of [Service.TagOpenIDConnectProvider].
type TagOpenIDConnectProviderInput struct {
	OpenIDConnectProviderARN string `query:"OpenIDConnectProviderArn"`
	Tags                     []Tag
}

// TagOpenIDConnectProvider sets tags of an identity provider, each anew or over its old value.
//
// It returns a *awserr.Error with code ValidationError, InvalidInput,
// AccessDenied, NoSuchEntity or LimitExceeded.
//
// Source: IAM API Reference, TagOpenIDConnectProvider, read 2026-11-21.
func (s *Service) TagOpenIDConnectProvider(ctx context.Context, c *authn.Caller, in *TagOpenIDConnectProviderInput) error {
	return do(ctx, s, c, "TagOpenIDConnectProvider", in, func(v *checker) {
		v.arn("openIDConnectProviderArn", in.OpenIDConnectProviderARN)
		v.list("tags", in.Tags == nil)
		v.tags(in.Tags)
	}, func(o *op) error {
		t, err := s.findProvider(ctx, o, in.OpenIDConnectProviderARN)
		if err != nil {
			return err
		}
		return o.tag(ctx, t, in.Tags, func(tags []identity.Tag) error {
			return s.identity.TagProvider(ctx, c.Account, t.arn, tags, o.Record)
		})
	})
}

// UntagOpenIDConnectProviderInput is the request of [Service.UntagOpenIDConnectProvider].
type UntagOpenIDConnectProviderInput struct {
	OpenIDConnectProviderARN string `query:"OpenIDConnectProviderArn"`
	TagKeys                  []string
}

// UntagOpenIDConnectProvider removes tags of an identity provider; a missing one is not an error. Its
// errors are those of [Service.TagOpenIDConnectProvider].
//
// Source: IAM API Reference, UntagOpenIDConnectProvider, read 2026-11-21.
func (s *Service) UntagOpenIDConnectProvider(ctx context.Context, c *authn.Caller, in *UntagOpenIDConnectProviderInput) error {
	return do(ctx, s, c, "UntagOpenIDConnectProvider", in, func(v *checker) {
		v.arn("openIDConnectProviderArn", in.OpenIDConnectProviderARN)
		v.tagKeys(in.TagKeys)
	}, func(o *op) error {
		t, err := s.findProvider(ctx, o, in.OpenIDConnectProviderARN)
		if err != nil {
			return err
		}
		return o.untag(ctx, t, in.TagKeys, func() error {
			return s.identity.UntagProvider(ctx, c.Account, t.arn, in.TagKeys, o.Record)
		})
	})
}

// ListOpenIDConnectProviderTagsInput is the request of [Service.ListOpenIDConnectProviderTags].
type ListOpenIDConnectProviderTagsInput struct {
	OpenIDConnectProviderARN string `query:"OpenIDConnectProviderArn"`
	Paging
}

// ListOpenIDConnectProviderTagsOutput is the answer of [Service.ListOpenIDConnectProviderTags].
type ListOpenIDConnectProviderTagsOutput struct {
	Tags []Tag
	Paged
}

// ListOpenIDConnectProviderTags lists the tags of an identity provider in the order of their keys.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, ListOpenIDConnectProviderTags, read 2026-11-21.
func (s *Service) ListOpenIDConnectProviderTags(ctx context.Context, c *authn.Caller, in *ListOpenIDConnectProviderTagsInput) (*ListOpenIDConnectProviderTagsOutput, error) {
	return run(ctx, s, c, "ListOpenIDConnectProviderTags", in, func(v *checker) {
		v.arn("openIDConnectProviderArn", in.OpenIDConnectProviderARN)
		v.page(&in.Paging)
	}, func(o *op) (*ListOpenIDConnectProviderTagsOutput, error) {
		t, err := s.findProvider(ctx, o, in.OpenIDConnectProviderARN)
		if err != nil {
			return nil, err
		}
		tags, more, err := o.listTags(ctx, t, &in.Paging)
		return &ListOpenIDConnectProviderTagsOutput{tags, more}, err
	})
}
