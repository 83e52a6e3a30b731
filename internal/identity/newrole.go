package identity

import (
	"errors"
	"time"

	"coffer/internal/meta"
)

// AddRole makes a role with managed policies, in the transaction that makes its
// account: pass a function that calls it as the also of CreateAccount. The name and
// the policies are the server's own choice, or were checked. It returns ErrExists,
// ErrMalformedPolicy, ErrNoPolicy and ErrInvalid.
func (s *Store) AddRole(tx meta.Txn, account string, in NewRole, policies ...string) error {
	if in.MaxSession == 0 {
		in.MaxSession = DefaultMaxSession
	}
	err := errors.Join(checkName("role", in.Name, maxRoleName), checkDescription(in.Description), checkMaxSession(in.MaxSession), checkTrust(in.Trust))
	if err != nil {
		return err
	}
	id, err := s.newID(prefixRole)
	if err != nil {
		return err
	}
	trust, err := savePrincipals(tx, in.Trust)
	if err != nil {
		return err
	}
	row := entityRow{
		ID: id, Name: in.Name, Path: orRoot(""), CreatedAt: s.now().UnixMilli(), Attached: policies,
		Description: in.Description, Trust: trust, MaxSession: int64(in.MaxSession / time.Second),
	}
	for _, p := range policies {
		if err := addUse(tx, account, p, asAttached, id); err != nil {
			return err
		}
	}
	return s.create(tx, Entity{KindRole, account, in.Name}, &row)
}
