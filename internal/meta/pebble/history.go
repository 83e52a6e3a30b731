package pebble

import (
	"bytes"
	"hash/maphash"

	"github.com/google/btree"
)

// A span is a range of keys that a transaction has read. A nil end has no
// upper bound.
type span struct{ start, end []byte }

// A history remembers which rows the latest groups wrote, as far back as a
// transaction under way may have read. It belongs to the committer.
//
// Versions count groups: a transaction that read at version v conflicts with a
// group of a version above v that wrote what it read. Single rows are found by
// a 64-bit hash of their key; two keys with one hash make a conflict that is
// none, and a retry.
type history struct {
	seed   maphash.Seed
	last   map[uint64]uint64 // key hash: version of the last group that wrote it
	groups []*group          // from the oldest version to the newest
	spare  []*group          // emptied, to be used again
	bytes  int               // of the keys in groups
	floor  uint64            // of older reads the history knows nothing
	nodes  *btree.FreeListG[[]byte]
}

// A group is the keys that one group of transactions wrote.
type group struct {
	version uint64
	keys    *btree.BTreeG[[]byte]
	hashes  []uint64
	arena   []byte // holds the keys
}

// maxHistoryBytes bounds the keys that a slow transaction makes the history
// keep. Beyond it the slow transaction is run again.
const maxHistoryBytes = 64 << 20

func newHistory(seed maphash.Seed) *history {
	return &history{
		seed:  seed,
		last:  make(map[uint64]uint64),
		nodes: btree.NewFreeListG[[]byte](1024),
	}
}

// begin adds an empty group, which the following calls of add fill.
func (h *history) begin(version uint64) {
	var g *group
	if n := len(h.spare); n > 0 {
		g, h.spare = h.spare[n-1], h.spare[:n-1]
	} else {
		g = &group{keys: btree.NewWithFreeListG(16, func(a, b []byte) bool { return bytes.Compare(a, b) < 0 }, h.nodes)}
	}
	g.version = version
	h.groups = append(h.groups, g)
}

// add notes that the newest group writes key.
func (h *history) add(key []byte) {
	g := h.groups[len(h.groups)-1]
	start := len(g.arena)
	g.arena = append(g.arena, key...)
	g.keys.ReplaceOrInsert(g.arena[start:len(g.arena):len(g.arena)])
	hash := maphash.Bytes(h.seed, key)
	g.hashes = append(g.hashes, hash)
	h.last[hash] = g.version
	h.bytes += len(key)
}

// conflict returns the version of a group that wrote what was read at version
// at, or 0.
func (h *history) conflict(at uint64, points []uint64, spans []span) uint64 {
	if at < h.floor {
		return h.floor
	}
	for _, hash := range points {
		if v := h.last[hash]; v > at {
			return v
		}
	}
	if len(spans) == 0 {
		return 0
	}
	for i := len(h.groups) - 1; i >= 0 && h.groups[i].version > at; i-- {
		for _, s := range spans {
			if h.groups[i].wrote(s) {
				return h.groups[i].version
			}
		}
	}
	return 0
}

func (g *group) wrote(s span) bool {
	found := false
	g.keys.AscendGreaterOrEqual(s.start, func(key []byte) bool {
		found = s.end == nil || bytes.Compare(key, s.end) < 0
		return false
	})
	return found
}

// prune forgets the groups up to version oldest, and more if the keys are too
// many.
func (h *history) prune(oldest uint64) {
	n := 0
	for n < len(h.groups) && (h.groups[n].version <= oldest || h.bytes > maxHistoryBytes) {
		g := h.groups[n]
		for _, hash := range g.hashes {
			if h.last[hash] == g.version {
				delete(h.last, hash)
			}
		}
		h.bytes -= len(g.arena)
		h.floor = g.version
		g.keys.Clear(true)
		g.hashes, g.arena = g.hashes[:0], g.arena[:0]
		if len(h.spare) < 8 && cap(g.arena) < 1<<20 {
			h.spare = append(h.spare, g)
		}
		n++
	}
	if n == 0 {
		return
	}
	kept := copy(h.groups, h.groups[n:])
	clear(h.groups[kept:])
	h.groups = h.groups[:kept]
}
