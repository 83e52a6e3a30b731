package kms

import (
	"slices"
	"strings"
	"testing"
	"time"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/awsjson"
	"coffer/internal/key"
	"coffer/internal/policy"
)

// TestConditionKeys compares the values of every condition key with what a question
// is about.
func TestConditionKeys(t *testing.T) {
	k := &key.Key{Ref: key.Ref{Account: account, Region: region, ID: unknownID}, Spec: "SYMMETRIC_DEFAULT", Usage: "ENCRYPT_DECRYPT", Origin: "AWS_KMS",
		Tags: []key.Tag{{Key: "Dept", Value: "it"}, {Key: "a:b/c", Value: "2"}}, Aliases: []string{"alias/a", "alias/b"}}
	context := map[string]string{"aws:s3:arn": "arn:aws:s3:::b/k", "Dept": "it"}
	service := &authn.Caller{Type: authn.TypeAWSService, ARN: "logs.amazonaws.com", Region: region}
	create := &CreateKeyInput{KeySpec: "RSA_2048", KeyUsage: "SIGN_VERIFY", Origin: "EXTERNAL", MultiRegion: true}
	grant := &grantFacts{grantee: self.ARN, retiringService: "logs.amazonaws.com", operations: []string{"Encrypt", "Decrypt"},
		constraints: GrantConstraints{EncryptionContextSubset: context, SourceARN: "arn:aws:s3:::b"}}
	const none = "-"
	tests := []struct {
		name string
		q    conditions
		want map[string]string // values joined by a space, sorted
	}{
		{"nothing", conditions{caller: self}, map[string]string{
			"kms:CallerAccount": account, "kms:ViaService": none, "kms:EncryptionAlgorithm": none, "kms:EncryptionContextKeys": none,
			"kms:RequestAlias": none, "kms:ResourceAliases": none, "kms:KeySpec": none, "kms:KeyUsage": none, "kms:KeyOrigin": none, "kms:MultiRegion": none,
			"kms:MultiRegionKeyType": none, "kms:BypassPolicyLockoutSafetyCheck": none, "kms:ReEncryptOnSameKey": none,
			"kms:ScheduleKeyDeletionPendingWindowInDays": none, "kms:GrantIsForAWSResource": none, "aws:TagKeys": none, "kms:EncryptionContext:Dept": none,
			"aws:ResourceTag/Dept": none, "aws:RequestTag/Dept": none, "kms:GranteePrincipal": none, "kms:TrailingDaysWithoutKeyUsage": none, "kms:Other": none}},
		{"cryptography", conditions{caller: self, key: k, algorithm: "SYMMETRIC_DEFAULT", encryptionContext: context, alias: "alias/a"}, map[string]string{
			"kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT", "kms:EncryptionContextKeys": "Dept aws:s3:arn", "kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::b/k",
			"kms:EncryptionContext:dEPT": "it", "kms:EncryptionContext:aws": none, "kms:EncryptionContext:": none,
			"kms:RequestAlias": "alias/a", "kms:ResourceAliases": "alias/a alias/b", "kms:KeySpec": "SYMMETRIC_DEFAULT", "kms:CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
			"kms:KeyUsage": "ENCRYPT_DECRYPT", "kms:CustomerMasterKeyUsage": "ENCRYPT_DECRYPT", "kms:KeyOrigin": "AWS_KMS", "kms:MultiRegion": "false", "kms:MultiRegionKeyType": none,
			"aws:ResourceTag/dept": "it", "aws:ResourceTag/A:B/C": "2", "aws:ResourceTag/b": none}},
		{"through S3", conditions{caller: self.Via("s3.amazonaws.com"), grants: true}, map[string]string{
			"kms:ViaService": "s3.us-east-1.amazonaws.com", "kms:GrantIsForAWSResource": "true"}},
		{"forwarded by something else", conditions{caller: self.Via("AWS Internal")}, map[string]string{"kms:ViaService": none}},
		{"a service", conditions{caller: service.Via("s3.amazonaws.com")}, map[string]string{"kms:CallerAccount": none, "kms:ViaService": "s3.us-east-1.amazonaws.com"}},
		{"same key", conditions{caller: self, reEncrypt: true, sameKey: true}, map[string]string{"kms:ReEncryptOnSameKey": "true"}},
		{"other key", conditions{caller: self, reEncrypt: true}, map[string]string{"kms:ReEncryptOnSameKey": "false"}},
		{"create", conditions{caller: self, create: create, puts: true, bypass: true, tags: []Tag{{"Dept", "it"}, {"B", "2"}}}, map[string]string{
			"kms:KeySpec": "RSA_2048", "kms:KeyUsage": "SIGN_VERIFY", "kms:KeyOrigin": "EXTERNAL", "kms:MultiRegion": "true", "kms:MultiRegionKeyType": "PRIMARY",
			"kms:BypassPolicyLockoutSafetyCheck": "true", "aws:TagKeys": "B Dept", "aws:RequestTag/dept": "it", "aws:RequestTag/c": none, "aws:ResourceTag/dept": none}},
		{"untag", conditions{caller: self, key: k, tagKeys: []string{"x"}}, map[string]string{"aws:TagKeys": "x", "aws:RequestTag/x": none}},
		{"deletion", conditions{caller: self, windowDays: 7}, map[string]string{"kms:ScheduleKeyDeletionPendingWindowInDays": "7"}},
		{"grant", conditions{caller: self, grants: true, grant: grant, encryptionContext: context}, map[string]string{
			"kms:GranteePrincipal": self.ARN, "kms:GranteeServicePrincipal": none, "kms:RetiringPrincipal": none, "kms:RetiringServicePrincipal": "logs.amazonaws.com",
			"kms:GrantOperations": "Decrypt Encrypt", "kms:GrantConstraintType": "EncryptionContextSubset SourceArn", "kms:GrantConstraintSourceArn": "arn:aws:s3:::b",
			"kms:GrantIsForAWSResource": "false", "kms:EncryptionContext:dept": "it"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for name, want := range tt.want {
				scratch := make([]string, 0, 8)
				got, ok := tt.q.Lookup(strings.ToLower(name), scratch)
				slices.Sort(got)
				text := strings.Join(got, " ")
				if !ok {
					text = none
				}
				if text != want || !ok && len(got) > 0 {
					t.Errorf("%s = %q, %t; want %q", name, got, ok, want)
				}
			}
		})
	}
}

