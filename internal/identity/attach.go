package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"coffer/internal/meta"
)

// MaxAttached is how many managed policies a user, a group or a role has attached
// at most. AWS lets an account raise it to 20 for users and roles; this server does
// not.
//
// Source: IAM User Guide, "IAM and AWS STS quotas", read 2026-11-21.
const MaxAttached = 10

// A use says how an entity uses a managed policy, in the rows rowUse.
type use string

const (
	asAttached use = "a/"
	asBoundary use = "b/"
)

// addUse notes that an entity uses a managed policy, or returns ErrNoPolicy.
func addUse(tx meta.Txn, account, policyARN string, as use, entityID string) error {
	p, err := managed(tx, account, policyARN)
	if err != nil {
		return err
	}
	return tx.Put([]byte(rowUse+account+"/"+p.ID+"/"+string(as)+entityID), nil)
}

func removeUse(tx meta.Txn, account, policyARN string, as use, entityID string) error {
	p, err := managed(tx, account, policyARN)
	if err != nil {
		return fmt.Errorf("%w: %s uses policy %s, which is not there", meta.ErrCorrupt, entityID, policyARN)
	}
	return remove(tx, rowUse+account+"/"+p.ID+"/"+string(as)+entityID)
}

// Attach attaches a managed policy; one that is attached stays so. It returns
// ErrNoUser and its kin, ErrNoPolicy, ErrUnmodifiable and ErrQuota.
func (s *Store) Attach(ctx context.Context, e Entity, policyARN string, also func(meta.Txn) error) error {
	return s.change(ctx, "attach policy "+policyARN+" to "+e.Kind.noun()+" "+e.Name, func(tx meta.Txn) error {
		row, err := modifiable(tx, e)
		switch {
		case err != nil:
			return err
		case slices.Contains(row.Attached, policyARN):
			return nil
		}
		if err := addUse(tx, e.Account, policyARN, asAttached, row.ID); err != nil {
			return err
		}
		if len(row.Attached) == MaxAttached {
			return &QuotaError{"PoliciesPer" + string(e.Kind), MaxAttached}
		}
		row.Attached = append(row.Attached, policyARN)
		return put(tx, e.row(), row)
	}, also)
}

// Detach ends an attachment. It returns ErrNoUser and its kin, ErrUnmodifiable and
// ErrNotAttached.
func (s *Store) Detach(ctx context.Context, e Entity, policyARN string, also func(meta.Txn) error) error {
	return s.change(ctx, "detach policy "+policyARN+" from "+e.Kind.noun()+" "+e.Name, func(tx meta.Txn) error {
		row, err := modifiable(tx, e)
		if err != nil {
			return err
		}
		i := slices.Index(row.Attached, policyARN)
		if i < 0 {
			return ErrNotAttached
		}
		row.Attached = slices.Delete(row.Attached, i, i+1)
		return errors.Join(removeUse(tx, e.Account, policyARN, asAttached, row.ID), put(tx, e.row(), row))
	}, also)
}

// Attached returns the managed policies of an entity in the order of their names.
// It returns ErrNoUser and its kin.
func (s *Store) Attached(ctx context.Context, e Entity) ([]Attachment, error) {
	var list []Attachment
	err := s.view(ctx, "attached policies of "+e.Kind.noun()+" "+e.Name, func(r meta.Reader) error {
		list = nil
		row, err := getEntity(r, e)
		if err != nil {
			return err
		}
		for _, policyARN := range row.Attached {
			path, name := splitPolicyARN(policyARN)
			list = append(list, Attachment{policyARN, name, path})
		}
		slices.SortFunc(list, func(a, b Attachment) int {
			if c := strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)); c != 0 {
				return c
			}
			return strings.Compare(a.ARN, b.ARN)
		})
		return nil
	})
	return list, err
}

// SetBoundary sets the permissions boundary of a user or a role; an empty ARN
// removes it. It returns ErrNoUser, ErrNoRole, ErrNoPolicy, ErrUnmodifiable, and
// ErrInvalid for a group.
func (s *Store) SetBoundary(ctx context.Context, e Entity, policyARN string, also func(meta.Txn) error) error {
	if e.Kind == KindGroup {
		return fmt.Errorf("%w: a group has no permissions boundary", ErrInvalid)
	}
	return s.change(ctx, "set permissions boundary of "+e.Kind.noun()+" "+e.Name, func(tx meta.Txn) error {
		row, err := modifiable(tx, e)
		if err != nil {
			return err
		}
		if row.Boundary != "" {
			if err := removeUse(tx, e.Account, row.Boundary, asBoundary, row.ID); err != nil {
				return err
			}
		}
		if policyARN != "" {
			if err := addUse(tx, e.Account, policyARN, asBoundary, row.ID); err != nil {
				return err
			}
		}
		row.Boundary = policyARN
		return put(tx, e.row(), row)
	}, also)
}

// TagEntity sets tags of a user or a role, each anew or over its old value. It
// returns ErrNoUser, ErrNoRole, ErrUnmodifiable, ErrQuota and ErrInvalid.
func (s *Store) TagEntity(ctx context.Context, e Entity, tags []Tag, also func(meta.Txn) error) error {
	if e.Kind == KindGroup {
		return fmt.Errorf("%w: a group has no tags", ErrInvalid)
	}
	if err := checkTags(tags); err != nil {
		return err
	}
	return s.change(ctx, "tag "+e.Kind.noun()+" "+e.Name, func(tx meta.Txn) error {
		row, err := modifiable(tx, e)
		if err != nil {
			return err
		}
		all, err := withTags(rowTags(row.Tags), tags)
		if err != nil {
			return err
		}
		row.Tags = tagRows(all)
		return put(tx, e.row(), row)
	}, also)
}

// UntagEntity removes tags of a user or a role; a missing one is not an error. It
// returns ErrNoUser, ErrNoRole and ErrUnmodifiable.
func (s *Store) UntagEntity(ctx context.Context, e Entity, keys []string, also func(meta.Txn) error) error {
	return s.change(ctx, "untag "+e.Kind.noun()+" "+e.Name, func(tx meta.Txn) error {
		row, err := modifiable(tx, e)
		if err != nil {
			return err
		}
		row.Tags = tagRows(withoutTags(rowTags(row.Tags), keys))
		return put(tx, e.row(), row)
	}, also)
}
