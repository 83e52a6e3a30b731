package kms

import (
	"context"
	"errors"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/key"
	"coffer/internal/keyspec"
)

// Limits of key agreement.
//
// Source: AWS KMS API Reference, DeriveSharedSecret and Decapsulate, read 2026-11-21.
const (
	maxPublicKey    = 8192
	maxEncapsulated = 6144
)

// DeriveSharedSecretInput is the request of [Service.DeriveSharedSecret].
type DeriveSharedSecretInput struct {
	KeyID                 string         `json:"KeyId"`
	KeyAgreementAlgorithm string         `json:"KeyAgreementAlgorithm"`
	PublicKey             []byte         `json:"PublicKey"` // of the peer, a DER-encoded SubjectPublicKeyInfo
	GrantTokens           []string       `json:"GrantTokens,omitempty"`
	DryRun                bool           `json:"DryRun,omitempty"`
	Recipient             *RecipientInfo `json:"Recipient"`
}

// DeriveSharedSecretOutput is the answer of [Service.DeriveSharedSecret]. The caller
// wipes it.
type DeriveSharedSecretOutput struct {
	KeyID                 string    `json:"KeyId"` // ARN
	SharedSecret          Plaintext `json:"SharedSecret"`
	KeyAgreementAlgorithm string    `json:"KeyAgreementAlgorithm"`
	KeyOrigin             string    `json:"KeyOrigin"`
}

// Wipe overwrites the secret with zeros.
func (o *DeriveSharedSecretOutput) Wipe() { o.SharedSecret.Wipe() }

// DeriveSharedSecret returns the raw secret that a key and a peer's public key share.
// Its errors are those of [Service.Sign]; a public key that is none, or of another
// curve, is a ValidationException.
//
// Source: AWS KMS API Reference, DeriveSharedSecret.
func (s *Service) DeriveSharedSecret(ctx context.Context, c *authn.Caller, in *DeriveSharedSecretInput) (*DeriveSharedSecretOutput, error) {
	return run(ctx, s, c, "DeriveSharedSecret", reads, func(call *authz.Call) (*DeriveSharedSecretOutput, error) {
		var secret Plaintext
		of := &computation{
			operation: "DeriveSharedSecret", keyID: in.KeyID, usage: keyspec.KeyAgreement, member: "keyAgreementAlgorithm",
			algorithm: in.KeyAgreementAlgorithm, known: algorithmsOf(keyspec.KeyAgreement), tokens: in.GrantTokens, dryRun: in.DryRun,
			context: map[string]string{"kms:keyagreementalgorithm": in.KeyAgreementAlgorithm},
			check:   func(v *checker) { v.blob("publicKey", in.PublicKey, maxPublicKey) },
		}
		if err := refuseRecipient(in.Recipient); err != nil {
			return nil, err
		}
		k, err := s.compute(ctx, call, c, of, func(opened *keyspec.Key) (err error) {
			secret, err = opened.Derive(in.KeyAgreementAlgorithm, in.PublicKey)
			return err
		})
		if err != nil {
			secret.Wipe()
			return nil, err
		}
		return &DeriveSharedSecretOutput{KeyID: k.ARN, SharedSecret: secret, KeyAgreementAlgorithm: in.KeyAgreementAlgorithm,
			KeyOrigin: k.Origin}, nil
	})
}

// EncapsulateInput is the request of [Service.Encapsulate].
type EncapsulateInput struct {
	KeyID                  string   `json:"KeyId"`
	EncapsulationAlgorithm string   `json:"EncapsulationAlgorithm"`
	GrantTokens            []string `json:"GrantTokens,omitempty"`
	DryRun                 bool     `json:"DryRun,omitempty"`
}

// EncapsulateOutput is the answer of [Service.Encapsulate]. The caller wipes it.
type EncapsulateOutput struct {
	KeyID                      string    `json:"KeyId"` // ARN
	SharedSecret               Plaintext `json:"SharedSecret"`
	SharedSecretCiphertextBlob []byte    `json:"SharedSecretCiphertextBlob"`
	EncapsulationAlgorithm     string    `json:"EncapsulationAlgorithm"`
}

