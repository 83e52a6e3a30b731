package key

import (
	"errors"
	"testing"
)

// A build that lacks a leaf too many is caught by the proof. A crash between the
// writing and the proof must not let it through when the root opens again, where
// the leaves that were meant to go are not known.
func TestCrashBeforeTheProofOfAnEpochThatLacksALeaf(t *testing.T) {
	for _, tt := range []struct {
		name  string
		built []leaf
		want  uint64
	}{
		{"as meant", []leaf{{3, 5}, {9, 0}}, 2},
		{"a leaf too many of a touched shard", []leaf{{3, 5}, {3, 6}, {9, 0}}, 1},
		{"a leaf too many of another shard", []leaf{{3, 5}, {7, 1}, {9, 0}}, 1},
		{"a leaf too few", []leaf{{3, 5}}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := newMemRoot()
			r, err := OpenRoot(t.Context(), RootConfig{Store: store, Create: true, step: func(name string) error {
				if name == "prepared" {
					return errCrash
				}
				return nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			next, touched, err := r.advance(r.state, tt.built)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.commit(t.Context(), r.state, next, touched, []leaf{{3, 5}, {9, 0}}, nil); !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			r, err = OpenRoot(t.Context(), RootConfig{Store: store})
			if err != nil || r.Epoch() != tt.want {
				t.Errorf("OpenRoot: %v, epoch %d; want %d", err, r.Epoch(), tt.want)
			}
		})
	}
}
