package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"coffer/internal/meta"
)

func memberRow(groupID, user string) string {
	return rowMember + groupID + "/" + strings.ToLower(user)
}

// CreateGroup makes a group; path may be empty. It returns ErrNoAccount, ErrExists,
// ErrQuota and ErrInvalid.
func (s *Store) CreateGroup(ctx context.Context, account, name, path string, also func(meta.Txn, Group) error) (Group, error) {
	path = orRoot(path)
	if err := errors.Join(checkName("group", name, maxGroupName), checkPath(path)); err != nil {
		return Group{}, err
	}
	id, err := s.newID(prefixGroup)
	if err != nil {
		return Group{}, err
	}
	row := entityRow{ID: id, Name: name, Path: path, CreatedAt: s.now().UnixMilli()}
	g := row.group(account)
	err = s.change(ctx, "create group "+name, func(tx meta.Txn) error {
		return s.create(tx, Entity{KindGroup, account, name}, &row)
	}, func(tx meta.Txn) error { return runWith(also, tx, g) })
	if err != nil {
		return Group{}, err
	}
	return g, nil
}

// GroupByName returns a group, or ErrNoGroup.
func (s *Store) GroupByName(ctx context.Context, account, name string) (Group, error) {
	var g Group
	err := s.view(ctx, "group "+name, func(r meta.Reader) error {
		row, err := getEntity(r, Entity{KindGroup, account, name})
		if err == nil {
			g = row.group(account)
		}
		return err
	})
	return g, err
}

// Groups lists groups. more is set if the list goes on.
func (s *Store) Groups(ctx context.Context, account string, p Page) (list []Group, more bool, err error) {
	err = s.view(ctx, "list groups", func(r meta.Reader) (err error) {
		list = nil
		more, err = scan(r, KindGroup, account, p, func(row *entityRow) error {
			list = append(list, row.group(account))
			return nil
		})
		return err
	})
	return list, more, err
}

// UpdateGroup gives a group another name or path; an empty one keeps. It returns
// ErrNoGroup, ErrExists and ErrInvalid.
func (s *Store) UpdateGroup(ctx context.Context, account, name, newName, newPath string, also func(meta.Txn, Group) error) (Group, error) {
	if err := checkRename(KindGroup, newName, newPath); err != nil {
		return Group{}, err
	}
	var g Group
	err := s.change(ctx, "update group "+name, func(tx meta.Txn) error {
		e := Entity{KindGroup, account, name}
		row, err := getEntity(tx, e)
		if err != nil {
			return err
		}
		_, err = rename(tx, e, row, newName, newPath)
		g = row.group(account)
		return err
	}, func(tx meta.Txn) error { return runWith(also, tx, g) })
	if err != nil {
		return Group{}, err
	}
	return g, nil
}

// DeleteGroup removes a group. It returns ErrNoGroup, ErrHasMembers, ErrHasInline
// and ErrHasAttached.
func (s *Store) DeleteGroup(ctx context.Context, account, name string, also func(meta.Txn) error) error {
	return s.change(ctx, "delete group "+name, func(tx meta.Txn) error {
		e := Entity{KindGroup, account, name}
		row, err := getEntity(tx, e)
		if err != nil {
			return err
		}
		if members, err := hasAny(tx, memberRow(row.ID, "")); err != nil {
			return err
		} else if members {
			return ErrHasMembers
		}
		return s.drop(tx, e, row)
	}, also)
}

// AddToGroup makes a user a member of a group; a member stays one. It returns
// ErrNoGroup, ErrNoUser and ErrQuota.
func (s *Store) AddToGroup(ctx context.Context, account, group, user string, also func(meta.Txn) error) error {
	return s.change(ctx, "add user "+user+" to group "+group, func(tx meta.Txn) error {
		g, err := getEntity(tx, Entity{KindGroup, account, group})
		if err != nil {
			return err
		}
		e := Entity{KindUser, account, user}
		u, err := getEntity(tx, e)
		switch {
		case err != nil:
			return err
		case slices.Contains(u.Groups, g.ID):
			return nil
		case len(u.Groups) == MaxGroupsPerUser:
			return &QuotaError{"GroupsPerUser", MaxGroupsPerUser}
		}
		u.Groups = append(u.Groups, g.ID)
		return errors.Join(put(tx, e.row(), u), put(tx, memberRow(g.ID, user), u.ID))
	}, also)
}

