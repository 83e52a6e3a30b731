package key

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"coffer/internal/arn"
	"coffer/internal/meta"
)

// The rows, all under key/. A part that ends in a slash is a prefix.
const (
	rowEpoch       = "key/epoch"       // epochRow
	rowKey         = "key/k/"          // account/region/id: keyRow
	rowVersion     = "key/v/"          // account/region/id/number in 4 bytes: versionRow
	rowMaterial    = "key/material/"   // material ID, 32 bytes: materialRow
	rowAlias       = "key/alias/"      // account/region/name: aliasRow
	rowAliasOf     = "key/aliasof/"    // account/region/id/name: empty
	rowGrant       = "key/grant/"      // account/region/id/grant ID: grantRow
	rowGrants      = "key/grants/"     // account/region/id: grantsRow
	rowGrantee     = "key/grantee/"    // account/region/id/name NUL grant ID: empty
	rowRetiring    = "key/retiring/"   // region/name NUL account/id/grant ID: empty
	rowGrantName   = "key/grantname/"  // account/region/id/hash in 32 bytes: grant ID
	rowDue         = "key/due/"        // deletion date in 8 bytes/account/region/id: empty
	rowDestroying  = "key/destroying/" // account/region/id: empty
	rowTombstone   = "key/tombstone/"  // account/region/id: tombstoneRow
	rowService     = "key/service/"    // account: serviceRow
	rowDropping    = "key/dropping/"   // account/region/id/number in 4 bytes: empty
	rowRotate      = "key/rotate/"     // rotation date in 8 bytes/account/region/id: empty
	rowExpire      = "key/expire/"     // expiry date in 8 bytes/account/region/id: empty
	rowSubject     = "key/subject/"    // account/region/id/subject ID: subjectRow
	rowSubjectDue  = "key/subjectdue/" // deletion date in 8 bytes/account/region/id/subject ID: empty
	rowShredding   = "key/shredding/"  // account/region/id/subject ID: empty
	rowShredded    = "key/shredded/"   // account/region/id/subject ID: shreddedRow
	rowShard       = "key/shard/"      // number in 2 bytes: shardRow
	maxAliasLength = 256
)

// An epochRow says which epoch of which root the rows belong to.
type epochRow struct {
	Epoch   uint64   `cbor:"1,keyasint"`
	StoreID [16]byte `cbor:"2,keyasint"`
}

// A shardRow counts the leaves taken in one tree. No row means none.
type shardRow struct {
	Next       uint32 `cbor:"1,keyasint"`
	Generation uint64 `cbor:"2,keyasint"`
}

// A keyRow is a Key as stored. Times are Unix nanoseconds.
type keyRow struct {
	Description string     `cbor:"1,keyasint,omitempty"`
	State       State      `cbor:"2,keyasint"`
	Created     int64      `cbor:"3,keyasint"`
	Deletion    int64      `cbor:"4,keyasint,omitempty"`
	Window      int64      `cbor:"5,keyasint,omitempty"`
	Manager     string     `cbor:"6,keyasint"`
	Spec        string     `cbor:"7,keyasint"`
	Usage       string     `cbor:"8,keyasint"`
	Origin      string     `cbor:"9,keyasint"`
	Policy      string     `cbor:"10,keyasint,omitempty"`
	Tags        []tagRow   `cbor:"11,keyasint,omitempty"`
	Material    MaterialID `cbor:"12,keyasint"`
	Version     uint32     `cbor:"13,keyasint"`

	ShredBy  string       `cbor:"14,keyasint,omitempty"`
	Versions []versionTag `cbor:"15,keyasint,omitempty"`
	Period   int64        `cbor:"16,keyasint,omitempty"` // of rotation
	Rotate   int64        `cbor:"17,keyasint,omitempty"` // the next one
	OnDemand int          `cbor:"18,keyasint,omitempty"`
	Multi    *multiRow    `cbor:"19,keyasint,omitempty"`
	Store    string       `cbor:"20,keyasint,omitempty"` // custom key store
	XksKey   string       `cbor:"21,keyasint,omitempty"`
	Expire   int64        `cbor:"22,keyasint,omitempty"` // the first of its imported versions to expire
}

