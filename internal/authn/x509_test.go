package authn

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"coffer/internal/awserr"
)

var x509Now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// certified is who has a certificate that it signed itself, and its key.
type certified struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func newCertified(t testing.TB, key crypto.Signer) *certified {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(0).Exp(big.NewInt(2), big.NewInt(100), nil), Subject: pkix.Name{CommonName: "web"},
		NotBefore: x509Now, NotAfter: x509Now.Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &certified{cert, key}
}

// x509Request signs a CreateSession as the User Guide describes it. change alters the
// request before it is signed.
func (c *certified) request(t testing.TB, body string, change func(*http.Request)) *http.Request {
	t.Helper()
	q := url.Values{"roleArn": {"arn:aws:iam::123456789012:role/a b"}, "profileArn": {"arn:aws:rolesanywhere:us-east-1:123456789012:profile/p"}}
	r := httptest.NewRequest("POST", "http://127.0.0.1:7070/sessions?"+q.Encode(), strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Amz-Date", x509Now.Format("20060102T150405Z"))
	r.Header.Set("X-Amz-X509", base64.StdEncoding.EncodeToString(c.cert.Raw))
	if change != nil {
		change(r)
	}
	var names []string
	canonical := "POST\n/sessions\n" + strings.ReplaceAll(r.URL.RawQuery, "+", "%20") + "\n"
	for _, name := range []string{"content-type", "host", "x-amz-date", "x-amz-x509", "x-amz-x509-chain"} {
		v := r.Header.Get(name)
		if name == "host" {
			v = r.Host
		}
		if v != "" {
			names = append(names, name)
			canonical += name + ":" + v + "\n"
		}
	}
	signed := strings.Join(names, ";")
	sum := sha256.Sum256([]byte(body))
	canonical += "\n" + signed + "\n" + hex.EncodeToString(sum[:])
	sum = sha256.Sum256([]byte(canonical))
	algorithm := "AWS4-X509-RSA-SHA256"
	if _, ok := c.key.(*ecdsa.PrivateKey); ok {
		algorithm = "AWS4-X509-ECDSA-SHA256"
	}
	date := r.Header.Get("X-Amz-Date")
	scope := date[:8] + "/us-east-1/rolesanywhere/aws4_request"
	digest := sha256.Sum256([]byte(algorithm + "\n" + date + "\n" + scope + "\n" + hex.EncodeToString(sum[:])))
	signature, err := c.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", algorithm+" Credential="+c.cert.SerialNumber.String()+"/"+scope+", SignedHeaders="+signed+", Signature="+hex.EncodeToString(signature))
	return r
}

func x509Authenticator() *Authenticator {
	return New(Config{Now: func() time.Time { return x509Now }, Region: "us-east-1"})
}

func x509Keys(t testing.TB) map[string]crypto.Signer {
	t.Helper()
	keys := make(map[string]crypto.Signer)
	for name, curve := range map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521(), "P-224": elliptic.P224()} {
		keys[name], _ = ecdsa.GenerateKey(curve, rand.Reader)
	}
	keys["RSA"], _ = rsa.GenerateKey(rand.Reader, 2048)
	keys["weak RSA"], _ = rsa.GenerateKey(rand.Reader, 1024)
	return keys
}

func TestX509(t *testing.T) {
	a := x509Authenticator()
	for name, key := range x509Keys(t) {
		c := newCertified(t, key)
		caller, s, body, err := a.X509(c.request(t, `{"a":1}`, nil), "rolesanywhere", Facts{RequestID: "R"})
		if name == "P-224" || name == "weak RSA" {
			if !awserr.Is(err, "AccessDeniedException") {
				t.Errorf("%s: X509 = %v; want AccessDeniedException", name, err)
			}
			continue
		}
		if err != nil || !caller.IsAnonymous() || caller.Region != "us-east-1" || caller.RequestID != "R" || string(body) != `{"a":1}` ||
			!s.Certificate.Equal(c.cert) || len(s.Chain) != 0 {
			t.Errorf("%s: X509 = %+v, %+v, %q, %v", name, caller, s, body, err)
		}
	}
}

