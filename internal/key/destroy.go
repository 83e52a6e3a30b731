package key

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"coffer/internal/meta"
)

const (
	// pageRows is how many keys one transaction marks or buries. A policy has
	// up to 32 KiB, so a page stays below a few MiB.
	pageRows = 100
	// pageSubjects is the same for subjects and versions, which are small.
	pageSubjects = 1000
	// sampleSize is how many surviving versions must open from the new epoch
	// before the old one is destroyed.
	sampleSize = 64
)

// Sweep destroys, in one epoch change, every key and every subject whose deletion
// date has passed and all imported material that has expired, finishes destructions
// that a crash cut, and returns the tombstones that it wrote. When it returns nil,
// nothing that exists opens those keys.
//
// After an error the keys that it began with are unusable, and the next Sweep
// goes on with them; the tombstones written so far are returned with the error.
func (k *Keys) Sweep(ctx context.Context, buried Buried) ([]Tombstone, error) {
	k.destroy.Lock()
	defer k.destroy.Unlock()
	if err := k.adopt(ctx); err != nil {
		return nil, err
	}
	for _, page := range []func(context.Context) (int, error){k.markDue, k.markDueSubjects, k.markExpired} {
		for {
			n, err := page(ctx)
			if err != nil {
				return nil, fmt.Errorf("mark what is due: %w", err)
			}
			if n == 0 {
				break
			}
		}
	}
	return k.finish(ctx, buried)
}

// Destroy destroys keys at once, without a waiting period, as Sweep does.
// It returns ErrNotFound if one of them does not exist, ErrManaged if one is an
// AWS managed key, ErrHasReplicas if one is a multi-region primary key with
// replicas, and then none is destroyed.
func (k *Keys) Destroy(ctx context.Context, refs []Ref, buried Buried) ([]Tombstone, error) {
	return k.destroyNow(ctx, buried, func(tx meta.Txn) (gone []materialAt, err error) {
		for _, ref := range refs {
			row, err := getKey(tx, ref)
			switch {
			case err != nil:
			case row.Manager == ManagerAWS:
				err = ErrManaged
			case row.Multi != nil && row.Multi.Primary == ref.Region && len(row.Multi.Replicas) > 0:
				err = ErrHasReplicas
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", ref, err)
			}
		}
		return k.mark(tx, refs)
	}, func(gone []materialAt) { k.forget(refs, gone) })
}

