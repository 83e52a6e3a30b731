package metatest

import (
	"errors"
	"fmt"
	"testing"

	"coffer/internal/meta"
)

// scanCases are ranges over the rows a=1 b=2 ba=3 c=4 d=5.
var scanCases = []struct {
	start, end string // "" is nil
	limit      int
	want       string
}{
	{"", "", 0, "a=1 b=2 ba=3 c=4 d=5"},
	{"b", "", 0, "b=2 ba=3 c=4 d=5"},
	{"", "b", 0, "a=1"},
	{"b", "c", 0, "b=2 ba=3"},
	{"b\x00", "c\x00", 0, "ba=3 c=4"},
	{"aa", "bb", 0, "b=2 ba=3"},
	{"c", "c", 0, ""},
	{"d", "b", 0, ""},
	{"e", "", 0, ""},
	{"", "A", 0, ""},
	{"", "", 2, "a=1 b=2"},
	{"b", "d", 2, "b=2 ba=3"},
	{"b", "d", 3, "b=2 ba=3 c=4"},
	{"b", "d", 9, "b=2 ba=3 c=4"},
}

var scanReverse = []string{
	"d=5 c=4 ba=3 b=2 a=1",
	"d=5 c=4 ba=3 b=2",
	"a=1",
	"ba=3 b=2",
	"c=4 ba=3",
	"ba=3 b=2",
	"",
	"",
	"",
	"",
	"d=5 c=4",
	"c=4 ba=3",
	"c=4 ba=3 b=2",
	"c=4 ba=3 b=2",
}

func checkScans(t *testing.T, r meta.Reader) {
	t.Helper()
	for i, tc := range scanCases {
		for _, reverse := range []bool{false, true} {
			rg := meta.Range{Reverse: reverse, Limit: tc.limit}
			if tc.start != "" {
				rg.Start = []byte(tc.start)
			}
			if tc.end != "" {
				rg.End = []byte(tc.end)
			}
			want := tc.want
			if reverse {
				want = scanReverse[i]
			}
			got, err := scan(r, rg)
			if got != want || err != nil {
				t.Errorf("Scan([%q, %q), limit %d, reverse %v) = %q, %v; want %q", tc.start, tc.end, tc.limit, reverse, got, err, want)
			}
		}
	}
}

func testScanBounds(t *testing.T, s meta.Store) {
	put(t, s, "d", "5", "b", "2", "a", "1", "c", "4", "ba", "3")
	view(t, s, func(r meta.Reader) error {
		checkScans(t, r)
		got, err := scan(r, meta.Range{Start: []byte{}, End: []byte{}})
		if got != "" || err != nil {
			t.Errorf("Scan below the empty key = %q, %v; want no row", got, err)
		}
		if got, err = scan(r, meta.Prefix([]byte("b"))); got != "b=2 ba=3" || err != nil {
			t.Errorf("Scan(Prefix(b)) = %q, %v; want b=2 ba=3", got, err)
		}
		return nil
	})
	update(t, s, func(tx meta.Txn) error { checkScans(t, tx); return nil })
}

func testScanStop(t *testing.T, s meta.Store) {
	put(t, s, "a", "1", "b", "2", "c", "3")
	stop := errors.New("stop")
	check := func(r meta.Reader) error {
		for _, tc := range []struct {
			more bool
			err  error
		}{{false, nil}, {true, stop}, {false, stop}} {
			n := 0
			err := r.Scan(meta.Range{}, func(_, _ []byte) (bool, error) {
				n++
				if n == 2 {
					return tc.more, tc.err
				}
				return true, nil
			})
			if n != 2 || !errors.Is(err, tc.err) {
				t.Errorf("Scan whose fn returns %v, %v at row 2 made %d calls, error %v", tc.more, tc.err, n, err)
			}
		}
		return nil
	}
	view(t, s, check)
	update(t, s, func(tx meta.Txn) error { return check(tx) })
}

// testScanOwnWrites builds the rows of scanCases partly inside the transaction.
func testScanOwnWrites(t *testing.T, s meta.Store) {
	put(t, s, "a", "old", "aa", "gone", "b", "2", "c", "old", "d", "5", "zz", "gone")
	update(t, s, func(tx meta.Txn) error {
		if err := errors.Join(
			tx.Put([]byte("a"), []byte("1")),
			tx.Delete([]byte("aa")),
			tx.Put([]byte("ba"), []byte("3")),
			tx.Delete([]byte("c")),
			tx.Put([]byte("c"), []byte("4")),
			tx.Put([]byte("e"), []byte("gone")),
			tx.Delete([]byte("e")),
			tx.Delete([]byte("zz")),
			tx.Delete([]byte("missing")),
		); err != nil {
			return err
		}
		checkScans(t, tx)
		return nil
	})
	view(t, s, func(r meta.Reader) error { checkScans(t, r); return nil })
}

// testScanReads checks that fn may read while it scans.
func testScanReads(t *testing.T, s meta.Store) {
	put(t, s, "a", "1", "b", "2", "c", "3")
	check := func(r meta.Reader) error {
		var got string
		err := r.Scan(meta.Range{}, func(k, v []byte) (bool, error) {
			same, err := read(r, string(k))
			if err != nil || same != string(v) {
				t.Errorf("Get(%s) inside Scan = %q, %v; want %q", k, same, err, v)
			}
			inner, err := scan(r, meta.Range{Start: k})
			got += fmt.Sprintf("[%s=%s %s]", k, v, inner) // k and v are still those of the outer scan
			return true, err
		})
		if want := "[a=1 a=1 b=2 c=3][b=2 b=2 c=3][c=3 c=3]"; got != want || err != nil {
			t.Errorf("nested Scan = %s, %v; want %s", got, err, want)
		}
		return nil
	}
	view(t, s, check)
	update(t, s, func(tx meta.Txn) error {
		if err := tx.Put([]byte("b"), []byte("2")); err != nil {
			return err
		}
		return check(tx)
	})
}

func testScanWrite(t *testing.T, s meta.Store) {
	put(t, s, "a", "1")
	update(t, s, func(tx meta.Txn) error {
		err := tx.Scan(meta.Range{}, func(k, _ []byte) (bool, error) {
			if err := tx.Put([]byte("b"), []byte("2")); err == nil {
				t.Error("Put inside Scan = nil error")
			}
			if err := tx.Delete(k); err == nil {
				t.Error("Delete inside Scan = nil error")
			}
			return true, nil
		})
		if err != nil {
			return err
		}
		return tx.Put([]byte("c"), []byte("3"))
	})
	if a, b, c := get(t, s, "a"), get(t, s, "b"), get(t, s, "c"); a != "1" || b != "-" || c != "3" {
		t.Errorf("after writes inside Scan: a, b, c = %q, %q, %q; want 1, -, 3", a, b, c)
	}
}
