package identity

import (
	"errors"
	"testing"

	"coffer/internal/meta"
)

func TestAddRootKey(t *testing.T) {
	s, restarted := newStore(t)
	var k AccessKey
	a, err := s.CreateAccount(t.Context(), account, "main", func(tx meta.Txn) (err error) {
		k, err = s.AddRootKey(tx, account)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Store{s, restarted} {
		if got, err := s.Lookup(t.Context(), k.ID); err != nil || got.Secret != k.Secret || got.Account != a.ID {
			t.Errorf("Lookup = %v, %v; want the new key", got, err)
		}
		if got, err := s.RootKey(t.Context(), account); err != nil || got.ID != k.ID {
			t.Errorf("RootKey = %v, %v; want the new key", got, err)
		}
	}
	const second = "210987654321"
	full := errors.New("trail is full")
	tests := []struct {
		name string
		also func(meta.Txn) error
		want error
	}{
		{"another account", func(tx meta.Txn) error { _, err := s.AddRootKey(tx, "000000000000"); return err }, ErrNoAccount},
		{"an account with a key", func(tx meta.Txn) error { _, err := s.AddRootKey(tx, account); return err }, ErrAccessKeyExists},
		{"a later failure", func(tx meta.Txn) error { _, err := s.AddRootKey(tx, second); return errors.Join(err, full) }, full},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := s.CreateAccount(t.Context(), second, "second", tt.also); !errors.Is(err, tt.want) {
				t.Errorf("CreateAccount = %v; want %v", err, tt.want)
			}
			if _, err := s.Account(t.Context(), second); !errors.Is(err, ErrNoAccount) {
				t.Errorf("Account = %v; want ErrNoAccount", err)
			}
			if _, err := s.RootKey(t.Context(), second); !errors.Is(err, ErrNoAccessKey) {
				t.Errorf("RootKey = %v; want ErrNoAccessKey", err)
			}
		})
	}
}
