package kms

import (
	"context"

	"coffer/internal/authn"
	"coffer/internal/authz"
)

// ListGrantsInput is the request of [Service.ListGrants].
type ListGrantsInput struct {
	KeyID                   string `json:"KeyId"`
	GrantID                 string `json:"GrantId,omitempty"`
	GranteePrincipal        string `json:"GranteePrincipal,omitempty"`
	GranteeServicePrincipal string `json:"GranteeServicePrincipal,omitempty"`
	Limit                   *int32 `json:"Limit"`
	Marker                  string `json:"Marker,omitempty"`
}

// ListGrantsOutput is the answer of [Service.ListGrants] and
// [Service.ListRetirableGrants].
type ListGrantsOutput struct {
	Grants    []struct{} `json:"Grants"`
	Truncated bool       `json:"Truncated"`
}

// ListGrants lists the grants of a key: none, because none can be made.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// InvalidArnException, InvalidMarkerException or AccessDeniedException.
//
// Source: AWS KMS API Reference, ListGrants.
func (s *Service) ListGrants(ctx context.Context, c *authn.Caller, in *ListGrantsInput) (*ListGrantsOutput, error) {
	return run(ctx, s, c, "ListGrants", reads, func(call *authz.Call) (*ListGrantsOutput, error) {
		call.Param("keyId", in.KeyID)
		recordFilters(call, "grantId", in.GrantID, "granteePrincipal", in.GranteePrincipal, "granteeServicePrincipal", in.GranteeServicePrincipal)
		recordPage(call, in.Limit, in.Marker)
		var v checker
		v.required("keyId", in.KeyID, maxKeyID)
		v.optional("grantId", in.GrantID, 128)
		v.optional("granteePrincipal", in.GranteePrincipal, 256)
		v.optional("granteeServicePrincipal", in.GranteeServicePrincipal, 256)
		v.page(in.Limit, in.Marker)
		if err := v.err(); err != nil {
			return nil, err
		}
		if _, err := s.use(ctx, call, c, "kms:ListGrants", in.KeyID, keysOnly); err != nil {
			return nil, err
		}
		if _, err := unmark("grants", in.Marker); err != nil {
			return nil, err
		}
		return &ListGrantsOutput{Grants: []struct{}{}}, nil
	})
}

// ListRetirableGrantsInput is the request of [Service.ListRetirableGrants].
type ListRetirableGrantsInput struct {
	RetiringPrincipal        string `json:"RetiringPrincipal,omitempty"`
	RetiringServicePrincipal string `json:"RetiringServicePrincipal,omitempty"` // instead of RetiringPrincipal
	Limit                    *int32 `json:"Limit"`
	Marker                   string `json:"Marker,omitempty"`
}

// ListRetirableGrants lists the grants that a principal may retire: none.
//
// It returns a *awserr.Error with code ValidationException,
// InvalidMarkerException or AccessDeniedException.
//
// Source: AWS KMS API Reference, ListRetirableGrants.
func (s *Service) ListRetirableGrants(ctx context.Context, c *authn.Caller, in *ListRetirableGrantsInput) (*ListGrantsOutput, error) {
	return run(ctx, s, c, "ListRetirableGrants", reads, func(call *authz.Call) (*ListGrantsOutput, error) {
		recordFilters(call, "retiringPrincipal", in.RetiringPrincipal, "retiringServicePrincipal", in.RetiringServicePrincipal)
		recordPage(call, in.Limit, in.Marker)
		var v checker
		if in.RetiringServicePrincipal == "" {
			v.required("retiringPrincipal", in.RetiringPrincipal, 256)
		}
		v.optional("retiringServicePrincipal", in.RetiringServicePrincipal, 256)
		v.page(in.Limit, in.Marker)
		if err := v.err(); err != nil {
			return nil, err
		}
		if err := permit(ctx, call, c, "kms:ListRetirableGrants"); err != nil {
			return nil, err
		}
		if _, err := unmark("grants", in.Marker); err != nil {
			return nil, err
		}
		return &ListGrantsOutput{Grants: []struct{}{}}, nil
	})
}

// DescribeCustomKeyStoresInput is the request of
// [Service.DescribeCustomKeyStores].
type DescribeCustomKeyStoresInput struct {
	CustomKeyStoreID   string `json:"CustomKeyStoreId,omitempty"`
	CustomKeyStoreName string `json:"CustomKeyStoreName,omitempty"`
	Limit              *int32 `json:"Limit"`
	Marker             string `json:"Marker,omitempty"`
}

// DescribeCustomKeyStoresOutput is the answer of
// [Service.DescribeCustomKeyStores].
type DescribeCustomKeyStoresOutput struct {
	CustomKeyStores []struct{} `json:"CustomKeyStores"`
	Truncated       bool       `json:"Truncated"`
}

// DescribeCustomKeyStores lists the custom key stores: none.
//
// It returns a *awserr.Error with code ValidationException, AccessDeniedException,
// InvalidMarkerException, or CustomKeyStoreNotFoundException for one by name.
//
// Source: AWS KMS API Reference, DescribeCustomKeyStores.
func (s *Service) DescribeCustomKeyStores(ctx context.Context, c *authn.Caller, in *DescribeCustomKeyStoresInput) (*DescribeCustomKeyStoresOutput, error) {
	return run(ctx, s, c, "DescribeCustomKeyStores", reads, func(call *authz.Call) (*DescribeCustomKeyStoresOutput, error) {
		recordFilters(call, "customKeyStoreId", in.CustomKeyStoreID, "customKeyStoreName", in.CustomKeyStoreName)
		recordPage(call, in.Limit, in.Marker)
		var v checker
		v.optional("customKeyStoreId", in.CustomKeyStoreID, 64)
		v.optional("customKeyStoreName", in.CustomKeyStoreName, 256)
		v.page(in.Limit, in.Marker)
		if err := v.err(); err != nil {
			return nil, err
		}
		if err := permit(ctx, call, c, "kms:DescribeCustomKeyStores"); err != nil {
			return nil, err
		}
		if in.CustomKeyStoreID != "" || in.CustomKeyStoreName != "" {
			return nil, fault("CustomKeyStoreNotFoundException", "This server has no custom key stores.")
		}
		if _, err := unmark("stores", in.Marker); err != nil {
			return nil, err
		}
		return &DescribeCustomKeyStoresOutput{CustomKeyStores: []struct{}{}}, nil
	})
}

// recordFilters records the members of a listing that are there, given as names
// and values by turns.
func recordFilters(call *authz.Call, pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			call.Param(pairs[i], pairs[i+1])
		}
	}
}
