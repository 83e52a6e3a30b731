package object_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"coffer/internal/blob"
	blobmem "coffer/internal/blob/mem"
	"coffer/internal/meta"
	metamem "coffer/internal/meta/mem"
	"coffer/internal/object"
	"coffer/internal/sealed"
)

var errCrash = errors.New("crash")

// A fuse burns at the n-th call that changes a store.
type fuse struct {
	mu     sync.Mutex
	left   int  // calls yet to go; at 0 one burns
	after  bool // the call that burns happens, and its answer is lost
	stays  bool // all later calls fail too, as when the process is gone
	burned bool
}

// step runs one call, or fails it.
func (f *fuse) step(call func() error) error {
	f.mu.Lock()
	f.left--
	burns := f.left == 0 || f.left < 0 && f.burned && f.stays
	first := burns && !f.burned
	f.burned = f.burned || burns
	f.mu.Unlock()
	if !burns {
		return call()
	}
	if first && f.after {
		if err := call(); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: %w: %w", meta.ErrUnavailable, blob.ErrUnavailable, errCrash)
}

type crashMeta struct {
	meta.Store
	*fuse
}

func (m crashMeta) Update(ctx context.Context, fn func(meta.Txn) error) error {
	return m.step(func() error { return m.Store.Update(ctx, fn) })
}

type crashBlobs struct {
	blob.Store
	*fuse
}

func (b crashBlobs) Create(ctx context.Context, id string, hint int64) (w blob.Writer, err error) {
	err = b.step(func() error {
		w, err = b.Store.Create(ctx, id, hint)
		return err
	})
	if err != nil && w != nil {
		w.Abort()
	}
	return crashWriter{w, b.fuse}, err
}

func (b crashBlobs) Delete(ctx context.Context, id string) error {
	return b.step(func() error { return b.Store.Delete(ctx, id) })
}

type crashWriter struct {
	blob.Writer
	*fuse
}

func (w crashWriter) Commit() error { return w.step(w.Writer.Commit) }

// A ledger is what clients were told, and what they can't know.
type ledger struct {
	w      *world
	b      *object.Bucket
	acked  map[string][]byte   // nil: absent
	unsure map[string][][]byte // what a write without an answer may have left
}

func (l *ledger) did(key string, data []byte, err error) {
	if err == nil {
		l.acked[key], l.unsure[key] = data, nil
	} else {
		l.unsure[key] = append(l.unsure[key], data)
	}
}

func (l *ledger) put(key string, data []byte) {
	_, _, err := l.w.Put(context.Background(), l.w.write(l.b, key, sealingOf(sealed.ModeS3, "")), bodyOf(data))
	l.did(key, data, err)
}

func (l *ledger) delete(key string) {
	_, err := l.w.Delete(context.Background(), l.b, key, "", object.DeleteCondition{}, noDeleteRecord)
	l.did(key, nil, err)
}

// upload makes an object of two parts, one of which is put twice, and leaves a
// third unused.
func (l *ledger) upload(key string, seed uint64) {
	ctx := context.Background()
	u := &uploadTest{w: l.w, b: l.b, u: &object.Upload{Key: key, Algorithm: "CRC64NVME", Type: "FULL_OBJECT"},
		seal: sealingOf(sealed.ModeS3, ""), etags: map[int]string{}}
	if l.w.CreateUpload(ctx, l.b, u.u, u.seal, noRecord) != nil {
		return
	}
	var whole []byte
	for _, p := range []struct{ number, size int }{{1, 66_000}, {1, 67_000}, {2, 50}, {3, 66_001}} {
		data := pattern(p.size, seed+uint64(p.size))
		part, _, err := l.w.PutPart(ctx, l.b, u.u, p.number, u.secret, bodyOf(data), noPartRecord)
		if err != nil {
			return
		}
		u.etags[p.number] = part.ETag
		if p.size == 67_000 || p.size == 50 {
			whole = append(whole, data...)
		}
	}
	_, _, err := l.w.Complete(ctx, u.completion(1, 2))
	l.did(key, whole, err)
}

// history is what runs until the crash, and on after a failure that passes.
func (l *ledger) history() {
	l.put("small", pattern(100, 1))
	l.put("big", pattern(66_000, 2))
	l.put("big", pattern(66_000, 3))
	l.upload("parts", 4)
	_ = l.w.Collect(context.Background())
	l.w.pass(1e9 * 60)
	l.put("small", pattern(66_000, 5))
	l.put("small", pattern(10, 6))
	l.upload("parts", 7)
	l.put("gone", pattern(66_000, 5))
	l.delete("gone")
	_ = l.w.Collect(context.Background())
	l.w.pass(1e9 * 60)
	_ = l.w.Collect(context.Background())
	l.put("last", pattern(66_000, 9))
}

// TestCrashes lets the n-th call that changes a store fail, for each n: with or
// without its effect, for once or for good. What was acknowledged must read
// whole, what was not is there as a whole or not at all, and once the collector
// has run after a restart, nothing is left that nothing names.
func TestCrashes(t *testing.T) {
	for _, after := range []bool{false, true} {
		for _, stays := range []bool{false, true} {
			for _, restart := range []bool{false, true} {
				if stays && !restart {
					continue
				}
				t.Run(fmt.Sprintf("effect=%v stays=%v restart=%v", after, stays, restart), func(t *testing.T) {
					t.Parallel()
					for n := 1; crashAt(t, n, after, stays, restart); n++ {
						if t.Failed() {
							t.Fatalf("call %d", n)
						}
					}
				})
			}
		}
	}
}

// crashAt reports whether a history has as many as n calls.
func crashAt(t *testing.T, n int, after, stays, restart bool) bool {
	m, blobs := metamem.New(), new(blobmem.Store)
	w := newWorldOn(t, m, blobs, uint64(n))
	w.Store.Close()
	f := &fuse{left: -1, after: after, stays: stays}
	w.meta, w.blobs = crashMeta{m, f}, crashBlobs{blobs, f}
	w.open()
	w.SetMinPart(1)
	l := &ledger{w: w, b: w.bucket("bucket", object.NeverVersioned), acked: map[string][]byte{}, unsure: map[string][][]byte{}}
	f.mu.Lock()
	f.left = n
	f.mu.Unlock()
	l.history()
	f.mu.Lock()
	burned := f.burned
	if !burned {
		f.left = -1 // the history is over
	}
	f.mu.Unlock()
	if restart {
		w.Store.Close()
		w.meta, w.blobs = m, blobs
		w.open()
	}
	l.compare()
	w.collect()
	l.compare()
	for _, f := range w.check(object.CheckConfig{}) {
		t.Errorf("Check() found %+v", f)
	}
	dropUploads(w, l.b)
	w.wantNoLeftovers(l.b)
	return burned
}

func dropUploads(w *world, b *object.Bucket) {
	w.t.Helper()
	uploads, _, err := w.Uploads(context.Background(), b, object.Listing{Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, u := range uploads {
		if err := w.Abort(context.Background(), b, u.Upload.Key, u.Upload.ID, noRecord); err != nil {
			w.t.Fatalf("Abort(%q) = %v", u.Upload.Key, err)
		}
	}
}

// compare reads every key that was written.
func (l *ledger) compare() {
	l.w.t.Helper()
	keys := map[string]bool{}
	for k := range l.acked {
		keys[k] = true
	}
	for k := range l.unsure {
		keys[k] = true
	}
	for key := range keys {
		got, err := l.w.read(l.b, key, "", nil)
		if errors.Is(err, object.ErrNoSuchKey) {
			got, err = nil, nil
		} else if err == nil && got == nil {
			got = []byte{}
		}
		ok := err == nil && bytes.Equal(got, l.acked[key])
		for _, may := range l.unsure[key] {
			ok = ok || err == nil && bytes.Equal(got, may)
		}
		if !ok {
			l.w.t.Errorf("%q reads %d bytes, %v; was told %d bytes", key, len(got), err, len(l.acked[key]))
		}
	}
}

// TestLostAnswerKeepsTheBlob is the one case of TestCrashes that loses data if it
// goes wrong: a commit that happened although it answered an error.
func TestLostAnswerKeepsTheBlob(t *testing.T) {
	m, blobs := metamem.New(), new(blobmem.Store)
	w := newWorldOn(t, m, blobs, 1)
	b := w.bucket("bucket", object.NeverVersioned)
	data := pattern(66_000, 1)
	w.put(b, "other", data) // reserves blob names
	f := &fuse{left: -1, after: true}
	w.Store.Close()
	w.meta = crashMeta{m, f}
	w.open()
	f.left = 2 // the reservation, then the commit
	_, _, err := w.Put(t.Context(), w.write(b, "key", sealingOf(sealed.ModeS3, "")), bodyOf(data))
	wantError(t, "Put()", err, meta.ErrUnavailable)
	w.wantData(b, "key", "", nil, data)
	w.Store.Close()
	w.open()
	w.wantData(b, "key", "", nil, data)
}

// TestGivenUpBlobIsNotNamed wants a write to fail whose intent another process
// has given up: its blob may be gone already.
func TestGivenUpBlobIsNotNamed(t *testing.T) {
	w := newWorld(t, 1)
	b := w.bucket("bucket", object.NeverVersioned)
	data := pattern(400_000, 1) // more than is read before a blob has a name
	body := bodyOf(data)
	body.Reader = io.MultiReader(bytes.NewReader(data), readerFunc(func([]byte) (int, error) {
		other, err := object.Open(t.Context(), w.config()) // gives up what it finds
		if err != nil {
			return 0, err
		}
		other.Close()
		return 0, io.EOF
	}))
	body.Length, body.Max = -1, 1<<20
	_, _, err := w.Put(t.Context(), w.write(b, "key", sealingOf(sealed.ModeS3, "")), body)
	wantError(t, "Put() of a blob that was given up", err, object.ErrConflict)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
