package parts

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"coffer/internal/durable"
	"coffer/internal/rootseal"
	"coffer/internal/rootseal/sealtest"
)

// rewrite alters the description as one could who writes to the data directory.
func rewrite(t *testing.T, w *world, alter func(d *description)) {
	t.Helper()
	b, err := durable.ReadFile(w.fsys, "/data/root/"+DescriptionFile, maxDescription)
	if err != nil {
		t.Fatal(err)
	}
	d := new(description)
	if err := json.Unmarshal(b, d); err != nil {
		t.Fatal(err)
	}
	alter(d)
	if err := writeJSON(w.fsys, "/data/root/"+DescriptionFile, d); err != nil {
		t.Fatal(err)
	}
}

// TestAlteredDescription: whoever changes the parts in the file opens nothing, and
// gets nothing written.
func TestAlteredDescription(t *testing.T) {
	set := setOf([]Part{storePart(1), vaultPart(1), gatePart(1)}, []Part{storePart(2), gatePart(1)})
	tests := []struct {
		name  string
		alter func(d *description)
	}{
		{"gate dropped", func(d *description) {
			d.Sets[0].Holders = [][]string{{"file-1", "vault-1"}, {"file-2"}}
			d.Sets[0].Parts = slices.DeleteFunc(d.Sets[0].Parts, func(p Part) bool { return p.Role == RoleGate })
		}},
		{"gate's setting", func(d *description) {
			i := slices.IndexFunc(d.Sets[0].Parts, func(p Part) bool { return p.Role == RoleGate })
			d.Sets[0].Parts[i].Settings["more"] = "x"
		}},
		{"vault dropped", func(d *description) {
			d.Sets[0].Holders[0] = []string{"file-1", "gate-1"}
			d.Sets[0].Parts = slices.DeleteFunc(d.Sets[0].Parts, func(p Part) bool { return p.Role == RoleVault })
		}},
		{"a holder of the attacker", func(d *description) {
			evil := Part{ID: "file-3", Role: RoleStore, Kind: "file", Settings: map[string]string{SettingDir: "/evil/root"}}
			d.Sets[0].Parts = append(d.Sets[0].Parts, evil)
			d.Sets[0].Holders = append(d.Sets[0].Holders, []string{"file-3"})
		}},
		{"a holder dropped", func(d *description) {
			d.Sets[0].Holders = d.Sets[0].Holders[:1]
			d.Sets[0].Parts = slices.DeleteFunc(d.Sets[0].Parts, func(p Part) bool { return p.ID == "file-2" })
		}},
		{"order of a holder", func(d *description) { slices.Reverse(d.Sets[0].Holders[0]) }},
		{"order of the holders", func(d *description) { slices.Reverse(d.Sets[0].Holders) }},
		{"plain", func(d *description) {
			d.Sets[0] = Set{From: 1, Plain: true, Parts: []Part{storePart(1)}, Holders: [][]string{{"file-1"}}}
		}},
		{"a weaker set from now on", func(d *description) {
			s := setOf([]Part{storePart(1)})
			s.From = 1
			d.Sets = []Set{s}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(durable.NewSimFS())
			s := start(t, w, set)
			e := sealtest.NewEpoch(1, "a")
			mustPrepare(t, s, e)
			// The attacker's directory is as the real ones are.
			if err := durable.MkdirAll(w.fsys, "/evil/root", 0o700); err != nil {
				t.Fatal(err)
			}
			if err := writeJSON(w.fsys, "/evil/root/"+MarkerFile, marker{markerType, s.desc.ID, "file-3"}); err != nil {
				t.Fatal(err)
			}
			rewrite(t, w, tt.alter)
			s = open(t, w)
			if got, err := s.Load(t.Context(), 1); !errors.Is(err, rootseal.ErrDamaged) {
				t.Errorf("Load = %v, %v; want ErrDamaged", got, err)
			}
			if err := s.Prepare(t.Context(), sealtest.NewEpoch(2, "b")); err == nil {
				t.Error("Prepare = nil; want an error")
			}
			if names, err := w.fsys.ReadDir("/evil/root"); err != nil || len(names) != 1 {
				t.Errorf("the attacker got %q, %v", names, err)
			}
		})
	}
}

