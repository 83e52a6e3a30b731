package keyspec

import (
	"slices"

	"coffer/internal/keywrap"
)

// The key specs, by their names in the API.
//
// Source: AWS KMS API Reference, CreateKey, KeySpec, as in the model of the AWS
// SDK for Go v2 service/kms v1.62.4.
const (
	SymmetricDefault = "SYMMETRIC_DEFAULT"
	HMAC224          = "HMAC_224"
	HMAC256          = "HMAC_256"
	HMAC384          = "HMAC_384"
	HMAC512          = "HMAC_512"
	RSA2048          = "RSA_2048"
	RSA3072          = "RSA_3072"
	RSA4096          = "RSA_4096"
	P256             = "ECC_NIST_P256"
	P384             = "ECC_NIST_P384"
	P521             = "ECC_NIST_P521"
	Secp256k1        = "ECC_SECG_P256K1"
	Ed25519          = "ECC_NIST_EDWARDS25519"
	MLDSA44          = "ML_DSA_44"
	MLDSA65          = "ML_DSA_65"
	MLDSA87          = "ML_DSA_87"
	MLKEM512         = "ML_KEM_512"
	MLKEM768         = "ML_KEM_768"
	MLKEM1024        = "ML_KEM_1024"
	// SM2 is a key spec of AWS's regions in China alone: [Lookup] does not know
	// it. Elsewhere AWS does not list it among the values that KeySpec allows
	// and answers ValidationException.
	SM2 = "SM2"
)

// The key usages.
const (
	EncryptDecrypt         = "ENCRYPT_DECRYPT"
	SignVerify             = "SIGN_VERIFY"
	GenerateVerifyMAC      = "GENERATE_VERIFY_MAC"
	KeyAgreement           = "KEY_AGREEMENT"
	EncapsulateDecapsulate = "ENCAPSULATE_DECAPSULATE"
)

// The algorithms.
const (
	EncryptSymmetricDefault = "SYMMETRIC_DEFAULT"
	OAEPSHA1                = "RSAES_OAEP_SHA_1"
	OAEPSHA256              = "RSAES_OAEP_SHA_256"

	PKCS1SHA256     = "RSASSA_PKCS1_V1_5_SHA_256"
	PKCS1SHA384     = "RSASSA_PKCS1_V1_5_SHA_384"
	PKCS1SHA512     = "RSASSA_PKCS1_V1_5_SHA_512"
	PSSSHA256       = "RSASSA_PSS_SHA_256"
	PSSSHA384       = "RSASSA_PSS_SHA_384"
	PSSSHA512       = "RSASSA_PSS_SHA_512"
	ECDSASHA256     = "ECDSA_SHA_256"
	ECDSASHA384     = "ECDSA_SHA_384"
	ECDSASHA512     = "ECDSA_SHA_512"
	Ed25519SHA512   = "ED25519_SHA_512"
	Ed25519PHSHA512 = "ED25519_PH_SHA_512"
	MLDSASHAKE256   = "ML_DSA_SHAKE_256"

	HMACSHA224 = "HMAC_SHA_224"
	HMACSHA256 = "HMAC_SHA_256"
	HMACSHA384 = "HMAC_SHA_384"
	HMACSHA512 = "HMAC_SHA_512"

	ECDH = "ECDH"

	MLKEM = "ML_KEM"
)

// The types of a message to sign or verify.
const (
	Raw        = "RAW"         // the message itself
	Digest     = "DIGEST"      // its hash, by the hash function of the algorithm
	ExternalMu = "EXTERNAL_MU" // the message representative of ML-DSA, FIPS 204 section 6.2
)

// MaxMessage is the longest message to sign, verify or authenticate, in bytes.
//
// Source: AWS KMS API Reference, Sign and GenerateMac, read 2026-11-21.
const MaxMessage = 4096

// A Spec is what a KeySpec of the API stands for. Only [Lookup] makes one.
type Spec struct{ *definition }

// A definition is one row of the table.
type definition struct {
	name       string
	kind       kind
	size       int                 // bytes of symmetric material; bits of an RSA modulus
	usages     []string            // in the order of the API's documentation
	algorithms map[string][]string // by usage
	dataPair   bool
}

