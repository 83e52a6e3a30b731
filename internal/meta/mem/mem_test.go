package mem_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"coffer/internal/meta"
	"coffer/internal/meta/mem"
	"coffer/internal/meta/metatest"
)

func TestStore(t *testing.T) {
	metatest.Run(t, func(*testing.T) meta.Store { return new(mem.Store) })
}

// TestFaults runs the suite on a store whose functions all run twice.
func TestFaults(t *testing.T) {
	metatest.Run(t, func(*testing.T) meta.Store {
		f := metatest.NewFaults(mem.New())
		f.RunTwice(true)
		return f
	})
}

func TestFaultsFail(t *testing.T) {
	ctx := context.Background()
	f := metatest.NewFaults(mem.New())
	put := func(key string) error {
		return f.Update(ctx, func(tx meta.Txn) error { return tx.Put([]byte(key), nil) })
	}
	has := func(key string) bool {
		err := f.View(ctx, func(r meta.Reader) error { _, err := r.Get([]byte(key)); return err })
		return err == nil
	}
	f.FailUpdates(1)
	f.LoseAnswers(1)
	for i, want := range []struct{ fails, has bool }{{true, false}, {true, true}, {false, true}} {
		key := fmt.Sprint(i)
		if err := put(key); errors.Is(err, meta.ErrUnavailable) != want.fails || has(key) != want.has {
			t.Errorf("put %d = %v, then has %v; want failure %v, has %v", i, err, has(key), want.fails, want.has)
		}
	}
	f.FailUpdates(-1)
	for range 3 {
		if err := put("x"); !errors.Is(err, meta.ErrUnavailable) {
			t.Errorf("put while all fail = %v; want ErrUnavailable", err)
		}
	}
	f.FailUpdates(0)
	if err := put("x"); err != nil {
		t.Errorf("put after the faults = %v", err)
	}
}

func TestCompare(t *testing.T) {
	for seed := range uint64(5) {
		twice := metatest.NewFaults(mem.New())
		twice.RunTwice(true)
		metatest.Compare(t, mem.New(), twice, seed)
	}
}
