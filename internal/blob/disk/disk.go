// Package disk keeps each blob in a file of its own.
//
//	DIR/ab/<id>   the blob <id>, whose first two characters are ab
//	DIR/tmp/<n>   a blob that is being written
//
// The two characters of the short id "a" are a0, so that the order of the
// directories is the order of the ids. The format of a file is docs/spec/blob-file.md.
//
// A blob is written under tmp, synced, renamed and its directory synced, so
// that a crash leaves a whole blob or none. What a crash leaves in tmp is
// removed by [Open]. A Delete is not synced: after a crash the blob may be back,
// whole, and whoever must know it gone deletes it again.
//
// Large blobs are written past the page cache (O_DIRECT) where the file system
// allows it, from aligned buffers that are used again. Reads go through it.
package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"coffer/internal/blob"
	"coffer/internal/durable"
)

// tmpDir is the directory of unfinished blobs. It is no pair of hexadecimal
// digits.
const tmpDir = "tmp"

// maxCached is the largest announced size, in bytes, of a blob that is written
// through the page cache. One sync then writes all of it: on the machine
// measured, 16 writers of 128 KiB got through twice as much as with direct
// writes, of 256 KiB 1.7 times, of 512 KiB the same, of 1 MiB half. And what is
// small and new is hot.
const maxCached = 256 << 10

// Config says where a Store lies.
type Config struct {
	// Dir is the directory of the store. It is created if it is missing.
	Dir string
	// FS is the file system; nil means that of the machine.
	FS durable.FS
}

// A Store is a directory of blobs. One process may open it at a time: the
// caller holds the lock of the data directory.
type Store struct {
	dir     string
	fsys    durable.FS
	buffers buffers
	direct  atomic.Bool   // the file system takes direct writes, as far as known
	tmpName atomic.Uint64 // the last name used under tmp
	stats   counters
}

var _ blob.Store = (*Store)(nil)

// counters are the numbers behind [Stats].
type counters struct{ committed, aborted, deleted, bytes, syncs, corrupt atomic.Uint64 }

// Stats counts what a Store did since it was opened.
type Stats struct {
	Committed    uint64 // blobs made visible
	Aborted      uint64 // blobs given up, by the caller or after an error
	Deleted      uint64 // files removed
	BytesWritten uint64 // bytes sent to the file system, checksums and padding included
	Syncs        uint64 // syncs of files and directories
	Corrupt      uint64 // blobs found damaged by Open or Check
}

// Stats returns the counters. It may be called at any time.
func (s *Store) Stats() Stats {
	return Stats{
		Committed:    s.stats.committed.Load(),
		Aborted:      s.stats.aborted.Load(),
		Deleted:      s.stats.deleted.Load(),
		BytesWritten: s.stats.bytes.Load(),
		Syncs:        s.stats.syncs.Load(),
		Corrupt:      s.stats.corrupt.Load(),
	}
}

// Open opens the store in cfg.Dir, makes what is missing and removes what an
// earlier process left unfinished.
func Open(cfg Config) (*Store, error) {
	s := &Store{dir: cfg.Dir, fsys: cfg.FS}
	if s.fsys == nil {
		s.fsys = durable.OS{}
	}
	s.buffers.init()
	s.direct.Store(durable.Direct != 0)
	if err := s.prepare(); err != nil {
		return nil, fmt.Errorf("open blob store %s: %w", cfg.Dir, err)
	}
	return s, nil
}

// prepare creates the directories, durably, and empties tmp.
func (s *Store) prepare() error {
	if err := durable.MkdirAll(s.fsys, s.dir, 0o700); err != nil {
		return err
	}
	dirs := []string{tmpDir}
	for i := range 256 {
		dirs = append(dirs, fmt.Sprintf("%02x", i))
	}
	for _, dir := range dirs {
		if err := s.fsys.Mkdir(filepath.Join(s.dir, dir), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := s.fsys.SyncDir(s.dir); err != nil {
		return err
	}
	leftovers, err := s.fsys.ReadDir(filepath.Join(s.dir, tmpDir))
	if err != nil {
		return err
	}
	for _, name := range leftovers {
		if err := s.fsys.Remove(filepath.Join(s.dir, tmpDir, name)); err != nil {
			return err
		}
	}
	return nil
}

// blobDir returns the directory of a valid id.
func (s *Store) blobDir(id string) string {
	return filepath.Join(s.dir, (id + "0")[:2])
}

// path returns the file of a valid id.
func (s *Store) path(id string) string {
	return filepath.Join(s.blobDir(id), id)
}

// Create implements [blob.Store]. It takes no buffer and no space before the
// first Write. sizeHint only chooses how to write: reserving space (fallocate)
// was no faster on ext4, and a client that only announces a large object must
// not fill the disk.
func (s *Store) Create(ctx context.Context, id string, sizeHint int64) (blob.Writer, error) {
	if err := errors.Join(ctx.Err(), blob.CheckID(id)); err != nil {
		return nil, err
	}
	w := &writer{
		store: s,
		id:    id,
		tmp:   filepath.Join(s.dir, tmpDir, strconv.FormatUint(s.tmpName.Add(1), 10)),
	}
	isSmall := sizeHint >= 0 && sizeHint <= maxCached
	var err error
	if w.file, w.direct, err = s.createTemp(w.tmp, !isSmall && s.direct.Load()); err != nil {
		return nil, unavailable("create blob "+id, err)
	}
	return w, nil
}

// Delete implements [blob.Store].
func (s *Store) Delete(ctx context.Context, id string) error {
	if err := errors.Join(ctx.Err(), blob.CheckID(id)); err != nil {
		return err
	}
	err := s.fsys.Remove(s.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return unavailable("delete blob "+id, err)
	}
	s.stats.deleted.Add(1)
	return nil
}

// List implements [blob.Store]. It holds the names of one directory of 256 in
// memory. Files with other names are not listed.
func (s *Store) List(ctx context.Context, after string, fn func(id string) error) error {
	for i := range 256 {
		if err := ctx.Err(); err != nil {
			return err
		}
		dir := fmt.Sprintf("%02x", i)
		if dir < after[:min(2, len(after))] {
			continue
		}
		names, err := s.fsys.ReadDir(filepath.Join(s.dir, dir))
		if err != nil {
			return fmt.Errorf("list blobs: %w", err)
		}
		for _, id := range names {
			if id <= after || blob.CheckID(id) != nil || s.blobDir(id) != filepath.Join(s.dir, dir) {
				continue
			}
			if err := fn(id); err != nil {
				return err
			}
		}
	}
	return nil
}

// Close implements [blob.Store]. Writers and blobs that are open stay usable;
// a writer that is never finished leaves a file in tmp.
func (s *Store) Close() error { return nil }

// unavailable wraps err with what was being done, and with
// [blob.ErrUnavailable] if the file system can't write now.
func unavailable(doing string, err error) error {
	if durable.IsUnavailable(err) {
		return fmt.Errorf("%s: %w: %w", doing, blob.ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
