package kms

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/identity"
	"coffer/internal/key"
	"coffer/internal/policy"
)

func TestForwardedDataKeys(t *testing.T) {
	b := newBench(t)
	k := b.newKey(t)
	object := map[string]string{"aws:s3:arn": "arn:aws:s3:::bucket/object"}
	plain, blob, keyARN, err := b.NewDataKey(t.Context(), self, k.KeyID, object)
	if err != nil || keyARN != k.ARN || plain == (key.Secret{}) {
		t.Fatalf("NewDataKey = %v, %q, %v", plain, keyARN, err)
	}
	opened, err := b.OpenDataKey(t.Context(), self, keyARN, blob, object)
	if err != nil || opened != plain {
		t.Errorf("OpenDataKey = %v; want the key", err)
	}
	_, err = b.OpenDataKey(t.Context(), self, keyARN, blob, map[string]string{"aws:s3:arn": "arn:aws:s3:::bucket/other"})
	wantError(t, "OpenDataKey of another object", err,
		"InvalidCiphertextException: The ciphertext is damaged, or the encryption context is not the one that it was encrypted with.")
	_, err = b.OpenDataKey(t.Context(), self, keyARN, b.ciphertext(t, k.KeyID, "short", object), object)
	wantError(t, "OpenDataKey of a text", err, "InvalidCiphertextException: The ciphertext holds no data key.")
	if got, err := b.CheckKey(t.Context(), self, "GenerateDataKey", k.KeyID, object); err != nil || got != k.ARN {
		t.Errorf("CheckKey = %q, %v", got, err)
	}
	b.into(t, k.KeyID, key.Disabled)
	const disabled = " is disabled."
	_, _, _, err = b.NewDataKey(t.Context(), self, k.KeyID, object)
	wantError(t, "NewDataKey", err, "DisabledException: "+k.ARN+disabled)
	_, err = b.OpenDataKey(t.Context(), self, keyARN, blob, object)
	wantError(t, "OpenDataKey", err, "DisabledException: "+k.ARN+disabled)
	_, err = b.CheckKey(t.Context(), self, "GenerateDataKey", k.KeyID, object)
	wantError(t, "CheckKey", err, "DisabledException: "+k.ARN+disabled)
	b.into(t, k.KeyID, key.PendingDeletion)
	_, err = b.CheckKey(t.Context(), self, "GenerateDataKey", k.KeyID, object)
	wantError(t, "CheckKey", err, "KMSInvalidStateException: "+k.ARN+" is pending deletion.")
}

