package restxml

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// Namespace is the XML namespace of every document but Error and PostResponse.
const Namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

const declaration = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// A Document is one answer of the API.
type Document interface {
	write(w *writer)
}

// Append appends the XML of d, with its declaration, to b.
func Append(b []byte, d Document) []byte {
	w := writer{b: append(b, declaration...)}
	d.write(&w)
	return w.b
}

// A writer appends elements to b. Names are constants of this package and are
// not escaped.
type writer struct{ b []byte }

func (w *writer) raw(s string) { w.b = append(w.b, s...) }

// root opens the root element with the namespace.
func (w *writer) root(name string) {
	w.raw("<")
	w.raw(name)
	w.raw(` xmlns="` + Namespace + `">`)
}

func (w *writer) open(name string) {
	w.b = append(w.b, '<')
	w.b = append(w.b, name...)
	w.b = append(w.b, '>')
}

func (w *writer) close(name string) {
	w.b = append(w.b, '<', '/')
	w.b = append(w.b, name...)
	w.b = append(w.b, '>')
}

// text writes an element; an empty value makes an empty element.
func (w *writer) text(name, value string) {
	w.open(name)
	w.b = appendEscaped(w.b, value)
	w.close(name)
}

// optional writes an element unless the value is empty.
func (w *writer) optional(name, value string) {
	if value != "" {
		w.text(name, value)
	}
}

func (w *writer) int(name string, n int64) {
	w.open(name)
	w.b = strconv.AppendInt(w.b, n, 10)
	w.close(name)
}

func (w *writer) bool(name string, v bool) {
	w.open(name)
	w.b = strconv.AppendBool(w.b, v)
	w.close(name)
}

// time writes an instant in the form 2006-01-02T15:04:05.000Z. The milliseconds
// are always zero, as in S3: clients compare the value with the Last-Modified
// header, which has whole seconds.
func (w *writer) time(name string, t time.Time) {
	w.open(name)
	w.b = t.UTC().AppendFormat(w.b, "2006-01-02T15:04:05")
	w.raw(".000Z")
	w.close(name)
}

// etag writes an entity tag in quotes.
func (w *writer) etag(value string) {
	w.raw("<ETag>&quot;")
	w.b = appendEscaped(w.b, value)
	w.raw("&quot;</ETag>")
}

// escapes holds what stands for a byte in character data; nil for itself.
var escapes = func() (t [256]string) {
	for c := range 0x20 {
		t[c] = "&#x" + strconv.FormatInt(int64(c), 16) + ";"
	}
	t['\t'], t['\n'] = "", ""
	t['\r'] = "&#13;"
	t['&'], t['<'], t['>'], t['"'] = "&amp;", "&lt;", "&gt;", "&quot;"
	return t
}()

// appendEscaped appends s as character data. A control character that XML 1.0
// has no way to carry becomes a character reference all the same, as in S3: a
// client that has such keys asks for encoding-type=url. Bytes that are not
// UTF-8 become U+FFFD.
func appendEscaped(b []byte, s string) []byte {
	done := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if e := escapes[c]; e != "" {
				b = append(b, s[done:i]...)
				b = append(b, e...)
				done = i + 1
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(b, s[done:i]...)
			b = append(b, "\uFFFD"...)
			done = i + 1
		case r == 0xFFFE || r == 0xFFFF:
			b = append(b, s[done:i]...)
			b = append(b, "&#x"...)
			b = strconv.AppendInt(b, int64(r), 16)
			b = append(b, ';')
			done = i + n
		}
		i += n
	}
	return append(b, s[done:]...)
}

const upperHex = "0123456789ABCDEF"

// URLEncode encodes a key as listings do under encoding-type=url: letters,
// digits, "-", "_", ".", "*" and "/" stay, a space becomes "+", and every other
// byte becomes a percent escape.
//
// Source: Amazon S3 API Reference, ListObjectsV2, EncodingType ("test_file(3).png
// will appear as test_file%283%29.png"), read 2026-11-21.
func URLEncode(s string) string {
	n := 0
	for i := range len(s) {
		if !plain(s[i]) {
			n++
		}
	}
	if n == 0 {
		return s
	}
	b := make([]byte, 0, len(s)+2*n)
	for i := range len(s) {
		switch c := s[i]; {
		case plain(c):
			b = append(b, c)
		case c == ' ':
			b = append(b, '+')
		default:
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(b)
}

func plain(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c == '-' || c == '_' || c == '.' || c == '*' || c == '/'
}
