package conformance

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// A use is one cryptographic operation with what is right for its keys.
type use struct {
	name string
	of   func(*kms.CreateKeyInput)
	do   func(t *testing.T, k *keyService, id string, isDryRun *bool) error
}

// uses are all cryptographic operations. Each works on a key of its own kind.
var uses = []use{
	{"Encrypt", symmetric, func(t *testing.T, k *keyService, id string, dry *bool) error {
		_, err := k.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x"), DryRun: dry})
		return err
	}},
	{"Decrypt", symmetric, func(t *testing.T, k *keyService, id string, dry *bool) error {
		_, err := k.Decrypt(t.Context(), &kms.DecryptInput{KeyId: &id, CiphertextBlob: k.sealed(t, id), DryRun: dry})
		return err
	}},
	{"ReEncrypt", symmetric, func(t *testing.T, k *keyService, id string, dry *bool) error {
		_, err := k.ReEncrypt(t.Context(), &kms.ReEncryptInput{SourceKeyId: &id, DestinationKeyId: &id, CiphertextBlob: k.sealed(t, id), DryRun: dry})
		return err
	}},
	{"GenerateDataKey", symmetric, func(t *testing.T, k *keyService, id string, dry *bool) error {
		_, err := k.GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{KeyId: &id, KeySpec: types.DataKeySpecAes256, DryRun: dry})
		return err
	}},
	{"GenerateDataKeyWithoutPlaintext", symmetric, func(t *testing.T, k *keyService, id string, dry *bool) error {
		_, err := k.GenerateDataKeyWithoutPlaintext(t.Context(), &kms.GenerateDataKeyWithoutPlaintextInput{KeyId: &id, KeySpec: types.DataKeySpecAes256, DryRun: dry})
		return err
	}},
	{"GenerateDataKeyPair", symmetric, func(t *testing.T, k *keyService, id string, dry *bool) error {
		_, err := k.GenerateDataKeyPair(t.Context(), &kms.GenerateDataKeyPairInput{KeyId: &id, KeyPairSpec: types.DataKeyPairSpecEccNistP256, DryRun: dry})
		return err
	}},
	{"GenerateDataKeyPairWithoutPlaintext", symmetric, func(t *testing.T, k *keyService, id string, dry *bool) error {
		_, err := k.GenerateDataKeyPairWithoutPlaintext(t.Context(), &kms.GenerateDataKeyPairWithoutPlaintextInput{KeyId: &id, KeyPairSpec: types.DataKeyPairSpecEccNistP256, DryRun: dry})
		return err
	}},
	{"Sign", of(types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify), func(t *testing.T, k *keyService, id string, dry *bool) error {
		_, err := k.Sign(t.Context(), &kms.SignInput{KeyId: &id, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256, Message: []byte("x"), DryRun: dry})
		return err
	}},
	{"Verify", of(types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify), func(t *testing.T, k *keyService, id string, dry *bool) error {
		in := &kms.VerifyInput{KeyId: &id, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256, Message: []byte("x"), Signature: []byte("y"), DryRun: dry}
		if signed, err := k.Sign(t.Context(), &kms.SignInput{KeyId: &id, SigningAlgorithm: in.SigningAlgorithm, Message: in.Message}); err == nil {
			in.Signature = signed.Signature
		}
		_, err := k.Verify(t.Context(), in)
		return err
	}},
	{"GenerateMac", of(types.KeySpecHmac256, types.KeyUsageTypeGenerateVerifyMac), func(t *testing.T, k *keyService, id string, dry *bool) error {
		_, err := k.GenerateMac(t.Context(), &kms.GenerateMacInput{KeyId: &id, MacAlgorithm: types.MacAlgorithmSpecHmacSha256, Message: []byte("x"), DryRun: dry})
		return err
	}},
	{"VerifyMac", of(types.KeySpecHmac256, types.KeyUsageTypeGenerateVerifyMac), func(t *testing.T, k *keyService, id string, dry *bool) error {
		in := &kms.VerifyMacInput{KeyId: &id, MacAlgorithm: types.MacAlgorithmSpecHmacSha256, Message: []byte("x"), Mac: []byte("y"), DryRun: dry}
		if mac, err := k.GenerateMac(t.Context(), &kms.GenerateMacInput{KeyId: &id, MacAlgorithm: in.MacAlgorithm, Message: in.Message}); err == nil {
			in.Mac = mac.Mac
		}
		_, err := k.VerifyMac(t.Context(), in)
		return err
	}},
	{"DeriveSharedSecret", of(types.KeySpecEccNistP256, types.KeyUsageTypeKeyAgreement), func(t *testing.T, k *keyService, id string, dry *bool) error {
		_, err := k.DeriveSharedSecret(t.Context(), &kms.DeriveSharedSecretInput{KeyId: &id, KeyAgreementAlgorithm: types.KeyAgreementAlgorithmSpecEcdh, PublicKey: peer, DryRun: dry})
		return err
	}},
	{"Encapsulate", of(types.KeySpecMlKem768, types.KeyUsageTypeEncapsulateDecapsulate), func(t *testing.T, k *keyService, id string, dry *bool) error {
		_, err := k.Encapsulate(t.Context(), &kms.EncapsulateInput{KeyId: &id, EncapsulationAlgorithm: types.EncapsulationAlgorithmSpecMlKem, DryRun: dry})
		return err
	}},
	{"Decapsulate", of(types.KeySpecMlKem768, types.KeyUsageTypeEncapsulateDecapsulate), func(t *testing.T, k *keyService, id string, dry *bool) error {
		_, err := k.Decapsulate(t.Context(), &kms.DecapsulateInput{KeyId: &id, EncapsulationAlgorithm: types.EncapsulationAlgorithmSpecMlKem, SharedSecretCiphertextBlob: make([]byte, 1088), DryRun: dry})
		return err
	}},
}

