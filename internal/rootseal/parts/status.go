package parts

import (
	"context"
	"errors"
	"slices"
)

// A Status is what a root consists of and what opens. Nothing in it is secret.
type Status struct {
	Epoch     uint64 // the newest complete one; 0 if there is none
	Forgotten uint64 // every part has destroyed its own up to this one
	Changing  bool   // a change of parts is not settled
	Parts     []PartStatus
	Holders   []HolderStatus
}

// A PartStatus is the state of one part of the current set.
type PartStatus struct {
	Part
	Where  string   // of a store or a device, in words
	Epochs []uint64 // of a part that forgets
	Err    error    // why it does not open
}

// A HolderStatus is the state of one holder of the current set.
type HolderStatus struct {
	Parts []string
	Err   error // why it does not open the epoch
}

// Status looks at every part and opens the newest epoch through every holder. It
// changes nothing.
func (s *Store) Status(ctx context.Context) (*Status, error) {
	st, err := s.scan(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	out := &Status{Forgotten: s.desc.Forgotten, Changing: len(s.desc.Sets) > 1}
	if err == nil && len(st.listed) > 0 {
		out.Epoch = st.listed[len(st.listed)-1]
		out.Forgotten = max(out.Forgotten, st.listed[0]-1)
	}
	set := s.desc.set(max(out.Epoch, 1))
	for _, p := range set.Parts {
		ps := PartStatus{Part: p}
		if p.Role == RoleStore {
			ps.Where = s.path(&p)
		}
		if p.Forgets() {
			ps.Epochs, ps.Err = s.epochsOf(ctx, &p)
			if ps.Err == nil && out.Epoch > 0 && !slices.Contains(ps.Epochs, out.Epoch) {
				ps.Err = errors.New("it does not hold the epoch")
			}
		} else {
			_, ps.Err = s.gate(ctx, &p)
		}
		out.Parts = append(out.Parts, ps)
	}
	for h, ids := range set.Holders {
		hs := HolderStatus{Parts: ids}
		switch {
		case err != nil:
			hs.Err = err
		case out.Epoch == 0:
			hs.Err = errors.New("there is no epoch")
		default:
			e, loadErr := s.loadHolder(ctx, out.Epoch, set, h)
			if hs.Err = loadErr; loadErr == nil {
				clear(e.Root[:])
			}
		}
		out.Holders = append(out.Holders, hs)
	}
	return out, nil
}
