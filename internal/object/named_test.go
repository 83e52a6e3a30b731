package object_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"coffer/internal/meta"
	"coffer/internal/object"
	"coffer/internal/sealed"
)

// Whoever holds content and then reads a state finds every blob that it names,
// whatever is deleted meanwhile.
func TestHold(t *testing.T) {
	w := newWorld(t, 1)
	b := w.bucket("photos", "")
	w.put(b, "small", pattern(1000, 1))
	w.put(b, "large", pattern(200<<10, 2))
	u := w.upload(b, &object.Upload{Key: "parts"}, sealingOf(sealed.ModeS3, ""))
	w.SetMinPart(1)
	u.part(1, pattern(100<<10, 3))
	u.part(2, pattern(90<<10, 4))
	u.complete(1, 2)
	under := w.upload(b, &object.Upload{Key: "under way"}, sealingOf(sealed.ModeS3, ""))
	under.part(1, pattern(80<<10, 5))

	release := w.Hold()
	named := make(map[string]int64)
	each := func(fn func(string, int64) error) {
		t.Helper()
		if err := w.meta.View(t.Context(), func(r meta.Reader) error { return object.EachBlob(r, fn) }); err != nil {
			t.Fatal(err)
		}
	}
	each(func(id string, size int64) error { named[id] = size; return nil })
	if got := slices.Sorted(maps.Keys(named)); !slices.Equal(got, w.blobNames()) || len(got) != 4 {
		t.Fatalf("EachBlob = %q; want %q", got, w.blobNames())
	}
	for id, size := range named {
		f, err := w.blobs.Open(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if f.Size() != size {
			t.Errorf("blob %s has %d bytes; EachBlob says %d", id, f.Size(), size)
		}
		f.Close()
	}
	for _, key := range []string{"large", "parts"} {
		if _, err := w.Delete(t.Context(), b, key, "", object.DeleteCondition{}, noDeleteRecord); err != nil {
			t.Fatal(err)
		}
	}
	w.pass(time.Minute)
	w.collect()
	each(func(id string, _ int64) error {
		if _, ok := named[id]; !ok || len(named) != 4 {
			t.Errorf("blob %s is named now", id)
		}
		return nil
	})
	if got := w.blobNames(); len(got) != 4 {
		t.Errorf("%d blobs are left while they are held; want 4", len(got))
	}
	release()
	release()
	w.collect()
	if got := w.blobNames(); len(got) != 1 {
		t.Errorf("%d blobs are left after the release; want 1", len(got))
	}
}
