package authn

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"coffer/internal/identity"
	"coffer/internal/sigv4"
)

const (
	aliceID   = "AIDAALICE"
	readerID  = "AROAREADER"
	aliceARN  = "arn:aws:iam::123456789012:user/dev/alice"
	readerARN = "arn:aws:iam::123456789012:role/app/reader"
)

// people are the Entities and the Usage of a test.
type people struct {
	users, roles map[string]*identity.Effective
	revoked      map[string]bool
	policies     map[string]string
	fails        error
	used         []string
}

func (p *people) EffectiveUser(_ context.Context, account, id string) (*identity.Effective, error) {
	if u := p.users[account+id]; u != nil || p.fails != nil {
		return u, p.fails
	}
	return nil, identity.ErrNoUser
}

func (p *people) EffectiveRole(_ context.Context, account, id string) (*identity.Effective, error) {
	if r := p.roles[account+id]; r != nil || p.fails != nil {
		return r, p.fails
	}
	return nil, identity.ErrNoRole
}

func (p *people) SessionRevoked(id string) bool { return p.revoked[id] }

func (p *people) PolicyVersion(_ context.Context, _, arn, version string) (identity.PolicyVersion, error) {
	text, ok := p.policies[arn]
	if !ok || version != "" {
		return identity.PolicyVersion{}, identity.ErrNoPolicy
	}
	return identity.PolicyVersion{Text: text}, nil
}

func (p *people) Used(id, service, region string, _ time.Time) {
	p.used = append(p.used, id+" "+service+" "+region)
}

func (p *people) RoleUsed(id, region string, _ time.Time) { p.used = append(p.used, id+" "+region) }

// A world is an authenticator with people behind it.
type world struct {
	*Authenticator
	people   *people
	tokens   *Tokens
	calendar time.Time
}

func newWorld() *world {
	w := &world{
		people: &people{
			users:    map[string]*identity.Effective{testAccount + aliceID: {ID: aliceID, ARN: aliceARN, Name: "alice"}},
			roles:    map[string]*identity.Effective{testAccount + readerID: {ID: readerID, ARN: readerARN, Name: "reader"}},
			revoked:  make(map[string]bool),
			policies: make(map[string]string),
		},
		tokens:   newTokens(1),
		calendar: testNow.Add(1000 * time.Hour),
	}
	w.Authenticator = New(Config{
		Keys: testKeys, Tokens: w.tokens, Entities: w.people, Usage: w.people, Region: "us-east-1",
		Now: func() time.Time { return testNow }, Calendar: func() time.Time { return w.calendar },
	})
	return w
}

// session returns a session of a kind that ends in an hour.
func (w *world) session(kind identity.SessionKind) *identity.Session {
	s := &identity.Session{
		Kind: kind, AccessKeyID: tempKeyID, Secret: identity.NewSecret("temporary/" + testSecret), Account: testAccount,
		IssuedAt: w.calendar, ExpiresAt: w.calendar.Add(time.Hour), UserID: aliceID, UserARN: aliceARN, ARN: aliceARN,
	}
	switch kind {
	case identity.SessionRole:
		s.ARN, s.Name, s.RoleID, s.RoleARN, s.UserID, s.UserARN = "arn:aws:sts::123456789012:assumed-role/reader/s1", "s1", readerID, readerARN, "", ""
	case identity.SessionFederated:
		s.ARN, s.Name = "arn:aws:sts::123456789012:federated-user/bob", "bob"
	}
	return s
}

// A protocol is one of the ways in which a signed request comes.
type protocol struct {
	name string
	// send signs a request with credentials and returns what became of it.
	send func(t testing.TB, w *world, id, secret, token string) (*Caller, error)
	// refusals by what is wrong with the credentials
	noKey, invalid, expired answer
}

