package server

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"coffer/internal/archive"
	"coffer/internal/arn"
	"coffer/internal/backup"
	"coffer/internal/backupset"
	"coffer/internal/calendar"
	"coffer/internal/key"
	"coffer/internal/meta"
	"coffer/internal/object"
	"coffer/internal/sealed"
)

// VerifyOptions say how far the verification of a backup goes.
type VerifyOptions struct {
	Name string // of the backup; the newest if empty
	// Sample is how many files of rows and of blobs, and how many objects, are
	// opened; everything if 0.
	Sample   int
	Progress func(stage string, done, total int64)
}

// A VerifyReport says what a verification found.
type VerifyReport struct {
	Name     string          `json:"name"`
	Created  time.Time       `json:"created"`
	Epoch    uint64          `json:"epoch"`     // of the backup
	RootAt   uint64          `json:"rootEpoch"` // of the root now
	Files    *backup.Checked `json:"files"`
	Objects  Opened          `json:"objects"`
	Keys     []KeyReport     `json:"keys"` // of the objects that were looked at
	Findings []CheckFinding  `json:"findings"`
	// IsGood says that nothing is missing or damaged. Objects whose keys were
	// destroyed since are no damage.
	IsGood bool `json:"good"`
}

// Opened counts the objects that a verification looked at.
type Opened struct {
	Opened  int64 `json:"opened"` // to plaintext that authenticates
	Dark    int64 `json:"dark"`   // their key was destroyed since
	NoKey   int64 `json:"noKey"`  // under a client's key, or a key that may not be used
	Damaged int64 `json:"damaged"`
}

// A KeyReport says of a KMS key what became of the objects under it.
type KeyReport struct {
	ARN   string `json:"arn"`
	State string `json:"state"` // open, destroyed, or unusable
	Wraps int64  `json:"wraps"` // that were tried
}

// States of a key in a report.
const (
	keyOpen      = "open"
	keyDestroyed = "destroyed"
	keyUnusable  = "unusable"
)

// A BackupStore is a backup as a store of keys and objects: read only, with what is
// noted on opening in memory.
type BackupStore struct {
	*backup.Backup
	Meta meta.Store
	Keys *key.Keys
}

