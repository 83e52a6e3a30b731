package object_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"coffer/internal/blob"
	"coffer/internal/blob/disk"
	blobmem "coffer/internal/blob/mem"
	"coffer/internal/checksum"
	"coffer/internal/meta"
	metamem "coffer/internal/meta/mem"
	"coffer/internal/object"
	"coffer/internal/sealed"
)

// openAll has the key of every wrap that sealingOf made.
func openAll(_ context.Context, _ string, w *object.Wrap) (*sealed.Secret, error) {
	if w.KeyMD5 != "" {
		return secretNamed(w.KeyMD5[len("md5 of "):]), nil
	}
	return secretNamed(w.KeyARN[len("arn:aws:kms:us-east-1:"+account+":key/"):]), nil
}

func (w *world) check(cfg object.CheckConfig) []object.Finding {
	w.t.Helper()
	var all []object.Finding
	if err := w.Check(w.t.Context(), cfg, func(f object.Finding) { all = append(all, f) }); err != nil {
		w.t.Fatalf("Check() = %v", err)
	}
	return all
}

// wantClean fails the test if a deep check finds anything.
func (w *world) wantClean() {
	w.t.Helper()
	for _, f := range w.check(object.CheckConfig{Deep: true, Open: openAll}) {
		w.t.Errorf("Check() found %+v", f)
	}
}

// A scene is a store with one of everything.
type scene struct {
	*world
	b               *object.Bucket
	small1, small2  *object.Version
	big, big2       *object.Version
	multi, rekeyed  *object.Version
	other           *object.Bucket
	pending         *uploadTest
	bigData, mmData []byte
}

