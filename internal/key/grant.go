package key

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"coffer/internal/arn"
	"coffer/internal/meta"
	"coffer/internal/policy"
	"coffer/internal/revision"
)

// A Party is the grantee or the retiring principal of a grant. The zero Party is
// nobody.
type Party struct {
	ARN string // as it was named; empty for a service
	// ID is the unique ID if ARN names a user or a role: AIDA..., AROA.... Of a
	// role's session it is that of the role, a colon and the session's name.
	ID      string
	Service string // name of an AWS service
}

// Name is what the party is found by: a user and a role by their unique ID, so that
// one which is made again under an old name is somebody else.
func (p Party) Name() string {
	switch {
	case p.Service != "":
		return p.Service
	case p.ID != "":
		return p.ID
	}
	return p.ARN
}

func (p Party) isNobody() bool { return p == Party{} }

// A Grant lets one principal use one key for some operations.
type Grant struct {
	Key        Ref
	ID         string // 64 hexadecimal digits
	Name       string // may be empty
	Created    time.Time
	Issuer     string // the account whose principal made it
	Grantee    Party
	Retiring   Party
	Operations []string // "Decrypt", ...

	ContextEquals map[string]string // constraint; nil if there is none
	ContextSubset map[string]string // constraint; nil if there is none
	SourceARN     string            // constraint; empty if there is none
}

// Decision returns the grant as decisions about its grantee see it: with all of its
// operations and constraints.
//
// A grant to another account's principal that this account did not issue itself
// needs the principal's own account to allow the operation too, as access across
// accounts does. So it stands for the account of its grantee: use it for a caller
// that is the grantee by name.
func (g *Grant) Decision() policy.Grant {
	d := policy.Grant{ID: g.ID, GranteeService: g.Grantee.Service, RetiringPrincipal: g.Retiring.Subject(), Operations: g.Operations,
		ContextEquals: g.ContextEquals, ContextSubset: g.ContextSubset, SourceARN: g.SourceARN}
	if d.GranteeService == "" {
		d.GranteePrincipal = g.Grantee.Subject()
		if a, err := arn.Parse(g.Grantee.ARN); err == nil && a.Account != g.Key.Account && a.Account != g.Issuer {
			d.GranteePrincipal = arn.Root(a.Account)
		}
	}
	return d
}

// Subject names the party as decisions compare it with a caller: a session by its
// ARN.
func (p Party) Subject() string {
	if strings.Contains(p.ID, ":") {
		return p.ARN
	}
	return p.Name()
}

// decisions returns the grant as decisions about the use of the key see it.
// Constraints on the encryption context do not limit operations that have none.
// CreateGrant and RetireGrant are left out: what a grant means for them is no
// question of the policy language.
//
// Source: AWS KMS API Reference, GrantConstraints, read 2026-11-21.
func (g *Grant) decisions() (list []policy.Grant) {
	var with, without []string
	for _, o := range g.Operations {
		switch o {
		case "CreateGrant", "RetireGrant":
		case "DescribeKey", "GetPublicKey":
			without = append(without, o)
		default:
			with = append(with, o)
		}
	}
	if len(with) > 0 {
		d := g.Decision()
		d.Operations = with
		list = append(list, d)
	}
	if len(without) > 0 {
		d := g.Decision()
		d.Operations, d.ContextEquals, d.ContextSubset = without, nil, nil
		list = append(list, d)
	}
	return list
}

// A grantee is who has grants on a key.
type grantee struct {
	key  Ref
	name string
}

// A GrantAlso runs last in the transaction that makes or removes a grant. Its error
// aborts the change and is returned. It may run twice. A nil GrantAlso does nothing.
type GrantAlso func(tx meta.Txn, g *Grant) error

func (a GrantAlso) run(tx meta.Txn, g *Grant) error {
	if a == nil {
		return nil
	}
	return a(tx, g)
}

