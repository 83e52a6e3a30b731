package anchor

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"
)

func TestVerify(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	ca := w.ca
	key := ecKey(t, elliptic.P256()).Public()
	plain := ca.sign(t, key, nil)
	middle := ca.below(t, "middle", nil)
	deep := middle.below(t, "deep", nil)
	stranger := root(t, "ca", nil) // of the same name
	unable := ca.below(t, "unable", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })
	client := ca.below(t, "client", func(c *x509.Certificate) { c.IsCA = false; c.KeyUsage = x509.KeyUsageDigitalSignature })
	short := ca.below(t, "short", func(c *x509.Certificate) { c.MaxPathLenZero = true })
	tests := []struct {
		name  string
		leaf  *x509.Certificate
		above []*x509.Certificate
		now   time.Time
		want  string // part of the reason; empty for trust
	}{
		{"direct", plain, nil, day0, ""},
		{"P-384", ca.sign(t, ecKey(t, elliptic.P384()).Public(), nil), nil, day0, ""},
		{"P-521", ca.sign(t, ecKey(t, elliptic.P521()).Public(), nil), nil, day0, ""},
		{"RSA", ca.sign(t, strong().Public(), nil), nil, day0, ""},
		{"through one", middle.sign(t, key, nil), []*x509.Certificate{middle.cert}, day0, ""},
		{"through two, in any order", deep.sign(t, key, nil), []*x509.Certificate{middle.cert, deep.cert}, day0, ""},
		{"with others beside", plain, []*x509.Certificate{stranger.cert, middle.cert}, day0, ""},
		{"for servers and clients", ca.sign(t, key, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), nil, day0, ""},

		{"another authority of the name", stranger.sign(t, key, nil), nil, day0, "unknown authority"},
		{"another authority that is sent along", stranger.sign(t, key, nil), []*x509.Certificate{stranger.cert}, day0, "unknown authority"},
		{"signed by itself", parse(t, selfSigned(t)), nil, day0, "unknown authority"},
		{"without the one above", deep.sign(t, key, nil), []*x509.Certificate{deep.cert}, day0, "unknown authority"},
		{"not yet", plain, nil, day0.Add(-2 * time.Hour), "expired"},
		{"no longer", plain, nil, day0.Add(2 * time.Hour), "expired"},
		{"authority", ca.below(t, "x", nil).cert, nil, day0, "one of an authority"},
		{"the trust anchor itself", ca.cert, nil, day0, "one of an authority"},
		{"no key usage", ca.sign(t, key, func(c *x509.Certificate) { c.KeyUsage = 0 }), nil, day0, "Digital Signature"},
		{"key usage for keys", ca.sign(t, key, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), nil, day0, "Digital Signature"},
		{"no subject", ca.sign(t, key, func(c *x509.Certificate) { c.Subject = pkix.Name{}; c.DNSNames = []string{"a.example.com"} }), nil, day0, "no subject"},
		{"weak RSA", ca.sign(t, weak().Public(), nil), nil, day0, "the key is neither"},
		{"weak curve", ca.sign(t, ecKey(t, elliptic.P224()).Public(), nil), nil, day0, "the key is neither"},
		{"signed by who may not sign certificates", unable.sign(t, key, nil), []*x509.Certificate{unable.cert}, day0, "x509"},
		{"signed by a workload", client.sign(t, key, nil), []*x509.Certificate{client.cert}, day0, "x509"},
		{"a path too long", short.below(t, "y", nil).sign(t, key, nil), []*x509.Certificate{short.cert}, day0, "x509"},
		{"an unknown critical extension", ca.sign(t, key, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
		}), nil, day0, "unhandled critical extension"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := w.Verify(ctx, here, w.anchor.ID, tt.leaf, tt.above, tt.now)
			if tt.want == "" {
				if err != nil || got.ID != w.anchor.ID {
					t.Errorf("Verify = %v, %v; want trust", got, err)
				}
			} else if !errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Verify = %v, %v; want ErrUntrusted: %s", got, err, tt.want)
			}
		})
	}
	for name, at := range map[string]Place{"account": {"210987654321", "us-east-1"}, "region": {here.Account, "eu-central-1"}} {
		if _, err := w.Verify(ctx, at, w.anchor.ID, plain, nil, day0); !errors.Is(err, ErrUntrusted) {
			t.Errorf("Verify in another %s = %v; want ErrUntrusted", name, err)
		}
	}
	made(w.EnableTrustAnchor(ctx, here, w.anchor.ID, false, nothing[*TrustAnchor]))(t)
	if _, err := w.Verify(ctx, here, w.anchor.ID, plain, nil, day0); !errors.Is(err, ErrUntrusted) {
		t.Errorf("Verify with a disabled trust anchor = %v; want ErrUntrusted", err)
	}
}

func selfSigned(t *testing.T) []byte {
	key := ecKey(t, elliptic.P256())
	c := template(nil)
	return made(x509.CreateCertificate(rand.Reader, c, c, key.Public(), key))(t)
}

