package kms

import (
	"context"

	"coffer/internal/arn"
	"coffer/internal/authn"
)

// ShredBy returns the name of the pair of the encryption context that names the
// subjects of the key that keyID names; empty if the key has none, or if there is no
// such key. Nobody is authorized and nothing recorded: S3 fills in the pair before it
// asks for a data key as the caller.
func (s *Service) ShredBy(ctx context.Context, c *authn.Caller, keyID string) (name string, err error) {
	k, err := s.keys.Resolve(ctx, c.Account, c.Region, keyID)
	switch {
	case err == nil:
		return k.ShredBy, nil
	case isAbsence(err):
		return "", nil // the one who uses it answers that
	}
	return "", s.answer(ctx, c, "GenerateDataKey", about(keyID, err))
}

// Part names the part of the key keyARN that seals under an encryption context and
// can be destroyed alone: the ID of its subject. It is empty for a key without
// subjects.
func (s *Service) Part(ctx context.Context, keyARN string, encryptionContext map[string]string) (string, error) {
	a, err := arn.Parse(keyARN)
	if err != nil {
		return "", fault("InvalidArnException", "Invalid arn %s", keyARN)
	}
	k, err := s.keys.Resolve(ctx, a.Account, a.Region, keyARN)
	if err != nil {
		return "", s.answer(ctx, new(authn.Caller), "GenerateDataKey", about(keyARN, err))
	}
	id, ok, err := s.keys.SubjectOf(k, encryptionContext)
	if err != nil {
		return "", s.answer(ctx, new(authn.Caller), "GenerateDataKey", about(keyARN, err))
	}
	if !ok {
		return "", nil
	}
	return id.String(), nil
}
