package conformance

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestLock starts a second server on a data directory. It goes away without
// harm, and the lock is free when the first has ended, however it did.
func TestLock(t *testing.T) {
	s := start(t)
	s.mustPut(t, "/lock", nil)
	s.mustPut(t, "/lock/a", []byte("x"))
	cmd := exec.Command(binary, "serve", "--data", s.dir, "--listen", "127.0.0.1:0")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 3 || !strings.Contains(string(out), s.dir) {
		t.Errorf("a second server = %v %s; want exit code 3 and the name of the directory", err, out)
	}
	if a := s.send("GET", "/lock/a", nil); a.status != 200 {
		t.Errorf("GET after the second server = %d; want 200", a.status)
	}
	for _, end := range []func(){s.stop, nil} {
		if end != nil {
			end()
		} else {
			s.kill()
		}
		s = startAt(t, s.dir)
		if a := s.send("GET", "/lock/a", nil); a.status != 200 || string(a.body) != "x" {
			t.Errorf("GET after a restart = %d %q; want x", a.status, a.body)
		}
	}
}

// TestDrain stops a server while an upload and a download are under way. Both
// come to their end, nothing new begins, and the server exits with 0.
func TestDrain(t *testing.T) {
	s := start(t)
	s.makeBucket("limits")
	large := random(1, 64<<20)
	s.mustPut(t, "/limits/large", large)
	up := s.upload(0, "drained", 600<<10)
	defer up.Close()
	b := random(2, 600<<10)
	up.send(b[:400<<10])
	res, err := http.DefaultClient.Do(s.newRequest("GET", "/limits/large", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	time.Sleep(100 * time.Millisecond)

	s.cmd.Process.Signal(syscall.SIGTERM)
	eventually(t, 5*time.Second, "new connections are refused", func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.endpoint, "http://"))
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	select {
	case err := <-s.exited:
		t.Fatalf("server exits (%v) while requests are under way", err)
	case <-time.After(200 * time.Millisecond):
	}
	got, err := io.ReadAll(res.Body)
	if err != nil || !bytes.Equal(got, large) {
		t.Errorf("download while draining = %d bytes, %v; want all", len(got), err)
	}
	up.send(b[400<<10:])
	if a := up.answer(10 * time.Second); a.status != 200 {
		t.Errorf("upload while draining = %d %s; want 200", a.status, a.code)
	}
	s.stop() // the second SIGTERM changes nothing
	s = startAt(t, s.dir)
	if a := s.send("GET", "/limits/drained", nil); a.status != 200 || !bytes.Equal(a.body, b) {
		t.Errorf("GET of what was uploaded while draining = %d, %d bytes; want 200", a.status, len(a.body))
	}
}

// TestDrainTimeout stops a server under a request that does not end.
func TestDrainTimeout(t *testing.T) {
	s := start(t, "--drain-timeout", "1s")
	s.makeBucket("limits")
	up := s.upload(0, "never", 600<<10)
	defer up.Close()
	up.send(make([]byte, 1000))
	time.Sleep(100 * time.Millisecond)
	began := time.Now()
	s.stop()
	if took := time.Since(began); took < 900*time.Millisecond || took > 5*time.Second {
		t.Errorf("server stops after %v; want 1 s", took)
	}
}

// TestSettings sets each of three settings in one, two and three places: a
// flag wins over the environment, which wins over the file.
func TestSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "coffer.yaml")
	text := "account: \"111111111111\"\nlog-format: json\nallow-sse-c: true\nmax-requests: 3\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("COFFER_ACCOUNT", "222222222222")
	t.Setenv("COFFER_LOG_LEVEL", "debug")
	t.Setenv("COFFER_LOG_FORMAT", "text")
	s := start(t, "--config", file, "--account", "333333333333")
	out, err := s.kms().CreateKey(context.Background(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	if got := *out.KeyMetadata.AWSAccountId; got != "333333333333" {
		t.Errorf("account by flag, environment and file = %s; want the flag's", got)
	}
	s.mustPut(t, "/settings", nil)
	key := (&wlClient{w: &workload{customer: random(1, 32)}}).customerKey
	in := &s3.PutObjectInput{Bucket: aws.String("settings"), Key: aws.String("a"), Body: strings.NewReader("x")}
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = key()
	if _, err := s.s3().PutObject(context.Background(), in); err != nil {
		t.Errorf("PutObject with SSE-C, which the file allows: %v", err)
	}
	s.stop()
	if log := s.logs(); !strings.Contains(log, "level=DEBUG") {
		t.Errorf("log = %.200s; want text, and debug lines, by the environment", log)
	}
	for _, args := range [][]string{{"--config", file + "x"}, {"--account", "1"}, {"--no-such-flag"}} {
		cmd := exec.Command(binary, append([]string{"serve", "--data", t.TempDir()}, args...)...)
		if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 2 {
			t.Errorf("coffer serve %v = %d %s; want 2", args, cmd.ProcessState.ExitCode(), out)
		}
	}
}

// trusting returns a client of HTTP that trusts the authorities in a PEM file
// alone, and shows a certificate if there is one.
func trusting(t testing.TB, ca []byte, certs ...tls.Certificate) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		t.Fatal("no certificate of an authority")
	}
	conf := &tls.Config{RootCAs: pool}
	if len(certs) > 0 {
		// Whether or not the server says that it wants one of these.
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certs[0], nil }
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true}}
}

