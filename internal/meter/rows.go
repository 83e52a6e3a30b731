package meter

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"coffer/internal/meta"
)

// The rows, all under usage/. docs/spec/data-directory.md describes them.
const (
	rowSince = "usage/since"  // when counting began: Unix nanoseconds in 8 bytes
	rowCalls = "usage/calls/" // month/account/region/, and owner/key ID or nothing: callsRow
	rowLast  = "usage/last/"  // account/region/key ID: lastRow
)

// A callsRow counts the calls of an account with one key, or with none, in a month.
type callsRow struct {
	Counts []countRow `cbor:"1,keyasint"`
}

type countRow struct {
	_         struct{} `cbor:",toarray"`
	Operation string
	Class     Class
	N         uint64
}

func (r *callsRow) add(c opCount) {
	for i := range r.Counts {
		if o := &r.Counts[i]; o.Operation == c.operation && o.Class == c.class {
			o.N += c.n
			return
		}
	}
	r.Counts = append(r.Counts, countRow{Operation: c.operation, Class: c.class, N: c.n})
}

// A lastRow is a LastUse as stored. Times are Unix nanoseconds.
type lastRow struct {
	At        int64  `cbor:"1,keyasint"`
	Operation string `cbor:"2,keyasint"`
	Principal string `cbor:"3,keyasint"`
	Request   string `cbor:"4,keyasint"`
	Event     string `cbor:"5,keyasint"`
}

func callsKey(p place) []byte {
	return []byte(rowCalls + p.month.String() + "/" + position(p.account, p.region, p.key))
}

// position names an account with a key, in the order in which they are listed. A key
// is of the region of the call.
func position(account, region string, k Key) string {
	s := account + "/" + region + "/"
	if k != (Key{}) {
		s += k.Account + "/" + k.ID
	}
	return s
}

func lastKey(k Key) []byte { return []byte(rowLast + k.Account + "/" + k.Region + "/" + k.ID) }

// Calls are those of one account with one key, or about none, in a month.
type Calls struct {
	Account, Region string
	Key             Key // zero for calls about no key
	Operations      map[string]uint64
	Classes         [ClassCount]uint64
}

// Position is where the calls stand in the order of a listing.
func (c *Calls) Position() string { return position(c.Account, c.Region, c.Key) }

// Position returns where calls of an account with a key stand in the order of a
// listing.
func Position(account, region string, k Key) string { return position(account, region, k) }

// List returns the calls of a month that are written: those of one account, or of all
// if it is empty, behind a position, and at most limit of them. Flush first to see
// every call.
func (m *Meter) List(ctx context.Context, month Month, account, after string, limit int) (list []Calls, err error) {
	prefix := rowCalls + month.String() + "/"
	within := meta.Prefix([]byte(prefix))
	if account != "" {
		within = meta.Prefix([]byte(prefix + account + "/"))
	}
	if start := prefix + after + "\x00"; after != "" && start > string(within.Start) {
		within.Start = []byte(start)
	}
	within.Limit = limit
	err = m.cfg.Meta.View(ctx, func(r meta.Reader) error {
		list = nil
		return r.Scan(within, func(key, value []byte) (bool, error) {
			c, err := parseCalls(strings.TrimPrefix(string(key), prefix), value)
			if err != nil {
				return false, fmt.Errorf("%w: %q: %w", meta.ErrCorrupt, key, err)
			}
			list = append(list, c)
			return true, nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list usage of %s: %w", month, err)
	}
	return list, nil
}

var errNoPosition = errors.New("names no account and key")

func parseCalls(at string, value []byte) (Calls, error) {
	part := strings.Split(at, "/")
	if len(part) < 3 || len(part) > 4 || len(part) == 3 && part[2] != "" {
		return Calls{}, errNoPosition
	}
	c := Calls{Account: part[0], Region: part[1], Operations: make(map[string]uint64)}
	if len(part) == 4 {
		c.Key = Key{part[2], part[1], part[3]}
	}
	var row callsRow
	if err := cbor.Unmarshal(value, &row); err != nil {
		return Calls{}, err
	}
	for _, n := range row.Counts {
		if n.Class >= ClassCount {
			return Calls{}, fmt.Errorf("billing class %d", n.Class)
		}
		c.Operations[n.Operation] += n.N
		c.Classes[n.Class] += n.N
	}
	return c, nil
}

// getRow returns the row at key, or an error that is meta.ErrNotFound.
func getRow[T any](r meta.Reader, key []byte) (*T, error) {
	b, err := r.Get(key)
	if err != nil {
		return nil, err
	}
	row := new(T)
	if err := cbor.Unmarshal(b, row); err != nil {
		return nil, fmt.Errorf("%w: %q: %w", meta.ErrCorrupt, key, err)
	}
	return row, nil
}

func putRow(tx meta.Txn, key []byte, row any) error {
	b, err := cbor.Marshal(row)
	if err != nil {
		return fmt.Errorf("encode row %q: %w", key, err)
	}
	return tx.Put(key, b)
}