// A kind is a family of key specs with common code.
type kind int

const (
	symmetric kind = iota
	hmacKind
	rsaKind
	nistKind
	secp256k1Kind
	ed25519Kind
	mldsaKind
	mlkemKind
)

// table lists the specs in the order of the API's documentation, and their
// algorithms in the order in which DescribeKey lists them, which is that of the
// alphabet.
var table = []definition{
	{name: SymmetricDefault, kind: symmetric, size: 32, usages: []string{EncryptDecrypt},
		algorithms: map[string][]string{EncryptDecrypt: {EncryptSymmetricDefault}}},
	hmacSpec(HMAC224, 28, HMACSHA224), hmacSpec(HMAC256, 32, HMACSHA256), hmacSpec(HMAC384, 48, HMACSHA384), hmacSpec(HMAC512, 64, HMACSHA512),
	rsaSpec(RSA2048, 2048), rsaSpec(RSA3072, 3072), rsaSpec(RSA4096, 4096),
	nistSpec(P256, ECDSASHA256), nistSpec(P384, ECDSASHA384), nistSpec(P521, ECDSASHA512),
	{name: Ed25519, kind: ed25519Kind, usages: []string{SignVerify}, dataPair: true,
		algorithms: map[string][]string{SignVerify: {Ed25519PHSHA512, Ed25519SHA512}}},
	{name: Secp256k1, kind: secp256k1Kind, usages: []string{SignVerify}, dataPair: true,
		algorithms: map[string][]string{SignVerify: {ECDSASHA256}}},
	mldsaSpec(MLDSA44), mldsaSpec(MLDSA65), mldsaSpec(MLDSA87),
	mlkemSpec(MLKEM512), mlkemSpec(MLKEM768), mlkemSpec(MLKEM1024),
}

func hmacSpec(name string, size int, algorithm string) definition {
	return definition{name: name, kind: hmacKind, size: size, usages: []string{GenerateVerifyMAC},
		algorithms: map[string][]string{GenerateVerifyMAC: {algorithm}}}
}

func rsaSpec(name string, bits int) definition {
	return definition{name: name, kind: rsaKind, size: bits, usages: []string{EncryptDecrypt, SignVerify}, dataPair: true,
		algorithms: map[string][]string{
			EncryptDecrypt: {OAEPSHA1, OAEPSHA256},
			SignVerify:     {PKCS1SHA256, PKCS1SHA384, PKCS1SHA512, PSSSHA256, PSSSHA384, PSSSHA512},
		}}
}

func nistSpec(name, algorithm string) definition {
	return definition{name: name, kind: nistKind, usages: []string{SignVerify, KeyAgreement}, dataPair: true,
		algorithms: map[string][]string{SignVerify: {algorithm}, KeyAgreement: {ECDH}}}
}

func mldsaSpec(name string) definition {
	return definition{name: name, kind: mldsaKind, usages: []string{SignVerify},
		algorithms: map[string][]string{SignVerify: {MLDSASHAKE256}}}
}

func mlkemSpec(name string) definition {
	return definition{name: name, kind: mlkemKind, usages: []string{EncapsulateDecapsulate}, dataPair: true,
		algorithms: map[string][]string{EncapsulateDecapsulate: {MLKEM}}}
}

// Lookup returns the spec with a name, such as "RSA_2048". It does not know SM2.
func Lookup(name string) (Spec, bool) {
	for i := range table {
		if table[i].name == name {
			return Spec{&table[i]}, true
		}
	}
	return Spec{}, false
}

// Names returns the names of all specs.
func Names() []string {
	var names []string
	for i := range table {
		names = append(names, table[i].name)
	}
	return names
}

// DataKeyPairNames returns the names of the specs that a data key pair may have:
// all that are asymmetric, but for those of ML-DSA.
//
// Source: AWS KMS API Reference, GenerateDataKeyPair, KeyPairSpec, as in the model
// of the AWS SDK for Go v2 service/kms v1.62.4.
func DataKeyPairNames() []string {
	var names []string
	for i := range table {
		if table[i].dataPair {
			names = append(names, table[i].name)
		}
	}
	return names
}

