package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"coffer/internal/archive"
	"coffer/internal/authz"
	"coffer/internal/backup"
	"coffer/internal/blob/disk"
	"coffer/internal/calendar"
	"coffer/internal/config"
	"coffer/internal/durable"
	"coffer/internal/identity"
	"coffer/internal/meta"
	"coffer/internal/meta/pebble"
	"coffer/internal/meta/sealrows"
	"coffer/internal/revision"
	"coffer/internal/rootseal/parts"
	"coffer/internal/trail"
)

// restoringFile stands in a data directory that is being restored. No program opens a
// directory that holds it and no stamp.
const restoringFile = "restoring"

// ErrNotNew means that the directory to restore into is not empty.
var ErrNotNew = errors.New("server: directory is not empty")

// RestoreOptions say what is restored to where.
type RestoreOptions struct {
	From archive.Store
	Name string // of the backup; the newest if empty
	// Config names the directory to make, Data, which must be missing or empty, and
	// the secrets of the root.
	Config *config.Server
	// RootFrom is the data directory whose root of trust opens the backup, or an
	// export of one. No server may have the directory open. The new one gets a copy
	// of its root. Of an export it gets a root in the parts of Config.Root.Spec, which then
	// changes its epoch, so that the export is void.
	RootFrom string
	// MoveRoot erases the root in the directory RootFrom once the new one is whole.
	MoveRoot bool
	Exported *config.Root // secrets of an export
	Progress func(stage string, done, total int64)
}

// A Restored says what a restore made.
type Restored struct {
	backup.Restored
	Name        string    `json:"name"`
	Created     time.Time `json:"created"` // the moment that the backup shows
	BackupEpoch uint64    `json:"backupEpoch"`
	Epoch       uint64    `json:"epoch"` // of the root now
}

// Restore makes a data directory of a backup. Its stamp is written last: a restore that
// was cut leaves a directory that nothing opens.
func Restore(ctx context.Context, opts *RestoreOptions, log *slog.Logger) (_ *Restored, err error) {
	info, err := os.Stat(opts.RootFrom)
	if err != nil {
		return nil, err
	}
	isExport := !info.IsDir()
	switch {
	case isExport && opts.MoveRoot:
		return nil, fmt.Errorf("%w: an export is not moved: it is void once its epoch has changed", ErrRootSpec)
	case !isExport && len(opts.Config.Root.Spec) > 0:
		return nil, fmt.Errorf("%w: a root that is copied keeps its parts", ErrRootSpec)
	case !isExport:
		l, err := durable.AcquireLock(filepath.Join(opts.RootFrom, lockFile))
		if err != nil {
			return nil, fmt.Errorf("lock %s, whose root of trust may have one heir only: %w", opts.RootFrom, err)
		}
		defer func() { err = errors.Join(err, l.Release()) }()
		if err := checkHeir(opts); err != nil {
			return nil, err
		}
	}
	out, err := restoreWith(ctx, opts, isExport, log)
	if err != nil || !isExport {
		return out, err
	}
	cfg := *opts.Config
	cfg.Root.Spec = nil // they are there
	if out.Epoch, err = ChangeRoot(ctx, &cfg, &RootChange{}, log); err != nil {
		return nil, fmt.Errorf("%s is whole, but the export is not void: run coffer root reseal: %w", opts.Config.Data, err)
	}
	return out, nil
}

// checkHeir refuses to copy a root some of whose parts lie outside its directory: both
// directories would have those, and the first epoch change in one takes the root from
// the other.
func checkHeir(opts *RestoreOptions) error {
	if opts.MoveRoot {
		return nil
	}
	root, err := parts.Open(parts.Config{Dir: filepath.Join(opts.RootFrom, rootDir)})
	if err != nil {
		return err
	}
	for _, set := range root.Sets() {
		for _, p := range set.Parts {
			if p.Role == parts.RoleVault || p.Settings[parts.SettingDir] != "" {
				return errors.Join(fmt.Errorf("%w: part %s of the root lies outside %s, and can't serve two directories: move the root, or restore from an export",
					ErrRootSpec, p.ID, opts.RootFrom), root.Close())
			}
		}
	}
	return root.Close()
}

