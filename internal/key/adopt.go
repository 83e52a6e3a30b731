package key

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"coffer/internal/meta"
	"coffer/internal/revision"
)

// claim binds new rows to the root, and reports whether existing ones are behind
// its epoch. It returns ErrWrongRoot if they belong elsewhere.
func (k *Keys) claim(ctx context.Context) (behind bool, err error) {
	want := epochRow{k.root.Epoch(), k.root.StoreID()}
	err = k.meta.Update(ctx, func(tx meta.Txn) error {
		behind = false
		at, err := getRow[epochRow](tx, []byte(rowEpoch))
		switch {
		case errors.Is(err, meta.ErrNotFound):
			// Epoch 0, so that the rows adopt the generations too.
			behind = true
			return putRow(tx, []byte(rowEpoch), &epochRow{0, want.StoreID})
		case err != nil:
			return err
		case at.StoreID != want.StoreID:
			return fmt.Errorf("%w: store ID %x, not %x", ErrWrongRoot, at.StoreID, want.StoreID)
		case at.Epoch > want.Epoch:
			return fmt.Errorf("%w: rows at epoch %d, root at %d: an old copy of the root was put back", ErrWrongRoot, at.Epoch, want.Epoch)
		}
		behind = at.Epoch < want.Epoch
		return nil
	})
	return behind, err
}

// adopt brings the rows to the epoch of the root.
func (k *Keys) adopt(ctx context.Context) error {
	k.epochs.Lock()
	defer k.epochs.Unlock()
	return k.adoptLocked(ctx)
}

// adoptLocked is adopt with epochs held for writing. The epoch of the rows moves
// by compare-and-swap: never back, and together with the generations of the
// shards that the epoch changed.
func (k *Keys) adoptLocked(ctx context.Context) error {
	var epoch uint64
	var generations [shardCount]uint64
	err := k.root.view(func(s *epochState) error {
		epoch = s.number
		for i := range s.head.shards {
			generations[i] = s.head.shards[i].generation
		}
		return nil
	})
	if err != nil {
		return err
	}
	return k.meta.Update(ctx, func(tx meta.Txn) error {
		at, err := getRow[epochRow](tx, []byte(rowEpoch))
		switch {
		case err != nil:
			return err
		case at.Epoch == epoch:
			return nil
		case at.Epoch > epoch:
			return fmt.Errorf("%w: rows at epoch %d, root at %d", ErrWrongRoot, at.Epoch, epoch)
		}
		at.Epoch = epoch
		if err := putRow(tx, []byte(rowEpoch), at); err != nil {
			return err
		}
		for i, g := range generations {
			if g == 0 {
				continue
			}
			row, err := getRow[shardRow](tx, shardKey(uint16(i)))
			if errors.Is(err, meta.ErrNotFound) {
				row, err = new(shardRow), nil
			}
			if err != nil {
				return err
			}
			if row.Generation == g {
				continue
			}
			row.Generation = g
			if err := putRow(tx, shardKey(uint16(i)), row); err != nil {
				return err
			}
		}
		return nil
	})
}

// reconcile marks what rows from an old backup still have, but whose leaves are
// destroyed: keys of which no version is left, and single versions. Subjects are not
// looked for, for there can be millions: whoever opens one finds out.
func (k *Keys) reconcile(ctx context.Context) error {
	r := meta.Prefix([]byte(rowKey))
	r.Limit = 1000
	for {
		var page []Ref
		err := k.meta.View(ctx, func(tx meta.Reader) error {
			page = nil
			return tx.Scan(r, func(key, _ []byte) (bool, error) {
				r.Start = append(bytes.Clone(key), 0)
				ref, err := parsePlace(string(key[len(rowKey):]))
				page = append(page, ref)
				return true, err
			})
		})
		if err != nil {
			return err
		}
		for _, ref := range page {
			if err := k.reconcileKey(ctx, ref); err != nil {
				return fmt.Errorf("%s: %w", ref, err)
			}
		}
		if len(page) < r.Limit {
			return nil
		}
	}
}

// reconcileKey is reconcile for one key.
func (k *Keys) reconcileKey(ctx context.Context, ref Ref) error {
	var dead []uint32
	living := 0
	err := k.meta.View(ctx, func(tx meta.Reader) error {
		dead, living = nil, 0
		return versions(tx, ref, func(number uint32, v *versionRow) error {
			return k.root.view(func(s *epochState) error {
				if len(s.living([]leaf{v.leaf()})) > 0 {
					living++
				} else {
					dead = append(dead, number)
				}
				return nil
			})
		})
	})
	if err != nil || len(dead) == 0 {
		return err
	}
	return k.meta.Update(ctx, func(tx meta.Txn) error {
		row, err := getRow[keyRow](tx, keyKey(ref))
		if err != nil {
			return err
		}
		if living == 0 && row.Origin != OriginExternal {
			if _, err := markKey(tx, ref); err != nil {
				return err
			}
			return revision.Bump(tx)
		}
		for _, number := range dead {
			if err := tx.Put(droppingKey(ref, number), nil); err != nil {
				return err
			}
			if i := row.tag(number); i >= 0 && row.Origin == OriginExternal {
				row.Versions[i].Missing = true // and can come back
			}
		}
		if row.Origin == OriginExternal && row.State != destroying {
			return row.settle(tx, ref)
		}
		return revision.Bump(tx)
	})
}
