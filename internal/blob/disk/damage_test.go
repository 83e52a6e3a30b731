package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coffer/internal/blob"
	"coffer/internal/blob/blobtest"
)

// containsAll reports whether the text of err contains every part.
func containsAll(err error, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			return false
		}
	}
	return true
}

// TestDamage cuts, extends and flips files everywhere and wants Open or Check to
// say so.
func TestDamage(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	s := open(t, dir, nil)
	const id = "abcd"
	for _, size := range []int{0, 1, 100, blob.BlockSize, 2*blob.BlockSize + 4000} {
		if err := blobtest.Put(s, id, blobtest.Data(size)); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, "ab", id)
		good, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(good) != int(fileSizeOf(int64(size))) {
			t.Fatalf("a blob of %d bytes lies in %d; want %d", size, len(good), fileSizeOf(int64(size)))
		}
		damaged := func(what string, data []byte, atOpen bool) {
			t.Helper()
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if b, err := s.Open(ctx, id); atOpen && !errors.Is(err, blob.ErrCorrupt) {
				t.Errorf("size %d, %s: Open = %v, %v; want ErrCorrupt", size, what, b, err)
			} else if err == nil {
				b.Close()
			}
			if err := s.Check(ctx, id); !errors.Is(err, blob.ErrCorrupt) || !containsAll(err, id) {
				t.Errorf("size %d, %s: Check = %v; want ErrCorrupt that names the blob", size, what, err)
			}
		}
		for _, n := range []int{0, 1, footerSize - 1, size / 2, size, len(good) - footerSize, len(good) - 1} {
			if n < len(good) {
				damaged(fmt.Sprintf("cut to %d", n), good[:n], true)
			}
		}
		damaged("one byte more", append(bytes.Clone(good), 0), true)
		damaged("zeros", make([]byte, len(good)), true)
		step := max(1, size/50)
		for at := 0; at < len(good); at++ {
			if at < size-1 {
				at = min(at+step, size-1)
			}
			flipped := bytes.Clone(good)
			flipped[at] ^= 1 << (at % 8)
			damaged(fmt.Sprintf("bit at %d", at), flipped, at >= len(good)-footerSize)
		}
		if err := os.WriteFile(name, good, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Check(ctx, id); err != nil {
			t.Fatal(err)
		}
		// The file of one blob under the name of another.
		other := filepath.Join(dir, "ab", "abcf")
		if err := os.Rename(name, other); err != nil {
			t.Fatal(err)
		}
		if b, err := s.Open(ctx, "abcf"); !errors.Is(err, blob.ErrCorrupt) {
			t.Errorf("Open of a renamed file = %v, %v; want ErrCorrupt", b, err)
		}
	}
	if s.Stats().Corrupt == 0 {
		t.Error("Stats().Corrupt = 0")
	}
}

// TestCheckNamesBlock wants the block of a flipped bit in the error.
func TestCheckNamesBlock(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	const size = 20*blob.BlockSize + 7
	if err := blobtest.Put(s, "abcd", blobtest.Data(size)); err != nil {
		t.Fatal(err)
	}
	for _, block := range []int{0, 1, 7, 8, 19, 20} {
		f, err := os.OpenFile(filepath.Join(dir, "ab", "abcd"), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		var b [1]byte
		at := int64(block * blob.BlockSize)
		f.ReadAt(b[:], at)
		f.WriteAt([]byte{b[0] ^ 0x10}, at)
		err = s.Check(context.Background(), "abcd")
		if !errors.Is(err, blob.ErrCorrupt) || !containsAll(err, "abcd", fmt.Sprintf("block %d", block)) {
			t.Errorf("Check = %v; want ErrCorrupt that names block %d of abcd", err, block)
		}
		f.WriteAt(b[:], at)
		f.Close()
	}
	if err := s.Check(context.Background(), "abcd"); err != nil {
		t.Error(err)
	}
}
