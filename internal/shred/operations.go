package shred

import (
	"context"
	"errors"
	"time"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/erasure"
	"coffer/internal/key"
	"coffer/internal/meta"
)

// A State is where a key or a subject stands.
type State struct {
	Key      string `json:"key"` // ARN
	Name     string `json:"name,omitempty"`
	Value    string `json:"value,omitempty"`
	State    string `json:"state"`              // as KMS names it, or Destroyed
	Deletion string `json:"deletion,omitempty"` // RFC 3339, while it is pending deletion
	// Receipt is the receipt, as it is signed, once it is destroyed.
	Receipt string `json:"receipt,omitempty"`
}

// Destroyed is the state of what is destroyed.
const Destroyed = "Destroyed"

func stateOf(k *key.Key) *State {
	return &State{Key: k.ARN, State: string(k.State), Deletion: date(k.Deletion)}
}

func stateOfSubject(k *key.Key, s *key.Subject) *State {
	return &State{Key: k.ARN, Name: s.Name, Value: s.Value, State: string(s.State), Deletion: date(s.Deletion)}
}

func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// GetShred tells where a key or a subject stands, and returns the receipt once it is
// destroyed. Of a key that is gone, which no key policy speaks for any more, it takes
// coffer:GetShred alone; otherwise kms:DescribeKey too.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException or
// AccessDeniedException.
func (s *Service) GetShred(ctx context.Context, c *authn.Caller, in *Input) (*State, error) {
	return run(ctx, s, c, "GetShred", true, in, func(call *authz.Call) (*State, error) {
		if ref, ok := s.destroyedKey(ctx, c, in.Key); ok {
			return s.buried(ctx, call, ref, in)
		}
		k, id, err := s.permit(ctx, call, c, "GetShred", "kms:DescribeKey", in)
		if err != nil {
			return nil, err
		}
		out := stateOf(k)
		if id == nil {
			return out, nil
		}
		subject, err := s.cfg.Keys.Subject(ctx, k.Ref, in.Value)
		switch {
		case errors.Is(err, key.ErrSubjectDestroyed):
			out = &State{Key: k.ARN, Name: in.Name, Value: in.Value, State: Destroyed}
			return out, s.addReceipt(ctx, out, erasure.TargetOf(k, id))
		case err != nil:
			return nil, s.cfg.KMS.Answer(ctx, c, "GetShred", k.ARN, err)
		}
		return stateOfSubject(k, subject), nil
	})
}

// destroyedKey returns the key of the caller's account and region that id names, by
// ID or ARN, if it was destroyed.
func (s *Service) destroyedKey(ctx context.Context, c *authn.Caller, id string) (key.Ref, bool) {
	ref, ok := refOf(c, id)
	if !ok || ref.Account != c.Account {
		return ref, false
	}
	_, err := s.cfg.Keys.Tombstone(ctx, ref)
	return ref, err == nil
}

// buried is GetShred of a key that is destroyed.
func (s *Service) buried(ctx context.Context, call *authz.Call, ref key.Ref, in *Input) (*State, error) {
	if err := s.ask(ctx, call, "GetShred", ref, in); err != nil {
		return nil, err
	}
	t := erasure.Target{Ref: ref}
	out := &State{Key: ref.ARN(), Name: in.Name, Value: in.Value, State: Destroyed}
	if in.Name != "" {
		id, _, err := s.cfg.Keys.SubjectOf(&key.Key{Ref: ref, ShredBy: in.Name}, map[string]string{in.Name: in.Value})
		if err != nil {
			return nil, err
		}
		t.Subject = &id
	}
	return out, s.addReceipt(ctx, out, t)
}

// addReceipt adds the receipt, if there is one.
func (s *Service) addReceipt(ctx context.Context, out *State, t erasure.Target) error {
	b, err := s.cfg.Ledger.Receipt(ctx, t)
	if errors.Is(err, erasure.ErrNoReceipt) {
		return nil // it went with its key, or before there were receipts
	}
	out.Receipt = string(b)
	return err
}

// ShredSubject schedules the destruction of a subject: it is unusable at once. The
// deletion of a whole key is kms:ScheduleKeyDeletion.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// KMSInvalidStateException or AccessDeniedException.
func (s *Service) ShredSubject(ctx context.Context, c *authn.Caller, in *Input) (*State, error) {
	return s.change(ctx, c, "ShredSubject", "kms:ScheduleKeyDeletion", in, func(call *authz.Call, k *key.Key, id *key.SubjectID) (*key.Subject, error) {
		call.Param("pendingWindowInDays", in.Days)
		window := time.Duration(in.Days) * 24 * time.Hour
		if window < key.MinWindow || window > key.MaxWindow {
			return nil, invalid("days must be between 7 and 30 (inclusive)")
		}
		t := erasure.TargetOf(k, id)
		if err := s.unlocked(ctx, t); err != nil {
			return nil, err
		}
		return s.cfg.Keys.ScheduleSubjectDeletion(ctx, k.Ref, in.Value, window, func(tx meta.Txn, sub *key.Subject) error {
			call.Response("deletionDate", date(sub.Deletion))
			if err := call.Record(tx); err != nil {
				return err
			}
			return s.cfg.Ledger.Ask(tx, t, erasure.Asked{By: c.ARN, Event: call.EventID(), Window: window})
		})
	})
}

