package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"coffer/internal/rootseal"
	"coffer/internal/rootseal/sealtest"
)

// modules is where distributions put SoftHSM2.
var modules = []string{
	"/usr/lib/softhsm/libsofthsm2.so",
	"/usr/lib64/pkcs11/libsofthsm2.so",
	"/usr/lib64/softhsm/libsofthsm2.so",
	"/usr/local/lib/softhsm/libsofthsm2.so",
	"/opt/homebrew/lib/softhsm/libsofthsm2.so",
}

// missing skips a test that lacks a program, or fails it where all are installed.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: scripts/install-clients.sh installs it", what)
	}
	t.Skipf("%s is missing", what)
}

var realHelper = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "coffer-pkcs11-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, helperName)
	build := exec.Command("go", "build", "-o", path, "coffer/cmd/coffer-pkcs11")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// softHSM returns the configuration of a new token in SoftHSM2, and its directory.
func softHSM(t *testing.T) (cfg Config, dir string) {
	t.Helper()
	for _, m := range modules {
		if _, err := os.Stat(m); err == nil {
			cfg.Module = m
		}
	}
	if _, err := exec.LookPath("softhsm2-util"); err != nil || cfg.Module == "" {
		missing(t, "SoftHSM2")
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		missing(t, "gcc")
	}
	var err error
	if cfg.Helper, err = realHelper(); err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	tokens := filepath.Join(dir, "tokens")
	if err := os.Mkdir(tokens, 0o700); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "softhsm2.conf")
	text := "directories.tokendir = " + tokens + "\nobjectstore.backend = file\nlog.level = ERROR\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", conf)
	initToken(t, "coffer")
	cfg.Token = "coffer"
	cfg.PINFile = filepath.Join(dir, "pin")
	if err := os.WriteFile(cfg.PINFile, []byte("1234\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return cfg, tokens
}

func initToken(t *testing.T, label string) {
	t.Helper()
	out, err := exec.Command("softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "5678", "--pin", "1234").CombinedOutput()
	if err != nil {
		t.Fatalf("softhsm2-util: %v: %s", err, out)
	}
}

func TestMain(m *testing.M) {
	if os.Getenv(helperVar) != "" {
		beHelper()
		return
	}
	code := m.Run()
	if path, err := realHelper(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func TestSoftHSMVault(t *testing.T) {
	// SoftHSM2 makes no keys of the kind hmac; auto means generic there.
	for name, kind := range map[string]Kind{"auto": KindAny, "aes": KindAES} {
		t.Run(name, func(t *testing.T) {
			sealtest.RunVault(t, func(t *testing.T) (open, other func() rootseal.Vault) {
				cfg, _ := softHSM(t)
				cfg.Kind = kind
				a, b := NewID(), NewID()
				open = func() rootseal.Vault { return mustOpen(t, cfg, a) }
				return open, func() rootseal.Vault { return mustOpen(t, cfg, b) }
			})
		})
	}
}

func TestSoftHSMGate(t *testing.T) {
	sealtest.RunGate(t, func(t *testing.T) (open, other func() rootseal.Gate) {
		cfg, _ := softHSM(t)
		gate := func() func() rootseal.Gate {
			id := NewID()
			g, err := MakeGate(context.Background(), cfg, id)
			if err != nil {
				t.Fatal(err)
			}
			if err := g.Close(); err != nil {
				t.Fatal(err)
			}
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

// objects returns how many objects the token's directory has.
func objects(t *testing.T, tokens string) int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(tokens, "*", "*.object"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, name := range names {
		if filepath.Base(name) != "token.object" {
			n++
		}
	}
	return n
}

// TestSoftHSMForgets looks for the object of a forgotten epoch with other eyes.
func TestSoftHSMForgets(t *testing.T) {
	ctx := context.Background()
	cfg, tokens := softHSM(t)
	v := mustOpen(t, cfg, NewID())
	if !strings.Contains(v.Token(), "coffer") || !strings.Contains(v.Token(), "SoftHSM") {
		t.Errorf("Token = %q", v.Token())
	}
	for n := range uint64(2) {
		if _, err := v.Make(ctx, n); err != nil {
			t.Fatal(err)
		}
	}
	if got := objects(t, tokens); got != 2 {
		t.Fatalf("%d objects in the token; want 2", got)
	}
	if err := v.Forget(ctx, 0); err != nil {
		t.Fatal(err)
	}
	if got := objects(t, tokens); got != 1 {
		t.Errorf("%d objects in the token; want 1", got)
	}
	if err := os.RemoveAll(tokens); err != nil {
		t.Fatal(err)
	}
	if s, err := v.Open(ctx, 1); err == nil {
		t.Errorf("Open = %v; want an error: the token is gone", s)
	}
	v.Close()
	if _, err := v.Open(ctx, 1); err == nil {
		t.Error("Open with a new helper = nil; want an error: the token is gone")
	}
}

func TestSoftHSMRefuses(t *testing.T) {
	ctx := context.Background()
	cfg, _ := softHSM(t)
	initToken(t, "twice")
	initToken(t, "twice")
	tests := []struct {
		name   string
		change func(*Config)
		want   error
	}{
		{"a wrong PIN", func(c *Config) { c.PIN = func() ([]byte, error) { return []byte("4321"), nil } }, ErrPIN},
		{"no such token", func(c *Config) { c.Token = "other" }, ErrToken},
		{"another serial number", func(c *Config) { c.Serial = "other" }, ErrToken},
		{"two tokens", func(c *Config) { c.Token = "twice" }, ErrToken},
		{"no module", func(c *Config) { c.Module = "/nonexistent.so" }, ErrModule},
		{"a module that is none", func(c *Config) { c.Module = c.PINFile }, ErrModule},
		{"a library that is no module", func(c *Config) { c.Module = "/lib/x86_64-linux-gnu/libc.so.6" }, ErrModule},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := cfg
			test.change(&c)
			v, err := OpenVault(ctx, c, NewID())
			if !errors.Is(err, test.want) || v != nil {
				t.Errorf("OpenVault = %v; want %v", err, test.want)
			}
			t.Log(err)
		})
	}
}

// TestSoftHSMDistrusts puts keys under an epoch's label that are not as coffer's
// keys are.
func TestSoftHSMDistrusts(t *testing.T) {
	if _, err := exec.LookPath("pkcs11-tool"); err != nil {
		missing(t, "opensc")
	}
	ctx := context.Background()
	cfg, _ := softHSM(t)
	v := mustOpen(t, cfg, NewID())
	v.Close()
	tool := func(args ...string) {
		t.Helper()
		args = append([]string{"--module", cfg.Module, "--token-label", "coffer", "--login", "--pin", "1234"}, args...)
		if out, err := exec.Command("pkcs11-tool", args...).CombinedOutput(); err != nil {
			t.Fatalf("pkcs11-tool: %v: %s", err, out)
		}
	}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, make([]byte, 32), 0o600); err != nil {
		t.Fatal(err)
	}
	tool("--write-object", secret, "--type", "secrkey", "--key-type", "AES:32", "--sensitive", "--label", v.label(1))
	tool("--keygen", "--key-type", "AES:32", "--extractable", "--label", v.label(2))
	for range 2 {
		tool("--keygen", "--key-type", "AES:32", "--sensitive", "--label", v.label(3))
	}
	for _, test := range []struct {
		name  string
		epoch uint64
	}{{"brought in from outside", 1}, {"may leave the token", 2}, {"one of two", 3}} {
		t.Run(test.name, func(t *testing.T) {
			s, err := v.Open(ctx, test.epoch)
			if !errors.Is(err, ErrUnsafe) || s != (rootseal.Secret{}) {
				t.Errorf("Open = %v; want ErrUnsafe", err)
			}
			t.Log(err)
			if _, err := v.Make(ctx, test.epoch); !errors.Is(err, rootseal.ErrExists) {
				t.Errorf("Make = %v; want ErrExists", err)
			}
			if err := v.Forget(ctx, test.epoch); err != nil {
				t.Errorf("Forget = %v", err)
			}
			if _, err := v.Make(ctx, test.epoch); err != nil {
				t.Errorf("Make after Forget = %v", err)
			}
		})
	}
}

// TestOnlyTheHelperNeedsC looks at what the server is built from.
func TestOnlyTheHelperNeedsC(t *testing.T) {
	for program, want := range map[string]bool{"coffer/cmd/coffer": false, "coffer/cmd/coffer-pkcs11": true} {
		list := exec.Command("go", "list", "-deps", program)
		list.Env = append(os.Environ(), "CGO_ENABLED=1")
		out, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(out), "github.com/miekg/pkcs11\n"); got != want {
			t.Errorf("%s is built from the C binding: %v; want %v", program, got, want)
		}
	}
}
