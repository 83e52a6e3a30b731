package kms

import (
	"context"
	"errors"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awsjson"
	"coffer/internal/key"
	"coffer/internal/keyspec"
)

// AliasListEntry is one alias of a listing.
type AliasListEntry struct {
	AliasName       string       `json:"AliasName"`
	AliasARN        string       `json:"AliasArn"`
	TargetKeyID     string       `json:"TargetKeyId,omitempty"`
	CreationDate    awsjson.Time `json:"CreationDate,omitempty"`
	LastUpdatedDate awsjson.Time `json:"LastUpdatedDate,omitempty"`
}

// CreateAliasInput is the request of [Service.CreateAlias].
type CreateAliasInput struct {
	AliasName   string `json:"AliasName"`
	TargetKeyID string `json:"TargetKeyId"`
}

// CreateAliasOutput is the answer of [Service.CreateAlias].
type CreateAliasOutput struct{}

// CreateAlias gives a key of the caller's account and region one more name. The
// caller needs kms:CreateAlias on the key and on the alias.
//
// It returns a *awserr.Error with code
//
//   - ValidationException if the name or the key is missing or malformed,
//   - NotAuthorizedException for a name that starts with alias/aws/,
//   - AlreadyExistsException if the alias exists,
//   - LimitExceededException if the key has 50 aliases,
//   - NotFoundException, InvalidArnException, AccessDeniedException,
//   - KMSInvalidStateException if the key is pending deletion.
//
// Source: AWS KMS API Reference, CreateAlias.
func (s *Service) CreateAlias(ctx context.Context, c *authn.Caller, in *CreateAliasInput) (*CreateAliasOutput, error) {
	return run(ctx, s, c, "CreateAlias", changes, func(call *authz.Call) (*CreateAliasOutput, error) {
		name, err := checkTarget(call, c, in.AliasName, in.TargetKeyID)
		if err != nil {
			return nil, err
		}
		k, err := s.use(ctx, call, &conditions{caller: c}, "kms:CreateAlias", in.TargetKeyID, keysOnly)
		if err != nil {
			return nil, err
		}
		if err := useAlias(ctx, call, c, "kms:CreateAlias", name); err != nil {
			return nil, err
		}
		if err := s.keys.CreateAlias(ctx, k.Ref, in.AliasName, recordKey(call)); err != nil {
			return nil, aboutAlias(k.ARN, name, err)
		}
		return &CreateAliasOutput{}, nil
	})
}

// UpdateAliasInput is the request of [Service.UpdateAlias].
type UpdateAliasInput struct {
	AliasName   string `json:"AliasName"`
	TargetKeyID string `json:"TargetKeyId"`
}

// UpdateAliasOutput is the answer of [Service.UpdateAlias].
type UpdateAliasOutput struct{}

// UpdateAlias moves an alias to another key of the caller's account and region.
// The caller needs kms:UpdateAlias on the alias and on both keys.
//
// Its errors are those of [Service.CreateAlias], with NotFoundException instead
// of AlreadyExistsException. The old key may be pending deletion.
//
// Source: AWS KMS API Reference, UpdateAlias.
func (s *Service) UpdateAlias(ctx context.Context, c *authn.Caller, in *UpdateAliasInput) (*UpdateAliasOutput, error) {
	return run(ctx, s, c, "UpdateAlias", changes, func(call *authz.Call) (*UpdateAliasOutput, error) {
		name, err := checkTarget(call, c, in.AliasName, in.TargetKeyID)
		if err != nil {
			return nil, err
		}
		old, err := s.use(ctx, call, &conditions{caller: c}, "kms:UpdateAlias", in.AliasName, aliasesToo)
		if err != nil {
			return nil, err
		}
		k, err := s.use(ctx, call, &conditions{caller: c}, "kms:UpdateAlias", in.TargetKeyID, keysOnly)
		if err != nil {
			return nil, err
		}
		if err := useAlias(ctx, call, c, "kms:UpdateAlias", name); err != nil {
			return nil, err
		}
		if err := alike(old, k); err != nil {
			return nil, err
		}
		if err := s.keys.UpdateAlias(ctx, k.Ref, in.AliasName, recordKey(call)); err != nil {
			return nil, aboutAlias(k.ARN, name, err)
		}
		return &UpdateAliasOutput{}, nil
	})
}

// alike refuses to move an alias to a key of another kind: symmetric, asymmetric or
// HMAC, and of one usage.
//
// Source: AWS KMS API Reference, UpdateAlias, read 2026-11-22. The answer is not
// recorded.
func alike(old, next *key.Key) error {
	from, _ := keyspec.Lookup(old.Spec)
	to, _ := keyspec.Lookup(next.Spec)
	if old.Usage != next.Usage || from.Asymmetric() != to.Asymmetric() {
		return fault("ValidationException", "The current and new KMS key of an alias must have the same type and key usage: %s has %s and %s, %s has %s and %s.",
			old.ARN, old.Spec, old.Usage, next.ARN, next.Spec, next.Usage)
	}
	return nil
}

// DeleteAliasInput is the request of [Service.DeleteAlias].
type DeleteAliasInput struct {
	AliasName string `json:"AliasName"`
}

// DeleteAliasOutput is the answer of [Service.DeleteAlias].
type DeleteAliasOutput struct{}

