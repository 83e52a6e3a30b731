package policy

import (
	"net/netip"
	"strings"
	"time"
)

// A test is a compiled condition. Which list of values it has depends on its
// operator.
type test struct {
	operator
	set      setKind
	ifExists bool
	key      string // lower case

	patterns []pattern
	arns     []arnPattern
	numbers  []decimal
	dates    []time.Time
	bools    []bool
	binary   []string
	prefixes []netip.Prefix
}

type setKind uint8

const (
	setNone setKind = iota
	setAll
	setAny
)

// compileCondition compiles c. It returns a message if c is not understood.
func compileCondition(c *Condition, variables bool) (test, string) {
	op, ok := operators[c.Operator]
	if !ok {
		return test{}, "unknown condition operator " + quote(c.Operator)
	}
	t := test{operator: op, ifExists: c.IfExists, key: lowerKey(c.Key)}
	switch c.Set {
	case "":
	case forAllValues:
		t.set = setAll
	case forAnyValue:
		t.set = setAny
	default:
		return test{}, "unknown set operator " + quote(c.Set)
	}
	if op.operand == operandNull && (t.set != setNone || c.IfExists) {
		return test{}, "Null takes neither a set operator nor IfExists"
	}
	if vendor, name, ok := strings.Cut(c.Key, ":"); !ok || vendor == "" || name == "" {
		return test{}, "condition key " + quote(c.Key) + " has no prefix such as aws: or s3:"
	}
	if len(c.Values) == 0 {
		return test{}, "condition key " + quote(c.Key) + " has no values"
	}
	for _, v := range c.Values {
		if problem := t.add(v, variables); problem != "" {
			return test{}, problem
		}
	}
	return t, ""
}

// add compiles one value.
func (t *test) add(v string, variables bool) string {
	var ok bool
	switch t.operand {
	case operandString, operandFold, operandLike:
		w := literal
		if t.operand == operandLike {
			w = wild
		}
		pieces, problem := parsePieces(v, w, variables)
		if problem != "" {
			return problem
		}
		t.patterns = append(t.patterns, newPattern(pieces))
		return ""
	case operandARN:
		p, problem := parseARNPattern(v, variables)
		if problem != "" {
			return problem
		}
		t.arns = append(t.arns, p)
		return ""
	case operandNumber:
		var d decimal
		if d, ok = parseDecimal(v); !ok {
			return quote(v) + " is not a number"
		}
		t.numbers = append(t.numbers, d)
	case operandDate:
		var d time.Time
		if d, ok = parseDate(v); !ok {
			return quote(v) + " is not a date in ISO 8601 form or in seconds since 1970"
		}
		t.dates = append(t.dates, d)
	case operandBool, operandNull:
		var b bool
		if b, ok = parseBool(v); !ok {
			return quote(v) + " is neither true nor false"
		}
		t.bools = append(t.bools, b)
	case operandBinary:
		var b string
		if b, ok = parseBinary(v); !ok {
			return quote(v) + " is not base64"
		}
		t.binary = append(t.binary, b)
	case operandIP:
		var p netip.Prefix
		if p, ok = parsePrefix(v); !ok {
			return quote(v) + " is not an IP address or a CIDR range"
		}
		t.prefixes = append(t.prefixes, p)
	}
	return ""
}

// parseARNPattern compiles a value of an ARN operator: six parts, or "*", or a
// variable alone.
func parseARNPattern(v string, variables bool) (arnPattern, string) {
	if v == "*" {
		return arnPattern{any: true}, ""
	}
	if pieces, problem := parsePieces(v, literal, variables); problem == "" && len(pieces) == 1 && pieces[0].key != "" {
		return arnPattern{whole: true, parts: [arnParts]pattern{newPattern(pieces)}}, ""
	}
	parts := splitPattern(v, variables)
	if len(parts) != arnParts || parts[0] != "arn" {
		return arnPattern{}, quote(v) + " is not an ARN"
	}
	var p arnPattern
	for i, part := range parts {
		pieces, problem := parsePieces(part, wild, variables)
		if problem != "" {
			return arnPattern{}, problem
		}
		p.parts[i] = newPattern(pieces)
	}
	return p, ""
}

// splitPattern splits s at its first five colons that stand outside of variables.
func splitPattern(s string, variables bool) []string {
	var parts []string
	start, inside := 0, false
	for i := 0; i < len(s) && len(parts) < arnParts-1; i++ {
		switch {
		case variables && strings.HasPrefix(s[i:], "${"):
			inside = true
		case inside && s[i] == '}':
			inside = false
		case !inside && s[i] == ':':
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// holds reports whether the condition is met.
//
// A key that the request lacks and a key without values are the same. Then a
// positive operator is false, a negated one true, IfExists and ForAllValues true,
// ForAnyValue false. With several values and no set operator, a positive operator
// asks for one value that matches, and a negated one for none that does.
//
// Source: IAM User Guide, "Condition operators" and "Single-valued vs. multivalued
// context keys", read 2026-11-21.
func (t *test) holds(e *evaluator) bool {
	values := e.lookup(t.key)
	if t.operand == operandNull {
		for _, absent := range t.bools {
			if absent == (len(values) == 0) {
				return true
			}
		}
		return false
	}
	if len(values) == 0 {
		switch {
		case t.ifExists || t.set == setAll:
			return true
		case t.set == setAny:
			return false
		}
		return t.negated
	}
	for _, v := range values {
		matched := t.matches(e, v)
		switch t.set {
		case setAll:
			if matched == t.negated {
				return false
			}
		case setAny:
			if matched != t.negated {
				return true
			}
		default:
			if matched {
				return !t.negated
			}
		}
	}
	switch t.set {
	case setAll:
		return true
	case setAny:
		return false
	}
	return t.negated
}

// matches reports whether a value of the request matches one of the policy's,
// without regard to negation.
func (t *test) matches(e *evaluator, v string) bool {
	switch t.operand {
	case operandString, operandLike:
		for i := range t.patterns {
			if t.patterns[i].match(e, v) {
				return true
			}
		}
	case operandFold:
		for i := range t.patterns {
			if t.patterns[i].fold(e, v) {
				return true
			}
		}
	case operandARN:
		for i := range t.arns {
			if t.arns[i].match(e, v) {
				return true
			}
		}
	case operandNumber:
		d, ok := parseDecimal(v)
		for i := range t.numbers {
			if ok && t.relation.holds(d.compare(t.numbers[i])) {
				return true
			}
		}
	case operandDate:
		d, ok := parseDate(v)
		for i := range t.dates {
			if ok && t.relation.holds(d.Compare(t.dates[i])) {
				return true
			}
		}
	case operandBool:
		b, ok := parseBool(v)
		for _, want := range t.bools {
			if ok && b == want {
				return true
			}
		}
	case operandBinary:
		b, ok := parseBinary(v)
		for _, want := range t.binary {
			if ok && b == want {
				return true
			}
		}
	case operandIP:
		a, ok := parseAddr(v)
		for i := range t.prefixes {
			if ok && t.prefixes[i].Contains(a) {
				return true
			}
		}
	}
	return false
}

// fold compares without regard to case. The pattern has no wildcards.
func (p *pattern) fold(e *evaluator, s string) bool {
	switch p.shape {
	case shapeExact:
		return strings.EqualFold(p.text, s)
	case shapeForm:
		return e.expand(p.pieces) && strings.EqualFold(string(e.text), s)
	}
	return false
}
