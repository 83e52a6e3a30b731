package key

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"coffer/internal/arn"
	"coffer/internal/meta"
	"coffer/internal/revision"
)

// CreateAlias gives the key one more name, which starts with alias/.
// It returns ErrNotFound, ErrPendingDeletion, ErrAliasExists, ErrTooManyAliases,
// ErrManaged, or ErrInvalidID for a malformed name.
func (k *Keys) CreateAlias(ctx context.Context, ref Ref, name string, also Also) error {
	if !validAlias(name) {
		return ErrInvalidID
	}
	defer k.keys.forget(ref) // it names its aliases
	now := k.now().UnixNano()
	return k.meta.Update(ctx, func(tx meta.Txn) error {
		key, err := aliasTarget(tx, ref)
		if err != nil {
			return err
		}
		_, err = tx.Get(aliasKey(ref.Account, ref.Region, name))
		if err == nil {
			return ErrAliasExists
		}
		if !errors.Is(err, meta.ErrNotFound) {
			return err
		}
		if err := putAlias(tx, ref, name, now, now); err != nil {
			return err
		}
		// A policy may deny by alias.
		if err := revision.Bump(tx); err != nil {
			return err
		}
		return also.run(tx, key)
	})
}

// UpdateAlias moves an alias to the key ref, of the same account and region.
// It returns ErrNotFound, ErrPendingDeletion, ErrAliasNotFound, ErrTooManyAliases
// or ErrManaged.
func (k *Keys) UpdateAlias(ctx context.Context, ref Ref, name string, also Also) error {
	defer k.aliases.forget(aliasName{ref.Account, ref.Region, name})
	touched := []Ref{ref} // in every run of the transaction
	defer func() { k.keys.forget(touched...) }()
	now := k.now().UnixNano()
	return k.meta.Update(ctx, func(tx meta.Txn) error {
		row, err := getAlias(tx, ref.Account, ref.Region, name)
		if err != nil {
			return err
		}
		touched = append(touched, Ref{ref.Account, ref.Region, row.KeyID})
		if strings.HasPrefix(name, ReservedAliasPrefix) {
			return ErrManaged
		}
		key, err := aliasTarget(tx, ref)
		if err != nil {
			return err
		}
		if err := tx.Delete(aliasOfKey(Ref{ref.Account, ref.Region, row.KeyID}, name)); err != nil {
			return err
		}
		if err := putAlias(tx, ref, name, row.Created, now); err != nil {
			return err
		}
		if err := revision.Bump(tx); err != nil {
			return err
		}
		return also.run(tx, key)
	})
}

// DeleteAlias removes an alias; also sees the key that it named.
// It returns ErrAliasNotFound or ErrManaged.
func (k *Keys) DeleteAlias(ctx context.Context, account, region, name string, also Also) error {
	defer k.aliases.forget(aliasName{account, region, name})
	var touched []Ref
	defer func() { k.keys.forget(touched...) }()
	return k.meta.Update(ctx, func(tx meta.Txn) error {
		row, err := getAlias(tx, account, region, name)
		if err != nil {
			return err
		}
		if strings.HasPrefix(name, ReservedAliasPrefix) {
			return ErrManaged
		}
		ref := Ref{account, region, row.KeyID}
		touched = append(touched, ref)
		key, err := getAs(tx, ref)
		if errors.Is(err, ErrNotFound) {
			// The key is being destroyed, and its aliases with it.
			return ErrAliasNotFound
		}
		if err != nil {
			return err
		}
		if err := removeAlias(tx, ref, name); err != nil {
			return err
		}
		if err := revision.Bump(tx); err != nil {
			return err
		}
		return also.run(tx, key)
	})
}

// Aliases returns up to limit aliases of an account and region in the order of
// their names, from the first name above after; only those of the key keyID,
// unless it is empty. more says that others follow.
func (k *Keys) Aliases(ctx context.Context, account, region, keyID, after string, limit int) (aliases []Alias, more bool, err error) {
	if !validAccount(account) || !validRegion(region) || keyID != "" && !validID(keyID) {
		return nil, false, nil
	}
	prefix := aliasKey(account, region, "")
	if keyID != "" {
		prefix = aliasOfPrefix(Ref{account, region, keyID})
	}
	err = k.meta.View(ctx, func(r meta.Reader) error {
		aliases, more = nil, false
		var names []string
		err := r.Scan(pageAfter(prefix, after, limit+1), func(key, _ []byte) (bool, error) {
			names = append(names, string(key[len(prefix):]))
			return true, nil
		})
		if err != nil {
			return err
		}
		if more = len(names) > limit; more {
			names = names[:limit]
		}
		for _, name := range names {
			row, err := getAlias(r, account, region, name)
			if err != nil {
				return err
			}
			aliases = append(aliases, row.alias(account, region, name))
		}
		return nil
	})
	return aliases, more, err
}

