package sts

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/identity"
)

// anonymous is who sends a request without a signature.
var anonymous = &authn.Caller{Type: authn.TypeAnonymous, Region: region, SourceIP: "192.0.2.7", RequestID: "req-1"}

const trustsProvider = `{"Federated":"arn:aws:iam::` + account + `:oidc-provider/` + issuerHost + `"}`

// federation returns a bench with a provider, the issuer behind it, and a role that
// trusts one subject of it.
func federation(t *testing.T) (*bench, *issuer, string) {
	b, i := newBench(t), newIssuer(t)
	b.dialTo, b.keys.roots = i.dial, i.roots
	b.provider(account, nil)
	role := b.role("ci", trusts(trustsProvider, `["sts:AssumeRoleWithWebIdentity","sts:TagSession","sts:SetSourceIdentity"]`,
		`{"StringEquals":{"`+issuerHost+`:sub":"repo:octo/app"}}`), "")
	return b, i, role
}

func (b *bench) provider(account string, thumbprints []string) {
	b.t.Helper()
	_, err := b.ids.CreateProvider(b.t.Context(), account, identity.NewProvider{
		URL: "https://" + issuerHost, ClientIDs: []string{"sts.amazonaws.com", "client-2"}, Thumbprints: thumbprints}, nil)
	b.must(err)
}

func TestWebIdentity(t *testing.T) {
	b, _, role := federation(t)
	in := &AssumeRoleWithWebIdentityInput{RoleARN: role, RoleSessionName: "s1", WebIdentityToken: webToken(jose.RS256, rsaKey(), "rsa", claims(b, map[string]any{
		"amr": []string{"pwd", "otp"}, "email": "o@example.com",
		"https://aws.amazon.com/tags":            map[string]any{"principal_tags": map[string]any{"team": []string{"blue"}}, "transitive_tag_keys": []string{"team"}},
		"https://aws.amazon.com/source_identity": "octo",
	}))}
	out, err := b.AssumeRoleWithWebIdentity(t.Context(), anonymous, in)
	if err != nil {
		t.Fatal(err)
	}
	providerARN := "arn:aws:iam::" + account + ":oidc-provider/" + issuerHost
	if out.SubjectFromWebIdentityToken != "repo:octo/app" || out.Provider != providerARN || out.Audience != "sts.amazonaws.com" || out.SourceIdentity != "octo" {
		t.Errorf("output = %+v", out)
	}
	c := b.with(out.Credentials, nil)
	s := c.Session
	wantKeys := map[string][]string{issuerHost + ":sub": {"repo:octo/app"}, issuerHost + ":aud": {"sts.amazonaws.com"}, issuerHost + ":amr": {"pwd", "otp"}, issuerHost + ":email": {"o@example.com"}}
	if c.Type != authn.TypeAssumedRole || s.Provider != providerARN || s.Chained || !reflect.DeepEqual(s.Keys, wantKeys) || s.Tags["team"] != "blue" || s.SourceIdentity != "octo" {
		t.Errorf("session = %+v", s)
	}
	e, text := b.last()
	if e.EventName != "AssumeRoleWithWebIdentity" || e.UserIdentity["type"] != "WebIdentityUser" || e.ResponseElements["audience"] != "sts.amazonaws.com" ||
		e.RecipientAccountID != account || strings.Contains(text, string(in.WebIdentityToken)) || strings.Contains(text, out.Credentials.SecretAccessKey.Reveal()) {
		t.Errorf("event = %s", text)
	}
	if s := fmt.Sprintf("%v %+v %#v", in, *in, in); strings.Contains(s, string(in.WebIdentityToken)) {
		t.Errorf("the input prints as %s", s)
	}
}

