package anchor

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"sync"
	"testing"
	"time"

	"coffer/internal/meta"
	"coffer/internal/meta/mem"
)

var (
	day0 = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	here = Place{"123456789012", "us-east-1"}
)

// An authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func made[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ecKey(t testing.TB, curve elliptic.Curve) crypto.Signer {
	return made(ecdsa.GenerateKey(curve, rand.Reader))(t)
}

// weak and strong are keys that take long to make.
var (
	weak   = sync.OnceValue(func() *rsa.PrivateKey { k, _ := rsa.GenerateKey(rand.Reader, 1024); return k })
	strong = sync.OnceValue(func() *rsa.PrivateKey { k, _ := rsa.GenerateKey(rand.Reader, 2048); return k })
)

// template returns a certificate for a workload, changed.
func template(change func(*x509.Certificate)) *x509.Certificate {
	c := &x509.Certificate{
		SerialNumber: big.NewInt(0x0123), Subject: pkix.Name{CommonName: "web"}, NotBefore: day0.Add(-time.Hour), NotAfter: day0.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if change != nil {
		change(c)
	}
	return c
}

// asAuthority makes a template one of an authority.
func asAuthority(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: name}
		c.IsCA, c.BasicConstraintsValid = true, true
		c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
		c.SubjectKeyId = []byte(name)
	}
}

// root makes an authority that signs itself.
func root(t testing.TB, name string, change func(*x509.Certificate)) *authority {
	t.Helper()
	a := &authority{key: ecKey(t, elliptic.P256())}
	c := template(asAuthority(name))
	if change != nil {
		change(c)
	}
	a.cert = parse(t, made(x509.CreateCertificate(rand.Reader, c, c, a.key.Public(), a.key))(t))
	return a
}

func parse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	return made(x509.ParseCertificate(der))(t)
}

// sign makes a certificate of a key.
func (a *authority) sign(t testing.TB, key crypto.PublicKey, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	return parse(t, made(x509.CreateCertificate(rand.Reader, template(change), a.cert, key, a.key))(t))
}

// below makes an authority below a.
func (a *authority) below(t testing.TB, name string, change func(*x509.Certificate)) *authority {
	t.Helper()
	key := ecKey(t, elliptic.P384())
	return &authority{a.sign(t, key.Public(), func(c *x509.Certificate) {
		asAuthority(name)(c)
		c.SerialNumber = big.NewInt(0x77)
		if change != nil {
			change(c)
		}
	}), key}
}

// revoke makes a revocation list.
func (a *authority) revoke(t testing.TB, serials ...int64) []byte {
	t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: day0, NextUpdate: day0.Add(time.Hour)}
	for _, n := range serials {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: big.NewInt(n), RevocationTime: day0})
	}
	return made(x509.CreateRevocationList(rand.Reader, list, a.cert, a.key))(t)
}

func bundle(certificates ...*x509.Certificate) string {
	text := ""
	for _, c := range certificates {
		text += string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return text
}

// world is a store with a trust anchor.
type world struct {
	*Store
	t      *testing.T
	meta   meta.Store
	ca     *authority
	anchor *TrustAnchor
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, meta: mem.New(), ca: root(t, "ca", nil)}
	t.Cleanup(func() { w.meta.Close() })
	w.Store = New(Config{Meta: w.meta, Now: func() time.Time { return day0 }})
	w.anchor = made(w.CreateTrustAnchor(t.Context(), TrustAnchor{Header: Header{Place: here, Name: "ca", Enabled: true}, Certificates: bundle(w.ca.cert)}, nothing[*TrustAnchor]))(t)
	return w
}

func nothing[T any](meta.Txn, T) error { return nil }

var errFull = errors.New("trail is full")

func full[T any](meta.Txn, T) error { return errFull }
