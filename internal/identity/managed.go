package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"coffer/internal/arn"
	"coffer/internal/meta"
	"coffer/internal/policy"
)

// Quotas of managed policies.
//
// Source: IAM User Guide, "IAM and AWS STS quotas", the defaults, read 2026-11-21.
const (
	MaxPolicies = 1500
	MaxVersions = 5
)

// A Policy is a managed policy, of an account or of AWS.
type Policy struct {
	Account     string // "aws" for the managed policies of AWS
	ID          string // ANPA...
	Name        string
	Path        string
	ARN         string
	Description string
	Default     string // ID of the default version: "v1"
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Tags        []Tag
	// Attachments and Boundaries count its uses in the account that asks.
	Attachments int
	Boundaries  int
}

// IsAWS reports whether AWS maintains the policy.
func (p *Policy) IsAWS() bool { return p.Account == awsAccount }

// awsAccount stands in the ARNs of AWS's managed policies for an account.
const awsAccount = "aws"

// NewPolicy describes a managed policy to be made.
type NewPolicy struct {
	Name        string
	Path        string // "/" if empty
	Description string
	Text        string // JSON
	Tags        []Tag
}

// A PolicyPage asks for one page of managed policies: those of the account first,
// then those of AWS. After is the ARN of the last one of the page before.
type PolicyPage struct {
	Page
	Local, AWS bool // which; neither means both
	// Used asks for those only that are attached or a permissions boundary;
	// Permissions for those that are attached, Boundaries for boundaries.
	Used, Permissions, Boundaries bool
}

// An Attachment is a managed policy as it is attached.
type Attachment struct{ ARN, Name, Path string }

// A PolicyEntity is a user, a group or a role that a managed policy is attached
// to, or whose permissions boundary it is.
type PolicyEntity struct {
	Kind     Kind
	Name     string
	ID       string
	Path     string
	Boundary bool // as permissions boundary; otherwise attached
}

// splitPolicyARN returns the path and the name of the policy with an ARN.
func splitPolicyARN(policyARN string) (path, name string) {
	a, _ := arn.Parse(policyARN)
	_, rest, _ := strings.Cut(a.Resource, "/")
	i := strings.LastIndex(rest, "/") + 1
	return "/" + rest[:i], rest[i:]
}

// customer returns the row of a managed policy of the account, or ErrNoPolicy, or
// ErrUnmodifiable for one of AWS.
func customer(r meta.Reader, account, policyARN string) (key string, row *policyRow, err error) {
	if byARN(policyARN) != nil {
		return "", nil, ErrUnmodifiable
	}
	_, name := splitPolicyARN(policyARN)
	if !isName(name, maxPolicyName) || checkAccountID(account) != nil {
		return "", nil, ErrNoPolicy
	}
	key = rowPolicy + account + "/" + strings.ToLower(name)
	row = new(policyRow)
	switch err := get(r, key, row); {
	case errors.Is(err, meta.ErrNotFound):
		return "", nil, ErrNoPolicy
	case err != nil:
		return "", nil, err
	case policyARN != iamARN(account, "policy"+row.Path+row.Name):
		return "", nil, ErrNoPolicy
	}
	return key, row, nil
}

// managed returns a managed policy of the account or of AWS, without its uses, or
// ErrNoPolicy.
func managed(r meta.Reader, account, policyARN string) (*Policy, error) {
	if a := byARN(policyARN); a != nil {
		return a.policy(), nil
	}
	_, row, err := customer(r, account, policyARN)
	if err != nil {
		return nil, err
	}
	return row.policy(account), nil
}

func (r *policyRow) policy(account string) *Policy {
	return &Policy{
		Account: account, ID: r.ID, Name: r.Name, Path: r.Path, ARN: iamARN(account, "policy"+r.Path+r.Name),
		Description: r.Description, Default: versionID(r.Default), CreatedAt: milliseconds(r.CreatedAt),
		UpdatedAt: milliseconds(r.UpdatedAt), Tags: rowTags(r.Tags),
	}
}

// countUses sets the uses of a policy in an account.
func (p *Policy) countUses(r meta.Reader, account string) error {
	p.Attachments, p.Boundaries = 0, 0
	prefix := rowUse + account + "/" + p.ID + "/"
	return r.Scan(meta.Prefix([]byte(prefix)), func(key, _ []byte) (bool, error) {
		if strings.HasPrefix(string(key[len(prefix):]), string(asBoundary)) {
			p.Boundaries++
		} else {
			p.Attachments++
		}
		return true, nil
	})
}

