// Package xksapi speaks the wire protocol of the external key store proxy API: JSON over
// HTTP POST, the operation named by the path. It decodes no message and decides nothing:
// package xksproxy verifies the signature and does the rest.
//
// Source: AWS KMS External Key Store Proxy API Specification 1.0.3, read 2026-11-22.
package xksapi

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/sigv4"
	"coffer/internal/xks"
	"coffer/internal/xksproxy"
)

const contentType = "application/json"

// A Handler serves the API. It is safe for concurrent use.
type Handler struct {
	svc      *xksproxy.Service
	stranger func(*http.Request) *authn.Caller
}

// New returns a handler for the stores of svc. stranger returns what is known of the
// sender of a request by its connection alone.
func New(svc *xksproxy.Service, stranger func(*http.Request) *authn.Caller) *Handler {
	return &Handler{svc, stranger}
}

// Owns reports whether the path of a request is below that of a store.
func (h *Handler) Owns(r *http.Request) bool {
	path := r.URL.EscapedPath()
	i := strings.Index(path, xks.PathSuffix)
	if i < 0 {
		return false
	}
	end := i + len(xks.PathSuffix)
	return (end == len(path) || path[end] == '/') && h.svc.HasPath(path[:end])
}

// An operationSetter takes the name of the operation, for metrics.
type operationSetter interface{ SetOperation(name string) }

// ServeHTTP serves one request. What it refuses is in the trail as well.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from := h.stranger(r)
	path := r.URL.EscapedPath()
	store, op, keyID, err := xks.SplitPath(path)
	if s, ok := w.(operationSetter); ok && op != "" {
		s.SetOperation(string(op))
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		h.write(w, from, nil, h.svc.Refuse(r.Context(), from, op, awserr.New(http.StatusMethodNotAllowed, "MethodNotAllowed", "The API takes POST requests only.")))
		return
	}
	if err != nil {
		h.write(w, from, nil, h.svc.Refuse(r.Context(), from, "", xks.NewError(xks.InvalidURIPathException, "The path names no operation.")))
		return
	}
	body, err := read(w, r)
	if err != nil {
		h.write(w, from, nil, h.svc.Refuse(r.Context(), from, op, err))
		return
	}
	defer clear(body)
	answer, err := h.svc.Serve(r.Context(), &xksproxy.Request{
		Signed:    &sigv4.Request{Method: r.Method, Path: path, RawQuery: r.URL.RawQuery, Host: r.Host, Header: r.Header},
		Body:      body,
		Operation: op, KeyID: keyID, Store: store, From: from,
	})
	defer clear(answer)
	h.write(w, from, answer, err)
}

// read reads the body of a request.
func read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != contentType {
		return nil, xks.NewError(xks.ValidationException, "The Content-Type is not %s.", contentType)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, xks.MaxBody))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return nil, xks.NewError(xks.UnsupportedOperationException, "The request is longer than %d bytes.", xks.MaxBody)
	case err != nil:
		return nil, xks.NewError(xks.ValidationException, "The request body can't be read.")
	}
	return body, nil
}

// SlowDown answers a request for which the server has no room.
func SlowDown(w http.ResponseWriter) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(xks.Status(xks.ThrottlingException))
	w.Write(xks.MarshalError(xks.NewError(xks.ThrottlingException, "The proxy is at its limit.")))
}

// write sends an answer, or the error in its place.
func (h *Handler) write(w http.ResponseWriter, from *authn.Caller, answer []byte, err error) {
	header := w.Header()
	status := http.StatusOK
	if err != nil {
		e := awserr.As(err)
		if e == nil {
			e = awserr.New(http.StatusInternalServerError, xks.InternalException, "The request failed for an internal reason.")
		}
		status, answer = e.Status, xks.MarshalError(&xks.Error{Name: e.Code, Message: e.Message})
	}
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(answer)))
	header.Set("Cache-Control", "no-store")
	header.Set("x-amzn-RequestId", from.RequestID)
	w.WriteHeader(status)
	w.Write(answer) // whoever is gone gets nothing
}
