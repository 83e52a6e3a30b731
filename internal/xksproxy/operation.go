package xksproxy

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/key"
	"coffer/internal/xks"
)

// decode reads a request, and records what it says of its cause.
func decode(call *authz.Call, store *Store, r *Request, into xks.Request, m *xks.RequestMetadata) error {
	call.Param("xksProxyUriPath", store.Path)
	if r.KeyID != "" {
		call.Param("externalKeyId", r.KeyID)
	}
	if err := xks.UnmarshalRequest(r.Body, into); err != nil {
		return err
	}
	recorded := map[string]any{"kmsRequestId": m.KMSRequestID}
	for _, f := range facts(m) {
		recorded[f.name] = f.value
	}
	call.Param("requestMetadata", recorded)
	return nil
}

// health answers GetHealthStatus: it reads the metadata, derives a key from the root of
// trust, and encrypts and decrypts under it. It asks for no authorization, as the
// specification demands.
func (s *Service) health(ctx context.Context, call *authz.Call, store *Store, r *Request) (*xks.HealthResponse, error) {
	in := new(xks.HealthRequest)
	if err := decode(call, store, r, in, &in.RequestMetadata); err != nil {
		return nil, err
	}
	if _, err := s.cfg.Keys.Get(ctx, key.Ref{Account: store.Account, Region: store.Region, ID: "00000000-0000-0000-0000-000000000000"}); err != nil && !errors.Is(err, key.ErrNotFound) {
		return nil, fmt.Errorf("read metadata: %w", err)
	}
	if err := s.cfg.Keys.CheckExternal(); err != nil {
		return nil, err
	}
	return &xks.HealthResponse{
		XksProxyFleetSize: 1, XksProxyVendor: "Coffer", XksProxyModel: s.cfg.Model, EkmVendor: "Coffer",
		EkmFleetDetails: []xks.FleetMember{{ID: "coffer-1", Model: s.cfg.Model, HealthStatus: xks.HealthActive}},
	}, nil
}

// metadata answers GetKeyMetadata. It needs kms:DescribeKey.
func (s *Service) metadata(ctx context.Context, call *authz.Call, c *authn.Caller, store *Store, r *Request) (*xks.MetadataResponse, error) {
	in := new(xks.MetadataRequest)
	if err := decode(call, store, r, in, &in.RequestMetadata); err != nil {
		return nil, err
	}
	k, err := s.use(ctx, call, c, store, r.KeyID, "kms:DescribeKey", &in.RequestMetadata)
	if err != nil {
		return nil, err
	}
	out := &xks.MetadataResponse{KeySpec: k.Spec, KeyUsage: []string{}, KeyStatus: xks.StatusDisabled}
	switch {
	case k.Spec == key.SpecSymmetricDefault && k.ShredBy == "" && k.Origin != key.OriginKeyStore:
		out.KeySpec, out.KeyUsage = xks.KeySpecAES256, []string{xks.UsageEncrypt, xks.UsageDecrypt}
	case k.Spec == key.SpecSymmetricDefault:
		out.KeySpec = xks.KeySpecAES256 // and no use that a KMS could make of it
	}
	if k.State == key.Enabled {
		out.KeyStatus = xks.StatusEnabled
	}
	return out, nil
}

// encrypt answers Encrypt. It needs kms:Encrypt.
func (s *Service) encrypt(ctx context.Context, call *authz.Call, c *authn.Caller, store *Store, r *Request) (*xks.EncryptResponse, error) {
	in := new(xks.EncryptRequest)
	defer in.Wipe()
	if err := decode(call, store, r, in, &in.RequestMetadata); err != nil {
		return nil, err
	}
	k, err := s.use(ctx, call, c, store, r.KeyID, "kms:Encrypt", &in.RequestMetadata)
	if err != nil {
		return nil, err
	}
	aad := in.AdditionalAuthenticatedData
	sealed, _, err := s.cfg.Keys.EncryptExternal(ctx, k.Ref, in.Plaintext, aad)
	if err != nil {
		return nil, err
	}
	out := &xks.EncryptResponse{Ciphertext: sealed.Ciphertext, CiphertextMetadata: sealed.Metadata, InitializationVector: sealed.IV, AuthenticationTag: sealed.Tag}
	if in.IntegrityAlgorithm != "" {
		// Before the ciphertext is tried: what is damaged in memory from here on shows
		// at the KMS.
		out.IntegrityValue = xks.IntegrityValue(aad, out)
		if err := s.opens(ctx, k.Ref, out, aad, in.Plaintext); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// opens returns nil if an answer decrypts to plaintext. To the KMS, the integrity value
// says that it does.
func (s *Service) opens(ctx context.Context, ref key.Ref, out *xks.EncryptResponse, aad, plaintext []byte) error {
	again, _, err := s.cfg.Keys.DecryptExternal(ctx, ref,
		&key.ExternalCiphertext{Ciphertext: out.Ciphertext, Metadata: out.CiphertextMetadata, IV: out.InitializationVector, Tag: out.AuthenticationTag}, aad)
	defer clear(again)
	if errors.Is(err, key.ErrInvalidCiphertext) || err == nil && subtle.ConstantTimeCompare(again, plaintext) != 1 {
		return errors.New("a ciphertext does not decrypt to what was encrypted")
	}
	return err
}

// decrypt answers Decrypt. It needs kms:Decrypt.
func (s *Service) decrypt(ctx context.Context, call *authz.Call, c *authn.Caller, store *Store, r *Request) (*xks.DecryptResponse, error) {
	in := new(xks.DecryptRequest)
	if err := decode(call, store, r, in, &in.RequestMetadata); err != nil {
		return nil, err
	}
	k, err := s.use(ctx, call, c, store, r.KeyID, "kms:Decrypt", &in.RequestMetadata)
	if err != nil {
		return nil, err
	}
	plain, _, err := s.cfg.Keys.DecryptExternal(ctx, k.Ref,
		&key.ExternalCiphertext{Ciphertext: in.Ciphertext, Metadata: in.CiphertextMetadata, IV: in.InitializationVector, Tag: in.AuthenticationTag}, in.AdditionalAuthenticatedData)
	if err != nil {
		return nil, err
	}
	return &xks.DecryptResponse{Plaintext: plain}, nil
}
