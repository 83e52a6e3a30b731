package parts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"coffer/internal/rootseal"
)

// Prepare implements [rootseal.Store]. Every part is there, or it returns
// [ErrMissing] and changes nothing. It removes what is left of other epochs, then
// writes the epoch to every part and reads it back through every holder.
//
// A store that lacks the older epoch, because it is new or was replaced, gets all
// frontiers.
func (s *Store) Prepare(ctx context.Context, e *rootseal.Epoch) error {
	for name := range e.Frontiers {
		if err := rootseal.CheckName(name); err != nil {
			return err
		}
		if strings.HasPrefix(name, recordPrefix) {
			return fmt.Errorf("the frontier name %q is reserved", name)
		}
	}
	st, err := s.scan(ctx)
	if err != nil {
		return err
	}
	var last uint64
	if len(st.listed) > 0 {
		last = st.listed[len(st.listed)-1]
	}
	switch {
	case slices.Contains(st.listed, e.Number):
		return rootseal.ErrExists
	case e.Number < last:
		return fmt.Errorf("epoch %d is complete already", last)
	case len(st.missing) > 0:
		return errors.Join(st.missing...)
	}
	base := &rootseal.Epoch{}
	if last > 0 {
		if base, err = s.load(ctx, last, st); err != nil {
			return fmt.Errorf("epoch %d: %w", last, err)
		}
		clear(base.Root[:])
	}
	if err := s.sweep(ctx, st, base); err != nil {
		return fmt.Errorf("remove what is left of other epochs: %w", err)
	}
	err = s.write(ctx, e, base)
	if err == nil {
		err = s.readBack(ctx, e, base)
	}
	if err != nil {
		// Best effort: what remains, the next Prepare removes.
		return errors.Join(err, s.discard(context.WithoutCancel(ctx), e.Number, base))
	}
	s.verified = e.Number
	return nil
}

// sweep destroys, in every part, the epochs that are not listed. base is the
// newest listed epoch, if there is one.
func (s *Store) sweep(ctx context.Context, st *state, base *rootseal.Epoch) error {
	for _, p := range s.desc.parts() {
		for _, n := range st.epochs[p.ID] {
			if slices.Contains(st.listed, n) {
				continue
			}
			if err := s.forget(ctx, &p, n, s.namesOf(base, st)); err != nil {
				return fmt.Errorf("part %s: %w", p.ID, err)
			}
		}
	}
	return nil
}

// namesOf returns what a store keeps of the listed epochs: the frontiers of the
// newest one hold those of the older, and each has its record.
func (s *Store) namesOf(base *rootseal.Epoch, st *state) []string {
	names := slices.Collect(maps.Keys(base.Frontiers))
	for _, n := range st.listed {
		names = append(names, recordName(n))
	}
	return names
}

// forget destroys an epoch in one part.
func (s *Store) forget(ctx context.Context, p *Part, epoch uint64, keep []string) error {
	if p.Role == RoleVault {
		v, err := s.vault(ctx, p)
		if err != nil {
			return err
		}
		return v.Forget(ctx, epoch)
	}
	st, err := s.store(ctx, p)
	if err != nil {
		return err
	}
	return st.Destroy(ctx, epoch, keep)
}

// discard takes back what write has left.
func (s *Store) discard(ctx context.Context, epoch uint64, base *rootseal.Epoch) error {
	st, err := s.scan(ctx)
	if err != nil {
		return err
	}
	keep := s.namesOf(base, st)
	set := s.desc.set(epoch)
	for i := range set.Parts {
		if set.Parts[i].Forgets() {
			err = errors.Join(err, s.forget(ctx, &set.Parts[i], epoch, keep))
		}
	}
	return err
}

