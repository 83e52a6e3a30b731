package conformance

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func b64(b []byte) *string { return aws.String(base64.StdEncoding.EncodeToString(b)) }

// sseC returns the three SSE-C values of a key.
func sseC(key []byte) (algorithm, value, digest *string) {
	sum := md5.Sum(key)
	return aws.String("AES256"), b64(key), b64(sum[:])
}

func setPutKey(in *s3.PutObjectInput, key []byte) {
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = sseC(key)
}

func setGetKey(key []byte) func(*s3.GetObjectInput) {
	return func(in *s3.GetObjectInput) {
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = sseC(key)
	}
}

func setCopyKey(in *s3.CopyObjectInput, key []byte) {
	in.CopySourceSSECustomerAlgorithm, in.CopySourceSSECustomerKey, in.CopySourceSSECustomerKeyMD5 = sseC(key)
}

// sealWith asks for an encryption on a PutObject.
func sealWith(algorithm types.ServerSideEncryption, keyID string) func(*s3.PutObjectInput) {
	return func(in *s3.PutObjectInput) {
		if in.ServerSideEncryption = algorithm; keyID != "" {
			in.SSEKMSKeyId = &keyID
		}
	}
}

func testSealing(t *testing.T, k *sdk) {
	ctx := t.Context()
	b := k.bucket(t)
	key := k.key(t)
	alias := "alias/" + b
	_, err := k.kms.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: &key})
	check(t, "CreateAlias", err)
	id := key[strings.LastIndex(key, "/")+1:]
	aliasARN := strings.Replace(key, "key/"+id, alias, 1)

	body := string(random(5, 200_001))
	for _, c := range []struct {
		name      string
		algorithm types.ServerSideEncryption
		keyID     string
		bucketKey bool
	}{
		{"key by id", types.ServerSideEncryptionAwsKms, id, false},
		{"key by ARN", types.ServerSideEncryptionAwsKms, key, false},
		{"key by alias", types.ServerSideEncryptionAwsKms, alias, false},
		{"key by ARN of an alias", types.ServerSideEncryptionAwsKms, aliasARN, false},
		{"bucket key", types.ServerSideEncryptionAwsKms, key, true},
		{"two layers", types.ServerSideEncryptionAwsKmsDsse, key, false},
	} {
		out := k.put(t, b, c.name, body, sealWith(c.algorithm, c.keyID), func(in *s3.PutObjectInput) {
			if c.bucketKey {
				in.BucketKeyEnabled = &c.bucketKey
			}
		})
		want(t, "encryption by "+c.name, out.ServerSideEncryption, c.algorithm)
		want(t, "key by "+c.name, aws.ToString(out.SSEKMSKeyId), key) // always the ARN
		if *out.ETag == md5ETag(body) {
			t.Errorf("ETag by %s is the MD5 of the plaintext", c.name)
		}
		got, info := k.get(t, b, c.name)
		want(t, "object by "+c.name, hexSHA256([]byte(got)), hexSHA256([]byte(body)))
		want(t, "encryption on GET", info.ServerSideEncryption, c.algorithm)
		want(t, "key on GET", aws.ToString(info.SSEKMSKeyId), key)
		want(t, "bucket key on GET", aws.ToBool(info.BucketKeyEnabled), c.bucketKey)
		got, _ = k.get(t, b, c.name, func(in *s3.GetObjectInput) { in.Range = aws.String("bytes=65530-65545") })
		want(t, "range by "+c.name, got, body[65530:65546])
		want(t, "ETag on HEAD", *k.head(t, b, c.name).ETag, *out.ETag)
	}

	// No key named is the account's own aws/s3.
	out := k.put(t, b, "managed", body, sealWith(types.ServerSideEncryptionAwsKms, ""))
	d, err := k.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: out.SSEKMSKeyId})
	check(t, "DescribeKey", err)
	want(t, "manager of aws/s3", d.KeyMetadata.KeyManager, kmstypes.KeyManagerTypeAws)
	want(t, "description of aws/s3", *d.KeyMetadata.Description, "Default key that protects my S3 objects when no other key is defined")
	byAlias, err := k.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String("alias/aws/s3")})
	check(t, "DescribeKey of alias/aws/s3", err)
	want(t, "alias/aws/s3", *byAlias.KeyMetadata.Arn, *out.SSEKMSKeyId)

	// A multipart upload under KMS.
	u, err := k.s3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &b, Key: aws.String("parts"),
		ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &alias})
	check(t, "CreateMultipartUpload", err)
	want(t, "key of an upload", aws.ToString(u.SSEKMSKeyId), key)
	one, two := k.part(t, u, 1, random(1, partSize), ""), k.part(t, u, 2, []byte("end"), "")
	sum := md5.Sum(random(1, partSize))
	if *one.ETag == fmt.Sprintf(`"%x"`, sum) {
		t.Error("ETag of a part under KMS is the MD5 of the plaintext")
	}
	done := k.complete(t, b, u, []types.CompletedPart{one, two})
	want(t, "key of a completed upload", aws.ToString(done.SSEKMSKeyId), key)
	if !strings.HasSuffix(*done.ETag, `-2"`) {
		t.Errorf("ETag of two parts = %s; want one that ends in -2", *done.ETag)
	}
	got, _ := k.get(t, b, "parts")
	want(t, "object of parts", hexSHA256([]byte(got)), hexSHA256(append(random(1, partSize), "end"...)))

	for name, c := range map[string]struct {
		set  func(*s3.PutObjectInput)
		code string
	}{
		"an unknown method":      {sealWith("aws:nonesuch", ""), "InvalidArgument"},
		"a key for AES256":       {sealWith(types.ServerSideEncryptionAes256, key), "InvalidArgument"},
		"a key without a method": {func(in *s3.PutObjectInput) { in.SSEKMSKeyId = &key }, "InvalidArgument"},
		"a bucket key under DSSE": {func(in *s3.PutObjectInput) {
			in.ServerSideEncryption, in.BucketKeyEnabled = types.ServerSideEncryptionAwsKmsDsse, aws.Bool(true)
		}, "InvalidArgument"},
		"KMS and SSE-C": {func(in *s3.PutObjectInput) {
			in.ServerSideEncryption = types.ServerSideEncryptionAwsKms
			setPutKey(in, random(1, 32))
		}, "InvalidArgument"},
	} {
		in := &s3.PutObjectInput{Bucket: &b, Key: aws.String("refused"), Body: strings.NewReader("x")}
		c.set(in)
		_, err := k.s3.PutObject(ctx, in)
		refused(t, "PutObject with "+name, err, c.code)
	}
	refused(t, "GetObject of what was refused", k.getErr(b, "refused"), "NoSuchKey")
	// The encryption of a read is not the client's to say.
	status, answer := k.signed(t, "GET", "/"+b+"/managed", "", "x-amz-server-side-encryption", "aws:kms")
	if status != 400 || !strings.Contains(answer, "<Code>InvalidArgument</Code>") {
		t.Errorf("GET with x-amz-server-side-encryption = %d %s; want 400 InvalidArgument", status, answer)
	}
	status, answer = k.signed(t, "PUT", "/"+b+"/misspelt", "x", "x-amz-server-side-encryption-aws-kms-keyid", key)
	if status != 400 || !strings.Contains(answer, "<Code>InvalidArgument</Code>") {
		t.Errorf("PUT with a misspelt encryption header = %d %s; want 400 InvalidArgument, not silence", status, answer)
	}
}