// A versionTag is a Version as stored.
type versionTag struct {
	Number      uint32     `cbor:"1,keyasint"`
	Material    MaterialID `cbor:"2,keyasint"`
	Rotated     int64      `cbor:"3,keyasint,omitempty"`
	Rotation    string     `cbor:"4,keyasint,omitempty"`
	Description string     `cbor:"5,keyasint,omitempty"`
	Expires     int64      `cbor:"6,keyasint,omitempty"`
	Missing     bool       `cbor:"7,keyasint,omitempty"`
	Pending     bool       `cbor:"8,keyasint,omitempty"`
}

// A multiRow is a MultiRegion as stored, the same in every region.
type multiRow struct {
	Primary  string   `cbor:"1,keyasint"`
	Replicas []string `cbor:"2,keyasint,omitempty"`
}

type tagRow struct {
	_     struct{} `cbor:",toarray"`
	Key   string
	Value string
}

// A versionRow is one version of a key's material, wrapped under its leaf.
// It never changes.
type versionRow struct {
	Shard    uint16     `cbor:"1,keyasint"`
	Leaf     uint32     `cbor:"2,keyasint"`
	Wrapped  []byte     `cbor:"3,keyasint"`
	Material MaterialID `cbor:"4,keyasint"`
	Created  int64      `cbor:"5,keyasint"`
	// Body is material that is not 32 bytes, sealed under the wrapped secret.
	Body []byte `cbor:"6,keyasint,omitempty"`
}

func (r *versionRow) leaf() leaf { return leaf{r.Shard, r.Leaf} }

// A materialRow leads from a material to its version. The keys of a multi-region
// key share material: Region is that of one of them.
type materialRow struct {
	Account string `cbor:"1,keyasint"`
	Region  string `cbor:"2,keyasint"`
	ID      string `cbor:"3,keyasint"`
	Version uint32 `cbor:"4,keyasint"`
}

// ref returns the key that has the material, for a caller in region.
func (r *materialRow) ref(region string) Ref {
	if isMultiRegion(r.ID) && region != "" {
		return Ref{r.Account, region, r.ID}
	}
	return Ref{r.Account, r.Region, r.ID}
}

// isMultiRegion reports whether a key ID is that of a multi-region key.
func isMultiRegion(id string) bool { return strings.HasPrefix(id, "mrk-") }

type aliasRow struct {
	KeyID   string `cbor:"1,keyasint"`
	Created int64  `cbor:"2,keyasint"`
	Updated int64  `cbor:"3,keyasint"`
}

// A grantRow is a Grant as stored.
type grantRow struct {
	Name       string            `cbor:"1,keyasint,omitempty"`
	Created    int64             `cbor:"2,keyasint"`
	Issuer     string            `cbor:"3,keyasint"`
	Grantee    partyRow          `cbor:"4,keyasint"`
	Retiring   partyRow          `cbor:"5,keyasint"`
	Operations []string          `cbor:"6,keyasint"`
	Equals     map[string]string `cbor:"7,keyasint,omitempty"`
	Subset     map[string]string `cbor:"8,keyasint,omitempty"`
	SourceARN  string            `cbor:"9,keyasint,omitempty"`
}

type partyRow struct {
	_       struct{} `cbor:",toarray"`
	ARN     string
	ID      string
	Service string
}

// A grantsRow counts the grants of a key. No row means none.
type grantsRow struct {
	Count uint32 `cbor:"1,keyasint"`
}

type tombstoneRow struct {
	Manager   string       `cbor:"1,keyasint"`
	Destroyed int64        `cbor:"2,keyasint"`
	Epoch     uint64       `cbor:"3,keyasint"`
	Materials []MaterialID `cbor:"4,keyasint"`
	Created   int64        `cbor:"5,keyasint,omitempty"`
	Scheduled int64        `cbor:"6,keyasint,omitempty"` // when its deletion was; 0 if it had no waiting period
	Rotated   []int64      `cbor:"7,keyasint,omitempty"` // when versions beside the first became current
	Spec      string       `cbor:"8,keyasint,omitempty"`
}

// A serviceRow is the SSE-S3 service key of an account, wrapped under its leaf.
type serviceRow struct {
	Shard   uint16 `cbor:"1,keyasint"`
	Leaf    uint32 `cbor:"2,keyasint"`
	Wrapped []byte `cbor:"3,keyasint"`
	Created int64  `cbor:"4,keyasint"`
}

