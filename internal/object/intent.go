package object

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"coffer/internal/meta"
)

// intentBatch is how many blob names are reserved by one commit, so that a large
// upload seldom waits for a commit of its own before it starts.
const intentBatch = 64

// blobNameSize is the size of a blob's name before it is encoded in
// hexadecimal, in random bytes.
const blobNameSize = 20

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
			var b [blobNameSize]byte
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

// claim takes the intent of a blob in the transaction that names it. A blob whose
// intent is gone or given up is, or will be, removed: it must not be named.
func claim(txn meta.Txn, name string) error {
	mark, err := txn.Get(intentRow(name))
	if errors.Is(err, meta.ErrNotFound) || err == nil && len(mark) > 0 {
		return fmt.Errorf("%w: blob %s was given up", ErrConflict, name)
	}
	if err != nil {
		return err
	}
	return txn.Delete(intentRow(name))
}

// givenUp is the value of an intent whose blob nobody may name any more.
var givenUp = []byte{1}

// giveUp removes a blob that was written but not named, and then its intent.
// What fails here is done by the collector or at the next start.
//
// The commit that was to name the blob may have happened although it returned an
// error. So what decides is whether the intent still stands, and marking it
// keeps that commit from happening later.
func (s *Store) giveUp(name string) {
	ctx := context.Background()
	named := false
	err := s.meta.Update(ctx, func(txn meta.Txn) error {
		_, err := txn.Get(intentRow(name))
		if named = errors.Is(err, meta.ErrNotFound); named {
			return nil
		}
		if err != nil {
			return err
		}
		return txn.Put(intentRow(name), givenUp)
	})
	if err == nil && !named {
		err = s.dropBlobs(ctx, []string{name})
	}
	if err != nil {
		s.log.Warn("remove unnamed blob", "blob", name, "error", err)
	}
}

// dropBlobs removes blobs that were given up, and then their intents.
func (s *Store) dropBlobs(ctx context.Context, names []string) error {
	for _, n := range names {
		if err := s.blobs.Delete(ctx, n); err != nil {
			return fmt.Errorf("remove blob %s: %w", n, err)
		}
	}
	return s.meta.Update(ctx, func(txn meta.Txn) error {
		for _, n := range names {
			if err := txn.Delete(intentRow(n)); err != nil {
				return err
			}
		}
		return nil
	})
}

// dropGivenUp removes the blobs that were given up and could not be removed then.
func (s *Store) dropGivenUp(ctx context.Context) error {
	var names []string
	err := s.meta.View(ctx, func(r meta.Reader) error {
		names = nil
		return r.Scan(meta.Prefix([]byte(rowIntent)), func(k, mark []byte) (bool, error) {
			if len(mark) > 0 {
				names = append(names, string(k[len(rowIntent):]))
			}
			return len(names) < 1000, nil
		})
	})
	if err != nil || len(names) == 0 {
		return err
	}
	return s.dropBlobs(ctx, names)
}

// dropIntents removes the blobs that earlier runs announced but never named.
func (s *Store) dropIntents(ctx context.Context) error {
	for {
		var names []string
		err := s.meta.Update(ctx, func(txn meta.Txn) error {
			names = nil
			rg := meta.Prefix([]byte(rowIntent))
			rg.Limit = 1000
			err := txn.Scan(rg, func(k, _ []byte) (bool, error) {
				names = append(names, string(k[len(rowIntent):]))
				return true, nil
			})
			if err != nil {
				return err
			}
			for _, n := range names {
				if err := txn.Put(intentRow(n), givenUp); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(names) == 0 {
			return err
		}
		if err := s.dropBlobs(ctx, names); err != nil {
			return err
		}
	}
}
