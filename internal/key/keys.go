package key

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"coffer/internal/extkey"
	"coffer/internal/keyspec"
	"coffer/internal/meta"
	"coffer/internal/policy"
)

// A Config says how to open the keys.
type Config struct {
	Meta  meta.Store       // required
	Root  *Root            // required
	Now   func() time.Time // calendar time, required
	Rand  io.Reader        // crypto/rand if nil; safe for concurrent use
	Log   *slog.Logger     // discarded if nil
	Cache int              // keys, materials and aliases held in memory, each; 100,000 if 0
	// Dialer reaches the external key managers of custom key stores; without it none
	// is reached.
	Dialer extkey.Dialer

	step func(name string) error // fault points of tests: an error is a crash there
}

// Keys are the KMS keys of every account and region. It is safe for concurrent
// use. There must be one for a meta store: it caches what it reads, and drops
// from the caches only what it changes itself.
type Keys struct {
	meta meta.Store
	root *Root
	now  func() time.Time
	rand io.Reader
	log  *slog.Logger
	step func(string) error

	keys      *cache[Ref, *Key]
	materials *cache[materialAt, material]
	subjects  *cache[subjectAt, openSubject]
	aliases   *cache[aliasName, string] // to key ID
	services  *cache[string, Secret]    // by account
	granted   *cache[grantee, []policy.Grant]
	policies  *cache[string, *policy.Policy] // by text
	stores    *cache[StoreRef, *openStore]
	dialer    extkey.Dialer // may be nil

	subjectIDs Secret // keys the IDs of subjects
	importIDs  Secret // keys the IDs of imported material

	// destroy is held by the one destruction at a time, and taken first.
	destroy sync.Mutex
	// epochs is held for writing while the epoch changes in root and rows,
	// and for reading by transactions that take a leaf.
	epochs sync.RWMutex
}

// A material is one version of a key's material, in the clear.
type material struct {
	id      MaterialID
	ref     Ref
	version uint32
	secret  Secret
	opened  *keyspec.Key // of a key that is not SpecSymmetricDefault; shared
}

type aliasName struct{ account, region, name string }

// Open returns the keys in cfg.Meta. If a crash cut a destruction, Open
// completes its epoch change; the next Sweep writes the tombstones. Rows from
// an old backup are brought to the epoch of the root: their keys that were
// destroyed since are gone, the others open.
//
// It returns ErrWrongRoot if the rows belong to another root or a later epoch.
func Open(ctx context.Context, cfg Config) (*Keys, error) {
	k := &Keys{
		meta: cfg.Meta, root: cfg.Root, now: cfg.Now, rand: cfg.Rand, log: cfg.Log, step: cfg.step, dialer: cfg.Dialer,
	}
	if k.rand == nil {
		k.rand = rand.Reader
	}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	if k.step == nil {
		k.step = func(string) error { return nil }
	}
	entries := cfg.Cache
	if entries == 0 {
		entries = defaultCacheEntries
	}
	k.keys = newCache[Ref, *Key](entries, nil)
	k.materials = newCache[materialAt](entries, func(m *material) {
		m.secret.Wipe()
		if m.opened != nil {
			m.opened.Wipe()
		}
	})
	k.subjects = newCache[subjectAt](entries, func(s *openSubject) { s.secret.Wipe() })
	k.aliases = newCache[aliasName, string](entries, nil)
	k.services = newCache[string](entries, (*Secret).Wipe)
	k.granted = newCache[grantee, []policy.Grant](entries, nil)
	k.policies = newCache[string, *policy.Policy](cachedPolicies, nil)
	k.stores = newCache[StoreRef, *openStore](maxOpenStores, nil)

	for purpose, secret := range map[string]*Secret{"subject-id/v1": &k.subjectIDs, "import-id/v1": &k.importIDs} {
		var err error
		if *secret, err = k.Derive(purpose); err != nil {
			return nil, fmt.Errorf("open keys: %w", err)
		}
	}
	behind, err := k.claim(ctx)
	if err != nil {
		return nil, fmt.Errorf("open keys: %w", err)
	}
	if behind {
		if err := k.reconcile(ctx); err != nil {
			return nil, fmt.Errorf("bring keys to the root's epoch: %w", err)
		}
	}
	if _, _, err := k.resume(ctx); err != nil {
		return nil, fmt.Errorf("finish destruction: %w", err)
	}
	return k, nil
}

// Close wipes the cached material.
func (k *Keys) Close() {
	k.keys.clear()
	k.materials.clear()
	k.subjects.clear()
	k.subjectIDs.Wipe()
	k.importIDs.Wipe()
	k.aliases.clear()
	k.services.clear()
	k.granted.clear()
	k.policies.clear()
	k.stores.clear()
}

