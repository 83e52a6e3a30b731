package conformance

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/go-jose/go-jose/v4"
)

// An issuer is an identity provider on this machine.
type issuer struct {
	url    string
	client string // that is registered for it
	arn    string

	mu      sync.Mutex
	keys    []jose.JSONWebKey // guarded by mu
	fetched []string          // paths; guarded by mu
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fetched = append(i.fetched, r.URL.Path)
	switch r.URL.Path {
	case "/keys":
		json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: i.keys})
	case "/.well-known/openid-configuration":
		json.NewEncoder(w).Encode(map[string]string{"issuer": i.url, "jwks_uri": i.url + "/keys"})
	default:
		http.NotFound(w, r)
	}
}

// issuer starts an identity provider, which the server trusts by the thumbprint of its
// certificate.
func (s *server) issuer(t *testing.T, keys ...jose.JSONWebKey) *issuer {
	t.Helper()
	i := &issuer{client: "sts.amazonaws.com", keys: keys}
	idp := httptest.NewTLSServer(i)
	t.Cleanup(idp.Close)
	i.url = idp.URL
	sum := sha1.Sum(idp.Certificate().Raw)
	i.arn = *iamOK(s.iam().CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{
		Url: &i.url, ClientIDList: []string{i.client}, ThumbprintList: []string{hex.EncodeToString(sum[:])}}))(t).OpenIDConnectProviderArn
	return i
}

// A jwt is a token before it is signed.
type jwt struct {
	header, claims map[string]any
}

