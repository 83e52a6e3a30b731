package identity

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"coffer/internal/policy"
)

func TestCreateRole(t *testing.T) {
	s, restarted := newPeople(t)
	ctx := t.Context()
	in := NewRole{
		Name: "Deploy", Path: "/ci/", Description: "é ok", Trust: trustRoot, MaxSession: 2 * time.Hour, Boundary: adminARN,
		Tags: []Tag{{"a", "b"}},
	}
	made[Role](t)(s.CreateRole(ctx, account, in, nil))
	r := made[Role](t)(restarted.RoleByARN(ctx, "arn:aws:iam::123456789012:role/ci/Deploy"))
	if !regexp.MustCompile(`^AROA[A-Z2-7]{17}$`).MatchString(r.ID) || r.Description != "é ok" || r.Trust != trustRoot ||
		r.MaxSession != 2*time.Hour || r.Boundary != adminARN || len(r.Tags) != 1 || r.Service != "" || !r.LastUsed.At.IsZero() {
		t.Errorf("RoleByARN = %+v", r)
	}
	if byID := made[Role](t)(restarted.RoleByID(ctx, r.ID)); byID.ARN != r.ARN {
		t.Errorf("RoleByID = %+v", byID)
	}
	if plain := made[Role](t)(s.RoleByName(ctx, account, "APP")); plain.MaxSession != time.Hour || plain.Path != "/" {
		t.Errorf("a role without options = %+v; want an hour and /", plain)
	}
	for _, a := range []string{
		"arn:aws:iam::123456789012:role/Deploy", "arn:aws:iam::123456789012:role/ci/deploy", "arn:aws:iam::123456789012:role/CI/Deploy",
		"arn:aws:iam::210987654321:role/ci/Deploy", "arn:aws:iam:us-east-1:123456789012:role/ci/Deploy", "arn:aws:iam::123456789012:user/alice",
		"arn:aws:sts::123456789012:assumed-role/Deploy/x", "arn:aws-cn:iam::123456789012:role/ci/Deploy", "Deploy", "", "arn:aws:iam::123456789012:role/",
	} {
		_, err := s.RoleByARN(ctx, a)
		wantErr(t, "RoleByARN "+a, err, ErrNoRole)
	}
}

func TestCreateRoleRefuses(t *testing.T) {
	s, _ := newPeople(t)
	long := strings.Replace(trustRoot, `"sts:AssumeRole"`, `["sts:AssumeRole"`+strings.Repeat(`,"sts:AssumeRole"`, 120)+`]`, 1)
	for name, tt := range map[string]struct {
		in   NewRole
		want error
	}{
		"same name":            {NewRole{Name: "APP", Trust: trustRoot}, ErrExists},
		"long name":            {NewRole{Name: strings.Repeat("r", 65), Trust: trustRoot}, ErrInvalid},
		"path of services":     {NewRole{Name: "r", Path: "/aws-service-role/x/", Trust: trustRoot}, ErrInvalid},
		"service, other path":  {NewRole{Name: "r", Path: "/", Service: "x.amazonaws.com", Trust: trustRoot}, ErrInvalid},
		"long description":     {NewRole{Name: "r", Description: strings.Repeat("d", 1001), Trust: trustRoot}, ErrInvalid},
		"odd description":      {NewRole{Name: "r", Description: "日", Trust: trustRoot}, ErrInvalid},
		"session too short":    {NewRole{Name: "r", MaxSession: time.Hour - time.Second, Trust: trustRoot}, ErrInvalid},
		"session too long":     {NewRole{Name: "r", MaxSession: 12*time.Hour + time.Second, Trust: trustRoot}, ErrInvalid},
		"no trust policy":      {NewRole{Name: "r"}, ErrMalformedPolicy},
		"not JSON":             {NewRole{Name: "r", Trust: "{"}, ErrMalformedPolicy},
		"identity policy":      {NewRole{Name: "r", Trust: allowAll}, ErrMalformedPolicy},
		"unknown principal":    {NewRole{Name: "r", Trust: strings.Replace(trustRoot, ":root", ":user/none", 1)}, ErrMalformedPolicy},
		"trusts itself":        {NewRole{Name: "r", Trust: strings.Replace(trustRoot, ":root", ":role/r", 1)}, ErrMalformedPolicy},
		"trust policy too big": {NewRole{Name: "r", Trust: long}, ErrQuota},
		"huge white space":     {NewRole{Name: "r", Trust: trustRoot + strings.Repeat(" ", 131072)}, ErrMalformedPolicy},
		"unknown boundary":     {NewRole{Name: "r", Trust: trustRoot, Boundary: "arn:aws:iam::123456789012:policy/none"}, ErrNoPolicy},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.CreateRole(t.Context(), account, tt.in, nil)
			wantErr(t, "CreateRole", err, tt.want)
		})
	}
	_, err := s.CreateRole(t.Context(), account, NewRole{Name: "r", Trust: `{"Version":"2012-10-17",
 "Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Nonsense":1}]}`}, nil)
	if syntax := (*policy.SyntaxError)(nil); !errors.As(err, &syntax) || syntax.Line != 2 {
		t.Errorf("CreateRole with an unknown element = %v; want a SyntaxError of line 2", err)
	}
}

