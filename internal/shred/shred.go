// Package shred is the service of destroying keys on purpose: what a destruction would
// make dark, the life of subjects, destruction at once, and receipts. The deletion of
// a whole key is an operation of KMS, and is not doubled here.
//
// Each operation takes two rights: an action of coffer on the key or the subject, and
// the action of KMS that is its like on the key, so that a key policy has the last word.
// coffer:ShredNow, which has no waiting period, is allowed only to who is given it by
// name; see docs/spec/authorization.md.
package shred

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/erasure"
	"coffer/internal/key"
	"coffer/internal/meta"
	"coffer/internal/object"
)

// source is the service as the trail names it.
const source = "coffer"

// KMS decides on keys and destroys them. The KMS service implements it.
type KMS interface {
	// Permit returns the key that keyID names once the caller may do action to it.
	Permit(ctx context.Context, call *authz.Call, c *authn.Caller, action, keyID string, days int32) (*key.Key, error)
	// DestroyNow destroys a key, or subjects of it, with its event and receipt.
	DestroyNow(ctx context.Context, ref key.Ref, values ...string) ([]key.Tombstone, error)
	// DestroyVersionsNow destroys the versions of a key below one, with an event each.
	DestroyVersionsNow(ctx context.Context, ref key.Ref, below uint32) ([]key.Tombstone, error)
	// Answer words an error of the keys.
	Answer(ctx context.Context, c *authn.Caller, operation, what string, err error) error
}

// Locks says what may not be destroyed yet.
type Locks interface {
	// Retained returns how many versions under a target are held by a retention or
	// a legal hold.
	Retained(ctx context.Context, t erasure.Target) (versions int64, err error)
}

// A LastUse is the last use of a key.
type LastUse struct {
	At        time.Time `json:"at"`
	Operation string    `json:"operation"`
	By        string    `json:"by,omitempty"` // ARN
}

// A Config holds what a Service needs.
type Config struct {
	Gate    *authz.Gate
	Meta    meta.Store
	KMS     KMS
	Keys    *key.Keys
	Objects *object.Store
	Ledger  *erasure.Ledger
	// SubjectOf returns the subject that a bucket gives to the object of a key by
	// itself. own says that no other object has the same.
	SubjectOf func(b *object.Bucket, key string) (value string, own bool)
	// LastUse tells when a key was last used; nil if nobody knows.
	LastUse func(ctx context.Context, ref key.Ref) (*LastUse, error)
	// Locks are asked before anything is destroyed; nil if there are none.
	Locks Locks
	Log   *slog.Logger
}

// A Service destroys keys. It is safe for concurrent use. Its errors are *awserr.Error.
type Service struct {
	cfg Config
	// destroying is held by the one destruction of versions at a time.
	destroying sync.Mutex
}

// New returns a service.
func New(cfg Config) *Service { return &Service{cfg: cfg} }

// Input names what an operation is about.
type Input struct {
	Key string `json:"key"` // ID, ARN or alias of the KMS key
	// Name and Value are the pair of the encryption context that names a subject;
	// both empty for the key with all that is below it.
	Name  string `json:"name"`
	Value string `json:"value"`
	// Days is the waiting period of ShredSubject, 7 to 30.
	Days int32 `json:"days"`
	// Bucket and Object, for PreviewShred alone, name an object instead of key and
	// subject.
	Bucket string `json:"bucket"`
	Object string `json:"object"`
}

// run runs one operation as one call.
func run[Output any](ctx context.Context, s *Service, c *authn.Caller, operation string, readOnly bool, in *Input, act func(*authz.Call) (*Output, error)) (*Output, error) {
	return authz.Run(ctx, s.cfg.Gate, c, authz.Operation{Source: source, Name: operation, ReadOnly: readOnly}, s.answer,
		func(call *authz.Call) (*Output, error) {
			call.Watch()
			call.Param("keyId", in.Key)
			if in.Name != "" || in.Value != "" {
				call.Param("encryptionContext", map[string]string{in.Name: in.Value})
			}
			if err := in.check(); err != nil {
				return nil, err
			}
			return act(call)
		})
}

// Bounds of an Input, in bytes. The value of a pair of an encryption context has no
// limit of its own in KMS; object keys have 1,024 bytes.
const (
	maxName  = 1024
	maxValue = 8 << 10
)

func (in *Input) check() error {
	switch {
	case (in.Name == "") != (in.Value == ""):
		return invalid("A subject has a name and a value.")
	case len(in.Name) > maxName || len(in.Value) > maxValue:
		return invalid("The name or the value of the subject is too long.")
	}
	return nil
}

func invalid(format string, args ...any) error {
	return awserr.New(400, "ValidationException", format, args...)
}

// resource names a key, or a subject of it, in policies.
func resource(k key.Ref, in *Input) string {
	name := "key/" + k.ID
	if in.Name != "" {
		name += "/subject/" + in.Name + "/" + in.Value
	}
	return arn.ARN{Partition: arn.Partition, Service: source, Region: k.Region, Account: k.Account, Resource: name}.String()
}

// permit returns the key of in, and the subject, once the caller may do action, of
// coffer, to it and kmsAction to the key.
func (s *Service) permit(ctx context.Context, call *authz.Call, c *authn.Caller, action, kmsAction string, in *Input) (*key.Key, *key.SubjectID, error) {
	k, err := s.cfg.KMS.Permit(ctx, call, c, kmsAction, in.Key, in.Days)
	if err != nil {
		return nil, nil, err
	}
	if err := s.ask(ctx, call, action, k.Ref, in); err != nil {
		return nil, nil, err
	}
	if in.Name == "" {
		return k, nil, nil
	}
	id, err := s.subject(ctx, c, k, in)
	return k, id, err
}

func (s *Service) ask(ctx context.Context, call *authz.Call, action string, ref key.Ref, in *Input) error {
	return call.Ask(ctx, &authz.Ask{Action: source + ":" + action, Resource: resource(ref, in), Account: ref.Account})
}

// subject returns the ID of the subject that in names below k.
func (s *Service) subject(ctx context.Context, c *authn.Caller, k *key.Key, in *Input) (*key.SubjectID, error) {
	switch {
	case k.ShredBy == "":
		return nil, invalid("%s has no subjects: it was not created with the tag %s.", k.ARN, key.TagShredBy)
	case k.ShredBy != in.Name:
		return nil, invalid("The subjects of %s are named by the pair %q of the encryption context, not %q.", k.ARN, k.ShredBy, in.Name)
	}
	id, _, err := s.cfg.Keys.SubjectOf(k, map[string]string{in.Name: in.Value})
	if err != nil {
		return nil, s.cfg.KMS.Answer(ctx, c, "ShredNow", k.ARN, err)
	}
	return &id, nil
}

// answer turns any error into what the client sees.
func (s *Service) answer(err error) error {
	if e := awserr.As(err); e != nil {
		return e
	}
	if denied := authz.AsDenied(err); denied != nil {
		return awserr.New(403, "AccessDeniedException", "%s", denied.Error())
	}
	if errors.Is(err, meta.ErrUnavailable) || errors.Is(err, authz.ErrUnrecorded) {
		return awserr.New(503, "ServiceUnavailableException", "The storage can't be written now.").Because(err)
	}
	s.cfg.Log.Error("shredding failed", "error", err)
	return awserr.New(500, "InternalFailure", "The request failed for an internal reason. What was begun is finished by itself, or by the same request again.").Because(err)
}
