package key

import (
	"context"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

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

// reconcile marks the keys that rows from an old backup still have, but whose
// leaves are destroyed.
func (k *Keys) reconcile(ctx context.Context) error {
	r := meta.Prefix([]byte(rowVersion))
	r.Limit = 1000
	for {
		var dead []Ref
		n := 0
		err := k.meta.View(ctx, func(tx meta.Reader) error {
			dead, n = nil, 0
			var last []byte
			err := tx.Scan(r, func(key, value []byte) (bool, error) {
				n++
				last = append(last[:0], key...)
				var row versionRow
				if err := cbor.Unmarshal(value, &row); err != nil || len(key) < len(rowVersion)+5 {
					return false, fmt.Errorf("%w: %q", meta.ErrCorrupt, key)
				}
				ref, err := parsePlace(string(key[len(rowVersion) : len(key)-5]))
				if err != nil {
					return false, err
				}
				return true, k.root.view(func(s *epochState) error {
					if len(s.living([]leaf{row.leaf()})) == 0 {
						dead = append(dead, ref)
					}
					return nil
				})
			})
			r.Start = append(last, 0)
			return err
		})
		if err != nil {
			return err
		}
		if len(dead) > 0 {
			err := k.meta.Update(ctx, func(tx meta.Txn) error {
				for _, ref := range dead {
					if _, err := markKey(tx, ref); err != nil {
						return fmt.Errorf("%s: %w", ref, err)
					}
				}
				return revision.Bump(tx)
			})
			if err != nil {
				return err
			}
		}
		if n < r.Limit {
			return nil
		}
	}
}
