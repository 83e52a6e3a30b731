package key

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"coffer/internal/meta"
)

// shredKey makes a key with subjects.
func shredKey(t testing.TB, k *Keys, multi bool) *Key {
	t.Helper()
	key, err := k.Create(t.Context(), CreateInput{Account: account, Region: region, MultiRegion: multi,
		Tags: []Tag{{TagShredBy, "subject"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func of(subject string) map[string]string { return map[string]string{"subject": subject, "other": "x"} }

// sealFor seals something for a subject.
func sealFor(t testing.TB, k *Keys, key *Key, subject string) []byte {
	t.Helper()
	out, err := k.Encrypt(t.Context(), key.Ref, []byte("of "+subject), of(subject))
	if err != nil {
		t.Fatal(err)
	}
	return out.Blob
}

// opens returns the error of opening what sealFor sealed.
func opens(t testing.TB, k *Keys, blob []byte, subject string) error {
	t.Helper()
	out, err := k.Decrypt(t.Context(), region, blob, of(subject))
	if err == nil && string(out.Plaintext) != "of "+subject {
		t.Errorf("subject %s opens as %q", subject, out.Plaintext)
	}
	return err
}

func TestSubjectsHaveKeysOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	key := shredKey(t, k, false)
	if key.ShredBy != "subject" {
		t.Fatalf("ShredBy = %q", key.ShredBy)
	}
	alice, bob := sealFor(t, k, key, "alice"), sealFor(t, k, key, "bob")
	for _, k := range []*Keys{k, w.open()} {
		for _, err := range []error{opens(t, k, alice, "alice"), opens(t, k, bob, "bob")} {
			if err != nil {
				t.Error(err)
			}
		}
		if err := opens(t, k, alice, "bob"); !errors.Is(err, ErrInvalidCiphertext) {
			t.Errorf("with another subject: %v", err)
		}
		if err := opens(t, k, alice, "carol"); !errors.Is(err, ErrSubjectNotFound) {
			t.Errorf("with a subject that was never used: %v", err)
		}
	}
	for _, context := range []map[string]string{nil, {"other": "x"}, {"subject": ""}} {
		if _, err := k.Encrypt(t.Context(), key.Ref, nil, context); !errors.Is(err, ErrNoSubject) {
			t.Errorf("Encrypt under %v: %v", context, err)
		}
		if _, err := k.Decrypt(t.Context(), region, alice, context); !errors.Is(err, ErrNoSubject) {
			t.Errorf("Decrypt under %v: %v", context, err)
		}
	}
	// Opening makes no subject.
	list, more, err := k.Subjects(t.Context(), key.Ref, SubjectID{}, 10)
	if err != nil || more || len(list) != 2 {
		t.Fatalf("Subjects = %v, %v, %v", list, more, err)
	}
	var values []string
	for _, s := range list {
		values = append(values, s.Value)
		if s.Name != "subject" || s.State != Enabled || s.Key != key.Ref {
			t.Errorf("subject %+v", s)
		}
	}
	slices.Sort(values)
	if !slices.Equal(values, []string{"alice", "bob"}) {
		t.Errorf("subjects %q", values)
	}
	first, more, err := k.Subjects(t.Context(), key.Ref, SubjectID{}, 1)
	if err != nil || !more || len(first) != 1 {
		t.Fatalf("first page = %v, %v, %v", first, more, err)
	}
	if rest, more, err := k.Subjects(t.Context(), key.Ref, first[0].ID, 1); err != nil || more || len(rest) != 1 || rest[0].ID == first[0].ID {
		t.Errorf("second page = %v, %v, %v", rest, more, err)
	}
	for row := range dump(t, w.rows) {
		if strings.Contains(row, "alice") {
			t.Errorf("row key %q names a subject", row)
		}
	}
}

func TestSubjectStates(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	key := shredKey(t, k, false)
	alice, bob := sealFor(t, k, key, "alice"), sealFor(t, k, key, "bob")
	use := func(want error) {
		t.Helper()
		_, err := k.Encrypt(t.Context(), key.Ref, nil, of("alice"))
		ready := k.Ready(t.Context(), key, of("alice"))
		usable := k.meta.View(t.Context(), func(r meta.Reader) error { return k.Usable(r, key.Ref, of("alice")) })
		for what, err := range map[string]error{"Encrypt": err, "Decrypt": opens(t, k, alice, "alice"), "Ready": ready, "Usable": usable} {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v; want %v", what, err, want)
			}
		}
		if err := opens(t, k, bob, "bob"); err != nil {
			t.Errorf("the other subject: %v", err)
		}
	}
	step := func(s *Subject, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	use(nil)
	step(k.DisableSubject(t.Context(), key.Ref, "alice", nil))
	use(ErrSubjectDisabled)
	step(k.ScheduleSubjectDeletion(t.Context(), key.Ref, "alice", MinWindow, nil))
	use(ErrSubjectPendingDeletion)
	if _, err := k.EnableSubject(t.Context(), key.Ref, "alice", nil); !errors.Is(err, ErrSubjectPendingDeletion) {
		t.Errorf("EnableSubject = %v", err)
	}
	step(k.CancelSubjectDeletion(t.Context(), key.Ref, "alice", nil))
	use(ErrSubjectDisabled) // as before
	step(k.EnableSubject(t.Context(), key.Ref, "alice", nil))
	use(nil)
	step(k.ScheduleSubjectDeletion(t.Context(), key.Ref, "alice", MinWindow, nil))
	w.pass(MinWindow - 1)
	if tombs, err := k.Sweep(t.Context(), nil); err != nil || len(tombs) != 0 {
		t.Fatalf("an early Sweep = %v, %v", tombs, err)
	}
	w.pass(1)
	tombs, err := k.Sweep(t.Context(), nil)
	if err != nil || len(tombs) != 1 || tombs[0].Subject == nil || tombs[0].Subject.Value != "alice" || tombs[0].Epoch != 2 || tombs[0].Ref != key.Ref {
		t.Fatalf("Sweep = %+v, %v", tombs, err)
	}
	use(ErrSubjectDestroyed)
	k = w.open()
	use(ErrSubjectDestroyed)
	if _, err := k.DestroySubjects(t.Context(), key.Ref, []string{"bob", "nobody"}, nil); !errors.Is(err, ErrSubjectNotFound) {
		t.Errorf("DestroySubjects = %v", err)
	}
	if err := opens(t, k, bob, "bob"); err != nil {
		t.Error(err)
	}
	if _, err := k.ScheduleSubjectDeletion(t.Context(), key.Ref, "bob", MinWindow-1, nil); !errors.Is(err, ErrInvalidWindow) {
		t.Errorf("a short window: %v", err)
	}
}

// An attacker has every row of every time, every root store's files of every time but
// the roots that were destroyed, and the current root. So he may put old rows under the
// current root.
func TestOldRowsOpenNothingShredded(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	key := shredKey(t, k, false)
	alice, bob := sealFor(t, k, key, "alice"), sealFor(t, k, key, "bob")
	old := dump(t, w.rows)
	if _, err := k.DestroySubjects(t.Context(), key.Ref, []string{"alice"}, nil); err != nil {
		t.Fatal(err)
	}
	k.Close()
	w.rows = restore(t, old)
	k = w.open()
	if err := opens(t, k, alice, "alice"); !errors.Is(err, ErrSubjectDestroyed) {
		t.Errorf("the shredded subject under old rows: %v", err)
	}
	if err := opens(t, k, bob, "bob"); err != nil {
		t.Errorf("the other subject under old rows: %v", err)
	}
	// Its deletion can be scheduled once more, and ends well.
	if _, err := k.DestroySubjects(t.Context(), key.Ref, []string{"alice"}, nil); err != nil {
		t.Errorf("shredding again: %v", err)
	}
}

func TestRotationTouchesNoSubject(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	key := shredKey(t, k, false)
	before := sealFor(t, k, key, "alice")
	if _, err := k.RotateOnDemand(t.Context(), key.Ref, 25, nil); err != nil {
		t.Fatal(err)
	}
	after := sealFor(t, k, key, "alice")
	if err := errors.Join(opens(t, k, before, "alice"), opens(t, k, after, "alice")); err != nil {
		t.Fatal(err)
	}
	if _, err := k.DestroySubjects(t.Context(), key.Ref, []string{"alice"}, nil); err != nil {
		t.Fatal(err)
	}
	for _, blob := range [][]byte{before, after} {
		if err := opens(t, k, blob, "alice"); !errors.Is(err, ErrSubjectDestroyed) {
			t.Error(err)
		}
	}
}

func TestDestroyedKeyTakesItsSubjects(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	key, other := shredKey(t, k, false), shredKey(t, k, false)
	for i := range 2*pageSubjects + 7 {
		sealFor(t, k, key, fmt.Sprint(i))
	}
	kept := sealFor(t, k, other, "1")
	if _, err := k.ScheduleSubjectDeletion(t.Context(), key.Ref, "3", MinWindow, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Destroy(t.Context(), []Ref{key.Ref}, nil); err != nil {
		t.Fatal(err)
	}
	rows := dump(t, w.rows)
	if n := countRows(rows, rowSubject); n != 1 {
		t.Errorf("%d rows of subjects; want that of the other key", n)
	}
	if n := countRows(rows, rowSubjectDue); n != 0 {
		t.Errorf("%d due rows are left", n)
	}
	if err := opens(t, k, kept, "1"); err != nil {
		t.Error(err)
	}
}

// A destruction of keys, versions and subjects at once survives a crash at each step.
func TestKillAtEveryStepOfAMixedDestruction(t *testing.T) {
	for n := 0; ; n++ {
		w := newWorld(t)
		w.rand = fewShards{}
		k := w.open()
		keep, doomed := makeSample(t, k), makeSample(t, k)
		rotated := makeSample(t, k) // its first version goes
		if _, err := k.RotateOnDemand(t.Context(), rotated.key.Ref, 25, nil); err != nil {
			t.Fatal(err)
		}
		newer, err := k.Encrypt(t.Context(), rotated.key.Ref, []byte("newer"), nil)
		if err != nil {
			t.Fatal(err)
		}
		shared := shredKey(t, k, false)
		alice, bob := sealFor(t, k, shared, "alice"), sealFor(t, k, shared, "bob")
		if _, err := k.ScheduleDeletion(t.Context(), doomed.key.Ref, MinWindow, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := k.ScheduleSubjectDeletion(t.Context(), shared.Ref, "alice", MinWindow, nil); err != nil {
			t.Fatal(err)
		}
		w.pass(MinWindow)
		err = w.rows.Update(t.Context(), func(tx meta.Txn) error { return tx.Put(droppingKey(rotated.key.Ref, 1), nil) })
		if err != nil {
			t.Fatal(err)
		}

		fault, calls := crashAt(n)
		w.setFault(fault)
		_, err = k.Sweep(t.Context(), nil)
		at := fmt.Sprintf("crash %d", n)
		if err != nil && !errors.Is(err, errCrash) {
			t.Fatalf("%s: %v", at, err)
		}
		w.setFault(func(string) error { return nil })
		k = w.open()
		if _, err := k.Sweep(t.Context(), nil); err != nil {
			t.Fatalf("%s: sweep after reopening: %v", at, err)
		}
		for what, err := range map[string]error{"kept key": keep.check(k, nil), "other subject": opens(t, k, bob, "bob"),
			"destroyed key": doomed.check(k, ErrUnknownMaterial), "destroyed version": rotated.check(k, ErrUnknownMaterial)} {
			if err != nil {
				t.Errorf("%s: %s: %v", at, what, err)
			}
		}
		if err := opens(t, k, alice, "alice"); !errors.Is(err, ErrSubjectDestroyed) {
			t.Errorf("%s: destroyed subject: %v", at, err)
		}
		if _, err := k.Decrypt(t.Context(), region, newer.Blob, nil); err != nil {
			t.Errorf("%s: current version: %v", at, err)
		}
		rows := dump(t, w.rows)
		for _, p := range []string{rowDestroying, rowDropping, rowShredding, rowDue, rowSubjectDue} {
			if n := countRows(rows, p); n != 0 {
				t.Errorf("%s: %d rows left under %s", at, n, p)
			}
		}
		if t.Failed() {
			return
		}
		if len(*calls) <= n {
			if n < 20 {
				t.Fatalf("only %d steps: %q", n, *calls)
			}
			return
		}
	}
}

// After ten thousand shreds rows from before them serve every survivor, and the
// frontiers have the size that docs/spec/key-hierarchy.md computes.
func TestOldRowsAfterManyShreds(t *testing.T) {
	const shreds, survivors = 10_000, 1_000
	w := newWorld(t)
	k := w.open()
	key := shredKey(t, k, false)
	var kept [][]byte
	var gone []string
	for i := range shreds + survivors {
		name := fmt.Sprint(i)
		blob := sealFor(t, k, key, name)
		if i%11 == 0 {
			kept = append(kept, blob)
		} else {
			gone = append(gone, name)
		}
	}
	old := dump(t, w.rows)
	if _, err := k.DestroySubjects(t.Context(), key.Ref, gone, nil); err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, name := range k.root.state.names() {
		size += len(w.root.frontiers[name])
	}
	// A path of nodes for each shard on the way to its unused leaves, and a few for each shred.
	if most := shardCount*(treeDepth*nodeSize+64) + shreds*4*nodeSize; size > most {
		t.Errorf("the frontiers have %d bytes; want at most %d", size, most)
	}
	k.Close()
	w.rows = restore(t, old)
	k = w.open()
	for i, blob := range kept {
		if err := opens(t, k, blob, fmt.Sprint(11*i)); err != nil {
			t.Fatalf("survivor %d: %v", 11*i, err)
		}
	}
	for _, name := range gone[:100] {
		if _, err := k.Encrypt(t.Context(), key.Ref, nil, of(name)); !errors.Is(err, ErrSubjectDestroyed) {
			t.Fatalf("shredded subject %s: %v", name, err)
		}
	}
}
