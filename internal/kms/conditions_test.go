package kms

import (
	"slices"
	"strings"
	"testing"

	"coffer/internal/arn"
	"coffer/internal/authn"
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
// here against those of conditions: one that no question answers is on the list of
// what this server does not have.
func TestEveryConditionKeyIsKnown(t *testing.T) {
	absent := []string{"kms:trailingdayswithoutkeyusage", "kms:rotationperiodindays", "kms:datakeypairspec", "kms:macalgorithm", "kms:wrappingalgorithm",
		"kms:wrappingkeyspec", "kms:expirationmodel", "kms:validto", "kms:replicaregion", "kms:messagetype", "kms:signingalgorithm", "kms:primaryregion",
		"kms:keyagreementalgorithm"}
	full := conditions{caller: self.Via("s3.amazonaws.com"), algorithm: "x", alias: "alias/a", reEncrypt: true, puts: true, windowDays: 7, grants: true,
		encryptionContext: map[string]string{"x": "y"}, tags: []Tag{{"x", "y"}}, create: &CreateKeyInput{MultiRegion: true},
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
			if slices.Contains(absent, name) {
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
