package pebble

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	engine "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"coffer/internal/meta"
)

// A Config says how to open a store. Only Dir is needed.
type Config struct {
	// Dir is the directory of the store. Open creates it with mode 0700.
	Dir string
	// FS is the file system that Dir is on; the operating system's by default.
	FS vfs.FS
	// CacheBytes is the size of the cache of table blocks, 64 MiB by default.
	// It fills as tables are read.
	CacheBytes int64
	// MemTableBytes is how much is written before a table is made of it, 16
	// MiB by default. The log may grow to a few times as much. The memory
	// grows with use, from 256 KiB.
	MemTableBytes uint64
	// MinFreeBytes is kept free on the file system, 64 MiB by default:
	// Updates return ErrUnavailable rather than going below, so that Pebble
	// has room to compact. Below 0 keeps nothing. Whoever stores other bytes
	// on the same file system should stop earlier, so that deleting them, an
	// Update, still works when they have filled it.
	MinFreeBytes int64
	// RetryInterval is the time between two attempts to write to a disk that
	// fails, 500 ms by default.
	RetryInterval time.Duration
	// Log is where outages, damage and write stalls are reported; nowhere by
	// default.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.FS == nil {
		c.FS = vfs.Default
	}
	c.CacheBytes = cmp.Or(c.CacheBytes, 64<<20)
	c.MemTableBytes = cmp.Or(c.MemTableBytes, 16<<20)
	c.MinFreeBytes = max(cmp.Or(c.MinFreeBytes, 64<<20), 0)
	c.RetryInterval = cmp.Or(c.RetryInterval, 500*time.Millisecond)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// A Store is an open store.
type Store struct {
	cfg  Config
	db   *engine.DB
	disk *disk
	seed maphash.Seed
	txns sync.Pool

	readOptions sstable.ReaderOptions // of the tables

	mu        sync.Mutex
	current   *version      // the last published; holds a reference
	reading   []readVersion // of the Updates under way, the oldest first
	exclusive chan struct{} // of the Update that others wait for; closed at its end
	running   int           // Views and Updates under way
	closed    bool
	drained   chan struct{} // closed once closed is set and nothing runs

	queue     commitQueue
	quit      chan struct{} // ends the committer
	committed chan struct{} // closed when the committer has ended
	counters  counters
	closing   func() error
}

// A version is a published state. Its fields are guarded by Store.mu, except
// for snap, which whoever holds a reference may use.
type version struct {
	number uint64
	snap   *engine.Snapshot
	refs   int
}

// A readVersion counts the Updates under way that read at one version.
type readVersion struct {
	number uint64
	count  int
}

var _ meta.Store = (*Store)(nil)

// Open opens the store in cfg.Dir and creates it if there is none. Only one
// process at a time can have it open.
//
// It returns an error that wraps [meta.ErrCorrupt] if a log, the MANIFEST or
// the set of tables is damaged, and [meta.ErrUnavailable] if the disk can't be
// written.
func Open(cfg Config) (*Store, error) {
	cfg = cfg.withDefaults()
	if err := makeDir(cfg.FS, cfg.Dir); err != nil {
		return nil, err
	}
	s := &Store{
		cfg:       cfg,
		disk:      newDisk(cfg.FS, cfg.Dir, cfg.RetryInterval, cfg.Log),
		seed:      maphash.MakeSeed(),
		drained:   make(chan struct{}),
		quit:      make(chan struct{}),
		committed: make(chan struct{}),
	}
	s.closing = sync.OnceValue(s.close)
	s.txns.New = func() any { return newTxn(s) }
	lock, err := engine.LockDirectory(cfg.Dir, s.disk)
	if err != nil {
		return nil, fmt.Errorf("lock %s, is it open in another process: %w", cfg.Dir, err)
	}
	if err := checkLogs(cfg.FS, cfg.Dir); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	// A disk that fails makes Pebble wait, here as later.
	var openErr error
	finished := s.wait(func() {
		defer func() {
			if r := recover(); r != nil {
				openErr = fmt.Errorf("%w: opening: %v\n%s", meta.ErrCorrupt, r, debug.Stack())
			}
		}()
		cache := engine.NewCache(cfg.CacheBytes)
		defer cache.Unref()
		options := s.options(cache, lock)
		options.EnsureDefaults()
		s.readOptions = options.MakeReaderOptions()
		s.db, openErr = engine.Open(cfg.Dir, options)
	})
	if !finished {
		return nil, errors.Join(s.disk.err(), s.disk.abandon())
	}
	if openErr != nil {
		return nil, errors.Join(openError(openErr), lock.Close())
	}
	s.current = &version{number: 1, snap: s.db.NewSnapshot(), refs: 1}
	s.queue.wake = make(chan struct{}, 1)
	s.closing = sync.OnceValue(func() error { return errors.Join(s.close(), lock.Close()) })
	go s.commit()
	return s, nil
}