func testEncryptionContext(t *testing.T, k *sdk) {
	ctx := t.Context()
	b := k.bucket(t)
	key := k.key(t)
	pairs := b64([]byte(`{"subject":"alice","purpose":"test é"}`))
	with := func(in *s3.PutObjectInput) { in.SSEKMSEncryptionContext = pairs }
	out := k.put(t, b, "o", "x", sealWith(types.ServerSideEncryptionAwsKms, key), with)
	want(t, "context in the answer", aws.ToString(out.SSEKMSEncryptionContext), *pairs)
	got, _ := k.get(t, b, "o") // nobody has to send it again
	want(t, "object", got, "x")
	c := k.copy(t, b, "copy", b+"/o", func(in *s3.CopyObjectInput) {
		in.ServerSideEncryption, in.SSEKMSKeyId, in.SSEKMSEncryptionContext = types.ServerSideEncryptionAwsKms, &key, pairs
	})
	want(t, "context of a copy", aws.ToString(c.SSEKMSEncryptionContext), *pairs)
	u, err := k.s3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &b, Key: aws.String("parts"),
		ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &key, SSEKMSEncryptionContext: pairs})
	check(t, "CreateMultipartUpload", err)
	want(t, "context of an upload", aws.ToString(u.SSEKMSEncryptionContext), *pairs)
	k.complete(t, b, u, []types.CompletedPart{k.part(t, u, 1, []byte("y"), "")})
	k.get(t, b, "parts")

	for name, c := range map[string]string{
		"no base64":       "{}",
		"no JSON":         *b64([]byte("x")),
		"a list":          *b64([]byte(`["a"]`)),
		"a number":        *b64([]byte(`{"a":1}`)),
		"null":            *b64([]byte(`{"a":null}`)),
		"S3's own pair":   *b64([]byte(`{"aws:s3:arn":"arn:aws:s3:::other/o"}`)),
		"another aws: id": *b64([]byte(`{"aws:x":"y"}`)),
	} {
		_, err := k.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &b, Key: aws.String("bad"), Body: strings.NewReader("x"),
			ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &key, SSEKMSEncryptionContext: &c})
		refused(t, "PutObject with a context of "+name, err, "InvalidArgument")
	}
}

