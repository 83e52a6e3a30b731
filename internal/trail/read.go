package trail

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"coffer/internal/hashchain"
	"coffer/internal/meta"
)

// Nodes returns the names of the nodes that have a trail in the store, sorted.
func Nodes(ctx context.Context, store meta.Store) ([]string, error) {
	var nodes []string
	err := store.View(ctx, func(r meta.Reader) error {
		nodes = nil
		for next := []byte(eventRows); next != nil; {
			rows := meta.Range{Start: next, End: meta.PrefixEnd([]byte(eventRows)), Limit: 1}
			next = nil
			err := r.Scan(rows, func(key, _ []byte) (bool, error) {
				node, _, ok := strings.Cut(string(key[len(eventRows):]), "/")
				if !ok {
					return false, fmt.Errorf("trail: malformed row key %q", key)
				}
				nodes = append(nodes, node)
				next = meta.PrefixEnd(eventPrefix(node))
				return false, nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return nodes, err
}

// An Entry is an event at its place in a node's chain.
type Entry struct {
	Link   uint64 // the number of the link row that names it
	Number uint64
	Hash   hashchain.Hash
	JSON   []byte // owned by the receiver
}

// Scan calls fn for the linked events of a node in the order of the chain,
// beginning with those of link row from, until fn returns false or an error.
// Link rows count from 1, and every event is linked about a second after its
// call, never to change its place: a reader that has taken all events of a row
// goes on with the next one, and misses nothing.
//
// An event that is not there is an error; [Verify] tells what became of it.
func Scan(ctx context.Context, store meta.Store, node string, from uint64, fn func(Entry) (bool, error)) error {
	for n := max(from, 1); ; n++ {
		entries, err := entriesOf(ctx, store, node, n)
		if err != nil {
			return fmt.Errorf("trail: link %d of %s: %w", n, node, err)
		}
		if entries == nil {
			return nil
		}
		for _, e := range entries {
			more, err := fn(e)
			if err != nil || !more {
				return err
			}
		}
	}
}

// entriesOf returns what link row n names, or nil if there is none.
func entriesOf(ctx context.Context, store meta.Store, node string, n uint64) (entries []Entry, err error) {
	err = store.View(ctx, func(r meta.Reader) error {
		entries = nil
		b, err := r.Get(linkKey(node, n))
		if errors.Is(err, meta.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		l, err := decodeLink(b)
		if err != nil {
			return err
		}
		for _, e := range l.entries {
			value, err := r.Get(eventKey(node, e.Number))
			if err != nil {
				return fmt.Errorf("event %d: %w", e.Number, err)
			}
			entries = append(entries, Entry{Link: n, Number: e.Number, Hash: e.Hash, JSON: value})
		}
		return nil
	})
	return entries, err
}
