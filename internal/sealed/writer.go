package sealed

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

var errClosed = errors.New("sealed: writer is closed")

// A Writer seals a plaintext into a body. It is for one goroutine. It holds a
// buffer of 128 KiB from the first byte to Close or to the first error, however
// long the plaintext is.
type Writer struct {
	dst    io.Writer
	seg    segmenter
	header []byte // nil once it is written
	c      Content

	buf buffer
	n   int   // bytes in buf that wait to be sealed, at most SegmentSize+1
	idx int64 // of the next segment
	err error // once set, every call returns it
}

// The parts of a Writer's buffer: the waiting plaintext, and what goes to dst.
const (
	waiting = SegmentSize + 1
	_       = uint(len(smallBuffer{}) - waiting - MaxHeaderSize - maxSealed)
)

// NewWriter returns a Writer that seals what is written to it under keys, which
// it does not keep, and writes the body to dst. keys and id are fresh random
// bytes that seal nothing else: the same keys under the same id would let
// segments of two bodies be exchanged. It returns ErrFormat if no suite has so many keys.
func NewWriter(dst io.Writer, keys Keys, id [32]byte) (*Writer, error) {
	suite := keys.Suite()
	if suite == 0 {
		return nil, fmt.Errorf("%w: %d keys", ErrFormat, len(keys))
	}
	w := &Writer{dst: dst, c: Content{ID: id, Suite: suite}}
	w.seg.aeads, w.c.Commitment = layers(keys, &id)
	w.header = w.c.header()
	return w, nil
}

// Format prints nothing but the type: a Writer holds keys.
func (w *Writer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "sealed.Writer") }

// Content describes the body. Its length is what was written so far: final
// after Close.
func (w *Writer) Content() Content {
	c := w.c
	c.Commitment = bytes.Clone(c.Commitment)
	return c
}

// Write seals p. It writes to dst each time a segment is full and more follows.
func (w *Writer) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		if w.err == nil && w.c.Length == MaxLength {
			w.fail(ErrTooLarge)
		}
		if w.err != nil {
			return written, w.err
		}
		var n int
		if w.n == 0 && len(p) > SegmentSize {
			n = SegmentSize // as it lies, without a copy
			w.flush(p[:n], false)
		} else {
			if w.n >= SegmentSize {
				w.flushWaiting()
				continue
			}
			n = copy(w.buf.take(1)[w.n:SegmentSize], p)
			w.n += n
		}
		w.c.Length += int64(n)
		written += n
		p = p[n:]
	}
	return written, w.err
}

// ReadFrom seals what r holds, until io.EOF. It waits for r with no more than
// the Writer's own buffer.
func (w *Writer) ReadFrom(r io.Reader) (int64, error) {
	var read int64
	idle := 0
	for w.err == nil {
		if w.n > SegmentSize {
			w.flushWaiting()
			continue
		}
		// One byte more than a segment, to know whether it is the last.
		n, err := r.Read(w.buf.take(1)[w.n:waiting])
		if n < 0 || n > waiting-w.n {
			return read, errors.New("sealed: reader returned an impossible count")
		}
		if n == 0 && err == nil {
			if idle++; idle == 100 {
				return read, io.ErrNoProgress
			}
			continue
		}
		idle = 0
		if int64(n) > MaxLength-w.c.Length {
			w.fail(ErrTooLarge)
			break
		}
		w.n += n
		w.c.Length += int64(n)
		read += int64(n)
		if err == io.EOF {
			return read, nil
		}
		if err != nil {
			return read, err
		}
	}
	return read, w.err
}

// Close seals the last segment. It does not close dst. After an error, what dst
// got is not a whole body. After Close, every call returns an error.
func (w *Writer) Close() error {
	if w.n > SegmentSize {
		w.flushWaiting()
	}
	if w.err != nil {
		return w.err
	}
	w.flush(w.buf.take(1)[:w.n], true)
	if w.err != nil {
		return w.err
	}
	w.fail(errClosed)
	return nil
}

// flushWaiting seals the first segment that waits; one byte more may stay.
func (w *Writer) flushWaiting() {
	buf := w.buf.take(1)
	w.flush(buf[:SegmentSize], false)
	if w.err == nil {
		w.n = copy(buf, buf[SegmentSize:w.n])
	}
}

// flush seals one segment and writes it, after the header if it is the first.
func (w *Writer) flush(plain []byte, isLast bool) {
	if w.err != nil {
		return
	}
	out := w.buf.take(1)[waiting:]
	n := copy(out, w.header)
	n += len(w.seg.seal(out[n:], plain, w.idx, isLast))
	w.header = nil
	w.idx++
	if m, err := w.dst.Write(out[:n]); err != nil {
		w.fail(err)
	} else if m != n {
		w.fail(io.ErrShortWrite)
	}
}

// fail ends the Writer.
func (w *Writer) fail(err error) {
	w.err = err
	w.n = 0
	w.seg.aeads = nil
	w.buf.release()
}
