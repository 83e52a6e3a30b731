package org

import (
	"encoding/base64"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"coffer/internal/awserr"
	"coffer/internal/organization"
)

// A checker keeps the first thing that is wrong with the shape of a request.
type checker struct{ failed *awserr.Error }

func (v *checker) add(reason, format string, args ...any) {
	if v.failed == nil {
		v.failed = fault(invalid, reason, format, args...)
	}
}

// err returns the InvalidInputException, or nil.
func (v *checker) err() error {
	if v.failed == nil {
		return nil
	}
	return v.failed
}

// Patterns of identifiers.
//
// Source: the service model of AWS Organizations, read 2026-11-21. Those of the
// model with an alternative are anchored at one end of each only; these are
// anchored at both.
var (
	patternAccount   = regexp.MustCompile(`^\d{12}$`)
	patternRoot      = regexp.MustCompile(`^r-[0-9a-z]{4,32}$`)
	patternUnit      = regexp.MustCompile(`^ou-[0-9a-z]{4,32}-[a-z0-9]{8,32}$`)
	patternParent    = regexp.MustCompile(`^(r-[0-9a-z]{4,32}|ou-[0-9a-z]{4,32}-[a-z0-9]{8,32})$`)
	patternChild     = regexp.MustCompile(`^(\d{12}|ou-[0-9a-z]{4,32}-[a-z0-9]{8,32})$`)
	patternTarget    = regexp.MustCompile(`^(r-[0-9a-z]{4,32}|\d{12}|ou-[0-9a-z]{4,32}-[a-z0-9]{8,32})$`)
	patternPolicy    = regexp.MustCompile(`^p-[0-9a-zA-Z_]{8,128}$`)
	patternTaggable  = regexp.MustCompile(`^(r-[0-9a-z]{4,32}|\d{12}|ou-[0-9a-z]{4,32}-[a-z0-9]{8,32}|p-[0-9a-zA-Z_]{8,128}|rp-[0-9a-zA-Z_]{4,128}|rt-[0-9a-z]{8,32})$`)
	patternHandshake = regexp.MustCompile(`^h-[0-9a-z]{8,32}$`)
	patternStatus    = regexp.MustCompile(`^car-[a-z0-9]{8,32}$`)
	patternEmail     = regexp.MustCompile(`^[^\s@]+@[^\s@]+\.[^\s@]+$`)
	patternName      = regexp.MustCompile(`^[\x20-\x7E]+$`)
	patternRole      = regexp.MustCompile(`^[\w+=,.@-]{1,64}$`)
	patternPrincipal = regexp.MustCompile(`^[\w+=,.@-]*$`)
)

// id checks an identifier that must be there.
func (v *checker) id(member, value string, pattern *regexp.Regexp) {
	switch {
	case value == "":
		v.add("INPUT_REQUIRED", "You must include a value for %s.", member)
	case !pattern.MatchString(value):
		reason := "INVALID_PATTERN"
		if pattern == patternTarget {
			reason = "INVALID_PATTERN_TARGET_ID"
		}
		v.add(reason, "%s does not match the required pattern.", member)
	}
}

// text checks a string's length, in characters.
func (v *checker) text(member, value string, least, most int) {
	switch n := utf8.RuneCountInString(value); {
	case n == 0 && least > 0:
		v.add("INPUT_REQUIRED", "You must include a value for %s.", member)
	case n < least:
		v.add("MIN_LENGTH_EXCEEDED", "%s must have at least %d characters.", member, least)
	case n > most:
		v.add("MAX_LENGTH_EXCEEDED", "%s must have at most %d characters.", member, most)
	}
}

// match checks a string that is there against a pattern.
func (v *checker) match(member, value string, pattern *regexp.Regexp) {
	if value != "" && !pattern.MatchString(value) {
		v.add("INVALID_PATTERN", "%s does not match the required pattern.", member)
	}
}

// oneOf checks an enum that must be there.
func (v *checker) oneOf(member, value string, set []string) {
	switch {
	case value == "":
		v.add("INPUT_REQUIRED", "You must include a value for %s.", member)
	case !slices.Contains(set, value):
		v.add("INVALID_ENUM", "%s is none of %s.", member, strings.Join(set, ", "))
	}
}

