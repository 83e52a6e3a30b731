package organization

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"coffer/internal/arn"
	"coffer/internal/identity"
	"coffer/internal/meta"
	"coffer/internal/revision"
)

const (
	rowOrg     = "organization/org/"
	rowRoot    = "organization/root/"
	rowAccount = "organization/account/"
	rowMember  = "organization/member/"
	rowChild   = "organization/child/"
)

type orgRow struct {
	Management string       `cbor:"1,keyasint"`
	Root       string       `cbor:"2,keyasint"`
	Created    int64        `cbor:"3,keyasint"` // Unix milliseconds
	Enabled    []PolicyType `cbor:"4,keyasint,omitempty"`
}

type accountRow struct {
	Name    string     `cbor:"1,keyasint"`
	Email   string     `cbor:"2,keyasint"`
	Created int64      `cbor:"3,keyasint"` // Unix milliseconds
	Creator string     `cbor:"4,keyasint,omitempty"`
	Org     string     `cbor:"5,keyasint,omitempty"`
	Parent  string     `cbor:"6,keyasint,omitempty"`
	Method  JoinMethod `cbor:"7,keyasint,omitempty"`
	Joined  int64      `cbor:"8,keyasint,omitempty"` // Unix milliseconds
}

func (r *accountRow) account(id string) *Account {
	a := &Account{ID: id, Name: r.Name, Email: r.Email, Created: unixMilli(r.Created), Creator: r.Creator,
		Org: r.Org, Parent: r.Parent, Method: r.Method}
	if r.Org != "" {
		a.Joined = unixMilli(r.Joined)
	}
	return a
}

