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

// What organizations refuse. The services have one answer for each.
var (
	// ErrNotInOrganization means that the account is in no organization.
	ErrNotInOrganization = errors.New("organization: account is in no organization")
	// ErrInOrganization means that the account is in an organization.
	ErrInOrganization = errors.New("organization: account is in an organization")
	// ErrNotEmpty means that the organization has member accounts.
	ErrNotEmpty = errors.New("organization: has member accounts")
	// ErrUnitNotEmpty means that the OU has accounts or OUs.
	ErrUnitNotEmpty = errors.New("organization: OU is not empty")
	// ErrNoAccount means that the organization, or the server, has no such account.
	ErrNoAccount = errors.New("organization: no such account")
	// ErrAccountExists means that another account has the ID or the name.
	ErrAccountExists = errors.New("organization: account exists")
	// ErrEmailExists means that another account has the e-mail address.
	ErrEmailExists = errors.New("organization: e-mail address is taken")
	// ErrManagement means that the management account can't leave.
	ErrManagement = errors.New("organization: management account can't leave")
	// ErrTooManyAccounts means that the organization has MaxAccounts.
	ErrTooManyAccounts = errors.New("organization: too many accounts")

	// ErrNoRoot, ErrNoUnit, ErrNoParent, ErrNoChild and ErrNoTarget mean that the
	// organization has none of that ID: a root, an OU, a root or OU, an OU or account,
	// or any of the three.
	ErrNoRoot   = errors.New("organization: no such root")
	ErrNoUnit   = errors.New("organization: no such OU")
	ErrNoParent = errors.New("organization: no such parent")
	ErrNoChild  = errors.New("organization: no such child")
	ErrNoTarget = errors.New("organization: no such target")
	// ErrNoSource and ErrNoDestination are of MoveAccount: the account is not below
	// the one, or the other does not exist.
	ErrNoSource      = errors.New("organization: account is not below that parent")
	ErrNoDestination = errors.New("organization: no such destination")
	// ErrThere means that the account is where it should be moved to.
	ErrThere = errors.New("organization: account is there")
	// ErrUnitExists means that the parent has an OU of that name.
	ErrUnitExists = errors.New("organization: OU exists")
	// ErrTooDeep means that an OU would lie below MaxDepth others.
	ErrTooDeep = errors.New("organization: OUs nest too deep")
	// ErrTooManyUnits means that the organization has MaxUnits.
	ErrTooManyUnits = errors.New("organization: too many OUs")

	// ErrNoPolicy means that the organization has no such policy.
	ErrNoPolicy = errors.New("organization: no such policy")
	// ErrPolicyExists means that a policy of the type has the name.
	ErrPolicyExists = errors.New("organization: policy exists")
	// ErrPolicyInUse means that the policy is attached.
	ErrPolicyInUse = errors.New("organization: policy is attached")
	// ErrAWSManaged means that the policy is AWS's, which nobody changes.
	ErrAWSManaged = errors.New("organization: policy is managed by AWS")
	// ErrMalformed means that the text is no policy of its type. The wrapped error
	// says why.
	ErrMalformed = errors.New("organization: malformed policy")
	// ErrTooLong means that the text is longer than its type allows.
	ErrTooLong = errors.New("organization: policy is too long")
	// ErrTooManyPolicies means that the organization has as many policies of the
	// type as it can hold.
	ErrTooManyPolicies = errors.New("organization: too many policies")
	// ErrEnabled and ErrNotEnabled tell what the type of policy is in the root.
	ErrEnabled    = errors.New("organization: policy type is enabled")
	ErrNotEnabled = errors.New("organization: policy type is not enabled")
	// ErrAttached and ErrNotAttached tell whether the policy is attached.
	ErrAttached    = errors.New("organization: policy is attached to the target")
	ErrNotAttached = errors.New("organization: policy is not attached to the target")
	// ErrTooManyAttached means that the target has as many policies of the type as
	// it can have.
	ErrTooManyAttached = errors.New("organization: too many policies on the target")
	// ErrLastPolicy means that the target would be left without a policy of the
	// type, or without RCPFullAWSAccess.
	ErrLastPolicy = errors.New("organization: target needs the policy")

	// ErrTooManyTags means that a resource would have more than MaxTags.
	ErrTooManyTags = errors.New("organization: too many tags")

	// ErrNoHandshake means that the account has no such handshake.
	ErrNoHandshake = errors.New("organization: no such handshake")
	// ErrInvited means that an open invitation to the account exists.
	ErrInvited = errors.New("organization: account is invited")
	// ErrNoInvitee means that no account of the server has the ID or the address.
	ErrNoInvitee = errors.New("organization: nobody to invite")
	// ErrOver means that the handshake has ended in another way, and ErrDone that
	// it has ended in this one.
	ErrOver = errors.New("organization: handshake is over")
	ErrDone = errors.New("organization: handshake is in that state")
	// ErrTooManyInvitations means that the organization has MaxInvitations open.
	ErrTooManyInvitations = errors.New("organization: too many invitations")
	// ErrNotYours means that only the other party may do this to the handshake.
	ErrNotYours = errors.New("organization: handshake is another's to change")

	// ErrNoStatus means that the organization asked for no such account.
	ErrNoStatus = errors.New("organization: no such request for an account")

	// ErrInvalid means that a value has a form that is not allowed. The wrapped
	// text says which.
	ErrInvalid = errors.New("organization: invalid")
)

// Limits of an organization.
//
// Source: AWS Organizations User Guide, "Quotas and service limits for AWS
// Organizations", read 2026-11-21.
const (
	// MaxAccounts counts the management account too. AWS starts with 10 and raises
	// it to 50,000 on request; here nobody has to ask.
	MaxAccounts = 50_000
	MaxUnits    = 2_000
	MaxDepth    = 5 // of OUs below the root
	MaxTags     = 50
	// MaxInvitations bounds the open ones. AWS allows 20 a day.
	MaxInvitations = 20
	// InvitationPeriod is how long an invitation is open.
	InvitationPeriod = 15 * 24 * time.Hour
	// HandshakeMemory is how long a handshake is shown after it has ended.
	HandshakeMemory = 30 * 24 * time.Hour
	// StatusMemory is how long the end of a request for an account is shown.
	StatusMemory = 90 * 24 * time.Hour
)

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
