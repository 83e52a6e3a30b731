package s3

import (
	"context"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/object"
)

// PutBucketACL replaces a bucket's access control list.
func (s *Service) PutBucketACL(ctx context.Context, c *authn.Caller, in *PutACLInput) error {
	r := s.begin(ctx, c, "PutBucketAcl", managementWrite, in.Bucket, "", in.ExpectedBucketOwner)
	r.inputs.acl = &in.ACL
	return r.end(r.putBucketACL(in))
}

func (r *request) putBucketACL(in *PutACLInput) error {
	if err := r.authorize("s3:PutBucketAcl"); err != nil {
		return err
	}
	acl, err := r.sentList(in, r.bucket.Account, true)
	if err != nil {
		return err
	}
	if err := r.checkPublicACL(acl, "s3:PutBucketAcl"); err != nil {
		return err
	}
	return r.s.objects.ReconfigureAccess(r.ctx, r.bucket, func(b *object.Bucket) error {
		if !b.HasACLs() {
			return errNoACLs
		}
		b.ACL = acl
		return nil
	}, r.Record)
}

// sentList returns the access control list that a request sets, in its headers or
// its body; nil is the default one.
func (r *request) sentList(in *PutACLInput, owner string, onBucket bool) (*object.ACL, error) {
	if !r.bucket.HasACLs() {
		return nil, errNoACLs
	}
	switch {
	case in.Document != nil && !in.ACL.isZero():
		return nil, awserr.New(400, "UnexpectedContent", "This request does not support content")
	case in.Document == nil && in.ACL.isZero():
		return nil, awserr.New(400, "MissingSecurityHeader", "Your request was missing a required header").With("MissingHeaderName", "x-amz-acl")
	case in.Document == nil:
		return r.newACL(&in.ACL, owner, onBucket)
	}
	id, err := r.s.owners.CanonicalID(r.ctx, owner)
	if err != nil {
		return nil, err
	}
	if in.Document.Owner.ID != id {
		return nil, errAccessDenied // nobody can give a resource away
	}
	return checkGrants(in.Document.Grants)
}

// GetBucketACL returns a bucket's access control list, also where it does not
// count.
func (s *Service) GetBucketACL(ctx context.Context, c *authn.Caller, in *BucketInput) (*ACLOutput, error) {
	r := s.begin(ctx, c, "GetBucketAcl", managementRead, in.Bucket, "", in.ExpectedBucketOwner)
	if err := r.authorize("s3:GetBucketAcl"); err != nil {
		return finish[*ACLOutput](r, nil, err)
	}
	out, err := r.shownACL(r.bucket.Account, r.bucket.ACL)
	return finish(r, out, err)
}

// shownACL is the answer about a list of a resource that an account owns.
func (r *request) shownACL(account string, acl *object.ACL) (*ACLOutput, error) {
	owner, err := r.owner(account)
	if err != nil {
		return nil, err
	}
	out := &ACLOutput{Owner: owner}
	if acl == nil || !r.bucket.HasACLs() {
		out.Grants = []ACLGrant{{ID: owner.ID, Permission: object.PermissionFullControl}}
		return out, nil
	}
	for _, g := range acl.Grants {
		out.Grants = append(out.Grants, ACLGrant{ID: g.CanonicalID, URI: g.Group, Permission: g.Permission})
	}
	return out, nil
}

// PutObjectACL replaces the access control list of an object's version.
func (s *Service) PutObjectACL(ctx context.Context, c *authn.Caller, in *PutACLInput) (*PutObjectACLOutput, error) {
	r := s.begin(ctx, c, "PutObjectAcl", dataWrite, in.Bucket, in.Key, in.ExpectedBucketOwner)
	r.onVersion(in.VersionID)
	r.inputs.acl = &in.ACL
	out, err := r.putObjectACL(in)
	return finish(r, out, err)
}

func (r *request) putObjectACL(in *PutACLInput) (*PutObjectACLOutput, error) {
	action := versioned("s3:PutObjectAcl", "s3:PutObjectVersionAcl", in.VersionID)
	if err := r.authorize(action); err != nil {
		return nil, err
	}
	v, err := r.find()
	if err != nil {
		return nil, err
	}
	acl := v.ACL // it stays where lists are disabled
	if enforced, err := r.sendsEnforced(in); err != nil {
		return nil, err
	} else if !enforced {
		if acl, err = r.sentList(in, v.Owned(r.bucket), false); err != nil {
			return nil, err
		}
		if err := r.checkPublicACL(acl, action); err != nil {
			return nil, err
		}
	}
	if err := r.covers(r.bucket, v.Key); err != nil {
		return nil, err
	}
	if err := r.s.objects.SetACL(r.ctx, r.bucket, v, acl, r.Record); err != nil {
		return nil, err
	}
	return &PutObjectACLOutput{VersionID: r.shownVersion(v)}, nil
}

// sendsEnforced reports whether a request sets the one list that a bucket without
// lists takes, by a header or as a document.
//
// Source: Amazon S3 API Reference, PutObject, x-amz-acl ("bucket owner full control
// ACLs ... or an equivalent form of this ACL expressed in the XML format"), read
// 2026-11-21.
func (r *request) sendsEnforced(in *PutACLInput) (bool, error) {
	if r.bucket.HasACLs() || in.Document == nil || !in.ACL.isZero() {
		return !r.bucket.HasACLs() && in.Document == nil && r.isEnforced(&in.ACL), nil
	}
	id, err := r.s.owners.CanonicalID(r.ctx, r.bucket.Account)
	full := ACLGrant{ID: id, Permission: object.PermissionFullControl}
	return in.Document.Owner.ID == id && len(in.Document.Grants) == 1 && in.Document.Grants[0] == full, err
}

// GetObjectACL returns the access control list of an object's version.
func (s *Service) GetObjectACL(ctx context.Context, c *authn.Caller, in *ObjectInput) (*ACLOutput, error) {
	r := s.begin(ctx, c, "GetObjectAcl", dataRead, in.Bucket, in.Key, in.ExpectedBucketOwner)
	r.onVersion(in.VersionID)
	out, err := r.getObjectACL(in)
	return finish(r, out, err)
}

func (r *request) getObjectACL(in *ObjectInput) (*ACLOutput, error) {
	if err := r.authorize(versioned("s3:GetObjectAcl", "s3:GetObjectVersionAcl", in.VersionID)); err != nil {
		return nil, err
	}
	v, err := r.find()
	if err != nil {
		return nil, err
	}
	if err := r.covers(r.bucket, v.Key); err != nil {
		return nil, err
	}
	out, err := r.shownACL(v.Owned(r.bucket), v.ACL)
	if err == nil {
		out.VersionID = r.shownVersion(v)
	}
	return out, err
}

// versioned returns the action of an operation, which has another name if it names
// a version.
func versioned(plain, version, versionID string) string {
	if versionID != "" {
		return version
	}
	return plain
}
