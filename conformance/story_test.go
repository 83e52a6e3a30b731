package conformance

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// gib is the size of the file that goes up and down again.
const gib = 1 << 30

// TestStory is the first tour, whole, with the AWS CLI of Debian and, where it is
// installed, the one of Python.
func TestStory(t *testing.T) {
	for _, cli := range []string{"/usr/bin/aws", "aws1"} {
		t.Run(filepath.Base(cli), func(t *testing.T) {
			path := cli
			if cli == "aws1" {
				if path = findAWS1(); path == "" {
					t.Skip("no AWS CLI version 1 on this machine")
				}
			} else {
				tool(t, cli)
			}
			story(t, path)
		})
	}
}

// findAWS1 returns an AWS CLI other than Debian's, if there is one on the PATH.
func findAWS1() string {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		p := filepath.Join(dir, "aws")
		if fi, err := os.Stat(p); err == nil && fi.Mode()&0o111 != 0 && dir != "/usr/bin" && dir != "/bin" {
			return p
		}
	}
	return ""
}

func story(t *testing.T, cli string) {
	s := start(t, "--dev-clock")
	work := t.TempDir()
	// SigV2, which version 1 of the CLI presigns with, is refused as by new
	// buckets of AWS.
	conf := filepath.Join(work, "config")
	if err := os.WriteFile(conf, []byte("[default]\ns3 =\n    signature_version = s3v4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	aws := func(args ...string) string {
		t.Helper()
		return s.run(work, []string{"AWS_CONFIG_FILE=" + conf}, cli, append([]string{"--endpoint-url", s.endpoint, "--output", "text"}, args...)...)
	}
	refused := func(want string, args ...string) {
		t.Helper()
		out, err := s.try(work, nil, cli, append([]string{"--endpoint-url", s.endpoint}, args...)...)
		if err == nil || !strings.Contains(out, want) {
			t.Errorf("aws %s = %v %s; want %s", strings.Join(args, " "), err, out, want)
		}
	}

	aws("s3", "mb", "s3://tour")
	writeRandom(t, filepath.Join(work, "big"), 1, gib)
	aws("s3", "cp", "--no-progress", "big", "s3://tour/big")
	aws("s3", "cp", "--no-progress", "s3://tour/big", "back")
	if got, want := fileSum(t, filepath.Join(work, "back")), fileSum(t, filepath.Join(work, "big")); got != want {
		t.Fatalf("SHA-256 of 1 GiB up and down = %s; want %s", got, want)
	}
	os.Remove(filepath.Join(work, "big"))
	os.Remove(filepath.Join(work, "back"))

	many := filepath.Join(work, "many")
	for i := range 1000 {
		dir := filepath.Join(many, fmt.Sprint(i%7))
		os.MkdirAll(dir, 0o700)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%d.txt", i)), random(uint64(i), 100+i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	aws("s3", "sync", "--no-progress", "many", "s3://tour/many")
	aws("s3", "sync", "--no-progress", "s3://tour/many", "many2")
	s.run(work, nil, "diff", "-r", "many", "many2")

	os.WriteFile(filepath.Join(work, "h.txt"), []byte("hello"), 0o600)
	aws("s3", "cp", "h.txt", "s3://tour/h.txt")
	url := strings.TrimSpace(aws("s3", "presign", "s3://tour/h.txt"))
	if out := s.run(work, nil, "curl", "-fsS", url); out != "hello" {
		t.Errorf("curl of a presigned URL = %q; want hello", out)
	}

	key := strings.TrimSpace(aws("kms", "create-key", "--query", "KeyMetadata.KeyId"))
	other := strings.TrimSpace(aws("kms", "create-key", "--query", "KeyMetadata.KeyId"))
	aws("kms", "create-alias", "--alias-name", "alias/tour", "--target-key-id", key)
	aws("s3api", "put-bucket-encryption", "--bucket", "tour", "--server-side-encryption-configuration",
		`{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"aws:kms","KMSMasterKeyID":"alias/tour"}}]}`)
	aws("s3", "cp", "h.txt", "s3://tour/sealed")
	aws("s3", "cp", "h.txt", "s3://tour/neighbour", "--sse", "aws:kms", "--sse-kms-key-id", other)

	aws("kms", "disable-key", "--key-id", key)
	refused("KMS.DisabledException", "s3api", "get-object", "--bucket", "tour", "--key", "sealed", "out")
	aws("kms", "enable-key", "--key-id", key)
	aws("s3", "cp", "s3://tour/sealed", "out")
	aws("kms", "schedule-key-deletion", "--key-id", key, "--pending-window-in-days", "7")
	refused("KMS.KMSInvalidStateException", "s3api", "get-object", "--bucket", "tour", "--key", "sealed", "out")
	s.advance(7 * 24 * time.Hour)
	refused("KMS.NotFoundException", "s3api", "get-object", "--bucket", "tour", "--key", "sealed", "out")
	refused("NotFoundException", "kms", "describe-key", "--key-id", key)
	aws("s3", "cp", "s3://tour/neighbour", "out")

	// It stays gone after a restart, and the rest stays.
	s.stop()
	s = startAt(t, s.dir)
	refused("KMS.NotFoundException", "s3api", "get-object", "--bucket", "tour", "--key", "sealed", "out")
	aws("s3", "cp", "s3://tour/neighbour", "out")
	if b, err := os.ReadFile(filepath.Join(work, "out")); err != nil || string(b) != "hello" {
		t.Errorf("neighbour = %q, %v; want hello", b, err)
	}
	if res, err := http.Get(s.endpoint + "/_coffer/health/ready"); err != nil || res.StatusCode != 200 {
		t.Errorf("health/ready = %v, %v; want 200", res, err)
	}
}
