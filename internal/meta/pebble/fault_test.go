package pebble

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"coffer/internal/meta"
)

// faults is an errorfs.Injector whose rule can be changed while it runs.
type faults struct {
	rule atomic.Pointer[func(op errorfs.Op) error]
}

func (f *faults) set(rule func(op errorfs.Op) error) { f.rule.Store(&rule) }

func (f *faults) String() string { return "faults" }

func (f *faults) MaybeError(op errorfs.Op) error {
	if rule := f.rule.Load(); rule != nil && *rule != nil {
		return (*rule)(op)
	}
	return nil
}

func isWrite(op errorfs.Op) bool { return op.Kind.ReadOrWrite() == errorfs.OpIsWrite }

// openFaulty opens a store in memory behind faults, which tries again quickly.
func openFaulty(t testing.TB, fs vfs.FS, f *faults) *Store {
	t.Helper()
	s, err := Open(Config{
		Dir:           "db",
		FS:            errorfs.Wrap(fs, f),
		MemTableBytes: 1 << 20,
		RetryInterval: 2 * time.Millisecond,
		Log:           slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func putRow(s *Store, key, value string) error {
	return s.Update(context.Background(), func(tx meta.Txn) error { return tx.Put([]byte(key), []byte(value)) })
}

func getRow(t testing.TB, s *Store, key string) (string, bool) {
	t.Helper()
	var value string
	err := s.View(context.Background(), func(r meta.Reader) error {
		v, err := r.Get([]byte(key))
		value = string(v)
		return err
	})
	if err != nil && !errors.Is(err, meta.ErrNotFound) {
		t.Fatalf("Get(%s) = %v", key, err)
	}
	return value, err == nil
}

// eventually waits for a condition that other goroutines bring about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after 20 s", what)
		}
	}
}

