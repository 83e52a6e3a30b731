package kms

import (
	"context"
	"errors"
	"time"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awsjson"
	"coffer/internal/key"
	"coffer/internal/meta"
)

// KeyInput is the request of the operations that name a key and nothing else.
type KeyInput struct {
	KeyID string `json:"KeyId"` // ID or ARN
}

// EnableKeyOutput is the answer of [Service.EnableKey].
type EnableKeyOutput struct{}

// EnableKey enables a disabled key; an enabled one stays as it is.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// InvalidArnException, AccessDeniedException, or KMSInvalidStateException for a
// key that is pending deletion.
//
// Source: AWS KMS API Reference, EnableKey.
func (s *Service) EnableKey(ctx context.Context, c *authn.Caller, in *KeyInput) (*EnableKeyOutput, error) {
	return run(ctx, s, c, "EnableKey", changes, func(call *authz.Call) (*EnableKeyOutput, error) {
		k, err := s.named(ctx, call, c, "kms:EnableKey", in)
		if err != nil {
			return nil, err
		}
		if _, err := s.keys.Enable(ctx, k.Ref, recordKey(call)); err != nil {
			return nil, about(k.ARN, err)
		}
		return &EnableKeyOutput{}, nil
	})
}

// DisableKeyOutput is the answer of [Service.DisableKey].
type DisableKeyOutput struct{}

// DisableKey disables a key: when it returns, no later use of the key succeeds.
// Its errors are those of [Service.EnableKey].
//
// Source: AWS KMS API Reference, DisableKey.
func (s *Service) DisableKey(ctx context.Context, c *authn.Caller, in *KeyInput) (*DisableKeyOutput, error) {
	return run(ctx, s, c, "DisableKey", changes, func(call *authz.Call) (*DisableKeyOutput, error) {
		k, err := s.named(ctx, call, c, "kms:DisableKey", in)
		if err != nil {
			return nil, err
		}
		if _, err := s.keys.Disable(ctx, k.Ref, recordKey(call)); err != nil {
			return nil, about(k.ARN, err)
		}
		return &DisableKeyOutput{}, nil
	})
}

// named checks a request that names a key and nothing else, and returns the key
// once the caller may do action to it.
func (s *Service) named(ctx context.Context, call *authz.Call, c *authn.Caller, action string, in *KeyInput) (*key.Key, error) {
	call.Param("keyId", in.KeyID)
	var v checker
	v.required("keyId", in.KeyID, maxKeyID)
	if err := v.err(); err != nil {
		return nil, err
	}
	return s.use(ctx, call, &conditions{caller: c}, action, in.KeyID, keysOnly)
}

// defaultWindow is the waiting period of a deletion in days.
//
// Source: AWS KMS API Reference, ScheduleKeyDeletion, read 2026-11-21.
const defaultWindow = 30

// ScheduleKeyDeletionInput is the request of [Service.ScheduleKeyDeletion].
type ScheduleKeyDeletionInput struct {
	KeyID               string `json:"KeyId"`
	PendingWindowInDays *int32 `json:"PendingWindowInDays"` // 7 to 30; 30 if nil
}

// ScheduleKeyDeletionOutput is the answer of [Service.ScheduleKeyDeletion].
type ScheduleKeyDeletionOutput struct {
	KeyID               string       `json:"KeyId"`                  // ARN
	DeletionDate        awsjson.Time `json:"DeletionDate,omitempty"` // not of a primary key that waits for its replicas
	KeyState            string       `json:"KeyState"`
	PendingWindowInDays int32        `json:"PendingWindowInDays"`
}

