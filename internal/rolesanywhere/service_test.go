package rolesanywhere

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"coffer/internal/anchor"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/identity"
	"coffer/internal/meta"
	"coffer/internal/meta/mem"
	"coffer/internal/sts"
	"coffer/internal/trail"
)

const (
	account  = "123456789012"
	stranger = "210987654321"
	region   = "us-east-1"
)

// issuer makes sessions with the STS service.
type issuer struct{ sts *sts.Service }

func (i issuer) NewRoleSession(in *RoleSession) (*identity.Session, *Credentials, error) {
	s, c, err := i.sts.NewRoleSession(&sts.RoleSession{Role: in.Role, Name: in.Name, Duration: in.Duration, PolicyText: in.SessionPolicy,
		PolicyARNs: in.ManagedPolicies, Tags: in.Tags, SourceIdentity: in.SourceIdentity, SourceARN: in.TrustAnchor})
	if err != nil {
		return nil, nil, err
	}
	return s, &Credentials{c.AccessKeyID, c.SecretAccessKey, c.SessionToken, c.Expiration}, nil
}

// world is a service with a trust anchor, a profile and a role that trusts it.
type world struct {
	*Service
	t       testing.TB
	meta    meta.Store
	ids     *identity.Store
	trail   *trail.Trail
	authn   *authn.Authenticator
	root    *authn.Caller
	ca      *x509.Certificate
	key     crypto.Signer // of the authority
	anchor  TrustAnchorDetail
	profile ProfileDetail
	role    identity.Role
	crl     CRLDetail
	users   int
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, meta: mem.New(), root: rootOf(account)}
	t.Cleanup(func() { w.meta.Close() })
	var err error
	w.trail, err = trail.New(t.Context(), trail.Config{Store: w.meta, Node: "n", Log: slog.New(slog.DiscardHandler)})
	w.ok(err)
	t.Cleanup(func() { w.trail.Close(context.Background()) })
	w.ids = identity.New(identity.Config{Meta: w.meta})
	t.Cleanup(func() { w.ids.Close(context.Background()) })
	for _, id := range []string{account, stranger} {
		_, err := w.ids.CreateAccount(t.Context(), id, "a"+id, nil)
		w.ok(err)
	}
	tokens := authn.NewTokens([32]byte{1})
	w.authn = authn.New(authn.Config{Keys: w.ids, Tokens: tokens, Entities: w.ids, Usage: w.ids, Calendar: time.Now, Region: region})
	gate := authz.New(authz.Config{Trail: w.trail, Meta: w.meta, Identities: w.ids})
	t.Cleanup(gate.Close)
	w.Service = New(Config{
		Anchors: anchor.New(anchor.Config{Meta: w.meta}), Identity: w.ids, Gate: gate, Meta: w.meta,
		Sessions: issuer{sts.New(sts.Config{Identity: w.ids, Gate: gate, Tokens: tokens, Meta: w.meta, Now: time.Now})},
	})
	w.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.ca = w.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		SubjectKeyId: []byte("ca")}, w.key.Public())
	ctx := t.Context()
	a, err := w.CreateTrustAnchor(ctx, w.root, &CreateTrustAnchorInput{Name: "ca", Source: w.source(), Enabled: true, Tags: []Tag{{"team", "red"}}})
	w.ok(err)
	w.anchor = a.TrustAnchor
	w.role, err = w.ids.CreateRole(ctx, account, identity.NewRole{Name: "web", Trust: w.trust("")}, nil)
	w.ok(err)
	p, err := w.CreateProfile(ctx, w.root, &CreateProfileInput{Name: "web", Enabled: true, RoleARNs: []string{w.role.ARN, "arn:aws:iam::" + account + ":role/none"}, AcceptRoleSessionName: true})
	w.ok(err)
	w.profile = p.Profile
	l, err := w.ImportCRL(ctx, w.root, &ImportCRLInput{Name: "crl", TrustAnchorARN: w.anchor.TrustAnchorARN, CRLData: w.revoke()})
	w.ok(err)
	w.crl = l.CRL
	return w
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// trust returns a trust policy for the service; condition is JSON members.
func (w *world) trust(condition string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"rolesanywhere.amazonaws.com"},` +
		`"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"],"Condition":{` + condition + `}}]}`
}

// sign makes a certificate of a key; the first one is the authority's own.
func (w *world) sign(c *x509.Certificate, key crypto.PublicKey) *x509.Certificate {
	w.t.Helper()
	if c.SerialNumber == nil {
		c.SerialNumber = big.NewInt(0x1234)
	}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	parent := w.ca
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key, w.key)
	w.ok(err)
	made, err := x509.ParseCertificate(der)
	w.ok(err)
	return made
}

func (w *world) revoke(serials ...int64) []byte {
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour)}
	for _, n := range serials {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: big.NewInt(n), RevocationTime: time.Now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, w.ca, w.key)
	w.ok(err)
	return der
}

func (w *world) source() *Source {
	return &Source{"CERTIFICATE_BUNDLE", &SourceData{X509CertificateData: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.ca.Raw}))}}
}

// signer returns who has a certificate of the authority.
func (w *world) signer(name string) *authn.CertificateSigner {
	w.t.Helper()
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return &authn.CertificateSigner{Certificate: w.sign(&x509.Certificate{Subject: pkix.Name{CommonName: name}, KeyUsage: x509.KeyUsageDigitalSignature}, key.Public())}
}

func rootOf(account string) *authn.Caller {
	return &authn.Caller{Type: authn.TypeRoot, Account: account, ARN: "arn:aws:iam::" + account + ":root", PrincipalID: account, Region: region, Service: "rolesanywhere", RequestID: "R"}
}

func anonymous() *authn.Caller {
	return &authn.Caller{Type: authn.TypeAnonymous, Region: region, Service: "rolesanywhere", RequestID: "R", SourceIP: "192.0.2.1"}
}

// user makes a user with an inline policy of the statements.
func (w *world) user(statements ...string) *authn.Caller {
	w.t.Helper()
	w.users++
	name := fmt.Sprint("user", w.users)
	u, err := w.ids.CreateUser(w.t.Context(), account, identity.NewUser{Name: name}, nil)
	w.ok(err)
	if len(statements) > 0 {
		text := `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
		w.ok(w.ids.PutInline(w.t.Context(), identity.Entity{Kind: identity.KindUser, Account: account, Name: name}, "p", text, nil))
	}
	c := rootOf(account)
	c.Type, c.ARN, c.PrincipalID, c.EntityID, c.UserName = authn.TypeUser, u.ARN, u.ID, u.ID, name
	return c
}

