package keyspec

import (
	"crypto/fips140"
	"fmt"
	"sync"
)

// A Key is the opened material of one KMS key. It is safe for concurrent use,
// and meant to be kept: opening an RSA key costs more than using a curve's.
//
// The package does not know the usage of a key: whoever calls it has checked that
// the key may do what is asked. It prints as [secret].
type Key struct {
	spec   Spec
	public []byte

	mu     sync.RWMutex // held for reading while the key computes
	secret any          // one of the types below, nil once wiped
}

// What the kinds of keys can do. Each is safe for concurrent use. The algorithm
// is one of the spec; lengths of messages and plaintexts are checked.
type (
	signer interface {
		// sign and verify take a digest where the algorithm signs digests, the
		// message where it does not, and mu for ExternalMu.
		sign(algorithm, messageType string, message []byte) ([]byte, error)
		verify(algorithm, messageType string, message, signature []byte) error
		// digest returns what sign and verify take, or ErrMessageType or
		// ErrDigestLength.
		digest(algorithm, messageType string, message []byte) ([]byte, error)
	}
	encrypter interface {
		encrypt(algorithm string, plaintext []byte) ([]byte, error)
		decrypt(algorithm string, ciphertext []byte) ([]byte, error)
	}
	authenticator interface {
		mac(algorithm string, message []byte) []byte
	}
	agreer interface {
		derive(peer []byte) ([]byte, error)
	}
	decapsulator interface {
		encapsulate() (secret, ciphertext []byte)
		decapsulate(ciphertext []byte) ([]byte, error)
	}
	// A pair is the part that all asymmetric keys share.
	pair interface {
		publicKey() ([]byte, error)  // SubjectPublicKeyInfo
		privateKey() ([]byte, error) // as Generate stores it
	}
	wiper interface{ wipe() }
)

// Open opens key material that [Generate] or [Import] made. It takes no part of
// the material that it is given: the caller wipes it.
//
// It returns an error that wraps ErrMaterial, or ErrForbidden.
func Open(spec Spec, material []byte) (*Key, error) {
	secret, err := parse(spec, material)
	if err != nil {
		return nil, err
	}
	k := &Key{spec: spec, secret: secret}
	if p, ok := secret.(pair); ok {
		if k.public, err = p.publicKey(); err != nil {
			return nil, fmt.Errorf("encode the public key: %w", err)
		}
	}
	return k, nil
}

// Spec returns the spec of the key.
func (k *Key) Spec() Spec { return k.spec }

// Public returns the public key as a DER-encoded SubjectPublicKeyInfo (RFC 5280),
// or nil if the key is symmetric. The caller does not change it.
func (k *Key) Public() []byte { return k.public }

// Sign signs a message, a digest or a mu.
//
// Signatures are encoded as AWS's are: RSA ones as PKCS #1 (RFC 8017) says, with
// a PSS salt as long as the hash; ECDSA ones as the DER of RFC 3279; Ed25519 and
// ML-DSA ones as bytes. Those of ECC_SECG_P256K1 have the smaller one of the two
// values of s, which Bitcoin and Ethereum require; Verify takes either.
//
// ED25519_PH_SHA_512 hashes the digest that it is given once more, as AWS does:
// the signature verifies elsewhere as Ed25519ph of the digest, not of the message.
//
// It returns ErrAlgorithm, ErrMessageType, ErrMessageTooLong, ErrDigestLength,
// ErrForbidden or ErrWiped.
//
// Source: AWS KMS API Reference, Sign, MessageType, read 2026-11-21.
func (k *Key) Sign(algorithm string, message []byte, messageType string) ([]byte, error) {
	return use(k, SignVerify, algorithm, func(s signer) ([]byte, error) {
		digest, err := k.digest(s, algorithm, message, messageType)
		if err != nil {
			return nil, err
		}
		return s.sign(algorithm, messageType, digest)
	})
}

// Verify checks a signature of a message, a digest or a mu. It returns nil if the
// signature is valid, ErrInvalidSignature if it is not, and the errors of
// [Key.Sign].
func (k *Key) Verify(algorithm string, message []byte, messageType string, signature []byte) error {
	_, err := use(k, SignVerify, algorithm, func(s signer) ([]byte, error) {
		digest, err := k.digest(s, algorithm, message, messageType)
		if err != nil {
			return nil, err
		}
		return nil, s.verify(algorithm, messageType, digest, signature)
	})
	return err
}

func (k *Key) digest(s signer, algorithm string, message []byte, messageType string) ([]byte, error) {
	switch messageType {
	case Raw, Digest, ExternalMu:
	default:
		return nil, ErrMessageType
	}
	if len(message) > MaxMessage {
		return nil, ErrMessageTooLong
	}
	return s.digest(algorithm, messageType, message)
}

