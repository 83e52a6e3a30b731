package backup

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"coffer/internal/backupset"
	"coffer/internal/blob"
	"coffer/internal/meta"
)

var (
	// ErrBusy means that as many backups are under way as may be.
	ErrBusy = errors.New("backup: too many backups are under way")
	// ErrNotUnderWay means that no backup of that ID is under way: it ended, or
	// nobody asked for a piece of it for too long.
	ErrNotUnderWay = errors.New("backup: the backup is not under way any more")
	// ErrOrder means that a page or a file was asked for that is not at hand.
	ErrOrder = errors.New("backup: pieces are asked for in order")
)

const (
	// maxUnderWay is how many backups may be under way at a time: each keeps one
	// state of the rows and a page in memory.
	maxUnderWay = 2
	// Lease is how long a backup stays under way while nobody asks for a piece.
	// Until it ends nothing that was deleted is removed.
	Lease = 5 * time.Minute
	// maxPageFiles and maxPageBytes bound a page, in files and in bytes of their
	// rows, which lie in memory.
	maxPageFiles = 512
	maxPageBytes = 8 << 20
)

// A Config says what backups are made of.
type Config struct {
	Meta  meta.Store // rows in the clear
	Blobs blob.Store
	Codec *backupset.Codec
	// Named calls fn with each blob that rows name, and its size in bytes.
	Named func(r meta.Reader, fn func(id string, size int64) error) error
	// Hold keeps blobs that are deleted from now on, until release.
	Hold func() (release func())
	// Describe says what store it is: everything of a manifest but its trees.
	Describe func() backupset.Manifest
	Log      *slog.Logger // discarded if nil
}

// Backups makes the backups of one store. It is safe for concurrent use. Close it
// before the store.
type Backups struct {
	cfg Config

	mu       sync.Mutex // guards all below
	underWay map[string]*making
	closed   bool
}

// New returns the backups of a store.
func New(cfg Config) *Backups {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Backups{cfg: cfg, underWay: make(map[string]*making)}
}

// A making is one backup under way.
type making struct {
	b      *Backups
	id     string
	name   string // of the manifest
	cancel context.CancelFunc
	done   chan struct{} // closed when the view has ended
	pieces chan piece    // from the view
	err    error         // of the view; valid once pieces is closed
	lease  *time.Timer   // runs while nobody uses it

	use     sync.Mutex // held by whoever asks for a piece; guards all below
	page    *page      // the last one that was asked for
	partial *page      // the next one, if whoever asked for it left
	size    int64      // of the rows in partial
	lost    []string
}

// A piece is one file that is not sealed yet.
type piece struct {
	kind  backupset.Kind
	id    backupset.ID
	plain []byte // of a file that is no blob
	blob  string
	size  int64 // of the plaintext
}

type page struct {
	number int
	pieces []piece
	isLast bool
}

// A Begun is a backup that began.
type Begun struct {
	ID   string `json:"id"`
	Name string `json:"name"` // of the backup, once it is whole
	Set  string `json:"set"`  // Codec.SetID
}

// A FileName names a file of a backup. Name is that of the manifest, or an ID in
// hexadecimal.
type FileName struct {
	Kind backupset.Kind `json:"kind"`
	Name string         `json:"name"`
	Size int64          `json:"size"` // sealed, in bytes
}

// ID returns what the file is sealed as.
func (f *FileName) ID() (backupset.ID, error) {
	if f.Kind == backupset.KindManifest {
		return backupset.ManifestID(f.Name), backupset.CheckManifestName(f.Name)
	}
	return backupset.ParseID(f.Name)
}

// Path returns where the file lies in an archive.
func (f *FileName) Path() (string, error) {
	id, err := f.ID()
	switch {
	case err != nil:
		return "", err
	case f.Kind == backupset.KindManifest:
		return backupset.ManifestPath(f.Name), nil
	case f.Kind.Dir() == "":
		return "", fmt.Errorf("backup: a file of kind %d", f.Kind)
	}
	return backupset.Path(f.Kind, id), nil
}