// Wipe overwrites the secret with zeros.
func (o *EncapsulateOutput) Wipe() { o.SharedSecret.Wipe() }

// Encapsulate makes a shared secret, in the clear and encapsulated under the public
// key of an ML-KEM key. Its errors are those of [Service.Sign].
//
// Source: AWS KMS API Reference, Encapsulate.
func (s *Service) Encapsulate(ctx context.Context, c *authn.Caller, in *EncapsulateInput) (*EncapsulateOutput, error) {
	return run(ctx, s, c, "Encapsulate", reads, func(call *authz.Call) (*EncapsulateOutput, error) {
		out := &EncapsulateOutput{EncapsulationAlgorithm: in.EncapsulationAlgorithm}
		k, err := s.compute(ctx, call, c, encapsulating("Encapsulate", in, nil), func(opened *keyspec.Key) (err error) {
			out.SharedSecret, out.SharedSecretCiphertextBlob, err = opened.Encapsulate(in.EncapsulationAlgorithm)
			return err
		})
		if err != nil {
			out.Wipe()
			return nil, err
		}
		out.KeyID = k.ARN
		return out, nil
	})
}

// encapsulating describes an Encapsulate or a Decapsulate.
func encapsulating(operation string, in *EncapsulateInput, check func(*checker)) *computation {
	return &computation{
		operation: operation, keyID: in.KeyID, usage: keyspec.EncapsulateDecapsulate, member: "encapsulationAlgorithm",
		algorithm: in.EncapsulationAlgorithm, known: algorithmsOf(keyspec.EncapsulateDecapsulate), tokens: in.GrantTokens,
		dryRun: in.DryRun, check: check,
	}
}

// DecapsulateInput is the request of [Service.Decapsulate].
type DecapsulateInput struct {
	KeyID                      string   `json:"KeyId"`
	SharedSecretCiphertextBlob []byte   `json:"SharedSecretCiphertextBlob"`
	EncapsulationAlgorithm     string   `json:"EncapsulationAlgorithm"`
	GrantTokens                []string `json:"GrantTokens,omitempty"`
	DryRun                     bool     `json:"DryRun,omitempty"`
}

// DecapsulateOutput is the answer of [Service.Decapsulate]. The caller wipes it.
type DecapsulateOutput struct {
	KeyID                  string    `json:"KeyId"` // ARN
	SharedSecret           Plaintext `json:"SharedSecret"`
	EncapsulationAlgorithm string    `json:"EncapsulationAlgorithm"`
}

// Wipe overwrites the secret with zeros.
func (o *DecapsulateOutput) Wipe() { o.SharedSecret.Wipe() }

// Decapsulate returns the secret that was encapsulated under a key. Its errors are
// those of [Service.Sign], and InvalidCiphertextException for a ciphertext of another
// length. One that was made for another key, or altered, gives a secret that nobody
// else knows: ML-KEM tells it from nothing.
//
// Source: AWS KMS API Reference, Decapsulate; FIPS 203, section 3.2.
func (s *Service) Decapsulate(ctx context.Context, c *authn.Caller, in *DecapsulateInput) (*DecapsulateOutput, error) {
	return run(ctx, s, c, "Decapsulate", reads, func(call *authz.Call) (*DecapsulateOutput, error) {
		var secret Plaintext
		of := encapsulating("Decapsulate", &EncapsulateInput{KeyID: in.KeyID, EncapsulationAlgorithm: in.EncapsulationAlgorithm,
			GrantTokens: in.GrantTokens, DryRun: in.DryRun},
			func(v *checker) { v.blob("sharedSecretCiphertextBlob", in.SharedSecretCiphertextBlob, maxEncapsulated) })
		k, err := s.compute(ctx, call, c, of, func(opened *keyspec.Key) (err error) {
			secret, err = opened.Decapsulate(in.EncapsulationAlgorithm, in.SharedSecretCiphertextBlob)
			return err
		})
		if err != nil {
			secret.Wipe()
			return nil, err
		}
		return &DecapsulateOutput{KeyID: k.ARN, SharedSecret: secret, EncapsulationAlgorithm: in.EncapsulationAlgorithm}, nil
	})
}

