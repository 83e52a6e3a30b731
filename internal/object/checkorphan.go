package object

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	"coffer/internal/meta"
)

// names are things that something should name: blobs, small bodies and part
// tables, told apart by their first byte.
type names map[string]struct{}

const (
	nameBlob  = "b"
	nameBody  = "c"
	nameTable = "t"
)

var errFull = errors.New("object: batch is full")

// checkLeftovers looks for what nothing names: blobs, small bodies, part tables
// and parts.
//
// Content that moves while this runs is not missed: a part moves to a part table,
// and a version to the garbage, each in one transaction; the places are read in
// that order. A blob without a name but with an intent belongs to a write under
// way.
func (c *checker) checkLeftovers(ctx context.Context) error {
	if err := c.leftParts(ctx); err != nil {
		return err
	}
	if err := c.leftBlobs(ctx); err != nil {
		return err
	}
	if err := c.leftRows(ctx, rowContent, nameBody); err != nil {
		return err
	}
	return c.leftRows(ctx, rowTable, nameTable)
}

// each is walk for a range that was checked before: what does not read is passed
// over.
func (c *checker) each(ctx context.Context, prefix string, fn visit) error {
	quiet := &checker{s: c.s, report: func(Finding) {}}
	err := quiet.walk(ctx, meta.Prefix([]byte(prefix)), fn, nil)
	c.namesLost = c.namesLost || quiet.namesLost
	return err
}

