package s3api

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"coffer/internal/authn"
	"coffer/internal/restxml"
	"coffer/internal/s3"
)

// An Authenticator finds out who sends a request. [authn.Authenticator]
// implements it.
type Authenticator interface {
	// S3 verifies the signature of r, if it has one, and does not read its
	// body: the body that it returns verifies itself while it is read.
	S3(r *http.Request, f authn.Facts) (*authn.Caller, *authn.Body, error)
	// Post verifies the signature of a form over its policy, and returns the
	// policy. Names of fields are in lower case. The policy is nil, and the
	// caller anonymous, if the form is not signed.
	Post(r *http.Request, fields map[string]string, f authn.Facts) (*authn.Caller, []byte, error)
	// Stranger returns what is known of a sender before, or without, a signature
	// that holds. The trail names it in the record of a request that was refused.
	Stranger(r *http.Request, service string, f authn.Facts) *authn.Caller
}

// Config is what a [Handler] needs.
type Config struct {
	API           s3.API
	Authenticator Authenticator
	// Domains are the host names under which a bucket is a host of its own:
	// with "s3.example.com", the host b.s3.example.com is bucket b. Any other
	// host is path style.
	Domains []string
	Log     *slog.Logger     // slog.Default() if nil
	Now     func() time.Time // time.Now if nil
	Rand    io.Reader        // of request IDs; crypto/rand if nil
}

// A Handler serves the S3 API. It is safe for concurrent use.
type Handler struct {
	api     s3.API
	auth    Authenticator
	domains []string
	log     *slog.Logger
	now     func() time.Time
	rand    io.Reader
}

// New returns a handler.
func New(c Config) *Handler {
	h := &Handler{api: c.API, auth: c.Authenticator, log: c.Log, now: c.Now, rand: c.Rand}
	h.domains = sortedDomains(c.Domains)
	if h.log == nil {
		h.log = slog.Default()
	}
	if h.now == nil {
		h.now = time.Now
	}
	if h.rand == nil {
		h.rand = rand.Reader
	}
	return h
}

// A call is one request under way. It belongs to the goroutine that serves it.
type call struct {
	*Handler
	ctx     context.Context
	w       http.ResponseWriter
	r       *http.Request
	header  http.Header // of the request, with what a presigned query carries
	query   url.Values  // without the parameters of a signature
	caller  *authn.Caller
	payload *authn.Body // nil if the request could not be authenticated

	operation   string
	bucket, key string
	// recorded is set once the API has taken the request, and so records it.
	recorded bool
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.identify(w)
	c := &call{Handler: h, ctx: r.Context(), w: w, r: r, caller: h.auth.Stranger(r, "s3", facts(w))}
	err := c.serve()
	if err == nil {
		return
	}
	if !c.recorded {
		operation := c.operation
		if operation == "" {
			operation = "Unknown"
		}
		err = h.api.Refuse(c.ctx, c.caller, operation, c.bucket, c.key, err)
	}
	h.WriteError(w, r, err)
}

// serve handles the request, or returns the error to answer with.
func (c *call) serve() error {
	caller, payload, authErr := c.auth.S3(c.r, facts(c.w))
	if caller != nil {
		c.caller = caller
	}
	c.payload = payload

	level, err := c.address()
	if err != nil {
		return err
	}
	if c.r.Method == http.MethodOptions {
		c.operation = "PreflightRequest"
		return preflight(c.r, level)
	}
	if err := c.parseQuery(); err != nil {
		return err
	}
	route, err := c.route(level)
	if route != nil {
		c.operation = route.Operation
		nameOperation(c.w, c.operation)
	}
	// Who is refused for a bad signature learns nothing else.
	if authErr != nil {
		return authErr
	}
	if err != nil {
		return err
	}
	if route.serve == nil {
		return notBuilt()
	}
	if err := c.checkHeaders(route); err != nil {
		return err
	}
	if err := c.checkParameters(route); err != nil {
		return err
	}
	return route.serve(c)
}

func facts(w http.ResponseWriter) authn.Facts {
	return authn.Facts{RequestID: w.Header().Get(headerRequestID), HostID: w.Header().Get(headerHostID)}
}

// take marks the request as taken by the API, which records it from here on,
// and returns the API.
func (c *call) take() s3.API {
	c.recorded = true
	return c.api
}

// The headers of every answer.
const (
	headerRequestID = "X-Amz-Request-Id"
	headerHostID    = "X-Amz-Id-2"
)

// identify sets the headers that every answer carries. The request ID stays if
// an outer handler has set one.
func (h *Handler) identify(w http.ResponseWriter) {
	header := w.Header()
	if header.Get(headerRequestID) == "" {
		var id [48]byte
		if _, err := io.ReadFull(h.rand, id[:]); err != nil {
			h.log.Error("read random bytes of a request ID", "error", err)
		}
		header.Set(headerRequestID, strings.ToUpper(hex.EncodeToString(id[:8])))
		header.Set(headerHostID, base64.StdEncoding.EncodeToString(id[8:]))
	}
	// Object bytes are somebody's content on the API's host: as a page they
	// may run nothing and act for nobody.
	header.Set("Content-Security-Policy", "sandbox")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Server", "Coffer")
}

// buffers holds the buffers that documents are encoded into.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxPooled is the largest buffer kept: a page of a thousand entries needs about
// 400 KiB.
const maxPooled = 1 << 20

// document answers with an XML document.
func (c *call) document(status int, d restxml.Document) error {
	return writeDocument(c.w, c.r, status, d)
}

// writeDocument answers with an XML document; a HEAD request gets its headers.
// An error of the connection is nobody's to handle.
func writeDocument(w http.ResponseWriter, r *http.Request, status int, d restxml.Document) error {
	p := buffers.Get().(*[]byte)
	b := restxml.Append((*p)[:0], d)
	w.Header().Set("Content-Type", "application/xml")
	if r.Method != http.MethodHead {
		w.Header().Set("Content-Length", itoa(int64(len(b))))
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b)
	}
	if cap(b) <= maxPooled {
		*p = b[:0]
		buffers.Put(p)
	}
	return nil
}

// empty answers without a body.
func (c *call) empty(status int) error {
	if status != http.StatusNoContent {
		c.w.Header().Set("Content-Length", "0")
	}
	c.w.WriteHeader(status)
	return nil
}
