package kms

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"coffer/internal/awserr"
	"coffer/internal/key"
)

// TestKeyStates runs every operation on a key in every state, against the table
// of AWS's guide.
func TestKeyStates(t *testing.T) {
	table, err := os.ReadFile("testdata/key-states.txt")
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	spare := b.newKey(t)
	rows := 0
	for line := range strings.Lines(string(table)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		rows++
		cells := strings.Split(strings.TrimSpace(line), " | ")
		operation, state, want := cells[0], key.State(cells[1]), cells[2]
		t.Run(operation+"/"+string(state), func(t *testing.T) {
			k := b.newKey(t)
			blob := b.ciphertext(t, k.KeyID, "text", nil)
			alias := "alias/" + k.KeyID
			if _, err := b.CreateAlias(t.Context(), self, &CreateAliasInput{alias, k.KeyID}); err != nil {
				t.Fatal(err)
			}
			moving := "alias/moving-" + k.KeyID
			if _, err := b.CreateAlias(t.Context(), self, &CreateAliasInput{moving, spare.KeyID}); err != nil {
				t.Fatal(err)
			}
			b.grant(t, CreateGrantInput{KeyID: k.KeyID, GranteePrincipal: self.ARN, Operations: []string{"DescribeKey"}})
			b.into(t, k.KeyID, state)
			err := b.try(t, operation, k.KeyID, blob, alias, moving)
			if _, cleanup := b.DeleteAlias(t.Context(), self, &DeleteAliasInput{moving}); cleanup != nil {
				t.Fatal(cleanup)
			}
			if want == "ok" {
				if err != nil {
					t.Errorf("%s on a key that is %s = %v; want ok", operation, state, err)
				}
				return
			}
			code, text, _ := strings.Cut(want, ": ")
			wantError(t, operation, err, code+": "+k.ARN+" "+text)
		})
	}
	if rows != 26*3 {
		t.Errorf("%d rows; want those of 26 operations in 3 states", rows)
	}
}

