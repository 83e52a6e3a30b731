// Package organization holds the organizations of the server: their accounts,
// organizational units and policies.
//
// An account is in at most one organization, and an organization has one root. The
// root, the organizational units (OUs) and the accounts below them are the targets
// to which policies are attached.
//
// Rows, all CBOR unless empty. Row keys name an organization where one must never
// reach into another:
//
//	organization/org/ ORG                  the organization
//	organization/root/ ROOT                the ID of its organization
//	organization/account/ ACCOUNT          an account: its e-mail address, who made it, where it is
//	organization/member/ ORG / ACCOUNT     empty
//	organization/unit/ ORG / OU            an OU: its name, its parent
//	organization/child/ PARENT / OU or ACCOUNT   empty
//	organization/policy/ ORG / POLICY      a policy; those of AWS have no row
//	organization/attached/ TARGET / POLICY   empty; TARGET is ORG:ID
//	organization/target/ ORG / POLICY / ID   empty
//	organization/tags/ ORG / ID            the tags of a root, OU, account or policy
//	organization/status/ ORG / CAR         how the creation of an account ended
//	organization/handshake/ HANDSHAKE      an invitation
//	organization/party/ ORG or ACCOUNT / HANDSHAKE   empty
//
// Mutating methods take a function, also, that runs last in the transaction that
// makes the change: the event of the change commits with it or not at all. Like
// every transaction function it may run twice. Each change counts one revision.
package organization

import (
	"errors"
	"time"
)

var (
	// ErrNotInOrganization means that the account is in no organization.
	ErrNotInOrganization = errors.New("organization: account is in no organization")
	// ErrInOrganization means that the account is in an organization.
	ErrInOrganization = errors.New("organization: account is in an organization")
	// ErrNoAccount means that the organization, or the server, has no such account.
	ErrNoAccount = errors.New("organization: no such account")
	// ErrAccountExists means that another account has the ID or the name.
	ErrAccountExists = errors.New("organization: account exists")
	// ErrEmailExists means that another account has the e-mail address.
	ErrEmailExists = errors.New("organization: e-mail address is taken")
	// ErrInvalid means that a value has a form that is not allowed. The wrapped
	// text says which.
	ErrInvalid = errors.New("organization: invalid")
	// ErrTooManyAccounts means that the organization has MaxAccounts.
	ErrTooManyAccounts = errors.New("organization: too many accounts")
)

// MaxAccounts is how many accounts an organization can hold, the management
// account included. AWS starts with 10 and raises it to 50,000 on request; here
// nobody has to ask.
//
// Source: AWS Organizations User Guide, "Quotas and service limits for AWS
// Organizations", read 2026-11-21.
const MaxAccounts = 50_000

// An Organization is a tree of accounts under one management account.
type Organization struct {
	ID                string // "o-..."
	ManagementAccount string // 12 digits
	Email             string // of the management account
	Root              string // "r-..."
	Created           time.Time
	Enabled           []PolicyType // in the order of policyTypes
}

// A PolicyType is a kind of policy of an organization, as the API spells it.
type PolicyType string

// The types that this server enforces.
const (
	SCP PolicyType = "SERVICE_CONTROL_POLICY"
	RCP PolicyType = "RESOURCE_CONTROL_POLICY"
)

// A JoinMethod says how an account came into its organization.
type JoinMethod string

// The ways to join.
const (
	Invited JoinMethod = "INVITED"
	Created JoinMethod = "CREATED"
)

// An Account is an account of the server as its organization sees it.
type Account struct {
	ID, Name, Email string
	Created         time.Time
	Creator         string     // the account that made it; empty for the server's first
	Org             string     // "o-..."; empty if it is in none
	Parent          string     // root or OU; empty outside of an organization
	Method          JoinMethod // empty outside of an organization
	Joined          time.Time
}
