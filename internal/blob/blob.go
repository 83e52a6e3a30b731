// Package blob holds immutable bytes under random names. It only ever sees
// ciphertext, and keeps a checksum of every 64 KiB block, so that damage is
// found without any key.
//
// The suite in blob/blobtest holds every implementation to the same behaviour.
package blob

import (
	"context"
	"errors"
	"io"
)

// BlockSize is the number of bytes under one keyless checksum: 64 KiB.
const BlockSize = 64 << 10

var (
	// ErrNotFound means that no blob has the id.
	ErrNotFound = errors.New("blob: no such blob")
	// ErrCorrupt means that stored bytes do not match their checksums, or
	// that the blob is cut short. The wrapped text names the blob and block.
	ErrCorrupt = errors.New("blob: blob is damaged")
	// ErrUnavailable means that the store can't write now: the disk is full,
	// read-only or failing. It heals by itself once writing works again.
	ErrUnavailable = errors.New("blob: store can't write")
)

// A Store holds blobs. It is safe for concurrent use. An id is 1 to 64
// characters of [0-9a-f]; see [CheckID]. An id stands for the same bytes for
// ever: committing one twice is allowed with equal bytes only.
type Store interface {
	// Create starts the blob id. sizeHint is the expected size in bytes, or
	// -1; it may be wrong, and reserves nothing. Nobody sees the blob before
	// its Commit.
	Create(ctx context.Context, id string, sizeHint int64) (Writer, error)
	// Open opens the blob id or returns ErrNotFound. A blob that is deleted
	// while open stays readable until it is closed.
	Open(ctx context.Context, id string) (Blob, error)
	// Delete removes the blob id; a missing one is not an error. A crash soon
	// after may bring the blob back, whole: who must know it gone deletes it
	// again.
	Delete(ctx context.Context, id string) error
	// List calls fn with the ids after the id after, in order, until it
	// returns an error, and returns that error. A blob that is committed or
	// deleted meanwhile may be listed or not.
	List(ctx context.Context, after string, fn func(id string) error) error
	// Check reads the whole blob and compares its checksums. It returns
	// ErrCorrupt for each kind of damage.
	Check(ctx context.Context, id string) error
	Close() error
}

// A Writer writes one blob. It is used by one goroutine. Memory per writer is
// bounded and small. After an error of Write the writer is good for Abort only.
type Writer interface {
	io.Writer
	// Commit makes the blob visible. When it returns nil, the blob survives
	// a crash of the process and of the machine. When it returns an error,
	// Open reports ErrNotFound, or the whole blob, never a part of it. A
	// writer commits once, whatever the answer.
	Commit() error
	// Abort gives the blob up and frees what it holds. After Commit it does
	// nothing, so that it can be deferred.
	Abort()
}

// A Blob is an open blob. ReadAt may be called from several goroutines and
// verifies nothing: what it returns is ciphertext that authenticates itself.
// As io.ReaderAt says, it returns io.EOF where the blob ends.
type Blob interface {
	io.ReaderAt
	io.Closer
	Size() int64
}
