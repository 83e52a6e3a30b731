package object_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	blobmem "coffer/internal/blob/mem"
	"coffer/internal/meta"
	metamem "coffer/internal/meta/mem"
	"coffer/internal/meta/metatest"
	"coffer/internal/object"
	"coffer/internal/sealed"
)

// under returns a sealing under a part of a key.
func under(name, part string) *object.Sealing {
	s := sealingOf(sealed.ModeKMS, name)
	s.Part = part
	return s
}

func keyNamed(name string) string { return "arn:aws:kms:us-east-1:" + account + ":key/" + name }

// uses lists what is under a target as "key version bytes" and "key upload bytes".
func (w *world) uses(target string) []string {
	w.t.Helper()
	var list []string
	err := w.EachUse(w.t.Context(), target, func(u *object.Use) error {
		kind := "version"
		if u.IsUpload {
			kind = "upload"
		}
		if u.IsLatest {
			kind += "*"
		}
		list = append(list, fmt.Sprintf("%s/%s %s %d", u.Bucket, u.Key, kind, u.Bytes))
		return nil
	})
	if err != nil {
		w.t.Fatalf("EachUse(%q) = %v", target, err)
	}
	return list
}

func (w *world) wantUses(target string, want ...string) {
	w.t.Helper()
	if got := w.uses(target); !slices.Equal(got, want) {
		w.t.Errorf("EachUse(%q) = %q; want %q", target, got, want)
	}
}

// TestKeyIndex follows content from key to key, and out of the store.
func TestKeyIndex(t *testing.T) {
	m := metatest.NewFaults(metamem.New())
	m.RunTwice(true)
	w := newWorldOn(t, m, new(blobmem.Store), 1)
	w.SetMinPart(1)
	b, plain := w.bucket("bucket", object.Enabled), w.bucket("plain", object.NeverVersioned)
	k1, k2 := keyNamed("1"), keyNamed("2")

	w.putSealed(b, "a", []byte("12345"), under("1", "alice"))
	w.putSealed(b, "a", []byte("123"), under("1", "bob"))
	w.putSealed(b, "b", []byte("1"), under("1", ""))
	w.putSealed(b, "c", []byte("12"), sealingOf(sealed.ModeDSSE, "1"))
	w.putSealed(b, "s3", nil, sealingOf(sealed.ModeS3, ""))
	w.putSealed(b, "own", nil, sealingOf(sealed.ModeCustomer, "x"))
	w.putSealed(b, "other", nil, under("11", "alice"))
	w.wantUses(k1, "bucket/b version* 1", "bucket/c version* 2", "bucket/a version 5", "bucket/a version* 3")
	w.wantUses(object.TargetOf(k1, "alice"), "bucket/a version 5")
	w.wantUses(object.TargetOf(k1, "al"))
	w.wantUses(k2)

	// A null version that is replaced takes its row with it.
	w.putSealed(plain, "n", []byte("1"), under("2", ""))
	w.putSealed(plain, "n", []byte("22"), under("2", "alice"))
	w.wantUses(k2, "plain/n version* 2")
	w.putSealed(plain, "n", nil, sealingOf(sealed.ModeS3, ""))
	w.wantUses(k2)

	// An upload is there from its start, as itself and then as an object.
	up := w.upload(plain, &object.Upload{Key: "up"}, under("2", "alice"))
	up.part(1, pattern(70_000, 1))
	up.part(2, pattern(10, 2))
	w.wantUses(k2, "plain/up upload 70010")
	up.complete(1, 2)
	w.wantUses(k2, "plain/up version* 70010")
	gone := w.upload(plain, &object.Upload{Key: "gone"}, under("2", ""))
	gone.part(1, []byte("x"))
	w.wantUses(k2, "plain/gone upload 1", "plain/up version* 70010")
	if err := w.Abort(t.Context(), plain, "gone", gone.u.ID, noRecord); err != nil {
		t.Fatal(err)
	}
	w.wantUses(k2, "plain/up version* 70010")
	w.wantClean()

	// What goes goes from the index; a bucket's uploads go with it.
	left := w.upload(plain, &object.Upload{Key: "left"}, under("2", ""))
	left.part(1, []byte("x"))
	w.delete(plain, "up", "")
	w.delete(plain, "n", "")
	if err := w.DeleteBucket(t.Context(), plain, noRecord); err != nil {
		t.Fatal(err)
	}
	w.collect()
	w.wantUses(k2)
	w.delete(b, "a", "") // a marker hides the version and destroys nothing
	w.wantUses(object.TargetOf(k1, "bob"), "bucket/a version 3")
	w.wantClean()
}

