package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"coffer/internal/config"
	"coffer/internal/durable"
)

// tlsConfig returns the TLS settings, or nil for plain HTTP.
func tlsConfig(cfg *config.Server, log *slog.Logger) (*tls.Config, error) {
	if !cfg.TLS() {
		return nil, nil
	}
	// HTTP/1.1 alone, as S3: large bodies are faster on connections of their
	// own, and one connection can't open hundreds of requests at a time.
	conf := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if cfg.TLSSelfSigned {
		cert, err := selfSigned(filepath.Join(cfg.Data, tlsDir), cfg)
		if err != nil {
			return nil, fmt.Errorf("make certificate: %w", err)
		}
		conf.GetCertificate = cert.get
	} else {
		r := &reloader{cert: cfg.TLSCert, key: cfg.TLSKey, log: log}
		if err := r.load(); err != nil {
			return nil, err
		}
		conf.GetCertificate = r.get
	}
	if cfg.TLSClientCA != "" {
		b, err := os.ReadFile(cfg.TLSClientCA)
		if err != nil {
			return nil, err
		}
		conf.ClientCAs = x509.NewCertPool()
		if !conf.ClientCAs.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("%s holds no certificate", cfg.TLSClientCA)
		}
		conf.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return conf, nil
}

// reloadEvery is how often the certificate files are looked at, at most.
const reloadEvery = 5 * time.Second

// A reloader serves the certificate of two files, and reads them again when they
// change. A pair that does not load leaves the old one in use.
type reloader struct {
	cert, key string
	log       *slog.Logger

	mu       sync.Mutex // guards all below
	current  *tls.Certificate
	modified [2]time.Time
	looked   time.Time
}

func (r *reloader) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); now.Sub(r.looked) >= reloadEvery {
		r.looked = now
		if err := r.loadLocked(); err != nil {
			r.log.Error("reload certificate", "file", r.cert, "error", err)
		}
	}
	return r.current, nil
}

func (r *reloader) load() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looked = time.Now()
	return r.loadLocked()
}

func (r *reloader) loadLocked() error {
	var modified [2]time.Time
	for i, name := range []string{r.cert, r.key} {
		fi, err := os.Stat(name)
		if err != nil {
			return err
		}
		modified[i] = fi.ModTime()
	}
	if r.current != nil && modified == r.modified {
		return nil
	}
	c, err := tls.LoadX509KeyPair(r.cert, r.key)
	if err != nil {
		return fmt.Errorf("load certificate %s: %w", r.cert, err)
	}
	if r.current != nil {
		r.log.Info("certificate reloaded", "file", r.cert)
	}
	r.current, r.modified = &c, modified
	return nil
}

// Lifetimes of self-signed certificates.
const (
	authorityLife = 10 * 365 * 24 * time.Hour
	leafLife      = 90 * 24 * time.Hour
	// renewBefore is how long before its end a leaf is replaced.
	renewBefore = 30 * 24 * time.Hour
)

// A selfSigner issues the server's certificate under an authority of its own, and
// a new one before the old one ends. The leaf's key lives in memory alone.
type selfSigner struct {
	authority *x509.Certificate
	key       *ecdsa.PrivateKey
	names     []string
	ips       []net.IP

	mu   sync.Mutex // guards leaf
	leaf *tls.Certificate
}

// selfSigned opens the authority in dir, or makes it.
func selfSigned(dir string, cfg *config.Server) (*selfSigner, error) {
	s := &selfSigner{names: []string{"localhost"}, ips: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}}
	for _, d := range cfg.Domains {
		s.names = append(s.names, d, "*."+d)
	}
	if host, _, err := net.SplitHostPort(cfg.Listen); err == nil && host != "" {
		if ip := net.ParseIP(host); ip == nil {
			s.names = append(s.names, host)
		} else if !ip.IsUnspecified() {
			s.ips = append(s.ips, ip)
		}
	}
	if name, err := os.Hostname(); err == nil {
		s.names = append(s.names, name)
	}
	if err := durable.MkdirAll(durable.OS{}, dir, 0o700); err != nil {
		return nil, err
	}
	err := s.load(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = s.create(dir)
	}
	return s, err
}

func (s *selfSigner) load(dir string) error {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem"))
	if err != nil {
		return err
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return errors.New("the authority's key is not an ECDSA key")
	}
	s.authority, s.key = pair.Leaf, key
	return nil
}

func (s *selfSigner) create(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	tmpl, err := template("Coffer self-signed authority", authorityLife)
	if err != nil {
		return err
	}
	tmpl.IsCA, tmpl.BasicConstraintsValid, tmpl.MaxPathLenZero = true, true, true
	tmpl.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	// The key first: without it the certificate would be used and not sign.
	files := []struct {
		name, kind string
		der        []byte
		perm       fs.FileMode
	}{{"ca-key.pem", "PRIVATE KEY", secret, 0o600}, {"ca.pem", "CERTIFICATE", der, 0o644}}
	for _, f := range files {
		text := pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.der})
		if err := durable.WriteFile(durable.OS{}, filepath.Join(dir, f.name), text, f.perm); err != nil {
			return err
		}
	}
	s.key = key
	s.authority, err = x509.ParseCertificate(der)
	return err
}

func template(name string, life time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(life)}, nil
}

func (s *selfSigner) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaf != nil && time.Until(s.leaf.Leaf.NotAfter) > renewBefore {
		return s.leaf, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	tmpl, err := template("Coffer", leafLife)
	if err != nil {
		return nil, err
	}
	tmpl.DNSNames, tmpl.IPAddresses = s.names, s.ips
	tmpl.KeyUsage, tmpl.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, s.authority, &key.PublicKey, s.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	s.leaf = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	return s.leaf, nil
}
