package key

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"coffer/internal/meta"
	"coffer/internal/revision"
)

// A burial removes what was destroyed and writes the tombstones.
type burial struct {
	keys   *Keys
	epoch  uint64 // the first that can't open what is buried
	now    int64
	buried Buried

	done    []Tombstone
	touched []Ref       // keys of which something was removed
	names   []aliasName // that are gone
}

// pages buries list, up to size in one transaction.
func pages[T any](ctx context.Context, b *burial, list []T, size int, bury func(meta.Txn, T) (*Tombstone, error)) error {
	for len(list) > 0 {
		page := list[:min(size, len(list))]
		if err := transact(ctx, b, page, bury); err != nil {
			return fmt.Errorf("bury: %w", err)
		}
		list = list[len(page):]
		if err := b.keys.step("buried"); err != nil {
			return err
		}
	}
	return nil
}

func transact[T any](ctx context.Context, b *burial, page []T, bury func(meta.Txn, T) (*Tombstone, error)) error {
	var out []Tombstone
	b.touched, b.names = nil, nil
	err := b.keys.meta.Update(ctx, func(tx meta.Txn) error {
		out = nil
		at, err := getRow[epochRow](tx, []byte(rowEpoch))
		if err != nil {
			return err
		}
		if at.Epoch != b.epoch {
			return fmt.Errorf("%w: rows at epoch %d, expected %d", ErrWrongRoot, at.Epoch, b.epoch)
		}
		for _, what := range page {
			t, err := bury(tx, what)
			if err != nil {
				return err
			}
			if t == nil {
				continue // it went with its key
			}
			out = append(out, *t)
			if b.buried != nil {
				if err := b.buried(tx, t); err != nil {
					return err
				}
			}
		}
		return revision.Bump(tx)
	})
	b.keys.aliases.forget(b.names...)
	b.keys.keys.forget(b.touched...)
	if err != nil {
		return err
	}
	b.done = append(b.done, out...)
	return nil
}

// dead returns an error unless no leaf of the current epoch is l.
func (b *burial) dead(l leaf) error {
	return b.keys.root.view(func(s *epochState) error {
		if len(s.living([]leaf{l})) > 0 {
			return fmt.Errorf("%w: leaf %v is alive", ErrUnproven, l)
		}
		return nil
	})
}