func (w *world) input() *CreateSessionInput {
	return &CreateSessionInput{ProfileARN: w.profile.ProfileARN, RoleARN: w.role.ARN, TrustAnchorARN: w.anchor.TrustAnchorARN}
}

func errOf[T any](_ T, err error) error { return err }

func allow(action string, resources ...string) string {
	return `{"Effect":"Allow","Action":"` + action + `","Resource":["` + strings.Join(resources, `","`) + `"]}`
}

// Each operation is allowed by exactly its action on exactly its resource, and
// another account finds nothing.
func TestAuthorization(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	anchorID, profileID, crlID := &TrustAnchorInput{w.anchor.TrustAnchorID}, &ProfileInput{w.profile.ProfileID}, &CRLInput{w.crl.CRLID}
	name := "renamed"
	tests := []struct {
		name, resource string
		do             func(c *authn.Caller) error
	}{
		{"CreateTrustAnchor", "*", func(c *authn.Caller) error {
			return errOf(w.CreateTrustAnchor(ctx, c, &CreateTrustAnchorInput{Name: "x", Source: w.source()}))
		}},
		{"GetTrustAnchor", w.anchor.TrustAnchorARN, func(c *authn.Caller) error { return errOf(w.GetTrustAnchor(ctx, c, anchorID)) }},
		{"UpdateTrustAnchor", w.anchor.TrustAnchorARN, func(c *authn.Caller) error {
			return errOf(w.UpdateTrustAnchor(ctx, c, &UpdateTrustAnchorInput{TrustAnchorID: w.anchor.TrustAnchorID, Name: &name}))
		}},
		{"DisableTrustAnchor", w.anchor.TrustAnchorARN, func(c *authn.Caller) error { return errOf(w.DisableTrustAnchor(ctx, c, anchorID)) }},
		{"EnableTrustAnchor", w.anchor.TrustAnchorARN, func(c *authn.Caller) error { return errOf(w.EnableTrustAnchor(ctx, c, anchorID)) }},
		{"ListTrustAnchors", "*", func(c *authn.Caller) error { return errOf(w.ListTrustAnchors(ctx, c, &ListInput{})) }},
		{"CreateProfile", "*", func(c *authn.Caller) error {
			return errOf(w.CreateProfile(ctx, c, &CreateProfileInput{Name: "x", RoleARNs: []string{}}))
		}},
		{"GetProfile", w.profile.ProfileARN, func(c *authn.Caller) error { return errOf(w.GetProfile(ctx, c, profileID)) }},
		{"UpdateProfile", w.profile.ProfileARN, func(c *authn.Caller) error {
			return errOf(w.UpdateProfile(ctx, c, &UpdateProfileInput{ProfileID: w.profile.ProfileID, Name: &name}))
		}},
		{"DisableProfile", w.profile.ProfileARN, func(c *authn.Caller) error { return errOf(w.DisableProfile(ctx, c, profileID)) }},
		{"EnableProfile", w.profile.ProfileARN, func(c *authn.Caller) error { return errOf(w.EnableProfile(ctx, c, profileID)) }},
		{"PutAttributeMapping", w.profile.ProfileARN, func(c *authn.Caller) error {
			return errOf(w.PutAttributeMapping(ctx, c, &PutAttributeMappingInput{w.profile.ProfileID, "x509Subject", []MappingRule{{"CN"}}}))
		}},
		{"DeleteAttributeMapping", w.profile.ProfileARN, func(c *authn.Caller) error {
			return errOf(w.DeleteAttributeMapping(ctx, c, &DeleteAttributeMappingInput{w.profile.ProfileID, "x509Subject", nil}))
		}},
		{"ListProfiles", "*", func(c *authn.Caller) error { return errOf(w.ListProfiles(ctx, c, &ListInput{})) }},
		{"GetCrl", w.crl.CRLARN, func(c *authn.Caller) error { return errOf(w.GetCRL(ctx, c, crlID)) }},
		{"UpdateCrl", w.crl.CRLARN, func(c *authn.Caller) error {
			return errOf(w.UpdateCRL(ctx, c, &UpdateCRLInput{CRLID: w.crl.CRLID, Name: &name}))
		}},
		{"EnableCrl", w.crl.CRLARN, func(c *authn.Caller) error { return errOf(w.EnableCRL(ctx, c, crlID)) }},
		{"DisableCrl", w.crl.CRLARN, func(c *authn.Caller) error { return errOf(w.DisableCRL(ctx, c, crlID)) }},
		{"ListCrls", "*", func(c *authn.Caller) error { return errOf(w.ListCRLs(ctx, c, &ListInput{})) }},
		{"ImportCrl", "*", func(c *authn.Caller) error {
			return errOf(w.ImportCRL(ctx, c, &ImportCRLInput{Name: "x", TrustAnchorARN: w.anchor.TrustAnchorARN, CRLData: w.revoke()}))
		}},
		{"TagResource", w.crl.CRLARN, func(c *authn.Caller) error {
			return errOf(w.TagResource(ctx, c, &TagResourceInput{w.crl.CRLARN, []Tag{{"a", "b"}}}))
		}},
		{"ListTagsForResource", w.crl.CRLARN, func(c *authn.Caller) error {
			return errOf(w.ListTagsForResource(ctx, c, &ListTagsForResourceInput{w.crl.CRLARN}))
		}},
		{"UntagResource", w.crl.CRLARN, func(c *authn.Caller) error {
			return errOf(w.UntagResource(ctx, c, &UntagResourceInput{w.crl.CRLARN, []string{"a"}}))
		}},
		{"DeleteCrl", w.crl.CRLARN, func(c *authn.Caller) error { return errOf(w.DeleteCRL(ctx, c, crlID)) }},
		{"DeleteProfile", w.profile.ProfileARN, func(c *authn.Caller) error { return errOf(w.DeleteProfile(ctx, c, profileID)) }},
		{"DeleteTrustAnchor", w.anchor.TrustAnchorARN, func(c *authn.Caller) error { return errOf(w.DeleteTrustAnchor(ctx, c, anchorID)) }},
	}
	for _, tt := range tests {
		action := "rolesanywhere:" + tt.name
		if err := tt.do(w.user()); !awserr.Is(err, "AccessDeniedException") || !strings.Contains(err.Error(), action) {
			t.Errorf("%s without a policy = %v; want AccessDeniedException", tt.name, err)
		}
		if err := tt.do(w.user(allow(action, "arn:aws:rolesanywhere:us-east-1:"+account+":profile/none"))); !awserr.Is(err, "AccessDeniedException") {
			t.Errorf("%s with a policy for another resource = %v; want AccessDeniedException", tt.name, err)
		}
		if tt.resource != "*" {
			elsewhere := rootOf(account)
			elsewhere.Region = "eu-central-1"
			for _, c := range []*authn.Caller{rootOf(stranger), elsewhere} {
				if err := tt.do(c); !awserr.Is(err, "ResourceNotFoundException") && !awserr.Is(err, "ValidationException") {
					t.Errorf("%s of %s in %s = %v; want ResourceNotFoundException", tt.name, c.Account, c.Region, err)
				}
			}
		}
		if err := tt.do(w.user(allow(action, tt.resource))); err != nil {
			t.Errorf("%s with its policy = %v", tt.name, err)
		}
	}
}

