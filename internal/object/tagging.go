package object

import (
	"context"
	"errors"
	"fmt"

	"coffer/internal/meta"
)

// Find returns the version of key that versionID names, or the current one if
// it is empty. A delete marker is returned with ErrIsMarker. Of a bucket that is
// gone nothing is found: rows are named for its ID, which no other bucket gets.
func (s *Store) Find(ctx context.Context, b *Bucket, key, versionID string) (*Version, error) {
	var v *Version
	err := s.meta.View(ctx, func(r meta.Reader) (err error) {
		if v, err = findOrCurrent(r, b, key, versionID); err != nil {
			return err
		}
		if v.Content.PartCount == 0 && v.Content.Blob == "" && !v.IsMarker {
			v.body, err = r.Get(contentRow(v.Content.ID))
			if errors.Is(err, meta.ErrNotFound) {
				err = fmt.Errorf("%w: body of %s of %q is missing", meta.ErrCorrupt, v.ID, key)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if v.IsMarker {
		return v, ErrIsMarker
	}
	return v, nil
}

func findOrCurrent(r meta.Reader, b *Bucket, key, versionID string) (*Version, error) {
	h, err := headOf(r, b.ID, key)
	if err != nil {
		return nil, err
	}
	if versionID != "" {
		return find(r, b, key, h, versionID)
	}
	if h == nil {
		return nil, ErrNoSuchKey
	}
	v, err := namedVersion(r, b, key, h.Seq)
	if err != nil {
		return nil, err
	}
	v.IsLatest = true
	return v, nil
}

// SetTags replaces the tags of the version that was found as v.
func (s *Store) SetTags(ctx context.Context, b *Bucket, v *Version, tags []Tag, record Record) error {
	return s.meta.Update(ctx, func(txn meta.Txn) error {
		now, err := s.again(txn, b, v)
		if err != nil {
			return err
		}
		now.Tags = tags
		if err := put(txn, versionRow(b.ID, v.Key, v.Seq), now); err != nil {
			return err
		}
		return record(txn)
	})
}

// again reads v once more inside a transaction. It returns ErrChanged if the
// version is gone or another stands in its place.
func (s *Store) again(txn meta.Txn, b *Bucket, v *Version) (*Version, error) {
	if _, err := s.current(txn, b); err != nil {
		return nil, err
	}
	h, err := headOf(txn, b.ID, v.Key)
	if err != nil {
		return nil, err
	}
	if h == nil {
		return nil, ErrChanged
	}
	now, err := find(txn, b, v.Key, h, v.ID)
	if err != nil && !errors.Is(err, ErrNoSuchVersion) {
		return nil, err
	}
	if err != nil || now.Seq != v.Seq || now.Content.ID != v.Content.ID {
		return nil, ErrChanged
	}
	return now, nil
}
