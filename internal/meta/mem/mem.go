// Package mem keeps a [meta.Store] in memory, for tests and as the reference
// that the other implementations are compared with. Nothing survives Close.
//
// The rows are one B-tree that is never changed once it is published: Update
// works on a copy-on-write clone and publishes it, so a View needs no lock.
// Updates run one after the other.
package mem

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/google/btree"

	"coffer/internal/meta"
)

var (
	errEnded     = errors.New("meta: transaction has ended")
	errScanWrite = errors.New("meta: write inside a scan")
)

// A Store is a store in memory. The zero Store is empty and ready for use.
type Store struct {
	once sync.Once            // makes turn and root
	turn chan struct{}        // holds one token, taken by the Update under way
	root atomic.Pointer[tree] // the published rows, never changed

	mu     sync.Mutex
	closed bool
	active sync.WaitGroup // Add only under mu and while not closed
}

type tree = btree.BTreeG[row]

// A row is never changed.
type row struct{ key, value []byte }

func less(a, b row) bool { return bytes.Compare(a.key, b.key) < 0 }

var _ meta.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store { return new(Store) }

func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.once.Do(func() {
		s.turn = make(chan struct{}, 1)
		s.turn <- struct{}{}
		s.root.Store(btree.NewG(32, less))
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return meta.ErrClosed
	}
	s.active.Add(1)
	return nil
}

// View implements [meta.Store].
func (s *Store) View(ctx context.Context, fn func(meta.Reader) error) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.active.Done()
	r := &reader{rows: s.root.Load()}
	defer r.end()
	return fn(r)
}

// Update implements [meta.Store]. fn runs once.
func (s *Store) Update(ctx context.Context, fn func(meta.Txn) error) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.active.Done()
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	// Clone changes only a field of the published tree that readers never look
	// at, and the turn keeps other clones away.
	rows := s.root.Load().Clone()
	tx := &txn{reader{rows: rows}}
	defer tx.end()
	if err := fn(tx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.root.Store(rows)
	return nil
}

// Close implements [meta.Store].
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.active.Wait()
	return nil
}

// A reader serves one View.
type reader struct {
	rows     *tree // nil once the transaction has ended
	scanning int
}

func (r *reader) end() { r.rows = nil }

func (r *reader) Get(key []byte) ([]byte, error) {
	if r.rows == nil {
		return nil, errEnded
	}
	found, ok := r.rows.Get(row{key: key})
	if !ok {
		return nil, meta.ErrNotFound
	}
	return append([]byte{}, found.value...), nil
}

func (r *reader) Scan(rg meta.Range, fn func(key, value []byte) (bool, error)) error {
	if r.rows == nil {
		return errEnded
	}
	r.scanning++
	defer func() { r.scanning-- }()
	var err error
	var key, value []byte // reused, so that a caller who keeps them sees it in tests
	n := 0
	emit := func(found row) bool {
		key, value = append(key[:0], found.key...), append(value[:0], found.value...)
		n++
		more := false
		more, err = fn(key, value)
		clear(key)
		clear(value)
		return more && err == nil && (rg.Limit <= 0 || n < rg.Limit)
	}
	below := func(found row) bool { return rg.End == nil || bytes.Compare(found.key, rg.End) < 0 }
	switch {
	case !rg.Reverse:
		r.rows.AscendGreaterOrEqual(row{key: rg.Start}, func(found row) bool { return below(found) && emit(found) })
	case rg.End == nil:
		r.rows.DescendGreaterThan(row{}, func(found row) bool {
			return bytes.Compare(found.key, rg.Start) >= 0 && emit(found)
		})
	default:
		r.rows.DescendLessOrEqual(row{key: rg.End}, func(found row) bool {
			return !below(found) || bytes.Compare(found.key, rg.Start) >= 0 && emit(found)
		})
	}
	return err
}

// A txn serves one Update: its tree is its own.
type txn struct{ reader }

func (t *txn) Put(key, value []byte) error {
	if err := t.writable(); err != nil {
		return err
	}
	if err := meta.CheckRow(key, value); err != nil {
		return err
	}
	t.rows.ReplaceOrInsert(row{bytes.Clone(key), append([]byte{}, value...)})
	return nil
}

func (t *txn) Delete(key []byte) error {
	if err := t.writable(); err != nil {
		return err
	}
	t.rows.Delete(row{key: key})
	return nil
}

func (t *txn) writable() error {
	switch {
	case t.rows == nil:
		return errEnded
	case t.scanning > 0:
		return errScanWrite
	}
	return nil
}
