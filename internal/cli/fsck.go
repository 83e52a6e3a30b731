package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"coffer/internal/config"
	"coffer/internal/object"
	"coffer/internal/server"
)

// fsckReport is the --json output of coffer fsck.
type fsckReport struct {
	Findings []server.CheckFinding `json:"findings"`
	Errors   int                   `json:"errors"`
	Warnings int                   `json:"warnings"`
	Repaired int                   `json:"repaired"`
}

func fsck(ctx context.Context, e *environment, args []string) int {
	fs := e.flags("fsck [flags]", "Check a data directory that no server has open: every row, every wrap that may be opened, every\n"+
		"blob and the trail. It first finishes what a crash cut, as a start does. Exits with 1 if damage is left.", `
coffer fsck --data /var/lib/coffer
coffer fsck --data /var/lib/coffer --deep --repair --json`)
	var opts server.CheckOptions
	data := fs.String("data", "./coffer-data", "`directory` to check (COFFER_DATA)")
	fs.BoolVar(&opts.Deep, "deep", false, "open every body whose key is at hand, and compare it with its checksums")
	fs.BoolVar(&opts.Repair, "repair", false, "mend what can be mended without a loss")
	asJSON := fs.Bool("json", false, "print one JSON object")
	var root config.Root
	root.Flags(fs)
	if exit, ok := e.parse(fs, args, 0); !ok {
		return exit
	}
	if err := root.Resolve(fs, e.getenv); err != nil {
		return e.misuse("fsck", err)
	}
	root.Ask = e.ask()
	if v := e.getenv("COFFER_DATA"); v != "" && !fs.Changed("data") {
		*data = v
	}
	cfg := checkConfig(*data)
	cfg.Root = root
	log, err := logger(e.stderr, cfg)
	if err != nil {
		return e.misuse("fsck", err)
	}
	if err := harden(&cfg.Root, log); err != nil {
		return e.failed("fsck", err)
	}
	bar := newProgress(e.stderr)
	opts.Progress = bar.show
	report := fsckReport{Findings: []server.CheckFinding{}}
	err = server.Check(ctx, cfg, opts, log, func(f server.CheckFinding) {
		report.add(f)
		if !*asJSON {
			bar.clear()
			fmt.Fprintln(e.stdout, line(f))
		}
	})
	bar.clear()
	if err != nil {
		return e.failed("fsck", explain(err, cfg))
	}
	if *asJSON {
		enc := json.NewEncoder(e.stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(report); err != nil {
			return e.failed("fsck", err)
		}
	} else {
		fmt.Fprintf(e.stdout, "%d errors, %d warnings, %d repaired\n", report.Errors, report.Warnings, report.Repaired)
	}
	if report.Errors > 0 {
		return exitNegative
	}
	return exitOK
}

// checkConfig returns the settings under which the directory data is opened for a
// check: the defaults.
func checkConfig(data string) *config.Server {
	cfg := new(config.Server)
	cfg.Flags(pflag.NewFlagSet("", pflag.ContinueOnError))
	cfg.Data, cfg.LogLevel = data, "warn"
	return cfg
}

// add counts a finding. What was repaired is no damage any more.
func (r *fsckReport) add(f server.CheckFinding) {
	r.Findings = append(r.Findings, f)
	switch {
	case f.Repaired:
		r.Repaired++
	case f.Severity == string(object.SeverityError):
		r.Errors++
	default:
		r.Warnings++
	}
}

// line is a finding as people read it. Names are quoted: they are others' bytes.
func line(f server.CheckFinding) string {
	var b strings.Builder
	b.WriteString(f.Severity + " " + f.Kind)
	if f.Bucket != "" {
		b.WriteString(" " + strconv.Quote(f.Bucket))
	}
	if f.Key != "" {
		b.WriteString(" " + strconv.Quote(f.Key))
	}
	if f.Version != "" {
		b.WriteString(" version " + f.Version)
	}
	b.WriteString(": " + f.Detail)
	if f.Repaired {
		b.WriteString(" (repaired)")
	}
	return b.String()
}

// A progress shows a line of progress on a terminal, and nothing elsewhere.
type progress struct {
	w     io.Writer
	isTTY bool
	shown time.Time
}

func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	return &progress{w: w, isTTY: ok && term.IsTerminal(int(f.Fd()))}
}

const progressWidth = 40 // characters of the bar

func (p *progress) show(stage string, done, total int64) {
	if !p.isTTY || time.Since(p.shown) < 100*time.Millisecond {
		return
	}
	p.shown = time.Now()
	if total <= 0 {
		fmt.Fprintf(p.w, "\r\x1b[K%s %d", stage, done)
		return
	}
	n := int(progressWidth * min(done, total) / total)
	fmt.Fprintf(p.w, "\r\x1b[K%s [%s%s] %d/%d", stage, strings.Repeat("#", n), strings.Repeat(" ", progressWidth-n), done, total)
}

func (p *progress) clear() {
	if p.isTTY && !p.shown.IsZero() {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = time.Time{}
	}
}
