package identity

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"coffer/internal/meta"
	"coffer/internal/policy"
)

func newPolicy(t *testing.T, s *Store, name string) Policy {
	t.Helper()
	return made[Policy](t)(s.CreatePolicy(t.Context(), account, NewPolicy{Name: name, Text: allowAll}, nil))
}

func TestCreatePolicy(t *testing.T) {
	s, restarted := newPeople(t)
	ctx := t.Context()
	spaced := strings.ReplaceAll(allowAll, ",", ", ")
	made[Policy](t)(s.CreatePolicy(ctx, account, NewPolicy{Name: "Read", Path: "/team/", Description: "d", Text: spaced, Tags: []Tag{{"a", "b"}}}, nil))
	p := made[Policy](t)(restarted.PolicyByARN(ctx, account, "arn:aws:iam::123456789012:policy/team/Read"))
	if !regexp.MustCompile(`^ANPA[A-Z2-7]{17}$`).MatchString(p.ID) || p.Default != "v1" || p.Description != "d" || len(p.Tags) != 1 || p.IsAWS() || p.Account != account {
		t.Errorf("PolicyByARN = %+v", p)
	}
	v := made[PolicyVersion](t)(restarted.PolicyVersion(ctx, account, p.ARN, ""))
	if v.ID != "v1" || !v.IsDefault || v.Text != spaced || !v.CreatedAt.Equal(testTime) {
		t.Errorf("PolicyVersion = %+v", v)
	}
	for _, a := range []string{
		"arn:aws:iam::123456789012:policy/Read", "arn:aws:iam::123456789012:policy/team/read", "arn:aws:iam::210987654321:policy/team/Read",
		"arn:aws:iam::aws:policy/team/Read", "arn:aws:iam::aws:policy/None", "", "Read", "arn:aws:iam::123456789012:policy/",
	} {
		_, err := s.PolicyByARN(ctx, account, a)
		wantErr(t, "PolicyByARN "+a, err, ErrNoPolicy)
	}
	_, err := s.PolicyByARN(ctx, "210987654321", p.ARN)
	wantErr(t, "PolicyByARN for another account", err, ErrNoPolicy)
}

func TestCreatePolicyRefuses(t *testing.T) {
	s, _ := newPeople(t)
	newPolicy(t, s, "have")
	for name, tt := range map[string]struct {
		in   NewPolicy
		want error
	}{
		"same name":        {NewPolicy{Name: "HAVE", Path: "/x/", Text: allowAll}, ErrExists},
		"long name":        {NewPolicy{Name: strings.Repeat("p", 129), Text: allowAll}, ErrInvalid},
		"odd path":         {NewPolicy{Name: "p", Path: "/a:b/", Text: allowAll}, ErrInvalid},
		"empty part":       {NewPolicy{Name: "p", Path: "/a//b/", Text: allowAll}, ErrInvalid},
		"long description": {NewPolicy{Name: "p", Description: strings.Repeat("d", 1001), Text: allowAll}, ErrInvalid},
		"no text":          {NewPolicy{Name: "p"}, ErrMalformedPolicy},
		"trust policy":     {NewPolicy{Name: "p", Text: trustRoot}, ErrMalformedPolicy},
		"too big":          {NewPolicy{Name: "p", Text: sized(6145)}, ErrQuota},
		"reserved tag":     {NewPolicy{Name: "p", Text: allowAll, Tags: []Tag{{"aws:x", ""}}}, ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.CreatePolicy(t.Context(), account, tt.in, nil)
			wantErr(t, "CreatePolicy", err, tt.want)
		})
	}
	made[Policy](t)(s.CreatePolicy(t.Context(), account, NewPolicy{Name: "largest", Text: sized(6144)}, nil))
}

