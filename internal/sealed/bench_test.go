package sealed

import (
	"bytes"
	"fmt"
	"io"
	"testing"
)

var benchSizes = []struct {
	name string
	n    int
}{{"4KiB", 4 << 10}, {"64KiB", 64 << 10}, {"1MiB", 1 << 20}, {"64MiB", 64 << 20}}

// BenchmarkRaw is what AES-GCM alone does with 64 KiB at a time: the mark for
// the others.
func BenchmarkRaw(b *testing.B) {
	id := testID("raw")
	aeads, _ := layers(testKeys(Single, "raw"), &id)
	plain, aad := make([]byte, SegmentSize), make([]byte, 11)
	sealed := make([]byte, SegmentSize+Overhead)
	b.Run("seal", func(b *testing.B) {
		b.SetBytes(SegmentSize)
		for b.Loop() {
			sealed = aeads[0].Seal(sealed[:0], nil, plain, aad)
		}
	})
	b.Run("open", func(b *testing.B) {
		b.SetBytes(SegmentSize)
		for b.Loop() {
			if _, err := aeads[0].Open(plain[:0], nil, sealed, aad); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	for _, s := range suites {
		keys, id := testKeys(s, "bench"), testID("bench")
		for _, size := range benchSizes {
			plain := pattern(size.n)
			b.Run(fmt.Sprintf("%v/%s", s, size.name), func(b *testing.B) {
				b.SetBytes(int64(size.n))
				b.ReportAllocs()
				for b.Loop() {
					w, err := NewWriter(io.Discard, keys, id)
					if err != nil {
						b.Fatal(err)
					}
					if _, err := w.Write(plain); err != nil {
						b.Fatal(err)
					}
					if err := w.Close(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		plain := pattern(1 << 20)
		b.Run(fmt.Sprintf("%v/1MiB-ReadFrom", s), func(b *testing.B) {
			b.SetBytes(1 << 20)
			b.ReportAllocs()
			for b.Loop() {
				w, err := NewWriter(io.Discard, keys, id)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := w.ReadFrom(bytes.NewReader(plain)); err != nil {
					b.Fatal(err)
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, s := range suites {
		keys := testKeys(s, "bench")
		for _, size := range benchSizes {
			body, c := sealBody(b, s, "bench", pattern(size.n))
			benchOpen(b, fmt.Sprintf("%v/%s", s, size.name), body, keys, c, 0, int64(size.n))
			if size.n == 64<<20 {
				benchOpen(b, fmt.Sprintf("%v/64KiB-of-64MiB", s), body, keys, c, 32<<20, 64<<10)
				benchOpen(b, fmt.Sprintf("%v/64KiB-of-64MiB-unaligned", s), body, keys, c, 32<<20+777, 64<<10)
			}
		}
	}
}

func benchOpen(b *testing.B, name string, body []byte, keys Keys, c Content, off, n int64) {
	b.Run(name, func(b *testing.B) {
		b.SetBytes(n)
		b.ReportAllocs()
		src := bytes.NewReader(body)
		for b.Loop() {
			r, err := NewReader(src, keys, c)
			if err != nil {
				b.Fatal(err)
			}
			g, err := r.Range(off, n)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := g.WriteTo(io.Discard); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkWrap(b *testing.B) {
	secrets, keys, bd := testSecrets(ModeKMS, "bench"), testKeys(Single, "bench"), testBinding(Single, "bench")
	wrap, err := Wrap(ModeKMS, secrets, [32]byte{1}, keys, bd)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("wrap", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Wrap(ModeKMS, secrets, [32]byte{1}, keys, bd); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("unwrap", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Unwrap(secrets, wrap, bd); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("part-list-10000", func(b *testing.B) {
		parts, length := ruleParts(10_000)
		for b.Loop() {
			PartListHash(length, PartChunks(parts))
		}
	})
}
