package parts

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"

	"coffer/internal/durable"
	"coffer/internal/rootseal"
	"coffer/internal/rootseal/sealtest"
)

// failFrom makes the calls of the disk and of the vaults fail from the n-th on,
// counted from 0, or the n-th alone. It returns how many there were so far.
func failFrom(w *world, sim *durable.SimFS, n int, alone bool) *int {
	calls := new(int)
	fail := func() error {
		*calls++
		if *calls-1 == n || *calls > n && !alone {
			return syscall.EIO
		}
		return nil
	}
	sim.SetFail(func(durable.Op) error { return fail() })
	w.fault = func(string) error { return fail() }
	return calls
}

func mend(w *world, sim *durable.SimFS) {
	sim.SetFail(nil)
	w.fault = nil
}

// after returns what a test finds after the n-th call failed: the disk as it is,
// after a power cut that lost all that was not synced, and after one that lost some.
func after(w *world, sim *durable.SimFS, n int) []*world {
	return []*world{
		w.clone(sim.Crash(nil)), w.clone(sim.Crash(rand.New(rand.NewPCG(1, uint64(n))))), w.clone(sim),
	}
}

var everyCall = flag.Bool("every-call", false, "fail at every call, which takes minutes")

// next returns the call after the n-th that is made to fail: each of the first few,
// then some, others for each shape, so that the tests stay quick.
func next(n, shape int) int {
	if n < 4 || *everyCall {
		return n + 1
	}
	return n + 13 + (n+shape)%7
}

func mustPrepare(t *testing.T, s *Store, e *rootseal.Epoch) {
	t.Helper()
	if err := s.Prepare(context.Background(), e); err != nil {
		t.Fatal(err)
	}
}

func mustBeSame(t *testing.T, s *Store, want *rootseal.Epoch) {
	t.Helper()
	if err := sealtest.Same(s, want); err != nil {
		t.Fatal(err)
	}
}

func epochsIn(t *testing.T, s *Store) []uint64 {
	t.Helper()
	numbers, err := s.Epochs(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return numbers
}

// shares returns what the stores hold of an epoch in the place of its root.
func shares(t *testing.T, s *Store, epoch uint64) [][]byte {
	t.Helper()
	var all [][]byte
	for _, p := range s.desc.parts() {
		if p.Role != RoleStore {
			continue
		}
		st, err := s.store(context.Background(), &p)
		if err != nil {
			t.Fatal(err)
		}
		e, err := st.Load(context.Background(), epoch)
		if errors.Is(err, rootseal.ErrNoRoot) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, slices.Clone(e.Root[:]))
	}
	return all
}

// expectForgotten fails the test if a share or a secret of an epoch is anywhere.
func expectForgotten(t *testing.T, what string, w *world, disk *durable.SimFS, epoch uint64, shares [][]byte) {
	t.Helper()
	for i, s := range shares {
		if disk.Holds(s) {
			t.Fatalf("%s: share %d of epoch %d is on the disk", what, i, epoch)
		}
	}
	for id, v := range w.vaults {
		if _, ok := v[epoch]; ok {
			t.Fatalf("%s: %s has its secret of epoch %d", what, id, epoch)
		}
	}
}

// TestPrepareFailsAnywhere: the older epoch is untouched, the new one whole or not
// there, the next Prepare works, and leaves nothing of the one that failed.
func TestPrepareFailsAnywhere(t *testing.T) {
	for shape, c := range compositions {
		t.Run(c.name, func(t *testing.T) {
			for _, alone := range []bool{true, false} {
				for n := 0; prepareFails(t, c.set, n, alone); n = next(n, shape) {
				}
			}
		})
	}
}