// try runs one operation on a key, with a ciphertext and an alias of the key, and
// an alias that is to move to it.
func (b *bench) try(t *testing.T, operation, id string, blob []byte, alias, moving string) error {
	t.Helper()
	var err error
	ctx, in := t.Context(), &KeyInput{id}
	switch operation {
	case "CancelKeyDeletion":
		_, err = b.CancelKeyDeletion(ctx, b.caller(), in)
	case "CreateAlias":
		_, err = b.CreateAlias(ctx, b.caller(), &CreateAliasInput{alias + "-2", id})
	case "CreateGrant":
		_, err = b.CreateGrant(ctx, b.caller(), &CreateGrantInput{KeyID: id, GranteePrincipal: self.ARN, Operations: []string{"Encrypt"}})
	case "RetireGrant", "RevokeGrant":
		list, err := b.ListGrants(ctx, b.caller(), &ListGrantsInput{KeyID: id})
		if err != nil || len(list.Grants) == 0 {
			return fmt.Errorf("no grants to remove: %w", err)
		}
		if operation == "RetireGrant" {
			_, err = b.RetireGrant(ctx, b.caller(), &RetireGrantInput{KeyID: id, GrantID: list.Grants[0].GrantID})
		} else {
			_, err = b.RevokeGrant(ctx, b.caller(), &RevokeGrantInput{KeyID: id, GrantID: list.Grants[0].GrantID})
		}
		return err
	case "Decrypt":
		_, err = b.Decrypt(ctx, b.caller(), &DecryptInput{CiphertextBlob: blob})
	case "DeleteAlias":
		_, err = b.DeleteAlias(ctx, b.caller(), &DeleteAliasInput{alias})
	case "DescribeKey":
		_, err = b.DescribeKey(ctx, b.caller(), &DescribeKeyInput{KeyID: id})
	case "DisableKey":
		_, err = b.DisableKey(ctx, b.caller(), in)
	case "EnableKey":
		_, err = b.EnableKey(ctx, b.caller(), in)
	case "Encrypt":
		_, err = b.Encrypt(ctx, b.caller(), &EncryptInput{KeyID: id, Plaintext: Plaintext("x")})
	case "GenerateDataKey":
		_, err = b.GenerateDataKey(ctx, b.caller(), &GenerateDataKeyInput{KeyID: id, KeySpec: "AES_256"})
	case "GenerateDataKeyWithoutPlaintext":
		_, err = b.GenerateDataKeyWithoutPlaintext(ctx, b.caller(), &GenerateDataKeyWithoutPlaintextInput{KeyID: id, KeySpec: "AES_256"})
	case "GetKeyPolicy":
		_, err = b.GetKeyPolicy(ctx, b.caller(), &GetKeyPolicyInput{KeyID: id})
	case "GetKeyRotationStatus":
		_, err = b.GetKeyRotationStatus(ctx, b.caller(), in)
	case "ListAliases":
		_, err = b.ListAliases(ctx, b.caller(), &ListAliasesInput{KeyID: id})
	case "ListGrants":
		_, err = b.ListGrants(ctx, b.caller(), &ListGrantsInput{KeyID: id})
	case "ListKeyPolicies":
		_, err = b.ListKeyPolicies(ctx, b.caller(), &ListKeyPoliciesInput{KeyID: id})
	case "ListResourceTags":
		_, err = b.ListResourceTags(ctx, b.caller(), &ListResourceTagsInput{KeyID: id})
	case "PutKeyPolicy":
		_, err = b.PutKeyPolicy(ctx, b.caller(), &PutKeyPolicyInput{KeyID: id, Policy: defaultPolicy(account)})
	case "ReEncrypt":
		_, err = b.ReEncrypt(ctx, b.caller(), &ReEncryptInput{CiphertextBlob: blob, DestinationKeyID: id})
	case "ScheduleKeyDeletion":
		_, err = b.ScheduleKeyDeletion(ctx, b.caller(), &ScheduleKeyDeletionInput{KeyID: id})
	case "TagResource":
		_, err = b.TagResource(ctx, b.caller(), &TagResourceInput{KeyID: id, Tags: []Tag{{"a", "b"}}})
	case "UntagResource":
		_, err = b.UntagResource(ctx, b.caller(), &UntagResourceInput{KeyID: id, TagKeys: []string{"a"}})
	case "UpdateAlias":
		_, err = b.UpdateAlias(ctx, b.caller(), &UpdateAliasInput{moving, id})
	case "UpdateKeyDescription":
		_, err = b.UpdateKeyDescription(ctx, b.caller(), &UpdateKeyDescriptionInput{id, ptr("new")})
	default:
		t.Fatalf("the table has an unknown operation %s", operation)
	}
	return err
}

func TestUpdateAliasLeavesKeyPendingDeletion(t *testing.T) {
	b := newBench(t)
	old, next := b.newKey(t), b.newKey(t)
	if _, err := b.CreateAlias(t.Context(), self, &CreateAliasInput{"alias/a", old.KeyID}); err != nil {
		t.Fatal(err)
	}
	b.into(t, old.KeyID, key.PendingDeletion)
	if _, err := b.UpdateAlias(t.Context(), self, &UpdateAliasInput{"alias/a", next.KeyID}); err != nil {
		t.Errorf("UpdateAlias from a key pending deletion = %v; want ok", err)
	}
}

func TestReEncryptNeedsBothKeys(t *testing.T) {
	b := newBench(t)
	from, to := b.newKey(t), b.newKey(t)
	blob := b.ciphertext(t, from.KeyID, "text", nil)
	b.into(t, to.KeyID, key.Disabled)
	in := &ReEncryptInput{CiphertextBlob: blob, DestinationKeyID: to.KeyID}
	_, err := b.ReEncrypt(t.Context(), self, in)
	wantError(t, "ReEncrypt to a disabled key", err, "DisabledException: "+to.ARN+" is disabled.")
	b.into(t, from.KeyID, key.PendingDeletion)
	_, err = b.ReEncrypt(t.Context(), self, in)
	wantError(t, "ReEncrypt from a key pending deletion", err, "KMSInvalidStateException: "+from.ARN+" is pending deletion.")
}

