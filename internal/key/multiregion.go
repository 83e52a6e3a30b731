package key

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"coffer/internal/meta"
	"coffer/internal/revision"
)

// Replicate makes a replica of a multi-region primary key in another region, with the
// same ID and material, wrapped at leaves of its own: a replica is destroyed alone.
// A replica of a key with imported material waits for the same material.
//
// It returns ErrNotFound, ErrNotPrimary, ErrRegionTaken, ErrTooManyTags, ErrInvalidID
// for a malformed region, and those of a state that forbids it.
func (k *Keys) Replicate(ctx context.Context, ref Ref, in CreateInput, also Also) (*Key, error) {
	to := Ref{ref.Account, in.Region, ref.ID}
	if !to.valid() {
		return nil, ErrInvalidID
	}
	if len(in.Tags) > MaxTags {
		return nil, ErrTooManyTags
	}
	defer k.forgetEverywhere(ref)
	k.epochs.RLock()
	defer k.epochs.RUnlock()
	var key *Key
	err := k.meta.Update(ctx, func(tx meta.Txn) error {
		from, err := getKey(tx, ref)
		if err != nil {
			return err
		}
		if from.Multi == nil || from.Multi.Primary != ref.Region {
			return ErrNotPrimary
		}
		if err := from.key(ref).Usable(); err != nil {
			return err
		}
		_, err = getRow[keyRow](tx, keyKey(to))
		if err == nil {
			return ErrRegionTaken // also while it is being destroyed
		}
		if !errors.Is(err, meta.ErrNotFound) {
			return err
		}
		row := *from
		row.Description, row.Policy, row.Created = in.Description, in.Policy, k.now().UnixNano()
		row.Tags, row.Versions = nil, slices.Clone(from.Versions)
		for _, t := range in.Tags {
			row.Tags = append(row.Tags, tagRow{Key: t.Key, Value: t.Value})
		}
		if from.Origin == OriginExternal {
			row.State, row.Expire = PendingImport, 0
			for i := range row.Versions {
				row.Versions[i].Missing, row.Versions[i].Expires = true, 0
			}
		} else if err := k.copyVersions(tx, ref, to); err != nil {
			return err
		}
		regions := multiRow{from.Multi.Primary, append(slices.Clone(from.Multi.Replicas), to.Region)}
		slices.Sort(regions.Replicas)
		row.Multi = &regions
		if err := putRow(tx, keyKey(to), &row); err != nil {
			return err
		}
		if err := setRegions(tx, ref, &row); err != nil {
			return err
		}
		key = row.key(to)
		return also.run(tx, key)
	})
	if err != nil {
		return nil, err
	}
	return key, nil
}

// copyVersions wraps the material of a key at fresh leaves for the same key in
// another region.
func (k *Keys) copyVersions(tx meta.Txn, from, to Ref) error {
	type open struct {
		number uint32
		id     MaterialID
		secret Secret
		body   []byte
	}
	var list []open
	defer func() {
		for i := range list {
			list[i].secret.Wipe()
			clear(list[i].body)
		}
	}()
	err := versions(tx, from, func(number uint32, v *versionRow) error {
		o := open{number: number, id: v.Material}
		err := k.root.view(func(s *epochState) (err error) {
			if o.secret, err = s.unwrap(from, number, v); err != nil || v.Body == nil {
				return err
			}
			o.body, err = openBody(&o.secret, v.Body, &wrapping{kindBody, from, number, v.Material})
			return err
		})
		list = append(list, o)
		return err
	})
	if err != nil {
		return err
	}
	for i := range list {
		o := &list[i]
		home, err := tx.Get(materialKey(o.id))
		if err != nil {
			return err
		}
		if err := k.putVersion(tx, to, o.number, o.id, &o.secret, o.body); err != nil {
			return err
		}
		if err := tx.Put(materialKey(o.id), home); err != nil {
			return err
		}
	}
	return nil
}

// setRegions writes the regions of row in every region of the key that has a row.
func setRegions(tx meta.Txn, ref Ref, row *keyRow) error {
	for _, r := range row.everywhere(ref) {
		other, err := getRow[keyRow](tx, keyKey(r))
		if err != nil {
			return fmt.Errorf("%s: %w", r, err)
		}
		other.Multi = row.Multi
		if err := putRow(tx, keyKey(r), other); err != nil {
			return err
		}
	}
	return revision.Bump(tx)
}

// SetPrimary makes the replica in region the primary key, and the primary key a
// replica.
//
// It returns ErrNotFound, ErrNotPrimary, ErrNotReplica, and those of a state that
// forbids it.
func (k *Keys) SetPrimary(ctx context.Context, ref Ref, region string, also Also) (*Key, error) {
	return k.rotation(ctx, ref, also, func(tx meta.Txn) error {
		row, err := getKey(tx, ref)
		switch {
		case err != nil:
			return err
		case row.Multi == nil || row.Multi.Primary != ref.Region:
			return ErrNotPrimary
		case !slices.Contains(row.Multi.Replicas, region):
			return ErrNotReplica
		}
		to := Ref{ref.Account, region, ref.ID}
		next, err := getKey(tx, to)
		if err != nil {
			return err
		}
		if err := row.key(ref).Usable(); err != nil {
			return err
		}
		if err := next.key(to).Usable(); err != nil && !errors.Is(err, ErrDisabled) {
			return err
		}
		if row.Rotate != 0 {
			if err := tx.Delete(dateKey(rowRotate, row.Rotate, ref)); err != nil {
				return err
			}
			if err := tx.Put(dateKey(rowRotate, row.Rotate, to), nil); err != nil {
				return err
			}
		}
		replicas := slices.DeleteFunc(slices.Clone(row.Multi.Replicas), func(r string) bool { return r == region })
		replicas = append(replicas, ref.Region)
		slices.Sort(replicas)
		row.Multi = &multiRow{region, replicas}
		return setRegions(tx, ref, row)
	})
}

// leaveRegion takes a destroyed key out of the regions of a multi-region key, and
// returns those that remain. A primary key that waited for its last replica begins
// its own waiting period.
func (b *burial) leaveRegion(tx meta.Txn, ref Ref, row *keyRow) ([]Ref, error) {
	if row.Multi == nil {
		return nil, nil
	}
	others := slices.DeleteFunc(row.everywhere(ref), func(r Ref) bool { return r == ref })
	replicas := slices.DeleteFunc(slices.Clone(row.Multi.Replicas), func(r string) bool { return r == ref.Region })
	for _, r := range others {
		other, err := getRow[keyRow](tx, keyKey(r))
		if err != nil {
			return nil, err
		}
		b.touched = append(b.touched, r)
		other.Multi = &multiRow{row.Multi.Primary, replicas}
		if other.State == PendingReplicaDeletion && len(replicas) == 0 {
			other.State, other.Deletion = PendingDeletion, b.now+other.Window
			if err := tx.Put(dueKey(other.Deletion, r), nil); err != nil {
				return nil, err
			}
		}
		if err := putRow(tx, keyKey(r), other); err != nil {
			return nil, err
		}
	}
	if len(others) == 0 {
		return nil, nil
	}
	// The material is found from here from now on.
	home := others[0]
	found := make(map[uint32]MaterialID)
	err := versions(tx, home, func(number uint32, v *versionRow) error {
		found[number] = v.Material
		return nil
	})
	if err != nil {
		return nil, err
	}
	for number, id := range found {
		if err := putRow(tx, materialKey(id), &materialRow{home.Account, home.Region, home.ID, number}); err != nil {
			return nil, err
		}
	}
	return others, nil
}
