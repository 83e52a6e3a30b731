package disk

import (
	"context"
	"errors"
	"testing"

	"coffer/internal/blob"
)

// A store that is filling up refuses blobs in time, frees what it had begun, and
// takes blobs again when there is room.
func TestReserveIsKept(t *testing.T) {
	free := int64(1 << 30)
	s, err := Open(Config{Dir: t.TempDir(), MinFreeBytes: 1 << 20, Free: func(string) (int64, error) { return free, nil }})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	w, err := s.Create(ctx, "aa01", -1)
	if err != nil {
		t.Fatal(err)
	}
	free = 1<<20 - 1
	if _, err := s.Create(ctx, "aa02", -1); !errors.Is(err, blob.ErrUnavailable) {
		t.Errorf("Create below the reserve = %v; want ErrUnavailable", err)
	}
	for range 64 {
		if _, err = w.Write(make([]byte, 256<<10)); err != nil {
			break
		}
	}
	if !errors.Is(err, blob.ErrUnavailable) {
		t.Errorf("Write below the reserve = %v; want ErrUnavailable", err)
	}
	w.Abort()
	if _, err := s.Open(ctx, "aa01"); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Open of a blob that was given up = %v; want ErrNotFound", err)
	}
	free = 1 << 20
	w, err = s.Create(ctx, "aa02", -1)
	if err != nil {
		t.Fatalf("Create with room = %v", err)
	}
	if err := w.Commit(); err != nil {
		t.Errorf("Commit with room = %v", err)
	}
}
