package key

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"coffer/internal/extkey"
	"coffer/internal/meta"
	"coffer/internal/revision"
	"coffer/internal/xks"
)

// MaxCustomStores is the number of custom key stores of an account in a region.
//
// Source: AWS KMS Developer Guide, "Resource quotas", read 2026-11-21.
const MaxCustomStores = 10

// A ConnectionState says whether the keys of a custom key store can be used. Here
// connecting and disconnecting pass within one call, so that nobody sees CONNECTING and
// DISCONNECTING.
type ConnectionState string

// The connection states, as AWS KMS spells them.
const (
	Connected    ConnectionState = "CONNECTED"
	Disconnected ConnectionState = "DISCONNECTED"
	FailedState  ConnectionState = "FAILED"
)

// Errors about custom key stores.
var (
	// ErrStoreNotFound means that no custom key store has the ID or the name.
	ErrStoreNotFound = errors.New("key: no such custom key store")
	// ErrStoreNameTaken means that another custom key store has the name.
	ErrStoreNameTaken = errors.New("key: name of another custom key store")
	// ErrStoreURITaken means that another store has the endpoint and the path.
	ErrStoreURITaken = errors.New("key: endpoint and path of another custom key store")
	// ErrTooManyStores means that there are MaxCustomStores.
	ErrTooManyStores = errors.New("key: too many custom key stores")
	// ErrStoreState means that the connection state forbids the operation.
	ErrStoreState = errors.New("key: connection state forbids the operation")
	// ErrStoreHasKeys means that keys are in the store, pending deletion or not.
	ErrStoreHasKeys = errors.New("key: custom key store has keys")
	// ErrXksKeyInUse means that another key of the store has the external key.
	ErrXksKeyInUse = errors.New("key: external key is another key's")
	// ErrXksKey means that an external key is not one of AES-256 that is enabled,
	// encrypts and decrypts.
	ErrXksKey = errors.New("key: external key can't be used")
	// ErrStoreHealth means that every external key manager behind the proxy of a
	// store is unavailable.
	ErrStoreHealth = errors.New("key: external key manager is unavailable")
)

// A StoreRef names one custom key store.
type StoreRef struct{ Account, Region, ID string }

// A CustomStore is an external key store: keys whose second half is somewhere else.
type CustomStore struct {
	StoreRef
	Name        string
	Created     time.Time // calendar time, UTC
	State       ConnectionState
	Failure     extkey.Failure // of a store that is FAILED
	Endpoint    string
	Path        string
	AccessKeyID string
}

// A StoreAlso runs last in the transaction that changes a custom key store, and sees it
// as the transaction leaves it. Its error aborts the change and is returned. It may run
// twice. A nil StoreAlso does nothing.
type StoreAlso func(tx meta.Txn, s *CustomStore) error

// Rows of custom key stores.
const (
	rowStore     = "key/store/"     // account/region/ID: storeRow
	rowStoreName = "key/storename/" // account/region/name: ID
	rowXksKey    = "key/xks/"       // account/region/store ID/external key ID: key ID
)

// A storeRow is a CustomStore as stored, with the secret of its credential: the store
// of rows seals it.
type storeRow struct {
	Name        string          `cbor:"1,keyasint"`
	Created     int64           `cbor:"2,keyasint"`
	State       ConnectionState `cbor:"3,keyasint"`
	Failure     extkey.Failure  `cbor:"4,keyasint,omitempty"`
	Endpoint    string          `cbor:"5,keyasint"`
	Path        string          `cbor:"6,keyasint"`
	AccessKeyID string          `cbor:"7,keyasint"`
	Secret      []byte          `cbor:"8,keyasint"`
}

// Format writes [secret].
func (storeRow) Format(f fmt.State, _ rune) { fmt.Fprint(f, redacted) }

func (row *storeRow) store(at StoreRef) *CustomStore {
	return &CustomStore{StoreRef: at, Name: row.Name, Created: fromNano(row.Created), State: row.State, Failure: row.Failure,
		Endpoint: row.Endpoint, Path: row.Path, AccessKeyID: row.AccessKeyID}
}