// TestWebIdentityAlgorithms takes a signature only by the algorithm of its key.
func TestWebIdentityAlgorithms(t *testing.T) {
	b, i, role := federation(t)
	p521 := made(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	secret := []byte("0123456789abcdef0123456789abcdef")
	public := made(x509.MarshalPKIXPublicKey(&rsaKey().PublicKey))
	i.publish(
		jose.JSONWebKey{Key: &rsaKey().PublicKey, KeyID: "rsa"},
		jose.JSONWebKey{Key: &rsaKey().PublicKey, KeyID: "rsa-256", Algorithm: "RS256"},
		jose.JSONWebKey{Key: &rsaKey().PublicKey, KeyID: "rsa-enc", Use: "enc"},
		jose.JSONWebKey{Key: &smallKey().PublicKey, KeyID: "small"},
		jose.JSONWebKey{Key: &ecKey().PublicKey, KeyID: "ec"},
		jose.JSONWebKey{Key: &p384Key().PublicKey, KeyID: "p384"},
		jose.JSONWebKey{Key: &p521.PublicKey, KeyID: "p521"},
		jose.JSONWebKey{Key: secret, KeyID: "shared"},
	)
	tests := []struct {
		name      string
		algorithm jose.SignatureAlgorithm
		key       any
		id        string
		ok        bool
	}{
		{"RS256", jose.RS256, rsaKey(), "rsa", true},
		{"RS384", jose.RS384, rsaKey(), "rsa", true},
		{"RS512", jose.RS512, rsaKey(), "rsa", true},
		{"PS256", jose.PS256, rsaKey(), "rsa", true},
		{"ES256", jose.ES256, ecKey(), "ec", true},
		{"ES384", jose.ES384, p384Key(), "p384", true},
		{"ES512", jose.ES512, p521, "p521", true},
		{"the key's own algorithm", jose.RS256, rsaKey(), "rsa-256", true},
		{"not the key's own algorithm", jose.RS512, rsaKey(), "rsa-256", false},
		{"a key for encryption", jose.RS256, rsaKey(), "rsa-enc", false},
		{"a small key", jose.RS256, smallKey(), "small", false},
		{"another key's ID", jose.RS256, rsaKey(), "ec", false},
		{"an unknown ID", jose.RS256, rsaKey(), "x", false},
		{"another key", jose.ES256, made(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), "ec", false},
		{"no ID among several keys", jose.RS256, rsaKey(), "", false},
		{"no ID, one key of the curve", jose.ES384, p384Key(), "", true},
		{"a shared secret that is published", jose.HS256, secret, "shared", false},
		{"a public key as a shared secret", jose.HS256, public, "rsa", false},
	}
	for _, tt := range tests {
		_, err := b.AssumeRoleWithWebIdentity(t.Context(), anonymous, &AssumeRoleWithWebIdentityInput{RoleARN: role, RoleSessionName: "s1",
			WebIdentityToken: webToken(tt.algorithm, tt.key, tt.id, claims(b, nil))})
		switch {
		case tt.ok && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case !tt.ok:
			wantError(t, tt.name, err, "InvalidIdentityToken", "could not be validated")
		}
	}
}

// TestWebIdentityForged tries tokens that no key signed.
func TestWebIdentityForged(t *testing.T) {
	b, _, role := federation(t)
	good := string(webToken(jose.RS256, rsaKey(), "rsa", claims(b, nil)))
	part := strings.Split(good, ".")
	encode := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	other := strings.Split(string(webToken(jose.RS256, rsaKey(), "rsa", claims(b, map[string]any{"sub": "repo:evil/app"}))), ".")
	own := made(rsa.GenerateKey(rand.Reader, 2048))
	embedded := made(jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: own}, (&jose.SignerOptions{EmbedJWK: true}).WithHeader("kid", "rsa")))
	url := made(jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: own}, (&jose.SignerOptions{}).WithHeader("kid", "rsa").WithHeader("jku", "https://evil.example.com/keys")))
	critical := made(jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: rsaKey()}, (&jose.SignerOptions{}).WithHeader("kid", "rsa").WithHeader("crit", []string{"x"}).WithHeader("x", 1)))
	payload := made(json.Marshal(claims(b, nil)))
	tokens := map[string]string{
		"none":                    encode(`{"alg":"none"}`) + "." + part[1] + ".",
		"None":                    encode(`{"alg":"None","kid":"rsa"}`) + "." + part[1] + ".",
		"nOnE":                    encode(`{"alg":"nOnE"}`) + "." + part[1] + "." + part[2],
		"no algorithm":            encode(`{"kid":"rsa"}`) + "." + part[1] + "." + part[2],
		"another header":          encode(`{"alg":"RS256","kid":"rsa","x":1}`) + "." + part[1] + "." + part[2],
		"another payload":         part[0] + "." + other[1] + "." + part[2],
		"another signature":       part[0] + "." + part[1] + "." + other[2],
		"no signature":            part[0] + "." + part[1] + ".",
		"two parts":               part[0] + "." + part[1],
		"a key in the header":     made(made(embedded.Sign(payload)).CompactSerialize()),
		"a key's URL":             made(made(url.Sign(payload)).CompactSerialize()),
		"a critical header":       made(made(critical.Sign(payload)).CompactSerialize()),
		"JSON serialization":      made(jose.ParseSignedCompact(good, tokenAlgorithms)).FullSerialize(),
		"another issuer":          string(webToken(jose.RS256, rsaKey(), "rsa", claims(b, map[string]any{"iss": "https://evil.example.com"}))),
		"issuer with a slash":     string(webToken(jose.RS256, rsaKey(), "rsa", claims(b, map[string]any{"iss": "https://" + issuerHost + "/"}))),
		"issuer without https://": string(webToken(jose.RS256, rsaKey(), "rsa", claims(b, map[string]any{"iss": issuerHost}))),
		"issuer over http":        string(webToken(jose.RS256, rsaKey(), "rsa", claims(b, map[string]any{"iss": "http://" + issuerHost}))),
		"no issuer":               string(webToken(jose.RS256, rsaKey(), "rsa", claims(b, map[string]any{"iss": nil}))),
		"issuer twice":            part[0] + "." + encode(`{"iss":"https://evil.example.com","iss":"https://`+issuerHost+`"}`) + "." + part[2],
		"rubbish":                 "rubbish",
	}
	for name, text := range tokens {
		out, err := b.AssumeRoleWithWebIdentity(t.Context(), anonymous, &AssumeRoleWithWebIdentityInput{RoleARN: role, RoleSessionName: "s1", WebIdentityToken: WebToken(text)})
		if out != nil {
			t.Errorf("%s: %+v", name, out)
		}
		wantError(t, name, err, "InvalidIdentityToken", "The web identity token that was passed could not be validated.")
	}
	// Whoever has no good token learns nothing of providers and accounts.
	for name, arn := range map[string]string{
		"an account without the provider": strings.Replace(role, account, stranger, 1), "no such account": strings.Replace(role, account, "999999999999", 1),
	} {
		_, err := b.AssumeRoleWithWebIdentity(t.Context(), anonymous, &AssumeRoleWithWebIdentityInput{RoleARN: arn, RoleSessionName: "s1", WebIdentityToken: WebToken(good)})
		wantError(t, name, err, "InvalidIdentityToken", "The web identity token that was passed could not be validated.")
	}
}

