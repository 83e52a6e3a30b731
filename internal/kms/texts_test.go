package kms

import (
	"strings"
	"testing"

	"coffer/internal/arn"
	"coffer/internal/authn"
)

const seeAliases = `Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html`

// TestErrorTexts holds the answers to their codes and texts. Those marked as
// recorded are AWS's own, from public test suites that run against AWS
// (LocalStack's snapshots of April 2023 to September 2026).
func TestErrorTexts(t *testing.T) {
	b := newBench(t)
	k, other := b.newKey(t), b.newKey(t)
	blob := b.ciphertext(t, k.KeyID, "text", map[string]string{"a": "b"})
	long := strings.Repeat("v", 257)
	tags := func(n int) (out []Tag) {
		for i := range n {
			out = append(out, Tag{"k" + string(rune('0'+i/10)) + string(rune('0'+i%10)), ""})
		}
		return out
	}
	arnOf := func(id string) string { return arn.Key(region, account, id) }
	describe := func(id string) func() error {
		return func() error {
			_, err := b.DescribeKey(t.Context(), self, &DescribeKeyInput{KeyID: id})
			return err
		}
	}
	enable := func(id string) func() error {
		return func() error {
			_, err := b.EnableKey(t.Context(), self, &KeyInput{id})
			return err
		}
	}
	encrypt := func(in *EncryptInput) func() error {
		return func() error { _, err := b.Encrypt(t.Context(), self, in); return err }
	}
	decrypt := func(in *DecryptInput) func() error {
		return func() error { _, err := b.Decrypt(t.Context(), self, in); return err }
	}
	reEncrypt := func(in *ReEncryptInput) func() error {
		return func() error { _, err := b.ReEncrypt(t.Context(), self, in); return err }
	}
	dataKey := func(in *GenerateDataKeyInput) func() error {
		return func() error { _, err := b.GenerateDataKey(t.Context(), self, in); return err }
	}
	random := func(in *GenerateRandomInput) func() error {
		return func() error { _, err := b.GenerateRandom(t.Context(), self, in); return err }
	}
	create := func(in *CreateKeyInput) func() error {
		return func() error { _, err := b.CreateKey(t.Context(), self, in); return err }
	}
	alias := func(name, target string) func() error {
		return func() error {
			_, err := b.CreateAlias(t.Context(), self, &CreateAliasInput{name, target})
			return err
		}
	}
	tag := func(tags []Tag) func() error {
		return func() error {
			_, err := b.TagResource(t.Context(), self, &TagResourceInput{k.KeyID, tags})
			return err
		}
	}
	if err := alias("alias/taken", k.KeyID)(); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		do   func() error
		want string
	}{
		// Recorded.
		{"no such key ID", describe(unknownID), "NotFoundException: Key '" + arnOf(unknownID) + "' does not exist"},
		{"no such key ARN", describe(arnOf(unknownID)), "NotFoundException: Key '" + arnOf(unknownID) + "' does not exist"},
		{"no such multi-region key", describe("mrk-d3b95762d3b95762d3b95762d3b95762"),
			"NotFoundException: Key '" + arnOf("mrk-d3b95762d3b95762d3b95762d3b95762") + "' does not exist"},
		{"no key ID", describe("fake-key-id"), "NotFoundException: Invalid keyId 'fake-key-id'"},
		{"no UUID", describe("134f2428cec14b25a1ae9048164dba47"), "NotFoundException: Invalid keyId '134f2428cec14b25a1ae9048164dba47'"},
		{"no multi-region ID", describe("mrk-fake-key-id"), "NotFoundException: Invalid keyId 'mrk-fake-key-id'"},
		{"other region", describe(arn.Key("us-west-2", account, k.KeyID)), "NotFoundException: Invalid arn us-west-2"},
		{"plaintext too long", encrypt(&EncryptInput{KeyID: k.KeyID, Plaintext: make(Plaintext, 4097)}),
			"ValidationException: 1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096"},
		{"another key's ciphertext", decrypt(&DecryptInput{KeyID: other.KeyID, CiphertextBlob: blob}), "IncorrectKeyException: " + wrongKey},
		{"random of no size", random(&GenerateRandomInput{}), "ValidationException: NumberOfBytes is required."},
		{"random of 0 bytes", random(&GenerateRandomInput{NumberOfBytes: ptr[int32](0)}),
			"ValidationException: 1 validation error detected: Value '0' at 'numberOfBytes' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{"random of 1025 bytes", random(&GenerateRandomInput{NumberOfBytes: ptr[int32](1025)}),
			"ValidationException: 1 validation error detected: Value '1025' at 'numberOfBytes' failed to satisfy constraint: Member must have value less than or equal to 1024"},
		{"alias without prefix", alias("test", k.KeyID), "ValidationException: " + seeAliases},
		{"alias exists", alias("alias/taken", other.KeyID), "AlreadyExistsException: An alias with the name " + arn.Alias(region, account, "alias/taken") + " already exists"},
		{"duplicate tags", tag([]Tag{{"a", "1"}, {"a", "2"}}), "TagException: Duplicate tag keys"},
		{"too many tags", create(&CreateKeyInput{Tags: tags(51)}), "TagException: Too many tags"},
		{"reserved tag", tag([]Tag{{"aws:key1", "v"}}), "TagException: Tags beginning with aws: are reserved"},
		{"tag value too long", tag([]Tag{{"k", long}}),
			"ValidationException: 1 validation error detected: Value '" + long + "' at 'tags.1.member.tagValue' failed to satisfy constraint: Member must have length less than or equal to 256"},
		{"tag key too long", create(&CreateKeyInput{Tags: []Tag{{long[:129], ""}}}),
			"ValidationException: 1 validation error detected: Value '" + long[:129] + "' at 'tags.1.member.tagKey' failed to satisfy constraint: Member must have length less than or equal to 128"},
		{"dry run", dataKey(&GenerateDataKeyInput{KeyID: k.KeyID, KeySpec: "AES_256", DryRun: true}), "DryRunOperationException: " + dryRunText},
		{"no key usage", create(&CreateKeyInput{KeySpec: "HMAC_256"}),
			"ValidationException: You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."},

		// Ours where AWS sends no text or none was recorded.
		{"wrong context", decrypt(&DecryptInput{CiphertextBlob: blob}),
			"InvalidCiphertextException: The ciphertext is damaged, or the encryption context is not the one that it was encrypted with."},
		{"no ciphertext", decrypt(&DecryptInput{CiphertextBlob: []byte("garbage"), KeyID: k.KeyID}),
			"InvalidCiphertextException: The ciphertext is damaged, or the encryption context is not the one that it was encrypted with."},
		{"alias of a service", alias("alias/aws/s3", k.KeyID), "NotAuthorizedException: Names that start with alias/aws/ are reserved for the keys of AWS services."},
		{"alias without name", alias("alias/", k.KeyID), "InvalidAliasNameException: The alias has no name after its prefix."},
		{"alias with a colon", alias("alias/a:b", k.KeyID), "ValidationException: alias/a:b contains invalid characters for an alias"},
		{"alias of strange characters", alias("alias/ä", k.KeyID),
			"ValidationException: 1 validation error detected: Value 'alias/ä' at 'aliasName' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"},
		{"alias to an alias", alias("alias/new", "alias/taken"), "ValidationException: Aliases must refer to keys. Not aliases"},
		{"alias to nothing", alias("alias/new", unknownID), "NotFoundException: Key '" + arnOf(unknownID) + "' does not exist"},
		{"two failures", alias("", ""), "ValidationException: 2 validation errors detected: Value null at 'aliasName' failed to satisfy constraint: Member must not be null; " +
			"Value null at 'targetKeyId' failed to satisfy constraint: Member must not be null"},
		{"no such alias", describe("alias/none"), "NotFoundException: Alias " + arn.Alias(region, account, "alias/none") + " is not found."},
		{"alias where none may stand", enable("alias/taken"), "NotFoundException: Invalid keyId 'alias/taken'"},
		{"alias ARN where none may stand", enable(arn.Alias(region, account, "alias/taken")), "InvalidArnException: Key Aliases are not supported for this operation"},
		{"ARN of another service", describe("arn:aws:s3:::bucket"), "InvalidArnException: ARN is not valid: arn:aws:s3:::bucket"},
		{"ARN of nothing", describe("arn:aws:kms:us-east-1:" + account + ":grant/x"), "InvalidArnException: ARN is not valid: arn:aws:kms:us-east-1:" + account + ":grant/x"},
		{"half an ARN", describe("arn:aws:kms"), "InvalidArnException: ARN is not valid: arn:aws:kms"},
		{"key ID too long", describe(strings.Repeat("a", 2049)), "ValidationException: 1 validation error detected: Value '" + strings.Repeat("a", 2049) +
			"' at 'keyId' failed to satisfy constraint: Member must have length less than or equal to 2048"},
		{"no plaintext", encrypt(&EncryptInput{KeyID: k.KeyID}),
			"ValidationException: 1 validation error detected: Value null at 'plaintext' failed to satisfy constraint: Member must not be null"},
		{"empty plaintext", encrypt(&EncryptInput{KeyID: k.KeyID, Plaintext: Plaintext{}}),
			"ValidationException: 1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"ciphertext too long", decrypt(&DecryptInput{CiphertextBlob: make([]byte, 6145)}),
			"ValidationException: 1 validation error detected: Value at 'ciphertextBlob' failed to satisfy constraint: Member must have length less than or equal to 6144"},
		{"context too large", encrypt(&EncryptInput{KeyID: k.KeyID, Plaintext: Plaintext("x"), EncryptionContext: map[string]string{"a": strings.Repeat("b", 8192)}}),
			"ValidationException: The encryption context is larger than 8192 bytes."},
		{"context without a name", encrypt(&EncryptInput{KeyID: k.KeyID, Plaintext: Plaintext("x"), EncryptionContext: map[string]string{"": "b"}}),
			"ValidationException: An encryption context pair must have a name."},
		{"unknown algorithm", encrypt(&EncryptInput{KeyID: k.KeyID, Plaintext: Plaintext("x"), EncryptionAlgorithm: "ROT13"}),
			"ValidationException: 1 validation error detected: Value 'ROT13' at 'encryptionAlgorithm' failed to satisfy constraint: " +
				"Member must satisfy enum value set: [SYMMETRIC_DEFAULT, RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256, SM2PKE]"},
		{"algorithm of other keys", decrypt(&DecryptInput{CiphertextBlob: blob, EncryptionAlgorithm: "SM2PKE"}),
			"InvalidKeyUsageException: Algorithm SM2PKE is incompatible with key spec SYMMETRIC_DEFAULT."},
		{"grant token", encrypt(&EncryptInput{KeyID: k.KeyID, Plaintext: Plaintext("x"), GrantTokens: []string{"token"}}), "InvalidGrantTokenException: The grant token is not valid."},
		{"many grant tokens", describeTokens(b, t, k.KeyID, 11),
			"ValidationException: 1 validation error detected: Value at 'grantTokens' failed to satisfy constraint: Member must have length less than or equal to 10"},
		{"recipient", decrypt(&DecryptInput{CiphertextBlob: blob, EncryptionContext: map[string]string{"a": "b"}, Recipient: &RecipientInfo{}}),
			"UnsupportedOperationException: This server can't encrypt an answer for an enclave: the request has a Recipient."},
		{"recipient of a data key", dataKey(&GenerateDataKeyInput{KeyID: k.KeyID, KeySpec: "AES_256", Recipient: &RecipientInfo{}}),
			"UnsupportedOperationException: This server can't encrypt an answer for an enclave: the request has a Recipient."},
		{"recipient of random bytes", random(&GenerateRandomInput{NumberOfBytes: ptr[int32](1), Recipient: &RecipientInfo{}}),
			"UnsupportedOperationException: This server can't encrypt an answer for an enclave: the request has a Recipient."},
		{"random of a key store", random(&GenerateRandomInput{NumberOfBytes: ptr[int32](1), CustomKeyStoreID: "cks-1"}),
			"CustomKeyStoreNotFoundException: No custom key store with that ID or name was found."},
		{"data key of no size", dataKey(&GenerateDataKeyInput{KeyID: k.KeyID}), "ValidationException: Please specify either number of bytes or key spec."},
		{"data key of two sizes", dataKey(&GenerateDataKeyInput{KeyID: k.KeyID, KeySpec: "AES_128", NumberOfBytes: ptr[int32](1)}),
			"ValidationException: Please specify either number of bytes or key spec."},
		{"data key of a strange spec", dataKey(&GenerateDataKeyInput{KeyID: k.KeyID, KeySpec: "AES_512"}),
			"ValidationException: 1 validation error detected: Value 'AES_512' at 'keySpec' failed to satisfy constraint: Member must satisfy enum value set: [AES_256, AES_128]"},
		{"dry run of Encrypt", encrypt(&EncryptInput{KeyID: k.KeyID, Plaintext: Plaintext("x"), DryRun: true}), "DryRunOperationException: " + dryRunText},
		{"dry run of Decrypt", decrypt(&DecryptInput{CiphertextBlob: blob, EncryptionContext: map[string]string{"a": "b"}, DryRun: true}), "DryRunOperationException: " + dryRunText},
		{"dry run of Decrypt that would fail", decrypt(&DecryptInput{CiphertextBlob: blob, DryRun: true}),
			"InvalidCiphertextException: The ciphertext is damaged, or the encryption context is not the one that it was encrypted with."},
		{"dry run without ciphertext", decrypt(&DecryptInput{KeyID: k.KeyID, DryRun: true, DryRunModifiers: []string{"IGNORE_CIPHERTEXT"}}), "DryRunOperationException: " + dryRunText},
		{"dry run without ciphertext and key", decrypt(&DecryptInput{DryRun: true, DryRunModifiers: []string{"IGNORE_CIPHERTEXT"}}),
			"ValidationException: A key ID is required when the ciphertext is ignored."},
		{"modifier without dry run", decrypt(&DecryptInput{CiphertextBlob: blob, DryRunModifiers: []string{"IGNORE_CIPHERTEXT"}}),
			"ValidationException: 1 validation error detected: Value at 'dryRunModifiers' failed to satisfy constraint: Member is valid only in a dry run"},
		{"dry run of ReEncrypt", reEncrypt(&ReEncryptInput{CiphertextBlob: blob, SourceEncryptionContext: map[string]string{"a": "b"}, DestinationKeyID: other.KeyID, DryRun: true}),
			"DryRunOperationException: " + dryRunText},
		{"dry run of ReEncrypt without ciphertext", reEncrypt(&ReEncryptInput{SourceKeyID: k.KeyID, DestinationKeyID: other.KeyID, DryRun: true, DryRunModifiers: []string{"IGNORE_CIPHERTEXT"}}),
			"DryRunOperationException: " + dryRunText},
		{"ReEncrypt of another key's ciphertext", reEncrypt(&ReEncryptInput{CiphertextBlob: blob, SourceKeyID: other.KeyID, DestinationKeyID: k.KeyID}), "IncorrectKeyException: " + wrongKey},
		{"key of China", create(&CreateKeyInput{KeySpec: "SM2", KeyUsage: "SIGN_VERIFY"}), "ValidationException: 1 validation error detected: Value 'SM2' at 'keySpec' failed to satisfy constraint: " +
			"Member must satisfy enum value set: [" + strings.Join(keySpecs, ", ") + "]"},
		{"asymmetric key without usage", create(&CreateKeyInput{KeySpec: "RSA_2048"}),
			"ValidationException: You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."},
		{"key of AWS CloudHSM", create(&CreateKeyInput{Origin: "AWS_CLOUDHSM"}), "UnsupportedOperationException: This server has no AWS CloudHSM key stores."},
		{"two specs", create(&CreateKeyInput{KeySpec: "SYMMETRIC_DEFAULT", CustomerMasterKeySpec: "SYMMETRIC_DEFAULT"}),
			"ValidationException: You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated."},
		{"usage of other keys", create(&CreateKeyInput{KeyUsage: "SIGN_VERIFY"}), "ValidationException: KeyUsage SIGN_VERIFY is not compatible with KeySpec SYMMETRIC_DEFAULT"},
		{"strange usage", create(&CreateKeyInput{KeyUsage: "RANDOM"}), "ValidationException: 1 validation error detected: Value 'RANDOM' at 'keyUsage' failed to satisfy constraint: " +
			"Member must satisfy enum value set: [SIGN_VERIFY, ENCRYPT_DECRYPT, GENERATE_VERIFY_MAC, KEY_AGREEMENT, ENCAPSULATE_DECAPSULATE]"},
		{"key store of another origin", create(&CreateKeyInput{CustomKeyStoreID: "cks-1"}),
			"ValidationException: CustomKeyStoreId is valid only for KMS keys in a custom key store."},
		{"description too long", create(&CreateKeyInput{Description: strings.Repeat("d", 8193)}),
			"ValidationException: 1 validation error detected: Value '" + strings.Repeat("d", 8193) + "' at 'description' failed to satisfy constraint: Member must have length less than or equal to 8192"},
		{"unknown tag of Coffer", create(&CreateKeyInput{Tags: []Tag{{"coffer:other", "subject"}}}), "TagException: Tags beginning with coffer: are reserved"},
		{"tag of a service's pair", create(&CreateKeyInput{Tags: []Tag{{"coffer:shred-by", "aws:s3:arn"}}}),
			"TagException: The value of the tag coffer:shred-by names a pair of the encryption context that clients set."},
		{"no tags", tag(nil), "ValidationException: 1 validation error detected: Value null at 'tags' failed to satisfy constraint: Member must not be null"},
		{"window of 0 days", scheduleFor(b, t, k.KeyID, 0),
			"ValidationException: 1 validation error detected: Value '0' at 'pendingWindowInDays' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{"window of 6 days", scheduleFor(b, t, k.KeyID, 6), "ValidationException: PendingWindowInDays must be between 7 and 30 (inclusive)"},
		{"window of 31 days", scheduleFor(b, t, k.KeyID, 31), "ValidationException: PendingWindowInDays must be between 7 and 30 (inclusive)"},
		{"no description", func() error {
			_, err := b.UpdateKeyDescription(t.Context(), self, &UpdateKeyDescriptionInput{KeyID: k.KeyID})
			return err
		}, "ValidationException: 1 validation error detected: Value null at 'description' failed to satisfy constraint: Member must not be null"},
		{"key store by name", func() error {
			_, err := b.DescribeCustomKeyStores(t.Context(), self, &DescribeCustomKeyStoresInput{CustomKeyStoreName: "x"})
			return err
		}, "CustomKeyStoreNotFoundException: No custom key store with that ID or name was found."},
		{"grants of nobody", func() error {
			_, err := b.ListRetirableGrants(t.Context(), self, &ListRetirableGrantsInput{})
			return err
		}, "ValidationException: 1 validation error detected: Value null at 'retiringPrincipal' failed to satisfy constraint: Member must not be null"},
		{"another policy's name", func() error {
			_, err := b.GetKeyPolicy(t.Context(), self, &GetKeyPolicyInput{k.KeyID, "other"})
			return err
		}, "NotFoundException: No such policy exists"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wantError(t, tt.name, tt.do(), tt.want) })
	}
}

