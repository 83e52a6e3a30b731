package xks

import (
	"fmt"
	"strings"
)

// A Credential signs the requests of a KMS to a proxy. It has nothing to do with the
// access keys of IAM.
type Credential struct {
	AccessKeyID string
	Secret      Secret
}

// A Secret is the secret access key of a Credential. It prints as [secret].
type Secret string

const redacted = "[secret]"

// String returns [secret].
func (Secret) String() string { return redacted }

// GoString returns [secret].
func (Secret) GoString() string { return redacted }

// Format writes [secret] for every verb.
func (Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// MarshalJSON returns "[secret]".
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText returns [secret].
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Reveal returns the secret.
func (s Secret) Reveal() string { return string(s) }

// ValidAccessKeyID reports whether id can be that of a credential: 20 to 30 letters A
// to Z and digits 2 to 7.
func ValidAccessKeyID(id string) bool {
	return len(id) >= 20 && len(id) <= 30 && strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == ""
}

// ValidSecret reports whether s can be the secret of a credential: 43 to 64 characters
// of base64.
func ValidSecret(s string) bool {
	return len(s) >= 43 && len(s) <= 64 && isMadeOf(s, "/+=")
}