// testBucketDefault is about objects whose writer says nothing of encryption.
func testBucketDefault(t *testing.T, k *sdk) {
	ctx := t.Context()
	b := k.bucket(t)
	key := k.key(t)
	conf := rule("aws:kms", key)
	conf.Rules[0].BucketKeyEnabled = aws.Bool(true)
	_, err := k.s3.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: &b, ServerSideEncryptionConfiguration: conf})
	check(t, "PutBucketEncryption", err)
	sealed := func(name string, algorithm types.ServerSideEncryption, id *string, bucketKey *bool) {
		t.Helper()
		want(t, "encryption of "+name, algorithm, types.ServerSideEncryptionAwsKms)
		want(t, "key of "+name, aws.ToString(id), key)
		want(t, "bucket key of "+name, aws.ToBool(bucketKey), true)
	}
	out := k.put(t, b, "put", "x")
	sealed("put", out.ServerSideEncryption, out.SSEKMSKeyId, out.BucketKeyEnabled)
	c := k.copy(t, b, "copy", b+"/put")
	sealed("copy", c.ServerSideEncryption, c.SSEKMSKeyId, c.BucketKeyEnabled)
	u, _ := k.upload(t, b, "upload", "", "")
	sealed("upload", u.ServerSideEncryption, u.SSEKMSKeyId, u.BucketKeyEnabled)
	k.complete(t, b, u, []types.CompletedPart{k.part(t, u, 1, []byte("x"), "")})
	h := k.head(t, b, "upload")
	sealed("completed upload", h.ServerSideEncryption, h.SSEKMSKeyId, h.BucketKeyEnabled)
	// The writer's word goes before the bucket's.
	off := k.put(t, b, "off", "x", sealWith(types.ServerSideEncryptionAwsKms, key), func(in *s3.PutObjectInput) { in.BucketKeyEnabled = aws.Bool(false) })
	want(t, "bucket key switched off", aws.ToBool(off.BucketKeyEnabled), false)
	s3sealed := k.put(t, b, "s3", "x", sealWith(types.ServerSideEncryptionAes256, ""))
	want(t, "encryption by AES256", s3sealed.ServerSideEncryption, types.ServerSideEncryptionAes256)
	// What was written before stays as it was.
	_, err = k.s3.DeleteBucketEncryption(ctx, &s3.DeleteBucketEncryptionInput{Bucket: &b})
	check(t, "DeleteBucketEncryption", err)
	h = k.head(t, b, "put")
	sealed("put, later", h.ServerSideEncryption, h.SSEKMSKeyId, h.BucketKeyEnabled)
	want(t, "encryption of a new object", k.put(t, b, "new", "x").ServerSideEncryption, types.ServerSideEncryptionAes256)
}

