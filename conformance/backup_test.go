package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/spf13/pflag"

	"coffer/internal/archive"
	"coffer/internal/archive/archivetest"
	archives3 "coffer/internal/archive/s3"
	"coffer/internal/config"
	cofferserver "coffer/internal/server"
	"coffer/internal/trail"
)

// backupSummary is the --json output of coffer backup.
type backupSummary struct {
	Name               string
	Files, Bytes       int64
	NewFiles, NewBytes int64
	Lost               int64
}

// verifyReport is the --json output of coffer backup verify.
type verifyReport struct {
	Name    string
	Files   struct{ Files, Opened, Missing, Damaged int64 }
	Objects struct{ Opened, Dark, NoKey, Damaged int64 }
	Keys    []struct{ ARN, State string }
	Good    bool
}

// coffer runs the binary with the credentials of s, and returns its exit code.
func (s *server) coffer(args ...string) (stdout string, exit int) {
	s.t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = s.env()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		s.t.Fatal(err)
	}
	if exit = cmd.ProcessState.ExitCode(); exit > 1 {
		s.t.Logf("coffer %s: exit code %d\n%s", strings.Join(args, " "), exit, errs.String())
	}
	return out.String(), exit
}

// backup makes a backup of a running server.
func (s *server) backup(to string, more ...string) (sum backupSummary) {
	s.t.Helper()
	out, exit := s.coffer(append([]string{"backup", "--to", to, "--endpoint-url", s.endpoint, "--json"}, more...)...)
	if exit != 0 {
		s.t.Fatalf("coffer backup: exit code %d", exit)
	}
	if err := json.Unmarshal([]byte(out), &sum); err != nil {
		s.t.Fatalf("coffer backup --json: %v\n%s", err, out)
	}
	return sum
}

func (s *server) verifyBackup(from string, more ...string) (r verifyReport, exit int) {
	s.t.Helper()
	out, exit := s.coffer(append([]string{"backup", "verify", "--from", from, "--root-from", s.dir, "--all", "--json"}, more...)...)
	if err := json.Unmarshal([]byte(out), &r); err != nil && exit < 2 {
		s.t.Fatalf("coffer backup verify --json: %v\n%s", err, out)
	}
	return r, exit
}

func (s *server) restore(from, data string, more ...string) int {
	s.t.Helper()
	_, exit := s.coffer(append([]string{"restore", "--from", from, "--data", data, "--root-from", s.dir}, more...)...)
	return exit
}

