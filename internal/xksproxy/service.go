// Package xksproxy lets a KMS elsewhere, that of AWS above all, use keys of this server
// as external keys: the service behind the external key store proxy API.
//
// A request is signed with a credential of one store. The store says which account and
// region its keys are of, which keys they are, and which user or role of the account
// stands for the KMS: what that principal may do to a key, by the key's policy, its own
// policies and grants, the store may. So a key policy, a disabled key and a deletion act
// on the KMS elsewhere as they act on everybody, at once.
//
// What the KMS says of its own caller (requestMetadata) is what policies see as the
// encryption context: kms:EncryptionContext:awsPrincipalArn and the like. It is recorded
// with every call, and bound to no ciphertext. It is true as far as the credential is
// in the hands of that KMS alone.
//
// Key material is never used directly: package key derives a key for each ciphertext.
//
// Source: AWS KMS External Key Store Proxy API Specification 1.0.3, read 2026-11-22.
package xksproxy

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/key"
	"coffer/internal/meter"
	"coffer/internal/sigv4"
	"coffer/internal/trail"
	"coffer/internal/xks"
)

// source is the service as the trail names it, after the name that it is signed for.
const source = xks.SigningService + ".amazonaws.com"

// Tag is the tag with the value "true" that puts a key into the stores of its account
// and region. Like every tag of its prefix it is set when a key is made, or never: nobody
// puts a key that is there into a store by tagging it.
const Tag = key.ReservedTagPrefix + "xks"

// A Config holds what a Service needs.
type Config struct {
	Keys       *key.Keys    // required
	Gate       *authz.Gate  // required
	Principals Principals   // required
	Stores     []*Store     // as ParseStores returns them
	Meter      *meter.Meter // keeps the last use of keys; nil keeps none
	Model      string       // of the proxy: product and version
	Log        *slog.Logger // gets what a KMS is not told; discarded if nil
	// Now is the wall clock, which signatures are held against, and Calendar
	// calendar time, in which sessions begin; time.Now if nil.
	Now, Calendar func() time.Time
}

// Principals know the users and roles of this server. Package identity implements it.
type Principals interface {
	// PrincipalID returns the unique ID of the user or role with exactly that ARN.
	// ok is false if there is none.
	PrincipalID(ctx context.Context, principalARN string) (id string, ok bool, err error)
}

// A Service answers the operations. It is safe for concurrent use.
type Service struct {
	cfg    Config
	stores atomic.Pointer[map[string]*Store] // by path
	keys   sigv4.KeyCache                    // of signatures
}

// New returns a service for the stores of cfg.
func New(cfg Config) *Service {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Calendar == nil {
		cfg.Calendar = time.Now
	}
	s := &Service{cfg: cfg}
	s.SetStores(cfg.Stores)
	return s
}

// SetStores replaces the stores. Requests under way end with the old ones; a store that
// stays keeps its rate's count.
func (s *Service) SetStores(stores []*Store) {
	old := s.stores.Load()
	m := make(map[string]*Store, len(stores))
	for _, store := range stores {
		if old != nil {
			if o := (*old)[store.Path]; o != nil && o.same(store) {
				store.rate.Continue(o.rate)
			}
		}
		m[store.Path] = store
	}
	s.stores.Store(&m)
}

// HasPath reports whether a store has the path.
func (s *Service) HasPath(path string) bool { return (*s.stores.Load())[path] != nil }

// A Request is one request, as it came.
type Request struct {
	Signed    *sigv4.Request
	Body      []byte
	Operation xks.Operation
	KeyID     string
	// Store is the path of the store.
	Store string
	// From is what is known of the sender by the connection alone: an anonymous
	// caller.
	From *authn.Caller
}

// Serve serves one request and returns the body of its answer. It may hold plaintext:
// clear it once it is sent. An error is an *awserr.Error with a name and a status of
// package xks.
func (s *Service) Serve(ctx context.Context, r *Request) ([]byte, error) {
	c, store, err := s.authenticate(ctx, r)
	if err != nil {
		return nil, s.Refuse(ctx, r.From, r.Operation, err)
	}
	switch r.Operation {
	case xks.GetHealthStatus:
		return run(ctx, s, c, r.Operation, func(call *authz.Call) (any, error) { return s.health(ctx, call, store, r) })
	case xks.GetKeyMetadata:
		return run(ctx, s, c, r.Operation, func(call *authz.Call) (any, error) { return s.metadata(ctx, call, c, store, r) })
	case xks.Encrypt:
		return run(ctx, s, c, r.Operation, func(call *authz.Call) (any, error) { return s.encrypt(ctx, call, c, store, r) })
	case xks.Decrypt:
		return run(ctx, s, c, r.Operation, func(call *authz.Call) (any, error) { return s.decrypt(ctx, call, c, store, r) })
	}
	return nil, s.Refuse(ctx, c, "Unknown", xks.NewError(xks.InvalidURIPathException, "The path names no operation."))
}

