package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A rewrapReport is what coffer rewrap --json prints.
type rewrapReport struct {
	From, To string
	Finished bool
	Moved    int64
	Failed   int64
	Skipped  map[string]int64
}

// rewrap runs coffer rewrap against the server.
func (s *server) rewrap(t *testing.T, args ...string) (r rewrapReport, stderr string, err error) {
	t.Helper()
	out, errText, err := s.split(append([]string{"rewrap", "--json", "--endpoint-url", s.endpoint}, args...)...)
	if e := json.Unmarshal([]byte(out), &r); e != nil && err == nil {
		t.Fatalf("coffer rewrap %q printed %s\n%s", args, out, errText)
	}
	return r, errText, err
}

// A stored is a version of an object and what it holds.
type stored struct {
	key, version, etag string
	body               []byte
}

// fillUnder puts versions, a multipart object and one under a bucket key, all under key.
func fillUnder(t *testing.T, s *server, bucket, key string) (all []stored) {
	t.Helper()
	ctx, c := t.Context(), s.s3()
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &bucket,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}}); err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		body := bytes.Repeat([]byte{byte('a' + i)}, 100_000*i+10)
		name := fmt.Sprintf("object %d", i/2)
		out, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &name, Body: bytes.NewReader(body),
			ServerSideEncryption: "aws:kms", SSEKMSKeyId: &key, BucketKeyEnabled: aws.Bool(i == 5)})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, stored{name, aws.ToString(out.VersionId), aws.ToString(out.ETag), body})
	}
	name := "in parts"
	up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: &name, ServerSideEncryption: "aws:kms", SSEKMSKeyId: &key})
	if err != nil {
		t.Fatal(err)
	}
	body := bytes.Repeat([]byte("part"), 5<<20/4)
	part, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: &bucket, Key: &name, UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
	done, err := c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &bucket, Key: &name, UploadId: up.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{ETag: part.ETag, PartNumber: aws.Int32(1)}}}})
	if err != nil {
		t.Fatal(err)
	}
	return append(all, stored{name, aws.ToString(done.VersionId), aws.ToString(done.ETag), body})
}

// wantStored checks that every version reads, with its ETag, and under the key.
func wantStored(t *testing.T, s *server, bucket, key string, all []stored) {
	t.Helper()
	for _, o := range all {
		out, err := s.s3().GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &o.key, VersionId: &o.version})
		if err != nil {
			t.Fatalf("%s %s: %v", o.key, o.version, err)
		}
		body, err := io.ReadAll(out.Body)
		out.Body.Close()
		if err != nil || !bytes.Equal(body, o.body) {
			t.Errorf("%s %s: %d bytes, %v", o.key, o.version, len(body), err)
		}
		if got := aws.ToString(out.ETag); got != o.etag {
			t.Errorf("%s: ETag %s; was %s", o.key, got, o.etag)
		}
		if got := aws.ToString(out.SSEKMSKeyId); !strings.HasSuffix(got, key) {
			t.Errorf("%s is under %s; want %s", o.key, got, key)
		}
	}
}

// becomeShredder makes s act as a user who may do everything, and is given by name what
// nobody has otherwise.
func becomeShredder(t *testing.T, s *server) {
	t.Helper()
	ctx, c, name := t.Context(), s.iam(), aws.String("shredder")
	if _, err := c.CreateUser(ctx, &iam.CreateUserInput{UserName: name}); err != nil {
		t.Fatal(err)
	}
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:*","kms:*","coffer:*","coffer:DestroyKeyVersions"],"Resource":"*"}]}`
	if _, err := c.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: name, PolicyName: name, PolicyDocument: &policy}); err != nil {
		t.Fatal(err)
	}
	k, err := c.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: name})
	if err != nil {
		t.Fatal(err)
	}
	s.keyID, s.secret = aws.ToString(k.AccessKey.AccessKeyId), aws.ToString(k.AccessKey.SecretAccessKey)
}

// split runs the binary with the credentials of s.
func (s *server) split(args ...string) (stdout, stderr string, err error) {
	cmd := exec.Command(binary, args...)
	cmd.Env = s.env()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

func newKMSKey(t *testing.T, s *server) string {
	t.Helper()
	out, err := s.kms().CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.KeyMetadata.KeyId)
}