// Get returns the key, in its newest committed state, or ErrNotFound.
func (k *Keys) Get(ctx context.Context, ref Ref) (*Key, error) {
	key, era, ok := k.keys.get(ref)
	if ok {
		return k.placed(ctx, k.current(key))
	}
	err := k.meta.View(ctx, func(r meta.Reader) error {
		row, err := getKey(r, ref)
		if err != nil {
			return err
		}
		key = row.key(ref)
		if key.Aliases, err = aliasNames(r, ref); err != nil {
			return err
		}
		key.HasGrants, err = hasGrants(r, ref)
		return err
	})
	if err != nil {
		return nil, err
	}
	key.compiled = &policy.Named{Name: policyName, Policy: k.compile(key.Policy)}
	k.keys.put(era, ref, key)
	return k.placed(ctx, k.current(key))
}

// compile is compile with one result for each text: most keys of an account have
// the same policy.
func (k *Keys) compile(text string) *policy.Policy {
	p, era, ok := k.policies.get(text)
	if !ok {
		p = compile(text)
		k.policies.put(era, text, p)
	}
	return p
}

// A CreateInput describes a key to create.
type CreateInput struct {
	Account, Region string
	ID              string // one of NewID; Create draws one if it is empty
	Description     string
	Policy          string // JSON text
	Tags            []Tag  // TagShredBy among them gives the key subjects

	Spec   string // SpecSymmetricDefault if empty
	Usage  string // UsageEncryptDecrypt if empty
	Origin string // OriginAWSKMS if empty
	// Body is the material of a key whose Spec is not SpecSymmetricDefault and whose
	// Origin is OriginAWSKMS. The caller wipes it.
	Body        []byte
	MultiRegion bool
	// CustomKeyStoreID and XksKeyID are of a key whose Origin is OriginKeyStore: the
	// store must be connected, and no other key of it have the external key. Whether
	// the external key can be used is for CheckExternalKey to say.
	CustomKeyStoreID string
	XksKeyID         string
}

// Create makes a key of Manager CUSTOMER: enabled and with fresh material, or
// pending import. It returns ErrTooManyTags, or ErrFull when the trees have no leaf
// left, ErrNotSymmetric for subjects of a key that is not symmetric.
func (k *Keys) Create(ctx context.Context, in CreateInput, also Also) (*Key, error) {
	return k.create(ctx, &in, "", also)
}

// EnsureManaged returns the AWS managed key with the alias, for example
// alias/aws/s3, and makes both if they are missing. Concurrent calls make one.
// also runs only in the transaction that makes it.
func (k *Keys) EnsureManaged(ctx context.Context, account, region, alias, policy, description string, also Also) (*Key, error) {
	key, err := k.byAlias(ctx, account, region, alias)
	if err == nil || !errors.Is(err, ErrAliasNotFound) {
		return key, err
	}
	return k.create(ctx, &CreateInput{
		Account: account, Region: region, Description: description, Policy: policy,
	}, alias, also)
}

// newRow returns the row of a new key.
func (in *CreateInput) newRow(ref Ref, alias string, created int64) (*keyRow, error) {
	if len(in.Tags) > MaxTags {
		return nil, ErrTooManyTags
	}
	row := &keyRow{
		Description: in.Description, State: Enabled, Created: created, Manager: ManagerCustomer,
		Spec: cmp.Or(in.Spec, SpecSymmetricDefault), Usage: cmp.Or(in.Usage, UsageEncryptDecrypt),
		Origin: cmp.Or(in.Origin, OriginAWSKMS), Policy: in.Policy, Version: 1,
		Store: in.CustomKeyStoreID, XksKey: in.XksKeyID,
	}
	for _, t := range in.Tags {
		row.Tags = append(row.Tags, tagRow{Key: t.Key, Value: t.Value})
		if t.Key == TagShredBy {
			row.ShredBy = t.Value
		}
	}
	if row.ShredBy != "" && row.Spec != SpecSymmetricDefault {
		return nil, ErrNotSymmetric
	}
	if alias != "" {
		row.Manager = ManagerAWS
	}
	if in.MultiRegion {
		row.Multi = &multiRow{Primary: ref.Region}
	}
	if row.Origin == OriginExternal {
		row.State, row.Version = PendingImport, 0
	}
	return row, nil
}

