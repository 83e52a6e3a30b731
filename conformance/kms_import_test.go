package conformance

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha512"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// A parcel is what an import takes: the answer of GetParametersForImport and what to
// wrap for it.
type parcel struct {
	*kms.GetParametersForImportOutput
	algorithm types.AlgorithmSpec
}

// parcel asks for the parameters of an import.
func (k *keyService) parcel(t testing.TB, c *kms.Client, id string, algorithm types.AlgorithmSpec, spec types.WrappingKeySpec) parcel {
	t.Helper()
	out, err := c.GetParametersForImport(t.Context(), &kms.GetParametersForImportInput{KeyId: &id, WrappingAlgorithm: algorithm, WrappingKeySpec: spec})
	check(t, "GetParametersForImport", err)
	return parcel{out, algorithm}
}

// wrap wraps material with openssl.
func (p parcel) wrap(t testing.TB, material []byte) []byte {
	t.Helper()
	o := newOpenSSL(t)
	o.write("wrapping.der", p.PublicKey)
	digest := strings.ToLower(strings.ReplaceAll(string(p.algorithm)[strings.Index(string(p.algorithm), "SHA_"):], "_", ""))
	oaep := func(plain []byte) []byte {
		o.write("plain", plain)
		return o.run("pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", "wrapping.der", "-in", "plain",
			"-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:"+digest, "-pkeyopt", "rsa_mgf1_md:"+digest)
	}
	if strings.HasPrefix(string(p.algorithm), "RSAES") {
		return oaep(material)
	}
	between := random(31, 32)
	o.write("material", material)
	wrapped := o.run("enc", "-id-aes256-wrap-pad", "-iv", "A65959A6", "-K", hex.EncodeToString(between), "-in", "material")
	return append(oaep(between), wrapped...)
}

// input returns the request that imports material, which does not expire.
func (p parcel) input(t testing.TB, material []byte) *kms.ImportKeyMaterialInput {
	t.Helper()
	return &kms.ImportKeyMaterialInput{KeyId: p.KeyId, ImportToken: p.ImportToken, EncryptedKeyMaterial: p.wrap(t, material),
		ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire}
}

// bring imports the first material of a key.
func (k *keyService) bring(t testing.TB, id string, material []byte) {
	t.Helper()
	algorithm := types.AlgorithmSpecRsaesOaepSha256
	if len(material) > 64 {
		algorithm = types.AlgorithmSpecRsaAesKeyWrapSha256
	}
	_, err := k.ImportKeyMaterial(t.Context(), k.parcel(t, k.Client, id, algorithm, types.WrappingKeySpecRsa2048).input(t, material))
	check(t, "ImportKeyMaterial", err)
}

