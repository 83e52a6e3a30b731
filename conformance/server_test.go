package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "coffer-conformance-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "coffer")
	build := exec.Command("go", "build", "-o", binary, "coffer/cmd/coffer")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// A server is a running coffer.
type server struct {
	t        testing.TB
	dir      string // data directory
	endpoint string
	keyID    string
	secret   string
	region   string
	cmd      *exec.Cmd
	exited   chan error

	mu  sync.Mutex
	log bytes.Buffer // standard error; guarded by mu
}

// start runs a server on a new data directory until the test ends.
func start(t testing.TB, args ...string) *server {
	t.Helper()
	return startAt(t, filepath.Join(t.TempDir(), "data"), args...)
}

// startAt runs a server on the data directory dir.
func startAt(t testing.TB, dir string, args ...string) *server {
	t.Helper()
	s, err := tryStart(t, dir, args...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tryStart(t testing.TB, dir string, args ...string) (*server, error) {
	t.Helper()
	s := &server{t: t, dir: dir, region: "us-east-1", exited: make(chan error, 1)}
	s.cmd = exec.Command(binary, append([]string{"serve", "--data", dir, "--listen", "127.0.0.1:0"}, args...)...)
	s.cmd.Stderr = lockedWriter{s}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("log of the server:\n%s", tail(s.logs(), 4000))
		}
	})
	ready := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		ready <- line
		io.Copy(io.Discard, out)
		s.exited <- s.cmd.Wait()
	}()
	select {
	case line := <-ready:
		_, url, ok := strings.Cut(strings.TrimSpace(line), "ready on ")
		if !ok {
			// What it says last comes with its end.
			select {
			case err := <-s.exited:
				s.exited <- err
			case <-time.After(5 * time.Second):
			}
			return nil, fmt.Errorf("server did not get ready: %q\n%s", line, s.logs())
		}
		s.endpoint = url
	case <-time.After(30 * time.Second):
		return nil, fmt.Errorf("server is not ready after 30 s\n%s", s.logs())
	}
	b, err := os.ReadFile(filepath.Join(dir, "credentials"))
	if err != nil {
		return nil, err
	}
	for _, line := range strings.Split(string(b), "\n") {
		k, v, _ := strings.Cut(line, " = ")
		switch k {
		case "aws_access_key_id":
			s.keyID = v
		case "aws_secret_access_key":
			s.secret = v
		}
	}
	return s, nil
}

type lockedWriter struct{ s *server }

func (w lockedWriter) Write(p []byte) (int, error) {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	return w.s.log.Write(p)
}

func (s *server) logs() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

func tail(s string, n int) string {
	if len(s) > n {
		return "..." + s[len(s)-n:]
	}
	return s
}

// kill ends the server at once, as a crash of the process does.
func (s *server) kill() {
	if s.cmd.ProcessState == nil {
		s.cmd.Process.Kill()
		<-s.exited
		s.exited <- nil
	}
}

// stop asks the server to drain, and fails the test unless it exits with 0.
func (s *server) stop() {
	s.t.Helper()
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.exited:
		s.exited <- nil
		if err != nil {
			s.t.Fatalf("server exits with %v; want 0\n%s", err, tail(s.logs(), 4000))
		}
	case <-time.After(40 * time.Second):
		s.t.Fatal("server does not stop")
	}
}

// rss returns the resident memory of the server in bytes.
func (s *server) rss() int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	var kb int64
	for _, line := range strings.Split(string(b), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			fmt.Sscan(rest, &kb)
		}
	}
	return kb << 10
}

func (s *server) credentials() aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(s.keyID, s.secret, "")
}

// s3 returns a client of the AWS SDK for Go with its defaults.
func (s *server) s3(opts ...func(*s3.Options)) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(s.endpoint), Region: s.region, Credentials: s.credentials(), UsePathStyle: true,
	}, opts...)
}

func (s *server) kms() *kms.Client {
	return kms.New(kms.Options{BaseEndpoint: aws.String(s.endpoint), Region: s.region, Credentials: s.credentials()})
}

// env returns the environment of a client program.
func (s *server) env(extra ...string) []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		// Certificates of this machine would make Debian's rclone fail.
		if strings.HasPrefix(name, "AWS_") || name == "HOME" {
			continue
		}
		env = append(env, kv)
	}
	home := filepath.Join(s.t.TempDir(), "home")
	os.MkdirAll(home, 0o700)
	return append(env, append([]string{
		"HOME=" + home,
		"AWS_SHARED_CREDENTIALS_FILE=" + filepath.Join(s.dir, "credentials"),
		"AWS_ACCESS_KEY_ID=" + s.keyID, "AWS_SECRET_ACCESS_KEY=" + s.secret,
		"AWS_DEFAULT_REGION=" + s.region, "AWS_REGION=" + s.region,
		"AWS_ENDPOINT_URL=" + s.endpoint, "ENDPOINT=" + s.endpoint, "AWS_EC2_METADATA_DISABLED=true",
	}, extra...)...)
}

// run runs a client program and returns its output. It fails the test if the
// program does.
func (s *server) run(dir string, env []string, name string, args ...string) string {
	s.t.Helper()
	out, err := s.try(dir, env, name, args...)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, tail(out, 4000))
	}
	return out
}

func (s *server) try(dir string, env []string, name string, args ...string) (string, error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(s.env(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// tool returns the path of a client program. In CI it must be there.
func tool(t testing.TB, candidates ...string) string {
	t.Helper()
	for _, c := range candidates {
		if p, err := exec.LookPath(c); err == nil {
			return p
		}
	}
	missing(t, strings.Join(candidates, " or "))
	return ""
}

// missing fails the test in CI and skips it elsewhere.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing; scripts/install-clients.sh installs it", what)
	}
	t.Skipf("%s is missing; scripts/install-clients.sh installs it", what)
}

// admin sends a signed request to the operators' API.
func (s *server) admin(method, path, body string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequest(method, s.endpoint+"/_coffer/"+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	creds, err := s.credentials().Retrieve(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	if err := v4.NewSigner().SignHTTP(context.Background(), creds, req, hexSHA256([]byte(body)), "coffer", s.region, time.Now()); err != nil {
		s.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// advance moves the dev clock on.
func (s *server) advance(d time.Duration) {
	s.t.Helper()
	body, _ := json.Marshal(map[string]string{"advance": d.String()})
	if status, out := s.admin("POST", "dev/clock", string(body)); status != 200 {
		s.t.Fatalf("POST /_coffer/dev/clock = %d %s; want 200", status, out)
	}
}