// strike removes from left what a row names.
func (c *checker) strike(ctx context.Context, left names) error {
	part := func(p *Part) {
		delete(left, nameBlob+p.Blob)
		delete(left, nameBody+string(p.ContentID[:]))
	}
	for _, step := range []struct {
		prefix string
		fn     func(k, val []byte) error
	}{
		{rowPart, func(k, val []byte) error {
			var p Part
			err := decode(k, val, &p)
			part(&p)
			return err
		}},
		{rowVersion, func(k, val []byte) error {
			var v Version
			err := decode(k, val, &v)
			delete(left, nameBlob+v.Content.Blob)
			delete(left, nameBody+string(v.Content.ID[:]))
			delete(left, nameTable+string(v.Content.ID[:]))
			return err
		}},
		{rowTable, func(k, val []byte) error {
			var t PartTable
			err := decode(k, val, &t)
			for i := range t.Parts {
				part(&t.Parts[i])
			}
			return err
		}},
		{rowGarbage, func(k, val []byte) error {
			var g garbage
			err := decode(k, val, &g)
			delete(left, nameBlob+g.Blob)
			delete(left, nameTable+string(k[len(rowGarbage):]))
			return err
		}},
	} {
		if len(left) == 0 {
			return nil
		}
		err := c.each(ctx, step.prefix, func(_ meta.Reader, k, val []byte) ([]byte, error) {
			c.namesLost = step.fn(k, val) != nil || c.namesLost
			return nil, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// leftBlobs finds blobs that no row names.
func (c *checker) leftBlobs(ctx context.Context) error {
	after := ""
	for more := true; more; {
		left := names{}
		err := c.s.blobs.List(ctx, after, func(id string) error {
			if len(left) >= c.batch {
				return errFull
			}
			left[nameBlob+id] = struct{}{}
			after = id
			return nil
		})
		more = errors.Is(err, errFull)
		if err != nil && !more {
			return fmt.Errorf("list blobs: %w", err)
		}
		if err := c.intended(ctx, left); err != nil {
			return err
		}
		if err := c.strike(ctx, left); err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(left)) {
			c.orphanBlob(ctx, name[len(nameBlob):])
		}
		c.flush(ctx)
	}
	return ctx.Err()
}

// intended removes from left the blobs that have an intent.
func (c *checker) intended(ctx context.Context, left names) error {
	return c.each(ctx, rowIntent, func(_ meta.Reader, k, _ []byte) ([]byte, error) {
		delete(left, nameBlob+string(k[len(rowIntent):]))
		return nil, nil
	})
}

func (c *checker) orphanBlob(ctx context.Context, name string) {
	b, err := c.s.blobs.Open(ctx, name)
	if isMissing(err) {
		return // it was removed meanwhile
	}
	f := Finding{Severity: SeverityWarning, Kind: KindOrphanBlob, Detail: "blob " + name}
	if err == nil {
		f.Detail += fmt.Sprintf(" of %d bytes", b.Size())
		_ = b.Close()
	}
	var repair func(context.Context) error
	if raw, err := hex.DecodeString(name); err == nil && len(raw) == blobNameSize && c.cfg.Offline && !c.namesLost {
		repair = func(ctx context.Context) error { return c.s.blobs.Delete(ctx, name) }
	}
	c.note(f, repair)
}

// leftRows finds small bodies and part tables that nothing names.
func (c *checker) leftRows(ctx context.Context, prefix, kind string) error {
	next := []byte(prefix)
	for next != nil {
		left := names{}
		from := next
		next = nil
		quiet := &checker{s: c.s, report: func(Finding) {}}
		err := quiet.walk(ctx, meta.Range{Start: from, End: meta.PrefixEnd([]byte(prefix))}, func(_ meta.Reader, k, _ []byte) ([]byte, error) {
			var id sealedID
			if copy(id[:], k[len(prefix):]) < len(id) {
				return nil, nil
			}
			if len(left) >= c.batch {
				next = bytes.Clone(k)
				return nil, errFull
			}
			left[kind+string(id[:])] = struct{}{}
			return meta.PrefixEnd(row(prefix, id[:])), nil
		}, nil)
		if err != nil && !errors.Is(err, errFull) {
			return err
		}
		if err := c.strike(ctx, left); err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(left)) {
			if err := c.orphanRows(ctx, prefix, sealedID([]byte(name[1:]))); err != nil {
				return err
			}
		}
		c.flush(ctx)
	}
	return nil
}

// orphanRows notes the rows of content that nothing names, if they are still
// there.
func (c *checker) orphanRows(ctx context.Context, prefix string, id sealedID) error {
	rows := meta.Prefix(row(prefix, id[:]))
	n := 0
	count := func(r meta.Reader) error {
		n = 0
		return r.Scan(rows, func(k, _ []byte) (bool, error) {
			n++
			if prefix == rowTable {
				n = int(k[len(k)-2])<<8 | int(k[len(k)-1]) + 1
			}
			return true, nil
		})
	}
	err := c.s.meta.View(ctx, count)
	if errors.Is(err, meta.ErrCorrupt) {
		c.namesLost = true // it stays
	} else if err != nil || n == 0 {
		return err // it was removed meanwhile
	}
	f := Finding{Severity: SeverityWarning, Kind: KindOrphanBody, Detail: fmt.Sprintf("content %x", id)}
	if prefix == rowTable {
		f.Kind = KindOrphanTable
	}
	if c.namesLost {
		c.note(f, nil)
		return nil
	}
	c.note(f, func(ctx context.Context) error {
		return c.s.meta.Update(ctx, func(txn meta.Txn) error {
			if prefix == rowContent {
				return txn.Delete(contentRow(id))
			}
			if err := count(txn); err != nil {
				return err
			}
			return put(txn, garbageRow(id), garbage{Chunks: n})
		})
	})
	return nil
}

// leftParts finds parts whose upload is not there. Nothing can open them: their
// keys are sealed under keys that the upload's row held.
func (c *checker) leftParts(ctx context.Context) error {
	next := []byte(rowPart)
	size := versionEncoding.EncodedLen(uploadIDSize)
	for next != nil {
		left := names{}
		from := next
		next = nil
		quiet := &checker{s: c.s, report: func(Finding) {}}
		err := quiet.walk(ctx, meta.Range{Start: from, End: meta.PrefixEnd([]byte(rowPart))}, func(_ meta.Reader, k, _ []byte) ([]byte, error) {
			id := k[len(rowPart):]
			if len(id) != size+2 {
				return nil, nil
			}
			if len(left) >= c.batch {
				next = bytes.Clone(k)
				return nil, errFull
			}
			left[string(id[:size])] = struct{}{}
			return meta.PrefixEnd(row(rowPart, id[:size])), nil
		}, nil)
		if err != nil && !errors.Is(err, errFull) {
			return err
		}
		if len(left) == 0 {
			continue
		}
		err = c.each(ctx, rowUpload, func(_ meta.Reader, k, _ []byte) ([]byte, error) {
			delete(left, string(k[max(0, len(k)-size):]))
			return nil, nil
		})
		if err != nil {
			return err
		}
		for _, id := range slices.Sorted(maps.Keys(left)) {
			if err := c.orphanParts(ctx, id); err != nil {
				return err
			}
		}
		c.flush(ctx)
	}
	return nil
}

func (c *checker) orphanParts(ctx context.Context, id string) error {
	n := 0
	err := c.s.meta.View(ctx, func(r meta.Reader) error {
		n = 0
		return r.Scan(meta.Prefix(row(rowPart, []byte(id))), func(_, _ []byte) (bool, error) {
			n++
			return true, nil
		})
	})
	if errors.Is(err, meta.ErrCorrupt) {
		c.namesLost = true
	} else if err != nil || n == 0 {
		return err
	}
	f := Finding{Severity: SeverityWarning, Kind: KindUploadMissing, Version: id, Detail: fmt.Sprintf("%d parts", n)}
	if c.namesLost {
		c.note(f, nil) // a row that does not read may be the upload
		return nil
	}
	c.note(f, func(ctx context.Context) error {
		return c.s.meta.Update(ctx, func(txn meta.Txn) error { return dropParts(txn, id) })
	})
	return nil
}
