package conformance

import (
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

// properties are the assertions of the model, each by text of its own. The others are
// of STUCK, that there is always a way on.
var properties = map[string]string{
	"SHREDDED":  "&leafOf[ck])==0)",
	"SURVIVORS": "&doomed)!=0)",
	"ONE HEAD":  "]==at[(",
	"ROWS":      "assertion violated some",
	"GONE":      "||(rowEpoch!=num[st])",
	"BOUND":     "(attempts<",
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
	replay := run("./pan", "-r")
	at := regexp.MustCompile(`\(Node\)  m\.pml:(\d+)`).FindAllStringSubmatch(replay, -1)
	m.violated = "STUCK"
	for property, text := range properties {
		if strings.Contains(out, text) {
			m.violated = property
		}
	}
	for _, l := range at {
		m.where += " line " + l[1]
	}
	return m
}
