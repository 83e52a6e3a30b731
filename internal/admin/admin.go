// Package admin is the service of who runs the server: its clock, its accounts, and
// what it refuses. Its operations are authorized as coffer:Operation and recorded like
// those of the AWS APIs.
package admin

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"coffer/internal/arn"
	"coffer/internal/authn"
	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/backup"
	"coffer/internal/calendar"
	"coffer/internal/key"
	"coffer/internal/meta"
	"coffer/internal/meter"
	"coffer/internal/organization"
)

// source is the service as the trail names it.
const source = "coffer"

// A Config holds what a Service needs.
type Config struct {
	Gate  *authz.Gate
	Clock *calendar.Clock
	// Account owns the server: its principals administer it.
	Account string
	// DevClock lets the clock be moved on. Advanced is called after it was, or
	// was confirmed, and returns when what falls due then has been done.
	DevClock bool
	Advanced func(context.Context) error
	// Organizations has the accounts.
	Organizations *organization.Store
	// Meter and Keys tell how keys are used and kept.
	Meter *meter.Meter
	Keys  *key.Keys
	// Backups makes the backups of the server.
	Backups *backup.Backups
	Log     *slog.Logger
}

// A Service administers the server. It is safe for concurrent use. Its errors are
// *awserr.Error.
type Service struct{ cfg Config }

// New returns a service.
func New(cfg Config) *Service { return &Service{cfg} }

// ClockState tells calendar time, and why irreversible deadlines wait for a
// confirmation, if they do.
type ClockState struct {
	Now  time.Time `json:"now"`
	Held string    `json:"held,omitempty"`
}

func (s *Service) state() *ClockState {
	return &ClockState{Now: s.cfg.Clock.Now(), Held: s.cfg.Clock.Held()}
}

// run authorizes, runs and records one operation on the server.
func run[Output any](ctx context.Context, s *Service, c *authn.Caller, operation string, readOnly bool, act func(*authz.Call) (*Output, error)) (*Output, error) {
	resource := arn.ARN{Partition: arn.Partition, Service: source, Region: c.Region, Account: s.cfg.Account, Resource: "server"}.String()
	return authz.Run(ctx, s.cfg.Gate, c, authz.Operation{Source: source, Name: operation, ReadOnly: readOnly}, s.answer,
		func(call *authz.Call) (*Output, error) {
			if err := call.Ask(ctx, &authz.Ask{Action: source + ":" + operation, Resource: resource, Account: s.cfg.Account}); err != nil {
				return nil, err
			}
			return act(call)
		})
}

// GetClock tells calendar time.
//
// It returns a *awserr.Error with code AccessDeniedException or
// ServiceUnavailableException.
func (s *Service) GetClock(ctx context.Context, c *authn.Caller) (*ClockState, error) {
	return run(ctx, s, c, "GetClock", true, func(*authz.Call) (*ClockState, error) { return s.state(), nil })
}

// AdvanceClockInput is the request of AdvanceClock.
type AdvanceClockInput struct {
	Advance string `json:"advance"` // a duration such as 168h
}

// AdvanceClock moves calendar time on, on a server with the dev clock.
//
// It returns a *awserr.Error with code AccessDeniedException, ValidationException
// or ServiceUnavailableException.
func (s *Service) AdvanceClock(ctx context.Context, c *authn.Caller, in *AdvanceClockInput) (*ClockState, error) {
	return run(ctx, s, c, "AdvanceClock", false, func(call *authz.Call) (*ClockState, error) {
		if !s.cfg.DevClock {
			return nil, awserr.New(403, "AccessDeniedException", "The server runs without --dev-clock.")
		}
		d, err := time.ParseDuration(in.Advance)
		if err != nil || d <= 0 {
			return nil, awserr.New(400, "ValidationException", "advance must be a positive duration such as 168h.")
		}
		call.Param("advance", d.String())
		if _, err := s.cfg.Clock.Advance(ctx, d, call.Record); err != nil {
			if errors.Is(err, calendar.ErrTooFar) {
				return nil, awserr.New(400, "ValidationException", "Time can't be moved on so far.")
			}
			return nil, err
		}
		if err := s.cfg.Advanced(ctx); err != nil {
			return nil, err
		}
		return s.state(), nil
	})
}

// ConfirmClock accepts a wall clock that has jumped.
//
// It returns a *awserr.Error with code AccessDeniedException or
// ServiceUnavailableException.
func (s *Service) ConfirmClock(ctx context.Context, c *authn.Caller) (*ClockState, error) {
	return run(ctx, s, c, "ConfirmClock", false, func(call *authz.Call) (*ClockState, error) {
		if err := s.cfg.Clock.Confirm(ctx, call.Record); err != nil {
			return nil, err
		}
		return s.state(), s.cfg.Advanced(ctx)
	})
}

// Refuse records a request that failed before any method could take it, or that is
// for a service which Coffer does not have, and returns the error to answer with.
func (s *Service) Refuse(ctx context.Context, c *authn.Caller, source, operation string, err error) error {
	call := s.cfg.Gate.Begin(c, authz.Operation{Source: source, Name: operation})
	return s.answer(call.End(ctx, s.answer(err)))
}

// answer turns any error into what the client sees.
func (s *Service) answer(err error) error {
	if e := awserr.As(err); e != nil {
		return e
	}
	if denied, ok := errors.AsType[*authz.Denied](err); ok {
		return awserr.New(403, "AccessDeniedException", "%s", denied.Error())
	}
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return awserr.New(a.status, a.code, "%s", a.text).Because(err)
		}
	}
	if errors.Is(err, meta.ErrUnavailable) || errors.Is(err, authz.ErrUnrecorded) {
		return awserr.New(503, "ServiceUnavailableException", "The storage can't be written now.").Because(err)
	}
	s.cfg.Log.Error("administration failed", "error", err)
	return awserr.New(500, "InternalFailure", "The request failed for an internal reason.").Because(err)
}
