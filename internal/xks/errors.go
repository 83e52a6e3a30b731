package xks

import (
	"fmt"
	"strings"
)

// maxMessage is the longest errorMessage: it is shorter than 512 characters.
const maxMessage = 511

// An Error is how a proxy refuses a request. Its message is for the operators of both
// sides; a KMS never shows it to its callers.
type Error struct {
	Name    string
	Message string // optional; printable ASCII
}

// Error returns the name and the message.
func (e *Error) Error() string { return "xks: " + e.Name + ": " + e.Message }

// Names of errors.
const (
	ValidationException           = "ValidationException"
	InvalidStateException         = "InvalidStateException"
	InvalidCiphertextException    = "InvalidCiphertextException"
	InvalidKeyUsageException      = "InvalidKeyUsageException"
	AuthenticationFailedException = "AuthenticationFailedException"
	AccessDeniedException         = "AccessDeniedException"
	KeyNotFoundException          = "KeyNotFoundException"
	InvalidURIPathException       = "InvalidUriPathException"
	ThrottlingException           = "ThrottlingException"
	UnsupportedOperationException = "UnsupportedOperationException"
	DependencyTimeoutException    = "DependencyTimeoutException"
	InternalException             = "InternalException"
)

var statuses = map[string]int{
	ValidationException: 400, InvalidStateException: 400, InvalidCiphertextException: 400, InvalidKeyUsageException: 400,
	AuthenticationFailedException: 401,
	AccessDeniedException:         403,
	KeyNotFoundException:          404, InvalidURIPathException: 404,
	ThrottlingException:           429,
	InternalException:             500,
	UnsupportedOperationException: 501,
	DependencyTimeoutException:    503,
}

// Status returns the HTTP status of an error name, or 0 if the specification has none
// of that name.
func Status(name string) int { return statuses[name] }

// NewError returns an error. What can't stand in a message is replaced or cut.
func NewError(name, format string, args ...any) *Error {
	if statuses[name] == 0 {
		panic("xks: internal error: no error is called " + name)
	}
	return &Error{name, printable(fmt.Sprintf(format, args...))}
}

// printable returns s as a message may be: at most maxMessage characters of printable
// ASCII.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), maxMessage)]
}

// errorBody is an Error as it is sent.
type errorBody struct {
	Name    string `json:"errorName"`
	Message string `json:"errorMessage,omitempty"`
}
