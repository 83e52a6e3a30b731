package authz

import (
	"context"
	"errors"
	"fmt"
	"time"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/meta"
	"coffer/internal/trail"
)

// ErrUnrecorded means that the call could not be recorded, so that its answer
// must not be given.
var ErrUnrecorded = errors.New("authz: call is not recorded")

// An Operation is one API operation as the trail names it.
type Operation struct {
	Source   string // "s3.amazonaws.com"
	Name     string // "PutObject"
	ReadOnly bool
	Data     bool // a data event; otherwise a management event
	// Service marks an event that a service makes by itself, such as the
	// deletion of a key at the end of its waiting period.
	Service bool
}

// NewGate returns a gate that records in t and knows no users, roles and
// organizations.
func NewGate(t *trail.Trail) *Gate { return New(Config{Trail: t}) }

// A Call is one operation of one caller under way. It belongs to one
// goroutine.
type Call struct {
	gate   *Gate
	caller *authn.Caller
	op     Operation
	event  trail.Event
	record *trail.Record // of a change, once its transaction has run
	ended  bool

	asks     []*Ask    // that were allowed
	watched  time.Time // when revision was noted; zero before
	revision uint64    // that the decisions are at least of
	behind   bool      // the commit saw a newer one
}

// Begin starts a call.
func (g *Gate) Begin(c *authn.Caller, op Operation) *Call {
	call := &Call{gate: g, caller: c, op: op}
	call.event = trail.Event{
		User:   userIdentity(c),
		Source: op.Source, Name: op.Name, Region: c.Region, SourceIP: c.SourceIP, UserAgent: c.UserAgent,
		RequestID: c.RequestID, ReadOnly: op.ReadOnly, Data: op.Data, RecipientAccountID: c.Account,
		TLS: trail.TLSDetails{Version: c.TLSVersion, CipherSuite: c.CipherSuite},
	}
	if c.SecureTransport {
		call.event.TLS.HostHeader = c.Host
	}
	if c.InvokedBy != "" {
		call.event.SourceIP, call.event.UserAgent = c.InvokedBy, c.InvokedBy
	}
	if op.Service {
		call.event.Type = trail.TypeServiceEvent
	}
	return call
}

// Param sets one of the event's requestParameters. Values are strings, numbers,
// booleans, lists and maps of these; never a secret.
func (c *Call) Param(name string, value any) { c.event.Request.Set(name, value) }

// Response sets one of the event's responseElements.
func (c *Call) Response(name string, value any) { c.event.Response.Set(name, value) }

// Additional sets one of the event's additionalEventData.
func (c *Call) Additional(name string, value any) { c.event.Additional.Set(name, value) }

// Detail sets one of the event's serviceEventDetails.
func (c *Call) Detail(name string, value any) { c.event.Service.Set(name, value) }

// Resource names a resource that the call touches, e.g.
// ("AWS::S3::Object", ARN, owner's account).
func (c *Call) Resource(kind, arn, account string) {
	for _, r := range c.event.Resources {
		if r.ARN == arn {
			return
		}
	}
	c.event.Resources = append(c.event.Resources, trail.Resource{Type: kind, ARN: arn, AccountID: account})
	if account != "" {
		c.event.RecipientAccountID = account
	}
}

// Event returns the event of the call as it is so far, for reading. Once the call has
// ended its ID and its time are those under which it is recorded.
func (c *Call) Event() *trail.Event { return &c.event }

// EventID returns the ID of the call's event once Record was called, else nothing.
func (c *Call) EventID() string { return c.event.ID }

// Record writes the call's event into the transaction that makes its change, once
// it has seen that the change is still allowed: otherwise it returns the denial.
// Pass it to the domain as the last thing a transaction does. It may run more
// than once.
func (c *Call) Record(txn meta.Txn) error {
	if err := c.stillAllowed(txn); err != nil {
		return err
	}
	if c.record == nil {
		c.record = c.gate.cfg.Trail.Begin(&c.event)
	}
	if err := c.record.Put(txn); err != nil {
		return fmt.Errorf("%w: %w", ErrUnrecorded, err)
	}
	return nil
}

// End ends the call with its outcome and returns the error to answer with: err
// itself, or an [ErrUnrecorded] if the call could not be recorded. A change that
// succeeded must have been recorded by then. Ending a call again does nothing.
func (c *Call) End(ctx context.Context, err error) error {
	if c.ended {
		return err
	}
	c.ended = true
	c.catchUp(context.WithoutCancel(ctx))
	if c.record != nil {
		c.record.End()
	}
	switch {
	case err == nil && c.record != nil:
		return nil
	case err == nil && !c.op.ReadOnly:
		return fmt.Errorf("%w: %s changed something outside a recorded transaction", ErrUnrecorded, c.op.Name)
	}
	if err != nil {
		c.event.ErrorCode, c.event.ErrorMessage = "InternalError", ""
		if e := awserr.As(err); e != nil {
			c.event.ErrorCode, c.event.ErrorMessage = e.Code, e.Message
		}
		c.event.ID, c.event.Response = "", nil
	}
	// The client may be gone; what it did is recorded all the same.
	if failed := c.gate.cfg.Trail.Append(context.WithoutCancel(ctx), &c.event); failed != nil {
		return fmt.Errorf("%w: %w", ErrUnrecorded, failed)
	}
	return err
}
