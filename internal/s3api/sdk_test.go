package s3api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"coffer/internal/awserr"
	"coffer/internal/checksum"
	"coffer/internal/s3"
)

// newSDK returns AWS's own client of a handler that verifies signatures.
func newSDK(t *testing.T, tls bool) (*rig, *sdk.Client) {
	t.Helper()
	g := newRig(true)
	srv := httptest.NewUnstartedServer(g.h)
	if tls {
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	return g, sdk.New(sdk.Options{
		Region:       "us-east-1",
		BaseEndpoint: aws.String(srv.URL),
		UsePathStyle: true,
		HTTPClient:   srv.Client(),
		Retryer:      aws.NopRetryer{},
		// What the default configuration says.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
		Credentials:                credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	})
}

func TestSDKUploads(t *testing.T) {
	ctx := context.Background()
	for _, tls := range []bool{false, true} {
		g, c := newSDK(t, tls)
		var body io.Reader = strings.NewReader("hello")
		if tls {
			body = struct{ io.Reader }{body} // can't be rewound: the checksum comes in a trailer
		}
		_, err := c.PutObject(ctx, &sdk.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("a b/ü+&?"), Body: body, ContentLength: aws.Int64(5),
			ContentEncoding: aws.String("gzip"), ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: aws.String("k"), Metadata: map[string]string{"A": "b"}})
		if err != nil {
			t.Fatal(err)
		}
		got := in[*s3.PutObjectInput](t, g)
		if got.Key != "a b/ü+&?" || string(g.body) != "hello" || got.Upload.Length != 5 || got.Upload.Algorithm != checksum.CRC32 ||
			got.Attributes.ContentEncoding != "gzip" || got.Encryption.Algorithm != "aws:kms" || got.Attributes.Metadata["a"] != "b" || g.caller.Account != account {
			t.Errorf("tls %v: input = %+v, body %q", tls, got, g.body)
		}
		sum := got.Upload.Checksum
		if tls {
			if got.Upload.Trailer == nil {
				t.Fatal("no trailer")
			}
			sum = got.Upload.Trailer()["x-amz-checksum-crc32"]
		}
		if sum != checksum.CRC32.Encode(checksum.CRC32.Sum([]byte("hello"))) {
			t.Errorf("tls %v: checksum = %q", tls, sum)
		}
	}
}

