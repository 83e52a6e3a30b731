package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"coffer/internal/blob"
	"coffer/internal/blob/blobtest"
	"coffer/internal/durable"
)

// failFrom makes the calls of sim fail with err from the n-th on, counted from
// 0, or the n-th alone. It returns how many there were so far.
func failFrom(sim *durable.SimFS, n int, alone bool, err error) *int {
	calls := new(int)
	sim.SetFail(func(durable.Op) error {
		*calls++
		if *calls-1 == n || *calls > n && !alone {
			return err
		}
		return nil
	})
	return calls
}

// TestCrash cuts the power after every call that a Put makes: what was
// acknowledged is there afterwards, and what was not is there whole or not at
// all, whatever subset of the unsynced sectors and names the disk kept.
func TestCrash(t *testing.T) {
	const id, before = "abcd", "abce"
	for _, size := range []int{0, 1, 4096, 70_000, 1<<20 + 17} {
		data, old := blobtest.Data(size), blobtest.Data(5000)
		for cut := 0; ; cut++ {
			sim := durable.NewSimFS()
			s := open(t, "/blobs", sim)
			if err := blobtest.Put(s, before, old); err != nil {
				t.Fatal(err)
			}
			failFrom(sim, cut, false, syscall.EIO)
			acked := blobtest.Put(s, id, data) == nil
			for seed := range uint64(4) {
				var rnd *rand.Rand
				if seed > 0 {
					rnd = rand.New(rand.NewPCG(seed, uint64(cut)))
				}
				after := sim.Crash(rnd)
				s := open(t, "/blobs", after)
				if got, err := blobtest.Get(s, before); err != nil || !bytes.Equal(got, old) {
					t.Fatalf("size %d, cut %d, seed %d: the older blob = %d bytes, %v", size, cut, seed, len(got), err)
				}
				got, err := blobtest.Get(s, id)
				switch {
				case err == nil && !bytes.Equal(got, data):
					t.Fatalf("size %d, cut %d, seed %d: the blob is not what was written", size, cut, seed)
				case err != nil && acked:
					t.Fatalf("size %d, cut %d, seed %d: an acknowledged blob is lost: %v", size, cut, seed, err)
				case err != nil && !errors.Is(err, blob.ErrNotFound):
					t.Fatalf("size %d, cut %d, seed %d: %v; want ErrNotFound", size, cut, seed, err)
				}
				if names, err := after.ReadDir("/blobs/tmp"); err != nil || len(names) != 0 {
					t.Fatalf("size %d, cut %d: tmp holds %q, %v after Open", size, cut, names, err)
				}
			}
			if acked {
				if cut < 6 {
					t.Fatalf("size %d: a Put made only %d calls", size, cut)
				}
				break
			}
		}
	}
}

// TestFailedCall fails one call of a Put at a time, with each error, and then
// wants the store to work as before.
func TestFailedCall(t *testing.T) {
	data := blobtest.Data(1<<20 + 17)
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO} {
		for n := 0; ; n++ {
			sim := durable.NewSimFS()
			s := open(t, "/blobs", sim)
			calls := failFrom(sim, n, true, errno)
			err := blobtest.Put(s, "abcd", data)
			if *calls <= n {
				if err != nil {
					t.Fatalf("Put without a failed call = %v", err)
				}
				break
			}
			sim.SetFail(nil)
			if err == nil || !errors.Is(err, blob.ErrUnavailable) || !errors.Is(err, errno) {
				t.Fatalf("%v at call %d: Put = %v; want ErrUnavailable that wraps it", errno, n, err)
			}
			if sim.OpenFiles() != 0 {
				t.Fatalf("%v at call %d: %d files left open", errno, n, sim.OpenFiles())
			}
			if names, err := sim.ReadDir("/blobs/tmp"); err != nil || len(names) != 0 {
				t.Fatalf("%v at call %d: tmp holds %q, %v", errno, n, names, err)
			}
			if got, err := blobtest.Get(s, "abcd"); !errors.Is(err, blob.ErrNotFound) && !bytes.Equal(got, data) {
				t.Fatalf("%v at call %d: the blob = %d bytes, %v; want it whole or not at all", errno, n, len(got), err)
			}
			if err := blobtest.Put(s, "abcd", data); err != nil {
				t.Fatalf("%v at call %d: the next Put = %v", errno, n, err)
			}
			if got, err := blobtest.Get(s, "abcd"); err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%v at call %d: after the next Put: %d bytes, %v", errno, n, len(got), err)
			}
			if s.buffers.largeInUse.Load() != 0 {
				t.Fatalf("%v at call %d: %d large buffers are lost", errno, n, s.buffers.largeInUse.Load())
			}
		}
	}
}

// TestNoDirectWrites runs on file systems that refuse direct access, when a
// file is opened or when it is written.
func TestNoDirectWrites(t *testing.T) {
	for _, refused := range []string{"open", "write"} {
		t.Run(refused, func(t *testing.T) {
			sim := durable.NewSimFS()
			s := open(t, "/blobs", sim)
			direct := map[string]bool{}
			refusals := 0
			sim.SetFail(func(op durable.Op) error {
				if op.Name == "open" {
					direct[op.Path] = op.Flag&durable.Direct != 0
				}
				if op.Name == refused && direct[op.Path] {
					refusals++
					return syscall.EINVAL
				}
				return nil
			})
			for i, size := range blobtest.Sizes {
				id, data := fmt.Sprintf("%02x", i), blobtest.Data(size)
				if err := blobtest.Put(s, id, data); err != nil {
					t.Fatal(err)
				}
				if got, err := blobtest.Get(s, id); err != nil || !bytes.Equal(got, data) {
					t.Fatalf("blob of %d bytes: %d bytes, %v", size, len(got), err)
				}
				if err := s.Check(context.Background(), id); err != nil {
					t.Fatal(err)
				}
			}
			if durable.Direct != 0 && refusals != 1 {
				t.Errorf("%d refusals; want the store to remember the first", refusals)
			}
			if sim.OpenFiles() != 0 {
				t.Errorf("%d files left open", sim.OpenFiles())
			}
		})
	}
}

// TestReadError wants an unreadable sector reported as damage that names the
// blob and the block.
func TestReadError(t *testing.T) {
	sim := durable.NewSimFS()
	s := open(t, "/blobs", sim)
	if err := blobtest.Put(s, "abcd", blobtest.Data(3*blob.BlockSize)); err != nil {
		t.Fatal(err)
	}
	// The reads are: footer, table, checksums, all blocks at once, and then
	// block 0, 1, 2.
	reads := 0
	sim.SetFail(func(op durable.Op) error {
		if op.Name == "read" {
			if reads++; reads == 4 || reads == 6 {
				return syscall.EIO
			}
		}
		return nil
	})
	err := s.Check(context.Background(), "abcd")
	if !errors.Is(err, blob.ErrCorrupt) || !errors.Is(err, syscall.EIO) || !containsAll(err, "abcd", "block 1") {
		t.Errorf("Check = %v; want ErrCorrupt and EIO at block 1 of abcd", err)
	}
}