// makeDir creates dir and what is missing above it, so that it survives a
// crash.
func makeDir(fs vfs.FS, dir string) error {
	var parents []string
	for path := dir; ; path = fs.PathDir(path) {
		_, err := fs.Stat(path)
		if err == nil {
			break
		}
		if parent := fs.PathDir(path); !errors.Is(err, os.ErrNotExist) || parent == path {
			return err
		}
		parents = append(parents, fs.PathDir(path))
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, parent := range parents {
		f, err := fs.OpenDir(parent)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// openError tells damage from other reasons for which Pebble can't open.
func openError(err error) error {
	damaged := engine.IsCorruptionError(err) || errors.Is(err, os.ErrNotExist) ||
		strings.Contains(err.Error(), "object size mismatch")
	if damaged && !errors.Is(err, meta.ErrCorrupt) {
		return fmt.Errorf("%w: %w", meta.ErrCorrupt, err)
	}
	return err
}

// wait runs fn, which uses the disk, and reports true when it has returned. If
// the disk fails and does not heal within two attempts then it reports false
// and fn goes on.
func (s *Store) wait(fn func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn()
	}()
	for failures := 0; failures < 3; {
		select {
		case <-done:
			return true
		case <-time.After(s.cfg.RetryInterval):
		}
		if s.disk.err() != nil {
			failures++
		} else {
			failures = 0
		}
	}
	select {
	case <-done:
		return true
	default:
		return false
	}
}

func (s *Store) options(cache *engine.Cache, lock *engine.Lock) *engine.Options {
	log := engineLog{s.cfg.Log}
	o := &engine.Options{
		FS:                          s.disk,
		Lock:                        lock,
		Cache:                       cache,
		Logger:                      log,
		EventListener:               s.events(),
		FormatMajorVersion:          engine.FormatNewest,
		MemTableSize:                s.cfg.MemTableBytes,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       2,
		L0StopWritesThreshold:       64,
		MaxManifestFileSize:         4 << 20,
		CompactionConcurrencyRange:  func() (int, int) { return 1, max(2, runtime.GOMAXPROCS(0)/2) },
	}
	for i := range o.Levels {
		// 10 bits for each key find a missing row without reading a table, in
		// 99 of 100 cases.
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		// Values are sealed, so they don't compress.
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
	}
	return o
}

func (s *Store) events() *engine.EventListener {
	log := s.cfg.Log
	return &engine.EventListener{
		BackgroundError: func(err error) {
			s.counters.backgroundErrors.Add(1)
			if s.disk.err() == nil { // an outage has been reported, and it is tried again
				log.Error("metadata store failed in the background", "error", err)
			}
		},
		DataCorruption: func(info engine.DataCorruptionInfo) {
			s.counters.corruptions.Add(1)
			log.Error("metadata table is damaged", "file", info.Path, "error", info.Details)
		},
		WriteStallBegin: func(info engine.WriteStallBeginInfo) {
			s.counters.stalls.Add(1)
			log.Warn("metadata store holds writes back", "reason", info.Reason)
		},
	}
}

// An engineLog is where Pebble logs.
type engineLog struct{ log *slog.Logger }

func (l engineLog) Infof(format string, args ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug("pebble", "text", fmt.Sprintf(format, args...))
	}
}

func (l engineLog) Errorf(format string, args ...any) {
	l.log.Warn("pebble", "text", fmt.Sprintf(format, args...))
}

// Fatalf must not return. A disk that fails does not lead here, see disk.
func (l engineLog) Fatalf(format string, args ...any) {
	panic("meta/pebble: internal error: " + fmt.Sprintf(format, args...))
}

// acquire returns the current version with a reference for a transaction that
// begins.
func (s *Store) acquire(update bool) (*version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, meta.ErrClosed
	}
	s.running++
	v := s.current
	v.refs++
	if update {
		if n := len(s.reading); n > 0 && s.reading[n-1].number == v.number {
			s.reading[n-1].count++
		} else {
			s.reading = append(s.reading, readVersion{v.number, 1})
		}
	}
	return v, nil
}