// CreateGrant makes a grant with a fresh ID on the key in.Key. If in has a name and
// a grant of the key has the same name and is otherwise equal too, it returns that
// one and makes none.
//
// It returns ErrNotFound, ErrDisabled, ErrPendingDeletion, ErrManaged,
// ErrTooManyGrants, or ErrInvalidID if a party has no name that can stand in a row.
func (k *Keys) CreateGrant(ctx context.Context, in *Grant, also GrantAlso) (*Grant, error) {
	for _, p := range []Party{in.Grantee, in.Retiring} {
		if name := p.Name(); len(name) > maxIdentifierOfOthers || strings.ContainsRune(name, 0) || name == "" && !p.isNobody() {
			return nil, ErrInvalidID
		}
	}
	if in.Grantee.isNobody() {
		return nil, ErrInvalidID
	}
	var id [32]byte
	if _, err := io.ReadFull(k.rand, id[:]); err != nil {
		return nil, fmt.Errorf("draw grant ID: %w", err)
	}
	row := grantRow{Name: in.Name, Created: k.now().UnixNano(), Issuer: in.Issuer, Grantee: in.Grantee.row(), Retiring: in.Retiring.row(),
		Operations: in.Operations, Equals: in.ContextEquals, Subset: in.ContextSubset, SourceARN: in.SourceARN}
	defer k.keys.forget(in.Key)
	defer k.granted.forget(grantee{in.Key, in.Grantee.Name()})
	var g *Grant
	err := k.meta.Update(ctx, func(tx meta.Txn) error {
		g = row.grant(in.Key, hex.EncodeToString(id[:]))
		key, err := getAs(tx, in.Key)
		if err != nil {
			return err
		}
		if key.Manager == ManagerAWS {
			return ErrManaged
		}
		if err := key.Usable(); err != nil {
			return err
		}
		if in.Name != "" {
			same, err := tx.Get(grantNameKey(in.Key, row.hash()))
			if err == nil {
				if g, err = getGrant(tx, in.Key, string(same)); err != nil {
					return fmt.Errorf("grant %q of %s: %w", in.Name, in.Key, err)
				}
				return also.run(tx, g)
			}
			if !errors.Is(err, meta.ErrNotFound) {
				return err
			}
		}
		if err := countGrants(tx, in.Key, +1); err != nil {
			return err
		}
		if err := putRow(tx, grantKey(in.Key, g.ID), &row); err != nil {
			return err
		}
		for _, index := range row.indexes(in.Key, g.ID) {
			if err := tx.Put(index.key, index.value); err != nil {
				return err
			}
		}
		if err := revision.Bump(tx); err != nil {
			return err
		}
		return also.run(tx, g)
	})
	if err != nil {
		return nil, err
	}
	return g, nil
}

// RemoveGrant removes a grant. When it returns nil, no later decision counts it.
// It returns ErrNotFound or ErrGrantNotFound.
func (k *Keys) RemoveGrant(ctx context.Context, ref Ref, id string, also GrantAlso) (*Grant, error) {
	var g *Grant
	var touched []grantee // in every run of the transaction
	defer func() {
		k.keys.forget(ref)
		k.granted.forget(touched...)
	}()
	err := k.meta.Update(ctx, func(tx meta.Txn) error {
		if _, err := getKey(tx, ref); err != nil {
			return err
		}
		var err error
		if g, err = getGrant(tx, ref, id); err != nil {
			return err
		}
		touched = append(touched, grantee{ref, g.Grantee.Name()})
		if err := dropGrant(tx, g); err != nil {
			return err
		}
		if err := countGrants(tx, ref, -1); err != nil {
			return err
		}
		if err := revision.Bump(tx); err != nil {
			return err
		}
		return also.run(tx, g)
	})
	if err != nil {
		return nil, err
	}
	return g, nil
}

// Grant returns one grant of a key. It returns ErrNotFound or ErrGrantNotFound.
func (k *Keys) Grant(ctx context.Context, ref Ref, id string) (*Grant, error) {
	var g *Grant
	err := k.meta.View(ctx, func(r meta.Reader) error {
		if _, err := getKey(r, ref); err != nil {
			return err
		}
		var err error
		g, err = getGrant(r, ref, id)
		return err
	})
	return g, err
}

// Granted returns the grants of a key whose grantee has one of the names, for a
// decision about a use of the key; see [Grant.Decision]. The caller must not change
// them.
func (k *Keys) Granted(ctx context.Context, key *Key, names ...string) (grants []policy.Grant, err error) {
	if !key.HasGrants {
		return nil, nil
	}
	for _, name := range names {
		if name == "" {
			continue
		}
		list, err := k.grantedTo(ctx, key.Ref, name)
		if err != nil {
			return nil, fmt.Errorf("grants of %s: %w", key.ARN, err)
		}
		if grants == nil {
			grants = slices.Clip(list)
		} else {
			grants = append(grants, list...)
		}
	}
	return grants, nil
}

