package s3api

import (
	"net/http"
	"strings"

	"coffer/internal/restxml"
	"coffer/internal/s3"
)

func (c *call) putBucketPolicy() error {
	in := s3.PutBucketPolicyInput{BucketInput: c.bucketInput()}
	var err error
	if in.ConfirmRemoveSelf, err = c.boolHeader("x-amz-confirm-remove-self-bucket-access"); err != nil {
		return err
	}
	if in.Policy, err = c.readDocument(maxDocument, false); err != nil {
		return err
	}
	if err := c.take().PutBucketPolicy(c.ctx, c.caller, &in); err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}

func (c *call) getBucketPolicy() error {
	in := c.bucketInput()
	out, err := c.take().GetBucketPolicy(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.Header().Set("Content-Length", itoa(int64(len(out.Policy))))
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write([]byte(out.Policy))
	return nil
}

func (c *call) deleteBucketPolicy() error {
	in := c.bucketInput()
	if err := c.take().DeleteBucketPolicy(c.ctx, c.caller, &in); err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}

func (c *call) getBucketPolicyStatus() error {
	in := c.bucketInput()
	out, err := c.take().GetBucketPolicyStatus(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	return c.document(http.StatusOK, restxml.PolicyStatus{IsPublic: out.IsPublic})
}

// readPublicAccessBlock reads the body of both operations of that name.
func (c *call) readPublicAccessBlock() (b s3.PublicAccessBlock, err error) {
	body, err := c.readDocument(maxDocument, false)
	if err != nil {
		return b, err
	}
	doc, err := restxml.DecodePublicAccessBlockConfiguration(body)
	if err != nil {
		return b, err
	}
	return s3.PublicAccessBlock{BlockPublicACLs: doc.BlockPublicACLs, IgnorePublicACLs: doc.IgnorePublicACLs,
		BlockPublicPolicy: doc.BlockPublicPolicy, RestrictPublicBuckets: doc.RestrictPublicBuckets}, nil
}

// publicAccessBlock answers with a setting of Block Public Access.
func (c *call) publicAccessBlock(b *s3.PublicAccessBlock, control bool) error {
	return c.document(http.StatusOK, &restxml.PublicAccessBlockConfiguration{Control: control, BlockPublicACLs: b.BlockPublicACLs,
		IgnorePublicACLs: b.IgnorePublicACLs, BlockPublicPolicy: b.BlockPublicPolicy, RestrictPublicBuckets: b.RestrictPublicBuckets})
}

func (c *call) putPublicAccessBlock() error {
	block, err := c.readPublicAccessBlock()
	if err != nil {
		return err
	}
	if err := c.take().PutPublicAccessBlock(c.ctx, c.caller, &s3.PutPublicAccessBlockInput{BucketInput: c.bucketInput(), PublicAccessBlock: block}); err != nil {
		return err
	}
	return c.empty(http.StatusOK)
}

func (c *call) getPublicAccessBlock() error {
	in := c.bucketInput()
	out, err := c.take().GetPublicAccessBlock(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	return c.publicAccessBlock(out, false)
}

func (c *call) deletePublicAccessBlock() error {
	in := c.bucketInput()
	if err := c.take().DeletePublicAccessBlock(c.ctx, c.caller, &in); err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}

func (c *call) putBucketOwnershipControls() error {
	body, err := c.readDocument(maxDocument, false)
	if err != nil {
		return err
	}
	doc, err := restxml.DecodeOwnershipControls(body)
	if err != nil {
		return err
	}
	if err := c.take().PutBucketOwnershipControls(c.ctx, c.caller, &s3.PutBucketOwnershipControlsInput{BucketInput: c.bucketInput(), Rules: doc.Rules}); err != nil {
		return err
	}
	return c.empty(http.StatusOK)
}

func (c *call) getBucketOwnershipControls() error {
	in := c.bucketInput()
	out, err := c.take().GetBucketOwnershipControls(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	return c.document(http.StatusOK, &restxml.OwnershipControls{Rules: []string{out.ObjectOwnership}})
}

func (c *call) deleteBucketOwnershipControls() error {
	in := c.bucketInput()
	if err := c.take().DeleteBucketOwnershipControls(c.ctx, c.caller, &in); err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}

// aclInput reads the request of PutBucketAcl and PutObjectAcl.
func (c *call) aclInput() (*s3.PutACLInput, error) {
	in := &s3.PutACLInput{ObjectInput: c.objectInput(), ACL: c.acl()}
	body, err := c.readDocument(maxDocument, false)
	if err != nil || len(body) == 0 {
		return in, err
	}
	doc, err := restxml.DecodeAccessControlPolicy(body)
	if err != nil {
		return nil, err
	}
	in.Document = &s3.ACLDocument{Owner: s3.Owner(doc.Owner)}
	for _, g := range doc.Grants {
		in.Document.Grants = append(in.Document.Grants, s3.ACLGrant(g))
	}
	return in, nil
}

// accessControl answers with an access control list.
func (c *call) accessControl(out *s3.ACLOutput) error {
	doc := &restxml.AccessControlPolicy{Owner: restxml.Owner(out.Owner)}
	for _, g := range out.Grants {
		doc.Grants = append(doc.Grants, restxml.Grant(g))
	}
	setVersion(c.w.Header(), out.VersionID)
	return c.document(http.StatusOK, doc)
}

func (c *call) putBucketACL() error {
	in, err := c.aclInput()
	if err != nil {
		return err
	}
	if err := c.take().PutBucketACL(c.ctx, c.caller, in); err != nil {
		return err
	}
	return c.empty(http.StatusOK)
}

func (c *call) getBucketACL() error {
	in := c.bucketInput()
	out, err := c.take().GetBucketACL(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	return c.accessControl(out)
}

func (c *call) putObjectACL() error {
	in, err := c.aclInput()
	if err != nil {
		return err
	}
	out, err := c.take().PutObjectACL(c.ctx, c.caller, in)
	if err != nil {
		return err
	}
	setVersion(c.w.Header(), out.VersionID)
	return c.empty(http.StatusOK)
}

func (c *call) getObjectACL() error {
	in := c.objectInput()
	out, err := c.take().GetObjectACL(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	return c.accessControl(out)
}

// The API of S3 Control: what is about an account and not about a bucket. Its
// paths begin with its version, and a header names the account.
//
// Source: Amazon S3 API Reference, "Amazon S3 Control", read 2026-11-21.
const (
	controlPath   = "/v20180820/"
	headerAccount = "x-amz-account-id"
)

// isS3Control reports whether a request is for S3 Control. No operation of S3 takes
// the header.
func isS3Control(r *http.Request) bool {
	return r.Header.Get(headerAccount) != "" && strings.HasPrefix(r.URL.Path, controlPath)
}

func (c *call) accountInput() s3.AccountInput { return s3.AccountInput{Account: c.get(headerAccount)} }

func (c *call) putAccountPublicAccessBlock() error {
	block, err := c.readPublicAccessBlock()
	if err != nil {
		return err
	}
	if err := c.take().PutAccountPublicAccessBlock(c.ctx, c.caller, &s3.PutAccountPublicAccessBlockInput{AccountInput: c.accountInput(), PublicAccessBlock: block}); err != nil {
		return err
	}
	return c.empty(http.StatusCreated)
}

func (c *call) getAccountPublicAccessBlock() error {
	in := c.accountInput()
	out, err := c.take().GetAccountPublicAccessBlock(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	return c.publicAccessBlock(out, true)
}

func (c *call) deleteAccountPublicAccessBlock() error {
	in := c.accountInput()
	if err := c.take().DeleteAccountPublicAccessBlock(c.ctx, c.caller, &in); err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}
