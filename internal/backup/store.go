package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/google/btree"

	"coffer/internal/archive"
	"coffer/internal/backupset"
	"coffer/internal/blob"
	"coffer/internal/meta"
)

// A Store reads the rows of a backup. What is written to it lies in memory and is
// forgotten with it, so that code which notes something when it opens a store opens
// a backup too.
type Store struct {
	backup *Backup

	writing sync.Mutex // held by the one Update
	mu      sync.Mutex // guards rows and closed
	rows    *btree.BTreeG[written]
	closed  bool
	running sync.WaitGroup // Add only under mu and while not closed

	cache chunkCache
}

// A written row hides that of the backup. It is never changed.
type written struct {
	record
	deleted bool
}

var (
	_ meta.Store = (*Store)(nil)

	errEnded     = errors.New("meta: transaction has ended")
	errScanWrite = errors.New("meta: write inside a scan")
)

// Store returns a store of the backup's rows. Each call returns another one.
func (b *Backup) Store() *Store {
	return &Store{backup: b, rows: btree.NewG(16, func(x, y written) bool { return bytes.Compare(x.key, y.key) < 0 })}
}

// begin returns the rows that a transaction begins with.
func (s *Store) begin() (*btree.BTreeG[written], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, meta.ErrClosed
	}
	s.running.Add(1)
	return s.rows, nil
}

