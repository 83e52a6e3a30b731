// Package sealrows wraps a [meta.Store] so that every value is sealed with
// AES-256-GCM and bound to its row key: at rest nothing of a value can be read,
// and a row that was altered, or moved to another key, does not open.
//
// A sealed value is
//
//	version (1 byte, 1) | salt (16) | nonce (12) | ciphertext | tag (16)
//
// The key of the cipher is HKDF-SHA-512 of the store key with the salt. Row keys
// stay in the clear, because scans need their order. An older value of the same
// row does open: who can write to the store below can bring one back.
//
// Source: docs/spec/rows.md, which is normative; the vectors in
// testdata/vectors are part of it.
package sealrows

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"coffer/internal/meta"
)

var errEnded = errors.New("meta: transaction has ended")

// A Store seals the values of another store.
type Store struct {
	inner   meta.Store
	box     *box
	buffers sync.Pool // of *buffers
}

// buffers are what one transaction needs for sealing and opening.
type buffers struct {
	aad    []byte
	sealed []byte
	plain  [][]byte // of the scans under way, the outermost first
	depth  int
}

// maxKept is the largest buffer that is kept for the next transaction.
const maxKept = 64 << 10

var _ meta.Store = (*Store)(nil)

// New returns a store that keeps its rows in inner, sealed under storeKey. It
// draws salts from rand, 16 bytes before the first value and again after each
// 2^31 values. Closing it closes inner.
func New(inner meta.Store, storeKey Key, rand io.Reader) *Store {
	return &Store{
		inner:   inner,
		box:     newBox(storeKey, rand),
		buffers: sync.Pool{New: func() any { return new(buffers) }},
	}
}

func (s *Store) newReader(inner meta.Reader) reader {
	return reader{store: s, inner: inner, buffers: s.buffers.Get().(*buffers)}
}

// View implements [meta.Store].
func (s *Store) View(ctx context.Context, fn func(meta.Reader) error) error {
	return s.inner.View(ctx, func(inner meta.Reader) error {
		r := s.newReader(inner)
		defer r.end()
		return fn(&r)
	})
}

// Update implements [meta.Store].
func (s *Store) Update(ctx context.Context, fn func(meta.Txn) error) error {
	return s.inner.Update(ctx, func(inner meta.Txn) error {
		t := txn{s.newReader(inner), inner}
		defer t.end()
		return fn(&t)
	})
}

// Close implements [meta.Store].
func (s *Store) Close() error { return s.inner.Close() }

// A reader opens what it reads.
type reader struct {
	store   *Store
	inner   meta.Reader
	buffers *buffers // nil once the transaction has ended
}

func (r *reader) end() {
	b := r.buffers
	r.buffers = nil
	if cap(b.sealed) > maxKept {
		b.sealed = nil
	}
	for i := range b.plain {
		if cap(b.plain[i]) > maxKept {
			b.plain[i] = nil
		} else {
			clear(b.plain[i][:cap(b.plain[i])]) // a pool holds no plaintext
		}
	}
	b.depth = 0
	r.store.buffers.Put(b)
}

func (r *reader) Get(key []byte) ([]byte, error) {
	b := r.buffers
	if b == nil {
		return nil, errEnded
	}
	sealed, err := r.inner.Get(key)
	if err != nil {
		return nil, err
	}
	b.aad = additionalData(b.aad[:0], key)
	return r.store.box.open(inPlace(sealed), b.aad, sealed, key)
}

func (r *reader) Scan(rg meta.Range, fn func(key, value []byte) (bool, error)) error {
	b := r.buffers
	if b == nil {
		return errEnded
	}
	depth := b.depth
	if depth == len(b.plain) {
		b.plain = append(b.plain, nil)
	}
	b.depth++
	defer func() { b.depth-- }()
	return r.inner.Scan(rg, func(key, sealed []byte) (bool, error) {
		b.aad = additionalData(b.aad[:0], key)
		value, err := r.store.box.open(b.plain[depth][:0], b.aad, sealed, key)
		if err != nil {
			return false, err
		}
		b.plain[depth] = value
		return fn(key, value)
	})
}

// A txn seals what it writes.
type txn struct {
	reader
	inner meta.Txn
}

func (t *txn) Put(key, value []byte) error {
	b := t.buffers
	if b == nil {
		return errEnded
	}
	if len(value) > meta.MaxValueSize {
		return fmt.Errorf("meta: row value of %d bytes is longer than %d", len(value), meta.MaxValueSize)
	}
	b.aad = additionalData(b.aad[:0], key)
	sealed, err := t.store.box.seal(b.sealed[:0], b.aad, value)
	if err != nil {
		return err
	}
	b.sealed = sealed
	return t.inner.Put(key, sealed)
}

func (t *txn) Delete(key []byte) error {
	if t.buffers == nil {
		return errEnded
	}
	return t.inner.Delete(key)
}