func TestUpdateRole(t *testing.T) {
	s, restarted := newPeople(t)
	ctx := t.Context()
	text, long := "new", 3*time.Hour
	made[Role](t)(s.UpdateRole(ctx, account, "app", RoleUpdate{Description: &text}, nil))
	made[Role](t)(s.UpdateRole(ctx, account, "app", RoleUpdate{MaxSession: &long}, nil))
	if r := made[Role](t)(restarted.RoleByName(ctx, account, "app")); r.Description != "new" || r.MaxSession != long {
		t.Errorf("after UpdateRole = %+v", r)
	}
	tooLong := 13 * time.Hour
	_, err := s.UpdateRole(ctx, account, "app", RoleUpdate{MaxSession: &tooLong}, nil)
	wantErr(t, "UpdateRole to 13 hours", err, ErrInvalid)
	_, err = s.UpdateRole(ctx, account, "none", RoleUpdate{}, nil)
	wantErr(t, "UpdateRole of no role", err, ErrNoRole)
}

func TestSetTrust(t *testing.T) {
	s, restarted := newPeople(t)
	ctx := t.Context()
	before := made[Role](t)(s.RoleByName(ctx, account, "app"))
	made[*Effective](t)(s.EffectiveRole(ctx, account, before.ID))
	text := strings.Replace(trustRoot, ":root", ":user/alice", 1)
	ok(t, s.SetTrust(ctx, account, "app", text, nil))
	if r := made[Role](t)(restarted.RoleByName(ctx, account, "app")); r.Trust != text {
		t.Errorf("Trust = %s; want %s", r.Trust, text)
	}
	alice := made[User](t)(s.UserByName(ctx, account, "alice"))
	e := made[*Effective](t)(s.EffectiveRole(ctx, account, before.ID))
	if got := e.Trust.Policy.Statements[0].Principal.AWS; len(got) != 1 || got[0] != alice.ID {
		t.Errorf("the trust policy that decides names %v; want %s", got, alice.ID)
	}
	// A user made anew is not trusted, and the one that is gone shows as its ID.
	ok(t, s.DeleteUser(ctx, account, "alice", nil))
	made[User](t)(s.CreateUser(ctx, account, NewUser{Name: "alice"}, nil))
	if r := made[Role](t)(s.RoleByName(ctx, account, "app")); !strings.Contains(r.Trust, `"`+alice.ID+`"`) {
		t.Errorf("Trust after the deletion = %s; want the ID %s", r.Trust, alice.ID)
	}
	r := made[Role](t)(s.RoleByName(ctx, account, "app"))
	wantErr(t, "SetTrust with a dead ID", s.SetTrust(ctx, account, "app", r.Trust, nil), ErrMalformedPolicy)
	wantErr(t, "SetTrust of no role", s.SetTrust(ctx, account, "none", text, nil), ErrNoRole)
}

func TestServiceLinkedRole(t *testing.T) {
	s, _ := newPeople(t)
	ctx := t.Context()
	const service = "organizations.amazonaws.com"
	trust := strings.Replace(trustRoot, `{"AWS":"arn:aws:iam::123456789012:root"}`, `{"Service":"`+service+`"}`, 1)
	r := made[Role](t)(s.CreateRole(ctx, account, NewRole{Name: "AWSServiceRoleForOrganizations", Service: service, Trust: trust}, nil))
	if r.ARN != "arn:aws:iam::123456789012:role/aws-service-role/organizations.amazonaws.com/AWSServiceRoleForOrganizations" {
		t.Errorf("ARN = %s", r.ARN)
	}
	if e := made[*Effective](t)(s.EffectiveRole(ctx, account, r.ID)); !e.ServiceLinked {
		t.Error("ServiceLinked is not set")
	}
	e, hours, text := role(r.Name), 2*time.Hour, "new"
	for what, err := range map[string]error{
		"DeleteRole":  s.DeleteRole(ctx, account, r.Name, nil),
		"SetTrust":    s.SetTrust(ctx, account, r.Name, trustRoot, nil),
		"Attach":      s.Attach(ctx, e, adminARN, nil),
		"Detach":      s.Detach(ctx, e, adminARN, nil),
		"PutInline":   s.PutInline(ctx, e, "p", allowAll, nil),
		"SetBoundary": s.SetBoundary(ctx, e, adminARN, nil),
		"TagEntity":   s.TagEntity(ctx, e, []Tag{{"a", "b"}}, nil),
		"UpdateRole": func() error {
			_, err := s.UpdateRole(ctx, account, r.Name, RoleUpdate{MaxSession: &hours}, nil)
			return err
		}(),
	} {
		wantErr(t, what, err, ErrUnmodifiable)
	}
	made[Role](t)(s.UpdateRole(ctx, account, r.Name, RoleUpdate{Description: &text}, nil))
	wantErr(t, "DeleteServiceLinkedRole of another", s.DeleteServiceLinkedRole(ctx, account, "app", nil), ErrNoRole)
	ok(t, s.DeleteServiceLinkedRole(ctx, account, r.Name, nil))
	_, err := s.RoleByName(ctx, account, r.Name)
	wantErr(t, "RoleByName after it", err, ErrNoRole)
}

