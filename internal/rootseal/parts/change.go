package parts

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"coffer/internal/durable"
	"coffer/internal/rootseal"
)

// Stage makes next the parts of the epochs that are prepared from now on. A
// caller then changes the epoch and calls Settle; after a crash it opens the
// root, which finishes or drops the epoch, and calls Settle. It returns
// [ErrMissing] if a part is missing that was not given up.
//
// A part of next with the ID of a present one is that part. Directories of new
// stores are made; one that holds a root already, or is marked as part of one,
// is refused.
func (s *Store) Stage(ctx context.Context, next Set) error {
	st, err := s.scan(ctx)
	switch {
	case err != nil:
	case len(s.desc.Sets) > 1:
		err = errors.New("another change of parts is not settled")
	case len(st.missing) > 0:
		err = errors.Join(st.missing...)
	}
	if err != nil {
		return fmt.Errorf("change the parts of the root: %w", err)
	}
	next.From = 1
	if len(st.listed) > 0 {
		next.From = st.listed[len(st.listed)-1] + 1
	}
	if err := s.stage(ctx, next); err != nil {
		return fmt.Errorf("change the parts of the root: %w", err)
	}
	return nil
}

func (s *Store) stage(ctx context.Context, next Set) error {
	d := *s.desc
	if next.From > 1 {
		d.Sets = []Set{s.desc.Sets[0], next}
	} else {
		d.Sets = []Set{next}
	}
	if d.ID == "" {
		var id [16]byte
		if _, err := io.ReadFull(s.rand, id[:]); err != nil {
			return err
		}
		d.ID = hex.EncodeToString(id[:])
	}
	for _, set := range d.Sets {
		if err := set.Check(); err != nil {
			return err
		}
	}
	if err := d.check(); err != nil {
		return err
	}
	for i := range next.Parts {
		p := &next.Parts[i]
		if known, ok := s.desc.Sets[0].Part(p.ID); p.Role == RoleStore && (next.From == 1 || !ok) {
			if err := s.makeStore(ctx, p, d.ID); err != nil {
				return fmt.Errorf("part %s: %w", p.ID, err)
			}
		} else if ok && s.isLost(known.ID) {
			return fmt.Errorf("part %s is given up", p.ID)
		}
	}
	old, described := s.desc, s.described
	s.desc, s.described = &d, true
	if err := s.save(); err != nil {
		s.desc, s.described = old, described
		return err
	}
	return nil
}

// makeStore makes and marks the directory of a new store.
func (s *Store) makeStore(ctx context.Context, p *Part, id string) error {
	dir := p.Settings[SettingDir]
	if dir == "" {
		return nil
	}
	if !filepath.IsAbs(dir) {
		return fmt.Errorf("%q is not an absolute path", dir)
	}
	if err := durable.MkdirAll(s.fsys, dir, 0o700); err != nil {
		return err
	}
	names, err := s.fsys.ReadDir(dir)
	switch {
	case err != nil:
		return err
	case !slices.Contains(names, MarkerFile):
		if slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, "epoch-") }) {
			return fmt.Errorf("%s holds a root already", dir)
		}
	case !s.isOwn(filepath.Join(dir, MarkerFile), id, p.ID): // not of a change that was cut
		return fmt.Errorf("%s is part of a root already: remove its %s if that root is gone", dir, MarkerFile)
	}
	return writeJSON(s.fsys, filepath.Join(dir, MarkerFile), marker{Coffer: markerType, ID: id, Part: p.ID})
}

// isOwn reports whether a marker is of this root and part.
func (s *Store) isOwn(name, id, part string) bool {
	b, err := durable.ReadFile(s.fsys, name, maxDescription)
	var m marker
	return err == nil && strict(b, &m) == nil && m == marker{markerType, id, part}
}

// Settle ends a change of parts: if an epoch of the next set is complete and no
// older one is, the older set goes; if none is, the next set goes. Without a
// change it does nothing.
func (s *Store) Settle(ctx context.Context) error {
	if len(s.desc.Sets) < 2 {
		return nil
	}
	st, err := s.scan(ctx)
	if err != nil {
		return fmt.Errorf("settle the parts of the root: %w", err)
	}
	keep, drop := 0, 1
	if n := len(st.listed); n > 0 && st.listed[n-1] >= s.desc.Sets[1].From {
		if st.listed[0] < s.desc.Sets[1].From {
			return fmt.Errorf("settle the parts of the root: epoch %d is not destroyed", st.listed[0])
		}
		keep, drop = 1, 0
	}
	if err := s.settle(ctx, st, keep, drop); err != nil {
		return fmt.Errorf("settle the parts of the root: %w", err)
	}
	return nil
}

func (s *Store) settle(ctx context.Context, st *state, keep, drop int) error {
	set, gone := s.desc.Sets[keep], s.desc.Sets[drop]
	// What an epoch of the next set has left in parts that stay would be taken
	// for one of theirs.
	if drop == 1 {
		base := &rootseal.Epoch{}
		if n := len(st.listed); n > 0 {
			e, err := s.load(ctx, st.listed[n-1], st)
			if err != nil {
				return err
			}
			clear(e.Root[:])
			base = e
		}
		if err := s.sweep(ctx, st, base); err != nil {
			return err
		}
	}
	// Before the description forgets where they are.
	for i := range gone.Parts {
		p := &gone.Parts[i]
		if _, ok := set.Part(p.ID); ok || !p.Forgets() || s.isLost(p.ID) {
			continue
		}
		// Also one that Prepare began there.
		for _, n := range append(st.epochs[p.ID], s.desc.Sets[1].From) {
			if err := s.forget(ctx, p, n, nil); err != nil {
				return fmt.Errorf("part %s: %w", p.ID, err)
			}
		}
	}
	d := *s.desc
	d.Sets = []Set{set}
	old := s.desc
	s.desc = &d
	if err := s.save(); err != nil {
		s.desc = old
		return err
	}
	for i := range gone.Parts {
		p := &gone.Parts[i]
		if _, ok := set.Part(p.ID); ok {
			continue
		}
		if err := s.release(p); err != nil {
			return fmt.Errorf("part %s: %w", p.ID, err)
		}
	}
	return nil
}

// release closes a part that is one no more, and takes its marker away.
func (s *Store) release(p *Part) error {
	var err error
	if v := s.vaults[p.ID]; v != nil {
		err = v.Close()
	}
	if g := s.gates[p.ID]; g != nil {
		err = errors.Join(err, g.Close())
	}
	delete(s.vaults, p.ID)
	delete(s.gates, p.ID)
	delete(s.stores, p.ID)
	dir := p.Settings[SettingDir]
	if p.Role != RoleStore || dir == "" || s.isLost(p.ID) {
		return err
	}
	if e := s.fsys.Remove(filepath.Join(dir, MarkerFile)); e != nil && !errors.Is(e, fs.ErrNotExist) {
		return errors.Join(err, e)
	}
	return errors.Join(err, s.fsys.SyncDir(dir))
}
