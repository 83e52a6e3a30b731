package s3api

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"coffer/internal/awserr"
)

func TestErrors(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		status int
		code   string
		logged bool
	}{
		{"a client's error", awserr.New(412, "PreconditionFailed", "x").With("Condition", "If-Match"), 412, "PreconditionFailed", false},
		{"an error without a message", &awserr.Error{Code: "Odd", Status: 400}, 400, "Odd", false},
		{"an error with a status that is none", &awserr.Error{Code: "Odd", Status: 42}, 500, "Odd", false},
		{"our own error", errors.New("disk /secret/path is on fire"), 500, "InternalError", true},
		{"an error with its cause", awserr.New(503, "SlowDown", "Please reduce your request rate.").Because(errors.New("/secret/path")), 503, "SlowDown", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(false)
			g.err = tt.err
			w := g.do("GET", "/b/k", "")
			if w.Code != tt.status || code(t, w) != tt.code || w.Header().Get("Content-Type") != "application/xml" {
				t.Errorf("= %d %s", w.Code, w.Body)
			}
			if strings.Contains(w.Body.String(), "secret") {
				t.Errorf("the client is told %s", w.Body)
			}
			if logged := strings.Contains(g.logs.String(), "secret"); logged != tt.logged {
				t.Errorf("log = %q", g.logs)
			}
			if tt.logged && !strings.Contains(g.logs.String(), w.Header().Get("x-amz-request-id")) {
				t.Errorf("log without the request ID: %q", g.logs)
			}
			if g.refused != "" {
				t.Errorf("an error of the API was recorded again, as %q", g.refused)
			}
		})
	}
}

// TestWriteError checks the answer to a request that never reaches the handler,
// and that an ID that was given stays.
func TestWriteError(t *testing.T) {
	g := newRig(false)
	w := httptest.NewRecorder()
	w.Header().Set("x-amz-request-id", "GIVEN")
	w.Header().Set("x-amz-id-2", "HOST")
	g.h.WriteError(w, httptest.NewRequest("PUT", "/b/k", nil), awserr.New(503, "SlowDown", "Please reduce your request rate."))
	if e := errorBody(t, w); w.Code != 503 || e.RequestID != "GIVEN" || e.HostID != "HOST" || w.Header().Get("Content-Security-Policy") != "sandbox" {
		t.Errorf("= %d %+v", w.Code, e)
	}
}

// TestErrorReachesASendingClient checks that a client that reads nothing before
// it has sent its whole body gets the answer and no reset connection.
func TestErrorReachesASendingClient(t *testing.T) {
	g := newRig(false)
	g.err = errSome
	srv := httptest.NewServer(g.h)
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetWriteBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	const size = maxDrain - 1<<20
	if _, err := io.WriteString(conn, "PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: "+itoa(size)+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(conn, zeros{}, size); err != nil {
		t.Fatalf("send the body: %v", err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); resp.StatusCode != 403 || err != nil || !strings.Contains(string(b), "AccessDenied") {
		t.Errorf("= %d %q, %v", resp.StatusCode, b, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestCustomerKeyIsNotLogged plants a key and looks for it in the log and the
// answers.
func TestCustomerKeyIsNotLogged(t *testing.T) {
	const planted = "cGxhbnRlZC1jdXN0b21lci1rZXktMzItYnl0ZXMtbG9uZw=="
	for _, err := range []error{nil, errSome, errors.New("broken")} {
		g := newRig(false)
		g.err = err
		for _, extra := range []string{"x-amz-acl: private", "x-minio-x: y", "x-amz-server-side-encryption-nope: x"} {
			w := g.do("PUT", "/b/k", "x", "x-amz-server-side-encryption-customer-key: "+planted, extra)
			if strings.Contains(w.Body.String()+g.logs.String(), planted) {
				t.Errorf("the key is in %q or %q", w.Body, g.logs)
			}
		}
	}
}