// A key is rotated, its objects come under the latest version, and the older one is
// destroyed: an old copy of the rows does not bring it back.
func TestRewrapLatestAndDestroyOld(t *testing.T) {
	s := start(t)
	becomeShredder(t, s)
	key := newKMSKey(t, s)
	all := fillUnder(t, s, "ledger", key)
	cipher, err := s.kms().Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("outside")})
	if err != nil {
		t.Fatal(err)
	}
	s.stop()
	old := filepath.Join(t.TempDir(), "meta")
	if err := os.CopyFS(old, os.DirFS(filepath.Join(s.dir, "meta"))); err != nil {
		t.Fatal(err)
	}
	id, secret := s.keyID, s.secret
	s = startAt(t, s.dir)
	s.keyID, s.secret = id, secret

	if _, err := s.kms().RotateKeyOnDemand(t.Context(), &kms.RotateKeyOnDemandInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	// While something is under the old version, it stays.
	if status, body := s.admin("POST", "keyversions/destroy", `{"key":"`+key+`"}`); status != 409 {
		t.Fatalf("destroyed under content: %d %s", status, body)
	}
	r, _, err := s.rewrap(t, "--key", key, "--latest", "--dry-run")
	if err != nil || r.Moved != int64(len(all)) {
		t.Fatalf("dry run: %+v, %v", r, err)
	}
	r, stderr, err := s.rewrap(t, "--key", key, "--latest", "--destroy-old", "--yes")
	if err != nil || r.Moved != int64(len(all)) || r.Failed != 0 || !r.Finished {
		t.Fatalf("rewrap: %+v, %v\n%s", r, err, stderr)
	}
	if !strings.Contains(stderr, "destroyed 1 older versions") {
		t.Errorf("stderr: %s", stderr)
	}
	wantStored(t, s, "ledger", key, all)
	if _, err := s.kms().Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: cipher.CiphertextBlob}); err == nil {
		t.Error("a ciphertext under the destroyed version decrypts")
	}
	// Again, there is nothing to do.
	if r, _, err := s.rewrap(t, "--key", key, "--latest"); err != nil || r.Moved != 0 || r.Skipped["there already"] != int64(len(all)) {
		t.Errorf("second run: %+v, %v", r, err)
	}

	// The rows of before, with the root of now: their wraps are under what is destroyed.
	s.stop()
	now := filepath.Join(s.dir, "meta")
	if err := os.RemoveAll(now); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(now, os.DirFS(old)); err != nil {
		t.Fatal(err)
	}
	s = startAt(t, s.dir)
	for _, o := range all {
		if _, err := s.s3().GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("ledger"), Key: &o.key, VersionId: &o.version}); err == nil {
			t.Errorf("%s opens from an old backup", o.key)
		}
	}
}

// From one key to another, through the APIs of S3 and KMS alone, cut and gone on with.
func TestRewrapToAnotherKey(t *testing.T) {
	s := start(t)
	from, to := newKMSKey(t, s), newKMSKey(t, s)
	all := fillUnder(t, s, "ledger", from)
	s.mustPut(t, "/ledger/plain", []byte("under SSE-S3"))
	state := filepath.Join(t.TempDir(), "state.json")
	args := []string{"--key", from, "--to", to, "--provider", "aws", "--bucket", "ledger", "--state", state}

	// A state half way: the first page ended behind the first object.
	half := fmt.Sprintf(`{"from":%q,"to":%q,"bucket":"ledger","at":"ledger","key":"in parts","finished":false,"moved":1,"skipped":{}}`,
		s.keyARN(t, from), s.keyARN(t, to))
	if err := os.WriteFile(state, []byte(half), 0o600); err != nil {
		t.Fatal(err)
	}
	r, stderr, err := s.rewrap(t, args...)
	if err != nil || r.Moved != int64(len(all)) || r.Skipped["SSE-S3"] != 1 {
		t.Fatalf("%+v, %v\n%s", r, err, stderr)
	}
	// What the state said was done is not; a run after a finished one looks at all.
	if r, stderr, err = s.rewrap(t, args...); err != nil || r.Moved != 1 {
		t.Fatalf("%+v, %v\n%s", r, err, stderr)
	}
	wantStored(t, s, "ledger", to, all)
	other := append([]string{"--key", to, "--to", from}, args[4:]...)
	if _, stderr, err = s.rewrap(t, other...); err == nil || !strings.Contains(stderr, "other work") {
		t.Errorf("a state of other work: %v\n%s", err, stderr)
	}
}

func (s *server) keyARN(t *testing.T, id string) string {
	t.Helper()
	d, err := s.kms().DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &id})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(d.KeyMetadata.Arn)
}

