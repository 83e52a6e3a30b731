package cli

import (
	"context"
	"errors"
	"maps"
	"slices"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	ops3 "coffer/internal/s3"
)

// update wraps the data key of a version under the key to. The bucket key stays in use
// if it is.
func (r *rewrapping) update(ctx context.Context, bucket, key, version string, bucketKey bool) error {
	_, err := r.s3.UpdateObjectEncryption(ctx, &s3.UpdateObjectEncryptionInput{
		Bucket: &bucket, Key: &key, VersionId: &version,
		ObjectEncryption: &types.ObjectEncryptionMemberSSEKMS{Value: types.SSEKMSEncryption{KMSKeyArn: &r.state.To, BucketKeyEnabled: &bucketKey}},
	})
	return err
}

// reseal encrypts the data of a version again, under a new data key that the key to
// wraps. It takes as long as the data is long.
func (r *rewrapping) reseal(ctx context.Context, bucket, key, version string) error {
	a, err := r.c.send(ctx, "POST", "objects/rewrap", nil, ops3.RewrapObjectInput{Bucket: bucket, Key: key, VersionID: version, KMSKeyARN: r.state.To})
	if err != nil {
		return err
	}
	return a.Body.Close()
}

// httpStatus returns the status that err was answered with, or 0 if there was no answer.
func httpStatus(err error) int {
	if e, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		return e.HTTPStatusCode()
	}
	if e, ok := errors.AsType[*apiError](err); ok {
		return e.status
	}
	return 0
}

func sortedKeys(m map[string]int64) []string { return slices.Sorted(maps.Keys(m)) }