// getRow returns the row at key, or an error that is meta.ErrNotFound.
func getRow[T any](r meta.Reader, key []byte) (*T, error) {
	b, err := r.Get(key)
	if err != nil {
		return nil, err
	}
	row := new(T)
	if err := decode(key, b, row); err != nil {
		return nil, err
	}
	return row, nil
}

func decode(key, b []byte, row any) error {
	if err := cbor.Unmarshal(b, row); err != nil {
		return fmt.Errorf("%w: %q: %w", meta.ErrCorrupt, key, err)
	}
	return nil
}

func putRow(tx meta.Txn, key []byte, row any) error {
	b, err := cbor.Marshal(row)
	if err != nil {
		return fmt.Errorf("encode row %q: %w", key, err)
	}
	return tx.Put(key, b)
}

// place is the part of a row's key that names a key.
func (r Ref) place() string { return r.Account + "/" + r.Region + "/" + r.ID }

func keyKey(r Ref) []byte        { return []byte(rowKey + r.place()) }
func destroyingKey(r Ref) []byte { return []byte(rowDestroying + r.place()) }
func tombstoneKey(r Ref) []byte  { return []byte(rowTombstone + r.place()) }
func versionPrefix(r Ref) []byte { return []byte(rowVersion + r.place() + "/") }
func aliasOfPrefix(r Ref) []byte { return []byte(rowAliasOf + r.place() + "/") }
func serviceKey(account string) []byte {
	return []byte(rowService + account)
}
func versionKey(r Ref, number uint32) []byte {
	return binary.BigEndian.AppendUint32(versionPrefix(r), number)
}
func materialKey(m MaterialID) []byte { return append([]byte(rowMaterial), m[:]...) }
func shardKey(number uint16) []byte {
	return binary.BigEndian.AppendUint16([]byte(rowShard), number)
}
func aliasKey(account, region, name string) []byte {
	return []byte(rowAlias + account + "/" + region + "/" + name)
}
func aliasOfKey(r Ref, name string) []byte { return append(aliasOfPrefix(r), name...) }

func grantsKey(r Ref) []byte   { return []byte(rowGrants + r.place()) }
func grantPrefix(r Ref) []byte { return []byte(rowGrant + r.place() + "/") }
func grantKey(r Ref, id string) []byte {
	return append(grantPrefix(r), id...)
}
func granteePrefix(r Ref, name string) []byte {
	return []byte(rowGrantee + r.place() + "/" + name + "\x00")
}
func granteeKey(r Ref, name, id string) []byte {
	return append(granteePrefix(r, name), id...)
}
func retiringPrefix(region, name string) []byte {
	return []byte(rowRetiring + region + "/" + name + "\x00")
}
func retiringKey(r Ref, name, id string) []byte {
	return append(retiringPrefix(r.Region, name), r.Account+"/"+r.ID+"/"+id...)
}
func grantNameKey(r Ref, hash [32]byte) []byte {
	return append([]byte(rowGrantName+r.place()+"/"), hash[:]...)
}

// dateKey is the key of a row that stands for a key at a date.
func dateKey(prefix string, when int64, r Ref) []byte {
	b := binary.BigEndian.AppendUint64([]byte(prefix), uint64(when))
	return append(b, "/"+r.place()...)
}

func dueKey(when int64, r Ref) []byte { return dateKey(rowDue, when, r) }

// parseDateKey reverses dateKey.
func parseDateKey(prefix string, key []byte) (when int64, r Ref, err error) {
	rest := key[len(prefix):]
	if len(rest) < 9 {
		return 0, Ref{}, fmt.Errorf("%w: %q", meta.ErrCorrupt, key)
	}
	r, err = parsePlace(string(rest[9:]))
	return int64(binary.BigEndian.Uint64(rest)), r, err
}

func droppingKey(r Ref, number uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte(rowDropping+r.place()+"/"), number)
}

// parseDroppingKey reverses droppingKey.
func parseDroppingKey(key []byte) (Ref, uint32, error) {
	rest := key[len(rowDropping):]
	if len(rest) < 5 {
		return Ref{}, 0, fmt.Errorf("%w: %q", meta.ErrCorrupt, key)
	}
	r, err := parsePlace(string(rest[:len(rest)-5]))
	return r, binary.BigEndian.Uint32(rest[len(rest)-4:]), err
}

