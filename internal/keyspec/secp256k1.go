package keyspec

import (
	"crypto"
	"crypto/rand"
	"encoding/asn1"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// A secp256k1Key is a key on secp256k1.
//
// The library multiplies and inverts in variable time, and whoever can measure
// the time of many signatures learns of a nonce's leading zeros as much as a
// lattice needs to find the key (Howgrave-Graham and Smart; "Minerva", CHES
// 2020). So its own signing is not used: no secret scalar goes into a
// multiplication or an inversion that is not masked by a fresh random one.
type secp256k1Key struct {
	key    *secp256k1.PrivateKey
	public *secp256k1.PublicKey
}

func newSecp256k1(k *secp256k1.PrivateKey) secp256k1Key {
	p := multiplyBase(&k.Key)
	return secp256k1Key{k, secp256k1.NewPublicKey(&p.X, &p.Y)}
}

func generateSecp256k1() secp256k1Key { return newSecp256k1(secp256k1.NewPrivateKey(randomScalar())) }

func parseSecp256k1(der []byte) (secp256k1Key, error) {
	scalar, public, err := parseEC(der, oidSecp256k1, secp256k1.PrivKeyBytesLen)
	if err != nil {
		return secp256k1Key{}, err
	}
	defer clear(scalar)
	var d secp256k1.ModNScalar
	if overflow := d.SetByteSlice(scalar); overflow || d.IsZero() {
		return secp256k1Key{}, ErrMaterialKey
	}
	k := newSecp256k1(secp256k1.NewPrivateKey(&d))
	d.Zero()
	if !samePoint(public, k.public.SerializeUncompressed()) {
		return secp256k1Key{}, ErrMaterialKey
	}
	return k, nil
}

func (k secp256k1Key) publicKey() ([]byte, error) {
	curve, err := asn1.Marshal(oidSecp256k1)
	if err != nil {
		return nil, err
	}
	return marshalPublic(oidEC, curve, k.public.SerializeUncompressed())
}

func (k secp256k1Key) privateKey() ([]byte, error) {
	scalar := k.key.Serialize()
	defer clear(scalar)
	return marshalEC(oidSecp256k1, scalar, k.public.SerializeUncompressed())
}

func (k secp256k1Key) digest(_, messageType string, message []byte) ([]byte, error) {
	return hashed(crypto.SHA256, messageType, message)
}

// sign signs with a nonce that RFC 6979 derives from the key, the digest and 32
// random bytes: a bad source of randomness alone does not give the key away, nor
// does a fault in one of two signatures of the same digest.
func (k secp256k1Key) sign(_, _ string, digest []byte) ([]byte, error) {
	var fresh [32]byte
	rand.Read(fresh[:])
	d := k.key.Key.Bytes()
	defer clear(d[:])
	for i := uint32(0); ; i++ {
		nonce := secp256k1.NonceRFC6979(d[:], digest, fresh[:], nil, i)
		signature, ok := signSecp256k1(&k.key.Key, nonce, digest)
		nonce.Zero()
		if ok {
			return signature.Serialize(), nil // with the smaller one of s and -s: BIP 62
		}
	}
}

// signSecp256k1 computes r = (nonce G).x and s = (e + r d) / nonce. It fails, as
// often as one guesses the key, if either is zero.
//
// Source: FIPS 186-5, section 6.4.1.
func signSecp256k1(d, nonce *secp256k1.ModNScalar, digest []byte) (*ecdsa.Signature, bool) {
	point := multiplyBase(nonce)
	var r, s, e secp256k1.ModNScalar
	r.SetBytes(point.X.Bytes()) // modulo the order
	e.SetByteSlice(digest)
	mask := randomScalar()
	defer mask.Zero()
	masked := new(secp256k1.ModNScalar).Mul2(nonce, mask)
	masked.InverseNonConst()
	s.Mul2(&r, d).Add(&e).Mul(mask).Mul(masked)
	if r.IsZero() || s.IsZero() {
		return nil, false
	}
	return ecdsa.NewSignature(&r, &s), true
}

// multiplyBase returns scalar G as the sum of two products with random scalars.
func multiplyBase(scalar *secp256k1.ModNScalar) *secp256k1.JacobianPoint {
	mask := randomScalar()
	rest := new(secp256k1.ModNScalar).NegateVal(mask).Add(scalar)
	defer mask.Zero()
	defer rest.Zero()
	var a, b, sum secp256k1.JacobianPoint
	secp256k1.ScalarBaseMultNonConst(mask, &a)
	secp256k1.ScalarBaseMultNonConst(rest, &b)
	secp256k1.AddNonConst(&a, &b, &sum)
	sum.ToAffine()
	return &sum
}

// randomScalar returns a uniformly random scalar that is not zero.
func randomScalar() *secp256k1.ModNScalar {
	var b [32]byte
	defer clear(b[:])
	for {
		rand.Read(b[:])
		var s secp256k1.ModNScalar
		if overflow := s.SetBytes(&b); overflow == 0 && !s.IsZero() {
			return &s
		}
	}
}

func (k secp256k1Key) verify(_, _ string, digest, signature []byte) error {
	parsed, err := ecdsa.ParseDERSignature(signature)
	if err != nil || !parsed.Verify(digest, k.public) {
		return ErrInvalidSignature
	}
	return nil
}

func (k secp256k1Key) wipe() { k.key.Zero() }