// prepareFails reports whether there was an n-th call.
func prepareFails(t *testing.T, set Set, n int, alone bool) bool {
	ctx := context.Background()
	sim := durable.NewSimFS()
	w := newWorld(sim)
	s := start(t, w, set)
	first := sealtest.NewEpoch(1, "a", "b")
	mustPrepare(t, s, first)
	second := sealtest.NewEpoch(2, "c", "b")
	whole := sealtest.Joined(second, first.Frontiers)
	calls := failFrom(w, sim, n, alone)
	err := s.Prepare(ctx, second)
	done := *calls <= n
	if done && err != nil {
		t.Fatalf("Prepare without a failed call = %v", err)
	}
	mend(w, sim)
	if sim.OpenFiles() != 0 {
		t.Fatalf("call %d: %d files left open", n, sim.OpenFiles())
	}
	for i, w := range after(w, sim, n) {
		what := fmt.Sprintf("call %d, cut %d", n, i)
		s := open(t, w)
		mustBeSame(t, s, first)
		got := epochsIn(t, s)
		if slices.Equal(got, []uint64{1, 2}) {
			mustBeSame(t, s, whole)
			continue
		}
		if err == nil || !slices.Equal(got, []uint64{1}) {
			t.Fatalf("%s: Prepare = %v, Epochs = %d", what, err, got)
		}
		left := shares(t, s, 2)
		third := sealtest.NewEpoch(2, "b", "d")
		if err := s.Prepare(ctx, third); err != nil {
			t.Fatalf("%s: the next Prepare = %v", what, err)
		}
		s = open(t, w)
		mustBeSame(t, s, first)
		mustBeSame(t, s, sealtest.Joined(third, first.Frontiers))
		if e, _ := s.Load(ctx, 2); e.Frontiers["c"] != nil {
			t.Fatalf("%s: a frontier of the failed Prepare is still there", what)
		}
		for _, share := range left {
			if w.fsys.(*durable.SimFS).Holds(share) {
				t.Fatalf("%s: a share of the failed Prepare is still on the disk", what)
			}
		}
	}
	return !done
}

// TestDestroyFailsAnywhere: the newer epoch is untouched, the older one whole or gone
// for ever, and what is left is gone after the next Destroy.
func TestDestroyFailsAnywhere(t *testing.T) {
	for shape, c := range compositions {
		t.Run(c.name, func(t *testing.T) {
			for _, alone := range []bool{true, false} {
				for n := 0; destroyFails(t, c.set, n, alone); n = next(n, shape) {
				}
			}
		})
	}
}

func destroyFails(t *testing.T, set Set, n int, alone bool) bool {
	ctx := context.Background()
	sim := durable.NewSimFS()
	w := newWorld(sim)
	s := start(t, w, set)
	first := sealtest.NewEpoch(1, "x", "a", "b")
	second := sealtest.NewEpoch(2, "x", "c")
	mustPrepare(t, s, first)
	mustPrepare(t, s, second)
	keep := []string{"x", "b", "c"}
	whole := sealtest.Joined(second, first.Frontiers)
	delete(whole.Frontiers, "a")
	old := shares(t, s, 1)
	if n%2 == 0 {
		s = open(t, w) // one that has not read the new epoch back yet
	}
	calls := failFrom(w, sim, n, alone)
	err := s.Destroy(ctx, 1, keep)
	done := *calls <= n
	if done && err != nil {
		t.Fatalf("Destroy without a failed call = %v", err)
	}
	mend(w, sim)
	if sim.OpenFiles() != 0 {
		t.Fatalf("call %d: %d files left open", n, sim.OpenFiles())
	}
	if err == nil {
		expectForgotten(t, fmt.Sprintf("call %d", n), w, sim, 1, old)
	}
	for i, w := range after(w, sim, n) {
		what := fmt.Sprintf("call %d, cut %d", n, i)
		disk := w.fsys.(*durable.SimFS)
		s := open(t, w)
		mustBeSame(t, s, whole)
		switch got := epochsIn(t, s); {
		case slices.Equal(got, []uint64{1, 2}):
			if err == nil {
				t.Fatalf("%s: Destroy = nil, and the epoch is back", what)
			}
			if e, lerr := s.Load(ctx, 1); lerr != nil || e.Root != first.Root {
				t.Fatalf("%s: the epoch is listed and broken: %v", what, lerr)
			}
		case !slices.Equal(got, []uint64{2}):
			t.Fatalf("%s: Epochs = %d", what, got)
		}
		if err := s.Destroy(ctx, 1, keep); err != nil {
			t.Fatalf("%s: Destroy again = %v", what, err)
		}
		expectForgotten(t, what, w, disk, 1, old)
		s = open(t, w.clone(disk.Crash(nil)))
		mustBeSame(t, s, whole)
		if got := epochsIn(t, s); !slices.Equal(got, []uint64{2}) {
			t.Fatalf("%s: after Destroy again: Epochs = %d", what, got)
		}
		if e, err := s.Load(ctx, 2); err != nil || len(e.Frontiers) != 3 {
			t.Fatalf("%s: %d frontiers, %v; want the 3 kept", what, len(e.Frontiers), err)
		}
	}
	return !done
}

