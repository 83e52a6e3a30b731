package trail

import (
	"encoding/hex"
	"fmt"
	"io"
	"time"
)

// Redacted stands where CloudTrail leaves out a secret.
const Redacted = "HIDDEN_DUE_TO_SECURITY_REASONS"

// Values of Event.Type.
const (
	TypeAPICall      = "AwsApiCall"      // a call; the default
	TypeServiceEvent = "AwsServiceEvent" // something a service did by itself
)

// An Event is one record of CloudTrail. Fields that are empty are left out,
// unless they say otherwise; strings are cut and large fields omitted as
// CloudTrail does, see docs/spec/trail.md.
//
// Source: AWS CloudTrail User Guide, "CloudTrail record contents for management,
// data, and network activity events" (eventVersion 1.11) and "CloudTrail
// userIdentity element", read 2026-11-21.
type Event struct {
	User      UserIdentity // userIdentity, always there
	Time      time.Time    // eventTime; Begin and Append set a zero one to now
	Source    string       // eventSource, always there: "kms.amazonaws.com"
	Name      string       // eventName, always there: "CreateKey"
	Region    string       // awsRegion, always there
	SourceIP  string       // sourceIPAddress, always there
	UserAgent string       // up to 1 KiB

	ErrorCode    string // up to 1 KiB; empty for a call that succeeded
	ErrorMessage string // up to 1 KiB

	Request    Params // requestParameters, null if nil, up to 100 KiB
	Response   Params // responseElements, null if nil, up to 100 KiB
	Additional Params // additionalEventData, up to 28 KiB

	RequestID string // up to 1 KiB
	ID        string // eventID; Begin and Append set an empty one to a random UUID
	ReadOnly  bool   // readOnly, always there

	Resources []Resource // up to 100 KiB: the first ones that fit
	Type      string     // eventType: TypeAPICall if empty

	// Data makes it a data event (eventCategory Data) and no management event
	// (eventCategory Management, managementEvent true).
	Data bool

	RecipientAccountID string
	Service            Params // serviceEventDetails, up to 100 KiB
	SharedEventID      string
	TLS                TLSDetails // tlsDetails; left out if all its fields are empty
}

// A UserIdentity says who called.
type UserIdentity struct {
	Type        string // always there: "Root", "IAMUser", "AssumedRole", "AWSService", ...
	PrincipalID string
	ARN         string
	AccountID   string
	AccessKeyID string
	UserName    string
	Session     *SessionContext // nil unless the credentials are temporary
	InvokedBy   string
	// IdentityProvider is who vouched for a WebIdentityUser.
	IdentityProvider string
}

// A SessionContext says where temporary credentials came from.
type SessionContext struct {
	Issuer           SessionIssuer
	CreatedAt        time.Time // attributes.creationDate
	MFAAuthenticated bool
	// FederatedProvider is the ARN of the identity provider of a session that was
	// made for a web identity: webIdFederationData.federatedProvider.
	FederatedProvider string
	SourceIdentity    string
}

// A SessionIssuer is the role or user that issued a session.
type SessionIssuer struct {
	Type, PrincipalID, ARN, AccountID, UserName string
}

// A Resource is one thing that a call touched.
type Resource struct {
	Type      string // "AWS::S3::Object"
	ARN       string
	AccountID string // of the owner
}

// TLSDetails describe the connection of a call.
type TLSDetails struct {
	Version     string // "TLSv1.3"
	CipherSuite string
	HostHeader  string // clientProvidedHostHeader
}

// Params are named values in order: requestParameters and its kin.
type Params []Param

// A Param is one of [Params]. The value is nil, a string, a bool, an integer, a
// float, a time, [Params], or a slice or a map of these, whose keys are written
// in order. A value of another type is encoded by encoding/json, and becomes
// null if that fails.
type Param struct {
	Name  string
	Value any
}

// Set gives the parameter of that name a value, at the end if it is new.
func (p *Params) Set(name string, value any) {
	for i := range *p {
		if (*p)[i].Name == name {
			(*p)[i].Value = value
			return
		}
	}
	*p = append(*p, Param{name, value})
}

// Get returns the value of the parameter of that name, or nil.
func (p Params) Get(name string) any {
	for i := range p {
		if p[i].Name == name {
			return p[i].Value
		}
	}
	return nil
}

// stamp gives an event that lacks them its time and its ID.
func (ev *Event) stamp(now func() time.Time, random io.Reader) error {
	if ev.Time.IsZero() {
		ev.Time = now()
	}
	if ev.ID != "" {
		return nil
	}
	var u [16]byte
	if _, err := io.ReadFull(random, u[:]); err != nil {
		return fmt.Errorf("trail: draw an event ID: %w", err)
	}
	u[6] = u[6]&0x0f | 0x40 // version 4
	u[8] = u[8]&0x3f | 0x80 // variant of RFC 9562
	var s [36]byte
	hex.Encode(s[0:], u[0:4])
	hex.Encode(s[9:], u[4:6])
	hex.Encode(s[14:], u[6:8])
	hex.Encode(s[19:], u[8:10])
	hex.Encode(s[24:], u[10:16])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	ev.ID = string(s[:])
	return nil
}
