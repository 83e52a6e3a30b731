package iam

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// A span is where a statement stands in the text of a policy.
type span struct{ start, end Position }

// statementSpans returns where the statements of a policy stand, the way AWS counts:
// a statement starts behind the bracket before it, or behind the statement before it,
// and ends behind its own.
//
// Source: SimulatePrincipalPolicy's answers about AdministratorAccess, as recorded up
// to 2026-11-21: from line 3, column 17 to line 8, column 6.
func statementSpans(text string) []span {
	d := json.NewDecoder(strings.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil
		}
		if name != "Statement" {
			var skipped json.RawMessage
			if d.Decode(&skipped) != nil {
				return nil
			}
			continue
		}
		return spansAt(d, text)
	}
	return nil
}

// spansAt returns the spans of the value at which d stands.
func spansAt(d *json.Decoder, text string) []span {
	behind := int(d.InputOffset())
	rest := strings.TrimLeft(text[behind:], " \t\r\n")
	colon := len(text) - len(rest) + 1
	var spans []span
	one := func(start int) bool {
		var statement json.RawMessage
		if d.Decode(&statement) != nil {
			return false
		}
		spans = append(spans, span{positionAt(text, start), positionAt(text, int(d.InputOffset()))})
		return true
	}
	if value := strings.TrimLeft(text[min(colon, len(text)):], " \t\r\n"); !strings.HasPrefix(value, "[") {
		one(colon)
		return spans
	}
	if _, err := d.Token(); err != nil {
		return nil
	}
	for start := int(d.InputOffset()); d.More(); start = int(d.InputOffset()) {
		if !one(start) {
			return nil
		}
	}
	return spans
}

// positionAt returns the line and the column of the byte at an offset.
func positionAt(text string, offset int) Position {
	before := text[:min(offset, len(text))]
	line := strings.LastIndexByte(before, '\n') + 1
	return Position{int32(strings.Count(before, "\n") + 1), int32(utf8.RuneCountInString(before[line:]) + 1)}
}
