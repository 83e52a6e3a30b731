package keyspec

import (
	"bytes"
	"crypto/fips140"
	"crypto/rand"
	"fmt"
)

// MaxMaterial is the longest key material that is looked at, in bytes: above the
// longest private key in PKCS #8, an ML-DSA-87 key with its seed and its expanded
// form, which has some 5,000.
const MaxMaterial = 8 << 10

// Generate makes key material for a spec. The caller wipes it.
//
// It returns ErrForbidden, and no other error unless the system has no
// randomness.
func Generate(spec Spec) ([]byte, error) {
	if err := permitted(spec); err != nil {
		return nil, err
	}
	if !spec.Asymmetric() {
		material := make([]byte, spec.size)
		rand.Read(material) // never fails
		return material, nil
	}
	var p pair
	var err error
	switch spec.kind {
	case rsaKind:
		p, err = generateRSA(spec)
	case nistKind:
		p, err = generateNIST(spec)
	case secp256k1Kind:
		p = generateSecp256k1()
	case ed25519Kind:
		p, err = generateEd25519()
	case mldsaKind:
		p, err = generateMLDSA(spec)
	case mlkemKind:
		p, err = generateMLKEM(spec)
	default:
		panic("keyspec: internal error: no such kind")
	}
	if err != nil {
		return nil, fmt.Errorf("generate %s: %w", spec, err)
	}
	defer wipe(p)
	return p.privateKey()
}

// Import checks key material from outside and returns it in the form in which
// [Generate] makes it, so that the same key in another encoding is the same
// material. The caller wipes both.
//
// Symmetric material is as long as the spec says. A private key is one
// DER-encoded PKCS #8 structure with nothing after it. Public keys inside it must
// be its own. RSA keys have two factors of half the size each, both prime, and an
// odd exponent from 65,537 to 2^31-1. Keys of ML-DSA and ML-KEM come with their
// seed: the expanded form alone, which FIPS 204 and 203 allow, is refused; of an
// expanded form beside the seed those parts are compared that a standard library
// can compute from the seed, and nothing of it is used.
//
// It returns an error that wraps ErrMaterial, or ErrForbidden.
//
// Source: AWS KMS Developer Guide, "Requirements for imported key material", read
// 2026-11-21, for the sizes and the encoding; RFC 9881 and RFC 9935, section 6.
func Import(spec Spec, material []byte) ([]byte, error) {
	if len(material) > MaxMaterial {
		return nil, ErrMaterialFormat
	}
	secret, err := parse(spec, material)
	if err != nil {
		return nil, err
	}
	defer wipe(secret)
	p, ok := secret.(pair)
	if !ok {
		return bytes.Clone(material), nil
	}
	if r, ok := secret.(*rsaKey); ok {
		if err := r.validate(); err != nil {
			return nil, err
		}
	}
	return p.privateKey()
}

// Check reports what [Import] refuses.
func Check(spec Spec, material []byte) error {
	checked, err := Import(spec, material)
	clear(checked)
	return err
}

// parse opens material.
func parse(spec Spec, material []byte) (any, error) {
	if err := permitted(spec); err != nil {
		return nil, err
	}
	if !spec.Asymmetric() && len(material) != spec.size {
		return nil, ErrMaterialSize
	}
	switch spec.kind {
	case symmetric:
		return symmetricKey(bytes.Clone(material)), nil
	case hmacKind:
		return hmacKey(bytes.Clone(material)), nil
	case rsaKind:
		return parseRSA(spec, material)
	case nistKind:
		return parseNIST(spec, material)
	case secp256k1Kind:
		return parseSecp256k1(material)
	case ed25519Kind:
		return parseEd25519(material)
	case mldsaKind:
		return parseMLDSA(spec, material)
	case mlkemKind:
		return parseMLKEM(spec, material)
	default:
		panic("keyspec: internal error: no such kind")
	}
}

// permitted returns ErrForbidden for a spec that FIPS 140-3 mode excludes.
func permitted(spec Spec) error {
	if !fips140.Enforced() {
		return nil
	}
	switch {
	case spec.kind == secp256k1Kind, spec.kind == mldsaKind, spec.name == MLKEM512:
		return ErrForbidden
	}
	return nil
}

func wipe(secret any) {
	if w, ok := secret.(wiper); ok {
		w.wipe()
	}
}

// A symmetricKey is the material of a symmetric encryption key. It computes
// nothing here.
type symmetricKey []byte

func (k symmetricKey) wipe() { clear(k) }
