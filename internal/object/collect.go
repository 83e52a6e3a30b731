package object

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"coffer/internal/blob"
	"coffer/internal/meta"
)

// collectEvery is how often the collector looks for work that no signal
// announced: content whose readers have ended, and what an error left.
const collectEvery = 30 * time.Second

// garbage is content that no version names any more. Its row is written in the
// transaction that removed the name; the collector removes the bytes.
type garbage struct {
	Blob   string `cbor:"1,keyasint,omitempty"`
	Chunks int    `cbor:"2,keyasint,omitempty"` // of the part table
	Inline bool   `cbor:"3,keyasint,omitempty"`
}

// discard hands content to the collector, in the transaction that removes what
// named it. A small body goes at once.
func discard(txn meta.Txn, c *Content) error {
	switch {
	case c.ID == (sealedID{}): // a delete marker
		return nil
	case c.PartCount > 0:
		return put(txn, garbageRow(c.ID), garbage{Chunks: len(c.Chunks)})
	case c.Blob != "":
		return put(txn, garbageRow(c.ID), garbage{Blob: c.Blob})
	}
	return txn.Delete(contentRow(c.ID))
}

// discardPart hands the body of a part to the collector.
func discardPart(txn meta.Txn, p *Part) error {
	if p.Blob == "" {
		return txn.Delete(contentRow(p.ContentID))
	}
	return put(txn, garbageRow(p.ContentID), garbage{Blob: p.Blob})
}

func (s *Store) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// collect removes discarded content until ctx ends.
func (s *Store) collect(ctx context.Context) {
	tick := time.NewTicker(collectEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-tick.C:
		}
		if err := s.Collect(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("collect removed content", "error", err)
		}
	}
}

// Collect removes all discarded content that nobody is reading. It goes on
// after an error and returns the first.
func (s *Store) Collect(ctx context.Context) error {
	first := firstError(s.purgeBuckets(ctx), s.pruneWraps(ctx))
	after := []byte(rowGarbage)
	for ctx.Err() == nil {
		type item struct {
			id sealedID
			g  garbage
		}
		var batch []item
		err := s.meta.View(ctx, func(r meta.Reader) error {
			batch = batch[:0]
			return r.Scan(meta.Range{Start: after, End: meta.PrefixEnd([]byte(rowGarbage)), Limit: 256}, func(k, v []byte) (bool, error) {
				var it item
				copy(it.id[:], k[len(rowGarbage):])
				batch = append(batch, it)
				return true, decode(k, v, &batch[len(batch)-1].g)
			})
		})
		if err != nil {
			return err
		}
		if len(batch) == 0 {
			break
		}
		var done []item
		for _, it := range batch {
			if !s.pins.idle(it.id) {
				continue
			}
			if err := s.erase(ctx, it.id, it.g); err != nil {
				first = firstError(first, err)
				continue
			}
			done = append(done, it)
		}
		if len(done) > 0 {
			err = s.meta.Update(ctx, func(txn meta.Txn) error {
				for _, it := range done {
					if err := txn.Delete(garbageRow(it.id)); err != nil {
						return err
					}
				}
				return nil
			})
			first = firstError(first, err)
		}
		last := batch[len(batch)-1].id
		after = append(garbageRow(last), 0)
	}
	return first
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

// intentBatch is how many blob names are reserved by one commit, so that a large
// upload seldom waits for a commit of its own before it starts.
const intentBatch = 64

// An intentPool holds blob names whose intent rows are durable.
type intentPool struct {
	mu    sync.Mutex // guards ready; held while a batch is reserved
	ready []string
}

// blobName returns the name of a blob to be. Its intent is durable: if no
// commit ever names the blob, the next start removes it.
func (s *Store) blobName(ctx context.Context) (string, error) {
	s.intents.mu.Lock()
	defer s.intents.mu.Unlock()
	if len(s.intents.ready) == 0 {
		names := make([]string, intentBatch)
		for i := range names {
			var b [20]byte
			if err := s.random(b[:]); err != nil {
				return "", err
			}
			names[i] = hex.EncodeToString(b[:])
		}
		err := s.meta.Update(ctx, func(txn meta.Txn) error {
			for _, n := range names {
				if err := txn.Put(intentRow(n), nil); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return "", fmt.Errorf("reserve blob names: %w", err)
		}
		s.intents.ready = names
	}
	n := len(s.intents.ready) - 1
	name := s.intents.ready[n]
	s.intents.ready = s.intents.ready[:n]
	return name, nil
}

// giveUp removes a blob that was written but is named by no row, and then its
// intent. What fails here is done at the next start.
func (s *Store) giveUp(name string) {
	ctx := context.Background()
	if err := s.blobs.Delete(ctx, name); err != nil && !errors.Is(err, blob.ErrNotFound) {
		s.log.Warn("remove unnamed blob", "blob", name, "error", err)
		return
	}
	err := s.meta.Update(ctx, func(txn meta.Txn) error { return txn.Delete(intentRow(name)) })
	if err != nil {
		s.log.Warn("remove intent", "blob", name, "error", err)
	}
}

// dropIntents removes the blobs that earlier runs announced but never named.
func (s *Store) dropIntents(ctx context.Context) error {
	for {
		var names []string
		err := s.meta.View(ctx, func(r meta.Reader) error {
			names = nil
			rg := meta.Prefix([]byte(rowIntent))
			rg.Limit = 1000
			return r.Scan(rg, func(k, _ []byte) (bool, error) {
				names = append(names, string(k[len(rowIntent):]))
				return true, nil
			})
		})
		if err != nil || len(names) == 0 {
			return err
		}
		for _, n := range names {
			if err := s.blobs.Delete(ctx, n); err != nil {
				return fmt.Errorf("remove blob %s: %w", n, err)
			}
		}
		err = s.meta.Update(ctx, func(txn meta.Txn) error {
			for _, n := range names {
				if err := txn.Delete(intentRow(n)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// pins counts the readers of content, so that the collector leaves it alone.
type pins struct {
	mu    sync.Mutex // guards count
	count map[sealedID]int
}

func (p *pins) add(id sealedID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count == nil {
		p.count = make(map[sealedID]int)
	}
	p.count[id]++
}

func (p *pins) remove(id sealedID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count[id]--; p.count[id] <= 0 {
		delete(p.count, id)
	}
}

func (p *pins) idle(id sealedID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count[id] == 0
}
