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
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A clientCA signs client certificates, written to files.
type clientCA struct {
	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newClientCA(t testing.TB) *clientCA {
	t.Helper()
	a := &clientCA{t: t, dir: t.TempDir()}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "clients"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	a.key = key
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func (a *clientCA) write(name, kind string, der []byte) string {
	a.t.Helper()
	name = filepath.Join(a.dir, name)
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return name
}

// client returns the files of a certificate for a common name.
func (a *clientCA) client(name string) (certFile, keyFile string) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.write(name+".pem", "CERTIFICATE", der), a.write(name+"-key.pem", "PRIVATE KEY", secret)
}

const (
	xksRole  = "arn:aws:iam::123456789012:role/aws-kms"
	xksCN    = "cks.kms.us-east-1.amazonaws.com"
	xksOldID = "HGIE2BUAFNDMBCMSQVWLGCEXAMPLE"
	xksOld   = "VU6W2byoiBrhDqNGbx703oL0syCAmhlQgwNUT123456"
	xksNewID = "ABCDEFGHIJKLMNOPQRST"
	xksNew   = "FYtE5EFA5FT0mCc3DrGUe2sti527BitkQ0Zr9MO9fvE"
)

// writeXKS describes one store with some of the credentials.
func writeXKS(t testing.TB, name string, credentials ...string) {
	t.Helper()
	text := "stores:\n- path: /prod\n  account: \"123456789012\"\n  region: us-east-1\n  principal: " + xksRole + "\n  credentials:\n"
	for i := 0; i < len(credentials); i += 2 {
		text += "  - access-key-id: " + credentials[i] + "\n    raw-secret-access-key: " + credentials[i+1] + "\n"
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// An outside is a server that is the external key manager of others.
type outside struct {
	*server
	client *http.Client
	proxy  string // URL of the external key store proxy
	ca     *clientCA
	file   string // that describes its stores
}

var proxyReady = regexp.MustCompile(`external key store proxy is ready" address=(\S+)`)

// startOutside runs one, with a role for its KMS, on a data directory.
func startOutside(t *testing.T) *outside {
	t.Helper()
	o := &outside{ca: newClientCA(t), file: filepath.Join(t.TempDir(), "xks.yaml")}
	writeXKS(t, o.file, xksOldID, xksOld, xksNewID, xksNew)
	o.server = start(t, "--tls-self-signed", "--xks", o.file, "--xks-listen", "127.0.0.1:0", "--xks-client-ca", filepath.Join(o.ca.dir, "ca.pem"), "--xks-client-name", xksCN)
	m := proxyReady.FindStringSubmatch(o.logs())
	for end := time.Now().Add(10 * time.Second); m == nil && time.Now().Before(end); m = proxyReady.FindStringSubmatch(o.logs()) {
		time.Sleep(10 * time.Millisecond) // it logs beside the ready line
	}
	if m == nil {
		t.Fatalf("no address of the proxy in the log:\n%s", o.logs())
	}
	o.proxy = m[1]
	o.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: o.roots()}}}
	ids := iam.New(iam.Options{BaseEndpoint: aws.String(o.endpoint), Region: o.region, Credentials: o.credentials(), HTTPClient: o.client})
	_, err := ids.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("aws-kms"),
		AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}}`)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = ids.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("aws-kms"), PolicyName: aws.String("use"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["kms:Encrypt","kms:Decrypt","kms:DescribeKey"],"Resource":"*"}}`)})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *outside) roots() *x509.CertPool {
	b, err := os.ReadFile(filepath.Join(o.dir, "tls", "ca.pem"))
	if err != nil {
		o.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(b)
	return pool
}

func (o *outside) keys() *kms.Client {
	return kms.New(kms.Options{BaseEndpoint: aws.String(o.endpoint), Region: o.region, Credentials: o.credentials(), HTTPClient: o.client})
}

// externalKey makes a key that the store has.
func (o *outside) externalKey(t *testing.T) string {
	t.Helper()
	k, err := o.keys().CreateKey(t.Context(), &kms.CreateKeyInput{Tags: []kmstypes.Tag{{TagKey: aws.String("coffer:xks"), TagValue: aws.String("true")}}})
	if err != nil {
		t.Fatal(err)
	}
	return *k.KeyMetadata.KeyId
}

// patiently calls again what the proxy answered too late: the time is AWS's, and not made
// for a machine that runs both ends and other tests.
func patiently(call func() error) (err error) {
	for range 20 {
		if err = call(); err == nil || !strings.Contains(err.Error(), "did not respond") {
			break
		}
	}
	return err
}

func tryCreate(ctx context.Context, keys *kms.Client, endpoint, secret string) (string, error) {
	out, err := keys.CreateCustomKeyStore(ctx, &kms.CreateCustomKeyStoreInput{
		CustomKeyStoreName: aws.String("outside"), CustomKeyStoreType: kmstypes.CustomKeyStoreTypeExternalKeyStore,
		XksProxyConnectivity: kmstypes.XksProxyConnectivityTypePublicEndpoint, XksProxyUriEndpoint: aws.String(endpoint), XksProxyUriPath: aws.String("/prod/kms/xks/v1"),
		XksProxyAuthenticationCredential: &kmstypes.XksProxyAuthenticationCredentialType{AccessKeyId: aws.String(xksOldID), RawSecretAccessKey: aws.String(secret)}})
	if err != nil {
		return "", err
	}
	return *out.CustomKeyStoreId, nil
}

// TestExternalKeyStore lets one server be the KMS, and another its external key manager.
func TestExternalKeyStore(t *testing.T) {
	o := startOutside(t)
	cert, key := o.ca.client(xksCN)
	s := start(t, "--key-store-endpoint", o.proxy, "--key-store-ca", filepath.Join(o.dir, "tls", "ca.pem"), "--key-store-cert", cert, "--key-store-key", key)
	ctx, keys := t.Context(), s.kms()

	create := func(secret string) (id string, err error) {
		err = patiently(func() error { id, err = tryCreate(ctx, keys, o.proxy, secret); return err })
		return id, err
	}
	_, err := create(xksNew)
	wantCode(t, "CreateCustomKeyStore with a wrong secret", err, "XksProxyIncorrectAuthenticationCredentialException")
	store, err := create(xksOld)
	if err != nil {
		t.Fatal(err)
	}
	createKey := func(id string) (out *kms.CreateKeyOutput, err error) {
		err = patiently(func() error {
			out, err = keys.CreateKey(ctx, &kms.CreateKeyInput{Origin: kmstypes.OriginTypeExternalKeyStore, CustomKeyStoreId: aws.String(store), XksKeyId: aws.String(id)})
			return err
		})
		return out, err
	}
	external := o.externalKey(t)
	_, err = createKey(external)
	wantCode(t, "CreateKey before the store is connected", err, "CustomKeyStoreInvalidStateException")
	disconnect := func() {
		t.Helper()
		if _, err := keys.DisconnectCustomKeyStore(ctx, &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: aws.String(store)}); err != nil {
			t.Fatal(err)
		}
	}
	connect := func(want kmstypes.ConnectionStateType) {
		t.Helper()
		for range 20 {
			if _, err := keys.ConnectCustomKeyStore(ctx, &kms.ConnectCustomKeyStoreInput{CustomKeyStoreId: aws.String(store)}); err != nil {
				t.Fatal(err)
			}
			d, err := keys.DescribeCustomKeyStores(ctx, &kms.DescribeCustomKeyStoresInput{CustomKeyStoreId: aws.String(store)})
			if err != nil {
				t.Fatal(err)
			}
			got := d.CustomKeyStores[0]
			if got.ConnectionState == want {
				return
			}
			if got.ConnectionErrorCode != kmstypes.ConnectionErrorCodeTypeXksProxyTimedOut {
				t.Fatalf("DescribeCustomKeyStores = %+v; want %s", got, want)
			}
			disconnect()
		}
		t.Fatalf("the store does not get %s", want)
	}
	connect(kmstypes.ConnectionStateTypeConnected)
	plainKey, err := o.keys().CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = createKey(*plainKey.KeyMetadata.KeyId)
	wantCode(t, "CreateKey over a key that the proxy does not offer", err, "XksKeyNotFoundException")
	k, err := createKey(external)
	if err != nil {
		t.Fatal(err)
	}
	if m := k.KeyMetadata; m.Origin != kmstypes.OriginTypeExternalKeyStore || m.XksKeyConfiguration == nil || *m.XksKeyConfiguration.Id != external || *m.CustomKeyStoreId != store {
		t.Errorf("CreateKey = %+v", m)
	}
	_, err = createKey(external)
	wantCode(t, "CreateKey over an external key in use", err, "XksKeyAlreadyInUseException")

	ec := map[string]string{"purpose": "test"}
	var sealed *kms.EncryptOutput
	err = patiently(func() (err error) {
		sealed, err = keys.Encrypt(ctx, &kms.EncryptInput{KeyId: k.KeyMetadata.KeyId, Plaintext: make([]byte, 4096), EncryptionContext: ec})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	decrypt := func() error {
		return patiently(func() error {
			out, err := keys.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: ec})
			if err == nil && len(out.Plaintext) != 4096 {
				t.Errorf("Decrypt = %d bytes; want 4096", len(out.Plaintext))
			}
			return err
		})
	}
	if err := decrypt(); err != nil {
		t.Fatal(err)
	}
	_, err = keys.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	wantCode(t, "Decrypt without the context", err, "KMSInvalidStateException")

	// Objects under the key.
	s.makeBucket("vault")
	body := bytes.Repeat([]byte("outside "), 20000)
	put := func(name string) error {
		_, err := s.s3().PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("vault"), Key: aws.String(name), Body: bytes.NewReader(body),
			ServerSideEncryption: s3types.ServerSideEncryptionAwsKms, SSEKMSKeyId: k.KeyMetadata.Arn})
		return err
	}
	get := func() error {
		out, err := s.s3().GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("vault"), Key: aws.String("object")})
		if err != nil {
			return err
		}
		defer out.Body.Close()
		got, err := io.ReadAll(out.Body)
		if err == nil && !bytes.Equal(got, body) {
			t.Error("GetObject returns other bytes")
		}
		return err
	}
	if err := patiently(func() error { return put("object") }); err != nil {
		t.Fatal(err)
	}
	if err := patiently(get); err != nil {
		t.Fatal(err)
	}

	disconnect()
	wantCode(t, "Decrypt, disconnected", decrypt(), "KMSInvalidStateException")
	wantCode(t, "GetObject, disconnected", get(), "KMS.KMSInvalidStateException")
	wantCode(t, "PutObject, disconnected", put("other"), "KMS.KMSInvalidStateException")
	d, err := keys.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: k.KeyMetadata.KeyId})
	if err != nil || d.KeyMetadata.KeyState != kmstypes.KeyStateUnavailable {
		t.Errorf("DescribeKey, disconnected = %+v, %v; want Unavailable", d, err)
	}
	connect(kmstypes.ConnectionStateTypeConnected)
	if err := decrypt(); err != nil {
		t.Errorf("Decrypt, connected again: %v", err)
	}
	if err := patiently(get); err != nil {
		t.Errorf("GetObject, connected again: %v", err)
	}

	// The external key is disabled where it is: that holds here at once.
	if _, err := o.keys().DisableKey(ctx, &kms.DisableKeyInput{KeyId: aws.String(external)}); err != nil {
		t.Fatal(err)
	}
	err = decrypt()
	wantCode(t, "Decrypt with a disabled external key", err, "KMSInvalidStateException")
	if err == nil || !strings.Contains(err.Error(), "is not enabled in the external key manager") {
		t.Errorf("Decrypt with a disabled external key = %v", err)
	}
	wantCode(t, "GetObject with a disabled external key", get(), "KMS.KMSInvalidStateException")
	if _, err := o.keys().EnableKey(ctx, &kms.EnableKeyInput{KeyId: aws.String(external)}); err != nil {
		t.Fatal(err)
	}
	// It is rotated there, and what was sealed before opens.
	if _, err := o.keys().RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: aws.String(external)}); err != nil {
		t.Fatal(err)
	}
	if err := decrypt(); err != nil {
		t.Errorf("Decrypt after a rotation outside: %v", err)
	}

	// The credential is rotated without a break.
	update := func(id, secret string) error {
		return patiently(func() error {
			_, err := keys.UpdateCustomKeyStore(ctx, &kms.UpdateCustomKeyStoreInput{CustomKeyStoreId: aws.String(store),
				XksProxyAuthenticationCredential: &kmstypes.XksProxyAuthenticationCredentialType{AccessKeyId: aws.String(id), RawSecretAccessKey: aws.String(secret)}})
			return err
		})
	}
	if err := update(xksNewID, xksNew); err != nil {
		t.Fatal(err)
	}
	writeXKS(t, o.file, xksNewID, xksNew)
	for end := time.Now().Add(20 * time.Second); !strings.Contains(o.logs(), "external key stores reloaded") && time.Now().Before(end); {
		time.Sleep(100 * time.Millisecond)
	}
	if err := decrypt(); err != nil {
		t.Errorf("Decrypt after the old credential is gone: %v", err)
	}
	wantCode(t, "UpdateCustomKeyStore to the old credential", update(xksOldID, xksOld), "XksProxyIncorrectAuthenticationCredentialException")

	// The proxy is gone: no call waits for it.
	o.kill()
	began := time.Now()
	wantCode(t, "Decrypt without the proxy", decrypt(), "KMSInvalidStateException")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Decrypt without the proxy took %v", took)
	}
	disconnect()
	connect(kmstypes.ConnectionStateTypeFailed)
	for _, secret := range []string{xksOld, xksNew} {
		if strings.Contains(s.logs()+o.logs(), secret) {
			t.Error("a proxy credential is in a log")
		}
	}
}

