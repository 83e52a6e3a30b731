package key

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"coffer/internal/rootseal"
	"coffer/internal/rootseal/file"
)

func TestOpenRoot(t *testing.T) {
	store := newMemRoot()
	if _, err := OpenRoot(t.Context(), RootConfig{Store: store}); !errors.Is(err, rootseal.ErrNoRoot) {
		t.Fatalf("OpenRoot of nothing = %v; want ErrNoRoot", err)
	}
	a, err := OpenRoot(t.Context(), RootConfig{Store: store, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	b, err := OpenRoot(t.Context(), RootConfig{Store: store, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	if a.Epoch() != 1 || a.StoreKey() != b.StoreKey() || a.StoreID() != b.StoreID() || a.StoreKey() == (Secret{}) || a.StoreID() == ([16]byte{}) {
		t.Error("reopening gives another store key or ID")
	}
	if _, err := a.puncture(t.Context(), []leaf{{3, 5}, {3, 5}, {9, 0}}, nil); err != nil {
		t.Fatal(err)
	}
	c, err := OpenRoot(t.Context(), RootConfig{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	if c.Epoch() != 2 || c.StoreKey() != b.StoreKey() || c.StoreID() != b.StoreID() {
		t.Error("an epoch change changes the store key or ID")
	}
	// What is destroyed already costs no epoch.
	if n, err := c.puncture(t.Context(), []leaf{{9, 0}}, nil); n != 2 || err != nil {
		t.Errorf("second puncture = %d, %v; want 2, nil", n, err)
	}
}

func TestDamagedRoot(t *testing.T) {
	tests := []struct {
		name   string
		damage func(m *memRoot)
	}{
		{"root secret", func(m *memRoot) { m.epochs[2].Root[0] ^= 1 }},
		{"head", func(m *memRoot) { m.epochs[2].Head[len(m.epochs[2].Head)/2] ^= 1 }},
		{"head cut", func(m *memRoot) { m.epochs[2].Head = m.epochs[2].Head[:20] }},
		{"head empty", func(m *memRoot) { m.epochs[2].Head = nil }},
		{"frontier", func(m *memRoot) { m.frontiers["shard-0003-1"][40] ^= 1 }},
		{"frontier missing", func(m *memRoot) { delete(m.frontiers, "shard-0003-1") }},
		{"frontiers swapped", func(m *memRoot) {
			f := m.frontiers
			f["shard-0003-1"], f["shard-0009-1"] = f["shard-0009-1"], f["shard-0003-1"]
		}},
		{"head of another epoch", func(m *memRoot) { m.epochs = map[uint64]*rootseal.Epoch{3: m.epochs[2]} }},
		{"epochs far apart", func(m *memRoot) { m.epochs[7] = m.epochs[2] }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store := newMemRoot()
			r, err := OpenRoot(t.Context(), RootConfig{Store: store, Create: true})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.puncture(t.Context(), []leaf{{3, 5}, {9, 0}}, nil); err != nil {
				t.Fatal(err)
			}
			tt.damage(store)
			if _, err := OpenRoot(t.Context(), RootConfig{Store: store, Create: true}); !errors.Is(err, ErrDamagedRoot) {
				t.Errorf("OpenRoot = %v; want ErrDamagedRoot", err)
			}
		})
	}
}

// Of two epochs, the newer one wins only if it is whole and follows.
func TestTwoEpochs(t *testing.T) {
	unreadable := errors.New("unreadable")
	tests := []struct {
		name   string
		damage func(m *memRoot)
		want   uint64 // 0 for an error
	}{
		{"both whole", func(m *memRoot) {}, 2},
		{"newer head damaged", func(m *memRoot) { m.epochs[2].Head[50] ^= 1 }, 1},
		{"newer frontier missing", func(m *memRoot) { clear(m.frontiers) }, 1},
		{"older damaged", func(m *memRoot) { m.epochs[1].Head[50] ^= 1 }, 2},
		{"both damaged", func(m *memRoot) { m.epochs[1].Head[50] ^= 1; m.epochs[2].Head[50] ^= 1 }, 0},
		{"of another store", func(m *memRoot) {
			h := new(head)
			root := Secret(m.epochs[2].Root)
			m.epochs[2].Head = sealHead(&root, 2, h)
		}, 1},
		{"can't be read now", func(m *memRoot) {
			m.fault = func(name string) error {
				if name == "load" {
					return unreadable
				}
				return nil
			}
		}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store := newMemRoot()
			r, err := OpenRoot(t.Context(), RootConfig{Store: store, Create: true, step: func(name string) error {
				if name == "proven" {
					return errCrash
				}
				return nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.puncture(t.Context(), []leaf{{3, 5}, {9, 0}}, nil); !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			tt.damage(store)
			r, err = OpenRoot(t.Context(), RootConfig{Store: store, Create: true})
			store.fault = func(string) error { return nil }
			numbers, _ := store.Epochs(t.Context())
			if tt.want == 0 {
				if err == nil || len(numbers) != 2 {
					t.Errorf("OpenRoot = %v, epochs %v; want an error and both", err, numbers)
				}
				return
			}
			if err != nil || r.Epoch() != tt.want || !slices.Equal(numbers, []uint64{tt.want}) {
				t.Errorf("OpenRoot: %v, epochs %v; want %d", err, numbers, tt.want)
			}
			if names := slices.Sorted(maps.Keys(store.frontiers)); len(names) != int(tt.want-1)*2 {
				t.Errorf("frontiers %v", names)
			}
		})
	}
}

func TestWithTheFileStore(t *testing.T) {
	dir := t.TempDir()
	w := newWorld(t)
	open := func() *Keys {
		t.Helper()
		store, err := file.Open(file.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		root, err := OpenRoot(t.Context(), RootConfig{Store: store, Create: true})
		if err != nil {
			t.Fatal(err)
		}
		k, err := Open(t.Context(), Config{Meta: w.rows, Root: root, Now: w.clock})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	k := open()
	keep := makeSample(t, k)
	for epoch := uint64(2); epoch < 5; epoch++ {
		shred := makeSample(t, k)
		if _, err := k.Destroy(t.Context(), []Ref{shred.key.Ref}, nil); err != nil {
			t.Fatal(err)
		}
		k = open()
		if err := shred.check(k, ErrUnknownMaterial); err != nil {
			t.Error(err)
		}
		if err := keep.check(k, nil); err != nil {
			t.Error(err)
		}
		if k.root.Epoch() != epoch {
			t.Errorf("epoch %d; want %d", k.root.Epoch(), epoch)
		}
	}
}
