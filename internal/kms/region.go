package kms

import (
	"context"
	"errors"
	"regexp"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/key"
	"coffer/internal/meta"
)

// ReplicateKeyInput is the request of [Service.ReplicateKey].
type ReplicateKeyInput struct {
	KeyID                          string `json:"KeyId"`
	ReplicaRegion                  string `json:"ReplicaRegion"`
	Policy                         string `json:"Policy,omitempty"`
	BypassPolicyLockoutSafetyCheck bool   `json:"BypassPolicyLockoutSafetyCheck,omitempty"`
	Description                    string `json:"Description,omitempty"`
	Tags                           []Tag  `json:"Tags,omitempty"`
}

// ReplicateKeyOutput is the answer of [Service.ReplicateKey].
type ReplicateKeyOutput struct {
	ReplicaKeyMetadata KeyMetadata `json:"ReplicaKeyMetadata"`
	ReplicaPolicy      string      `json:"ReplicaPolicy"`
	ReplicaTags        []Tag       `json:"ReplicaTags"`
}

// ReplicateKey makes a replica of a multi-region primary key in another region, with
// the same ID and material and a key policy of its own. It is there when ReplicateKey
// returns: AWS shows it as Creating for a while.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// InvalidArnException, AccessDeniedException, AlreadyExistsException,
// MalformedPolicyDocumentException, TagException, LimitExceededException,
// DisabledException, KMSInvalidStateException, or UnsupportedOperationException for a
// key that is no multi-region primary key.
//
// Source: AWS KMS API Reference, ReplicateKey.
func (s *Service) ReplicateKey(ctx context.Context, c *authn.Caller, in *ReplicateKeyInput) (*ReplicateKeyOutput, error) {
	return run(ctx, s, c, "ReplicateKey", changes, func(call *authz.Call) (*ReplicateKeyOutput, error) {
		recordReplicate(call, in)
		var v checker
		v.required("keyId", in.KeyID, maxKeyID)
		v.region("replicaRegion", in.ReplicaRegion)
		v.optional("description", in.Description, maxDescription)
		v.policy(in.Policy)
		v.tags("tags", in.Tags)
		if err := errors.Join(v.err(), checkTags(in.Tags)); err != nil {
			return nil, err
		}
		q := &conditions{caller: c, tags: in.Tags, puts: true, bypass: in.BypassPolicyLockoutSafetyCheck,
			more: map[string]string{"kms:replicaregion": in.ReplicaRegion}}
		k, err := s.use(ctx, call, q, "kms:ReplicateKey", in.KeyID, keysOnly)
		if err != nil {
			return nil, err
		}
		if in.ReplicaRegion == k.Region {
			return nil, fault("ValidationException", "The replica Region must be another Region than that of the primary key.")
		}
		there := *c
		there.Region = in.ReplicaRegion
		name := arn.Key(in.ReplicaRegion, k.Account, k.ID)
		planned := &conditions{caller: &there, tags: in.Tags, puts: true, bypass: in.BypassPolicyLockoutSafetyCheck, key: &key.Key{
			Spec: k.Spec, Usage: k.Usage, Origin: k.Origin, Tags: keyTags(in.Tags),
			MultiRegion: &key.MultiRegion{Primary: k.Region, Replicas: []string{in.ReplicaRegion}}}}
		// In the replica's region the caller makes a key.
		//
		// Source: AWS KMS Developer Guide, "Control access to multi-Region keys",
		// read 2026-11-21.
		asks := []*authz.Ask{{Action: "kms:CreateKey", Resource: "*", Account: c.Account, Keys: planned}}
		if len(in.Tags) > 0 {
			asks = append(asks, &authz.Ask{Action: "kms:TagResource", Resource: name, Account: c.Account, Policy: delegating(c.Account), Keys: planned})
		}
		for _, a := range asks {
			if err := call.Ask(ctx, a); err != nil {
				return nil, err
			}
		}
		text := defaultPolicy(c.Account)
		if in.Policy != "" {
			if text, err = s.newPolicy(ctx, planned, name, in.Policy); err != nil {
				return nil, err
			}
		}
		// AWS records the making of the replica in its region, too.
		made := s.gate.Begin(&there, authz.Operation{Source: source, Name: "CreateKey", ReadOnly: changes})
		recordReplica(made, k, in, text)
		replica, err := s.keys.Replicate(ctx, k.Ref, key.CreateInput{Region: in.ReplicaRegion, Description: in.Description, Policy: text,
			Tags: keyTags(in.Tags)}, func(tx meta.Txn, r *key.Key) error {
			call.Response("replicaKeyMetadata", trailMetadata(r))
			call.Response("replicaPolicy", text)
			made.Resource(kindKey, r.ARN, r.Account)
			made.Response("keyMetadata", trailMetadata(r))
			return errors.Join(call.Covers(k.ARN), call.Record(tx), made.Record(tx))
		})
		if err := endBeside(ctx, made, err); err != nil {
			return nil, about(orOther(err, k.ARN, name), err)
		}
		shown, err := s.principals.ShowPrincipals(ctx, text)
		if err != nil {
			return nil, err
		}
		return &ReplicateKeyOutput{ReplicaKeyMetadata: metadata(replica), ReplicaPolicy: shown, ReplicaTags: orNone(in.Tags)}, nil
	})
}

