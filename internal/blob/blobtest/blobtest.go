// Package blobtest holds every implementation of [blob.Store] to the same
// behaviour.
package blobtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"coffer/internal/blob"
)

// Run runs the suite. open returns an empty store for one test, which closes it.
func Run(t *testing.T, open func(t *testing.T) blob.Store) {
	tests := []struct {
		name string
		run  func(t *testing.T, s blob.Store)
	}{
		{"Sizes", testSizes},
		{"WriteInPieces", testWriteInPieces},
		{"SizeHint", testSizeHint},
		{"Invisible", testInvisible},
		{"Finished", testFinished},
		{"Twice", testTwice},
		{"ReadAt", testReadAt},
		{"Delete", testDelete},
		{"DeleteWhileOpen", testDeleteWhileOpen},
		{"List", testList},
		{"IDs", testIDs},
		{"Canceled", testCanceled},
		{"Concurrent", testConcurrent},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			defer func() {
				if err := s.Close(); err != nil {
					t.Errorf("Close = %v", err)
				}
			}()
			test.run(t, s)
		})
	}
}

// Put writes data as the blob id.
func Put(s blob.Store, id string, data []byte) error {
	w, err := s.Create(context.Background(), id, int64(len(data)))
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := w.Write(data); err != nil {
		return err
	}
	return w.Commit()
}

// Get returns the bytes of the blob id.
func Get(s blob.Store, id string) ([]byte, error) {
	b, err := s.Open(context.Background(), id)
	if err != nil {
		return nil, err
	}
	data := make([]byte, b.Size())
	n, err := b.ReadAt(data, 0)
	if n == len(data) && errors.Is(err, io.EOF) {
		err = nil
	}
	return data[:n], errors.Join(err, b.Close())
}

// IDs returns what List lists after the id after.
func IDs(s blob.Store, after string) ([]string, error) {
	var ids []string
	err := s.List(context.Background(), after, func(id string) error {
		ids = append(ids, id)
		return nil
	})
	return ids, err
}

// Sizes are sizes around the borders of blocks and buffers.
var Sizes = []int{
	0, 1, 4095, 4096, 4097, blob.BlockSize - 1, blob.BlockSize, blob.BlockSize + 1,
	3*blob.BlockSize + 17, 1 << 20, 1<<20 + 1, 2<<20 - 12345,
}

// Data returns size random bytes.
func Data(size int) []byte {
	data := make([]byte, size)
	rand.Read(data)
	return data
}

// expect fails the test unless the blob id holds want and passes Check.
func expect(t *testing.T, s blob.Store, id string, want []byte) {
	t.Helper()
	got, err := Get(s, id)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("blob %.8s = %d bytes, %v; want %d bytes, equal = %v", id, len(got), err, len(want), bytes.Equal(got, want))
	}
	if err := s.Check(context.Background(), id); err != nil {
		t.Errorf("Check(%.8s) = %v", id, err)
	}
}

// expectMissing fails the test unless the store knows no blob id.
func expectMissing(t *testing.T, s blob.Store, id string) {
	t.Helper()
	ctx := context.Background()
	if b, err := s.Open(ctx, id); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Open(%.8s) = %v, %v; want ErrNotFound", id, b, err)
	}
	if err := s.Check(ctx, id); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Check(%.8s) = %v; want ErrNotFound", id, err)
	}
	ids, err := IDs(s, "")
	if err != nil || slices.Contains(ids, id) {
		t.Errorf("List = %d ids, %v; want no %.8s among them", len(ids), err, id)
	}
}

func mustPut(t *testing.T, s blob.Store, id string, data []byte) {
	t.Helper()
	if err := Put(s, id, data); err != nil {
		t.Fatalf("put %.8s of %d bytes: %v", id, len(data), err)
	}
}

func mustCreate(t *testing.T, s blob.Store, id string, hint int64) blob.Writer {
	t.Helper()
	w, err := s.Create(context.Background(), id, hint)
	if err != nil {
		t.Fatalf("Create(%.8s) = %v", id, err)
	}
	return w
}

func testSizes(t *testing.T, s blob.Store) {
	for i, size := range Sizes {
		id := fmt.Sprintf("%04x", i)
		data := Data(size)
		mustPut(t, s, id, data)
		expect(t, s, id, data)
	}
}