func (w *world) delete(b *object.Bucket, key, version string) {
	w.t.Helper()
	if _, err := w.Delete(w.t.Context(), b, key, version, object.DeleteCondition{}, noDeleteRecord); err != nil {
		w.t.Fatalf("Delete(%q) = %v", key, err)
	}
}

// TestLineage re-keys an object, and wants every key that ever wrapped it to lead to
// it, also when no wrap under that key is kept any more.
func TestLineage(t *testing.T) {
	w := newWorld(t, 1)
	b := w.bucket("bucket", object.Enabled)
	w.put(b, "k", []byte("data"))
	for i, to := range []*object.Sealing{under("1", "alice"), under("1", "bob"), under("2", "")} {
		v, err := w.Find(t.Context(), b, "k", "")
		if err != nil {
			t.Fatal(err)
		}
		w.rekey(b, v, secretNamed([]string{"", "1", "1"}[i]), to)
	}
	k1, k2 := keyNamed("1"), keyNamed("2")
	want := []string{k1 + "#alice", k1 + "#bob", k2, object.TargetService}
	for _, wait := range []time.Duration{0, 8 * 24 * time.Hour} {
		w.pass(wait)
		w.collect()
		v, err := w.Find(t.Context(), b, "k", "")
		if err != nil || !slices.Equal(v.Content.Targets(), want) {
			t.Errorf("after %v, the lineage is %q, %v; want %q", wait, v.Content.Targets(), err, want)
		}
		for _, target := range []string{k1, k1 + "#alice", k1 + "#bob", k2} {
			w.wantUses(target, "bucket/k version* 4") // once, though k1 has two rows
		}
	}
	w.wantClean()
	w.delete(b, "k", w.current(b, "k"))
	if rows := w.rows("s3d"); len(rows) != 0 {
		t.Errorf("%d rows are left of a version that is gone: %q", len(rows), slices.Sorted(maps.Keys(rows)))
	}
}

