package bench

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// writeMarkdown writes a table for each part that was measured.
func (r *results) writeMarkdown(w io.Writer) {
	var b strings.Builder
	r.machineTable(&b)
	r.objectTables(&b)
	r.otherTable(&b)
	r.keyTable(&b)
	r.startTables(&b)
	if len(r.Notes) > 0 {
		b.WriteString("## Not measured\n\n")
		for _, n := range r.Notes {
			b.WriteString("- " + strings.ReplaceAll(n, "\n", " ") + "\n")
		}
	}
	io.WriteString(w, b.String())
}

// head writes the heading of a table and its first lines.
func head(b *strings.Builder, heading, text string, columns ...string) {
	b.WriteString("## " + heading + "\n\n")
	if text != "" {
		b.WriteString(text + "\n\n")
	}
	line(b, columns...)
	b.WriteString(strings.Repeat("|---", len(columns)) + "|\n")
}

func line(b *strings.Builder, cells ...string) {
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

func (r *results) machineTable(b *strings.Builder) {
	if len(r.Machine) == 0 {
		return
	}
	head(b, "What the machine can do", "", "limit", "", "")
	for _, l := range r.Machine {
		value := thousands(int64(l.Value + 0.5))
		if l.Err != "" {
			value = l.Err
		}
		line(b, l.Name, value, l.Unit)
	}
	b.WriteString("\n")
}

func titles(columns []column) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = c.title
	}
	return out
}

func (r *results) objectTables(b *strings.Builder) {
	if len(r.Objects) == 0 {
		return
	}
	columns := append(append([]string{"mode"}, titles(objectColumns)...), "peak RSS MiB")
	head(b, "Objects", "Operations/s for 4K, MiB/s for 1M and 64M; in brackets server CPU ms per operation. "+
		"16 clients for 4K and 1M, 4 for 64M. Payloads are signed over HTTP and unsigned over HTTPS.", columns...)
	for _, row := range r.Objects {
		cells := []string{row.Scheme + ", " + modeTitle(row.SSE)}
		for _, c := range objectColumns {
			cells = append(cells, row.Cells[c.name].rate(c.size >= mib))
		}
		line(b, append(cells, inMiB(row.Peak))...)
	}
	b.WriteString("\n")
	head(b, "Latency of objects", "p50 / p99, ms", append([]string{"mode"}, titles(objectColumns)...)...)
	for _, row := range r.Objects {
		cells := []string{row.Scheme + ", " + modeTitle(row.SSE)}
		for _, c := range objectColumns {
			cells = append(cells, row.Cells[c.name].latencies())
		}
		line(b, cells...)
	}
	b.WriteString("\n")
}

func (r *results) otherTable(b *strings.Builder) {
	if len(r.Other) == 0 {
		return
	}
	columns := []string{"operation"}
	for _, row := range r.Other {
		columns = append(columns, modeTitle(row.SSE), "p50 / p99 ms")
	}
	head(b, "Other operations", "Operations/s, MiB/s for multipart; in brackets server CPU ms per operation.", columns...)
	for _, c := range otherColumns {
		if !measured(r.Other, c) {
			continue
		}
		cells := []string{c.title}
		for _, row := range r.Other {
			cells = append(cells, row.Cells[c.name].rate(c.op == "multipart"), row.Cells[c.name].latencies())
		}
		line(b, cells...)
	}
	cells := []string{"idle .. peak RSS, MiB"}
	for _, row := range r.Other {
		cells = append(cells, inMiB(row.Idle)+" .. "+inMiB(row.Peak), "")
	}
	line(b, cells...)
	b.WriteString("\n")
}

func (r *results) keyTable(b *strings.Builder) {
	if len(r.Keys) == 0 {
		return
	}
	head(b, "KMS", "In brackets server CPU ms per operation.", "operation", "clients", "operations/s", "p50 / p99 ms")
	for _, row := range r.Keys {
		for _, c := range keyColumns {
			if !measured(r.Keys, c) {
				continue
			}
			line(b, c.title, strconv.Itoa(c.clients), row.Cells[c.name].rate(false), row.Cells[c.name].latencies())
		}
	}
	b.WriteString("\n")
}

func (r *results) startTables(b *strings.Builder) {
	if len(r.Starts) > 0 {
		head(b, "Start", "", "data directory", "ms until ready", "RSS MiB")
		for _, s := range r.Starts {
			line(b, s.Name, figure(s.Milliseconds), inMiB(s.Resident))
		}
		b.WriteString("\n")
	}
	if len(r.Lists) > 0 {
		head(b, "Listing", "One client walks over a bucket in pages of 1,000 keys.",
			"objects", "keys/s", "page p50 / p99 ms", "p50 of the first tenth", "of the last tenth")
		for _, l := range r.Lists {
			line(b, thousands(l.Objects), thousands(int64(l.KeysPerSecond)), figure(l.P50)+" / "+figure(l.P99), figure(l.First), figure(l.Last))
		}
		b.WriteString("\n")
	}
}

// measured reports whether any row has a column.
func measured(rows []resultRow, c column) bool {
	return slices.ContainsFunc(rows, func(r resultRow) bool { return r.Cells[c.name] != nil })
}

const missing = "–"

// rate returns operations/s or MiB/s, the CPU time, and the errors.
func (r *report) rate(inMiB bool) string {
	if r == nil {
		return missing
	}
	s := figure(r.OperationsPerSecond)
	if inMiB {
		s = figure(r.MiBPerSecond)
	}
	if r.ServerCPU > 0 {
		s += " [" + figure(r.ServerCPU) + "]"
	}
	if r.Errors > 0 {
		s += fmt.Sprintf(" (%d errors)", r.Errors)
	}
	return s
}

func (r *report) latencies() string {
	if r == nil {
		return missing
	}
	return figure(r.Latency.P50) + " / " + figure(r.Latency.P99)
}

func inMiB(n int64) string {
	if n == 0 {
		return missing
	}
	return figure(float64(n) / mib)
}

// thousands formats a number with commas.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