func symmetric(*kms.CreateKeyInput) {}

// peer is the generator of P-256, as a public key.
var peer = []byte("\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04" +
	"\x6b\x17\xd1\xf2\xe1\x2c\x42\x47\xf8\xbc\xe6\xe5\x63\xa4\x40\xf2\x77\x03\x7d\x81\x2d\xeb\x33\xa0\xf4\xa1\x39\x45\xd8\x98\xc2\x96" +
	"\x4f\xe3\x42\xe2\xfe\x1a\x7f\x9b\x8e\xe7\xeb\x4a\x7c\x0f\x9e\x16\x2b\xce\x33\x57\x6b\x31\x5e\xce\xcb\xb6\x40\x68\x37\xbf\x51\xf5")

// sealed returns a ciphertext under a key, or some bytes if the key can't make one.
func (k *keyService) sealed(t *testing.T, id string) []byte {
	out, err := k.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x")})
	if err != nil {
		return make([]byte, 128)
	}
	return out.CiphertextBlob
}

// usageOf returns the usage of a key to be made.
func usageOf(set func(*kms.CreateKeyInput)) types.KeyUsageType {
	in := new(kms.CreateKeyInput)
	set(in)
	if in.KeyUsage == "" {
		return types.KeyUsageTypeEncryptDecrypt
	}
	return in.KeyUsage
}

