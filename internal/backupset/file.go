package backupset

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

const (
	magic      = "CofferBK"
	version1   = 1
	saltSize   = 32
	headerSize = len(magic) + 2 + saltSize
	overhead   = 12 + 16 // of a segment: nonce and tag

	// SegmentSize is how many bytes of plaintext are sealed at a time: 1 MiB.
	SegmentSize = 1 << 20
)

// ErrDamaged means that a file is not what its name says: it is altered, cut,
// another one's, or of another store.
var ErrDamaged = errors.New("backupset: file is damaged")

// SealedSize returns the size of a file that holds n bytes.
func SealedSize(n int64) int64 {
	return int64(headerSize) + n + overhead*max(1, (n+SegmentSize-1)/SegmentSize)
}

// plainSize reverses SealedSize.
func plainSize(sealed int64) (int64, error) {
	body := sealed - int64(headerSize)
	segments := max(1, (body+SegmentSize+overhead-1)/(SegmentSize+overhead))
	n := body - overhead*segments
	if n < 0 || SealedSize(n) != sealed {
		return 0, fmt.Errorf("%w: no file has %d bytes", ErrDamaged, sealed)
	}
	return n, nil
}

// aead returns the cipher of one file. Its key is derived with a salt that is
// random and fresh for each file, so the nonces, which are random too, meet only
// those of the same file, of which there are at most 2^23 for 8 TiB.
func (c *Codec) aead(salt []byte) cipher.AEAD {
	key := derive(c.file, salt, labelFile)
	b, err := aes.NewCipher(key[:])
	if err != nil {
		panic("backupset: internal error: aes: " + err.Error())
	}
	clear(key[:])
	a, err := cipher.NewGCMWithRandomNonce(b)
	if err != nil {
		panic("backupset: internal error: gcm: " + err.Error())
	}
	return a
}

