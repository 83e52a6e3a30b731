package conformance

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// dial opens a connection to a server. Connections with different n come from
// different addresses, as one address has too few ports for very many.
func (s *server) dial(n int) net.Conn {
	s.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+n%4))}, Timeout: 20 * time.Second}
	_, address, _ := strings.Cut(s.endpoint, "://")
	conn, err := d.Dial("tcp", address)
	if err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// A slowUpload is a PUT whose body the test sends by hand.
type slowUpload struct {
	net.Conn
	t testing.TB
}

// upload sends the head of a PUT.
func (s *server) upload(n int, key string, size int64) *slowUpload {
	s.t.Helper()
	u := &slowUpload{s.dial(n), s.t}
	u.head(s.newRequest("PUT", "/limits/"+key, nil), size)
	return u
}

func (u *slowUpload) head(req *http.Request, size int64) {
	u.t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", req.Method, req.URL.RequestURI(), req.URL.Host, size)
	req.Header.Write(&b)
	b.WriteString("\r\n")
	u.send(b.Bytes())
}

func (u *slowUpload) send(b []byte) {
	u.t.Helper()
	if _, err := u.Write(b); err != nil {
		u.t.Errorf("send a piece of an upload: %v", err)
	}
}

// answer reads the answer of the server.
func (u *slowUpload) answer(within time.Duration) answer {
	u.t.Helper()
	u.SetReadDeadline(time.Now().Add(within))
	res, err := http.ReadResponse(bufio.NewReader(u), nil)
	if err != nil {
		u.t.Fatalf("answer of an upload: %v", err)
	}
	a, err := readAnswer(u.t, res)
	if err != nil {
		u.t.Fatalf("answer of an upload: %v", err)
	}
	return a
}

func (s *server) makeBucket(name string) {
	s.t.Helper()
	s.mustPut(s.t, "/"+name, nil)
}

// needFiles makes sure that the process may open n files.
func needFiles(t testing.TB, n uint64) {
	t.Helper()
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	if l.Cur >= n {
		return
	}
	l.Cur, l.Max = n, max(l.Max, n)
	// The server inherits the limit, because it was set by hand.
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		cannot(t, "the test needs %d open files (ulimit -n): %v", n, err)
	}
}

