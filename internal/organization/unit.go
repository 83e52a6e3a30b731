package organization

import (
	"context"
	"errors"
	"slices"
	"strings"

	"coffer/internal/meta"
)

const rowUnit = "organization/unit/"

type unitRow struct {
	Parent string `cbor:"1,keyasint"`
	Name   string `cbor:"2,keyasint"`
}

// A Unit is an organizational unit (OU).
type Unit struct {
	ID     string // "ou-..."
	Parent string // root or OU
	Name   string
}

func isUnit(id string) bool    { return strings.HasPrefix(id, "ou-") }
func isAccount(id string) bool { return len(id) == 12 && strings.Trim(id, digits) == "" }

// The row keys of one organization.
func unitKey(org, id string) string        { return rowUnit + org + "/" + id }
func childKey(parent, id string) string    { return rowChild + parent + "/" + id }
func memberKey(org, id string) string      { return rowMember + org + "/" + id }
func tagsKey(org, id string) string        { return rowTags + org + "/" + id }
func policyKey(org, id string) string      { return rowPolicy + org + "/" + id }
func attachedTo(org, target string) string { return rowAttached + org + ":" + target + "/" }
func targetsOf(org, id string) string      { return rowTarget + org + "/" + id + "/" }

// loadOrg returns the row of an organization. Whoever asks has found its ID in the
// row of a member, so that a missing one was deleted meanwhile.
func loadOrg(r meta.Reader, org string) (*orgRow, error) {
	row := new(orgRow)
	return row, get(r, rowOrg+org, row, ErrNotInOrganization)
}

// loadMember returns the row of an account of an organization, or ErrNoAccount.
func loadMember(r meta.Reader, org, id string) (*accountRow, error) {
	row := new(accountRow)
	if err := get(r, rowAccount+id, row, ErrNoAccount); err != nil {
		return nil, err
	}
	if row.Org != org {
		return nil, ErrNoAccount
	}
	return row, nil
}

// loadUnit returns the row of an OU, or ErrNoUnit.
func loadUnit(r meta.Reader, org, id string) (*unitRow, error) {
	row := new(unitRow)
	return row, get(r, unitKey(org, id), row, ErrNoUnit)
}

// isParent returns nil if id is the root or an OU of the organization, and missing
// if it is not.
func isParent(r meta.Reader, org, id string, missing error) error {
	if isUnit(id) {
		_, err := loadUnit(r, org, id)
		if errors.Is(err, ErrNoUnit) {
			return missing
		}
		return err
	}
	row, err := loadOrg(r, org)
	if err == nil && row.Root != id {
		err = missing
	}
	return err
}

// isTarget returns nil if id is the root, an OU or an account of the organization,
// and ErrNoTarget if it is not.
func isTarget(r meta.Reader, org, id string) error {
	if !isAccount(id) {
		return isParent(r, org, id, ErrNoTarget)
	}
	_, err := loadMember(r, org, id)
	if errors.Is(err, ErrNoAccount) {
		return ErrNoTarget
	}
	return err
}

// above returns the targets from the root down to parent.
func above(r meta.Reader, org, parent string) ([]string, error) {
	var path []string
	for id := parent; ; {
		path = append(path, id)
		if len(path) > MaxDepth+1 {
			return nil, errDangling // a ring
		}
		if !isUnit(id) {
			slices.Reverse(path)
			return path, nil
		}
		row, err := loadUnit(r, org, id)
		if errors.Is(err, ErrNoUnit) {
			err = errDangling
		}
		if err != nil {
			return nil, err
		}
		id = row.Parent
	}
}