// key removes the rows of a destroyed key.
func (b *burial) key(tx meta.Txn, ref Ref) (*Tombstone, error) {
	row, err := getRow[keyRow](tx, keyKey(ref))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	others, err := b.leaveRegion(tx, ref, row)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	b.touched = append(b.touched, ref)
	tomb := tombstoneRow{Manager: row.Manager, Destroyed: b.now, Epoch: b.epoch,
		Created: row.Created, Scheduled: row.scheduled(), Rotated: row.rotated(), Spec: row.Spec}
	gone := append([][]byte{keyKey(ref), destroyingKey(ref)}, row.storeRows(ref)...)
	err = versions(tx, ref, func(number uint32, v *versionRow) error {
		tomb.Materials = append(tomb.Materials, v.Material)
		gone = append(gone, versionKey(ref, number), droppingKey(ref, number))
		if len(others) == 0 {
			gone = append(gone, materialKey(v.Material))
		}
		return b.dead(v.leaf())
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	for _, v := range row.Versions {
		if v.Missing && len(others) == 0 {
			gone = append(gone, materialKey(v.Material))
		}
	}
	prefix := aliasOfPrefix(ref)
	var names []string
	err = tx.Scan(meta.Prefix(prefix), func(key, _ []byte) (bool, error) {
		names = append(names, string(key[len(prefix):]))
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		b.names = append(b.names, aliasName{ref.Account, ref.Region, n})
		if err := removeAlias(tx, ref, n); err != nil {
			return nil, err
		}
	}
	if err := deleteAll(tx, gone); err != nil {
		return nil, err
	}
	return tomb.tombstone(ref), putRow(tx, tombstoneKey(ref), &tomb)
}

// version removes one destroyed version of a key.
func (b *burial) version(tx meta.Txn, at versionAt) (*Tombstone, error) {
	gone := [][]byte{droppingKey(at.ref, at.number), versionKey(at.ref, at.number)}
	v, err := getRow[versionRow](tx, versionKey(at.ref, at.number))
	if errors.Is(err, meta.ErrNotFound) {
		return nil, deleteAll(tx, gone)
	}
	if err != nil {
		return nil, err
	}
	if err := b.dead(v.leaf()); err != nil {
		return nil, fmt.Errorf("version %d of %s: %w", at.number, at.ref, err)
	}
	row, err := getRow[keyRow](tx, keyKey(at.ref))
	if err != nil {
		return nil, err
	}
	b.touched = append(b.touched, at.ref)
	i := row.tag(at.number)
	missing := i >= 0 && row.Versions[i].Missing
	if !missing {
		gone = append(gone, materialKey(v.Material))
		if i >= 0 {
			row.Versions = slices.Delete(row.Versions, i, i+1)
			if err := putRow(tx, keyKey(at.ref), row); err != nil {
				return nil, err
			}
		}
	}
	t := &Tombstone{
		Ref: at.ref, ARN: at.ref.ARN(), Manager: row.Manager, Destroyed: fromNano(b.now), Epoch: b.epoch,
		Materials: []MaterialID{v.Material}, Number: at.number, IsMissing: missing,
	}
	return t, deleteAll(tx, gone)
}

// subject removes a destroyed subject and leaves what keeps its value from being
// used again.
func (b *burial) subject(tx meta.Txn, at subjectAt) (*Tombstone, error) {
	gone := [][]byte{at.row(rowShredding), at.row(rowSubject)}
	row, err := getRow[subjectRow](tx, at.row(rowSubject))
	if errors.Is(err, meta.ErrNotFound) {
		return nil, deleteAll(tx, gone)
	}
	if err != nil {
		return nil, err
	}
	if err := b.dead(row.leaf()); err != nil {
		return nil, fmt.Errorf("subject %s of %s: %w", at.id, at.ref.place(), err)
	}
	ref := row.owner(at)
	t := &Tombstone{
		Ref: ref, ARN: ref.ARN(), Manager: ManagerCustomer, Destroyed: fromNano(b.now), Epoch: b.epoch, Subject: row.subject(at),
	}
	if err := deleteAll(tx, gone); err != nil {
		return nil, err
	}
	return t, putRow(tx, at.row(rowShredded), &shreddedRow{b.now, b.epoch})
}

// dropSubjects removes the subjects of a destroyed key, unless the key lives on in
// another region. Without the key's material theirs open nothing.
func (k *Keys) dropSubjects(ctx context.Context, ref Ref) error {
	for {
		n := 0
		err := k.meta.Update(ctx, func(tx meta.Txn) error {
			n = 0
			row, err := getRow[keyRow](tx, keyKey(ref))
			if err != nil || row.ShredBy == "" || len(row.everywhere(ref)) > 1 {
				return err
			}
			at := subjectRef(ref)
			var gone [][]byte
			for _, prefix := range []string{rowSubject, rowShredded, rowShredding} {
				scan := meta.Prefix([]byte(prefix + at.place() + "/"))
				scan.Limit = pageSubjects
				err := tx.Scan(scan, func(key, value []byte) (bool, error) {
					n++
					gone = append(gone, slices.Clone(key))
					if prefix != rowSubject {
						return true, nil
					}
					s, err := parseSubjectAt(key[len(prefix):])
					if err != nil {
						return false, err
					}
					k.subjects.forget(s)
					var row subjectRow
					if err := decode(key, value, &row); err != nil {
						return false, err
					}
					if row.Deletion != 0 {
						gone = append(gone, subjectDueKey(row.Deletion, s))
					}
					return true, nil
				})
				if err != nil {
					return err
				}
			}
			return deleteAll(tx, gone)
		})
		if err != nil {
			return fmt.Errorf("remove subjects of %s: %w", ref, err)
		}
		if n == 0 {
			return nil
		}
	}
}

func deleteAll(tx meta.Txn, keys [][]byte) error {
	for _, key := range keys {
		if err := tx.Delete(key); err != nil {
			return err
		}
	}
	return nil
}