// DestroyVersions destroys the material of every version of a key below the version
// below, as Destroy does. KMS ciphertexts that were made under them are dark.
//
// It returns ErrNotFound, ErrManaged, or ErrNoVersion if below is above the current
// version or there is none.
func (k *Keys) DestroyVersions(ctx context.Context, ref Ref, below uint32, buried Buried) ([]Tombstone, error) {
	return k.destroyNow(ctx, buried, func(tx meta.Txn) (gone []materialAt, err error) {
		row, err := getKey(tx, ref)
		switch {
		case err != nil:
			return nil, err
		case row.Manager == ManagerAWS:
			return nil, ErrManaged
		case below > row.Version:
			return nil, ErrNoVersion
		}
		for _, r := range row.everywhere(ref) {
			var old []uint32
			err := versions(tx, r, func(number uint32, v *versionRow) error {
				if number < below {
					gone, old = append(gone, materialAt{v.Material, r.Region}), append(old, number)
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
			for _, number := range old {
				if err := tx.Put(droppingKey(r, number), nil); err != nil {
					return nil, err
				}
			}
		}
		if len(gone) == 0 {
			return nil, ErrNoVersion
		}
		return gone, k.markable(tx)
	}, func(gone []materialAt) { k.forget([]Ref{ref}, gone) })
}

// DestroySubjects destroys the keys of subjects at once, without a waiting period,
// as Destroy does. It returns ErrNotFound, ErrSubjectNotFound or ErrSubjectDestroyed,
// and then none is destroyed.
func (k *Keys) DestroySubjects(ctx context.Context, ref Ref, values []string, buried Buried) ([]Tombstone, error) {
	key, err := k.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	if key.ShredBy == "" {
		return nil, ErrSubjectNotFound
	}
	ats := make([]subjectAt, len(values))
	for i, v := range values {
		ats[i] = k.subjectAt(key, v)
	}
	return k.destroyNow(ctx, buried, func(tx meta.Txn) ([]materialAt, error) {
		for _, at := range ats {
			row, err := getSubject(tx, at)
			if err != nil {
				return nil, err
			}
			if err := markSubject(tx, at, row); err != nil {
				return nil, err
			}
		}
		return nil, k.markable(tx)
	}, func([]materialAt) { k.subjects.forget(ats...) })
}

// destroyNow marks in one transaction and goes through to the tombstones. forget
// drops from the caches what mark made unusable, also after an error: the outcome of
// the transaction may be unknown.
func (k *Keys) destroyNow(ctx context.Context, buried Buried, mark func(meta.Txn) ([]materialAt, error), forget func([]materialAt)) ([]Tombstone, error) {
	k.destroy.Lock()
	defer k.destroy.Unlock()
	if err := k.adopt(ctx); err != nil {
		return nil, err
	}
	var gone []materialAt
	err := k.meta.Update(ctx, func(tx meta.Txn) (err error) {
		gone, err = mark(tx)
		return err
	})
	forget(gone)
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

// A doomed is all that is marked for destruction.
type doomed struct {
	keys     []Ref
	versions []versionAt
	subjects []subjectAt
	leaves   []leaf
}

// A versionAt names one version of a key.
type versionAt struct {
	ref    Ref
	number uint32
}

// finish takes what is marked through the epoch change to its tombstones.
func (k *Keys) finish(ctx context.Context, buried Buried) ([]Tombstone, error) {
	if err := k.step("marked"); err != nil {
		return nil, err
	}
	d, epoch, err := k.resume(ctx)
	if err != nil {
		return nil, err
	}
	for _, ref := range d.keys {
		if err := errors.Join(k.dropGrants(ctx, ref), k.dropSubjects(ctx, ref)); err != nil {
			return nil, err
		}
	}
	b := &burial{keys: k, epoch: epoch, now: k.now().UnixNano(), buried: buried}
	err = errors.Join(
		pages(ctx, b, d.keys, pageRows, b.key),
		pages(ctx, b, d.versions, pageSubjects, b.version),
		pages(ctx, b, d.subjects, pageSubjects, b.subject))
	return b.done, err
}

// resume punctures the leaves of everything marked that still derive, brings the
// rows to the root's epoch, and returns what is marked and that epoch.
func (k *Keys) resume(ctx context.Context) (*doomed, uint64, error) {
	d, err := k.doomed(ctx)
	if err != nil {
		return nil, 0, err
	}
	k.epochs.Lock()
	defer k.epochs.Unlock()
	if len(d.leaves) > 0 {
		if _, err := k.root.puncture(ctx, d.leaves, k.survivors(ctx, d.leaves)); err != nil {
			return nil, 0, fmt.Errorf("change epoch: %w", err)
		}
	}
	if err := k.step("punctured"); err != nil {
		return nil, 0, err
	}
	if err := k.adoptLocked(ctx); err != nil {
		return nil, 0, err
	}
	return d, k.root.Epoch(), k.step("adopted")
}

// doomed reads what is marked, with its leaves.
func (k *Keys) doomed(ctx context.Context) (d *doomed, err error) {
	err = k.meta.View(ctx, func(r meta.Reader) (err error) {
		d = new(doomed)
		if d.keys, err = marked(r, "", math.MaxInt); err != nil {
			return err
		}
		for _, ref := range d.keys {
			err := versions(r, ref, func(_ uint32, v *versionRow) error {
				d.leaves = append(d.leaves, v.leaf())
				return nil
			})
			if err != nil {
				return err
			}
		}
		err = r.Scan(meta.Prefix([]byte(rowDropping)), func(key, _ []byte) (bool, error) {
			ref, number, err := parseDroppingKey(key)
			d.versions = append(d.versions, versionAt{ref, number})
			return true, err
		})
		if err != nil {
			return err
		}
		for _, v := range d.versions {
			row, err := getRow[versionRow](r, versionKey(v.ref, v.number))
			if errors.Is(err, meta.ErrNotFound) {
				continue // its key was destroyed meanwhile
			}
			if err != nil {
				return err
			}
			d.leaves = append(d.leaves, row.leaf())
		}
		err = r.Scan(meta.Prefix([]byte(rowShredding)), func(key, _ []byte) (bool, error) {
			at, err := parseSubjectAt(key[len(rowShredding):])
			d.subjects = append(d.subjects, at)
			return true, err
		})
		if err != nil {
			return err
		}
		for _, at := range d.subjects {
			row, err := getRow[subjectRow](r, at.row(rowSubject))
			if errors.Is(err, meta.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			d.leaves = append(d.leaves, row.leaf())
		}
		return nil
	})
	return d, err
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
				ref, number, row, err := versionOf(r, "", id)
				if errors.Is(err, meta.ErrCorrupt) || errors.Is(err, meta.ErrNotFound) || errors.Is(err, errMissing) {
					continue // not here or damaged before: that must not stop a destruction
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
