package conformance

import (
	"bytes"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Sizes of the objects that fill a volume: one is a blob, the other lies in a
// row.
const (
	filler    = 300 << 10
	rowFiller = 32 << 10
)

func fillerKey(i int) string { return fmt.Sprintf("/%s/filler-%d", wlPlain, i) }

// fill puts objects of a size until the server refuses one, checks how it does,
// and returns how many it took.
func (s *server) fill(size int) int {
	s.t.Helper()
	for i := range 20000 {
		a := s.send("PUT", fillerKey(i), random(uint64(i), size))
		if a.status == http.StatusOK {
			continue
		}
		if a.status != http.StatusServiceUnavailable || a.code != "ServiceUnavailable" {
			s.t.Errorf("PUT to a full disk = %d %s; want 503 ServiceUnavailable", a.status, a.code)
		}
		return i
	}
	s.t.Fatal("the disk does not get full")
	return 0
}

// wantFillers checks that objects of fill can be read.
func (s *server) wantFillers(from, to, size int) {
	s.t.Helper()
	for i := from; i < to; i++ {
		if a := s.send("GET", fillerKey(i), nil); a.status != 200 || !bytes.Equal(a.body, random(uint64(i), size)) {
			s.t.Errorf("GET %s = %d %s, %d bytes; want 200 and its bytes", fillerKey(i), a.status, a.code, len(a.body))
			return
		}
	}
}

// wantHealed checks that the server takes changes again, by itself.
func (s *server) wantHealed() {
	s.t.Helper()
	eventually(s.t, 15*time.Second, "the server writes again", func() bool {
		return s.send("PUT", "/"+wlPlain+"/healed-row", []byte("x")).status == 200 &&
			s.send("PUT", "/"+wlPlain+"/healed-blob", random(1, filler)).status == 200
	})
	for _, key := range []string{"/healed-row", "/healed-blob"} {
		if a := s.send("DELETE", "/"+wlPlain+key, nil); a.status != 204 {
			s.t.Errorf("DELETE %s = %d %s; want 204", key, a.status, a.code)
		}
	}
}

// workFor lets the clients of w work on s for a time.
func (w *workload) workFor(s *server, d time.Duration) {
	stop := make(chan struct{})
	time.AfterFunc(d, func() { close(stop) })
	w.run(s, stop)
}

// wantAll checks that a workload is there, now and after the power was cut.
func (v *volume) wantAll(s *server, w *workload, args []string) *server {
	w.t.Helper()
	w.verify(s)
	v.cutUnder(s)
	v.unmount()
	v.mount()
	s = startAt(v.t, s.dir, args...)
	w.verify(s)
	return s
}

// end removes what the workload does not know of, stops the server and leaves
// the volume as its clean-up needs it.
func (v *volume) end(s *server) {
	v.t.Helper()
	s.stop()
	fsck(v.t, s.dir)
	v.unmount()
	v.mount()
}

// TestDiskFull fills the disk. Writes are refused, reads go on, deletes make
// room, and nothing that was acknowledged is lost.
func TestDiskFull(t *testing.T) {
	tests := []struct {
		name string
		size int
		mkfs []string
	}{
		{"blobs", filler, []string{"-m", "0"}},
		{"rows", rowFiller, []string{"-m", "0"}},
		{"inodes", filler, []string{"-m", "0", "-N", "500"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := newVolume(t, "ext4", 320, tt.mkfs...)
			args := []string{"--allow-sse-c", "--dev-clock"}
			s := startAt(t, v.data(), args...)
			w := newWorkload(t, s, 3)
			w.tolerant = true
			w.workFor(s, 300*time.Millisecond)

			n := s.fill(tt.size)
			if n < 20 {
				t.Errorf("%d objects fill the disk; want many", n)
			}
			s.wantFillers(0, n, tt.size)
			w.workFor(s, time.Second)
			for i := range n / 2 { // also a full disk has room to delete
				if a := s.send("DELETE", fillerKey(i), nil); a.status != 204 {
					t.Fatalf("DELETE on a full disk = %d %s; want 204", a.status, a.code)
				}
			}
			s.wantFillers(n/2, n, tt.size)
			s.advance(time.Minute) // what was deleted is removed now
			s.wantHealed()
			for i := n / 2; i < n; i++ {
				s.send("DELETE", fillerKey(i), nil)
			}
			s = v.wantAll(s, w, args)
			v.end(s)
		})
	}
}

// TestDiskTaken lets somebody else take the last byte of the disk, and give it
// back.
func TestDiskTaken(t *testing.T) {
	v := newVolume(t, "ext4", 512, "-m", "0")
	args := []string{"--allow-sse-c"}
	s := startAt(t, v.data(), args...)
	w := newWorkload(t, s, 3)
	w.tolerant = true
	for round := range rounds(2, 2, 20) {
		w.workFor(s, 300*time.Millisecond)
		if a := s.send("PUT", fillerKey(round), random(uint64(round), filler)); a.status != 200 {
			t.Fatalf("PUT = %d %s; want 200", a.status, a.code)
		}
		stop := make(chan struct{})
		done := make(chan struct{})
		go func() { defer close(done); w.run(s, stop) }()
		v.fill()
		for _, size := range []int{1, filler} {
			if a := s.send("PUT", "/"+wlPlain+"/refused", random(1, size)); a.status != 503 || a.code != "ServiceUnavailable" {
				t.Errorf("PUT of %d bytes to a full disk = %d %s; want 503 ServiceUnavailable", size, a.status, a.code)
			}
		}
		s.wantFillers(round, round+1, filler)
		if a := s.send("GET", "/"+wlPlain+"/refused", nil); a.status != 404 {
			t.Errorf("GET of what was refused = %d %s; want 404", a.status, a.code)
		}
		time.Sleep(500 * time.Millisecond)
		v.empty()
		s.wantHealed()
		close(stop)
		<-done
		s.send("DELETE", fillerKey(round), nil)
	}
	s = v.wantAll(s, w, args)
	v.end(s)
}

// TestDiskReadOnly makes the file system read-only under a server, as it makes
// itself after an error.
func TestDiskReadOnly(t *testing.T) {
	v := newVolume(t, "ext4", 384)
	args := []string{"--allow-sse-c"}
	s := startAt(t, v.data(), args...)
	w := newWorkload(t, s, 3)
	w.tolerant = true
	w.workFor(s, 300*time.Millisecond)
	if a := s.send("PUT", fillerKey(0), random(0, filler)); a.status != 200 {
		t.Fatalf("PUT = %d %s; want 200", a.status, a.code)
	}
	v.remount("abort")
	for _, size := range []int{1, filler} {
		if a := s.send("PUT", "/"+wlPlain+"/refused", random(1, size)); a.status != 503 || a.code != "ServiceUnavailable" {
			t.Errorf("PUT of %d bytes to a read-only disk = %d %s; want 503 ServiceUnavailable", size, a.status, a.code)
		}
	}
	w.workFor(s, 500*time.Millisecond)
	s.wantFillers(0, 1, filler)
	s.kill()
	v.unmount()
	exec.Command("/usr/sbin/fsck.ext4", "-p", v.image).Run() // mount says whether it helped
	v.mount()
	s = startAt(t, s.dir, args...)
	s.wantFillers(0, 1, filler)
	s.send("DELETE", fillerKey(0), nil)
	w.verify(s)
	v.end(s)
}

// TestDiskErrors makes system calls of a server fail, all of them or some.
func TestDiskErrors(t *testing.T) {
	tests := []struct {
		name, inject string
		refused      []int // sizes of the bodies that can't be kept
	}{
		{"no sync works", "fsync,fdatasync,sync_file_range:error=EIO", []int{1, filler}},
		{"no sync of a blob works", "fsync:error=EIO", []int{filler}},
		{"no sync of the log works", "fdatasync:error=EIO", []int{1, filler}},
		{"some syncs fail", "fsync,fdatasync:error=EIO:when=3+5", nil},
		{"no write works", "pwrite64,fsync,fdatasync:error=EROFS", []int{1, filler}},
		{"some writes fail", "pwrite64:error=EIO:when=2+7", nil},
	}
	strace := tool(t, "strace")
	v := newVolume(t, "ext4", 512)
	args := []string{"--allow-sse-c"}
	s := startAt(t, v.data(), args...)
	w := newWorkload(t, s, 3)
	w.tolerant = true
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w.t, s.t = t, t
			w.workFor(s, 300*time.Millisecond)
			s.mustPut(t, fillerKey(0), random(0, filler))
			stop, done := make(chan struct{}), make(chan struct{})
			go func() { defer close(done); w.run(s, stop) }()
			burst := s.startBurst()
			detach := attach(t, strace, s, tt.inject)
			for _, size := range tt.refused {
				refused := func() bool {
					a := s.send("PUT", "/"+wlPlain+"/refused", random(1, size))
					return a.status == 503 && a.code == "ServiceUnavailable"
				}
				eventually(t, 10*time.Second, fmt.Sprintf("the server refuses %d bytes", size), refused)
				for range 5 {
					if !refused() {
						t.Errorf("PUT of %d bytes is not refused; want 503 ServiceUnavailable", size)
					}
				}
			}
			s.wantFillers(0, 1, filler)
			time.Sleep(700 * time.Millisecond)
			detach()
			s.wantHealed()
			close(stop)
			<-done
			burst.verify(s)
			s.send("DELETE", "/"+wlPlain+"/refused", nil)
			s.send("DELETE", fillerKey(0), nil)
			s = v.wantAll(s, w, args)
		})
	}
	s.t = t
	v.end(s)
}

