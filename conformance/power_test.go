package conformance

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPowerCut takes the file system away from a server under load as a loss
// of power does, again and again: nothing that was not synced survives. What
// the server acknowledged is there when it is back.
func TestPowerCut(t *testing.T) {
	kinds := []string{"ext4"}
	if soak() {
		kinds = append(kinds, "xfs")
	}
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			v := newVolume(t, kind, 4096) // with what the collector has not removed yet
			s := startAt(t, v.data(), "--allow-sse-c")
			w := newWorkload(t, s, 6)
			for round := range rounds(6, 10, 100) {
				w.during(s, 100*time.Millisecond+rand.N(600*time.Millisecond), func() {
					v.cutUnder(s)
				})
				v.unmount()
				v.mount()
				s = startAt(t, s.dir, "--allow-sse-c")
				w.verify(s)
				if t.Failed() {
					t.Fatalf("round %d of the cuts", round)
				}
			}
			t.Logf("%d changes acknowledged, %d in doubt", w.acks.Load(), w.doubts.Load())
			s.stop()
			fsck(t, s.dir)
			v.unmount()
			v.mount() // for the clean-up
		})
	}
}

// cutUnder cuts the power of a volume and ends the server on it. A sync that is
// in the kernel already could return while the file system goes, and its error
// or its success be answered: so the server is frozen first.
func (v *volume) cutUnder(s *server) {
	v.t.Helper()
	s.cmd.Process.Signal(syscall.SIGSTOP)
	eventually(v.t, 10*time.Second, "the server is frozen", s.isFrozen)
	v.cut()
	s.kill()
}

// isFrozen reports whether no thread of a server runs: each is stopped, or is in
// the kernel and will stop before it returns from there.
func (s *server) isFrozen() bool {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", s.cmd.Process.Pid))
	if err != nil || len(tasks) == 0 {
		return false
	}
	for _, name := range tasks {
		b, err := os.ReadFile(name)
		// The state stands behind the name, which is in parentheses.
		if i := bytes.LastIndexByte(b, ')'); err != nil || i < 0 || i+2 >= len(b) || !strings.ContainsRune("TDt", rune(b[i+2])) {
			return false
		}
	}
	return true
}
