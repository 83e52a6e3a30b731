package anchor

import (
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"maps"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// extension encodes alternative names.
func extension(t testing.TB, names ...asn1.RawValue) pkix.Extension {
	t.Helper()
	return pkix.Extension{Id: oidSAN, Value: made(asn1.Marshal(names))(t)}
}

func TestHolder(t *testing.T) {
	ca := root(t, "Coffer CA", func(c *x509.Certificate) {
		c.Subject.Country = []string{"US"}
		c.Subject.Organization = []string{"Amazon"}
	})
	key := ecKey(t, elliptic.P256()).Public()
	uri, _ := url.Parse("spiffe://example.com/workload/alice")
	directory := made(asn1.Marshal(pkix.Name{CommonName: "Alice", Organization: []string{"Tea"}}.ToRDNSequence()))(t)
	rich := func(c *x509.Certificate) {
		var name pkix.RDNSequence
		for _, a := range []struct {
			id    int
			value string
		}{{3, "alice"}, {11, "Security"}, {11, "Engineering"}, {11, "Research"}, {7, "a,b"}} {
			name = append(name, pkix.RelativeDistinguishedNameSET{{Type: asn1.ObjectIdentifier{2, 5, 4, a.id}, Value: a.value}})
		}
		c.RawSubject = made(asn1.Marshal(name))(t)
	}
	tests := []struct {
		name     string
		change   func(*x509.Certificate)
		mappings map[Field][]string
		source   string
		tags     map[string]string
		refused  bool
	}{
		{"default", rich, nil, "CN=alice", map[string]string{"x509Subject/CN": "alice", "x509Subject/OU": "Security/Engineering/Research",
			"x509Issuer/CN": "Coffer CA", "x509Issuer/C": "US", "x509Issuer/O": "Amazon"}, false},
		{"alternative names", func(c *x509.Certificate) {
			c.DNSNames, c.URIs = []string{"example.com", "second.example.com"}, []*url.URL{uri}
		}, nil, "CN=web",
			map[string]string{"x509Subject/CN": "web", "x509Issuer/CN": "Coffer CA", "x509Issuer/C": "US", "x509Issuer/O": "Amazon",
				"x509SAN/DNS": "example.com", "x509SAN/URI": "spiffe://example.com/workload/alice"}, false},
		{"directory name", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{extension(t, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tagName, IsCompound: true, Bytes: directory})}
		}, map[Field][]string{FieldSAN: {nameRule}}, "CN=web", map[string]string{"x509SAN/Name/CN": "Alice", "x509SAN/Name/O": "Tea"}, false},
		{"one attribute of a directory name", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{extension(t, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tagName, IsCompound: true, Bytes: directory})}
		}, map[Field][]string{FieldSAN: {"Name/O"}}, "CN=web", map[string]string{"x509SAN/Name/O": "Tea"}, false},
		{"one attribute", rich, map[Field][]string{FieldSubject: {"OU"}}, "CN=alice", map[string]string{"x509Subject/OU": "Security/Engineering/Research"}, false},
		{"no mapping", rich, map[Field][]string{}, "CN=alice", map[string]string{}, false},
		{"no common name", func(c *x509.Certificate) { c.Subject = pkix.Name{Organization: []string{"o"}} }, map[Field][]string{FieldSubject: {"*"}}, "ID=0123", map[string]string{"x509Subject/O": "o"}, false},
		{"61 characters", func(c *x509.Certificate) { c.Subject.CommonName = strings.Repeat("n", 61) }, map[Field][]string{}, "CN=" + strings.Repeat("n", 61), map[string]string{}, false},
		{"62 characters", func(c *x509.Certificate) { c.Subject.CommonName = strings.Repeat("n", 62) }, map[Field][]string{}, strings.Repeat("n", 62), map[string]string{}, false},
		{"65 characters", func(c *x509.Certificate) { c.Subject.CommonName = strings.Repeat("n", 65) }, nil, "", nil, true},
		{"a comma", func(c *x509.Certificate) { c.Subject.CommonName = "a,b" }, nil, "", nil, true},
		{"alternative names that do not read", func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{extension(t, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tagName, IsCompound: true, Bytes: []byte{0x30, 5}})}
		}, nil, "", nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &Profile{Mappings: tt.mappings}
			if tt.mappings == nil {
				p.Mappings = defaultMappings()
			}
			h, err := p.Holder(ca.sign(t, key, tt.change))
			if tt.refused {
				if !errors.Is(err, ErrHolder) {
					t.Errorf("Holder = %+v, %v; want ErrHolder", h, err)
				}
				return
			}
			if err != nil || h.Serial != "0123" || h.SourceIdentity != tt.source || !maps.Equal(h.Tags, tt.tags) {
				t.Errorf("Holder = %+v, %v; want %s and %v", h, err, tt.source, tt.tags)
			}
		})
	}
	for n, want := range map[int64]string{1: "01", 17767: "4567", 291: "0123"} {
		if got := serial(&x509.Certificate{SerialNumber: big.NewInt(n)}); got != want {
			t.Errorf("serial(%d) = %s; want %s", n, got, want)
		}
	}
}

