package authz

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/identity"
	"coffer/internal/meta"
	"coffer/internal/meta/mem"
	"coffer/internal/organization"
	"coffer/internal/policy"
	"coffer/internal/revision"
	"coffer/internal/trail"
)

// world is who there is, for a gate under test.
type world struct {
	users, roles map[string]*identity.Effective
	chains       map[string]*organization.Chain
}

func (w *world) EffectiveUser(_ context.Context, _, id string) (*identity.Effective, error) {
	if e := w.users[id]; e != nil {
		return e, nil
	}
	return nil, identity.ErrNoUser
}

func (w *world) EffectiveRole(_ context.Context, _, id string) (*identity.Effective, error) {
	if e := w.roles[id]; e != nil {
		return e, nil
	}
	return nil, identity.ErrNoRole
}

func (w *world) Chain(_ context.Context, account string) (*organization.Chain, error) {
	return w.chains[account], nil
}

func mustPolicy(t testing.TB, name string, kind policy.Kind, text string) policy.Named {
	t.Helper()
	p, err := policy.Parse(text, kind)
	if err != nil {
		t.Fatalf("Parse(%s): %v", text, err)
	}
	return policy.Named{Name: name, Policy: p}
}

func identityPolicy(t testing.TB, name, statements string) policy.Named {
	return mustPolicy(t, name, policy.KindIdentity, `{"Version":"2012-10-17","Statement":[`+statements+`]}`)
}

func newWorld(t testing.TB, statements string) *world {
	alice := &identity.Effective{ID: "AIDAALICE", ARN: "arn:aws:iam::123456789012:user/team/alice", Name: "alice",
		Tags: map[string]string{"Team": "blue", "Level": "user"}}
	app := &identity.Effective{ID: "AROAAPP", ARN: "arn:aws:iam::123456789012:role/path/app", Name: "app", Tags: map[string]string{"Team": "red"}}
	if statements != "" {
		p := identityPolicy(t, "arn:aws:iam::123456789012:policy/test", statements)
		alice.Policies, app.Policies = []policy.Named{p}, []policy.Named{p}
	}
	return &world{users: map[string]*identity.Effective{alice.ID: alice}, roles: map[string]*identity.Effective{app.ID: app},
		chains: map[string]*organization.Chain{}}
}

func alice() *authn.Caller {
	c := root(account)
	c.Type, c.ARN, c.PrincipalID, c.EntityID, c.UserName = authn.TypeUser, "arn:aws:iam::123456789012:user/team/alice", "AIDAALICE", "AIDAALICE", "alice"
	return c
}

func session() *authn.Caller {
	c := root(account)
	c.Type, c.ARN, c.PrincipalID, c.EntityID = authn.TypeAssumedRole, "arn:aws:sts::123456789012:assumed-role/app/web", "AROAAPP:web", "AROAAPP"
	c.Session = &identity.Session{Kind: identity.SessionRole, Name: "web", RoleID: "AROAAPP", IssuedAt: testNow.Add(-time.Hour),
		Tags: map[string]string{"Cost": "7", "team": "green"}, SourceIdentity: "carol", Provider: "arn:aws:iam::123456789012:oidc-provider/idp.example.com",
		Keys: map[string][]string{"idp.example.com:sub": {"s-1"}}}
	return c
}

func newGate(t testing.TB, w *world, store meta.Store) *Gate {
	t.Helper()
	tr, err := trail.New(context.Background(), trail.Config{Store: mem.New(), Node: "n", Now: func() time.Time { return testNow }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close(context.Background()) })
	g := New(Config{Trail: tr, Meta: store, Identities: w, Organizations: w, Now: func() time.Time { return testNow }})
	t.Cleanup(g.Close)
	return g
}

