package xks

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"coffer/internal/awsjson"
)

// Limits of messages, in bytes before base64 unless said otherwise.
const (
	// MaxBody is the longest body that is read, of a request or an answer: 64 KiB,
	// several times what the limits below add up to.
	MaxBody = 64 << 10
	// MaxPlaintext is the longest plaintext: what a proxy must be able to take, and
	// what this one takes. A KMS sends 4,096 bytes with its own wrapping around them.
	MaxPlaintext = 4300
	// MaxAAD is the longest additionalAuthenticatedData.
	MaxAAD = 8192
	// MaxMetadata is the longest ciphertextMetadata.
	MaxMetadata = 20
	// TagSize is the size of an authentication tag.
	TagSize = 16
	// MaxARN is the longest ARN, in characters.
	MaxARN = 2048
	// MaxKeyUsages and MaxFleetDetails are the longest lists of answers.
	MaxKeyUsages    = 10
	MaxFleetDetails = 10

	// maxName bounds, in characters, the names in requestMetadata that the
	// specification does not bound, and those of an answer.
	maxName = 1024
)

// ErrAnswer means that an answer is not one of the specification.
var ErrAnswer = errors.New("xks: malformed answer")

// A Request is a request of one of the operations.
type Request interface{ check() error }

// A Response is an answer of one of the operations.
type Response interface{ check() error }

// Marshal returns the body of a message. It may hold a secret: clear it once it is
// sent.
func Marshal(message any) []byte { return awsjson.Marshal(message) }

// UnmarshalRequest reads a request that a proxy got. The error is an *Error, and
// never quotes what may be secret.
func UnmarshalRequest(body []byte, r Request) error {
	if len(body) > MaxBody {
		return NewError(UnsupportedOperationException, "The request is longer than %d bytes.", MaxBody)
	}
	if len(body) == 0 {
		return NewError(ValidationException, "The request has no body.")
	}
	if err := awsjson.Unmarshal(body, r); err != nil {
		return NewError(ValidationException, "The request is malformed: %s", err.Error())
	}
	if name := unknown(body, r); name != "" {
		return NewError(ValidationException, "The request has a member that version 1 of the API lacks: %.64q", name)
	}
	return r.check()
}

// UnmarshalResponse reads an answer that a KMS got, to a request of which the check
// is left to [EncryptResponse.Matches] and its kin. The error is ErrAnswer. Members
// beyond those of the specification say nothing about the ones that are read, and are
// left alone.
func UnmarshalResponse(body []byte, r Response) error {
	if len(body) == 0 || len(body) > MaxBody {
		return fmt.Errorf("%w: %d bytes", ErrAnswer, len(body))
	}
	if err := awsjson.Unmarshal(body, r); err != nil {
		return fmt.Errorf("%w: %s", ErrAnswer, err.Error())
	}
	return r.check()
}

// MarshalError returns the body of an error.
func MarshalError(e *Error) []byte { return awsjson.Marshal(errorBody{e.Name, e.Message}) }

// UnmarshalError reads an answer with an error status, which says less than the name
// of the error. It returns ErrAnswer unless the name is one of the specification.
func UnmarshalError(status int, body []byte) (*Error, error) {
	var b errorBody
	if len(body) == 0 || len(body) > MaxBody {
		return nil, fmt.Errorf("%w: status %d with %d bytes", ErrAnswer, status, len(body))
	}
	if err := awsjson.Unmarshal(body, &b); err != nil {
		return nil, fmt.Errorf("%w: status %d: %s", ErrAnswer, status, err.Error())
	}
	if Status(b.Name) == 0 {
		return nil, fmt.Errorf("%w: status %d with error name %.64q", ErrAnswer, status, b.Name)
	}
	return &Error{b.Name, printable(b.Message)}, nil
}

// unknown returns a member of the object body that message does not have, or "".
// What is inside of requestMetadata is not looked at.
func unknown(body []byte, message any) string {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return "?" // package awsjson takes no JSON that encoding/json refuses
	}
	t := reflect.TypeOf(message).Elem()
	for name := range members {
		known := slices.ContainsFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool {
			tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			return tag == name
		})
		if !known {
			return name
		}
	}
	return ""
}
