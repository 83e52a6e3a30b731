package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"coffer/internal/anywhereapi"
	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/awsjson"
	"coffer/internal/awsquery"
	"coffer/internal/config"
	"coffer/internal/iamapi"
	"coffer/internal/kmsapi"
	"coffer/internal/opsapi"
	"coffer/internal/orgapi"
	"coffer/internal/s3api"
	"coffer/internal/sigv4"
	"coffer/internal/xks"
	"coffer/internal/xksapi"
)

// maxHeaderBytes bounds the request line and the headers. S3's own limits are 8
// KiB of headers and, in them, 2 KiB of user metadata; a presigned URL of a long
// key is longer than that.
const maxHeaderBytes = 32 << 10

// readHeaderTimeout bounds how long a client may take to send its headers.
const readHeaderTimeout = 20 * time.Second

// A router is the handler of the one port: it gives each request an ID, bounds
// how many are served at a time, and hands it to the API that it is signed for.
type router struct {
	authn *authn.Authenticator
	s3    *s3api.Handler
	kms   http.Handler
	org   http.Handler
	// anywhere serves IAM Roles Anywhere.
	anywhere http.Handler
	query    *iamapi.Handler
	ops      *opsapi.Handler
	metrics  *opsapi.Metrics
	// xks serves the external key store proxy; nil if there is none here. With
	// xksOnly there is nothing else.
	xks     *xksapi.Handler
	xksOnly bool
	slots   chan struct{}
	timeout time.Duration
	log     *slog.Logger
}

func newRouter(s *Stack, cfg *config.Server, ops *opsapi.Handler, metrics *opsapi.Metrics) *router {
	r := &router{
		authn: s.Authn, ops: ops, metrics: metrics, slots: make(chan struct{}, cfg.MaxRequests),
		timeout: cfg.BodyTimeout, log: s.log,
	}
	if cfg.XKS.Listen == "" {
		r.xks = newXKSHandler(s)
	}
	r.s3 = s3api.New(s3api.Config{API: s.S3, Authenticator: s.Authn, Domains: cfg.Domains, Log: s.log})
	r.kms = kmsapi.New(s.KMS, func(req *http.Request) (*authn.Caller, []byte, error) {
		return readJSON(s.Authn, "kms", req)
	})
	r.org = orgapi.New(s.Org, func(req *http.Request) (*authn.Caller, []byte, error) {
		return readJSON(s.Authn, apiOrg, req)
	})
	r.anywhere = anywhereapi.New(s.Anywhere, func(req *http.Request) (*authn.Caller, []byte, error) {
		return readJSON(s.Authn, apiAnywhere, req)
	}, func(req *http.Request) (*authn.Caller, *authn.CertificateSigner, []byte, error) {
		return readX509(s.Authn, req)
	})
	r.query = iamapi.New(iamapi.Services{IAM: s.IAM, STS: s.STS}, func(req *http.Request, service string) (*authn.Caller, []byte, error) {
		return readQuery(s.Authn, service, req)
	})
	return r
}

// readJSON authenticates a request of a JSON service and reads its body.
func readJSON(a *authn.Authenticator, service string, req *http.Request) (*authn.Caller, []byte, error) {
	f, _ := req.Context().Value(factsKey{}).(authn.Facts)
	c, b, err := a.JSON(req, service, f)
	if err != nil {
		return a.Stranger(req, service, f), nil, err
	}
	body, err := io.ReadAll(b)
	return c, body, err
}

// readQuery authenticates a request of a service with the Query protocol and reads
// its form.
func readQuery(a *authn.Authenticator, service string, req *http.Request) (*authn.Caller, []byte, error) {
	f, _ := req.Context().Value(factsKey{}).(authn.Facts)
	c, form, err := a.Query(req, service, f)
	if err != nil {
		return a.Stranger(req, service, f), nil, err
	}
	return c, form, nil
}

// readX509 authenticates a request that is signed with the key of a certificate, and
// reads its body.
func readX509(a *authn.Authenticator, req *http.Request) (*authn.Caller, *authn.CertificateSigner, []byte, error) {
	f, _ := req.Context().Value(factsKey{}).(authn.Facts)
	c, signer, body, err := a.X509(req, apiAnywhere, f)
	if err != nil {
		return a.Stranger(req, apiAnywhere, f), nil, nil, err
	}
	return c, signer, body, nil
}

type factsKey struct{}