func TestSDKReads(t *testing.T) {
	ctx := context.Background()
	g, c := newSDK(t, false)
	g.get = object("hello")
	g.get.Checksums = s3.Checksums{Type: "FULL_OBJECT", Values: map[checksum.Algorithm]string{checksum.CRC32: checksum.CRC32.Encode(checksum.CRC32.Sum([]byte("hello")))}}
	out, err := c.GetObject(ctx, &sdk.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(out.Body); err != nil || string(b) != "hello" || *out.ETag != `"e"` || !out.LastModified.Equal(modified) {
		t.Errorf("GetObject = %q, %v", b, err)
	}
	g.err = awserr.New(404, "NoSuchKey", "The specified key does not exist.").With("Key", "k")
	var missing *types.NoSuchKey
	if _, err = c.GetObject(ctx, &sdk.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k")}); !errors.As(err, &missing) {
		t.Errorf("a missing key is %v", err)
	}
	var api smithy.APIError
	_, err = c.HeadObject(ctx, &sdk.HeadObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
	if !errors.As(err, &api) || api.ErrorCode() != "NotFound" {
		t.Errorf("HEAD of a missing key is %v", err)
	}
}

func TestSDKDocuments(t *testing.T) {
	ctx := context.Background()
	g, c := newSDK(t, false)
	bucket, key := aws.String("b"), aws.String("k")
	g.list = &s3.ListObjectsOutput{MaxKeys: 2, IsTruncated: true, NextContinuationToken: "next", KeyCount: 2, CommonPrefixes: []string{"a b/"},
		Contents: []s3.ObjectEntry{{Key: "a\x01&<b", ETag: "e", Size: 3, LastModified: modified, StorageClass: "STANDARD"}}}
	list, err := c.ListObjectsV2(ctx, &sdk.ListObjectsV2Input{Bucket: bucket, EncodingType: types.EncodingTypeUrl, MaxKeys: aws.Int32(2), StartAfter: aws.String("s")})
	if err != nil || !*list.IsTruncated || *list.NextContinuationToken != "next" || *list.Contents[0].Key != "a%01%26%3Cb" || *list.CommonPrefixes[0].Prefix != "a+b/" ||
		!list.Contents[0].LastModified.Equal(modified) || *list.StartAfter != "s" {
		t.Errorf("ListObjectsV2 = %+v, %v", list, err)
	}
	g.versions = &s3.ListObjectVersionsOutput{Entries: []s3.ObjectEntry{{Key: "k", VersionID: "2", IsLatest: true, DeleteMarker: true, LastModified: modified}, {Key: "k", VersionID: "1", LastModified: modified}}}
	versions, err := c.ListObjectVersions(ctx, &sdk.ListObjectVersionsInput{Bucket: bucket})
	if err != nil || len(versions.Versions) != 1 || len(versions.DeleteMarkers) != 1 || *versions.DeleteMarkers[0].VersionId != "2" {
		t.Errorf("ListObjectVersions = %+v, %v", versions, err)
	}
	deleted, err := c.DeleteObjects(ctx, &sdk.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: key}, {Key: aws.String("l")}}}})
	if err != nil || len(deleted.Deleted) != 1 || len(deleted.Errors) != 1 || *deleted.Errors[0].Code != "AccessDenied" {
		t.Errorf("DeleteObjects = %+v, %v", deleted, err)
	}
	g.put = s3.PutObjectOutput{ETag: "e-1", VersionID: "v"}
	done, err := c.CompleteMultipartUpload(ctx, &sdk.CompleteMultipartUploadInput{Bucket: bucket, Key: key, UploadId: aws.String("u"),
		ChecksumCRC64NVME: aws.String("AAAAAAAAAAA="), ChecksumType: types.ChecksumTypeFullObject, MpuObjectSize: aws.Int64(5), IfNoneMatch: aws.String("*"),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: aws.String(`"p"`), ChecksumCRC32: aws.String("AAAAAA==")}}}})
	if err != nil || *done.ETag != `"e-1"` || !strings.HasSuffix(*done.Location, "/b/k") || *done.VersionId != "v" {
		t.Errorf("CompleteMultipartUpload = %+v, %v", done, err)
	}
	if got := in[*s3.CompleteMultipartUploadInput](t, g); got.Parts[0].ETag != "p" || got.Parts[0].Checksums.Values[checksum.CRC32] != "AAAAAA==" ||
		got.Algorithm != checksum.CRC64NVME || got.ChecksumType != "FULL_OBJECT" || got.ObjectSize != 5 || got.Conditions.IfNoneMatch != "*" {
		t.Errorf("input = %+v", got)
	}
	part, err := c.UploadPartCopy(ctx, &sdk.UploadPartCopyInput{Bucket: bucket, Key: key, UploadId: aws.String("u"), PartNumber: aws.Int32(3),
		CopySource: aws.String("a/b%20c?versionId=x"), CopySourceRange: aws.String("bytes=0-4")})
	if err != nil || *part.CopyPartResult.ETag != `"p"` {
		t.Errorf("UploadPartCopy = %+v, %v", part, err)
	}
	if got := in[*s3.UploadPartCopyInput](t, g); got.Source.Key != "b c" || got.Source.VersionID != "x" || *got.Range != (s3.ByteRange{Last: 4}) || got.PartNumber != 3 {
		t.Errorf("input = %+v", got)
	}
	_, err = c.PutBucketEncryption(ctx, &sdk.PutBucketEncryptionInput{Bucket: bucket, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
		Rules: []types.ServerSideEncryptionRule{{ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: "aws:kms"}, BucketKeyEnabled: aws.Bool(true)}}}})
	if got := in[*s3.PutBucketEncryptionInput](t, g); err != nil || got.Rules[0].Algorithm != "aws:kms" || !*got.Rules[0].BucketKeyEnabled {
		t.Errorf("PutBucketEncryption: %v, %+v", err, got)
	}
	acl, err := c.GetBucketAcl(ctx, &sdk.GetBucketAclInput{Bucket: bucket})
	if err != nil || acl.Grants[0].Permission != types.PermissionFullControl || *acl.Grants[0].Grantee.ID != "id" || acl.Grants[0].Grantee.Type != types.TypeCanonicalUser {
		t.Errorf("GetBucketAcl = %+v, %v", acl, err)
	}
	block, err := c.GetPublicAccessBlock(ctx, &sdk.GetPublicAccessBlockInput{Bucket: bucket})
	if err != nil || !*block.PublicAccessBlockConfiguration.BlockPublicPolicy || *block.PublicAccessBlockConfiguration.BlockPublicAcls {
		t.Errorf("GetPublicAccessBlock = %+v, %v", block, err)
	}
	_, err = c.PutBucketPolicy(ctx, &sdk.PutBucketPolicyInput{Bucket: bucket, Policy: aws.String(`{"a":1}`), ConfirmRemoveSelfBucketAccess: aws.Bool(true)})
	if got := in[*s3.PutBucketPolicyInput](t, g); err != nil || string(got.Policy) != `{"a":1}` || !got.ConfirmRemoveSelf {
		t.Errorf("PutBucketPolicy: %v, %+v", err, got)
	}
	_, err = c.PutBucketWebsite(ctx, &sdk.PutBucketWebsiteInput{Bucket: bucket, WebsiteConfiguration: &types.WebsiteConfiguration{}})
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "NotImplemented" || g.refused != "PutBucketWebsite" {
		t.Errorf("PutBucketWebsite: %v, refused %q", err, g.refused)
	}
	attributes, err := c.GetObjectAttributes(ctx, &sdk.GetObjectAttributesInput{Bucket: bucket, Key: key,
		ObjectAttributes: []types.ObjectAttributes{types.ObjectAttributesEtag, types.ObjectAttributesObjectSize}})
	if err != nil || *attributes.ETag != "e" || len(in[*s3.GetObjectAttributesInput](t, g).Attributes) != 2 {
		t.Errorf("GetObjectAttributes = %+v, %v", attributes, err)
	}
}

