package key

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"coffer/internal/meta"
	"coffer/internal/revision"
)

// An ImportInput is material for a key whose Origin is OriginExternal. The caller
// has checked that it suits the key's spec, and wipes it.
type ImportInput struct {
	Material    []byte
	Expires     time.Time // zero: never
	IsNew       bool      // to become a further version; otherwise one that was here before, or the first
	Description string
	Wanted      string // the ID that the material must have; empty for any
}

// ImportedID is the ID of imported material: the same whenever the same material comes
// back for the same key, and another one for every other key.
func (k *Keys) ImportedID(ref Ref, imported []byte) MaterialID {
	m := hmac.New(sha256.New, k.importIDs[:])
	m.Write([]byte(subjectRef(ref).place() + "\x00"))
	m.Write(imported)
	return MaterialID(m.Sum(nil))
}

// Import gives a key material from outside: its first, material that it had before
// and lost, or with in.IsNew material for a rotation on demand. A key all of whose
// material is here is usable.
//
// It returns ErrNotFound, ErrPendingDeletion, ErrOrigin, ErrWrongMaterial if the
// material was never this key's, ErrKnownMaterial, ErrImportPending, ErrNotSymmetric,
// ErrNotPrimary for new material of a multi-region replica, which takes what its
// primary key has, or ErrInvalidState while earlier material is still being destroyed.
func (k *Keys) Import(ctx context.Context, ref Ref, in ImportInput, also Also) (*Key, MaterialID, error) {
	id := k.ImportedID(ref, in.Material)
	if in.Wanted != "" && in.Wanted != id.String() {
		return nil, id, ErrWrongMaterial
	}
	var secret Secret
	defer secret.Wipe()
	if err := k.draw(secret[:]); err != nil {
		return nil, id, err
	}
	key, err := k.rotation(ctx, ref, also, func(tx meta.Txn) error {
		row, err := getKey(tx, ref)
		if err != nil {
			return err
		}
		switch {
		case row.Origin != OriginExternal:
			return ErrOrigin
		case row.State == PendingDeletion || row.State == PendingReplicaDeletion:
			return ErrPendingDeletion
		case in.IsNew && row.Multi != nil && row.Multi.Primary != ref.Region:
			return ErrNotPrimary
		}
		body := in.Material
		if row.Spec == SpecSymmetricDefault {
			if len(in.Material) != len(secret) {
				return ErrWrongMaterial
			}
			copy(secret[:], in.Material)
			body = nil
		}
		tag, isNew, err := row.place(id, in.IsNew)
		if err != nil {
			return err
		}
		if isNew || tag.Missing {
			if _, err := tx.Get(droppingKey(ref, tag.Number)); err == nil {
				return ErrInvalidState
			}
			if err := k.putVersion(tx, ref, tag.Number, id, &secret, body); err != nil {
				return err
			}
		}
		tag.Missing, tag.Expires = false, toNano(in.Expires)
		if in.Description != "" {
			tag.Description = in.Description
		}
		if isNew && tag.Pending {
			if err := announce(tx, ref, row, *tag); err != nil {
				return err
			}
		}
		return row.settle(tx, ref)
	})
	return key, id, err
}

// announce tells the replicas of a multi-region key of material that waits for a
// rotation, and that each of them needs.
func announce(tx meta.Txn, ref Ref, row *keyRow, tag versionTag) error {
	tag.Missing, tag.Expires, tag.Description = true, 0, ""
	return row.elsewhere(tx, ref, func(r Ref, other *keyRow) error {
		other.Versions = append(other.Versions, tag)
		return putRow(tx, keyKey(r), other)
	})
}

// elsewhere runs fn on the rows of a multi-region key in its other regions, but for
// those that are being destroyed.
func (row *keyRow) elsewhere(tx meta.Txn, ref Ref, fn func(ref Ref, row *keyRow) error) error {
	for _, r := range row.everywhere(ref) {
		if r == ref {
			continue
		}
		other, err := getKey(tx, r)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r, err)
		}
		if err := fn(r, other); err != nil {
			return err
		}
	}
	return nil
}

// place finds or makes the tag of material to be imported.
func (row *keyRow) place(id MaterialID, isNew bool) (tag *versionTag, made bool, err error) {
	i := slices.IndexFunc(row.Versions, func(t versionTag) bool { return t.Material == id })
	pending := slices.ContainsFunc(row.Versions, func(t versionTag) bool { return t.Pending })
	switch {
	case len(row.Versions) == 0:
		row.Versions = []versionTag{{Number: 1, Material: id}}
		row.Version, row.Material = 1, id
		return &row.Versions[0], true, nil
	case i >= 0 && isNew:
		return nil, false, ErrKnownMaterial
	case i >= 0:
		return &row.Versions[i], false, nil
	case !isNew:
		return nil, false, ErrWrongMaterial
	case row.Spec != SpecSymmetricDefault:
		return nil, false, ErrNotSymmetric
	case pending:
		return nil, false, ErrImportPending
	}
	row.Versions = append(row.Versions, versionTag{Number: row.last() + 1, Material: id, Pending: true})
	return &row.Versions[len(row.Versions)-1], true, nil
}

