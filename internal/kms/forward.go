package kms

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/key"
	"coffer/internal/keyspec"
	"coffer/internal/meta"
)

// s3Service is S3 as the trail and key policies name it.
const s3Service = "s3.amazonaws.com"

// The methods below serve S3, which asks for a key as the client who asked it
// for an object (forward access). The caller is authorized and recorded as for
// the operations of the API, with invokedBy. Errors are those of the operation.

// NewDataKey makes a data key under the key that keyID names, as
// [Service.GenerateDataKey] does, for the object or bucket in the encryption
// context. The caller wipes plain.
func (s *Service) NewDataKey(ctx context.Context, c *authn.Caller, keyID string, encryptionContext map[string]string) (plain key.Secret, blob []byte, keyARN string, err error) {
	out, err := s.GenerateDataKey(ctx, c.Via(s3Service), &GenerateDataKeyInput{KeyID: keyID, KeySpec: "AES_256", EncryptionContext: encryptionContext})
	if err != nil {
		return key.Secret{}, nil, "", err
	}
	defer out.Plaintext.Wipe()
	copy(plain[:], out.Plaintext)
	return plain, out.CiphertextBlob, out.KeyID, nil
}

// OpenDataKey opens a data key that NewDataKey made under the key keyARN and the
// same encryption context, as [Service.Decrypt] does. The caller wipes plain.
func (s *Service) OpenDataKey(ctx context.Context, c *authn.Caller, keyARN string, blob []byte, encryptionContext map[string]string) (plain key.Secret, err error) {
	out, err := s.Decrypt(ctx, c.Via(s3Service), &DecryptInput{KeyID: keyARN, CiphertextBlob: blob, EncryptionContext: encryptionContext})
	if err != nil {
		return key.Secret{}, err
	}
	defer out.Plaintext.Wipe()
	if len(out.Plaintext) != len(plain) {
		return key.Secret{}, fault("InvalidCiphertextException", "The ciphertext holds no data key.")
	}
	copy(plain[:], out.Plaintext)
	return plain, nil
}

// CheckKey returns the ARN of the key that keyID names, if the caller may do
// operation, GenerateDataKey or Decrypt, with it and the encryption context, and
// its state allows that now. Nothing is made and nothing recorded: it is for the use
// of a data key that exists, and the request that uses it is recorded by S3.
func (s *Service) CheckKey(ctx context.Context, c *authn.Caller, operation, keyID string, encryptionContext map[string]string) (keyARN string, err error) {
	via := c.Via(s3Service)
	q := &conditions{caller: via, algorithm: key.SpecSymmetricDefault, encryptionContext: encryptionContext}
	u := &unrecorded{gate: s.gate, caller: via}
	k, err := s.use(ctx, u, q, "kms:"+operation, keyID, aliasesToo)
	if err == nil {
		err = u.Covers(k.ARN)
	}
	if err == nil {
		err = suits(k, operation, keyspec.EncryptDecrypt, keyspec.EncryptSymmetricDefault)
	}
	if err == nil {
		if err = s.keys.Ready(ctx, k, encryptionContext); err != nil {
			err = about(k.ARN, err)
		}
	}
	if err != nil {
		return "", s.answer(ctx, c, operation, err)
	}
	return k.ARN, nil
}

// unrecorded decides as a call does, and records nothing.
type unrecorded struct {
	gate    *authz.Gate
	caller  *authn.Caller
	allowed []string // resources
}

func (u *unrecorded) Ask(ctx context.Context, a *authz.Ask) error {
	if err := u.gate.Ask(ctx, u.caller, a); err != nil {
		return err
	}
	u.allowed = append(u.allowed, a.Resource)
	return nil
}

func (u *unrecorded) Covers(resource string) error {
	if !slices.Contains(u.allowed, resource) {
		return fmt.Errorf("%w: %s", authz.ErrNotCovered, resource)
	}
	return nil
}

func (*unrecorded) Resource(kind, name, account string) {}

