package sealtest

import (
	"context"
	"errors"
	"slices"
	"testing"

	"coffer/internal/rootseal"
)

// RunVault runs the suite of vaults. place returns, for one test, two functions
// that each open the same vault at each call, empty at the first: two vaults that
// share a device, if one can be shared. The suite closes what it opened before it
// opens the same one again.
func RunVault(t *testing.T, place func(t *testing.T) (open, other func() rootseal.Vault)) {
	tests := []struct {
		name string
		run  func(t *testing.T, open, other func() rootseal.Vault)
	}{
		{"Empty", vaultEmpty},
		{"Make", vaultMake},
		{"MakeTwice", vaultMakeTwice},
		{"Forget", vaultForget},
		{"Advance", vaultAdvance},
		{"Numbers", vaultNumbers},
		{"Apart", vaultApart},
		{"Canceled", vaultCanceled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			open, other := place(t)
			test.run(t, closing(t, open), closing(t, other))
		})
	}
}

// closing closes what open returned before it opens again, and when the test ends.
func closing[T interface{ Close() error }](t *testing.T, open func() T) func() T {
	shut := func() {}
	t.Cleanup(func() { shut() })
	return func() T {
		shut()
		v := open()
		shut = func() {
			if err := v.Close(); err != nil {
				t.Errorf("Close = %v", err)
			}
		}
		return v
	}
}

func mustMake(t *testing.T, v rootseal.Vault, epoch uint64) rootseal.Secret {
	t.Helper()
	s, err := v.Make(context.Background(), epoch)
	if err != nil {
		t.Fatal(err)
	}
	if s == (rootseal.Secret{}) {
		t.Fatalf("Make(%d) = zeros", epoch)
	}
	return s
}

func mustForget(t *testing.T, v rootseal.Vault, epoch uint64) {
	t.Helper()
	if err := v.Forget(context.Background(), epoch); err != nil {
		t.Fatal(err)
	}
}

// expectSecrets fails the test unless the vault has exactly these secrets.
func expectSecrets(t *testing.T, v rootseal.Vault, want map[uint64]rootseal.Secret) {
	t.Helper()
	numbers := []uint64{}
	for epoch, secret := range want {
		numbers = append(numbers, epoch)
		if got, err := v.Open(context.Background(), epoch); err != nil || got != secret {
			t.Errorf("Open(%d) = another secret, or %v", epoch, err)
		}
	}
	slices.Sort(numbers)
	if got, err := v.Epochs(context.Background()); err != nil || !slices.Equal(got, numbers) {
		t.Errorf("Epochs = %d, %v; want %d", got, err, numbers)
	}
}

func expectForgotten(t *testing.T, v rootseal.Vault, epoch uint64) {
	t.Helper()
	if s, err := v.Open(context.Background(), epoch); !errors.Is(err, rootseal.ErrNoRoot) || s != (rootseal.Secret{}) {
		t.Errorf("Open(%d) = %v, %v; want zeros and ErrNoRoot", epoch, s, err)
	}
}

func vaultEmpty(t *testing.T, open, _ func() rootseal.Vault) {
	v := open()
	expectSecrets(t, v, nil)
	expectForgotten(t, v, 0)
	expectForgotten(t, v, 1)
	mustForget(t, v, 1)
	expectSecrets(t, open(), nil)
}

func vaultMake(t *testing.T, open, _ func() rootseal.Vault) {
	v := open()
	want := map[uint64]rootseal.Secret{1: mustMake(t, v, 1)}
	expectSecrets(t, v, want)
	expectSecrets(t, open(), want)
	expectForgotten(t, open(), 2)
}

func vaultMakeTwice(t *testing.T, open, _ func() rootseal.Vault) {
	v := open()
	want := map[uint64]rootseal.Secret{7: mustMake(t, v, 7)}
	for range 2 {
		if s, err := v.Make(context.Background(), 7); !errors.Is(err, rootseal.ErrExists) || s != (rootseal.Secret{}) {
			t.Errorf("second Make = %v, %v; want zeros and ErrExists", s, err)
		}
		expectSecrets(t, v, want)
		v = open()
	}
}

