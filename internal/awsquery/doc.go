// Package awsquery reads and writes the AWS Query protocol, which IAM and STS
// speak: a request is a form, an answer is XML.
//
// A form names the operation and the version of the API, and gives each member
// of the input a name of its own:
//
//	Action=TagUser&Version=2010-05-08&UserName=alice
//	&Tags.member.1.Key=team&Tags.member.1.Value=blue
//
// Members of a list are numbered from 1, in any order; gaps between the numbers
// close up. Members of a map are Name.entry.N.key and Name.entry.N.value. A list
// or a map may be sent empty as "Name=".
//
// Names are exact. A member that the input does not have is ignored, as AWS does,
// because a client may be newer than this server; but not one that differs in
// case only, and nothing below a member that it has: a list that is numbered in
// some other way must not pass for a list that was not sent, since what was meant
// may be a restriction. Everything else that is wrong is refused as well: a name
// that stands twice, a value that is no number, text that is not UTF-8. (A decoder
// that guesses here would let two readers of one request see two requests.)
//
// The values of an API model map to Go like this:
//
//	string, enum   a type of kind string, or a pointer to one
//	integer        int32, *int32
//	boolean        bool, *bool
//	blob           []byte, base64 on the wire
//	timestamp      time.Time, 2006-01-02T15:04:05Z on the wire
//	list           a slice; nil if it was not sent
//	map            map[string]string
//	structure      a struct or a pointer to one
//
// A field has the name of the member, or gives it in a tag: `query:"UserId"`.
// After the name, ",omitempty" leaves out the zero value and an empty list, and
// ",uri" writes a string with the percent escapes of RFC 3986, as IAM does with
// policy documents. A pointer is left out when it is nil, and a time when it is
// zero. The members of an embedded struct count as the struct's own. A value with a method Reveal() string is a secret; it is written as what
// that method returns.
//
// Source: Smithy 2.0, "AWS query protocol", read 2026-11-21.
package awsquery

import (
	"coffer/internal/awserr"
)

// ContentType is the media type of requests with a body.
const ContentType = "application/x-www-form-urlencoded"

// AnswerType is the media type of answers.
const AnswerType = "text/xml"

const (
	// MaxSize is the largest form in bytes: 1 MiB. The largest policy document
	// that the IAM API defines, 131,072 characters, takes 384 KiB if each is
	// escaped.
	MaxSize = 1 << 20
	// MaxParameters is how many parameters a form may hold. An input with 50 tags
	// has about 100.
	MaxParameters = 4096
	// maxName is the length of a parameter's name in bytes.
	maxName = 256
	// maxDepth is how many dots a name may have. The deepest member of an input
	// of IAM, a context key of a simulation, has 4.
	maxDepth = 8
	// maxIndex is the largest number of a list's member.
	maxIndex = 99_999
)

// malformed returns the error for a form that cannot be read. The text names the
// parameter at most, and never quotes a value, which may be a secret.
func malformed(format string, args ...any) *awserr.Error {
	return awserr.New(400, "MalformedInput", format, args...)
}