// protocols are all of them.
func protocols() []protocol {
	header := func(method, target, service, body string) func(testing.TB, string, string, string) *http.Request {
		return func(t testing.TB, id, secret, token string) *http.Request {
			r := newRequest(method, target)
			if token != "" {
				r.Header.Set("X-Amz-Security-Token", token)
			}
			sigv4.NewSigner(id, secret, "us-east-1", service).Sign(unsigned(r), hashOf(body), testNow)
			setBody(r, body)
			return wire(t, r)
		}
	}
	query := func(target, service, payload string) func(testing.TB, string, string, string) *http.Request {
		return func(t testing.TB, id, secret, token string) *http.Request {
			r := newRequest("GET", target)
			if token != "" {
				r.URL.RawQuery += "&X-Amz-Security-Token=" + url.QueryEscape(token)
				r.URL.RawQuery = strings.TrimPrefix(r.URL.RawQuery, "&")
			}
			r.URL.RawQuery = sigv4.NewSigner(id, secret, "us-east-1", service).Presign(unsigned(r), payload, testNow, time.Minute)
			return wire(t, r)
		}
	}
	s3 := func(make func(testing.TB, string, string, string) *http.Request) func(testing.TB, *world, string, string, string) (*Caller, error) {
		return func(t testing.TB, w *world, id, secret, token string) (*Caller, error) {
			c, _, err := w.S3(make(t, id, secret, token), Facts{})
			return c, err
		}
	}
	queries := func(make func(testing.TB, string, string, string) *http.Request) func(testing.TB, *world, string, string, string) (*Caller, error) {
		return func(t testing.TB, w *world, id, secret, token string) (*Caller, error) {
			c, _, err := w.Query(make(t, id, secret, token), "sts", Facts{})
			return c, err
		}
	}
	s3NoKey := answer{"InvalidAccessKeyId", 403, "", nil}
	s3Invalid := answer{"InvalidToken", 400, "The provided token is malformed or otherwise invalid.", nil}
	s3Expired := answer{"ExpiredToken", 400, "The provided token has expired.", nil}
	json := answer{"UnrecognizedClientException", 400, tokenInvalid, nil}
	queryInvalid := answer{"InvalidClientTokenId", 403, tokenInvalid, nil}
	queryExpired := answer{"ExpiredToken", 403, tokenExpired, nil}
	return []protocol{
		{"S3", s3(header("GET", "/b/k", "s3", "")), s3NoKey, s3Invalid, s3Expired},
		{"S3, presigned", s3(query("/b/k", "s3", sigv4.UnsignedPayload)), s3NoKey, s3Invalid, s3Expired},
		{"S3, form", func(_ testing.TB, w *world, id, secret, token string) (*Caller, error) {
			scope := sigv4.Scope{Date: testNow.Format("20060102"), Region: "us-east-1", Service: "s3"}
			text := base64.StdEncoding.EncodeToString([]byte(`{}`))
			c, _, err := w.Post(newRequest("POST", "/b"), map[string]string{
				"policy": text, "x-amz-algorithm": sigv4.Algorithm, "x-amz-date": testNow.Format(sigv4.DateFormat),
				"x-amz-credential": id + "/" + scope.String(), "x-amz-security-token": token,
				"x-amz-signature": sigv4.DeriveKey(secret, scope).Sign(text),
			}, Facts{})
			return c, err
		}, s3NoKey, s3Invalid, s3Expired},
		{"JSON", func(t testing.TB, w *world, id, secret, token string) (*Caller, error) {
			c, _, err := w.JSON(header("POST", "/profiles", "rolesanywhere", "{}")(t, id, secret, token), "rolesanywhere", Facts{})
			return c, err
		}, json, json, answer{"ExpiredTokenException", 400, tokenExpired, nil}},
		{"Query", queries(header("POST", "/", "sts", "Action=GetCallerIdentity")), queryInvalid, queryInvalid, queryExpired},
		{"Query, GET", queries(header("GET", "/?Action=GetCallerIdentity", "sts", "")), queryInvalid, queryInvalid, queryExpired},
		{"Query, presigned", queries(query("/?Action=GetCallerIdentity&Version=2011-06-15", "sts", sigv4.EmptySHA256)), queryInvalid, queryInvalid, queryExpired},
	}
}

