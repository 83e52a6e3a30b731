package meter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"coffer/internal/meta"
)

// Flush adds what was counted to the rows. What can't be written stays in memory
// for the next flush. If the store fails in the middle of a commit and has made it
// all the same, those calls are counted twice.
func (m *Meter) Flush(ctx context.Context) error {
	m.flushing.Lock()
	defer m.flushing.Unlock()
	m.collect()
	for {
		// Nobody but a flush changes or removes what is pending.
		batch := m.batch()
		if len(batch.tallies) == 0 && len(batch.last) == 0 {
			return nil
		}
		err := m.cfg.Meta.Update(ctx, func(tx meta.Txn) error {
			for p, t := range batch.tallies {
				if err := t.write(tx, p); err != nil {
					return err
				}
			}
			for k, u := range batch.last {
				if err := u.write(tx, k); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("write usage of keys: %w", err)
		}
		m.mu.Lock()
		for p := range batch.tallies {
			delete(m.pending.tallies, p)
		}
		for k := range batch.last {
			delete(m.pending.last, k)
		}
		m.mu.Unlock()
	}
}

// collect moves what the shards hold to what is pending.
func (m *Meter) collect() {
	m.mu.Lock()
	defer m.mu.Unlock()
	lost := uint64(0)
	for i := range m.shards {
		s := &m.shards[i]
		// m.mu is held: a reader finds what is here in one of both.
		s.mu.Lock()
		taken := s.held
		s.held = newHeld()
		s.mu.Unlock()
		for p, t := range taken.tallies {
			into, ok := m.pending.tallies[p]
			isRoom := ok || len(m.pending.tallies) < maxPending
			for _, c := range t {
				m.totals[Total{c.operation, c.class}] += c.n
				into = into.add(c.operation, c.class, c.n)
				if !isRoom {
					lost += c.n
				}
			}
			if isRoom {
				m.pending.tallies[p] = into
			}
		}
		for k, u := range taken.last {
			m.pending.note(k, &u)
		}
	}
	if lost > 0 {
		m.cfg.Log.Error("calls are not counted: too much waits to be written", "calls", m.dropped.Add(lost))
	}
}

// batch returns a part of what is pending.
func (m *Meter) batch() held {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := newHeld()
	for p, t := range m.pending.tallies {
		if len(out.tallies) == writeMost {
			break
		}
		out.tallies[p] = t
	}
	for k, u := range m.pending.last {
		if len(out.last) == writeMost {
			break
		}
		out.last[k] = u
	}
	return out
}

// write adds a tally to the row of its place.
func (t tally) write(tx meta.Txn, p place) error {
	key := callsKey(p)
	row, err := getRow[callsRow](tx, key)
	if errors.Is(err, meta.ErrNotFound) {
		row, err = new(callsRow), nil
	}
	if err != nil {
		return err
	}
	for _, c := range t {
		row.add(c)
	}
	return putRow(tx, key, row)
}

// write writes the last use of a key, unless the row has a newer one.
func (u *LastUse) write(tx meta.Txn, k Key) error {
	key := lastKey(k)
	old, err := getRow[lastRow](tx, key)
	switch {
	case errors.Is(err, meta.ErrNotFound):
	case err != nil:
		return err
	case old.At >= u.At.UnixNano():
		return nil
	}
	return putRow(tx, key, &lastRow{At: u.At.UnixNano(), Operation: u.Operation, Principal: u.Principal, Request: u.RequestID, Event: u.EventID})
}

// prune removes the calls of the months before the first one to keep.
func (m *Meter) prune(ctx context.Context, first Month) error {
	old := meta.Range{Start: []byte(rowCalls), End: []byte(rowCalls + first.String() + "/"), Limit: writeMost}
	for more := true; more; {
		err := m.cfg.Meta.Update(ctx, func(tx meta.Txn) error {
			var gone [][]byte
			err := tx.Scan(old, func(key, _ []byte) (bool, error) {
				gone = append(gone, slices.Clone(key))
				return true, nil
			})
			for _, key := range gone {
				err = errors.Join(err, tx.Delete(key))
			}
			more = len(gone) == writeMost
			return err
		})
		if err != nil {
			return fmt.Errorf("remove old usage of keys: %w", err)
		}
	}
	return nil
}

// LastUse returns the last use of a key. ok is false if none is known, since
// [Meter.Since].
func (m *Meter) LastUse(ctx context.Context, k Key) (use LastUse, ok bool, err error) {
	// First what is in memory: it only ever moves to the rows.
	use, ok = m.inMemory(k)
	err = m.cfg.Meta.View(ctx, func(r meta.Reader) error {
		row, err := getRow[lastRow](r, lastKey(k))
		if errors.Is(err, meta.ErrNotFound) {
			return nil
		}
		if err == nil && (!ok || row.At > use.At.UnixNano()) {
			use, ok = LastUse{At: time.Unix(0, row.At), Operation: row.Operation, Principal: row.Principal, RequestID: row.Request, EventID: row.Event}, true
		}
		return err
	})
	if err != nil {
		return LastUse{}, false, fmt.Errorf("last use of a key: %w", err)
	}
	use.At = use.At.UTC()
	return use, ok, nil
}

// inMemory returns the last use of a key that is not written.
func (m *Meter) inMemory(k Key) (use LastUse, ok bool) {
	see := func(h *held) {
		if u, found := h.last[k]; found && (!ok || u.At.After(use.At)) {
			use, ok = u, true
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	see(&m.pending)
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		see(&s.held)
		s.mu.Unlock()
	}
	return use, ok
}
