package organization

import (
	"context"
	"errors"
	"slices"

	"coffer/internal/identity"
	"coffer/internal/meta"
)

// RootName is the name of every root.
const RootName = "Root"

func (r *orgRow) organization(tx meta.Reader, id string) (*Organization, error) {
	m, err := loadMember(tx, id, r.Management)
	if errors.Is(err, ErrNoAccount) {
		err = errDangling
	}
	if err != nil {
		return nil, err
	}
	return &Organization{ID: id, ManagementAccount: r.Management, Email: m.Email, Root: r.Root,
		Created: unixMilli(r.Created), Enabled: slices.Clone(r.Enabled)}, nil
}

// known returns the account that identity has, or ErrNoAccount.
func (s *Store) known(ctx context.Context, id string) (identity.Account, error) {
	k, err := s.cfg.Identity.Account(ctx, id)
	if errors.Is(err, identity.ErrNoAccount) {
		err = errors.Join(ErrNoAccount, err)
	}
	return k, err
}

// ensure writes the row of an account that has none: the server's first, which no
// organization has seen yet.
func ensure(tx meta.Txn, k identity.Account) error {
	ok, err := has(tx, rowAccount+k.ID)
	if err != nil || ok {
		return err
	}
	return put(tx, rowAccount+k.ID, accountRow{Name: k.Name, Email: placeholder(k.ID), Created: k.CreatedAt.UnixMilli()})
}