// TestContext asks for each global key by a policy that allows only with its
// value, so that the test sees what policies see.
func TestContext(t *testing.T) {
	chain := &organization.Chain{ID: "o-org", ManagementAccount: other, Path: "o-org/r-root/ou-1/"}
	log := root(account)
	log.Type, log.ARN, log.Account = authn.TypeAWSService, "logging.s3.amazonaws.com", ""
	mfa := alice()
	mfa.Session = &identity.Session{Kind: identity.SessionUser, MFA: true, MFAAt: testNow.Add(-time.Minute), IssuedAt: testNow}
	linked := alice()
	linked.Referer = "http://example.com/"
	plain := alice()
	plain.SecureTransport = false
	federated := root(account)
	federated.Type, federated.ARN, federated.PrincipalID = authn.TypeFederatedUser, "arn:aws:sts::123456789012:federated-user/bob", account+":bob"
	federated.Session = &identity.Session{Kind: identity.SessionFederated, Name: "bob", UserID: "AIDAALICE", UserARN: "arn:aws:iam::123456789012:user/team/alice",
		Tags: map[string]string{"Own": "yes"}}
	for _, tt := range []struct {
		name   string
		caller *authn.Caller
		want   map[string]string // by key; "" means absent; several values joined with ","
	}{
		{"user", alice(), map[string]string{
			"aws:SecureTransport": "true", "aws:SourceIp": "192.0.2.7", "aws:UserAgent": "aws-cli/2", "aws:CurrentTime": "2026-11-21T12:00:00Z",
			"aws:EpochTime": fmt.Sprint(testNow.Unix()), "aws:RequestedRegion": "eu-central-1", "aws:ViaAWSService": "false", "aws:CalledVia": "",
			"aws:PrincipalArn": "arn:aws:iam::123456789012:user/team/alice", "aws:PrincipalAccount": account, "aws:PrincipalType": "User",
			"aws:userid": "AIDAALICE", "aws:username": "alice", "aws:PrincipalIsAWSService": "false", "aws:PrincipalServiceName": "",
			"aws:PrincipalOrgID": "o-org", "aws:PrincipalOrgPaths": "o-org/r-root/ou-1/", "aws:ResourceAccount": other, "aws:ResourceOrgID": "",
			"aws:MultiFactorAuthPresent": "", "aws:TokenIssueTime": "", "aws:PrincipalTag/team": "blue", "aws:PrincipalTag/none": "",
			"aws:SourceArn": "", "aws:Referer": "", "aws:PrincipalTag/forged": "", "aws:SourceVpc": "",
		}},
		{"from a page", linked, map[string]string{"aws:Referer": "http://example.com/"}},
		{"plain HTTP", plain, map[string]string{"aws:SecureTransport": "false"}},
		{"role session", session(), map[string]string{
			"aws:PrincipalArn": "arn:aws:iam::123456789012:role/path/app", "aws:PrincipalType": "AssumedRole", "aws:userid": "AROAAPP:web", "aws:username": "",
			"aws:TokenIssueTime": "2026-11-21T11:00:00Z", "aws:MultiFactorAuthPresent": "false", "aws:PrincipalTag/TEAM": "green", "aws:PrincipalTag/Cost": "7",
			"aws:SourceIdentity": "carol", "aws:FederatedProvider": "arn:aws:iam::123456789012:oidc-provider/idp.example.com", "idp.example.com:sub": "s-1",
		}},
		{"through S3", alice().Via("s3.amazonaws.com"), map[string]string{"aws:ViaAWSService": "true", "aws:CalledVia": "s3.amazonaws.com", "aws:SourceIp": ""}},
		{"MFA", mfa, map[string]string{"aws:MultiFactorAuthPresent": "true", "aws:MultiFactorAuthAge": "60", "aws:PrincipalArn": "arn:aws:iam::123456789012:user/team/alice"}},
		{"federated user", federated, map[string]string{"aws:PrincipalType": "FederatedUser", "aws:userid": account + ":bob", "aws:PrincipalTag/Own": "yes", "aws:PrincipalTag/Team": "",
			"aws:PrincipalArn": "arn:aws:sts::123456789012:federated-user/bob"}},
		{"root", root(account), map[string]string{"aws:PrincipalType": "Account", "aws:userid": account, "aws:PrincipalArn": arn.Root(account), "aws:username": ""}},
		{"anonymous", anonymous(), map[string]string{"aws:PrincipalType": "Anonymous", "aws:PrincipalArn": "", "aws:userid": "anonymous", "aws:PrincipalAccount": "anonymous", "aws:PrincipalOrgID": "", "aws:PrincipalIsAWSService": ""}},
		{"service", log, map[string]string{"aws:PrincipalIsAWSService": "true", "aws:PrincipalServiceName": "logging.s3.amazonaws.com", "aws:ViaAWSService": "false", "aws:PrincipalArn": "", "aws:PrincipalTag/forged": "yes"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, "")
			w.chains[account] = chain
			g := newGate(t, w, nil)
			e := new(evaluation)
			ask := &Ask{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Account: other, Keys: policy.MapContext{
				"aws:referer": {"forged"}, "aws:principaltag/forged": {"yes"}, "aws:sourcevpc": {"vpc-1"}, "aws:securetransport": {"forged"}, "aws:userid": {"forged"}}}
			if err := e.gather(t.Context(), g, tt.caller, ask); err != nil {
				t.Fatal(err)
			}
			for key, want := range tt.want {
				got, ok := e.context.Lookup(strings.ToLower(key), nil)
				if ok != (want != "") || strings.Join(got, ",") != want {
					t.Errorf("%s = %q, %v; want %q", key, got, ok, want)
				}
			}
		})
	}
}

