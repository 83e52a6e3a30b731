// Package awserr holds the error that a client of an AWS API sees.
//
// A service returns it; a front encodes it, as XML for S3 and as JSON for KMS,
// and decides nothing.
package awserr

import (
	"errors"
	"fmt"
	"slices"
)

// An Error is an answer that refuses a request, in AWS's terms.
type Error struct {
	Code    string  // as AWS spells it, e.g. "NoSuchKey"
	Message string  // never empty: the AWS CLI crashes on an empty one
	Status  int     // HTTP status code
	Fields  []Field // further elements of the error body, in order
	Headers []Field // further response headers
	cause   error
}

// A Field is one named value beside the code and the message.
type Field struct{ Name, Value string }

// New returns an error with an HTTP status, a code and a formatted message.
// An empty message becomes the code.
func New(status int, code, format string, args ...any) *Error {
	msg := format
	if len(args) > 0 {
		msg = fmt.Sprintf(format, args...)
	}
	if msg == "" {
		msg = code
	}
	return &Error{Code: code, Message: msg, Status: status}
}

// Error returns the code and the message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Unwrap returns the error that led to this one, which no client sees, or nil.
func (e *Error) Unwrap() error { return e.cause }

// With returns a copy of e with one more element in its body.
func (e *Error) With(name, value string) *Error {
	c := *e
	c.Fields = append(slices.Clone(e.Fields), Field{name, value})
	return &c
}

// WithHeader returns a copy of e with one more response header.
func (e *Error) WithHeader(name, value string) *Error {
	c := *e
	c.Headers = append(slices.Clone(e.Headers), Field{name, value})
	return &c
}

// Because returns a copy of e that wraps cause, for the log.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// As returns the *Error in err's chain, or nil.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// Is reports whether err's chain holds an *Error with the code.
func Is(err error, code string) bool {
	e := As(err)
	return e != nil && e.Code == code
}
