package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const softHSM = "/usr/lib/softhsm/libsofthsm2.so"

// helper builds coffer-pkcs11 once.
var helper = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(binary), "coffer-pkcs11")
	build := exec.Command("go", "build", "-o", path, "coffer/cmd/coffer-pkcs11")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	out, err := build.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// A token is a token of SoftHSM2 in a directory of its own.
type token struct {
	t    *testing.T
	dir  string
	pin  string // name of the file
	root string // the part, as coffer init takes it
}

func newToken(t *testing.T) *token {
	t.Helper()
	tool(t, "softhsm2-util")
	tool(t, "pkcs11-tool")
	tool(t, "gcc")
	if _, err := os.Stat(softHSM); err != nil {
		missing(t, softHSM)
	}
	if _, err := helper(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	k := &token{t: t, dir: filepath.Join(dir, "tokens"), pin: filepath.Join(dir, "pin"), root: "pkcs11:module=" + softHSM + ";token=coffer"}
	conf := filepath.Join(dir, "softhsm2.conf")
	text := "directories.tokendir = " + k.dir + "\nobjectstore.backend = file\nlog.level = ERROR\n"
	err := errors.Join(os.Mkdir(k.dir, 0o700), os.WriteFile(conf, []byte(text), 0o600), os.WriteFile(k.pin, []byte("73519406\n"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", "coffer", "--so-pin", "5678", "--pin", "73519406").CombinedOutput()
	if err != nil {
		t.Fatalf("softhsm2-util: %v: %s", err, out)
	}
	return k
}

var epochLabel = regexp.MustCompile(`coffer/[a-z2-7]{16}/([0-9a-f]{16}|gate)`)

// keys returns the epochs of the keys in the token, as another program sees them.
func (k *token) keys() []string {
	k.t.Helper()
	out, err := exec.Command("pkcs11-tool", "--module", softHSM, "--token-label", "coffer", "--login", "--pin", "73519406", "--list-objects").Output()
	if err != nil {
		k.t.Fatalf("pkcs11-tool: %v", err)
	}
	var keys []string
	for _, m := range epochLabel.FindAllStringSubmatch(string(out), -1) {
		keys = append(keys, strings.TrimLeft(m[1], "0"))
	}
	return keys
}

func (k *token) wantKeys(want ...string) {
	k.t.Helper()
	if got := k.keys(); strings.Join(got, " ") != strings.Join(want, " ") {
		k.t.Errorf("keys of the epochs %q are in the token; want %q", got, want)
	}
}

// try runs coffer until it ends and returns its exit code and what it said.
func tryCoffer(t *testing.T, args ...string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func mustCoffer(t *testing.T, args ...string) {
	t.Helper()
	if code, out := tryCoffer(t, args...); code != 0 {
		t.Fatalf("coffer %s = %d %s", strings.Join(args, " "), code, out)
	}
}

// wantShut fails the test unless coffer does not start on dir, and says what. A check
// of a root that is none finds an error.
func wantShut(t *testing.T, what, dir string, args ...string) {
	t.Helper()
	for _, command := range []string{"serve", "fsck"} {
		all := append([]string{command, "--data", dir}, args...)
		if command == "serve" {
			all = append(all, "--listen", "127.0.0.1:0")
		}
		if code, out := tryCoffer(t, all...); code != 3 && (command != "fsck" || code != 1) || !strings.Contains(out, what) || strings.Contains(out, "73519406") {
			t.Errorf("coffer %s = %d %s; want 3 and %q", command, code, out, what)
		}
	}
}

// A sealing is a bucket with one object under each of two keys and one under the
// account's own.
type sealing struct {
	t    *testing.T
	keys [2]string
}

func sealObjects(t *testing.T, s *server) *sealing {
	t.Helper()
	x := &sealing{t: t}
	s.makeBucket("sealed")
	for i := range x.keys {
		x.keys[i] = s.newKey(t)
		x.put(s, fmt.Sprint(i), &s3.PutObjectInput{ServerSideEncryption: s3types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &x.keys[i]})
	}
	x.put(s, "own", &s3.PutObjectInput{})
	return x
}

func (s *server) newKey(t *testing.T) string {
	t.Helper()
	k, err := s.kms().CreateKey(context.Background(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	return *k.KeyMetadata.KeyId
}

func (x *sealing) put(s *server, name string, in *s3.PutObjectInput) {
	x.t.Helper()
	in.Bucket, in.Key, in.Body = aws.String("sealed"), &name, bytes.NewReader([]byte("object "+name))
	if _, err := s.s3().PutObject(context.Background(), in); err != nil {
		x.t.Fatal(err)
	}
}

// wantOpen fails the test unless exactly these objects open.
func (x *sealing) wantOpen(s *server, want ...string) {
	x.t.Helper()
	open := ""
	for _, name := range []string{"0", "1", "own"} {
		out, err := s.s3().GetObject(context.Background(), &s3.GetObjectInput{Bucket: aws.String("sealed"), Key: &name})
		if err != nil {
			continue
		}
		b, err := io.ReadAll(out.Body)
		if out.Body.Close(); err != nil || string(b) != "object "+name {
			x.t.Errorf("object %s = %q, %v", name, b, err)
		}
		open += " " + name
	}
	if open != " "+strings.Join(want, " ") {
		x.t.Errorf("these objects open:%s; want: %s", open, strings.Join(want, " "))
	}
}

// destroy destroys a key.
func (s *server) destroy(t *testing.T, key string) {
	t.Helper()
	in := &kms.ScheduleKeyDeletionInput{KeyId: &key, PendingWindowInDays: aws.Int32(7)}
	if _, err := s.kms().ScheduleKeyDeletion(context.Background(), in); err != nil {
		t.Fatal(err)
	}
	s.advance(7 * 24 * time.Hour)
	_, err := s.kms().DescribeKey(context.Background(), &kms.DescribeKeyInput{KeyId: &key})
	wantCode(t, "DescribeKey of a destroyed key", err, "NotFoundException")
}

// helperOf returns the process of the helper of a server.
func helperOf(t *testing.T, s *server) int {
	t.Helper()
	var found []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		var pid, parent int
		before, after, ok := strings.Cut(string(b), " (coffer-pkcs11) ")
		if !ok {
			continue
		}
		var state string
		fmt.Sscan(before, &pid)
		fmt.Sscan(after, &state, &parent)
		if parent == s.cmd.Process.Pid && state != "Z" {
			found = append(found, pid)
		}
	}
	if len(found) != 1 {
		t.Fatalf("the server has %d helpers; want 1", len(found))
	}
	return found[0]
}

// wantGone waits until a process is gone.
func wantGone(t *testing.T, pid int) {
	t.Helper()
	for range 500 {
		if err := syscall.Kill(pid, 0); err != nil {
			return
		}
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err != nil || strings.Contains(string(b), ") Z ") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d is still there", pid)
}

// TestHSM serves from a root in an HSM, destroys keys, and comes back with everything
// that was ever on the disk.
func TestHSM(t *testing.T) {
	k := newToken(t)
	dir := filepath.Join(t.TempDir(), "data")
	wrong := filepath.Join(t.TempDir(), "pin")
	if err := os.WriteFile(wrong, []byte("0000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := tryCoffer(t, "init", "--data", dir, "--dev-clock", "--root", "file,"+k.root, "--root-pin-file", wrong); code != 3 || !strings.Contains(out, "the token refused the PIN") {
		t.Errorf("coffer init with a wrong PIN = %d %s; want 3", code, out)
	}
	mustCoffer(t, "init", "--data", dir, "--dev-clock", "--root", "file,"+k.root, "--root-pin-file", k.pin)
	k.wantKeys("1")
	args := []string{"--dev-clock", "--root-pin-file", k.pin}
	s := startAt(t, dir, args...)
	x := sealObjects(t, s)
	x.wantOpen(s, "0", "1", "own")
	old := filepath.Join(t.TempDir(), "root")
	if err := os.CopyFS(old, os.DirFS(filepath.Join(dir, "root"))); err != nil {
		t.Fatal(err)
	}

	// Nobody sees the PIN in a list of processes, and the helper's memory is shut.
	child := helperOf(t, s)
	for _, pid := range []int{child, s.cmd.Process.Pid} {
		for _, name := range []string{"cmdline", "environ"} {
			if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name)); err != nil || bytes.Contains(b, []byte("73519406")) {
				t.Errorf("the PIN is in /proc/%d/%s, or %v", pid, name, err)
			}
		}
	}
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", child)); err != nil || !regexp.MustCompile(`Max core file size +0 +0 `).Match(b) {
		t.Errorf("the helper may dump core: %s, %v", b, err)
	}

	s.destroy(t, x.keys[0])
	x.wantOpen(s, "1", "own")
	k.wantKeys("2")

	// The helper dies; the next change of the epoch has another one.
	if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	wantGone(t, child)
	s.destroy(t, s.newKey(t))
	x.wantOpen(s, "1", "own")
	k.wantKeys("3")
	child = helperOf(t, s)
	s.stop()
	wantGone(t, child)

	s = startAt(t, dir, args...)
	x.wantOpen(s, "1", "own")
	k.wantKeys("3")
	child = helperOf(t, s)
	s.kill()
	wantGone(t, child)

	// The root as it was before the first key was destroyed opens nothing.
	back := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(back, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(back, "root")), os.CopyFS(filepath.Join(back, "root"), os.DirFS(old))); err != nil {
		t.Fatal(err)
	}
	wantShut(t, "root", back, "--root-pin-file", k.pin)
	k.wantKeys("3")

	wantShut(t, "the token refused the PIN", dir, "--root-pin-file", wrong)
	wantShut(t, "the PKCS #11 helper does not run", dir, "--root-pin-file", k.pin, "--pkcs11-helper", "/nonexistent")
	s = startAt(t, dir, args...)
	x.wantOpen(s, "1", "own")
	s.stop()

	if err := errors.Join(os.RemoveAll(k.dir), os.Mkdir(k.dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	wantShut(t, "no such token", dir, "--root-pin-file", k.pin)
}

// TestHSMGate serves from a root that a key in an HSM keeps shut.
func TestHSMGate(t *testing.T) {
	k := newToken(t)
	dir := filepath.Join(t.TempDir(), "data")
	mustCoffer(t, "init", "--data", dir, "--dev-clock", "--root", "file,"+k.root+";mode=gate", "--root-pin-file", k.pin)
	k.wantKeys("gate")
	s := startAt(t, dir, "--dev-clock", "--root-pin-file", k.pin)
	x := sealObjects(t, s)
	s.destroy(t, x.keys[0])
	s.stop()
	k.wantKeys("gate")
	s = startAt(t, dir, "--dev-clock", "--root-pin-file", k.pin)
	x.wantOpen(s, "1", "own")
	s.stop()
	out, err := exec.Command("pkcs11-tool", "--module", softHSM, "--token-label", "coffer", "--login", "--pin", "73519406",
		"--delete-object", "--type", "secrkey", "--label", k.label()).CombinedOutput()
	if err != nil {
		t.Fatalf("pkcs11-tool: %v: %s", err, out)
	}
	wantShut(t, "the key of the gate is not in the token", dir, "--root-pin-file", k.pin)
}

// TestHSMRestore restores a backup of before a key was destroyed, with the root that
// the HSM opens.
func TestHSMRestore(t *testing.T) {
	k := newToken(t)
	dir := filepath.Join(t.TempDir(), "data")
	mustCoffer(t, "init", "--data", dir, "--dev-clock", "--root", "file,"+k.root, "--root-pin-file", k.pin)
	s := startAt(t, dir, "--dev-clock", "--root-pin-file", k.pin)
	x := sealObjects(t, s)
	place := filepath.Join(t.TempDir(), "backups")
	s.backup(place)
	s.destroy(t, x.keys[0])
	s.stop()
	k.wantKeys("2")
	restored := filepath.Join(t.TempDir(), "restored")
	args := []string{"restore", "--from", place, "--data", restored, "--root-from", dir}
	if code, out := tryCoffer(t, append(args, "--move-root")...); code != 3 || !strings.Contains(out, "PIN") {
		t.Errorf("coffer restore without the PIN = %d %s; want 3", code, out)
	}
	if err := os.RemoveAll(restored); err != nil {
		t.Fatal(err)
	}
	if code, out := tryCoffer(t, append(args, "--root-pin-file", k.pin)...); code == 0 || !strings.Contains(out, "outside") {
		t.Errorf("coffer restore of a root whose part in the token would serve two directories = %d %s", code, out)
	}
	mustCoffer(t, append(args, "--root-pin-file", k.pin, "--move-root")...)
	s = startAt(t, restored, "--dev-clock", "--root-pin-file", k.pin)
	x.wantOpen(s, "1", "own")
	if code, body := s.admin("POST", "clock/confirm", "{}"); code != 200 {
		t.Fatalf("POST clock/confirm = %d %s; want 200", code, body)
	}
	s.destroy(t, x.keys[1])
	x.wantOpen(s, "own")
	k.wantKeys("3")
}

// label returns the label of the one key in the token.
func (k *token) label() string {
	k.t.Helper()
	out, err := exec.Command("pkcs11-tool", "--module", softHSM, "--token-label", "coffer", "--login", "--pin", "73519406", "--list-objects").Output()
	if err != nil {
		k.t.Fatal(err)
	}
	return epochLabel.FindString(string(out))
}

// emulateTPM runs a TPM whose state is in dir, until stop is called or the test ends.
func emulateTPM(t *testing.T, dir string) (socket string, stop func()) {
	t.Helper()
	swtpm := tool(t, "swtpm")
	run, err := os.MkdirTemp("", "swtpm")
	if err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(run, "s")
	cmd := exec.Command(swtpm, "socket", "--tpm2", "--tpmstate", "dir="+dir, "--flags", "not-need-init",
		"--server", "type=unixio,path="+socket, "--ctrl", "type=unixio,path="+socket+".ctrl")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		cmd.Process.Kill()
		cmd.Wait()
		os.RemoveAll(run)
	})
	t.Cleanup(stop)
	for range 1000 {
		if conn, err := net.Dial("unix", socket); err == nil {
			conn.Close()
			return socket, stop
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("swtpm does not listen")
	return "", nil
}

// TestTPM serves from a root in the machine's TPM, destroys a key, and puts the whole
// disk back to what it was before.
func TestTPM(t *testing.T) {
	socket, stop := emulateTPM(t, t.TempDir())
	dir := filepath.Join(t.TempDir(), "data")
	mustCoffer(t, "init", "--data", dir, "--dev-clock", "--root", "file,tpm:socket="+socket)
	s := startAt(t, dir, "--dev-clock")
	x := sealObjects(t, s)
	s.stop()
	disk := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(disk, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	s = startAt(t, dir, "--dev-clock")
	s.destroy(t, x.keys[0])
	x.wantOpen(s, "1", "own")
	s.stop()
	s = startAt(t, dir, "--dev-clock")
	x.wantOpen(s, "1", "own")
	s.stop()
	wantShut(t, "root", disk)
	stop()
	wantShut(t, "part of the root is missing", dir)
}

// TestHardwareRootsGuide pastes the guide into a shell, block by block.
func TestHardwareRootsGuide(t *testing.T) {
	newToken(t) // what it needs is there
	tool(t, "swtpm")
	path, err := helper()
	if err != nil {
		t.Fatal(err)
	}
	script := "set -u\nexport PATH=" + filepath.Dir(path) + ":$PATH\n" + guide(t, "hardware-roots.md")
	// A socket's path is short.
	work, err := os.MkdirTemp("", "guide")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(work)
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir = work
	b, err := cmd.CombinedOutput()
	out := string(b)
	if err != nil {
		t.Errorf("the guide ends with %v", err)
	}
	for want, times := range map[string]int{
		"hsm-data is ready": 1, "two-data is ready": 1, "tpm-data is ready": 1, "0 errors": 3,
		"exit 3, as it should be": 1, "the token refused the PIN": 1, "never extractable": 1, "end of the guide": 1,
	} {
		if got := strings.Count(out, want); got != times {
			t.Errorf("the guide prints %q %d times; want %d", want, got, times)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}
