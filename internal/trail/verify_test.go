package trail

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"coffer/internal/hashchain"
	"coffer/internal/meta"
	"coffer/internal/meta/mem"
)

// rows changes a store behind the trail's back.
type rows struct {
	t     *testing.T
	store meta.Store
}

func (r rows) update(fn func(meta.Txn) error) {
	r.t.Helper()
	if err := r.store.Update(r.t.Context(), fn); err != nil {
		r.t.Fatal(err)
	}
}

func (r rows) get(key []byte) (value []byte) {
	r.t.Helper()
	r.update(func(txn meta.Txn) (err error) { value, err = txn.Get(key); return err })
	return value
}

func (r rows) put(key, value []byte) {
	r.t.Helper()
	r.update(func(txn meta.Txn) error { return txn.Put(key, value) })
}

func (r rows) remove(key []byte) {
	r.t.Helper()
	r.update(func(txn meta.Txn) error { return txn.Delete(key) })
}

func (r rows) exchange(a, b []byte) {
	r.t.Helper()
	x, y := r.get(a), r.get(b)
	r.put(a, y)
	r.put(b, x)
}

// flip changes one bit of a row; a negative offset counts from the end.
func (r rows) flip(key []byte, offset int) {
	r.t.Helper()
	v := r.get(key)
	if offset < 0 {
		offset += len(v)
	}
	v[offset] ^= 1
	r.put(key, v)
}

// TestVerifyNamesTheFault damages a trail of three link rows: events 1 to 3,
// events 4, 5, 7 and 8 (6 is a gap), and events 9 and 10. Event 11 is not linked.
func TestVerifyNamesTheFault(t *testing.T) {
	event := func(n uint64) []byte { return eventKey(node, n) }
	link := func(n uint64) []byte { return linkKey(node, n) }
	// The position of entry i's hash in a link row.
	hash := func(i int) int { return linkHeader + i*linkEntry + 8 }
	tests := []struct {
		name   string
		damage func(r rows)
		want   string
	}{
		{"whole", func(rows) {}, "<nil>"},
		{"event altered", func(r rows) { r.flip(event(5), 30) }, "event 5 is altered (link 2)"},
		{"first event altered", func(r rows) { r.flip(event(1), -2) }, "event 1 is altered (link 1)"},
		{"last event of a row altered", func(r rows) { r.flip(event(8), 30) }, "event 8 is altered (link 2)"},
		{"last event altered", func(r rows) { r.flip(event(10), 30) }, "event 10 is altered (link 3)"},
		{"two altered", func(r rows) { r.flip(event(9), 30); r.flip(event(2), 30) }, "event 2 is altered (link 1)"},
		{"event missing", func(r rows) { r.remove(event(5)) }, "event 5 is missing (link 2)"},
		{"first of a row missing", func(r rows) { r.remove(event(4)) }, "event 4 is missing (link 2)"},
		{"last missing", func(r rows) { r.remove(event(10)) }, "event 10 is missing (link 3)"},
		{"events exchanged", func(r rows) { r.exchange(event(5), event(7)) }, "event 5 is reordered (link 2)"},
		{"events exchanged between rows", func(r rows) { r.exchange(event(2), event(9)) }, "event 2 is altered (link 1)"},
		{"event moved into a gap", func(r rows) { r.put(event(6), r.get(event(5))); r.remove(event(5)) }, "event 5 is reordered (link 2)"},
		{"event put into a gap", func(r rows) { r.put(event(6), []byte("{}")) }, "event 6 was never linked"},
		{"unlinked event altered", func(r rows) { r.flip(event(11), 30) }, "<nil>"},
		{"link missing", func(r rows) { r.remove(link(2)) }, "link 2 is missing"},
		{"first link missing", func(r rows) { r.remove(link(1)) }, "link 1 is missing"},
		{"links exchanged", func(r rows) { r.exchange(link(2), link(3)) }, "link 2 is altered"},
		{"hash in a link altered", func(r rows) { r.flip(link(2), hash(1)) }, "link 2 is altered"},
		{"last hash in a link altered", func(r rows) { r.flip(link(2), hash(3)) }, "link 2 is altered"},
		{"prev of a link altered", func(r rows) { r.flip(link(2), 9) }, "link 2 is altered"},
		{"through of a link altered", func(r rows) { r.flip(link(2), 8) }, "link 2 is altered"},
		{"version of a link altered", func(r rows) { r.flip(link(3), 0) }, "link 3 is altered"},
		{"entries of a link exchanged", func(r rows) {
			v := r.get(link(2))
			first := slices.Clone(v[linkHeader : linkHeader+linkEntry])
			copy(v[linkHeader:], v[linkHeader+linkEntry:linkHeader+2*linkEntry])
			copy(v[linkHeader+linkEntry:], first)
			r.put(link(2), v)
		}, "link 2 is altered"},
		{"link cut", func(r rows) { v := r.get(link(3)); r.put(link(3), v[:len(v)-1]) }, "link 3 is altered"},
		{"event and its entry removed", func(r rows) {
			v := r.get(link(2))
			r.put(link(2), slices.Delete(v, linkHeader+linkEntry, linkHeader+2*linkEntry))
			r.remove(event(5))
		}, "event 7 is altered (link 2)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store := mem.New()
			tr := open(t, store, nil)
			for _, n := range []int{3, 2, -1, 2, 0, 2, 0, 1} {
				switch {
				case n == 0:
					flush(t, tr)
				case n < 0:
					tr.Begin(&Event{}).End()
				}
				for range n {
					commit(t, tr, store, "x")
				}
				if n == 3 {
					flush(t, tr)
				}
			}
			tt.damage(rows{t, store})
			r := verify(t, store)
			got := "<nil>"
			if r.Fault != nil {
				got = r.Fault.String()
			}
			if got != tt.want {
				t.Errorf("Verify: %s; want %s", got, tt.want)
			}
			if r.Fault == nil && (r.Links != 3 || r.Events != 9 || r.Gaps != 1 || r.Unlinked != 1) {
				t.Errorf("Verify = %+v; want 3 links, 9 events, 1 gap and 1 unlinked", r)
			}
		})
	}
}