// Name returns the name of the spec in the API.
func (s Spec) Name() string { return s.name }

// String returns the name of the spec in the API.
func (s Spec) String() string { return s.name }

// Usages returns the key usages that keys of the spec may have, one each.
func (s Spec) Usages() []string { return slices.Clone(s.usages) }

// Allows reports whether keys of the spec may have the usage.
func (s Spec) Allows(usage string) bool { return slices.Contains(s.usages, usage) }

// DefaultUsage returns the usage of a key that is created without one, or "" if
// the API requires it: it does for all but SYMMETRIC_DEFAULT, even where there
// is but one.
func (s Spec) DefaultUsage() string {
	if s.kind == symmetric {
		return EncryptDecrypt
	}
	return ""
}

// Algorithms returns the algorithms of a key with the spec and usage, as
// DescribeKey lists them in EncryptionAlgorithms, SigningAlgorithms,
// MacAlgorithms or KeyAgreementAlgorithms.
func (s Spec) Algorithms(usage string) []string { return slices.Clone(s.algorithms[usage]) }

// Supports reports whether a key with the spec and usage knows the algorithm.
func (s Spec) Supports(usage, algorithm string) bool {
	return slices.Contains(s.algorithms[usage], algorithm)
}

// Asymmetric reports whether keys of the spec are key pairs.
func (s Spec) Asymmetric() bool { return s.kind != symmetric && s.kind != hmacKind }

// DataKeyPair reports whether a data key pair may have the spec.
func (s Spec) DataKeyPair() bool { return s.dataPair }

// MultiRegion reports whether a multi-Region key may have the spec: all may.
//
// Source: AWS KMS API Reference, CreateKey: "all supported KMS key types".
func (s Spec) MultiRegion() bool { return true }

// Importable reports whether key material of the spec may be imported: all may.
//
// Source: AWS KMS API Reference, CreateKey and GetParametersForImport: "All KMS
// key types are supported".
func (s Spec) Importable() bool { return true }

// CustomKeyStore reports whether a key in a custom key store may have the spec.
func (s Spec) CustomKeyStore() bool { return s.kind == symmetric }

// Rotates reports whether keys of the spec can have more than one material, by
// automatic and on-demand rotation.
func (s Spec) Rotates() bool { return s.kind == symmetric }

// MaxPlaintext returns how many bytes one Encrypt with the algorithm takes, or 0
// if the algorithm is not of the spec.
//
// Source: AWS KMS API Reference, Encrypt, read 2026-11-21.
func (s Spec) MaxPlaintext(algorithm string) int {
	switch {
	case !s.Supports(EncryptDecrypt, algorithm):
		return 0
	case algorithm == OAEPSHA1:
		return s.size/8 - 2*20 - 2
	case algorithm == OAEPSHA256:
		return s.size/8 - 2*32 - 2
	default:
		return 4096
	}
}

// Wraps reports whether key material of the spec may be imported under a wrapping
// algorithm with an RSA key of the wrapping key spec, RSA_2048, RSA_3072 or
// RSA_4096. RSA keys are too long for OAEP alone, and so are P-521 keys for OAEP
// under RSA_2048; symmetric keys have no use for an AES key between. What AWS says
// of elliptic curves goes here for ML-DSA and ML-KEM too.
//
// Source: AWS KMS API Reference, GetParametersForImport, WrappingAlgorithm, read
// 2026-11-21.
func (s Spec) Wraps(algorithm, wrappingKeySpec string) bool {
	switch wrappingKeySpec {
	case RSA2048, RSA3072, RSA4096:
	default:
		return false
	}
	switch algorithm {
	case keywrap.RSAAESSHA1, keywrap.RSAAESSHA256:
		return s.Asymmetric()
	case keywrap.OAEPSHA1, keywrap.OAEPSHA256:
		return s.kind != rsaKind && !(s.name == P521 && wrappingKeySpec == RSA2048)
	default:
		return false
	}
}
