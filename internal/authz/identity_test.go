package authz

import (
	"encoding/json"
	"testing"

	"coffer/internal/authn"
	"coffer/internal/identity"
)

// TestUserIdentity holds callers of each kind to what CloudTrail writes of them.
func TestUserIdentity(t *testing.T) {
	const (
		provider = "arn:aws:iam::123456789012:oidc-provider/idp.example.com"
		user     = "arn:aws:iam::123456789012:user/dev/alice"
		role     = "arn:aws:iam::123456789012:role/app/reader"
		root     = "arn:aws:iam::123456789012:root"
		account  = "123456789012"
	)
	session := func(kind identity.SessionKind, change func(*identity.Session)) *identity.Session {
		s := &identity.Session{Kind: kind, Account: account, IssuedAt: testNow, UserID: "AIDA1", UserARN: user}
		if change != nil {
			change(s)
		}
		return s
	}
	ofRole := func(s *identity.Session) { s.RoleID, s.RoleARN, s.UserID, s.UserARN = "AROA1", role, "", "" }
	tests := []struct {
		name string
		c    authn.Caller
		want string
	}{
		{"root", authn.Caller{Type: authn.TypeRoot, Account: account, ARN: root, PrincipalID: account, AccessKeyID: "AKIA1"},
			`{"type":"Root","principalId":"123456789012","arn":"` + root + `","accountId":"123456789012","accessKeyId":"AKIA1"}`},
		{"user", authn.Caller{Type: authn.TypeUser, Account: account, ARN: user, PrincipalID: "AIDA1", EntityID: "AIDA1", UserName: "alice", AccessKeyID: "AKIA1"},
			`{"type":"IAMUser","principalId":"AIDA1","arn":"` + user + `","accountId":"123456789012","accessKeyId":"AKIA1","userName":"alice"}`},
		{"user with temporary credentials", authn.Caller{Type: authn.TypeUser, Account: account, ARN: user, PrincipalID: "AIDA1", UserName: "alice", AccessKeyID: "ASIA1", Session: session(identity.SessionUser, nil)},
			`{"type":"IAMUser","principalId":"AIDA1","arn":"` + user + `","accountId":"123456789012","accessKeyId":"ASIA1","userName":"alice",` +
				`"sessionContext":{"attributes":{"creationDate":"2026-11-21T12:00:00Z","mfaAuthenticated":"false"}}}`},
		{"role", authn.Caller{Type: authn.TypeAssumedRole, Account: account, ARN: "arn:aws:sts::123456789012:assumed-role/reader/s1", PrincipalID: "AROA1:s1", AccessKeyID: "ASIA1", InvokedBy: "s3.amazonaws.com",
			Session: session(identity.SessionRole, func(s *identity.Session) { ofRole(s); s.SourceIdentity, s.MFA = "alice", true })},
			`{"type":"AssumedRole","principalId":"AROA1:s1","arn":"arn:aws:sts::123456789012:assumed-role/reader/s1","accountId":"123456789012","accessKeyId":"ASIA1",` +
				`"sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROA1","arn":"` + role + `","accountId":"123456789012","userName":"reader"},` +
				`"attributes":{"creationDate":"2026-11-21T12:00:00Z","mfaAuthenticated":"true"},"sourceIdentity":"alice"},"invokedBy":"s3.amazonaws.com"}`},
		{"role of a web identity", authn.Caller{Type: authn.TypeAssumedRole, Account: account, ARN: "a", PrincipalID: "AROA1:s1", AccessKeyID: "ASIA1",
			Session: session(identity.SessionRole, func(s *identity.Session) { ofRole(s); s.Provider = provider })},
			`{"type":"AssumedRole","principalId":"AROA1:s1","arn":"a","accountId":"123456789012","accessKeyId":"ASIA1",` +
				`"sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROA1","arn":"` + role + `","accountId":"123456789012","userName":"reader"},` +
				`"webIdFederationData":{"federatedProvider":"` + provider + `","attributes":{}},` +
				`"attributes":{"creationDate":"2026-11-21T12:00:00Z","mfaAuthenticated":"false"}}}`},
		{"federated user", authn.Caller{Type: authn.TypeFederatedUser, Account: account, ARN: "f", PrincipalID: "123456789012:fred", AccessKeyID: "ASIA1", Session: session(identity.SessionFederated, nil)},
			`{"type":"FederatedUser","principalId":"123456789012:fred","arn":"f","accountId":"123456789012","accessKeyId":"ASIA1",` +
				`"sessionContext":{"sessionIssuer":{"type":"IAMUser","principalId":"AIDA1","arn":"` + user + `","accountId":"123456789012","userName":"alice"},` +
				`"attributes":{"creationDate":"2026-11-21T12:00:00Z","mfaAuthenticated":"false"}}}`},
		{"federated user of root", authn.Caller{Type: authn.TypeFederatedUser, Account: account, ARN: "f", PrincipalID: "123456789012:fred", AccessKeyID: "ASIA1",
			Session: session(identity.SessionFederated, func(s *identity.Session) { s.UserID, s.UserARN = account, root })},
			`{"type":"FederatedUser","principalId":"123456789012:fred","arn":"f","accountId":"123456789012","accessKeyId":"ASIA1",` +
				`"sessionContext":{"sessionIssuer":{"type":"Root","principalId":"123456789012","arn":"` + root + `","accountId":"123456789012"},` +
				`"attributes":{"creationDate":"2026-11-21T12:00:00Z","mfaAuthenticated":"false"}}}`},
		{"web identity", authn.Caller{Type: authn.TypeWebIdentity, ARN: provider, PrincipalID: provider + ":aud:sub", UserName: "sub"},
			`{"type":"WebIdentityUser","principalId":"` + provider + `:aud:sub","userName":"sub","identityProvider":"` + provider + `"}`},
		{"anonymous", authn.Caller{Type: authn.TypeAnonymous}, `{"type":"Unknown"}`},
	}
	for _, tt := range tests {
		f := newFixture(t, nil)
		call := f.Begin(&tt.c, Operation{Source: "s3.amazonaws.com", Name: "ListBuckets", ReadOnly: true})
		if err := call.End(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		var e struct{ UserIdentity json.RawMessage }
		if err := json.Unmarshal([]byte(f.events()[0]), &e); err != nil {
			t.Fatal(err)
		}
		if string(e.UserIdentity) != tt.want {
			t.Errorf("%s:\n\t%s; want\n\t%s", tt.name, e.UserIdentity, tt.want)
		}
	}
}