// TestRewrittenTrail: whoever can rewrite every row can make a chain that is
// whole, and only its head gives that away.
func TestRewrittenTrail(t *testing.T) {
	store := mem.New()
	tr := open(t, store, nil)
	for _, name := range []string{"a", "b", "c"} {
		commit(t, tr, store, name)
	}
	flush(t, tr)
	before := whole(t, store, 3, 0, 0).Head
	r := rows{t, store}
	r.flip(eventKey(node, 2), 30)
	r.remove(linkKey(node, 1))
	open(t, store, nil)
	if after := whole(t, store, 3, 0, 0).Head; after == before {
		t.Error("a rewritten trail has the head of the old one")
	}
}

// A damaged store can't open some rows, as one whose rows are sealed.
type damagedStore struct {
	meta.Store
	keys []string
}

func (s damagedStore) View(ctx context.Context, fn func(meta.Reader) error) error {
	return s.Store.View(ctx, func(r meta.Reader) error { return fn(damagedReader{r, s.keys}) })
}

type damagedReader struct {
	meta.Reader
	keys []string
}

func (r damagedReader) Get(key []byte) ([]byte, error) {
	if slices.Contains(r.keys, string(key)) {
		return nil, meta.ErrCorrupt
	}
	return r.Reader.Get(key)
}

func (r damagedReader) Scan(rg meta.Range, fn func(key, value []byte) (bool, error)) error {
	return r.Reader.Scan(rg, func(key, value []byte) (bool, error) {
		if slices.Contains(r.keys, string(key)) {
			return false, meta.ErrCorrupt
		}
		return fn(key, value)
	})
}

func TestVerifyNamesDamagedRows(t *testing.T) {
	store := mem.New()
	tr := open(t, store, nil)
	for range 5 {
		commit(t, tr, store, "x")
	}
	flush(t, tr)
	for _, tt := range []struct {
		key  []byte
		want string
	}{
		{eventKey(node, 3), "event 3 is damaged (link 1)"},
		{linkKey(node, 1), "link 1 is damaged"},
	} {
		damaged := damagedStore{store, []string{string(tt.key)}}
		if r := verify(t, damaged); r.Fault == nil || r.Fault.String() != tt.want {
			t.Errorf("Verify = %v; want %s", r.Fault, tt.want)
		}
		err := Scan(t.Context(), damaged, node, 1, func(Entry) (bool, error) { return true, nil })
		if !errors.Is(err, meta.ErrCorrupt) {
			t.Errorf("Scan = %v; want ErrCorrupt", err)
		}
	}
	store.Close()
	if _, err := Verify(t.Context(), store, node); !errors.Is(err, meta.ErrClosed) {
		t.Errorf("Verify of a closed store = %v; want ErrClosed", err)
	}
}

