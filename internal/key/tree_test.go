package key

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

func wholeTree(t testing.TB) frontier {
	t.Helper()
	s := randomSecret(t)
	return treeRoot(7, &s)
}

func TestPunctureRemovesExactlyTheLeaves(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	tests := []struct {
		name   string
		leaves []uint32
	}{
		{"first", []uint32{0}},
		{"last", []uint32{leafCount - 1}},
		{"siblings", []uint32{6, 7}},
		{"a run", []uint32{3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}},
		{"far apart", []uint32{0, 1 << 10, 1 << 15, leafCount - 1}},
		{"random", func() (out []uint32) {
			for range 300 {
				out = append(out, rnd.Uint32N(4096))
			}
			slices.Sort(out)
			return slices.Compact(out)
		}()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			whole := wholeTree(t)
			all := whole.puncture(tt.leaves)
			one := whole
			for _, l := range tt.leaves {
				one = one.puncture([]uint32{l})
			}
			if !slices.Equal(all, one) {
				t.Error("puncturing all at once and one by one differ")
			}
			for _, l := range tt.leaves {
				if _, ok := all.leaf(l); ok || all.covers(l) {
					t.Errorf("punctured leaf %d derives", l)
				}
				for pos := uint32(leafCount) + l; pos > 0; pos /= 2 {
					if _, ok := all.derive(pos); ok {
						t.Errorf("node %d above punctured leaf %d derives", pos, l)
					}
				}
			}
			try := []uint32{0, 1, 2, leafCount - 2, leafCount - 1}
			for _, l := range tt.leaves {
				try = append(try, l+1, l-1, l^1, l^2)
			}
			for _, l := range try {
				if l >= leafCount || slices.Contains(tt.leaves, l) {
					continue
				}
				a, okA := whole.leaf(l)
				b, okB := all.leaf(l)
				if !okA || !okB || a != b {
					t.Fatalf("leaf %d derives %v, %v before and after", l, okA, okB)
				}
			}
			if got, want := all.spans(), without([]span{{0, leafCount}}, tt.leaves); !slices.Equal(got, want) {
				t.Errorf("spans %v; want %v", got, want)
			}
			back, err := parseFrontier(all.appendTo(nil))
			if err != nil || !slices.Equal(back, all) {
				t.Errorf("parseFrontier: %v", err)
			}
			if n := countNodes(1, tt.leaves); n != len(all) {
				t.Errorf("countNodes = %d; want %d", n, len(all))
			}
		})
	}
}

func TestPunctureTheWholeTreeLeavesNothing(t *testing.T) {
	whole := wholeTree(t)
	lower := whole.puncture([]uint32{leafCount - 1})
	lower = lower[len(lower)-1:] // the last two leaves' left one
	gone := lower.puncture([]uint32{first(lower[0].pos)})
	if len(gone) != 0 {
		t.Errorf("%d nodes left", len(gone))
	}
	if _, ok := gone.next(0); ok {
		t.Error("a leaf is left")
	}
	if f, err := parseFrontier(gone.appendTo(nil)); err != nil || len(f) != 0 {
		t.Errorf("parseFrontier of none = %d, %v", len(f), err)
	}
}

func TestNextSkipsPuncturedLeaves(t *testing.T) {
	f := wholeTree(t).puncture([]uint32{0, 1, 2, 5, leafCount - 1})
	for _, tt := range []struct {
		from, want uint32
		ok         bool
	}{{0, 3, true}, {2, 3, true}, {4, 4, true}, {5, 6, true}, {leafCount - 2, leafCount - 2, true}, {leafCount - 1, 0, false}, {leafCount, 0, false}} {
		if got, ok := f.next(tt.from); got != tt.want || ok != tt.ok {
			t.Errorf("next(%d) = %d, %v; want %d, %v", tt.from, got, ok, tt.want, tt.ok)
		}
	}
}