func TestPolicyVersions(t *testing.T) {
	s, restarted := newPeople(t)
	ctx := t.Context()
	p := newPolicy(t, s, "p")
	for i := 2; i <= 5; i++ {
		v := made[PolicyVersion](t)(s.CreatePolicyVersion(ctx, account, p.ARN, sized(200+i), i == 3, nil))
		if v.ID != fmt.Sprint("v", i) || v.IsDefault != (i == 3) {
			t.Errorf("CreatePolicyVersion = %+v; want v%d", v, i)
		}
	}
	_, err := s.CreatePolicyVersion(ctx, account, p.ARN, allowAll, true, nil)
	wantErr(t, "CreatePolicyVersion of the sixth", err, ErrQuota)
	_, err = s.CreatePolicyVersion(ctx, account, p.ARN, "{}", true, nil)
	wantErr(t, "CreatePolicyVersion of an empty policy", err, ErrMalformedPolicy)
	var ids []string
	for _, v := range made[[]PolicyVersion](t)(restarted.PolicyVersions(ctx, account, p.ARN)) {
		ids = append(ids, fmt.Sprintf("%s%t%d", v.ID, v.IsDefault, len(v.Text)))
	}
	if want := []string{"v5false205", "v4false204", "v3true203", "v2false202", fmt.Sprintf("v1false%d", len(allowAll))}; !slices.Equal(ids, want) {
		t.Errorf("PolicyVersions = %v; want %v", ids, want)
	}
	wantErr(t, "DeletePolicyVersion of the default", s.DeletePolicyVersion(ctx, account, p.ARN, "v3", nil), ErrIsDefault)
	wantErr(t, "DeletePolicyVersion of none", s.DeletePolicyVersion(ctx, account, p.ARN, "v9", nil), ErrNoVersion)
	wantErr(t, "SetDefaultVersion to none", s.SetDefaultVersion(ctx, account, p.ARN, "v03", nil), ErrNoVersion)
	wantErr(t, "DeletePolicy with versions", s.DeletePolicy(ctx, account, p.ARN, nil), ErrHasVersions)
	ok(t, s.SetDefaultVersion(ctx, account, p.ARN, "v2", nil))
	for _, v := range []string{"v1", "v3", "v4", "v5"} {
		ok(t, s.DeletePolicyVersion(ctx, account, p.ARN, v, nil))
	}
	_, err = s.PolicyVersion(ctx, account, p.ARN, "v3")
	wantErr(t, "PolicyVersion of a deleted one", err, ErrNoVersion)
	if v := made[PolicyVersion](t)(s.CreatePolicyVersion(ctx, account, p.ARN, allowAll, false, nil)); v.ID != "v6" {
		t.Errorf("the next version = %s; want v6, as no number is used again", v.ID)
	}
	if sum := made[Summary](t)(s.Summary(ctx, account)); sum.Policies != 1 || sum.PolicyVersions != 2 {
		t.Errorf("Summary = %+v; want one policy, two versions", sum)
	}
	ok(t, s.DeletePolicyVersion(ctx, account, p.ARN, "v6", nil))
	ok(t, s.DeletePolicy(ctx, account, p.ARN, nil))
	if sum := made[Summary](t)(s.Summary(ctx, account)); sum.Policies != 0 || sum.PolicyVersions != 0 {
		t.Errorf("Summary = %+v; want nothing", sum)
	}
	if again := newPolicy(t, s, "p"); again.ID == p.ID {
		t.Error("a policy made anew has the ID of the one before")
	}
}

