package keyspec

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
)

// Object identifiers of private and public keys.
//
// Source: RFC 8017, RFC 5480 and SEC 2, RFC 8410, RFC 9881, RFC 9935.
var (
	oidRSA       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidEC        = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidP256      = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
	oidP384      = asn1.ObjectIdentifier{1, 3, 132, 0, 34}
	oidP521      = asn1.ObjectIdentifier{1, 3, 132, 0, 35}
	oidSecp256k1 = asn1.ObjectIdentifier{1, 3, 132, 0, 10}
	oidEd25519   = asn1.ObjectIdentifier{1, 3, 101, 112}
	oidMLDSA44   = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 3, 17}
	oidMLDSA65   = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 3, 18}
	oidMLDSA87   = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 3, 19}
	oidMLKEM512  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, 1}
	oidMLKEM768  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, 2}
	oidMLKEM1024 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, 3}
)

// maxPublicKey is the longest SubjectPublicKeyInfo that is looked at, in bytes.
//
// Source: AWS KMS API Reference, DeriveSharedSecret, PublicKey, read 2026-11-21.
const maxPublicKey = 8192

// A pkcs8 is a OneAsymmetricKey of RFC 5958, the PrivateKeyInfo of RFC 5208.
type pkcs8 struct {
	Version    int
	Algorithm  pkix.AlgorithmIdentifier
	PrivateKey []byte
	Attributes asn1.RawValue  `asn1:"optional,tag:0"`
	PublicKey  asn1.BitString `asn1:"optional,tag:1"`
}

// An ecPrivateKey is that of RFC 5915.
type ecPrivateKey struct {
	Version    int
	PrivateKey []byte
	Curve      asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
	PublicKey  asn1.BitString        `asn1:"optional,explicit,tag:1"`
}

// A publicKeyInfo is a SubjectPublicKeyInfo of RFC 5280.
type publicKeyInfo struct {
	Algorithm pkix.AlgorithmIdentifier
	PublicKey asn1.BitString
}

// unmarshal parses DER into v, a pointer, and refuses what Marshal would write in
// another way: package asn1 itself ignores what follows the fields it knows.
func unmarshal(der []byte, v any) error {
	if _, err := asn1.Unmarshal(der, v); err != nil {
		return ErrMaterialFormat
	}
	again, err := asn1.Marshal(deref(v))
	defer clear(again)
	if err != nil || !bytes.Equal(der, again) {
		return ErrMaterialFormat
	}
	return nil
}

func deref(v any) any {
	switch v := v.(type) {
	case *pkcs8:
		return *v
	case *ecPrivateKey:
		return *v
	case *[]byte:
		return *v
	default:
		panic("keyspec: internal error: no such structure")
	}
}

// parsePKCS8 returns the structure around a private key of one algorithm.
func parsePKCS8(der []byte, oid asn1.ObjectIdentifier) (*pkcs8, error) {
	var p pkcs8
	if err := unmarshal(der, &p); err != nil {
		return nil, err
	}
	if p.Version != 0 && p.Version != 1 || p.Version == 0 && len(p.PublicKey.Bytes) != 0 {
		return nil, ErrMaterialFormat
	}
	if !p.Algorithm.Algorithm.Equal(oid) {
		return nil, ErrMaterialSpec
	}
	return &p, nil
}

// parseEC returns the scalar of a private key on one curve, size bytes, and the
// public keys beside it.
func parseEC(der []byte, curve asn1.ObjectIdentifier, size int) (scalar []byte, public [][]byte, err error) {
	p, err := parsePKCS8(der, oidEC)
	if err != nil {
		return nil, nil, err
	}
	defer clear(p.PrivateKey)
	var named asn1.ObjectIdentifier
	if rest, err := asn1.Unmarshal(p.Algorithm.Parameters.FullBytes, &named); err != nil || len(rest) != 0 {
		return nil, nil, ErrMaterialFormat
	}
	if !named.Equal(curve) {
		return nil, nil, ErrMaterialSpec
	}
	var k ecPrivateKey
	if err := unmarshal(p.PrivateKey, &k); err != nil {
		return nil, nil, err
	}
	if k.Version != 1 || len(k.PrivateKey) != size || k.Curve != nil && !k.Curve.Equal(curve) {
		return nil, nil, ErrMaterialFormat
	}
	for _, b := range []asn1.BitString{p.PublicKey, k.PublicKey} {
		if b.BitLength != 0 {
			public = append(public, bytes.Clone(b.RightAlign())) // it lies in what is wiped
		}
	}
	return k.PrivateKey, public, nil
}

