package object

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"coffer/internal/meta"
)

// A DeleteCondition holds what must be true of the version that a deletion
// would remove or hide; zero fields ask for nothing.
type DeleteCondition struct {
	IfMatch  string // ETag, or "*": exists
	Modified int64  // Unix seconds
	Size     *int64
}

func (c DeleteCondition) isZero() bool { return c.IfMatch == "" && c.Modified == 0 && c.Size == nil }

func (c DeleteCondition) holds(v *Version) bool {
	if v == nil || v.IsMarker {
		return c.isZero()
	}
	if c.IfMatch != "" && c.IfMatch != "*" && strings.Trim(c.IfMatch, `"`) != v.ETag {
		return false
	}
	if c.Modified != 0 && c.Modified != v.LastModified().Unix() {
		return false
	}
	return c.Size == nil || *c.Size == v.Size()
}

// Deleted is what a deletion did.
type Deleted struct {
	VersionID string // that was removed, or of the marker that was made
	IsMarker  bool   // a marker was removed or made
}

// Delete deletes the object at key as S3 does: without a version id it removes
// the null version in a bucket without versioning, and makes a delete marker
// otherwise; with one it removes that version for ever. Deleting what is not
// there is no error, unless cond asks for something.
//
// The function record is told what was done, inside the transaction.
func (s *Store) Delete(ctx context.Context, b *Bucket, key, versionID string, cond DeleteCondition, record func(meta.Txn, Deleted) error) (Deleted, error) {
	var done Deleted
	err := s.meta.Update(ctx, func(txn meta.Txn) error {
		done = Deleted{}
		now, err := s.current(txn, b)
		if err != nil {
			return err
		}
		if versionID == "" {
			done, err = s.hide(txn, now, key, cond)
		} else {
			done, err = s.remove(txn, now, key, versionID, cond)
		}
		if err != nil {
			return err
		}
		return record(txn, done)
	})
	if err != nil {
		return Deleted{}, fmt.Errorf("delete %q: %w", key, err)
	}
	return done, nil
}

// hide deletes the current version of key without naming a version.
func (s *Store) hide(txn meta.Txn, b *Bucket, key string, cond DeleteCondition) (Deleted, error) {
	h, err := headOf(txn, b.ID, key)
	if err != nil {
		return Deleted{}, err
	}
	if !cond.isZero() {
		var v *Version
		if h != nil {
			if v, err = namedVersion(txn, b, key, h.Seq); err != nil {
				return Deleted{}, err
			}
		}
		switch {
		case v == nil || v.IsMarker:
			return Deleted{}, ErrNoSuchKey
		case !cond.holds(v):
			return Deleted{}, ErrPrecondition
		}
	}
	if b.Versioning == NeverVersioned {
		if h == nil {
			return Deleted{}, nil
		}
		return Deleted{}, s.dropVersion(txn, b, key, h, h.Seq)
	}
	v := &Version{IsMarker: true, Modified: s.millis(), ID: NullVersion}
	if err := s.place(txn, b, key, h, v, nil); err != nil {
		return Deleted{}, err
	}
	return Deleted{VersionID: v.ID, IsMarker: true}, nil
}

// remove removes one version for ever.
func (s *Store) remove(txn meta.Txn, b *Bucket, key, versionID string, cond DeleteCondition) (Deleted, error) {
	done := Deleted{VersionID: versionID}
	h, err := headOf(txn, b.ID, key)
	if err != nil {
		return Deleted{}, err
	}
	v, err := find(txn, b, key, h, versionID)
	if errors.Is(err, ErrNoSuchVersion) {
		if !cond.isZero() {
			return Deleted{}, err
		}
		return done, nil
	}
	if err != nil {
		return Deleted{}, err
	}
	if !cond.holds(v) {
		return Deleted{}, ErrPrecondition
	}
	done.IsMarker = v.IsMarker
	return done, s.dropVersion(txn, b, key, h, v.Seq)
}