func describeTokens(b *bench, t *testing.T, id string, n int) func() error {
	return func() error {
		_, err := b.DescribeKey(t.Context(), self, &DescribeKeyInput{id, strings.Split(strings.Repeat("t", n), "")})
		return err
	}
}

func scheduleFor(b *bench, t *testing.T, id string, days int32) func() error {
	return func() error {
		_, err := b.ScheduleKeyDeletion(t.Context(), self, &ScheduleKeyDeletionInput{id, &days})
		return err
	}
}

// TestStrangersLearnNothing asks for keys of another account, by every way to
// name one. The answer must not depend on whether the key exists, nor on its
// state, and a ciphertext must not tell either.
func TestStrangersLearnNothing(t *testing.T) {
	b := newBench(t)
	k, disabled := b.newKey(t), b.newKey(t)
	b.into(t, disabled.KeyID, "Disabled")
	if _, err := b.CreateAlias(t.Context(), self, &CreateAliasInput{"alias/secret", k.KeyID}); err != nil {
		t.Fatal(err)
	}
	denied := func(action string) string {
		return "AccessDeniedException: User: arn:aws:iam::" + stranger + ":root is not authorized to perform: kms:" + action + " on this resource because " +
			"the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access"
	}
	for _, id := range []string{k.ARN, disabled.ARN, arn.Key(region, account, unknownID), arn.Key(region, account, "no-id"),
		arn.Alias(region, account, "alias/secret"), arn.Alias(region, account, "alias/none")} {
		_, err := b.DescribeKey(t.Context(), foreign, &DescribeKeyInput{KeyID: id})
		wantError(t, "DescribeKey("+id+")", err, denied("DescribeKey"))
		_, err = b.Encrypt(t.Context(), foreign, &EncryptInput{KeyID: id, Plaintext: Plaintext("x")})
		wantError(t, "Encrypt("+id+")", err, denied("Encrypt"))
		_, err = b.CheckKey(t.Context(), foreign, "GenerateDataKey", id, nil)
		wantError(t, "CheckKey("+id+")", err, denied("GenerateDataKey"))
		if !strings.Contains(id, ":alias/") {
			_, err = b.DisableKey(t.Context(), foreign, &KeyInput{id})
			wantError(t, "DisableKey("+id+")", err, denied("DisableKey"))
		}
	}
	_, err := b.DescribeKey(t.Context(), foreign, &DescribeKeyInput{KeyID: k.KeyID})
	wantError(t, "DescribeKey by ID", err, "NotFoundException: Key '"+arn.Key(region, stranger, k.KeyID)+"' does not exist")
	_, err = b.Decrypt(t.Context(), foreign, &DecryptInput{CiphertextBlob: b.ciphertext(t, k.KeyID, "x", nil)})
	wantError(t, "Decrypt", err, "AccessDeniedException: "+foreignCiphertext)
	abroad := *self
	abroad.Region = "eu-west-1"
	_, err = b.Decrypt(t.Context(), &abroad, &DecryptInput{CiphertextBlob: b.ciphertext(t, k.KeyID, "x", nil)})
	wantError(t, "Decrypt in another region", err, "AccessDeniedException: "+foreignCiphertext)
}

