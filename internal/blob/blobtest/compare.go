package blobtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"coffer/internal/blob"
)

// Compare drives two empty stores through one random history of steps calls and
// fails at the first answer in which they differ.
func Compare(t *testing.T, seed uint64, steps int, a, b blob.Store) {
	t.Helper()
	ctx := context.Background()
	rnd := rand.New(rand.NewPCG(seed, 0))
	stores := [2]blob.Store{a, b}
	contents := map[string][]byte{} // an id stands for the same bytes for ever
	data := func(id string) []byte {
		if contents[id] == nil {
			contents[id] = Data(Sizes[rnd.IntN(len(Sizes))])
		}
		return contents[id]
	}
	for step := range steps {
		id := fmt.Sprintf("%x", rnd.IntN(40))
		var answers [2]string
		what := [...]string{"put", "put", "abort", "get", "get", "delete", "list", "check"}[rnd.IntN(8)]
		size := rnd.IntN(1 + len(data(id)))
		for i, s := range stores {
			switch what {
			case "put":
				answers[i] = kind(Put(s, id, data(id)))
			case "abort":
				w, err := s.Create(ctx, id, -1)
				if err == nil {
					_, err = w.Write(data(id)[:size])
					w.Abort()
				}
				answers[i] = kind(err)
			case "get":
				got, err := Get(s, id)
				answers[i] = fmt.Sprintf("%s, right: %v", kind(err), bytes.Equal(got, data(id)))
			case "delete":
				answers[i] = kind(s.Delete(ctx, id))
			case "list":
				ids, err := IDs(s, id)
				answers[i] = fmt.Sprintf("%s, %q", kind(err), ids)
			case "check":
				answers[i] = kind(s.Check(ctx, id))
			}
		}
		if answers[0] != answers[1] {
			t.Fatalf("seed %d, step %d: %s %s = %s in %T; %s in %T", seed, step, what, id, answers[0], a, answers[1], b)
		}
	}
}

// kind names the error of the contract that err is.
func kind(err error) string {
	for _, e := range []error{blob.ErrNotFound, blob.ErrCorrupt, blob.ErrUnavailable} {
		if errors.Is(err, e) {
			return e.Error()
		}
	}
	return fmt.Sprint(err)
}
