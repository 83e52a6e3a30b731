package object_test

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
	"time"

	blobmem "coffer/internal/blob/mem"
	"coffer/internal/checksum"
	"coffer/internal/meta"
	metamem "coffer/internal/meta/mem"
	"coffer/internal/meta/metatest"
	"coffer/internal/object"
	"coffer/internal/sealed"
)

// find returns a version as the store has it.
func (w *world) find(b *object.Bucket, key, version string) *object.Version {
	w.t.Helper()
	v, err := w.Find(w.t.Context(), b, key, version)
	if err != nil {
		w.t.Fatalf("Find(%q, %q) = %v", key, version, err)
	}
	return v
}

func (w *world) sumsOf(b *object.Bucket, v *object.Version, secret *sealed.Secret) (map[checksum.Algorithm]string, []object.PartInfo) {
	w.t.Helper()
	o, err := w.Open(w.t.Context(), b, v, secret)
	if err != nil {
		w.t.Fatalf("Open(%q) = %v", v.Key, err)
	}
	defer o.Close()
	sums, err := o.Sums()
	if err != nil {
		w.t.Fatalf("Sums() of %q = %v", v.Key, err)
	}
	parts, _, err := o.Parts(w.t.Context(), 0, object.MaxParts)
	if err != nil {
		w.t.Fatalf("Parts() of %q = %v", v.Key, err)
	}
	return sums, parts
}

// holds reports whether a row or a blob holds the bytes.
func (w *world) holds(some []byte) bool {
	w.t.Helper()
	for _, v := range w.rows("s3") {
		if bytes.Contains(v, some) {
			return true
		}
	}
	for _, name := range w.blobNames() {
		b, err := w.blobs.Open(w.t.Context(), name)
		if err != nil {
			w.t.Fatal(err)
		}
		all := make([]byte, b.Size())
		_, err = b.ReadAt(all, 0)
		b.Close()
		if err == nil && bytes.Contains(all, some) {
			return true
		}
	}
	return false
}