// A Page is some of the files that a backup holds. A file may stand in several pages.
// The last page holds the manifest and nothing else: write it when all else is
// durable.
type Page struct {
	Number int        `json:"number"`
	Files  []FileName `json:"files"`
	IsLast bool       `json:"isLast"`
}

// Begin begins a backup of the state at its return. The function record runs in a
// transaction before.
func (b *Backups) Begin(ctx context.Context, record func(meta.Txn) error) (*Begun, error) {
	id, name := rand.Text(), newName(time.Now())
	run, cancel := context.WithCancel(context.Background())
	m := &making{b: b, id: id, name: name, cancel: cancel, done: make(chan struct{}), pieces: make(chan piece)}
	b.mu.Lock()
	switch {
	case b.closed:
		b.mu.Unlock()
		cancel()
		return nil, meta.ErrClosed
	case len(b.underWay) >= maxUnderWay:
		b.mu.Unlock()
		cancel()
		return nil, ErrBusy
	}
	b.underWay[id] = m
	m.lease = time.AfterFunc(Lease, func() { b.expire(m) })
	b.mu.Unlock()

	// First what is deleted stays, then the state is taken that still names it.
	release := b.cfg.Hold()
	err := b.cfg.Meta.Update(ctx, record)
	if err != nil {
		release()
		close(m.done)
		b.forget(m)
		return nil, err
	}
	began := make(chan struct{})
	go func() {
		defer close(m.done)
		defer release()
		defer close(m.pieces)
		m.err = b.cfg.Meta.View(run, func(r meta.Reader) error {
			close(began)
			return m.produce(run, r)
		})
	}()
	select {
	case <-began:
	case <-m.done:
		b.forget(m)
		return nil, m.err
	}
	b.cfg.Log.Info("backup begins", "backup", name)
	return &Begun{ID: id, Name: name, Set: b.cfg.Codec.SetID().String()}, nil
}

// newName returns the name of a backup that begins at t: names sort by time.
func newName(t time.Time) string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // it never fails
	return strings.Replace(t.UTC().Format("20060102T150405.000Z"), ".", "", 1) + "-" + hex.EncodeToString(random[:])
}

// expire ends a backup that nobody has asked for.
func (b *Backups) expire(m *making) {
	b.cfg.Log.Warn("backup ended, because nobody asked for the rest of it", "backup", m.name, "after", Lease)
	b.forget(m)
}

// forget ends a backup and waits until its view has ended.
func (b *Backups) forget(m *making) {
	b.mu.Lock()
	delete(b.underWay, m.id)
	m.lease.Stop()
	b.mu.Unlock()
	m.cancel()
	<-m.done
}

// take finds a backup for one who asks for a piece of it. Call give afterwards.
func (b *Backups) take(id string) (*making, error) {
	b.mu.Lock()
	m := b.underWay[id]
	b.mu.Unlock()
	if m == nil {
		return nil, ErrNotUnderWay
	}
	m.use.Lock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.underWay[id] != m {
		m.use.Unlock()
		return nil, ErrNotUnderWay
	}
	m.lease.Stop()
	return m, nil
}

func (b *Backups) give(m *making) {
	b.mu.Lock()
	if b.underWay[m.id] == m {
		m.lease.Reset(Lease)
	}
	b.mu.Unlock()
	m.use.Unlock()
}

// Page returns the page of that number, from 1: the last one that was asked for, or
// the next. It returns ErrNotUnderWay or ErrOrder, or an error that wraps
// meta.ErrCorrupt if a row is damaged.
func (b *Backups) Page(ctx context.Context, id string, number int) (*Page, error) {
	m, err := b.take(id)
	if err != nil {
		return nil, err
	}
	defer b.give(m)
	at := 0
	if m.page != nil {
		at = m.page.number
	}
	switch {
	case number == at+1 && (m.page == nil || !m.page.isLast):
		p, err := m.next(ctx, number)
		if err != nil {
			return nil, err
		}
		m.page = p
	case number != at || number == 0:
		return nil, fmt.Errorf("%w: page %d after page %d", ErrOrder, number, at)
	}
	out := &Page{Number: number, IsLast: m.page.isLast, Files: []FileName{}}
	for i := range m.page.pieces {
		p := &m.page.pieces[i]
		f := FileName{p.kind, p.id.String(), backupset.SealedSize(p.size)}
		if p.kind == backupset.KindManifest {
			f.Name = m.name
		}
		out.Files = append(out.Files, f)
	}
	return out, nil
}