// settle brings the state of a key, and the index by expiry, into line with which of
// its imported material is here, and writes the row.
func (row *keyRow) settle(tx meta.Txn, ref Ref) error {
	if row.Expire != 0 {
		if err := tx.Delete(dateKey(rowExpire, row.Expire, ref)); err != nil {
			return err
		}
	}
	row.Expire = 0
	complete := len(row.Versions) > 0
	for _, t := range row.Versions {
		if t.Missing {
			complete = complete && t.Pending
			continue
		}
		if t.Expires != 0 && (row.Expire == 0 || t.Expires < row.Expire) {
			row.Expire = t.Expires
		}
	}
	switch {
	case complete && row.State == PendingImport:
		row.State = Enabled
	case !complete && (row.State == Enabled || row.State == Disabled):
		row.State = PendingImport
	}
	if row.Expire != 0 {
		if err := tx.Put(dateKey(rowExpire, row.Expire, ref), nil); err != nil {
			return err
		}
	}
	if err := putRow(tx, keyKey(ref), row); err != nil {
		return err
	}
	return revision.Bump(tx)
}

// promote makes imported material that waits the current version. A replica must have
// it; elsewhere it may have expired, and the key waits for it then.
func (k *Keys) promote(ref Ref, row *keyRow) error {
	i := slices.IndexFunc(row.Versions, func(t versionTag) bool { return t.Pending })
	if i < 0 || row.Versions[i].Missing && row.Multi != nil && row.Multi.Primary != ref.Region {
		return ErrNoPending
	}
	t := &row.Versions[i]
	t.Pending, t.Rotated, t.Rotation = false, k.now().UnixNano(), RotationOnDemand
	row.Version, row.Material = t.Number, t.Material
	if t.Missing {
		row.State = PendingImport
	}
	return nil
}

// DeleteImported destroys imported material of a key. The key is pending import then,
// until the same material is here again; one that is pending deletion stays so. What
// waits for a rotation of a multi-region primary key goes from its replicas too.
// Material that is not here is no error.
//
// It returns ErrNotFound, ErrOrigin, or ErrWrongMaterial if the key never had the
// material.
func (k *Keys) DeleteImported(ctx context.Context, ref Ref, id MaterialID, also Also, buried Buried) (*Key, error) {
	var key *Key
	var refs []Ref
	defer k.forgetEverywhere(ref)
	_, err := k.destroyNow(ctx, buried, func(tx meta.Txn) (gone []materialAt, err error) {
		refs = []Ref{ref}
		row, err := getKey(tx, ref)
		if err != nil {
			return nil, err
		}
		if row.Origin != OriginExternal {
			return nil, ErrOrigin
		}
		i := slices.IndexFunc(row.Versions, func(t versionTag) bool { return t.Material == id })
		if i < 0 && len(row.Versions) > 0 {
			return nil, ErrWrongMaterial
		}
		if i >= 0 && !row.Versions[i].Missing {
			if err := row.lose(tx, ref, &row.Versions[i]); err != nil {
				return nil, err
			}
			gone = append(gone, materialAt{id, ref.Region})
		}
		if i >= 0 && row.Versions[i].Pending && row.Multi != nil && row.Multi.Primary == ref.Region {
			err := row.elsewhere(tx, ref, func(r Ref, other *keyRow) error {
				j := other.tag(row.Versions[i].Number)
				if j < 0 || other.Versions[j].Missing {
					return nil
				}
				refs, gone = append(refs, r), append(gone, materialAt{id, r.Region})
				return errors.Join(other.lose(tx, r, &other.Versions[j]), other.settle(tx, r))
			})
			if err != nil {
				return nil, err
			}
		}
		if err := row.settle(tx, ref); err != nil {
			return nil, err
		}
		key = row.key(ref)
		if err := also.run(tx, key); err != nil {
			return nil, err
		}
		return gone, k.markable(tx)
	}, func(gone []materialAt) { k.forget(refs, gone) })
	if err != nil {
		return nil, err
	}
	return key, nil
}

// lose marks imported material for destruction.
func (row *keyRow) lose(tx meta.Txn, ref Ref, t *versionTag) error {
	t.Missing = true
	return tx.Put(droppingKey(ref, t.Number), nil)
}

// markExpired marks imported material that has expired, of a page of keys, and
// returns how many keys it took.
func (k *Keys) markExpired(ctx context.Context) (int, error) {
	var refs []Ref
	var gone []materialAt
	n := 0
	now := k.now().UnixNano()
	err := k.meta.Update(ctx, func(tx meta.Txn) error {
		due, err := k.due(tx, rowExpire, pageRows)
		if n, refs, gone = len(due), nil, nil; err != nil || n == 0 {
			return err
		}
		for _, d := range due {
			if err := tx.Delete(dateKey(rowExpire, d.when, d.ref)); err != nil {
				return err
			}
			row, err := getKey(tx, d.ref)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			for i := range row.Versions {
				t := &row.Versions[i]
				if t.Missing || t.Expires == 0 || t.Expires > now {
					continue
				}
				if err := row.lose(tx, d.ref, t); err != nil {
					return err
				}
				gone = append(gone, materialAt{t.Material, d.ref.Region})
			}
			refs = append(refs, d.ref)
			if err := row.settle(tx, d.ref); err != nil {
				return err
			}
		}
		return k.markable(tx)
	})
	k.forget(refs, gone)
	return n, err
}

// current returns the key as it is at this moment: imported material that has
// expired does not wait for a sweep.
func (k *Keys) current(key *Key) *Key {
	if key.expires == 0 || key.State != Enabled && key.State != Disabled {
		return key
	}
	now := k.now()
	if now.UnixNano() < key.expires {
		return key
	}
	for _, v := range key.Versions {
		if !v.Pending && !v.Expires.IsZero() && !v.Expires.After(now) {
			expired := *key
			expired.State = PendingImport
			return &expired
		}
	}
	return key
}
