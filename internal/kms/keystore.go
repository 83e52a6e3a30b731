package kms

import (
	"context"

	"coffer/internal/authn"
	"coffer/internal/authz"
)

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