func TestX509Chain(t *testing.T) {
	keys := x509Keys(t)
	c, above := newCertified(t, keys["P-256"]), newCertified(t, keys["RSA"])
	a := x509Authenticator()
	text := base64.StdEncoding.EncodeToString(above.cert.Raw)
	for n, want := range map[int]string{1: "", 5: "", 6: "AccessDeniedException"} {
		r := c.request(t, "", func(r *http.Request) {
			r.Header.Set("X-Amz-X509-Chain", strings.TrimSuffix(strings.Repeat(text+",", n), ","))
		})
		_, s, _, err := a.X509(r, "rolesanywhere", Facts{})
		if e := awserr.As(err); (e == nil) != (want == "") || e != nil && e.Code != want || err == nil && len(s.Chain) != n {
			t.Errorf("X509 with a chain of %d = %v; want %q", n, err, want)
		}
	}
	for _, bad := range []string{"x", text + ",", ",", text + ",AAAA"} {
		r := c.request(t, "", func(r *http.Request) { r.Header.Set("X-Amz-X509-Chain", bad) })
		if _, _, _, err := a.X509(r, "rolesanywhere", Facts{}); !awserr.Is(err, "AccessDeniedException") {
			t.Errorf("X509 with the chain %.20q = %v; want AccessDeniedException", bad, err)
		}
	}
}

// What is changed after it was signed does not get through.
func TestX509Tampered(t *testing.T) {
	keys := x509Keys(t)
	c, other := newCertified(t, keys["P-256"]), newCertified(t, keys["P-384"])
	rsaOne := newCertified(t, keys["RSA"])
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	replace := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
		}
	}
	tests := []struct {
		name   string
		tamper func(*http.Request)
		code   string
	}{
		{"nothing", func(*http.Request) {}, ""},
		{"method", func(r *http.Request) { r.Method = "PUT" }, "AccessDeniedException"},
		{"path", func(r *http.Request) { r.URL.Path = "/session" }, "AccessDeniedException"},
		{"query", func(r *http.Request) { r.URL.RawQuery += "&x=y" }, "AccessDeniedException"},
		{"host", func(r *http.Request) { r.Host = "example.com" }, "AccessDeniedException"},
		{"body", func(r *http.Request) { r.Body = http.NoBody }, "AccessDeniedException"},
		{"content type", set("Content-Type", "text/plain"), "AccessDeniedException"},
		{"date", set("X-Amz-Date", x509Now.Add(time.Second).Format("20060102T150405Z")), "AccessDeniedException"},
		{"certificate", set("X-Amz-X509", base64.StdEncoding.EncodeToString(other.cert.Raw)), "AccessDeniedException"},
		{"a second certificate", func(r *http.Request) { r.Header.Add("X-Amz-X509", "AAAA") }, "IncompleteSignatureException"},
		{"no certificate", func(r *http.Request) { r.Header.Del("X-Amz-X509") }, "AccessDeniedException"},
		{"bytes behind the certificate", set("X-Amz-X509", base64.StdEncoding.EncodeToString(append(c.cert.Raw, 0))), "AccessDeniedException"},
		{"a chain that is not signed", set("X-Amz-X509-Chain", "AAAA"), "AccessDeniedException"},
		{"another header of AWS", set("X-Amz-Security-Token", "t"), "AccessDeniedException"},
		{"an unsigned header of AWS", set("X-Amz-Meta-X", "t"), "AccessDeniedException"},
		{"serial number", replace("Credential=1", "Credential=2"), "AccessDeniedException"},
		{"serial number with a zero", replace("Credential=", "Credential=0"), "AccessDeniedException"},
		{"algorithm", replace("ECDSA", "RSA"), "AccessDeniedException"},
		{"unknown algorithm", replace("X509-ECDSA-SHA256", "X509-MLDSA"), "IncompleteSignatureException"},
		{"HMAC", replace("X509-ECDSA-SHA256", "HMAC-SHA256"), "MissingAuthenticationTokenException"},
		{"none", func(r *http.Request) { r.Header.Del("Authorization") }, "MissingAuthenticationTokenException"},
		{"service", replace("/rolesanywhere/", "/s3/"), "AccessDeniedException"},
		{"region", replace("/us-east-1/", "/eu-central-1/"), "AccessDeniedException"},
		{"terminator", replace("aws4_request", "aws5_request"), "AccessDeniedException"},
		{"certificate not signed", replace(";x-amz-x509,", ","), "AccessDeniedException"},
		{"host not signed", replace("host;", ""), "AccessDeniedException"},
		{"no signature", replace("Signature=", "Signature=,X="), "IncompleteSignatureException"},
		{"signature no hexadecimal", replace("Signature=", "Signature=zz"), "AccessDeniedException"},
		{"signature longer", func(r *http.Request) { r.Header.Set("Authorization", r.Header.Get("Authorization")+"00") }, "AccessDeniedException"},
		{"query authentication too", func(r *http.Request) { r.URL.RawQuery += "&X-Amz-Signature=x" }, "IncompleteSignatureException"},
	}
	a := x509Authenticator()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := c.request(t, `{"durationSeconds":900}`, nil)
			tt.tamper(r)
			_, _, _, err := a.X509(r, "rolesanywhere", Facts{})
			if e := awserr.As(err); (e == nil) != (tt.code == "") || e != nil && e.Code != tt.code {
				t.Errorf("X509 = %v; want %q", err, tt.code)
			}
		})
	}
	// An RSA certificate is no ECDSA one, whatever the header says.
	r := rsaOne.request(t, "", nil)
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "RSA", "ECDSA", 1))
	if _, _, _, err := a.X509(r, "rolesanywhere", Facts{}); !awserr.Is(err, "AccessDeniedException") {
		t.Errorf("X509 of the wrong kind of key = %v; want AccessDeniedException", err)
	}
	for name, at := range map[string]time.Duration{"old": -6 * time.Minute, "future": 6 * time.Minute} {
		r := c.request(t, "", func(r *http.Request) { r.Header.Set("X-Amz-Date", x509Now.Add(at).Format("20060102T150405Z")) })
		if _, _, _, err := a.X509(r, "rolesanywhere", Facts{}); !awserr.Is(err, "AccessDeniedException") {
			t.Errorf("X509 of an %s request = %v; want AccessDeniedException", name, err)
		}
	}
}

