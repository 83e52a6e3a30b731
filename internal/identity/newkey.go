package identity

import (
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"

	"coffer/internal/arn"
	"coffer/internal/meta"
)

// AddRootKey makes a random root access key of an account that has none, in the
// transaction that makes the account: pass a function that calls it as the also
// of CreateAccount. It returns ErrNoAccount, and ErrAccessKeyExists if the account
// has a root access key.
func (s *Store) AddRootKey(tx meta.Txn, account string) (AccessKey, error) {
	b, err := s.random(10 + 30)
	if err != nil {
		return AccessKey{}, err
	}
	k := AccessKey{
		ID: "AKIA" + base32.StdEncoding.EncodeToString(b[:10]), Account: account, Principal: arn.Root(account),
		Secret: NewSecret(base64.StdEncoding.EncodeToString(b[10:])), CreatedAt: s.now(), Status: Active,
	}
	if err := get(tx, rowAccount+account, new(accountRow)); errors.Is(err, meta.ErrNotFound) {
		return AccessKey{}, ErrNoAccount
	} else if err != nil {
		return AccessKey{}, err
	}
	for _, row := range []string{rowRoot + account, rowKey + k.ID} {
		if _, err := tx.Get([]byte(row)); err == nil {
			return AccessKey{}, fmt.Errorf("add root access key of account %s: %w", account, ErrAccessKeyExists)
		} else if !errors.Is(err, meta.ErrNotFound) {
			return AccessKey{}, err
		}
	}
	row := keyRow{Account: account, Principal: k.Principal, Secret: k.Secret.Reveal(), CreatedAt: k.CreatedAt.UnixMilli(), Status: k.Status}
	return k, errors.Join(put(tx, rowKey+k.ID, row), put(tx, rowRoot+account, k.ID))
}
