package conformance

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/fxamacker/cbor/v2"
	"github.com/go-jose/go-jose/v4"
)

// attackedCalls are requests to the other services that change or tell something.
var attackedCalls = []knock{
	query("iam", queryForm("CreateUser", "Version", "2010-05-08", "UserName", "planted")),
	query("iam", queryForm("CreateAccessKey", "Version", "2010-05-08", "UserName", "boss")),
	query("iam", queryForm("GetAccountAuthorizationDetails", "Version", "2010-05-08")),
	query("sts", queryForm("GetCallerIdentity", "Version", "2011-06-15")),
	query("sts", queryForm("GetSessionToken", "Version", "2011-06-15")),
	query("sts", queryForm("AssumeRole", "Version", "2011-06-15", "RoleArn", "arn:aws:iam::123456789012:role/allmighty", "RoleSessionName", "x1")),
	target("kms", "TrentService.ListKeys", "{}"),
	target("kms", "TrentService.CreateKey", "{}"),
	target("organizations", "AWSOrganizationsV20161128.ListAccounts", "{}"),
	target("organizations", "AWSOrganizationsV20161128.CreateOrganizationalUnit", `{"ParentId":"r-abcd","Name":"planted"}`),
	{service: "rolesanywhere", method: "GET", target: "/trustanchors"},
	{service: "rolesanywhere", method: "GET", target: "/profiles"},
	{service: "coffer", method: "GET", target: "/_coffer/accounts"},
	{service: "coffer", method: "POST", target: "/_coffer/accounts", body: `{"name":"planted"}`},
	{service: "coffer", method: "POST", target: "/_coffer/sessions", body: `{"principal":"arn:aws:iam::123456789012:user/boss"}`},
	{service: "coffer", method: "POST", target: "/_coffer/clock/confirm"},
	{service: "cloudtrail", method: "POST", target: "/", body: "{}", header: []string{"X-Amz-Target", "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents", "Content-Type", "application/x-amz-json-1.1"}},
}

// spoils are what makes the signature of a request fail.
var spoils = map[string]func(h http.Header){
	"a digit changed": func(h http.Header) {
		a := h.Get("Authorization")
		h.Set("Authorization", a[:len(a)-1]+map[bool]string{true: "1", false: "0"}[a[len(a)-1] == '0'])
	},
	"none": func(h http.Header) {
		a := h.Get("Authorization")
		h.Set("Authorization", a[:strings.Index(a, "Signature=")+len("Signature=")])
	},
	"shortened": func(h http.Header) { a := h.Get("Authorization"); h.Set("Authorization", a[:len(a)-2]) },
	"left out": func(h http.Header) {
		a := h.Get("Authorization")
		h.Set("Authorization", a[:strings.Index(a, ", Signature=")])
	},
	"of another region": func(h http.Header) {
		h.Set("Authorization", strings.Replace(h.Get("Authorization"), "/us-east-1/", "/eu-west-1/", 1))
	},
	"of another day": func(h http.Header) { h.Set("X-Amz-Date", "20260101T000000Z") },
	"of no headers":  func(h http.Header) { h.Set("Authorization", strings.Replace(h.Get("Authorization"), "host;", "", 1)) },
	"of another key": func(h http.Header) {
		a := h.Get("Authorization")
		i := strings.Index(a, "Credential=")
		j := strings.Index(a, "/")
		h.Set("Authorization", a[:i]+"Credential=AKIAIOSFODNN7EXAMPLE"+a[j:])
	},
	"two authorizations": func(h http.Header) { h.Add("Authorization", h.Get("Authorization")) },
}

// tokenSpoils are what makes a session token fail besides.
func tokenSpoils(other string) map[string]func(h http.Header) {
	return map[string]func(h http.Header){
		"no token":          func(h http.Header) { h.Del("X-Amz-Security-Token") },
		"an empty token":    func(h http.Header) { h.Set("X-Amz-Security-Token", "") },
		"another's token":   func(h http.Header) { h.Set("X-Amz-Security-Token", other) },
		"a token of blanks": func(h http.Header) { h.Set("X-Amz-Security-Token", " ") },
		"two tokens":        func(h http.Header) { h.Add("X-Amz-Security-Token", other) },
		"a token unsigned": func(h http.Header) {
			h.Set("Authorization", strings.Replace(h.Get("Authorization"), ";x-amz-security-token", "", 1))
		},
	}
}

