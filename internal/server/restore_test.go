package server

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"coffer/internal/archive/dir"
	"coffer/internal/backup"
	"coffer/internal/calendar"
	"coffer/internal/config"
	"coffer/internal/durable"
	"coffer/internal/key"
	"coffer/internal/rootseal"
	"coffer/internal/trail"
)

// backedUp makes a data directory with a key, and a backup of it.
func backedUp(t *testing.T) (cfg *config.Server, place *dir.Store, ref key.Ref) {
	t.Helper()
	cfg = settings(filepath.Join(t.TempDir(), "data"))
	s, err := Open(t.Context(), cfg, true, quietLog)
	if err != nil {
		t.Fatal(err)
	}
	k, err := s.Keys.Create(t.Context(), key.CreateInput{Account: cfg.Account, Region: cfg.Region}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if place, err = dir.Open(filepath.Join(t.TempDir(), "backups"), true, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Backup(t.Context(), cfg, place, backup.ReceiveOptions{}, quietLog); err != nil {
		t.Fatal(err)
	}
	return cfg, place, k.Ref
}

func restoreOptions(t *testing.T, cfg *config.Server, place *dir.Store) *RestoreOptions {
	to := *cfg
	to.Data = filepath.Join(t.TempDir(), "restored")
	return &RestoreOptions{From: place, Config: &to, RootFrom: cfg.Data, Exported: new(config.Root)}
}

func TestRestoreRefuses(t *testing.T) {
	cfg, place, _ := backedUp(t)
	other, otherPlace, _ := backedUp(t)
	tests := map[string]struct {
		change func(t *testing.T, o *RestoreOptions)
		want   error
	}{
		"root of another store":   {func(_ *testing.T, o *RestoreOptions) { o.RootFrom = other.Data }, backup.ErrOtherStore},
		"backup of another store": {func(_ *testing.T, o *RestoreOptions) { o.From = otherPlace }, backup.ErrOtherStore},
		"no root":                 {func(t *testing.T, o *RestoreOptions) { o.RootFrom = t.TempDir() }, rootseal.ErrNoRoot},
		"nothing there":           {func(t *testing.T, o *RestoreOptions) { o.RootFrom = filepath.Join(t.TempDir(), "x") }, os.ErrNotExist},
		"no such backup":          {func(_ *testing.T, o *RestoreOptions) { o.Name = "20200101T000000000Z-0" }, backup.ErrNoBackups},
		"full directory":          {func(_ *testing.T, o *RestoreOptions) { o.Config.Data = other.Data }, ErrNotNew},
		"parts of a copy":         {func(_ *testing.T, o *RestoreOptions) { o.Config.Root.Spec = []string{"file"} }, ErrRootSpec},
		"root in use": {func(t *testing.T, o *RestoreOptions) {
			l, err := durable.AcquireLock(filepath.Join(cfg.Data, lockFile))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Release() })
		}, durable.ErrLocked},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := restoreOptions(t, cfg, place)
			tt.change(t, o)
			if _, err := Restore(t.Context(), o, quietLog); !errors.Is(err, tt.want) {
				t.Errorf("Restore = %v; want %v", err, tt.want)
			}
			if stamped, _ := isStamped(o.Config.Data); stamped && o.Config.Data != other.Data {
				t.Error("a directory was made all the same")
			}
		})
	}
}

