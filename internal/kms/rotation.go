package kms

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awsjson"
	"coffer/internal/key"
	"coffer/internal/keyspec"
	"coffer/internal/meta"
)

const day = 24 * time.Hour

// EnableKeyRotationInput is the request of [Service.EnableKeyRotation].
type EnableKeyRotationInput struct {
	KeyID                string `json:"KeyId"`
	RotationPeriodInDays *int32 `json:"RotationPeriodInDays"` // 90 to 2560; 365 if nil
}

// EnableKeyRotationOutput is the answer of [Service.EnableKeyRotation].
type EnableKeyRotationOutput struct{}

// EnableKeyRotation makes a key rotate by itself, the first time when the period has
// passed.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// InvalidArnException, AccessDeniedException, DisabledException,
// KMSInvalidStateException, or UnsupportedOperationException for a key that can't
// rotate by itself: one that is not symmetric, has imported material, is in a custom
// key store, or is a multi-region replica.
//
// Source: AWS KMS API Reference, EnableKeyRotation.
func (s *Service) EnableKeyRotation(ctx context.Context, c *authn.Caller, in *EnableKeyRotationInput) (*EnableKeyRotationOutput, error) {
	return run(ctx, s, c, "EnableKeyRotation", changes, func(call *authz.Call) (*EnableKeyRotationOutput, error) {
		period := key.DefaultRotationPeriod
		if in.RotationPeriodInDays != nil {
			period = time.Duration(*in.RotationPeriodInDays) * day
			call.Param("rotationPeriodInDays", *in.RotationPeriodInDays)
		}
		call.Param("keyId", in.KeyID)
		var v checker
		v.required("keyId", in.KeyID, maxKeyID)
		v.between("rotationPeriodInDays", in.RotationPeriodInDays, int32(key.MinRotationPeriod/day), int32(key.MaxRotationPeriod/day))
		if err := v.err(); err != nil {
			return nil, err
		}
		q := &conditions{caller: c, more: map[string]string{"kms:rotationperiodindays": strconv.Itoa(int(period / day))}}
		k, err := s.use(ctx, call, q, "kms:EnableKeyRotation", in.KeyID, keysOnly)
		if err != nil {
			return nil, err
		}
		return &EnableKeyRotationOutput{}, s.setRotation(ctx, call, k, period)
	})
}

// DisableKeyRotationOutput is the answer of [Service.DisableKeyRotation].
type DisableKeyRotationOutput struct{}

// DisableKeyRotation ends the automatic rotation of a key. Its errors are those of
// [Service.EnableKeyRotation].
//
// Source: AWS KMS API Reference, DisableKeyRotation.
func (s *Service) DisableKeyRotation(ctx context.Context, c *authn.Caller, in *KeyInput) (*DisableKeyRotationOutput, error) {
	return run(ctx, s, c, "DisableKeyRotation", changes, func(call *authz.Call) (*DisableKeyRotationOutput, error) {
		k, err := s.named(ctx, call, c, "kms:DisableKeyRotation", in)
		if err != nil {
			return nil, err
		}
		return &DisableKeyRotationOutput{}, s.setRotation(ctx, call, k, 0)
	})
}

func (s *Service) setRotation(ctx context.Context, call *authz.Call, k *key.Key, period time.Duration) error {
	if err := rotates(k); err != nil {
		return err
	}
	if err := ofOrigin(k, key.OriginAWSKMS); err != nil {
		return err
	}
	if _, err := s.keys.SetRotation(ctx, k.Ref, period, recordKey(call)); err != nil {
		return about(k.ARN, err)
	}
	return nil
}

// GetKeyRotationStatusOutput is the answer of [Service.GetKeyRotationStatus].
type GetKeyRotationStatusOutput struct {
	KeyID                string       `json:"KeyId"` // the bare ID
	KeyRotationEnabled   bool         `json:"KeyRotationEnabled"`
	RotationPeriodInDays int32        `json:"RotationPeriodInDays,omitempty"`
	NextRotationDate     awsjson.Time `json:"NextRotationDate,omitempty"`
}

