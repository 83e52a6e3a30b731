package identity

import (
	"errors"
	"strings"
	"time"

	"coffer/internal/meta"
)

// A Kind is a kind of entity that policies are attached to.
type Kind string

// The kinds, as ListEntitiesForPolicy spells its filter.
const (
	KindUser  Kind = "User"
	KindGroup Kind = "Group"
	KindRole  Kind = "Role"
)

// An Entity names a user, a group or a role by its name, without regard to case.
type Entity struct {
	Kind    Kind
	Account string
	Name    string
}

// A Tag is a key with a value.
type Tag struct{ Key, Value string }

// A User is an IAM user.
type User struct {
	Account   string
	ID        string // AIDA...
	Name      string
	Path      string // "/", or with / at both ends
	ARN       string
	CreatedAt time.Time
	Tags      []Tag
	Boundary  string // ARN of the policy; empty if there is none
}

// A Group is an IAM group.
type Group struct {
	Account   string
	ID        string // AGPA...
	Name      string
	Path      string
	ARN       string
	CreatedAt time.Time
}

// A Role is an IAM role.
type Role struct {
	Account     string
	ID          string // AROA...
	Name        string
	Path        string
	ARN         string
	CreatedAt   time.Time
	Description string
	Trust       string // the trust policy as JSON, its principals shown as ARNs
	MaxSession  time.Duration
	Tags        []Tag
	Boundary    string // ARN of the policy; empty if there is none
	// Service is the principal of the service that a service-linked role belongs
	// to; empty for other roles.
	Service  string
	LastUsed LastUse // without a Service
}

// NewUser describes a user to be made.
type NewUser struct {
	Name     string
	Path     string // "/" if empty
	Boundary string // ARN of a policy; none if empty
	Tags     []Tag
}

// NewRole describes a role to be made.
type NewRole struct {
	Name        string
	Path        string // "/" if empty
	Description string
	Trust       string        // trust policy as JSON
	MaxSession  time.Duration // an hour if 0
	Boundary    string        // ARN of a policy; none if empty
	Tags        []Tag
	// Service makes a service-linked role of that service principal, under
	// /aws-service-role/Service/, which Path must then be or be empty.
	Service string
}

// A RoleUpdate holds what changes of a role; nil keeps.
type RoleUpdate struct {
	Description *string
	MaxSession  *time.Duration
}

// A Page asks for one page of a list in the order of lower-case names.
type Page struct {
	After      string // the last name of the page before; empty for the first
	PathPrefix string // only paths that start so; all if empty
	Limit      int    // at most that many; 0 means all
}

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
	return errors.Join(put(tx, e.row(), row), put(tx, rowID+row.ID, idRow(e)))
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
	return to, errors.Join(put(tx, to.row(), row), put(tx, rowID+row.ID, idRow(to)))
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

func checkRename(kind Kind, name, path string) error {
	if name != "" {
		if err := checkName("new "+kind.noun(), name, kind.maxName()); err != nil {
			return err
		}
	}
	return checkPath(orRoot(path))
}