// TestExternalKeyStoreClients shows the proxy's listener to clients that it must not
// admit.
func TestExternalKeyStoreClients(t *testing.T) {
	o := startOutside(t)
	other := newClientCA(t)
	dial := func(ca *clientCA, name string) error {
		conf := &tls.Config{RootCAs: o.roots()}
		if ca != nil {
			pair, err := tls.LoadX509KeyPair(ca.client(name))
			if err != nil {
				t.Fatal(err)
			}
			conf.Certificates = []tls.Certificate{pair}
		}
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: conf}}
		resp, err := c.Post(o.proxy+"/prod/kms/xks/v1/health", "application/json", strings.NewReader("{}"))
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode != http.StatusUnauthorized {
				t.Errorf("unsigned request = %s; want 401", resp.Status)
			}
		}
		return err
	}
	if err := dial(o.ca, xksCN); err != nil {
		t.Errorf("the right certificate: %v", err)
	}
	for name, err := range map[string]error{
		"no certificate": dial(nil, ""), "another common name": dial(o.ca, "cks.kms.eu-west-1.amazonaws.com"), "another authority": dial(other, xksCN),
	} {
		if err == nil {
			t.Errorf("%s: the handshake is not ended", name)
		}
	}
	// The proxy is on its own listener alone, and nothing else is on it.
	resp, err := o.client.Post(o.endpoint+"/prod/kms/xks/v1/health", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusUnauthorized {
		t.Errorf("the other listener answers as the proxy: %s", resp.Status)
	}
}

