package kms

import (
	"context"
	"unicode/utf8"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/key"
	"coffer/internal/meta"
	"coffer/internal/xks"
)

// Limits of members about custom key stores, in characters.
//
// Source: AWS KMS API Reference, CreateCustomKeyStore, and the service model of
// aws-sdk-go-v2/service/kms v1.62.4, read 2026-11-22.
const (
	maxStoreID     = 64
	maxStoreName   = 256
	maxURIEndpoint = 128
	maxVPCService  = 64
	maxClusterID   = 24
	maxPassword    = 32
	maxAnchor      = 5000
)

// An XksProxyCredential is what KMS signs its requests to a proxy with.
type XksProxyCredential struct {
	AccessKeyID        string    `json:"AccessKeyId,omitempty"`
	RawSecretAccessKey StoreText `json:"RawSecretAccessKey,omitempty"`
}

// A StoreText is a secret that a request has as text. It prints as [secret].
type StoreText = xks.Secret

// CreateCustomKeyStoreInput is the request of [Service.CreateCustomKeyStore].
type CreateCustomKeyStoreInput struct {
	CustomKeyStoreName               string              `json:"CustomKeyStoreName,omitempty"`
	CustomKeyStoreType               string              `json:"CustomKeyStoreType,omitempty"` // AWS_CLOUDHSM if empty
	CloudHsmClusterID                string              `json:"CloudHsmClusterId,omitempty"`
	KeyStorePassword                 StoreText           `json:"KeyStorePassword,omitempty"`
	TrustAnchorCertificate           string              `json:"TrustAnchorCertificate,omitempty"`
	XksProxyAuthenticationCredential *XksProxyCredential `json:"XksProxyAuthenticationCredential"`
	XksProxyConnectivity             string              `json:"XksProxyConnectivity,omitempty"`
	XksProxyURIEndpoint              string              `json:"XksProxyUriEndpoint,omitempty"`
	XksProxyURIPath                  string              `json:"XksProxyUriPath,omitempty"`
	XksProxyVpcEndpointServiceName   string              `json:"XksProxyVpcEndpointServiceName,omitempty"`
	XksProxyVpcEndpointServiceOwner  string              `json:"XksProxyVpcEndpointServiceOwner,omitempty"`
}

// CreateCustomKeyStoreOutput is the answer of [Service.CreateCustomKeyStore].
type CreateCustomKeyStoreOutput struct {
	CustomKeyStoreID string `json:"CustomKeyStoreId"`
}

// CreateCustomKeyStore makes an external key store, not yet connected, whose proxy has
// answered. AWS CloudHSM clusters and VPC endpoint services are not here, so none is
// found.
//
// It returns a *awserr.Error with code
//
//   - ValidationException if a member is missing, malformed, or names an endpoint that
//     this server does not connect to,
//   - AccessDeniedException, LimitExceededException,
//   - CustomKeyStoreNameInUseException or XksProxyUriInUseException for what another
//     store has,
//   - CloudHsmClusterNotFoundException or XksProxyVpcEndpointServiceNotFoundException
//     for the kinds of key stores that can't be here,
//   - XksProxyUriUnreachableException, XksProxyInvalidResponseException,
//     XksProxyIncorrectAuthenticationCredentialException or
//     XksProxyInvalidConfigurationException if the proxy did not answer as it should.
//
// Source: AWS KMS API Reference, CreateCustomKeyStore.
func (s *Service) CreateCustomKeyStore(ctx context.Context, c *authn.Caller, in *CreateCustomKeyStoreInput) (*CreateCustomKeyStoreOutput, error) {
	const name = "CreateCustomKeyStore"
	return run(ctx, s, c, name, changes, func(call *authz.Call) (*CreateCustomKeyStoreOutput, error) {
		kind := orDefault(in.CustomKeyStoreType, typeCloudHSM)
		call.Param("customKeyStoreType", kind)
		recordStore(call, "customKeyStoreName", in.CustomKeyStoreName, in.XksProxyConnectivity, in.XksProxyURIEndpoint, in.XksProxyURIPath, in.XksProxyAuthenticationCredential)
		var v checker
		v.required("customKeyStoreName", in.CustomKeyStoreName, maxStoreName)
		v.oneOf("customKeyStoreType", in.CustomKeyStoreType, []string{typeCloudHSM, typeExternal})
		v.cloudHSM(in.CloudHsmClusterID, in.KeyStorePassword, in.TrustAnchorCertificate)
		v.proxy(in.XksProxyConnectivity, in.XksProxyURIEndpoint, in.XksProxyURIPath, in.XksProxyVpcEndpointServiceName, in.XksProxyVpcEndpointServiceOwner, in.XksProxyAuthenticationCredential)
		if err := v.err(); err != nil {
			return nil, err
		}
		if err := permit(ctx, call, c, "kms:"+name); err != nil {
			return nil, err
		}
		if kind == typeCloudHSM {
			return nil, fault("CloudHsmClusterNotFoundException", "This server has no AWS CloudHSM clusters.")
		}
		if in.CloudHsmClusterID != "" || in.KeyStorePassword != "" || in.TrustAnchorCertificate != "" {
			return nil, fault("ValidationException", "CloudHsmClusterId, KeyStorePassword and TrustAnchorCertificate are valid only for a CustomKeyStoreType of AWS_CLOUDHSM.")
		}
		if in.XksProxyAuthenticationCredential == nil || in.XksProxyConnectivity == "" || in.XksProxyURIEndpoint == "" || in.XksProxyURIPath == "" {
			return nil, fault("ValidationException", "XksProxyConnectivity, XksProxyAuthenticationCredential, XksProxyUriEndpoint and XksProxyUriPath are required for a CustomKeyStoreType of EXTERNAL_KEY_STORE.")
		}
		if err := checkConnectivity(in.XksProxyConnectivity, in.XksProxyVpcEndpointServiceName); err != nil {
			return nil, err
		}
		store, err := s.keys.CreateStore(outside(ctx, c, name), c.Account, c.Region, &key.StoreInput{
			Name: in.CustomKeyStoreName, Endpoint: in.XksProxyURIEndpoint, Path: in.XksProxyURIPath, Credential: in.XksProxyAuthenticationCredential.credential(),
		}, func(tx meta.Txn, store *key.CustomStore) error {
			call.Response("customKeyStoreId", store.ID)
			return call.Record(tx)
		})
		if err != nil {
			return nil, err
		}
		return &CreateCustomKeyStoreOutput{store.ID}, nil
	})
}