func (k *Keys) grantedTo(ctx context.Context, ref Ref, name string) ([]policy.Grant, error) {
	at := grantee{ref, name}
	list, era, ok := k.granted.get(at)
	if ok {
		return list, nil
	}
	err := k.meta.View(ctx, func(r meta.Reader) error {
		list = nil
		grants, _, err := grantsOf(r, ref, name, "", MaxGrants)
		for _, g := range grants {
			list = append(list, g.decisions()...)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	k.granted.put(era, at, list)
	return list, nil
}

// Grants returns up to limit grants of a key in the order of their IDs, from the
// first ID above after; only those of one grantee, by [Party.Name], unless it is
// empty. more says that others follow.
func (k *Keys) Grants(ctx context.Context, ref Ref, name, after string, limit int) (grants []*Grant, more bool, err error) {
	err = k.meta.View(ctx, func(r meta.Reader) (err error) {
		if !ref.valid() {
			return ErrNotFound
		}
		if name != "" {
			grants, more, err = grantsOf(r, ref, name, after, limit)
			return err
		}
		grants, more = nil, false
		prefix := grantPrefix(ref)
		return r.Scan(pageAfter(prefix, after, 0), func(key, value []byte) (bool, error) {
			if more = len(grants) == limit; more {
				return false, nil
			}
			var row grantRow
			if err := cbor.Unmarshal(value, &row); err != nil {
				return false, fmt.Errorf("%w: %q", meta.ErrCorrupt, key)
			}
			grants = append(grants, row.grant(ref, string(key[len(prefix):])))
			return true, nil
		})
	})
	return grants, more, err
}

// RetirableGrants returns up to limit grants on keys of a region, of whatever
// account, that the party with that name may retire, from the first above after,
// which is the [Grant.Place] of the last one of the page before.
func (k *Keys) RetirableGrants(ctx context.Context, region, name, after string, limit int) (grants []*Grant, more bool, err error) {
	if !validRegion(region) || name == "" || strings.ContainsRune(name, 0) || len(name) > maxIdentifierOfOthers {
		return nil, false, nil
	}
	prefix := retiringPrefix(region, name)
	err = k.meta.View(ctx, func(r meta.Reader) error {
		grants, more = nil, false
		var places []string
		err := r.Scan(pageAfter(prefix, after, limit+1), func(key, _ []byte) (bool, error) {
			places = append(places, string(key[len(prefix):]))
			return true, nil
		})
		if err != nil {
			return err
		}
		if more = len(places) > limit; more {
			places = places[:limit]
		}
		for _, place := range places {
			p := strings.Split(place, "/")
			if len(p) != 3 {
				return fmt.Errorf("%w: a row names no grant: %q", meta.ErrCorrupt, place)
			}
			g, err := getGrant(r, Ref{p[0], region, p[1]}, p[2])
			if err != nil {
				return fmt.Errorf("grant %s: %w", place, err)
			}
			grants = append(grants, g)
		}
		return nil
	})
	return grants, more, err
}

// Place names the grant among those that one party may retire in a region.
func (g *Grant) Place() string { return g.Key.Account + "/" + g.Key.ID + "/" + g.ID }

// dropGrants removes the grants of a key that is being destroyed, by pages: there
// may be more than one transaction should hold.
func (k *Keys) dropGrants(ctx context.Context, ref Ref) error {
	for {
		n := 0
		err := k.meta.Update(ctx, func(tx meta.Txn) error {
			n = 0
			var page []*Grant
			p := grantPrefix(ref)
			scan := meta.Prefix(p)
			scan.Limit = grantPage
			err := tx.Scan(scan, func(key, value []byte) (bool, error) {
				var row grantRow
				if err := cbor.Unmarshal(value, &row); err != nil {
					return false, fmt.Errorf("%w: %q", meta.ErrCorrupt, key)
				}
				page = append(page, row.grant(ref, string(key[len(p):])))
				return true, nil
			})
			if err != nil {
				return err
			}
			for _, g := range page {
				if err := dropGrant(tx, g); err != nil {
					return err
				}
			}
			if n = len(page); n < grantPage {
				return tx.Delete(grantsKey(ref))
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("remove grants of %s: %w", ref, err)
		}
		if n < grantPage {
			return nil
		}
	}
}

// grantPage is how many grants one transaction removes.
const grantPage = 500

// dropGrant removes the rows of a grant, but not from the count.
func dropGrant(tx meta.Txn, g *Grant) error {
	row := g.row()
	for _, index := range row.indexes(g.Key, g.ID) {
		if err := tx.Delete(index.key); err != nil {
			return err
		}
	}
	return tx.Delete(grantKey(g.Key, g.ID))
}

// countGrants adds to the count of a key's grants, or returns ErrTooManyGrants.
func countGrants(tx meta.Txn, ref Ref, by int) error {
	row, err := getRow[grantsRow](tx, grantsKey(ref))
	if errors.Is(err, meta.ErrNotFound) {
		row, err = new(grantsRow), nil
	}
	if err != nil {
		return err
	}
	switch n := int(row.Count) + by; {
	case n > MaxGrants:
		return ErrTooManyGrants
	case n < 0:
		return fmt.Errorf("%w: %q", meta.ErrCorrupt, grantsKey(ref))
	case n == 0:
		return tx.Delete(grantsKey(ref))
	default:
		row.Count = uint32(n)
		return putRow(tx, grantsKey(ref), row)
	}
}

func hasGrants(r meta.Reader, ref Ref) (bool, error) {
	row, err := getRow[grantsRow](r, grantsKey(ref))
	if errors.Is(err, meta.ErrNotFound) {
		return false, nil
	}
	return err == nil && row.Count > 0, err
}

// getGrant returns a grant, or ErrGrantNotFound.
func getGrant(r meta.Reader, ref Ref, id string) (*Grant, error) {
	if b, err := hex.DecodeString(id); err != nil || len(b) != 32 || hex.EncodeToString(b) != id {
		return nil, ErrGrantNotFound
	}
	row, err := getRow[grantRow](r, grantKey(ref, id))
	if errors.Is(err, meta.ErrNotFound) {
		return nil, ErrGrantNotFound
	}
	if err != nil {
		return nil, err
	}
	return row.grant(ref, id), nil
}

// grantsOf returns up to limit grants of one grantee, from the first ID above after.
func grantsOf(r meta.Reader, ref Ref, name, after string, limit int) (grants []*Grant, more bool, err error) {
	if strings.ContainsRune(name, 0) || len(name) > maxIdentifierOfOthers {
		return nil, false, nil
	}
	var ids []string
	prefix := granteePrefix(ref, name)
	err = r.Scan(pageAfter(prefix, after, limit+1), func(key, _ []byte) (bool, error) {
		ids = append(ids, string(key[len(prefix):]))
		return true, nil
	})
	if err != nil {
		return nil, false, err
	}
	if more = len(ids) > limit; more {
		ids = ids[:limit]
	}
	for _, id := range ids {
		g, err := getGrant(r, ref, id)
		if err != nil {
			return nil, false, fmt.Errorf("grant %s of %s: %w", id, ref, err)
		}
		grants = append(grants, g)
	}
	return grants, more, nil
}

func (p Party) row() partyRow { return partyRow{ARN: p.ARN, ID: p.ID, Service: p.Service} }

func (p partyRow) party() Party { return Party{p.ARN, p.ID, p.Service} }

func (g *Grant) row() grantRow {
	return grantRow{Name: g.Name, Created: g.Created.UnixNano(), Issuer: g.Issuer, Grantee: g.Grantee.row(), Retiring: g.Retiring.row(),
		Operations: g.Operations, Equals: g.ContextEquals, Subset: g.ContextSubset, SourceARN: g.SourceARN}
}

func (row *grantRow) grant(ref Ref, id string) *Grant {
	return &Grant{Key: ref, ID: id, Name: row.Name, Created: fromNano(row.Created), Issuer: row.Issuer, Grantee: row.Grantee.party(),
		Retiring: row.Retiring.party(), Operations: row.Operations, ContextEquals: row.Equals, ContextSubset: row.Subset, SourceARN: row.SourceARN}
}

// hash is the same for two grants that differ in their date alone.
func (row *grantRow) hash() [32]byte {
	same := *row
	same.Created = 0
	same.Operations = slices.Compact(slices.Sorted(slices.Values(row.Operations)))
	b, err := canonical.Marshal(&same)
	if err != nil {
		panic("key: internal error: " + err.Error())
	}
	return sha256.Sum256(b)
}

// canonical encodes maps in one order.
var canonical = func() cbor.EncMode {
	m, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		panic("key: internal error: " + err.Error())
	}
	return m
}()

type indexRow struct{ key, value []byte }

// indexes returns the rows by which a grant is found.
func (row *grantRow) indexes(ref Ref, id string) []indexRow {
	rows := []indexRow{{granteeKey(ref, row.Grantee.party().Name(), id), nil}}
	if p := row.Retiring.party(); !p.isNobody() {
		rows = append(rows, indexRow{retiringKey(ref, p.Name(), id), nil})
	}
	if row.Name != "" {
		rows = append(rows, indexRow{grantNameKey(ref, row.hash()), []byte(id)})
	}
	return rows
}
