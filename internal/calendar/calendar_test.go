package calendar

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"coffer/internal/meta"
	"coffer/internal/meta/mem"
	"coffer/internal/meta/metatest"
)

var day0 = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// A machine has a wall clock that can be set and a boot clock that can't.
type machine struct {
	mu   sync.Mutex
	wall time.Time
	boot time.Duration
}

// run lets d pass on both clocks.
func (m *machine) run(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wall, m.boot = m.wall.Add(d), m.boot+d
}

// set turns the wall clock by d.
func (m *machine) set(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wall = m.wall.Add(d)
}

func (m *machine) now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.wall
}

func (m *machine) uptime() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.boot
}

// start opens the calendar as a start of the server does.
func (m *machine) start(t *testing.T, s meta.Store) *Clock {
	t.Helper()
	c, err := Open(t.Context(), Config{Store: s, Wall: m.now, Boot: m.uptime})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func nothing(meta.Txn) error { return nil }

func advance(t *testing.T, c *Clock, d time.Duration) time.Time {
	t.Helper()
	now, err := c.Advance(t.Context(), d, nothing)
	if err != nil {
		t.Fatalf("Advance(%s) = %v", d, err)
	}
	return now
}

func check(t *testing.T, c *Clock) {
	t.Helper()
	if err := c.Check(t.Context()); err != nil {
		t.Fatalf("Check = %v", err)
	}
}

func TestAdvanceIsDurable(t *testing.T) {
	m, s := &machine{wall: day0}, mem.New()
	c := m.start(t, s)
	if got := c.Now(); !got.Equal(day0) || got.Location() != time.UTC {
		t.Errorf("Now = %s; want %s", got, day0)
	}
	if got, want := advance(t, c, 168*time.Hour), day0.Add(168*time.Hour); !got.Equal(want) {
		t.Errorf("Advance = %s; want %s", got, want)
	}
	m.run(time.Minute)
	advance(t, c, time.Hour)
	want := day0.Add(169*time.Hour + time.Minute)
	for range 2 {
		if got := c.Now(); !got.Equal(want) {
			t.Errorf("Now = %s; want %s", got, want)
		}
		c = m.start(t, s)
	}
}

func TestAdvanceRefuses(t *testing.T) {
	m, s := &machine{wall: day0}, mem.New()
	c := m.start(t, s)
	tests := []struct {
		name string
		d    time.Duration
		want error
	}{
		{"nothing", 0, ErrNotForward},
		{"back", -time.Nanosecond, ErrNotForward},
		{"past the last nanosecond", math.MaxInt64, ErrTooFar},
		{"past the end", end.Sub(day0) + 1, ErrTooFar},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := c.Advance(t.Context(), tt.d, nothing); !errors.Is(err, tt.want) {
				t.Errorf("Advance(%s) = %v; want %v", tt.d, err, tt.want)
			}
		})
	}
	advance(t, c, end.Sub(day0))
	for _, d := range []time.Duration{1, math.MaxInt64} {
		if _, err := c.Advance(t.Context(), d, nothing); !errors.Is(err, ErrTooFar) {
			t.Errorf("Advance(%s) at the end = %v; want %v", d, err, ErrTooFar)
		}
	}
	for _, c := range []*Clock{c, m.start(t, s)} {
		if got := c.Now(); !got.Equal(end) {
			t.Errorf("Now = %s; want %s", got, end)
		}
	}
}

// An advance whose record can't be written did not happen.
func TestAdvanceIsRecordedOrUndone(t *testing.T) {
	m, s := &machine{wall: day0}, mem.New()
	c := m.start(t, s)
	next := c.Advanced()
	full := errors.New("disk full")
	if _, err := c.Advance(t.Context(), time.Hour, func(meta.Txn) error { return full }); !errors.Is(err, full) {
		t.Errorf("Advance = %v; want %v", err, full)
	}
	select {
	case <-next:
		t.Error("Advanced is closed by an advance that failed")
	default:
	}
	for _, c := range []*Clock{c, m.start(t, s)} {
		if got := c.Now(); !got.Equal(day0) {
			t.Errorf("Now = %s; want %s", got, day0)
		}
	}
}

