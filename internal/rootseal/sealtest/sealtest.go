// Package sealtest holds every implementation of [rootseal.Store] to the same
// behaviour.
package sealtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"coffer/internal/rootseal"
)

// Run runs the suite. place returns a function for one test that opens the same
// store at each call, empty at the first; what it returned before is not used
// any more then.
func Run(t *testing.T, place func(t *testing.T) (open func() rootseal.Store)) {
	tests := []struct {
		name string
		run  func(t *testing.T, open func() rootseal.Store)
	}{
		{"Empty", testEmpty},
		{"Prepare", testPrepare},
		{"PrepareTwice", testPrepareTwice},
		{"PrepareOlder", testPrepareOlder},
		{"Names", testNames},
		{"Advance", testAdvance},
		{"TakeBack", testTakeBack},
		{"SameName", testSameName},
		{"DestroyLast", testDestroyLast},
		{"Canceled", testCanceled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, place(t)) })
	}
}

// NewEpoch returns an epoch with a random root and head and random frontiers of
// the names.
func NewEpoch(number uint64, frontiers ...string) *rootseal.Epoch {
	e := &rootseal.Epoch{Number: number, Head: make([]byte, 5000), Frontiers: map[string][]byte{}}
	rand.Read(e.Root[:])
	rand.Read(e.Head)
	for i, name := range frontiers {
		e.Frontiers[name] = make([]byte, 100*i)
		rand.Read(e.Frontiers[name])
	}
	return e
}

// Joined returns what Load returns for e when older epochs wrote the older
// frontiers.
func Joined(e *rootseal.Epoch, older ...map[string][]byte) *rootseal.Epoch {
	joined := *e
	joined.Frontiers = map[string][]byte{}
	for _, f := range older {
		maps.Copy(joined.Frontiers, f)
	}
	maps.Copy(joined.Frontiers, e.Frontiers)
	return &joined
}

// Same returns nil if Load of the epoch want.Number returns want, more frontiers
// allowed, and otherwise an error that says what differs.
func Same(s rootseal.Store, want *rootseal.Epoch) error {
	got, err := s.Load(context.Background(), want.Number)
	switch {
	case err != nil:
		return err
	case got.Number != want.Number || got.Root != want.Root:
		return fmt.Errorf("epoch %d has another number or root", want.Number)
	case !bytes.Equal(got.Head, want.Head):
		return fmt.Errorf("epoch %d has another head", want.Number)
	}
	for name, f := range want.Frontiers {
		if g, ok := got.Frontiers[name]; !ok || !bytes.Equal(g, f) {
			return fmt.Errorf("epoch %d: frontier %s is there: %v, and not what was written", want.Number, name, ok)
		}
	}
	return nil
}

// expect fails the test unless the store holds exactly these epochs.
func expect(t *testing.T, s rootseal.Store, want ...*rootseal.Epoch) {
	t.Helper()
	var numbers []uint64
	for _, e := range want {
		numbers = append(numbers, e.Number)
		if err := Same(s, e); err != nil {
			t.Error(err)
		}
	}
	got, err := s.Epochs(context.Background())
	if err != nil || !slices.Equal(got, numbers) {
		t.Errorf("Epochs = %d, %v; want %d", got, err, numbers)
	}
}

// expectNames fails the test unless Load of the epoch returns these frontiers.
func expectNames(t *testing.T, s rootseal.Store, number uint64, want ...string) {
	t.Helper()
	e, err := s.Load(context.Background(), number)
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(e.Frontiers)); !slices.Equal(got, want) {
		t.Errorf("frontiers of epoch %d = %q; want %q", number, got, want)
	}
}

func expectGone(t *testing.T, s rootseal.Store, number uint64) {
	t.Helper()
	if e, err := s.Load(context.Background(), number); !errors.Is(err, rootseal.ErrNoRoot) {
		t.Errorf("Load(%d) = %v, %v; want ErrNoRoot", number, e, err)
	}
}

func mustPrepare(t *testing.T, s rootseal.Store, e *rootseal.Epoch) {
	t.Helper()
	if err := s.Prepare(context.Background(), e); err != nil {
		t.Fatal(err)
	}
}

func mustDestroy(t *testing.T, s rootseal.Store, number uint64, keep ...string) {
	t.Helper()
	if err := s.Destroy(context.Background(), number, keep); err != nil {
		t.Fatal(err)
	}
}

func testEmpty(t *testing.T, open func() rootseal.Store) {
	s := open()
	expect(t, s)
	expectGone(t, s, 0)
	expectGone(t, s, 1)
	mustDestroy(t, s, 1)
	expect(t, open())
}

func testPrepare(t *testing.T, open func() rootseal.Store) {
	s := open()
	e := NewEpoch(1, "a", "b-2", "0")
	given := &rootseal.Epoch{Number: 1, Root: e.Root, Head: bytes.Clone(e.Head), Frontiers: map[string][]byte{}}
	for name, f := range e.Frontiers {
		given.Frontiers[name] = bytes.Clone(f)
	}
	mustPrepare(t, s, given)
	clear(given.Root[:]) // the caller wipes what it gave
	clear(given.Head)
	for _, f := range given.Frontiers {
		clear(f)
	}
	expect(t, s, e)
	s = open()
	expect(t, s, e)
	expectNames(t, s, 1, "0", "a", "b-2")
	expectGone(t, s, 2)

	got, err := s.Load(context.Background(), 1)
	if err != nil {
		t.Fatal(err)
	}
	clear(got.Root[:]) // and what it got
	clear(got.Head)
	expect(t, s, e)

	bare := NewEpoch(1 << 63)
	bare.Head, bare.Frontiers = nil, nil
	mustPrepare(t, s, bare)
	expect(t, open(), e, Joined(bare, e.Frontiers))
}