// ServeHTTP serves one request.
func (r *router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	f := newFacts()
	h := w.Header()
	h.Set("X-Amz-Request-Id", f.RequestID)
	h.Set("X-Amz-Id-2", f.HostID)
	start := time.Now()
	api := r.api(req)
	rec := newRecorder(w, r.timeout)
	counted := newCountedBody(req.Body, rec.control, r.timeout)
	req.Body = counted
	req = req.WithContext(context.WithValue(req.Context(), factsKey{}, f))

	// Health is answered even when no other request can be.
	if api != apiOps {
		select {
		case r.slots <- struct{}{}:
			defer func() { <-r.slots }()
		default:
			r.slowDown(rec, req, api)
			r.metrics.Observe(api, "SlowDown", rec.status, time.Since(start), 0, 0)
			return
		}
	}
	defer func() {
		took := time.Since(start)
		op := operation(api, req, rec)
		r.metrics.Observe(api, op, rec.status, took, counted.n, rec.n)
		r.log.LogAttrs(req.Context(), slog.LevelDebug, "request", slog.String("request_id", f.RequestID),
			slog.String("api", api), slog.String("operation", op), slog.Int("status", rec.status), slog.Duration("took", took),
			slog.Int64("bytes_in", counted.n), slog.Int64("bytes_out", rec.n), slog.String("source_ip", req.RemoteAddr))
	}()
	switch api {
	case apiOps:
		r.ops.ServeHTTP(rec, req)
	case apiKMS:
		r.kms.ServeHTTP(rec, req)
	case apiOrg:
		r.org.ServeHTTP(rec, req)
	case apiAnywhere:
		r.anywhere.ServeHTTP(rec, req)
	case apiToolbox:
		r.ops.ServeToolbox(rec, req)
	case apiIAM, apiSTS:
		r.query.ServeHTTP(rec, req, api)
	case apiS3:
		r.s3.ServeHTTP(rec, req)
	case apiXKS:
		r.xks.ServeHTTP(rec, req)
	default:
		r.ops.NotBuilt(rec, req, r.authn.Stranger(req, api, f))
	}
}

// The APIs on the port, as metrics name them. Others are the names of services
// that a credential scope holds.
const (
	apiS3       = "s3"
	apiKMS      = "kms"
	apiIAM      = "iam"
	apiSTS      = "sts"
	apiOrg      = "organizations"
	apiAnywhere = "rolesanywhere"
	// apiXKS is the external key store proxy, as it is signed for.
	apiXKS = xks.SigningService
	// apiToolbox is the IAM Toolbox, which is signed for IAM.
	apiToolbox = "iam-toolbox"
	apiOps     = "coffer"
	// apiOther is a service that an unsigned request names and Coffer lacks.
	apiOther = "other"
)

// api tells which API a request is for: by the service of its credential scope
// if it is signed, and else by X-Amz-Target, by the Query protocol on "/", and
// otherwise S3.
func (r *router) api(req *http.Request) string {
	if r.xksOnly {
		return apiXKS
	}
	onBucket := r.s3.IsBucketHost(req.Host)
	if !onBucket && strings.HasPrefix(req.URL.Path, opsapi.Prefix) {
		return apiOps
	}
	service := authn.Service(req)
	if r.xks != nil && (service == apiXKS || service == "" && !onBucket && r.xks.Owns(req)) {
		return apiXKS
	}
	switch service {
	case "":
	case apiIAM:
		if !onBucket && strings.HasPrefix(req.URL.Path, opsapi.ToolboxPrefix) {
			return apiToolbox
		}
		return apiIAM
	case apiKMS, apiSTS, apiOrg, apiAnywhere, "cloudtrail":
		return service
	default:
		return apiS3 // which refuses a scope that is not its own
	}
	if t := req.Header.Get("X-Amz-Target"); t != "" {
		if strings.HasPrefix(t, "TrentService.") {
			return apiKMS
		}
		if strings.HasPrefix(t, orgapi.TargetPrefix) {
			return apiOrg
		}
		return apiOther
	}
	if !onBucket && req.URL.Path == "/" && isQuery(req) {
		return apiSTS // what needs no signature is of STS
	}
	return apiS3
}

// isQuery reports whether a request speaks the Query protocol.
func isQuery(req *http.Request) bool {
	switch req.Method {
	case http.MethodPost:
		return strings.HasPrefix(req.Header.Get("Content-Type"), awsquery.ContentType)
	case http.MethodGet:
		return sigv4.HasQueryParameter(req.URL.RawQuery, "Action")
	}
	return false
}

// slowDown refuses a request for which there is no slot.
func (r *router) slowDown(w http.ResponseWriter, req *http.Request, api string) {
	w.Header().Set("Connection", "close")
	if api == apiXKS {
		xksapi.SlowDown(w)
		return
	}
	if code, ok := map[string]string{apiKMS: "KMSInternalException", apiOrg: "TooManyRequestsException", apiAnywhere: "ThrottlingException", apiToolbox: "ThrottlingException"}[api]; ok {
		e := awserr.New(503, code, "Please reduce your request rate.")
		w.Header().Set("Content-Type", awsjson.ContentType)
		w.WriteHeader(e.Status)
		_, _ = w.Write(awsjson.EncodeError(e))
		return
	}
	if api == apiIAM || api == apiSTS {
		r.query.WriteError(w, api, w.Header().Get("X-Amz-Request-Id"), awserr.New(503, "ServiceUnavailable", "Please reduce your request rate."))
		return
	}
	r.s3.WriteError(w, req, awserr.New(503, "SlowDown", "Please reduce your request rate."))
}

