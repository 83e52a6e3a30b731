package metatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"coffer/internal/meta"
)

// Compare runs one random history, drawn from seed, on two empty stores and
// fails at the first answer in which they differ. It leaves both open.
func Compare(t *testing.T, a, b meta.Store, seed uint64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	for step := range 300 {
		var ops []op
		for range 1 + rng.IntN(12) {
			ops = append(ops, randomOp(rng))
		}
		write, abort := rng.IntN(4) > 0, rng.IntN(6) == 0
		got, want := play(a, ops, write, abort), play(b, ops, write, abort)
		if got != want {
			t.Fatalf("seed %d, step %d (write %v, abort %v), operations %v:\n%s\nand\n%s", seed, step, write, abort, ops, got, want)
		}
	}
	all := []op{{kind: "scan"}, {kind: "scan", rg: meta.Range{Reverse: true}}}
	if got, want := play(a, all, false, false), play(b, all, false, false); got != want {
		t.Fatalf("seed %d, at the end:\n%s\nand\n%s", seed, got, want)
	}
}

// An op is one operation of a random history.
type op struct {
	kind       string
	key, value []byte
	rg         meta.Range
	stop       int // rows after which a scan stops
}

func (o op) String() string {
	return fmt.Sprintf("%s(%q %q [%q,%q) reverse %v limit %d stop %d)", o.kind, o.key, o.value, o.rg.Start, o.rg.End, o.rg.Reverse, o.rg.Limit, o.stop)
}

func randomOp(rng *rand.Rand) op {
	switch rng.IntN(6) {
	case 0, 1:
		return op{kind: "put", key: randomKey(rng), value: bytes.Repeat([]byte{byte(rng.IntN(256))}, rng.IntN(40))}
	case 2:
		return op{kind: "delete", key: randomKey(rng)}
	case 3:
		return op{kind: "get", key: randomKey(rng)}
	default:
		rg := meta.Range{Reverse: rng.IntN(2) == 0}
		if rng.IntN(4) > 0 {
			rg.Start = randomKey(rng)
		}
		if rng.IntN(4) > 0 {
			rg.End = randomKey(rng)
		}
		if rng.IntN(2) == 0 {
			rg.Limit = rng.IntN(6)
		}
		return op{kind: "scan", rg: rg, stop: rng.IntN(10)}
	}
}

// randomKey draws from few keys, so that histories hit them again; some are
// prefixes of others, some empty or with the bytes 00 and ff.
func randomKey(rng *rand.Rand) []byte {
	const alphabet = "\x00ab\xff"
	key := make([]byte, rng.IntN(5))
	for i := range key {
		key[i] = alphabet[rng.IntN(len(alphabet))]
	}
	return key
}

var errPlayAbort = errors.New("abort")

// play runs ops in one transaction and describes every answer.
func play(s meta.Store, ops []op, write, abort bool) string {
	var out bytes.Buffer
	read := func(r meta.Reader, o op) {
		switch o.kind {
		case "get":
			v, err := r.Get(o.key)
			fmt.Fprintf(&out, "get %q = %q %s\n", o.key, v, describe(err))
		case "scan":
			n := 0
			err := r.Scan(o.rg, func(k, v []byte) (bool, error) {
				n++
				fmt.Fprintf(&out, "  %q = %q\n", k, v)
				return n != o.stop, nil
			})
			fmt.Fprintf(&out, "scan %s\n", describe(err))
		}
	}
	var err error
	if write {
		err = s.Update(context.Background(), func(tx meta.Txn) error {
			out.Reset()
			for _, o := range ops {
				switch o.kind {
				case "put":
					fmt.Fprintf(&out, "put %q %s\n", o.key, describe(tx.Put(o.key, o.value)))
				case "delete":
					fmt.Fprintf(&out, "delete %q %s\n", o.key, describe(tx.Delete(o.key)))
				default:
					read(tx, o)
				}
			}
			if abort {
				return errPlayAbort
			}
			return nil
		})
	} else {
		err = s.View(context.Background(), func(r meta.Reader) error {
			for _, o := range ops {
				read(r, o)
			}
			return nil
		})
	}
	fmt.Fprintf(&out, "end %s", describe(err))
	return out.String()
}

// describe names the errors that the contract names; other texts may differ
// from store to store.
func describe(err error) string {
	for _, known := range []error{meta.ErrNotFound, meta.ErrCorrupt, meta.ErrUnavailable, meta.ErrClosed, errPlayAbort} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if err != nil {
		return "an error"
	}
	return "ok"
}