// CreateUnit makes an OU below a root or another OU. It returns ErrNoParent,
// ErrUnitExists, ErrTooDeep, ErrTooManyUnits and ErrTooManyTags.
func (s *Store) CreateUnit(ctx context.Context, org, parent, name string, tags []Tag, also func(meta.Txn, *Unit) error) (*Unit, error) {
	var u *Unit
	err := s.update(ctx, func(tx meta.Txn) error {
		row, err := loadOrg(tx, org)
		if err != nil {
			return err
		}
		if err := isParent(tx, org, parent, ErrNoParent); err != nil {
			return err
		}
		path, err := above(tx, org, parent)
		if err != nil {
			return err
		}
		if len(path) > MaxDepth {
			return ErrTooDeep
		}
		if err := checkUnitName(tx, org, parent, name, ""); err != nil {
			return err
		}
		if all, err := names(tx, unitKey(org, "")); err != nil {
			return err
		} else if len(all) >= MaxUnits {
			return ErrTooManyUnits
		}
		random, err := s.draw(lowerDigits, 8)
		if err != nil {
			return err
		}
		u = &Unit{"ou-" + strings.TrimPrefix(row.Root, "r-") + "-" + random, parent, name}
		if taken, err := has(tx, unitKey(org, u.ID)); err != nil || taken {
			return errors.Join(err, errCollision)
		}
		if err := errors.Join(put(tx, unitKey(org, u.ID), unitRow{parent, name}), tx.Put([]byte(childKey(parent, u.ID)), nil),
			setTags(tx, org, u.ID, tags), attachDefaults(tx, org, row, u.ID)); err != nil {
			return err
		}
		return also(tx, u)
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

// errCollision means that a random identifier was drawn twice.
var errCollision = errors.New("organization: internal error: identifier is taken")

// checkUnitName returns ErrUnitExists if another OU than except below the parent
// has the name.
func checkUnitName(r meta.Reader, org, parent, name, except string) error {
	siblings, err := childUnits(r, org, parent)
	if err != nil {
		return err
	}
	for _, u := range siblings {
		if u.Name == name && u.ID != except {
			return ErrUnitExists
		}
	}
	return nil
}

// childUnits returns the OUs directly below a parent, by ID.
func childUnits(r meta.Reader, org, parent string) ([]*Unit, error) {
	ids, err := names(r, childKey(parent, "ou-"))
	if err != nil {
		return nil, err
	}
	list := make([]*Unit, 0, len(ids))
	for _, id := range ids {
		row, err := loadUnit(r, org, "ou-"+id)
		if err != nil {
			return nil, err
		}
		list = append(list, &Unit{"ou-" + id, parent, row.Name})
	}
	return list, nil
}

// Unit returns an OU, or ErrNoUnit.
func (s *Store) Unit(ctx context.Context, org, id string) (*Unit, error) {
	var row *unitRow
	err := s.view(ctx, func(r meta.Reader) (err error) {
		row, err = loadUnit(r, org, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &Unit{id, row.Parent, row.Name}, nil
}

// RenameUnit gives an OU another name. It returns ErrNoUnit and ErrUnitExists.
func (s *Store) RenameUnit(ctx context.Context, org, id, name string, also func(meta.Txn, *Unit) error) (*Unit, error) {
	var u *Unit
	err := s.update(ctx, func(tx meta.Txn) error {
		row, err := loadUnit(tx, org, id)
		if err != nil {
			return err
		}
		if err := checkUnitName(tx, org, row.Parent, name, id); err != nil {
			return err
		}
		row.Name = name
		u = &Unit{id, row.Parent, name}
		if err := put(tx, unitKey(org, id), row); err != nil {
			return err
		}
		return also(tx, u)
	})
	if err != nil {
		return nil, err
	}
	return u, nil
}

// DeleteUnit removes an empty OU. It returns ErrNoUnit and ErrUnitNotEmpty.
func (s *Store) DeleteUnit(ctx context.Context, org, id string, also func(meta.Txn) error) error {
	return s.update(ctx, func(tx meta.Txn) error {
		row, err := loadUnit(tx, org, id)
		if err != nil {
			return err
		}
		if below, err := names(tx, childKey(id, "")); err != nil {
			return err
		} else if len(below) > 0 {
			return ErrUnitNotEmpty
		}
		if err := errors.Join(tx.Delete([]byte(unitKey(org, id))), tx.Delete([]byte(childKey(row.Parent, id))), strip(tx, org, id)); err != nil {
			return err
		}
		return also(tx)
	})
}

// strip removes what is attached to a target: its policies and its tags.
func strip(tx meta.Txn, org, target string) error {
	policies, err := names(tx, attachedTo(org, target))
	for _, id := range policies {
		err = errors.Join(err, unlink(tx, org, id, target))
	}
	return errors.Join(err, tx.Delete([]byte(tagsKey(org, target))))
}

// Units returns the OUs directly below a root or OU, by ID, or ErrNoParent.
func (s *Store) Units(ctx context.Context, org, parent string) ([]*Unit, error) {
	var list []*Unit
	err := s.view(ctx, func(r meta.Reader) (err error) {
		if err := isParent(r, org, parent, ErrNoParent); err != nil {
			return err
		}
		list, err = childUnits(r, org, parent)
		return err
	})
	return list, err
}

// AccountsBelow returns the accounts directly below a root or OU, by ID, or
// ErrNoParent.
func (s *Store) AccountsBelow(ctx context.Context, org, parent string) ([]*Account, error) {
	var list []*Account
	err := s.view(ctx, func(r meta.Reader) error {
		list = nil
		if err := isParent(r, org, parent, ErrNoParent); err != nil {
			return err
		}
		ids, err := names(r, childKey(parent, ""))
		if err != nil {
			return err
		}
		for _, id := range ids {
			if isUnit(id) {
				continue
			}
			row, err := loadMember(r, org, id)
			if err != nil {
				return err
			}
			list = append(list, row.account(id))
		}
		return nil
	})
	return list, err
}

// Parent returns the root or OU that an OU or account is directly below, or
// ErrNoChild.
func (s *Store) Parent(ctx context.Context, org, child string) (parent string, err error) {
	err = s.view(ctx, func(r meta.Reader) error {
		if isUnit(child) {
			row, err := loadUnit(r, org, child)
			if errors.Is(err, ErrNoUnit) {
				return ErrNoChild
			}
			parent = row.Parent
			return err
		}
		row, err := loadMember(r, org, child)
		switch {
		case errors.Is(err, ErrNoAccount):
			return ErrNoChild
		case err != nil:
			return err
		}
		parent = row.Parent
		return nil
	})
	return parent, err
}

// Path returns the targets above one and itself, from the root down.
func (s *Store) Path(ctx context.Context, org, parent string) (path []string, err error) {
	err = s.view(ctx, func(r meta.Reader) (err error) {
		path, err = above(r, org, parent)
		return err
	})
	return path, err
}

// MoveAccount puts an account below another root or OU. It returns ErrNoAccount,
// ErrNoSource, ErrNoDestination and ErrThere.
func (s *Store) MoveAccount(ctx context.Context, org, id, from, to string, also func(meta.Txn) error) error {
	return s.update(ctx, func(tx meta.Txn) error {
		row, err := loadMember(tx, org, id)
		if err != nil {
			return err
		}
		if err := isParent(tx, org, from, ErrNoSource); err != nil {
			return err
		}
		if err := isParent(tx, org, to, ErrNoDestination); err != nil {
			return err
		}
		if row.Parent == to {
			return ErrThere
		}
		if row.Parent != from {
			return ErrNoSource
		}
		row.Parent = to
		if err := errors.Join(put(tx, rowAccount+id, row), tx.Delete([]byte(childKey(from, id))), tx.Put([]byte(childKey(to, id)), nil)); err != nil {
			return err
		}
		return also(tx)
	})
}