// TestBadSignaturesOfSessions sends every kind of request to every service with
// signatures and session tokens that do not hold, as who has long-term credentials and
// as who has temporary ones.
func TestBadSignaturesOfSessions(t *testing.T) {
	t.Parallel()
	c := holdCourt(t)
	wide := stsAllow(`"*"`, `"*"`)
	role := c.session(&sts.AssumeRoleInput{})
	callers := map[string]aws.CredentialsProvider{
		"root": c.credentials(), "a user": c.boss, "a role": role,
		"a user's session": temporary(iamOK(c.sts(c.boss).GetSessionToken(t.Context(), nil))(t).Credentials),
		"a federated user": temporary(iamOK(c.sts(c.boss).GetFederationToken(t.Context(), &sts.GetFederationTokenInput{Name: aws.String("fed"), Policy: &wide}))(t).Credentials),
	}
	other, err := c.session(&sts.AssumeRoleInput{}).Retrieve(t.Context())
	check(t, "Retrieve", err)
	before := c.state(t)
	for name, caller := range callers {
		creds, err := caller.Retrieve(t.Context())
		check(t, "Retrieve", err)
		all := map[string]func(h http.Header){}
		for n, f := range spoils {
			all[n] = f
		}
		if creds.SessionToken != "" {
			for n, f := range tokenSpoils(other.SessionToken) {
				all[n] = f
			}
		}
		try := func(n knock, what string) {
			t.Helper()
			for spoil, change := range all {
				n.spoil = func(r *http.Request) { change(r.Header) }
				if status, body := c.knock(t, caller, n); status != 403 && status != 400 && !(n.service == "cloudtrail" && status == 501) {
					t.Errorf("%s: %s %s %s%s, signature %s = %d %.300s; want 403 or 400", name, n.service, n.method, n.target, what, spoil, status, body)
				}
			}
		}
		for _, n := range attackedCalls {
			try(n, " "+n.body)
		}
		if creds.SessionToken == "" {
			continue // TestBadSignatures has them
		}
		for _, r := range attackedRequests {
			for _, mode := range payloadModes {
				n := knock{service: "s3", method: r.method, target: r.target, body: r.body, payload: mode}
				if strings.HasPrefix(mode, "STREAMING") {
					n.header = append(n.header, "Content-Encoding", "aws-chunked", "X-Amz-Decoded-Content-Length", fmt.Sprint(len(r.body)))
				}
				if strings.HasSuffix(mode, "TRAILER") {
					n.header = append(n.header, "X-Amz-Trailer", "x-amz-checksum-crc32")
				}
				if name == "a role" || mode == "UNSIGNED-PAYLOAD" {
					try(n, " payload "+mode)
				}
			}
		}
	}
	// What is not spoilt holds, or the test would see nothing.
	status, body := c.knock(t, role, attackedCalls[3])
	want(t, "a good signature of a session", status == 200 && strings.Contains(body, "assumed-role/allmighty/session"), true)
	c.unchanged(t, before)
}

// callerIdentity asks who credentials are of.
func (k *sdk) callerIdentity(t testing.TB, id, secret, token string) (int, string) {
	t.Helper()
	return k.knock(t, static(&id, &secret, &token), attackedCalls[3])
}

