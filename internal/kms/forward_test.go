package kms

import (
	"encoding/json"
	"strings"
	"testing"

	"coffer/internal/authn"
	"coffer/internal/key"
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
	arn, err := b.ManagedS3Key(t.Context(), self)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := b.ManagedS3Key(t.Context(), self); err != nil || again != arn {
		t.Errorf("ManagedS3Key again = %q, %v; want %q", again, err, arn)
	}
	abroad := *self
	abroad.Region = "eu-west-1"
	if other, err := b.ManagedS3Key(t.Context(), &abroad); err != nil || other == arn || !strings.HasPrefix(other, "arn:aws:kms:eu-west-1:"+account) {
		t.Errorf("ManagedS3Key of another region = %q, %v", other, err)
	}
	if other, err := b.ManagedS3Key(t.Context(), foreign); err != nil || other == arn {
		t.Errorf("ManagedS3Key of another account = %q, %v", other, err)
	}
	_, err = b.ManagedS3Key(t.Context(), &authn.Caller{Type: authn.TypeAnonymous, Region: region})
	wantError(t, "ManagedS3Key of nobody", err, "AccessDeniedException: User: anonymous is not authorized to perform: kms:CreateKey "+
		"because no resource-based policy allows the kms:CreateKey action")

	d, err := b.DescribeKey(t.Context(), self, &DescribeKeyInput{KeyID: "alias/aws/s3"})
	if err != nil || d.KeyMetadata.KeyManager != "AWS" || d.KeyMetadata.Description != "Default key that protects my S3 objects when no other key is defined" {
		t.Errorf("DescribeKey = %+v, %v", d, err)
	}
	p, err := b.GetKeyPolicy(t.Context(), self, &GetKeyPolicyInput{KeyID: arn})
	if err != nil || !json.Valid([]byte(p.Policy)) || !strings.Contains(p.Policy, `"kms:ViaService" : "s3.us-east-1.amazonaws.com"`) {
		t.Errorf("GetKeyPolicy = %+v, %v", p, err)
	}
	object := map[string]string{"aws:s3:arn": "arn:aws:s3:::bucket/object"}
	plain, blob, _, err := b.NewDataKey(t.Context(), self, "alias/aws/s3", object)
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := b.OpenDataKey(t.Context(), self, arn, blob, object); err != nil || opened != plain {
		t.Errorf("OpenDataKey = %v", err)
	}
	if got, err := b.CheckKey(t.Context(), self, "GenerateDataKey", "alias/aws/s3", object); err != nil || got != arn {
		t.Errorf("CheckKey = %q, %v", got, err)
	}

	id := arn[strings.LastIndex(arn, "/")+1:]
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
		"UpdateKeyDescription", "PutKeyPolicy", "CreateAlias"} {
		denied[operation] = func() error { return b.try(t, operation, id, blob, "alias/x", "") }
	}
	for operation, do := range denied {
		wantError(t, operation, do(), "AccessDeniedException: User: "+self.ARN+" is not authorized to perform: kms:"+operation+
			" on resource: "+arn+" because no resource-based policy allows the kms:"+operation+" action")
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