func TestAttach(t *testing.T) {
	s, restarted := newPeople(t)
	ctx := t.Context()
	p := newPolicy(t, s, "p")
	for _, e := range []Entity{user("alice"), group("devs"), role("app")} {
		wantErr(t, "Detach before", s.Detach(ctx, e, p.ARN, nil), ErrNotAttached)
		ok(t, s.Attach(ctx, e, p.ARN, nil))
		ok(t, s.Attach(ctx, e, p.ARN, nil)) // again
		ok(t, s.Attach(ctx, e, adminARN, nil))
		want := []Attachment{{adminARN, "AdministratorAccess", "/"}, {p.ARN, "p", "/"}}
		if got := made[[]Attachment](t)(restarted.Attached(ctx, e)); !slices.Equal(got, want) {
			t.Errorf("Attached(%v) = %v; want %v", e, got, want)
		}
	}
	ok(t, s.SetBoundary(ctx, role("app"), p.ARN, nil))
	ok(t, s.SetBoundary(ctx, user("alice"), adminARN, nil))
	ok(t, s.SetBoundary(ctx, user("alice"), p.ARN, nil)) // in its place
	if got := made[Policy](t)(restarted.PolicyByARN(ctx, account, p.ARN)); got.Attachments != 3 || got.Boundaries != 2 {
		t.Errorf("uses = %d, %d; want 3, 2", got.Attachments, got.Boundaries)
	}
	if got := made[Policy](t)(restarted.PolicyByARN(ctx, account, adminARN)); got.Attachments != 3 || got.Boundaries != 0 {
		t.Errorf("uses of AWS's = %d, %d; want 3, 0", got.Attachments, got.Boundaries)
	}
	var have []string
	for _, e := range made[[]PolicyEntity](t)(restarted.PolicyEntities(ctx, account, p.ARN)) {
		have = append(have, fmt.Sprint(e.Kind, e.Name, e.Boundary))
	}
	slices.Sort(have)
	if want := []string{"Groupdevsfalse", "Roleappfalse", "Roleapptrue", "Useralicefalse", "Useralicetrue"}; !slices.Equal(have, want) {
		t.Errorf("PolicyEntities = %v; want %v", have, want)
	}
	wantErr(t, "DeletePolicy in use", s.DeletePolicy(ctx, account, p.ARN, nil), ErrIsAttached)
	for _, e := range []Entity{user("alice"), group("devs"), role("app")} {
		ok(t, s.Detach(ctx, e, p.ARN, nil))
	}
	wantErr(t, "DeletePolicy of a boundary", s.DeletePolicy(ctx, account, p.ARN, nil), ErrIsAttached)
	ok(t, s.SetBoundary(ctx, role("app"), "", nil))
	ok(t, s.SetBoundary(ctx, user("alice"), "", nil))
	ok(t, s.SetBoundary(ctx, user("alice"), "", nil)) // again
	ok(t, s.DeletePolicy(ctx, account, p.ARN, nil))

	wantErr(t, "Attach of no policy", s.Attach(ctx, user("alice"), p.ARN, nil), ErrNoPolicy)
	wantErr(t, "Attach to nobody", s.Attach(ctx, user("bob"), adminARN, nil), ErrNoUser)
	wantErr(t, "SetBoundary to no policy", s.SetBoundary(ctx, user("alice"), p.ARN, nil), ErrNoPolicy)
	for i := range MaxAttached - 1 {
		ok(t, s.Attach(ctx, role("app"), newPolicy(t, s, fmt.Sprint("p", i)).ARN, nil))
	}
	err := s.Attach(ctx, role("app"), newPolicy(t, s, "more").ARN, nil)
	if quota := (*QuotaError)(nil); !errors.As(err, &quota) || *quota != (QuotaError{"PoliciesPerRole", 10}) {
		t.Errorf("Attach of the eleventh = %v", err)
	}
	ok(t, s.Attach(ctx, role("app"), adminARN, nil)) // has it
}

func TestPolicyOfAnotherAccount(t *testing.T) {
	s, _ := newPeople(t)
	ctx := t.Context()
	made[Account](t)(s.CreateAccount(ctx, "210987654321", "other", nil))
	p := made[Policy](t)(s.CreatePolicy(ctx, "210987654321", NewPolicy{Name: "p", Text: allowAll}, nil))
	newPolicy(t, s, "p")
	wantErr(t, "Attach", s.Attach(ctx, user("alice"), p.ARN, nil), ErrNoPolicy)
	wantErr(t, "DeletePolicy", s.DeletePolicy(ctx, account, p.ARN, nil), ErrNoPolicy)
	wantErr(t, "TagPolicy", s.TagPolicy(ctx, account, p.ARN, []Tag{{"a", "b"}}, nil), ErrNoPolicy)
	_, err := s.CreatePolicyVersion(ctx, account, p.ARN, allowAll, true, nil)
	wantErr(t, "CreatePolicyVersion", err, ErrNoPolicy)
	wantErr(t, "Attach to a user of that account", s.Attach(ctx, Entity{KindUser, "210987654321", "alice"}, p.ARN, nil), ErrNoUser)
}