func testWriteInPieces(t *testing.T, s blob.Store) {
	data := Data(3*blob.BlockSize + 4711)
	for i, piece := range []int{997, 4096, blob.BlockSize - 1, blob.BlockSize, blob.BlockSize + 1, 150_000} {
		id := fmt.Sprintf("%02x", i)
		w := mustCreate(t, s, id, -1)
		scratch := make([]byte, 0, piece)
		for chunk := range slices.Chunk(data, piece) {
			scratch = append(scratch[:0], chunk...)
			if n, err := w.Write(scratch); n != len(chunk) || err != nil {
				t.Fatalf("Write = %d, %v; want %d", n, err, len(chunk))
			}
			clear(scratch) // a writer keeps nothing of what it was given
		}
		if n, err := w.Write(nil); n != 0 || err != nil {
			t.Errorf("Write(nil) = %d, %v", n, err)
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		expect(t, s, id, data)
	}
}

func testSizeHint(t *testing.T, s blob.Store) {
	data := Data(100_000)
	for i, hint := range []int64{-1, 0, 1, 100_000, 100_001, 5 << 30, 1 << 62} {
		id := fmt.Sprintf("%02x", i)
		w := mustCreate(t, s, id, hint)
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		expect(t, s, id, data)
	}
}

func testInvisible(t *testing.T, s blob.Store) {
	for i, size := range []int{0, 100, 1 << 20} {
		id := fmt.Sprintf("%02x", i)
		w := mustCreate(t, s, id, -1)
		if _, err := w.Write(Data(size)); err != nil {
			t.Fatal(err)
		}
		expectMissing(t, s, id)
		w.Abort()
		w.Abort()
		expectMissing(t, s, id)
	}
}

func testFinished(t *testing.T, s blob.Store) {
	data := Data(70_000)
	w := mustCreate(t, s, "aa", -1)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if _, err := w.Write(data); err == nil {
		t.Error("Write after Commit = nil; want an error")
	}
	if err := w.Commit(); err == nil {
		t.Error("second Commit = nil; want an error")
	}
	expect(t, s, "aa", data)

	w = mustCreate(t, s, "bb", -1)
	w.Abort()
	if _, err := w.Write(data); err == nil {
		t.Error("Write after Abort = nil; want an error")
	}
	if err := w.Commit(); err == nil {
		t.Error("Commit after Abort = nil; want an error")
	}
	expectMissing(t, s, "bb")
}

func testTwice(t *testing.T, s blob.Store) {
	data := Data(100_000)
	first := mustCreate(t, s, "ab", -1)
	second := mustCreate(t, s, "ab", -1)
	for _, w := range []blob.Writer{first, second} {
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	for _, w := range []blob.Writer{first, second} {
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		expect(t, s, "ab", data)
	}
	aborted := mustCreate(t, s, "ab", -1)
	aborted.Abort()
	expect(t, s, "ab", data)
}

func testReadAt(t *testing.T, s blob.Store) {
	data := Data(3*blob.BlockSize + 100)
	mustPut(t, s, "ab", data)
	b, err := s.Open(context.Background(), "ab")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if b.Size() != int64(len(data)) {
		t.Fatalf("Size = %d; want %d", b.Size(), len(data))
	}
	var wg sync.WaitGroup
	for worker := range uint64(4) {
		wg.Go(func() {
			rnd := mathrand.New(mathrand.NewPCG(worker, 1))
			for range 200 {
				off := rnd.IntN(len(data) + 10)
				p := make([]byte, rnd.IntN(blob.BlockSize*3/2))
				n, err := b.ReadAt(p, int64(off))
				want := data[min(off, len(data)):min(off+len(p), len(data))]
				if !bytes.Equal(p[:n], want) || n < len(p) && err != io.EOF || n == len(p) && err != nil && err != io.EOF {
					t.Errorf("ReadAt(%d bytes, %d) = %d, %v; want %d bytes", len(p), off, n, err, len(want))
					return
				}
			}
		})
	}
	wg.Wait()
	if n, err := b.ReadAt(make([]byte, 1), -1); n != 0 || err == nil || err == io.EOF {
		t.Errorf("ReadAt at -1 = %d, %v; want an error", n, err)
	}
	if n, err := b.ReadAt(make([]byte, 1), 1<<62); n != 0 || err != io.EOF {
		t.Errorf("ReadAt far behind the end = %d, %v; want io.EOF", n, err)
	}
}

func testDelete(t *testing.T, s blob.Store) {
	ctx := context.Background()
	mustPut(t, s, "ab", Data(10))
	mustPut(t, s, "abc", Data(20))
	for range 2 { // the second time it is missing
		if err := s.Delete(ctx, "ab"); err != nil {
			t.Errorf("Delete = %v", err)
		}
		expectMissing(t, s, "ab")
	}
	if _, err := Get(s, "abc"); err != nil {
		t.Errorf("the neighbour: %v", err)
	}
	again := Data(30)
	mustPut(t, s, "ab", again)
	expect(t, s, "ab", again)
}

func testDeleteWhileOpen(t *testing.T, s blob.Store) {
	data := Data(2 * blob.BlockSize)
	mustPut(t, s, "ab", data)
	b, err := s.Open(context.Background(), "ab")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(context.Background(), "ab"); err != nil {
		t.Fatal(err)
	}
	expectMissing(t, s, "ab")
	got := make([]byte, len(data))
	if n, err := b.ReadAt(got, 0); n != len(data) || err != nil && err != io.EOF || !bytes.Equal(got, data) {
		t.Errorf("ReadAt after Delete = %d, %v; want the whole blob", n, err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
}

func testList(t *testing.T, s blob.Store) {
	ids := []string{"0", "00", "000", "0f", "1", "a", "ab", "ab0", "abc", "abcdef", "b", "f0", "ff", strings.Repeat("f", blob.MaxIDLength)}
	order := slices.Clone(ids)
	mathrand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for _, id := range order {
		mustPut(t, s, id, []byte(id))
	}
	for _, after := range append([]string{"", "aa", "ac", "g", "0000"}, ids...) {
		want := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return id <= after })
		got, err := IDs(s, after)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("List(%.8q) = %.8q, %v; want %.8q", after, got, err, want)
		}
	}
	stop := errors.New("stop")
	calls := 0
	err := s.List(context.Background(), "", func(string) error {
		calls++
		if calls == 3 {
			return stop
		}
		return nil
	})
	if err != stop || calls != 3 {
		t.Errorf("List = %v after %d calls; want the error of the third", err, calls)
	}
}

func testIDs(t *testing.T, s blob.Store) {
	ctx := context.Background()
	for _, id := range []string{"", "A", "g", "a b", "../ab", "ab/cd", "ab\x00", "..", ".", "tmp", "é", strings.Repeat("a", blob.MaxIDLength+1)} {
		if w, err := s.Create(ctx, id, -1); err == nil {
			w.Abort()
			t.Errorf("Create(%q) = nil; want an error", id)
		}
		if _, err := s.Open(ctx, id); err == nil || errors.Is(err, blob.ErrNotFound) {
			t.Errorf("Open(%q) = %v; want an error, not ErrNotFound", id, err)
		}
		if err := s.Delete(ctx, id); err == nil {
			t.Errorf("Delete(%q) = nil; want an error", id)
		}
		if err := s.Check(ctx, id); err == nil {
			t.Errorf("Check(%q) = nil; want an error", id)
		}
	}
	long := strings.Repeat("0123456789abcdef", 4)
	mustPut(t, s, long, []byte("x"))
	expect(t, s, long, []byte("x"))
}

func testCanceled(t *testing.T, s blob.Store) {
	mustPut(t, s, "ab", Data(100))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if w, err := s.Create(ctx, "cd", -1); !errors.Is(err, context.Canceled) {
		if err == nil {
			w.Abort()
		}
		t.Errorf("Create = %v; want context.Canceled", err)
	}
	if _, err := s.Open(ctx, "ab"); !errors.Is(err, context.Canceled) {
		t.Errorf("Open = %v; want context.Canceled", err)
	}
	if err := s.Check(ctx, "ab"); !errors.Is(err, context.Canceled) {
		t.Errorf("Check = %v; want context.Canceled", err)
	}
	if err := s.List(ctx, "", func(string) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("List = %v; want context.Canceled", err)
	}
}

func testConcurrent(t *testing.T, s blob.Store) {
	const workers, blobs = 8, 12
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for i := range blobs {
				// All but the first character are equal to a neighbour's.
				id := fmt.Sprintf("a%02x%02x", i, worker)
				data := Data(1 + i*30_011)
				if err := Put(s, id, data); err != nil {
					t.Errorf("put: %v", err)
					return
				}
				expect(t, s, id, data)
				if i%2 == 0 {
					if err := s.Delete(context.Background(), id); err != nil {
						t.Errorf("Delete = %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
	ids, err := IDs(s, "")
	if err != nil || len(ids) != workers*blobs/2 {
		t.Errorf("List = %d ids, %v; want %d", len(ids), err, workers*blobs/2)
	}
}