// TestManyConnections holds ten thousand idle connections and 256 uploads that
// announce 5 GiB each and send a little. The server stays below 1 GiB and
// serves others.
func TestManyConnections(t *testing.T) {
	const idle, uploads, limit = 10000, 256, 1 << 30
	needFiles(t, idle+2000)
	s := start(t)
	s.makeBucket("limits")
	conns := make([]net.Conn, idle)
	t.Cleanup(func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	})
	var done sync.WaitGroup
	for w := range 8 {
		done.Go(func() {
			for i := w; i < idle; i += 8 {
				c := s.dial(i)
				conns[i] = c
				// One request, so that the connection is idle and not
				// new: a new one must speak within seconds.
				fmt.Fprint(c, "GET /_coffer/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
				res, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
				io.Copy(io.Discard, res.Body)
			}
		})
	}
	done.Wait()
	slow := make([]*slowUpload, uploads)
	for i := range slow {
		slow[i] = s.upload(i, fmt.Sprintf("slow-%d", i), 5<<30)
		defer slow[i].Close()
		slow[i].send(random(uint64(i), 600<<10))
	}
	for range 5 {
		time.Sleep(100 * time.Millisecond)
		for i, u := range slow {
			u.send(random(uint64(i), 100))
		}
		if rss := s.rss(); rss > limit {
			t.Fatalf("RSS = %d MiB; want less than %d", rss>>20, limit>>20)
		}
	}
	t.Logf("RSS with %d idle connections and %d uploads: %d MiB", idle, uploads, s.rss()>>20)
	b := random(1, 1<<20)
	s.mustPut(t, "/limits/normal", b)
	if a := s.send("GET", "/limits/normal", nil); a.status != 200 || !bytes.Equal(a.body, b) {
		t.Errorf("GET beside %d uploads = %d, %d bytes; want 200", uploads, a.status, len(a.body))
	}
	// The idle connections are still served.
	for _, i := range []int{0, idle / 2, idle - 1} {
		fmt.Fprint(conns[i], "GET /_coffer/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
		conns[i].SetReadDeadline(time.Now().Add(10 * time.Second))
		if res, err := http.ReadResponse(bufio.NewReader(conns[i]), nil); err != nil || res.StatusCode != 200 {
			t.Errorf("request on idle connection %d: %v, %v; want 200", i, res, err)
		}
	}
}

// TestMaxRequests fills the slots for requests. One more is told to slow down,
// health is still told, and a slot that gets free is used again.
func TestMaxRequests(t *testing.T) {
	const slots = 4
	s := start(t, "--max-requests", fmt.Sprint(slots))
	s.makeBucket("limits")
	var slow []*slowUpload
	for i := range slots {
		u := s.upload(i, fmt.Sprintf("slow-%d", i), 1000)
		defer u.Close()
		u.send(make([]byte, 500))
		slow = append(slow, u)
	}
	eventually(t, 10*time.Second, "one more request is told to slow down", func() bool {
		a := s.send("GET", "/limits/none", nil)
		return a.status == 503 && a.code == "SlowDown"
	})
	a := s.send("PUT", "/limits/more", []byte("x"))
	if a.status != 503 || a.code != "SlowDown" || a.header.Get("Content-Type") != "application/xml" {
		t.Errorf("PUT beyond --max-requests = %d %s %s; want 503 SlowDown application/xml", a.status, a.code, a.header.Get("Content-Type"))
	}
	if res, err := http.Get(s.endpoint + "/_coffer/health/live"); err != nil || res.StatusCode != 200 {
		t.Errorf("health beyond --max-requests = %v, %v; want 200", res, err)
	}
	slow[0].send(make([]byte, 500))
	if a := slow[0].answer(10 * time.Second); a.status != 200 {
		t.Errorf("upload that went on = %d %s; want 200", a.status, a.code)
	}
	eventually(t, 5*time.Second, "the slot that got free is used", func() bool {
		return s.send("PUT", "/limits/more", []byte("x")).status == 200
	})
}

// TestHeaders sends headers that are too long, and too many.
func TestHeaders(t *testing.T) {
	s := start(t)
	s.makeBucket("limits")
	refused := func(name string, req *http.Request) {
		t.Helper()
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Errorf("%s: %v; want an answer", name, err)
			return
		}
		res.Body.Close()
		if res.StatusCode != 400 && res.StatusCode != 431 {
			t.Errorf("%s = %d; want 400 or 431", name, res.StatusCode)
		}
	}
	refused("a header of 100 KiB", s.newRequest("PUT", "/limits/a", nil, "X-Amz-Meta-Long", strings.Repeat("a", 100<<10)))
	refused("a header of no meaning of 100 KiB", s.newRequest("PUT", "/limits/a", nil, "X-Other", strings.Repeat("a", 100<<10)))
	refused("metadata of 9 KiB", s.newRequest("PUT", "/limits/a", nil, "X-Amz-Meta-Long", strings.Repeat("a", 9<<10)))
	refused("a path of 100 KiB", s.newRequest("GET", "/limits/"+strings.Repeat("a", 100<<10), nil))
	var many []string
	for i := range 3000 {
		many = append(many, fmt.Sprintf("X-Amz-Meta-%d", i), "x")
	}
	refused("3,000 headers", s.newRequest("PUT", "/limits/a", nil, many...))
	s.mustPut(t, "/limits/a", []byte("x"), "X-Amz-Meta-Short", strings.Repeat("a", 1<<10))
}

