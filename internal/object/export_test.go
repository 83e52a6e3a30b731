package object

import (
	"context"

	"coffer/internal/meta"
)

// SetMinPart makes small parts good for tests of many.
func (s *Store) SetMinPart(n int64) { s.minPart = n }

// CheckIn is Check with another number of names in memory.
func (s *Store) CheckIn(ctx context.Context, batch int, cfg CheckConfig, report func(Finding)) error {
	c := &checker{s: s, cfg: cfg, report: report, batch: batch}
	return c.run(ctx)
}

// Rows of a version, for tests that damage them.
var (
	HeadRow    = headRow
	MarkerRow  = markerRow
	VersionRow = versionRow
	ContentRow = contentRow
	TableRow   = tableRow
	BucketRow  = bucketRow
	OwnerRow   = ownerRow
	UploadRow  = uploadRow
	PartRow    = partRow
	IntentRow  = intentRow
	GarbageRow = garbageRow
	PolicyRow  = policyRowKey
	PartsRow   = rowPart
)

// PutRow writes a row as the store does.
func PutRow(txn meta.Txn, k []byte, v any) error { return put(txn, k, v) }

// GetRow reads a row as the store does.
func GetRow(r meta.Reader, k []byte, v any) error { return get(r, k, v) }

// Garbage is what a garbage row holds.
type Garbage = garbage
