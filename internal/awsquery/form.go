package awsquery

import (
	"strings"
	"unicode/utf8"
)

// A Form is a request that was read. Values of it may be secret: it is not to be
// printed.
type Form struct {
	Action  string // the operation; empty if the form names none
	Version string // of the API, "2010-05-08"; empty if the form names none

	root node
}

// A node is a parameter, or the common beginning of several up to a dot.
type node struct {
	value string
	isSet bool // value was sent
	below map[string]*node
}

// String hides the values.
func (*Form) String() string { return "[form]" }

// GoString hides the values.
func (*Form) GoString() string { return "[form]" }

// Parse reads a form: the body of a POST, or the query string of a GET. The
// error is a *awserr.Error with the code MalformedInput.
func Parse(text []byte) (*Form, error) {
	if len(text) > MaxSize {
		return nil, malformed("The request is larger than %d bytes.", MaxSize)
	}
	f := new(Form)
	n := 0
	for pair := range strings.SplitSeq(string(text), "&") {
		if pair == "" {
			continue
		}
		if n++; n > MaxParameters {
			return nil, malformed("The request has more than %d parameters.", MaxParameters)
		}
		name, value, _ := strings.Cut(pair, "=")
		name, ok := unescape(name)
		value, ok2 := unescape(value)
		if !ok || !ok2 {
			return nil, malformed("A parameter of the request has a malformed escape.")
		}
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return nil, malformed("The request is not UTF-8.")
		}
		if err := f.root.set(name, value); err != nil {
			return nil, err
		}
	}
	f.Action, f.Version = f.root.text("Action"), f.root.text("Version")
	return f, nil
}

// set adds a parameter below n.
func (n *node) set(name, value string) error {
	if len(name) > maxName || strings.Count(name, ".") > maxDepth {
		return malformed("The name of a parameter is too long.")
	}
	for part := range strings.SplitSeq(name, ".") {
		if part == "" {
			return malformed("The name of a parameter is empty, or a part of it.")
		}
		next := n.below[part]
		if next == nil {
			next = new(node)
			if n.below == nil {
				n.below = make(map[string]*node)
			}
			n.below[part] = next
		}
		n = next
	}
	if n.isSet {
		return malformed("A parameter stands twice in the request.")
	}
	n.value, n.isSet = value, true
	return nil
}

// text returns the value of the parameter name, or "".
func (n *node) text(name string) string {
	if p := n.below[name]; p != nil {
		return p.value
	}
	return ""
}

// unescape decodes a part of a form. ok is false for a malformed escape.
func unescape(s string) (text string, ok bool) {
	if !strings.ContainsAny(s, "%+") {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '+':
			b = append(b, ' ')
		case '%':
			if i+2 >= len(s) {
				return "", false
			}
			high, ok := hexDigit(s[i+1])
			low, ok2 := hexDigit(s[i+2])
			if !ok || !ok2 {
				return "", false
			}
			b = append(b, high<<4|low)
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return string(b), true
}

func hexDigit(c byte) (value byte, ok bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
