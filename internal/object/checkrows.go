package object

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"coffer/internal/meta"
)

// VersionRows is the prefix of the rows of versions.
const VersionRows = rowVersion

// CheckRows is [Store.Check] for the versions in some rows alone. Rows that are not
// there any more, and those of delete markers, are passed over.
func (s *Store) CheckRows(ctx context.Context, cfg CheckConfig, rows [][]byte, report func(Finding)) error {
	cfg.Repair = false
	c := &checker{s: s, cfg: cfg, report: report, batch: checkBatch}
	if err := c.checkBuckets(ctx); err != nil {
		return fmt.Errorf("check objects: %w", err)
	}
	for i, k := range rows {
		v, err := c.versionIn(ctx, k)
		if err == nil && v != nil {
			err = c.version(ctx, v)
		}
		if err != nil {
			return fmt.Errorf("check objects: %w", err)
		}
		c.flush(ctx)
		if cfg.Progress != nil {
			cfg.Progress(int64(i+1), int64(len(rows)))
		}
	}
	return nil
}

// versionIn reads the version in a row, nil if there is none with content.
func (c *checker) versionIn(ctx context.Context, k []byte) (*Version, error) {
	var id ID
	if !bytes.HasPrefix(k, []byte(rowVersion)) || copy(id[:], k[len(rowVersion):]) < len(id) {
		return nil, fmt.Errorf("%w: row key %q", meta.ErrCorrupt, k)
	}
	key, seq, err := splitVersion(k, len(rowVersion)+len(id))
	if err != nil {
		return nil, err
	}
	b := c.buckets[id]
	if b == nil {
		c.note(Finding{Severity: SeverityError, Kind: KindBucketMissing, Detail: fmt.Sprintf("bucket ID %x", id)}, nil)
		return nil, nil
	}
	var v *Version
	err = c.s.meta.View(ctx, func(r meta.Reader) (err error) {
		v, err = versionAt(r, b, key, seq)
		return err
	})
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return nil, nil
	case errors.Is(err, meta.ErrCorrupt):
		c.damaged(k, err)
		return nil, nil
	case err != nil || v.IsMarker:
		return nil, err
	}
	return v, nil
}