// additional returns the additional data of one segment.
func additional(k Kind, id ID, index int64, isLast bool) []byte {
	b := make([]byte, 0, len(labelFile)+3+len(id)+9)
	b = append(b, labelFile...)
	b = append(b, 0, version1, byte(k))
	b = append(b, id[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(index))
	if isLast {
		return append(b, 1)
	}
	return append(b, 0)
}

// A Salt is random and fresh for each file.
type Salt [saltSize]byte

// A Writer seals one file.
type Writer struct {
	w      io.Writer
	aead   cipher.AEAD
	kind   Kind
	id     ID
	index  int64
	plain  []byte
	sealed []byte
	err    error
}

// NewWriter returns a writer that seals what is written to it into w. Close writes
// the last segment, without which the file does not open; it does not close w.
// The salt must be random and fresh.
func (c *Codec) NewWriter(w io.Writer, k Kind, id ID, salt Salt) *Writer {
	out := &Writer{w: w, aead: c.aead(salt[:]), kind: k, id: id}
	header := append([]byte(magic), version1, byte(k))
	_, out.err = w.Write(append(header, salt[:]...))
	return out
}

// Write implements [io.Writer].
func (w *Writer) Write(p []byte) (n int, err error) {
	for len(p) > 0 && w.err == nil {
		if len(w.plain) == SegmentSize {
			w.flush(false)
		}
		m := min(len(p), SegmentSize-len(w.plain))
		w.plain = append(w.plain, p[:m]...)
		p, n = p[m:], n+m
	}
	return n, w.err
}

// Close writes what is left.
func (w *Writer) Close() error {
	if w.err == nil {
		w.flush(true)
	}
	clear(w.plain[:cap(w.plain)])
	return w.err
}

func (w *Writer) flush(isLast bool) {
	w.sealed = w.aead.Seal(w.sealed[:0], nil, w.plain, additional(w.kind, w.id, w.index, isLast))
	w.index++
	w.plain = w.plain[:0]
	_, w.err = w.w.Write(w.sealed)
}

// Seal returns the file that holds plain. The salt must be random and fresh.
func (c *Codec) Seal(k Kind, id ID, salt Salt, plain []byte) []byte {
	var b bytes.Buffer
	b.Grow(int(SealedSize(int64(len(plain)))))
	w := c.NewWriter(&b, k, id, salt)
	_, _ = w.Write(plain) // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// Open returns what a file holds, or ErrDamaged. Chunks and indexes it compares
// with their name.
func (c *Codec) Open(k Kind, id ID, file []byte) ([]byte, error) {
	r, err := c.NewReader(bytes.NewReader(file), int64(len(file)), k, id)
	if err != nil {
		return nil, err
	}
	plain := make([]byte, r.Size())
	if _, err := r.ReadAt(plain, 0); err != nil && err != io.EOF {
		return nil, err
	}
	if (k == KindRows || k == KindIndex) && c.ChunkID(k, plain) != id {
		return nil, fmt.Errorf("%w: it is not what its name says", ErrDamaged)
	}
	return plain, nil
}

// A Reader opens one file. It is safe for concurrent use.
type Reader struct {
	src     io.ReaderAt
	size    int64
	aead    cipher.AEAD
	kind    Kind
	id      ID
	buffers sync.Pool
}

// readAhead is how many segments are read at once.
const readAhead = 8

// NewReader returns a reader of a file of sealedSize bytes. It reads the header, and
// authenticates a file that holds nothing.
func (c *Codec) NewReader(src io.ReaderAt, sealedSize int64, k Kind, id ID) (*Reader, error) {
	size, err := plainSize(sealedSize)
	if err != nil {
		return nil, err
	}
	var header [headerSize]byte
	if n, err := src.ReadAt(header[:], 0); n < len(header) {
		return nil, fmt.Errorf("read header: %w", err)
	}
	if string(header[:len(magic)]) != magic || header[len(magic)] != version1 || Kind(header[len(magic)+1]) != k {
		return nil, fmt.Errorf("%w: it has another header", ErrDamaged)
	}
	r := &Reader{src: src, size: size, aead: c.aead(header[len(magic)+2:]), kind: k, id: id}
	r.buffers.New = func() any { return new([]byte) }
	if size == 0 { // nobody would read its one segment
		return r, r.segments(0, 1, func(int64, []byte) {})
	}
	return r, nil
}

// Size returns how many bytes the file holds.
func (r *Reader) Size() int64 { return r.size }

// ReadAt implements [io.ReaderAt]. It returns ErrDamaged, and nothing of a segment
// that does not authenticate.
func (r *Reader) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("backupset: negative offset")
	}
	for len(p) > 0 && off < r.size {
		first := off / SegmentSize
		last := min((off+int64(len(p))-1)/SegmentSize, (r.size-1)/SegmentSize, first+readAhead-1)
		m := 0
		err := r.segments(first, last-first+1, func(i int64, plain []byte) {
			from := max(0, off-i*SegmentSize)
			m += copy(p[m:], plain[from:])
		})
		if err != nil {
			return n, err
		}
		p, n, off = p[m:], n+m, off+int64(m)
	}
	if len(p) > 0 {
		return n, io.EOF
	}
	return n, nil
}

// segments opens count segments from first on and hands each to fn.
func (r *Reader) segments(first, count int64, fn func(index int64, plain []byte)) error {
	b := r.buffers.Get().(*[]byte)
	defer r.buffers.Put(b)
	const full = SegmentSize + overhead
	start := int64(headerSize) + first*full
	n := min(count*full, SealedSize(r.size)-start)
	if int64(cap(*b)) < n {
		*b = make([]byte, n)
	}
	data := (*b)[:n]
	if m, err := r.src.ReadAt(data, start); int64(m) < n {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return fmt.Errorf("%w: it is cut", ErrDamaged)
		}
		return err
	}
	for i := first; len(data) > 0; i++ {
		s := data[:min(full, len(data))]
		data = data[len(s):]
		isLast := i == max(0, (r.size-1)/SegmentSize)
		// In place: the ciphertext is not needed any more.
		plain, err := r.aead.Open(s[:0], nil, s, additional(r.kind, r.id, i, isLast))
		if err != nil {
			return fmt.Errorf("%w: segment %d does not authenticate", ErrDamaged, i)
		}
		fn(i, plain)
	}
	return nil
}