// TestManagedKey takes alias/aws/s3: S3 uses it for the account, the account
// looks at it, and nobody changes it.
func TestManagedKey(t *testing.T) {
	b := newBench(t)
	_, err := b.DescribeKey(t.Context(), self, &DescribeKeyInput{KeyID: "alias/aws/s3"})
	wantError(t, "DescribeKey before its first use", err, "NotFoundException: Alias arn:aws:kms:us-east-1:"+account+":alias/aws/s3 is not found.")
	managed, err := b.ManagedS3Key(t.Context(), self)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := b.ManagedS3Key(t.Context(), self); err != nil || again != managed {
		t.Errorf("ManagedS3Key again = %q, %v; want %q", again, err, managed)
	}
	abroad := *self
	abroad.Region = "eu-west-1"
	if other, err := b.ManagedS3Key(t.Context(), &abroad); err != nil || other == managed || !strings.HasPrefix(other, "arn:aws:kms:eu-west-1:"+account) {
		t.Errorf("ManagedS3Key of another region = %q, %v", other, err)
	}
	if other, err := b.ManagedS3Key(t.Context(), foreign); err != nil || other == managed {
		t.Errorf("ManagedS3Key of another account = %q, %v", other, err)
	}
	_, err = b.ManagedS3Key(t.Context(), &authn.Caller{Type: authn.TypeAnonymous, Region: region})
	wantError(t, "ManagedS3Key of nobody", err, "AccessDeniedException: User: anonymous is not authorized to perform: kms:CreateKey on resource: * "+
		"because no resource-based policy allows the kms:CreateKey action")

	d, err := b.DescribeKey(t.Context(), self, &DescribeKeyInput{KeyID: "alias/aws/s3"})
	if err != nil || d.KeyMetadata.KeyManager != "AWS" || d.KeyMetadata.Description != "Default key that protects my S3 objects when no other key is defined" {
		t.Errorf("DescribeKey = %+v, %v", d, err)
	}
	p, err := b.GetKeyPolicy(t.Context(), self, &GetKeyPolicyInput{KeyID: managed})
	if err != nil || !json.Valid([]byte(p.Policy)) || !strings.Contains(p.Policy, `"kms:ViaService" : "s3.us-east-1.amazonaws.com"`) {
		t.Errorf("GetKeyPolicy = %+v, %v", p, err)
	}
	object := map[string]string{"aws:s3:managed": "arn:aws:s3:::bucket/object"}
	plain, blob, _, err := b.NewDataKey(t.Context(), self, "alias/aws/s3", object)
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := b.OpenDataKey(t.Context(), self, managed, blob, object); err != nil || opened != plain {
		t.Errorf("OpenDataKey = %v", err)
	}
	if got, err := b.CheckKey(t.Context(), self, "GenerateDataKey", "alias/aws/s3", object); err != nil || got != managed {
		t.Errorf("CheckKey = %q, %v", got, err)
	}

	id := managed[strings.LastIndex(managed, "/")+1:]
	k := b.newKey(t)
	denied := map[string]func() error{
		"Decrypt": func() error {
			_, err := b.Decrypt(t.Context(), self, &DecryptInput{CiphertextBlob: blob, EncryptionContext: object})
			return err
		},
		"Encrypt": func() error {
			_, err := b.Encrypt(t.Context(), self, &EncryptInput{KeyID: id, Plaintext: Plaintext("x")})
			return err
		},
		"GenerateDataKey": func() error {
			_, err := b.GenerateDataKey(t.Context(), self, &GenerateDataKeyInput{KeyID: id, KeySpec: "AES_256"})
			return err
		},
		"ReEncryptFrom": func() error {
			_, err := b.ReEncrypt(t.Context(), self, &ReEncryptInput{CiphertextBlob: blob, SourceEncryptionContext: object, DestinationKeyID: k.KeyID})
			return err
		},
	}
	for _, operation := range []string{"DisableKey", "EnableKey", "ScheduleKeyDeletion", "CancelKeyDeletion", "TagResource", "UntagResource",
		"UpdateKeyDescription", "PutKeyPolicy", "CreateAlias", "CreateGrant"} {
		denied[operation] = func() error { return b.try(t, operation, id, blob, "alias/x", "") }
	}
	for operation, do := range denied {
		wantError(t, operation, do(), "AccessDeniedException: User: "+self.ARN+" is not authorized to perform: kms:"+operation+
			" on resource: "+managed+" because no resource-based policy allows the kms:"+operation+" action")
	}
	for _, err := range []error{
		func() error {
			_, err := b.DeleteAlias(t.Context(), self, &DeleteAliasInput{"alias/aws/s3"})
			return err
		}(),
		func() error {
			_, err := b.UpdateAlias(t.Context(), self, &UpdateAliasInput{"alias/aws/s3", k.KeyID})
			return err
		}(),
	} {
		wantError(t, "changing alias/aws/s3", err, "NotAuthorizedException: Names that start with alias/aws/ are reserved for the keys of AWS services.")
	}
}

