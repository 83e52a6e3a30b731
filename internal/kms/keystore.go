package kms

import (
	"context"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awsjson"
	"coffer/internal/key"
)

// Types of custom key stores, and how KMS reaches the proxy of an external one.
const (
	typeCloudHSM   = "AWS_CLOUDHSM" // there is none here, nor can be
	typeExternal   = "EXTERNAL_KEY_STORE"
	publicEndpoint = "PUBLIC_ENDPOINT"
	vpcEndpoint    = "VPC_ENDPOINT_SERVICE" // of which there is none here either
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
	CustomKeyStores []CustomKeyStore `json:"CustomKeyStores"`
	NextMarker      string           `json:"NextMarker,omitempty"`
	Truncated       bool             `json:"Truncated"`
}

// A CustomKeyStore describes a custom key store.
type CustomKeyStore struct {
	CustomKeyStoreID      string                `json:"CustomKeyStoreId"`
	CustomKeyStoreName    string                `json:"CustomKeyStoreName"`
	ConnectionState       string                `json:"ConnectionState"`
	ConnectionErrorCode   string                `json:"ConnectionErrorCode,omitempty"` // of one that is FAILED
	CreationDate          awsjson.Time          `json:"CreationDate"`
	CustomKeyStoreType    string                `json:"CustomKeyStoreType"`
	XksProxyConfiguration XksProxyConfiguration `json:"XksProxyConfiguration"`
}

// An XksProxyConfiguration says how KMS reaches an external key store proxy.
type XksProxyConfiguration struct {
	Connectivity string `json:"Connectivity"`
	AccessKeyID  string `json:"AccessKeyId"`
	URIEndpoint  string `json:"UriEndpoint"`
	URIPath      string `json:"UriPath"`
}

// DescribeCustomKeyStores lists the custom key stores in the order of their IDs, or
// describes one by its ID or its name.
//
// It returns a *awserr.Error with code ValidationException, AccessDeniedException,
// InvalidMarkerException, or CustomKeyStoreNotFoundException.
//
// Source: AWS KMS API Reference, DescribeCustomKeyStores.
func (s *Service) DescribeCustomKeyStores(ctx context.Context, c *authn.Caller, in *DescribeCustomKeyStoresInput) (*DescribeCustomKeyStoresOutput, error) {
	return run(ctx, s, c, "DescribeCustomKeyStores", reads, func(call *authz.Call) (*DescribeCustomKeyStoresOutput, error) {
		recordFilters(call, "customKeyStoreId", in.CustomKeyStoreID, "customKeyStoreName", in.CustomKeyStoreName)
		recordPage(call, in.Limit, in.Marker)
		var v checker
		v.optional("customKeyStoreId", in.CustomKeyStoreID, maxStoreID)
		v.optional("customKeyStoreName", in.CustomKeyStoreName, maxStoreName)
		v.page(in.Limit, in.Marker)
		if err := v.err(); err != nil {
			return nil, err
		}
		if in.CustomKeyStoreID != "" && in.CustomKeyStoreName != "" {
			return nil, fault("ValidationException", "You cannot specify both CustomKeyStoreId and CustomKeyStoreName.")
		}
		if err := permit(ctx, call, c, "kms:DescribeCustomKeyStores"); err != nil {
			return nil, err
		}
		after, err := unmark("stores", in.Marker)
		if err != nil {
			return nil, err
		}
		stores, err := s.stores(ctx, c, in)
		if err != nil {
			return nil, err
		}
		out := &DescribeCustomKeyStoresOutput{CustomKeyStores: []CustomKeyStore{}}
		for _, store := range stores {
			if store.ID <= after {
				continue
			}
			if n := len(out.CustomKeyStores); n == pageSize(in.Limit, maxLimit, maxLimit) {
				out.Truncated, out.NextMarker = true, mark("stores", out.CustomKeyStores[n-1].CustomKeyStoreID)
				break
			}
			out.CustomKeyStores = append(out.CustomKeyStores, describeStore(store))
		}
		return out, nil
	})
}

// stores returns the stores that in asks for.
func (s *Service) stores(ctx context.Context, c *authn.Caller, in *DescribeCustomKeyStoresInput) ([]*key.CustomStore, error) {
	var store *key.CustomStore
	var err error
	switch {
	case in.CustomKeyStoreID != "":
		store, err = s.keys.Store(ctx, storeRef(c, in.CustomKeyStoreID))
	case in.CustomKeyStoreName != "":
		store, err = s.keys.StoreByName(ctx, c.Account, c.Region, in.CustomKeyStoreName)
	default:
		return s.keys.Stores(ctx, c.Account, c.Region)
	}
	if err != nil {
		return nil, err
	}
	return []*key.CustomStore{store}, nil
}

func storeRef(c *authn.Caller, id string) key.StoreRef {
	return key.StoreRef{Account: c.Account, Region: c.Region, ID: id}
}

func describeStore(s *key.CustomStore) CustomKeyStore {
	return CustomKeyStore{
		CustomKeyStoreID: s.ID, CustomKeyStoreName: s.Name, ConnectionState: string(s.State), ConnectionErrorCode: connectionErrorCode(s.Failure),
		CreationDate: awsjson.Time{Time: s.Created}, CustomKeyStoreType: typeExternal,
		XksProxyConfiguration: XksProxyConfiguration{Connectivity: publicEndpoint, AccessKeyID: s.AccessKeyID, URIEndpoint: s.Endpoint, URIPath: s.Path},
	}
}