// GetKeyRotationStatus tells whether a key rotates by itself. Rotations on demand are
// over when RotateKeyOnDemand returns, so none is ever shown as running.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// InvalidArnException, AccessDeniedException, KMSInvalidStateException, or
// UnsupportedOperationException for a key that has no rotation.
//
// Source: AWS KMS API Reference, GetKeyRotationStatus.
func (s *Service) GetKeyRotationStatus(ctx context.Context, c *authn.Caller, in *KeyInput) (*GetKeyRotationStatusOutput, error) {
	return run(ctx, s, c, "GetKeyRotationStatus", reads, func(call *authz.Call) (*GetKeyRotationStatusOutput, error) {
		k, err := s.named(ctx, call, c, "kms:GetKeyRotationStatus", in)
		if err == nil {
			err = call.Covers(k.ARN)
		}
		if err == nil {
			err = rotates(k)
		}
		if err != nil {
			return nil, err
		}
		out := &GetKeyRotationStatusOutput{KeyID: k.ID}
		if k.RotationPeriod > 0 && k.State != key.PendingDeletion {
			out.KeyRotationEnabled = true
			out.RotationPeriodInDays = int32(k.RotationPeriod / day)
			out.NextRotationDate = awsjson.Time{Time: k.NextRotation}
		}
		return out, nil
	})
}

// rotates refuses the keys that have one version for ever.
func rotates(k *key.Key) error {
	spec, ok := keyspec.Lookup(k.Spec)
	switch {
	case !ok || !spec.Rotates():
		return about(k.ARN, key.ErrNotSymmetric)
	case k.Origin == key.OriginKeyStore:
		return unsupported("%s origin is %s which is not valid for this operation.", k.ARN, k.Origin)
	}
	return nil
}

// RotateKeyOnDemandOutput is the answer of [Service.RotateKeyOnDemand].
type RotateKeyOnDemandOutput struct {
	KeyID string `json:"KeyId"` // the bare ID
}

// RotateKeyOnDemand gives a key new material at once: AWS does so soon after. What it
// sealed before stays readable.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// InvalidArnException, AccessDeniedException, DisabledException,
// KMSInvalidStateException also if no imported material waits,
// LimitExceededException after so many rotations as AWS allows, or
// UnsupportedOperationException for a key that can't rotate.
//
// Source: AWS KMS API Reference, RotateKeyOnDemand.
func (s *Service) RotateKeyOnDemand(ctx context.Context, c *authn.Caller, in *KeyInput) (*RotateKeyOnDemandOutput, error) {
	return run(ctx, s, c, "RotateKeyOnDemand", changes, func(call *authz.Call) (*RotateKeyOnDemandOutput, error) {
		k, err := s.named(ctx, call, c, "kms:RotateKeyOnDemand", in)
		if err == nil {
			err = rotates(k)
		}
		if err != nil {
			return nil, err
		}
		rotation := s.rotating(k.Ref)
		_, err = s.keys.RotateOnDemand(ctx, k.Ref, key.MaxOnDemandRotations, func(tx meta.Txn, now *key.Key) error {
			call.Response("keyId", now.ID)
			tellRotation(rotation, now, key.RotationOnDemand)
			return errors.Join(call.Covers(now.ARN), call.Record(tx), rotation.Record(tx))
		})
		if err := endBeside(ctx, rotation, err); err != nil {
			return nil, about(k.ARN, err)
		}
		return &RotateKeyOnDemandOutput{KeyID: k.ID}, nil
	})
}

// endBeside ends a second event of an operation with the operation's outcome. Nothing is
// recorded of it if the operation failed before there was something to record.
func endBeside(ctx context.Context, call *authz.Call, err error) error {
	if err != nil && call.EventID() == "" {
		return err
	}
	return call.End(ctx, err)
}

// rotating begins the event of a rotation, which AWS records by itself, named RotateKey
// though no operation has the name.
func (s *Service) rotating(ref key.Ref) *authz.Call {
	call := s.gate.Begin(
		&authn.Caller{Type: authn.TypeAWSService, Account: ref.Account, Region: ref.Region, Service: "kms",
			SourceIP: internal, UserAgent: internal, InvokedBy: internal},
		authz.Operation{Source: source, Name: "RotateKey", ReadOnly: changes, Service: true})
	call.Resource(kindKey, ref.ARN(), ref.Account)
	return call
}