// TestDeletion takes a key from its schedule over a cancelled deletion to its
// end, and looks at what remains.
func TestDeletion(t *testing.T) {
	b := newBench(t)
	k, other := b.newKey(t), b.newKey(t)
	blob := b.ciphertext(t, k.KeyID, "text", nil)
	out, err := b.ScheduleKeyDeletion(t.Context(), self, &ScheduleKeyDeletionInput{KeyID: k.ARN})
	if err != nil {
		t.Fatal(err)
	}
	if out.KeyID != k.ARN || out.KeyState != "PendingDeletion" || out.PendingWindowInDays != 30 || !out.DeletionDate.Equal(b.now.Add(30*24*time.Hour)) {
		t.Errorf("ScheduleKeyDeletion = %+v", out)
	}
	d, err := b.DescribeKey(t.Context(), self, &DescribeKeyInput{KeyID: k.KeyID})
	if err != nil || d.KeyMetadata.Enabled || d.KeyMetadata.KeyState != "PendingDeletion" || !d.KeyMetadata.DeletionDate.Equal(out.DeletionDate.Time) {
		t.Errorf("DescribeKey = %+v, %v", d, err)
	}
	cancelled, err := b.CancelKeyDeletion(t.Context(), self, &KeyInput{k.KeyID})
	if err != nil || cancelled.KeyID != k.ARN {
		t.Fatalf("CancelKeyDeletion = %+v, %v", cancelled, err)
	}
	if d, err = b.DescribeKey(t.Context(), self, &DescribeKeyInput{KeyID: k.KeyID}); err != nil || d.KeyMetadata.KeyState != "Disabled" || !d.KeyMetadata.DeletionDate.IsZero() {
		t.Errorf("after CancelKeyDeletion: %+v, %v; want a disabled key", d, err)
	}
	b.into(t, k.KeyID, key.PendingDeletion)
	b.now = b.now.Add(7*24*time.Hour - time.Second)
	if n, err := b.Sweep(t.Context()); n != 0 || err != nil {
		t.Fatalf("Sweep before the time = %d, %v", n, err)
	}
	b.now = b.now.Add(time.Second)
	if n, err := b.Sweep(t.Context()); n != 1 || err != nil {
		t.Fatalf("Sweep = %d, %v; want 1", n, err)
	}
	_, err = b.DescribeKey(t.Context(), self, &DescribeKeyInput{KeyID: k.KeyID})
	wantError(t, "DescribeKey of a destroyed key", err, "NotFoundException: Key '"+k.ARN+"' does not exist")
	_, err = b.Decrypt(t.Context(), self, &DecryptInput{CiphertextBlob: blob})
	wantError(t, "Decrypt of a destroyed key", err, "AccessDeniedException: "+foreignCiphertext)
	_, err = b.Decrypt(t.Context(), self, &DecryptInput{CiphertextBlob: blob, KeyID: other.KeyID})
	wantError(t, "Decrypt of a destroyed key with another", err, "IncorrectKeyException: "+wrongKey)
}

