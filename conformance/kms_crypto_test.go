package conformance

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/cloudflare/circl/kem"
	"github.com/cloudflare/circl/kem/mlkem/mlkem1024"
	"github.com/cloudflare/circl/kem/mlkem/mlkem512"
	"github.com/cloudflare/circl/kem/mlkem/mlkem768"
	"github.com/cloudflare/circl/sign"
	"github.com/cloudflare/circl/sign/mldsa/mldsa44"
	"github.com/cloudflare/circl/sign/mldsa/mldsa65"
	"github.com/cloudflare/circl/sign/mldsa/mldsa87"
)

// signers are the specs of keys that sign.
var signers = []types.KeySpec{types.KeySpecRsa2048, types.KeySpecRsa3072, types.KeySpecRsa4096, types.KeySpecEccNistP256,
	types.KeySpecEccNistP384, types.KeySpecEccNistP521, types.KeySpecEccSecgP256k1, types.KeySpecEccNistEdwards25519,
	types.KeySpecMlDsa44, types.KeySpecMlDsa65, types.KeySpecMlDsa87}

// digestOf returns the digest of a message for an algorithm, and its name to openssl.
func digestOf(algorithm types.SigningAlgorithmSpec, message []byte) (digest []byte, name string) {
	switch a := string(algorithm); {
	case strings.HasSuffix(a, "SHA_256"):
		sum := sha256.Sum256(message)
		return sum[:], "sha256"
	case strings.HasSuffix(a, "SHA_384"):
		sum := sha512.Sum384(message)
		return sum[:], "sha384"
	default:
		sum := sha512.Sum512(message)
		return sum[:], "sha512"
	}
}

// testKMSSign signs with every spec and algorithm, and verifies elsewhere.
func testKMSSign(t *testing.T, k *keyService) {
	for _, spec := range signers {
		t.Run(string(spec), func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			id := k.key(t, of(spec, types.KeyUsageTypeSignVerify))
			info, err := k.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &id})
			check(t, "GetPublicKey", err)
			want(t, "spec", info.KeySpec, spec)
			want(t, "usage", info.KeyUsage, types.KeyUsageTypeSignVerify)
			message := random(21, 4096)
			for _, algorithm := range info.SigningAlgorithms {
				kinds := []types.MessageType{types.MessageTypeRaw, types.MessageTypeDigest}
				switch {
				case algorithm == types.SigningAlgorithmSpecEd25519Sha512:
					kinds = []types.MessageType{types.MessageTypeRaw}
				case algorithm == types.SigningAlgorithmSpecEd25519PhSha512:
					kinds = []types.MessageType{types.MessageTypeDigest}
				case algorithm == types.SigningAlgorithmSpecMlDsaShake256:
					kinds = []types.MessageType{types.MessageTypeRaw, types.MessageTypeExternalMu}
				}
				for _, kind := range kinds {
					in := &kms.SignInput{KeyId: &id, SigningAlgorithm: algorithm, MessageType: kind, Message: message}
					switch kind {
					case types.MessageTypeDigest:
						in.Message, _ = digestOf(algorithm, message)
					case types.MessageTypeExternalMu:
						in.Message = message[:64]
					}
					signed, err := k.Sign(ctx, in)
					check(t, "Sign by "+string(algorithm)+" "+string(kind), err)
					want(t, "key", *signed.KeyId, id)
					want(t, "algorithm", signed.SigningAlgorithm, algorithm)
					verify := &kms.VerifyInput{KeyId: &id, SigningAlgorithm: algorithm, MessageType: kind, Message: in.Message, Signature: signed.Signature}
					verified, err := k.Verify(ctx, verify)
					check(t, "Verify by "+string(algorithm)+" "+string(kind), err)
					want(t, "signature valid", verified.SignatureValid, true)
					if kind != types.MessageTypeExternalMu { // nobody has the message
						verifiesElsewhere(t, info.PublicKey, algorithm, message, signed.Signature)
					}
					verify.Signature = bytes.Clone(signed.Signature)
					verify.Signature[len(verify.Signature)/2] ^= 1
					_, err = k.Verify(ctx, verify)
					fails[*types.KMSInvalidSignatureException](t, "Verify of a wrong signature", err, "")
					verify.Signature, verify.Message = signed.Signature, bytes.Clone(in.Message)
					verify.Message[0] ^= 1
					_, err = k.Verify(ctx, verify)
					fails[*types.KMSInvalidSignatureException](t, "Verify of another message", err, "")

					if kind == types.MessageTypeRaw {
						continue
					}
					in.Message = in.Message[1:]
					_, err = k.Sign(ctx, in)
					invalid(t, "Sign of a short digest", err, "Digest is invalid length for algorithm "+string(algorithm)+".")
				}
			}
			algorithm := info.SigningAlgorithms[0]
			kind := types.MessageTypeExternalMu
			if strings.HasPrefix(string(algorithm), "ML_DSA") {
				kind = types.MessageTypeDigest
			}
			_, err = k.Sign(ctx, &kms.SignInput{KeyId: &id, SigningAlgorithm: algorithm, MessageType: kind, Message: message[:64]})
			invalid(t, "Sign with a message type of other algorithms", err, "Message type "+string(kind)+" is incompatible with algorithm "+string(algorithm)+".")
			_, err = k.Sign(ctx, &kms.SignInput{KeyId: &id, SigningAlgorithm: algorithm, Message: random(1, 4097)})
			invalid(t, "Sign of a long message", err, "Member must have length less than or equal to 4096")
			_, err = k.Sign(ctx, &kms.SignInput{KeyId: &id, SigningAlgorithm: "NONE", Message: message})
			invalid(t, "Sign by an unknown algorithm", err, "Member must satisfy enum value set")
			_, err = k.Sign(ctx, &kms.SignInput{KeyId: &id, SigningAlgorithm: algorithm, MessageType: "NONE", Message: message})
			invalid(t, "Sign of an unknown message type", err, "Member must satisfy enum value set")
		})
	}
}

