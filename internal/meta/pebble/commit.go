package pebble

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	engine "github.com/cockroachdb/pebble/v2"

	"coffer/internal/meta"
)

const (
	// maxGroupBytes ends a group: a larger one would leave Pebble's memory
	// table no room for a second one.
	maxGroupBytes = 4 << 20
	// checkedGroupBytes is the size from which a group needs room of its own
	// above the reserve.
	checkedGroupBytes = 256 << 10
	// fairAfter is how often an Update conflicts before others wait for it.
	fairAfter = 6
	// idleAfter is how long nothing is committed before the log gets a record
	// without rows, see checkLogs.
	idleAfter = 100 * time.Millisecond
)

// errConflict tells an attempt that what it has read is out of date.
var errConflict = errors.New("meta: conflict")

// A commitQueue is the transactions that wait for the committer.
type commitQueue struct {
	wake chan struct{} // has a token while txns may hold something new

	mu   sync.Mutex
	txns []*txn
}

func (q *commitQueue) add(t *txn) {
	q.mu.Lock()
	q.txns = append(q.txns, t)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// swap returns the transactions that wait and takes an empty slice for the
// next ones.
func (q *commitQueue) swap(empty []*txn) []*txn {
	q.mu.Lock()
	defer q.mu.Unlock()
	txns := q.txns
	q.txns = empty
	return txns
}

// remove takes t out of the queue if it is still there.
func (q *commitQueue) remove(t *txn) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.txns, t)
	if i < 0 {
		return false
	}
	q.txns = slices.Delete(q.txns, i, i+1)
	return true
}

// Update implements [meta.Store].
func (s *Store) Update(ctx context.Context, fn func(meta.Txn) error) error {
	for attempt := 0; ; attempt++ {
		var err error
		if attempt < fairAfter {
			if err = s.awaitExclusive(ctx); err == nil {
				err = s.attempt(ctx, fn)
			}
		} else {
			err = s.updateExclusive(ctx, fn)
		}
		if !errors.Is(err, errConflict) {
			return err
		}
		s.counters.conflicts.Add(1)
	}
}

// awaitExclusive waits until no Update has the store for itself.
func (s *Store) awaitExclusive(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.mu.Lock()
		exclusive := s.exclusive
		s.mu.Unlock()
		if exclusive == nil {
			return nil
		}
		select {
		case <-exclusive:
		case <-ctx.Done():
		}
	}
}

// updateExclusive runs fn until it does not conflict, while no other Update
// begins. It conflicts with those that began before, so it ends.
func (s *Store) updateExclusive(ctx context.Context, fn func(meta.Txn) error) error {
	mine := make(chan struct{})
	for {
		if err := s.awaitExclusive(ctx); err != nil {
			return err
		}
		s.mu.Lock()
		won := s.exclusive == nil
		if won {
			s.exclusive = mine
		}
		s.mu.Unlock()
		if won {
			break
		}
	}
	defer func() {
		s.mu.Lock()
		s.exclusive = nil
		s.mu.Unlock()
		close(mine)
	}()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := s.attempt(ctx, fn)
		if !errors.Is(err, errConflict) {
			return err
		}
		s.counters.conflicts.Add(1)
	}
}

