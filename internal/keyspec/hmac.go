package keyspec

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"hash"
)

// An hmacKey is the material of an HMAC key.
type hmacKey []byte

func (k hmacKey) mac(algorithm string, message []byte) []byte {
	var newHash func() hash.Hash
	switch algorithm {
	case HMACSHA224:
		newHash = sha256.New224
	case HMACSHA256:
		newHash = sha256.New
	case HMACSHA384:
		newHash = sha512.New384
	case HMACSHA512:
		newHash = sha512.New
	default:
		panic("keyspec: internal error: no such MAC algorithm")
	}
	h := hmac.New(newHash, k)
	h.Write(message)
	return h.Sum(nil)
}

func (k hmacKey) wipe() { clear(k) }

// equal compares in constant time.
func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