// verifiesElsewhere verifies a signature with openssl, or what knows the algorithm.
func verifiesElsewhere(t *testing.T, public []byte, algorithm types.SigningAlgorithmSpec, message, signature []byte) {
	t.Helper()
	digest, hash := digestOf(algorithm, message)
	switch algorithm {
	case types.SigningAlgorithmSpecMlDsaShake256:
		scheme := map[int]sign.Scheme{1312: mldsa44.Scheme(), 1952: mldsa65.Scheme(), 2592: mldsa87.Scheme()}[len(rawPublic(t, public))]
		key, err := scheme.UnmarshalBinaryPublicKey(rawPublic(t, public))
		check(t, "UnmarshalBinaryPublicKey", err)
		want(t, "CIRCL verifies "+scheme.Name(), scheme.Verify(key, message, signature, nil), true)
		return
	case types.SigningAlgorithmSpecEd25519PhSha512: // of the digest, which KMS hashes again
		key, err := x509.ParsePKIXPublicKey(public)
		check(t, "ParsePKIXPublicKey", err)
		again := sha512.Sum512(digest)
		check(t, "VerifyWithOptions", ed25519.VerifyWithOptions(key.(ed25519.PublicKey), again[:], signature, &ed25519.Options{Hash: crypto.SHA512}))
		return
	}
	o := newOpenSSL(t)
	o.write("public.der", public)
	o.write("signature", signature)
	o.run("pkey", "-pubin", "-inform", "DER", "-in", "public.der", "-pubcheck", "-noout")
	args := []string{"pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "public.der", "-sigfile", "signature"}
	if algorithm == types.SigningAlgorithmSpecEd25519Sha512 {
		o.write("message", message)
		o.run(append(args, "-rawin", "-in", "message")...)
		return
	}
	o.write("digest", digest)
	args = append(args, "-in", "digest", "-pkeyopt", "digest:"+hash)
	switch {
	case strings.HasPrefix(string(algorithm), "RSASSA_PSS"):
		args = append(args, "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest", "-pkeyopt", "rsa_mgf1_md:"+hash)
	case strings.HasPrefix(string(algorithm), "RSASSA_PKCS1"):
		args = append(args, "-pkeyopt", "rsa_padding_mode:pkcs1")
	}
	o.run(args...)
}

// rawPublic returns the key inside a SubjectPublicKeyInfo.
func rawPublic(t *testing.T, der []byte) []byte {
	t.Helper()
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	rest, err := asn1.Unmarshal(der, &info)
	check(t, "Unmarshal", err)
	want(t, "bytes after a public key", len(rest), 0)
	return info.Key.Bytes
}

// hmacs are the specs of HMAC keys with their algorithms and the size of their keys.
var hmacs = map[types.KeySpec]struct {
	algorithm types.MacAlgorithmSpec
	digest    string
	size      int
}{
	types.KeySpecHmac224: {types.MacAlgorithmSpecHmacSha224, "sha224", 28},
	types.KeySpecHmac256: {types.MacAlgorithmSpecHmacSha256, "sha256", 32},
	types.KeySpecHmac384: {types.MacAlgorithmSpecHmacSha384, "sha384", 48},
	types.KeySpecHmac512: {types.MacAlgorithmSpecHmacSha512, "sha512", 64},
}

// testKMSMac imports keys of HMAC, so that openssl computes the same.
func testKMSMac(t *testing.T, k *keyService) {
	ctx := t.Context()
	message := random(22, 4096)
	for spec, c := range hmacs {
		material := random(uint64(c.size), c.size)
		id := k.key(t, of(spec, types.KeyUsageTypeGenerateVerifyMac), external)
		k.bring(t, id, material)
		mac, err := k.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: &id, MacAlgorithm: c.algorithm, Message: message})
		check(t, "GenerateMac", err)
		want(t, "key", *mac.KeyId, id)
		o := newOpenSSL(t)
		o.write("message", message)
		theirs := o.run("dgst", "-"+c.digest, "-mac", "HMAC", "-macopt", "hexkey:"+hex.EncodeToString(material), "-binary", "message")
		want(t, "MAC by "+string(c.algorithm), hex.EncodeToString(mac.Mac), hex.EncodeToString(theirs))
		out, err := k.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: &id, MacAlgorithm: c.algorithm, Message: message, Mac: theirs})
		check(t, "VerifyMac", err)
		want(t, "MAC valid", out.MacValid, true)
		for name, wrong := range map[string][]byte{"cut": theirs[:16], "altered": append([]byte{theirs[0] ^ 1}, theirs[1:]...)} {
			_, err = k.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: &id, MacAlgorithm: c.algorithm, Message: message, Mac: wrong})
			fails[*types.KMSInvalidMacException](t, "VerifyMac of a MAC that is "+name, err, "")
		}
		_, err = k.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: &id, MacAlgorithm: c.algorithm, Message: random(1, 4097)})
		invalid(t, "GenerateMac of a long message", err, "Member must have length less than or equal to 4096")
	}
	made := k.key(t, of(types.KeySpecHmac224, types.KeyUsageTypeGenerateVerifyMac))
	_, err := k.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: &made, MacAlgorithm: types.MacAlgorithmSpecHmacSha256, Message: message})
	fails[*types.InvalidKeyUsageException](t, "GenerateMac by another algorithm", err, "Algorithm HMAC_SHA_256 is incompatible with key spec HMAC_224.")
	_, err = k.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &made})
	fails[*types.UnsupportedOperationException](t, "GetPublicKey of an HMAC key", err, made)
}