func testCustomerKeys(t *testing.T, k *sdk) {
	ctx := t.Context()
	b := k.bucket(t)
	key, other := random(100, 32), random(101, 32)
	in := &s3.PutObjectInput{Bucket: &b, Key: aws.String("o"), Body: strings.NewReader("x")}
	setPutKey(in, key)
	_, err := k.s3.PutObject(ctx, in)
	refused(t, "PutObject with SSE-C to a new bucket", err, "AccessDenied")
	wantStatus(t, "PutObject with SSE-C to a new bucket", err, 403)
	k.allowSSEC(t, b)

	body := string(random(6, 100_000))
	out := k.put(t, b, "o", body, func(in *s3.PutObjectInput) { setPutKey(in, key) })
	_, _, digest := sseC(key)
	want(t, "algorithm", aws.ToString(out.SSECustomerAlgorithm), "AES256")
	want(t, "MD5 of the key", aws.ToString(out.SSECustomerKeyMD5), *digest)
	want(t, "encryption", out.ServerSideEncryption, "")
	got, info := k.get(t, b, "o", setGetKey(key))
	want(t, "object", hexSHA256([]byte(got)), hexSHA256([]byte(body)))
	want(t, "MD5 of the key on GET", aws.ToString(info.SSECustomerKeyMD5), *digest)
	if *info.ETag == md5ETag(body) {
		t.Error("ETag under SSE-C is the MD5 of the plaintext")
	}

	const need = "The correct parameters must be provided to retrieve the object."
	for name, set := range map[string]func(*s3.GetObjectInput){
		"without a key":                          func(*s3.GetObjectInput) {},
		"of an unsatisfiable range, without key": func(in *s3.GetObjectInput) { in.Range = aws.String("bytes=900000-") },
	} {
		err := k.getErr(b, "o", set)
		refused(t, "GetObject "+name, err, "InvalidRequest")
		if !strings.Contains(err.Error(), need) {
			t.Errorf("GetObject %s = %v; want %q", name, err, need)
		}
	}
	refused(t, "GetObject with another key", k.getErr(b, "o", setGetKey(other)), "AccessDenied")
	refused(t, "a range with another key", k.getErr(b, "o", setGetKey(other), func(in *s3.GetObjectInput) { in.Range = aws.String("bytes=0-9") }), "AccessDenied")
	refused(t, "an unsatisfiable range with another key", k.getErr(b, "o", setGetKey(other), func(in *s3.GetObjectInput) { in.Range = aws.String("bytes=900000-") }), "InvalidRange")
	_, err = k.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b, Key: aws.String("o")})
	wantStatus(t, "HeadObject without a key", err, 400)
	hin := &s3.HeadObjectInput{Bucket: &b, Key: aws.String("o")}
	hin.SSECustomerAlgorithm, hin.SSECustomerKey, hin.SSECustomerKeyMD5 = sseC(other)
	_, err = k.s3.HeadObject(ctx, hin)
	wantStatus(t, "HeadObject with another key", err, 403)
	hin.SSECustomerAlgorithm, hin.SSECustomerKey, hin.SSECustomerKeyMD5 = sseC(key)
	_, err = k.s3.HeadObject(ctx, hin)
	check(t, "HeadObject", err)
	k.put(t, b, "plain", "x")
	refused(t, "GetObject of an object without SSE-C", k.getErr(b, "plain", setGetKey(key)), "InvalidRequest")

	for name, c := range map[string]struct {
		algorithm, key, digest string
		code, text             string
	}{
		"no algorithm":              {"", *b64(key), *digest, "InvalidArgument", "must provide a valid encryption algorithm"},
		"an unknown algorithm":      {"AES512", *b64(key), *digest, "InvalidEncryptionAlgorithmError", ""},
		"no key":                    {"AES256", "", *digest, "InvalidArgument", "must provide an appropriate secret key"},
		"a short key":               {"AES256", *b64(key[:16]), *digest, "InvalidArgument", "The secret key was invalid for the specified algorithm"},
		"the MD5 of another key":    {"AES256", *b64(other), *digest, "InvalidArgument", "The calculated MD5 hash of the key did not match"},
		"a key that is not base 64": {"AES256", "!!!", *digest, "InvalidArgument", "The secret key was invalid"},
	} {
		var header []string
		for _, h := range [][2]string{{"algorithm", c.algorithm}, {"key", c.key}, {"key-MD5", c.digest}} {
			if h[1] != "" {
				header = append(header, "x-amz-server-side-encryption-customer-"+h[0], h[1])
			}
		}
		status, answer := k.signed(t, "PUT", "/"+b+"/bad", "x", header...)
		if status != 400 || !strings.Contains(answer, "<Code>"+c.code+"</Code>") || !strings.Contains(answer, c.text) {
			t.Errorf("PUT with %s = %d %s; want 400 %s %q", name, status, answer, c.code, c.text)
		}
	}

	cp := k.copy(t, b, "other", b+"/o", func(in *s3.CopyObjectInput) {
		setCopyKey(in, key)
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = sseC(other)
	})
	want(t, "algorithm of a copy", aws.ToString(cp.SSECustomerAlgorithm), "AES256")
	got, _ = k.get(t, b, "other", setGetKey(other))
	want(t, "copy", hexSHA256([]byte(got)), hexSHA256([]byte(body)))
	c := k.copy(t, b, "open", b+"/o", func(in *s3.CopyObjectInput) { setCopyKey(in, key) })
	want(t, "ETag of a copy under SSE-S3", *c.CopyObjectResult.ETag, md5ETag(body))
	_, err = k.copyErr(b, "x", b+"/o")
	refused(t, "CopyObject without the source's key", err, "InvalidRequest")
	_, err = k.copyErr(b, "x", b+"/o", func(in *s3.CopyObjectInput) { setCopyKey(in, other) })
	refused(t, "CopyObject with another key", err, "AccessDenied")

	cin := &s3.CreateMultipartUploadInput{Bucket: &b, Key: aws.String("parts")}
	cin.SSECustomerAlgorithm, cin.SSECustomerKey, cin.SSECustomerKeyMD5 = sseC(key)
	u, err := k.s3.CreateMultipartUpload(ctx, cin)
	check(t, "CreateMultipartUpload", err)
	part := func(key []byte) (*s3.UploadPartOutput, error) {
		in := &s3.UploadPartInput{Bucket: &b, Key: u.Key, UploadId: u.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("part")}
		if key != nil {
			in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = sseC(key)
		}
		return k.s3.UploadPart(ctx, in)
	}
	_, err = part(nil)
	refused(t, "UploadPart without the key", err, "InvalidRequest")
	_, err = part(other)
	refused(t, "UploadPart with another key", err, "InvalidRequest")
	p, err := part(key)
	check(t, "UploadPart", err)
	done := k.complete(t, b, u, []types.CompletedPart{{ETag: p.ETag, PartNumber: aws.Int32(1)}}, func(in *s3.CompleteMultipartUploadInput) {
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = sseC(key)
	})
	want(t, "encryption of a completed upload", done.ServerSideEncryption, "")
	got, _ = k.get(t, b, "parts", setGetKey(key))
	want(t, "object of parts", got, "part")
	plain, _ := k.upload(t, b, "plain-parts", "", "")
	_, err = k.s3.UploadPart(ctx, func() *s3.UploadPartInput {
		in := &s3.UploadPartInput{Bucket: &b, Key: plain.Key, UploadId: plain.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("x")}
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = sseC(key)
		return in
	}())
	refused(t, "UploadPart with a key of an upload without", err, "InvalidRequest")

	// A block that comes later stops writes, and no reads.
	_, err = k.s3.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{Bucket: &b, ServerSideEncryptionConfiguration: rule("AES256", "", "SSE-C")})
	check(t, "PutBucketEncryption", err)
	k.get(t, b, "o", setGetKey(key))
	_, err = k.s3.CreateMultipartUpload(ctx, cin)
	refused(t, "CreateMultipartUpload with SSE-C on a blocked bucket", err, "AccessDenied")
	_, err = k.copyErr(b, "x", b+"/plain", func(in *s3.CopyObjectInput) {
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = sseC(key)
	})
	refused(t, "CopyObject to SSE-C on a blocked bucket", err, "AccessDenied")
}