// CancelShred takes the scheduled destruction of a subject back. Its errors are those
// of ShredSubject.
func (s *Service) CancelShred(ctx context.Context, c *authn.Caller, in *Input) (*State, error) {
	return s.change(ctx, c, "CancelShred", "kms:CancelKeyDeletion", in, func(call *authz.Call, k *key.Key, id *key.SubjectID) (*key.Subject, error) {
		return s.cfg.Keys.CancelSubjectDeletion(ctx, k.Ref, in.Value, func(tx meta.Txn, _ *key.Subject) error {
			if err := call.Record(tx); err != nil {
				return err
			}
			return s.cfg.Ledger.Withdraw(tx, erasure.TargetOf(k, id))
		})
	})
}

// DisableSubject makes a subject unusable until EnableSubject. Its errors are those of
// ShredSubject.
func (s *Service) DisableSubject(ctx context.Context, c *authn.Caller, in *Input) (*State, error) {
	return s.change(ctx, c, "DisableSubject", "kms:DisableKey", in, func(call *authz.Call, k *key.Key, _ *key.SubjectID) (*key.Subject, error) {
		return s.cfg.Keys.DisableSubject(ctx, k.Ref, in.Value, func(tx meta.Txn, _ *key.Subject) error { return call.Record(tx) })
	})
}

// EnableSubject is the reverse of DisableSubject.
func (s *Service) EnableSubject(ctx context.Context, c *authn.Caller, in *Input) (*State, error) {
	return s.change(ctx, c, "EnableSubject", "kms:EnableKey", in, func(call *authz.Call, k *key.Key, _ *key.SubjectID) (*key.Subject, error) {
		return s.cfg.Keys.EnableSubject(ctx, k.Ref, in.Value, func(tx meta.Txn, _ *key.Subject) error { return call.Record(tx) })
	})
}

// change runs an operation that changes a subject.
func (s *Service) change(ctx context.Context, c *authn.Caller, action, kmsAction string, in *Input, act func(*authz.Call, *key.Key, *key.SubjectID) (*key.Subject, error)) (*State, error) {
	return run(ctx, s, c, action, false, in, func(call *authz.Call) (*State, error) {
		if in.Name == "" {
			return nil, invalid("%s is about a subject; for a whole key call KMS.", action)
		}
		k, id, err := s.permit(ctx, call, c, action, kmsAction, in)
		if err != nil {
			return nil, err
		}
		subject, err := act(call, k, id)
		if err != nil {
			return nil, s.keyError(ctx, c, action, k, err)
		}
		return stateOfSubject(k, subject), nil
	})
}

// keyError words an error of the keys as KMS does, and leaves those that are worded
// or are no answer of the keys.
func (s *Service) keyError(ctx context.Context, c *authn.Caller, operation string, k *key.Key, err error) error {
	if awserr.As(err) != nil || authz.AsDenied(err) != nil || errors.Is(err, authz.ErrUnrecorded) || errors.Is(err, meta.ErrUnavailable) {
		return err
	}
	return s.cfg.KMS.Answer(ctx, c, operation, k.ARN, err)
}

// unlocked refuses what a lock still retains.
func (s *Service) unlocked(ctx context.Context, t erasure.Target) error {
	if s.cfg.Locks == nil {
		return nil
	}
	n, err := s.cfg.Locks.Retained(ctx, t)
	if err == nil && n > 0 {
		err = awserr.New(409, "ConflictException", "%d versions under this key are retained by Object Lock.", n)
	}
	return err
}

// ShredNow destroys a key or a subject at once, without a waiting period, and returns
// the receipt. Who asked is on record before the first step that can't be taken back.
//
// It returns a *awserr.Error with code ValidationException, NotFoundException,
// KMSInvalidStateException or AccessDeniedException. After an InternalFailure the key
// may be unusable already; the server goes on by itself, and GetShred has the receipt
// once it is done.
func (s *Service) ShredNow(ctx context.Context, c *authn.Caller, in *Input) (*State, error) {
	return run(ctx, s, c, "ShredNow", false, in, func(call *authz.Call) (*State, error) {
		k, id, err := s.permit(ctx, call, c, "ShredNow", "kms:ScheduleKeyDeletion", in)
		if err != nil {
			return nil, err
		}
		if k.Manager == key.ManagerAWS {
			return nil, s.cfg.KMS.Answer(ctx, c, "ShredNow", k.ARN, key.ErrManaged)
		}
		t := erasure.TargetOf(k, id)
		if id != nil {
			if _, err := s.cfg.Keys.Subject(ctx, k.Ref, in.Value); err != nil {
				return nil, s.keyError(ctx, c, "ShredNow", k, err)
			}
		}
		if err := s.unlocked(ctx, t); err != nil {
			return nil, err
		}
		err = s.cfg.Meta.Update(ctx, func(tx meta.Txn) error {
			if err := call.Record(tx); err != nil {
				return err
			}
			return s.cfg.Ledger.Ask(tx, t, erasure.Asked{By: c.ARN, Event: call.EventID()})
		})
		if err != nil {
			return nil, err
		}
		// The client may go: what has begun must not stop half way.
		ctx := context.WithoutCancel(ctx)
		var values []string
		if id != nil {
			values = []string{in.Value}
		}
		if _, err := s.cfg.KMS.DestroyNow(ctx, k.Ref, values...); err != nil {
			return nil, s.keyError(ctx, c, "ShredNow", k, err)
		}
		out := &State{Key: k.ARN, Name: in.Name, Value: in.Value, State: Destroyed}
		return out, s.addReceipt(ctx, out, t)
	})
}
