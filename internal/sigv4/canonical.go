package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// Algorithm names the signature in the Authorization header, in the query and
// in the string to sign.
const Algorithm = "AWS4-HMAC-SHA256"

// EmptySHA256 is the payload hash of a request without a body.
const EmptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// ServiceS3 is the service whose paths are signed as they stand.
const ServiceS3 = "s3"

// A Request holds what a signature can cover, as it stands on the wire.
type Request struct {
	Method   string
	Path     string // of the request line, still percent-encoded, without the query
	RawQuery string // without the question mark
	Host     string // with the port, if the client named one
	// Header has keys in canonical MIME form, as net/http keeps them.
	Header map[string][]string
	// Presigned leaves X-Amz-Signature out of the canonical query.
	Presigned bool
	// PathAsSent takes the path of a request to S3 as it stands, where S3 would
	// encode it afresh. Some clients sign so. Either form decodes to one key.
	PathAsSent bool
}

// AppendCanonicalRequest appends the canonical form of r to dst. The service
// decides how the path is encoded; signedHeaders is the semicolon-separated list
// of lower-case header names, in the order in which the client gives it. A listed
// header that r lacks counts as empty, which then fails to verify unless it was
// signed so.
func AppendCanonicalRequest(dst []byte, r *Request, service, signedHeaders, payloadHash string) []byte {
	dst = append(dst, r.Method...)
	dst = append(dst, '\n')
	if r.PathAsSent && service == ServiceS3 {
		dst = append(dst, r.Path...)
	} else {
		dst = appendPath(dst, r.Path, service)
	}
	dst = append(dst, '\n')
	dst = appendQuery(dst, r.RawQuery, r.Presigned)
	dst = append(dst, '\n')
	for name := range strings.SplitSeq(signedHeaders, ";") {
		dst = append(dst, name...)
		dst = append(dst, ':')
		if name == "host" {
			dst = appendHeaderValue(dst, r.Host)
		} else {
			for i, v := range headerValues(r.Header, name) {
				if i > 0 {
					dst = append(dst, ',')
				}
				dst = appendHeaderValue(dst, v)
			}
		}
		dst = append(dst, '\n')
	}
	dst = append(dst, '\n')
	dst = append(dst, signedHeaders...)
	dst = append(dst, '\n')
	return append(dst, payloadHash...)
}

// StringToSign returns the string that the signature of a request covers. The
// date has the form 20060102T150405Z.
func StringToSign(amzDate string, scope Scope, canonicalRequest []byte) string {
	sum := sha256.Sum256(canonicalRequest)
	b := make([]byte, 0, 160)
	b = append(b, Algorithm...)
	b = append(b, '\n')
	b = append(b, amzDate...)
	b = append(b, '\n')
	b = scope.append(b)
	b = append(b, '\n')
	return string(hex.AppendEncode(b, sum[:]))
}

// EncodesPathAsSent reports whether the canonical form of a path for S3 is the path
// as it stands.
func EncodesPathAsSent(path string) bool {
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case unreserved[c] || c == '/':
		case c == '%' && i+2 < len(path) && isUpperHex(path[i+1]) && isUpperHex(path[i+2]):
			d := unhex[path[i+1]]<<4 | unhex[path[i+2]]
			if unreserved[d] || d == '/' {
				return false
			}
			i += 2
		default:
			return false
		}
	}
	return path != ""
}

func isUpperHex(c byte) bool { return unhex[c] < 16 && !('a' <= c && c <= 'f') }

// appendPath appends the canonical form of a raw path. For S3, a byte is encoded
// once whether or not the client did so on the wire, and nothing else changes:
// two raw paths share a canonical form exactly when they decode to the same key.
func appendPath(dst []byte, raw, service string) []byte {
	if raw == "" {
		return append(dst, '/')
	}
	if service == ServiceS3 {
		return appendReencoded(dst, raw, true, false)
	}
	for _, c := range []byte(normalize(raw)) {
		dst = appendEncodedByte(dst, c, true)
	}
	return dst
}

