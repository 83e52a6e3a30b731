package kms

import (
	"context"
	"errors"
	"fmt"
	"io"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/key"
	"coffer/internal/keyspec"
)

// dataKeySpecs are the kinds of data keys with their sizes in bytes.
var dataKeySpecs = map[string]int{"AES_128": 16, "AES_256": 32}

// GenerateDataKeyInput is the request of [Service.GenerateDataKey].
type GenerateDataKeyInput struct {
	KeyID             string            `json:"KeyId"`
	KeySpec           string            `json:"KeySpec,omitempty"` // AES_128 or AES_256
	NumberOfBytes     *int32            `json:"NumberOfBytes"`     // instead of KeySpec
	EncryptionContext map[string]string `json:"EncryptionContext,omitempty"`
	GrantTokens       []string          `json:"GrantTokens,omitempty"`
	DryRun            bool              `json:"DryRun,omitempty"`
	Recipient         *RecipientInfo    `json:"Recipient"`
}

// GenerateDataKeyOutput is the answer of [Service.GenerateDataKey]. The caller
// wipes it.
type GenerateDataKeyOutput struct {
	CiphertextBlob []byte    `json:"CiphertextBlob"`
	Plaintext      Plaintext `json:"Plaintext"`
	KeyID          string    `json:"KeyId"` // ARN
	KeyMaterialID  string    `json:"KeyMaterialId"`
}

// Wipe overwrites the data key in the clear with zeros.
func (o *GenerateDataKeyOutput) Wipe() { o.Plaintext.Wipe() }

// GenerateDataKey makes random bytes and returns them in the clear and
// encrypted under a key, bound to the encryption context. Its errors are those of
// [Service.Encrypt].
//
// Source: AWS KMS API Reference, GenerateDataKey.
func (s *Service) GenerateDataKey(ctx context.Context, c *authn.Caller, in *GenerateDataKeyInput) (*GenerateDataKeyOutput, error) {
	return run(ctx, s, c, "GenerateDataKey", reads, func(call *authz.Call) (*GenerateDataKeyOutput, error) {
		plain, sealed, err := s.dataKey(ctx, call, c, "GenerateDataKey", in)
		if err != nil {
			return nil, err
		}
		return &GenerateDataKeyOutput{CiphertextBlob: sealed.Blob, Plaintext: plain, KeyID: sealed.Key.ARN,
			KeyMaterialID: sealed.Material.String()}, nil
	})
}

// GenerateDataKeyWithoutPlaintextInput is the request of
// [Service.GenerateDataKeyWithoutPlaintext].
type GenerateDataKeyWithoutPlaintextInput struct {
	KeyID             string            `json:"KeyId"`
	KeySpec           string            `json:"KeySpec,omitempty"`
	NumberOfBytes     *int32            `json:"NumberOfBytes"`
	EncryptionContext map[string]string `json:"EncryptionContext,omitempty"`
	GrantTokens       []string          `json:"GrantTokens,omitempty"`
	DryRun            bool              `json:"DryRun,omitempty"`
}

// GenerateDataKeyWithoutPlaintextOutput is the answer of
// [Service.GenerateDataKeyWithoutPlaintext].
type GenerateDataKeyWithoutPlaintextOutput struct {
	CiphertextBlob []byte `json:"CiphertextBlob"`
	KeyID          string `json:"KeyId"` // ARN
	KeyMaterialID  string `json:"KeyMaterialId"`
}

// GenerateDataKeyWithoutPlaintext makes random bytes and returns them encrypted
// only. Its errors are those of [Service.Encrypt].
//
// Source: AWS KMS API Reference, GenerateDataKeyWithoutPlaintext.
func (s *Service) GenerateDataKeyWithoutPlaintext(ctx context.Context, c *authn.Caller, in *GenerateDataKeyWithoutPlaintextInput) (*GenerateDataKeyWithoutPlaintextOutput, error) {
	const name = "GenerateDataKeyWithoutPlaintext"
	return run(ctx, s, c, name, reads, func(call *authz.Call) (*GenerateDataKeyWithoutPlaintextOutput, error) {
		plain, sealed, err := s.dataKey(ctx, call, c, name, &GenerateDataKeyInput{KeyID: in.KeyID, KeySpec: in.KeySpec,
			NumberOfBytes: in.NumberOfBytes, EncryptionContext: in.EncryptionContext, GrantTokens: in.GrantTokens, DryRun: in.DryRun})
		if err != nil {
			return nil, err
		}
		plain.Wipe()
		return &GenerateDataKeyWithoutPlaintextOutput{CiphertextBlob: sealed.Blob, KeyID: sealed.Key.ARN,
			KeyMaterialID: sealed.Material.String()}, nil
	})
}

