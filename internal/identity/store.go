package identity

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"coffer/internal/arn"
	"coffer/internal/meta"
)

const (
	rowAccount = "identity/account/"
	rowKey     = "identity/key/"
	rowRoot    = "identity/root/"
)

var (
	encoder = must(cbor.CoreDetEncOptions().EncMode())
	decoder = must(cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic("identity: internal error: " + err.Error())
	}
	return v
}

type accountRow struct {
	Name            string `cbor:"1,keyasint"`
	CreatedAt       int64  `cbor:"2,keyasint"` // Unix milliseconds
	CanonicalUserID string `cbor:"3,keyasint"`
}

type keyRow struct {
	Account   string `cbor:"1,keyasint"`
	Principal string `cbor:"2,keyasint"`
	Secret    string `cbor:"3,keyasint"`
	CreatedAt int64  `cbor:"4,keyasint"` // Unix milliseconds
	Status    Status `cbor:"5,keyasint"`
}

// Config of a Store.
type Config struct {
	Meta meta.Store
	Now  func() time.Time // time.Now if nil
	Rand io.Reader        // crypto/rand.Reader if nil
}

// A Store holds accounts and access keys. It is safe for concurrent use. All
// changes must go through one Store, which remembers the keys that it has read.
type Store struct {
	cfg Config

	mu      sync.RWMutex
	keys    map[string]*AccessKey // guarded by mu
	changes uint64                // guarded by mu; counts what emptied keys
}

// New returns a store on cfg.Meta.
func New(cfg Config) *Store {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	return &Store{cfg: cfg, keys: make(map[string]*AccessKey)}
}

// CreateAccount makes an account without an access key. An empty ID becomes 12
// random digits. It returns ErrAccountExists if the ID or the name is taken, and
// ErrInvalid.
func (s *Store) CreateAccount(ctx context.Context, id, name string, also func(meta.Txn) error) (Account, error) {
	if id == "" {
		var err error
		if id, err = s.accountID(); err != nil {
			return Account{}, err
		}
	}
	if err := errors.Join(checkAccountID(id), checkName(name)); err != nil {
		return Account{}, err
	}
	canonical, err := s.random(32)
	if err != nil {
		return Account{}, err
	}
	a := Account{ID: id, Name: name, CreatedAt: s.now(), CanonicalUserID: hex.EncodeToString(canonical)}
	err = s.cfg.Meta.Update(ctx, func(tx meta.Txn) error {
		taken := false
		err := scanAccounts(tx, func(b Account) { taken = taken || b.ID == id || b.Name == name })
		if err != nil {
			return err
		}
		if taken {
			return ErrAccountExists
		}
		if err := put(tx, rowAccount+id, accountRow{Name: a.Name, CreatedAt: a.CreatedAt.UnixMilli(), CanonicalUserID: a.CanonicalUserID}); err != nil {
			return err
		}
		return run(also, tx)
	})
	if err != nil {
		return Account{}, fmt.Errorf("create account %s: %w", id, err)
	}
	return a, nil
}

// Account returns an account, or ErrNoAccount.
func (s *Store) Account(ctx context.Context, id string) (Account, error) {
	var a Account
	err := s.cfg.Meta.View(ctx, func(r meta.Reader) error {
		var row accountRow
		err := get(r, rowAccount+id, &row)
		a = row.account(id)
		return err
	})
	if errors.Is(err, meta.ErrNotFound) {
		err = ErrNoAccount
	}
	if err != nil {
		return Account{}, fmt.Errorf("account %s: %w", id, err)
	}
	return a, nil
}

// Accounts returns all accounts, by ID.
func (s *Store) Accounts(ctx context.Context) ([]Account, error) {
	var list []Account
	err := s.cfg.Meta.View(ctx, func(r meta.Reader) error {
		list = nil
		return scanAccounts(r, func(a Account) { list = append(list, a) })
	})
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	return list, nil
}

// NewRootKey makes a random root access key of an account, in the place of the
// one that it had. See PutRootKey.
func (s *Store) NewRootKey(ctx context.Context, account string, also func(meta.Txn) error) (AccessKey, error) {
	b, err := s.random(10 + 30)
	if err != nil {
		return AccessKey{}, err
	}
	id := "AKIA" + base32.StdEncoding.EncodeToString(b[:10])
	return s.PutRootKey(ctx, account, id, NewSecret(base64.StdEncoding.EncodeToString(b[10:])), also)
}

