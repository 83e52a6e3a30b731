package s3

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"coffer/internal/authn"
	"coffer/internal/checksum"
)

// TestConditionKeys asks for each key by a policy that allows only with its value,
// so that the test sees what policies see. An empty value means that the key has to
// be absent.
func TestConditionKeys(t *testing.T) {
	put := func(change func(*PutObjectInput)) func(context.Context, *world, *authn.Caller) error {
		return func(ctx context.Context, w *world, c *authn.Caller) error { return w.put(c, "tour", "key", change) }
	}
	plain := put(func(*PutObjectInput) {})
	kms := func(id string) func(context.Context, *world, *authn.Caller) error {
		return put(func(in *PutObjectInput) { in.Encryption = Encryption{Algorithm: "aws:kms", KMSKeyID: id} })
	}
	ssec := put(func(in *PutObjectInput) { in.Customer = customer(t) })
	list := func(change func(*ListObjectsInput)) func(context.Context, *world, *authn.Caller) error {
		return func(ctx context.Context, w *world, c *authn.Caller) error {
			in := &ListObjectsInput{BucketInput: *bucketIn, MaxKeys: -1}
			change(in)
			return errOf(w.ListObjectsV2(ctx, c, in))
		}
	}
	copied := func(change func(*CopyObjectInput)) func(context.Context, *world, *authn.Caller) error {
		return func(ctx context.Context, w *world, c *authn.Caller) error {
			in := &CopyObjectInput{PutObjectInput: PutObjectInput{Bucket: "tour", Key: "key"}, Source: CopySource{Bucket: "from", Key: "a b"}}
			change(in)
			return errOf(w.CopyObject(ctx, c, in))
		}
	}
	create := func(change func(*CreateBucketInput)) func(context.Context, *world, *authn.Caller) error {
		return func(ctx context.Context, w *world, c *authn.Caller) error {
			in := &CreateBucketInput{Bucket: "fresh"}
			change(in)
			return errOf(w.CreateBucket(ctx, c, in))
		}
	}
	part := func(customerKey CustomerKey) func(context.Context, *world, *authn.Caller) error {
		return func(ctx context.Context, w *world, c *authn.Caller) error {
			start := &CreateMultipartUploadInput{PutObjectInput: PutObjectInput{Bucket: "tour", Key: "key", Customer: customerKey}}
			out, err := w.CreateMultipartUpload(ctx, root(owner), start)
			must(w.t, err)
			return errOf(w.UploadPart(ctx, c, &UploadPartInput{Bucket: "tour", Key: "key", UploadID: out.UploadID, PartNumber: 1, Upload: upload("x"), Customer: customerKey}))
		}
	}
	startUpload := func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.CreateMultipartUpload(ctx, c, &CreateMultipartUploadInput{PutObjectInput: PutObjectInput{Bucket: "tour", Key: "key",
			Encryption: Encryption{Algorithm: "AES256"}}}))
	}
	complete := func(ctx context.Context, w *world, c *authn.Caller) error {
		out, err := w.CreateMultipartUpload(ctx, root(owner), &CreateMultipartUploadInput{PutObjectInput: PutObjectInput{Bucket: "tour", Key: "key",
			Encryption: Encryption{Algorithm: "AES256"}}})
		must(w.t, err)
		p, err := w.UploadPart(ctx, root(owner), &UploadPartInput{Bucket: "tour", Key: "key", UploadID: out.UploadID, PartNumber: 1, Upload: upload("x")})
		must(w.t, err)
		return errOf(w.CompleteMultipartUpload(ctx, c, &CompleteMultipartUploadInput{Bucket: "tour", Key: "key", UploadID: out.UploadID, ObjectSize: -1,
			Parts: []Part{{Number: 1, ETag: p.ETag}}, Conditions: Conditions{IfNoneMatch: "*"}}))
	}
	get := func(version string) func(context.Context, *world, *authn.Caller) error {
		return func(ctx context.Context, w *world, c *authn.Caller) error {
			must(w.t, w.put(root(owner), "tour", "key", func(in *PutObjectInput) { in.Tagging = "Team=blue" }))
			return errOf(w.read(c, "tour", "key", version))
		}
	}
	retain := time.Now().Add(72*time.Hour + time.Minute).UTC().Format(time.RFC3339)
	locked := put(func(in *PutObjectInput) { in.Lock = ObjectLock{"COMPLIANCE", retain, "ON"} })
	with := func(f func(*authn.Caller), call func(context.Context, *world, *authn.Caller) error) func(context.Context, *world, *authn.Caller) error {
		return func(ctx context.Context, w *world, c *authn.Caller) error { f(c); return call(ctx, w, c) }
	}

	tests := []struct {
		key, value string
		action     string
		call       func(context.Context, *world, *authn.Caller) error
		operator   string // StringEquals if empty
	}{
		{"s3:x-amz-server-side-encryption", "", "s3:PutObject", plain, ""},
		{"s3:x-amz-server-side-encryption", "AES256", "s3:PutObject", put(func(in *PutObjectInput) { in.Encryption.Algorithm = "AES256" }), ""},
		{"s3:x-amz-server-side-encryption", "aws:kms", "s3:PutObject", kms("alias/x"), ""},
		{"s3:x-amz-server-side-encryption", "AES256", "s3:PutObject", startUpload, ""},
		{"s3:x-amz-server-side-encryption", "", "s3:PutObject", part(CustomerKey{}), ""},
		{"s3:x-amz-server-side-encryption", "", "s3:PutObject", complete, ""},
		{"s3:x-amz-server-side-encryption", "aws:kms", "s3:UpdateObjectEncryption", func(ctx context.Context, w *world, c *authn.Caller) error {
			must(w.t, w.put(root(owner), "tour", "key"))
			return w.UpdateObjectEncryption(ctx, c, &UpdateObjectEncryptionInput{ObjectInput: objectIn(""), KMSKeyARN: keyARN})
		}, ""},
		{"s3:x-amz-server-side-encryption-aws-kms-key-id", keyARN, "s3:PutObject", kms("alias/x"), "ArnEquals"},
		{"s3:x-amz-server-side-encryption-aws-kms-key-id", keyARN, "s3:PutObject", kms("1234abcd-12ab-34cd-56ef-1234567890ab"), "ArnEquals"},
		{"s3:x-amz-server-side-encryption-aws-kms-key-id", keyARN, "s3:PutObject", kms(keyARN), "ArnEquals"},
		{"s3:x-amz-server-side-encryption-aws-kms-key-id", "alias/ghost", "s3:PutObject", kms("alias/ghost"), ""},
		{"s3:x-amz-server-side-encryption-aws-kms-key-id", "", "s3:PutObject", plain, ""},
		{"s3:x-amz-server-side-encryption-customer-algorithm", "AES256", "s3:PutObject", ssec, ""},
		{"s3:x-amz-server-side-encryption-customer-algorithm", "", "s3:PutObject", plain, ""},
		{"s3:x-amz-server-side-encryption-customer-algorithm", "AES256", "s3:PutObject", part(customer(t)), ""},
		{"s3:x-amz-server-side-encryption-customer-algorithm", "", "s3:GetObject", get(""), ""},
		{"s3:x-amz-storage-class", "GLACIER", "s3:PutObject", put(func(in *PutObjectInput) { in.Attributes.StorageClass = "GLACIER" }), ""},
		{"s3:x-amz-website-redirect-location", "/x", "s3:PutObject", put(func(in *PutObjectInput) { in.Attributes.WebsiteRedirectLocation = "/x" }), ""},
		{"s3:x-amz-acl", "bucket-owner-full-control", "s3:PutObject", put(func(in *PutObjectInput) { in.ACL.Canned = "bucket-owner-full-control" }), ""},
		{"s3:x-amz-acl", "", "s3:PutObject", plain, ""},
		{"s3:x-amz-grant-read", `id="1"`, "s3:PutObject", put(func(in *PutObjectInput) { in.ACL.Grants = map[string]string{"x-amz-grant-read": `id="1"`} }), ""},
		{"s3:x-amz-grant-write", "", "s3:PutObject", put(func(in *PutObjectInput) { in.ACL.Grants = map[string]string{"x-amz-grant-read": `id="1"`} }), ""},
		{"s3:x-amz-acl", "private", "s3:PutBucketAcl", func(ctx context.Context, w *world, c *authn.Caller) error {
			return w.PutBucketACL(ctx, c, &PutACLInput{ObjectInput: ObjectInput{Bucket: "tour"}, ACL: ACL{Canned: "private"}})
		}, ""},
		{"s3:x-amz-copy-source", "/from/a b", "s3:PutObject", copied(func(*CopyObjectInput) {}), ""},
		{"s3:x-amz-copy-source", "", "s3:PutObject", plain, ""},
		{"s3:x-amz-metadata-directive", "REPLACE", "s3:PutObject", copied(func(in *CopyObjectInput) { in.MetadataDirective = "REPLACE" }), ""},
		{"s3:x-amz-metadata-directive", "", "s3:PutObject", copied(func(*CopyObjectInput) {}), ""},
		{"s3:ObjectCreationOperation", "true", "s3:PutObject", plain, "Bool"},
		{"s3:ObjectCreationOperation", "true", "s3:PutObject", copied(func(*CopyObjectInput) {}), "Bool"},
		{"s3:ObjectCreationOperation", "true", "s3:PutObject", complete, "Bool"},
		{"s3:ObjectCreationOperation", "false", "s3:PutObject", startUpload, "Bool"},
		{"s3:ObjectCreationOperation", "false", "s3:PutObject", part(CustomerKey{}), "Bool"},
		{"s3:if-none-match", "*", "s3:PutObject", put(func(in *PutObjectInput) { in.Conditions.IfNoneMatch = "*" }), ""},
		{"s3:if-none-match", "*", "s3:PutObject", complete, ""},
		{"s3:if-match", "", "s3:PutObject", plain, ""},
		{"s3:if-match", "*", "s3:DeleteObject", func(ctx context.Context, w *world, c *authn.Caller) error {
			must(w.t, w.put(root(owner), "tour", "key"))
			return errOf(w.DeleteObject(ctx, c, &DeleteObjectInput{ObjectInput: objectIn(""), IfMatch: "*"}))
		}, ""},
		{"s3:RequestObjectTag/team", "blue", "s3:PutObject", put(func(in *PutObjectInput) { in.Tagging = "Team=blue&x=y" }), ""},
		{"s3:RequestObjectTag/Team", "", "s3:PutObject", plain, ""},
		{"s3:RequestObjectTagKeys", "Team", "s3:PutObject", put(func(in *PutObjectInput) { in.Tagging = "Team=blue" }), "ForAllValues:StringEquals"},
		{"s3:RequestObjectTag/Team", "", "s3:PutObject", copied(func(in *CopyObjectInput) { in.Tagging = "Team=blue" }), ""},
		{"s3:RequestObjectTag/Team", "blue", "s3:PutObjectTagging", func(ctx context.Context, w *world, c *authn.Caller) error {
			must(w.t, w.put(root(owner), "tour", "key"))
			return errOf(w.PutObjectTagging(ctx, c, &PutTaggingInput{ObjectInput: objectIn(""), Tags: []Tag{{"Team", "blue"}}}))
		}, ""},
		{"s3:ExistingObjectTag/team", "blue", "s3:GetObject", get(""), ""},
		{"s3:ExistingObjectTag/other", "", "s3:GetObject", get(""), ""},
		{"s3:ExistingObjectTag/Team", "blue", "s3:GetObjectVersion", get("null"), ""},
		{"s3:versionid", "null", "s3:GetObjectVersion", get("null"), ""},
		{"s3:prefix", "", "s3:ListBucket", list(func(*ListObjectsInput) {}), ""},
		{"s3:prefix", "home/", "s3:ListBucket", list(func(in *ListObjectsInput) { in.Prefix, in.HasPrefix = "home/", true }), ""},
		{"s3:delimiter", "/", "s3:ListBucket", list(func(in *ListObjectsInput) { in.Delimiter, in.HasDelimiter = "/", true }), ""},
		{"s3:max-keys", "10", "s3:ListBucket", list(func(in *ListObjectsInput) { in.MaxKeys = 10 }), "NumericEquals"},
		{"s3:max-keys", "", "s3:ListBucket", list(func(*ListObjectsInput) {}), ""},
		{"s3:locationconstraint", "eu-west-1", "s3:CreateBucket", create(func(in *CreateBucketInput) { in.LocationConstraint = "eu-west-1" }), ""},
		{"s3:x-amz-object-ownership", "ObjectWriter", "s3:CreateBucket", create(func(in *CreateBucketInput) { in.ObjectOwnership = "ObjectWriter" }), ""},
		{"s3:x-amz-bucket-namespace", "", "s3:CreateBucket", create(func(*CreateBucketInput) {}), ""},
		{"aws:RequestTag/team", "blue", "s3:CreateBucket", create(func(in *CreateBucketInput) { in.Tags = []Tag{{"Team", "blue"}} }), ""},
		{"aws:TagKeys", "Team", "s3:CreateBucket", create(func(in *CreateBucketInput) { in.Tags = []Tag{{"Team", "blue"}} }), "ForAllValues:StringEquals"},
		{"aws:ResourceTag/Team", "", "s3:GetBucketVersioning", func(ctx context.Context, w *world, c *authn.Caller) error {
			must(w.t, w.PutBucketTagging(ctx, root(owner), &PutTaggingInput{ObjectInput: ObjectInput{Bucket: "tour"}, Tags: []Tag{{"Team", "blue"}}}))
			return errOf(w.GetBucketVersioning(ctx, c, bucketIn))
		}, ""},
		{"s3:object-lock-mode", "COMPLIANCE", "s3:PutObject", locked, ""},
		{"s3:object-lock-legal-hold", "ON", "s3:PutObjectLegalHold", locked, ""},
		{"s3:object-lock-retain-until-date", retain, "s3:PutObjectRetention", locked, "DateEquals"},
		{"s3:object-lock-remaining-retention-days", "3", "s3:PutObjectRetention", locked, "NumericEquals"},
		{"s3:ResourceAccount", owner, "s3:GetObject", get(""), ""},
		{"s3:signatureversion", "AWS4-HMAC-SHA256", "s3:GetObject", get(""), ""},
		{"s3:authType", "REST-HEADER", "s3:GetObject", get(""), ""},
		{"s3:authType", "REST-QUERY-STRING", "s3:GetObject", with(func(c *authn.Caller) { c.AuthType = authn.AuthQuery }, get("")), ""},
		{"s3:authType", "POST", "s3:PutObject", with(func(c *authn.Caller) { c.AuthType = authn.AuthPost }, plain), ""},
		{"s3:signatureAge", "59999", "s3:GetObject", get(""), "NumericGreaterThan"},
		{"s3:TlsVersion", "1.3", "s3:GetObject", get(""), "NumericEquals"},
		{"s3:TlsVersion", "", "s3:GetObject", with(func(c *authn.Caller) { c.TLSVersion = "" }, get("")), ""},
		{"s3:x-amz-content-sha256", "UNSIGNED-PAYLOAD", "s3:GetObject", get(""), ""},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s of %s is %q", tt.key, tt.action, tt.value), func(t *testing.T) {
			operator := tt.operator
			if operator == "" {
				operator = "StringEquals"
			}
			// The value that the key has allows, and any other denies.
			is := fmt.Sprintf(`{%q:{%q:%q}}`, operator, tt.key, tt.value)
			isNot := fmt.Sprintf(`{"Null":{%q:"true"}}`, tt.key)
			if tt.value == "" {
				is, isNot = isNot, fmt.Sprintf(`{"Null":{%q:"false"}}`, tt.key)
			}
			for _, condition := range []string{is, isNot} {
				w := newWorld(t)
				w.bucket("tour")
				w.bucket("from")
				must(t, w.PutBucketEncryption(t.Context(), root(owner), &PutBucketEncryptionInput{BucketInput: *bucketIn,
					Rules: []EncryptionRule{{Algorithm: "AES256", BlockedPresent: true, BlockedTypes: []string{"NONE"}}}}))
				must(t, w.put(root(owner), "from", "a b"))
				c := w.user(owner, fmt.Sprintf(`{"Effect":"Allow","NotAction":%q,"Resource":"*"}`, tt.action),
					fmt.Sprintf(`{"Effect":"Allow","Action":%q,"Resource":"*","Condition":%s}`, tt.action, condition))
				err := tt.call(t.Context(), w, c)
				if denied := code(err) == "AccessDenied"; denied != (condition == isNot) {
					t.Errorf("under %s: %v", condition, err)
				} else if denied && !strings.Contains(err.Error(), tt.action+" ") {
					t.Errorf("under %s: %v; want a denial of %s", condition, err, tt.action)
				}
			}
		})
	}
}

// What the client names can't pose as what the server derives.
func TestNoHeaderPosesAsAKey(t *testing.T) {
	w := newWorld(t)
	w.bucket("tour")
	c := w.user(owner, `{"Effect":"Allow","Action":"s3:PutObject","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/team":"blue"}}}`)
	err := w.put(c, "tour", "key", func(in *PutObjectInput) {
		in.Attributes.Metadata = map[string]string{"aws:principaltag/team": "blue", "s3:existingobjecttag/team": "blue"}
		in.ACL.Grants = map[string]string{"aws:principaltag/team": "blue", "x-amz-server-side-encryption": "AES256"}
		in.Tagging = "aws%3Aprincipaltag%2Fteam=blue"
		in.Upload.Algorithm = checksum.CRC32
	})
	want(t, "PutObject", err, "AccessDenied")
}
