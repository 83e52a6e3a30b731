package awsjson

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"coffer/internal/awserr"
)

// A kind is the type of a JSON value. Its text is how AWS names it in errors.
type kind string

const (
	kindNull   kind = "NULL_VALUE"
	kindTrue   kind = "TRUE_VALUE"
	kindFalse  kind = "FALSE_VALUE"
	kindNumber kind = "NUMBER_VALUE"
	kindString kind = "STRING_VALUE"
	kindList   kind = "LIST_VALUE"
	kindObject kind = "OBJECT_VALUE"
)

// A value is one parsed JSON value.
type value struct {
	kind    kind
	text    string // of a number or a string, the latter unescaped
	list    []value
	members []member // in the order of the text
}

type member struct {
	name  string
	value value
}

// A parser reads one JSON text.
type parser struct {
	data []byte
	pos  int
}

// parse reads data, which must hold one JSON value and nothing after it.
func parse(data []byte) (value, *awserr.Error) {
	if len(data) > MaxSize {
		return value{}, malformed("the request body is larger than %d bytes", MaxSize)
	}
	if !utf8.Valid(data) {
		return value{}, malformed("the request body is not UTF-8")
	}
	p := &parser{data: data}
	v, err := p.value(0)
	if err != nil {
		return value{}, err
	}
	p.space()
	if p.pos != len(p.data) {
		return value{}, p.unexpected()
	}
	return v, nil
}

func (p *parser) unexpected() *awserr.Error {
	if p.pos >= len(p.data) {
		return malformed("the request body ends too early")
	}
	return malformed("unexpected character at byte %d of the request body", p.pos)
}

func (p *parser) space() {
	for p.pos < len(p.data) {
		switch p.data[p.pos] {
		case ' ', '\t', '\r', '\n':
			p.pos++
		default:
			return
		}
	}
}

