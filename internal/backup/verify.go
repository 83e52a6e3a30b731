package backup

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"

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
		from, _ := search(records, prefix)
		to := from
		for to < len(records) && bytes.HasPrefix(records[to].key, prefix) {
			to++
		}
		// Several of a chunk that was read: it is the reading that costs.
		for range min(to-from, 16) {
			k := records[from+rand.IntN(to-from)].key
			if !seen[string(k)] && len(out) < n {
				seen[string(k)] = true
				out = append(out, bytes.Clone(k))
			}
		}
	}
	return out, nil
}
