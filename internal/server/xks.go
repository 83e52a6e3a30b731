package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"coffer/internal/authn"
	"coffer/internal/config"
	"coffer/internal/extkey/proxy"
	"coffer/internal/key"
	"coffer/internal/xksapi"
	"coffer/internal/xksproxy"
)

// xksModel is what the proxy calls itself.
const xksModel = "Coffer XKS Proxy 1"

// newDialer returns what reaches the proxies of custom key stores.
func newDialer(cfg *config.KeyStores) (*proxy.Dialer, error) {
	c := proxy.Config{Listed: cfg.Endpoints}
	if cfg.CA != "" {
		b, err := os.ReadFile(cfg.CA)
		if err != nil {
			return nil, fmt.Errorf("key-store-ca: %w", err)
		}
		if c.Roots, err = x509.SystemCertPool(); err != nil {
			return nil, fmt.Errorf("key-store-ca: %w", err)
		}
		if !c.Roots.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("key-store-ca: %s holds no certificate", cfg.CA)
		}
	}
	if cfg.Cert != "" {
		pair, err := tls.LoadX509KeyPair(cfg.Cert, cfg.Key)
		if err != nil {
			return nil, fmt.Errorf("key-store-cert: %w", err)
		}
		c.Certificate = &pair
	}
	d, err := proxy.New(c)
	if err != nil {
		return nil, fmt.Errorf("key-store-endpoint: %w", err)
	}
	return d, nil
}

// maxXKSFile is the largest description of stores, in bytes.
const maxXKSFile = 1 << 20

// readStores reads the description of stores from a file that nobody but its owner can
// read: it holds secrets.
func readStores(name string) ([]*xksproxy.Store, []byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !fi.Mode().IsRegular() || fi.Mode().Perm()&0o077 != 0 {
		return nil, nil, fmt.Errorf("%s is not a file of mode 0600: others could read the secrets in it", name)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxXKSFile+1))
	if err != nil {
		return nil, nil, err
	}
	if len(b) > maxXKSFile {
		return nil, nil, fmt.Errorf("%s is longer than %d bytes", name, maxXKSFile)
	}
	stores, err := xksproxy.ParseStores(b)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return stores, b, nil
}

// openXKS makes the external key store proxy, if the configuration has one.
func (s *Stack) openXKS(cfg *config.Server) error {
	if cfg.XKS.File == "" {
		return nil
	}
	stores, text, err := readStores(cfg.XKS.File)
	if err != nil {
		return fmt.Errorf("xks: %w", err)
	}
	s.XKS = xksproxy.New(xksproxy.Config{Keys: s.Keys, Gate: s.Gate, Principals: s.Identity, Stores: stores, Meter: s.Meter, Model: xksModel, Calendar: s.Clock.Now, Log: s.log})
	watching, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.watchStores(watching, cfg.XKS.File, text)
	}()
	s.onClose(func() error { cancel(); <-done; return nil })
	return nil
}

// watchStores reads the description of stores again when it changes, as often as a
// certificate. One that does not parse leaves the old one in use.
func (s *Stack) watchStores(ctx context.Context, name string, old []byte) {
	tick := time.NewTicker(reloadEvery)
	defer tick.Stop()
	complained := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		stores, text, err := readStores(name)
		switch {
		case err != nil && err.Error() != complained:
			s.log.Error("the external key stores stay as they were", "file", name, "error", err)
			complained = err.Error()
		case err == nil && !bytes.Equal(text, old):
			s.XKS.SetStores(stores)
			s.log.Info("external key stores reloaded", "file", name, "stores", len(stores))
			old, complained = text, ""
		}
	}
}

// newXKSHandler returns the front of the external key store proxy, or nil.
func newXKSHandler(s *Stack) *xksapi.Handler {
	if s.XKS == nil {
		return nil
	}
	return xksapi.New(s.XKS, func(req *http.Request) *authn.Caller {
		f, _ := req.Context().Value(factsKey{}).(authn.Facts)
		return s.Authn.Stranger(req, apiXKS, f)
	})
}