func TestDeleteRoleConflicts(t *testing.T) {
	s, _ := newPeople(t)
	ctx := t.Context()
	ok(t, s.PutInline(ctx, role("app"), "p", allowAll, nil))
	wantErr(t, "DeleteRole with a policy", s.DeleteRole(ctx, account, "app", nil), ErrHasInline)
	ok(t, s.DeleteInline(ctx, role("app"), "p", nil))
	ok(t, s.Attach(ctx, role("app"), adminARN, nil))
	wantErr(t, "DeleteRole with an attached policy", s.DeleteRole(ctx, account, "app", nil), ErrHasAttached)
	ok(t, s.Detach(ctx, role("app"), adminARN, nil))
	old := made[Role](t)(s.RoleByName(ctx, account, "app"))
	ok(t, s.DeleteRole(ctx, account, "app", nil))
	if again := made[Role](t)(s.CreateRole(ctx, account, NewRole{Name: "app", Trust: trustRoot}, nil)); again.ID == old.ID {
		t.Error("a role made anew has the ID of the one before")
	}
}

func TestInline(t *testing.T) {
	s, restarted := newPeople(t)
	ctx := t.Context()
	e := user("alice")
	spaced := strings.ReplaceAll(allowAll, ",", ",\n\t   ")
	ok(t, s.PutInline(ctx, e, "first", spaced, nil))
	ok(t, s.PutInline(ctx, e, "First", allowAll, nil)) // another one
	if got := made[string](t)(restarted.Inline(ctx, e, "first")); got != spaced {
		t.Errorf("Inline = %q; want it as it was put, %q", got, spaced)
	}
	if names := made[[]string](t)(s.InlineNames(ctx, e)); strings.Join(names, " ") != "First first" {
		t.Errorf("InlineNames = %v; want First first", names)
	}
	_, err := s.Inline(ctx, e, "none")
	wantErr(t, "Inline of no policy", err, ErrNoInline)
	_, err = s.Inline(ctx, e, "a/b")
	wantErr(t, "Inline of an odd name", err, ErrNoInline)
	_, err = s.Inline(ctx, user("bob"), "first")
	wantErr(t, "Inline of nobody", err, ErrNoUser)
	wantErr(t, "PutInline to nobody", s.PutInline(ctx, group("none"), "p", allowAll, nil), ErrNoGroup)
	wantErr(t, "PutInline of an odd name", s.PutInline(ctx, e, "a b", allowAll, nil), ErrInvalid)
	wantErr(t, "PutInline of a trust policy", s.PutInline(ctx, e, "p", trustRoot, nil), ErrMalformedPolicy)
	ok(t, s.DeleteInline(ctx, e, "first", nil))
	wantErr(t, "DeleteInline again", s.DeleteInline(ctx, e, "first", nil), ErrNoInline)
}

// sized returns a policy of n characters without white space.
func sized(n int) string {
	const frame = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::"}]}`
	return strings.Replace(frame, ":::", ":::"+strings.Repeat("b", n-len(frame)), 1)
}

func TestInlineSizes(t *testing.T) {
	for _, tt := range []struct {
		e     Entity
		quota QuotaError
	}{
		{user("alice"), QuotaError{"UserPolicySize", 2048}},
		{group("devs"), QuotaError{"GroupPolicySize", 5120}},
		{role("app"), QuotaError{"RolePolicySize", 10240}},
	} {
		t.Run(string(tt.e.Kind), func(t *testing.T) {
			s, _ := newPeople(t)
			ctx := t.Context()
			half := tt.quota.Limit / 2
			ok(t, s.PutInline(ctx, tt.e, "a", sized(half), nil))
			ok(t, s.PutInline(ctx, tt.e, "b", strings.Replace(sized(tt.quota.Limit-half), ",", ", \n", 1), nil))
			ok(t, s.PutInline(ctx, tt.e, "a", sized(half), nil)) // in the place of itself
			for name, size := range map[string]int{"a": half + 1, "c": 120, "d": tt.quota.Limit + 1} {
				err := s.PutInline(ctx, tt.e, name, sized(size), nil)
				if quota := (*QuotaError)(nil); !errors.As(err, &quota) || *quota != tt.quota {
					t.Errorf("PutInline of %s with %d more = %v; want %+v", name, size, err, tt.quota)
				}
			}
		})
	}
}
