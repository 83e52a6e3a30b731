package kms

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/identity"
	"coffer/internal/key"
	"coffer/internal/organization"
	"coffer/internal/policy"
)

// user makes an IAM user with one inline policy, unless that is empty, and returns
// it as a caller.
func (b *bench) user(t testing.TB, account, name, inline string) *authn.Caller {
	t.Helper()
	u, err := b.identity.CreateUser(t.Context(), account, identity.NewUser{Name: name}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.allow(t, identity.Entity{Kind: identity.KindUser, Account: account, Name: name}, inline)
	c := caller(account)
	c.Type, c.ARN, c.PrincipalID, c.EntityID, c.UserName = authn.TypeUser, u.ARN, u.ID, u.ID, name
	return c
}

// role makes a role with one inline policy, unless that is empty, and returns a
// session of it as a caller.
func (b *bench) role(t testing.TB, account, name, inline string, session ...string) *authn.Caller {
	t.Helper()
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + account + `"},"Action":"sts:AssumeRole"}]}`
	r, err := b.identity.CreateRole(t.Context(), account, identity.NewRole{Name: name, Path: "/team/", Trust: trust}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.allow(t, identity.Entity{Kind: identity.KindRole, Account: account, Name: name}, inline)
	c := caller(account)
	c.Type, c.EntityID, c.PrincipalID = authn.TypeAssumedRole, r.ID, r.ID+":s"
	c.ARN = "arn:aws:sts::" + account + ":assumed-role/" + name + "/s"
	c.Session = &identity.Session{Kind: identity.SessionRole, Account: account, ARN: c.ARN, Name: "s", RoleID: r.ID}
	for _, text := range session {
		p, err := policy.Parse(text, policy.KindSession)
		if err != nil {
			t.Fatal(err)
		}
		c.Session.Policies, c.Session.HasPolicies = append(c.Session.Policies, policy.Named{Policy: p}), true
	}
	return c
}

func (b *bench) allow(t testing.TB, e identity.Entity, inline string) {
	t.Helper()
	if inline == "" {
		return
	}
	if err := b.identity.PutInline(t.Context(), e, "p", inline, nil); err != nil {
		t.Fatal(err)
	}
}

// statement returns a policy with one statement.
func statement(effect, principal, action, resource, condition string) string {
	s := `{"Effect":"` + effect + `"`
	if principal != "" {
		s += `,"Principal":` + principal
	}
	s += `,"Action":` + action + `,"Resource":"` + resource + `"`
	if condition != "" {
		s += `,"Condition":` + condition
	}
	return document(s + "}")
}

func document(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

// inner returns the statement of a policy that statement made.
func inner(text string) string {
	return strings.TrimSuffix(strings.TrimPrefix(text, `{"Version":"2012-10-17","Statement":[`), "]}")
}

// withPolicy makes a key with a policy, whatever it does to its maker.
func (b *bench) withPolicy(t testing.TB, text string) KeyMetadata {
	t.Helper()
	out, err := b.CreateKey(t.Context(), self, &CreateKeyInput{Policy: text, BypassPolicyLockoutSafetyCheck: true})
	if err != nil {
		t.Fatal(err)
	}
	return out.KeyMetadata
}

const allActions = `"kms:*"`

func account12(a string) string { return `{"AWS":"` + a + `"}` }

// encrypt tries to encrypt under a key.
func (b *bench) encrypt(t testing.TB, c *authn.Caller, id string, encryptionContext map[string]string) error {
	t.Helper()
	_, err := b.Encrypt(t.Context(), c, &EncryptInput{KeyID: id, Plaintext: Plaintext("x"), EncryptionContext: encryptionContext})
	return err
}

// TestKeyPolicyDecides holds decisions about kms:Encrypt to the rules: the key's
// policy must allow, by itself or by delegating to the account, whose policies then
// must.
func TestKeyPolicyDecides(t *testing.T) {
	b := newBench(t)
	all := statement("Allow", "", allActions, "*", "")
	plain := b.user(t, account, "plain", "")
	admin := b.user(t, account, "admin", all)
	barred := b.user(t, account, "barred", document(inner(all), inner(statement("Deny", "", `"kms:Encrypt"`, "*", ""))))
	worker := b.role(t, account, "worker", "")
	narrow := b.role(t, account, "narrow", all, statement("Allow", "", `"kms:Decrypt"`, "*", ""))
	farAdmin := b.user(t, stranger, "far", all)
	farPlain := b.user(t, stranger, "farplain", "")
	log := &authn.Caller{Type: authn.TypeAWSService, ARN: "delivery.logs.amazonaws.com", Region: region, RequestID: "req-1"}

	encrypt, decrypt := `"kms:Encrypt"`, `"kms:Decrypt"`
	const foreignText = "on this resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access"
	const noIdentity, noResource = "because no identity-based policy allows the kms:Encrypt action", "because no resource-based policy allows the kms:Encrypt action"
	ok := ""
	tests := []struct {
		name   string
		policy string
		want   map[*authn.Caller]string // what a denial ends in
	}{
		{"default", defaultPolicy(account), map[*authn.Caller]string{
			self: ok, admin: ok, plain: noIdentity, barred: "with an explicit deny in an identity-based policy", worker: noIdentity,
			narrow: "because no session policy allows the kms:Encrypt action", foreign: foreignText, farAdmin: foreignText,
			farPlain: foreignText, log: foreignText}},
		{"names nobody", statement("Allow", account12(arn.Root(account)), decrypt, "*", ""), map[*authn.Caller]string{
			self: noResource, admin: noResource, plain: noResource, foreign: foreignText}},
		{"names a user", statement("Allow", account12(plain.ARN), allActions, "*", ""), map[*authn.Caller]string{
			plain: ok, self: noResource, admin: noResource, barred: "with an explicit deny in an identity-based policy"}},
		{"names a role", statement("Allow", `{"AWS":["arn:aws:iam::`+account+`:role/team/worker","arn:aws:iam::`+account+`:role/team/narrow"]}`, encrypt, "*", ""), map[*authn.Caller]string{
			worker: ok, narrow: "because no session policy allows the kms:Encrypt action", plain: noResource}},
		{"names a session", statement("Allow", account12(narrow.ARN), encrypt, "*", ""), map[*authn.Caller]string{narrow: ok, worker: noResource}},
		{"delegates some actions", statement("Allow", account12(account), encrypt, "*", ""), map[*authn.Caller]string{admin: ok, self: ok, plain: noIdentity}},
		{"delegates with a condition", statement("Allow", account12(account), allActions, "*", `{"StringEquals":{"kms:EncryptionContext:dept":"it"}}`),
			map[*authn.Caller]string{admin: noResource, self: noResource}},
		{"denies a user", document(inner(defaultPolicy2(account)), inner(statement("Deny", account12(admin.ARN), encrypt, "*", ""))), map[*authn.Caller]string{
			self: ok, admin: "with an explicit deny in a resource-based policy"}},
		{"everyone", statement("Allow", `"*"`, encrypt, "*", ""), map[*authn.Caller]string{
			self: ok, plain: ok, worker: ok, foreign: ok, farAdmin: ok, farPlain: "on this resource " + noIdentity, log: ok}},
		{"another account", statement("Allow", account12(arn.Root(stranger)), encrypt, "*", ""), map[*authn.Caller]string{
			foreign: ok, farAdmin: ok, farPlain: "on this resource " + noIdentity, self: noResource}},
		{"a user of another account", statement("Allow", account12(farPlain.ARN), encrypt, "*", ""), map[*authn.Caller]string{
			farPlain: "on this resource " + noIdentity, farAdmin: foreignText, foreign: foreignText}},
		{"a service", statement("Allow", `{"Service":"delivery.logs.amazonaws.com"}`, encrypt, "*", ""), map[*authn.Caller]string{
			log: ok, self: noResource, plain: noResource}},
		{"another resource", statement("Allow", account12(account), encrypt, arn.Key(region, account, unknownID), ""), map[*authn.Caller]string{admin: noResource}},
		{"the caller's account", statement("Allow", `"*"`, encrypt, "*", `{"StringEquals":{"kms:CallerAccount":"`+account+`"}}`), map[*authn.Caller]string{
			plain: ok, self: ok, foreign: foreignText, log: foreignText}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := b.withPolicy(t, tt.policy)
			for c, want := range tt.want {
				err := b.encrypt(t, c, k.ARN, nil)
				if want == "" {
					if err != nil {
						t.Errorf("%s: %v; want ok", c.ARN, err)
					}
					continue
				}
				on := " on resource: " + k.ARN + " "
				if strings.HasPrefix(want, "on this") {
					on = " "
				}
				wantError(t, c.ARN, err, "AccessDeniedException: User: "+c.ARN+" is not authorized to perform: kms:Encrypt"+on+want)
			}
		})
	}
}

func defaultPolicy2(account string) string {
	return statement("Allow", account12(account), allActions, "*", "")
}

// TestCrossAccountUse lets another account do everything in the key policy. What
// only a key's own account does stays closed.
func TestCrossAccountUse(t *testing.T) {
	b := newBench(t)
	k := b.withPolicy(t, statement("Allow", `{"AWS":["`+account+`","`+stranger+`"]}`, allActions, "*", ""))
	if _, err := b.CreateAlias(t.Context(), self, &CreateAliasInput{"alias/mine", k.KeyID}); err != nil {
		t.Fatal(err)
	}
	if err := b.encrypt(t, foreign, arn.Alias(region, account, "alias/mine"), nil); err != nil {
		t.Errorf("Encrypt by the alias = %v", err)
	}
	if _, err := b.DescribeKey(t.Context(), foreign, &DescribeKeyInput{KeyID: k.ARN}); err != nil {
		t.Errorf("DescribeKey = %v", err)
	}
	blob := b.ciphertext(t, k.KeyID, "x", nil)
	if _, err := b.Decrypt(t.Context(), foreign, &DecryptInput{CiphertextBlob: blob}); err != nil {
		t.Errorf("Decrypt = %v", err)
	}
	for _, operation := range []string{"CancelKeyDeletion", "CreateAlias", "DisableKey", "EnableKey", "GetKeyPolicy", "ListKeyPolicies", "ListResourceTags",
		"PutKeyPolicy", "ScheduleKeyDeletion", "TagResource", "UntagResource", "UpdateKeyDescription"} {
		err := b.as(foreign).try(t, operation, k.ARN, blob, "alias/x", "")
		wantError(t, operation, err, "AccessDeniedException: User: "+foreign.ARN+" is not authorized to perform: kms:"+operation+
			" on this resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access")
	}
}

func TestPutKeyPolicy(t *testing.T) {
	b := newBench(t)
	admin := b.user(t, account, "admin", statement("Allow", "", allActions, "*", ""))
	limited := b.user(t, account, "limited", statement("Allow", "", `["kms:CreateKey","kms:DescribeKey"]`, "*", ""))
	k := b.newKey(t)
	const (
		malformed = "MalformedPolicyDocumentException: Syntax errors in policy."
		invalid   = "MalformedPolicyDocumentException: Policy contains a statement with one or more invalid principals."
		locked    = "MalformedPolicyDocumentException: The new key policy will not allow you to update the key policy in the future."
	)
	mine := inner(defaultPolicy2(account))
	tests := []struct {
		name, policy string
		by           *authn.Caller
		bypass       bool
		want         string
	}{
		{"default", defaultPolicy(account), self, false, ""},
		{"two statements", document(mine, inner(statement("Deny", `"*"`, `"kms:ScheduleKeyDeletion"`, "*", ""))), self, false, ""},
		{"names its putter", statement("Allow", account12(admin.ARN), allActions, "*", ""), admin, false, ""},
		{"names another", statement("Allow", account12(limited.ARN), allActions, "*", ""), admin, false, locked},
		{"names another, bypassed", document(mine, inner(statement("Deny", account12(limited.ARN), allActions, "*", ""))), admin, true, ""},
		{"nobody", statement("Allow", account12(account), `"kms:Decrypt"`, "*", ""), self, false, locked},
		{"denies itself", document(mine, inner(statement("Deny", `"*"`, `"kms:Put*"`, "*", ""))), self, false, locked},
		{"only by an alias", statement("Allow", account12(account), allActions, "*", `{"StringEquals":{"kms:RequestAlias":"alias/a"}}`), self, false, locked},
		{"not JSON", `{`, self, false, malformed},
		{"no object", `[]`, self, false, malformed},
		{"rest", defaultPolicy(account) + " x", self, false, malformed},
		{"no statement", `{"Version":"2012-10-17"}`, self, false, malformed},
		{"duplicate", `{"Version":"2012-10-17","Statement":[],"Statement":[` + mine + `]}`, self, false, malformed},
		{"unknown element", `{"Version":"2012-10-17","Other":1,"Statement":[` + mine + `]}`, self, false, malformed},
		{"unknown operator", statement("Allow", account12(account), allActions, "*", `{"StringSame":{"kms:ViaService":"x"}}`), self, false, malformed},
		{"no principal", statement("Allow", "", allActions, "*", ""), self, false, malformed},
		{"NotPrincipal that allows", strings.Replace(defaultPolicy2(account), `"Principal"`, `"NotPrincipal"`, 1), self, false, malformed},
		{"a user that is not there", statement("Allow", account12("arn:aws:iam::"+account+":user/nobody"), allActions, "*", ""), self, false, invalid},
		{"a role that is not there", document(mine, inner(statement("Deny", account12("arn:aws:iam::"+account+":role/nobody"), allActions, "*", ""))), self, false, invalid},
		{"too long", `{"Version":"2012-10-17","Statement":` + mine + strings.Repeat(" ", 32768) + `}`, self, false, "LimitExceededException: The key policy is larger than 32768 bytes."},
		{"much too long", strings.Repeat(" ", 131073), self, false, "ValidationException: 1 validation error detected: Value at 'policy' failed to satisfy constraint: Member must have length less than or equal to 131072"},
		{"missing", "", self, false, "ValidationException: 1 validation error detected: Value null at 'policy' failed to satisfy constraint: Member must not be null"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := b.PutKeyPolicy(t.Context(), self, &PutKeyPolicyInput{KeyID: k.KeyID, Policy: defaultPolicy(account)}); err != nil {
				k = b.newKey(t) // the case before took the key away from its maker
			}
			_, err := b.PutKeyPolicy(t.Context(), tt.by, &PutKeyPolicyInput{KeyID: k.KeyID, Policy: tt.policy, BypassPolicyLockoutSafetyCheck: tt.bypass})
			made, err2 := b.CreateKey(t.Context(), tt.by, &CreateKeyInput{Policy: tt.policy, BypassPolicyLockoutSafetyCheck: tt.bypass})
			if tt.want != "" {
				wantError(t, "PutKeyPolicy", err, tt.want)
				if tt.name != "missing" {
					wantError(t, "CreateKey", err2, tt.want)
				}
				return
			}
			if err != nil || err2 != nil {
				t.Fatalf("PutKeyPolicy = %v, CreateKey = %v", err, err2)
			}
			for _, id := range []string{k.KeyID, made.KeyMetadata.KeyID} {
				if out, err := b.GetKeyPolicy(t.Context(), tt.by, &GetKeyPolicyInput{id, "default"}); err != nil || !sameJSON(t, out.Policy, tt.policy) {
					t.Errorf("GetKeyPolicy = %+v, %v; want what was put", out, err)
				}
			}
		})
	}
	// The default policy delegates, so the caller's own policies count too.
	_, err := b.CreateKey(t.Context(), limited, &CreateKeyInput{Policy: defaultPolicy(account)})
	wantError(t, "CreateKey by one who may not put policies", err, locked)
	if _, err := b.CreateKey(t.Context(), limited, &CreateKeyInput{}); err != nil {
		t.Errorf("CreateKey without a policy = %v", err)
	}
	_, err = b.CreateKey(t.Context(), limited, &CreateKeyInput{Tags: []Tag{{"a", "b"}}})
	e := fmt.Sprint(err)
	if !strings.Contains(e, "is not authorized to perform: kms:TagResource on resource: arn:aws:kms:us-east-1:"+account+":key/") {
		t.Errorf("CreateKey with tags by one who may not tag = %v", err)
	}
}

func sameJSON(t testing.TB, a, b string) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(x) == fmt.Sprint(y)
}