// tellRotation fills in the event of a rotation that made k as it is now.
//
// Source: AWS KMS Developer Guide, "RotateKey" under "Examples of AWS KMS log
// entries", read 2026-11-22.
func tellRotation(call *authz.Call, k *key.Key, why string) {
	call.Detail("keyId", k.ID)
	call.Detail("rotationType", why)
	call.Detail("keyOrigin", k.Origin)
	var before key.Version
	for _, v := range k.Versions {
		if !v.Pending && v.Number < k.Version && v.Number > before.Number {
			before = v
		}
	}
	if before.Number > 0 {
		call.Detail("previousKeyMaterialId", before.Material.String())
	}
	call.Detail("currentKeyMaterialId", k.Material.String())
}

// RotateDue rotates the keys whose date has come, and returns how many. For each it
// records the event that AWS records.
func (s *Service) RotateDue(ctx context.Context) (int, error) {
	rotated := 0
	for before := -1; before < rotated; { // a page of keys that can't rotate ends it
		before = rotated
		due, err := s.keys.RotationsDue(ctx, 100)
		if err != nil {
			return rotated, err
		}
		for _, ref := range due {
			did, err := s.rotateDue(ctx, ref)
			if err != nil {
				return rotated, fmt.Errorf("rotate %s: %w", ref, err)
			}
			if did {
				rotated++
			}
		}
	}
	return rotated, nil
}

func (s *Service) rotateDue(ctx context.Context, ref key.Ref) (did bool, err error) {
	call := s.rotating(ref)
	did, err = s.keys.RotateDue(ctx, ref, func(tx meta.Txn, k *key.Key) error {
		tellRotation(call, k, key.RotationAutomatic)
		return call.Record(tx)
	})
	switch {
	case err != nil:
		return false, errors.Join(err, call.End(ctx, broke()))
	case did:
		return true, call.End(ctx, nil)
	}
	return false, nil // nothing happened
}

// Which rotations are listed.
var includeMaterial = []string{"ALL_KEY_MATERIAL", "ROTATIONS_ONLY"}

// ListKeyRotationsInput is the request of [Service.ListKeyRotations].
type ListKeyRotationsInput struct {
	KeyID              string `json:"KeyId"`
	IncludeKeyMaterial string `json:"IncludeKeyMaterial,omitempty"` // ROTATIONS_ONLY if empty
	Limit              *int32 `json:"Limit"`
	Marker             string `json:"Marker,omitempty"`
}

// ListKeyRotationsOutput is the answer of [Service.ListKeyRotations].
type ListKeyRotationsOutput struct {
	Rotations  []Rotation `json:"Rotations"`
	NextMarker string     `json:"NextMarker,omitempty"`
	Truncated  bool       `json:"Truncated"`
}

// A Rotation is one version of a key's material.
type Rotation struct {
	KeyID                  string       `json:"KeyId"` // ARN
	KeyMaterialID          string       `json:"KeyMaterialId,omitempty"`
	KeyMaterialDescription string       `json:"KeyMaterialDescription,omitempty"`
	ImportState            string       `json:"ImportState,omitempty"` // IMPORTED or PENDING_IMPORT, of imported material
	KeyMaterialState       string       `json:"KeyMaterialState,omitempty"`
	ExpirationModel        string       `json:"ExpirationModel,omitempty"`
	ValidTo                awsjson.Time `json:"ValidTo,omitempty"`
	RotationDate           awsjson.Time `json:"RotationDate,omitempty"`
	RotationType           string       `json:"RotationType,omitempty"` // AUTOMATIC or ON_DEMAND
}

