package backup

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"testing"

	"coffer/internal/archive/dir"
	"coffer/internal/backupset"
	"coffer/internal/blob/disk"
	"coffer/internal/meta"
	"coffer/internal/meta/pebble"
	"coffer/internal/meta/sealrows"
)

// benchStore is a store of embedded implementations with some rows and blobs.
func benchStore(b *testing.B, rows, blobs, blobSize int) (*Backups, meta.Store) {
	b.Helper()
	p, err := pebble.Open(pebble.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { p.Close() })
	store := sealrows.New(p, sealrows.Key{1}, rand.Reader)
	d, err := disk.Open(disk.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { d.Close() })
	value := make([]byte, 300)
	for from := 0; from < rows; from += 10_000 {
		err := store.Update(context.Background(), func(tx meta.Txn) error {
			for i := from; i < min(rows, from+10_000); i++ {
				if err := tx.Put(fmt.Appendf(nil, "row/%016x/photos/2026/%08d.jpg", i%16, i), value); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	var names []string
	body := make([]byte, blobSize)
	_, _ = rand.Read(body)
	for range blobs {
		var id [20]byte
		_, _ = rand.Read(id[:])
		names = append(names, hex.EncodeToString(id[:]))
		w, err := d.Create(context.Background(), names[len(names)-1], int64(blobSize))
		if err == nil {
			_, err = w.Write(body)
		}
		if err == nil {
			err = w.Commit()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	return New(Config{
		Meta: store, Blobs: d, Codec: backupset.NewCodec(backupset.Key{7}),
		Named: func(_ meta.Reader, fn func(string, int64) error) error {
			for _, n := range names {
				if err := fn(n, int64(blobSize)); err != nil {
					return err
				}
			}
			return nil
		},
		Hold:     func() func() { return func() {} },
		Describe: func() backupset.Manifest { return backupset.Manifest{} },
	}), store
}

func benchBackup(b *testing.B, rows, blobs, blobSize int, incremental bool) {
	backups, store := benchStore(b, rows, blobs, blobSize)
	place := b.TempDir()
	receive := func() *Summary {
		b.Helper()
		to, err := dir.Open(place, true, nil)
		if err != nil {
			b.Fatal(err)
		}
		sum, err := Receive(b.Context(), &Local{Backups: backups}, to, ReceiveOptions{})
		if err != nil {
			b.Fatal(err)
		}
		return sum
	}
	var sum *Summary
	if incremental {
		sum = receive()
	}
	var fresh int64
	for i := range b.N {
		b.StopTimer()
		if incremental { // a hundred rows change
			err := store.Update(b.Context(), func(tx meta.Txn) error {
				for j := range 100 {
					if err := tx.Put(fmt.Appendf(nil, "row/%016x/photos/2026/%08d.new", j%16, i), make([]byte, 300)); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		} else {
			place = b.TempDir()
		}
		b.StartTimer()
		sum = receive()
		fresh += sum.NewBytes
	}
	seconds := b.Elapsed().Seconds() / float64(b.N)
	b.ReportMetric(float64(rows)/seconds, "rows/s")
	b.ReportMetric(float64(sum.Bytes)/seconds/1e6, "MB/s")
	b.ReportMetric(float64(fresh)/float64(b.N)/1e6, "newMB")
}

func BenchmarkBackup(b *testing.B) {
	for _, kind := range []string{"full", "incremental"} {
		b.Run("rows/"+kind, func(b *testing.B) { benchBackup(b, 500_000, 0, 0, kind == "incremental") })
		b.Run("blobs/"+kind, func(b *testing.B) { benchBackup(b, 1000, 512, 1<<20, kind == "incremental") })
	}
}