// Resolve returns the key that id names for a caller in account and region: a
// key ID or an alias name there, or the ARN of a key or an alias, which may be
// of another account.
//
// It returns ErrInvalidID, ErrInvalidARN, ErrNotFound or ErrAliasNotFound.
func (k *Keys) Resolve(ctx context.Context, account, region, id string) (*Key, error) {
	switch {
	case strings.HasPrefix(id, "arn:"):
		a, err := arn.Parse(id)
		if err != nil || a.Partition != arn.Partition || a.Service != "kms" || a.Region != region || !validAccount(a.Account) {
			return nil, ErrInvalidARN
		}
		if strings.HasPrefix(a.Resource, AliasPrefix) {
			return k.byAlias(ctx, a.Account, region, a.Resource)
		}
		keyID, ok := strings.CutPrefix(a.Resource, "key/")
		if !ok {
			return nil, ErrInvalidARN
		}
		return k.Get(ctx, Ref{a.Account, region, keyID})
	case strings.HasPrefix(id, AliasPrefix):
		return k.byAlias(ctx, account, region, id)
	case validID(id):
		return k.Get(ctx, Ref{account, region, id})
	default:
		return nil, ErrInvalidID
	}
}

// byAlias returns the key with an alias, or ErrAliasNotFound.
func (k *Keys) byAlias(ctx context.Context, account, region, name string) (*Key, error) {
	if !validAccount(account) || !validRegion(region) || !validAlias(name) {
		return nil, ErrAliasNotFound
	}
	at := aliasName{account, region, name}
	id, era, ok := k.aliases.get(at)
	if !ok {
		err := k.meta.View(ctx, func(r meta.Reader) error {
			row, err := getAlias(r, account, region, name)
			if err == nil {
				id = row.KeyID
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		k.aliases.put(era, at, id)
	}
	key, err := k.Get(ctx, Ref{account, region, id})
	if errors.Is(err, ErrNotFound) {
		return nil, ErrAliasNotFound
	}
	return key, err
}

// List returns up to limit keys of an account and region in the order of their
// IDs, from the first ID above after. more says that others follow.
func (k *Keys) List(ctx context.Context, account, region, after string, limit int) (keys []*Key, more bool, err error) {
	if !validAccount(account) || !validRegion(region) {
		return nil, false, nil
	}
	prefix := keyKey(Ref{account, region, ""})
	err = k.meta.View(ctx, func(r meta.Reader) error {
		keys, more = nil, false
		return r.Scan(pageAfter(prefix, after, 0), func(key, value []byte) (bool, error) {
			var row keyRow
			if err := cbor.Unmarshal(value, &row); err != nil {
				return false, fmt.Errorf("%w: %q", meta.ErrCorrupt, key)
			}
			if row.State == destroying {
				return true, nil
			}
			if len(keys) == limit {
				more = true
				return false, nil
			}
			keys = append(keys, row.key(Ref{account, region, string(key[len(prefix):])}))
			return true, nil
		})
	})
	return keys, more, err
}

// pageAfter returns the range of rows under prefix above prefix+after.
func pageAfter(prefix []byte, after string, limit int) meta.Range {
	r := meta.Prefix(prefix)
	r.Limit = limit
	if after != "" {
		r.Start = append(append([]byte(nil), prefix...), after+"\x00"...)
	}
	return r
}

// aliasNames returns the names of a key's aliases.
func aliasNames(r meta.Reader, ref Ref) (names []string, err error) {
	prefix := aliasOfPrefix(ref)
	err = r.Scan(meta.Prefix(prefix), func(key, _ []byte) (bool, error) {
		names = append(names, string(key[len(prefix):]))
		return true, nil
	})
	return names, err
}

func getAlias(r meta.Reader, account, region, name string) (*aliasRow, error) {
	if !validAccount(account) || !validRegion(region) || !validAlias(name) {
		return nil, ErrAliasNotFound
	}
	row, err := getRow[aliasRow](r, aliasKey(account, region, name))
	if errors.Is(err, meta.ErrNotFound) {
		return nil, ErrAliasNotFound
	}
	return row, err
}

// aliasTarget returns the key that an alias is to name.
func aliasTarget(r meta.Reader, ref Ref) (*Key, error) {
	key, err := getAs(r, ref)
	switch {
	case err != nil:
		return nil, err
	case key.Manager == ManagerAWS:
		return nil, ErrManaged
	case key.State == PendingDeletion:
		return nil, ErrPendingDeletion
	}
	return key, nil
}

// putAlias writes the rows of an alias, or returns ErrTooManyAliases.
func putAlias(tx meta.Txn, ref Ref, name string, created, updated int64) error {
	n := 0
	err := tx.Scan(meta.Prefix(aliasOfPrefix(ref)), func(key, _ []byte) (bool, error) {
		n++
		return true, nil
	})
	if err != nil {
		return err
	}
	if n >= MaxAliases {
		return ErrTooManyAliases
	}
	if err := putRow(tx, aliasKey(ref.Account, ref.Region, name), &aliasRow{ref.ID, created, updated}); err != nil {
		return err
	}
	return tx.Put(aliasOfKey(ref, name), nil)
}

func removeAlias(tx meta.Txn, ref Ref, name string) error {
	if err := tx.Delete(aliasKey(ref.Account, ref.Region, name)); err != nil {
		return err
	}
	return tx.Delete(aliasOfKey(ref, name))
}