// TestManagedKeyIsForItsAccountThroughS3 tries the key of alias/aws/s3 for everyone
// else: its policy names whoever S3 serves in the account, and nobody besides.
func TestManagedKeyIsForItsAccountThroughS3(t *testing.T) {
	b := newBench(t)
	managed, err := b.ManagedS3Key(t.Context(), self)
	if err != nil {
		t.Fatal(err)
	}
	object := map[string]string{"aws:s3:arn": "arn:aws:s3:::bucket/object"}
	_, blob, _, err := b.NewDataKey(t.Context(), self, managed, object)
	if err != nil {
		t.Fatal(err)
	}
	all := statement("Allow", "", allActions, "*", "")
	plain, denied := b.user(t, account, "plain", ""), b.user(t, account, "denied", statement("Deny", "", `"kms:Decrypt"`, "*", ""))
	worker := b.role(t, account, "worker", "")
	far := b.user(t, stranger, "far", all)
	log := &authn.Caller{Type: authn.TypeAWSService, ARN: "delivery.logs.amazonaws.com", Region: region}
	nobody := &authn.Caller{Type: authn.TypeAnonymous, Region: region}
	abroad := *plain
	abroad.Region = "eu-west-1"
	for _, tt := range []struct {
		who        *authn.Caller
		make, open bool
	}{
		{self, true, true}, {plain, true, true}, {worker, true, true}, {denied, true, false},
		{foreign, false, false}, {far, false, false}, {log, false, false}, {nobody, false, false}, {&abroad, false, false},
	} {
		name := tt.who.ARN + tt.who.Type + tt.who.Region
		_, _, _, err := b.NewDataKey(t.Context(), tt.who, managed, object)
		_, err2 := b.CheckKey(t.Context(), tt.who, "GenerateDataKey", managed, object)
		if (err == nil) != tt.make || (err2 == nil) != tt.make {
			t.Errorf("%s: NewDataKey = %v, CheckKey = %v; want ok %t", name, err, err2, tt.make)
		}
		_, err = b.OpenDataKey(t.Context(), tt.who, managed, blob, object)
		_, err2 = b.CheckKey(t.Context(), tt.who, "Decrypt", managed, object)
		if (err == nil) != tt.open || (err2 == nil) != tt.open {
			t.Errorf("%s: OpenDataKey = %v, CheckKey = %v; want ok %t", name, err, err2, tt.open)
		}
		// Without S3 nobody gets at it.
		if _, err := b.Decrypt(t.Context(), tt.who, &DecryptInput{CiphertextBlob: blob, EncryptionContext: object}); !isDenial(err) {
			t.Errorf("%s: Decrypt = %v; want a denial", name, err)
		}
	}
}

// TestResolveKey names a key by all its names, for everybody.
func TestResolveKey(t *testing.T) {
	b := newBench(t)
	k := b.newKey(t)
	if _, err := b.CreateAlias(t.Context(), self, &CreateAliasInput{"alias/a", k.KeyID}); err != nil {
		t.Fatal(err)
	}
	before := len(b.events(t))
	far := arn.Key(region, account, unknownID)
	for _, tt := range []struct {
		who      *authn.Caller
		id, want string
	}{
		{self, k.KeyID, k.ARN}, {self, k.ARN, k.ARN}, {self, "alias/a", k.ARN}, {self, arn.Alias(region, account, "alias/a"), k.ARN},
		{foreign, k.ARN, k.ARN}, {foreign, arn.Alias(region, account, "alias/a"), k.ARN}, {foreign, far, far},
		{self, far, ""}, {self, "alias/none", ""}, {self, "x", ""}, {foreign, "alias/a", ""}, {foreign, k.KeyID, ""}, {self, arn.Key("eu-west-1", account, k.KeyID), ""},
	} {
		if got, err := b.ResolveKey(t.Context(), tt.who, tt.id); got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("ResolveKey(%s) by %s = %q, %v; want %q", tt.id, tt.who.Account, got, err, tt.want)
		}
	}
	if n := len(b.events(t)) - before; n != 0 {
		t.Errorf("ResolveKey left %d events", n)
	}
}

