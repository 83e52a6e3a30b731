package parts

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"coffer/internal/rootseal"
)

// Destroy implements [rootseal.Store].
//
// An epoch that a newer one follows is destroyed only while every part is there
// and after the newer one was read back through every holder; otherwise Destroy
// returns [ErrMissing], or what is wrong with the holder, and changes nothing. An
// epoch that all parts have destroyed before waits for nobody.
func (s *Store) Destroy(ctx context.Context, number uint64, keep []string) error {
	st, err := s.scan(ctx)
	if err != nil {
		return err
	}
	var newest uint64
	keep = slices.Clone(keep)
	for _, n := range st.listed {
		if n != number {
			newest = n
			keep = append(keep, recordName(n))
		}
	}
	forward := newest > number
	if forward && number > s.desc.Forgotten {
		if err := s.confirm(ctx, newest, st); err != nil {
			return err
		}
	}
	for _, p := range s.desc.parts() {
		numbers, ok := st.epochs[p.ID]
		if !ok {
			continue
		}
		gone := []uint64{number}
		for _, n := range numbers {
			if n != number && !slices.Contains(st.listed, n) {
				gone = append(gone, n)
			}
		}
		for _, n := range gone {
			if e := s.forget(ctx, &p, n, keep); e != nil {
				err = errors.Join(err, fmt.Errorf("part %s: %w", p.ID, e))
			}
		}
	}
	if err != nil || !forward || number <= s.desc.Forgotten {
		return err
	}
	s.desc.Forgotten = number
	return s.save()
}

// confirm returns an error unless every part is there and every holder returns
// the epoch.
func (s *Store) confirm(ctx context.Context, epoch uint64, st *state) error {
	if len(st.missing) > 0 {
		return errors.Join(st.missing...)
	}
	if s.verified == epoch {
		return nil
	}
	set := s.desc.set(epoch)
	var root *rootseal.Secret
	for h, ids := range set.Holders {
		if slices.ContainsFunc(ids, s.isLost) {
			continue
		}
		e, err := s.loadHolder(ctx, epoch, set, h)
		if err != nil {
			return fmt.Errorf("holder %d does not open epoch %d: %w", h+1, epoch, err)
		}
		same := root == nil || *root == e.Root
		root = &e.Root
		defer clear(e.Root[:])
		if !same {
			return fmt.Errorf("%w: holder %d has another root of epoch %d", rootseal.ErrDamaged, h+1, epoch)
		}
	}
	s.verified = epoch
	return nil
}

// save writes the description, if there is one in a file.
func (s *Store) save() error {
	if !s.described {
		return nil
	}
	return writeJSON(s.fsys, filepath.Join(s.dir, DescriptionFile), s.desc)
}