// restoreWith is Restore with the root of a directory that is locked, or of an export.
func restoreWith(ctx context.Context, opts *RestoreOptions, isExport bool, log *slog.Logger) (_ *Restored, err error) {
	root, err := OpenBackupRoot(ctx, opts.RootFrom, &opts.Config.Root, opts.Exported, log)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	b, err := backup.Open(ctx, opts.From, root.Codec, opts.Name)
	if err != nil {
		return nil, err
	}
	if b.Manifest.Format > Format {
		return nil, fmt.Errorf("%w: the backup is of format %d, and this program knows formats up to %d", ErrNewer, b.Manifest.Format, Format)
	}
	out := &Restored{Name: b.Name, Created: b.Created(), BackupEpoch: b.Manifest.Epoch, Epoch: root.Root.Epoch()}
	if out.BackupEpoch > out.Epoch {
		return nil, fmt.Errorf("the root of trust in %s is of epoch %d, and the backup of %d: it is an old copy", opts.RootFrom, out.Epoch, out.BackupEpoch)
	}

	s := &Stack{Dir: opts.Config.Data, log: log}
	closed := false
	defer func() {
		if !closed {
			err = errors.Join(err, s.Close(context.WithoutCancel(ctx)))
		}
	}()
	if err := s.beginRestore(); err != nil {
		return nil, err
	}
	if err := s.restoreStores(ctx, b, root, opts, out); err != nil {
		return nil, err
	}
	if err := s.noteRestore(ctx, b, opts, out); err != nil {
		return nil, fmt.Errorf("record the restore: %w", err)
	}
	if isExport {
		err = PutRoot(ctx, opts.Config.Data, root.epoch, &opts.Config.Root)
	} else {
		err = copyRoot(filepath.Join(opts.RootFrom, rootDir), filepath.Join(opts.Config.Data, rootDir))
	}
	if err != nil {
		return nil, fmt.Errorf("put the root of trust in place: %w", err)
	}
	closed = true
	lock := s.closers[0]
	s.closers = s.closers[1:]
	if err := s.Close(ctx); err != nil {
		return nil, errors.Join(err, lock())
	}
	defer func() { err = errors.Join(err, lock()) }()
	st := stamp{Coffer: "data directory", Format: b.Manifest.Format, DevClock: b.Manifest.DevClock}
	if err := st.write(opts.Config.Data); err != nil {
		return nil, fmt.Errorf("stamp data directory: %w", err)
	}
	if err := os.Remove(filepath.Join(opts.Config.Data, restoringFile)); err != nil {
		return nil, err
	}
	if opts.MoveRoot {
		if err := eraseRoot(filepath.Join(opts.RootFrom, rootDir), rand.Reader); err != nil {
			return nil, fmt.Errorf("%s is whole, but the root of trust in %s could not be erased: %w", opts.Config.Data, opts.RootFrom, err)
		}
	}
	return out, nil
}

// beginRestore makes and locks the directory, which must be empty.
func (s *Stack) beginRestore() error {
	entries, err := os.ReadDir(s.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if e.Name() != "lost+found" {
			return fmt.Errorf("%w: %s holds %s", ErrNotNew, s.Dir, e.Name())
		}
	}
	if err := durable.MkdirAll(durable.OS{}, s.Dir, 0o700); err != nil {
		return err
	}
	l, err := durable.AcquireLock(filepath.Join(s.Dir, lockFile))
	if err != nil {
		return err
	}
	s.onClose(l.Release)
	return durable.WriteFile(durable.OS{}, filepath.Join(s.Dir, restoringFile), []byte("a restore is under way, or was cut: remove this directory and restore again\n"), 0o600)
}

// restoreStores writes rows and blobs.
func (s *Stack) restoreStores(ctx context.Context, b *backup.Backup, root *BackupRoot, opts *RestoreOptions, out *Restored) (err error) {
	s.Rows, err = pebble.Open(pebble.Config{Dir: filepath.Join(s.Dir, metaDir), Log: s.log})
	if err != nil {
		return fmt.Errorf("make metadata: %w", err)
	}
	s.onClose(s.Rows.Close)
	s.Meta = sealrows.New(s.Rows, sealrows.Key(root.Root.StoreKey()), rand.Reader)
	if s.Blobs, err = disk.Open(disk.Config{Dir: filepath.Join(s.Dir, blobDir)}); err != nil {
		return fmt.Errorf("make blobs: %w", err)
	}
	s.onClose(s.Blobs.Close)
	restored, err := b.Restore(ctx, s.Meta, s.Blobs, backup.RestoreOptions{Progress: opts.Progress})
	if err != nil {
		return err
	}
	out.Restored = *restored
	return nil
}

// noteRestore makes the restore visible in the trail, holds deadlines until somebody
// has looked, and writes the credentials of the account that manages the server.
func (s *Stack) noteRestore(ctx context.Context, b *backup.Backup, opts *RestoreOptions, out *Restored) (err error) {
	if s.Clock, err = calendar.Open(ctx, calendar.Config{Store: s.Meta, Boot: bootClock}); err != nil {
		return err
	}
	if s.Trail, err = trail.New(ctx, trail.Config{Store: s.Meta, Node: node, Now: s.Clock.Now, Log: s.log}); err != nil {
		return err
	}
	s.onClose(func() error { return s.Trail.Close(context.Background()) })
	call := authz.NewGate(s.Trail).Begin(operator(b.Manifest.Account, opts.Config.Region), authz.Operation{Source: "coffer", Name: "RestoreBackup", Service: true})
	call.Param("backup", b.Name)
	call.Param("created", b.Created())
	call.Param("backupEpoch", int64(out.BackupEpoch))
	call.Param("epoch", int64(out.Epoch))
	err = s.Meta.Update(ctx, func(txn meta.Txn) error {
		reason := fmt.Sprintf("the rows were restored from a backup of %s: what is due in them may have been called off since", b.Created().Format(time.RFC3339))
		if err := calendar.Hold(txn, reason); err != nil {
			return err
		}
		if err := revision.Bump(txn); err != nil {
			return err
		}
		return call.Record(txn)
	})
	if err := call.End(ctx, err); err != nil {
		return err
	}
	s.Identity = identity.New(identity.Config{Meta: s.Meta, Now: s.Clock.Now, Log: s.log})
	defer func() { err = errors.Join(err, s.Identity.Close(ctx)) }()
	k, err := s.Identity.RootKey(ctx, b.Manifest.Account)
	if errors.Is(err, identity.ErrNoAccessKey) || errors.Is(err, identity.ErrNoAccount) {
		s.log.Warn("no credentials are written: the backup holds no root access key of the account", "account", b.Manifest.Account)
		return nil
	}
	if err != nil {
		return err
	}
	return writeCredentials(s.Dir, k)
}
