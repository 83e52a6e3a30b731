package key

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"coffer/internal/meta"
	"coffer/internal/revision"
)

// Why a version became the current one.
const (
	RotationAutomatic = "AUTOMATIC"
	RotationOnDemand  = "ON_DEMAND"
)

// Limits of rotation.
//
// Source: AWS KMS API Reference, EnableKeyRotation and RotateKeyOnDemand, read
// 2026-11-21. The number of rotations on demand is 25 in the documentation of the
// SDK and 10 on older pages.
const (
	MinRotationPeriod     = 90 * 24 * time.Hour
	MaxRotationPeriod     = 2560 * 24 * time.Hour
	DefaultRotationPeriod = 365 * 24 * time.Hour
	MaxOnDemandRotations  = 25
)

// everywhere returns the key in all of its regions: itself, if it has one region.
func (row *keyRow) everywhere(ref Ref) []Ref {
	if row.Multi == nil {
		return []Ref{ref}
	}
	out := []Ref{{ref.Account, row.Multi.Primary, ref.ID}}
	for _, region := range row.Multi.Replicas {
		out = append(out, Ref{ref.Account, region, ref.ID})
	}
	return out
}

// tag returns the index in Versions of a version, or -1.
func (row *keyRow) tag(number uint32) int {
	return slices.IndexFunc(row.Versions, func(t versionTag) bool { return t.Number == number })
}

// tagFirst makes sure that Versions tells of the version that the key was made with.
func (row *keyRow) tagFirst() {
	if len(row.Versions) == 0 && row.Version > 0 {
		row.Versions = append(row.Versions, versionTag{Number: row.Version, Material: row.Material, Rotated: row.Created})
	}
}

// putVersion wraps a secret at a fresh leaf as one version of a key. body is
// material that is not 32 bytes, or nil.
func (k *Keys) putVersion(tx meta.Txn, ref Ref, number uint32, id MaterialID, secret *Secret, body []byte) error {
	v := versionRow{Material: id, Created: k.now().UnixNano()}
	var err error
	v.Shard, v.Leaf, v.Wrapped, err = k.wrapAtLeaf(tx, &wrapping{kindKMS, ref, number, id}, secret)
	if err != nil {
		return err
	}
	if body != nil {
		var salt [saltSize]byte
		if _, err := io.ReadFull(k.rand, salt[:]); err != nil {
			return fmt.Errorf("draw salt: %w", err)
		}
		v.Body = sealBody(secret, salt, &wrapping{kindBody, ref, number, id}, body)
	}
	if err := putRow(tx, versionKey(ref, number), &v); err != nil {
		return err
	}
	return putRow(tx, materialKey(id), &materialRow{ref.Account, ref.Region, ref.ID, number})
}

// draw fills each of several secrets and IDs with random bytes.
func (k *Keys) draw(what ...[]byte) error {
	for _, b := range what {
		if _, err := io.ReadFull(k.rand, b); err != nil {
			return fmt.Errorf("draw key material: %w", err)
		}
	}
	return nil
}

// each runs fn on the row of a key in each of its regions, and writes it. The key
// must be the primary one, if it is a multi-region key, and of a customer.
func (k *Keys) each(tx meta.Txn, ref Ref, fn func(ref Ref, row *keyRow) error) error {
	row, err := getKey(tx, ref)
	if err != nil {
		return err
	}
	if row.Multi != nil && row.Multi.Primary != ref.Region {
		return ErrNotPrimary
	}
	for _, r := range row.everywhere(ref) {
		row, err := getKey(tx, r)
		if err != nil {
			return fmt.Errorf("%s: %w", r, err)
		}
		if row.Manager == ManagerAWS {
			return ErrManaged
		}
		if err := fn(r, row); err != nil {
			return err
		}
		if err := putRow(tx, keyKey(r), row); err != nil {
			return err
		}
	}
	return revision.Bump(tx)
}

// forgetEverywhere drops a key from the cache in all of its regions.
func (k *Keys) forgetEverywhere(ref Ref) {
	if isMultiRegion(ref.ID) {
		k.keys.clear()
	}
	k.keys.forget(ref)
}

// SetRotation turns automatic rotation on, every period, or off with a period of 0.
// A multi-region key is changed by its primary key, in every region.
//
// It returns ErrNotFound, ErrDisabled, ErrPendingDeletion, ErrPendingImport,
// ErrManaged, ErrNotSymmetric, ErrOrigin, ErrNotPrimary, or ErrInvalidWindow for
// another period.
func (k *Keys) SetRotation(ctx context.Context, ref Ref, period time.Duration, also Also) (*Key, error) {
	if period != 0 && (period < MinRotationPeriod || period > MaxRotationPeriod) {
		return nil, ErrInvalidWindow
	}
	now := k.now()
	return k.rotation(ctx, ref, also, func(tx meta.Txn) error {
		return k.each(tx, ref, func(r Ref, row *keyRow) error {
			if err := row.rotatable(r); err != nil {
				return err
			}
			if row.Origin != OriginAWSKMS {
				return ErrOrigin
			}
			return row.schedule(tx, r, period, now)
		})
	})
}