// object reads an object, or returns the code of the error.
func (s *server) object(bucket, key string) ([]byte, string) {
	s.t.Helper()
	out, err := s.s3().GetObject(s.t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, code(err)
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return b, ""
}

// backupKey makes a KMS key.
func (s *server) backupKey() string {
	s.t.Helper()
	out, err := s.kms().CreateKey(s.t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		s.t.Fatal(err)
	}
	return *out.KeyMetadata.KeyId
}

func (s *server) putUnder(bucket, key, keyID string, b []byte) {
	s.t.Helper()
	_, err := s.s3().PutObject(s.t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(b),
		ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &keyID})
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestBackupUnderLoad backs up a server that is written to, and restores: everything
// that was acknowledged before the backup began is there, whole.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	s := start(t)
	client := s.s3()
	bucket := "photos"
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	acknowledged := make(map[string]uint64) // seeds by key
	sizes := func(seed uint64) int { return int(seed*7919) % (300 << 10) }
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for w := range 4 {
		wg.Go(func() {
			for i := uint64(0); ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				seed := uint64(w)<<32 | i
				key := fmt.Sprintf("load/%d/%06d", w, i)
				_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(random(seed, sizes(seed)))})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acknowledged[key] = seed
				mu.Unlock()
				if i%3 == 2 { // one of three goes again, so that blobs are removed meanwhile
					gone := fmt.Sprintf("load/%d/%06d", w, i-1)
					mu.Lock()
					delete(acknowledged, gone)
					mu.Unlock()
					if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &bucket, Key: &gone}); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	place := filepath.Join(t.TempDir(), "backups")
	for { // something to begin with
		mu.Lock()
		n := len(acknowledged)
		mu.Unlock()
		if n > 60 || t.Failed() {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	full := s.backup(place)
	mu.Lock()
	before := make(map[string]uint64)
	for k, v := range acknowledged {
		before[k] = v
	}
	mu.Unlock()
	next := s.backup(place)
	close(stop)
	wg.Wait()
	if full.NewFiles != full.Files || full.Lost+next.Lost != 0 || next.Files < full.Files {
		t.Errorf("backups %+v and %+v", full, next)
	}
	// Nothing but a few rows is new when little was written.
	last := s.backup(place)
	again := s.backup(place)
	if again.NewBytes > 2<<20 || again.NewFiles > 8 || again.NewBytes*4 > last.Bytes {
		t.Errorf("a backup without changes: %+v", again)
	}
	mu.Lock()
	now := acknowledged
	mu.Unlock()
	if r, exit := s.verifyBackup(place); exit != 0 || !r.Good || r.Files.Opened != r.Files.Files || r.Objects.Opened < int64(len(now)) {
		t.Errorf("verify = %d %+v", exit, r)
	}
	s.kill()

	for name, want := range map[string]map[string]uint64{next.Name: before, "": now} {
		data := filepath.Join(t.TempDir(), "restored")
		if exit := s.restore(place, data, "--backup", name); exit != 0 {
			t.Fatalf("restore of %q: exit code %d", name, exit)
		}
		fsck(t, data)
		restored := startAt(t, data)
		missing := 0
		for key, seed := range want {
			b, errCode := restored.object(bucket, key)
			if errCode == "NoSuchKey" && name != "" {
				mu.Lock()
				_, still := now[key]
				mu.Unlock()
				if !still { // it was deleted before the second backup
					continue
				}
			}
			if errCode != "" || !bytes.Equal(b, random(seed, sizes(seed))) {
				missing++
			}
		}
		if missing > 0 {
			t.Errorf("%q: %d of %d objects are missing or wrong", name, missing, len(want))
		}
		restored.stop()
		// The restore stands in the trail, and the chain is whole.
		for _, event := range []string{`"CreateBackup"`, `"RestoreBackup"`} {
			if !strings.Contains(eventsAt(t, data), event) {
				t.Errorf("the trail has no event %s", event)
			}
		}
		fsck(t, data)
	}
}

// eventsAt returns the trail of a data directory that no server has open.
func eventsAt(t testing.TB, dir string) string {
	t.Helper()
	cfg := new(config.Server)
	cfg.Flags(pflag.NewFlagSet("", pflag.ContinueOnError))
	cfg.Data = dir
	stack, err := cofferserver.Open(t.Context(), cfg, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer stack.Close(t.Context())
	var out strings.Builder
	err = trail.Scan(t.Context(), stack.Meta, "node-1", 1, func(e trail.Entry) (bool, error) {
		out.Write(e.JSON)
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestBackupOfShredded restores an old backup after a key was destroyed: what was
// under it is dead, in the backup too, and the rest lives.
func TestBackupOfShredded(t *testing.T) {
	t.Parallel()
	s := start(t, "--dev-clock")
	bucket := "customers"
	if _, err := s.s3().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	doomed, kept := s.backupKey(), s.backupKey()
	for _, size := range []int{1000, 200 << 10} {
		s.putUnder(bucket, fmt.Sprintf("doomed-%d", size), doomed, random(1, size))
		s.putUnder(bucket, fmt.Sprintf("kept-%d", size), kept, random(2, size))
	}
	place := filepath.Join(t.TempDir(), "backups")
	s.backup(place)
	if r, exit := s.verifyBackup(place); exit != 0 || r.Objects.Opened != 4 || r.Objects.Dark != 0 {
		t.Errorf("verify before = %d %+v", exit, r)
	}
	if _, err := s.kms().ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &doomed, PendingWindowInDays: aws.Int32(7)}); err != nil {
		t.Fatal(err)
	}
	s.advance(8 * 24 * time.Hour)
	r, exit := s.verifyBackup(place) // while the server runs
	if exit != 0 || !r.Good || r.Objects.Opened != 2 || r.Objects.Dark != 2 || r.Objects.Damaged != 0 {
		t.Errorf("verify after the key was destroyed = %d %+v", exit, r)
	}
	for _, k := range r.Keys {
		if want := map[bool]string{true: "destroyed", false: "open"}[strings.HasSuffix(k.ARN, doomed)]; k.State != want {
			t.Errorf("key %s is %s; want %s", k.ARN, k.State, want)
		}
	}
	s.kill()
	data := filepath.Join(t.TempDir(), "restored")
	if exit := s.restore(place, data); exit != 0 {
		t.Fatalf("restore: exit code %d", exit)
	}
	restored := startAt(t, data, "--dev-clock")
	for _, size := range []int{1000, 200 << 10} {
		if b, _ := restored.object(bucket, fmt.Sprintf("kept-%d", size)); !bytes.Equal(b, random(2, size)) {
			t.Errorf("kept-%d does not read", size)
		}
		if b, errCode := restored.object(bucket, fmt.Sprintf("doomed-%d", size)); errCode == "" {
			t.Errorf("doomed-%d reads: %d bytes", size, len(b))
		}
	}
	restored.stop()
	fsck(t, data)
}

// TestRestoreHoldsDeadlines restores a backup in which a key is due, though its
// deletion was called off since: it is not destroyed before somebody has looked.
func TestRestoreHoldsDeadlines(t *testing.T) {
	t.Parallel()
	s := start(t, "--dev-clock")
	keyID := s.backupKey()
	if _, err := s.kms().ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &keyID, PendingWindowInDays: aws.Int32(7)}); err != nil {
		t.Fatal(err)
	}
	place := filepath.Join(t.TempDir(), "backups")
	s.backup(place)
	if _, err := s.kms().CancelKeyDeletion(t.Context(), &kms.CancelKeyDeletionInput{KeyId: &keyID}); err != nil {
		t.Fatal(err)
	}
	s.kill()
	data := filepath.Join(t.TempDir(), "restored")
	if exit := s.restore(place, data); exit != 0 {
		t.Fatalf("restore: exit code %d", exit)
	}
	for range 2 { // a restart changes nothing
		r := startAt(t, data, "--dev-clock")
		if _, out := r.admin("GET", "clock", ""); !strings.Contains(out, "restored from a backup") {
			t.Errorf("the clock is not held: %s", out)
		}
		r.advance(30 * 24 * time.Hour)
		out, err := r.kms().DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &keyID})
		if err != nil || out.KeyMetadata.KeyState != "PendingDeletion" {
			t.Errorf("the key was destroyed: %v", err)
		}
		r.stop()
	}
	r := startAt(t, data, "--dev-clock")
	if _, err := r.kms().CancelKeyDeletion(t.Context(), &kms.CancelKeyDeletionInput{KeyId: &keyID}); err != nil {
		t.Error(err)
	}
	if status, out := r.admin("POST", "clock/confirm", ""); status != 200 || strings.Contains(out, "held") {
		t.Errorf("confirm = %d %s", status, out)
	}
	if _, err := r.kms().DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &keyID}); err != nil {
		t.Errorf("the key was destroyed after all: %v", err)
	}
}

