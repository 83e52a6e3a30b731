package kms

import (
	"context"
	"errors"
	"fmt"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/key"
	"coffer/internal/keyspec"
)

// encryptionAlgorithms are those that AWS knows.
var encryptionAlgorithms = []string{key.SpecSymmetricDefault, keyspec.OAEPSHA1, keyspec.OAEPSHA256, "SM2PKE"}

// ignoreCiphertext is the modifier of a dry run that leaves the ciphertext out.
const ignoreCiphertext = "IGNORE_CIPHERTEXT"

// A RecipientInfo names an enclave that an answer is to be encrypted for. It is
// read so that it can be refused: an answer in the clear is what it forbids.
type RecipientInfo struct {
	KeyEncryptionAlgorithm string `json:"KeyEncryptionAlgorithm,omitempty"`
	AttestationDocument    []byte `json:"AttestationDocument,omitempty"`
}

// EncryptInput is the request of [Service.Encrypt].
type EncryptInput struct {
	KeyID               string            `json:"KeyId"`
	Plaintext           Plaintext         `json:"Plaintext"`
	EncryptionContext   map[string]string `json:"EncryptionContext,omitempty"`
	EncryptionAlgorithm string            `json:"EncryptionAlgorithm,omitempty"`
	GrantTokens         []string          `json:"GrantTokens,omitempty"`
	DryRun              bool              `json:"DryRun,omitempty"`
}

// EncryptOutput is the answer of [Service.Encrypt].
type EncryptOutput struct {
	CiphertextBlob      []byte `json:"CiphertextBlob"`
	KeyID               string `json:"KeyId"` // ARN
	EncryptionAlgorithm string `json:"EncryptionAlgorithm"`
}

// Encrypt encrypts up to 4,096 bytes under a key, bound to the encryption
// context. It wipes in.Plaintext.
//
// It returns a *awserr.Error with code
//
//   - ValidationException if a member is missing or out of its range,
//   - NotFoundException or InvalidArnException if in.KeyID names no key,
//   - AccessDeniedException if the caller may not encrypt under it,
//   - DisabledException or KMSInvalidStateException if the key's state forbids it,
//   - InvalidKeyUsageException for an algorithm of other keys,
//   - DryRunOperationException if nothing but in.DryRun speaks against it.
//
// Source: AWS KMS API Reference, Encrypt.
func (s *Service) Encrypt(ctx context.Context, c *authn.Caller, in *EncryptInput) (*EncryptOutput, error) {
	defer in.Plaintext.Wipe()
	ctx = outside(ctx, c, "Encrypt")
	return run(ctx, s, c, "Encrypt", reads, func(call *authz.Call) (*EncryptOutput, error) {
		recordCrypto(call, "", in.KeyID, in.EncryptionContext, in.EncryptionAlgorithm, in.DryRun)
		var v checker
		v.required("keyId", in.KeyID, maxKeyID)
		v.blob("plaintext", in.Plaintext, maxPlaintext)
		v.oneOf("encryptionAlgorithm", in.EncryptionAlgorithm, encryptionAlgorithms)
		v.tokens(in.GrantTokens)
		if err := errors.Join(v.err(), checkContext(in.EncryptionContext), s.checkTokens(in.GrantTokens)); err != nil {
			return nil, err
		}
		q := &conditions{caller: c, algorithm: orDefault(in.EncryptionAlgorithm, key.SpecSymmetricDefault), encryptionContext: in.EncryptionContext}
		k, err := s.use(ctx, call, q, "kms:Encrypt", in.KeyID, aliasesToo)
		if err == nil {
			err = call.Covers(k.ARN)
		}
		if err != nil {
			return nil, err
		}
		if err := suits(k, "Encrypt", keyspec.EncryptDecrypt, q.algorithm); err != nil {
			return nil, err
		}
		if in.DryRun {
			return nil, s.orDryRun(ctx, k, in.EncryptionContext)
		}
		blob, material, err := s.seal(ctx, k, q.algorithm, in.Plaintext, in.EncryptionContext)
		if err != nil {
			return nil, err
		}
		if material != "" {
			call.Additional("keyMaterialId", material)
		}
		return &EncryptOutput{CiphertextBlob: blob, KeyID: k.ARN, EncryptionAlgorithm: q.algorithm}, nil
	})
}

