package kms

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/identity"
	"coffer/internal/key"
)

// errNoPrincipal means that an account of this server has no such user or role.
var errNoPrincipal = errors.New("kms: no such principal")

// party returns the grantee or the retiring principal that a request names by its
// ARN, or by the name of a service. Without either it is nobody.
//
// Users and roles of this server's accounts must exist, and so must the role of a
// session; they are kept by their unique IDs, so that a grant to a role does not
// come back to life with another role of the same name.
func (s *Service) party(ctx context.Context, name, service string) (key.Party, error) {
	if name == "" {
		return key.Party{Service: service}, nil
	}
	a, err := arn.Parse(name)
	if err != nil || a.Partition != arn.Partition || a.Region != "" || len(a.Account) != 12 || strings.Trim(a.Account, "0123456789") != "" {
		return key.Party{}, about(name, key.ErrInvalidARN)
	}
	p := key.Party{ARN: name}
	kind, rest, _ := strings.Cut(a.Resource, "/")
	switch {
	case a.Service == "iam" && a.Resource == "root":
	case a.Service == "iam" && (kind == "user" || kind == "role") && rest != "":
		p.ID, err = s.entity(ctx, a.Account, name)
	case a.Service == "sts" && kind == "assumed-role":
		role, session, ok := strings.Cut(rest, "/")
		if !ok || role == "" || session == "" || strings.Contains(session, "/") {
			return key.Party{}, about(name, key.ErrInvalidARN)
		}
		var r identity.Role
		r, err = s.principals.RoleByName(ctx, a.Account, role)
		if errors.Is(err, identity.ErrNoRole) {
			return p, s.isStranger(ctx, a.Account, name)
		}
		p.ID = r.ID + ":" + session
	case a.Service == "sts" && kind == "federated-user" && rest != "":
	default:
		return key.Party{}, about(name, key.ErrInvalidARN)
	}
	if err != nil {
		return key.Party{}, err
	}
	return p, nil
}

// entity returns the unique ID of a user or role. Of an account that this server
// does not have, it returns nothing.
func (s *Service) entity(ctx context.Context, account, name string) (id string, err error) {
	id, ok, err := s.principals.PrincipalID(ctx, name)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", name, err)
	}
	if !ok {
		return "", s.isStranger(ctx, account, name)
	}
	return id, nil
}

// isStranger returns nil if the server does not have the account, so that it can't
// tell whether the principal exists, and otherwise the error of one that does not.
func (s *Service) isStranger(ctx context.Context, account, name string) error {
	_, err := s.principals.Account(ctx, account)
	switch {
	case errors.Is(err, identity.ErrNoAccount):
		return nil
	case err != nil:
		return fmt.Errorf("find %s: %w", name, err)
	}
	return fault("InvalidArnException", "ARN does not refer to a valid principal: %s", name).Because(errNoPrincipal)
}

// filter returns the name by which grants of a principal are found, given by its
// ARN or, for one that is gone, as listings show it.
func (s *Service) filter(ctx context.Context, name string) (string, error) {
	if name == "" || !strings.HasPrefix(name, "arn:") {
		return name, nil
	}
	p, err := s.party(ctx, name, "")
	if err != nil {
		return "", err
	}
	return p.Name(), nil
}

// show returns how listings name a party: by its ARN of now, or by its unique ID if
// it is gone.
func (s *Service) show(ctx context.Context, p key.Party) (string, error) {
	if p.ID == "" {
		return p.ARN, nil
	}
	id, _, isSession := strings.Cut(p.ID, ":")
	name, ok, err := s.principals.PrincipalARN(ctx, id)
	switch {
	case err != nil:
		return "", fmt.Errorf("show %s: %w", p.ID, err)
	case !ok:
		return p.ID, nil
	case isSession:
		return p.ARN, nil
	}
	return name, nil
}
