package object

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"

	"coffer/internal/blob"
	"coffer/internal/checksum"
	"coffer/internal/meta"
	"coffer/internal/sealed"
)

// An Opened is a version whose keys have been unwrapped. Close it.
type Opened struct {
	s    *Store
	v    *Version
	keys sealed.Keys
	bind sealed.Binding
}

// Open unwraps the keys of a version that Find returned. The secret is what the
// sealing of the version asks for; SSE-S3 ignores it.
//
// It returns ErrWrongCustomerKey for a wrong SSE-C key, ErrChanged if the version
// was removed so long ago that its content is going, and sealed.ErrDamaged,
// sealed.ErrWrongKey or sealed.ErrFormat for content that does not open.
func (s *Store) Open(ctx context.Context, b *Bucket, v *Version, secret *sealed.Secret) (*Opened, error) {
	bind := s.binding(v)
	keys, err := s.keysOf(ctx, b.Account, v, secret)
	if err != nil {
		return nil, fmt.Errorf("open %s of %q: %w", v.ID, v.Key, err)
	}
	if !s.pins.add(v.Content.ID) {
		keys.Wipe()
		return nil, fmt.Errorf("open %s of %q: %w", v.ID, v.Key, ErrChanged)
	}
	return &Opened{s: s, v: v, keys: keys, bind: bind}, nil
}

// Close wipes the keys. Readers that Range returned must be closed before.
func (o *Opened) Close() {
	if o.keys != nil {
		o.keys.Wipe()
		o.keys = nil
		o.s.pins.remove(o.v.Content.ID)
	}
}

// Sums returns the checksums of the plaintext.
func (o *Opened) Sums() (map[checksum.Algorithm]string, error) {
	return openSums(&o.v.Sums, o.keys, &o.bind)
}

// A Plaintext reads a range of an object. Every byte was authenticated.
type Plaintext interface {
	io.ReadCloser
	io.WriterTo
}

// Range returns a reader of n bytes from off on. The first bytes have been
// opened and authenticated when it returns, so that damage there is an error
// before anything is answered. It returns ErrChanged if the version was removed
// so long ago that its content is gone.
func (o *Opened) Range(ctx context.Context, off, n int64) (Plaintext, error) {
	p, err := o.open(ctx, off, n)
	if err == nil {
		p, err = started(p)
	}
	if err != nil && o.isGone(ctx) {
		err = ErrChanged
	}
	if err != nil {
		return nil, fmt.Errorf("read %s of %q: %w", o.v.ID, o.v.Key, err)
	}
	return p, nil
}

// isGone reports whether the version is not there any more.
func (o *Opened) isGone(ctx context.Context) bool {
	err := o.s.meta.View(ctx, func(r meta.Reader) error {
		now, err := versionAt(r, &Bucket{ID: o.v.BucketID}, o.v.Key, o.v.Seq)
		if err == nil && now.Content.ID != o.v.Content.ID {
			err = meta.ErrNotFound
		}
		return err
	})
	return errors.Is(err, meta.ErrNotFound)
}

// A startedReader is a Plaintext whose first byte has been read.
type startedReader struct {
	Plaintext
	first []byte
}

// started reads the first byte of p, and so opens the segment that holds it. It
// closes p on an error.
func started(p Plaintext) (Plaintext, error) {
	var first [1]byte
	n, err := io.ReadFull(p, first[:])
	if err != nil && err != io.EOF {
		_ = p.Close()
		return nil, err
	}
	return &startedReader{p, first[:n]}, nil
}

func (r *startedReader) Read(p []byte) (int, error) {
	if len(p) == 0 || len(r.first) == 0 {
		return r.Plaintext.Read(p)
	}
	n := copy(p, r.first)
	r.first = nil
	if len(p) == n {
		return n, nil
	}
	m, err := r.Plaintext.Read(p[n:])
	if err == io.EOF {
		err = nil
	}
	return n + m, err
}

func (r *startedReader) WriteTo(w io.Writer) (int64, error) {
	var n int
	if len(r.first) > 0 {
		var err error
		if n, err = w.Write(r.first); err != nil {
			return int64(n), err
		}
		r.first = nil
	}
	m, err := r.Plaintext.WriteTo(w)
	return int64(n) + m, err
}

