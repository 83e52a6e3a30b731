package policy

import (
	"encoding/base64"
	"net/netip"
	"strings"
	"time"
)

// An operand is what an operator compares.
type operand uint8

const (
	operandString operand = iota
	operandFold           // string, ignoring case
	operandLike
	operandNumber
	operandDate
	operandBool
	operandBinary
	operandIP
	operandARN
	operandNull
)

// A relation is how numbers and dates are compared: request value to policy value.
type relation uint8

const (
	equal relation = iota
	less
	lessOrEqual
	greater
	greaterOrEqual
)

// holds reports whether a comparison with the result c (-1, 0, 1) is as r wants it.
func (r relation) holds(c int) bool {
	switch r {
	case less:
		return c < 0
	case lessOrEqual:
		return c <= 0
	case greater:
		return c > 0
	case greaterOrEqual:
		return c >= 0
	}
	return c == 0
}

// An operator is a condition operator without set prefix and IfExists.
type operator struct {
	operand  operand
	negated  bool
	relation relation
}

// operators are all condition operators.
//
// Source: IAM User Guide, "IAM JSON policy elements: Condition operators", read
// 2026-11-21.
var operators = map[string]operator{
	"StringEquals":              {operand: operandString},
	"StringNotEquals":           {operand: operandString, negated: true},
	"StringEqualsIgnoreCase":    {operand: operandFold},
	"StringNotEqualsIgnoreCase": {operand: operandFold, negated: true},
	"StringLike":                {operand: operandLike},
	"StringNotLike":             {operand: operandLike, negated: true},
	"NumericEquals":             {operand: operandNumber},
	"NumericNotEquals":          {operand: operandNumber, negated: true},
	"NumericLessThan":           {operand: operandNumber, relation: less},
	"NumericLessThanEquals":     {operand: operandNumber, relation: lessOrEqual},
	"NumericGreaterThan":        {operand: operandNumber, relation: greater},
	"NumericGreaterThanEquals":  {operand: operandNumber, relation: greaterOrEqual},
	"DateEquals":                {operand: operandDate},
	"DateNotEquals":             {operand: operandDate, negated: true},
	"DateLessThan":              {operand: operandDate, relation: less},
	"DateLessThanEquals":        {operand: operandDate, relation: lessOrEqual},
	"DateGreaterThan":           {operand: operandDate, relation: greater},
	"DateGreaterThanEquals":     {operand: operandDate, relation: greaterOrEqual},
	"Bool":                      {operand: operandBool},
	"BinaryEquals":              {operand: operandBinary},
	"IpAddress":                 {operand: operandIP},
	"NotIpAddress":              {operand: operandIP, negated: true},
	"ArnEquals":                 {operand: operandARN},
	"ArnLike":                   {operand: operandARN},
	"ArnNotEquals":              {operand: operandARN, negated: true},
	"ArnNotLike":                {operand: operandARN, negated: true},
	"Null":                      {operand: operandNull},
}

// The set prefixes.
const (
	forAllValues = "ForAllValues"
	forAnyValue  = "ForAnyValue"
)

// splitOperator splits "ForAllValues:StringLikeIfExists" into its three parts.
func splitOperator(s string) (set, name string, ifExists bool) {
	if before, after, ok := strings.Cut(s, ":"); ok {
		set, s = before, after
	}
	if name, ok := strings.CutSuffix(s, "IfExists"); ok {
		return set, name, true
	}
	return set, s, false
}

// A decimal is a number as compared: without loss, and without leading and trailing
// zeros. Zero is not negative.
type decimal struct {
	negative        bool
	whole, fraction string
}

// maxDigits bounds a number.
const maxDigits = 40

// parseDecimal reads an integer or a decimal fraction without exponent.
func parseDecimal(s string) (d decimal, ok bool) {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		d.negative = s[0] == '-'
		s = s[1:]
	}
	if len(s) > maxDigits {
		return decimal{}, false
	}
	whole, fraction, point := strings.Cut(s, ".")
	if whole == "" || !onlyDigits(whole) || point && fraction == "" || !onlyDigits(fraction) {
		return decimal{}, false
	}
	d.whole, d.fraction = strings.TrimLeft(whole, "0"), strings.TrimRight(fraction, "0")
	if d.whole == "" && d.fraction == "" {
		d.negative = false
	}
	return d, true
}

func onlyDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// compare returns -1, 0 or 1 as d is less than, equal to or greater than o.
func (d decimal) compare(o decimal) int {
	if d.negative != o.negative {
		if d.negative {
			return -1
		}
		return 1
	}
	c := len(d.whole) - len(o.whole)
	if c == 0 {
		c = strings.Compare(d.whole, o.whole)
	}
	if c == 0 {
		c = strings.Compare(d.fraction, o.fraction)
	}
	if d.negative {
		c = -c
	}
	return min(max(c, -1), 1)
}

// dateForms are the forms of ISO 8601 that the W3C note lists. A fraction of a
// second is read after any form that ends in seconds.
//
// Source: W3C, "Date and Time Formats", NOTE-datetime, which the page on condition
// operators names.
var dateForms = []string{
	"2006-01-02T15:04:05Z07:00",
	"2006-01-02T15:04Z07:00",
	"2006-01-02",
	"2006-01",
	"2006",
}

// maxEpoch bounds a time in seconds since 1970: the end of the year 9999. A number
// of four digits is a year.
const maxEpoch = 253402300799

// parseDate reads a date in one of the forms of ISO 8601, or in seconds since 1970.
func parseDate(s string) (time.Time, bool) {
	if len(s) > 4 && len(s) <= 12 && onlyDigits(s) {
		var n int64
		for i := range len(s) {
			n = n*10 + int64(s[i]-'0')
		}
		return time.Unix(n, 0), n <= maxEpoch
	}
	for _, form := range dateForms {
		// The forms differ in length, which spares failed attempts.
		if len(s) == len("2006") != (form == "2006") {
			continue
		}
		if t, err := time.Parse(form, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// parseBool reads true or false in any case.
func parseBool(s string) (value, ok bool) {
	switch {
	case strings.EqualFold(s, "true"):
		return true, true
	case strings.EqualFold(s, "false"):
		return false, true
	}
	return false, false
}

// parsePrefix reads an address range in CIDR notation, or an address, which is the
// range of itself. Bits behind the prefix don't count.
func parsePrefix(s string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		if p.Addr().Is4In6() {
			if p.Bits() < 96 {
				return netip.Prefix{}, false
			}
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		return p.Masked(), true
	}
	a, ok := parseAddr(s)
	if !ok {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

// parseAddr reads an address; an IPv4 address in IPv6 form is one of IPv4.
func parseAddr(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, false
	}
	return a.Unmap(), true
}

func parseBinary(s string) (string, bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	return string(b), err == nil
}
