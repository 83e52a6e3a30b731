package key

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"coffer/internal/keyblob"
	"coffer/internal/meta"
)

func TestDecryptNeedsTheBlobAndTheContext(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	s := makeSample(t, k)
	for _, k := range []*Keys{k, w.open()} {
		got, err := k.Decrypt(t.Context(), region, s.blob, sampleContext)
		if err != nil || !bytes.Equal(got.Plaintext, sampleText) || got.Key.ARN != s.key.ARN || got.Material != s.key.Material {
			t.Fatalf("Decrypt = %v, %v", got, err)
		}
		key, err := k.KeyOf(t.Context(), region, s.blob)
		if err != nil || key.ARN != s.key.ARN {
			t.Fatalf("KeyOf = %v, %v", key, err)
		}
	}
	less := maps.Clone(sampleContext)
	delete(less, "purpose")
	unknown := slices.Clone(s.blob)
	unknown[5] ^= 1 // in the material ID
	tests := []struct {
		name    string
		blob    []byte
		context map[string]string
		want    error
	}{
		{"another context", s.blob, map[string]string{"purpose": "other"}, ErrInvalidCiphertext},
		{"a pair less", s.blob, less, ErrInvalidCiphertext},
		{"no context", s.blob, nil, ErrInvalidCiphertext},
		{"cut", s.blob[:len(s.blob)-1], sampleContext, ErrInvalidCiphertext},
		{"empty", nil, sampleContext, ErrInvalidCiphertext},
		{"altered", append(slices.Clone(s.blob[:len(s.blob)-1]), s.blob[len(s.blob)-1]^1), sampleContext, ErrInvalidCiphertext},
		{"another material", unknown, sampleContext, ErrUnknownMaterial},
	}
	for _, tt := range tests {
		if got, err := k.Decrypt(t.Context(), region, tt.blob, tt.context); !errors.Is(err, tt.want) || got.Plaintext != nil {
			t.Errorf("%s: %v, %v; want %v", tt.name, got, err, tt.want)
		}
	}
	if _, err := k.KeyOf(t.Context(), region, unknown); !errors.Is(err, ErrUnknownMaterial) {
		t.Errorf("KeyOf another material: %v", err)
	}
	if _, err := k.Encrypt(t.Context(), s.key.Ref, make([]byte, keyblob.MaxPlaintext+1), nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Encrypt too much: %v", err)
	}
}