// Refuse records a request that is refused before any operation could take it, and
// returns the error to answer with. A name of no operation is Unknown.
func (s *Service) Refuse(ctx context.Context, c *authn.Caller, op xks.Operation, err error) error {
	if op == "" {
		op = "Unknown"
	}
	_, err = run(ctx, s, c, op, func(*authz.Call) (any, error) { return nil, err })
	return err
}

// run runs one operation as one call, and returns its answer as it is sent. The call is
// recorded before.
func run(ctx context.Context, s *Service, c *authn.Caller, op xks.Operation, act func(*authz.Call) (any, error)) ([]byte, error) {
	var made *authz.Call
	body, err := authz.Run(ctx, s.cfg.Gate, c, authz.Operation{Source: source, Name: string(op), ReadOnly: true},
		func(err error) error { return s.answer(ctx, c, op, err) },
		func(call *authz.Call) (*answerBody, error) {
			made = call
			out, err := act(call)
			if err != nil {
				return nil, err
			}
			body := answerBody(xks.Marshal(out))
			if secret, ok := out.(interface{ Wipe() }); ok {
				secret.Wipe()
			}
			return &body, nil
		})
	if err != nil {
		return nil, err
	}
	s.note(c, op, made.Event())
	return *body, nil
}

// note notes that a key was used, so that nobody takes it for one that is not.
func (s *Service) note(c *authn.Caller, op xks.Operation, ev *trail.Event) {
	if s.cfg.Meter == nil || op != xks.Encrypt && op != xks.Decrypt {
		return
	}
	for _, r := range ev.Resources {
		_, id, _ := strings.Cut(r.ARN, ":key/")
		s.cfg.Meter.Note(meter.Key{Account: r.AccountID, Region: c.Region, ID: id},
			&meter.LastUse{At: ev.Time, Operation: string(op), Principal: c.ARN, RequestID: c.RequestID, EventID: ev.ID})
	}
}

// An answerBody is the body of an answer, which may hold plaintext.
type answerBody []byte

// Wipe overwrites it with zeros.
func (b *answerBody) Wipe() { clear(*b) }

// answers is the one table from the errors of the domain to those of the API.
var answers = []struct {
	err        error
	name, text string
}{
	{key.ErrNotFound, xks.KeyNotFoundException, "The store has no such key."},
	{key.ErrPunctured, xks.KeyNotFoundException, "The store has no such key."},
	{key.ErrUnknownMaterial, xks.KeyNotFoundException, "The store has no such key."},
	{key.ErrDisabled, xks.InvalidStateException, "The key is disabled."},
	{key.ErrPendingDeletion, xks.InvalidStateException, "The key is pending deletion."},
	{key.ErrPendingImport, xks.InvalidStateException, "The key is pending import."},
	{key.ErrMaterialMissing, xks.InvalidStateException, "Material of the key was deleted, or has expired."},
	{key.ErrUnavailable, xks.InvalidStateException, "The key is unavailable."},
	{key.ErrInvalidState, xks.InvalidStateException, "The state of the key does not allow this."},
	{key.ErrInvalidCiphertext, xks.InvalidCiphertextException, "The ciphertext, its metadata, its initialization vector, its tag or the additional data is not what it was."},
	{key.ErrNotSymmetric, xks.InvalidKeyUsageException, "The key is not an AES key."},
	{key.ErrNoSubject, xks.InvalidKeyUsageException, "The key is one with subjects, which a request of this API can't name."},
	{key.ErrOrigin, xks.InvalidKeyUsageException, "The key is in an external key store itself."},
	{key.ErrTooLarge, xks.UnsupportedOperationException, "The request is too large."},
}

// answer turns an error into the one that the KMS sees. What is neither in the table
// nor an *xks.Error goes to the log, and the KMS learns only that something broke.
func (s *Service) answer(ctx context.Context, c *authn.Caller, op xks.Operation, err error) error {
	if e := awserr.As(err); e != nil {
		return e // of the front, or answered before
	}
	e := new(xks.Error)
	if errors.As(err, &e) {
		return encode(e, err)
	}
	if d := authz.AsDenied(err); d != nil {
		text := "The store's principal may not do " + d.Action + " with the key."
		if d.ID != "" {
			text += " coffer why " + d.ID + " tells why."
		}
		return encode(xks.NewError(xks.AccessDeniedException, "%s", text), err)
	}
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return encode(xks.NewError(a.name, "%s", a.text), err)
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return encode(xks.NewError(xks.DependencyTimeoutException, "The request took too long."), err)
	}
	s.cfg.Log.LogAttrs(ctx, slog.LevelError, "xks operation broke",
		slog.String("request_id", c.RequestID), slog.String("action", string(op)), slog.String("error", err.Error()))
	return encode(xks.NewError(xks.InternalException, "The request failed for an internal reason."), err)
}

// encode returns e as the error that the trail and the front take.
func encode(e *xks.Error, because error) error {
	return awserr.New(xks.Status(e.Name), e.Name, "%s", e.Message).Because(because)
}
