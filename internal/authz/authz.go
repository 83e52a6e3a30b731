// Package authz decides requests, and is the one place where an operation is
// authorized and recorded.
//
// Every method of a service runs inside a [Call]: it begins one, names what it
// touches, asks for authorization, acts, and ends it. A change puts the call's
// record into the transaction that makes the change; everything else is recorded
// before its answer leaves.
package authz

import (
	"context"
	"fmt"

	"coffer/internal/authn"
)

// A Request asks for one decision.
type Request struct {
	Caller   *authn.Caller
	Action   string              // e.g. "s3:GetObject"
	Resource string              // ARN
	Account  string              // the account that owns the resource
	Context  map[string][]string // condition keys of the request
}

// Denied is the decision against a request.
type Denied struct {
	Principal string // ARN, or "anonymous"
	Action    string
	Resource  string
	Anonymous bool
	// Because names the kind of policy that decided, in AWS's words.
	Because string
}

// Error words the denial as AWS does.
//
// Source: IAM User Guide, "Troubleshoot access denied error messages", read
// 2026-11-21.
func (d *Denied) Error() string {
	return fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s because %s", d.Principal, d.Action, d.Resource, d.Because)
}

// Decide decides req: it returns nil or a *Denied.
//
// Only the root user of the account that owns the resource is allowed. No other
// principal exists, and no policy can be stored.
func Decide(_ context.Context, req Request) error {
	c := req.Caller
	if c.Type == authn.TypeRoot && c.Account != "" && c.Account == req.Account {
		return nil
	}
	d := &Denied{Principal: c.ARN, Action: req.Action, Resource: req.Resource,
		Because: "no identity-based policy allows the " + req.Action + " action"}
	if c.IsAnonymous() {
		d.Principal, d.Anonymous = "anonymous", true
		d.Because = "no resource-based policy allows the " + req.Action + " action"
	}
	return d
}
