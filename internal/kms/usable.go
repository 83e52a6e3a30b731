package kms

import (
	"context"
	"strings"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/key"
	"coffer/internal/meta"
)

// Usable returns nil if the key keyARN may be used for an encryption context in the
// state that r sees: S3
// asks in the transaction that makes a write visible, so that a key which was
// disabled meanwhile seals nothing any more. Errors are those of GenerateDataKey.
func (s *Service) Usable(r meta.Reader, keyARN string, encryptionContext map[string]string) error {
	a, err := arn.Parse(keyARN)
	id, ok := strings.CutPrefix(a.Resource, "key/")
	if err != nil || !ok {
		return fault("InvalidArnException", "Invalid arn %s", keyARN)
	}
	err = s.keys.Usable(r, key.Ref{Account: a.Account, Region: a.Region, ID: id}, encryptionContext)
	if err != nil {
		return s.answer(context.Background(), new(authn.Caller), "GenerateDataKey", about(keyARN, err))
	}
	return nil
}
