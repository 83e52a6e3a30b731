package rootseal

import "context"

// A Vault is a part of the root that forgets, and is not a directory: an HSM or a
// TPM. It holds one random secret for each epoch, and nothing else. The root of an
// epoch opens only with it: once it is forgotten, nothing that was copied from
// anywhere else opens that epoch.
//
// The suite in rootseal/sealtest holds every implementation to the same
// behaviour. Calls are not concurrent.
type Vault interface {
	// Make makes a fresh secret for an epoch and returns it. It survives a
	// crash of the process and of the machine when Make returns nil. After an
	// error or a crash the epoch may be there: Forget it. If it is there
	// already, Make returns ErrExists.
	Make(ctx context.Context, epoch uint64) (Secret, error)
	// Open returns the secret of an epoch, or ErrNoRoot.
	Open(ctx context.Context, epoch uint64) (Secret, error)
	// Forget destroys the secret of an epoch for ever; one that is not there
	// is no error. After an error it is repeated.
	Forget(ctx context.Context, epoch uint64) error
	// Epochs returns the epochs that have a secret, in order.
	Epochs(ctx context.Context) ([]uint64, error)
	Close() error
}

// A Gate is a part of the root that lasts: a passphrase, the shares of custodians,
// a key in an HSM. It keeps those out who hold the rest; it forgets nothing, so a
// root always has a part that forgets beside its gates.
type Gate interface {
	// Mask returns the gate's secret for an epoch: the same whenever it is
	// asked, and one that says nothing of that of another epoch.
	Mask(ctx context.Context, epoch uint64) (Secret, error)
	Close() error
}