// GenerateDataKeyPairInput is the request of [Service.GenerateDataKeyPair].
type GenerateDataKeyPairInput struct {
	KeyID             string            `json:"KeyId"` // of a symmetric key
	KeyPairSpec       string            `json:"KeyPairSpec"`
	EncryptionContext map[string]string `json:"EncryptionContext,omitempty"`
	GrantTokens       []string          `json:"GrantTokens,omitempty"`
	DryRun            bool              `json:"DryRun,omitempty"`
	Recipient         *RecipientInfo    `json:"Recipient"`
}

// GenerateDataKeyPairOutput is the answer of [Service.GenerateDataKeyPair]. The caller
// wipes it.
type GenerateDataKeyPairOutput struct {
	PrivateKeyCiphertextBlob []byte    `json:"PrivateKeyCiphertextBlob"`
	PrivateKeyPlaintext      Plaintext `json:"PrivateKeyPlaintext"` // PKCS #8
	PublicKey                []byte    `json:"PublicKey"`           // DER-encoded SubjectPublicKeyInfo
	KeyID                    string    `json:"KeyId"`               // ARN
	KeyPairSpec              string    `json:"KeyPairSpec"`
	KeyMaterialID            string    `json:"KeyMaterialId"`
}

// Wipe overwrites the private key with zeros.
func (o *GenerateDataKeyPairOutput) Wipe() { o.PrivateKeyPlaintext.Wipe() }

// GenerateDataKeyPair makes an asymmetric key pair and returns the private key in the
// clear and encrypted under a symmetric key, bound to the encryption context. Its
// errors are those of [Service.Encrypt].
//
// Source: AWS KMS API Reference, GenerateDataKeyPair.
func (s *Service) GenerateDataKeyPair(ctx context.Context, c *authn.Caller, in *GenerateDataKeyPairInput) (*GenerateDataKeyPairOutput, error) {
	return run(ctx, s, c, "GenerateDataKeyPair", reads, func(call *authz.Call) (*GenerateDataKeyPairOutput, error) {
		return s.keyPair(ctx, call, c, "GenerateDataKeyPair", in)
	})
}

// GenerateDataKeyPairWithoutPlaintextInput is the request of
// [Service.GenerateDataKeyPairWithoutPlaintext].
type GenerateDataKeyPairWithoutPlaintextInput struct {
	KeyID             string            `json:"KeyId"`
	KeyPairSpec       string            `json:"KeyPairSpec"`
	EncryptionContext map[string]string `json:"EncryptionContext,omitempty"`
	GrantTokens       []string          `json:"GrantTokens,omitempty"`
	DryRun            bool              `json:"DryRun,omitempty"`
}

// GenerateDataKeyPairWithoutPlaintextOutput is the answer of
// [Service.GenerateDataKeyPairWithoutPlaintext].
type GenerateDataKeyPairWithoutPlaintextOutput struct {
	PrivateKeyCiphertextBlob []byte `json:"PrivateKeyCiphertextBlob"`
	PublicKey                []byte `json:"PublicKey"`
	KeyID                    string `json:"KeyId"` // ARN
	KeyPairSpec              string `json:"KeyPairSpec"`
	KeyMaterialID            string `json:"KeyMaterialId"`
}

