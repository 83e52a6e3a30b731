// Package anchor holds what IAM Roles Anywhere keeps for each account and region:
// the trust anchors, whose certificate authorities vouch for workloads, the profiles,
// which say which roles the workloads may have, and the revocation lists. It also
// tells whether a certificate is vouched for, and what it says of its holder.
//
// Rows, all CBOR. ACCOUNT and REGION are those of the resource:
//
//	anchor/trust/ ACCOUNT / REGION / ID      a trust anchor
//	anchor/profile/ ACCOUNT / REGION / ID    a profile
//	anchor/crl/ ACCOUNT / REGION / ID        a revocation list
//
// Mutating methods take a function, also, that runs last in the transaction that
// makes the change: the event of the change commits with it or not at all. Like every
// transaction function it may run twice. Each change counts one revision.
package anchor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/fxamacker/cbor/v2"

	"coffer/internal/meta"
	"coffer/internal/revision"
)

// What anchors refuse. The service has one answer for each.
var (
	// ErrNoTrustAnchor, ErrNoProfile and ErrNoCRL mean that the account has none of
	// that ID in the region.
	ErrNoTrustAnchor = errors.New("anchor: no such trust anchor")
	ErrNoProfile     = errors.New("anchor: no such profile")
	ErrNoCRL         = errors.New("anchor: no such revocation list")
	// ErrCertificates means that the text is no bundle of one or two certificates of
	// authorities. The wrapped text says why.
	ErrCertificates = errors.New("anchor: not certificates of authorities")
	// ErrRevocationList means that the data is no revocation list that the trust
	// anchor has signed. The wrapped text says why.
	ErrRevocationList = errors.New("anchor: not a revocation list of the trust anchor")
	// ErrMapping means that an attribute mapping is none. The wrapped text says why.
	ErrMapping = errors.New("anchor: not an attribute mapping")
	// ErrNoMapping means that the profile has no such rule.
	ErrNoMapping = errors.New("anchor: no such attribute mapping")
	// ErrTooMany means that the account has as many as it may have in the region.
	ErrTooMany = errors.New("anchor: too many")
	// ErrTooManyTags means that a resource would have more than MaxTags.
	ErrTooManyTags = errors.New("anchor: too many tags")
	// ErrUntrusted means that nothing vouches for a certificate. The wrapped text says
	// why, for the log.
	ErrUntrusted = errors.New("anchor: certificate is not trusted")
	// ErrHolder means that a certificate does not name its holder in a way that a
	// session can.
	ErrHolder = errors.New("anchor: certificate does not name its holder")
)

// Limits of an account in a region.
//
// Source: IAM Roles Anywhere User Guide, "Quotas for AWS Identity and Access
// Management Roles Anywhere", read 2026-11-21.
const (
	MaxTrustAnchors = 50
	MaxProfiles     = 250
	MaxCRLs         = 2 // of a trust anchor
	MaxCertificates = 2 // of a trust anchor
	MaxRoles        = 250
	MaxTags         = 50
)

// A Kind is a kind of resource, as ARNs name it.
type Kind string

// The kinds.
const (
	KindTrustAnchor Kind = "trust-anchor"
	KindProfile     Kind = "profile"
	KindCRL         Kind = "crl"
)

// A Place is an account and a region.
type Place struct{ Account, Region string }

// A Tag is a name with a value.
type Tag struct {
	Key   string `cbor:"1,keyasint"`
	Value string `cbor:"2,keyasint"`
}

// A Header is what all resources have.
type Header struct {
	Place   Place
	ID      string // a UUID
	Name    string
	Enabled bool
	Created time.Time
	Updated time.Time
	Tags    []Tag
}

// A TrustAnchor is a certificate authority that vouches for workloads.
type TrustAnchor struct {
	Header
	Certificates string // PEM
}

// A Profile says which roles workloads may have, and what bounds their sessions.
type Profile struct {
	Header
	Roles           []string // ARNs
	SessionPolicy   string   // empty if there is none
	ManagedPolicies []string // ARNs
	Duration        time.Duration
	// NeedsProperties refuses requests without instance properties, and TakesName
	// lets requests name their session.
	NeedsProperties bool
	TakesName       bool
	Mappings        map[Field][]string // rules by field
	CreatedBy       string             // ARN
}

// A CRL is a list of certificates that a trust anchor has revoked.
type CRL struct {
	Header
	TrustAnchor string // its ID
	Data        []byte // as imported
}

