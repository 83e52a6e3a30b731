package kms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/key"
	"coffer/internal/meta"
	"coffer/internal/policy"
)

// RevokeGrantInput is the request of [Service.RevokeGrant].
type RevokeGrantInput struct {
	KeyID   string `json:"KeyId"`
	GrantID string `json:"GrantId"`
	DryRun  bool   `json:"DryRun,omitempty"`
}

// RevokeGrantOutput is the answer of [Service.RevokeGrant].
type RevokeGrantOutput struct{}

// RevokeGrant removes a grant. When it returns, the grant allows nothing any more.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// InvalidArnException, InvalidGrantIdException, AccessDeniedException or
// DryRunOperationException.
//
// Source: AWS KMS API Reference, RevokeGrant.
func (s *Service) RevokeGrant(ctx context.Context, c *authn.Caller, in *RevokeGrantInput) (*RevokeGrantOutput, error) {
	return run(ctx, s, c, "RevokeGrant", changes, func(call *authz.Call) (*RevokeGrantOutput, error) {
		call.Param("keyId", in.KeyID)
		call.Param("grantId", in.GrantID)
		if in.DryRun {
			call.Param("dryRun", true)
		}
		var v checker
		v.required("keyId", in.KeyID, maxKeyID)
		v.required("grantId", in.GrantID, maxGrantID)
		if err := v.err(); err != nil {
			return nil, err
		}
		k, err := s.use(ctx, call, &conditions{caller: c, grants: true}, "kms:RevokeGrant", in.KeyID, keysOnly)
		if err != nil {
			return nil, err
		}
		if err := checkGrantID(in.GrantID); err != nil {
			return nil, err
		}
		if _, err := s.keys.Grant(ctx, k.Ref, in.GrantID); err != nil {
			return nil, aboutGrant(k.ARN, in.GrantID, err)
		}
		if in.DryRun {
			return nil, dryRun()
		}
		if _, err := s.keys.RemoveGrant(ctx, k.Ref, in.GrantID, recordGrantChange(call, k)); err != nil {
			return nil, aboutGrant(k.ARN, in.GrantID, err)
		}
		return &RevokeGrantOutput{}, nil
	})
}

// RetireGrantInput is the request of [Service.RetireGrant].
type RetireGrantInput struct {
	GrantToken string `json:"GrantToken,omitempty"`
	KeyID      string `json:"KeyId,omitempty"` // with GrantID, instead of GrantToken
	GrantID    string `json:"GrantId,omitempty"`
	DryRun     bool   `json:"DryRun,omitempty"`
}

// RetireGrantOutput is the answer of [Service.RetireGrant].
type RetireGrantOutput struct{}

// RetireGrant removes a grant at the wish of those whom the grant itself names: its
// retiring principal, its grantee if RetireGrant is among its operations, and the
// accounts that issued it and that own the key. The key policy has no say.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// InvalidArnException, InvalidGrantTokenException, InvalidGrantIdException,
// AccessDeniedException or DryRunOperationException.
//
// Source: AWS KMS API Reference, RetireGrant.
func (s *Service) RetireGrant(ctx context.Context, c *authn.Caller, in *RetireGrantInput) (*RetireGrantOutput, error) {
	return run(ctx, s, c, "RetireGrant", changes, func(call *authz.Call) (*RetireGrantOutput, error) {
		recordFilters(call, "keyId", in.KeyID, "grantId", in.GrantID)
		if in.DryRun {
			call.Param("dryRun", true)
		}
		k, g, err := s.retirable(ctx, call, c, in)
		if err != nil {
			return nil, err
		}
		if in.DryRun {
			return nil, dryRun()
		}
		call.Additional("grantId", g.ID)
		_, err = s.keys.RemoveGrant(ctx, k.Ref, g.ID, func(tx meta.Txn, _ *key.Grant) error {
			if err := call.Covers(k.ARN); err != nil {
				return err
			}
			call.Response("keyId", k.ARN)
			return call.Record(tx)
		})
		if err != nil {
			return nil, aboutGrant(k.ARN, g.ID, err)
		}
		return &RetireGrantOutput{}, nil
	})
}

