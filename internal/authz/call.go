package authz

import (
	"context"
	"errors"

	"coffer/internal/authn"
	"coffer/internal/meta"
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
}

// A Gate begins calls. It is safe for concurrent use.
type Gate struct{}

// A Call is one operation of one caller under way. It belongs to one
// goroutine.
type Call struct {
	gate   *Gate
	caller *authn.Caller
	op     Operation
}

// Begin starts a call.
func (g *Gate) Begin(c *authn.Caller, op Operation) *Call {
	return &Call{gate: g, caller: c, op: op}
}

// Param sets one of the event's requestParameters. Values are strings, numbers,
// booleans, lists and maps of these; never a secret.
func (c *Call) Param(name string, value any) {}

// Response sets one of the event's responseElements.
func (c *Call) Response(name string, value any) {}

// Additional sets one of the event's additionalEventData.
func (c *Call) Additional(name string, value any) {}

// Resource names a resource that the call touches, e.g.
// ("AWS::S3::Object", ARN, owner's account).
func (c *Call) Resource(kind, arn, account string) {}

// Authorize decides one action on one resource. It returns nil or a *Denied.
func (c *Call) Authorize(ctx context.Context, action, resource, account string, conditions map[string][]string) error {
	return Decide(ctx, Request{Caller: c.caller, Action: action, Resource: resource, Account: account, Context: conditions})
}

// Record writes the call's event into the transaction that makes its change.
// Pass it to the domain as the last thing a transaction does. It may run more
// than once.
func (c *Call) Record(txn meta.Txn) error { return nil }

// End ends the call with its outcome and returns the error to answer with: err
// itself or, if the call could not be recorded, [ErrUnrecorded].
// A change that succeeded must have been recorded by then.
func (c *Call) End(ctx context.Context, err error) error { return err }
