// Package access answers who can really do what: it joins the decisions of S3 and of
// KMS over all that has been seen of some accounts.
//
// It is as honest as what was seen. A policy that nobody has read makes an answer
// Unknown and never No; a condition on something that only a request tells makes it
// YesIf, with the condition; the side of an account that was not seen makes it
// Possible.
package access

import (
	"fmt"

	"coffer/internal/policy"
)

// A World is what has been seen of some accounts.
type World struct {
	Accounts []*Account
	Buckets  []*Bucket
	Keys     []*Key
	// Assume are condition keys, in lower case, whose values hold for every request,
	// such as "aws:sourceip".
	Assume map[string][]string
	// Secure is set if requests come over TLS.
	Secure bool
}

// An Account is what has been seen of an account.
type Account struct {
	ID   string
	Name string // as the user calls it; may be empty

	Entities     []*Entity // users and roles
	SeesEntities bool      // Entities are all of them

	OrgID     string
	OrgPath   string
	SeesOrg   bool // SCPs and RCPs are those in force
	SCPs      [][]policy.Named
	RCPs      [][]policy.Named
	Block     Block // of the account
	SeesBlock bool
}

// An Entity is a user or a role.
type Entity struct {
	Principal policy.Principal // of type User, or Session with an ARN that ends in /*
	ARN       string           // of the user or the role
	Name      string
	Tags      map[string]string
	Policies  []policy.Named
	Boundary  *policy.Named
	Trust     *policy.Named // of a role

	Unseen  bool     // not all of its policies were seen
	Managed []string // ARNs of the attached customer managed policies
	Groups  []string // names of a user's groups
}

// Block is a configuration of Block Public Access.
type Block struct {
	BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy, RestrictPublicBuckets bool
}

// An ACLGrant is one grant of an access control list.
type ACLGrant struct {
	Canonical  string // canonical user ID, or empty
	Group      string // "AllUsers", "AuthenticatedUsers", "LogDelivery", or empty
	Permission string // "READ", "WRITE", "FULL_CONTROL", ...
}

// A Bucket is what has been seen of a bucket.
type Bucket struct {
	Name, Account, Region string

	Policy     *policy.Named // nil if it has none
	SeesPolicy bool
	Block      Block
	SeesBlock  bool
	// ACLs is set unless ownership is BucketOwnerEnforced.
	ACLs     bool
	ACL      []ACLGrant
	SeesACLs bool

	Algorithm      string // of the default encryption: "AES256", "aws:kms", "aws:kms:dsse"
	KeyARN         string // of the default encryption; empty for aws/s3
	BucketKey      bool
	SeesEncryption bool
}

// A Key is what has been seen of a KMS key.
type Key struct {
	ARN, Account string
	Policy       *policy.Named
	SeesPolicy   bool
	Grants       []policy.Grant
	SeesGrants   bool
	State        string // "Enabled", ...; empty if it was not seen
	IsManaged    bool   // by AWS
	Spec, Usage  string
	Origin       string
	Aliases      []string
	Tags         map[string]string
	SeesTags     bool
}

// An Object is what has been seen of one version of an object, or what a new one
// would be.
type Object struct {
	Bucket    *Bucket
	Key       string
	VersionID string // "" for the current one
	Algorithm string // "AES256", "aws:kms", "aws:kms:dsse"; "SSE-C"; empty if it was not seen
	KeyARN    string
	BucketKey bool
	Context   map[string]string // encryption context besides aws:s3:arn
	ACL       []ACLGrant
	SeesACL   bool
	Tags      map[string]string
	SeesTags  bool
}

// Key returns a key of the world by its ARN; one of which nothing was seen if it is
// not in it.
func (w *World) Key(arn, account string) *Key {
	for _, k := range w.Keys {
		if k.ARN == arn {
			return k
		}
	}
	return &Key{ARN: arn, Account: account}
}

// Account returns an account of the world, or nil.
func (w *World) Account(id string) *Account {
	for _, a := range w.Accounts {
		if a.ID == id {
			return a
		}
	}
	return nil
}

// An Answer says whether a principal can do something.
type Answer int

// The answers, from the worst to the best.
const (
	No Answer = iota
	Unknown
	Possible
	YesIf
	Yes
)

// String returns the answer as it is printed.
func (a Answer) String() string {
	return [...]string{"NO", "UNKNOWN", "POSSIBLE", "YES-IF", "YES"}[a]
}

// MarshalText returns String.
func (a Answer) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText takes what String returns.
func (a *Answer) UnmarshalText(b []byte) error {
	for _, x := range []Answer{No, Unknown, Possible, YesIf, Yes} {
		if x.String() == string(b) {
			*a = x
			return nil
		}
	}
	return fmt.Errorf("access: no answer is called %q", b)
}
