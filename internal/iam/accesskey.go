package iam

import (
	"context"
	"errors"
	"time"

	"coffer/internal/authn"
	"coffer/internal/identity"
)

// An AccessKey is a new access key, with its secret.
type AccessKey struct {
	UserName        string
	AccessKeyID     string `query:"AccessKeyId"`
	Status          string
	SecretAccessKey identity.Secret
	CreateDate      time.Time
}

// AccessKeyMetadata is an access key as listings show it.
type AccessKeyMetadata struct {
	UserName    string `query:",omitempty"`
	AccessKeyID string `query:"AccessKeyId"`
	Status      string
	CreateDate  time.Time
}

func listAccessKey(k identity.AccessKey) AccessKeyMetadata {
	return AccessKeyMetadata{k.UserName, k.ID, string(k.Status), k.CreatedAt}
}

// keyOwner returns the user of a name, or without one the caller, authorized. The
// root user's access key is set from outside, and not by this API.
func (s *Service) keyOwner(ctx context.Context, o *op, name *string) (*target, error) {
	if name == nil && o.caller.Type == authn.TypeRoot {
		if err := o.ask(ctx, o.caller.ARN, nil); err != nil {
			return nil, err
		}
		return nil, NotImplemented("The access key of the root user can't be changed by this operation.")
	}
	user, err := s.nameOrCaller(ctx, o, name)
	if err != nil {
		return nil, err
	}
	t, err := s.findUser(ctx, o, user)
	if err != nil {
		return nil, err
	}
	return t, o.use(ctx, t)
}

// CreateAccessKeyInput is the request of [Service.CreateAccessKey].
type CreateAccessKeyInput struct {
	UserName *string // the caller if nil
}

// CreateAccessKeyOutput is the answer of [Service.CreateAccessKey]. It holds a
// secret, which nothing shows again.
type CreateAccessKeyOutput struct{ AccessKey AccessKey }

// CreateAccessKey makes an access key of a user, and without a name of the caller.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied, NoSuchEntity,
// LimitExceeded, or NotImplemented for the root user.
//
// Source: IAM API Reference, CreateAccessKey, read 2026-11-21.
func (s *Service) CreateAccessKey(ctx context.Context, c *authn.Caller, in *CreateAccessKeyInput) (*CreateAccessKeyOutput, error) {
	return run(ctx, s, c, "CreateAccessKey", in, func(v *checker) {
		v.maybeName("userName", in.UserName, 128)
	}, func(o *op) (out *CreateAccessKeyOutput, err error) {
		t, err := s.keyOwner(ctx, o, in.UserName)
		if err != nil {
			return nil, err
		}
		_, err = s.identity.CreateAccessKey(ctx, c.Account, t.name, answered(o, &out, func(k identity.AccessKey) *CreateAccessKeyOutput {
			return &CreateAccessKeyOutput{AccessKey{k.UserName, k.ID, string(k.Status), k.Secret, k.CreatedAt}}
		}))
		return out, t.about(err)
	})
}

// DeleteAccessKeyInput is the request of [Service.DeleteAccessKey].
type DeleteAccessKeyInput struct {
	UserName    *string // the caller if nil
	AccessKeyID string  `query:"AccessKeyId"`
}

// DeleteAccessKey removes an access key of a user, and without a name of the caller.
// It is refused from the moment that DeleteAccessKey returns.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied, NoSuchEntity,
// or NotImplemented for the root user.
//
// Source: IAM API Reference, DeleteAccessKey, read 2026-11-21.
func (s *Service) DeleteAccessKey(ctx context.Context, c *authn.Caller, in *DeleteAccessKeyInput) error {
	return do(ctx, s, c, "DeleteAccessKey", in, func(v *checker) {
		v.maybeName("userName", in.UserName, 128)
		v.accessKeyID(in.AccessKeyID)
	}, func(o *op) error {
		t, err := s.keyOwner(ctx, o, in.UserName)
		if err != nil {
			return err
		}
		return t.about(s.identity.DeleteAccessKey(ctx, c.Account, t.name, in.AccessKeyID, o.Record), "key", in.AccessKeyID)
	})
}

// UpdateAccessKeyInput is the request of [Service.UpdateAccessKey].
type UpdateAccessKeyInput struct {
	UserName    *string // the caller if nil
	AccessKeyID string  `query:"AccessKeyId"`
	Status      string  // "Active" or "Inactive"
}

// UpdateAccessKey makes an access key of a user active or inactive, and without a
// name one of the caller. An inactive one is refused from the moment that
// UpdateAccessKey returns.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied, NoSuchEntity,
// or NotImplemented for the root user.
//
// Source: IAM API Reference, UpdateAccessKey, read 2026-11-21.
func (s *Service) UpdateAccessKey(ctx context.Context, c *authn.Caller, in *UpdateAccessKeyInput) error {
	return do(ctx, s, c, "UpdateAccessKey", in, func(v *checker) {
		v.maybeName("userName", in.UserName, 128)
		v.accessKeyID(in.AccessKeyID)
		if v.required("status", in.Status) {
			v.oneOf("status", &in.Status, string(identity.Active), string(identity.Inactive))
		}
	}, func(o *op) error {
		t, err := s.keyOwner(ctx, o, in.UserName)
		if err != nil {
			return err
		}
		return t.about(s.identity.SetAccessKeyStatus(ctx, c.Account, t.name, in.AccessKeyID, identity.Status(in.Status), o.Record), "key", in.AccessKeyID)
	})
}

