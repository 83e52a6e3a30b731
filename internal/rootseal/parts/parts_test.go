package parts

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"coffer/internal/durable"
	"coffer/internal/rootseal"
	"coffer/internal/rootseal/file"
	"coffer/internal/rootseal/sealtest"
)

// A world is the disks and devices of a test. They survive a crash.
type world struct {
	fsys   durable.FS
	vaults map[string]map[uint64]rootseal.Secret
	away   map[string]bool // parts and directories that can't be reached
	// fault, if not nil, is asked before every call of a vault.
	fault func(op string) error
}

func newWorld(fsys durable.FS) *world {
	return &world{fsys: fsys, vaults: map[string]map[uint64]rootseal.Secret{}, away: map[string]bool{}}
}

// clone returns the world as a crash leaves it.
func (w *world) clone(fsys durable.FS) *world {
	c := newWorld(fsys)
	for id, v := range w.vaults {
		c.vaults[id] = maps.Clone(v)
	}
	return c
}

var errAway = errors.New("not plugged in")

func (w *world) Store(_ context.Context, dir string) (rootseal.Store, error) {
	s, err := file.Open(file.Config{Dir: dir, FS: w.fsys})
	if err != nil {
		return nil, err
	}
	return &awayStore{s, w, dir}, nil
}

func (w *world) Vault(_ context.Context, p Part) (rootseal.Vault, error) {
	if w.away[p.ID] {
		return nil, errAway
	}
	if w.vaults[p.ID] == nil {
		w.vaults[p.ID] = map[uint64]rootseal.Secret{}
	}
	return &testVault{w, p.ID}, nil
}

func (w *world) Gate(_ context.Context, p Part) (rootseal.Gate, error) {
	if w.away[p.ID] {
		return nil, errAway
	}
	return testGate(p.Settings["secret"]), nil
}

type awayStore struct {
	rootseal.Store
	w   *world
	dir string
}

func (s *awayStore) Epochs(ctx context.Context) ([]uint64, error) {
	if s.w.away[s.dir] {
		return nil, errAway
	}
	return s.Store.Epochs(ctx)
}

type testVault struct {
	w  *world
	id string
}

func (v *testVault) call(op string) error {
	if v.w.away[v.id] {
		return errAway
	}
	if v.w.fault != nil {
		return v.w.fault(op)
	}
	return nil
}

func (v *testVault) Make(_ context.Context, epoch uint64) (s rootseal.Secret, err error) {
	if err := v.call("make"); err != nil {
		return s, err
	}
	if _, ok := v.w.vaults[v.id][epoch]; ok {
		return s, rootseal.ErrExists
	}
	rand.Read(s[:])
	v.w.vaults[v.id][epoch] = s
	return s, v.call("made")
}

func (v *testVault) Open(_ context.Context, epoch uint64) (rootseal.Secret, error) {
	s, ok := v.w.vaults[v.id][epoch]
	if !ok {
		return s, rootseal.ErrNoRoot
	}
	return s, v.call("open")
}

func (v *testVault) Forget(_ context.Context, epoch uint64) error {
	if err := v.call("forget"); err != nil {
		return err
	}
	delete(v.w.vaults[v.id], epoch)
	return v.call("forgotten")
}

func (v *testVault) Epochs(context.Context) ([]uint64, error) {
	return slices.Sorted(maps.Keys(v.w.vaults[v.id])), v.call("epochs")
}

func (v *testVault) Close() error { return nil }

type testGate string

func (g testGate) Mask(_ context.Context, epoch uint64) (rootseal.Secret, error) {
	return sha256.Sum256(binary.BigEndian.AppendUint64([]byte(g), epoch)), nil
}

func (testGate) Close() error { return nil }

func storePart(n int) Part {
	p := Part{ID: fmt.Sprintf("file-%d", n), Role: RoleStore, Kind: "file"}
	if n > 1 {
		p.Settings = map[string]string{SettingDir: fmt.Sprintf("/disk%d/root", n)}
	}
	return p
}

func vaultPart(n int) Part {
	return Part{ID: fmt.Sprintf("vault-%d", n), Role: RoleVault, Kind: "test"}
}

func gatePart(n int) Part {
	return Part{ID: fmt.Sprintf("gate-%d", n), Role: RoleGate, Kind: "test", Settings: map[string]string{"secret": fmt.Sprint(n)}}
}

// setOf returns the set of these holders.
func setOf(holders ...[]Part) Set {
	var s Set
	for _, h := range holders {
		var ids []string
		for _, p := range h {
			if _, ok := s.Part(p.ID); !ok {
				s.Parts = append(s.Parts, p)
			}
			ids = append(ids, p.ID)
		}
		s.Holders = append(s.Holders, ids)
	}
	return s
}

// compositions are the shapes that the tests run over.
var compositions = []struct {
	name string
	set  Set
}{
	{"store", setOf([]Part{storePart(1)})},
	{"store and gate", setOf([]Part{storePart(1), gatePart(1)})},
	{"store and vault", setOf([]Part{storePart(1), vaultPart(1)})},
	{"split", setOf([]Part{storePart(1), storePart(2)})},
	{"mirror", setOf([]Part{storePart(1)}, []Part{storePart(2)})},
	{"mirror behind a gate", setOf([]Part{storePart(1), gatePart(1)}, []Part{storePart(2), gatePart(1), gatePart(2)})},
	{"mirror of vaults", setOf([]Part{storePart(1), vaultPart(1)}, []Part{storePart(2), vaultPart(2)})},
	{"mirror around a vault", setOf([]Part{storePart(1), vaultPart(1)}, []Part{storePart(2), vaultPart(1)})},
	{"two of three", setOf([]Part{storePart(1), storePart(2)}, []Part{storePart(2), storePart(3)}, []Part{storePart(1), storePart(3)})},
	{"everything", setOf([]Part{storePart(1), storePart(2), vaultPart(1), vaultPart(2), gatePart(1), gatePart(2)})},
}

func open(t *testing.T, w *world, lost ...string) *Store {
	t.Helper()
	if err := durable.MkdirAll(w.fsys, "/data/root", 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := Open(Config{Dir: "/data/root", FS: w.fsys, Opener: w, Lost: lost})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// start returns an empty store of the set.
func start(t *testing.T, w *world, set Set) *Store {
	t.Helper()
	s := open(t, w)
	if err := s.Stage(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPlainStore(t *testing.T) {
	sealtest.Run(t, func(t *testing.T) func() rootseal.Store {
		w := newWorld(durable.NewSimFS())
		return func() rootseal.Store { return open(t, w) }
	})
}

// TestStore runs the suite over every composition, and loses what was not synced
// between any two uses.
func TestStore(t *testing.T) {
	for _, c := range compositions {
		t.Run(c.name, func(t *testing.T) {
			sealtest.Run(t, func(t *testing.T) func() rootseal.Store {
				sim := durable.NewSimFS()
				w := newWorld(sim)
				start(t, w, c.set)
				return func() rootseal.Store {
					sim = sim.Crash(nil)
					w.fsys = sim
					return open(t, w)
				}
			})
		})
	}
}
