package conformance

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func (k *sdk) copyErr(bucket, key, source string, opts ...func(*s3.CopyObjectInput)) (*s3.CopyObjectOutput, error) {
	in := &s3.CopyObjectInput{Bucket: &bucket, Key: &key, CopySource: &source}
	for _, o := range opts {
		o(in)
	}
	return k.s3.CopyObject(context.Background(), in)
}

func (k *sdk) copy(t testing.TB, bucket, key, source string, opts ...func(*s3.CopyObjectInput)) *s3.CopyObjectOutput {
	t.Helper()
	out, err := k.copyErr(bucket, key, source, opts...)
	check(t, "CopyObject of "+source, err)
	return out
}

func testCopies(t *testing.T, k *sdk) {
	ctx := t.Context()
	b, to := k.bucket(t), k.bucket(t, "-to")
	etag := *k.put(t, b, "src", "body", func(in *s3.PutObjectInput) {
		in.ContentType, in.Metadata, in.Tagging = aws.String("text/a"), map[string]string{"m": "1"}, aws.String("t=1")
		in.StorageClass, in.ChecksumAlgorithm = types.StorageClassStandardIa, types.ChecksumAlgorithmSha256
	}).ETag
	tags := func(key string) string {
		out, err := k.s3.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: &to, Key: &key})
		check(t, "GetObjectTagging", err)
		return fmt.Sprint(len(out.TagSet))
	}
	out := k.copy(t, to, "copy", b+"/src")
	want(t, "ETag of a copy", *out.CopyObjectResult.ETag, etag)
	want(t, "SHA-256 of a copy", aws.ToString(out.CopyObjectResult.ChecksumSHA256), encoded(types.ChecksumAlgorithmSha256, []byte("body")))
	got, info := k.get(t, to, "copy")
	want(t, "copy", got, "body")
	want(t, "ContentType of a copy", *info.ContentType, "text/a")
	want(t, "metadata of a copy", info.Metadata["m"], "1")
	want(t, "storage class of a copy", info.StorageClass, "")
	want(t, "tags of a copy", tags("copy"), "1")

	k.copy(t, to, "replaced", "/"+b+"/src", func(in *s3.CopyObjectInput) {
		in.MetadataDirective, in.TaggingDirective = types.MetadataDirectiveReplace, types.TaggingDirectiveReplace
		in.Metadata, in.Tagging, in.ContentLanguage = map[string]string{"n": "2"}, aws.String("a=1&b=2"), aws.String("de")
		in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32c
	})
	_, info = k.get(t, to, "replaced", func(in *s3.GetObjectInput) { in.ChecksumMode = types.ChecksumModeEnabled })
	want(t, "metadata replaced", fmt.Sprint(info.Metadata), "map[n:2]")
	want(t, "ContentLanguage replaced", aws.ToString(info.ContentLanguage), "de")
	want(t, "tags replaced", tags("replaced"), "2")
	want(t, "CRC32C of a copy", aws.ToString(info.ChecksumCRC32C), encoded(types.ChecksumAlgorithmCrc32c, []byte("body")))
	// Without the directive what is sent does not replace.
	k.copy(t, to, "kept", b+"/src", func(in *s3.CopyObjectInput) { in.Metadata = map[string]string{"n": "2"} })
	want(t, "metadata kept", fmt.Sprint(k.head(t, to, "kept").Metadata), "map[m:1]")

	past, future := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	other := aws.String(md5ETag("other"))
	for name, c := range map[string]struct {
		set  func(*s3.CopyObjectInput)
		code string
	}{
		"If-Match of the source":                        {func(in *s3.CopyObjectInput) { in.CopySourceIfMatch = &etag }, ""},
		"If-Match of another source":                    {func(in *s3.CopyObjectInput) { in.CopySourceIfMatch = other }, "PreconditionFailed"},
		"If-None-Match of the source":                   {func(in *s3.CopyObjectInput) { in.CopySourceIfNoneMatch = &etag }, "PreconditionFailed"},
		"If-Modified-Since of the source, in future":    {func(in *s3.CopyObjectInput) { in.CopySourceIfModifiedSince = &future }, ""},
		"If-Unmodified-Since of the source, in past":    {func(in *s3.CopyObjectInput) { in.CopySourceIfUnmodifiedSince = &past }, "PreconditionFailed"},
		"If-Match beats If-Unmodified-Since":            {func(in *s3.CopyObjectInput) { in.CopySourceIfMatch, in.CopySourceIfUnmodifiedSince = &etag, &past }, ""},
		"If-None-Match of the destination":              {func(in *s3.CopyObjectInput) { in.IfNoneMatch = aws.String("*") }, "PreconditionFailed"},
		"If-Match of the destination":                   {func(in *s3.CopyObjectInput) { in.IfMatch = &etag }, ""},
		"If-Match of another destination":               {func(in *s3.CopyObjectInput) { in.IfMatch = other }, "PreconditionFailed"},
		"an unknown directive":                          {func(in *s3.CopyObjectInput) { in.MetadataDirective = "MERGE" }, "InvalidArgument"},
		"an owner of the source that is another":        {func(in *s3.CopyObjectInput) { in.ExpectedSourceBucketOwner = aws.String("111122223333") }, "AccessDenied"},
		"the source's SSE-C key for a source without":   {func(in *s3.CopyObjectInput) { setCopyKey(in, random(1, 32)) }, "InvalidRequest"},
		"a source that does not exist":                  {func(in *s3.CopyObjectInput) { in.CopySource = aws.String(b + "/none") }, "NoSuchKey"},
		"a source in a bucket that does not exist":      {func(in *s3.CopyObjectInput) { in.CopySource = aws.String(b + "-none/src") }, "NoSuchBucket"},
		"a source that is no source":                    {func(in *s3.CopyObjectInput) { in.CopySource = aws.String("src") }, "InvalidArgument"},
		"a source with another parameter than versions": {func(in *s3.CopyObjectInput) { in.CopySource = aws.String(b + "/src?acl") }, "InvalidArgument"},
	} {
		_, err := k.copyErr(to, "copy", b+"/src", c.set)
		if name == "If-Modified-Since of the source, in future" {
			// A date in the future is no condition (RFC 9110, section 13.1.3),
			// or has not passed yet: both are fine.
			continue
		}
		if c.code == "" {
			check(t, "copy with "+name, err)
		} else {
			refused(t, "copy with "+name, err, c.code)
		}
	}
	if got, _ := k.get(t, to, "copy"); got != "body" {
		t.Errorf("copy after refusals = %q; want body", got)
	}
}

