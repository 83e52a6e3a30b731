// Package calendar keeps calendar time: the wall clock plus a durable offset
// that never goes back. Waiting periods, lifecycles and schedules go by it.
//
// An implausible jump of the wall clock holds irreversible deadlines until an
// operator confirms the time: a machine that wakes up with a wrong clock must
// not destroy keys.
package calendar

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"coffer/internal/meta"
)

// Limits of what counts as a plausible wall clock.
const (
	// MaxDrift is how far the wall clock may run away from the kernel's
	// clock, which nobody sets, from the start of the server or the last
	// confirmation on: all small steps together, too.
	MaxDrift = time.Hour
	// MaxGap is how long a server may have been down before the first wall
	// time it reads needs confirmation: the shortest waiting period of a key,
	// so that no deadline passes unseen.
	MaxGap = 7 * 24 * time.Hour
)

// end bounds calendar time: rows hold it in nanoseconds since 1970, which end in
// 2262, and deadlines lie a while after it.
var end = time.Date(2250, 1, 1, 0, 0, 0, 0, time.UTC)

var (
	// ErrNotForward means that an advance is zero or negative.
	ErrNotForward = errors.New("calendar: time only moves forward")
	// ErrTooFar means that an advance leads past the year 2249.
	ErrTooFar = errors.New("calendar: time can't be moved on so far")
)

var (
	rowOffset = []byte("calendar/offset") // int64 nanoseconds
	rowSeen   = []byte("calendar/seen")   // int64 wall time, Unix nanoseconds
	rowHeld   = []byte("calendar/held")   // why time waits for a confirmation, also after a restart
)

// A Config holds what a Clock needs. Wall is the wall clock and Boot a clock
// that counts on while the machine sleeps and that nobody sets; their zero
// values are the system's.
type Config struct {
	Store meta.Store
	Wall  func() time.Time
	Boot  func() time.Duration
}

// A Clock tells calendar time. It is safe for concurrent use.
type Clock struct {
	store meta.Store
	wall  func() time.Time
	boot  func() time.Duration

	mu       sync.Mutex // guards all below
	offset   time.Duration
	refWall  time.Time     // the wall time that was accepted last: at the start, or by Confirm
	refBoot  time.Duration // the boot clock at refWall
	held     string        // why irreversible deadlines wait; empty if they do not
	advanced chan struct{} // closed when time is moved on
}

// Open reads the offset and the last wall time that the server saw.
func Open(ctx context.Context, cfg Config) (*Clock, error) {
	if cfg.Wall == nil {
		cfg.Wall = time.Now
	}
	if cfg.Boot == nil {
		start := time.Now()
		cfg.Boot = func() time.Duration { return time.Since(start) }
	}
	c := &Clock{store: cfg.Store, boot: cfg.Boot, advanced: make(chan struct{})}
	// Without the monotonic reading, by which Sub would see no jump at all.
	c.wall = func() time.Time { return cfg.Wall().Round(0) }
	var seen time.Time
	err := cfg.Store.View(ctx, func(r meta.Reader) error {
		n, err := getInt(r, rowOffset)
		if err != nil {
			return err
		}
		if n < 0 {
			return fmt.Errorf("%w: %s is negative", meta.ErrCorrupt, rowOffset)
		}
		c.offset = time.Duration(n)
		if n, err = getInt(r, rowSeen); err != nil {
			return err
		}
		if n != 0 {
			seen = time.Unix(0, n)
		}
		held, err := r.Get(rowHeld)
		if errors.Is(err, meta.ErrNotFound) {
			return nil
		}
		c.held = string(held)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read calendar: %w", err)
	}
	now := c.wall()
	c.refWall, c.refBoot = now, cfg.Boot()
	if !seen.IsZero() && c.held == "" {
		switch gap := now.Sub(seen); {
		case gap < -MaxDrift:
			c.held = fmt.Sprintf("the wall clock went back by %s since the server last ran", -gap.Round(time.Second))
		case gap > MaxGap:
			c.held = fmt.Sprintf("the wall clock is %s after the server last ran", gap.Round(time.Second))
		}
	}
	if c.held == "" {
		return c, c.note(ctx, now)
	}
	return c, nil
}

// Now returns calendar time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall().Add(c.offset).UTC()
}

