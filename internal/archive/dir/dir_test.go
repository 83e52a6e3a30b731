package dir

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"coffer/internal/archive"
	"coffer/internal/archive/archivetest"
	"coffer/internal/durable"
)

func TestStore(t *testing.T) {
	archivetest.Run(t, func(t *testing.T) archive.Store {
		s, err := Open(t.TempDir(), true, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func TestStoreOnSimulatedDisk(t *testing.T) {
	archivetest.Run(t, func(t *testing.T) archive.Store {
		s, err := Open("/backups", true, durable.NewSimFS())
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func TestOpenMissing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "no", "such")
	if _, err := Open(dir, false, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of nothing = %v; want ErrNotExist", err)
	}
	if _, err := Open(dir, true, nil); err != nil {
		t.Error(err)
	}
}

// What Sync acknowledged survives a crash, whole; what it did not is whole or not
// there.
func TestCrash(t *testing.T) {
	for seed := range uint64(30) {
		disk := durable.NewSimFS()
		s, err := Open("/backups", true, disk)
		if err != nil {
			t.Fatal(err)
		}
		text := func(i int) string { return strings.Repeat(fmt.Sprint(i), 3000) }
		for i := range 20 {
			if err := s.Put(t.Context(), fmt.Sprintf("rows/%d/f%d", i%4, i), strings.NewReader(text(i)), int64(len(text(i)))); err != nil {
				t.Fatal(err)
			}
			if i == 9 {
				if err := s.Sync(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		after, err := Open("/backups", true, disk.Crash(rand.New(rand.NewPCG(seed, 0))))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			got, err := archive.ReadFile(t.Context(), after, fmt.Sprintf("rows/%d/f%d", i%4, i), 1<<20)
			missing := errors.Is(err, archive.ErrNotFound)
			if missing && i < 10 || !missing && (err != nil || string(got) != text(i)) {
				t.Errorf("seed %d: file %d = %d bytes, %v", seed, i, len(got), err)
			}
		}
	}
}
