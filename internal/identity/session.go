package identity

import (
	"time"

	"coffer/internal/policy"
)

// A SessionKind says which operation made temporary credentials.
type SessionKind string

// The kinds of sessions.
const (
	SessionRole      SessionKind = "role"      // AssumeRole and its kin
	SessionFederated SessionKind = "federated" // GetFederationToken
	SessionUser      SessionKind = "user"      // GetSessionToken
)

// A Session is what temporary credentials stand for. It lies sealed in the session
// token and nowhere else. Callers share it and change nothing in it.
type Session struct {
	Kind        SessionKind
	AccessKeyID string // ASIA...
	Secret      Secret
	Account     string
	ARN         string // of the session: assumed-role/..., federated-user/..., or the user's own
	Name        string // session name, or the federated user's name

	// RoleID (AROA...) and RoleARN, with its path, are of a role's session.
	RoleID  string
	RoleARN string
	// UserID and UserARN tell who got the credentials: a user, or the root user
	// (then UserID is the account). Of a role's session they are empty.
	UserID  string
	UserARN string

	IssuedAt  time.Time
	ExpiresAt time.Time

	// Policies are the session policies; HasPolicies is set if any were passed.
	// PolicyText is the inline one as it was passed, and PolicyARNs name the
	// managed ones, which are read anew at each use: Policies holds both.
	Policies    []policy.Named
	HasPolicies bool
	PolicyText  string
	PolicyARNs  []string

	Tags           map[string]string // session tags, by key as sent
	TransitiveTags []string          // keys of the tags that a chained role inherits
	SourceIdentity string
	MFA            bool // a device proved the caller
	MFAAt          time.Time
	Chained        bool // made with credentials of another role's session

	// Provider is the identity provider of a web identity: its ARN.
	Provider string
	// SourceARN is the trust anchor of a session of IAM Roles Anywhere.
	SourceARN string
	// Keys are further condition keys that live as long as the session, in lower
	// case: "token.actions.githubusercontent.com:sub".
	Keys map[string][]string
}

// An Effective is what decisions need of a user or a role.
type Effective struct {
	ID       string // AIDA... or AROA...
	ARN      string
	Name     string
	Path     string
	Tags     map[string]string
	Policies []policy.Named // inline, attached and of the groups
	Boundary *policy.Named  // nil if there is none
	// ServiceLinked is set for a role under /aws-service-role/.
	ServiceLinked bool
	// Trust is the trust policy of a role.
	Trust *policy.Named
	// MaxSession is the longest session of a role.
	MaxSession time.Duration
}
