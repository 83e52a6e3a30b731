package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"coffer/internal/admin"
	"coffer/internal/authn"
	"coffer/internal/config"
	"coffer/internal/meta"
	"coffer/internal/meter"
	"coffer/internal/opsapi"
	"coffer/internal/quota"
)

// sweepEvery is how often keys whose waiting period is over are looked for, and
// the wall clock is checked.
const sweepEvery = time.Minute

// Run serves the data directory that cfg names until ctx ends, then drains. When
// it is ready it prints one line with its address to stdout.
func Run(ctx context.Context, cfg *config.Server, stdout io.Writer, log *slog.Logger) (err error) {
	s, err := Open(ctx, cfg, true, log)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.DrainTimeout)
		defer cancel()
		err = errors.Join(err, s.Close(closing))
	}()
	conf, err := tlsConfig(cfg, log)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return err
	}
	scheme := "http"
	address := l.Addr().String()
	l = limitListener(l, cfg.MaxConnections)
	if conf != nil {
		scheme = "https"
		l = tls.NewListener(l, conf)
	}
	w := newWorker(s)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	r := newRouter(s, cfg, newOps(s, cfg, w), w.metrics)
	srv := &http.Server{
		Handler:           r,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       cfg.IdleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          stdlog.New(quiet{log}, "", 0),
		Protocols:         protocols,
	}
	served := make(chan error, 2)
	stopXKS, err := serveXKS(s, cfg, r, conf, served)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	go func() { served <- srv.Serve(l) }()
	stop := w.start()
	defer stop()
	announce(s, cfg, log)
	if _, err := fmt.Fprintf(stdout, "coffer: ready on %s://%s\n", scheme, address); err != nil {
		log.Warn("print ready line", "error", err)
	}
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	log.Info("draining", "timeout", cfg.DrainTimeout)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.DrainTimeout)
	defer cancel()
	if err := errors.Join(stopXKS(drain), srv.Shutdown(drain)); err != nil {
		log.Warn("requests were cut at the end of the drain timeout")
		_ = srv.Close()
	}
	return nil
}

func announce(s *Stack, cfg *config.Server, log *slog.Logger) {
	if s.IsNew {
		log.Info("data directory made", "data", s.Dir, "account", cfg.Account,
			"credentials", "AWS_SHARED_CREDENTIALS_FILE="+s.Dir+"/"+credentialsFile)
	}
	if held := s.Clock.Held(); held != "" {
		log.Warn("deletions wait until the time is confirmed: POST /_coffer/clock/confirm", "reason", held)
	}
	if s.DevClock {
		log.Warn("calendar time can be moved on by the root user (--dev-clock)")
	}
}

// newOps returns the operators' API of a stack.
func newOps(s *Stack, cfg *config.Server, w *worker) *opsapi.Handler {
	return opsapi.New(opsapi.Config{
		Admin: admin.New(admin.Config{
			Gate: s.Gate, Clock: s.Clock, Account: cfg.Account, DevClock: s.DevClock, Advanced: w.sweep,
			Organizations: s.Orgs, Meter: s.Meter, Keys: s.Keys, Backups: s.Backups, Log: s.log,
		}),
		Shred:           s.Shred,
		Objects:         s.S3,
		Sessions:        s.STS,
		Authenticate:    func(r *http.Request) (*authn.Caller, []byte, error) { return readJSON(s.Authn, "coffer", r) },
		AuthenticateIAM: func(r *http.Request) (*authn.Caller, []byte, error) { return readJSON(s.Authn, apiIAM, r) },
		Metrics:         w.metrics.Handler(), Log: s.log,
		Ready: func(ctx context.Context) error {
			return s.Meta.View(ctx, func(meta.Reader) error { return nil })
		},
	})
}

// A worker does what falls due: it destroys keys at the end of their waiting
// period and keeps an eye on the wall clock.
type worker struct {
	s       *Stack
	metrics *opsapi.Metrics
	stores  storePoller
	mu      sync.Mutex // held during a sweep
}

func newWorker(s *Stack) *worker {
	w := &worker{s: s, metrics: opsapi.NewMetrics(), stores: storePoller{s: s}}
	m := w.metrics
	m.Counter("coffer_key_store_health_failures_total", "Health checks that external key store proxies failed.", func() float64 { return float64(w.stores.failed.Load()) })
	m.Counter("coffer_sealed_bytes_total", "Bytes of plaintext sealed.", func() float64 { return float64(s.Objects.SealedBytes()) })
	m.Counter("coffer_meta_commits_total", "Transactions committed to the metadata.", func() float64 { return float64(s.Rows.Stats().Commits) })
	m.Counter("coffer_meta_syncs_total", "Syncs that the commits of the metadata shared.", func() float64 { return float64(s.Rows.Stats().Groups) })
	m.Counter("coffer_meta_conflicts_total", "Transactions that ran again after a conflict.", func() float64 { return float64(s.Rows.Stats().Conflicts) })
	m.Counter("coffer_blob_syncs_total", "Syncs of blob files and directories.", func() float64 { return float64(s.Blobs.Stats().Syncs) })
	m.Counter("coffer_blob_bytes_total", "Bytes written to blob files.", func() float64 { return float64(s.Blobs.Stats().BytesWritten) })
	m.Gauge("coffer_root_epoch", "Number of the current epoch of the root of trust.", func() float64 { return float64(s.Root.Epoch()) })
	m.Counters("coffer_kms_calls_total", "Calls to the key service that succeeded, those of S3 included, by operation and by what AWS bills them as. They show within 5 s.",
		[]string{"operation", "billing_class"}, func(yield func(float64, ...string)) {
			s.Meter.Totals(func(t meter.Total, n uint64) { yield(float64(n), t.Operation, t.Class.String()) })
		})
	m.Counters("coffer_kms_throttled_total", "Calls to the key service that were refused above a request quota, by quota.",
		[]string{"quota"}, func(yield func(float64, ...string)) {
			for _, class := range quota.Classes() {
				if n := s.Quotas.Throttled(class); n > 0 {
					yield(float64(n), class.String())
				}
			}
		})
	m.Counter("coffer_kms_uncounted_calls_total", "Calls to the key service that are missing in its usage, because too many waited to be written.",
		func() float64 { return float64(s.Meter.Dropped()) })
	return w
}

// start runs the worker until the function it returns is called.
func (w *worker) start() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { w.stores.run(ctx) })
	done.Go(func() {
		tick := time.NewTicker(sweepEvery)
		defer tick.Stop()
		for {
			if err := w.sweep(ctx); err != nil && ctx.Err() == nil {
				w.s.log.Error("sweep", "error", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return func() {
		cancel()
		done.Wait()
	}
}

// sweep does what is due now. While the wall clock is in doubt it destroys
// nothing.
func (w *worker) sweep(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.s.Clock.Check(ctx); err != nil {
		return err
	}
	if held := w.s.Clock.Held(); held != "" {
		w.s.log.Warn("deletions wait until the time is confirmed", "reason", held)
		return nil
	}
	if _, err := w.s.KMS.Sweep(ctx); err != nil {
		return err
	}
	if _, err := w.s.KMS.RotateDue(ctx); err != nil {
		return err
	}
	return w.s.Objects.Collect(ctx)
}
