package identity

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestProvider(t *testing.T) {
	s, restarted := newPeople(t)
	ctx := t.Context()
	const issuer = "https://oidc.example:8443/realms/x"
	in := NewProvider{URL: issuer, ClientIDs: []string{"sts.amazonaws.com"}, Thumbprints: []string{strings.Repeat("aB", 20)}, Tags: []Tag{{"a", "b"}}}
	p := made[Provider](t)(s.CreateProvider(ctx, account, in, nil))
	if p.ARN != "arn:aws:iam::123456789012:oidc-provider/oidc.example:8443/realms/x" || p.URL != "oidc.example:8443/realms/x" {
		t.Errorf("CreateProvider = %+v", p)
	}
	for _, got := range []Provider{
		made[Provider](t)(restarted.ProviderByARN(ctx, account, p.ARN)), made[Provider](t)(restarted.ProviderByURL(ctx, account, issuer)),
		made[[]Provider](t)(restarted.Providers(ctx, account))[0],
	} {
		if fmt.Sprint(got) != fmt.Sprint(p) {
			t.Errorf("got %+v; want %+v", got, p)
		}
	}
	_, err := s.CreateProvider(ctx, account, in, nil)
	wantErr(t, "CreateProvider again", err, ErrExists)
	ok(t, s.AddClientID(ctx, account, p.ARN, "second", nil))
	ok(t, s.AddClientID(ctx, account, p.ARN, "second", nil))
	ok(t, s.RemoveClientID(ctx, account, p.ARN, "none", nil))
	ok(t, s.SetThumbprints(ctx, account, p.ARN, []string{strings.Repeat("0", 40)}, nil))
	ok(t, s.TagProvider(ctx, account, p.ARN, []Tag{{"A", "c"}}, nil))
	got := made[Provider](t)(restarted.ProviderByARN(ctx, account, p.ARN))
	if !slices.Equal(got.ClientIDs, []string{"sts.amazonaws.com", "second"}) || got.Thumbprints[0][0] != '0' || !slices.Equal(got.Tags, []Tag{{"A", "c"}}) {
		t.Errorf("after changes = %+v", got)
	}
	ok(t, s.UntagProvider(ctx, account, p.ARN, []string{"a"}, nil))
	wantErr(t, "empty client ID", s.AddClientID(ctx, account, p.ARN, "", nil), ErrInvalid)
	wantErr(t, "odd thumbprint", s.SetThumbprints(ctx, account, p.ARN, []string{"x"}, nil), ErrInvalid)
	wantErr(t, "six thumbprints", s.SetThumbprints(ctx, account, p.ARN, slices.Repeat([]string{strings.Repeat("0", 40)}, 6), nil), ErrQuota)
	for i := 2; i < MaxClientIDs; i++ {
		ok(t, s.AddClientID(ctx, account, p.ARN, fmt.Sprint(i), nil))
	}
	wantErr(t, "the 101st client ID", s.AddClientID(ctx, account, p.ARN, "more", nil), ErrQuota)
	_, err = s.ProviderByARN(ctx, "210987654321", p.ARN)
	wantErr(t, "ProviderByARN of another account", err, ErrNoProvider)
	ok(t, s.DeleteProvider(ctx, account, p.ARN, nil))
	wantErr(t, "DeleteProvider again", s.DeleteProvider(ctx, account, p.ARN, nil), ErrNoProvider)
	if sum := made[Summary](t)(s.Summary(ctx, account)); sum.Providers != 0 {
		t.Errorf("Summary counts %d providers", sum.Providers)
	}
}

func TestCreateProviderRefuses(t *testing.T) {
	s, _ := newPeople(t)
	for _, u := range []string{
		"", "oidc.example", "http://oidc.example", "https://", "https:///x", "https://a@oidc.example", "https://oidc.example?x", "https://oidc.example/?x=y",
		"https://oidc.example#x", "https://oidc.example/#", "https://oidc .example", "https://OIDC.example", "https://:443", "https://é.example",
		"https://oidc.example/" + strings.Repeat("x", 250),
	} {
		_, err := s.CreateProvider(t.Context(), account, NewProvider{URL: u}, nil)
		wantErr(t, "CreateProvider of "+u, err, ErrInvalid)
	}
	_, err := s.CreateProvider(t.Context(), account, NewProvider{URL: "https://a.example", ClientIDs: []string{"x", "x"}}, nil)
	wantErr(t, "CreateProvider with one client ID twice", err, ErrInvalid)
	_, err = s.CreateProvider(t.Context(), "000000000000", NewProvider{URL: "https://a.example"}, nil)
	wantErr(t, "CreateProvider in no account", err, ErrNoAccount)
}

func TestAlias(t *testing.T) {
	s, restarted := newPeople(t)
	ctx := t.Context()
	made[Account](t)(s.AddAccount(ctx, NewAccount{ID: "210987654321", Name: "other", Email: "Ops@example.com"}, nil))
	if a := made[string](t)(s.Alias(ctx, account)); a != "" {
		t.Errorf("Alias = %q; want none", a)
	}
	ok(t, s.SetAlias(ctx, account, "my-company", nil))
	wantErr(t, "SetAlias of another's", s.SetAlias(ctx, "210987654321", "my-company", nil), ErrExists)
	ok(t, s.SetAlias(ctx, account, "my-company", nil))
	ok(t, s.SetAlias(ctx, account, "other", nil))
	ok(t, s.SetAlias(ctx, "210987654321", "my-company", nil)) // free again
	if a := made[string](t)(restarted.Alias(ctx, account)); a != "other" {
		t.Errorf("Alias = %q; want other", a)
	}
	wantErr(t, "DeleteAlias of another's", s.DeleteAlias(ctx, account, "my-company", nil), ErrNoAlias)
	ok(t, s.DeleteAlias(ctx, account, "other", nil))
	wantErr(t, "DeleteAlias again", s.DeleteAlias(ctx, account, "other", nil), ErrNoAlias)
	for _, a := range []string{"", "ab", strings.Repeat("a", 64), "-ab", "ab-", "a--b", "Abc", "a_b", "a.b", "123456789012"} {
		wantErr(t, "SetAlias "+a, s.SetAlias(ctx, account, a, nil), ErrInvalid)
	}
	wantErr(t, "SetAlias of no account", s.SetAlias(ctx, "000000000000", "abc", nil), ErrNoAccount)

	_, err := s.AddAccount(ctx, NewAccount{Name: "third", Email: "ops@EXAMPLE.com"}, nil)
	wantErr(t, "AddAccount with an email that is taken", err, ErrAccountExists)
	for _, email := range []string{"x", "a@b", "a@@b.c", "a b@example.com", "@example.com", "a@.example", strings.Repeat("a", 60) + "@b.de"} {
		_, err := s.AddAccount(ctx, NewAccount{Name: "third", Email: email}, nil)
		wantErr(t, "AddAccount with email "+email, err, ErrInvalid)
	}
	if a := made[Account](t)(restarted.Account(ctx, "210987654321")); a.Email != "Ops@example.com" {
		t.Errorf("Email = %q", a.Email)
	}
	if _, err := s.Account(ctx, "../"); !errors.Is(err, ErrNoAccount) {
		t.Errorf("Account of an odd ID = %v; want ErrNoAccount", err)
	}
}
