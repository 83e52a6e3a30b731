package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain is the server of the tests of the table when it is called as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		os.Exit(serveStub(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// serveStub serves a stub as coffer serve does, until SIGTERM.
func serveStub(args []string) int {
	s := newStub()
	data := args[1]
	os.MkdirAll(data, 0o700)
	if os.Getenv("COFFER_DATA") != "" {
		return 1 // the caller's settings leak in
	}
	os.WriteFile(filepath.Join(data, "credentials"), []byte("[default]\naws_access_key_id = "+stubID+"\naws_secret_access_key = "+stubSecret+"\n"), 0o600)
	server := httptest.NewUnstartedServer(s)
	if strings.Contains(strings.Join(args, " "), "--tls-self-signed") {
		server.StartTLS()
		os.Mkdir(filepath.Join(data, "tls"), 0o700)
		os.WriteFile(filepath.Join(data, "tls", "ca.pem"),
			pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600)
	} else {
		server.Start()
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	fmt.Println("coffer: ready on", server.URL)
	<-ctx.Done()
	return 0
}

// env returns a getenv with the stub's credentials.
func env(more ...string) func(string) string {
	m := map[string]string{"AWS_ACCESS_KEY_ID": stubID, "AWS_SECRET_ACCESS_KEY": stubSecret, "HOME": "/nonexistent"}
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return func(name string) string { return m[name] }
}

// call runs the command and returns its exit code and what it printed.
func call(t *testing.T, getenv func(string) string, args ...string) (int, string, string) {
	t.Helper()
	var out, errs bytes.Buffer
	code := Main(t.Context(), args, &out, &errs, getenv)
	return code, out.String(), errs.String()
}

var short = []string{"--duration", "150ms", "--warmup", "5ms", "--concurrency", "3", "--json"}

func TestOperations(t *testing.T) {
	for _, tt := range []struct {
		args  string
		wants []string // calls, at least one each
	}{
		{"--op put", []string{"PutObject "}},
		{"--op put --sse s3", []string{"PutObject AES256"}},
		{"--op put --sse kms", []string{"PutObject aws:kms", "CreateKey", "ScheduleKeyDeletion"}},
		{"--op put --sse dsse", []string{"PutObject aws:kms:dsse"}},
		{"--op get --sse c", []string{"PutObject ", "GetObject "}},
		{"--op get --size 3MiB --objects 2", []string{"PutObject ", "GetObject "}},
		{"--op get --size 128KiB --objects 9 --runs 3", []string{"GetObject "}},
		{"--op range --size 1MiB --objects 3 --sse c", []string{"GetObject "}},
		{"--op range --size 100 --range-size 200 --objects 1", []string{"GetObject "}},
		{"--op head", []string{"HeadObject "}},
		{"--op list --objects 2500", []string{"ListObjectsV2"}},
		{"--op delete --objects 50 --runs 2", []string{"DeleteObject "}},
		{"--op multipart --size 11MiB --part-size 5MiB --sse kms", []string{"CreateMultipartUpload aws:kms", "UploadPart ", "CompleteMultipartUpload "}},
		{"--op multipart --size 100 --sse c", []string{"CompleteMultipartUpload "}},
		{"--op mixed", []string{"PutObject ", "GetObject "}},
		{"--op kms-generate", []string{"CreateKey", "GenerateDataKey", "ScheduleKeyDeletion"}},
		{"--op kms-decrypt", []string{"GenerateDataKeyWithoutPlaintext", "Decrypt"}},
	} {
		t.Run(tt.args, func(t *testing.T) {
			s := newStub()
			server := httptest.NewServer(s)
			defer server.Close()
			args := append(append([]string{"--endpoint-url", server.URL}, short...), strings.Fields(tt.args)...)
			code, out, errs := call(t, env(), args...)
			if code != 0 {
				t.Fatalf("exit %d: %s", code, errs)
			}
			var r report
			if err := json.Unmarshal([]byte(out), &r); err != nil {
				t.Fatalf("%v in %s", err, out)
			}
			if r.Operations == 0 || r.Errors != 0 || r.OperationsPerSecond == 0 || r.Latency.P50 <= 0 || r.Latency.P50 > r.Latency.Max {
				t.Errorf("report %s", out)
			}
			for _, want := range tt.wants {
				if s.calls[want] == 0 {
					t.Errorf("no call of %q among %v", want, s.calls)
				}
			}
			if len(s.problems) > 0 {
				t.Errorf("server complains: %s", s.problems[0])
			}
			if len(s.buckets) > 0 {
				t.Errorf("left behind: %d buckets", len(s.buckets))
			}
			for key, enabled := range s.keys {
				if enabled {
					t.Errorf("left behind: key %s", key)
				}
			}
		})
	}
}

func TestOverHTTPS(t *testing.T) {
	s := newStub()
	server := httptest.NewUnstartedServer(s)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // a client that hangs up is expected
	server.StartTLS()
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600)
	args := append([]string{"--endpoint-url", server.URL, "--op", "put", "--size", "200KiB"}, short...)
	if code, _, errs := call(t, env("AWS_CA_BUNDLE", ca), args...); code != 0 || len(s.problems) > 0 {
		t.Errorf("exit %d: %s %v", code, errs, s.problems)
	}
	if code, _, errs := call(t, env(), args...); code != exitFailed || !strings.Contains(errs, "connect") {
		t.Errorf("with an unknown authority: exit %d: %s", code, errs)
	}
}

func TestErrorsAreCountedByCode(t *testing.T) {
	s := newStub()
	n := 0
	s.busy = func(operation string) bool { n++; return operation == "GetObject" && n%2 == 0 }
	server := httptest.NewServer(s)
	defer server.Close()
	code, out, errs := call(t, env(), append([]string{"--endpoint-url", server.URL, "--op", "get"}, short...)...)
	var r report
	json.Unmarshal([]byte(out), &r)
	if code != 0 || r.Errors == 0 || r.ErrorsByCode["SlowDown"] != r.Errors || r.Operations == 0 {
		t.Errorf("exit %d, %s, %s", code, out, errs)
	}
}

func TestNothingSucceeds(t *testing.T) {
	s := newStub()
	s.busy = func(operation string) bool { return operation == "PutObject" }
	server := httptest.NewServer(s)
	defer server.Close()
	code, _, errs := call(t, env(), append([]string{"--endpoint-url", server.URL}, short...)...)
	if code != exitFailed || !strings.Contains(errs, "no operation succeeded") || len(s.buckets) > 0 {
		t.Errorf("exit %d: %s; %d buckets left", code, errs, len(s.buckets))
	}
}

func TestFailedUploadIsAborted(t *testing.T) {
	s := newStub()
	n := 0
	s.busy = func(operation string) bool { n++; return operation == "UploadPart" && n%3 == 0 }
	args := append([]string{"--endpoint-url", serve(t, s), "--op", "multipart", "--size", "50"}, short...)
	if code, _, errs := call(t, env(), args...); code != 0 || s.calls["AbortMultipartUpload "] == 0 || len(s.parts) > 0 {
		t.Errorf("exit %d: %s; %v; %d uploads left", code, errs, s.calls, len(s.parts))
	}
}

// TestLateObjects has a server that finishes a write after the listing for the
// removal was read.
func TestLateObjects(t *testing.T) {
	s := newStub()
	late := true
	s.emptied = func(bucket string) {
		if late {
			late = false
			for _, o := range s.buckets {
				o[s.prefix+"new/late"] = stubObject{}
			}
		}
	}
	code, _, errs := call(t, env(), append([]string{"--endpoint-url", serve(t, s)}, short...)...)
	if code != 0 || len(s.buckets) > 0 {
		t.Errorf("exit %d: %s; %d buckets left", code, errs, len(s.buckets))
	}
}

func TestForeignBucketStays(t *testing.T) {
	s := newStub()
	s.buckets["mine"] = map[string]stubObject{"precious": {body: []byte("x")}}
	server := httptest.NewServer(s)
	defer server.Close()
	args := append([]string{"--endpoint-url", server.URL, "--bucket", "mine", "--op", "get"}, short...)
	if code, _, errs := call(t, env(), args...); code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	if len(s.buckets["mine"]) != 1 || s.calls["CreateBucket"] != 0 {
		t.Errorf("the bucket holds %d objects", len(s.buckets["mine"]))
	}
	if code, _, _ := call(t, env(), append(args, "--keep", "--objects", "7")...); code != 0 || len(s.buckets["mine"]) != 8 {
		t.Errorf("with --keep: exit %d, %d objects", code, len(s.buckets["mine"]))
	}
}

func TestInterruptCleansUp(t *testing.T) {
	s := newStub()
	server := httptest.NewServer(s)
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var once sync.Once
	s.busy = func(operation string) bool { once.Do(cancel); return false }
	var out, errs bytes.Buffer
	code := Main(ctx, []string{"--endpoint-url", server.URL, "--duration", "1h"}, &out, &errs, env())
	if code != exitFailed || len(s.buckets) > 0 {
		t.Errorf("exit %d: %s; %d buckets left", code, errs.String(), len(s.buckets))
	}
}

func TestUsage(t *testing.T) {
	for _, args := range []string{
		"extra", "--op nothing", "--sse rot13", "--concurrency 0", "--size 4x", "--size -1", "--size 99999999999G",
		"--duration 0s", "--payload maybe", "--kms-key k --op put", "--table --op put", "--table --quick --full",
		"--table --server x --endpoint-url http://h", "--table --only (", "--nonsense", "--part-size 1MiB", "--op put",
		"--endpoint-url ftp://h", "--endpoint-url http://h/path", "--endpoint-url h",
	} {
		if code, out, errs := call(t, env(), strings.Fields(args)...); code != exitUsage || out != "" || !strings.HasPrefix(errs, "coffer bench: ") {
			t.Errorf("%s: exit %d, %q, %q", args, code, out, errs)
		}
	}
	code, out, errs := call(t, env(), "--help")
	if code != 0 || errs != "" || !strings.Contains(out, "Examples:") || !strings.Contains(out, "--sse") {
		t.Errorf("--help: exit %d, %q, %q", code, out, errs)
	}
}

// TestEarlyRefusal has a server that answers before it has read the body and
// hangs up, as a busy server does.
func TestEarlyRefusal(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Read(make([]byte, 100))
			fmt.Fprint(c, "HTTP/1.1 503 Slow Down\r\nContent-Length: 27\r\nConnection: close\r\n\r\n<Error><Code>SlowDown</Code>")
			c.(*net.TCPConn).CloseWrite()
			time.AfterFunc(100*time.Millisecond, func() { c.Close() })
		}
	}()
	e, err := loadEnvironment(&options{endpoint: "http://" + l.Addr().String()}, env())
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(newTarget(e, e.s3, "s3", "", &options{payload: "signed", timeout: 5 * time.Second}))
	_, err = c.do(t.Context(), &request{method: http.MethodPut, path: "/b/k", body: newPayload(make([]byte, mib), 64*mib)})
	if err == nil || failureCode(err) != "HTTP 503" && failureCode(err) != "SlowDown" {
		t.Errorf("do() = %v, want the server's refusal", err)
	}
	if c.conn != nil {
		t.Error("the broken connection is kept")
	}
}