func TestVerifyNothing(t *testing.T) {
	r, err := Verify(t.Context(), mem.New(), node)
	if err != nil || r.Fault != nil || r.Events != 0 || r.Head != chainStart(node) {
		t.Errorf("Verify of an empty store = %+v, %v", r, err)
	}
}

func TestScan(t *testing.T) {
	store := mem.New()
	tr := open(t, store, nil)
	for range 3 {
		commit(t, tr, store, "x")
		commit(t, tr, store, "y")
		flush(t, tr)
	}
	commit(t, tr, store, "unlinked")
	for _, tt := range []struct {
		from uint64
		stop int
		want []uint64
	}{
		{0, 0, []uint64{1, 2, 3, 4, 5, 6}}, {1, 0, []uint64{1, 2, 3, 4, 5, 6}}, {3, 0, []uint64{5, 6}}, {4, 0, nil}, {2, 3, []uint64{3, 4, 5}},
	} {
		var got []uint64
		head := chainStart(node)
		err := Scan(t.Context(), store, node, tt.from, func(e Entry) (bool, error) {
			got = append(got, e.Number)
			if head = head.Next(e.Number, e.JSON); tt.from < 2 && head != e.Hash {
				t.Errorf("hash at %d = %s; want %s", e.Number, e.Hash, head)
			}
			if want := (e.Number + 1) / 2; e.Link != want {
				t.Errorf("event %d is of link %d; want %d", e.Number, e.Link, want)
			}
			return len(got) != tt.stop, nil
		})
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("Scan from %d = %v, %v; want %v", tt.from, got, err, tt.want)
		}
	}
	if err := Scan(t.Context(), store, node, 1, func(Entry) (bool, error) { return true, errDisk }); !errors.Is(err, errDisk) {
		t.Errorf("Scan = %v; want the function's error", err)
	}
}

// TestLinkVector is the vector of docs/spec/trail.md.
func TestLinkVector(t *testing.T) {
	store := mem.New()
	r := rows{t, store}
	r.put(eventKey("node-1", 1), []byte(`{}`))
	r.put(eventKey("node-1", 3), []byte(`{"eventName":"CreateKey"}`))
	open(t, store, nil)
	if got := hex.EncodeToString(eventKey("node-1", 3)); got != "747261696c2f6576656e742f6e6f64652d312f0000000000000003" {
		t.Errorf("key of event 3 = %s", got)
	}
	if got := hex.EncodeToString(linkKey("node-1", 1)); got != "747261696c2f6c696e6b2f6e6f64652d312f0000000000000001" {
		t.Errorf("key of link 1 = %s", got)
	}
	want := strings.Join([]string{
		"010000000000000003",
		"bf888af4e90584f2216b7a8e2fb0e3f19ccf7e0150e93ced186552d899d02790",
		"0000000000000001",
		"7316b54ce277743c21e966495f9bdda63b6b02a889dfa776d00b89857ab26cd7",
		"0000000000000003",
		"250d3e148fb2ffe4891f46dac13f286e224b14a529a32198091f9cd15bff0bc2",
	}, "")
	if got := hex.EncodeToString(r.get(linkKey("node-1", 1))); got != want {
		t.Errorf("link 1 = %s; want %s", got, want)
	}
}

func FuzzDecodeLink(f *testing.F) {
	row := linkRow{through: 9, prev: chainStart("x"), entries: []hashchain.Link{{Number: 3}, {Number: 9, Hash: chainStart("y")}}}
	f.Add(row.encode())
	f.Add(row.encode()[:linkHeader])
	f.Add([]byte{})
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := decodeLink(b)
		if err != nil {
			if !errors.Is(err, errLink) {
				t.Errorf("decodeLink = %v; want errLink", err)
			}
			return
		}
		if got := l.encode(); !slices.Equal(got, b) {
			t.Errorf("encode(decode(%x)) = %x", b, got)
		}
		_ = l.head()
	})
}
