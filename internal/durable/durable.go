// Package durable holds the few steps that make a change to a file system
// survive a crash, and the seam through which they are tested.
//
// Three rules stand behind every function:
//
//   - A name is durable when the directory that holds it was synced, not when
//     the file was: a new, renamed or removed file needs [FS.SyncDir].
//   - A file is replaced by a rename of a synced file, so that a reader, or a
//     crash, sees the old bytes or the new ones and nothing between.
//   - A file whose Sync failed is given up. Linux marks the pages that it
//     could not write as clean, so that the next Sync of the same file can
//     return nil although the bytes are lost.
//
// [OS] is the file system of the machine. [SimFS] is one in memory that forgets
// what was not synced and fails where a test tells it to.
package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// An FS is the part of a file system that durable code uses. Names are paths
// of the machine; errors wrap those of io/fs and syscall.
type FS interface {
	// OpenFile is os.OpenFile. With [Direct] in flag the file takes only
	// aligned reads and writes; see [AlignSize].
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	// Mkdir creates one directory.
	Mkdir(name string, perm fs.FileMode) error
	// Rename renames within one file system, replacing a file of the new
	// name.
	Rename(oldname, newname string) error
	// Remove removes a file or an empty directory.
	Remove(name string) error
	// ReadDir returns the names in a directory, sorted.
	ReadDir(name string) ([]string, error)
	// SyncDir makes the names in a directory durable.
	SyncDir(name string) error
}

// A File is an open file. ReadAt and WriteAt may be called concurrently.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes the bytes and the size of the file durable, not its name.
	Sync() error
	Truncate(size int64) error
	Size() (int64, error)
}

// OS is the file system of the machine.
type OS struct{}

var _ FS = OS{}

// OpenFile implements [FS].
func (OS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Mkdir implements [FS].
func (OS) Mkdir(name string, perm fs.FileMode) error { return os.Mkdir(name, perm) }

// Rename implements [FS].
func (OS) Rename(oldname, newname string) error { return os.Rename(oldname, newname) }

// Remove implements [FS].
func (OS) Remove(name string) error { return os.Remove(name) }

// ReadDir implements [FS].
func (OS) ReadDir(name string) ([]string, error) {
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// SyncDir implements [FS].
func (OS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}

// osFile adds Size to *os.File.
type osFile struct{ *os.File }

// Size returns the current size of the file in bytes.
func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// IsUnavailable reports whether err says that the file system can't write now:
// full, over quota, read-only, failing, or out of file descriptors.
func IsUnavailable(err error) bool {
	for _, e := range []syscall.Errno{
		syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO, syscall.EMFILE, syscall.ENFILE,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// MkdirAll creates dir and its missing parents. When it returns nil, dir
// survives a crash, also when it was there before: an earlier process may have
// died between making and syncing it.
func MkdirAll(fsys FS, dir string, perm fs.FileMode) error {
	dir = filepath.Clean(dir)
	parent := filepath.Dir(dir)
	err := fsys.Mkdir(dir, perm)
	if errors.Is(err, fs.ErrNotExist) && parent != dir {
		if err := MkdirAll(fsys, parent, perm); err != nil {
			return err
		}
		err = fsys.Mkdir(dir, perm)
	}
	existed := errors.Is(err, fs.ErrExist)
	if err != nil && !existed {
		return err
	}
	err = fsys.SyncDir(parent)
	if existed && errors.Is(err, fs.ErrPermission) {
		return nil // a parent that this user can't open was not made here
	}
	return err
}

// ReadFile returns the bytes of a file of at most limit bytes.
func ReadFile(fsys FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("read %s: %d bytes, more than the limit of %d", name, size, limit)
	}
	data := make([]byte, size)
	if n, err := f.ReadAt(data, 0); err != nil && !(errors.Is(err, io.EOF) && n == len(data)) {
		clear(data)
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}

// ReadDevice is [ReadFile] past the page cache, where the file system allows it:
// it returns what the device holds and not what the kernel remembers of a write.
func ReadDevice(fsys FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.OpenFile(name, os.O_RDONLY|Direct, 0)
	if errors.Is(err, syscall.EINVAL) {
		return ReadFile(fsys, name, limit)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("read %s: %d bytes, more than the limit of %d", name, size, limit)
	}
	data := NewBuffer(int(size+AlignSize-1) &^ (AlignSize - 1))
	n, err := f.ReadAt(data, 0)
	if errors.Is(err, syscall.EINVAL) {
		return ReadFile(fsys, name, limit)
	}
	if int64(n) < size {
		clear(data)
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data[:size:size], nil
}

// CreateFile creates the file name, which must not exist, with data, and syncs
// it. The bytes are written once, to their final place. The name is durable
// after a [FS.SyncDir] of the directory, which is left to the caller so that
// several files can share one. On an error the file may remain, in part.
func CreateFile(fsys FS, name string, data []byte, perm fs.FileMode) error {
	f, err := fsys.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// WriteFile replaces the file name with data, atomically and durably: after a
// crash at any point it holds the old bytes or the new ones, and once WriteFile
// returned nil the new ones. It goes through the file name.tmp in the same
// directory; concurrent calls for one name are not allowed.
func WriteFile(fsys FS, name string, data []byte, perm fs.FileMode) error {
	tmp := name + ".tmp"
	if err := fsys.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := CreateFile(fsys, tmp, data, perm)
	if err == nil {
		err = fsys.Rename(tmp, name)
	}
	if err != nil {
		_ = fsys.Remove(tmp) // what remains is replaced by the next call
		return err
	}
	return fsys.SyncDir(filepath.Dir(name))
}

// Erase overwrites the file name in place with as many bytes of random, syncs
// it, removes it and syncs its directory. A missing file is not an error, so
// that Erase can be repeated after a failure.
//
// What it can promise ends at the file system: a copy-on-write file system
// (btrfs, ZFS, bcachefs), a snapshot, a data journal (ext4 data=journal), or
// the flash translation layer of an SSD may keep the old bytes elsewhere until
// they are reused. Encrypt the volume, or keep the secret in a device that
// forgets, where that matters.
func Erase(fsys FS, name string, random io.Reader) error {
	f, err := fsys.OpenFile(name, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return fsys.SyncDir(filepath.Dir(name))
	}
	if err != nil {
		return err
	}
	if err := errors.Join(overwrite(f, random), f.Close()); err != nil {
		return fmt.Errorf("overwrite %s: %w", name, err)
	}
	// No truncation: it would free the blocks, as the removal does.
	if err := fsys.Remove(name); err != nil {
		return err
	}
	return fsys.SyncDir(filepath.Dir(name))
}

// overwrite replaces every byte of f and syncs it.
func overwrite(f File, random io.Reader) error {
	size, err := f.Size()
	if err != nil {
		return err
	}
	buf := make([]byte, min(size, 64<<10))
	for off := int64(0); off < size; {
		n := min(int64(len(buf)), size-off)
		if _, err := io.ReadFull(random, buf[:n]); err != nil {
			return err
		}
		if _, err := f.WriteAt(buf[:n], off); err != nil {
			return err
		}
		off += n
	}
	return f.Sync()
}