// TestReseal seals versions anew, of each size and in parts, and wants all that a
// client sees to stay and nothing of the old content to be left.
func TestReseal(t *testing.T) {
	to := map[sealed.Mode]sealed.Mode{sealed.ModeS3: sealed.ModeKMS, sealed.ModeKMS: sealed.ModeKMS, sealed.ModeBucketKey: sealed.ModeBucketKey, sealed.ModeDSSE: sealed.ModeDSSE}
	for from, to := range to {
		for _, size := range []int{0, 10, object.InlineMax + 1, 300_000, -1} {
			t.Run(fmt.Sprintf("%v/%d", from, size), func(t *testing.T) {
				t.Parallel()
				m := metatest.NewFaults(metamem.New())
				w := newWorldOn(t, m, new(blobmem.Store), 1)
				w.SetMinPart(1)
				b := w.bucket("bucket", object.Enabled)
				was, is := sealingOf(from, "old"), sealingOf(to, "new")
				data := pattern(max(size, 0), 1)
				if size >= 0 {
					w.putSealed(b, "key", data, was)
				} else {
					up := w.upload(b, &object.Upload{Key: "key", Algorithm: checksum.SHA256, Named: true}, was)
					for i, n := range []int{100_000, object.InlineMax + 1, 70_000, 9} {
						up.part(2*i+1, pattern(n, uint64(i)))
					}
					up.complete(1, 3, 5, 7)
					data = up.whole(1, 3, 5, 7)
				}
				w.putSealed(b, "key", []byte("newer"), was)
				w.pass(5000)
				list, err := w.Versions(t.Context(), b, object.Listing{Limit: 10})
				if err != nil || len(list.Entries) != 2 {
					t.Fatalf("Versions() = %+v, %v", list, err)
				}
				before := w.find(b, "key", list.Entries[1].Version.ID)
				sums, parts := w.sumsOf(b, before, &was.Secret)
				reader, err := w.Open(t.Context(), b, before, &was.Secret)
				if err != nil {
					t.Fatal(err)
				}

				m.RunTwice(true)
				recorded := false
				err = w.Reseal(t.Context(), b, before, &was.Secret, is, func(meta.Txn) error { recorded = true; return nil })
				if m.RunTwice(false); err != nil || !recorded {
					t.Fatalf("Reseal() = %v, recorded: %v", err, recorded)
				}
				after := w.find(b, "key", before.ID)
				if after.Content.ID == before.Content.ID || after.Content.Lineage != nil || after.Content.Previous != nil || after.Content.Origin != nil {
					t.Errorf("content is still %+v", after.Content)
				}
				if got, _ := after.Content.Wrap.Mode(); got != to || after.Content.Wrap.KeyARN != is.KeyARN {
					t.Errorf("sealed as %v under %q", got, after.Content.Wrap.KeyARN)
				}
				if after.ID != before.ID || after.Seq != before.Seq || after.ETag != before.ETag || after.Modified != before.Modified || after.Size() != before.Size() ||
					!reflect.DeepEqual(after.Attributes, before.Attributes) || !reflect.DeepEqual(after.Sums.Algorithms, before.Sums.Algorithms) || after.Sums.Type != before.Sums.Type {
					t.Errorf("version was %+v, is %+v", before, after)
				}
				nowSums, nowParts := w.sumsOf(b, after, &is.Secret)
				if !reflect.DeepEqual(nowSums, sums) || !reflect.DeepEqual(nowParts, parts) {
					t.Errorf("checksums were %v %v, are %v %v", sums, parts, nowSums, nowParts)
				}
				w.wantData(b, "key", before.ID, &is.Secret, data)
				if n := int64(len(data)); n > 0 {
					for _, r := range [][2]int64{{0, 1}, {n - 1, 1}, {n / 3, n / 2}, {max(0, n-60_000), min(n, 59_999)}} {
						got, err := w.readRange(b, after, &is.Secret, r[0], r[1])
						if err != nil || !bytes.Equal(got, data[r[0]:r[0]+r[1]]) {
							t.Errorf("range %v = %d bytes, %v", r, len(got), err)
						}
					}
				}
				if from != sealed.ModeS3 {
					w.wantUses(was.KeyARN, "bucket/key version* 5")
					if _, err := w.read(b, "key", before.ID, &was.Secret); err == nil {
						t.Error("the old key opens it")
					}
				}
				w.wantUses(is.KeyARN, fmt.Sprintf("bucket/key version %d", len(data)))

				// A read that began before goes on, and what it reads stays till then.
				w.collect()
				got := new(bytes.Buffer)
				r, err := reader.Range(t.Context(), 0, before.Size())
				if err == nil {
					_, err = r.WriteTo(got)
					r.Close()
				}
				if err != nil || !bytes.Equal(got.Bytes(), data) {
					t.Errorf("a read under way = %d bytes, %v", got.Len(), err)
				}
				reader.Close()
				w.collect()
				w.wantClean()
				if w.holds(before.Content.ID[:]) {
					t.Error("something of the old content is left")
				}
			})
		}
	}
}

// TestResealForgets wants nothing of the keys that content was under before.
func TestResealForgets(t *testing.T) {
	w := newWorld(t, 1)
	b := w.bucket("bucket", object.NeverVersioned)
	w.putSealed(b, "key", pattern(100_000, 1), under("1", "alice"))
	w.rekey(b, w.find(b, "key", ""), secretNamed("1"), under("2", ""))
	w.wantUses(keyNamed("1"), "bucket/key version* 100000")
	v := w.find(b, "key", "")
	if err := w.Reseal(t.Context(), b, v, secretNamed("2"), under("3", ""), noRecord); err != nil {
		t.Fatal(err)
	}
	w.wantUses(keyNamed("1"))
	w.wantUses(keyNamed("2"))
	w.wantUses(keyNamed("3"), "bucket/key version* 100000")
	if got := w.find(b, "key", "").Content.Targets(); len(got) != 1 {
		t.Errorf("Targets() = %q", got)
	}
	if rows := w.rows("s3w"); len(rows) > 0 {
		t.Errorf("replaced wraps are listed: %q", rows)
	}
	w.collect()
	w.wantClean()
	w.wantData(b, "key", "", secretNamed("3"), pattern(100_000, 1))
}

