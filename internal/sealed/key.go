package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha512"
	"crypto/subtle"
	"fmt"
)

// KeySize is the size in bytes of every key, secret and commitment.
const KeySize = 32

// redacted is what every secret prints as.
const redacted = "[secret]"

// A DataKey encrypts one body, or, as an upload key, the data keys of the parts
// of one upload. It is 32 random bytes and never encrypts anything else.
//
// It prints as [secret]. That can't hold for a value in an unexported field,
// where package fmt asks no methods: keep such a field away from fmt.
type DataKey [KeySize]byte

// Wipe overwrites the key with zeros.
func (k *DataKey) Wipe() { clear(k[:]) }

// String, GoString, Format, MarshalText and MarshalJSON never show the key.
// Package log/slog uses the last two.
func (DataKey) String() string               { return redacted }
func (DataKey) GoString() string             { return redacted }
func (DataKey) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(redacted)) }
func (DataKey) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (DataKey) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// A Secret is what an encryption mode yields to wrap keys: a service secret, a
// KMS data key, a bucket key or a client's key. It prints as a [DataKey] does.
type Secret [KeySize]byte

// Wipe overwrites the secret with zeros.
func (s *Secret) Wipe() { clear(s[:]) }

// String, GoString, Format, MarshalText and MarshalJSON never show the secret.
func (Secret) String() string               { return redacted }
func (Secret) GoString() string             { return redacted }
func (Secret) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(redacted)) }
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// Keys are the data keys of one body, or the upload keys of one upload: one for
// each layer of the suite, the inner layer first.
type Keys []DataKey

// Wipe overwrites the keys with zeros.
func (ks Keys) Wipe() {
	for i := range ks {
		ks[i].Wipe()
	}
}

// Suite returns the suite that uses as many keys, or 0 if there is none.
func (ks Keys) Suite() Suite {
	if s := Suite(min(len(ks), 3)); s.known() {
		return s
	}
	return 0
}

// The purposes of derived keys. Each info string starts with one of them and
// ends in the bytes that tell its variants apart.
const (
	infoSegment   = "coffer/v1/segment"
	infoWrap      = "coffer/v1/wrap"
	infoPart      = "coffer/v1/part"
	infoChecksums = "coffer/v1/checksums"
	infoKeyCheck  = "coffer/v1/key-check"
)

// info returns the info string of a purpose in one variant.
func info(purpose string, a, b byte) string {
	return purpose + string([]byte{a, b})
}

// derive returns the encryption key and the commitment of a secret under a salt
// and an info string. They are the two halves of one output block of
// HKDF-SHA-512: who sees the commitment learns nothing of the key.
func derive(secret *[KeySize]byte, salt *[32]byte, info string) (key, commitment [KeySize]byte) {
	out := expand(secret, salt, info, 2*KeySize)
	defer clear(out)
	return [KeySize]byte(out[:KeySize]), [KeySize]byte(out[KeySize:])
}

// expand returns n bytes of HKDF-SHA-512.
func expand(secret *[KeySize]byte, salt *[32]byte, info string, n int) []byte {
	out, err := hkdf.Key(sha512.New, secret[:], salt[:], info, n)
	if err != nil {
		panic("sealed: internal error: " + err.Error())
	}
	return out
}

// newAEAD returns AES-256-GCM under key, which it wipes. Seal draws a random
// nonce and puts it before the ciphertext. The number of seals under one key is
// bounded, far below 2^32 except for the segments of a body (at most 2^32), so
// no nonce is used twice but with negligible probability.
func newAEAD(key *[KeySize]byte) cipher.AEAD {
	defer clear(key[:])
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("sealed: internal error: " + err.Error())
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("sealed: internal error: " + err.Error())
	}
	return aead
}

// layers derives the ciphers and the commitment of a body.
func layers(keys Keys, id *[32]byte) (aeads []cipher.AEAD, commitment []byte) {
	suite := keys.Suite()
	aeads = make([]cipher.AEAD, suite.layers())
	commitment = make([]byte, 0, KeySize*suite.layers())
	for i := range keys {
		key, c := derive((*[KeySize]byte)(&keys[i]), id, info(infoSegment, byte(suite), byte(i+1)))
		aeads[i] = newAEAD(&key)
		commitment = append(commitment, c[:]...)
	}
	return aeads, commitment
}

// equal compares two byte strings in a time that depends on their lengths only.
func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// KeyCheck returns the value by which [CheckKey] knows a client's key again. The
// salt is fresh for each object.
func KeyCheck(key Secret, salt [32]byte) [KeySize]byte {
	return [KeySize]byte(expand((*[KeySize]byte)(&key), &salt, infoKeyCheck, KeySize))
}

// CheckKey reports, in constant time, whether check is the value of key under
// salt. It tells a wrong client key from a damaged wrap.
func CheckKey(key Secret, salt, check [32]byte) bool {
	want := KeyCheck(key, salt)
	return equal(want[:], check[:])
}
