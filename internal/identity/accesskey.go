package identity

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"coffer/internal/arn"
	"coffer/internal/meta"
)

// MaxAccessKeys is how many access keys a user has at most.
//
// Source: IAM User Guide, "IAM and AWS STS quotas", read 2026-11-21.
const MaxAccessKeys = 2

// newKey returns a random access key ID and secret. Access key IDs have 20
// characters, secrets 40.
func (s *Store) newKey() (id string, secret Secret, err error) {
	if id, err = randomID(s.cfg.Rand, prefixAccessKey, 16); err != nil {
		return "", Secret{}, err
	}
	b, err := s.random(30)
	if err != nil {
		return "", Secret{}, err
	}
	return id, NewSecret(base64.StdEncoding.EncodeToString(b)), nil
}

// NewRootKey makes a random root access key of an account, in the place of the
// one that it had. See PutRootKey.
func (s *Store) NewRootKey(ctx context.Context, account string, also func(meta.Txn) error) (AccessKey, error) {
	id, secret, err := s.newKey()
	if err != nil {
		return AccessKey{}, err
	}
	return s.PutRootKey(ctx, account, id, secret, also)
}

// PutRootKey sets the root access key of an account, in the place of the one that
// it had, which is refused once PutRootKey returns nil. To put the key that the
// account has changes nothing, and also does not run. It returns ErrNoAccount,
// ErrAccessKeyExists and ErrInvalid.
func (s *Store) PutRootKey(ctx context.Context, account, id string, secret Secret, also func(meta.Txn) error) (AccessKey, error) {
	if err := checkCredentials(id, secret.Reveal()); err != nil {
		return AccessKey{}, err
	}
	var k AccessKey
	var same bool
	// change would bump the revision also if the key is the same one: that costs a
	// write at each start of a server whose key is configured, and nothing else.
	err := s.change(ctx, "put root access key of account "+account, func(tx meta.Txn) error {
		k = AccessKey{ID: id, Account: account, Principal: arn.Root(account), Secret: secret, CreatedAt: s.now(), Status: Active}
		same = false
		if _, err := getAccount(tx, account); err != nil {
			return err
		}
		var had string
		if err := get(tx, rowRoot+account, &had); err != nil && !errors.Is(err, meta.ErrNotFound) {
			return err
		}
		var row keyRow
		switch err := get(tx, rowKey+id, &row); {
		case errors.Is(err, meta.ErrNotFound):
		case err != nil:
			return err
		case row.Account != account || had != id:
			return ErrAccessKeyExists
		case row.Secret == secret.Reveal() && row.Status == Active:
			k, same = row.accessKey(id, nil), true
			return nil
		}
		if had != "" && had != id {
			if err := remove(tx, rowKey+had, rowUsed+had); err != nil {
				return err
			}
		}
		row = keyRow{Account: account, Principal: k.Principal, Secret: secret.Reveal(), CreatedAt: k.CreatedAt.UnixMilli(), Status: k.Status}
		return errors.Join(put(tx, rowKey+id, row), put(tx, rowRoot+account, id))
	}, func(tx meta.Txn) error {
		if same {
			return nil
		}
		return run(also, tx)
	})
	if err != nil {
		return AccessKey{}, err
	}
	return k, nil
}

// RootKey returns the root access key of an account, or ErrNoAccessKey.
func (s *Store) RootKey(ctx context.Context, account string) (AccessKey, error) {
	var k AccessKey
	err := s.view(ctx, "root access key of account "+account, func(r meta.Reader) error {
		var id string
		var row keyRow
		err := get(r, rowRoot+account, &id)
		if err == nil {
			err = get(r, rowKey+id, &row)
		}
		if errors.Is(err, meta.ErrNotFound) {
			return ErrNoAccessKey
		}
		k = row.accessKey(id, nil)
		return err
	})
	if err != nil {
		return AccessKey{}, err
	}
	return k, nil
}

// Lookup returns the access key with an ID, of a root user or of a user, or
// ErrNoAccessKey. Callers share what it returns and change nothing in it. What is
// found is remembered until a change.
func (s *Store) Lookup(ctx context.Context, id string) (*AccessKey, error) {
	k, changes, ok := s.keys.get(id)
	if ok {
		return k, nil
	}
	if len(id) > maxAccessKeyID {
		return nil, ErrNoAccessKey
	}
	var found AccessKey
	err := s.cfg.Meta.View(ctx, func(r meta.Reader) error {
		var row keyRow
		if err := get(r, rowKey+id, &row); err != nil {
			return err
		}
		var user *entityRow
		if row.UserID != "" {
			e, u, err := entityByID(r, row.UserID)
			if err == nil && e.Account != row.Account || errors.Is(err, meta.ErrNotFound) {
				// Not ErrNotFound: the key is there.
				return errors.Join(meta.ErrCorrupt, errors.New("identity: an access key of no user"))
			} else if err != nil {
				return err
			}
			user = u
		}
		found = row.accessKey(id, user)
		return nil
	})
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return nil, ErrNoAccessKey
	case err != nil:
		return nil, fmt.Errorf("look up access key: %w", err)
	}
	s.keys.put(found.ID, &found, changes)
	return &found, nil
}