// ResolveKey returns the ARN of the key that keyID names for the caller: a key ID,
// an alias or an ARN. Nobody is authorized and nothing recorded: it is for the
// condition keys of S3's own decision. What names no key by its form is an error; an
// ARN of another account is returned as it is, for whether that key exists is not
// for the caller to know.
func (s *Service) ResolveKey(ctx context.Context, c *authn.Caller, keyID string) (keyARN string, err error) {
	const operation = "DescribeKey"
	account, name, err := owner(c, keyID, aliasesToo)
	if err != nil {
		return "", s.answer(ctx, c, operation, err)
	}
	k, err := s.keys.Resolve(ctx, c.Account, c.Region, keyID)
	switch {
	case err == nil:
		return k.ARN, nil
	case account != c.Account && isAbsence(err):
		return name, nil
	case errors.Is(err, key.ErrInvalidID):
		return "", s.answer(ctx, c, operation, about(keyID, err))
	}
	return "", s.answer(ctx, c, operation, about(name, err))
}

// S3Alias names the key of an account and region for objects that S3 encrypts
// when no key is named.
const S3Alias = key.ReservedAliasPrefix + "s3"

// ManagedS3Key returns the ARN of the key alias/aws/s3 of the caller's account
// and region. The first call makes it, and records that as a CreateKey.
func (s *Service) ManagedS3Key(ctx context.Context, c *authn.Caller) (keyARN string, err error) {
	const operation = "CreateKey"
	via := c.Via(s3Service)
	if c.IsAnonymous() || c.Account == "" {
		return "", s.answer(ctx, c, operation, &authz.Denied{Principal: orDefault(c.ARN, "anonymous"), Action: "kms:" + operation, Resource: "*",
			Anonymous: c.IsAnonymous(),
			Because:   "no resource-based policy allows the kms:" + operation + " action"})
	}
	var call *authz.Call // once the key is to be made here
	var made string      // its ARN
	k, err := s.keys.EnsureManaged(ctx, c.Account, c.Region, S3Alias, managedS3Policy(c.Account, c.Region),
		"Default key that protects my S3 objects when no other key is defined",
		func(tx meta.Txn, k *key.Key) error {
			if call == nil {
				call = s.gate.Begin(via, authz.Operation{Source: source, Name: operation, ReadOnly: changes})
			}
			made = k.ARN
			call.Resource(kindKey, k.ARN, k.Account)
			call.Response("keyMetadata", trailMetadata(k))
			return call.Record(tx)
		})
	if err != nil {
		err = s.answer(ctx, c, operation, fmt.Errorf("make %s of %s in %s: %w", S3Alias, c.Account, c.Region, err))
	}
	if call != nil {
		outcome := err
		if err == nil && made != k.ARN {
			// The transaction ran again and found the key of another request.
			outcome = s.answer(ctx, c, operation, about(arn.Alias(c.Region, c.Account, S3Alias), key.ErrAliasExists))
		}
		if ended := call.End(ctx, outcome); err == nil && ended != outcome {
			err = s.answer(ctx, c, operation, ended)
		}
	}
	if err != nil {
		return "", err
	}
	return k.ARN, nil
}

// managedS3Policy returns the policy of alias/aws/s3. It delegates nothing to
// the account, so that the key works through S3 alone.
//
// Source: the policy of such a key, as GetKeyPolicy of AWS KMS returned it.
func managedS3Policy(account, region string) string {
	return `{
  "Version" : "2012-10-17",
  "Id" : "auto-s3-2",
  "Statement" : [ {
    "Sid" : "Allow access through S3 for all principals in the account that are authorized to use S3",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "*"
    },
    "Action" : [ "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey" ],
    "Resource" : "*",
    "Condition" : {
      "StringEquals" : {
        "kms:CallerAccount" : "` + account + `",
        "kms:ViaService" : "s3.` + region + `.amazonaws.com"
      }
    }
  }, {
    "Sid" : "Allow direct access to key metadata to the account",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "` + arn.Root(account) + `"
    },
    "Action" : [ "kms:Describe*", "kms:Get*", "kms:List*" ],
    "Resource" : "*"
  } ]
}`
}