// find returns the version of key with that id. The head h may be nil.
func find(r meta.Reader, b *Bucket, key string, h *head, versionID string) (*Version, error) {
	if h == nil {
		if _, ok := seqOf(versionID); !ok && versionID != NullVersion {
			return nil, ErrInvalidVersionID
		}
		return nil, ErrNoSuchVersion
	}
	seq := h.NullSeq
	if versionID != NullVersion {
		var ok bool
		if seq, ok = seqOf(versionID); !ok {
			return nil, ErrInvalidVersionID
		}
	}
	if seq == 0 {
		return nil, ErrNoSuchVersion
	}
	if versionID == NullVersion {
		v, err := namedVersion(r, b, key, seq)
		if err == nil {
			v.IsLatest = seq == h.Seq
		}
		return v, err
	}
	v, err := versionAt(r, b, key, seq)
	if errors.Is(err, meta.ErrNotFound) || err == nil && v.ID != versionID {
		return nil, ErrNoSuchVersion
	}
	if err != nil {
		return nil, err
	}
	v.IsLatest = seq == h.Seq
	return v, nil
}

// dropVersion removes the version at seq and its content, and moves the head to
// the newest that remains.
func (s *Store) dropVersion(txn meta.Txn, b *Bucket, key string, h *head, seq uint64) error {
	v, err := namedVersion(txn, b, key, seq)
	if err != nil {
		return err
	}
	if err := s.discard(txn, &v.Content); err != nil {
		return err
	}
	if err := unindex(txn, v); err != nil {
		return err
	}
	if err := txn.Delete(versionRow(b.ID, key, seq)); err != nil {
		return err
	}
	if h.NullSeq == seq {
		h.NullSeq = 0
	}
	if h.Seq != seq {
		return putHead(txn, b, key, h)
	}
	next, err := newestBelow(txn, b, key, seq)
	if err != nil {
		return err
	}
	if next == nil {
		return txn.Delete(h.row(b, key))
	}
	if h.marker != next.IsMarker {
		if err := txn.Delete(h.row(b, key)); err != nil {
			return err
		}
	}
	h.show(next)
	return putHead(txn, b, key, h)
}

// place makes v the newest version of key, with body as the sealed body of a
// small object, and removes the null version that it replaces. It sets v.Seq,
// and v.ID unless the caller has chosen one for that sequence number.
func (s *Store) place(txn meta.Txn, b *Bucket, key string, h *head, v *Version, body []byte) error {
	if h == nil {
		h = &head{marker: v.IsMarker}
	}
	if h.LastSeq == math.MaxUint64 {
		return ErrConflict
	}
	old := *h
	h.LastSeq++
	v.Seq = h.LastSeq
	if b.Versioning == Enabled {
		if v.ID == "" || v.ID == NullVersion {
			id, err := s.newVersionID(v.Seq)
			if err != nil {
				return err
			}
			v.ID = id
		}
	} else {
		v.ID = NullVersion
		if h.NullSeq != 0 {
			replaced, err := namedVersion(txn, b, key, h.NullSeq)
			if err != nil {
				return err
			}
			if err := s.discard(txn, &replaced.Content); err != nil {
				return err
			}
			if err := unindex(txn, replaced); err != nil {
				return err
			}
			if err := txn.Delete(versionRow(b.ID, key, h.NullSeq)); err != nil {
				return err
			}
		}
		h.NullSeq = v.Seq
	}
	if old.Seq != 0 && old.marker != v.IsMarker {
		if err := txn.Delete(old.row(b, key)); err != nil {
			return err
		}
	}
	h.show(v)
	if err := putHead(txn, b, key, h); err != nil {
		return err
	}
	if body != nil {
		if err := txn.Put(contentRow(v.Content.ID), body); err != nil {
			return err
		}
	}
	v.Bucket, v.BucketID, v.Key = b.Name, b.ID, key
	if err := index(txn, v); err != nil {
		return err
	}
	return put(txn, versionRow(b.ID, key, v.Seq), v)
}

// show makes h describe v as the current version.
func (h *head) show(v *Version) {
	h.Seq, h.VersionID, h.Modified, h.marker = v.Seq, v.ID, v.Modified, v.IsMarker
	h.Size, h.ETag, h.StorageClass = v.Size(), v.ETag, v.Attributes.StorageClass
	h.Algorithms, h.ChecksumType, h.Owner = v.Sums.Algorithms, v.Sums.Type, v.Owner
}

func (h *head) row(b *Bucket, key string) []byte {
	if h.marker {
		return markerRow(b.ID, key)
	}
	return headRow(b.ID, key)
}

func putHead(txn meta.Txn, b *Bucket, key string, h *head) error {
	return put(txn, h.row(b, key), h)
}