// create makes a key: of Manager AWS and with its alias, unless that is empty.
// If the alias exists, it returns the key that has it.
func (k *Keys) create(ctx context.Context, in *CreateInput, alias string, also Also) (*Key, error) {
	id := in.ID
	if id == "" {
		var err error
		if id, err = k.NewID(in.MultiRegion); err != nil {
			return nil, err
		}
	}
	ref := Ref{in.Account, in.Region, id}
	if !ref.valid() || alias != "" && !validAlias(alias) || isMultiRegion(id) != in.MultiRegion {
		return nil, fmt.Errorf("%w: account %q, region %q, ID %q, alias %q", ErrInvalidID, in.Account, in.Region, id, alias)
	}
	row, err := in.newRow(ref, alias, k.now().UnixNano())
	if err != nil {
		return nil, err
	}
	var secret Secret
	defer secret.Wipe()
	if row.Version > 0 {
		if err := k.draw(row.Material[:], secret[:]); err != nil {
			return nil, err
		}
	}

	k.epochs.RLock()
	defer k.epochs.RUnlock()
	var key *Key
	err = k.meta.Update(ctx, func(tx meta.Txn) error {
		key = row.key(ref)
		if _, err := tx.Get(keyKey(ref)); !errors.Is(err, meta.ErrNotFound) {
			return errors.Join(err, fmt.Errorf("%w: %s is taken", ErrInvalidID, id))
		}
		if alias != "" {
			other, err := getRow[aliasRow](tx, aliasKey(in.Account, in.Region, alias))
			if err == nil {
				key, err = getAs(tx, Ref{in.Account, in.Region, other.KeyID})
				return err
			}
			if !errors.Is(err, meta.ErrNotFound) {
				return err
			}
			if err := putAlias(tx, ref, alias, row.Created, row.Created); err != nil {
				return err
			}
		}
		if err := row.putInStore(tx, ref); err != nil {
			return err
		}
		if err := putRow(tx, keyKey(ref), row); err != nil {
			return err
		}
		if row.Version > 0 {
			if err := k.putVersion(tx, ref, row.Version, row.Material, &secret, in.Body); err != nil {
				return err
			}
		}
		return also.run(tx, key)
	})
	if err != nil {
		return nil, err
	}
	return key, nil
}

// wrapAtLeaf takes a leaf and wraps secret under it.
func (k *Keys) wrapAtLeaf(tx meta.Txn, w *wrapping, secret *Secret) (shard uint16, index uint32, wrapped []byte, err error) {
	var salt [saltSize]byte
	if _, err := io.ReadFull(k.rand, salt[:]); err != nil {
		return 0, 0, nil, fmt.Errorf("draw salt: %w", err)
	}
	l, leafSecret, err := k.takeLeaf(tx)
	if err != nil {
		return 0, 0, nil, err
	}
	defer leafSecret.Wipe()
	return l.shard, l.index, wrap(&leafSecret, salt, w, secret), nil
}

// takeLeaf takes the next living leaf of a random shard, so that transactions
// seldom meet. A shard that is full is passed over, and so is one whose rows
// are of another generation than its frontier. Call it with epochs held.
func (k *Keys) takeLeaf(tx meta.Txn) (leaf, Secret, error) {
	var b [2]byte
	if _, err := io.ReadFull(k.rand, b[:]); err != nil {
		return leaf{}, Secret{}, fmt.Errorf("draw shard: %w", err)
	}
	start := int(b[0])<<8 | int(b[1])
	reason := ErrFull
	for i := range shardCount {
		number := uint16((start + i) % shardCount)
		row, err := getRow[shardRow](tx, shardKey(number))
		if errors.Is(err, meta.ErrNotFound) {
			row, err = new(shardRow), nil
		}
		if err != nil {
			return leaf{}, Secret{}, err
		}
		l := leaf{shard: number}
		var secret Secret
		err = k.root.view(func(s *epochState) error {
			if s.head.shards[number].generation != row.Generation {
				return ErrWrongRoot
			}
			var ok bool
			if l.index, ok = s.frontier(int(number)).next(row.Next); !ok {
				return ErrFull
			}
			secret, err = s.leaf(l)
			return err
		})
		switch {
		case errors.Is(err, ErrFull):
			continue
		case errors.Is(err, ErrWrongRoot):
			reason = ErrWrongRoot
			continue
		case err != nil:
			return leaf{}, Secret{}, err
		}
		row.Next = l.index + 1
		return l, secret, putRow(tx, shardKey(number), row)
	}
	return leaf{}, Secret{}, reason
}

// NewID returns a random UUID, version 4, or the ID of a multi-region key: mrk- and
// 32 hexadecimal digits.
//
// Source: RFC 9562, section 5.4; AWS KMS Developer Guide, "Multi-Region keys".
func (k *Keys) NewID(isMultiRegion bool) (string, error) {
	var b [16]byte
	if err := k.draw(b[:]); err != nil {
		return "", err
	}
	if isMultiRegion {
		return fmt.Sprintf("mrk-%x", b), nil
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}

// getAs is getKey for callers.
func getAs(r meta.Reader, ref Ref) (*Key, error) {
	row, err := getKey(r, ref)
	if err != nil {
		return nil, err
	}
	return row.key(ref), nil
}

// run calls a, unless it is nil.
func (a Also) run(tx meta.Txn, key *Key) error {
	if a == nil {
		return nil
	}
	return a(tx, key)
}