// dialed is the store as a dialer takes it.
func (row *storeRow) dialed(at StoreRef) extkey.Store {
	return extkey.Store{Endpoint: row.Endpoint, Path: row.Path, Region: at.Region,
		Credential: xks.Credential{AccessKeyID: row.AccessKeyID, Secret: xks.Secret(row.Secret)}}
}

func (r StoreRef) scope() string { return r.Account + "/" + r.Region + "/" }

func storeKey(at StoreRef) []byte                  { return []byte(rowStore + at.scope() + at.ID) }
func storeNameKey(at StoreRef, name string) []byte { return []byte(rowStoreName + at.scope() + name) }
func xksKeyPrefix(at StoreRef) []byte              { return []byte(rowXksKey + at.scope() + at.ID + "/") }
func xksKeyKey(at StoreRef, id string) []byte      { return append(xksKeyPrefix(at), id...) }

// valid reports whether r can name a store, so that no part of it holds a slash.
func (r StoreRef) valid() bool {
	return validAccount(r.Account) && validRegion(r.Region) && r.ID != "" && len(r.ID) <= 64 && xks.ValidKeyID(r.ID)
}

// getStore returns the row of a store, or ErrStoreNotFound.
func getStore(r meta.Reader, at StoreRef) (*storeRow, error) {
	if !at.valid() {
		return nil, ErrStoreNotFound
	}
	row, err := getRow[storeRow](r, storeKey(at))
	if errors.Is(err, meta.ErrNotFound) {
		return nil, ErrStoreNotFound
	}
	return row, err
}

// A StoreInput describes an external key store.
type StoreInput struct {
	Name       string
	Endpoint   string
	Path       string
	Credential xks.Credential
}

// CreateStore makes an external key store, which is not connected, once its proxy has
// answered that it is there.
//
// It returns extkey.ErrEndpoint, ErrStoreNameTaken, ErrStoreURITaken, ErrTooManyStores,
// ErrStoreHealth, or an *extkey.Error.
func (k *Keys) CreateStore(ctx context.Context, account, region string, in *StoreInput, also StoreAlso) (*CustomStore, error) {
	var id [9]byte
	if _, err := io.ReadFull(k.rand, id[:]); err != nil {
		return nil, fmt.Errorf("draw custom key store ID: %w", err)
	}
	at := StoreRef{account, region, "cks-" + hex.EncodeToString(id[:])[:17]}
	row := &storeRow{Name: in.Name, Created: k.now().UnixNano(), State: Disconnected, Endpoint: in.Endpoint, Path: in.Path,
		AccessKeyID: in.Credential.AccessKeyID, Secret: []byte(in.Credential.Secret.Reveal())}
	// Whoever may not have the store must not learn what its proxy answers.
	err := k.meta.View(ctx, func(r meta.Reader) error { return k.roomFor(r, at, row) })
	if err != nil {
		return nil, err
	}
	if err := k.checkHealth(ctx, at, row); err != nil {
		return nil, err
	}
	return k.changeStore(ctx, at, also, func(tx meta.Txn) (*storeRow, error) {
		if err := k.roomFor(tx, at, row); err != nil {
			return nil, err
		}
		return row, tx.Put(storeNameKey(at, row.Name), []byte(at.ID))
	})
}

// roomFor returns nil if the store at can have the name, endpoint and path of row.
func (k *Keys) roomFor(r meta.Reader, at StoreRef, row *storeRow) error {
	if !at.valid() {
		return ErrStoreNotFound
	}
	switch id, err := r.Get(storeNameKey(at, row.Name)); {
	case err == nil && string(id) != at.ID:
		return ErrStoreNameTaken
	case err != nil && !errors.Is(err, meta.ErrNotFound):
		return err
	}
	n := 0
	return r.Scan(meta.Prefix([]byte(rowStore+at.scope())), func(key, value []byte) (bool, error) {
		if string(key) == string(storeKey(at)) {
			return true, nil
		}
		other := new(storeRow)
		if err := decode(key, value, other); err != nil {
			return false, err
		}
		if n++; n >= MaxCustomStores {
			return false, ErrTooManyStores
		}
		if other.Endpoint == row.Endpoint && other.Path == row.Path {
			return false, ErrStoreURITaken
		}
		return true, nil
	})
}

