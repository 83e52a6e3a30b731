// Package keyblob implements the ciphertext blob of the key service, version 1:
// what Encrypt and GenerateDataKey return for a symmetric key, and Decrypt takes.
//
//	blob = version | material ID (32) | salt (32) | commitment (32) | nonce (12) | ciphertext | tag (16)
//
// The blob names the key material that opens it. Each blob has a key of its own,
// derived from the material and a fresh salt; the same derivation gives the
// commitment, so that no second material opens the same bytes. The additional
// data of AES-256-GCM is the version, the material ID, the salt and the
// encryption context in a canonical encoding.
//
// The package is pure. The only randomness that it draws itself is the nonce,
// inside [crypto/cipher.NewGCMWithRandomNonce]. It works under
// GODEBUG=fips140=only.
//
// Source: docs/spec/key-blob.md, which is normative; the vectors in
// testdata/vectors are part of it.
package keyblob

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

const (
	// Version is the version of the format, the first byte of a blob.
	Version = 1
	// Overhead is what a blob is longer than its plaintext, in bytes.
	Overhead = headerSize + commitmentSize + 12 + 16
	// MaxPlaintext is the largest plaintext in bytes: 64 KiB. It bounds what a
	// stranger's blob can make the server hold; the operations of the service
	// allow less.
	MaxPlaintext = 64 << 10

	headerSize     = 1 + 32 + 32 // version, material ID, salt
	commitmentSize = 32
	info           = "coffer/v1/kms"
)

var (
	// ErrFormat means that the bytes are no blob of a known version.
	ErrFormat = errors.New("keyblob: not a ciphertext blob")
	// ErrOpen means that the blob does not open: other key material, another
	// encryption context, or damage. Which one is not told.
	ErrOpen = errors.New("keyblob: blob does not open")
	// ErrTooLarge means that the plaintext is longer than [MaxPlaintext].
	ErrTooLarge = errors.New("keyblob: plaintext is too large")
)

// A MaterialID names key material. It is public.
type MaterialID [32]byte

// Material is the key material of one version of a KMS key. It prints as
// [secret]. That can't hold for a value in an unexported field, where package
// fmt asks no methods: keep such a field away from fmt.
type Material [32]byte

const redacted = "[secret]"

// Wipe overwrites the material with zeros.
func (m *Material) Wipe() { clear(m[:]) }

// String, GoString, Format, MarshalText and MarshalJSON never show the material.
// Package log/slog uses the last two.
func (Material) String() string               { return redacted }
func (Material) GoString() string             { return redacted }
func (Material) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(redacted)) }
func (Material) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (Material) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// A Header is what a blob says without any key. Nothing of it is authenticated
// before [Open] returns.
type Header struct {
	Material   MaterialID
	PlainBytes int  // length of the plaintext
	External   bool // version 2: SplitExternal tells the rest
}

// Seal encrypts plaintext under the material that id names. The salt is 32
// random bytes, fresh for each blob. The context is authenticated, and not in
// the blob; nil and empty are the same.
//
// It returns ErrTooLarge for a plaintext above [MaxPlaintext].
func Seal(material Material, id MaterialID, salt [32]byte, plaintext []byte, context map[string]string) ([]byte, error) {
	if len(plaintext) > MaxPlaintext {
		return nil, ErrTooLarge
	}
	aead, commitment := derive(&material, salt[:])
	blob := make([]byte, 0, Overhead+len(plaintext))
	blob = append(blob, Version)
	blob = append(blob, id[:]...)
	blob = append(blob, salt[:]...)
	aad := additionalData(blob, context)
	blob = append(blob, commitment[:]...)
	return aead.Seal(blob, nil, plaintext, aad), nil
}

// Parse reads what is in the clear. It returns ErrFormat if the bytes are no
// blob.
func Parse(blob []byte) (Header, error) {
	if x, err := SplitExternal(blob); err == nil {
		return Header{x.Material, len(x.Ciphertext) - Overhead, true}, nil
	}
	if len(blob) < Overhead || len(blob) > Overhead+MaxPlaintext || blob[0] != Version {
		return Header{}, ErrFormat
	}
	return Header{Material: MaterialID(blob[1:]), PlainBytes: len(blob) - Overhead}, nil
}

// Open decrypts a blob under the material that its header names. The caller
// wipes the result if it is a key.
//
// It returns ErrFormat if the bytes are no blob, and ErrOpen if the material or
// the context is another one or the blob was altered.
func Open(material Material, blob []byte, context map[string]string) ([]byte, error) {
	if h, err := Parse(blob); err != nil || h.External {
		return nil, ErrFormat
	}
	header, rest := blob[:headerSize], blob[headerSize:]
	aead, commitment := derive(&material, header[1+32:])
	if subtle.ConstantTimeCompare(commitment[:], rest[:commitmentSize]) != 1 {
		return nil, ErrOpen
	}
	plaintext, err := aead.Open(nil, nil, rest[commitmentSize:], additionalData(header, context))
	if err != nil {
		return nil, ErrOpen
	}
	return plaintext, nil
}

// derive returns the cipher and the commitment of one blob. The cipher seals
// once, so its random nonce never meets another one.
func derive(material *Material, salt []byte) (cipher.AEAD, [commitmentSize]byte) {
	out, err := hkdf.Key(sha512.New, material[:], salt, info, 32+commitmentSize)
	if err != nil {
		panic("keyblob: internal error: " + err.Error())
	}
	defer clear(out)
	block, err := aes.NewCipher(out[:32])
	if err != nil {
		panic("keyblob: internal error: " + err.Error())
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("keyblob: internal error: " + err.Error())
	}
	return aead, [commitmentSize]byte(out[32:])
}

// additionalData returns header and context in the canonical encoding: the
// number of pairs, then the pairs in the order of their keys, each string after
// its length. No two contexts have the same.
func additionalData(header []byte, context map[string]string) []byte {
	size := len(header) + 4
	keys := make([]string, 0, len(context))
	for k, v := range context {
		keys = append(keys, k)
		size += 4 + len(k) + 4 + len(v)
	}
	slices.Sort(keys)
	b := append(make([]byte, 0, size), header...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(keys)))
	for _, k := range keys {
		b = appendString(b, k)
		b = appendString(b, context[k])
	}
	return b
}

func appendString(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}