// testUnusableKeys disables, schedules for deletion and misnames the key of
// objects. S3 shows KMS's errors with the prefix KMS.
func testUnusableKeys(t *testing.T, k *sdk) {
	ctx := t.Context()
	b := k.bucket(t)
	key := k.key(t)
	kms1 := sealWith(types.ServerSideEncryptionAwsKms, key)
	bucketKey := func(in *s3.PutObjectInput) { in.BucketKeyEnabled = aws.Bool(true) }
	k.put(t, b, "o", "hello", kms1)
	k.put(t, b, "bk", "hello", kms1, bucketKey)
	k.put(t, b, "dsse", "hello", sealWith(types.ServerSideEncryptionAwsKmsDsse, key))
	k.put(t, b, "free", "free")
	large := string(random(11, 40<<20))
	k.put(t, b, "large", large, kms1)
	u, err := k.s3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &b, Key: aws.String("parts"),
		ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &key})
	check(t, "CreateMultipartUpload", err)
	one := k.part(t, u, 1, []byte("part"), "")

	everything := func(want string) {
		t.Helper()
		for _, o := range []string{"o", "bk", "dsse"} {
			refused(t, "GetObject of "+o, k.getErr(b, o), want)
		}
		for name, set := range map[string]func(*s3.PutObjectInput){"KMS": kms1, "a bucket key": func(in *s3.PutObjectInput) { kms1(in); bucketKey(in) }} {
			in := &s3.PutObjectInput{Bucket: &b, Key: aws.String("new"), Body: strings.NewReader("x")}
			set(in)
			_, err := k.s3.PutObject(ctx, in)
			refused(t, "PutObject with "+name, err, want)
		}
		_, err := k.copyErr(b, "new", b+"/o")
		refused(t, "CopyObject from it", err, want)
		_, err = k.copyErr(b, "new", b+"/free", func(in *s3.CopyObjectInput) {
			in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &key
		})
		refused(t, "CopyObject to it", err, want)
		_, err = k.s3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &b, Key: aws.String("new"),
			ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &key})
		refused(t, "CreateMultipartUpload", err, want)
		_, err = k.s3.UploadPart(ctx, &s3.UploadPartInput{Bucket: &b, Key: u.Key, UploadId: u.UploadId, PartNumber: aws.Int32(2), Body: strings.NewReader("x")})
		refused(t, "UploadPart", err, want)
		_, err = k.s3.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &b, Key: u.Key, UploadId: u.UploadId,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{one}}})
		refused(t, "CompleteMultipartUpload", err, want)
		// What needs no key goes on.
		k.head(t, b, "o")
		k.get(t, b, "free")
	}
	_, err = k.kms.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key})
	check(t, "DisableKey", err)
	everything("KMS.DisabledException")
	if err := k.getErr(b, "o"); !strings.Contains(err.Error(), key+" is disabled.") {
		t.Errorf("GetObject = %v; want %q", err, key+" is disabled.")
	}
	_, err = k.kms.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &key})
	check(t, "EnableKey", err)
	for _, o := range []string{"o", "bk", "dsse"} {
		got, _ := k.get(t, b, o)
		want(t, o+" after EnableKey", got, "hello")
	}

	// A read that is under way ends within a second or two.
	out, err := k.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &b, Key: aws.String("large")})
	check(t, "GetObject", err)
	_, err = k.kms.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &key, PendingWindowInDays: aws.Int32(7)})
	check(t, "ScheduleKeyDeletion", err)
	if n, err := slowly(out.Body); err == nil && n == len(large) {
		t.Errorf("a slow read of %d bytes went on for seconds after its key was scheduled for deletion", n)
	}
	everything("KMS.KMSInvalidStateException")
	if err := k.getErr(b, "o"); !strings.Contains(err.Error(), key+" is pending deletion.") {
		t.Errorf("GetObject = %v; want %q", err, key+" is pending deletion.")
	}

	for name, id := range map[string]string{
		"no id of a key":    "fake-key-id",
		"a key of none":     strings.Replace(key, key[len(key)-12:], "000000000000", 1),
		"an alias of none":  "alias/none",
		"of another region": strings.Replace(key, "us-east-1", "eu-west-1", 1),
	} {
		_, err := k.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &b, Key: aws.String("new"), Body: strings.NewReader("x"),
			ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &id})
		refused(t, "PutObject with a key that is "+name, err, "KMS.NotFoundException")
	}
	refused(t, "GetObject of what was refused", k.getErr(b, "new"), "NoSuchKey")
}