// ListKeyRotations lists the rotations of a key, the oldest first; with
// ALL_KEY_MATERIAL its first material and what waits too.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// InvalidArnException, AccessDeniedException, InvalidMarkerException,
// KMSInvalidStateException, or UnsupportedOperationException for a key that has no
// rotation.
//
// Source: AWS KMS API Reference, ListKeyRotations.
func (s *Service) ListKeyRotations(ctx context.Context, c *authn.Caller, in *ListKeyRotationsInput) (*ListKeyRotationsOutput, error) {
	return run(ctx, s, c, "ListKeyRotations", reads, func(call *authz.Call) (*ListKeyRotationsOutput, error) {
		call.Param("keyId", in.KeyID)
		recordFilters(call, "includeKeyMaterial", in.IncludeKeyMaterial)
		recordPage(call, in.Limit, in.Marker)
		var v checker
		v.required("keyId", in.KeyID, maxKeyID)
		v.oneOf("includeKeyMaterial", in.IncludeKeyMaterial, includeMaterial)
		v.page(in.Limit, in.Marker)
		if err := v.err(); err != nil {
			return nil, err
		}
		after, err := unmark("rotations", in.Marker)
		if err != nil {
			return nil, err
		}
		k, err := s.use(ctx, call, &conditions{caller: c}, "kms:ListKeyRotations", in.KeyID, keysOnly)
		if err == nil {
			err = call.Covers(k.ARN)
		}
		if err == nil {
			err = rotates(k)
		}
		if err != nil {
			return nil, err
		}
		everywhere, err := s.isEverywhere(ctx, k)
		if err != nil {
			return nil, err
		}
		all := in.IncludeKeyMaterial == "ALL_KEY_MATERIAL"
		out := &ListKeyRotationsOutput{Rotations: []Rotation{}}
		limit := pageSize(in.Limit, 100, 1000)
		from, _ := strconv.ParseUint(after, 10, 32)
		for _, v := range shown(k) {
			if uint64(v.Number) <= from || !all && v.Rotation == "" {
				continue
			}
			if len(out.Rotations) == limit {
				out.Truncated = true
				break
			}
			out.Rotations = append(out.Rotations, rotation(k, v, everywhere))
			out.NextMarker = mark("rotations", strconv.Itoa(int(v.Number)))
		}
		if !out.Truncated {
			out.NextMarker = ""
		}
		return out, nil
	})
}

// shown returns the versions of a key, of one that never rotated too.
func shown(k *key.Key) []key.Version {
	if len(k.Versions) == 0 && k.Version > 0 {
		return []key.Version{{Number: k.Version, Material: k.Material}}
	}
	return k.Versions
}

// isEverywhere reports whether every replica of k has the imported material that waits
// for a rotation.
func (s *Service) isEverywhere(ctx context.Context, k *key.Key) (bool, error) {
	i := slices.IndexFunc(k.Versions, func(v key.Version) bool { return v.Pending })
	if i < 0 || k.MultiRegion == nil {
		return true, nil
	}
	for _, region := range k.MultiRegion.Replicas {
		r, err := s.keys.Get(ctx, key.Ref{Account: k.Account, Region: region, ID: k.ID})
		if errors.Is(err, key.ErrNotFound) {
			continue
		}
		if err != nil {
			return false, about(k.ARN, err)
		}
		if slices.ContainsFunc(r.Versions, func(v key.Version) bool { return v.Number == k.Versions[i].Number && v.Missing }) {
			return false, nil
		}
	}
	return true, nil
}

// rotation describes a version of a key. everywhere says whether material that waits
// is in every region of the key.
func rotation(k *key.Key, v key.Version, everywhere bool) Rotation {
	r := Rotation{KeyID: k.ARN, RotationType: v.Rotation}
	if v.Rotation != "" {
		r.RotationDate = awsjson.Time{Time: v.Rotated}
	}
	r.KeyMaterialID = v.Material.String()
	if k.Origin == key.OriginExternal {
		r.KeyMaterialDescription = v.Description
		r.ImportState = "IMPORTED"
		if v.Missing {
			r.ImportState = "PENDING_IMPORT"
		} else {
			r.ExpirationModel, r.ValidTo = expirationModel(v.Expires), awsjson.Time{Time: v.Expires}
		}
	}
	switch {
	case v.Pending && !everywhere:
		r.KeyMaterialState = "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"
	case v.Pending:
		r.KeyMaterialState = "PENDING_ROTATION"
	case v.Number == k.Version:
		r.KeyMaterialState = "CURRENT"
	default:
		r.KeyMaterialState = "NON_CURRENT"
	}
	return r
}