// vaultForget forgets, and makes again what it forgot: the secret is a fresh one.
func vaultForget(t *testing.T, open, _ func() rootseal.Vault) {
	v := open()
	first, second := mustMake(t, v, 1), mustMake(t, v, 2)
	for range 2 {
		mustForget(t, v, 1)
		expectForgotten(t, v, 1)
		expectSecrets(t, v, map[uint64]rootseal.Secret{2: second})
		v = open()
		expectForgotten(t, v, 1)
	}
	again := mustMake(t, v, 1)
	if again == first {
		t.Error("the secret of a forgotten epoch came back")
	}
	mustForget(t, v, 2)
	expectSecrets(t, open(), map[uint64]rootseal.Secret{1: again})
	mustForget(t, open(), 1)
	expectSecrets(t, open(), nil)
}

// vaultAdvance changes the epoch many times, as shreds do.
func vaultAdvance(t *testing.T, open, _ func() rootseal.Vault) {
	v := open()
	last := mustMake(t, v, 1)
	seen := map[rootseal.Secret]bool{last: true}
	for n := uint64(2); n < 8; n++ {
		next := mustMake(t, v, n)
		if seen[next] {
			t.Fatalf("epoch %d has the secret of an older one", n)
		}
		seen[next] = true
		expectSecrets(t, v, map[uint64]rootseal.Secret{n - 1: last, n: next})
		if n%3 == 0 {
			v = open()
		}
		mustForget(t, v, n-1)
		expectForgotten(t, v, n-1)
		expectSecrets(t, v, map[uint64]rootseal.Secret{n: next})
		last = next
	}
}

func vaultNumbers(t *testing.T, open, _ func() rootseal.Vault) {
	v := open()
	want := map[uint64]rootseal.Secret{}
	for _, n := range []uint64{0, 1<<64 - 1, 1 << 63, 256} {
		want[n] = mustMake(t, v, n)
	}
	expectSecrets(t, v, want)
	expectSecrets(t, open(), want)
}

// vaultApart fills two vaults that share a device.
func vaultApart(t *testing.T, open, other func() rootseal.Vault) {
	a, b := open(), other()
	one, two := mustMake(t, a, 1), mustMake(t, b, 1)
	if one == two {
		t.Fatal("two vaults have the same secret")
	}
	three := mustMake(t, b, 2)
	expectSecrets(t, a, map[uint64]rootseal.Secret{1: one})
	mustForget(t, a, 1)
	mustForget(t, a, 2)
	expectSecrets(t, a, nil)
	expectSecrets(t, other(), map[uint64]rootseal.Secret{1: two, 2: three})
}

func vaultCanceled(t *testing.T, open, _ func() rootseal.Vault) {
	v := open()
	want := map[uint64]rootseal.Secret{1: mustMake(t, v, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := v.Make(ctx, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("Make = %v; want context.Canceled", err)
	}
	if _, err := v.Open(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Open = %v; want context.Canceled", err)
	}
	if err := v.Forget(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Forget = %v; want context.Canceled", err)
	}
	if _, err := v.Epochs(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Epochs = %v; want context.Canceled", err)
	}
	expectSecrets(t, v, want)
}

// RunGate runs the suite of gates. place returns, for one test, two functions that
// each open the same gate at each call.
func RunGate(t *testing.T, place func(t *testing.T) (open, other func() rootseal.Gate)) {
	mask := func(t *testing.T, g rootseal.Gate, epoch uint64) rootseal.Secret {
		t.Helper()
		s, err := g.Mask(context.Background(), epoch)
		if err != nil || s == (rootseal.Secret{}) {
			t.Fatalf("Mask(%d) = zeros, or %v", epoch, err)
		}
		return s
	}
	t.Run("Mask", func(t *testing.T) {
		open, _ := place(t)
		open = closing(t, open)
		g := open()
		seen := map[rootseal.Secret]uint64{}
		for _, n := range []uint64{0, 1, 2, 256, 1 << 63, 1<<64 - 1} {
			s := mask(t, g, n)
			if m, ok := seen[s]; ok {
				t.Errorf("epochs %d and %d have one mask", n, m)
			}
			seen[s] = n
		}
		for range 2 {
			for s, n := range seen {
				if mask(t, g, n) != s {
					t.Errorf("Mask(%d) changed", n)
				}
			}
			g = open()
		}
	})
	t.Run("Apart", func(t *testing.T) {
		open, other := place(t)
		a, b := closing(t, open)(), closing(t, other)()
		if mask(t, a, 1) == mask(t, b, 1) {
			t.Error("two gates have the same mask")
		}
	})
	t.Run("Canceled", func(t *testing.T) {
		open, _ := place(t)
		g := closing(t, open)()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := g.Mask(ctx, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("Mask = %v; want context.Canceled", err)
		}
		mask(t, g, 1)
	})
}
