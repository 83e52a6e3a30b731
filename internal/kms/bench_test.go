package kms

import (
	"fmt"
	"testing"

	"coffer/internal/authn"
)

// BenchmarkGenerateDataKey makes data keys as the root user, as a user whom an IAM
// policy allows, and as one of a thousand grantees.
func BenchmarkGenerateDataKey(b *testing.B) {
	w := newBench(b)
	iam := w.user(b, account, "iam", document(
		`{"Sid":"List","Effect":"Allow","Action":["kms:ListKeys","kms:ListAliases"],"Resource":"*"}`,
		`{"Sid":"Use","Effect":"Allow","Action":["kms:Decrypt","kms:GenerateDataKey*"],"Resource":"arn:aws:kms:*:`+account+`:key/*","Condition":{"StringLike":{"kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::bucket/*"}}}`))
	granted := w.user(b, account, "granted", "")
	k, shared := w.newKey(b), w.newKey(b)
	for i := range 1000 {
		name := fmt.Sprintf("arn:aws:iam::999999999999:user/u%d", i)
		if i == 500 {
			name = granted.ARN
		}
		w.grant(b, CreateGrantInput{KeyID: shared.KeyID, GranteePrincipal: name, Operations: []string{"GenerateDataKey"}})
	}
	for _, by := range []struct {
		name string
		who  *authn.Caller
		key  string
	}{{"root", self, k.KeyID}, {"iam", iam, k.KeyID}, {"grant", granted, shared.KeyID}} {
		b.Run(by.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				out, err := w.GenerateDataKey(b.Context(), by.who, &GenerateDataKeyInput{KeyID: by.key, KeySpec: "AES_256",
					EncryptionContext: map[string]string{"aws:s3:arn": "arn:aws:s3:::bucket/some/key"}})
				if err != nil {
					b.Fatal(err)
				}
				out.Wipe()
			}
		})
	}
}