// CreateOrganization makes an organization whose management account is account.
// Accounts that it made on this server, and that are in no organization, join: they
// are its own, as those are that CreateAccount of AWS Organizations makes. No type of
// policy is enabled. It returns ErrNoAccount and ErrInOrganization.
func (s *Store) CreateOrganization(ctx context.Context, account string, also func(meta.Txn, *Organization) error) (*Organization, error) {
	k, err := s.known(ctx, account)
	if err != nil {
		return nil, err
	}
	var o *Organization
	err = s.update(ctx, func(tx meta.Txn) error {
		if err := ensure(tx, k); err != nil {
			return err
		}
		id, root, err := s.newOrg(tx)
		if err != nil {
			return err
		}
		row := &orgRow{Management: account, Root: root, Created: s.now().UnixMilli()}
		if err := errors.Join(put(tx, rowOrg+id, row), put(tx, rowRoot+root, id)); err != nil {
			return err
		}
		if _, err := s.join(tx, id, row, account, Invited); err != nil {
			return err
		}
		own, err := madeBy(tx, account)
		if err != nil {
			return err
		}
		for _, a := range own {
			if _, err := s.join(tx, id, row, a, Created); err != nil {
				return err
			}
		}
		if o, err = row.organization(tx, id); err != nil {
			return err
		}
		return also(tx, o)
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

// newOrg returns the IDs of a new organization and its root. Those of roots are as
// short as AWS's, so that one may be taken.
func (s *Store) newOrg(r meta.Reader) (org, root string, err error) {
	random, err := s.draw(lowerDigits, 10)
	if err != nil {
		return "", "", err
	}
	org = "o-" + random
	if taken, err := has(r, rowOrg+org); err != nil || taken {
		return "", "", errors.Join(err, errCollision)
	}
	for range 100 {
		if random, err = s.draw(lowerDigits, 4); err != nil {
			return "", "", err
		}
		root = "r-" + random
		if taken, err := has(r, rowRoot+root); err != nil || !taken {
			return org, root, err
		}
	}
	return "", "", errCollision
}

// madeBy returns the accounts that creator made and that are in no organization.
func madeBy(r meta.Reader, creator string) ([]string, error) {
	var list []string
	err := r.Scan(meta.Prefix([]byte(rowAccount)), func(key, value []byte) (bool, error) {
		var row accountRow
		if err := decoder.Unmarshal(value, &row); err != nil {
			return false, errors.Join(errDangling, err)
		}
		if row.Creator == creator && row.Org == "" {
			list = append(list, string(key[len(rowAccount):]))
		}
		return true, nil
	})
	return list, err
}

// Of returns the organization that an account is in, or ErrNotInOrganization.
func (s *Store) Of(ctx context.Context, account string) (*Organization, error) {
	var o *Organization
	err := s.view(ctx, func(r meta.Reader) error {
		var a accountRow
		if err := get(r, rowAccount+account, &a, ErrNotInOrganization); err != nil {
			return err
		}
		if a.Org == "" {
			return ErrNotInOrganization
		}
		row, err := loadOrg(r, a.Org)
		if err != nil {
			return err
		}
		o, err = row.organization(r, a.Org)
		return err
	})
	if err != nil {
		return nil, err
	}
	return o, nil
}

// DeleteOrganization removes an organization that has no other account than its
// management account, with its OUs, policies and invitations. It returns ErrNotEmpty.
func (s *Store) DeleteOrganization(ctx context.Context, org string, also func(meta.Txn) error) error {
	return s.update(ctx, func(tx meta.Txn) error {
		row, err := loadOrg(tx, org)
		if err != nil {
			return err
		}
		members, err := names(tx, memberKey(org, ""))
		if err != nil {
			return err
		}
		if len(members) != 1 {
			return ErrNotEmpty
		}
		if err := leave(tx, org, row.Management); err != nil {
			return err
		}
		units, err := names(tx, unitKey(org, ""))
		if err != nil {
			return err
		}
		for _, target := range append(units, row.Root) {
			below, err := names(tx, childKey(target, ""))
			for _, id := range below {
				err = errors.Join(err, tx.Delete([]byte(childKey(target, id))))
			}
			if err := errors.Join(err, strip(tx, org, target)); err != nil {
				return err
			}
		}
		invitations, err := names(tx, rowParty+org+"/")
		for _, id := range invitations {
			err = errors.Join(err, deleteHandshake(tx, id))
		}
		for _, prefix := range []string{unitKey(org, ""), policyKey(org, ""), tagsKey(org, ""), rowStatus + org + "/"} {
			rest, failed := names(tx, prefix)
			err = errors.Join(err, failed)
			for _, name := range rest {
				err = errors.Join(err, tx.Delete([]byte(prefix+name)))
			}
		}
		if err := errors.Join(err, tx.Delete([]byte(rowRoot+row.Root)), tx.Delete([]byte(rowOrg+org))); err != nil {
			return err
		}
		return also(tx)
	})
}

// leave takes an account out of its organization.
func leave(tx meta.Txn, org, id string) error {
	row, err := loadMember(tx, org, id)
	if err != nil {
		return err
	}
	err = errors.Join(strip(tx, org, id), tx.Delete([]byte(memberKey(org, id))), tx.Delete([]byte(childKey(row.Parent, id))))
	row.Org, row.Parent, row.Method, row.Joined = "", "", "", 0
	// Who made the account has let it go: it does not join another time by itself.
	row.Creator = ""
	return errors.Join(err, put(tx, rowAccount+id, row))
}

// RemoveAccount takes an account out of its organization. It returns ErrNoAccount
// and ErrManagement.
func (s *Store) RemoveAccount(ctx context.Context, org, id string, also func(meta.Txn) error) error {
	return s.update(ctx, func(tx meta.Txn) error {
		row, err := loadOrg(tx, org)
		if err != nil {
			return err
		}
		if _, err := loadMember(tx, org, id); err != nil {
			return err
		}
		if row.Management == id {
			return ErrManagement
		}
		if err := leave(tx, org, id); err != nil {
			return err
		}
		return also(tx)
	})
}

// Member returns an account of an organization, or ErrNoAccount.
func (s *Store) Member(ctx context.Context, org, id string) (*Account, error) {
	var a *Account
	err := s.view(ctx, func(r meta.Reader) error {
		row, err := loadMember(r, org, id)
		if err != nil {
			return err
		}
		a = row.account(id)
		return nil
	})
	return a, err
}

// Members returns accounts of an organization by ID, at most limit behind after.
// more is set if the list goes on.
func (s *Store) Members(ctx context.Context, org, after string, limit int) (list []*Account, more bool, err error) {
	err = s.view(ctx, func(r meta.Reader) error {
		list, more = nil, false
		span := meta.Prefix([]byte(memberKey(org, "")))
		span.Start = append([]byte(memberKey(org, after)), 0)
		if after == "" {
			span.Start = []byte(memberKey(org, ""))
		}
		span.Limit = limit + 1
		var ids []string
		err := r.Scan(span, func(key, _ []byte) (bool, error) {
			ids = append(ids, string(key[len(memberKey(org, "")):]))
			return true, nil
		})
		if err != nil {
			return err
		}
		if len(ids) > limit {
			ids, more = ids[:limit], true
		}
		for _, id := range ids {
			row, err := loadMember(r, org, id)
			if err != nil {
				return err
			}
			list = append(list, row.account(id))
		}
		return nil
	})
	return list, more, err
}
