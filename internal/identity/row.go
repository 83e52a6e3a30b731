package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"coffer/internal/arn"
	"coffer/internal/meta"
	"coffer/internal/revision"
)

// Row keys; the package comment says what follows each.
const (
	rowAccount  = "identity/account/"
	rowAlias    = "identity/alias/"
	rowCount    = "identity/count/"
	rowGroup    = "identity/group/"
	rowID       = "identity/id/"
	rowInline   = "identity/inline/"
	rowKey      = "identity/key/"
	rowMember   = "identity/member/"
	rowPolicy   = "identity/policy/"
	rowProvider = "identity/provider/"
	rowRevoked  = "identity/revoked/"
	rowRole     = "identity/role/"
	rowRoot     = "identity/root/"
	rowUse      = "identity/use/"
	rowUsed     = "identity/used/"
	rowUser     = "identity/user/"
	rowVersion  = "identity/version/"
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

// Times in rows are Unix milliseconds.

type accountRow struct {
	Name            string `cbor:"1,keyasint"`
	CreatedAt       int64  `cbor:"2,keyasint"`
	CanonicalUserID string `cbor:"3,keyasint"`
	Email           string `cbor:"4,keyasint,omitempty"`
	Alias           string `cbor:"5,keyasint,omitempty"`
}

type keyRow struct {
	Account   string `cbor:"1,keyasint"`
	Principal string `cbor:"2,keyasint"` // ARN of the root user; empty for a user's key
	Secret    string `cbor:"3,keyasint"`
	CreatedAt int64  `cbor:"4,keyasint"`
	Status    Status `cbor:"5,keyasint"`
	UserID    string `cbor:"6,keyasint,omitempty"`
}

// An entityRow is a user, a group or a role.
type entityRow struct {
	ID        string   `cbor:"1,keyasint"`
	Name      string   `cbor:"2,keyasint"`
	Path      string   `cbor:"3,keyasint"`
	CreatedAt int64    `cbor:"4,keyasint"`
	Tags      []tagRow `cbor:"5,keyasint,omitempty"`
	Boundary  string   `cbor:"6,keyasint,omitempty"` // ARN
	Attached  []string `cbor:"7,keyasint,omitempty"` // ARNs
	Groups    []string `cbor:"8,keyasint,omitempty"` // of a user: IDs
	Keys      []string `cbor:"9,keyasint,omitempty"` // of a user: access key IDs, the oldest first

	Description string `cbor:"10,keyasint,omitempty"` // of a role
	Trust       string `cbor:"11,keyasint,omitempty"` // with unique IDs
	MaxSession  int64  `cbor:"12,keyasint,omitempty"` // seconds
	Service     string `cbor:"13,keyasint,omitempty"`
}

type tagRow struct {
	_     struct{} `cbor:",toarray"`
	Key   string
	Value string
}

// An idRow tells whose unique ID it is.
type idRow struct {
	Kind    Kind   `cbor:"1,keyasint"`
	Account string `cbor:"2,keyasint"`
	Name    string `cbor:"3,keyasint"`
}

type policyRow struct {
	ID          string       `cbor:"1,keyasint"`
	Name        string       `cbor:"2,keyasint"`
	Path        string       `cbor:"3,keyasint"`
	CreatedAt   int64        `cbor:"4,keyasint"`
	Tags        []tagRow     `cbor:"5,keyasint,omitempty"`
	Description string       `cbor:"6,keyasint,omitempty"`
	UpdatedAt   int64        `cbor:"7,keyasint"`
	Default     uint64       `cbor:"8,keyasint"`
	Last        uint64       `cbor:"9,keyasint"` // the highest version ever
	Versions    []versionRow `cbor:"10,keyasint"`
}

type versionRow struct {
	_         struct{} `cbor:",toarray"`
	Number    uint64
	CreatedAt int64
}

type providerRow struct {
	URL         string   `cbor:"1,keyasint"`
	ClientIDs   []string `cbor:"2,keyasint,omitempty"`
	Thumbprints []string `cbor:"3,keyasint,omitempty"`
	CreatedAt   int64    `cbor:"4,keyasint"`
	Tags        []tagRow `cbor:"5,keyasint,omitempty"`
}

// A countRow counts what an account has.
type countRow struct {
	Users     int `cbor:"1,keyasint"`
	Groups    int `cbor:"2,keyasint"`
	Roles     int `cbor:"3,keyasint"`
	Policies  int `cbor:"4,keyasint"`
	Versions  int `cbor:"5,keyasint"`
	Providers int `cbor:"6,keyasint"`
}

type usedRow struct {
	At      int64  `cbor:"1,keyasint"`
	Service string `cbor:"2,keyasint,omitempty"`
	Region  string `cbor:"3,keyasint,omitempty"`
}

func milliseconds(t int64) time.Time { return time.UnixMilli(t).UTC() }

func tagRows(tags []Tag) []tagRow {
	var out []tagRow
	for _, t := range tags {
		out = append(out, tagRow{Key: t.Key, Value: t.Value})
	}
	return out
}

func rowTags(rows []tagRow) []Tag {
	var out []Tag
	for _, t := range rows {
		out = append(out, Tag{t.Key, t.Value})
	}
	return out
}

// iamARN returns the ARN of an entity, a policy or a provider.
func iamARN(account, resource string) string {
	return arn.ARN{Partition: arn.Partition, Service: "iam", Account: account, Resource: resource}.String()
}

func entityARN(kind Kind, account, path, name string) string {
	return iamARN(account, kind.noun()+path+name)
}

// prefix returns what starts the row keys of a kind of entities of an account.
func (k Kind) prefix(account string) string {
	switch k {
	case KindUser:
		return rowUser + account + "/"
	case KindGroup:
		return rowGroup + account + "/"
	case KindRole:
		return rowRole + account + "/"
	}
	panic("identity: internal error: no kind of entity: " + string(k))
}

// row returns the key of the entity's row.
func (e Entity) row() string { return e.Kind.prefix(e.Account) + strings.ToLower(e.Name) }

// missing returns the error that says that an entity is not there.
func (k Kind) missing() error {
	switch k {
	case KindGroup:
		return ErrNoGroup
	case KindRole:
		return ErrNoRole
	}
	return ErrNoUser
}

// getEntity returns the row of an entity, or ErrNoUser and its kin.
func getEntity(r meta.Reader, e Entity) (*entityRow, error) {
	if !isName(e.Name, e.Kind.maxName()) {
		return nil, e.Kind.missing()
	}
	row := new(entityRow)
	if err := get(r, e.row(), row); errors.Is(err, meta.ErrNotFound) {
		return nil, e.Kind.missing()
	} else if err != nil {
		return nil, err
	}
	return row, nil
}

// entityByID returns the row of the user or the role with a unique ID, or
// meta.ErrNotFound.
func entityByID(r meta.Reader, id string) (Entity, *entityRow, error) {
	if !isUniqueID(id) {
		return Entity{}, nil, meta.ErrNotFound
	}
	var at idRow
	if err := get(r, rowID+id, &at); err != nil {
		return Entity{}, nil, err
	}
	e := Entity(at)
	row := new(entityRow)
	if err := get(r, e.row(), row); err != nil {
		if errors.Is(err, meta.ErrNotFound) {
			err = nil
		}
		return Entity{}, nil, errors.Join(err, fmt.Errorf("%w: %s%s names no entity", meta.ErrCorrupt, rowID, id))
	}
	if row.ID != id {
		return Entity{}, nil, fmt.Errorf("%w: %s%s names another entity", meta.ErrCorrupt, rowID, id)
	}
	return e, row, nil
}

// count adds n to what field returns of the account's counts. If it grows past
// limit, it returns a *QuotaError.
func count(tx meta.Txn, account string, field func(*countRow) *int, n int, quota string, limit int) error {
	var row countRow
	if err := get(tx, rowCount+account, &row); err != nil && !errors.Is(err, meta.ErrNotFound) {
		return err
	}
	v := field(&row)
	*v += n
	if *v < 0 {
		return fmt.Errorf("%w: %s%s counts less than there is", meta.ErrCorrupt, rowCount, account)
	}
	if n > 0 && *v > limit {
		return &QuotaError{quota, limit}
	}
	return put(tx, rowCount+account, row)
}

// exists reports whether a row is there.
func exists(r meta.Reader, key string) (bool, error) {
	_, err := r.Get([]byte(key))
	if errors.Is(err, meta.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// hasAny reports whether there is a row under a prefix.
func hasAny(r meta.Reader, prefix string) (bool, error) {
	found := false
	in := meta.Prefix([]byte(prefix))
	in.Limit = 1
	err := r.Scan(in, func(_, _ []byte) (bool, error) { found = true; return false, nil })
	return found, err
}

func get(r meta.Reader, key string, into any) error {
	b, err := r.Get([]byte(key))
	if err != nil {
		return err
	}
	return decode([]byte(key), b, into)
}

func decode(key, value []byte, into any) error {
	if err := decoder.Unmarshal(value, into); err != nil {
		return fmt.Errorf("%w: decode row %s: %w", meta.ErrCorrupt, key, err)
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

func remove(tx meta.Txn, keys ...string) error {
	for _, k := range keys {
		if err := tx.Delete([]byte(k)); err != nil {
			return err
		}
	}
	return nil
}

// run calls also, which may be nil.
func run(also func(meta.Txn) error, tx meta.Txn) error {
	if also == nil {
		return nil
	}
	return also(tx)
}

// runWith calls also, which may be nil, with what the transaction made.
func runWith[T any](also func(meta.Txn, T) error, tx meta.Txn, v T) error {
	if also == nil {
		return nil
	}
	return also(tx, v)
}

// change runs a transaction that changes what decisions rest on: it bumps the
// revision before also runs, and what the store remembers is forgotten after it.
func (s *Store) change(ctx context.Context, what string, fn, also func(meta.Txn) error) error {
	defer s.changing()()
	err := s.cfg.Meta.Update(ctx, func(tx meta.Txn) error {
		if err := fn(tx); err != nil {
			return err
		}
		if err := revision.Bump(tx); err != nil {
			return err
		}
		return run(also, tx)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// view runs a transaction that only reads.
func (s *Store) view(ctx context.Context, what string, fn func(meta.Reader) error) error {
	if err := s.cfg.Meta.View(ctx, fn); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
