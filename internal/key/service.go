package key

import (
	"context"
	"errors"
	"fmt"
	"io"

	"coffer/internal/meta"
)

// ServiceSecret derives a secret from the SSE-S3 service key of an account and
// a salt, which must be fresh for each object. The service key is made by the
// first call. Accounts have independent service keys, each wrapped under its own
// leaf and bound to its account: one never yields the secret of another.
func (k *Keys) ServiceSecret(ctx context.Context, account string, salt [32]byte) (Secret, error) {
	service, era, ok := k.services.get(account)
	if !ok {
		var err error
		service, err = k.service(ctx, account)
		if err != nil {
			return Secret{}, fmt.Errorf("service key of account %s: %w", account, err)
		}
		k.services.put(era, account, service)
	}
	defer service.Wipe()
	return derive(&service, salt[:], labelService+account), nil
}

// service reads the service key of an account, or makes it.
func (k *Keys) service(ctx context.Context, account string) (Secret, error) {
	if !validAccount(account) {
		return Secret{}, fmt.Errorf("%w: %q is no account", ErrInvalidID, account)
	}
	w := &wrapping{kind: kindService, ref: Ref{Account: account}, version: 1}
	secret, err := k.readService(ctx, w)
	if !errors.Is(err, meta.ErrNotFound) {
		return secret, err
	}
	if _, err := io.ReadFull(k.rand, secret[:]); err != nil {
		return Secret{}, fmt.Errorf("draw key: %w", err)
	}
	defer secret.Wipe()
	k.epochs.RLock()
	defer k.epochs.RUnlock()
	err = k.meta.Update(ctx, func(tx meta.Txn) error {
		if _, err := tx.Get(serviceKey(account)); !errors.Is(err, meta.ErrNotFound) {
			return err // another call has made it, if err is nil
		}
		row := serviceRow{Created: k.now().UnixNano()}
		var err error
		row.Shard, row.Leaf, row.Wrapped, err = k.wrapAtLeaf(tx, w, &secret)
		if err != nil {
			return err
		}
		return putRow(tx, serviceKey(account), &row)
	})
	if err != nil {
		return Secret{}, err
	}
	return k.readService(ctx, w)
}

// readService returns the service key that w names, or meta.ErrNotFound.
func (k *Keys) readService(ctx context.Context, w *wrapping) (secret Secret, err error) {
	err = k.meta.View(ctx, func(r meta.Reader) error {
		row, err := getRow[serviceRow](r, serviceKey(w.ref.Account))
		if err != nil {
			return err
		}
		return k.root.view(func(s *epochState) error {
			leafSecret, err := s.leaf(leaf{row.Shard, row.Leaf})
			if err != nil {
				return err
			}
			defer leafSecret.Wipe()
			if secret, err = unwrap(&leafSecret, row.Wrapped, w); err != nil {
				return fmt.Errorf("%w: it does not open", meta.ErrCorrupt)
			}
			return nil
		})
	})
	return secret, err
}