func TestAdvanceRunsTwice(t *testing.T) {
	m, s := &machine{wall: day0}, metatest.NewFaults(mem.New())
	c := m.start(t, s)
	s.RunTwice(true)
	runs := 0
	_, err := c.Advance(t.Context(), time.Hour, func(txn meta.Txn) error { runs++; return txn.Put([]byte("record"), nil) })
	if err != nil || runs != 2 {
		t.Errorf("Advance = %v after %d runs; want nil after 2", err, runs)
	}
	if got, want := c.Now(), day0.Add(time.Hour); !got.Equal(want) {
		t.Errorf("Now = %s; want %s", got, want)
	}
}

// An advance that was committed while its answer was lost counts from the next one
// on, and no later than the next start.
func TestAdvanceWithLostAnswer(t *testing.T) {
	m, s := &machine{wall: day0}, metatest.NewFaults(mem.New())
	c := m.start(t, s)
	s.LoseAnswers(1)
	if _, err := c.Advance(t.Context(), time.Hour, nothing); !errors.Is(err, meta.ErrUnavailable) {
		t.Errorf("Advance = %v; want %v", err, meta.ErrUnavailable)
	}
	if got, want := m.start(t, s).Now(), day0.Add(time.Hour); !got.Equal(want) {
		t.Errorf("Now after a start = %s; want %s", got, want)
	}
	if got, want := advance(t, c, time.Hour), day0.Add(2*time.Hour); !got.Equal(want) {
		t.Errorf("Advance = %s; want %s", got, want)
	}
}

func TestConcurrentAdvances(t *testing.T) {
	m, s := &machine{wall: day0}, mem.New()
	c := m.start(t, s)
	const n = 32
	var advances sync.WaitGroup
	for range n {
		advances.Go(func() {
			before := c.Now()
			now, err := c.Advance(t.Context(), time.Hour, nothing)
			if err != nil || now.Before(before.Add(time.Hour)) {
				t.Errorf("Advance from %s = %s, %v; want at least an hour more", before, now, err)
			}
		})
	}
	stop, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for last := day0; ; {
			now := c.Now()
			if now.Before(last) {
				t.Errorf("time went back from %s to %s", last, now)
			}
			last = now
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	advances.Wait()
	close(stop)
	<-watched
	for _, c := range []*Clock{c, m.start(t, s)} {
		if got, want := c.Now(), day0.Add(n*time.Hour); !got.Equal(want) {
			t.Errorf("Now = %s; want %s", got, want)
		}
	}
}

func TestAdvanced(t *testing.T) {
	m := &machine{wall: day0}
	c := m.start(t, mem.New())
	next := c.Advanced()
	advance(t, c, time.Hour)
	select {
	case <-next:
	default:
		t.Error("Advanced is open after an advance")
	}
	select {
	case <-c.Advanced():
		t.Error("Advanced is closed before the next advance")
	default:
	}
}

func TestHeldAtStart(t *testing.T) {
	tests := []struct {
		name string
		gap  time.Duration // from the last wall time seen to the start
		want string
	}{
		{"a minute", time.Minute, ""},
		{"the shortest waiting period", MaxGap, ""},
		{"longer", MaxGap + time.Second, "the wall clock is 168h0m1s after the server last ran"},
		{"ten years", 87600 * time.Hour, "the wall clock is 87600h0m0s after the server last ran"},
		{"a little back", -MaxDrift, ""},
		{"back", -MaxDrift - time.Second, "the wall clock went back by 1h0m1s since the server last ran"},
		{"before 1970", day0.Sub(time.Unix(0, 0)) * -2, "the wall clock went back by 997368h0m0s since the server last ran"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, s := &machine{wall: day0}, mem.New()
			if held := m.start(t, s).Held(); held != "" {
				t.Fatalf("Held at the first start = %q", held)
			}
			m.set(tt.gap)
			m.boot = 0 // the machine started again
			for range 2 {
				c := m.start(t, s)
				if got := c.Held(); got != tt.want {
					t.Errorf("Held = %q; want %q", got, tt.want)
				}
				// Neither a check nor another start confirms anything.
				check(t, c)
				if got := c.Held(); got != tt.want {
					t.Errorf("Held after a check = %q; want %q", got, tt.want)
				}
			}
		})
	}
}

