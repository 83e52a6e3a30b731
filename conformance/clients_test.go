package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// sources makes a folder of files below work: small ones in folders, one that is
// empty, odd names, and one that goes up in parts.
func sources(t testing.TB, work string) string {
	t.Helper()
	dir := filepath.Join(work, "src")
	for name, n := range map[string]int{"a.txt": 100, "empty": 0, "dir/b.bin": 70_000, "dir/sub/c d+e&f.txt": 1, "dir/é.txt": 10, "large.bin": 12<<20 + 1} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, random(uint64(n), n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestRclone is Debian's rclone, of the AWS SDK for Go version 1.
func TestRclone(t *testing.T) {
	t.Parallel()
	path := tool(t, "rclone")
	s := start(t, "--tls-self-signed")
	k := connect(t, s)
	work := t.TempDir()
	src := sources(t, work)
	conf := filepath.Join(work, "rclone.conf")
	if err := os.WriteFile(conf, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"RCLONE_CONFIG=" + conf, "RCLONE_CONFIG_C_TYPE=s3", "RCLONE_CONFIG_C_PROVIDER=Other",
		"RCLONE_CONFIG_C_ENV_AUTH=true", "RCLONE_CONFIG_C_ENDPOINT=" + s.endpoint, "RCLONE_CONFIG_C_REGION=us-east-1",
		"RCLONE_CA_CERT=" + filepath.Join(s.dir, "tls", "ca.pem"), "RCLONE_S3_UPLOAD_CUTOFF=5M", "RCLONE_S3_CHUNK_SIZE=5M"}
	rclone := func(args ...string) string {
		t.Helper()
		return s.run(work, env, path, append([]string{"--retries", "1", "--low-level-retries", "1"}, args...)...)
	}
	rclone("mkdir", "c:rclone")
	rclone("copy", "src", "c:rclone/up")
	rclone("check", "--download", "src", "c:rclone/up")
	want(t, "rclone cat", rclone("cat", "c:rclone/up/a.txt"), string(random(100, 100)))
	want(t, "rclone cat of a range", rclone("cat", "--offset", "5242870", "--count", "20", "c:rclone/up/large.bin"), string(random(12<<20+1, 12<<20+1)[5242870:5242890]))
	if etag := *k.head(t, "rclone", "up/large.bin").ETag; !strings.HasSuffix(etag, `-3"`) {
		t.Errorf("ETag of large.bin = %s; want one of three parts", etag)
	}
	// Nothing is to do a second time: times are kept in metadata.
	if out := rclone("sync", "-v", "src", "c:rclone/up"); strings.Contains(out, ": Copied") {
		t.Errorf("second rclone sync copies:\n%s", out)
	}
	rclone("copy", "c:rclone/up", "c:rclone/copy") // on the server
	rclone("check", "c:rclone/up", "c:rclone/copy")
	rclone("move", "c:rclone/copy", "c:rclone/moved")
	want(t, "rclone lsf after a move", rclone("lsf", "c:rclone"), "moved/\nup/\n")
	rclone("copyto", "--s3-copy-cutoff", "6M", "c:rclone/up/large.bin", "c:rclone/parts.bin") // in parts
	rclone("copyto", "c:rclone/parts.bin", "back.bin")
	want(t, "copy in parts", fileSum(t, filepath.Join(work, "back.bin")), fileSum(t, filepath.Join(src, "large.bin")))
	os.Remove(filepath.Join(src, "a.txt"))
	rclone("sync", "src", "c:rclone/up")
	if out := rclone("lsf", "c:rclone/up"); strings.Contains(out, "a.txt") {
		t.Errorf("rclone lsf after a sync that deletes = %s", out)
	}
	rclone("sync", "c:rclone/up", "down")
	s.run(work, nil, "diff", "-r", "src", "down")

	// SSE-C, which goes over TLS only. This client does not send the key when it
	// completes an upload in parts.
	k.allowSSEC(t, "rclone")
	_, key, _ := sseC(random(42, 32))
	secret := []string{"--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M", "--s3-sse-customer-algorithm", "AES256", "--s3-sse-customer-key-base64", *key}
	rclone(append(secret, "copy", "src", "c:rclone/secret")...)
	rclone(append(secret, "sync", "c:rclone/secret", "opened")...)
	s.run(work, nil, "diff", "-r", "src", "opened")
	if out, err := s.try(work, env, path, "--retries", "1", "--low-level-retries", "1", "copy", "c:rclone/secret", "nothing"); err == nil {
		t.Errorf("rclone reads SSE-C objects without the key:\n%s", out)
	}
	rclone("purge", "c:rclone")
	_, err := k.s3.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: ptr("rclone")})
	refused(t, "ListObjectsV2 after a purge", err, "NoSuchBucket")
}

