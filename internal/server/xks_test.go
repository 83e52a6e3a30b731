package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coffer/internal/config"
)

const xksText = `{"stores":[{"path":"/p","account":"123456789012","region":"us-east-1","principal":"arn:aws:iam::123456789012:user/u",` +
	`"credentials":[{"access-key-id":"ABCDEFGHIJKLMNOPQRST","raw-secret-access-key":"FYtE5EFA5FT0mCc3DrGUe2sti527BitkQ0Zr9MO9fvE"}]}]}`

func TestReadStores(t *testing.T) {
	name := filepath.Join(t.TempDir(), "xks.yaml")
	if err := os.WriteFile(name, []byte(xksText), 0o600); err != nil {
		t.Fatal(err)
	}
	stores, _, err := readStores(name)
	if err != nil || len(stores) != 1 || stores[0].Path != "/p/kms/xks/v1" {
		t.Errorf("readStores = %v, %v", stores, err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		if _, _, err := readStores(name); err == nil || !strings.Contains(err.Error(), "mode 0600") {
			t.Errorf("readStores of mode %o = %v", mode, err)
		}
	}
	if _, _, err := readStores(t.TempDir()); err == nil {
		t.Error("readStores of a directory: no error")
	}
	long := filepath.Join(t.TempDir(), "long")
	if err := os.WriteFile(long, []byte(xksText+strings.Repeat(" ", maxXKSFile)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readStores(long); err == nil || !strings.Contains(err.Error(), "longer") {
		t.Errorf("readStores of a long file = %v", err)
	}
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, []byte(strings.Replace(xksText, `"ABCDEFGHIJKLMNOPQRST"`, `"short"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readStores(bad); err == nil || strings.Contains(err.Error(), "FYtE") {
		t.Errorf("readStores of a bad file = %v", err)
	}
}

func TestNewDialer(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, cfg := range []config.KeyStores{
		{Endpoints: []string{"http://hsm.example.com"}}, {CA: "missing"}, {CA: empty}, {Cert: empty, Key: empty},
	} {
		if _, err := newDialer(&cfg); err == nil {
			t.Errorf("newDialer(%+v): no error", cfg)
		}
	}
}