// TestTamperedSessionTokens changes each character of a session token, and uses tokens
// with what they do not belong to. A server sealed them without a MAC, so that changed
// ones opened (CVE-2025-30156 in Ceph).
func TestTamperedSessionTokens(t *testing.T) {
	t.Parallel()
	c := holdCourt(t, "--dev-clock")
	mine, err := c.session(&sts.AssumeRoleInput{DurationSeconds: aws.Int32(900)}).Retrieve(t.Context())
	check(t, "Retrieve", err)
	other, err := c.session(&sts.AssumeRoleInput{DurationSeconds: aws.Int32(43200 / 12)}).Retrieve(t.Context())
	check(t, "Retrieve", err)
	root, err := c.credentials().Retrieve(t.Context())
	check(t, "Retrieve", err)
	try := func(name, id, secret, token string) {
		t.Helper()
		if status, body := c.callerIdentity(t, id, secret, token); status != 403 || codeIn(body) != "InvalidClientTokenId" && codeIn(body) != "SignatureDoesNotMatch" {
			t.Errorf("%s = %d %s; want 403 InvalidClientTokenId", name, status, body)
		}
	}
	for i, ch := range []byte(mine.SessionToken) {
		changed := []byte(mine.SessionToken)
		changed[i] = map[bool]byte{true: 'B', false: 'A'}[ch == 'A']
		try(fmt.Sprintf("a token with another character at %d", i), mine.AccessKeyID, mine.SecretAccessKey, string(changed))
	}
	for name, token := range map[string]string{
		"cut": mine.SessionToken[:len(mine.SessionToken)-4], "cut at the front": mine.SessionToken[4:], "longer": mine.SessionToken + "AAAA", "padded": mine.SessionToken + "=",
		"doubled": mine.SessionToken + mine.SessionToken, "of half of each": mine.SessionToken[:len(mine.SessionToken)/2] + other.SessionToken[len(mine.SessionToken)/2:],
		"of another session": other.SessionToken, "very long": strings.Repeat("A", 20000), "of one character": "A", "in upper case": strings.ToUpper(mine.SessionToken),
	} {
		try("a token "+name, mine.AccessKeyID, mine.SecretAccessKey, token)
	}
	try("another session's key", other.AccessKeyID, mine.SecretAccessKey, mine.SessionToken)
	try("another session's key and secret", other.AccessKeyID, other.SecretAccessKey, mine.SessionToken)
	try("another secret", mine.AccessKeyID, other.SecretAccessKey, mine.SessionToken)
	try("root's key with a token", root.AccessKeyID, root.SecretAccessKey, mine.SessionToken)
	try("root's key with a token and the session's secret", root.AccessKeyID, mine.SecretAccessKey, mine.SessionToken)
	try("a session's key and no token", mine.AccessKeyID, mine.SecretAccessKey, "")
	for _, service := range []string{"s3", "kms"} {
		n := map[string]knock{"s3": {service: "s3", method: "GET", target: "/vault/victim"}, "kms": attackedCalls[6]}[service]
		for i := 0; i < len(mine.SessionToken); i += 29 {
			changed := mine.SessionToken[:i] + map[bool]string{true: "B", false: "A"}[mine.SessionToken[i] == 'A'] + mine.SessionToken[i+1:]
			status, body := c.knock(t, static(&mine.AccessKeyID, &mine.SecretAccessKey, &changed), n)
			if code := codeIn(body); code != "InvalidToken" && code != "UnrecognizedClientException" || status != 400 {
				t.Errorf("%s with a changed token = %d %s; want a refusal", service, status, body)
			}
		}
	}
	// Tokens of another installation, and of this one to that.
	elsewhere := connect(t, start(t))
	away := temporary(iamOK(elsewhere.sts(elsewhere.credentials()).GetSessionToken(t.Context(), nil))(t).Credentials)
	status, body := c.knock(t, away, attackedCalls[3])
	told(t, "another installation's credentials", status, body, 403, "InvalidClientTokenId")
	creds, _ := away.Retrieve(t.Context())
	try("another installation's token with a session's key", mine.AccessKeyID, mine.SecretAccessKey, creds.SessionToken)

	if status, body := c.callerIdentity(t, mine.AccessKeyID, mine.SecretAccessKey, mine.SessionToken); status != 200 {
		t.Errorf("the token itself = %d %s; want 200", status, body)
	}
	c.advance(15 * time.Minute)
	status, body = c.callerIdentity(t, mine.AccessKeyID, mine.SecretAccessKey, mine.SessionToken)
	told(t, "an expired session", status, body, 403, "ExpiredToken")
	if status, body := c.callerIdentity(t, other.AccessKeyID, other.SecretAccessKey, other.SessionToken); status != 200 {
		t.Errorf("a longer session = %d %s; want 200", status, body)
	}
	c.untouched(t)
}

