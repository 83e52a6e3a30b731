package sealed

import "sync"

// Working buffers are pooled: allocating and clearing them anew would cost more
// than the cipher. Plaintext stays in a buffer until its next user overwrites
// it; only this package sees them.
const (
	// maxSealed is the size of the longest sealed segment.
	maxSealed = SegmentSize + 2*Overhead
	// batch is how many segments a reader fetches at once: enough to make the
	// cost of a read small, and less than half of a usual second-level cache.
	batch = 4
	// front is where a reader puts the first sealed segment. Before it lie the
	// header, if it is read too, and room for one opened segment.
	front = SegmentSize + MaxHeaderSize
	// tail is one byte after the last segment, where nothing may follow.
	tail = 1
)

type (
	smallBuffer [front + maxSealed + tail]byte
	batchBuffer [front + batch*maxSealed + tail]byte
)

var (
	smallPool = sync.Pool{New: func() any { return new(smallBuffer) }}
	batchPool = sync.Pool{New: func() any { return new(batchBuffer) }}
)

// A buffer is a pooled buffer, or nothing.
type buffer struct {
	small *smallBuffer
	batch *batchBuffer
}

// take makes b hold n segments, and returns its bytes.
func (b *buffer) take(segments int64) []byte {
	if b.batch != nil {
		return b.batch[:]
	}
	if segments <= 1 {
		if b.small == nil {
			b.small = smallPool.Get().(*smallBuffer)
		}
		return b.small[:]
	}
	b.release()
	b.batch = batchPool.Get().(*batchBuffer)
	return b.batch[:]
}

// release gives the buffer back. Slices of it must not be used any more.
func (b *buffer) release() {
	if b.small != nil {
		smallPool.Put(b.small)
	}
	if b.batch != nil {
		batchPool.Put(b.batch)
	}
	*b = buffer{}
}
