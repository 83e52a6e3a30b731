package quota

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// maxRegions bounds how many regions of one account are told apart: clients choose
// the region that they sign for. What comes later shares one more quota, of that
// account alone.
const maxRegions = 64

// A Limiter lets requests through as far as the quotas allow. It is safe for
// concurrent use, and a nil one lets everything through.
//
// It keeps one word for each class of an account in a region, and takes no lock:
// only the first request of an account in a region does. Callers must be
// authenticated, and stores exist, so that there are no more of them than the
// server has.
type Limiter struct {
	config    *Config
	now       func() time.Time
	start     time.Time
	accounts  table[*account]
	stores    table[*buckets]
	throttled [count]atomic.Uint64
}

// An account has buckets in each region.
type account struct {
	regions table[*buckets]
	others  *buckets // of the regions beyond maxRegions
}

// A table is a map that is read without a lock and copied when it grows.
type table[V any] struct {
	p  atomic.Pointer[map[string]V]
	mu sync.Mutex // held while the map is replaced
}

// get returns the value of key, which make makes if it is missing. If there are as
// many as most already, it returns the value of otherwise.
func (t *table[V]) get(key string, most int, make, otherwise func() V) V {
	if m := t.p.Load(); m != nil {
		if v, ok := (*m)[key]; ok {
			return v
		}
		if len(*m) >= most {
			return otherwise()
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	next := map[string]V{}
	if m := t.p.Load(); m != nil {
		if v, ok := (*m)[key]; ok {
			return v
		}
		next = maps.Clone(*m)
	}
	v := make()
	next[key] = v
	t.p.Store(&next)
	return v
}

// buckets are those of one account in one region, or of one custom key store.
type buckets struct {
	limits [count]limit
	// full is when each bucket is full again, in nanoseconds since the start: the
	// theoretical arrival time of the generic cell rate algorithm.
	full [count]atomic.Int64
}

// A limit is a rate as the time that one token takes, and that a whole bucket
// takes, in nanoseconds. Zero is no limit.
type limit struct{ token, bucket int64 }

// New returns a limiter, or nil if config limits nothing. now is the clock, which
// must be monotonic; nil is time.Now.
func New(config *Config, now func() time.Time) *Limiter {
	if config.IsOff() {
		return nil
	}
	if now == nil {
		now = time.Now
	}
	return &Limiter{config: config, now: now, start: now()}
}

// Take takes n tokens of a class for an account in a region, and reports whether
// they were there. A request that is refused takes none.
func (l *Limiter) Take(id, region string, class Class, n int) bool {
	if l == nil {
		return true
	}
	a := l.accounts.get(id, unbounded, func() *account { return &account{others: l.buckets(region)} }, nil)
	b := a.regions.get(region, maxRegions, func() *buckets { return l.buckets(region) }, func() *buckets { return a.others })
	return l.take(b, class, n)
}

// TakeStore takes n tokens of a custom key store in a region.
func (l *Limiter) TakeStore(store, region string, n int) bool {
	if l == nil {
		return true
	}
	return l.take(l.stores.get(store, unbounded, func() *buckets { return l.buckets(region) }, nil), CustomKeyStore, n)
}

// unbounded is the size of a table that the server bounds otherwise.
const unbounded = int(^uint(0) >> 1)

// Throttled returns how many requests of a class were refused.
func (l *Limiter) Throttled(class Class) uint64 {
	if l == nil {
		return 0
	}
	return l.throttled[class].Load()
}

// take takes n tokens. A full bucket gives what is asked for, however small it is.
func (l *Limiter) take(b *buckets, class Class, n int) bool {
	limit := &b.limits[class]
	if limit.token == 0 {
		return true
	}
	now, cost := int64(l.now().Sub(l.start)), int64(n)*limit.token
	for {
		full := b.full[class].Load()
		next := max(full, now) + cost
		if next-now > max(limit.bucket, cost) {
			l.throttled[class].Add(1)
			return false
		}
		if b.full[class].CompareAndSwap(full, next) {
			return true
		}
	}
}

func (l *Limiter) buckets(region string) *buckets {
	b := new(buckets)
	for i := range b.limits {
		if rate := l.config.Rate(Class(i), region); rate > 0 {
			token := max(1, int64(float64(time.Second)/rate))
			b.limits[i] = limit{token: token, bucket: max(int64(time.Second), token)}
		}
	}
	return b
}