func (p *XksProxyCredential) credential() xks.Credential {
	return xks.Credential{AccessKeyID: p.AccessKeyID, Secret: p.RawSecretAccessKey}
}

// checkConnectivity refuses what needs a VPC.
func checkConnectivity(connectivity, service string) error {
	if connectivity == vpcEndpoint || service != "" {
		return fault("XksProxyVpcEndpointServiceNotFoundException", "This server has no VPC endpoint services: the XksProxyConnectivity of its external key stores is PUBLIC_ENDPOINT.")
	}
	return nil
}

// proxy checks the shape of the members about a proxy, which may all be missing. It
// shows no secret.
func (v *checker) proxy(connectivity, endpoint, path, service, owner string, credential *XksProxyCredential) {
	v.oneOf("xksProxyConnectivity", connectivity, []string{publicEndpoint, vpcEndpoint})
	v.optional("xksProxyUriEndpoint", endpoint, maxURIEndpoint)
	if path != "" && !xks.ValidPath(path) {
		v.add("Value '"+path+"'", "xksProxyUriPath", `Member must satisfy regular expression pattern: ^(/[a-zA-Z0-9\/_-]+/kms/xks/v\d{1,2})$|^(/kms/xks/v\d{1,2})$`)
	}
	v.optional("xksProxyVpcEndpointServiceName", service, maxVPCService)
	v.optional("xksProxyVpcEndpointServiceOwner", owner, 12)
	if credential == nil {
		return
	}
	if !xks.ValidAccessKeyID(credential.AccessKeyID) {
		v.add("Value", "xksProxyAuthenticationCredential.accessKeyId", "Member must satisfy regular expression pattern: ^[A-Z2-7]{20,30}$")
	}
	if !xks.ValidSecret(credential.RawSecretAccessKey.Reveal()) {
		v.add("Value", "xksProxyAuthenticationCredential.rawSecretAccessKey", `Member must satisfy regular expression pattern: ^[a-zA-Z0-9\/+=]{43,64}$`)
	}
}

// cloudHSM checks the shape of the members about a CloudHSM key store.
func (v *checker) cloudHSM(cluster string, password StoreText, anchor string) {
	v.optional("cloudHsmClusterId", cluster, maxClusterID)
	if n := utf8.RuneCountInString(password.Reveal()); password != "" && (n < 7 || n > maxPassword) {
		v.add("Value", "keyStorePassword", "Member must have length between 7 and 32")
	}
	if utf8.RuneCountInString(anchor) > maxAnchor {
		v.add("Value", "trustAnchorCertificate", "Member must have length less than or equal to 5000")
	}
}

