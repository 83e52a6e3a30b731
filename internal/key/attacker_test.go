package key

import (
	"encoding/binary"
	"errors"
	"maps"
	"strings"
	"testing"

	"coffer/internal/rootseal"
)

// An attacker opens what he can, from every copy and the roots that he has.
type attacker struct {
	heads     map[uint64]*head
	frontiers map[uint16][]frontier
}

// attack opens every head that was ever written with each root, and every frontier with
// each shard secret of every head that opened.
func attack(written []*rootseal.Epoch, roots ...Secret) *attacker {
	a := &attacker{make(map[uint64]*head), make(map[uint16][]frontier)}
	all := make(map[string][]byte)
	for _, e := range written {
		maps.Copy(all, e.Frontiers)
		for _, r := range roots {
			if opened, err := openHead(&r, e.Number, e.Head); err == nil {
				a.heads[e.Number] = opened
			}
		}
	}
	for _, opened := range a.heads {
		for i := range opened.shards {
			s := opened.shards[i]
			for generation := range s.generation + 2 {
				s.generation = generation
				if generation == 0 {
					// The whole tree, as if this were the first secret.
					a.frontiers[uint16(i)] = append(a.frontiers[uint16(i)], treeRoot(i, &s.secret))
				}
				if sealed, ok := all[frontierName(i, generation)]; ok {
					if f, err := openFrontier(i, &s, sealed); err == nil {
						a.frontiers[uint16(i)] = append(a.frontiers[uint16(i)], f)
					}
				}
			}
		}
	}
	return a
}

// unwraps reports whether the attacker opens something that is wrapped at a leaf.
func (a *attacker) unwraps(l leaf, wrapped []byte, w *wrapping) bool {
	for _, f := range a.frontiers[l.shard] {
		secret, ok := f.leaf(l.index)
		if !ok {
			continue
		}
		if _, err := unwrap(&secret, wrapped, w); err == nil {
			return true
		}
	}
	return false
}

// Every row, head and frontier that ever was, and the current root, open no key, no
// version and no subject that was shredded; and they open all others.
func TestAttackerOpensNoRowThatWasShredded(t *testing.T) {
	w := newWorld(t)
	w.rand = fewShards{}
	k := w.open()
	everything := make(map[string][]byte) // every row of every time: they never change
	copyRows := func() { maps.Copy(everything, dump(t, w.rows)) }

	dead := make(map[string]bool) // row keys
	shared := shredKey(t, k, false)
	for round := range 12 {
		var keys []*Key
		for range 3 {
			keys = append(keys, makeSample(t, k).key)
		}
		names := []string{string(rune('a' + 2*round)), string(rune('b' + 2*round))}
		for _, n := range names {
			sealFor(t, k, shared, n)
		}
		if _, err := k.RotateOnDemand(t.Context(), keys[2].Ref, 25, nil); err != nil {
			t.Fatal(err)
		}
		copyRows()
		if _, err := k.Destroy(t.Context(), []Ref{keys[0].Ref}, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := k.DestroySubjects(t.Context(), shared.Ref, names[:1], nil); err != nil {
			t.Fatal(err)
		}
		if _, err := k.DestroyVersions(t.Context(), keys[2].Ref, 2, nil); err != nil {
			t.Fatal(err)
		}
		dead[string(versionKey(keys[0].Ref, 1))] = true
		dead[string(versionKey(keys[2].Ref, 1))] = true
		dead[string(k.subjectAt(shared, names[0]).row(rowSubject))] = true
		copyRows()
	}
	if len(w.root.written) < 30 {
		t.Fatalf("only %d epochs", len(w.root.written))
	}
	current := w.root.epochs[k.root.Epoch()]
	a := attack(w.root.written, Secret(current.Root))
	if len(a.heads) != 1 || a.heads[current.Number] == nil {
		t.Errorf("the current root opens %d heads", len(a.heads))
	}
	opened, shut := 0, 0
	for row, value := range everything {
		wrapped, ok := wrappedAt(t, row, value)
		if !ok {
			continue
		}
		got := a.unwraps(wrapped.leaf, wrapped.bytes, wrapped.as)
		if got == dead[row] {
			t.Errorf("row %q: opens %v, shredded %v", row, got, dead[row])
		}
		if got {
			opened++
		} else {
			shut++
		}
	}
	if opened < 30 || shut != len(dead) {
		t.Errorf("%d rows open and %d do not; %d are shredded", opened, shut, len(dead))
	}

	// The attack itself works: with a root of the past, what lived then opens.
	past := attack(w.root.written, Secret(current.Root), Secret(w.root.written[0].Root))
	found := 0
	for row := range dead {
		if wrapped, ok := wrappedAt(t, row, everything[row]); ok && past.unwraps(wrapped.leaf, wrapped.bytes, wrapped.as) {
			found++
		}
	}
	if found == 0 {
		t.Error("with a root that was kept the attacker opens nothing either: he is too weak to prove anything")
	}
}

type wrappedRow struct {
	leaf  leaf
	bytes []byte
	as    *wrapping
}

// wrappedAt returns what a row wraps, if it is of a version or a subject.
func wrappedAt(t *testing.T, row string, value []byte) (wrappedRow, bool) {
	t.Helper()
	if rest, ok := strings.CutPrefix(row, rowVersion); ok {
		var v versionRow
		ref, err := parsePlace(rest[:len(rest)-5])
		if err = errors.Join(err, decode([]byte(row), value, &v)); err != nil {
			t.Fatal(err)
		}
		number := binary.BigEndian.Uint32([]byte(rest[len(rest)-4:]))
		return wrappedRow{v.leaf(), v.Wrapped, &wrapping{kindKMS, ref, number, v.Material}}, true
	}
	if rest, ok := strings.CutPrefix(row, rowSubject); ok {
		var s subjectRow
		at, err := parseSubjectAt([]byte(rest))
		if err = errors.Join(err, decode([]byte(row), value, &s)); err != nil {
			t.Fatal(err)
		}
		return wrappedRow{s.leaf(), s.Wrapped, at.wrapping()}, true
	}
	return wrappedRow{}, false
}