// PutRootKey sets the root access key of an account, in the place of the one that
// it had, which is refused once PutRootKey returns nil. To put the key that the
// account has changes nothing. It returns ErrNoAccount, ErrAccessKeyExists and
// ErrInvalid.
func (s *Store) PutRootKey(ctx context.Context, account, id string, secret Secret, also func(meta.Txn) error) (AccessKey, error) {
	if err := checkCredentials(id, secret.Reveal()); err != nil {
		return AccessKey{}, err
	}
	var k AccessKey
	err := s.cfg.Meta.Update(ctx, func(tx meta.Txn) error {
		k = AccessKey{ID: id, Account: account, Principal: arn.Root(account), Secret: secret, CreatedAt: s.now(), Status: Active}
		if err := get(tx, rowAccount+account, new(accountRow)); errors.Is(err, meta.ErrNotFound) {
			return ErrNoAccount
		} else if err != nil {
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
			k = row.accessKey(id)
			return nil
		}
		if had != "" && had != id {
			if err := tx.Delete([]byte(rowKey + had)); err != nil {
				return err
			}
		}
		row = keyRow{account, k.Principal, secret.Reveal(), k.CreatedAt.UnixMilli(), k.Status}
		if err := errors.Join(put(tx, rowKey+id, row), put(tx, rowRoot+account, id)); err != nil {
			return err
		}
		return run(also, tx)
	})
	// Also after an error: whether the change was made may be unknown.
	s.forget()
	if err != nil {
		return AccessKey{}, fmt.Errorf("put root access key of account %s: %w", account, err)
	}
	return k, nil
}

// RootKey returns the root access key of an account, or ErrNoAccessKey.
func (s *Store) RootKey(ctx context.Context, account string) (AccessKey, error) {
	var k AccessKey
	err := s.cfg.Meta.View(ctx, func(r meta.Reader) error {
		var id string
		if err := get(r, rowRoot+account, &id); err != nil {
			return err
		}
		var row keyRow
		err := get(r, rowKey+id, &row)
		k = row.accessKey(id)
		return err
	})
	if errors.Is(err, meta.ErrNotFound) {
		err = ErrNoAccessKey
	}
	if err != nil {
		return AccessKey{}, fmt.Errorf("root access key of account %s: %w", account, err)
	}
	return k, nil
}

// Lookup returns the access key with an ID, or ErrNoAccessKey. Callers share what
// it returns and change nothing in it. What is found is remembered until a change.
func (s *Store) Lookup(ctx context.Context, id string) (*AccessKey, error) {
	s.mu.RLock()
	k, ok := s.keys[id]
	changes := s.changes
	s.mu.RUnlock()
	if ok {
		return k, nil
	}
	if len(id) > maxAccessKeyID {
		return nil, ErrNoAccessKey
	}
	var row keyRow
	err := s.cfg.Meta.View(ctx, func(r meta.Reader) error { return get(r, rowKey+id, &row) })
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return nil, ErrNoAccessKey
	case err != nil:
		return nil, fmt.Errorf("look up access key: %w", err)
	}
	found := row.accessKey(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changes == changes { // else a change overtook the reading
		s.keys[found.ID] = &found
	}
	return &found, nil
}

// forget empties what Lookup remembers.
func (s *Store) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.keys)
	s.changes++
}

// now returns the time to the millisecond, as rows keep it.
func (s *Store) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }

func (s *Store) random(n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(s.cfg.Rand, b); err != nil {
		return nil, fmt.Errorf("read random bytes: %w", err)
	}
	return b, nil
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
	return Account{ID: id, Name: r.Name, CreatedAt: time.UnixMilli(r.CreatedAt).UTC(), CanonicalUserID: r.CanonicalUserID}
}

func (r *keyRow) accessKey(id string) AccessKey {
	return AccessKey{ID: id, Account: r.Account, Principal: r.Principal, Secret: NewSecret(r.Secret), CreatedAt: time.UnixMilli(r.CreatedAt).UTC(), Status: r.Status}
}

func scanAccounts(r meta.Reader, fn func(Account)) error {
	return r.Scan(meta.Prefix([]byte(rowAccount)), func(key, value []byte) (bool, error) {
		var row accountRow
		if err := decoder.Unmarshal(value, &row); err != nil {
			return false, fmt.Errorf("decode row %s: %w", key, err)
		}
		fn(row.account(string(key[len(rowAccount):])))
		return true, nil
	})
}

func get(r meta.Reader, key string, into any) error {
	b, err := r.Get([]byte(key))
	if err != nil {
		return err
	}
	if err := decoder.Unmarshal(b, into); err != nil {
		return fmt.Errorf("decode row %s: %w", key, err)
	}
	return nil
}

func put(tx meta.Txn, key string, v any) error {
	b, err := encoder.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode row %s: %w", key, err)
	}
	return tx.Put([]byte(key), b)
}

func run(also func(meta.Txn) error, tx meta.Txn) error {
	if also == nil {
		return nil
	}
	return also(tx)
}
