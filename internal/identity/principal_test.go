package identity

import (
	"errors"
	"strings"
	"testing"

	"coffer/internal/policy"
)

func TestPrincipalID(t *testing.T) {
	s, restarted := newPeople(t)
	ctx := t.Context()
	alice := made[User](t)(s.UserByName(ctx, account, "alice"))
	app := made[Role](t)(s.RoleByName(ctx, account, "app"))
	for principalARN, want := range map[string]string{
		alice.ARN:                                alice.ID,
		app.ARN:                                  app.ID,
		"arn:aws:iam::123456789012:user/Alice":   "",
		"arn:aws:iam::123456789012:user/x/alice": "",
		"arn:aws:iam::123456789012:group/devs":   "",
		"arn:aws:iam::123456789012:root":         "",
		"alice":                                  "",
		"":                                       "",
	} {
		id, found, err := restarted.PrincipalID(ctx, principalARN)
		if id != want || found != (want != "") || err != nil {
			t.Errorf("PrincipalID(%q) = %q, %t, %v; want %q", principalARN, id, found, err, want)
		}
		if want == "" {
			continue
		}
		if back, found, err := restarted.PrincipalARN(ctx, want); back != principalARN || !found || err != nil {
			t.Errorf("PrincipalARN(%q) = %q, %t, %v; want %q", want, back, found, err, principalARN)
		}
	}
	devs := made[Group](t)(s.GroupByName(ctx, account, "devs"))
	for _, id := range []string{"", "AIDAAAAAAAAAAAAAAAAAA", devs.ID, alice.ID + "A", "../../" + alice.ID} {
		if got, found, err := s.PrincipalARN(ctx, id); found || err != nil {
			t.Errorf("PrincipalARN(%q) = %q, %t, %v; want none", id, got, found, err)
		}
	}
}

// bucketPolicy returns a bucket policy with that Principal element, and text around
// it that must not change.
func bucketPolicy(principal string) string {
	return `{ "Version" : "2012-10-17",
	"Statement" : [ {"Sid":"AWS", "Effect":"Allow", "Principal" : ` + principal + ` ,
	"Action":["s3:GetObject"],"Resource":"arn:aws:s3:::b/*",
	"Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::123456789012:user/alice"}} } ] }
`
}

func TestSavePrincipals(t *testing.T) {
	s, restarted := newPeople(t)
	ctx := t.Context()
	alice := made[User](t)(s.UserByName(ctx, account, "alice")).ID
	app := made[Role](t)(s.RoleByName(ctx, account, "app")).ID
	const user, role = `"arn:aws:iam::123456789012:user/alice"`, `"arn:aws:iam::123456789012:role/app"`
	for _, tt := range []struct{ name, principal, saved string }{
		{"a user", `{"AWS":` + user + `}`, `{"AWS":"` + alice + `"}`},
		{"a list", `{"AWS":[ ` + user + ` ,` + role + `, "*"]}`, `{"AWS":[ "` + alice + `" ,"` + app + `", "*"]}`},
		{"escapes", `{"AWS":"arn:aws:iam::123456789012:user\/\u0061lice"}`, `{"AWS":"` + alice + `"}`},
		{"everyone", `"*"`, `"*"`},
		{"the account", `{"AWS":["arn:aws:iam::123456789012:root","123456789012"]}`, ``},
		{"another server's", `{"AWS":"arn:aws:iam::999999999999:user/alice"}`, ``},
		{"sessions", `{"AWS":["arn:aws:sts::123456789012:assumed-role/app/x","arn:aws:sts::123456789012:federated-user/x"]}`, ``},
		{"a service", `{"Service":"logging.s3.amazonaws.com","AWS":` + role + `}`, `{"Service":"logging.s3.amazonaws.com","AWS":"` + app + `"}`},
		{"an ID", `{"AWS":"` + alice + `"}`, ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.saved == "" {
				tt.saved = tt.principal
			}
			saved, err := s.SavePrincipals(ctx, bucketPolicy(tt.principal), policy.KindBucket)
			if want := bucketPolicy(tt.saved); saved != want || err != nil {
				t.Fatalf("SavePrincipals = %s, %v; want %s", saved, err, want)
			}
			shown, err := restarted.ShowPrincipals(ctx, saved)
			want := bucketPolicy(strings.NewReplacer(`\/`, `/`, `\u0061`, `a`, `"`+alice+`"`, user).Replace(tt.principal))
			if shown != want || err != nil {
				t.Errorf("ShowPrincipals = %s, %v; want %s", shown, err, want)
			}
		})
	}
	one := `{"Version":"2012-10-17","Statement":{"Effect":"Deny","NotPrincipal":{"AWS":` + user + `},"Action":"s3:*","Resource":"arn:aws:s3:::b"}}`
	if saved, err := s.SavePrincipals(ctx, one, policy.KindBucket); err != nil || !strings.Contains(saved, `"NotPrincipal":{"AWS":"`+alice+`"}`) {
		t.Errorf("SavePrincipals of one statement with NotPrincipal = %s, %v", saved, err)
	}
}

func TestSavePrincipalsRefuses(t *testing.T) {
	s, _ := newPeople(t)
	ctx := t.Context()
	for _, p := range []string{
		"arn:aws:iam::123456789012:user/nobody", "arn:aws:iam::123456789012:user/Alice", "arn:aws:iam::123456789012:role/x/app",
		"AROAAAAAAAAAAAAAAAAAA",
	} {
		_, err := s.SavePrincipals(ctx, bucketPolicy(`{"AWS":["*","`+p+`"]}`), policy.KindBucket)
		if bad := (*PrincipalError)(nil); !errors.As(err, &bad) || bad.Principal != p || !errors.Is(err, ErrMalformedPolicy) {
			t.Errorf("SavePrincipals of %s = %v; want a PrincipalError", p, err)
		}
	}
	for _, text := range []string{"", "{", "[]", "null", allowAll, bucketPolicy(`{"AWS":1}`), bucketPolicy(`"*"`) + "x"} {
		_, err := s.SavePrincipals(ctx, text, policy.KindBucket)
		wantErr(t, "SavePrincipals of "+text, err, ErrMalformedPolicy)
	}
}

// FuzzReplacePrincipals checks that what replaces nothing changes nothing, and that
// replacing and replacing back gives the text again.
func FuzzReplacePrincipals(f *testing.F) {
	f.Add(bucketPolicy(`{"AWS":["arn:aws:iam::123456789012:user/alice"]}`))
	f.Add(allowAll)
	f.Add(`{"Statement":[{"Principal":{"AWS":[[{"AWS":"x"}]]}}],"Statement":{"NotPrincipal":{"AWS":"\u00e9"}}}`)
	f.Add(`[{"Statement":`)
	f.Add(`"Statement"`)
	f.Fuzz(func(t *testing.T, text string) {
		same, err := replacePrincipals(text, func(p string) (string, error) { return p, nil })
		if err != nil {
			return
		}
		if same != text {
			t.Errorf("replacing nothing = %q; want %q", same, text)
		}
		other, err := replacePrincipals(text, func(p string) (string, error) { return "<" + p + ">", nil })
		if err != nil {
			t.Skip() // an escape that Go quotes otherwise
		}
		n := 0
		_, err = replacePrincipals(other, func(p string) (string, error) { n++; return p, nil })
		if err != nil && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' || r == '\\' }) {
			t.Errorf("what was replaced is no JSON: %q", other)
		}
	})
}