// testKMSMaterial imports material that openssl made, under every wrapping algorithm
// and key, and compares what comes of it.
func testKMSMaterial(t *testing.T, k *keyService) {
	ctx := t.Context()
	o := newOpenSSL(t)
	ec := func(curve string) []byte {
		return o.generate("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:"+curve)
	}
	for _, c := range []struct {
		spec      types.KeySpec
		usage     types.KeyUsageType
		material  []byte
		algorithm types.AlgorithmSpec
		wrapping  types.WrappingKeySpec
	}{
		{types.KeySpecSymmetricDefault, types.KeyUsageTypeEncryptDecrypt, random(41, 32), types.AlgorithmSpecRsaesOaepSha1, types.WrappingKeySpecRsa2048},
		{types.KeySpecHmac512, types.KeyUsageTypeGenerateVerifyMac, random(42, 64), types.AlgorithmSpecRsaesOaepSha1, types.WrappingKeySpecRsa3072},
		{types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify, ec("P-256"), types.AlgorithmSpecRsaesOaepSha256, types.WrappingKeySpecRsa2048},
		{types.KeySpecEccNistP384, types.KeyUsageTypeKeyAgreement, ec("P-384"), types.AlgorithmSpecRsaAesKeyWrapSha1, types.WrappingKeySpecRsa2048},
		{types.KeySpecEccNistP521, types.KeyUsageTypeSignVerify, ec("P-521"), types.AlgorithmSpecRsaesOaepSha256, types.WrappingKeySpecRsa4096},
		{types.KeySpecEccSecgP256k1, types.KeyUsageTypeSignVerify, ec("secp256k1"), types.AlgorithmSpecRsaAesKeyWrapSha256, types.WrappingKeySpecRsa2048},
		{types.KeySpecEccNistEdwards25519, types.KeyUsageTypeSignVerify, o.generate("-algorithm", "ED25519"), types.AlgorithmSpecRsaesOaepSha256, types.WrappingKeySpecRsa2048},
		{types.KeySpecRsa3072, types.KeyUsageTypeSignVerify, o.generate("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"), types.AlgorithmSpecRsaAesKeyWrapSha256, types.WrappingKeySpecRsa2048},
	} {
		t.Run(string(c.spec), func(t *testing.T) {
			t.Parallel()
			id := k.key(t, of(c.spec, c.usage), external)
			want(t, "state before", state(t, k.Client, id), types.KeyStatePendingImport)
			p := k.parcel(t, k.Client, id, c.algorithm, c.wrapping)
			want(t, "key of the parameters", *p.KeyId, id)
			if left := time.Until(*p.ParametersValidTo); left < 23*time.Hour || left > 24*time.Hour {
				t.Errorf("the parameters are valid for %v; want 24 hours", left)
			}
			out, err := k.ImportKeyMaterial(ctx, p.input(t, c.material))
			check(t, "ImportKeyMaterial", err)
			want(t, "key of the import", *out.KeyId, id)
			d, err := k.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
			check(t, "DescribeKey", err)
			want(t, "state", d.KeyMetadata.KeyState, types.KeyStateEnabled)
			want(t, "origin", d.KeyMetadata.Origin, types.OriginTypeExternal)
			want(t, "expiration model", d.KeyMetadata.ExpirationModel, types.ExpirationModelTypeKeyMaterialDoesNotExpire)
			switch c.usage {
			case types.KeyUsageTypeEncryptDecrypt:
				want(t, "material", *d.KeyMetadata.CurrentKeyMaterialId, *out.KeyMaterialId)
				return
			case types.KeyUsageTypeGenerateVerifyMac:
				return // testKMSMac compares
			}
			o := newOpenSSL(t)
			want(t, "public key", hex.EncodeToString(k.public(t, id)), hex.EncodeToString(o.publicOf(c.material)))
			if c.usage != types.KeyUsageTypeSignVerify {
				return
			}
			message := []byte("signed on both sides")
			algorithm := d.KeyMetadata.SigningAlgorithms[len(d.KeyMetadata.SigningAlgorithms)-1]
			signed, err := k.Sign(ctx, &kms.SignInput{KeyId: &id, SigningAlgorithm: algorithm, Message: message})
			check(t, "Sign", err)
			verifiesElsewhere(t, o.publicOf(c.material), algorithm, message, signed.Signature)
			digest, hash := digestOf(algorithm, message)
			sign := []string{"pkeyutl", "-sign", "-keyform", "DER", "-inkey", "private.der", "-in", "message"}
			o.write("message", digest)
			switch {
			case algorithm == types.SigningAlgorithmSpecEd25519Sha512:
				o.write("message", message)
				sign = append(sign, "-rawin")
			case strings.HasPrefix(string(algorithm), "RSASSA_PSS"):
				sign = append(sign, "-pkeyopt", "digest:"+hash, "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest")
			default:
				sign = append(sign, "-pkeyopt", "digest:"+hash)
			}
			_, err = k.Verify(ctx, &kms.VerifyInput{KeyId: &id, SigningAlgorithm: algorithm, Message: message, Signature: o.run(sign...)})
			check(t, "Verify of what openssl signed", err)
		})
	}
}

