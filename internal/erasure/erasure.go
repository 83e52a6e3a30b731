// Package erasure keeps who asked for the destruction of a key, tells what it makes
// dark, and writes the receipt.
//
// A receipt is written in the transaction that writes the tombstone, and so after the
// last epoch that could open the key was destroyed in every holder of the root. What
// went dark is counted from the index of package object: content goes dark when
// everything that it was ever sealed under is gone, because an old backup may hold a
// wrap that the live store has forgotten.
//
// Rows, all under the prefix "erasure/". A place is account/region/key ID, and for a
// subject a slash and its ID in 64 hexadecimal digits:
//
//	erasure/key             the signing key of receipts
//	erasure/asked/ place    who asked for a destruction that is not over
//	erasure/receipt/ place  the receipt
package erasure

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"coffer/internal/arn"
	"coffer/internal/key"
	"coffer/internal/meta"
	"coffer/internal/object"
	"coffer/internal/receipt"
)

const (
	rowKey     = "erasure/key"      // keyRow
	rowAsked   = "erasure/asked/"   // place: askedRow
	rowReceipt = "erasure/receipt/" // place: the receipt as it is
)

// ErrNoReceipt means that there is no receipt: what it would be of is not destroyed, or
// was before there were receipts.
var ErrNoReceipt = errors.New("erasure: no receipt")

// A Config holds what a Ledger needs.
type Config struct {
	Meta    meta.Store
	Keys    *key.Keys
	Objects *object.Store
	StoreID [16]byte
	// Holders tells the holders of the root of trust, each of which destroys an
	// epoch before a tombstone is written.
	Holders func() []receipt.Holder
	Now     func() time.Time // calendar time
	Rand    io.Reader        // of the signing key and the IDs of receipts
	Log     *slog.Logger
}

// A Ledger is the record of destructions. It is safe for concurrent use.
type Ledger struct {
	cfg  Config
	seed [receipt.SeedSize]byte

	mu      sync.Mutex
	counted map[string]*Effect // by place, between the count and the end of the burial
}

type keyRow struct {
	Seed    []byte `cbor:"1,keyasint"`
	Created int64  `cbor:"2,keyasint"` // Unix nanoseconds
}

// An askedRow is an Asked as stored.
type askedRow struct {
	By     string `cbor:"1,keyasint"`
	Event  string `cbor:"2,keyasint"`
	At     int64  `cbor:"3,keyasint"` // Unix nanoseconds
	Window int64  `cbor:"4,keyasint"`
}