// TestSelfSigned serves TLS under an authority of its own, which is the same
// after a restart.
func TestSelfSigned(t *testing.T) {
	s := start(t, "--tls-self-signed", "--allow-sse-c")
	if !strings.HasPrefix(s.endpoint, "https://") {
		t.Fatalf("ready on %s; want https", s.endpoint)
	}
	ca := readFile(t, filepath.Join(s.dir, "tls", "ca.pem"))
	client := trusting(t, ca)
	ctx := context.Background()
	api := s.s3(func(o *s3.Options) { o.HTTPClient = client })
	if _, err := api.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("tls")}); err != nil {
		t.Fatal(err)
	}
	key := (&wlClient{w: &workload{customer: random(1, 32)}}).customerKey
	for _, size := range []int{100, 6 << 20} {
		b := random(uint64(size), size)
		in := &s3.PutObjectInput{Bucket: aws.String("tls"), Key: aws.String("a"), Body: bytes.NewReader(b)}
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = key()
		if _, err := api.PutObject(ctx, in); err != nil {
			t.Fatalf("PutObject with SSE-C over TLS: %v", err)
		}
		get := &s3.GetObjectInput{Bucket: aws.String("tls"), Key: aws.String("a")}
		get.SSECustomerAlgorithm, get.SSECustomerKey, get.SSECustomerKeyMD5 = key()
		out, err := api.GetObject(ctx, get)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(out.Body)
		out.Body.Close()
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("GetObject with SSE-C over TLS = %d bytes, %v; want %d", len(got), err, size)
		}
	}
	if _, err := http.Get(s.endpoint); err == nil {
		t.Error("a client that trusts the machine's authorities is served; want a refusal")
	}
	if info, err := os.Stat(filepath.Join(s.dir, "tls", "ca-key.pem")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key of the authority: %v, %v; want mode 0600", info, err)
	}
	s.stop()
	s = startAt(t, s.dir, "--tls-self-signed")
	if !bytes.Equal(ca, readFile(t, filepath.Join(s.dir, "tls", "ca.pem"))) {
		t.Error("the authority changes with a restart")
	}
	if res, err := client.Get(s.endpoint + "/_coffer/health/live"); err != nil || res.StatusCode != 200 {
		t.Errorf("GET after a restart = %v, %v; want 200", res, err)
	}
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// An authority signs certificates for a test.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert, a.key, a.pem, _ = a.issue(name, true)
	return a
}

// issue makes a certificate for 127.0.0.1 or, if it is to sign others, one that
// signs itself.
func (a *authority) issue(name string, isCA bool) (cert *x509.Certificate, key *ecdsa.PrivateKey, certPEM, keyPEM []byte) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	parent, signer := a.cert, a.key
	if isCA {
		tmpl.IsCA, tmpl.BasicConstraintsValid, tmpl.KeyUsage, tmpl.ExtKeyUsage = true, true, x509.KeyUsageCertSign, nil
		parent, signer = tmpl, key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// write issues a certificate into two files.
func (a *authority) write(name, certFile, keyFile string) {
	a.t.Helper()
	_, _, cert, key := a.issue(name, false)
	for file, b := range map[string][]byte{certFile: cert, keyFile: key} {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
}

// TestCertificates serves TLS with a certificate of the operator's, takes a new
// one without a restart and keeps the old one while the new one is broken, and
// asks clients for certificates.
func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile, caFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "clients.pem")
	ours, clients, strangers := newAuthority(t, "servers"), newAuthority(t, "clients"), newAuthority(t, "strangers")
	ours.write("first", certFile, keyFile)
	if err := os.WriteFile(caFile, clients.pem, 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, "--tls-cert", certFile, "--tls-key", keyFile, "--tls-client-ca", caFile)
	shown := func(a *authority) (*x509.Certificate, error) {
		c := trusting(t, ours.pem)
		if a != nil {
			_, _, cert, key := a.issue("client", false)
			pair, err := tls.X509KeyPair(cert, key)
			if err != nil {
				t.Fatal(err)
			}
			c = trusting(t, ours.pem, pair)
		}
		defer c.CloseIdleConnections()
		res, err := c.Get(s.endpoint + "/_coffer/health/live")
		if err != nil {
			return nil, err
		}
		defer res.Body.Close()
		if res.StatusCode != 200 {
			return nil, fmt.Errorf("status %d", res.StatusCode)
		}
		return res.TLS.PeerCertificates[0], nil
	}
	if cert, err := shown(clients); err != nil || cert.Subject.CommonName != "first" {
		t.Fatalf("GET with a client certificate = %v, %v; want the first certificate of the server", cert, err)
	}
	if _, err := shown(nil); err == nil {
		t.Error("a client without certificate is served")
	}
	if _, err := shown(strangers); err == nil {
		t.Error("a client with a stranger's certificate is served")
	}

	// The files are looked at every five seconds.
	if err := os.WriteFile(certFile, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "the broken certificate is noticed", func() bool {
		if cert, err := shown(clients); err != nil || cert.Subject.CommonName != "first" {
			t.Errorf("GET while the new certificate is broken = %v, %v; want the first", cert, err)
		}
		return strings.Contains(s.logs(), "reload certificate")
	})
	ours.write("second", certFile, keyFile)
	eventually(t, 10*time.Second, "the new certificate is served", func() bool {
		cert, err := shown(clients)
		return err == nil && cert.Subject.CommonName == "second"
	})
}