// retirable returns the grant that a RetireGrant names, with its key, once the
// caller may retire it.
func (s *Service) retirable(ctx context.Context, call *authz.Call, c *authn.Caller, in *RetireGrantInput) (*key.Key, *key.Grant, error) {
	const action = "kms:RetireGrant"
	var v checker
	v.optional("grantToken", in.GrantToken, maxTokenLength)
	v.optional("keyId", in.KeyID, maxKeyID)
	v.optional("grantId", in.GrantID, maxGrantID)
	if err := v.err(); err != nil {
		return nil, nil, err
	}
	id, grantID := in.KeyID, in.GrantID
	switch byID := in.KeyID != "" || in.GrantID != ""; {
	case in.GrantToken != "" && byID, in.GrantToken == "" && (in.KeyID == "" || in.GrantID == ""):
		return nil, nil, fault("ValidationException", "Please specify either a grant token, or a key ID and a grant ID.")
	case byID:
		if err := checkGrantID(grantID); err != nil {
			return nil, nil, err
		}
	default:
		ref, fromToken, err := s.openToken(in.GrantToken)
		if err != nil {
			return nil, nil, err
		}
		id, grantID = ref.ARN(), fromToken
	}
	q := &conditions{caller: c}
	k, err := s.find(ctx, call, q, action, id, keysOnly)
	if err != nil {
		return nil, nil, err
	}
	call.Resource(kindKey, k.ARN, k.Account)
	q.key = k
	g, err := s.keys.Grant(ctx, k.Ref, grantID)
	switch {
	case errors.Is(err, key.ErrGrantNotFound) && k.Account != c.Account:
		return nil, nil, s.refuse(ctx, call, q, action, k.ARN, k.Account)
	case err != nil:
		return nil, nil, aboutGrant(k.ARN, grantID, err)
	}
	constraints := GrantConstraints{g.ContextEquals, g.ContextSubset, g.SourceARN}
	q.encryptionContext, q.grant = constraints.context(), &grantFacts{constraints: constraints}
	err = call.Ask(ctx, &authz.Ask{Action: action, Resource: k.ARN, Account: k.Account, Policy: retirePolicy(g), Grants: retireGrants(g),
		Keys: q, NoRCP: true})
	if err != nil && k.Account != c.Account {
		err = hide(err)
	}
	return k, g, err
}

// retireGrants returns those whom a grant lets retire it, as grants of RetireGrant:
// no other permission is needed.
func retireGrants(g *key.Grant) []policy.Grant {
	retire := []string{"RetireGrant"}
	list := []policy.Grant{{ID: g.ID, GranteePrincipal: g.Retiring.Subject(), GranteeService: g.Retiring.Service, Operations: retire}}
	if slices.Contains(g.Operations, "RetireGrant") {
		list = append(list, policy.Grant{ID: g.ID, GranteePrincipal: g.Grantee.Subject(), GranteeService: g.Grantee.Service, Operations: retire})
	}
	return list
}

// retirePolicy returns what stands in for the key policy in a decision about
// RetireGrant: the account that issued the grant and the one that owns the key may
// retire it, and delegate that with their own policies.
//
// Source: AWS KMS Developer Guide, "Retiring and revoking grants", read 2026-11-21.
func retirePolicy(g *key.Grant) *policy.Named {
	accounts := []string{arn.Root(g.Key.Account)}
	if g.Issuer != g.Key.Account {
		accounts = append(accounts, arn.Root(g.Issuer))
	}
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Principal": map[string]any{"AWS": accounts}, "Action": "kms:RetireGrant", "Resource": "*"}}})
	if err != nil {
		panic(fmt.Sprintf("kms: internal error: %v", err))
	}
	return load("grant "+g.ID, string(text))
}

// aboutGrant names what an error about a grant and its key is about.
func aboutGrant(keyARN, grantID string, err error) error {
	if errors.Is(err, key.ErrGrantNotFound) {
		return about(grantID, err)
	}
	return about(keyARN, err)
}
