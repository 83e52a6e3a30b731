package key

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"coffer/internal/meta"
	"coffer/internal/rootseal"
)

var errCrash = errors.New("crash")

// crashAt returns a fault that crashes the n-th call and each later one, and
// the list of calls so far.
func crashAt(n int) (fault func(string) error, calls *[]string) {
	calls = new([]string)
	return func(name string) error {
		*calls = append(*calls, name)
		if len(*calls) > n {
			return fmt.Errorf("%w at %s", errCrash, name)
		}
		return nil
	}, calls
}

func TestKillAtEveryStepOfADestruction(t *testing.T) {
	// The first n that ends without a crash is past the last step.
	for n := 0; ; n++ {
		w := newWorld(t)
		w.rand = fewShards{}
		k := w.open()
		var keep, shred []sample
		for range 3 {
			keep, shred = append(keep, makeSample(t, k)), append(shred, makeSample(t, k))
		}
		// One epoch change before, so that frontiers of two ages are there.
		first := makeSample(t, k)
		if _, err := k.Destroy(t.Context(), []Ref{first.key.Ref}, nil); err != nil {
			t.Fatal(err)
		}
		for i, s := range shred {
			if err := k.CreateAlias(t.Context(), s.key.Ref, fmt.Sprintf("alias/s%d", i), nil); err != nil {
				t.Fatal(err)
			}
			if _, err := k.ScheduleDeletion(t.Context(), s.key.Ref, MinWindow, nil); err != nil {
				t.Fatal(err)
			}
		}
		w.pass(MinWindow)

		fault, calls := crashAt(n)
		w.setFault(fault)
		_, err := k.Sweep(t.Context(), nil)
		at := fmt.Sprintf("crash %d", n)
		if err != nil {
			at += " at " + (*calls)[n]
			if !errors.Is(err, errCrash) {
				t.Fatalf("%s: %v", at, err)
			}
		}
		// Crash again while opening, at the first few steps, then open.
		for again := range 2 {
			fault, _ := crashAt(again)
			w.setFault(fault)
			if k, err := w.tryOpen(); err == nil {
				k.Close()
			} else if !errors.Is(err, errCrash) {
				t.Fatalf("%s, then %d: open: %v", at, again, err)
			}
		}
		w.setFault(func(string) error { return nil })
		k = w.open()
		for _, s := range append(slices.Clip(keep), makeSample(t, k)) {
			if err := s.check(k, nil); err != nil {
				t.Errorf("%s: survivor: %v", at, err)
			}
		}
		if _, err := k.Sweep(t.Context(), nil); err != nil {
			t.Fatalf("%s: sweep after reopening: %v", at, err)
		}
		checkGone(t, at, w, k, append(shred, first))
		for _, s := range append(keep, makeSample(t, k)) {
			if err := s.check(k, nil); err != nil {
				t.Errorf("%s: survivor after sweep: %v", at, err)
			}
		}
		if t.Failed() {
			return
		}
		if len(*calls) <= n {
			if n < 25 {
				t.Fatalf("only %d steps: %q", n, *calls)
			}
			t.Logf("%d steps: %q", n, *calls)
			return
		}
	}
}

// checkGone checks that nothing of destroyed keys is left, but tombstones.
func checkGone(t *testing.T, at string, w *world, k *Keys, gone []sample) {
	t.Helper()
	for _, s := range gone {
		if err := s.check(k, ErrUnknownMaterial); err != nil {
			t.Errorf("%s: %v", at, err)
		}
		if _, err := k.Get(t.Context(), s.key.Ref); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: Get of a destroyed key: %v", at, err)
		}
		tomb, err := k.Tombstone(t.Context(), s.key.Ref)
		if err != nil {
			t.Errorf("%s: Tombstone: %v", at, err)
			continue
		}
		if tomb.Epoch < 2 || tomb.Epoch > k.root.Epoch() || tomb.ARN != s.key.ARN || !slices.Equal(tomb.Materials, []MaterialID{s.key.Material}) {
			t.Errorf("%s: tombstone %+v", at, tomb)
		}
	}
	rows := dump(t, w.rows)
	for _, p := range []string{rowDestroying, rowDue, rowAlias, rowAliasOf} {
		if n := countRows(rows, p); n != 0 {
			t.Errorf("%s: %d rows left under %s", at, n, p)
		}
	}
	if a, b := countRows(rows, rowKey), countRows(rows, rowMaterial); a != b {
		t.Errorf("%s: %d keys, %d materials", at, a, b)
	}
	if numbers, _ := w.root.Epochs(t.Context()); len(numbers) != 1 || numbers[0] != k.root.Epoch() {
		t.Errorf("%s: epochs %v in the root store, %d open", at, numbers, k.root.Epoch())
	}
	if len(w.root.delisted) != 0 {
		t.Errorf("%s: an old root is not destroyed", at)
	}
	for _, name := range k.root.state.names() {
		if w.root.frontiers[name] == nil {
			t.Errorf("%s: frontier %s is missing", at, name)
		}
	}
}

