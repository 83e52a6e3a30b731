package server

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"coffer/internal/awserr"
	"coffer/internal/opsapi"
)

// newTestRouter returns the router of a new data directory.
func newTestRouter(t *testing.T, maxRequests int) (*router, *Stack) {
	t.Helper()
	cfg := settings(filepath.Join(t.TempDir(), "data"))
	cfg.Domains, cfg.MaxRequests = []string{"s3.example.com"}, maxRequests
	s := openStack(t, cfg)
	w := newWorker(s)
	return newRouter(s, cfg, newOps(s, cfg, w), w.metrics), s
}

func TestAPI(t *testing.T) {
	router, s := newTestRouter(t, 1)
	const form = "application/x-www-form-urlencoded; charset=utf-8"
	tests := []struct {
		name, method, target string
		host                 string
		signed               string // service in the scope, or ""
		presigned            bool
		header               [2]string
		want                 string
	}{
		{name: "signed for S3", method: "GET", target: "/tour", signed: "s3", want: apiS3},
		{name: "signed for KMS", method: "POST", target: "/", signed: "kms", want: apiKMS},
		{name: "signed for IAM", method: "POST", target: "/", signed: "iam", want: "iam"},
		{name: "signed for the IAM Toolbox", method: "GET", target: "/authorization-details/0001", signed: "iam", want: apiToolbox},
		{name: "that path on a bucket's host", method: "GET", target: "/authorization-details/0001", host: "tour.s3.example.com", signed: "iam", want: "iam"},
		{name: "signed for STS", method: "POST", target: "/", signed: "sts", want: "sts"},
		{name: "signed for Organizations", method: "POST", target: "/", signed: "organizations", want: "organizations"},
		{name: "signed for CloudTrail", method: "POST", target: "/", signed: "cloudtrail", want: "cloudtrail"},
		{name: "signed for Roles Anywhere", method: "POST", target: "/sessions", signed: "rolesanywhere", want: "rolesanywhere"},
		{name: "signed for what is unknown", method: "GET", target: "/", signed: "ec2", want: apiS3},
		{name: "signed for Coffer elsewhere", method: "GET", target: "/tour", signed: "coffer", want: apiS3},
		{name: "the scope wins over the target", method: "POST", target: "/", signed: "kms", header: [2]string{"X-Amz-Target", "AmazonSSM.GetParameter"}, want: apiKMS},
		{name: "presigned", method: "GET", target: "/tour/a", signed: "s3", presigned: true, want: apiS3},
		{name: "presigned for STS", method: "GET", target: "/", signed: "sts", presigned: true, want: "sts"},
		{name: "unsigned", method: "GET", target: "/tour/a", want: apiS3},
		{name: "unsigned KMS", method: "POST", target: "/", header: [2]string{"X-Amz-Target", "TrentService.Encrypt"}, want: apiKMS},
		{name: "unsigned target", method: "POST", target: "/", header: [2]string{"X-Amz-Target", "AmazonSSM.GetParameter"}, want: apiOther},
		{name: "unsigned Query", method: "POST", target: "/", header: [2]string{"Content-Type", form}, want: apiSTS},
		{name: "unsigned Query in the URL", method: "GET", target: "/?Action=AssumeRoleWithWebIdentity", want: apiSTS},
		{name: "a bucket's host with that name", method: "GET", target: "/?Action=x", host: "tour.s3.example.com", want: apiS3},
		{name: "a form to a bucket", method: "POST", target: "/tour", header: [2]string{"Content-Type", form}, want: apiS3},
		{name: "a form to a bucket's host", method: "POST", target: "/", host: "tour.s3.example.com", header: [2]string{"Content-Type", form}, want: apiS3},
		{name: "a bucket's form with files", method: "POST", target: "/", header: [2]string{"Content-Type", "multipart/form-data; boundary=x"}, want: apiS3},
		{name: "health", method: "GET", target: "/_coffer/health/live", want: apiOps},
		{name: "health on the domain itself", method: "GET", target: "/_coffer/health/live", host: "s3.example.com:7070", want: apiOps},
		{name: "a key on a bucket's host", method: "GET", target: "/_coffer/health/live", host: "tour.s3.example.com:7070", want: apiS3},
		{name: "escaped", method: "GET", target: "/%5Fcoffer/clock", want: apiOps},
		{name: "signed for Coffer", method: "POST", target: "/_coffer/dev/clock", signed: "coffer", want: apiOps},
		{name: "a bucket of that beginning", method: "GET", target: "/_coffers", want: apiS3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, tt.target, nil)
			if tt.host != "" {
				r.Host = tt.host
			}
			if tt.header[0] != "" {
				r.Header.Set(tt.header[0], tt.header[1])
			}
			if tt.signed != "" {
				sign(t, s.Dir, tt.signed, r, "")
			}
			if tt.presigned {
				_, rest, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
				credential, _, _ := strings.Cut(rest, ",")
				r.URL.RawQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=" + r.Header.Get("X-Amz-Date") + "&X-Amz-Expires=60" +
					"&X-Amz-SignedHeaders=host&X-Amz-Signature=" + strings.Repeat("0", 64) + "&X-Amz-Credential=" + credential
				r.Header = http.Header{}
			}
			if got := router.api(r); got != tt.want {
				t.Errorf("api = %q; want %q", got, tt.want)
			}
		})
	}
}

