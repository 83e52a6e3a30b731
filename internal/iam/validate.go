package iam

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of request members that more than one operation has.
//
// Source: IAM API Reference, read 2026-11-21.
const (
	maxUserName    = 64
	maxGroupName   = 128
	maxRoleName    = 64
	maxPolicyName  = 128
	maxPath        = 512
	maxARN         = 2048
	maxDocument    = 131_072
	maxDescription = 1000
	maxTags        = 50
	maxItems       = 1000
	defaultItems   = 100
	// maxMarker is longer than the 320 characters of AWS: a marker is the encoded
	// ARN of a policy at most.
	maxMarker = 2048
)

// A checker collects what is wrong with the shape of a request. It names members
// and words failures as AWS does.
type checker struct{ failed []string }

func (v *checker) add(value, member, constraint string) {
	v.failed = append(v.failed, value+" at '"+member+"' failed to satisfy constraint: "+constraint)
}

// err returns the ValidationError for all failures, or nil.
func (v *checker) err() error {
	switch n := len(v.failed); n {
	case 0:
		return nil
	case 1:
		return fault(400, "ValidationError", "%s", "1 validation error detected: "+v.failed[0])
	default:
		return fault(400, "ValidationError", "%d validation errors detected: %s", n, strings.Join(v.failed, "; "))
	}
}

// text checks a string that is there: its length in characters, and which
// characters it has. A value that is too long is not shown.
func (v *checker) text(member, value string, least, most int, pattern string, matches func(string) bool) {
	n := utf8.RuneCountInString(value)
	switch {
	case n < least:
		v.add("Value '"+value+"'", member, fmt.Sprintf("Member must have length greater than or equal to %d", least))
	case n > most:
		v.add("Value", member, fmt.Sprintf("Member must have length less than or equal to %d", most))
	case matches != nil && !matches(value):
		v.add("Value '"+value+"'", member, "Member must satisfy regular expression pattern: "+pattern)
	}
}

// required reports a string that is missing.
func (v *checker) required(member, value string) (ok bool) {
	if value == "" {
		v.add("Value null", member, "Member must not be null")
	}
	return value != ""
}

// name checks the name of a user, a group, a role or a policy.
func (v *checker) name(member, value string, most int) {
	if v.required(member, value) {
		v.text(member, value, 1, most, `[\w+=,.@-]+`, isName)
	}
}

// maybeName checks a name, if it is there.
func (v *checker) maybeName(member string, value *string, most int) {
	if value != nil {
		v.text(member, *value, 1, most, `[\w+=,.@-]+`, isName)
	}
}

func isName(s string) bool { return only(s, "_+=,.@-") }

// only reports whether s has letters and digits of ASCII and those of others only.
func only(s, others string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(others, r))
	})
}

// path checks the path of a user, a group or a role, if it is there.
func (v *checker) path(member string, value *string) {
	if value != nil {
		v.text(member, *value, 1, maxPath, `(\u002F)|(\u002F[\u0021-\u007E]+\u002F)`, func(s string) bool {
			return strings.HasPrefix(s, "/") && strings.HasSuffix(s, "/") && len(s) != 2 && isPrintable(s)
		})
	}
}

// pathPrefix checks the beginning of a path, if it is there.
func (v *checker) pathPrefix(value *string) {
	if value != nil {
		v.text("pathPrefix", *value, 1, maxPath, `\u002F[\u0021-\u007F]*`, func(s string) bool {
			return strings.HasPrefix(s, "/") && isPrintable(s)
		})
	}
}

func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < '!' || r > '~' })
}

// policyPath checks the path of a managed policy, if it is there.
func (v *checker) policyPath(member string, value *string) {
	if value != nil {
		v.text(member, *value, 1, maxPath, `((/[A-Za-z0-9\.,\+@=_-]+)*)/`, func(s string) bool {
			return strings.HasPrefix(s, "/") && strings.HasSuffix(s, "/") && !strings.Contains(s, "//") && only(s, "/.,+@=_-")
		})
	}
}

// arn checks an ARN that must be there.
func (v *checker) arn(member, value string) {
	if v.required(member, value) {
		v.text(member, value, 20, maxARN, "", nil)
	}
}

