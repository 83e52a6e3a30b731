package keyspec

import (
	"crypto"
	"crypto/rand"
	"crypto/sha3"
	"encoding/asn1"

	"filippo.io/mldsa"
	"filippo.io/mldsa/mldsacrypto"
)

// muSize is the length of the message representative mu, in bytes.
const muSize = 64

// An mldsaKey is an ML-DSA key.
type mldsaKey struct {
	set *mldsaSet
	*mldsa.PrivateKey
	public *mldsa.PublicKey
}

// An mldsaSet is one of the parameter sets of FIPS 204, table 1.
type mldsaSet struct {
	parameters    mldsa.Parameters
	oid           asn1.ObjectIdentifier
	expanded      int   // bytes of the expanded private key
	rows, columns int   // k and l
	tau           int   // coefficients of a challenge that are not zero
	challenge     int   // bytes of its hash, lambda/4
	gamma1Bits    int   // of the power of two that is gamma1
	gamma2        int32 // rounding range
	beta          int32 // tau eta
	omega         int   // hints at most
}

var (
	mldsaSet44 = mldsaSet{mldsa.MLDSA44(), oidMLDSA44, 2560, 4, 4, 39, 32, 17, (q - 1) / 88, 39 * 2, 80}
	mldsaSet65 = mldsaSet{mldsa.MLDSA65(), oidMLDSA65, 4032, 6, 5, 49, 48, 19, (q - 1) / 32, 49 * 4, 55}
	mldsaSet87 = mldsaSet{mldsa.MLDSA87(), oidMLDSA87, 4896, 8, 7, 60, 64, 19, (q - 1) / 32, 60 * 2, 75}
)

func mldsaSetOf(spec Spec) *mldsaSet {
	switch spec.name {
	case MLDSA44:
		return &mldsaSet44
	case MLDSA65:
		return &mldsaSet65
	case MLDSA87:
		return &mldsaSet87
	default:
		panic("keyspec: internal error: no such parameter set")
	}
}

func newMLDSA(set *mldsaSet, seed []byte) (mldsaKey, error) {
	k, err := mldsa.NewPrivateKey(set.parameters, seed)
	if err != nil {
		return mldsaKey{}, err
	}
	return mldsaKey{set, k, k.PublicKey()}, nil
}

func generateMLDSA(spec Spec) (mldsaKey, error) {
	var seed [mldsa.PrivateKeySize]byte
	defer clear(seed[:])
	rand.Read(seed[:])
	return newMLDSA(mldsaSetOf(spec), seed[:])
}

func parseMLDSA(spec Spec, der []byte) (mldsaKey, error) {
	set := mldsaSetOf(spec)
	seed, expanded, p, err := parseSeed(der, set.oid, mldsa.PrivateKeySize, set.expanded)
	if err != nil {
		return mldsaKey{}, err
	}
	defer clear(p.PrivateKey)
	defer clear(seed)
	defer clear(expanded)
	k, err := newMLDSA(set, seed)
	if err != nil {
		return mldsaKey{}, ErrMaterialKey
	}
	if p.PublicKey.BitLength != 0 && !equal(p.PublicKey.RightAlign(), k.public.Bytes()) {
		return mldsaKey{}, ErrMaterialKey
	}
	if expanded != nil && !equal(expanded[:len(k.head(seed))], k.head(seed)) {
		return mldsaKey{}, ErrMaterialKey
	}
	return k, nil
}

// head returns the start of the expanded key, rho | K | tr, that belongs to a
// seed. What follows there are the secret vectors and the low bits of the public
// one, which tr pins and nobody reads.
//
// Source: FIPS 204, algorithms 6 and 24.
func (k mldsaKey) head(seed []byte) []byte {
	h := sha3.NewSHAKE256()
	h.Write(seed)
	h.Write([]byte{byte(k.set.rows), byte(k.set.columns)})
	var out [32 + 64 + 32]byte // rho, rho', K
	h.Read(out[:])
	head := append(append([]byte(nil), out[:32]...), out[96:]...)
	return append(head, k.hash()...)
}

// hash returns tr, the hash of the public key.
func (k mldsaKey) hash() []byte { return sha3.SumSHAKE256(k.public.Bytes(), 64) }

func (k mldsaKey) publicKey() ([]byte, error) { return marshalPublic(k.set.oid, nil, k.public.Bytes()) }

func (k mldsaKey) privateKey() ([]byte, error) {
	seed := k.Bytes()
	defer clear(seed)
	return marshalSeed(k.set.oid, seed)
}

// digest returns the message or mu as it is.
func (k mldsaKey) digest(_, messageType string, message []byte) ([]byte, error) {
	switch {
	case messageType == Digest:
		return nil, ErrMessageType
	case messageType == ExternalMu && len(message) != muSize:
		return nil, ErrDigestLength
	}
	return message, nil
}

// A muOption makes the library sign mu.
type muOption struct{}

func (muOption) HashFunc() crypto.Hash { return mldsacrypto.MLDSAMu }

func (k mldsaKey) sign(_, messageType string, message []byte) ([]byte, error) {
	if messageType == ExternalMu {
		return k.Sign(nil, message, muOption{})
	}
	return k.Sign(nil, message, &mldsa.Options{}) // the context string is empty
}

func (k mldsaKey) verify(_, messageType string, message, signature []byte) error {
	var valid bool
	if messageType == ExternalMu {
		valid = k.set.verifyMu(k.public.Bytes(), message, signature)
	} else {
		valid = mldsa.Verify(k.public, message, signature, &mldsa.Options{}) == nil
	}
	if !valid {
		return ErrInvalidSignature
	}
	return nil
}
