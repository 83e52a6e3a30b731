package keyspec

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"hash"
	"math/big"
)

// primalityRounds is how many rounds of Miller-Rabin a factor of an imported RSA
// key takes, besides a Baillie-PSW test: a composite passes one of them with a
// probability below 1/4.
const primalityRounds = 20

// An rsaKey is an RSA key with two factors.
type rsaKey struct{ *rsa.PrivateKey }

func generateRSA(spec Spec) (rsaKey, error) {
	k, err := rsa.GenerateKey(rand.Reader, spec.size)
	return rsaKey{k}, err
}

// normalized returns the same key with the larger factor first and the smallest
// private exponent: two encodings of a key differ in these alone.
func normalized(k *rsa.PrivateKey) rsaKey {
	p, q := k.Primes[0], k.Primes[1]
	if p.Cmp(q) < 0 {
		p, q = q, p
	}
	one := big.NewInt(1)
	p1, q1 := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
	lambda := new(big.Int).Mul(p1, q1)
	lambda.Div(lambda, new(big.Int).GCD(nil, nil, p1, q1))
	n := &rsa.PrivateKey{PublicKey: k.PublicKey, D: new(big.Int).Mod(k.D, lambda), Primes: []*big.Int{p, q}}
	n.Precompute()
	return rsaKey{n}
}

// parseRSA returns a key whose numbers belong together. It does not look whether
// its factors are primes.
func parseRSA(spec Spec, der []byte) (*rsaKey, error) {
	p, err := parsePKCS8(der, oidRSA)
	if err != nil {
		return nil, err
	}
	defer clear(p.PrivateKey)
	if !bytes.Equal(p.Algorithm.Parameters.FullBytes, asn1.NullBytes) || len(p.PublicKey.Bytes) != 0 {
		return nil, ErrMaterialFormat
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, ErrMaterialKey
	}
	k, ok := parsed.(*rsa.PrivateKey)
	switch {
	case !ok, k.N.BitLen() != spec.size:
		return nil, ErrMaterialSpec
	case len(k.Primes) != 2, k.E < 65537, k.Validate() != nil:
		return nil, ErrMaterialKey
	}
	return &rsaKey{k}, nil
}

// validate makes the checks of a key from outside that take long.
func (k rsaKey) validate() error {
	for _, p := range k.Primes {
		if p.BitLen() != k.N.BitLen()/2 || !p.ProbablyPrime(primalityRounds) {
			return ErrMaterialKey
		}
	}
	return nil
}

func (k rsaKey) publicKey() ([]byte, error) { return x509.MarshalPKIXPublicKey(&k.PublicKey) }
func (k rsaKey) privateKey() ([]byte, error) {
	return x509.MarshalPKCS8PrivateKey(normalized(k.PrivateKey).PrivateKey)
}

// rsaSignature says how an algorithm signs.
func rsaSignature(algorithm string) (h crypto.Hash, pss bool) {
	switch algorithm {
	case PKCS1SHA256:
		return crypto.SHA256, false
	case PKCS1SHA384:
		return crypto.SHA384, false
	case PKCS1SHA512:
		return crypto.SHA512, false
	case PSSSHA256:
		return crypto.SHA256, true
	case PSSSHA384:
		return crypto.SHA384, true
	case PSSSHA512:
		return crypto.SHA512, true
	default:
		panic("keyspec: internal error: no such RSA algorithm")
	}
}

var saltAsLongAsHash = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}

func (k rsaKey) digest(algorithm, messageType string, message []byte) ([]byte, error) {
	h, _ := rsaSignature(algorithm)
	return hashed(h, messageType, message)
}

func (k rsaKey) sign(algorithm, _ string, digest []byte) ([]byte, error) {
	h, pss := rsaSignature(algorithm)
	if pss {
		return rsa.SignPSS(rand.Reader, k.PrivateKey, h, digest, saltAsLongAsHash)
	}
	return rsa.SignPKCS1v15(nil, k.PrivateKey, h, digest)
}

func (k rsaKey) verify(algorithm, _ string, digest, signature []byte) error {
	h, pss := rsaSignature(algorithm)
	var err error
	if pss {
		err = rsa.VerifyPSS(&k.PublicKey, h, digest, signature, saltAsLongAsHash)
	} else {
		err = rsa.VerifyPKCS1v15(&k.PublicKey, h, digest, signature)
	}
	if err != nil {
		return ErrInvalidSignature
	}
	return nil
}

func oaepHash(algorithm string) hash.Hash {
	if algorithm == OAEPSHA1 {
		return sha1.New()
	}
	return sha256.New()
}

func (k rsaKey) encrypt(algorithm string, plaintext []byte) ([]byte, error) {
	return rsa.EncryptOAEP(oaepHash(algorithm), rand.Reader, &k.PublicKey, plaintext, nil)
}

func (k rsaKey) decrypt(algorithm string, ciphertext []byte) ([]byte, error) {
	if len(ciphertext) != k.Size() {
		return nil, ErrInvalidCiphertext
	}
	plaintext, err := rsa.DecryptOAEP(oaepHash(algorithm), nil, k.PrivateKey, ciphertext, nil)
	if err != nil {
		return nil, ErrInvalidCiphertext
	}
	return plaintext, nil
}

func (k rsaKey) wipe() {
	clear(k.D.Bits())
	for _, p := range k.Primes {
		clear(p.Bits())
	}
	clear(k.Precomputed.Dp.Bits())
	clear(k.Precomputed.Dq.Bits())
	clear(k.Precomputed.Qinv.Bits())
}

// hashed returns the digest that an algorithm with the hash function signs.
func hashed(h crypto.Hash, messageType string, message []byte) ([]byte, error) {
	switch messageType {
	case Raw:
		d := h.New()
		d.Write(message)
		return d.Sum(nil), nil
	case Digest:
		if len(message) != h.Size() {
			return nil, ErrDigestLength
		}
		return message, nil
	default:
		return nil, ErrMessageType
	}
}
