package metatest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"coffer/internal/meta"
)

func testGetPutDelete(t *testing.T, s meta.Store) {
	if got := get(t, s, "a"); got != "-" {
		t.Errorf("Get(a) of an empty store = %q; want ErrNotFound", got)
	}
	put(t, s, "a", "1", "b", "2")
	put(t, s, "a", "3")
	if a, b := get(t, s, "a"), get(t, s, "b"); a != "3" || b != "2" {
		t.Errorf("Get(a), Get(b) = %q, %q; want 3, 2", a, b)
	}
	update(t, s, func(tx meta.Txn) error {
		return errors.Join(tx.Delete([]byte("a")), tx.Delete([]byte("missing")))
	})
	if a, b := get(t, s, "a"), get(t, s, "b"); a != "-" || b != "2" {
		t.Errorf("after Delete(a): Get(a), Get(b) = %q, %q; want -, 2", a, b)
	}
	put(t, s, "a", "4")
	if a := get(t, s, "a"); a != "4" {
		t.Errorf("Get(a) after delete and put = %q; want 4", a)
	}
}

// testOwnership checks that the store copies what it is given and hands out
// what the caller may change.
func testOwnership(t *testing.T, s meta.Store) {
	key, value := []byte("key"), []byte("value")
	update(t, s, func(tx meta.Txn) error {
		copy(key, "key")
		copy(value, "value")
		if err := tx.Put(key, value); err != nil {
			return err
		}
		copy(key, "xxx")
		copy(value, "xxxxx")
		got, err := read(tx, "key")
		if got != "value" {
			t.Errorf("own write after the slices changed = %q; want value", got)
		}
		return err
	})
	view(t, s, func(r meta.Reader) error {
		v, err := r.Get([]byte("key"))
		if err != nil {
			return err
		}
		clear(v)
		return nil
	})
	update(t, s, func(tx meta.Txn) error {
		v, err := tx.Get([]byte("key"))
		if err != nil {
			return err
		}
		clear(v)
		if err := tx.Put([]byte("key"), []byte("value")); err != nil {
			return err
		}
		if v, err = tx.Get([]byte("key")); err != nil {
			return err
		}
		clear(v)
		return nil
	})
	if got := get(t, s, "key"); got != "value" {
		t.Errorf("row after callers changed their slices = %q; want value", got)
	}
}

func testLimits(t *testing.T, s meta.Store) {
	longest := strings.Repeat("k", meta.MaxKeySize)
	for _, tc := range []struct {
		name string
		key  string
		size int
		ok   bool
	}{
		{"empty key", "", 1, false},
		{"empty value", "empty", 0, true},
		{"longest key", longest, 1, true},
		{"key too long", longest + "k", 1, false},
		{"value too long", "v", meta.MaxValueSize + meta.MaxOverhead + 1, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var putErr error
			update(t, s, func(tx meta.Txn) error {
				putErr = tx.Put([]byte(tc.key), make([]byte, tc.size))
				return nil
			})
			if (putErr == nil) != tc.ok {
				t.Errorf("Put of %d byte key, %d byte value = %v; want ok %v", len(tc.key), tc.size, putErr, tc.ok)
			}
			view(t, s, func(r meta.Reader) error {
				v, err := r.Get([]byte(tc.key))
				if tc.ok && (err != nil || v == nil || len(v) != tc.size) {
					t.Errorf("Get = %d bytes (nil %v), %v; want %d bytes", len(v), v == nil, err, tc.size)
				}
				if !tc.ok && !errors.Is(err, meta.ErrNotFound) {
					t.Errorf("Get of a refused row = %v; want ErrNotFound", err)
				}
				return nil
			})
		})
	}
	err := s.Update(context.Background(), func(tx meta.Txn) error {
		return tx.Put([]byte("nil"), nil)
	})
	if err != nil {
		t.Errorf("Put(nil value) = %v", err)
	}
	view(t, s, func(r meta.Reader) error {
		v, err := r.Get([]byte("nil"))
		if err != nil || v == nil || len(v) != 0 {
			t.Errorf("Get of a nil value = %v (nil %v), %v; want an empty slice", v, v == nil, err)
		}
		return nil
	})
}

func testLargestValue(t *testing.T, s meta.Store) {
	want := make([]byte, meta.MaxValueSize)
	for i := range want {
		want[i] = byte(i * i >> 7)
	}
	update(t, s, func(tx meta.Txn) error {
		if err := tx.Put([]byte("a"), []byte("small")); err != nil {
			return err
		}
		return tx.Put([]byte("b"), want)
	})
	view(t, s, func(r meta.Reader) error {
		got, err := r.Get([]byte("b"))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("Get of the largest value = %d bytes, %v; want %d equal bytes", len(got), err, len(want))
		}
		return nil
	})
	if got := get(t, s, "a"); got != "small" {
		t.Errorf("row beside the largest value = %q; want small", got)
	}
}

// testBinaryKeys checks the byte order and that no byte of a key is special.
func testBinaryKeys(t *testing.T, s meta.Store) {
	keys := []string{"\x00", "\x00\x00", "\x00\xff", "A", "B", "a", "a\x00", "a\x01", "a/", "aa", "ä", "\x7f", "\x80", "\xc3\x28", "\xff", "\xff\xff"}
	want := []string{"\x00", "\x00\x00", "\x00\xff", "A", "B", "a", "a\x00", "a\x01", "a/", "aa", "\x7f", "\x80", "\xc3\x28", "ä", "\xff", "\xff\xff"}
	update(t, s, func(tx meta.Txn) error {
		for _, k := range keys {
			if err := tx.Put([]byte(k), []byte(k)); err != nil {
				return err
			}
		}
		return nil
	})
	for _, reverse := range []bool{false, true} {
		var got []string
		view(t, s, func(r meta.Reader) error {
			return r.Scan(meta.Range{Reverse: reverse}, func(k, v []byte) (bool, error) {
				if !bytes.Equal(k, v) {
					t.Errorf("row %q has the value of %q", k, v)
				}
				got = append(got, string(k))
				return true, nil
			})
		})
		for i, k := range want {
			j := i
			if reverse {
				j = len(want) - 1 - i
			}
			if len(got) != len(want) || got[j] != k {
				t.Fatalf("Scan(reverse %v) = %q; want %q", reverse, got, want)
			}
		}
	}
}

