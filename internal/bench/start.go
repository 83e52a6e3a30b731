package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// starts measures how long the server takes to start without and with objects,
// and lists the objects while they are there.
func (t *table) starts(ctx context.Context) error {
	data := filepath.Join(t.dir, "start")
	defer os.RemoveAll(data)
	for _, name := range []string{"no objects, first start", "no objects"} {
		if !t.wanted("start") {
			continue
		}
		if err := t.startOnce(ctx, data, name, (*child).stop, nil); err != nil {
			return err
		}
	}
	var from int64
	for _, n := range t.counts() {
		if !t.wanted("list") && n > t.startCount() {
			continue
		}
		err := t.startOnce(ctx, data, "", killed, func(e *environment) (err error) {
			from, err = t.grow(ctx, e, from, n)
			return err
		})
		if err != nil {
			return err
		}
		if n < t.startCount() || !t.wanted("start") {
			continue
		}
		for _, name := range []string{thousands(n) + " objects, after a crash", thousands(n) + " objects"} {
			if err := t.startOnce(ctx, data, name, (*child).stop, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func killed(c *child) error {
	c.kill()
	return nil
}

// counts are the sizes of the bucket that is listed.
func (t *table) counts() []int64 {
	switch {
	case t.o.quick:
		return []int64{10_000}
	case t.o.full:
		return []int64{10_000, 100_000, 1_000_000}
	}
	return []int64{10_000, 100_000}
}

// startCount is the smallest number of objects with which a start is measured.
func (t *table) startCount() int64 { return min(100_000, t.counts()[len(t.counts())-1]) }

// startOnce starts the server, keeps how long it took under name, unless that is
// empty, calls fn if there is one, and ends the server.
func (t *table) startOnce(ctx context.Context, data, name string, end func(*child) error, fn func(*environment) error) error {
	c, err := t.start(ctx, data)
	if err != nil {
		return err
	}
	if name != "" {
		wait(ctx, settle, nil)
		now, _ := residentSize(c.cmd.Process.Pid)
		row := startRow{Name: name, Milliseconds: round(milliseconds(c.took), 1), Resident: now}
		t.results.Starts = append(t.results.Starts, row)
		t.say("start, %s: %s ms, %s MiB", name, figure(row.Milliseconds), figure(float64(now)/mib))
	}
	if fn != nil {
		var e *environment
		if e, err = c.environment(); err == nil {
			err = fn(e)
		}
	}
	return errors.Join(err, end(c), ctx.Err())
}

// lists fills a bucket at an endpoint in stages and walks over it after each.
func (t *table) lists(ctx context.Context, e *environment) {
	if !t.wanted("list") {
		return
	}
	s, err := t.listSession(ctx, e)
	if err != nil {
		t.note("list", err)
		return
	}
	var from int64
	for _, n := range t.counts() {
		if err = s.fill(ctx, from, n); err == nil {
			err = t.walk(ctx, s, n)
		}
		if err != nil {
			t.note("list/"+thousands(n), err)
			break
		}
		from = n
	}
	if err := s.close(ctx); err != nil {
		t.note("list", err)
	}
}

// listBucket is the bucket that lives through the restarts of the server.
const listBucket = "coffer-bench-list"

func (t *table) listSession(ctx context.Context, e *environment) (*session, error) {
	o := *t.o
	o.op, o.size, o.sse = "list", listedSize, "none"
	if t.o.endpoint == "" {
		o.bucket = listBucket
	}
	s, err := openSession(ctx, e, &o, rand.Reader)
	if err == nil && o.bucket != "" {
		s.prefix = "" // the same keys in each session, and nobody else's
	}
	return s, err
}

// listedSize is the size of the objects that are only counted and listed.
const listedSize = 128

// grow adds objects to the bucket that is listed and walks over it.
func (t *table) grow(ctx context.Context, e *environment, from, to int64) (int64, error) {
	s, err := t.listSession(ctx, e)
	if err != nil {
		return from, err
	}
	t.say("putting %s objects", thousands(to-from))
	began := time.Now()
	if err := s.fill(ctx, from, to); err != nil {
		return from, fmt.Errorf("fill bucket: %w", err)
	}
	t.say("put %s objects of %d bytes in %v", thousands(to-from), listedSize, time.Since(began).Round(time.Millisecond))
	if !t.wanted("list") {
		return to, nil
	}
	return to, t.walk(ctx, s, to)
}

// walk reads all pages of the listing, which has n keys, and keeps the rate.
func (t *table) walk(ctx context.Context, s *session, n int64) error {
	c := newClient(s.s3)
	defer c.close()
	var all, first, last histogram
	pages := (n + pageSize - 1) / pageSize
	tenth := max(pages/10, 1)
	token := ""
	began := time.Now()
	for i := range pages {
		start := time.Now()
		var err error
		if _, token, err = s.page(ctx, c, token); err != nil {
			return fmt.Errorf("list page %d: %w", i+1, err)
		}
		took := time.Since(start)
		all.add(took)
		if i < tenth {
			first.add(took)
		}
		if i >= pages-tenth {
			last.add(took)
		}
		if (token == "") != (i == pages-1) {
			return fmt.Errorf("listing of %d keys ends after page %d of %d", n, i+1, pages)
		}
	}
	half := func(h *histogram) float64 { return round(milliseconds(h.quantile(0.5)), 3) }
	row := listRow{Objects: n, KeysPerSecond: round(float64(n)/time.Since(began).Seconds(), 0), P50: half(&all),
		P99: round(milliseconds(all.quantile(0.99)), 3), First: half(&first), Last: half(&last)}
	t.results.Lists = append(t.results.Lists, row)
	t.say("list %s objects: %s keys/s, p50 %s ms", thousands(n), thousands(int64(row.KeysPerSecond)), figure(row.P50))
	return nil
}
