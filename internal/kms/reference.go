package kms

import (
	"context"
	"errors"
	"slices"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/key"
	"coffer/internal/policy"
)

// Kinds of resources, as the trail names them.
const (
	kindKey   = "AWS::KMS::Key"
	kindAlias = "AWS::KMS::Alias"
)

// Whether an operation takes an alias for a key.
const (
	keysOnly   = false
	aliasesToo = true
)

// owner checks the form of a key identifier and returns the account that it
// names, which is the caller's own for everything but an ARN, with the ARN of
// what it names.
func owner(c *authn.Caller, id string, aliases bool) (account, name string, err error) {
	account = c.Account
	if !strings.HasPrefix(id, "arn:") {
		if !strings.HasPrefix(id, key.AliasPrefix) {
			return account, arn.Key(c.Region, account, id), nil
		}
		if !aliases {
			return "", "", about(id, key.ErrInvalidID)
		}
		return account, arn.Alias(c.Region, account, id), nil
	}
	a, err := arn.Parse(id)
	if err != nil || a.Partition != arn.Partition || a.Service != "kms" || a.Account == "" {
		return "", "", about(id, key.ErrInvalidARN)
	}
	switch {
	case a.Region != c.Region:
		return "", "", fault("NotFoundException", "Invalid arn %s", a.Region)
	case strings.HasPrefix(a.Resource, key.AliasPrefix) && !aliases:
		return "", "", fault("InvalidArnException", "Key Aliases are not supported for this operation")
	case !strings.HasPrefix(a.Resource, key.AliasPrefix) && !strings.HasPrefix(a.Resource, "key/"):
		return "", "", about(id, key.ErrInvalidARN)
	}
	return a.Account, id, nil
}

// aliasOf returns the alias by which id names a key, or nothing.
func aliasOf(id string) string {
	if strings.HasPrefix(id, key.AliasPrefix) {
		return id
	}
	if a, err := arn.Parse(id); err == nil && strings.HasPrefix(a.Resource, key.AliasPrefix) {
		return a.Resource
	}
	return ""
}

// A decider authorizes what an operation does, and notes what it touches. A
// *authz.Call is one.
type decider interface {
	Ask(ctx context.Context, a *authz.Ask) error
	Covers(resource string) error
	Resource(kind, arn, account string)
}

// crossAccount are the actions that a key's policy can allow to another account.
// Whatever else it says of others, it has no effect.
//
// Source: AWS KMS Developer Guide, "AWS KMS permissions", the column "Cross-account
// use", read 2026-11-21,.
var crossAccount = []string{"kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext",
	"kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:DescribeKey", "kms:GetKeyRotationStatus", "kms:CreateGrant", "kms:ListGrants",
	"kms:RetireGrant", "kms:RevokeGrant", "kms:GenerateDataKeyPair", "kms:GenerateDataKeyPairWithoutPlaintext", "kms:Sign", "kms:Verify",
	"kms:GenerateMac", "kms:VerifyMac", "kms:GetPublicKey", "kms:DeriveSharedSecret", "kms:Encapsulate", "kms:Decapsulate"}

// use returns the key that id names, once the caller may do action to it. It fills
// in what q says of the key. Of another account's key nothing shows before the
// caller is allowed, not even whether it exists.
func (s *Service) use(ctx context.Context, call decider, q *conditions, action, id string, aliases bool) (*key.Key, error) {
	k, err := s.find(ctx, call, q, action, id, aliases)
	if err != nil {
		return nil, err
	}
	call.Resource(kindKey, k.ARN, k.Account)
	return k, s.authorize(ctx, call, q, action, k)
}

// find returns the key that id names, before the caller is authorized.
func (s *Service) find(ctx context.Context, call decider, q *conditions, action, id string, aliases bool) (*key.Key, error) {
	c := q.caller
	account, name, err := owner(c, id, aliases)
	if err != nil {
		return nil, err
	}
	q.alias = aliasOf(id)
	if account != c.Account && !slices.Contains(crossAccount, action) {
		return nil, s.refuse(ctx, call, q, action, name, account)
	}
	k, err := s.keys.Resolve(ctx, c.Account, c.Region, id)
	switch {
	case err == nil:
		return k, nil
	case account != c.Account && isAbsence(err):
		return nil, s.refuse(ctx, call, q, action, name, account)
	case !errors.Is(err, key.ErrInvalidID):
		return nil, about(name, err)
	case isMultiRegionID(name):
		return nil, about(name, key.ErrNotFound)
	}
	return nil, about(id, err)
}

