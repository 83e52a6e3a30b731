package metatest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"coffer/internal/meta"
)

// Faults is a store that runs its transactions on another one and makes them
// fail on demand. It is safe for concurrent use. Close closes the inner store.
type Faults struct {
	meta.Store

	mu      sync.Mutex
	twice   bool
	refuse  int // Updates yet to fail; -1 for all
	unknown int // Updates yet to lose their answer; -1 for all
}

var _ meta.Store = (*Faults)(nil)

// NewFaults returns a wrapper of s without any fault.
func NewFaults(s meta.Store) *Faults { return &Faults{Store: s} }

// RunTwice makes the function of every Update run twice, as after a conflict:
// what the first run wrote is dropped.
func (f *Faults) RunTwice(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.twice = on
}

// FailUpdates makes the next n Updates, or all if n is -1, run their function
// and then return [meta.ErrUnavailable] without a commit. 0 ends it.
func (f *Faults) FailUpdates(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = n
}

// LoseAnswers makes the next n Updates, or all if n is -1, commit and yet
// return [meta.ErrUnavailable], as when the disk fails in the commit. 0 ends it.
func (f *Faults) LoseAnswers(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unknown = n
}

var errFault = errors.New("metatest: injected fault")

// Update runs fn in the inner store with the faults that are set.
func (f *Faults) Update(ctx context.Context, fn func(meta.Txn) error) error {
	f.mu.Lock()
	twice, refuse, unknown := f.twice, spend(&f.refuse), false
	if !refuse {
		unknown = spend(&f.unknown)
	}
	f.mu.Unlock()

	if twice || refuse {
		err := f.Store.Update(ctx, func(tx meta.Txn) error {
			if err := fn(tx); err != nil {
				return err
			}
			return errFault
		})
		if !errors.Is(err, errFault) {
			return err
		}
		if refuse {
			return fmt.Errorf("%w: %w", meta.ErrUnavailable, errFault)
		}
	}
	err := f.Store.Update(ctx, fn)
	if err == nil && unknown {
		return fmt.Errorf("%w: %w", meta.ErrUnavailable, errFault)
	}
	return err
}

// spend takes one from a counter that is not 0, and none from -1.
func spend(n *int) bool {
	if *n == 0 {
		return false
	}
	if *n > 0 {
		*n--
	}
	return true
}