// testKMSUsage asks each key for what keys of other usages do.
func testKMSUsage(t *testing.T, k *keyService) {
	keys := make(map[types.KeyUsageType]string)
	for _, u := range uses {
		if usage := usageOf(u.of); keys[usage] == "" {
			keys[usage] = k.key(t, u.of)
		}
	}
	for _, u := range uses {
		for usage, id := range keys {
			err := u.do(t, k, id, nil)
			if usage == usageOf(u.of) {
				check(t, u.name, err)
				continue
			}
			fails[*types.InvalidKeyUsageException](t, u.name+" with a key for "+string(usage), err, id+" key usage is "+string(usage)+" which is not valid for "+u.name+".")
		}
	}
	// Algorithms of other specs with the usage.
	p256, rsa, ed := keys[types.KeyUsageTypeSignVerify], k.key(t, of(types.KeySpecRsa2048, types.KeyUsageTypeSignVerify)), k.key(t, of(types.KeySpecEccNistEdwards25519, types.KeyUsageTypeSignVerify))
	for id, algorithm := range map[string]types.SigningAlgorithmSpec{p256: types.SigningAlgorithmSpecEcdsaSha384, rsa: types.SigningAlgorithmSpecEcdsaSha256, ed: types.SigningAlgorithmSpecMlDsaShake256} {
		_, err := k.Sign(t.Context(), &kms.SignInput{KeyId: &id, SigningAlgorithm: algorithm, Message: []byte("x")})
		fails[*types.InvalidKeyUsageException](t, "Sign by another algorithm", err, "Algorithm "+string(algorithm)+" is incompatible with key spec ")
		_, err = k.Verify(t.Context(), &kms.VerifyInput{KeyId: &id, SigningAlgorithm: algorithm, Message: []byte("x"), Signature: []byte("y")})
		fails[*types.InvalidKeyUsageException](t, "Verify by another algorithm", err, "Algorithm "+string(algorithm)+" is incompatible with key spec ")
	}
	rotating := keys[types.KeyUsageTypeSignVerify]
	_, err := k.RotateKeyOnDemand(t.Context(), &kms.RotateKeyOnDemandInput{KeyId: &rotating})
	fails[*types.UnsupportedOperationException](t, "RotateKeyOnDemand of an asymmetric key", err, rotating)
	_, err = k.EnableKeyRotation(t.Context(), &kms.EnableKeyRotationInput{KeyId: &rotating})
	fails[*types.UnsupportedOperationException](t, "EnableKeyRotation of an asymmetric key", err, rotating)
	_, err = k.DisableKeyRotation(t.Context(), &kms.DisableKeyRotationInput{KeyId: &rotating})
	fails[*types.UnsupportedOperationException](t, "DisableKeyRotation of an asymmetric key", err, rotating)
	_, err = k.GetKeyRotationStatus(t.Context(), &kms.GetKeyRotationStatusInput{KeyId: &rotating})
	fails[*types.UnsupportedOperationException](t, "GetKeyRotationStatus of an asymmetric key", err, rotating)
	_, err = k.ListKeyRotations(t.Context(), &kms.ListKeyRotationsInput{KeyId: &rotating})
	fails[*types.UnsupportedOperationException](t, "ListKeyRotations of an asymmetric key", err, rotating)
	sym := keys[types.KeyUsageTypeEncryptDecrypt]
	_, err = k.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &sym})
	fails[*types.UnsupportedOperationException](t, "GetPublicKey of a symmetric key", err, sym)
}

const dryRunText = "The request would have succeeded, but the DryRun option is set."

// testKMSDryRun tries everything that has a dry run, on keys that may and that may not.
func testKMSDryRun(t *testing.T, k *keyService) {
	ctx := t.Context()
	for _, u := range uses {
		id := k.key(t, u.of)
		fails[*types.DryRunOperationException](t, "dry run of "+u.name, u.do(t, k, id, aws.Bool(true)), dryRunText)
		check(t, u.name+" without a dry run", u.do(t, k, id, aws.Bool(false)))
		_, err := k.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &id})
		check(t, "DisableKey", err)
		if err := u.do(t, k, id, aws.Bool(true)); code(err) != "DisabledException" && !(u.name == "Decrypt" || u.name == "ReEncrypt") {
			t.Errorf("dry run of %s with a disabled key = %v; want DisabledException", u.name, err)
		}
	}
	id := k.key(t)
	grantee := aws.String("arn:aws:iam::000000000000:root")
	d, err := k.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
	check(t, "DescribeKey", err)
	*grantee = "arn:aws:iam::" + *d.KeyMetadata.AWSAccountId + ":root"
	in := &kms.CreateGrantInput{KeyId: &id, GranteePrincipal: grantee, RetiringPrincipal: grantee, Operations: []types.GrantOperation{types.GrantOperationDecrypt}, DryRun: aws.Bool(true)}
	_, err = k.CreateGrant(ctx, in)
	fails[*types.DryRunOperationException](t, "dry run of CreateGrant", err, dryRunText)
	in.DryRun = nil
	g, err := k.CreateGrant(ctx, in)
	check(t, "CreateGrant", err)
	_, err = k.RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: &id, GrantId: g.GrantId, DryRun: aws.Bool(true)})
	fails[*types.DryRunOperationException](t, "dry run of RevokeGrant", err, dryRunText)
	_, err = k.RetireGrant(ctx, &kms.RetireGrantInput{KeyId: &id, GrantId: g.GrantId, DryRun: aws.Bool(true)})
	fails[*types.DryRunOperationException](t, "dry run of RetireGrant", err, dryRunText)
	list, err := k.ListGrants(ctx, &kms.ListGrantsInput{KeyId: &id})
	check(t, "ListGrants", err)
	want(t, "grants after dry runs", len(list.Grants), 1)
	// A dry run of Decrypt needs no ciphertext, if it says so.
	_, err = k.Decrypt(ctx, &kms.DecryptInput{KeyId: &id, DryRun: aws.Bool(true), DryRunModifiers: []types.DryRunModifierType{types.DryRunModifierTypeIgnoreCiphertext}})
	fails[*types.DryRunOperationException](t, "dry run of Decrypt without a ciphertext", err, dryRunText)
	_, err = k.ReEncrypt(ctx, &kms.ReEncryptInput{SourceKeyId: &id, DestinationKeyId: &id, DryRun: aws.Bool(true), DryRunModifiers: []types.DryRunModifierType{types.DryRunModifierTypeIgnoreCiphertext}})
	fails[*types.DryRunOperationException](t, "dry run of ReEncrypt without a ciphertext", err, dryRunText)
}

