package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"syscall"

	"coffer/internal/blob"
	"coffer/internal/durable"
)

// errDone is what a finished writer answers.
var errDone = errors.New("blob/disk: writer is finished")

// A writer writes one blob. While one buffer is written by a goroutine that
// lives as long as that write, the caller fills the next: encryption and disk
// overlap, which made one upload of 64 MiB 1.2 to 1.5 times as fast on the
// machine measured. A writer at rest holds its file and at most one buffer.
type writer struct {
	store *Store
	id    string
	tmp   string
	err   error // set once Write fails or the writer is finished

	// The file belongs to the goroutine of flush while pending is not nil.
	file    durable.File
	direct  bool
	pending chan error

	buf []byte // nil before the first byte and after a flush
	n   int    // bytes in buf
	off int64  // where buf goes, a multiple of durable.AlignSize

	size  int64  // bytes of data so far
	sum   uint32 // CRC32C of the block that is being filled
	table []byte // checksums of the full blocks, 64 bytes for each MiB
}

// createTemp creates the file name for a writer, with direct writes if that is
// wanted and the file system takes them.
func (s *Store) createTemp(name string, direct bool) (durable.File, bool, error) {
	if direct {
		f, err := s.fsys.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|durable.Direct, 0o600)
		if !errors.Is(err, syscall.EINVAL) {
			return f, true, err
		}
		s.direct.Store(false)
	}
	// Not exclusive: a refused direct open leaves an empty file. The name is
	// ours, as long as nobody else has the store open.
	f, err := s.fsys.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	return f, false, err
}

// Write implements [io.Writer].
func (w *writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	for n := 0; n < len(p); {
		chunk := p[n:min(len(p), n+int(blob.BlockSize-w.size%blob.BlockSize))]
		w.sum = crc32.Update(w.sum, castagnoli, chunk)
		w.size += int64(len(chunk))
		if w.size%blob.BlockSize == 0 {
			w.endBlock()
		}
		if err := w.append(chunk); err != nil {
			return n, w.fail(err)
		}
		n += len(chunk)
	}
	return len(p), nil
}

// endBlock adds the checksum of the current block to the table.
func (w *writer) endBlock() {
	w.table = binary.BigEndian.AppendUint32(w.table, w.sum)
	w.sum = 0
}

// append adds p to the file through the buffers.
func (w *writer) append(p []byte) error {
	for len(p) > 0 {
		if w.buf == nil {
			w.buf = w.store.buffers.get(w.off == 0)
		}
		n := copy(w.buf[w.n:], p)
		w.n += n
		p = p[n:]
		if w.n == len(w.buf) {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush waits for the last write and starts that of the full buffer.
func (w *writer) flush() error {
	if err := w.wait(); err != nil {
		return err
	}
	buf, off, pending := w.buf, w.off, make(chan error, 1)
	w.buf, w.n, w.off, w.pending = nil, 0, off+int64(len(buf)), pending
	go func() {
		err := w.writeFile(buf, off)
		w.store.buffers.put(buf)
		pending <- err
	}()
	return nil
}

// wait waits for the write that flush started, if any.
func (w *writer) wait() error {
	if w.pending == nil {
		return nil
	}
	err := <-w.pending
	w.pending = nil
	return err
}

// writeFile writes buf, a whole number of [durable.AlignSize] units if the file is
// direct. Where the file system took the direct open but refuses the write, it
// goes on without.
func (w *writer) writeFile(buf []byte, off int64) error {
	_, err := w.file.WriteAt(buf, off)
	if w.direct && errors.Is(err, syscall.EINVAL) {
		w.store.direct.Store(false)
		w.direct = false
		f, oerr := w.store.fsys.OpenFile(w.tmp, os.O_WRONLY, 0)
		if oerr != nil {
			return oerr
		}
		// The old descriptor carries no error of a write: each was
		// written through, or refused.
		_ = w.file.Close()
		w.file = f
		_, err = f.WriteAt(buf, off)
	}
	w.store.stats.bytes.Add(uint64(len(buf)))
	return err
}

// Commit implements [blob.Writer]. If the sync of the file fails, the blob is
// given up: a second sync could say yes to bytes that are lost. If only the
// last step fails, the sync of the directory, the blob is visible and whole,
// and may be gone after a crash.
func (w *writer) Commit() error {
	if w.err != nil {
		return w.err
	}
	if w.size%blob.BlockSize != 0 {
		w.endBlock()
	}
	end := footer{dataSize: w.size, tableSum: crc32.Checksum(w.table, castagnoli)}.append(nil, w.id)
	err := w.append(w.table)
	if err == nil {
		err = w.append(end)
	}
	if err == nil {
		err = w.finish()
	}
	if err != nil {
		return w.fail(err)
	}
	w.err = errDone
	w.store.stats.committed.Add(1)
	return nil
}

// finish writes the last buffer, syncs the file and gives it its name.
func (w *writer) finish() error {
	if err := w.wait(); err != nil {
		return err
	}
	if w.n > 0 {
		padded := w.n
		if w.direct {
			padded = (w.n + durable.AlignSize - 1) &^ (durable.AlignSize - 1)
			clear(w.buf[w.n:padded])
		}
		if err := w.writeFile(w.buf[:padded], w.off); err != nil {
			return err
		}
		if padded != w.n {
			if err := w.file.Truncate(w.off + int64(w.n)); err != nil {
				return err
			}
		}
	}
	w.store.buffers.put(w.buf)
	w.buf = nil
	w.store.stats.syncs.Add(1)
	if err := w.file.Sync(); err != nil {
		return err
	}
	err := w.file.Close()
	w.file = nil
	if err != nil {
		return err
	}
	if err := w.store.fsys.Rename(w.tmp, w.store.path(w.id)); err != nil {
		return err
	}
	w.tmp = ""
	// Not shared between commits that wait for the same directory: the
	// journal does that already, and doing it here was no faster.
	w.store.stats.syncs.Add(1)
	return w.store.fsys.SyncDir(w.store.blobDir(w.id))
}

// Abort implements [blob.Writer].
func (w *writer) Abort() {
	if w.err == nil {
		_ = w.fail(errDone)
		w.err = errDone
	}
}

// fail ends the writer: it frees the buffer, closes the file and removes it.
// It returns what Write and Commit answer from now on.
func (w *writer) fail(err error) error {
	_ = w.wait() // the blob is given up: its errors say nothing any more
	w.store.buffers.put(w.buf)
	w.buf, w.table = nil, nil
	if w.file != nil {
		_ = w.file.Close()
		w.file = nil
	}
	if w.tmp != "" {
		_ = w.store.fsys.Remove(w.tmp) // Open removes what remains
	}
	w.store.stats.aborted.Add(1)
	w.err = unavailable(fmt.Sprintf("write blob %s", w.id), err)
	return w.err
}
