package disk

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"coffer/internal/blob"
	"coffer/internal/blob/blobtest"
	"coffer/internal/blob/mem"
	"coffer/internal/durable"
)

// open opens a store in dir on fsys, which nil makes that of the machine.
func open(t *testing.T, dir string, fsys durable.FS) *Store {
	t.Helper()
	s, err := Open(Config{Dir: dir, FS: fsys})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store { return open(t, t.TempDir(), nil) })
}

func TestStoreOnSimFS(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store { return open(t, "/blobs", durable.NewSimFS()) })
}

func TestCompare(t *testing.T) {
	for seed := range uint64(3) {
		blobtest.Compare(t, seed, 100, open(t, t.TempDir(), nil), new(mem.Store))
	}
}

// TestIdleWriters wants writers that wait for their client to hold little.
func TestIdleWriters(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	var writers []blob.Writer
	for i := range 256 {
		w, err := s.Create(context.Background(), fmt.Sprintf("%04x", i), 5<<30)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Abort()
		if _, err := w.Write(make([]byte, smallBuffer+1)); err != nil {
			t.Fatal(err)
		}
		writers = append(writers, w)
	}
	held := 0
	for _, w := range writers {
		held += cap(w.(*writer).buf)
	}
	if held > maxLarge*largeBuffer+256*smallBuffer {
		t.Errorf("256 idle writers hold %d bytes of buffers", held)
	}
	for _, w := range writers {
		w.Abort()
	}
	if n := s.buffers.largeInUse.Load(); n != 0 {
		t.Errorf("%d large buffers are lost", n)
	}
}

// TestSmallBlobsAreCached wants the size hint to decide who writes directly, and
// nothing else: a wrong one still gives a whole blob.
func TestSmallBlobsAreCached(t *testing.T) {
	if durable.Direct == 0 {
		t.Skip("no direct writes on this platform")
	}
	sim := durable.NewSimFS()
	s := open(t, "/blobs", sim)
	data := blobtest.Data(2 << 20)
	for _, test := range []struct {
		hint   int64
		direct bool
	}{{0, false}, {maxCached, false}, {maxCached + 1, true}, {-1, true}} {
		isDirect := false
		sim.SetFail(func(op durable.Op) error {
			if op.Name == "open" {
				isDirect = op.Flag&durable.Direct != 0
			}
			return nil
		})
		w, err := s.Create(context.Background(), "ab", test.hint)
		if err != nil {
			t.Fatal(err)
		}
		if isDirect != test.direct {
			t.Errorf("hint %d: direct = %v; want %v", test.hint, isDirect, test.direct)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		if got, err := blobtest.Get(s, "ab"); err != nil || !bytes.Equal(got, data) {
			t.Errorf("hint %d: %d bytes, %v", test.hint, len(got), err)
		}
	}
}

func TestStats(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	if err := blobtest.Put(s, "ab", blobtest.Data(100_000)); err != nil {
		t.Fatal(err)
	}
	w, err := s.Create(context.Background(), "cd", -1)
	if err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if err := s.Delete(context.Background(), "ab"); err != nil {
		t.Fatal(err)
	}
	got := s.Stats()
	if got.BytesWritten < 100_000 || got.BytesWritten > 110_000 || got.Syncs != 2 {
		t.Errorf("Stats = %+v; want about 100,000 bytes and 2 syncs", got)
	}
	got.BytesWritten, got.Syncs = 0, 0
	if want := (Stats{Committed: 1, Aborted: 1, Deleted: 1}); got != want {
		t.Errorf("Stats = %+v; want %+v", got, want)
	}
}