// Encrypt encrypts a plaintext with the public key: RSAES-OAEP (RFC 8017) with
// one hash for the label and for MGF1, and an empty label.
//
// It returns ErrAlgorithm, ErrPlaintextTooLong, ErrForbidden or ErrWiped.
func (k *Key) Encrypt(algorithm string, plaintext []byte) ([]byte, error) {
	return use(k, EncryptDecrypt, algorithm, func(e encrypter) ([]byte, error) {
		if len(plaintext) > k.spec.MaxPlaintext(algorithm) {
			return nil, ErrPlaintextTooLong
		}
		return e.encrypt(algorithm, plaintext)
	})
}

// Decrypt decrypts what [Key.Encrypt] or anyone with the public key encrypted.
// The caller wipes the plaintext.
//
// It returns ErrInvalidCiphertext, ErrAlgorithm, ErrForbidden or ErrWiped.
func (k *Key) Decrypt(algorithm string, ciphertext []byte) ([]byte, error) {
	return use(k, EncryptDecrypt, algorithm, func(e encrypter) ([]byte, error) {
		return e.decrypt(algorithm, ciphertext)
	})
}

// GenerateMAC returns the HMAC (RFC 2104) of a message, not truncated.
//
// It returns ErrAlgorithm, ErrMessageTooLong or ErrWiped.
func (k *Key) GenerateMAC(algorithm string, message []byte) ([]byte, error) {
	return use(k, GenerateVerifyMAC, algorithm, func(a authenticator) ([]byte, error) {
		if len(message) > MaxMessage {
			return nil, ErrMessageTooLong
		}
		return a.mac(algorithm, message), nil
	})
}

// VerifyMAC checks an HMAC in constant time. It returns nil if it is that of the
// message, ErrInvalidMAC if it is not, and the errors of [Key.GenerateMAC].
func (k *Key) VerifyMAC(algorithm string, message, mac []byte) error {
	want, err := k.GenerateMAC(algorithm, message)
	if err != nil {
		return err
	}
	defer clear(want)
	if !equal(want, mac) {
		return ErrInvalidMAC
	}
	return nil
}

// Derive returns the shared secret of the key and a peer's public key: the x
// coordinate of ECDH (NIST SP 800-56A, 5.7.1.2; the cofactor of the curves is
// one), as long as the field's elements. peer is a DER-encoded
// SubjectPublicKeyInfo. The caller wipes the secret.
//
// It returns ErrInvalidPublicKey for what is no such key, a key of another curve
// and a point that is not on the curve; or ErrAlgorithm or ErrWiped.
func (k *Key) Derive(algorithm string, peer []byte) ([]byte, error) {
	return use(k, KeyAgreement, algorithm, func(a agreer) ([]byte, error) {
		return a.derive(peer)
	})
}

// Encapsulate makes a shared secret of 32 bytes, and its encapsulated form under
// the public key (FIPS 203). The caller wipes the secret.
//
// It returns ErrAlgorithm, ErrForbidden or ErrWiped.
func (k *Key) Encapsulate(algorithm string) (secret, ciphertext []byte, err error) {
	secret, err = use(k, EncapsulateDecapsulate, algorithm, func(d decapsulator) ([]byte, error) {
		var secret []byte
		secret, ciphertext = d.encapsulate()
		return secret, nil
	})
	return secret, ciphertext, err
}

// Decapsulate recovers a shared secret. A ciphertext of the right length that
// was made for another key, or altered, gives a secret that nobody knows, and no
// error: the implicit rejection of FIPS 203. The caller wipes the secret.
//
// It returns ErrInvalidCiphertext for a ciphertext of another length, or
// ErrAlgorithm, ErrForbidden or ErrWiped.
//
// Source: AWS KMS API Reference, Decapsulate, read 2026-11-21.
func (k *Key) Decapsulate(algorithm string, ciphertext []byte) ([]byte, error) {
	return use(k, EncapsulateDecapsulate, algorithm, func(d decapsulator) ([]byte, error) {
		return d.decapsulate(ciphertext)
	})
}

// Wipe forgets the key. It waits until no call uses it; later calls return
// ErrWiped. What can be reached is overwritten; the libraries keep copies of RSA,
// ECDSA, ML-DSA and ML-KEM keys that can't be, and which the garbage collector
// frees.
func (k *Key) Wipe() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if w, ok := k.secret.(wiper); ok {
		w.wipe()
	}
	k.secret = nil
}

// use calls f with the secret of k, if the algorithm is one for it.
func use[T any](k *Key, usage, algorithm string, f func(T) ([]byte, error)) ([]byte, error) {
	if !k.spec.Supports(usage, algorithm) {
		return nil, ErrAlgorithm
	}
	if algorithm == OAEPSHA1 && fips140.Enforced() {
		return nil, ErrForbidden
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.secret == nil {
		return nil, ErrWiped
	}
	secret, ok := k.secret.(T)
	if !ok {
		return nil, ErrAlgorithm // a symmetric encryption key
	}
	return f(secret)
}
