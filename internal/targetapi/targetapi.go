// Package targetapi speaks AWS JSON 1.1 over HTTP POST for services whose requests
// name their operation in the header X-Amz-Target. It authenticates, finds the
// operation, and writes the answer; what the operations are, their own fronts say.
//
// Source: Smithy 2.0, "AWS JSON 1.1 protocol", read 2026-11-21.
package targetapi

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/awsjson"
)

// An Authenticate finds out who sends a request, and reads its whole body while it
// verifies it. The caller is never nil, and names the request also when an error
// refuses it. Errors are *awserr.Error, or those of reading the body.
type Authenticate func(r *http.Request) (c *authn.Caller, body []byte, err error)

// A Serve serves one call of an operation: the body is JSON, and so is the answer,
// which may hold a secret.
type Serve func(ctx context.Context, c *authn.Caller, body []byte) (answer []byte, err error)

// A Config is what a Handler needs to know of its service.
type Config struct {
	Name   string           // of the service, in messages: "KMS"
	Prefix string           // of X-Amz-Target: "TrentService."
	Serve  map[string]Serve // by the operation's name
	// Refuse records a call that is refused before any operation could take it, and
	// returns the error to answer with.
	Refuse func(ctx context.Context, c *authn.Caller, operation string, err error) error
	// Internal is the service's answer to a failure of its own.
	Internal *awserr.Error
	// EncodeError returns the body of an error; awsjson.EncodeError if nil.
	EncodeError func(*awserr.Error) []byte
	// Authenticate may be nil in a server that authenticates elsewhere, and calls
	// ServeCall.
	Authenticate Authenticate
}

// A Handler serves one service. It is safe for concurrent use.
type Handler struct{ cfg Config }

// New returns a handler.
func New(cfg Config) *Handler {
	if cfg.EncodeError == nil {
		cfg.EncodeError = awsjson.EncodeError
	}
	return &Handler{cfg}
}

// ServeCall serves one authenticated call. target is the header X-Amz-Target and
// body the verified body. It returns the status and the body to answer with, and
// the *awserr.Error that the body holds, if any, whose headers are to be sent.
// The answer may hold a secret: clear it once it is sent.
func (h *Handler) ServeCall(ctx context.Context, c *authn.Caller, target string, body []byte) (status int, answer []byte, err error) {
	answer, err = h.serve(ctx, c, target, body)
	if err == nil {
		return http.StatusOK, answer, nil
	}
	return h.failure(err)
}

func (h *Handler) failure(err error) (int, []byte, error) {
	e := h.encodable(err)
	return e.Status, h.cfg.EncodeError(e), e
}

func (h *Handler) serve(ctx context.Context, c *authn.Caller, target string, body []byte) ([]byte, error) {
	name, serve := h.operation(target)
	if c.IsAnonymous() {
		return nil, h.cfg.Refuse(ctx, c, name, awserr.New(http.StatusBadRequest, "MissingAuthenticationTokenException", "Missing Authentication Token"))
	}
	if serve == nil {
		return nil, h.cfg.Refuse(ctx, c, name, unknown("The target names no operation of "+h.cfg.Name+"."))
	}
	return serve(ctx, c, body)
}

// unknownName is what the trail calls a request that names no operation: names that
// clients make up do not get in.
const unknownName = "Unknown"

// operation returns the operation that a target names, with its name in the trail.
func (h *Handler) operation(target string) (name string, serve Serve) {
	name, ok := strings.CutPrefix(target, h.cfg.Prefix)
	if serve = h.cfg.Serve[name]; !ok || serve == nil {
		return unknownName, nil
	}
	return name, serve
}

// ServeHTTP serves one request. It answers with x-amzn-RequestId, and keeps answers
// out of caches. What it refuses is in the trail as well.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, awsjson.MaxSize)
	c, body, err := h.cfg.Authenticate(r)
	defer clear(body)
	var status int
	var answer []byte
	if err == nil {
		err = h.checkRequest(r)
	}
	if err == nil {
		status, answer, err = h.ServeCall(r.Context(), c, r.Header.Get("X-Amz-Target"), body)
	} else {
		name, _ := h.operation(r.Header.Get("X-Amz-Target"))
		status, answer, err = h.failure(h.cfg.Refuse(r.Context(), c, name, h.encodable(err)))
	}
	defer clear(answer)
	header := w.Header()
	if e := awserr.As(err); e != nil {
		for _, f := range e.Headers {
			header.Set(f.Name, f.Value)
		}
	}
	header.Set("Content-Type", awsjson.ContentType)
	header.Set("Content-Length", strconv.Itoa(len(answer)))
	header.Set("Cache-Control", "no-cache, no-store, must-revalidate, private")
	header.Set("x-amzn-RequestId", c.RequestID)
	w.WriteHeader(status)
	w.Write(answer) // whoever is gone gets nothing
}

// checkRequest refuses what is not a request of this protocol.
func (h *Handler) checkRequest(r *http.Request) error {
	if r.Method != http.MethodPost {
		return unknown(h.cfg.Name + " takes POST requests only.")
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != awsjson.ContentType {
		return unknown(h.cfg.Name + " takes requests of Content-Type " + awsjson.ContentType + " only.")
	}
	return nil
}

// unknown returns AWS's error for a request that names no operation. AWS sends it
// without a message.
func unknown(message string) error {
	return awserr.New(http.StatusBadRequest, "UnknownOperationException", "%s", message)
}

// encodable returns the error that an answer shows for err.
func (h *Handler) encodable(err error) *awserr.Error {
	if e := awserr.As(err); e != nil {
		return e
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return awserr.New(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The request body is larger than %d bytes.", tooLarge.Limit)
	}
	return h.cfg.Internal.Because(err)
}
