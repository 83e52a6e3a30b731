package organization

import (
	"context"
	"slices"
	"strings"

	"coffer/internal/meta"
)

const rowTags = "organization/tags/"

// A Tag is a name with a value.
type Tag struct {
	Key   string `cbor:"1,keyasint"`
	Value string `cbor:"2,keyasint"`
}

// setTags writes the tags of a new resource.
func setTags(tx meta.Txn, org, id string, tags []Tag) error {
	if len(tags) > MaxTags {
		return ErrTooManyTags
	}
	if len(tags) == 0 {
		return nil
	}
	return put(tx, tagsKey(org, id), tags)
}

func loadTags(r meta.Reader, org, id string) ([]Tag, error) {
	var tags []Tag
	if err := get(r, tagsKey(org, id), &tags, errNoTags); err != nil && err != errNoTags {
		return nil, err
	}
	return tags, nil
}

var errNoTags = meta.ErrNotFound

// isTaggable returns nil for a root, OU, account or policy of the organization, and
// ErrNoTarget for anything else.
func isTaggable(r meta.Reader, org, id string) error {
	if !isPolicy(id) {
		return isTarget(r, org, id)
	}
	ok, err := has(r, policyKey(org, id))
	if err == nil && !ok {
		err = ErrNoTarget
	}
	return err
}

// Tags returns the tags of a root, OU, account or policy in the order of their
// keys, or ErrNoTarget.
func (s *Store) Tags(ctx context.Context, org, id string) ([]Tag, error) {
	var tags []Tag
	err := s.view(ctx, func(r meta.Reader) (err error) {
		if err := isTaggable(r, org, id); err != nil {
			return err
		}
		tags, err = loadTags(r, org, id)
		return err
	})
	slices.SortFunc(tags, func(a, b Tag) int { return strings.Compare(a.Key, b.Key) })
	return tags, err
}

// Tag sets tags, each anew or over its old value. It returns ErrNoTarget and
// ErrTooManyTags.
func (s *Store) Tag(ctx context.Context, org, id string, tags []Tag, also func(meta.Txn) error) error {
	return s.retag(ctx, org, id, also, func(old []Tag) []Tag {
		for _, t := range tags {
			old = slices.DeleteFunc(old, func(o Tag) bool { return o.Key == t.Key })
			old = append(old, t)
		}
		return old
	})
}

// Untag removes tags; a missing one is not an error. It returns ErrNoTarget.
func (s *Store) Untag(ctx context.Context, org, id string, keys []string, also func(meta.Txn) error) error {
	return s.retag(ctx, org, id, also, func(old []Tag) []Tag {
		return slices.DeleteFunc(old, func(o Tag) bool { return slices.Contains(keys, o.Key) })
	})
}

func (s *Store) retag(ctx context.Context, org, id string, also func(meta.Txn) error, change func([]Tag) []Tag) error {
	return s.update(ctx, func(tx meta.Txn) error {
		if err := isTaggable(tx, org, id); err != nil {
			return err
		}
		tags, err := loadTags(tx, org, id)
		if err != nil {
			return err
		}
		if tags = change(tags); len(tags) > MaxTags {
			return ErrTooManyTags
		}
		if err := put(tx, tagsKey(org, id), tags); err != nil {
			return err
		}
		return also(tx)
	})
}
