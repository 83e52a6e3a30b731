package key

import (
	"encoding/hex"
	"time"

	"coffer/internal/arn"
	"coffer/internal/meta"
	"coffer/internal/policy"
)

// Limits of a key.
const (
	// MinWindow and MaxWindow bound the waiting period before a deletion.
	//
	// Source: AWS KMS API Reference, ScheduleKeyDeletion, read 2026-11-21.
	MinWindow = 7 * 24 * time.Hour
	MaxWindow = 30 * 24 * time.Hour
	// MaxAliases is the number of aliases of one key.
	//
	// Source: AWS KMS Developer Guide, "Resource quotas", read 2026-11-21.
	MaxAliases = 50
	// MaxTags is the number of tags of one key.
	//
	// Source: AWS KMS API Reference, TagResource, read 2026-11-21.
	MaxTags = 50
	// MaxGrants is the number of grants of one key.
	//
	// Source: AWS KMS Developer Guide, "Resource quotas", read 2026-11-21.
	MaxGrants = 50_000
)

// A State is the state of a key, as AWS KMS spells it. Creating and Updating pass
// within one transaction here, so nobody sees them.
type State string

// The states of a key.
//
// Source: AWS KMS Developer Guide, "Key states of AWS KMS keys".
const (
	Creating               State = "Creating"
	Enabled                State = "Enabled"
	Disabled               State = "Disabled"
	PendingDeletion        State = "PendingDeletion"
	PendingImport          State = "PendingImport"
	PendingReplicaDeletion State = "PendingReplicaDeletion"
	Unavailable            State = "Unavailable"
	Updating               State = "Updating"

	// destroying is the irrevocable state of a key whose leaves are about
	// to be punctured, or are. To callers such a key does not exist.
	destroying State = "destroying"
)

// Values of a key's further properties.
const (
	ManagerCustomer       = "CUSTOMER"
	ManagerAWS            = "AWS"
	SpecSymmetricDefault  = "SYMMETRIC_DEFAULT"
	UsageEncryptDecrypt   = "ENCRYPT_DECRYPT"
	OriginAWSKMS          = "AWS_KMS"
	OriginExternal        = "EXTERNAL"
	OriginKeyStore        = "EXTERNAL_KEY_STORE"
	AliasPrefix           = "alias/"
	ReservedAliasPrefix   = "alias/aws/"
	ReservedTagPrefix     = "coffer:" // of tags that are set when a key is made, or never
	defaultCacheEntries   = 100_000
	cachedPolicies        = 1_000 // texts of up to 32 KiB
	maxIdentifierOfOthers = 2048
)

// A Ref names one key.
type Ref struct {
	Account, Region, ID string
}

// ARN returns the key's ARN.
func (r Ref) ARN() string { return arn.Key(r.Region, r.Account, r.ID) }

// String returns the key's ARN.
func (r Ref) String() string { return r.ARN() }

// A MaterialID names one version of a key's material. It is random and public.
type MaterialID [32]byte

// String returns the 64 hexadecimal digits that the API shows.
func (m MaterialID) String() string { return hex.EncodeToString(m[:]) }

// A Tag is a name with a value.
type Tag struct{ Key, Value string }

