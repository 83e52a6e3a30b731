package kms

import (
	"context"
	"errors"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/keyspec"
)

// Values of the API's model.
var (
	signingAlgorithms = algorithmsOf(keyspec.SignVerify, "SM2DSA")
	macAlgorithms     = algorithmsOf(keyspec.GenerateVerifyMAC)
	messageTypes      = []string{keyspec.Raw, keyspec.Digest, keyspec.ExternalMu}
)

const (
	maxMessage = 4096 // bytes
	maxProof   = 6144 // of a signature or a MAC
)

// SignInput is the request of [Service.Sign].
type SignInput struct {
	KeyID            string   `json:"KeyId"`
	Message          []byte   `json:"Message"`
	MessageType      string   `json:"MessageType,omitempty"` // RAW if empty
	SigningAlgorithm string   `json:"SigningAlgorithm"`
	GrantTokens      []string `json:"GrantTokens,omitempty"`
	DryRun           bool     `json:"DryRun,omitempty"`
}

// SignOutput is the answer of [Service.Sign].
type SignOutput struct {
	KeyID            string `json:"KeyId"` // ARN
	Signature        []byte `json:"Signature"`
	SigningAlgorithm string `json:"SigningAlgorithm"`
}

// Sign signs a message of up to 4,096 bytes, or its digest.
//
// It returns a *awserr.Error with code
//
//   - ValidationException if a member is missing or out of its range, or a digest is
//     of another length than the algorithm's,
//   - NotFoundException or InvalidArnException if in.KeyID names no key,
//   - AccessDeniedException if the caller may not sign with it,
//   - InvalidKeyUsageException if the key is not for signing, or does not know the
//     algorithm,
//   - DisabledException or KMSInvalidStateException if the key's state forbids it,
//   - DryRunOperationException if nothing but in.DryRun speaks against it.
//
// Source: AWS KMS API Reference, Sign.
func (s *Service) Sign(ctx context.Context, c *authn.Caller, in *SignInput) (*SignOutput, error) {
	return run(ctx, s, c, "Sign", reads, func(call *authz.Call) (*SignOutput, error) {
		var signature []byte
		k, err := s.compute(ctx, call, c, signing("Sign", in, call, nil), func(opened *keyspec.Key) (err error) {
			signature, err = opened.Sign(in.SigningAlgorithm, in.Message, orDefault(in.MessageType, keyspec.Raw))
			return err
		})
		if err != nil {
			return nil, unsigned(in, err)
		}
		return &SignOutput{KeyID: k.ARN, Signature: signature, SigningAlgorithm: in.SigningAlgorithm}, nil
	})
}

// signing describes a Sign or a Verify.
func signing(operation string, in *SignInput, call *authz.Call, more func(*checker)) *computation {
	kind := orDefault(in.MessageType, keyspec.Raw)
	call.Param("messageType", kind)
	return &computation{
		operation: operation, keyID: in.KeyID, usage: keyspec.SignVerify, member: "signingAlgorithm",
		algorithm: in.SigningAlgorithm, known: signingAlgorithms, tokens: in.GrantTokens, dryRun: in.DryRun,
		context: map[string]string{"kms:signingalgorithm": in.SigningAlgorithm, "kms:messagetype": kind},
		check: func(v *checker) {
			v.blob("message", in.Message, maxMessage)
			v.oneOf("messageType", in.MessageType, messageTypes)
			if more != nil {
				more(v)
			}
		},
	}
}

// unsigned words the errors that are about the type of a message as AWS does.
func unsigned(in *SignInput, err error) error {
	switch {
	case errors.Is(err, keyspec.ErrMessageType):
		return fault("ValidationException", "Message type %s is incompatible with algorithm %s.", orDefault(in.MessageType, keyspec.Raw), in.SigningAlgorithm)
	case errors.Is(err, keyspec.ErrDigestLength):
		return fault("ValidationException", "Digest is invalid length for algorithm %s.", in.SigningAlgorithm)
	}
	return err
}

// VerifyInput is the request of [Service.Verify].
type VerifyInput struct {
	KeyID            string   `json:"KeyId"`
	Message          []byte   `json:"Message"`
	MessageType      string   `json:"MessageType,omitempty"` // RAW if empty
	Signature        []byte   `json:"Signature"`
	SigningAlgorithm string   `json:"SigningAlgorithm"`
	GrantTokens      []string `json:"GrantTokens,omitempty"`
	DryRun           bool     `json:"DryRun,omitempty"`
}