// ListAccessKeysInput is the request of [Service.ListAccessKeys].
type ListAccessKeysInput struct {
	UserName *string // the caller if nil
	Paging
}

// ListAccessKeysOutput is the answer of [Service.ListAccessKeys].
type ListAccessKeysOutput struct {
	AccessKeyMetadata []AccessKeyMetadata
	Paged
}

// ListAccessKeys lists the access keys of a user, and without a name those of the
// caller, who may be the root user.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, ListAccessKeys, read 2026-11-21.
func (s *Service) ListAccessKeys(ctx context.Context, c *authn.Caller, in *ListAccessKeysInput) (*ListAccessKeysOutput, error) {
	return run(ctx, s, c, "ListAccessKeys", in, func(v *checker) {
		v.maybeName("userName", in.UserName, 128)
		v.page(&in.Paging)
	}, func(o *op) (*ListAccessKeysOutput, error) {
		keys, err := s.keysOf(ctx, o, in.UserName)
		if err != nil {
			return nil, err
		}
		page, more, err := cut(&in.Paging, "keys", keys, func(k identity.AccessKey) string { return k.ID })
		return &ListAccessKeysOutput{each(page, listAccessKey), more}, err
	})
}

func (s *Service) keysOf(ctx context.Context, o *op, name *string) ([]identity.AccessKey, error) {
	if name == nil && o.caller.Type == authn.TypeRoot {
		if err := o.ask(ctx, o.caller.ARN, nil); err != nil {
			return nil, err
		}
		k, err := s.identity.RootKey(ctx, o.caller.Account)
		if errors.Is(err, identity.ErrNoAccessKey) {
			return nil, nil
		}
		return []identity.AccessKey{k}, err
	}
	t, err := s.keyOwner(ctx, o, name)
	if err != nil {
		return nil, err
	}
	keys, err := s.identity.AccessKeys(ctx, o.caller.Account, t.name)
	return keys, t.about(err)
}

// GetAccessKeyLastUsedInput is the request of [Service.GetAccessKeyLastUsed].
type GetAccessKeyLastUsedInput struct {
	AccessKeyID string `query:"AccessKeyId"`
}

// GetAccessKeyLastUsedOutput is the answer of [Service.GetAccessKeyLastUsed].
type GetAccessKeyLastUsedOutput struct {
	UserName          string `query:",omitempty"` // empty for the root user
	AccessKeyLastUsed AccessKeyLastUsed
}

// AccessKeyLastUsed tells when and where an access key was used last; a service
// and a region that are not known are "N/A".
type AccessKeyLastUsed struct {
	LastUsedDate time.Time // zero if it was not used
	ServiceName  string
	Region       string
}

// GetAccessKeyLastUsed tells when an access key was used last. The right is asked
// for on its user. A key of another account is as good as none.
//
// It returns a *awserr.Error with code ValidationError, AccessDenied or
// NoSuchEntity.
//
// Source: IAM API Reference, GetAccessKeyLastUsed, read 2026-11-21.
func (s *Service) GetAccessKeyLastUsed(ctx context.Context, c *authn.Caller, in *GetAccessKeyLastUsedInput) (*GetAccessKeyLastUsedOutput, error) {
	return run(ctx, s, c, "GetAccessKeyLastUsed", in, func(v *checker) {
		v.accessKeyID(in.AccessKeyID)
	}, func(o *op) (*GetAccessKeyLastUsedOutput, error) {
		k, err := s.identity.Lookup(ctx, in.AccessKeyID)
		if err != nil && !errors.Is(err, identity.ErrNoAccessKey) {
			return nil, err
		}
		if err != nil || k.Account != c.Account {
			if err := o.ask(ctx, iamARN(o, "user/*"), nil); err != nil {
				return nil, err
			}
			return nil, about(identity.ErrNoAccessKey, "key", in.AccessKeyID)
		}
		if k.UserName == "" {
			err = o.ask(ctx, k.Principal, nil)
		} else {
			var t *target
			if t, err = s.findUser(ctx, o, k.UserName); err == nil {
				err = o.use(ctx, t)
			}
		}
		if err != nil {
			return nil, err
		}
		use, err := s.identity.AccessKeyUse(ctx, k.ID)
		if err != nil {
			return nil, about(err, "key", in.AccessKeyID)
		}
		last := AccessKeyLastUsed{use.At, use.Service, use.Region}
		if use.At.IsZero() {
			last.ServiceName, last.Region = "N/A", "N/A"
		}
		return &GetAccessKeyLastUsedOutput{k.UserName, last}, nil
	})
}
