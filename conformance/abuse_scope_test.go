package conformance

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// TestScopesOfServices uses what was signed for one service, operation, method or
// region elsewhere (CVE-2025-65073 in Keystone, GHSA-c667 in RustFS), and a presigned
// GetCallerIdentity with what it does not say (CVE-2020-16250 in Vault,
// CVE-2022-2385 in aws-iam-authenticator, CVE-2025-49827 in Conjur).
func TestScopesOfServices(t *testing.T) {
	t.Parallel()
	c := holdCourt(t)
	before := c.state(t)
	services := []string{"s3", "kms", "iam", "sts", "organizations", "rolesanywhere", "cloudtrail", "coffer", "execute-api", "S3", "IAM", "*", ""}
	for _, caller := range []aws.CredentialsProvider{c.credentials(), c.session(&sts.AssumeRoleInput{})} {
		for _, n := range attackedCalls {
			own := n.service
			for _, service := range services {
				if service == own {
					continue
				}
				// Signed for another service, and named as its own afterwards.
				n.service = service
				n.spoil = nil
				if status, body := c.knock(t, caller, n); status < 400 || status == 500 {
					t.Errorf("%s %s %s signed for %q = %d %.300s; want a refusal", n.method, n.target, n.body, service, status, body)
				}
				n.spoil = func(r *http.Request) {
					r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/"+service+"/aws4_request", "/"+own+"/aws4_request", 1))
				}
				if status, body := c.knock(t, caller, n); status < 400 || status == 500 {
					t.Errorf("%s %s %s signed for %q and sent for %s = %d %.300s; want a refusal", n.method, n.target, n.body, service, own, status, body)
				}
			}
			n.service = own
			for what, spoil := range map[string]func(*http.Request){
				"another region": func(r *http.Request) {
					r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/us-east-1/", "/eu-west-1/", 1))
				},
				"another method":    func(r *http.Request) { r.Method = map[string]string{"GET": "DELETE", "POST": "PUT"}[r.Method] },
				"another path":      func(r *http.Request) { r.URL.Path += "x" },
				"another query":     func(r *http.Request) { r.URL.RawQuery = "Action=CreateUser&Version=2010-05-08&UserName=planted" },
				"another host":      func(r *http.Request) { r.Host = "iam.amazonaws.com" },
				"another operation": func(r *http.Request) { r.Header.Set("X-Amz-Target", "TrentService.ListAliases") },
				"another body": func(r *http.Request) {
					b := "Action=CreateUser&Version=2010-05-08&UserName=planted"
					r.Body, r.ContentLength = io.NopCloser(strings.NewReader(b)), int64(len(b))
				},
			} {
				n.spoil = spoil
				if status, body := c.knock(t, caller, n); status < 400 || status == 500 {
					t.Errorf("%s %s %s with %s than it was signed for = %d %.300s; want a refusal", n.method, n.target, n.body, what, status, body)
				}
			}
			// What is old or of the future proves nothing any more.
			for _, at := range []time.Duration{-16 * time.Minute, 16 * time.Minute, -24 * time.Hour} {
				n.spoil, n.at = nil, time.Now().Add(at)
				if status, body := c.knock(t, caller, n); status < 400 || status == 500 {
					t.Errorf("%s %s signed %s from now = %d %.300s; want a refusal", n.service, n.target, at, status, body)
				}
			}
			n.at = time.Time{}
		}
	}
	c.unchanged(t, before)

	// A presigned GetCallerIdentity, as it is handed to who wants to know its holder.
	presign := func(target string, at time.Time) *url.URL {
		req, err := http.NewRequest("GET", c.endpoint+target, nil)
		check(t, "NewRequest", err)
		creds, err := c.boss.Retrieve(t.Context())
		check(t, "Retrieve", err)
		signed, _, err := v4.NewSigner().PresignHTTP(context.Background(), creds, req, hexSHA256(nil), "sts", c.region, at)
		check(t, "PresignHTTP", err)
		u, err := url.Parse(signed)
		check(t, "Parse", err)
		return u
	}
	const identity = "/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60"
	good := presign(identity, time.Now())
	status, body := c.do(t, "GET", good.String(), "")
	if status != 200 || !strings.Contains(body, "<Arn>arn:aws:iam::123456789012:user/boss</Arn>") {
		t.Fatalf("presigned GetCallerIdentity = %d %s; want the user", status, body)
	}
	for what, change := range map[string]func(u *url.URL) (method, body string, header []string){
		"another action": func(u *url.URL) (string, string, []string) {
			replaceQuery(u, "Action", "GetSessionToken")
			return "GET", "", nil
		},
		"a second action": func(u *url.URL) (string, string, []string) {
			u.RawQuery += "&Action=GetSessionToken"
			return "GET", "", nil
		},
		"a first action": func(u *url.URL) (string, string, []string) {
			u.RawQuery = "Action=GetSessionToken&" + u.RawQuery
			return "GET", "", nil
		},
		"an action in lower case": func(u *url.URL) (string, string, []string) {
			u.RawQuery += "&action=GetSessionToken"
			return "GET", "", nil
		},
		"an action in the body": func(u *url.URL) (string, string, []string) {
			return "POST", "Action=GetSessionToken&Version=2011-06-15", []string{"Content-Type", "application/x-www-form-urlencoded"}
		},
		"a body of a GET": func(u *url.URL) (string, string, []string) {
			return "GET", "Action=GetSessionToken&Version=2011-06-15", []string{"Content-Type", "application/x-www-form-urlencoded"}
		},
		"a POST": func(u *url.URL) (string, string, []string) { return "POST", "", nil },
		"another version": func(u *url.URL) (string, string, []string) {
			replaceQuery(u, "Version", "2010-05-08")
			return "GET", "", nil
		},
		"a longer life": func(u *url.URL) (string, string, []string) {
			replaceQuery(u, "X-Amz-Expires", "604800")
			return "GET", "", nil
		},
		"another service": func(u *url.URL) (string, string, []string) {
			u.RawQuery = strings.Replace(u.RawQuery, "%2Fsts%2F", "%2Fiam%2F", 1)
			return "GET", "", nil
		},
		"the path of S3":     func(u *url.URL) (string, string, []string) { u.Path = "/vault/victim"; return "GET", "", nil },
		"an operator's path": func(u *url.URL) (string, string, []string) { u.Path = "/_coffer/accounts"; return "GET", "", nil },
		"a target of KMS": func(u *url.URL) (string, string, []string) {
			return "POST", "{}", []string{"X-Amz-Target", "TrentService.ListKeys", "Content-Type", "application/x-amz-json-1.1"}
		},
		"an unsigned header of AWS": func(u *url.URL) (string, string, []string) { return "GET", "", []string{"X-Amz-Security-Token", "x"} },
		"another proof": func(u *url.URL) (string, string, []string) {
			return "GET", "", []string{"Authorization", "AWS4-HMAC-SHA256 x"}
		},
		"no signature": func(u *url.URL) (string, string, []string) {
			replaceQuery(u, "X-Amz-Signature", "")
			return "GET", "", nil
		},
	} {
		u := *good
		method, sent, header := change(&u)
		if status, body := c.do(t, method, u.String(), sent, header...); status < 400 || status == 500 || strings.Contains(body, "cretAccessKey") {
			t.Errorf("presigned GetCallerIdentity with %s = %d %s; want a refusal", what, status, body)
		}
	}
	for _, action := range []string{"GetSessionToken", "AssumeRole", "GetFederationToken"} {
		u := presign("/?Action="+action+"&Version=2011-06-15&Name=x1&RoleSessionName=x1&RoleArn=arn:aws:iam::123456789012:role/allmighty&X-Amz-Expires=60", time.Now())
		if status, body := c.do(t, "GET", u.String(), ""); status < 400 || strings.Contains(body, "cretAccessKey") {
			t.Errorf("presigned %s = %d %s; want a refusal: URLs leak", action, status, body)
		}
	}
	status, body = c.do(t, "GET", presign(identity, time.Now().Add(-time.Hour)).String(), "")
	if status < 400 {
		t.Errorf("a presigned GetCallerIdentity of an hour ago = %d %s; want a refusal", status, body)
	}
	// What the caller invents of itself is not in the answer's identity.
	forged := presign("/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60&Arn=arn:aws:iam::123456789012:root&Account=210987654321&UserId=root", time.Now())
	status, body = c.do(t, "GET", forged.String(), "", "Accept", "application/json", "X-Forwarded-Host", "sts.amazonaws.com")
	if status == 200 && (strings.Contains(body, ":root") || strings.Contains(body, "210987654321") || !strings.HasPrefix(strings.TrimPrefix(body, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"), "<GetCallerIdentityResponse")) {
		t.Errorf("GetCallerIdentity with a forged identity = %d %s", status, body)
	}
	c.unchanged(t, before)
}

func replaceQuery(u *url.URL, name, value string) {
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
}

// TestNoSharedSecretsOfIdentity compares what two fresh installations make: no IDs,
// keys, tokens or explanations of one are of use at the other.
func TestNoSharedSecretsOfIdentity(t *testing.T) {
	t.Parallel()
	a, b := holdCourt(t), holdCourt(t)
	var made [2][]string
	for i, c := range []*court{a, b} {
		for _, p := range []aws.CredentialsProvider{c.credentials(), c.boss, c.nobody, c.other.credentials(), c.session(&sts.AssumeRoleInput{})} {
			creds, err := p.Retrieve(t.Context())
			check(t, "Retrieve", err)
			made[i] = append(made[i], creds.AccessKeyID, creds.SecretAccessKey)
		}
		made[i] = append(made[i], c.key, c.other.id)
	}
	for i := range made[0] {
		if made[0][i] == made[1][i] {
			t.Errorf("two installations made %s", made[0][i])
		}
	}
	for what, p := range map[string]aws.CredentialsProvider{"a user": a.boss, "root": a.credentials(), "another account's root": a.other.credentials(), "a session": a.session(&sts.AssumeRoleInput{})} {
		for _, n := range append([]knock{{service: "s3", method: "GET", target: "/vault/victim"}}, attackedCalls...) {
			if status, body := b.knock(t, p, n); status != 403 && status != 400 && status != 501 {
				t.Errorf("%s %s with %s of another installation = %d %s; want 403", n.service, n.target, what, status, body)
			}
		}
	}
	status, body := a.knock(t, a.nobody, knock{service: "s3", method: "GET", target: "/vault/victim"})
	_, id, _ := strings.Cut(body, "coffer why ")
	id, _, _ = strings.Cut(id, " ")
	if status != 403 || id == "" {
		t.Fatalf("a denial = %d %s", status, body)
	}
	status, body = b.knock(t, b.credentials(), query("sts", queryForm("DecodeAuthorizationMessage", "Version", "2011-06-15", "EncodedMessage", id)))
	told(t, "an explanation of another installation", status, body, 400, "InvalidAuthorizationMessageException")
	status, body = a.knock(t, a.other.credentials(), query("sts", queryForm("DecodeAuthorizationMessage", "Version", "2011-06-15", "EncodedMessage", id)))
	if status == 200 && strings.Contains(body, "nobody") {
		t.Errorf("an explanation of another account = %d %s; want nothing of it", status, body)
	}
	b.untouched(t)
}
