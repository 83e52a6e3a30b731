package object_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"coffer/internal/meta"
	"coffer/internal/object"
	"coffer/internal/sealed"
)

func BenchmarkPut4KiB(b *testing.B) {
	for _, mode := range []sealed.Mode{sealed.ModeS3, sealed.ModeKMS} {
		b.Run(mode.String(), func(b *testing.B) {
			w := newWorld(b, 1)
			bucket := w.bucket("bucket", object.NeverVersioned)
			data := pattern(4096, 1)
			seal := sealingOf(mode, "k")
			b.SetBytes(4096)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, _, err := w.Put(b.Context(), w.write(bucket, fmt.Sprint(i%1000), seal), bodyOf(data)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkGet4KiB(b *testing.B) {
	w := newWorld(b, 1)
	bucket := w.bucket("bucket", object.NeverVersioned)
	w.put(bucket, "key", pattern(4096, 1))
	b.SetBytes(4096)
	b.ReportAllocs()
	for b.Loop() {
		v, err := w.Find(b.Context(), bucket, "key", "")
		if err != nil {
			b.Fatal(err)
		}
		o, err := w.Open(b.Context(), bucket, v, nil)
		if err != nil {
			b.Fatal(err)
		}
		r, err := o.Range(b.Context(), 0, v.Size())
		if err == nil {
			_, err = r.WriteTo(io.Discard)
		}
		if err != nil {
			b.Fatal(err)
		}
		_ = r.Close()
		o.Close()
	}
}

// BenchmarkList reads a page of 1,000 keys out of many, and one of 100 common
// prefixes, each of which stands for a hundredth of the keys.
func BenchmarkList(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		w := newWorld(b, 1)
		bucket := w.bucket("bucket", object.NeverVersioned)
		fillBucket(b, w, bucket, n)
		for _, l := range []object.Listing{
			{Limit: 1000}, {Limit: 1000, After: "50/000500"}, {Limit: 1000, Delimiter: "/"},
		} {
			b.Run(fmt.Sprintf("%d/after=%s,delimiter=%s", n, l.After, l.Delimiter), func(b *testing.B) {
				for b.Loop() {
					p, err := w.Objects(b.Context(), bucket, l)
					if err != nil || len(p.Entries) < 100 {
						b.Fatalf("Objects() = %d entries, %v", len(p.Entries), err)
					}
				}
			})
		}
		b.Run(fmt.Sprintf("%d/versions", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := w.Versions(b.Context(), bucket, object.Listing{Limit: 1000}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// fillBucket makes n keys out of one object's rows: the listing reads no more.
func fillBucket(b *testing.B, w *world, bucket *object.Bucket, n int) {
	v := w.put(bucket, "pattern", nil)
	head := w.rows(string(object.HeadRow(bucket.ID, "pattern")))[string(object.HeadRow(bucket.ID, "pattern"))]
	version := w.rows(string(object.VersionRow(bucket.ID, "pattern", v.Seq)))[string(object.VersionRow(bucket.ID, "pattern", v.Seq))]
	for from := 0; from < n; from += 1000 {
		err := w.meta.Update(b.Context(), func(txn meta.Txn) error {
			for i := from; i < min(n, from+1000); i++ {
				key := fmt.Sprintf("%02d/%06d", i*100/n, i)
				if err := txn.Put(object.HeadRow(bucket.ID, key), head); err != nil {
					return err
				}
				if err := txn.Put(object.VersionRow(bucket.ID, key, 1), version); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPut8MiB(b *testing.B) {
	w := newWorld(b, 1)
	bucket := w.bucket("bucket", object.NeverVersioned)
	data := pattern(8<<20, 1)
	seal := sealingOf(sealed.ModeKMS, "k")
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		body := &object.Body{Reader: bytes.NewReader(data), Length: int64(len(data))}
		if _, _, err := w.Put(b.Context(), w.write(bucket, "key", seal), body); err != nil {
			b.Fatal(err)
		}
		w.collect()
	}
}
