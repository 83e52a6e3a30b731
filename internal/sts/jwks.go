package sts

import (
	"cmp"
	"context"
	"crypto/fips140"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-jose/go-jose/v4"

	"coffer/internal/identity"
)

// How the keys of identity providers are fetched and kept. What is fetched was asked
// for by whoever registered the provider, and by anybody who sends a token: so the
// server speaks TLS alone, to the addresses that guard lets through, follows no
// redirect to another host, reads little, waits little, and asks seldom.
const (
	fetchTimeout = 5 * time.Second
	fetchSize    = 1 << 20 // bytes, of one document
	maxRedirects = 3

	keysLast     = 15 * time.Minute // then they are fetched again
	refetchAfter = time.Minute      // at the soonest, for a key that is not there
	retryAfter   = 5 * time.Second  // at the soonest, while there are no keys
	maxIssuers   = 1000             // kept in memory
	maxKeys      = 100              // of one provider
)

// A Dialer connects to an address.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// providerKeys keeps the keys of identity providers. It is safe for concurrent use.
type providerKeys struct {
	dial  Dialer
	roots *x509.CertPool // the system's if nil
	now   func() time.Time

	mu      sync.Mutex
	issuers map[string]*issuerKeys // by issuer and thumbprints; guarded by mu
}

// issuerKeys are the keys of one provider.
type issuerKeys struct {
	mu        sync.Mutex // held while they are fetched
	keys      []jose.JSONWebKey
	fetchedAt time.Time // of keys
	triedAt   time.Time
}

func newProviderKeys(dial Dialer, roots *x509.CertPool, now func() time.Time) *providerKeys {
	if dial == nil {
		dial = guardedDial
	}
	return &providerKeys{dial: dial, roots: roots, now: now, issuers: make(map[string]*issuerKeys)}
}

// find returns the keys of a provider that may have made a signature: those with a
// key ID, or all if that is empty. It fetches them if they are old, or lack the ID
// and were not fetched within the last minute. The error is errUnreachable.
func (p *providerKeys) find(ctx context.Context, provider *identity.Provider, id string) ([]jose.JSONWebKey, error) {
	k := p.of(provider)
	k.mu.Lock()
	defer k.mu.Unlock()
	isOld := p.now().Sub(k.fetchedAt) >= keysLast
	found := k.with(id)
	if !isOld && found != nil {
		return found, nil
	}
	wait := refetchAfter
	if k.keys == nil || isOld {
		wait = retryAfter
	}
	if p.now().Sub(k.triedAt) < wait {
		if isOld {
			return nil, fmt.Errorf("%w: its keys could not be fetched a moment ago", errUnreachable)
		}
		return nil, nil
	}
	k.triedAt = p.now()
	keys, err := p.fetch(ctx, provider)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreachable, err)
	}
	k.keys, k.fetchedAt = keys, p.now()
	return k.with(id), nil
}

func (k *issuerKeys) with(id string) (found []jose.JSONWebKey) {
	for _, key := range k.keys {
		if id == "" || key.KeyID == id {
			found = append(found, key)
		}
	}
	return found
}

// of returns the entry of a provider. Accounts that register one issuer share it if
// they trust the same certificates.
func (p *providerKeys) of(provider *identity.Provider) *issuerKeys {
	name := provider.URL + " " + strings.Join(slices.Sorted(slices.Values(provider.Thumbprints)), " ")
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.issuers[name]
	if k == nil {
		if len(p.issuers) >= maxIssuers {
			clear(p.issuers)
		}
		k = new(issuerKeys)
		p.issuers[name] = k
	}
	return k
}

