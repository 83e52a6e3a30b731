package s3api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"coffer/internal/awserr"
)

// A postPolicy says what a signed form may hold.
//
// Source: Amazon S3 API Reference, "POST Policy", read 2026-11-21; the wording
// of its errors is S3's.
type postPolicy struct {
	expires    time.Time
	conditions []postCondition
	min, max   int64 // content-length-range; max is -1 if there is none
}

// A postCondition is about one field.
type postCondition struct {
	operator string // eq or starts-with
	field    string // in lower case
	value    string
	text     string // as the error shows it
}

func invalidPolicy(format string, args ...any) *awserr.Error {
	return awserr.New(400, "InvalidPolicyDocument", "Invalid Policy: "+format, args...)
}

// parsePostPolicy parses a policy document. What it does not understand is an
// error: a condition that is skipped is one that does not hold anybody back.
func parsePostPolicy(document []byte) (*postPolicy, error) {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	var raw map[string]json.RawMessage
	if err := d.Decode(&raw); err != nil || raw == nil {
		return nil, invalidPolicy("Invalid JSON.").Because(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, invalidPolicy("Invalid JSON.")
	}
	var expiration string
	var conditions []json.RawMessage
	for name, value := range raw {
		var err error
		switch name {
		case "expiration":
			err = json.Unmarshal(value, &expiration)
		case "conditions":
			err = json.Unmarshal(value, &conditions)
		default:
			return nil, invalidPolicy("Unexpected: '%s'.", name)
		}
		if err != nil {
			return nil, invalidPolicy("Invalid '%s' value.", name)
		}
	}
	if expiration == "" {
		return nil, invalidPolicy("Policy missing expiration.")
	}
	if conditions == nil {
		return nil, invalidPolicy("Policy missing conditions.")
	}
	p := &postPolicy{max: -1}
	var err error
	if p.expires, err = time.Parse(time.RFC3339Nano, expiration); err != nil {
		return nil, invalidPolicy("Invalid 'expiration' value: '%s'", expiration)
	}
	for _, c := range conditions {
		if err := p.add(c); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// add parses one condition: {"field": "value"} or [operator, ...].
func (p *postPolicy) add(raw json.RawMessage) error {
	var simple map[string]any
	if json.Unmarshal(raw, &simple) == nil && simple != nil {
		if len(simple) != 1 {
			return invalidPolicy("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.")
		}
		for field, v := range simple {
			value, ok := v.(string)
			if !ok {
				return invalidPolicy("Invalid Simple-Condition: value must be a string.")
			}
			p.conditions = append(p.conditions, newCondition("eq", "$"+field, value))
		}
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var list []any
	if err := d.Decode(&list); err != nil || len(list) != 3 {
		return invalidPolicy("Invalid Condition: a condition is an object of one property or a list of three.")
	}
	operator, _ := list[0].(string)
	switch operator = strings.ToLower(operator); operator {
	case "eq", "starts-with":
		field, isField := list[1].(string)
		value, isValue := list[2].(string)
		if !isField || !isValue {
			return invalidPolicy("Invalid Condition: field and value must be strings.")
		}
		p.conditions = append(p.conditions, newCondition(operator, field, value))
		return nil
	case "content-length-range":
		least, okLeast := bound(list[1])
		most, okMost := bound(list[2])
		if !okLeast || !okMost || least > most {
			return failed(newCondition(operator, text(list[1]), text(list[2])))
		}
		// Of several ranges all hold.
		p.min = max(p.min, least)
		if p.max < 0 || most < p.max {
			p.max = most
		}
		return nil
	}
	return invalidPolicy("Invalid Condition: unknown operation '%s'.", operator)
}

func newCondition(operator, field, value string) postCondition {
	show, _ := json.Marshal([]string{operator, field, value})
	c := postCondition{operator: operator, value: value, text: strings.ReplaceAll(string(show), `","`, `", "`)}
	// A field without the dollar sign is none that a form could have.
	if name, ok := strings.CutPrefix(field, "$"); ok {
		c.field = strings.ToLower(name)
	}
	return c
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// bound reads one end of content-length-range.
func bound(v any) (int64, bool) {
	n, err := strconv.ParseInt(text(v), 10, 64)
	return n, err == nil && n >= 0
}

func failed(c postCondition) error {
	return awserr.New(403, "AccessDenied", "Invalid according to Policy: Policy Condition failed: %s", c.text)
}

// check checks the fields of a form, bucket included, against the policy: every
// condition holds, and every field has one.
func (p *postPolicy) check(fields map[string]string, now time.Time) error {
	if !now.Before(p.expires) {
		return awserr.New(403, "AccessDenied", "Invalid according to Policy: Policy expired.")
	}
	covered := map[string]bool{}
	for _, c := range p.conditions {
		value, ok := fields[c.field]
		switch {
		case c.field == "":
			return failed(c)
		case c.operator == "starts-with":
			ok = strings.HasPrefix(value, c.value) && (ok || c.value == "")
			if c.field == "content-type" && ok {
				// A list of types, each of which has to match.
				for part := range strings.SplitSeq(value, ",") {
					ok = ok && strings.HasPrefix(strings.TrimSpace(part), c.value)
				}
			}
		default:
			ok = ok && value == c.value
		}
		if !ok {
			return failed(c)
		}
		covered[c.field] = true
	}
	for name := range fields {
		if !covered[name] && !exempt(name) {
			return awserr.New(403, "AccessDenied", "Invalid according to Policy: Extra input fields: %s", name)
		}
	}
	return nil
}

// exempt reports whether a field needs no condition. The bucket is compared with
// its condition if there is one.
func exempt(name string) bool {
	switch name {
	case "x-amz-signature", "file", "policy", "bucket":
		return true
	}
	return strings.HasPrefix(name, "x-ignore-")
}