func TestRules(t *testing.T) {
	tests := []struct {
		field Field
		rules []string
		want  []string // nil for an error
	}{
		{FieldSubject, []string{"CN", "2.5.4.11", "CN"}, []string{"CN", "OU"}},
		{FieldIssuer, []string{"*"}, []string{"*"}},
		{FieldSAN, []string{"DNS", "URI", "Name", "Name/", "Name/CN"}, []string{"DNS", "URI", "Name/*", "Name/CN"}},
		{FieldSAN, []string{"*"}, nil},
		{FieldSAN, []string{"IP"}, nil},
		{FieldSAN, []string{"Name/x"}, nil},
		{FieldSubject, []string{"cn"}, nil},
		{FieldSubject, []string{""}, nil},
		{FieldSubject, nil, nil},
		{"x509Other", []string{"CN"}, nil},
		{FieldSubject, slices.Repeat([]string{"CN"}, MaxRules+1), nil},
	}
	for _, tt := range tests {
		got, err := checkRules(tt.field, tt.rules)
		if !slices.Equal(got, tt.want) || (err == nil) != (tt.want != nil) || err != nil && !errors.Is(err, ErrMapping) {
			t.Errorf("checkRules(%s, %q) = %q, %v; want %q", tt.field, tt.rules, got, err, tt.want)
		}
	}
}

// FuzzHolder reads any alternative names, and any name, of a certificate.
func FuzzHolder(f *testing.F) {
	ca := root(f, "ca", nil)
	key := ecKey(f, elliptic.P256()).Public()
	uri, _ := url.Parse("spiffe://example.com/a")
	c := ca.sign(f, key, func(c *x509.Certificate) { c.DNSNames, c.URIs = []string{"a.example.com"}, []*url.URL{uri} })
	f.Add(c.RawSubject, c.Extensions[len(c.Extensions)-1].Value)
	f.Add([]byte{0x30, 0}, []byte{0x30, 0})
	f.Add([]byte{}, []byte{0x30, 4, 0xa4, 2, 0x30, 0})
	f.Fuzz(func(t *testing.T, name, names []byte) {
		h, err := (&Profile{Mappings: defaultMappings()}).Holder(&x509.Certificate{
			RawSubject: name, RawIssuer: name, SerialNumber: big.NewInt(1), Extensions: []pkix.Extension{{Id: oidSAN, Value: names}},
		})
		if err != nil {
			if !errors.Is(err, ErrHolder) {
				t.Errorf("Holder = %v; want ErrHolder", err)
			}
			return
		}
		for k, v := range h.Tags {
			if !isTagValue(v) || v == "" || !strings.HasPrefix(k, "x509") {
				t.Errorf("tag %q = %q", k, v)
			}
		}
		if n := len([]rune(h.SourceIdentity)); n < 4 || n > 64 || !isTagText(h.SourceIdentity) {
			t.Errorf("source identity %q", h.SourceIdentity)
		}
	})
}

// FuzzCRL reads any revocation list.
func FuzzCRL(f *testing.F) {
	ca := root(f, "ca", nil)
	f.Add(ca.revoke(f, 1, 2))
	f.Add([]byte("-----BEGIN X509 CRL-----\n-----END X509 CRL-----"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if list, err := parseCRL(data, []*x509.Certificate{ca.cert}); err == nil && list.CheckSignatureFrom(ca.cert) != nil {
			t.Error("a list without the authority's signature is taken")
		}
	})
}
