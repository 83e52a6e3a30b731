package trail

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"coffer/internal/hashchain"
	"coffer/internal/meta"
)

// A link row, version 1, is
//
//	version 01 | through 8 | prev 32 | (number 8 | hash 32) ...
//
// with at least one entry. prev is the hash of the chain before the first entry,
// through the highest number that the chain names so far.
const (
	linkVersion   = 1
	linkHeader    = 1 + 8 + hashchain.Size
	linkEntry     = 8 + hashchain.Size
	maxLinkEvents = 1000 // entries in one row: 40 KB
)

// errLink means that a link row can't be decoded.
var errLink = errors.New("trail: malformed link row")

// A linkRow continues a node's chain. The zero linkRow stands before the first.
type linkRow struct {
	through uint64
	prev    hashchain.Hash
	entries []hashchain.Link
}

// head returns the hash after the last entry.
func (l *linkRow) head() hashchain.Hash { return l.entries[len(l.entries)-1].Hash }

func (l *linkRow) encode() []byte {
	b := make([]byte, 0, linkHeader+len(l.entries)*linkEntry)
	b = append(b, linkVersion)
	b = binary.BigEndian.AppendUint64(b, l.through)
	b = append(b, l.prev[:]...)
	for _, e := range l.entries {
		b = binary.BigEndian.AppendUint64(b, e.Number)
		b = append(b, e.Hash[:]...)
	}
	return b
}

func decodeLink(b []byte) (linkRow, error) {
	if len(b) < linkHeader+linkEntry || (len(b)-linkHeader)%linkEntry != 0 || b[0] != linkVersion {
		return linkRow{}, errLink
	}
	l := linkRow{through: binary.BigEndian.Uint64(b[1:]), prev: hashchain.Hash(b[9:])}
	l.entries = make([]hashchain.Link, 0, (len(b)-linkHeader)/linkEntry)
	for b = b[linkHeader:]; len(b) > 0; b = b[linkEntry:] {
		l.entries = append(l.entries, hashchain.Link{Number: binary.BigEndian.Uint64(b), Hash: hashchain.Hash(b[8:])})
	}
	return l, nil
}

// Row keys. Numbers count from 1, as 8 bytes, big-endian.

const (
	eventRows = "trail/event/"
	linkRows  = "trail/link/"
)

// rowPrefix returns the prefix of a node's keys, with room for a number.
func rowPrefix(rows, node string) []byte {
	b := make([]byte, 0, len(rows)+len(node)+1+8)
	b = append(b, rows...)
	b = append(b, node...)
	return append(b, '/')
}

func eventPrefix(node string) []byte { return rowPrefix(eventRows, node) }
func linkPrefix(node string) []byte  { return rowPrefix(linkRows, node) }

func eventKey(node string, number uint64) []byte {
	return binary.BigEndian.AppendUint64(eventPrefix(node), number)
}

func linkKey(node string, number uint64) []byte {
	return binary.BigEndian.AppendUint64(linkPrefix(node), number)
}

// numberOf returns the number at the end of a key.
func numberOf(key, prefix []byte) (uint64, error) {
	if len(key) != len(prefix)+8 {
		return 0, fmt.Errorf("trail: malformed row key %q", key)
	}
	return binary.BigEndian.Uint64(key[len(prefix):]), nil
}

// chainStart is the hash before the first event of a node.
func chainStart(node string) hashchain.Hash { return hashchain.Start("trail/" + node) }

// lastLink returns the newest link row of a node and its number, or zeros.
func lastLink(r meta.Reader, node string) (n uint64, l linkRow, err error) {
	newest := meta.Prefix(linkPrefix(node))
	newest.Reverse, newest.Limit = true, 1
	err = r.Scan(newest, func(key, value []byte) (bool, error) {
		if n, err = numberOf(key, linkPrefix(node)); err != nil {
			return false, err
		}
		if l, err = decodeLink(value); err != nil {
			return false, fmt.Errorf("link %d of %s: %w", n, node, err)
		}
		return false, nil
	})
	return n, l, err
}

// link continues the chain over every event whose transaction has ended, in the
// order of their numbers. The caller holds the flushing token, or is New.
func (t *Trail) link(ctx context.Context) error {
	t.mu.Lock()
	t.giveUp()
	end := t.next
	if t.first != nil {
		end = min(end, t.first.number)
	}
	if len(t.pending) > 0 {
		end = min(end, t.pending[0].number)
	}
	late := t.late
	t.late = nil
	t.mu.Unlock()

	for t.linkedTo < end || len(late) > 0 {
		more := false
		err := t.store.Update(ctx, func(txn meta.Txn) (err error) {
			more, err = linkSome(txn, t.node, end, late)
			return err
		})
		if err != nil {
			t.mu.Lock()
			t.late = append(t.late, late...)
			t.mu.Unlock()
			return err
		}
		late = nil
		if !more {
			t.linkedTo = end
		}
	}
	return nil
}

// linkSome writes one link row over events below end that follow the chain, and
// over late ones. It reports whether more may follow.
func linkSome(txn meta.Txn, node string, end uint64, late []uint64) (more bool, err error) {
	n, last, err := lastLink(txn, node)
	if err != nil {
		return false, err
	}
	row := linkRow{through: last.through, prev: chainStart(node)}
	if n > 0 {
		row.prev = last.head()
	}
	head := row.prev
	add := func(number uint64, value []byte) {
		head = head.Next(number, value)
		row.entries = append(row.entries, hashchain.Link{Number: number, Hash: head})
		row.through = max(row.through, number)
	}
	for _, number := range late {
		value, err := lateEvent(txn, node, number, last.through)
		if err != nil {
			return false, err
		}
		if value != nil {
			add(number, value)
		}
	}
	after := meta.Range{Start: eventKey(node, last.through+1), End: eventKey(node, end), Limit: maxLinkEvents}
	if last.through+1 < end {
		found := 0
		err = txn.Scan(after, func(key, value []byte) (bool, error) {
			number, err := numberOf(key, eventPrefix(node))
			if err != nil {
				return false, err
			}
			add(number, value)
			found++
			return true, nil
		})
		if err != nil {
			return false, err
		}
		more = found == maxLinkEvents
	}
	if len(row.entries) == 0 {
		return false, nil
	}
	return more, txn.Put(linkKey(node, n+1), row.encode())
}

// lateEvent returns an event that the linker went past before its transaction
// had ended, unless the transaction left none or it is linked after all.
func lateEvent(r meta.Reader, node string, number, through uint64) ([]byte, error) {
	if number > through {
		return nil, nil // the scan finds it
	}
	value, err := r.Get(eventKey(node, number))
	if errors.Is(err, meta.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// If it is linked, then by the row that went past the number or a newer one.
	newest := meta.Prefix(linkPrefix(node))
	newest.Reverse = true
	err = r.Scan(newest, func(_, b []byte) (bool, error) {
		l, err := decodeLink(b)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(l.entries, func(e hashchain.Link) bool { return e.Number == number }) {
			value = nil
			return false, nil
		}
		return l.through >= number, nil
	})
	return value, err
}