func TestSDKPresigned(t *testing.T) {
	ctx := context.Background()
	g, c := newSDK(t, false)
	p := sdk.NewPresignClient(c)
	put, err := p.PresignPutObject(ctx, &sdk.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), StorageClass: types.StorageClassStandardIa}, sdk.WithPresignExpires(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	r, _ := http.NewRequest(put.Method, put.URL, bytes.NewReader([]byte("hello")))
	for name, values := range put.SignedHeader {
		if name != "Host" {
			r.Header[name] = values
		}
	}
	r.ContentLength = 5
	resp, err := http.DefaultClient.Do(r)
	if err != nil || resp.StatusCode != 200 {
		b, _ := io.ReadAll(resp.Body)
		t.Fatalf("presigned PUT = %v %s, %v", resp.Status, b, err)
	}
	resp.Body.Close()
	if got := in[*s3.PutObjectInput](t, g); string(g.body) != "hello" || got.Attributes.StorageClass != "STANDARD_IA" {
		t.Errorf("input = %+v", got)
	}
	g.get = object("hello")
	get, err := p.PresignGetObject(ctx, &sdk.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), ResponseContentType: aws.String("text/css")})
	if err != nil {
		t.Fatal(err)
	}
	resp, err = http.Get(get.URL)
	if err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/css" {
		t.Fatalf("presigned GET = %v, %v", resp, err)
	}
	resp.Body.Close()
}
