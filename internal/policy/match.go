package policy

import (
	"strings"
	"unicode/utf8"
)

// Wildcards inside compiled patterns are bytes that UTF-8 never uses, so that
// they can't be mistaken for text, nor text for them.
const (
	star        = '\xff' // any characters
	one         = '\xfe' // one character
	starInPart  = '\xfd' // any characters but a colon
	oneInPart   = '\xfc' // one character that is no colon
	lowWildcard = '\xfc'
)

// hasWildcardByte reports whether s holds a byte that stands for a wildcard, which
// no valid text does.
func hasWildcardByte(s string) bool {
	for i := range len(s) {
		if s[i] >= lowWildcard {
			return true
		}
	}
	return false
}

// text is what patterns are compared with.
type text interface{ string | []byte }

// hasPrefix is strings.HasPrefix. It looks at the end of the prefix first, where
// ARNs and actions differ more often than at their beginning.
func hasPrefix[T text](s T, prefix string) bool {
	n := len(prefix)
	return n <= len(s) && s[n-1] == prefix[n-1] && string(s[:n]) == prefix
}

// runeLen returns the length in bytes of the character that s starts with; an
// invalid byte counts as one.
func runeLen[T text](s T) int {
	if s[0] < utf8.RuneSelf {
		return 1
	}
	_, n := utf8.DecodeRuneInString(string(s[:min(len(s), utf8.UTFMax)]))
	return n
}

// glob reports whether all of s matches the compiled pattern. Every star of the
// pattern is tried from left to right and never again once a later one has been
// reached, so the time is at most len(pattern) * len(s). The pattern holds no
// wildcard that stops at colons.
func glob[P, T text](pattern P, s T) bool {
	p, at := 0, 0
	after, from := -1, 0 // pattern after the last star, and what it has eaten up to
	for at < len(s) {
		if p < len(pattern) {
			switch c := pattern[p]; {
			case c == star:
				p++
				after, from = p, at
				continue
			case c == one:
				p++
				at += runeLen(s[at:])
				continue
			case c == s[at]:
				p++
				at++
				continue
			}
		}
		if after < 0 {
			return false
		}
		from += runeLen(s[from:])
		p, at = after, from
	}
	for p < len(pattern) && pattern[p] == star {
		p++
	}
	return p == len(pattern)
}

// globParts is glob for patterns that may also hold wildcards that stop at colons,
// which one pass from left to right can't decide. It follows all readings of the
// pattern at once: reached[i] says that pattern[:i] matches what of s has been seen.
// The time is len(pattern) * len(s) here too.
func globParts[P text](pattern P, s string) bool {
	var a, b [256]bool
	reached, next := a[:0], b[:0]
	for range len(pattern) + 1 {
		reached, next = append(reached, false), append(next, false)
	}
	reached[0] = true
	skipStars(pattern, reached)
	for at := 0; at < len(s); {
		size := runeLen(s[at:])
		clear(next)
		alive := false
		step := func(i int) { next[i], alive = true, true }
		for i, ok := range reached[:len(pattern)] {
			if !ok {
				continue
			}
			switch c := pattern[i]; c {
			case star:
				step(i)
			case starInPart:
				if s[at] != ':' {
					step(i)
				}
			case one:
				step(i + 1)
			case oneInPart:
				if s[at] != ':' {
					step(i + 1)
				}
			default:
				if i+size <= len(pattern) && string(pattern[i:i+size]) == s[at:at+size] {
					step(i + size)
				}
			}
		}
		if !alive {
			return false
		}
		skipStars(pattern, next)
		reached, next = next, reached
		at += size
	}
	return reached[len(pattern)]
}

// skipStars lets every star that is reached match nothing.
func skipStars[P text](pattern P, reached []bool) {
	for i := range len(pattern) {
		if reached[i] && (pattern[i] == star || pattern[i] == starInPart) {
			reached[i+1] = true
		}
	}
}

// A shape says how a pattern is compared, cheapest first.
type shape uint8

const (
	shapeAny    shape = iota // matches everything
	shapeExact               // text is equal
	shapePrefix              // text is a prefix
	shapeGlob                // text is a pattern for glob
	shapeParts               // text is a pattern for globParts
	shapeForm                // pieces make the pattern, once variables have values
)

// A pattern is a compiled string of a policy, possibly with wildcards and
// variables.
type pattern struct {
	shape  shape
	text   string
	pieces []piece // of shapeForm
}

// newPattern compiles pieces. Wildcards are already in place.
func newPattern(pieces []piece) pattern {
	fixed := true
	for i := range pieces {
		if pieces[i].key != "" {
			fixed = false
		}
	}
	if !fixed {
		return pattern{shape: shapeForm, pieces: pieces}
	}
	var b strings.Builder
	for i := range pieces {
		b.WriteString(pieces[i].text)
	}
	return shaped(b.String())
}

// shaped returns the pattern of a text without variables.
func shaped(text string) pattern {
	switch shape := shapeOf(text); shape {
	case shapeAny:
		return pattern{shape: shape}
	case shapePrefix:
		return pattern{shape: shape, text: text[:len(text)-1]}
	default:
		return pattern{shape: shape, text: text}
	}
}

// shapeOf returns the cheapest way to compare a text without variables.
func shapeOf[T text](s T) shape {
	wild := -1
	for i := range len(s) {
		switch s[i] {
		case starInPart, oneInPart:
			return shapeParts
		case star, one:
			if wild < 0 {
				wild = i
			}
		}
	}
	switch {
	case wild < 0:
		return shapeExact
	case wild < len(s)-1 || s[wild] != star:
		return shapeGlob
	case wild == 0:
		return shapeAny
	}
	return shapePrefix
}

// match reports whether all of s matches. Of a pattern with variables, e knows the
// values.
func (p *pattern) match(e *evaluator, s string) bool {
	switch p.shape {
	case shapeAny:
		return true
	case shapeExact:
		return s == p.text
	case shapePrefix:
		return hasPrefix(s, p.text)
	case shapeGlob:
		return glob(p.text, s)
	case shapeParts:
		return globParts(p.text, s)
	case shapeForm:
		if !e.expand(p.pieces) {
			return false
		}
		switch shapeOf(e.text) {
		case shapeExact:
			return string(e.text) == s
		case shapeParts:
			return globParts(e.text, s)
		}
		return glob(e.text, s)
	}
	return false
}

// An arnPattern is a pattern whose six parts are compared one by one, so that no
// wildcard reaches into another part.
//
// Source: IAM User Guide, "Condition operators", ArnLike, read 2026-11-21.
type arnPattern struct {
	any   bool // matches every ARN
	whole bool // the first part stands for the whole ARN
	parts [arnParts]pattern
}

const arnParts = 6

func (p *arnPattern) match(e *evaluator, s string) bool {
	var parts [arnParts]string
	if !splitARN(s, &parts) {
		return false
	}
	switch {
	case p.any:
		return true
	case p.whole:
		return p.parts[0].match(e, s)
	}
	for i := range p.parts {
		if !p.parts[i].match(e, parts[i]) {
			return false
		}
	}
	return true
}

// splitARN splits s into the six parts of an ARN and reports whether it is one.
func splitARN(s string, parts *[arnParts]string) bool {
	for i := range arnParts - 1 {
		colon := strings.IndexByte(s, ':')
		if colon < 0 {
			return false
		}
		parts[i], s = s[:colon], s[colon+1:]
	}
	parts[arnParts-1] = s
	return parts[0] == "arn"
}
