package key

import (
	"fmt"
	"testing"
	"time"
)

// Keys and what was destroyed are told with the dates by which they were kept.
func TestStored(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	begin := w.clock()
	kept, cancelled, waiting, shredded, swept := makeSample(t, k).key, makeSample(t, k).key, makeSample(t, k).key, makeSample(t, k).key, makeSample(t, k).key
	w.pass(24 * time.Hour)
	for range 2 {
		if _, err := k.RotateOnDemand(t.Context(), kept.Ref, MaxOnDemandRotations, nil); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Hour)
	}
	rotated := fmt.Sprint([]time.Time{begin.Add(24 * time.Hour).UTC(), begin.Add(25 * time.Hour).UTC()})
	at := w.clock()
	for _, key := range []*Key{cancelled, swept} {
		if _, err := k.ScheduleDeletion(t.Context(), key.Ref, MinWindow, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := k.CancelDeletion(t.Context(), cancelled.Ref, nil); err != nil {
		t.Fatal(err)
	}
	w.pass(MinWindow)
	if _, err := k.Sweep(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	later := w.clock()
	if _, err := k.ScheduleDeletion(t.Context(), waiting.Ref, MaxWindow, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Destroy(t.Context(), []Ref{shredded.Ref}, nil); err != nil {
		t.Fatal(err)
	}
	want := map[Ref]Stored{
		kept.Ref:      {Created: begin},
		cancelled.Ref: {Created: begin},
		waiting.Ref:   {Created: begin, Ended: later},
		shredded.Ref:  {Created: begin, Ended: later},
		swept.Ref:     {Created: begin, Ended: at},
	}
	check := func(k *Keys, limit int) {
		t.Helper()
		n := 0
		for after := ""; ; {
			page, err := k.Stored(t.Context(), kept.Account, after, limit)
			if err != nil || len(page) > limit {
				t.Fatalf("Stored = %d keys, %v; want at most %d", len(page), err, limit)
			}
			if len(page) == 0 {
				break
			}
			for _, s := range page {
				n++
				x, ok := want[s.Ref]
				if !ok || s.Place() <= after || !s.Created.Equal(x.Created) || !s.Ended.Equal(x.Ended) || s.Manager != ManagerCustomer || s.Spec != SpecSymmetricDefault {
					t.Errorf("Stored %+v; want %+v, behind %s", s, x, after)
				}
				if s.Ref == kept.Ref && fmt.Sprint(s.Rotated) != rotated || s.Ref != kept.Ref && s.Rotated != nil {
					t.Errorf("%s rotated at %v; want %s", s.Ref, s.Rotated, rotated)
				}
				after = s.Place()
			}
		}
		if n != len(want) {
			t.Errorf("in pages of %d: %d keys; want %d", limit, n, len(want))
		}
	}
	check(k, 1)
	check(k, 3)
	check(k, 100)
	k.Close()
	check(w.open(), 100)
	if list, err := k.Stored(t.Context(), "999999999999", "", 10); err != nil || len(list) != 0 {
		t.Errorf("of an account without keys: %v, %v", list, err)
	}
	// A destroyed key keeps the dates of its rotations.
	if _, err := k.Destroy(t.Context(), []Ref{kept.Ref}, nil); err != nil {
		t.Fatal(err)
	}
	list, err := k.Stored(t.Context(), "", "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if s.Ref == kept.Ref && (fmt.Sprint(s.Rotated) != rotated || s.Ended.IsZero()) {
			t.Errorf("after its end: %+v; want rotations at %s", s, rotated)
		}
	}
}

func TestCountSubjects(t *testing.T) {
	k := newWorld(t).open()
	key, err := k.Create(t.Context(), CreateInput{Account: "123456789012", Region: "us-east-1", Tags: []Tag{{TagShredBy, "subject"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		for range 2 {
			if _, err := k.Encrypt(t.Context(), key.Ref, sampleText, map[string]string{"subject": fmt.Sprint("s", i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n, err := k.CountSubjects(t.Context(), key.Ref); err != nil || n != 3 {
		t.Errorf("CountSubjects = %d, %v; want 3", n, err)
	}
}
