package object

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"coffer/internal/keyblob"
	"coffer/internal/meta"
)

// ErrRetired means that content was to come under material of a KMS key that is about
// to be destroyed, or was. Sealed anew, it comes under the key's present material.
var ErrRetired = errors.New("object: the key material is retired")

// retiredRow is where the materials of a key lie that nothing may come under.
func retiredRow(keyARN string) []byte { return row(rowRetired, escape(keyARN)) }

// material returns what material of its KMS key w is wrapped under, if of one.
func (w *Wrap) material() (id keyblob.MaterialID, ok bool) {
	if w.KeyARN == "" {
		return id, false
	}
	h, err := keyblob.Parse(w.KeyBlob)
	return h.Material, err == nil
}

// retired returns the retired materials of a key.
func retired(r meta.Reader, keyARN string) (ids []keyblob.MaterialID, err error) {
	err = get(r, retiredRow(keyARN), &ids)
	if errors.Is(err, meta.ErrNotFound) {
		err = nil
	}
	return ids, err
}

// admit returns ErrRetired if nothing may come under w any more. It belongs in the
// transaction that writes content.
func admit(r meta.Reader, w *Wrap) error {
	id, ok := w.material()
	if !ok {
		return nil
	}
	ids, err := retired(r, w.KeyARN)
	if err == nil && slices.Contains(ids, id) {
		err = ErrRetired
	}
	return err
}

// IsRetired reports whether nothing may come under a blob of a key any more.
func (s *Store) IsRetired(ctx context.Context, keyARN string, blob []byte) (bool, error) {
	err := s.meta.View(ctx, func(r meta.Reader) error { return admit(r, &Wrap{KeyARN: keyARN, KeyBlob: blob}) })
	if errors.Is(err, ErrRetired) {
		return true, nil
	}
	return false, err
}

// Retire lets nothing come under these materials of a key any more, from its return
// on: whatever is under them by then, the index leads to. Nothing that is there
// changes.
func (s *Store) Retire(ctx context.Context, keyARN string, materials []keyblob.MaterialID) error {
	return s.setRetired(ctx, keyARN, func(ids []keyblob.MaterialID) []keyblob.MaterialID {
		for _, id := range materials {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
		return ids
	})
}

// Unretire takes Retire back.
func (s *Store) Unretire(ctx context.Context, keyARN string, materials []keyblob.MaterialID) error {
	return s.setRetired(ctx, keyARN, func(ids []keyblob.MaterialID) []keyblob.MaterialID {
		return slices.DeleteFunc(ids, func(id keyblob.MaterialID) bool { return slices.Contains(materials, id) })
	})
}

func (s *Store) setRetired(ctx context.Context, keyARN string, change func([]keyblob.MaterialID) []keyblob.MaterialID) error {
	return s.meta.Update(ctx, func(txn meta.Txn) error {
		ids, err := retired(txn, keyARN)
		if err != nil {
			return err
		}
		if ids = change(ids); len(ids) == 0 {
			return txn.Delete(retiredRow(keyARN))
		}
		return put(txn, retiredRow(keyARN), ids)
	})
}

// EachUnder calls fn for every version and upload whose present wrap is under one of
// these materials of a key.
func (s *Store) EachUnder(ctx context.Context, keyARN string, materials []keyblob.MaterialID, fn func(*Use) error) error {
	return s.EachUse(ctx, keyARN, func(u *Use) error {
		if u.IsDamaged {
			return fn(u) // it may be
		}
		var under bool
		err := s.meta.View(ctx, func(r meta.Reader) error {
			w, err := wrapOf(r, u)
			if err != nil || w == nil {
				under = false
				return err
			}
			id, ok := w.material()
			under = ok && slices.Contains(materials, id)
			return nil
		})
		if err != nil || !under {
			return err
		}
		return fn(u)
	})
}

// wrapOf returns the present wrap of a use, nil if that is gone.
func wrapOf(r meta.Reader, u *Use) (*Wrap, error) {
	b := &Bucket{ID: u.id, Name: u.Bucket}
	if u.IsUpload {
		up, err := uploadAt(r, b, u.Key, u.VersionID)
		if errors.Is(err, ErrNoSuchUpload) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return &up.Wrap, nil
	}
	v, err := versionAt(r, b, u.Key, u.seq)
	if errors.Is(err, meta.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &v.Content.Wrap, nil
}

// ForgetWrapsUnder removes the replaced wraps under these materials of a key, which
// were destroyed, from the versions that keep them for the recovery window.
func (s *Store) ForgetWrapsUnder(ctx context.Context, keyARN string, materials []keyblob.MaterialID) error {
	return s.EachUse(ctx, keyARN, func(u *Use) error {
		return s.forgetWraps(ctx, u, func(w *Wrap) bool {
			id, ok := w.material()
			return ok && w.KeyARN == keyARN && slices.Contains(materials, id)
		})
	})
}

// IsPlace reports whether after can be the end of a page of PageUnder.
func IsPlace(keyARN string, after []byte) bool {
	return after == nil || len(after) <= maxPlace && bytes.HasPrefix(after, underPrefix(keyARN))
}

// maxPlace is above the longest row key of the index, in bytes.
const maxPlace = 8 << 10

// PageUnder calls fn for what of up to limit index rows of a key, from behind after
// on, is wrapped under the key now, with the material. It returns where to go on, nil
// at the end.
func (s *Store) PageUnder(ctx context.Context, keyARN string, after []byte, limit int, fn func(*Use, keyblob.MaterialID)) (next []byte, err error) {
	type under struct {
		use *Use
		id  keyblob.MaterialID
	}
	var page []under
	err = s.meta.View(ctx, func(r meta.Reader) (err error) {
		page = page[:0]
		next, err = Uses(r, keyARN, after, limit, func(u *Use) error {
			if u.IsDamaged {
				page = append(page, under{use: u})
				return nil
			}
			w, err := wrapOf(r, u)
			if err != nil || w == nil || w.KeyARN != keyARN {
				return err
			}
			id, _ := w.material()
			page = append(page, under{u, id})
			return nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, p := range page {
		fn(p.use, p.id)
	}
	return next, nil
}