// A profile hands roles to workloads: who makes one must be allowed to pass them.
func TestPassRole(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	create := allow("rolesanywhere:*", "*")
	in := &CreateProfileInput{Name: "x", RoleARNs: []string{w.role.ARN}}
	if _, err := w.CreateProfile(ctx, w.user(create), in); !awserr.Is(err, "AccessDeniedException") || !strings.Contains(err.Error(), "iam:PassRole") {
		t.Errorf("CreateProfile = %v; want a denial of iam:PassRole", err)
	}
	if _, err := w.UpdateProfile(ctx, w.user(create), &UpdateProfileInput{ProfileID: w.profile.ProfileID, RoleARNs: in.RoleARNs}); !awserr.Is(err, "AccessDeniedException") {
		t.Errorf("UpdateProfile = %v; want a denial of iam:PassRole", err)
	}
	for service, want := range map[string]bool{source: true, "ec2.amazonaws.com": false} {
		pass := `{"Effect":"Allow","Action":"iam:PassRole","Resource":"` + w.role.ARN + `","Condition":{"StringEquals":{"iam:PassedToService":"` + service + `"}}}`
		if _, err := w.CreateProfile(ctx, w.user(create, pass), in); (err == nil) != want {
			t.Errorf("CreateProfile with a role for %s = %v; want none: %t", service, err, want)
		}
	}
}

