package key

import (
	"errors"
	"fmt"
	"testing"
)

// TestKillAtEveryStepOfAReseal: whatever a crash cuts, every key opens afterwards,
// destroyed ones stay so, and of the old root nothing is left once it is done.
func TestKillAtEveryStepOfAReseal(t *testing.T) {
	for n := 0; ; n++ {
		w := newWorld(t)
		w.rand = fewShards{}
		k := w.open()
		keep := []sample{makeSample(t, k), makeSample(t, k)}
		gone := makeSample(t, k)
		if _, err := k.Destroy(t.Context(), []Ref{gone.key.Ref}, nil); err != nil {
			t.Fatal(err)
		}
		before := k.root.Epoch()
		fault, calls := crashAt(n)
		w.setFault(fault)
		_, err := k.Reseal(t.Context())
		at := fmt.Sprintf("crash %d", n)
		if err != nil && !errors.Is(err, errCrash) {
			t.Fatalf("%s: %v", at, err)
		}
		w.setFault(func(string) error { return nil })
		for range 2 {
			k = w.open()
			if got := k.root.Epoch(); got != before && got != before+1 || err == nil && got != before+1 {
				t.Fatalf("%s: epoch %d, %v; it was %d", at, got, err, before)
			}
			for _, s := range append(keep[:2:2], makeSample(t, k)) {
				if err := s.check(k, nil); err != nil {
					t.Fatalf("%s: survivor: %v", at, err)
				}
			}
			checkGone(t, at, w, k, []sample{gone})
		}
		if _, err := k.Reseal(t.Context()); err != nil {
			t.Fatalf("%s: again: %v", at, err)
		}
		for _, s := range keep {
			if err := s.check(k, nil); err != nil {
				t.Fatalf("%s: survivor of the second: %v", at, err)
			}
		}
		if len(*calls) <= n {
			if n < 4 {
				t.Fatalf("only %d steps: %q", n, *calls)
			}
			return
		}
	}
}
