package key

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"sort"
)

const (
	// shardCount is the number of trees. With a fresh secret for each
	// touched tree, an epoch change rewrites only what it touches.
	shardCount = 1024
	// treeDepth is the depth of each tree: 2^20 leaves, 2^30 in all. Leaves
	// are taken from the left, so the depth that is not in use costs at most
	// one node for each level and touched shard; docs/spec/key-hierarchy.md
	// has the sizes.
	treeDepth = 20
	leafCount = 1 << treeDepth
	// nodeSize is the size of a node in a frontier: its position in 3
	// bytes, which hold any below 2^(treeDepth+1), and its secret.
	nodeSize = 3 + 32
)

// A leaf is one leaf of one tree.
type leaf struct {
	shard uint16
	index uint32 // below leafCount
}

func (l leaf) String() string { return fmt.Sprintf("%d/%d", l.shard, l.index) }

func (l leaf) compare(m leaf) int {
	if l.shard != m.shard {
		return int(l.shard) - int(m.shard)
	}
	return int(l.index) - int(m.index)
}

// A node is an inner node or a leaf of a tree. Its position is that of a heap:
// the root has 1, the children of p have 2p and 2p+1.
type node struct {
	pos uint32
	key Secret
}

// first returns the first leaf below the node at pos.
func first(pos uint32) uint32 { return pos<<(treeDepth-depth(pos)) - leafCount }

// end returns the leaf after the last one below the node at pos.
func end(pos uint32) uint32 { return (pos+1)<<(treeDepth-depth(pos)) - leafCount }

func depth(pos uint32) int { return bits.Len32(pos) - 1 }

// children derives both children of n: the halves of
// HMAC-SHA-512(n.key, "coffer/v1/tree").
//
// Source: Goldreich, Goldwasser and Micali, "How to Construct Random
// Functions", J. ACM 33(4), 1986; here the generator is HMAC.
func (n *node) children() (left, right node) {
	m := hmac.New(sha512.New, n.key[:])
	m.Write([]byte(labelTree))
	var sum [64]byte
	m.Sum(sum[:0])
	left.pos, right.pos = 2*n.pos, 2*n.pos+1
	copy(left.key[:], sum[:32])
	copy(right.key[:], sum[32:])
	clear(sum[:])
	return left, right
}

// A frontier is the nodes that still cover the living leaves of one tree, from
// left to right and without overlap. It is not changed after it is made, except
// to be wiped.
type frontier []node

// find returns the index of the first node whose leaves end after index.
func (f frontier) find(index uint32) int {
	return sort.Search(len(f), func(i int) bool { return end(f[i].pos) > index })
}

// covers reports whether the leaf index is living.
func (f frontier) covers(index uint32) bool {
	i := f.find(index)
	return i < len(f) && first(f[i].pos) <= index
}

// next returns the first living leaf at or after index.
func (f frontier) next(index uint32) (uint32, bool) {
	i := f.find(index)
	if i == len(f) {
		return 0, false
	}
	return max(index, first(f[i].pos)), true
}

// derive returns the secret of the node at pos, if f covers all of it.
func (f frontier) derive(pos uint32) (Secret, bool) {
	i := f.find(first(pos))
	if i == len(f) {
		return Secret{}, false
	}
	n := f[i]
	down := depth(pos) - depth(n.pos)
	if down < 0 || pos>>down != n.pos {
		return Secret{}, false
	}
	for down--; down >= 0; down-- {
		l, r := n.children()
		if pos>>down&1 == 0 {
			n = l
		} else {
			n = r
		}
		l.key.Wipe()
		r.key.Wipe()
	}
	return n.key, true
}

// leaf returns the secret of the leaf index, if it is living.
func (f frontier) leaf(index uint32) (Secret, bool) { return f.derive(leafCount + index) }

// puncture returns f without the leaves, which are sorted. Each that f covers is
// replaced by the siblings along its path.
func (f frontier) puncture(leaves []uint32) frontier {
	// The most nodes there can be: so growing leaves no stray copy behind.
	out := make(frontier, 0, min(len(f)+treeDepth*len(leaves), leafCount))
	for i := range f {
		lo, _ := slices.BinarySearch(leaves, first(f[i].pos))
		hi, _ := slices.BinarySearch(leaves, end(f[i].pos))
		out = split(out, &f[i], leaves[lo:hi])
	}
	kept := slices.Clone(out)
	wipe(out)
	return kept
}

// split appends what remains of n without leaves, all of which are below n.
func split(out frontier, n *node, leaves []uint32) frontier {
	if len(leaves) == 0 {
		return append(out, *n)
	}
	if depth(n.pos) == treeDepth {
		return out
	}
	l, r := n.children()
	mid, _ := slices.BinarySearch(leaves, first(r.pos))
	out = split(out, &l, leaves[:mid])
	out = split(out, &r, leaves[mid:])
	l.key.Wipe()
	r.key.Wipe()
	return out
}

// wipe overwrites the secrets of f.
func wipe(f frontier) { clear(f[:cap(f)]) }

// A span is the leaves from lo to hi-1.
type span struct{ lo, hi uint32 }

// spans returns the living leaves as the fewest spans, in order.
func (f frontier) spans() []span {
	var out []span
	for i := range f {
		s := span{first(f[i].pos), end(f[i].pos)}
		if len(out) > 0 && out[len(out)-1].hi == s.lo {
			out[len(out)-1].hi = s.hi
		} else {
			out = append(out, s)
		}
	}
	return out
}

// without returns spans less the leaves, which are sorted and unique.
func without(spans []span, leaves []uint32) []span {
	var out []span
	for _, s := range spans {
		i, _ := slices.BinarySearch(leaves, s.lo)
		for ; i < len(leaves) && leaves[i] < s.hi; i++ {
			if s.lo < leaves[i] {
				out = append(out, span{s.lo, leaves[i]})
			}
			s.lo = leaves[i] + 1
		}
		if s.lo < s.hi {
			out = append(out, s)
		}
	}
	return out
}

// appendTo appends the encoding of f: for each node its position, in 3 bytes,
// most significant first, and its secret.
func (f frontier) appendTo(b []byte) []byte {
	for i := range f {
		var p [4]byte
		binary.BigEndian.PutUint32(p[:], f[i].pos)
		b = append(b, p[1:]...)
		b = append(b, f[i].key[:]...)
	}
	return b
}

// parseFrontier decodes what appendTo wrote.
func parseFrontier(b []byte) (frontier, error) {
	if len(b)%nodeSize != 0 {
		return nil, fmt.Errorf("%w: frontier of %d bytes", ErrDamagedRoot, len(b))
	}
	f := make(frontier, 0, len(b)/nodeSize)
	after := uint32(0)
	for ; len(b) > 0; b = b[nodeSize:] {
		pos := uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2])
		if pos == 0 || pos >= 2*leafCount || first(pos) < after {
			wipe(f)
			return nil, fmt.Errorf("%w: position %d in a frontier", ErrDamagedRoot, pos)
		}
		after = end(pos)
		f = append(f, node{pos, Secret(b[3:nodeSize])})
	}
	return f, nil
}
