package identity

import (
	"context"
	"errors"
	"time"

	"coffer/internal/meta"
	"coffer/internal/policy"
)

// Methods that make or change one thing and return it pass it to also, so that the
// event of the change can hold what was answered.

// errNotYet is returned by what is under construction.
var errNotYet = errors.New("identity: not built yet")

// CreateUser makes a user. It returns ErrNoAccount, ErrExists, ErrNoPolicy (the
// boundary), ErrQuota and ErrInvalid.
func (s *Store) CreateUser(ctx context.Context, account string, in NewUser, also func(meta.Txn, User) error) (User, error) {
	return User{}, errNotYet
}

// UserByName returns a user, or ErrNoUser.
func (s *Store) UserByName(ctx context.Context, account, name string) (User, error) {
	return User{}, errNotYet
}

// UserByID returns the user with a unique ID, or ErrNoUser.
func (s *Store) UserByID(ctx context.Context, id string) (User, error) { return User{}, errNotYet }

// Users lists users. more is set if the list goes on.
func (s *Store) Users(ctx context.Context, account string, p Page) (list []User, more bool, err error) {
	return nil, false, errNotYet
}

// UpdateUser gives a user another name or path; an empty one keeps. It returns
// ErrNoUser, ErrExists and ErrInvalid.
func (s *Store) UpdateUser(ctx context.Context, account, name, newName, newPath string, also func(meta.Txn, User) error) (User, error) {
	return User{}, errNotYet
}

// DeleteUser removes a user. It returns ErrNoUser, ErrHasKeys, ErrHasInline,
// ErrHasAttached and ErrHasGroups.
func (s *Store) DeleteUser(ctx context.Context, account, name string, also func(meta.Txn) error) error {
	return errNotYet
}

// CreateGroup makes a group; path may be empty. It returns ErrNoAccount, ErrExists,
// ErrQuota and ErrInvalid.
func (s *Store) CreateGroup(ctx context.Context, account, name, path string, also func(meta.Txn, Group) error) (Group, error) {
	return Group{}, errNotYet
}

// GroupByName returns a group, or ErrNoGroup.
func (s *Store) GroupByName(ctx context.Context, account, name string) (Group, error) {
	return Group{}, errNotYet
}

// Groups lists groups. more is set if the list goes on.
func (s *Store) Groups(ctx context.Context, account string, p Page) (list []Group, more bool, err error) {
	return nil, false, errNotYet
}

// UpdateGroup gives a group another name or path; an empty one keeps. It returns
// ErrNoGroup, ErrExists and ErrInvalid.
func (s *Store) UpdateGroup(ctx context.Context, account, name, newName, newPath string, also func(meta.Txn, Group) error) (Group, error) {
	return Group{}, errNotYet
}

// DeleteGroup removes a group. It returns ErrNoGroup, ErrHasMembers, ErrHasInline
// and ErrHasAttached.
func (s *Store) DeleteGroup(ctx context.Context, account, name string, also func(meta.Txn) error) error {
	return errNotYet
}

// AddToGroup makes a user a member of a group; a member stays one. It returns
// ErrNoGroup, ErrNoUser and ErrQuota.
func (s *Store) AddToGroup(ctx context.Context, account, group, user string, also func(meta.Txn) error) error {
	return errNotYet
}

// RemoveFromGroup ends a membership. It returns ErrNoGroup, ErrNoUser and
// ErrNotMember.
func (s *Store) RemoveFromGroup(ctx context.Context, account, group, user string, also func(meta.Txn) error) error {
	return errNotYet
}

// Members lists the users of a group by name, or returns ErrNoGroup. PathPrefix
// does not count.
func (s *Store) Members(ctx context.Context, account, group string, p Page) (list []User, more bool, err error) {
	return nil, false, errNotYet
}

// GroupsOf returns the groups of a user by name, or ErrNoUser.
func (s *Store) GroupsOf(ctx context.Context, account, user string) ([]Group, error) {
	return nil, errNotYet
}