// TestTemporaryCredentials sends good and bad ones through every protocol.
func TestTemporaryCredentials(t *testing.T) {
	for _, p := range protocols() {
		t.Run(p.name, func(t *testing.T) {
			w := newWorld()
			s := w.session(identity.SessionRole)
			secret, token := s.Secret.Reveal(), seal(t, w.tokens, s)
			refused := func(what string, want answer, id, secret, token string) {
				t.Helper()
				c, err := p.send(t, w, id, secret, token)
				if c != nil || err == nil {
					t.Errorf("%s: admitted %+v", what, c)
					return
				}
				t.Log(what)
				want.check(t, err)
			}
			c, err := p.send(t, w, tempKeyID, secret, token)
			if err != nil || c.ARN != s.ARN || c.Session == nil || c.AccessKeyID != tempKeyID {
				t.Fatalf("a session: %+v, %v", c, err)
			}
			if c, err := p.send(t, w, testKeyID, testSecret, ""); err != nil || c.Type != TypeRoot || c.Session != nil {
				t.Errorf("a root access key: %+v, %v", c, err)
			}
			refused("without its token", p.noKey, tempKeyID, secret, "")
			refused("a permanent key with a token", p.invalid, testKeyID, testSecret, token)
			refused("a permanent key with somebody's token", p.invalid, testKeyID, secret, token)
			refused("no such key", p.noKey, "AKIAUNKNOWN", testSecret, "")
			refused("an inactive key", p.noKey, "AKIAINACTIVE", testSecret, "")
			refused("another key's token", p.invalid, "ASIAIOSFODNN7EXAMPLF", secret, token)
			refused("a token of another installation", p.invalid, tempKeyID, secret, seal(t, newTokens(2), s))
			refused("a token that is none", p.invalid, tempKeyID, secret, "x")
			mismatch := answer{code: "SignatureDoesNotMatch", status: 403}
			if p.name == "JSON" {
				mismatch = answer{code: "InvalidSignatureException", status: 400}
			}
			refused("another secret", mismatch, tempKeyID, testSecret, token)

			w.people.revoked[tempKeyID] = true
			refused("a revoked session", p.invalid, tempKeyID, secret, token)
			delete(w.people.revoked, tempKeyID)
			role := w.people.roles[testAccount+readerID]
			delete(w.people.roles, testAccount+readerID)
			refused("a session whose role is gone", p.invalid, tempKeyID, secret, token)
			w.people.roles[testAccount+readerID] = role
			for _, kind := range []identity.SessionKind{identity.SessionFederated, identity.SessionUser} {
				u := w.session(kind)
				u.UserID = "AIDAGONE"
				refused("a session whose user is gone", p.invalid, tempKeyID, secret, seal(t, w.tokens, u))
			}
			w.people.fails = errors.New("disk")
			if c, err := p.send(t, w, tempKeyID, secret, token); c != nil || !errors.Is(err, w.people.fails) {
				t.Errorf("while the store fails: %+v, %v", c, err)
			}
			w.people.fails = nil
			w.calendar = s.ExpiresAt.Add(-time.Millisecond)
			if _, err := p.send(t, w, tempKeyID, secret, token); err != nil {
				t.Errorf("right before its end: %v", err)
			}
			w.calendar = s.ExpiresAt
			refused("an expired session", p.expired, tempKeyID, secret, token)
		})
	}
}

// TestTokenAddedAfterSigning: S3 once took a token that no signature covers.
func TestTokenAddedAfterSigning(t *testing.T) {
	w := newWorld()
	s := w.session(identity.SessionRole)
	secret, token := s.Secret.Reveal(), seal(t, w.tokens, s)
	sign := func(service, method, target string) *http.Request {
		r := newRequest(method, target)
		sigv4.NewSigner(tempKeyID, secret, "us-east-1", service).Sign(unsigned(r), sigv4.EmptySHA256, testNow)
		return r
	}
	presign := func() *http.Request {
		r := newRequest("GET", "/b/k")
		r.URL.RawQuery = sigv4.NewSigner(tempKeyID, secret, "us-east-1", "s3").Presign(unsigned(r), sigv4.UnsignedPayload, testNow, time.Minute)
		return r
	}
	for name, r := range map[string]*http.Request{
		"header":                   sign("s3", "GET", "/b/k"),
		"query of a signed header": sign("s3", "GET", "/b/k"),
		"query":                    presign(),
		"header of a signed query": presign(),
	} {
		if strings.HasPrefix(name, "header") {
			r.Header.Set("X-Amz-Security-Token", token)
		} else {
			r.URL.RawQuery = strings.TrimPrefix(r.URL.RawQuery+"&X-Amz-Security-Token="+url.QueryEscape(token), "&")
		}
		if c, _, err := w.S3(wire(t, r), Facts{}); err == nil {
			t.Errorf("%s: admitted %+v", name, c)
		} else if strings.Contains(err.Error(), token) {
			t.Errorf("%s: the error shows the token", name)
		}
	}
	r := sign("sts", "POST", "/")
	r.Header.Set("X-Amz-Security-Token", token)
	if c, _, err := w.Query(wire(t, r), "sts", Facts{}); err == nil {
		t.Errorf("Query: admitted %+v", c)
	}
	// The answer to a wrong signature does not repeat the token.
	r = presign()
	r.URL.RawQuery += "&X-Amz-Security-Token=" + url.QueryEscape(token)
	_, _, err := w.S3(wire(t, r), Facts{})
	answer{code: "SignatureDoesNotMatch", status: 403}.check(t, err)
	var text strings.Builder
	for e := err; e != nil; e = errors.Unwrap(e) {
		text.WriteString(e.Error())
	}
	if strings.Contains(text.String(), token) {
		t.Error("the answer shows the token")
	}
}

