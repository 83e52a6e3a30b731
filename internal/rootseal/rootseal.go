// Package rootseal keeps the root of trust: the root secret of the current
// epoch and, sealed under it, the head and the frontiers of the key tree.
//
// A root store can forget. It holds the latest copy only, and an epoch that was
// destroyed can't be read again.
package rootseal

import (
	"context"
	"errors"
)

var (
	// ErrNoRoot means that the store holds no epoch at all.
	ErrNoRoot = errors.New("rootseal: no root")
	// ErrExists means that the epoch to prepare is there already.
	ErrExists = errors.New("rootseal: epoch exists")
)

// Secret is the root secret of one epoch. It prints as [secret].
type Secret [32]byte

// String, GoString, MarshalJSON and LogValue never show the secret.
func (Secret) String() string               { return "[secret]" }
func (Secret) GoString() string             { return "[secret]" }
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"[secret]"`), nil }

// An Epoch is what a store holds of one epoch. Head and Frontiers are sealed:
// the store sees ciphertext.
type Epoch struct {
	Number    uint64
	Root      Secret
	Head      []byte
	Frontiers map[string][]byte // by name, [a-z0-9-]{1,64}
}

// A Store holds the root of trust. Calls are not concurrent.
type Store interface {
	// Epochs returns the numbers of the complete epochs, in order. There is
	// one, or two when a crash cut an epoch change, or none.
	Epochs(ctx context.Context) ([]uint64, error)
	// Load returns one epoch: its root, its head and every frontier that the
	// head of that epoch may name.
	Load(ctx context.Context, number uint64) (*Epoch, error)
	// Prepare writes e beside the current epoch, syncs it and reads it back.
	// e.Frontiers holds only the frontiers that are new; those of the older
	// epoch stay readable under their names.
	Prepare(ctx context.Context, e *Epoch) error
	// Destroy makes the root of the epoch unreadable for ever, overwritten
	// and synced, and removes its head. Frontiers not in keep are removed.
	Destroy(ctx context.Context, number uint64, keep []string) error
}
