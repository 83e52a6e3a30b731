package keyspec

import (
	"bytes"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/sha3"
	"encoding/asn1"

	"github.com/cloudflare/circl/kem/mlkem/mlkem512"
)

// An mlkemKey is an ML-KEM key.
type mlkemKey struct {
	set  *mlkemSet
	seed []byte // d | z
	decapsulation
}

// A decapsulation is a decapsulation key of one parameter set.
type decapsulation interface {
	encapsulationKey() []byte
	encapsulate() (secret, ciphertext []byte)
	decapsulate(ciphertext []byte) (secret []byte, err error)
}

// An mlkemSet is one of the parameter sets of FIPS 203.
type mlkemSet struct {
	oid      asn1.ObjectIdentifier
	expanded int // bytes of the decapsulation key
	open     func(seed []byte) (decapsulation, error)
}

func mlkemSetOf(spec Spec) *mlkemSet {
	switch spec.name {
	case MLKEM512:
		return &mlkemSet{oidMLKEM512, mlkem512.PrivateKeySize, openMLKEM512}
	case MLKEM768:
		return &mlkemSet{oidMLKEM768, 2400, openMLKEM768}
	case MLKEM1024:
		return &mlkemSet{oidMLKEM1024, 3168, openMLKEM1024}
	default:
		panic("keyspec: internal error: no such parameter set")
	}
}

func newMLKEM(set *mlkemSet, seed []byte) (mlkemKey, error) {
	d, err := set.open(seed)
	return mlkemKey{set, bytes.Clone(seed), d}, err
}

func generateMLKEM(spec Spec) (mlkemKey, error) {
	var seed [mlkem.SeedSize]byte
	defer clear(seed[:])
	rand.Read(seed[:])
	return newMLKEM(mlkemSetOf(spec), seed[:])
}

func parseMLKEM(spec Spec, der []byte) (mlkemKey, error) {
	set := mlkemSetOf(spec)
	seed, expanded, p, err := parseSeed(der, set.oid, mlkem.SeedSize, set.expanded)
	if err != nil {
		return mlkemKey{}, err
	}
	defer clear(p.PrivateKey)
	defer clear(seed)
	defer clear(expanded)
	k, err := newMLKEM(set, seed)
	if err != nil {
		return mlkemKey{}, ErrMaterialKey
	}
	if p.PublicKey.BitLength != 0 && !equal(p.PublicKey.RightAlign(), k.encapsulationKey()) {
		return mlkemKey{}, ErrMaterialKey
	}
	if tail := k.tail(); expanded != nil && !equal(expanded[len(expanded)-len(tail):], tail) {
		return mlkemKey{}, ErrMaterialKey
	}
	return k, nil
}

// tail returns the end of the expanded key, ek | H(ek) | z, that belongs to the
// seed. What precedes it there is the secret vector, which ek pins and nobody
// reads.
//
// Source: FIPS 203, algorithm 16.
func (k mlkemKey) tail() []byte {
	ek := k.encapsulationKey()
	h := sha3.Sum256(ek)
	return append(append(bytes.Clone(ek), h[:]...), k.seed[32:]...)
}

func (k mlkemKey) publicKey() ([]byte, error) {
	return marshalPublic(k.set.oid, nil, k.encapsulationKey())
}

func (k mlkemKey) privateKey() ([]byte, error) { return marshalSeed(k.set.oid, k.seed) }

func (k mlkemKey) wipe() { clear(k.seed) }

type decapsulation768 struct{ *mlkem.DecapsulationKey768 }

func openMLKEM768(seed []byte) (decapsulation, error) {
	d, err := mlkem.NewDecapsulationKey768(seed)
	return decapsulation768{d}, err
}

func (d decapsulation768) encapsulationKey() []byte { return d.EncapsulationKey().Bytes() }

func (d decapsulation768) encapsulate() (secret, ciphertext []byte) {
	return d.EncapsulationKey().Encapsulate()
}

func (d decapsulation768) decapsulate(ciphertext []byte) ([]byte, error) {
	secret, err := d.Decapsulate(ciphertext)
	if err != nil {
		return nil, ErrInvalidCiphertext
	}
	return secret, nil
}

type decapsulation1024 struct{ *mlkem.DecapsulationKey1024 }

func openMLKEM1024(seed []byte) (decapsulation, error) {
	d, err := mlkem.NewDecapsulationKey1024(seed)
	return decapsulation1024{d}, err
}

func (d decapsulation1024) encapsulationKey() []byte { return d.EncapsulationKey().Bytes() }

func (d decapsulation1024) encapsulate() (secret, ciphertext []byte) {
	return d.EncapsulationKey().Encapsulate()
}

func (d decapsulation1024) decapsulate(ciphertext []byte) ([]byte, error) {
	secret, err := d.Decapsulate(ciphertext)
	if err != nil {
		return nil, ErrInvalidCiphertext
	}
	return secret, nil
}

// decapsulation512 is by another library: the standard one leaves this set out.
type decapsulation512 struct {
	private *mlkem512.PrivateKey
	public  *mlkem512.PublicKey
	encoded []byte
}

func openMLKEM512(seed []byte) (decapsulation, error) {
	public, private := mlkem512.NewKeyFromSeed(seed)
	encoded, err := public.MarshalBinary()
	return decapsulation512{private, public, encoded}, err
}

func (d decapsulation512) encapsulationKey() []byte { return d.encoded }

func (d decapsulation512) encapsulate() (secret, ciphertext []byte) {
	secret, ciphertext = make([]byte, mlkem512.SharedKeySize), make([]byte, mlkem512.CiphertextSize)
	d.public.EncapsulateTo(ciphertext, secret, nil)
	return secret, ciphertext
}

func (d decapsulation512) decapsulate(ciphertext []byte) ([]byte, error) {
	if len(ciphertext) != mlkem512.CiphertextSize {
		return nil, ErrInvalidCiphertext
	}
	secret := make([]byte, mlkem512.SharedKeySize)
	d.private.DecapsulateTo(secret, ciphertext)
	return secret, nil
}
