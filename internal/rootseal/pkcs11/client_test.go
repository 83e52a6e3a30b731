package pkcs11

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"coffer/internal/rootseal"
	"coffer/internal/rootseal/sealtest"
)

// helperVar makes the test binary a helper. Its token is the file that the request
// calls a module.
const helperVar = "PKCS11_TEST_HELPER"

// beHelper serves a fake token.
func beHelper() {
	for _, e := range os.Environ() {
		if strings.HasPrefix(e, "COFFER_") || strings.HasPrefix(e, "AWS_") {
			fmt.Fprintln(os.Stderr, "the helper was given", e)
			os.Exit(1)
		}
	}
	if err := Serve(os.Stdin, os.Stdout, openFake); err != nil {
		os.Exit(1)
	}
}

// A fakeToken is a token in a file.
type fakeToken struct {
	path string
	Keys map[string][]byte
	Do   string // what goes wrong: the operation and how
}

func openFake(r *Request) (Session, string, error) {
	t := &fakeToken{path: r.Module}
	if err := t.load(); err != nil {
		return nil, "", Failf(StatusModule, "%v", err)
	}
	count(r.Module)
	switch {
	case r.Token != "coffer":
		return nil, "", Failf(StatusNoToken, "no token %s", r.Token)
	case string(r.PIN) != "1234":
		return nil, "", Failf(StatusPIN, "CKR_PIN_INCORRECT")
	}
	return t, "coffer (a fake)", nil
}

// count counts the helpers that were started, in the size of a file.
func count(path string) {
	f, _ := os.OpenFile(path+".starts", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	f.WriteString(".")
	f.Close()
}

func starts(t *testing.T, path string) int64 {
	info, err := os.Stat(path + ".starts")
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func (t *fakeToken) load() error {
	b, err := os.ReadFile(t.path)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, t)
}

func (t *fakeToken) save() error {
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return os.WriteFile(t.path, b, 0o600)
}

// begin does what is to go wrong, once.
func (t *fakeToken) begin(op string) error {
	if err := t.load(); err != nil {
		return err
	}
	bad, ok := strings.CutPrefix(t.Do, op+" ")
	if !ok {
		return nil
	}
	t.Do = ""
	if err := t.save(); err != nil {
		return err
	}
	switch bad {
	case "die":
		os.Exit(1)
	case "hang":
		select {}
	case "lose":
		return Failf(StatusLost, "CKR_SESSION_HANDLE_INVALID")
	case "print":
		fmt.Println("this is no answer")
	}
	return errors.New("CKR_DEVICE_ERROR \x1b[2J")
}

func (t *fakeToken) List(prefix string) ([]string, error) {
	if err := t.begin("list"); err != nil {
		return nil, err
	}
	labels := slices.Sorted(maps.Keys(t.Keys))
	return slices.DeleteFunc(labels, func(l string) bool { return !strings.HasPrefix(l, prefix) }), nil
}

func (t *fakeToken) Make(label string, kind Kind) error {
	if err := t.begin("make"); err != nil {
		return err
	}
	if t.Keys[label] != nil {
		return Failf(StatusExists, "%s", label)
	}
	if t.Keys == nil {
		t.Keys = map[string][]byte{}
	}
	t.Keys[label] = make([]byte, 32)
	rand.Read(t.Keys[label])
	return t.save()
}

func (t *fakeToken) Derive(label string, input []byte) (secret [SecretSize]byte, err error) {
	if err := t.begin("derive"); err != nil {
		return secret, err
	}
	key := t.Keys[label]
	if key == nil {
		return secret, Failf(StatusNotFound, "%s", label)
	}
	h := hmac.New(sha256.New, key)
	h.Write(input)
	return [SecretSize]byte(h.Sum(nil)), nil
}

func (t *fakeToken) Destroy(label string) (int, error) {
	if err := t.begin("destroy"); err != nil {
		return 0, err
	}
	n := len(t.Keys)
	delete(t.Keys, label)
	return n - len(t.Keys), t.save()
}

// fake returns the configuration of a new fake token, and a function that has it do
// something wrong.
func fake(t *testing.T) (cfg Config, do func(string)) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(helperVar, "1")
	t.Setenv("COFFER_ROOT_SECRET_ACCESS_KEY", "not for modules")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "not for modules")
	token := &fakeToken{path: filepath.Join(t.TempDir(), "token")}
	if err := token.save(); err != nil {
		t.Fatal(err)
	}
	pin := func() ([]byte, error) { return []byte("1234"), nil }
	return Config{Module: token.path, Token: "coffer", PIN: pin, Helper: program}, func(what string) {
		if err := token.load(); err != nil {
			t.Fatal(err)
		}
		token.Do = what
		if err := token.save(); err != nil {
			t.Fatal(err)
		}
	}
}

