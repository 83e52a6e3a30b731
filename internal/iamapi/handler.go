// Package iamapi speaks the wire protocol of IAM and STS: the AWS Query protocol, a
// form in the body of a POST or the query string of a GET, and answers in XML. It
// decodes, calls packages iam and sts, encodes, and decides nothing.
//
// Source: IAM User Guide, "Calling the IAM API using HTTP query requests"; Smithy
// 2.0, "AWS query protocol"; read 2026-11-21.
package iamapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/awsquery"
	"coffer/internal/iam"
	"coffer/internal/sts"
)

// An api is one of the two services.
type api struct{ version, namespace string }

var apis = map[string]api{
	"iam": {"2010-05-08", "https://iam.amazonaws.com/doc/2010-05-08/"},
	"sts": {"2011-06-15", "https://sts.amazonaws.com/doc/2011-06-15/"},
}

// An Authenticate finds out who sends a request to a service, "iam" or "sts", and
// returns its form, which it has verified. The caller is never nil, and names the
// request also when an error refuses it; it is anonymous for an operation that
// needs no signature. Errors are *awserr.Error, or those of reading the body.
type Authenticate func(r *http.Request, service string) (c *authn.Caller, form []byte, err error)

// Services are what the operations call.
type Services struct {
	IAM *iam.Service
	STS *sts.Service
}

// A Handler serves the APIs. It is safe for concurrent use.
type Handler struct {
	services     Services
	authenticate Authenticate
	operations   map[string]map[string]Operation // by service and name
}

// New returns a handler for the operations of services.
func New(services Services, authenticate Authenticate) *Handler {
	h := &Handler{services: services, authenticate: authenticate, operations: map[string]map[string]Operation{"iam": {}, "sts": {}}}
	for _, o := range Operations() {
		h.operations[o.Service][o.Name] = o
	}
	return h
}

// ServeHTTP serves one request to a service, "iam" or "sts". It answers with
// x-amzn-RequestId, and keeps answers out of caches. What it refuses is
// in the trail as well.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, service string) {
	seen := new(bytes.Buffer) // of the body, for the name of what is refused
	defer func() { clear(seen.Bytes()) }()
	body := http.MaxBytesReader(w, r.Body, awsquery.MaxSize)
	r.Body = readCloser{io.TeeReader(body, seen), body}
	c, text, err := h.authenticate(r, service)
	defer clear(text)
	var answer []byte
	if err == nil {
		err = checkRequest(r)
	}
	if err == nil {
		answer, err = h.serve(r.Context(), w, c, service, text)
	} else {
		if text = seen.Bytes(); len(text) == 0 {
			text = []byte(r.URL.RawQuery)
		}
		form, malformed := awsquery.Parse(text)
		if malformed != nil {
			form = new(awsquery.Form)
		}
		err = h.refuse(r.Context(), c, service, form.Action, err)
	}
	if err != nil {
		h.WriteError(w, service, c.RequestID, err)
		return
	}
	defer clear(answer)
	write(w, http.StatusOK, c.RequestID, answer)
}

type readCloser struct {
	io.Reader
	io.Closer
}

// unknownName is what the trail calls a request that names no operation: names that
// clients make up do not get in.
const unknownName = "Unknown"

// refuse records a request that is refused before any operation could take it, and
// returns the error to answer with. A request without a signature does not say for
// which of the services it is.
func (h *Handler) refuse(ctx context.Context, c *authn.Caller, service, action string, err error) error {
	o, known := h.operations[service][action]
	if !known && c.IsAnonymous() {
		o, known = h.operations["iam"][action]
	}
	if !known {
		o = Operation{Service: service, Name: unknownName}
	}
	if o.Service == "iam" {
		return h.services.IAM.Refuse(ctx, c, o.Name, encodable(err))
	}
	return h.services.STS.Refuse(ctx, c, o.Name, encodable(err))
}

// WriteError answers a request to a service with an error.
func (h *Handler) WriteError(w http.ResponseWriter, service, requestID string, err error) {
	e := encodable(err)
	for _, f := range e.Headers {
		w.Header().Set(f.Name, f.Value)
	}
	write(w, e.Status, requestID, awsquery.EncodeError(apis[service].namespace, requestID, e))
}

func write(w http.ResponseWriter, status int, requestID string, answer []byte) {
	header := w.Header()
	header.Set("Content-Type", awsquery.AnswerType)
	header.Set("Content-Length", strconv.Itoa(len(answer)))
	header.Set("Cache-Control", "no-cache, no-store, must-revalidate, private")
	header.Set("x-amzn-RequestId", requestID)
	w.WriteHeader(status)
	w.Write(answer) // whoever is gone gets nothing
}

// serve serves one authenticated call, and returns its answer.
func (h *Handler) serve(ctx context.Context, w http.ResponseWriter, c *authn.Caller, service string, text []byte) ([]byte, error) {
	form, err := awsquery.Parse(text)
	if err != nil {
		return nil, h.refuse(ctx, c, service, "", err)
	}
	o, err := h.operation(service, form)
	if err != nil {
		return nil, h.refuse(ctx, c, service, "", err)
	}
	if c.IsAnonymous() && !o.Unsigned {
		return nil, h.refuse(ctx, c, service, o.Name, awserr.New(http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token"))
	}
	if n, ok := w.(interface{ SetOperation(string) }); ok {
		n.SetOperation(o.Name)
	}
	out, err := o.serve(ctx, &h.services, c, form)
	if err != nil {
		return nil, err
	}
	return awsquery.Encode(o.Name, apis[service].namespace, c.RequestID, out), nil
}

// operation returns the row of the operation that a form names.
func (h *Handler) operation(service string, form *awsquery.Form) (Operation, error) {
	if form.Action == "" {
		return Operation{}, awserr.New(http.StatusBadRequest, "MissingAction", "The request is missing an action or a required parameter.")
	}
	o, ok := h.operations[service][form.Action]
	if !ok || form.Version != apis[service].version {
		version := form.Version
		if version == "" {
			version = "NO_VERSION_SPECIFIED"
		}
		return Operation{}, awserr.New(http.StatusBadRequest, "InvalidAction", "Could not find operation %.128s for version %.32s", form.Action, version)
	}
	return o, nil
}

// checkRequest refuses what is not a request of this protocol.
func checkRequest(r *http.Request) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	isForm := err == nil && media == awsquery.ContentType
	switch {
	case r.URL.Path != "/" && r.URL.Path != "":
		return unknown("IAM and STS take requests to the path / only.")
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		return unknown("IAM and STS take GET and POST requests only.")
	case r.ContentLength != 0 && !isForm:
		return unknown("IAM and STS take requests of Content-Type " + awsquery.ContentType + " only.")
	}
	return nil
}

// unknown returns the error for what is no request of the protocol.
func unknown(message string) error {
	return awserr.New(http.StatusNotFound, "UnknownOperationException", "%s", message)
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
	return awserr.New(http.StatusInternalServerError, "InternalFailure", "The request processing has failed because of an unknown error, exception or failure.").Because(err)
}
