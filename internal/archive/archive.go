// Package archive holds the files of backups: in a directory, or in a bucket. It
// sees names and ciphertext.
//
// The suite in archive/archivetest holds every implementation to the same behaviour.
package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

var (
	// ErrNotFound means that no file has the name.
	ErrNotFound = errors.New("archive: no such file")
	// ErrUnavailable means that the archive can't be written now.
	ErrUnavailable = errors.New("archive: can't be written")
)

// MaxNameSize is the longest name, in bytes.
const MaxNameSize = 200

// CheckName returns an error unless name is made of letters, digits, dashes, dots
// and single slashes between them, and no part of it is "." or "..".
func CheckName(name string) error {
	ok := len(name) > 0 && len(name) <= MaxNameSize
	for part := range strings.SplitSeq(name, "/") {
		ok = ok && part != "" && part[0] != '.'
		for i := range len(part) {
			c := part[i]
			ok = ok && (c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '.')
		}
	}
	if !ok {
		return fmt.Errorf("archive: %q is no name of a file", name)
	}
	return nil
}

// A Store holds files. It is safe for concurrent use, also by several processes.
type Store interface {
	// Put stores the size bytes of r under name, and replaces what is there, all
	// at once. It survives a crash of this machine once Sync returns nil. After
	// an error, Open reports what was there before, or the whole file, never a
	// part of it.
	Put(ctx context.Context, name string, r io.Reader, size int64) error
	// Sync makes every Put of this Store that returned nil survive a crash.
	Sync(ctx context.Context) error
	// Open opens a file or returns ErrNotFound.
	Open(ctx context.Context, name string) (File, error)
	// List calls fn with the names that begin with prefix, in no order, until it
	// returns an error, and returns that error.
	List(ctx context.Context, prefix string, fn func(name string) error) error
	// Delete removes a file; a missing one is not an error.
	Delete(ctx context.Context, name string) error
	Close() error
}

// A File is an open file. ReadAt may be called from several goroutines.
type File interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// ReadFile returns the bytes of a file of at most limit bytes.
func ReadFile(ctx context.Context, s Store, name string, limit int64) ([]byte, error) {
	f, err := s.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Size() > limit {
		return nil, fmt.Errorf("read %s: %d bytes, more than the limit of %d", name, f.Size(), limit)
	}
	b := make([]byte, f.Size())
	if n, err := f.ReadAt(b, 0); n < len(b) {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return b, nil
}
