package identity

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"coffer/internal/meta"
	"coffer/internal/policy"
)

// A resolved is an Effective with where it comes from.
type resolved struct {
	Effective
	kind    Kind
	account string
}

// compiled holds the compiled versions of managed policies. The text of a version
// never changes, so an entry is never wrong.
type compiled struct {
	mu       sync.Mutex
	policies map[compiledKey]*policy.Policy // guarded by mu
}

type compiledKey struct {
	id   string // of the policy
	n    uint64 // of the version
	kind policy.Kind
}

// maxCompiled bounds what compiled holds: all the default versions of an account,
// and some.
const maxCompiled = 2 * MaxPolicies

// EffectiveUser returns what decisions need of the user with a unique ID, or
// ErrNoUser if it is gone or of another account. Callers share what it returns. A
// policy that can't be read is an error: without it, a denial might be missing.
func (s *Store) EffectiveUser(ctx context.Context, account, userID string) (*Effective, error) {
	return s.resolve(ctx, KindUser, account, userID)
}

// EffectiveRole returns what decisions need of the role with a unique ID, or
// ErrNoRole if it is gone or of another account. Otherwise it is like EffectiveUser.
func (s *Store) EffectiveRole(ctx context.Context, account, roleID string) (*Effective, error) {
	return s.resolve(ctx, KindRole, account, roleID)
}

func (s *Store) resolve(ctx context.Context, kind Kind, account, id string) (*Effective, error) {
	found, changes, ok := s.effective.get(id)
	if !ok {
		found = new(resolved)
		err := s.view(ctx, "policies of "+kind.noun()+" "+id, func(r meta.Reader) error {
			*found = resolved{}
			e, row, err := entityByID(r, id)
			if errors.Is(err, meta.ErrNotFound) {
				return kind.missing()
			} else if err != nil {
				return err
			}
			found.kind, found.account = e.Kind, e.Account
			return s.fill(r, &found.Effective, e, row)
		})
		if err != nil {
			return nil, err
		}
		s.effective.put(id, found, changes)
	}
	if found.kind != kind || found.account != account {
		return nil, kind.missing()
	}
	return &found.Effective, nil
}

// fill compiles what decisions need of an entity.
func (s *Store) fill(r meta.Reader, f *Effective, e Entity, row *entityRow) error {
	f.ID, f.ARN = row.ID, entityARN(e.Kind, e.Account, row.Path, row.Name)
	f.Name, f.Path = row.Name, row.Path
	f.ServiceLinked = row.Service != ""
	f.MaxSession = time.Duration(row.MaxSession) * time.Second
	f.Tags = make(map[string]string, len(row.Tags))
	for _, t := range row.Tags {
		f.Tags[t.Key] = t.Value
	}
	if err := s.policiesOf(r, f, e.Kind, e.Account, row); err != nil {
		return err
	}
	groups, err := groupsOf(r, row)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if err := s.policiesOf(r, f, KindGroup, e.Account, g); err != nil {
			return err
		}
	}
	if row.Boundary != "" {
		b, err := s.load(r, e.Account, row.Boundary, policy.KindBoundary)
		if err != nil {
			return err
		}
		f.Boundary = &policy.Named{Name: row.Boundary, Policy: b}
	}
	if e.Kind == KindRole {
		trust, err := policy.Load(row.Trust, policy.KindTrust)
		if err != nil {
			return fmt.Errorf("%w: trust policy of role %s: %w", meta.ErrCorrupt, row.ID, err)
		}
		f.Trust = &policy.Named{Name: f.ARN, Policy: trust}
	}
	return nil
}

// policiesOf appends the inline and the attached policies of an entity.
func (s *Store) policiesOf(r meta.Reader, f *Effective, kind Kind, account string, row *entityRow) error {
	err := scanInline(r, row.ID, func(name, text string) error {
		p, err := policy.Load(text, policy.KindIdentity)
		if err != nil {
			return fmt.Errorf("%w: policy %s of %s: %w", meta.ErrCorrupt, name, row.ID, err)
		}
		f.Policies = append(f.Policies, policy.Named{Name: inlineName(kind, row.Name, name), Policy: p})
		return nil
	})
	if err != nil {
		return err
	}
	for _, policyARN := range row.Attached {
		p, err := s.load(r, account, policyARN, policy.KindIdentity)
		if err != nil {
			return err
		}
		f.Policies = append(f.Policies, policy.Named{Name: policyARN, Policy: p})
	}
	return nil
}

// load returns the compiled default version of a managed policy.
func (s *Store) load(r meta.Reader, account, policyARN string, kind policy.Kind) (*policy.Policy, error) {
	key := compiledKey{kind: kind}
	var text string
	if a := byARN(policyARN); a != nil {
		key.id, key.n, text = a.id, uint64(a.latest), a.text
	} else {
		_, row, err := customer(r, account, policyARN)
		if errors.Is(err, ErrNoPolicy) {
			return nil, fmt.Errorf("%w: policy %s is in use and not there", meta.ErrCorrupt, policyARN)
		} else if err != nil {
			return nil, err
		}
		key.id, key.n = row.ID, row.Default
	}
	c := &s.compiled
	c.mu.Lock()
	p := c.policies[key]
	c.mu.Unlock()
	if p != nil {
		return p, nil
	}
	if text == "" {
		var err error
		if text, err = versionText(r, key.id, key.n); err != nil {
			return nil, err
		}
	}
	p, err := policy.Load(text, kind)
	if err != nil {
		return nil, fmt.Errorf("%w: policy %s: %w", meta.ErrCorrupt, policyARN, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.policies == nil || len(c.policies) >= maxCompiled {
		c.policies = make(map[compiledKey]*policy.Policy)
	}
	c.policies[key] = p
	return p, nil
}