// RemoveFromGroup ends a membership. It returns ErrNoGroup, ErrNoUser and
// ErrNotMember.
func (s *Store) RemoveFromGroup(ctx context.Context, account, group, user string, also func(meta.Txn) error) error {
	return s.change(ctx, "remove user "+user+" from group "+group, func(tx meta.Txn) error {
		g, err := getEntity(tx, Entity{KindGroup, account, group})
		if err != nil {
			return err
		}
		e := Entity{KindUser, account, user}
		u, err := getEntity(tx, e)
		if err != nil {
			return err
		}
		i := slices.Index(u.Groups, g.ID)
		if i < 0 {
			return ErrNotMember
		}
		u.Groups = slices.Delete(u.Groups, i, i+1)
		return errors.Join(put(tx, e.row(), u), remove(tx, memberRow(g.ID, user)))
	}, also)
}

// Members lists the users of a group by name, or returns ErrNoGroup. PathPrefix
// does not count.
func (s *Store) Members(ctx context.Context, account, group string, p Page) (list []User, more bool, err error) {
	err = s.view(ctx, "members of group "+group, func(r meta.Reader) error {
		list, more = nil, false
		g, err := getEntity(r, Entity{KindGroup, account, group})
		if err != nil {
			return err
		}
		prefix := memberRow(g.ID, "")
		in := meta.Prefix([]byte(prefix))
		if p.After != "" {
			in.Start = []byte(memberRow(g.ID, p.After) + "\x00")
		}
		return r.Scan(in, func(key, _ []byte) (bool, error) {
			if p.Limit > 0 && len(list) == p.Limit {
				more = true
				return false, nil
			}
			u, err := getEntity(r, Entity{KindUser, account, string(key[len(prefix):])})
			if errors.Is(err, ErrNoUser) {
				err = fmt.Errorf("%w: %s names no user", meta.ErrCorrupt, key)
			}
			if err != nil {
				return false, err
			}
			list = append(list, u.user(account))
			return true, nil
		})
	})
	return list, more, err
}

// GroupsOf returns the groups of a user by name, or ErrNoUser.
func (s *Store) GroupsOf(ctx context.Context, account, user string) ([]Group, error) {
	var list []Group
	err := s.view(ctx, "groups of user "+user, func(r meta.Reader) error {
		u, err := getEntity(r, Entity{KindUser, account, user})
		if err != nil {
			return err
		}
		groups, err := groupsOf(r, u)
		list = nil
		for _, g := range groups {
			list = append(list, g.group(account))
		}
		return err
	})
	return list, err
}

// groupsOf returns the rows of a user's groups by name.
func groupsOf(r meta.Reader, user *entityRow) ([]*entityRow, error) {
	var list []*entityRow
	for _, id := range user.Groups {
		var at idRow
		g := new(entityRow)
		err := get(r, rowID+id, &at)
		if err == nil {
			err = get(r, Entity(at).row(), g)
		}
		if errors.Is(err, meta.ErrNotFound) || err == nil && g.ID != id {
			return nil, fmt.Errorf("%w: user %s is in group %s, which is not there", meta.ErrCorrupt, user.ID, id)
		} else if err != nil {
			return nil, err
		}
		list = append(list, g)
	}
	slices.SortFunc(list, func(a, b *entityRow) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return list, nil
}

func (r *entityRow) group(account string) Group {
	return Group{
		Account: account, ID: r.ID, Name: r.Name, Path: r.Path, ARN: entityARN(KindGroup, account, r.Path, r.Name),
		CreatedAt: milliseconds(r.CreatedAt),
	}
}