// fetch reads the keys that a provider publishes.
//
// Source: OpenID Connect Discovery 1.0, sections 4 and 3.
func (p *providerKeys) fetch(ctx context.Context, provider *identity.Provider) ([]jose.JSONWebKey, error) {
	// Who asked first may go away; others wait for the keys as well.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	issuer := "https://" + provider.URL
	own, err := url.Parse(issuer)
	if err != nil {
		return nil, err
	}
	client, done := p.client(own.Hostname(), provider.Thumbprints)
	defer done()
	var configuration struct {
		Issuer string `json:"issuer"`
		KeySet string `json:"jwks_uri"`
	}
	if err := get(ctx, client, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", &configuration); err != nil {
		return nil, err
	}
	if configuration.Issuer != issuer {
		return nil, fmt.Errorf("the configuration is that of issuer %q", configuration.Issuer)
	}
	if err := checkKeySetURL(own, configuration.KeySet); err != nil {
		return nil, err
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := get(ctx, client, configuration.KeySet, &set); err != nil {
		return nil, err
	}
	keys := make([]jose.JSONWebKey, 0, len(set.Keys))
	for i, raw := range set.Keys {
		var k jose.JSONWebKey
		if i == maxKeys {
			return nil, fmt.Errorf("more than %d keys", maxKeys)
		}
		// A key of a kind that is not known here says nothing about the others.
		if k.UnmarshalJSON(raw) == nil && k.Valid() && k.IsPublic() && (k.Use == "" || k.Use == "sig") {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// checkKeySetURL refuses a URL of keys that names neither the issuer's own host nor
// another one by its name.
func checkKeySetURL(own *url.URL, keySet string) error {
	u, err := url.Parse(keySet)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return fmt.Errorf("the URL of the keys is not https://")
	}
	if _, err := netip.ParseAddr(u.Hostname()); u.Host != own.Host && (err == nil || u.Hostname() == "localhost") {
		return fmt.Errorf("the keys are said to be at %s", u.Host)
	}
	return nil
}

// get reads a JSON document.
func get(ctx context.Context, client *http.Client, from string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "application/json")
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: status %d", from, answer.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(answer.Body, fetchSize+1))
	switch {
	case err != nil:
		return fmt.Errorf("get %s: %w", from, err)
	case len(b) > fetchSize:
		return fmt.Errorf("get %s: more than %d bytes", from, fetchSize)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("get %s: %w", from, err)
	}
	return nil
}

// client returns a client for the fetches of one provider, and what closes it.
func (p *providerKeys) client(own string, thumbprints []string) (client *http.Client, done func()) {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: p.dial, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10,
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12,
			// verifyChain does all that the handshake leaves out.
			InsecureSkipVerify: true,
			VerifyConnection: func(c tls.ConnectionState) error {
				// Of a host that is named by its address, TLS tells no name. Only
				// the provider's own host may be.
				return p.verifyChain(&c, cmp.Or(c.ServerName, own), thumbprints)
			},
		},
	}
	return &http.Client{Transport: transport, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if r.URL.Scheme != "https" || r.URL.Host != via[0].URL.Host || len(via) > maxRedirects {
			return fmt.Errorf("redirected to %s", r.URL.Host)
		}
		return nil
	}}, transport.CloseIdleConnections
}

// verifyChain accepts a certificate of the host under the trusted roots, or under the
// last certificate that the server shows if that one's thumbprint is registered.
//
// Source: IAM User Guide, "Obtain the thumbprint for an OpenID Connect identity
// provider", read 2026-11-21.
func (p *providerKeys) verifyChain(c *tls.ConnectionState, host string, thumbprints []string) error {
	if len(c.PeerCertificates) == 0 || host == "" {
		return errors.New("no certificate, or no host to verify it for")
	}
	options := x509.VerifyOptions{Roots: p.roots, DNSName: host, CurrentTime: p.now(), Intermediates: x509.NewCertPool()}
	for _, cert := range c.PeerCertificates[1:] {
		options.Intermediates.AddCert(cert)
	}
	_, err := c.PeerCertificates[0].Verify(options)
	if err == nil {
		return nil
	}
	top := c.PeerCertificates[len(c.PeerCertificates)-1]
	if !slices.ContainsFunc(thumbprints, func(s string) bool { return strings.EqualFold(s, thumbprint(top)) }) {
		return err
	}
	options.Roots = x509.NewCertPool()
	options.Roots.AddCert(top)
	_, err = c.PeerCertificates[0].Verify(options)
	return err
}

// thumbprint returns the SHA-1 hash of a certificate, by which IAM's API names it. A
// second certificate of that hash can be made for the sum of a small house: AWS's
// documentation says so of no thumbprint, and docs/sts.md does.
func thumbprint(cert *x509.Certificate) string {
	var sum [sha1.Size]byte
	fips140.WithoutEnforcement(func() { sum = sha1.Sum(cert.Raw) })
	return hex.EncodeToString(sum[:])
}

// guardedDial connects to addresses that guard lets through.
func guardedDial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: fetchTimeout, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return guard(host, at.Addr())
	}}
	return d.DialContext(ctx, network, address)
}

// guard refuses the addresses at which no identity provider is, but machines tell
// secrets: link-local ones, where clouds have their metadata, and those of this
// machine unless the URL itself names it. Private networks are not refused: their
// providers are what a server of one's own is for.
func guard(host string, at netip.Addr) error {
	at = at.Unmap().WithZone("")
	named, err := netip.ParseAddr(host)
	isNamed := host == "localhost" || err == nil && named.Unmap() == at
	switch {
	case at.IsLinkLocalUnicast(), at.IsMulticast(), at.IsUnspecified(), slices.Contains(metadata, at), at.IsLoopback() && !isNamed:
		return fmt.Errorf("%s is at %s, where no identity provider may be", host, at)
	}
	return nil
}

// metadata are addresses outside of the link-local networks at which clouds tell
// machines their credentials.
var metadata = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"),   // Amazon EC2
	netip.MustParseAddr("fd20:ce::254"),    // Google Compute Engine
	netip.MustParseAddr("100.100.100.200"), // Alibaba Cloud
	netip.MustParseAddr("192.0.0.192"),     // Oracle Cloud
}