// maybeARN checks an ARN, if it is there.
func (v *checker) maybeARN(member string, value *string) {
	if value != nil {
		v.text(member, *value, 20, maxARN, "", nil)
	}
}

// document checks a policy document as far as the API model describes it.
func (v *checker) document(member, value string) {
	if v.required(member, value) {
		n := utf8.RuneCountInString(value)
		if n > maxDocument {
			v.add("Value", member, fmt.Sprintf("Member must have length less than or equal to %d", maxDocument))
		} else if strings.ContainsFunc(value, func(r rune) bool { return r > 0xFF || r < ' ' && r != '\t' && r != '\n' && r != '\r' }) {
			v.add("Value", member, `Member must satisfy regular expression pattern: [\u0009\u000A\u000D\u0020-\u00FF]+`)
		}
	}
}

// description checks the description of a role, if it is there.
func (v *checker) description(value *string) {
	if value != nil {
		v.text("description", *value, 0, maxDescription, `[\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]*`, func(s string) bool {
			return !strings.ContainsFunc(s, func(r rune) bool {
				return r > 0xFF || r > '~' && r < 0xA1 || r < ' ' && r != '\t' && r != '\n' && r != '\r'
			})
		})
	}
}

// between checks the range of a number, if it is there.
func (v *checker) between(member string, value *int32, least, most int32) {
	switch {
	case value == nil:
	case *value < least:
		v.add(fmt.Sprintf("Value '%d'", *value), member, fmt.Sprintf("Member must have value greater than or equal to %d", least))
	case *value > most:
		v.add(fmt.Sprintf("Value '%d'", *value), member, fmt.Sprintf("Member must have value less than or equal to %d", most))
	}
}

// oneOf checks an enum, if it is there.
func (v *checker) oneOf(member string, value *string, set ...string) {
	if value != nil && !slices.Contains(set, *value) {
		v.add("Value '"+*value+"'", member, "Member must satisfy enum value set: ["+strings.Join(set, ", ")+"]")
	}
}

// list checks that a list is there.
func (v *checker) list(member string, isMissing bool) {
	if isMissing {
		v.add("Value null", member, "Member must not be null")
	}
}

// accessKeyID checks the ID of an access key. Those that were given from outside
// have forms that AWS's own do not.
func (v *checker) accessKeyID(value string) {
	if v.required("accessKeyId", value) {
		v.text("accessKeyId", value, 3, 128, `[\w.-]+`, func(s string) bool { return only(s, "_.-") })
	}
}

// tags checks the shape of tags.
func (v *checker) tags(tags []Tag) {
	if len(tags) > maxTags {
		v.add("Value", "tags", fmt.Sprintf("Member must have length less than or equal to %d", maxTags))
		return
	}
	for i, t := range tags {
		member := fmt.Sprintf("tags.%d.member.", i+1)
		if v.required(member+"key", t.Key) {
			v.text(member+"key", t.Key, 1, 128, `[\p{L}\p{Z}\p{N}_.:/=+\-@]+`, isTagText)
		}
		v.text(member+"value", t.Value, 0, 256, `[\p{L}\p{Z}\p{N}_.:/=+\-@]*`, isTagText)
	}
}

// tagKeys checks the shape of tag keys.
func (v *checker) tagKeys(keys []string) {
	v.list("tagKeys", keys == nil)
	if len(keys) > maxTags {
		v.add("Value", "tagKeys", fmt.Sprintf("Member must have length less than or equal to %d", maxTags))
		return
	}
	for i, k := range keys {
		v.text(fmt.Sprintf("tagKeys.%d.member", i+1), k, 1, 128, `[\p{L}\p{Z}\p{N}_.:/=+\-@]+`, isTagText)
	}
}

func isTagText(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.In(r, unicode.L, unicode.Z, unicode.N) && !strings.ContainsRune("_.:/=+-@", r)
	})
}

// page checks the members of a listing.
func (v *checker) page(p *Paging) {
	v.between("maxItems", p.MaxItems, 1, maxItems)
	if p.Marker != nil {
		v.text("marker", *p.Marker, 1, maxMarker, "", nil)
	}
}
