package server

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"coffer/internal/config"
)

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// authority returns the pool of DIR/tls/ca.pem.
func authority(t *testing.T, dir string) (pool *x509.CertPool, text []byte) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, tlsDir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatal("ca.pem holds no certificate")
	}
	return pool, text
}

func leafOf(t *testing.T, conf *tls.Config) *x509.Certificate {
	t.Helper()
	c, err := conf.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.Leaf
}

func selfSignedConfig(t *testing.T, cfg *config.Server) *tls.Config {
	t.Helper()
	conf, err := tlsConfig(cfg, quietLog)
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

func TestSelfSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := settings(t.TempDir())
		cfg.TLSSelfSigned, cfg.Domains, cfg.Listen = true, []string{"s3.example.com"}, "192.0.2.1:7070"
		conf := selfSignedConfig(t, cfg)
		pool, text := authority(t, cfg.Data)
		leaf := leafOf(t, conf)
		for _, name := range []string{"localhost", "127.0.0.1", "::1", "192.0.2.1", "s3.example.com", "tour.s3.example.com"} {
			if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name, CurrentTime: time.Now()}); err != nil {
				t.Errorf("certificate for %s: %v", name, err)
			}
		}
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "example.com", CurrentTime: time.Now()}); err == nil {
			t.Error("certificate holds for another's name")
		}
		if fi, err := os.Stat(filepath.Join(cfg.Data, tlsDir, "ca-key.pem")); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("mode of the authority's key = %v, %v; want 0600", fi.Mode(), err)
		}

		// The certificate is kept until it is near its end.
		time.Sleep(leafLife - renewBefore - time.Minute)
		if leafOf(t, conf) != leaf {
			t.Error("the certificate was replaced too early")
		}
		time.Sleep(2 * time.Minute)
		if next := leafOf(t, conf); next == leaf || !next.NotAfter.After(leaf.NotAfter) {
			t.Error("the certificate is not replaced before its end")
		}

		// The authority stays over starts.
		next := leafOf(t, selfSignedConfig(t, cfg))
		if _, again := authority(t, cfg.Data); !bytes.Equal(text, again) {
			t.Error("another start made another authority")
		}
		if _, err := next.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: time.Now()}); err != nil {
			t.Errorf("certificate of another start: %v", err)
		}
	})
}

// A first start that was cut between the key and the certificate is made good; a
// pair that does not fit is not used.
func TestSelfSignedDamaged(t *testing.T) {
	cfg := settings(t.TempDir())
	cfg.TLSSelfSigned = true
	selfSignedConfig(t, cfg)
	ca := filepath.Join(cfg.Data, tlsDir, "ca.pem")
	if err := os.Remove(ca); err != nil {
		t.Fatal(err)
	}
	leaf := leafOf(t, selfSignedConfig(t, cfg))
	pool, _ := authority(t, cfg.Data)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool}); err != nil {
		t.Errorf("certificate: %v", err)
	}
	if err := os.WriteFile(ca, []byte("cut"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := tlsConfig(cfg, quietLog); err == nil {
		t.Error("a damaged authority is used")
	}
}

// newPair writes a certificate and its key, both of an authority of its own.
func newPair(t *testing.T, cert, key string) *x509.Certificate {
	t.Helper()
	cfg := settings(t.TempDir())
	s, err := selfSigned(cfg.Data, cfg)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.get(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: c.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c.Leaf
}

func TestReloader(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	touched := time.Now()
	touch := func() { // file times may be too coarse to differ
		touched = touched.Add(time.Second)
		for _, name := range []string{cert, key} {
			if err := os.Chtimes(name, touched, touched); err != nil {
				t.Fatal(err)
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		cfg := settings(dir)
		cfg.TLSCert, cfg.TLSKey = cert, key
		if _, err := tlsConfig(cfg, quietLog); err == nil {
			t.Error("a missing certificate is accepted at the start")
		}
		first := newPair(t, cert, key)
		touch()
		var log bytes.Buffer
		conf, err := tlsConfig(cfg, logTo(&log))
		if err != nil {
			t.Fatal(err)
		}
		expect := func(what string, want *x509.Certificate) {
			t.Helper()
			if got := leafOf(t, conf); !got.Equal(want) {
				t.Errorf("%s: serves certificate %s; want %s", what, got.SerialNumber, want.SerialNumber)
			}
		}
		expect("at the start", first)
		second := newPair(t, cert, key)
		touch()
		expect("right after a change", first)
		time.Sleep(reloadEvery)
		expect("a while after", second)

		// A pair that is being replaced, damaged or gone leaves the old one in use.
		newPair(t, cert, filepath.Join(dir, "elsewhere.pem"))
		touch()
		time.Sleep(reloadEvery)
		expect("with a key of another", second)
		if !strings.Contains(log.String(), "reload certificate") {
			t.Errorf("log = %s; want the failure", &log)
		}
		if err := os.Remove(cert); err != nil {
			t.Fatal(err)
		}
		time.Sleep(reloadEvery)
		expect("without a file", second)
		third := newPair(t, cert, key)
		touch()
		time.Sleep(reloadEvery)
		expect("with a good pair again", third)
	})
}

func TestServeTLS(t *testing.T) {
	cfg := settings(filepath.Join(t.TempDir(), "data"))
	cfg.TLSSelfSigned = true
	s := run(t, cfg)
	pool, _ := authority(t, cfg.Data)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	client := &http.Client{Transport: transport}
	defer transport.CloseIdleConnections()
	if !strings.HasPrefix(s.url, "https://") {
		t.Fatalf("ready on %s; want https", s.url)
	}
	if status, body := s.send(client, "s3", "PUT", "/tour", ""); status != 200 {
		t.Errorf("CreateBucket over TLS = %d %s; want 200", status, body)
	}
	c, err := tls.Dial("tcp", strings.TrimPrefix(s.url, "https://"), &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS11})
	if err == nil {
		c.Close()
		t.Error("the server speaks TLS 1.1")
	}
}

func TestClientCertificates(t *testing.T) {
	dir := t.TempDir()
	other := settings(filepath.Join(dir, "other"))
	users, err := selfSigned(filepath.Join(other.Data, tlsDir), other)
	if err != nil {
		t.Fatal(err)
	}
	cfg := settings(filepath.Join(dir, "data"))
	cfg.TLSSelfSigned, cfg.TLSClientCA = true, filepath.Join(other.Data, tlsDir, "ca.pem")
	s := run(t, cfg)
	pool, _ := authority(t, cfg.Data)

	// connect returns the error of a request with a client's certificate, or none.
	connect := func(certificates ...tls.Certificate) error {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: certificates}}
		defer transport.CloseIdleConnections()
		a, err := (&http.Client{Transport: transport}).Get(s.url + "/_coffer/health/live")
		if err == nil {
			a.Body.Close()
		}
		return err
	}
	if err := connect(); err == nil || !strings.Contains(err.Error(), "certificate required") {
		t.Errorf("without a certificate: %v; want certificate required", err)
	}
	if err := connect(clientCertificate(t, users)); err != nil {
		t.Errorf("with a certificate of the authority: %v; want none", err)
	}
	stranger, err := selfSigned(t.TempDir(), other)
	if err != nil {
		t.Fatal(err)
	}
	if err := connect(clientCertificate(t, stranger)); err == nil {
		t.Error("a certificate of another authority is accepted")
	}
}

// clientCertificate issues a certificate for a client.
func clientCertificate(t *testing.T, s *selfSigner) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl, err := template("client", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	tmpl.KeyUsage, tmpl.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, s.authority, &key.PublicKey, s.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
