package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"coffer/internal/archive"
	"coffer/internal/archive/dir"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/backup"
	"coffer/internal/backupset"
	"coffer/internal/config"
	"coffer/internal/durable"
	"coffer/internal/key"
	"coffer/internal/meta"
	"coffer/internal/object"
	"coffer/internal/rootseal"
	rootparts "coffer/internal/rootseal/parts"
)

// newBackups returns the backups of a stack.
func newBackups(s *Stack, account string) (*backup.Backups, error) {
	codec, err := backupCodec(s.Root)
	if err != nil {
		return nil, err
	}
	return backup.New(backup.Config{
		Meta: s.Meta, Blobs: s.Blobs, Codec: codec, Named: object.EachBlob, Hold: s.Objects.Hold, Log: s.log,
		Describe: func() backupset.Manifest {
			return backupset.Manifest{
				Created: time.Now().UnixMilli(), Calendar: s.Clock.Now().UnixMilli(), StoreID: s.Root.StoreID(),
				Epoch: s.Root.Epoch(), DevClock: s.stamp.DevClock, Format: s.stamp.Format,
				Account: account,
			}
		},
	}), nil
}

// backupCodec returns the codec of the backups of a root's store.
func backupCodec(root *key.Root) (*backupset.Codec, error) {
	k, err := root.Derive(backupset.KeyPurpose)
	if err != nil {
		return nil, err
	}
	defer k.Wipe()
	return backupset.NewCodec(backupset.Key(k)), nil
}

// OpenArchive opens the place of backups that where names: a directory, or
// s3://BUCKET/PREFIX, which is reached as conf says. With create a directory that is
// missing is made.
func OpenArchive(ctx context.Context, where string, create bool, conf aws.Config) (archive.Store, error) {
	if u, err := url.Parse(where); err == nil && u.Scheme == "s3" {
		return openBucket(where, conf)
	}
	if strings.Contains(where, "://") {
		return nil, fmt.Errorf("%w: %q is neither a directory nor s3://BUCKET/PREFIX", ErrArchive, where)
	}
	s, err := dir.Open(where, create, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is no directory %s", backup.ErrNoBackups, where)
	}
	return s, err
}

// ErrArchive means that something names no place of backups.
var ErrArchive = errors.New("server: unusable place of backups")

// operator is who acts on a data directory from the machine itself.
func operator(account, region string) *authn.Caller {
	return &authn.Caller{Type: authn.TypeAWSService, Account: account, Region: region, Service: "coffer",
		ARN: "coffer", SourceIP: "coffer", UserAgent: "coffer", InvokedBy: "coffer"}
}

// Backup makes a backup of a data directory that no server has open.
func Backup(ctx context.Context, cfg *config.Server, to archive.Store, opts backup.ReceiveOptions, log *slog.Logger) (_ *backup.Summary, err error) {
	s, err := Open(ctx, cfg, false, log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close(context.WithoutCancel(ctx))) }()
	calls := make(map[string]*authz.Call)
	feed := &backup.Local{Backups: s.Backups, Record: func(operation string) func(meta.Txn) error {
		call := s.Gate.Begin(operator(cfg.Account, cfg.Region), authz.Operation{Source: "coffer", Name: operation, Service: true})
		calls[operation] = call
		return call.Record
	}}
	sum, err := backup.Receive(ctx, feed, to, opts)
	for _, call := range calls {
		err = errors.Join(err, call.End(ctx, nil))
	}
	return sum, err
}

// A BackupRoot is a root of trust that is open to read backups. It changes nothing.
type BackupRoot struct {
	Root  *key.Root
	Codec *backupset.Codec
	store *rootparts.Store
	epoch *rootseal.Epoch // of an export
}

// OpenBackupRoot opens the root of trust of a data directory, which a server may have
// open, or of an export of one. The secrets of exported open an export.
func OpenBackupRoot(ctx context.Context, from string, conf, exported *config.Root, log *slog.Logger) (_ *BackupRoot, err error) {
	if info, err := os.Stat(from); err == nil && !info.IsDir() {
		return openBackupExport(ctx, from, exported, log)
	}
	root := filepath.Join(from, rootDir)
	if _, err := os.Stat(root); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: %s holds no %s", rootseal.ErrNoRoot, from, rootDir)
		}
		return nil, err
	}
	opener := &rootOpener{cfg: conf}
	defer opener.wipe()
	b := new(BackupRoot)
	defer func() {
		if err != nil {
			b.Close()
		}
	}()
	if b.store, err = rootparts.Open(rootparts.Config{Dir: root, Opener: opener, Lost: conf.Lost}); err != nil {
		return nil, err
	}
	if b.Root, err = key.OpenRoot(ctx, key.RootConfig{Store: unchanging{b.store}, Log: log}); err != nil {
		return nil, err
	}
	b.Codec, err = backupCodec(b.Root)
	return b, err
}

func openBackupExport(ctx context.Context, from string, exported *config.Root, log *slog.Logger) (_ *BackupRoot, err error) {
	b := new(BackupRoot)
	defer func() {
		if err != nil {
			b.Close()
		}
	}()
	if b.epoch, err = ReadRoot(ctx, from, exported); err != nil {
		return nil, err
	}
	if b.Root, err = key.OpenRoot(ctx, key.RootConfig{Store: onlyEpoch{b.epoch}, Log: log}); err != nil {
		return nil, err
	}
	b.Codec, err = backupCodec(b.Root)
	return b, err
}

// Close wipes the root.
func (b *BackupRoot) Close() {
	if b.epoch != nil {
		clear(b.epoch.Root[:])
	}
	if b.Root != nil {
		b.Root.Close()
	}
	if b.store != nil {
		_ = b.store.Close()
	}
}

// unchanging is a root store that is only read. What opening a root would finish or
// take back stays as it is.
type unchanging struct{ rootseal.Store }

var errUnchanging = errors.New("server: the root of trust is only read here")

func (unchanging) Prepare(context.Context, *rootseal.Epoch) error  { return errUnchanging }
func (unchanging) Destroy(context.Context, uint64, []string) error { return nil }

// copyRoot copies the files of a root store, which nobody has open.
func copyRoot(from, to string) error {
	if err := durable.MkdirAll(durable.OS{}, to, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		src, dst := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		switch {
		case e.IsDir():
			err = copyRoot(src, dst)
		case e.Type().IsRegular():
			err = copySecret(src, dst)
		}
		if err != nil {
			return err
		}
	}
	return durable.OS{}.SyncDir(to)
}

// copySecret copies one file, and wipes what it read.
func copySecret(from, to string) error {
	b, err := durable.ReadFile(durable.OS{}, from, 1<<30)
	if err != nil {
		return err
	}
	defer clear(b)
	return durable.CreateFile(durable.OS{}, to, b, 0o600)
}

// eraseRoot overwrites and removes every file of a root store.
func eraseRoot(dir string, random io.Reader) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if e.IsDir() {
			err = eraseRoot(name, random)
		} else {
			err = durable.Erase(durable.OS{}, name, random)
		}
		if err != nil {
			return err
		}
	}
	return os.Remove(dir)
}
