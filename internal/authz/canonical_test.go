package authz

import (
	"context"
	"strings"
	"testing"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/identity"
	"coffer/internal/policy"
)

func (w *world) CanonicalID(_ context.Context, account string) (string, error) {
	if account == "999999999999" {
		return "", identity.ErrNoAccount
	}
	return strings.Repeat(account[:1], 64), nil
}

// A canonical user ID in a bucket's policy names all identities of its account. That of
// an account that is not there can't be told, so that a Deny holds for it.
func TestCanonicalUser(t *testing.T) {
	w := newWorld(t, "")
	g := newGate(t, w, nil)
	one := `{"CanonicalUser":"` + strings.Repeat("1", 64) + `"}`
	bucket := func(statements string) *Ask {
		p := mustPolicy(t, "bucket", policy.KindBucket, `{"Version":"2012-10-17","Statement":[`+statements+`]}`)
		return &Ask{Action: "s3:GetObject", Resource: "arn:aws:s3:::tour/key", Account: other, Policy: &p}
	}
	statement := func(effect, who string) string {
		return `{"Effect":"` + effect + `","Principal":` + who + `,"Action":"s3:GetObject","Resource":"arn:aws:s3:::tour/*"}`
	}
	federated := root(account)
	federated.Type, federated.ARN = authn.TypeFederatedUser, "arn:aws:sts::123456789012:federated-user/bob"
	federated.Session = &identity.Session{Kind: identity.SessionFederated, Name: "bob", UserID: account, UserARN: arn.Root(account)}
	allow, deny := bucket(statement("Allow", one)), bucket(statement("Allow", `"*"`)+","+statement("Deny", one))
	for _, tt := range []struct {
		name   string
		caller *authn.Caller
		ask    *Ask
		want   bool
	}{
		{"root is named", root(account), allow, true},
		{"root is denied", root(account), deny, false},
		{"a role is denied", session(), deny, false},
		{"a user is denied", alice(), deny, false},
		{"a federated user is denied", federated, deny, false},
		{"another root is not denied", root(other), deny, true},
		{"an account that is not there is not named", root("999999999999"), allow, false},
		{"an account that is not there is denied", root("999999999999"), deny, false},
	} {
		if ok, err := g.Allowed(t.Context(), tt.caller, tt.ask); ok != tt.want || err != nil {
			t.Errorf("%s: Allowed() = %v, %v; want %v", tt.name, ok, err, tt.want)
		}
	}
}
