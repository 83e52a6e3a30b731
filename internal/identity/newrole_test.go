package identity

import (
	"errors"
	"testing"

	"coffer/internal/meta"
)

func TestAddRole(t *testing.T) {
	s, restarted := newStore(t)
	if _, err := s.CreateAccount(t.Context(), "210987654321", "manager", nil); err != nil {
		t.Fatal(err)
	}
	in := NewRole{Name: "OrganizationAccountAccessRole", Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::210987654321:root"},"Action":"sts:AssumeRole"}]}`}
	_, err := s.CreateAccount(t.Context(), account, "member", func(tx meta.Txn) error { return s.AddRole(tx, account, in, adminARN) })
	if err != nil {
		t.Fatal(err)
	}
	role, err := restarted.RoleByName(t.Context(), account, in.Name)
	if err != nil || role.ARN != "arn:aws:iam::123456789012:role/OrganizationAccountAccessRole" || role.MaxSession != DefaultMaxSession {
		t.Fatalf("RoleByName = %+v, %v", role, err)
	}
	e, err := restarted.EffectiveRole(t.Context(), account, role.ID)
	if err != nil || len(e.Policies) != 1 || e.Policies[0].Name != adminARN || e.Trust == nil {
		t.Errorf("EffectiveRole = %+v, %v; want AdministratorAccess and a trust policy", e, err)
	}
	if p, err := restarted.PolicyByARN(t.Context(), account, adminARN); err != nil || p.Attachments != 1 {
		t.Errorf("PolicyByARN = %+v, %v; want one attachment", p, err)
	}
	for name, bad := range map[string]NewRole{"name": {Name: "a b", Trust: in.Trust}, "trust": {Name: "a", Trust: "{}"}} {
		_, err := s.CreateAccount(t.Context(), "000000000001", "third", func(tx meta.Txn) error { return s.AddRole(tx, "000000000001", bad, adminARN) })
		if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrMalformedPolicy) {
			t.Errorf("AddRole with a bad %s = %v", name, err)
		}
	}
	if _, err := s.Account(t.Context(), "000000000001"); !errors.Is(err, ErrNoAccount) {
		t.Errorf("Account after a refusal = %v; want ErrNoAccount", err)
	}
}
