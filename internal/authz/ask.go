package authz

import (
	"context"
	"errors"
	"fmt"
	"time"

	"coffer/internal/meta"
	"coffer/internal/policy"
	"coffer/internal/revision"
)

// An Ask is a question for one decision: may the caller do this to that? It names
// the resource with all that decisions need of it; what they need of the caller
// and of the organization, the gate finds.
type Ask struct {
	Action   string // "s3:GetObject"
	Resource string // ARN, or "*" for an action without a resource
	Account  string // the account that owns the resource; the caller's if empty

	// Policy is the resource's own policy; nil if it has none.
	Policy *policy.Named
	Grants []policy.Grant // on a KMS key
	// NoRCP is set for the resources that resource control policies do not affect,
	// such as AWS managed keys.
	NoRCP bool
	// RestrictPublic, ACLAllows, PublicACL and ACLName are as in policy.Input.
	RestrictPublic bool
	ACLAllows      bool
	PublicACL      bool
	ACLName        string

	// Keys tells the condition keys of the service ("s3:prefix", "kms:viaservice",
	// "aws:requesttag/..."), by lower-case name; nil if there are none. The gate
	// adds the global ones, and asks for keys of s3 and kms only if the action
	// carries them.
	Keys policy.Context

	// Refresh, if it is not nil, reads Policy, Grants and the like anew, before
	// the decision is made again: at the commit of a change, or while an answer is
	// streamed.
	Refresh func(context.Context, *Ask) error
}

// ErrNotCovered means that an operation was about to serve something other than
// what was authorized: a defect of the operation, which must not answer.
var ErrNotCovered = errors.New("authz: resource was not authorized")

// Ask decides one action on one resource. It returns nil, or a *Denied with an
// authorization ID, or the error that kept it from deciding. The call keeps a until
// it ends.
func (c *Call) Ask(ctx context.Context, a *Ask) error {
	c.Watch()
	if err := c.gate.ask(ctx, c.caller, a, true); err != nil {
		if d := AsDenied(err); d != nil && d.ID != "" {
			c.Additional("authorizationId", d.ID)
		}
		return err
	}
	c.asks = append(c.asks, a)
	return nil
}

// Watch notes from when on a right that is taken away shows at the commit of the
// call's change. An operation calls it before it reads what an Ask says of the
// resource; the first Ask does otherwise.
func (c *Call) Watch() {
	if !c.watched.IsZero() {
		return
	}
	// The revision may be older than the newest one: then the commit decides again
	// for nothing. It is never newer than what is read from now on.
	c.revision, c.watched = c.gate.seen.Load(), time.Now()
}

// Covers returns nil if an action on the resource was allowed in this call, and
// ErrNotCovered if not. An operation asks before it serves or changes an object or
// a key, by the name under which it is about to touch it.
func (c *Call) Covers(resource string) error {
	for _, a := range c.asks {
		if a.Resource == resource {
			return nil
		}
	}
	return fmt.Errorf("%w: %s touches %s", ErrNotCovered, c.op.Name, resource)
}

// Again makes every decision of the call once more, on the state of now. It
// returns nil or the denial.
func (c *Call) Again(ctx context.Context) error {
	if alive := c.gate.cfg.Alive; alive != nil {
		if err := alive(ctx, c.caller); err != nil {
			return err
		}
	}
	for _, a := range c.asks {
		if a.Refresh != nil {
			if err := a.Refresh(ctx, a); err != nil {
				return err
			}
		}
		if err := c.gate.ask(ctx, c.caller, a, true); err != nil {
			return err
		}
	}
	return nil
}

// freshFor is how long a decision is believed that no change seems to have
// overtaken. What the domains remember may be behind a commit for as long as the
// committing goroutine needs to say so, which is far less; but a body may be hours
// under way.
const freshFor = time.Second

// stillAllowed decides again, inside the transaction that makes the call's change,
// if a right may have been taken away since the first decision. The transaction
// reads the revision: whatever is taken away while it runs makes it run again.
func (c *Call) stillAllowed(tx meta.Txn) error {
	if len(c.asks) == 0 || c.gate.cfg.Meta == nil {
		return nil
	}
	now, err := revision.Read(tx)
	if err != nil {
		return err
	}
	if now == c.revision && time.Since(c.watched) < freshFor {
		return nil
	}
	c.behind = now != c.revision
	return c.Again(context.Background())
}

// catchUp learns the newest revision after a call that did not know it. What a
// transaction reads may be its own change, which is not made yet.
func (c *Call) catchUp(ctx context.Context) {
	if !c.behind {
		return
	}
	_ = c.gate.cfg.Meta.View(ctx, func(r meta.Reader) error {
		n, err := revision.Read(r)
		if err == nil {
			c.gate.seen.Store(n)
		}
		return err
	})
}
