package key

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"coffer/internal/meta"
	"coffer/internal/meta/mem"
	"coffer/internal/rootseal"
)

const (
	account = "123456789012"
	region  = "us-east-1"
)

// A memRoot is a root store in memory that forgets what is destroyed, while
// everything that was ever written stays in written, for the attacker.
type memRoot struct {
	fault     func(name string) error
	epochs    map[uint64]*rootseal.Epoch // complete ones; their frontiers are in frontiers
	delisted  map[uint64]*rootseal.Epoch // not complete any more, and not yet destroyed
	frontiers map[string][]byte
	written   []*rootseal.Epoch
}

func newMemRoot() *memRoot {
	return &memRoot{
		fault:  func(string) error { return nil },
		epochs: make(map[uint64]*rootseal.Epoch), delisted: make(map[uint64]*rootseal.Epoch), frontiers: make(map[string][]byte),
	}
}

var _ rootseal.Store = (*memRoot)(nil)

func (m *memRoot) Epochs(context.Context) ([]uint64, error) {
	return slices.Sorted(maps.Keys(m.epochs)), nil
}

func (m *memRoot) Load(_ context.Context, number uint64) (*rootseal.Epoch, error) {
	if err := m.fault("load"); err != nil {
		return nil, err
	}
	e := m.epochs[number]
	if e == nil {
		return nil, rootseal.ErrNoRoot
	}
	return &rootseal.Epoch{Number: number, Root: e.Root, Head: slices.Clone(e.Head), Frontiers: maps.Clone(m.frontiers)}, nil
}

func (m *memRoot) Prepare(_ context.Context, e *rootseal.Epoch) error {
	if m.epochs[e.Number] != nil {
		return rootseal.ErrExists
	}
	c := &rootseal.Epoch{Number: e.Number, Root: e.Root, Head: slices.Clone(e.Head), Frontiers: maps.Clone(e.Frontiers)}
	m.written = append(m.written, c)
	delete(m.delisted, e.Number)
	if err := m.fault("prepare nothing"); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Frontiers)) {
		m.frontiers[name] = c.Frontiers[name]
		if err := m.fault("prepare some frontiers"); err != nil {
			return err
		}
	}
	m.epochs[e.Number] = c
	return m.fault("prepare all")
}

func (m *memRoot) Destroy(_ context.Context, number uint64, keep []string) error {
	if err := m.fault("destroy nothing"); err != nil {
		return err
	}
	if e := m.epochs[number]; e != nil {
		m.delisted[number] = e
	}
	delete(m.epochs, number)
	if err := m.fault("destroy delisted"); err != nil {
		return err
	}
	delete(m.delisted, number)
	if err := m.fault("destroy the root"); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(m.frontiers)) {
		if !slices.Contains(keep, name) {
			delete(m.frontiers, name)
			if err := m.fault("destroy some frontiers"); err != nil {
				return err
			}
		}
	}
	return m.fault("destroy all")
}

// A faultyMeta calls fault before and after each Update that wants to commit.
type faultyMeta struct {
	meta.Store
	fault func(name string) error
}

func (f *faultyMeta) Update(ctx context.Context, fn func(meta.Txn) error) error {
	if err := f.fault("update before"); err != nil {
		return err
	}
	if err := f.Store.Update(ctx, fn); err != nil {
		return err
	}
	return f.fault("update after")
}

// A world is what survives a crash: the root store, the rows and the calendar.
type world struct {
	t     *testing.T
	root  *memRoot
	rows  meta.Store
	mu    sync.Mutex
	now   time.Time
	rand  io.Reader
	fault func(name string) error
}

// A fewShards is crypto/rand, but where two bytes are asked for, which is where
// a shard is drawn, it names one of four.
type fewShards struct{}

func (fewShards) Read(p []byte) (int, error) {
	n, err := rand.Read(p)
	if len(p) == 2 {
		p[0], p[1] = 0, p[1]%4
	}
	return n, err
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, root: newMemRoot(), now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	w.rows = mem.New()
	w.setFault(func(string) error { return nil })
	return w
}

func (w *world) setFault(f func(string) error) { w.fault, w.root.fault = f, f }

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) tryOpen() (*Keys, error) {
	ctx := context.Background()
	step := func(name string) error { return w.fault("step " + name) }
	fault := func(name string) error { return w.fault(name) }
	root, err := OpenRoot(ctx, RootConfig{Store: w.root, Create: true, step: step})
	if err != nil {
		return nil, err
	}
	return Open(ctx, Config{Meta: &faultyMeta{w.rows, fault}, Root: root, Now: w.clock, Rand: w.rand, step: step})
}

func (w *world) open() *Keys {
	w.t.Helper()
	k, err := w.tryOpen()
	if err != nil {
		w.t.Fatal(err)
	}
	return k
}

// A sample is a key with something sealed under it.
type sample struct {
	key  *Key
	blob []byte
}

var (
	sampleText    = []byte("the quick brown fox")
	sampleContext = map[string]string{"purpose": "test", "aws:s3:arn": "arn:aws:s3:::b/k"}
)

func makeSample(t testing.TB, k *Keys) sample {
	t.Helper()
	key, err := k.Create(t.Context(), CreateInput{Account: account, Region: region, Policy: "{}"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := k.Encrypt(t.Context(), key.Ref, sampleText, sampleContext)
	if err != nil {
		t.Fatal(err)
	}
	return sample{key, sealed.Blob}
}

// check returns an error unless the sample opens, or unless it fails with want.
func (s sample) check(k *Keys, want error) error {
	got, err := k.Decrypt(context.Background(), region, s.blob, sampleContext)
	if !errors.Is(err, want) || (want == nil) != (err == nil) {
		return fmt.Errorf("Decrypt of %s: %v; want %v", s.key.ID, err, want)
	}
	if want == nil && string(got.Plaintext) != string(sampleText) {
		return fmt.Errorf("Decrypt of %s: %q", s.key.ID, got.Plaintext)
	}
	return nil
}

// dump returns all rows.
func dump(t testing.TB, s meta.Store) map[string][]byte {
	t.Helper()
	out := make(map[string][]byte)
	err := s.View(t.Context(), func(r meta.Reader) error {
		return r.Scan(meta.Range{}, func(key, value []byte) (bool, error) {
			out[string(key)] = slices.Clone(value)
			return true, nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// restore returns a store with the rows of a dump.
func restore(t testing.TB, rows map[string][]byte) meta.Store {
	t.Helper()
	s := mem.New()
	err := s.Update(t.Context(), func(tx meta.Txn) error {
		for k, v := range rows {
			if err := tx.Put([]byte(k), v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func countRows(rows map[string][]byte, prefix string) int {
	n := 0
	for k := range rows {
		if strings.HasPrefix(k, prefix) {
			n++
		}
	}
	return n
}

func randomSecret(t testing.TB) (s Secret) {
	t.Helper()
	if _, err := rand.Read(s[:]); err != nil {
		t.Fatal(err)
	}
	return s
}
