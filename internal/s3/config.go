package s3

import (
	"context"

	"coffer/internal/authn"
	"coffer/internal/awserr"
)

// A configuration is what S3 answers about one that a bucket does not have.
type configuration struct {
	operation, action string
	missing           *awserr.Error // nil if there is a default to show
}

func notFound(code, message string) *awserr.Error { return awserr.New(404, code, "%s", message) }

// configurations are the configurations that no bucket of Coffer has yet, by
// sub-resource, with AWS's answer for a bucket that has none.
//
// Source: recorded answers of Amazon S3; Amazon S3 API Reference, "Error
// responses", read 2026-11-21.
var configurations = map[string]configuration{
	"acl":                 {"GetBucketAcl", "s3:GetBucketAcl", nil},
	"cors":                {"GetBucketCors", "s3:GetBucketCORS", notFound("NoSuchCORSConfiguration", "The CORS configuration does not exist")},
	"website":             {"GetBucketWebsite", "s3:GetBucketWebsite", notFound("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")},
	"logging":             {"GetBucketLogging", "s3:GetBucketLogging", nil},
	"lifecycle":           {"GetBucketLifecycle", "s3:GetLifecycleConfiguration", notFound("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")},
	"replication":         {"GetBucketReplication", "s3:GetReplicationConfiguration", notFound("ReplicationConfigurationNotFoundError", "The replication configuration was not found")},
	"requestPayment":      {"GetBucketRequestPayment", "s3:GetBucketRequestPayment", nil},
	"accelerate":          {"GetAccelerateConfiguration", "s3:GetAccelerateConfiguration", nil},
	"object-lock":         {"GetBucketObjectLockConfiguration", "s3:GetBucketObjectLockConfiguration", notFound("ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket")},
	"policy":              {"GetBucketPolicy", "s3:GetBucketPolicy", notFound("NoSuchBucketPolicy", "The bucket policy does not exist")},
	"policyStatus":        {"GetBucketPolicyStatus", "s3:GetBucketPolicyStatus", notFound("NoSuchBucketPolicy", "The bucket policy does not exist")},
	"publicAccessBlock":   {"GetPublicAccessBlock", "s3:GetBucketPublicAccessBlock", nil},
	"ownershipControls":   {"GetBucketOwnershipControls", "s3:GetBucketOwnershipControls", nil},
	"notification":        {"GetBucketNotification", "s3:GetBucketNotification", nil},
	"analytics":           {"GetAnalyticsConfiguration", "s3:GetAnalyticsConfiguration", nil},
	"inventory":           {"GetInventoryConfiguration", "s3:GetInventoryConfiguration", nil},
	"metrics":             {"GetMetricsConfiguration", "s3:GetMetricsConfiguration", nil},
	"intelligent-tiering": {"GetIntelligentTieringConfiguration", "s3:GetIntelligentTieringConfiguration", nil},
}

// GetBucketConfiguration answers for a configuration that the bucket does not
// have: with AWS's error for that, or with the default.
//
// New buckets of AWS have all four switches of Block Public Access on and
// ownership BucketOwnerEnforced. So are Coffer's: nothing but the account's own
// root user is ever allowed.
func (s *Service) GetBucketConfiguration(ctx context.Context, c *authn.Caller, in *BucketConfigurationInput) (*BucketConfigurationOutput, error) {
	conf, ok := configurations[in.Kind]
	if !ok {
		conf = configuration{"GetBucketConfiguration", "s3:GetBucketConfiguration", errNotImplemented}
	}
	r := s.begin(ctx, c, conf.operation, managementRead, in.Bucket, "", in.ExpectedBucketOwner)
	err := r.authorize(conf.action)
	if err == nil && in.ID != "" {
		err = notFound("NoSuchConfiguration", "The specified configuration does not exist.")
	}
	if err == nil && conf.missing != nil {
		err = conf.missing.With("BucketName", in.Bucket)
	}
	out := &BucketConfigurationOutput{Kind: in.Kind}
	if err == nil {
		out.Owner, err = r.owner(r.bucket.Account)
	}
	return finish(r, out, err)
}

// GetObjectConfiguration answers what a bucket without ACLs, locks and torrents
// says of an object.
func (s *Service) GetObjectConfiguration(ctx context.Context, c *authn.Caller, in *ObjectInput, kind string) (*BucketConfigurationOutput, error) {
	operation, action := "GetObjectAcl", "s3:GetObjectAcl"
	switch kind {
	case "legal-hold":
		operation, action = "GetObjectLegalHold", "s3:GetObjectLegalHold"
	case "retention":
		operation, action = "GetObjectRetention", "s3:GetObjectRetention"
	case "torrent":
		operation, action = "GetObjectTorrent", "s3:GetObjectTorrent"
	}
	r := s.begin(ctx, c, operation, dataRead, in.Bucket, in.Key, in.ExpectedBucketOwner)
	err := r.authorize(action)
	out := &BucketConfigurationOutput{Kind: kind}
	if err == nil {
		_, err = r.find(in.VersionID)
	}
	switch {
	case err != nil:
	case kind == "acl":
		out.Owner, err = r.owner(r.bucket.Account)
	case kind == "torrent":
		err = errNotImplemented
	default:
		err = invalidRequest("Bucket is missing Object Lock Configuration")
	}
	return finish(r, out, err)
}
