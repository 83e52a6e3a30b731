package pebble

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"coffer/internal/meta"
	"coffer/internal/meta/mem"
	"coffer/internal/meta/metatest"
)

func openMem(t testing.TB) *Store {
	t.Helper()
	s, err := Open(Config{Dir: "db", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore(t *testing.T) {
	metatest.Run(t, func(t *testing.T) meta.Store { return openMem(t) })
}

func TestPersistent(t *testing.T) {
	metatest.RunPersistent(t, func(t *testing.T, dir string) meta.Store {
		s, err := Open(Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

func TestCompare(t *testing.T) {
	for seed := range uint64(5) {
		s := openMem(t)
		metatest.Compare(t, mem.New(), s, seed)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
