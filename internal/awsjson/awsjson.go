// Package awsjson reads and writes the bodies of the AWS JSON 1.1 protocol.
//
// A request is one JSON object. Its members have the names that the API model
// gives them, exactly: "keyId" is not "KeyId". Members that the model does not
// know are ignored, and a null is an absent member. Everything else that is
// wrong is a SerializationException: text that is not JSON or not UTF-8, half a
// surrogate pair, a member that stands twice, a value of the wrong type, deep
// nesting. (A decoder that guesses here would let two readers of one request see
// two requests.)
//
// The values of a model map to Go like this:
//
//	string, enum   string or *string
//	integer        int32, *int32
//	boolean        bool, *bool
//	blob           a slice of bytes, base64 on the wire
//	timestamp      Time, a number of seconds since 1970 with a fraction
//	list           a slice
//	map            map[string]string
//	structure      a struct, its members named by json tags
//
// A member tagged omitempty is left out when it is the zero value, an empty list
// or an empty map; a pointer is left out when it is nil.
//
// Source: Smithy 2.0, "AWS JSON 1.1 protocol", read 2026-11-21.
package awsjson

import (
	"coffer/internal/awserr"
)

// ContentType is the media type of every request and answer.
const ContentType = "application/x-amz-json-1.1"

const (
	// MaxSize is the largest request body in bytes: 1 MiB. The largest that
	// the KMS API defines, a CreateKey with its policy and tags, needs about
	// 250 KB when every character is escaped.
	MaxSize = 1 << 20
	// MaxDepth is how deep objects and lists may nest. The deepest structure
	// that an AWS JSON service of ours reads has a depth of 4.
	MaxDepth = 32
)

// EncodeError returns the body that answers a request with e: the code, the
// message, and e's further fields.
func EncodeError(e *awserr.Error) []byte {
	b := append([]byte(nil), `{"__type":`...)
	b = appendString(b, e.Code)
	b = append(b, `,"message":`...)
	b = appendString(b, e.Message)
	for _, f := range e.Fields {
		b = append(b, ',')
		b = appendString(b, f.Name)
		b = append(b, ':')
		b = appendString(b, f.Value)
	}
	return append(b, '}')
}

// malformed returns the error for a body that cannot be read. The text never
// quotes the body, which may hold plaintext.
func malformed(format string, args ...any) *awserr.Error {
	return awserr.New(400, "SerializationException", format, args...)
}
