package object_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	blobmem "coffer/internal/blob/mem"
	metamem "coffer/internal/meta/mem"
	"coffer/internal/meta/metatest"
	"coffer/internal/object"
	"coffer/internal/sealed"
)

// TestConcurrent lets 16 goroutines use a few keys at once, with transactions
// that run twice. Each object says what it holds, so a reader knows a mixture.
func TestConcurrent(t *testing.T) {
	m := metatest.NewFaults(metamem.New())
	m.RunTwice(true)
	w := newWorldOn(t, m, new(blobmem.Store), 1)
	w.SetMinPart(1)
	b := w.bucket("bucket", object.NeverVersioned)
	sizes := []int{100, 70_000}
	steps := 60
	if testing.Short() {
		steps = 15
	}
	var all sync.WaitGroup
	for g := range 16 {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(g), 3))
			for i := range steps {
				key := fmt.Sprint("key", rnd.IntN(3))
				seed := uint64(g*1000 + i)
				switch rnd.IntN(9) {
				case 0, 1, 2:
					data := pattern(sizes[rnd.IntN(2)], seed)
					if _, _, err := w.Put(t.Context(), w.write(b, key, sealingOf(sealed.ModeS3, "")), bodyOf(data)); err != nil {
						t.Errorf("Put(%q) = %v", key, err)
					}
				case 3:
					up := w.upload(b, &object.Upload{Key: key}, sealingOf(sealed.ModeS3, ""))
					up.part(1, pattern(70_000, seed))
					up.part(1, pattern(100, seed))
					up.part(2, pattern(70_000, seed+1))
					if _, _, err := w.Complete(t.Context(), up.completion(1, 2)); err != nil {
						t.Errorf("Complete(%q) = %v", key, err)
					}
				case 4:
					if _, err := w.Delete(t.Context(), b, key, "", object.DeleteCondition{}, noDeleteRecord); err != nil {
						t.Errorf("Delete(%q) = %v", key, err)
					}
				case 5:
					w.setVersioning(b, []string{object.Enabled, object.Suspended}[rnd.IntN(2)])
				case 6:
					w.pass(time.Minute) // ends the grace of readers
					if err := w.Collect(t.Context()); err != nil {
						t.Errorf("Collect() = %v", err)
					}
				default:
					v, err := w.Find(t.Context(), b, key, "")
					if errors.Is(err, object.ErrNoSuchKey) || errors.Is(err, object.ErrIsMarker) {
						continue
					}
					var got []byte
					if err == nil {
						got, err = w.readVersion(b, v, nil)
					}
					if errors.Is(err, object.ErrChanged) {
						continue
					}
					if err != nil || v.Content.PartCount == 0 && md5Hex(got) != v.ETag || v.Content.PartCount == 2 && len(got) != 70_100 {
						t.Errorf("read of %q = %d bytes, %v, want ETag %s", key, len(got), err, v.ETag)
					}
				}
			}
		})
	}
	all.Wait()
	w.collect()
	w.wantClean()
	w.wantNoLeftovers(b)
}

// wantNoLeftovers deletes all versions of a bucket and the bucket, and wants
// nothing left in the stores.
func (w *world) wantNoLeftovers(b *object.Bucket) {
	w.t.Helper()
	ctx := context.Background()
	p, err := w.Versions(ctx, b, object.Listing{Limit: 1 << 20})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range p.Entries {
		if _, err := w.Delete(ctx, b, e.Version.Key, e.Version.ID, object.DeleteCondition{}, noDeleteRecord); err != nil {
			w.t.Fatalf("Delete(%q, %q) = %v", e.Version.Key, e.Version.ID, err)
		}
	}
	if err := w.DeleteBucket(ctx, b, noRecord); err != nil {
		w.t.Fatalf("DeleteBucket() = %v", err)
	}
	w.Store.Close()
	w.open()
	w.collect()
	if rows, blobs := w.rows("s3"), w.blobNames(); len(rows) > 0 || len(blobs) > 0 {
		w.t.Errorf("an empty store holds %d rows and %d blobs: %q", len(rows), len(blobs), rows)
	}
}

// TestOneOfManyCreates lets many writers ask for a key to be absent: one wins.
func TestOneOfManyCreates(t *testing.T) {
	w := newWorld(t, 1)
	b := w.bucket("bucket", object.NeverVersioned)
	var won atomic.Int32
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			write := w.write(b, "key", sealingOf(sealed.ModeS3, ""))
			write.Condition.IfNoneMatch = "*"
			_, _, err := w.Put(t.Context(), write, bodyOf(pattern(70_000*(i%2), uint64(i))))
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, object.ErrPrecondition) {
				t.Errorf("Put() = %v", err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d writers created the key, want 1", won.Load())
	}
	w.wantNoLeftovers(b)
}

// TestReadOfRemovedVersion reads versions while and after they are removed: a
// reader reads its version whole or learns that it went away.
func TestReadOfRemovedVersion(t *testing.T) {
	for _, parts := range []bool{false, true} {
		w := newWorld(t, 1)
		w.SetMinPart(1)
		b := w.bucket("bucket", object.NeverVersioned)
		want := pattern(140_000, 1)
		write := func() *object.Version {
			if !parts {
				w.put(b, "key", want)
			} else {
				up := w.upload(b, &object.Upload{Key: "key"}, sealingOf(sealed.ModeS3, ""))
				up.part(1, want[:70_000])
				up.part(2, want[70_000:])
				up.complete(1, 2)
			}
			v, err := w.Find(t.Context(), b, "key", "")
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		// Found before, opened within the grace.
		v := write()
		w.put(b, "key", nil)
		if err := w.Collect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := w.readVersion(b, v, nil); err != nil || !bytes.Equal(got, want) {
			t.Errorf("read of a version removed just now = %d bytes, %v", len(got), err)
		}
		// Opened before, read long after.
		v = write()
		o, err := w.Open(t.Context(), b, v, nil)
		if err != nil {
			t.Fatal(err)
		}
		w.put(b, "key", nil)
		w.collect()
		r, err := o.Range(t.Context(), 0, v.Size())
		if err != nil {
			t.Fatalf("Range() of an open version = %v", err)
		}
		var got bytes.Buffer
		if _, err := r.WriteTo(&got); err != nil || !bytes.Equal(got.Bytes(), want) {
			t.Errorf("read of an open version = %d bytes, %v", got.Len(), err)
		}
		_ = r.Close()
		o.Close()
		// Found before, opened when it is gone.
		v = write()
		w.put(b, "key", nil)
		w.collect()
		_, err = w.readVersion(b, v, nil)
		wantError(t, "read of a version that is gone", err, object.ErrChanged)
		w.collect()
		w.wantNoLeftovers(b)
	}
}

// TestCollectorRuns wants the collector to remove content by itself.
func TestCollectorRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		b := w.bucket("bucket", object.NeverVersioned)
		w.put(b, "key", pattern(70_000, 1))
		w.put(b, "key", nil)
		w.pass(time.Minute)
		time.Sleep(time.Minute)
		synctest.Wait()
		if left := w.blobNames(); len(left) > 0 {
			t.Errorf("the collector left %q", left)
		}
		w.Store.Close()
	})
}
