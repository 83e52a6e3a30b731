package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"coffer/internal/arn"
	"coffer/internal/meta"
	"coffer/internal/policy"
)

// Bounds and default of a role's longest session.
//
// Source: IAM API Reference, CreateRole, MaxSessionDuration, read 2026-11-21.
const (
	MinMaxSession     = time.Hour
	MaxMaxSession     = 12 * time.Hour
	DefaultMaxSession = time.Hour
)

func checkMaxSession(d time.Duration) error {
	if d < MinMaxSession || d > MaxMaxSession || d%time.Second != 0 {
		return fmt.Errorf("%w: longest session %v is not whole seconds from 1 to 12 hours", ErrInvalid, d)
	}
	return nil
}

// CreateRole makes a role. It returns ErrNoAccount, ErrExists, ErrNoPolicy (the
// boundary), ErrMalformedPolicy, ErrQuota and ErrInvalid.
func (s *Store) CreateRole(ctx context.Context, account string, in NewRole, also func(meta.Txn, Role) error) (Role, error) {
	path := orRoot(in.Path)
	if in.Service != "" && in.Path == "" {
		path = servicePath + in.Service + "/"
	}
	if in.MaxSession == 0 {
		in.MaxSession = DefaultMaxSession
	}
	err := errors.Join(checkName("role", in.Name, maxRoleName), checkPath(path), checkServicePath(path, in.Service),
		checkDescription(in.Description), checkMaxSession(in.MaxSession), checkTags(in.Tags))
	if err != nil {
		return Role{}, err
	}
	if err := checkTrust(in.Trust); err != nil {
		return Role{}, err
	}
	tags, err := withTags(nil, in.Tags)
	if err != nil {
		return Role{}, err
	}
	id, err := s.newID(prefixRole)
	if err != nil {
		return Role{}, err
	}
	created := s.now().UnixMilli()
	var role Role
	err = s.change(ctx, "create role "+in.Name, func(tx meta.Txn) error {
		trust, err := savePrincipals(tx, in.Trust)
		if err != nil {
			return err
		}
		row := entityRow{
			ID: id, Name: in.Name, Path: path, CreatedAt: created, Tags: tagRows(tags), Boundary: in.Boundary,
			Description: in.Description, Trust: trust, MaxSession: int64(in.MaxSession / time.Second), Service: in.Service,
		}
		if err := s.create(tx, Entity{KindRole, account, in.Name}, &row); err != nil {
			return err
		}
		role, err = s.role(tx, account, &row)
		return err
	}, func(tx meta.Txn) error { return runWith(also, tx, role) })
	if err != nil {
		return Role{}, err
	}
	return role, nil
}

// checkServicePath reports a role under /aws-service-role/ without its service, or
// the other way round.
func checkServicePath(path, service string) error {
	if service == "" && strings.HasPrefix(path, servicePath) || service != "" && path != servicePath+service+"/" {
		return fmt.Errorf("%w: only service-linked roles have the path %sSERVICE/", ErrInvalid, servicePath)
	}
	return nil
}

// checkTrust checks the text of a trust policy. AWS lets an account raise the quota
// of its size; this server does not.
func checkTrust(text string) error {
	if policy.Size(text) > policy.TrustPolicySize {
		return &QuotaError{"ACLSizePerRole", policy.TrustPolicySize}
	}
	return parse(text, policy.KindTrust)
}

// RoleByName returns a role, or ErrNoRole.
func (s *Store) RoleByName(ctx context.Context, account, name string) (Role, error) {
	var role Role
	err := s.view(ctx, "role "+name, func(r meta.Reader) error {
		row, err := getEntity(r, Entity{KindRole, account, name})
		if err == nil {
			role, err = s.role(r, account, row)
		}
		return err
	})
	return role, err
}

// RoleByARN returns the role with exactly that ARN, or ErrNoRole.
func (s *Store) RoleByARN(ctx context.Context, roleARN string) (Role, error) {
	var role Role
	err := s.view(ctx, "role "+roleARN, func(r meta.Reader) error {
		e, row, err := entityByARN(r, roleARN)
		if err == nil && (row == nil || e.Kind != KindRole) {
			err = ErrNoRole
		}
		if err == nil {
			role, err = s.role(r, e.Account, row)
		}
		return err
	})
	return role, err
}

// RoleByID returns the role with a unique ID, or ErrNoRole.
func (s *Store) RoleByID(ctx context.Context, id string) (Role, error) {
	var role Role
	err := s.view(ctx, "role "+id, func(r meta.Reader) error {
		e, row, err := entityByID(r, id)
		if errors.Is(err, meta.ErrNotFound) || err == nil && e.Kind != KindRole {
			return ErrNoRole
		}
		if err == nil {
			role, err = s.role(r, e.Account, row)
		}
		return err
	})
	return role, err
}

// Roles lists roles. more is set if the list goes on.
func (s *Store) Roles(ctx context.Context, account string, p Page) (list []Role, more bool, err error) {
	err = s.view(ctx, "list roles", func(r meta.Reader) (err error) {
		list = nil
		more, err = scan(r, KindRole, account, p, func(row *entityRow) error {
			role, err := s.role(r, account, row)
			list = append(list, role)
			return err
		})
		return err
	})
	return list, more, err
}

