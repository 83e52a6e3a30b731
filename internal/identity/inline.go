package identity

import (
	"context"
	"errors"

	"coffer/internal/meta"
	"coffer/internal/policy"
)

// inlineQuota returns the quota of all the inline policies of one entity together,
// in characters without white space.
func (k Kind) inlineQuota() *QuotaError {
	switch k {
	case KindGroup:
		return &QuotaError{"GroupPolicySize", policy.GroupPolicySize}
	case KindRole:
		return &QuotaError{"RolePolicySize", policy.RolePolicySize}
	}
	return &QuotaError{"UserPolicySize", policy.UserPolicySize}
}

// inlineName returns what explanations call an inline policy: "user_alice_read".
//
// Source: the SourcePolicyId that SimulatePrincipalPolicy of AWS answers with, as
// recorded in issues of the Terraform AWS provider and iam tools, read 2026-11-21.
func inlineName(kind Kind, entity, name string) string {
	return kind.noun() + "_" + entity + "_" + name
}

// PutInline sets an inline policy. It returns ErrNoUser and its kin,
// ErrUnmodifiable, ErrMalformedPolicy, ErrQuota and ErrInvalid.
func (s *Store) PutInline(ctx context.Context, e Entity, name, text string, also func(meta.Txn) error) error {
	if err := checkName("policy", name, maxPolicyName); err != nil {
		return err
	}
	quota := e.Kind.inlineQuota()
	if policy.Size(text) > quota.Limit {
		return quota
	}
	if err := parse(text, policy.KindIdentity); err != nil {
		return err
	}
	return s.change(ctx, "put policy "+name+" of "+e.Kind.noun()+" "+e.Name, func(tx meta.Txn) error {
		row, err := modifiable(tx, e)
		if err != nil {
			return err
		}
		size := policy.Size(text)
		err = scanInline(tx, row.ID, func(other, text string) error {
			if other != name {
				size += policy.Size(text)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if size > quota.Limit {
			return quota
		}
		return put(tx, rowInline+row.ID+"/"+name, text)
	}, also)
}

// scanInline calls fn for the inline policies of the entity with a unique ID, by
// name.
func scanInline(r meta.Reader, id string, fn func(name, text string) error) error {
	prefix := rowInline + id + "/"
	return r.Scan(meta.Prefix([]byte(prefix)), func(key, value []byte) (bool, error) {
		var text string
		if err := decode(key, value, &text); err != nil {
			return false, err
		}
		return true, fn(string(key[len(prefix):]), text)
	})
}

// Inline returns the text of an inline policy. It returns ErrNoUser and its kin, and
// ErrNoInline.
func (s *Store) Inline(ctx context.Context, e Entity, name string) (text string, err error) {
	err = s.view(ctx, "policy "+name+" of "+e.Kind.noun()+" "+e.Name, func(r meta.Reader) error {
		row, err := getEntity(r, e)
		if err != nil {
			return err
		}
		if !isName(name, maxPolicyName) {
			return ErrNoInline
		}
		if err := get(r, rowInline+row.ID+"/"+name, &text); errors.Is(err, meta.ErrNotFound) {
			return ErrNoInline
		} else if err != nil {
			return err
		}
		return nil
	})
	return text, err
}

// An InlinePolicy is a policy that is part of a user, a group or a role.
type InlinePolicy struct{ Name, Text string }

// InlinePolicies returns the inline policies of an entity by name. It returns
// ErrNoUser and its kin.
func (s *Store) InlinePolicies(ctx context.Context, e Entity) ([]InlinePolicy, error) {
	var list []InlinePolicy
	err := s.view(ctx, "policies of "+e.Kind.noun()+" "+e.Name, func(r meta.Reader) error {
		list = nil
		row, err := getEntity(r, e)
		if err != nil {
			return err
		}
		return scanInline(r, row.ID, func(name, text string) error {
			list = append(list, InlinePolicy{name, text})
			return nil
		})
	})
	return list, err
}

// InlineNames returns the names of the inline policies of an entity, in order. It
// returns ErrNoUser and its kin.
func (s *Store) InlineNames(ctx context.Context, e Entity) ([]string, error) {
	list, err := s.InlinePolicies(ctx, e)
	var names []string
	for _, p := range list {
		names = append(names, p.Name)
	}
	return names, err
}

// DeleteInline removes an inline policy. It returns ErrNoUser and its kin,
// ErrUnmodifiable and ErrNoInline.
func (s *Store) DeleteInline(ctx context.Context, e Entity, name string, also func(meta.Txn) error) error {
	return s.change(ctx, "delete policy "+name+" of "+e.Kind.noun()+" "+e.Name, func(tx meta.Txn) error {
		row, err := modifiable(tx, e)
		if err != nil {
			return err
		}
		if !isName(name, maxPolicyName) {
			return ErrNoInline
		}
		key := rowInline + row.ID + "/" + name
		if there, err := exists(tx, key); err != nil {
			return err
		} else if !there {
			return ErrNoInline
		}
		return remove(tx, key)
	}, also)
}
