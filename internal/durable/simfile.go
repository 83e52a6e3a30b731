package durable

import (
	"io"
	"io/fs"
	"os"
	"syscall"
	"unsafe"
)

// A simFile is an open file of a [SimFS]. It stays readable and writable after
// its name is removed.
type simFile struct {
	fs     *SimFS
	node   *simNode
	name   string
	flag   int
	closed bool // guarded by fs.mu
}

// begin checks one operation and locks fs.mu, which the caller unlocks.
func (f *simFile) begin(op string) error {
	err := f.fs.check(Op{Name: op, Path: f.name})
	if err == nil && f.closed {
		err = pathError(op, f.name, fs.ErrClosed)
	}
	return err
}

// aligned reports whether a file opened with [Direct] takes p at off.
func (f *simFile) aligned(p []byte, off int64) bool {
	return Direct == 0 || f.flag&Direct == 0 ||
		len(p)%AlignSize == 0 && off%AlignSize == 0 && uintptr(unsafe.Pointer(unsafe.SliceData(p)))%AlignSize == 0
}

// ReadAt implements [io.ReaderAt].
func (f *simFile) ReadAt(p []byte, off int64) (int, error) {
	err := f.begin("read")
	defer f.fs.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if off < 0 || !f.aligned(p, off) {
		return 0, pathError("read", f.name, syscall.EINVAL)
	}
	data := f.node.data
	if Direct != 0 && f.flag&Direct != 0 {
		// As Linux does: dirty pages are written first, and clean ones,
		// those of a failed Sync among them, are passed by.
		f.node.writeBack()
		data = f.node.synced
	}
	n := 0
	if off < int64(len(data)) {
		n = copy(p, data[off:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements [io.WriterAt].
func (f *simFile) WriteAt(p []byte, off int64) (int, error) {
	err := f.begin("write")
	defer f.fs.mu.Unlock()
	if off < 0 || f.flag&(os.O_WRONLY|os.O_RDWR) == 0 || !f.aligned(p, off) {
		return 0, pathError("write", f.name, syscall.EINVAL)
	}
	if err != nil {
		p = p[:len(p)/2]
	}
	if end := int(off) + len(p); end > len(f.node.data) {
		f.node.truncate(end)
	}
	f.node.touch(int(off), int(off)+len(p))
	return copy(f.node.data[off:], p), err
}

// Sync implements [File].
func (f *simFile) Sync() error {
	err := f.begin("sync")
	defer f.fs.mu.Unlock()
	if err != nil {
		f.node.dirty = nil // Linux marks the pages clean that it could not write
		return err
	}
	f.node.writeBack()
	return nil
}

// Truncate implements [File].
func (f *simFile) Truncate(size int64) error {
	err := f.begin("truncate")
	defer f.fs.mu.Unlock()
	if err != nil {
		return err
	}
	f.node.truncate(int(size))
	return nil
}

// Size implements [File].
func (f *simFile) Size() (int64, error) {
	err := f.begin("size")
	defer f.fs.mu.Unlock()
	return int64(len(f.node.data)), err
}

// Close implements [io.Closer]. It closes the file also when it is made to
// fail, as Linux does.
func (f *simFile) Close() error {
	err := f.begin("close")
	defer f.fs.mu.Unlock()
	if !f.closed {
		f.closed = true
		f.fs.opens--
	}
	return err
}
