package s3

import (
	"context"
	"slices"
	"strings"

	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/object"
)

// Groups that an access control list can name.
//
// Source: Amazon S3 User Guide, "Access control list (ACL) overview", read
// 2026-11-21.
const (
	groupAllUsers           = "http://acs.amazonaws.com/groups/global/AllUsers"
	groupAuthenticatedUsers = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
	groupLogDelivery        = "http://acs.amazonaws.com/groups/s3/LogDelivery"
)

// maxGrants is how many grants one access control list may hold.
//
// Source: as above.
const maxGrants = 100

// The actions that a permission of a bucket's or an object's list stands for.
// FULL_CONTROL stands for all of one table.
//
// Source: as above, "Mapping of ACL permissions and access policy permissions".
var (
	bucketPermissions = map[string]string{
		"s3:ListBucket": object.PermissionRead, "s3:ListBucketVersions": object.PermissionRead,
		"s3:ListBucketMultipartUploads": object.PermissionRead,
		"s3:PutObject":                  object.PermissionWrite,
		"s3:GetBucketAcl":               object.PermissionReadACP, "s3:PutBucketAcl": object.PermissionWriteACP,
	}
	objectPermissions = map[string]string{
		"s3:GetObject": object.PermissionRead, "s3:GetObjectVersion": object.PermissionRead,
		"s3:GetObjectAcl": object.PermissionReadACP, "s3:GetObjectVersionAcl": object.PermissionReadACP,
		"s3:PutObjectAcl": object.PermissionWriteACP, "s3:PutObjectVersionAcl": object.PermissionWriteACP,
	}
)

// lists sets what access control lists, which count in the bucket, say of the
// question. What is asked of an object that another account owns is that account's
// to allow: then only what the bucket's policy denies counts.
//
// Source: Amazon S3 User Guide, "How Amazon S3 authorizes a request for an object
// operation", read 2026-11-21.
func (q *question) lists(ctx context.Context, a *authz.Ask, p *bucketPolicy) error {
	b := q.bucket
	if permission := bucketPermissions[q.Action]; permission != "" {
		a.ACLName = "access control list of " + b.Name
		return q.grants(ctx, a, b.ACL, permission)
	}
	if q.r.put != nil && (q.Action == "s3:PutObjectAcl" || q.Action == "s3:PutObjectTagging") && !q.r.c.IsAnonymous() {
		return q.ownedBy(a, q.r.c.Account, p) // the object to be written
	}
	if !q.r.aboutObject || q.Resource != q.r.resource {
		return nil
	}
	v, err := q.r.existing(ctx)
	if v == nil || err != nil {
		return err
	}
	if err := q.ownedBy(a, v.Owned(b), p); err != nil {
		return err
	}
	if permission := objectPermissions[q.Action]; permission != "" {
		a.ACLName = "access control list of " + q.Resource
		return q.grants(ctx, a, v.ACL, permission)
	}
	return nil
}

// ownedBy makes the question one about an object that an account owns.
func (q *question) ownedBy(a *authz.Ask, account string, p *bucketPolicy) (err error) {
	if account == q.bucket.Account {
		return nil
	}
	a.Account, a.Policy = account, nil
	if p != nil {
		a.Policy, err = p.denials()
	}
	return err
}

// grants sets whether a list gives a permission to the caller. What it gives to an
// account is for that account to pass on to its principals; to those of the
// resource's own account a list adds nothing but what it gives to everyone.
func (q *question) grants(ctx context.Context, a *authz.Ask, acl *object.ACL, permission string) error {
	if acl == nil {
		return nil
	}
	c := q.r.c
	id := ""
	for _, g := range acl.Grants {
		if g.Permission != permission && g.Permission != object.PermissionFullControl {
			continue
		}
		switch {
		case g.Group == groupAllUsers, g.Group == groupAuthenticatedUsers && !c.IsAnonymous():
			block, err := q.r.s.publicAccess(ctx, q.bucket)
			if err != nil {
				return err
			}
			a.ACLAllows = !block.IgnorePublicACLs
			a.PublicACL = a.ACLAllows
		case g.CanonicalID != "" && c.Account != "" && c.Account != a.Account:
			if id == "" {
				var err error
				if id, err = q.r.s.owners.CanonicalID(ctx, c.Account); err != nil {
					return err
				}
			}
			a.ACLAllows = g.CanonicalID == id
		}
		if a.ACLAllows {
			return nil
		}
	}
	return nil
}