func TestRevocation(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	key := ecKey(t, elliptic.P256()).Public()
	leaf := w.ca.sign(t, key, nil)      // 0x123
	middle := w.ca.below(t, "mid", nil) // 0x77
	through := middle.sign(t, key, nil) // 0x123 of another authority
	verify := func(name string, leaf *x509.Certificate, want bool, above ...*x509.Certificate) {
		t.Helper()
		if _, err := w.Verify(ctx, here, w.anchor.ID, leaf, above, day0); (err == nil) != want {
			t.Errorf("%s: Verify = %v; want trust %t", name, err, want)
		}
	}
	put := func(data []byte) *CRL {
		t.Helper()
		return made(w.ImportCRL(ctx, CRL{Header: Header{Place: here, Name: "list", Enabled: true}, TrustAnchor: w.anchor.ID, Data: data}, nothing[*CRL]))(t)
	}
	verify("before", leaf, true)
	l := put(w.ca.revoke(t, 0x55, 0x123))
	verify("revoked", leaf, false)
	verify("the same number of another authority", through, true, middle.cert)
	made(w.EnableCRL(ctx, here, l.ID, false, nothing[*CRL]))(t)
	verify("list off", leaf, true)
	made(w.EnableCRL(ctx, here, l.ID, true, nothing[*CRL]))(t)
	made(w.UpdateCRL(ctx, here, l.ID, nil, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: w.ca.revoke(t, 0x77)}), nothing[*CRL]))(t)
	verify("no longer named", leaf, true)
	verify("revoked authority", through, false, middle.cert)
	put(w.ca.revoke(t, 0x123))
	verify("a second list", leaf, false)
	if _, err := w.ImportCRL(ctx, CRL{Header: Header{Place: here, Name: "third"}, TrustAnchor: w.anchor.ID, Data: w.ca.revoke(t)}, nothing[*CRL]); !errors.Is(err, ErrTooMany) {
		t.Errorf("a third list = %v; want ErrTooMany", err)
	}
	made(w.DeleteCRL(ctx, here, l.ID, nothing[*CRL]))(t)
	verify("deleted", through, true, middle.cert)

	stranger := root(t, "ca", nil)
	unable := root(t, "ca", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign })
	bad := map[string][]byte{
		"nothing": nil, "text": []byte("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"), "a certificate": []byte(bundle(w.ca.cert)),
		"another authority's": stranger.revoke(t, 1), "of another name": middle.revoke(t, 1), "another key of the name": unable.revoke(t, 1),
		"two": append(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: w.ca.revoke(t)}), pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: w.ca.revoke(t)})...),
		"for a part of the certificates": made(x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: day0, NextUpdate: day0.Add(time.Hour),
			ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: []byte{0x30, 0}}}}, w.ca.cert, w.ca.key))(t),
	}
	damaged := w.ca.revoke(t, 1)
	damaged[len(damaged)-1] ^= 1
	bad["damaged"] = damaged
	for name, data := range bad {
		if _, err := w.ImportCRL(ctx, CRL{Header: Header{Place: here, Name: "bad"}, TrustAnchor: w.anchor.ID, Data: data}, nothing[*CRL]); !errors.Is(err, ErrRevocationList) {
			t.Errorf("ImportCRL of %s = %v; want ErrRevocationList", name, err)
		}
	}
	// New certificates must not orphan a list.
	other := bundle(stranger.cert)
	if _, err := w.UpdateTrustAnchor(ctx, here, w.anchor.ID, nil, &other, nothing[*TrustAnchor]); !errors.Is(err, ErrRevocationList) {
		t.Errorf("UpdateTrustAnchor = %v; want ErrRevocationList", err)
	}
	both := bundle(w.ca.cert, stranger.cert)
	made(w.UpdateTrustAnchor(ctx, here, w.anchor.ID, nil, &both, nothing[*TrustAnchor]))(t)
	verify("of the second certificate", stranger.sign(t, key, func(c *x509.Certificate) { c.SerialNumber = big.NewInt(9) }), true)
}

func TestBundle(t *testing.T) {
	a, b, c := root(t, "a", nil), root(t, "b", nil), root(t, "c", nil)
	key := ecKey(t, elliptic.P256())
	tests := []struct {
		name, text string
		want       bool
	}{
		{"one", bundle(a.cert), true},
		{"two, with text around", "authorities:\n" + bundle(a.cert) + "and\n" + bundle(b.cert), true},
		{"below another", bundle(a.below(t, "x", nil).cert), true},
		{"none", "", false},
		{"three", bundle(a.cert, b.cert, c.cert), false},
		{"a key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})), false},
		{"damaged", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw[:100]})), false},
		{"of a workload", bundle(a.sign(t, key.Public(), nil)), false},
		{"that may not sign", bundle(root(t, "d", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }).cert), false},
		{"without constraints", bundle(a.below(t, "e", func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = false, false }).cert), false},
		{"weak", bundle(a.sign(t, weak().Public(), asAuthority("f"))), false},
	}
	for _, tt := range tests {
		if _, err := parseBundle(tt.text); (err == nil) != tt.want || err != nil && !errors.Is(err, ErrCertificates) {
			t.Errorf("parseBundle, %s = %v; want none: %t", tt.name, err, tt.want)
		}
	}
}
