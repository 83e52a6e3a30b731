package trail

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"coffer/internal/meta"
	"coffer/internal/meta/mem"
)

const node = "node-1"

var errDisk = errors.New("disk is full")

// A faulty store fails the Updates that fail says, before they do anything.
type faulty struct {
	meta.Store
	fail    atomic.Bool
	updates atomic.Int64
	// before runs ahead of each Update, if set.
	before func()
}

func (s *faulty) Update(ctx context.Context, fn func(meta.Txn) error) error {
	if s.before != nil {
		s.before()
	}
	if s.fail.Load() {
		return fmt.Errorf("%w: %w", meta.ErrUnavailable, errDisk)
	}
	s.updates.Add(1)
	return s.Store.Update(ctx, func(txn meta.Txn) error {
		if s.updates.Load()%2 == 0 { // run every other function twice
			if err := fn(discard{txn}); err != nil {
				return err
			}
		}
		return fn(txn)
	})
}

// discard is a transaction whose writes are lost, as those of a run that has to
// be repeated.
type discard struct{ meta.Reader }

func (discard) Put(_, _ []byte) error { return nil }
func (discard) Delete([]byte) error   { return nil }

func open(t testing.TB, store meta.Store, change func(*Config)) *Trail {
	t.Helper()
	cfg := Config{Store: store, Node: node, Log: slog.New(slog.DiscardHandler), FlushEvery: time.Hour}
	if change != nil {
		change(&cfg)
	}
	tr, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close(context.Background()) })
	return tr
}

// commit makes a change that is nothing but its event.
func commit(t testing.TB, tr *Trail, store meta.Store, name string) uint64 {
	t.Helper()
	rec := tr.Begin(&Event{Name: name})
	defer rec.End()
	if err := store.Update(t.Context(), rec.Put); err != nil {
		t.Fatal(err)
	}
	return rec.number
}

func read(t testing.TB, tr *Trail, name string) {
	t.Helper()
	if err := tr.Append(t.Context(), &Event{Name: name, ReadOnly: true}); err != nil {
		t.Fatal(err)
	}
}

