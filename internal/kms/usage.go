package kms

import (
	"context"
	"strings"
	"time"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awsjson"
	"coffer/internal/key"
	"coffer/internal/meter"
	"coffer/internal/quota"
	"coffer/internal/trail"
)

// used are the operations that count as the use of a key.
//
// Source: AWS KMS Developer Guide, "Determine past usage of a KMS key", "Tracked
// cryptographic operations", and KeyLastUsageTrackingOperation of the service model
// of aws-sdk-go-v2/service/kms v1.62.4, read 2026-11-22.
var used = map[string]bool{
	"Decapsulate": true, "Decrypt": true, "DeriveSharedSecret": true, "Encapsulate": true, "Encrypt": true, "GenerateDataKey": true,
	"GenerateDataKeyPair": true, "GenerateDataKeyPairWithoutPlaintext": true, "GenerateDataKeyWithoutPlaintext": true, "GenerateMac": true,
	"ReEncrypt": true, "Sign": true, "Verify": true, "VerifyMac": true,
}

// throttled is the error of a request above a quota.
//
// Source: AWS KMS Developer Guide, "Throttling AWS KMS requests", read 2026-11-22.
func throttled() error {
	return fault("ThrottlingException", "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.")
}

// admit refuses a call above the quota of its operation, before anything else is
// looked at. A call that a service makes for nobody's account has none.
func (s *Service) admit(c *authn.Caller, operation string) error {
	if s.quotas == nil || c.Account == "" {
		return nil
	}
	class, ok := quota.OfOperation(operation)
	if ok && !s.quotas.Take(c.Account, c.Region, class, 1) {
		return throttled()
	}
	return nil
}

// admitKey refuses cryptography above the quota of the kind of key, or of the custom
// key store that it is in. The key is known by then, and whether the caller may use it
// is not asked yet. The quota is that of the caller's account, whoever has the key.
func (s *Service) admitKey(call decider, c *authn.Caller, action string, k *key.Key) error {
	if s.quotas == nil || c.Account == "" {
		return nil
	}
	recorded, ok := call.(*authz.Call)
	if !ok {
		return nil // the use of a data key that exists is no call
	}
	ev := recorded.Event()
	if ev.Region != c.Region {
		return nil // the same call in another of the key's regions
	}
	operation, isSecond := ev.Name, action == "kms:ReEncryptTo" // a ReEncrypt counts once, for its source
	switch operation {
	case "ReplicateKey":
		class, _ := quota.OfOperation("CreateKey")
		if region, _ := ev.Request.Get("replicaRegion").(string); region != "" && !s.quotas.Take(c.Account, region, class, 2) {
			return throttled()
		}
	case "UpdatePrimaryRegion":
		class, _ := quota.OfOperation(operation)
		if region, _ := ev.Request.Get("primaryRegion").(string); region != "" && !s.quotas.Take(c.Account, region, class, 1) {
			return throttled()
		}
	}
	pair, _ := ev.Request.Get("keyPairSpec").(string)
	class, ok := quota.OfKey(operation, k.Spec, pair)
	if ok && !isSecond && !s.quotas.Take(c.Account, c.Region, class, 1) {
		return throttled()
	}
	if ok && k.CustomKeyStoreID != "" && !s.quotas.TakeStore(k.CustomKeyStoreID, c.Region, quota.Tokens(operation)) {
		return throttled()
	}
	return nil
}

// count counts a call that has ended well. The keys that it touched are those of its
// event.
func (s *Service) count(ctx context.Context, c *authn.Caller, operation string, call *authz.Call, err error) {
	if s.meter == nil || err != nil || call == nil {
		return
	}
	ev := call.Event()
	m := meter.Call{At: ev.Time, Account: c.Account, Region: c.Region, Operation: operation,
		Principal: c.ARN, RequestID: c.RequestID, EventID: ev.ID}
	for _, r := range ev.Resources {
		if r.Type != kindKey {
			continue
		}
		k := meter.Key{Account: r.AccountID, Region: c.Region, ID: r.ARN[strings.LastIndexByte(r.ARN, '/')+1:]}
		if m.Key == (meter.Key{}) {
			m.Key = k
		} else if operation == "ReEncrypt" && k != m.Key {
			m.Second = k
		}
	}
	if m.Account == "" {
		m.Account = m.Key.Account // a service that uses a key for its owner
	}
	if m.Account == "" {
		return
	}
	m.Used = used[operation] && m.Key != (meter.Key{})
	m.Class = s.billed(ctx, operation, m.Key, ev)
	s.meter.Count(&m)
}

