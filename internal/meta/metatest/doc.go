// Package metatest holds every implementation of [meta.Store] to the same
// behaviour: [Run] for one store, [RunPersistent] for what survives closing,
// [Compare] for two stores that must answer alike. [Faults] wraps a store and
// makes its transactions fail or run twice, for the tests of its users.
package metatest

import (
	"context"
	"errors"
	"testing"

	"coffer/internal/meta"
)

// Run tests one implementation. open returns a new, empty store; Run closes it.
func Run(t *testing.T, open func(t *testing.T) meta.Store) {
	for _, tc := range []struct {
		name string
		test func(t *testing.T, s meta.Store)
	}{
		{"GetPutDelete", testGetPutDelete},
		{"Ownership", testOwnership},
		{"Limits", testLimits},
		{"LargestValue", testLargestValue},
		{"BinaryKeys", testBinaryKeys},
		{"OwnWrites", testOwnWrites},
		{"Abort", testAbort},
		{"Panic", testPanic},
		{"AfterEnd", testAfterEnd},
		{"Context", testContext},
		{"CancelInside", testCancelInside},
		{"ScanBounds", testScanBounds},
		{"ScanStop", testScanStop},
		{"ScanOwnWrites", testScanOwnWrites},
		{"ScanReads", testScanReads},
		{"ScanWrite", testScanWrite},
		{"LostUpdate", testLostUpdate},
		{"LostUpdateByScan", testLostUpdateByScan},
		{"WriteSkew", testWriteSkew},
		{"MissingRow", testMissingRow},
		{"Phantom", testPhantom},
		{"Transfers", testTransfers},
		{"ViewIsStable", testViewIsStable},
		{"ReadYourCommits", testReadYourCommits},
		{"LongTransaction", testLongTransaction},
		{"Close", testClose},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Errorf("Close() = %v", err)
				}
			})
			tc.test(t, s)
		})
	}
}

// put writes rows, given as key, value, key, value, ...
func put(t *testing.T, s meta.Store, rows ...string) {
	t.Helper()
	update(t, s, func(tx meta.Txn) error {
		for i := 0; i < len(rows); i += 2 {
			if err := tx.Put([]byte(rows[i]), []byte(rows[i+1])); err != nil {
				return err
			}
		}
		return nil
	})
}

func update(t *testing.T, s meta.Store, fn func(meta.Txn) error) {
	t.Helper()
	if err := s.Update(context.Background(), fn); err != nil {
		t.Fatalf("Update() = %v", err)
	}
}

func view(t *testing.T, s meta.Store, fn func(meta.Reader) error) {
	t.Helper()
	if err := s.View(context.Background(), fn); err != nil {
		t.Fatalf("View() = %v", err)
	}
}

// get returns the value at key in a View of its own, and "-" for a missing row.
func get(t *testing.T, s meta.Store, key string) string {
	t.Helper()
	var v string
	view(t, s, func(r meta.Reader) (err error) {
		v, err = read(r, key)
		return err
	})
	return v
}

// read returns the value at key, and "-" for a missing row.
func read(r meta.Reader, key string) (string, error) {
	v, err := r.Get([]byte(key))
	if errors.Is(err, meta.ErrNotFound) {
		return "-", nil
	}
	return string(v), err
}

// scan returns the rows of a range as "k=v k=v".
func scan(r meta.Reader, rg meta.Range) (string, error) {
	var out []byte
	err := r.Scan(rg, func(k, v []byte) (bool, error) {
		if len(out) > 0 {
			out = append(out, ' ')
		}
		out = append(out, k...)
		out = append(out, '=')
		out = append(out, v...)
		return true, nil
	})
	return string(out), err
}
