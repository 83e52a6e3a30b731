package key

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"

	"coffer/internal/rootseal"
)

// A RootConfig says how to open the root of trust.
type RootConfig struct {
	Store  rootseal.Store // required
	Rand   io.Reader      // crypto/rand if nil; safe for concurrent use
	Log    *slog.Logger   // discarded if nil
	Create bool           // make the first epoch if the store has none

	step func(name string) error // fault points of tests: an error is a crash there
}

// A Root is the open root of trust: the head and the frontiers of one epoch. It
// is safe for concurrent use.
type Root struct {
	store rootseal.Store
	rand  io.Reader
	log   *slog.Logger
	step  func(string) error

	// change is held for the whole of an epoch change and guards the calls
	// of the store and unsettled. It is taken before mu.
	change sync.Mutex
	// unsettled says that an epoch change failed half way, so that the store
	// may be ahead of state.
	unsettled bool

	// mu guards state, which is nil once closed. A secret is read and copied
	// under mu, because an old state is wiped after it is replaced.
	mu    sync.RWMutex
	state *epochState
}

// An epochState is an open epoch. Only the holder of Root.change replaces it,
// and nothing changes it before it is replaced.
type epochState struct {
	number    uint64
	head      *head
	frontiers []frontier // by shard; nil for one of generation 0: see frontier
	plan      []byte     // what was meant to survive, or nil: see planOf
}