func unixMilli(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// A NewAccount says which account to make.
type NewAccount struct {
	ID    string // 12 digits; random if empty
	Name  string
	Email string // ID@account.invalid if empty
	// Creator makes the account, which joins the organization that the creator is
	// in, if there is one, and else the one that the creator makes later.
	Creator string
	// RootKey gives the account a root access key. The name must then be one that
	// no other account has: it becomes a profile name.
	RootKey bool
	// Role is the name of a role that administers the account and that the
	// organization's management account may assume; none if empty.
	Role string
	Tags []Tag
}

// CreateAccount makes an account of the server. It returns the account and, if one
// was asked for, its root access key.
//
// Errors are ErrAccountExists, ErrEmailExists, ErrTooManyAccounts and ErrInvalid.
func (s *Store) CreateAccount(ctx context.Context, in NewAccount, also func(meta.Txn, *Account) error) (*Account, identity.AccessKey, error) {
	var made *Account
	var k identity.AccessKey
	id := in.ID
	if id == "" {
		first, err := s.draw(digits[1:], 1)
		if err != nil {
			return nil, k, err
		}
		rest, err := s.draw(digits, 11)
		if err != nil {
			return nil, k, err
		}
		id = first + rest
	}
	email := in.Email
	if email == "" {
		email = placeholder(id)
	}
	if err := checkEmail(email); err != nil {
		return nil, k, err
	}
	create := func(name string) error {
		_, err := s.cfg.Identity.CreateAccount(ctx, id, name, func(tx meta.Txn) (err error) {
			made, err = s.admit(tx, id, in, email)
			if err != nil {
				return err
			}
			if in.RootKey {
				if k, err = s.cfg.Identity.AddRootKey(tx, id); err != nil {
					return err
				}
			}
			if err := s.furnish(tx, made, in); err != nil {
				return err
			}
			if err := also(tx, made); err != nil {
				return err
			}
			return revision.Bump(tx)
		})
		return err
	}
	defer s.change()()
	err := create(in.Name)
	if errors.Is(err, identity.ErrAccountExists) && !in.RootKey && in.ID == "" {
		// An organization lets accounts share a name; the server tells them apart.
		err = create(id)
	}
	switch {
	case errors.Is(err, identity.ErrAccountExists):
		err = fmt.Errorf("%w: %w", ErrAccountExists, err)
	case errors.Is(err, identity.ErrInvalid):
		err = fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err != nil {
		return nil, identity.AccessKey{}, err
	}
	return made, k, nil
}

// furnish gives a new account its tags and its role.
func (s *Store) furnish(tx meta.Txn, a *Account, in NewAccount) error {
	if a.Org == "" {
		return nil
	}
	if err := setTags(tx, a.Org, a.ID, in.Tags); err != nil {
		return err
	}
	if in.Role == "" {
		return nil
	}
	org, err := loadOrg(tx, a.Org)
	if err != nil {
		return err
	}
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + arn.Root(org.Management) + `"},"Action":"sts:AssumeRole"}]}`
	return s.cfg.Identity.AddRole(tx, a.ID, identity.NewRole{Name: in.Role, Trust: trust}, administrator)
}

// administrator is the managed policy of the role that lets the management account in.
//
// Source: AWS Organizations User Guide, "Accessing member accounts that have
// OrganizationAccountAccessRole", read 2026-11-21.
const administrator = "arn:" + arn.Partition + ":iam::aws:policy/AdministratorAccess"

// admit writes the row of a new account, and lets it join the organization of its
// creator.
func (s *Store) admit(tx meta.Txn, id string, in NewAccount, email string) (*Account, error) {
	if err := checkEmailFree(tx, email); err != nil {
		return nil, err
	}
	row := accountRow{Name: in.Name, Email: email, Created: s.now().UnixMilli(), Creator: in.Creator}
	if err := put(tx, rowAccount+id, row); err != nil {
		return nil, err
	}
	var creator accountRow
	if err := get(tx, rowAccount+in.Creator, &creator, ErrNoAccount); err != nil && !errors.Is(err, ErrNoAccount) {
		return nil, err
	}
	if creator.Org == "" {
		return row.account(id), nil
	}
	var org orgRow
	if err := get(tx, rowOrg+creator.Org, &org, errDangling); err != nil {
		return nil, err
	}
	return s.join(tx, creator.Org, &org, id, Created)
}

// errDangling means that a row names another one that is missing.
var errDangling = errors.New("organization: internal error: a row is missing")

// join puts an account that has a row into an organization, under the root.
func (s *Store) join(tx meta.Txn, orgID string, org *orgRow, id string, how JoinMethod) (*Account, error) {
	var row accountRow
	if err := get(tx, rowAccount+id, &row, errDangling); err != nil {
		return nil, err
	}
	if row.Org != "" {
		return nil, ErrInOrganization
	}
	members, err := names(tx, rowMember+orgID+"/")
	if err != nil {
		return nil, err
	}
	if len(members) >= MaxAccounts {
		return nil, ErrTooManyAccounts
	}
	row.Org, row.Parent, row.Method, row.Joined = orgID, org.Root, how, s.now().UnixMilli()
	err = errors.Join(put(tx, rowAccount+id, row),
		tx.Put([]byte(rowMember+orgID+"/"+id), nil),
		tx.Put([]byte(rowChild+org.Root+"/"+id), nil), attachDefaults(tx, orgID, org, id))
	return row.account(id), err
}

// Accounts returns all accounts of the server, by ID.
func (s *Store) Accounts(ctx context.Context) ([]*Account, error) {
	known, err := s.cfg.Identity.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]*Account, 0, len(known))
	err = s.view(ctx, func(r meta.Reader) error {
		list = list[:0]
		for _, k := range known {
			a, err := account(r, k)
			if err != nil {
				return err
			}
			list = append(list, a)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	return list, nil
}

// account returns the account that identity knows as k. The server's first account
// has no row here until it joins an organization.
func account(r meta.Reader, k identity.Account) (*Account, error) {
	var row accountRow
	err := get(r, rowAccount+k.ID, &row, ErrNoAccount)
	if errors.Is(err, ErrNoAccount) {
		row, err = accountRow{Name: k.Name, Email: placeholder(k.ID), Created: k.CreatedAt.UnixMilli()}, nil
	}
	return row.account(k.ID), err
}

// placeholder is the e-mail address of an account that was given none. Nothing is
// ever delivered to it: RFC 2606 keeps .invalid free.
func placeholder(id string) string { return id + "@account.invalid" }

// checkEmail reports an e-mail address that AWS would not take.
//
// Source: AWS Organizations API Reference, CreateAccount, Email: 6 to 64
// characters, one @ and after it a dot, no white space; read 2026-11-21.
func checkEmail(email string) error {
	local, domain, ok := strings.Cut(email, "@")
	name, top, dotted := cutLast(domain, ".")
	if len(email) < 6 || len(email) > 64 || !ok || local == "" || strings.Contains(domain, "@") || !dotted || name == "" || top == "" ||
		strings.ContainsFunc(email, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) {
		return fmt.Errorf("%w: e-mail address is not 6 to 64 characters of the form name@example.com", ErrInvalid)
	}
	return nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// checkEmailFree returns ErrEmailExists if an account has the address, in upper
// or lower case.
func checkEmailFree(r meta.Reader, email string) error {
	return r.Scan(meta.Prefix([]byte(rowAccount)), func(key, value []byte) (bool, error) {
		var row accountRow
		if err := decoder.Unmarshal(value, &row); err != nil {
			return false, fmt.Errorf("decode row %s: %w", key, err)
		}
		if strings.EqualFold(row.Email, email) {
			return false, ErrEmailExists
		}
		return true, nil
	})
}