// TestEveryConditionKeyIsKnown holds the keys that AWS documents for the operations
// here against those of conditions. What single operations fill in is tried by
// TestOwnConditionsDecide.
func TestEveryConditionKeyIsKnown(t *testing.T) {
	var own []string
	for _, c := range ownConditions(nil, t) {
		own = append(own, strings.ToLower(c.key))
	}
	full := conditions{caller: self.Via("s3.amazonaws.com"), algorithm: "x", alias: "alias/a", reEncrypt: true, puts: true, windowDays: 7, grants: true,
		knowsIdle: true, encryptionContext: map[string]string{"x": "y"}, tags: []Tag{{"x", "y"}}, create: &CreateKeyInput{MultiRegion: true},
		key: &key.Key{Tags: []key.Tag{{Key: "x", Value: "y"}}, Aliases: []string{"alias/a"}},
		grant: &grantFacts{grantee: "a", granteeService: "b", retiring: "c", retiringService: "d", operations: []string{"e"},
			constraints: GrantConstraints{SourceARN: "f"}}}
	seen := 0
	for _, a := range policy.Actions("kms") {
		for _, name := range a.Keys() {
			name = strings.ToLower(name)
			if before, _, ok := strings.Cut(name, "${"); ok {
				name = before + "x"
			}
			if slices.Contains(own, name) {
				continue
			}
			seen++
			if _, ok := full.Lookup(name, nil); !ok {
				t.Errorf("%s carries %s, which no question answers", a.Name, name)
			}
		}
	}
	if seen == 0 {
		t.Error("the catalog has no keys of KMS")
	}
}

