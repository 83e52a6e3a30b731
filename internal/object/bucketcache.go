package object

import (
	"bytes"
	"errors"
	"sync"

	"coffer/internal/meta"
)

// maxCachedBuckets bounds how many decoded buckets are held in memory.
const maxCachedBuckets = 4096

// A bucketCache saves decoding the row of a bucket anew for every request. It saves
// no read: a decoded bucket counts only for the very bytes that it was decoded
// from, so that a cache never tells what a transaction does not see.
type bucketCache struct {
	mu   sync.RWMutex // guards live
	live map[string]*cachedBucket
}

type cachedBucket struct {
	raw    []byte
	bucket *Bucket
}

// named returns the bucket of that name or ErrNoSuchBucket. Callers share it and
// change nothing in it.
func (c *bucketCache) named(r meta.Reader, name string) (*Bucket, error) {
	key := bucketRow(name)
	raw, err := r.Get(key)
	if errors.Is(err, meta.ErrNotFound) {
		return nil, ErrNoSuchBucket
	}
	if err != nil {
		return nil, err
	}
	c.mu.RLock()
	kept := c.live[name]
	c.mu.RUnlock()
	if kept != nil && bytes.Equal(kept.raw, raw) {
		return kept.bucket, nil
	}
	b := new(Bucket)
	if err := decode(key, raw, b); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live == nil || len(c.live) >= maxCachedBuckets {
		c.live = make(map[string]*cachedBucket)
	}
	c.live[name] = &cachedBucket{bytes.Clone(raw), b}
	return b, nil
}