func TestHeldWhileRunning(t *testing.T) {
	tests := []struct {
		name string
		jump time.Duration
		want string
	}{
		{"none", 0, ""},
		{"forward a little", MaxDrift, ""},
		{"forward", MaxDrift + time.Second, "the wall clock jumped by 1h0m1s while the server ran"},
		{"back a little", -MaxDrift, ""},
		{"back", -MaxDrift - time.Second, "the wall clock jumped by -1h0m1s while the server ran"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &machine{wall: day0}
			c := m.start(t, mem.New())
			m.run(1000 * time.Hour) // asleep or awake: time that passes is no jump
			check(t, c)
			m.set(tt.jump)
			check(t, c)
			if got := c.Held(); got != tt.want {
				t.Errorf("Held = %q; want %q", got, tt.want)
			}
			// A clock that is set right again was still wrong for a while.
			m.set(-tt.jump)
			check(t, c)
			if got := c.Held(); got != tt.want {
				t.Errorf("Held after the clock was set back = %q; want %q", got, tt.want)
			}
		})
	}
}

// Many small steps, each checked, lead away as far as one large one.
func TestHeldAfterCreep(t *testing.T) {
	m := &machine{wall: day0}
	c := m.start(t, mem.New())
	for range 6 {
		m.run(time.Minute)
		m.set(11 * time.Minute)
		check(t, c)
	}
	if got, want := c.Held(), "the wall clock jumped by 1h6m0s while the server ran"; got != want {
		t.Errorf("Held = %q; want %q", got, want)
	}
}

// Two readings of time.Now differ by the monotonic clock, which no jump of the
// wall clock moves.
func TestSystemWallClockIsTheWallClock(t *testing.T) {
	for _, wall := range []func() time.Time{nil, time.Now} {
		c, err := Open(t.Context(), Config{Store: mem.New(), Wall: wall})
		if err != nil {
			t.Fatal(err)
		}
		for what, at := range map[string]time.Time{"wall clock": c.wall(), "reference": c.refWall} {
			if strings.Contains(at.String(), " m=") {
				t.Errorf("%s = %s; want no monotonic reading", what, at)
			}
		}
		if got := time.Since(c.Now()); got.Abs() > time.Minute {
			t.Errorf("Now is %s away from the wall clock", got)
		}
		check(t, c)
		if got := c.Held(); got != "" {
			t.Errorf("Held = %q; want nothing", got)
		}
	}
}

func TestConfirm(t *testing.T) {
	m, s := &machine{wall: day0}, metatest.NewFaults(mem.New())
	c := m.start(t, s)
	m.set(48 * time.Hour)
	check(t, c)
	full := errors.New("disk full")
	if err := c.Confirm(t.Context(), func(meta.Txn) error { return full }); !errors.Is(err, full) {
		t.Errorf("Confirm = %v; want %v", err, full)
	}
	s.FailUpdates(1)
	if err := c.Confirm(t.Context(), nothing); !errors.Is(err, meta.ErrUnavailable) {
		t.Errorf("Confirm = %v; want %v", err, meta.ErrUnavailable)
	}
	if c.Held() == "" {
		t.Error("a confirmation that was not recorded counts")
	}
	s.RunTwice(true)
	if err := c.Confirm(t.Context(), nothing); err != nil {
		t.Fatal(err)
	}
	check(t, c)
	if got := c.Held(); got != "" {
		t.Errorf("Held after Confirm = %q", got)
	}
	// What was confirmed is the reference of the next jump, here and after a start.
	m.set(MaxDrift)
	check(t, c)
	if got := c.Held(); got != "" {
		t.Errorf("Held = %q; want nothing", got)
	}
	m.set(-2*MaxDrift - time.Second)
	check(t, c)
	if c.Held() == "" {
		t.Error("a jump after a confirmation holds nothing")
	}
	if m.start(t, s).Held() == "" {
		t.Error("a start after a confirmed time does not compare with it")
	}
}

