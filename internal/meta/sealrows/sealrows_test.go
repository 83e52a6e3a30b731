package sealrows

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"coffer/internal/meta"
	"coffer/internal/meta/mem"
	"coffer/internal/meta/metatest"
)

func TestStore(t *testing.T) {
	metatest.Run(t, func(*testing.T) meta.Store { return New(mem.New(), Key{1}, rand.Reader) })
}

// TestStoreTwice runs the suite with functions that run twice, as in a store
// with conflicts.
func TestStoreTwice(t *testing.T) {
	metatest.Run(t, func(*testing.T) meta.Store {
		f := metatest.NewFaults(mem.New())
		f.RunTwice(true)
		return New(f, Key{1}, rand.Reader)
	})
}

func TestCompare(t *testing.T) {
	for seed := range uint64(3) {
		metatest.Compare(t, mem.New(), New(mem.New(), Key{1}, rand.Reader), seed)
	}
}

func put(t *testing.T, s meta.Store, key, value string) {
	t.Helper()
	err := s.Update(context.Background(), func(tx meta.Txn) error { return tx.Put([]byte(key), []byte(value)) })
	if err != nil {
		t.Fatal(err)
	}
}

func get(s meta.Store, key string) (value []byte, err error) {
	err = s.View(context.Background(), func(r meta.Reader) (err error) {
		value, err = r.Get([]byte(key))
		return err
	})
	return value, err
}

// TestDamage stores every kind of damaged value below and checks that Get and
// Scan refuse it, name the row and say nothing of the value.
func TestDamage(t *testing.T) {
	inner := mem.New()
	s := New(inner, Key{1}, rand.Reader)
	put(t, s, "row", "a planted secret")
	sealed, err := get(inner, "row")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("planted")) {
		t.Fatal("the value lies in the clear")
	}
	if got, want := len(sealed), len("a planted secret")+Overhead; got != want {
		t.Errorf("sealed value has %d bytes; want %d", got, want)
	}
	check := func(name, key string, value []byte, s meta.Store) {
		t.Helper()
		put(t, inner, key, string(value))
		v, err := get(s, key)
		if !errors.Is(err, meta.ErrCorrupt) || v != nil {
			t.Errorf("%s: Get = %q, %v; want ErrCorrupt", name, v, err)
		} else if text := err.Error(); strings.Contains(text, "planted") || !strings.Contains(text, fmt.Sprintf("%q", key)) {
			t.Errorf("%s: the error %q must name the row and nothing of its value", name, text)
		}
		err = s.View(context.Background(), func(r meta.Reader) error {
			return r.Scan(meta.Prefix([]byte(key)), func(_, v []byte) (bool, error) {
				t.Errorf("%s: Scan hands out %q", name, v)
				return true, nil
			})
		})
		if !errors.Is(err, meta.ErrCorrupt) {
			t.Errorf("%s: Scan = %v; want ErrCorrupt", name, err)
		}
	}
	for i := range sealed {
		for bit := range 8 {
			flipped := bytes.Clone(sealed)
			flipped[i] ^= 1 << bit
			check(fmt.Sprintf("bit %d of byte %d flipped", bit, i), "row", flipped, s)
		}
	}
	for n := range sealed {
		check(fmt.Sprintf("cut to %d bytes", n), "row", sealed[:n], s)
		check(fmt.Sprintf("without the first %d bytes", n+1), "row", sealed[n+1:], s)
	}
	check("a byte too many", "row", append(bytes.Clone(sealed), 0), s)
	check("moved to another row", "row2", sealed, s)
	check("moved to a shorter row", "ro", sealed, s)
	check("another store key", "row", sealed, New(inner, Key{2}, rand.Reader))

	put(t, inner, "row", string(sealed))
	if v, err := get(New(inner, Key{1}, rand.Reader), "row"); err != nil || string(v) != "a planted secret" {
		t.Errorf("Get = %q, %v after the row was put back; want its value", v, err)
	}
}

