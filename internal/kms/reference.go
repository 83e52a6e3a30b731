package kms

import (
	"context"
	"errors"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/key"
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

// A decider authorizes what an operation does, and notes what it touches. A
// *authz.Call is one.
type decider interface {
	Authorize(ctx context.Context, action, resource, account string, conditions map[string][]string) error
	Resource(kind, arn, account string)
}

// use returns the key that id names, once the caller may do action to it. Of
// another account's key the caller must be allowed to use it before it is looked
// for: whether it exists stays hidden.
func (s *Service) use(ctx context.Context, call decider, c *authn.Caller, action, id string, aliases bool) (*key.Key, error) {
	account, name, err := owner(c, id, aliases)
	if err != nil {
		return nil, err
	}
	if account != c.Account {
		if err := call.Authorize(ctx, action, name, account, nil); err != nil {
			return nil, hide(err)
		}
	}
	k, err := s.keys.Resolve(ctx, c.Account, c.Region, id)
	if err != nil {
		switch {
		case !errors.Is(err, key.ErrInvalidID):
			return nil, about(name, err)
		case isMultiRegionID(name):
			return nil, about(name, key.ErrNotFound)
		}
		return nil, about(id, err)
	}
	call.Resource(kindKey, k.ARN, k.Account)
	return k, s.authorize(ctx, call, c, action, k)
}

// isMultiRegionID reports whether an ARN names a multi-region key. There is none.
func isMultiRegionID(name string) bool {
	_, id, ok := strings.Cut(name, ":key/mrk-")
	return ok && len(id) == 32 && strings.Trim(id, "0123456789abcdef") == ""
}

// authorize decides action on a key that was found.
func (s *Service) authorize(ctx context.Context, call decider, c *authn.Caller, action string, k *key.Key) error {
	if err := call.Authorize(ctx, action, k.ARN, k.Account, nil); err != nil {
		if k.Account != c.Account {
			return hide(err)
		}
		return err
	}
	if k.Manager == key.ManagerAWS && !managedAllows(c, action) {
		return &authz.Denied{Principal: c.ARN, Action: action, Resource: k.ARN,
			Because: "no resource-based policy allows the " + action + " action"}
	}
	return nil
}

// managedAllows decides as the policy of an AWS managed key of S3 does: through
// S3 everyone whom S3 serves may encrypt and decrypt, and directly the account
// may look at the metadata. Nobody may change such a key.
func managedAllows(c *authn.Caller, action string) bool {
	operation := strings.TrimPrefix(action, "kms:")
	if c.InvokedBy == s3Service {
		for _, p := range []string{"Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey", "DescribeKey"} {
			if strings.HasPrefix(operation, p) {
				return true
			}
		}
	}
	return strings.HasPrefix(operation, "Describe") || strings.HasPrefix(operation, "Get") || strings.HasPrefix(operation, "List")
}

// hide words a denial about another account's key, as AWS does whether or not
// the key exists.
func hide(err error) error {
	var d *authz.Denied
	if !errors.As(err, &d) {
		return err
	}
	return fault("AccessDeniedException", "User: %s is not authorized to perform: %s on this resource because the resource does not exist in this Region, "+
		"no resource-based policies allow access, or a resource-based policy explicitly denies access", d.Principal, d.Action)
}

// permit decides an action that is about no key.
func permit(ctx context.Context, call *authz.Call, c *authn.Caller, action string) error {
	return call.Authorize(ctx, action, "*", c.Account, nil)
}