// TestCaller tells who the callers of each kind are.
func TestCaller(t *testing.T) {
	w := newWorld()
	root := w.session(identity.SessionUser)
	root.UserID, root.UserARN = testAccount, "arn:aws:iam::123456789012:root"
	federatedRoot := w.session(identity.SessionFederated)
	federatedRoot.UserID, federatedRoot.UserARN = root.UserID, root.UserARN
	type who struct{ Type, Account, ARN, PrincipalID, EntityID, UserName string }
	tests := []struct {
		name string
		s    *identity.Session
		want who
	}{
		{"role", w.session(identity.SessionRole), who{TypeAssumedRole, testAccount, "arn:aws:sts::123456789012:assumed-role/reader/s1", readerID + ":s1", readerID, ""}},
		{"federated user", w.session(identity.SessionFederated), who{TypeFederatedUser, testAccount, "arn:aws:sts::123456789012:federated-user/bob", testAccount + ":bob", aliceID, ""}},
		{"federated user of root", federatedRoot, who{TypeFederatedUser, testAccount, "arn:aws:sts::123456789012:federated-user/bob", testAccount + ":bob", "", ""}},
		{"user", w.session(identity.SessionUser), who{TypeUser, testAccount, aliceARN, aliceID, aliceID, "alice"}},
		{"root", root, who{TypeRoot, testAccount, root.UserARN, testAccount, "", ""}},
	}
	for _, tt := range tests {
		c, err := protocols()[0].send(t, w, tempKeyID, tt.s.Secret.Reveal(), seal(t, w.tokens, tt.s))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := (who{c.Type, c.Account, c.ARN, c.PrincipalID, c.EntityID, c.UserName}); got != tt.want || !reflect.DeepEqual(c.Session, tt.s) {
			t.Errorf("%s: caller = %+v, %+v; want %+v", tt.name, got, c.Session, tt.want)
		}
	}
	c, err := protocols()[0].send(t, w, "AKIAALICE", testSecret, "")
	if got := (who{c.Type, c.Account, c.ARN, c.PrincipalID, c.EntityID, c.UserName}); err != nil || got != (who{TypeUser, testAccount, aliceARN, aliceID, aliceID, "alice"}) || c.Session != nil {
		t.Errorf("access key of a user: %+v, %v", got, err)
	}
	if want := []string{readerID + " us-east-1", "AKIAALICE s3 us-east-1"}; !reflect.DeepEqual(w.people.used, want) {
		t.Errorf("used = %q; want %q", w.people.used, want)
	}
	// A user may have another name by now.
	w.people.users[testAccount+aliceID] = &identity.Effective{ID: aliceID, ARN: "arn:aws:iam::123456789012:user/eve", Name: "eve"}
	for i, want := range map[int]string{1: "", 3: "eve"} {
		s := tests[i].s
		c, err := protocols()[0].send(t, w, tempKeyID, s.Secret.Reveal(), seal(t, w.tokens, s))
		if err != nil || c.Session.UserARN != "arn:aws:iam::123456789012:user/eve" || c.UserName != want {
			t.Errorf("renamed, %s: %+v, %v", tests[i].name, c, err)
		}
	}
}

// TestManagedSessionPolicies are read at each use.
func TestManagedSessionPolicies(t *testing.T) {
	w := newWorld()
	s := w.session(identity.SessionRole)
	s.HasPolicies, s.PolicyText, s.PolicyARNs = true, sessionPolicy, []string{"arn:a", "arn:b"}
	token := seal(t, w.tokens, s)
	text := func(action string) string { return strings.Replace(sessionPolicy, "s3:Get*", action, 1) }
	w.people.policies["arn:a"] = text("s3:List*")
	for _, want := range []map[string]string{
		{"inline session policy": sessionPolicy, "arn:a": text("s3:List*")},
		{"inline session policy": sessionPolicy, "arn:a": text("s3:Put*"), "arn:b": text("kms:*")},
	} {
		c, err := protocols()[0].send(t, w, tempKeyID, s.Secret.Reveal(), token)
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]string)
		for _, p := range c.Session.Policies {
			got[p.Name] = p.Policy.Text()
		}
		if !reflect.DeepEqual(got, want) || !c.Session.HasPolicies {
			t.Errorf("session policies = %v; want %v", got, want)
		}
		w.people.policies["arn:a"], w.people.policies["arn:b"] = text("s3:Put*"), text("kms:*")
	}
	// One that can't be read admits nobody.
	w.people.policies["arn:a"] = "damaged"
	if c, err := protocols()[0].send(t, w, tempKeyID, s.Secret.Reveal(), token); err == nil {
		t.Errorf("admitted %+v", c)
	}
}