func ptr[T any](v T) *T { return &v }

// TestRestic backs a folder up, changes it, backs it up again, forgets the first
// backup and restores the second.
func TestRestic(t *testing.T) {
	t.Parallel()
	path := tool(t, "restic")
	s := start(t)
	work := t.TempDir()
	src := sources(t, work)
	env := []string{"RESTIC_REPOSITORY=s3:" + s.endpoint + "/restic", "RESTIC_PASSWORD=conformance", "RESTIC_CACHE_DIR=" + filepath.Join(work, "cache")}
	restic := func(args ...string) string {
		t.Helper()
		return s.run(work, env, path, args...)
	}
	restic("init")
	restic("backup", "src")
	restic("check", "--read-data")
	if err := os.WriteFile(filepath.Join(src, "dir", "b.bin"), random(1, 50_000), 0o600); err != nil {
		t.Fatal(err)
	}
	restic("backup", "src")
	restic("forget", "--keep-last", "1", "--prune")
	restic("check", "--read-data")
	restic("restore", "latest", "--target", "restored")
	s.run(work, nil, "diff", "-r", "src", filepath.Join("restored", "src"))
	if out := restic("snapshots", "--json"); strings.Count(out, `"short_id"`) != 1 {
		t.Errorf("restic snapshots = %s; want one", out)
	}
	if out, err := s.try(work, append(env, "RESTIC_PASSWORD=wrong"), path, "check"); err == nil {
		t.Errorf("restic check with a wrong password passes:\n%s", out)
	}
}

// TestS3cmd is Debian's s3cmd, which shares no code with any SDK.
func TestS3cmd(t *testing.T) {
	t.Parallel()
	path := tool(t, "s3cmd")
	s := start(t)
	k := connect(t, s)
	work := t.TempDir()
	src := sources(t, work)
	host := strings.TrimPrefix(s.endpoint, "http://")
	conf := filepath.Join(work, "s3cfg")
	text := fmt.Sprintf("[default]\naccess_key = %s\nsecret_key = %s\nhost_base = %s\nhost_bucket = %s\nuse_https = False\nbucket_location = us-east-1\n",
		s.keyID, s.secret, host, host)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s3cmd := func(args ...string) string {
		t.Helper()
		return s.run(work, nil, path, append([]string{"--config", conf, "--no-progress", "--multipart-chunk-size-mb=5"}, args...)...)
	}
	s3cmd("mb", "s3://s3cmd")
	s3cmd("put", "src/a.txt", "s3://s3cmd/a b+c.txt")
	s3cmd("put", "src/large.bin", "s3://s3cmd/large.bin")
	if etag := *k.head(t, "s3cmd", "large.bin").ETag; !strings.HasSuffix(etag, `-3"`) {
		t.Errorf("ETag of large.bin = %s; want one of three parts", etag)
	}
	s3cmd("get", "s3://s3cmd/large.bin", "back.bin")
	want(t, "s3cmd get", fileSum(t, filepath.Join(work, "back.bin")), fileSum(t, filepath.Join(src, "large.bin")))
	if out := s3cmd("ls", "s3://s3cmd"); !regexp.MustCompile(`\b100 +s3://s3cmd/a b\+c\.txt\n`).MatchString(out) {
		t.Errorf("s3cmd ls = %s; want a b+c.txt of 100 bytes", out)
	}
	s3cmd("sync", "src/", "s3://s3cmd/tree/")
	if out := s3cmd("sync", "src/", "s3://s3cmd/tree/"); strings.Contains(out, "upload:") {
		t.Errorf("second s3cmd sync uploads:\n%s", out)
	}
	os.Mkdir(filepath.Join(work, "down"), 0o700)
	s3cmd("sync", "s3://s3cmd/tree/", "down/")
	s.run(work, nil, "diff", "-r", "src", "down")
	s3cmd("cp", "s3://s3cmd/tree/dir/b.bin", "s3://s3cmd/copied.bin")
	s3cmd("mv", "s3://s3cmd/copied.bin", "s3://s3cmd/moved.bin")
	s3cmd("modify", "--add-header=Cache-Control: max-age=5", "s3://s3cmd/moved.bin") // a copy in place
	h := k.head(t, "s3cmd", "moved.bin")
	want(t, "Cache-Control after s3cmd modify", *h.CacheControl, "max-age=5")
	want(t, "size after s3cmd modify", *h.ContentLength, 70_000)
	if out := s3cmd("info", "s3://s3cmd/moved.bin"); !strings.Contains(out, "70000") {
		t.Errorf("s3cmd info = %s; want the size", out)
	}
	if out, err := s.try(work, nil, path, "--config", conf, "get", "s3://s3cmd/none", "none"); err == nil || !strings.Contains(out, "404") && !strings.Contains(out, "does not exist") {
		t.Errorf("s3cmd get of no object = %v %s; want a 404", err, out)
	}
	s3cmd("del", "--recursive", "--force", "s3://s3cmd")
	want(t, "s3cmd ls after del", s3cmd("ls", "s3://s3cmd"), "")
}

