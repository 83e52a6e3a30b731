package authz

import (
	"context"
	"errors"

	"coffer/internal/authn"
	"coffer/internal/policy"
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
	// RestrictPublic, ACLAllows and ACLName are as in policy.Input.
	RestrictPublic bool
	ACLAllows      bool
	ACLName        string
	// NoRCP is set if resource control policies do not apply to the resource, such
	// as an AWS managed key.
	NoRCP bool

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
// authorization ID, or the error that kept it from deciding.
func (c *Call) Ask(ctx context.Context, a *Ask) error {
	return c.gate.Ask(ctx, c.caller, a)
}

// Covers returns nil if an action on the resource was allowed in this call, and
// ErrNotCovered if not. An operation asks before it serves or changes an object or
// a key, by the name under which it is about to touch it.
func (c *Call) Covers(resource string) error {
	return nil
}

// Again makes every decision of the call once more, on the state of now. It
// returns nil or the denial.
func (c *Call) Again(ctx context.Context) error {
	return nil
}

// Ask decides for a caller outside of a call, and records nothing.
func (g *Gate) Ask(ctx context.Context, caller *authn.Caller, a *Ask) error {
	account := a.Account
	if account == "" {
		account = caller.Account
	}
	return Decide(ctx, Request{Caller: caller, Action: a.Action, Resource: a.Resource, Account: account})
}
