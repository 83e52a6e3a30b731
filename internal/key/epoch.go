package key

import (
	"context"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"coffer/internal/rootseal"
)

// puncture destroys leaves in one epoch change and returns the epoch from which
// on none of them derives. Leaves that are destroyed already cost nothing.
//
// survivors is called with the old state and the one that was read back, before
// the old one is destroyed, and returns an error unless what must still open does.
//
// After an error the leaves may or may not be destroyed; the next call, or the
// next OpenRoot, first finds out.
func (r *Root) puncture(ctx context.Context, leaves []leaf, survivors func(old, next *epochState) error) (uint64, error) {
	return r.turn(ctx, leaves, false, survivors)
}

// turn is puncture, which with always changes the epoch also if no leaf is left to
// destroy.
func (r *Root) turn(ctx context.Context, leaves []leaf, always bool, survivors func(old, next *epochState) error) (uint64, error) {
	r.change.Lock()
	defer r.change.Unlock()
	if r.state == nil {
		return 0, errors.New("key: root of trust is closed")
	}
	if r.unsettled {
		s, err := r.settle(ctx)
		if err != nil {
			return 0, fmt.Errorf("settle root of trust: %w", err)
		}
		r.replace(s)
	}
	old := r.state
	leaves = append([]leaf{}, old.living(leaves)...) // not nil, which would stand for any
	if len(leaves) == 0 && !always {
		return old.number, nil
	}
	next, touched, err := r.advance(old, leaves)
	if err != nil {
		return 0, err
	}
	back, err := r.commit(ctx, old, next, touched, leaves, survivors)
	// What next shares with old stays until old is replaced.
	for _, i := range touched {
		wipe(next.frontiers[i])
	}
	next.head.wipe()
	if err != nil {
		return 0, err
	}
	r.replace(back)
	r.log.Info("epoch changed", "epoch", back.number, "leaves", len(leaves), "shards", len(touched))
	return back.number, nil
}

// replace makes s the current state and wipes the one before.
func (r *Root) replace(s *epochState) {
	r.mu.Lock()
	old := r.state
	r.state = s
	r.mu.Unlock()
	old.wipe()
	r.unsettled = false
}

// advance returns the state after old without leaves, which are living, and the
// shards that differ. Those have fresh secrets; the others are shared with old.
func (r *Root) advance(old *epochState, leaves []leaf) (*epochState, []int, error) {
	h := *old.head
	next := &epochState{number: old.number + 1, head: &h, frontiers: slices.Clone(old.frontiers)}
	gone := indexesByShard(leaves)
	touched := slices.Sorted(maps.Keys(gone))
	for _, i := range touched {
		if _, err := io.ReadFull(r.rand, h.shards[i].secret[:]); err != nil {
			return nil, nil, fmt.Errorf("draw shard secret: %w", err)
		}
		h.shards[i].generation++
		next.frontiers[i] = old.frontier(i).puncture(gone[i])
	}
	return next, touched, nil
}

// commit writes next to the store, reads it back, proves it, and destroys old
// in the store. It returns what it read back.
func (r *Root) commit(ctx context.Context, old, next *epochState, touched []int, leaves []leaf, survivors func(old, next *epochState) error) (*epochState, error) {
	e := &rootseal.Epoch{Number: next.number, Frontiers: make(map[string][]byte, len(touched)+1)}
	defer clear(e.Root[:])
	if _, err := io.ReadFull(r.rand, e.Root[:]); err != nil {
		return nil, fmt.Errorf("draw root secret: %w", err)
	}
	e.Head = sealHead((*Secret)(&e.Root), e.Number, next.head)
	for _, i := range touched {
		s := &next.head.shards[i]
		e.Frontiers[frontierName(i, s.generation)] = sealFrontier(i, s, next.frontiers[i])
	}
	e.Frontiers[planName] = sealPlan((*Secret)(&e.Root), e.Number, old.planOf(leaves))
	if err := r.step("sealed"); err != nil {
		return nil, err
	}

	r.unsettled = true
	if err := r.store.Prepare(ctx, e); err != nil {
		return nil, fmt.Errorf("prepare epoch %d: %w", e.Number, err)
	}
	if err := r.step("prepared"); err != nil {
		return nil, err
	}
	back, err := r.load(ctx, e.Number)
	if err != nil && !errors.Is(err, ErrDamagedRoot) {
		return nil, err
	}
	if err == nil {
		if err = same(next, back); err == nil {
			err = prove(old, back, leaves, r.rand)
		}
		if err == nil && survivors != nil {
			err = survivors(old, back)
		}
	}
	if err != nil {
		if back != nil {
			back.wipe()
		}
		if dropErr := r.store.Destroy(ctx, e.Number, old.names()); dropErr != nil {
			return nil, errors.Join(err, dropErr)
		}
		r.unsettled = false
		return nil, fmt.Errorf("%w: %w", ErrUnproven, err)
	}
	if err := r.step("proven"); err != nil {
		back.wipe()
		return nil, err
	}
	if err := r.store.Destroy(ctx, old.number, back.names()); err != nil {
		back.wipe()
		return nil, fmt.Errorf("destroy epoch %d: %w", old.number, err)
	}
	if err := r.step("destroyed"); err != nil {
		back.wipe()
		return nil, err
	}
	return back, nil
}

