package policy_test

import (
	"encoding/base64"
	"math/big"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"coffer/internal/policy"
)

// naiveCondition evaluates one condition of a statement.
//
// Sources: IAM User Guide, "IAM JSON policy elements: Condition operators" and
// "Set operators for multivalued context keys", read 2026-11-21.
func naiveCondition(in *policy.Input, c *policy.Condition, variables bool) bool {
	values, present := naiveLookup(in, c.Key)
	missing := !present || len(values) == 0
	if c.Operator == "Null" {
		for _, v := range c.Values {
			if strings.EqualFold(v, "true") && missing || strings.EqualFold(v, "false") && !missing {
				return true
			}
		}
		return false
	}
	positive, negated := naivePositive(c.Operator)
	if missing {
		switch {
		case c.IfExists:
			return true
		case c.Set == "ForAllValues":
			return true
		case c.Set == "ForAnyValue":
			return false
		}
		return negated
	}
	matchesOne := func(value string) bool {
		for _, want := range c.Values {
			if naiveCompare(in, positive, value, want, variables) {
				return true
			}
		}
		return false
	}
	some, all := false, true
	for _, v := range values {
		ok := matchesOne(v) != negated
		some, all = some || ok, all && ok
	}
	switch {
	case c.Set == "ForAllValues":
		return all
	case c.Set == "ForAnyValue":
		return some
	case negated:
		return all
	}
	return some
}

// naivePositive returns the operator that a negated one negates.
func naivePositive(operator string) (positive string, negated bool) {
	switch operator {
	case "StringNotEquals":
		return "StringEquals", true
	case "StringNotEqualsIgnoreCase":
		return "StringEqualsIgnoreCase", true
	case "StringNotLike":
		return "StringLike", true
	case "NumericNotEquals":
		return "NumericEquals", true
	case "DateNotEquals":
		return "DateEquals", true
	case "NotIpAddress":
		return "IpAddress", true
	case "ArnNotEquals", "ArnNotLike":
		return "ArnLike", true
	case "ArnEquals":
		return "ArnLike", false
	}
	return operator, false
}

// naiveCompare compares one value of the request with one of the policy.
func naiveCompare(in *policy.Input, operator, got, want string, variables bool) bool {
	switch operator {
	case "StringEquals", "StringEqualsIgnoreCase":
		symbols, ok := naiveSubstitute(in, want, variables, false)
		if operator == "StringEqualsIgnoreCase" {
			return ok && strings.EqualFold(naiveText(symbols), got)
		}
		return ok && naiveText(symbols) == got
	case "StringLike":
		symbols, ok := naiveSubstitute(in, want, variables, true)
		return ok && naiveGlob(symbols, got)
	case "ArnLike":
		return naiveARN(in, got, want, variables)
	case "Bool":
		return naiveIsBool(want) && strings.EqualFold(got, want)
	case "BinaryEquals":
		a, err := base64.StdEncoding.DecodeString(got)
		b, err2 := base64.StdEncoding.DecodeString(want)
		return err == nil && err2 == nil && string(a) == string(b)
	case "IpAddress":
		return naiveInRange(got, want)
	}
	if cut, ok := strings.CutPrefix(operator, "Numeric"); ok {
		a, ok := naiveNumber(got)
		b, ok2 := naiveNumber(want)
		return ok && ok2 && naiveOrder(cut, a.Cmp(b))
	}
	if cut, ok := strings.CutPrefix(operator, "Date"); ok {
		a, ok := naiveTime(got)
		b, ok2 := naiveTime(want)
		return ok && ok2 && naiveOrder(cut, a.Compare(b))
	}
	panic("no operator is called " + operator)
}

func naiveIsBool(s string) bool { return strings.EqualFold(s, "true") || strings.EqualFold(s, "false") }

func naiveOrder(operator string, order int) bool {
	switch operator {
	case "Equals":
		return order == 0
	case "LessThan":
		return order < 0
	case "LessThanEquals":
		return order <= 0
	case "GreaterThan":
		return order > 0
	case "GreaterThanEquals":
		return order >= 0
	}
	panic("no order is called " + operator)
}

