package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"coffer/internal/durable"
	"coffer/internal/identity"
	"coffer/internal/meta"
)

// names are the names that a first start makes, in order, before the stamp.
var names = []string{lockFile, rootDir, metaDir, blobDir, credentialsFile}

func TestPrepareNew(t *testing.T) {
	all := append([]string{tlsDir, "lost+found"}, names...)
	for set := range 1 << len(all) {
		dir := t.TempDir()
		for i, name := range all {
			if set&(1<<i) != 0 {
				if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
					t.Fatal(err)
				}
			}
		}
		st, isNew, err := prepare(t.Context(), dir, true, true)
		if want := (stamp{"data directory", Format, true}); err != nil || !isNew || st != want {
			t.Errorf("prepare with names %b = %+v, new %t, %v; want %+v, new", set, st, isNew, err, want)
		}
		if _, _, err := prepare(t.Context(), dir, false, false); !errors.Is(err, ErrNoData) {
			t.Errorf("prepare with names %b without making = %v; want %v", set, err, ErrNoData)
		}
	}
}

func TestPrepareStamped(t *testing.T) {
	tests := []struct {
		name, stamp string
		want        error
	}{
		{"this format", `{"coffer": "data directory", "format": 2, "devClock": true}`, nil},
		{"a field of later", `{"coffer": "data directory", "format": 2, "devClock": true, "region": "x"}`, nil},
		{"newer", fmt.Sprintf(`{"coffer": "data directory", "format": %d}`, Format+1), ErrNewer},
		{"no format", `{"coffer": "data directory"}`, ErrNotData},
		{"negative", `{"coffer": "data directory", "format": -1}`, ErrNotData},
		{"something else", `{"format": 1}`, ErrNotData},
		{"cut", `{"coffer": "data dir`, ErrNotData},
		{"empty", ``, ErrNotData},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			name := filepath.Join(dir, stampFile)
			if err := os.WriteFile(name, []byte(tt.stamp), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, create := range []bool{true, false} {
				st, isNew, err := prepare(t.Context(), dir, create, false)
				if !errors.Is(err, tt.want) || isNew || err == nil && st != (stamp{"data directory", Format, true}) {
					t.Errorf("prepare(create %t) = %+v, new %t, %v; want %v", create, st, isNew, err, tt.want)
				}
			}
			if b, err := os.ReadFile(name); err != nil || string(b) != tt.stamp {
				t.Errorf("stamp after prepare = %s, %v; want it as it was", b, err)
			}
		})
	}
}

// Every format but the newest has its upgrade.
func TestUpgrades(t *testing.T) {
	if len(upgrades) != Format-1 {
		t.Errorf("there are %d upgrades to format %d; want %d", len(upgrades), Format, Format-1)
	}
}

func TestNotData(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.tex"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := settings(dir)
	_, err := Open(t.Context(), cfg, true, quietLog)
	if !errors.Is(err, ErrNotData) || !strings.Contains(err.Error(), "thesis.tex") {
		t.Errorf("Open = %v; want %v that names the file", err, ErrNotData)
	}
	if err := Init(t.Context(), cfg, quietLog); !errors.Is(err, ErrNotData) {
		t.Errorf("Init = %v; want %v", err, ErrNotData)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the directory holds %v, %v; want the one file that was there", entries, err)
	}
	if _, err := Open(t.Context(), settings(filepath.Join(dir, "none")), false, quietLog); !errors.Is(err, ErrNoData) {
		t.Errorf("Open of nothing = %v; want %v", err, ErrNoData)
	}
}

// A first start that was cut at any name is made good by the next one, and gives
// out a key that works.
func TestCutFirstStart(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "whole")
	if err := Init(t.Context(), settings(whole), quietLog); err != nil {
		t.Fatal(err)
	}
	for n := range len(names) + 1 {
		dir := t.TempDir()
		for _, name := range names[:n] {
			copyTree(t, filepath.Join(whole, name), filepath.Join(dir, name))
		}
		s := openStack(t, settings(dir))
		id, secret := credentials(t, dir)
		k, err := s.Identity.Lookup(t.Context(), id)
		if err != nil || k.Secret.Reveal() != secret || !s.IsNew {
			t.Errorf("after %v: key in credentials: %v, new %t; want one that is known, new", names[:n], err, s.IsNew)
		}
		closeStack(t, s)
		if s := openStack(t, settings(dir)); s.IsNew {
			t.Errorf("after %v: the second start makes the directory again", names[:n])
		}
	}
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	fi, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	if fi.IsDir() {
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
		return
	}
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, fi.Mode())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The engine would make a new row store in the place of one that is gone.
func TestLostRows(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := Init(t.Context(), settings(dir), quietLog); err != nil {
		t.Fatal(err)
	}
	markers, err := filepath.Glob(filepath.Join(dir, metaDir, "marker.manifest.*"))
	if err != nil || len(markers) != 1 {
		t.Fatalf("the row store has markers %q, %v; want one", markers, err)
	}
	for _, lose := range []string{markers[0], filepath.Join(dir, metaDir)} {
		if err := os.RemoveAll(lose); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), settings(dir), true, quietLog); !errors.Is(err, meta.ErrCorrupt) {
			t.Errorf("Open without %s = %v; want %v", lose, err, meta.ErrCorrupt)
		}
		var kinds []string
		err := Check(t.Context(), settings(dir), CheckOptions{}, quietLog, func(f CheckFinding) { kinds = append(kinds, f.Kind) })
		if err != nil || len(kinds) != 1 || kinds[0] != kindMetadata {
			t.Errorf("Check without %s = %v, %v; want %s", lose, kinds, err, kindMetadata)
		}
		if _, err := os.Stat(lose); err == nil {
			t.Errorf("%s was made anew", lose)
		}
	}
}

