// Package orgapi speaks the wire protocol of AWS Organizations: AWS JSON 1.1 over
// HTTP POST, the operation named by the header X-Amz-Target. It decodes, calls
// package org, encodes, and decides nothing.
//
// Source: AWS Organizations API Reference; Smithy 2.0, "AWS JSON 1.1 protocol"; read
// 2026-11-21.
package orgapi

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/awsjson"
	"coffer/internal/org"
)

// TargetPrefix is the name of the service in X-Amz-Target.
const TargetPrefix = "AWSOrganizationsV20161128."

// An Authenticate finds out who sends a request, and reads its whole body while it
// verifies it. The caller is never nil, and names the request also when an error
// refuses it. Errors are *awserr.Error, or those of reading the body.
type Authenticate func(r *http.Request) (c *authn.Caller, body []byte, err error)

// A Handler serves the Organizations API. It is safe for concurrent use.
type Handler struct {
	org          *org.Service
	authenticate Authenticate
	operations   map[string]Operation
}

// New returns a handler for the operations of svc.
func New(svc *org.Service, authenticate Authenticate) *Handler {
	h := &Handler{org: svc, authenticate: authenticate, operations: make(map[string]Operation)}
	for _, o := range Operations() {
		h.operations[o.Name] = o
	}
	return h
}

// ServeCall serves one authenticated call. target is the header X-Amz-Target and
// body the verified body. It returns the status and the body to answer with, and the
// *awserr.Error that the body holds, if any, whose headers are to be sent.
func (h *Handler) ServeCall(ctx context.Context, c *authn.Caller, target string, body []byte) (status int, answer []byte, err error) {
	answer, err = h.serve(ctx, c, target, body)
	if err == nil {
		return http.StatusOK, answer, nil
	}
	e := encodable(err)
	return e.Status, encode(e), e
}

func (h *Handler) serve(ctx context.Context, c *authn.Caller, target string, body []byte) ([]byte, error) {
	name, o, known := h.operation(target)
	if c.IsAnonymous() {
		return nil, h.org.Refuse(ctx, c, name, awserr.New(http.StatusBadRequest, "MissingAuthenticationTokenException", "Missing Authentication Token"))
	}
	if !known {
		return nil, h.org.Refuse(ctx, c, name, unknown("The target names no operation of AWS Organizations."))
	}
	return o.serve(ctx, h.org, c, body)
}

// encode returns the body of an error. The model of the service spells the member
// Message; other JSON services do not, and some clients look for theirs.
func encode(e *awserr.Error) []byte { return awsjson.EncodeError(e.With("Message", e.Message)) }

// unknownName is what the trail calls a request that names no operation: names that
// clients make up do not get in.
const unknownName = "Unknown"

// operation returns the operation that a target names, with its name in the trail.
func (h *Handler) operation(target string) (name string, o Operation, known bool) {
	name, ok := strings.CutPrefix(target, TargetPrefix)
	if o, known = h.operations[name]; !ok || !known {
		return unknownName, Operation{}, false
	}
	return name, o, true
}

// ServeHTTP serves one request. It answers with x-amzn-RequestId, and keeps answers
// out of caches. What it refuses is in the trail as well.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, awsjson.MaxSize)
	c, body, err := h.authenticate(r)
	var status int
	var answer []byte
	if err == nil {
		err = checkRequest(r)
	}
	if err == nil {
		status, answer, err = h.ServeCall(r.Context(), c, r.Header.Get("X-Amz-Target"), body)
	} else {
		name, _, _ := h.operation(r.Header.Get("X-Amz-Target"))
		e := encodable(h.org.Refuse(r.Context(), c, name, encodable(err)))
		status, answer, err = e.Status, encode(e), e
	}
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
func checkRequest(r *http.Request) error {
	if r.Method != http.MethodPost {
		return unknown("AWS Organizations takes POST requests only.")
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != awsjson.ContentType {
		return unknown("AWS Organizations takes requests of Content-Type " + awsjson.ContentType + " only.")
	}
	return nil
}

// unknown returns AWS's error for a request that names no operation.
func unknown(message string) error {
	return awserr.New(http.StatusBadRequest, "UnknownOperationException", "%s", message)
}

// encodable returns the error that an answer shows for err.
func encodable(err error) *awserr.Error {
	if e := awserr.As(err); e != nil {
		return e
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return awserr.New(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The request body is larger than %d bytes.", tooLarge.Limit)
	}
	return awserr.New(http.StatusInternalServerError, "ServiceException", "AWS Organizations can't complete your request because of an internal service error. Try again later.").Because(err)
}

var names = sync.OnceValue(func() map[string]bool {
	m := make(map[string]bool)
	for _, o := range Operations() {
		m[o.Name] = true
	}
	return m
})

// IsOperation reports whether AWS Organizations has an operation of that name.
func IsOperation(name string) bool { return names()[name] }
