package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"coffer/internal/extkey"
	"coffer/internal/sigv4"
	"coffer/internal/xks"
)

const (
	testKeyID  = "HGIE2BUAFNDMBCMSQVWLGCEXAMPLE"
	testSecret = "VU6W2byoiBrhDqNGbx703oL0syCAmhlQgwNUT123456"
)

var testMetadata = xks.RequestMetadata{AWSPrincipalARN: "arn:aws:iam::123456789012:user/Alice", KMSKeyARN: "arn:aws:kms:us-east-1:123456789012:key/k",
	KMSOperation: "Encrypt", KMSRequestID: "r"}

// serve runs a proxy with one handler and returns its manager.
func serve(t *testing.T, cfg Config, handler http.HandlerFunc) (extkey.Manager, *httptest.Server) {
	t.Helper()
	srv := httptest.NewTLSServer(handler)
	t.Cleanup(srv.Close)
	cfg.Roots = x509.NewCertPool()
	cfg.Roots.AddCert(srv.Certificate())
	return dial(t, cfg, srv.URL), srv
}

func dial(t *testing.T, cfg Config, endpoint string) extkey.Manager {
	t.Helper()
	cfg.Listed = append(cfg.Listed, endpoint)
	if cfg.budget == 0 {
		cfg.budget = 5 * time.Second // what is tested is not how fast this machine is
	}
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	m, err := d.Manager(extkey.Store{Endpoint: endpoint, Path: "/p/kms/xks/v1", Region: "eu-west-1", Credential: xks.Credential{AccessKeyID: testKeyID, Secret: testSecret}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// toy is a proxy that turns every bit.
func toy(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		q := &sigv4.Request{Method: r.Method, Path: r.URL.Path, RawQuery: r.URL.RawQuery, Host: r.Host, Header: r.Header}
		s, err := xks.ParseSignature(q, time.Now())
		if err != nil || s.AccessKeyID != testKeyID || s.Region != "eu-west-1" || !s.Verify(q, body, testSecret, nil) {
			t.Errorf("signature %+v, %v", s, err)
		}
		if len(r.Header["Idempotency-Key"]) > 0 || r.ProtoMajor != 1 || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("request %s with %v", r.Proto, r.Header)
		}
		_, op, key, err := xks.SplitPath(r.URL.Path)
		if err != nil || op != xks.GetHealthStatus && key != "key-1" {
			t.Errorf("path %s: %v", r.URL.Path, err)
		}
		turn := func(b []byte) []byte {
			out := bytes.Clone(b)
			for i := range out {
				out[i] ^= 0xff
			}
			return out
		}
		var out any
		switch op {
		case xks.GetHealthStatus:
			q := new(xks.HealthRequest)
			err = xks.UnmarshalRequest(body, q)
			out = &xks.HealthResponse{XksProxyFleetSize: 1, XksProxyVendor: "v", XksProxyModel: "m", EkmVendor: "e",
				EkmFleetDetails: []xks.FleetMember{{ID: "1", Model: "m", HealthStatus: xks.HealthActive}}}
		case xks.GetKeyMetadata:
			err = xks.UnmarshalRequest(body, new(xks.MetadataRequest))
			out = &xks.MetadataResponse{KeySpec: xks.KeySpecAES256, KeyUsage: []string{xks.UsageEncrypt}, KeyStatus: xks.StatusEnabled}
		case xks.Encrypt:
			q := new(xks.EncryptRequest)
			err = xks.UnmarshalRequest(body, q)
			a := &xks.EncryptResponse{Ciphertext: turn(q.Plaintext), CiphertextMetadata: []byte("v1"), InitializationVector: make([]byte, 12), AuthenticationTag: make([]byte, 16)}
			a.IntegrityValue = xks.IntegrityValue(q.AdditionalAuthenticatedData, a)
			out = a
		case xks.Decrypt:
			q := new(xks.DecryptRequest)
			err = xks.UnmarshalRequest(body, q)
			out = &xks.DecryptResponse{Plaintext: turn(q.Ciphertext)}
		}
		if err != nil {
			t.Errorf("%s: %v", op, err)
		}
		w.Write(xks.Marshal(out))
	}
}

func TestManager(t *testing.T) {
	m, _ := serve(t, Config{}, toy(t))
	ctx := t.Context()
	if h, err := m.Health(ctx, &xks.HealthRequest{RequestMetadata: testMetadata}); err != nil || !h.Serves() {
		t.Errorf("Health = %+v, %v", h, err)
	}
	if d, err := m.Metadata(ctx, "key-1", &xks.MetadataRequest{RequestMetadata: testMetadata}); err != nil || d.KeySpec != "AES_256" {
		t.Errorf("Metadata = %+v, %v", d, err)
	}
	e, err := m.Encrypt(ctx, "key-1", &xks.EncryptRequest{RequestMetadata: testMetadata, Plaintext: []byte("hello"), AdditionalAuthenticatedData: []byte("aad")})
	if err != nil {
		t.Fatal(err)
	}
	p, err := m.Decrypt(ctx, "key-1", &xks.DecryptRequest{RequestMetadata: testMetadata, Ciphertext: e.Ciphertext, CiphertextMetadata: e.CiphertextMetadata,
		InitializationVector: e.InitializationVector, AuthenticationTag: e.AuthenticationTag})
	if err != nil || string(p.Plaintext) != "hello" {
		t.Errorf("Decrypt = %v, %v", p, err)
	}
	if _, err := m.Encrypt(ctx, "../key", &xks.EncryptRequest{Plaintext: []byte("x")}); err == nil {
		t.Error("Encrypt under a malformed key ID: no error")
	}
}

func encrypt(ctx context.Context, m extkey.Manager) error {
	_, err := m.Encrypt(ctx, "key-1", &xks.EncryptRequest{RequestMetadata: testMetadata, Plaintext: []byte("hello")})
	return err
}

func TestErrors(t *testing.T) {
	ok := `{"ciphertext":"AAAAAAA=","initializationVector":"AAAAAAAAAAAAAAAA","authenticationTag":"AAAAAAAAAAAAAAAAAAAAAA=="}`
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   extkey.Failure
	}{
		{"named", 429, `{"errorName":"ThrottlingException","errorMessage":"slow"}`, xks.ThrottlingException},
		{"named, status of another", 400, `{"errorName":"InternalException"}`, xks.InternalException},
		{"unheard of", 400, `{"errorName":"CoffeeException"}`, extkey.Malformed},
		{"page", 502, `<html>bad gateway</html>`, extkey.Malformed},
		{"empty", 500, ``, extkey.Malformed},
		{"redirect", 302, `{}`, extkey.Malformed},
		{"no integrity value", 200, ok, extkey.Malformed},
		{"empty answer", 200, ``, extkey.Malformed},
		{"long answer", 200, `{"x":"` + strings.Repeat("x", xks.MaxBody) + `"}`, extkey.Malformed},
		{"long error", 400, `{"errorName":"InternalException","x":"` + strings.Repeat("x", xks.MaxBody) + `"}`, extkey.Malformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, _ := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.body)
			})
			if err := encrypt(t.Context(), m); extkey.FailureOf(err) != tt.want {
				t.Errorf("Encrypt = %v; want %s", err, tt.want)
			}
		})
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	var requests atomic.Int32
	m, _ := serve(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		http.Redirect(w, r, "/p/kms/xks/v1/health", http.StatusTemporaryRedirect)
	})
	if err := encrypt(t.Context(), m); extkey.FailureOf(err) != extkey.Malformed || requests.Load() != 1 {
		t.Errorf("Encrypt = %v after %d requests; want %s after 1", err, requests.Load(), extkey.Malformed)
	}
}

