package identity

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Lengths of names and the like, in characters.
//
// Source: IAM User Guide, "IAM and AWS STS quotas, name requirements, and character
// limits", and IAM API Reference, read 2026-11-21.
const (
	maxUserName    = 64
	maxRoleName    = 64
	maxGroupName   = 128
	maxPolicyName  = 128
	maxPath        = 512
	maxDescription = 1000
	maxTagKey      = 128
	maxTagValue    = 256
	maxDocument    = 131072 // of a policy as sent, white space included
)

// checkAccountID reports an ID that is not 12 digits.
func checkAccountID(id string) error {
	if len(id) != 12 || strings.Trim(id, "0123456789") != "" {
		return fmt.Errorf("%w: account ID %q is not 12 digits", ErrInvalid, id)
	}
	return nil
}

// checkAccountName reports a name that Organizations would not take for an account.
//
// Source: AWS Organizations API Reference, CreateAccount, AccountName: 1 to 50
// printable ASCII characters; read 2026-11-21.
func checkAccountName(name string) error {
	if name == "" || len(name) > 50 || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) {
		return fmt.Errorf("%w: account name %q is not 1 to 50 printable ASCII characters", ErrInvalid, name)
	}
	return nil
}

// checkEmail reports an address that Organizations would not take; empty is fine.
//
// Source: AWS Organizations API Reference, CreateAccount, Email: 6 to 64
// characters of ASCII with one @ and a dot behind it; read 2026-11-21.
func checkEmail(email string) error {
	if email == "" {
		return nil
	}
	local, domain, ok := strings.Cut(email, "@")
	bad := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"'()<>[]:;,\|%&`, r) }
	if !ok || len(email) < 6 || len(email) > 64 || local == "" || strings.Contains(domain, "@") ||
		strings.Trim(domain, ".-") != domain || !strings.Contains(domain, ".") || strings.ContainsFunc(email, bad) {
		return fmt.Errorf("%w: %q is no email address", ErrInvalid, email)
	}
	return nil
}

// isName reports whether s has 1 to n characters that names may hold: [\w+=,.@-].
func isName(s string, n int) bool {
	return s != "" && len(s) <= n && !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_+=,.@-", r))
	})
}

func checkName(what, name string, n int) error {
	if !isName(name, n) {
		return fmt.Errorf("%w: %s name %q is not 1 to %d of the characters A-Z, a-z, 0-9 and _+=,.@-", ErrInvalid, what, name, n)
	}
	return nil
}

// maxName returns the longest name of an entity.
func (k Kind) maxName() int {
	switch k {
	case KindGroup:
		return maxGroupName
	case KindRole:
		return maxRoleName
	}
	return maxUserName
}

// noun returns the kind in lower case.
func (k Kind) noun() string { return strings.ToLower(string(k)) }

// servicePath starts the paths of service-linked roles.
const servicePath = "/aws-service-role/"

// checkPath reports a path that does not start and end with a slash.
func checkPath(path string) error {
	if path == "/" {
		return nil
	}
	if len(path) < 3 || len(path) > maxPath || path[0] != '/' || path[len(path)-1] != '/' ||
		strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("%w: path %q is not up to %d printable ASCII characters from / to /", ErrInvalid, path, maxPath)
	}
	return nil
}

// checkPolicyPath reports a path that managed policies can't have.
func checkPolicyPath(path string) error {
	if err := checkPath(path); err != nil || path == "/" {
		return err
	}
	for part := range strings.SplitSeq(path[1:len(path)-1], "/") {
		if !isName(part, maxPath) {
			return fmt.Errorf("%w: path %q of a managed policy holds other characters than A-Z, a-z, 0-9 and _+=,.@-", ErrInvalid, path)
		}
	}
	return nil
}