// TestBackupHoldsNoSecrets looks for everything that a backup must not hold.
func TestBackupHoldsNoSecrets(t *testing.T) {
	t.Parallel()
	s := start(t)
	bucket := "planted-bucket-name"
	if _, err := s.s3().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	plain := bytes.Repeat([]byte("planted plaintext "), 20000)
	for _, n := range []int{100, len(plain)} {
		key := fmt.Sprintf("planted-object-name-%d", n)
		if _, err := s.s3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(plain[:n])}); err != nil {
			t.Fatal(err)
		}
	}
	place := filepath.Join(t.TempDir(), "backups")
	s.backup(place)
	s.stop()
	leaks := map[string][]byte{
		"bucket name": []byte("planted-bucket"), "object name": []byte("planted-object"), "plaintext": []byte("planted plaintext"),
		"access key": []byte(s.keyID), "secret key": []byte(s.secret), "account": []byte("123456789012"), "event": []byte("PutObject"),
	}
	// Every 32 bytes of the root store, frontiers and head included.
	var root [][]byte
	walk(t, filepath.Join(s.dir, "root"), func(_ string, b []byte) {
		for i := 0; i+32 <= len(b); i += 32 {
			if w := b[i : i+32]; len(bytes.Trim(w, "\x00")) > 24 {
				root = append(root, w)
			}
		}
	})
	if len(root) < 100 {
		t.Fatalf("the root store has %d pieces", len(root))
	}
	walk(t, place, func(path string, b []byte) {
		for what, leak := range leaks {
			if bytes.Contains(b, leak) || strings.Contains(path, string(leak)) {
				t.Errorf("%s shows the %s", path, what)
			}
		}
		for _, w := range root {
			if bytes.Contains(b, w) {
				t.Errorf("%s holds a piece of the root store", path)
				break
			}
		}
	})
	// The rows, opened: they hold nothing of the root store either.
	data := filepath.Join(t.TempDir(), "restored")
	if exit := s.restore(place, data); exit != 0 {
		t.Fatalf("restore: exit code %d", exit)
	}
	walk(t, filepath.Join(data, "meta"), func(path string, b []byte) {
		for _, w := range root {
			if bytes.Contains(b, w) {
				t.Errorf("%s holds a piece of the root store", path)
			}
		}
	})
}

