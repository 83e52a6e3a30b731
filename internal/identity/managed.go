package identity

import "time"

// A Policy is a managed policy, of an account or of AWS.
type Policy struct {
	Account     string // "aws" for the managed policies of AWS
	ID          string // ANPA...
	Name        string
	Path        string
	ARN         string
	Description string
	Default     string // ID of the default version: "v1"
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Tags        []Tag
	// Attachments and Boundaries count its uses in the account that asks.
	Attachments int
	Boundaries  int
}

// IsAWS reports whether AWS maintains the policy.
func (p *Policy) IsAWS() bool { return p.Account == awsAccount }

// awsAccount stands in the ARNs of AWS's managed policies for an account.
const awsAccount = "aws"

// A PolicyVersion is one text of a managed policy.
type PolicyVersion struct {
	ID        string // "v1"
	IsDefault bool
	CreatedAt time.Time
	Text      string // JSON, as it was put
}

// NewPolicy describes a managed policy to be made.
type NewPolicy struct {
	Name        string
	Path        string // "/" if empty
	Description string
	Text        string // JSON
	Tags        []Tag
}

// A PolicyPage asks for one page of managed policies: those of the account first,
// then those of AWS. After is the ARN of the last one of the page before.
type PolicyPage struct {
	Page
	Local, AWS bool // which; neither means both
	Attached   bool // only those with an attachment or, with Boundaries, such a use
	// Boundaries asks for those used as a permissions boundary, Permissions for
	// those attached.
	Boundaries, Permissions bool
}

// An Attachment is a managed policy as it is attached.
type Attachment struct{ ARN, Name, Path string }

// A PolicyEntity is a user, a group or a role that a managed policy is attached
// to, or whose permissions boundary it is.
type PolicyEntity struct {
	Kind     Kind
	Name     string
	ID       string
	Path     string
	Boundary bool // as permissions boundary; otherwise attached
}
