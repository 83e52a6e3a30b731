package authz

import (
	"errors"
	"strings"
	"sync"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/identity"
	"coffer/internal/policy"
)

// Denied is the decision against a request.
type Denied struct {
	// ID is the authorization ID, under which the explanation is kept; empty if
	// none is.
	ID        string
	Principal string // ARN, the name of a service, or "anonymous"
	Action    string
	Resource  string
	Anonymous bool
	// Foreign is set if the resource belongs to an account outside the caller's
	// account and organization, which is told nothing of its policies.
	Foreign bool
	// Because says what decided, in AWS's words: "no identity-based policy allows
	// the s3:GetObject action", or "with an explicit deny in a permissions
	// boundary".
	Because string
	// Decision is what package policy decided.
	Decision policy.Decision
}

// Error words the denial as AWS does.
//
// Source: IAM User Guide, "Troubleshoot access denied error messages" and
// "Troubleshoot access denied error messages with authorization ID", read
// 2026-11-21.
func (d *Denied) Error() string {
	text := d.Text()
	if d.ID != "" {
		text += ". Run coffer why " + d.ID + " for complete details, or call the GetRequestAuthorizationDetails API with the following authorization id: " + d.ID
	}
	return text
}

// Text is Error without the authorization ID. S3 puts the resource in quotes, and
// names none for an action that has none, such as s3:ListAllMyBuckets; the other
// services name "*".
func (d *Denied) Text() string {
	var b strings.Builder
	b.WriteString("User: ")
	b.WriteString(d.Principal)
	b.WriteString(" is not authorized to perform: ")
	b.WriteString(d.Action)
	switch isS3 := strings.HasPrefix(d.Action, "s3:"); {
	case !isS3:
		b.WriteString(" on resource: ")
		b.WriteString(d.Resource)
	case d.Resource != "*":
		b.WriteString(` on resource: "`)
		b.WriteString(d.Resource)
		b.WriteByte('"')
	}
	if d.Because != "" {
		if !strings.HasPrefix(d.Because, "with ") {
			b.WriteString(" because")
		}
		b.WriteByte(' ')
		b.WriteString(d.Because)
	}
	return b.String()
}

// idHeader carries the authorization ID beside an answer whose message does not.
const idHeader = "x-coffer-authorization-id"

// Mark adds the authorization ID to an answer, as a header.
func (d *Denied) Mark(e *awserr.Error) *awserr.Error {
	if d.ID == "" {
		return e
	}
	return e.WithHeader(idHeader, d.ID)
}

// AsDenied returns the denial in an error, or nil.
func AsDenied(err error) *Denied {
	var d *Denied
	if errors.As(err, &d) {
		return d
	}
	return nil
}

// An evaluation is the state of one decision. It is used again, so that a decision
// allocates nothing.
type evaluation struct {
	input     policy.Input
	context   requestContext
	effective *identity.Effective // of a user or a role
	gone      bool                // the user or role does not exist any more
}

var evaluations = sync.Pool{New: func() any { return new(evaluation) }}

func (e *evaluation) release() {
	*e = evaluation{}
	evaluations.Put(e)
}

// denial words the decision d.
func (e *evaluation) denial(d *policy.Decision) *Denied {
	c, in := e.context.caller, &e.input
	out := &Denied{Principal: c.ARN, Action: in.Action, Resource: in.Resource, Decision: *d}
	if c.Type == authn.TypeAnonymous {
		out.Principal, out.Anonymous = "anonymous", true
	}
	own, other := e.context.own, e.context.other
	out.Foreign = c.Account != in.Account && (own == nil || other == nil || own.ID != other.ID)
	article := "a "
	if d.Layer == policy.LayerIdentity || d.Layer == policy.LayerACL {
		article = "an "
	}
	switch {
	case d.Layer == policy.LayerPublic:
		out.Because = "public access is prevented by the RestrictPublicBuckets setting in S3 Block Public Access"
	case d.Explicit:
		if d.Layer == policy.LayerTrust {
			article = "the "
		}
		out.Because = "with an explicit deny in " + article + string(d.Layer)
		if strings.HasPrefix(d.Match.Policy, "arn:") && !out.Foreign {
			out.Because += ": " + d.Match.Policy
		}
	default:
		out.Because = "no " + string(d.Layer) + " allows the " + in.Action + " action"
	}
	return out
}