func TestSlowDown(t *testing.T) {
	router, s := newTestRouter(t, 1)
	send := func(service, method, target string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, target, nil)
		sign(t, s.Dir, service, r, "")
		w := httptest.NewRecorder()
		router.ServeHTTP(w, r)
		return w
	}
	router.slots <- struct{}{} // a request under way

	w := send("s3", "GET", "/tour")
	var e struct {
		XMLName         xml.Name `xml:"Error"`
		Code, RequestID string
	}
	err := xml.Unmarshal(bytes.Replace(w.Body.Bytes(), []byte("RequestId"), []byte("RequestID"), -1), &e)
	if err != nil || w.Code != 503 || e.Code != "SlowDown" || e.RequestID == "" || e.RequestID != w.Header().Get("X-Amz-Request-Id") {
		t.Errorf("S3 = %d %s; want 503 SlowDown with its request ID", w.Code, w.Body)
	}
	w = send("kms", "POST", "/")
	var k struct {
		Type string `json:"__type"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &k); err != nil || w.Code != 503 || k.Type != "KMSInternalException" {
		t.Errorf("KMS = %d %s; want 503 KMSInternalException", w.Code, w.Body)
	}
	// Its body was not read, so the connection can't serve another request.
	if got := w.Header().Get("Connection"); got != "close" {
		t.Errorf("Connection = %q; want close", got)
	}
	if w := send("coffer", "GET", "/_coffer/health/live"); w.Code != 200 {
		t.Errorf("health = %d; want 200 while no other request can be served", w.Code)
	}

	<-router.slots
	for range 2 { // each gives its slot back
		if w := send("s3", "GET", "/tour"); w.Code != 404 {
			t.Errorf("S3 with a free slot = %d %s; want 404", w.Code, w.Body)
		}
	}
	if w := send("coffer", "GET", "/_coffer/metrics"); !strings.Contains(w.Body.String(), `coffer_requests_total{api="s3",operation="SlowDown",status="503"} 1`) {
		t.Error("metrics do not count SlowDown")
	}
}

func TestRequestsOfEachAPI(t *testing.T) {
	router, s := newTestRouter(t, 1)
	tests := []struct {
		name, service, method, target, amzTarget, body string
		status                                         int
		want                                           string // in the body
	}{
		{"S3", "s3", "GET", "/", "", "", 200, "ListAllMyBucketsResult"},
		{"KMS", "kms", "POST", "/", "TrentService.ListKeys", "{}", 200, `"Keys":[]`},
		{"IAM", "iam", "GET", "/?Action=ListUsers&Version=2010-05-08", "", "", 200, "<ListUsersResult><Users></Users><IsTruncated>false</IsTruncated></ListUsersResult>"},
		{"a service that is not built", "cloudtrail", "POST", "/", "", "Action=ListUsers", 501, "<Code>NotImplemented</Code>"},
		{"Coffer", "coffer", "GET", opsapi.Prefix + "clock", "", "", 200, `"now"`},
		{"KMS signed for S3", "s3", "POST", "/", "TrentService.ListKeys", "{}", 405, "MethodNotAllowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, tt.target, strings.NewReader(tt.body))
			if tt.amzTarget != "" {
				r.Header.Set("X-Amz-Target", tt.amzTarget)
				r.Header.Set("Content-Type", "application/x-amz-json-1.1")
			}
			sign(t, s.Dir, tt.service, r, tt.body)
			w := httptest.NewRecorder()
			router.ServeHTTP(w, r)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("answer = %d %s; want %d with %s", w.Code, w.Body, tt.status, tt.want)
			}
			if w.Header().Get("X-Amz-Request-Id") == "" {
				t.Error("the answer has no request ID")
			}
		})
	}
}

const bodyTimeout = time.Minute

// bodyHandler serves requests with the router's limits on bodies.
func bodyHandler(serve func(w http.ResponseWriter, r *http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w, control: http.NewResponseController(w), timeout: bodyTimeout}
		r.Body = newCountedBody(r.Body, rec.control, bodyTimeout)
		serve(rec, r)
	})
}

// pipeListener accepts one end of every pipe that dial makes.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func newPipeListener() *pipeListener {
	closed := make(chan struct{})
	return &pipeListener{make(chan net.Conn), closed, sync.OnceFunc(func() { close(closed) })}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error { l.close(); return nil }

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 7070} }

func (l *pipeListener) dial() net.Conn {
	client, server := net.Pipe()
	l.conns <- server
	return client
}

// serve runs h on pipes in a bubble and gives a connection to it to fn.
func serve(t *testing.T, h http.Handler, fn func(t *testing.T, c net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		srv := &http.Server{Handler: h, IdleTimeout: 2 * bodyTimeout}
		done := make(chan error)
		go func() { done <- srv.Serve(l) }()
		c := l.dial()
		defer func() {
			c.Close()
			srv.Close()
			<-done
		}()
		fn(t, c)
	})
}

func write(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func readAnswer(t *testing.T, r *bufio.Reader) (int, string) {
	t.Helper()
	a, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, string(b)
}

func TestBodyThatStops(t *testing.T) {
	type result struct {
		n   int
		err error
	}
	var results chan result // made in the bubble
	h := bodyHandler(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		results <- result{len(b), err}
		w.WriteHeader(400)
	})
	serve(t, h, func(t *testing.T, c net.Conn) {
		results = make(chan result, 1)
		start := time.Now()
		write(t, c, "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
		status, _ := readAnswer(t, bufio.NewReader(c))
		got := <-results
		if e := awserr.As(got.err); status != 400 || got.n != 3 || e == nil || e.Code != "RequestTimeout" || e.Status != 400 {
			t.Errorf("status %d after %d bytes, %v; want 3 bytes and 400 RequestTimeout", status, got.n, got.err)
		}
		if took := time.Since(start); took < bodyTimeout*3/4 || took > bodyTimeout {
			t.Errorf("gave up after %s; want %s to %s", took, bodyTimeout*3/4, bodyTimeout)
		}
	})
}

func TestBodyThatMoves(t *testing.T) {
	h := bodyHandler(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil || len(b) != 10 || r.Body.(*countedBody).n != 10 {
			t.Errorf("body of %d bytes, %v; want 10", len(b), err)
		}
	})
	serve(t, h, func(t *testing.T, c net.Conn) {
		write(t, c, "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n")
		for range 10 {
			time.Sleep(bodyTimeout * 7 / 10)
			write(t, c, "x")
		}
		if status, _ := readAnswer(t, bufio.NewReader(c)); status != 200 {
			t.Errorf("status = %d; want 200", status)
		}
	})
}

// A client that announces a body and sends none gets its answer, and does not
// keep the connection.
func TestBodyThatNobodyReads(t *testing.T) {
	h := bodyHandler(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(403) })
	serve(t, h, func(t *testing.T, c net.Conn) {
		start := time.Now()
		c.SetReadDeadline(start.Add(time.Hour))
		write(t, c, "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n")
		r := bufio.NewReader(c)
		if status, _ := readAnswer(t, r); status != 403 {
			t.Errorf("status = %d; want 403", status)
		}
		if _, err := r.ReadByte(); err != io.EOF {
			t.Errorf("connection after the answer: %v; want its end", err)
		}
		if took := time.Since(start); took > bodyTimeout+time.Second {
			t.Errorf("held the connection for %s; want %s", took, bodyTimeout)
		}
	})
}

// An operation may take longer than a body may stand still, whatever it reads at
// the body's end.
func TestLongOperation(t *testing.T) {
	for name, request := range map[string]string{
		"no body":      "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
		"body":         "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
		"chunked body": "PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			h := bodyHandler(func(w http.ResponseWriter, r *http.Request) {
				for range 5 {
					if _, err := io.Copy(io.Discard, r.Body); err != nil {
						t.Errorf("body: %v", err)
					}
					time.Sleep(bodyTimeout * 3 / 2)
					if err := r.Context().Err(); err != nil {
						t.Errorf("the request was cancelled: %v", err)
					}
				}
				w.WriteHeader(200)
			})
			serve(t, h, func(t *testing.T, c net.Conn) {
				r := bufio.NewReader(c)
				for range 2 {
					write(t, c, request)
					if status, _ := readAnswer(t, r); status != 200 {
						t.Errorf("status = %d; want 200", status)
					}
				}
			})
		})
	}
}

func TestAnswerThatIsNotTaken(t *testing.T) {
	var failed chan error // made in the bubble
	h := bodyHandler(func(w http.ResponseWriter, r *http.Request) {
		var err error
		for err == nil {
			_, err = w.Write(make([]byte, 512))
		}
		failed <- err
	})
	serve(t, h, func(t *testing.T, c net.Conn) {
		failed = make(chan error, 1)
		write(t, c, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
		some := make([]byte, 1<<10)
		for range 10 { // slow is fine
			time.Sleep(bodyTimeout / 10)
			if _, err := io.ReadFull(c, some); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		err := <-failed
		var timeout net.Error
		if took := time.Since(start); !errors.As(err, &timeout) || !timeout.Timeout() || took > bodyTimeout*3/2 {
			t.Errorf("Write = %v after %s; want a timeout after at most %s", err, took, bodyTimeout*3/2)
		}
	})
}

func TestLimitListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newPipeListener()
		l := limitListener(inner, 2)
		accepted, ended := make(chan net.Conn, 10), make(chan error, 1)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					ended <- err
					return
				}
				accepted <- c
			}
		}()
		for range 4 {
			go inner.dial()
		}
		first := func(want int) net.Conn {
			t.Helper()
			synctest.Wait()
			if len(accepted) != want {
				t.Fatalf("%d connections wait to be served; want %d", len(accepted), want)
			}
			return <-accepted
		}
		a, b := first(2), first(1)
		a.Close()
		a.Close() // counts once
		c := first(1)
		synctest.Wait()
		if len(accepted) != 0 {
			t.Error("a connection was accepted above the limit")
		}
		for range 2 {
			if err := l.Close(); err != nil {
				t.Errorf("Close = %v; want nil", err)
			}
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept after Close = %v; want %v", err, net.ErrClosed)
		}
		b.Close()
		c.Close()
		(<-inner.conns).Close() // the one that nobody accepted
	})
}

func TestQuietLog(t *testing.T) {
	var b bytes.Buffer
	q := quiet{logTo(&b)}
	for _, line := range []string{"http: TLS handshake error from 192.0.2.7: EOF\n", "http: URL query contains semicolon, which is no separator\n"} {
		if n, err := q.Write([]byte(line)); n != len(line) || err != nil || b.Len() != 0 {
			t.Errorf("Write(%q) = %d, %v, log %q; want nothing in the log", line, n, err, &b)
		}
	}
	if _, err := q.Write([]byte("http: panic serving\n")); err != nil || !strings.Contains(b.String(), "panic serving") {
		t.Errorf("log = %q, %v; want the line", &b, err)
	}
}

// deadlines is a response writer that notes when its write deadline is set.
type deadlines struct {
	http.ResponseWriter
	set []time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

// A connection that was idle for longer than a body may stand still still carries
// the deadline of its last answer. The next answer must set its own before its
// first byte, also one without a body.
func TestAnswersWithoutBodySetADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const timeout, allowed = time.Minute, 90 * time.Second
		d := &deadlines{ResponseWriter: httptest.NewRecorder()}
		w := newRecorder(d, timeout)
		if len(d.set) != 1 || !d.set[0].Equal(time.Now().Add(allowed)) {
			t.Fatalf("deadlines of a new answer = %v; want one in %s", d.set, allowed)
		}
		time.Sleep(2 * timeout) // a long operation
		w.WriteHeader(http.StatusNoContent)
		if last := d.set[len(d.set)-1]; !last.Equal(time.Now().Add(allowed)) {
			t.Errorf("deadline after WriteHeader = %v; want %s from %v", last, allowed, time.Now())
		}
	})
}
