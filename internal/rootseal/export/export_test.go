package export

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"coffer/internal/rootseal"
	"coffer/internal/rootseal/sealtest"
)

type gate byte

func (g gate) Mask(_ context.Context, epoch uint64) (rootseal.Secret, error) {
	return rootseal.DeriveMask(&rootseal.Secret{byte(g)}, epoch)
}

func (gate) Close() error { return nil }

var header = Header{StoreID: strings.Repeat("0a", 16), Kind: "test", Settings: map[string]string{"a": "b"}}

func mustSeal(t testing.TB, e *rootseal.Epoch) []byte {
	t.Helper()
	b, err := Seal(context.Background(), header, e, gate(1))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestExport(t *testing.T) {
	for _, e := range []*rootseal.Epoch{sealtest.NewEpoch(7, "a", "shard-0007-2", "z"), sealtest.NewEpoch(1)} {
		b := mustSeal(t, e)
		if bytes.Contains(b, e.Root[:]) {
			t.Error("the root is in the clear")
		}
		h, err := Parse(b)
		if err != nil || h.Epoch != e.Number || h.Kind != "test" || h.Settings["a"] != "b" {
			t.Errorf("Parse = %+v, %v", h, err)
		}
		got, err := Open(t.Context(), b, gate(1))
		if err != nil {
			t.Fatal(err)
		}
		if got.Number != e.Number || got.Root != e.Root || !bytes.Equal(got.Head, e.Head) || len(got.Frontiers) != len(e.Frontiers) {
			t.Errorf("Open returns another epoch")
		}
		for name, f := range e.Frontiers {
			if !bytes.Equal(got.Frontiers[name], f) {
				t.Errorf("frontier %s differs", name)
			}
		}
		if _, err := Open(t.Context(), b, gate(2)); !errors.Is(err, ErrDamaged) {
			t.Errorf("Open behind another gate = %v; want ErrDamaged", err)
		}
	}
}

func TestEveryByteCounts(t *testing.T) {
	e := sealtest.NewEpoch(3, "a")
	e.Head = e.Head[:40]
	b := mustSeal(t, e)
	for i := range b {
		wrong := bytes.Clone(b)
		wrong[i] ^= 1
		if _, err := Open(t.Context(), wrong, gate(1)); err == nil {
			t.Errorf("Open with byte %d altered = nil", i)
		}
	}
	for n := range b {
		if _, err := Open(t.Context(), b[:n], gate(1)); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotExport) {
			t.Errorf("Open of the first %d bytes = %v", n, err)
		}
	}
	if _, err := Open(t.Context(), append(b, 0), gate(1)); !errors.Is(err, ErrDamaged) {
		t.Errorf("Open with a byte more = %v", err)
	}
}

func TestNames(t *testing.T) {
	if _, err := Seal(t.Context(), header, sealtest.NewEpoch(1, "../x"), gate(1)); err == nil {
		t.Error("Seal of a frontier ../x = nil; want an error")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(mustSeal(f, sealtest.NewEpoch(1, "a")))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := Parse(b)
		if err == nil && (h.Epoch == 0 || len(h.StoreID) != 32) {
			t.Errorf("Parse = %+v", h)
		}
		_, _ = Open(context.Background(), b, gate(1))
	})
}

// FuzzDecode skips the seal, which nobody forges.
func FuzzDecode(f *testing.F) {
	for _, e := range []*rootseal.Epoch{sealtest.NewEpoch(1), sealtest.NewEpoch(2, "a", "b")} {
		e.Head = e.Head[:20]
		b, err := encode(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(binary.BigEndian.AppendUint32(make([]byte, 44), 0xffffffff))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decode(b)
		if err != nil {
			return
		}
		again, err := encode(e)
		if err != nil || len(again) != len(b) {
			t.Errorf("decode and encode gives %d bytes of %d, %v", len(again), len(b), err)
		}
	})
}