// schedule sets the period of the automatic rotation, and the date of the next one.
func (row *keyRow) schedule(tx meta.Txn, ref Ref, period time.Duration, now time.Time) error {
	if row.Rotate != 0 {
		if err := tx.Delete(dateKey(rowRotate, row.Rotate, ref)); err != nil {
			return err
		}
	}
	row.Period, row.Rotate = int64(period), 0
	if period == 0 {
		return nil
	}
	row.Rotate = now.Add(period).UnixNano()
	if row.Multi != nil && row.Multi.Primary != ref.Region {
		return nil // the primary key's rotation is everybody's
	}
	return tx.Put(dateKey(rowRotate, row.Rotate, ref), nil)
}

// rotatable returns why a key can't rotate, if it can't.
func (row *keyRow) rotatable(ref Ref) error {
	if row.Spec != SpecSymmetricDefault {
		return ErrNotSymmetric
	}
	if row.Origin == OriginKeyStore {
		return ErrOrigin
	}
	return row.key(ref).Usable()
}

// rotation runs a transaction that changes a key in all its regions, with a leaf.
func (k *Keys) rotation(ctx context.Context, ref Ref, also Also, fn func(tx meta.Txn) error) (*Key, error) {
	defer k.forgetEverywhere(ref)
	k.epochs.RLock()
	defer k.epochs.RUnlock()
	var key *Key
	err := k.meta.Update(ctx, func(tx meta.Txn) error {
		if err := fn(tx); err != nil {
			return err
		}
		var err error
		if key, err = getAs(tx, ref); err != nil {
			return err
		}
		return also.run(tx, key)
	})
	if err != nil {
		return nil, err
	}
	return key, nil
}

// RotateOnDemand gives a key new material: fresh material, or what was imported and
// waits. The older versions stay and open what they sealed.
//
// It returns ErrNotFound, ErrDisabled, ErrPendingDeletion, ErrPendingImport,
// ErrManaged, ErrNotSymmetric, ErrOrigin, ErrNotPrimary, ErrNoPending, or
// ErrTooManyRotations above limit.
func (k *Keys) RotateOnDemand(ctx context.Context, ref Ref, limit int, also Also) (*Key, error) {
	var secret Secret
	var id MaterialID
	defer secret.Wipe()
	if err := k.draw(id[:], secret[:]); err != nil {
		return nil, err
	}
	return k.rotation(ctx, ref, also, func(tx meta.Txn) error {
		return k.each(tx, ref, func(r Ref, row *keyRow) error {
			if err := row.rotatable(r); err != nil {
				return err
			}
			if row.OnDemand >= limit {
				return ErrTooManyRotations
			}
			row.OnDemand++
			if row.Origin == OriginExternal {
				return k.promote(r, row)
			}
			return k.renew(tx, r, row, RotationOnDemand, id, &secret)
		})
	})
}

// renew gives a key one more version, which becomes the current one.
func (k *Keys) renew(tx meta.Txn, ref Ref, row *keyRow, why string, id MaterialID, secret *Secret) error {
	row.tagFirst()
	number := row.last() + 1
	if err := k.putVersion(tx, ref, number, id, secret, nil); err != nil {
		return err
	}
	row.Versions = append(row.Versions, versionTag{Number: number, Material: id, Rotated: k.now().UnixNano(), Rotation: why})
	row.Version, row.Material = number, id
	return nil
}

// last returns the highest number of a version that the key ever had.
func (row *keyRow) last() uint32 {
	last := row.Version
	for _, t := range row.Versions {
		last = max(last, t.Number)
	}
	return last
}

// RotationsDue returns up to limit keys whose date of rotation has come.
func (k *Keys) RotationsDue(ctx context.Context, limit int) (refs []Ref, err error) {
	err = k.meta.View(ctx, func(r meta.Reader) error {
		due, err := k.due(r, rowRotate, limit)
		refs = nil
		for _, d := range due {
			refs = append(refs, d.ref)
		}
		return err
	})
	return refs, err
}

// RotateDue rotates a key whose date has come, and says whether it did. A key that
// can't rotate now is passed over until it is enabled again.
func (k *Keys) RotateDue(ctx context.Context, ref Ref, also Also) (did bool, err error) {
	var secret Secret
	var id MaterialID
	defer secret.Wipe()
	if err := k.draw(id[:], secret[:]); err != nil {
		return false, err
	}
	defer k.forgetEverywhere(ref)
	k.epochs.RLock()
	defer k.epochs.RUnlock()
	now := k.now()
	err = k.meta.Update(ctx, func(tx meta.Txn) error {
		did = false
		row, err := getKey(tx, ref)
		if errors.Is(err, ErrNotFound) {
			return nil // its row in the index went with it
		}
		if err != nil {
			return err
		}
		if row.Rotate == 0 || row.Rotate > now.UnixNano() {
			return nil
		}
		if err := tx.Delete(dateKey(rowRotate, row.Rotate, ref)); err != nil {
			return err
		}
		if row.rotatable(ref) != nil {
			return nil
		}
		err = k.each(tx, ref, func(r Ref, row *keyRow) error {
			if err := k.renew(tx, r, row, RotationAutomatic, id, &secret); err != nil {
				return err
			}
			return row.schedule(tx, r, time.Duration(row.Period), now)
		})
		if err != nil {
			return err
		}
		did = true
		key, err := getAs(tx, ref)
		if err != nil {
			return err
		}
		return also.run(tx, key)
	})
	return did, err
}
