package server

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"coffer/internal/config"
	"coffer/internal/durable"
	"coffer/internal/key"
	rootparts "coffer/internal/rootseal/parts"
)

// ErrRootSpec wraps what is wrong with the description of a root or a part that a
// user gave.
var ErrRootSpec = errors.New("server: unusable root")

// ErrRootMissing means that a part of the root of trust can't be reached.
var ErrRootMissing = rootparts.ErrMissing

// A RootState is what a root consists of and what opens.
type RootState = rootparts.Status

// openRoot opens the root of trust in DIR/root and its parts. With a spec it makes
// a new root of these parts.
func (s *Stack) openRoot(ctx context.Context, cfg *config.Server) error {
	dir := filepath.Join(s.Dir, rootDir)
	if err := durable.MkdirAll(durable.OS{}, dir, 0o700); err != nil {
		return fmt.Errorf("make root directory: %w", err)
	}
	opener := &rootOpener{cfg: &cfg.Root}
	defer opener.wipe()
	store, err := rootparts.Open(rootparts.Config{Dir: dir, Opener: opener, Lost: cfg.Root.Lost})
	if err != nil {
		return err
	}
	s.onClose(store.Close)
	if s.IsNew && len(cfg.Root.Spec) > 0 && !store.Described() {
		if err := makeParts(ctx, store, opener, cfg.Root.Spec); err != nil {
			return err
		}
	}
	closed := store.OpenGates(ctx) // later nobody may be there to ask
	s.Root, err = key.OpenRoot(ctx, key.RootConfig{Store: store, Log: s.log, Create: s.IsNew})
	if err != nil {
		return err
	}
	s.onClose(func() error { s.Root.Close(); return nil })
	if closed != nil {
		s.log.Warn("the root of trust opened, but not through every holder: nothing can be destroyed until it does", "error", closed)
	}
	s.rootStore, s.rootOpener = store, opener
	return store.Settle(ctx)
}

// makeParts makes the parts of a new root.
func makeParts(ctx context.Context, store *rootparts.Store, opener *rootOpener, spec []string) error {
	if numbers, err := store.Epochs(ctx); err != nil {
		return err
	} else if len(numbers) > 0 {
		return fmt.Errorf("%w: a start that was cut has left another root: remove the directory", ErrRootSpec)
	}
	set, err := opener.newSet(ctx, spec)
	if err != nil {
		return err
	}
	return store.Stage(ctx, *set)
}
