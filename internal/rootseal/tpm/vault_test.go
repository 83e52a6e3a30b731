package tpm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"

	"coffer/internal/rootseal"
	"coffer/internal/rootseal/sealtest"
)

// An emulator is a running swtpm.
type emulator struct {
	t      testing.TB
	dir    string // its state
	socket string
	stop   func()
}

// emulate starts a TPM, blank unless dir has the state of one.
func emulate(t testing.TB, dir string) *emulator {
	t.Helper()
	path, err := exec.LookPath("swtpm")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("swtpm is missing: scripts/install-clients.sh installs it")
		}
		t.Skip("swtpm is missing")
	}
	// A socket's path is short.
	run, err := os.MkdirTemp("", "swtpm")
	if err != nil {
		t.Fatal(err)
	}
	e := &emulator{t: t, dir: dir, socket: filepath.Join(run, "s")}
	var log bytes.Buffer
	cmd := exec.Command(path, "socket", "--tpm2", "--tpmstate", "dir="+dir, "--flags", "not-need-init",
		"--server", "type=unixio,path="+e.socket, "--ctrl", "type=unixio,path="+e.socket+".ctrl")
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		cmd.Wait()
		close(gone)
	}()
	e.stop = sync.OnceFunc(func() {
		cmd.Process.Kill()
		<-gone
		os.RemoveAll(run)
	})
	t.Cleanup(e.stop)
	for range 1000 {
		if conn, err := net.Dial("unix", e.socket); err == nil {
			conn.Close()
			return e
		}
		select {
		case <-gone:
			t.Fatalf("swtpm ended: %s", log.String())
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Fatal("swtpm does not listen")
	return nil
}

func (e *emulator) config() Config { return Config{Socket: e.socket} }

func (e *emulator) vault() (*Vault, *Identity) {
	e.t.Helper()
	v, id, err := New(context.Background(), e.config())
	if err != nil {
		e.t.Fatal(err)
	}
	return v, id
}

func (e *emulator) open(id *Identity) *Vault {
	e.t.Helper()
	v, err := Open(context.Background(), e.config(), id)
	if err != nil {
		e.t.Fatal(err)
	}
	return v
}

func mustMake(t *testing.T, v *Vault, epoch uint64) rootseal.Secret {
	t.Helper()
	s, err := v.Make(context.Background(), epoch)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestVault(t *testing.T) {
	e := emulate(t, t.TempDir())
	sealtest.RunVault(t, func(t *testing.T) (open, other func() rootseal.Vault) {
		_, a := e.vault()
		_, b := e.vault()
		return func() rootseal.Vault { return e.open(a) }, func() rootseal.Vault { return e.open(b) }
	})
}

// TestReset switches the TPM off and on: the secrets stay, sessions and keys in its
// memory do not.
func TestReset(t *testing.T) {
	dir := t.TempDir()
	e := emulate(t, dir)
	v, id := e.vault()
	one := mustMake(t, v, 1)
	mustMake(t, v, 2)
	if err := v.Forget(context.Background(), 2); err != nil {
		t.Fatal(err)
	}
	e.stop()
	if _, err := v.Epochs(context.Background()); err == nil {
		t.Error("Epochs without a TPM = nil; want an error")
	}
	if err := v.Forget(context.Background(), 1); err == nil {
		t.Error("Forget without a TPM = nil; want an error")
	}
	v = emulate(t, dir).open(id)
	if got, err := v.Open(context.Background(), 1); err != nil || got != one {
		t.Errorf("Open = another secret, or %v", err)
	}
	if _, err := v.Open(context.Background(), 2); !errors.Is(err, rootseal.ErrNoRoot) {
		t.Errorf("Open of a forgotten epoch = %v; want ErrNoRoot", err)
	}
}

// TestForgottenBytes looks for the secret in what the TPM keeps, which an emulator does
// in a file.
func TestForgottenBytes(t *testing.T) {
	e := emulate(t, t.TempDir())
	v, _ := e.vault()
	one, two := mustMake(t, v, 1), mustMake(t, v, 2)
	holds := func(s rootseal.Secret) bool {
		state, err := os.ReadFile(filepath.Join(e.dir, "tpm2-00.permall"))
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Contains(state, s[:])
	}
	if !holds(one) || !holds(two) {
		t.Fatal("the state of the TPM does not hold the secrets: this test looks at the wrong bytes")
	}
	if err := v.Forget(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	if holds(one) || !holds(two) {
		t.Error("the state of the TPM holds a forgotten secret, or lost another one")
	}
}

// TestOtherTPM opens a vault in a TPM that is another one, or was cleared.
func TestOtherTPM(t *testing.T) {
	ctx := context.Background()
	e := emulate(t, t.TempDir())
	v, id := e.vault()
	mustMake(t, v, 1)
	other := emulate(t, t.TempDir())
	if _, err := Open(ctx, other.config(), id); !errors.Is(err, ErrOtherTPM) {
		t.Errorf("Open in another TPM = %v; want ErrOtherTPM", err)
	}
	if err := v.begin(ctx); err != nil {
		t.Fatal(err)
	}
	_, err := tpm2.Clear{AuthHandle: tpm2.AuthHandle{Handle: tpm2.TPMRHLockout, Auth: tpm2.PasswordAuth(nil)}}.Execute(v.wire)
	v.end()
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Forget(ctx, 1); !errors.Is(err, ErrOtherTPM) {
		t.Errorf("Forget in a TPM that was cleared = %v; want ErrOtherTPM", err)
	}
}

// TestListener records what goes over the bus.
func TestListener(t *testing.T) {
	ctx := context.Background()
	e := emulate(t, t.TempDir())
	socket := e.socket + ".proxy"
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var heard bytes.Buffer
	record := func(to, from net.Conn) {
		defer to.Close()
		b := make([]byte, maxMessage)
		for {
			n, err := from.Read(b)
			if err != nil {
				return
			}
			mu.Lock()
			heard.Write(b[:n])
			mu.Unlock()
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
	}
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("unix", e.socket)
			if err != nil {
				from.Close()
				return
			}
			go record(to, from)
			record(from, to)
		}
	}()
	t.Cleanup(func() { l.Close() })
	owner := []byte("the owner's word")
	setOwnerAuth(t, e, owner)
	file := filepath.Join(t.TempDir(), "owner")
	if err := os.WriteFile(file, append(owner, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	v, id, err := New(ctx, Config{Socket: socket, OwnerAuthFile: file})
	if err != nil {
		t.Fatal(err)
	}
	secret := mustMake(t, v, 1)
	if got, err := v.Open(ctx, 1); err != nil || got != secret {
		t.Fatalf("Open = another secret, or %v", err)
	}
	if err := v.Forget(ctx, 1); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if !bytes.Contains(heard.Bytes(), id.mark(1)) {
		t.Fatal("the mark of the index was not heard: this test hears nothing")
	}
	for what, b := range map[string][]byte{"secret": secret[:], "authorization value": id.Auth[:], "owner's authorization": owner} {
		for n := 0; n+8 <= len(b); n += 8 {
			if bytes.Contains(heard.Bytes(), b[n:n+8]) {
				t.Errorf("the %s was heard on the bus", what)
			}
		}
	}
}

func setOwnerAuth(t *testing.T, e *emulator, auth []byte) {
	t.Helper()
	w, err := connect(&Config{Socket: e.socket})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	w.ctx = context.Background()
	if _, err := (tpm2.Startup{StartupType: tpm2.TPMSUClear}).Execute(w); err != nil && !errors.Is(err, tpm2.TPMRCInitialize) {
		t.Fatal(err)
	}
	_, err = tpm2.HierarchyChangeAuth{
		AuthHandle: tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.PasswordAuth(nil)},
		NewAuth:    tpm2.TPM2BAuth{Buffer: auth},
	}.Execute(w)
	if err != nil {
		t.Fatal(err)
	}
}

func TestOwnerAuth(t *testing.T) {
	ctx := context.Background()
	e := emulate(t, t.TempDir())
	setOwnerAuth(t, e, []byte("word"))
	if _, _, err := New(ctx, e.config()); !errors.Is(err, ErrAuthorization) {
		t.Errorf("New without the owner's authorization = %v; want ErrAuthorization", err)
	}
	cfg := e.config()
	cfg.OwnerAuthFile = filepath.Join(t.TempDir(), "owner")
	if _, _, err := New(ctx, cfg); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("New without the file = %v; want os.ErrNotExist", err)
	}
	for word, want := range map[string]error{"wrong": ErrAuthorization, "word": nil} {
		if err := os.WriteFile(cfg.OwnerAuthFile, []byte(word), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := New(ctx, cfg); !errors.Is(err, want) {
			t.Errorf("New with the word %q = %v; want %v", word, err, want)
		}
	}
}

// TestStrangers reads an index with other authorizations, and has indices that only
// look like those of an epoch.
func TestStrangers(t *testing.T) {
	ctx := context.Background()
	e := emulate(t, t.TempDir())
	v, id := e.vault()
	secret := mustMake(t, v, 1)

	thief := *id
	thief.Auth[0] ^= 1
	if s, err := e.open(&thief).Open(ctx, 1); err == nil || s != (rootseal.Secret{}) {
		t.Errorf("Open with another authorization value = %v, %v", s, err)
	}
	if err := v.begin(ctx); err != nil {
		t.Fatal(err)
	}
	all, taken, err := v.indices()
	if err != nil || len(all) != 1 {
		t.Fatalf("%d indices, %v; want 1", len(all), err)
	}
	for who, auth := range map[string]tpm2.AuthHandle{
		"the owner":          v.owner(),
		"nobody":             {Handle: all[0].handle, Name: all[0].name, Auth: tpm2.PasswordAuth(nil)},
		"the platform":       {Handle: tpm2.TPMRHPlatform, Auth: tpm2.PasswordAuth(nil)},
		"one index as other": {Handle: all[0].handle, Name: tpm2.TPM2BName{Buffer: make([]byte, 34)}, Auth: v.session(id.Auth[:])},
	} {
		_, err := tpm2.NVRead{AuthHandle: auth, NVIndex: tpm2.NamedHandle{Handle: all[0].handle, Name: all[0].name}, Size: secretSize}.Execute(v.wire)
		if err == nil {
			t.Errorf("%s can read the secret", who)
		}
	}
	// An index that the owner can read, with the mark of epoch 2.
	public := v.id.public(free(taken), 2, false)
	public.Attributes.OwnerRead = true
	_, err = tpm2.NVDefineSpace{AuthHandle: v.owner(), Auth: tpm2.TPM2BAuth{Buffer: bytes.Clone(id.Auth[:])}, PublicInfo: tpm2.New2B(*public)}.Execute(v.wire)
	if err != nil {
		t.Fatal(err)
	}
	name, err := tpm2.NVName(public)
	if err != nil {
		t.Fatal(err)
	}
	_, err = tpm2.NVWrite{
		AuthHandle: v.user(*name, public.NVIndex, tpm2.AESEncryption(128, tpm2.EncryptIn)),
		NVIndex:    tpm2.NamedHandle{Handle: public.NVIndex, Name: *name},
		Data:       tpm2.TPM2BMaxNVBuffer{Buffer: make([]byte, secretSize)},
	}.Execute(v.wire)
	if err != nil {
		t.Fatal(err)
	}
	// A second index of epoch 1.
	double := free(taken)
	if err := v.define(double, 1); err != nil {
		t.Fatal(err)
	}
	if err := v.write(double, 1, make([]byte, secretSize)); err != nil {
		t.Fatal(err)
	}
	v.end()
	for _, epoch := range []uint64{1, 2} {
		if s, err := v.Open(ctx, epoch); !errors.Is(err, ErrUnsafe) || s != (rootseal.Secret{}) {
			t.Errorf("Open(%d) = %v; want ErrUnsafe", epoch, err)
		}
		if _, err := v.Make(ctx, epoch); !errors.Is(err, rootseal.ErrExists) {
			t.Errorf("Make(%d) = %v; want ErrExists", epoch, err)
		}
		if err := v.Forget(ctx, epoch); err != nil {
			t.Errorf("Forget(%d) = %v", epoch, err)
		}
	}
	if got, err := v.Epochs(ctx); err != nil || len(got) != 0 {
		t.Errorf("Epochs = %d, %v; want none", got, err)
	}
	if mustMake(t, v, 1) == secret {
		t.Error("the secret came back")
	}
}

// TestCut stops after an index was defined and before it was written.
func TestCut(t *testing.T) {
	ctx := context.Background()
	e := emulate(t, t.TempDir())
	v, _ := e.vault()
	if err := v.begin(ctx); err != nil {
		t.Fatal(err)
	}
	for n := range uint64(2) {
		if err := v.define(tpm2.TPMHandle(firstIndex+n), n); err != nil {
			t.Fatal(err)
		}
	}
	v.end()
	if got, err := v.Epochs(ctx); err != nil || len(got) != 0 {
		t.Errorf("Epochs = %d, %v; want none", got, err)
	}
	if _, err := v.Open(ctx, 1); !errors.Is(err, rootseal.ErrNoRoot) {
		t.Errorf("Open = %v; want ErrNoRoot", err)
	}
	secret := mustMake(t, v, 1)
	if got, err := v.Open(ctx, 1); err != nil || got != secret {
		t.Errorf("Open = another secret, or %v", err)
	}
	if err := v.begin(ctx); err != nil {
		t.Fatal(err)
	}
	defer v.end()
	if all, _, err := v.indices(); err != nil || len(all) != 1 {
		t.Errorf("%d indices, %v; want 1: those that were cut are removed", len(all), err)
	}
}

// TestFull fills the TPM, with large indices of others and the rest with secrets.
func TestFull(t *testing.T) {
	ctx := context.Background()
	e := emulate(t, t.TempDir())
	v, _ := e.vault()
	mustMake(t, v, 0)
	if err := v.begin(ctx); err != nil {
		t.Fatal(err)
	}
	for size, handle := uint16(2048), tpm2.TPMHandle(lastIndex); size > secretSize; handle-- {
		public := tpm2.TPMSNVPublic{
			NVIndex: handle, NameAlg: tpm2.TPMAlgSHA256, DataSize: size,
			Attributes: tpm2.TPMANV{NT: tpm2.TPMNTOrdinary, OwnerRead: true, OwnerWrite: true},
		}
		_, err := tpm2.NVDefineSpace{AuthHandle: v.owner(), PublicInfo: tpm2.New2B(public)}.Execute(v.wire)
		if errors.Is(err, tpm2.TPMRCNVSpace) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
	v.end()
	for n := uint64(1); n < 10; n++ {
		_, err := v.Make(ctx, n)
		if err == nil {
			continue
		}
		if !errors.Is(err, ErrFull) {
			t.Fatalf("Make(%d) = %v; want ErrFull", n, err)
		}
		if err := v.Forget(ctx, 0); err != nil {
			t.Error(err)
		}
		mustMake(t, v, n)
		return
	}
	t.Error("the TPM is not full")
}

// A strange is a TPM that answers what it is told to.
func strange(t *testing.T, answer []byte) Config {
	t.Helper()
	dir, err := os.MkdirTemp("", "tpm")
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.Close()
		os.RemoveAll(dir)
	})
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if len(answer) > 0 {
				conn.Read(make([]byte, maxMessage))
				conn.Write(answer)
				conn.Close()
				continue
			}
			go io.Copy(io.Discard, conn)
		}
	}()
	return Config{Socket: socket, Timeout: 50 * time.Millisecond}
}