// testKMSBlob opens a ciphertext of KMS with its key's material, and has KMS open one
// that was made here, as docs/spec/key-blob.md says.
func testKMSBlob(t *testing.T, k *keyService) {
	ctx := t.Context()
	material := random(51, 32)
	id := k.key(t, external)
	k.bring(t, id, material)
	pairs := map[string]string{"b": "2", "a": "1", "é": ""}
	additional := func(head []byte) []byte {
		aad := slices.Clone(head) // version | material ID | salt
		aad = append(aad, 0, 0, 0, 3)
		for _, s := range []string{"a", "1", "b", "2", "é", ""} {
			aad = append(append(aad, 0, 0, 0, byte(len(s))), s...)
		}
		return aad
	}
	open := func(salt []byte) (cipher.AEAD, []byte) {
		b, err := hkdf.Key(sha512.New, material, salt, "coffer/v1/kms", 64)
		check(t, "HKDF", err)
		block, err := aes.NewCipher(b[:32])
		check(t, "NewCipher", err)
		aead, err := cipher.NewGCM(block)
		check(t, "NewGCM", err)
		return aead, b[32:]
	}
	plain := []byte("opened on both sides")
	sealed, err := k.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: plain, EncryptionContext: pairs})
	check(t, "Encrypt", err)
	blob := sealed.CiphertextBlob
	want(t, "size", len(blob), len(plain)+125)
	want(t, "version", blob[0], 1)
	d, err := k.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
	check(t, "DescribeKey", err)
	want(t, "material ID", hex.EncodeToString(blob[1:33]), *d.KeyMetadata.CurrentKeyMaterialId)
	aead, commitment := open(blob[33:65])
	want(t, "commitment", hex.EncodeToString(blob[65:97]), hex.EncodeToString(commitment))
	got, err := aead.Open(nil, blob[97:109], blob[109:], additional(blob[:65]))
	check(t, "Open", err)
	want(t, "plaintext", string(got), string(plain))

	ours := append(slices.Clone(blob[:33]), random(52, 32)...)
	aead, commitment = open(ours[33:])
	nonce := random(53, 12)
	ours = append(append(ours, commitment...), nonce...)
	ours = aead.Seal(ours, nonce, plain, additional(ours[:65]))
	opened, err := k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: ours, EncryptionContext: pairs})
	check(t, "Decrypt of a blob made here", err)
	want(t, "plaintext", string(opened.Plaintext), string(plain))
	for i := 0; i < len(ours); i += 7 {
		bad := bytes.Clone(ours)
		bad[i] ^= 0x80
		if _, err := k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: bad, EncryptionContext: pairs}); err == nil {
			t.Errorf("a blob with byte %d changed opens", i)
		}
	}
}

