package keyspec

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	_ "crypto/sha256" // for crypto.Hash.New
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
)

// A nistKey is a key on P-256, P-384 or P-521, for ECDSA or for ECDH.
type nistKey struct {
	*ecdsa.PrivateKey
	agreement *ecdh.PrivateKey
}

func nistCurve(spec Spec) (elliptic.Curve, asn1.ObjectIdentifier) {
	switch spec.name {
	case P256:
		return elliptic.P256(), oidP256
	case P384:
		return elliptic.P384(), oidP384
	case P521:
		return elliptic.P521(), oidP521
	default:
		panic("keyspec: internal error: no such curve")
	}
}

func newNIST(k *ecdsa.PrivateKey) (nistKey, error) {
	agreement, err := k.ECDH()
	return nistKey{k, agreement}, err
}

func generateNIST(spec Spec) (nistKey, error) {
	curve, _ := nistCurve(spec)
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		return nistKey{}, err
	}
	return newNIST(k)
}

func parseNIST(spec Spec, der []byte) (nistKey, error) {
	curve, oid := nistCurve(spec)
	scalar, public, err := parseEC(der, oid, (curve.Params().BitSize+7)/8)
	if err != nil {
		return nistKey{}, err
	}
	defer clear(scalar)
	k, err := ecdsa.ParseRawPrivateKey(curve, scalar)
	if err != nil {
		return nistKey{}, ErrMaterialKey
	}
	own, err := k.PublicKey.Bytes()
	if err != nil || !samePoint(public, own) {
		return nistKey{}, ErrMaterialKey
	}
	parsed, err := newNIST(k)
	if err != nil {
		return nistKey{}, ErrMaterialKey
	}
	return parsed, nil
}

func (k nistKey) publicKey() ([]byte, error)  { return x509.MarshalPKIXPublicKey(&k.PublicKey) }
func (k nistKey) privateKey() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(k.PrivateKey) }

func ecdsaHash(algorithm string) crypto.Hash {
	switch algorithm {
	case ECDSASHA256:
		return crypto.SHA256
	case ECDSASHA384:
		return crypto.SHA384
	case ECDSASHA512:
		return crypto.SHA512
	default:
		panic("keyspec: internal error: no such ECDSA algorithm")
	}
}

func (k nistKey) digest(algorithm, messageType string, message []byte) ([]byte, error) {
	return hashed(ecdsaHash(algorithm), messageType, message)
}

func (k nistKey) sign(_, _ string, digest []byte) ([]byte, error) {
	return ecdsa.SignASN1(rand.Reader, k.PrivateKey, digest)
}

func (k nistKey) verify(_, _ string, digest, signature []byte) error {
	if !ecdsa.VerifyASN1(&k.PublicKey, digest, signature) {
		return ErrInvalidSignature
	}
	return nil
}

func (k nistKey) derive(peer []byte) ([]byte, error) {
	if len(peer) > maxPublicKey {
		return nil, ErrInvalidPublicKey
	}
	parsed, err := x509.ParsePKIXPublicKey(peer)
	if err != nil {
		return nil, ErrInvalidPublicKey
	}
	public, ok := parsed.(*ecdsa.PublicKey)
	if !ok || public.Curve != k.Curve {
		return nil, ErrInvalidPublicKey
	}
	point, err := public.ECDH()
	if err != nil {
		return nil, ErrInvalidPublicKey
	}
	secret, err := k.agreement.ECDH(point)
	if err != nil {
		return nil, ErrInvalidPublicKey
	}
	return secret, nil
}

func (k nistKey) wipe() { clear(k.D.Bits()) }