// DeleteAlias removes an alias; its key stays. The caller needs kms:DeleteAlias
// on the alias and on the key.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// AccessDeniedException, or NotAuthorizedException for an alias of a service.
//
// Source: AWS KMS API Reference, DeleteAlias.
func (s *Service) DeleteAlias(ctx context.Context, c *authn.Caller, in *DeleteAliasInput) (*DeleteAliasOutput, error) {
	return run(ctx, s, c, "DeleteAlias", changes, func(call *authz.Call) (*DeleteAliasOutput, error) {
		call.Param("aliasName", in.AliasName)
		var v checker
		v.alias("aliasName", in.AliasName)
		if err := v.err(); err != nil {
			return nil, err
		}
		if err := checkAlias(in.AliasName); err != nil {
			return nil, err
		}
		name := arn.Alias(c.Region, c.Account, in.AliasName)
		if _, err := s.use(ctx, call, &conditions{caller: c}, "kms:DeleteAlias", in.AliasName, aliasesToo); err != nil {
			return nil, err
		}
		if err := useAlias(ctx, call, c, "kms:DeleteAlias", name); err != nil {
			return nil, err
		}
		if err := s.keys.DeleteAlias(ctx, c.Account, c.Region, in.AliasName, recordKey(call)); err != nil {
			return nil, about(name, err)
		}
		return &DeleteAliasOutput{}, nil
	})
}

// ListAliasesInput is the request of [Service.ListAliases].
type ListAliasesInput struct {
	KeyID  string `json:"KeyId,omitempty"`
	Limit  *int32 `json:"Limit"`
	Marker string `json:"Marker,omitempty"`
}

// ListAliasesOutput is the answer of [Service.ListAliases].
type ListAliasesOutput struct {
	Aliases    []AliasListEntry `json:"Aliases"`
	NextMarker string           `json:"NextMarker,omitempty"`
	Truncated  bool             `json:"Truncated"`
}

// ListAliases lists the aliases of the caller's account and region, or of one
// key, 50 to a page unless in.Limit says otherwise, and 100 at most.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// InvalidArnException, InvalidMarkerException or AccessDeniedException.
//
// Source: AWS KMS API Reference, ListAliases.
func (s *Service) ListAliases(ctx context.Context, c *authn.Caller, in *ListAliasesInput) (*ListAliasesOutput, error) {
	return run(ctx, s, c, "ListAliases", reads, func(call *authz.Call) (*ListAliasesOutput, error) {
		if in.KeyID != "" {
			call.Param("keyId", in.KeyID)
		}
		recordPage(call, in.Limit, in.Marker)
		var v checker
		v.optional("keyId", in.KeyID, maxKeyID)
		v.page(in.Limit, in.Marker)
		if err := v.err(); err != nil {
			return nil, err
		}
		if err := permit(ctx, call, c, "kms:ListAliases"); err != nil {
			return nil, err
		}
		after, err := unmark("aliases", in.Marker)
		if err != nil {
			return nil, err
		}
		id := ""
		if in.KeyID != "" {
			// The permission is about no key; that of another account is hidden.
			k, err := s.find(ctx, call, &conditions{caller: c}, "kms:ListAliases", in.KeyID, keysOnly)
			if err != nil {
				return nil, err
			}
			call.Resource(kindKey, k.ARN, k.Account)
			id = k.ID
		}
		aliases, more, err := s.keys.Aliases(ctx, c.Account, c.Region, id, after, pageSize(in.Limit, 50, 100))
		if err != nil {
			return nil, err
		}
		out := &ListAliasesOutput{Aliases: []AliasListEntry{}, Truncated: more}
		for _, a := range aliases {
			out.Aliases = append(out.Aliases, AliasListEntry{a.Name, a.ARN, a.KeyID, awsjson.Time{Time: a.Created}, awsjson.Time{Time: a.Updated}})
		}
		if more {
			out.NextMarker = mark("aliases", aliases[len(aliases)-1].Name)
		}
		return out, nil
	})
}

// useAlias decides action on an alias, which only identity policies allow: an alias
// has no policy of its own.
//
// Source: AWS KMS Developer Guide, "Control access to aliases", read 2026-11-21.
func useAlias(ctx context.Context, call *authz.Call, c *authn.Caller, action, name string) error {
	err := call.Ask(ctx, &authz.Ask{Action: action, Resource: name, Account: c.Account, Keys: &conditions{caller: c}})
	if err != nil {
		return err
	}
	call.Resource(kindAlias, name, c.Account)
	return call.Covers(name)
}

// checkTarget records and checks an alias and the key that it is to name, and
// returns the alias's ARN.
func checkTarget(call *authz.Call, c *authn.Caller, alias, target string) (name string, err error) {
	call.Param("aliasName", alias)
	call.Param("targetKeyId", target)
	var v checker
	v.alias("aliasName", alias)
	v.required("targetKeyId", target, maxKeyID)
	if err := v.err(); err != nil {
		return "", err
	}
	if err := checkAlias(alias); err != nil {
		return "", err
	}
	if strings.HasPrefix(target, key.AliasPrefix) {
		return "", fault("ValidationException", "Aliases must refer to keys. Not aliases")
	}
	return arn.Alias(c.Region, c.Account, alias), nil
}

// checkAlias refuses names that no client may give or take away.
func checkAlias(name string) error {
	rest, ok := strings.CutPrefix(name, key.AliasPrefix)
	switch {
	case !ok:
		return fault("ValidationException", `Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html`)
	case strings.HasPrefix(name, key.ReservedAliasPrefix):
		return fault("NotAuthorizedException", "Names that start with %s are reserved for the keys of AWS services.", key.ReservedAliasPrefix)
	case rest == "":
		return fault("InvalidAliasNameException", "The alias has no name after its prefix.")
	case strings.Contains(name, ":"):
		return fault("ValidationException", "%s contains invalid characters for an alias", name)
	}
	return nil
}

// aboutAlias names what an error about an alias and its key is about.
func aboutAlias(keyARN, aliasARN string, err error) error {
	if errors.Is(err, key.ErrAliasNotFound) || errors.Is(err, key.ErrAliasExists) {
		return about(aliasARN, err)
	}
	return about(keyARN, err)
}
