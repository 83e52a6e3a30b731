package identity

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"coffer/internal/meta"
)

// A NewAccount describes an account to be made.
type NewAccount struct {
	ID    string // random if empty
	Name  string
	Email string // empty, or unlike that of any other account
}

// CreateAccount makes an account without an access key. An empty ID becomes 12
// random digits. It returns ErrAccountExists if the ID or the name is taken, and
// ErrInvalid.
func (s *Store) CreateAccount(ctx context.Context, id, name string, also func(meta.Txn) error) (Account, error) {
	return s.AddAccount(ctx, NewAccount{ID: id, Name: name}, func(tx meta.Txn, _ Account) error { return run(also, tx) })
}

// AddAccount makes an account without an access key. It returns ErrAccountExists if
// the ID, the name or the email is taken, and ErrInvalid.
func (s *Store) AddAccount(ctx context.Context, in NewAccount, also func(meta.Txn, Account) error) (Account, error) {
	if in.ID == "" {
		var err error
		if in.ID, err = s.accountID(); err != nil {
			return Account{}, err
		}
	}
	if err := errors.Join(checkAccountID(in.ID), checkAccountName(in.Name), checkEmail(in.Email)); err != nil {
		return Account{}, err
	}
	canonical, err := s.random(32)
	if err != nil {
		return Account{}, err
	}
	a := Account{ID: in.ID, Name: in.Name, CreatedAt: s.now(), CanonicalUserID: hex.EncodeToString(canonical), Email: in.Email}
	err = s.cfg.Meta.Update(ctx, func(tx meta.Txn) error {
		taken := false
		err := scanAccounts(tx, func(b Account) {
			taken = taken || b.ID == a.ID || b.Name == a.Name || a.Email != "" && strings.EqualFold(b.Email, a.Email)
		})
		if err != nil {
			return err
		}
		if taken {
			return ErrAccountExists
		}
		row := accountRow{Name: a.Name, CreatedAt: a.CreatedAt.UnixMilli(), CanonicalUserID: a.CanonicalUserID, Email: a.Email}
		if err := put(tx, rowAccount+a.ID, row); err != nil {
			return err
		}
		return runWith(also, tx, a)
	})
	if err != nil {
		return Account{}, fmt.Errorf("create account %s: %w", in.ID, err)
	}
	return a, nil
}

// Account returns an account, or ErrNoAccount.
func (s *Store) Account(ctx context.Context, id string) (Account, error) {
	var a Account
	err := s.view(ctx, "account "+id, func(r meta.Reader) error {
		row, err := getAccount(r, id)
		if err == nil {
			a = row.account(id)
		}
		return err
	})
	return a, err
}

// CanonicalID returns the canonical user ID of an account, or ErrNoAccount. It is read
// once.
func (s *Store) CanonicalID(ctx context.Context, account string) (string, error) {
	id, changes, ok := s.canonical.get(account)
	if !ok {
		a, err := s.Account(ctx, account)
		if err != nil {
			return "", err
		}
		id = &a.CanonicalUserID
		s.canonical.put(account, id, changes)
	}
	return *id, nil
}

// Accounts returns all accounts, by ID.
func (s *Store) Accounts(ctx context.Context) ([]Account, error) {
	var list []Account
	err := s.view(ctx, "list accounts", func(r meta.Reader) error {
		list = nil
		return scanAccounts(r, func(a Account) { list = append(list, a) })
	})
	return list, err
}