// operation names the operation for metrics and logs, from a fixed set.
func operation(api string, req *http.Request, w *recorder) string {
	if api == apiKMS {
		if name := strings.TrimPrefix(req.Header.Get("X-Amz-Target"), "TrentService."); kmsapi.IsOperation(name) {
			return name
		}
	}
	if api == apiOrg {
		if name := strings.TrimPrefix(req.Header.Get("X-Amz-Target"), orgapi.TargetPrefix); orgapi.IsOperation(name) {
			return name
		}
	}
	if w.op == "" {
		return "Unknown"
	}
	return w.op
}

// newFacts draws the identifiers of a request.
func newFacts() authn.Facts {
	var b [40]byte
	_, _ = rand.Read(b[:]) // it never fails
	return authn.Facts{RequestID: strings.ToUpper(hex.EncodeToString(b[:8])), HostID: base64.StdEncoding.EncodeToString(b[8:])}
}

// A countedBody counts a body and gives up one that does not move.
type countedBody struct {
	io.ReadCloser
	control *http.ResponseController
	timeout time.Duration
	n       int64
	next    time.Time // when the deadline is set anew
	// ended says that nothing more is to come. net/http then waits on the
	// connection for the client to go away, and would take the end of a read
	// deadline for it: there must be none.
	ended bool
}

// newCountedBody sets the first deadline at once: net/http reads the rest of a
// body that the handler leaves, and would wait for it for ever.
func newCountedBody(body io.ReadCloser, control *http.ResponseController, timeout time.Duration) *countedBody {
	b := &countedBody{ReadCloser: body, control: control, timeout: timeout, ended: body == http.NoBody}
	b.extend()
	return b
}

// extend sets the deadline anew, at most four times in a timeout: it costs a
// system call.
func (b *countedBody) extend() {
	if now := time.Now(); !b.ended && now.After(b.next) {
		b.next = now.Add(b.timeout / 4)
		_ = b.control.SetReadDeadline(now.Add(b.timeout))
	}
}

func (b *countedBody) Read(p []byte) (int, error) {
	b.extend()
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	b.ended = b.ended || err != nil
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		err = awserr.New(400, "RequestTimeout", "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.")
	}
	return n, err
}

// A recorder counts an answer and gives up a client that does not take it. A
// deadline stays on the connection, so each answer sets its own, also one without a
// body.
type recorder struct {
	http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
	status  int
	n       int64
	next    time.Time
	op      string
}

// newRecorder sets the first deadline at once, for the "100 Continue" that
// net/http writes by itself.
func newRecorder(w http.ResponseWriter, timeout time.Duration) *recorder {
	rec := &recorder{ResponseWriter: w, control: http.NewResponseController(w), timeout: timeout}
	rec.extend()
	return rec
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// SetOperation names the operation for metrics and logs.
func (w *recorder) SetOperation(name string) { w.op = name }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.extend()
	w.ResponseWriter.WriteHeader(status)
}

// extend sets the deadline anew, at most four times in a timeout. It is later than
// that of the body: net/http waits for the rest of a short body before it writes.
func (w *recorder) extend() {
	if now := time.Now(); now.After(w.next) {
		w.next = now.Add(w.timeout / 4)
		_ = w.control.SetWriteDeadline(now.Add(w.timeout + w.timeout/2))
	}
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.extend()
	n, err := w.ResponseWriter.Write(p)
	w.n += int64(n)
	return n, err
}

// quiet drops what net/http says of clients that break off or speak no TLS, and
// logs the rest.
type quiet struct{ log *slog.Logger }

func (q quiet) Write(p []byte) (int, error) {
	line := bytes.TrimSpace(p)
	if !bytes.Contains(line, []byte("TLS handshake error")) && !bytes.Contains(line, []byte("URL query contains semicolon")) {
		q.log.Warn("http", "message", string(line))
	}
	return len(p), nil
}

// limitedListener bounds how many connections are open at a time. Those above
// wait in the kernel's queue.
type limitedListener struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	close  func() error
}

func limitListener(l net.Listener, n int) net.Listener {
	closed := make(chan struct{})
	return &limitedListener{l, make(chan struct{}, n), closed, sync.OnceValue(func() error {
		close(closed)
		return l.Close()
	})}
}

// Close also ends an Accept that waits for a connection to be closed.
func (l *limitedListener) Close() error { return l.close() }

func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitedConn{Conn: c, slots: l.slots}, nil
}

type limitedConn struct {
	net.Conn
	slots  chan struct{}
	closed atomic.Bool
}

func (c *limitedConn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		<-c.slots
	}
	return c.Conn.Close()
}