// CreateRole makes a role. It returns ErrNoAccount, ErrExists, ErrNoPolicy (the
// boundary), ErrMalformedPolicy, ErrQuota and ErrInvalid.
func (s *Store) CreateRole(ctx context.Context, account string, in NewRole, also func(meta.Txn, Role) error) (Role, error) {
	return Role{}, errNotYet
}

// RoleByName returns a role, or ErrNoRole.
func (s *Store) RoleByName(ctx context.Context, account, name string) (Role, error) {
	return Role{}, errNotYet
}

// RoleByARN returns the role with exactly that ARN, or ErrNoRole.
func (s *Store) RoleByARN(ctx context.Context, roleARN string) (Role, error) {
	return Role{}, errNotYet
}

// RoleByID returns the role with a unique ID, or ErrNoRole.
func (s *Store) RoleByID(ctx context.Context, id string) (Role, error) { return Role{}, errNotYet }

// Roles lists roles. more is set if the list goes on.
func (s *Store) Roles(ctx context.Context, account string, p Page) (list []Role, more bool, err error) {
	return nil, false, errNotYet
}

// UpdateRole changes the description or the longest session of a role. It returns
// ErrNoRole, ErrUnmodifiable and ErrInvalid.
func (s *Store) UpdateRole(ctx context.Context, account, name string, u RoleUpdate, also func(meta.Txn, Role) error) (Role, error) {
	return Role{}, errNotYet
}

// SetTrust replaces the trust policy of a role. It returns ErrNoRole,
// ErrUnmodifiable, ErrMalformedPolicy and ErrQuota.
func (s *Store) SetTrust(ctx context.Context, account, name, text string, also func(meta.Txn) error) error {
	return errNotYet
}

// DeleteRole removes a role. It returns ErrNoRole, ErrUnmodifiable, ErrHasInline
// and ErrHasAttached.
func (s *Store) DeleteRole(ctx context.Context, account, name string, also func(meta.Txn) error) error {
	return errNotYet
}

// DeleteServiceLinkedRole removes a service-linked role with its policies. It
// returns ErrNoRole, and ErrInvalid for another role.
func (s *Store) DeleteServiceLinkedRole(ctx context.Context, account, name string, also func(meta.Txn) error) error {
	return errNotYet
}

// PutInline sets an inline policy. It returns ErrNoUser and its kin,
// ErrUnmodifiable, ErrMalformedPolicy, ErrQuota and ErrInvalid.
func (s *Store) PutInline(ctx context.Context, e Entity, name, text string, also func(meta.Txn) error) error {
	return errNotYet
}

// Inline returns the text of an inline policy, with the name as it was put. It
// returns ErrNoUser and its kin, and ErrNoInline.
func (s *Store) Inline(ctx context.Context, e Entity, name string) (putName, text string, err error) {
	return "", "", errNotYet
}

// InlineNames returns the names of the inline policies of an entity, in order. It
// returns ErrNoUser and its kin.
func (s *Store) InlineNames(ctx context.Context, e Entity) ([]string, error) { return nil, errNotYet }

// DeleteInline removes an inline policy. It returns ErrNoUser and its kin,
// ErrUnmodifiable and ErrNoInline.
func (s *Store) DeleteInline(ctx context.Context, e Entity, name string, also func(meta.Txn) error) error {
	return errNotYet
}

// Attach attaches a managed policy; one that is attached stays so. It returns
// ErrNoUser and its kin, ErrNoPolicy, ErrUnmodifiable and ErrQuota.
func (s *Store) Attach(ctx context.Context, e Entity, policyARN string, also func(meta.Txn) error) error {
	return errNotYet
}

// Detach ends an attachment. It returns ErrNoUser and its kin, ErrUnmodifiable and
// ErrNotAttached.
func (s *Store) Detach(ctx context.Context, e Entity, policyARN string, also func(meta.Txn) error) error {
	return errNotYet
}

// Attached returns the managed policies of an entity in the order of their names.
// It returns ErrNoUser and its kin.
func (s *Store) Attached(ctx context.Context, e Entity) ([]Attachment, error) { return nil, errNotYet }

