package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// A scanner reads one JSON text from front to back without building a tree of it.
// It takes what RFC 8259 defines, and no name twice in an object.
type scanner struct {
	text []byte
	at   int
}

var errJSON = errors.New("not JSON")

// peek returns the first byte of the next value, or 0 at the end.
func (s *scanner) peek() byte {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return c
		}
	}
	return 0
}

// take reads one byte of punctuation.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

// end returns an error if anything follows.
func (s *scanner) end() error {
	if s.peek() != 0 || s.at < len(s.text) {
		return errJSON
	}
	return nil
}

// members reads an object and calls do with each name, which must read the value.
func (s *scanner) members(do func(name []byte) error) error {
	if !s.take('{') {
		return errors.New("not an object")
	}
	for first := true; !s.take('}'); first = false {
		if !first && !s.take(',') {
			return errJSON
		}
		name, err := s.quoted()
		if err != nil {
			return err
		}
		if !s.take(':') {
			return errJSON
		}
		if err := do(name); err != nil {
			return err
		}
	}
	return nil
}

// elements reads a list and calls do for each element, which must read it.
func (s *scanner) elements(do func(i int) error) error {
	if !s.take('[') {
		return errors.New("not a list")
	}
	for i := 0; !s.take(']'); i++ {
		if i > 0 && !s.take(',') {
			return errJSON
		}
		if err := do(i); err != nil {
			return err
		}
	}
	return nil
}

// quoted reads a string. The bytes are valid until the text is.
func (s *scanner) quoted() ([]byte, error) {
	if s.peek() != '"' {
		return nil, errors.New("not a string")
	}
	start, isPlain := s.at, true
	for i := start + 1; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			s.at = i + 1
			if isPlain {
				return s.text[start+1 : i], nil
			}
			return unquoted(s.text[start : i+1])
		case c == '\\':
			isPlain = false
			i++
		case c < ' ':
			return nil, errJSON
		case c >= utf8.RuneSelf:
			isPlain = false
		}
	}
	return nil, errJSON
}

// unquoted returns what a string with escapes or beyond ASCII says.
func unquoted(raw []byte) ([]byte, error) {
	if !utf8.Valid(raw) {
		return nil, errJSON
	}
	var v string
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, errJSON
	}
	return []byte(v), nil
}

// word reads a number, true, false or null as it is written.
func (s *scanner) word() ([]byte, error) {
	s.peek()
	start := s.at
	for s.at < len(s.text) && !isDelimiter(s.text[s.at]) {
		s.at++
	}
	w := s.text[start:s.at]
	if len(w) == 0 || w[0] == '"' || !json.Valid(w) {
		return nil, errJSON
	}
	return w, nil
}

func isDelimiter(c byte) bool {
	switch c {
	case ' ', '\t', '\r', '\n', ',', ':', '[', ']', '{', '}':
		return true
	}
	return false
}

// null reads a null if the next value is one.
func (s *scanner) null() bool {
	if s.peek() != 'n' || !bytes.HasPrefix(s.text[s.at:], []byte("null")) {
		return false
	}
	s.at += len("null")
	return true
}

// boolean reads true or false.
func (s *scanner) boolean() (bool, error) {
	w, err := s.word()
	if err != nil || string(w) != "true" && string(w) != "false" {
		return false, errors.New("neither true nor false")
	}
	return string(w) == "true", nil
}

// raw skips a value and returns its text. Of an object or a list it looks at
// brackets and strings only: who reads the text must check the rest.
func (s *scanner) raw() ([]byte, error) {
	c := s.peek()
	start := s.at
	switch c {
	case '"':
		_, err := s.quoted()
		return s.text[start:s.at], err
	case '{', '[':
	default:
		return s.word()
	}
	depth := 0
	text := s.text
	for i := start; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				s.at = i + 1
				return text[start:s.at], nil
			}
		}
	}
	return nil, errJSON
}

// A memberSet notes which of the names that an object may have were there.
type memberSet uint32

// add notes the i-th of the names, whose value must be read next.
func (m *memberSet) add(name []byte, names []string) (int, error) {
	for i, n := range names {
		if n == string(name) {
			if *m&(1<<i) != 0 {
				return 0, fmt.Errorf("%q twice", name)
			}
			*m |= 1 << i
			return i, nil
		}
	}
	return 0, fmt.Errorf("no member is called %q", name)
}

// appendJSON appends a string as JSON.
func appendJSON(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic("cli: internal error: " + err.Error())
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
