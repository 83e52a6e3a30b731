package sealtest

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"

	"coffer/internal/rootseal"
)

// A Vault is a [rootseal.Vault] in memory, for tests of what stands on one. It keeps
// its secrets when it is closed. The zero value is empty.
type Vault struct {
	// Fail is asked before each call, and its error is the call's. nil means
	// that none fails.
	Fail func(call string, epoch uint64) error

	secrets map[uint64]rootseal.Secret
}

var _ rootseal.Vault = (*Vault)(nil)

func (v *Vault) begin(ctx context.Context, call string, epoch uint64) error {
	if err := ctx.Err(); err != nil || v.Fail == nil {
		return err
	}
	return v.Fail(call, epoch)
}

// Make implements [rootseal.Vault].
func (v *Vault) Make(ctx context.Context, epoch uint64) (rootseal.Secret, error) {
	if err := v.begin(ctx, "Make", epoch); err != nil {
		return rootseal.Secret{}, err
	}
	if _, ok := v.secrets[epoch]; ok {
		return rootseal.Secret{}, rootseal.ErrExists
	}
	var s rootseal.Secret
	rand.Read(s[:])
	if v.secrets == nil {
		v.secrets = map[uint64]rootseal.Secret{}
	}
	v.secrets[epoch] = s
	return s, nil
}

// Open implements [rootseal.Vault].
func (v *Vault) Open(ctx context.Context, epoch uint64) (rootseal.Secret, error) {
	if err := v.begin(ctx, "Open", epoch); err != nil {
		return rootseal.Secret{}, err
	}
	s, ok := v.secrets[epoch]
	if !ok {
		return s, rootseal.ErrNoRoot
	}
	return s, nil
}

// Forget implements [rootseal.Vault].
func (v *Vault) Forget(ctx context.Context, epoch uint64) error {
	if err := v.begin(ctx, "Forget", epoch); err != nil {
		return err
	}
	delete(v.secrets, epoch)
	return nil
}

// Epochs implements [rootseal.Vault].
func (v *Vault) Epochs(ctx context.Context) ([]uint64, error) {
	if err := v.begin(ctx, "Epochs", 0); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(v.secrets)), nil
}

// Close does nothing.
func (v *Vault) Close() error { return nil }

// A Gate is a [rootseal.Gate] in memory, for tests of what stands on one.
type Gate struct{ Key [32]byte }

var _ rootseal.Gate = (*Gate)(nil)

// Mask implements [rootseal.Gate].
func (g *Gate) Mask(ctx context.Context, epoch uint64) (rootseal.Secret, error) {
	if err := ctx.Err(); err != nil {
		return rootseal.Secret{}, err
	}
	h := hmac.New(sha256.New, g.Key[:])
	h.Write(binary.BigEndian.AppendUint64(nil, epoch))
	return rootseal.Secret(h.Sum(nil)), nil
}

// Close does nothing.
func (g *Gate) Close() error { return nil }