// testKMSImport takes material of a key through its life: import, deletion, import
// again, and new material.
func testKMSImport(t *testing.T, k *keyService) {
	ctx := t.Context()
	id := k.key(t, external)
	first, second := random(61, 32), random(62, 32)
	p := k.parcel(t, k.Client, id, types.AlgorithmSpecRsaesOaepSha256, types.WrappingKeySpecRsa2048)
	in := p.input(t, first)
	in.ImportType, in.KeyMaterialDescription = types.ImportTypeNewKeyMaterial, aws.String("first of 2026")
	one, err := k.ImportKeyMaterial(ctx, in)
	check(t, "ImportKeyMaterial", err)
	sealed, err := k.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("under the first")})
	check(t, "Encrypt", err)
	decrypts := func(when string) error {
		_, err := k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
		return err
	}

	gone, err := k.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &id})
	check(t, "DeleteImportedKeyMaterial", err)
	want(t, "material that is deleted", *gone.KeyMaterialId, *one.KeyMaterialId)
	want(t, "state without material", state(t, k.Client, id), types.KeyStatePendingImport)
	fails[*types.KMSInvalidStateException](t, "Decrypt without material", decrypts("deleted"), " is pending import.")
	_, err = k.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &id})
	check(t, "DeleteImportedKeyMaterial of what is gone", err)

	wrong := p.input(t, second)
	_, err = k.ImportKeyMaterial(ctx, wrong)
	fails[*types.IncorrectKeyMaterialException](t, "ImportKeyMaterial of other material", err, id)
	again := p.input(t, first)
	again.KeyMaterialId = one.KeyMaterialId
	back, err := k.ImportKeyMaterial(ctx, again)
	check(t, "ImportKeyMaterial again", err)
	want(t, "material that is back", *back.KeyMaterialId, *one.KeyMaterialId)
	check(t, "Decrypt with the material back", decrypts("back"))

	// A description that is not said again stays.
	list := func() []types.RotationsListEntry {
		out, err := k.ListKeyRotations(ctx, &kms.ListKeyRotationsInput{KeyId: &id, IncludeKeyMaterial: types.IncludeKeyMaterialAllKeyMaterial})
		check(t, "ListKeyRotations", err)
		return out.Rotations
	}
	if l := list(); len(l) != 1 || aws.ToString(l[0].KeyMaterialDescription) != "first of 2026" || l[0].KeyMaterialState != types.KeyMaterialStateCurrent ||
		l[0].ImportState != types.ImportStateImported || l[0].ExpirationModel != types.ExpirationModelTypeKeyMaterialDoesNotExpire {
		t.Errorf("ListKeyRotations = %+v; want the first material with its description", l)
	}

	_, err = k.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &id})
	fails[*types.KMSInvalidStateException](t, "RotateKeyOnDemand without new material", err, "No available key material pending rotation for the key: "+id)
	fresh := p.input(t, first)
	fresh.ImportType = types.ImportTypeNewKeyMaterial
	_, err = k.ImportKeyMaterial(ctx, fresh)
	fails[*types.IncorrectKeyMaterialException](t, "ImportKeyMaterial of known material as new", err,
		"Key material (id: "+*one.KeyMaterialId+") being imported as NEW_KEY_MATERIAL is already associated with KMS key "+id)
	fresh = p.input(t, second)
	fresh.ImportType = types.ImportTypeNewKeyMaterial
	two, err := k.ImportKeyMaterial(ctx, fresh)
	check(t, "ImportKeyMaterial of new material", err)
	if l := list(); len(l) != 2 || l[1].KeyMaterialState != types.KeyMaterialStatePendingRotation || *l[1].KeyMaterialId != *two.KeyMaterialId {
		t.Errorf("ListKeyRotations = %+v; want material pending rotation", l)
	}
	third := p.input(t, random(63, 32))
	third.ImportType = types.ImportTypeNewKeyMaterial
	_, err = k.ImportKeyMaterial(ctx, third)
	fails[*types.KMSInvalidStateException](t, "ImportKeyMaterial of more new material", err, "because another key material (id: "+*two.KeyMaterialId+") is pending rotation.")
	_, err = k.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &id})
	check(t, "RotateKeyOnDemand", err)
	check(t, "Decrypt after the rotation", decrypts("rotated"))
	if l := list(); len(l) != 2 || l[0].KeyMaterialState != types.KeyMaterialStateNonCurrent || l[1].KeyMaterialState != types.KeyMaterialStateCurrent ||
		l[1].RotationType != types.RotationTypeOnDemand || l[1].RotationDate == nil {
		t.Errorf("ListKeyRotations = %+v; want the new material current", l)
	}
	// Each of the materials is needed.
	_, err = k.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &id, KeyMaterialId: one.KeyMaterialId})
	check(t, "DeleteImportedKeyMaterial of the first", err)
	want(t, "state without the first material", state(t, k.Client, id), types.KeyStatePendingImport)
	_, err = k.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &id, KeyMaterialId: aws.String(strings.Repeat("0", 64))})
	if err == nil {
		t.Error("DeleteImportedKeyMaterial of material that was never here succeeds")
	}
	_, err = k.ImportKeyMaterial(ctx, again)
	check(t, "ImportKeyMaterial of the first", err)
	want(t, "state with both", state(t, k.Client, id), types.KeyStateEnabled)

	// Deletion of the key does not keep its material.
	_, err = k.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id, PendingWindowInDays: aws.Int32(7)})
	check(t, "ScheduleKeyDeletion", err)
	_, err = k.ImportKeyMaterial(ctx, again)
	fails[*types.KMSInvalidStateException](t, "ImportKeyMaterial pending deletion", err, id+" is pending deletion.")
	_, err = k.GetParametersForImport(ctx, &kms.GetParametersForImportInput{KeyId: &id, WrappingAlgorithm: types.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: types.WrappingKeySpecRsa2048})
	fails[*types.KMSInvalidStateException](t, "GetParametersForImport pending deletion", err, id+" is pending deletion.")
	_, err = k.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &id})
	check(t, "DeleteImportedKeyMaterial pending deletion", err)
	want(t, "state pending deletion", state(t, k.Client, id), types.KeyStatePendingDeletion)
	_, err = k.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &id})
	check(t, "CancelKeyDeletion", err)
	want(t, "state after CancelKeyDeletion without material", state(t, k.Client, id), types.KeyStatePendingImport)
}