// testKMSRSA encrypts here and decrypts there, and the other way.
func testKMSRSA(t *testing.T, k *keyService) {
	ctx := t.Context()
	o := newOpenSSL(t)
	private := o.generate("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
	o.write("private.der", private)
	id := k.key(t, of(types.KeySpecRsa2048, types.KeyUsageTypeEncryptDecrypt), external)
	k.bring(t, id, private)
	o.write("public.der", k.public(t, id))
	want(t, "public key", hex.EncodeToString(k.public(t, id)), hex.EncodeToString(o.publicOf(private)))
	for algorithm, c := range map[types.EncryptionAlgorithmSpec]struct {
		digest string
		most   int
	}{types.EncryptionAlgorithmSpecRsaesOaepSha1: {"sha1", 214}, types.EncryptionAlgorithmSpecRsaesOaepSha256: {"sha256", 190}} {
		plain := random(23, c.most)
		padding := []string{"-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:" + c.digest, "-pkeyopt", "rsa_mgf1_md:" + c.digest}
		sealed, err := k.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, EncryptionAlgorithm: algorithm, Plaintext: plain})
		check(t, "Encrypt", err)
		o.write("sealed", sealed.CiphertextBlob)
		want(t, "plaintext by openssl", string(o.run(append([]string{"pkeyutl", "-decrypt", "-keyform", "DER", "-inkey", "private.der", "-in", "sealed"}, padding...)...)), string(plain))
		o.write("plain", plain)
		theirs := o.run(append([]string{"pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", "public.der", "-in", "plain"}, padding...)...)
		opened, err := k.Decrypt(ctx, &kms.DecryptInput{KeyId: &id, EncryptionAlgorithm: algorithm, CiphertextBlob: theirs})
		check(t, "Decrypt", err)
		want(t, "plaintext by KMS", string(opened.Plaintext), string(plain))
		want(t, "algorithm", opened.EncryptionAlgorithm, algorithm)
		if opened.KeyMaterialId != nil {
			t.Errorf("Decrypt with an asymmetric key has the material %s", *opened.KeyMaterialId)
		}
		_, err = k.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, EncryptionAlgorithm: algorithm, Plaintext: append(plain, 0)})
		invalid(t, "Encrypt of a plaintext that is too long", err, "")
		theirs[9] ^= 1
		_, err = k.Decrypt(ctx, &kms.DecryptInput{KeyId: &id, EncryptionAlgorithm: algorithm, CiphertextBlob: theirs})
		fails[*types.InvalidCiphertextException](t, "Decrypt of a damaged ciphertext", err, "")
		_, err = k.Decrypt(ctx, &kms.DecryptInput{EncryptionAlgorithm: algorithm, CiphertextBlob: sealed.CiphertextBlob})
		invalid(t, "Decrypt without a key", err, "")
		_, err = k.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, EncryptionAlgorithm: algorithm, Plaintext: plain, EncryptionContext: map[string]string{"a": "b"}})
		invalid(t, "Encrypt with a context", err, "")

		// To a symmetric key and back.
		symmetric := k.key(t)
		moved, err := k.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: sealed.CiphertextBlob, SourceKeyId: &id, SourceEncryptionAlgorithm: algorithm,
			DestinationKeyId: &symmetric, DestinationEncryptionContext: map[string]string{"a": "b"}})
		check(t, "ReEncrypt", err)
		back, err := k.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: moved.CiphertextBlob, SourceEncryptionContext: map[string]string{"a": "b"},
			DestinationKeyId: &id, DestinationEncryptionAlgorithm: algorithm})
		check(t, "ReEncrypt back", err)
		opened, err = k.Decrypt(ctx, &kms.DecryptInput{KeyId: &id, EncryptionAlgorithm: algorithm, CiphertextBlob: back.CiphertextBlob})
		check(t, "Decrypt", err)
		want(t, "plaintext after two ReEncrypt", string(opened.Plaintext), string(plain))
	}
	_, err := k.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x")})
	fails[*types.InvalidKeyUsageException](t, "Encrypt with an RSA key by the default algorithm", err, "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048.")
}