func flush(t testing.TB, tr *Trail) {
	t.Helper()
	if err := tr.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func verify(t testing.TB, store meta.Store) Report {
	t.Helper()
	r, err := Verify(t.Context(), store, node)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// whole checks that the chain is whole and counts what it holds.
func whole(t testing.TB, store meta.Store, events, gaps, unlinked uint64) Report {
	t.Helper()
	r := verify(t, store)
	if r.Fault != nil || r.Events != events || r.Gaps != gaps || r.Unlinked != unlinked {
		t.Errorf("Verify = %d events, %d gaps, %d unlinked, fault %v; want %d, %d, %d, <nil>",
			r.Events, r.Gaps, r.Unlinked, r.Fault, events, gaps, unlinked)
	}
	return r
}

// names returns the eventNames of the linked events in the order of the chain.
func names(t testing.TB, store meta.Store) string {
	t.Helper()
	var list []string
	err := Scan(t.Context(), store, node, 1, func(e Entry) (bool, error) {
		var ev struct{ EventName string }
		if err := json.Unmarshal(e.JSON, &ev); err != nil {
			return false, err
		}
		list = append(list, ev.EventName)
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, " ")
}

func TestChangesAndReadsFormOneChain(t *testing.T) {
	store := &faulty{Store: mem.New()}
	tr := open(t, store, nil)
	commit(t, tr, store, "a")
	read(t, tr, "b")

	aborted := tr.Begin(&Event{Name: "aborted"})
	err := store.Update(t.Context(), func(txn meta.Txn) error { return errors.Join(aborted.Put(txn), errDisk) })
	if !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	aborted.End()
	aborted.End()

	commit(t, tr, store, "c")
	if r := verify(t, store); r.Unlinked != 2 {
		t.Errorf("%d unlinked before the flush; want the 2 changes", r.Unlinked)
	}
	flush(t, tr)
	r := whole(t, store, 3, 1, 0)
	read(t, tr, "d")
	flush(t, tr)
	flush(t, tr) // nothing to do
	if r2 := whole(t, store, 4, 1, 0); r2.Links != 2 || r2.Head == r.Head {
		t.Errorf("after another flush: %d links, head %s; want 2 links and another head than %s", r2.Links, r2.Head, r.Head)
	}
	if got := names(t, store); got != "a b c d" {
		t.Errorf("events in chain order = %q; want \"a b c d\"", got)
	}
	if got, err := Nodes(t.Context(), store); err != nil || len(got) != 1 || got[0] != node {
		t.Errorf("Nodes = %v, %v; want [%s]", got, err, node)
	}
}

func TestEventIsCompletedInsideTheTransaction(t *testing.T) {
	store := &faulty{Store: mem.New()}
	tr := open(t, store, nil)
	for range 2 { // one of the two functions runs twice
		ev := &Event{Name: "CreateKey"}
		rec := tr.Begin(ev)
		id := ev.ID
		err := store.Update(t.Context(), func(txn meta.Txn) error {
			ev.Response.Set("keyId", "k1")
			return rec.Put(txn)
		})
		rec.End()
		if err != nil || ev.ID != id || id == "" || ev.Time.IsZero() {
			t.Fatalf("Put: %v, ID %q then %q, time %v", err, id, ev.ID, ev.Time)
		}
	}
	flush(t, tr)
	whole(t, store, 2, 0, 0)
	err := Scan(t.Context(), store, node, 0, func(e Entry) (bool, error) {
		if !bytes.Contains(e.JSON, []byte(`"responseElements":{"keyId":"k1"}`)) {
			t.Errorf("event = %s; want the responseElements set inside the transaction, once", e.JSON)
		}
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestLinkWaitsForOpenRecords: an event is not passed by while its transaction
// may still commit.
func TestLinkWaitsForOpenRecords(t *testing.T) {
	store := &faulty{Store: mem.New()}
	tr := open(t, store, nil)
	commit(t, tr, store, "a")
	slow := tr.Begin(&Event{Name: "slow"})
	read(t, tr, "b")
	commit(t, tr, store, "c")
	flush(t, tr)
	whole(t, store, 1, 0, 2)
	if err := store.Update(t.Context(), slow.Put); err != nil {
		t.Fatal(err)
	}
	flush(t, tr)
	whole(t, store, 1, 0, 3)
	slow.End()
	flush(t, tr)
	whole(t, store, 4, 0, 0)
	if got := names(t, store); got != "a slow b c" {
		t.Errorf("chain = %q; want \"a slow b c\"", got)
	}
}

// TestLinkWaitsForPendingEvents: nor is an event that is appended between the
// write of a batch and the link after it.
func TestLinkWaitsForPendingEvents(t *testing.T) {
	inner := mem.New()
	store := &faulty{Store: inner}
	tr := open(t, store, nil)
	read(t, tr, "a")
	var once sync.Once
	store.before = func() {
		once.Do(func() {
			read(t, tr, "b")
			commit(t, tr, inner, "c")
		})
	}
	flush(t, tr)
	whole(t, store, 1, 0, 1)
	flush(t, tr)
	whole(t, store, 3, 0, 0)
	if got := names(t, store); got != "a b c" {
		t.Errorf("chain = %q; want \"a b c\"", got)
	}
}

func TestUseAfterTheEnd(t *testing.T) {
	store := mem.New()
	tr := open(t, store, nil)
	rec := tr.Begin(&Event{})
	rec.End()
	if err := store.Update(t.Context(), rec.Put); !errors.Is(err, ErrEnded) {
		t.Errorf("Put after End = %v; want ErrEnded", err)
	}
	still := tr.Begin(&Event{})
	if err := tr.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := tr.Close(t.Context()); err != nil {
		t.Errorf("second Close = %v", err)
	}
	if err := store.Update(t.Context(), still.Put); !errors.Is(err, ErrClosed) {
		t.Errorf("Put after Close = %v; want ErrClosed", err)
	}
	still.End()
	rec = tr.Begin(&Event{})
	if err := store.Update(t.Context(), rec.Put); !errors.Is(err, ErrClosed) {
		t.Errorf("Begin and Put after Close = %v; want ErrClosed", err)
	}
	rec.End()
	if err := tr.Append(t.Context(), &Event{}); !errors.Is(err, ErrClosed) {
		t.Errorf("Append after Close = %v; want ErrClosed", err)
	}
}

func TestNoRandomness(t *testing.T) {
	store := mem.New()
	tr := open(t, store, func(c *Config) { c.Rand = strings.NewReader("") })
	rec := tr.Begin(&Event{})
	if err := store.Update(t.Context(), rec.Put); err == nil {
		t.Error("Put without an event ID = nil; want an error")
	}
	rec.End()
	if err := tr.Append(t.Context(), &Event{}); err == nil {
		t.Error("Append without an event ID = nil; want an error")
	}
}

func TestNodeNames(t *testing.T) {
	for _, name := range []string{"", "a/b", "A", "a b", strings.Repeat("a", 65), "\x00"} {
		if _, err := New(t.Context(), Config{Store: mem.New(), Node: name}); err == nil {
			t.Errorf("New with node %q = nil; want an error", name)
		}
	}
}

// TestCrash drops the memory of a process at several points: every change is in
// the trail of the next one, and only reads that were not flushed are lost.
func TestCrash(t *testing.T) {
	store := &faulty{Store: mem.New()}
	crashed := open(t, store, nil)
	commit(t, crashed, store, "a")
	flush(t, crashed)
	commit(t, crashed, store, "b")
	crashed.Begin(&Event{Name: "never put"})
	last := commit(t, crashed, store, "c")
	read(t, crashed, "lost")

	tr := open(t, store, nil)
	whole(t, store, 3, 1, 0)
	if n := commit(t, tr, store, "d"); n != last+1 {
		t.Errorf("the first number after a crash = %d; want %d", n, last+1)
	}
	if err := tr.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	whole(t, store, 4, 1, 0)
	if got := names(t, store); got != "a b c d" {
		t.Errorf("chain = %q; want \"a b c d\"", got)
	}

	// A trail that ends in gaps goes on behind its last event.
	tr = open(t, store, nil)
	tr.Begin(&Event{}).End()
	flush(t, tr)
	tr = open(t, store, nil)
	commit(t, tr, store, "e")
	flush(t, tr)
	whole(t, store, 5, 1, 0)
}

// TestManyLinkRows recovers more events than one row links.
func TestManyLinkRows(t *testing.T) {
	store := mem.New()
	const n = 2*maxLinkEvents + 5
	err := store.Update(t.Context(), func(txn meta.Txn) error {
		for i := range uint64(n) {
			if err := txn.Put(eventKey(node, i+1), []byte("{}")); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	open(t, store, nil)
	if r := whole(t, store, n, 0, 0); r.Links != 3 {
		t.Errorf("%d events are linked by %d rows; want 3", n, r.Links)
	}
}

func TestNodesAreApart(t *testing.T) {
	store := mem.New()
	for _, name := range []string{"n", "n-", "n0", "b"} {
		tr := open(t, store, func(c *Config) { c.Node = name })
		commit(t, tr, store, name)
		flush(t, tr)
	}
	got, err := Nodes(t.Context(), store)
	if err != nil || strings.Join(got, " ") != "b n- n n0" {
		t.Errorf("Nodes = %v, %v; want the four in the order of their rows", got, err)
	}
	for _, name := range got {
		if r, err := Verify(t.Context(), store, name); err != nil || r.Fault != nil || r.Events != 1 {
			t.Errorf("Verify(%s) = %+v, %v; want 1 event", name, r, err)
		}
	}
}

func TestConcurrency(t *testing.T) {
	store := &faulty{Store: mem.New()}
	tr := open(t, store, func(c *Config) { c.FlushEvery = time.Millisecond; c.Rand = rand.Reader })
	const workers, each = 8, 60
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			r := mathrand.New(mathrand.NewPCG(1, uint64(w)))
			for range each {
				switch r.IntN(3) {
				case 0:
					if err := tr.Append(t.Context(), &Event{Name: "read"}); err != nil {
						t.Error(err)
					}
				case 1:
					rec := tr.Begin(&Event{Name: "change"})
					if err := store.Update(t.Context(), rec.Put); err != nil {
						t.Error(err)
					}
					rec.End()
				default:
					rec := tr.Begin(&Event{Name: "aborted"})
					store.Update(t.Context(), func(txn meta.Txn) error { return errors.Join(rec.Put(txn), errDisk) })
					rec.End()
				}
				if r.IntN(20) == 0 {
					if err := tr.Flush(t.Context()); err != nil {
						t.Error(err)
					}
					verify(t, store)
				}
			}
		})
	}
	wg.Wait()
	if err := tr.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := verify(t, store)
	if r.Fault != nil || r.Unlinked != 0 || r.Events+r.Gaps > workers*each || r.Events < workers*each/2 {
		t.Errorf("Verify = %+v; want about two thirds of %d as events, none unlinked", r, workers*each)
	}
	if got := strings.Count(names(t, store), "aborted"); got != 0 {
		t.Errorf("%d events of aborted changes are in the trail", got)
	}
}

func TestNewRefusesWhatItCannotLink(t *testing.T) {
	store := &faulty{Store: mem.New()}
	tr := open(t, store, nil)
	commit(t, tr, store, "a")
	store.fail.Store(true)
	if _, err := New(t.Context(), Config{Store: store, Node: node}); !errors.Is(err, errDisk) {
		t.Errorf("New with an unlinked event and no way to link it = %v; want the cause", err)
	}
}

// TestLeakedRecord: a record that nobody ends holds the linker up for a minute
// and no longer.
func TestLeakedRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		store := &faulty{Store: mem.New()}
		tr := open(t, store, func(c *Config) {
			c.FlushEvery = time.Second
			c.Log = slog.New(slog.NewTextHandler(&logged, nil))
		})
		defer tr.Close(t.Context())
		leaked := tr.Begin(&Event{Name: "leaked"})
		commit(t, tr, store, "a")
		time.Sleep(leakAfter)
		synctest.Wait()
		whole(t, store, 0, 0, 1)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		whole(t, store, 1, 1, 0)
		if !strings.Contains(logged.String(), "was not ended in time") {
			t.Errorf("the leak is not logged: %s", &logged)
		}
		if err := store.Update(t.Context(), leaked.Put); !errors.Is(err, ErrEnded) {
			t.Errorf("Put of a record given up = %v; want ErrEnded", err)
		}
		leaked.End()
		flush(t, tr)
		whole(t, store, 1, 1, 0)
	})
}

// TestLateCommit: an event whose transaction took longer than the linker waits is
// linked after the ones that went past it.
func TestLateCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{Store: mem.New()}
		tr := open(t, store, func(c *Config) { c.FlushEvery = time.Second })
		defer tr.Close(t.Context())
		commit(t, tr, store, "a")

		// Its transaction commits only when the rest is linked.
		slow := tr.Begin(&Event{Name: "slow"})
		put := make(chan func(meta.Txn) error, 1)
		slow.put = true // as Put leaves it
		put <- func(txn meta.Txn) error {
			return txn.Put(eventKey(node, slow.number), slow.ev.AppendJSON(nil))
		}
		// This one commits in time, and only its end is late.
		tardy := tr.Begin(&Event{Name: "tardy"})
		if err := store.Update(t.Context(), tardy.Put); err != nil {
			t.Fatal(err)
		}
		commit(t, tr, store, "b")
		time.Sleep(leakAfter + 2*time.Second)
		synctest.Wait()
		whole(t, store, 3, 1, 0)

		if err := store.Update(t.Context(), <-put); err != nil {
			t.Fatal(err)
		}
		if r := verify(t, store); r.Fault == nil || r.Fault.Kind != EventAdded {
			t.Errorf("before it is linked: %v; want an added event", r.Fault)
		}
		slow.End()
		tardy.End()
		store.fail.Store(true)
		if err := tr.Flush(t.Context()); err == nil {
			t.Error("Flush on a failing store = nil")
		}
		store.fail.Store(false)
		commit(t, tr, store, "c")
		flush(t, tr)
		whole(t, store, 5, 0, 0)
		if got := names(t, store); got != "a tardy b slow c" {
			t.Errorf("chain = %q; want \"a tardy b slow c\"", got)
		}
		open(t, store, nil)
		whole(t, store, 5, 0, 0)
	})
}