// SetBoundary sets the permissions boundary of a user or a role; an empty ARN
// removes it. It returns ErrNoUser, ErrNoRole, ErrNoPolicy and ErrUnmodifiable.
func (s *Store) SetBoundary(ctx context.Context, e Entity, policyARN string, also func(meta.Txn) error) error {
	return errNotYet
}

// TagEntity sets tags of a user or a role, each anew or over its old value. It
// returns ErrNoUser, ErrNoRole, ErrUnmodifiable, ErrQuota and ErrInvalid.
func (s *Store) TagEntity(ctx context.Context, e Entity, tags []Tag, also func(meta.Txn) error) error {
	return errNotYet
}

// UntagEntity removes tags of a user or a role; a missing one is not an error.
func (s *Store) UntagEntity(ctx context.Context, e Entity, keys []string, also func(meta.Txn) error) error {
	return errNotYet
}

// CreatePolicy makes a customer managed policy with version v1. It returns
// ErrNoAccount, ErrExists, ErrMalformedPolicy, ErrQuota and ErrInvalid.
func (s *Store) CreatePolicy(ctx context.Context, account string, in NewPolicy, also func(meta.Txn, Policy) error) (Policy, error) {
	return Policy{}, errNotYet
}

// PolicyByARN returns a managed policy of the account or of AWS, with its uses in
// the account, or ErrNoPolicy.
func (s *Store) PolicyByARN(ctx context.Context, account, policyARN string) (Policy, error) {
	return Policy{}, errNotYet
}

// Policies lists managed policies. more is set if the list goes on.
func (s *Store) Policies(ctx context.Context, account string, p PolicyPage) (list []Policy, more bool, err error) {
	return nil, false, errNotYet
}

// DeletePolicy removes a managed policy of the account. It returns ErrNoPolicy,
// ErrUnmodifiable, ErrIsAttached and ErrHasVersions.
func (s *Store) DeletePolicy(ctx context.Context, account, policyARN string, also func(meta.Txn) error) error {
	return errNotYet
}

// CreatePolicyVersion adds a version. It returns ErrNoPolicy, ErrUnmodifiable,
// ErrMalformedPolicy and ErrQuota.
func (s *Store) CreatePolicyVersion(ctx context.Context, account, policyARN, text string, setDefault bool, also func(meta.Txn, PolicyVersion) error) (PolicyVersion, error) {
	return PolicyVersion{}, errNotYet
}

// PolicyVersion returns a version with its text; an empty ID means the default one.
// It returns ErrNoPolicy and ErrNoVersion.
func (s *Store) PolicyVersion(ctx context.Context, account, policyARN, version string) (PolicyVersion, error) {
	return PolicyVersion{}, errNotYet
}

// PolicyVersions returns the versions with their texts, the newest first, or
// ErrNoPolicy.
func (s *Store) PolicyVersions(ctx context.Context, account, policyARN string) ([]PolicyVersion, error) {
	return nil, errNotYet
}

// SetDefaultVersion makes a version the one that counts. It returns ErrNoPolicy,
// ErrUnmodifiable and ErrNoVersion.
func (s *Store) SetDefaultVersion(ctx context.Context, account, policyARN, version string, also func(meta.Txn) error) error {
	return errNotYet
}

// DeletePolicyVersion removes a version. It returns ErrNoPolicy, ErrUnmodifiable,
// ErrNoVersion and ErrIsDefault.
func (s *Store) DeletePolicyVersion(ctx context.Context, account, policyARN, version string, also func(meta.Txn) error) error {
	return errNotYet
}

// TagPolicy sets tags of a managed policy, UntagPolicy removes them. They return
// ErrNoPolicy, ErrUnmodifiable, ErrQuota and ErrInvalid.
func (s *Store) TagPolicy(ctx context.Context, account, policyARN string, tags []Tag, also func(meta.Txn) error) error {
	return errNotYet
}

// UntagPolicy removes tags; a missing one is not an error. See TagPolicy.
func (s *Store) UntagPolicy(ctx context.Context, account, policyARN string, keys []string, also func(meta.Txn) error) error {
	return errNotYet
}

