package object

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"coffer/internal/meta"
)

const (
	// collectEvery is how often the collector looks for work.
	collectEvery = 10 * time.Second
	// readGrace is how long discarded content stays after the commit that
	// removed its name: a reader that found the version before has that long to
	// open it, in calendar time.
	readGrace = 10 * time.Second
)

// garbage is content that no version names any more. Its row is written in the
// transaction that removed the name; the collector removes the bytes.
type garbage struct {
	Blob   string `cbor:"1,keyasint,omitempty"`
	Chunks int    `cbor:"2,keyasint,omitempty"` // of the part table
	Since  int64  `cbor:"4,keyasint,omitempty"` // Unix milliseconds; 0 if nobody can be reading it
}

// discard hands content to the collector, in the transaction that removes what
// named it. A small body goes at once: its readers hold it already.
func (s *Store) discard(txn meta.Txn, c *Content) error {
	switch {
	case c.ID == (sealedID{}): // a delete marker
		return nil
	case c.PartCount > 0:
		return put(txn, garbageRow(c.ID), garbage{Chunks: len(c.Chunks), Since: s.millis()})
	case c.Blob != "":
		return put(txn, garbageRow(c.ID), garbage{Blob: c.Blob, Since: s.millis()})
	}
	return txn.Delete(contentRow(c.ID))
}

// discardPart hands the body of a part of an upload, which nobody reads, to the
// collector.
func discardPart(txn meta.Txn, p *Part) error {
	if p.Blob == "" {
		return txn.Delete(contentRow(p.ContentID))
	}
	return put(txn, garbageRow(p.ContentID), garbage{Blob: p.Blob})
}

// collect removes discarded content until ctx ends.
func (s *Store) collect(ctx context.Context) {
	tick := time.NewTicker(collectEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.Collect(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("collect removed content", "error", err)
		}
	}
}

// Collect removes the content that was discarded more than ten seconds of
// calendar time ago and that nobody is reading, the uploads of deleted buckets,
// the replaced wraps whose recovery window has passed, and the blobs of writes
// that failed. It goes on after an
// error and returns the first. The collector calls it every ten seconds; several
// at once do no harm. While somebody holds content, see Hold, it stays.
func (s *Store) Collect(ctx context.Context) error {
	first := firstError(s.purgeBuckets(ctx), firstError(s.pruneWraps(ctx), s.dropGivenUp(ctx)))
	before := s.now().Add(-readGrace).UnixMilli()
	after := []byte(rowGarbage)
	for ctx.Err() == nil {
		var batch, done []item
		err := s.meta.View(ctx, func(r meta.Reader) error {
			batch = batch[:0]
			return r.Scan(meta.Range{Start: after, End: meta.PrefixEnd([]byte(rowGarbage)), Limit: 256}, func(k, v []byte) (bool, error) {
				var it item
				copy(it.id[:], k[len(rowGarbage):])
				err := decode(k, v, &it.g)
				batch = append(batch, it)
				return true, err
			})
		})
		if err != nil {
			return firstError(first, fmt.Errorf("read rows of removed content: %w", err))
		}
		if len(batch) == 0 {
			break
		}
		if !s.pins.beginRemoval() {
			break // somebody holds it; later
		}
		for _, it := range batch {
			if it.g.Since <= before && s.pins.condemn(it.id) {
				done = append(done, it)
			}
		}
		first = firstError(first, s.eraseAll(ctx, done))
		s.pins.endRemoval()
		last := batch[len(batch)-1].id
		after = append(garbageRow(last), 0)
	}
	return first
}

// An item is one row of garbage.
type item struct {
	id sealedID
	g  garbage
}

// eraseAll removes condemned content and then its rows.
func (s *Store) eraseAll(ctx context.Context, items []item) error {
	var first error
	var done []item
	for _, it := range items {
		defer s.pins.spare(it.id)
		if err := s.erase(ctx, it.id, it.g); err != nil {
			first = firstError(first, err)
			continue
		}
		done = append(done, it)
	}
	if len(done) == 0 {
		return first
	}
	err := s.meta.Update(ctx, func(txn meta.Txn) error {
		for _, it := range done {
			if err := txn.Delete(garbageRow(it.id)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("remove rows of removed content: %w", err)
	}
	return firstError(first, err)
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// erase removes the bytes of one piece of content. It may run twice.
func (s *Store) erase(ctx context.Context, id sealedID, g garbage) error {
	if g.Blob != "" {
		if err := s.blobs.Delete(ctx, g.Blob); err != nil {
			return fmt.Errorf("remove blob %s: %w", g.Blob, err)
		}
	}
	for i := range g.Chunks {
		var chunk PartTable
		err := s.meta.View(ctx, func(r meta.Reader) error { return get(r, tableRow(id, i), &chunk) })
		if errors.Is(err, meta.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		for _, p := range chunk.Parts {
			if p.Blob == "" {
				continue
			}
			if err := s.blobs.Delete(ctx, p.Blob); err != nil {
				return fmt.Errorf("remove blob %s: %w", p.Blob, err)
			}
		}
		err = s.meta.Update(ctx, func(txn meta.Txn) error {
			for _, p := range chunk.Parts {
				if p.Blob == "" {
					if err := txn.Delete(contentRow(p.ContentID)); err != nil {
						return err
					}
				}
			}
			return txn.Delete(tableRow(id, i))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// purgeBuckets removes the uploads of deleted buckets.
func (s *Store) purgeBuckets(ctx context.Context) error {
	var ids []ID
	err := s.meta.View(ctx, func(r meta.Reader) error {
		ids = nil
		return r.Scan(meta.Prefix([]byte(rowPurge)), func(k, _ []byte) (bool, error) {
			var id ID
			copy(id[:], k[len(rowPurge):])
			ids = append(ids, id)
			return true, nil
		})
	})
	if err != nil {
		return err
	}
	for _, id := range ids {
		for {
			var rows [][]byte
			var uploads []string
			err := s.meta.View(ctx, func(r meta.Reader) error {
				rows, uploads = nil, nil
				base := row(rowUpload, id[:])
				rg := meta.Prefix(base)
				rg.Limit = 100
				return r.Scan(rg, func(k, _ []byte) (bool, error) {
					_, upload, err := unescape(k[len(base):])
					rows, uploads = append(rows, bytes.Clone(k)), append(uploads, string(upload))
					return true, err
				})
			})
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				break
			}
			for i := range rows {
				err := s.meta.Update(ctx, func(txn meta.Txn) error { return dropUpload(txn, rows[i], uploads[i]) })
				if err != nil {
					return err
				}
			}
		}
		err := s.meta.Update(ctx, func(txn meta.Txn) error { return txn.Delete(purgeRow(id)) })
		if err != nil {
			return err
		}
	}
	return nil
}
