package disk

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"coffer/internal/blob"
	"coffer/internal/blob/blobtest"
	"coffer/internal/durable"
)

// benchDir returns a directory on a disk: COFFER_BENCH_DIR, or a temporary one.
func benchDir(b *testing.B) string {
	dir, err := os.MkdirTemp(os.Getenv("COFFER_BENCH_DIR"), "blobbench")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// BenchmarkPut writes blobs and deletes them again. The disk decides: compare
// with BenchmarkDirectWrite in the same run only.
func BenchmarkPut(b *testing.B) {
	for _, size := range []int{128 << 10, 256 << 10, 1 << 20, 64 << 20} {
		for _, writers := range []int{1, 4, 16} {
			b.Run(fmt.Sprintf("size=%dK/writers=%d", size>>10, writers), func(b *testing.B) {
				s, err := Open(Config{Dir: benchDir(b)})
				if err != nil {
					b.Fatal(err)
				}
				data := blobtest.Data(size)
				b.SetBytes(int64(size))
				var n atomic.Uint64
				run(b, writers, func() {
					id := fmt.Sprintf("%016x", n.Add(1)*0x9e3779b97f4a7c15)
					w, err := s.Create(context.Background(), id, int64(size))
					if err != nil {
						b.Error(err)
						return
					}
					defer w.Abort()
					for p := data; len(p) > 0; p = p[min(len(p), 64<<10):] {
						if _, err := w.Write(p[:min(len(p), 64<<10)]); err != nil {
							b.Error(err)
							return
						}
					}
					if err := w.Commit(); err != nil {
						b.Error(err)
					}
					s.Delete(context.Background(), id)
				})
			})
		}
	}
}

// BenchmarkDirectWrite is the least that Put must do to the disk: direct writes
// and a sync, without checksums, copies, names or directories.
func BenchmarkDirectWrite(b *testing.B) {
	for _, size := range []int{1 << 20, 64 << 20} {
		b.Run(fmt.Sprintf("size=%dK", size>>10), func(b *testing.B) {
			name := filepath.Join(benchDir(b), "f")
			buf := durable.NewBuffer(largeBuffer)
			b.SetBytes(int64(size))
			for b.Loop() {
				f, err := durable.OS{}.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|durable.Direct, 0o600)
				if err != nil {
					b.Skip(err)
				}
				for off := 0; off < size; off += len(buf) {
					if _, err := f.WriteAt(buf, int64(off)); err != nil {
						b.Fatal(err)
					}
				}
				if err := f.Sync(); err != nil {
					b.Fatal(err)
				}
				f.Close()
				os.Remove(name)
			}
		})
	}
}

// BenchmarkReadAt reads a blob that is in the page cache.
func BenchmarkReadAt(b *testing.B) {
	s, err := Open(Config{Dir: benchDir(b)})
	if err != nil {
		b.Fatal(err)
	}
	const size = 64 << 20
	if err := blobtest.Put(s, "ab", blobtest.Data(size)); err != nil {
		b.Fatal(err)
	}
	for _, piece := range []int64{64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("piece=%dK", piece>>10), func(b *testing.B) {
			r, err := s.Open(context.Background(), "ab")
			if err != nil {
				b.Fatal(err)
			}
			defer r.Close()
			buf := make([]byte, piece)
			b.SetBytes(piece)
			off := int64(0)
			for b.Loop() {
				if _, err := r.ReadAt(buf, off); err != nil {
					b.Fatal(err)
				}
				off = (off + piece) % size
			}
		})
	}
}

// BenchmarkOpen opens a blob and reads its first 64 KiB, as a small GET does.
func BenchmarkOpen(b *testing.B) {
	s, err := Open(Config{Dir: benchDir(b)})
	if err != nil {
		b.Fatal(err)
	}
	if err := blobtest.Put(s, "ab", blobtest.Data(100<<10)); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, blob.BlockSize)
	for b.Loop() {
		r, err := s.Open(context.Background(), "ab")
		if err != nil {
			b.Fatal(err)
		}
		r.ReadAt(buf, 0)
		r.Close()
	}
}

// run calls f b.N times from so many goroutines.
func run(b *testing.B, workers int, f func()) {
	var left atomic.Int64
	left.Store(int64(b.N))
	done := make(chan struct{})
	b.ResetTimer()
	for range workers {
		go func() {
			for left.Add(-1) >= 0 {
				f()
			}
			done <- struct{}{}
		}()
	}
	for range workers {
		<-done
	}
}
