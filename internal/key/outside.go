package key

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"coffer/internal/extkey"
	"coffer/internal/keyblob"
	"coffer/internal/meta"
	"coffer/internal/xks"
)

// maxOpenStores is how many custom key stores are held in memory.
const maxOpenStores = 1000

// An openStore is a custom key store with its manager. It is shared.
type openStore struct {
	store   *CustomStore
	manager extkey.Manager // nil unless the store is connected
	failed  error          // why a connected store has none
}

// openStore returns a store with its manager, in its newest committed state.
func (k *Keys) openStore(ctx context.Context, at StoreRef) (*openStore, error) {
	o, era, ok := k.stores.get(at)
	if ok {
		return o, nil
	}
	row, err := k.readStore(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("custom key store %s: %w", at.ID, err)
	}
	o = &openStore{store: row.store(at)}
	if row.State == Connected {
		// The operator may have taken back what he had listed.
		if o.manager, err = k.dial(at, row); err != nil {
			o.failed = &extkey.Error{Failure: extkey.Unreachable, Err: fmt.Errorf("custom key store %s: %w", at.ID, err)}
		}
	}
	k.stores.put(era, at, o)
	return o, nil
}

func (k *Keys) dial(at StoreRef, row *storeRow) (extkey.Manager, error) {
	if k.dialer == nil {
		return nil, fmt.Errorf("%w: this server reaches no external key managers", extkey.ErrEndpoint)
	}
	return k.dialer.Manager(row.dialed(at))
}

// checkHealth returns nil if the proxy of a store answers that an external key manager
// can serve.
func (k *Keys) checkHealth(ctx context.Context, at StoreRef, row *storeRow) error {
	m, err := k.dial(at, row)
	if err != nil {
		return err
	}
	q, err := requestMetadata(ctx, nil)
	if err != nil {
		return err
	}
	answer, err := m.Health(ctx, &xks.HealthRequest{RequestMetadata: xks.RequestMetadata{KMSOperation: q.KMSOperation, KMSRequestID: q.KMSRequestID}})
	if err != nil {
		return err
	}
	if !answer.Serves() {
		return ErrStoreHealth
	}
	return nil
}

// requestMetadata returns what requests say of their cause; key may be nil.
func requestMetadata(ctx context.Context, key *Key) (xks.RequestMetadata, error) {
	m, ok := extkey.Metadata(ctx)
	if !ok {
		return m, fmt.Errorf("%w: an external key manager is asked on somebody's behalf only", ErrUnavailable)
	}
	if key != nil {
		m.KMSKeyARN = key.ARN
	}
	return m, nil
}

// storeAt returns the store that the key is in.
func (key *Key) storeAt() StoreRef {
	return StoreRef{key.Account, key.Region, key.CustomKeyStoreID}
}

// placed returns the key as its custom key store lets it be: unavailable while that is
// not connected. A deletion goes on meanwhile.
func (k *Keys) placed(ctx context.Context, key *Key) (*Key, error) {
	if key.Origin != OriginKeyStore {
		return key, nil
	}
	o, err := k.openStore(ctx, key.storeAt())
	if err != nil {
		return nil, err
	}
	return key.in(o.store.State), nil
}

// in returns the key in a store of that connection state.
func (key *Key) in(state ConnectionState) *Key {
	if state == Connected || key.State != Enabled && key.State != Disabled {
		return key
	}
	c := *key
	c.State = Unavailable
	return &c
}

// placedIn is placed in the state that r sees.
func placedIn(r meta.Reader, key *Key) (*Key, error) {
	if key.Origin != OriginKeyStore {
		return key, nil
	}
	row, err := getStore(r, key.storeAt())
	if err != nil {
		return nil, fmt.Errorf("custom key store %s: %w", key.CustomKeyStoreID, err)
	}
	return key.in(row.State), nil
}

// CheckExternalKey returns nil if a key can be made in a store over an external key.
//
// It returns ErrStoreNotFound, ErrStoreState for a store that is not connected,
// ErrXksKeyInUse, ErrXksKey, or an *extkey.Error.
func (k *Keys) CheckExternalKey(ctx context.Context, at StoreRef, xksKeyID string) error {
	err := k.meta.View(ctx, func(r meta.Reader) error { return roomInStore(r, at, xksKeyID) })
	if err != nil {
		return err
	}
	o, err := k.openStore(ctx, at)
	if err != nil {
		return err
	}
	if o.manager == nil {
		return cmp.Or(o.failed, error(ErrStoreState))
	}
	q, err := requestMetadata(ctx, nil)
	if err != nil {
		return err
	}
	d, err := o.manager.Metadata(ctx, xksKeyID, &xks.MetadataRequest{RequestMetadata: q})
	if err != nil {
		return err
	}
	if d.KeySpec != xks.KeySpecAES256 || d.KeyStatus != xks.StatusEnabled ||
		!slices.Contains(d.KeyUsage, xks.UsageEncrypt) || !slices.Contains(d.KeyUsage, xks.UsageDecrypt) {
		return ErrXksKey
	}
	return nil
}

