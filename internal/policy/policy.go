// Package policy implements the AWS policy language and the decision over all the
// kinds of policy: what a policy says, and whether a request is allowed.
//
// It is pure: policies, principal and condition keys come in, a decision comes
// out. Package authz gathers what a live request needs; commands such as
// simulate and who-can gather it from files.
//
// Source: docs/spec/authorization.md, which restates the rules with the pages of
// the AWS documentation that they come from.
package policy

// A Kind says where a policy is attached, which decides what it may hold, how
// long it may be and what it means.
type Kind int

// The kinds of policy.
const (
	KindIdentity Kind = iota + 1 // of a user, a group or a role, inline or managed
	KindBoundary                 // a managed policy as permissions boundary
	KindSession                  // passed when a session was made
	KindBucket                   // of a bucket
	KindKey                      // of a KMS key
	KindTrust                    // of a role: who may assume it
	KindSCP                      // service control policy
	KindRCP                      // resource control policy
	KindEndpoint                 // of a VPC endpoint
	KindResource                 // any other resource-based policy
)

// An Effect is what a statement does.
type Effect string

// The effects.
const (
	Allow Effect = "Allow"
	Deny  Effect = "Deny"
)

// A Policy is a parsed and compiled policy. It does not change, and goroutines
// share it.
type Policy struct {
	Kind       Kind
	Version    string // "2012-10-17", or "2008-10-17", also if the text has none
	ID         string
	Statements []Statement

	// Unknown says what of the policy, outside its statements, is not understood.
	// If it is not empty, every statement counts as Unknown.
	Unknown string

	compiled *compiled // nil if neither Parse nor Load made the policy: it denies all
}

// A Statement is one statement of a policy, as written.
type Statement struct {
	Sid        string
	Effect     Effect
	Principal  *Principals // nil if the element is missing
	NotPrinc   bool        // Principal stands in NotPrincipal
	Actions    []string
	NotAction  bool // Actions stand in NotAction
	Resources  []string
	NotRes     bool // Resources stand in NotResource
	Conditions []Condition

	// Unknown says what of the statement is not understood, or is empty. Such a
	// statement applies if it denies and does not if it allows.
	Unknown string

	Line, Column int // where it starts in the text, from 1
}

// Principals are the values of a Principal element.
type Principals struct {
	Any       bool // "*", or {"AWS": "*"}
	AWS       []string
	Service   []string
	Federated []string
	Canonical []string // CanonicalUser
}

// A Condition is one key of one operator with its values. A statement needs all
// of its conditions.
type Condition struct {
	Operator string   `json:"operator"`      // "StringEquals", without set prefix and IfExists
	Set      string   `json:"set,omitempty"` // "", "ForAllValues" or "ForAnyValue"
	IfExists bool     `json:"ifExists,omitempty"`
	Key      string   `json:"key"` // as written
	Values   []string `json:"values"`
}

// A Context tells the values of condition keys.
type Context interface {
	// Lookup returns the values of a condition key, whose name is given in lower
	// case, appended to into, which has length 0. ok is false if the request does
	// not have the key; a key that is there may have no values.
	Lookup(key string, into []string) (values []string, ok bool)
}

// MapContext is a Context from a map with lower-case keys.
type MapContext map[string][]string

// Lookup implements Context.
func (m MapContext) Lookup(key string, into []string) ([]string, bool) {
	v, ok := m[key]
	return append(into, v...), ok
}

// A PrincipalType is a kind of principal.
type PrincipalType int

// The kinds of principals.
const (
	Anonymous   PrincipalType = iota
	Root                      // the root user of an account
	User                      // an IAM user; also with GetSessionToken credentials
	Session                   // of a role: AssumeRole and its kin
	Federated                 // from GetFederationToken
	Service                   // an AWS service by itself, such as logging.s3.amazonaws.com
	WebIdentity               // who proved a web identity, towards a trust policy only
)