// Whatever is killed half way, the same command goes on, and everything reads.
func TestRewrapIsKilled(t *testing.T) {
	s := start(t)
	key := newKMSKey(t, s)
	all := fillUnder(t, s, "ledger", key)
	for i := range 40 {
		name, body := fmt.Sprint("small ", i), []byte(fmt.Sprint("body ", i))
		out, err := s.s3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("ledger"), Key: &name, Body: bytes.NewReader(body),
			ServerSideEncryption: "aws:kms", SSEKMSKeyId: &key})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, stored{name, aws.ToString(out.VersionId), aws.ToString(out.ETag), body})
	}
	if _, err := s.kms().RotateKeyOnDemand(t.Context(), &kms.RotateKeyOnDemandInput{KeyId: &key}); err != nil {
		t.Fatal(err)
	}
	left := func() int64 {
		t.Helper()
		status, body := s.admin("POST", "keyversions/preview", `{"key":"`+key+`"}`)
		var p struct{ Content struct{ Versions int64 } }
		if status != 200 || json.Unmarshal([]byte(body), &p) != nil {
			t.Fatalf("preview: %d %s", status, body)
		}
		return p.Content.Versions
	}
	state := filepath.Join(t.TempDir(), "state.json")
	for _, victim := range []string{"command", "server"} {
		before := left()
		cmd := exec.Command(binary, "rewrap", "--key", key, "--latest", "--rate", "10", "--state", state, "--endpoint-url", s.endpoint)
		cmd.Env = s.env()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for left() > before-5 {
		}
		if victim == "command" {
			cmd.Process.Kill()
		} else {
			s.kill()
		}
		if err := cmd.Wait(); err == nil {
			t.Fatalf("the command ended well, though the %s was killed", victim)
		}
		if victim == "server" {
			s = startAt(t, s.dir)
		}
		if n := left(); n == 0 || n >= before {
			t.Fatalf("%d left of %d after the %s was killed", n, before, victim)
		}
	}
	r, stderr, err := s.rewrap(t, "--key", key, "--latest", "--state", state)
	if err != nil || !r.Finished || left() != 0 {
		t.Fatalf("%+v, %v, %d left\n%s", r, err, left(), stderr)
	}
	wantStored(t, s, "ledger", key, all)
}

// With --deep each version gets a new data key: everything reads as before, and when
// the key of before is destroyed nothing of it is said to be touched.
func TestRewrapDeep(t *testing.T) {
	s := start(t)
	becomeShredder(t, s)
	first, old, now := newKMSKey(t, s), newKMSKey(t, s), newKMSKey(t, s)
	all := fillUnder(t, s, "ledger", old)
	name, bucket := "double", "ledger"
	put := func(algorithm types.ServerSideEncryption, key string) {
		t.Helper()
		out, err := s.s3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &name, Body: strings.NewReader("in two layers"), ServerSideEncryption: algorithm, SSEKMSKeyId: &key})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, stored{name, aws.ToString(out.VersionId), aws.ToString(out.ETag), []byte("in two layers")})
	}
	put("aws:kms:dsse", old)
	// One that came under the key from another, which opens the same data key.
	name = "moved"
	put("aws:kms", first)
	if r, stderr, err := s.rewrap(t, "--key", first, "--to", old); err != nil || r.Moved != 1 {
		t.Fatalf("%+v, %v\n%s", r, err, stderr)
	}
	head := func(o stored) *s3.HeadObjectOutput {
		t.Helper()
		out, err := s.s3().HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: &o.key, VersionId: &o.version, ChecksumMode: "ENABLED"})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	var before []*s3.HeadObjectOutput
	for _, o := range all {
		before = append(before, head(o))
	}

	_, stderr, err := s.rewrap(t, "--key", old, "--to", now, "--deep", "--provider", "aws")
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 2 || !strings.Contains(stderr, "--deep needs --provider coffer") {
		t.Errorf("--deep on AWS: %v\n%s", err, stderr)
	}
	r, stderr, err := s.rewrap(t, "--key", old, "--to", now, "--deep")
	if err != nil || r.Moved != int64(len(all)) || r.Failed != 0 || !r.Finished {
		t.Fatalf("%+v, %v\n%s", r, err, stderr)
	}
	wantStored(t, s, bucket, now, all)
	for i, o := range all {
		was, is := before[i], head(o)
		if !was.LastModified.Equal(*is.LastModified) || aws.ToString(was.ChecksumCRC64NVME) != aws.ToString(is.ChecksumCRC64NVME) ||
			was.ServerSideEncryption != is.ServerSideEncryption || aws.ToBool(was.BucketKeyEnabled) != aws.ToBool(is.BucketKeyEnabled) {
			t.Errorf("%s was %+v, is %+v", o.key, was, is)
		}
	}
	// Sealed anew under the same key, too.
	if r, stderr, err = s.rewrap(t, "--key", now, "--latest", "--deep"); err != nil || r.Moved != int64(len(all)) {
		t.Fatalf("%+v, %v\n%s", r, err, stderr)
	}
	wantStored(t, s, bucket, now, all)

	for _, key := range []string{first, old} {
		status, body := s.admin("POST", "shreds/preview", `{"key":"`+key+`"}`)
		var p struct {
			Dark, NotDark struct{ Versions, Uploads int64 }
		}
		if status != 200 || json.Unmarshal([]byte(body), &p) != nil || p.Dark.Versions+p.NotDark.Versions != 0 {
			t.Errorf("preview of %s: %d %s", key, status, body)
		}
	}
	s.stop()
	if out, err := exec.Command(binary, "fsck", "--data", s.dir, "--deep").CombinedOutput(); err != nil {
		t.Errorf("fsck: %v\n%s", err, out)
	}
}
