package organization

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"coffer/internal/identity"
	"coffer/internal/meta"
	"coffer/internal/revision"
)

var (
	encoder = must(cbor.CoreDetEncOptions().EncMode())
	decoder = must(cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic("organization: internal error: " + err.Error())
	}
	return v
}

// Config of a Store.
type Config struct {
	Meta     meta.Store
	Identity *identity.Store  // has the accounts
	Now      func() time.Time // calendar time; time.Now if nil
	Rand     io.Reader        // of identifiers; crypto/rand.Reader if nil
}

// A Store holds organizations. It is safe for concurrent use. All changes must go
// through one Store, which remembers the chains that it has read.
type Store struct {
	cfg Config

	mu       sync.RWMutex
	chains   map[string]*Chain // guarded by mu; nil for an account in no organization
	changes  uint64            // guarded by mu; counts what emptied chains
	changing int               // guarded by mu; changes under way, which chains may lag behind
}

// New returns a store on cfg.Meta.
func New(cfg Config) *Store {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	return &Store{cfg: cfg, chains: make(map[string]*Chain)}
}

// update runs fn in a transaction that counts as a change.
func (s *Store) update(ctx context.Context, fn func(meta.Txn) error) error {
	defer s.change()()
	return s.cfg.Meta.Update(ctx, func(tx meta.Txn) error {
		if err := fn(tx); err != nil {
			return err
		}
		return revision.Bump(tx)
	})
}

// change begins a change and returns what ends it. In between, Chain does not go by
// what it remembers: who has seen the revision of the change must not decide by the
// state before it. The end forgets it, also after an error: whether the change was
// made may be unknown.
func (s *Store) change() (end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changing++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		clear(s.chains)
		s.changes++
		s.changing--
	}
}

func (s *Store) view(ctx context.Context, fn func(meta.Reader) error) error {
	return s.cfg.Meta.View(ctx, fn)
}

// now returns the time to the millisecond, as rows keep it.
func (s *Store) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Millisecond) }

// draw returns n random characters of an alphabet.
func (s *Store) draw(alphabet string, n int) (string, error) {
	out := make([]byte, 0, n)
	var b [1]byte
	for len(out) < n {
		if _, err := io.ReadFull(s.cfg.Rand, b[:]); err != nil {
			return "", fmt.Errorf("read random bytes: %w", err)
		}
		if i := int(b[0]); i < 256/len(alphabet)*len(alphabet) { // so that each is as likely
			out = append(out, alphabet[i%len(alphabet)])
		}
	}
	return string(out), nil
}

const (
	lowerDigits = "abcdefghijklmnopqrstuvwxyz0123456789"
	digits      = "0123456789"
)

// get decodes the row at key, or returns missing if there is none.
func get(r meta.Reader, key string, into any, missing error) error {
	b, err := r.Get([]byte(key))
	if errors.Is(err, meta.ErrNotFound) {
		return missing
	}
	if err != nil {
		return err
	}
	if err := decoder.Unmarshal(b, into); err != nil {
		return fmt.Errorf("decode row %s: %w", key, err)
	}
	return nil
}

// has reports whether there is a row at key.
func has(r meta.Reader, key string) (bool, error) {
	_, err := r.Get([]byte(key))
	if errors.Is(err, meta.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func put(tx meta.Txn, key string, v any) error {
	b, err := encoder.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode row %s: %w", key, err)
	}
	return tx.Put([]byte(key), b)
}

// names returns what follows prefix in the row keys that start with it.
func names(r meta.Reader, prefix string) ([]string, error) {
	var list []string
	err := r.Scan(meta.Prefix([]byte(prefix)), func(key, _ []byte) (bool, error) {
		list = append(list, string(key[len(prefix):]))
		return true, nil
	})
	return list, err
}