func TestTableQuick(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("COFFER_DATA", "/elsewhere")
	only := "^(objects/https?/(none|c|kms)/(put|get)-4KiB|other/none/(head|list)|kms/(generate|decrypt)-16)$"
	code, out, errs := call(t, env(), "--table", "--quick", "--duration", "30ms", "--warmup", "5ms", "--dir", t.TempDir(), "--server", self, "--only", only)
	if code != 0 {
		t.Fatalf("exit %d: %s\n%s", code, errs, out)
	}
	for _, want := range []string{"| http, no SSE header | ", "| http, SSE-KMS |", "| https, SSE-C |", "HEAD", "| GenerateDataKey | 16 |"} {
		if !strings.Contains(out, want) {
			t.Errorf("table lacks %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "Not measured") || strings.Contains(out, "errors)") {
		t.Errorf("table:\n%s\n%s", out, errs)
	}
}

func TestTableOfAnEndpoint(t *testing.T) {
	s := newStub()
	server := httptest.NewServer(s)
	defer server.Close()
	code, out, errs := call(t, env(), "--table", "--json", "--duration", "20ms", "--warmup", "1ms", "--runs", "1", "--dir", t.TempDir(),
		"--endpoint-url", server.URL, "--only", "objects/http/s3/put-4KiB")
	var r results
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 || len(r.Objects) != 1 || r.Objects[0].Cells["put-4KiB"].Operations == 0 {
		t.Errorf("exit %d, %v: %s %s", code, err, out, errs)
	}
}

func TestServerThatFails(t *testing.T) {
	code, _, errs := call(t, env(), "--table", "--quick", "--dir", t.TempDir(), "--server", "/bin/false", "--only", "objects")
	if code != exitFailed || !strings.Contains(errs, "it exited") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

func TestMachineLimits(t *testing.T) {
	for _, l := range machineLimits(t.Context(), t.TempDir(), 100*time.Millisecond) {
		if l.Err != "" && !strings.Contains(l.Name, "O_DIRECT") || l.Err == "" && l.Value <= 0 {
			t.Errorf("%s: %v %s", l.Name, l.Value, l.Err)
		}
		t.Logf("%s: %.0f %s %s", l.Name, l.Value, l.Unit, l.Err)
	}
}

// serve serves the stub until the test ends.
func serve(t *testing.T, s *stub) string {
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL
}
