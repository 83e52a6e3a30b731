// Package proxy reaches external key managers through their external key store
// proxies: HTTPS requests, signed with SigV4.
//
// The endpoint of a store is named through the KMS API by an administrator of an
// account, who is not the operator of this server. So a connection goes only to a
// public address, on port 443, whose certificate the public authorities vouch for, as
// it does at AWS; everything else must be on the operator's own list. Redirects are
// not followed, proxies of the environment not used, and bodies bounded. What is left
// to whoever may create key stores is to send POSTs of a fixed shape to servers of the
// Internet.
package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"coffer/internal/extkey"
	"coffer/internal/sigv4"
	"coffer/internal/xks"
)

// Budget is how long a request may take, the connection, its TLS handshake and a
// second attempt on a connection that was dead included.
//
// Source: AWS KMS External Key Store Proxy API Specification, "KMS Considerations",
// read 2026-11-22.
const Budget = 250 * time.Millisecond

// Settings of the connection pool. At 1,800 requests a second and the 35 ms between
// KMS and proxy that AWS recommends at most, 63 requests are under way.
const (
	maxConnections = 256 // to one host
	maxIdle        = 128
	idleTimeout    = 6 * time.Minute // longer than the pause between two health checks
)

// A Config says how to reach proxies.
type Config struct {
	// Roots vouch for the certificates of proxies; the system's if nil.
	Roots *x509.CertPool
	// Certificate is shown to a proxy that asks for one; nil shows none.
	Certificate *tls.Certificate
	// Listed are the endpoints beyond those that AWS would take: with ports, with
	// private addresses, or plain HTTP on a loopback address.
	Listed []string
	// Rate is how many requests a second go to one store; xks.DefaultRate if 0.
	Rate int
	Now  func() time.Time // wall time, which signatures carry; time.Now if nil

	budget time.Duration // Budget if 0
}

// A Dialer is an extkey.Dialer. It is safe for concurrent use.
type Dialer struct {
	cfg       Config
	listed    map[string]bool
	transport *http.Transport
}

var _ extkey.Dialer = (*Dialer)(nil)

// New returns a dialer. It fails for a listed endpoint that can't be.
func New(cfg Config) (*Dialer, error) {
	if cfg.Rate == 0 {
		cfg.Rate = xks.DefaultRate
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.budget == 0 {
		cfg.budget = Budget
	}
	d := &Dialer{cfg: cfg, listed: make(map[string]bool)}
	free := make(map[string]bool) // host and port of what is listed
	for _, e := range cfg.Listed {
		if err := checkListed(e); err != nil {
			return nil, err
		}
		d.listed[e], free[address(e)] = true, true
	}
	anywhere := &net.Dialer{Timeout: cfg.budget}
	public := &net.Dialer{Timeout: cfg.budget, Control: onlyPublic}
	conf := &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: cfg.Roots,
		// The two of TLS 1.2 that the specification names.
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384},
	}
	if cfg.Certificate != nil {
		conf.Certificates = []tls.Certificate{*cfg.Certificate}
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	d.transport = &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if free[address] {
				return anywhere.DialContext(ctx, network, address)
			}
			return public.DialContext(ctx, network, address)
		},
		TLSClientConfig: conf, Protocols: protocols, DisableCompression: true,
		MaxConnsPerHost: maxConnections, MaxIdleConnsPerHost: maxIdle, IdleConnTimeout: idleTimeout,
		MaxResponseHeaderBytes: 16 << 10,
	}
	return d, nil
}

// Close closes the idle connections.
func (d *Dialer) Close() { d.transport.CloseIdleConnections() }

// Manager implements extkey.Dialer.
func (d *Dialer) Manager(s extkey.Store) (extkey.Manager, error) {
	if err := d.Check(s.Endpoint); err != nil {
		return nil, err
	}
	if !xks.ValidPath(s.Path) || !xks.ValidAccessKeyID(s.Credential.AccessKeyID) || !xks.ValidSecret(s.Credential.Secret.Reveal()) {
		return nil, errors.New("proxy: store has a malformed path or credential")
	}
	return &manager{
		dialer: d, endpoint: s.Endpoint, host: s.Endpoint[len(schemeOf(s.Endpoint)):], path: s.Path,
		signer: sigv4.NewSigner(s.Credential.AccessKeyID, s.Credential.Secret.Reveal(), s.Region, xks.SigningService), rate: xks.NewRate(d.cfg.Rate),
	}, nil
}

func schemeOf(endpoint string) string {
	if len(endpoint) > 5 && endpoint[:5] == "http:" {
		return "http://"
	}
	return "https://"
}

// A manager is the extkey.Manager of one store.
type manager struct {
	dialer               *Dialer
	endpoint, host, path string
	signer               *sigv4.Signer
	rate                 *xks.Rate
}