// testCopiesInPlace changes an object by copying it onto itself.
func testCopiesInPlace(t *testing.T, k *sdk) {
	b := k.bucket(t)
	key := k.key(t)
	body := "in place"
	k.put(t, b, "o", body)
	_, err := k.copyErr(b, "o", b+"/o")
	refused(t, "copy in place that changes nothing", err, "InvalidRequest")
	k.copy(t, b, "o", b+"/o", func(in *s3.CopyObjectInput) {
		in.MetadataDirective, in.Metadata = types.MetadataDirectiveReplace, map[string]string{"m": "1"}
	})
	want(t, "metadata", k.head(t, b, "o").Metadata["m"], "1")
	k.copy(t, b, "o", b+"/o", func(in *s3.CopyObjectInput) { in.StorageClass = types.StorageClassGlacierIr })
	want(t, "storage class", k.head(t, b, "o").StorageClass, types.StorageClassGlacierIr)

	// Under KMS the ETag is no MD5; back under SSE-S3 it is one again.
	out := k.copy(t, b, "o", b+"/o", func(in *s3.CopyObjectInput) {
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &key
	})
	want(t, "key of the copy", aws.ToString(out.SSEKMSKeyId), key)
	if *out.CopyObjectResult.ETag == md5ETag(body) {
		t.Error("ETag under KMS is the MD5 of the plaintext")
	}
	want(t, "metadata stays", k.head(t, b, "o").Metadata["m"], "1")
	out = k.copy(t, b, "o", b+"/o", func(in *s3.CopyObjectInput) { in.ServerSideEncryption = types.ServerSideEncryptionAes256 })
	want(t, "ETag back under SSE-S3", *out.CopyObjectResult.ETag, md5ETag(body))
	got, _ := k.get(t, b, "o")
	want(t, "object", got, body)

	// A copy does not inherit how its source is sealed, bucket key included.
	k.copy(t, b, "sealed", b+"/o", func(in *s3.CopyObjectInput) {
		in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = types.ServerSideEncryptionAwsKms, &key, aws.Bool(true)
	})
	want(t, "bucket key", aws.ToBool(k.head(t, b, "sealed").BucketKeyEnabled), true)
	k.copy(t, b, "plain", b+"/sealed")
	h := k.head(t, b, "plain")
	want(t, "encryption of a copy of a sealed object", h.ServerSideEncryption, types.ServerSideEncryptionAes256)
	k.copy(t, b, "again", b+"/sealed", func(in *s3.CopyObjectInput) {
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &key
	})
	want(t, "bucket key of a copy", aws.ToBool(k.head(t, b, "again").BucketKeyEnabled), false)
}