// TestOtherKeyStates runs the operations on keys with versions, regions, imported and
// asymmetric material in every state that such a key can have.
//
// Source: AWS KMS Developer Guide, "Key states of AWS KMS keys", the 2023 edition, read
// 2026-11-21; the newer operations follow their family: ListKeyRotations GetKeyRotationStatus,
// RotateKeyOnDemand EnableKeyRotation, DeriveSharedSecret, Encapsulate and Decapsulate Sign.
func TestOtherKeyStates(t *testing.T) {
	b := newBench(t)
	signer := CreateKeyInput{KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY"}
	mac, agreer := CreateKeyInput{KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC"}, CreateKeyInput{KeySpec: "ECC_NIST_P256", KeyUsage: "KEY_AGREEMENT"}
	kem, wide := CreateKeyInput{KeySpec: "ML_KEM_768", KeyUsage: "ENCAPSULATE_DECAPSULATE"}, CreateKeyInput{MultiRegion: true}
	public, err := b.GetPublicKey(t.Context(), self, &GetPublicKeyInput{KeyID: b.make(t, agreer).KeyID})
	if err != nil {
		t.Fatal(err)
	}
	const ok, disabled, deleted, waits = "", "DisabledException: KEY is disabled.", "KMSInvalidStateException: KEY is pending deletion.", "KMSInvalidStateException: KEY is pending import."
	const external = "UnsupportedOperationException: KEY origin is EXTERNAL which is not valid for this operation."
	crypto := [4]string{ok, disabled, deleted, waits}
	imports := [4]string{ok, ok, deleted, ok}
	tests := []struct {
		operation string
		of        CreateKeyInput
		want      [4]string // Enabled, Disabled, PendingDeletion, PendingImport
		do        func(id string) error
	}{
		{"Sign", signer, crypto, func(id string) error {
			return second(b.Sign(t.Context(), self, &SignInput{KeyID: id, Message: []byte("m"), SigningAlgorithm: "ECDSA_SHA_256"}))
		}},
		{"Verify", signer, crypto, func(id string) error {
			err := second(b.Verify(t.Context(), self, &VerifyInput{KeyID: id, Message: []byte("m"), Signature: []byte("s"), SigningAlgorithm: "ECDSA_SHA_256"}))
			return except(err, "KMSInvalidSignatureException")
		}},
		{"GetPublicKey", signer, crypto, func(id string) error {
			return second(b.GetPublicKey(t.Context(), self, &GetPublicKeyInput{KeyID: id}))
		}},
		{"GenerateMac", mac, crypto, func(id string) error {
			return second(b.GenerateMac(t.Context(), self, &GenerateMacInput{KeyID: id, Message: []byte("m"), MacAlgorithm: "HMAC_SHA_256"}))
		}},
		{"VerifyMac", mac, crypto, func(id string) error {
			err := second(b.VerifyMac(t.Context(), self, &VerifyMacInput{KeyID: id, Message: []byte("m"), Mac: []byte("s"), MacAlgorithm: "HMAC_SHA_256"}))
			return except(err, "KMSInvalidMacException")
		}},
		{"DeriveSharedSecret", agreer, crypto, func(id string) error {
			return second(b.DeriveSharedSecret(t.Context(), self, &DeriveSharedSecretInput{KeyID: id, KeyAgreementAlgorithm: "ECDH", PublicKey: public.PublicKey}))
		}},
		{"Encapsulate", kem, crypto, func(id string) error {
			return second(b.Encapsulate(t.Context(), self, &EncapsulateInput{KeyID: id, EncapsulationAlgorithm: "ML_KEM"}))
		}},
		{"Decapsulate", kem, crypto, func(id string) error {
			return second(b.Decapsulate(t.Context(), self, &DecapsulateInput{KeyID: id, EncapsulationAlgorithm: "ML_KEM", SharedSecretCiphertextBlob: make([]byte, 1088)}))
		}},
		{"GenerateDataKeyPair", CreateKeyInput{}, crypto, func(id string) error {
			return second(b.GenerateDataKeyPair(t.Context(), self, &GenerateDataKeyPairInput{KeyID: id, KeyPairSpec: "ECC_NIST_P256"}))
		}},
		{"GenerateDataKeyPairWithoutPlaintext", CreateKeyInput{}, crypto, func(id string) error {
			return second(b.GenerateDataKeyPairWithoutPlaintext(t.Context(), self, &GenerateDataKeyPairWithoutPlaintextInput{KeyID: id, KeyPairSpec: "ECC_NIST_P256"}))
		}},
		{"EnableKeyRotation", CreateKeyInput{}, [4]string{ok, disabled, deleted, external}, func(id string) error {
			return second(b.EnableKeyRotation(t.Context(), self, &EnableKeyRotationInput{KeyID: id}))
		}},
		{"DisableKeyRotation", CreateKeyInput{}, [4]string{ok, disabled, deleted, external}, func(id string) error {
			return second(b.DisableKeyRotation(t.Context(), self, &KeyInput{id}))
		}},
		{"RotateKeyOnDemand", CreateKeyInput{}, crypto, func(id string) error { return second(b.RotateKeyOnDemand(t.Context(), self, &KeyInput{id})) }},
		// Since imported material rotates on demand, these tell of it in every state.
		{"GetKeyRotationStatus", CreateKeyInput{}, [4]string{}, func(id string) error { return second(b.GetKeyRotationStatus(t.Context(), self, &KeyInput{id})) }},
		{"ListKeyRotations", CreateKeyInput{}, [4]string{}, func(id string) error {
			return second(b.ListKeyRotations(t.Context(), self, &ListKeyRotationsInput{KeyID: id}))
		}},
		{"GetParametersForImport", CreateKeyInput{Origin: "EXTERNAL"}, imports, func(id string) error {
			return second(b.GetParametersForImport(t.Context(), self, &GetParametersForImportInput{KeyID: id, WrappingAlgorithm: "RSAES_OAEP_SHA_256", WrappingKeySpec: "RSA_2048"}))
		}},
		{"ImportKeyMaterial", CreateKeyInput{Origin: "EXTERNAL"}, imports, func(id string) error { return b.bring(t, id) }},
		{"DeleteImportedKeyMaterial", CreateKeyInput{Origin: "EXTERNAL"}, [4]string{}, func(id string) error {
			return second(b.DeleteImportedKeyMaterial(t.Context(), self, &DeleteImportedKeyMaterialInput{KeyID: id}))
		}},
		{"ReplicateKey", wide, crypto, func(id string) error {
			return second(b.ReplicateKey(t.Context(), self, &ReplicateKeyInput{KeyID: id, ReplicaRegion: "eu-west-2"}))
		}},
		{"UpdatePrimaryRegion", wide, crypto, func(id string) error {
			return second(b.UpdatePrimaryRegion(t.Context(), self, &UpdatePrimaryRegionInput{KeyID: id, PrimaryRegion: "eu-west-1"}))
		}},
	}
	for _, tt := range tests {
		for i, state := range []key.State{key.Enabled, key.Disabled, key.PendingDeletion, key.PendingImport} {
			t.Run(tt.operation+"/"+string(state), func(t *testing.T) {
				in := tt.of
				if state == key.PendingImport {
					in.Origin = "EXTERNAL"
				}
				k := b.make(t, in)
				isImported := in.Origin == "EXTERNAL" && (state != key.PendingImport || tt.operation == "UpdatePrimaryRegion")
				if isImported {
					if err := b.bring(t, k.KeyID); err != nil {
						t.Fatal(err)
					}
				}
				if tt.operation == "UpdatePrimaryRegion" {
					if _, err := b.ReplicateKey(t.Context(), self, &ReplicateKeyInput{KeyID: k.KeyID, ReplicaRegion: "eu-west-1"}); err != nil {
						t.Fatal(err)
					}
				}
				switch {
				case state != key.PendingImport:
					b.into(t, k.KeyID, state)
				case isImported:
					if _, err := b.DeleteImportedKeyMaterial(t.Context(), self, &DeleteImportedKeyMaterialInput{KeyID: k.KeyID}); err != nil {
						t.Fatal(err)
					}
				}
				err := tt.do(k.KeyID)
				if tt.want[i] == ok {
					if err != nil {
						t.Errorf("%s on a key that is %s = %v; want ok", tt.operation, state, err)
					}
					return
				}
				wantError(t, tt.operation, err, strings.Replace(tt.want[i], "KEY", k.ARN, 1))
			})
		}
	}
}

// second returns the error of an operation.
func second[T any](_ T, err error) error { return err }

// except returns err unless it has the code.
func except(err error, code string) error {
	if e := awserr.As(err); e != nil && e.Code == code {
		return nil
	}
	return err
}

func (b *bench) make(t *testing.T, in CreateKeyInput) KeyMetadata {
	t.Helper()
	out, err := b.CreateKey(t.Context(), self, &in)
	if err != nil {
		t.Fatal(err)
	}
	return out.KeyMetadata
}

// bring imports 32 bytes into a symmetric key.
func (b *bench) bring(t *testing.T, id string) error {
	t.Helper()
	p, err := b.GetParametersForImport(t.Context(), self, &GetParametersForImportInput{KeyID: id, WrappingAlgorithm: "RSAES_OAEP_SHA_256", WrappingKeySpec: "RSA_2048"})
	if err != nil {
		return err
	}
	public, err := x509.ParsePKIXPublicKey(p.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public.(*rsa.PublicKey), make([]byte, 32), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.ImportKeyMaterial(t.Context(), self, &ImportKeyMaterialInput{KeyID: id, ImportToken: p.ImportToken, EncryptedKeyMaterial: wrapped,
		ExpirationModel: expiresNot})
	return err
}
