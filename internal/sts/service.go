// Package sts is the AWS Security Token Service API: one method for each operation,
// which authorizes, makes temporary credentials, records and answers.
//
// Temporary credentials are a session token that holds the session, sealed; nothing
// of them is stored. So what a session may do is decided anew at each use: it ends
// when its role or its user does, when it is revoked, and at the latest when its
// time is over.
//
// A role that does not exist and one that the caller may not assume get the same
// answer. Who makes credentials is in the trail, durably, before they leave.
//
// Methods return a *awserr.Error with the codes, texts and statuses that AWS uses.
//
// Source: AWS STS API Reference, and the service model of STS (2011-06-15) in
// botocore, read 2026-11-21.
package sts

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"time"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/identity"
	"coffer/internal/meta"
)

// source is the service as the trail names it.
const source = "sts.amazonaws.com"

// An Explainer tells what an authorization ID or an encoded authorization message
// stands for, as JSON, to a caller who may know.
type Explainer interface {
	Decode(ctx context.Context, c *authn.Caller, message string) (json string, err error)
}

// A Config holds what a Service needs.
type Config struct {
	Identity  *identity.Store  // required
	Gate      *authz.Gate      // required
	Tokens    *authn.Tokens    // required
	Meta      meta.Store       // of the trail's records; required
	Now       func() time.Time // calendar time; required
	Explainer Explainer        // without it, no message can be decoded
	// Wall is wall time, by which the tokens of identity providers go; time.Now if
	// nil.
	Wall func() time.Time
	// Dial connects to identity providers. Without it, the service connects to any
	// address but those where only machines' own secrets are.
	Dial  Dialer
	Roots *x509.CertPool // that providers' certificates are under; the system's if nil
	Rand  io.Reader      // of access keys; crypto/rand if nil
	Log   *slog.Logger   // gets what clients are not told; discarded if nil
}

// A Service answers the operations. It is safe for concurrent use.
type Service struct {
	identity *identity.Store
	gate     *authz.Gate
	tokens   *authn.Tokens
	meta     meta.Store
	now      func() time.Time
	explain  Explainer
	wall     func() time.Time
	keys     *providerKeys
	rand     io.Reader
	log      *slog.Logger
}

// New returns a service for the identities of cfg.
func New(cfg Config) *Service {
	s := &Service{
		identity: cfg.Identity, gate: cfg.Gate, tokens: cfg.Tokens, meta: cfg.Meta, now: cfg.Now,
		explain: cfg.Explainer, wall: cfg.Wall, rand: cfg.Rand, log: cfg.Log,
	}
	if s.wall == nil {
		s.wall = time.Now
	}
	s.keys = newProviderKeys(cfg.Dial, cfg.Roots, s.wall)
	if s.rand == nil {
		s.rand = rand.Reader
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// An op is one operation under way: its call, its name and its caller.
type op struct {
	*authz.Call
	name   string
	caller *authn.Caller
}

// run runs one operation as one call: begun, recorded and ended once. CloudTrail
// counts every operation of STS as reading. The error of act reaches the trail and
// the client as the same *awserr.Error.
func run[Output any](ctx context.Context, s *Service, c *authn.Caller, name string, act func(*op) (*Output, error)) (*Output, error) {
	return runFrom(ctx, s, c, source, name, func(o *op) (*Output, error) {
		if err := o.admits(); err != nil {
			return nil, err
		}
		return act(o)
	})
}

// runFrom is run for an operation of any service, which takes all credentials.
func runFrom[Output any](ctx context.Context, s *Service, c *authn.Caller, source, name string, act func(*op) (*Output, error)) (*Output, error) {
	return authz.Run(ctx, s.gate, c, authz.Operation{Source: source, Name: name, ReadOnly: true},
		func(err error) error { return s.answer(ctx, c, name, err) },
		func(call *authz.Call) (*Output, error) { return act(&op{call, name, c}) })
}

// Refuse records a call of the operation name that its front refuses with err, and
// returns the error to answer with: a request that can't be decoded, or an
// operation that is not implemented.
func (s *Service) Refuse(ctx context.Context, c *authn.Caller, name string, err error) error {
	_, err = run(ctx, s, c, name, func(*op) (*struct{}, error) { return nil, err })
	return err
}

// admits refuses credentials that the operation does not take.
//
// Source: IAM User Guide, "Compare AWS STS credentials", read 2026-11-21.
func (o *op) admits() error {
	if o.caller.Session == nil || o.name == "GetCallerIdentity" {
		return nil
	}
	switch kind := o.caller.Session.Kind; {
	case kind == identity.SessionFederated,
		kind == identity.SessionUser && o.name != "AssumeRole",
		o.name == "GetSessionToken", o.name == "GetFederationToken":
		return fault(http.StatusForbidden, "AccessDenied", "Cannot call %s with session credentials", o.name)
	}
	return nil
}

// issued records that the call hands out credentials. It returns nil once the record
// is durable.
func (s *Service) issued(ctx context.Context, o *op) error {
	return s.meta.Update(ctx, o.Record)
}
