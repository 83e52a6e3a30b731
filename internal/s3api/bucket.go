package s3api

import (
	"net/http"

	"coffer/internal/restxml"
	"coffer/internal/s3"
)

func (c *call) bucketInput() s3.BucketInput {
	return s3.BucketInput{Bucket: c.bucket, ExpectedBucketOwner: c.expectedOwner()}
}

func (c *call) createBucket() error {
	in := s3.CreateBucketInput{Bucket: c.bucket, ACL: c.acl(), ObjectOwnership: c.get("x-amz-object-ownership")}
	var err error
	if in.ObjectLockEnabled, err = c.boolHeader("x-amz-bucket-object-lock-enabled"); err != nil {
		return err
	}
	body, err := c.readDocument(maxDocument, false)
	if err != nil {
		return err
	}
	if len(body) > 0 {
		doc, err := restxml.DecodeCreateBucketConfiguration(body)
		if err != nil {
			return err
		}
		in.LocationConstraint, in.Tags, in.Unsupported = doc.LocationConstraint, tagsOf(doc.Tags), doc.Unsupported
	}
	if ns := c.get("x-amz-bucket-namespace"); ns != "" && ns != "global" {
		in.Unsupported = "x-amz-bucket-namespace"
	}
	out, err := c.take().CreateBucket(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	location := out.Location
	if location == "" {
		location = "/" + c.bucket
	}
	c.w.Header().Set("Location", location)
	set(c.w.Header(), "X-Amz-Bucket-Arn", out.BucketARN)
	return c.empty(http.StatusOK)
}

func (c *call) headBucket() error {
	in := c.bucketInput()
	out, err := c.take().HeadBucket(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	h := c.w.Header()
	set(h, "X-Amz-Bucket-Region", out.Region)
	set(h, "X-Amz-Bucket-Arn", out.BucketARN)
	h.Set("X-Amz-Access-Point-Alias", "false")
	h.Set("Content-Type", "application/xml")
	c.w.WriteHeader(http.StatusOK)
	return nil
}

func (c *call) deleteBucket() error {
	in := c.bucketInput()
	if err := c.take().DeleteBucket(c.ctx, c.caller, &in); err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}

func (c *call) getBucketLocation() error {
	in := c.bucketInput()
	out, err := c.take().GetBucketLocation(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	return c.document(http.StatusOK, restxml.LocationConstraint(out.LocationConstraint))
}

func (c *call) putBucketVersioning() error {
	body, err := c.readDocument(maxDocument, false)
	if err != nil {
		return err
	}
	doc, err := restxml.DecodeVersioningConfiguration(body)
	if err != nil {
		return err
	}
	// Deletes that need a second factor are not to be had, and saying so is
	// better than to store a setting that protects nothing.
	if c.get("x-amz-mfa") != "" {
		return notImplemented("x-amz-mfa")
	}
	if err := c.take().PutBucketVersioning(c.ctx, c.caller, &s3.PutBucketVersioningInput{BucketInput: c.bucketInput(),
		Status: doc.Status, MFADelete: doc.MFADelete}); err != nil {
		return err
	}
	return c.empty(http.StatusOK)
}

func (c *call) getBucketVersioning() error {
	in := c.bucketInput()
	out, err := c.take().GetBucketVersioning(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	return c.document(http.StatusOK, &restxml.VersioningConfiguration{Status: out.Status})
}

func (c *call) putBucketEncryption() error {
	body, err := c.readDocument(maxDocument, false)
	if err != nil {
		return err
	}
	doc, err := restxml.DecodeServerSideEncryptionConfiguration(body)
	if err != nil {
		return err
	}
	in := s3.PutBucketEncryptionInput{BucketInput: c.bucketInput()}
	for _, r := range doc.Rules {
		in.Rules = append(in.Rules, s3.EncryptionRule{Algorithm: r.Algorithm, KMSMasterKeyID: r.KMSMasterKeyID,
			BucketKeyEnabled: r.BucketKeyEnabled, BlockedPresent: r.BlockedPresent, BlockedTypes: r.BlockedTypes})
	}
	if err := c.take().PutBucketEncryption(c.ctx, c.caller, &in); err != nil {
		return err
	}
	return c.empty(http.StatusOK)
}

func (c *call) getBucketEncryption() error {
	in := c.bucketInput()
	out, err := c.take().GetBucketEncryption(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	doc := &restxml.ServerSideEncryptionConfiguration{}
	for _, r := range out.Rules {
		doc.Rules = append(doc.Rules, restxml.EncryptionRule{Algorithm: r.Algorithm, KMSMasterKeyID: r.KMSMasterKeyID,
			BucketKeyEnabled: r.BucketKeyEnabled, BlockedPresent: r.BlockedPresent, BlockedTypes: r.BlockedTypes})
	}
	return c.document(http.StatusOK, doc)
}

func (c *call) deleteBucketEncryption() error {
	in := c.bucketInput()
	if err := c.take().DeleteBucketEncryption(c.ctx, c.caller, &in); err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}

func (c *call) putBucketTagging() error {
	tags, err := c.readTags()
	if err != nil {
		return err
	}
	if err := c.take().PutBucketTagging(c.ctx, c.caller, &s3.PutTaggingInput{ObjectInput: c.objectInput(), Tags: tags}); err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}

func (c *call) getBucketTagging() error {
	in := c.bucketInput()
	out, err := c.take().GetBucketTagging(c.ctx, c.caller, &in)
	if err != nil {
		return err
	}
	return c.tagging(out)
}

func (c *call) deleteBucketTagging() error {
	in := c.bucketInput()
	if err := c.take().DeleteBucketTagging(c.ctx, c.caller, &in); err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}

func (c *call) getBucketConfiguration(kind string) error {
	out, err := c.take().GetBucketConfiguration(c.ctx, c.caller,
		&s3.BucketConfigurationInput{BucketInput: c.bucketInput(), Kind: kind, ID: c.query.Get("id")})
	if err != nil {
		return err
	}
	return c.configuration(out)
}

// configuration answers with the document of a configuration that was never
// put.
func (c *call) configuration(out *s3.BucketConfigurationOutput) error {
	doc, ok := restxml.DefaultConfiguration(out.Kind)
	if !ok {
		return notBuilt()
	}
	return c.document(http.StatusOK, doc)
}
