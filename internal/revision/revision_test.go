package revision

import (
	"context"
	"errors"
	"testing"

	"coffer/internal/meta"
	"coffer/internal/meta/mem"
)

func TestBump(t *testing.T) {
	ctx := context.Background()
	s := mem.New()
	for want := range uint64(3) {
		err := s.Update(ctx, func(tx meta.Txn) error {
			n, err := Read(tx)
			if n != want {
				t.Errorf("Read = %d; want %d", n, want)
			}
			return errors.Join(err, Bump(tx))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadDamage(t *testing.T) {
	ctx := context.Background()
	s := mem.New()
	err := s.Update(ctx, func(tx meta.Txn) error {
		if err := tx.Put(row, []byte("short")); err != nil {
			return err
		}
		_, err := Read(tx)
		return err
	})
	if !errors.Is(err, meta.ErrCorrupt) {
		t.Errorf("Read of a damaged row = %v; want ErrCorrupt", err)
	}
}