// testKMSStates takes keys of every usage out of use.
func testKMSStates(t *testing.T, k *keyService) {
	ctx := t.Context()
	for _, u := range uses {
		id := k.key(t, u.of)
		blob := k.sealed(t, id)
		do := func() error {
			if u.name == "Decrypt" {
				_, err := k.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob})
				return err
			}
			if u.name == "ReEncrypt" {
				_, err := k.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: blob, DestinationKeyId: &id})
				return err
			}
			return u.do(t, k, id, nil)
		}
		check(t, u.name, do())
		_, err := k.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &id})
		check(t, "DisableKey", err)
		fails[*types.DisabledException](t, u.name+" with a disabled key", do(), id+" is disabled.")
		_, err = k.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &id})
		check(t, "EnableKey", err)
		check(t, u.name+" with a key that is enabled again", do())
		_, err = k.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id, PendingWindowInDays: aws.Int32(7)})
		check(t, "ScheduleKeyDeletion", err)
		fails[*types.KMSInvalidStateException](t, u.name+" with a key pending deletion", do(), id+" is pending deletion.")
		_, err = k.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &id})
		check(t, "CancelKeyDeletion", err)
		want(t, "state after CancelKeyDeletion", state(t, k.Client, id), types.KeyStateDisabled)

		waiting := k.key(t, u.of, external)
		if u.name != "Decrypt" && u.name != "ReEncrypt" {
			fails[*types.KMSInvalidStateException](t, u.name+" with a key pending import", u.do(t, k, waiting, nil), waiting+" is pending import.")
		}
	}
	waiting := k.key(t, external)
	for name, err := range map[string]error{
		"EnableKey":         errorOf(k.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &waiting})),
		"DisableKey":        errorOf(k.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &waiting})),
		"RotateKeyOnDemand": errorOf(k.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &waiting})),
		"Decrypt by a dry run": errorOf(k.Decrypt(ctx, &kms.DecryptInput{KeyId: &waiting, DryRun: aws.Bool(true),
			DryRunModifiers: []types.DryRunModifierType{types.DryRunModifierTypeIgnoreCiphertext}})),
	} {
		fails[*types.KMSInvalidStateException](t, name+" pending import", err, waiting+" is pending import.")
	}
	sign := k.key(t, of(types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify), external)
	_, err := k.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &sign})
	fails[*types.KMSInvalidStateException](t, "GetPublicKey pending import", err, sign+" is pending import.")
	id := k.key(t, of(types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify))
	_, err = k.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &id})
	fails[*types.KMSInvalidStateException](t, "CancelKeyDeletion of an enabled key", err, id+" is not pending deletion.")
	_, err = k.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &id})
	check(t, "DisableKey", err)
	_, err = k.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &id})
	fails[*types.DisabledException](t, "GetPublicKey of a disabled key", err, id+" is disabled.")
	_, err = k.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id})
	check(t, "ScheduleKeyDeletion", err)
	_, err = k.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id})
	fails[*types.KMSInvalidStateException](t, "ScheduleKeyDeletion twice", err, id+" is pending deletion.")
	for name, err := range map[string]error{
		"EnableKey":            errorOf(k.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &id})),
		"DisableKey":           errorOf(k.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &id})),
		"GetPublicKey":         errorOf(k.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &id})),
		"TagResource":          errorOf(k.TagResource(ctx, &kms.TagResourceInput{KeyId: &id, Tags: []types.Tag{{TagKey: aws.String("a"), TagValue: aws.String("b")}}})),
		"UntagResource":        errorOf(k.UntagResource(ctx, &kms.UntagResourceInput{KeyId: &id, TagKeys: []string{"a"}})),
		"UpdateKeyDescription": errorOf(k.UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: &id, Description: aws.String("d")})),
		"CreateAlias":          errorOf(k.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/to-be-deleted"), TargetKeyId: &id})),
	} {
		fails[*types.KMSInvalidStateException](t, name+" pending deletion", err, id+" is pending deletion.")
	}
}

