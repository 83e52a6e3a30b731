package key

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"coffer/internal/meta"
	"coffer/internal/rootseal"
)

var errTodo = errors.New("key: not built yet")

// A RootConfig says how to open the root of trust.
type RootConfig struct {
	Store  rootseal.Store // required
	Rand   io.Reader      // crypto/rand if nil
	Log    *slog.Logger   // discarded if nil
	Create bool           // make the first epoch if the store has none
}

// A Root is the open root of trust. It is safe for concurrent use.
type Root struct{}

// OpenRoot opens the newest epoch of a root store, and finishes or drops an
// epoch change that a crash cut.
//
// It returns rootseal.ErrNoRoot if there is no epoch and cfg.Create is false,
// and ErrDamagedRoot if the epoch fails to open.
func OpenRoot(ctx context.Context, cfg RootConfig) (*Root, error) { return nil, errTodo }

// StoreKey returns the key under which the rows of meta are sealed. It is the
// same in every epoch.
func (r *Root) StoreKey() Secret { return Secret{} }

// StoreID returns the random ID of the store, which is the same in every epoch.
func (r *Root) StoreID() [16]byte { return [16]byte{} }

// Epoch returns the number of the current epoch, from 1.
func (r *Root) Epoch() uint64 { return 0 }

// Close wipes what r holds. Nothing derives from it afterwards.
func (r *Root) Close() {}

// A Config says how to open the keys.
type Config struct {
	Meta  meta.Store       // required
	Root  *Root            // required
	Now   func() time.Time // calendar time, required
	Rand  io.Reader        // crypto/rand if nil
	Log   *slog.Logger     // discarded if nil
	Cache int              // keys and materials held in memory, each; 100,000 if 0
}

// Keys are the KMS keys of every account and region. It is safe for concurrent
// use. There must be one for a meta store.
type Keys struct{}

// Open returns the keys in cfg.Meta. If a crash cut a destruction, Open
// completes its epoch change; the next Sweep writes the tombstones.
//
// It returns ErrWrongRoot if the rows belong to another root or a later epoch.
func Open(ctx context.Context, cfg Config) (*Keys, error) { return nil, errTodo }

// Close wipes the cached material.
func (k *Keys) Close() {}

// A CreateInput describes a key to create.
type CreateInput struct {
	Account, Region string
	Description     string
	Policy          string // JSON text
	Tags            []Tag
}

// Create makes an enabled key of Manager CUSTOMER with fresh material.
// It returns ErrTooManyTags, or ErrFull when the trees have no leaf left.
func (k *Keys) Create(ctx context.Context, in CreateInput, also Also) (*Key, error) {
	return nil, errTodo
}

// EnsureManaged returns the AWS managed key with the alias, for example
// alias/aws/s3, and makes both if they are missing. Concurrent calls make one.
// also runs only in the transaction that makes it.
func (k *Keys) EnsureManaged(ctx context.Context, account, region, alias, policy, description string, also Also) (*Key, error) {
	return nil, errTodo
}

// Get returns the key, in its newest committed state, or ErrNotFound.
func (k *Keys) Get(ctx context.Context, ref Ref) (*Key, error) { return nil, errTodo }

// Resolve returns the key that id names for a caller in account and region: a
// key ID or an alias name there, or the ARN of a key or an alias, which may be
// of another account.
//
// It returns ErrInvalidID, ErrInvalidARN, ErrNotFound or ErrAliasNotFound.
func (k *Keys) Resolve(ctx context.Context, account, region, id string) (*Key, error) {
	return nil, errTodo
}

// List returns up to limit keys of an account and region in the order of their
// IDs, from the first ID above after. more says that others follow.
func (k *Keys) List(ctx context.Context, account, region, after string, limit int) (keys []*Key, more bool, err error) {
	return nil, false, errTodo
}

// SetDescription changes the description.
// It returns ErrNotFound, ErrPendingDeletion or ErrManaged.
func (k *Keys) SetDescription(ctx context.Context, ref Ref, description string, also Also) (*Key, error) {
	return nil, errTodo
}

// SetPolicy changes the key policy.
// It returns ErrNotFound, ErrPendingDeletion or ErrManaged.
func (k *Keys) SetPolicy(ctx context.Context, ref Ref, policy string, also Also) (*Key, error) {
	return nil, errTodo
}

// Enable enables a disabled key; an enabled one stays as it is.
// It returns ErrNotFound, ErrPendingDeletion or ErrManaged.
func (k *Keys) Enable(ctx context.Context, ref Ref, also Also) (*Key, error) { return nil, errTodo }

// Disable disables a key. When it returns nil, no later use of the key succeeds.
// It returns ErrNotFound, ErrPendingDeletion or ErrManaged.
func (k *Keys) Disable(ctx context.Context, ref Ref, also Also) (*Key, error) { return nil, errTodo }

// ScheduleDeletion makes the key pending deletion, due when the window has
// passed.
// It returns ErrNotFound, ErrPendingDeletion, ErrInvalidWindow or ErrManaged.
func (k *Keys) ScheduleDeletion(ctx context.Context, ref Ref, window time.Duration, also Also) (*Key, error) {
	return nil, errTodo
}