// DecryptInput is the request of [Service.Decrypt].
type DecryptInput struct {
	CiphertextBlob      []byte            `json:"CiphertextBlob"`
	KeyID               string            `json:"KeyId,omitempty"`
	EncryptionContext   map[string]string `json:"EncryptionContext,omitempty"`
	EncryptionAlgorithm string            `json:"EncryptionAlgorithm,omitempty"`
	GrantTokens         []string          `json:"GrantTokens,omitempty"`
	DryRun              bool              `json:"DryRun,omitempty"`
	DryRunModifiers     []string          `json:"DryRunModifiers,omitempty"`
	Recipient           *RecipientInfo    `json:"Recipient"`
}

// DecryptOutput is the answer of [Service.Decrypt]. The caller wipes it.
type DecryptOutput struct {
	KeyID               string    `json:"KeyId"` // ARN
	Plaintext           Plaintext `json:"Plaintext"`
	EncryptionAlgorithm string    `json:"EncryptionAlgorithm"`
	KeyMaterialID       string    `json:"KeyMaterialId,omitempty"` // of a symmetric key
}

// Wipe overwrites the plaintext with zeros.
func (o *DecryptOutput) Wipe() { o.Plaintext.Wipe() }

// Decrypt opens a ciphertext under the same encryption context. The ciphertext
// says which key made it; if in.KeyID is given it must be that one.
//
// It returns a *awserr.Error with code
//
//   - ValidationException if a member is missing or out of its range,
//   - InvalidCiphertextException if the ciphertext is damaged or belongs to
//     another encryption context,
//   - IncorrectKeyException if another key than in.KeyID made it,
//   - AccessDeniedException if the caller may not decrypt with the key, or none
//     here made the ciphertext,
//   - NotFoundException, InvalidArnException, DisabledException,
//     KMSInvalidStateException, InvalidKeyUsageException and
//     DryRunOperationException as [Service.Encrypt].
//
// Source: AWS KMS API Reference, Decrypt.
func (s *Service) Decrypt(ctx context.Context, c *authn.Caller, in *DecryptInput) (*DecryptOutput, error) {
	ctx = outside(ctx, c, "Decrypt")
	return run(ctx, s, c, "Decrypt", reads, func(call *authz.Call) (*DecryptOutput, error) {
		recordCrypto(call, "", in.KeyID, in.EncryptionContext, in.EncryptionAlgorithm, in.DryRun)
		var v checker
		v.optional("keyId", in.KeyID, maxKeyID)
		v.oneOf("encryptionAlgorithm", in.EncryptionAlgorithm, encryptionAlgorithms)
		v.tokens(in.GrantTokens)
		withoutBlob := v.modifiers(in.DryRun, in.DryRunModifiers)
		if !withoutBlob || in.CiphertextBlob != nil {
			v.blob("ciphertextBlob", in.CiphertextBlob, maxBlob)
		}
		if err := errors.Join(v.err(), checkContext(in.EncryptionContext), s.checkTokens(in.GrantTokens), refuseRecipient(in.Recipient)); err != nil {
			return nil, err
		}
		q := &conditions{caller: c, algorithm: orDefault(in.EncryptionAlgorithm, key.SpecSymmetricDefault), encryptionContext: in.EncryptionContext}
		k, err := s.origin(ctx, call, q, "kms:Decrypt", in.KeyID, in.CiphertextBlob, withoutBlob)
		if err != nil {
			return nil, err
		}
		if err := suits(k, "Decrypt", keyspec.EncryptDecrypt, q.algorithm); err != nil {
			return nil, err
		}
		if withoutBlob {
			return nil, s.orDryRun(ctx, k, in.EncryptionContext)
		}
		plain, material, err := s.open(ctx, call, k, q.algorithm, in.CiphertextBlob, in.EncryptionContext)
		if err != nil {
			return nil, err
		}
		if in.DryRun {
			plain.Wipe()
			return nil, dryRun()
		}
		if material != "" {
			call.Additional("keyMaterialId", material)
		}
		return &DecryptOutput{KeyID: k.ARN, Plaintext: plain, EncryptionAlgorithm: q.algorithm, KeyMaterialID: material}, nil
	})
}

