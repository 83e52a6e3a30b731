// Package identity holds the accounts and the root access keys of the server.
//
// An account has at most one root access key. Whoever holds its secret is the
// account's root user: the key is made with the account, or set from outside, and
// setting it replaces the one before.
//
// Rows, all CBOR:
//
//	identity/account/ ID        the account
//	identity/key/ key ID        the access key, with its secret
//	identity/root/ account ID   the ID of the account's root access key
//
// Mutating methods take a function, also, that runs last in the transaction that
// makes the change: the event of the change commits with it or not at all. It may
// be nil, and like every transaction function it may run twice.
package identity

import (
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// An Account owns buckets and keys.
type Account struct {
	ID        string // 12 digits
	Name      string
	CreatedAt time.Time
	// CanonicalUserID is how S3 names the account: 64 random hexadecimal digits.
	CanonicalUserID string
	Email           string // empty if none was given
}

// Status of an access key, as IAM spells it.
type Status string

// The statuses. Only an active key signs.
const (
	Active   Status = "Active"
	Inactive Status = "Inactive"
)

// An AccessKey is what a principal signs requests with.
type AccessKey struct {
	ID        string
	Account   string // ID of the account
	Principal string // ARN
	Secret    Secret
	CreatedAt time.Time
	Status    Status

	// UserID and UserName tell the IAM user that the key belongs to. They are empty
	// for a root access key.
	UserID   string
	UserName string
}

// IsRoot reports whether it is the access key of an account's root user.
func (k *AccessKey) IsRoot() bool { return k.UserID == "" }

const redacted = "[secret]"

// A Secret is a secret access key. It prints as [secret] under every verb.
type Secret struct{ text string }

// NewSecret returns the secret with that text.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the text.
func (s Secret) Reveal() string { return s.text }

// String returns [secret].
func (Secret) String() string { return redacted }

// GoString returns [secret].
func (Secret) GoString() string { return redacted }

// Format writes [secret], also for verbs such as %x and %d.
func (Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

// MarshalJSON returns "[secret]".
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText returns [secret].
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns [secret].
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// checkAccountID reports an ID that is not 12 digits.
func checkAccountID(id string) error {
	if len(id) != 12 || strings.Trim(id, "0123456789") != "" {
		return fmt.Errorf("%w: account ID %q is not 12 digits", ErrInvalid, id)
	}
	return nil
}

// checkName reports a name that IAM would not take for an account.
//
// Source: AWS Organizations API Reference, CreateAccount, AccountName: 1 to 50
// printable ASCII characters; read 2026-11-21.
func checkName(name string) error {
	if name == "" || len(name) > 50 || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) {
		return fmt.Errorf("%w: account name %q is not 1 to 50 printable ASCII characters", ErrInvalid, name)
	}
	return nil
}

// Bounds of access keys that are given from outside. AWS's own have 20 and 40
// characters; the least are what other S3 servers take, so that their
// credentials can be carried over.
const (
	minAccessKeyID = 3
	maxAccessKeyID = 128
	minSecret      = 8
	maxSecret      = 128
)

// checkCredentials reports an ID that cannot stand in a credential scope, and a
// secret that is too short or cannot stand in a credentials file.
func checkCredentials(id, secret string) error {
	if len(id) < minAccessKeyID || len(id) > maxAccessKeyID || strings.ContainsFunc(id, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_.-", r))
	}) {
		return fmt.Errorf("%w: access key ID is not %d to %d letters, digits and _ . -", ErrInvalid, minAccessKeyID, maxAccessKeyID)
	}
	if len(secret) < minSecret || len(secret) > maxSecret || strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("%w: secret access key is not %d to %d printable ASCII characters without spaces", ErrInvalid, minSecret, maxSecret)
	}
	return nil
}