func TestStrangeAnswers(t *testing.T) {
	for name, answer := range map[string][]byte{
		"none":         {},
		"half":         {0x80, 1, 0, 0},
		"endless":      {0x80, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0},
		"short":        {0x80, 1, 0, 0, 0, 9, 0, 0, 0, 0},
		"failure mode": {0x80, 1, 0, 0, 0, 10, 0, 0, 1, 1},
		"no primary":   {0x80, 1, 0, 0, 0, 10, 0, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if v, _, err := New(context.Background(), strange(t, answer)); err == nil {
				t.Errorf("New = %v; want an error", v)
			}
		})
	}
	for _, cfg := range []Config{{Device: "/dev/nonexistent"}, {Device: "/etc/passwd"}, {Socket: "/nonexistent"}, {}, {Device: "/a", Socket: "/b"}} {
		if v, _, err := New(context.Background(), cfg); err == nil {
			t.Errorf("New(%+v) = %v; want an error", cfg, v)
		}
	}
}

// A tape answers every command with the next of its responses.
type tape struct{ rest []byte }

func (tape) Write(b []byte) (int, error) { return len(b), nil }
func (tape) Close() error                { return nil }
func (tape) SetDeadline(time.Time) error { return nil }
func (p *tape) Read(b []byte) (n int, err error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n = copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// FuzzResponses has a TPM that answers anything.
func FuzzResponses(f *testing.F) {
	response := func(tag uint16, body ...byte) []byte {
		b := binary.BigEndian.AppendUint16(nil, tag)
		b = binary.BigEndian.AppendUint32(b, uint32(headerSize+len(body)))
		return append(append(b, 0, 0, 0, 0), body...)
	}
	id := newIdentity()
	public := tpm2.Marshal(tpm2.New2B(*id.public(firstIndex, 7, true)))
	name, err := tpm2.NVName(id.public(firstIndex, 7, true))
	if err != nil {
		f.Fatal(err)
	}
	list := response(0x8001, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0x80, 0, 0)
	f.Add(append(bytes.Clone(list), response(0x8001, append(public, tpm2.Marshal(*name)...)...)...), id.ID[:])
	f.Add(list, id.ID[:])
	f.Add(response(0x8001), id.ID[:])
	f.Fuzz(func(t *testing.T, b, idBytes []byte) {
		v := &Vault{wire: &wire{rw: &tape{b}, isStream: true, ctx: t.Context()}}
		copy(v.id.ID[:], idBytes)
		all, taken, err := v.indices()
		if err != nil && (all != nil || taken != nil) {
			t.Errorf("indices = %v, %v, %v", all, taken, err)
		}
		for _, x := range all {
			if !taken[x.handle] {
				t.Errorf("index %#x is not taken", uint32(x.handle))
			}
		}
		v.wire.rw = &tape{b}
		if v.load() == nil && v.id.Primary == (Identity{}).Primary {
			t.Error("load took no primary key")
		}
	})
}
