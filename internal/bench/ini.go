package bench

import (
	"fmt"
	"strings"
)

// parseINI reads the sections of an AWS configuration or credentials file. The
// settings of a nested section, whose lines are indented, are left out. An error
// names the line and does not quote it: it may hold a secret.
//
// Source: AWS SDKs and Tools Reference Guide, "Shared config and credentials
// files", "Format of the config and credentials files", read 2026-11-21.
func parseINI(text string) (map[string]map[string]string, error) {
	sections := make(map[string]map[string]string)
	var current map[string]string
	number := 0
	for line := range strings.Lines(text) {
		number++
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';':
		case line[0] == ' ' || line[0] == '\t':
			if current == nil {
				return nil, fmt.Errorf("line %d stands in no section", number)
			}
		case trimmed[0] == '[':
			name, rest, ok := strings.Cut(trimmed[1:], "]")
			rest = strings.TrimSpace(rest)
			if !ok || rest != "" && rest[0] != '#' && rest[0] != ';' {
				return nil, fmt.Errorf("line %d is no section", number)
			}
			name = strings.Join(strings.Fields(name), " ")
			if sections[name] == nil {
				sections[name] = make(map[string]string)
			}
			current = sections[name]
		default:
			key, value, ok := strings.Cut(trimmed, "=")
			if !ok || current == nil {
				return nil, fmt.Errorf("line %d is no setting in a section", number)
			}
			current[strings.ToLower(strings.TrimSpace(key))] = strings.TrimSpace(value)
		}
	}
	return sections, nil
}
