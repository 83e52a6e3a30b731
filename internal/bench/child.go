package bench

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	readyLine    = "coffer: ready on "
	startTimeout = time.Minute
	stopTimeout  = time.Minute
	// settle is how long a server rests before its memory is read.
	settle = 500 * time.Millisecond
)

// A child is a server that the table runs on a data directory of its own.
type child struct {
	cmd      *exec.Cmd
	data     string
	endpoint *url.URL
	took     time.Duration // from the start of the process to its ready line
	exited   chan struct{} // closed when the process is gone
	log      string        // name of the file with its standard error
}

// startChild runs program serve on a data directory and waits until it says that
// it is ready. Settings of the caller's environment do not reach it.
func startChild(ctx context.Context, program, data string, args ...string) (*child, error) {
	c := &child{data: data, log: data + ".log", exited: make(chan struct{})}
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c.cmd = exec.Command(program, append([]string{"serve", "--data", data, "--listen", "127.0.0.1:0"}, args...)...)
	c.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "COFFER_") })
	c.cmd.Stderr = log
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start server: %w", err)
	}
	ready := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if u, ok := strings.CutPrefix(lines.Text(), readyLine); ok {
				c.took = time.Since(began)
				ready <- u
				break
			}
		}
		for lines.Scan() { // so that the server never waits for a reader
		}
		c.cmd.Wait()
		close(c.exited)
	}()
	timer := time.NewTimer(startTimeout)
	defer timer.Stop()
	select {
	case u := <-ready:
		if c.endpoint, err = parseEndpoint(u); err == nil {
			return c, nil
		}
	case <-c.exited:
		err = errors.New("it exited")
	case <-timer.C:
		err = fmt.Errorf("it was not ready within %v", startTimeout)
	case <-ctx.Done():
		err = ctx.Err()
	}
	c.kill()
	return nil, fmt.Errorf("start server: %w%s", err, c.lastWords())
}

// lastWords returns the end of the server's log.
func (c *child) lastWords() string {
	b, _ := os.ReadFile(c.log)
	b = b[max(0, len(b)-2000):]
	if len(b) == 0 {
		return ""
	}
	return "; its log ends:\n" + strings.TrimSpace(string(b))
}

// stop asks the server to end, and makes it when it does not.
func (c *child) stop() error {
	c.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-c.exited:
	case <-timer.C:
		c.kill()
		return fmt.Errorf("server did not stop within %v%s", stopTimeout, c.lastWords())
	}
	if code := c.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("server exited with %d%s", code, c.lastWords())
	}
	return nil
}

// kill ends the server as a crash would.
func (c *child) kill() {
	c.cmd.Process.Kill()
	<-c.exited
}

// environment returns what a client of the server needs, from the files that it
// wrote.
func (c *child) environment() (*environment, error) {
	text, err := os.ReadFile(filepath.Join(c.data, "credentials"))
	if err != nil {
		return nil, err
	}
	sections, err := parseINI(string(text))
	if err != nil {
		return nil, fmt.Errorf("read credentials of the server: %w", err)
	}
	p := sections["default"]
	e := &environment{region: "us-east-1", s3: c.endpoint, kms: c.endpoint,
		credentials: credentials{accessKeyID: p["aws_access_key_id"], secret: p["aws_secret_access_key"]}}
	pem, err := os.ReadFile(filepath.Join(c.data, "tls", "ca.pem"))
	if err == nil {
		e.roots = x509.NewCertPool()
		e.roots.AppendCertsFromPEM(pem)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return e, nil
}