// modifiable returns the row of an entity that clients may change, or ErrNoUser and
// its kin, or ErrUnmodifiable for a service-linked role.
func modifiable(r meta.Reader, e Entity) (*entityRow, error) {
	row, err := getEntity(r, e)
	if err == nil && row.Service != "" {
		return nil, ErrUnmodifiable
	}
	return row, err
}

// UpdateRole changes the description or the longest session of a role; of a
// service-linked role only the description. It returns ErrNoRole, ErrUnmodifiable
// and ErrInvalid.
func (s *Store) UpdateRole(ctx context.Context, account, name string, u RoleUpdate, also func(meta.Txn, Role) error) (Role, error) {
	if u.Description != nil {
		if err := checkDescription(*u.Description); err != nil {
			return Role{}, err
		}
	}
	if u.MaxSession != nil {
		if err := checkMaxSession(*u.MaxSession); err != nil {
			return Role{}, err
		}
	}
	var role Role
	err := s.change(ctx, "update role "+name, func(tx meta.Txn) error {
		e := Entity{KindRole, account, name}
		row, err := getEntity(tx, e)
		if err != nil {
			return err
		}
		if u.MaxSession != nil {
			if row.Service != "" {
				return ErrUnmodifiable
			}
			row.MaxSession = int64(*u.MaxSession / time.Second)
		}
		if u.Description != nil {
			row.Description = *u.Description
		}
		if err := put(tx, e.row(), row); err != nil {
			return err
		}
		role, err = s.role(tx, account, row)
		return err
	}, func(tx meta.Txn) error { return runWith(also, tx, role) })
	if err != nil {
		return Role{}, err
	}
	return role, nil
}

// SetTrust replaces the trust policy of a role. It returns ErrNoRole,
// ErrUnmodifiable, ErrMalformedPolicy and ErrQuota.
func (s *Store) SetTrust(ctx context.Context, account, name, text string, also func(meta.Txn) error) error {
	if err := checkTrust(text); err != nil {
		return err
	}
	return s.change(ctx, "set trust policy of role "+name, func(tx meta.Txn) error {
		e := Entity{KindRole, account, name}
		row, err := modifiable(tx, e)
		if err != nil {
			return err
		}
		if row.Trust, err = savePrincipals(tx, text); err != nil {
			return err
		}
		return put(tx, e.row(), row)
	}, also)
}

// DeleteRole removes a role. It returns ErrNoRole, ErrUnmodifiable, ErrHasInline
// and ErrHasAttached.
func (s *Store) DeleteRole(ctx context.Context, account, name string, also func(meta.Txn) error) error {
	return s.change(ctx, "delete role "+name, func(tx meta.Txn) error {
		e := Entity{KindRole, account, name}
		row, err := modifiable(tx, e)
		if err != nil {
			return err
		}
		return s.drop(tx, e, row)
	}, also)
}

// DeleteServiceLinkedRole removes a service-linked role. It returns ErrNoRole, also
// for another role.
func (s *Store) DeleteServiceLinkedRole(ctx context.Context, account, name string, also func(meta.Txn) error) error {
	return s.change(ctx, "delete service-linked role "+name, func(tx meta.Txn) error {
		e := Entity{KindRole, account, name}
		row, err := getEntity(tx, e)
		if err == nil && row.Service == "" {
			err = ErrNoRole
		}
		if err != nil {
			return err
		}
		return s.drop(tx, e, row)
	}, also)
}

// role returns the role of a row, with what is shown of its trust policy and its use.
func (s *Store) role(r meta.Reader, account string, row *entityRow) (Role, error) {
	trust, err := showPrincipals(r, row.Trust)
	if err != nil {
		return Role{}, err
	}
	used, err := s.lastUse(r, row.ID)
	if err != nil {
		return Role{}, err
	}
	return Role{
		Account: account, ID: row.ID, Name: row.Name, Path: row.Path, ARN: entityARN(KindRole, account, row.Path, row.Name),
		CreatedAt: milliseconds(row.CreatedAt), Description: row.Description, Trust: trust,
		MaxSession: time.Duration(row.MaxSession) * time.Second, Tags: rowTags(row.Tags), Boundary: row.Boundary,
		Service: row.Service, LastUsed: used,
	}, nil
}

// entityByARN returns the row of the user or the role with exactly that ARN, and a
// nil row if there is none.
func entityByARN(r meta.Reader, s string) (Entity, *entityRow, error) {
	a, err := arn.Parse(s)
	if err != nil || a.Partition != arn.Partition || a.Service != "iam" || a.Region != "" || checkAccountID(a.Account) != nil {
		return Entity{}, nil, nil
	}
	kind, rest, _ := strings.Cut(a.Resource, "/")
	e := Entity{Account: a.Account, Name: rest[strings.LastIndex(rest, "/")+1:]}
	switch kind {
	case "user":
		e.Kind = KindUser
	case "role":
		e.Kind = KindRole
	default:
		return Entity{}, nil, nil
	}
	row, err := getEntity(r, e)
	switch {
	case errors.Is(err, e.Kind.missing()):
		return e, nil, nil
	case err != nil:
		return e, nil, err
	case entityARN(e.Kind, e.Account, row.Path, row.Name) != s:
		return e, nil, nil
	}
	e.Name = row.Name
	return e, row, nil
}
