package sts

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/identity"
)

// TestCallerIdentityAlways: not even an explicit denial takes it away.
func TestCallerIdentityAlways(t *testing.T) {
	b := newBench(t)
	denied := b.user(account, "denied", statement("Deny", `"*"`))
	role := b.role("r", trusts(`{"AWS":"`+b.user(account, "alice", "").ARN+`"}`, assumes, ""), statement("Deny", `"*"`))
	alice := b.as(b.key("alice"))
	root := b.root(account)
	session := func(out *GetSessionTokenOutput, err error) *authn.Caller { return b.with(out.Credentials, err) }
	federated := func(out *GetFederationTokenOutput, err error) *authn.Caller { return b.with(out.Credentials, err) }
	tests := []struct {
		name   string
		caller *authn.Caller
		id     string
		arn    string
	}{
		{"user", denied, denied.EntityID, denied.ARN},
		{"root", root, account, "arn:aws:iam::" + account + ":root"},
		{"role", b.assume(alice, &AssumeRoleInput{RoleARN: role, RoleSessionName: "s1"}), "", "arn:aws:sts::" + account + ":assumed-role/r/s1"},
		{"GetSessionToken", session(b.GetSessionToken(t.Context(), denied, &GetSessionTokenInput{})), denied.EntityID, denied.ARN},
		{"root's GetSessionToken", session(b.GetSessionToken(t.Context(), root, &GetSessionTokenInput{})), account, root.ARN},
		{"GetFederationToken", federated(b.GetFederationToken(t.Context(), root, &GetFederationTokenInput{Name: "fred"})), account + ":fred", "arn:aws:sts::" + account + ":federated-user/fred"},
	}
	for _, tt := range tests {
		out, err := b.GetCallerIdentity(t.Context(), tt.caller, &GetCallerIdentityInput{})
		if err != nil || out.ARN != tt.arn || out.Account != account || tt.id != "" && out.UserID != tt.id {
			t.Errorf("%s: %+v, %v", tt.name, out, err)
		}
		if e, text := b.last(); e.EventName != "GetCallerIdentity" || e.ErrorCode != "" {
			t.Errorf("%s: event = %s", tt.name, text)
		}
	}
	_, err := b.GetCallerIdentity(t.Context(), &authn.Caller{Type: authn.TypeAnonymous}, &GetCallerIdentityInput{})
	wantError(t, "anonymous", err, "MissingAuthenticationToken", "")
}

// key returns a new access key of a user.
func (b *bench) key(name string) (string, identity.Secret, string, error) {
	k, err := b.ids.CreateAccessKey(b.t.Context(), account, name, nil)
	return k.ID, k.Secret, "", err
}

func TestGetSessionToken(t *testing.T) {
	b := newBench(t)
	alice := b.user(account, "alice", statement("Deny", `"sts:GetSessionToken"`))
	out, err := b.GetSessionToken(t.Context(), alice, &GetSessionTokenInput{})
	c := b.with(out.Credentials, err)
	if c.Type != authn.TypeUser || c.UserName != "alice" || c.Session.UserID != alice.EntityID || !c.Session.ExpiresAt.Equal(b.now.Add(12*time.Hour)) {
		t.Errorf("caller = %+v, %+v", c, c.Session)
	}
	long, err := b.GetSessionToken(t.Context(), alice, &GetSessionTokenInput{DurationSeconds: ptr[int32](129600)})
	if c := b.with(long.Credentials, err); !c.Session.ExpiresAt.Equal(b.now.Add(36 * time.Hour)) {
		t.Errorf("session = %+v", c.Session)
	}
	root, err := b.GetSessionToken(t.Context(), b.root(account), &GetSessionTokenInput{DurationSeconds: ptr[int32](129600)})
	if c := b.with(root.Credentials, err); c.Type != authn.TypeRoot || !c.Session.ExpiresAt.Equal(b.now.Add(time.Hour)) {
		t.Errorf("root's caller = %+v, %+v", c, c.Session)
	}
	// What they may call.
	refused := map[string]error{}
	_, refused["GetSessionToken"] = b.GetSessionToken(t.Context(), c, &GetSessionTokenInput{})
	_, refused["GetFederationToken"] = b.GetFederationToken(t.Context(), c, &GetFederationTokenInput{Name: "fred"})
	_, refused["GetAccessKeyInfo"] = b.GetAccessKeyInfo(t.Context(), c, &GetAccessKeyInfoInput{AccessKeyID: c.AccessKeyID})
	_, refused["DecodeAuthorizationMessage"] = b.DecodeAuthorizationMessage(t.Context(), c, &DecodeAuthorizationMessageInput{EncodedMessage: "x"})
	for name, err := range refused {
		wantError(t, name, err, "AccessDenied", "Cannot call "+name+" with session credentials")
	}
	role := b.role("r", trusts(`{"AWS":"`+alice.ARN+`"}`, assumes, ""), "")
	if s := b.assume(c, &AssumeRoleInput{RoleARN: role, RoleSessionName: "s1"}); s.Session.Chained {
		t.Errorf("session = %+v", s.Session)
	}
	for name, in := range map[string]*GetSessionTokenInput{
		"short": {DurationSeconds: ptr[int32](899)}, "long": {DurationSeconds: ptr[int32](129601)}, "code": {TokenCode: "1"},
	} {
		_, err := b.GetSessionToken(t.Context(), alice, in)
		wantError(t, name, err, "ValidationError", "")
	}
	_, err = b.GetSessionToken(t.Context(), alice, &GetSessionTokenInput{SerialNumber: "GAHT12345678", TokenCode: "123456"})
	wantError(t, "MFA", err, "AccessDenied", "MultiFactorAuthentication")
	// They die with the user.
	b.must(b.ids.DeleteAccessKey(t.Context(), account, "alice", alice.AccessKeyID, nil))
	b.must(b.ids.DeleteInline(t.Context(), identity.Entity{Kind: identity.KindUser, Account: account, Name: "alice"}, "p", nil))
	b.must(b.ids.DeleteUser(t.Context(), account, "alice", nil))
	_, err = b.sign(c.AccessKeyID, out.Credentials.SecretAccessKey.Reveal(), out.Credentials.SessionToken.Reveal())
	wantError(t, "user deleted", err, "InvalidClientTokenId", "")
}

