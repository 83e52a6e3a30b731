package conformance

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"strings"
)

// kmsKeyOf makes a key with further members of CreateKey, in pairs, and returns its
// ARN.
func (m *matrix) kmsKeyOf(members ...any) string {
	m.Helper()
	in := make(map[string]any)
	for i := 0; i < len(members); i += 2 {
		in[members[i].(string)] = members[i+1]
	}
	var out struct{ KeyMetadata struct{ Arn string } }
	m.rootKMS("CreateKey", in, &out)
	return out.KeyMetadata.Arn
}

// specialRow is kmsRow for a key of another spec, with members of the request in pairs;
// a func() is called for the value.
func specialRow(operation, spec, usage string, members ...any) row {
	return row{operation: operation, make: func(m *matrix) (wire, []right) {
		key := m.kmsKeyOf("KeySpec", spec, "KeyUsage", usage)
		in := map[string]any{"KeyId": key}
		for i := 0; i < len(members); i += 2 {
			value := members[i+1]
			if make, ok := value.(func(*matrix, string) string); ok {
				value = make(m, key)
			}
			in[members[i].(string)] = value
		}
		return jsonWire("kms", "TrentService."+operation, in), []right{{"kms:" + operation, key}}
	}}
}

// made returns what another operation on the same key answers in one member.
func made(operation, member string, members ...any) func(*matrix, string) string {
	return func(m *matrix, key string) string {
		out := make(map[string]any)
		m.rootKMS(operation, about(members...)(m, key), &out)
		return out[member].(string)
	}
}

// publicKey returns the public key of a fresh key, in base64.
func publicKey(m *matrix, _ string) string {
	key := m.kmsKeyOf("KeySpec", "ECC_NIST_P256", "KeyUsage", "KEY_AGREEMENT")
	return made("GetPublicKey", "PublicKey")(m, key)
}

// externalKey makes a key for imported material.
func (m *matrix) externalKey() string { return m.kmsKeyOf("Origin", "EXTERNAL") }

// importFor returns the members of an ImportKeyMaterial for a key.
func (m *matrix) importFor(key string) map[string]any {
	m.Helper()
	var p struct{ ImportToken, PublicKey string }
	m.rootKMS("GetParametersForImport", map[string]any{"KeyId": key, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}, &p)
	der, err := base64.StdEncoding.DecodeString(p.PublicKey)
	check(m.T, "base64", err)
	public, err := x509.ParsePKIXPublicKey(der)
	check(m.T, "ParsePKIXPublicKey", err)
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public.(*rsa.PublicKey), bytes.Repeat([]byte{7}, 32), nil)
	check(m.T, "EncryptOAEP", err)
	return map[string]any{"KeyId": key, "ImportToken": p.ImportToken, "EncryptedKeyMaterial": base64.StdEncoding.EncodeToString(wrapped),
		"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
}

// externalRow is kmsRow for a key with imported material.
func externalRow(operation string, in func(m *matrix, key string) map[string]any) row {
	return row{operation: operation, make: func(m *matrix) (wire, []right) {
		key := m.externalKey()
		return jsonWire("kms", "TrentService."+operation, in(m, key)), []right{{"kms:" + operation, key}}
	}}
}

const farRegion = "eu-west-1"

func inFarRegion(key string) string { return strings.Replace(key, ":us-east-1:", ":"+farRegion+":", 1) }

const message = "bWVzc2FnZQ==" // "message"

// kmsSpecialRows are those of asymmetric and HMAC keys, imported material, rotation and
// multi-region keys.
var kmsSpecialRows = []row{
	specialRow("Decapsulate", "ML_KEM_768", "ENCAPSULATE_DECAPSULATE", "EncapsulationAlgorithm", "ML_KEM", "SharedSecretCiphertextBlob",
		made("Encapsulate", "SharedSecretCiphertextBlob", "EncapsulationAlgorithm", "ML_KEM")),
	externalRow("DeleteImportedKeyMaterial", func(m *matrix, key string) map[string]any {
		m.rootKMS("ImportKeyMaterial", m.importFor(key), nil)
		return map[string]any{"KeyId": key}
	}),
	specialRow("DeriveSharedSecret", "ECC_NIST_P256", "KEY_AGREEMENT", "KeyAgreementAlgorithm", "ECDH", "PublicKey", publicKey),
	kmsRow("DisableKeyRotation", about()),
	kmsRow("EnableKeyRotation", about()),
	specialRow("Encapsulate", "ML_KEM_768", "ENCAPSULATE_DECAPSULATE", "EncapsulationAlgorithm", "ML_KEM"),
	kmsRow("GenerateDataKeyPair", about("KeyPairSpec", "ECC_NIST_P256")),
	kmsRow("GenerateDataKeyPairWithoutPlaintext", about("KeyPairSpec", "ECC_NIST_P256")),
	specialRow("GenerateMac", "HMAC_256", "GENERATE_VERIFY_MAC", "MacAlgorithm", "HMAC_SHA_256", "Message", message),
	externalRow("GetParametersForImport", about("WrappingAlgorithm", "RSAES_OAEP_SHA_256", "WrappingKeySpec", "RSA_2048")),
	specialRow("GetPublicKey", "ECC_NIST_P256", "SIGN_VERIFY"),
	externalRow("ImportKeyMaterial", func(m *matrix, key string) map[string]any { return m.importFor(key) }),
	kmsRow("ListKeyRotations", about()),
	{operation: "ReplicateKey", make: func(m *matrix) (wire, []right) {
		key := m.kmsKeyOf("MultiRegion", true)
		return jsonWire("kms", "TrentService.ReplicateKey", map[string]any{"KeyId": key, "ReplicaRegion": farRegion}),
			[]right{{"kms:ReplicateKey", key}, {"kms:CreateKey", "*"}}
	}},
	kmsRow("RotateKeyOnDemand", about()),
	specialRow("Sign", "ECC_NIST_P256", "SIGN_VERIFY", "SigningAlgorithm", "ECDSA_SHA_256", "Message", message),
	{operation: "UpdatePrimaryRegion", make: func(m *matrix) (wire, []right) {
		key := m.kmsKeyOf("MultiRegion", true)
		m.rootKMS("ReplicateKey", map[string]any{"KeyId": key, "ReplicaRegion": farRegion}, nil)
		return jsonWire("kms", "TrentService.UpdatePrimaryRegion", map[string]any{"KeyId": key, "PrimaryRegion": farRegion}),
			[]right{{"kms:UpdatePrimaryRegion", key}, {"kms:UpdatePrimaryRegion", inFarRegion(key)}}
	}},
	specialRow("Verify", "ECC_NIST_P256", "SIGN_VERIFY", "SigningAlgorithm", "ECDSA_SHA_256", "Message", message, "Signature",
		made("Sign", "Signature", "SigningAlgorithm", "ECDSA_SHA_256", "Message", message)),
	specialRow("VerifyMac", "HMAC_256", "GENERATE_VERIFY_MAC", "MacAlgorithm", "HMAC_SHA_256", "Message", message, "Mac",
		made("GenerateMac", "Mac", "MacAlgorithm", "HMAC_SHA_256", "Message", message)),
}