// roomInStore returns nil if a store is connected and none of its keys has the external
// key.
func roomInStore(r meta.Reader, at StoreRef, xksKeyID string) error {
	row, err := getStore(r, at)
	if err != nil {
		return err
	}
	if row.State != Connected {
		return ErrStoreState
	}
	if _, err := r.Get(xksKeyKey(at, xksKeyID)); !errors.Is(err, meta.ErrNotFound) {
		return errors.Join(err, ErrXksKeyInUse)
	}
	return nil
}

// putInStore puts a new key into its store, in the transaction that makes it.
func (row *keyRow) putInStore(tx meta.Txn, ref Ref) error {
	if row.Origin != OriginKeyStore {
		return nil
	}
	at := StoreRef{ref.Account, ref.Region, row.Store}
	if !xks.ValidKeyID(row.XksKey) {
		return ErrXksKey
	}
	if err := roomInStore(tx, at, row.XksKey); err != nil {
		return err
	}
	return tx.Put(xksKeyKey(at, row.XksKey), []byte(ref.ID))
}

// storeRows returns the row by which the key is in its store, if it is in one.
func (row *keyRow) storeRows(ref Ref) [][]byte {
	if row.Origin != OriginKeyStore {
		return nil
	}
	return [][]byte{xksKeyKey(StoreRef{ref.Account, ref.Region, row.Store}, row.XksKey)}
}

// encryptOutside encrypts a blob of a key in an external key store a second time,
// there. What leaves is ciphertext already.
func (k *Keys) encryptOutside(ctx context.Context, key *Key, blob []byte, encryptionContext map[string]string) ([]byte, error) {
	if len(blob) > xks.MaxPlaintext {
		return nil, ErrTooLarge
	}
	m, q, err := k.outside(ctx, key)
	if err != nil {
		return nil, err
	}
	id := keyblob.MaterialID(key.Material)
	a, err := m.Encrypt(ctx, key.XksKeyID, &xks.EncryptRequest{RequestMetadata: q, Plaintext: blob, AdditionalAuthenticatedData: keyblob.ExternalData(id, encryptionContext)})
	if err != nil {
		return nil, fmt.Errorf("encrypt outside: %w", err)
	}
	return keyblob.JoinExternal(&keyblob.External{Material: id, IV: a.InitializationVector, Metadata: a.CiphertextMetadata, Tag: a.AuthenticationTag, Ciphertext: a.Ciphertext})
}

// decryptOutside returns the blob that is inside of one of a key in an external key
// store.
func (k *Keys) decryptOutside(ctx context.Context, key *Key, blob []byte, encryptionContext map[string]string) ([]byte, error) {
	x, err := keyblob.SplitExternal(blob)
	if err != nil || len(x.Ciphertext) > xks.MaxPlaintext {
		return nil, ErrInvalidCiphertext
	}
	m, q, err := k.outside(ctx, key)
	if err != nil {
		return nil, err
	}
	a, err := m.Decrypt(ctx, key.XksKeyID, &xks.DecryptRequest{RequestMetadata: q, Ciphertext: x.Ciphertext, CiphertextMetadata: x.Metadata,
		InitializationVector: x.IV, AuthenticationTag: x.Tag, AdditionalAuthenticatedData: keyblob.ExternalData(x.Material, encryptionContext)})
	if err != nil {
		return nil, fmt.Errorf("decrypt outside: %w", err)
	}
	if h, err := keyblob.Parse(a.Plaintext); err != nil || h.External || h.Material != x.Material {
		return nil, errDamaged
	}
	return a.Plaintext, nil
}

// errDamaged means that what came back from outside is not what went there.
var errDamaged = &extkey.Error{Failure: extkey.Damaged, Err: errors.New("the decrypted ciphertext does not open")}

// outside returns the manager of a key in an external key store, with what requests say.
func (k *Keys) outside(ctx context.Context, key *Key) (extkey.Manager, xks.RequestMetadata, error) {
	o, err := k.openStore(ctx, key.storeAt())
	if err != nil {
		return nil, xks.RequestMetadata{}, err
	}
	if o.manager == nil {
		return nil, xks.RequestMetadata{}, cmp.Or(o.failed, error(ErrUnavailable))
	}
	q, err := requestMetadata(ctx, key)
	return o.manager, q, err
}

// PollStores asks the proxy of every connected store for its health, and reports each
// answer. It changes no state: AWS KMS doesn't either.
func (k *Keys) PollStores(ctx context.Context, requestID string, report func(s *CustomStore, err error)) error {
	var list []StoreRef
	err := k.meta.View(ctx, func(r meta.Reader) error {
		list = nil
		return r.Scan(meta.Prefix([]byte(rowStore)), func(key, _ []byte) (bool, error) {
			ref, err := parsePlace(string(key[len(rowStore):]))
			list = append(list, StoreRef(ref))
			return true, err
		})
	})
	if err != nil {
		return err
	}
	for _, at := range list {
		o, err := k.openStore(ctx, at)
		if errors.Is(err, ErrStoreNotFound) || err == nil && o.store.State != Connected {
			continue
		}
		if err != nil {
			return err
		}
		if o.manager == nil {
			report(o.store, o.failed)
			continue
		}
		h, err := o.manager.Health(ctx, &xks.HealthRequest{RequestMetadata: xks.RequestMetadata{KMSOperation: xks.OperationHealthCheck, KMSRequestID: requestID}})
		if err == nil && !h.Serves() {
			err = ErrStoreHealth
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		report(o.store, err)
	}
	return nil
}
