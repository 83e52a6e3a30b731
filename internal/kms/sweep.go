package kms

import (
	"context"
	"errors"
	"fmt"
	"time"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/erasure"
	"coffer/internal/key"
	"coffer/internal/meta"
)

// internal is who deletes a key whose waiting period has passed.
//
// Source: AWS KMS Developer Guide, "DeleteKey" under "Examples of AWS KMS log
// entries", read 2026-11-21.
const internal = "AWS Internal"

// Sweep destroys the keys and subjects whose waiting period has passed, and returns
// how many. For each it records an event in the transaction that makes the tombstone,
// and writes the receipt: for a key the event that AWS records, named DeleteKey though
// no operation has the name.
func (s *Service) Sweep(ctx context.Context) (int, error) {
	tombs, err := s.burying(ctx, s.keys.Sweep)
	if err != nil {
		err = fmt.Errorf("destroy keys that are due: %w", err)
	}
	return len(tombs), err
}

// DestroyNow destroys a key at once, or with values those subjects of it, and records
// and writes what Sweep does. Nobody is authorized: the caller has done so.
func (s *Service) DestroyNow(ctx context.Context, ref key.Ref, values ...string) ([]key.Tombstone, error) {
	return s.burying(ctx, func(ctx context.Context, buried key.Buried) ([]key.Tombstone, error) {
		if len(values) > 0 {
			return s.keys.DestroySubjects(ctx, ref, values, buried)
		}
		return s.keys.Destroy(ctx, []key.Ref{ref}, buried)
	})
}

// DestroyVersionsNow destroys the versions of a key below one at once, and records what
// Sweep does. Nobody is authorized: the caller has done so.
func (s *Service) DestroyVersionsNow(ctx context.Context, ref key.Ref, below uint32) ([]key.Tombstone, error) {
	return s.burying(ctx, func(ctx context.Context, buried key.Buried) ([]key.Tombstone, error) {
		return s.keys.DestroyVersions(ctx, ref, below, buried)
	})
}

// A grave names what a tombstone is of.
type grave struct {
	ref     key.Ref
	number  uint32
	subject key.SubjectID
}

func graveOf(t *key.Tombstone) grave {
	g := grave{ref: t.Ref, number: t.Number}
	if t.Subject != nil {
		g.subject = t.Subject.ID
	}
	return g
}

// destruction begins the event of a destruction.
func (s *Service) destruction(t *key.Tombstone) *authz.Call {
	op := authz.Operation{Source: source, Name: "DeleteKey", ReadOnly: changes, Service: true}
	switch {
	case t.Subject != nil:
		op.Source, op.Name = "coffer", "DeleteSubject" // AWS has no such thing
	case t.IsMissing:
		op.Name = "DeleteExpiredKeyMaterial"
	case t.Number != 0:
		op.Source, op.Name = "coffer", "DeleteKeyVersion" // nor this
	}
	call := s.gate.Begin(
		&authn.Caller{Type: authn.TypeAWSService, Account: t.Account, Region: t.Region, Service: "kms",
			SourceIP: internal, UserAgent: internal, InvokedBy: internal}, op)
	call.Resource(kindKey, t.ARN, t.Account)
	if t.IsMissing {
		// Source: AWS KMS Developer Guide, "DeleteExpiredKeyMaterial" under "Examples
		// of AWS KMS log entries", read 2026-11-22.
		call.Detail("keyId", t.ID)
		call.Detail("keyMaterialId", t.Materials[0].String())
		return call
	}
	call.Response("keyId", t.ARN)
	if t.Subject != nil {
		call.Response("encryptionContext", map[string]string{t.Subject.Name: t.Subject.Value})
	}
	return call
}

// burying destroys with an event for each tombstone.
func (s *Service) burying(ctx context.Context, destroy func(context.Context, key.Buried) ([]key.Tombstone, error)) ([]key.Tombstone, error) {
	calls := make(map[grave]*authz.Call) // kept for when the transaction runs again
	tombs, err := destroy(ctx, func(tx meta.Txn, t *key.Tombstone) error {
		// What is counted for the receipt can take long, and an event must not be
		// begun long before its transaction.
		if s.ledger != nil {
			if err := s.ledger.Prepare(ctx, t); err != nil {
				return err
			}
		}
		call := calls[graveOf(t)]
		if call == nil {
			call = s.destruction(t)
			calls[graveOf(t)] = call
		}
		if err := call.Record(tx); err != nil || s.ledger == nil {
			return err
		}
		return s.ledger.Bury(ctx, tx, t, call.EventID())
	})
	done := make(map[grave]bool)
	for i := range tombs {
		done[graveOf(&tombs[i])] = true
	}
	for g, call := range calls {
		if done[g] {
			err = errors.Join(err, call.End(ctx, nil))
		} else {
			call.End(ctx, broke())
		}
	}
	if s.ledger != nil {
		s.ledger.Buried(ctx, tombs)
	}
	return tombs, err
}

// asks notes who schedules the deletion of a key, for its receipt.
func (s *Service) asks(tx meta.Txn, c *authn.Caller, call *authz.Call, k *key.Key, window time.Duration) error {
	if s.ledger == nil {
		return nil
	}
	return s.ledger.Ask(tx, erasure.TargetOf(k, nil), erasure.Asked{By: c.ARN, Event: call.EventID(), Window: window})
}

// withdraws forgets that.
func (s *Service) withdraws(tx meta.Txn, k *key.Key) error {
	if s.ledger == nil {
		return nil
	}
	return s.ledger.Withdraw(tx, erasure.TargetOf(k, nil))
}
