// Package anywhereapi speaks the wire protocol of IAM Roles Anywhere: JSON over HTTP,
// the operation named by method and path. It decodes, calls package rolesanywhere,
// encodes, and decides nothing.
//
// CreateSession is signed with the key of a certificate; the other operations are
// signed as everywhere.
//
// Source: IAM Roles Anywhere API Reference and User Guide; Smithy 2.0, "AWS restJson1
// protocol"; read 2026-11-21.
package anywhereapi

import (
	"errors"
	"net/http"
	"strconv"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/awsjson"
	"coffer/internal/rolesanywhere"
)

// An Authenticate finds out who sends a request, and reads its whole body while it
// verifies it. The caller is never nil, and names the request also when an error
// refuses it. Errors are *awserr.Error, or those of reading the body.
type Authenticate func(r *http.Request) (c *authn.Caller, body []byte, err error)

// An AuthenticateX509 does the same for a request that is signed with the key of a
// certificate.
type AuthenticateX509 func(r *http.Request) (c *authn.Caller, s *authn.CertificateSigner, body []byte, err error)

// A Handler serves the IAM Roles Anywhere API. It is safe for concurrent use.
type Handler struct {
	svc        *rolesanywhere.Service
	request    Authenticate
	session    AuthenticateX509
	operations []Operation
}

// New returns a handler for the operations of svc.
func New(svc *rolesanywhere.Service, request Authenticate, session AuthenticateX509) *Handler {
	return &Handler{svc, request, session, Operations()}
}

// An operationSetter takes the name of the operation, for metrics.
type operationSetter interface{ SetOperation(name string) }

// ServeHTTP serves one request. What it refuses is in the trail as well.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, awsjson.MaxSize)
	if r.URL.Path == sessionPath && r.Method == http.MethodPost {
		name(w, "CreateSession")
		h.serveSession(w, r)
		return
	}
	c, body, err := h.request(r)
	o, id := h.operation(r)
	name(w, o.Name)
	switch {
	case err != nil:
		err = encodable(err)
	case c.IsAnonymous():
		err = awserr.New(http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token")
	case o.serve == nil:
		err = awserr.New(http.StatusNotFound, "UnknownOperationException", "The method and the path name no operation of IAM Roles Anywhere.")
	}
	if err != nil {
		write(w, c, 0, nil, h.svc.Refuse(r.Context(), c, o.Name, err))
		return
	}
	answer, err := o.serve(r.Context(), h.svc, c, request{id, r.URL.Query(), body})
	write(w, c, o.status, answer, err)
}

// operation returns the row of a request and the identifier in its path. What names no
// operation is called Unknown: names that clients make up stay out of the trail.
func (h *Handler) operation(r *http.Request) (*Operation, string) {
	for i := range h.operations {
		o := &h.operations[i]
		if id, ok := o.match(r.URL.Path); ok && o.Method == r.Method {
			return o, id
		}
	}
	return &Operation{Name: "Unknown"}, ""
}

func name(w http.ResponseWriter, operation string) {
	if s, ok := w.(operationSetter); ok {
		s.SetOperation(operation)
	}
}

// serveSession serves CreateSession.
func (h *Handler) serveSession(w http.ResponseWriter, r *http.Request) {
	c, signer, body, err := h.session(r)
	if err != nil {
		write(w, c, 0, nil, h.svc.Refuse(r.Context(), c, "CreateSession", encodable(err)))
		return
	}
	in, err := decodeSession(r.URL.Query(), body)
	if err != nil {
		write(w, c, 0, nil, h.svc.Refuse(r.Context(), c, "CreateSession", err))
		return
	}
	out, err := h.svc.CreateSession(r.Context(), c, signer, in)
	if err != nil {
		write(w, c, 0, nil, err)
		return
	}
	answer := encodeSession(out)
	defer clear(answer)
	write(w, c, http.StatusCreated, answer, nil)
}

// write sends an answer, or the error in its place. It keeps answers out of caches.
func write(w http.ResponseWriter, c *authn.Caller, status int, answer []byte, err error) {
	header := w.Header()
	if err != nil {
		e := encodable(err)
		for _, f := range e.Headers {
			header.Set(f.Name, f.Value)
		}
		header.Set("X-Amzn-Errortype", e.Code)
		status, answer = e.Status, awsjson.EncodeError(e)
	}
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(answer)))
	header.Set("Cache-Control", "no-cache, no-store, must-revalidate, private")
	header.Set("x-amzn-RequestId", c.RequestID)
	w.WriteHeader(status)
	w.Write(answer) // whoever is gone gets nothing
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
	return awserr.New(http.StatusInternalServerError, "InternalFailure", "The request failed for an internal reason.").Because(err)
}
