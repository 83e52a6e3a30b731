package organization

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"coffer/internal/meta"
)

const rowStatus = "organization/status/"

// A Failure says why an account was not made, as the API spells it.
type Failure string

// The reasons.
const (
	FailedEmail Failure = "EMAIL_ALREADY_EXISTS"
	FailedLimit Failure = "ACCOUNT_LIMIT_EXCEEDED"
)

// A Status tells how a request for an account ended.
type Status struct {
	ID        string // "car-..."
	Name      string // of the account
	Account   string // its ID; empty if it failed
	Failure   Failure
	Requested time.Time
	Completed time.Time
}

type statusRow struct {
	Name      string  `cbor:"1,keyasint"`
	Account   string  `cbor:"2,keyasint,omitempty"`
	Failure   Failure `cbor:"3,keyasint,omitempty"`
	Requested int64   `cbor:"4,keyasint"` // Unix milliseconds
	Completed int64   `cbor:"5,keyasint"`
}

func (r *statusRow) status(id string) *Status {
	return &Status{id, r.Name, r.Account, r.Failure, unixMilli(r.Requested), unixMilli(r.Completed)}
}

// putStatus records the end of a request, and forgets those of long ago.
func (s *Store) putStatus(tx meta.Txn, org, id string, row statusRow) error {
	var old []string
	err := tx.Scan(meta.Prefix([]byte(rowStatus+org+"/")), func(key, value []byte) (bool, error) {
		var row statusRow
		if err := decoder.Unmarshal(value, &row); err != nil {
			return false, fmt.Errorf("decode row %s: %w", key, err)
		}
		if s.now().After(unixMilli(row.Completed).Add(StatusMemory)) {
			old = append(old, string(key))
		}
		return true, nil
	})
	for _, key := range old {
		err = errors.Join(err, tx.Delete([]byte(key)))
	}
	return errors.Join(err, put(tx, rowStatus+org+"/"+id, row))
}

// RequestAccount makes an account of the organization at once, and records how that
// ended: a taken e-mail address and a full organization fail the request and not the
// call. in.Creator is an account of the organization. It returns ErrInvalid and
// ErrTooManyTags.
func (s *Store) RequestAccount(ctx context.Context, org string, in NewAccount, also func(meta.Txn, *Status) error) (*Status, error) {
	random, err := s.draw(lowerDigits, 32)
	if err != nil {
		return nil, err
	}
	id := "car-" + random
	now := s.now().UnixMilli()
	var st *Status
	_, _, err = s.CreateAccount(ctx, in, func(tx meta.Txn, a *Account) error {
		if a.Org != org {
			return ErrNotInOrganization // any more
		}
		row := statusRow{Name: in.Name, Account: a.ID, Requested: now, Completed: now}
		st = row.status(id)
		if err := s.putStatus(tx, org, id, row); err != nil {
			return err
		}
		return also(tx, st)
	})
	row := statusRow{Name: in.Name, Requested: now, Completed: now}
	switch {
	case errors.Is(err, ErrEmailExists):
		row.Failure = FailedEmail
	case errors.Is(err, ErrTooManyAccounts):
		row.Failure = FailedLimit
	case err != nil:
		return nil, err
	default:
		return st, nil
	}
	err = s.update(ctx, func(tx meta.Txn) error {
		if _, err := loadOrg(tx, org); err != nil {
			return err
		}
		st = row.status(id)
		if err := s.putStatus(tx, org, id, row); err != nil {
			return err
		}
		return also(tx, st)
	})
	if err != nil {
		return nil, err
	}
	return st, nil
}

// Status returns how a request of the organization ended, or ErrNoStatus.
func (s *Store) Status(ctx context.Context, org, id string) (*Status, error) {
	var row statusRow
	err := s.view(ctx, func(r meta.Reader) error { return get(r, rowStatus+org+"/"+id, &row, ErrNoStatus) })
	if err != nil {
		return nil, err
	}
	return row.status(id), nil
}

// Statuses returns how the requests of the organization ended, by ID.
func (s *Store) Statuses(ctx context.Context, org string) (list []*Status, err error) {
	err = s.view(ctx, func(r meta.Reader) error {
		list = nil
		return r.Scan(meta.Prefix([]byte(rowStatus+org+"/")), func(key, value []byte) (bool, error) {
			var row statusRow
			if err := decoder.Unmarshal(value, &row); err != nil {
				return false, fmt.Errorf("decode row %s: %w", key, err)
			}
			list = append(list, row.status(strings.TrimPrefix(string(key), rowStatus+org+"/")))
			return true, nil
		})
	})
	return list, err
}
