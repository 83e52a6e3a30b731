package server

import (
	"coffer/internal/arn"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"coffer/internal/blob"
	"coffer/internal/blob/disk"
	"coffer/internal/config"
	"coffer/internal/key"
	"coffer/internal/meta"
	"coffer/internal/meta/pebble"
	"coffer/internal/object"
	"coffer/internal/rootseal"
	"coffer/internal/sealed"
	"coffer/internal/trail"
)

// CheckOptions say how far a check of a data directory goes.
type CheckOptions struct {
	Deep   bool // open every body whose key is at hand
	Repair bool // mend what can be mended without a loss
	// Progress, if not nil, is told how much of a stage is done.
	Progress func(stage string, done, total int64)
}

// A CheckFinding is one thing in a data directory that is not as it should be.
type CheckFinding struct {
	Severity string `json:"severity"` // error or warning
	Kind     string `json:"kind"`
	Bucket   string `json:"bucket,omitempty"`
	Key      string `json:"key,omitempty"`
	Version  string `json:"version,omitempty"`
	Detail   string `json:"detail"`
	Repaired bool   `json:"repaired"`
}

// Kinds of findings besides those of package object.
const (
	kindMetadata = "metadata-damaged" // the row store does not open
	kindTable    = "table-damaged"    // a file of the row store has a damaged block
	kindBlob     = "blob-damaged"     // a blob does not match its keyless checksums
	kindRoot     = "root-unavailable" // the root of trust does not open: rows and wraps can't be read
	kindTrail    = "trail-broken"     // an event was altered, removed or put elsewhere
)

// Check checks a data directory that no server has open. It does first what
// needs no key: the checksums of the row store's files. With the root of trust at
// hand it then opens the directory as a start does, which finishes what a crash
// cut, and walks every row, wrap and blob; without it, it checks the blobs' own
// checksums. It returns an error only if it could not look.
func Check(ctx context.Context, cfg *config.Server, opts CheckOptions, log *slog.Logger, report func(CheckFinding)) error {
	if stamped, err := isStamped(cfg.Data); err != nil {
		return err
	} else if !stamped {
		return fmt.Errorf("%w: %s", ErrNoData, cfg.Data)
	}
	c := &check{cfg: cfg, opts: opts, log: log, report: report}
	whole, err := c.tables(ctx)
	if err != nil {
		return err
	}
	if !whole {
		return c.blobs(ctx)
	}
	s, err := Open(ctx, cfg, false, log)
	switch {
	case err == nil:
	case isDamage(err):
		c.fail(kindRoot, err.Error())
		return c.blobs(ctx)
	default:
		return err
	}
	defer s.Close(ctx)
	return c.rows(ctx, s)
}

// damages are the errors of opening a directory that is not whole.
var damages = []error{
	meta.ErrCorrupt, rootseal.ErrNoRoot, rootseal.ErrDamaged, key.ErrDamagedRoot, key.ErrWrongRoot,
}

// isDamage reports whether a directory does not open because of what is in it.
func isDamage(err error) bool {
	for _, d := range damages {
		if errors.Is(err, d) {
			return true
		}
	}
	return false
}

type check struct {
	cfg    *config.Server
	opts   CheckOptions
	log    *slog.Logger
	report func(CheckFinding)
}

func (c *check) fail(kind, detail string) {
	c.report(CheckFinding{Severity: string(object.SeverityError), Kind: kind, Detail: detail})
}

func (c *check) progress(stage string) func(done, total int64) {
	if c.opts.Progress == nil {
		return nil
	}
	return func(done, total int64) { c.opts.Progress(stage, done, total) }
}