// changeStore runs a transaction that writes the row of a store.
func (k *Keys) changeStore(ctx context.Context, at StoreRef, also StoreAlso, fn func(tx meta.Txn) (*storeRow, error)) (*CustomStore, error) {
	// Also after an error, for the outcome may be unknown.
	defer k.stores.forget(at)
	var store *CustomStore
	err := k.meta.Update(ctx, func(tx meta.Txn) error {
		row, err := fn(tx)
		if err != nil {
			return err
		}
		if err := putRow(tx, storeKey(at), row); err != nil {
			return err
		}
		if err := revision.Bump(tx); err != nil {
			return err
		}
		store = row.store(at)
		return also.run(tx, store)
	})
	if err != nil {
		return nil, err
	}
	return store, nil
}

// run calls a, unless it is nil.
func (a StoreAlso) run(tx meta.Txn, s *CustomStore) error {
	if a == nil {
		return nil
	}
	return a(tx, s)
}

// A StoreChange is what UpdateStore changes; what is nil stays.
type StoreChange struct {
	Name       *string
	Endpoint   *string
	Path       *string
	Credential *xks.Credential
}

// apply changes row.
func (c *StoreChange) apply(row *storeRow) {
	for _, f := range []struct{ to, from *string }{{&row.Name, c.Name}, {&row.Endpoint, c.Endpoint}, {&row.Path, c.Path}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if c.Credential != nil {
		row.AccessKeyID, row.Secret = c.Credential.AccessKeyID, []byte(c.Credential.Secret.Reveal())
	}
}

// UpdateStore changes an external key store. The endpoint can be changed while it is
// disconnected, the rest also while it is connected. If it has a new proxy, path or
// credential, they must answer first.
//
// It returns ErrStoreNotFound, ErrStoreState, and the errors of CreateStore.
//
// Source: AWS KMS API Reference, UpdateCustomKeyStore, read 2026-11-22.
func (k *Keys) UpdateStore(ctx context.Context, at StoreRef, c *StoreChange, also StoreAlso) (*CustomStore, error) {
	checked, err := k.readStore(ctx, at)
	if err != nil {
		return nil, err
	}
	check := func(row *storeRow) error {
		if row.State != Disconnected && (row.State != Connected || c.Endpoint != nil) {
			return ErrStoreState
		}
		return nil
	}
	if err := check(checked); err != nil {
		return nil, err
	}
	before := *checked
	c.apply(checked)
	if c.Endpoint != nil || c.Path != nil || c.Credential != nil {
		if err := k.checkHealth(ctx, at, checked); err != nil {
			return nil, err
		}
	}
	return k.changeStore(ctx, at, also, func(tx meta.Txn) (*storeRow, error) {
		row, err := getStore(tx, at)
		if err != nil {
			return nil, err
		}
		if err := check(row); err != nil {
			return nil, err
		}
		if row.Endpoint != before.Endpoint || row.Path != before.Path || row.AccessKeyID != before.AccessKeyID {
			return nil, ErrStoreState // somebody else changed what was checked
		}
		old := row.Name
		c.apply(row)
		if err := k.roomFor(tx, at, row); err != nil {
			return nil, err
		}
		if old != row.Name {
			if err := tx.Delete(storeNameKey(at, old)); err != nil {
				return nil, err
			}
		}
		return row, tx.Put(storeNameKey(at, row.Name), []byte(at.ID))
	})
}

// DeleteStore removes a store that is disconnected and has no keys.
// It returns ErrStoreNotFound, ErrStoreState or ErrStoreHasKeys.
func (k *Keys) DeleteStore(ctx context.Context, at StoreRef, also StoreAlso) error {
	defer k.stores.forget(at)
	return k.meta.Update(ctx, func(tx meta.Txn) error {
		row, err := getStore(tx, at)
		if err != nil {
			return err
		}
		hasKeys := false
		scan := meta.Prefix(xksKeyPrefix(at))
		scan.Limit = 1
		if err := tx.Scan(scan, func(_, _ []byte) (bool, error) { hasKeys = true; return false, nil }); err != nil {
			return err
		}
		switch {
		case hasKeys:
			return ErrStoreHasKeys
		case row.State != Disconnected:
			return ErrStoreState
		}
		if err := deleteAll(tx, [][]byte{storeKey(at), storeNameKey(at, row.Name)}); err != nil {
			return err
		}
		if err := revision.Bump(tx); err != nil {
			return err
		}
		return also.run(tx, row.store(at))
	})
}

// ConnectStore connects a store, if its proxy answers that an external key manager can
// serve; otherwise the store is FAILED and says why, and no error is returned. One that
// is connected stays so.
// It returns ErrStoreNotFound, or ErrStoreState for one that is FAILED.
func (k *Keys) ConnectStore(ctx context.Context, at StoreRef, also StoreAlso) (*CustomStore, error) {
	checked, err := k.readStore(ctx, at)
	if err != nil {
		return nil, err
	}
	if checked.State == FailedState {
		return nil, ErrStoreState
	}
	state, failure := Connected, extkey.Failure("")
	if checked.State != Connected {
		err := k.checkHealth(ctx, at, checked)
		switch {
		case err == nil:
		case errors.Is(err, ErrStoreHealth), errors.Is(err, extkey.ErrEndpoint):
			state, failure = FailedState, extkey.Unreachable
		case extkey.FailureOf(err) != "":
			state, failure = FailedState, extkey.FailureOf(err)
		default:
			return nil, err
		}
	}
	return k.changeStore(ctx, at, also, func(tx meta.Txn) (*storeRow, error) {
		row, err := getStore(tx, at)
		if err != nil {
			return nil, err
		}
		if row.State != checked.State || row.Endpoint != checked.Endpoint || row.Path != checked.Path || row.AccessKeyID != checked.AccessKeyID {
			return nil, ErrStoreState // somebody else changed what was checked
		}
		row.State, row.Failure = state, failure
		return row, nil
	})
}

// DisconnectStore disconnects a store. When it returns nil, no later use of its keys
// succeeds.
// It returns ErrStoreNotFound, or ErrStoreState for one that is disconnected.
func (k *Keys) DisconnectStore(ctx context.Context, at StoreRef, also StoreAlso) (*CustomStore, error) {
	return k.changeStore(ctx, at, also, func(tx meta.Txn) (*storeRow, error) {
		row, err := getStore(tx, at)
		if err != nil {
			return nil, err
		}
		if row.State == Disconnected {
			return nil, ErrStoreState
		}
		row.State, row.Failure = Disconnected, ""
		return row, nil
	})
}

// Store returns a custom key store, or ErrStoreNotFound.
func (k *Keys) Store(ctx context.Context, at StoreRef) (*CustomStore, error) {
	row, err := k.readStore(ctx, at)
	if err != nil {
		return nil, err
	}
	return row.store(at), nil
}

func (k *Keys) readStore(ctx context.Context, at StoreRef) (row *storeRow, err error) {
	err = k.meta.View(ctx, func(r meta.Reader) error {
		row, err = getStore(r, at)
		return err
	})
	return row, err
}

// StoreByName returns the custom key store with a name, or ErrStoreNotFound.
func (k *Keys) StoreByName(ctx context.Context, account, region, name string) (*CustomStore, error) {
	at := StoreRef{account, region, ""}
	var store *CustomStore
	err := k.meta.View(ctx, func(r meta.Reader) error {
		id, err := r.Get(storeNameKey(at, name))
		if errors.Is(err, meta.ErrNotFound) {
			return ErrStoreNotFound
		}
		if err != nil {
			return err
		}
		at.ID = string(id)
		row, err := getStore(r, at)
		if err == nil {
			store = row.store(at)
		}
		return err
	})
	return store, err
}

// Stores returns the custom key stores of an account in a region, by ID.
func (k *Keys) Stores(ctx context.Context, account, region string) ([]*CustomStore, error) {
	var list []*CustomStore
	at := StoreRef{account, region, ""}
	prefix := []byte(rowStore + at.scope())
	err := k.meta.View(ctx, func(r meta.Reader) error {
		list = nil
		return r.Scan(meta.Prefix(prefix), func(key, value []byte) (bool, error) {
			row := new(storeRow)
			if err := decode(key, value, row); err != nil {
				return false, err
			}
			list = append(list, row.store(StoreRef{account, region, string(key[len(prefix):])}))
			return true, nil
		})
	})
	return slices.Clip(list), err
}
