package key

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"coffer/internal/xks"
)

// labelXKS derives the key of one ciphertext of the external key store API.
const labelXKS = "coffer/v1/xks/"

// The ciphertextMetadata of this server:
//
//	u8 format = 1 | u32 version of the key's material | salt (15)
const (
	xksFormat       = 1
	xksSaltSize     = 15
	xksMetadataSize = 1 + 4 + xksSaltSize
)

// An ExternalCiphertext is what the external key store API keeps of an encryption.
type ExternalCiphertext struct {
	Ciphertext []byte // as long as the plaintext
	Metadata   []byte // at most xks.MaxMetadata bytes
	IV         []byte // 12 bytes
	Tag        []byte // xks.TagSize bytes
}

// EncryptExternal encrypts for a KMS elsewhere, to which the key is an external one.
// Only DecryptExternal opens the result: the key of each ciphertext is derived from the
// current material and a fresh salt, for this purpose alone. aad is at most xks.MaxAAD
// bytes, and the plaintext at most xks.MaxPlaintext.
//
// It returns ErrNotSymmetric for a key that is none of AES, ErrNoSubject for one that
// has subjects, ErrOrigin for one that is in an external key store itself, ErrTooLarge,
// and what Encrypt returns for a key that can't be used now.
func (k *Keys) EncryptExternal(ctx context.Context, ref Ref, plaintext, aad []byte) (*ExternalCiphertext, *Key, error) {
	if len(plaintext) > xks.MaxPlaintext || len(aad) > xks.MaxAAD {
		return nil, nil, ErrTooLarge
	}
	key, err := k.externalKey(ctx, ref)
	if err != nil {
		return nil, nil, err
	}
	m, err := k.material(ctx, ref.Region, key.Material)
	defer m.secret.Wipe()
	if errors.Is(err, ErrUnknownMaterial) {
		return nil, nil, ErrNotFound // the key was destroyed since it was read
	}
	if err != nil {
		return nil, nil, err
	}
	metadata := make([]byte, xksMetadataSize)
	metadata[0] = xksFormat
	binary.BigEndian.PutUint32(metadata[1:], key.Version)
	if _, err := io.ReadFull(k.rand, metadata[5:]); err != nil {
		return nil, nil, fmt.Errorf("draw salt: %w", err)
	}
	return sealExternal(&m.secret, ref, metadata, plaintext, aad), key, nil
}

// DecryptExternal opens what EncryptExternal returned under the same key and aad, under
// any version of the key's material.
//
// It returns ErrInvalidCiphertext, ErrMaterialMissing, and the errors of
// EncryptExternal.
func (k *Keys) DecryptExternal(ctx context.Context, ref Ref, c *ExternalCiphertext, aad []byte) ([]byte, *Key, error) {
	if len(c.Ciphertext) > xks.MaxPlaintext || len(aad) > xks.MaxAAD {
		return nil, nil, ErrTooLarge
	}
	key, err := k.externalKey(ctx, ref)
	if err != nil {
		return nil, nil, err
	}
	if len(c.Metadata) != xksMetadataSize || c.Metadata[0] != xksFormat {
		return nil, key, ErrInvalidCiphertext
	}
	id, ok := key.materialOf(binary.BigEndian.Uint32(c.Metadata[1:]))
	if !ok {
		return nil, key, ErrInvalidCiphertext
	}
	m, err := k.material(ctx, ref.Region, id)
	defer m.secret.Wipe()
	if errors.Is(err, ErrUnknownMaterial) {
		return nil, nil, ErrNotFound
	}
	if err != nil {
		return nil, key, err
	}
	plain, err := openExternal(&m.secret, ref, c, aad)
	return plain, key, err
}

// externalKey returns a key that a KMS elsewhere may use, if it can be used now.
func (k *Keys) externalKey(ctx context.Context, ref Ref) (*Key, error) {
	key, err := k.Get(ctx, ref)
	if err != nil {
		return nil, err
	}
	switch {
	case key.Spec != SpecSymmetricDefault:
		return nil, ErrNotSymmetric
	case key.ShredBy != "":
		return nil, ErrNoSubject
	case key.Origin == OriginKeyStore:
		return nil, ErrOrigin
	}
	return key, key.Usable()
}

// materialOf returns the material of one version of the key.
func (key *Key) materialOf(version uint32) (id MaterialID, ok bool) {
	if version == key.Version {
		return key.Material, true
	}
	for _, v := range key.Versions {
		if v.Number == version && !v.Pending {
			return v.Material, true
		}
	}
	return id, false
}

// sealExternal seals plaintext. metadata has a salt that was never used before.
func sealExternal(material *Secret, ref Ref, metadata, plaintext, aad []byte) *ExternalCiphertext {
	// The key seals once, so the nonce, drawn at random, never meets another one.
	sealed := externalCipher(material, ref, metadata).Seal(nil, nil, plaintext, xks.AdditionalData(aad, metadata))
	const iv = 12
	end := len(sealed) - xks.TagSize
	return &ExternalCiphertext{Ciphertext: sealed[iv:end:end], Metadata: metadata, IV: sealed[:iv:iv], Tag: sealed[end:]}
}

// openExternal reverses sealExternal, or returns ErrInvalidCiphertext.
func openExternal(material *Secret, ref Ref, c *ExternalCiphertext, aad []byte) ([]byte, error) {
	if len(c.IV) != 12 || len(c.Tag) != xks.TagSize || len(c.Metadata) != xksMetadataSize {
		return nil, ErrInvalidCiphertext
	}
	sealed := make([]byte, 0, len(c.IV)+len(c.Ciphertext)+len(c.Tag))
	sealed = append(append(append(sealed, c.IV...), c.Ciphertext...), c.Tag...)
	plain, err := externalCipher(material, ref, c.Metadata).Open(nil, nil, sealed, xks.AdditionalData(aad, c.Metadata))
	if err != nil {
		return nil, ErrInvalidCiphertext
	}
	return plain, nil
}

// externalCipher returns AES-256-GCM under the key of one ciphertext, with the nonce
// ahead of it.
func externalCipher(material *Secret, ref Ref, metadata []byte) cipher.AEAD {
	k := derive(material, metadata, labelXKS+ref.Account+"/"+ref.ID)
	defer k.Wipe()
	block, err := aes.NewCipher(k[:])
	if err != nil {
		panic("key: internal error: " + err.Error())
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("key: internal error: " + err.Error())
	}
	return aead
}

// CheckExternal returns nil if the root of trust can be used: it encrypts and decrypts
// under a key that is derived for that.
func (k *Keys) CheckExternal() error {
	secret, err := k.Derive("xks-health/v1")
	if err != nil {
		return err
	}
	defer secret.Wipe()
	metadata := make([]byte, xksMetadataSize)
	if _, err := io.ReadFull(k.rand, metadata); err != nil {
		return fmt.Errorf("draw salt: %w", err)
	}
	const text = "health"
	c := sealExternal(&secret, Ref{}, metadata, []byte(text), nil)
	if plain, err := openExternal(&secret, Ref{}, c, nil); err != nil || string(plain) != text {
		return errors.New("key: what was encrypted does not decrypt")
	}
	return nil
}