// OpenBackupStore opens a backup with a root of trust. Keys whose leaves were destroyed
// since the backup are marked as they are in a data directory that was restored from
// it. Close it before the root.
func OpenBackupStore(ctx context.Context, root *BackupRoot, from archive.Store, name string, log *slog.Logger) (*BackupStore, error) {
	b, err := backup.Open(ctx, from, root.Codec, name)
	if err != nil {
		return nil, err
	}
	s := &BackupStore{Backup: b, Meta: b.Store()}
	s.Keys, err = key.Open(ctx, key.Config{Meta: s.Meta, Root: root.Root, Now: b.Created, Log: log})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Close wipes what the keys hold.
func (s *BackupStore) Close() {
	s.Keys.Close()
	_ = s.Meta.Close()
}

// VerifyBackup opens a backup, its files and objects, as far as opts say.
func VerifyBackup(ctx context.Context, root *BackupRoot, from archive.Store, opts VerifyOptions, log *slog.Logger) (*VerifyReport, error) {
	out := &VerifyReport{RootAt: root.Root.Epoch(), Keys: []KeyReport{}, Findings: []CheckFinding{}}
	damaged := func(kind, detail string) {
		out.Findings = append(out.Findings, CheckFinding{Severity: string(object.SeverityError), Kind: kind, Detail: detail})
	}
	s, err := OpenBackupStore(ctx, root, from, opts.Name, log)
	if errors.Is(err, backupset.ErrDamaged) || errors.Is(err, meta.ErrCorrupt) {
		damaged("manifest", err.Error())
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	defer s.Close()
	out.Name, out.Created, out.Epoch = s.Name, s.Created(), s.Manifest.Epoch
	for _, id := range s.Manifest.Lost {
		out.Findings = append(out.Findings, CheckFinding{Severity: string(object.SeverityWarning), Kind: "lost-blob",
			Detail: "blob " + id + " was lost already where the backup was made"})
	}
	out.Files, err = s.Check(ctx, backup.CheckOptions{Sample: opts.Sample, Progress: opts.Progress}, func(path string, err error) {
		damaged("file", path+": "+err.Error())
	})
	if err != nil {
		return nil, err
	}
	if err := s.verifyObjects(ctx, root, opts, out, log); err != nil {
		return nil, err
	}
	out.IsGood = !slices.ContainsFunc(out.Findings, func(f CheckFinding) bool { return f.Severity == string(object.SeverityError) })
	return out, nil
}

// verifyObjects opens a sample of objects, or all.
func (s *BackupStore) verifyObjects(ctx context.Context, root *BackupRoot, opts VerifyOptions, out *VerifyReport, log *slog.Logger) error {
	clock, err := calendar.Open(ctx, calendar.Config{Store: s.Meta, Boot: bootClock})
	if err != nil {
		return err
	}
	objects, err := object.Open(ctx, object.Config{
		Meta: s.Meta, Blobs: s.Blobs(), Service: serviceKeys{s.Keys}, StoreID: root.Root.StoreID(), Now: clock.Now, Rand: rand.Reader, Log: log,
	})
	if err != nil {
		return err
	}
	defer objects.Close()
	keys := make(map[string]*KeyReport)
	cfg := object.CheckConfig{Deep: true, Open: func(ctx context.Context, _ string, w *object.Wrap) (*sealed.Secret, error) {
		secret, state, err := s.openWrap(ctx, w)
		if w.KeyARN != "" {
			k := keys[w.KeyARN]
			if k == nil {
				k = &KeyReport{ARN: w.KeyARN}
				keys[w.KeyARN] = k
			}
			k.Wraps++
			if k.State != keyDestroyed {
				k.State = state
			}
		}
		switch {
		case state == keyDestroyed:
			out.Objects.Dark++
		case errors.Is(err, object.ErrNoKey):
			out.Objects.NoKey++
		}
		return secret, err
	}}
	report := func(f object.Finding) {
		out.Findings = append(out.Findings, CheckFinding{Severity: string(f.Severity), Kind: string(f.Kind), Bucket: f.Bucket, Key: f.Key,
			Version: f.Version, Detail: f.Detail})
		if f.Severity == object.SeverityError {
			out.Objects.Damaged++
		}
	}
	n := 10 * opts.Sample
	if opts.Sample == 0 {
		n = int(s.Manifest.Rows.Count)
	}
	var rows [][]byte
	if opts.Sample == 0 {
		err = s.Meta.View(ctx, func(r meta.Reader) error {
			return r.Scan(meta.Prefix([]byte(object.VersionRows)), func(k, _ []byte) (bool, error) {
				rows = append(rows, slices.Clone(k))
				return true, nil
			})
		})
	} else {
		rows, err = s.SampleRows(ctx, []byte(object.VersionRows), n)
	}
	if err != nil {
		return err
	}
	if opts.Progress != nil {
		cfg.Progress = func(done, total int64) { opts.Progress("objects", done, total) }
	}
	if err := objects.CheckRows(ctx, cfg, rows, report); err != nil {
		return err
	}
	out.Objects.Opened = max(0, int64(len(rows))-out.Objects.Dark-out.Objects.NoKey-out.Objects.Damaged)
	for _, arn := range slices.SortedFunc(maps.Keys(keys), strings.Compare) {
		out.Keys = append(out.Keys, *keys[arn])
	}
	return nil
}

// openWrap obtains the secret of a wrap, and says what state its key is in.
func (s *BackupStore) openWrap(ctx context.Context, w *object.Wrap) (*sealed.Secret, string, error) {
	if w.KeyARN == "" {
		return nil, "", object.ErrNoKey // a client's
	}
	at, err := arn.Parse(w.KeyARN)
	if err != nil {
		return nil, keyUnusable, err
	}
	if k, err := s.Keys.KeyOf(ctx, at.Region, w.KeyBlob); errors.Is(err, key.ErrUnknownMaterial) {
		return nil, keyDestroyed, object.ErrNoKey
	} else if err == nil && k.State != key.Enabled {
		return nil, keyUnusable, object.ErrNoKey
	}
	secret, err := openWrap(ctx, s.Keys, w)
	if errors.Is(err, object.ErrNoKey) {
		return nil, keyUnusable, err
	}
	if err != nil {
		return nil, keyUnusable, err
	}
	return secret, keyOpen, nil
}
