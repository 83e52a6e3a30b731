// Package authn finds out who sends a request.
package authn

import (
	"time"

	"coffer/internal/identity"
)

// Kinds of principals, as CloudTrail's userIdentity.type spells them.
const (
	TypeRoot          = "Root"
	TypeUser          = "IAMUser"
	TypeAssumedRole   = "AssumedRole"
	TypeFederatedUser = "FederatedUser"
	TypeWebIdentity   = "WebIdentityUser"
	TypeAnonymous     = "Unknown"
	TypeAWSService    = "AWSService"
)

// A Caller is an authenticated principal, or an anonymous one, with the facts
// of the request that it sent. Nothing in it is secret.
type Caller struct {
	Type        string // one of the Type constants
	Account     string // 12 digits; empty for anonymous callers
	ARN         string // of the principal; empty for anonymous callers; a service's name
	PrincipalID string // as CloudTrail and aws:userid have it: "AIDA...", "AROA...:session"
	AccessKeyID string
	// EntityID is the unique ID of the IAM user or the role: "AIDA...", "AROA...".
	EntityID string
	UserName string // of an IAM user
	// Session is set for temporary credentials.
	Session *identity.Session

	Region  string // of the credential scope, or the server's own
	Service string // of the credential scope, e.g. "s3"

	AuthType         string    // "AuthHeader", "QueryString", "POST" or ""
	SignatureVersion string    // "SigV4" or ""
	SignedAt         time.Time // zero if unsigned
	// PayloadHash is x-amz-content-sha256 as the signature covers it: a digest, or
	// "UNSIGNED-PAYLOAD" and its kin. It is empty for unsigned requests and forms.
	PayloadHash string

	RequestID       string
	HostID          string // x-amz-id-2
	SourceIP        string
	UserAgent       string
	Referer         string // as the client says
	Host            string // as the client named the server
	SecureTransport bool
	TLSVersion      string // "TLSv1.3", or empty
	CipherSuite     string
	BytesIn         int64 // declared length of the body, -1 if unknown

	// InvokedBy names the AWS service that forwards the caller's request,
	// e.g. "s3.amazonaws.com" on the calls that S3 makes to KMS.
	InvokedBy string
}

// Via returns a copy of c for a call that a service makes on its behalf.
func (c *Caller) Via(service string) *Caller {
	d := *c
	d.InvokedBy = service
	return &d
}

// IsAnonymous reports whether c proved no identity.
func (c *Caller) IsAnonymous() bool { return c.Type == TypeAnonymous }
