// Package opsapi serves what operators need beside the AWS APIs: health, metrics
// and the administration of the server, below /_coffer/.
//
// Health and metrics need no signature. The administration takes Signature
// Version 4 with the service name coffer, and never cookies. The IAM Toolbox, an API
// of AWS that explains denials, is served from the same explanations.
package opsapi

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"coffer/internal/admin"
	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/awsjson"
	"coffer/internal/s3"
	"coffer/internal/shred"
	"coffer/internal/sts"
)

// Prefix is where the handler lies on the API's own host.
const Prefix = "/_coffer/"

// maxBody bounds the body of an administrative request, in bytes.
const maxBody = 64 << 10

// A Config holds what a Handler needs.
type Config struct {
	Admin *admin.Service
	Shred *shred.Service
	// Objects is the S3 service, which seals objects anew.
	Objects *s3.Service
	// Sessions makes credentials that act as a user or a role.
	Sessions Sessions
	// Authenticate finds out who sends a request, and reads its body. The caller
	// is never nil, and names the request also when an error refuses it.
	Authenticate func(*http.Request) (*authn.Caller, []byte, error)
	// AuthenticateIAM does the same for a request to the IAM Toolbox, which is signed
	// for the service iam.
	AuthenticateIAM func(*http.Request) (*authn.Caller, []byte, error)
	Metrics         http.Handler
	// Ready returns why the server can't serve now, or nil.
	Ready func(context.Context) error
	Log   *slog.Logger
}

// Sessions makes credentials that act as a user or a role of the caller's account. The
// STS service implements it.
type Sessions interface {
	IssueSession(ctx context.Context, c *authn.Caller, principal string) (*sts.Credentials, error)
}

// A newSession is the answer of IssueSession: a place where secrets leave the server.
type newSession struct {
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
	SessionToken    string `json:"sessionToken"`
}

// A Handler serves the operators' API.
type Handler struct {
	cfg        Config
	operations []Operation
}

// New returns a handler.
func New(cfg Config) *Handler { return &Handler{cfg, Operations()} }

// ServeHTTP serves one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", "sandbox")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	switch name := strings.TrimPrefix(r.URL.Path, Prefix); {
	case name == "health/live" && isRead(r):
		answer(w, http.StatusOK, map[string]any{"status": "live"})
	case name == "health/ready" && isRead(r):
		if err := h.cfg.Ready(r.Context()); err != nil {
			h.cfg.Log.Warn("not ready", "error", err)
			answer(w, http.StatusServiceUnavailable, map[string]any{"status": "unavailable"})
			return
		}
		answer(w, http.StatusOK, map[string]any{"status": "ready"})
	case name == "metrics" && isRead(r):
		h.cfg.Metrics.ServeHTTP(w, r)
	default:
		h.operation(w, r, name)
	}
}

// operation serves what the routing table has.
func (h *Handler) operation(w http.ResponseWriter, r *http.Request, name string) {
	for i := range h.operations {
		o := &h.operations[i]
		if id, ok := o.matches(r); ok {
			o.serve(h, w, r, o.Name, id)
			return
		}
	}
	if name == accountsPath {
		fail(w, awserr.New(405, "MethodNotAllowed", "This path takes GET and POST."))
		return
	}
	fail(w, awserr.New(404, "NotFound", "There is nothing at this path."))
}

// A sessionFor is the request of IssueSession.
type sessionFor struct {
	Principal string `json:"principal"`
}

func (h *Handler) issueSession(ctx context.Context, c *authn.Caller, in *sessionFor) (*newSession, error) {
	out, err := h.cfg.Sessions.IssueSession(ctx, c, in.Principal)
	if err != nil {
		return nil, err
	}
	return &newSession{out.AccessKeyID, out.SecretAccessKey.Reveal(), out.SessionToken.Reveal()}, nil
}

func isRead(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// serve authenticates and serves one administrative operation.
func serve[Output any](h *Handler, w http.ResponseWriter, r *http.Request, operation string, act func(context.Context, *authn.Caller, []byte) (*Output, error)) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	c, body, err := h.cfg.Authenticate(r)
	var out *Output
	if err == nil {
		out, err = act(r.Context(), c, body)
	} else {
		err = h.refuse(r, c, operation, err)
	}
	if err != nil {
		fail(w, awserr.As(err))
		return
	}
	answer(w, http.StatusOK, out)
}

// refuse records a request that could not be authenticated or read.
func (h *Handler) refuse(r *http.Request, c *authn.Caller, operation string, err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		err = awserr.New(413, "RequestEntityTooLargeException", "The request body is longer than %d bytes.", maxBody)
	}
	return h.cfg.Admin.Refuse(r.Context(), c, "coffer", operation, err)
}

// decode reads the body of an operation, which is one JSON object, or refuses the
// operation. A member that is unknown, or stands twice, is refused too.
func (h *Handler) decode(ctx context.Context, c *authn.Caller, operation string, body []byte, into any, example string) error {
	if err := unmarshal(body, into); err != nil {
		malformed := awserr.New(400, "ValidationException", "The body must be JSON such as %s.", example)
		return h.cfg.Admin.Refuse(ctx, c, "coffer", operation, malformed)
	}
	return nil
}

// NotBuilt records and answers a request to a service that Coffer does not have,
// in the service's own protocol: JSON if the request names a target, and else
// Query. Its signature was not checked, so the caller is a stranger.
func (h *Handler) NotBuilt(w http.ResponseWriter, r *http.Request, c *authn.Caller) {
	name := "Unknown"
	if _, after, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
		name = after
	}
	missing := awserr.New(501, "NotImplemented", "This service is not implemented by Coffer.")
	e := awserr.As(h.cfg.Admin.Refuse(r.Context(), c, c.Service+".amazonaws.com", name, missing))
	if r.Header.Get("X-Amz-Target") != "" || strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-json") {
		w.Header().Set("Content-Type", awsjson.ContentType)
		w.Header().Set("X-Amzn-Errortype", e.Code)
		w.WriteHeader(e.Status)
		_, _ = w.Write(awsjson.EncodeError(e))
		return
	}
	type queryError struct {
		XMLName   xml.Name `xml:"ErrorResponse"`
		Type      string   `xml:"Error>Type"`
		Code      string   `xml:"Error>Code"`
		Message   string   `xml:"Error>Message"`
		RequestID string   `xml:"RequestId"`
	}
	b, err := xml.Marshal(queryError{Type: "Sender", Code: e.Code, Message: e.Message, RequestID: w.Header().Get("X-Amz-Request-Id")})
	if err != nil {
		h.cfg.Log.Error("encode error", "error", err)
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(e.Status)
	_, _ = w.Write(b)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func fail(w http.ResponseWriter, e *awserr.Error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	_, _ = w.Write(append(awsjson.EncodeError(e), '\n'))
}