type headerRow struct {
	Name    string `cbor:"1,keyasint"`
	Enabled bool   `cbor:"2,keyasint"`
	Created int64  `cbor:"3,keyasint"` // Unix milliseconds
	Updated int64  `cbor:"4,keyasint"`
	Tags    []Tag  `cbor:"5,keyasint,omitempty"`
}

type trustRow struct {
	Header       headerRow `cbor:"1,keyasint"`
	Certificates string    `cbor:"2,keyasint"`
}

type profileRow struct {
	Header          headerRow          `cbor:"1,keyasint"`
	Roles           []string           `cbor:"2,keyasint"`
	SessionPolicy   string             `cbor:"3,keyasint,omitempty"`
	ManagedPolicies []string           `cbor:"4,keyasint,omitempty"`
	Duration        int64              `cbor:"5,keyasint"` // seconds
	NeedsProperties bool               `cbor:"6,keyasint"`
	TakesName       bool               `cbor:"7,keyasint"`
	Mappings        map[Field][]string `cbor:"8,keyasint"`
	CreatedBy       string             `cbor:"9,keyasint"`
}

type crlRow struct {
	Header      headerRow `cbor:"1,keyasint"`
	TrustAnchor string    `cbor:"2,keyasint"`
	Data        []byte    `cbor:"3,keyasint"`
}

func (r *headerRow) header(p Place, id string) Header {
	return Header{p, id, r.Name, r.Enabled, time.UnixMilli(r.Created).UTC(), time.UnixMilli(r.Updated).UTC(), r.Tags}
}

var (
	encoder = must(cbor.CoreDetEncOptions().EncMode())
	decoder = must(cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic("anchor: internal error: " + err.Error())
	}
	return v
}

// Config of a Store.
type Config struct {
	Meta meta.Store
	Now  func() time.Time // calendar time; time.Now if nil
	Rand io.Reader        // of identifiers; crypto/rand.Reader if nil
}

// A Store holds trust anchors, profiles and revocation lists. It is safe for
// concurrent use.
type Store struct{ cfg Config }

// New returns a store on cfg.Meta.
func New(cfg Config) *Store {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	return &Store{cfg}
}

// update runs fn in a transaction that counts as a change.
func (s *Store) update(ctx context.Context, fn func(meta.Txn) error) error {
	return s.cfg.Meta.Update(ctx, func(tx meta.Txn) error {
		if err := fn(tx); err != nil {
			return err
		}
		return revision.Bump(tx)
	})
}

func (s *Store) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }

// newID returns a random UUID of version 4.
func (s *Store) newID() (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(s.cfg.Rand, b[:]); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}

// row is the row key of a resource; with an empty ID, what those of a place begin
// with.
func row(kind Kind, p Place, id string) string {
	return "anchor/" + map[Kind]string{KindTrustAnchor: "trust", KindProfile: "profile", KindCRL: "crl"}[kind] + "/" + p.Account + "/" + p.Region + "/" + id
}

var missing = map[Kind]error{KindTrustAnchor: ErrNoTrustAnchor, KindProfile: ErrNoProfile, KindCRL: ErrNoCRL}

// get decodes a resource, or returns the error that it is missing.
func get(r meta.Reader, kind Kind, p Place, id string, into any) error {
	b, err := r.Get([]byte(row(kind, p, id)))
	if errors.Is(err, meta.ErrNotFound) {
		return missing[kind]
	}
	if err != nil {
		return err
	}
	if err := decoder.Unmarshal(b, into); err != nil {
		return fmt.Errorf("decode row %s: %w", row(kind, p, id), err)
	}
	return nil
}

func put(tx meta.Txn, kind Kind, p Place, id string, v any) error {
	b, err := encoder.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode row %s: %w", row(kind, p, id), err)
	}
	return tx.Put([]byte(row(kind, p, id)), b)
}

// scan calls fn for each resource of a kind in a place, by ID.
func scan[Row any](r meta.Reader, kind Kind, p Place, fn func(id string, v *Row) error) error {
	prefix := row(kind, p, "")
	return r.Scan(meta.Prefix([]byte(prefix)), func(key, value []byte) (bool, error) {
		v := new(Row)
		if err := decoder.Unmarshal(value, v); err != nil {
			return false, fmt.Errorf("decode row %s: %w", key, err)
		}
		return true, fn(string(key[len(prefix):]), v)
	})
}

// count returns how many resources of a kind are in a place.
func count(r meta.Reader, kind Kind, p Place) (n int, err error) {
	err = r.Scan(meta.Prefix([]byte(row(kind, p, ""))), func([]byte, []byte) (bool, error) {
		n++
		return true, nil
	})
	return n, err
}
