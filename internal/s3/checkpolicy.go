package s3

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/awserr"
	"coffer/internal/identity"
	"coffer/internal/policy"
)

// malformed is the error for a policy that S3 does not take. The message is S3's;
// detail, our own, says where and what.
//
// Source: recorded answers of Amazon S3; Amazon S3 API Reference, "Error
// responses", MalformedPolicy, read 2026-11-21.
func malformed(message, detail string) error {
	return awserr.New(400, "MalformedPolicy", "%s", message).With("Detail", detail)
}

// malformedPolicy words why a policy can't be read.
func malformedPolicy(err error) error {
	if errors.Is(err, policy.ErrTooLong) {
		return awserr.New(400, "PolicyTooLarge", "Policy exceeds the maximum allowed size of %d bytes", policy.BucketPolicySize)
	}
	var syntax *policy.SyntaxError
	if !errors.As(err, &syntax) {
		return err
	}
	message := "Invalid policy syntax."
	for _, m := range syntaxMessages {
		if rest, ok := strings.CutPrefix(syntax.Message, m.prefix); ok {
			message = m.message
			if m.named {
				message += " " + strings.Trim(rest, `"`)
			}
			break
		}
	}
	return malformed(message, syntax.Error())
}

// syntaxMessages are S3's words for what package policy says.
var syntaxMessages = []struct {
	prefix, message string
	named           bool // the rest of the message is a name
}{
	{"a policy is a JSON object", "Policies must be valid JSON and the first byte must be '{'", false},
	{"a policy needs ", "Missing required field", true},
	{"a statement needs ", "Missing required field", true},
	{"unknown element ", "Unknown field", true},
	{"Effect is neither", "Invalid effect", false},
	{"invalid principal ", "Invalid principal in policy", false},
	{"unknown kind of principal ", "Invalid principal in policy", false},
	{"Principal is neither", "Invalid principal in policy", false},
	{"NotPrincipal is neither", "Invalid principal in policy", false},
	{"action ", "Policy has invalid action", false},
	{"resource ", "Policy has invalid resource", false},
	{"unknown condition operator ", "Invalid Condition type :", true},
}

// policyPrincipal words what the principals of a policy lack.
func policyPrincipal(err error) error {
	var missing *identity.PrincipalError
	switch {
	case errors.As(err, &missing):
		return malformed("Invalid principal in policy", missing.Error())
	case errors.Is(err, identity.ErrMalformedPolicy):
		return malformed("Invalid policy syntax.", err.Error())
	}
	return err
}

// checkPolicy refuses a policy about anything but its bucket, and actions that are
// none of S3 or that no resource of their statement can be the object of.
func checkPolicy(bucket string, doc *policy.Policy) error {
	for i := range doc.Statements {
		s := &doc.Statements[i]
		where := fmt.Sprintf("statement at line %d, column %d", s.Line, s.Column)
		types, ok := resourceTypes(bucket, s)
		if !ok {
			return malformed("Policy has invalid resource", where)
		}
		for _, action := range s.Actions {
			known := matching(action)
			if len(known) == 0 {
				return malformed("Policy has invalid action", where+": "+action)
			}
			applies := s.NotAction || s.NotRes || slices.ContainsFunc(known, func(a *policy.CatalogAction) bool {
				return slices.ContainsFunc(a.Types, func(t string) bool { return slices.Contains(types, t) })
			})
			if !applies {
				return malformed("Action does not apply to any resource(s) in statement", where+": "+action)
			}
		}
	}
	return nil
}

// resourceTypes returns the kinds of resources in the bucket that a statement
// names. ok is false if it names one elsewhere.
func resourceTypes(bucket string, s *policy.Statement) (types []string, ok bool) {
	name := arn.Bucket(bucket)
	for _, resource := range s.Resources {
		rest, ok := strings.CutPrefix(resource, name)
		switch {
		case !ok:
			return nil, false
		case rest == "":
			types = append(types, "bucket")
		case rest[0] == '/':
			types = append(types, "object")
		case rest[0] == '*': // the bucket, and what lies in it
			types = append(types, "bucket", "object")
		default:
			return nil, false
		}
	}
	return types, true
}

// matching returns the actions of S3 that an action of a policy, which may hold
// wildcards, stands for.
func matching(pattern string) (list []*policy.CatalogAction) {
	pattern = strings.ToLower(pattern)
	for _, a := range policy.Actions("s3") {
		if pattern == "*" || glob(pattern, strings.ToLower(a.Name)) {
			list = append(list, a)
		}
	}
	return list
}

// glob reports whether s matches a pattern in which * stands for any number of
// bytes and ? for one.
func glob(pattern, s string) bool {
	star, next := -1, 0
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, next = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			next++
			p, i = star+1, next
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
