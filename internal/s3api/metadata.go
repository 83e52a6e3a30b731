package s3api

import (
	"mime"
	"strings"
	"unicode/utf8"

	"coffer/internal/awserr"
)

// MaxMetadata is the largest user metadata, in bytes of UTF-8, names and values
// together.
//
// Source: Amazon S3 User Guide, "Working with object metadata", read
// 2026-11-21.
const MaxMetadata = 2048

// metadata reads the user metadata from the x-amz-meta- headers: names in lower
// case, values that come several times joined by commas.
func (c *call) metadata() (map[string]string, error) {
	var m map[string]string
	for name, values := range c.header {
		lower := strings.ToLower(name)
		if !strings.HasPrefix(lower, metaPrefix) {
			continue
		}
		if m == nil {
			m = map[string]string{}
		}
		m[lower[len(metaPrefix):]] = fromHeader(strings.Join(values, ","))
	}
	return m, checkMetadata(m)
}

func checkMetadata(m map[string]string) error {
	size := 0
	for k, v := range m {
		size += len(k) + len(v)
	}
	if size > MaxMetadata {
		return awserr.New(400, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size").
			With("Size", itoa(int64(size))).With("MaxSizeAllowed", itoa(MaxMetadata))
	}
	return nil
}

// fromHeader reads the value of a header, whose bytes are ISO 8859-1.
func fromHeader(s string) string {
	if isASCII(s) {
		return s
	}
	r := make([]rune, len(s))
	for i := range len(s) {
		r[i] = rune(s[i])
	}
	return string(r)
}

// toHeader returns metadata as a header carries it: a value with anything but
// printable ASCII becomes an encoded word, so that no stored byte can end the
// header. Q or B is chosen as S3 does it, by what most of the text is. An encoded
// word that a client stored comes back as it was.
//
// Source: RFC 2047; Amazon S3 User Guide, "Working with object metadata", whose
// examples show both encodings.
func toHeader(s string) string {
	ascii, other := 0, 0
	for _, r := range s {
		if r >= ' ' && r < 0x7f || r == '\t' {
			ascii++
		} else {
			other++
		}
	}
	switch {
	case other == 0:
		return s
	case ascii > other:
		return mime.QEncoding.Encode("UTF-8", s)
	}
	return mime.BEncoding.Encode("UTF-8", s)
}

// latin1 converts text to the bytes of a header. It reports false if a character
// is not in ISO 8859-1 or is a control character.
func latin1(s string) (string, bool) {
	ok := utf8.ValidString(s)
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xff || r < ' ' && r != '\t' || r == 0x7f {
			ok, r = false, ' '
		}
		b = append(b, byte(r))
	}
	return string(b), ok
}

// isToken reports whether s can be the name of a header. A form can name its
// fields with any bytes.
//
// Source: RFC 9110, section 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		alphanumeric := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alphanumeric && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