// View implements [meta.Store].
func (s *Store) View(ctx context.Context, fn func(meta.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	rows, err := s.begin()
	if err != nil {
		return err
	}
	defer s.running.Done()
	r := &storeReader{s: s, ctx: ctx, rows: rows}
	defer func() { r.rows = nil }()
	return fn(r)
}

// Update implements [meta.Store]. Nothing of it is durable.
func (s *Store) Update(ctx context.Context, fn func(meta.Txn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	rows, err := s.begin()
	if err != nil {
		return err
	}
	defer s.running.Done()
	t := &storeTxn{storeReader{s: s, ctx: ctx, rows: rows.Clone()}}
	changed := t.rows
	defer func() { t.rows = nil }()
	if err := fn(t); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	s.rows = changed
	s.mu.Unlock()
	return nil
}

// Close implements [meta.Store].
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.running.Wait()
	return nil
}

type storeReader struct {
	s        *Store
	ctx      context.Context
	rows     *btree.BTreeG[written] // nil once the transaction has ended
	scanning int
}

// corrupt makes damage of the backup damage of a row.
func corrupt(err error) error {
	if errors.Is(err, backupset.ErrDamaged) {
		return fmt.Errorf("%w: %w", meta.ErrCorrupt, err)
	}
	return err
}

func (r *storeReader) Get(key []byte) ([]byte, error) {
	if r.rows == nil {
		return nil, errEnded
	}
	if w, ok := r.rows.Get(written{record: record{key: key}}); ok {
		if w.deleted {
			return nil, meta.ErrNotFound
		}
		return append([]byte{}, w.value...), nil
	}
	b := r.s.backup
	if len(b.rows) == 0 {
		return nil, meta.ErrNotFound
	}
	records, err := r.s.cache.get(r.ctx, b, b.chunkOf(key))
	if err != nil {
		return nil, corrupt(err)
	}
	i, ok := search(records, key)
	if !ok {
		return nil, meta.ErrNotFound
	}
	return append([]byte{}, records[i].value...), nil
}

func (r *storeReader) Scan(rg meta.Range, fn func(key, value []byte) (bool, error)) error {
	if r.rows == nil {
		return errEnded
	}
	if rg.End != nil && bytes.Compare(rg.Start, rg.End) >= 0 {
		return nil
	}
	r.scanning++
	defer func() { r.scanning-- }()
	w, b := r.newWalk(rg), r.newBase(rg)
	defer w.stop()
	var key, value []byte // the caller's for a call, as the interface says
	emit := func(x record) (bool, error) {
		key, value = append(key[:0], x.key...), append(value[:0], x.value...)
		return fn(key, value)
	}
	base, ok, err := b.next()
	over, has := w.next()
	for n := 0; err == nil && (ok || has); {
		order := -1 // the row of the backup comes first
		if ok && has {
			if order = bytes.Compare(base.key, over.key); rg.Reverse {
				order = -order
			}
		} else if has {
			order = 1
		}
		var x record
		isRow := true
		if order < 0 {
			x = base
		} else {
			x, isRow = over.record, !over.deleted
		}
		if isRow {
			more, err := emit(x)
			if n++; err != nil || !more || n == rg.Limit {
				return err
			}
		}
		if order <= 0 {
			base, ok, err = b.next()
		}
		if order >= 0 {
			over, has = w.next()
		}
	}
	return corrupt(err)
}

// A base walks the rows of the backup in a range.
type base struct {
	r       *storeReader
	rg      meta.Range
	chunk   int
	records []record
	at      int
	ended   bool
}

func (r *storeReader) newBase(rg meta.Range) *base {
	b := &base{r: r, rg: rg, chunk: -1}
	if len(r.s.backup.rows) == 0 {
		b.ended = true
	}
	return b
}

// begin goes to the first row of the walk.
func (b *base) begin() error {
	all := b.r.s.backup
	switch {
	case !b.rg.Reverse:
		b.chunk = all.chunkOf(b.rg.Start)
	case b.rg.End == nil:
		b.chunk = len(all.rows) - 1
	default:
		b.chunk = all.chunkOf(b.rg.End)
	}
	if err := b.load(); err != nil {
		return err
	}
	switch {
	case !b.rg.Reverse:
		b.at, _ = search(b.records, b.rg.Start)
	case b.rg.End == nil:
		b.at = len(b.records) - 1
	default:
		b.at, _ = search(b.records, b.rg.End)
		b.at--
	}
	return nil
}

func (b *base) load() (err error) {
	b.records, err = b.r.s.cache.get(b.r.ctx, b.r.s.backup, b.chunk)
	return err
}

func (b *base) next() (record, bool, error) {
	if b.chunk < 0 && !b.ended {
		if err := b.begin(); err != nil {
			return record{}, false, err
		}
	}
	for !b.ended && (b.at < 0 || b.at >= len(b.records)) {
		step := 1
		if b.rg.Reverse {
			step = -1
		}
		if b.chunk += step; b.chunk < 0 || b.chunk >= len(b.r.s.backup.rows) {
			b.ended = true
			break
		}
		if err := b.load(); err != nil {
			return record{}, false, err
		}
		if b.at = 0; b.rg.Reverse {
			b.at = len(b.records) - 1
		}
	}
	if b.ended {
		return record{}, false, nil
	}
	x := b.records[b.at]
	if bytes.Compare(x.key, b.rg.Start) < 0 || b.rg.End != nil && bytes.Compare(x.key, b.rg.End) >= 0 {
		b.ended = true
		return record{}, false, nil
	}
	if b.at++; b.rg.Reverse {
		b.at -= 2
	}
	return x, true, nil
}

// A walk walks the written rows in a range. They are few: what opens a store notes
// little.
type walk struct {
	rows []written
}

func (r *storeReader) newWalk(rg meta.Range) *walk {
	w := new(walk)
	add := func(x written) bool {
		if rg.End != nil && bytes.Compare(x.key, rg.End) >= 0 {
			return false
		}
		w.rows = append(w.rows, x)
		return true
	}
	r.rows.AscendGreaterOrEqual(written{record: record{key: rg.Start}}, add)
	if rg.Reverse {
		for i, j := 0, len(w.rows)-1; i < j; i, j = i+1, j-1 {
			w.rows[i], w.rows[j] = w.rows[j], w.rows[i]
		}
	}
	return w
}

func (w *walk) next() (x written, ok bool) {
	if len(w.rows) == 0 {
		return x, false
	}
	x, w.rows = w.rows[0], w.rows[1:]
	return x, true
}

func (w *walk) stop() { w.rows = nil }

type storeTxn struct{ storeReader }

func (t *storeTxn) Put(key, value []byte) error {
	if err := meta.CheckRow(key, value); err != nil {
		return err
	}
	return t.write(written{record: record{bytes.Clone(key), append([]byte{}, value...)}})
}

func (t *storeTxn) Delete(key []byte) error {
	return t.write(written{record: record{key: bytes.Clone(key)}, deleted: true})
}

func (t *storeTxn) write(x written) error {
	switch {
	case t.rows == nil:
		return errEnded
	case t.scanning > 0:
		return errScanWrite
	case len(x.key) > 0:
		t.rows.ReplaceOrInsert(x)
	}
	return nil
}

// chunkCache keeps the chunks that were read last.
type chunkCache struct {
	mu     sync.Mutex // guards all below
	chunks map[int][]record
	order  []int // the oldest first
}

// maxCached is how many chunks are kept: some 16 MiB.
const maxCached = 64

func (c *chunkCache) get(ctx context.Context, b *Backup, i int) ([]record, error) {
	c.mu.Lock()
	records, ok := c.chunks[i]
	c.mu.Unlock()
	if ok {
		return records, nil
	}
	records, err := b.records(ctx, &b.rows[i])
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.chunks[i]; ok {
		return records, nil
	}
	if c.chunks == nil {
		c.chunks = make(map[int][]record)
	}
	if len(c.order) == maxCached {
		delete(c.chunks, c.order[0])
		c.order = c.order[1:]
	}
	c.chunks[i] = records
	c.order = append(c.order, i)
	return records, nil
}

// Blobs reads the blobs of a backup. Nothing can be written to it; deleting is
// allowed and does nothing, so that a store on it opens.
type Blobs struct{ backup *Backup }

var _ blob.Store = (*Blobs)(nil)

// Blobs returns the blobs of the backup.
func (b *Backup) Blobs() *Blobs { return &Blobs{b} }

// Create implements [blob.Store] and refuses.
func (s *Blobs) Create(context.Context, string, int64) (blob.Writer, error) {
	return nil, fmt.Errorf("%w: it is a backup", blob.ErrUnavailable)
}

type openBlob struct {
	*backupset.Reader
	archive.File
}

func (b openBlob) Size() int64 { return b.Reader.Size() }
func (b openBlob) ReadAt(p []byte, off int64) (int, error) {
	n, err := b.Reader.ReadAt(p, off)
	if errors.Is(err, backupset.ErrDamaged) {
		err = fmt.Errorf("%w: %w", blob.ErrCorrupt, err)
	}
	return n, err
}

// Open implements [blob.Store].
func (s *Blobs) Open(ctx context.Context, id string) (blob.Blob, error) {
	name := s.backup.codec.BlobID(id)
	path := backupset.Path(backupset.KindBlob, name)
	f, err := s.backup.from.Open(ctx, path)
	if errors.Is(err, archive.ErrNotFound) {
		return nil, fmt.Errorf("%w: %s of blob %s is missing", blob.ErrNotFound, path, id)
	}
	if err != nil {
		return nil, err
	}
	r, err := s.backup.codec.NewReader(f, f.Size(), backupset.KindBlob, name)
	if err != nil {
		if errors.Is(err, backupset.ErrDamaged) {
			err = fmt.Errorf("%w: %s of blob %s: %w", blob.ErrCorrupt, path, id, err)
		}
		return nil, errors.Join(err, f.Close())
	}
	return openBlob{r, f}, nil
}

// Delete implements [blob.Store] and does nothing.
func (s *Blobs) Delete(context.Context, string) error { return nil }

// List implements [blob.Store]. It lists nothing: a backup knows its blobs by name.
func (s *Blobs) List(context.Context, string, func(string) error) error { return nil }

// Check implements [blob.Store]: it opens the whole blob.
func (s *Blobs) Check(ctx context.Context, id string) error {
	b, err := s.Open(ctx, id)
	if err != nil {
		return err
	}
	defer b.Close()
	_, err = io.CopyBuffer(discard{ctx}, onlyReader{io.NewSectionReader(b, 0, b.Size())}, make([]byte, 4*backupset.SegmentSize))
	return err
}

type onlyReader struct{ io.Reader }

// discard takes what is read until its context ends.
type discard struct{ ctx context.Context }

func (d discard) Write(p []byte) (int, error) { return len(p), d.ctx.Err() }

// Close implements [blob.Store].
func (s *Blobs) Close() error { return nil }
