package kms

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/key"
)

// grant makes a grant as self and returns its ID and a token.
func (b *bench) grant(t testing.TB, in CreateGrantInput) *CreateGrantOutput {
	t.Helper()
	out, err := b.CreateGrant(t.Context(), b.caller(), &in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// used tries an operation of grants on a key.
func (b *bench) used(t testing.TB, c *authn.Caller, operation, id string, blob []byte, encryptionContext map[string]string) (err error) {
	t.Helper()
	ctx := t.Context()
	switch operation {
	case "Encrypt":
		_, err = b.Encrypt(ctx, c, &EncryptInput{KeyID: id, Plaintext: Plaintext("x"), EncryptionContext: encryptionContext})
	case "Decrypt":
		_, err = b.Decrypt(ctx, c, &DecryptInput{KeyID: id, CiphertextBlob: blob, EncryptionContext: encryptionContext})
	case "GenerateDataKey":
		_, err = b.GenerateDataKey(ctx, c, &GenerateDataKeyInput{KeyID: id, KeySpec: "AES_256", EncryptionContext: encryptionContext})
	case "GenerateDataKeyWithoutPlaintext":
		_, err = b.GenerateDataKeyWithoutPlaintext(ctx, c, &GenerateDataKeyWithoutPlaintextInput{KeyID: id, KeySpec: "AES_256", EncryptionContext: encryptionContext})
	case "ReEncryptFrom", "ReEncryptTo":
		_, err = b.ReEncrypt(ctx, c, &ReEncryptInput{SourceKeyID: id, CiphertextBlob: blob, SourceEncryptionContext: encryptionContext,
			DestinationKeyID: id, DestinationEncryptionContext: encryptionContext})
	case "DescribeKey":
		_, err = b.DescribeKey(ctx, c, &DescribeKeyInput{KeyID: id})
	default:
		t.Fatalf("no operation %s", operation)
	}
	return err
}

// TestGrantsAllowWhatTheySay tries every operation with every grant, under every
// encryption context.
func TestGrantsAllowWhatTheySay(t *testing.T) {
	b := newBench(t)
	context := map[string]string{"Dept": "it", "app": "x"}
	k := b.newKey(t)
	blob := b.ciphertext(t, k.KeyID, "x", context)
	operations := []string{"Encrypt", "Decrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "DescribeKey"}
	constraints := []struct {
		name  string
		c     *GrantConstraints
		holds bool
	}{
		{"none", nil, true},
		{"subset", &GrantConstraints{EncryptionContextSubset: map[string]string{"dept": "it"}}, true},
		{"equals", &GrantConstraints{EncryptionContextEquals: map[string]string{"DEPT": "it", "APP": "x"}}, true},
		{"both", &GrantConstraints{EncryptionContextEquals: map[string]string{"Dept": "it", "app": "x"}, EncryptionContextSubset: map[string]string{"app": "x"}}, true},
		{"value in other letters", &GrantConstraints{EncryptionContextSubset: map[string]string{"dept": "IT"}}, false},
		{"more than there is", &GrantConstraints{EncryptionContextSubset: map[string]string{"dept": "it", "app": "x", "z": ""}}, false},
		{"equals a part", &GrantConstraints{EncryptionContextEquals: map[string]string{"dept": "it"}}, false},
		{"equals more", &GrantConstraints{EncryptionContextEquals: map[string]string{"dept": "it", "app": "x", "z": "1"}}, false},
		{"on behalf of a resource", &GrantConstraints{SourceARN: "arn:aws:s3:::b"}, false},
	}
	for i, con := range constraints {
		for j, granted := range operations {
			who := b.user(t, account, fmt.Sprintf("u%d-%d", i, j), "")
			grants := []string{granted}
			if granted == "ReEncryptFrom" {
				grants = append(grants, "ReEncryptTo")
			}
			out := b.grant(t, CreateGrantInput{KeyID: k.KeyID, GranteePrincipal: who.ARN, Operations: grants, Constraints: con.c})
			for _, o := range operations {
				err := b.used(t, who, o, k.KeyID, blob, context)
				want := o == granted && (con.holds || o == "DescribeKey" && con.c.SourceARN == "")
				if (err == nil) != want || err != nil && !isDenial(err) {
					t.Errorf("%s: a grant of %s: %s = %v; want ok %t", con.name, granted, o, err, want)
				}
			}
			if _, err := b.RevokeGrant(t.Context(), self, &RevokeGrantInput{KeyID: k.KeyID, GrantID: out.GrantID}); err != nil {
				t.Fatal(err)
			}
			if err := b.used(t, who, granted, k.KeyID, blob, context); !isDenial(err) {
				t.Errorf("%s: %s after the grant was revoked = %v", con.name, granted, err)
			}
		}
	}
}

// TestGrantees names every kind of principal.
func TestGrantees(t *testing.T) {
	b := newBench(t)
	all := statement("Allow", "", allActions, "*", "")
	onlyDescribe := statement("Allow", "", `"kms:DescribeKey"`, "*", "")
	user, admin := b.user(t, account, "user", ""), b.user(t, account, "admin", all)
	worker := b.role(t, account, "worker", "")
	narrow := b.role(t, account, "narrow", all, onlyDescribe)
	far, farAdmin := b.user(t, stranger, "far", ""), b.user(t, stranger, "farAdmin", all)
	log := &authn.Caller{Type: authn.TypeAWSService, ARN: "logs.amazonaws.com", Region: region}
	other := *worker
	other.ARN, other.PrincipalID = strings.TrimSuffix(worker.ARN, "/s")+"/t", worker.EntityID+":t"
	workerARN, narrowARN := "arn:aws:iam::"+account+":role/team/worker", "arn:aws:iam::"+account+":role/team/narrow"
	everyone := []*authn.Caller{self, user, admin, worker, &other, narrow, foreign, far, farAdmin, log}
	tests := []struct {
		name string
		in   CreateGrantInput
		want []*authn.Caller
	}{
		{"user", CreateGrantInput{GranteePrincipal: user.ARN}, []*authn.Caller{user}},
		{"role", CreateGrantInput{GranteePrincipal: workerARN}, []*authn.Caller{worker, &other}},
		{"role under a session policy", CreateGrantInput{GranteePrincipal: narrowARN}, nil},
		{"session", CreateGrantInput{GranteePrincipal: worker.ARN}, []*authn.Caller{worker}},
		{"session under a session policy", CreateGrantInput{GranteePrincipal: narrow.ARN}, []*authn.Caller{narrow}},
		{"account", CreateGrantInput{GranteePrincipal: arn.Root(account)}, []*authn.Caller{self, admin}},
		{"another account", CreateGrantInput{GranteePrincipal: arn.Root(stranger)}, []*authn.Caller{foreign, farAdmin}},
		{"a user of another account, without policies", CreateGrantInput{GranteePrincipal: far.ARN}, nil},
		{"a user of another account, with policies", CreateGrantInput{GranteePrincipal: farAdmin.ARN}, []*authn.Caller{farAdmin}},
		{"a service on behalf of nothing", CreateGrantInput{GranteeServicePrincipal: "logs.amazonaws.com", RetiringPrincipal: self.ARN,
			Constraints: &GrantConstraints{SourceARN: "arn:aws:s3:::b"}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// Nobody but grantees may use this key, and self may grant.
			k := b.withPolicy(t, statement("Allow", account12(account), `["kms:CreateGrant","kms:PutKeyPolicy"]`, "*", ""))
			if slices.Contains(tt.want, self) {
				k = b.withPolicy(t, document(inner(statement("Allow", account12(account), `"kms:CreateGrant"`, "*", ""))))
			}
			tt.in.KeyID, tt.in.Operations = k.KeyID, []string{"Encrypt"}
			b.grant(t, tt.in)
			for _, c := range everyone {
				err := b.encrypt(t, c, k.ARN, nil)
				if want := slices.Contains(tt.want, c); (err == nil) != want || err != nil && !isDenial(err) {
					t.Errorf("Encrypt as %s = %v; want ok %t", c.ARN, err, want)
				}
			}
		})
	}
	// A grant that the grantee's own account issued needs no policy of it.
	k := b.withPolicy(t, statement("Allow", `{"AWS":["`+account+`","`+stranger+`"]}`, `"kms:CreateGrant"`, "*", ""))
	b.as(foreign).grant(t, CreateGrantInput{KeyID: k.ARN, GranteePrincipal: far.ARN, Operations: []string{"Encrypt"}})
	if err := b.encrypt(t, far, k.ARN, nil); err != nil {
		t.Errorf("Encrypt with a grant of the own account = %v", err)
	}
}

// TestExplicitDenyBeatsAGrant holds every layer against a grant.
func TestExplicitDenyBeatsAGrant(t *testing.T) {
	b := newBench(t)
	deny := statement("Deny", "", `"kms:Encrypt"`, "*", "")
	denied, worker := b.user(t, account, "denied", deny), b.role(t, account, "worker", "", deny)
	plain := b.user(t, account, "plain", "")
	k := b.withPolicy(t, document(inner(defaultPolicy2(account)), inner(statement("Deny", account12(plain.ARN), `"kms:Encrypt"`, "*", ""))))
	for _, c := range []*authn.Caller{denied, worker, plain} {
		name := c.ARN
		b.grant(t, CreateGrantInput{KeyID: k.KeyID, GranteePrincipal: name, Operations: []string{"Encrypt"}})
		if err := b.encrypt(t, c, k.KeyID, nil); err == nil || !strings.Contains(err.Error(), "with an explicit deny in a") {
			t.Errorf("Encrypt as %s = %v; want an explicit deny", name, err)
		}
	}
}

// TestGrantsOfAnotherLife shows that a role which is made again under its old name
// does not get its grants back, and that listings show the old one by its ID.
func TestGrantsOfAnotherLife(t *testing.T) {
	b := newBench(t)
	k := b.newKey(t)
	old := b.role(t, account, "worker", "")
	roleARN := "arn:aws:iam::" + account + ":role/team/worker"
	b.grant(t, CreateGrantInput{KeyID: k.KeyID, GranteePrincipal: roleARN, RetiringPrincipal: old.ARN, Operations: []string{"Encrypt"}})
	b.grant(t, CreateGrantInput{KeyID: k.KeyID, GranteePrincipal: old.ARN, Operations: []string{"Encrypt"}})
	list := func() (names []string) {
		t.Helper()
		out, err := b.ListGrants(t.Context(), self, &ListGrantsInput{KeyID: k.KeyID})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range out.Grants {
			names = append(names, g.GranteePrincipal+" "+g.RetiringPrincipal)
		}
		slices.Sort(names)
		return names
	}
	want := []string{roleARN + " " + old.ARN, old.ARN + " "}
	if got := list(); !slices.Equal(got, want) {
		t.Errorf("grants of %v; want %v", got, want)
	}
	if err := b.identity.DeleteRole(t.Context(), account, "worker", nil); err != nil {
		t.Fatal(err)
	}
	again := b.role(t, account, "worker", "")
	if again.ARN != old.ARN {
		t.Fatalf("the new session is %s; want the old name", again.ARN)
	}
	for _, c := range []*authn.Caller{old, again} {
		if err := b.encrypt(t, c, k.KeyID, nil); !isDenial(err) {
			t.Errorf("Encrypt as %s = %v; want a denial", c.EntityID, err)
		}
	}
	want = []string{old.EntityID + " " + old.EntityID + ":s", old.EntityID + ":s "}
	slices.Sort(want)
	if got := list(); !slices.Equal(got, want) {
		t.Errorf("grants of %v; want %v", got, want)
	}
	if out, err := b.ListGrants(t.Context(), self, &ListGrantsInput{KeyID: k.KeyID, GranteePrincipal: roleARN}); err != nil || len(out.Grants) != 0 {
		t.Errorf("grants of the new role = %+v, %v", out, err)
	}
	if out, err := b.ListGrants(t.Context(), self, &ListGrantsInput{KeyID: k.KeyID, GranteePrincipal: old.EntityID}); err != nil || len(out.Grants) != 1 {
		t.Errorf("grants of the old role = %+v, %v", out, err)
	}
}

// TestPassingOnAGrant holds a grantee that may create grants to what its one grant
// allows.
func TestPassingOnAGrant(t *testing.T) {
	b := newBench(t)
	k := b.newKey(t)
	who, next := b.user(t, account, "who", ""), b.user(t, account, "next", "")
	b.grant(t, CreateGrantInput{KeyID: k.KeyID, GranteePrincipal: who.ARN, Operations: []string{"CreateGrant", "Encrypt", "DescribeKey"},
		Constraints: &GrantConstraints{EncryptionContextSubset: map[string]string{"Dept": "it"}}})
	// Another one allows more, but no CreateGrant: the two do not add up.
	b.grant(t, CreateGrantInput{KeyID: k.KeyID, GranteePrincipal: who.ARN, Operations: []string{"Decrypt"}})
	it := map[string]string{"dept": "it"}
	more := map[string]string{"DEPT": "it", "app": "x"}
	tests := []struct {
		name       string
		operations []string
		c          *GrantConstraints
		ok         bool
	}{
		{"the same", []string{"Encrypt", "CreateGrant", "DescribeKey"}, &GrantConstraints{EncryptionContextSubset: it}, true},
		{"fewer operations", []string{"Encrypt"}, &GrantConstraints{EncryptionContextSubset: it}, true},
		{"a stricter subset", []string{"Encrypt"}, &GrantConstraints{EncryptionContextSubset: more}, true},
		{"equals", []string{"Encrypt"}, &GrantConstraints{EncryptionContextEquals: more}, true},
		{"another operation", []string{"Encrypt", "GenerateDataKey"}, &GrantConstraints{EncryptionContextSubset: it}, false},
		{"an operation of another grant", []string{"Decrypt"}, &GrantConstraints{EncryptionContextSubset: it}, false},
		{"RetireGrant", []string{"RetireGrant"}, &GrantConstraints{EncryptionContextSubset: it}, false},
		{"no constraint", []string{"Encrypt"}, nil, false},
		{"another value", []string{"Encrypt"}, &GrantConstraints{EncryptionContextSubset: map[string]string{"dept": "IT"}}, false},
		{"another pair", []string{"Encrypt"}, &GrantConstraints{EncryptionContextEquals: map[string]string{"app": "x"}}, false},
		{"only a source", []string{"Encrypt"}, &GrantConstraints{SourceARN: "arn:aws:s3:::b"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := b.CreateGrant(t.Context(), who, &CreateGrantInput{KeyID: k.KeyID, GranteePrincipal: next.ARN, Operations: tt.operations, Constraints: tt.c})
			if (err == nil) != tt.ok || err != nil && !isDenial(err) {
				t.Errorf("CreateGrant = %v; want ok %t", err, tt.ok)
			}
		})
	}
	// A parent with Equals asks for the same pairs.
	equal := b.user(t, account, "equal", "")
	b.grant(t, CreateGrantInput{KeyID: k.KeyID, GranteePrincipal: equal.ARN, Operations: []string{"CreateGrant", "Encrypt"},
		Constraints: &GrantConstraints{EncryptionContextEquals: it}})
	for _, c := range []struct {
		c  *GrantConstraints
		ok bool
	}{
		{&GrantConstraints{EncryptionContextEquals: it}, true}, {&GrantConstraints{EncryptionContextEquals: more}, false},
		{&GrantConstraints{EncryptionContextSubset: it}, false}, {nil, false},
	} {
		_, err := b.CreateGrant(t.Context(), equal, &CreateGrantInput{KeyID: k.KeyID, GranteePrincipal: next.ARN, Operations: []string{"Encrypt"}, Constraints: c.c})
		if (err == nil) != c.ok {
			t.Errorf("CreateGrant with %+v = %v; want ok %t", c.c, err, c.ok)
		}
	}
	// The issuer of a passed-on grant has no more say than the grant gives it.
	if _, err := b.ListGrants(t.Context(), who, &ListGrantsInput{KeyID: k.KeyID}); !isDenial(err) {
		t.Errorf("ListGrants = %v; want a denial", err)
	}
}

// TestRetireGrant tries who may retire a grant.
func TestRetireGrant(t *testing.T) {
	b := newBench(t)
	allow := statement("Allow", "", `"kms:RetireGrant"`, "*", "")
	retiring, grantee := b.user(t, account, "retiring", ""), b.user(t, account, "grantee", "")
	helper, nobody := b.user(t, account, "helper", allow), b.user(t, account, "nobody", "")
	denied := b.user(t, account, "denied", statement("Deny", "", `"kms:RetireGrant"`, "*", ""))
	farHelper, far := b.user(t, stranger, "helper", allow), b.user(t, stranger, "far", "")
	worker := b.role(t, account, "worker", "")
	all := []*authn.Caller{self, retiring, grantee, helper, nobody, denied, foreign, farHelper, far, worker}
	// The key policy has no say, either way.
	k := b.withPolicy(t, document(
		inner(statement("Allow", account12(account), `["kms:CreateGrant","kms:ListGrants"]`, "*", "")),
		inner(statement("Allow", account12(stranger), `"kms:CreateGrant"`, "*", "")),
		inner(statement("Allow", account12(nobody.ARN), `"kms:RetireGrant"`, "*", "")),
		inner(statement("Deny", account12(retiring.ARN), `"kms:RetireGrant"`, "*", ""))))
	tests := []struct {
		name string
		by   *authn.Caller
		in   CreateGrantInput
		want []*authn.Caller
	}{
		{"nobody named", self, CreateGrantInput{GranteePrincipal: grantee.ARN}, []*authn.Caller{self, helper}},
		{"retiring principal", self, CreateGrantInput{GranteePrincipal: grantee.ARN, RetiringPrincipal: retiring.ARN}, []*authn.Caller{self, helper, retiring}},
		{"denied retiring principal", self, CreateGrantInput{GranteePrincipal: grantee.ARN, RetiringPrincipal: denied.ARN}, []*authn.Caller{self, helper}},
		{"retiring session", self, CreateGrantInput{GranteePrincipal: grantee.ARN, RetiringPrincipal: worker.ARN}, []*authn.Caller{self, helper, worker}},
		{"retiring role", self, CreateGrantInput{GranteePrincipal: grantee.ARN, RetiringPrincipal: "arn:aws:iam::" + account + ":role/team/worker"}, []*authn.Caller{self, helper, worker}},
		{"grantee", self, CreateGrantInput{GranteePrincipal: grantee.ARN, Operations: []string{"Encrypt", "RetireGrant"}}, []*authn.Caller{self, helper, grantee}},
		{"retiring principal of another account", self, CreateGrantInput{GranteePrincipal: grantee.ARN, RetiringPrincipal: far.ARN}, []*authn.Caller{self, helper, far}},
		{"another account", self, CreateGrantInput{GranteePrincipal: grantee.ARN, RetiringPrincipal: arn.Root(stranger)}, []*authn.Caller{self, helper, foreign, farHelper}},
		{"issued by another account", foreign, CreateGrantInput{GranteePrincipal: grantee.ARN}, []*authn.Caller{self, helper, foreign, farHelper}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.KeyID = k.ARN
			if tt.in.Operations == nil {
				tt.in.Operations = []string{"Encrypt"}
			}
			for i, c := range all {
				g := b.as(tt.by).grant(t, tt.in)
				in := &RetireGrantInput{KeyID: k.ARN, GrantID: g.GrantID}
				if i%2 == 0 {
					in = &RetireGrantInput{GrantToken: g.GrantToken}
				}
				dry := *in
				dry.DryRun = true
				_, dryErr := b.RetireGrant(t.Context(), c, &dry)
				_, err := b.RetireGrant(t.Context(), c, in)
				want := slices.Contains(tt.want, c)
				if (err == nil) != want || err != nil && !isDenial(err) {
					t.Errorf("RetireGrant as %s = %v; want ok %t", c.ARN, err, want)
				}
				if want {
					wantError(t, "dry run", dryErr, "DryRunOperationException: "+dryRunText)
				} else if !isDenial(dryErr) {
					t.Errorf("dry run as %s = %v; want a denial", c.ARN, dryErr)
				}
				if _, err := b.keys.Grant(t.Context(), key.Ref{Account: account, Region: region, ID: k.KeyID}, g.GrantID); (err != nil) != want {
					t.Errorf("after RetireGrant as %s the grant is %v", c.ARN, err)
				}
			}
		})
	}
}

func TestListingGrants(t *testing.T) {
	b := newBench(t)
	k, other := b.newKey(t), b.newKey(t)
	alice := b.user(t, account, "alice", statement("Allow", "", `"kms:ListRetirableGrants"`, "*", ""))
	in := CreateGrantInput{KeyID: k.KeyID, Name: "n", GranteePrincipal: alice.ARN, RetiringPrincipal: alice.ARN, Operations: []string{"Decrypt", "Encrypt"},
		Constraints: &GrantConstraints{EncryptionContextSubset: map[string]string{"a": "b"}}}
	first := b.grant(t, in)
	again := b.grant(t, in)
	if again.GrantID != first.GrantID || again.GrantToken == first.GrantToken {
		t.Errorf("the same grant again = %+v; want the ID of %+v and another token", again, first)
	}
	in.KeyID = other.KeyID
	second := b.grant(t, in)
	out, err := b.ListGrants(t.Context(), self, &ListGrantsInput{KeyID: k.ARN})
	if err != nil || len(out.Grants) != 1 {
		t.Fatalf("ListGrants = %+v, %v", out, err)
	}
	g := out.Grants[0]
	if g.KeyID != k.ARN || g.GrantID != first.GrantID || g.Name != "n" || g.GranteePrincipal != alice.ARN || g.RetiringPrincipal != alice.ARN ||
		g.IssuingAccount != arn.Root(account) || !slices.Equal(g.Operations, in.Operations) || g.Constraints.EncryptionContextSubset["a"] != "b" || !g.CreationDate.Equal(b.now) {
		t.Errorf("grant %+v", g)
	}
	for id, want := range map[string]int{first.GrantID: 1, second.GrantID: 0} {
		if out, err := b.ListGrants(t.Context(), self, &ListGrantsInput{KeyID: k.KeyID, GrantID: id}); err != nil || len(out.Grants) != want {
			t.Errorf("ListGrants(%s) = %+v, %v; want %d", id, out, err, want)
		}
	}
	for who, want := range map[string]int{alice.ARN: 1, self.ARN: 0} {
		if out, err := b.ListGrants(t.Context(), self, &ListGrantsInput{KeyID: k.KeyID, GranteePrincipal: who}); err != nil || len(out.Grants) != want {
			t.Errorf("ListGrants of %s = %+v, %v; want %d", who, out, err, want)
		}
	}
	retirable, err := b.ListRetirableGrants(t.Context(), alice, &ListRetirableGrantsInput{RetiringPrincipal: alice.ARN, Limit: ptr[int32](1)})
	if err != nil || len(retirable.Grants) != 1 || !retirable.Truncated {
		t.Fatalf("ListRetirableGrants = %+v, %v", retirable, err)
	}
	rest, err := b.ListRetirableGrants(t.Context(), alice, &ListRetirableGrantsInput{RetiringPrincipal: alice.ARN, Marker: retirable.NextMarker})
	if err != nil || len(rest.Grants) != 1 || rest.Truncated || rest.Grants[0].GrantID == retirable.Grants[0].GrantID {
		t.Errorf("the next page = %+v, %v", rest, err)
	}
	_, err = b.ListRetirableGrants(t.Context(), self, &ListRetirableGrantsInput{RetiringPrincipal: foreign.ARN})
	if !isDenial(err) {
		t.Errorf("ListRetirableGrants of another account = %v; want a denial", err)
	}
	_, err = b.ListRetirableGrants(t.Context(), self, &ListRetirableGrantsInput{RetiringPrincipal: "arn:aws:iam::" + account + ":user/gone"})
	wantError(t, "ListRetirableGrants of nobody", err, "NotFoundException: Retiring principal arn:aws:iam::"+account+":user/gone could not be found")
}

func TestGrantTexts(t *testing.T) {
	b := newBench(t)
	k, disabled, pending := b.newKey(t), b.newKey(t), b.newKey(t)
	g := b.grant(t, CreateGrantInput{KeyID: k.KeyID, GranteePrincipal: self.ARN, Operations: []string{"Encrypt"}})
	gone := b.grant(t, CreateGrantInput{KeyID: k.KeyID, GranteePrincipal: self.ARN, Operations: []string{"Encrypt"}})
	if _, err := b.RevokeGrant(t.Context(), self, &RevokeGrantInput{KeyID: k.KeyID, GrantID: gone.GrantID}); err != nil {
		t.Fatal(err)
	}
	b.into(t, disabled.KeyID, key.Disabled)
	b.into(t, pending.KeyID, key.PendingDeletion)
	managed, err := b.ManagedS3Key(t.Context(), self)
	if err != nil {
		t.Fatal(err)
	}
	create := func(change func(*CreateGrantInput)) func() error {
		return func() error {
			in := &CreateGrantInput{KeyID: k.KeyID, GranteePrincipal: self.ARN, Operations: []string{"Encrypt"}}
			change(in)
			_, err := b.CreateGrant(t.Context(), self, in)
			return err
		}
	}
	retire := func(in RetireGrantInput) func() error {
		return func() error { _, err := b.RetireGrant(t.Context(), self, &in); return err }
	}
	revoke := func(in RevokeGrantInput) func() error {
		return func() error { _, err := b.RevokeGrant(t.Context(), self, &in); return err }
	}
	forged, _ := base64.RawURLEncoding.DecodeString(g.GrantToken)
	forged[20] ^= 1
	nine := make(map[string]string)
	for i := range 9 {
		nine[fmt.Sprint(i)] = ""
	}
	const which = "ValidationException: Please specify either a grant token, or a key ID and a grant ID."
	tests := []struct {
		name string
		do   func() error
		want string
	}{
		{"dry run", create(func(in *CreateGrantInput) { in.DryRun = true }), "DryRunOperationException: " + dryRunText},
		{"disabled key", create(func(in *CreateGrantInput) { in.KeyID = disabled.KeyID }), "DisabledException: " + disabled.ARN + " is disabled."},
		{"dry run on a disabled key", create(func(in *CreateGrantInput) { in.KeyID, in.DryRun = disabled.KeyID, true }), "DisabledException: " + disabled.ARN + " is disabled."},
		{"key pending deletion", create(func(in *CreateGrantInput) { in.KeyID = pending.KeyID }), "KMSInvalidStateException: " + pending.ARN + " is pending deletion."},
		{"AWS managed key", create(func(in *CreateGrantInput) { in.KeyID = managed }), "AccessDeniedException: User: " + self.ARN +
			" is not authorized to perform: kms:CreateGrant on resource: " + managed + " because no resource-based policy allows the kms:CreateGrant action"},
		{"no operations", create(func(in *CreateGrantInput) { in.Operations = []string{} }),
			"ValidationException: 1 validation error detected: Value '[]' at 'operations' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"an operation of other keys", create(func(in *CreateGrantInput) { in.Operations = []string{"Sign"} }),
			"ValidationException: The operation Sign is not supported by keys of the key spec SYMMETRIC_DEFAULT."},
		{"an operation of no grant", create(func(in *CreateGrantInput) { in.Operations = []string{"DisableKey"} }),
			"ValidationException: 1 validation error detected: Value 'DisableKey' at 'operations.1.member' failed to satisfy constraint: Member must satisfy enum value set: [" +
				strings.Join(grantOperations, ", ") + "]"},
		{"nobody", create(func(in *CreateGrantInput) { in.GranteePrincipal = "" }),
			"ValidationException: You must specify either GranteePrincipal or GranteeServicePrincipal, but not both."},
		{"two grantees", create(func(in *CreateGrantInput) { in.GranteeServicePrincipal = "logs.amazonaws.com" }),
			"ValidationException: You must specify either GranteePrincipal or GranteeServicePrincipal, but not both."},
		{"a service without a source", create(func(in *CreateGrantInput) {
			in.GranteePrincipal, in.GranteeServicePrincipal, in.RetiringPrincipal = "", "logs.amazonaws.com", self.ARN
		}), "ValidationException: A grant to a GranteeServicePrincipal must have a SourceArn constraint."},
		{"no ARN", create(func(in *CreateGrantInput) { in.GranteePrincipal = "alice" }), "InvalidArnException: ARN is not valid: alice"},
		{"a group", create(func(in *CreateGrantInput) { in.GranteePrincipal = "arn:aws:iam::" + account + ":group/g" }),
			"InvalidArnException: ARN is not valid: arn:aws:iam::" + account + ":group/g"},
		{"a user that is not there", create(func(in *CreateGrantInput) { in.GranteePrincipal = "arn:aws:iam::" + account + ":user/nobody" }),
			"InvalidArnException: ARN does not refer to a valid principal: arn:aws:iam::" + account + ":user/nobody"},
		{"a session of a role that is not there", create(func(in *CreateGrantInput) {
			in.RetiringPrincipal = "arn:aws:sts::" + account + ":assumed-role/nobody/s"
		}),
			"InvalidArnException: ARN does not refer to a valid principal: arn:aws:sts::" + account + ":assumed-role/nobody/s"},
		{"a user of an account that is elsewhere", create(func(in *CreateGrantInput) { in.GranteePrincipal, in.DryRun = "arn:aws:iam::999999999999:user/u", true }),
			"DryRunOperationException: " + dryRunText},
		{"nine pairs", create(func(in *CreateGrantInput) { in.Constraints = &GrantConstraints{EncryptionContextEquals: nine} }),
			"ValidationException: 1 validation error detected: Value at 'constraints.encryptionContextEquals' failed to satisfy constraint: Member must have length less than or equal to 8"},
		{"a long pair", create(func(in *CreateGrantInput) {
			in.Constraints = &GrantConstraints{EncryptionContextSubset: map[string]string{"a": strings.Repeat("b", 385)}}
		}), "ValidationException: 1 validation error detected: Value at 'constraints.encryptionContextSubset' failed to satisfy constraint: Member must have length less than or equal to 384"},
		{"no pair", create(func(in *CreateGrantInput) {
			in.Constraints = &GrantConstraints{EncryptionContextSubset: map[string]string{}}
		}), "ValidationException: 1 validation error detected: Value '{}' at 'constraints.encryptionContextSubset' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"two pairs that are one", create(func(in *CreateGrantInput) {
			in.Constraints = &GrantConstraints{EncryptionContextSubset: map[string]string{"a": "1", "A": "2"}}
		}), "ValidationException: 1 validation error detected: Value at 'constraints.encryptionContextSubset' failed to satisfy constraint: Member must have keys that differ, without regard to letter case"},
		{"name", create(func(in *CreateGrantInput) { in.Name = "a b" }),
			"ValidationException: 1 validation error detected: Value 'a b' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"},
		{"forged token", create(func(in *CreateGrantInput) {
			in.GrantTokens = []string{g.GrantToken, base64.RawURLEncoding.EncodeToString(forged)}
		}), "InvalidGrantTokenException: The grant token is not valid."},
		{"token with genuine ones", create(func(in *CreateGrantInput) { in.GrantTokens, in.DryRun = []string{g.GrantToken, gone.GrantToken}, true }),
			"DryRunOperationException: " + dryRunText},

		{"revoke what is gone", revoke(RevokeGrantInput{KeyID: k.KeyID, GrantID: gone.GrantID}), "NotFoundException: Grant ID " + gone.GrantID + " not found"},
		{"revoke by no ID", revoke(RevokeGrantInput{KeyID: k.KeyID, GrantID: "x"}), "InvalidGrantIdException: The grant ID is not valid."},
		{"revoke nothing", revoke(RevokeGrantInput{KeyID: k.KeyID}),
			"ValidationException: 1 validation error detected: Value null at 'grantId' failed to satisfy constraint: Member must not be null"},
		{"revoke dry", revoke(RevokeGrantInput{KeyID: k.KeyID, GrantID: g.GrantID, DryRun: true}), "DryRunOperationException: " + dryRunText},
		{"retire nothing", retire(RetireGrantInput{}), which},
		{"retire by a key alone", retire(RetireGrantInput{KeyID: k.ARN}), which},
		{"retire by both", retire(RetireGrantInput{GrantToken: g.GrantToken, KeyID: k.ARN, GrantID: g.GrantID}), which},
		{"retire what is gone", retire(RetireGrantInput{GrantToken: gone.GrantToken}), "NotFoundException: Grant ID " + gone.GrantID + " not found"},
		{"retire by a forged token", retire(RetireGrantInput{GrantToken: base64.RawURLEncoding.EncodeToString(forged)}), "InvalidGrantTokenException: The grant token is not valid."},
		{"retire on a key that is not there", retire(RetireGrantInput{KeyID: unknownID, GrantID: g.GrantID}), "NotFoundException: Key '" + arn.Key(region, account, unknownID) + "' does not exist"},
		{"retire a foreign grant that is not there", func() error {
			_, err := b.RetireGrant(t.Context(), foreign, &RetireGrantInput{KeyID: k.ARN, GrantID: gone.GrantID})
			return err
		}, "AccessDeniedException: User: " + foreign.ARN + " is not authorized to perform: kms:RetireGrant on this resource because the resource does not exist in this Region, " +
			"no resource-based policies allow access, or a resource-based policy explicitly denies access"},
		{"filter for services", func() error {
			_, err := b.ListGrants(t.Context(), self, &ListGrantsInput{KeyID: k.KeyID, GranteeServicePrincipal: "logs.amazonaws.com"})
			return err
		}, "ValidationException: Only a service principal can list grants by GranteeServicePrincipal."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wantError(t, tt.name, tt.do(), tt.want) })
	}
	if out, err := b.ListGrants(t.Context(), self, &ListGrantsInput{KeyID: k.KeyID}); err != nil || len(out.Grants) != 1 {
		t.Errorf("grants after refusals = %+v, %v; want the one before", out, err)
	}
	// Two installations do not know each other's tokens.
	elsewhere := newBench(t)
	if err := elsewhere.checkTokens([]string{g.GrantToken}); err == nil {
		t.Error("another installation takes the token")
	}
}

