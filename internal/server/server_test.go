package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"coffer/internal/config"
	"coffer/internal/sigv4"
)

var quietLog = slog.New(slog.DiscardHandler)

// settings returns the defaults for a data directory, on a free port.
func settings(dir string) *config.Server {
	cfg := new(config.Server)
	cfg.Flags(pflag.NewFlagSet("", pflag.ContinueOnError))
	cfg.Data, cfg.Listen = dir, "127.0.0.1:0"
	return cfg
}

// openStack opens a data directory, which it makes if it is missing, until the
// test ends.
func openStack(t *testing.T, cfg *config.Server) *Stack {
	t.Helper()
	s, err := Open(t.Context(), cfg, true, quietLog)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStack(t, s) })
	return s
}

func closeStack(t *testing.T, s *Stack) {
	t.Helper()
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// credentials returns the access key in DIR/credentials.
func credentials(t *testing.T, dir string) (id, secret string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, credentialsFile))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		switch name, value, _ := strings.Cut(strings.TrimSpace(line), " = "); name {
		case "aws_access_key_id":
			id = value
		case "aws_secret_access_key":
			secret = value
		}
	}
	return id, secret
}

// sign signs a request and its body for a service.
func sign(t *testing.T, dir, service string, r *http.Request, body string) {
	t.Helper()
	id, secret := credentials(t, dir)
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	sum := sha256.Sum256([]byte(body))
	sigv4.NewSigner(id, secret, "us-east-1", service).Sign(&sigv4.Request{
		Method: r.Method, Path: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Host: host, Header: r.Header,
	}, hex.EncodeToString(sum[:]), time.Now())
}

// A running server.
type running struct {
	t   *testing.T
	dir string
	url string
	end func() error // drains, once
}

// run runs a server until the test ends.
func run(t *testing.T, cfg *config.Server) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := Run(ctx, cfg, w, quietLog)
		w.CloseWithError(errors.Join(err, io.EOF))
		done <- err
	}()
	line := make([]byte, 256)
	n, err := r.Read(line)
	_, url, ok := strings.Cut(strings.TrimSpace(string(line[:n])), "coffer: ready on ")
	if err != nil || !ok {
		cancel()
		t.Fatalf("ready line = %q, %v", line[:n], err)
	}
	end := func() error {
		cancel()
		err := <-done
		done <- nil
		return err
	}
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Errorf("Run = %v; want nil", err)
		}
	})
	return &running{t, cfg.Data, url, end}
}

// send sends a signed request and returns the status and the body of the answer.
func (s *running) send(client *http.Client, service, method, path, body string) (int, string) {
	s.t.Helper()
	r, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	sign(s.t, s.dir, service, r, body)
	a, err := client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return a.StatusCode, string(b)
}

func TestRun(t *testing.T) {
	cfg := settings(filepath.Join(t.TempDir(), "data"))
	cfg.DevClock = true
	s := run(t, cfg)
	client := new(http.Client)
	if status, body := s.send(client, "s3", "PUT", "/tour", ""); status != 200 {
		t.Errorf("CreateBucket = %d %s; want 200", status, body)
	}
	if status, body := s.send(client, "s3", "PUT", "/tour/a", "hello"); status != 200 {
		t.Errorf("PutObject = %d %s; want 200", status, body)
	}
	if status, body := s.send(client, "coffer", "POST", "/_coffer/dev/clock", `{"advance":"720h"}`); status != 200 {
		t.Errorf("AdvanceClock = %d %s; want 200", status, body)
	}
	for _, want := range []string{
		`coffer_requests_total{api="s3",operation="PutObject",status="200"} 1`, `coffer_request_bytes_total{api="s3"} 5`,
		"coffer_sealed_bytes_total 5", "coffer_root_epoch 1",
	} {
		if _, body := s.send(client, "coffer", "GET", "/_coffer/metrics", ""); !strings.Contains(body, want+"\n") {
			t.Errorf("metrics lack %s", want)
		}
	}
	client.CloseIdleConnections()
	if err := s.end(); err != nil {
		t.Fatalf("Run = %v; want nil", err)
	}

	// What was acknowledged is there after another start, and time stays.
	s = run(t, cfg)
	if status, body := s.send(client, "s3", "GET", "/tour/a", ""); status != 200 || body != "hello" {
		t.Errorf("GetObject = %d %q; want 200 hello", status, body)
	}
	_, body := s.send(client, "coffer", "GET", "/_coffer/clock", "")
	if day := time.Now().Add(720 * time.Hour).UTC().Format("2006-01"); !strings.Contains(body, day) {
		t.Errorf("clock = %s; want a time in %s", body, day)
	}
}

func TestRunRefuses(t *testing.T) {
	dir := t.TempDir()
	busy := run(t, settings(filepath.Join(dir, "busy")))
	tests := []struct {
		name   string
		change func(*config.Server)
		want   string
	}{
		{"a port in use", func(c *config.Server) { c.Listen = strings.TrimPrefix(busy.url, "http://") }, "address already in use"},
		{"a missing certificate", func(c *config.Server) { c.TLSCert, c.TLSKey = "none.pem", "none.pem" }, "none.pem"},
		{"no authority", func(c *config.Server) { c.TLSSelfSigned, c.TLSClientCA = true, os.Args[0] }, "holds no certificate"},
		{"a directory in use", func(c *config.Server) { c.Data = busy.dir }, "is locked by process"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := settings(filepath.Join(dir, "data"))
			tt.change(cfg)
			var out strings.Builder
			err := Run(t.Context(), cfg, &out, quietLog)
			if err == nil || !strings.Contains(err.Error(), tt.want) || out.Len() != 0 {
				t.Errorf("Run = %v, output %q; want an error with %q and no ready line", err, &out, tt.want)
			}
		})
	}
}
