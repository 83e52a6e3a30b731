package conformance

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"
)

// soak reports whether the long runs were asked for.
func soak() bool { return os.Getenv("COFFER_SOAK") != "" }

// rounds returns how often a fault is made to happen.
func rounds(normal, ci, long int) int {
	switch {
	case soak():
		return long
	case os.Getenv("CI") != "":
		return ci
	}
	return normal
}

// TestKill kills a server under load, at a random moment, again and again. What
// it acknowledged is there when it is back.
func TestKill(t *testing.T) {
	s := start(t, "--allow-sse-c")
	w := newWorkload(t, s, 6)
	for round := range rounds(10, 50, 500) {
		w.during(s, 100*time.Millisecond+rand.N(700*time.Millisecond), s.kill)
		if round%4 == 3 {
			killDuringStart(t, s.dir)
		}
		s = startAt(t, s.dir, "--allow-sse-c")
		w.verify(s)
		if t.Failed() {
			t.Fatalf("round %d of the kills", round)
		}
	}
	t.Logf("%d changes acknowledged, %d in doubt", w.acks.Load(), w.doubts.Load())
	s.stop()
	fsck(t, s.dir)
}

// killDuringStart kills a server while it recovers what an earlier one left.
func killDuringStart(t testing.TB, dir string) {
	t.Helper()
	cmd := exec.Command(binary, "serve", "--data", dir, "--listen", "127.0.0.1:0")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(rand.N(120 * time.Millisecond))
	cmd.Process.Kill()
	cmd.Wait()
}

// fsck checks a data directory that no server has open.
func fsck(t testing.TB, dir string) {
	t.Helper()
	cmd := exec.Command(binary, "fsck", "--data", dir)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() == 3 && len(out) == 0 {
		t.Log("coffer fsck does nothing in this build")
		return
	}
	if err != nil {
		t.Errorf("coffer fsck: %v\n%s", err, out)
	}
}
