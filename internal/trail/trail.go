package trail

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"coffer/internal/meta"
)

// Defaults of [Config].
const (
	DefaultFlushEvery       = time.Second
	DefaultMaxPendingEvents = 50_000
	DefaultMaxPendingBytes  = 64 << 20
)

// leakAfter is how long a record may stay open before the linker goes on without
// it. A transaction takes milliseconds; one that takes longer than this and
// commits after all is linked late.
const leakAfter = time.Minute

var (
	// ErrUnavailable means that an event could not be recorded, because the
	// store can't write or because too many events wait for it. The call that
	// it belongs to must not be served.
	ErrUnavailable = errors.New("trail: event can't be recorded")
	// ErrEnded means that a record is used after its end, or was open for so
	// long that it was given up.
	ErrEnded = errors.New("trail: record has ended")
	// ErrClosed means that the trail was closed.
	ErrClosed = errors.New("trail: closed")
)

// A Config says how to keep a trail.
type Config struct {
	Store meta.Store
	// Node names the chain of this process: 1 to 64 of a-z, 0-9 and '-'. Only
	// one process at a time may keep the trail of a node.
	Node string

	Now  func() time.Time // time.Now if nil
	Rand io.Reader        // of event IDs, safe for concurrent use; crypto/rand's if nil
	Log  *slog.Logger     // slog.Default if nil

	// FlushEvery is the time between flushes, and so what a crash can lose of
	// the events of reads. DefaultFlushEvery if zero.
	FlushEvery time.Duration
	// SyncReads makes Append wait until its event survives a crash.
	SyncReads bool
	// MaxPendingEvents and MaxPendingBytes bound the events that wait to be
	// written; beyond them Append refuses. The defaults if zero.
	MaxPendingEvents int
	MaxPendingBytes  int
}

// A Trail records the events of one node. It is safe for concurrent use.
type Trail struct {
	store      meta.Store
	node       string
	now        func() time.Time
	rand       io.Reader
	log        *slog.Logger
	syncReads  bool
	maxPending int
	maxBytes   int

	kick     chan struct{} // asks run to write the pending events now
	stop     chan struct{} // closed by Close
	stopped  chan struct{} // closed when run has returned
	closeErr error         // of the last flush, valid once stopped is closed

	// flushing holds one token for whoever writes and links, who owns the two
	// fields below it.
	flushing   chan struct{}
	linkedTo   uint64 // every number below it is linked or a gap
	linkFailed bool

	mu           sync.Mutex // guards what follows
	next         uint64     // the next event's number
	first, last  *Record    // the open records, by rising number
	pending      []row      // appended and not yet durable, by rising number
	pendingBytes int
	batch        *batch   // of the pending events that no flush has taken up
	failed       error    // of the last flush, while events wait
	late         []uint64 // numbers that ended after the linker had passed them
	closed       bool
}

// A row is an event on its way to the store.
type row struct {
	number uint64
	value  []byte
}

// A batch tells the callers that wait for it how its flush ended.
type batch struct {
	done chan struct{}
	err  error // valid once done is closed
}

func newBatch() *batch { return &batch{done: make(chan struct{})} }

// New opens the trail of a node and links what an earlier process left unlinked.
// Close it to end its goroutine. It returns an error if the store can't be read
// or written, or if the newest link row is damaged.
func New(ctx context.Context, cfg Config) (*Trail, error) {
	if !validNode(cfg.Node) {
		return nil, fmt.Errorf("trail: %q is no node name", cfg.Node)
	}
	t := &Trail{
		store: cfg.Store, node: cfg.Node,
		now: cfg.Now, rand: cfg.Rand, log: cfg.Log,
		syncReads: cfg.SyncReads, maxPending: cfg.MaxPendingEvents, maxBytes: cfg.MaxPendingBytes,
		kick: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
		flushing: make(chan struct{}, 1),
		batch:    newBatch(),
	}
	if t.now == nil {
		t.now = time.Now
	}
	if t.rand == nil {
		t.rand = rand.Reader
	}
	if t.log == nil {
		t.log = slog.Default()
	}
	if t.maxPending == 0 {
		t.maxPending = DefaultMaxPendingEvents
	}
	if t.maxBytes == 0 {
		t.maxBytes = DefaultMaxPendingBytes
	}
	every := cfg.FlushEvery
	if every == 0 {
		every = DefaultFlushEvery
	}
	var err error
	if t.linkedTo, t.next, err = resume(ctx, t.store, t.node); err != nil {
		return nil, fmt.Errorf("trail: open: %w", err)
	}
	if err := t.link(ctx); err != nil {
		return nil, fmt.Errorf("trail: link what was left: %w", err)
	}
	go t.run(every)
	return t, nil
}

func validNode(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return 1 <= len(s) && len(s) <= 64
}

// resume returns the number after the last one that is linked, and the number
// after the last one that any row of the node has.
func resume(ctx context.Context, store meta.Store, node string) (linkedTo, next uint64, err error) {
	err = store.View(ctx, func(r meta.Reader) error {
		_, link, err := lastLink(r, node)
		if err != nil {
			return err
		}
		linkedTo = link.through + 1
		next = linkedTo
		newest := meta.Prefix(eventPrefix(node))
		newest.Reverse, newest.Limit = true, 1
		return r.Scan(newest, func(key, _ []byte) (bool, error) {
			n, err := numberOf(key, eventPrefix(node))
			next = max(next, n+1)
			return false, err
		})
	})
	return linkedTo, next, err
}

// run flushes every so often, and writes the pending events when asked to.
func (t *Trail) run(every time.Duration) {
	defer close(t.stopped)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		// Errors are logged where they arise, and the next tick tries again.
		select {
		case <-t.stop:
			t.closeErr = t.Flush(context.Background())
			return
		case <-tick.C:
			t.Flush(context.Background())
		case <-t.kick:
			t.flushing <- struct{}{}
			t.writePending(context.Background())
			<-t.flushing
		}
	}
}

// Flush makes every appended event durable and links every event whose
// transaction has ended. Once it has begun, it ends whatever becomes of ctx.
func (t *Trail) Flush(ctx context.Context) error {
	select {
	case t.flushing <- struct{}{}:
		defer func() { <-t.flushing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx = context.WithoutCancel(ctx)
	if err := t.writePending(ctx); err != nil {
		return err
	}
	err := t.link(ctx)
	switch {
	case err != nil && !t.linkFailed:
		t.log.Error("trail can't be linked", "node", t.node, "error", err)
	case err == nil && t.linkFailed:
		t.log.Info("trail is linked again", "node", t.node)
	}
	t.linkFailed = err != nil
	if err != nil {
		return fmt.Errorf("trail: link: %w", err)
	}
	return nil
}

// Close flushes and ends the trail. Events that can't be flushed then are lost,
// and the error says how many. Records that are still open may be ended, but put
// nothing any more. If ctx ends first, Close returns its error and goes on behind
// it.
func (t *Trail) Close(ctx context.Context) error {
	t.mu.Lock()
	if !t.closed {
		t.closed = true
		close(t.stop)
	}
	t.mu.Unlock()
	select {
	case <-t.stopped:
	case <-ctx.Done():
		return ctx.Err()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if lost := len(t.pending); lost > 0 {
		return fmt.Errorf("trail: %d events lost: %w", lost, t.closeErr)
	}
	return t.closeErr
}