// testKMSAgreement derives the secret that openssl derives.
func testKMSAgreement(t *testing.T, k *keyService) {
	ctx := t.Context()
	for spec, curve := range map[types.KeySpec]string{types.KeySpecEccNistP256: "P-256", types.KeySpecEccNistP384: "P-384", types.KeySpecEccNistP521: "P-521"} {
		id := k.key(t, of(spec, types.KeyUsageTypeKeyAgreement))
		o := newOpenSSL(t)
		private := o.generate("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:"+curve)
		peer := o.publicOf(private)
		o.write("ours.der", k.public(t, id))
		derived, err := k.DeriveSharedSecret(ctx, &kms.DeriveSharedSecretInput{KeyId: &id, KeyAgreementAlgorithm: types.KeyAgreementAlgorithmSpecEcdh, PublicKey: peer})
		check(t, "DeriveSharedSecret", err)
		want(t, "key", *derived.KeyId, id)
		want(t, "origin", derived.KeyOrigin, types.OriginTypeAwsKms)
		theirs := o.run("pkeyutl", "-derive", "-keyform", "DER", "-inkey", "private.der", "-peerform", "DER", "-peerkey", "ours.der")
		want(t, "secret of "+curve, hex.EncodeToString(derived.SharedSecret), hex.EncodeToString(theirs))
		other := "P-256"
		if curve == other {
			other = "secp256k1"
		}
		for name, public := range map[string][]byte{"of another curve": o.publicOf(o.generate("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:"+other)),
			"that is none": []byte("no key"), "with more bytes": append(peer, 0)} {
			_, err = k.DeriveSharedSecret(ctx, &kms.DeriveSharedSecretInput{KeyId: &id, KeyAgreementAlgorithm: types.KeyAgreementAlgorithmSpecEcdh, PublicKey: public})
			invalid(t, "DeriveSharedSecret with a public key "+name, err, "")
		}
	}
}