// TestExternalKeyStoreEndpoints tries endpoints that the operator did not list.
func TestExternalKeyStoreEndpoints(t *testing.T) {
	s := start(t)
	for endpoint, want := range map[string]string{
		"https://127.0.0.1": "ValidationException", "http://xks.example.com": "ValidationException", "https://localhost:8443": "ValidationException",
		"https://169.254.169.254": "ValidationException", "https://localhost.localdomain.invalid": "XksProxyUriUnreachableException",
	} {
		_, err := s.kms().CreateCustomKeyStore(t.Context(), &kms.CreateCustomKeyStoreInput{
			CustomKeyStoreName: aws.String("x"), CustomKeyStoreType: kmstypes.CustomKeyStoreTypeExternalKeyStore,
			XksProxyConnectivity: kmstypes.XksProxyConnectivityTypePublicEndpoint, XksProxyUriEndpoint: aws.String(endpoint), XksProxyUriPath: aws.String("/kms/xks/v1"),
			XksProxyAuthenticationCredential: &kmstypes.XksProxyAuthenticationCredentialType{AccessKeyId: aws.String(xksOldID), RawSecretAccessKey: aws.String(xksOld)}})
		wantCode(t, "CreateCustomKeyStore at "+endpoint, err, want)
	}
}

// TestExternalKeyStoreOnCommonListener has the proxy beside the other APIs, and signs with
// AWS's own signer.
func TestExternalKeyStoreOnCommonListener(t *testing.T) {
	file := filepath.Join(t.TempDir(), "xks.yaml")
	writeXKS(t, file, xksOldID, xksOld)
	s := start(t, "--xks", file)
	if _, err := s.iam().CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("aws-kms"),
		AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}}`)}); err != nil {
		t.Fatal(err)
	}
	send := func(method, path, id, secret string) (int, string) {
		t.Helper()
		body := `{"requestMetadata":{"kmsRequestId":"x","kmsOperation":"KmsHealthCheck"}}`
		if method == http.MethodGet {
			body = ""
		}
		r, err := http.NewRequest(method, s.endpoint+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if id != "" {
			c := aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}
			if err := v4.NewSigner().SignHTTP(t.Context(), c, r, hexSHA256([]byte(body)), "kms-xks-proxy", "us-east-1", time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	for _, tt := range []struct {
		name, method, path, id, secret string
		status                         int
		want                           string
	}{
		{"health", "POST", "/prod/kms/xks/v1/health", xksOldID, xksOld, 200, `"healthStatus":"ACTIVE"`},
		{"unsigned", "POST", "/prod/kms/xks/v1/health", "", "", 401, "AuthenticationFailedException"},
		{"GET", "GET", "/prod/kms/xks/v1/health", "", "", 405, "MethodNotAllowed"},
		{"signed GET", "GET", "/prod/kms/xks/v1/health", xksOldID, xksOld, 405, "MethodNotAllowed"},
		{"credential that is not there", "POST", "/prod/kms/xks/v1/health", xksNewID, xksNew, 401, "AuthenticationFailedException"},
		{"access key of IAM", "POST", "/prod/kms/xks/v1/health", s.keyID, s.secret, 401, "AuthenticationFailedException"},
		{"another store", "POST", "/test/kms/xks/v1/health", xksOldID, xksOld, 404, "InvalidUriPathException"},
		{"elsewhere unsigned", "POST", "/test/kms/xks/v1/health", "", "", 405, "<Error>"},
	} {
		if status, body := send(tt.method, tt.path, tt.id, tt.secret); status != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s = %d %s; want %d %s", tt.name, status, body, tt.status, tt.want)
		}
	}
	// A file that others can read keeps the server from starting.
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := tryStart(t, filepath.Join(t.TempDir(), "data"), "--xks", file); err == nil || !strings.Contains(err.Error(), "mode 0600") {
		t.Errorf("start with a file of mode 0640: %v", err)
	}
}