// orOther returns what an error of Replicate is about: the primary key or its replica.
func orOther(err error, primary, replica string) string {
	if errors.Is(err, key.ErrRegionTaken) {
		return replica
	}
	return primary
}

func orNone(tags []Tag) []Tag {
	if tags == nil {
		return []Tag{}
	}
	return tags
}

func recordReplicate(call *authz.Call, in *ReplicateKeyInput) {
	call.Param("keyId", in.KeyID)
	call.Param("replicaRegion", in.ReplicaRegion)
	call.Param("description", in.Description)
	call.Param("policy", in.Policy)
	call.Param("bypassPolicyLockoutSafetyCheck", in.BypassPolicyLockoutSafetyCheck)
	if len(in.Tags) > 0 {
		call.Param("tags", trailTags(in.Tags))
	}
}

// recordReplica records the parameters of the CreateKey that makes a replica of k.
//
// Source: AWS KMS Developer Guide, "ReplicateKey" under "Examples of AWS KMS log
// entries", read 2026-11-22.
func recordReplica(call *authz.Call, k *key.Key, in *ReplicateKeyInput, policy string) {
	recordCreate(call, &CreateKeyInput{Policy: policy, Description: in.Description, KeyUsage: k.Usage, KeySpec: k.Spec, Origin: k.Origin,
		BypassPolicyLockoutSafetyCheck: in.BypassPolicyLockoutSafetyCheck, Tags: in.Tags, MultiRegion: true})
}

// UpdatePrimaryRegionInput is the request of [Service.UpdatePrimaryRegion].
type UpdatePrimaryRegionInput struct {
	KeyID         string `json:"KeyId"`
	PrimaryRegion string `json:"PrimaryRegion"`
}

// UpdatePrimaryRegionOutput is the answer of [Service.UpdatePrimaryRegion].
type UpdatePrimaryRegionOutput struct{}

// UpdatePrimaryRegion makes a replica the primary key, and the primary key a replica.
// It is done when UpdatePrimaryRegion returns: AWS shows both as Updating for a while.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException also if
// the region has no replica, InvalidArnException, AccessDeniedException,
// KMSInvalidStateException, or UnsupportedOperationException for a key that is no
// multi-region primary key.
//
// Source: AWS KMS API Reference, UpdatePrimaryRegion.
func (s *Service) UpdatePrimaryRegion(ctx context.Context, c *authn.Caller, in *UpdatePrimaryRegionInput) (*UpdatePrimaryRegionOutput, error) {
	return run(ctx, s, c, "UpdatePrimaryRegion", changes, func(call *authz.Call) (*UpdatePrimaryRegionOutput, error) {
		call.Param("keyId", in.KeyID)
		call.Param("primaryRegion", in.PrimaryRegion)
		var v checker
		v.required("keyId", in.KeyID, maxKeyID)
		v.region("primaryRegion", in.PrimaryRegion)
		if err := v.err(); err != nil {
			return nil, err
		}
		q := &conditions{caller: c, more: map[string]string{"kms:primaryregion": in.PrimaryRegion}}
		k, err := s.use(ctx, call, q, "kms:UpdatePrimaryRegion", in.KeyID, keysOnly)
		if err != nil {
			return nil, err
		}
		// The caller needs the permission on the replica too, by its own key policy, and
		// the event is one of its region, too.
		there := *c
		there.Region = in.PrimaryRegion
		next := s.gate.Begin(&there, authz.Operation{Source: source, Name: "UpdatePrimaryRegion", ReadOnly: changes})
		next.Param("keyId", in.KeyID)
		next.Param("primaryRegion", in.PrimaryRegion)
		if r := k.MultiRegion; r != nil && in.PrimaryRegion != k.Region {
			replica, err := s.keys.Get(ctx, key.Ref{Account: k.Account, Region: in.PrimaryRegion, ID: k.ID})
			if err != nil {
				return nil, about(k.ARN, key.ErrNotReplica)
			}
			if err := s.authorize(ctx, call, &conditions{caller: &there, more: q.more}, "kms:UpdatePrimaryRegion", replica); err != nil {
				return nil, err
			}
		}
		_, err = s.keys.SetPrimary(ctx, k.Ref, in.PrimaryRegion, func(tx meta.Txn, now *key.Key) error {
			replica := arn.Key(in.PrimaryRegion, now.Account, now.ID)
			next.Resource(kindKey, replica, now.Account)
			next.Response("keyId", replica)
			return errors.Join(recordKey(call)(tx, now), next.Record(tx))
		})
		if err := endBeside(ctx, next, err); err != nil {
			return nil, about(k.ARN, err)
		}
		return &UpdatePrimaryRegionOutput{}, nil
	})
}

// regions is what names of regions look like.
//
// Source: AWS KMS API Reference, RegionType, read 2026-11-21.
var regions = regexp.MustCompile(`^([a-z]+-){2,3}\d+$`)

// region checks the name of a region that must be there.
func (v *checker) region(member, name string) {
	v.required(member, name, 32)
	if name != "" && !regions.MatchString(name) {
		v.add("Value '"+name+"'", member, "Member must satisfy regular expression pattern: "+regions.String())
	}
}
