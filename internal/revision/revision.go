// Package revision counts the changes that can take a right away: of identities,
// policies, keys' policies and grants, organizations and sessions. Each of them
// bumps one row in its own transaction, so that whoever decided before it learns
// in a later transaction that the decision has to be made again.
//
// The row "revision" is a big-endian 64-bit number; without it the number is 0.
package revision

import (
	"encoding/binary"
	"errors"
	"fmt"

	"coffer/internal/meta"
)

var row = []byte("revision")

// Read returns the revision in the state that r sees.
func Read(r meta.Reader) (uint64, error) {
	b, err := r.Get(row)
	switch {
	case errors.Is(err, meta.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("read revision: %w", err)
	case len(b) != 8:
		return 0, fmt.Errorf("read revision: %w", meta.ErrCorrupt)
	}
	return binary.BigEndian.Uint64(b), nil
}

// Bump counts one change in the transaction that makes it.
func Bump(tx meta.Txn) error {
	n, err := Read(tx)
	if err != nil {
		return err
	}
	return tx.Put(row, binary.BigEndian.AppendUint64(nil, n+1))
}
