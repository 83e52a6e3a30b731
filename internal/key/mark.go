package key

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"coffer/internal/meta"
	"coffer/internal/revision"
)

// A materialAt is a material as a caller in one region finds it.
type materialAt struct {
	id     MaterialID
	region string
}

// Due returns up to limit keys whose destruction was cut, then those whose
// deletion date has passed, the longest due first.
func (k *Keys) Due(ctx context.Context, limit int) ([]Ref, error) {
	var out []Ref
	err := k.meta.View(ctx, func(r meta.Reader) error {
		marked, err := marked(r, "", limit)
		if err != nil {
			return err
		}
		due, err := k.due(r, rowDue, limit-len(marked))
		out = marked
		for _, d := range due {
			out = append(out, d.ref)
		}
		return err
	})
	return out, err
}

// A dueRef is a row of an index of keys by date.
type dueRef struct {
	when int64
	ref  Ref
}

// due returns up to limit keys of an index by date whose date has passed.
func (k *Keys) due(r meta.Reader, prefix string, limit int) (out []dueRef, err error) {
	if limit <= 0 {
		return nil, nil
	}
	err = r.Scan(k.untilNow(prefix, limit), func(key, _ []byte) (bool, error) {
		when, ref, err := parseDateKey(prefix, key)
		out = append(out, dueRef{when, ref})
		return true, err
	})
	return out, err
}

// untilNow is the range of an index by date whose dates have passed.
func (k *Keys) untilNow(prefix string, limit int) meta.Range {
	end := binary.BigEndian.AppendUint64([]byte(prefix), uint64(k.now().UnixNano()+1))
	return meta.Range{Start: []byte(prefix), End: end, Limit: limit}
}

// marked returns up to limit keys that are being destroyed, above after.
func marked(r meta.Reader, after string, limit int) (out []Ref, err error) {
	if limit <= 0 {
		return nil, nil
	}
	err = r.Scan(pageAfter([]byte(rowDestroying), after, limit), func(key, _ []byte) (bool, error) {
		ref, err := parsePlace(string(key[len(rowDestroying):]))
		out = append(out, ref)
		return true, err
	})
	return out, err
}

// markDue marks a page of due keys and returns how many due rows it took.
func (k *Keys) markDue(ctx context.Context) (int, error) {
	var refs []Ref
	var gone []materialAt
	n := 0
	err := k.meta.Update(ctx, func(tx meta.Txn) error {
		due, err := k.due(tx, rowDue, pageRows)
		if n, refs = len(due), nil; err != nil || n == 0 {
			return err
		}
		for _, d := range due {
			if err := tx.Delete(dueKey(d.when, d.ref)); err != nil {
				return err
			}
			row, err := getKey(tx, d.ref)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if row.State == PendingDeletion && row.Deletion == d.when {
				refs = append(refs, d.ref)
			}
		}
		gone, err = k.mark(tx, refs)
		return err
	})
	k.forget(refs, gone)
	return n, err
}

// markDueSubjects is markDue for subjects.
func (k *Keys) markDueSubjects(ctx context.Context) (int, error) {
	var ats []subjectAt
	n := 0
	err := k.meta.Update(ctx, func(tx meta.Txn) error {
		type due struct {
			when int64
			at   subjectAt
		}
		var page []due
		ats = nil
		err := tx.Scan(k.untilNow(rowSubjectDue, pageSubjects), func(key, _ []byte) (bool, error) {
			rest := key[len(rowSubjectDue):]
			if len(rest) < 9 {
				return false, fmt.Errorf("%w: %q", meta.ErrCorrupt, key)
			}
			at, err := parseSubjectAt(rest[9:])
			page = append(page, due{int64(binary.BigEndian.Uint64(rest)), at})
			return true, err
		})
		if n = len(page); err != nil || n == 0 {
			return err
		}
		for _, d := range page {
			if err := tx.Delete(subjectDueKey(d.when, d.at)); err != nil {
				return err
			}
			row, err := getSubject(tx, d.at)
			if errors.Is(err, ErrSubjectNotFound) || errors.Is(err, ErrSubjectDestroyed) {
				continue
			}
			if err != nil {
				return err
			}
			if row.State != PendingDeletion || row.Deletion != d.when {
				continue
			}
			if err := markSubject(tx, d.at, row); err != nil {
				return err
			}
			ats = append(ats, d.at)
		}
		return k.markable(tx)
	})
	k.subjects.forget(ats...)
	return n, err
}

// markSubject makes a subject irrevocably unusable.
func markSubject(tx meta.Txn, at subjectAt, row *subjectRow) error {
	if row.Deletion != 0 {
		if err := tx.Delete(subjectDueKey(row.Deletion, at)); err != nil {
			return err
		}
	}
	row.State = destroying
	if err := putRow(tx, at.row(rowSubject), row); err != nil {
		return err
	}
	return tx.Put(at.row(rowShredding), nil)
}

// mark makes keys irrevocably unusable: the first step of their destruction. It
// returns their material.
func (k *Keys) mark(tx meta.Txn, refs []Ref) ([]materialAt, error) {
	var gone []materialAt
	for _, ref := range refs {
		list, err := markKey(tx, ref)
		if err != nil {
			return nil, err
		}
		gone = append(gone, list...)
	}
	return gone, k.markable(tx)
}

// markable ends a transaction that marks. A node whose root is not at the epoch of
// the rows must not begin.
func (k *Keys) markable(tx meta.Txn) error {
	at, err := getRow[epochRow](tx, []byte(rowEpoch))
	if err != nil {
		return err
	}
	if at.Epoch != k.root.Epoch() {
		return fmt.Errorf("%w: rows at epoch %d, root at %d", ErrWrongRoot, at.Epoch, k.root.Epoch())
	}
	return revision.Bump(tx)
}

func markKey(tx meta.Txn, ref Ref) (gone []materialAt, err error) {
	row, err := getRow[keyRow](tx, keyKey(ref))
	if err != nil {
		return nil, err
	}
	for prefix, when := range map[string]int64{rowDue: row.Deletion, rowRotate: row.Rotate, rowExpire: row.Expire} {
		if when == 0 {
			continue
		}
		if err := tx.Delete(dateKey(prefix, when, ref)); err != nil {
			return nil, err
		}
	}
	row.State = destroying
	if err := putRow(tx, keyKey(ref), row); err != nil {
		return nil, err
	}
	if err := tx.Put(destroyingKey(ref), nil); err != nil {
		return nil, err
	}
	err = versions(tx, ref, func(_ uint32, v *versionRow) error {
		gone = append(gone, materialAt{v.Material, ref.Region})
		return nil
	})
	return gone, err
}

// forget drops keys and materials from the caches, also after an error: the
// outcome of the transaction may be unknown.
func (k *Keys) forget(refs []Ref, materials []materialAt) {
	k.keys.forget(refs...)
	k.materials.forget(materials...)
}
