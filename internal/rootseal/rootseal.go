// Package rootseal keeps the root of trust: the root secret of the current
// epoch and, sealed under it, the head and the frontiers of the key tree.
//
// A root store can forget. It holds the latest copy only, and an epoch that was
// destroyed can't be read again.
//
// A change of the epoch from e to e+1 is Prepare of e+1, the move of the head
// elsewhere, and Destroy of e. After a crash between the two the store lists
// both, and whoever knows where the head stands destroys the other one: e to
// finish the change, e+1 to take it back.
//
// The suite in rootseal/sealtest holds every implementation to the same
// behaviour.
package rootseal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

var (
	// ErrNoRoot means that the store does not hold the epoch, or none at
	// all: it was never prepared, or it was destroyed.
	ErrNoRoot = errors.New("rootseal: no root")
	// ErrExists means that the epoch to prepare is there already.
	ErrExists = errors.New("rootseal: epoch exists")
	// ErrDamaged means that stored bytes of a complete epoch do not match
	// their checksum or are missing. The wrapped text names what, never the
	// bytes.
	ErrDamaged = errors.New("rootseal: epoch is damaged")
)

// MaxNameLength is the length of the longest name of a frontier.
const MaxNameLength = 64

// CheckName returns an error unless name is 1 to [MaxNameLength] characters of
// [a-z0-9-]: it becomes a file name or a label.
func CheckName(name string) error {
	if len(name) == 0 || len(name) > MaxNameLength {
		return fmt.Errorf("rootseal: a frontier name of %d characters, want 1 to %d", len(name), MaxNameLength)
	}
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return fmt.Errorf("rootseal: character %q in the frontier name %q, want a-z0-9-", c, name)
		}
	}
	return nil
}

// Secret is the root secret of one epoch. It prints as [secret].
type Secret [32]byte

const hidden = "[secret]"

// String implements [fmt.Stringer] and never shows the secret.
func (Secret) String() string { return hidden }

// GoString implements [fmt.GoStringer] and never shows the secret.
func (Secret) GoString() string { return hidden }

// Format implements [fmt.Formatter] and never shows the secret, also for %d,
// which does not ask String.
func (Secret) Format(f fmt.State, verb rune) { _, _ = io.WriteString(f, hidden) }

// MarshalJSON implements json.Marshaler and never shows the secret.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// LogValue implements [slog.LogValuer] and never shows the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

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
	// head of that epoch may name. Of a name that several epochs wrote it
	// returns that of the latest one up to number. There may be more
	// frontiers than the head names. It returns ErrNoRoot if the epoch is
	// not complete, and ErrDamaged.
	Load(ctx context.Context, number uint64) (*Epoch, error)
	// Prepare writes e beside the current epoch, syncs it and reads it back.
	// e.Frontiers holds only the frontiers that are new; those of the older
	// epoch stay readable under their names, and Load of the older epoch
	// returns what it returned before. e.Number is above that of every
	// complete epoch; if it is equal to one, Prepare returns ErrExists.
	//
	// When Prepare returns an error, or is cut by a crash, the epoch is
	// complete or not there: ask Epochs. What is left of an epoch that is not
	// complete, the next Prepare removes.
	Prepare(ctx context.Context, e *Epoch) error
	// Destroy makes the root of the epoch unreadable for ever, overwritten
	// and synced, and removes its head. Frontiers not in keep are removed,
	// whichever epoch wrote them, and so are those that no remaining epoch
	// would load.
	//
	// From the first change of the root's bytes on the epoch is not complete
	// any more, whatever happens. After an error or a crash Destroy is
	// repeated; destroying an epoch that is not there is no error.
	Destroy(ctx context.Context, number uint64, keep []string) error
}