// testKMSImportErrors asks for imports that can't be.
func testKMSImportErrors(t *testing.T, k *keyService) {
	ctx := t.Context()
	id, other, plain := k.key(t, external), k.key(t, external), k.key(t)
	p := k.parcel(t, k.Client, id, types.AlgorithmSpecRsaesOaepSha256, types.WrappingKeySpecRsa2048)
	material := random(71, 32)
	good := p.input(t, material)
	with := func(set func(*kms.ImportKeyMaterialInput)) error {
		in := *good
		set(&in)
		_, err := k.ImportKeyMaterial(ctx, &in)
		return err
	}
	damaged := bytes.Clone(good.ImportToken)
	damaged[len(damaged)/2] ^= 1
	fails[*types.InvalidImportTokenException](t, "ImportKeyMaterial with a damaged token", with(func(in *kms.ImportKeyMaterialInput) { in.ImportToken = damaged }), "")
	fails[*types.InvalidImportTokenException](t, "ImportKeyMaterial with a token of another key", with(func(in *kms.ImportKeyMaterialInput) { in.KeyId = &other }), "")
	corrupt := bytes.Clone(good.EncryptedKeyMaterial)
	corrupt[7] ^= 1
	fails[*types.InvalidCiphertextException](t, "ImportKeyMaterial of a corrupt ciphertext", with(func(in *kms.ImportKeyMaterialInput) { in.EncryptedKeyMaterial = corrupt }), "")
	sibling := k.parcel(t, k.Client, id, types.AlgorithmSpecRsaesOaepSha256, types.WrappingKeySpecRsa2048)
	fails[*types.InvalidCiphertextException](t, "ImportKeyMaterial with the token of another wrapping key", with(func(in *kms.ImportKeyMaterialInput) { in.ImportToken = sibling.ImportToken }), "")
	fails[*types.IncorrectKeyMaterialException](t, "ImportKeyMaterial of 31 bytes", with(func(in *kms.ImportKeyMaterialInput) { in.EncryptedKeyMaterial = p.wrap(t, material[:31]) }), "")
	fails[*types.UnsupportedOperationException](t, "ImportKeyMaterial into a key of KMS", with(func(in *kms.ImportKeyMaterialInput) { in.KeyId = &plain }), plain+" origin is AWS_KMS which is not valid for this operation.")
	for name, set := range map[string]func(*kms.ImportKeyMaterialInput){
		"that expires at no time":         func(in *kms.ImportKeyMaterialInput) { in.ExpirationModel = "" },
		"that does not expire, at a time": func(in *kms.ImportKeyMaterialInput) { in.ValidTo = aws.Time(time.Now().Add(time.Hour)) },
		"that has expired": func(in *kms.ImportKeyMaterialInput) {
			in.ExpirationModel, in.ValidTo = types.ExpirationModelTypeKeyMaterialExpires, aws.Time(time.Now().Add(-time.Hour))
		},
		"that lives too long": func(in *kms.ImportKeyMaterialInput) {
			in.ExpirationModel, in.ValidTo = types.ExpirationModelTypeKeyMaterialExpires, aws.Time(time.Now().Add(367*24*time.Hour))
		},
		"of an unknown model":   func(in *kms.ImportKeyMaterialInput) { in.ExpirationModel = "NEVER" },
		"of an unknown type":    func(in *kms.ImportKeyMaterialInput) { in.ImportType = "OLD" },
		"with a malformed ID":   func(in *kms.ImportKeyMaterialInput) { in.KeyMaterialId = aws.String("XY") },
		"with a short ID":       func(in *kms.ImportKeyMaterialInput) { in.KeyMaterialId = aws.String("abcd") },
		"with a malformed note": func(in *kms.ImportKeyMaterialInput) { in.KeyMaterialDescription = aws.String("no! not this") },
		"with a long note":      func(in *kms.ImportKeyMaterialInput) { in.KeyMaterialDescription = aws.String(strings.Repeat("n", 257)) },
		"that is new, with its ID": func(in *kms.ImportKeyMaterialInput) {
			in.ImportType, in.KeyMaterialId = types.ImportTypeNewKeyMaterial, aws.String(strings.Repeat("0", 64))
		},
		"of 6145 bytes": func(in *kms.ImportKeyMaterialInput) { in.EncryptedKeyMaterial = random(1, 6145) },
	} {
		invalid(t, "ImportKeyMaterial "+name, with(set), "")
	}
	fails[*types.IncorrectKeyMaterialException](t, "ImportKeyMaterial with another ID", with(func(in *kms.ImportKeyMaterialInput) { in.KeyMaterialId = aws.String(strings.Repeat("0", 64)) }), "")
	want(t, "state after the refusals", state(t, k.Client, id), types.KeyStatePendingImport)
	check(t, "ImportKeyMaterial", with(func(*kms.ImportKeyMaterialInput) {}))
	_, err := k.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &plain})
	fails[*types.UnsupportedOperationException](t, "DeleteImportedKeyMaterial of a key of KMS", err, plain+" origin is AWS_KMS which is not valid for this operation.")
	_, err = k.GetParametersForImport(ctx, &kms.GetParametersForImportInput{KeyId: &plain, WrappingAlgorithm: types.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: types.WrappingKeySpecRsa2048})
	fails[*types.UnsupportedOperationException](t, "GetParametersForImport of a key of KMS", err, plain+" origin is AWS_KMS which is not valid for this operation.")
	_, err = k.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &id})
	fails[*types.UnsupportedOperationException](t, "EnableKeyRotation of imported material", err, id+" origin is EXTERNAL which is not valid for this operation.")

	// What only symmetric keys have.
	hmac := k.key(t, of(types.KeySpecHmac256, types.KeyUsageTypeGenerateVerifyMac), external)
	hp := k.parcel(t, k.Client, hmac, types.AlgorithmSpecRsaesOaepSha256, types.WrappingKeySpecRsa2048)
	for name, set := range map[string]func(*kms.ImportKeyMaterialInput){
		"a type": func(in *kms.ImportKeyMaterialInput) { in.ImportType = types.ImportTypeNewKeyMaterial },
		"a note": func(in *kms.ImportKeyMaterialInput) { in.KeyMaterialDescription = aws.String("note") },
		"an ID":  func(in *kms.ImportKeyMaterialInput) { in.KeyMaterialId = aws.String(strings.Repeat("0", 64)) },
	} {
		in := hp.input(t, material)
		set(in)
		_, err := k.ImportKeyMaterial(ctx, in)
		fails[*types.UnsupportedOperationException](t, "ImportKeyMaterial into an HMAC key with "+name, err, hmac)
	}
	_, err = k.ImportKeyMaterial(ctx, hp.input(t, material))
	check(t, "ImportKeyMaterial into an HMAC key", err)
	_, err = k.ImportKeyMaterial(ctx, hp.input(t, random(72, 32)))
	fails[*types.IncorrectKeyMaterialException](t, "ImportKeyMaterial of other material into an HMAC key", err, hmac)

	// A private key of another spec.
	o := newOpenSSL(t)
	ec := k.key(t, of(types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify), external)
	ep := k.parcel(t, k.Client, ec, types.AlgorithmSpecRsaAesKeyWrapSha256, types.WrappingKeySpecRsa2048)
	for name, private := range map[string][]byte{"another curve": o.generate("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"), "no form": []byte("not a key")} {
		_, err = k.ImportKeyMaterial(ctx, ep.input(t, private))
		fails[*types.IncorrectKeyMaterialException](t, "ImportKeyMaterial of a private key of "+name, err, "")
	}

	rsa := k.key(t, of(types.KeySpecRsa2048, types.KeyUsageTypeSignVerify), external)
	p521 := k.key(t, of(types.KeySpecEccNistP521, types.KeyUsageTypeSignVerify), external)
	for _, c := range []struct {
		id        string
		algorithm types.AlgorithmSpec
		wrapping  types.WrappingKeySpec
	}{
		{rsa, types.AlgorithmSpecRsaesOaepSha256, types.WrappingKeySpecRsa4096},
		{rsa, types.AlgorithmSpecRsaesOaepSha1, types.WrappingKeySpecRsa4096},
		{p521, types.AlgorithmSpecRsaesOaepSha256, types.WrappingKeySpecRsa2048},
		{p521, types.AlgorithmSpecRsaesOaepSha1, types.WrappingKeySpecRsa2048},
		{other, types.AlgorithmSpecRsaAesKeyWrapSha256, types.WrappingKeySpecRsa2048},
		{other, types.AlgorithmSpecRsaesPkcs1V15, types.WrappingKeySpecRsa2048},
		{other, types.AlgorithmSpecSm2pke, types.WrappingKeySpecSm2},
	} {
		_, err := k.GetParametersForImport(ctx, &kms.GetParametersForImportInput{KeyId: &c.id, WrappingAlgorithm: c.algorithm, WrappingKeySpec: c.wrapping})
		fails[*types.UnsupportedOperationException](t, "GetParametersForImport with "+string(c.algorithm)+" and "+string(c.wrapping), err, "")
	}
	for _, in := range []*kms.GetParametersForImportInput{{KeyId: &id, WrappingAlgorithm: "NONE", WrappingKeySpec: types.WrappingKeySpecRsa2048},
		{KeyId: &id, WrappingAlgorithm: types.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: "RSA_1024"}} {
		_, err := k.GetParametersForImport(ctx, in)
		invalid(t, "GetParametersForImport", err, "Member must satisfy enum value set")
	}
}
