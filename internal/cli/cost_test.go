package cli

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// The output of coffer cost --json is what its page says, and the calls in it are
// those that an SDK made.
func TestCostJSON(t *testing.T) {
	documented := example(t, "`coffer cost --json` prints one object:")
	cfg := checkConfig(filepath.Join(t.TempDir(), "data"))
	cfg.Listen = "127.0.0.1:0"
	url, stop := serveAt(t, cfg)
	defer stop()
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(cfg.Data, "credentials"))
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	sdk, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("us-east-1"), config.WithBaseEndpoint(url))
	if err != nil {
		t.Fatal(err)
	}
	client := kms.NewFromConfig(sdk)
	made, err := client.CreateKey(t.Context(), &kms.CreateKeyInput{Tags: []types.Tag{{TagKey: aws.String("coffer:shred-by"), TagValue: aws.String("subject")}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"alice", "bob", "bob"} {
		_, err := client.Encrypt(t.Context(), &kms.EncryptInput{KeyId: made.KeyMetadata.KeyId, Plaintext: []byte("x"), EncryptionContext: map[string]string{"subject": subject}})
		if err != nil {
			t.Fatal(err)
		}
	}
	code, out, errs := call("cost", "--json", "--endpoint-url", url)
	if got := decode(t, out); code != 0 || errs != "" || !reflect.DeepEqual(got, documented) {
		t.Errorf("cost: exit %d, %s, output\n%s\n%v\nand the example\n%v", code, errs, out, got, documented)
	}
	for _, want := range []string{`"CreateKey": 1`, `"Encrypt": 3`, `"request": 4`, `"keyHours": 1`, `"subjectKeys": 2`, `"subjectKeysMicros": 2000000`, `"requestMicros": 12`, `"freeTierMicros": 12`} {
		if !strings.Contains(out, want) {
			t.Errorf("output lacks %s:\n%s", want, out)
		}
	}
	for _, id := range []string{*made.KeyMetadata.KeyId, *made.KeyMetadata.Arn} {
		code, out, errs = call("cost", "--key", id, "--endpoint-url", url)
		if code != 0 || errs != "" || !strings.Contains(out, *made.KeyMetadata.Arn) || !strings.Contains(out, "Its 2 subject keys as KMS keys, at $1.00 each, would have cost $2.00 more a month.") {
			t.Errorf("cost of a key: exit %d, %s, output\n%s", code, errs, out)
		}
	}
	if code, out, _ = call("cost", "--key", "1234abcd-12ab-34cd-56ef-1234567890ab", "--endpoint-url", url); code != 0 || strings.Contains(out, *made.KeyMetadata.Arn) {
		t.Errorf("cost of another key: exit %d, output\n%s", code, out)
	}
	// Of another month nothing is known.
	if code, out, _ = call("cost", "--month", "2020-01", "--endpoint-url", url); code != 0 || strings.Contains(out, *made.KeyMetadata.Arn) {
		t.Errorf("cost of 2020-01: exit %d, output\n%s", code, out)
	}
}