// CreateAccessKey makes an access key of a user. It returns ErrNoUser and ErrQuota.
func (s *Store) CreateAccessKey(ctx context.Context, account, user string, also func(meta.Txn, AccessKey) error) (AccessKey, error) {
	id, secret, err := s.newKey()
	if err != nil {
		return AccessKey{}, err
	}
	var k AccessKey
	err = s.change(ctx, "create access key of user "+user, func(tx meta.Txn) error {
		e := Entity{KindUser, account, user}
		u, err := getEntity(tx, e)
		switch {
		case err != nil:
			return err
		case len(u.Keys) == MaxAccessKeys:
			return &QuotaError{"AccessKeysPerUser", MaxAccessKeys}
		}
		if taken, err := exists(tx, rowKey+id); err != nil {
			return err
		} else if taken {
			return ErrAccessKeyExists
		}
		u.Keys = append(u.Keys, id)
		row := keyRow{Account: account, Secret: secret.Reveal(), CreatedAt: s.now().UnixMilli(), Status: Active, UserID: u.ID}
		k = row.accessKey(id, u)
		return errors.Join(put(tx, rowKey+id, row), put(tx, e.row(), u))
	}, func(tx meta.Txn) error { return runWith(also, tx, k) })
	if err != nil {
		return AccessKey{}, err
	}
	return k, nil
}

// AccessKeys returns the access keys of a user, the oldest first, or ErrNoUser.
func (s *Store) AccessKeys(ctx context.Context, account, user string) ([]AccessKey, error) {
	var list []AccessKey
	err := s.view(ctx, "access keys of user "+user, func(r meta.Reader) error {
		list = nil
		u, err := getEntity(r, Entity{KindUser, account, user})
		if err != nil {
			return err
		}
		for _, id := range u.Keys {
			var row keyRow
			if err := get(r, rowKey+id, &row); errors.Is(err, meta.ErrNotFound) {
				return fmt.Errorf("%w: user %s has access key %s, which is not there", meta.ErrCorrupt, u.ID, id)
			} else if err != nil {
				return err
			}
			list = append(list, row.accessKey(id, u))
		}
		return nil
	})
	return list, err
}

// userKey returns a user and one of its access keys, or ErrNoUser or ErrNoAccessKey.
func userKey(r meta.Reader, e Entity, id string) (*entityRow, *keyRow, error) {
	u, err := getEntity(r, e)
	if err != nil {
		return nil, nil, err
	}
	if !slices.Contains(u.Keys, id) {
		return nil, nil, ErrNoAccessKey
	}
	row := new(keyRow)
	if err := get(r, rowKey+id, row); errors.Is(err, meta.ErrNotFound) {
		return nil, nil, fmt.Errorf("%w: user %s has access key %s, which is not there", meta.ErrCorrupt, u.ID, id)
	} else if err != nil {
		return nil, nil, err
	}
	return u, row, nil
}

// SetAccessKeyStatus makes an access key of a user Active or Inactive. It returns
// ErrNoUser, ErrNoAccessKey and ErrInvalid.
func (s *Store) SetAccessKeyStatus(ctx context.Context, account, user, id string, status Status, also func(meta.Txn) error) error {
	if status != Active && status != Inactive {
		return fmt.Errorf("%w: status %q of an access key", ErrInvalid, status)
	}
	return s.change(ctx, "set status of access key "+id, func(tx meta.Txn) error {
		_, row, err := userKey(tx, Entity{KindUser, account, user}, id)
		if err != nil {
			return err
		}
		row.Status = status
		return put(tx, rowKey+id, row)
	}, also)
}

// DeleteAccessKey removes an access key of a user. It returns ErrNoUser and
// ErrNoAccessKey.
func (s *Store) DeleteAccessKey(ctx context.Context, account, user, id string, also func(meta.Txn) error) error {
	return s.change(ctx, "delete access key "+id, func(tx meta.Txn) error {
		e := Entity{KindUser, account, user}
		u, _, err := userKey(tx, e, id)
		if err != nil {
			return err
		}
		u.Keys = slices.DeleteFunc(u.Keys, func(k string) bool { return k == id })
		return errors.Join(put(tx, e.row(), u), remove(tx, rowKey+id, rowUsed+id))
	}, also)
}

// accessKey returns the access key of a row, which belongs to user, or to the root
// user if that is nil.
func (r *keyRow) accessKey(id string, user *entityRow) AccessKey {
	k := AccessKey{
		ID: id, Account: r.Account, Principal: r.Principal, Secret: NewSecret(r.Secret),
		CreatedAt: milliseconds(r.CreatedAt), Status: r.Status,
	}
	if user != nil {
		k.Principal = entityARN(KindUser, r.Account, user.Path, user.Name)
		k.UserID, k.UserName = user.ID, user.Name
	}
	return k
}