// Health implements extkey.Manager.
func (m *manager) Health(ctx context.Context, r *xks.HealthRequest) (*xks.HealthResponse, error) {
	out := new(xks.HealthResponse)
	return out, m.call(ctx, xks.GetHealthStatus, "", r, out)
}

// Metadata implements extkey.Manager.
func (m *manager) Metadata(ctx context.Context, keyID string, r *xks.MetadataRequest) (*xks.MetadataResponse, error) {
	out := new(xks.MetadataResponse)
	return out, m.call(ctx, xks.GetKeyMetadata, keyID, r, out)
}

// Encrypt implements extkey.Manager.
func (m *manager) Encrypt(ctx context.Context, keyID string, r *xks.EncryptRequest) (*xks.EncryptResponse, error) {
	q := *r
	q.EncryptionAlgorithm, q.IntegrityAlgorithm = xks.AlgorithmAESGCM, xks.AlgorithmSHA256
	out := new(xks.EncryptResponse)
	if err := m.call(ctx, xks.Encrypt, keyID, &q, out); err != nil {
		return nil, err
	}
	if err := out.Matches(&q); err != nil {
		return nil, &extkey.Error{Failure: extkey.Malformed, Err: err}
	}
	return out, nil
}

// Decrypt implements extkey.Manager.
func (m *manager) Decrypt(ctx context.Context, keyID string, r *xks.DecryptRequest) (*xks.DecryptResponse, error) {
	q := *r
	q.EncryptionAlgorithm = xks.AlgorithmAESGCM
	out := new(xks.DecryptResponse)
	err := m.call(ctx, xks.Decrypt, keyID, &q, out)
	if err == nil {
		if err = out.Matches(&q); err != nil {
			err = &extkey.Error{Failure: extkey.Malformed, Err: err}
		}
	}
	if err != nil {
		out.Wipe()
		return nil, err
	}
	return out, nil
}

// call makes one request and reads its answer into out.
func (m *manager) call(ctx context.Context, op xks.Operation, keyID string, in, out any) error {
	if keyID != "" && !xks.ValidKeyID(keyID) {
		return fmt.Errorf("proxy: malformed external key ID %q", keyID)
	}
	if !m.rate.Take(time.Now()) {
		return &extkey.Error{Failure: extkey.TooMany, Err: fmt.Errorf("more than %d requests a second", m.dialer.cfg.Rate)}
	}
	budget, cancel := context.WithTimeout(ctx, m.dialer.cfg.budget)
	defer cancel()
	body := xks.Marshal(in)
	status, answer, err := m.send(budget, xks.JoinPath(m.path, op, keyID), body)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err() // the caller has gone
		}
		return &extkey.Error{Failure: classify(err), Err: err}
	}
	if status != http.StatusOK {
		e, err := xks.UnmarshalError(status, answer)
		if err != nil {
			return &extkey.Error{Failure: extkey.Malformed, Err: err}
		}
		return &extkey.Error{Failure: extkey.Failure(e.Name), Err: e}
	}
	if err := xks.UnmarshalResponse(answer, out.(xks.Response)); err != nil {
		return &extkey.Error{Failure: extkey.Malformed, Err: err}
	}
	return nil
}

// send sends a body and returns the answer.
func (m *manager) send(ctx context.Context, path string, body []byte) (status int, answer []byte, err error) {
	// The transport may send the request again on another connection when the one
	// that it took turns out to be dead: nothing that a proxy does does harm twice.
	// A body holds no plaintext of callers, which is encrypted before it goes out.
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, m.endpoint+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header["Idempotency-Key"] = nil // says so to the transport, and is not sent
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "coffer-kms")
	signed := &sigv4.Request{Method: r.Method, Path: path, Host: m.host, Header: map[string][]string{}}
	m.signer.Sign(signed, xks.PayloadHash(body), m.dialer.cfg.Now())
	for name, values := range signed.Header {
		r.Header[name] = values
	}
	// RoundTrip follows no redirects.
	resp, err := m.dialer.transport.RoundTrip(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, xks.MaxBody+1))
	return resp.StatusCode, answer, err
}

// classify returns the failure that an error of the transport is.
func classify(err error) extkey.Failure {
	var (
		op          *net.OpError
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
		alert       tls.AlertError
		timeout     net.Error
	)
	switch {
	case errors.Is(err, extkey.ErrEndpoint):
		return extkey.Unreachable
	case errors.As(err, &certificate), errors.As(err, &record), errors.As(err, &alert), errors.Is(err, http.ErrSchemeMismatch),
		errors.As(err, &op) && op.Op == "remote error", strings.HasPrefix(err.Error(), "tls: "):
		return extkey.Untrusted
	case errors.As(err, &op) && op.Op == "dial":
		return extkey.Unreachable
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return extkey.TimedOut
	}
	return extkey.Unreachable
}