func (o *Opened) open(ctx context.Context, off, n int64) (Plaintext, error) {
	if o.v.Content.PartCount > 0 {
		return o.partRange(ctx, off, n)
	}
	return o.s.bodyRange(ctx, o.keys, o.bind.Content, o.v.Content.Blob, o.v.body, off, n)
}

// bodyRange opens one body, in a blob or in memory.
func (s *Store) bodyRange(ctx context.Context, keys sealed.Keys, c sealed.Content, name string, inline []byte, off, n int64) (Plaintext, error) {
	var src io.ReaderAt
	var closer io.Closer
	if name == "" {
		src = memory(inline)
	} else {
		b, err := s.blobs.Open(ctx, name)
		if errors.Is(err, blob.ErrNotFound) {
			return nil, fmt.Errorf("%w: blob %s is missing", sealed.ErrDamaged, name)
		}
		if err != nil {
			return nil, fmt.Errorf("open blob %s: %w", name, err)
		}
		src, closer = b, b
	}
	r, err := sealed.NewReader(src, keys, c)
	if err == nil {
		var g *sealed.Range
		if g, err = r.Range(off, n); err == nil {
			return &bodyReader{Range: g, closer: closer}, nil
		}
	}
	if closer != nil {
		_ = closer.Close()
	}
	return nil, err
}

type bodyReader struct {
	*sealed.Range
	closer io.Closer // nil for a body in memory
}

func (r *bodyReader) Close() error {
	err := r.Range.Close()
	if r.closer != nil {
		err = errors.Join(err, r.closer.Close())
	}
	return err
}

// memory is an io.ReaderAt over a sealed body that lies in a row.
type memory []byte