// errorOf returns the error of an operation.
func errorOf[T any](_ T, err error) error { return err }

// testKMSGrants gives the cryptographic operations away, one grant each, and refuses
// what a key can't do.
func testKMSGrants(t *testing.T, k *keyService) {
	ctx := t.Context()
	operations := map[types.KeyUsageType][]types.GrantOperation{
		types.KeyUsageTypeSignVerify:             {types.GrantOperationSign, types.GrantOperationVerify, types.GrantOperationGetPublicKey},
		types.KeyUsageTypeGenerateVerifyMac:      {types.GrantOperationGenerateMac, types.GrantOperationVerifyMac},
		types.KeyUsageTypeKeyAgreement:           {types.GrantOperationDeriveSharedSecret, types.GrantOperationGetPublicKey},
		types.KeyUsageTypeEncapsulateDecapsulate: {types.GrantOperationEncapsulate, types.GrantOperationDecapsulate},
		types.KeyUsageTypeEncryptDecrypt: {types.GrantOperationGenerateDataKeyPair, types.GrantOperationGenerateDataKeyPairWithoutPlaintext,
			types.GrantOperationReEncryptFrom, types.GrantOperationReEncryptTo},
	}
	seen := make(map[types.KeyUsageType]bool)
	for _, u := range uses {
		usage := usageOf(u.of)
		if seen[usage] {
			continue
		}
		seen[usage] = true
		id := k.key(t, u.of)
		grantee := strings.Replace(id[:strings.LastIndex(id, ":")], ":kms:us-east-1:", ":iam::", 1) + ":root"
		g, err := k.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: &id, GranteePrincipal: &grantee, RetiringPrincipal: &grantee, Operations: operations[usage], Name: aws.String("g")})
		check(t, "CreateGrant for "+string(usage), err)
		list, err := k.ListGrants(ctx, &kms.ListGrantsInput{KeyId: &id, GrantId: g.GrantId})
		check(t, "ListGrants", err)
		want(t, "grants", len(list.Grants), 1)
		want(t, "operations", len(list.Grants[0].Operations), len(operations[usage]))
		mine, err := k.ListRetirableGrants(ctx, &kms.ListRetirableGrantsInput{RetiringPrincipal: &grantee})
		check(t, "ListRetirableGrants", err)
		if len(mine.Grants) == 0 {
			t.Error("ListRetirableGrants lists nothing")
		}
		switch usage {
		case types.KeyUsageTypeEncryptDecrypt:
			_, err = k.RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: &id, GrantId: g.GrantId})
			check(t, "RevokeGrant", err)
		default:
			_, err = k.RetireGrant(ctx, &kms.RetireGrantInput{GrantToken: g.GrantToken})
			check(t, "RetireGrant", err)
		}
		_, err = k.RetireGrant(ctx, &kms.RetireGrantInput{KeyId: &id, GrantId: g.GrantId})
		fails[*types.NotFoundException](t, "RetireGrant of none", err, "")
		_, err = k.RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: &id, GrantId: g.GrantId})
		fails[*types.NotFoundException](t, "RevokeGrant of none", err, "")
		for other, wrong := range operations {
			if other == usage {
				continue
			}
			_, err = k.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: &id, GranteePrincipal: &grantee, Operations: wrong[:1]})
			if other != usage && err == nil {
				t.Errorf("CreateGrant of %v on a key for %s succeeds", wrong[:1], usage)
			}
		}
	}
	id := k.key(t)
	_, err := k.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: &id, GranteePrincipal: aws.String("nobody"), Operations: []types.GrantOperation{types.GrantOperationDecrypt}})
	fails[*types.InvalidArnException](t, "CreateGrant to nobody", err, "nobody")
	_, err = k.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x"), GrantTokens: []string{"token"}})
	fails[*types.InvalidGrantTokenException](t, "Encrypt with a false grant token", err, "")
	for _, err := range []error{
		errorOf(k.ListGrants(ctx, &kms.ListGrantsInput{KeyId: &id, Marker: aws.String("x")})),
		errorOf(k.ListRetirableGrants(ctx, &kms.ListRetirableGrantsInput{RetiringPrincipal: aws.String("arn:aws:iam::" + strings.Split(id, ":")[4] + ":root"), Marker: aws.String("x")})),
	} {
		fails[*types.InvalidMarkerException](t, "a listing from a false marker", err, "")
	}
}