// testKMSEncapsulation shares secrets with CIRCL.
func testKMSEncapsulation(t *testing.T, k *keyService) {
	ctx := t.Context()
	for spec, scheme := range map[types.KeySpec]kem.Scheme{types.KeySpecMlKem512: mlkem512.Scheme(), types.KeySpecMlKem768: mlkem768.Scheme(), types.KeySpecMlKem1024: mlkem1024.Scheme()} {
		id := k.key(t, of(spec, types.KeyUsageTypeEncapsulateDecapsulate))
		public, err := scheme.UnmarshalBinaryPublicKey(rawPublic(t, k.public(t, id)))
		check(t, "UnmarshalBinaryPublicKey", err)
		ciphertext, secret, err := scheme.Encapsulate(public)
		check(t, "Encapsulate by CIRCL", err)
		in := &kms.DecapsulateInput{KeyId: &id, EncapsulationAlgorithm: types.EncapsulationAlgorithmSpecMlKem, SharedSecretCiphertextBlob: ciphertext}
		out, err := k.Decapsulate(ctx, in)
		check(t, "Decapsulate", err)
		want(t, "secret by "+string(spec), hex.EncodeToString(out.SharedSecret), hex.EncodeToString(secret))
		ours, err := k.Encapsulate(ctx, &kms.EncapsulateInput{KeyId: &id, EncapsulationAlgorithm: types.EncapsulationAlgorithmSpecMlKem})
		check(t, "Encapsulate", err)
		in.SharedSecretCiphertextBlob = ours.SharedSecretCiphertextBlob
		out, err = k.Decapsulate(ctx, in)
		check(t, "Decapsulate of our own", err)
		want(t, "our own secret by "+string(spec), hex.EncodeToString(out.SharedSecret), hex.EncodeToString(ours.SharedSecret))
		in.SharedSecretCiphertextBlob = bytes.Clone(ours.SharedSecretCiphertextBlob)
		in.SharedSecretCiphertextBlob[0] ^= 1
		out, err = k.Decapsulate(ctx, in)
		check(t, "Decapsulate of an altered ciphertext", err)
		if bytes.Equal(out.SharedSecret, ours.SharedSecret) {
			t.Error("an altered ciphertext gives the same secret")
		}
		in.SharedSecretCiphertextBlob = ours.SharedSecretCiphertextBlob[1:]
		_, err = k.Decapsulate(ctx, in)
		fails[*types.InvalidCiphertextException](t, "Decapsulate of a short ciphertext", err, "")
	}
}

