package authz

import (
	"context"
	"errors"
	"fmt"

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
	if err := c.Watch(ctx); err != nil {
		return fmt.Errorf("decide %s: %w", a.Action, err)
	}
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
func (c *Call) Watch(ctx context.Context) error {
	if c.op.ReadOnly || c.watching || c.gate.cfg.Meta == nil {
		return nil
	}
	err := c.gate.cfg.Meta.View(ctx, func(r meta.Reader) (err error) {
		c.revision, err = revision.Read(r)
		return err
	})
	c.watching = err == nil
	return err
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

// stillAllowed decides again, inside the transaction that makes the call's change,
// if a right may have been taken away since the first decision. The transaction
// reads the revision: whatever is taken away while it runs makes it run again.
func (c *Call) stillAllowed(tx meta.Txn) error {
	if len(c.asks) == 0 || c.gate.cfg.Meta == nil {
		return nil
	}
	now, err := revision.Read(tx)
	if err != nil || now == c.revision {
		return err
	}
	return c.Again(context.Background())
}