// A key is dead when the call that disables it returns, however many callers
// have it in use and load it anew at that moment.
func TestDisabledKeyIsDeadAtOnce(t *testing.T) {
	k := newWorld(t).open()
	s := makeSample(t, k)
	// phase is odd while the key is dead. It is counted, so that one death is
	// not taken for another with a life between them.
	var phase atomic.Int64
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				before := phase.Load()
				_, err := k.Decrypt(t.Context(), region, s.blob, sampleContext)
				if before%2 == 1 && phase.Load() == before && err == nil {
					t.Error("a disabled key decrypts")
					return
				}
				if err != nil && !errors.Is(err, ErrDisabled) {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 200 {
		if _, err := k.Disable(t.Context(), s.key.Ref, nil); err != nil {
			t.Fatal(err)
		}
		phase.Add(1)
		for range 3 {
			if err := s.check(k, ErrDisabled); err != nil {
				t.Error(err)
			}
		}
		phase.Add(1)
		if _, err := k.Enable(t.Context(), s.key.Ref, nil); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
}

func TestConcurrentUseAndDestruction(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	keep := makeSample(t, k)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var made []sample
	for range 4 {
		wg.Go(func() {
			for range 10 {
				s, doomed := makeSample(t, k), makeSample(t, k)
				if _, err := k.Destroy(t.Context(), []Ref{doomed.key.Ref}, nil); err != nil {
					t.Error(err)
				}
				if err := doomed.check(k, ErrUnknownMaterial); err != nil {
					t.Error(err)
				}
				if err := keep.check(k, nil); err != nil {
					t.Error(err)
				}
				if _, err := k.ServiceSecret(t.Context(), account, [32]byte{}); err != nil {
					t.Error(err)
				}
				mu.Lock()
				made = append(made, s)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if e := k.root.Epoch(); e != 41 {
		t.Errorf("epoch %d; want 41", e)
	}
	for _, k := range []*Keys{k, w.open()} {
		for _, s := range append(made, keep) {
			if err := s.check(k, nil); err != nil {
				t.Error(err)
			}
		}
	}
}

// Material moved to another key's row must not open: the wrap is bound to it.
func TestWrapIsBoundToItsRow(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	a, b := makeSample(t, k), makeSample(t, k)
	err := w.rows.Update(t.Context(), func(tx meta.Txn) error {
		v, err := getRow[versionRow](tx, versionKey(a.key.Ref, 1))
		if err != nil {
			return err
		}
		v.Material = b.key.Material
		return putRow(tx, versionKey(b.key.Ref, 1), v)
	})
	if err != nil {
		t.Fatal(err)
	}
	k = w.open()
	if err := a.check(k, nil); err != nil {
		t.Error(err)
	}
	if err := b.check(k, meta.ErrCorrupt); err != nil {
		t.Error(err)
	}
}

func TestServiceSecrets(t *testing.T) {
	w := newWorld(t)
	k := w.open()
	other := "999999999999"
	get := func(k *Keys, account string, salt byte) Secret {
		t.Helper()
		s, err := k.ServiceSecret(t.Context(), account, [32]byte{salt})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	var wg sync.WaitGroup
	first := make([]Secret, 8)
	for i := range first {
		wg.Go(func() { first[i] = get(k, account, 1) })
	}
	wg.Wait()
	a := first[0]
	if len(slices.Compact(first)) != 1 || a == (Secret{}) {
		t.Fatal("racing first calls give different secrets")
	}
	if get(w.open(), account, 1) != a {
		t.Error("the secret differs after reopening")
	}
	if get(k, account, 2) == a || get(k, other, 1) == a {
		t.Error("another salt or account gives the same secret")
	}
	for _, bad := range []string{"", "1/2", "12345678901", "12345678901x"} {
		if _, err := k.ServiceSecret(t.Context(), bad, [32]byte{}); !errors.Is(err, ErrInvalidID) {
			t.Errorf("account %q: %v", bad, err)
		}
	}
	// The service key of one account put in the row of another does not open.
	err := w.rows.Update(t.Context(), func(tx meta.Txn) error {
		row, err := tx.Get(serviceKey(account))
		if err != nil {
			return err
		}
		return tx.Put(serviceKey(other), row)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.open().ServiceSecret(t.Context(), other, [32]byte{1}); !errors.Is(err, meta.ErrCorrupt) {
		t.Errorf("moved service key: %v; want meta.ErrCorrupt", err)
	}
	// It outlives epochs.
	s := makeSample(t, k)
	if _, err := k.Destroy(t.Context(), []Ref{s.key.Ref}, nil); err != nil {
		t.Fatal(err)
	}
	if get(w.open(), account, 1) != a {
		t.Error("the secret differs after an epoch")
	}
}

func TestLeavesAreUnique(t *testing.T) {
	w := newWorld(t)
	w.rand = fewShards{}
	k := w.open()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				makeSample(t, k)
			}
		})
	}
	wg.Wait()
	seen := make(map[leaf]bool)
	for name, value := range dump(t, w.rows) {
		if !strings.HasPrefix(name, rowVersion) {
			continue
		}
		var row versionRow
		if err := cbor.Unmarshal(value, &row); err != nil {
			t.Fatal(err)
		}
		if seen[row.leaf()] {
			t.Errorf("leaf %v is taken twice", row.leaf())
		}
		seen[row.leaf()] = true
	}
	if len(seen) != 400 {
		t.Errorf("%d leaves; want 400", len(seen))
	}
}

func TestFullShardIsPassedOver(t *testing.T) {
	w := newWorld(t)
	w.rand = fewShards{}
	k := w.open()
	err := w.rows.Update(t.Context(), func(tx meta.Txn) error {
		for i := range uint16(shardCount) {
			if i != 700 {
				if err := putRow(tx, shardKey(i), &shardRow{Next: leafCount}); err != nil {
					return err
				}
			}
		}
		return putRow(tx, shardKey(700), &shardRow{Next: leafCount - 1})
	})
	if err != nil {
		t.Fatal(err)
	}
	s := makeSample(t, k)
	if l := leafOf(t, k, s.key); l != (leaf{700, leafCount - 1}) {
		t.Errorf("leaf %v", l)
	}
	if _, err := k.Create(t.Context(), CreateInput{Account: account, Region: region}, nil); !errors.Is(err, ErrFull) {
		t.Errorf("Create = %v; want ErrFull", err)
	}
}

// A key must not be wrapped under the leaf of a tree that the rows do not know.
func TestShardOfAnotherGenerationIsPassedOver(t *testing.T) {
	w := newWorld(t)
	w.rand = fewShards{}
	k := w.open()
	setGenerations := func(below uint16) {
		t.Helper()
		err := w.rows.Update(t.Context(), func(tx meta.Txn) error {
			for i := range below {
				if err := putRow(tx, shardKey(i), &shardRow{Generation: 1}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	setGenerations(500)
	if l := leafOf(t, k, makeSample(t, k).key); l.shard != 500 {
		t.Errorf("leaf %v", l)
	}
	setGenerations(shardCount)
	if _, err := k.Create(t.Context(), CreateInput{Account: account, Region: region}, nil); !errors.Is(err, ErrWrongRoot) {
		t.Errorf("Create = %v; want ErrWrongRoot", err)
	}
}