// walk calls fn with each file below dir.
func walk(t testing.TB, dir string, fn func(path string, b []byte)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		fn(path, b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestBackupDamage flips a byte of each file of a backup: verify and restore find it.
func TestBackupDamage(t *testing.T) {
	t.Parallel()
	s := start(t)
	bucket, key := "photos", "large"
	if _, err := s.s3().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.s3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(random(1, 100<<10))}); err != nil {
		t.Fatal(err)
	}
	place := filepath.Join(t.TempDir(), "backups")
	s.backup(place)
	s.stop()
	var files []string
	walk(t, place, func(path string, _ []byte) { files = append(files, path) })
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		flipped := bytes.Clone(b)
		flipped[rand.IntN(len(b))] ^= 1 << rand.IntN(8)
		if strings.HasSuffix(path, ".json") {
			continue // it says what the directory is, and nothing depends on it
		}
		if err := os.WriteFile(path, flipped, 0o600); err != nil {
			t.Fatal(err)
		}
		if r, exit := s.verifyBackup(place); exit != 1 && exit != 3 || r.Good {
			t.Errorf("%s is flipped: verify = %d, good %v", path, exit, r.Good)
		}
		data := filepath.Join(t.TempDir(), "restored")
		if exit := s.restore(place, data); exit != 3 {
			t.Errorf("%s is flipped: restore = %d; want 3", path, exit)
		}
		if _, err := os.Stat(data); err == nil { // it began
			if _, err := tryStart(quiet{t}, data); err == nil {
				t.Errorf("%s is flipped: what was restored starts", path)
			}
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if r, exit := s.verifyBackup(place); exit != 0 || !r.Good {
		t.Errorf("whole again: verify = %d, %+v", exit, r)
	}
}

// TestKilledRestore kills restores: what they leave does not start, and the next one
// is whole.
func TestKilledRestore(t *testing.T) {
	t.Parallel()
	s := start(t)
	bucket := "photos"
	if _, err := s.s3().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		key := fmt.Sprintf("object-%d", i)
		if _, err := s.s3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(random(uint64(i), 70<<10))}); err != nil {
			t.Fatal(err)
		}
	}
	place := filepath.Join(t.TempDir(), "backups")
	for range 3 { // and backups
		cmd := exec.Command(binary, "backup", "--to", place, "--endpoint-url", s.endpoint)
		cmd.Env = s.env()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rand.N(150 * time.Millisecond))
		cmd.Process.Kill()
		cmd.Wait()
	}
	if out, exit := s.coffer("backup", "--to", place, "--endpoint-url", s.endpoint); exit != 0 && !strings.Contains(out, "LimitExceeded") {
		// Two that were killed may still be under way: the data directory can be
		// backed up once the server has stopped.
		t.Logf("backup beside killed ones: %d %s", exit, out)
	}
	s.stop()
	if _, exit := s.coffer("backup", "--to", place, "--data", s.dir); exit != 0 {
		t.Fatalf("backup of a stopped directory: exit code %d", exit)
	}
	if r, exit := s.verifyBackup(place); exit != 0 || r.Objects.Opened != 40 {
		t.Fatalf("verify = %d %+v", exit, r)
	}
	done := 0
	for range rounds(8, 20, 200) {
		data := filepath.Join(t.TempDir(), "restored")
		cmd := exec.Command(binary, "restore", "--from", place, "--data", data, "--root-from", s.dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rand.N(400 * time.Millisecond))
		cmd.Process.Kill()
		cmd.Wait()
		if _, err := os.Stat(filepath.Join(data, "format.json")); err == nil {
			done++
			fsck(t, data)
			continue
		}
		if _, err := os.Stat(filepath.Join(data, "restoring")); err == nil {
			if _, err := tryStart(quiet{t}, data); err == nil {
				t.Error("what a killed restore has left starts")
			}
			if exit := s.restore(place, data); exit != 2 {
				t.Errorf("a restore over what another has left: exit code %d; want 2", exit)
			}
		}
	}
	t.Logf("%d restores were whole when they were killed", done)
	data := filepath.Join(t.TempDir(), "restored")
	if exit := s.restore(place, data, "--move-root"); exit != 0 {
		t.Fatalf("restore: exit code %d", exit)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "root")); err == nil {
		t.Error("the root that was moved is still there")
	}
	r := startAt(t, data)
	for i := range 40 {
		if b, _ := r.object(bucket, fmt.Sprintf("object-%d", i)); !bytes.Equal(b, random(uint64(i), 70<<10)) {
			t.Errorf("object-%d does not read", i)
		}
	}
}

