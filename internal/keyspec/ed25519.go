package keyspec

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
)

// An ed25519Key is a key on edwards25519.
type ed25519Key struct{ ed25519.PrivateKey }

func generateEd25519() (ed25519Key, error) {
	_, k, err := ed25519.GenerateKey(rand.Reader)
	return ed25519Key{k}, err
}

// parseEd25519 reads RFC 8410.
func parseEd25519(der []byte) (ed25519Key, error) {
	p, err := parsePKCS8(der, oidEd25519)
	if err != nil {
		return ed25519Key{}, err
	}
	defer clear(p.PrivateKey)
	if len(p.Algorithm.Parameters.FullBytes) != 0 {
		return ed25519Key{}, ErrMaterialFormat
	}
	var seed []byte
	rest, err := asn1.Unmarshal(p.PrivateKey, &seed)
	if err != nil || len(rest) != 0 || len(seed) != ed25519.SeedSize {
		return ed25519Key{}, ErrMaterialFormat
	}
	defer clear(seed)
	k := ed25519Key{ed25519.NewKeyFromSeed(seed)}
	if len(p.PublicKey.Bytes) != 0 && !equal(p.PublicKey.Bytes, k.point()) {
		return ed25519Key{}, ErrMaterialKey
	}
	return k, nil
}

func (k ed25519Key) point() ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func (k ed25519Key) publicKey() ([]byte, error)  { return x509.MarshalPKIXPublicKey(k.point()) }
func (k ed25519Key) privateKey() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(k.PrivateKey) }

var prehashed = &ed25519.Options{Hash: crypto.SHA512}

// digest returns what is signed: the message for Ed25519, its hash for Ed25519ph.
// The message of Ed25519ph is a digest already, which AWS KMS hashes once more.
func (k ed25519Key) digest(algorithm, messageType string, message []byte) ([]byte, error) {
	switch {
	case algorithm == Ed25519SHA512 && messageType == Raw:
		return message, nil
	case algorithm == Ed25519PHSHA512 && messageType == Digest:
		if len(message) != sha512.Size {
			return nil, ErrDigestLength
		}
		h := sha512.Sum512(message)
		return h[:], nil
	default:
		return nil, ErrMessageType
	}
}

func (k ed25519Key) sign(algorithm, _ string, message []byte) ([]byte, error) {
	if algorithm == Ed25519PHSHA512 {
		return k.PrivateKey.Sign(nil, message, prehashed)
	}
	return ed25519.Sign(k.PrivateKey, message), nil
}

func (k ed25519Key) verify(algorithm, _ string, message, signature []byte) error {
	var valid bool
	if algorithm == Ed25519PHSHA512 {
		valid = ed25519.VerifyWithOptions(k.point(), message, signature, prehashed) == nil
	} else {
		valid = ed25519.Verify(k.point(), message, signature)
	}
	if !valid {
		return ErrInvalidSignature
	}
	return nil
}

func (k ed25519Key) wipe() { clear(k.PrivateKey) }