// serveXKS serves the proxy on a listener of its own, if the configuration has one,
// until stop is called. served gets the error that ends it before.
func serveXKS(s *Stack, cfg *config.Server, r *router, conf *tls.Config, served chan<- error) (stop func(context.Context) error, err error) {
	if s.XKS == nil || cfg.XKS.Listen == "" {
		return func(context.Context) error { return nil }, nil
	}
	l, err := net.Listen("tcp", cfg.XKS.Listen)
	if err != nil {
		return nil, fmt.Errorf("xks-listen: %w", err)
	}
	scheme, address := "http", l.Addr().String()
	l = limitListener(l, cfg.MaxConnections)
	if conf != nil {
		if conf, err = xksTLS(cfg, conf); err != nil {
			return nil, errors.Join(err, l.Close())
		}
		scheme, l = "https", tls.NewListener(l, conf)
	}
	only := *r
	only.xks, only.xksOnly, only.slots = newXKSHandler(s), true, make(chan struct{}, cfg.MaxRequests)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	srv := &http.Server{
		Handler: &only, ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: cfg.IdleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: stdlog.New(quiet{s.log}, "", 0), Protocols: protocols,
	}
	go func() { served <- srv.Serve(l) }()
	s.log.Info("external key store proxy is ready", "address", scheme+"://"+address)
	return srv.Shutdown, nil
}

// xksTLS returns the TLS settings of the proxy's own listener: the certificate of the
// others, and the clients of its own.
func xksTLS(cfg *config.Server, conf *tls.Config) (*tls.Config, error) {
	conf = conf.Clone()
	conf.ClientAuth, conf.ClientCAs = tls.NoClientCert, nil
	if cfg.XKS.ClientCA == "" {
		return conf, nil
	}
	b, err := os.ReadFile(cfg.XKS.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("xks-client-ca: %w", err)
	}
	conf.ClientCAs = x509.NewCertPool()
	if !conf.ClientCAs.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("xks-client-ca: %s holds no certificate", cfg.XKS.ClientCA)
	}
	conf.ClientAuth = tls.RequireAndVerifyClientCert
	name := cfg.XKS.ClientName
	conf.VerifyConnection = func(c tls.ConnectionState) error {
		if len(c.PeerCertificates) == 0 || c.PeerCertificates[0].Subject.CommonName != name {
			return errors.New("the client's certificate has another common name than xks-client-name")
		}
		return nil
	}
	return conf, nil
}

// pollStoresEvery is how often the proxies of custom key stores are asked for their
// health. AWS KMS does so every few minutes.
const pollStoresEvery = 3 * time.Minute

// A storePoller asks them, and tells of those that do not answer.
type storePoller struct {
	s      *Stack
	failed atomic.Uint64
	bad    map[key.StoreRef]string // what was told last; of the one goroutine
}

// run asks until ctx ends.
func (p *storePoller) run(ctx context.Context) {
	p.bad = make(map[key.StoreRef]string)
	tick := time.NewTicker(pollStoresEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := p.s.Keys.PollStores(ctx, newFacts().RequestID, p.report); err != nil && ctx.Err() == nil {
			p.s.log.Error("poll custom key stores", "error", err)
		}
	}
}

// report logs a store whose health has changed.
func (p *storePoller) report(store *key.CustomStore, err error) {
	attrs := []any{slog.String("account", store.Account), slog.String("region", store.Region), slog.String("store", store.ID)}
	switch {
	case err != nil:
		p.failed.Add(1)
		if text := err.Error(); p.bad[store.StoreRef] != text {
			p.bad[store.StoreRef] = text
			p.s.log.Warn("external key store does not answer its health check", append(attrs, slog.String("error", text))...)
		}
	case p.bad[store.StoreRef] != "":
		delete(p.bad, store.StoreRef)
		p.s.log.Info("external key store answers again", attrs...)
	}
}