// TestPrincipalsOfAPolicy deletes a user that a key policy names, and makes another
// one of the same name: it gets nothing, and the policy shows who is meant.
func TestPrincipalsOfAPolicy(t *testing.T) {
	b := newBench(t)
	old := b.user(t, account, "alice", "")
	k := b.withPolicy(t, document(inner(defaultPolicy2(account)), inner(statement("Allow", account12(old.ARN), `"kms:Encrypt"`, "*", ""))))
	if err := b.encrypt(t, old, k.KeyID, nil); err != nil {
		t.Fatal(err)
	}
	stored, err := b.keys.Get(t.Context(), key.Ref{Account: account, Region: region, ID: k.KeyID})
	if err != nil || !strings.Contains(stored.Policy, old.EntityID) || strings.Contains(stored.Policy, "user/alice") {
		t.Errorf("stored policy %s, %v; want the unique ID", stored.Policy, err)
	}
	if err := b.identity.DeleteUser(t.Context(), account, "alice", nil); err != nil {
		t.Fatal(err)
	}
	again := b.user(t, account, "alice", "")
	for _, c := range []*authn.Caller{old, again} {
		if err := b.encrypt(t, c, k.KeyID, nil); !isDenial(err) {
			t.Errorf("Encrypt as %s = %v; want a denial", c.EntityID, err)
		}
	}
	out, err := b.GetKeyPolicy(t.Context(), self, &GetKeyPolicyInput{KeyID: k.KeyID})
	if err != nil || !strings.Contains(out.Policy, old.EntityID) {
		t.Errorf("GetKeyPolicy = %+v, %v; want %s", out, err, old.EntityID)
	}
}

