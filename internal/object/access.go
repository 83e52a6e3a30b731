package object

import (
	"context"
	"errors"

	"coffer/internal/meta"
	"coffer/internal/revision"
)

// Settings of S3 Object Ownership, which say who owns a new object and whether
// access control lists count.
//
// Source: Amazon S3 User Guide, "Controlling ownership of objects and disabling ACLs
// for your bucket", read 2026-11-21.
const (
	BucketOwnerEnforced  = "BucketOwnerEnforced"
	BucketOwnerPreferred = "BucketOwnerPreferred"
	ObjectWriter         = "ObjectWriter"
	// NoOwnershipControls is kept once the setting was deleted. Such a bucket
	// works like one with ObjectWriter.
	NoOwnershipControls = "none"
)

// A PublicAccessBlock is the four switches of Block Public Access, of a bucket or
// an account.
type PublicAccessBlock struct {
	BlockPublicACLs       bool `cbor:"1,keyasint,omitempty"`
	IgnorePublicACLs      bool `cbor:"2,keyasint,omitempty"`
	BlockPublicPolicy     bool `cbor:"3,keyasint,omitempty"`
	RestrictPublicBuckets bool `cbor:"4,keyasint,omitempty"`
	// Deleted is set once the setting was deleted; then all are off.
	Deleted bool `cbor:"5,keyasint,omitempty"`
}

// blockAll is what a new bucket starts with.
//
// Source: Amazon S3 User Guide, "Blocking public access to your Amazon S3 storage",
// of buckets created since April 2023, read 2026-11-21.
var blockAll = PublicAccessBlock{BlockPublicACLs: true, IgnorePublicACLs: true, BlockPublicPolicy: true, RestrictPublicBuckets: true}

// Union returns what holds under both a and b: each switch that either has on.
func (a PublicAccessBlock) Union(b PublicAccessBlock) PublicAccessBlock {
	return PublicAccessBlock{
		BlockPublicACLs:       a.BlockPublicACLs || b.BlockPublicACLs,
		IgnorePublicACLs:      a.IgnorePublicACLs || b.IgnorePublicACLs,
		BlockPublicPolicy:     a.BlockPublicPolicy || b.BlockPublicPolicy,
		RestrictPublicBuckets: a.RestrictPublicBuckets || b.RestrictPublicBuckets,
	}
}

// Permissions of an access control list.
const (
	PermissionRead        = "READ"
	PermissionWrite       = "WRITE"
	PermissionReadACP     = "READ_ACP"
	PermissionWriteACP    = "WRITE_ACP"
	PermissionFullControl = "FULL_CONTROL"
)

// An ACL is an access control list. A bucket or an object without one has the
// default: its owner has full control, and nobody else anything.
type ACL struct {
	Grants []Grant `cbor:"1,keyasint,omitempty"`
}

// A Grant gives one permission to one grantee.
type Grant struct {
	CanonicalID string `cbor:"1,keyasint,omitempty"` // of an account
	Group       string `cbor:"2,keyasint,omitempty"` // URI of a group; one of the two is set
	Permission  string `cbor:"3,keyasint"`
}

// PublicAccess returns the bucket's own switches.
func (b *Bucket) PublicAccess() PublicAccessBlock {
	if b.Block == nil {
		return blockAll
	}
	return *b.Block
}

// OwnershipSetting returns the bucket's object ownership.
func (b *Bucket) OwnershipSetting() string {
	if b.Ownership == "" {
		return BucketOwnerEnforced
	}
	return b.Ownership
}

// HasACLs reports whether access control lists count in the bucket.
func (b *Bucket) HasACLs() bool { return b.OwnershipSetting() != BucketOwnerEnforced }

// ErrNoPolicy means that a bucket has no policy.
var ErrNoPolicy = errors.New("object: bucket has no policy")

// A policyRow is a bucket's policy, apart from the bucket so that the bucket stays
// small.
type policyRow struct {
	Text string `cbor:"1,keyasint"`
}