func TestConnectionErrors(t *testing.T) {
	release := make(chan struct{})
	hangs, _ := serve(t, Config{budget: 20 * time.Millisecond}, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	_, strange := serve(t, Config{}, toy(t))
	plain := httptest.NewServer(toy(t))
	defer plain.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "https://" + l.Addr().String()
	l.Close()
	resets := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _, _ := w.(http.Hijacker).Hijack()
		c.Close()
	}))
	defer resets.Close()
	roots := x509.NewCertPool()
	roots.AddCert(resets.Certificate())
	for _, tt := range []struct {
		name string
		m    extkey.Manager
		want extkey.Failure
	}{
		{"hangs", hangs, extkey.TimedOut},
		{"stranger's certificate", dial(t, Config{Roots: x509.NewCertPool()}, strange.URL), extkey.Untrusted},
		{"no TLS", dial(t, Config{}, "https"+strings.TrimPrefix(plain.URL, "http")), extkey.Untrusted},
		{"nobody there", dial(t, Config{}, gone), extkey.Unreachable},
		{"hangs up", dial(t, Config{Roots: roots}, resets.URL), extkey.Unreachable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := encrypt(t.Context(), tt.m); extkey.FailureOf(err) != tt.want {
				t.Errorf("Encrypt = %v; want %s", err, tt.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := encrypt(ctx, hangs); !errors.Is(err, context.Canceled) {
		t.Errorf("Encrypt for a caller who has gone = %v; want %v", err, context.Canceled)
	}
}

// TestDeadConnection closes the idle connection under the manager, which must not
// show.
func TestDeadConnection(t *testing.T) {
	m, srv := serve(t, Config{}, toy(t))
	for range 20 {
		if err := encrypt(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		srv.CloseClientConnections()
	}
}

func TestRate(t *testing.T) {
	var requests atomic.Int32
	m, _ := serve(t, Config{Rate: 3}, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		w.WriteHeader(500)
	})
	tooMany := 0
	for range 10 {
		if extkey.FailureOf(encrypt(t.Context(), m)) == extkey.TooMany {
			tooMany++
		}
	}
	if tooMany == 0 || int(requests.Load())+tooMany != 10 {
		t.Errorf("%d requests were sent and %d refused; want some of each, 10 together", requests.Load(), tooMany)
	}
}

func TestOldTLS(t *testing.T) {
	srv := httptest.NewUnstartedServer(toy(t))
	srv.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	srv.StartTLS()
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	if err := encrypt(t.Context(), dial(t, Config{Roots: roots}, srv.URL)); extkey.FailureOf(err) != extkey.Untrusted {
		t.Errorf("Encrypt over TLS 1.1 = %v; want %s", err, extkey.Untrusted)
	}
}

func TestCheck(t *testing.T) {
	d, err := New(Config{Listed: []string{"https://hsm.corp:8443", "http://127.0.0.1:9000", "https://10.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []string{"https://xks.example.com", "https://XKS-1.example.com", "https://hsm.corp:8443", "http://127.0.0.1:9000", "https://10.0.0.1"} {
		if err := d.Check(e); err != nil {
			t.Errorf("Check(%q) = %v", e, err)
		}
	}
	for _, e := range []string{
		"", "https://", "http://xks.example.com", "https://xks.example.com:443", "https://xks.example.com/", "https://user@xks.example.com",
		"https://localhost", "https://hsm.corp:8444", "https://127.0.0.1", "https://127.1", "https://0x7f.0.0.1", "https://2130706433",
		"https://10.0.0.1.", "https://[::1]", "https://169.254.169.254", "https://a.example.com#b", "https://a.example.com?b", "ftp://a.example.com",
		"https://." + strings.Repeat("a.", 60) + "example.com", "https://..",
	} {
		if err := d.Check(e); !errors.Is(err, extkey.ErrEndpoint) {
			t.Errorf("Check(%q) = %v; want ErrEndpoint", e, err)
		}
	}
	for _, e := range []string{"http://hsm.corp", "http://localhost:1", "https://hsm.corp/path", "https://u@hsm.corp", "hsm.corp", "https://hsm.corp?x", "tcp://127.0.0.1:1"} {
		if _, err := New(Config{Listed: []string{e}}); err == nil {
			t.Errorf("New takes %q", e)
		}
	}
}

func TestOnlyPublic(t *testing.T) {
	for a, want := range map[string]bool{
		"1.1.1.1": true, "52.94.1.1": true, "2606:4700::1111": true, "::ffff:1.1.1.1": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false, "0.0.0.0": false,
		"224.0.0.1": false, "255.255.255.255": false, "::1": false, "::": false, "fe80::1%eth0": false, "fd00::1": false, "fc00::1": false,
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false, "::7f00:1": false, "ff02::1": false,
	} {
		if got := isPublic(netip.MustParseAddr(a)); got != want {
			t.Errorf("isPublic(%s) = %t", a, got)
		}
	}
	// A name that leads to this machine is refused when it is dialed.
	d, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.transport.DialContext(t.Context(), "tcp", "localhost:443"); !errors.Is(err, extkey.ErrEndpoint) {
		t.Errorf("dial localhost = %v; want ErrEndpoint", err)
	}
}
