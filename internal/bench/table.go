package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
)

// A column is one measurement of the table.
type column struct {
	name, title string
	op          string
	size        size
	clients     int
}

// objectColumns are measured for every encryption.
var objectColumns = []column{
	{"put-4KiB", "PUT 4K", "put", 4 * kib, 16},
	{"get-4KiB", "GET 4K", "get", 4 * kib, 16},
	{"put-1MiB", "PUT 1M", "put", mib, 16},
	{"get-1MiB", "GET 1M", "get", mib, 16},
	{"put-64MiB", "PUT 64M", "put", 64 * mib, 4},
	{"get-64MiB", "GET 64M", "get", 64 * mib, 4},
}

// otherColumns are measured without and with a KMS key.
var otherColumns = []column{
	{"put-alone", "PUT 4K, 1 client", "put", 4 * kib, 1},
	{"get-alone", "GET 4K, 1 client", "get", 4 * kib, 1},
	{"head", "HEAD, 16 clients", "head", 4 * kib, 16},
	{"list", "LIST V2, 1,000 keys, 4 clients", "list", 0, 4},
	{"range", "range 64 KiB of 64 MiB, 16 clients", "range", 64 * mib, 16},
	{"multipart", "multipart 64 MiB, parts of 16 MiB, 4 clients", "multipart", 64 * mib, 4},
	{"mixed", "mixed 70/30, 16 KiB, 16 clients", "mixed", 16 * kib, 16},
	{"delete", "DELETE, 16 clients", "delete", 4 * kib, 16},
}

// keyColumns are measured on the KMS API.
var keyColumns = []column{
	{"generate-1", "GenerateDataKey", "kms-generate", 0, 1},
	{"generate-16", "GenerateDataKey", "kms-generate", 0, 16},
	{"generate-64", "GenerateDataKey", "kms-generate", 0, 64},
	{"decrypt-1", "Decrypt", "kms-decrypt", 0, 1},
	{"decrypt-16", "Decrypt", "kms-decrypt", 0, 16},
	{"decrypt-64", "Decrypt", "kms-decrypt", 0, 64},
}

// A results is everything that the table shows: the object that --table --json
// prints.
type results struct {
	Machine []limit     `json:"machine,omitempty"`
	Objects []resultRow `json:"objects,omitempty"`
	Other   []resultRow `json:"other,omitempty"`
	Keys    []resultRow `json:"kms,omitempty"`
	Starts  []startRow  `json:"starts,omitempty"`
	Lists   []listRow   `json:"lists,omitempty"`
	Notes   []string    `json:"notes,omitempty"` // what could not be measured, and why
}

// A resultRow is the measurements of one encryption.
type resultRow struct {
	Scheme string             `json:"scheme"`
	SSE    string             `json:"sse,omitempty"`
	Idle   int64              `json:"idleBytes,omitempty"` // resident before the row
	Peak   int64              `json:"peakBytes,omitempty"` // resident at most
	Cells  map[string]*report `json:"measurements"`
}

// A startRow is one start of the server.
type startRow struct {
	Name         string  `json:"name"`
	Milliseconds float64 `json:"milliseconds"` // until the ready line
	Resident     int64   `json:"residentBytes"`
}

// A listRow is one walk over all pages of a bucket by one client.
type listRow struct {
	Objects       int64   `json:"objects"`
	KeysPerSecond float64 `json:"keysPerSecond"`
	P50           float64 `json:"p50Milliseconds"`           // of a page
	P99           float64 `json:"p99Milliseconds"`           // of a page
	First         float64 `json:"firstTenthP50Milliseconds"` // of the first tenth of the pages
	Last          float64 `json:"lastTenthP50Milliseconds"`
}

// A table fills the results.
type table struct {
	o        *options
	only     *regexp.Regexp
	dir      string
	program  string
	getenv   func(string) string
	progress io.Writer
	results  results
}

// runTable measures everything and prints it. What fails is left out and noted.
func runTable(ctx context.Context, o *options, stdout, stderr io.Writer, getenv func(string) string) error {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return usageError(fmt.Sprintf("--only: %v", err))
	}
	t := &table{o: o, only: only, program: o.server, getenv: getenv, progress: stderr}
	if t.program == "" && o.endpoint == "" {
		if t.program, err = os.Executable(); err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
	}
	if t.dir, err = os.MkdirTemp(o.dir, "coffer-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(t.dir)
	err = t.measure(ctx)
	if o.json {
		return errors.Join(err, writeJSON(stdout, &t.results))
	}
	t.results.writeMarkdown(stdout)
	return err
}

