// Package kmsapi speaks the wire protocol of AWS KMS: AWS JSON 1.1 over HTTP
// POST, the operation named by the header X-Amz-Target. It decodes, calls
// package kms, encodes, and decides nothing.
//
// Source: AWS KMS API Reference; Smithy 2.0, "AWS JSON 1.1 protocol"; read
// 2026-11-21.
package kmsapi

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
	"coffer/internal/kms"
)

// targetPrefix is the name of the service in X-Amz-Target.
const targetPrefix = "TrentService."

// An Authenticate finds out who sends a request, and reads its whole body while
// it verifies it. The caller is never nil, and names the request also when an
// error refuses it. Errors are *awserr.Error, or those of reading the body.
type Authenticate func(r *http.Request) (c *authn.Caller, body []byte, err error)

// A Handler serves the KMS API. It is safe for concurrent use.
type Handler struct {
	kms          *kms.Service
	authenticate Authenticate
	operations   map[string]Operation
}

// New returns a handler for the operations of svc. A server that authenticates
// elsewhere, and calls [Handler.ServeCall], passes nil for authenticate.
func New(svc *kms.Service, authenticate Authenticate) *Handler {
	h := &Handler{kms: svc, authenticate: authenticate, operations: make(map[string]Operation)}
	for _, o := range Operations() {
		h.operations[o.Name] = o
	}
	return h
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
	e := encodable(err)
	return e.Status, awsjson.EncodeError(e), e
}

func (h *Handler) serve(ctx context.Context, c *authn.Caller, target string, body []byte) ([]byte, error) {
	name, o, known := h.operation(target)
	if c.IsAnonymous() {
		return nil, h.kms.Refuse(ctx, c, name, awserr.New(http.StatusBadRequest, "MissingAuthenticationTokenException", "Missing Authentication Token"))
	}
	if !known {
		return nil, h.kms.Refuse(ctx, c, name, unknown("The target names no operation of KMS."))
	}
	return o.serve(ctx, h.kms, c, body)
}

// unknownName is what the trail calls a request that names no operation: names that
// clients make up do not get in.
const unknownName = "Unknown"

// operation returns the operation that a target names, with its name in the trail.
func (h *Handler) operation(target string) (name string, o Operation, known bool) {
	name, ok := strings.CutPrefix(target, targetPrefix)
	if o, known = h.operations[name]; !ok || !known {
		return unknownName, Operation{}, false
	}
	return name, o, true
}

// ServeHTTP serves one request. It answers with x-amzn-RequestId, and keeps
// answers out of caches. What it refuses is in the trail as well.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, awsjson.MaxSize)
	c, body, err := h.authenticate(r)
	defer clear(body)
	var status int
	var answer []byte
	if err == nil {
		err = checkRequest(r)
	}
	if err == nil {
		status, answer, err = h.ServeCall(r.Context(), c, r.Header.Get("X-Amz-Target"), body)
	} else {
		name, _, _ := h.operation(r.Header.Get("X-Amz-Target"))
		e := encodable(h.kms.Refuse(r.Context(), c, name, encodable(err)))
		status, answer, err = e.Status, awsjson.EncodeError(e), e
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
func checkRequest(r *http.Request) error {
	if r.Method != http.MethodPost {
		return unknown("KMS takes POST requests only.")
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != awsjson.ContentType {
		return unknown("KMS takes requests of Content-Type " + awsjson.ContentType + " only.")
	}
	return nil
}

// unknown returns AWS's error for a request that names no operation. AWS sends
// it without a message.
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
	return awserr.New(http.StatusInternalServerError, "KMSInternalException", "The request was rejected because an internal exception occurred. The request can be retried.").Because(err)
}