// A restore tells of itself, and holds what is due.
func TestRestore(t *testing.T) {
	cfg, place, ref := backedUp(t)
	o := restoreOptions(t, cfg, place)
	out, err := Restore(t.Context(), o, quietLog)
	if err != nil || out.Rows == 0 || out.Epoch != 1 || out.BackupEpoch != 1 {
		t.Fatalf("Restore = %+v, %v", out, err)
	}
	was, err := os.ReadFile(filepath.Join(cfg.Data, credentialsFile))
	if err != nil {
		t.Fatal(err)
	}
	if is, err := os.ReadFile(filepath.Join(o.Config.Data, credentialsFile)); err != nil || string(is) != string(was) {
		t.Errorf("credentials are %d bytes, %v; want those of before", len(is), err)
	}
	if _, err := os.Stat(filepath.Join(o.Config.Data, restoringFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left: %v", restoringFile, err)
	}
	s, err := Open(t.Context(), o.Config, false, quietLog)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	if !strings.Contains(s.Clock.Held(), "restored") {
		t.Errorf("Held = %q", s.Clock.Held())
	}
	if _, err := s.Keys.Get(t.Context(), ref); err != nil {
		t.Error(err)
	}
	if err := s.Trail.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	last := ""
	err = trail.Scan(t.Context(), s.Meta, node, 1, func(e trail.Entry) (bool, error) { last = string(e.JSON); return true, nil })
	if err != nil || !strings.Contains(last, `"RestoreBackup"`) || !strings.Contains(last, out.Name) || !strings.Contains(last, "AwsServiceEvent") {
		t.Errorf("the last event is %s, %v", last, err)
	}
	if r, err := trail.Verify(t.Context(), s.Meta, node); err != nil || r.Fault != nil {
		t.Errorf("Verify = %+v, %v", r, err)
	}
}

// A backup that is of a later epoch than the root was made with another copy of it.
func TestRestoreWithAnOldRoot(t *testing.T) {
	cfg, _, ref := backedUp(t)
	old := filepath.Join(t.TempDir(), "old")
	if err := os.MkdirAll(old, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := copyRoot(filepath.Join(cfg.Data, rootDir), filepath.Join(old, rootDir)); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), cfg, false, quietLog)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Keys.Destroy(t.Context(), []key.Ref{ref}, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	place, err := dir.Open(filepath.Join(t.TempDir(), "backups"), true, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Backup(t.Context(), cfg, place, backup.ReceiveOptions{}, quietLog); err != nil {
		t.Fatal(err)
	}
	o := restoreOptions(t, cfg, place)
	o.RootFrom = old
	if _, err := Restore(t.Context(), o, quietLog); err == nil || !strings.Contains(err.Error(), "old copy") {
		t.Errorf("Restore with an old root = %v; want a refusal", err)
	}
}

// An old backup opens with the root of now, as a store, without what was destroyed
// since; nothing is written to the root.
func TestBackupStore(t *testing.T) {
	cfg, place, doomed := backedUp(t)
	s, err := Open(t.Context(), cfg, false, quietLog)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := s.Keys.Create(t.Context(), key.CreateInput{Account: cfg.Account, Region: cfg.Region}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := Backup(t.Context(), cfg, place, backup.ReceiveOptions{}, quietLog); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(t.Context(), cfg, false, quietLog); err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	if _, err := s.Keys.Destroy(t.Context(), []key.Ref{doomed}, nil); err != nil {
		t.Fatal(err)
	}
	// The server has the directory open.
	root, err := OpenBackupRoot(t.Context(), cfg.Data, new(config.Root), new(config.Root), quietLog)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	b, err := OpenBackupStore(t.Context(), root, place, "", quietLog)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := b.Keys.Get(t.Context(), doomed); !errors.Is(err, key.ErrNotFound) {
		t.Errorf("the destroyed key in the backup: %v; want ErrNotFound", err)
	}
	if _, err := b.Keys.Get(t.Context(), kept.Ref); err != nil {
		t.Errorf("the other key in the backup: %v", err)
	}
	if _, err := b.Keys.Destroy(t.Context(), []key.Ref{kept.Ref}, nil); err == nil {
		t.Error("a key was destroyed through a backup")
	}
	if _, err := s.Keys.Get(t.Context(), kept.Ref); err != nil || s.Root.Epoch() != 2 {
		t.Errorf("the store has changed: epoch %d, %v", s.Root.Epoch(), err)
	}
	clock, err := calendar.Open(t.Context(), calendar.Config{Store: b.Meta})
	if err != nil || clock.Now().Before(b.Created().Add(-time.Minute)) {
		t.Errorf("calendar of the backup: %v", err)
	}
}