// ReEncryptInput is the request of [Service.ReEncrypt].
type ReEncryptInput struct {
	CiphertextBlob                 []byte            `json:"CiphertextBlob"`
	SourceKeyID                    string            `json:"SourceKeyId,omitempty"`
	SourceEncryptionContext        map[string]string `json:"SourceEncryptionContext,omitempty"`
	SourceEncryptionAlgorithm      string            `json:"SourceEncryptionAlgorithm,omitempty"`
	DestinationKeyID               string            `json:"DestinationKeyId"`
	DestinationEncryptionContext   map[string]string `json:"DestinationEncryptionContext,omitempty"`
	DestinationEncryptionAlgorithm string            `json:"DestinationEncryptionAlgorithm,omitempty"`
	GrantTokens                    []string          `json:"GrantTokens,omitempty"`
	DryRun                         bool              `json:"DryRun,omitempty"`
	DryRunModifiers                []string          `json:"DryRunModifiers,omitempty"`
}

// ReEncryptOutput is the answer of [Service.ReEncrypt].
type ReEncryptOutput struct {
	CiphertextBlob                 []byte `json:"CiphertextBlob"`
	SourceKeyID                    string `json:"SourceKeyId"` // ARN
	KeyID                          string `json:"KeyId"`       // ARN of the destination
	SourceEncryptionAlgorithm      string `json:"SourceEncryptionAlgorithm"`
	DestinationEncryptionAlgorithm string `json:"DestinationEncryptionAlgorithm"`
	SourceKeyMaterialID            string `json:"SourceKeyMaterialId,omitempty"`
	DestinationKeyMaterialID       string `json:"DestinationKeyMaterialId,omitempty"`
}