// TestCLIErrors provokes refusals of each protocol and reads what the AWS CLI
// makes of them. An empty message would crash it.
func TestCLIErrors(t *testing.T) {
	t.Parallel()
	path := tool(t, "/usr/bin/aws")
	s := start(t)
	k := connect(t, s)
	work := t.TempDir()
	k.bucket(t)
	b := bucketName(t)
	k.put(t, b, "o", "x")
	for _, c := range []struct{ args, want string }{
		{"s3api get-object --bucket BUCKET --key none out", "(NoSuchKey) when calling the GetObject operation: The specified key does not exist."},
		{"s3api head-object --bucket BUCKET --key none", "(404) when calling the HeadObject operation: Not Found"},
		{"s3api list-objects-v2 --bucket none-such", "(NoSuchBucket) when calling the ListObjectsV2 operation: The specified bucket does not exist"},
		{"s3api get-object --bucket BUCKET --key o --range bytes=9- out", "(InvalidRange) when calling the GetObject operation: The requested range is not satisfiable"},
		{"s3api put-bucket-policy --bucket BUCKET --policy {}", "(MalformedPolicy) when calling the PutBucketPolicy operation: Missing required field Statement"},
		{"s3api complete-multipart-upload --bucket BUCKET --key o --upload-id none --multipart-upload Parts=[{ETag=x,PartNumber=1}]", "(NoSuchUpload) when calling the CompleteMultipartUpload operation: The specified upload does not exist."},
		{"kms describe-key --key-id alias/none", "(NotFoundException) when calling the DescribeKey operation: Alias arn:aws:kms:us-east-1:123456789012:alias/none is not found."},
		{"iam get-user --user-name none", "(NoSuchEntity) when calling the GetUser operation: "},
		{"organizations list-accounts", "(AWSOrganizationsNotInUseException) when calling the ListAccounts operation: Your account is not a member of an organization."},
		{"cloudtrail lookup-events", "(NotImplemented) when calling the LookupEvents operation: "},
	} {
		args := strings.Fields(strings.ReplaceAll(c.args, "BUCKET", b))
		out, err := s.try(work, nil, path, append(args, "--endpoint-url", s.endpoint)...)
		_, message, ok := strings.Cut(out, c.want)
		if err == nil || !ok || strings.HasSuffix(c.want, ": ") && strings.TrimSpace(message) == "" {
			t.Errorf("aws %s = %v %s; want %s", c.args, err, strings.TrimSpace(out), c.want)
		}
	}
}
