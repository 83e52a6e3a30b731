package file

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"coffer/internal/durable"
	"coffer/internal/rootseal"
	"coffer/internal/rootseal/sealtest"
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
	sealtest.Run(t, func(t *testing.T) func() rootseal.Store {
		dir := filepath.Join(t.TempDir(), "root")
		return func() rootseal.Store { return open(t, dir, nil) }
	})
}

func TestStoreOnSimFS(t *testing.T) {
	sealtest.Run(t, func(t *testing.T) func() rootseal.Store {
		sim := durable.NewSimFS()
		return func() rootseal.Store { return open(t, "/data/root", sim) }
	})
}

// TestStoreCrashing loses everything unsynced between any two uses.
func TestStoreCrashing(t *testing.T) {
	sealtest.Run(t, func(t *testing.T) func() rootseal.Store {
		sim := durable.NewSimFS()
		return func() rootseal.Store {
			sim = sim.Crash(nil)
			return open(t, "/data/root", sim)
		}
	})
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "root")
	s := open(t, dir, nil)
	if err := s.Prepare(context.Background(), sealtest.NewEpoch(1, "a")); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		} else {
			files++
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %v; want %v", name, info.Mode(), want)
		}
		return nil
	})
	if err != nil || files != 3 {
		t.Errorf("WalkDir = %v, %d files; want root, head and one frontier", err, files)
	}
}

// TestDestroyOverwritesInPlace looks at the blocks of the root through a second
// name.
func TestDestroyOverwritesInPlace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "root")
	s, err := Open(Config{Dir: dir, Rand: rand.NewChaCha8([32]byte{1})})
	if err != nil {
		t.Fatal(err)
	}
	e := sealtest.NewEpoch(1)
	if err := s.Prepare(context.Background(), e); err != nil {
		t.Fatal(err)
	}
	second := filepath.Join(t.TempDir(), "second")
	if err := os.Link(s.path(1, rootName), second); err != nil {
		t.Fatal(err)
	}
	if before, err := os.ReadFile(second); err != nil || !bytes.Contains(before, e.Root[:]) {
		t.Fatalf("the root is not in its file: %v", err)
	}
	if err := s.Destroy(context.Background(), 1, nil); err != nil {
		t.Fatal(err)
	}
	want := make([]byte, rootFileSize)
	rand.NewChaCha8([32]byte{1}).Read(want)
	if after, err := os.ReadFile(second); err != nil || !bytes.Equal(after, want) {
		t.Errorf("the root file was not overwritten in place with the random bytes: %v", err)
	}
}

// cuts are the ways in which the unsynced part of the disk survives.
func cuts(sim *durable.SimFS, n int) []*durable.SimFS {
	after := []*durable.SimFS{sim.Crash(nil)}
	for seed := range uint64(8) {
		after = append(after, sim.Crash(rand.New(rand.NewPCG(seed, uint64(n)))))
	}
	return after
}

// failFrom makes the calls of sim fail from the n-th on, counted from 0, or the
// n-th alone. It returns how many there were so far.
func failFrom(sim *durable.SimFS, n int, alone bool) *int {
	calls := new(int)
	sim.SetFail(func(durable.Op) error {
		*calls++
		if *calls-1 == n || *calls > n && !alone {
			return syscall.EIO
		}
		return nil
	})
	return calls
}