// samePoint reports whether each of the points, compressed or not, is own, which
// is not.
func samePoint(points [][]byte, own []byte) bool {
	compressed := append([]byte{2 | own[len(own)-1]&1}, own[1:1+len(own)/2]...)
	for _, p := range points {
		if !bytes.Equal(p, own) && !bytes.Equal(p, compressed) {
			return false
		}
	}
	return true
}

// marshalEC encodes a private key on a curve.
func marshalEC(curve asn1.ObjectIdentifier, scalar, point []byte) ([]byte, error) {
	parameters, err := asn1.Marshal(curve)
	if err != nil {
		return nil, err
	}
	inner, err := asn1.Marshal(ecPrivateKey{Version: 1, PrivateKey: scalar, PublicKey: bits(point)})
	if err != nil {
		return nil, err
	}
	defer clear(inner)
	return asn1.Marshal(pkcs8{Algorithm: pkix.AlgorithmIdentifier{Algorithm: oidEC,
		Parameters: asn1.RawValue{FullBytes: parameters}}, PrivateKey: inner})
}

// marshalPublic encodes a public key; parameters is nil or DER.
func marshalPublic(oid asn1.ObjectIdentifier, parameters, public []byte) ([]byte, error) {
	return asn1.Marshal(publicKeyInfo{Algorithm: pkix.AlgorithmIdentifier{Algorithm: oid,
		Parameters: asn1.RawValue{FullBytes: parameters}}, PublicKey: bits(public)})
}

func bits(b []byte) asn1.BitString { return asn1.BitString{Bytes: b, BitLength: 8 * len(b)} }

// seedTag is the context-specific tag of a seed that stands alone.
const seedTag = 0x80

// parseSeed reads the private key of ML-DSA or ML-KEM: a CHOICE of the seed under
// tag 0, the expanded key as an OCTET STRING, and a SEQUENCE of both. It returns
// the seed and, if there is one, the expanded key beside it, which the caller
// wipes with p.PrivateKey.
//
// Source: RFC 9881 and RFC 9935, section 6.
func parseSeed(der []byte, oid asn1.ObjectIdentifier, seedSize, expandedSize int) (seed, expanded []byte, p *pkcs8, err error) {
	p, err = parsePKCS8(der, oid)
	if err != nil {
		return nil, nil, nil, err
	}
	b := p.PrivateKey
	alone := len(b) == 2+seedSize && b[0] == seedTag && int(b[1]) == seedSize
	if len(p.Algorithm.Parameters.FullBytes) != 0 {
		return nil, nil, nil, ErrMaterialFormat
	}
	if alone {
		return b[2:], nil, p, nil
	}
	var both struct{ Seed, Expanded []byte }
	rest, err := asn1.Unmarshal(b, &both)
	if err != nil || len(rest) != 0 || len(both.Seed) != seedSize || len(both.Expanded) != expandedSize {
		return nil, nil, nil, ErrMaterialFormat
	}
	again, err := asn1.Marshal(both)
	defer clear(again)
	if err != nil || !bytes.Equal(again, b) {
		return nil, nil, nil, ErrMaterialFormat
	}
	return both.Seed, both.Expanded, p, nil
}

// marshalSeed encodes the private key of ML-DSA or ML-KEM.
func marshalSeed(oid asn1.ObjectIdentifier, seed []byte) ([]byte, error) {
	inner := append([]byte{seedTag, byte(len(seed))}, seed...)
	defer clear(inner)
	return asn1.Marshal(pkcs8{Algorithm: pkix.AlgorithmIdentifier{Algorithm: oid}, PrivateKey: inner})
}