func (t *table) measure(ctx context.Context) error {
	if t.wanted("machine") {
		t.say("the machine")
		t.results.Machine = machineLimits(ctx, t.dir, limitTime)
	}
	if t.o.endpoint != "" {
		e, err := loadEnvironment(t.o, t.getenv)
		if err != nil {
			return err
		}
		t.objects(ctx, e, t.o.serverPID, "none", "s3", "kms", "c", "dsse")
		t.other(ctx, e, t.o.serverPID)
		t.keys(ctx, e, t.o.serverPID)
		t.lists(ctx, e)
		return ctx.Err()
	}
	for _, phase := range []struct {
		data string
		args []string
		fn   func(e *environment, pid int)
	}{
		{"http", nil, func(e *environment, pid int) {
			t.objects(ctx, e, pid, "none", "s3", "kms", "c", "dsse")
			t.other(ctx, e, pid)
			t.keys(ctx, e, pid)
		}},
		{"https", []string{"--tls-self-signed"}, func(e *environment, pid int) { t.objects(ctx, e, pid, "none", "c") }},
	} {
		if !t.wantedPhase(phase.data) {
			continue
		}
		err := t.withServer(ctx, filepath.Join(t.dir, phase.data), phase.args, func(c *child, e *environment) error {
			phase.fn(e, c.cmd.Process.Pid)
			return nil
		})
		if err != nil {
			return err
		}
	}
	if t.wanted("start") || t.wanted("list") {
		return t.starts(ctx)
	}
	return ctx.Err()
}

// withServer runs fn while a server runs on a data directory, and removes the
// directory after.
func (t *table) withServer(ctx context.Context, data string, args []string, fn func(*child, *environment) error) error {
	defer os.RemoveAll(data)
	c, err := t.start(ctx, data, args...)
	if err != nil {
		return err
	}
	e, err := c.environment()
	if err == nil {
		err = fn(c, e)
	}
	return errors.Join(err, c.stop(), ctx.Err())
}

func (t *table) start(ctx context.Context, data string, args ...string) (*child, error) {
	return startChild(ctx, t.program, data, append([]string{"--log-level", "warn"}, args...)...)
}

// wanted reports whether --only lets a row be measured.
func (t *table) wanted(name string) bool { return t.only.MatchString(name) }

// wantedPhase reports whether any row of a server of that scheme is wanted.
func (t *table) wantedPhase(scheme string) bool {
	for _, m := range modes {
		for _, c := range objectColumns {
			if t.wanted("objects/" + scheme + "/" + m.name + "/" + c.name) {
				return true
			}
		}
		for _, c := range otherColumns {
			if scheme == "http" && t.wanted("other/"+m.name+"/"+c.name) {
				return true
			}
		}
	}
	for _, c := range keyColumns {
		if scheme == "http" && t.wanted("kms/"+c.name) {
			return true
		}
	}
	return false
}

// say reports progress.
func (t *table) say(format string, args ...any) {
	fmt.Fprintf(t.progress, "coffer bench: "+format+"\n", args...)
}

// note keeps why something is missing.
func (t *table) note(name string, err error) {
	t.say("%s: %v", name, err)
	t.results.Notes = append(t.results.Notes, name+": "+err.Error())
}

// objects measures puts and gets in each encryption.
func (t *table) objects(ctx context.Context, e *environment, pid int, sse ...string) {
	for _, mode := range sse {
		if row := t.row(ctx, e, pid, "objects/"+e.s3.Scheme+"/"+mode+"/", mode, objectColumns); row != nil {
			t.results.Objects = append(t.results.Objects, *row)
		}
	}
}

// other measures the other operations on objects.
func (t *table) other(ctx context.Context, e *environment, pid int) {
	for _, mode := range []string{"none", "kms"} {
		if row := t.row(ctx, e, pid, "other/"+mode+"/", mode, otherColumns); row != nil {
			t.results.Other = append(t.results.Other, *row)
		}
	}
}

// keys measures calls of KMS.
func (t *table) keys(ctx context.Context, e *environment, pid int) {
	if row := t.row(ctx, e, pid, "kms/", "kms", keyColumns); row != nil {
		row.SSE = ""
		t.results.Keys = append(t.results.Keys, *row)
	}
}

// row measures the columns that are wanted, with one KMS key if they need one. It
// returns nil if there are none.
func (t *table) row(ctx context.Context, e *environment, pid int, prefix, mode string, columns []column) *resultRow {
	row := &resultRow{Scheme: e.s3.Scheme, SSE: mode, Cells: make(map[string]*report)}
	o := *t.o
	o.sse, o.serverPID = mode, pid
	begun := false
	for _, c := range columns {
		if !t.wanted(prefix+c.name) || ctx.Err() != nil {
			continue
		}
		if !begun {
			begun = true
			if pid != 0 {
				resetPeak(pid)
				row.Idle, _ = residentSize(pid)
			}
			if mode == "kms" || mode == "dsse" {
				k, err := openKeys(ctx, e, &o)
				if err != nil {
					t.note(prefix, err)
					break
				}
				defer k.close(ctx, &o)
				o.kmsKey = k.key
			}
		}
		o.op, o.size, o.clients = c.op, c.size, c.clients
		r, err := measure(ctx, e, o, rand.Reader)
		if err != nil {
			t.note(prefix+c.name, err)
		}
		if r == nil {
			continue
		}
		row.Cells[c.name] = r
		t.say("%-32s %s/s, %s MiB/s, p50 %s ms, p99 %s ms, %d errors", prefix+c.name, figure(r.OperationsPerSecond),
			figure(r.MiBPerSecond), figure(r.Latency.P50), figure(r.Latency.P99), r.Errors)
	}
	if pid != 0 {
		_, row.Peak = residentSize(pid)
	}
	if len(row.Cells) == 0 {
		return nil
	}
	return row
}
