package key

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"coffer/internal/meta"
	"coffer/internal/revision"
)

const (
	// pageRows is how many keys one transaction marks or buries. A policy has
	// up to 32 KiB, so a page stays below a few MiB.
	pageRows = 100
	// sampleSize is how many surviving versions must open from the new epoch
	// before the old one is destroyed.
	sampleSize = 64
)

// Due returns up to limit keys whose destruction was cut, then those whose
// deletion date has passed, the longest due first.
func (k *Keys) Due(ctx context.Context, limit int) ([]Ref, error) {
	var out []Ref
	err := k.meta.View(ctx, func(r meta.Reader) error {
		marked, err := marked(r, "", limit)
		if err != nil {
			return err
		}
		due, err := k.due(r, limit-len(marked))
		out = marked
		for _, d := range due {
			out = append(out, d.ref)
		}
		return err
	})
	return out, err
}

// Sweep destroys, in one epoch change, every key whose deletion date has
// passed, finishes destructions that a crash cut, and returns the tombstones
// that it wrote. When it returns nil, nothing that exists opens those keys.
//
// After an error the keys that it began with are unusable, and the next Sweep
// goes on with them; the tombstones written so far are returned with the error.
func (k *Keys) Sweep(ctx context.Context, buried Buried) ([]Tombstone, error) {
	k.destroy.Lock()
	defer k.destroy.Unlock()
	if err := k.adopt(ctx); err != nil {
		return nil, err
	}
	for {
		n, err := k.markDue(ctx)
		if err != nil {
			return nil, fmt.Errorf("mark due keys: %w", err)
		}
		if n == 0 {
			break
		}
	}
	return k.finish(ctx, buried)
}

// Destroy destroys keys at once, without a waiting period, as Sweep does.
// It returns ErrNotFound if one of them does not exist, ErrManaged if one is an
// AWS managed key, and then none is destroyed.
func (k *Keys) Destroy(ctx context.Context, refs []Ref, buried Buried) ([]Tombstone, error) {
	k.destroy.Lock()
	defer k.destroy.Unlock()
	if err := k.adopt(ctx); err != nil {
		return nil, err
	}
	var gone []MaterialID
	err := k.meta.Update(ctx, func(tx meta.Txn) (err error) {
		for _, ref := range refs {
			row, err := getKey(tx, ref)
			if err != nil {
				return fmt.Errorf("%s: %w", ref, err)
			}
			if row.Manager == ManagerAWS {
				return fmt.Errorf("%s: %w", ref, ErrManaged)
			}
		}
		gone, err = k.mark(tx, refs)
		return err
	})
	k.forget(refs, gone)
	if err != nil {
		return nil, err
	}
	return k.finish(ctx, buried)
}

// Tombstone returns what remains of a destroyed key, or ErrNotFound.
func (k *Keys) Tombstone(ctx context.Context, ref Ref) (*Tombstone, error) {
	if !ref.valid() {
		return nil, ErrNotFound
	}
	var t *Tombstone
	err := k.meta.View(ctx, func(r meta.Reader) error {
		row, err := getRow[tombstoneRow](r, tombstoneKey(ref))
		if errors.Is(err, meta.ErrNotFound) {
			return ErrNotFound
		}
		if err == nil {
			t = row.tombstone(ref)
		}
		return err
	})
	return t, err
}

// finish takes marked keys through the epoch change to their tombstones.
func (k *Keys) finish(ctx context.Context, buried Buried) ([]Tombstone, error) {
	if err := k.step("marked"); err != nil {
		return nil, err
	}
	refs, epoch, err := k.resume(ctx)
	if err != nil {
		return nil, err
	}
	for _, ref := range refs {
		if err := k.dropGrants(ctx, ref); err != nil {
			return nil, err
		}
	}
	var out []Tombstone
	for len(refs) > 0 {
		page := refs[:min(pageRows, len(refs))]
		tombs, err := k.bury(ctx, page, epoch, buried)
		if err != nil {
			return out, fmt.Errorf("bury keys: %w", err)
		}
		out = append(out, tombs...)
		refs = refs[len(page):]
		if err := k.step("buried"); err != nil {
			return out, err
		}
	}
	return out, nil
}