// A Principal is who asks.
type Principal struct {
	Type    PrincipalType
	Account string // 12 digits; empty if anonymous, for services and web identities
	// ARN is that of the root user, the user, the role's session
	// (arn:aws:sts::A:assumed-role/R/S) or the federated user
	// (arn:aws:sts::A:federated-user/N).
	ARN  string
	Role string // of a session: the role's ARN, with its path
	User string // of a federated user: the ARN of the user, or root, that it comes from
	ID   string // unique ID of the user or role, as saved policies name it: AIDA..., AROA...
	// Canonical is the canonical user ID of the account; empty if it is not known,
	// which makes a Deny for a CanonicalUser apply and an Allow not.
	Canonical string

	Service  string // of Service: its name
	Provider string // of WebIdentity: ARN or name of the provider

	ServiceLinked bool // a session of a service-linked role
	HasBoundary   bool // NotPrincipal asks for it; see rule 9
}

// A Named is a policy with the name that explanations give it: its ARN, or where
// it stands inline.
type Named struct {
	Name   string
	Policy *Policy
}

// A Grant is a grant on a KMS key, as decisions see it.
type Grant struct {
	ID                string
	GranteePrincipal  string // ARN, or unique ID
	GranteeService    string
	RetiringPrincipal string
	Operations        []string // "Decrypt", ...

	ContextEquals map[string]string // nil if there is no such constraint
	ContextSubset map[string]string
	SourceARN     string // constraint; empty if there is none
}

// An Input is all that a decision needs. Policies of one field apply together; an
// empty field means that there is no policy of that kind.
type Input struct {
	Principal Principal
	Action    string // "s3:GetObject"
	Resource  string // ARN, or "*"
	// Account owns the resource; empty means the principal's own.
	Account string
	Context Context // nil if the request has no keys

	Identity []Named
	Boundary *Named // nil if there is none
	// Session are the session policies of temporary credentials. A federated user
	// without any has no permission from Identity.
	Session []Named
	// HasSession is set if session policies were passed, also if Session is empty.
	HasSession bool
	// SCPs holds the policies of each level of the organization above the
	// principal's account, the root first and the account last. nil: none apply.
	SCPs [][]Named
	// RCPs is the same above the resource's account. nil: none apply.
	RCPs     [][]Named
	Endpoint []Named

	ResourcePolicy *Named  // nil if there is none
	Grants         []Grant // of the KMS key
	// RestrictPublic is set if RestrictPublicBuckets is on for the bucket: while
	// its policy is public, only principals of the bucket's account and services
	// get anything from it.
	RestrictPublic bool
	// ACLAllows is set if an access control list that is in force grants the
	// action to the principal. PublicACL is set if it does so to everyone.
	ACLAllows bool
	PublicACL bool
	// ACLName names what granted, for explanations.
	ACLName string

	// UnknownLayers are layers whose policies are not seen, or not all of them.
	// Only EvaluatePartial looks at them.
	UnknownLayers []Layer
}

// A Layer is a kind of policy as a decision names it.
type Layer string

// The layers, in the words of AWS's access denied messages.
//
// Source: IAM User Guide, "Troubleshoot access denied error messages", read
// 2026-11-21.
const (
	LayerRCP      Layer = "resource control policy"
	LayerSCP      Layer = "service control policy"
	LayerEndpoint Layer = "VPC endpoint policy"
	LayerResource Layer = "resource-based policy"
	LayerIdentity Layer = "identity-based policy"
	LayerBoundary Layer = "permissions boundary"
	LayerSession  Layer = "session policy"
	LayerTrust    Layer = "role trust policy"
	LayerGrant    Layer = "grant"
	LayerACL      Layer = "access control list"
	LayerPublic   Layer = "Block Public Access"
	LayerRoot     Layer = "root user" // what the root user has without any policy
)

// A Match is a statement that had a part in a decision.
type Match struct {
	Layer  Layer  `json:"layer"`
	Policy string `json:"policy"` // Named.Name, or the ID of a grant
	Index  int    `json:"index"`  // of the statement, from 0; -1 if the policy could not be read
	Sid    string `json:"sid,omitempty"`
	Effect Effect `json:"effect"`
}

// A Decision is the answer to an Input.
type Decision struct {
	Allowed bool `json:"allowed"`
	// Explicit is set on a denial that a Deny statement made.
	Explicit bool `json:"explicit"`
	// Layer is what denied, or what allowed.
	Layer Layer `json:"layer,omitempty"`
	// Cross is set if principal and resource are of different accounts.
	Cross bool `json:"crossAccount"`
	// Match is the statement that decided; Policy is empty if none did, as for an
	// implicit denial.
	Match Match `json:"match"`
}
