package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"coffer/internal/meta"
)

// A PolicyVersion is one text of a managed policy.
type PolicyVersion struct {
	ID        string // "v1"
	IsDefault bool
	CreatedAt time.Time
	Text      string // JSON, as it was put
}

func versionID(n uint64) string { return "v" + strconv.FormatUint(n, 10) }

func versionKey(policyID string, n uint64) string { return rowVersion + policyID + "/" + versionID(n) }

// countVersions counts n more versions, which each policy limits by itself.
func countVersions(tx meta.Txn, account string, n int) error {
	return count(tx, account, func(r *countRow) *int { return &r.Versions }, n, "PolicyVersionsInUse", MaxPolicies*MaxVersions)
}

// CreatePolicyVersion adds a version. It returns ErrNoPolicy, ErrUnmodifiable,
// ErrMalformedPolicy and ErrQuota.
func (s *Store) CreatePolicyVersion(ctx context.Context, account, policyARN, text string, setDefault bool, also func(meta.Txn, PolicyVersion) error) (PolicyVersion, error) {
	if err := checkManaged(text); err != nil {
		return PolicyVersion{}, err
	}
	now := s.now().UnixMilli()
	var v PolicyVersion
	err := s.change(ctx, "create version of policy "+policyARN, func(tx meta.Txn) error {
		key, row, err := customer(tx, account, policyARN)
		if err != nil {
			return err
		}
		if len(row.Versions) == MaxVersions {
			return &QuotaError{"VersionsPerPolicy", MaxVersions}
		}
		row.Last++
		row.Versions = append(row.Versions, versionRow{Number: row.Last, CreatedAt: now})
		row.UpdatedAt = now
		if setDefault {
			row.Default = row.Last
		}
		v = PolicyVersion{versionID(row.Last), setDefault, milliseconds(now), text}
		return errors.Join(countVersions(tx, account, 1), put(tx, key, row), put(tx, versionKey(row.ID, row.Last), text))
	}, func(tx meta.Txn) error { return runWith(also, tx, v) })
	if err != nil {
		return PolicyVersion{}, err
	}
	return v, nil
}

// version returns where a version stands in the row, or ErrNoVersion.
func (r *policyRow) version(id string) (int, error) {
	i := slices.IndexFunc(r.Versions, func(v versionRow) bool { return versionID(v.Number) == id })
	if i < 0 {
		return 0, ErrNoVersion
	}
	return i, nil
}

// PolicyVersion returns a version with its text; an empty ID means the default one.
// It returns ErrNoPolicy and ErrNoVersion.
func (s *Store) PolicyVersion(ctx context.Context, account, policyARN, version string) (PolicyVersion, error) {
	list, err := s.PolicyVersions(ctx, account, policyARN)
	if err != nil {
		return PolicyVersion{}, err
	}
	for _, v := range list {
		if v.ID == version || version == "" && v.IsDefault {
			return v, nil
		}
	}
	return PolicyVersion{}, fmt.Errorf("version %q of policy %s: %w", version, policyARN, ErrNoVersion)
}

// PolicyVersions returns the versions with their texts, the newest first, or
// ErrNoPolicy. Of a policy of AWS there is the default version only.
func (s *Store) PolicyVersions(ctx context.Context, account, policyARN string) ([]PolicyVersion, error) {
	if a := byARN(policyARN); a != nil {
		return []PolicyVersion{a.version()}, nil
	}
	var list []PolicyVersion
	err := s.view(ctx, "versions of policy "+policyARN, func(r meta.Reader) error {
		list = nil
		_, row, err := customer(r, account, policyARN)
		if err != nil {
			return err
		}
		for _, v := range slices.Backward(row.Versions) {
			text, err := versionText(r, row.ID, v.Number)
			if err != nil {
				return err
			}
			list = append(list, PolicyVersion{versionID(v.Number), v.Number == row.Default, milliseconds(v.CreatedAt), text})
		}
		return nil
	})
	return list, err
}

// versionText returns the text of a version of a customer managed policy.
func versionText(r meta.Reader, policyID string, n uint64) (text string, err error) {
	key := versionKey(policyID, n)
	if err := get(r, key, &text); errors.Is(err, meta.ErrNotFound) {
		return "", fmt.Errorf("%w: %s is missing", meta.ErrCorrupt, key)
	} else if err != nil {
		return "", err
	}
	return text, nil
}

// SetDefaultVersion makes a version the one that counts. It returns ErrNoPolicy,
// ErrUnmodifiable and ErrNoVersion.
func (s *Store) SetDefaultVersion(ctx context.Context, account, policyARN, version string, also func(meta.Txn) error) error {
	return s.change(ctx, "set default version of policy "+policyARN, func(tx meta.Txn) error {
		key, row, err := customer(tx, account, policyARN)
		if err != nil {
			return err
		}
		i, err := row.version(version)
		if err != nil {
			return err
		}
		row.Default, row.UpdatedAt = row.Versions[i].Number, s.now().UnixMilli()
		return put(tx, key, row)
	}, also)
}

// DeletePolicyVersion removes a version. It returns ErrNoPolicy, ErrUnmodifiable,
// ErrNoVersion and ErrIsDefault.
func (s *Store) DeletePolicyVersion(ctx context.Context, account, policyARN, version string, also func(meta.Txn) error) error {
	return s.change(ctx, "delete version of policy "+policyARN, func(tx meta.Txn) error {
		key, row, err := customer(tx, account, policyARN)
		if err != nil {
			return err
		}
		i, err := row.version(version)
		if err != nil {
			return err
		}
		n := row.Versions[i].Number
		if n == row.Default {
			return ErrIsDefault
		}
		row.Versions = slices.Delete(row.Versions, i, i+1)
		return errors.Join(countVersions(tx, account, -1), put(tx, key, row), remove(tx, versionKey(row.ID, n)))
	}, also)
}