// take consumes c, after space, and reports whether it was there.
func (p *parser) take(c byte) bool {
	p.space()
	if p.pos < len(p.data) && p.data[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *parser) value(depth int) (value, *awserr.Error) {
	if depth > MaxDepth {
		return value{}, malformed("the request body nests deeper than %d levels", MaxDepth)
	}
	p.space()
	if p.pos >= len(p.data) {
		return value{}, p.unexpected()
	}
	switch c := p.data[p.pos]; {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		s, err := p.str()
		return value{kind: kindString, text: s}, err
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	case p.word("null"):
		return value{kind: kindNull}, nil
	case p.word("true"):
		return value{kind: kindTrue}, nil
	case p.word("false"):
		return value{kind: kindFalse}, nil
	}
	return value{}, p.unexpected()
}

// word consumes w and reports whether it was there.
func (p *parser) word(w string) bool {
	end := p.pos + len(w)
	if end > len(p.data) || string(p.data[p.pos:end]) != w {
		return false
	}
	p.pos = end
	return true
}

func (p *parser) object(depth int) (value, *awserr.Error) {
	p.pos++
	v := value{kind: kindObject}
	if p.take('}') {
		return v, nil
	}
	var seen map[string]bool // once there are many; before, a scan is faster
	for {
		p.space()
		if p.pos >= len(p.data) || p.data[p.pos] != '"' {
			return value{}, p.unexpected()
		}
		name, err := p.str()
		if err != nil {
			return value{}, err
		}
		if !p.take(':') {
			return value{}, p.unexpected()
		}
		if isDuplicate(v.members, &seen, name) {
			return value{}, malformed("a member of an object in the request body stands twice")
		}
		e, err := p.value(depth + 1)
		if err != nil {
			return value{}, err
		}
		v.members = append(v.members, member{name, e})
		if p.take(',') {
			continue
		}
		if p.take('}') {
			return v, nil
		}
		return value{}, p.unexpected()
	}
}

// isDuplicate reports whether one of members has the name. It keeps seen for
// objects with more than a few.
func isDuplicate(members []member, seen *map[string]bool, name string) bool {
	const few = 16
	if len(members) < few {
		for i := range members {
			if members[i].name == name {
				return true
			}
		}
		return false
	}
	if *seen == nil {
		*seen = make(map[string]bool)
		for i := range members {
			(*seen)[members[i].name] = true
		}
	}
	if (*seen)[name] {
		return true
	}
	(*seen)[name] = true
	return false
}

func (p *parser) array(depth int) (value, *awserr.Error) {
	p.pos++
	v := value{kind: kindList}
	if p.take(']') {
		return v, nil
	}
	for {
		e, err := p.value(depth + 1)
		if err != nil {
			return value{}, err
		}
		v.list = append(v.list, e)
		if p.take(',') {
			continue
		}
		if p.take(']') {
			return v, nil
		}
		return value{}, p.unexpected()
	}
}

// number reads a number as RFC 8259, section 6, spells it.
func (p *parser) number() (value, *awserr.Error) {
	start := p.pos
	digits := func() bool {
		from := p.pos
		for p.pos < len(p.data) && '0' <= p.data[p.pos] && p.data[p.pos] <= '9' {
			p.pos++
		}
		return p.pos > from
	}
	next := func(set string) bool {
		if p.pos < len(p.data) {
			for i := range len(set) {
				if p.data[p.pos] == set[i] {
					p.pos++
					return true
				}
			}
		}
		return false
	}
	next("-")
	if !next("0") && !digits() {
		return value{}, p.unexpected()
	}
	if next(".") && !digits() {
		return value{}, p.unexpected()
	}
	if next("eE") {
		next("+-")
		if !digits() {
			return value{}, p.unexpected()
		}
	}
	return value{kind: kindNumber, text: string(p.data[start:p.pos])}, nil
}

// str reads a string, whose opening quote is at the position.
func (p *parser) str() (string, *awserr.Error) {
	p.pos++
	start := p.pos
	for p.pos < len(p.data) {
		switch c := p.data[p.pos]; {
		case c == '"':
			s := string(p.data[start:p.pos])
			p.pos++
			return s, nil
		case c == '\\':
			return p.escaped(start)
		case c < 0x20:
			return "", p.unexpected()
		default:
			p.pos++
		}
	}
	return "", p.unexpected()
}

// escaped reads on in a string that began at start and holds an escape.
func (p *parser) escaped(start int) (string, *awserr.Error) {
	b := append([]byte(nil), p.data[start:p.pos]...)
	for p.pos < len(p.data) {
		c := p.data[p.pos]
		switch {
		case c == '"':
			p.pos++
			return string(b), nil
		case c < 0x20:
			return "", p.unexpected()
		case c != '\\':
			b = append(b, c)
			p.pos++
			continue
		}
		if p.pos+1 >= len(p.data) {
			break
		}
		p.pos += 2
		switch e := p.data[p.pos-1]; e {
		case '"', '\\', '/':
			b = append(b, e)
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r, err := p.codePoint()
			if err != nil {
				return "", err
			}
			b = utf8.AppendRune(b, r)
		default:
			p.pos--
			return "", p.unexpected()
		}
	}
	p.pos = len(p.data)
	return "", p.unexpected()
}

// codePoint reads the digits of a \u escape and, for a high surrogate, the
// escape of its low half.
func (p *parser) codePoint() (rune, *awserr.Error) {
	r, ok := p.hex4()
	if !ok {
		return 0, p.unexpected()
	}
	if !utf16.IsSurrogate(r) {
		return r, nil
	}
	if p.pos+1 < len(p.data) && p.data[p.pos] == '\\' && p.data[p.pos+1] == 'u' {
		p.pos += 2
		low, ok := p.hex4()
		if !ok {
			return 0, p.unexpected()
		}
		if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
			return r, nil
		}
	}
	return 0, malformed("half a surrogate pair before byte %d of the request body", p.pos)
}

func (p *parser) hex4() (rune, bool) {
	if p.pos+4 > len(p.data) {
		return 0, false
	}
	var r rune
	for _, c := range p.data[p.pos : p.pos+4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	p.pos += 4
	return r, true
}

// integer returns the whole number that v holds, if it fits 64 bits.
func (v value) integer() (int64, bool) {
	n, err := strconv.ParseInt(v.text, 10, 64)
	return n, err == nil
}
