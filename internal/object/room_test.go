package object_test

import (
	"errors"
	"fmt"
	"testing"

	"coffer/internal/blob"
	"coffer/internal/meta"
	"coffer/internal/object"
	"coffer/internal/sealed"
)

// A store without room refuses bodies, small and large, and still deletes.
func TestNoRoomForBodies(t *testing.T) {
	w := newWorld(t, 5)
	full := false
	cfg := w.config()
	cfg.Room = func() error {
		if full {
			return fmt.Errorf("%w: no room", blob.ErrUnavailable)
		}
		return nil
	}
	s, err := object.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b := w.bucket("b", object.NeverVersioned)
	put := func(key string, n int) error {
		write := w.write(b, key, sealingOf(sealed.ModeS3, ""))
		_, _, err := s.Put(t.Context(), write, bodyOf(make([]byte, n)))
		return err
	}
	if err := put("old", 10); err != nil {
		t.Fatal(err)
	}
	full = true
	for _, n := range []int{0, 10, 1 << 20} {
		if err := put("new", n); !errors.Is(err, blob.ErrUnavailable) {
			t.Errorf("Put of %d bytes without room = %v; want ErrUnavailable", n, err)
		}
	}
	if _, err := s.Delete(t.Context(), b, "old", "", object.DeleteCondition{}, func(meta.Txn, object.Deleted) error { return nil }); err != nil {
		t.Errorf("Delete without room = %v; want nil", err)
	}
	full = false
	if err := put("new", 1<<20); err != nil {
		t.Errorf("Put with room again = %v; want nil", err)
	}
}
