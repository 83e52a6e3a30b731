package pebble

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"sync/atomic"

	engine "github.com/cockroachdb/pebble/v2"
	"github.com/google/btree"

	"coffer/internal/meta"
)

var (
	errEnded     = errors.New("meta: transaction has ended")
	errScanWrite = errors.New("meta: write inside a scan")
	errTooLarge  = fmt.Errorf("meta: transaction writes more than %d MiB", maxTxnBytes>>20)
)

// maxTxnBytes is the most that one transaction may write, keys and values: 15
// of the largest rows. Pebble's own limit is 4 GiB for a whole group.
const maxTxnBytes = 256 << 20

// readError says which row could not be read, never what is in it.
func readError(key []byte, err error) error {
	if engine.IsCorruptionError(err) {
		return fmt.Errorf("%w: %q: %w", meta.ErrCorrupt, key, err)
	}
	return fmt.Errorf("read row %q: %w", key, err)
}

func snapshotGet(snap *engine.Snapshot, key []byte) ([]byte, error) {
	if len(key) == 0 {
		return nil, meta.ErrNotFound
	}
	found, closer, err := snap.Get(key)
	if err != nil {
		if errors.Is(err, engine.ErrNotFound) {
			return nil, meta.ErrNotFound
		}
		return nil, readError(key, err)
	}
	value := make([]byte, len(found))
	copy(value, found)
	if err := closer.Close(); err != nil {
		return nil, readError(key, err)
	}
	return value, nil
}

// A cursor walks the rows of a range in a snapshot, either way.
type cursor struct {
	iter    *engine.Iterator
	reverse bool
	valid   bool
}

func openCursor(snap *engine.Snapshot, r meta.Range) (cursor, error) {
	options := engine.IterOptions{UpperBound: r.End}
	if len(r.Start) > 0 {
		options.LowerBound = r.Start
	}
	iter, err := snap.NewIter(&options)
	if err != nil {
		return cursor{}, readError(r.Start, err)
	}
	c := cursor{iter: iter, reverse: r.Reverse}
	if r.Reverse {
		c.valid = iter.Last()
	} else {
		c.valid = iter.First()
	}
	return c, nil
}

func (c *cursor) next() {
	if c.reverse {
		c.valid = c.iter.Prev()
	} else {
		c.valid = c.iter.Next()
	}
}

// compare orders the row under the cursor against key, in walking order.
func (c *cursor) compare(key []byte) int {
	if c.reverse {
		return bytes.Compare(key, c.iter.Key())
	}
	return bytes.Compare(c.iter.Key(), key)
}

// close returns the error that ended the walk, if one did.
func (c *cursor) close(start []byte) error {
	if err := c.iter.Close(); err != nil {
		return readError(start, err)
	}
	return nil
}

// empty reports whether no key can be in r.
func empty(r meta.Range) bool {
	return r.End != nil && bytes.Compare(r.Start, r.End) >= 0
}

// An emitter hands rows to the function of a scan and knows when to stop.
type emitter struct {
	fn    func(key, value []byte) (bool, error)
	limit int // rows left; below 0 for all
	err   error
	last  []byte // the key at which the scan stopped; nil if it did not
}

func newEmitter(r meta.Range, fn func(key, value []byte) (bool, error)) emitter {
	limit := -1
	if r.Limit > 0 {
		limit = r.Limit
	}
	return emitter{fn: fn, limit: limit}
}

// emit reports whether the scan goes on.
func (e *emitter) emit(key, value []byte) bool {
	more, err := e.fn(key, value)
	e.limit--
	if more && err == nil && e.limit != 0 {
		return true
	}
	e.err = err
	e.last = bytes.Clone(key)
	return false
}

// emitRow hands out the row under the cursor and moves on.
func (e *emitter) emitRow(c *cursor) bool {
	value, err := c.iter.ValueAndErr()
	if err != nil {
		e.err = readError(c.iter.Key(), err)
		e.last = bytes.Clone(c.iter.Key())
		return false
	}
	if !e.emit(c.iter.Key(), value) {
		return false
	}
	c.next()
	return true
}

// A reader serves one View.
type reader struct {
	snap *engine.Snapshot // nil once the View has ended
}

func (r *reader) Get(key []byte) ([]byte, error) {
	if r.snap == nil {
		return nil, errEnded
	}
	return snapshotGet(r.snap, key)
}

func (r *reader) Scan(rg meta.Range, fn func(key, value []byte) (bool, error)) error {
	if r.snap == nil {
		return errEnded
	}
	if empty(rg) {
		return nil
	}
	c, err := openCursor(r.snap, rg)
	if err != nil {
		return err
	}
	// A panic of fn must not leak the iterator, which would keep files and
	// memory for ever.
	closed := false
	defer func() {
		if !closed {
			_ = c.iter.Close()
		}
	}()
	e := newEmitter(rg, fn)
	for c.valid && e.emitRow(&c) {
	}
	closed = true
	if err := c.close(rg.Start); err != nil && e.err == nil {
		return err
	}
	return e.err
}

// A write is one row that a transaction changes.
type write struct {
	key, value []byte
	deleted    bool
}

func lessWrite(a, b write) bool { return bytes.Compare(a.key, b.key) < 0 }

// States of a transaction in the queue. Whoever moves it away from queued
// decides: the committer by taking it, the waiting Update by leaving.
const (
	queued int32 = iota
	taken
	left
)

// A txn is the state of one attempt at an Update: where it reads, what it has
// read and what it writes. It is used again by later ones.
type txn struct {
	store   *Store
	version *version
	seed    maphash.Seed

	writes   *btree.BTreeG[write]
	arena    arena
	bytes    int // of the writes, overwritten ones included
	points   []uint64
	spans    []span
	scanning int

	state atomic.Int32
	done  chan error // receives the outcome of a taken transaction
}