// TestUsersAreDenied shows the denial of a caller in the key's own account, which
// comes before the state of the key.
func TestUsersAreDenied(t *testing.T) {
	b := newBench(t)
	k := b.newKey(t)
	b.into(t, k.KeyID, "Disabled")
	user := caller(account)
	user.Type, user.ARN = "IAMUser", "arn:aws:iam::"+account+":user/eve"
	const because = " because no identity-based policy allows the kms:"
	tests := []struct {
		action, resource string
		do               func(c *authn.Caller) error
	}{
		{"Encrypt", " on resource: " + k.ARN, func(c *authn.Caller) error {
			_, err := b.Encrypt(t.Context(), c, &EncryptInput{KeyID: k.KeyID, Plaintext: Plaintext("x")})
			return err
		}},
		{"EnableKey", " on resource: " + k.ARN, func(c *authn.Caller) error { _, err := b.EnableKey(t.Context(), c, &KeyInput{k.KeyID}); return err }},
		{"ListKeys", " on resource: *", func(c *authn.Caller) error { _, err := b.ListKeys(t.Context(), c, &ListKeysInput{}); return err }},
		{"CreateKey", " on resource: *", func(c *authn.Caller) error { _, err := b.CreateKey(t.Context(), c, &CreateKeyInput{}); return err }},
	}
	for _, tt := range tests {
		wantError(t, tt.action, tt.do(user), "AccessDeniedException: User: "+user.ARN+" is not authorized to perform: kms:"+tt.action+
			tt.resource+because+tt.action+" action")
	}
}