// TestStall lets a body, and the reader of one, stand still. The server gives
// both up; a body that moves slowly lives on.
func TestStall(t *testing.T) {
	const slots = 8
	s := start(t, "--body-timeout", "1s", "--max-requests", fmt.Sprint(slots))
	s.makeBucket("limits")
	s.mustPut(t, "/limits/large", random(1, 32<<20))

	slow := s.upload(0, "slow", 300<<10)
	defer slow.Close()
	var moving sync.WaitGroup
	moving.Go(func() {
		for range 10 { // 2.5 seconds in all
			slow.send(make([]byte, 30<<10))
			time.Sleep(250 * time.Millisecond)
		}
	})
	for _, sent := range []int{0, 100, 400 << 10} {
		u := s.upload(1, "stalled", 1<<20)
		u.send(make([]byte, sent))
		began := time.Now()
		a := u.answer(10 * time.Second)
		if took := time.Since(began); a.status != 400 || a.code != "RequestTimeout" || took > 4*time.Second {
			t.Errorf("body that stalls after %d bytes = %d %s after %v; want 400 RequestTimeout after 1 s", sent, a.status, a.code, took)
		}
		if _, err := u.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("connection of a body that stalls: %v; want it closed", err)
		}
		u.Close()
	}
	if a := s.send("GET", "/limits/stalled", nil); a.status != 404 {
		t.Errorf("GET of what stalled = %d; want 404", a.status)
	}
	moving.Wait()
	if a := slow.answer(10 * time.Second); a.status != 200 {
		t.Errorf("body that moves slowly = %d %s; want 200", a.status, a.code)
	}

	// Readers that take nothing hold every slot, and lose it.
	for i := range slots {
		u := &slowUpload{s.dial(i), t}
		defer u.Close()
		u.head(s.newRequest("GET", "/limits/large", nil), 0)
	}
	eventually(t, 5*time.Second, "readers hold every slot", func() bool {
		return s.send("GET", "/limits/none", nil).status == 503
	})
	eventually(t, 10*time.Second, "readers that take nothing are given up", func() bool {
		return s.send("PUT", "/limits/after", []byte("x")).status == 200
	})
}

// largeObject is the size of the large object of TestFlatMemory.
const largeObject = 1 << 30

// TestFlatMemory writes and reads an object of 16 MiB and one of 1 GiB: both
// take the same memory.
func TestFlatMemory(t *testing.T) {
	s := start(t)
	s.makeBucket("limits")
	peak := func(size int64) int64 {
		t.Helper()
		for range 2 { // once to fill caches
			s.stream(size)
		}
		return s.peakRSS()
	}
	small := peak(16 << 20)
	s.stream(largeObject)
	large := s.peakRSS()
	t.Logf("peak RSS: %d MiB with 16 MiB objects, %d MiB with one of 1 GiB", small>>20, large>>20)
	const margin = 48 << 20
	if large > small+margin {
		t.Errorf("peak RSS with a 1 GiB object = %d MiB; want at most %d more than with 16 MiB, %d", large>>20, margin>>20, small>>20)
	}
}

// stream puts an object of random bytes and compares what comes back.
func (s *server) stream(size int64) {
	s.t.Helper()
	var key [32]byte
	req := s.newRequest("PUT", "/limits/stream", io.LimitReader(rand.NewChaCha8(key), size))
	req.ContentLength = size
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != 200 {
		s.t.Fatalf("PUT of %d bytes = %v, %v; want 200", size, res, err)
	}
	res.Body.Close()
	res, err = http.DefaultClient.Do(s.newRequest("GET", "/limits/stream", nil))
	if err != nil || res.StatusCode != 200 {
		s.t.Fatalf("GET of %d bytes = %v, %v; want 200", size, res, err)
	}
	defer res.Body.Close()
	want, got, again := rand.NewChaCha8(key), make([]byte, 1<<20), make([]byte, 1<<20)
	for left := size; left > 0; left -= int64(len(got)) {
		want.Read(again)
		if _, err := io.ReadFull(res.Body, got); err != nil || !bytes.Equal(got, again) {
			s.t.Fatalf("GET of %d bytes: %v with %d left; want the bytes", size, err, left)
		}
	}
}

// peakRSS returns the most resident memory that the server had, in bytes.
func (s *server) peakRSS() int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	var kb int64
	fmt.Sscan(rest, &kb)
	return kb << 10
}
