// Package mem holds blobs in memory, for tests.
package mem

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"coffer/internal/blob"
)

// errDone is what a finished writer answers.
var errDone = errors.New("blob/mem: writer is finished")

// A Store holds blobs in memory. The zero value is empty and ready.
type Store struct {
	mu    sync.Mutex
	blobs map[string][]byte
}

var _ blob.Store = (*Store)(nil)

// Create implements [blob.Store].
func (s *Store) Create(ctx context.Context, id string, sizeHint int64) (blob.Writer, error) {
	if err := errors.Join(ctx.Err(), blob.CheckID(id)); err != nil {
		return nil, err
	}
	return &writer{store: s, id: id}, nil
}

// Open implements [blob.Store].
func (s *Store) Open(ctx context.Context, id string) (blob.Blob, error) {
	if err := errors.Join(ctx.Err(), blob.CheckID(id)); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	data, ok := s.blobs[id]
	if !ok {
		return nil, blob.ErrNotFound
	}
	return &memBlob{*bytes.NewReader(data)}, nil
}

// Delete implements [blob.Store].
func (s *Store) Delete(ctx context.Context, id string) error {
	if err := errors.Join(ctx.Err(), blob.CheckID(id)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.blobs, id)
	return nil
}

// List implements [blob.Store].
func (s *Store) List(ctx context.Context, after string, fn func(id string) error) error {
	s.mu.Lock()
	ids := slices.Sorted(maps.Keys(s.blobs))
	s.mu.Unlock()
	for _, id := range ids {
		if id <= after {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := fn(id); err != nil {
			return err
		}
	}
	return nil
}

// Check implements [blob.Store]. Memory does not decay: it finds nothing.
func (s *Store) Check(ctx context.Context, id string) error {
	_, err := s.Open(ctx, id)
	return err
}

// Close implements [blob.Store].
func (s *Store) Close() error { return nil }

// A writer collects one blob.
type writer struct {
	store *Store
	id    string
	data  []byte
	done  bool
}

// Write implements [io.Writer].
func (w *writer) Write(p []byte) (int, error) {
	if w.done {
		return 0, errDone
	}
	w.data = append(w.data, p...)
	return len(p), nil
}

// Commit implements [blob.Writer].
func (w *writer) Commit() error {
	if w.done {
		return errDone
	}
	w.done = true
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	if w.store.blobs == nil {
		w.store.blobs = map[string][]byte{}
	}
	w.store.blobs[w.id] = w.data
	return nil
}

// Abort implements [blob.Writer].
func (w *writer) Abort() { w.done, w.data = true, nil }

// A memBlob is an open blob: bytes that nobody changes.
type memBlob struct{ bytes.Reader }

// Close implements [blob.Blob].
func (*memBlob) Close() error { return nil }