// TestOrganizationPolicies shows that service control policies bind the callers of
// an account and resource control policies those of its keys, but not of AWS managed
// keys.
func TestOrganizationPolicies(t *testing.T) {
	b := newBench(t)
	k := b.newKey(t)
	managed, err := b.ManagedS3Key(t.Context(), self)
	if err != nil {
		t.Fatal(err)
	}
	full := policy.FullAWSAccess(policy.KindSCP)
	rcp, err := policy.Parse(statement("Deny", `"*"`, `["kms:GenerateDataKey","kms:Encrypt","kms:RetireGrant"]`, "*", ""), policy.KindRCP)
	if err != nil {
		t.Fatal(err)
	}
	b.chains[account] = &organization.Chain{ID: "o-1", SCPs: [][]policy.Named{{{Name: "FullAWSAccess", Policy: full}}},
		RCPs: [][]policy.Named{{{Name: "RCPFullAWSAccess", Policy: policy.FullAWSAccess(policy.KindRCP)}, {Name: "no encryption", Policy: rcp}}}}
	wantError(t, "Encrypt", b.encrypt(t, self, k.KeyID, nil), "AccessDeniedException: User: "+self.ARN+" is not authorized to perform: kms:Encrypt on resource: "+k.ARN+
		" with an explicit deny in a resource control policy")
	if _, _, _, err := b.NewDataKey(t.Context(), self, managed, map[string]string{"aws:s3:arn": "arn:aws:s3:::b/k"}); err != nil {
		t.Errorf("NewDataKey under aws/s3 = %v; want no effect of the RCP", err)
	}
	g, err := b.CreateGrant(t.Context(), self, &CreateGrantInput{KeyID: k.KeyID, GranteePrincipal: self.ARN, Operations: []string{"Encrypt"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.encrypt(t, self, k.KeyID, nil); !isDenial(err) {
		t.Errorf("Encrypt with a grant = %v; want the RCP's denial", err)
	}
	if _, err := b.RetireGrant(t.Context(), self, &RetireGrantInput{GrantToken: g.GrantToken}); err != nil {
		t.Errorf("RetireGrant = %v; want no effect of the RCP", err)
	}
	b.chains[account] = &organization.Chain{ID: "o-1", SCPs: [][]policy.Named{{}}}
	wantError(t, "Encrypt", b.encrypt(t, self, k.KeyID, nil), "AccessDeniedException: User: "+self.ARN+" is not authorized to perform: kms:Encrypt on resource: "+k.ARN+
		" because no service control policy allows the kms:Encrypt action")
}

// TestPolicyWithADate shows that decisions follow the calendar.
func TestPolicyWithADate(t *testing.T) {
	b := newBench(t)
	k := b.withPolicy(t, document(inner(defaultPolicy2(account)),
		inner(statement("Deny", `"*"`, `"kms:Encrypt"`, "*", `{"DateGreaterThan":{"aws:CurrentTime":"2026-11-22T00:00:00Z"}}`))))
	if err := b.encrypt(t, self, k.KeyID, nil); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(24 * time.Hour)
	if err := b.encrypt(t, self, k.KeyID, nil); !isDenial(err) {
		t.Errorf("Encrypt a day later = %v; want a denial", err)
	}
}

// TestNobodyIsAnonymous shows that a key policy for everyone is not for requests
// without credentials, which S3 may take.
func TestNobodyIsAnonymous(t *testing.T) {
	b := newBench(t)
	k := b.withPolicy(t, statement("Allow", `"*"`, allActions, "*", ""))
	nobody := &authn.Caller{Type: authn.TypeAnonymous, Region: region, RequestID: "req-1"}
	object := map[string]string{"aws:s3:arn": "arn:aws:s3:::bucket/object"}
	_, blob, _, err := b.NewDataKey(t.Context(), self, k.ARN, object)
	if err != nil {
		t.Fatal(err)
	}
	const text = " on this resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access"
	_, _, _, err = b.NewDataKey(t.Context(), nobody, k.ARN, object)
	wantError(t, "NewDataKey", err, "AccessDeniedException: User: anonymous is not authorized to perform: kms:GenerateDataKey"+text)
	_, err = b.OpenDataKey(t.Context(), nobody, k.ARN, blob, object)
	wantError(t, "OpenDataKey", err, "AccessDeniedException: User: anonymous is not authorized to perform: kms:Decrypt"+text)
	_, err = b.CheckKey(t.Context(), nobody, "Decrypt", k.ARN, object)
	wantError(t, "CheckKey", err, "AccessDeniedException: User: anonymous is not authorized to perform: kms:Decrypt"+text)
}