// TestCarried: a key of a service counts only for the actions that carry it.
func TestCarried(t *testing.T) {
	const key = "s3:x-amz-server-side-encryption-customer-algorithm"
	w := newWorld(t, `{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringEquals":{"`+key+`":"AES256"}}}`)
	g := newGate(t, w, nil)
	for action, want := range map[string]bool{"s3:PutObject": true, "s3:GetObject": false} {
		got, err := g.Allowed(t.Context(), alice(), &Ask{Action: action, Resource: "arn:aws:s3:::b/k", Keys: policy.MapContext{key: {"AES256"}}})
		if err != nil || got != want {
			t.Errorf("%s with the key = %v, %v; want %v", action, got, err, want)
		}
	}
}

func TestDenialTexts(t *testing.T) {
	const prefix = `User: arn:aws:iam::123456789012:user/team/alice is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::b/k" `
	allow, deny := `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`, `{"Effect":"Deny","Action":"s3:*","Resource":"*"}`
	resource := func(statement string) *policy.Named {
		p := mustPolicy(t, "bucket policy of b", policy.KindBucket, `{"Version":"2012-10-17","Statement":[`+statement+`]}`)
		return &p
	}
	scp := func(name, statement string) *organization.Chain {
		p := mustPolicy(t, name, policy.KindSCP, `{"Version":"2012-10-17","Statement":[`+statement+`]}`)
		return &organization.Chain{ID: "o-1", SCPs: [][]policy.Named{{p}}}
	}
	for _, tt := range []struct {
		name       string
		statements string
		ask        Ask
		chain      *organization.Chain
		boundary   string
		want       string
	}{
		{"nothing allows", "", Ask{}, nil, "", "because no identity-based policy allows the s3:GetObject action"},
		{"identity denies", allow + "," + deny, Ask{}, nil, "", "with an explicit deny in an identity-based policy: arn:aws:iam::123456789012:policy/test"},
		{"bucket policy denies", allow, Ask{Policy: resource(`{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/*"}`)}, nil, "",
			"with an explicit deny in a resource-based policy"},
		{"SCP denies", allow, Ask{}, scp("arn:aws:organizations::1:policy/o-1/service_control_policy/p-1", allow+","+deny), "",
			"with an explicit deny in a service control policy: arn:aws:organizations::1:policy/o-1/service_control_policy/p-1"},
		{"SCP does not allow", allow, Ask{}, scp("p", `{"Effect":"Allow","Action":"kms:*","Resource":"*"}`), "", "because no service control policy allows the s3:GetObject action"},
		{"boundary does not allow", allow, Ask{}, nil, `{"Effect":"Allow","Action":"kms:*","Resource":"*"}`, "because no permissions boundary allows the s3:GetObject action"},
		{"boundary denies", allow, Ask{}, nil, allow + "," + deny, "with an explicit deny in a permissions boundary: arn:aws:iam::123456789012:policy/boundary"},
		{"foreign bucket", allow, Ask{Account: other}, nil, "", "because no resource-based policy allows the s3:GetObject action"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.statements)
			w.chains[account] = tt.chain
			if tt.boundary != "" {
				b := identityPolicy(t, "arn:aws:iam::123456789012:policy/boundary", tt.boundary)
				w.users["AIDAALICE"].Boundary = &b
			}
			a := tt.ask
			a.Action, a.Resource = "s3:GetObject", "arn:aws:s3:::b/k"
			err := newGate(t, w, nil).Ask(t.Context(), alice(), &a)
			if err == nil || err.Error() != prefix+tt.want {
				t.Errorf("Ask = %v; want\n%s", err, prefix+tt.want)
			}
		})
	}
}

