package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"coffer/internal/durable"
)

// Destroy implements [rootseal.Store].
func (s *Store) Destroy(ctx context.Context, number uint64, keep []string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.destroy(number, keep); err != nil {
		return fmt.Errorf("destroy epoch %d: %w", number, err)
	}
	return nil
}

func (s *Store) destroy(number uint64, keep []string) error {
	all, err := s.scan()
	if err != nil {
		return err
	}
	for i, e := range all {
		if e.number == number {
			if err := s.removeSecrets(e); err != nil {
				return err
			}
			all[i].complete = false
		}
	}
	return s.removeFrontiers(all, keep)
}

// removeSecrets destroys the root of an epoch and removes its head. It can be
// repeated.
func (s *Store) removeSecrets(e epochDir) error {
	if e.has(destroyingName) {
		if err := s.eraseDestroying(e.number); err != nil {
			return err
		}
	}
	if e.has(rootName) {
		if err := s.fsys.Rename(s.path(e.number, rootName), s.path(e.number, destroyingName)); err != nil {
			return err
		}
		if err := s.eraseDestroying(e.number); err != nil {
			return err
		}
	}
	if e.has(headName) {
		if err := s.fsys.Remove(s.path(e.number, headName)); err != nil {
			return err
		}
		return s.fsys.SyncDir(s.path(e.number))
	}
	return nil
}

// eraseDestroying overwrites and removes the root that was renamed. The rename
// moved no bytes. Only once it is durable are they touched: the epoch can't come
// back into the list then, and an overwrite that is half done, or undone by a
// crash, is never taken for a root.
func (s *Store) eraseDestroying(number uint64) error {
	if err := s.fsys.SyncDir(s.path(number)); err != nil {
		return err
	}
	return durable.Erase(s.fsys, s.path(number, destroyingName), s.rand)
}

// removeFrontiers removes every frontier that is not in keep or that no complete
// epoch loads, and the directories that are empty then. With no complete epoch
// all in keep stay.
func (s *Store) removeFrontiers(all []epochDir, keep []string) error {
	type frontier struct {
		name   string
		writer uint64
	}
	kept := map[string]bool{}
	for _, name := range keep {
		kept[name] = true
	}
	complete := completeOf(all)
	loaded := map[frontier]bool{}
	for _, number := range complete {
		for name, writer := range frontiersOf(all, number) {
			loaded[frontier{name, writer}] = true
		}
	}
	for _, e := range all {
		left := 0
		for _, name := range e.frontiers() {
			if kept[name] && (len(complete) == 0 || loaded[frontier{name, e.number}]) {
				left++
				continue
			}
			if err := s.fsys.Remove(s.path(e.number, frontierPrefix+name)); err != nil {
				return err
			}
		}
		var err error
		if left == 0 && !e.complete {
			err = s.discard(e.number)
		} else {
			err = s.fsys.SyncDir(s.path(e.number))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// discard removes the directory of an epoch with all that is in it, its root
// erased first. A missing one is not an error.
func (s *Store) discard(number uint64) error {
	files, err := s.fsys.ReadDir(s.path(number))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	e := epochDir{number: number, files: files}
	if err := s.removeSecrets(e); err != nil {
		return err
	}
	for _, name := range files {
		if err := s.fsys.Remove(s.path(number, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := s.fsys.Remove(s.path(number)); err != nil {
		return err
	}
	return s.fsys.SyncDir(s.dir)
}