// changes are changes of the parts: what is added, removed, put in the place of
// another.
var changes = []struct {
	name     string
	from, to Set
}{
	{"gate to plain", Set{}, setOf([]Part{storePart(1), gatePart(1)})},
	{"vault to plain", Set{}, setOf([]Part{storePart(1), vaultPart(1)})},
	{"gate for gate", setOf([]Part{storePart(1), gatePart(1)}), setOf([]Part{storePart(1), gatePart(2)})},
	{"add a mirror", setOf([]Part{storePart(1)}), setOf([]Part{storePart(1)}, []Part{storePart(2)})},
	{"split to mirror", setOf([]Part{storePart(1), storePart(2)}), setOf([]Part{storePart(1)}, []Part{storePart(3)})},
	{"drop a vault", setOf([]Part{storePart(1), vaultPart(1)}), setOf([]Part{storePart(1)})},
	{"move", setOf([]Part{storePart(1), vaultPart(1)}), setOf([]Part{storePart(2), vaultPart(2)})},
}

// changeParts is what a caller does: it changes the parts with the epoch.
func changeParts(s *Store, to Set, e *rootseal.Epoch, keep []string) error {
	ctx := context.Background()
	if err := s.Stage(ctx, to); err != nil {
		return err
	}
	if err := s.Prepare(ctx, e); err != nil {
		return err
	}
	if err := s.Destroy(ctx, e.Number-1, keep); err != nil {
		return err
	}
	return s.Settle(ctx)
}

// TestChangeFailsAnywhere: whatever a change of parts was cut at, the root opens, as
// it was or as it was to be, and the change can be made again.
func TestChangeFailsAnywhere(t *testing.T) {
	for shape, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			for _, alone := range []bool{true, false} {
				for n := 0; changeFails(t, c.from, c.to, n, alone); n = next(n, shape) {
				}
			}
		})
	}
}

func changeFails(t *testing.T, from, to Set, n int, alone bool) bool {
	ctx := context.Background()
	sim := durable.NewSimFS()
	w := newWorld(sim)
	var s *Store
	if len(from.Parts) == 0 {
		s = open(t, w)
	} else {
		s = start(t, w, from)
	}
	first := sealtest.NewEpoch(1, "x", "a")
	mustPrepare(t, s, first)
	old := shares(t, s, 1)
	second := sealtest.NewEpoch(2, "a")
	whole := sealtest.Joined(second, first.Frontiers)
	keep := []string{"x", "a"}
	calls := failFrom(w, sim, n, alone)
	err := changeParts(s, to, second, keep)
	done := *calls <= n
	if done && err != nil {
		t.Fatalf("change without a failed call = %v", err)
	}
	mend(w, sim)
	if sim.OpenFiles() != 0 {
		t.Fatalf("call %d: %d files left open", n, sim.OpenFiles())
	}
	for i, w := range after(w, sim, n) {
		what := fmt.Sprintf("call %d, cut %d", n, i)
		disk := w.fsys.(*durable.SimFS)
		s := open(t, w)
		got := epochsIn(t, s)
		if len(got) == 0 {
			t.Fatalf("%s: no epoch", what)
		}
		newest := got[len(got)-1]
		want := map[uint64]*rootseal.Epoch{1: first, 2: whole}[newest]
		mustBeSame(t, s, want)
		if newest == 2 { // as opening a root does
			if err := s.Destroy(ctx, 1, keep); err != nil {
				t.Fatalf("%s: Destroy = %v", what, err)
			}
		}
		if err := s.Settle(ctx); err != nil {
			t.Fatalf("%s: Settle = %v", what, err)
		}
		s = open(t, w.clone(disk.Crash(nil)))
		if err := s.Settle(ctx); err != nil {
			t.Fatalf("%s: Settle after another cut = %v", what, err)
		}
		if err := sealtest.Same(s, want); err != nil {
			t.Fatalf("%s: after another cut: %v", what, err)
		}
		s = open(t, w)
		if newest == 2 {
			expectForgotten(t, what, w, disk, 1, old)
			mustPrepare(t, s, sealtest.NewEpoch(3))
		} else if err := changeParts(s, to, second, keep); err != nil {
			t.Fatalf("%s: change again = %v", what, err)
		}
		mustBeSame(t, open(t, w), whole)
	}
	return !done
}