// ReEncrypt opens a ciphertext and seals its plaintext under another key or
// encryption context; the plaintext never leaves. The caller needs
// kms:ReEncryptFrom on the one key and kms:ReEncryptTo on the other.
//
// Its errors are those of [Service.Decrypt] for the source and of
// [Service.Encrypt] for the destination.
//
// Source: AWS KMS API Reference, ReEncrypt.
func (s *Service) ReEncrypt(ctx context.Context, c *authn.Caller, in *ReEncryptInput) (*ReEncryptOutput, error) {
	ctx = outside(ctx, c, "ReEncrypt")
	return run(ctx, s, c, "ReEncrypt", reads, func(call *authz.Call) (*ReEncryptOutput, error) {
		recordCrypto(call, "source", in.SourceKeyID, in.SourceEncryptionContext, in.SourceEncryptionAlgorithm, in.DryRun)
		recordCrypto(call, "destination", in.DestinationKeyID, in.DestinationEncryptionContext, in.DestinationEncryptionAlgorithm, false)
		var v checker
		v.required("destinationKeyId", in.DestinationKeyID, maxKeyID)
		v.optional("sourceKeyId", in.SourceKeyID, maxKeyID)
		v.oneOf("sourceEncryptionAlgorithm", in.SourceEncryptionAlgorithm, encryptionAlgorithms)
		v.oneOf("destinationEncryptionAlgorithm", in.DestinationEncryptionAlgorithm, encryptionAlgorithms)
		v.tokens(in.GrantTokens)
		withoutBlob := v.modifiers(in.DryRun, in.DryRunModifiers)
		if !withoutBlob || in.CiphertextBlob != nil {
			v.blob("ciphertextBlob", in.CiphertextBlob, maxBlob)
		}
		if err := errors.Join(v.err(), checkContext(in.SourceEncryptionContext), checkContext(in.DestinationEncryptionContext), s.checkTokens(in.GrantTokens)); err != nil {
			return nil, err
		}
		from, to, err := s.bothKeys(ctx, call, c, in, withoutBlob)
		if err != nil {
			return nil, err
		}
		sourceAlgorithm := orDefault(in.SourceEncryptionAlgorithm, key.SpecSymmetricDefault)
		targetAlgorithm := orDefault(in.DestinationEncryptionAlgorithm, key.SpecSymmetricDefault)
		if err := errors.Join(suits(from, "ReEncrypt", keyspec.EncryptDecrypt, sourceAlgorithm),
			suits(to, "ReEncrypt", keyspec.EncryptDecrypt, targetAlgorithm)); err != nil {
			return nil, err
		}
		if withoutBlob {
			if err := s.keys.Ready(ctx, from, in.SourceEncryptionContext); err != nil {
				return nil, about(from.ARN, err)
			}
			return nil, s.orDryRun(ctx, to, in.DestinationEncryptionContext)
		}
		plain, source, err := s.open(ctx, call, from, sourceAlgorithm, in.CiphertextBlob, in.SourceEncryptionContext)
		if err != nil {
			return nil, err
		}
		defer plain.Wipe()
		if err := call.Covers(to.ARN); err != nil {
			return nil, err
		}
		if in.DryRun {
			return nil, s.orDryRun(ctx, to, in.DestinationEncryptionContext)
		}
		blob, target, err := s.seal(ctx, to, targetAlgorithm, plain, in.DestinationEncryptionContext)
		if err != nil {
			return nil, err
		}
		for name, material := range map[string]string{"sourceKeyMaterialId": source, "destinationKeyMaterialId": target} {
			if material != "" {
				call.Additional(name, material)
			}
		}
		return &ReEncryptOutput{
			CiphertextBlob: blob, SourceKeyID: from.ARN, KeyID: to.ARN,
			SourceEncryptionAlgorithm: sourceAlgorithm, DestinationEncryptionAlgorithm: targetAlgorithm,
			SourceKeyMaterialID: source, DestinationKeyMaterialID: target,
		}, nil
	})
}

// bothKeys returns the keys of a ReEncrypt, once the caller may use each of them.
// Whether they are the same one is known to both questions.
func (s *Service) bothKeys(ctx context.Context, call *authz.Call, c *authn.Caller, in *ReEncryptInput, withoutBlob bool) (from, to *key.Key, err error) {
	source := &conditions{caller: c, algorithm: orDefault(in.SourceEncryptionAlgorithm, key.SpecSymmetricDefault),
		encryptionContext: in.SourceEncryptionContext, reEncrypt: true}
	target := &conditions{caller: c, algorithm: orDefault(in.DestinationEncryptionAlgorithm, key.SpecSymmetricDefault),
		encryptionContext: in.DestinationEncryptionContext, reEncrypt: true}
	source.sameKey = s.isSame(ctx, c, in)
	target.sameKey = source.sameKey
	if from, err = s.origin(ctx, call, source, "kms:ReEncryptFrom", in.SourceKeyID, in.CiphertextBlob, withoutBlob); err != nil {
		return nil, nil, err
	}
	if to, err = s.use(ctx, call, target, "kms:ReEncryptTo", in.DestinationKeyID, aliasesToo); err != nil {
		return nil, nil, err
	}
	if (from.Ref == to.Ref) != source.sameKey {
		return nil, nil, fmt.Errorf("an alias of %s or %s moved meanwhile", from.ARN, to.ARN)
	}
	return from, to, nil
}