// dataKey makes a data key for the operation name.
func (s *Service) dataKey(ctx context.Context, call *authz.Call, c *authn.Caller, name string, in *GenerateDataKeyInput) (Plaintext, key.Sealed, error) {
	var none key.Sealed
	if in.KeyID != "" {
		call.Param("keyId", in.KeyID)
	}
	if in.KeySpec != "" {
		call.Param("keySpec", in.KeySpec)
	}
	if in.NumberOfBytes != nil {
		call.Param("numberOfBytes", *in.NumberOfBytes)
	}
	if len(in.EncryptionContext) > 0 {
		call.Param("encryptionContext", in.EncryptionContext)
	}
	if in.DryRun {
		call.Param("dryRun", true)
	}
	var v checker
	v.required("keyId", in.KeyID, maxKeyID)
	v.oneOf("keySpec", in.KeySpec, []string{"AES_256", "AES_128"})
	v.between("numberOfBytes", in.NumberOfBytes, 1, maxBytes)
	v.tokens(in.GrantTokens)
	if err := errors.Join(v.err(), checkContext(in.EncryptionContext), s.checkTokens(in.GrantTokens), refuseRecipient(in.Recipient)); err != nil {
		return nil, none, err
	}
	if (in.KeySpec == "") == (in.NumberOfBytes == nil) {
		return nil, none, fault("ValidationException", "Please specify either number of bytes or key spec.")
	}
	size := dataKeySpecs[in.KeySpec]
	if in.NumberOfBytes != nil {
		size = int(*in.NumberOfBytes)
	}
	q := &conditions{caller: c, algorithm: key.SpecSymmetricDefault, encryptionContext: in.EncryptionContext}
	k, err := s.use(ctx, call, q, "kms:"+name, in.KeyID, aliasesToo)
	if err == nil {
		err = call.Covers(k.ARN)
	}
	if err == nil {
		err = suits(k, name, keyspec.EncryptDecrypt, keyspec.EncryptSymmetricDefault)
	}
	if err != nil {
		return nil, none, err
	}
	ctx = outside(ctx, c, name)
	plain := make(Plaintext, size)
	if _, err := io.ReadFull(s.rand, plain); err != nil {
		return nil, none, fmt.Errorf("draw a data key: %w", err)
	}
	sealed, err := s.keys.Encrypt(ctx, k.Ref, plain, in.EncryptionContext)
	if err == nil && in.DryRun {
		err = dryRun()
	}
	if err != nil {
		plain.Wipe()
		return nil, none, about(k.ARN, err)
	}
	call.Additional("keyMaterialId", sealed.Material.String())
	return plain, sealed, nil
}

// GenerateRandomInput is the request of [Service.GenerateRandom].
type GenerateRandomInput struct {
	NumberOfBytes    *int32         `json:"NumberOfBytes"`
	CustomKeyStoreID string         `json:"CustomKeyStoreId,omitempty"`
	Recipient        *RecipientInfo `json:"Recipient"`
}

// noRandom returns the error for random bytes of a key store: only one of AWS CloudHSM
// has any.
//
// Source: AWS KMS API Reference, GenerateRandom, CustomKeyStoreId, read 2026-11-22.
func (s *Service) noRandom(ctx context.Context, c *authn.Caller, id string) error {
	if _, err := s.keys.Store(ctx, storeRef(c, id)); err != nil {
		return err
	}
	return unsupported("Random bytes can be generated in an AWS CloudHSM key store only.")
}

// GenerateRandomOutput is the answer of [Service.GenerateRandom]. The caller wipes
// it.
type GenerateRandomOutput struct {
	Plaintext Plaintext `json:"Plaintext"`
}

// Wipe overwrites the random bytes with zeros.
func (o *GenerateRandomOutput) Wipe() { o.Plaintext.Wipe() }

// GenerateRandom returns 1 to 1,024 random bytes.
//
// It returns a *awserr.Error with code ValidationException for another number,
// AccessDeniedException, or UnsupportedOperationException for what would need a
// custom key store or an enclave.
//
// Source: AWS KMS API Reference, GenerateRandom.
func (s *Service) GenerateRandom(ctx context.Context, c *authn.Caller, in *GenerateRandomInput) (*GenerateRandomOutput, error) {
	return run(ctx, s, c, "GenerateRandom", reads, func(call *authz.Call) (*GenerateRandomOutput, error) {
		if in.NumberOfBytes == nil {
			return nil, fault("ValidationException", "NumberOfBytes is required.")
		}
		var v checker
		v.between("numberOfBytes", in.NumberOfBytes, 1, maxBytes)
		if err := errors.Join(v.err(), refuseRecipient(in.Recipient)); err != nil {
			return nil, err
		}
		if err := permit(ctx, call, c, "kms:GenerateRandom"); err != nil {
			return nil, err
		}
		if in.CustomKeyStoreID != "" {
			return nil, s.noRandom(ctx, c, in.CustomKeyStoreID)
		}
		out := make(Plaintext, *in.NumberOfBytes)
		if _, err := io.ReadFull(s.rand, out); err != nil {
			return nil, fmt.Errorf("draw random bytes: %w", err)
		}
		return &GenerateRandomOutput{Plaintext: out}, nil
	})
}