// attempt runs fn once and commits what it wrote.
func (s *Store) attempt(ctx context.Context, fn func(meta.Txn) error) error {
	v, err := s.acquire(true)
	if err != nil {
		return err
	}
	t := s.txns.Get().(*txn)
	t.version = v
	recycle := true
	defer func() {
		s.release(v, true)
		if recycle {
			t.reset()
			s.txns.Put(t)
		}
	}()
	if err := t.run(fn); err != nil {
		return err
	}
	if t.writes.Len() == 0 {
		return nil // its snapshot is its place in the serial order
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	recycle, err = s.submit(ctx, t)
	return err
}

func (t *txn) run(fn func(meta.Txn) error) error {
	h := &handle{t}
	defer func() { h.t = nil }()
	return fn(h)
}

// submit hands t to the committer and waits for the outcome. It reports false
// if the committer may still use t.
func (s *Store) submit(ctx context.Context, t *txn) (recycle bool, err error) {
	broke := s.disk.watch()
	if err := s.disk.err(); err != nil {
		s.counters.unavailable.Add(1)
		return true, err
	}
	s.queue.add(t)
	select {
	case err := <-t.done:
		return true, err
	case <-broke:
	case <-ctx.Done():
	}
	if t.state.CompareAndSwap(queued, left) {
		// It must not wait there for a committer that waits for the disk.
		recycle := s.queue.remove(t)
		if err := ctx.Err(); err != nil {
			return recycle, err
		}
		return recycle, s.unavailable()
	}
	// The committer has it. If the disk fails then the group may still be
	// through in a moment.
	select {
	case err := <-t.done:
		return true, err
	case <-broke:
	}
	timer := time.NewTimer(s.cfg.RetryInterval)
	defer timer.Stop()
	select {
	case err := <-t.done:
		return true, err
	case <-timer.C:
		return false, s.unavailable()
	}
}

// unavailable returns why writing does not work, or that it did not a moment
// ago.
func (s *Store) unavailable() error {
	s.counters.unavailable.Add(1)
	if err := s.disk.err(); err != nil {
		return err
	}
	return meta.ErrUnavailable
}

// commit is the committer: it alone writes to the database.
func (s *Store) commit() {
	defer close(s.committed)
	c := &committer{Store: s, history: newHistory(s.seed), number: s.current.number}
	idle := time.NewTimer(0)
	defer idle.Stop()
	var txns []*txn
	for {
		clear(txns)
		txns = s.queue.swap(txns[:0])
		if len(txns) > 0 {
			c.commitAll(txns)
			continue
		}
		if c.unwitnessed {
			idle.Reset(idleAfter)
		} else {
			idle.Stop()
		}
		select {
		case <-s.queue.wake:
		case <-idle.C:
			c.witness()
		case <-s.quit:
			return
		}
	}
}

// A committer is the state of the goroutine that commits.
type committer struct {
	*Store
	history     *history
	number      uint64 // of the last group
	unwitnessed bool   // the last record of the log has no other behind it
	isLow       bool   // the last group found too little space
	valid       []*txn
	stale       []*txn
}

// commitAll commits txns in groups.
func (c *committer) commitAll(txns []*txn) {
	for len(txns) > 0 {
		size, n := 0, 0
		for n < len(txns) && (n == 0 || size+txns[n].bytes <= maxGroupBytes) {
			size += txns[n].bytes
			n++
		}
		c.commitGroup(txns[:n], size)
		txns = txns[n:]
	}
}

// commitGroup commits the valid ones of txns, which write size bytes, with one
// sync and answers all.
func (c *committer) commitGroup(txns []*txn, size int) {
	err := c.disk.err()
	if err == nil {
		err = c.room(size)
	}
	if err != nil {
		for _, t := range txns {
			if t.state.CompareAndSwap(queued, taken) {
				c.counters.unavailable.Add(1)
				t.done <- err
			}
		}
		return
	}

	c.number++
	c.history.begin(c.number)
	c.valid, c.stale = c.valid[:0], c.stale[:0]
	batch := c.db.NewBatch()
	for _, t := range txns {
		if !t.state.CompareAndSwap(queued, taken) {
			continue // its Update has left
		}
		switch v := c.history.conflict(t.version.number, t.points, t.spans); v {
		case 0:
			t.writes.Ascend(func(w write) bool {
				if w.deleted {
					err = errors.Join(err, batch.Delete(w.key, nil))
				} else {
					err = errors.Join(err, batch.Set(w.key, w.value, nil))
				}
				c.history.add(w.key)
				return true
			})
			c.valid = append(c.valid, t)
		case c.number:
			c.stale = append(c.stale, t) // can't read what it needs before the sync
		default:
			t.done <- errConflict
		}
	}
	if err != nil {
		panic("meta/pebble: internal error: " + err.Error()) // a batch in memory does not fail
	}
	if len(c.valid) > 0 {
		c.apply(batch)
		c.unwitnessed = true
		c.publish(c.number)
		c.counters.commits.Add(uint64(len(c.valid)))
	}
	_ = batch.Close()
	for _, t := range c.valid {
		t.done <- nil
	}
	for _, t := range c.stale {
		t.done <- errConflict
	}
	c.history.prune(c.oldestRead())
	clear(c.valid)
	clear(c.stale)
	// Let those who were answered come back with their next transaction, so
	// that they share the next sync with those who waited for this one.
	runtime.Gosched()
}

// room returns an error if a group of size bytes would leave too little space.
func (c *committer) room(size int) error {
	low := c.lowSpace(0)
	if (low != nil) != c.isLow {
		c.isLow = low != nil
		if c.isLow {
			c.cfg.Log.Error("metadata store refuses to write", "error", low)
		} else {
			c.cfg.Log.Warn("metadata store writes again")
		}
	}
	if low != nil {
		return low
	}
	// Twice: for the log, and for the table made of it.
	if size >= checkedGroupBytes {
		return c.lowSpace(2 * uint64(size))
	}
	return nil
}

// apply commits a batch and syncs it. It returns when that is done, however
// long the disk fails.
func (c *committer) apply(batch *engine.Batch) {
	if err := c.db.Apply(batch, engine.Sync); err != nil {
		panic("meta/pebble: internal error: " + err.Error())
	}
	c.counters.groups.Add(1)
}

// witness writes a record without rows behind the last group, so that damage
// in that group can be told from a torn tail.
func (c *committer) witness() {
	c.unwitnessed = false
	if c.disk.err() != nil {
		return
	}
	batch := c.db.NewBatch()
	if err := batch.LogData([]byte("idle"), nil); err != nil {
		panic("meta/pebble: internal error: " + err.Error())
	}
	if err := c.db.Apply(batch, engine.Sync); err != nil {
		panic("meta/pebble: internal error: " + err.Error())
	}
	c.counters.sealed.Add(1)
	_ = batch.Close()
}
