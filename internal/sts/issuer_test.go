package sts

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// issuerHost is the host of the identity provider of the tests.
const issuerHost = "idp.example.com"

// Keys of the tests' provider, made once: RSA is slow.
var (
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { return made(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey    = sync.OnceValue(func() *ecdsa.PrivateKey { return made(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	p384Key  = sync.OnceValue(func() *ecdsa.PrivateKey { return made(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	smallKey = sync.OnceValue(func() *rsa.PrivateKey { return made(rsa.GenerateKey(rand.Reader, 1024)) })
)

func made[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// An issuer is an identity provider over TLS under an authority of its own.
type issuer struct {
	server *httptest.Server
	roots  *x509.CertPool
	top    *x509.Certificate

	mu                    sync.Mutex
	configuration, keySet any      // guarded by mu; a func(http.ResponseWriter, *http.Request), or a document
	fetched               []string // guarded by mu
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{roots: x509.NewCertPool()}
	i.configuration = map[string]any{"issuer": "https://" + issuerHost, "jwks_uri": "https://" + issuerHost + "/keys"}
	i.publish(jose.JSONWebKey{Key: &rsaKey().PublicKey, KeyID: "rsa"}, jose.JSONWebKey{Key: &ecKey().PublicKey, KeyID: "ec"})
	i.server = httptest.NewUnstartedServer(http.HandlerFunc(i.serve))
	authority := ecKey()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2126, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der := made(x509.CreateCertificate(rand.Reader, template, template, &authority.PublicKey, authority))
	i.top = made(x509.ParseCertificate(der))
	i.roots.AddCert(i.top)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{issuerHost, "keys.example.com"}, NotBefore: template.NotBefore, NotAfter: template.NotAfter}
	key := p384Key()
	i.server.TLS = &tls.Config{Certificates: []tls.Certificate{{
		Certificate: [][]byte{made(x509.CreateCertificate(rand.Reader, leaf, i.top, &key.PublicKey, authority)), der}, PrivateKey: key}}}
	i.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	i.server.StartTLS()
	t.Cleanup(i.server.Close)
	return i
}

// dial connects to the issuer, whatever host is asked for.
func (i *issuer) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, i.server.Listener.Addr().String())
}

// publish sets the keys.
func (i *issuer) publish(keys ...jose.JSONWebKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keySet = jose.JSONWebKeySet{Keys: keys}
}

func (i *issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.fetched = append(i.fetched, r.Host+r.URL.Path)
	document := i.keySet
	if r.URL.Path == "/.well-known/openid-configuration" {
		document = i.configuration
	}
	i.mu.Unlock()
	if serve, ok := document.(func(http.ResponseWriter, *http.Request)); ok {
		serve(w, r)
		return
	}
	json.NewEncoder(w).Encode(document)
}

// fetches returns how many documents were fetched since it was called last.
func (i *issuer) fetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := len(i.fetched)
	i.fetched = nil
	return n
}

// claims returns good claims with changes: a nil value removes one.
func claims(b *bench, changes map[string]any) map[string]any {
	c := map[string]any{
		"iss": "https://" + issuerHost, "sub": "repo:octo/app", "aud": "sts.amazonaws.com",
		"iat": b.now.Unix(), "exp": b.now.Add(5 * time.Minute).Unix(),
	}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// webToken signs claims.
func webToken(algorithm jose.SignatureAlgorithm, key any, id string, claims any) WebToken {
	options := (&jose.SignerOptions{}).WithType("JWT")
	if id != "" {
		options = options.WithHeader("kid", id)
	}
	signer := made(jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options))
	return WebToken(made(made(signer.Sign(made(json.Marshal(claims)))).CompactSerialize()))
}