// A dueRef is a row of the index by deletion date.
type dueRef struct {
	when int64
	ref  Ref
}

// due returns up to limit keys whose deletion date has passed.
func (k *Keys) due(r meta.Reader, limit int) (out []dueRef, err error) {
	if limit <= 0 {
		return nil, nil
	}
	now := k.now().UnixNano()
	end := dueKey(now+1, Ref{})[:len(rowDue)+8]
	err = r.Scan(meta.Range{Start: []byte(rowDue), End: end, Limit: limit}, func(key, _ []byte) (bool, error) {
		when, ref, err := parseDueKey(key)
		out = append(out, dueRef{when, ref})
		return true, err
	})
	return out, err
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
	var gone []MaterialID
	n := 0
	err := k.meta.Update(ctx, func(tx meta.Txn) error {
		due, err := k.due(tx, pageRows)
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

// mark makes keys irrevocably unusable: the first step of their destruction. It
// returns the IDs of their material. A node whose root is not at the epoch of
// the rows must not begin.
func (k *Keys) mark(tx meta.Txn, refs []Ref) ([]MaterialID, error) {
	at, err := getRow[epochRow](tx, []byte(rowEpoch))
	if err != nil {
		return nil, err
	}
	if at.Epoch != k.root.Epoch() {
		return nil, fmt.Errorf("%w: rows at epoch %d, root at %d", ErrWrongRoot, at.Epoch, k.root.Epoch())
	}
	var gone []MaterialID
	for _, ref := range refs {
		ids, err := markKey(tx, ref)
		if err != nil {
			return nil, err
		}
		gone = append(gone, ids...)
	}
	return gone, revision.Bump(tx)
}

func markKey(tx meta.Txn, ref Ref) (gone []MaterialID, err error) {
	row, err := getRow[keyRow](tx, keyKey(ref))
	if err != nil {
		return nil, err
	}
	if row.Deletion != 0 {
		if err := tx.Delete(dueKey(row.Deletion, ref)); err != nil {
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
		gone = append(gone, v.Material)
		return nil
	})
	return gone, err
}

// forget drops keys and materials from the caches, also after an error: the
// outcome of the transaction may be unknown.
func (k *Keys) forget(refs []Ref, materials []MaterialID) {
	k.keys.forget(refs...)
	k.materials.forget(materials...)
}

// resume punctures the leaves of every marked key that still derive, brings the
// rows to the root's epoch, and returns the marked keys and that epoch.
func (k *Keys) resume(ctx context.Context) ([]Ref, uint64, error) {
	var refs []Ref
	var leaves []leaf
	err := k.meta.View(ctx, func(r meta.Reader) (err error) {
		leaves = nil
		if refs, err = marked(r, "", math.MaxInt); err != nil {
			return err
		}
		for _, ref := range refs {
			err := versions(r, ref, func(_ uint32, v *versionRow) error {
				leaves = append(leaves, v.leaf())
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	k.epochs.Lock()
	defer k.epochs.Unlock()
	if len(leaves) > 0 {
		if _, err := k.root.puncture(ctx, leaves, k.survivors(ctx, leaves)); err != nil {
			return nil, 0, fmt.Errorf("change epoch: %w", err)
		}
	}
	if err := k.step("punctured"); err != nil {
		return nil, 0, err
	}
	if err := k.adoptLocked(ctx); err != nil {
		return nil, 0, err
	}
	return refs, k.root.Epoch(), k.step("adopted")
}

// survivors returns the last check of an epoch change: a sample of the versions
// that must survive, those at random places of the material index, opens from
// the epoch that was read back, if it opened from the old one.
func (k *Keys) survivors(ctx context.Context, gone []leaf) func(old, next *epochState) error {
	dead := make(map[leaf]bool, len(gone))
	for _, l := range gone {
		dead[l] = true
	}
	return func(old, next *epochState) error {
		return k.meta.View(ctx, func(r meta.Reader) error {
			for range sampleSize {
				id, ok, err := k.anyMaterial(r)
				if err != nil || !ok {
					return err
				}
				ref, number, row, err := versionOf(r, id)
				if errors.Is(err, meta.ErrCorrupt) || errors.Is(err, meta.ErrNotFound) {
					continue // damaged before: that must not stop a destruction
				}
				if err != nil {
					return err
				}
				if dead[row.leaf()] {
					continue
				}
				before, err := old.unwrap(ref, number, row)
				if err != nil {
					continue
				}
				after, err := next.unwrap(ref, number, row)
				equal := before == after
				before.Wipe()
				after.Wipe()
				if err != nil || !equal {
					return fmt.Errorf("key %s would be lost", ref)
				}
			}
			return nil
		})
	}
}

// anyMaterial returns the first material at or after a random ID, if there is one.
func (k *Keys) anyMaterial(r meta.Reader) (id MaterialID, ok bool, err error) {
	var at MaterialID
	if _, err := io.ReadFull(k.rand, at[:]); err != nil {
		return id, false, fmt.Errorf("draw sample: %w", err)
	}
	all := meta.Prefix([]byte(rowMaterial))
	for _, start := range [][]byte{materialKey(at), all.Start} {
		err = r.Scan(meta.Range{Start: start, End: all.End, Limit: 1}, func(key, _ []byte) (bool, error) {
			ok = copy(id[:], key[len(rowMaterial):]) == len(id)
			return true, nil
		})
		if err != nil || ok {
			break
		}
	}
	return id, ok, err
}

// bury removes a page of destroyed keys and writes their tombstones.
func (k *Keys) bury(ctx context.Context, refs []Ref, epoch uint64, buried Buried) ([]Tombstone, error) {
	now := k.now().UnixNano()
	var out []Tombstone
	var names []aliasName
	err := k.meta.Update(ctx, func(tx meta.Txn) error {
		out, names = nil, nil
		at, err := getRow[epochRow](tx, []byte(rowEpoch))
		if err != nil {
			return err
		}
		if at.Epoch != epoch {
			return fmt.Errorf("%w: rows at epoch %d, expected %d", ErrWrongRoot, at.Epoch, epoch)
		}
		for _, ref := range refs {
			t, aliases, err := k.buryKey(tx, ref, epoch, now)
			if err != nil {
				return fmt.Errorf("%s: %w", ref, err)
			}
			out = append(out, *t)
			names = append(names, aliases...)
			if buried != nil {
				if err := buried(tx, t); err != nil {
					return err
				}
			}
		}
		return revision.Bump(tx)
	})
	k.aliases.forget(names...)
	k.keys.forget(refs...)
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (k *Keys) buryKey(tx meta.Txn, ref Ref, epoch uint64, now int64) (*Tombstone, []aliasName, error) {
	row, err := getRow[keyRow](tx, keyKey(ref))
	if err != nil {
		return nil, nil, err
	}
	tomb := tombstoneRow{Manager: row.Manager, Destroyed: now, Epoch: epoch}
	dead := [][]byte{keyKey(ref), destroyingKey(ref)}
	err = versions(tx, ref, func(number uint32, v *versionRow) error {
		tomb.Materials = append(tomb.Materials, v.Material)
		dead = append(dead, versionKey(ref, number), materialKey(v.Material))
		return k.root.view(func(s *epochState) error {
			if len(s.living([]leaf{v.leaf()})) > 0 {
				return fmt.Errorf("%w: leaf %v is alive", ErrUnproven, v.leaf())
			}
			return nil
		})
	})
	if err != nil {
		return nil, nil, err
	}
	var names []aliasName
	prefix := aliasOfPrefix(ref)
	err = tx.Scan(meta.Prefix(prefix), func(key, _ []byte) (bool, error) {
		names = append(names, aliasName{ref.Account, ref.Region, string(key[len(prefix):])})
		return true, nil
	})
	if err != nil {
		return nil, nil, err
	}
	for _, n := range names {
		if err := removeAlias(tx, ref, n.name); err != nil {
			return nil, nil, err
		}
	}
	for _, key := range dead {
		if err := tx.Delete(key); err != nil {
			return nil, nil, err
		}
	}
	return tomb.tombstone(ref), names, putRow(tx, tombstoneKey(ref), &tomb)
}
