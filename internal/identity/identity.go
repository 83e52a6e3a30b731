// Package identity holds the accounts of the server and what IAM keeps for each of
// them: root and user access keys, users, groups, roles, policies and OpenID Connect
// providers. It also tells what decisions need of a user or a role, and holds the
// set of revoked sessions.
//
// An account has at most one root access key. Whoever holds its secret is the
// account's root user: the key is made with the account, or set from outside, and
// setting it replaces the one before.
//
// Names of users, groups, roles and managed policies are unique within the account
// without regard to case. Each of these has a unique ID, which is never used again:
// what is deleted and made anew under the same name is somebody else, and policies
// that were saved with the ID do not match it.
//
// Rows, all CBOR unless said otherwise. A lower-case name is meant where a row key
// holds a name, except that of an inline policy:
//
//	identity/account/ ID                        the account
//	identity/alias/ alias                       the ID of the account that has the alias
//	identity/count/ account ID                  how many users, groups, ... an account has
//	identity/user/ account ID / name            a user, with the IDs of its groups and keys
//	identity/group/ account ID / name           a group
//	identity/role/ account ID / name            a role, with its trust policy
//	identity/id/ unique ID                      the user, group or role with the ID
//	identity/member/ group ID / user name       the ID of a user in the group
//	identity/inline/ unique ID / policy name    the text of an inline policy
//	identity/policy/ account ID / name          a customer managed policy
//	identity/version/ policy ID / version       the text of a version: "v1"
//	identity/use/ account ID / policy ID / a or b / unique ID
//	                                            attached to that entity, or its boundary: empty
//	identity/provider/ account ID / URL         an OpenID Connect provider
//	identity/key/ key ID                        the access key, with its secret
//	identity/root/ account ID                   the ID of the account's root access key
//	identity/used/ key ID or role ID            its last use
//	identity/revoked/ key ID                    a revoked session's end, Unix milliseconds
//
// Mutating methods take a function, also, that runs last in the transaction that
// makes the change: the event of the change commits with it or not at all. It may
// be nil, and like every transaction function it may run twice. Methods that make
// or change one thing and return it pass it to also. Every change bumps the
// revision.
//
// What is left out: passwords and login profiles, MFA devices, SAML providers,
// server and signing certificates, SSH keys, service-specific credentials, instance
// profiles, and the managed policies of AWS except a few.
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
