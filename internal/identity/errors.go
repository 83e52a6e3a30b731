package identity

import (
	"errors"
	"fmt"
)

var (
	// ErrNoAccount means that no account has the ID.
	ErrNoAccount = errors.New("identity: no such account")
	// ErrNoAccessKey means that no access key has the ID, or not of that user.
	ErrNoAccessKey = errors.New("identity: no such access key")
	// ErrNoUser means that no user has the name or the ID.
	ErrNoUser = errors.New("identity: no such user")
	// ErrNoGroup means that no group has the name.
	ErrNoGroup = errors.New("identity: no such group")
	// ErrNoRole means that no role has the name, the ARN or the ID.
	ErrNoRole = errors.New("identity: no such role")
	// ErrNoPolicy means that no managed policy has the ARN, or not for that account.
	ErrNoPolicy = errors.New("identity: no such managed policy")
	// ErrNoVersion means that the managed policy has no such version.
	ErrNoVersion = errors.New("identity: no such policy version")
	// ErrNoInline means that the entity has no inline policy of that name.
	ErrNoInline = errors.New("identity: no such inline policy")
	// ErrNotAttached means that the managed policy is not attached to the entity.
	ErrNotAttached = errors.New("identity: policy is not attached")
	// ErrNotMember means that the user is not in the group.
	ErrNotMember = errors.New("identity: user is not in the group")
	// ErrNoProvider means that no identity provider has the ARN or the URL.
	ErrNoProvider = errors.New("identity: no such identity provider")
	// ErrNoAlias means that the account does not have the alias.
	ErrNoAlias = errors.New("identity: no such account alias")

	// ErrAccountExists means that another account has the ID or the name.
	ErrAccountExists = errors.New("identity: account exists")
	// ErrAccessKeyExists means that an access key of another account has the ID.
	ErrAccessKeyExists = errors.New("identity: access key exists")
	// ErrExists means that a user, a group, a role, a managed policy or a provider
	// of that name exists in the account, or that the alias is taken.
	ErrExists = errors.New("identity: entity exists")

	// ErrHasKeys means that a user still has access keys.
	ErrHasKeys = errors.New("identity: entity has access keys")
	// ErrHasInline means that the entity still has inline policies.
	ErrHasInline = errors.New("identity: entity has inline policies")
	// ErrHasAttached means that the entity still has attached policies.
	ErrHasAttached = errors.New("identity: entity has attached policies")
	// ErrHasGroups means that the user is still in groups.
	ErrHasGroups = errors.New("identity: user is in groups")
	// ErrHasMembers means that the group still has members.
	ErrHasMembers = errors.New("identity: group has members")
	// ErrIsAttached means that the managed policy is still attached, or somebody's
	// permissions boundary.
	ErrIsAttached = errors.New("identity: policy is attached")
	// ErrHasVersions means that the managed policy still has versions besides the
	// default one.
	ErrHasVersions = errors.New("identity: policy has more versions than the default one")
	// ErrIsDefault means that a version can't be deleted, because it is the default
	// one.
	ErrIsDefault = errors.New("identity: policy version is the default")

	// ErrUnmodifiable means that only a service may change it: a service-linked
	// role, or a managed policy of AWS.
	ErrUnmodifiable = errors.New("identity: only its service changes it")
	// ErrQuota means that one more would be too many; see [QuotaError].
	ErrQuota = errors.New("identity: quota exceeded")
	// ErrMalformedPolicy means that a policy document can't be taken. If the text is
	// to blame, a *policy.SyntaxError says where; if it names a principal that does
	// not exist, a [*PrincipalError].
	ErrMalformedPolicy = errors.New("identity: malformed policy document")
	// ErrInvalid means that an ID, a name, a path, a tag, a number or a secret has a
	// form that is not allowed. The wrapped text says which, and never holds a secret.
	ErrInvalid = errors.New("identity: invalid")
)

// A QuotaError tells which quota is exhausted. It is an [ErrQuota].
type QuotaError struct {
	Quota string // as IAM names it in its message: "UsersPerAccount"
	Limit int
}

// Error tells the quota and its limit.
func (e *QuotaError) Error() string {
	return fmt.Sprintf("identity: cannot exceed quota for %s: %d", e.Quota, e.Limit)
}

// Is makes it an ErrQuota.
func (e *QuotaError) Is(target error) bool { return target == ErrQuota }

// A PrincipalError names a principal of a policy that does not exist. It is an
// [ErrMalformedPolicy].
type PrincipalError struct{ Principal string }

// Error tells the principal.
func (e *PrincipalError) Error() string {
	return fmt.Sprintf("identity: policy names principal %q, which does not exist", e.Principal)
}

// Is makes it an ErrMalformedPolicy.
func (e *PrincipalError) Is(target error) bool { return target == ErrMalformedPolicy }
