package conformance

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const modelFile = "../docs/spec/epoch-change.pml"

// fullModel says to check the model within its wider bounds: `make model`.
var fullModel = os.Getenv("COFFER_MODEL") == "full"

// The protocol of the epoch change holds, in every interleaving within the bounds.
func TestModelHolds(t *testing.T) {
	tests := []struct {
		name string
		args string
		full bool // too long for every run
	}{
		{"a directory", "", true},
		{"a directory, one fault", "-DFAULTS=1", true},
		{"a directory, one fault, no restore", "-DFAULTS=1 -DRESTORES=0", false},
		{"a directory, one restore", "-DFAULTS=0", false},
		{"a mirror", "-DMIRROR", true},
		{"a mirror, one fault", "-DMIRROR -DFAULTS=1", true},
		{"a mirror, one fault, no restore", "-DMIRROR -DFAULTS=1 -DRESTORES=0", false},
		{"a split", "-DSPLIT", true},
		{"a split, one fault, no restore", "-DSPLIT -DFAULTS=1 -DRESTORES=0", false},
		{"a mirror of which one is away", "-DMIRROR -DFAULTS=1 -DAWAYS=1 -DRESTORES=0", true},
		{"a split of which one is away", "-DSPLIT -DFAULTS=1 -DAWAYS=1 -DRESTORES=0", true},
		{"two nodes and a directory", "-DNODES=2 -DFAULTS=1 -DRESTORES=0", true},
		{"two nodes and a mirror", "-DMIRROR -DNODES=2 -DFAULTS=1 -DRESTORES=0 -DBROKEN=0", true},
		{"two nodes and a mirror, no fault", "-DMIRROR -DNODES=2 -DFAULTS=0 -DRESTORES=0 -DBROKEN=0", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.full && !fullModel {
				t.Skip("make model checks it")
			}
			m := checkModel(t, strings.Fields(tt.args))
			if m.violated != "" {
				t.Fatalf("%s at %s", m.violated, m.where)
			}
			if m.cut {
				t.Fatal("the search was not completed")
			}
			t.Logf("%s states in %v", m.states, m.took.Round(time.Millisecond))
		})
	}
}

// Without one of its rules the protocol fails, in the property that the rule serves.
func TestModelFailsWithoutARule(t *testing.T) {
	tests := []struct {
		name, args, want string
	}{
		{"old root destroyed before the new one is read back", "-DMUT_READBACK", "SURVIVORS"},
		{"new epoch not proven", "-DMUT_PROOF", "SURVIVORS"},
		{"plan not looked at after a crash", "-DMUT_CHOOSE", "SURVIVORS"},
		{"holders not read before the old root goes", "-DMIRROR -DMUT_CONFIRM", "SURVIVORS"},
		{"receipt before the last holder", "-DMIRROR -DMUT_RECEIPT", "SHREDDED"},
		{"destroying not repeated after a crash", "-DMIRROR -DMUT_RETIRE", "SHREDDED"},
		{"the same with a vault", "-DSPLIT -DMUT_RETIRE", "SHREDDED"},
		{"what was left is not swept", "-DMIRROR -DMUT_SWEEP", "STUCK"},
		{"rows adopt first", "-DMUT_ADOPT", "ROWS"},
		{"rows not reconciled", "-DMUT_RECONCILE -DFAULTS=1 -DBROKEN=0", "GONE"},
		{"holders don't fence", "-DMIRROR -DNODES=2 -DFAULTS=0 -DRESTORES=0 -DBROKEN=0 -DMUT_FENCE", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := checkModel(t, strings.Fields(tt.args))
			if m.violated == "" || tt.want != "" && m.violated != tt.want {
				t.Errorf("violated: %q at %s; want %q", m.violated, m.where, tt.want)
			}
		})
	}
}

// A modelRun is what a check of the model found.
type modelRun struct {
	violated, where string // the property, and the line
	states          string
	cut             bool
	took            time.Duration
}

// checkModel checks the model with spin, until the first violation.
func checkModel(t *testing.T, defines []string) modelRun {
	t.Helper()
	// Optimizing takes longer than the shorter searches.
	optimize := "-O0"
	if fullModel {
		optimize = "-O2"
	}
	spin, gcc := tool(t, "spin"), tool(t, "gcc")
	dir := t.TempDir()
	source, err := os.ReadFile(modelFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "m.pml"), source, 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, tail(string(out), 2000))
		}
		return string(out)
	}
	run(spin, append([]string{"-a"}, append(defines, "m.pml")...)...)
	run(gcc, optimize, "-w", "-DSAFETY", "-DCOLLAPSE", "-DVECTORSZ=2048", "-DMEMLIM=12000", "-o", "pan", "pan.c")
	start := time.Now()
	out := run("./pan", "-m100000", "-n")
	m := modelRun{took: time.Since(start)}
	if s := regexp.MustCompile(`(?m)^ *(\S+) states, stored`).FindStringSubmatch(out); s != nil {
		m.states = s[1]
	}
	switch {
	case strings.Contains(out, "errors: 0"):
		m.cut = strings.Contains(out, "max search depth too small") || strings.Contains(out, "reached -DMEMLIM")
		return m
	case !strings.Contains(out, "assertion violated"):
		m.violated, m.where = "ENDS", tail(out, 2000)
		return m
	}
	trail := run(spin, append([]string{"-t", "-v"}, append(defines, "m.pml")...)...)
	at := regexp.MustCompile(`m\.pml:(\d+), Error: assertion violated`).FindStringSubmatch(trail)
	if at == nil {
		t.Fatalf("the trail shows no assertion:\n%s", tail(trail, 2000))
	}
	m.where = "line " + at[1]
	var n int
	fmt.Sscan(at[1], &n)
	line := bytes.Split(source, []byte("\n"))[n-1]
	if s := regexp.MustCompile(`/\* ([A-Z ]+)`).FindSubmatch(line); s != nil {
		m.violated = strings.TrimSpace(string(s[1]))
	} else {
		m.violated = string(bytes.TrimSpace(line))
	}
	return m
}