var naiveNumeral = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?$`)

func naiveNumber(s string) (*big.Rat, bool) {
	if !naiveNumeral.MatchString(s) {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

// naiveTime reads the W3C profile of ISO 8601, and seconds since 1970.
func naiveTime(s string) (time.Time, bool) {
	for _, layout := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04Z07:00", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	if n, ok := naiveNumber(s); ok && n.IsInt() {
		return time.Unix(n.Num().Int64(), 0), true
	}
	return time.Time{}, false
}

func naiveInRange(got, want string) bool {
	address, err := netip.ParseAddr(got)
	if err != nil {
		return false
	}
	if !strings.Contains(want, "/") {
		exact, err := netip.ParseAddr(want)
		return err == nil && exact == address
	}
	prefix, err := netip.ParsePrefix(want)
	return err == nil && prefix.Contains(address)
}

// naiveARN compares the six parts of two ARNs, each by itself.
func naiveARN(in *policy.Input, got, want string, variables bool) bool {
	if want == "*" {
		return strings.HasPrefix(got, "arn:") && strings.Count(got, ":") >= 5
	}
	symbols, ok := naiveSubstitute(in, want, variables, true)
	if !ok {
		return false
	}
	var parts [][]naiveSymbol
	var part []naiveSymbol
	for _, s := range symbols {
		if s.literal == ':' && len(parts) < 5 {
			parts, part = append(parts, part), nil
			continue
		}
		part = append(part, s)
	}
	parts = append(parts, part)
	values := strings.SplitN(got, ":", 6)
	if len(parts) != 6 || len(values) != 6 {
		return false
	}
	for i := range parts {
		if !naiveGlob(parts[i], values[i]) {
			return false
		}
	}
	return true
}

// naiveParts makes the wildcards of a resource stop at colons where AWS does: in the
// five parts before the resource's own, but for a * at the end of a part.
//
// Source: IAM User Guide, "IAM JSON policy elements: Resource", read 2026-11-21.
func naiveParts(symbols []naiveSymbol) []naiveSymbol {
	colons := 0
	for i := range symbols {
		s := &symbols[i]
		if s.literal == ':' {
			colons++
		}
		isLast := i+1 == len(symbols) || symbols[i+1].literal == ':'
		if s.wild != 0 && colons < 5 && !(s.wild == '*' && isLast) {
			s.inPart = true
		}
	}
	return symbols
}

// A naiveSymbol is one byte of a pattern, or a wildcard.
type naiveSymbol struct {
	literal byte // 0 for a wildcard
	wild    byte // '*' or '?'
	inPart  bool // the wildcard stands for no colon
}

// naiveWild reads * and ? as wildcards.
func naiveWild(s string) []naiveSymbol {
	var symbols []naiveSymbol
	for i := range len(s) {
		if s[i] == '*' || s[i] == '?' {
			symbols = append(symbols, naiveSymbol{wild: s[i]})
		} else {
			symbols = append(symbols, naiveSymbol{literal: s[i]})
		}
	}
	return symbols
}

func naiveLiteral(s string) []naiveSymbol {
	var symbols []naiveSymbol
	for i := range len(s) {
		symbols = append(symbols, naiveSymbol{literal: s[i]})
	}
	return symbols
}

// naiveText joins symbols that are all literal.
func naiveText(symbols []naiveSymbol) string {
	var b strings.Builder
	for _, s := range symbols {
		b.WriteByte(s.literal)
	}
	return b.String()
}

// naiveGlob matches symbols with a whole string.
func naiveGlob(symbols []naiveSymbol, s string) bool {
	switch {
	case len(symbols) == 0:
		return s == ""
	case symbols[0].wild == '*':
		return naiveGlob(symbols[1:], s) || s != "" && !(symbols[0].inPart && s[0] == ':') && naiveGlob(symbols, s[1:])
	case s == "" || symbols[0].inPart && s[0] == ':':
		return false
	case symbols[0].wild == '?':
		return naiveGlob(symbols[1:], s[1:])
	}
	return symbols[0].literal == s[0] && naiveGlob(symbols[1:], s[1:])
}

var (
	naiveVariable = regexp.MustCompile(`\$\{[^}]*\}`)
	naiveDefault  = regexp.MustCompile(`^\$\{\s*([^,]*?)\s*,\s*'(.*)'\s*\}$`)
)

// naiveSubstitute replaces the variables of a pattern. What is put in is literal.
// It returns false if a variable has no value and no default. If wild is not set,
// wildcards of the pattern are literal, too.
//
// Source: IAM User Guide, "IAM policy elements: Variables and tags", read
// 2026-11-21.
func naiveSubstitute(in *policy.Input, pattern string, variables, wild bool) ([]naiveSymbol, bool) {
	plain := naiveLiteral
	if wild {
		plain = naiveWild
	}
	if !variables {
		return plain(pattern), true
	}
	var symbols []naiveSymbol
	for {
		at := naiveVariable.FindStringIndex(pattern)
		if at == nil {
			return append(symbols, plain(pattern)...), true
		}
		symbols = append(symbols, plain(pattern[:at[0]])...)
		variable := pattern[at[0]:at[1]]
		pattern = pattern[at[1]:]
		if variable == "${*}" || variable == "${?}" || variable == "${$}" {
			symbols = append(symbols, naiveLiteral(variable[2:3])...)
			continue
		}
		key, fallback, hasFallback := strings.TrimSuffix(strings.TrimPrefix(variable, "${"), "}"), "", false
		if m := naiveDefault.FindStringSubmatch(variable); m != nil {
			key, fallback, hasFallback = m[1], m[2], true
		}
		switch values, ok := naiveLookup(in, key); {
		case ok && len(values) == 1:
			symbols = append(symbols, naiveLiteral(values[0])...)
		case ok && len(values) > 1:
			return nil, false // a key with several values can't be a variable
		case hasFallback:
			symbols = append(symbols, naiveLiteral(fallback)...)
		default:
			return nil, false
		}
	}
}
