package kms

import (
	"context"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/key"
)

// Permit returns the key that keyID names, by ID, ARN or alias, once the caller may do
// action to it, as an operation of KMS decides. It is for the operations of the server
// that act on a key, within a call of theirs: so a key policy that reserves an action
// reserves what they do by it. days is the waiting period of a deletion, 0 for others.
func (s *Service) Permit(ctx context.Context, call *authz.Call, c *authn.Caller, action, keyID string, days int32) (*key.Key, error) {
	k, err := s.permit(ctx, call, c, action, keyID, days)
	if err != nil {
		return nil, s.answer(ctx, c, action, err)
	}
	return k, nil
}

func (s *Service) permit(ctx context.Context, call *authz.Call, c *authn.Caller, action, keyID string, days int32) (*key.Key, error) {
	var v checker
	v.required("keyId", keyID, maxKeyID)
	if err := v.err(); err != nil {
		return nil, err
	}
	k, err := s.use(ctx, call, &conditions{caller: c, windowDays: days}, action, keyID, aliasesToo)
	if err != nil {
		return nil, err
	}
	return k, call.Covers(k.ARN)
}

// Answer words an error of the keys about what as KMS does.
func (s *Service) Answer(ctx context.Context, c *authn.Caller, operation, what string, err error) error {
	return s.answer(ctx, c, operation, about(what, err))
}