func (w *world) current(b *object.Bucket, key string) string {
	w.t.Helper()
	v, err := w.Find(w.t.Context(), b, key, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return v.ID
}

// TestForgetWraps wants the wraps under a destroyed key gone, and those under
// others kept: a ransom that destroys its own key must not take the way back.
func TestForgetWraps(t *testing.T) {
	w := newWorld(t, 1)
	b := w.bucket("bucket", object.Enabled)
	w.putSealed(b, "k", []byte("data"), under("1", "alice"))
	v, _ := w.Find(t.Context(), b, "k", "")
	w.rekey(b, v, secretNamed("1"), under("2", ""))
	v, _ = w.Find(t.Context(), b, "k", "")
	w.rekey(b, v, secretNamed("2"), under("3", ""))
	for _, step := range []struct {
		target string
		kept   int
	}{{keyNamed("3"), 2}, {keyNamed("1") + "#bob", 2}, {keyNamed("1"), 1}, {keyNamed("2"), 0}} {
		if err := w.ForgetWraps(t.Context(), step.target); err != nil {
			t.Fatal(err)
		}
		v, _ := w.Find(t.Context(), b, "k", "")
		if len(v.Content.Previous) != step.kept || len(v.Content.Targets()) != 3 {
			t.Errorf("after ForgetWraps(%q), %d wraps are kept of %q; want %d", step.target, len(v.Content.Previous), v.Content.Targets(), step.kept)
		}
	}
	w.wantClean()
	w.wantData(b, "k", "", secretNamed("3"), []byte("data"))
}

// TestIndexOfOldRows takes the index away, as a directory of format 1 has none, and
// wants the same one after the next start.
func TestIndexOfOldRows(t *testing.T) {
	w := newWorld(t, 1)
	w.SetMinPart(1)
	b := w.bucket("bucket", object.Enabled)
	for i := range 300 {
		w.putSealed(b, fmt.Sprint(i), nil, under("1", fmt.Sprint(i%3)))
	}
	v, _ := w.Find(t.Context(), b, "7", "")
	w.rekey(b, v, secretNamed("1"), under("2", ""))
	up := w.upload(b, &object.Upload{Key: "up"}, under("2", ""))
	up.part(1, []byte("x"))
	before := w.rows("s3d")
	if n := len(w.uses(keyNamed("1"))); n != 300 {
		t.Errorf("EachUse() told %d versions; want 300", n)
	}
	for k := range before {
		w.setRow(k, nil)
	}
	w.setRow("s3e", nil)
	w.Store.Close()
	w.open()
	if after := w.rows("s3d"); !maps.EqualFunc(after, before, func(a, b []byte) bool { return string(a) == string(b) }) {
		t.Errorf("the index built anew has %d rows, or others; want %d", len(after), len(before))
	}
	w.wantClean()
}

// TestCheckIndex damages the index in every way that can be told.
func TestCheckIndex(t *testing.T) {
	for _, tc := range []struct {
		name   string
		damage func(w *world, b *object.Bucket)
		want   []object.Kind
	}{
		{"row of a version gone", func(w *world, b *object.Bucket) { w.setRow(w.indexRow("v"), nil) }, []object.Kind{object.KindUnindexed}},
		{"row of an upload gone", func(w *world, b *object.Bucket) { w.setRow(w.indexRow("up"), nil) }, []object.Kind{object.KindUnindexed}},
		{"row that leads to nothing", func(w *world, b *object.Bucket) {
			w.setRow(strings.Replace(w.indexRow("v"), "key/1", "key/9", 1), []byte("bucket"))
		}, []object.Kind{object.KindIndexStale}},
		{"row of a version that is gone", func(w *world, b *object.Bucket) {
			old := w.indexRow("v")
			w.delete(b, "v", w.current(b, "v"))
			w.setRow(old, []byte("bucket"))
		}, []object.Kind{object.KindIndexStale}},
		{"row with another bucket's name", func(w *world, b *object.Bucket) { w.setRow(w.indexRow("v"), []byte("tekcub")) }, []object.Kind{object.KindIndexStale}},
		{"row that does not parse", func(w *world, b *object.Bucket) { w.setRow("s3dxx", []byte("bucket")) }, []object.Kind{object.KindIndexStale}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, 1)
			b := w.bucket("bucket", object.Enabled)
			w.putSealed(b, "v", nil, under("1", "alice"))
			w.upload(b, &object.Upload{Key: "up"}, under("1", "alice"))
			tc.damage(w, b)
			for _, repair := range []bool{false, true} {
				var got []object.Kind
				for _, f := range w.check(object.CheckConfig{Repair: repair}) {
					got = append(got, f.Kind)
					if f.Repaired != repair {
						t.Errorf("Check(repair %v) found %+v", repair, f)
					}
				}
				if !slices.Equal(got, tc.want) {
					t.Errorf("Check(repair %v) found %q; want %q", repair, got, tc.want)
				}
			}
			w.wantClean()
		})
	}
}

// indexRow returns the row that leads to a key.
func (w *world) indexRow(key string) string {
	w.t.Helper()
	for k := range w.rows("s3d") {
		if strings.Contains(k, key+"\x00\x01") {
			return k
		}
	}
	w.t.Fatalf("no row of the index leads to %q", key)
	return ""
}

// TestUsesResume scans in pages of one row and wants what one scan tells.
func TestUsesResume(t *testing.T) {
	w := newWorld(t, 1)
	b := w.bucket("bucket", object.NeverVersioned)
	for i := range 20 {
		w.putSealed(b, fmt.Sprint(i), nil, under("1", fmt.Sprint(i%4)))
	}
	for _, limit := range []int{1, 3, 20, 21} {
		n, pages := 0, 0
		var after []byte
		for more := true; more; {
			err := w.meta.View(t.Context(), func(r meta.Reader) (err error) {
				after, err = object.Uses(r, keyNamed("1"), after, limit, func(*object.Use) error { n++; return nil })
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if pages++; pages > 21 {
				t.Fatal("Uses() does not end")
			}
			more = after != nil
		}
		if n != 20 {
			t.Errorf("Uses() in pages of %d told %d; want 20", limit, n)
		}
	}
}
