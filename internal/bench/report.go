package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// A report is what one run measured: the object that --json prints.
type report struct {
	Operation           string           `json:"operation"`
	Endpoint            string           `json:"endpoint"`
	SSE                 string           `json:"sse,omitempty"`       // of S3 operations
	Size                int64            `json:"sizeBytes,omitempty"` // of an object
	Clients             int              `json:"concurrency"`
	Seconds             float64          `json:"durationSeconds"` // of the measured window
	Operations          uint64           `json:"operations"`      // that succeeded
	OperationsPerSecond float64          `json:"operationsPerSecond"`
	MiBPerSecond        float64          `json:"mibPerSecond"` // bytes of objects; of answers for list
	Latency             latency          `json:"latencyMilliseconds"`
	ServerCPU           float64          `json:"serverCPUMillisecondsPerOperation,omitempty"` // with --server-pid
	Errors              int64            `json:"errors"`
	ErrorsByCode        map[string]int64 `json:"errorsByCode"`
}

// A latency holds statistics of the operations that succeeded, in milliseconds.
type latency struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Max  float64 `json:"max"`
}

func newReport(o *options, e *environment, t *tally) *report {
	r := &report{Operation: o.op, Endpoint: e.s3.String(), SSE: o.sse, Size: int64(o.size), Clients: o.clients,
		Seconds: round(t.window.Seconds(), 3), Operations: t.latency.n, ErrorsByCode: t.errors}
	if op, _ := findOperation(o.op); op.kms {
		r.Endpoint, r.SSE, r.Size = e.kms.String(), "", 0
	}
	if s := t.window.Seconds(); s > 0 {
		r.OperationsPerSecond = round(t.work/s, 2)
		r.MiBPerSecond = round(t.bytes/mib/s, 2)
	}
	quantile := func(q float64) float64 { return round(milliseconds(t.latency.quantile(q)), 4) }
	r.Latency = latency{Mean: round(milliseconds(t.latency.mean()), 4), P50: quantile(0.5), P90: quantile(0.9),
		P99: quantile(0.99), P999: quantile(0.999), Max: quantile(1)}
	for _, n := range t.errors {
		r.Errors += n
	}
	return r
}

// writeText writes the report for people.
func (r *report) writeText(w io.Writer) {
	var b strings.Builder
	b.WriteString(r.Operation)
	if r.Size > 0 {
		b.WriteString(" " + size(r.Size).String())
	}
	if r.SSE != "" {
		b.WriteString(", sse " + r.SSE)
	}
	fmt.Fprintf(&b, ", %d clients, %.1f s, %s\n", r.Clients, r.Seconds, r.Endpoint)
	fmt.Fprintf(&b, "operations/s  %s\n", figure(r.OperationsPerSecond))
	fmt.Fprintf(&b, "MiB/s         %s\n", figure(r.MiBPerSecond))
	fmt.Fprintf(&b, "latency ms    p50 %s  p90 %s  p99 %s  p99.9 %s  max %s  mean %s\n", figure(r.Latency.P50), figure(r.Latency.P90),
		figure(r.Latency.P99), figure(r.Latency.P999), figure(r.Latency.Max), figure(r.Latency.Mean))
	if r.ServerCPU > 0 {
		fmt.Fprintf(&b, "server CPU    %s ms per operation\n", figure(r.ServerCPU))
	}
	fmt.Fprintf(&b, "errors        %d", r.Errors)
	for _, code := range slices.Sorted(maps.Keys(r.ErrorsByCode)) {
		fmt.Fprintf(&b, "  %s %d", code, r.ErrorsByCode[code])
	}
	b.WriteString("\n")
	io.WriteString(w, b.String())
}

// writeJSON writes one object on lines of its own.
func writeJSON(w io.Writer, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// figure formats a number with about three significant digits.
func figure(v float64) string {
	switch {
	case v >= 99.95 || v == 0:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995:
		return fmt.Sprintf("%.1f", v)
	case v >= 0.9995:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// round keeps some digits after the point, so that the JSON is readable.
func round(v float64, digits int) float64 {
	p := math.Pow10(digits)
	return math.Round(v*p) / p
}
