package trail

import (
	"context"
	"fmt"

	"coffer/internal/meta"
)

// A transaction takes that many pending events or bytes, and as soon as so many
// wait they are written without waiting for the next flush.
const (
	chunkEvents = 4096
	chunkBytes  = 4 << 20
)

// Append records the event of a call that changed nothing: a read, before its
// first byte leaves, a denial, or a change that failed. The event's Time and ID
// are set if they are not yet; it is encoded before Append returns.
//
// Without Config.SyncReads it returns at once, and the event survives a crash
// after the next flush. With it, Append returns when the event is durable, or
// with ctx's error, and then the event may become durable later.
//
// [ErrUnavailable] means that the call must not be served.
func (t *Trail) Append(ctx context.Context, ev *Event) error {
	if err := ev.stamp(t.now, t.rand); err != nil {
		return err
	}
	buf := buffers.Get().(*[]byte)
	*buf = ev.AppendJSON((*buf)[:0])
	value := append([]byte(nil), *buf...)
	buffers.Put(buf)

	b, err := t.enqueue(value)
	if err != nil || !t.syncReads {
		return err
	}
	select {
	case <-b.done:
		if b.err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, b.err)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// enqueue numbers an encoded event and puts it among the pending ones.
func (t *Trail) enqueue(value []byte) (*batch, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return nil, ErrClosed
	case t.syncReads && t.failed != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, t.failed)
	case len(t.pending) >= t.maxPending || t.pendingBytes+len(value) > t.maxBytes:
		if t.failed != nil {
			return nil, fmt.Errorf("%w: %d events wait: %w", ErrUnavailable, len(t.pending), t.failed)
		}
		return nil, fmt.Errorf("%w: %d events wait", ErrUnavailable, len(t.pending))
	}
	t.pending = append(t.pending, row{t.next, value})
	t.pendingBytes += len(value)
	t.next++
	if t.syncReads || t.failed == nil && (len(t.pending) >= chunkEvents || t.pendingBytes >= chunkBytes) {
		select {
		case t.kick <- struct{}{}:
		default:
		}
	}
	return t.batch, nil
}

// writePending makes the pending events durable, in order. What it can't write
// stays pending. The caller holds the flushing token.
func (t *Trail) writePending(ctx context.Context) error {
	t.mu.Lock()
	rows, b := t.pending, t.batch
	t.batch = newBatch()
	t.mu.Unlock()

	for len(rows) > 0 && b.err == nil {
		n := chunk(rows)
		b.err = t.store.Update(ctx, func(txn meta.Txn) error {
			for _, r := range rows[:n] {
				if err := txn.Put(eventKey(t.node, r.number), r.value); err != nil {
					return err
				}
			}
			return nil
		})
		if b.err == nil {
			t.written(rows[:n])
			rows = rows[n:]
		}
	}
	close(b.done)

	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case b.err != nil && t.failed == nil:
		t.log.Error("trail can't be written", "node", t.node, "pending", len(t.pending), "error", b.err)
	case b.err == nil && t.failed != nil:
		t.log.Info("trail is written again", "node", t.node)
	}
	t.failed = b.err
	return b.err
}

// chunk returns how many of rows, at least one, one transaction takes.
func chunk(rows []row) int {
	n, size := 0, 0
	for n < len(rows) && n < chunkEvents && size < chunkBytes {
		size += len(rows[n].value)
		n++
	}
	return n
}

// written takes durable rows, which are the oldest, off the pending ones.
func (t *Trail) written(rows []row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range rows {
		t.pendingBytes -= len(rows[i].value)
		rows[i].value = nil // the array behind pending lives on
	}
	if t.pending = t.pending[len(rows):]; len(t.pending) == 0 {
		t.pending = nil
	}
}
