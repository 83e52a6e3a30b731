package identity

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"coffer/internal/meta"
	"coffer/internal/meta/mem"
)

var testTime = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const account = "123456789012"

func newStoreNow() time.Time { return testTime }

// newStore returns a store, and the same rows as a restarted server sees them.
func newStore(t *testing.T) (s, restarted *Store) {
	t.Helper()
	cfg := Config{Meta: mem.New(), Now: newStoreNow}
	t.Cleanup(func() { cfg.Meta.Close() })
	return New(cfg), New(cfg)
}

// newAccount returns a store that has one account.
func newAccount(t *testing.T) (s, restarted *Store) {
	t.Helper()
	s, restarted = newStore(t)
	if _, err := s.CreateAccount(t.Context(), account, "main", nil); err != nil {
		t.Fatal(err)
	}
	return s, restarted
}

func TestCreateAccount(t *testing.T) {
	s, restarted := newStore(t)
	a, err := s.CreateAccount(t.Context(), account, "main", nil)
	if err != nil {
		t.Fatal(err)
	}
	if a.ID != account || a.Name != "main" || !a.CreatedAt.Equal(testTime) || !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(a.CanonicalUserID) {
		t.Errorf("CreateAccount = %+v", a)
	}
	if got, err := restarted.Account(t.Context(), account); got != a || err != nil {
		t.Errorf("Account = %+v, %v; want %+v, <nil>", got, err, a)
	}
	b, err := s.CreateAccount(t.Context(), "", "second", nil)
	if err != nil || !regexp.MustCompile(`^[1-9][0-9]{11}$`).MatchString(b.ID) || b.CanonicalUserID == a.CanonicalUserID {
		t.Errorf("CreateAccount without an ID = %+v, %v", b, err)
	}
	if list, err := restarted.Accounts(t.Context()); len(list) != 2 || err != nil {
		t.Errorf("Accounts = %v, %v; want two", list, err)
	}
	if _, err := s.Account(t.Context(), "000000000000"); !errors.Is(err, ErrNoAccount) {
		t.Errorf("Account of an unknown ID = %v; want ErrNoAccount", err)
	}
}

func TestCreateAccountRefuses(t *testing.T) {
	s, _ := newAccount(t)
	tests := []struct {
		name, id, accountName string
		want                  error
	}{
		{"same ID", account, "other", ErrAccountExists},
		{"same name", "210987654321", "main", ErrAccountExists},
		{"short ID", "12345678901", "other", ErrInvalid},
		{"ID with letters", "12345678901a", "other", ErrInvalid},
		{"ID with a slash", "identity/key", "other", ErrInvalid},
		{"no name", "210987654321", "", ErrInvalid},
		{"long name", "210987654321", strings.Repeat("n", 51), ErrInvalid},
		{"line break in the name", "210987654321", "a\nb", ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if a, err := s.CreateAccount(t.Context(), tt.id, tt.accountName, nil); !errors.Is(err, tt.want) {
				t.Errorf("CreateAccount = %+v, %v; want %v", a, err, tt.want)
			}
		})
	}
}