// A burst is many uploads at the same time, so that some are half way when the
// disk fails.
type burst struct {
	done sync.WaitGroup
	mu   sync.Mutex
	acks map[string]bool // by key, false for those that were refused; guarded by mu
}

// startBurst puts objects until each client is refused, or has put many.
func (s *server) startBurst() *burst {
	b := &burst{acks: map[string]bool{}}
	for client := range 12 {
		b.done.Go(func() {
			for i := range 60 {
				key := fmt.Sprintf("/%s/burst-%d-%d", wlPlain, client, i)
				a, err := s.trySend("PUT", key, random(1, filler))
				acked := err == nil && a.status == 200
				b.mu.Lock()
				b.acks[key] = acked
				b.mu.Unlock()
				if !acked {
					return
				}
			}
		})
	}
	return b
}

// verify checks that each object of a burst is there whole, or not at all if it
// was refused, and deletes it.
func (b *burst) verify(s *server) {
	s.t.Helper()
	b.done.Wait()
	for key, acked := range b.acks {
		a := s.send("GET", key, nil)
		switch {
		case a.status == 200 && bytes.Equal(a.body, random(1, filler)):
		case a.status == 404 && !acked:
		default:
			s.t.Errorf("GET %s = %d %s, %d bytes; acknowledged %t", key, a.status, a.code, len(a.body), acked)
		}
		if a := s.send("DELETE", key, nil); a.status != 204 {
			s.t.Errorf("DELETE %s = %d %s; want 204", key, a.status, a.code)
		}
	}
}

// attach makes system calls of a running server fail until detach is called.
func attach(t testing.TB, strace string, s *server, inject string) (detach func()) {
	t.Helper()
	calls, _, _ := strings.Cut(inject, ":")
	cmd := exec.Command(strace, "-f", "-q", "-p", strconv.Itoa(s.cmd.Process.Pid), "-e", "trace="+calls, "-e", "inject="+inject, "-o", "/dev/null")
	var out bytes.Buffer
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	select {
	case err := <-exited:
		cannot(t, "strace can't trace the server: %v %s", err, out.String())
	case <-time.After(300 * time.Millisecond):
	}
	return func() {
		cmd.Process.Signal(syscall.SIGINT)
		<-exited
	}
}