// TestTooLarge checks that a value above the limit is refused and not handed on
// as it is.
func TestTooLarge(t *testing.T) {
	inner := mem.New()
	s := New(inner, Key{1}, rand.Reader)
	err := s.Update(context.Background(), func(tx meta.Txn) error {
		if err := tx.Put([]byte("row"), make([]byte, meta.MaxValueSize+1)); err == nil {
			t.Error("Put of a value above the limit = nil error")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := get(inner, "row"); !errors.Is(err, meta.ErrNotFound) {
		t.Errorf("the inner store has the row: %v", err)
	}
}

// TestSalts checks that each store value draws its own salt, that rows of many
// salts open, and that few ciphers are kept.
func TestSalts(t *testing.T) {
	inner := mem.New()
	const starts = maxCached + 30
	salts := make(map[string]bool)
	for i := range starts {
		s := New(inner, Key{1}, rand.Reader)
		for j := range 2 {
			key := fmt.Sprintf("%d/%d", i, j)
			put(t, s, key, key)
			sealed, err := get(inner, key)
			if err != nil {
				t.Fatal(err)
			}
			salts[string(sealed[1:headerSize])] = true
		}
	}
	if len(salts) != starts {
		t.Errorf("%d salts for %d starts; want one for each", len(salts), starts)
	}
	s := New(inner, Key{1}, rand.Reader)
	for range 2 {
		for i := range starts {
			key := fmt.Sprintf("%d/1", i)
			if v, err := get(s, key); err != nil || string(v) != key {
				t.Fatalf("Get(%s) = %q, %v", key, v, err)
			}
			if _, err := get(s, "0/0"); err != nil { // stays in use
				t.Fatal(err)
			}
		}
	}
	if got := len(s.box.cached); got > maxCached {
		t.Errorf("%d ciphers are kept; want at most %d", got, maxCached)
	}
	sealed, err := get(inner, "0/0")
	if err != nil {
		t.Fatal(err)
	}
	if s.box.cached[salt(sealed[1:headerSize])] == nil {
		t.Error("the cipher used last was dropped")
	}
}

// TestSaltIsReplaced lowers the number of values for a salt and checks it, with
// writers side by side.
func TestSaltIsReplaced(t *testing.T) {
	s := New(mem.New(), Key{1}, rand.Reader)
	const each, writers, values = 10, 4, 50
	s.box.maxSeals = each
	var mu sync.Mutex
	count := make(map[salt]int)
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range values {
				sealed, err := s.box.seal(nil, []byte("aad"), []byte("value"))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				count[salt(sealed[1:headerSize])]++
				mu.Unlock()
				if v, err := s.box.open(nil, []byte("aad"), sealed, nil); err != nil || string(v) != "value" {
					t.Errorf("open = %q, %v", v, err)
				}
			}
		})
	}
	wg.Wait()
	if len(count) < writers*values/each {
		t.Errorf("%d salts for %d values; want at least %d", len(count), writers*values, writers*values/each)
	}
	for s, n := range count {
		if n > each {
			t.Errorf("salt %x was used %d times; want at most %d", s, n, each)
		}
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("no randomness") }

func TestNoRandomness(t *testing.T) {
	inner := mem.New()
	s := New(inner, Key{1}, brokenReader{})
	err := s.Update(context.Background(), func(tx meta.Txn) error { return tx.Put([]byte("row"), []byte("value")) })
	if err == nil {
		t.Error("Put without a salt = nil error")
	}
	if _, err := get(inner, "row"); !errors.Is(err, meta.ErrNotFound) {
		t.Errorf("the inner store has the row: %v", err)
	}
}

func TestPrintsNothing(t *testing.T) {
	key := Key{0xde, 0xad, 0xbe, 0xef}
	s := New(mem.New(), key, rand.Reader)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("key", "key", key, "in", struct{ K Key }{key})
	slog.New(slog.NewTextHandler(&log, nil)).Info("key", "key", key, "in", struct{ K Key }{key})
	j, err := json.Marshal(map[string]any{"key": key, "pointer": &key})
	if err != nil {
		t.Fatal(err)
	}
	out := log.String() + string(j) + fmt.Sprintf("%v %+v %#v", s, s.box, s.box)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%c"} {
		out += fmt.Sprintf(verb+verb+verb, key, &key, struct{ K Key }{key})
	}
	for _, leak := range []string{"dead", "DEAD", "222", "0xde", "336"} {
		if strings.Contains(out, leak) {
			t.Errorf("%q shows the key", out)
		}
	}
}

type vector struct {
	Name                            string
	StoreKey, RowKey, Sealed, Value string // hex
	Why                             string
}