func epochsOf(t *testing.T, s *Store) []uint64 {
	t.Helper()
	numbers, err := s.Epochs(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return numbers
}

func mustBeSame(t *testing.T, s *Store, want *rootseal.Epoch) {
	t.Helper()
	if err := sealtest.Same(s, want); err != nil {
		t.Fatal(err)
	}
}

// TestPrepareFailsAnywhere fails every call of a Prepare, alone or with all that
// follow, and looks at the store then and after a power cut: the older epoch is
// untouched, the new one whole or not there, and the next Prepare works.
func TestPrepareFailsAnywhere(t *testing.T) {
	ctx := context.Background()
	for _, alone := range []bool{true, false} {
		for n := 0; ; n++ {
			sim := durable.NewSimFS()
			s := open(t, "/root", sim)
			first := sealtest.NewEpoch(1, "a", "b")
			if err := s.Prepare(ctx, first); err != nil {
				t.Fatal(err)
			}
			second := sealtest.NewEpoch(2, "c", "b")
			whole := sealtest.Joined(second, first.Frontiers)
			calls := failFrom(sim, n, alone)
			err := s.Prepare(ctx, second)
			done := *calls <= n
			if done && err != nil {
				t.Fatalf("Prepare without a failed call = %v", err)
			}
			sim.SetFail(nil)
			if sim.OpenFiles() != 0 {
				t.Fatalf("call %d: %d files left open", n, sim.OpenFiles())
			}
			for i, disk := range append(cuts(sim, n), sim) {
				s := open(t, "/root", disk)
				mustBeSame(t, s, first)
				switch got := epochsOf(t, s); {
				case slices.Equal(got, []uint64{1, 2}):
					mustBeSame(t, s, whole)
				case err == nil || !slices.Equal(got, []uint64{1}):
					t.Fatalf("call %d, cut %d: Prepare = %v, Epochs = %d", n, i, err, got)
				default:
					third := sealtest.NewEpoch(2, "b", "d")
					if err := s.Prepare(ctx, third); err != nil {
						t.Fatalf("call %d, cut %d: the next Prepare = %v", n, i, err)
					}
					mustBeSame(t, s, first)
					mustBeSame(t, s, sealtest.Joined(third, first.Frontiers))
					if e, _ := s.Load(ctx, 2); e.Frontiers["c"] != nil {
						t.Fatalf("call %d, cut %d: a frontier of the failed Prepare is still there", n, i)
					}
					if disk.Holds(second.Root[:]) {
						t.Fatalf("call %d, cut %d: the root of the failed Prepare is still on the disk", n, i)
					}
				}
			}
			if done {
				break
			}
		}
	}
}

// TestDestroyFailsAnywhere fails every call of a Destroy, alone or with all that
// follow, and looks at the store then and after a power cut.
func TestDestroyFailsAnywhere(t *testing.T) {
	ctx := context.Background()
	for _, alone := range []bool{true, false} {
		for n := 0; ; n++ {
			sim := durable.NewSimFS()
			s := open(t, "/root", sim)
			first := sealtest.NewEpoch(1, "x", "a", "b")
			second := sealtest.NewEpoch(2, "x", "c")
			for _, e := range []*rootseal.Epoch{first, second} {
				if err := s.Prepare(ctx, e); err != nil {
					t.Fatal(err)
				}
			}
			keep := []string{"x", "b", "c"}
			whole := sealtest.Joined(second, first.Frontiers)
			delete(whole.Frontiers, "a")

			calls := failFrom(sim, n, alone)
			err := s.Destroy(ctx, 1, keep)
			done := *calls <= n
			if done && err != nil {
				t.Fatalf("Destroy without a failed call = %v", err)
			}
			sim.SetFail(nil)
			if sim.OpenFiles() != 0 {
				t.Fatalf("call %d: %d files left open", n, sim.OpenFiles())
			}
			if err == nil && sim.Holds(first.Root[:]) {
				t.Fatalf("call %d: Destroy = nil, and the root is still on the disk", n)
			}
			for i, disk := range append(cuts(sim, n), sim) {
				touched := !disk.Holds(first.Root[:])
				s := open(t, "/root", disk)
				mustBeSame(t, s, whole)
				switch got := epochsOf(t, s); {
				case slices.Equal(got, []uint64{1, 2}):
					if touched || err == nil {
						t.Fatalf("call %d, cut %d: Destroy = %v, and the epoch is back", n, i, err)
					}
					if e, lerr := s.Load(ctx, 1); lerr != nil || e.Root != first.Root {
						t.Fatalf("call %d, cut %d: the epoch is listed and broken: %v", n, i, lerr)
					}
				case !slices.Equal(got, []uint64{2}):
					t.Fatalf("call %d, cut %d: Epochs = %d", n, i, got)
				default:
					if disk.Holds(first.Root[:]) {
						t.Fatalf("call %d, cut %d: the epoch is gone, and its root still on the disk", n, i)
					}
				}
				if err := s.Destroy(ctx, 1, keep); err != nil {
					t.Fatalf("call %d, cut %d: Destroy again = %v", n, i, err)
				}
				if got := epochsOf(t, s); !slices.Equal(got, []uint64{2}) || disk.Holds(first.Root[:]) {
					t.Fatalf("call %d, cut %d: after Destroy again: Epochs = %d", n, i, got)
				}
				after := open(t, "/root", disk.Crash(nil))
				mustBeSame(t, after, whole)
				if e, err := after.Load(ctx, 2); err != nil || len(e.Frontiers) != 3 {
					t.Fatalf("call %d, cut %d: %d frontiers, %v; want the 3 kept", n, i, len(e.Frontiers), err)
				}
			}
			if done {
				break
			}
		}
	}
}

// TestDamagedFiles flips and cuts every file of an epoch.
func TestDamagedFiles(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "root")
	s := open(t, dir, nil)
	e := sealtest.NewEpoch(3, "a", "b")
	if err := s.Prepare(ctx, e); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{rootName, headName, frontierPrefix + "a", frontierPrefix + "b"} {
		name := s.path(3, file)
		good, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		damage := map[string][]byte{"emptied": nil, "cut": good[:len(good)-1], "longer": append(bytes.Clone(good), 0)}
		for _, at := range []int{0, 8, 10, 11, 12, 16, headerSize, len(good) - 1} {
			flipped := bytes.Clone(good)
			flipped[at] ^= 4
			damage["flipped at "+string(rune('0'+at%10))] = flipped
		}
		for what, data := range damage {
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
			want := rootseal.ErrDamaged
			if file == rootName {
				want = rootseal.ErrNoRoot // a root that is not whole is none
			}
			if got, err := s.Load(ctx, 3); !errors.Is(err, want) {
				t.Errorf("%s %s: Load = %v, %v; want %v", file, what, got, err, want)
			}
			if got := epochsOf(t, s); (len(got) == 0) != (file == rootName) {
				t.Errorf("%s %s: Epochs = %d", file, what, got)
			}
		}
		if file != rootName {
			os.Remove(name)
			got, err := s.Load(ctx, 3)
			if file == headName && !errors.Is(err, rootseal.ErrDamaged) {
				t.Errorf("no head: Load = %v, %v; want ErrDamaged", got, err)
			}
		}
		if err := os.WriteFile(name, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// A frontier under the name of another.
	if err := os.Rename(s.path(3, frontierPrefix+"a"), s.path(3, frontierPrefix+"b")); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Load(ctx, 3); !errors.Is(err, rootseal.ErrDamaged) {
		t.Errorf("swapped frontier: Load = %v, %v; want ErrDamaged", got, err)
	}
}

// TestUnreadableRootIsNotMissing: an epoch that can't be read now must not be
// taken for one that is not there.
func TestUnreadableRootIsNotMissing(t *testing.T) {
	sim := durable.NewSimFS()
	s := open(t, "/root", sim)
	if err := s.Prepare(context.Background(), sealtest.NewEpoch(1)); err != nil {
		t.Fatal(err)
	}
	failFrom(sim, 2, false) // the two directories are read, the root is not
	if got, err := s.Epochs(context.Background()); !errors.Is(err, syscall.EIO) {
		t.Errorf("Epochs = %d, %v; want EIO", got, err)
	}
	if err := s.Prepare(context.Background(), sealtest.NewEpoch(2)); !errors.Is(err, syscall.EIO) {
		t.Errorf("Prepare = %v; want EIO", err)
	}
}

// TestRootWhoseSyncFailed: a root that lies in the page cache alone is none, although
// it reads whole: the older epoch would be destroyed for it.
func TestRootWhoseSyncFailed(t *testing.T) {
	ctx := context.Background()
	sim := durable.NewSimFS()
	s := open(t, "/root", sim)
	first, second := sealtest.NewEpoch(1, "a"), sealtest.NewEpoch(2, "b")
	if err := s.Prepare(ctx, first); err != nil {
		t.Fatal(err)
	}
	failing := false
	sim.SetFail(func(op durable.Op) error {
		failing = failing || op.Name == "sync" && op.Path == s.path(2, rootName)
		if failing {
			return syscall.EIO
		}
		return nil
	})
	if err := s.Prepare(ctx, second); !errors.Is(err, syscall.EIO) {
		t.Fatalf("Prepare = %v; want EIO", err)
	}
	sim.SetFail(nil)
	s = open(t, "/root", sim)
	if got := epochsOf(t, s); !slices.Equal(got, []uint64{1}) {
		t.Errorf("Epochs = %d; want 1 alone", got)
	}
	if err := s.Prepare(ctx, second); err != nil {
		t.Fatal(err)
	}
	if err := s.Destroy(ctx, 1, []string{"a", "b"}); err != nil {
		t.Fatal(err)
	}
	mustBeSame(t, open(t, "/root", sim.Crash(nil)), sealtest.Joined(second, first.Frontiers))
}
