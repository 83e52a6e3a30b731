package organization

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"coffer/internal/meta"
	"coffer/internal/policy"
)

const (
	rowPolicy   = "organization/policy/"
	rowAttached = "organization/attached/"
	rowTarget   = "organization/target/"
)

type policyRow struct {
	Type        PolicyType `cbor:"1,keyasint"`
	Name        string     `cbor:"2,keyasint"`
	Description string     `cbor:"3,keyasint"`
	Content     string     `cbor:"4,keyasint"`
}

// A Policy is a policy of an organization, or one of AWS's.
type Policy struct {
	ID          string // "p-..."
	Type        PolicyType
	Name        string
	Description string
	Content     string // JSON
	AWSManaged  bool
}

func (r *policyRow) policy(id string) *Policy {
	return &Policy{ID: id, Type: r.Type, Name: r.Name, Description: r.Description, Content: r.Content}
}

func isPolicy(id string) bool { return strings.HasPrefix(id, "p-") }

// policyTypes are what is known of the types, in the order in which they are shown.
//
// Source: AWS Organizations User Guide, "Quotas and service limits for AWS
// Organizations", read 2026-11-21. The numbers for SCPs are those since 15 May
// 2026; they were 5 and 5,120.
var policyTypes = []struct {
	name        PolicyType
	kind        policy.Kind
	maxAttached int // to one target, those of AWS included
	maxSize     int // characters
	maxPolicies int // of an organization
	full        Policy
}{
	{SCP, policy.KindSCP, 10, 10_240, 10_000, Policy{ID: "p-FullAWSAccess", Type: SCP, Name: "FullAWSAccess", AWSManaged: true,
		Description: "Allows access to every operation",
		Content:     `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`}},
	{RCP, policy.KindRCP, 5, 5_120, 1_000, Policy{ID: "p-RCPFullAWSAccess", Type: RCP, Name: "RCPFullAWSAccess", AWSManaged: true,
		Description: "Allows access to every resource",
		Content:     `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`}},
}

// typeIndex returns the index of a type in policyTypes.
func typeIndex(t PolicyType) int {
	for i := range policyTypes {
		if policyTypes[i].name == t {
			return i
		}
	}
	panic("organization: internal error: policy type " + string(t))
}

// awsManaged returns the policy of AWS with an ID, or nil.
func awsManaged(id string) *Policy {
	for i := range policyTypes {
		if policyTypes[i].full.ID == id {
			p := policyTypes[i].full
			return &p
		}
	}
	return nil
}

// loadPolicy returns a policy, or ErrNoPolicy.
func loadPolicy(r meta.Reader, org, id string) (*Policy, error) {
	if p := awsManaged(id); p != nil {
		return p, nil
	}
	var row policyRow
	if err := get(r, policyKey(org, id), &row, ErrNoPolicy); err != nil {
		return nil, err
	}
	return row.policy(id), nil
}

