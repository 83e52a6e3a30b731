package trail

import (
	"sync"
	"time"

	"coffer/internal/meta"
)

// A Record is the event of one change under way: [Trail.Begin] makes it, Put
// writes it into the change's transaction, and End says that the transaction is
// over.
type Record struct {
	t      *Trail
	ev     *Event
	number uint64
	began  time.Time
	err    error // why it can't be put, set by Begin only

	// Guarded by t.mu.
	prev, next *Record // among the open records
	put        bool    // Put was called
	ended      bool    // End was called, or the trail is closed
	lost       bool    // given up by the linker
}

// Begin numbers the event of a change. Call it right before the transaction, and
// End right after, at best deferred: no event with a higher number is linked in
// between.
//
// The record keeps ev, which the transaction function may complete before it
// calls Put; its Time and its ID are set now if they are not yet.
func (t *Trail) Begin(ev *Event) *Record {
	r := &Record{t: t, ev: ev, began: t.now()}
	r.err = ev.stamp(t.now, t.rand)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		r.ended, r.err = true, ErrClosed
		return r
	}
	r.number = t.next
	t.next++
	if r.prev = t.last; r.prev != nil {
		r.prev.next = r
	} else {
		t.first = r
	}
	t.last = r
	return r
}

// Put writes the event, as it is now, into the transaction of its change. It may
// run more than once, as transaction functions do. An error must abort the
// transaction: it is the store's, or [ErrEnded] or [ErrClosed].
func (r *Record) Put(txn meta.Txn) error {
	t := r.t
	t.mu.Lock()
	err := r.err
	switch {
	case err != nil:
	case r.ended || r.lost:
		err = ErrEnded
	case t.closed:
		err = ErrClosed
	default:
		r.put = true
	}
	t.mu.Unlock()
	if err != nil {
		return err
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	*buf = r.ev.AppendJSON((*buf)[:0])
	return txn.Put(eventKey(t.node, r.number), *buf)
}

// buffers holds the space in which events are encoded.
var buffers = sync.Pool{New: func() any { return new(make([]byte, 0, 2<<10)) }}

// End says that the transaction has ended, with whatever outcome: the linker
// finds the event in the store, or leaves a gap. Ending a record again does
// nothing.
func (r *Record) End() {
	t := r.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.ended {
		return
	}
	r.ended = true
	if !r.lost {
		t.forget(r)
	} else if r.put {
		t.late = append(t.late, r.number)
	}
}

// forget takes r off the open records. t.mu is held.
func (t *Trail) forget(r *Record) {
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		t.first = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	} else {
		t.last = r.prev
	}
	r.prev, r.next = nil, nil
}

// giveUp forgets the records that have been open for too long, so that one that
// nobody ends does not keep the rest from being linked. t.mu is held.
func (t *Trail) giveUp() {
	for deadline := t.now().Add(-leakAfter); t.first != nil && t.first.began.Before(deadline); {
		r := t.first
		r.lost = true
		t.forget(r)
		t.log.Error("trail record was not ended in time", "node", t.node, "number", r.number, "open_for", leakAfter)
	}
}