// parsePlace reverses Ref.place.
func parsePlace(s string) (Ref, error) {
	p := strings.Split(s, "/")
	if len(p) != 3 {
		return Ref{}, fmt.Errorf("%w: a row names no key: %q", meta.ErrCorrupt, s)
	}
	return Ref{p[0], p[1], p[2]}, nil
}

// key returns the row as callers see it.
func (row *keyRow) key(ref Ref) *Key {
	k := &Key{
		Ref: ref, ARN: ref.ARN(), Description: row.Description, State: row.State,
		Created: fromNano(row.Created), Deletion: fromNano(row.Deletion),
		PendingWindow: time.Duration(row.Window), Manager: row.Manager, Spec: row.Spec,
		Usage: row.Usage, Origin: row.Origin, Policy: row.Policy,
		Material: row.Material, Version: row.Version, ShredBy: row.ShredBy,
		RotationPeriod: time.Duration(row.Period), NextRotation: fromNano(row.Rotate), OnDemand: row.OnDemand,
		CustomKeyStoreID: row.Store, XksKeyID: row.XksKey, expires: row.Expire,
	}
	for _, t := range row.Tags {
		k.Tags = append(k.Tags, Tag{t.Key, t.Value})
	}
	for _, v := range row.Versions {
		k.Versions = append(k.Versions, Version{
			Number: v.Number, Material: v.Material, Rotated: fromNano(v.Rotated), Rotation: v.Rotation,
			Description: v.Description, Expires: fromNano(v.Expires), Missing: v.Missing, Pending: v.Pending,
		})
	}
	if m := row.Multi; m != nil {
		k.MultiRegion = &MultiRegion{m.Primary, slices.Clone(m.Replicas)}
	}
	return k
}

func (row *aliasRow) alias(account, region, name string) Alias {
	return Alias{
		Account: account, Region: region, Name: name, ARN: arn.Alias(region, account, name),
		KeyID: row.KeyID, Created: fromNano(row.Created), Updated: fromNano(row.Updated),
	}
}

func (row *tombstoneRow) tombstone(ref Ref) *Tombstone {
	return &Tombstone{
		Ref: ref, ARN: ref.ARN(), Manager: row.Manager,
		Destroyed: fromNano(row.Destroyed), Epoch: row.Epoch, Materials: row.Materials,
	}
}

func toNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNano(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// getKey returns the row of a key that is not destroyed, or ErrNotFound.
func getKey(r meta.Reader, ref Ref) (*keyRow, error) {
	if !ref.valid() {
		return nil, ErrNotFound
	}
	row, err := getRow[keyRow](r, keyKey(ref))
	if errors.Is(err, meta.ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	if row.State == destroying {
		return nil, ErrNotFound
	}
	return row, nil
}

// versions calls fn for each version of a key, the oldest first.
func versions(r meta.Reader, ref Ref, fn func(number uint32, row *versionRow) error) error {
	p := versionPrefix(ref)
	return r.Scan(meta.Prefix(p), func(key, value []byte) (bool, error) {
		row := new(versionRow)
		if err := cbor.Unmarshal(value, row); err != nil || len(key) != len(p)+4 {
			return false, fmt.Errorf("%w: %q", meta.ErrCorrupt, key)
		}
		return true, fn(binary.BigEndian.Uint32(key[len(p):]), row)
	})
}

// valid reports whether r can name a key, so that no part of it holds a slash.
func (r Ref) valid() bool { return validAccount(r.Account) && validRegion(r.Region) && validID(r.ID) }

func validAccount(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}

func validRegion(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// validID reports whether s is a UUID, or a multi-region ID: mrk- and 32
// hexadecimal digits.
func validID(s string) bool {
	if hex, ok := strings.CutPrefix(s, "mrk-"); ok {
		return len(hex) == 32 && isHex(hex)
	}
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return false
	}
	return isHex(s[:8]) && isHex(s[9:13]) && isHex(s[14:18]) && isHex(s[19:23]) && isHex(s[24:])
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// validAlias reports whether s is the name of an alias: alias/ and 1 to 250 of
// letters, digits, slash, underscore and dash.
//
// Source: AWS KMS API Reference, CreateAlias, read 2026-11-21.
func validAlias(s string) bool {
	name, ok := strings.CutPrefix(s, AliasPrefix)
	if !ok || name == "" || len(s) > maxAliasLength {
		return false
	}
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '/', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}