// TestConditionsDecide puts a condition on each kind of fact into a key policy, and
// tries a request that meets it and one that does not.
func TestConditionsDecide(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	it, hr := map[string]string{"Dept": "it"}, map[string]string{"Dept": "hr"}
	tests := []struct {
		name, action, condition string
		yes, no                 func(id string) error
	}{
		{"encryption context", "kms:Encrypt", `{"StringEquals":{"kms:EncryptionContext:dept":"it"}}`,
			func(id string) error { return b.encrypt(t, self, id, it) }, func(id string) error { return b.encrypt(t, self, id, hr) }},
		{"context keys", "kms:Encrypt", `{"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":"Dept"},"Null":{"kms:EncryptionContextKeys":"false"}}`,
			func(id string) error { return b.encrypt(t, self, id, it) },
			func(id string) error {
				return b.encrypt(t, self, id, map[string]string{"Dept": "it", "dept": "it"})
			}},
		{"via S3", "kms:GenerateDataKey", `{"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}`,
			func(id string) error { _, _, _, err := b.NewDataKey(ctx, self, id, it); return err },
			func(id string) error {
				_, err := b.GenerateDataKey(ctx, self, &GenerateDataKeyInput{KeyID: id, KeySpec: "AES_256"})
				return err
			}},
		{"not via S3 in another region", "kms:GenerateDataKey", `{"StringNotEquals":{"kms:ViaService":"s3.eu-west-1.amazonaws.com"}}`,
			func(id string) error { _, _, _, err := b.NewDataKey(ctx, self, id, it); return err }, nil},
		{"request alias", "kms:Encrypt", `{"StringLike":{"kms:RequestAlias":"alias/app-*"}}`,
			func(id string) error { return b.encrypt(t, self, "alias/app-"+id, nil) }, func(id string) error { return b.encrypt(t, self, id, nil) }},
		{"resource aliases", "kms:Encrypt", `{"ForAnyValue:StringLike":{"kms:ResourceAliases":"alias/app-*"}}`,
			func(id string) error { return b.encrypt(t, self, id, nil) }, func(id string) error {
				if _, err := b.DeleteAlias(ctx, self, &DeleteAliasInput{"alias/app-" + id}); err != nil {
					t.Fatal(err)
				}
				return b.encrypt(t, self, id, nil)
			}},
		{"resource tag", "kms:Encrypt", `{"StringEquals":{"aws:ResourceTag/Env":"prod"}}`,
			func(id string) error { return b.encrypt(t, self, id, nil) }, func(id string) error {
				if _, err := b.TagResource(ctx, self, &TagResourceInput{id, []Tag{{"env", "test"}, {"Env", "test"}}}); err != nil {
					t.Fatal(err)
				}
				return b.encrypt(t, self, id, nil)
			}},
		{"request tag", "kms:TagResource", `{"StringEquals":{"aws:RequestTag/a":"1"},"ForAllValues:StringEquals":{"aws:TagKeys":"a"}}`,
			func(id string) error {
				_, err := b.TagResource(ctx, self, &TagResourceInput{id, []Tag{{"a", "1"}}})
				return err
			},
			func(id string) error {
				_, err := b.TagResource(ctx, self, &TagResourceInput{id, []Tag{{"a", "1"}, {"b", "1"}}})
				return err
			}},
		{"untag", "kms:UntagResource", `{"ForAllValues:StringEquals":{"aws:TagKeys":"a"}}`,
			func(id string) error {
				_, err := b.UntagResource(ctx, self, &UntagResourceInput{id, []string{"a"}})
				return err
			},
			func(id string) error {
				_, err := b.UntagResource(ctx, self, &UntagResourceInput{id, []string{"a", "Env"}})
				return err
			}},
		{"waiting period", "kms:ScheduleKeyDeletion", `{"NumericGreaterThanEquals":{"kms:ScheduleKeyDeletionPendingWindowInDays":"14"}}`,
			nil, func(id string) error {
				_, err := b.ScheduleKeyDeletion(ctx, self, &ScheduleKeyDeletionInput{id, ptr[int32](13)})
				return err
			}},
		{"bypass", "kms:PutKeyPolicy", `{"Bool":{"kms:BypassPolicyLockoutSafetyCheck":"false"}}`, nil, func(id string) error {
			_, err := b.PutKeyPolicy(ctx, self, &PutKeyPolicyInput{KeyID: id, Policy: defaultPolicy(account), BypassPolicyLockoutSafetyCheck: true})
			return err
		}},
		{"re-encryption under the same key", "kms:ReEncrypt*", `{"Bool":{"kms:ReEncryptOnSameKey":"true"}}`,
			func(id string) error {
				_, err := b.ReEncrypt(ctx, self, &ReEncryptInput{CiphertextBlob: b.ciphertext(t, id, "x", nil), DestinationKeyID: id})
				return err
			}, func(id string) error {
				_, err := b.ReEncrypt(ctx, self, &ReEncryptInput{CiphertextBlob: b.ciphertext(t, id, "x", nil), DestinationKeyID: b.newKey(t).KeyID})
				return err
			}},
		{"grant operations", "kms:CreateGrant", `{"ForAllValues:StringEquals":{"kms:GrantOperations":["Encrypt","Decrypt"]}}`,
			func(id string) error {
				_, err := b.CreateGrant(ctx, self, &CreateGrantInput{KeyID: id, GranteePrincipal: self.ARN, Operations: []string{"Encrypt"}})
				return err
			}, func(id string) error {
				_, err := b.CreateGrant(ctx, self, &CreateGrantInput{KeyID: id, GranteePrincipal: self.ARN, Operations: []string{"Encrypt", "DescribeKey"}})
				return err
			}},
		{"grantee", "kms:CreateGrant", `{"StringEquals":{"kms:GranteePrincipal":"` + arn.Root(account) + `"}}`,
			func(id string) error {
				_, err := b.CreateGrant(ctx, self, &CreateGrantInput{KeyID: id, GranteePrincipal: self.ARN, Operations: []string{"Encrypt"}})
				return err
			}, func(id string) error {
				_, err := b.CreateGrant(ctx, self, &CreateGrantInput{KeyID: id, GranteePrincipal: foreign.ARN, Operations: []string{"Encrypt"}})
				return err
			}},
		{"constraint type", "kms:CreateGrant", `{"StringEquals":{"kms:GrantConstraintType":"EncryptionContextEquals"}}`,
			func(id string) error {
				_, err := b.CreateGrant(ctx, self, &CreateGrantInput{KeyID: id, GranteePrincipal: self.ARN, Operations: []string{"Encrypt"},
					Constraints: &GrantConstraints{EncryptionContextEquals: it}})
				return err
			}, func(id string) error {
				_, err := b.CreateGrant(ctx, self, &CreateGrantInput{KeyID: id, GranteePrincipal: self.ARN, Operations: []string{"Encrypt"},
					Constraints: &GrantConstraints{EncryptionContextSubset: it}})
				return err
			}},
		{"grants for services only", "kms:ListGrants", `{"Bool":{"kms:GrantIsForAWSResource":"true"}}`,
			func(id string) error {
				_, err := b.ListGrants(ctx, self.Via("s3.amazonaws.com"), &ListGrantsInput{KeyID: id})
				return err
			}, func(id string) error { _, err := b.ListGrants(ctx, self, &ListGrantsInput{KeyID: id}); return err }},
		{"source IP", "kms:Encrypt", `{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`,
			func(id string) error { return b.encrypt(t, self, id, nil) }, func(id string) error {
				away := *self
				away.SourceIP = "198.51.100.1"
				return b.encrypt(t, &away, id, nil)
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// The key's account may do everything but the action under test.
			made, err := b.CreateKey(ctx, self, &CreateKeyInput{Tags: []Tag{{"Env", "prod"}}, BypassPolicyLockoutSafetyCheck: true, Policy: document(
				inner(statement("Allow", account12(account), `"`+tt.action+`"`, "*", tt.condition)),
				strings.Replace(inner(defaultPolicy2(account)), `"Action":"kms:*"`, `"NotAction":"`+tt.action+`"`, 1))})
			if err != nil {
				t.Fatal(err)
			}
			id := made.KeyMetadata.KeyID
			if _, err := b.CreateAlias(ctx, self, &CreateAliasInput{"alias/app-" + id, id}); err != nil {
				t.Fatal(err)
			}
			if tt.yes != nil {
				if err := tt.yes(id); err != nil {
					t.Errorf("what meets the condition: %v", err)
				}
			}
			if tt.no != nil {
				if err := tt.no(id); !isDenial(err) {
					t.Errorf("what does not meet the condition: %v; want a denial", err)
				}
			}
		})
	}
}