// ScheduleKeyDeletion makes a key pending deletion: it is unusable at once, and
// destroyed when the waiting period has passed.
//
// Its errors are those of [Service.EnableKey].
//
// Source: AWS KMS API Reference, ScheduleKeyDeletion.
func (s *Service) ScheduleKeyDeletion(ctx context.Context, c *authn.Caller, in *ScheduleKeyDeletionInput) (*ScheduleKeyDeletionOutput, error) {
	return run(ctx, s, c, "ScheduleKeyDeletion", changes, func(call *authz.Call) (*ScheduleKeyDeletionOutput, error) {
		days := int32(defaultWindow)
		if in.PendingWindowInDays != nil {
			days = *in.PendingWindowInDays
			call.Param("pendingWindowInDays", days)
		}
		call.Param("keyId", in.KeyID)
		var v checker
		v.required("keyId", in.KeyID, maxKeyID)
		v.between("pendingWindowInDays", in.PendingWindowInDays, 1, 365)
		if err := v.err(); err != nil {
			return nil, err
		}
		window := time.Duration(days) * 24 * time.Hour
		if window < key.MinWindow || window > key.MaxWindow {
			return nil, key.ErrInvalidWindow
		}
		k, err := s.use(ctx, call, &conditions{caller: c, windowDays: days}, "kms:ScheduleKeyDeletion", in.KeyID, keysOnly)
		if err != nil {
			return nil, err
		}
		k2, err := s.keys.ScheduleDeletion(ctx, k.Ref, window, func(tx meta.Txn, k *key.Key) error {
			call.Response("keyId", k.ARN)
			call.Response("keyState", string(k.State))
			if !k.Deletion.IsZero() {
				call.Response("deletionDate", trailTime(k.Deletion))
			}
			return errors.Join(call.Covers(k.ARN), call.Record(tx), s.asks(tx, c, call, k, window))
		})
		if err != nil {
			return nil, about(k.ARN, err)
		}
		return &ScheduleKeyDeletionOutput{KeyID: k2.ARN, DeletionDate: awsjson.Time{Time: k2.Deletion},
			KeyState: string(k2.State), PendingWindowInDays: days}, nil
	})
}

// CancelKeyDeletionOutput is the answer of [Service.CancelKeyDeletion].
type CancelKeyDeletionOutput struct {
	KeyID string `json:"KeyId"` // ARN
}

// CancelKeyDeletion makes a key that is pending deletion a disabled one.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// InvalidArnException, AccessDeniedException, or KMSInvalidStateException for a
// key that is not pending deletion.
//
// Source: AWS KMS API Reference, CancelKeyDeletion.
func (s *Service) CancelKeyDeletion(ctx context.Context, c *authn.Caller, in *KeyInput) (*CancelKeyDeletionOutput, error) {
	return run(ctx, s, c, "CancelKeyDeletion", changes, func(call *authz.Call) (*CancelKeyDeletionOutput, error) {
		k, err := s.named(ctx, call, c, "kms:CancelKeyDeletion", in)
		if err != nil {
			return nil, err
		}
		record := recordKey(call)
		if _, err := s.keys.CancelDeletion(ctx, k.Ref, func(tx meta.Txn, k *key.Key) error { return errors.Join(record(tx, k), s.withdraws(tx, k)) }); err != nil {
			return nil, about(k.ARN, err)
		}
		return &CancelKeyDeletionOutput{k.ARN}, nil
	})
}

// UpdateKeyDescriptionInput is the request of [Service.UpdateKeyDescription].
type UpdateKeyDescriptionInput struct {
	KeyID       string  `json:"KeyId"`
	Description *string `json:"Description"` // may be empty, not nil
}

// UpdateKeyDescriptionOutput is the answer of [Service.UpdateKeyDescription].
type UpdateKeyDescriptionOutput struct{}

// UpdateKeyDescription changes the description of a key. Its errors are those of
// [Service.EnableKey].
//
// Source: AWS KMS API Reference, UpdateKeyDescription.
func (s *Service) UpdateKeyDescription(ctx context.Context, c *authn.Caller, in *UpdateKeyDescriptionInput) (*UpdateKeyDescriptionOutput, error) {
	return run(ctx, s, c, "UpdateKeyDescription", changes, func(call *authz.Call) (*UpdateKeyDescriptionOutput, error) {
		call.Param("keyId", in.KeyID)
		var v checker
		v.required("keyId", in.KeyID, maxKeyID)
		if in.Description == nil {
			v.add("Value null", "description", "Member must not be null")
		} else {
			call.Param("description", *in.Description)
			v.optional("description", *in.Description, maxDescription)
		}
		if err := v.err(); err != nil {
			return nil, err
		}
		k, err := s.use(ctx, call, &conditions{caller: c}, "kms:UpdateKeyDescription", in.KeyID, keysOnly)
		if err != nil {
			return nil, err
		}
		if _, err := s.keys.SetDescription(ctx, k.Ref, *in.Description, recordKey(call)); err != nil {
			return nil, about(k.ARN, err)
		}
		return &UpdateKeyDescriptionOutput{}, nil
	})
}