// TestNextSetOfTheAttacker: a set that somebody adds to the description, for epochs to
// come, goes when the root is opened.
func TestNextSetOfTheAttacker(t *testing.T) {
	w := newWorld(durable.NewSimFS())
	s := start(t, w, setOf([]Part{storePart(1), gatePart(1)}))
	e := sealtest.NewEpoch(1, "a")
	mustPrepare(t, s, e)
	rewrite(t, w, func(d *description) {
		weak := setOf([]Part{storePart(1)})
		weak.From = 2
		d.Sets = append(d.Sets, weak)
	})
	s = open(t, w)
	mustBeSame(t, s, e)
	if err := s.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustPrepare(t, s, sealtest.NewEpoch(2, "a"))
	if got := s.desc.set(2).Holders; len(got[0]) != 2 {
		t.Errorf("holders of epoch 2 = %q", got)
	}
}

func TestLostDescription(t *testing.T) {
	w := newWorld(durable.NewSimFS())
	s := start(t, w, setOf([]Part{storePart(1), gatePart(1)}))
	mustPrepare(t, s, sealtest.NewEpoch(1, "a"))
	if err := w.fsys.Remove("/data/root/" + DescriptionFile); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, w).Load(t.Context(), 1); !errors.Is(err, rootseal.ErrDamaged) || !strings.Contains(err.Error(), DescriptionFile) {
		t.Errorf("Load = %v; want ErrDamaged, and why", err)
	}
}

// TestMissingMirror: a mirror that is away stops no reading, and every destruction.
func TestMissingMirror(t *testing.T) {
	ctx := context.Background()
	w := newWorld(durable.NewSimFS())
	s := start(t, w, setOf([]Part{storePart(1)}, []Part{storePart(2), vaultPart(1)}))
	first := sealtest.NewEpoch(1, "a")
	second := sealtest.NewEpoch(2, "b")
	third := sealtest.NewEpoch(3, "c")
	mustPrepare(t, s, first)
	mustPrepare(t, s, second)
	keep := []string{"a", "b"}
	for _, away := range []string{"/disk2/root", "vault-1"} {
		w.away[away] = true
		s = open(t, w)
		mustBeSame(t, s, sealtest.Joined(second, first.Frontiers))
		if err := s.Destroy(ctx, 1, keep); !errors.Is(err, ErrMissing) {
			t.Errorf("Destroy without %s = %v; want ErrMissing", away, err)
		}
		mustBeSame(t, s, first)
		if err := s.Prepare(ctx, third); !errors.Is(err, ErrMissing) {
			t.Errorf("Prepare without %s = %v; want ErrMissing", away, err)
		}
		delete(w.away, away)
	}
	s = open(t, w)
	if err := s.Destroy(ctx, 1, keep); err != nil {
		t.Fatal(err)
	}
	// Once all confirmed, it opens without, and what opening repeats is no error.
	w.away["vault-1"] = true
	s = open(t, w)
	mustBeSame(t, s, sealtest.Joined(second, first.Frontiers))
	if err := s.Destroy(ctx, 1, keep); err != nil {
		t.Errorf("Destroy of what all have destroyed = %v", err)
	}
	if err := s.Stage(ctx, setOf([]Part{storePart(1)})); !errors.Is(err, ErrMissing) {
		t.Errorf("Stage without a part = %v; want ErrMissing", err)
	}
	// Given up, nothing waits for it.
	s = open(t, w, "vault-1")
	if err := changeParts(s, setOf([]Part{storePart(1)}), third, append(keep, "c")); err != nil {
		t.Fatal(err)
	}
	s = open(t, w)
	mustBeSame(t, s, sealtest.Joined(third, first.Frontiers, second.Frontiers))
}