// TestResealRefuses wants what can't be sealed anew left as it is.
func TestResealRefuses(t *testing.T) {
	w := newWorld(t, 1)
	b := w.bucket("bucket", object.NeverVersioned)
	for _, tt := range []struct {
		from, to sealed.Mode
		secret   string
		want     error
	}{
		{sealed.ModeCustomer, sealed.ModeKMS, "old", object.ErrNotSealedThisWay},
		{sealed.ModeKMS, sealed.ModeCustomer, "old", object.ErrNotSealedThisWay},
		{sealed.ModeKMS, sealed.ModeS3, "old", object.ErrNotSealedThisWay},
		{sealed.ModeKMS, sealed.ModeDSSE, "old", object.ErrNotSealedThisWay},
		{sealed.ModeDSSE, sealed.ModeKMS, "old", object.ErrNotSealedThisWay},
		{sealed.ModeKMS, sealed.ModeKMS, "wrong", sealed.ErrWrongKey},
	} {
		key := fmt.Sprint(tt.from, tt.to, tt.secret)
		v := w.putSealed(b, key, pattern(100_000, 1), sealingOf(tt.from, "old"))
		err := w.Reseal(t.Context(), b, w.find(b, key, ""), secretNamed(tt.secret), sealingOf(tt.to, "new"), noRecord)
		wantError(t, "Reseal() of "+key, err, tt.want)
		if now := w.find(b, key, ""); now.Content.ID != v.Content.ID {
			t.Errorf("%s: other content", key)
		}
	}
	w.collect()
	w.wantClean()
}

// TestResealLoses wants whoever changes the version meanwhile to win.
func TestResealLoses(t *testing.T) {
	for name, change := range map[string]func(w *world, b *object.Bucket, v *object.Version){
		"overwrite": func(w *world, b *object.Bucket, _ *object.Version) {
			w.putSealed(b, "key", []byte("other"), sealingOf(sealed.ModeKMS, "k3"))
		},
		"rekey": func(w *world, b *object.Bucket, v *object.Version) {
			w.rekey(b, v, secretNamed("k1"), sealingOf(sealed.ModeKMS, "k3"))
		},
		"reseal": func(w *world, b *object.Bucket, v *object.Version) {
			if err := w.Reseal(w.t.Context(), b, v, secretNamed("k1"), sealingOf(sealed.ModeKMS, "k3"), noRecord); err != nil {
				w.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			b := w.bucket("bucket", object.NeverVersioned)
			w.putSealed(b, "key", pattern(100_000, 1), sealingOf(sealed.ModeKMS, "k1"))
			v := w.find(b, "key", "")
			change(w, b, v)
			err := w.Reseal(t.Context(), b, v, secretNamed("k1"), sealingOf(sealed.ModeKMS, "k2"), noRecord)
			wantError(t, "Reseal()", err, object.ErrChanged)
			w.wantUses(keyNamed("k2"))
			if len(w.uses(keyNamed("k3"))) != 1 {
				t.Error("the change is gone")
			}
			w.collect()
			w.wantClean()
			w.pass(365 * 24 * time.Hour) // the recovery window of the other's wrap
			w.wantNoLeftovers(b)
		})
	}
}

// TestResealCrash stops a store at each change that sealing anew makes, lets it fail
// or lose its answer, and wants the old content or the new one.
func TestResealCrash(t *testing.T) {
	seen := map[string]bool{}
	for _, kind := range []struct{ after, stays bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
		for n := 1; ; n++ {
			f := new(fuse)
			m, blobs := metamem.New(), new(blobmem.Store)
			w := newWorldOn(t, crashMeta{m, f}, crashBlobs{blobs, f}, 1)
			w.SetMinPart(1)
			b := w.bucket("bucket", object.NeverVersioned)
			was, is := sealingOf(sealed.ModeKMS, "old"), sealingOf(sealed.ModeKMS, "new")
			up := w.upload(b, &object.Upload{Key: "key"}, was)
			up.part(1, pattern(50_000, 1))
			up.part(2, pattern(10, 2))
			up.part(3, pattern(50_000, 3))
			up.complete(1, 2, 3)
			data := up.whole(1, 2, 3)
			v := w.find(b, "key", "")
			*f = fuse{left: n, after: kind.after, stays: kind.stays}
			err := w.Reseal(t.Context(), b, v, &was.Secret, is, noRecord)
			burned := f.burned
			*f = fuse{}
			if !burned && err != nil {
				t.Fatalf("Reseal() = %v", err)
			}
			if kind.stays {
				w.open() // as after a crash
			}
			secret := &was.Secret
			if v.Content.ID != w.find(b, "key", "").Content.ID {
				secret = &is.Secret
				seen["new"] = true
			} else {
				seen["old"] = true
				if err == nil {
					t.Errorf("%+v, step %d: not done", kind, n)
				}
			}
			w.wantData(b, "key", "", secret, data)
			w.collect()
			w.wantClean()
			if !burned {
				break
			}
		}
	}
	if !seen["old"] || !seen["new"] {
		t.Errorf("saw %v", seen)
	}
}