var errNoACLs = awserr.New(400, "AccessControlListNotSupported", "The bucket does not allow ACLs")

// isZero reports whether a request names no access control list in its headers.
func (a *ACL) isZero() bool { return a.Canned == "" && len(a.Grants) == 0 }

// objectACL returns owner and access control list of an object that the caller
// writes with the headers acl. The owner is empty if it is the bucket's.
//
// Source: Amazon S3 User Guide, "Controlling ownership of objects and disabling ACLs
// for your bucket", read 2026-11-21.
func (r *request) objectACL(acl *ACL) (owner string, _ *object.ACL, err error) {
	b := r.bucket
	if !b.HasACLs() {
		if acl.isZero() || r.isEnforced(acl) {
			return "", nil, nil
		}
		return "", nil, errNoACLs
	}
	// What nobody signed belongs to the bucket's owner.
	if !r.c.IsAnonymous() && r.c.Account != b.Account {
		owner = r.c.Account
		if b.Ownership == object.BucketOwnerPreferred && acl.Canned == "bucket-owner-full-control" {
			owner = ""
		}
	}
	list, err := r.newACL(acl, cmpOr(owner, b.Account), false)
	if err == nil {
		err = r.checkPublicACL(list, "s3:PutObject")
	}
	return owner, list, err
}

