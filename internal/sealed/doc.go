// Package sealed implements the sealed object format, version 1.
//
// A sealed body is a header followed by segments. Each segment is encrypted and
// authenticated on its own, so a range of the plaintext can be read without
// reading what comes before it:
//
//	body    = header | segment 0 | segment 1 | ... | segment n
//	header  = "coffer" | version | suite | content ID (32) | commitment (32 for each layer)
//	segment = nonce (12) | AES-256-GCM of up to 64 KiB | tag (16)
//
// The key of the segments is derived from a data key and the content ID. The
// same derivation gives the commitment, which is compared before anything is
// read: no second key opens the same bytes. The additional data of a segment
// holds its index and the last-segment flag: a reordered body fails to open, and
// so does a truncated one. Suite 2 encrypts twice, under two independent keys.
//
// The data key is sealed in a wrap, under a one-use key that is derived from the
// secret of the encryption mode. The wrap is bound to the object's origin, content,
// length and parts. A new wrap re-keys an object without touching its body:
//
//	wrap = version | mode | salt (32) | box for each layer
//	box  = commitment (32) | nonce (12) | AES-256-GCM of a key | tag (16)
//
// The parts of a multipart upload are bodies of their own. Their data keys lie in
// boxes under the upload's key, and the wrap of the object holds the upload's key
// and binds the list of the parts.
//
// The package is pure. The only randomness that it draws itself is the nonces,
// inside [crypto/cipher.NewGCMWithRandomNonce]; data keys, content IDs and salts
// are the caller's, and fresh each time. It works under GODEBUG=fips140=only.
//
// Source: docs/spec/sealed-object.md, which is normative; the vectors in
// testdata/vectors are part of it.
package sealed

import "errors"

// Version is the version of the format, in every header, wrap and part key.
const Version = 1

var (
	// ErrDamaged means that sealed bytes are not what was sealed here: altered,
	// cut, extended, reordered, or moved from another object.
	ErrDamaged = errors.New("sealed: damaged")
	// ErrWrongKey means that the key or secret does not match the commitment:
	// it is not the one that the bytes were sealed under.
	ErrWrongKey = errors.New("sealed: wrong key")
	// ErrFormat means that the version, suite or mode is unknown, or that the
	// description of what to open contradicts itself.
	ErrFormat = errors.New("sealed: unknown format")
	// ErrTooLarge means that the plaintext is longer than [MaxLength].
	ErrTooLarge = errors.New("sealed: too large")
)
