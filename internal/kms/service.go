// Package kms is the AWS KMS API: one method for each operation, which
// authorizes, acts on the keys, records and answers.
//
// Every operation checks in the order that AWS does: the shape of the request,
// then which key it names, then whether the caller may, and only then the key's
// state and the cryptography. So a caller who may not use a key learns nothing
// of its state, and of another account's key not even whether it exists.
//
// What AWS has and this server can't have, AWS CloudHSM clusters and VPC endpoint
// services, is refused by name, and never ignored.
//
// Who may use a key is for the key's own policy to say, and for the policies of
// callers as far as it lets them; grants add to that. The gate decides, with the
// condition keys in conditions.go.
//
// Methods return a *awserr.Error with the codes, texts and statuses that AWS
// uses. Every status of KMS's own errors is 400, and 500 for its own failures:
// its API model names others (404, 409, 412) that its answers do not carry.
//
// Source: AWS KMS API Reference, read 2026-11-21.
package kms

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"strings"
	"time"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/erasure"
	"coffer/internal/identity"
	"coffer/internal/key"
	"coffer/internal/meter"
	"coffer/internal/policy"
	"coffer/internal/quota"
)

// source is the service as the trail names it.
const source = "kms.amazonaws.com"

// A Config holds what a Service needs.
type Config struct {
	Keys       *key.Keys        // required
	Gate       *authz.Gate      // required
	Principals Principals       // required
	Meter      *meter.Meter     // counts the use of keys; nil counts nothing
	Ledger     *erasure.Ledger  // keeps who asked for deletions, and writes receipts; nil does neither
	Quotas     *quota.Limiter   // nil limits nothing
	Now        func() time.Time // calendar time; time.Now if nil
	Rand       io.Reader        // of data keys and random bytes; crypto/rand if nil
	Log        *slog.Logger     // gets what clients are not told; discarded if nil
}

// Principals know the users and roles of this server. Package identity implements
// it.
type Principals interface {
	// SavePrincipals returns a policy as it is kept: the ARNs of users and
	// roles of this server replaced by their unique IDs. ShowPrincipals is the
	// reverse.
	SavePrincipals(ctx context.Context, text string, kind policy.Kind) (saved string, err error)
	ShowPrincipals(ctx context.Context, saved string) (text string, err error)
	// PrincipalID returns the unique ID of the user or role with exactly that
	// ARN, PrincipalARN the ARN of the one with a unique ID. ok is false if
	// there is none.
	PrincipalID(ctx context.Context, principalARN string) (id string, ok bool, err error)
	PrincipalARN(ctx context.Context, id string) (principalARN string, ok bool, err error)
	// RoleByName returns a role or identity.ErrNoRole, Account an account or
	// identity.ErrNoAccount.
	RoleByName(ctx context.Context, account, name string) (identity.Role, error)
	Account(ctx context.Context, id string) (identity.Account, error)
}

// A Service answers the operations. It is safe for concurrent use.
type Service struct {
	keys       *key.Keys
	gate       *authz.Gate
	principals Principals
	meter      *meter.Meter
	ledger     *erasure.Ledger
	quotas     *quota.Limiter
	now        func() time.Time
	rand       io.Reader
	log        *slog.Logger
}

// New returns a service for the keys of cfg.
func New(cfg Config) *Service {
	s := &Service{keys: cfg.Keys, gate: cfg.Gate, principals: cfg.Principals, meter: cfg.Meter, ledger: cfg.Ledger, quotas: cfg.Quotas,
		now: cfg.Now, rand: cfg.Rand, log: cfg.Log}
	if s.now == nil {
		s.now = time.Now
	}
	if s.rand == nil {
		s.rand = rand.Reader
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// Whether an operation changes something. CloudTrail counts cryptography as
// reading.
const (
	reads   = true
	changes = false
)

// run runs one operation as one call: within the quotas, recorded, and counted if it
// succeeds. The error of act reaches the trail and the
// client as the same *awserr.Error.
func run[Output any](ctx context.Context, s *Service, c *authn.Caller, name string, readOnly bool, act func(*authz.Call) (*Output, error)) (*Output, error) {
	var made *authz.Call
	out, err := authz.Run(ctx, s.gate, c, authz.Operation{Source: source, Name: name, ReadOnly: readOnly},
		func(err error) error { return s.answer(ctx, c, name, err) },
		func(call *authz.Call) (*Output, error) {
			made = call
			call.Watch()
			if err := s.admit(c, name); err != nil {
				return nil, err
			}
			return act(call)
		})
	s.count(ctx, c, name, made, err)
	return out, err
}

// Refuse records a call of the operation name that its front refuses with err,
// and returns the error to answer with: a request that can't be decoded, or an
// operation that is not implemented.
func (s *Service) Refuse(ctx context.Context, c *authn.Caller, name string, err error) error {
	_, err = run(ctx, s, c, name, isReading(name), func(*authz.Call) (*struct{}, error) { return nil, err })
	return err
}

// isReading reports whether CloudTrail counts an operation as reading.
func isReading(name string) bool {
	for _, verb := range []string{"Decapsulate", "Decrypt", "Derive", "Describe", "Encapsulate", "Encrypt", "Generate", "Get", "List", "ReEncrypt", "Sign", "Verify"} {
		if strings.HasPrefix(name, verb) {
			return reads
		}
	}
	return changes
}