// TestGone: who has been deleted may nothing, not even what everybody may.
func TestGone(t *testing.T) {
	everyone := mustPolicy(t, "p", policy.KindBucket, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/*"}]}`)
	w := newWorld(t, `{"Effect":"Allow","Action":"*","Resource":"*"}`)
	g := newGate(t, w, nil)
	for name, c := range map[string]*authn.Caller{"user": alice(), "session": session()} {
		a := &Ask{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Policy: &everyone}
		if err := g.Ask(t.Context(), c, a); err != nil {
			t.Errorf("%s = %v; want nil", name, err)
		}
	}
	clear(w.users)
	clear(w.roles)
	for name, c := range map[string]*authn.Caller{"user": alice(), "session": session()} {
		a := &Ask{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Policy: &everyone}
		if err := g.Ask(t.Context(), c, a); AsDenied(err) == nil {
			t.Errorf("%s that is gone = %v; want a denial", name, err)
		}
	}
}

// TestSessionPolicies: session policies limit, and a session without its state is
// an error, not a permission.
func TestSessionPolicies(t *testing.T) {
	w := newWorld(t, `{"Effect":"Allow","Action":"*","Resource":"*"}`)
	g := newGate(t, w, nil)
	c := session()
	c.Session.HasPolicies = true
	c.Session.Policies = []policy.Named{mustPolicy(t, "session", policy.KindSession, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`)}
	for action, want := range map[string]bool{"s3:GetObject": true, "s3:PutObject": false} {
		if got, err := g.Allowed(t.Context(), c, &Ask{Action: action, Resource: "arn:aws:s3:::b/k"}); err != nil || got != want {
			t.Errorf("%s = %v, %v; want %v", action, got, err, want)
		}
	}
	c.Session = nil
	if err := g.Ask(t.Context(), c, &Ask{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}); err == nil || AsDenied(err) != nil {
		t.Errorf("Ask without the session = %v; want an error", err)
	}
}

// TestSessionPoliciesChange: a decision that is made again goes by the session policies
// of then, and one that can't read them denies.
func TestSessionPoliciesChange(t *testing.T) {
	w := newWorld(t, `{"Effect":"Allow","Action":"*","Resource":"*"}`)
	g := newGate(t, w, nil)
	now := []policy.Named{mustPolicy(t, "session", policy.KindSession, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`)}
	var broken error
	g.cfg.SessionPolicies = func(context.Context, *identity.Session) ([]policy.Named, error) { return now, broken }
	caller := session()
	caller.Session.HasPolicies, caller.Session.Policies = true, now
	c := g.Begin(caller, Operation{Source: "s3.amazonaws.com", Name: "GetObject", ReadOnly: true})
	if err := c.Ask(t.Context(), &Ask{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}); err != nil {
		t.Fatal(err)
	}
	now = []policy.Named{mustPolicy(t, "session", policy.KindSession, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}]}`)}
	if err := c.Again(t.Context()); AsDenied(err) == nil {
		t.Errorf("Again = %v; want a denial", err)
	}
	broken = errors.New("damaged")
	if err := c.Again(t.Context()); !errors.Is(err, broken) {
		t.Errorf("Again = %v; want %v", err, broken)
	}
}

// TestFederatedByRoot: a federated user of root has what its session policies allow.
func TestFederatedByRoot(t *testing.T) {
	g := newGate(t, newWorld(t, ""), nil)
	c := root(account)
	c.Type, c.ARN = authn.TypeFederatedUser, "arn:aws:sts::123456789012:federated-user/bob"
	c.Session = &identity.Session{Kind: identity.SessionFederated, Name: "bob", UserID: account, UserARN: arn.Root(account), HasPolicies: true,
		Policies: []policy.Named{mustPolicy(t, "session", policy.KindSession, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`)}}
	for action, want := range map[string]bool{"s3:GetObject": true, "s3:PutObject": false} {
		if got, err := g.Allowed(t.Context(), c, &Ask{Action: action, Resource: "arn:aws:s3:::b/k"}); err != nil || got != want {
			t.Errorf("%s = %v, %v; want %v", action, got, err, want)
		}
	}
}

func TestExplanations(t *testing.T) {
	store := mem.New()
	w := newWorld(t, "")
	g := newGate(t, w, store)
	bucket := mustPolicy(t, "bucket policy", policy.KindBucket, `{"Version":"2012-10-17","Statement":[{"Sid":"No","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/*"}]}`)
	err := g.Ask(t.Context(), alice(), &Ask{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Account: other, Policy: &bucket})
	d := AsDenied(err)
	if d == nil || !isID(d.ID) || !strings.Contains(err.Error(), "authorization id: "+d.ID) {
		t.Fatalf("Ask = %v; want a denial with an ID", err)
	}
	check := func(when string) {
		t.Helper()
		for reader, want := range map[string][]policy.Layer{account: {policy.LayerResource}, other: nil} {
			e, err := g.Explain(t.Context(), reader, d.ID)
			if err != nil {
				t.Fatalf("%s: Explain for %s = %v", when, reader, err)
			}
			if e.Action != "s3:GetObject" || e.Evaluation == nil || e.Context["aws:PrincipalArn"] == nil {
				t.Errorf("%s: Explain for %s = %+v", when, reader, e)
			}
			if !slices.Equal(e.Withheld, want) {
				t.Errorf("%s: withheld from %s: %v; want %v", when, reader, e.Withheld, want)
			}
			b, _ := json.Marshal(e)
			if shows := strings.Contains(string(b), `"No"`); shows != (reader == other) {
				t.Errorf("%s: the bucket's statement is shown to %s: %v", when, reader, shows)
			}
		}
		for _, reader := range []string{"", "333333333333"} {
			if _, err := g.Explain(t.Context(), reader, d.ID); !errors.Is(err, ErrNoExplanation) {
				t.Errorf("%s: Explain for %q = %v; want ErrNoExplanation", when, reader, err)
			}
		}
	}
	check("at once")
	g.Close()
	check("after it was written")
	for _, id := range []string{"", "x", strings.Repeat("0", 26), d.ID + "0", strings.ToUpper(d.ID)} {
		if _, err := g.Explain(t.Context(), account, id); !errors.Is(err, ErrNoExplanation) {
			t.Errorf("Explain(%q) = %v; want ErrNoExplanation", id, err)
		}
	}
	if err := g.denied.sweep(t.Context(), testNow); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Explain(t.Context(), account, d.ID); err != nil {
		t.Errorf("Explain after a sweep of what is older = %v", err)
	}
	if err := g.denied.sweep(t.Context(), testNow.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Explain(t.Context(), account, d.ID); !errors.Is(err, ErrNoExplanation) {
		t.Errorf("Explain after a sweep = %v; want ErrNoExplanation", err)
	}
}

// TestStrangers: anonymous denials stop being kept before they fill the store.
func TestStrangers(t *testing.T) {
	g := newGate(t, newWorld(t, ""), mem.New())
	g.denied.hour, g.denied.strangers = testNow.Unix()/3600, maxOfStrangers-1
	ask := &Ask{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Account: account}
	for i, want := range []bool{true, false, false} {
		if d := AsDenied(g.Ask(t.Context(), anonymous(), ask)); d == nil || (d.ID != "") != want {
			t.Errorf("denial %d = %+v; want an ID: %v", i, d, want)
		}
	}
	if d := AsDenied(g.Ask(t.Context(), alice(), ask)); d == nil || d.ID == "" {
		t.Errorf("denial of a user = %+v; want an ID", d)
	}
}

func TestCovers(t *testing.T) {
	g := newGate(t, newWorld(t, ""), nil)
	c := g.Begin(root(account), Operation{Source: "s3.amazonaws.com", Name: "GetObject", ReadOnly: true})
	if err := c.Covers("arn:aws:s3:::b/k"); !errors.Is(err, ErrNotCovered) {
		t.Errorf("Covers before any decision = %v; want ErrNotCovered", err)
	}
	if err := c.Ask(t.Context(), &Ask{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Account: account}); err != nil {
		t.Fatal(err)
	}
	for resource, want := range map[string]bool{"arn:aws:s3:::b/k": true, "arn:aws:s3:::b/k2": false, "arn:aws:s3:::b": false} {
		if err := c.Covers(resource); (err == nil) != want {
			t.Errorf("Covers(%s) = %v", resource, err)
		}
	}
	// What was refused covers nothing.
	c = g.Begin(root(other), Operation{Source: "s3.amazonaws.com", Name: "GetObject", ReadOnly: true})
	if err := c.Ask(t.Context(), &Ask{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k", Account: account}); err == nil {
		t.Fatal("allowed")
	}
	if err := c.Covers("arn:aws:s3:::b/k"); !errors.Is(err, ErrNotCovered) {
		t.Errorf("Covers after a denial = %v; want ErrNotCovered", err)
	}
}

// TestCommitDecidesAgain: what is taken away between the decision and the commit
// stops the commit.
func TestCommitDecidesAgain(t *testing.T) {
	for _, tt := range []struct {
		name string
		take func(w *world, a *Ask)
		want bool
	}{
		{"nothing", func(*world, *Ask) {}, true},
		{"the policy", func(w *world, _ *Ask) { w.users["AIDAALICE"].Policies = nil }, false},
		{"the user", func(w *world, _ *Ask) { clear(w.users) }, false},
		{"the resource's consent", func(_ *world, a *Ask) {
			p := mustPolicy(t, "p", policy.KindBucket, `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/*"}]}`)
			a.Refresh = func(_ context.Context, a *Ask) error { a.Policy = &p; return nil }
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`)
			store := mem.New()
			g := newGate(t, w, store)
			c := g.Begin(alice(), Operation{Source: "s3.amazonaws.com", Name: "PutObject"})
			a := &Ask{Action: "s3:PutObject", Resource: "arn:aws:s3:::b/k"}
			if err := c.Ask(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			tt.take(w, a)
			if err := store.Update(t.Context(), revision.Bump); err != nil {
				t.Fatal(err)
			}
			err := store.Update(t.Context(), func(tx meta.Txn) error { return c.Record(tx) })
			if (err == nil) != tt.want || err != nil && AsDenied(err) == nil {
				t.Errorf("Record = %v; want allowed: %v", err, tt.want)
			}
			_ = c.End(t.Context(), err)
		})
	}
}

// TestRevisionIsLearned: a commit that meets a revision it does not know decides
// again, once; one that took long decides again in any case.
func TestRevisionIsLearned(t *testing.T) {
	w := newWorld(t, `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`)
	store := mem.New()
	if err := store.Update(t.Context(), revision.Bump); err != nil {
		t.Fatal(err)
	}
	g := newGate(t, w, store)
	refreshed := 0
	put := func(wait time.Duration) {
		t.Helper()
		c := g.Begin(alice(), Operation{Source: "s3.amazonaws.com", Name: "PutObject"})
		a := &Ask{Action: "s3:PutObject", Resource: "arn:aws:s3:::b/k", Refresh: func(context.Context, *Ask) error { refreshed++; return nil }}
		if err := c.Ask(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		c.watched = c.watched.Add(-wait)
		err := store.Update(t.Context(), func(tx meta.Txn) error { return c.Record(tx) })
		if err := c.End(t.Context(), err); err != nil {
			t.Fatal(err)
		}
	}
	for i, step := range []struct {
		wait time.Duration
		want int
	}{{0, 1}, {0, 1}, {2 * freshFor, 2}, {0, 2}} {
		if put(step.wait); refreshed != step.want {
			t.Errorf("after commit %d: decided again %d times; want %d", i, refreshed, step.want)
		}
	}
}

// TestCredentialsDie: a decision that is made again asks for the credentials too.
func TestCredentialsDie(t *testing.T) {
	w := newWorld(t, `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`)
	g := newGate(t, w, nil)
	dead := errors.New("dead")
	g.cfg.Alive = func(context.Context, *authn.Caller) error { return dead }
	c := g.Begin(alice(), Operation{Source: "s3.amazonaws.com", Name: "GetObject", ReadOnly: true})
	if err := c.Ask(t.Context(), &Ask{Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Again(t.Context()); !errors.Is(err, dead) {
		t.Errorf("Again = %v; want %v", err, dead)
	}
}

func BenchmarkAsk(b *testing.B) {
	var statements []string
	for i := range 10 {
		statements = append(statements, fmt.Sprintf(`{"Effect":"Allow","Action":["s3:Get*","s3:List*"],"Resource":"arn:aws:s3:::bucket-%d/*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}`, i))
	}
	w := newWorld(b, strings.Join(statements, ","))
	g := newGate(b, w, nil)
	c, a := alice(), &Ask{Action: "s3:GetObject", Resource: "arn:aws:s3:::bucket-9/k"}
	b.ReportAllocs()
	for b.Loop() {
		if err := g.Ask(context.Background(), c, a); err != nil {
			b.Fatal(err)
		}
	}
}