// recordStore records what a request says of a key store, without secrets.
func recordStore(call *authz.Call, nameMember, name, connectivity, endpoint, path string, credential *XksProxyCredential) {
	for _, p := range [][2]string{{nameMember, name}, {"xksProxyConnectivity", connectivity}, {"xksProxyUriEndpoint", endpoint}, {"xksProxyUriPath", path}} {
		if p[1] != "" {
			call.Param(p[0], p[1])
		}
	}
	// What is no access key ID may be a secret in the wrong place.
	if credential != nil && xks.ValidAccessKeyID(credential.AccessKeyID) {
		call.Param("xksProxyAuthenticationAccessKeyId", credential.AccessKeyID)
	}
}

// UpdateCustomKeyStoreInput is the request of [Service.UpdateCustomKeyStore].
type UpdateCustomKeyStoreInput struct {
	CustomKeyStoreID                 string              `json:"CustomKeyStoreId,omitempty"`
	NewCustomKeyStoreName            string              `json:"NewCustomKeyStoreName,omitempty"`
	CloudHsmClusterID                string              `json:"CloudHsmClusterId,omitempty"`
	KeyStorePassword                 StoreText           `json:"KeyStorePassword,omitempty"`
	XksProxyAuthenticationCredential *XksProxyCredential `json:"XksProxyAuthenticationCredential"`
	XksProxyConnectivity             string              `json:"XksProxyConnectivity,omitempty"`
	XksProxyURIEndpoint              string              `json:"XksProxyUriEndpoint,omitempty"`
	XksProxyURIPath                  string              `json:"XksProxyUriPath,omitempty"`
	XksProxyVpcEndpointServiceName   string              `json:"XksProxyVpcEndpointServiceName,omitempty"`
	XksProxyVpcEndpointServiceOwner  string              `json:"XksProxyVpcEndpointServiceOwner,omitempty"`
}

// UpdateCustomKeyStoreOutput is the answer of [Service.UpdateCustomKeyStore].
type UpdateCustomKeyStoreOutput struct{}

// UpdateCustomKeyStore changes an external key store: its endpoint while it is
// disconnected, its name, path and credential also while it is connected. What is new
// of the proxy must answer first.
//
// It returns a *awserr.Error with code CustomKeyStoreNotFoundException,
// CustomKeyStoreInvalidStateException, or one of [Service.CreateCustomKeyStore].
//
// Source: AWS KMS API Reference, UpdateCustomKeyStore.
func (s *Service) UpdateCustomKeyStore(ctx context.Context, c *authn.Caller, in *UpdateCustomKeyStoreInput) (*UpdateCustomKeyStoreOutput, error) {
	const name = "UpdateCustomKeyStore"
	return run(ctx, s, c, name, changes, func(call *authz.Call) (*UpdateCustomKeyStoreOutput, error) {
		call.Param("customKeyStoreId", in.CustomKeyStoreID)
		recordStore(call, "newCustomKeyStoreName", in.NewCustomKeyStoreName, in.XksProxyConnectivity, in.XksProxyURIEndpoint, in.XksProxyURIPath, in.XksProxyAuthenticationCredential)
		var v checker
		v.required("customKeyStoreId", in.CustomKeyStoreID, maxStoreID)
		v.optional("newCustomKeyStoreName", in.NewCustomKeyStoreName, maxStoreName)
		v.cloudHSM(in.CloudHsmClusterID, in.KeyStorePassword, "")
		v.proxy(in.XksProxyConnectivity, in.XksProxyURIEndpoint, in.XksProxyURIPath, in.XksProxyVpcEndpointServiceName, in.XksProxyVpcEndpointServiceOwner, in.XksProxyAuthenticationCredential)
		if err := v.err(); err != nil {
			return nil, err
		}
		if err := permit(ctx, call, c, "kms:"+name); err != nil {
			return nil, err
		}
		if in.CloudHsmClusterID != "" || in.KeyStorePassword != "" {
			return nil, fault("ValidationException", "CloudHsmClusterId and KeyStorePassword are valid only for a CustomKeyStoreType of AWS_CLOUDHSM.")
		}
		if err := checkConnectivity(in.XksProxyConnectivity, in.XksProxyVpcEndpointServiceName); err != nil {
			return nil, err
		}
		change := &key.StoreChange{Name: given(in.NewCustomKeyStoreName), Endpoint: given(in.XksProxyURIEndpoint), Path: given(in.XksProxyURIPath)}
		if p := in.XksProxyAuthenticationCredential; p != nil {
			credential := p.credential()
			change.Credential = &credential
		}
		if *change == (key.StoreChange{}) {
			return nil, fault("ValidationException", "The request changes nothing.")
		}
		if _, err := s.keys.UpdateStore(outside(ctx, c, name), storeRef(c, in.CustomKeyStoreID), change, storeRecord(call)); err != nil {
			return nil, err
		}
		return &UpdateCustomKeyStoreOutput{}, nil
	})
}