// next reads the next page from the view.
func (m *making) next(ctx context.Context, number int) (*page, error) {
	if m.partial == nil {
		m.partial, m.size = &page{number: number}, 0
	}
	p := m.partial
	for isWhole := false; !isWhole; {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case x, ok := <-m.pieces:
			if !ok {
				m.b.forget(m)
				if !errors.Is(m.err, ErrNotUnderWay) {
					m.b.cfg.Log.Error("backup can't read the store", "backup", m.name, "error", m.err)
				}
				return nil, fmt.Errorf("read the store for a backup: %w", m.err)
			}
			if x.id == (backupset.ID{}) { // the page ends here, if it holds anything
				isWhole = len(p.pieces) > 0
				continue
			}
			p.pieces = append(p.pieces, x)
			m.size += int64(len(x.plain))
			p.isLast = x.kind == backupset.KindManifest
			isWhole = p.isLast || len(p.pieces) == maxPageFiles || m.size >= maxPageBytes
		}
	}
	m.partial = nil
	return p, nil
}

// produce hands out every file of the state that r reads.
func (m *making) produce(ctx context.Context, r meta.Reader) error {
	cfg := &m.b.cfg
	out := cfg.Describe()
	out.Version = 1
	send := func(p piece) error {
		select {
		case m.pieces <- p:
			return nil
		case <-ctx.Done():
			return ErrNotUnderWay
		}
	}
	chunk := func(k backupset.Kind, id backupset.ID, plain []byte) error {
		return send(piece{kind: k, id: id, plain: append([]byte(nil), plain...), size: int64(len(plain))})
	}
	rows := cfg.Codec.NewTreeWriter(chunk)
	err := r.Scan(meta.Range{}, func(key, value []byte) (bool, error) { return true, rows.Add(key, value) })
	if err != nil {
		return err
	}
	if out.Rows, err = rows.Close(); err != nil {
		return err
	}
	blobs := cfg.Codec.NewTreeWriter(chunk)
	err = cfg.Named(r, func(id string, size int64) error {
		out.BlobBytes += size
		if err := blobs.Add([]byte(id), binary.BigEndian.AppendUint64(nil, uint64(size))); err != nil {
			return err
		}
		return send(piece{kind: backupset.KindBlob, id: cfg.Codec.BlobID(id), blob: id, size: size})
	})
	if err != nil {
		return err
	}
	if out.Blobs, err = blobs.Close(); err != nil {
		return err
	}
	// The page of the manifest begins when all pages before it were served, so that
	// all that is lost is known.
	if err := send(piece{}); err != nil {
		return err
	}
	select {
	case m.pieces <- piece{}:
	case <-ctx.Done():
		return ErrNotUnderWay
	}
	out.Lost = m.lost // whoever receives holds use
	plain, err := out.Encode()
	if err != nil {
		return err
	}
	if err := send(piece{kind: backupset.KindManifest, id: backupset.ManifestID(m.name), plain: plain, size: int64(len(plain))}); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// CheckFiles returns the error with which Files would refuse.
func (b *Backups) CheckFiles(id string, number int, names []string) error {
	m, err := b.take(id)
	if err != nil {
		return err
	}
	defer b.give(m)
	_, err = m.some(number, names)
	return err
}

// some returns the named files of the page that was asked for last.
func (m *making) some(number int, names []string) ([]*piece, error) {
	if m.page == nil || m.page.number != number {
		return nil, fmt.Errorf("%w: page %d is not at hand", ErrOrder, number)
	}
	wanted := make(map[backupset.ID]bool, len(names))
	for _, n := range names {
		f := FileName{Name: n}
		if m.page.isLast {
			f.Kind = backupset.KindManifest
		}
		id, err := f.ID()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrOrder, err)
		}
		wanted[id] = true
	}
	var some []*piece
	for i := range m.page.pieces {
		if p := &m.page.pieces[i]; wanted[p.id] {
			some = append(some, p)
			delete(wanted, p.id)
		}
	}
	if len(wanted) > 0 {
		return nil, fmt.Errorf("%w: %d files are not in page %d", ErrOrder, len(wanted), number)
	}
	return some, nil
}

