package cli

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// The output of coffer backup and coffer restore is what their page says.
func TestBackupJSON(t *testing.T) {
	cfg := checkConfig(filepath.Join(t.TempDir(), "data"))
	cfg.Listen = "127.0.0.1:0"
	cfg.RootAccessKeyID, cfg.RootSecretAccessKey = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	url, stop := serveAt(t, cfg)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(cfg.Data, "credentials"))
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_ENDPOINT_URL", "")
	place := filepath.Join(t.TempDir(), "backups")
	check := func(what string, args ...string) {
		t.Helper()
		documented := example(t, "`coffer "+what+" --json` prints one object:")
		code, out, errs := call(args...)
		if code != 0 || errs != "" {
			t.Fatalf("%s: exit %d, %s", what, code, errs)
		}
		if got := decode(t, out); !reflect.DeepEqual(got, documented) {
			t.Errorf("%s: output\n%s\nof the shape\n%v\nand the example\n%v", what, out, got, documented)
		}
	}
	client := s3.New(s3.Options{BaseEndpoint: &url, Region: cfg.Region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(cfg.RootAccessKeyID, cfg.RootSecretAccessKey, "")})
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("tour")}); err != nil {
		t.Fatal(err)
	}
	_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("tour"), Key: aws.String("a.bin"),
		Body: strings.NewReader(strings.Repeat("0123456789abcdef", 16<<10)), ServerSideEncryption: types.ServerSideEncryptionAwsKms})
	if err != nil {
		t.Fatal(err)
	}
	check("backup", "backup", "--to", place, "--endpoint-url", url, "--json")
	check("backup list", "backup", "list", "--from", place, "--root-from", cfg.Data, "--json")
	check("backup verify", "backup", "verify", "--from", place, "--root-from", cfg.Data, "--all", "--json")
	stop()
	if code, _, errs := call("backup", "--to", place, "--data", cfg.Data); code != 0 {
		t.Errorf("backup of a directory: exit %d, %s", code, errs)
	}
	check("backup prune", "backup", "prune", "--from", place, "--root-from", cfg.Data, "--keep", "1", "--json")
	check("restore", "restore", "--from", place, "--root-from", cfg.Data, "--data", filepath.Join(t.TempDir(), "new"), "--json")
}
