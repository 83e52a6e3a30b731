package key

import (
	"context"
	"fmt"
)

// Reseal changes the epoch without puncturing a leaf: everything opens as before,
// under a fresh root, and the old root is destroyed in every store. It returns the
// new epoch. It is what makes a copy of the old root void, and what moves the root
// to other parts.
//
// The new epoch is read back and proven before the old one is destroyed. After an
// error the epoch may or may not have changed; the next call, or the next OpenRoot,
// first finds out.
func (r *Root) Reseal(ctx context.Context) (uint64, error) { return r.turn(ctx, nil, true, nil) }

// Reseal is [Root.Reseal] for a root that serves keys: it also brings the rows to
// the new epoch, and opens a sample of the key versions from it before the old one
// is destroyed.
func (k *Keys) Reseal(ctx context.Context) (uint64, error) {
	k.destroy.Lock()
	defer k.destroy.Unlock()
	k.epochs.Lock()
	defer k.epochs.Unlock()
	epoch, err := k.root.turn(ctx, nil, true, k.survivors(ctx, nil))
	if err != nil {
		return 0, fmt.Errorf("change epoch: %w", err)
	}
	return epoch, k.adoptLocked(ctx)
}
