package pebble

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"coffer/internal/meta"
)

// A disk is the file system as Pebble sees it: one on which the log can't fail.
//
// Pebble ends the process when a write or a sync of its log or its MANIFEST
// fails. Behind a disk such an operation is repeated until it succeeds, so
// Pebble only ever waits; meanwhile the store refuses Updates and serves Views,
// and it goes on by itself when there is space again or the file system is
// writable again.
//
// Repeating a failed sync alone would lie: after an error the kernel may have
// dropped the dirty pages and marked them clean. So a journal keeps in memory
// what was written since the last sync that succeeded, and writes it again
// before it syncs again.
//
// Tables may fail: Pebble throws the table away and makes it again. A disk only
// slows that down.
type disk struct {
	vfs.FS
	log       *slog.Logger
	retry     time.Duration // between two attempts
	probePath string

	mu      sync.Mutex
	outage  *outage       // nil while writing works
	broke   chan struct{} // closed while outage is not nil
	stalled int           // operations that are being repeated
	dead    bool          // see abandon
	lock    io.Closer     // of the directory
}

// An outage is a time in which writing fails.
type outage struct {
	cause error
	over  chan struct{} // closed at its end
}

var _ vfs.FS = (*disk)(nil)

func newDisk(fs vfs.FS, dir string, retry time.Duration, log *slog.Logger) *disk {
	return &disk{
		FS:        fs,
		log:       log,
		retry:     retry,
		probePath: fs.PathJoin(dir, "probe"),
		broke:     make(chan struct{}),
	}
}

// watch returns a channel that is closed while writing does not work.
func (d *disk) watch() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.broke
}

// err returns an error that wraps meta.ErrUnavailable while writing does not
// work, and nil otherwise.
func (d *disk) err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.outage == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", meta.ErrUnavailable, d.outage.cause)
}

// abandon makes every change to the file system, under way or to come, wait for
// ever, and releases the lock of the directory. It ends a store whose disk
// fails: Pebble can't be closed while it waits for its log.
func (d *disk) abandon() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
	if d.lock == nil {
		return nil
	}
	lock := d.lock
	d.lock = nil
	return lock.Close()
}

// alive returns only while the disk was not abandoned.
func (d *disk) alive() {
	d.mu.Lock()
	dead := d.dead
	d.mu.Unlock()
	if dead {
		select {}
	}
}

// fail notes that an operation failed and begins an outage.
func (d *disk) fail(operation, path string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.outage != nil || d.dead {
		return
	}
	d.outage = &outage{cause: fmt.Errorf("%s %s: %w", operation, d.PathBase(path), err), over: make(chan struct{})}
	close(d.broke)
	d.log.Error("metadata store can't write", "operation", operation, "file", d.PathBase(path), "error", err)
	go d.heal(d.outage)
}

// heal ends an outage once no operation is being repeated and a probe can
// be written and synced.
func (d *disk) heal(o *outage) {
	for {
		time.Sleep(d.retry)
		d.mu.Lock()
		dead, stalled := d.dead, d.stalled
		d.mu.Unlock()
		if dead {
			return
		}
		if stalled > 0 || d.probe() != nil {
			continue
		}
		d.mu.Lock()
		over := d.stalled == 0
		if over {
			d.outage = nil
			d.broke = make(chan struct{})
			close(o.over)
		}
		d.mu.Unlock()
		if over {
			d.log.Warn("metadata store writes again", "after", o.cause)
			return
		}
	}
}

// probe writes, syncs and removes a small file.
func (d *disk) probe() error {
	f, err := d.FS.Create(d.probePath, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 64<<10))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close(), d.FS.Remove(d.probePath))
}

// insist repeats an operation that must not fail until it succeeds.
func (d *disk) insist(operation, path string, fn func() error) {
	d.alive()
	err := fn()
	if err == nil {
		return
	}
	d.mu.Lock()
	d.stalled++
	d.mu.Unlock()
	for err != nil {
		d.fail(operation, path, err)
		time.Sleep(d.retry)
		d.alive()
		err = fn()
	}
	d.mu.Lock()
	d.stalled--
	d.mu.Unlock()
}

// pace holds the next attempt at a table back while writing does not work, but
// not longer than the time between two attempts.
func (d *disk) pace() {
	d.alive()
	d.mu.Lock()
	o := d.outage
	d.mu.Unlock()
	if o == nil {
		return
	}
	select {
	case <-o.over:
	case <-time.After(d.retry):
		d.alive()
	}
}

// isTable reports whether Pebble can do without the file of that name: if it
// can't be written then another one is.
func isTable(path string) bool {
	return strings.HasSuffix(path, ".sst") || strings.HasSuffix(path, ".blob")
}

