// Package dir keeps an archive in a directory.
//
//	DIR/<name>      a file
//	DIR/.tmp/<n>    a file that is being written
//
// A file is written and synced under a temporary name, and then renamed. What a crash
// leaves in .tmp is removed by an Open a day later.
package dir

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"coffer/internal/archive"
	"coffer/internal/durable"
)

// tmpDir is where files are written. No name of a file begins with a dot.
const tmpDir = ".tmp"

// staleAfter is how old a temporary file is when nobody can be writing it any more.
const staleAfter = 24 * time.Hour

// A Store is an archive in a directory.
type Store struct {
	dir  string
	fsys durable.FS

	mu    sync.Mutex
	dirty map[string]bool // directories with names that are not durable yet
	made  map[string]bool // directories that are there
}

var _ archive.Store = (*Store)(nil)

// Open opens the archive in dir. With create it makes the directory, mode 0700, if it
// is missing; otherwise a missing one is fs.ErrNotExist. fsys is the file system, that
// of the machine if nil.
func Open(dir string, create bool, fsys durable.FS) (*Store, error) {
	s := &Store{dir: filepath.Clean(dir), fsys: fsys, dirty: make(map[string]bool), made: make(map[string]bool)}
	if fsys == nil {
		s.fsys = durable.OS{}
		if !create {
			if _, err := os.Stat(s.dir); err != nil {
				return nil, err
			}
		}
		s.removeStale()
	}
	if !create {
		return s, nil
	}
	if err := durable.MkdirAll(s.fsys, s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make %s: %w", s.dir, err)
	}
	return s, nil
}

// removeStale removes what crashes left, as far as it can.
func (s *Store) removeStale() {
	entries, _ := os.ReadDir(filepath.Join(s.dir, tmpDir))
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > staleAfter {
			_ = os.Remove(filepath.Join(s.dir, tmpDir, e.Name()))
		}
	}
}

// mkdir makes a directory below that of the store, and what is missing between. They
// are durable after the next Sync, also if they were there: an earlier process may
// have died before it synced them.
func (s *Store) mkdir(dir string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mkdirLocked(dir)
}

func (s *Store) mkdirLocked(dir string) error {
	if dir == s.dir || s.made[dir] {
		return nil
	}
	parent := filepath.Dir(dir)
	if err := s.mkdirLocked(parent); err != nil {
		return err
	}
	if err := s.fsys.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	s.made[dir], s.dirty[parent] = true, true
	return nil
}

// Put implements [archive.Store].
func (s *Store) Put(ctx context.Context, name string, r io.Reader, size int64) (err error) {
	if err := archive.CheckName(name); err != nil {
		return err
	}
	to := filepath.Join(s.dir, filepath.FromSlash(name))
	tmp := filepath.Join(s.dir, tmpDir, rand.Text())
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", name, err)
			if durable.IsUnavailable(err) {
				err = fmt.Errorf("%w: %w", archive.ErrUnavailable, err)
			}
		}
	}()
	for _, d := range []string{filepath.Dir(tmp), filepath.Dir(to)} {
		if err := s.mkdir(d); err != nil {
			return err
		}
	}
	f, err := s.fsys.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.NewOffsetWriter(f, 0), reader{ctx, io.LimitReader(r, size+1)})
	if err == nil && n != size {
		err = fmt.Errorf("%w: %d bytes, want %d", io.ErrUnexpectedEOF, n, size)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = s.fsys.Rename(tmp, to)
	}
	if err != nil {
		_ = s.fsys.Remove(tmp)
		return err
	}
	s.mu.Lock()
	s.dirty[filepath.Dir(to)] = true
	s.mu.Unlock()
	return nil
}

// A reader ends with its context.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// Sync implements [archive.Store].
func (s *Store) Sync(ctx context.Context) error {
	s.mu.Lock()
	dirty := s.dirty
	s.dirty = make(map[string]bool)
	s.mu.Unlock()
	for dir := range dirty {
		err := ctx.Err()
		if err == nil {
			err = s.fsys.SyncDir(dir)
		}
		if err != nil { // all of them again, the next time
			s.mu.Lock()
			for d := range dirty {
				s.dirty[d] = true
			}
			s.mu.Unlock()
			return fmt.Errorf("sync %s: %w", dir, err)
		}
	}
	return nil
}

type file struct {
	durable.File
	size int64
}

func (f file) Size() int64 { return f.size }

// Open implements [archive.Store].
func (s *Store) Open(ctx context.Context, name string) (archive.File, error) {
	if err := errors.Join(ctx.Err(), archive.CheckName(name)); err != nil {
		return nil, err
	}
	f, err := s.fsys.OpenFile(filepath.Join(s.dir, filepath.FromSlash(name)), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", archive.ErrNotFound, name)
	}
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return file{f, size}, nil
}

// List implements [archive.Store].
func (s *Store) List(ctx context.Context, prefix string, fn func(name string) error) error {
	return s.list(ctx, "", prefix, fn)
}

// list walks the directory dir, a name.
func (s *Store) list(ctx context.Context, dir, prefix string, fn func(name string) error) error {
	entries, err := s.entries(filepath.Join(s.dir, filepath.FromSlash(dir)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err = nil
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := e.name
		if dir != "" {
			name = dir + "/" + e.name
		}
		switch {
		case archive.CheckName(name) != nil:
		case e.isDir && (strings.HasPrefix(name, prefix) || strings.HasPrefix(prefix, name+"/")):
			err = s.list(ctx, name, prefix, fn)
		case !e.isDir && strings.HasPrefix(name, prefix):
			err = fn(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// An entry is one name in a directory.
type entry struct {
	name  string
	isDir bool
}

func (s *Store) entries(dir string) (out []entry, err error) {
	if _, ok := s.fsys.(durable.OS); ok { // which tells what is a directory
		all, err := os.ReadDir(dir)
		for _, e := range all {
			out = append(out, entry{e.Name(), e.IsDir()})
		}
		return out, err
	}
	names, err := s.fsys.ReadDir(dir)
	for _, n := range names {
		_, notDir := s.fsys.ReadDir(filepath.Join(dir, n))
		out = append(out, entry{n, notDir == nil})
	}
	return out, err
}

// Delete implements [archive.Store].
func (s *Store) Delete(ctx context.Context, name string) error {
	if err := errors.Join(ctx.Err(), archive.CheckName(name)); err != nil {
		return err
	}
	err := s.fsys.Remove(filepath.Join(s.dir, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Close implements [archive.Store].
func (s *Store) Close() error { return nil }