// testKMSAliases names asymmetric keys by aliases.
func testKMSAliases(t *testing.T, k *keyService) {
	ctx := t.Context()
	name := aws.String("alias/signers/one")
	one, two := k.key(t, of(types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify)), k.key(t, of(types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify))
	_, err := k.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: name, TargetKeyId: &one})
	check(t, "CreateAlias", err)
	_, err = k.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: name, TargetKeyId: &two})
	fails[*types.AlreadyExistsException](t, "CreateAlias twice", err, "")
	signed, err := k.Sign(ctx, &kms.SignInput{KeyId: name, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256, Message: []byte("x")})
	check(t, "Sign by an alias", err)
	want(t, "key of the alias", *signed.KeyId, one)
	verify := &kms.VerifyInput{KeyId: name, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256, Message: []byte("x"), Signature: signed.Signature}
	_, err = k.Verify(ctx, verify)
	check(t, "Verify by an alias", err)
	_, err = k.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: name, TargetKeyId: &two})
	check(t, "UpdateAlias", err)
	_, err = k.Verify(ctx, verify)
	fails[*types.KMSInvalidSignatureException](t, "Verify by an alias that moved", err, "")
	out, err := k.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: aws.String(strings.Replace(two, two[strings.Index(two, "key/"):], *name, 1))})
	check(t, "GetPublicKey by the ARN of an alias", err)
	want(t, "key of the alias", *out.KeyId, two)
	_, err = k.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: name, TargetKeyId: aws.String(k.key(t))})
	invalid(t, "UpdateAlias from a key for signing to one for encryption", err, "the same type and key usage")
	list, err := k.ListAliases(ctx, &kms.ListAliasesInput{KeyId: &two})
	check(t, "ListAliases", err)
	want(t, "aliases", len(list.Aliases), 1)
	_, err = k.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: name})
	check(t, "DeleteAlias", err)
	_, err = k.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: name})
	fails[*types.NotFoundException](t, "DeleteAlias of none", err, "")
	_, err = k.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: name, TargetKeyId: &two})
	fails[*types.NotFoundException](t, "UpdateAlias of none", err, "")
	_, err = k.Sign(ctx, &kms.SignInput{KeyId: name, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256, Message: []byte("x")})
	fails[*types.NotFoundException](t, "Sign by no alias", err, "")
	_, err = k.ListAliases(ctx, &kms.ListAliasesInput{Marker: aws.String("x")})
	fails[*types.InvalidMarkerException](t, "ListAliases from a false marker", err, "")
	_, err = k.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("signers"), TargetKeyId: &one})
	invalid(t, "CreateAlias without its prefix", err, `Alias must start with the prefix "alias/".`)
}
