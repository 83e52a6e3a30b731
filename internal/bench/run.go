package bench

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// retryPause is how long a client that cannot connect waits.
const retryPause = 100 * time.Millisecond

// errExhausted ends a run early: a step has nothing left to work on.
var errExhausted = errors.New("nothing left")

// A step does one operation and returns how many bytes of objects it moved. Its
// error is a *failure or errExhausted.
type step func(ctx context.Context) (int64, error)

// A load is what one run does.
type load struct {
	clients          int
	warmup, duration time.Duration
	// newStep returns the step of one client, and what to call after the last
	// one.
	newStep func(client int) (step, func())
	// probe, if there is one, is called at the begin and at the end of the
	// measured window.
	probe func()
}

// A tally is what the clients of a run counted in the measured window. An
// operation that lies only partly in the window is done work to that part: so a
// rate is right also when few operations fit into the window.
type tally struct {
	window  time.Duration
	latency histogram // of operations that succeeded
	work    float64   // number of those
	bytes   float64   // of those
	errors  map[string]int64
}

// run runs a load until its time is over, a step has nothing left to do, or ctx
// ends, which is an error. Operations under way at the end are waited for.
func (l *load) run(ctx context.Context) (*tally, error) {
	begin := time.Now().Add(l.warmup)
	var end atomic.Int64 // nanoseconds after begin
	end.Store(int64(l.duration))
	exhausted := make(chan struct{})
	var once sync.Once
	stop := func() {
		once.Do(func() {
			end.Store(int64(max(time.Since(begin), 0)))
			close(exhausted)
		})
	}
	tallies := make([]tally, l.clients)
	var wg sync.WaitGroup
	for i := range tallies {
		wg.Go(func() { l.drive(ctx, i, begin, &end, &tallies[i], stop) })
	}
	for _, at := range []time.Duration{0, l.duration} {
		wait(ctx, time.Until(begin.Add(at)), exhausted)
		if l.probe != nil {
			l.probe()
		}
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	total := &tally{window: time.Duration(end.Load()), errors: make(map[string]int64)}
	for i := range tallies {
		t := &tallies[i]
		total.latency.merge(&t.latency)
		total.work += t.work
		total.bytes += t.bytes
		for code, n := range t.errors {
			total.errors[code] += n
		}
	}
	return total, nil
}

// drive runs one client.
func (l *load) drive(ctx context.Context, i int, begin time.Time, end *atomic.Int64, t *tally, stop func()) {
	next, done := l.newStep(i)
	defer done()
	t.errors = make(map[string]int64)
	for start := time.Now(); ctx.Err() == nil && int64(start.Sub(begin)) < end.Load(); {
		n, err := next(ctx)
		now := time.Now()
		if err == errExhausted {
			stop()
			return
		}
		if part := overlap(start.Sub(begin), now.Sub(begin), time.Duration(end.Load())); part > 0 && err == nil {
			t.latency.add(now.Sub(start))
			t.work += part
			t.bytes += part * float64(n)
		} else if part > 0 {
			t.errors[failureCode(err)]++
		}
		if err != nil && failureCode(err) == codeConnect {
			wait(ctx, retryPause, nil)
			now = time.Now()
		}
		start = now
	}
}

// overlap returns the part of an operation from start to stop that lies in the
// window from 0 to end.
func overlap(start, stop, end time.Duration) float64 {
	from, to := max(start, 0), min(stop, end)
	if to <= from {
		return 0
	}
	return float64(to-from) / float64(stop-start)
}

func failureCode(err error) string {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.code
	}
	return err.Error()
}

// wait waits for a duration, for ctx or for a channel.
func wait(ctx context.Context, d time.Duration, or <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-or:
	case <-ctx.Done():
	}
}