// A Key is what is known of a KMS key, its material apart. A *Key is shared and
// cached: it must not be changed.
type Key struct {
	Ref
	ARN           string
	Description   string
	State         State
	Created       time.Time     // calendar time, UTC
	Deletion      time.Time     // zero unless State is PendingDeletion
	PendingWindow time.Duration // zero unless State is PendingDeletion
	Manager       string        // ManagerCustomer or ManagerAWS
	Spec          string        // SpecSymmetricDefault, or one of package keyspec
	Usage         string        // UsageEncryptDecrypt, or one of package keyspec
	Origin        string        // OriginAWSKMS, OriginExternal or OriginKeyStore
	Policy        string        // JSON text, as it was put
	Tags          []Tag         // in the order in which they were first set
	Material      MaterialID    // of the current version
	Version       uint32        // of the current material, from 1; 0 before the first import

	// ShredBy is the name of the pair of the encryption context whose values
	// have keys of their own; empty if none has. It is the value of the tag
	// TagShredBy and never changes.
	ShredBy string
	// Versions tells of every version of a key that was rotated or imported, the
	// oldest first; nil of others.
	Versions []Version
	// RotationPeriod is zero unless the key rotates by itself, at NextRotation.
	RotationPeriod time.Duration
	NextRotation   time.Time
	OnDemand       int          // rotations on demand so far
	MultiRegion    *MultiRegion // nil for a key of one region
	// CustomKeyStoreID and XksKeyID are of keys whose Origin is OriginKeyStore.
	CustomKeyStoreID string
	XksKeyID         string

	// Aliases are the names of the key's aliases, with their prefix and sorted,
	// and HasGrants says that grants may exist. Both are filled in for a key
	// that Get, Resolve, KeyOf, Encrypt or Decrypt returned, and not in others.
	Aliases   []string
	HasGrants bool

	compiled *policy.Named // filled in by Get
	expires  int64         // when the first of its imported versions expires; 0 for never
}

// CompiledPolicy returns the key policy for decisions. Of a key that Get and its
// kin returned it was compiled before, once for all keys with the same text.
func (k *Key) CompiledPolicy() *policy.Named {
	if k.compiled != nil {
		return k.compiled
	}
	return &policy.Named{Name: policyName, Policy: compile(k.Policy)}
}

// policyName is what explanations call a key policy.
const policyName = "key policy"

// compile returns a key policy for decisions, or nil if it can't be read at all:
// decisions take that for a denial.
func compile(text string) *policy.Policy {
	p, err := policy.Load(text, policy.KindKey)
	if err != nil {
		return nil
	}
	return p
}

// Tag returns the value of the tag named name.
func (k *Key) Tag(name string) (value string, ok bool) {
	for _, t := range k.Tags {
		if t.Key == name {
			return t.Value, true
		}
	}
	return "", false
}

// An Alias is a name for a key of the same account and region.
type Alias struct {
	Account, Region string
	Name            string // with its prefix alias/
	ARN             string
	KeyID           string
	Created         time.Time
	Updated         time.Time // when it last got its key
}

// A Version is one version of a key's material, as far as it shows.
type Version struct {
	Number      uint32
	Material    MaterialID
	Rotated     time.Time // when it became the current one; zero while it waits
	Rotation    string    // RotationAutomatic, RotationOnDemand, or empty for the first
	Description string    // of imported material
	Expires     time.Time // of imported material; zero if it does not expire
	// Missing says that imported material was deleted or has expired. The same
	// material can be imported again.
	Missing bool
	// Pending says that imported material waits for the rotation that makes it
	// the current one.
	Pending bool
}

// A MultiRegion says where the keys are that share an ID and material.
type MultiRegion struct {
	Primary  string   // region
	Replicas []string // regions, sorted
}

// A Tombstone is what remains of a destroyed key, of one version of a key, or of
// one subject key.
type Tombstone struct {
	Ref
	ARN       string
	Manager   string
	Destroyed time.Time // calendar time of the end of the destruction
	Epoch     uint64    // the first epoch that can't open it
	Materials []MaterialID
	Number    uint32   // of the one version that was destroyed; 0 for the whole key
	IsMissing bool     // the version was imported, and can be again
	Subject   *Subject // that was destroyed; nil for the key
}

// An Also runs last in the transaction that changes a key, and sees the key as
// the transaction leaves it. Its error aborts the change and is returned. It
// may run twice. A nil Also does nothing.
type Also func(tx meta.Txn, k *Key) error

// A Buried runs in the transaction that removes a destroyed key and writes its
// tombstone, once for each key. It may run twice. A nil Buried does nothing.
type Buried func(tx meta.Txn, t *Tombstone) error
