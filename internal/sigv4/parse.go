package sigv4

import (
	"errors"
	"net/url"
	"strings"
	"time"
)

// DateFormat is the form of X-Amz-Date, for package time.
const DateFormat = "20060102T150405Z"

var (
	// ErrComponents means that an Authorization header lacks the Credential,
	// the SignedHeaders or the Signature, has one of them twice or empty, or
	// has something else.
	ErrComponents = errors.New("sigv4: authorization header lacks a component")
	// ErrCredential means that a credential does not have five parts.
	ErrCredential = errors.New("sigv4: malformed credential")
	// ErrRepeated means that an X-Amz- parameter occurs more than once in a
	// presigned query.
	ErrRepeated = errors.New("sigv4: repeated query parameter")
)

// An Authorization is what an Authorization header says after its algorithm.
type Authorization struct {
	Credential    string
	SignedHeaders string
	Signature     string
}

// ParseAuthorization splits what follows the algorithm and its space in an
// Authorization header. Commas, spaces or both stand between the components.
func ParseAuthorization(s string) (Authorization, error) {
	var a Authorization
	for i := 0; i < len(s); i++ {
		start := i
		for i < len(s) && s[i] != ',' && s[i] != ' ' && s[i] != '\t' {
			i++
		}
		part := s[start:i]
		if part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		var field *string
		switch name {
		case "Credential":
			field = &a.Credential
		case "SignedHeaders":
			field = &a.SignedHeaders
		case "Signature":
			field = &a.Signature
		}
		if !ok || field == nil || *field != "" || value == "" {
			return a, ErrComponents
		}
		*field = value
	}
	if a.Credential == "" || a.SignedHeaders == "" || a.Signature == "" {
		return a, ErrComponents
	}
	return a, nil
}

// A Credential names an access key and the scope of a signature.
type Credential struct {
	AccessKeyID string
	Scope       Scope
	Terminator  string // what stands in the place of aws4_request
}

// ParseCredential splits "AKID/date/region/service/aws4_request". It checks the
// number of parts and nothing about them.
func ParseCredential(s string) (Credential, error) {
	var part [5]string
	for i := range part {
		var more bool
		part[i], s, more = strings.Cut(s, "/")
		if more != (i < len(part)-1) {
			return Credential{}, ErrCredential
		}
	}
	return Credential{part[0], Scope{part[1], part[2], part[3]}, part[4]}, nil
}

// ParseDate reads an X-Amz-Date. It accepts that one form alone.
func ParseDate(s string) (time.Time, error) {
	t, err := time.Parse(DateFormat, s)
	if err == nil && len(s) != len(DateFormat) { // package time takes fractions of a second
		err = errors.New("sigv4: malformed date")
	}
	return t, err
}

// Names of the parameters of a presigned query.
const (
	queryAlgorithm     = "X-Amz-Algorithm"
	queryCredential    = "X-Amz-Credential"
	queryDate          = "X-Amz-Date"
	queryExpires       = "X-Amz-Expires"
	querySignedHeaders = "X-Amz-SignedHeaders"
	querySignature     = "X-Amz-Signature"
	queryContentSHA256 = "X-Amz-Content-Sha256"
	querySecurityToken = "X-Amz-Security-Token"
)

// A PresignedQuery holds the decoded parameters that sign a query. A missing one
// is empty.
type PresignedQuery struct {
	Algorithm     string
	Credential    string
	Date          string
	Expires       string
	SignedHeaders string
	Signature     string
	ContentSHA256 string
	SecurityToken string
}

// ParsePresignedQuery reads the X-Amz- parameters of a raw query. Their names are
// case-sensitive. The error is ErrRepeated.
func ParsePresignedQuery(raw string) (PresignedQuery, error) {
	var q PresignedQuery
	var seen uint
	for part := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(part, "=")
		if strings.ContainsRune(name, '%') {
			if n, err := url.QueryUnescape(name); err == nil {
				name = n
			}
		}
		var field *string
		var bit uint
		switch name {
		case queryAlgorithm:
			field, bit = &q.Algorithm, 1
		case queryCredential:
			field, bit = &q.Credential, 2
		case queryDate:
			field, bit = &q.Date, 4
		case queryExpires:
			field, bit = &q.Expires, 8
		case querySignedHeaders:
			field, bit = &q.SignedHeaders, 16
		case querySignature:
			field, bit = &q.Signature, 32
		case queryContentSHA256:
			field, bit = &q.ContentSHA256, 64
		case querySecurityToken:
			field, bit = &q.SecurityToken, 128
		default:
			continue
		}
		if seen&bit != 0 {
			return q, ErrRepeated
		}
		seen |= bit
		if v, err := url.QueryUnescape(value); err == nil {
			value = v
		}
		*field = value
	}
	return q, nil
}

// HasQueryParameter reports whether a raw query has a parameter of that name.
func HasQueryParameter(raw, name string) bool {
	for part := range strings.SplitSeq(raw, "&") {
		n, _, _ := strings.Cut(part, "=")
		if n == name {
			return true
		}
		if strings.ContainsRune(n, '%') {
			if u, err := url.QueryUnescape(n); err == nil && u == name {
				return true
			}
		}
	}
	return false
}