// TestStaleMirror: an old copy of a mirror that is put back is no epoch, and is
// destroyed; one that was emptied gets everything again.
func TestStaleMirror(t *testing.T) {
	ctx := context.Background()
	sim := durable.NewSimFS()
	w := newWorld(sim)
	set := setOf([]Part{storePart(1)}, []Part{storePart(2)})
	s := start(t, w, set)
	first := sealtest.NewEpoch(1, "a")
	second := sealtest.NewEpoch(2, "b")
	whole := sealtest.Joined(second, first.Frontiers)
	mustPrepare(t, s, first)
	old := shares(t, s, 1)
	copied := copyTree(t, sim, "/disk2/root")
	mustPrepare(t, s, second)
	if err := s.Destroy(ctx, 1, []string{"a", "b"}); err != nil {
		t.Fatal(err)
	}
	putTree(t, sim, copied)
	removeTree(t, sim, "/disk2/root/epoch-0000000000000002")
	s = open(t, w)
	if got := epochsIn(t, s); !slices.Equal(got, []uint64{2}) {
		t.Errorf("Epochs = %d; want 2 alone", got)
	}
	mustBeSame(t, s, whole)
	if err := s.Destroy(ctx, 1, []string{"a", "b"}); err != nil { // as every opening does
		t.Fatal(err)
	}
	expectForgotten(t, "after opening", w, sim, 1, old)
	third := sealtest.NewEpoch(3, "c")
	mustPrepare(t, s, third)
	if err := s.Destroy(ctx, 2, []string{"a", "b", "c"}); err != nil {
		t.Fatal(err)
	}
	// Now the mirror alone has everything.
	w.away["/data/root"] = true
	mustBeSame(t, open(t, w), sealtest.Joined(third, whole.Frontiers))
}

