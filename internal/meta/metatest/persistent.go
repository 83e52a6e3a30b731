package metatest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"coffer/internal/meta"
)

// RunPersistent tests what survives closing. open opens the store that lies
// in dir and creates it if there is none; RunPersistent closes it.
func RunPersistent(t *testing.T, open func(t *testing.T, dir string) meta.Store) {
	for _, tc := range []struct {
		name string
		test func(t *testing.T, open func() meta.Store)
	}{
		{"Empty", testReopenEmpty},
		{"Rows", testReopenRows},
		{"Overwritten", testReopenOverwritten},
		{"LargeValues", testReopenLarge},
		{"Concurrent", testReopenConcurrent},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			tc.test(t, func() meta.Store { t.Helper(); return open(t, dir) })
		})
	}
}

func closeStore(t *testing.T, s meta.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("Close() = %v", err)
	}
}

func dump(t *testing.T, s meta.Store) string {
	t.Helper()
	var out string
	view(t, s, func(r meta.Reader) (err error) {
		out, err = scan(r, meta.Range{})
		return err
	})
	return out
}

func testReopenEmpty(t *testing.T, open func() meta.Store) {
	for range 3 {
		s := open()
		if got := dump(t, s); got != "" {
			t.Errorf("rows of a new store: %q", got)
		}
		closeStore(t, s)
	}
}

func testReopenRows(t *testing.T, open func() meta.Store) {
	want := ""
	for i := range 4 {
		s := open()
		if got := dump(t, s); got != want {
			t.Fatalf("rows after %d reopens = %q; want %q", i, got, want)
		}
		put(t, s, fmt.Sprintf("row/%d", i), "v", "tmp", "x")
		_ = s.Update(context.Background(), func(tx meta.Txn) error {
			return errors.Join(tx.Put([]byte("aborted"), nil), errors.New("abort"))
		})
		update(t, s, func(tx meta.Txn) error { return tx.Delete([]byte("tmp")) })
		want = strings.TrimSpace(fmt.Sprintf("%s row/%d=v", want, i))
		closeStore(t, s)
	}
}

func testReopenOverwritten(t *testing.T, open func() meta.Store) {
	rng := rand.New(rand.NewPCG(1, 2))
	rows := map[string]string{}
	for round := range 3 {
		s := open()
		for range 100 {
			update(t, s, func(tx meta.Txn) error {
				for range 5 {
					k, v := fmt.Sprintf("k/%03d", rng.IntN(200)), fmt.Sprint(rng.Uint64())
					if rng.IntN(4) == 0 {
						delete(rows, k)
						if err := tx.Delete([]byte(k)); err != nil {
							return err
						}
						continue
					}
					rows[k] = v
					if err := tx.Put([]byte(k), []byte(v)); err != nil {
						return err
					}
				}
				return nil
			})
		}
		closeStore(t, s)
		s = open()
		n := 0
		view(t, s, func(r meta.Reader) error {
			return r.Scan(meta.Range{}, func(k, v []byte) (bool, error) {
				n++
				if rows[string(k)] != string(v) {
					t.Errorf("round %d: %s = %q; want %q", round, k, v, rows[string(k)])
				}
				return true, nil
			})
		})
		if n != len(rows) {
			t.Errorf("round %d: %d rows; want %d", round, n, len(rows))
		}
		closeStore(t, s)
	}
}

func testReopenLarge(t *testing.T, open func() meta.Store) {
	s := open()
	value := func(i int) string { return strings.Repeat(string(rune('a'+i)), 3<<20+i) }
	for i := range 6 {
		put(t, s, fmt.Sprintf("large/%d", i), value(i), fmt.Sprintf("small/%d", i), "s")
	}
	closeStore(t, s)
	s = open()
	for i := range 6 {
		if got := get(t, s, fmt.Sprintf("large/%d", i)); got != value(i) {
			t.Errorf("large/%d has %d bytes after a reopen; want %d equal ones", i, len(got), len(value(i)))
		}
		if got := get(t, s, fmt.Sprintf("small/%d", i)); got != "s" {
			t.Errorf("small/%d = %q; want s", i, got)
		}
	}
	closeStore(t, s)
}

func testReopenConcurrent(t *testing.T, open func() meta.Store) {
	s := open()
	const writers, each = 8, 50
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				err := s.Update(context.Background(), func(tx meta.Txn) error {
					return putNumber(tx, fmt.Sprintf("w/%d/%d", w, i), i)
				})
				if err != nil {
					t.Errorf("Update() = %v", err)
				}
			}
		})
	}
	wg.Wait()
	closeStore(t, s)
	s = open()
	for w := range writers {
		for i := range each {
			if got := get(t, s, fmt.Sprintf("w/%d/%d", w, i)); got != fmt.Sprint(i) {
				t.Errorf("w/%d/%d = %q after a reopen; want %d", w, i, got, i)
			}
		}
	}
	closeStore(t, s)
}
