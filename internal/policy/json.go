package policy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// A SyntaxError says what is wrong with the text of a policy, and where.
type SyntaxError struct {
	Line, Column int // from 1; columns count characters
	Message      string
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// ErrTooLong means that a policy's text exceeds what its kind may hold.
var ErrTooLong = errors.New("policy: text is too long")

// Bounds of the reader, far above what a policy needs.
const (
	maxDepth = 16
	maxNodes = 100_000
)

// The kinds of JSON values.
const (
	nodeObject = '{'
	nodeList   = '['
	nodeString = '"'
	nodeNumber = '0'
	nodeBool   = 't'
	nodeNull   = 'n'
)

// A node is a JSON value with the place where it starts.
type node struct {
	kind         byte
	text         string // of a string its value, of a number or a literal its spelling
	members      []member
	items        []*node
	line, column int
}

// A member is one pair of an object.
type member struct {
	key          string
	line, column int
	value        *node
	again        bool // an earlier member has the same key
}

// A reader reads JSON (RFC 8259) with positions. It refuses what the standard
// leaves to the reader: invalid UTF-8, a byte order mark, unpaired surrogates.
// Duplicate keys it marks.
type reader struct {
	text         string
	at           int
	line, column int
	nodes        int
}

// readJSON reads one JSON value that is the whole text.
func readJSON(text string) (n *node, err error) {
	r := &reader{text: text, line: 1, column: 1}
	defer func() {
		// The reader gives up by panicking with its own error type, and with
		// nothing else.
		if e := recover(); e != nil {
			bad, ok := e.(*SyntaxError)
			if !ok {
				panic(e)
			}
			n, err = nil, bad
		}
	}()
	if strings.HasPrefix(text, "\uFEFF") {
		r.fail("the text starts with a byte order mark")
	}
	r.space()
	n = r.value(1)
	r.space()
	if r.at < len(r.text) {
		r.fail("text after the end of the policy")
	}
	return n, nil
}

func (r *reader) fail(format string, args ...any) {
	panic(&SyntaxError{Line: r.line, Column: r.column, Message: fmt.Sprintf(format, args...)})
}

// peek returns the next byte, or 0 at the end.
func (r *reader) peek() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

// next consumes one character.
func (r *reader) next() rune {
	if r.at >= len(r.text) {
		r.fail("the text ends too early")
	}
	c, size := rune(r.text[r.at]), 1
	if c >= utf8.RuneSelf {
		c, size = utf8.DecodeRuneInString(r.text[r.at:])
		if c == utf8.RuneError && size == 1 {
			r.fail("the text is not valid UTF-8")
		}
	}
	r.at += size
	r.column++
	if c == '\n' {
		r.line, r.column = r.line+1, 1
	}
	return c
}

func (r *reader) space() {
	for {
		switch r.peek() {
		case ' ', '\t', '\r', '\n':
			r.next()
		default:
			return
		}
	}
}

func (r *reader) value(depth int) *node {
	if depth > maxDepth {
		r.fail("values are nested deeper than %d", maxDepth)
	}
	if r.nodes++; r.nodes > maxNodes {
		r.fail("more than %d values", maxNodes)
	}
	n := &node{line: r.line, column: r.column}
	switch c := r.peek(); {
	case c == '{':
		r.object(n, depth)
	case c == '[':
		r.list(n, depth)
	case c == '"':
		n.kind, n.text = nodeString, r.string()
	case c == '-' || c >= '0' && c <= '9':
		n.kind, n.text = nodeNumber, r.number()
	case c == 't':
		n.kind, n.text = nodeBool, r.word("true")
	case c == 'f':
		n.kind, n.text = nodeBool, r.word("false")
	case c == 'n':
		n.kind, n.text = nodeNull, r.word("null")
	case r.at >= len(r.text):
		r.fail("the text ends where a value is expected")
	default:
		r.fail("expected a value")
	}
	return n
}

func (r *reader) object(n *node, depth int) {
	n.kind = nodeObject
	r.next()
	r.space()
	if r.peek() == '}' {
		r.next()
		return
	}
	seen := make(map[string]bool)
	for {
		r.space()
		m := member{line: r.line, column: r.column}
		if r.peek() != '"' {
			r.fail("expected a name in double quotes")
		}
		m.key = r.string()
		m.again = seen[m.key]
		seen[m.key] = true
		r.space()
		if r.peek() != ':' {
			r.fail("expected a colon after the name %s", quote(m.key))
		}
		r.next()
		r.space()
		m.value = r.value(depth + 1)
		n.members = append(n.members, m)
		r.space()
		switch r.peek() {
		case ',':
			r.next()
		case '}':
			r.next()
			return
		default:
			r.fail("expected a comma or the end of the object")
		}
	}
}

func (r *reader) list(n *node, depth int) {
	n.kind = nodeList
	r.next()
	r.space()
	if r.peek() == ']' {
		r.next()
		return
	}
	for {
		r.space()
		n.items = append(n.items, r.value(depth+1))
		r.space()
		switch r.peek() {
		case ',':
			r.next()
		case ']':
			r.next()
			return
		default:
			r.fail("expected a comma or the end of the list")
		}
	}
}

func (r *reader) word(w string) string {
	if !strings.HasPrefix(r.text[r.at:], w) {
		r.fail("expected a value")
	}
	r.at += len(w)
	r.column += len(w)
	return w
}

func (r *reader) number() string {
	start := r.at
	if r.peek() == '-' {
		r.next()
	}
	switch {
	case r.peek() == '0':
		r.next()
	default:
		r.digits()
	}
	if r.peek() == '.' {
		r.next()
		r.digits()
	}
	if c := r.peek(); c == 'e' || c == 'E' {
		r.next()
		if c := r.peek(); c == '+' || c == '-' {
			r.next()
		}
		r.digits()
	}
	return r.text[start:r.at]
}

func (r *reader) digits() {
	if c := r.peek(); c < '0' || c > '9' {
		r.fail("expected a digit")
	}
	for c := r.peek(); c >= '0' && c <= '9'; c = r.peek() {
		r.next()
	}
}

func (r *reader) string() string {
	r.next()
	start := r.at
	// Most strings hold no escape and are a part of the text.
	for {
		c := r.peek()
		if c == '"' {
			s := r.text[start:r.at]
			r.next()
			return s
		}
		if c == '\\' {
			break
		}
		r.char()
	}
	b := []byte(r.text[start:r.at])
	for {
		switch r.peek() {
		case '"':
			r.next()
			return string(b)
		case '\\':
			b = utf8.AppendRune(b, r.escape())
		default:
			b = utf8.AppendRune(b, r.char())
		}
	}
}

// char consumes one character that stands for itself.
func (r *reader) char() rune {
	if r.at < len(r.text) && r.peek() < ' ' {
		r.fail("control character in a string")
	}
	return r.next()
}

func (r *reader) escape() rune {
	r.next()
	switch c := r.next(); c {
	case '"', '\\', '/':
		return c
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'u':
		c := r.hex()
		if !utf16.IsSurrogate(c) {
			return c
		}
		if r.peek() == '\\' {
			r.next()
			if r.peek() == 'u' {
				r.next()
				if full := utf16.DecodeRune(c, r.hex()); full != utf8.RuneError {
					return full
				}
			}
		}
		r.fail("half of a surrogate pair")
	}
	r.fail("unknown escape in a string")
	return 0
}

func (r *reader) hex() rune {
	if len(r.text)-r.at < 4 {
		r.fail("expected four hexadecimal digits")
	}
	v, err := strconv.ParseUint(r.text[r.at:r.at+4], 16, 16)
	if err != nil {
		r.fail("expected four hexadecimal digits")
	}
	r.at += 4
	r.column += 4
	return rune(v)
}

// quote returns s for a message: in quotes, and cut if it is long.
func quote(s string) string {
	const limit = 80
	if len(s) > limit {
		cut := limit
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		return strconv.Quote(s[:cut]) + "..."
	}
	return strconv.Quote(s)
}