// tables verifies the files of the row store, and reports whether all are whole.
func (c *check) tables(ctx context.Context) (whole bool, err error) {
	lock := &Stack{Dir: c.cfg.Data}
	defer lock.Close(ctx)
	if _, err := lock.lock(ctx, c.cfg, false); err != nil {
		return false, err
	}
	if err := checkRows(c.cfg.Data); err != nil {
		c.fail(kindMetadata, err.Error())
		return false, nil
	}
	rows, err := pebble.Open(pebble.Config{Dir: filepath.Join(c.cfg.Data, metaDir), MinFreeBytes: -1, Log: c.log})
	if errors.Is(err, meta.ErrCorrupt) {
		c.fail(kindMetadata, err.Error())
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open metadata: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	found, err := rows.Check(ctx)
	for _, d := range found {
		c.fail(kindTable, fmt.Sprintf("%v (rows %q to %q)", d.Err, d.First, d.Last))
	}
	return len(found) == 0, err
}

// blobs compares every blob with its own checksums.
func (c *check) blobs(ctx context.Context) error {
	lock := &Stack{Dir: c.cfg.Data}
	defer lock.Close(ctx)
	if _, err := lock.lock(ctx, c.cfg, false); err != nil {
		return err
	}
	store, err := disk.Open(disk.Config{Dir: filepath.Join(c.cfg.Data, blobDir)})
	if err != nil {
		return err
	}
	defer store.Close()
	progress := c.progress("blobs")
	var done int64
	return store.List(ctx, "", func(id string) error {
		if progress != nil {
			done++
			progress(done, 0)
		}
		err := store.Check(ctx, id)
		if errors.Is(err, blob.ErrCorrupt) {
			c.fail(kindBlob, err.Error())
			return nil
		}
		return err
	})
}

// rows walks everything with the keys that are at hand.
func (c *check) rows(ctx context.Context, s *Stack) error {
	err := s.Objects.Check(ctx, object.CheckConfig{
		Deep: c.opts.Deep, Repair: c.opts.Repair, Offline: true, Progress: c.progress("rows"),
		Open: func(ctx context.Context, _ string, w *object.Wrap) (*sealed.Secret, error) {
			return openWrap(ctx, s.Keys, w)
		},
	}, func(f object.Finding) {
		c.report(CheckFinding{Severity: string(f.Severity), Kind: string(f.Kind), Bucket: f.Bucket, Key: f.Key,
			Version: f.Version, Detail: f.Detail, Repaired: f.Repaired})
	})
	if err != nil {
		return err
	}
	nodes, err := trail.Nodes(ctx, s.Meta)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		r, err := trail.Verify(ctx, s.Meta, n)
		if err != nil {
			return err
		}
		if r.Fault != nil {
			c.fail(kindTrail, fmt.Sprintf("trail of %s: %v", n, r.Fault))
		}
	}
	return nil
}

// openWrap obtains the secret of a wrap under a KMS key, as nobody's caller: the
// check has the root of trust at hand, and shows nothing of what it opens.
func openWrap(ctx context.Context, keys *key.Keys, w *object.Wrap) (*sealed.Secret, error) {
	if w.KeyARN == "" {
		return nil, object.ErrNoKey
	}
	at, err := arn.Parse(w.KeyARN)
	if err != nil {
		return nil, err
	}
	opened, err := keys.Decrypt(ctx, at.Region, w.KeyBlob, w.Context)
	switch {
	case errors.Is(err, key.ErrDisabled), errors.Is(err, key.ErrPendingDeletion), errors.Is(err, key.ErrNotFound),
		errors.Is(err, key.ErrUnknownMaterial), errors.Is(err, key.ErrPendingImport), errors.Is(err, key.ErrMaterialMissing),
		errors.Is(err, key.ErrUnavailable), errors.Is(err, key.ErrSubjectDisabled), errors.Is(err, key.ErrSubjectPendingDeletion),
		errors.Is(err, key.ErrSubjectDestroyed):
		return nil, object.ErrNoKey
	case err != nil:
		return nil, err
	}
	defer clear(opened.Plaintext)
	var secret sealed.Secret
	if len(opened.Plaintext) != len(secret) {
		return nil, fmt.Errorf("%w: data key of %d bytes", sealed.ErrDamaged, len(opened.Plaintext))
	}
	copy(secret[:], opened.Plaintext)
	return &secret, nil
}