// checkManaged checks the text of a managed policy.
func checkManaged(text string) error {
	if policy.Size(text) > policy.ManagedPolicySize {
		return &QuotaError{"PolicySize", policy.ManagedPolicySize}
	}
	return parse(text, policy.KindIdentity)
}

// CreatePolicy makes a customer managed policy with version v1. It returns
// ErrNoAccount, ErrExists, ErrMalformedPolicy, ErrQuota and ErrInvalid.
func (s *Store) CreatePolicy(ctx context.Context, account string, in NewPolicy, also func(meta.Txn, Policy) error) (Policy, error) {
	path := orRoot(in.Path)
	err := errors.Join(checkName("policy", in.Name, maxPolicyName), checkPolicyPath(path), checkTags(in.Tags))
	if utf8.RuneCountInString(in.Description) > maxDescription {
		err = errors.Join(err, fmt.Errorf("%w: description has more than %d characters", ErrInvalid, maxDescription))
	}
	if err != nil {
		return Policy{}, err
	}
	if err := checkManaged(in.Text); err != nil {
		return Policy{}, err
	}
	tags, err := withTags(nil, in.Tags)
	if err != nil {
		return Policy{}, err
	}
	id, err := s.newID(prefixPolicy)
	if err != nil {
		return Policy{}, err
	}
	now := s.now().UnixMilli()
	row := policyRow{
		ID: id, Name: in.Name, Path: path, CreatedAt: now, Tags: tagRows(tags), Description: in.Description, UpdatedAt: now,
		Default: 1, Last: 1, Versions: []versionRow{{Number: 1, CreatedAt: now}},
	}
	p := *row.policy(account)
	err = s.change(ctx, "create policy "+in.Name, func(tx meta.Txn) error {
		if _, err := getAccount(tx, account); err != nil {
			return err
		}
		key := rowPolicy + account + "/" + strings.ToLower(in.Name)
		if taken, err := exists(tx, key); err != nil {
			return err
		} else if taken {
			return ErrExists
		}
		if err := count(tx, account, func(r *countRow) *int { return &r.Policies }, 1, "PoliciesPerAccount", MaxPolicies); err != nil {
			return err
		}
		if err := countVersions(tx, account, 1); err != nil {
			return err
		}
		return errors.Join(put(tx, key, row), put(tx, versionKey(id, 1), in.Text))
	}, func(tx meta.Txn) error { return runWith(also, tx, p) })
	if err != nil {
		return Policy{}, err
	}
	return p, nil
}

// PolicyByARN returns a managed policy of the account or of AWS, with its uses in
// the account, or ErrNoPolicy.
func (s *Store) PolicyByARN(ctx context.Context, account, policyARN string) (Policy, error) {
	var p Policy
	err := s.view(ctx, "policy "+policyARN, func(r meta.Reader) error {
		found, err := managed(r, account, policyARN)
		if err != nil {
			return notOurs(err)
		}
		p = *found
		return p.countUses(r, account)
	})
	return p, err
}

// notOurs turns the ErrUnmodifiable of customer into ErrNoPolicy: where nothing is
// changed, a policy of AWS has been looked for before.
func notOurs(err error) error {
	if errors.Is(err, ErrUnmodifiable) {
		return ErrNoPolicy
	}
	return err
}

// Policies lists managed policies by name: those of the account, then those of AWS.
// more is set if the list goes on.
func (s *Store) Policies(ctx context.Context, account string, p PolicyPage) (list []Policy, more bool, err error) {
	both := !p.Local && !p.AWS
	_, after := splitPolicyARN(p.After)
	inAWS := p.After != "" && strings.HasPrefix(p.After, iamARN(awsAccount, "policy/"))
	err = s.view(ctx, "list policies", func(r meta.Reader) error {
		list, more = nil, false
		add := func(found *Policy) (bool, error) {
			if !strings.HasPrefix(found.Path, p.PathPrefix) {
				return true, nil
			}
			if err := found.countUses(r, account); err != nil {
				return false, err
			}
			if p.Used && found.Attachments+found.Boundaries == 0 || p.Permissions && found.Attachments == 0 || p.Boundaries && found.Boundaries == 0 {
				return true, nil
			}
			if p.Limit > 0 && len(list) == p.Limit {
				more = true
				return false, nil
			}
			list = append(list, *found)
			return true, nil
		}
		if (both || p.Local) && !inAWS {
			prefix := rowPolicy + account + "/"
			in := meta.Prefix([]byte(prefix))
			if after != "" {
				in.Start = []byte(prefix + strings.ToLower(after) + "\x00")
			}
			err := r.Scan(in, func(key, value []byte) (bool, error) {
				var row policyRow
				if err := decode(key, value, &row); err != nil {
					return false, err
				}
				return add(row.policy(account))
			})
			if err != nil || more {
				return err
			}
		}
		if both || p.AWS {
			for i := range awsPolicies {
				if inAWS && strings.ToLower(awsPolicies[i].name) <= strings.ToLower(after) {
					continue
				}
				if goOn, err := add(awsPolicies[i].policy()); err != nil || !goOn {
					return err
				}
			}
		}
		return nil
	})
	return list, more, err
}