// TestServiceCallers shows that a service principal uses a key that names it, by its
// ARN alone.
func TestServiceCallers(t *testing.T) {
	b := newBench(t)
	k := b.withPolicy(t, document(inner(defaultPolicy2(account)),
		inner(statement("Allow", `{"Service":"delivery.logs.amazonaws.com"}`, `["kms:GenerateDataKey*","kms:Decrypt"]`, "*", `{"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}`))))
	log := &authn.Caller{Type: authn.TypeAWSService, ARN: "delivery.logs.amazonaws.com", Region: region, RequestID: "req-1"}
	object := map[string]string{"aws:s3:arn": "arn:aws:s3:::bucket/object"}
	plain, blob, _, err := b.NewDataKey(t.Context(), log, k.ARN, object)
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := b.OpenDataKey(t.Context(), log, k.ARN, blob, object); err != nil || opened != plain {
		t.Errorf("OpenDataKey = %v", err)
	}
	if _, err := b.Decrypt(t.Context(), log, &DecryptInput{CiphertextBlob: blob, EncryptionContext: object}); !isDenial(err) {
		t.Errorf("Decrypt without S3 = %v; want a denial", err)
	}
	if _, _, _, err := b.NewDataKey(t.Context(), log, k.KeyID, object); err == nil {
		t.Error("a service without an account finds a key by its ID")
	}
	if _, err := b.ManagedS3Key(t.Context(), log); !isDenial(err) {
		t.Errorf("ManagedS3Key of a service = %v; want a denial", err)
	}
}

// TestRevokedMeanwhile takes a right away between a decision and the change that it
// allows: the change is decided again, and not made.
func TestRevokedMeanwhile(t *testing.T) {
	b := newBench(t)
	gate := authz.New(authz.Config{Trail: b.trail, Meta: b.store, Identities: b.identity, Organizations: b.chains, Now: func() time.Time { return b.now }})
	t.Cleanup(gate.Close)
	for name, revoke := range map[string]func(k KeyMetadata, admin *authn.Caller) error{
		"policy": func(k KeyMetadata, admin *authn.Caller) error {
			_, err := b.PutKeyPolicy(t.Context(), self, &PutKeyPolicyInput{KeyID: k.KeyID, Policy: document(inner(defaultPolicy2(account)),
				inner(statement("Deny", account12(admin.ARN), allActions, "*", "")))})
			return err
		},
		"tag": func(k KeyMetadata, _ *authn.Caller) error {
			_, err := b.TagResource(t.Context(), self, &TagResourceInput{k.KeyID, []Tag{{"closed", "yes"}}})
			return err
		},
		"identity": func(_ KeyMetadata, admin *authn.Caller) error {
			return b.identity.PutInline(t.Context(), identity.Entity{Kind: identity.KindUser, Account: account, Name: admin.UserName}, "q",
				statement("Deny", "", allActions, "*", ""), nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			admin := b.user(t, account, name, statement("Allow", "", allActions, "*", ""))
			k := b.withPolicy(t, document(inner(defaultPolicy2(account)),
				inner(statement("Deny", account12(admin.ARN), allActions, "*", `{"StringEquals":{"aws:ResourceTag/closed":"yes"}}`))))
			slow := New(Config{Keys: b.keys, Gate: gate, Principals: meanwhile{b.identity, func() {
				if err := revoke(k, admin); err != nil {
					t.Error(err)
				}
			}}})
			// PutKeyPolicy asks for the principals of the policy after it was authorized.
			_, err := slow.PutKeyPolicy(t.Context(), admin, &PutKeyPolicyInput{KeyID: k.KeyID, BypassPolicyLockoutSafetyCheck: true,
				Policy: statement("Allow", account12(admin.ARN), allActions, "*", "")})
			if !isDenial(err) {
				t.Errorf("PutKeyPolicy = %v; want a denial", err)
			}
			if out, err := b.GetKeyPolicy(t.Context(), self, &GetKeyPolicyInput{KeyID: k.KeyID}); err != nil || !strings.Contains(out.Policy, `"Deny"`) {
				t.Errorf("the policy is %+v, %v", out, err)
			}
		})
	}
}

// meanwhile does something while a policy is saved.
type meanwhile struct {
	*identity.Store
	do func()
}

func (m meanwhile) SavePrincipals(ctx context.Context, text string, kind policy.Kind) (string, error) {
	m.do()
	return m.Store.SavePrincipals(ctx, text, kind)
}