func (d *disk) Create(path string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if isTable(path) {
		d.pace()
		f, err := d.FS.Create(path, category)
		if err != nil {
			d.fail("create", path, err)
			return nil, err
		}
		return &table{File: f, disk: d, path: path}, nil
	}
	var f vfs.File
	d.insist("create", path, func() (err error) {
		f, err = d.FS.Create(path, category)
		return err
	})
	return &journal{File: f, disk: d, path: path}, nil
}

func (d *disk) ReuseForWrite(oldPath, newPath string, category vfs.DiskWriteCategory) (vfs.File, error) {
	var f vfs.File
	d.insist("reuse", newPath, func() (err error) {
		if _, err = d.Stat(oldPath); err == nil {
			f, err = d.FS.ReuseForWrite(oldPath, newPath, category)
			return err
		}
		// An earlier attempt renamed the file and could not open it.
		f, err = d.FS.OpenReadWrite(newPath, category)
		return err
	})
	return &journal{File: f, disk: d, path: newPath}, nil
}

func (d *disk) Rename(oldPath, newPath string) error {
	d.insist("rename", newPath, func() error { return d.FS.Rename(oldPath, newPath) })
	return nil
}

func (d *disk) OpenDir(path string) (vfs.File, error) {
	f, err := d.FS.OpenDir(path)
	if err != nil {
		return nil, err
	}
	return &directory{File: f, disk: d, path: path}, nil
}

func (d *disk) Remove(path string) error {
	d.alive()
	return d.FS.Remove(path)
}

func (d *disk) Lock(path string) (io.Closer, error) {
	lock, err := d.FS.Lock(path)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lock = lock
	return unlock{d}, nil
}

// unlock releases the lock of the directory unless abandon has.
type unlock struct{ disk *disk }

func (u unlock) Close() error {
	u.disk.mu.Lock()
	defer u.disk.mu.Unlock()
	if u.disk.lock == nil {
		return nil
	}
	lock := u.disk.lock
	u.disk.lock = nil
	return lock.Close()
}

func (d *disk) Unwrap() vfs.FS { return d.FS }

// A directory is synced until that succeeds.
type directory struct {
	vfs.File
	disk *disk
	path string
}

func (f *directory) Sync() error {
	f.disk.insist("sync", f.path, f.File.Sync)
	return nil
}

func (f *directory) SyncData() error { return f.Sync() }

// A table fails as its file does, and begins an outage with it.
type table struct {
	vfs.File
	disk *disk
	path string
}

func (f *table) note(operation string, err error) error {
	if err != nil {
		f.disk.fail(operation, f.path, err)
	}
	return err
}

func (f *table) Write(p []byte) (int, error) {
	f.disk.alive()
	n, err := f.File.Write(p)
	return n, f.note("write", err)
}

func (f *table) Sync() error     { return f.note("sync", f.File.Sync()) }
func (f *table) SyncData() error { return f.note("sync", f.File.SyncData()) }

func (f *table) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	return full, f.note("sync", err)
}

func (f *table) Close() error { return f.note("close", f.File.Close()) }

// A journal is a file that is only appended to and that never fails. Its
// methods are called one at a time, except that SyncData may run beside none.
type journal struct {
	vfs.File
	disk *disk
	path string

	size     int64  // bytes written
	unsynced []byte // the last of them, not known to be durable
}

// maxKeptBuffer is the largest buffer that a journal keeps for the next write.
const maxKeptBuffer = 1 << 20

func (f *journal) Write(p []byte) (int, error) {
	f.unsynced = append(f.unsynced, p...)
	f.writeAt(p, f.size)
	f.size += int64(len(p))
	return len(p), nil
}

// writeAt writes all of p at an offset. After an error the place in a file is
// uncertain, so the offset is always said.
func (f *journal) writeAt(p []byte, offset int64) {
	f.disk.insist("write", f.path, func() error {
		n, err := f.File.WriteAt(p, offset)
		p, offset = p[n:], offset+int64(n)
		if err == nil && len(p) > 0 {
			err = io.ErrShortWrite
		}
		return err
	})
}

func (f *journal) SyncData() error {
	failed := false
	f.disk.insist("sync", f.path, func() error {
		if failed {
			if _, err := f.File.WriteAt(f.unsynced, f.size-int64(len(f.unsynced))); err != nil {
				return err
			}
		}
		failed = true
		return f.File.SyncData()
	})
	f.unsynced = f.unsynced[:0]
	if cap(f.unsynced) > maxKeptBuffer {
		f.unsynced = nil
	}
	return nil
}

func (f *journal) Sync() error { return f.SyncData() }

// SyncTo syncs everything: a partial sync could swallow the error of a write.
func (f *journal) SyncTo(int64) (bool, error) { return true, f.SyncData() }

// Close never fails: what matters was synced before, or is not needed.
func (f *journal) Close() error {
	if err := f.File.Close(); err != nil {
		f.disk.log.Warn("close of a metadata file failed", "file", f.disk.PathBase(f.path), "error", err)
	}
	return nil
}
