package durable

import "unsafe"

// AlignSize is the alignment in memory and in the file, and the unit of length,
// of reads and writes on a file opened with [Direct]: 4 KiB, the largest
// logical block of common disks and the page size of common machines.
const AlignSize = 4096

// NewBuffer returns a buffer of size bytes whose address is a multiple of
// [AlignSize].
func NewBuffer(size int) []byte {
	b := make([]byte, size+AlignSize-1)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (AlignSize - 1)
	return b[skip : skip+size : skip+size]
}

// A BufferPool hands out aligned buffers of one size and takes them back. A
// page that was touched before is cheaper than a fresh one, on virtual machines
// by far. It is safe for concurrent use.
type BufferPool struct {
	size int
	free chan []byte
}

// NewBufferPool returns a pool of buffers of size bytes that keeps up to keep
// free ones.
func NewBufferPool(size, keep int) *BufferPool {
	return &BufferPool{size: size, free: make(chan []byte, keep)}
}

// Get returns a buffer with unspecified contents.
func (p *BufferPool) Get() []byte {
	select {
	case b := <-p.free:
		return b
	default:
		return NewBuffer(p.size)
	}
}

// Put takes back a buffer that Get returned and nobody uses any more.
func (p *BufferPool) Put(b []byte) {
	select {
	case p.free <- b[:p.size]:
	default: // enough of them: leave it to the collector
	}
}
