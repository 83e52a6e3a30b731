package policy

import "strings"

// A piece is a part of a pattern: text with wildcards in place, or a variable.
type piece struct {
	text string // of a variable its default
	key  string // lower case, of a variable; otherwise empty
	or   bool   // the variable has a default
}

// wildcards says what * and ? mean in a pattern.
type wildcards int

const (
	literal wildcards = iota // themselves
	wild                     // any characters, one character
	wildARN                  // as wild; in the parts before the resource they stop at colons, except a * that ends its part
)

// parsePieces splits s into text and variables, and puts the wildcards in place.
// Variables are seen if the policy's version has them. A message is returned if a
// variable is malformed.
//
// Source: IAM User Guide, "IAM policy elements: Variables and tags", read
// 2026-11-21.
func parsePieces(s string, w wildcards, variables bool) ([]piece, string) {
	var pieces []piece
	var text strings.Builder
	colons := 0
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case variables && c == '$' && i+1 < len(s) && s[i+1] == '{':
			v, size, problem := parseVariable(s[i:])
			if problem != "" {
				return nil, problem
			}
			i += size
			if v.key == "" {
				text.WriteString(v.text)
				continue
			}
			if text.Len() > 0 {
				pieces = append(pieces, piece{text: text.String()})
				text.Reset()
			}
			pieces = append(pieces, v)
			continue
		case w != literal && (c == '*' || c == '?'):
			inPart := w == wildARN && colons < arnParts-1 &&
				!(c == '*' && (i+1 == len(s) || s[i+1] == ':'))
			text.WriteByte(wildcardByte(c, inPart))
		default:
			if c == ':' {
				colons++
			}
			text.WriteByte(c)
		}
		i++
	}
	if text.Len() > 0 || len(pieces) == 0 {
		pieces = append(pieces, piece{text: text.String()})
	}
	return pieces, ""
}

func wildcardByte(c byte, inPart bool) byte {
	switch {
	case c == '*' && inPart:
		return starInPart
	case c == '*':
		return star
	case inPart:
		return oneInPart
	}
	return one
}

// parseVariable reads the variable that s starts with: ${key}, ${key, 'default'},
// or one of ${*}, ${?} and ${$}, which stand for the character itself and come
// back without a key.
func parseVariable(s string) (v piece, size int, problem string) {
	rest := s[len("${"):]
	if len(rest) >= 2 && rest[1] == '}' && strings.IndexByte("*?$", rest[0]) >= 0 {
		return piece{text: rest[:1]}, len("${*}"), ""
	}
	end := strings.IndexAny(rest, ",}'")
	if end < 0 {
		return piece{}, 0, "a policy variable has no end"
	}
	key := strings.TrimSpace(rest[:end])
	if key == "" || strings.ContainsAny(key, "${*?\"") {
		return piece{}, 0, "a policy variable has no valid key"
	}
	v.key = lowerKey(key)
	if rest[end] == '}' {
		return v, len("${") + end + 1, ""
	}
	if rest[end] == '\'' {
		return piece{}, 0, "the default of a policy variable needs a comma before it"
	}
	at := end + 1
	for at < len(rest) && rest[at] == ' ' {
		at++
	}
	if at == len(rest) || rest[at] != '\'' {
		return piece{}, 0, "the default of a policy variable is not in single quotes"
	}
	at++
	quoted := strings.IndexByte(rest[at:], '\'')
	if quoted < 0 {
		return piece{}, 0, "the default of a policy variable has no end"
	}
	v.text, v.or = rest[at:at+quoted], true
	at += quoted + 1
	for at < len(rest) && rest[at] == ' ' {
		at++
	}
	if at == len(rest) || rest[at] != '}' {
		return piece{}, 0, "a policy variable has no end"
	}
	return v, len("${") + at + 1, ""
}

// expand puts the values of the variables into a pattern. It reports false if one
// has no value: the request lacks the key, or has several values for it, and there
// is no default. The result is in e.text. What is put in stands for itself; it holds
// no wildcard.
func (e *evaluator) expand(pieces []piece) bool {
	e.text = e.text[:0]
	for i := range pieces {
		p := &pieces[i]
		if p.key == "" {
			e.text = append(e.text, p.text...)
			continue
		}
		v, ok := e.variable(p)
		if !ok {
			return false
		}
		e.text = append(e.text, v...)
	}
	return true
}

func (e *evaluator) variable(p *piece) (string, bool) {
	values := e.lookup(p.key)
	switch {
	case len(values) == 1 && !hasWildcardByte(values[0]):
		return values[0], true
	case len(values) == 0 && p.or:
		return p.text, true
	}
	return "", false
}

// lowerKey returns the lower-case form of a condition key.
func lowerKey(s string) string { return strings.ToLower(s) }