// isSame reports whether a ReEncrypt names one key as its source and its
// destination. What can't be found is told from nothing here: the questions about
// each of the keys find it again.
func (s *Service) isSame(ctx context.Context, c *authn.Caller, in *ReEncryptInput) bool {
	to, err := s.keys.Resolve(ctx, c.Account, c.Region, in.DestinationKeyID)
	if err != nil {
		return false
	}
	var from *key.Key
	if in.SourceKeyID != "" {
		from, err = s.keys.Resolve(ctx, c.Account, c.Region, in.SourceKeyID)
	} else {
		from, err = s.keys.KeyOf(ctx, c.Region, in.CiphertextBlob)
	}
	return err == nil && from.Ref == to.Ref
}

// seal encrypts under a key that the caller was allowed to use. It returns the ID of
// the material if the key is symmetric.
func (s *Service) seal(ctx context.Context, k *key.Key, algorithm string, plaintext Plaintext, encryptionContext map[string]string) (blob []byte, material string, err error) {
	if algorithm == key.SpecSymmetricDefault {
		sealed, err := s.keys.Encrypt(ctx, k.Ref, plaintext, encryptionContext)
		if err != nil {
			return nil, "", about(k.ARN, err)
		}
		return sealed.Blob, sealed.Material.String(), nil
	}
	if err := contextless(encryptionContext); err != nil {
		return nil, "", err
	}
	err = s.keys.Use(ctx, k.Ref, func(opened *keyspec.Key) (err error) {
		blob, err = opened.Encrypt(algorithm, plaintext)
		return err
	})
	if err != nil {
		return nil, "", about(k.ARN, err)
	}
	return blob, "", nil
}

// open opens a ciphertext with the key that the caller was allowed to use, and
// with no other. It returns the ID of the material if the key is symmetric.
func (s *Service) open(ctx context.Context, call *authz.Call, k *key.Key, algorithm string, blob []byte, encryptionContext map[string]string) (plain Plaintext, material string, err error) {
	if err := call.Covers(k.ARN); err != nil {
		return nil, "", err
	}
	if algorithm == key.SpecSymmetricDefault {
		opened, err := s.keys.Decrypt(ctx, k.Region, blob, encryptionContext)
		if err != nil {
			return nil, "", about(k.ARN, err)
		}
		if opened.Key.Ref != k.Ref {
			clear(opened.Plaintext)
			return nil, "", authz.ErrNotCovered
		}
		return opened.Plaintext, opened.Material.String(), nil
	}
	if err := contextless(encryptionContext); err != nil {
		return nil, "", err
	}
	err = s.keys.Use(ctx, k.Ref, func(opened *keyspec.Key) (err error) {
		plain, err = opened.Decrypt(algorithm, blob)
		return err
	})
	if err != nil {
		return nil, "", about(k.ARN, err)
	}
	return plain, "", nil
}

// contextless refuses an encryption context beside an asymmetric key.
//
// Source: AWS KMS API Reference, Encrypt, EncryptionContext: supported with symmetric
// encryption keys only; read 2026-11-21. The text is not recorded.
func contextless(encryptionContext map[string]string) error {
	if len(encryptionContext) > 0 {
		return fault("ValidationException", "An encryption context is supported only for symmetric encryption KMS keys.")
	}
	return nil
}