// Open returns the ledger in cfg.Meta, and makes its signing key if there is none.
func Open(ctx context.Context, cfg Config) (*Ledger, error) {
	l := &Ledger{cfg: cfg, counted: make(map[string]*Effect)}
	fresh := keyRow{Seed: make([]byte, receipt.SeedSize), Created: cfg.Now().UnixNano()}
	if _, err := io.ReadFull(cfg.Rand, fresh.Seed); err != nil {
		return nil, fmt.Errorf("draw the signing key of receipts: %w", err)
	}
	row, err := signingKey(ctx, cfg.Meta)
	if errors.Is(err, meta.ErrNotFound) {
		row = &fresh
		err = cfg.Meta.Update(ctx, func(tx meta.Txn) error {
			if _, err := tx.Get([]byte(rowKey)); !errors.Is(err, meta.ErrNotFound) {
				return errors.Join(err, errors.New("erasure: another process makes the signing key"))
			}
			return put(tx, rowKey, row)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("open the ledger of destructions: %w", err)
	}
	copy(l.seed[:], row.Seed)
	return l, nil
}

func signingKey(ctx context.Context, m meta.Store) (*keyRow, error) {
	row := new(keyRow)
	err := m.View(ctx, func(r meta.Reader) error { return get(r, rowKey, row) })
	if err == nil && len(row.Seed) != receipt.SeedSize {
		err = fmt.Errorf("%w: %q", meta.ErrCorrupt, rowKey)
	}
	return row, err
}

// Close wipes the signing key.
func (l *Ledger) Close() { clear(l.seed[:]) }

// PublicKey returns the key that checks receipts.
func (l *Ledger) PublicKey() receipt.PublicKey { return receipt.Public(&l.seed) }

func put(tx meta.Txn, at string, row any) error {
	b, err := cbor.Marshal(row)
	if err != nil {
		return err
	}
	return tx.Put([]byte(at), b)
}

func get(r meta.Reader, at string, row any) error {
	b, err := r.Get([]byte(at))
	if err != nil {
		return err
	}
	if err := cbor.Unmarshal(b, row); err != nil {
		return fmt.Errorf("%w: %q", meta.ErrCorrupt, at)
	}
	return nil
}

// A Target is what is to be destroyed, or was: a key, or one subject of it.
type Target struct {
	Ref     key.Ref
	Regions []string       // other regions in which a subject's key is, the same in all
	Subject *key.SubjectID // nil for the key with all that is below it
}

// TargetOf returns a key as a target, or a subject of it.
func TargetOf(k *key.Key, subject *key.SubjectID) Target {
	t := Target{Ref: k.Ref, Subject: subject}
	if subject == nil || k.MultiRegion == nil {
		return t
	}
	for _, region := range append([]string{k.MultiRegion.Primary}, k.MultiRegion.Replicas...) {
		if region != k.Region {
			t.Regions = append(t.Regions, region)
		}
	}
	return t
}

// place names t in rows. The subjects of a key of several regions are the same in all.
func (t Target) place() string {
	region := t.Ref.Region
	if t.Subject == nil {
		return t.Ref.Account + "/" + region + "/" + t.Ref.ID
	}
	if isMultiRegion(t.Ref.ID) {
		region = ""
	}
	return t.Ref.Account + "/" + region + "/" + t.Ref.ID + "/" + t.Subject.String()
}

func isMultiRegion(id string) bool { return len(id) > 4 && id[:4] == "mrk-" }

// targets returns t as the index of content knows it.
func (t Target) targets() []string {
	part := ""
	if t.Subject != nil {
		part = t.Subject.String()
	}
	all := []string{object.TargetOf(t.Ref.ARN(), part)}
	for _, region := range t.Regions {
		all = append(all, object.TargetOf(key.Ref{Account: t.Ref.Account, Region: region, ID: t.Ref.ID}.ARN(), part))
	}
	return all
}

// within reports whether destroying t destroys a target of the index.
func (t Target) within(target string) bool {
	for _, own := range t.targets() {
		if object.IsWithin(target, own) {
			return true
		}
	}
	return false
}

// An Asked is who asked for a destruction.
type Asked struct {
	By     string // ARN
	Event  string // ID of the call's event in the trail
	Window time.Duration
}

// Ask notes who asks for the destruction of t, in the transaction that schedules or
// begins it.
func (l *Ledger) Ask(tx meta.Txn, t Target, a Asked) error {
	return put(tx, rowAsked+t.place(), askedRow{a.By, a.Event, l.cfg.Now().UnixNano(), int64(a.Window)})
}

// Withdraw forgets who asked, in the transaction that cancels it.
func (l *Ledger) Withdraw(tx meta.Txn, t Target) error {
	return tx.Delete([]byte(rowAsked + t.place()))
}

// Receipt returns the receipt of a destruction, or ErrNoReceipt.
func (l *Ledger) Receipt(ctx context.Context, t Target) (b []byte, err error) {
	err = l.cfg.Meta.View(ctx, func(r meta.Reader) error {
		b, err = r.Get([]byte(rowReceipt + t.place()))
		return err
	})
	if errors.Is(err, meta.ErrNotFound) {
		return nil, ErrNoReceipt
	}
	return b, err
}

// parseTarget returns the key, and the subject, that a target of the index names. ok
// is false if it names none.
func parseTarget(target string) (ref key.Ref, subject *key.SubjectID, ok bool) {
	name, part, hasPart := cutPart(target)
	a, err := arn.Parse(name)
	const prefix = "key/"
	if err != nil || a.Service != "kms" || len(a.Resource) <= len(prefix) || a.Resource[:len(prefix)] != prefix {
		return ref, nil, false
	}
	ref = key.Ref{Account: a.Account, Region: a.Region, ID: a.Resource[len(prefix):]}
	if !hasPart {
		return ref, nil, true
	}
	id, ok := key.ParseSubjectID(part)
	return ref, &id, ok
}

func storeID(id [16]byte) string { return hex.EncodeToString(id[:]) }