func mustOpen(t *testing.T, cfg Config, id string) *Vault {
	t.Helper()
	v, err := OpenVault(context.Background(), cfg, id)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Close() })
	return v
}

func TestFakeVault(t *testing.T) {
	sealtest.RunVault(t, func(t *testing.T) (open, other func() rootseal.Vault) {
		cfg, _ := fake(t)
		a, b := NewID(), NewID()
		return func() rootseal.Vault { return mustOpen(t, cfg, a) }, func() rootseal.Vault { return mustOpen(t, cfg, b) }
	})
}

func TestFakeGate(t *testing.T) {
	sealtest.RunGate(t, func(t *testing.T) (open, other func() rootseal.Gate) {
		cfg, _ := fake(t)
		gate := func() func() rootseal.Gate {
			id := NewID()
			g, err := MakeGate(context.Background(), cfg, id)
			if err != nil {
				t.Fatal(err)
			}
			g.Close()
			return func() rootseal.Gate {
				g, err := OpenGate(context.Background(), cfg, id)
				if err != nil {
					t.Fatal(err)
				}
				return g
			}
		}
		return gate(), gate()
	})
}

// TestHelperDies kills the helper, or its session, under each call.
func TestHelperDies(t *testing.T) {
	ctx := context.Background()
	for _, how := range []string{"die", "lose", "print"} {
		t.Run(how, func(t *testing.T) {
			cfg, do := fake(t)
			v := mustOpen(t, cfg, NewID())
			secret, err := v.Make(ctx, 1)
			if err != nil {
				t.Fatal(err)
			}
			do("derive " + how)
			if got, err := v.Open(ctx, 1); err != nil || got != secret {
				t.Errorf("Open after the helper died = another secret, or %v", err)
			}
			do("list " + how)
			if got, err := v.Epochs(ctx); err != nil || len(got) != 1 {
				t.Errorf("Epochs after the helper died = %d, %v", got, err)
			}
			do("make " + how)
			if _, err := v.Make(ctx, 2); err == nil {
				t.Error("Make while the helper died = nil; want an error: nobody knows what it did")
			}
			if err := v.Forget(ctx, 2); err != nil {
				t.Errorf("Forget after it = %v", err)
			}
			do("destroy " + how)
			if err := v.Forget(ctx, 1); err != nil {
				t.Errorf("Forget while the helper died = %v", err)
			}
			if got, err := v.Epochs(ctx); err != nil || len(got) != 0 {
				t.Errorf("Epochs = %d, %v; want none", got, err)
			}
		})
	}
}

func TestHelperHangs(t *testing.T) {
	cfg, do := fake(t)
	v := mustOpen(t, cfg, NewID())
	secret, err := v.Make(context.Background(), 1)
	if err != nil {
		t.Fatal(err)
	}
	v.c.cfg.Timeout = 50 * time.Millisecond
	do("derive hang")
	if _, err := v.Open(context.Background(), 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Open of a token that hangs = %v; want context.DeadlineExceeded", err)
	}
	v.c.cfg.Timeout = defaultTimeout
	if got, err := v.Open(context.Background(), 1); err != nil || got != secret {
		t.Errorf("Open after it = another secret, or %v", err)
	}
}