// origin returns the key that made blob, once the caller may do action to it.
// If id is given the key must be that one. Blobs of unknown keys, of other
// regions and of accounts that do not admit the caller are told apart by nothing.
func (s *Service) origin(ctx context.Context, call *authz.Call, q *conditions, action, id string, blob []byte, withoutBlob bool) (*key.Key, error) {
	if id != "" {
		k, err := s.use(ctx, call, q, action, id, aliasesToo)
		if err != nil || withoutBlob || q.algorithm != key.SpecSymmetricDefault || k.Spec != key.SpecSymmetricDefault {
			return k, err // what an asymmetric key made names no key
		}
		made, err := s.keys.KeyOf(ctx, q.caller.Region, blob)
		switch {
		case errors.Is(err, key.ErrUnknownMaterial), err == nil && made.Ref != k.Ref:
			return nil, fault("IncorrectKeyException", wrongKey)
		case err != nil:
			return nil, about(k.ARN, err)
		}
		return k, nil
	}
	if withoutBlob {
		return nil, fault("ValidationException", "A key ID is required when the ciphertext is ignored.")
	}
	k, err := s.keys.KeyOf(ctx, q.caller.Region, blob)
	if errors.Is(err, key.ErrInvalidCiphertext) && q.algorithm != key.SpecSymmetricDefault {
		return nil, fault("ValidationException", "A key ID is required for a ciphertext of an asymmetric KMS key.")
	}
	if err != nil {
		return nil, err
	}
	if k.Region != q.caller.Region {
		return nil, about(k.ARN, key.ErrUnknownMaterial)
	}
	if k.Account == q.caller.Account {
		call.Resource(kindKey, k.ARN, k.Account)
		return k, s.authorize(ctx, call, q, action, k)
	}
	if err := s.authorize(ctx, call, q, action, k); err != nil {
		if isDenial(err) {
			err = fault("AccessDeniedException", foreignCiphertext)
		}
		return nil, err
	}
	call.Resource(kindKey, k.ARN, k.Account)
	return k, nil
}

// modifiers checks the modifiers of a dry run, and reports whether the request
// leaves the ciphertext out.
func (v *checker) modifiers(isDryRun bool, modifiers []string) (withoutBlob bool) {
	for _, m := range modifiers {
		v.oneOf("dryRunModifiers", m, []string{ignoreCiphertext})
		withoutBlob = withoutBlob || m == ignoreCiphertext
	}
	if len(modifiers) > 0 && !isDryRun {
		v.add("Value", "dryRunModifiers", "Member is valid only in a dry run")
	}
	return withoutBlob
}

// orDryRun returns why a key can't be used now for an encryption context, or that only
// the dry run speaks against it.
func (s *Service) orDryRun(ctx context.Context, k *key.Key, encryptionContext map[string]string) error {
	if err := s.keys.Ready(ctx, k, encryptionContext); err != nil {
		return about(k.ARN, err)
	}
	return dryRun()
}

// usable returns the error of a key whose state forbids cryptography.
func usable(k *key.Key) error {
	if err := k.Usable(); err != nil {
		return about(k.ARN, err)
	}
	return nil
}

func refuseRecipient(r *RecipientInfo) error {
	if r == nil {
		return nil
	}
	return unsupported("This server can't encrypt an answer for an enclave: the request has a Recipient.")
}

func dryRun() error { return fault("DryRunOperationException", dryRunText) }

// orDryRun returns err or, if there is none, the error of a dry run.
func orDryRun(err error) error {
	if err != nil {
		return err
	}
	return dryRun()
}

// recordCrypto records the parameters of a cryptographic operation, their names
// with a prefix if there is one.
func recordCrypto(call *authz.Call, prefix, keyID string, encryptionContext map[string]string, algorithm string, isDryRun bool) {
	named := func(name string) string {
		if prefix == "" {
			return string(name[0]|0x20) + name[1:]
		}
		return prefix + name
	}
	if keyID != "" {
		call.Param(named("KeyId"), keyID)
	}
	if len(encryptionContext) > 0 {
		call.Param(named("EncryptionContext"), encryptionContext)
	}
	if algorithm == "" {
		algorithm = key.SpecSymmetricDefault
	}
	call.Param(named("EncryptionAlgorithm"), algorithm)
	if isDryRun {
		call.Param("dryRun", true)
	}
}
