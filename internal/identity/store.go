package identity

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"coffer/internal/meta"
)

// Config of a Store.
type Config struct {
	Meta meta.Store
	Now  func() time.Time // time.Now if nil
	Rand io.Reader        // crypto/rand.Reader if nil
	Log  *slog.Logger     // gets what nobody waits for; discarded if nil
}

// A Store holds identities. It is safe for concurrent use. All changes must go
// through one Store, which remembers what it has read.
type Store struct {
	cfg Config

	keys      cache[AccessKey] // by access key ID
	effective cache[resolved]  // by unique ID
	canonical cache[string]    // by account ID; never emptied: an account keeps its canonical user ID
	compiled  compiled
	usage     usage
	revoked   revoked
}

// New returns a store on cfg.Meta.
func New(cfg Config) *Store {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Store{cfg: cfg}
}

// A cache remembers what was read until a change.
type cache[T any] struct {
	mu       sync.RWMutex
	entries  map[string]*T // guarded by mu
	changes  uint64        // guarded by mu; counts what emptied entries
	changing int           // guarded by mu; changes under way, which entries may lag behind
}

// get returns an entry, and what put needs if there is none.
func (c *cache[T]) get(id string) (v *T, changes uint64, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v, ok = c.entries[id]
	return v, c.changes, ok && c.changing == 0
}

// put remembers an entry, unless a change overtook its reading.
func (c *cache[T]) put(id string, v *T, changes uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes != changes {
		return
	}
	if c.entries == nil {
		c.entries = make(map[string]*T)
	}
	c.entries[id] = v
}

// begin begins a change: until its end, nothing that is remembered counts. Who has
// seen the revision of the change must not decide by the state before it.
func (c *cache[T]) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changing++
}

// end ends a change, and forgets everything.
func (c *cache[T]) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.entries)
	c.changes++
	c.changing--
}

// changing begins a change of what Lookup, EffectiveUser and EffectiveRole remember,
// and returns what ends it, also after an error: whether the change was made may be
// unknown.
func (s *Store) changing() (end func()) {
	s.keys.begin()
	s.effective.begin()
	return func() {
		s.keys.end()
		s.effective.end()
	}
}

// now returns the time to the millisecond, as rows keep it.
func (s *Store) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }

func (s *Store) random(n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(s.cfg.Rand, b); err != nil {
		return nil, fmt.Errorf("read random bytes: %w", err)
	}
	return b, nil
}