// TestNotWhatWasMounted: an empty mount point is not taken for the store.
func TestNotWhatWasMounted(t *testing.T) {
	sim := durable.NewSimFS()
	w := newWorld(sim)
	s := start(t, w, setOf([]Part{storePart(1), storePart(2)}))
	mustPrepare(t, s, sealtest.NewEpoch(1, "a"))
	marked, err := durable.ReadFile(sim, "/disk2/root/"+MarkerFile, maxDescription)
	if err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"", "{}", strings.Replace(string(marked), "file-2", "file-1", 1), strings.Replace(string(marked), s.desc.ID, strings.Repeat("0", 32), 1)} {
		if err := sim.Remove("/disk2/root/" + MarkerFile); err != nil {
			t.Fatal(err)
		}
		if content != "" {
			if err := durable.WriteFile(sim, "/disk2/root/"+MarkerFile, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := open(t, w).Epochs(t.Context()); !errors.Is(err, ErrMissing) {
			t.Errorf("Epochs with the marker %q = %v; want ErrMissing", content, err)
		}
		if content == "" {
			if err := durable.WriteFile(sim, "/disk2/root/"+MarkerFile, marked, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestOpenAlone: a mirror that is found alone says what it needs.
func TestOpenAlone(t *testing.T) {
	sim := durable.NewSimFS()
	w := newWorld(sim)
	s := start(t, w, setOf([]Part{storePart(1)}, []Part{storePart(2), gatePart(1)}))
	e := sealtest.NewEpoch(1, "a")
	mustPrepare(t, s, e)
	copied := copyTree(t, sim, "/disk2/root")
	moved := map[string][]byte{}
	for name, b := range copied {
		moved[strings.Replace(name, "/disk2/root", "/found", 1)] = b
	}
	other := durable.NewSimFS()
	w = newWorld(other)
	putTree(t, other, moved)
	s, err := OpenAlone(t.Context(), Config{Dir: "/found", FS: other, Opener: w})
	if err != nil {
		t.Fatal(err)
	}
	mustBeSame(t, s, e)
	if _, err := OpenAlone(t.Context(), Config{Dir: "/", FS: other, Opener: w}); err == nil {
		t.Error("OpenAlone of what is no store = nil; want an error")
	}
}

func TestUnusableSets(t *testing.T) {
	long := storePart(2)
	long.Settings = map[string]string{SettingDir: strings.Repeat("x", maxText+1)}
	tests := []struct {
		name string
		set  Set
	}{
		{"nothing", Set{}},
		{"no store", setOf([]Part{gatePart(1)})},
		{"a holder without a store", setOf([]Part{storePart(1)}, []Part{gatePart(1)})},
		{"one directory twice", setOf([]Part{storePart(1), {ID: "file-9", Role: RoleStore, Kind: "file"}})},
		{"relative directory", setOf([]Part{{ID: "file-9", Role: RoleStore, Kind: "file", Settings: map[string]string{SettingDir: "x"}}})},
		{"unknown part", Set{Parts: []Part{storePart(1)}, Holders: [][]string{{"file-1", "x"}}}},
		{"part twice", Set{Parts: []Part{storePart(1)}, Holders: [][]string{{"file-1", "file-1"}}}},
		{"unused part", Set{Parts: []Part{storePart(1), gatePart(1)}, Holders: [][]string{{"file-1"}}}},
		{"unknown role", setOf([]Part{storePart(1), {ID: "x", Role: "spectator", Kind: "test"}})},
		{"name", setOf([]Part{storePart(1), {ID: "../x", Role: RoleGate, Kind: "test"}})},
		{"long setting", setOf([]Part{storePart(1), long})},
		{"plain with a gate", Set{Plain: true, Parts: setOf([]Part{storePart(1), gatePart(1)}).Parts, Holders: [][]string{{"file-1", "gate-1"}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(durable.NewSimFS())
			if err := open(t, w).Stage(t.Context(), tt.set); err == nil {
				t.Error("Stage = nil; want an error")
			}
			if names, err := w.fsys.ReadDir("/data/root"); err != nil || len(names) != 0 {
				t.Errorf("left %q, %v", names, err)
			}
		})
	}
}

// FuzzDescription: what is read from disk is refused, never trusted.
func FuzzDescription(f *testing.F) {
	w := newWorld(durable.NewSimFS())
	if err := durable.MkdirAll(w.fsys, "/data/root", 0o700); err != nil {
		f.Fatal(err)
	}
	s, err := Open(Config{Dir: "/data/root", FS: w.fsys, Opener: w})
	if err != nil {
		f.Fatal(err)
	}
	if err := s.Stage(context.Background(), compositions[5].set); err != nil {
		f.Fatal(err)
	}
	b, err := durable.ReadFile(w.fsys, "/data/root/"+DescriptionFile, maxDescription)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"coffer":"root of trust","version":1,"id":"","sets":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := parseDescription(b)
		if err != nil {
			return
		}
		for i := range d.Sets {
			if err := d.Sets[i].Check(); err != nil {
				t.Error(err)
			}
			d.Sets[i].digest()
		}
	})
}

// FuzzRecord is the same for what stands beside an epoch.
func FuzzRecord(f *testing.F) {
	set := compositions[5].set
	set.From = 1
	b, err := encodeRecord(&set, [][]byte{make([]byte, sealedSize), make([]byte, sealedSize)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		set, sealed, err := decodeRecord(b)
		if err == nil && len(sealed) != len(set.Holders) {
			t.Errorf("%d sealed roots of %d holders", len(sealed), len(set.Holders))
		}
	})
}

// copyTree returns the files below a directory.
func copyTree(t *testing.T, fsys durable.FS, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	names, err := fsys.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		b, err := durable.ReadFile(fsys, dir+"/"+name, 1<<30)
		if err != nil {
			maps.Copy(files, copyTree(t, fsys, dir+"/"+name))
			continue
		}
		files[dir+"/"+name] = b
	}
	return files
}

func putTree(t *testing.T, fsys durable.FS, files map[string][]byte) {
	t.Helper()
	for name, b := range files {
		if err := durable.MkdirAll(fsys, name[:strings.LastIndexByte(name, '/')], 0o700); err != nil {
			t.Fatal(err)
		}
		if err := durable.WriteFile(fsys, name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func removeTree(t *testing.T, fsys durable.FS, dir string) {
	t.Helper()
	names, err := fsys.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := fsys.Remove(dir + "/" + name); err != nil {
			t.Fatal(err)
		}
	}
	if err := fsys.Remove(dir); err != nil {
		t.Fatal(err)
	}
}
