package sealtest

import (
	"crypto/rand"
	"testing"

	"coffer/internal/rootseal"
)

func TestStore(t *testing.T) {
	Run(t, func(t *testing.T) func() rootseal.Store {
		s := new(Store)
		return func() rootseal.Store { return s }
	})
}

func TestVault(t *testing.T) {
	RunVault(t, func(t *testing.T) (open, other func() rootseal.Vault) {
		a, b := new(Vault), new(Vault)
		return func() rootseal.Vault { return a }, func() rootseal.Vault { return b }
	})
}

func TestGate(t *testing.T) {
	RunGate(t, func(t *testing.T) (open, other func() rootseal.Gate) {
		a, b := new(Gate), new(Gate)
		rand.Read(a.Key[:])
		rand.Read(b.Key[:])
		return func() rootseal.Gate { return a }, func() rootseal.Gate { return b }
	})
}