// Files writes the named files of a page to w, as a stream. Those of an earlier or
// a later page are ErrOrder.
func (b *Backups) Files(ctx context.Context, id string, number int, names []string, w io.Writer) error {
	m, err := b.take(id)
	if err != nil {
		return err
	}
	defer b.give(m)
	some, err := m.some(number, names)
	if err != nil {
		return err
	}
	s := backupset.NewStreamWriter(w)
	for _, p := range some {
		if err := m.file(ctx, s, p); err != nil {
			b.cfg.Log.Error("backup of a file", "backup", m.name, "error", err)
			return errors.Join(err, s.Fail("the file could not be read; the server's log says why"))
		}
	}
	return s.Close()
}

// file writes one file to a stream.
func (m *making) file(ctx context.Context, s *backupset.StreamWriter, p *piece) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var salt backupset.Salt
	_, _ = rand.Read(salt[:]) // it never fails
	codec := m.b.cfg.Codec
	if p.kind != backupset.KindBlob {
		file := codec.Seal(p.kind, p.id, salt, p.plain)
		if err := s.File(p.id, int64(len(file))); err != nil {
			return err
		}
		_, err := s.Write(file)
		return err
	}
	b, err := m.b.open(ctx, p)
	if errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrCorrupt) {
		m.b.cfg.Log.Error("backup lacks a blob that is lost", "backup", m.name, "blob", p.blob, "error", err)
		m.lost = append(m.lost, p.blob)
		return s.Lost(p.id)
	}
	if err != nil {
		return err
	}
	defer b.Close()
	if err := s.File(p.id, backupset.SealedSize(p.size)); err != nil {
		return err
	}
	w := codec.NewWriter(s, p.kind, p.id, salt)
	if _, err := io.CopyBuffer(onlyWriter{w}, io.NewSectionReader(b, 0, p.size), make([]byte, backupset.SegmentSize)); err != nil {
		return err
	}
	return w.Close()
}

type onlyWriter struct{ io.Writer }

// open opens a blob and compares it with its checksums: damage is not copied.
func (b *Backups) open(ctx context.Context, p *piece) (blob.Blob, error) {
	if err := b.cfg.Blobs.Check(ctx, p.blob); err != nil {
		return nil, err
	}
	f, err := b.cfg.Blobs.Open(ctx, p.blob)
	if err != nil {
		return nil, err
	}
	if f.Size() != p.size {
		return nil, errors.Join(fmt.Errorf("%w: blob %s has %d bytes, want %d", blob.ErrCorrupt, p.blob, f.Size(), p.size), f.Close())
	}
	return f, nil
}

// End ends a backup, whole or not. The function record runs in a transaction before,
// if the backup is under way; otherwise End returns ErrNotUnderWay.
func (b *Backups) End(ctx context.Context, id string, record func(meta.Txn) error) error {
	m, err := b.take(id)
	if err != nil {
		return err
	}
	err = b.cfg.Meta.Update(ctx, record)
	b.give(m)
	if err == nil {
		b.forget(m)
		b.cfg.Log.Info("backup ends", "backup", m.name)
	}
	return err
}

// Close ends every backup under way. Later ones are refused.
func (b *Backups) Close() {
	b.mu.Lock()
	b.closed = true
	var all []*making
	for _, m := range b.underWay {
		all = append(all, m)
	}
	b.mu.Unlock()
	for _, m := range all {
		b.forget(m)
	}
}