// testKMSDataKeyPair makes pairs, opens them elsewhere and decrypts them here.
func testKMSDataKeyPair(t *testing.T, k *keyService) {
	ctx := t.Context()
	id := k.key(t)
	pairs := map[string]string{"subject": "alice"}
	for _, spec := range []types.DataKeyPairSpec{types.DataKeyPairSpecRsa2048, types.DataKeyPairSpecEccNistP256, types.DataKeyPairSpecEccNistP384,
		types.DataKeyPairSpecEccNistP521, types.DataKeyPairSpecEccSecgP256k1, types.DataKeyPairSpecEccNistEdwards25519} {
		out, err := k.GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{KeyId: &id, KeyPairSpec: spec, EncryptionContext: pairs})
		check(t, "GenerateDataKeyPair "+string(spec), err)
		want(t, "key", *out.KeyId, id)
		o := newOpenSSL(t)
		want(t, "public key of "+string(spec), hex.EncodeToString(o.publicOf(out.PrivateKeyPlaintext)), hex.EncodeToString(out.PublicKey))
		if spec != types.DataKeyPairSpecEccNistEdwards25519 { // which has nothing to check
			o.run("pkey", "-inform", "DER", "-in", "private.der", "-check", "-noout")
		}
		opened, err := k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: out.PrivateKeyCiphertextBlob, EncryptionContext: pairs})
		check(t, "Decrypt of a private key", err)
		want(t, "private key", hex.EncodeToString(opened.Plaintext), hex.EncodeToString(out.PrivateKeyPlaintext))
		want(t, "material", *opened.KeyMaterialId, *out.KeyMaterialId)
	}
	sealed, err := k.GenerateDataKeyPairWithoutPlaintext(ctx, &kms.GenerateDataKeyPairWithoutPlaintextInput{KeyId: &id, KeyPairSpec: types.DataKeyPairSpecEccNistP256, EncryptionContext: pairs})
	check(t, "GenerateDataKeyPairWithoutPlaintext", err)
	opened, err := k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.PrivateKeyCiphertextBlob, EncryptionContext: pairs})
	check(t, "Decrypt of a private key", err)
	want(t, "public key", hex.EncodeToString(newOpenSSL(t).publicOf(opened.Plaintext)), hex.EncodeToString(sealed.PublicKey))
	for _, spec := range []types.DataKeyPairSpec{"ML_DSA_44", "RSA_1024", types.DataKeyPairSpecSm2} {
		_, err = k.GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{KeyId: &id, KeyPairSpec: spec})
		invalid(t, "GenerateDataKeyPair of "+string(spec), err, "at 'keyPairSpec' failed to satisfy constraint: Member must satisfy enum value set")
	}
}

