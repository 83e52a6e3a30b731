package server

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"coffer/internal/archive"
	"coffer/internal/archive/s3"
)

// openBucket opens the archive at s3://BUCKET/PREFIX.
func openBucket(where string, conf aws.Config) (archive.Store, error) {
	bucket, prefix, _ := strings.Cut(strings.TrimPrefix(where, "s3://"), "/")
	prefix = strings.Trim(prefix, "/")
	if bucket == "" || strings.ContainsAny(where, "?#") {
		return nil, fmt.Errorf("%w: %q is not of the form s3://BUCKET/PREFIX", ErrArchive, where)
	}
	if prefix != "" {
		prefix += "/"
	}
	client := sdk.NewFromConfig(conf, func(o *sdk.Options) {
		// A server elsewhere than AWS is named by its address, not by bucket hosts.
		o.UsePathStyle = conf.BaseEndpoint != nil
	})
	return s3.New(s3.Config{Client: client, Bucket: bucket, Prefix: prefix}), nil
}
