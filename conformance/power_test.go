package conformance

import (
	"math/rand/v2"
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
			v := newVolume(t, kind, 1024)
			s := startAt(t, v.data(), "--allow-sse-c")
			w := newWorkload(t, s, 6)
			for round := range rounds(6, 10, 100) {
				w.during(s, 100*time.Millisecond+rand.N(600*time.Millisecond), func() {
					// A sync that is in the kernel already could return
					// while the file system goes: it must not be answered.
					s.cmd.Process.Signal(syscall.SIGSTOP)
					v.cut()
					s.kill()
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
