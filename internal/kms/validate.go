package kms

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of request members that more than one operation has.
//
// Source: AWS KMS API Reference, read 2026-11-21.
const (
	maxKeyID       = 2048 // characters
	maxMarker      = 1024
	maxLimit       = 1000
	maxTokens      = 10 // grant tokens
	maxTokenLength = 8192
	maxBytes       = 1024 // of random bytes or a data key
	maxPlaintext   = 4096 // bytes
	maxBlob        = 6144
)

// maxContext is the largest encryption context: the bytes of all names and
// values together. AWS hands at most so many to an external key store.
//
// Source: AWS KMS External Key Store Proxy API Specification,
// additionalAuthenticatedData, read 2026-11-21.
const maxContext = 8192

// A checker collects what is wrong with the shape of a request. It names members
// and words failures as AWS does.
type checker struct{ failed []string }

func (v *checker) add(what, member, constraint string) {
	v.failed = append(v.failed, what+" at '"+member+"' failed to satisfy constraint: "+constraint)
}

// err returns the ValidationException for all failures, or nil.
func (v *checker) err() error {
	switch n := len(v.failed); n {
	case 0:
		return nil
	case 1:
		return fault("ValidationException", "%s", "1 validation error detected: "+v.failed[0])
	default:
		return fault("ValidationException", "%d validation errors detected: %s", n, strings.Join(v.failed, "; "))
	}
}

// required checks a string that must be there.
func (v *checker) required(member, value string, most int) {
	if value == "" {
		v.add("Value null", member, "Member must not be null")
		return
	}
	v.optional(member, value, most)
}

// optional checks the length of a string, in characters.
func (v *checker) optional(member, value string, most int) {
	if len(value) > most && utf8.RuneCountInString(value) > most {
		v.add("Value '"+value+"'", member, fmt.Sprintf("Member must have length less than or equal to %d", most))
	}
}

// blob checks a blob that must be there. Its value is not shown.
func (v *checker) blob(member string, value []byte, most int) {
	switch {
	case value == nil:
		v.add("Value null", member, "Member must not be null")
	case len(value) == 0:
		v.add("Value", member, "Member must have length greater than or equal to 1")
	case len(value) > most:
		v.add("Value", member, fmt.Sprintf("Member must have length less than or equal to %d", most))
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
func (v *checker) oneOf(member, value string, set []string) {
	if value != "" && !slices.Contains(set, value) {
		v.add("Value '"+value+"'", member, "Member must satisfy enum value set: ["+strings.Join(set, ", ")+"]")
	}
}

// count checks the length of a list.
func (v *checker) count(member string, n, most int) {
	if n > most {
		v.add("Value", member, fmt.Sprintf("Member must have length less than or equal to %d", most))
	}
}

// list checks that a list is there.
func (v *checker) list(member string, isMissing bool) {
	if isMissing {
		v.add("Value null", member, "Member must not be null")
	}
}

// page checks the members of a listing.
func (v *checker) page(limit *int32, marker string) {
	v.between("limit", limit, 1, maxLimit)
	v.optional("marker", marker, maxMarker)
}

// alias checks an alias name as far as the API model describes it; what its
// prefix must be is checked by [aliasName].
func (v *checker) alias(member, name string) { v.named(member, name, 256) }

// named checks a name of letters, digits and a few signs that must be there.
func (v *checker) named(member, name string, most int) {
	v.required(member, name, most)
	for _, r := range name {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune(":/_-", r):
			continue
		}
		v.add("Value '"+name+"'", member, "Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$")
		return
	}
}

// tokens checks the shape of grant tokens; [Service.checkTokens] opens them.
func (v *checker) tokens(tokens []string) {
	v.count("grantTokens", len(tokens), maxTokens)
	for i, t := range tokens {
		v.required(fmt.Sprintf("grantTokens.%d.member", i+1), t, maxTokenLength)
	}
}

// checkContext refuses an encryption context that is too large, or has a pair
// without a name.
func checkContext(encryptionContext map[string]string) error {
	n := 0
	for name, value := range encryptionContext {
		if name == "" {
			return fault("ValidationException", "An encryption context pair must have a name.")
		}
		n += len(name) + len(value)
	}
	if n > maxContext {
		return fault("ValidationException", "The encryption context is larger than %d bytes.", maxContext)
	}
	return nil
}