func TestAWSPolicies(t *testing.T) {
	s, _ := newPeople(t)
	ctx := t.Context()
	if !slices.IsSortedFunc(awsPolicies, func(a, b awsPolicy) int { return strings.Compare(strings.ToLower(a.name), strings.ToLower(b.name)) }) {
		t.Error("awsPolicies are not sorted by lower-case name")
	}
	for i := range awsPolicies {
		a := &awsPolicies[i]
		p := made[Policy](t)(s.PolicyByARN(ctx, account, "arn:aws:iam::aws:policy/"+a.name))
		if !p.IsAWS() || p.CreatedAt.IsZero() || p.UpdatedAt.Before(p.CreatedAt) || !regexp.MustCompile(`^ANPA[A-Z0-9]{17}$`).MatchString(p.ID) {
			t.Errorf("PolicyByARN = %+v", p)
		}
		if _, err := policy.Parse(a.text, policy.KindIdentity); err != nil {
			t.Errorf("%s: %v", a.name, err)
		}
		if v := made[PolicyVersion](t)(s.PolicyVersion(ctx, account, p.ARN, p.Default)); v.Text != a.text || !v.IsDefault {
			t.Errorf("PolicyVersion of %s = %+v", a.name, v)
		}
		_, err := s.CreatePolicyVersion(ctx, account, p.ARN, allowAll, true, nil)
		for what, err := range map[string]error{
			"CreatePolicyVersion": err,
			"DeletePolicy":        s.DeletePolicy(ctx, account, p.ARN, nil),
			"SetDefaultVersion":   s.SetDefaultVersion(ctx, account, p.ARN, "v1", nil),
			"DeletePolicyVersion": s.DeletePolicyVersion(ctx, account, p.ARN, "v1", nil),
			"TagPolicy":           s.TagPolicy(ctx, account, p.ARN, nil, nil),
			"UntagPolicy":         s.UntagPolicy(ctx, account, p.ARN, nil, nil),
		} {
			wantErr(t, what+" "+a.name, err, ErrUnmodifiable)
		}
	}
}

func TestPoliciesPages(t *testing.T) {
	s, _ := newPeople(t)
	ctx := t.Context()
	newPolicy(t, s, "b")
	newPolicy(t, s, "A")
	made[Policy](t)(s.CreatePolicy(ctx, account, NewPolicy{Name: "c", Path: "/x/", Text: allowAll}, nil))
	ok(t, s.Attach(ctx, user("alice"), adminARN, nil))
	ok(t, s.Attach(ctx, user("alice"), "arn:aws:iam::123456789012:policy/b", nil))
	ok(t, s.SetBoundary(ctx, user("alice"), "arn:aws:iam::123456789012:policy/A", nil))
	var aws []string
	for _, a := range awsPolicies {
		aws = append(aws, a.name)
	}
	for _, tt := range []struct {
		name string
		in   PolicyPage
		want []string
	}{
		{"all", PolicyPage{}, append([]string{"A", "b", "c"}, aws...)},
		{"local", PolicyPage{Local: true}, []string{"A", "b", "c"}},
		{"of AWS", PolicyPage{AWS: true}, aws},
		{"used", PolicyPage{Used: true}, []string{"A", "b", "AdministratorAccess"}},
		{"attached", PolicyPage{Permissions: true}, []string{"b", "AdministratorAccess"}},
		{"boundaries", PolicyPage{Boundaries: true}, []string{"A"}},
		{"path", PolicyPage{Page: Page{PathPrefix: "/x/"}}, []string{"c"}},
	} {
		for _, limit := range []int{0, 1, 2, 100} {
			t.Run(fmt.Sprint(tt.name, limit), func(t *testing.T) {
				var got []string
				p := tt.in
				p.Limit = limit
				for {
					list, more, err := s.Policies(ctx, account, p)
					ok(t, err)
					for _, v := range list {
						got = append(got, v.Name)
						p.After = v.ARN
					}
					if !more {
						break
					}
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("Policies = %v; want %v", got, tt.want)
				}
			})
		}
	}
}

func TestTagPolicy(t *testing.T) {
	s, restarted := newPeople(t)
	ctx := t.Context()
	p := newPolicy(t, s, "p")
	ok(t, s.TagPolicy(ctx, account, p.ARN, []Tag{{"a", "1"}, {"b", "2"}}, nil))
	ok(t, s.UntagPolicy(ctx, account, p.ARN, []string{"A"}, nil))
	if got := made[Policy](t)(restarted.PolicyByARN(ctx, account, p.ARN)); !slices.Equal(got.Tags, []Tag{{"b", "2"}}) {
		t.Errorf("Tags = %v", got.Tags)
	}
}

func TestUpdateTimes(t *testing.T) {
	s, _ := newPeople(t)
	ctx := t.Context()
	now := testTime
	s.cfg.Now = func() time.Time { return now }
	p := newPolicy(t, s, "p")
	now = now.Add(time.Hour)
	made[PolicyVersion](t)(s.CreatePolicyVersion(ctx, account, p.ARN, allowAll, false, func(meta.Txn, PolicyVersion) error { return nil }))
	if got := made[Policy](t)(s.PolicyByARN(ctx, account, p.ARN)); !got.UpdatedAt.Equal(now) || !got.CreatedAt.Equal(testTime) {
		t.Errorf("UpdatedAt = %v; want %v", got.UpdatedAt, now)
	}
}