// release ends a transaction that acquired v.
func (s *Store) release(v *version, update bool) {
	s.mu.Lock()
	if update {
		for i := len(s.reading) - 1; i >= 0; i-- {
			if s.reading[i].number == v.number {
				s.reading[i].count--
				break
			}
		}
	}
	s.running--
	if s.closed && s.running == 0 {
		close(s.drained)
	}
	unused := s.unref(v)
	s.mu.Unlock()
	unused.closeSnapshot()
}

// unref drops a reference to v and returns v if it was the last one. The
// caller holds s.mu and closes the snapshot without it.
func (s *Store) unref(v *version) *version {
	v.refs--
	if v.refs > 0 {
		return nil
	}
	return v
}

func (v *version) closeSnapshot() {
	if v != nil {
		_ = v.snap.Close() // returns nil always
	}
}

// publish makes everything that was committed visible, as a version of that
// number.
func (s *Store) publish(number uint64) {
	v := &version{number: number, snap: s.db.NewSnapshot(), refs: 1}
	s.mu.Lock()
	unused := s.unref(s.current)
	s.current = v
	s.mu.Unlock()
	unused.closeSnapshot()
}

// oldestRead returns the oldest version that an Update under way reads at.
func (s *Store) oldestRead() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for n < len(s.reading) && s.reading[n].count == 0 {
		n++
	}
	s.reading = s.reading[:copy(s.reading, s.reading[n:])]
	if len(s.reading) == 0 {
		return s.current.number
	}
	return s.reading[0].number
}

// lowSpace returns an error that wraps meta.ErrUnavailable if a write of size
// bytes would leave less than the reserve free. Where the file system can't
// tell, there is room.
func (s *Store) lowSpace(size uint64) error {
	reserve := uint64(s.cfg.MinFreeBytes)
	usage, err := s.disk.GetDiskUsage(s.cfg.Dir)
	if err != nil || usage.AvailBytes >= reserve+size {
		return nil
	}
	return fmt.Errorf("%w: the file system has %d MiB left, and %d MiB are kept free",
		meta.ErrUnavailable, usage.AvailBytes>>20, reserve>>20)
}

// View implements [meta.Store].
func (s *Store) View(ctx context.Context, fn func(meta.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	v, err := s.acquire(false)
	if err != nil {
		return err
	}
	r := &reader{snap: v.snap}
	defer func() {
		r.snap = nil
		s.release(v, false)
	}()
	return fn(r)
}

// Close implements [meta.Store]. If the disk fails then what was acknowledged
// is on it all the same, and Close returns an error that wraps
// [meta.ErrUnavailable]; goroutines of Pebble that wait for the disk remain.
func (s *Store) Close() error { return s.closing() }

func (s *Store) close() error {
	s.mu.Lock()
	s.closed = true
	if s.running == 0 {
		close(s.drained)
	}
	s.mu.Unlock()
	<-s.drained
	close(s.quit)
	var err error
	finished := s.wait(func() {
		<-s.committed
		if s.disk.err() == nil {
			// An empty log is quick to open and has nothing to lose.
			err = s.db.Flush()
		}
		s.current.closeSnapshot()
		err = errors.Join(err, s.db.Close())
	})
	if !finished {
		return errors.Join(s.disk.err(), s.disk.abandon())
	}
	return err
}

type counters struct {
	commits, groups, conflicts, unavailable       atomic.Uint64
	backgroundErrors, corruptions, stalls, sealed atomic.Uint64
}
