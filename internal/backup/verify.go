package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"coffer/internal/archive"
	"coffer/internal/backupset"
	"coffer/internal/blob"
	"coffer/internal/meta"
)

// CheckOptions say how far a check of files goes.
type CheckOptions struct {
	// Sample is how many files of rows, and of blobs, are opened; all if 0.
	Sample int
	// Progress, if not nil, is told how much of a stage is done.
	Progress func(stage string, done, total int64)
}

// A Checked says what a check of files found.
type Checked struct {
	Files   int64 `json:"files"`   // that the backup names
	Opened  int64 `json:"opened"`  // of these, to their last byte
	Missing int64 `json:"missing"` // of these
	Damaged int64 `json:"damaged"` // of those that were opened
}

// Check looks for every file that the backup names, and opens them or a sample to the
// last byte. It calls report for each one that is missing or damaged.
func (b *Backup) Check(ctx context.Context, opts CheckOptions, report func(path string, err error)) (*Checked, error) {
	out := &Checked{Files: int64(len(b.rows)+len(b.blobs)+len(b.Manifest.Rows.Index)+len(b.Manifest.Blobs.Index)) + 1}
	out.Opened = out.Files - int64(len(b.rows)+len(b.blobs)) // Open has read those
	there, err := b.present(ctx)
	if err != nil {
		return nil, err
	}
	progress := func(string, int64, int64) {}
	if opts.Progress != nil {
		progress = opts.Progress
	}
	// chance is the one of a file to be opened, of n.
	chance := func(n int64) float64 {
		if opts.Sample == 0 || n == 0 {
			return 1
		}
		return float64(opts.Sample) / float64(n)
	}
	check := func(id backupset.ID, k backupset.Kind, p float64, open func() error) error {
		path := backupset.Path(k, id)
		if _, ok := there[id]; !ok {
			out.Missing++
			report(path, errors.New("it is missing"))
			return nil
		}
		if rand.Float64() >= p {
			return nil
		}
		out.Opened++
		err := open()
		if errors.Is(err, backupset.ErrDamaged) || errors.Is(err, blob.ErrCorrupt) || errors.Is(err, blob.ErrNotFound) {
			out.Damaged++
			report(path, err)
			return nil
		}
		return err
	}
	for i := range b.rows {
		err := check(b.rows[i].ID, backupset.KindRows, chance(int64(len(b.rows))), func() error { _, err := b.records(ctx, &b.rows[i]); return err })
		if err != nil {
			return nil, err
		}
		progress("rows", int64(i+1), int64(len(b.rows)))
	}
	blobs, n := b.Blobs(), b.Manifest.Blobs.Count
	for i := range b.blobs {
		records, err := b.records(ctx, &b.blobs[i])
		if errors.Is(err, backupset.ErrDamaged) {
			out.Damaged++
			report(backupset.Path(backupset.KindRows, b.blobs[i].ID), err)
			continue
		}
		if err != nil {
			return nil, err
		}
		out.Opened++
		for _, r := range records {
			id := string(r.key)
			name := b.codec.BlobID(id)
			if _, ok := there[name]; !ok && b.IsLost(id) {
				continue // it was never there
			}
			out.Files++
			if err := check(name, backupset.KindBlob, chance(n), func() error { return blobs.Check(ctx, id) }); err != nil {
				return nil, err
			}
			progress("blobs", out.Opened, 0)
		}
	}
	return out, nil
}

// present returns the files in the archive.
func (b *Backup) present(ctx context.Context) (map[backupset.ID]struct{}, error) {
	r := &receiver{to: b.from}
	err := r.list(ctx)
	return r.have, err
}

// SampleRows returns the keys of n rows with a prefix, at random places, or of fewer if
// there are fewer. Rows in a damaged chunk are passed over.
func (b *Backup) SampleRows(ctx context.Context, prefix []byte, n int) ([][]byte, error) {
	first, end := b.chunkOf(prefix), len(b.rows)-1
	if to := meta.PrefixEnd(prefix); to != nil {
		end = b.chunkOf(to)
	}
	if len(b.rows) == 0 {
		return nil, nil
	}
	var out [][]byte
	seen := make(map[string]bool)
	for range 4 * n {
		if len(out) == n || len(seen) >= 4*n {
			break
		}
		records, err := b.records(ctx, &b.rows[first+rand.IntN(end-first+1)])
		if errors.Is(err, backupset.ErrDamaged) {
			continue
		}
		if err != nil {
			return nil, err
		}
		// Several of a chunk that was read: it is the reading that costs.
		for range min(len(records), 16) {
			k := records[rand.IntN(len(records))].key
			if bytes.HasPrefix(k, prefix) && !seen[string(k)] && len(out) < n {
				seen[string(k)] = true
				out = append(out, bytes.Clone(k))
			}
		}
	}
	return out, nil
}

// Prune removes all backups but the newest keep, and then every file that none of the
// remaining ones names. No backup may be under way: it could count on a file that is
// removed. It returns the names of the backups, and how many files were removed.
func Prune(ctx context.Context, from archive.Store, codec *backupset.Codec, keep int) (removed []string, files int64, err error) {
	if keep < 1 {
		return nil, 0, fmt.Errorf("backup: %d backups are to be kept, want at least 1", keep)
	}
	if err := CheckSet(ctx, from, codec); err != nil {
		return nil, 0, err
	}
	names, err := Names(ctx, from)
	if err != nil {
		return nil, 0, err
	}
	cut := max(0, len(names)-keep)
	// What stays is read before anything goes: a backup that does not open keeps
	// everything.
	needed := make(map[backupset.ID]struct{})
	for _, name := range names[cut:] {
		b, err := Open(ctx, from, codec, name)
		if err != nil {
			return nil, 0, fmt.Errorf("nothing was removed: %w", err)
		}
		for _, refs := range [][]backupset.Ref{b.rows, b.blobs, b.Manifest.Rows.Index, b.Manifest.Blobs.Index} {
			for i := range refs {
				needed[refs[i].ID] = struct{}{}
			}
		}
		err = b.EachBlob(ctx, func(id string, _ int64) error { needed[codec.BlobID(id)] = struct{}{}; return nil })
		if err != nil {
			return nil, 0, fmt.Errorf("nothing was removed: %w", err)
		}
	}
	for _, name := range names[:cut] {
		if err := from.Delete(ctx, backupset.ManifestPath(name)); err != nil {
			return removed, 0, err
		}
		removed = append(removed, name)
	}
	for _, k := range []backupset.Kind{backupset.KindRows, backupset.KindIndex, backupset.KindBlob} {
		err := from.List(ctx, k.Dir()+"/", func(name string) error {
			id, err := backupset.ParseID(name[max(0, len(name)-64):])
			if _, ok := needed[id]; err != nil || ok || name != backupset.Path(k, id) {
				return nil
			}
			files++
			return from.Delete(ctx, name)
		})
		if err != nil {
			return removed, files, err
		}
	}
	return removed, files, nil
}