// TestBackupToBucket keeps backups in a bucket of another server.
func TestBackupToBucket(t *testing.T) {
	t.Parallel()
	s, vault := start(t), start(t)
	bucket, key := "photos", "large"
	for _, c := range []*s3.Client{s.s3(), vault.s3()} {
		if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
			t.Fatal(err)
		}
	}
	want := random(1, 20<<20)
	if _, err := s.s3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(want)}); err != nil {
		t.Fatal(err)
	}
	profiles, err := os.OpenFile(filepath.Join(s.dir, "credentials"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(profiles, "[vault]\naws_access_key_id = %s\naws_secret_access_key = %s\n", vault.keyID, vault.secret); err != nil {
		t.Fatal(err)
	}
	profiles.Close()
	t.Run("suite", func(t *testing.T) {
		n := 0
		archivetest.Run(t, func(t *testing.T) archive.Store {
			n++
			return archives3.New(archives3.Config{Client: vault.s3(), Bucket: bucket, Prefix: fmt.Sprintf("suite/%d/", n)})
		})
	})
	place := "s3://" + bucket + "/backups"
	there := []string{"--s3-endpoint-url", vault.endpoint, "--s3-profile", "vault"}
	if sum := s.backup(place, there...); sum.NewFiles != sum.Files {
		t.Errorf("%+v", sum)
	}
	if sum := s.backup(place, there...); sum.NewBytes > 1<<20 {
		t.Errorf("incremental %+v", sum)
	}
	if r, exit := s.verifyBackup(place, there...); exit != 0 || r.Objects.Opened != 1 {
		t.Errorf("verify = %d %+v", exit, r)
	}
	s.kill()
	data := filepath.Join(t.TempDir(), "restored")
	if exit := s.restore(place, data, there...); exit != 0 {
		t.Fatalf("restore: exit code %d", exit)
	}
	if b, _ := startAt(t, data).object(bucket, key); !bytes.Equal(b, want) {
		t.Error("the object does not read")
	}
}
