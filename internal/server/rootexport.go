package server

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"coffer/internal/calendar"
	"coffer/internal/config"
	"coffer/internal/durable"
	"coffer/internal/key"
	"coffer/internal/rootseal"
	"coffer/internal/rootseal/export"
	rootparts "coffer/internal/rootseal/parts"
)

// ErrIsRoot means that there is a root of trust where one is to be imported.
var ErrIsRoot = errors.New("server: there is a root of trust already")

// ExportRoot writes the current epoch of the root of a data directory to a new file,
// sealed under a passphrase from secrets or, with shares such as 2/3, under shares,
// which secrets.Print shows. It returns the epoch.
func ExportRoot(ctx context.Context, cfg *config.Server, name, shares string, secrets *config.Root, log *slog.Logger) (epoch uint64, err error) {
	if _, err := os.Lstat(name); err == nil {
		return 0, fmt.Errorf("%s: %w", name, fs.ErrExist)
	}
	s := &Stack{Dir: cfg.Data, log: log}
	defer func() { err = errors.Join(err, s.Close(context.WithoutCancel(ctx))) }()
	if _, err := s.lock(ctx, cfg, false); err != nil {
		return 0, err
	}
	if err := s.openRoot(ctx, cfg); err != nil {
		return 0, err
	}
	opener := &rootOpener{cfg: secrets, of: ofExport}
	spec := partPassphrase
	if shares != "" {
		spec = partShares + ":" + shares
	}
	if err := checkPart(cutSpec(spec)); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrRootSpec, err)
	}
	p, err := opener.newPart(ctx, spec, nil)
	if err != nil {
		return 0, err
	}
	gate := opener.made[p.ID]
	defer gate.Close()
	e, err := s.rootStore.Load(ctx, s.Root.Epoch())
	if err != nil {
		return 0, err
	}
	defer clear(e.Root[:])
	id := s.Root.StoreID()
	b, err := export.Seal(ctx, export.Header{StoreID: hex.EncodeToString(id[:]), Kind: p.Kind, Settings: p.Settings}, e, gate)
	if err != nil {
		return 0, err
	}
	if err := durable.CreateFile(durable.OS{}, name, b, 0o600); err != nil {
		return 0, err
	}
	if err := (durable.OS{}).SyncDir(filepath.Dir(name)); err != nil {
		return 0, err
	}
	// What can't be read back is no recovery.
	back, err := openExport(ctx, name, func(*export.Header) (rootseal.Gate, error) { return gate, nil })
	if err != nil {
		return 0, fmt.Errorf("read back %s: %w", name, err)
	}
	same := back.Root == e.Root
	clear(back.Root[:])
	if !same {
		return 0, fmt.Errorf("read back %s: %w", name, export.ErrDamaged)
	}
	return e.Number, nil
}

func openExport(ctx context.Context, name string, open func(*export.Header) (rootseal.Gate, error)) (*rootseal.Epoch, error) {
	b, err := durable.ReadFile(durable.OS{}, name, export.MaxSize)
	if err != nil {
		return nil, err
	}
	h, err := export.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	gate, err := open(h)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	e, err := export.Open(ctx, b, gate)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return e, nil
}

// ReadRoot returns the newest epoch of a root of trust from an export, a data
// directory, or a directory that is a store of a root, with the secrets of secrets.
// The caller wipes its root. A data directory is locked while it is read.
func ReadRoot(ctx context.Context, from string, secrets *config.Root) (*rootseal.Epoch, error) {
	opener := &rootOpener{cfg: secrets}
	defer opener.wipe()
	info, err := os.Stat(from)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		opener.of = ofExport
		var gate rootseal.Gate
		e, err := openExport(ctx, from, func(h *export.Header) (rootseal.Gate, error) {
			g, err := opener.gate(ctx, h.Kind, h.Settings)
			if err == nil {
				gate = g
			}
			return g, err
		})
		if gate != nil {
			err = errors.Join(err, gate.Close())
		}
		return e, err
	}
	if stamped, err := isStamped(from); err != nil {
		return nil, err
	} else if stamped {
		l, err := durable.AcquireLock(filepath.Join(from, lockFile))
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Release() }() // nothing was written
		from = filepath.Join(from, rootDir)
	}
	return readStore(ctx, from, opener)
}