func TestNewRootKey(t *testing.T) {
	s, restarted := newAccount(t)
	k, err := s.NewRootKey(t.Context(), account, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^AKIA[A-Z2-7]{16}$`).MatchString(k.ID) || !regexp.MustCompile(`^[A-Za-z0-9+/]{40}$`).MatchString(k.Secret.Reveal()) {
		t.Errorf("NewRootKey = %s and a secret of %d characters", k.ID, len(k.Secret.Reveal()))
	}
	if k.Principal != "arn:aws:iam::123456789012:root" || k.Account != account || k.Status != Active || !k.CreatedAt.Equal(testTime) {
		t.Errorf("NewRootKey = %+v", k)
	}
	for _, s := range []*Store{s, restarted} {
		if got, err := s.Lookup(t.Context(), k.ID); err != nil || *got != k {
			t.Errorf("Lookup = %+v, %v; want %+v, <nil>", got, err, k)
		}
		if got, err := s.RootKey(t.Context(), account); err != nil || got != k {
			t.Errorf("RootKey = %+v, %v; want %+v, <nil>", got, err, k)
		}
	}
	other, err := s.NewRootKey(t.Context(), account, nil)
	if err != nil || other.ID == k.ID || other.Secret == k.Secret {
		t.Errorf("a second NewRootKey = %s, %v; want another key", other.ID, err)
	}
}

func TestPutRootKeyReplaces(t *testing.T) {
	s, restarted := newAccount(t)
	old, err := s.NewRootKey(t.Context(), account, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Lookup(t.Context(), old.ID); err != nil { // and remember it
		t.Fatal(err)
	}
	if _, err := s.PutRootKey(t.Context(), account, "admin", NewSecret("password-1"), nil); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*Store{"store": s, "restarted": restarted} {
		if k, err := s.Lookup(t.Context(), old.ID); !errors.Is(err, ErrNoAccessKey) {
			t.Errorf("%s: Lookup of the replaced key = %v, %v; want ErrNoAccessKey", name, k, err)
		}
		if k, err := s.Lookup(t.Context(), "admin"); err != nil || k.Secret.Reveal() != "password-1" {
			t.Errorf("%s: Lookup of the new key = %v, %v", name, k, err)
		}
	}
	if _, err := s.PutRootKey(t.Context(), account, "admin", NewSecret("password-2"), nil); err != nil {
		t.Fatal(err)
	}
	if k, err := s.Lookup(t.Context(), "admin"); err != nil || k.Secret.Reveal() != "password-2" {
		t.Errorf("Lookup after a new secret = %v, %v; want the new secret", k, err)
	}
}

func TestPutRootKeyAgainChangesNothing(t *testing.T) {
	s, _ := newAccount(t)
	first, err := s.PutRootKey(t.Context(), account, "admin", NewSecret("password"), nil)
	if err != nil {
		t.Fatal(err)
	}
	recorded := false
	again, err := s.PutRootKey(t.Context(), account, "admin", NewSecret("password"), func(meta.Txn) error { recorded = true; return nil })
	if again != first || err != nil || recorded {
		t.Errorf("PutRootKey again = %+v, %v, recorded %t; want %+v, <nil>, false", again, err, recorded, first)
	}
}

func TestPutRootKeyRefuses(t *testing.T) {
	s, _ := newAccount(t)
	if _, err := s.CreateAccount(t.Context(), "210987654321", "second", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutRootKey(t.Context(), "210987654321", "theirs", NewSecret("password"), nil); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, account, id, secret string
		want                      error
	}{
		{"unknown account", "000000000000", "admin", "password", ErrNoAccount},
		{"key of another account", account, "theirs", "password", ErrAccessKeyExists},
		{"short ID", account, "ab", "password", ErrInvalid},
		{"long ID", account, strings.Repeat("a", 129), "password", ErrInvalid},
		{"slash in the ID", account, "a/b/c", "password", ErrInvalid},
		{"space in the ID", account, "a b", "password", ErrInvalid},
		{"short secret", account, "admin", "passwor", ErrInvalid},
		{"empty secret", account, "admin", "", ErrInvalid},
		{"line break in the secret", account, "admin", "pass\nword", ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := s.PutRootKey(t.Context(), tt.account, tt.id, NewSecret(tt.secret), nil)
			if !errors.Is(err, tt.want) {
				t.Errorf("PutRootKey = %v; want %v", err, tt.want)
			}
			if tt.secret != "" && strings.Contains(fmt.Sprint(err), tt.secret) {
				t.Errorf("the error holds the secret: %v", err)
			}
		})
	}
}

func TestAlsoRunsInTheTransaction(t *testing.T) {
	s, _ := newAccount(t)
	full := errors.New("trail is full")
	refuse := func(meta.Txn) error { return full }
	if _, err := s.CreateAccount(t.Context(), "210987654321", "second", refuse); !errors.Is(err, full) {
		t.Errorf("CreateAccount = %v; want %v", err, full)
	}
	if _, err := s.PutRootKey(t.Context(), account, "admin", NewSecret("password"), refuse); !errors.Is(err, full) {
		t.Errorf("PutRootKey = %v; want %v", err, full)
	}
	if list, err := s.Accounts(t.Context()); len(list) != 1 || err != nil {
		t.Errorf("Accounts = %v, %v; want the first only", list, err)
	}
	if _, err := s.Lookup(t.Context(), "admin"); !errors.Is(err, ErrNoAccessKey) {
		t.Errorf("Lookup = %v; want ErrNoAccessKey", err)
	}
	if _, err := s.RootKey(t.Context(), account); !errors.Is(err, ErrNoAccessKey) {
		t.Errorf("RootKey = %v; want ErrNoAccessKey", err)
	}
}

func TestLookupRefusesOddIDs(t *testing.T) {
	s, _ := newAccount(t)
	for _, id := range []string{"", "AKIAUNKNOWN", "../account/" + account, strings.Repeat("A", 1<<20), "\x00"} {
		if k, err := s.Lookup(t.Context(), id); !errors.Is(err, ErrNoAccessKey) {
			t.Errorf("Lookup(%.20q) = %v, %v; want ErrNoAccessKey", id, k, err)
		}
	}
}

// TestReplacedKeyIsGone looks keys up while they are replaced: once PutRootKey has
// returned, nobody finds the one before.
func TestReplacedKeyIsGone(t *testing.T) {
	s, _ := newAccount(t)
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				s.Lookup(ctx, fmt.Sprintf("key-%d", i%50))
			}
		})
	}
	for i := range 50 {
		if _, err := s.PutRootKey(t.Context(), account, fmt.Sprintf("key-%d", i), NewSecret("password"), nil); err != nil {
			t.Error(err)
		}
		if i > 0 {
			if _, err := s.Lookup(t.Context(), fmt.Sprintf("key-%d", i-1)); !errors.Is(err, ErrNoAccessKey) {
				t.Errorf("Lookup of key %d after it was replaced = %v; want ErrNoAccessKey", i-1, err)
			}
		}
	}
	cancel()
	readers.Wait()
}

func TestSecretIsRedacted(t *testing.T) {
	k := AccessKey{ID: "AKIA", Secret: NewSecret("topsecret")}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "key", k, "secret", k.Secret)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", k, "pointer", &k, "secret", k.Secret)
	text, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	hexed := hex.EncodeToString([]byte("topsecret"))
	for _, s := range []string{fmt.Sprint(k), fmt.Sprintf("%+v %#v %x %q", k, k, k.Secret, k.Secret), fmt.Sprint(&k, k.Secret), string(text), log.String()} {
		if strings.Contains(s, "topsecret") || strings.Contains(s, hexed) {
			t.Errorf("the secret shows: %s", s)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	s := New(Config{Meta: mem.New()})
	if _, err := s.CreateAccount(b.Context(), account, "main", nil); err != nil {
		b.Fatal(err)
	}
	k, err := s.NewRootKey(b.Context(), account, nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Lookup(b.Context(), k.ID); err != nil {
			b.Fatal(err)
		}
	}
}

// TestRowsOfBefore reads the rows of accounts and keys without the fields that came
// later.
func TestRowsOfBefore(t *testing.T) {
	s, _ := newStore(t)
	type oldAccount struct {
		Name            string `cbor:"1,keyasint"`
		CreatedAt       int64  `cbor:"2,keyasint"`
		CanonicalUserID string `cbor:"3,keyasint"`
	}
	type oldKey struct {
		Account   string `cbor:"1,keyasint"`
		Principal string `cbor:"2,keyasint"`
		Secret    string `cbor:"3,keyasint"`
		CreatedAt int64  `cbor:"4,keyasint"`
		Status    Status `cbor:"5,keyasint"`
	}
	at := testTime.UnixMilli()
	err := s.cfg.Meta.Update(t.Context(), func(tx meta.Txn) error {
		return errors.Join(put(tx, rowAccount+account, oldAccount{"main", at, "abc"}), put(tx, rowRoot+account, "AKIAOLD"),
			put(tx, rowKey+"AKIAOLD", oldKey{account, "arn:aws:iam::123456789012:root", "password", at, Active}))
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Account{ID: account, Name: "main", CreatedAt: testTime, CanonicalUserID: "abc"}
	if a, err := s.Account(t.Context(), account); err != nil || a != want {
		t.Errorf("Account = %+v, %v; want %+v", a, err, want)
	}
	if k, err := s.Lookup(t.Context(), "AKIAOLD"); err != nil || !k.IsRoot() || k.Secret.Reveal() != "password" || k.Principal != "arn:aws:iam::123456789012:root" {
		t.Errorf("Lookup = %+v, %v; want the root key", k, err)
	}
	if sum, err := s.Summary(t.Context(), account); err != nil || sum != (Summary{HasRootKey: true}) {
		t.Errorf("Summary = %+v, %v; want a root key only", sum, err)
	}
}
