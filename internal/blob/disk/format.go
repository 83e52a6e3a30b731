package disk

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"coffer/internal/blob"
)

// The layout of a blob file, version 1. docs/spec/blob-file.md is normative.
const (
	magic      = "CoferBLB"
	version    = 1
	footerSize = 32
	sumSize    = 4 // bytes of one checksum in the table

	// maxDataSize is the largest size for which no sum below overflows. No
	// file system comes near it.
	maxDataSize = math.MaxInt64 / 2
)

// castagnoli is the table of CRC32C, which common processors compute in
// hardware: 22 GB/s on one core of the machine measured.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A footer is the last 32 bytes of a blob file.
type footer struct {
	dataSize int64  // bytes of data
	tableSum uint32 // CRC32C of the table
}

// append appends the encoded footer of the blob id to b.
func (f footer) append(b []byte, id string) []byte {
	start := len(b)
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint32(b, version)
	b = binary.BigEndian.AppendUint32(b, blob.BlockSize)
	b = binary.BigEndian.AppendUint64(b, uint64(f.dataSize))
	b = binary.BigEndian.AppendUint32(b, f.tableSum)
	return binary.BigEndian.AppendUint32(b, footerSum(b[start:], id))
}

// footerSum returns the checksum of a footer without its last field. It covers
// the id too: a file under another name is damage.
func footerSum(b []byte, id string) uint32 {
	return crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, []byte(id))
}

// parseFooter decodes the footer of the blob id, whose file has fileSize bytes.
// Its errors wrap [blob.ErrCorrupt] and do not name the blob.
func parseFooter(b []byte, id string, fileSize int64) (footer, error) {
	var f footer
	if len(b) != footerSize || string(b[:8]) != magic {
		return f, fmt.Errorf("%w: no footer", blob.ErrCorrupt)
	}
	if got := binary.BigEndian.Uint32(b[28:]); got != footerSum(b[:28], id) {
		return f, fmt.Errorf("%w: checksum of the footer", blob.ErrCorrupt)
	}
	if v := binary.BigEndian.Uint32(b[8:]); v != version {
		return f, fmt.Errorf("%w: version %d, want %d", blob.ErrCorrupt, v, version)
	}
	if n := binary.BigEndian.Uint32(b[12:]); n != blob.BlockSize {
		return f, fmt.Errorf("%w: block size %d, want %d", blob.ErrCorrupt, n, blob.BlockSize)
	}
	size := binary.BigEndian.Uint64(b[16:])
	if size > maxDataSize || fileSizeOf(int64(size)) != fileSize {
		return f, fmt.Errorf("%w: %d bytes of data in a file of %d", blob.ErrCorrupt, size, fileSize)
	}
	f.dataSize = int64(size)
	f.tableSum = binary.BigEndian.Uint32(b[24:])
	return f, nil
}

// blocksOf returns the number of blocks of dataSize bytes.
func blocksOf(dataSize int64) int64 {
	return (dataSize + blob.BlockSize - 1) / blob.BlockSize
}

// fileSizeOf returns the size of the file that holds dataSize bytes of data.
func fileSizeOf(dataSize int64) int64 {
	return dataSize + sumSize*blocksOf(dataSize) + footerSize
}
