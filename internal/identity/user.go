package identity

import (
	"context"
	"errors"
	"strings"

	"coffer/internal/meta"
)

// Quotas of entities.
//
// Source: IAM User Guide, "IAM and AWS STS quotas", the defaults, read 2026-11-21.
const (
	MaxUsers         = 5000
	MaxGroups        = 300
	MaxRoles         = 1000
	MaxGroupsPerUser = 10
)

// create writes the row of a new entity, with its ID and its boundary.
func (s *Store) create(tx meta.Txn, e Entity, row *entityRow) error {
	if _, err := getAccount(tx, e.Account); err != nil {
		return err
	}
	if taken, err := exists(tx, e.row()); err != nil {
		return err
	} else if taken {
		return ErrExists
	}
	if err := countEntity(tx, e, 1); err != nil {
		return err
	}
	if row.Boundary != "" {
		if err := addUse(tx, e.Account, row.Boundary, asBoundary, row.ID); err != nil {
			return err
		}
	}
	return errors.Join(put(tx, e.row(), row), put(tx, rowID+row.ID, idRow{e.Kind, e.Account, e.Name}))
}

// countEntity counts n more entities of the kind of e.
func countEntity(tx meta.Txn, e Entity, n int) error {
	switch e.Kind {
	case KindGroup:
		return count(tx, e.Account, func(r *countRow) *int { return &r.Groups }, n, "GroupsPerAccount", MaxGroups)
	case KindRole:
		return count(tx, e.Account, func(r *countRow) *int { return &r.Roles }, n, "RolesPerAccount", MaxRoles)
	}
	return count(tx, e.Account, func(r *countRow) *int { return &r.Users }, n, "UsersPerAccount", MaxUsers)
}

// drop removes the row of an entity that has neither policies, keys nor groups.
func (s *Store) drop(tx meta.Txn, e Entity, row *entityRow) error {
	inline, err := hasAny(tx, rowInline+row.ID+"/")
	switch {
	case err != nil:
		return err
	case len(row.Keys) > 0:
		return ErrHasKeys
	case inline:
		return ErrHasInline
	case len(row.Attached) > 0:
		return ErrHasAttached
	case len(row.Groups) > 0:
		return ErrHasGroups
	}
	if row.Boundary != "" {
		if err := removeUse(tx, e.Account, row.Boundary, asBoundary, row.ID); err != nil {
			return err
		}
	}
	if err := countEntity(tx, e, -1); err != nil {
		return err
	}
	return remove(tx, e.row(), rowID+row.ID, rowUsed+row.ID)
}

// rename gives an entity another name and path; empty ones keep.
func rename(tx meta.Txn, e Entity, row *entityRow, name, path string) (Entity, error) {
	to := e
	if name != "" {
		to.Name = name
		row.Name = name
	}
	if path != "" {
		row.Path = path
	}
	if to.row() != e.row() {
		if taken, err := exists(tx, to.row()); err != nil {
			return to, err
		} else if taken {
			return to, ErrExists
		}
		if err := remove(tx, e.row()); err != nil {
			return to, err
		}
		for _, group := range row.Groups {
			if err := errors.Join(remove(tx, memberRow(group, e.Name)), put(tx, memberRow(group, to.Name), row.ID)); err != nil {
				return to, err
			}
		}
	}
	return to, errors.Join(put(tx, to.row(), row), put(tx, rowID+row.ID, idRow{to.Kind, to.Account, to.Name}))
}

// scan calls fn for the entities of a page, and reports whether there are more.
func scan(r meta.Reader, kind Kind, account string, p Page, fn func(*entityRow) error) (more bool, err error) {
	prefix := kind.prefix(account)
	in := meta.Prefix([]byte(prefix))
	if p.After != "" {
		in.Start = []byte(prefix + strings.ToLower(p.After) + "\x00")
	}
	n := 0
	err = r.Scan(in, func(key, value []byte) (bool, error) {
		row := new(entityRow)
		if err := decode(key, value, row); err != nil {
			return false, err
		}
		if !strings.HasPrefix(row.Path, p.PathPrefix) {
			return true, nil
		}
		if p.Limit > 0 && n == p.Limit {
			more = true
			return false, nil
		}
		n++
		return true, fn(row)
	})
	return more, err
}

