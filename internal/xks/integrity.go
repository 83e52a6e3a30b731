package xks

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
)

// AdditionalData returns what AES-GCM authenticates beside the ciphertext. aad and
// metadata are within their limits, which fit their lengths.
func AdditionalData(aad, metadata []byte) []byte {
	if len(aad) > MaxAAD || len(metadata) > MaxMetadata {
		panic("xks: internal error: additional data above its limit")
	}
	b := make([]byte, 0, 2+len(aad)+1+len(metadata))
	b = binary.BigEndian.AppendUint16(b, uint16(len(aad)))
	b = append(b, aad...)
	b = append(b, byte(len(metadata)))
	return append(b, metadata...)
}

// IntegrityValue returns the ciphertextDataIntegrityValue of an answer to a request
// with additional data. A proxy computes it before it tries whether the ciphertext
// opens, so that what is damaged in its memory after that shows at the KMS.
//
// It is against accidents: the parts have no lengths in it.
func IntegrityValue(aad []byte, r *EncryptResponse) []byte {
	h := sha256.New()
	for _, part := range [][]byte{aad, r.CiphertextMetadata, r.InitializationVector, r.Ciphertext, r.AuthenticationTag} {
		h.Write(part)
	}
	return h.Sum(nil)
}

// Intact reports whether an answer has the integrity value of what it holds.
func Intact(aad []byte, r *EncryptResponse) bool {
	return subtle.ConstantTimeCompare(IntegrityValue(aad, r), r.IntegrityValue) == 1
}