// OpenRoot opens the newest epoch of a root store, and finishes or drops an
// epoch change that a crash cut.
//
// It returns rootseal.ErrNoRoot if there is no epoch and cfg.Create is false,
// and ErrDamagedRoot if the epoch fails to open.
func OpenRoot(ctx context.Context, cfg RootConfig) (*Root, error) {
	r := &Root{store: cfg.Store, rand: cfg.Rand, log: cfg.Log, step: cfg.step}
	if r.rand == nil {
		r.rand = rand.Reader
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.step == nil {
		r.step = func(string) error { return nil }
	}
	r.change.Lock()
	defer r.change.Unlock()
	s, err := r.settle(ctx)
	if errors.Is(err, rootseal.ErrNoRoot) && cfg.Create {
		s, err = r.create(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("open root of trust: %w", err)
	}
	r.state = s
	return r, nil
}

// create makes the first epoch.
func (r *Root) create(ctx context.Context) (*epochState, error) {
	h := new(head)
	defer h.wipe()
	e := &rootseal.Epoch{Number: 1}
	defer clear(e.Root[:])
	fields := [][]byte{e.Root[:], h.storeKey[:], h.storeID[:]}
	for i := range h.shards {
		fields = append(fields, h.shards[i].secret[:])
	}
	for _, f := range fields {
		if _, err := io.ReadFull(r.rand, f); err != nil {
			return nil, fmt.Errorf("draw secrets: %w", err)
		}
	}
	e.Head = sealHead((*Secret)(&e.Root), e.Number, h)
	if err := r.store.Prepare(ctx, e); err != nil {
		return nil, fmt.Errorf("prepare epoch 1: %w", err)
	}
	s, err := r.load(ctx, e.Number)
	if err != nil {
		return nil, err
	}
	if *s.head != *h {
		return nil, ErrUnproven
	}
	r.log.Info("root of trust created")
	return s, nil
}

// load reads an epoch from the store and opens all of it.
func (r *Root) load(ctx context.Context, number uint64) (*epochState, error) {
	e, err := r.store.Load(ctx, number)
	if errors.Is(err, rootseal.ErrDamaged) {
		return nil, fmt.Errorf("%w: load epoch %d: %w", ErrDamagedRoot, number, err)
	}
	if err != nil {
		return nil, fmt.Errorf("load epoch %d: %w", number, err)
	}
	defer clear(e.Root[:])
	if e.Number != number {
		return nil, fmt.Errorf("%w: epoch %d calls itself %d", ErrDamagedRoot, number, e.Number)
	}
	h, err := openHead((*Secret)(&e.Root), number, e.Head)
	if err != nil {
		return nil, err
	}
	s := &epochState{number: number, head: h, frontiers: make([]frontier, shardCount)}
	if sealed, ok := e.Frontiers[planName]; ok {
		s.plan = openPlan((*Secret)(&e.Root), number, sealed)
	}
	for i := range h.shards {
		sh := &h.shards[i]
		if sh.generation == 0 {
			continue
		}
		sealed, ok := e.Frontiers[frontierName(i, sh.generation)]
		if !ok {
			s.wipe()
			return nil, fmt.Errorf("%w: frontier of shard %d is missing", ErrDamagedRoot, i)
		}
		if s.frontiers[i], err = openFrontier(i, sh, sealed); err != nil {
			s.wipe()
			return nil, err
		}
	}
	return s, nil
}

// settle returns the one epoch that the store holds. Of two it keeps the newer
// if that opens and proves, and the older otherwise.
func (r *Root) settle(ctx context.Context) (*epochState, error) {
	numbers, err := r.store.Epochs(ctx)
	if err != nil {
		return nil, fmt.Errorf("list epochs: %w", err)
	}
	switch len(numbers) {
	case 0:
		return nil, rootseal.ErrNoRoot
	case 1:
		s, err := r.load(ctx, numbers[0])
		if err != nil || s.number == 1 {
			return s, err
		}
		// An epoch is off the list before its root is destroyed: what
		// was cut there is repeated, and costs nothing if nothing was.
		return r.retire(ctx, s, s.number-1)
	case 2:
		if numbers[1] == numbers[0]+1 {
			return r.choose(ctx, numbers[0])
		}
	}
	return nil, fmt.Errorf("%w: epochs %v", ErrDamagedRoot, numbers)
}

// choose ends the change from epoch number to the next one, both of which are
// in the store.
func (r *Root) choose(ctx context.Context, number uint64) (*epochState, error) {
	next, err := r.load(ctx, number+1)
	if err != nil && !errors.Is(err, ErrDamagedRoot) {
		return nil, err
	}
	old, oldErr := r.load(ctx, number)
	switch {
	case err != nil && oldErr != nil:
		return nil, errors.Join(err, oldErr)
	case oldErr != nil && !errors.Is(oldErr, ErrDamagedRoot) && !errors.Is(oldErr, rootseal.ErrNoRoot):
		next.wipe()
		return nil, oldErr
	case err == nil && oldErr == nil:
		// What was to be punctured is not known any more, but its plan is.
		if err = prove(old, next, nil, r.rand); err == nil && !bytes.Equal(next.plan, next.planned(old)) {
			err = errors.New("it does not cover what was meant to survive")
		}
	}
	if err != nil {
		r.log.Warn("drop unfinished epoch", "epoch", number+1, "error", err)
		if next != nil {
			next.wipe()
		}
		return r.retire(ctx, old, number+1)
	}
	if old != nil {
		old.wipe()
	}
	if err := r.step("finish"); err != nil {
		return nil, err
	}
	r.log.Info("finish epoch change", "epoch", number+1)
	return r.retire(ctx, next, number)
}

// retire destroys another epoch in the store and returns s, which stays.
func (r *Root) retire(ctx context.Context, s *epochState, number uint64) (*epochState, error) {
	if err := r.store.Destroy(ctx, number, s.names()); err != nil {
		s.wipe()
		return nil, fmt.Errorf("destroy epoch %d: %w", number, err)
	}
	return s, nil
}

// names returns the names of the frontiers that the head names.
func (s *epochState) names() []string {
	var out []string
	for i := range s.head.shards {
		if g := s.head.shards[i].generation; g > 0 {
			out = append(out, frontierName(i, g))
		}
	}
	return out
}

// wipe overwrites every secret of s.
func (s *epochState) wipe() {
	s.head.wipe()
	for _, f := range s.frontiers {
		wipe(f)
	}
}

// StoreKey returns the key under which the rows of meta are sealed. It is the
// same in every epoch.
func (r *Root) StoreKey() Secret {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.state == nil {
		return Secret{}
	}
	return r.state.head.storeKey
}

// StoreID returns the random ID of the store, which is the same in every epoch.
func (r *Root) StoreID() [16]byte {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.state == nil {
		return [16]byte{}
	}
	return r.state.head.storeID
}

// Epoch returns the number of the current epoch, from 1, or 0 once r is closed.
func (r *Root) Epoch() uint64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.state == nil {
		return 0
	}
	return r.state.number
}

// Close waits for an epoch change under way and wipes what r holds. Nothing
// derives from it afterwards.
func (r *Root) Close() {
	r.change.Lock()
	defer r.change.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != nil {
		r.state.wipe()
		r.state = nil
	}
}

// view runs fn on the current epoch. fn must not keep it.
func (r *Root) view(fn func(*epochState) error) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.state == nil {
		return errors.New("key: root of trust is closed")
	}
	return fn(r.state)
}

// frontier returns the frontier of a shard. That of a whole tree is derived when
// it is asked for: most trees of a young store are whole.
func (s *epochState) frontier(number int) frontier {
	if sh := &s.head.shards[number]; sh.generation == 0 {
		return treeRoot(number, &sh.secret)
	}
	return s.frontiers[number]
}

// leaf returns the secret of a leaf, or ErrPunctured.
func (s *epochState) leaf(l leaf) (Secret, error) {
	if int(l.shard) >= len(s.frontiers) || l.index >= leafCount {
		return Secret{}, fmt.Errorf("leaf %v is outside the trees", l)
	}
	secret, ok := s.frontier(int(l.shard)).leaf(l.index)
	if !ok {
		return Secret{}, ErrPunctured
	}
	return secret, nil
}

// living returns those leaves that are not punctured, sorted, each once.
func (s *epochState) living(leaves []leaf) []leaf {
	out := slices.DeleteFunc(slices.Clone(leaves), func(l leaf) bool {
		return int(l.shard) >= shardCount || !s.frontier(int(l.shard)).covers(l.index)
	})
	slices.SortFunc(out, leaf.compare)
	return slices.Compact(out)
}