// TestHelperEnds ends the stream while the token hangs.
func TestHelperEnds(t *testing.T) {
	cfg, do := fake(t)
	v := mustOpen(t, cfg, NewID())
	do("list hang")
	p := v.c.running
	if err := WriteFrame(p.in, AppendRequest(nil, &Request{Op: OpList, Number: 99, Label: "coffer/"})); err != nil {
		t.Fatal(err)
	}
	for range 500 { // until it hangs
		b, _ := os.ReadFile(cfg.Module)
		if !strings.Contains(string(b), "hang") {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.in.Close()
	<-p.gone
}

func TestErrorsOfTheToken(t *testing.T) {
	cfg, do := fake(t)
	v := mustOpen(t, cfg, NewID())
	do("make fail")
	_, err := v.Make(context.Background(), 1)
	if err == nil || !strings.Contains(err.Error(), "CKR_DEVICE_ERROR ?[2J") {
		t.Errorf("Make = %v; want the token's words, printable", err)
	}
	if _, err := v.Make(context.Background(), 1); err != nil {
		t.Errorf("Make after it = %v", err)
	}
	if got := starts(t, cfg.Module); got != 2 {
		t.Errorf("%d helpers were started; want 2: a device that failed is logged in to again", got)
	}
}

// TestWrongPIN counts how often a wrong PIN reaches the token, which locks itself.
func TestWrongPIN(t *testing.T) {
	cfg, _ := fake(t)
	good := cfg.PIN
	pin := []byte("4321")
	cfg.PIN = func() ([]byte, error) { return pin, nil }
	if _, err := OpenVault(context.Background(), cfg, NewID()); !errors.Is(err, ErrPIN) || strings.Contains(err.Error(), "4321") {
		t.Errorf("OpenVault = %v; want ErrPIN", err)
	}
	if string(pin) != "\x00\x00\x00\x00" {
		t.Errorf("the PIN was not wiped: %q", pin)
	}
	cfg.PIN = good
	v := mustOpen(t, cfg, NewID())
	v.Close()
	v.c.cfg.PIN = func() ([]byte, error) { return []byte("4321"), nil }
	for range 3 {
		if _, err := v.Epochs(context.Background()); !errors.Is(err, ErrPIN) {
			t.Errorf("Epochs = %v; want ErrPIN", err)
		}
	}
	if got := starts(t, cfg.Module); got != 3 {
		t.Errorf("%d helpers were started; want 3: one refused, one good, one refused", got)
	}
}

func TestWhatIsMissing(t *testing.T) {
	cfg, _ := fake(t)
	tests := []struct {
		name   string
		change func(c *Config)
		want   error
	}{
		{"helper", func(c *Config) { c.Helper = "/nonexistent/coffer-pkcs11" }, ErrHelper},
		{"helper that is none", func(c *Config) { c.Helper = "/bin/true" }, ErrHelper},
		{"module", func(c *Config) { c.Module = "/nonexistent/module.so" }, ErrModule},
		{"token", func(c *Config) { c.Token = "other" }, ErrToken},
		{"PIN file", func(c *Config) { c.PIN, c.PINFile = nil, "/nonexistent/pin" }, fs.ErrNotExist},
		{"PIN", func(c *Config) { c.PIN = func() ([]byte, error) { return nil, io.ErrUnexpectedEOF } }, io.ErrUnexpectedEOF},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := cfg
			test.change(&c)
			if _, err := OpenVault(context.Background(), c, NewID()); !errors.Is(err, test.want) {
				t.Errorf("OpenVault = %v; want %v", err, test.want)
			}
		})
	}
	if _, err := OpenGate(context.Background(), cfg, NewID()); !errors.Is(err, ErrNoGate) {
		t.Errorf("OpenGate of no gate = %v; want ErrNoGate", err)
	}
	id := NewID()
	if g, err := MakeGate(context.Background(), cfg, id); err != nil {
		t.Error(err)
	} else {
		g.Close()
	}
	if _, err := MakeGate(context.Background(), cfg, id); !errors.Is(err, rootseal.ErrExists) {
		t.Errorf("second MakeGate = %v; want ErrExists", err)
	}
	for _, id := range []string{"", "x", strings.Repeat("A", 16), strings.Repeat("a", 15), strings.Repeat("a", 17), "aaaaaaaaaaaaaaa/"} {
		if _, err := OpenVault(context.Background(), cfg, id); err == nil {
			t.Errorf("OpenVault with the ID %q = nil; want an error", id)
		}
	}
}

// TestStrangeLabel has a key that begins like those of the vault.
func TestStrangeLabel(t *testing.T) {
	cfg, _ := fake(t)
	v := mustOpen(t, cfg, NewID())
	token := &fakeToken{path: cfg.Module, Keys: map[string][]byte{prefix(v.id) + "1": {1}}}
	if err := token.save(); err != nil {
		t.Fatal(err)
	}
	if got, err := v.Epochs(context.Background()); !errors.Is(err, ErrUnsafe) {
		t.Errorf("Epochs = %d, %v; want ErrUnsafe", got, err)
	}
}
