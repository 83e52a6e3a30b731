package xks

import (
	"sync/atomic"
	"time"
)

// DefaultRate is how many requests a second a KMS sends to one external key store.
//
// Source: AWS KMS Developer Guide, "Request quotas", custom key store quotas, and the
// specification, GetHealthStatus, read 2026-11-22.
const DefaultRate = 1800

// A Rate lets so many requests a second through, and as many at once after a second
// without any. It is safe for concurrent use; nil lets everything through.
type Rate struct {
	token time.Duration // that one request takes
	full  atomic.Int64  // Unix nanoseconds of when nothing is taken any more
}

// NewRate returns a rate of perSecond requests, or nil for 0.
func NewRate(perSecond int) *Rate {
	if perSecond <= 0 {
		return nil
	}
	return &Rate{token: time.Second / time.Duration(perSecond)}
}

// Take reports whether one more request may go at now.
func (r *Rate) Take(now time.Time) bool {
	if r == nil {
		return true
	}
	at := now.UnixNano()
	for {
		full := r.full.Load()
		next := max(full, at) + int64(r.token)
		if next-at > int64(time.Second) {
			return false
		}
		if r.full.CompareAndSwap(full, next) {
			return true
		}
	}
}

// Continue takes over what o has taken, as r takes its place.
func (r *Rate) Continue(o *Rate) {
	if r != nil && o != nil {
		r.full.Store(o.full.Load())
	}
}