func testPrepareTwice(t *testing.T, open func() rootseal.Store) {
	s := open()
	e := NewEpoch(1, "a")
	mustPrepare(t, s, e)
	for _, again := range []*rootseal.Epoch{e, NewEpoch(1, "a")} {
		if err := s.Prepare(context.Background(), again); !errors.Is(err, rootseal.ErrExists) {
			t.Errorf("second Prepare = %v; want ErrExists", err)
		}
	}
	expect(t, s, e)
}

func testPrepareOlder(t *testing.T, open func() rootseal.Store) {
	s := open()
	e := NewEpoch(5, "a")
	mustPrepare(t, s, e)
	if err := s.Prepare(context.Background(), NewEpoch(4, "a")); err == nil {
		t.Error("Prepare of an older epoch = nil; want an error")
	}
	expect(t, open(), e)
}

func testNames(t *testing.T, open func() rootseal.Store) {
	s := open()
	for _, name := range []string{"", "A", "a/b", "..", "a b", string(make([]byte, 65))} {
		if err := s.Prepare(context.Background(), NewEpoch(1, name)); err == nil {
			t.Errorf("Prepare with a frontier %q = nil; want an error", name)
		}
	}
	expect(t, s)
	e := NewEpoch(1, string(bytes.Repeat([]byte("z"), rootseal.MaxNameLength)))
	mustPrepare(t, s, e)
	expect(t, s, e)
}

// testAdvance changes the epoch many times, as shreds do.
func testAdvance(t *testing.T, open func() rootseal.Store) {
	s := open()
	last := NewEpoch(1, "a-1", "b-1", "c-1")
	mustPrepare(t, s, last)
	names := map[string]string{"a": "a-1", "b": "b-1", "c": "c-1"}
	for n := uint64(2); n < 12; n++ {
		shard := []string{"a", "b", "c"}[n%3]
		name := fmt.Sprintf("%s-%d", shard, n)
		next := NewEpoch(n, name)
		next.Frontiers[name] = []byte(name)
		mustPrepare(t, s, next)
		whole := Joined(next, last.Frontiers)
		expect(t, s, last, whole)
		if n%2 == 0 {
			s = open()
			expect(t, s, last, whole)
		}
		delete(whole.Frontiers, names[shard])
		names[shard] = name
		keep := slices.Sorted(maps.Values(names))
		for range 2 {
			mustDestroy(t, s, n-1, keep...)
			expectGone(t, s, n-1)
			expect(t, s, whole)
			expectNames(t, s, n, keep...)
		}
		last = whole
	}
	s = open()
	expect(t, s, last)
	if err := s.Prepare(context.Background(), NewEpoch(3)); err == nil {
		t.Error("Prepare of a destroyed epoch = nil; want an error")
	}
}

// testTakeBack destroys the newer epoch, whose head was never used.
func testTakeBack(t *testing.T, open func() rootseal.Store) {
	s := open()
	first := NewEpoch(1, "a", "b")
	mustPrepare(t, s, first)
	mustPrepare(t, s, NewEpoch(2, "c"))
	mustDestroy(t, s, 2, "a", "b")
	expect(t, s, first)
	expectGone(t, s, 2)
	expectNames(t, s, 1, "a", "b")
	again := NewEpoch(2, "c", "d")
	mustPrepare(t, s, again)
	expect(t, open(), first, Joined(again, first.Frontiers))
}

// testSameName writes a frontier of a name that an older epoch uses.
func testSameName(t *testing.T, open func() rootseal.Store) {
	s := open()
	first := NewEpoch(1, "x", "a", "b")
	mustPrepare(t, s, first)
	second := NewEpoch(2, "x", "a")
	mustPrepare(t, s, second)
	expect(t, s, first, Joined(second, first.Frontiers))
	mustDestroy(t, s, 2, "x", "a", "b")
	expect(t, s, first)

	mustPrepare(t, s, second)
	mustDestroy(t, s, 1, "x", "a", "b")
	s = open()
	expect(t, s, Joined(second, first.Frontiers))
	expectNames(t, s, 2, "a", "b", "x")
}

func testDestroyLast(t *testing.T, open func() rootseal.Store) {
	s := open()
	mustPrepare(t, s, NewEpoch(1, "a"))
	mustDestroy(t, s, 1)
	expect(t, s)
	expectGone(t, s, 1)
	s = open()
	expect(t, s)
	next := NewEpoch(2, "b")
	mustPrepare(t, s, next)
	expect(t, s, next)
	expectNames(t, s, 2, "b")
}

func testCanceled(t *testing.T, open func() rootseal.Store) {
	s := open()
	e := NewEpoch(1, "a")
	mustPrepare(t, s, e)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Prepare(ctx, NewEpoch(2)); !errors.Is(err, context.Canceled) {
		t.Errorf("Prepare = %v; want context.Canceled", err)
	}
	if err := s.Destroy(ctx, 1, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Destroy = %v; want context.Canceled", err)
	}
	if _, err := s.Load(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Load = %v; want context.Canceled", err)
	}
	if _, err := s.Epochs(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Epochs = %v; want context.Canceled", err)
	}
	expect(t, s, e)
}