func TestLock(t *testing.T) {
	cfg := settings(filepath.Join(t.TempDir(), "data"))
	s := openStack(t, cfg)
	_, err := Open(t.Context(), cfg, true, quietLog)
	locked, ok := errors.AsType[*durable.LockedError](err)
	if !ok || locked.PID != os.Getpid() {
		t.Errorf("Open of a directory in use = %v; want the process that has it", err)
	}
	err = Check(t.Context(), cfg, CheckOptions{}, quietLog, func(f CheckFinding) { t.Errorf("finding %+v", f) })
	if !errors.Is(err, durable.ErrLocked) {
		t.Errorf("Check of a directory in use = %v; want %v", err, durable.ErrLocked)
	}
	closeStack(t, s)
	openStack(t, cfg)
}

func TestInit(t *testing.T) {
	cfg := settings(filepath.Join(t.TempDir(), "a", "data"))
	if err := Init(t.Context(), cfg, quietLog); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{
		".": 0o700, credentialsFile: 0o600, stampFile: 0o600, rootDir: 0o700, metaDir: 0o700, blobDir: 0o700,
	} {
		if fi, err := os.Stat(filepath.Join(cfg.Data, name)); err != nil || fi.Mode().Perm() != want {
			t.Errorf("mode of %s = %v, %v; want %v", name, fi.Mode().Perm(), err, want)
		}
	}
	id, secret := credentials(t, cfg.Data)
	cfg.RootAccessKeyID, cfg.RootSecretAccessKey = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	if err := Init(t.Context(), cfg, quietLog); !errors.Is(err, ErrIsData) {
		t.Errorf("second Init = %v; want %v", err, ErrIsData)
	}
	cfg.RootAccessKeyID, cfg.RootSecretAccessKey = "", ""
	s := openStack(t, cfg)
	if k, err := s.Identity.RootKey(t.Context(), cfg.Account); err != nil || k.ID != id || k.Secret.Reveal() != secret {
		t.Errorf("root key after a refused Init = %v, %v; want %s as before", k.ID, err, id)
	}
}

func TestRootKeyFromEnvironment(t *testing.T) {
	cfg := settings(filepath.Join(t.TempDir(), "data"))
	const first, second = "AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE"
	cfg.RootAccessKeyID, cfg.RootSecretAccessKey = first, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	steps := []struct {
		name       string
		id, secret string // in the environment
		want, gone string // access keys
	}{
		{"first start", first, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", first, second},
		{"the same again", first, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", first, second},
		{"another secret", first, "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY", first, second},
		{"another key", second, "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY", second, first},
		{"none", "", "", second, first},
	}
	secret := ""
	for _, tt := range steps {
		cfg.RootAccessKeyID, cfg.RootSecretAccessKey = tt.id, tt.secret
		if tt.secret != "" {
			secret = tt.secret
		}
		s := openStack(t, cfg)
		if k, err := s.Identity.Lookup(t.Context(), tt.want); err != nil || k.Secret.Reveal() != secret {
			t.Errorf("%s: Lookup(%s) = %v; want the key with its secret", tt.name, tt.want, err)
		}
		if _, err := s.Identity.Lookup(t.Context(), tt.gone); !errors.Is(err, identity.ErrNoAccessKey) {
			t.Errorf("%s: Lookup(%s) = %v; want %v", tt.name, tt.gone, err, identity.ErrNoAccessKey)
		}
		if id, text := credentials(t, cfg.Data); id != tt.want || text != secret {
			t.Errorf("%s: credentials hold %s; want %s and its secret", tt.name, id, tt.want)
		}
		closeStack(t, s)
	}

	// Who has moved the file away does not get it back.
	if err := os.Remove(filepath.Join(cfg.Data, credentialsFile)); err != nil {
		t.Fatal(err)
	}
	openStack(t, cfg)
	if _, err := os.Stat(filepath.Join(cfg.Data, credentialsFile)); err == nil {
		t.Error("a later start wrote the credentials again")
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := Init(t.Context(), settings(dir), quietLog); err != nil {
		t.Fatal(err)
	}
	other := settings(dir)
	other.Account = "210987654321"
	if _, err := Open(t.Context(), other, true, quietLog); !errors.Is(err, identity.ErrNoAccount) || !strings.Contains(err.Error(), "210987654321") {
		t.Errorf("Open with another account = %v; want %v", err, identity.ErrNoAccount)
	}
	dev := settings(dir)
	dev.DevClock = true
	if _, err := Open(t.Context(), dev, true, quietLog); err == nil || !strings.Contains(err.Error(), "--dev-clock") {
		t.Errorf("Open with --dev-clock of a directory made without = %v; want an error", err)
	}
	openStack(t, settings(dir)) // which the refusals left unlocked
}