// checkAlias reports an alias that IAM would not take.
//
// Source: IAM API Reference, CreateAccountAlias, and IAM User Guide, "IAM and AWS STS
// quotas": no 12 digits; read 2026-11-21.
func checkAlias(alias string) error {
	bad := func(r rune) bool { return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-') }
	if len(alias) < 3 || len(alias) > 63 || strings.ContainsFunc(alias, bad) || strings.Contains(alias, "--") ||
		strings.Trim(alias, "-") != alias || checkAccountID(alias) == nil {
		return fmt.Errorf("%w: account alias %q is not 3 to 63 of the characters a-z and 0-9, with single hyphens inside", ErrInvalid, alias)
	}
	return nil
}

// SetAlias gives an account its alias in the place of the one that it had. It
// returns ErrNoAccount, ErrExists and ErrInvalid.
func (s *Store) SetAlias(ctx context.Context, account, alias string, also func(meta.Txn) error) error {
	if err := checkAlias(alias); err != nil {
		return err
	}
	return s.change(ctx, "set alias of account "+account, func(tx meta.Txn) error {
		row, err := getAccount(tx, account)
		if err != nil {
			return err
		}
		var owner string
		switch err := get(tx, rowAlias+alias, &owner); {
		case errors.Is(err, meta.ErrNotFound):
		case err != nil:
			return err
		case owner != account:
			return ErrExists
		}
		if row.Alias != "" {
			if err := remove(tx, rowAlias+row.Alias); err != nil {
				return err
			}
		}
		row.Alias = alias
		return errors.Join(put(tx, rowAlias+alias, account), put(tx, rowAccount+account, row))
	}, also)
}

// DeleteAlias takes the alias from an account. It returns ErrNoAccount and
// ErrNoAlias.
func (s *Store) DeleteAlias(ctx context.Context, account, alias string, also func(meta.Txn) error) error {
	return s.change(ctx, "delete alias of account "+account, func(tx meta.Txn) error {
		row, err := getAccount(tx, account)
		if err != nil {
			return err
		}
		if alias == "" || row.Alias != alias {
			return ErrNoAlias
		}
		row.Alias = ""
		return errors.Join(remove(tx, rowAlias+alias), put(tx, rowAccount+account, row))
	}, also)
}

// Alias returns the alias of an account, empty if it has none, or ErrNoAccount.
func (s *Store) Alias(ctx context.Context, account string) (alias string, err error) {
	err = s.view(ctx, "alias of account "+account, func(r meta.Reader) error {
		row, err := getAccount(r, account)
		if err == nil {
			alias = row.Alias
		}
		return err
	})
	return alias, err
}

// A Summary counts the entities of an account.
type Summary struct {
	Users, Groups, Roles, Policies, Providers int
	PolicyVersions                            int // of customer managed policies
	HasRootKey                                bool
	HasAlias                                  bool
}

// Summary counts the entities of an account, or returns ErrNoAccount.
func (s *Store) Summary(ctx context.Context, account string) (Summary, error) {
	var sum Summary
	err := s.view(ctx, "summary of account "+account, func(r meta.Reader) error {
		row, err := getAccount(r, account)
		if err != nil {
			return err
		}
		var n countRow
		if err := get(r, rowCount+account, &n); err != nil && !errors.Is(err, meta.ErrNotFound) {
			return err
		}
		hasKey, err := exists(r, rowRoot+account)
		sum = Summary{n.Users, n.Groups, n.Roles, n.Policies, n.Providers, n.Versions, hasKey, row.Alias != ""}
		return err
	})
	return sum, err
}

// accountID returns 12 random digits, the first of which is not 0.
func (s *Store) accountID() (string, error) {
	for {
		b, err := s.random(5)
		if err != nil {
			return "", err
		}
		n := uint64(b[0])<<32 | uint64(b[1])<<24 | uint64(b[2])<<16 | uint64(b[3])<<8 | uint64(b[4])
		const least, count = 100_000_000_000, 900_000_000_000
		if n < count { // of the 1,099,511,627,776 that 5 bytes tell apart
			return fmt.Sprint(least + n), nil
		}
	}
}

func (r *accountRow) account(id string) Account {
	return Account{ID: id, Name: r.Name, CreatedAt: milliseconds(r.CreatedAt), CanonicalUserID: r.CanonicalUserID, Email: r.Email}
}

func getAccount(r meta.Reader, id string) (*accountRow, error) {
	if checkAccountID(id) != nil {
		return nil, ErrNoAccount
	}
	row := new(accountRow)
	if err := get(r, rowAccount+id, row); errors.Is(err, meta.ErrNotFound) {
		return nil, ErrNoAccount
	} else if err != nil {
		return nil, err
	}
	return row, nil
}

func scanAccounts(r meta.Reader, fn func(Account)) error {
	return r.Scan(meta.Prefix([]byte(rowAccount)), func(key, value []byte) (bool, error) {
		var row accountRow
		if err := decode(key, value, &row); err != nil {
			return false, err
		}
		fn(row.account(string(key[len(rowAccount):])))
		return true, nil
	})
}
