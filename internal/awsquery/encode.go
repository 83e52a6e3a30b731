package awsquery

import (
	"encoding/base64"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"coffer/internal/awserr"
)

// Encode returns the answer of an operation:
//
//	<ActionResponse xmlns="namespace">
//	  <ActionResult> the members of out </ActionResult>
//	  <ResponseMetadata><RequestId>requestID</RequestId></ResponseMetadata>
//	</ActionResponse>
//
// out is a struct or a pointer to one; nil stands for an operation that has no
// result. The answer may hold a secret: clear it once it is sent.
//
// It panics if out holds a type that the protocol does not know.
func Encode(action, namespace, requestID string, out any) []byte {
	b := appendOpen(make([]byte, 0, 1024), action+`Response xmlns="`+namespace+`"`)
	if out != nil {
		b = appendOpen(b, action+"Result")
		b = appendStruct(b, reflect.Indirect(reflect.ValueOf(out)))
		b = appendClose(b, action+"Result")
	}
	b = appendOpen(b, "ResponseMetadata")
	b = appendText(b, "RequestId", requestID)
	b = appendClose(b, "ResponseMetadata")
	return appendClose(b, action+"Response")
}

// EncodeError returns the answer that refuses a request with e.
func EncodeError(namespace, requestID string, e *awserr.Error) []byte {
	b := appendOpen(nil, `ErrorResponse xmlns="`+namespace+`"`)
	b = appendOpen(b, "Error")
	side := "Sender"
	if e.Status >= 500 {
		side = "Receiver"
	}
	b = appendText(b, "Type", side)
	b = appendText(b, "Code", e.Code)
	b = appendText(b, "Message", e.Message)
	b = appendClose(b, "Error")
	b = appendText(b, "RequestId", requestID)
	return appendClose(b, "ErrorResponse")
}

func appendStruct(b []byte, v reflect.Value) []byte {
	for m, field := range members(v) {
		b = appendMember(b, m, field)
	}
	return b
}

// appendMember appends the element of one member, or nothing if it is left out.
func appendMember(b []byte, m member, v reflect.Value) []byte {
	if m.omitEmpty && (v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0) {
		return b
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return b
		}
		v = v.Elem()
	}
	if secret, ok := v.Interface().(interface{ Reveal() string }); ok {
		return appendText(b, m.name, secret.Reveal())
	}
	if v.Type() == timeType {
		t := v.Interface().(time.Time)
		if t.IsZero() {
			return b
		}
		return appendText(b, m.name, t.UTC().Format(time.RFC3339))
	}
	switch v.Kind() {
	case reflect.String:
		if m.isURI {
			return appendText(b, m.name, Escape(v.String()))
		}
		return appendText(b, m.name, v.String())
	case reflect.Bool:
		return appendText(b, m.name, strconv.FormatBool(v.Bool()))
	case reflect.Int32:
		return appendText(b, m.name, strconv.FormatInt(v.Int(), 10))
	case reflect.Struct:
		b = appendOpen(b, m.name)
		b = appendStruct(b, v)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return appendText(b, m.name, base64.StdEncoding.EncodeToString(v.Bytes()))
		}
		b = appendOpen(b, m.name)
		for i := range v.Len() {
			b = appendMember(b, member{name: "member", isURI: m.isURI}, v.Index(i))
		}
	case reflect.Map:
		b = appendOpen(b, m.name)
		b = appendEntries(b, v)
	default:
		panic("awsquery: internal error: no wire form for " + v.Type().String())
	}
	return appendClose(b, m.name)
}

// appendEntries appends the entries of a map[string]string or a map[string]int32,
// in the order of their keys.
func appendEntries(b []byte, v reflect.Value) []byte {
	values := make(map[string]reflect.Value, v.Len())
	for _, k := range v.MapKeys() {
		values[k.String()] = v.MapIndex(k)
	}
	for _, k := range slices.Sorted(maps.Keys(values)) {
		b = appendOpen(b, "entry")
		b = appendText(b, "key", k)
		b = appendMember(b, member{name: "value"}, values[k])
		b = appendClose(b, "entry")
	}
	return b
}

func appendOpen(b []byte, name string) []byte {
	return append(append(append(b, '<'), name...), '>')
}

// appendClose closes an element.
func appendClose(b []byte, name string) []byte {
	return append(append(append(b, "</"...), name...), '>')
}

func appendText(b []byte, name, text string) []byte {
	return appendClose(appendEscaped(appendOpen(b, name), text), name)
}

// appendEscaped appends s as character data. What XML 1.0 can't carry, and bytes
// that are not UTF-8, become U+FFFD.
func appendEscaped(b []byte, s string) []byte {
	for _, r := range s {
		switch {
		case r == '&':
			b = append(b, "&amp;"...)
		case r == '<':
			b = append(b, "&lt;"...)
		case r == '>':
			b = append(b, "&gt;"...)
		case r == '"':
			b = append(b, "&quot;"...)
		case r == '\r':
			b = append(b, "&#xD;"...)
		case r < ' ' && r != '\t' && r != '\n', r == 0xFFFE, r == 0xFFFF:
			b = append(b, "\uFFFD"...)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}

// Escape returns s with every byte that is not unreserved in RFC 3986 as a
// percent escape.
func Escape(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(s) + len(s)/2)
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '~':
			b.WriteByte(c)
		default:
			b.WriteString("%" + string(digits[c>>4]) + string(digits[c&15]))
		}
	}
	return b.String()
}