func testOwnWrites(t *testing.T, s meta.Store) {
	put(t, s, "a", "1", "b", "2")
	update(t, s, func(tx meta.Txn) error {
		if err := errors.Join(
			tx.Put([]byte("a"), []byte("3")),
			tx.Delete([]byte("b")),
			tx.Put([]byte("c"), []byte("4")),
			tx.Delete([]byte("c")),
			tx.Put([]byte("d"), []byte("5")),
			tx.Put([]byte("d"), []byte("")),
		); err != nil {
			return err
		}
		for _, row := range [][2]string{{"a", "3"}, {"b", "-"}, {"c", "-"}, {"d", ""}} {
			if got, err := read(tx, row[0]); got != row[1] || err != nil {
				t.Errorf("Get(%s) inside = %q, %v; want %q", row[0], got, err, row[1])
			}
		}
		return nil
	})
	for _, row := range [][2]string{{"a", "3"}, {"b", "-"}, {"c", "-"}, {"d", ""}} {
		if got := get(t, s, row[0]); got != row[1] {
			t.Errorf("Get(%s) after = %q; want %q", row[0], got, row[1])
		}
	}
}

func testAbort(t *testing.T, s meta.Store) {
	put(t, s, "a", "1")
	stop := errors.New("stop")
	runs := 0
	err := s.Update(context.Background(), func(tx meta.Txn) error {
		runs++
		if err := errors.Join(tx.Put([]byte("a"), []byte("2")), tx.Put([]byte("b"), []byte("2"))); err != nil {
			return err
		}
		return stop
	})
	if !errors.Is(err, stop) {
		t.Errorf("Update() = %v; want the error of fn", err)
	}
	if runs != 1 {
		t.Errorf("fn ran %d times; want 1, an error is not retried", runs)
	}
	if a, b := get(t, s, "a"), get(t, s, "b"); a != "1" || b != "-" {
		t.Errorf("after an aborted Update: a, b = %q, %q; want 1, -", a, b)
	}
	if err := s.View(context.Background(), func(meta.Reader) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("View() = %v; want the error of fn", err)
	}
}

// testPanic checks that a panic in fn leaves a store that works.
func testPanic(t *testing.T, s meta.Store) {
	panics := func(f func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Error("the panic of fn was swallowed")
			}
		}()
		f()
	}
	panics(func() {
		_ = s.Update(context.Background(), func(tx meta.Txn) error {
			_ = tx.Put([]byte("a"), []byte("1"))
			panic("fn")
		})
	})
	panics(func() {
		_ = s.View(context.Background(), func(meta.Reader) error { panic("fn") })
	})
	put(t, s, "b", "2")
	if a, b := get(t, s, "a"), get(t, s, "b"); a != "-" || b != "2" {
		t.Errorf("after a panic: a, b = %q, %q; want -, 2", a, b)
	}
}

// testAfterEnd checks that a Reader or Txn kept past its function is dead and
// harmless.
func testAfterEnd(t *testing.T, s meta.Store) {
	put(t, s, "a", "1")
	var r meta.Reader
	var tx meta.Txn
	view(t, s, func(in meta.Reader) error { r = in; return nil })
	update(t, s, func(in meta.Txn) error { tx = in; return in.Put([]byte("b"), []byte("2")) })
	for i, dead := range []meta.Reader{r, tx} {
		if _, err := dead.Get([]byte("a")); err == nil {
			t.Errorf("Get %d after the end = nil error", i)
		}
		if err := dead.Scan(meta.Range{}, func(_, _ []byte) (bool, error) { return true, nil }); err == nil {
			t.Errorf("Scan %d after the end = nil error", i)
		}
	}
	if err := tx.Put([]byte("c"), nil); err == nil {
		t.Error("Put after the end = nil error")
	}
	if err := tx.Delete([]byte("a")); err == nil {
		t.Error("Delete after the end = nil error")
	}
	if a, c := get(t, s, "a"), get(t, s, "c"); a != "1" || c != "-" {
		t.Errorf("after writes past the end: a, c = %q, %q; want 1, -", a, c)
	}
}

func testContext(t *testing.T, s meta.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.View(ctx, func(meta.Reader) error { t.Error("fn ran"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("View with a cancelled ctx = %v; want context.Canceled", err)
	}
	if err := s.Update(ctx, func(meta.Txn) error { t.Error("fn ran"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Update with a cancelled ctx = %v; want context.Canceled", err)
	}
}

// testCancelInside checks that an Update whose ctx ends while it runs reports
// exactly what happened.
func testCancelInside(t *testing.T, s meta.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err := s.Update(ctx, func(tx meta.Txn) error {
		cancel()
		return tx.Put([]byte("a"), []byte("1"))
	})
	want := "1"
	if err != nil {
		want = "-"
	}
	if got := get(t, s, "a"); got != want {
		t.Errorf("Update() = %v, then Get(a) = %q; want %q", err, got, want)
	}
}
