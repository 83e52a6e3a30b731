package kms

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/identity"
	"coffer/internal/key"
	"coffer/internal/meta"
	"coffer/internal/meta/mem"
	"coffer/internal/meter"
	"coffer/internal/organization"
	"coffer/internal/rootseal/sealtest"
	"coffer/internal/trail"
)

const (
	account   = "123456789012"
	stranger  = "210987654321"
	region    = "us-east-1"
	unknownID = "134f2428-cec1-4b25-a1ae-9048164dba47"
)

// A bench is a service over real keys in memory, and a clock to move.
type bench struct {
	*Service
	keys *key.Keys
	now  time.Time
	log  *strings.Builder

	store    meta.Store
	trail    *trail.Trail
	identity *identity.Store
	chains   chains
	outside  outsider

	by *authn.Caller // who tries; self if nil
}

// as returns a bench on which c tries.
func (b *bench) as(c *authn.Caller) *bench {
	other := *b
	other.by = c
	return &other
}

func (b *bench) caller() *authn.Caller {
	if b.by == nil {
		return self
	}
	return b.by
}

// chains are what stands above accounts.
type chains map[string]*organization.Chain

func (c chains) Chain(_ context.Context, account string) (*organization.Chain, error) {
	return c[account], nil
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{chains: make(chains), now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), log: new(strings.Builder)}
	root, err := key.OpenRoot(t.Context(), key.RootConfig{
		Store:  new(sealtest.Store),
		Create: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.store = mem.New()
	now := func() time.Time { return b.now }
	b.keys, err = key.Open(t.Context(), key.Config{Meta: b.store, Root: root, Now: now, Dialer: &b.outside})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.keys.Close)
	b.trail, err = trail.New(t.Context(), trail.Config{Store: b.store, Node: "n", FlushEvery: time.Hour, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.trail.Close(context.Background()) })
	b.identity = identity.New(identity.Config{Meta: b.store, Now: now})
	t.Cleanup(func() { b.identity.Close(context.Background()) })
	for _, id := range []string{account, stranger} {
		if _, err := b.identity.CreateAccount(t.Context(), id, "account "+id, nil); err != nil {
			t.Fatal(err)
		}
	}
	// Without Meta denials have no authorization ID, so that texts can be compared.
	gate := authz.New(authz.Config{Trail: b.trail, Identities: b.identity, Organizations: b.chains, Now: now})
	m, err := meter.Open(t.Context(), meter.Config{Meta: b.store, Now: now, FlushEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(context.Background()) })
	b.Service = New(Config{Keys: b.keys, Gate: gate, Principals: b.identity, Meter: m, Now: now, Log: slog.New(slog.NewJSONHandler(b.log, nil))})
	return b
}

// events returns the events that were recorded, in order.
func (b *bench) events(t testing.TB) (events []string) {
	t.Helper()
	if err := b.trail.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := trail.Scan(t.Context(), b.store, "n", 1, func(e trail.Entry) (bool, error) {
		events = append(events, string(e.JSON))
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func caller(account string) *authn.Caller {
	return &authn.Caller{Type: authn.TypeRoot, Account: account, ARN: "arn:aws:iam::" + account + ":root", PrincipalID: account,
		Region: region, Service: "kms", RequestID: "req-1", SourceIP: "192.0.2.1"}
}

var (
	self    = caller(account)
	foreign = caller(stranger)
)

// newKey makes a key and returns its metadata.
func (b *bench) newKey(t testing.TB) KeyMetadata {
	t.Helper()
	out, err := b.CreateKey(t.Context(), self, &CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	return out.KeyMetadata
}

// ciphertext encrypts text under a key, with a context.
func (b *bench) ciphertext(t testing.TB, id, text string, encryptionContext map[string]string) []byte {
	t.Helper()
	out, err := b.Encrypt(t.Context(), self, &EncryptInput{KeyID: id, Plaintext: Plaintext(text), EncryptionContext: encryptionContext})
	if err != nil {
		t.Fatal(err)
	}
	return out.CiphertextBlob
}

// into brings a key into a state.
func (b *bench) into(t testing.TB, id string, state key.State) {
	t.Helper()
	var err error
	switch state {
	case key.Disabled:
		_, err = b.DisableKey(t.Context(), self, &KeyInput{id})
	case key.PendingDeletion:
		_, err = b.ScheduleKeyDeletion(t.Context(), self, &ScheduleKeyDeletionInput{KeyID: id, PendingWindowInDays: ptr[int32](7)})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func ptr[T any](v T) *T { return &v }

// wantError fails the test unless err is what a client sees as "Code: message".
func wantError(t *testing.T, what string, err error, want string) {
	t.Helper()
	e := awserr.As(err)
	if e == nil {
		t.Errorf("%s = %v; want %s", what, err, want)
		return
	}
	if e.Error() != want {
		t.Errorf("%s =\n\t%s; want\n\t%s", what, e.Error(), want)
	}
	if status := map[string]int{"NotImplemented": 501, "KMSInternalException": 500}[e.Code]; e.Status != max(status, 400) {
		t.Errorf("%s: status %d; want %d", what, e.Status, max(status, 400))
	}
}

// A broken reader is a source of randomness that fails.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, fmt.Errorf("no entropy: %w", io.ErrUnexpectedEOF) }

func TestInternalErrorsSayNothing(t *testing.T) {
	b := newBench(t)
	k := b.newKey(t)
	b.rand = broken{}
	_, err := b.GenerateDataKey(t.Context(), self, &GenerateDataKeyInput{KeyID: k.KeyID, KeySpec: "AES_256"})
	wantError(t, "GenerateDataKey", err, "KMSInternalException: The request was rejected because an internal exception occurred. The request can be retried.")
	if log := b.log.String(); !strings.Contains(log, "no entropy") || !strings.Contains(log, "req-1") {
		t.Errorf("log = %q; want the error and the request ID", log)
	}
}

func TestRefuse(t *testing.T) {
	b := newBench(t)
	wantError(t, "Refuse", b.Refuse(t.Context(), self, "Sign", NotImplemented("Sign is not implemented by this server.")),
		"NotImplemented: Sign is not implemented by this server.")
}