func testPartCopies(t *testing.T, k *sdk) {
	ctx := t.Context()
	b := k.bucket(t)
	src := random(9, 2*partSize+100)
	etag := *k.put(t, b, "src", string(src)).ETag
	u, _ := k.upload(t, b, "o", types.ChecksumAlgorithmCrc32, types.ChecksumTypeFullObject)
	part := func(number int32, rng string, set func(*s3.UploadPartCopyInput)) (*s3.UploadPartCopyOutput, error) {
		in := &s3.UploadPartCopyInput{Bucket: &b, Key: u.Key, UploadId: u.UploadId, PartNumber: &number, CopySource: aws.String(b + "/src")}
		if rng != "" {
			in.CopySourceRange = &rng
		}
		if set != nil {
			set(in)
		}
		return k.s3.UploadPartCopy(ctx, in)
	}
	one, err := part(1, fmt.Sprintf("bytes=100-%d", partSize+99), nil)
	check(t, "UploadPartCopy of a range", err)
	two, err := part(2, "", func(in *s3.UploadPartCopyInput) { in.CopySourceIfMatch = &etag })
	check(t, "UploadPartCopy of all", err)
	for name, c := range map[string]struct {
		rng  string
		set  func(*s3.UploadPartCopyInput)
		code string
	}{
		"a range past the end":      {fmt.Sprintf("bytes=0-%d", len(src)), nil, "InvalidArgument"},
		"a range without an end":    {"bytes=5-", nil, "InvalidArgument"},
		"a range from the end":      {"bytes=-5", nil, "InvalidArgument"},
		"no range at all":           {"0-5", nil, "InvalidArgument"},
		"If-None-Match":             {"", func(in *s3.UploadPartCopyInput) { in.CopySourceIfNoneMatch = &etag }, "PreconditionFailed"},
		"a source that is missing":  {"", func(in *s3.UploadPartCopyInput) { in.CopySource = aws.String(b + "/none") }, "NoSuchKey"},
		"an upload that is missing": {"", func(in *s3.UploadPartCopyInput) { in.UploadId = aws.String("none") }, "NoSuchUpload"},
	} {
		_, err := part(3, c.rng, c.set)
		refused(t, "UploadPartCopy with "+name, err, c.code)
	}
	k.complete(t, b, u, []types.CompletedPart{
		{PartNumber: aws.Int32(1), ETag: one.CopyPartResult.ETag, ChecksumCRC32: one.CopyPartResult.ChecksumCRC32},
		{PartNumber: aws.Int32(2), ETag: two.CopyPartResult.ETag, ChecksumCRC32: two.CopyPartResult.ChecksumCRC32}})
	whole := append(append([]byte{}, src[100:partSize+100]...), src...)
	got, out := k.get(t, b, "o", func(in *s3.GetObjectInput) { in.ChecksumMode = types.ChecksumModeEnabled })
	want(t, "object of copied parts", hexSHA256([]byte(got)), hexSHA256(whole))
	want(t, "its CRC32", aws.ToString(out.ChecksumCRC32), encoded(types.ChecksumAlgorithmCrc32, whole))
	// A copy of an object of parts is one whole.
	copied := k.copy(t, b, "flat", b+"/o")
	if strings.Contains(*copied.CopyObjectResult.ETag, "-") {
		t.Errorf("ETag of a flat copy = %s; want an MD5", *copied.CopyObjectResult.ETag)
	}
	want(t, "ETag of a flat copy", *copied.CopyObjectResult.ETag, md5ETag(string(whole)))
}
