package sealtest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"coffer/internal/rootseal"
)

// A Store is a [rootseal.Store] in memory, for tests of what stands on one. The zero
// value is empty.
type Store struct {
	complete map[uint64]*rootseal.Epoch   // roots and heads
	wrote    map[uint64]map[string][]byte // frontiers, by the epoch that wrote them
}

var _ rootseal.Store = (*Store)(nil)

// Epochs implements [rootseal.Store].
func (s *Store) Epochs(ctx context.Context) ([]uint64, error) {
	return slices.Sorted(maps.Keys(s.complete)), ctx.Err()
}

// Load implements [rootseal.Store].
func (s *Store) Load(ctx context.Context, number uint64) (*rootseal.Epoch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	e := s.complete[number]
	if e == nil {
		return nil, rootseal.ErrNoRoot
	}
	out := &rootseal.Epoch{Number: number, Root: e.Root, Head: bytes.Clone(e.Head), Frontiers: make(map[string][]byte)}
	for name, writer := range s.writers(number) {
		out.Frontiers[name] = bytes.Clone(s.wrote[writer][name])
	}
	return out, nil
}

// writers returns which epoch wrote each frontier that an epoch loads.
func (s *Store) writers(number uint64) map[string]uint64 {
	out := make(map[string]uint64)
	for _, writer := range slices.Sorted(maps.Keys(s.wrote)) { // later ones win
		if writer > number {
			break
		}
		for name := range s.wrote[writer] {
			out[name] = writer
		}
	}
	return out
}

// Prepare implements [rootseal.Store].
func (s *Store) Prepare(ctx context.Context, e *rootseal.Epoch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for name := range e.Frontiers {
		if err := rootseal.CheckName(name); err != nil {
			return err
		}
	}
	for number := range s.complete {
		if number == e.Number {
			return rootseal.ErrExists
		}
		if number > e.Number {
			return fmt.Errorf("epoch %d is complete already", number)
		}
	}
	if s.complete == nil {
		s.complete, s.wrote = make(map[uint64]*rootseal.Epoch), make(map[uint64]map[string][]byte)
	}
	s.complete[e.Number] = &rootseal.Epoch{Number: e.Number, Root: e.Root, Head: bytes.Clone(e.Head)}
	s.wrote[e.Number] = make(map[string][]byte)
	for name, f := range e.Frontiers {
		s.wrote[e.Number][name] = bytes.Clone(f)
	}
	return nil
}

// Destroy implements [rootseal.Store].
func (s *Store) Destroy(ctx context.Context, number uint64, keep []string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if e := s.complete[number]; e != nil {
		clear(e.Root[:])
	}
	delete(s.complete, number)
	for writer, frontiers := range s.wrote {
		maps.DeleteFunc(frontiers, func(name string, _ []byte) bool {
			return !slices.Contains(keep, name) || !s.loads(name, writer)
		})
	}
	return nil
}

// loads reports whether a complete epoch loads the frontier that writer wrote.
func (s *Store) loads(name string, writer uint64) bool {
	for number := range s.complete {
		if s.writers(number)[name] == writer {
			return true
		}
	}
	return false
}

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
