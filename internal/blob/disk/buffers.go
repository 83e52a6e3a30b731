package disk

import (
	"sync/atomic"

	"coffer/internal/durable"
)

const (
	// smallBuffer is the size of the first buffer of a writer. 256 uploads
	// that trickle hold 16 MiB.
	smallBuffer = 64 << 10
	// largeBuffer is the size of the later ones. On the machine measured
	// (2 cores, virtual disk, ext4) direct writes of 64 KiB reached 420 to
	// 650 MiB/s, of 256 KiB 1,000 to 1,330, of 512 KiB 1,260 to 1,340, of
	// 1 MiB 1,350.
	largeBuffer = 512 << 10
	// maxLarge is the number of large buffers in use at one time, 32 MiB of
	// them; beyond it writers go on with small ones.
	maxLarge = 64
	// keepSmall is the number of free small buffers kept, 4 MiB of them.
	keepSmall = 64
)

// buffers are the aligned buffers of all writers and checks of a store.
type buffers struct {
	small, large *durable.BufferPool
	largeInUse   atomic.Int64
}

func (b *buffers) init() {
	b.small = durable.NewBufferPool(smallBuffer, keepSmall)
	b.large = durable.NewBufferPool(largeBuffer, maxLarge)
}

// get returns a large buffer, or a small one if that is wanted or no large one
// is left.
func (b *buffers) get(wantSmall bool) []byte {
	if !wantSmall {
		if b.largeInUse.Add(1) <= maxLarge {
			return b.large.Get()
		}
		b.largeInUse.Add(-1)
	}
	return b.small.Get()
}

// put takes back a buffer of get, cut or not. A nil one is ignored.
func (b *buffers) put(buf []byte) {
	switch cap(buf) {
	case smallBuffer:
		b.small.Put(buf)
	case largeBuffer:
		b.large.Put(buf)
		b.largeInUse.Add(-1)
	}
}
