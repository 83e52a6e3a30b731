package key

import (
	"context"
	"slices"
	"strings"
	"time"

	"coffer/internal/meta"
	"coffer/internal/revision"
)

// change runs fn on the row of a key, writes it, and forgets the key.
func (k *Keys) change(ctx context.Context, ref Ref, also Also, fn func(tx meta.Txn, row *keyRow) error) (*Key, error) {
	// Also after an error, for the outcome may be unknown.
	defer k.keys.forget(ref)
	var key *Key
	err := k.meta.Update(ctx, func(tx meta.Txn) error {
		row, err := getKey(tx, ref)
		if err != nil {
			return err
		}
		if row.Manager == ManagerAWS {
			return ErrManaged
		}
		if err := fn(tx, row); err != nil {
			return err
		}
		if err := putRow(tx, keyKey(ref), row); err != nil {
			return err
		}
		if err := revision.Bump(tx); err != nil {
			return err
		}
		key = row.key(ref)
		return also.run(tx, key)
	})
	if err != nil {
		return nil, err
	}
	return key, nil
}

// edit is change for keys that are not pending deletion.
func (k *Keys) edit(ctx context.Context, ref Ref, also Also, fn func(row *keyRow) error) (*Key, error) {
	return k.change(ctx, ref, also, func(_ meta.Txn, row *keyRow) error {
		if row.State == PendingDeletion || row.State == PendingReplicaDeletion {
			return ErrPendingDeletion
		}
		return fn(row)
	})
}

// SetDescription changes the description.
// It returns ErrNotFound, ErrPendingDeletion or ErrManaged.
func (k *Keys) SetDescription(ctx context.Context, ref Ref, description string, also Also) (*Key, error) {
	return k.edit(ctx, ref, also, func(row *keyRow) error {
		row.Description = description
		return nil
	})
}

// SetPolicy changes the key policy, in any state.
// It returns ErrNotFound or ErrManaged.
func (k *Keys) SetPolicy(ctx context.Context, ref Ref, policy string, also Also) (*Key, error) {
	return k.change(ctx, ref, also, func(_ meta.Txn, row *keyRow) error {
		row.Policy = policy
		return nil
	})
}

// Enable enables a disabled key; an enabled one stays as it is.
// It returns ErrNotFound, ErrPendingDeletion, ErrPendingImport or ErrManaged.
func (k *Keys) Enable(ctx context.Context, ref Ref, also Also) (*Key, error) {
	return k.change(ctx, ref, also, func(tx meta.Txn, row *keyRow) error {
		switch row.State {
		case Enabled, Disabled:
		case PendingDeletion, PendingReplicaDeletion:
			return ErrPendingDeletion
		case PendingImport:
			return ErrPendingImport
		default:
			return ErrInvalidState
		}
		row.State = Enabled
		if row.Rotate == 0 || row.Multi != nil && row.Multi.Primary != ref.Region {
			return nil
		}
		return tx.Put(dateKey(rowRotate, row.Rotate, ref), nil) // it was passed over while disabled
	})
}

// Disable disables a key. When it returns nil, no later use of the key succeeds.
// It returns ErrNotFound, ErrPendingDeletion, ErrPendingImport or ErrManaged.
func (k *Keys) Disable(ctx context.Context, ref Ref, also Also) (*Key, error) {
	return k.edit(ctx, ref, also, func(row *keyRow) error {
		if row.State == PendingImport {
			return ErrPendingImport
		}
		row.State = Disabled
		return nil
	})
}

// ScheduleDeletion makes the key pending deletion, due when the window has
// passed. A multi-region primary key waits for its last replica to be destroyed
// before its window begins.
// It returns ErrNotFound, ErrPendingDeletion, ErrInvalidWindow or ErrManaged.
func (k *Keys) ScheduleDeletion(ctx context.Context, ref Ref, window time.Duration, also Also) (*Key, error) {
	if window < MinWindow || window > MaxWindow {
		return nil, ErrInvalidWindow
	}
	due := k.now().Add(window).UnixNano()
	return k.change(ctx, ref, also, func(tx meta.Txn, row *keyRow) error {
		if row.State == PendingDeletion || row.State == PendingReplicaDeletion {
			return ErrPendingDeletion
		}
		if row.Multi != nil && row.Multi.Primary == ref.Region && len(row.Multi.Replicas) > 0 {
			row.State, row.Window = PendingReplicaDeletion, int64(window)
			return nil
		}
		row.State, row.Deletion, row.Window = PendingDeletion, due, int64(window)
		return tx.Put(dueKey(due, ref), nil)
	})
}

// CancelDeletion makes a key that is pending deletion disabled. Once its
// destruction began there is no such key.
// It returns ErrNotFound, ErrNotPendingDeletion or ErrManaged.
func (k *Keys) CancelDeletion(ctx context.Context, ref Ref, also Also) (*Key, error) {
	return k.change(ctx, ref, also, func(tx meta.Txn, row *keyRow) error {
		due := row.Deletion
		switch row.State {
		case PendingDeletion, PendingReplicaDeletion:
			row.State, row.Deletion, row.Window = Disabled, 0, 0
		default:
			return ErrNotPendingDeletion
		}
		if row.Origin == OriginExternal {
			if err := row.settle(tx, ref); err != nil {
				return err
			}
		}
		if due == 0 {
			return nil
		}
		return tx.Delete(dueKey(due, ref))
	})
}

// SetTags sets tags, each anew or over its old value.
// It returns ErrNotFound, ErrPendingDeletion, ErrTooManyTags, ErrReservedTag or
// ErrManaged.
func (k *Keys) SetTags(ctx context.Context, ref Ref, tags []Tag, also Also) (*Key, error) {
	if slices.ContainsFunc(tags, func(t Tag) bool { return strings.HasPrefix(t.Key, ReservedTagPrefix) }) {
		return nil, ErrReservedTag
	}
	return k.edit(ctx, ref, also, func(row *keyRow) error {
		for _, t := range tags {
			i := slices.IndexFunc(row.Tags, func(old tagRow) bool { return old.Key == t.Key })
			if i < 0 {
				row.Tags = append(row.Tags, tagRow{Key: t.Key, Value: t.Value})
			} else {
				row.Tags[i].Value = t.Value
			}
		}
		if len(row.Tags) > MaxTags {
			return ErrTooManyTags
		}
		return nil
	})
}

// RemoveTags removes the tags with these names; a missing one is not an error.
// It returns ErrNotFound, ErrPendingDeletion, ErrReservedTag or ErrManaged.
func (k *Keys) RemoveTags(ctx context.Context, ref Ref, names []string, also Also) (*Key, error) {
	if slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, ReservedTagPrefix) }) {
		return nil, ErrReservedTag
	}
	return k.edit(ctx, ref, also, func(row *keyRow) error {
		row.Tags = slices.DeleteFunc(row.Tags, func(t tagRow) bool { return slices.Contains(names, t.Key) })
		return nil
	})
}