// normalize removes dot segments and empty segments, and keeps a slash at the end.
func normalize(path string) string {
	var kept []string
	var last string
	for segment := range strings.SplitSeq(path, "/") {
		last = segment
		switch segment {
		case "", ".":
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
		default:
			kept = append(kept, segment)
		}
	}
	out := "/" + strings.Join(kept, "/")
	if len(kept) > 0 && (last == "" || last == "." || last == "..") {
		out += "/"
	}
	return out
}

// A parameter is one name and value of a query, in canonical encoding.
type parameter struct{ name, value string }

// appendQuery appends the parameters of a raw query, sorted by name and value. A
// plus sign means a space, as it does for whoever reads the parameters.
func appendQuery(dst []byte, raw string, presigned bool) []byte {
	if raw == "" {
		return dst
	}
	var store [16]parameter
	list := store[:0]
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		p := parameter{reencode(name), reencode(value)}
		if presigned && p.name == querySignature {
			continue
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b parameter) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	for i, p := range list {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, p.name...)
		dst = append(dst, '=')
		dst = append(dst, p.value...)
	}
	return dst
}

// reencode returns a part of a query in canonical encoding.
func reencode(s string) string {
	for i := range len(s) {
		if !unreserved[s[i]] {
			return string(appendReencoded(make([]byte, 0, len(s)+16), s, false, true))
		}
	}
	return s
}

// appendReencoded decodes s and appends it in canonical encoding. A percent sign
// that two hexadecimal digits do not follow stands for itself.
func appendReencoded(dst []byte, s string, keepSlash, plusIsSpace bool) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '%' && i+2 < len(s):
			hi, lo := unhex[s[i+1]], unhex[s[i+2]]
			if hi < 16 && lo < 16 {
				c = hi<<4 | lo
				i += 2
			}
		case c == '+' && plusIsSpace:
			c = ' '
		}
		dst = appendEncodedByte(dst, c, keepSlash)
	}
	return dst
}

// appendEncodedByte appends c, as %XX unless it is unreserved (or a slash, with
// keepSlash).
func appendEncodedByte(dst []byte, c byte, keepSlash bool) []byte {
	if unreserved[c] || c == '/' && keepSlash {
		return append(dst, c)
	}
	const digits = "0123456789ABCDEF"
	return append(dst, '%', digits[c>>4], digits[c&15])
}

// unreserved are the bytes that stand for themselves (RFC 3986, section 2.3).
// unhex holds the value of a hexadecimal digit, and 16 for other bytes.
var unreserved, unhex = func() (u [256]bool, x [256]byte) {
	for c := range 256 {
		x[c] = 16
	}
	for c := byte('0'); c <= '9'; c++ {
		u[c], x[c] = true, c-'0'
	}
	for c := byte('a'); c <= 'z'; c++ {
		u[c], u[c-'a'+'A'] = true, true
	}
	for c := byte('a'); c <= 'f'; c++ {
		x[c], x[c-'a'+'A'] = c-'a'+10, c-'a'+10
	}
	for _, c := range []byte("-_.~") {
		u[c] = true
	}
	return u, x
}()

// appendHeaderValue appends v without spaces around it and with one space for
// each run of them inside.
func appendHeaderValue(dst []byte, v string) []byte {
	v = strings.Trim(v, " \t")
	for i := range len(v) {
		if v[i] == ' ' && v[i-1] == ' ' {
			continue
		}
		dst = append(dst, v[i])
	}
	return dst
}

// headerValues returns the values of the header with a lower-case name.
func headerValues(h map[string][]string, name string) []string {
	var buf [64]byte
	key := buf[:0]
	upper := true
	for i := range len(name) {
		c := name[i]
		if upper && 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		upper = c == '-'
		key = append(key, c)
	}
	return h[string(key)]
}