// billed returns what AWS bills a call as. Most operations cost the same for every
// key, so that the key is looked up for a few.
func (s *Service) billed(ctx context.Context, operation string, k meter.Key, ev *trail.Event) meter.Class {
	pair, _ := ev.Request.Get("keyPairSpec").(string)
	// If even the dearest key does not make a difference, no key does.
	class := meter.Classify(operation, "RSA_4096", pair)
	if class != meter.Asymmetric {
		return class
	}
	known, err := s.keys.Get(context.WithoutCancel(ctx), key.Ref{Account: k.Account, Region: k.Region, ID: k.ID})
	if err != nil {
		return meter.Request // it is gone
	}
	return meter.Classify(operation, known.Spec, pair)
}

// LastUse returns when, how and by whom a key was used last for cryptography. ok is
// false if that is not known: the key was not used since tracking began. Nobody is
// authorized.
func (s *Service) LastUse(ctx context.Context, ref key.Ref) (use meter.LastUse, ok bool, err error) {
	if s.meter == nil {
		return meter.LastUse{}, false, nil
	}
	return s.meter.LastUse(ctx, meter.Key{Account: ref.Account, Region: ref.Region, ID: ref.ID})
}

// tracking returns from when on the uses of a key are known.
func (s *Service) tracking(k *key.Key) time.Time {
	if s.meter != nil && s.meter.Since().After(k.Created) {
		return s.meter.Since()
	}
	return k.Created
}

// isEnding reports whether an action takes a key from its users, so that its
// conditions may ask for the key's last use.
func isEnding(action string) bool {
	return action == "kms:DisableKey" || action == "kms:ScheduleKeyDeletion"
}

// idle fills in for how many whole days q.key has not been used: since its last use,
// or since tracking began.
//
// Source: AWS KMS Developer Guide, "kms:TrailingDaysWithoutKeyUsage", read 2026-11-22.
func (s *Service) idle(ctx context.Context, q *conditions) error {
	since := s.tracking(q.key)
	use, ok, err := s.LastUse(ctx, q.key.Ref)
	if err != nil {
		return err
	}
	if ok {
		since = use.At
	}
	q.idleDays, q.knowsIdle = max(0, int(s.now().Sub(since)/(24*time.Hour))), true
	return nil
}

// A KeyLastUsageData tells of the last successful cryptographic operation with a
// key. It is empty if none is known.
type KeyLastUsageData struct {
	Operation         string        `json:"Operation,omitempty"`
	Timestamp         *awsjson.Time `json:"Timestamp,omitempty"`
	CloudTrailEventID string        `json:"CloudTrailEventId,omitempty"`
	KmsRequestID      string        `json:"KmsRequestId,omitempty"`
}

// GetKeyLastUsageOutput is the answer of [Service.GetKeyLastUsage].
type GetKeyLastUsageOutput struct {
	KeyID             string           `json:"KeyId"` // the bare ID
	KeyCreationDate   awsjson.Time     `json:"KeyCreationDate"`
	TrackingStartDate awsjson.Time     `json:"TrackingStartDate"`
	KeyLastUsage      KeyLastUsageData `json:"KeyLastUsage"`
}

// GetKeyLastUsage tells when a key was used last for cryptography, and from when on
// that is known. What was counted last is told at once, and a crash can lose the last
// few seconds of it: the trail is what tells every use.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// InvalidArnException or AccessDeniedException.
//
// Source: AWS KMS API Reference, GetKeyLastUsage, read 2026-11-22.
func (s *Service) GetKeyLastUsage(ctx context.Context, c *authn.Caller, in *KeyInput) (*GetKeyLastUsageOutput, error) {
	return run(ctx, s, c, "GetKeyLastUsage", reads, func(call *authz.Call) (*GetKeyLastUsageOutput, error) {
		k, err := s.named(ctx, call, c, "kms:GetKeyLastUsage", in)
		if err != nil {
			return nil, err
		}
		if err := call.Covers(k.ARN); err != nil {
			return nil, err
		}
		use, ok, err := s.LastUse(ctx, k.Ref)
		if err != nil {
			return nil, err
		}
		out := &GetKeyLastUsageOutput{KeyID: k.ID, KeyCreationDate: awsjson.Time{Time: k.Created},
			TrackingStartDate: awsjson.Time{Time: s.tracking(k)}}
		if ok {
			out.KeyLastUsage = KeyLastUsageData{Operation: use.Operation, Timestamp: &awsjson.Time{Time: use.At},
				CloudTrailEventID: use.EventID, KmsRequestID: use.RequestID}
		}
		return out, nil
	})
}
