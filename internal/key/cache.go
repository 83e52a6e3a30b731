package key

import (
	"sync"
	"sync/atomic"
)

// A cache holds up to max values, and forgets those not used for the longest
// time, roughly: a hand goes round and takes the first that was not used since
// its last round. It is safe for concurrent use.
//
// What is loaded while something is forgotten is not kept: a reader takes the
// era, then reads the store, then puts under that era. So no value is cached
// that was read before a change and put after the change was forgotten.
type cache[K comparable, V any] struct {
	max  int
	wipe func(*V) // what happens to a value that leaves; nil for nothing

	// mu guards what follows, and the values, which are copied out under it.
	mu    sync.RWMutex
	era   uint64 // counts calls of forget
	index map[K]*slot[K, V]
	ring  []*slot[K, V]
	hand  int
}

type slot[K comparable, V any] struct {
	key   K
	value V
	at    int // in ring
	used  atomic.Bool
}

func newCache[K comparable, V any](max int, wipe func(*V)) *cache[K, V] {
	return &cache[K, V]{max: max, wipe: wipe, index: make(map[K]*slot[K, V])}
}

// get returns a copy of the value, or the era to put it under.
func (c *cache[K, V]) get(key K) (value V, era uint64, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	s := c.index[key]
	if s == nil {
		return value, c.era, false
	}
	if !s.used.Load() {
		s.used.Store(true)
	}
	return s.value, c.era, true
}

// put keeps the value, unless something was forgotten since era.
func (c *cache[K, V]) put(era uint64, key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if era != c.era {
		return
	}
	if s := c.index[key]; s != nil {
		c.remove(s)
	}
	if len(c.ring) >= c.max {
		c.evict()
	}
	s := &slot[K, V]{key: key, value: value, at: len(c.ring)}
	c.ring = append(c.ring, s)
	c.index[key] = s
}

// evict removes one value.
func (c *cache[K, V]) evict() {
	for {
		if c.hand >= len(c.ring) {
			c.hand = 0
		}
		s := c.ring[c.hand]
		if !s.used.Swap(false) {
			c.remove(s)
			return
		}
		c.hand++
	}
}

func (c *cache[K, V]) remove(s *slot[K, V]) {
	last := c.ring[len(c.ring)-1]
	c.ring[s.at], last.at = last, s.at
	c.ring[len(c.ring)-1] = nil
	c.ring = c.ring[:len(c.ring)-1]
	delete(c.index, s.key)
	if c.wipe != nil {
		c.wipe(&s.value)
	}
}

// forget drops the values, and what is being loaded now.
func (c *cache[K, V]) forget(keys ...K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.era++
	for _, k := range keys {
		if s := c.index[k]; s != nil {
			c.remove(s)
		}
	}
}

// clear drops everything.
func (c *cache[K, V]) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.era++
	for len(c.ring) > 0 {
		c.remove(c.ring[len(c.ring)-1])
	}
}