// PolicyEntities returns what a managed policy is attached to in the account, and
// whose permissions boundary it is: users, groups, roles, each by name. It returns
// ErrNoPolicy.
func (s *Store) PolicyEntities(ctx context.Context, account, policyARN string) ([]PolicyEntity, error) {
	return nil, errNotYet
}

// CreateAccessKey makes an access key of a user. It returns ErrNoUser and ErrQuota.
func (s *Store) CreateAccessKey(ctx context.Context, account, user string, also func(meta.Txn, AccessKey) error) (AccessKey, error) {
	return AccessKey{}, errNotYet
}

// AccessKeys returns the access keys of a user, the oldest first, or ErrNoUser.
func (s *Store) AccessKeys(ctx context.Context, account, user string) ([]AccessKey, error) {
	return nil, errNotYet
}

// SetAccessKeyStatus makes an access key of a user Active or Inactive. It returns
// ErrNoUser, ErrNoAccessKey and ErrInvalid.
func (s *Store) SetAccessKeyStatus(ctx context.Context, account, user, id string, status Status, also func(meta.Txn) error) error {
	return errNotYet
}

// DeleteAccessKey removes an access key of a user. It returns ErrNoUser and
// ErrNoAccessKey.
func (s *Store) DeleteAccessKey(ctx context.Context, account, user, id string, also func(meta.Txn) error) error {
	return errNotYet
}

// AccessKeyUse tells when an access key, of a user or of root, was used last.
func (s *Store) AccessKeyUse(ctx context.Context, id string) (LastUse, error) {
	return LastUse{}, errNotYet
}

// Used notes that an access key was used. It neither waits nor fails: what it notes
// is written within a minute or so, and by Close.
func (s *Store) Used(id, service, region string, at time.Time) {}

// RoleUsed notes that a session of the role with a unique ID was used, as Used does.
func (s *Store) RoleUsed(roleID, region string, at time.Time) {}

// RevokeSession refuses one session's temporary access key until the session has
// ended. It returns ErrInvalid.
func (s *Store) RevokeSession(ctx context.Context, accessKeyID string, until time.Time, also func(meta.Txn) error) error {
	return errNotYet
}

// SessionRevoked reports whether RevokeSession refuses the key. It also does if
// what was revoked can't be read.
func (s *Store) SessionRevoked(accessKeyID string) bool { return false }

// Close writes what Used and RoleUsed have noted.
func (s *Store) Close(ctx context.Context) error { return nil }

// EffectiveUser returns what decisions need of the user with a unique ID, or
// ErrNoUser if it is gone or of another account. Callers share what it returns.
func (s *Store) EffectiveUser(ctx context.Context, account, userID string) (*Effective, error) {
	return nil, errNotYet
}

// EffectiveRole returns what decisions need of the role with a unique ID, or
// ErrNoRole if it is gone or of another account. Callers share what it returns.
func (s *Store) EffectiveRole(ctx context.Context, account, roleID string) (*Effective, error) {
	return nil, errNotYet
}

// PrincipalID returns the unique ID of the user or role with exactly that ARN. ok
// is false if there is none.
func (s *Store) PrincipalID(ctx context.Context, principalARN string) (id string, ok bool, err error) {
	return "", false, errNotYet
}

// PrincipalARN returns the ARN of the user or role with a unique ID. ok is false if
// there is none.
func (s *Store) PrincipalARN(ctx context.Context, id string) (principalARN string, ok bool, err error) {
	return "", false, errNotYet
}

// SetAlias gives an account its alias in the place of the one that it had. It
// returns ErrNoAccount, ErrExists and ErrInvalid.
func (s *Store) SetAlias(ctx context.Context, account, alias string, also func(meta.Txn) error) error {
	return errNotYet
}

// DeleteAlias takes the alias from an account. It returns ErrNoAccount and
// ErrNoAlias.
func (s *Store) DeleteAlias(ctx context.Context, account, alias string, also func(meta.Txn) error) error {
	return errNotYet
}

