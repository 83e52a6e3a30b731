package pebble

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/atomicfs"

	"coffer/internal/meta"
)

// checkLogs looks for damage inside the write-ahead logs and the current
// MANIFEST of a directory that no process has open.
//
// Pebble ends the replay of its newest log, and of a MANIFEST, at the first
// chunk that does not verify: it takes the rest for the torn tail of a crash.
// A flipped bit in the middle would so lose acknowledged transactions without a
// word. This store writes one record at a time and starts the next one only
// after the sync of the one before, and Pebble does the same with a MANIFEST.
// So a torn tail is the last record and nothing else: a record that begins
// after a chunk that does not verify proves that the chunk was durable once,
// and is damaged now.
//
// What this can't tell apart is damage in the very last record of a log. The
// store therefore writes a record without rows once it falls idle, and Close
// empties the log.
//
// Source: the format of the chunks is that of Pebble v2.1.7, package record.
func checkLogs(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		number, ok := strings.CutSuffix(name, ".log")
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			continue
		}
		if err := checkLog(fs, fs.PathJoin(dir, name), uint32(n), false); err != nil {
			return err
		}
	}
	manifest, err := atomicfs.ReadMarker(fs, dir, "manifest")
	if err != nil || manifest == "" {
		return err
	}
	err = checkLog(fs, fs.PathJoin(dir, manifest), 0, true)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: %s is missing", meta.ErrCorrupt, manifest)
	}
	return err
}

func checkLog(fs vfs.FS, path string, number uint32, manifest bool) error {
	f, err := fs.Open(path)
	if err != nil {
		return err
	}
	offset, err := damagedAt(f, number, manifest)
	err = errors.Join(err, f.Close())
	if err == nil && offset >= 0 {
		err = fmt.Errorf("%w: %s at offset %d", meta.ErrCorrupt, fs.PathBase(path), offset)
	}
	return err
}

// Layout of a log: blocks, and chunks that don't cross them. A chunk is a
// header and a payload; a record is one full chunk, or a first, middle ones
// and a last.
const (
	logBlockSize = 32 << 10

	legacyHeaderSize     = 4 + 2 + 1            // CRC, size, type
	recyclableHeaderSize = legacyHeaderSize + 4 // log number
	walSyncHeaderSize    = recyclableHeaderSize + 8

	recyclableFullType = 5
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A chunk is what stands at a position of a block.
type chunk struct {
	size         int // header and payload; 0 if nothing verifies here
	beginsRecord bool
	endsLog      bool // the trailer of a log that was closed
}

// parseChunk verifies the chunk at the start of b, which ends with its block.
// number is the log's; the chunks of a MANIFEST carry none.
func parseChunk(b []byte, number uint32, manifest bool) chunk {
	if len(b) < legacyHeaderSize {
		return chunk{}
	}
	kind := b[6]
	header := 0
	switch {
	case manifest && kind >= 1 && kind <= 4:
		header = legacyHeaderSize
	case !manifest && kind >= 5 && kind <= 8:
		header = recyclableHeaderSize
	case !manifest && kind >= 9 && kind <= 12:
		header = walSyncHeaderSize
	default:
		return chunk{}
	}
	if len(b) < header {
		return chunk{}
	}
	sum, length := binary.LittleEndian.Uint32(b), int(binary.LittleEndian.Uint16(b[4:]))
	if !manifest {
		in := binary.LittleEndian.Uint32(b[7:])
		if in == number+1 && kind == recyclableFullType && sum == 0 && length == 0 {
			return chunk{size: header, endsLog: true}
		}
		if in != number {
			return chunk{}
		}
	}
	if len(b) < header+length {
		return chunk{}
	}
	crc := crc32.Checksum(b[6:header+length], castagnoli)
	if sum != (crc>>15|crc<<17)+0xa282ead8 {
		return chunk{}
	}
	position := (kind - 1) % 4 // full, first, middle, last
	return chunk{size: header + length, beginsRecord: position <= 1}
}

// damagedAt returns the offset of the damage in a log, or -1 if there is none
// or none that can be told from a torn tail.
func damagedAt(r io.Reader, number uint32, manifest bool) (int64, error) {
	buf := make([]byte, logBlockSize)
	damaged := int64(-1) // where the first chunk stands that does not verify
	for base := int64(0); ; base += logBlockSize {
		n, err := io.ReadFull(r, buf)
		if n == 0 || err != nil && err != io.ErrUnexpectedEOF {
			if err == io.EOF {
				err = nil
			}
			return -1, err
		}
		block := buf[:n]
		here := false // the damage is in this block, so chunks may stand anywhere
		for i := 0; i < n; {
			c := parseChunk(block[i:], number, manifest)
			switch {
			case c.size == 0 && damaged < 0:
				if n-i < walSyncHeaderSize && allZero(block[i:]) {
					i = n // the end of a block, too short for a chunk
					continue
				}
				damaged, here = base+int64(i), true
				if manifest && !tornManifestChunk(block[i:]) {
					return damaged, nil
				}
				i++
			case c.size == 0 && here:
				i++
			case c.size == 0:
				i = n
			case damaged >= 0 && (c.beginsRecord || c.endsLog):
				return damaged, nil
			case c.endsLog:
				return -1, nil // what follows is left from an earlier use of the file
			default:
				i += c.size
			}
		}
	}
}

// tornManifestChunk reports whether a chunk that does not verify can be an
// append that was cut off. A MANIFEST is never preallocated or recycled, so what
// did not reach the disk is missing at its end or zero.
func tornManifestChunk(b []byte) bool {
	if len(b) < legacyHeaderSize || allZero(b[:legacyHeaderSize]) {
		return true
	}
	end := legacyHeaderSize + int(binary.LittleEndian.Uint16(b[4:]))
	return end > len(b) || allZero(b[max(end-8, 0):end])
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