func (m memory) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= int64(len(m)) {
		return 0, io.EOF
	}
	n := copy(p, m[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// PartTable is one chunk of the parts of a multipart object, as its row holds it.
type PartTable struct {
	Parts []Part `cbor:"1,keyasint"`
}

// errBodyMissing means that a small body has no row.
var errBodyMissing = errors.New("object: row of a body is missing")

// table reads and verifies one chunk of the part table of v.
func (s *Store) table(ctx context.Context, v *Version, i int) (*PartTable, error) {
	var t PartTable
	err := s.meta.View(ctx, func(r meta.Reader) error {
		t = PartTable{}
		if err := get(r, tableRow(v.Content.ID, i), &t); err != nil {
			return err
		}
		for j := range t.Parts {
			if p := &t.Parts[j]; p.Blob == "" {
				var err error
				p.body, err = r.Get(contentRow(p.ContentID))
				if errors.Is(err, meta.ErrNotFound) {
					return fmt.Errorf("%w: %w: part %d", sealed.ErrDamaged, errBodyMissing, p.Number)
				}
				if err != nil {
					return err
				}
			}
		}
		return nil
	})
	if errors.Is(err, meta.ErrNotFound) {
		return nil, fmt.Errorf("%w: part table %d: %w", sealed.ErrDamaged, i, err)
	}
	if err != nil {
		return nil, fmt.Errorf("part table %d: %w", i, err)
	}
	c := v.Content.Chunks[i]
	entries := make([]sealed.PartEntry, len(t.Parts))
	for j := range t.Parts {
		entries[j] = t.Parts[j].entry()
	}
	return &t, sealed.PartChunk{Offset: c.Offset, Hash: c.Hash}.Verify(entries)
}

func (o *Opened) partRange(ctx context.Context, off, n int64) (Plaintext, error) {
	if off < 0 || n < 0 || off > o.v.Size() || n > o.v.Size()-off {
		return nil, fmt.Errorf("object: no range of %d bytes at %d in %d", n, off, o.v.Size())
	}
	chunks := o.v.Content.Chunks
	r := &partsReader{ctx: ctx, o: o, chunk: sort.Search(len(chunks), func(i int) bool { return chunks[i].Offset > off }) - 2, off: off, left: n}
	r.chunk = max(r.chunk, -1)
	if err := r.load(); err != nil {
		return nil, err
	}
	return r, nil
}

// A partsReader reads a range across parts, opening one at a time.
type partsReader struct {
	ctx   context.Context
	o     *Opened
	off   int64 // of the next byte, in the object
	left  int64
	chunk int // whose table is loaded
	table *PartTable
	next  int   // part of table
	start int64 // offset of part next in the object
	cur   Plaintext
	err   error
}

// load reads the next chunk of the part table.
func (r *partsReader) load() error {
	r.chunk++
	t, err := r.o.s.table(r.ctx, r.o.v, r.chunk)
	if err != nil {
		return err
	}
	r.table, r.next, r.start = t, 0, r.o.v.Content.Chunks[r.chunk].Offset
	return nil
}

// advance makes cur the reader of the part that holds off.
func (r *partsReader) advance() error {
	if r.cur != nil {
		if err := r.cur.Close(); err != nil {
			return err
		}
		r.cur = nil
	}
	if r.left == 0 {
		return io.EOF
	}
	for {
		if r.next == len(r.table.Parts) {
			if r.chunk+1 == len(r.o.v.Content.Chunks) {
				return fmt.Errorf("%w: parts end at %d", sealed.ErrDamaged, r.start)
			}
			if err := r.load(); err != nil {
				return err
			}
		}
		p := &r.table.Parts[r.next]
		end := r.start + p.Length
		if r.off >= end {
			r.next, r.start = r.next+1, end
			continue
		}
		keys, err := sealed.OpenPartKey(r.o.keys, p.Key, p.binding(r.o.v.Content.UploadID))
		if err != nil {
			return fmt.Errorf("part %d: %w", p.Number, err)
		}
		n := min(r.left, end-r.off)
		r.cur, err = r.o.s.bodyRange(r.ctx, keys, p.content(), p.Blob, p.body, r.off-r.start, n)
		keys.Wipe()
		if err != nil {
			return fmt.Errorf("part %d: %w", p.Number, err)
		}
		r.off, r.left = r.off+n, r.left-n
		return nil
	}
}

func (r *partsReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for r.err == nil {
		if r.cur == nil {
			if r.err = r.advance(); r.err != nil {
				break
			}
		}
		n, err := r.cur.Read(p)
		if err == io.EOF {
			if r.err = r.cur.Close(); r.err == nil {
				r.cur = nil
			}
		} else if err != nil {
			r.err = err
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, r.err
}

func (r *partsReader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		if r.err == nil && r.cur == nil {
			r.err = r.advance()
		}
		if r.err != nil {
			if r.err == io.EOF {
				return total, nil
			}
			return total, r.err
		}
		n, err := r.cur.WriteTo(w)
		total += n
		if err != nil {
			r.err = err
			return total, err
		}
		if r.err = r.cur.Close(); r.err == nil {
			r.cur = nil
		}
	}
}

func (r *partsReader) Close() error {
	if r.cur != nil {
		err := r.cur.Close()
		r.cur = nil
		return err
	}
	return nil
}

// A Place is where a part lies in its object.
type Place struct {
	Offset, Length int64
	Count          int // parts in the object
}

// PartPlace returns where the part with that number lies. An object that was
// not uploaded in parts is its own part 1. It returns ErrInvalidPart if there is
// no such part.
func (s *Store) PartPlace(ctx context.Context, v *Version, number int) (Place, error) {
	if v.Content.PartCount == 0 {
		if number != 1 {
			return Place{}, ErrInvalidPart
		}
		return Place{0, v.Size(), 0}, nil
	}
	for i := range v.Content.Chunks {
		t, err := s.table(ctx, v, i)
		if err != nil {
			return Place{}, err
		}
		off := v.Content.Chunks[i].Offset
		for _, p := range t.Parts {
			if p.Number == number {
				return Place{off, p.Length, v.Content.PartCount}, nil
			}
			if p.Number > number {
				return Place{}, ErrInvalidPart
			}
			off += p.Length
		}
	}
	return Place{}, ErrInvalidPart
}

// PartInfo is one part of an object or upload, with its checksums opened.
type PartInfo struct {
	Number   int
	Length   int64
	ETag     string
	Modified int64
	Sums     map[checksum.Algorithm]string
}

// Parts returns up to limit parts of a multipart object with numbers above
// after, and whether there are more.
func (o *Opened) Parts(ctx context.Context, after, limit int) (parts []PartInfo, more bool, err error) {
	for i := range o.v.Content.Chunks {
		t, err := o.s.table(ctx, o.v, i)
		if err != nil {
			return nil, false, err
		}
		for j := range t.Parts {
			p := &t.Parts[j]
			if p.Number <= after {
				continue
			}
			if len(parts) == limit {
				return parts, true, nil
			}
			info, err := p.info(o.keys, o.v.Content.UploadID)
			if err != nil {
				return nil, false, err
			}
			parts = append(parts, info)
		}
	}
	return parts, false, nil
}