// otherTypes are the types of policy that AWS has and this server has not.
var otherTypes = []string{"TAG_POLICY", "BACKUP_POLICY", "AISERVICES_OPT_OUT_POLICY", "CHATBOT_POLICY", "DECLARATIVE_POLICY_EC2",
	"SECURITYHUB_POLICY", "INSPECTOR_POLICY", "UPGRADE_ROLLOUT_POLICY", "BEDROCK_POLICY", "S3_POLICY",
	"NETWORK_SECURITY_DIRECTOR_POLICY", "GUARDDUTY_POLICY"}

// policyType checks a type of policy.
func (v *checker) policyType(member, value string) {
	switch {
	case value == "":
		v.add("INPUT_REQUIRED", "You must include a value for %s.", member)
	case value == string(organization.SCP), value == string(organization.RCP):
	case slices.Contains(otherTypes, value):
		if v.failed == nil {
			v.failed = NotImplemented("Policies of type %s are not implemented by this server.", value)
		}
	default:
		v.add("INVALID_ENUM_POLICY_TYPE", "You specified an invalid policy type.")
	}
}

// tags checks tags that are set.
func (v *checker) tags(tags []Tag) {
	seen := make(map[string]bool, len(tags))
	for _, t := range tags {
		v.tagKey(t.Key)
		v.text("Tags.Value", t.Value, 0, 256)
		if !isTagText(t.Value) {
			v.add("INVALID_PATTERN", "Tags.Value does not match the required pattern.")
		}
		if seen[t.Key] {
			v.add("DUPLICATE_TAG_KEY", "Tag keys must be unique among the tags of a resource.")
		}
		seen[t.Key] = true
	}
}

func (v *checker) tagKey(key string) {
	v.text("Tags.Key", key, 1, 128)
	if !isTagText(key) {
		v.add("INVALID_PATTERN", "Tags.Key does not match the required pattern.")
	}
	if strings.HasPrefix(strings.ToLower(key), "aws:") {
		v.add("INVALID_SYSTEM_TAGS_PARAMETER", "Tag keys that start with aws: are reserved for system use.")
	}
}

// isTagText reports whether s has the characters that tags may have.
func isTagText(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.Is(unicode.Z, r) && !unicode.IsNumber(r) && !strings.ContainsRune("_.:/=+-@", r)
	})
}

// maxResults bounds a page.
const maxResults = 20

// page checks the members of a listing.
func (v *checker) page(most *int32, token string) {
	switch {
	case most == nil:
	case *most < 1:
		v.add("MIN_VALUE_EXCEEDED", "MaxResults must be at least 1.")
	case *most > maxResults:
		v.add("MAX_VALUE_EXCEEDED", "MaxResults must be at most %d.", maxResults)
	}
	if len(token) > 100_000 {
		v.add("MAX_LENGTH_EXCEEDED", "NextToken is too long.")
	}
}

func pageSize(most *int32) int {
	if most == nil {
		return maxResults
	}
	return int(*most)
}

// cut returns the page of a list that starts behind a token, in the order of id,
// and the token of the page that follows.
func cut[T any](list []T, id func(T) string, listing string, most *int32, token string) (page []T, next string, err error) {
	after, err := untoken(listing, token)
	if err != nil {
		return nil, "", err
	}
	slices.SortFunc(list, func(a, b T) int { return strings.Compare(id(a), id(b)) })
	i, found := slices.BinarySearchFunc(list, after, func(e T, after string) int { return strings.Compare(id(e), after) })
	if found {
		i++
	}
	page = list[i:]
	if n := pageSize(most); len(page) > n {
		page = page[:n]
		next = nextToken(listing, id(page[n-1]))
	}
	return page, next, nil
}

// nextToken returns the token of a listing whose last entry is last. Clients must
// not look into it.
func nextToken(listing, last string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(listing + ":" + last))
}

// untoken returns the entry that a listing goes on after.
func untoken(listing, token string) (after string, err error) {
	if token == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	after, ok := strings.CutPrefix(string(b), listing+":")
	// The decoder passes over line breaks and loose bits: compare.
	if err == nil && ok && after != "" && nextToken(listing, after) == token {
		return after, nil
	}
	return "", fault(invalid, "INVALID_NEXT_TOKEN", "Get the value for NextToken from the answer to the previous call.")
}