// An ownCondition is a condition key that single operations fill in, with a value that
// a request has and one that it has not.
type ownCondition struct {
	action, operator, key, yes, no string
	of                             CreateKeyInput
	do                             func(id string) error
}

func ownConditions(b *bench, t *testing.T) []ownCondition {
	signer := CreateKeyInput{KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY"}
	mac, agreer := CreateKeyInput{KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC"}, CreateKeyInput{KeySpec: "ECC_NIST_P256", KeyUsage: "KEY_AGREEMENT"}
	kem, imported, wide := CreateKeyInput{KeySpec: "ML_KEM_768", KeyUsage: "ENCAPSULATE_DECAPSULATE"}, CreateKeyInput{Origin: "EXTERNAL"}, CreateKeyInput{MultiRegion: true}
	sign := func(id string) error {
		_, err := b.Sign(t.Context(), self, &SignInput{KeyID: id, Message: []byte("m"), SigningAlgorithm: "ECDSA_SHA_256"})
		return err
	}
	parameters := func(id string) error {
		_, err := b.GetParametersForImport(t.Context(), self, &GetParametersForImportInput{KeyID: id, WrappingAlgorithm: "RSAES_OAEP_SHA_256", WrappingKeySpec: "RSA_2048"})
		return err
	}
	bring := func(until time.Time, model string) func(id string) error {
		return func(id string) error {
			_, err := b.ImportKeyMaterial(t.Context(), self, &ImportKeyMaterialInput{KeyID: id, ImportToken: []byte("x"), EncryptedKeyMaterial: []byte("x"),
				ExpirationModel: model, ValidTo: awsjson.Time{Time: until}})
			return err
		}
	}
	replicate := func(id string) error {
		_, err := b.ReplicateKey(t.Context(), self, &ReplicateKeyInput{KeyID: id, ReplicaRegion: "eu-west-1"})
		return err
	}
	describe := func(id string) error {
		_, err := b.DescribeKey(t.Context(), self, &DescribeKeyInput{KeyID: id})
		return err
	}
	soon := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	return []ownCondition{
		{"kms:Sign", "StringEquals", "kms:SigningAlgorithm", "ECDSA_SHA_256", "ECDSA_SHA_384", signer, sign},
		{"kms:Sign", "StringEquals", "kms:MessageType", "RAW", "DIGEST", signer, sign},
		{"kms:GenerateMac", "StringEquals", "kms:MacAlgorithm", "HMAC_SHA_256", "HMAC_SHA_512", mac, func(id string) error {
			_, err := b.GenerateMac(t.Context(), self, &GenerateMacInput{KeyID: id, Message: []byte("m"), MacAlgorithm: "HMAC_SHA_256"})
			return err
		}},
		{"kms:DeriveSharedSecret", "StringEquals", "kms:KeyAgreementAlgorithm", "ECDH", "X25519", agreer, func(id string) error {
			public, err := b.GetPublicKey(t.Context(), self, &GetPublicKeyInput{KeyID: id})
			if err != nil {
				t.Fatal(err)
			}
			_, err = b.DeriveSharedSecret(t.Context(), self, &DeriveSharedSecretInput{KeyID: id, KeyAgreementAlgorithm: "ECDH", PublicKey: public.PublicKey})
			return err
		}},
		{"kms:Encapsulate", "StringEquals", "kms:KeySpec", "ML_KEM_768", "ML_KEM_512", kem, func(id string) error {
			_, err := b.Encapsulate(t.Context(), self, &EncapsulateInput{KeyID: id, EncapsulationAlgorithm: "ML_KEM"})
			return err
		}},
		{"kms:GenerateDataKeyPair", "StringEquals", "kms:DataKeyPairSpec", "ECC_NIST_P256", "RSA_2048", CreateKeyInput{}, func(id string) error {
			_, err := b.GenerateDataKeyPair(t.Context(), self, &GenerateDataKeyPairInput{KeyID: id, KeyPairSpec: "ECC_NIST_P256"})
			return err
		}},
		{"kms:GetParametersForImport", "StringEquals", "kms:WrappingAlgorithm", "RSAES_OAEP_SHA_256", "RSAES_OAEP_SHA_1", imported, parameters},
		{"kms:GetParametersForImport", "StringEquals", "kms:WrappingKeySpec", "RSA_2048", "RSA_4096", imported, parameters},
		{"kms:ImportKeyMaterial", "StringEquals", "kms:ExpirationModel", "KEY_MATERIAL_DOES_NOT_EXPIRE", "KEY_MATERIAL_EXPIRES", imported, bring(time.Time{}, expiresNot)},
		{"kms:ImportKeyMaterial", "DateLessThanEquals", "kms:ValidTo", "2026-12-01T00:00:00Z", "2026-11-30T23:59:59Z", imported, bring(soon, "")},
		{"kms:EnableKeyRotation", "NumericLessThanEquals", "kms:RotationPeriodInDays", "180", "179", CreateKeyInput{}, func(id string) error {
			_, err := b.EnableKeyRotation(t.Context(), self, &EnableKeyRotationInput{KeyID: id, RotationPeriodInDays: ptr[int32](180)})
			return err
		}},
		{"kms:ReplicateKey", "StringEquals", "kms:ReplicaRegion", "eu-west-1", "eu-west-2", wide, replicate},
		{"kms:UpdatePrimaryRegion", "StringEquals", "kms:PrimaryRegion", "eu-west-1", "eu-west-2", wide, func(id string) error {
			if err := replicate(id); err != nil {
				t.Fatal(err)
			}
			_, err := b.UpdatePrimaryRegion(t.Context(), self, &UpdatePrimaryRegionInput{KeyID: id, PrimaryRegion: "eu-west-1"})
			return err
		}},
		{"kms:DescribeKey", "Bool", "kms:MultiRegion", "true", "false", wide, describe},
		{"kms:DescribeKey", "StringEquals", "kms:MultiRegionKeyType", "PRIMARY", "REPLICA", wide, describe},
		{"kms:Sign", "StringEquals", "kms:KeySpec", "ECC_NIST_P256", "RSA_2048", signer, sign},
		{"kms:Sign", "StringEquals", "kms:KeyUsage", "SIGN_VERIFY", "KEY_AGREEMENT", signer, sign},
		{"kms:ImportKeyMaterial", "StringEquals", "kms:KeyOrigin", "EXTERNAL", "AWS_KMS", imported, bring(time.Time{}, expiresNot)},
	}
}

// TestOwnConditionsDecide puts each of these into a key policy, with the value that a
// request has and with another one.
func TestOwnConditionsDecide(t *testing.T) {
	b := newBench(t)
	for _, c := range ownConditions(b, t) {
		t.Run(c.key+" of "+c.action, func(t *testing.T) {
			for value, isAllowed := range map[string]bool{c.yes: true, c.no: false} {
				in := c.of
				in.BypassPolicyLockoutSafetyCheck = true
				in.Policy = document(inner(statement("Allow", account12(account), `"`+c.action+`"`, "*", `{"`+c.operator+`":{"`+c.key+`":"`+value+`"}}`)),
					strings.Replace(inner(defaultPolicy2(account)), `"Action":"kms:*"`, `"NotAction":"`+c.action+`"`, 1))
				made, err := b.CreateKey(t.Context(), self, &in)
				if err != nil {
					t.Fatal(err)
				}
				if err := c.do(made.KeyMetadata.KeyID); isDenial(err) == isAllowed {
					t.Errorf("%s %s: %v", c.operator, value, err)
				}
			}
		})
	}
}
