package pebble

import (
	"context"
	"errors"
	"fmt"
	"os"

	engine "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"

	"coffer/internal/meta"
)

// A Damage is a table that does not verify.
type Damage struct {
	Table       string // name of the file in the directory of the store
	First, Last []byte // the rows that the table spans, as far as is known
	Err         error  // wraps meta.ErrCorrupt
}

// Check reads every block of every table and verifies its checksum. It returns
// the damaged tables, all of them, and an error only if it could not look.
// What is not yet in a table was verified when the store was opened.
func (s *Store) Check(ctx context.Context) ([]Damage, error) {
	v, err := s.acquire(false)
	if err != nil {
		return nil, err
	}
	defer s.release(v, false)
	// An open iterator keeps the files of the tables in place.
	pin, err := v.snap.NewIter(nil)
	if err != nil {
		return nil, err
	}
	defer pin.Close()
	levels, err := s.db.SSTables()
	if err != nil {
		return nil, err
	}
	var found []Damage
	seen := make(map[string]bool)
	for _, tables := range levels {
		for _, t := range tables {
			if err := ctx.Err(); err != nil {
				return found, err
			}
			name := tableName(t)
			if seen[name] {
				continue
			}
			seen[name] = true
			err := s.checkTable(ctx, name)
			if errors.Is(err, os.ErrNotExist) && !s.hasTable(name) {
				continue // a compaction that began before the pin has replaced it
			}
			if err != nil {
				found = append(found, Damage{
					Table: name,
					First: t.Smallest.UserKey,
					Last:  t.Largest.UserKey,
					Err:   fmt.Errorf("%w: table %s: %w", meta.ErrCorrupt, name, err),
				})
			}
		}
	}
	return found, nil
}

func (s *Store) checkTable(ctx context.Context, name string) error {
	f, err := s.cfg.FS.Open(s.cfg.FS.PathJoin(s.cfg.Dir, name))
	if err != nil {
		return err
	}
	file, err := sstable.NewSimpleReadable(f)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	r, err := sstable.NewReader(ctx, file, s.readOptions)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	return errors.Join(r.ValidateBlockChecksums(), r.Close())
}

// hasTable reports whether the table is part of the store now.
func (s *Store) hasTable(name string) bool {
	levels, err := s.db.SSTables()
	if err != nil {
		return true
	}
	for _, tables := range levels {
		for _, t := range tables {
			if tableName(t) == name {
				return true
			}
		}
	}
	return false
}

func tableName(t engine.SSTableInfo) string {
	return fmt.Sprintf("%06d.sst", uint64(t.BackingSSTNum))
}