// text returns the token, signed by a function of what is signed.
func (j jwt) text(t testing.TB, sign func(input []byte) []byte) string {
	t.Helper()
	part := func(v any) string {
		b, err := json.Marshal(v)
		check(t, "Marshal", err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	input := part(j.header) + "." + part(j.claims)
	return input + "." + base64.RawURLEncoding.EncodeToString(sign([]byte(input)))
}

func signRSA(k *rsa.PrivateKey) func([]byte) []byte {
	return func(input []byte) []byte {
		sum := sha256.Sum256(input)
		b, err := rsa.SignPKCS1v15(nil, k, crypto.SHA256, sum[:])
		if err != nil {
			panic(err)
		}
		return b
	}
}

func signEC(k *ecdsa.PrivateKey) func([]byte) []byte {
	return func(input []byte) []byte {
		sum := sha256.Sum256(input)
		r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
		if err != nil {
			panic(err)
		}
		b := make([]byte, 64)
		r.FillBytes(b[:32])
		s.FillBytes(b[32:])
		return b
	}
}

func signHMAC(secret []byte) func([]byte) []byte {
	return func(input []byte) []byte {
		m := hmac.New(sha256.New, secret)
		m.Write(input)
		return m.Sum(nil)
	}
}

func signNothing([]byte) []byte { return nil }

// with returns a copy of a map with changes; a nil value takes one out.
func with(m map[string]any, changes ...any) map[string]any {
	m = maps.Clone(m)
	for i := 0; i < len(changes); i += 2 {
		if m[changes[i].(string)] = changes[i+1]; changes[i+1] == nil {
			delete(m, changes[i].(string))
		}
	}
	return m
}

// TestForgedWebIdentity shows a server tokens that its identity provider did not make,
// or not for it. Servers have taken tokens without a signature (CVE-2024-48916 in
// Ceph), tokens whose MAC is under the public key (CVE-2026-33322 in MinIO,
// CVE-2026-44699 in libjwt, CVE-2026-48526 in PyJWT), and tokens that are for someone
// else (GHSA-7m6v-q233-q9j9 in MinIO's operator).
func TestForgedWebIdentity(t *testing.T) {
	t.Parallel()
	k := besieged(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, "GenerateKey", err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, "GenerateKey", err)
	otherRSA, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, "GenerateKey", err)
	otherEC, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, "GenerateKey", err)
	secret := random(9, 32)
	idp := k.issuer(t, jose.JSONWebKey{Key: &rsaKey.PublicKey, KeyID: "rsa"}, jose.JSONWebKey{Key: &ecKey.PublicKey, KeyID: "ec"},
		jose.JSONWebKey{Key: &otherRSA.PublicKey, KeyID: "ps", Algorithm: "PS256"}, jose.JSONWebKey{Key: &otherEC.PublicKey, KeyID: "for encryption", Use: "enc"})
	idp.mu.Lock()
	idp.keys = append(idp.keys, jose.JSONWebKey{Key: secret, KeyID: "oct"}) // published, so no secret
	idp.mu.Unlock()
	evil := k.issuer(t, jose.JSONWebKey{Key: &otherRSA.PublicKey, KeyID: "rsa"})
	host := strings.TrimPrefix(idp.url, "https://")
	role := k.stsRole(t, "ci", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"`+idp.arn+`"},"Action":"sts:AssumeRoleWithWebIdentity",
		"Condition":{"StringEquals":{"`+host+`:sub":"repo:octo/app"}}}]}`, stsAllow(`"*"`, `"*"`))

	now := time.Now().Unix()
	header := map[string]any{"alg": "RS256", "typ": "JWT", "kid": "rsa"}
	claims := map[string]any{"iss": idp.url, "sub": "repo:octo/app", "aud": idp.client, "iat": now, "nbf": now, "exp": now + 300}
	assume := func(role, token string) (int, string) {
		t.Helper()
		return k.knock(t, nil, query("sts", queryForm("AssumeRoleWithWebIdentity", "Version", "2011-06-15", "RoleArn", role, "RoleSessionName", "build-1", "WebIdentityToken", token)))
	}
	good := jwt{header, claims}.text(t, signRSA(rsaKey))
	for name, token := range map[string]string{"RS256": good, "ES256": jwt{with(header, "alg", "ES256", "kid", "ec"), claims}.text(t, signEC(ecKey))} {
		if status, body := assume(role, token); status != 200 || !strings.Contains(body, "<SubjectFromWebIdentityToken>repo:octo/app<") {
			t.Fatalf("a good token of %s = %d %s; want 200", name, status, body)
		}
	}
	parts := strings.Split(good, ".")
	der, err := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	check(t, "MarshalPKIXPublicKey", err)
	ecDER, err := x509.MarshalPKIXPublicKey(&ecKey.PublicKey)
	check(t, "MarshalPKIXPublicKey", err)
	public := jose.JSONWebKey{Key: &rsaKey.PublicKey, KeyID: "rsa"}
	publicJSON, err := public.MarshalJSON()
	check(t, "MarshalJSON", err)
	attacker := jose.JSONWebKey{Key: &otherEC.PublicKey}
	attackerJSON, err := attacker.MarshalJSON()
	check(t, "MarshalJSON", err)
	certificate := base64.StdEncoding.EncodeToString(der)

	type forgery struct {
		name, token string
		code        string // InvalidIdentityToken if empty
	}
	var forgeries []forgery
	forge := func(name string, header map[string]any, sign func([]byte) []byte) {
		forgeries = append(forgeries, forgery{name, jwt{header, claims}.text(t, sign), ""})
	}
	for _, none := range []string{"none", "None", "NONE", "nOnE", "noNe", "none ", " none", "", "null", "nil"} {
		forge("alg "+none, with(header, "alg", none), signNothing)
		forge("alg "+none+" with a signature", with(header, "alg", none), signRSA(rsaKey))
		forge("alg "+none+" without a key ID", with(header, "alg", none, "kid", nil), signNothing)
	}
	forge("no alg", with(header, "alg", nil), signNothing)
	forge("an alg that is no text", with(header, "alg", []string{"RS256"}), signRSA(rsaKey))
	forge("an alg of zero", with(header, "alg", 0), signNothing)
	for name, public := range map[string][]byte{
		"DER": der, "PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "PEM without its last line break": []byte(strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))),
		"PKCS #1": x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey), "PKCS #1 PEM": pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)}),
		"JWK": publicJSON, "modulus": rsaKey.N.Bytes(), "EC DER": ecDER, "EC PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: ecDER}), "nothing": {},
	} {
		for _, alg := range []string{"HS256", "hs256", "RS256", "ES256"} {
			for _, kid := range []string{"rsa", "ec"} {
				forge(alg+" under the public key "+kid+" as "+name, with(header, "alg", alg, "kid", kid), signHMAC(public))
			}
		}
	}
	forge("HS256 under a secret that is published", with(header, "alg", "HS256", "kid", "oct"), signHMAC(secret))
	forge("an EC signature under an RSA key's ID", with(header, "alg", "ES256"), signEC(ecKey))
	forge("an RSA signature under an EC key's ID", with(header, "kid", "ec"), signRSA(rsaKey))
	forge("RS256 by a key for PS256", with(header, "kid", "ps"), signRSA(otherRSA))
	forge("a key for encryption", with(header, "alg", "ES256", "kid", "for encryption"), signEC(otherEC))
	forge("another hash", with(header, "alg", "RS512"), signRSA(rsaKey))
	forge("another curve", with(header, "alg", "ES384", "kid", "ec"), signEC(ecKey))
	forge("another key with its ID", header, signRSA(otherRSA))
	forge("a signature of zeros", with(header, "alg", "ES256", "kid", "ec"), func([]byte) []byte { return make([]byte, 64) }) // CVE-2022-21449
	forge("an ASN.1 signature", with(header, "alg", "ES256", "kid", "ec"), func(input []byte) []byte {
		sum := sha256.Sum256(input)
		b, _ := ecdsa.SignASN1(rand.Reader, ecKey, sum[:])
		return b
	})
	for name, extra := range map[string][]any{
		"a key of its own": {"jwk", json.RawMessage(attackerJSON)}, "a URL of keys": {"jku", evil.url + "/keys"}, "a URL of a certificate": {"x5u", evil.url + "/keys"},
		"a certificate": {"x5c", []string{certificate}}, "a thumbprint": {"x5t", "AAAA"},
	} {
		for _, kid := range []any{nil, "ec", "rsa", ""} {
			forge("with "+name, with(with(header, "alg", "ES256", "kid", kid), extra...), signEC(otherEC))
		}
	}
	for _, kid := range []string{"../../../../dev/null", "/dev/null", "' UNION SELECT 'x", "rsa\x00", "RSA", "*", "ec,rsa", "0", strings.Repeat("k", 5000)} {
		forge("a key ID of "+kid[:min(len(kid), 30)], with(header, "kid", kid), signRSA(otherRSA))
		forge("no signature, a key ID of "+kid[:min(len(kid), 30)], with(header, "alg", "HS256", "kid", kid), signHMAC(nil))
	}
	forge("an extension that is critical", with(header, "crit", []string{"b64"}, "b64", false), signRSA(rsaKey))
	for _, name := range []string{"cut", "with a part more", "with no signature", "doubled", "of two signatures", "that is encrypted", "in JSON", "with blanks", "in other base64", "of other claims", "of another header"} {
		var text string
		switch name {
		case "cut":
			text = good[:len(good)-3]
		case "with a part more":
			text = good + "." + parts[2]
		case "with no signature":
			text = parts[0] + "." + parts[1] + "."
		case "doubled":
			text = good + good
		case "of two signatures":
			text = `{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"},{"protected":"` + parts[0] + `","signature":"AAAA"}]}`
		case "that is encrypted":
			text = good + ".AAAA.AAAA"
		case "in JSON":
			text = `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`
		case "with blanks":
			text = parts[0] + " ." + parts[1] + "." + parts[2]
		case "in other base64":
			text = parts[0] + "=." + parts[1] + "." + parts[2]
		case "of other claims":
			b, _ := json.Marshal(with(claims, "sub", "repo:octo/admin"))
			text = parts[0] + "." + base64.RawURLEncoding.EncodeToString(b) + "." + parts[2]
		case "of another header":
			b, _ := json.Marshal(with(header, "alg", "PS256"))
			text = base64.RawURLEncoding.EncodeToString(b) + "." + parts[1] + "." + parts[2]
		}
		forgeries = append(forgeries, forgery{"a token " + name, text, ""})
	}
	for name, c := range map[string]struct {
		claims map[string]any
		code   string
	}{
		"for another audience":           {with(claims, "aud", "https://elsewhere.example"), ""},
		"for no audience":                {with(claims, "aud", nil), ""},
		"for a part of the audience":     {with(claims, "aud", "sts.amazonaws.co"), ""},
		"for another party":              {with(claims, "azp", "elsewhere"), ""},
		"of an issuer that is not known": {with(claims, "iss", "https://127.0.0.1:1"), ""},
		"of another issuer":              {with(claims, "iss", evil.url), ""},
		"of an issuer with a slash":      {with(claims, "iss", idp.url+"/"), ""},
		"of an issuer over HTTP":         {with(claims, "iss", "http://"+host), ""},
		"of an issuer with a user":       {with(claims, "iss", "https://x@"+host), ""},
		"of no issuer":                   {with(claims, "iss", nil), ""},
		"that has expired":               {with(claims, "exp", now-120), "ExpiredTokenException"},
		"that never expires":             {with(claims, "exp", nil), ""},
		"that expires as text":           {with(claims, "exp", "2099"), ""},
		"that is not valid yet":          {with(claims, "nbf", now+600), ""},
		"of the future":                  {with(claims, "iat", now+600), ""},
		"of another subject":             {with(claims, "sub", "repo:octo/other"), "AccessDenied"},
		"of a subject in another case":   {with(claims, "sub", "REPO:octo/app"), "AccessDenied"},
		"of a subject that is a pattern": {with(claims, "sub", "*"), "AccessDenied"},
		"of two subjects":                {with(claims, "sub", []string{"repo:octo/app", "x"}), ""},
		"of no subject":                  {with(claims, "sub", nil), ""},
	} {
		forgeries = append(forgeries, forgery{"a token " + name, jwt{header, c.claims}.text(t, signRSA(rsaKey)), c.code})
	}
	// A good token of an issuer that the role does not trust.
	forgeries = append(forgeries, forgery{"a token of a provider that the role does not trust", jwt{header, with(claims, "iss", evil.url)}.text(t, signRSA(otherRSA)), "AccessDenied"})
	// Two members of one name, of which one reader takes the first and another the last.
	b := base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"` + idp.url + `","sub":"repo:octo/app","sub":"repo:octo/other","aud":"sts.amazonaws.com","exp":9999999999}`))
	forgeries = append(forgeries, forgery{"a token with two subjects", parts[0] + "." + b + "." + base64.RawURLEncoding.EncodeToString(signRSA(rsaKey)([]byte(parts[0]+"."+b))), ""})

	fetched := len(evil.paths())
	for _, f := range forgeries {
		if f.code == "" {
			f.code = "InvalidIdentityToken"
		}
		status, body := assume(role, f.token)
		if status != 400 && status != 403 || codeIn(body) != f.code || strings.Contains(body, "SecretAccessKey") {
			t.Errorf("%s = %d %.300s; want %s", f.name, status, body, f.code)
		}
	}
	for _, path := range evil.paths()[fetched:] {
		if path != "/keys" && path != "/.well-known/openid-configuration" || len(evil.paths())-fetched > 2 {
			t.Errorf("the server fetched %s from where the token said", path)
		}
	}
	// What is denied says the same whether the role exists or not, and whether a
	// signature comes with it.
	refusals := map[string]bool{}
	for _, r := range []string{role + "x", k.stsRole(t, "not-for-it", iamTrust, stsAllow(`"*"`, `"*"`)), "arn:aws:iam::123456789012:role/" + strings.Repeat("n", 60)} {
		status, body := assume(r, good)
		told(t, "a good token for "+r, status, body, 403, "AccessDenied")
		_, text, _ := strings.Cut(body, "<Message>")
		text, _, _ = strings.Cut(text, "</Message>")
		refusals[strings.ReplaceAll(text, r, "ROLE")] = true
	}
	if len(refusals) != 1 {
		t.Errorf("roles that are not there and roles that are not for it are refused with %v; want one answer", refusals)
	}
	signed := query("sts", queryForm("AssumeRoleWithWebIdentity", "Version", "2011-06-15", "RoleArn", role, "RoleSessionName", "x1", "WebIdentityToken", forgeries[0].token))
	status, body := k.knock(t, k.credentials(), signed)
	told(t, "a forged token in a request that root signs", status, body, 400, "InvalidIdentityToken")
	for _, secret := range []string{good, parts[2]} {
		if strings.Contains(k.logs(), secret) {
			t.Error("the log holds a token")
		}
	}
	// A provider that is gone vouches for no one.
	_, err = k.iam().DeleteOpenIDConnectProvider(t.Context(), &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(idp.arn)})
	check(t, "DeleteOpenIDConnectProvider", err)
	status, body = assume(role, good)
	told(t, "a token of a provider that is gone", status, body, 400, "InvalidIdentityToken")
}

func (i *issuer) paths() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]string(nil), i.fetched...)
}
