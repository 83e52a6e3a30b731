package bench

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"maps"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var update = flag.Bool("update", false, "write the golden files")

// sleeper returns a load whose operations take 10 ms and fail every tenth time.
func sleeper() *load {
	return &load{clients: 4, warmup: time.Second, duration: 2 * time.Second, newStep: func(client int) (step, func()) {
		n := 0
		return func(context.Context) (int64, error) {
			n++
			time.Sleep(10 * time.Millisecond)
			if n%10 == 0 {
				return 0, &failure{code: "SlowDown"}
			}
			return 1000, nil
		}, func() {}
	}}
}

func TestRunCountsTheWindowOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := sleeper()
		var probes []time.Duration
		began := time.Now()
		l.probe = func() { probes = append(probes, time.Since(began)) }
		got, err := l.run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// 4 clients, 100 operations/s each, for 2 s.
		if n := got.latency.n; n != 720 {
			t.Errorf("%d operations, want 720", n)
		}
		if n := got.errors["SlowDown"]; n != 80 || len(got.errors) != 1 {
			t.Errorf("errors %v, want 80 SlowDown", got.errors)
		}
		if got.work != 720 || got.bytes != 720_000 || got.latency.max != 10*time.Millisecond || got.window != 2*time.Second {
			t.Errorf("work %v, bytes %v, max %v, window %v", got.work, got.bytes, got.latency.max, got.window)
		}
		if len(probes) != 2 || probes[0] != time.Second || probes[1] != 3*time.Second {
			t.Errorf("probed at %v, want the begin and the end of the window", probes)
		}
	})
}

func TestRunCountsParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Operations of 3 s in a window from 1 s to 3 s: each client has one,
		// two thirds of which lie in it.
		l := &load{clients: 3, warmup: time.Second, duration: 2 * time.Second, newStep: func(int) (step, func()) {
			return func(context.Context) (int64, error) {
				time.Sleep(3 * time.Second)
				return 30, nil
			}, func() {}
		}}
		got, err := l.run(t.Context())
		if err != nil || got.latency.n != 3 || math.Abs(got.work-2) > 1e-9 || math.Abs(got.bytes-60) > 1e-9 || got.latency.max != 3*time.Second {
			t.Errorf("run() = %d operations, work %v, bytes %v, %v; want 3, 2, 60", got.latency.n, got.work, got.bytes, err)
		}
	})
}

func TestRunEndsWhenExhausted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left atomic.Int64
		left.Store(100)
		closed := atomic.Int64{}
		l := &load{clients: 5, duration: time.Hour, newStep: func(int) (step, func()) {
			return func(context.Context) (int64, error) {
				if left.Add(-1) < 0 {
					return 0, errExhausted
				}
				time.Sleep(time.Second)
				return 0, nil
			}, func() { closed.Add(1) }
		}}
		got, err := l.run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got.latency.n != 100 || got.window != 20*time.Second || closed.Load() != 5 {
			t.Errorf("%d operations in %v, %d clients closed; want 100 in 20s, 5 closed", got.latency.n, got.window, closed.Load())
		}
	})
}

func TestRunStopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := sleeper().run(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 1600*time.Millisecond {
			t.Errorf("run() = %v after %v", err, time.Since(began))
		}
	})
}

func TestRunPausesWhenNobodyListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &load{clients: 1, duration: time.Second, newStep: func(int) (step, func()) {
			return func(context.Context) (int64, error) { return 0, &failure{code: codeConnect} }, func() {}
		}}
		got, err := l.run(t.Context())
		if err != nil || got.errors[codeConnect] > 11 {
			t.Errorf("errors %v, %v; want about 10 in a second", got.errors, err)
		}
	})
}

// goldenReport is made of simulated operations, so every figure is known.
func goldenReport(t *testing.T) *report {
	var r *report
	synctest.Test(t, func(t *testing.T) {
		tally, err := sleeper().run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse("http://127.0.0.1:7070")
		r = newReport(&options{op: "put", sse: "kms", size: 4096, clients: 4}, &environment{s3: u, kms: u}, tally)
		r.ServerCPU = 0.125
	})
	return r
}

func TestReport(t *testing.T) {
	var json, text bytes.Buffer
	r := goldenReport(t)
	if err := writeJSON(&json, r); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.json", json.Bytes())
	r.writeText(&text)
	golden(t, "report.txt", text.Bytes())
	doc, err := os.ReadFile("../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), json.String()) {
		t.Error("docs/performance.md does not show the object of testdata/report.json")
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs:\n%s", file, got)
	}
}

func TestMarkdown(t *testing.T) {
	r := goldenReport(t)
	clean := *r
	clean.Errors = 0
	cells := map[string]*report{}
	for _, c := range append(append(append([]column{}, objectColumns...), otherColumns...), keyColumns...) {
		cells[c.name] = &clean
	}
	partial := maps.Clone(cells)
	partial["put-4KiB"] = r
	delete(partial, "get-64MiB")
	res := results{
		Machine: []limit{{Name: "MD5, one core", Value: 639.4, Unit: "MiB/s"}, {Name: "direct", Unit: "MiB/s", Err: "not here"}},
		Objects: []resultRow{{Scheme: "http", SSE: "none", Peak: 70 * mib, Cells: cells}, {Scheme: "https", SSE: "c", Cells: partial}},
		Other:   []resultRow{{SSE: "none", Idle: 40 * mib, Peak: 70 * mib, Cells: cells}, {SSE: "kms", Cells: cells}},
		Keys:    []resultRow{{Cells: cells}},
		Starts:  []startRow{{"no objects", 123.4, 38 * mib}},
		Lists:   []listRow{{1_000_000, 123456, 1.5, 12, 1.4, 1.6}},
		Notes:   []string{"https/c/get-64MiB: gone"},
	}
	var b bytes.Buffer
	res.writeMarkdown(&b)
	golden(t, "table.md", b.Bytes())
}