// CreateUser makes a user. It returns ErrNoAccount, ErrExists, ErrNoPolicy (the
// boundary), ErrQuota and ErrInvalid.
func (s *Store) CreateUser(ctx context.Context, account string, in NewUser, also func(meta.Txn, User) error) (User, error) {
	path := orRoot(in.Path)
	if err := errors.Join(checkName("user", in.Name, maxUserName), checkPath(path), checkTags(in.Tags)); err != nil {
		return User{}, err
	}
	tags, err := withTags(nil, in.Tags)
	if err != nil {
		return User{}, err
	}
	id, err := s.newID(prefixUser)
	if err != nil {
		return User{}, err
	}
	row := entityRow{ID: id, Name: in.Name, Path: path, CreatedAt: s.now().UnixMilli(), Tags: tagRows(tags), Boundary: in.Boundary}
	u := row.user(account)
	err = s.change(ctx, "create user "+in.Name, func(tx meta.Txn) error {
		return s.create(tx, Entity{KindUser, account, in.Name}, &row)
	}, func(tx meta.Txn) error { return runWith(also, tx, u) })
	if err != nil {
		return User{}, err
	}
	return u, nil
}

// UserByName returns a user, or ErrNoUser.
func (s *Store) UserByName(ctx context.Context, account, name string) (User, error) {
	var u User
	err := s.view(ctx, "user "+name, func(r meta.Reader) error {
		row, err := getEntity(r, Entity{KindUser, account, name})
		if err == nil {
			u = row.user(account)
		}
		return err
	})
	return u, err
}

// UserByID returns the user with a unique ID, or ErrNoUser.
func (s *Store) UserByID(ctx context.Context, id string) (User, error) {
	var u User
	err := s.view(ctx, "user "+id, func(r meta.Reader) error {
		e, row, err := entityByID(r, id)
		if errors.Is(err, meta.ErrNotFound) || err == nil && e.Kind != KindUser {
			return ErrNoUser
		}
		if err == nil {
			u = row.user(e.Account)
		}
		return err
	})
	return u, err
}

// Users lists users. more is set if the list goes on.
func (s *Store) Users(ctx context.Context, account string, p Page) (list []User, more bool, err error) {
	err = s.view(ctx, "list users", func(r meta.Reader) (err error) {
		list = nil
		more, err = scan(r, KindUser, account, p, func(row *entityRow) error {
			list = append(list, row.user(account))
			return nil
		})
		return err
	})
	return list, more, err
}

// UpdateUser gives a user another name or path; an empty one keeps. It returns
// ErrNoUser, ErrExists and ErrInvalid.
func (s *Store) UpdateUser(ctx context.Context, account, name, newName, newPath string, also func(meta.Txn, User) error) (User, error) {
	if err := checkRename(KindUser, newName, newPath); err != nil {
		return User{}, err
	}
	var u User
	err := s.change(ctx, "update user "+name, func(tx meta.Txn) error {
		e := Entity{KindUser, account, name}
		row, err := getEntity(tx, e)
		if err != nil {
			return err
		}
		_, err = rename(tx, e, row, newName, newPath)
		u = row.user(account)
		return err
	}, func(tx meta.Txn) error { return runWith(also, tx, u) })
	if err != nil {
		return User{}, err
	}
	return u, nil
}

func checkRename(kind Kind, name, path string) error {
	if name != "" {
		if err := checkName("new "+kind.noun(), name, kind.maxName()); err != nil {
			return err
		}
	}
	return checkPath(orRoot(path))
}

// DeleteUser removes a user. It returns ErrNoUser, ErrHasKeys, ErrHasInline,
// ErrHasAttached and ErrHasGroups.
func (s *Store) DeleteUser(ctx context.Context, account, name string, also func(meta.Txn) error) error {
	return s.change(ctx, "delete user "+name, func(tx meta.Txn) error {
		e := Entity{KindUser, account, name}
		row, err := getEntity(tx, e)
		if err != nil {
			return err
		}
		return s.drop(tx, e, row)
	}, also)
}

func (r *entityRow) user(account string) User {
	return User{
		Account: account, ID: r.ID, Name: r.Name, Path: r.Path, ARN: entityARN(KindUser, account, r.Path, r.Name),
		CreatedAt: milliseconds(r.CreatedAt), Tags: rowTags(r.Tags), Boundary: r.Boundary,
	}
}
