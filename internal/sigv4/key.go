package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"sync"
)

// Terminator ends every credential scope.
const Terminator = "aws4_request"

// A Scope says what a signing key is good for.
type Scope struct {
	Date    string // yyyymmdd
	Region  string
	Service string
}

// String returns the scope as it stands in a string to sign.
func (s Scope) String() string { return string(s.append(nil)) }

func (s Scope) append(b []byte) []byte {
	b = append(b, s.Date...)
	b = append(b, '/')
	b = append(b, s.Region...)
	b = append(b, '/')
	b = append(b, s.Service...)
	return append(b, '/', 'a', 'w', 's', '4', '_', 'r', 'e', 'q', 'u', 'e', 's', 't')
}

// A SigningKey is derived from a secret for one scope. It is as secret as what it
// was derived from, for as long as the scope is valid; it prints as [secret].
type SigningKey struct{ key [sha256.Size]byte }

// DeriveKey returns the signing key of a secret access key for a scope.
func DeriveKey(secret string, s Scope) SigningKey {
	k := mac([]byte("AWS4"+secret), s.Date)
	k = mac(k, s.Region)
	k = mac(k, s.Service)
	return SigningKey{[sha256.Size]byte(mac(k, Terminator))}
}

func mac(key []byte, message string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message))
	return h.Sum(nil)
}

// Sign returns the signature of a string to sign, or of the base64 form of a POST
// policy, in hexadecimal.
func (k SigningKey) Sign(stringToSign string) string {
	return hex.EncodeToString(mac(k.key[:], stringToSign))
}

// Verify reports, in constant time, whether signature is that of stringToSign. A
// signature that is not 64 hexadecimal digits is not.
func (k SigningKey) Verify(stringToSign, signature string) bool {
	return equalSignature(mac(k.key[:], stringToSign), signature)
}

// equalSignature compares a signature with its hexadecimal form in constant time.
func equalSignature(want []byte, got string) bool {
	var raw [sha256.Size]byte
	if len(got) != hex.EncodedLen(len(raw)) {
		return false
	}
	if _, err := hex.Decode(raw[:], []byte(got)); err != nil {
		return false
	}
	return subtle.ConstantTimeCompare(want, raw[:]) == 1
}

// String returns "[secret]".
func (SigningKey) String() string { return "[secret]" }

// Format writes "[secret]" for every verb.
func (SigningKey) Format(f fmt.State, _ rune) { io.WriteString(f, "[secret]") }

// MarshalJSON returns "[secret]".
func (SigningKey) MarshalJSON() ([]byte, error) { return []byte(`"[secret]"`), nil }

// maxCachedKeys bounds a KeyCache. A client uses one or two keys a day for each
// region and service.
const maxCachedKeys = 4096

// A KeyCache keeps derived signing keys, which saves four HMACs for each request.
// It looks keys up by the secret itself, so it never answers for a secret that was
// replaced, and says nothing about whether a secret is still good. The zero value
// is ready; it is safe for concurrent use.
type KeyCache struct {
	mu   sync.RWMutex
	keys map[cacheKey]SigningKey // guarded by mu
}

type cacheKey struct {
	secret string
	scope  Scope
}

// Get returns the key of a secret for a scope, if it was put.
func (c *KeyCache) Get(secret string, s Scope) (SigningKey, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	k, ok := c.keys[cacheKey{secret, s}]
	return k, ok
}

// Put keeps the key of a secret for a scope. Callers put a key only once it has
// verified a signature: a stranger can then not fill the cache with scopes.
func (c *KeyCache) Put(secret string, s Scope, k SigningKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys == nil || len(c.keys) >= maxCachedKeys {
		c.keys = make(map[cacheKey]SigningKey)
	}
	// The scope's strings are parts of a request's header, which would stay in
	// memory as a whole.
	c.keys[cacheKey{secret, Scope{strings.Clone(s.Date), strings.Clone(s.Region), strings.Clone(s.Service)}}] = k
}

// String returns "[secret]".
func (*KeyCache) String() string { return "[secret]" }

// Format writes "[secret]" for every verb.
func (*KeyCache) Format(f fmt.State, _ rune) { io.WriteString(f, "[secret]") }

// MarshalJSON returns "[secret]".
func (*KeyCache) MarshalJSON() ([]byte, error) { return []byte(`"[secret]"`), nil }