func TestProofFindsWhatIsWrong(t *testing.T) {
	old := wholeTree(t)
	gone := []uint32{5, 9}
	good := old.puncture(gone)
	draw := rand.NewChaCha8([32]byte{1})
	if err := proveShard(old, good, gone, true, draw); err != nil {
		t.Fatal(err)
	}
	if err := proveShard(old, good, nil, false, draw); err != nil {
		t.Fatal(err)
	}
	altered := slices.Clone(good)
	for i := range altered {
		altered[i].key[0] ^= 1
	}
	tests := []struct {
		name string
		next frontier
	}{
		{"a leaf is not punctured", old.puncture(gone[:1])},
		{"nothing is punctured", old},
		{"a survivor is lost", good[1:]},
		{"one leaf too many", old.puncture([]uint32{5, 9, 10})},
		{"other secrets", altered},
		{"another tree", wholeTree(t).puncture(gone)},
		{"nothing is left", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if proveShard(old, tt.next, gone, true, draw) == nil {
				t.Error("it proves")
			}
		})
	}
	if proveShard(good, old, nil, false, draw) == nil {
		t.Error("a frontier that got a leaf back proves")
	}
}

// countNodes returns the size of the frontier of the subtree at pos without
// leaves, which are sorted and below it, from their places alone.
func countNodes(pos uint32, leaves []uint32) int {
	if len(leaves) == 0 {
		return 1
	}
	if depth(pos) == treeDepth {
		return 0
	}
	mid, _ := slices.BinarySearch(leaves, first(2*pos+1))
	return countNodes(2*pos, leaves[:mid]) + countNodes(2*pos+1, leaves[mid:])
}

// frontierBytes returns the size of all sealed frontiers when shreds of the
// leaves taken so far are punctured, at random.
func frontierBytes(taken, shreds int, rnd *rand.Rand) int {
	perShard := taken / shardCount
	gone := make([][]uint32, shardCount)
	seen := make([]bool, shardCount*perShard)
	for shreds > 0 {
		i := rnd.IntN(len(seen))
		if !seen[i] {
			seen[i] = true
			gone[i%shardCount] = append(gone[i%shardCount], uint32(i/shardCount))
			shreds--
		}
	}
	size := 0
	for _, g := range gone {
		if len(g) > 0 {
			slices.Sort(g)
			size += 1 + gcmOverhead + nodeSize*countNodes(1, g)
		}
	}
	return size
}

// The sizes that docs/spec/key-hierarchy.md states.
func TestFrontierSizes(t *testing.T) {
	const mib = 1 << 20
	rnd := rand.New(rand.NewPCG(3, 4))
	tests := []struct {
		taken, shreds int
		atMost        float64 // MiB
	}{
		{11_000_000, 10_000, 3.8},
		{11_000_000, 1_000_000, 125},
		{1 << 24, 10_000, 3.8},
		{1 << 24, 1_000_000, 125},
	}
	for _, tt := range tests {
		got := float64(frontierBytes(tt.taken, tt.shreds, rnd)) / mib
		t.Logf("%8d leaves taken, %7d shredded: %.2f MiB", tt.taken, tt.shreds, got)
		if got > tt.atMost {
			t.Errorf("%d of %d leaves: %.2f MiB; want at most %v", tt.shreds, tt.taken, got, tt.atMost)
		}
	}
}

func FuzzParseFrontier(f *testing.F) {
	whole := wholeTree(f)
	f.Add(whole.appendTo(nil))
	f.Add(whole.puncture([]uint32{3, 77}).appendTo(nil))
	f.Add([]byte{})
	f.Add(make([]byte, nodeSize))
	f.Add(bytes.Repeat([]byte{0xff}, 2*nodeSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := parseFrontier(b)
		if err != nil {
			return
		}
		if !bytes.Equal(got.appendTo(nil), b) {
			t.Error("the encoding is not unique")
		}
		for _, s := range got.spans() {
			if s.lo >= s.hi || s.hi > leafCount {
				t.Errorf("span %v", s)
			}
			if _, ok := got.leaf(s.lo); !ok {
				t.Errorf("leaf %d of a span does not derive", s.lo)
			}
		}
	})
}