func TestWebIdentityClaims(t *testing.T) {
	b, _, role := federation(t)
	tests := []struct {
		name       string
		change     map[string]any
		code, text string // empty if it is good
	}{
		{"good", nil, "", ""},
		{"expired", map[string]any{"exp": b.now.Add(-time.Minute).Unix()}, "ExpiredTokenException", "Token expired"},
		{"expired within the skew", map[string]any{"exp": b.now.Add(-59 * time.Second).Unix()}, "", ""},
		{"no expiry", map[string]any{"exp": nil}, "InvalidIdentityToken", "exp"},
		{"a fraction of a second", map[string]any{"exp": 1e10 + 0.5}, "InvalidIdentityToken", "wrong type"},
		{"a time as text", map[string]any{"exp": "2030-01-01"}, "InvalidIdentityToken", "wrong type"},
		{"not yet valid", map[string]any{"nbf": b.now.Add(61 * time.Second).Unix()}, "InvalidIdentityToken", "not valid yet"},
		{"valid within the skew", map[string]any{"nbf": b.now.Add(60 * time.Second).Unix()}, "", ""},
		{"of the future", map[string]any{"iat": b.now.Add(time.Hour).Unix()}, "InvalidIdentityToken", "not valid yet"},
		{"no subject", map[string]any{"sub": nil}, "InvalidIdentityToken", "sub"},
		{"long subject", map[string]any{"sub": strings.Repeat("s", 256)}, "InvalidIdentityToken", "sub"},
		{"subject that is no text", map[string]any{"sub": 7}, "InvalidIdentityToken", "wrong type"},
		{"no audience", map[string]any{"aud": nil}, "InvalidIdentityToken", "aud"},
		{"another audience", map[string]any{"aud": "sts.amazonaws.com.evil"}, "InvalidIdentityToken", "Incorrect token audience"},
		{"audience in another case", map[string]any{"aud": "STS.amazonaws.com"}, "InvalidIdentityToken", "Incorrect token audience"},
		{"several audiences", map[string]any{"aud": []string{"x", "client-2"}}, "", ""},
		{"empty list of audiences", map[string]any{"aud": []string{}}, "InvalidIdentityToken", "aud"},
		{"another authorized party", map[string]any{"azp": "evil"}, "InvalidIdentityToken", "Incorrect token audience"},
		{"empty authorized party", map[string]any{"azp": ""}, "InvalidIdentityToken", "Incorrect token audience"},
		{"authorized party that is registered", map[string]any{"azp": "client-2", "aud": "x"}, "", ""},
		{"another subject", map[string]any{"sub": "repo:octo/other"}, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		{"tag with two values", map[string]any{claimTags: map[string]any{"principal_tags": map[string]any{"k": []string{"a", "b"}}}}, "InvalidIdentityToken", "principal tag"},
		{"reserved tag", map[string]any{claimTags: map[string]any{"principal_tags": map[string]any{"aws:k": []string{"a"}}}}, "InvalidIdentityToken", "reserved"},
		{"tags that are no object", map[string]any{claimTags: "x"}, "InvalidIdentityToken", "wrong type"},
		{"odd source identity", map[string]any{claimSourceIdentity: "a b"}, "InvalidIdentityToken", "sourceIdentity"},
	}
	for _, tt := range tests {
		_, err := b.AssumeRoleWithWebIdentity(t.Context(), anonymous, &AssumeRoleWithWebIdentityInput{RoleARN: role, RoleSessionName: "s1",
			WebIdentityToken: webToken(jose.ES256, ecKey(), "ec", claims(b, tt.change))})
		switch {
		case tt.code != "":
			wantError(t, tt.name, err, tt.code, tt.text)
		case err != nil:
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestWebIdentityRequest refuses requests before any token is looked at, and roles
// that are not there as those that do not trust.
func TestWebIdentityRequest(t *testing.T) {
	b, _, role := federation(t)
	good := webToken(jose.ES256, ecKey(), "ec", claims(b, nil))
	users := b.role("users", trusts(trustsAccount, assumes, ""), "")
	for _, tt := range []struct {
		name       string
		change     func(*AssumeRoleWithWebIdentityInput)
		code, text string
	}{
		{"no token", func(in *AssumeRoleWithWebIdentityInput) { in.WebIdentityToken = "" }, "ValidationError", "webIdentityToken"},
		{"long token", func(in *AssumeRoleWithWebIdentityInput) { in.WebIdentityToken = WebToken(strings.Repeat("a", 20001)) }, "ValidationError", "20000"},
		{"OAuth 2.0", func(in *AssumeRoleWithWebIdentityInput) { in.ProviderID = "graph.facebook.com" }, "NotImplemented", ""},
		{"no ARN", func(in *AssumeRoleWithWebIdentityInput) { in.RoleARN = "an ARN of at least 20" }, "ValidationError", "Request ARN is invalid"},
		{"policy", func(in *AssumeRoleWithWebIdentityInput) { in.Policy = ptr("{") }, "MalformedPolicyDocument", ""},
		{"longer than the role", func(in *AssumeRoleWithWebIdentityInput) { in.DurationSeconds = ptr[int32](7200) }, "ValidationError", "MaxSessionDuration"},
		{"no such role", func(in *AssumeRoleWithWebIdentityInput) { in.RoleARN = role + "x" }, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
		{"a role for users", func(in *AssumeRoleWithWebIdentityInput) { in.RoleARN = users }, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"},
	} {
		in := &AssumeRoleWithWebIdentityInput{RoleARN: role, RoleSessionName: "s1", WebIdentityToken: good}
		tt.change(in)
		_, err := b.AssumeRoleWithWebIdentity(t.Context(), anonymous, in)
		wantError(t, tt.name, err, tt.code, tt.text)
	}
	// A signature on the request gives no more rights, and no other name.
	root := b.root(account)
	_, err := b.AssumeRoleWithWebIdentity(t.Context(), root, &AssumeRoleWithWebIdentityInput{RoleARN: users, RoleSessionName: "s1", WebIdentityToken: good})
	wantError(t, "signed by root", err, "AccessDenied", "Not authorized")
}

// TestWebIdentityTrust decides on the claims.
func TestWebIdentityTrust(t *testing.T) {
	b, i, _ := federation(t)
	const github = "token.actions.githubusercontent.com"
	i.configuration = map[string]any{"issuer": "https://" + github, "jwks_uri": "https://" + github + "/keys"}
	b.keys.roots = nil
	_, err := b.ids.CreateProvider(t.Context(), account, identity.NewProvider{URL: "https://" + github, ClientIDs: []string{"sts.amazonaws.com"}}, nil)
	b.must(err)
	provider := &identity.Provider{URL: github}
	k := b.keys.of(provider)
	k.keys, k.fetchedAt = []jose.JSONWebKey{{Key: &ecKey().PublicKey, KeyID: "ec"}}, b.now
	n := 0
	assume := func(condition string, changes map[string]any) error {
		n++
		role := b.role(fmt.Sprint("gh", n), trusts(`{"Federated":"arn:aws:iam::`+account+`:oidc-provider/`+github+`"}`, `"sts:AssumeRoleWithWebIdentity"`, condition), "")
		c := claims(b, changes)
		c["iss"] = "https://" + github
		_, err := b.AssumeRoleWithWebIdentity(t.Context(), anonymous, &AssumeRoleWithWebIdentityInput{RoleARN: role, RoleSessionName: "s1",
			WebIdentityToken: webToken(jose.ES256, ecKey(), "ec", c)})
		return err
	}
	pinned := `{"StringEquals":{"` + github + `:aud":"sts.amazonaws.com","` + github + `:repository_id":"42","` + github + `:job_workflow_ref":"octo/app/.github/workflows/x.yml@refs/heads/main"}}`
	good := map[string]any{"repository_id": "42", "job_workflow_ref": "octo/app/.github/workflows/x.yml@refs/heads/main"}
	if err := assume(pinned, good); err != nil {
		t.Errorf("the claims that the role asks for: %v", err)
	}
	for name, err := range map[string]error{
		"another repository":                    assume(pinned, map[string]any{"repository_id": "43", "job_workflow_ref": good["job_workflow_ref"]}),
		"no claim":                              assume(pinned, nil),
		"a claim that is no key":                assume(`{"StringEquals":{"`+github+`:jti":"x"}}`, map[string]any{"jti": "x"}),
		"a claim that is named as a global key": assume(`{"StringEquals":{"aws:PrincipalAccount":"`+account+`"}}`, map[string]any{"aws:PrincipalAccount": account}),
		"tags without permission":               assume(`{"StringLike":{"`+github+`:sub":"*"}}`, map[string]any{claimTags: map[string]any{"principal_tags": map[string]any{"k": []string{"v"}}}}),
	} {
		wantError(t, name, err, "AccessDenied", "Not authorized")
	}
	if err := assume(`{"StringEquals":{"aws:FederatedProvider":"arn:aws:iam::`+account+`:oidc-provider/`+github+`"}}`, nil); err != nil {
		t.Errorf("aws:FederatedProvider: %v", err)
	}
}

// TestProviderKeys counts how often keys are fetched.
func TestProviderKeys(t *testing.T) {
	b, i, role := federation(t)
	assume := func(id string, key any) error {
		_, err := b.AssumeRoleWithWebIdentity(t.Context(), anonymous, &AssumeRoleWithWebIdentityInput{RoleARN: role, RoleSessionName: "s1",
			WebIdentityToken: webToken(jose.ES256, key, id, claims(b, nil))})
		return err
	}
	check := func(what string, err error, code string, fetches int) {
		t.Helper()
		if n := i.fetches(); n != fetches || code == "" && err != nil || code != "" && !awserr.Is(err, code) {
			t.Errorf("%s: %v after %d fetches; want %q after %d", what, err, n, code, fetches)
		}
	}
	check("first", assume("ec", ecKey()), "", 2)
	check("second", assume("ec", ecKey()), "", 0)
	next := made(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	check("unknown ID at once", assume("next", next), "InvalidIdentityToken", 0)
	b.now = b.now.Add(time.Minute)
	check("unknown ID", assume("next", next), "InvalidIdentityToken", 2)
	i.publish(jose.JSONWebKey{Key: &next.PublicKey, KeyID: "next"})
	for range 10 {
		check("unknown IDs", assume("next", next), "InvalidIdentityToken", 0)
	}
	b.now = b.now.Add(time.Minute)
	check("new key", assume("next", next), "", 2)
	check("removed key", assume("ec", ecKey()), "InvalidIdentityToken", 0)
	b.now = b.now.Add(keysLast)
	i.publish(jose.JSONWebKey{Key: &ecKey().PublicKey, KeyID: "ec"})
	check("old keys", assume("next", next), "InvalidIdentityToken", 2)
	b.now = b.now.Add(keysLast)
	b.dialTo = nil
	check("provider is down", assume("ec", ecKey()), "IDPCommunicationError", 0)
	b.dialTo = i.dial
	check("right after", assume("ec", ecKey()), "IDPCommunicationError", 0)
	b.now = b.now.Add(retryAfter)
	check("up again", assume("ec", ecKey()), "", 2)
}

// TestProviderAnswers refuses what a provider answers wrongly.
func TestProviderAnswers(t *testing.T) {
	serve := func(fn func(http.ResponseWriter, *http.Request)) any { return fn }
	configuration := func(issuer, keys string) any { return map[string]any{"issuer": issuer, "jwks_uri": keys} }
	const own = "https://" + issuerHost
	tests := []struct {
		name                  string
		configuration, keySet any
		ok                    bool
	}{
		{name: "good", ok: true},
		{name: "keys at another host", configuration: configuration(own, "https://keys.example.com/keys"), ok: true},
		{name: "redirect on the host", keySet: serve(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/keys" {
				http.Redirect(w, r, "/more", http.StatusFound)
				return
			}
			json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &ecKey().PublicKey, KeyID: "ec"}}})
		}), ok: true},
		{name: "another issuer", configuration: configuration("https://evil.example.com", own+"/keys")},
		{name: "keys over http", configuration: configuration(own, "http://"+issuerHost+"/keys")},
		{name: "keys at an address", configuration: configuration(own, "https://169.254.169.254/keys")},
		{name: "keys at this machine", configuration: configuration(own, "https://localhost/keys")},
		{name: "keys with a password", configuration: configuration(own, "https://u:p@"+issuerHost+"/keys")},
		{name: "no keys", configuration: configuration(own, "")},
		{name: "redirect to another host", keySet: serve(func(w http.ResponseWriter, r *http.Request) {
			if r.Host == issuerHost {
				http.Redirect(w, r, "https://keys.example.com/keys", http.StatusFound)
				return
			}
			json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &ecKey().PublicKey, KeyID: "ec"}}})
		})},
		{name: "redirect to http", keySet: serve(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://"+issuerHost+"/x", http.StatusFound)
		})},
		{name: "redirect for ever", keySet: serve(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/keys", http.StatusFound) })},
		{name: "not found", keySet: serve(func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) })},
		{name: "no JSON", keySet: serve(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") })},
		{name: "too long", keySet: serve(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"keys":[`+strings.Repeat(" ", fetchSize)+`]}`)
		})},
		{name: "too many keys", keySet: jose.JSONWebKeySet{Keys: make101()}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, i, role := federation(t)
			if tt.configuration != nil {
				i.configuration = tt.configuration
			}
			if tt.keySet != nil {
				i.keySet = tt.keySet
			}
			_, err := b.AssumeRoleWithWebIdentity(t.Context(), anonymous, &AssumeRoleWithWebIdentityInput{RoleARN: role, RoleSessionName: "s1",
				WebIdentityToken: webToken(jose.ES256, ecKey(), "ec", claims(b, nil))})
			if tt.ok != (err == nil) || err != nil && !awserr.Is(err, "IDPCommunicationError") {
				t.Errorf("AssumeRoleWithWebIdentity = %v", err)
			}
		})
	}
}

func make101() []jose.JSONWebKey {
	keys := make([]jose.JSONWebKey, 101)
	for i := range keys {
		keys[i] = jose.JSONWebKey{Key: &ecKey().PublicKey, KeyID: fmt.Sprint(i)}
	}
	return keys
}

// TestProviderCertificates trusts an authority by its thumbprint.
func TestProviderCertificates(t *testing.T) {
	for _, tt := range []struct {
		name              string
		trust, thumbprint bool
		host              string
		ok                bool
	}{
		{"trusted authority", true, false, issuerHost, true},
		{"unknown authority", false, false, issuerHost, false},
		{"thumbprint", false, true, issuerHost, true},
		{"thumbprint, for another host", false, true, "other.example.com", false},
		{"trusted authority, for another host", true, false, "other.example.com", false},
		{"trusted authority, for an address", true, false, "192.0.2.7", false},
		{"thumbprint, for an address", false, true, "192.0.2.7", false},
	} {
		i := newIssuer(t)
		i.configuration = map[string]any{"issuer": "https://" + tt.host, "jwks_uri": "https://" + tt.host + "/keys"}
		p := newProviderKeys(i.dial, x509.NewCertPool(), time.Now)
		if tt.trust {
			p.roots = i.roots
		}
		provider := &identity.Provider{URL: tt.host, Thumbprints: []string{strings.Repeat("0", 40)}}
		if tt.thumbprint {
			provider.Thumbprints = append(provider.Thumbprints, strings.ToUpper(thumbprint(i.top)))
		}
		keys, err := p.find(t.Context(), provider, "ec")
		if tt.ok != (err == nil) || tt.ok != (len(keys) == 1) || err != nil && !errors.Is(err, errUnreachable) {
			t.Errorf("%s: %d keys, %v", tt.name, len(keys), err)
		}
	}
}

func TestGuard(t *testing.T) {
	for _, tt := range []struct {
		host, at string
		ok       bool
	}{
		{"idp.example.com", "192.0.2.7", true},
		{"idp.example.com", "10.0.0.7", true},
		{"idp.example.com", "2001:db8::7", true},
		{"idp.example.com", "fd12::7", true},
		{"localhost", "127.0.0.1", true},
		{"127.0.0.1", "127.0.0.1", true},
		{"::1", "::1", true},
		{"idp.example.com", "127.0.0.1", false},
		{"idp.example.com", "127.9.9.9", false},
		{"idp.example.com", "::1", false},
		{"idp.example.com", "::ffff:127.0.0.1", false},
		{"127.0.0.1", "127.0.0.2", false},
		{"idp.example.com", "169.254.169.254", false},
		{"169.254.169.254", "169.254.169.254", false},
		{"::ffff:169.254.169.254", "::ffff:169.254.169.254", false},
		{"idp.example.com", "fe80::1%eth0", false},
		{"idp.example.com", "fd00:ec2::254", false},
		{"idp.example.com", "0.0.0.0", false},
		{"0.0.0.0", "0.0.0.0", false},
		{"idp.example.com", "224.0.0.1", false},
	} {
		if err := guard(tt.host, netip.MustParseAddr(tt.at)); tt.ok != (err == nil) {
			t.Errorf("guard(%s, %s) = %v", tt.host, tt.at, err)
		}
	}
	// The dialer asks the guard about the address, not about the name.
	if _, err := guardedDial(t.Context(), "tcp", "[::ffff:169.254.169.254]:443"); err == nil || !strings.Contains(err.Error(), "no identity provider may be") {
		t.Errorf("guardedDial = %v", err)
	}
}

// FuzzVerify feeds tokens of outside to the verifier: none of them passes.
func FuzzVerify(f *testing.F) {
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSJ9.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlLmNvbSJ9.AAAA")
	f.Add("eyJhbGciOiJFUzI1NiIsImtpZCI6ImVjIn0.eyJpc3MiOiJodHRwczovL2lkcC5leGFtcGxlLmNvbSIsImF1ZCI6WyJhIl19.AAAA")
	b := newBench(f)
	_, err := b.ids.CreateProvider(f.Context(), account, identity.NewProvider{URL: "https://" + issuerHost, ClientIDs: []string{"a"}}, nil)
	if err != nil {
		f.Fatal(err)
	}
	k := b.keys.of(&identity.Provider{URL: issuerHost})
	k.keys, k.fetchedAt, k.triedAt = []jose.JSONWebKey{{Key: &rsaKey().PublicKey, KeyID: "rsa"}, {Key: &ecKey().PublicKey, KeyID: "ec"}}, b.now, b.now
	f.Fuzz(func(t *testing.T, text string) {
		w, err := b.verify(t.Context(), account, text)
		if w != nil || !errors.Is(err, errInvalidToken) {
			t.Errorf("verify = %+v, %v", w, err)
		}
	})
}

// FuzzClaims feeds the claims of a signed token to their reader.
func FuzzClaims(f *testing.F) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	f.Add([]byte(`{"sub":"s","aud":"a","exp":9999999999}`))
	f.Add([]byte(`{"sub":"s","aud":["a"],"azp":"a","exp":9999999999,"https://aws.amazon.com/tags":{"principal_tags":{"k":["v"]},"transitive_tag_keys":["k"]}}`))
	f.Add([]byte(`{"sub":"s","sub":"t","aud":"a","exp":1}`))
	f.Add([]byte(`{"exp":-9223372036854775808,"iat":9223372036854775807}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		w := &webIdentity{provider: &identity.Provider{URL: issuerHost, ClientIDs: []string{"a"}}}
		err := w.read(payload, now)
		if err != nil {
			if !errors.Is(err, errInvalidToken) && !errors.Is(err, errExpired) {
				t.Errorf("read = %v", err)
			}
			return
		}
		if w.subject == "" || w.audience != "a" || len(w.tags) > maxTags {
			t.Errorf("read = %+v", w)
		}
		session, trust := w.keys()
		for _, keys := range []map[string][]string{session, trust} {
			for k := range keys {
				if !strings.HasPrefix(k, issuerHost+":") || k != strings.ToLower(k) {
					t.Errorf("key %s", k)
				}
			}
		}
	})
}