// Alias returns the alias of an account, empty if it has none, or ErrNoAccount.
func (s *Store) Alias(ctx context.Context, account string) (string, error) { return "", errNotYet }

// CreateProvider makes an identity provider. It returns ErrNoAccount, ErrExists,
// ErrQuota and ErrInvalid.
func (s *Store) CreateProvider(ctx context.Context, account string, in NewProvider, also func(meta.Txn, Provider) error) (Provider, error) {
	return Provider{}, errNotYet
}

// ProviderByARN returns a provider of the account, or ErrNoProvider.
func (s *Store) ProviderByARN(ctx context.Context, account, providerARN string) (Provider, error) {
	return Provider{}, errNotYet
}

// ProviderByURL returns the provider of an issuer, whose URL may have https://, or
// ErrNoProvider.
func (s *Store) ProviderByURL(ctx context.Context, account, url string) (Provider, error) {
	return Provider{}, errNotYet
}

// Providers returns the providers of an account by URL.
func (s *Store) Providers(ctx context.Context, account string) ([]Provider, error) {
	return nil, errNotYet
}

// AddClientID adds an audience; one that is there stays. It returns ErrNoProvider,
// ErrQuota and ErrInvalid.
func (s *Store) AddClientID(ctx context.Context, account, providerARN, clientID string, also func(meta.Txn) error) error {
	return errNotYet
}

// RemoveClientID removes an audience; a missing one is not an error. It returns
// ErrNoProvider.
func (s *Store) RemoveClientID(ctx context.Context, account, providerARN, clientID string, also func(meta.Txn) error) error {
	return errNotYet
}

// SetThumbprints replaces the thumbprints. It returns ErrNoProvider and ErrInvalid.
func (s *Store) SetThumbprints(ctx context.Context, account, providerARN string, thumbprints []string, also func(meta.Txn) error) error {
	return errNotYet
}

// DeleteProvider removes a provider. It returns ErrNoProvider.
func (s *Store) DeleteProvider(ctx context.Context, account, providerARN string, also func(meta.Txn) error) error {
	return errNotYet
}

// TagProvider sets tags of a provider. It returns ErrNoProvider, ErrQuota and
// ErrInvalid.
func (s *Store) TagProvider(ctx context.Context, account, providerARN string, tags []Tag, also func(meta.Txn) error) error {
	return errNotYet
}

// UntagProvider removes tags; a missing one is not an error.
func (s *Store) UntagProvider(ctx context.Context, account, providerARN string, keys []string, also func(meta.Txn) error) error {
	return errNotYet
}

// SavePrincipals checks a resource-based or trust policy and returns its text as it
// is kept: the ARNs of users and roles of this server's accounts, in Principal and
// NotPrincipal, replaced by unique IDs. Nothing else of the text changes. It returns
// a [*PrincipalError] for one that does not exist, and ErrMalformedPolicy.
func (s *Store) SavePrincipals(ctx context.Context, text string, kind policy.Kind) (saved string, err error) {
	return "", errNotYet
}

// ShowPrincipals is the reverse of SavePrincipals: what it returns names users and
// roles by their ARNs of now. One that is gone stays a unique ID.
func (s *Store) ShowPrincipals(ctx context.Context, saved string) (text string, err error) {
	return "", errNotYet
}

// A Summary counts the entities of an account.
type Summary struct {
	Users, Groups, Roles, Policies, Providers int
	PolicyVersions                            int // of customer managed policies
	HasRootKey                                bool
	HasAlias                                  bool
}

// Summary counts the entities of an account, or returns ErrNoAccount.
func (s *Store) Summary(ctx context.Context, account string) (Summary, error) {
	return Summary{}, errNotYet
}

// A NewAccount describes an account to be made.
type NewAccount struct {
	ID    string // random if empty
	Name  string
	Email string // empty, or unlike that of any other account
}

// AddAccount makes an account without an access key. It returns ErrAccountExists if
// the ID, the name or the email is taken, and ErrInvalid.
func (s *Store) AddAccount(ctx context.Context, in NewAccount, also func(meta.Txn, Account) error) (Account, error) {
	return Account{}, errNotYet
}
