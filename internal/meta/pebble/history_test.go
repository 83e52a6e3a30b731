package pebble

import (
	"fmt"
	"hash/maphash"
	"testing"
)

func TestHistory(t *testing.T) {
	h := newHistory(maphash.MakeSeed())
	point := func(key string) []uint64 { return []uint64{maphash.String(h.seed, key)} }
	spans := func(start, end string) []span {
		if end == "" {
			return []span{{start: []byte(start)}}
		}
		return []span{{[]byte(start), []byte(end)}}
	}
	for i, keys := range [][]string{{"a", "c"}, {"m"}, {"c"}} {
		h.begin(uint64(i + 2)) // versions 2, 3, 4
		for _, k := range keys {
			h.add([]byte(k))
		}
	}
	check := func(name string, at uint64, points []uint64, spans []span, want uint64) {
		t.Helper()
		if got := h.conflict(at, points, spans); got != want {
			t.Errorf("%s: conflict(%d) = %d; want %d", name, at, got, want)
		}
	}
	check("nothing read", 1, nil, nil, 0)
	check("row of the first group", 1, point("a"), nil, 2)
	check("row read after the first group", 2, point("a"), nil, 0)
	check("row written twice", 2, point("c"), nil, 4)
	check("row nobody wrote", 1, point("b"), nil, 0)
	check("range with a row", 2, nil, spans("l", "n"), 3)
	check("range that ends below the row", 2, nil, spans("l", "m"), 0)
	check("range that starts above the row", 2, nil, spans("m\x00", "z"), 0)
	check("range without an end", 3, nil, spans("b", ""), 4)
	check("range read after all", 4, nil, spans("a", ""), 0)

	h.prune(3)
	check("after a prune, a later read", 3, point("c"), nil, 4)
	check("after a prune, a row that was forgotten", 3, point("m"), nil, 0)
	check("after a prune, a read from before it", 2, point("zzz"), nil, 3)
	h.prune(4)
	if len(h.last) != 0 || len(h.groups) != 0 || h.bytes != 0 {
		t.Errorf("a history without readers keeps %d rows, %d groups, %d bytes", len(h.last), len(h.groups), h.bytes)
	}
}

// TestHistoryIsBounded checks that a reader that never ends does not make the
// history grow without bounds.
func TestHistoryIsBounded(t *testing.T) {
	h := newHistory(maphash.MakeSeed())
	long := make([]byte, 8<<10)
	for v := uint64(2); v < 12_000; v++ {
		h.begin(v)
		h.add(fmt.Appendf(long[:0], "%08d", v)[:cap(long)])
		h.prune(1)
	}
	if h.bytes > maxHistoryBytes {
		t.Errorf("the history keeps %d bytes; want at most %d", h.bytes, maxHistoryBytes)
	}
	if got := h.conflict(1, nil, nil); got == 0 {
		t.Error("a read older than the history does not conflict")
	}
	if got := h.conflict(11_999, nil, nil); got != 0 {
		t.Errorf("the newest read conflicts with %d", got)
	}
}