// testKMSSymmetric is about symmetric encryption keys: contexts, sizes, data keys.
func testKMSSymmetric(t *testing.T, k *keyService) {
	ctx := t.Context()
	id, other := k.key(t), k.key(t)
	pairs := map[string]string{"a": "b"}
	plain := random(24, 4096)
	sealed, err := k.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: plain, EncryptionContext: pairs})
	check(t, "Encrypt", err)
	opened, err := k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: pairs})
	check(t, "Decrypt", err)
	want(t, "plaintext", string(opened.Plaintext), string(plain))
	_, err = k.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: append(plain, 0)})
	invalid(t, "Encrypt of 4097 bytes", err, "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096")
	for name, with := range map[string]map[string]string{"no context": nil, "another value": {"a": "B"}, "another name": {"A": "b"}, "one pair more": {"a": "b", "c": "d"}} {
		_, err = k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: with})
		fails[*types.InvalidCiphertextException](t, "Decrypt with "+name, err, "")
	}
	_, err = k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: pairs, KeyId: &other})
	fails[*types.IncorrectKeyException](t, "Decrypt with another key", err, "The key ID in the request does not identify a CMK that can perform this operation.")
	_, err = k.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: sealed.CiphertextBlob, SourceKeyId: &other, DestinationKeyId: &id})
	fails[*types.IncorrectKeyException](t, "ReEncrypt from another key", err, "")
	moved, err := k.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: sealed.CiphertextBlob, SourceEncryptionContext: pairs, DestinationKeyId: &other})
	check(t, "ReEncrypt", err)
	want(t, "source", *moved.SourceKeyId, id)
	want(t, "destination", *moved.KeyId, other)
	for size, set := range map[int]func(*kms.GenerateDataKeyInput){
		16: func(in *kms.GenerateDataKeyInput) { in.KeySpec = types.DataKeySpecAes128 },
		32: func(in *kms.GenerateDataKeyInput) { in.KeySpec = types.DataKeySpecAes256 },
		1:  func(in *kms.GenerateDataKeyInput) { in.NumberOfBytes = aws.Int32(1) },
	} {
		in := &kms.GenerateDataKeyInput{KeyId: &id}
		set(in)
		out, err := k.GenerateDataKey(ctx, in)
		check(t, "GenerateDataKey", err)
		want(t, "size of a data key", len(out.Plaintext), size)
		opened, err := k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: out.CiphertextBlob})
		check(t, "Decrypt of a data key", err)
		want(t, "data key", string(opened.Plaintext), string(out.Plaintext))
	}
	closed, err := k.GenerateDataKeyWithoutPlaintext(ctx, &kms.GenerateDataKeyWithoutPlaintextInput{KeyId: &id, KeySpec: types.DataKeySpecAes256})
	check(t, "GenerateDataKeyWithoutPlaintext", err)
	opened, err = k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: closed.CiphertextBlob})
	check(t, "Decrypt of a data key", err)
	want(t, "size of a data key", len(opened.Plaintext), 32)
	for name, in := range map[string]*kms.GenerateDataKeyInput{"two sizes": {KeyId: &id, KeySpec: types.DataKeySpecAes128, NumberOfBytes: aws.Int32(16)},
		"no size": {KeyId: &id}, "0 bytes": {KeyId: &id, NumberOfBytes: aws.Int32(0)}, "1025 bytes": {KeyId: &id, NumberOfBytes: aws.Int32(1025)}} {
		_, err = k.GenerateDataKey(ctx, in)
		invalid(t, "GenerateDataKey of "+name, err, "")
	}
	_, err = k.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &id, KeySpec: types.DataKeySpecAes256, Recipient: &types.RecipientInfo{AttestationDocument: []byte("x")}})
	fails[*types.UnsupportedOperationException](t, "GenerateDataKey for an enclave", err, "Recipient")
	bytesOut, err := k.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(1024)})
	check(t, "GenerateRandom", err)
	want(t, "random bytes", len(bytesOut.Plaintext), 1024)
	_, err = k.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(1025)})
	invalid(t, "GenerateRandom of 1025 bytes", err, "")
	junk := make([]byte, 200)
	rand.Read(junk)
	_, err = k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: junk})
	fails[*types.InvalidCiphertextException](t, "Decrypt of junk", err, "")
}