func FuzzOpenToken(f *testing.F) {
	b := newBench(f)
	k := b.newKey(f)
	g := b.grant(f, CreateGrantInput{KeyID: k.KeyID, GranteePrincipal: self.ARN, Operations: []string{"Encrypt"}})
	f.Add(g.GrantToken)
	f.Add("")
	f.Add(g.GrantToken + "=")
	f.Add(strings.ToLower(g.GrantToken))
	f.Fuzz(func(t *testing.T, token string) {
		ref, id, err := b.openToken(token)
		if err == nil && (token != g.GrantToken || ref.ID != k.KeyID || id != g.GrantID) {
			t.Errorf("openToken(%q) = %v, %s", token, ref, id)
		}
	})
}

// An empty constraint beside one with pairs, as Terraform sends it, does not limit and
// does not widen: the pairs do.
func TestEmptyConstraintBesideAnother(t *testing.T) {
	pairs := map[string]string{"tenant": "a"}
	for _, in := range []*GrantConstraints{{pairs, map[string]string{}, ""}, {map[string]string{}, pairs, ""}} {
		got, err := checkGrant(&CreateGrantInput{KeyID: "k", GranteePrincipal: self.ARN, Operations: []string{"Decrypt"}, Constraints: in})
		if err != nil {
			t.Fatalf("checkGrant(%v) = %v", in, err)
		}
		if n := len(got.EncryptionContextEquals); n != len(in.EncryptionContextEquals) || (n > 0) != (got.EncryptionContextSubset == nil) || (n > 0) == (got.EncryptionContextEquals == nil) {
			t.Errorf("checkGrant(%v) = %v", in, got)
		}
	}
	in := &GrantConstraints{map[string]string{}, map[string]string{}, ""}
	if _, err := checkGrant(&CreateGrantInput{KeyID: "k", GranteePrincipal: self.ARN, Operations: []string{"Decrypt"}, Constraints: in}); err == nil {
		t.Error("constraints that say nothing are taken")
	}
}
