package object

import (
	"context"
	"fmt"
	"strings"

	"coffer/internal/checksum"
	"coffer/internal/meta"
	"coffer/internal/sealed"
)

// A WriteCondition is what must be true of the current version of a key for a
// write to happen; empty fields ask for nothing.
type WriteCondition struct {
	IfMatch     string // ETag, quoted or not
	IfNoneMatch string // "*": the key has no current object
}

func (c WriteCondition) check(h *head) error {
	exists := h != nil && !h.marker
	if c.IfNoneMatch != "" && exists {
		return ErrPrecondition
	}
	if c.IfMatch != "" {
		if !exists {
			return ErrNoSuchKey
		}
		if want := strings.Trim(c.IfMatch, `"`); want != "*" && want != h.ETag {
			return ErrPrecondition
		}
	}
	return nil
}

// A Write is an object to be written.
type Write struct {
	Bucket     *Bucket
	Key        string
	Attributes Attributes
	Tags       []Tag
	Owner      string // account; empty means the bucket's
	ACL        *ACL   // nil: the default
	Sealing    *Sealing
	Condition  WriteCondition
	// Record writes the trail's event of the new version, in its transaction,
	// after the caller has decided once more that the write may happen.
	Record func(meta.Txn, *Version) error
}

// Put stores an object from body. When it returns nil, the object is durable
// and visible; when it returns an error, nothing of it is, except that after
// meta.ErrUnavailable the whole object may be there.
func (s *Store) Put(ctx context.Context, w *Write, body *Body) (*Version, map[checksum.Algorithm]string, error) {
	got, err := s.receive(ctx, body, w.Sealing.Mode.Suite(), w.Sealing.Mode == sealed.ModeS3)
	if err != nil {
		return nil, nil, err
	}
	v, err := s.name(ctx, w, got)
	if err != nil {
		s.drop(got)
		return nil, nil, fmt.Errorf("put %q: %w", w.Key, err)
	}
	got.keys.Wipe()
	return v, got.sums(), nil
}

func (b *sealedBody) sums() map[checksum.Algorithm]string {
	return map[checksum.Algorithm]string{b.algorithm: b.algorithm.Encode(b.sum)}
}

// name makes a stored body the newest version of its key.
func (s *Store) name(ctx context.Context, w *Write, got *sealedBody) (*Version, error) {
	wrapper, err := s.newWrapper(ctx, w.Bucket.Account, w.Sealing)
	if err != nil {
		return nil, err
	}
	defer wrapper.wipe()
	etag, err := s.etag(w.Sealing.Mode, got.md5)
	if err != nil {
		return nil, err
	}
	var v *Version
	err = s.meta.Update(ctx, func(txn meta.Txn) error {
		v = &Version{
			ETag: etag, Attributes: w.Attributes, Tags: w.Tags, Owner: w.Owner, ACL: w.ACL, Bucket: w.Bucket.Name, BucketID: w.Bucket.ID, Key: w.Key,
			Content: Content{
				ID: got.content.ID, Suite: got.content.Suite, Commitment: got.content.Commitment,
				Length: got.content.Length, Blob: got.blob,
			},
		}
		return s.placeNew(txn, w, v, got.inline, func() (err error) {
			bind := s.binding(v)
			if v.Content.Wrap, err = wrapper.wrap(got.keys, bind); err != nil {
				return err
			}
			v.Sums, err = keepSums(w.Sealing.Mode, got.keys, &bind, got.sums(), checksum.FullObject)
			return err
		})
	})
	return v, err
}

// placeNew is the transaction of every write: it checks the bucket and the
// condition, chooses the version ID, lets wrap bind the content to it, and
// makes v the newest version.
func (s *Store) placeNew(txn meta.Txn, w *Write, v *Version, inline []byte, wrap func() error) error {
	b, err := s.current(txn, w.Bucket)
	if err != nil {
		return err
	}
	h, err := headOf(txn, b.ID, w.Key)
	if err != nil {
		return err
	}
	if err := w.Condition.check(h); err != nil {
		return err
	}
	v.Modified, v.ID = s.millis(), NullVersion
	if b.Versioning == Enabled {
		seq := uint64(1)
		if h != nil {
			seq = h.LastSeq + 1
		}
		if v.ID, err = s.newVersionID(seq); err != nil {
			return err
		}
	}
	if err := wrap(); err != nil {
		return err
	}
	if v.Content.Blob != "" {
		if err := claim(txn, v.Content.Blob); err != nil {
			return err
		}
	}
	if err := s.place(txn, b, w.Key, h, v, inline); err != nil {
		return err
	}
	v.IsLatest = true
	return w.Record(txn, v)
}
