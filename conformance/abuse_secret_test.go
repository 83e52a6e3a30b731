package conformance

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/go-jose/go-jose/v4"
)

// TestSecretsOfIdentityStay plants the secrets of users and sessions, session tokens
// and web identity tokens, uses them where they belong and where they do not, and
// looks for them in the data directory, the log, the metrics and the answers to other
// requests (CVE-2023-28432 in MinIO told the root password, CVE-2018-16889 in Ceph
// logged SSE-C keys; TestSecretsStay plants those).
func TestSecretsOfIdentityStay(t *testing.T) {
	t.Parallel()
	c := holdCourt(t, "--log-level", "debug")
	p := &plant{t: t}
	c.put(t, "open", "control-key", "x")
	plantAll := func(name string, provider aws.CredentialsProvider) aws.Credentials {
		creds, err := provider.Retrieve(t.Context())
		check(t, "Retrieve", err)
		p.add("secret of "+name, []byte(creds.SecretAccessKey))
		if creds.SessionToken != "" {
			p.add("token of "+name, []byte(creds.SessionToken))
			opened, err := base64.RawURLEncoding.DecodeString(creds.SessionToken)
			check(t, "DecodeString", err)
			p.add("bytes of the token of "+name, opened[:48])
		}
		return creds
	}
	plantAll("boss", c.boss)
	plantAll("nobody", c.nobody)
	plantAll("another account's root user", c.other.credentials())
	session := plantAll("a role's session", c.session(&sts.AssumeRoleInput{}))
	plantAll("a user's session", temporary(iamOK(c.sts(c.boss).GetSessionToken(t.Context(), nil))(t).Credentials))
	plantAll("a federated user", temporary(iamOK(c.sts(c.boss).GetFederationToken(t.Context(), &sts.GetFederationTokenInput{Name: aws.String("fed")}))(t).Credentials))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: random(3, 32)}, nil)
	check(t, "NewSigner", err)
	signed, err := signer.Sign([]byte(`{"iss":"https://idp.example.com","sub":"planted-subject","aud":"sts.amazonaws.com"}`))
	check(t, "Sign", err)
	jwt, err := signed.CompactSerialize()
	check(t, "CompactSerialize", err)
	p.add("web identity token", []byte(jwt))
	p.add("signature of a web identity token", []byte(jwt[strings.LastIndex(jwt, ".")+1:]))

	// Where they belong, and a little beside it.
	role := "arn:aws:iam::123456789012:role/allmighty"
	var answers strings.Builder
	keep := func(caller aws.CredentialsProvider, n knock) {
		t.Helper()
		status, body := c.knock(t, caller, n)
		fmt.Fprintln(&answers, n.service, status, body)
	}
	use := static(&session.AccessKeyID, &session.SecretAccessKey, &session.SessionToken)
	for _, n := range []knock{{service: "s3", method: "GET", target: "/vault/victim"}, {service: "s3", method: "GET", target: "/vault/none"}, attackedCalls[2], attackedCalls[3], attackedCalls[6], attackedCalls[8], {service: "coffer", method: "GET", target: "/_coffer/accounts"}} {
		keep(use, n)
		keep(c.nobody, n)
		for _, spoil := range spoils {
			n.spoil = func(r *http.Request) { spoil(r.Header) }
			keep(use, n)
		}
	}
	keep(nil, query("sts", queryForm("AssumeRoleWithWebIdentity", "Version", "2011-06-15", "RoleArn", role, "RoleSessionName", "x1", "WebIdentityToken", jwt)))
	keep(nil, query("sts", queryForm("AssumeRoleWithWebIdentity", "Version", "2011-06-15", "RoleArn", role, "RoleSessionName", "x1", "WebIdentityToken", jwt[:len(jwt)-4]+"AAAA")))
	keep(nil, query("sts", queryForm("AssumeRoleWithSAML", "Version", "2011-06-15", "RoleArn", role, "PrincipalArn", role, "SAMLAssertion", jwt)))
	keep(nil, knock{service: "sts", method: "GET", target: "/?" + queryForm("AssumeRoleWithWebIdentity", "Version", "2011-06-15", "RoleArn", role, "RoleSessionName", "x1", "WebIdentityToken", jwt)})
	keep(c.nobody, query("iam", queryForm("GetUser", "Version", "2010-05-08", "UserName", "boss")+"&Token="+session.SessionToken))
	keep(use, knock{service: "s3", method: "GET", target: "/vault?list-type=2"})
	u, _ := c.presign(t, "GET", "/vault/victim", time.Minute, time.Now())
	_, signature, _ := strings.Cut(u, "X-Amz-Signature=")
	p.add("signature of a URL", []byte(signature[:64]))
	if status, _ := c.do(t, "GET", u, ""); status != 200 {
		t.Errorf("presigned GET = %d; want 200", status)
	}
	// The answers to everything that root may ask.
	answers.WriteString(c.state(t))
	_, accounts := c.admin("GET", "accounts", "")
	answers.WriteString(accounts)
	res, err := http.Get(c.endpoint + "/_coffer/metrics")
	check(t, "GET metrics", err)
	metrics, err := io.ReadAll(res.Body)
	check(t, "read metrics", err)
	res.Body.Close()

	p.scan("an answer", []byte(answers.String()))
	p.scan("metrics", metrics)
	time.Sleep(1200 * time.Millisecond) // the trail of reads is written every second
	p.scanDir(c.dir)
	c.stop()
	p.scanDir(c.dir)
	p.scan("the log", []byte(c.logs()))
	if !strings.Contains(c.logs(), "level=DEBUG") || !strings.Contains(c.logs(), "web identity token refused") {
		t.Error("the log holds no requests")
	}
}