// A start compares with the last time that a check saw.
func TestCheckNotes(t *testing.T) {
	m, s := &machine{wall: day0}, metatest.NewFaults(mem.New())
	c := m.start(t, s)
	m.run(30 * 24 * time.Hour)
	check(t, c)
	m.run(MaxGap)
	if held := m.start(t, s).Held(); held != "" {
		t.Errorf("Held = %q; want nothing: a check noted the time", held)
	}
	s.FailUpdates(1)
	if err := c.Check(t.Context()); !errors.Is(err, meta.ErrUnavailable) {
		t.Errorf("Check = %v; want %v", err, meta.ErrUnavailable)
	}
}

func TestDamagedRows(t *testing.T) {
	for _, row := range [][]byte{rowOffset, rowSeen} {
		for name, value := range map[string][]byte{"empty": {}, "short": make([]byte, 7), "long": make([]byte, 9)} {
			t.Run(string(row)+" "+name, func(t *testing.T) {
				openDamaged(t, row, value)
			})
		}
	}
	// A negative offset would take time back.
	t.Run("negative offset", func(t *testing.T) { openDamaged(t, rowOffset, []byte{0xff, 0, 0, 0, 0, 0, 0, 0}) })
}

func openDamaged(t *testing.T, row, value []byte) {
	t.Helper()
	s := mem.New()
	err := s.Update(t.Context(), func(txn meta.Txn) error { return txn.Put(row, value) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Store: s}); !errors.Is(err, meta.ErrCorrupt) {
		t.Errorf("Open with %s = %x: %v; want %v", row, value, err, meta.ErrCorrupt)
	}
}

func TestClosedStore(t *testing.T) {
	m, s := &machine{wall: day0}, mem.New()
	c := m.start(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	_, opened := Open(ctx, Config{Store: s})
	_, advanced := c.Advance(ctx, time.Hour, nothing)
	for what, err := range map[string]error{"Open": opened, "Advance": advanced, "Confirm": c.Confirm(ctx, nothing), "Check": c.Check(ctx)} {
		if !errors.Is(err, meta.ErrClosed) {
			t.Errorf("%s = %v; want %v", what, err, meta.ErrClosed)
		}
	}
}

// A restore holds deadlines, also over a restart, until somebody confirms the time.
func TestHold(t *testing.T) {
	store := mem.New()
	open := func() *Clock {
		t.Helper()
		c, err := Open(t.Context(), Config{Store: store})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if held := open().Held(); held != "" {
		t.Errorf("a new clock is held: %s", held)
	}
	if err := store.Update(t.Context(), func(txn meta.Txn) error { return Hold(txn, "restored") }); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c := open()
		if err := c.Check(t.Context()); err != nil || c.Held() != "restored" {
			t.Errorf("Held = %q, %v; want the reason", c.Held(), err)
		}
	}
	c := open()
	stop := errors.New("not recorded")
	if err := c.Confirm(t.Context(), func(meta.Txn) error { return stop }); !errors.Is(err, stop) || c.Held() == "" || open().Held() == "" {
		t.Errorf("Confirm that is not recorded = %v, held %q", err, c.Held())
	}
	if err := c.Confirm(t.Context(), func(meta.Txn) error { return nil }); err != nil || c.Held() != "" || open().Held() != "" {
		t.Errorf("Confirm = %v, held %q", err, c.Held())
	}
}
