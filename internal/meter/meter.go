// Package meter counts how the keys of the key service are used: how many calls of
// each kind each account made with each key in each month, when and by whom each key
// was used last, and what all that would have cost on AWS.
//
// A call is counted in memory, in one of a few shards that its goroutine picks at
// random, so that calls do not wait for each other. Every few seconds all that was
// counted is added to the rows in one go: a crash loses that much, and nothing else
// does. How long keys existed is not counted but told by their own rows, which lose
// nothing.
//
// Source of what is counted: AWS KMS API Reference, GetKeyLastUsage, and AWS KMS
// Developer Guide, "Determine past usage of a KMS key", read 2026-11-22. The rows are
// described in docs/spec/data-directory.md.
package meter

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"coffer/internal/meta"
)

const (
	// DefaultFlushEvery is how long a call may wait in memory, and so what a crash
	// can lose.
	DefaultFlushEvery = 5 * time.Second
	// maxPending bounds how many pairs of an account and a key wait to be written,
	// about 300 bytes each, while the store can't write. Calls of further pairs are
	// not counted, and the log says so.
	maxPending = 200_000
	// Keep is for how many months before the present one calls are kept.
	Keep       = 36
	shardCount = 16
	writeMost  = 500 // pairs of one transaction
)

// A Key names a key. The zero Key is none.
type Key struct{ Account, Region, ID string }

// A Call is one call that succeeded.
type Call struct {
	At        time.Time // calendar time
	Account   string    // that called, and pays
	Region    string
	Operation string // of a fixed set
	Class     Class
	Key       Key // that the call is about; none for a listing
	Second    Key // that a ReEncrypt encrypts under; none of others
	// Used says that the call is cryptography with the keys: their last use. What
	// follows tells of it.
	Used               bool
	Principal          string // ARN
	RequestID, EventID string
}

// A LastUse tells of the newest successful cryptographic operation with a key.
type LastUse struct {
	At        time.Time
	Operation string // as the API names it, "Decrypt"
	Principal string // ARN of who called
	RequestID string
	EventID   string // of the event in the trail
}

// A Config holds what a Meter needs.
type Config struct {
	Meta       meta.Store       // required
	Now        func() time.Time // calendar time; time.Now if nil
	Log        *slog.Logger     // discarded if nil
	FlushEvery time.Duration    // DefaultFlushEvery if zero
}

// A Meter counts calls. It is safe for concurrent use.
type Meter struct {
	cfg    Config
	since  time.Time
	shards [shardCount]shard
	month  atomic.Pointer[span]

	stop, stopped chan struct{}
	closing       sync.Once

	flushing sync.Mutex // held by the one flush at a time

	dropped atomic.Uint64 // calls that were not counted

	mu      sync.Mutex // guards what follows; taken before that of a shard
	pending held       // taken from the shards and not written yet
	totals  map[Total]uint64
}

// held is what is counted and not written.
type held struct {
	tallies map[place]tally
	last    map[Key]LastUse
}

func newHeld() held { return held{make(map[place]tally), make(map[Key]LastUse)} }

// A Total names one of the counts that a Meter keeps of all accounts together.
type Total struct {
	Operation string
	Class     Class
}

// A shard is a part of what was counted and not taken up by a flush.
type shard struct {
	mu sync.Mutex
	held
	_ [64]byte // keeps shards off each other's cache lines
}

// A place is an account with a key in a month.
type place struct {
	month           Month
	account, region string
	key             Key
}

// A tally counts the calls of a place, by operation and class: few, so that a linear
// search is quick.
type tally []opCount

// opCount counts one operation in one billing class.
type opCount struct {
	operation string
	class     Class
	n         uint64
}

// add counts n calls more, and returns the tally, which has changed in place unless it
// grew.
func (t tally) add(operation string, class Class, n uint64) tally {
	for i := range t {
		if c := &t[i]; c.class == class && c.operation == operation {
			c.n += n
			return t
		}
	}
	return append(t, opCount{operation, class, n})
}