// Held returns why irreversible deadlines wait for a confirmation, or "".
func (c *Clock) Held() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}

// Advanced returns a channel that is closed when time is next moved on.
func (c *Clock) Advanced() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.advanced
}

// Hold makes irreversible deadlines wait for a confirmation from the next Open on. A
// restore calls it: what was due in the rows of a backup may have been called off
// since.
func Hold(txn meta.Txn, reason string) error { return txn.Put(rowHeld, []byte(reason)) }

// Check compares the wall clock with the kernel's and remembers a plausible
// one durably. Call it about once a minute, and before anything irreversible.
func (c *Clock) Check(ctx context.Context) error {
	c.mu.Lock()
	wall, boot := c.wall(), c.boot()
	drift := wall.Sub(c.refWall) - (boot - c.refBoot)
	if c.held == "" && drift.Abs() > MaxDrift {
		c.held = fmt.Sprintf("the wall clock jumped by %s while the server ran", drift.Round(time.Second))
	}
	held := c.held
	c.mu.Unlock()
	if held != "" {
		return nil
	}
	return c.note(ctx, wall)
}

// Confirm accepts the wall clock as it is. The function record runs in the same
// transaction.
func (c *Clock) Confirm(ctx context.Context, record func(meta.Txn) error) error {
	now, boot := c.wall(), c.boot()
	err := c.store.Update(ctx, func(txn meta.Txn) error {
		if err := putInt(txn, rowSeen, now.UnixNano()); err != nil {
			return err
		}
		if err := txn.Delete(rowHeld); err != nil {
			return err
		}
		return record(txn)
	})
	if err != nil {
		return fmt.Errorf("confirm wall clock: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held, c.refWall, c.refBoot = "", now, boot
	return nil
}

// Advance moves calendar time on by d, durably, and returns it. The function
// record runs in the same transaction.
func (c *Clock) Advance(ctx context.Context, d time.Duration, record func(meta.Txn) error) (time.Time, error) {
	if d <= 0 {
		return time.Time{}, ErrNotForward
	}
	var offset time.Duration
	err := c.store.Update(ctx, func(txn meta.Txn) error {
		n, err := getInt(txn, rowOffset)
		if err != nil {
			return err
		}
		offset = time.Duration(n) + d
		if offset < d || c.wall().Add(offset).After(end) {
			return ErrTooFar
		}
		if err := putInt(txn, rowOffset, int64(offset)); err != nil {
			return err
		}
		return record(txn)
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("advance calendar: %w", err)
	}
	c.mu.Lock()
	c.offset = max(c.offset, offset)
	close(c.advanced)
	c.advanced = make(chan struct{})
	c.mu.Unlock()
	return c.Now(), nil
}

func (c *Clock) note(ctx context.Context, wall time.Time) error {
	err := c.store.Update(ctx, func(txn meta.Txn) error { return putInt(txn, rowSeen, wall.UnixNano()) })
	if err != nil {
		return fmt.Errorf("note wall clock: %w", err)
	}
	return nil
}

func getInt(r meta.Reader, row []byte) (int64, error) {
	v, err := r.Get(row)
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, err
	case len(v) != 8:
		return 0, fmt.Errorf("%w: %s has %d bytes", meta.ErrCorrupt, row, len(v))
	}
	return int64(binary.BigEndian.Uint64(v)), nil
}

func putInt(txn meta.Txn, row []byte, n int64) error {
	return txn.Put(row, binary.BigEndian.AppendUint64(nil, uint64(n)))
}
