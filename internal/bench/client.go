package bench

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"coffer/internal/sigv4"
)

const (
	// discardSize is the buffer into which answers are read. It is larger than
	// the reader's, so that a large body is not copied twice.
	discardSize = 256 * kib
	readerSize  = 16 * kib
	// inlineSize is the largest body that is sent in one write with its
	// request.
	inlineSize = 64 * kib
	// maxKept bounds an answer that is kept: a page of 1,000 keys of 1,024
	// bytes that are all escaped takes 5 MiB.
	maxKept = 8 * mib
)

// A target is a service at an endpoint. It is safe for concurrent use.
type target struct {
	scheme, host, addr string
	tls                *tls.Config // nil for plain HTTP
	signer             *sigv4.Signer
	token              string
	unsigned           bool          // send UNSIGNED-PAYLOAD
	timeout            time.Duration // of one request
}

// newTarget returns the target of one service. An endpoint of AWS serves a
// bucket under a host of its own.
func newTarget(e *environment, u *url.URL, service, bucket string, o *options) *target {
	host := u.Host
	if bucket != "" && isAWS(u.Hostname()) {
		host = bucket + "." + host
	}
	t := &target{scheme: u.Scheme, host: host, addr: host, token: e.credentials.token, timeout: o.timeout,
		signer: sigv4.NewSigner(e.credentials.accessKeyID, e.credentials.secret, e.region, service)}
	name := u.Hostname()
	if u.Port() == "" {
		t.addr = net.JoinHostPort(strings.TrimSuffix(host, "."), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	if u.Scheme == "https" {
		if host != u.Host {
			name = bucket + "." + name
		}
		t.tls = &tls.Config{ServerName: name, RootCAs: e.roots, MinVersion: tls.VersionTLS12}
	}
	t.unsigned = o.payload == "unsigned" || o.payload == "auto" && u.Scheme == "https"
	return t
}

// A request is what a client sends. The header is not changed, so that many
// requests share one; its keys are in canonical form.
type request struct {
	method, path, query string // path and query percent-encoded
	header              map[string][]string
	body                *payload // nil for none
	keep                bool     // keep the body of the answer
}

// An answer is what came back with a status of success.
type answer struct {
	status int
	header http.Header
	size   int64  // of the body
	body   []byte // if it was asked for; valid until the next request
}

// A failure is an operation without success. Its code is that of the service's
// error, or says what happened to the connection.
type failure struct {
	code string
	err  error // may be nil
}

// Codes of failures that no service answered.
const (
	codeConnect    = "connect"
	codeConnection = "connection"
	codeTimeout    = "timeout"
	codeAnswer     = "unexpected answer"
)

// Error says what failed.
func (f *failure) Error() string {
	if f.err == nil {
		return f.code
	}
	return f.code + ": " + f.err.Error()
}

// Unwrap returns the cause.
func (f *failure) Unwrap() error { return f.err }

// A client sends requests to one target over one connection, which it makes when
// it needs one and keeps as long as the server does. It is for one goroutine.
type client struct {
	t      *target
	conn   net.Conn
	reader *bufio.Reader
	out    []byte              // the request's head, and body if small
	in     []byte              // what is read and thrown away
	kept   []byte              // what is read and kept
	header map[string][]string // of the request, for the signer
	get    http.Request        // tells http.ReadResponse the method
	signed sigv4.Request
}

func newClient(t *target) *client {
	return &client{t: t, reader: bufio.NewReaderSize(nil, readerSize), in: make([]byte, discardSize),
		header: make(map[string][]string, 16)}
}

// close closes the connection, if there is one.
func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// do sends a request and reads the whole answer. The error is a *failure. When
// ctx ends, the connection is closed and so is the wait.
func (c *client) do(ctx context.Context, r *request) (answer, error) {
	if err := c.connect(ctx); err != nil {
		return answer{}, &failure{codeConnect, err}
	}
	conn := c.conn
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	now := time.Now()
	conn.SetDeadline(now.Add(c.t.timeout))
	if ctx.Err() != nil {
		return c.broken(ctx.Err())
	}
	if err := c.send(r, now); err != nil {
		// A server that refuses a body says why before it hangs up.
		conn.SetDeadline(time.Now().Add(time.Second))
		if a, failed := c.receive(r); failed != nil && isAnswered(failed) {
			c.close()
			return a, failed
		}
		return c.broken(err)
	}
	return c.receive(r)
}

func isAnswered(err error) bool {
	f, ok := err.(*failure)
	return ok && f.err == nil
}

// broken closes the connection and says why.
func (c *client) broken(err error) (answer, error) {
	c.close()
	var n net.Error
	if errors.As(err, &n) && n.Timeout() {
		return answer{}, &failure{codeTimeout, err}
	}
	return answer{}, &failure{codeConnection, err}
}

func (c *client) connect(ctx context.Context) error {
	if c.conn != nil {
		return nil
	}
	d := net.Dialer{Timeout: min(c.t.timeout, 10*time.Second)}
	conn, err := d.DialContext(ctx, "tcp", c.t.addr)
	if err != nil {
		return err
	}
	if c.t.tls != nil {
		secure := tls.Client(conn, c.t.tls)
		conn.SetDeadline(time.Now().Add(min(c.t.timeout, 10*time.Second)))
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return err
		}
		conn = secure
	}
	c.conn = conn
	c.reader.Reset(conn)
	return nil
}

// send signs and writes a request.
func (c *client) send(r *request, now time.Time) error {
	hash := sigv4.EmptySHA256
	switch {
	case r.body != nil && c.t.unsigned && r.header["X-Amz-Target"] == nil:
		hash = sigv4.UnsignedPayload
	case r.body != nil:
		hash = r.body.sha256
	}
	clear(c.header)
	for name, values := range r.header {
		c.header[name] = values
	}
	if c.t.token != "" {
		c.header["X-Amz-Security-Token"] = []string{c.t.token}
	}
	c.signed = sigv4.Request{Method: r.method, Path: r.path, RawQuery: r.query, Host: c.t.host, Header: c.header}
	c.t.signer.Sign(&c.signed, hash, now)
	b := append(c.out[:0], r.method...)
	b = append(b, ' ')
	b = append(b, r.path...)
	if r.query != "" {
		b = append(b, '?')
		b = append(b, r.query...)
	}
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, c.t.host...)
	for name, values := range c.header {
		for _, v := range values {
			b = append(b, "\r\n"...)
			b = append(b, name...)
			b = append(b, ": "...)
			b = append(b, v...)
		}
	}
	if r.body != nil || r.method == http.MethodPost || r.method == http.MethodPut {
		b = append(b, "\r\nContent-Length: "...)
		var size int64
		if r.body != nil {
			size = r.body.size
		}
		b = strconv.AppendInt(b, size, 10)
	}
	b = append(b, "\r\n\r\n"...)
	apart := r.body != nil && r.body.size > inlineSize
	if r.body != nil && !apart {
		b = r.body.appendTo(b)
	}
	c.out = b
	_, err := c.conn.Write(b)
	if err == nil && apart {
		_, err = r.body.WriteTo(c.conn)
	}
	return err
}

