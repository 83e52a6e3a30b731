package disk

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"syscall"

	"coffer/internal/blob"
	"coffer/internal/durable"
)

// A diskBlob is an open blob.
type diskBlob struct {
	id   string
	file durable.File
	footer
}

// Open implements [blob.Store]. It reads the footer, and returns
// [blob.ErrCorrupt] if the file is cut, too long, or that of another blob.
func (s *Store) Open(ctx context.Context, id string) (blob.Blob, error) {
	b, err := s.open(ctx, id)
	if err != nil {
		return nil, err // not b: a nil *diskBlob is no nil Blob
	}
	return b, nil
}

func (s *Store) open(ctx context.Context, id string) (*diskBlob, error) {
	if err := errors.Join(ctx.Err(), blob.CheckID(id)); err != nil {
		return nil, err
	}
	f, err := s.fsys.OpenFile(s.path(id), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", blob.ErrNotFound, id)
	}
	if err != nil {
		return nil, fmt.Errorf("open blob %s: %w", id, err)
	}
	end, err := readFooter(f, id)
	if err != nil {
		_ = f.Close() // nothing was written
		if errors.Is(err, blob.ErrCorrupt) {
			s.stats.corrupt.Add(1)
		}
		return nil, fmt.Errorf("open blob %s: %w", id, err)
	}
	return &diskBlob{id: id, file: f, footer: end}, nil
}

// readFooter reads and checks the footer of the blob id in f.
func readFooter(f durable.File, id string) (footer, error) {
	size, err := f.Size()
	if err != nil {
		return footer{}, err
	}
	if size < footerSize {
		return footer{}, fmt.Errorf("%w: a file of %d bytes", blob.ErrCorrupt, size)
	}
	var buf [footerSize]byte
	if err := readFull(f, buf[:], size-footerSize); err != nil {
		return footer{}, err
	}
	return parseFooter(buf[:], id, size)
}

// readFull fills p from the offset off of f. A file that ends before is cut,
// and a sector that can't be read is damage like a wrong one.
func readFull(f durable.File, p []byte, off int64) error {
	n, err := f.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%w: the file ends at %d", blob.ErrCorrupt, off+int64(n))
	case errors.Is(err, syscall.EIO):
		return fmt.Errorf("%w: %w", blob.ErrCorrupt, err)
	default:
		return err
	}
}

// Size implements [blob.Blob].
func (b *diskBlob) Size() int64 { return b.dataSize }

// ReadAt implements [io.ReaderAt].
func (b *diskBlob) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("blob %s: offset %d", b.id, off)
	}
	rest := b.dataSize - off
	if rest <= 0 {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	isCut := int64(len(p)) > rest
	if isCut {
		p = p[:rest]
	}
	n, err := b.file.ReadAt(p, off)
	if n < len(p) && errors.Is(err, io.EOF) {
		return n, fmt.Errorf("blob %s: %w: the file ends at %d", b.id, blob.ErrCorrupt, off+int64(n))
	}
	if err == nil && isCut {
		err = io.EOF
	}
	return n, err
}

// Close implements [io.Closer].
func (b *diskBlob) Close() error { return b.file.Close() }

// Check implements [blob.Store]. It holds two buffers, whatever the size of the
// blob, and reads the data past the page cache where it can: what counts is what
// the disk holds, and a check of everything must not push out what is in use.
func (s *Store) Check(ctx context.Context, id string) error {
	b, err := s.open(ctx, id)
	if err != nil {
		return err
	}
	defer b.Close()
	err = s.checkTable(b)
	if err == nil {
		err = s.checkData(ctx, b)
	}
	if err != nil {
		if errors.Is(err, blob.ErrCorrupt) {
			s.stats.corrupt.Add(1)
		}
		return fmt.Errorf("check blob %s: %w", id, err)
	}
	return nil
}

// checkTable compares the checksum of the table.
func (s *Store) checkTable(b *diskBlob) error {
	buf := s.buffers.small.Get()
	defer s.buffers.small.Put(buf)
	sum := uint32(0)
	end := b.dataSize + sumSize*blocksOf(b.dataSize)
	for off := b.dataSize; off < end; {
		part := buf[:min(int64(len(buf)), end-off)]
		if err := readFull(b.file, part, off); err != nil {
			return fmt.Errorf("checksum table: %w", err)
		}
		sum = crc32.Update(sum, castagnoli, part)
		off += int64(len(part))
	}
	if sum != b.tableSum {
		return fmt.Errorf("%w: checksum of the checksum table", blob.ErrCorrupt)
	}
	return nil
}

// checkData compares every block with the table, which was found good.
func (s *Store) checkData(ctx context.Context, b *diskBlob) error {
	file := b.file
	if s.direct.Load() {
		f, err := s.fsys.OpenFile(s.path(b.id), os.O_RDONLY|durable.Direct, 0)
		if err == nil {
			defer f.Close()
			file = f
		} else if errors.Is(err, syscall.EINVAL) {
			s.direct.Store(false)
		}
	}
	buf := s.buffers.get(false)
	defer s.buffers.put(buf)
	var sums [largeBuffer / blob.BlockSize * sumSize]byte
	for off := int64(0); off < b.dataSize; off += int64(len(buf)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		data := buf[:min(int64(len(buf)), b.dataSize-off)]
		block := off / blob.BlockSize
		table := sums[:sumSize*blocksOf(int64(len(data)))]
		if err := readFull(b.file, table, b.dataSize+sumSize*block); err != nil {
			return fmt.Errorf("checksum table: %w", err)
		}
		// Direct reads want whole units; the file goes on behind the data,
		// or ends.
		if n, _ := file.ReadAt(buf, off); n < len(data) {
			if err := readBlocks(b.file, data, off); err != nil {
				return err
			}
		}
		for len(data) > 0 {
			n := min(blob.BlockSize, len(data))
			if crc32.Checksum(data[:n], castagnoli) != binary.BigEndian.Uint32(table) {
				return fmt.Errorf("%w: checksum of block %d", blob.ErrCorrupt, block)
			}
			data, table, block = data[n:], table[sumSize:], block+1
		}
	}
	return nil
}

// readBlocks reads again what could not be read in one piece, block by block, to
// name the one that can't be read, or because the file system refuses direct
// reads.
func readBlocks(f durable.File, p []byte, off int64) error {
	for i := 0; i < len(p); i += blob.BlockSize {
		if err := readFull(f, p[i:min(i+blob.BlockSize, len(p))], off+int64(i)); err != nil {
			return fmt.Errorf("block %d: %w", (off+int64(i))/blob.BlockSize, err)
		}
	}
	return nil
}