// slowly reads a body for about three seconds.
func slowly(r io.ReadCloser) (int, error) {
	defer r.Close()
	n := 0
	buf := make([]byte, 64<<10)
	for {
		m, err := io.ReadFull(r, buf)
		n += m
		if err == io.EOF || err == io.ErrUnexpectedEOF && m < len(buf) && n%len(buf) == 0 {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if n <= 30<<20 {
			pause()
		}
	}
}

func testUpdateObjectEncryption(t *testing.T, k *sdk) {
	ctx := t.Context()
	b := k.bucket(t)
	key, other := k.key(t), k.key(t)
	update := func(o, keyARN string, bucketKey bool) error {
		_, err := k.s3.UpdateObjectEncryption(context.Background(), &s3.UpdateObjectEncryptionInput{Bucket: &b, Key: &o,
			ObjectEncryption: &types.ObjectEncryptionMemberSSEKMS{Value: types.SSEKMSEncryption{KMSKeyArn: &keyARN, BucketKeyEnabled: &bucketKey}}})
		return err
	}
	u, parts := k.upload(t, b, "parts", types.ChecksumAlgorithmCrc32, types.ChecksumTypeFullObject, partSize, 10)
	k.complete(t, b, u, parts)
	k.put(t, b, "o", "body")
	k.put(t, b, "kms", "body", sealWith(types.ServerSideEncryptionAwsKms, other))
	for _, o := range []string{"o", "kms", "parts"} {
		body, before := k.get(t, b, o, func(in *s3.GetObjectInput) { in.ChecksumMode = types.ChecksumModeEnabled })
		check(t, "UpdateObjectEncryption of "+o, update(o, key, o == "parts"))
		got, after := k.get(t, b, o, func(in *s3.GetObjectInput) { in.ChecksumMode = types.ChecksumModeEnabled })
		want(t, o, hexSHA256([]byte(got)), hexSHA256([]byte(body)))
		want(t, "key of "+o, aws.ToString(after.SSEKMSKeyId), key)
		want(t, "bucket key of "+o, aws.ToBool(after.BucketKeyEnabled), o == "parts")
		want(t, "ETag of "+o, *after.ETag, *before.ETag)
		want(t, "time of "+o, *after.LastModified, *before.LastModified)
		want(t, "CRC32 of "+o, aws.ToString(after.ChecksumCRC32), aws.ToString(before.ChecksumCRC32))
	}
	// The first key is not needed any more, the new one is.
	_, err := k.kms.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &other})
	check(t, "DisableKey", err)
	k.get(t, b, "kms")
	refused(t, "UpdateObjectEncryption to a disabled key", update("o", other, false), "KMS.DisabledException")
	refused(t, "UpdateObjectEncryption to an id", update("o", key[strings.LastIndex(key, "/")+1:], false), "InvalidArgument")
	refused(t, "UpdateObjectEncryption of none", update("none", key, false), "NoSuchKey")
	k.put(t, b, "dsse", "x", sealWith(types.ServerSideEncryptionAwsKmsDsse, key))
	refused(t, "UpdateObjectEncryption of DSSE", update("dsse", key, false), "InvalidRequest")
	k.allowSSEC(t, b)
	k.put(t, b, "c", "x", func(in *s3.PutObjectInput) { setPutKey(in, random(1, 32)) })
	refused(t, "UpdateObjectEncryption of SSE-C", update("c", key, false), "InvalidRequest")
}
