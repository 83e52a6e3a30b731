package backupset

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
)

// Sizes of chunks, in bytes of plaintext. A chunk larger than maxChunk holds one
// record.
const (
	minChunk    = 64 << 10
	targetChunk = 256 << 10
	maxChunk    = 1 << 20
)

// maxRecord bounds a record that is read: the largest row, and more.
const maxRecord = 32 << 20

// A Chunk is some records in a row.
type Chunk struct {
	Plain []byte // records; valid until the chunker goes on
	First []byte // the key of the first record; likewise
	Count int64
}

// A Chunker cuts a sequence of records into chunks. Where it cuts depends on the
// keys of the records and on the sizes of those since the last cut, so that a record
// that comes, goes or changes leaves all but a few chunks as they were.
type Chunker struct {
	emit  func(Chunk) error
	hash  hash.Hash
	sum   [sha256.Size]byte
	plain []byte
	first []byte
	count int64
}

// NewChunker returns a chunker that hands each chunk to emit.
func (c *Codec) NewChunker(emit func(Chunk) error) *Chunker {
	return &Chunker{emit: emit, hash: hmac.New(sha256.New, c.boundary[:])}
}

// Add adds a record.
func (c *Chunker) Add(key, value []byte) error {
	size := recordSize(key, value)
	if len(c.plain) > 0 && len(c.plain)+size > maxChunk {
		if err := c.Flush(); err != nil {
			return err
		}
	}
	if c.count == 0 {
		c.first = append(c.first[:0], key...)
	}
	c.plain = AppendRecord(c.plain, key, value)
	c.count++
	if len(c.plain) < minChunk || !c.cuts(key, size) {
		return nil
	}
	return c.Flush()
}

// cuts reports whether a chunk may end after a record: with a probability that is
// its size by targetChunk.
func (c *Chunker) cuts(key []byte, size int) bool {
	c.hash.Reset()
	c.hash.Write(key)
	sum := c.hash.Sum(c.sum[:0])
	return uint64(binary.BigEndian.Uint32(sum))*targetChunk < uint64(size)<<32
}

// Flush ends the last chunk.
func (c *Chunker) Flush() error {
	if c.count == 0 {
		return nil
	}
	err := c.emit(Chunk{c.plain, c.first, c.count})
	c.plain, c.count = c.plain[:0], 0
	return err
}

func recordSize(key, value []byte) int {
	var b [2 * binary.MaxVarintLen64]byte
	n := binary.PutUvarint(b[:], uint64(len(key)))
	n += binary.PutUvarint(b[n:], uint64(len(value)))
	return n + len(key) + len(value)
}

// AppendRecord appends a record to a chunk.
func AppendRecord(b, key, value []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(key)))
	b = binary.AppendUvarint(b, uint64(len(value)))
	b = append(b, key...)
	return append(b, value...)
}

// Records calls fn with each record of a chunk, in order, until fn returns false or
// an error. The slices point into plain.
func Records(plain []byte, fn func(key, value []byte) (bool, error)) error {
	for len(plain) > 0 {
		var size [2]uint64
		for i := range size {
			v, n := binary.Uvarint(plain)
			if n <= 0 || v > maxRecord || n > 1 && plain[n-1] == 0 {
				return fmt.Errorf("%w: malformed record", ErrDamaged)
			}
			size[i], plain = v, plain[n:]
		}
		if size[0]+size[1] > uint64(len(plain)) {
			return fmt.Errorf("%w: record is cut", ErrDamaged)
		}
		key, value := plain[:size[0]:size[0]], plain[size[0]:size[0]+size[1]:size[0]+size[1]]
		plain = plain[size[0]+size[1]:]
		if more, err := fn(key, value); err != nil || !more {
			return err
		}
	}
	return nil
}

// A Ref names a chunk, or an index of chunks. An index is a chunk whose records are
// the refs of others: the key is that of the first record, the value is
//
//	name (32) | u64 records | u64 bytes of plaintext
type Ref struct {
	First []byte `cbor:"1,keyasint"` // key of the first record
	ID    ID     `cbor:"2,keyasint"`
	Count int64  `cbor:"3,keyasint"` // records; those of the chunks, for an index
	Bytes int64  `cbor:"4,keyasint"` // of their plaintext
}

const refSize = 32 + 8 + 8

func (r *Ref) value() []byte {
	b := append(make([]byte, 0, refSize), r.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Count))
	return binary.BigEndian.AppendUint64(b, uint64(r.Bytes))
}

// Refs returns the refs in an index.
func Refs(plain []byte) ([]Ref, error) {
	var out []Ref
	err := Records(plain, func(key, value []byte) (bool, error) {
		if len(value) != refSize {
			return false, fmt.Errorf("%w: malformed index", ErrDamaged)
		}
		r := Ref{First: bytes.Clone(key), ID: ID(value[:32]),
			Count: int64(binary.BigEndian.Uint64(value[32:])), Bytes: int64(binary.BigEndian.Uint64(value[40:]))}
		if r.Count < 1 || r.Bytes < 1 {
			return false, fmt.Errorf("%w: malformed index", ErrDamaged)
		}
		out = append(out, r)
		return true, nil
	})
	return out, err
}
