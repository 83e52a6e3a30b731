package pebble

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"coffer/internal/meta"
)

// BenchmarkCommit measures durable commits of one new row each, with keys of
// 64 bytes, on the file system of the temporary directory.
func BenchmarkCommit(b *testing.B) {
	for _, size := range []int{300, 4096} {
		for _, writers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("size=%d/writers=%d", size, writers), func(b *testing.B) {
				s, err := Open(Config{Dir: b.TempDir()})
				if err != nil {
					b.Fatal(err)
				}
				var next atomic.Int64
				var wg sync.WaitGroup
				b.ReportAllocs()
				b.ResetTimer()
				for range writers {
					wg.Go(func() {
						value, key := randomBytes(size), make([]byte, 64)
						for {
							n := next.Add(1)
							if n > int64(b.N) {
								return
							}
							binary.BigEndian.PutUint64(key, uint64(n)*0x9e3779b97f4a7c15)
							err := s.Update(context.Background(), func(tx meta.Txn) error { return tx.Put(key, value) })
							if err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				stats := s.Stats()
				b.ReportMetric(float64(stats.Commits)/b.Elapsed().Seconds(), "commits/s")
				b.ReportMetric(float64(stats.Commits)/float64(stats.Groups), "commits/sync")
				if err := s.Close(); err != nil {
					b.Error(err)
				}
			})
		}
	}
}

// BenchmarkReadModifyWrite measures durable transactions that read three rows,
// scan a few and write two, as the put of an object does.
func BenchmarkReadModifyWrite(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s, err := Open(Config{Dir: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			fill(b, s, 100_000, 300)
			before := s.Stats()
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for w := range writers {
				rng := rand.New(rand.NewPCG(uint64(w), 1))
				wg.Go(func() {
					value := randomBytes(300)
					for next.Add(1) <= int64(b.N) {
						err := s.Update(context.Background(), func(tx meta.Txn) error {
							k := benchKey(rng.IntN(100_000))
							for i := range 3 {
								if _, err := tx.Get(benchKey((i*7919 + rng.IntN(100_000)) % 100_000)); err != nil {
									return err
								}
							}
							err := tx.Scan(meta.Range{Start: k, Limit: 3}, func(_, _ []byte) (bool, error) { return true, nil })
							if err != nil {
								return err
							}
							if err := tx.Put(k, value); err != nil {
								return err
							}
							return tx.Put(append(k, 'x'), value)
						})
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			stats := s.Stats()
			commits := float64(stats.Commits - before.Commits)
			b.ReportMetric(commits/b.Elapsed().Seconds(), "commits/s")
			b.ReportMetric(commits/float64(stats.Groups-before.Groups), "commits/sync")
			b.ReportMetric(float64(stats.Conflicts)/commits, "conflicts/commit")
			if err := s.Close(); err != nil {
				b.Error(err)
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	s, err := Open(Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	fill(b, s, 100_000, 300)
	ctx := context.Background()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		err := s.View(ctx, func(r meta.Reader) error {
			_, err := r.Get(benchKey(i * 7919 % 100_000))
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScan100(b *testing.B) {
	s, err := Open(Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	fill(b, s, 100_000, 300)
	ctx := context.Background()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		n := 0
		err := s.View(ctx, func(r meta.Reader) error {
			return r.Scan(meta.Range{Start: benchKey(i * 7919 % 90_000), Limit: 100}, func(_, _ []byte) (bool, error) {
				n++
				return true, nil
			})
		})
		if err != nil || n != 100 {
			b.Fatal(n, err)
		}
	}
}

func benchKey(i int) []byte {
	return fmt.Appendf(make([]byte, 0, 64), "bench/%032d", i)
}

func fill(b *testing.B, s *Store, rows, size int) {
	b.Helper()
	value := randomBytes(size)
	for i := 0; i < rows; {
		err := s.Update(context.Background(), func(tx meta.Txn) error {
			for range 1000 {
				if err := tx.Put(benchKey(i), value); err != nil {
					return err
				}
				i++
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func randomBytes(n int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}
