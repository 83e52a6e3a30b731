// Package keywrap wraps and unwraps key material on its way into the key
// service: what a client does with the public key of GetParametersForImport, and
// what ImportKeyMaterial undoes.
//
//	RSAES_OAEP_SHA_*        OAEP(material)
//	RSA_AES_KEY_WRAP_SHA_*  OAEP(AES key) | KWP(AES key, material)
//
// OAEP is that of RFC 8017 with one hash for the label and for MGF1, and an empty
// label. The AES key has 256 bits and is used once. KWP is AES key wrap with
// padding: RFC 5649, NIST SP 800-38F.
//
// The package is pure. Under GODEBUG=fips140=only the algorithms with SHA-1 fail:
// Wrap returns ErrAlgorithm, Unwrap too.
//
// Source: AWS KMS Developer Guide, "Select a wrapping algorithm", read 2026-11-21.
package keywrap

import (
	"crypto/fips140"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
)

// The wrapping algorithms.
//
// AWS knows two more, and this package does not: RSAES_PKCS1_V1_5, which AWS has
// refused since October 10, 2023, and SM2PKE, which its regions in China alone
// offer. Both are values that the API's model allows, and what is asked for them
// is answered with UnsupportedOperationException.
//
// Source: AWS KMS API Reference, GetParametersForImport, read 2026-11-21.
const (
	OAEPSHA1     = "RSAES_OAEP_SHA_1"
	OAEPSHA256   = "RSAES_OAEP_SHA_256"
	RSAAESSHA1   = "RSA_AES_KEY_WRAP_SHA_1"
	RSAAESSHA256 = "RSA_AES_KEY_WRAP_SHA_256"
)

// MaxWrapped is the longest wrapped material that [Unwrap] looks at, in bytes.
//
// Source: AWS KMS API Reference, ImportKeyMaterial, EncryptedKeyMaterial, read
// 2026-11-21.
const MaxWrapped = 6144

// aesKeySize is the size of the AES key between the RSA key and the material.
const aesKeySize = 32

var (
	// ErrAlgorithm means that the package does not know the algorithm, or that
	// the process allows only what FIPS 140-3 approves.
	ErrAlgorithm = errors.New("keywrap: wrapping algorithm is not supported")
	// ErrTooLong means that there is nothing to wrap, or more than the
	// algorithm, the RSA key or MaxWrapped leaves room for.
	ErrTooLong = errors.New("keywrap: key material does not fit")
	// ErrUnwrap means that the bytes do not unwrap: another key, another
	// algorithm, or damage. Which one is not told: ImportKeyMaterial answers
	// InvalidCiphertextException.
	ErrUnwrap = errors.New("keywrap: wrapped key material does not open")
)

// Algorithms returns the names of the wrapping algorithms.
func Algorithms() []string { return []string{OAEPSHA1, OAEPSHA256, RSAAESSHA1, RSAAESSHA256} }

// parse returns the hash of an algorithm, and whether an AES key stands between.
func parse(algorithm string) (h hash.Hash, withAES bool, err error) {
	switch algorithm {
	case OAEPSHA1, RSAAESSHA1:
		if fips140.Enforced() {
			return nil, false, ErrAlgorithm
		}
		return sha1.New(), algorithm == RSAAESSHA1, nil
	case OAEPSHA256, RSAAESSHA256:
		return sha256.New(), algorithm == RSAAESSHA256, nil
	default:
		return nil, false, ErrAlgorithm
	}
}

// Wrap encrypts material for the holder of the private key. It draws the padding
// and the AES key from random, which must be crypto/rand.Reader under
// GODEBUG=fips140=only.
//
// It returns ErrAlgorithm, ErrTooLong, or an error of random.
func Wrap(random io.Reader, algorithm string, public *rsa.PublicKey, material []byte) ([]byte, error) {
	h, withAES, err := parse(algorithm)
	if err != nil {
		return nil, err
	}
	if len(material) == 0 {
		return nil, ErrTooLong
	}
	if !withAES {
		return encrypt(random, h, public, material)
	}
	key := make([]byte, aesKeySize)
	defer clear(key)
	if _, err := io.ReadFull(random, key); err != nil {
		return nil, fmt.Errorf("draw an AES key: %w", err)
	}
	wrappedKey, err := encrypt(random, h, public, key)
	if err != nil {
		return nil, err
	}
	wrapped, err := WrapKey(key, material)
	if err != nil || len(wrappedKey)+len(wrapped) > MaxWrapped {
		return nil, ErrTooLong
	}
	return append(wrappedKey, wrapped...), nil
}

func encrypt(random io.Reader, h hash.Hash, public *rsa.PublicKey, plain []byte) ([]byte, error) {
	if len(plain) > public.Size()-2*h.Size()-2 {
		return nil, ErrTooLong
	}
	wrapped, err := rsa.EncryptOAEP(h, random, public, plain, nil)
	if err != nil {
		return nil, fmt.Errorf("encrypt with OAEP: %w", err)
	}
	return wrapped, nil
}

// Unwrap opens what [Wrap] made, or another implementation of the algorithm. The
// caller wipes the material.
//
// It returns ErrAlgorithm, or ErrUnwrap for whatever does not open. Where the AES
// key does not open, the material is unwrapped all the same, with another key, so
// that time tells as little as the error does.
func Unwrap(algorithm string, private *rsa.PrivateKey, wrapped []byte) ([]byte, error) {
	h, withAES, err := parse(algorithm)
	if err != nil {
		return nil, err
	}
	size := private.Size()
	if len(wrapped) < size || len(wrapped) > MaxWrapped || !withAES && len(wrapped) != size {
		return nil, ErrUnwrap
	}
	plain, err := rsa.DecryptOAEP(h, nil, private, wrapped[:size], nil)
	if !withAES {
		if err != nil || len(plain) == 0 {
			return nil, ErrUnwrap
		}
		return plain, nil
	}
	defer clear(plain)
	opened := err == nil && len(plain) == aesKeySize
	key := plain
	if !opened {
		key = make([]byte, aesKeySize)
	}
	material, err := UnwrapKey(key, wrapped[size:])
	if err != nil || !opened {
		clear(material)
		return nil, ErrUnwrap
	}
	return material, nil
}