// CancelDeletion makes a key that is pending deletion disabled.
// It returns ErrNotFound or ErrNotPendingDeletion.
func (k *Keys) CancelDeletion(ctx context.Context, ref Ref, also Also) (*Key, error) {
	return nil, errTodo
}

// SetTags sets tags, each anew or over its old value.
// It returns ErrNotFound, ErrPendingDeletion, ErrTooManyTags or ErrManaged.
func (k *Keys) SetTags(ctx context.Context, ref Ref, tags []Tag, also Also) (*Key, error) {
	return nil, errTodo
}

// RemoveTags removes the tags with these names; a missing one is not an error.
// It returns ErrNotFound, ErrPendingDeletion or ErrManaged.
func (k *Keys) RemoveTags(ctx context.Context, ref Ref, names []string, also Also) (*Key, error) {
	return nil, errTodo
}

// CreateAlias gives the key one more name, which starts with alias/.
// It returns ErrNotFound, ErrPendingDeletion, ErrAliasExists, ErrTooManyAliases or ErrManaged.
func (k *Keys) CreateAlias(ctx context.Context, ref Ref, name string, also Also) error {
	return errTodo
}

// UpdateAlias moves an alias to the key ref, of the same account and region.
// It returns ErrNotFound, ErrPendingDeletion, ErrAliasNotFound, ErrTooManyAliases or ErrManaged.
func (k *Keys) UpdateAlias(ctx context.Context, ref Ref, name string, also Also) error {
	return errTodo
}

// DeleteAlias removes an alias; also sees the key that it named.
// It returns ErrAliasNotFound or ErrManaged.
func (k *Keys) DeleteAlias(ctx context.Context, account, region, name string, also Also) error {
	return errTodo
}

// Aliases returns up to limit aliases of an account and region in the order of
// their names, from the first name above after; only those of the key keyID,
// unless it is empty. more says that others follow.
func (k *Keys) Aliases(ctx context.Context, account, region, keyID, after string, limit int) (aliases []Alias, more bool, err error) {
	return nil, false, errTodo
}

// A Sealed is the answer of Encrypt.
type Sealed struct {
	Blob     []byte
	Key      *Key
	Material MaterialID
}

// An Opened is the answer of Decrypt.
type Opened struct {
	Plaintext []byte // secret; the caller wipes it
	Key       *Key
	Material  MaterialID
}

// Encrypt seals plaintext under the current material of a key, bound to the
// encryption context. The context is not secret.
//
// It returns ErrNotFound, ErrDisabled, ErrPendingDeletion or ErrInvalidState.
func (k *Keys) Encrypt(ctx context.Context, ref Ref, plaintext []byte, encryptionContext map[string]string) (Sealed, error) {
	return Sealed{}, errTodo
}

// KeyOf returns the key that made a blob, without opening it and in whatever
// state the key is, so that a caller can be authorized first.
//
// It returns ErrInvalidCiphertext for what is no blob, ErrUnknownMaterial for
// the blob of a destroyed or foreign key.
func (k *Keys) KeyOf(ctx context.Context, blob []byte) (*Key, error) { return nil, errTodo }

// Decrypt opens a blob that Encrypt made under the same encryption context.
//
// It returns ErrInvalidCiphertext, ErrUnknownMaterial, ErrDisabled,
// ErrPendingDeletion or ErrInvalidState.
func (k *Keys) Decrypt(ctx context.Context, blob []byte, encryptionContext map[string]string) (Opened, error) {
	return Opened{}, errTodo
}

// ServiceSecret derives a secret from the SSE-S3 service key of an account and
// a salt, which must be fresh for each use. The service key is made by the
// first call. The secret of one account does not derive for another.
func (k *Keys) ServiceSecret(ctx context.Context, account string, salt [32]byte) (Secret, error) {
	return Secret{}, errTodo
}

// Due returns up to limit keys whose deletion date has passed, or whose
// destruction was cut, the longest due first.
func (k *Keys) Due(ctx context.Context, limit int) ([]Ref, error) { return nil, errTodo }

// Sweep destroys, in one epoch change, every key whose deletion date has
// passed, finishes destructions that a crash cut, and returns the tombstones
// that it wrote. When it returns nil nothing that exists opens those keys. After
// an error the keys are unusable and the next Sweep continues.
func (k *Keys) Sweep(ctx context.Context, buried Buried) ([]Tombstone, error) { return nil, errTodo }

// Destroy destroys keys at once, without a waiting period, as Sweep does.
// It returns ErrNotFound if one of them does not exist, and then none is destroyed.
func (k *Keys) Destroy(ctx context.Context, refs []Ref, buried Buried) ([]Tombstone, error) {
	return nil, errTodo
}

// Tombstone returns what remains of a destroyed key, or ErrNotFound.
func (k *Keys) Tombstone(ctx context.Context, ref Ref) (*Tombstone, error) { return nil, errTodo }
