package server

import (
	"context"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"coffer/internal/key"
)

var (
	scaleKeys     = flag.Int("scale.keys", 0, "KMS keys of TestScale; 0 skips it")
	scaleSubjects = flag.Int("scale.subjects", 0, "subject keys of TestScale")
	scaleShreds   = flag.Int("scale.shreds", 10_000, "subject keys that TestScale shreds in one epoch")
)

// TestScale measures keys in their number, on the stores that the server uses: memory,
// cold use, shredding one and shredding many. It asserts that everything opens that
// should, and prints the rest: `make scale` runs it.
func TestScale(t *testing.T) {
	if *scaleKeys == 0 {
		t.Skip("it takes minutes: make scale")
	}
	ctx := t.Context()
	cfg := settings(filepath.Join(t.TempDir(), "data"))
	s, err := Open(ctx, cfg, true, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close(context.Background()) }()
	const account, region = "123456789012", "us-east-1"

	refs := make([]key.Ref, *scaleKeys)
	measure(t, fmt.Sprintf("create %d keys", len(refs)), len(refs), func(i int) error {
		k, err := s.Keys.Create(ctx, key.CreateInput{Account: account, Region: region}, nil)
		if err == nil {
			refs[i] = k.Ref
		}
		return err
	})
	shared, err := s.Keys.Create(ctx, key.CreateInput{Account: account, Region: region, Tags: []key.Tag{{Key: key.TagShredBy, Value: "subject"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	of := func(i int) map[string]string { return map[string]string{"subject": fmt.Sprint(i)} }
	measure(t, fmt.Sprintf("create %d subjects", *scaleSubjects), *scaleSubjects, func(i int) error {
		_, err := s.Keys.Encrypt(ctx, shared.Ref, nil, of(i))
		return err
	})
	t.Logf("resident: %s", resident(t))

	// Cold: the caches hold 100,000 of them, and what is asked for is drawn from all.
	const uses = 20_000
	times := make([]time.Duration, uses)
	blobs := make([][]byte, uses)
	for i := range uses {
		ref := refs[rand.IntN(len(refs))]
		start := time.Now()
		out, err := s.Keys.Encrypt(ctx, ref, []byte("x"), nil)
		if err != nil {
			t.Fatal(err)
		}
		times[i], blobs[i] = time.Since(start), out.Blob
	}
	quantiles(t, "use of a cold key", times)
	if *scaleSubjects > 0 {
		for i := range uses {
			subject := rand.IntN(*scaleSubjects)
			start := time.Now()
			if _, err := s.Keys.Encrypt(ctx, shared.Ref, []byte("x"), of(subject)); err != nil {
				t.Fatal(err)
			}
			times[i] = time.Since(start)
		}
		quantiles(t, "use of a cold subject", times)
	}
	t.Logf("resident: %s", resident(t))

	var one []time.Duration
	for i := range 20 {
		start := time.Now()
		if _, err := s.Keys.Destroy(ctx, refs[i:i+1], nil); err != nil {
			t.Fatal(err)
		}
		one = append(one, time.Since(start))
	}
	quantiles(t, "shred of one key", one)
	refs = refs[20:]

	n := min(*scaleShreds, *scaleSubjects, 1<<30)
	if n > 0 {
		values := make([]string, n)
		for i := range values {
			values[i] = fmt.Sprint(i)
		}
		start := time.Now()
		tombs, err := s.Keys.DestroySubjects(ctx, shared.Ref, values, nil)
		if err != nil || len(tombs) != n {
			t.Fatalf("%d tombstones, %v", len(tombs), err)
		}
		t.Logf("epoch with %d shreds at %d keys and %d subjects: %v", n, *scaleKeys, *scaleSubjects, time.Since(start).Round(time.Millisecond))
		one = one[:0]
		for i := range 20 {
			start := time.Now()
			if _, err := s.Keys.DestroySubjects(ctx, shared.Ref, []string{fmt.Sprint(n + i)}, nil); err != nil {
				t.Fatal(err)
			}
			one = append(one, time.Since(start))
		}
		quantiles(t, "shred of one subject after that", one)
	}
	t.Logf("resident: %s", resident(t))
	t.Logf("root store: %s", treeSize(t, cfg.Data+"/"+rootDir))
	for i := range 1000 {
		subject := n + 20 + rand.IntN(max(1, *scaleSubjects-n-20))
		if *scaleSubjects > n+20 {
			if _, err := s.Keys.Encrypt(ctx, shared.Ref, nil, of(subject)); err != nil {
				t.Fatalf("survivor %d: %v", subject, err)
			}
		}
		if _, err := s.Keys.Encrypt(ctx, refs[rand.IntN(len(refs))], nil, nil); err != nil {
			t.Fatalf("survivor %d: %v", i, err)
		}
	}
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	s, err = Open(ctx, cfg, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("open again: %v", time.Since(start).Round(time.Millisecond))
}

// measure runs fn for 0 to n-1 from 64 goroutines, and prints how fast.
func measure(t *testing.T, what string, n int, fn func(i int) error) {
	t.Helper()
	start := time.Now()
	next := make(chan int)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for i := range next {
				if err := fn(i); err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	took := time.Since(start)
	t.Logf("%s: %v, %.0f/s", what, took.Round(time.Millisecond), float64(n)/took.Seconds())
}

func quantiles(t *testing.T, what string, times []time.Duration) {
	t.Helper()
	slices.Sort(times)
	at := func(q float64) time.Duration { return times[int(q*float64(len(times)-1))].Round(time.Microsecond) }
	t.Logf("%s: p50 %v, p99 %v, max %v", what, at(0.5), at(0.99), at(1))
}

// resident returns what the process holds in memory.
func resident(t *testing.T) string {
	t.Helper()
	runtime.GC()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return strings.TrimSpace(rest)
		}
	}
	return "unknown"
}

// treeSize returns how many bytes the files below dir have.
func treeSize(t *testing.T, dir string) string {
	t.Helper()
	var n int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