func TestShapes(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	short, long := int32(899), int32(43_201)
	bad := "{}"
	tests := map[string]error{
		"name":              errOf(w.CreateTrustAnchor(ctx, w.root, &CreateTrustAnchorInput{Name: "a/b", Source: w.source()})),
		"no source":         errOf(w.CreateTrustAnchor(ctx, w.root, &CreateTrustAnchorInput{Name: "a"})),
		"source type":       errOf(w.CreateTrustAnchor(ctx, w.root, &CreateTrustAnchorInput{Name: "a", Source: &Source{"X", &SourceData{}}})),
		"no certificate":    errOf(w.CreateTrustAnchor(ctx, w.root, &CreateTrustAnchorInput{Name: "a", Source: &Source{"CERTIFICATE_BUNDLE", &SourceData{X509CertificateData: "x"}}})),
		"tag":               errOf(w.CreateTrustAnchor(ctx, w.root, &CreateTrustAnchorInput{Name: "a", Source: w.source(), Tags: []Tag{{"aws:x", ""}}})),
		"tag twice":         errOf(w.CreateTrustAnchor(ctx, w.root, &CreateTrustAnchorInput{Name: "a", Source: w.source(), Tags: []Tag{{"x", ""}, {"x", ""}}})),
		"ID":                errOf(w.GetTrustAnchor(ctx, w.root, &TrustAnchorInput{"../x"})),
		"no roles":          errOf(w.CreateProfile(ctx, w.root, &CreateProfileInput{Name: "a"})),
		"role of another":   errOf(w.CreateProfile(ctx, w.root, &CreateProfileInput{Name: "a", RoleARNs: []string{"arn:aws:iam::" + stranger + ":role/r"}})),
		"no role":           errOf(w.CreateProfile(ctx, w.root, &CreateProfileInput{Name: "a", RoleARNs: []string{"arn:aws:iam::" + account + ":user/r"}})),
		"short":             errOf(w.CreateProfile(ctx, w.root, &CreateProfileInput{Name: "a", RoleARNs: []string{}, DurationSeconds: &short})),
		"long":              errOf(w.CreateProfile(ctx, w.root, &CreateProfileInput{Name: "a", RoleARNs: []string{}, DurationSeconds: &long})),
		"policy":            errOf(w.CreateProfile(ctx, w.root, &CreateProfileInput{Name: "a", RoleARNs: []string{}, SessionPolicy: &bad})),
		"managed policy":    errOf(w.CreateProfile(ctx, w.root, &CreateProfileInput{Name: "a", RoleARNs: []string{}, ManagedPolicyARNs: []string{"x"}})),
		"managed policies":  errOf(w.CreateProfile(ctx, w.root, &CreateProfileInput{Name: "a", RoleARNs: []string{}, ManagedPolicyARNs: make([]string, 11)})),
		"mapping":           errOf(w.PutAttributeMapping(ctx, w.root, &PutAttributeMappingInput{w.profile.ProfileID, "x509Subject", []MappingRule{{"nonsense"}}})),
		"no list":           errOf(w.ImportCRL(ctx, w.root, &ImportCRLInput{Name: "a", TrustAnchorARN: w.anchor.TrustAnchorARN})),
		"another's anchor":  errOf(w.ImportCRL(ctx, w.root, &ImportCRLInput{Name: "a", TrustAnchorARN: strings.Replace(w.anchor.TrustAnchorARN, account, stranger, 1), CRLData: w.revoke()})),
		"bad list":          errOf(w.ImportCRL(ctx, w.root, &ImportCRLInput{Name: "a", TrustAnchorARN: w.anchor.TrustAnchorARN, CRLData: []byte("x")})),
		"tags of something": errOf(w.ListTagsForResource(ctx, w.root, &ListTagsForResourceInput{"arn:aws:s3:::b"})),
		"token":             errOf(w.ListProfiles(ctx, w.root, &ListInput{NextToken: nextToken("crls", "x")})),
	}
	for name, err := range tests {
		if !awserr.Is(err, "ValidationException") {
			t.Errorf("%s = %v; want ValidationException", name, err)
		}
	}
	for name, err := range map[string]error{
		"private CA":    errOf(w.CreateTrustAnchor(ctx, w.root, &CreateTrustAnchorInput{Name: "a", Source: &Source{"AWS_ACM_PCA", &SourceData{ACMPCAARN: "x"}}})),
		"notifications": errOf(w.CreateTrustAnchor(ctx, w.root, &CreateTrustAnchorInput{Name: "a", Source: w.source(), NotificationSettings: make([]NotificationSetting, 1)})),
		"distribution":  errOf(w.CreateTrustAnchor(ctx, w.root, &CreateTrustAnchorInput{Name: "a", Source: w.source(), CRLDPRevocationEnabled: true})),
		"subjects":      errOf(w.ListTagsForResource(ctx, w.root, &ListTagsForResourceInput{"arn:aws:rolesanywhere:us-east-1:" + account + ":subject/x"})),
	} {
		if !awserr.Is(err, "NotImplemented") {
			t.Errorf("%s = %v; want NotImplemented", name, err)
		}
	}
}