func isAbsence(err error) bool {
	return errors.Is(err, key.ErrNotFound) || errors.Is(err, key.ErrAliasNotFound) || errors.Is(err, key.ErrInvalidID) || errors.Is(err, key.ErrInvalidARN)
}

// isMultiRegionID reports whether an ARN names a multi-region key. There is none.
func isMultiRegionID(name string) bool {
	_, id, ok := strings.Cut(name, ":key/mrk-")
	return ok && len(id) == 32 && strings.Trim(id, "0123456789abcdef") == ""
}

// authorize decides action on a key that was found.
func (s *Service) authorize(ctx context.Context, call decider, q *conditions, action string, k *key.Key) error {
	q.key = k
	if err := s.admitKey(call, q.caller, action, k); err != nil {
		return err
	}
	if isEnding(action) {
		if err := s.idle(ctx, q); err != nil {
			return err
		}
	}
	a := &authz.Ask{Action: action, Resource: k.ARN, Account: k.Account, Policy: k.CompiledPolicy(), Keys: q, NoRCP: k.Manager == key.ManagerAWS}
	if k.HasGrants {
		var err error
		if a.Grants, err = s.keys.Granted(ctx, k, names(q.caller)...); err != nil {
			return err
		}
	}
	if q.caller.IsAnonymous() {
		a.Policy, a.Grants = closed(), nil // KMS has no anonymous callers, whoever the policy names
	} else if q.algorithm == "" && !q.atOnce {
		a.Refresh = func(ctx context.Context, a *authz.Ask) error { return s.refresh(ctx, q, k.Ref, a) }
	}
	if err := call.Ask(ctx, a); err != nil {
		if k.Account != q.caller.Account {
			return hide(err)
		}
		return err
	}
	return nil
}

// refresh fills in what a question says of its key anew: a change is decided again
// in its transaction, if a right was taken away meanwhile. Cryptography, which is
// over at once, is not.
func (s *Service) refresh(ctx context.Context, q *conditions, ref key.Ref, a *authz.Ask) error {
	k, err := s.keys.Get(ctx, ref)
	if err != nil {
		return about(ref.ARN(), err)
	}
	q.key, a.Policy = k, k.CompiledPolicy()
	if isEnding(a.Action) {
		if err := s.idle(ctx, q); err != nil {
			return err
		}
	}
	a.Grants, err = s.keys.Granted(ctx, k, names(q.caller)...)
	return err
}

// refuse returns the denial for a key of another account that does not exist, or
// that the caller can do nothing to: that of a key whose policy names nobody.
func (s *Service) refuse(ctx context.Context, call decider, q *conditions, action, name, account string) error {
	err := call.Ask(ctx, &authz.Ask{Action: action, Resource: name, Account: account, Policy: closed(), Keys: q})
	if err == nil {
		return authz.ErrNotCovered
	}
	return hide(err)
}

// hide words a denial about another account's key, as AWS does whether or not
// the key exists: without its ARN, and of the policies that decided only those of
// the caller's side are told.
func hide(err error) error {
	d := authz.AsDenied(err)
	if d == nil {
		return err
	}
	because := "because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access"
	switch d.Decision.Layer {
	case policy.LayerIdentity, policy.LayerBoundary, policy.LayerSession, policy.LayerSCP:
		because = d.Because
		if !d.Decision.Explicit {
			because = "because " + because
		}
	}
	return fault("AccessDeniedException", "User: %s is not authorized to perform: %s on this resource %s", d.Principal, d.Action, because)
}

// permit decides an action that is about no key.
func permit(ctx context.Context, call *authz.Call, c *authn.Caller, action string) error {
	return call.Ask(ctx, &authz.Ask{Action: action, Resource: "*", Account: c.Account, Keys: &conditions{caller: c}})
}

// names are those by which a grant may name the caller.
func names(c *authn.Caller) []string {
	if c.Type == authn.TypeAWSService {
		return []string{c.ARN}
	}
	list := []string{c.ARN, c.EntityID, c.PrincipalID}
	if s := c.Session; s != nil {
		list = append(list, s.RoleID, s.UserID)
	}
	if c.Account != "" && c.ARN != arn.Root(c.Account) {
		list = append(list, arn.Root(c.Account))
	}
	slices.Sort(list)
	return slices.Compact(list)
}
