package sts

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/identity"
)

func TestAssumeRole(t *testing.T) {
	b := newBench(t)
	alice := b.user(account, "alice", "")
	role := b.role("reader", trusts(`{"AWS":"`+alice.ARN+`"}`, assumesAll, ""), statement("Allow", `"s3:*"`))
	out, err := b.AssumeRole(t.Context(), alice, &AssumeRoleInput{
		RoleARN: role, RoleSessionName: "s1", DurationSeconds: ptr[int32](900), SourceIdentity: "alice", ExternalID: "ext",
		SessionPolicies: SessionPolicies{Policy: ptr(statement("Allow", `"s3:Get*"`)), PolicyARNs: []PolicyDescriptor{{"arn:aws:iam::aws:policy/AdministratorAccess"}}},
		Tags:            []Tag{{"team", "blue"}, {"Cost", "1"}}, TransitiveTagKeys: []string{"Team"},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := out.Credentials
	if got, ok := accountOf(c.AccessKeyID); !ok || got != account || len(c.AccessKeyID) != 20 || len(c.SecretAccessKey.Reveal()) != 40 || !c.Expiration.Equal(b.now.Add(15*time.Minute)) {
		t.Errorf("credentials = %+v of account %s", c, got)
	}
	caller := b.with(c, nil)
	wantARN := "arn:aws:sts::" + account + ":assumed-role/reader/s1"
	if caller.Type != authn.TypeAssumedRole || caller.ARN != wantARN || out.AssumedRoleUser.ARN != wantARN || out.AssumedRoleUser.AssumedRoleID != caller.PrincipalID ||
		out.SourceIdentity != "alice" || out.PackedPolicySize < 1 || out.PackedPolicySize > 20 {
		t.Errorf("output = %+v, caller %+v", out, caller)
	}
	s := caller.Session
	if s.Chained || s.SourceIdentity != "alice" || !maps.Equal(s.Tags, map[string]string{"team": "blue", "Cost": "1"}) || len(s.Policies) != 2 || !s.HasPolicies || s.RoleARN != role {
		t.Errorf("session = %+v", s)
	}
	id, err := b.GetCallerIdentity(t.Context(), caller, nil)
	if err != nil || *id != (GetCallerIdentityOutput{caller.PrincipalID, account, wantARN}) {
		t.Errorf("GetCallerIdentity = %+v, %v", id, err)
	}
}

// TestAssumeRoleRecorded looks at the event, which holds no secret.
func TestAssumeRoleRecorded(t *testing.T) {
	b := newBench(t)
	alice := b.user(account, "alice", "")
	role := b.role("reader", trusts(`{"AWS":"`+alice.ARN+`"}`, assumes, ""), "")
	out, err := b.AssumeRole(t.Context(), alice, &AssumeRoleInput{RoleARN: role, RoleSessionName: "s1"})
	if err != nil {
		t.Fatal(err)
	}
	e, text := b.last()
	want := map[string]any{
		"credentials":     map[string]any{"accessKeyId": out.Credentials.AccessKeyID, "sessionToken": "HIDDEN_DUE_TO_SECURITY_REASONS", "expiration": "Nov 21, 2026, 1:00:00 PM"},
		"assumedRoleUser": map[string]any{"assumedRoleId": out.AssumedRoleUser.AssumedRoleID, "arn": out.AssumedRoleUser.ARN},
	}
	if e.EventName != "AssumeRole" || !e.ReadOnly || e.RecipientAccountID != account || !reflect.DeepEqual(e.ResponseElements, want) ||
		!reflect.DeepEqual(e.RequestParameters, map[string]any{"roleArn": role, "roleSessionName": "s1"}) ||
		len(e.Resources) != 1 || e.Resources[0]["ARN"] != role || e.Resources[0]["type"] != "AWS::IAM::Role" {
		t.Errorf("event = %s", text)
	}
	for _, secret := range []identity.Secret{out.Credentials.SecretAccessKey, out.Credentials.SessionToken} {
		if strings.Contains(text, secret.Reveal()) {
			t.Errorf("the event shows a secret: %s", text)
		}
	}
	if s := fmt.Sprintf("%v %+v %#v", out.Credentials, *out.Credentials, out.Credentials); strings.Contains(s, out.Credentials.SecretAccessKey.Reveal()) || strings.Contains(s, out.Credentials.SessionToken.Reveal()) {
		t.Errorf("credentials print as %s", s)
	}
}

// TestWhoMayAssume decides by trust policy and the caller's own policies.
func TestWhoMayAssume(t *testing.T) {
	b := newBench(t)
	may := statement("Allow", `"sts:*"`)
	users := map[string]*authn.Caller{
		"alice":   b.user(account, "alice", ""),
		"bob":     b.user(account, "bob", may),
		"foreign": b.user(stranger, "foreign", may),
		"poor":    b.user(stranger, "poor", ""),
		"denied":  b.user(account, "denied", statement("Deny", `"sts:AssumeRole"`)),
	}
	roles := map[string]string{
		"alice's": b.role("alices", trusts(`{"AWS":"`+users["alice"].ARN+`"}`, assumes, ""), ""),
		"account": b.role("account", trusts(trustsAccount, assumes, ""), ""),
		"foreign": b.role("foreign", trusts(`{"AWS":"`+stranger+`"}`, assumes, `{"StringEquals":{"sts:ExternalId":"xyz"}}`), ""),
		"denied":  b.role("denied", trusts(`{"AWS":"`+users["denied"].ARN+`"}`, assumes, ""), ""),
		"service": b.role("service", trusts(`{"Service":"ec2.amazonaws.com"}`, assumes, ""), ""),
		"named":   b.role("named", trusts(trustsAccount, assumes, `{"StringEquals":{"sts:RoleSessionName":"${aws:username}"}}`), ""),
	}
	tests := []struct {
		user, role, externalID, name string
		ok                           bool
	}{
		{user: "alice", role: "alice's", ok: true},
		{user: "alice", role: "account"},
		{user: "bob", role: "account", ok: true},
		{user: "bob", role: "alice's"},
		{user: "bob", role: "service"},
		{user: "bob", role: "named", name: "bob", ok: true},
		{user: "bob", role: "named", name: "alice"},
		{user: "foreign", role: "account"},
		{user: "foreign", role: "foreign", externalID: "xyz", ok: true},
		{user: "foreign", role: "foreign", externalID: "XYZ"},
		{user: "foreign", role: "foreign"},
		{user: "poor", role: "foreign", externalID: "xyz"},
		{user: "denied", role: "denied"},
	}
	for _, tt := range tests {
		name := tt.name
		if name == "" {
			name = "session"
		}
		_, err := b.AssumeRole(t.Context(), users[tt.user], &AssumeRoleInput{RoleARN: roles[tt.role], RoleSessionName: name, ExternalID: tt.externalID})
		if tt.ok != (err == nil) {
			t.Errorf("%+v: %v", tt, err)
		}
		if err == nil {
			continue
		}
		want := "AccessDenied: User: " + users[tt.user].ARN + " is not authorized to perform: sts:AssumeRole on resource: " + roles[tt.role]
		if withoutID(err) != want {
			t.Errorf("%+v: %v; want %s", tt, err, want)
		}
	}
}

// TestNoRole answers for a role that does not exist as for one that can't be assumed.
func TestNoRole(t *testing.T) {
	b := newBench(t)
	role := b.role("there", trusts(`{"Service":"ec2.amazonaws.com"}`, assumes, ""), "")
	for _, c := range []*authn.Caller{b.user(stranger, "eve", statement("Allow", `"*"`)), b.user(account, "bob", statement("Allow", `"*"`)), b.user(account, "alice", "")} {
		var texts []string
		for _, target := range []string{role, strings.Replace(role, "there", "where", 1), strings.Replace(role, "/app/there", "/there", 1), strings.Replace(role, account, "999999999999", 1)} {
			_, err := b.AssumeRole(t.Context(), c, &AssumeRoleInput{RoleARN: target, RoleSessionName: "s1", DurationSeconds: ptr[int32](43200),
				SessionPolicies: SessionPolicies{PolicyARNs: []PolicyDescriptor{{"arn:aws:iam::aws:policy/NoSuchPolicy"}}}})
			wantError(t, target, err, "AccessDenied", "")
			texts = append(texts, strings.Replace(withoutID(err), target, "R", 1))
			if e, text := b.last(); e.ErrorCode != "AccessDenied" || len(e.Resources) != 0 {
				t.Errorf("event = %s", text)
			}
		}
		if len(slices.Compact(texts)) != 1 {
			t.Errorf("%s gets different answers: %q", c.ARN, texts)
		}
	}
}

func TestAssumeRoleRefused(t *testing.T) {
	b := newBench(t)
	alice := b.user(account, "alice", "")
	role := b.role("r", trusts(`{"AWS":"`+alice.ARN+`"}`, assumesAll, ""), "")
	rootSession, err := b.GetSessionToken(t.Context(), b.root(account), &GetSessionTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	federated, err := b.GetFederationToken(t.Context(), b.root(stranger), &GetFederationTokenInput{Name: "fred"})
	if err != nil {
		t.Fatal(err)
	}
	good := AssumeRoleInput{RoleARN: role, RoleSessionName: "s1"}
	tests := []struct {
		name       string
		caller     *authn.Caller
		change     func(*AssumeRoleInput)
		code, text string
	}{
		{"root", b.root(account), nil, "AccessDenied", "Roles may not be assumed by root accounts."},
		{"root's session", b.with(rootSession.Credentials, nil), nil, "AccessDenied", "Roles may not be assumed by root accounts."},
		{"federated user", b.with(federated.Credentials, nil), nil, "AccessDenied", "Cannot call AssumeRole with session credentials"},
		{"no ARN", alice, func(in *AssumeRoleInput) { in.RoleARN = "" }, "ValidationError", "Value null at 'roleArn' failed to satisfy constraint: Member must not be null"},
		{"short ARN", alice, func(in *AssumeRoleInput) { in.RoleARN = "reader" }, "ValidationError", "Value 'reader' at 'roleArn' failed to satisfy constraint: Member must have length greater than or equal to 20"},
		{"no ARN of a role", alice, func(in *AssumeRoleInput) { in.RoleARN = alice.ARN }, "ValidationError", "Request ARN is invalid"},
		{"session name", alice, func(in *AssumeRoleInput) { in.RoleSessionName = "a/b" }, "ValidationError", `Member must satisfy regular expression pattern: [\w+=,.@-]*`},
		{"long session name", alice, func(in *AssumeRoleInput) { in.RoleSessionName = strings.Repeat("a", 65) }, "ValidationError", "less than or equal to 64"},
		{"short", alice, func(in *AssumeRoleInput) { in.DurationSeconds = ptr[int32](899) }, "ValidationError", "Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"},
		{"long", alice, func(in *AssumeRoleInput) { in.DurationSeconds = ptr[int32](43201) }, "ValidationError", "less than or equal to 43200"},
		{"longer than the role", alice, func(in *AssumeRoleInput) { in.DurationSeconds = ptr[int32](3601) }, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."},
		{"no policy", alice, func(in *AssumeRoleInput) { in.Policy = ptr("") }, "ValidationError", "policy"},
		{"malformed policy", alice, func(in *AssumeRoleInput) {
			in.Policy = ptr(`{"Version":"2012-10-17","Statement":[{"Effect":"Maybe"}]}`)
		}, "MalformedPolicyDocument", ""},
		{"policy with a principal", alice, func(in *AssumeRoleInput) { in.Policy = ptr(trusts(trustsAccount, assumes, "")) }, "MalformedPolicyDocument", ""},
		{"long policy", alice, func(in *AssumeRoleInput) { in.Policy = ptr(statement("Allow", `"s3:`+strings.Repeat("a", 2048)+`"`)) }, "ValidationError", "2048"},
		{"eleven managed policies", alice, func(in *AssumeRoleInput) { in.PolicyARNs = make([]PolicyDescriptor, 11) }, "ValidationError", "policyArns"},
		{"no such managed policy", alice, func(in *AssumeRoleInput) {
			in.PolicyARNs = []PolicyDescriptor{{"arn:aws:iam::aws:policy/NoSuchPolicy"}}
		}, "ValidationError", "managed session policy"},
		{"another account's managed policy", alice, func(in *AssumeRoleInput) {
			in.PolicyARNs = []PolicyDescriptor{{"arn:aws:iam::" + stranger + ":policy/p"}}
		}, "ValidationError", "managed session policy"},
		{"51 tags", alice, func(in *AssumeRoleInput) { in.Tags = make([]Tag, 51) }, "ValidationError", "tags"},
		{"empty tag key", alice, func(in *AssumeRoleInput) { in.Tags = []Tag{{"", "v"}} }, "ValidationError", "tags.1.member.key"},
		{"odd tag", alice, func(in *AssumeRoleInput) { in.Tags = []Tag{{"k", "a\nb"}} }, "ValidationError", "tags.1.member.value"},
		{"tag twice", alice, func(in *AssumeRoleInput) { in.Tags = []Tag{{"k", "v"}, {"K", "w"}} }, "InvalidParameterValue", "Duplicate tag keys"},
		{"reserved tag", alice, func(in *AssumeRoleInput) { in.Tags = []Tag{{"AWS:k", "v"}} }, "InvalidParameterValue", "reserved"},
		{"transitive key without a tag", alice, func(in *AssumeRoleInput) { in.TransitiveTagKeys = []string{"k"} }, "InvalidParameterValue", "must be included"},
		{"tags that don't pack", alice, func(in *AssumeRoleInput) { in.Tags = noise() }, "PackedPolicyTooLarge", "of allotted space"},
		{"MFA", alice, func(in *AssumeRoleInput) { in.SerialNumber, in.TokenCode = "GAHT12345678", "123456" }, "AccessDenied", "MultiFactorAuthentication failed"},
		{"contexts", alice, func(in *AssumeRoleInput) {
			in.ProvidedContexts = append(in.ProvidedContexts, struct {
				ProviderARN      string `query:"ProviderArn"`
				ContextAssertion string
			}{})
		}, "NotImplemented", ""},
		{"source identity", alice, func(in *AssumeRoleInput) { in.SourceIdentity = "a b" }, "ValidationError", "sourceIdentity"},
	}
	for _, tt := range tests {
		in := good
		if tt.change != nil {
			tt.change(&in)
		}
		out, err := b.AssumeRole(t.Context(), tt.caller, &in)
		if out != nil {
			t.Errorf("%s: output = %+v", tt.name, out)
		}
		wantError(t, tt.name, err, tt.code, tt.text)
		if e, text := b.last(); e.EventName != "AssumeRole" || e.ErrorCode != tt.code || e.ResponseElements != nil {
			t.Errorf("%s: event = %s", tt.name, text)
		}
	}
	if b.log.Len() > 0 {
		t.Errorf("log = %s", b.log)
	}
}

// noise returns tags that are allowed and can't be compressed.
func noise() []Tag {
	var tags []Tag
	x := uint64(1)
	for i := range 50 {
		var v strings.Builder
		for range 256 {
			x = x*6364136223846793005 + 1442695040888963407
			v.WriteByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-"[x>>58])
		}
		tags = append(tags, Tag{fmt.Sprint(i), v.String()})
	}
	return tags
}

// TestTagsNeedPermission: so does a source identity, and also what is inherited.
func TestTagsNeedPermission(t *testing.T) {
	b := newBench(t)
	alice := b.user(account, "alice", "")
	named := `{"AWS":"` + alice.ARN + `"}`
	only := b.role("only", trusts(named, assumes, ""), "")
	blue := b.role("blue", trusts(named, assumesAll, `{"StringEquals":{"aws:RequestTag/Team":"blue"},"ForAllValues:StringEquals":{"aws:TagKeys":["team"],"sts:TransitiveTagKeys":["team"]}}`), "")
	tests := []struct {
		name, role string
		change     func(*AssumeRoleInput)
		ok         bool
	}{
		{"neither", only, func(*AssumeRoleInput) {}, true},
		{"tag without permission", only, func(in *AssumeRoleInput) { in.Tags = []Tag{{"team", "blue"}} }, false},
		{"source identity without permission", only, func(in *AssumeRoleInput) { in.SourceIdentity = "alice" }, false},
		{"the tag that the role asks for", blue, func(in *AssumeRoleInput) { in.Tags = []Tag{{"team", "blue"}} }, true},
		{"transitive", blue, func(in *AssumeRoleInput) { in.Tags, in.TransitiveTagKeys = []Tag{{"team", "blue"}}, []string{"team"} }, true},
		{"another value", blue, func(in *AssumeRoleInput) { in.Tags = []Tag{{"team", "red"}} }, false},
		{"one more tag", blue, func(in *AssumeRoleInput) { in.Tags = []Tag{{"team", "blue"}, {"x", "y"}} }, false},
		{"no tag", blue, func(*AssumeRoleInput) {}, false},
	}
	for _, tt := range tests {
		in := &AssumeRoleInput{RoleARN: tt.role, RoleSessionName: "s1"}
		tt.change(in)
		if _, err := b.AssumeRole(t.Context(), alice, in); tt.ok != (err == nil) || err != nil && !awserr.Is(err, "AccessDenied") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestChain assumes a role with the credentials of another.
func TestChain(t *testing.T) {
	b := newBench(t)
	alice := b.user(account, "alice", "")
	first := b.role("first", trusts(`{"AWS":"`+alice.ARN+`"}`, assumesAll, ""), statement("Allow", `"sts:*"`))
	next := b.role("next", trusts(`{"AWS":"`+first+`"}`, assumesAll, `{"StringEquals":{"aws:RequestTag/team":"blue"}}`), "")
	bare := b.role("bare", trusts(`{"AWS":"`+first+`"}`, assumes, ""), "")
	twelve := 12 * time.Hour
	for _, name := range []string{"first", "next"} {
		if _, err := b.ids.UpdateRole(t.Context(), account, name, identity.RoleUpdate{MaxSession: &twelve}, nil); err != nil {
			t.Fatal(err)
		}
	}
	c := b.assume(alice, &AssumeRoleInput{RoleARN: first, RoleSessionName: "s1", SourceIdentity: "alice", DurationSeconds: ptr[int32](43200),
		Tags: []Tag{{"team", "blue"}, {"private", "x"}}, TransitiveTagKeys: []string{"TEAM"}})

	d := b.assume(c, &AssumeRoleInput{RoleARN: next, RoleSessionName: "s2", Tags: []Tag{{"own", "y"}}, DurationSeconds: ptr[int32](3600)})
	s := d.Session
	if !s.Chained || s.SourceIdentity != "alice" || !maps.Equal(s.Tags, map[string]string{"team": "blue", "own": "y"}) || !slices.Equal(s.TransitiveTags, []string{"team"}) {
		t.Errorf("session = %+v", s)
	}
	for _, tt := range []struct {
		name       string
		in         AssumeRoleInput
		code, text string
	}{
		{"long", AssumeRoleInput{RoleARN: next, DurationSeconds: ptr[int32](3601)}, "ValidationError", "1 hour session limit for roles assumed by role chaining"},
		{"another source identity", AssumeRoleInput{RoleARN: next, SourceIdentity: "bob"}, "AccessDenied", "source identity"},
		{"inherited tag again", AssumeRoleInput{RoleARN: next, Tags: []Tag{{"Team", "red"}}}, "InvalidParameterValue", "conflicts with a transitive tag key"},
		{"inheritance without permission", AssumeRoleInput{RoleARN: bare}, "AccessDenied", "sts:TagSession"},
	} {
		tt.in.RoleSessionName = "s2"
		_, err := b.AssumeRole(t.Context(), c, &tt.in)
		wantError(t, tt.name, err, tt.code, tt.text)
	}
	// The same source identity again is no change.
	b.assume(c, &AssumeRoleInput{RoleARN: next, RoleSessionName: "s2", SourceIdentity: "alice"})
	// A role session passes nothing on that is not transitive.
	plain := b.assume(alice, &AssumeRoleInput{RoleARN: first, RoleSessionName: "s1", Tags: []Tag{{"private", "x"}}})
	if e := b.assume(plain, &AssumeRoleInput{RoleARN: bare, RoleSessionName: "s2"}); len(e.Session.Tags) != 0 || e.Session.SourceIdentity != "" {
		t.Errorf("session = %+v", e.Session)
	}
	for _, call := range []func() error{
		func() error { _, err := b.GetSessionToken(t.Context(), c, &GetSessionTokenInput{}); return err },
		func() error {
			_, err := b.GetFederationToken(t.Context(), c, &GetFederationTokenInput{Name: "fred"})
			return err
		},
	} {
		wantError(t, "credentials of a role", call(), "AccessDenied", "with session credentials")
	}
}

// TestSessionsEnd: credentials die with their time, their role, or a revocation.
func TestSessionsEnd(t *testing.T) {
	for name, end := range map[string]func(*bench, *authn.Caller){
		"expiry": func(b *bench, _ *authn.Caller) { b.now = b.now.Add(time.Hour) },
		"revocation": func(b *bench, c *authn.Caller) {
			b.must(b.ids.RevokeSession(b.t.Context(), c.AccessKeyID, b.now.Add(time.Hour), nil))
		},
		"role deleted": func(b *bench, _ *authn.Caller) { b.must(b.ids.DeleteRole(b.t.Context(), account, "r", nil)) },
		"role made again": func(b *bench, _ *authn.Caller) {
			b.must(b.ids.DeleteRole(b.t.Context(), account, "r", nil))
			b.role("r", trusts(trustsAccount, assumes, ""), "")
		},
	} {
		b := newBench(t)
		alice := b.user(account, "alice", "")
		role := b.role("r", trusts(`{"AWS":"`+alice.ARN+`"}`, assumes, ""), "")
		out, err := b.AssumeRole(t.Context(), alice, &AssumeRoleInput{RoleARN: role, RoleSessionName: "s1"})
		c := b.with(out.Credentials, err)
		end(b, c)
		_, err = b.sign(c.AccessKeyID, out.Credentials.SecretAccessKey.Reveal(), out.Credentials.SessionToken.Reveal())
		code := "InvalidClientTokenId"
		if name == "expiry" {
			code = "ExpiredToken"
		}
		wantError(t, name, err, code, "")
	}
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}