// TestOutage fails each kind of file operation in turn and checks that Updates
// say so, Views go on, nothing acknowledged is lost and the store heals.
func TestOutage(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  error
		hit  func(op errorfs.Op) bool
	}{
		{"disk full", syscall.ENOSPC, isWrite},
		{"read-only", syscall.EROFS, isWrite},
		{"write", syscall.EIO, func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileWriteAt }},
		{"sync", syscall.EIO, func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSync
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := new(faults)
			fs := vfs.NewMem()
			s := openFaulty(t, fs, f)
			if err := putRow(s, "before", "1"); err != nil {
				t.Fatal(err)
			}
			f.set(func(op errorfs.Op) error {
				if tc.hit(op) {
					return tc.err
				}
				return nil
			})
			err := putRow(s, "struck", "1")
			if !errors.Is(err, meta.ErrUnavailable) || !errors.Is(err, tc.err) {
				t.Errorf("Update while the disk fails = %v; want ErrUnavailable and %v", err, tc.err)
			}
			if _, ok := getRow(t, s, "struck"); ok {
				t.Error("a transaction is visible after ErrUnavailable, before the disk healed")
			}
			if v, _ := getRow(t, s, "before"); v != "1" {
				t.Errorf("Get while the disk fails = %q; want 1", v)
			}
			if err := putRow(s, "refused", "1"); !errors.Is(err, meta.ErrUnavailable) {
				t.Errorf("second Update while the disk fails = %v; want ErrUnavailable", err)
			}
			if err := s.View(context.Background(), func(r meta.Reader) error {
				return r.Scan(meta.Range{}, func(_, _ []byte) (bool, error) { return true, nil })
			}); err != nil {
				t.Errorf("Scan while the disk fails = %v", err)
			}
			if err := s.Stats().Err; !errors.Is(err, meta.ErrUnavailable) {
				t.Errorf("Stats().Err = %v; want ErrUnavailable", err)
			}

			f.set(nil)
			eventually(t, "Update after the disk healed", func() bool {
				err := putRow(s, "after", "1")
				if err != nil && !errors.Is(err, meta.ErrUnavailable) {
					t.Fatalf("Update = %v", err)
				}
				return err == nil
			})
			if _, ok := getRow(t, s, "refused"); ok {
				t.Error("a transaction that was refused is there after the disk healed")
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openFaulty(t, fs, new(faults))
			for _, key := range []string{"before", "after"} {
				if _, ok := getRow(t, s, key); !ok {
					t.Errorf("row %q is lost after a reopen", key)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestOutageSweep lets the disk fail at the n-th operation that changes it, for
// a while, with writers that also fill tables. After each outage, what was
// acknowledged is there and every transaction is whole.
func TestOutageSweep(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 5
	}
	for round := range rounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(uint64(round), 3))
			f := new(faults)
			fs := vfs.NewMem()
			s := openFaulty(t, fs, f)
			cause := []error{syscall.ENOSPC, syscall.EIO, syscall.EROFS}[rng.IntN(3)]
			var ops, failed atomic.Int64
			first, length := int64(rng.IntN(150)), int64(1+rng.IntN(60))
			f.set(func(op errorfs.Op) error {
				if !isWrite(op) {
					return nil
				}
				if n := ops.Add(1); n >= first && n < first+length {
					failed.Add(1)
					return cause
				}
				return nil
			})
			acked := writeUntil(t, s, 4, func(done int) bool { return done >= 60 && ops.Load() > first+length })
			verifyWhole(t, s, acked)
			if failed.Load() == 0 {
				t.Error("no operation failed")
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openFaulty(t, fs, new(faults))
			verifyWhole(t, s, acked)
			if damage, err := s.Check(context.Background()); err != nil || len(damage) > 0 {
				t.Errorf("Check() = %v, %v", damage, err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// rowsEach is how many rows each transaction of writeUntil writes.
const rowsEach = 3

// writeUntil runs writers whose transactions each write rowsEach rows of 20
// KiB with one number, until stop says so. It returns the acknowledged ones.
func writeUntil(t *testing.T, s *Store, writers int, stop func(acked int) bool) map[string]bool {
	t.Helper()
	var mu sync.Mutex
	acked := make(map[string]bool)
	value := string(randomBytes(20 << 10))
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := 0; ; i++ {
				mu.Lock()
				n := len(acked)
				mu.Unlock()
				if stop(n) {
					return
				}
				id := fmt.Sprintf("%d-%06d", w, i)
				err := s.Update(context.Background(), func(tx meta.Txn) error {
					for j := range rowsEach {
						if err := tx.Put(fmt.Appendf(nil, "%d/%s", j, id), []byte(id+value)); err != nil {
							return err
						}
					}
					return nil
				})
				switch {
				case err == nil:
					mu.Lock()
					acked[id] = true
					mu.Unlock()
				case errors.Is(err, meta.ErrClosed):
					return
				case errors.Is(err, meta.ErrUnavailable):
					time.Sleep(time.Millisecond)
				default:
					t.Errorf("Update = %v; want nil or ErrUnavailable", err)
					return
				}
			}
		})
	}
	wg.Wait()
	return acked
}

// verifyWhole checks that every acknowledged transaction is there, and that no
// transaction is there in part.
func verifyWhole(t *testing.T, s *Store, acked map[string]bool) {
	t.Helper()
	found := make(map[string]int)
	err := s.View(context.Background(), func(r meta.Reader) error {
		return r.Scan(meta.Range{}, func(k, v []byte) (bool, error) {
			id := string(k[2:])
			if len(v) < len(id) || string(v[:len(id)]) != id {
				t.Errorf("row %s holds the value of another", k)
			}
			found[id]++
			return true, nil
		})
	})
	if err != nil {
		t.Fatalf("View = %v", err)
	}
	for id, n := range found {
		if n != rowsEach {
			t.Errorf("transaction %s has %d of %d rows", id, n, rowsEach)
		}
	}
	lost := 0
	for id := range acked {
		if found[id] == 0 {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged transactions are lost", lost, len(acked))
	}
}

// TestSyncErrorRewrites checks that what a failed sync may have dropped is
// written again: the file forgets its unsynced bytes at the error, as a kernel
// may.
func TestSyncErrorRewrites(t *testing.T) {
	fs := vfs.NewCrashableMem()
	f := new(faults)
	s := openFaulty(t, fs, f)
	var failing atomic.Bool
	failing.Store(true)
	f.set(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData && failing.Load() {
			forgetUnsynced(t, fs, op.Path)
			return syscall.EIO
		}
		return nil
	})
	done := make(chan error)
	go func() { done <- putRow(s, "a", "1") }()
	if err := <-done; !errors.Is(err, meta.ErrUnavailable) {
		t.Fatalf("Update = %v; want ErrUnavailable", err)
	}
	failing.Store(false)
	eventually(t, "Update after the disk healed", func() bool { return putRow(s, "b", "2") == nil })
	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	s2 := openFaulty(t, crashed, new(faults))
	for _, key := range []string{"a", "b"} {
		if _, ok := getRow(t, s2, key); !ok {
			t.Errorf("row %s is not in the log", key)
		}
	}
	for _, s := range []*Store{s, s2} {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// forgetUnsynced makes the bytes of a file what was last synced, filled with
// zeros.
func forgetUnsynced(t *testing.T, fs *vfs.MemFS, path string) {
	t.Helper()
	read := func(fs vfs.FS) []byte {
		f, err := fs.Open(path)
		if err != nil {
			t.Error(err)
			return nil
		}
		defer f.Close()
		b, err := io.ReadAll(f)
		if err != nil {
			t.Error(err)
		}
		return b
	}
	now, durable := read(fs), read(fs.CrashClone(vfs.CrashCloneCfg{}))
	clear(now[copy(now, durable):])
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	if _, err := f.WriteAt(now, 0); err != nil {
		t.Error(err)
	}
}

// fullFS says how much space is left.
type fullFS struct {
	vfs.FS
	avail atomic.Uint64
}

func (f *fullFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: f.avail.Load()}, nil
}

func TestMinFreeBytes(t *testing.T) {
	fs := &fullFS{FS: vfs.NewMem()}
	fs.avail.Store(100 << 20)
	s, err := Open(Config{Dir: "db", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := putRow(s, "a", "1"); err != nil {
		t.Errorf("Update with 100 MiB left = %v", err)
	}
	fs.avail.Store(64<<20 - 1)
	if err := putRow(s, "b", "1"); !errors.Is(err, meta.ErrUnavailable) {
		t.Errorf("Update with less than 64 MiB left = %v; want ErrUnavailable", err)
	}
	if _, ok := getRow(t, s, "b"); ok {
		t.Error("a refused row is there")
	}
	if err := s.Stats().Err; !errors.Is(err, meta.ErrUnavailable) {
		t.Errorf("Stats().Err = %v; want ErrUnavailable", err)
	}
	fs.avail.Store(65 << 20)
	if err := putRow(s, "large", string(make([]byte, 2<<20))); !errors.Is(err, meta.ErrUnavailable) {
		t.Errorf("Update of 2 MiB with 1 MiB above the reserve = %v; want ErrUnavailable", err)
	}
	if err := putRow(s, "c", "1"); err != nil {
		t.Errorf("Update once there is space = %v", err)
	}
}

// TestQueueStaysShort checks that Updates that end in an outage leave nothing
// behind in the queue of a committer that waits for the disk.
func TestQueueStaysShort(t *testing.T) {
	f := new(faults)
	s := openFaulty(t, vfs.NewMem(), f)
	f.set(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData {
			return syscall.EIO
		}
		return nil
	})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 50 {
				if err := putRow(s, fmt.Sprintf("%d/%d", w, i), "v"); !errors.Is(err, meta.ErrUnavailable) {
					t.Errorf("Update = %v; want ErrUnavailable", err)
				}
			}
		})
	}
	wg.Wait()
	s.queue.mu.Lock()
	n := len(s.queue.txns)
	s.queue.mu.Unlock()
	if n > 0 {
		t.Errorf("%d transactions are left in the queue", n)
	}
	if got := s.Stats().Unavailable; got != 400 {
		t.Errorf("Stats().Unavailable = %d; want 400", got)
	}
	f.set(nil)
	eventually(t, "Update after the disk healed", func() bool { return putRow(s, "after", "1") == nil })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestCloseWhileBroken checks that Close ends, and that the directory can be
// opened again and has everything.
func TestCloseWhileBroken(t *testing.T) {
	fs := vfs.NewMem()
	f := new(faults)
	s := openFaulty(t, fs, f)
	if err := putRow(s, "a", "1"); err != nil {
		t.Fatal(err)
	}
	f.set(func(op errorfs.Op) error {
		if isWrite(op) {
			return syscall.EROFS
		}
		return nil
	})
	if err := putRow(s, "b", "1"); !errors.Is(err, meta.ErrUnavailable) {
		t.Errorf("Update = %v; want ErrUnavailable", err)
	}
	if err := s.Close(); !errors.Is(err, meta.ErrUnavailable) {
		t.Errorf("Close() = %v; want ErrUnavailable", err)
	}
	if err := putRow(s, "c", "1"); !errors.Is(err, meta.ErrClosed) {
		t.Errorf("Update after Close = %v; want ErrClosed", err)
	}
	// The disk works again. What the first store left behind must not touch it.
	var late atomic.Int64
	f.set(func(op errorfs.Op) error {
		if isWrite(op) {
			late.Add(1)
		}
		return nil
	})
	s = openFaulty(t, fs, new(faults))
	if _, ok := getRow(t, s, "a"); !ok {
		t.Error("an acknowledged row is lost")
	}
	for i := range 20 {
		if err := putRow(s, fmt.Sprint(i), "2"); err != nil {
			t.Error(err)
		}
		time.Sleep(s.cfg.RetryInterval)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n := late.Load(); n > 0 {
		t.Errorf("the closed store changed the disk %d times", n)
	}
}

// TestOpenBroken checks that Open does not hang on a disk that can't be written.
func TestOpenBroken(t *testing.T) {
	fs := vfs.NewMem()
	s := openFaulty(t, fs, new(faults))
	if err := putRow(s, "a", "1"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f := new(faults)
	f.set(func(op errorfs.Op) error {
		if isWrite(op) && op.Kind != errorfs.OpLock && op.Kind != errorfs.OpMkdirAll {
			return syscall.ENOSPC
		}
		return nil
	})
	_, err := Open(Config{Dir: "db", FS: errorfs.Wrap(fs, f), RetryInterval: time.Millisecond})
	if !errors.Is(err, meta.ErrUnavailable) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Open on a full disk = %v; want ErrUnavailable and ENOSPC", err)
	}
	s = openFaulty(t, fs, new(faults))
	if _, ok := getRow(t, s, "a"); !ok {
		t.Error("an acknowledged row is lost")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// gateFS holds syncs of logs back until it is opened.
type gateFS struct {
	vfs.FS
	gate atomic.Pointer[chan struct{}]
}

type gateFile struct {
	vfs.File
	fs *gateFS
}

func (g *gateFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := g.FS.Create(name, c)
	return gateFile{f, g}, err
}

func (f gateFile) SyncData() error {
	if gate := f.fs.gate.Load(); gate != nil {
		<-*gate
	}
	return f.File.SyncData()
}

// TestOnlyDurableIsVisible holds a sync back: Pebble has the row already, and
// nobody may see it, neither a View nor an Update.
func TestOnlyDurableIsVisible(t *testing.T) {
	fs := &gateFS{FS: vfs.NewMem()}
	s, err := Open(Config{Dir: "db", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	gate := make(chan struct{})
	fs.gate.Store(&gate)
	done := make(chan error)
	go func() { done <- putRow(s, "a", "1") }()
	eventually(t, "the batch is in the memory table", func() bool {
		_, closer, err := s.db.Get([]byte("a"))
		if err == nil {
			closer.Close()
		}
		return err == nil
	})
	if _, ok := getRow(t, s, "a"); ok {
		t.Error("a View sees a row before its sync")
	}
	ctx := context.Background()
	err = s.Update(ctx, func(tx meta.Txn) error {
		if _, err := tx.Get([]byte("a")); !errors.Is(err, meta.ErrNotFound) {
			t.Errorf("an Update reads a row before its sync: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	select {
	case err := <-done:
		t.Errorf("Update = %v before its sync", err)
	default:
	}
	close(gate)
	fs.gate.Store(nil)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, ok := getRow(t, s, "a"); !ok {
		t.Error("the row is not visible after its sync")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestCancelWhileQueued checks that an Update whose ctx ends leaves the queue,
// and that one whose commit is under way waits for it.
func TestCancelWhileQueued(t *testing.T) {
	fs := &gateFS{FS: vfs.NewMem()}
	s, err := Open(Config{Dir: "db", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	gate := make(chan struct{})
	fs.gate.Store(&gate)
	ctx, cancel := context.WithCancel(context.Background())
	update := func(key string) chan error {
		done := make(chan error, 1)
		go func() {
			done <- s.Update(ctx, func(tx meta.Txn) error { return tx.Put([]byte(key), nil) })
		}()
		return done
	}
	first := update("first")
	eventually(t, "the first is being committed", func() bool {
		_, closer, err := s.db.Get([]byte("first"))
		if err == nil {
			closer.Close()
		}
		return err == nil
	})
	second := update("second")
	eventually(t, "the second waits", func() bool {
		s.queue.mu.Lock()
		defer s.queue.mu.Unlock()
		return len(s.queue.txns) == 1
	})
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("Update that waited = %v; want context.Canceled", err)
	}
	select {
	case err := <-first:
		t.Errorf("Update whose commit is under way = %v before the sync", err)
	default:
	}
	close(gate)
	fs.gate.Store(nil)
	if err := <-first; err != nil {
		t.Errorf("Update whose commit was under way = %v; want nil", err)
	}
	if err := putRow(s, "third", ""); err != nil {
		t.Error(err)
	}
	for key, want := range map[string]bool{"first": true, "second": false, "third": true} {
		if _, ok := getRow(t, s, key); ok != want {
			t.Errorf("row %s is there: %v; want %v", key, ok, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
