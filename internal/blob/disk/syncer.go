package disk

import (
	"sync"
	"sync/atomic"

	"coffer/internal/durable"
)

// A dirSyncer syncs directories, and shares one sync between all callers that
// wait for the same directory: a sync covers what was renamed before it began.
type dirSyncer struct {
	fsys  durable.FS
	syncs *atomic.Uint64

	mu   sync.Mutex
	dirs map[string]*dirQueue
}

// A dirQueue is the queue of one directory. It stays for good: there are 256.
type dirQueue struct {
	running sync.Mutex // held during a sync
	next    *syncRound // not begun; guarded by dirSyncer.mu
}

// A syncRound is one sync of one directory.
type syncRound struct {
	done chan struct{}
	err  error // set before done is closed
}

// sync makes the names in dir durable that were there when it was called.
func (d *dirSyncer) sync(dir string) error {
	d.mu.Lock()
	q := d.dirs[dir]
	if q == nil {
		if d.dirs == nil {
			d.dirs = map[string]*dirQueue{}
		}
		q = &dirQueue{}
		d.dirs[dir] = q
	}
	if r := q.next; r != nil {
		d.mu.Unlock()
		<-r.done
		return r.err
	}
	r := &syncRound{done: make(chan struct{})}
	q.next = r
	d.mu.Unlock()

	q.running.Lock()
	d.mu.Lock()
	q.next = nil // who comes now may be too late for this sync
	d.mu.Unlock()
	r.err = d.fsys.SyncDir(dir)
	q.running.Unlock()
	d.syncs.Add(1)
	close(r.done)
	return r.err
}