func TestGetFederationToken(t *testing.T) {
	b := newBench(t)
	alice := b.user(account, "alice", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:GetFederationToken","Resource":"arn:aws:sts::`+account+`:federated-user/f*"},
		{"Effect":"Allow","Action":"sts:TagSession","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/team":"blue"}}},{"Effect":"Allow","Action":"sts:Get*Info","Resource":"*"}]}`)
	in := &GetFederationTokenInput{Name: "fred", SessionPolicies: SessionPolicies{Policy: ptr(statement("Allow", `"sts:*"`))}, Tags: []Tag{{"team", "blue"}}}
	out, err := b.GetFederationToken(t.Context(), alice, in)
	c := b.with(out.Credentials, err)
	if c.Type != authn.TypeFederatedUser || c.PrincipalID != account+":fred" || out.FederatedUser != (FederatedUser{account + ":fred", c.ARN}) || out.PackedPolicySize < 1 ||
		c.Session.UserARN != alice.ARN || c.Session.Tags["team"] != "blue" || !c.Session.HasPolicies || !c.Session.ExpiresAt.Equal(b.now.Add(12*time.Hour)) {
		t.Errorf("output = %+v, caller %+v, session %+v", out, c, c.Session)
	}
	e, text := b.last()
	if e.ResponseElements["federatedUser"].(map[string]any)["federatedUserId"] != account+":fred" || strings.Contains(text, out.Credentials.SessionToken.Reveal()) {
		t.Errorf("event = %s", text)
	}
	bare, err := b.GetFederationToken(t.Context(), alice, &GetFederationTokenInput{Name: "fred"})
	if c := b.with(bare.Credentials, err); c.Session.HasPolicies {
		t.Errorf("session = %+v", c.Session)
	}
	for _, tt := range []struct {
		name       string
		in         *GetFederationTokenInput
		code, text string
	}{
		{"another name", &GetFederationTokenInput{Name: "bob"}, "AccessDenied", "sts:GetFederationToken"},
		{"another tag", &GetFederationTokenInput{Name: "fred", Tags: []Tag{{"team", "red"}}}, "AccessDenied", "sts:TagSession"},
		{"long name", &GetFederationTokenInput{Name: strings.Repeat("f", 33)}, "ValidationError", "32"},
		{"no name", &GetFederationTokenInput{}, "ValidationError", "null"},
		{"policy", &GetFederationTokenInput{Name: "fred", SessionPolicies: SessionPolicies{Policy: ptr("{")}}, "MalformedPolicyDocument", ""},
		{"managed policy", &GetFederationTokenInput{Name: "fred", SessionPolicies: SessionPolicies{PolicyARNs: []PolicyDescriptor{{"arn:aws:iam::" + stranger + ":policy/p"}}}}, "ValidationError", ""},
		{"tags", &GetFederationTokenInput{Name: "fred", Tags: []Tag{{"k", ""}, {"K", ""}}}, "InvalidParameterValue", ""},
	} {
		_, err := b.GetFederationToken(t.Context(), alice, tt.in)
		wantError(t, tt.name, err, tt.code, tt.text)
	}
	_, err = b.GetAccessKeyInfo(t.Context(), c, &GetAccessKeyInfoInput{AccessKeyID: c.AccessKeyID})
	wantError(t, "GetAccessKeyInfo by a federated user", err, "AccessDenied", "Cannot call")
}

func TestGetAccessKeyInfo(t *testing.T) {
	b := newBench(t)
	alice := b.user(account, "alice", statement("Allow", `"sts:GetAccessKeyInfo"`))
	foreign := b.user(stranger, "foreign", "")
	temporary, err := b.GetSessionToken(t.Context(), foreign, &GetSessionTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{alice.AccessKeyID: account, foreign.AccessKeyID: stranger, temporary.Credentials.AccessKeyID: stranger} {
		if out, err := b.GetAccessKeyInfo(t.Context(), alice, &GetAccessKeyInfoInput{AccessKeyID: id}); err != nil || out.Account != want {
			t.Errorf("GetAccessKeyInfo(%s) = %+v, %v; want %s", id, out, err, want)
		}
	}
	for id, code := range map[string]string{"AKIAAAAAAAAAAAAAAAAA": "InvalidParameterValue", "ASIAAAAAAAAAAAAAAAAA": "InvalidParameterValue", "ASIA7777777777777777": "InvalidParameterValue", "AKIA": "ValidationError", "AKIA/AAAAAAAAAAAAAAA": "ValidationError"} {
		_, err := b.GetAccessKeyInfo(t.Context(), alice, &GetAccessKeyInfoInput{AccessKeyID: id})
		wantError(t, id, err, code, "")
	}
	_, err = b.GetAccessKeyInfo(t.Context(), foreign, &GetAccessKeyInfoInput{AccessKeyID: alice.AccessKeyID})
	wantError(t, "without permission", err, "AccessDenied", "sts:GetAccessKeyInfo")
}

// An explainer knows one message.
type explainer struct{}

func (explainer) Decode(_ context.Context, _ *authn.Caller, message string) (string, error) {
	if message != "known" {
		return "", errors.New("unknown")
	}
	return `{"allowed":false}`, nil
}

func TestDecodeAuthorizationMessage(t *testing.T) {
	b := newBench(t)
	b.explain = explainer{}
	alice := b.user(account, "alice", statement("Allow", `"sts:DecodeAuthorizationMessage"`))
	if out, err := b.DecodeAuthorizationMessage(t.Context(), alice, &DecodeAuthorizationMessageInput{"known"}); err != nil || out.DecodedMessage != `{"allowed":false}` {
		t.Errorf("DecodeAuthorizationMessage = %+v, %v", out, err)
	}
	_, err := b.DecodeAuthorizationMessage(t.Context(), alice, &DecodeAuthorizationMessageInput{"other"})
	wantError(t, "unknown message", err, "InvalidAuthorizationMessageException", "Message is not valid")
	_, err = b.DecodeAuthorizationMessage(t.Context(), b.user(account, "bob", ""), &DecodeAuthorizationMessageInput{"known"})
	wantError(t, "without permission", err, "AccessDenied", "sts:DecodeAuthorizationMessage")
	_, err = b.DecodeAuthorizationMessage(t.Context(), alice, &DecodeAuthorizationMessageInput{})
	wantError(t, "no message", err, "ValidationError", "")
}

// TestUnrecorded hands out nothing that the trail does not have.
func TestUnrecorded(t *testing.T) {
	b := newBench(t)
	alice := b.user(account, "alice", "")
	role := b.role("r", trusts(`{"AWS":"`+alice.ARN+`"}`, assumes, ""), "")
	b.must(b.trail.Close(t.Context()))
	out, err := b.AssumeRole(t.Context(), alice, &AssumeRoleInput{RoleARN: role, RoleSessionName: "s1"})
	if out != nil || !errors.Is(err, authz.ErrUnrecorded) {
		t.Errorf("AssumeRole = %+v, %v; want ErrUnrecorded", out, err)
	}
	wantError(t, "AssumeRole", err, "InternalFailure", "unknown error")
	if _, err := b.GetSessionToken(t.Context(), alice, &GetSessionTokenInput{}); err == nil {
		t.Error("GetSessionToken = nil error")
	}
}

// TestAccessKeyIDs tell their account, and no two are the same.
func TestAccessKeyIDs(t *testing.T) {
	b := newBench(t)
	seen := make(map[string]bool)
	for _, account := range []string{"000000000001", "123456789012", "999999999999"} {
		for range 1000 {
			id, err := b.accessKeyID(account)
			if got, ok := accountOf(id); err != nil || !ok || got != account || seen[id] || len(id) != 20 {
				t.Fatalf("accessKeyID(%s) = %s, %v, of account %s, %v; seen %v", account, id, err, got, ok, seen[id])
			}
			seen[id] = true
		}
	}
	// AWS documents no layout; this is an ID of a real example of its own.
	if got, ok := accountOf("AKIAIOSFODNN7EXAMPLE"); ok {
		t.Errorf("accountOf a permanent key = %s", got)
	}
}

func TestRefuse(t *testing.T) {
	b := newBench(t)
	alice := b.user(account, "alice", "")
	wantError(t, "Refuse", b.Refuse(t.Context(), alice, "AssumeRoot", NotImplemented("AssumeRoot is not implemented by this server.")), "NotImplemented", "AssumeRoot")
	if e, text := b.last(); e.EventName != "AssumeRoot" || e.ErrorCode != "NotImplemented" {
		t.Errorf("event = %s", text)
	}
}
