// Package opsapi serves what operators need beside the AWS APIs: health, metrics
// and the administration of the server, below /_coffer/.
//
// Health and metrics need no signature. The administration takes Signature
// Version 4 with the service name coffer, and never cookies.
package opsapi

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/awsjson"
	"coffer/internal/calendar"
	"coffer/internal/meta"
)

// Prefix is where the handler lies on the API's own host.
const Prefix = "/_coffer/"

// maxBody bounds the body of an administrative request, in bytes.
const maxBody = 64 << 10

// A Config holds what a Handler needs.
type Config struct {
	Authenticate func(*http.Request) (*authn.Caller, []byte, error)
	Gate         *authz.Gate
	Clock        *calendar.Clock
	Metrics      http.Handler
	// Account owns the server: its principals administer it.
	Account string
	// Ready returns why the server can't serve now, or nil.
	Ready func(context.Context) error
	// DevClock lets the clock be moved on. Advanced is called after it was,
	// and returns when what falls due then has been done.
	DevClock bool
	Advanced func(context.Context) error
	Log      *slog.Logger
}

// A Handler serves the operators' API.
type Handler struct{ cfg Config }

// New returns a handler.
func New(cfg Config) *Handler { return &Handler{cfg} }

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
	case name == "dev/clock" && r.Method == http.MethodPost:
		h.admin(w, r, "AdvanceClock", h.advance)
	case name == "clock/confirm" && r.Method == http.MethodPost:
		h.admin(w, r, "ConfirmClock", h.confirm)
	case name == "clock" && isRead(r):
		h.admin(w, r, "GetClock", h.clock)
	default:
		fail(w, awserr.New(404, "NotFound", "There is nothing at this path."))
	}
}

func isRead(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// admin authenticates, authorizes and records one administrative operation.
func (h *Handler) admin(w http.ResponseWriter, r *http.Request, operation string, act func(context.Context, *authz.Call, []byte) (any, error)) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	c, body, err := h.cfg.Authenticate(r)
	call := h.cfg.Gate.Begin(c, authz.Operation{Source: "coffer", Name: operation, ReadOnly: isRead(r)})
	resource := arn.ARN{Partition: arn.Partition, Service: "coffer", Region: c.Region, Account: h.cfg.Account, Resource: "server"}.String()
	var out any
	if err == nil {
		err = call.Authorize(r.Context(), "coffer:"+operation, resource, h.cfg.Account, nil)
	}
	if err == nil {
		out, err = act(r.Context(), call, body)
	}
	if err != nil {
		err = h.word(err)
	}
	if ended := call.End(r.Context(), err); ended != nil {
		fail(w, h.word(ended))
		return
	}
	answer(w, http.StatusOK, out)
}

// word turns any error into what the client sees.
func (h *Handler) word(err error) *awserr.Error {
	if e := awserr.As(err); e != nil {
		return e
	}
	if denied, ok := errors.AsType[*authz.Denied](err); ok {
		return awserr.New(403, "AccessDeniedException", "%s", denied.Error())
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return awserr.New(413, "RequestEntityTooLargeException", "The request body is longer than %d bytes.", maxBody)
	}
	if errors.Is(err, meta.ErrUnavailable) || errors.Is(err, authz.ErrUnrecorded) {
		return awserr.New(503, "ServiceUnavailableException", "The storage can't be written now.").Because(err)
	}
	h.cfg.Log.Error("administration failed", "error", err)
	return awserr.New(500, "InternalFailure", "The request failed for an internal reason.").Because(err)
}

type clockState struct {
	Now  time.Time `json:"now"`
	Held string    `json:"held,omitempty"`
}

func (h *Handler) state() clockState {
	return clockState{Now: h.cfg.Clock.Now(), Held: h.cfg.Clock.Held()}
}

// clock tells calendar time, and whether deadlines wait for a confirmation.
func (h *Handler) clock(context.Context, *authz.Call, []byte) (any, error) { return h.state(), nil }

// advance moves calendar time on.
func (h *Handler) advance(ctx context.Context, call *authz.Call, body []byte) (any, error) {
	if !h.cfg.DevClock {
		return nil, awserr.New(403, "AccessDeniedException", "The server runs without --dev-clock.")
	}
	var in struct {
		Advance string `json:"advance"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, awserr.New(400, "ValidationException", `The body must be JSON such as {"advance":"168h"}.`)
	}
	d, err := time.ParseDuration(in.Advance)
	if err != nil || d <= 0 {
		return nil, awserr.New(400, "ValidationException", "advance must be a positive duration such as 168h.")
	}
	call.Param("advance", d.String())
	if _, err := h.cfg.Clock.Advance(ctx, d, call.Record); err != nil {
		if errors.Is(err, calendar.ErrTooFar) {
			return nil, awserr.New(400, "ValidationException", "Time can't be moved on so far.")
		}
		return nil, err
	}
	if err := h.cfg.Advanced(ctx); err != nil {
		return nil, err
	}
	return h.state(), nil
}

// confirm accepts a wall clock that has jumped.
func (h *Handler) confirm(ctx context.Context, call *authz.Call, _ []byte) (any, error) {
	if err := h.cfg.Clock.Confirm(ctx, call.Record); err != nil {
		return nil, err
	}
	return h.state(), h.cfg.Advanced(ctx)
}

// NotBuilt records and answers a request to a service that Coffer does not have,
// in the service's own protocol: JSON if the request names a target, and else
// Query. Its signature was not checked, so the caller is a stranger.
func (h *Handler) NotBuilt(w http.ResponseWriter, r *http.Request, c *authn.Caller) {
	name := "Unknown"
	if _, after, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
		name = after
	}
	call := h.cfg.Gate.Begin(c, authz.Operation{Source: c.Service + ".amazonaws.com", Name: name})
	e := h.word(call.End(r.Context(), awserr.New(501, "NotImplemented", "This service is not implemented by Coffer.")))
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