// checkContent refuses a text that is no policy of the type.
func checkContent(t PolicyType, content string) error {
	p := policyTypes[typeIndex(t)]
	if utf8.RuneCountInString(content) > p.maxSize {
		return ErrTooLong
	}
	if _, err := policy.Parse(content, p.kind); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

// CreatePolicy makes a policy that is attached to nothing. It returns
// ErrPolicyExists, ErrMalformed, ErrTooLong, ErrTooManyPolicies and ErrTooManyTags.
func (s *Store) CreatePolicy(ctx context.Context, org string, p Policy, tags []Tag, also func(meta.Txn, *Policy) error) (*Policy, error) {
	if err := checkContent(p.Type, p.Content); err != nil {
		return nil, err
	}
	var made *Policy
	err := s.update(ctx, func(tx meta.Txn) error {
		if _, err := loadOrg(tx, org); err != nil {
			return err
		}
		same, err := ofType(tx, org, p.Type)
		if err != nil {
			return err
		}
		if len(same) >= policyTypes[typeIndex(p.Type)].maxPolicies {
			return ErrTooManyPolicies
		}
		if isNamed(same, p.Name, "") {
			return ErrPolicyExists
		}
		random, err := s.draw(lowerDigits, 8)
		if err != nil {
			return err
		}
		id := "p-" + random
		if taken, err := has(tx, policyKey(org, id)); err != nil || taken {
			return errors.Join(err, errCollision)
		}
		row := policyRow{p.Type, p.Name, p.Description, p.Content}
		made = row.policy(id)
		if err := errors.Join(put(tx, policyKey(org, id), row), setTags(tx, org, id, tags)); err != nil {
			return err
		}
		return also(tx, made)
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// ofType returns the policies of a type, those of AWS first and then by ID.
func ofType(r meta.Reader, org string, t PolicyType) ([]*Policy, error) {
	full := policyTypes[typeIndex(t)].full
	list := []*Policy{&full}
	err := r.Scan(meta.Prefix([]byte(policyKey(org, ""))), func(key, value []byte) (bool, error) {
		var row policyRow
		if err := decoder.Unmarshal(value, &row); err != nil {
			return false, fmt.Errorf("decode row %s: %w", key, err)
		}
		if row.Type == t {
			list = append(list, row.policy(string(key[len(policyKey(org, "")):])))
		}
		return true, nil
	})
	return list, err
}

// isNamed reports whether a policy other than except has the name.
func isNamed(list []*Policy, name, except string) bool {
	return slices.ContainsFunc(list, func(p *Policy) bool { return p.Name == name && p.ID != except })
}

// A PolicyChange says what to change of a policy; nil keeps.
type PolicyChange struct{ Name, Description, Content *string }

// UpdatePolicy changes a policy, wherever it is attached. It returns ErrNoPolicy,
// ErrAWSManaged, ErrPolicyExists, ErrMalformed and ErrTooLong.
func (s *Store) UpdatePolicy(ctx context.Context, org, id string, change PolicyChange, also func(meta.Txn, *Policy) error) (*Policy, error) {
	var p *Policy
	err := s.update(ctx, func(tx meta.Txn) (err error) {
		if p, err = loadPolicy(tx, org, id); err != nil {
			return err
		}
		if p.AWSManaged {
			return ErrAWSManaged
		}
		if change.Name != nil {
			p.Name = *change.Name
		}
		if change.Description != nil {
			p.Description = *change.Description
		}
		if change.Content != nil {
			p.Content = *change.Content
			if err := checkContent(p.Type, p.Content); err != nil {
				return err
			}
		}
		same, err := ofType(tx, org, p.Type)
		if err != nil {
			return err
		}
		if isNamed(same, p.Name, id) {
			return ErrPolicyExists
		}
		if err := put(tx, policyKey(org, id), policyRow{p.Type, p.Name, p.Description, p.Content}); err != nil {
			return err
		}
		return also(tx, p)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// DeletePolicy removes a policy that is attached to nothing. It returns ErrNoPolicy,
// ErrAWSManaged and ErrPolicyInUse.
func (s *Store) DeletePolicy(ctx context.Context, org, id string, also func(meta.Txn) error) error {
	return s.update(ctx, func(tx meta.Txn) error {
		p, err := loadPolicy(tx, org, id)
		if err != nil {
			return err
		}
		if p.AWSManaged {
			return ErrAWSManaged
		}
		if targets, err := names(tx, targetsOf(org, id)); err != nil {
			return err
		} else if len(targets) > 0 {
			return ErrPolicyInUse
		}
		if err := errors.Join(tx.Delete([]byte(policyKey(org, id))), tx.Delete([]byte(tagsKey(org, id)))); err != nil {
			return err
		}
		return also(tx)
	})
}

// Policy returns a policy, or ErrNoPolicy.
func (s *Store) Policy(ctx context.Context, org, id string) (p *Policy, err error) {
	err = s.view(ctx, func(r meta.Reader) (err error) {
		p, err = loadPolicy(r, org, id)
		return err
	})
	return p, err
}

// Policies returns the policies of a type, those of AWS first and then by ID.
func (s *Store) Policies(ctx context.Context, org string, t PolicyType) (list []*Policy, err error) {
	err = s.view(ctx, func(r meta.Reader) (err error) {
		list, err = ofType(r, org, t)
		return err
	})
	return list, err
}
