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
	"cors":                {"GetBucketCors", "s3:GetBucketCORS", notFound("NoSuchCORSConfiguration", "The CORS configuration does not exist")},
	"website":             {"GetBucketWebsite", "s3:GetBucketWebsite", notFound("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")},
	"logging":             {"GetBucketLogging", "s3:GetBucketLogging", nil},
	"lifecycle":           {"GetBucketLifecycle", "s3:GetLifecycleConfiguration", notFound("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")},
	"replication":         {"GetBucketReplication", "s3:GetReplicationConfiguration", notFound("ReplicationConfigurationNotFoundError", "The replication configuration was not found")},
	"requestPayment":      {"GetBucketRequestPayment", "s3:GetBucketRequestPayment", nil},
	"accelerate":          {"GetAccelerateConfiguration", "s3:GetAccelerateConfiguration", nil},
	"object-lock":         {"GetBucketObjectLockConfiguration", "s3:GetBucketObjectLockConfiguration", notFound("ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket")},
	"notification":        {"GetBucketNotification", "s3:GetBucketNotification", nil},
	"analytics":           {"GetAnalyticsConfiguration", "s3:GetAnalyticsConfiguration", nil},
	"inventory":           {"GetInventoryConfiguration", "s3:GetInventoryConfiguration", nil},
	"metrics":             {"GetMetricsConfiguration", "s3:GetMetricsConfiguration", nil},
	"intelligent-tiering": {"GetIntelligentTieringConfiguration", "s3:GetIntelligentTieringConfiguration", nil},
}

// GetBucketConfiguration answers for a configuration that the bucket does not
// have: with AWS's error for that, or with the default.
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

// GetObjectConfiguration answers what a bucket without locks and torrents says of
// an object.
func (s *Service) GetObjectConfiguration(ctx context.Context, c *authn.Caller, in *ObjectInput, kind string) (*BucketConfigurationOutput, error) {
	operation, action := "GetObjectLegalHold", "s3:GetObjectLegalHold"
	switch kind {
	case "retention":
		operation, action = "GetObjectRetention", "s3:GetObjectRetention"
	case "torrent":
		operation, action = "GetObjectTorrent", versioned("s3:GetObjectTorrent", "s3:GetObjectVersionTorrent", in.VersionID)
	}
	r := s.begin(ctx, c, operation, dataRead, in.Bucket, in.Key, in.ExpectedBucketOwner)
	r.onVersion(in.VersionID)
	err := r.authorize(action)
	if err == nil {
		_, err = r.find()
	}
	switch {
	case err != nil:
	case kind == "torrent":
		err = errNotImplemented
	default:
		err = invalidRequest("Bucket is missing Object Lock Configuration")
	}
	return finish(r, &BucketConfigurationOutput{Kind: kind}, err)
}