// write writes an epoch to every part of its set.
func (s *Store) write(ctx context.Context, e, base *rootseal.Epoch) error {
	set := s.desc.set(e.Number)
	secrets := map[string]*rootseal.Secret{}
	defer func() {
		for _, v := range secrets {
			clear(v[:])
		}
	}()
	for i := range set.Parts {
		v, err := s.draw(ctx, set, &set.Parts[i], e)
		if err != nil {
			return fmt.Errorf("part %s: %w", set.Parts[i].ID, err)
		}
		secrets[set.Parts[i].ID] = &v
	}
	own := map[string][]byte{}
	if !set.Plain {
		record, err := sealHolders(e, set, secrets)
		if err != nil {
			return err
		}
		own[recordName(e.Number)] = record
	}
	for i := range set.Parts {
		p := &set.Parts[i]
		if p.Role != RoleStore {
			continue
		}
		if err := s.writeStore(ctx, p, e, base, own, secrets[p.ID]); err != nil {
			return fmt.Errorf("part %s: %w", p.ID, err)
		}
	}
	return nil
}

// draw returns the secret that a part has in a new epoch.
func (s *Store) draw(ctx context.Context, set *Set, p *Part, e *rootseal.Epoch) (secret rootseal.Secret, err error) {
	switch {
	case set.Plain:
		return e.Root, nil
	case p.Role == RoleStore:
		_, err = io.ReadFull(s.rand, secret[:])
		return secret, err
	case p.Role == RoleVault:
		v, err := s.vault(ctx, p)
		if err != nil {
			return secret, err
		}
		return v.Make(ctx, e.Number)
	}
	return s.secret(ctx, p, e.Number, secret)
}

// sealHolders returns the record of an epoch: the root sealed for every holder.
func sealHolders(e *rootseal.Epoch, set *Set, secrets map[string]*rootseal.Secret) ([]byte, error) {
	sealed := make([][]byte, len(set.Holders))
	for h, ids := range set.Holders {
		of := make([]rootseal.Secret, len(ids))
		for i, id := range ids {
			of[i] = *secrets[id]
		}
		var err error
		sealed[h], err = sealRoot(&e.Root, of, e.Number, h, set)
		wipe(of)
		if err != nil {
			return nil, err
		}
	}
	return encodeRecord(set, sealed)
}

// writeStore writes an epoch to one store, with a share in the place of the root.
func (s *Store) writeStore(ctx context.Context, p *Part, e, base *rootseal.Epoch, own map[string][]byte, share *rootseal.Secret) error {
	st, err := s.store(ctx, p)
	if err != nil {
		return err
	}
	part := &rootseal.Epoch{Number: e.Number, Root: *share, Head: e.Head, Frontiers: map[string][]byte{}}
	defer clear(part.Root[:])
	has, err := holds(ctx, st, base)
	if err != nil {
		return err
	}
	if !has {
		maps.Copy(part.Frontiers, base.Frontiers)
	}
	maps.Copy(part.Frontiers, e.Frontiers)
	maps.Copy(part.Frontiers, own)
	return st.Prepare(ctx, part)
}

// holds reports whether a store has the frontiers of an epoch as they are.
func holds(ctx context.Context, st rootseal.Store, base *rootseal.Epoch) (bool, error) {
	if base.Number == 0 {
		return true, nil
	}
	got, err := st.Load(ctx, base.Number)
	if errors.Is(err, rootseal.ErrNoRoot) || errors.Is(err, rootseal.ErrDamaged) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	clear(got.Root[:])
	return contains(got.Frontiers, base.Frontiers), nil
}

// contains reports whether frontiers holds all of want.
func contains(frontiers, want map[string][]byte) bool {
	for name, f := range want {
		if g, ok := frontiers[name]; !ok || !bytes.Equal(g, f) {
			return false
		}
	}
	return true
}

// readBack compares what every holder returns with what was written.
func (s *Store) readBack(ctx context.Context, e, base *rootseal.Epoch) error {
	want := maps.Clone(base.Frontiers)
	if want == nil {
		want = map[string][]byte{}
	}
	maps.Copy(want, e.Frontiers)
	set := s.desc.set(e.Number)
	for h := range set.Holders {
		got, err := s.loadHolder(ctx, e.Number, set, h)
		if err != nil {
			return fmt.Errorf("read back: %w", err)
		}
		same := got.Root == e.Root && bytes.Equal(got.Head, e.Head) && contains(got.Frontiers, want)
		clear(got.Root[:])
		if !same {
			return fmt.Errorf("read back holder %d: %w: not what was written", h+1, rootseal.ErrDamaged)
		}
	}
	return nil
}