// An error that is no crash must leave a server that goes on by itself.
func TestSweepGoesOnAfterAnError(t *testing.T) {
	for n := 0; ; n++ {
		w := newWorld(t)
		k := w.open()
		keep, shred := makeSample(t, k), makeSample(t, k)
		if _, err := k.ScheduleDeletion(t.Context(), shred.key.Ref, MinWindow, nil); err != nil {
			t.Fatal(err)
		}
		w.pass(MinWindow)
		i := -1
		w.setFault(func(name string) error {
			if i++; i == n {
				return fmt.Errorf("%w at %s", errCrash, name)
			}
			return nil
		})
		_, err := k.Sweep(t.Context(), nil)
		if i < n {
			return
		}
		if err == nil {
			t.Fatalf("fault %d: Sweep = nil", n)
		}
		if lost := keep.check(k, nil); lost != nil {
			t.Errorf("after %v: %v", err, lost)
		}
		if _, err := k.Sweep(t.Context(), nil); err != nil {
			t.Fatalf("second sweep after %v: %v", err, err)
		}
		checkGone(t, fmt.Sprint("after ", err), w, k, []sample{shred})
		for _, s := range []sample{keep, makeSample(t, k)} {
			if err := s.check(k, nil); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestSweepTakesWhatIsDueInOneEpoch(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	var due []sample
	for range 2*pageRows + 1 {
		due = append(due, makeSample(t, k))
	}
	later, cancelled := makeSample(t, k), makeSample(t, k)
	for _, s := range append(due, cancelled) {
		if _, err := k.ScheduleDeletion(t.Context(), s.key.Ref, MinWindow, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := k.ScheduleDeletion(t.Context(), later.key.Ref, MaxWindow, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := k.CancelDeletion(t.Context(), cancelled.key.Ref, nil); err != nil {
		t.Fatal(err)
	}
	w.pass(MinWindow - 1)
	if tombs, err := k.Sweep(t.Context(), nil); err != nil || len(tombs) != 0 {
		t.Fatalf("Sweep before the date = %d, %v; want 0, nil", len(tombs), err)
	}
	w.pass(1)
	if refs, err := k.Due(t.Context(), 1000); err != nil || len(refs) != len(due) {
		t.Fatalf("Due = %d, %v; want %d, nil", len(refs), err, len(due))
	}
	events := 0
	tombs, err := k.Sweep(t.Context(), func(tx meta.Txn, tomb *Tombstone) error {
		events++
		return tx.Put([]byte("trail/"+tomb.ID), []byte(tomb.ARN))
	})
	if err != nil || len(tombs) != len(due) || events != len(due) {
		t.Fatalf("Sweep = %d, %v with %d events; want %d", len(tombs), err, events, len(due))
	}
	if e := k.root.Epoch(); e != 2 {
		t.Errorf("epoch %d after one sweep; want 2", e)
	}
	if n := countRows(dump(t, w.rows), "trail/"); n != len(due) {
		t.Errorf("%d events; want %d", n, len(due))
	}
	for s, want := range map[*sample]error{&due[0]: ErrUnknownMaterial, &later: ErrPendingDeletion, &cancelled: ErrDisabled} {
		if err := s.check(k, want); err != nil {
			t.Error(err)
		}
	}
	if tombs, err := k.Sweep(t.Context(), nil); err != nil || len(tombs) != 0 || k.root.Epoch() != 2 {
		t.Errorf("second sweep = %d, %v, epoch %d", len(tombs), err, k.root.Epoch())
	}
}

func TestBuriedErrorKeepsTheKeyDead(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	s := makeSample(t, k)
	no := errors.New("no trail")
	if _, err := k.Destroy(t.Context(), []Ref{s.key.Ref}, func(meta.Txn, *Tombstone) error { return no }); !errors.Is(err, no) {
		t.Fatalf("Destroy = %v; want %v", err, no)
	}
	if _, err := k.Tombstone(t.Context(), s.key.Ref); !errors.Is(err, ErrNotFound) {
		t.Errorf("Tombstone without its event: %v", err)
	}
	if _, _, ok := k.materials.get(materialAt{s.key.Material, s.key.Region}); ok {
		t.Error("the material of a destroyed key is in memory")
	}
	if _, err := k.CancelDeletion(t.Context(), s.key.Ref, nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("CancelDeletion = %v; want ErrNotFound", err)
	}
	if err := s.check(k, ErrUnknownMaterial); err != nil {
		t.Error(err)
	}
	if tombs, err := k.Sweep(t.Context(), nil); err != nil || len(tombs) != 1 {
		t.Errorf("Sweep = %v, %v", tombs, err)
	}
}

func TestDestroyIsAllOrNothing(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	s := makeSample(t, k)
	missing := s.key.Ref
	missing.ID = "00000000-0000-4000-8000-000000000000"
	if _, err := k.Destroy(t.Context(), []Ref{s.key.Ref, missing}, nil); !errors.Is(err, ErrNotFound) {
		t.Fatalf("Destroy = %v; want ErrNotFound", err)
	}
	if err := s.check(k, nil); err != nil {
		t.Error(err)
	}
	managed, err := k.EnsureManaged(t.Context(), account, region, "alias/aws/s3", "{}", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Destroy(t.Context(), []Ref{managed.Ref}, nil); !errors.Is(err, ErrManaged) {
		t.Errorf("Destroy of a managed key = %v; want ErrManaged", err)
	}
}

// The attacker has every row, head and frontier that was ever written, and the
// current root secret.
func TestAttackerWithAllOldCopies(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	var live, dead []sample
	var old []map[string][]byte // dumps of the rows
	var hidden []Secret         // that no living secret may equal
	for round := range 4 {
		for range 8 {
			live, dead = append(live, makeSample(t, k)), append(dead, makeSample(t, k))
		}
		old = append(old, dump(t, w.rows))
		var refs []Ref
		for _, s := range dead[round*8:] {
			refs = append(refs, s.key.Ref)
			hidden = append(hidden, pathOf(t, k, s.key)...)
		}
		if _, err := k.Destroy(t.Context(), refs, nil); err != nil {
			t.Fatal(err)
		}
	}
	current := w.root.epochs[k.root.Epoch()]
	root := Secret(current.Root)

	// No old head and no old frontier opens.
	state := k.root.state
	for _, e := range w.root.written {
		if e.Number == current.Number {
			continue
		}
		hidden = append(hidden, Secret(e.Root))
		for n := uint64(1); n <= current.Number; n++ {
			if _, err := openHead(&root, n, e.Head); err == nil {
				t.Errorf("the head of epoch %d opens", e.Number)
			}
		}
		for name, sealed := range e.Frontiers {
			if slices.Contains(state.names(), name) {
				continue
			}
			for i := range state.head.shards {
				sh := state.head.shards[i]
				for g := uint64(1); g <= current.Number; g++ {
					sh.generation = g
					if _, err := openFrontier(i, &sh, sealed); err == nil {
						t.Errorf("old frontier %s opens", name)
					}
				}
			}
		}
	}
	// Nothing that lives is a secret from above a destroyed leaf.
	living := map[Secret]bool{root: true, state.head.storeKey: true}
	for i := range state.frontiers {
		living[state.head.shards[i].secret] = true
		for _, n := range state.frontier(i) {
			living[n.key] = true
		}
	}
	for _, s := range hidden {
		if living[s] {
			t.Error("a secret above a destroyed leaf lives on")
		}
	}
	// Each old dump serves the living keys of its time, and no destroyed one.
	for round, rows := range old {
		back := &world{t: t, root: w.root, rows: restore(t, rows), now: w.now, fault: w.fault}
		k := back.open()
		for _, s := range live[:8*(round+1)] {
			if err := s.check(k, nil); err != nil {
				t.Errorf("rows of round %d: survivor: %v", round, err)
			}
		}
		for _, s := range dead[:8*(round+1)] {
			if err := s.check(k, ErrUnknownMaterial); err != nil {
				t.Errorf("rows of round %d: %v", round, err)
			}
			err := back.rows.View(t.Context(), func(r meta.Reader) error {
				return versions(r, s.key.Ref, func(number uint32, row *versionRow) error {
					_, err := k.root.state.unwrap(s.key.Ref, number, row)
					return err
				})
			})
			if round*8 <= slices.IndexFunc(dead, func(d sample) bool { return d.key == s.key }) && !errors.Is(err, ErrPunctured) {
				t.Errorf("rows of round %d: unwrap = %v; want ErrPunctured", round, err)
			}
		}
		// The old counters hand out no destroyed leaf.
		if _, err := k.Sweep(t.Context(), nil); err != nil {
			t.Error(err)
		}
		for range 20 {
			if err := makeSample(t, k).check(k, nil); err != nil {
				t.Error(err)
			}
		}
	}
}

// pathOf returns the secrets from which a key's leaf derives now: those of its
// tree, and of each node down from the frontier.
func pathOf(t *testing.T, k *Keys, key *Key) (out []Secret) {
	t.Helper()
	err := k.meta.View(t.Context(), func(r meta.Reader) error {
		return versions(r, key.Ref, func(_ uint32, row *versionRow) error {
			s := k.root.state
			out = append(out, s.head.shards[row.Shard].secret)
			for pos := uint32(leafCount) + row.Leaf; pos > 0; pos /= 2 {
				if secret, ok := s.frontier(int(row.Shard)).derive(pos); ok {
					out = append(out, secret)
				}
			}
			return nil
		})
	})
	if err != nil || len(out) < 2 {
		t.Fatalf("path of %s: %d secrets, %v", key.ID, len(out), err)
	}
	return out
}

func TestRootPutBackIsRefused(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	s := makeSample(t, k)
	first := w.root.written[0]
	if _, err := k.Destroy(t.Context(), []Ref{s.key.Ref}, nil); err != nil {
		t.Fatal(err)
	}
	w.root.epochs = map[uint64]*rootseal.Epoch{1: first}
	if _, err := w.tryOpen(); !errors.Is(err, ErrWrongRoot) {
		t.Errorf("Open with the root of epoch 1 = %v; want ErrWrongRoot", err)
	}
	w.root = newMemRoot()
	if _, err := w.tryOpen(); !errors.Is(err, ErrWrongRoot) {
		t.Errorf("Open with another root = %v; want ErrWrongRoot", err)
	}
}

// A root store that writes something else than it was given must not cost the
// old epoch.
func TestUnprovenEpochIsDropped(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	keep, shred := makeSample(t, k), makeSample(t, k)
	damage := func(name string) error {
		if name == "prepare all" {
			for _, f := range w.root.frontiers {
				f[len(f)-1] ^= 1
			}
		}
		return nil
	}
	w.root.fault = damage
	if _, err := k.Destroy(t.Context(), []Ref{shred.key.Ref}, nil); !errors.Is(err, ErrUnproven) {
		t.Fatalf("Destroy = %v; want ErrUnproven", err)
	}
	if numbers, _ := w.root.Epochs(t.Context()); !slices.Equal(numbers, []uint64{1}) {
		t.Errorf("epochs %v; want [1]", numbers)
	}
	w.root.fault = func(string) error { return nil }
	for _, k := range []*Keys{k, w.open()} {
		if err := keep.check(k, nil); err != nil {
			t.Error(err)
		}
		if err := shred.check(k, ErrUnknownMaterial); err != nil {
			t.Error(err)
		}
	}
}

func TestSurvivorThatWouldBeLostStopsTheEpoch(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	keep, shred := makeSample(t, k), makeSample(t, k)
	// A puncture of all, though only one is told to die. There are enough of them
	// that the random sample meets one.
	gone := []leaf{leafOf(t, k, shred.key)}
	all := append(gone, leafOf(t, k, keep.key))
	for range 20 {
		all = append(all, leafOf(t, k, makeSample(t, k).key))
	}
	_, err := k.root.puncture(t.Context(), all, k.survivors(t.Context(), gone))
	if !errors.Is(err, ErrUnproven) {
		t.Fatalf("puncture = %v; want ErrUnproven", err)
	}
	if err := keep.check(w.open(), nil); err != nil {
		t.Error(err)
	}
}

// Rows that are damaged must not keep other keys from being destroyed.
func TestDamagedRowsDoNotStopADestruction(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	broken, lost, shred := makeSample(t, k), makeSample(t, k), makeSample(t, k)
	err := w.rows.Update(t.Context(), func(tx meta.Txn) error {
		if err := tx.Put(versionKey(broken.key.Ref, 1), []byte("not CBOR")); err != nil {
			return err
		}
		return tx.Delete(versionKey(lost.key.Ref, 1))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Destroy(t.Context(), []Ref{shred.key.Ref}, nil); err != nil {
		t.Error(err)
	}
	checkGone(t, "with damaged rows", w, k, []sample{shred})
}

func leafOf(t testing.TB, k *Keys, key *Key) (l leaf) {
	t.Helper()
	err := k.meta.View(context.Background(), func(r meta.Reader) error {
		_, _, row, err := versionOf(r, key.Region, key.Material)
		if err == nil {
			l = row.leaf()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestCloseWipes(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	s := makeSample(t, k)
	k.root.Close()
	k.Close()
	if _, err := k.Decrypt(t.Context(), region, s.blob, sampleContext); err == nil {
		t.Error("Decrypt after Close = nil")
	}
	if k.root.StoreKey() != (Secret{}) || k.root.Epoch() != 0 {
		t.Error("the root holds secrets after Close")
	}
	if _, err := k.Sweep(t.Context(), nil); err == nil {
		t.Error("Sweep after Close = nil")
	}
}