// note keeps the later use of a key.
func (h *held) note(k Key, u *LastUse) {
	if old, ok := h.last[k]; (!ok || u.At.After(old.At)) && (ok || len(h.last) < maxPending) {
		h.last[k] = *u
	}
}

// Open returns a meter. It notes when the first one was opened on the store: of
// older uses nothing is known. Close it to write what it counted.
func Open(ctx context.Context, cfg Config) (*Meter, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.FlushEvery == 0 {
		cfg.FlushEvery = DefaultFlushEvery
	}
	m := &Meter{cfg: cfg, stop: make(chan struct{}), stopped: make(chan struct{}),
		pending: newHeld(), totals: make(map[Total]uint64)}
	for i := range m.shards {
		m.shards[i].held = newHeld()
	}
	err := cfg.Meta.Update(ctx, func(tx meta.Txn) error {
		b, err := tx.Get([]byte(rowSince))
		switch {
		case errors.Is(err, meta.ErrNotFound):
			m.since = cfg.Now().UTC()
			return tx.Put([]byte(rowSince), binary.BigEndian.AppendUint64(nil, uint64(m.since.UnixNano())))
		case err == nil && len(b) != 8:
			return fmt.Errorf("%w: %s", meta.ErrCorrupt, rowSince)
		case err == nil:
			m.since = time.Unix(0, int64(binary.BigEndian.Uint64(b))).UTC()
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open meter: %w", err)
	}
	go m.run()
	return m, nil
}

// Since returns when counting began.
func (m *Meter) Since() time.Time { return m.since }

// Count counts a call. It neither waits for the store nor fails.
func (m *Meter) Count(c *Call) {
	p := place{m.monthOf(c.At), c.Account, c.Region, c.Key}
	s := &m.shards[rand.Uint32()%shardCount]
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tallies[p]
	if !ok && len(s.tallies) >= maxPending/shardCount {
		m.dropped.Add(1)
		return
	}
	if grown := t.add(c.Operation, c.Class, 1); len(grown) != len(t) {
		s.tallies[p] = grown
	}
	if !c.Used {
		return
	}
	use := LastUse{At: c.At, Operation: c.Operation, Principal: c.Principal, RequestID: c.RequestID, EventID: c.EventID}
	s.note(c.Key, &use)
	if c.Second != (Key{}) && len(s.last) < 2*maxPending/shardCount {
		s.note(c.Second, &use)
	}
}

// Note notes a use of a key that is no call of the key service, and that nobody
// pays for: the server uses the key for another key service, say.
func (m *Meter) Note(k Key, u *LastUse) {
	s := &m.shards[rand.Uint32()%shardCount]
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.last) < 2*maxPending/shardCount {
		s.note(k, u)
	}
}

// Dropped returns how many calls were not counted because too many waited.
func (m *Meter) Dropped() uint64 { return m.dropped.Load() }

// Totals calls yield for each count of the calls of all accounts since the start.
// Calls show after the next flush.
func (m *Meter) Totals(yield func(t Total, n uint64)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for t, n := range m.totals {
		yield(t, n)
	}
}

// run flushes every so often.
func (m *Meter) run() {
	defer close(m.stopped)
	tick := time.NewTicker(m.cfg.FlushEvery)
	defer tick.Stop()
	failing, pruned := false, Month(0)
	for {
		select {
		case <-m.stop:
			return
		case <-tick.C:
		}
		err := m.Flush(context.Background())
		if now := MonthOf(m.cfg.Now()); err == nil && now != pruned {
			if err = m.prune(context.Background(), now-Keep); err == nil {
				pruned = now
			}
		}
		if err != nil && !failing {
			m.cfg.Log.Warn("usage of keys can't be written now", "error", err)
		}
		failing = err != nil
	}
}

// Close writes what was counted and ends the meter. What is counted later is
// dropped.
func (m *Meter) Close(ctx context.Context) error {
	m.closing.Do(func() { close(m.stop) })
	<-m.stopped
	return m.Flush(ctx)
}