// TestForgedSessionTokens makes session tokens, in the format of this server, under
// every secret that a client knows. A server signed them with the secret of its root
// user, another took any JWT that the client signed itself (GHSA-5qfg, GHSA-ccrv and
// GHSA-m77q in RustFS).
func TestForgedSessionTokens(t *testing.T) {
	t.Parallel()
	c := holdCourt(t)
	root := aws.Credentials{AccessKeyID: c.keyID, SecretAccessKey: c.secret}
	boss, err := c.boss.Retrieve(t.Context())
	check(t, "Retrieve", err)
	session, err := c.session(&sts.AssumeRoleInput{}).Retrieve(t.Context())
	check(t, "Retrieve", err)
	opened, err := base64.RawURLEncoding.DecodeString(session.SessionToken)
	check(t, "DecodeString", err)
	secrets := map[string][]byte{
		"root's secret": []byte(root.SecretAccessKey), "root's key ID": []byte(root.AccessKeyID), "a user's secret": []byte(boss.SecretAccessKey),
		"a session's secret": []byte(session.SecretAccessKey), "a session's token": []byte(session.SessionToken), "a token's bytes": opened,
		"root's signing key": c.signingKey(time.Now().UTC().Format("20060102")), "the account": []byte("123456789012"), "nothing": nil, "zeros": make([]byte, 32),
	}
	forged, forgedSecret := "ASIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	now := time.Now()
	claims := map[int]any{1: "user", 2: forgedSecret, 3: "123456789012", 4: "arn:aws:iam::123456789012:root", 8: "123456789012", 9: "arn:aws:iam::123456789012:root",
		10: now.UnixMilli(), 11: now.Add(time.Hour).UnixMilli()}
	mode, err := cbor.CoreDetEncOptions().EncMode()
	check(t, "EncMode", err)
	plain, err := mode.Marshal(claims)
	check(t, "Marshal", err)
	for name, secret := range secrets {
		sum, long := sha256.Sum256(secret), sha512.Sum512(secret)
		padded := append(append([]byte{}, secret...), make([]byte, 32)...)[:32]
		for how, key := range map[string][]byte{"itself": secret, "its SHA-256": sum[:], "its SHA-512": long[:32], "padded": padded} {
			for _, id := range []string{forged, session.AccessKeyID, root.AccessKeyID} {
				token := sealToken(t, key, id, plain)
				status, body := c.callerIdentity(t, id, forgedSecret, token)
				if status != 403 {
					t.Errorf("a token under %s, %s, for %s = %d %s; want 403", name, how, id, status, body)
				}
			}
		}
		if len(secret) < 32 {
			continue
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: secret}, nil)
		check(t, "NewSigner", err)
		signed, err := signer.Sign(fmt.Appendf(nil, `{"iss":"https://idp.example.com","sub":"root","aud":"sts.amazonaws.com","accessKey":%q,"parent":%q,"exp":%d}`, forged, root.AccessKeyID, now.Add(time.Hour).Unix()))
		check(t, "Sign", err)
		jwt, err := signed.CompactSerialize()
		check(t, "CompactSerialize", err)
		status, body := c.callerIdentity(t, forged, forgedSecret, jwt)
		told(t, "a JWT under "+name+" as session token", status, body, 403, "InvalidClientTokenId")
		status, body = c.knock(t, nil, query("sts", queryForm("AssumeRoleWithWebIdentity", "Version", "2011-06-15", "RoleArn", "arn:aws:iam::123456789012:role/allmighty",
			"RoleSessionName", "x1", "WebIdentityToken", jwt)))
		told(t, "a JWT under "+name+" as web identity", status, body, 400, "InvalidIdentityToken")
	}
	// Each unsigned operation needs its own proof.
	for _, form := range []string{
		queryForm("AssumeRole", "Version", "2011-06-15", "RoleArn", "arn:aws:iam::123456789012:role/allmighty", "RoleSessionName", "x1"),
		queryForm("AssumeRoleWithWebIdentity", "Version", "2011-06-15", "RoleArn", "arn:aws:iam::123456789012:role/allmighty", "RoleSessionName", "x1"),
		queryForm("AssumeRoleWithWebIdentity", "Version", "2011-06-15", "RoleArn", "arn:aws:iam::123456789012:role/allmighty", "RoleSessionName", "x1", "WebIdentityToken", ""),
		queryForm("AssumeRoleWithWebIdentity", "Version", "2011-06-15", "RoleArn", "arn:aws:iam::123456789012:role/allmighty", "RoleSessionName", "x1", "WebIdentityToken", session.SessionToken),
		queryForm("AssumeRoleWithSAML", "Version", "2011-06-15", "RoleArn", "arn:aws:iam::123456789012:role/allmighty", "PrincipalArn", "arn:aws:iam::123456789012:saml-provider/x", "SAMLAssertion", "eA=="),
		queryForm("AssumeRoleWithCustomToken", "Version", "2011-06-15", "Token", "x"), queryForm("AssumeRoleWithLDAPIdentity", "Version", "2011-06-15", "LDAPUsername", "boss"),
		queryForm("AssumeRoleWithCertificate", "Version", "2011-06-15"), queryForm("AssumeRoleWithClientGrants", "Version", "2011-06-15", "Token", "x"),
	} {
		for _, n := range []knock{query("sts", form), {service: "sts", method: "GET", target: "/?" + form}} {
			if status, body := c.knock(t, nil, n); status < 400 || strings.Contains(body, "SecretAccessKey") {
				t.Errorf("unsigned %s %s = %d %s; want a refusal", n.method, form, status, body)
			}
		}
	}
	want(t, "users", len(iamOK(c.iam().ListUsers(t.Context(), &iam.ListUsersInput{}))(t).Users), 2)
}

// sealToken seals a session as package authn does, under a secret.
func sealToken(t testing.TB, secret []byte, id string, plain []byte) string {
	t.Helper()
	const label = "coffer/v1/session-token"
	salt := random(77, 16)
	key, err := hkdf.Key(sha512.New, secret, salt, label, 32)
	check(t, "hkdf", err)
	block, err := aes.NewCipher(key)
	check(t, "NewCipher", err)
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	check(t, "NewGCM", err)
	b := append([]byte{1}, salt...)
	return base64.RawURLEncoding.EncodeToString(gcm.Seal(b, nil, plain, append(append([]byte(label), 1), id...)))
}