// VerifyOutput is the answer of [Service.Verify].
type VerifyOutput struct {
	KeyID            string `json:"KeyId"`          // ARN
	SignatureValid   bool   `json:"SignatureValid"` // true: otherwise Verify returns an error
	SigningAlgorithm string `json:"SigningAlgorithm"`
}

// Verify checks a signature. Its errors are those of [Service.Sign], and
// KMSInvalidSignatureException for a signature that is not one of the message.
//
// Source: AWS KMS API Reference, Verify.
func (s *Service) Verify(ctx context.Context, c *authn.Caller, in *VerifyInput) (*VerifyOutput, error) {
	return run(ctx, s, c, "Verify", reads, func(call *authz.Call) (*VerifyOutput, error) {
		signed := &SignInput{KeyID: in.KeyID, Message: in.Message, MessageType: in.MessageType, SigningAlgorithm: in.SigningAlgorithm,
			GrantTokens: in.GrantTokens, DryRun: in.DryRun}
		of := signing("Verify", signed, call, func(v *checker) { v.blob("signature", in.Signature, maxProof) })
		k, err := s.compute(ctx, call, c, of, func(opened *keyspec.Key) error {
			return opened.Verify(in.SigningAlgorithm, in.Message, orDefault(in.MessageType, keyspec.Raw), in.Signature)
		})
		if err != nil {
			return nil, unsigned(signed, err)
		}
		return &VerifyOutput{KeyID: k.ARN, SignatureValid: true, SigningAlgorithm: in.SigningAlgorithm}, nil
	})
}

// GenerateMacInput is the request of [Service.GenerateMac].
type GenerateMacInput struct {
	KeyID        string   `json:"KeyId"`
	Message      []byte   `json:"Message"`
	MacAlgorithm string   `json:"MacAlgorithm"`
	GrantTokens  []string `json:"GrantTokens,omitempty"`
	DryRun       bool     `json:"DryRun,omitempty"`
}

// GenerateMacOutput is the answer of [Service.GenerateMac].
type GenerateMacOutput struct {
	KeyID        string `json:"KeyId"` // ARN
	Mac          []byte `json:"Mac"`
	MacAlgorithm string `json:"MacAlgorithm"`
}

// GenerateMac returns the HMAC of a message of up to 4,096 bytes. Its errors are
// those of [Service.Sign].
//
// Source: AWS KMS API Reference, GenerateMac.
func (s *Service) GenerateMac(ctx context.Context, c *authn.Caller, in *GenerateMacInput) (*GenerateMacOutput, error) {
	return run(ctx, s, c, "GenerateMac", reads, func(call *authz.Call) (*GenerateMacOutput, error) {
		var mac []byte
		k, err := s.compute(ctx, call, c, macing("GenerateMac", in, nil), func(opened *keyspec.Key) (err error) {
			mac, err = opened.GenerateMAC(in.MacAlgorithm, in.Message)
			return err
		})
		if err != nil {
			return nil, err
		}
		return &GenerateMacOutput{KeyID: k.ARN, Mac: mac, MacAlgorithm: in.MacAlgorithm}, nil
	})
}

// macing describes a GenerateMac or a VerifyMac.
func macing(operation string, in *GenerateMacInput, more func(*checker)) *computation {
	return &computation{
		operation: operation, keyID: in.KeyID, usage: keyspec.GenerateVerifyMAC, member: "macAlgorithm",
		algorithm: in.MacAlgorithm, known: macAlgorithms, tokens: in.GrantTokens, dryRun: in.DryRun,
		context: map[string]string{"kms:macalgorithm": in.MacAlgorithm},
		check: func(v *checker) {
			v.blob("message", in.Message, maxMessage)
			if more != nil {
				more(v)
			}
		},
	}
}

// VerifyMacInput is the request of [Service.VerifyMac].
type VerifyMacInput struct {
	KeyID        string   `json:"KeyId"`
	Message      []byte   `json:"Message"`
	Mac          []byte   `json:"Mac"`
	MacAlgorithm string   `json:"MacAlgorithm"`
	GrantTokens  []string `json:"GrantTokens,omitempty"`
	DryRun       bool     `json:"DryRun,omitempty"`
}

// VerifyMacOutput is the answer of [Service.VerifyMac].
type VerifyMacOutput struct {
	KeyID        string `json:"KeyId"`    // ARN
	MacValid     bool   `json:"MacValid"` // true: otherwise VerifyMac returns an error
	MacAlgorithm string `json:"MacAlgorithm"`
}

