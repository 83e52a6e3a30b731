package object

import (
	"context"
	"errors"

	"coffer/internal/meta"
)

// Versioning states of a bucket.
const (
	NeverVersioned = ""
	Enabled        = "Enabled"
	Suspended      = "Suspended"
)

// MaxBuckets is how many buckets an account may have.
//
// Source: Amazon S3 User Guide, "General purpose bucket quotas", read 2026-11-21.
const MaxBuckets = 10_000

// A Bucket is one bucket's configuration.
type Bucket struct {
	ID         ID         `cbor:"1,keyasint"`
	Name       string     `cbor:"2,keyasint"`
	Account    string     `cbor:"3,keyasint"`
	Region     string     `cbor:"4,keyasint"`
	Created    int64      `cbor:"5,keyasint"` // Unix milliseconds
	Versioning string     `cbor:"6,keyasint,omitempty"`
	Encryption Encryption `cbor:"7,keyasint"`
	Tags       []Tag      `cbor:"8,keyasint,omitempty"`

	// Block is the bucket's Block Public Access; nil is how every bucket starts,
	// with all on.
	Block     *PublicAccessBlock `cbor:"9,keyasint,omitempty"`
	Ownership string             `cbor:"10,keyasint,omitempty"` // empty: BucketOwnerEnforced
	ACL       *ACL               `cbor:"11,keyasint,omitempty"` // nil: the default
	// HasPolicy says that the bucket has a policy. PolicyChanges counts how often it
	// was put or removed, so that one policy is told from the next.
	HasPolicy     bool   `cbor:"12,keyasint,omitempty"`
	PolicyChanges uint64 `cbor:"13,keyasint,omitempty"`
}

// Encryption is a bucket's default encryption.
type Encryption struct {
	Algorithm        string   `cbor:"1,keyasint"`           // AES256, aws:kms or aws:kms:dsse
	KMSMasterKeyID   string   `cbor:"2,keyasint,omitempty"` // as put
	BucketKeyEnabled bool     `cbor:"3,keyasint,omitempty"`
	Blocked          []string `cbor:"4,keyasint,omitempty"` // SSE-C or NONE
}

// BlocksCustomerKeys reports whether writes with SSE-C are refused.
func (e Encryption) BlocksCustomerKeys() bool {
	return len(e.Blocked) == 1 && e.Blocked[0] == "SSE-C"
}

// A Record writes the trail's event of a call into the transaction that makes
// its change.
type Record = func(meta.Txn) error

// CreateBucket creates b, whose ID and Created it sets. It returns
// ErrBucketOwned or ErrBucketExists if the name is taken.
func (s *Store) CreateBucket(ctx context.Context, b *Bucket, record Record) error {
	if err := s.random(b.ID[:]); err != nil {
		return err
	}
	b.Created = s.millis()
	return s.meta.Update(ctx, func(txn meta.Txn) error {
		old, err := s.buckets.named(txn, b.Name)
		switch {
		case err == nil && old.Account == b.Account:
			return ErrBucketOwned
		case err == nil:
			return ErrBucketExists
		case !errors.Is(err, ErrNoSuchBucket):
			return err
		}
		n := 0
		err = txn.Scan(meta.Prefix(ownerRow(b.Account, "")), func(_, _ []byte) (bool, error) {
			n++
			return true, nil
		})
		if err != nil {
			return err
		}
		if n >= MaxBuckets {
			return ErrTooManyBuckets
		}
		if err := put(txn, bucketRow(b.Name), b); err != nil {
			return err
		}
		if err := txn.Put(ownerRow(b.Account, b.Name), nil); err != nil {
			return err
		}
		return record(txn)
	})
}

// Bucket returns the bucket of that name or ErrNoSuchBucket. Callers share it and
// change nothing in it.
func (s *Store) Bucket(ctx context.Context, name string) (*Bucket, error) {
	var b *Bucket
	err := s.meta.View(ctx, func(r meta.Reader) (err error) {
		b, err = s.buckets.named(r, name)
		return err
	})
	return b, err
}

// current reads the bucket again inside a transaction: the name must still
// belong to the bucket that the caller was authorized on.
func (s *Store) current(r meta.Reader, b *Bucket) (*Bucket, error) {
	now, err := s.buckets.named(r, b.Name)
	if err != nil {
		return nil, err
	}
	if now.ID != b.ID {
		return nil, ErrNoSuchBucket
	}
	return now, nil
}

// Buckets returns up to limit buckets of an account whose names are above after
// and start with prefix, in name order, and whether there are more. An empty
// region means every region.
func (s *Store) Buckets(ctx context.Context, account, prefix, after, region string, limit int) (list []*Bucket, more bool, err error) {
	err = s.meta.View(ctx, func(r meta.Reader) error {
		list, more = nil, false
		var names []string
		owner := ownerRow(account, "")
		start := ownerRow(account, max(prefix, after))
		if after >= prefix && after != "" {
			start = append(start, 0)
		}
		err := r.Scan(meta.Range{Start: start, End: meta.PrefixEnd(ownerRow(account, prefix))}, func(k, _ []byte) (bool, error) {
			names = append(names, string(k[len(owner):]))
			return true, nil
		})
		if err != nil {
			return err
		}
		for _, name := range names {
			b, err := s.buckets.named(r, name)
			if err != nil {
				return err
			}
			if region != "" && b.Region != region {
				continue
			}
			if len(list) == limit {
				more = true
				return nil
			}
			list = append(list, b)
		}
		return nil
	})
	return list, more, err
}

// UpdateBucket changes a bucket's configuration in one transaction. The
// function change replaces fields, and not those that name the bucket.
func (s *Store) UpdateBucket(ctx context.Context, b *Bucket, change func(*Bucket) error, record Record) error {
	return s.meta.Update(ctx, func(txn meta.Txn) error {
		now, err := s.current(txn, b)
		if err != nil {
			return err
		}
		changed := *now
		if err := change(&changed); err != nil {
			return err
		}
		if err := put(txn, bucketRow(b.Name), &changed); err != nil {
			return err
		}
		return record(txn)
	})
}

// DeleteBucket removes an empty bucket. Uploads under way do not keep it: they
// are removed with it.
func (s *Store) DeleteBucket(ctx context.Context, b *Bucket, record Record) error {
	return s.meta.Update(ctx, func(txn meta.Txn) error {
		if _, err := s.current(txn, b); err != nil {
			return err
		}
		empty := true
		r := meta.Prefix(row(rowVersion, b.ID[:]))
		r.Limit = 1
		err := txn.Scan(r, func(_, _ []byte) (bool, error) {
			empty = false
			return false, nil
		})
		if err != nil {
			return err
		}
		if !empty {
			return ErrBucketNotEmpty
		}
		if err := txn.Delete(bucketRow(b.Name)); err != nil {
			return err
		}
		if err := txn.Delete(ownerRow(b.Account, b.Name)); err != nil {
			return err
		}
		if err := txn.Delete(policyRowKey(b.ID)); err != nil {
			return err
		}
		if err := txn.Put(purgeRow(b.ID), []byte(b.Name)); err != nil {
			return err
		}
		return record(txn)
	})
}