// DeletePolicy removes a managed policy of the account with its one version. It
// returns ErrNoPolicy, ErrUnmodifiable, ErrIsAttached and ErrHasVersions.
func (s *Store) DeletePolicy(ctx context.Context, account, policyARN string, also func(meta.Txn) error) error {
	return s.change(ctx, "delete policy "+policyARN, func(tx meta.Txn) error {
		key, row, err := customer(tx, account, policyARN)
		if err != nil {
			return err
		}
		if used, err := hasAny(tx, rowUse+account+"/"+row.ID+"/"); err != nil {
			return err
		} else if used {
			return ErrIsAttached
		}
		if len(row.Versions) > 1 {
			return ErrHasVersions
		}
		err = count(tx, account, func(r *countRow) *int { return &r.Policies }, -1, "PoliciesPerAccount", MaxPolicies)
		return errors.Join(err, countVersions(tx, account, -1), remove(tx, key, versionKey(row.ID, row.Default)))
	}, also)
}

// TagPolicy sets tags of a managed policy, each anew or over its old value. It
// returns ErrNoPolicy, ErrUnmodifiable, ErrQuota and ErrInvalid.
func (s *Store) TagPolicy(ctx context.Context, account, policyARN string, tags []Tag, also func(meta.Txn) error) error {
	if err := checkTags(tags); err != nil {
		return err
	}
	return s.change(ctx, "tag policy "+policyARN, func(tx meta.Txn) error {
		key, row, err := customer(tx, account, policyARN)
		if err != nil {
			return err
		}
		all, err := withTags(rowTags(row.Tags), tags)
		if err != nil {
			return err
		}
		row.Tags = tagRows(all)
		return put(tx, key, row)
	}, also)
}

// UntagPolicy removes tags; a missing one is not an error. It returns ErrNoPolicy
// and ErrUnmodifiable.
func (s *Store) UntagPolicy(ctx context.Context, account, policyARN string, keys []string, also func(meta.Txn) error) error {
	return s.change(ctx, "untag policy "+policyARN, func(tx meta.Txn) error {
		key, row, err := customer(tx, account, policyARN)
		if err != nil {
			return err
		}
		row.Tags = tagRows(withoutTags(rowTags(row.Tags), keys))
		return put(tx, key, row)
	}, also)
}

// PolicyEntities returns what a managed policy is attached to in the account, and
// whose permissions boundary it is: groups, roles, users, each by name. It returns
// ErrNoPolicy.
func (s *Store) PolicyEntities(ctx context.Context, account, policyARN string) ([]PolicyEntity, error) {
	var list []PolicyEntity
	err := s.view(ctx, "entities of policy "+policyARN, func(r meta.Reader) error {
		list = nil
		p, err := managed(r, account, policyARN)
		if err != nil {
			return notOurs(err)
		}
		prefix := rowUse + account + "/" + p.ID + "/"
		return r.Scan(meta.Prefix([]byte(prefix)), func(key, _ []byte) (bool, error) {
			rest := string(key[len(prefix):])
			id := rest[len(asAttached):]
			var at idRow
			row := new(entityRow)
			err := get(r, rowID+id, &at)
			if err == nil {
				err = get(r, Entity(at).row(), row)
			}
			if errors.Is(err, meta.ErrNotFound) {
				err = fmt.Errorf("%w: %s names no entity", meta.ErrCorrupt, key)
			}
			list = append(list, PolicyEntity{at.Kind, row.Name, id, row.Path, strings.HasPrefix(rest, string(asBoundary))})
			return true, err
		})
	})
	slices.SortFunc(list, func(a, b PolicyEntity) int {
		if c := strings.Compare(string(a.Kind), string(b.Kind)); c != 0 {
			return c
		}
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	return list, err
}
