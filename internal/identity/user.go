package identity

import (
	"context"
	"errors"

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