func newTxn(s *Store) *txn {
	return &txn{
		store:  s,
		seed:   s.seed,
		writes: btree.NewWithFreeListG(16, lessWrite, btree.NewFreeListG[write](16)),
		done:   make(chan error, 1),
	}
}

// maxKeptReads is the largest list of reads that is kept for later attempts.
const maxKeptReads = 4096

func (t *txn) reset() {
	t.version = nil
	t.writes.Clear(true)
	t.arena.reset()
	t.bytes = 0
	if cap(t.points) > maxKeptReads || cap(t.spans) > maxKeptReads {
		t.points, t.spans = nil, nil
	}
	t.points = t.points[:0]
	clear(t.spans)
	t.spans = t.spans[:0]
	t.scanning = 0
	t.state.Store(queued)
}

// An arena copies byte slices into large blocks, of which it keeps the first.
type arena struct{ first, block []byte }

const (
	arenaBlock = 16 << 10
	arenaLarge = 6 << 10 // a longer slice gets memory of its own
)

func (a *arena) copy(b []byte) []byte {
	if len(b) > arenaLarge {
		return append(make([]byte, 0, len(b)), b...)
	}
	if cap(a.block)-len(a.block) < len(b) {
		a.block = make([]byte, 0, arenaBlock)
		if a.first == nil {
			a.first = a.block
		}
	}
	start := len(a.block)
	a.block = append(a.block, b...)
	return a.block[start:len(a.block):len(a.block)]
}

func (a *arena) reset() { a.block = a.first[:0] }

// A handle is what the function of an Update gets. It forgets its transaction
// when the function has returned.
type handle struct{ t *txn }

func (h *handle) Get(key []byte) ([]byte, error) {
	if h.t == nil {
		return nil, errEnded
	}
	return h.t.get(key)
}

func (h *handle) Scan(r meta.Range, fn func(key, value []byte) (bool, error)) error {
	if h.t == nil {
		return errEnded
	}
	return h.t.scan(r, fn)
}

func (h *handle) Put(key, value []byte) error {
	if err := meta.CheckRow(key, value); err != nil {
		return err
	}
	return h.write(key, value, false)
}

func (h *handle) Delete(key []byte) error {
	if len(key) == 0 || len(key) > meta.MaxKeySize {
		return h.write(nil, nil, true) // no row has such a key
	}
	return h.write(key, nil, true)
}

func (h *handle) write(key, value []byte, deleted bool) error {
	t := h.t
	switch {
	case t == nil:
		return errEnded
	case t.scanning > 0:
		return errScanWrite
	case len(key) == 0:
		return nil
	case t.bytes+len(key)+len(value) > maxTxnBytes:
		return errTooLarge
	}
	t.bytes += len(key) + len(value)
	t.writes.ReplaceOrInsert(write{t.arena.copy(key), t.arena.copy(value), deleted})
	return nil
}

func (t *txn) get(key []byte) ([]byte, error) {
	if t.writes.Len() > 0 {
		if w, ok := t.writes.Get(write{key: key}); ok {
			if w.deleted {
				return nil, meta.ErrNotFound
			}
			return append([]byte{}, w.value...), nil
		}
	}
	t.points = append(t.points, maphash.Bytes(t.seed, key))
	return snapshotGet(t.version.snap, key)
}

// scan merges the rows of the snapshot with the writes of the transaction and
// notes the range as read, up to where the scan stopped.
func (t *txn) scan(r meta.Range, fn func(key, value []byte) (bool, error)) error {
	if empty(r) {
		return nil
	}
	c, err := openCursor(t.version.snap, r)
	if err != nil {
		return err
	}
	t.scanning++
	closed := false
	defer func() {
		t.scanning--
		if !closed {
			_ = c.iter.Close()
		}
	}()
	e := newEmitter(r, fn)
	t.merge(r, &c, &e)

	read := span{start: t.arena.copy(r.Start)}
	if r.End != nil {
		read.end = t.arena.copy(r.End)
	}
	if e.last != nil {
		if r.Reverse {
			read.start = e.last
		} else {
			read.end = append(e.last, 0) // the least key above it
		}
	}
	t.spans = append(t.spans, read)

	closed = true
	if err := c.close(r.Start); err != nil && e.err == nil {
		return err
	}
	return e.err
}

// merge emits the rows under the cursor and the writes in r, in order. A write
// hides the row of the same key.
func (t *txn) merge(r meta.Range, c *cursor, e *emitter) {
	visit := func(w write) bool {
		for c.valid && c.compare(w.key) < 0 {
			if !e.emitRow(c) {
				return false
			}
		}
		if c.valid && c.compare(w.key) == 0 {
			c.next()
		}
		return w.deleted || e.emit(w.key, w.value)
	}
	if t.writes.Len() > 0 {
		switch {
		case !r.Reverse:
			t.writes.AscendGreaterOrEqual(write{key: r.Start}, func(w write) bool {
				return (r.End == nil || bytes.Compare(w.key, r.End) < 0) && visit(w)
			})
		default:
			down := func(w write) bool {
				switch {
				case r.End != nil && bytes.Compare(w.key, r.End) >= 0:
					return true
				case bytes.Compare(w.key, r.Start) < 0:
					return false
				}
				return visit(w)
			}
			if r.End == nil {
				t.writes.Descend(down)
			} else {
				t.writes.DescendLessOrEqual(write{key: r.End}, down)
			}
		}
	}
	for e.last == nil && c.valid && e.emitRow(c) {
	}
}
