// Package meta is the ordered key-value store that holds everything except the
// bytes of objects: buckets, versions, uploads, keys, identities and the trail.
//
// Transactions are serializable. Keys sort by unsigned bytes in every
// implementation. The suite in meta/metatest holds every implementation to the
// same behaviour.
package meta

import (
	"context"
	"errors"
)

// Limits of every implementation.
const (
	// MaxKeySize is the longest row key in bytes: two escaped S3 keys of
	// 1,024 bytes and their prefixes fit. The shortest has 1 byte.
	MaxKeySize = 8 << 10
	// MaxValueSize is the largest value in bytes, before sealing. The shortest
	// is empty.
	MaxValueSize = 16 << 20
	// MaxOverhead is how many bytes a store that wraps another one may add to
	// a value: an implementation takes values of MaxValueSize + MaxOverhead
	// bytes and refuses longer ones.
	MaxOverhead = 256
)

var (
	// ErrNotFound means that no row has the key.
	ErrNotFound = errors.New("meta: no such row")
	// ErrCorrupt means that a row was found damaged, moved or altered. The
	// wrapped text names the row, never its value.
	ErrCorrupt = errors.New("meta: row is damaged")
	// ErrUnavailable means that the store can't write now: the disk is full,
	// read-only or failing. Nothing of the transaction is visible when Update
	// returns it. The store heals by itself once writing works again; a
	// transaction that was struck in its commit is then there as a whole or
	// not at all, and nobody was told that it succeeded.
	ErrUnavailable = errors.New("meta: store can't write")
	// ErrClosed means that the store was closed.
	ErrClosed = errors.New("meta: store is closed")

	errEmptyKey = errors.New("meta: row key is empty")
)

// A Range is the rows with Start <= key < End. A nil End means no upper bound;
// a range whose End is not above its Start holds no row.
type Range struct {
	Start, End []byte
	Reverse    bool // from the last row to the first
	Limit      int  // at most that many rows; 0 means all
}

// Prefix returns the range of the rows whose keys start with p.
func Prefix(p []byte) Range {
	return Range{Start: p, End: PrefixEnd(p)}
}

// PrefixEnd returns the least key above every key that starts with p, or nil
// if there is none.
func PrefixEnd(p []byte) []byte {
	for i := len(p) - 1; i >= 0; i-- {
		if p[i] != 0xff {
			end := append([]byte(nil), p[:i+1]...)
			end[i]++
			return end
		}
	}
	return nil
}

// A Reader sees one consistent, durable state of the store. It is valid only
// inside the function that it was passed to, and for one goroutine.
type Reader interface {
	// Get returns the value at key, which the caller then owns, or
	// ErrNotFound. An empty value is a slice of length 0, not nil.
	Get(key []byte) ([]byte, error)
	// Scan calls fn for each row of r in order until fn returns false or an
	// error, which Scan then returns. The slices are valid only during the
	// call. In a Txn, Scan sees the rows that the transaction itself has
	// written. fn may read, but a write inside fn is an error.
	Scan(r Range, fn func(key, value []byte) (bool, error)) error
}

// A Txn is a Reader that also writes. Writes become visible to others, all
// at once, when Update returns nil.
type Txn interface {
	Reader
	// Put sets the value at key. The store copies both. A key or a value
	// outside the limits is an error and writes nothing.
	Put(key, value []byte) error
	// Delete removes the row at key; a missing row is not an error.
	Delete(key []byte) error
}

// A Store is an ordered key-value store with serializable transactions. It is
// safe for concurrent use.
type Store interface {
	// View runs fn on one consistent state, which holds every commit that was
	// acknowledged before View was called. Only durable commits are seen. A
	// View never waits for an Update, nor an Update for a View.
	View(ctx context.Context, fn func(Reader) error) error
	// Update runs fn in a serializable transaction and returns nil once its
	// writes survive a crash of the process and of the machine. An error
	// from fn aborts the transaction and is returned. fn may run more than
	// once: it must change nothing outside the transaction, or set it afresh.
	// A scanned range counts as read, up to the row where the scan stopped.
	// fn must not call Update on the same store.
	//
	// If ctx ends while the commit is under way, Update still waits for the
	// outcome: it returns nil exactly when the writes are durable.
	Update(ctx context.Context, fn func(Txn) error) error
	// Close waits for transactions under way and closes the store; what comes
	// later gets ErrClosed. Closing twice is not an error.
	Close() error
}