// ReconfigureAccess is UpdateBucket for a change that can take somebody's access
// away: it counts as a revocation.
func (s *Store) ReconfigureAccess(ctx context.Context, b *Bucket, change func(*Bucket) error, record Record) error {
	return s.UpdateBucket(ctx, b, change, bumped(record))
}

// bumped is record after a revocation was counted.
func bumped(record Record) Record {
	return func(txn meta.Txn) error {
		if err := revision.Bump(txn); err != nil {
			return err
		}
		return record(txn)
	}
}

// SetPolicy replaces a bucket's policy; an empty text removes it.
func (s *Store) SetPolicy(ctx context.Context, b *Bucket, text string, record Record) error {
	return s.meta.Update(ctx, func(txn meta.Txn) error {
		now, err := s.current(txn, b)
		if err != nil {
			return err
		}
		changed := *now
		changed.PolicyChanges++
		changed.HasPolicy = text != ""
		if changed.HasPolicy {
			err = put(txn, policyRowKey(b.ID), policyRow{Text: text})
		} else {
			err = txn.Delete(policyRowKey(b.ID))
		}
		if err != nil {
			return err
		}
		if err := put(txn, bucketRow(b.Name), &changed); err != nil {
			return err
		}
		return bumped(record)(txn)
	})
}

// Policy returns the text of a bucket's policy and which change of it that is. It
// returns ErrNoPolicy if there is none.
func (s *Store) Policy(ctx context.Context, b *Bucket) (text string, change uint64, err error) {
	err = s.meta.View(ctx, func(r meta.Reader) error {
		now, err := s.current(r, b)
		if err != nil {
			return err
		}
		if !now.HasPolicy {
			return ErrNoPolicy
		}
		var p policyRow
		if err := get(r, policyRowKey(b.ID), &p); err != nil {
			if errors.Is(err, meta.ErrNotFound) {
				err = errors.Join(meta.ErrCorrupt, err)
			}
			return err
		}
		text, change = p.Text, now.PolicyChanges
		return nil
	})
	return text, change, err
}

// AccountBlock returns the Block Public Access switches of an account. Its Deleted
// is set if the account has none.
func (s *Store) AccountBlock(ctx context.Context, account string) (PublicAccessBlock, error) {
	var b PublicAccessBlock
	err := s.meta.View(ctx, func(r meta.Reader) error {
		b = PublicAccessBlock{}
		err := get(r, accountBlockRow(account), &b)
		if errors.Is(err, meta.ErrNotFound) {
			b.Deleted, err = true, nil
		}
		return err
	})
	return b, err
}

// SetAccountBlock replaces the switches of an account; nil removes them.
func (s *Store) SetAccountBlock(ctx context.Context, account string, b *PublicAccessBlock, record Record) error {
	return s.meta.Update(ctx, func(txn meta.Txn) error {
		var err error
		if b != nil {
			err = put(txn, accountBlockRow(account), b)
		} else {
			err = txn.Delete(accountBlockRow(account))
		}
		if err != nil {
			return err
		}
		return bumped(record)(txn)
	})
}

// SetACL replaces the access control list of the version that was found as v; nil
// makes it the default one.
func (s *Store) SetACL(ctx context.Context, b *Bucket, v *Version, acl *ACL, record Record) error {
	return s.meta.Update(ctx, func(txn meta.Txn) error {
		now, err := s.again(txn, b, v)
		if err != nil {
			return err
		}
		now.ACL = acl
		if err := put(txn, versionRow(b.ID, v.Key, v.Seq), now); err != nil {
			return err
		}
		return bumped(record)(txn)
	})
}

// Owned returns the account that owns a version: the bucket's own unless it was
// written by another one that kept it.
func (v *Version) Owned(b *Bucket) string {
	if v.Owner == "" || !b.HasACLs() {
		return b.Account
	}
	return v.Owner
}
