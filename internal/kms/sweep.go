package kms

import (
	"context"
	"errors"
	"fmt"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/key"
	"coffer/internal/meta"
)

// internal is who deletes a key whose waiting period has passed.
//
// Source: AWS KMS Developer Guide, "DeleteKey" under "Examples of AWS KMS log
// entries", read 2026-11-21.
const internal = "AWS Internal"

// Sweep destroys the keys whose waiting period has passed, and returns how many.
// For each it records the event that AWS records, named DeleteKey though no
// operation has the name, in the transaction that makes the key's tombstone.
func (s *Service) Sweep(ctx context.Context) (int, error) {
	calls := make(map[key.Ref]*authz.Call) // kept for when the transaction runs again
	buried, err := s.keys.Sweep(ctx, func(tx meta.Txn, t *key.Tombstone) error {
		call := calls[t.Ref]
		if call == nil {
			call = s.gate.Begin(
				&authn.Caller{Type: authn.TypeAWSService, Account: t.Account, Region: t.Region, Service: "kms",
					SourceIP: internal, UserAgent: internal, InvokedBy: internal},
				authz.Operation{Source: source, Name: "DeleteKey", ReadOnly: changes, Service: true})
			call.Resource(kindKey, t.ARN, t.Account)
			call.Response("keyId", t.ARN)
			calls[t.Ref] = call
		}
		return call.Record(tx)
	})
	if err != nil {
		err = fmt.Errorf("destroy keys that are due: %w", err)
	}
	done := make(map[key.Ref]bool)
	for _, t := range buried {
		done[t.Ref] = true
	}
	for ref, call := range calls {
		if done[ref] {
			err = errors.Join(err, call.End(ctx, nil))
		} else {
			call.End(ctx, broke())
		}
	}
	return len(buried), err
}