func TestPages(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for range 6 {
		_, err := w.CreateProfile(ctx, w.root, &CreateProfileInput{Name: "x", RoleARNs: []string{}})
		w.ok(err)
	}
	two, seen := int32(2), make(map[string]bool)
	pages := 0
	for in := (&ListInput{PageSize: &two}); ; pages++ {
		out, err := w.ListProfiles(ctx, w.root, in)
		w.ok(err)
		for _, p := range out.Profiles {
			seen[p.ProfileID] = true
		}
		if in.NextToken = out.NextToken; in.NextToken == "" {
			break
		}
	}
	if len(seen) != 7 || pages != 3 {
		t.Errorf("%d profiles on %d pages; want 7 on 4", len(seen), pages+1)
	}
}

// events returns the trail's events of a name, and fails if one holds any of the
// secrets.
func (w *world) events(name string, secrets ...string) []map[string]any {
	w.t.Helper()
	w.ok(w.trail.Flush(w.t.Context()))
	var list []map[string]any
	w.ok(trail.Scan(w.t.Context(), w.meta, "n", 0, func(entry trail.Entry) (bool, error) {
		for _, s := range secrets {
			if strings.Contains(string(entry.JSON), s) {
				w.t.Errorf("the trail shows a secret: %s", entry.JSON)
			}
		}
		var e map[string]any
		err := json.Unmarshal(entry.JSON, &e)
		if e["eventName"] == name {
			list = append(list, e)
		}
		return true, err
	}))
	return list
}
