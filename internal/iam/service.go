// Package iam is the AWS IAM API: one method for each operation, which
// authorizes, acts on the identities of the caller's account, records and answers.
//
// Every operation checks in the order that AWS does: the shape of the request,
// then whether the caller may, and only then whether what it names exists. So a
// caller who may not look at a user learns nothing of it, not even whether it
// exists. There is no other way to a right: a caller who changes itself, or what
// itself is allowed, is decided like any other.
//
// Methods return a *awserr.Error with the codes, texts and statuses that AWS
// uses.
//
// Source: IAM API Reference, and the service model of
// aws-sdk-go-v2/service/iam v1.64.8, read 2026-11-21.
package iam

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/identity"
)

// source is the service as the trail names it.
const source = "iam.amazonaws.com"

// A Config holds what a Service needs.
type Config struct {
	Identity *identity.Store // required
	Gate     *authz.Gate     // required
	// Organizations tells simulations what stands above an account; nil for none.
	Organizations authz.Organizations
	Now           func() time.Time // calendar time; time.Now if nil
	Log           *slog.Logger     // gets what clients are not told; discarded if nil
}

// A Service answers the operations. It is safe for concurrent use.
type Service struct {
	identity *identity.Store
	gate     *authz.Gate
	orgs     authz.Organizations
	now      func() time.Time
	log      *slog.Logger
	reports  reports
}

// New returns a service for the identities of cfg.
func New(cfg Config) *Service {
	s := &Service{identity: cfg.Identity, gate: cfg.Gate, orgs: cfg.Organizations, now: cfg.Now, log: cfg.Log}
	if s.now == nil {
		s.now = time.Now
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

// run runs one operation as one call: begun, recorded and ended once. The members
// of in become its requestParameters. The error of act reaches the trail and the
// client as the same *awserr.Error.
//
// check finds what is wrong with the shape of in, and may be nil.
func run[Output any](ctx context.Context, s *Service, c *authn.Caller, name string, in any, check func(*checker), act func(*op) (*Output, error)) (*Output, error) {
	return authz.Run(ctx, s.gate, c, authz.Operation{Source: source, Name: name, ReadOnly: isReading(name)},
		func(err error) error { return s.answer(ctx, c, name, err) },
		func(call *authz.Call) (*Output, error) {
			setParams(call.Param, in)
			if err := checkCredentials(c); err != nil {
				return nil, err
			}
			if check != nil {
				var v checker
				check(&v)
				if err := v.err(); err != nil {
					return nil, err
				}
			}
			return act(&op{call, name, c})
		})
}

// do is run for an operation that has no output.
func do(ctx context.Context, s *Service, c *authn.Caller, name string, in any, check func(*checker), act func(*op) error) error {
	_, err := run(ctx, s, c, name, in, check, func(o *op) (*struct{}, error) { return nil, act(o) })
	return err
}

// Refuse records a call of the operation name that its front refuses with err,
// and returns the error to answer with: a request that can't be decoded, or an
// operation that is not implemented.
func (s *Service) Refuse(ctx context.Context, c *authn.Caller, name string, err error) error {
	return do(ctx, s, c, name, nil, nil, func(*op) error { return err })
}

// checkCredentials refuses credentials that IAM does not take: those of
// GetSessionToken without a device, and those of GetFederationToken. AWS answers
// as if it did not know them.
//
// Source: IAM User Guide, "Compare AWS STS credentials", read 2026-11-21.
func checkCredentials(c *authn.Caller) error {
	if s := c.Session; s != nil && (s.Kind == identity.SessionFederated || s.Kind == identity.SessionUser && !s.MFA) {
		return fault(403, "InvalidClientTokenId", "The security token included in the request is invalid")
	}
	return nil
}

// isReading reports whether CloudTrail counts an operation as reading.
func isReading(name string) bool {
	for _, verb := range []string{"Generate", "Get", "List", "Simulate"} {
		if strings.HasPrefix(name, verb) {
			return true
		}
	}
	return false
}