// receive reads the answer to r.
func (c *client) receive(r *request) (answer, error) {
	c.get.Method = r.method
	resp, err := http.ReadResponse(c.reader, &c.get)
	for err == nil && resp.StatusCode == http.StatusContinue {
		resp, err = http.ReadResponse(c.reader, &c.get)
	}
	if err != nil {
		return c.broken(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header}
	good := resp.StatusCode/100 == 2
	if r.keep || !good {
		a.body, err = c.keep(resp.Body)
		a.size = int64(len(a.body))
	} else {
		a.size, err = c.discard(resp.Body)
	}
	if err != nil {
		return c.broken(err)
	}
	if resp.Close {
		c.close()
	}
	if !good {
		return a, &failure{code: errorCode(resp.StatusCode, a.body)}
	}
	return a, nil
}

// discard reads to the end and returns how much there was.
func (c *client) discard(r io.Reader) (n int64, err error) {
	for {
		k, err := r.Read(c.in)
		n += int64(k)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// keep reads to the end into the client's buffer.
func (c *client) keep(r io.Reader) ([]byte, error) {
	c.kept = c.kept[:0]
	for {
		if len(c.kept) == cap(c.kept) {
			if len(c.kept) >= maxKept {
				return nil, fmt.Errorf("answer is larger than %d bytes", maxKept)
			}
			c.kept = append(c.kept, make([]byte, max(4*kib, len(c.kept)))...)[:len(c.kept)]
		}
		k, err := r.Read(c.kept[len(c.kept):cap(c.kept)])
		c.kept = c.kept[:len(c.kept)+k]
		if err == io.EOF {
			return c.kept, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