// orRoot returns the path, or "/" if it is empty.
func orRoot(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

// checkDescription reports a description that is too long or holds characters
// outside of Latin 1.
func checkDescription(text string) error {
	if utf8.RuneCountInString(text) > maxDescription {
		return fmt.Errorf("%w: description has more than %d characters", ErrInvalid, maxDescription)
	}
	if strings.ContainsFunc(text, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r > '~' && r < 0xa1 || r > 0xff
	}) {
		return fmt.Errorf("%w: description holds characters outside of Latin 1", ErrInvalid)
	}
	return nil
}

// checkTags reports tags that can't be put together, or not by a client.
//
// Source: IAM User Guide, "Tags for AWS Identity and Access Management resources":
// keys are case-preserving, and unique without regard to case; read 2026-11-21.
func checkTags(tags []Tag) error {
	seen := make(map[string]bool, len(tags))
	for _, t := range tags {
		if err := checkTagKey(t.Key); err != nil {
			return err
		}
		if !isTagText(t.Value, maxTagValue) {
			return fmt.Errorf("%w: value of tag %q is not up to %d letters, digits, spaces and _.:/=+-@", ErrInvalid, t.Key, maxTagValue)
		}
		if fold := strings.ToLower(t.Key); seen[fold] {
			return fmt.Errorf("%w: duplicate tag key %q", ErrInvalid, t.Key)
		} else {
			seen[fold] = true
		}
	}
	return nil
}

func checkTagKey(key string) error {
	if key == "" || !isTagText(key, maxTagKey) {
		return fmt.Errorf("%w: tag key %q is not 1 to %d letters, digits, spaces and _.:/=+-@", ErrInvalid, key, maxTagKey)
	}
	if len(key) >= 4 && strings.EqualFold(key[:4], "aws:") {
		return fmt.Errorf("%w: tag key %q is reserved for AWS", ErrInvalid, key)
	}
	return nil
}

// isTagText reports whether s is at most n of the characters of tags.
func isTagText(s string, n int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= n && !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.In(r, unicode.L, unicode.Z, unicode.N) && !strings.ContainsRune("_.:/=+-@", r)
	})
}

// maxTags is how many tags anything in IAM has at most.
//
// Source: IAM User Guide, "IAM and AWS STS quotas", read 2026-11-21.
const maxTags = 50

// withTags returns have with the tags of put, each anew or in the place of the one
// with the same key, whatever its case.
func withTags(have, put []Tag) ([]Tag, error) {
	out := append([]Tag(nil), have...)
next:
	for _, t := range put {
		for i := range out {
			if strings.EqualFold(out[i].Key, t.Key) {
				out[i] = t
				continue next
			}
		}
		out = append(out, t)
	}
	if len(out) > maxTags {
		return nil, &QuotaError{"TagsPerResource", maxTags}
	}
	return out, nil
}

// withoutTags returns have without the tags of those keys, whatever their case.
func withoutTags(have []Tag, keys []string) []Tag {
	var out []Tag
next:
	for _, t := range have {
		for _, k := range keys {
			if strings.EqualFold(t.Key, k) {
				continue next
			}
		}
		out = append(out, t)
	}
	return out
}

// Prefixes of unique IDs.
//
// Source: IAM User Guide, "IAM identifiers", "Understanding unique ID prefixes", read
// 2026-11-21.
const (
	prefixUser      = "AIDA"
	prefixGroup     = "AGPA"
	prefixRole      = "AROA"
	prefixPolicy    = "ANPA"
	prefixAccessKey = "AKIA"
)

const base32Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

// newID returns a prefix with 17 random characters of base32: 85 bits, so that no
// two of them are ever equal.
func (s *Store) newID(prefix string) (string, error) {
	return randomID(s.cfg.Rand, prefix, 17)
}

func randomID(rand io.Reader, prefix string, n int) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(rand, b); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	for i := range b {
		b[i] = base32Digits[b[i]&31]
	}
	return prefix + string(b), nil
}

// isUniqueID reports whether s looks like the unique ID of a user or a role.
func isUniqueID(s string) bool {
	return len(s) == 21 && (s[:4] == prefixUser || s[:4] == prefixRole) && strings.Trim(s[4:], base32Digits+"0189") == ""
}