// isEnforced reports whether headers ask for what holds anyway where access control
// lists are disabled: that the bucket's owner has full control. For that account
// itself, private says the same. S3 refuses that one; clients that send it with every
// write are taken here.
func (r *request) isEnforced(acl *ACL) bool {
	return len(acl.Grants) == 0 && (acl.Canned == "bucket-owner-full-control" || acl.Canned == "private" && r.c.Account == r.bucket.Account)
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// newACL returns the access control list that headers ask for, of a resource that
// the account owner owns; nil is the default one.
func (r *request) newACL(a *ACL, owner string, onBucket bool) (*object.ACL, error) {
	if a.Canned != "" && len(a.Grants) > 0 {
		return nil, invalidRequest("Specifying both Canned ACLs and Header Grants is not allowed")
	}
	if len(a.Grants) > 0 {
		return headerACL(a.Grants)
	}
	canned := func(grants ...object.Grant) (*object.ACL, error) {
		id, err := r.s.owners.CanonicalID(r.ctx, owner)
		full := object.Grant{CanonicalID: id, Permission: object.PermissionFullControl}
		return &object.ACL{Grants: append([]object.Grant{full}, grants...)}, err
	}
	toBucketOwner := func(permission string) (*object.ACL, error) {
		if onBucket || owner == r.bucket.Account {
			return nil, nil
		}
		id, err := r.s.owners.CanonicalID(r.ctx, r.bucket.Account)
		if err != nil {
			return nil, err
		}
		return canned(object.Grant{CanonicalID: id, Permission: permission})
	}
	switch a.Canned {
	case "", "private":
		return nil, nil
	case "aws-exec-read":
		return nil, nil // for Amazon EC2, which is not here
	case "public-read":
		return canned(object.Grant{Group: groupAllUsers, Permission: object.PermissionRead})
	case "public-read-write":
		return canned(object.Grant{Group: groupAllUsers, Permission: object.PermissionRead},
			object.Grant{Group: groupAllUsers, Permission: object.PermissionWrite})
	case "authenticated-read":
		return canned(object.Grant{Group: groupAuthenticatedUsers, Permission: object.PermissionRead})
	case "log-delivery-write":
		if onBucket {
			return canned(object.Grant{Group: groupLogDelivery, Permission: object.PermissionWrite},
				object.Grant{Group: groupLogDelivery, Permission: object.PermissionReadACP})
		}
	case "bucket-owner-read":
		return toBucketOwner(object.PermissionRead)
	case "bucket-owner-full-control":
		return toBucketOwner(object.PermissionFullControl)
	}
	return nil, invalidArgument("x-amz-acl", a.Canned, "The canned ACL is not valid")
}

// headerPermissions are the permissions of the x-amz-grant- headers.
var headerPermissions = map[string]string{
	"x-amz-grant-full-control": object.PermissionFullControl, "x-amz-grant-read": object.PermissionRead,
	"x-amz-grant-read-acp": object.PermissionReadACP, "x-amz-grant-write": object.PermissionWrite,
	"x-amz-grant-write-acp": object.PermissionWriteACP,
}

// headerACL returns the access control list of x-amz-grant- headers: each lists
// grantees as type="value".
func headerACL(headers map[string]string) (*object.ACL, error) {
	var grants []ACLGrant
	names := make([]string, 0, len(headers))
	for name := range headers {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		permission := headerPermissions[name]
		if permission == "" {
			return nil, errNotImplemented
		}
		for item := range strings.SplitSeq(headers[name], ",") {
			kind, value, ok := strings.Cut(strings.TrimSpace(item), "=")
			if !ok {
				return nil, invalidArgument(name, headers[name], "Argument format not recognized")
			}
			g := ACLGrant{Permission: permission}
			value = strings.Trim(value, `"`)
			switch strings.ToLower(kind) {
			case "id":
				g.ID = value
			case "uri":
				g.URI = value
			case "emailaddress":
				g.Email = value
			default:
				return nil, invalidArgument(name, headers[name], "Argument format not recognized")
			}
			grants = append(grants, g)
		}
	}
	return checkGrants(grants)
}

// checkGrants checks the grants of a list and returns it as it is kept.
func checkGrants(grants []ACLGrant) (*object.ACL, error) {
	if len(grants) > maxGrants {
		return nil, awserr.New(400, "MalformedACLError", "The ACL you provided holds more than %d grants", maxGrants)
	}
	acl := &object.ACL{Grants: []object.Grant{}}
	for _, g := range grants {
		switch g.Permission {
		case object.PermissionFullControl, object.PermissionRead, object.PermissionReadACP, object.PermissionWriteACP,
			object.PermissionWrite: // S3 has no use for WRITE on an object, and takes it
		default:
			return nil, awserr.New(400, "MalformedACLError", "The XML you provided was not well-formed or did not validate against our published schema")
		}
		kept := object.Grant{Permission: g.Permission}
		switch {
		case g.Email != "":
			// Source: Amazon S3 API Reference, PutBucketAcl, "End of support notice",
			// read 2026-11-21.
			return nil, awserr.New(405, "MethodNotAllowed", "Email Grantee Access Control Lists (ACLs) are not supported.").
				With("ResourceType", "ACL")
		case g.URI != "":
			if !slices.Contains([]string{groupAllUsers, groupAuthenticatedUsers, groupLogDelivery}, g.URI) {
				return nil, invalidArgument("Group/URI", g.URI, "Invalid group uri")
			}
			kept.Group = g.URI
		case !isCanonicalID(g.ID):
			return nil, invalidArgument("CanonicalUser/ID", g.ID, "Invalid id")
		default:
			kept.CanonicalID = g.ID
		}
		acl.Grants = append(acl.Grants, kept)
	}
	return acl, nil
}

// isCanonicalID reports whether s has the form of a canonical user ID.
func isCanonicalID(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// isPublic reports whether a list gives anything to everyone, or to everyone with
// an account.
func isPublic(acl *object.ACL) bool {
	return acl != nil && slices.ContainsFunc(acl.Grants, func(g object.Grant) bool {
		return g.Group == groupAllUsers || g.Group == groupAuthenticatedUsers
	})
}

// checkPublicACL refuses a public list where Block Public Access does.
//
// Source: Amazon S3 User Guide, "Troubleshoot access denied (403 Forbidden) errors
// in Amazon S3", read 2026-11-21.
func (r *request) checkPublicACL(acl *object.ACL, action string) error {
	if !isPublic(acl) {
		return nil
	}
	block, err := r.s.publicAccess(r.ctx, r.bucket)
	if err != nil || !block.BlockPublicACLs {
		return err
	}
	return r.denied(action, "public access control lists (ACLs) are prevented by the BlockPublicAcls setting in S3 Block Public Access")
}

// denied is a denial that the service makes by itself.
func (r *request) denied(action, because string) error {
	d := &authz.Denied{Principal: r.c.ARN, Action: action, Resource: r.resource, Because: because}
	if r.c.IsAnonymous() {
		d.Principal, d.Anonymous = "anonymous", true
	}
	return d
}