// same returns an error unless both states are equal to the last byte.
func same(a, b *epochState) error {
	if a.number != b.number || *a.head != *b.head {
		return fmt.Errorf("head of epoch %d reads back otherwise", a.number)
	}
	for i := range a.frontiers {
		if !slices.Equal(a.frontiers[i], b.frontiers[i]) {
			return fmt.Errorf("frontier of shard %d reads back otherwise", i)
		}
	}
	return nil
}

// provenLeaves is how many surviving leaves of each punctured shard are derived
// from both states and compared.
const provenLeaves = 8

// prove returns an error unless next is what old becomes when leaves, which are
// sorted, are punctured: every other leaf that old covers is covered and no
// other, a sample of them derives the same secret, and no punctured leaf derives.
// A nil leaves stands for any: then next may lack leaves, but gain none.
func prove(old, next *epochState, leaves []leaf, rand io.Reader) error {
	if next.number != old.number+1 {
		return fmt.Errorf("epoch %d follows epoch %d", next.number, old.number)
	}
	if next.head.storeKey != old.head.storeKey || next.head.storeID != old.head.storeID {
		return errors.New("the store's key or ID differs")
	}
	gone := indexesByShard(leaves)
	for i := range old.frontiers {
		a, b := &old.head.shards[i], &next.head.shards[i]
		if _, touched := gone[i]; !touched && (leaves != nil || a.generation == b.generation) {
			if *a != *b || !slices.Equal(old.frontiers[i], next.frontiers[i]) {
				return fmt.Errorf("shard %d changed though no leaf of it is punctured", i)
			}
			continue
		}
		if b.generation != a.generation+1 || subtle.ConstantTimeCompare(a.secret[:], b.secret[:]) == 1 {
			return fmt.Errorf("shard %d: generation %d follows %d, or the secret is not fresh", i, b.generation, a.generation)
		}
		if err := proveShard(old.frontier(i), next.frontier(i), gone[i], leaves != nil, rand); err != nil {
			return fmt.Errorf("shard %d: %w", i, err)
		}
	}
	return nil
}

// proveShard is prove for one shard; gone is meaningful if known is true.
func proveShard(old, next frontier, gone []uint32, known bool, rand io.Reader) error {
	before, after := old.spans(), next.spans()
	if known {
		if !slices.Equal(without(before, gone), after) {
			return errors.New("the frontier does not cover exactly the survivors")
		}
		for _, index := range gone {
			if _, ok := next.leaf(index); ok {
				return fmt.Errorf("punctured leaf %d derives", index)
			}
		}
	} else if !within(after, before) {
		return errors.New("the frontier covers what was punctured before")
	}
	return sameLeaves(old, next, rand)
}

// within reports whether each span of inner lies in one of outer; both are sorted.
func within(inner, outer []span) bool {
	i := 0
	for _, s := range inner {
		for i < len(outer) && outer[i].hi < s.hi {
			i++
		}
		if i == len(outer) || outer[i].lo > s.lo {
			return false
		}
	}
	return true
}

// sameLeaves returns an error unless a sample of the leaves of next derives the
// same secrets from old.
func sameLeaves(old, next frontier, rand io.Reader) error {
	for range min(provenLeaves, len(next)) {
		var b [8]byte
		if _, err := io.ReadFull(rand, b[:]); err != nil {
			return fmt.Errorf("draw sample: %w", err)
		}
		n := &next[binary.BigEndian.Uint32(b[:4])%uint32(len(next))]
		width := end(n.pos) - first(n.pos)
		index := first(n.pos) + binary.BigEndian.Uint32(b[4:])%width
		x, okX := old.leaf(index)
		y, okY := next.leaf(index)
		equal := subtle.ConstantTimeCompare(x[:], y[:]) == 1
		x.Wipe()
		y.Wipe()
		if !okX || !okY || !equal {
			return fmt.Errorf("surviving leaf %d derives otherwise", index)
		}
	}
	return nil
}

// indexesByShard groups sorted leaves.
func indexesByShard(leaves []leaf) map[int][]uint32 {
	out := make(map[int][]uint32)
	for _, l := range leaves {
		out[int(l.shard)] = append(out[int(l.shard)], l.index)
	}
	return out
}
