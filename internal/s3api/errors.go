package s3api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"coffer/internal/awserr"
	"coffer/internal/restxml"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

func invalidArgument(name, value, format string, args ...any) *awserr.Error {
	return awserr.New(400, "InvalidArgument", format, args...).With("ArgumentName", name).With("ArgumentValue", value)
}

func invalidRequest(format string, args ...any) *awserr.Error {
	return awserr.New(400, "InvalidRequest", format, args...)
}

// notImplemented refuses a header that asks for what Coffer does not do.
func notImplemented(header string) *awserr.Error {
	return awserr.New(501, "NotImplemented", "A header you provided implies functionality that is not implemented").
		With("Header", header)
}

// notBuilt refuses an operation of S3 that Coffer does not have.
func notBuilt() *awserr.Error {
	return awserr.New(501, "NotImplemented", "This operation is not implemented by Coffer")
}

// methodNotAllowed refuses a method; allow holds those that would do.
func methodNotAllowed(method string, level Level, allow []string) *awserr.Error {
	return awserr.New(405, "MethodNotAllowed", "The specified method is not allowed against this resource.").
		With("Method", method).With("ResourceType", level.String()).
		WithHeader("Allow", strings.Join(allow, ", "))
}

// WriteError answers r with err: an *awserr.Error in its own terms, and any
// other as InternalError, which goes whole to the log. The server calls it too,
// for what it refuses before a request reaches the handler.
//
// What is left of the request's body is read for a moment, because a client that
// is still sending does not see an answer on a connection that is reset.
func (h *Handler) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	h.identify(w)
	e := awserr.As(err)
	if e == nil {
		e = awserr.New(500, "InternalError", "We encountered an internal error. Please try again.").Because(err)
	}
	requestID := w.Header().Get(headerRequestID)
	if e.Status >= 500 && e.Unwrap() != nil {
		level := slog.LevelError
		if errors.Is(err, context.Canceled) {
			level = slog.LevelDebug // the client has gone
		}
		h.log.Log(r.Context(), level, "request failed", "request_id", requestID, "code", e.Code, "error", e.Unwrap())
	}
	for _, f := range e.Headers {
		w.Header().Set(f.Name, f.Value)
	}
	status := e.Status
	if status < 300 || status > 599 {
		status = 500
	}
	if status == http.StatusNotModified {
		w.WriteHeader(status)
		return
	}
	_ = writeDocument(w, r, status, &restxml.Error{Control: isS3Control(r), Err: e, RequestID: requestID, HostID: w.Header().Get(headerHostID)})
	drain(w, r)
}

const (
	// maxDrain and drainTime bound what is read of a body that was refused.
	maxDrain  = 8 << 20
	drainTime = 3 * time.Second
)

// drain reads the rest of a body after the answer went out. A client that waits
// for "100 Continue" has sent nothing, and gets nothing that would make it.
func drain(w http.ResponseWriter, r *http.Request) {
	if r.Body == nil || r.ContentLength == 0 || r.ProtoMajor != 1 || r.Header.Get("Expect") != "" {
		return
	}
	rc := http.NewResponseController(w)
	if rc.Flush() != nil || rc.SetReadDeadline(time.Now().Add(drainTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, r.Body, maxDrain)
	_ = rc.SetReadDeadline(time.Time{})
}