// given returns nil for the empty string.
func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// storeRecord returns what runs last in a transaction that changes a key store.
func storeRecord(call *authz.Call) key.StoreAlso {
	return func(tx meta.Txn, store *key.CustomStore) error {
		call.Additional("customKeyStoreName", store.Name)
		return call.Record(tx)
	}
}

// CustomKeyStoreInput is the request of [Service.DeleteCustomKeyStore],
// [Service.ConnectCustomKeyStore] and [Service.DisconnectCustomKeyStore].
type CustomKeyStoreInput struct {
	CustomKeyStoreID string `json:"CustomKeyStoreId,omitempty"`
}

// CustomKeyStoreOutput is their answer.
type CustomKeyStoreOutput struct{}

// withStore runs one of them.
func (s *Service) withStore(ctx context.Context, c *authn.Caller, name string, in *CustomKeyStoreInput, act func(ctx context.Context, at key.StoreRef, also key.StoreAlso) error) (*CustomKeyStoreOutput, error) {
	return run(ctx, s, c, name, changes, func(call *authz.Call) (*CustomKeyStoreOutput, error) {
		call.Param("customKeyStoreId", in.CustomKeyStoreID)
		var v checker
		v.required("customKeyStoreId", in.CustomKeyStoreID, maxStoreID)
		if err := v.err(); err != nil {
			return nil, err
		}
		if err := permit(ctx, call, c, "kms:"+name); err != nil {
			return nil, err
		}
		if err := act(outside(ctx, c, name), storeRef(c, in.CustomKeyStoreID), storeRecord(call)); err != nil {
			return nil, err
		}
		return &CustomKeyStoreOutput{}, nil
	})
}

// DeleteCustomKeyStore removes a key store that is disconnected and has no keys, not
// even ones that are pending deletion. What is outside stays as it is.
//
// It returns a *awserr.Error with code ValidationException, AccessDeniedException,
// CustomKeyStoreNotFoundException, CustomKeyStoreInvalidStateException or
// CustomKeyStoreHasCMKsException.
//
// Source: AWS KMS API Reference, DeleteCustomKeyStore.
func (s *Service) DeleteCustomKeyStore(ctx context.Context, c *authn.Caller, in *CustomKeyStoreInput) (*CustomKeyStoreOutput, error) {
	return s.withStore(ctx, c, "DeleteCustomKeyStore", in, func(ctx context.Context, at key.StoreRef, also key.StoreAlso) error {
		return s.keys.DeleteStore(ctx, at, also)
	})
}

// ConnectCustomKeyStore connects a key store, if its proxy answers. It succeeds whether
// or not the store is connected then: DescribeCustomKeyStores says CONNECTED, or FAILED
// and why.
//
// It returns a *awserr.Error with code ValidationException, AccessDeniedException,
// CustomKeyStoreNotFoundException, or CustomKeyStoreInvalidStateException for a store
// that is FAILED.
//
// Source: AWS KMS API Reference, ConnectCustomKeyStore.
func (s *Service) ConnectCustomKeyStore(ctx context.Context, c *authn.Caller, in *CustomKeyStoreInput) (*CustomKeyStoreOutput, error) {
	return s.withStore(ctx, c, "ConnectCustomKeyStore", in, func(ctx context.Context, at key.StoreRef, also key.StoreAlso) error {
		_, err := s.keys.ConnectStore(ctx, at, also)
		return err
	})
}

// DisconnectCustomKeyStore disconnects a key store: its keys are unavailable until it
// is connected again.
//
// It returns a *awserr.Error with code ValidationException, AccessDeniedException,
// CustomKeyStoreNotFoundException, or CustomKeyStoreInvalidStateException for a store
// that is disconnected.
//
// Source: AWS KMS API Reference, DisconnectCustomKeyStore.
func (s *Service) DisconnectCustomKeyStore(ctx context.Context, c *authn.Caller, in *CustomKeyStoreInput) (*CustomKeyStoreOutput, error) {
	return s.withStore(ctx, c, "DisconnectCustomKeyStore", in, func(ctx context.Context, at key.StoreRef, also key.StoreAlso) error {
		_, err := s.keys.DisconnectStore(ctx, at, also)
		return err
	})
}
