package identity

import (
	"time"
)

// A Kind is a kind of entity that policies are attached to.
type Kind string

// The kinds, as ListEntitiesForPolicy spells its filter.
const (
	KindUser  Kind = "User"
	KindGroup Kind = "Group"
	KindRole  Kind = "Role"
)

// An Entity names a user, a group or a role by its name, without regard to case.
type Entity struct {
	Kind    Kind
	Account string
	Name    string
}

// A Tag is a key with a value.
type Tag struct{ Key, Value string }

// A User is an IAM user.
type User struct {
	Account   string
	ID        string // AIDA...
	Name      string
	Path      string // "/", or with / at both ends
	ARN       string
	CreatedAt time.Time
	Tags      []Tag
	Boundary  string // ARN of the policy; empty if there is none
}

// A Group is an IAM group.
type Group struct {
	Account   string
	ID        string // AGPA...
	Name      string
	Path      string
	ARN       string
	CreatedAt time.Time
}

// A Role is an IAM role.
type Role struct {
	Account     string
	ID          string // AROA...
	Name        string
	Path        string
	ARN         string
	CreatedAt   time.Time
	Description string
	Trust       string // the trust policy as JSON, its principals shown as ARNs
	MaxSession  time.Duration
	Tags        []Tag
	Boundary    string // ARN of the policy; empty if there is none
	// Service is the principal of the service that a service-linked role belongs
	// to; empty for other roles.
	Service  string
	LastUsed LastUse // without a Service
}

// NewUser describes a user to be made.
type NewUser struct {
	Name     string
	Path     string // "/" if empty
	Boundary string // ARN of a policy; none if empty
	Tags     []Tag
}

// NewRole describes a role to be made.
type NewRole struct {
	Name        string
	Path        string // "/" if empty
	Description string
	Trust       string        // trust policy as JSON
	MaxSession  time.Duration // an hour if 0
	Boundary    string        // ARN of a policy; none if empty
	Tags        []Tag
	// Service makes a service-linked role of that service principal, under
	// /aws-service-role/Service/, which Path must then be or be empty.
	Service string
}

// A RoleUpdate holds what changes of a role; nil keeps.
type RoleUpdate struct {
	Description *string
	MaxSession  *time.Duration
}

// A Page asks for one page of a list in the order of lower-case names.
type Page struct {
	After      string // the last name of the page before; empty for the first
	PathPrefix string // only paths that start so; all if empty
	Limit      int    // at most that many; 0 means all
}
