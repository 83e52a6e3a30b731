package sealed

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
)

// A Reader opens a body. It is safe for concurrent use if src is; each range is
// for one goroutine.
type Reader struct {
	src   io.ReaderAt
	aeads []cipher.AEAD
	c     Content
}

// NewReader returns a Reader of the body in src that c describes. It compares
// the commitment of keys, which it does not keep, with that of c, and reads
// nothing from src yet.
//
// It returns ErrWrongKey if keys are not those of the body, and ErrFormat if c
// describes no body.
func NewReader(src io.ReaderAt, keys Keys, c Content) (*Reader, error) {
	if err := c.check(false); err != nil {
		return nil, err
	}
	if keys.Suite() != c.Suite {
		return nil, fmt.Errorf("%w: %d keys for suite %v", ErrWrongKey, len(keys), c.Suite)
	}
	aeads, commitment := layers(keys, &c.ID)
	if !equal(commitment, c.Commitment) {
		return nil, ErrWrongKey
	}
	c.Commitment = commitment
	return &Reader{src: src, aeads: aeads, c: c}, nil
}

// Format prints nothing but the type: a Reader holds keys.
func (r *Reader) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "sealed.Reader") }

// Length returns the length of the plaintext in bytes.
func (r *Reader) Length() int64 { return r.c.Length }

// Range returns a reader of the n bytes of plaintext from off on. It returns an
// error, and reads nothing, if the plaintext does not hold them.
//
// The range of no bytes of an empty plaintext opens its one segment all the
// same, so that an empty object proves itself as others do.
func (r *Reader) Range(off, n int64) (*Range, error) {
	if off < 0 || n < 0 || off > r.c.Length || n > r.c.Length-off {
		return nil, fmt.Errorf("sealed: no range of %d bytes at %d in %d", n, off, r.c.Length)
	}
	g := &Range{r: r, off: off, end: off + n}
	g.done = n == 0 && r.c.Length > 0
	g.seg.aeads = r.aeads
	return g, nil
}

// VerifyAll opens every segment and drops the plaintext. It returns nil if the
// body is whole and nothing follows it, and the errors of [Range.Read] otherwise.
func (r *Reader) VerifyAll() error {
	g, err := r.Range(0, r.c.Length)
	if err != nil {
		return err
	}
	_, err = g.WriteTo(io.Discard)
	return err
}

// A Range reads a part of a plaintext, several segments at a time. It holds a
// pooled buffer of up to 320 KiB between its first byte and its end.
type Range struct {
	r        *Reader
	seg      segmenter
	off, end int64  // of what is still to be opened, in the plaintext
	done     bool   // everything is opened
	buf      buffer // holds cur
	cur      []byte // opened and not yet read
	err      error
}

// Format prints nothing but the type: a Range holds keys and plaintext.
func (g *Range) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "sealed.Range") }

// Read reads plaintext. Every byte belongs to a segment that was authenticated
// as a whole.
//
// It returns ErrDamaged, with the index of the segment in the text, when one
// does not open, when the body ends early or goes on after its last segment, and
// when the header is not the one expected; ErrFormat when the header has another
// version or suite; and errors of the source as they are, wrapped.
func (g *Range) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(g.cur) == 0 && !g.fill() {
		return 0, g.err
	}
	n := copy(p, g.cur)
	g.cur = g.cur[n:]
	return n, nil
}

// WriteTo writes the rest of the range to w, a batch of segments at a time. Its
// errors are those of w and of Read.
func (g *Range) WriteTo(w io.Writer) (int64, error) {
	var written int64
	for len(g.cur) > 0 || g.fill() {
		n, err := w.Write(g.cur)
		if n < 0 || n > len(g.cur) {
			return written, errors.New("sealed: writer returned an impossible count")
		}
		written += int64(n)
		if err == nil && n < len(g.cur) {
			err = io.ErrShortWrite
		}
		g.cur = g.cur[n:]
		if err != nil {
			return written, err
		}
	}
	if g.err == io.EOF {
		return written, nil
	}
	return written, g.err
}

// Close frees the buffer. It is needed only to give a range up half way, and
// harmless otherwise. Afterwards Read returns an error.
func (g *Range) Close() error {
	g.stop(errors.New("sealed: range is closed"))
	return nil
}

// stop ends the range with err, unless it has ended before.
func (g *Range) stop(err error) {
	if g.err == nil {
		g.err = err
	}
	g.cur = nil
	g.buf.release()
}

// fill opens the next batch into cur. It returns false, and g.err is set, at the
// end of the range and when something is wrong.
func (g *Range) fill() bool {
	for len(g.cur) == 0 {
		if g.err != nil {
			return false
		}
		if g.done {
			g.stop(io.EOF)
			return false
		}
		if err := g.next(); err != nil {
			g.stop(err)
			return false
		}
	}
	return true
}

// next reads a batch of segments and opens them, in the same buffer: each
// plaintext goes where the segments before it lay. The room at the front keeps
// it from overlapping the segment that it comes from, which the cipher would
// have to move first.
func (g *Range) next() error {
	c := &g.r.c
	first := g.off / SegmentSize
	final := SegmentCount(c.Length) - 1
	n := min(batch, max(first, (g.end-1)/SegmentSize)-first+1)
	buf := g.buf.take(n)
	if err := g.fetch(buf, first, n, final); err != nil {
		return err
	}
	in, out := buf[front:], buf[:0]
	for i := first; i < first+n; i++ {
		size := c.Suite.sealedSegment()
		if i == final {
			size = SealedSize(c.Length, c.Suite) - SegmentOffset(i, c.Suite)
		}
		room := buf[len(out) : len(out) : len(out)+SegmentSize]
		plain, err := g.seg.open(room, in[:size:size], i, i == final)
		if err != nil {
			return fmt.Errorf("segment %d: %w", i, err)
		}
		out = buf[:len(out)+len(plain)]
		in = in[size:]
	}
	start := first * SegmentSize
	to := min(g.end, start+int64(len(out)))
	g.cur = out[g.off-start : to-start]
	g.off = to
	g.done = to == g.end
	return nil
}

// fetch reads the sealed segments [first, first+n) to buf[front:]. With segment
// 0 it reads the header before it and checks it, and with the final segment it
// checks that nothing follows.
func (g *Range) fetch(buf []byte, first, n, final int64) error {
	c := &g.r.c
	from, to := SegmentOffset(first, c.Suite), SegmentOffset(first+n, c.Suite)
	start := int64(front)
	if first == 0 {
		from, start = 0, int64(front)-c.Suite.headerSize()
	}
	isLast := first+n-1 == final
	ask := to - from
	if isLast {
		to = SealedSize(c.Length, c.Suite)
		ask = to - from + tail
	}
	want := to - from
	m, err := g.r.src.ReadAt(buf[start:start+ask], from)
	got := int64(m)
	switch {
	case err != nil && err != io.EOF:
		return fmt.Errorf("read sealed segments from %d on: %w", first, err)
	case got < want:
		return fmt.Errorf("segment %d or after: cut short: %w", first, ErrDamaged)
	case got > want:
		return fmt.Errorf("after segment %d: bytes follow: %w", final, ErrDamaged)
	}
	if first > 0 {
		return nil
	}
	if header := buf[start:front]; !equal(header, c.header()) {
		if _, err := ParseHeader(header); err != nil {
			return err
		}
		return fmt.Errorf("header of another body: %w", ErrDamaged)
	}
	return nil
}