func readStore(ctx context.Context, dir string, opener *rootOpener) (*rootseal.Epoch, error) {
	open := rootparts.Open
	if _, err := os.Stat(filepath.Join(dir, rootparts.MarkerFile)); err == nil {
		open = func(cfg rootparts.Config) (*rootparts.Store, error) { return rootparts.OpenAlone(ctx, cfg) }
	}
	store, err := open(rootparts.Config{Dir: dir, Opener: opener})
	if err != nil {
		return nil, err
	}
	defer store.Close()
	numbers, err := store.Epochs(ctx)
	if err != nil {
		return nil, err
	}
	if len(numbers) == 0 {
		return nil, fmt.Errorf("%s: %w", dir, rootseal.ErrNoRoot)
	}
	return store.Load(ctx, numbers[len(numbers)-1])
}

// PutRoot makes the root of trust of a data directory that has none, and that this
// process has locked: an epoch that [ReadRoot] returned, in the parts of cfg.Spec, or
// as a plain file. The next step is to change the epoch, so that what it was read from
// is void.
func PutRoot(ctx context.Context, data string, e *rootseal.Epoch, cfg *config.Root) (err error) {
	dir := filepath.Join(data, rootDir)
	if err := durable.MkdirAll(durable.OS{}, dir, 0o700); err != nil {
		return err
	}
	opener := &rootOpener{cfg: cfg}
	defer opener.wipe()
	store, err := rootparts.Open(rootparts.Config{Dir: dir, Opener: opener})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	numbers, err := store.Epochs(ctx)
	if err != nil {
		return err
	}
	if store.Described() || len(numbers) > 0 {
		return fmt.Errorf("%w in %s: move it away if it is lost", ErrIsRoot, dir)
	}
	if len(cfg.Spec) > 0 {
		if err := makeParts(ctx, store, opener, cfg.Spec); err != nil {
			return err
		}
	}
	return store.Prepare(ctx, e)
}

// ImportRoot puts a root of trust that [ReadRoot] can read into a data directory that
// has lost its own, in the parts of cfg.Root.Spec, and changes the epoch, so that what
// it was read from is void. It returns the new epoch, and key.ErrWrongRoot, with
// nothing changed, if the rows are of another root or a later epoch.
func ImportRoot(ctx context.Context, cfg *config.Server, from string, secrets *config.Root, log *slog.Logger) (uint64, error) {
	if stamped, err := isStamped(cfg.Data); err != nil {
		return 0, err
	} else if !stamped {
		return 0, fmt.Errorf("%w: %s", ErrNoData, cfg.Data)
	}
	e, err := ReadRoot(ctx, from, secrets)
	if err != nil {
		return 0, err
	}
	defer clear(e.Root[:])
	if err := importRoot(ctx, cfg, e, log); err != nil {
		return 0, err
	}
	return ChangeRoot(ctx, cfg, &RootChange{}, log)
}

func importRoot(ctx context.Context, cfg *config.Server, e *rootseal.Epoch, log *slog.Logger) (err error) {
	s := &Stack{Dir: cfg.Data, log: log}
	defer func() { err = errors.Join(err, s.Close(context.WithoutCancel(ctx))) }()
	if _, err := s.lock(ctx, cfg, false); err != nil {
		return err
	}
	// First against the rows, from memory: what does not fit is not written.
	if s.Root, err = key.OpenRoot(ctx, key.RootConfig{Store: onlyEpoch{e}, Log: s.log}); err != nil {
		return err
	}
	s.onClose(func() error { s.Root.Close(); return nil })
	if err := s.openRows(cfg); err != nil {
		return err
	}
	if s.Clock, err = calendar.Open(ctx, calendar.Config{Store: s.Meta, Boot: bootClock}); err != nil {
		return err
	}
	keys, err := key.Open(ctx, key.Config{Meta: s.Meta, Root: s.Root, Now: s.Clock.Now, Log: s.log})
	if err != nil {
		return err
	}
	keys.Close()
	return PutRoot(ctx, cfg.Data, e, &cfg.Root)
}

// onlyEpoch is a root store that holds one epoch and takes no other.
type onlyEpoch struct{ e *rootseal.Epoch }

func (o onlyEpoch) Epochs(context.Context) ([]uint64, error) { return []uint64{o.e.Number}, nil }

func (o onlyEpoch) Load(_ context.Context, number uint64) (*rootseal.Epoch, error) {
	if number != o.e.Number {
		return nil, rootseal.ErrNoRoot
	}
	e := *o.e
	return &e, nil
}

func (o onlyEpoch) Prepare(context.Context, *rootseal.Epoch) error {
	return errors.New("server: the root of trust is not in its place yet")
}

func (o onlyEpoch) Destroy(_ context.Context, number uint64, _ []string) error {
	if number == o.e.Number {
		return errors.New("server: the root of trust is not in its place yet")
	}
	return nil
}
