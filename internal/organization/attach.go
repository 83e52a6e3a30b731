package organization

import (
	"context"
	"errors"
	"slices"

	"coffer/internal/meta"
)

// link attaches a policy to a target, and unlink detaches it.
func link(tx meta.Txn, org, policy, target string) error {
	return errors.Join(tx.Put([]byte(attachedTo(org, target)+policy), nil), tx.Put([]byte(targetsOf(org, policy)+target), nil))
}

func unlink(tx meta.Txn, org, policy, target string) error {
	return errors.Join(tx.Delete([]byte(attachedTo(org, target)+policy)), tx.Delete([]byte(targetsOf(org, policy)+target)))
}

// attachDefaults gives a new target the policies that let everything pass, one for
// each type that is enabled.
func attachDefaults(tx meta.Txn, org string, row *orgRow, target string) error {
	var err error
	for _, t := range row.Enabled {
		err = errors.Join(err, link(tx, org, policyTypes[typeIndex(t)].full.ID, target))
	}
	return err
}

// attached returns the policies that are attached to a target.
func attached(r meta.Reader, org, target string) ([]*Policy, error) {
	ids, err := names(r, attachedTo(org, target))
	if err != nil {
		return nil, err
	}
	list := make([]*Policy, 0, len(ids))
	for _, id := range ids {
		p, err := loadPolicy(r, org, id)
		if errors.Is(err, ErrNoPolicy) {
			err = errDangling
		}
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

func filter(list []*Policy, t PolicyType) []*Policy {
	return slices.DeleteFunc(list, func(p *Policy) bool { return p.Type != t })
}

// AttachPolicy attaches a policy to a root, an OU or an account. It returns
// ErrNoPolicy, ErrNoTarget, ErrNotEnabled, ErrAttached and ErrTooManyAttached.
func (s *Store) AttachPolicy(ctx context.Context, org, id, target string, also func(meta.Txn) error) error {
	return s.update(ctx, func(tx meta.Txn) error {
		row, p, list, err := attachment(tx, org, id, target)
		if err != nil {
			return err
		}
		switch {
		case !slices.Contains(row.Enabled, p.Type):
			return ErrNotEnabled
		case slices.ContainsFunc(list, func(q *Policy) bool { return q.ID == id }):
			return ErrAttached
		case len(list) >= policyTypes[typeIndex(p.Type)].maxAttached:
			return ErrTooManyAttached
		}
		if err := link(tx, org, id, target); err != nil {
			return err
		}
		return also(tx)
	})
}

// DetachPolicy detaches a policy. A target keeps at least one SCP, and always
// RCPFullAWSAccess. It returns ErrNoPolicy, ErrNoTarget, ErrNotAttached and
// ErrLastPolicy.
func (s *Store) DetachPolicy(ctx context.Context, org, id, target string, also func(meta.Txn) error) error {
	return s.update(ctx, func(tx meta.Txn) error {
		_, p, list, err := attachment(tx, org, id, target)
		if err != nil {
			return err
		}
		switch {
		case !slices.ContainsFunc(list, func(q *Policy) bool { return q.ID == id }):
			return ErrNotAttached
		case len(list) == 1, p.Type == RCP && p.AWSManaged:
			return ErrLastPolicy
		}
		if err := unlink(tx, org, id, target); err != nil {
			return err
		}
		return also(tx)
	})
}

// attachment returns what attaching and detaching look at: the organization, the
// policy, and what of its type is attached to the target.
func attachment(r meta.Reader, org, id, target string) (*orgRow, *Policy, []*Policy, error) {
	row, err := loadOrg(r, org)
	if err != nil {
		return nil, nil, nil, err
	}
	p, err := loadPolicy(r, org, id)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := isTarget(r, org, target); err != nil {
		return nil, nil, nil, err
	}
	list, err := attached(r, org, target)
	if err != nil {
		return nil, nil, nil, err
	}
	return row, p, filter(list, p.Type), nil
}

// PoliciesOf returns the policies of a type that are attached to a target itself, by
// ID, or ErrNoTarget.
func (s *Store) PoliciesOf(ctx context.Context, org, target string, t PolicyType) (list []*Policy, err error) {
	err = s.view(ctx, func(r meta.Reader) (err error) {
		if err := isTarget(r, org, target); err != nil {
			return err
		}
		list, err = attached(r, org, target)
		return err
	})
	return filter(list, t), err
}

// A Target is what policies are attached to.
type Target struct {
	ID   string // root, OU or account
	Name string
}

// Targets returns what a policy is attached to, by ID, or ErrNoPolicy.
func (s *Store) Targets(ctx context.Context, org, id string) (list []Target, err error) {
	err = s.view(ctx, func(r meta.Reader) error {
		list = nil
		if _, err := loadPolicy(r, org, id); err != nil {
			return err
		}
		ids, err := names(r, targetsOf(org, id))
		if err != nil {
			return err
		}
		for _, id := range ids {
			t := Target{id, RootName}
			switch {
			case isUnit(id):
				row, err := loadUnit(r, org, id)
				if err != nil {
					return err
				}
				t.Name = row.Name
			case isAccount(id):
				row, err := loadMember(r, org, id)
				if err != nil {
					return err
				}
				t.Name = row.Name
			}
			list = append(list, t)
		}
		return nil
	})
	return list, err
}

// EnableType turns a type of policy on: every target gets the policy that lets all
// pass. It returns ErrNoRoot and ErrEnabled.
func (s *Store) EnableType(ctx context.Context, org, root string, t PolicyType, also func(meta.Txn, *Organization) error) (*Organization, error) {
	return s.switchType(ctx, org, root, also, func(tx meta.Txn, row *orgRow, targets []string) error {
		if slices.Contains(row.Enabled, t) {
			return ErrEnabled
		}
		row.Enabled = append(row.Enabled, t)
		slices.SortFunc(row.Enabled, func(a, b PolicyType) int { return typeIndex(a) - typeIndex(b) })
		var err error
		for _, target := range targets {
			err = errors.Join(err, link(tx, org, policyTypes[typeIndex(t)].full.ID, target))
		}
		return err
	})
}

// DisableType turns a type of policy off: its policies are detached from every
// target, and stay. It returns ErrNoRoot and ErrNotEnabled.
//
// Source: AWS Organizations User Guide, "Disabling a policy type", read 2026-11-21.
func (s *Store) DisableType(ctx context.Context, org, root string, t PolicyType, also func(meta.Txn, *Organization) error) (*Organization, error) {
	return s.switchType(ctx, org, root, also, func(tx meta.Txn, row *orgRow, targets []string) error {
		i := slices.Index(row.Enabled, t)
		if i < 0 {
			return ErrNotEnabled
		}
		row.Enabled = slices.Delete(row.Enabled, i, i+1)
		for _, target := range targets {
			list, err := attached(tx, org, target)
			for _, p := range filter(list, t) {
				err = errors.Join(err, unlink(tx, org, p.ID, target))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) switchType(ctx context.Context, org, root string, also func(meta.Txn, *Organization) error, act func(meta.Txn, *orgRow, []string) error) (*Organization, error) {
	var o *Organization
	err := s.update(ctx, func(tx meta.Txn) error {
		row, err := loadOrg(tx, org)
		if err != nil {
			return err
		}
		if row.Root != root {
			return ErrNoRoot
		}
		units, err := names(tx, unitKey(org, ""))
		if err != nil {
			return err
		}
		members, err := names(tx, memberKey(org, ""))
		if err != nil {
			return err
		}
		if err := act(tx, row, slices.Concat([]string{root}, units, members)); err != nil {
			return err
		}
		if err := put(tx, rowOrg+org, row); err != nil {
			return err
		}
		if o, err = row.organization(tx, org); err != nil {
			return err
		}
		return also(tx, o)
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}
