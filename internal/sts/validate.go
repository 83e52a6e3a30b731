package sts

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"coffer/internal/policy"
)

// Limits of request members.
//
// Source: the service model of STS; IAM User Guide, "IAM and AWS STS quotas"; both
// read 2026-11-21.
const (
	maxARN        = 2048
	maxPolicyARNs = 10
	maxTags       = 50
	maxTagKey     = 128
	maxTagValue   = 256
	maxToken      = 20_000 // characters of a web identity token
)

// A checker collects what is wrong with the shape of a request. It names members
// and words failures as AWS does.
type checker []string

func (v *checker) fail(value, member, constraint string) {
	*v = append(*v, value+" at '"+member+"' failed to satisfy constraint: "+constraint)
}

// err returns the ValidationError for all failures, or nil.
func (v checker) err() error {
	errors := "errors"
	switch len(v) {
	case 0:
		return nil
	case 1:
		errors = "error"
	}
	return fault(400, "ValidationError", "%d validation %s detected: %s", len(v), errors, strings.Join(v, "; "))
}

// A form is what a string has to look like. Its length is in characters.
type form struct {
	least, most int
	pattern     string // as AWS words it; empty if it is free
	others      string // characters that it may have besides letters and digits
	isSecret    bool   // the value is not repeated
}

// The forms of the API model.
var (
	formARN      = form{least: 20, most: maxARN}
	formName     = form{2, 64, `[\w+=,.@-]*`, "_+=,.@-", false} // of a session, and a source identity
	formUser     = form{2, 32, `[\w+=,.@-]*`, "_+=,.@-", false}
	formExternal = form{2, 1224, `[\w+=,.@:\/-]*`, "_+=,.@:/-", false}
	formSerial   = form{9, 256, `[\w+=/:,.@-]*`, "_+=/:,.@-", false}
	formCode     = form{least: 6, most: 6, isSecret: true}
	formKeyID    = form{least: 16, most: 128, pattern: `[\w]*`, others: "_"}
	formMessage  = form{least: 1, most: 10_240}
	formToken    = form{least: 4, most: maxToken, isSecret: true}
	formIssuer   = form{least: 4, most: 2048}
)

// text checks a string that must be there.
func (v *checker) text(member, value string, f form) {
	if value == "" {
		v.fail("Value null", member, "Member must not be null")
		return
	}
	v.optional(member, value, f)
}

// optional checks a string, if it is there.
func (v *checker) optional(member, value string, f form) {
	n, shown := utf8.RuneCountInString(value), "Value '"+value+"'"
	if f.isSecret || n > f.most {
		shown = "Value"
	}
	switch {
	case value == "":
	case n < f.least:
		v.fail(shown, member, fmt.Sprintf("Member must have length greater than or equal to %d", f.least))
	case n > f.most:
		v.fail(shown, member, fmt.Sprintf("Member must have length less than or equal to %d", f.most))
	case f.pattern != "" && strings.ContainsFunc(value, func(r rune) bool { return !isWord(r) && !strings.ContainsRune(f.others, r) }):
		v.fail(shown, member, "Member must satisfy regular expression pattern: "+f.pattern)
	}
}

func isWord(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// duration checks how long a session shall last, in seconds.
func (v *checker) duration(value *int32, most int32) {
	switch {
	case value == nil:
	case *value < 900:
		v.fail(fmt.Sprintf("Value '%d'", *value), "durationSeconds", "Member must have value greater than or equal to 900")
	case *value > most:
		v.fail(fmt.Sprintf("Value '%d'", *value), "durationSeconds", fmt.Sprintf("Member must have value less than or equal to %d", most))
	}
}

// policies checks the session policies. What is in them is checked elsewhere.
func (v *checker) policies(in *SessionPolicies) {
	n := 0
	if in.Policy != nil {
		n = utf8.RuneCountInString(*in.Policy)
		if n == 0 {
			v.fail("Value ''", "policy", "Member must have length greater than or equal to 1")
		}
	}
	if len(in.PolicyARNs) > maxPolicyARNs {
		v.fail("Value", "policyArns", fmt.Sprintf("Member must have length less than or equal to %d", maxPolicyARNs))
		return
	}
	for i, p := range in.PolicyARNs {
		v.text(fmt.Sprintf("policyArns.%d.member.arn", i+1), p.ARN, formARN)
		n += utf8.RuneCountInString(p.ARN)
	}
	if n > policy.SessionPolicySize {
		v.fail("Value", "policy", fmt.Sprintf("Member must have length less than or equal to %d", policy.SessionPolicySize))
	}
}

// tags checks the shape of session tags.
func (v *checker) tags(tags []Tag, transitive []string) {
	if len(tags) > maxTags || len(transitive) > maxTags {
		v.fail("Value", "tags", fmt.Sprintf("Member must have length less than or equal to %d", maxTags))
		return
	}
	for i, t := range tags {
		member := fmt.Sprintf("tags.%d.member.", i+1)
		v.tag(member+"key", t.Key, 1, maxTagKey)
		v.tag(member+"value", t.Value, 0, maxTagValue)
	}
	for i, k := range transitive {
		v.tag(fmt.Sprintf("transitiveTagKeys.%d.member", i+1), k, 1, maxTagKey)
	}
}

func (v *checker) tag(member, value string, least, most int) {
	switch n := utf8.RuneCountInString(value); {
	case n < least:
		v.fail("Value ''", member, fmt.Sprintf("Member must have length greater than or equal to %d", least))
	case n > most:
		v.fail("Value", member, fmt.Sprintf("Member must have length less than or equal to %d", most))
	case !isTagText(value):
		v.fail("Value '"+value+"'", member, `Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]*`)
	}
}

func isTagText(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.In(r, unicode.L, unicode.Z, unicode.N) && !strings.ContainsRune("_.:/=+-@", r)
	})
}