// newScene returns a scene in m and blobs, which are empty. It is made once and
// copied.
func newScene(t *testing.T, m meta.Store, blobs blob.Store) *scene {
	t.Helper()
	model := sceneModel()
	if model == nil {
		t.Fatal("no scene")
	}
	for k, v := range model.rows("s3") {
		if err := m.Update(t.Context(), func(txn meta.Txn) error { return txn.Put([]byte(k), v) }); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range model.blobNames() {
		b, err := model.blobs.Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		w, _ := blobs.Create(t.Context(), name, -1)
		if _, err = io.Copy(w, io.NewSectionReader(b, 0, b.Size())); err == nil {
			err = w.Commit()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s := *model
	s.world = newWorldOn(t, m, blobs, 8)
	return &s
}

// TestScene makes the scene that the tests of damage copy.
func TestScene(t *testing.T) {
	sceneModel().wantCleanIn(t)
}

// wantCleanIn is wantClean for a world that belongs to another test.
func (w *world) wantCleanIn(t *testing.T) {
	err := w.Check(t.Context(), object.CheckConfig{Deep: true, Open: openAll}, func(f object.Finding) { t.Errorf("Check() found %+v", f) })
	if err != nil {
		t.Errorf("Check() = %v", err)
	}
}

var sceneModel = sync.OnceValue(func() *scene { return makeScene(sceneTB{}) })

// A sceneTB is what a scene that outlives its test is made with.
type sceneTB struct{ testing.TB }

func (sceneTB) Helper()                   {}
func (sceneTB) Cleanup(func())            {}
func (sceneTB) Context() context.Context  { return context.Background() }
func (sceneTB) Fatal(args ...any)         { panic(fmt.Sprint(args...)) }
func (sceneTB) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }

func makeScene(t testing.TB) *scene {
	w := newWorldOn(t, metamem.New(), new(blobmem.Store), 7)
	w.SetMinPart(1)
	s := &scene{world: w, b: w.bucket("bucket", object.Enabled), other: w.bucket("other", object.NeverVersioned)}
	s.small1 = w.put(s.b, "small", []byte("one"))
	s.small2 = w.put(s.b, "small", []byte("two"))
	s.bigData = pattern(100_000, 1)
	s.big = w.put(s.b, "big", s.bigData)
	s.big2 = w.putSealed(s.b, "big2", pattern(100_000, 2), sealingOf(sealed.ModeCustomer, "client"))
	w.put(s.b, "gone", nil)
	if _, err := w.Delete(t.Context(), s.b, "gone", "", object.DeleteCondition{}, noDeleteRecord); err != nil {
		t.Fatal(err)
	}
	w.put(s.other, "null", []byte("null"))
	up := w.upload(s.b, &object.Upload{Key: "multi", Algorithm: checksum.CRC32C, Type: "FULL_OBJECT"}, sealingOf(sealed.ModeS3, ""))
	var numbers []int
	for n := 1; n <= 300; n++ {
		size := 10
		if n == 270 {
			size = 70_000
		}
		up.part(n, pattern(size, uint64(n)))
		numbers = append(numbers, n)
	}
	s.multi, s.mmData = up.complete(numbers...), up.whole(numbers...)
	s.rekeyed = w.put(s.b, "rekeyed", []byte("rekeyed"))
	v, err := w.Find(t.Context(), s.b, "rekeyed", "")
	if err == nil {
		err = w.Rekey(t.Context(), s.b, v, nil, sealingOf(sealed.ModeKMS, "k"), noRecord)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.pending = w.upload(s.b, &object.Upload{Key: "pending"}, sealingOf(sealed.ModeKMS, "k"))
	s.pending.part(1, []byte("part"))
	s.pending.part(7, pattern(80_000, 3))
	return s
}

func (s *scene) row(v *object.Version) string {
	return string(object.VersionRow(v.BucketID, v.Key, v.Seq))
}

// change rewrites one row.
func change[T any](s *scene, k []byte, fn func(*T)) {
	s.t.Helper()
	err := s.meta.Update(s.t.Context(), func(txn meta.Txn) error {
		var v T
		if err := object.GetRow(txn, k, &v); err != nil {
			return err
		}
		fn(&v)
		return object.PutRow(txn, k, v)
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) copyRow(to, from string) {
	s.t.Helper()
	v, ok := s.rows(from)[from]
	if !ok {
		s.t.Fatalf("no row %q", from)
	}
	s.setRow(to, v)
}

// partsOf returns the parts of the upload under way.
func (s *scene) partOf(number int) *object.Part {
	p := new(object.Part)
	err := s.meta.View(s.t.Context(), func(r meta.Reader) error {
		return object.GetRow(r, object.PartRow(s.pending.u.ID, number), p)
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *scene) changeBlob(name string, fn func([]byte) []byte) {
	s.t.Helper()
	b, err := s.blobs.Open(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	data := make([]byte, b.Size())
	_, _ = b.ReadAt(data, 0)
	w, err := s.blobs.Create(s.t.Context(), name, -1)
	if err != nil {
		s.t.Fatal(err)
	}
	_, _ = w.Write(fn(data))
	if err := errors.Join(s.blobs.Delete(s.t.Context(), name), w.Commit()); err != nil {
		s.t.Fatal(err)
	}
}

// TestCheckNames makes each kind of damage and wants it named, and mended where
// that loses nothing.
func TestCheckNames(t *testing.T) {
	for _, tc := range []struct {
		name   string
		damage func(s *scene)
		want   []object.Kind // in any order
		key    string        // of the first finding of the first kind
		mended bool          // Repair leaves nothing to be found
	}{
		{"no owner row", func(s *scene) { s.setRow(string(object.OwnerRow(account, "bucket")), nil) },
			[]object.Kind{object.KindOwnerMissing}, "", true},
		{"owner of no bucket", func(s *scene) { s.setRow(string(object.OwnerRow(account, "nowhere")), []byte{}) },
			[]object.Kind{object.KindOwnerStale}, "", true},
		{"owner of a stranger's bucket", func(s *scene) { s.setRow(string(object.OwnerRow("210987654321", "bucket")), []byte{}) },
			[]object.Kind{object.KindOwnerStale}, "", true},
		{"no bucket row", func(s *scene) {
			s.setRow(string(object.BucketRow("other")), nil)
			s.setRow(string(object.OwnerRow(account, "other")), nil)
		}, []object.Kind{object.KindBucketMissing, object.KindBucketMissing}, "", false},
		{"bucket row of another name", func(s *scene) { s.copyRow(string(object.BucketRow("copy")), string(object.BucketRow("bucket"))) },
			[]object.Kind{object.KindRowDamaged}, "", false},
		{"no head", func(s *scene) { s.setRow(string(object.HeadRow(s.b.ID, "small")), nil) },
			[]object.Kind{object.KindHeadMissing}, "small", true},
		{"no head of a delete marker", func(s *scene) { s.setRow(string(object.MarkerRow(s.b.ID, "gone")), nil) },
			[]object.Kind{object.KindHeadMissing}, "gone", true},
		{"two heads", func(s *scene) {
			s.copyRow(string(object.MarkerRow(s.b.ID, "small")), string(object.HeadRow(s.b.ID, "small")))
		}, []object.Kind{object.KindHeadWrong, object.KindHeadWrong}, "small", true},
		{"head in the wrong place", func(s *scene) {
			s.copyRow(string(object.HeadRow(s.b.ID, "gone")), string(object.MarkerRow(s.b.ID, "gone")))
			s.setRow(string(object.MarkerRow(s.b.ID, "gone")), nil)
		}, []object.Kind{object.KindHeadWrong}, "gone", true},
		{"head of another key", func(s *scene) {
			s.copyRow(string(object.HeadRow(s.b.ID, "small")), string(object.HeadRow(s.b.ID, "big")))
		}, []object.Kind{object.KindHeadWrong}, "small", true},
		{"head without its null version", func(s *scene) {
			s.copyRow(string(object.HeadRow(s.other.ID, "null")), string(object.HeadRow(s.b.ID, "big")))
		}, []object.Kind{object.KindHeadWrong}, "null", true},
		{"head that does not decode", func(s *scene) { s.setRow(string(object.HeadRow(s.b.ID, "small")), []byte("?")) },
			[]object.Kind{object.KindRowDamaged}, "", true},
		{"newest version gone", func(s *scene) { s.setRow(s.row(s.small2), nil) },
			[]object.Kind{object.KindHeadWrong, object.KindOrphanBody}, "small", true},
		{"head without versions", func(s *scene) { s.setRow(s.row(s.big), nil) },
			[]object.Kind{object.KindVersionMissing, object.KindOrphanBlob}, "big", false},
		{"version that does not decode", func(s *scene) { s.setRow(s.row(s.small1), []byte{0xff}) },
			[]object.Kind{object.KindRowDamaged, object.KindOrphanBody}, "", false},
		{"version row that does not parse", func(s *scene) { s.copyRow(s.row(s.small1)+"\x00", s.row(s.small1)) },
			[]object.Kind{object.KindRowDamaged}, "", false},
		{"small body gone", func(s *scene) { s.setRow(string(object.ContentRow(s.small1.Content.ID)), nil) },
			[]object.Kind{object.KindBodyMissing}, "small", false},
		{"small bodies exchanged", func(s *scene) {
			a, b := string(object.ContentRow(s.small1.Content.ID)), string(object.ContentRow(s.small2.Content.ID))
			s.copyRow("tmp", a)
			s.copyRow(a, b)
			s.copyRow(b, "tmp")
			s.setRow("tmp", nil)
		}, []object.Kind{object.KindBodyDamaged, object.KindBodyDamaged}, "small", false},
		{"small body cut", func(s *scene) {
			k := string(object.ContentRow(s.small1.Content.ID))
			s.setRow(k, s.rows(k)[k][:80])
		}, []object.Kind{object.KindBodyDamaged}, "small", false},
		{"small body altered", func(s *scene) {
			k := string(object.ContentRow(s.small1.Content.ID))
			v := s.rows(k)[k]
			v[len(v)-1] ^= 1
			s.setRow(k, v)
		}, []object.Kind{object.KindBodyDamaged}, "small", false},
		{"blob gone", func(s *scene) { _ = s.blobs.Delete(s.t.Context(), s.big.Content.Blob) },
			[]object.Kind{object.KindBodyMissing}, "big", false},
		{"blob cut", func(s *scene) { s.changeBlob(s.big.Content.Blob, func(b []byte) []byte { return b[:len(b)-1] }) },
			[]object.Kind{object.KindBodyDamaged}, "big", false},
		{"blob with another header", func(s *scene) {
			s.changeBlob(s.big.Content.Blob, func(b []byte) []byte { b[20] ^= 1; return b })
		}, []object.Kind{object.KindBodyDamaged}, "big", false},
		{"blob that is no body", func(s *scene) {
			s.changeBlob(s.big.Content.Blob, func(b []byte) []byte { return bytes.Repeat([]byte("x"), len(b)) })
		}, []object.Kind{object.KindBodyDamaged}, "big", false},
		{"blob altered", func(s *scene) {
			s.changeBlob(s.big.Content.Blob, func(b []byte) []byte { b[70_000] ^= 1; return b })
		}, []object.Kind{object.KindBodyDamaged}, "big", false},
		{"part table gone", func(s *scene) { s.setRow(string(object.TableRow(s.multi.Content.ID, 0)), nil) },
			[]object.Kind{object.KindTableDamaged, object.KindOrphanBody}, "multi", false},
		{"part table of another chunk", func(s *scene) {
			s.copyRow(string(object.TableRow(s.multi.Content.ID, 0)), string(object.TableRow(s.multi.Content.ID, 1)))
		}, []object.Kind{object.KindTableDamaged, object.KindOrphanBody}, "multi", false},
		{"parts exchanged", func(s *scene) {
			change(s, object.TableRow(s.multi.Content.ID, 0), func(t *object.PartTable) { t.Parts[3], t.Parts[4] = t.Parts[4], t.Parts[3] })
		}, []object.Kind{object.KindTableDamaged}, "multi", false},
		{"part key altered", func(s *scene) {
			change(s, object.TableRow(s.multi.Content.ID, 1), func(t *object.PartTable) { t.Parts[3].Key[50] ^= 1 })
		}, []object.Kind{object.KindTableDamaged}, "multi", false},
		{"checksum of a part altered", func(s *scene) {
			change(s, object.TableRow(s.multi.Content.ID, 1), func(t *object.PartTable) { t.Parts[3].Sums.Values[checksum.CRC32C] = "AAAAAA==" })
		}, []object.Kind{object.KindChecksumWrong}, "multi", false},
		{"ETag of a part altered", func(s *scene) {
			change(s, object.TableRow(s.multi.Content.ID, 1), func(t *object.PartTable) { t.Parts[3].ETag = t.Parts[4].ETag })
		}, []object.Kind{object.KindChecksumWrong, object.KindChecksumWrong}, "multi", false},
		{"body of a part gone", func(s *scene) {
			var t object.PartTable
			_ = s.meta.View(s.t.Context(), func(r meta.Reader) error { return object.GetRow(r, object.TableRow(s.multi.Content.ID, 1), &t) })
			s.setRow(string(object.ContentRow(t.Parts[0].ContentID)), nil)
		}, []object.Kind{object.KindBodyMissing}, "multi", false},
		{"wrap of another object", func(s *scene) {
			change(s, []byte(s.row(s.small1)), func(v *object.Version) { v.Content.Wrap = s.small2.Content.Wrap })
		}, []object.Kind{object.KindWrapDamaged}, "small", false},
		{"wrap cut", func(s *scene) {
			change(s, []byte(s.row(s.small1)), func(v *object.Version) { v.Content.Wrap.Box = v.Content.Wrap.Box[:99] })
		}, []object.Kind{object.KindWrapDamaged}, "small", false},
		{"replaced wrap altered", func(s *scene) {
			change(s, []byte(s.row(s.rekeyed)), func(v *object.Version) { v.Content.Previous[0].Wrap.Box[100] ^= 1 })
		}, []object.Kind{object.KindWrapDamaged}, "rekeyed", false},
		{"replaced wrap without its row", func(s *scene) {
			for k := range s.rows("s3w") {
				s.setRow(k, nil)
			}
		}, []object.Kind{object.KindReplacedUnlisted}, "rekeyed", true},
		{"row of replaced wraps that does not parse", func(s *scene) { s.setRow("s3wshort", []byte{}) },
			[]object.Kind{object.KindRowDamaged}, "", false},
		{"checksum altered", func(s *scene) {
			change(s, []byte(s.row(s.small1)), func(v *object.Version) { v.Sums.Values[checksum.CRC64NVME] = "AAAAAAAAAAA=" })
		}, []object.Kind{object.KindChecksumWrong}, "small", false},
		{"sealed checksum altered", func(s *scene) {
			change(s, []byte(s.row(s.rekeyed)), func(v *object.Version) { v.Sums.Box[40] ^= 1 })
		}, []object.Kind{object.KindChecksumWrong}, "rekeyed", false},
		{"ETag altered", func(s *scene) {
			change(s, []byte(s.row(s.small1)), func(v *object.Version) { v.ETag = md5Hex(nil) })
		}, []object.Kind{object.KindChecksumWrong}, "small", false},
		{"content in use marked as garbage", func(s *scene) {
			_ = s.meta.Update(s.t.Context(), func(txn meta.Txn) error {
				return object.PutRow(txn, object.GarbageRow(s.big.Content.ID), object.Garbage{Blob: s.big.Content.Blob})
			})
		}, []object.Kind{object.KindGarbageNamed}, "big", true},
		{"blob in use marked as unfinished", func(s *scene) { s.setRow(string(object.IntentRow(s.big.Content.Blob)), []byte{}) },
			[]object.Kind{object.KindIntentNamed}, "big", true},
		{"part in use marked as unfinished", func(s *scene) { s.setRow(string(object.IntentRow(s.partOf(7).Blob)), []byte{}) },
			[]object.Kind{object.KindIntentNamed}, "pending", true},
		{"garbage that does not decode", func(s *scene) { s.setRow(string(object.GarbageRow([32]byte{1})), []byte{}) },
			[]object.Kind{object.KindRowDamaged}, "", false},
		{"blob that nothing names", func(s *scene) {
			w, _ := s.blobs.Create(s.t.Context(), "00112233445566778899aabbccddeeff00112233", -1)
			_ = w.Commit()
		}, []object.Kind{object.KindOrphanBlob}, "", true},
		{"blob of somebody else", func(s *scene) {
			w, _ := s.blobs.Create(s.t.Context(), "abcdef", -1)
			_ = w.Commit()
		}, []object.Kind{object.KindOrphanBlob}, "", false},
		{"body that nothing names", func(s *scene) { s.setRow(string(object.ContentRow([32]byte{1})), []byte("?")) },
			[]object.Kind{object.KindOrphanBody}, "", true},
		{"part table that nothing names", func(s *scene) {
			s.setRow(s.row(s.multi), nil)
			s.setRow(string(object.HeadRow(s.b.ID, "multi")), nil)
		}, []object.Kind{object.KindOrphanTable}, "", true},
		{"parts of no upload", func(s *scene) {
			s.setRow(string(object.UploadRow(s.b.ID, "pending", s.pending.u.ID)), nil)
		}, []object.Kind{object.KindIndexStale, object.KindUploadMissing}, "pending", true},
		{"upload that does not decode", func(s *scene) {
			s.setRow(string(object.UploadRow(s.b.ID, "pending", s.pending.u.ID)), []byte("?"))
		}, []object.Kind{object.KindRowDamaged}, "", false},
		{"part that does not decode", func(s *scene) { s.setRow(string(object.PartRow(s.pending.u.ID, 1)), []byte("?")) },
			[]object.Kind{object.KindRowDamaged, object.KindOrphanBody}, "pending", false},
		{"part of another number", func(s *scene) {
			s.copyRow(string(object.PartRow(s.pending.u.ID, 3)), string(object.PartRow(s.pending.u.ID, 1)))
		}, []object.Kind{object.KindRowDamaged}, "pending", false},
		{"body of a pending part gone", func(s *scene) { s.setRow(string(object.ContentRow(s.partOf(1).ContentID)), nil) },
			[]object.Kind{object.KindBodyMissing}, "pending", false},
		{"key of a pending part altered", func(s *scene) {
			change(s, object.PartRow(s.pending.u.ID, 1), func(p *object.Part) { p.Key[50] ^= 1 })
		}, []object.Kind{object.KindWrapDamaged}, "pending", false},
		{"wrap of an upload altered", func(s *scene) {
			change(s, object.UploadRow(s.b.ID, "pending", s.pending.u.ID), func(u *object.Upload) { u.Wrap.Box[100] ^= 1 })
		}, []object.Kind{object.KindWrapDamaged}, "pending", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, metamem.New(), new(blobmem.Store))
			tc.damage(s)
			first := s.compareFindings("Check", s.check(object.CheckConfig{Deep: true, Open: openAll}), tc.want)
			if first.Key != tc.key {
				t.Errorf("Check() named the key %q of %v, want %q", first.Key, first.Kind, tc.key)
			}
			if first.Repaired {
				t.Errorf("Check() without Repair repaired %v", first.Kind)
			}
			blobs := s.blobNames()
			all := s.check(object.CheckConfig{Deep: true, Open: openAll, Repair: true, Offline: true})
			if tc.mended {
				for _, f := range all {
					if !f.Repaired {
						t.Errorf("Check() left %+v", f)
					}
				}
				s.collect()
				s.wantClean()
				return
			}
			for _, f := range all {
				if f.Repaired {
					t.Errorf("Check() repaired %+v", f)
				}
			}
			if !slices.Equal(s.blobNames(), blobs) {
				t.Error("Check() removed a blob although something was lost")
			}
		})
	}
}

// compareFindings compares the kinds of findings, of which there may be more of
// one kind than wanted if nothing else is, and returns the first of the first kind.
func (s *scene) compareFindings(what string, got []object.Finding, want []object.Kind) (first object.Finding) {
	s.t.Helper()
	var kinds []object.Kind
	for _, f := range got {
		kinds = append(kinds, f.Kind)
		if first.Kind == "" && f.Kind == want[0] {
			first = f
		}
	}
	slices.Sort(kinds)
	if !slices.Equal(slices.Compact(slices.Clone(kinds)), slices.Compact(slices.Sorted(slices.Values(want)))) {
		s.t.Fatalf("%s() found %+v, want %v", what, got, want)
	}
	return first
}

// TestCheckWithoutKeys wants nothing opened that may not be.
func TestCheckWithoutKeys(t *testing.T) {
	s := newScene(t, metamem.New(), new(blobmem.Store))
	change(s, []byte(s.row(s.big2)), func(v *object.Version) { v.Content.Wrap.Box[100] ^= 1 })
	for _, cfg := range []object.CheckConfig{{Deep: true}, {Deep: true, Open: func(context.Context, string, *object.Wrap) (*sealed.Secret, error) {
		return nil, object.ErrNoKey
	}}} {
		if got := s.check(cfg); len(got) > 0 {
			t.Errorf("Check() without keys found %+v", got)
		}
	}
	away := errors.New("key service is away")
	got := s.check(object.CheckConfig{Open: func(context.Context, string, *object.Wrap) (*sealed.Secret, error) { return nil, away }})
	s.compareFindings("Check", got, []object.Kind{object.KindKeyUnavailable})
}

// TestCheckBatches wants the same findings however few names fit into memory,
// and progress to reach its end.
func TestCheckBatches(t *testing.T) {
	s := newScene(t, metamem.New(), new(blobmem.Store))
	for i := range 5 {
		w, _ := s.blobs.Create(t.Context(), fmt.Sprintf("%040x", i), -1)
		_ = w.Commit()
		s.setRow(string(object.ContentRow([32]byte{byte(i), 9})), []byte("?"))
		s.setRow(string(object.TableRow([32]byte{byte(i), 9}, 0)), []byte{0xa0})
		s.setRow(string(object.PartRow(fmt.Sprintf("%039d", i), 1)), []byte{0xa0})
	}
	want := s.check(object.CheckConfig{})
	if len(want) != 20 {
		t.Errorf("Check() found %d things, want 20: %+v", len(want), want)
	}
	for _, batch := range []int{2, 3, 7} {
		var got []object.Finding
		err := s.CheckIn(t.Context(), batch, object.CheckConfig{}, func(f object.Finding) { got = append(got, f) })
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Check() with %d names at a time = %v, found %+v", batch, err, got)
		}
	}
	var done, total int64
	s.check(object.CheckConfig{Progress: func(d, n int64) { done, total = d, n }})
	if done != total || total == 0 {
		t.Errorf("progress ended at %d of %d", done, total)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, "Check() with an ended context", s.Check(ctx, object.CheckConfig{}, func(object.Finding) {}), context.Canceled)
}

// A holed is a meta store in which some rows are damaged.
type holed struct {
	meta.Store
	holes map[string]bool
}

func (h *holed) View(ctx context.Context, fn func(meta.Reader) error) error {
	return h.Store.View(ctx, func(r meta.Reader) error { return fn(holedReader{r, h}) })
}

type holedReader struct {
	meta.Reader
	h *holed
}

func (r holedReader) Get(k []byte) ([]byte, error) {
	if r.h.holes[string(k)] {
		return nil, fmt.Errorf("%w: %q", meta.ErrCorrupt, k)
	}
	return r.Reader.Get(k)
}

func (r holedReader) Scan(rg meta.Range, fn func(k, v []byte) (bool, error)) error {
	return r.Reader.Scan(rg, func(k, v []byte) (bool, error) {
		if r.h.holes[string(k)] {
			return false, fmt.Errorf("%w: %q", meta.ErrCorrupt, k)
		}
		return fn(k, v)
	})
}

// TestCheckPassesDamagedRows wants each row that the store can't open named, the
// rows behind it read, and nothing removed that it could have named.
func TestCheckPassesDamagedRows(t *testing.T) {
	h := &holed{metamem.New(), map[string]bool{}}
	s := newScene(t, h, new(blobmem.Store))
	s.setRow(string(object.HeadRow(s.b.ID, "rekeyed")), nil) // the last of the versions
	bad := []string{
		s.row(s.big), s.row(s.small1), string(object.HeadRow(s.b.ID, "multi")), string(object.OwnerRow(account, "bucket")),
		string(object.PartRow(s.pending.u.ID, 1)), string(object.UploadRow(s.b.ID, "pending", s.pending.u.ID)),
	}
	for _, k := range bad {
		h.holes[k] = true
	}
	before := s.blobNames()
	var rows []string
	missing := false
	for _, f := range s.check(object.CheckConfig{Repair: true, Offline: true}) {
		switch f.Kind {
		case object.KindRowDamaged:
			rows = append(rows, f.Detail)
		case object.KindHeadMissing:
			missing = f.Key == "rekeyed" && f.Repaired
		}
	}
	for _, k := range bad[:4] {
		if !slices.ContainsFunc(rows, func(s string) bool { return bytes.Contains([]byte(s), fmt.Appendf(nil, "row %q:", k)) }) {
			t.Errorf("Check() did not name the row %q, but %q", k, rows)
		}
	}
	if !missing {
		t.Error("Check() did not mend the head behind the damaged rows")
	}
	if !slices.Equal(s.blobNames(), before) {
		t.Error("Check() removed a blob that a damaged row could have named")
	}
}

// TestCheckNamesFlippedBytes flips bytes of a blob's file, and wants each flip
// named without any key.
func TestCheckNamesFlippedBytes(t *testing.T) {
	dir := t.TempDir()
	blobs, err := disk.Open(disk.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer blobs.Close()
	w := newWorldOn(t, metamem.New(), blobs, 1)
	b := w.bucket("bucket", object.NeverVersioned)
	w.putSealed(b, "key", pattern(object.InlineMax+1, 1), sealingOf(sealed.ModeKMS, "k"))
	var file string
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			file = path
		}
		return err
	})
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	step := 509
	if testing.Short() {
		step = 2111
	}
	for i := 0; i < len(data); i++ {
		if i > 120 && i < len(data)-48 && i%step != 0 {
			continue
		}
		data[i] ^= 1 << (i % 8)
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		data[i] ^= 1 << (i % 8)
		got := w.check(object.CheckConfig{})
		if len(got) != 1 || got[0].Key != "key" || got[0].Kind != object.KindBodyDamaged {
			t.Fatalf("Check() with byte %d of %d flipped found %+v", i, len(data), got)
		}
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	w.wantClean()
}

// TestCheckWhileInUse wants no finding about a store that is being used.
func TestCheckWhileInUse(t *testing.T) {
	w := newWorld(t, 1)
	w.SetMinPart(1)
	b := w.bucket("bucket", object.NeverVersioned)
	stop := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			key := fmt.Sprint("key", i%5)
			w.put(b, key, pattern(i%2*70_000, uint64(i)))
			up := w.upload(b, &object.Upload{Key: key}, sealingOf(sealed.ModeS3, ""))
			up.part(1, pattern(20, 1))
			up.part(2, pattern(70_000, 2))
			if i%3 == 0 {
				_, _ = w.Delete(context.Background(), b, key, "", object.DeleteCondition{}, noDeleteRecord)
			}
			up.complete(1, 2)
			w.pass(time.Minute)
			_ = w.Collect(context.Background())
		}
	}()
	for range 15 {
		for _, f := range w.check(object.CheckConfig{Deep: true, Repair: true}) {
			t.Errorf("Check() found %+v", f)
		}
	}
	close(stop)
	<-ended
	w.wantClean()
}