// FuzzX509 decodes any certificates and any Authorization header. Nothing but a
// request as it was signed gets through, and every refusal is one for clients.
func FuzzX509(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	c := newCertified(f, key)
	good := c.request(f, "", nil)
	f.Add(good.Header.Get("Authorization"), good.Header.Get("X-Amz-X509"), "")
	f.Add("AWS4-X509-RSA-SHA256 Credential=1/2/3/4/5, SignedHeaders=host, Signature=00", "AAAA", "AAAA,AAAA")
	f.Add("AWS4-X509-ECDSA-SHA256 ", "", ",")
	a := x509Authenticator()
	f.Fuzz(func(t *testing.T, authorization, certificate, chain string) {
		r := httptest.NewRequest("POST", "http://127.0.0.1:7070/sessions?"+good.URL.RawQuery, nil)
		r.Header = good.Header.Clone()
		r.Header.Set("Authorization", authorization)
		r.Header.Set("X-Amz-X509", certificate)
		if chain != "" {
			r.Header.Set("X-Amz-X509-Chain", chain)
		}
		_, s, _, err := a.X509(r, "rolesanywhere", Facts{})
		// The key of a valid request may be that of another run of this test.
		if err == nil && (base64.StdEncoding.EncodeToString(s.Certificate.Raw) != certificate || chain != "") {
			t.Errorf("X509 takes %q, %q, %q", authorization, certificate, chain)
		}
		if err != nil && awserr.As(err) == nil {
			t.Errorf("X509 = %v; want an *awserr.Error", err)
		}
	})
}