// VerifyMac checks an HMAC. Its errors are those of [Service.Sign], and
// KMSInvalidMacException for another one.
//
// Source: AWS KMS API Reference, VerifyMac.
func (s *Service) VerifyMac(ctx context.Context, c *authn.Caller, in *VerifyMacInput) (*VerifyMacOutput, error) {
	return run(ctx, s, c, "VerifyMac", reads, func(call *authz.Call) (*VerifyMacOutput, error) {
		of := macing("VerifyMac", &GenerateMacInput{KeyID: in.KeyID, Message: in.Message, MacAlgorithm: in.MacAlgorithm,
			GrantTokens: in.GrantTokens, DryRun: in.DryRun}, func(v *checker) { v.blob("mac", in.Mac, maxProof) })
		k, err := s.compute(ctx, call, c, of, func(opened *keyspec.Key) error {
			return opened.VerifyMAC(in.MacAlgorithm, in.Message, in.Mac)
		})
		if err != nil {
			return nil, err
		}
		return &VerifyMacOutput{KeyID: k.ARN, MacValid: true, MacAlgorithm: in.MacAlgorithm}, nil
	})
}

// GetPublicKeyInput is the request of [Service.GetPublicKey].
type GetPublicKeyInput struct {
	KeyID       string   `json:"KeyId"`
	GrantTokens []string `json:"GrantTokens,omitempty"`
}

// GetPublicKeyOutput is the answer of [Service.GetPublicKey].
type GetPublicKeyOutput struct {
	KeyID                 string `json:"KeyId"` // ARN
	CustomerMasterKeySpec string `json:"CustomerMasterKeySpec"`
	KeySpec               string `json:"KeySpec"`
	KeyUsage              string `json:"KeyUsage"`
	PublicKey             []byte `json:"PublicKey"` // DER-encoded SubjectPublicKeyInfo

	EncryptionAlgorithms    []string `json:"EncryptionAlgorithms,omitempty"` // one of the lists, by KeyUsage
	SigningAlgorithms       []string `json:"SigningAlgorithms,omitempty"`
	KeyAgreementAlgorithms  []string `json:"KeyAgreementAlgorithms,omitempty"`
	EncapsulationAlgorithms []string `json:"EncapsulationAlgorithms,omitempty"`
}

// GetPublicKey returns the public key of an asymmetric key.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// InvalidArnException, AccessDeniedException, DisabledException,
// KMSInvalidStateException, or UnsupportedOperationException for a symmetric key.
//
// Source: AWS KMS API Reference, GetPublicKey.
func (s *Service) GetPublicKey(ctx context.Context, c *authn.Caller, in *GetPublicKeyInput) (*GetPublicKeyOutput, error) {
	return run(ctx, s, c, "GetPublicKey", reads, func(call *authz.Call) (*GetPublicKeyOutput, error) {
		call.Param("keyId", in.KeyID)
		var v checker
		v.required("keyId", in.KeyID, maxKeyID)
		v.tokens(in.GrantTokens)
		if err := errors.Join(v.err(), s.checkTokens(in.GrantTokens)); err != nil {
			return nil, err
		}
		k, err := s.use(ctx, call, &conditions{caller: c, atOnce: true}, "kms:GetPublicKey", in.KeyID, aliasesToo)
		if err == nil {
			err = call.Covers(k.ARN)
		}
		if err != nil {
			return nil, err
		}
		if spec, ok := keyspec.Lookup(k.Spec); !ok || !spec.Asymmetric() {
			return nil, unsupported("%s is a symmetric key, which has no public key.", k.ARN)
		}
		der, err := s.keys.Public(ctx, k.Ref)
		if err != nil {
			return nil, about(k.ARN, err)
		}
		return &GetPublicKeyOutput{KeyID: k.ARN, CustomerMasterKeySpec: k.Spec, KeySpec: k.Spec, KeyUsage: k.Usage, PublicKey: der,
			EncryptionAlgorithms: algorithms(k, keyspec.EncryptDecrypt), SigningAlgorithms: algorithms(k, keyspec.SignVerify),
			KeyAgreementAlgorithms:  algorithms(k, keyspec.KeyAgreement),
			EncapsulationAlgorithms: algorithms(k, keyspec.EncapsulateDecapsulate)}, nil
	})
}