func readVectors(t testing.TB) (vectors struct{ Accepted, Rejected []vector }) {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors/rows.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &vectors); err != nil {
		t.Fatal(err)
	}
	return vectors
}

func TestVectors(t *testing.T) {
	vectors := readVectors(t)
	if len(vectors.Accepted) < 5 || len(vectors.Rejected) < 16 {
		t.Fatalf("%d and %d vectors; want at least 5 and 16", len(vectors.Accepted), len(vectors.Rejected))
	}
	open := func(t *testing.T, v vector) ([]byte, error) {
		inner := newBox(Key(unhex(t, v.StoreKey)), rand.Reader)
		key := unhex(t, v.RowKey)
		return inner.open(nil, additionalData(nil, key), unhex(t, v.Sealed), key)
	}
	for _, v := range vectors.Accepted {
		t.Run(v.Name, func(t *testing.T) {
			if got, err := open(t, v); err != nil || !bytes.Equal(got, unhex(t, v.Value)) {
				t.Errorf("open = %x, %v; want %s", got, err, v.Value)
			}
		})
	}
	for _, v := range vectors.Rejected {
		t.Run(v.Name, func(t *testing.T) {
			if got, err := open(t, v); !errors.Is(err, meta.ErrCorrupt) {
				t.Errorf("open = %x, %v; want ErrCorrupt: %s", got, err, v.Why)
			}
		})
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestFIPS runs the vectors and a round trip in the mode that allows nothing
// but approved cryptography.
func TestFIPS(t *testing.T) {
	const mode = "fips140=only"
	if os.Getenv("GODEBUG") == mode {
		s := New(mem.New(), Key{1}, rand.Reader)
		put(t, s, "row", "value")
		if v, err := get(s, "row"); err != nil || string(v) != "value" {
			t.Errorf("Get = %q, %v", v, err)
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^(TestFIPS|TestVectors)$")
	cmd.Env = append(os.Environ(), "GODEBUG="+mode)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("with GODEBUG=%s: %v\n%s", mode, err, out)
	}
}

func FuzzOpen(f *testing.F) {
	vectors := readVectors(f)
	// Workers are processes, so what opens must be fixed.
	v := vectors.Accepted[0]
	row, sealed, want := unhex(f, v.RowKey), unhex(f, v.Sealed), unhex(f, v.Value)
	b := newBox(Key(unhex(f, v.StoreKey)), rand.Reader)
	f.Add(row, sealed)
	for _, v := range vectors.Rejected {
		// A value bound to another row, or sealed under another key, might open.
		if v.Why == "the tag does not match" || v.Why == "shorter than an envelope" || v.Why == "unknown version" {
			f.Add(unhex(f, v.RowKey), unhex(f, v.Sealed))
		}
	}
	f.Add([]byte("row"), []byte{})
	f.Add([]byte(""), []byte{1})
	f.Add([]byte("row"), make([]byte, Overhead))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		aad := additionalData(nil, key)
		got, err := b.open(nil, aad, value, key)
		isVector := bytes.Equal(key, row) && bytes.Equal(value, sealed)
		if isVector != (err == nil) || err == nil && !bytes.Equal(got, want) {
			t.Errorf("open(%q, %x) = %q, %v; only the vector opens", key, value, got, err)
		}
		if err != nil && !errors.Is(err, meta.ErrCorrupt) {
			t.Errorf("open(%q, %x) = %v; want ErrCorrupt", key, value, err)
		}
		value = bytes.Clone(value)
		if _, inPlaceErr := b.open(inPlace(value), aad, value, key); (inPlaceErr == nil) != (err == nil) {
			t.Errorf("open in place = %v; want %v", inPlaceErr, err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	for _, size := range []int{300, 4096} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			box := newBox(Key{1}, rand.Reader)
			key, value := []byte("object/0123456789abcdef/photos/2026/a.jpg"), make([]byte, size)
			var aad, sealed []byte
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				aad = additionalData(aad[:0], key)
				var err error
				if sealed, err = box.seal(sealed[:0], aad, value); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, size := range []int{300, 4096} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			box := newBox(Key{1}, rand.Reader)
			key, value := []byte("object/0123456789abcdef/photos/2026/a.jpg"), make([]byte, size)
			aad := additionalData(nil, key)
			sealed, err := box.seal(nil, aad, value)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				aad = additionalData(aad[:0], key)
				if value, err = box.open(value[:0], aad, sealed, key); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