// GenerateDataKeyPairWithoutPlaintext makes a key pair and returns the private key
// encrypted only. Its errors are those of [Service.Encrypt].
//
// Source: AWS KMS API Reference, GenerateDataKeyPairWithoutPlaintext.
func (s *Service) GenerateDataKeyPairWithoutPlaintext(ctx context.Context, c *authn.Caller, in *GenerateDataKeyPairWithoutPlaintextInput) (*GenerateDataKeyPairWithoutPlaintextOutput, error) {
	const name = "GenerateDataKeyPairWithoutPlaintext"
	return run(ctx, s, c, name, reads, func(call *authz.Call) (*GenerateDataKeyPairWithoutPlaintextOutput, error) {
		out, err := s.keyPair(ctx, call, c, name, &GenerateDataKeyPairInput{KeyID: in.KeyID, KeyPairSpec: in.KeyPairSpec,
			EncryptionContext: in.EncryptionContext, GrantTokens: in.GrantTokens, DryRun: in.DryRun})
		if err != nil {
			return nil, err
		}
		out.Wipe()
		return &GenerateDataKeyPairWithoutPlaintextOutput{PrivateKeyCiphertextBlob: out.PrivateKeyCiphertextBlob,
			PublicKey: out.PublicKey, KeyID: out.KeyID, KeyPairSpec: out.KeyPairSpec, KeyMaterialID: out.KeyMaterialID}, nil
	})
}

// keyPair makes a key pair for the operation name.
func (s *Service) keyPair(ctx context.Context, call *authz.Call, c *authn.Caller, name string, in *GenerateDataKeyPairInput) (*GenerateDataKeyPairOutput, error) {
	call.Param("keyId", in.KeyID)
	call.Param("keyPairSpec", in.KeyPairSpec)
	if len(in.EncryptionContext) > 0 {
		call.Param("encryptionContext", in.EncryptionContext)
	}
	if in.DryRun {
		call.Param("dryRun", true)
	}
	var v checker
	v.required("keyId", in.KeyID, maxKeyID)
	if in.KeyPairSpec == "" {
		v.add("Value null", "keyPairSpec", "Member must not be null")
	}
	v.oneOf("keyPairSpec", in.KeyPairSpec, keyspec.DataKeyPairNames())
	v.tokens(in.GrantTokens)
	if err := errors.Join(v.err(), checkContext(in.EncryptionContext), s.checkTokens(in.GrantTokens), refuseRecipient(in.Recipient)); err != nil {
		return nil, err
	}
	spec, _ := keyspec.Lookup(in.KeyPairSpec)
	q := &conditions{caller: c, algorithm: keyspec.EncryptSymmetricDefault, encryptionContext: in.EncryptionContext,
		more: map[string]string{"kms:datakeypairspec": in.KeyPairSpec}}
	k, err := s.use(ctx, call, q, "kms:"+name, in.KeyID, aliasesToo)
	if err == nil {
		err = call.Covers(k.ARN)
	}
	if err == nil {
		err = suits(k, name, keyspec.EncryptDecrypt, keyspec.EncryptSymmetricDefault)
	}
	if err == nil && k.Origin == key.OriginKeyStore {
		// Source: AWS KMS API Reference, GenerateDataKeyPair, read 2026-11-22.
		err = unsupported("%s origin is %s which is not valid for this operation.", k.ARN, k.Origin)
	}
	if err != nil {
		return nil, err
	}
	if in.DryRun {
		return nil, s.orDryRun(ctx, k, in.EncryptionContext)
	}
	private, err := keyspec.Generate(spec)
	if err != nil {
		return nil, about(k.ARN, err)
	}
	pair, err := keyspec.Open(spec, private)
	if err != nil {
		clear(private)
		return nil, err
	}
	defer pair.Wipe()
	sealed, err := s.keys.Encrypt(ctx, k.Ref, private, in.EncryptionContext)
	if err != nil {
		clear(private)
		return nil, about(k.ARN, err)
	}
	call.Additional("keyMaterialId", sealed.Material.String())
	return &GenerateDataKeyPairOutput{PrivateKeyCiphertextBlob: sealed.Blob, PrivateKeyPlaintext: private, PublicKey: pair.Public(),
		KeyID: k.ARN, KeyPairSpec: in.KeyPairSpec, KeyMaterialID: sealed.Material.String()}, nil
}
