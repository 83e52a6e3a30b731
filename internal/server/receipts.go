package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"coffer/internal/config"
	"coffer/internal/durable"
	"coffer/internal/erasure"
	"coffer/internal/key"
	"coffer/internal/meter"
	"coffer/internal/object"
	"coffer/internal/receipt"
	rootparts "coffer/internal/rootseal/parts"
	"coffer/internal/s3"
	"coffer/internal/shred"
)

// ReceiptFile is the public key that checks receipts, inside a data directory.
const ReceiptFile = "receipt.pub"

// openLedger opens the ledger of destructions and makes sure that DIR/receipt.pub
// holds its public key.
func (s *Stack) openLedger(ctx context.Context, cfg *config.Server) (err error) {
	lost := slices.Clone(cfg.Root.Lost)
	s.Ledger, err = erasure.Open(ctx, erasure.Config{
		Meta: s.Meta, Keys: s.Keys, Objects: s.Objects, StoreID: s.Root.StoreID(),
		Holders: func() []receipt.Holder { return holders(s.rootStore.Sets(), s.Root.Epoch(), lost) },
		Now:     s.Clock.Now, Rand: rand.Reader, Log: s.log,
	})
	if err != nil {
		return err
	}
	s.onClose(func() error { s.Ledger.Close(); return nil })
	name := filepath.Join(s.Dir, ReceiptFile)
	want := []byte("# Checks the receipts of the data directory " + fmt.Sprintf("%x", s.Root.StoreID()) + "\n" + s.Ledger.PublicKey().Line())
	have, err := durable.ReadFile(durable.OS{}, name, receipt.MaxSize)
	switch {
	case err == nil && bytes.Equal(have, want):
		return nil
	case err == nil:
		s.log.Warn("the public key of receipts was altered and is written anew", "file", name)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := durable.WriteFile(durable.OS{}, name, want, 0o644); err != nil {
		return fmt.Errorf("write the public key of receipts: %w", err)
	}
	return nil
}

// What the kinds of parts can't exclude when they forget a secret.
//
// Source: docs/spec/root-store.md, section 6; a TPM and an HSM by their nature.
var cannotForget = map[string][]string{
	"file": {
		"snapshots, backups and other copies of its directory that were made while the epoch lived",
		"old blocks on flash, on copy-on-write and log-structured storage, and in data journals",
	},
	"pkcs11": {"backups and clones of the HSM's objects that were made while the epoch lived"},
	"tpm":    {"physical attacks on the TPM"},
}

// holders tells the holders of the root at an epoch, each of which has confirmed, by
// the time of a burial, that it forgot the one before.
func holders(sets []rootparts.Set, epoch uint64, lost []string) []receipt.Holder {
	var set *rootparts.Set
	for i := range sets {
		if sets[i].From <= epoch && (set == nil || sets[i].From > set.From) {
			set = &sets[i]
		}
	}
	out := []receipt.Holder{}
	if set == nil {
		return out
	}
	for _, ids := range set.Holders {
		h := receipt.Holder{Name: strings.Join(ids, "+"), CannotForget: []string{}}
		var kinds []string
		forgetting := 0
		for _, id := range ids {
			p, ok := set.Part(id)
			if !ok {
				continue
			}
			kinds = append(kinds, p.Kind)
			if slices.Contains(lost, id) {
				h.CannotForget = append(h.CannotForget, id+" was given up as lost: it confirmed nothing")
			}
			if !p.Forgets() {
				continue
			}
			forgetting++
			limits := cannotForget[p.Kind]
			if limits == nil {
				limits = []string{"copies of what a part of kind " + p.Kind + " held while the epoch lived"}
			}
			h.CannotForget = append(h.CannotForget, limits...)
		}
		if forgetting > 1 {
			h.CannotForget = append(h.CannotForget, "none of its parts opens anything alone: all of them would have to be copied")
		}
		h.Kind = strings.Join(kinds, "+")
		out = append(out, h)
	}
	return out
}

// newShred returns the service that destroys keys.
func newShred(s *Stack) *shred.Service {
	return shred.New(shred.Config{
		Gate: s.Gate, Meta: s.Meta, KMS: s.KMS, Keys: s.Keys, Objects: s.Objects, Ledger: s.Ledger, Log: s.log,
		SubjectOf: func(b *object.Bucket, key string) (value string, own bool) {
			from := s3.SubjectFrom(b)
			value, ok := s3.SubjectOf(from, b.Name, key)
			return value, ok && from == s3.SubjectFromKey
		},
		LastUse: func(ctx context.Context, ref key.Ref) (*shred.LastUse, error) {
			use, ok, err := s.Meter.LastUse(ctx, meter.Key(ref))
			if err != nil || !ok {
				return nil, err
			}
			return &shred.LastUse{At: use.At, Operation: use.Operation, By: use.Principal}, nil
		},
	})
}
