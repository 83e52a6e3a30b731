package trail

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"coffer/internal/meta/mem"
)

func TestFlushTiming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{Store: mem.New()}
		tr := open(t, store, func(c *Config) { c.FlushEvery = 0 })
		defer tr.Close(t.Context())
		read(t, tr, "a")
		time.Sleep(999 * time.Millisecond)
		synctest.Wait()
		whole(t, store, 0, 0, 0)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		whole(t, store, 1, 0, 0)

		before := store.updates.Load()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := store.updates.Load(); n != before {
			t.Errorf("%d transactions in an idle minute; want none", n-before)
		}
	})
}

// TestFullChunkIsWrittenAtOnce: a busy node does not wait for the second.
func TestFullChunkIsWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{Store: mem.New()}
		tr := open(t, store, nil)
		defer tr.Close(t.Context())
		for range chunkEvents {
			read(t, tr, "a")
		}
		synctest.Wait()
		whole(t, store, 0, 0, chunkEvents)
	})
}

func TestSyncReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{Store: mem.New()}
		tr := open(t, store, func(c *Config) { c.SyncReads = true; c.FlushEvery = time.Second })
		defer tr.Close(context.Background())
		start := time.Now()
		read(t, tr, "a")
		whole(t, store, 0, 0, 1)
		if d := time.Since(start); d != 0 {
			t.Errorf("Append waited %v; want no wait for the flush", d)
		}

		// Waiting callers share one transaction.
		release := make(chan struct{})
		store.before = func() { <-release }
		before := store.updates.Load()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { read(t, tr, "b") })
		}
		synctest.Wait()
		close(release)
		wg.Wait()
		if n := store.updates.Load() - before; n > 2 {
			t.Errorf("50 waiting events took %d transactions; want at most 2", n)
		}

		// A store that fails is an error for those that wait and those that come.
		store.fail.Store(true)
		for i := range 2 {
			if err := tr.Append(t.Context(), &Event{}); !errors.Is(err, ErrUnavailable) || !errors.Is(err, errDisk) {
				t.Errorf("Append %d on a failing store = %v; want ErrUnavailable and the cause", i, err)
			}
		}
		if n := len(tr.pending); n != 1 {
			t.Errorf("%d events wait; want the one whose flush failed", n)
		}
		store.fail.Store(false)
		time.Sleep(time.Second)
		synctest.Wait()
		read(t, tr, "c")

		// A caller that gives up does not take its event along.
		hold := make(chan struct{})
		store.before = func() { <-hold }
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := tr.Append(ctx, &Event{Name: "d"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Append = %v; want the deadline", err)
		}
		close(hold)
		synctest.Wait()
		if err := tr.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		whole(t, store, 1+50+1+1+1, 0, 0)
	})
}

func TestFailingStore(t *testing.T) {
	tests := []struct {
		name   string
		bound  func(*Config)
		agent  string
		accept int
	}{
		{"events", func(c *Config) { c.MaxPendingEvents = 10 }, "", 10},
		{"bytes", func(c *Config) { c.MaxPendingBytes = 10_000 }, strings.Repeat("a", 800), 8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var logged bytes.Buffer
				store := &faulty{Store: mem.New()}
				tr := open(t, store, func(c *Config) {
					tt.bound(c)
					c.FlushEvery = time.Second
					c.Log = slog.New(slog.NewTextHandler(&logged, nil))
				})
				defer tr.Close(context.Background())
				store.fail.Store(true)
				accepted := 0
				for range 30 {
					err := tr.Append(t.Context(), &Event{UserAgent: tt.agent})
					switch {
					case err == nil:
						accepted++
					case !errors.Is(err, ErrUnavailable):
						t.Errorf("Append = %v; want ErrUnavailable", err)
					}
					time.Sleep(time.Second)
				}
				if accepted != tt.accept {
					t.Errorf("%d events accepted by a failing store; want %d", accepted, tt.accept)
				}
				if n := strings.Count(logged.String(), "trail can't be written"); n != 1 {
					t.Errorf("the failure is logged %d times; want once:\n%s", n, &logged)
				}
				store.fail.Store(false)
				time.Sleep(time.Second)
				synctest.Wait()
				if err := tr.Append(t.Context(), &Event{}); err != nil {
					t.Errorf("Append after the store healed = %v", err)
				}
				flush(t, tr)
				whole(t, store, uint64(tt.accept)+1, 0, 0)
				if tr.pendingBytes != 0 {
					t.Errorf("%d bytes are counted as pending; want 0", tr.pendingBytes)
				}
				if !strings.Contains(logged.String(), "trail is written again") {
					t.Errorf("the recovery is not logged:\n%s", &logged)
				}
			})
		})
	}
}

func TestCloseSaysWhatIsLost(t *testing.T) {
	store := &faulty{Store: mem.New()}
	tr := open(t, store, nil)
	read(t, tr, "a")
	read(t, tr, "b")
	store.fail.Store(true)
	if err := tr.Close(t.Context()); !errors.Is(err, errDisk) || !strings.Contains(err.Error(), "2 events lost") {
		t.Errorf("Close = %v; want 2 events lost and the cause", err)
	}
	if _, err := New(t.Context(), Config{Store: store, Node: node}); err != nil {
		t.Errorf("New on a store that needs no write = %v", err)
	}
}
