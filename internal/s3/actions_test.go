package s3

import (
	"context"
	"strings"
	"testing"

	"coffer/internal/authn"
	"coffer/internal/object"
)

// A right is an action on a resource; the resource is "b" for the bucket and "k" for
// the object, "src" for the copy source and "*" for none.
type right struct{ action, on string }

var places = map[string]string{"b": "arn:aws:s3:::tour", "k": "arn:aws:s3:::tour/key", "src": "arn:aws:s3:::from/src", "*": "*", "new": "arn:aws:s3:::fresh"}

// operations holds every operation, with the rights that it takes. An answer with
// another error than AccessDenied is fine: it came after the decision.
var operations = []struct {
	name   string
	rights []right
	call   func(context.Context, *world, *authn.Caller) error
}{
	{"ListBuckets", []right{{"s3:ListAllMyBuckets", "*"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.ListBuckets(ctx, c, &ListBucketsInput{}))
	}},
	{"CreateBucket", []right{{"s3:CreateBucket", "new"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.CreateBucket(ctx, c, &CreateBucketInput{Bucket: "fresh"}))
	}},
	{"CreateBucket with everything", []right{{"s3:CreateBucket", "new"}, {"s3:PutBucketAcl", "new"}, {"s3:PutBucketOwnershipControls", "new"},
		{"s3:PutBucketObjectLockConfiguration", "new"}, {"s3:PutBucketVersioning", "new"}, {"s3:TagResource", "new"}},
		func(ctx context.Context, w *world, c *authn.Caller) error {
			return errOf(w.CreateBucket(ctx, c, &CreateBucketInput{Bucket: "fresh", ACL: ACL{Canned: "log-delivery-write"},
				ObjectOwnership: "ObjectWriter", ObjectLockEnabled: true, Tags: []Tag{{"a", "b"}}}))
		}},
	{"HeadBucket", []right{{"s3:ListBucket", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.HeadBucket(ctx, c, bucketIn))
	}},
	{"DeleteBucket", []right{{"s3:DeleteBucket", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return w.DeleteBucket(ctx, c, bucketIn)
	}},
	{"GetBucketLocation", []right{{"s3:GetBucketLocation", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.GetBucketLocation(ctx, c, bucketIn))
	}},
	{"PutBucketVersioning", []right{{"s3:PutBucketVersioning", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return w.PutBucketVersioning(ctx, c, &PutBucketVersioningInput{BucketInput: *bucketIn, Status: "Enabled"})
	}},
	{"GetBucketVersioning", []right{{"s3:GetBucketVersioning", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.GetBucketVersioning(ctx, c, bucketIn))
	}},
	{"PutBucketEncryption", []right{{"s3:PutEncryptionConfiguration", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return w.PutBucketEncryption(ctx, c, &PutBucketEncryptionInput{BucketInput: *bucketIn, Rules: []EncryptionRule{{Algorithm: "AES256"}}})
	}},
	{"GetBucketEncryption", []right{{"s3:GetEncryptionConfiguration", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.GetBucketEncryption(ctx, c, bucketIn))
	}},
	{"DeleteBucketEncryption", []right{{"s3:PutEncryptionConfiguration", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return w.DeleteBucketEncryption(ctx, c, bucketIn)
	}},
	{"PutBucketTagging", []right{{"s3:PutBucketTagging", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return w.PutBucketTagging(ctx, c, &PutTaggingInput{ObjectInput: ObjectInput{Bucket: "tour"}})
	}},
	{"GetBucketTagging", []right{{"s3:GetBucketTagging", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.GetBucketTagging(ctx, c, bucketIn))
	}},
	{"DeleteBucketTagging", []right{{"s3:PutBucketTagging", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return w.DeleteBucketTagging(ctx, c, bucketIn)
	}},
	{"PutBucketPolicy", []right{{"s3:PutBucketPolicy", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return w.putPolicy(c, "tour", document(`{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::tour/secret"}`))
	}},
	{"GetBucketPolicy", []right{{"s3:GetBucketPolicy", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.GetBucketPolicy(ctx, c, bucketIn))
	}},
	{"DeleteBucketPolicy", []right{{"s3:DeleteBucketPolicy", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return w.DeleteBucketPolicy(ctx, c, bucketIn)
	}},
	{"GetBucketPolicyStatus", []right{{"s3:GetBucketPolicyStatus", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.GetBucketPolicyStatus(ctx, c, bucketIn))
	}},
	{"PutPublicAccessBlock", []right{{"s3:PutBucketPublicAccessBlock", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return w.PutPublicAccessBlock(ctx, c, &PutPublicAccessBlockInput{BucketInput: *bucketIn})
	}},
	{"GetPublicAccessBlock", []right{{"s3:GetBucketPublicAccessBlock", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.GetPublicAccessBlock(ctx, c, bucketIn))
	}},
	{"DeletePublicAccessBlock", []right{{"s3:PutBucketPublicAccessBlock", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return w.DeletePublicAccessBlock(ctx, c, bucketIn)
	}},
	{"PutAccountPublicAccessBlock", []right{{"s3:PutAccountPublicAccessBlock", "*"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return w.PutAccountPublicAccessBlock(ctx, c, &PutAccountPublicAccessBlockInput{AccountInput: AccountInput{owner}})
	}},
	{"GetAccountPublicAccessBlock", []right{{"s3:GetAccountPublicAccessBlock", "*"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.GetAccountPublicAccessBlock(ctx, c, &AccountInput{owner}))
	}},
	{"DeleteAccountPublicAccessBlock", []right{{"s3:PutAccountPublicAccessBlock", "*"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return w.DeleteAccountPublicAccessBlock(ctx, c, &AccountInput{owner})
	}},
	{"PutBucketOwnershipControls", []right{{"s3:PutBucketOwnershipControls", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return w.PutBucketOwnershipControls(ctx, c, &PutBucketOwnershipControlsInput{BucketInput: *bucketIn, Rules: []string{"ObjectWriter"}})
	}},
	{"GetBucketOwnershipControls", []right{{"s3:GetBucketOwnershipControls", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.GetBucketOwnershipControls(ctx, c, bucketIn))
	}},
	{"DeleteBucketOwnershipControls", []right{{"s3:PutBucketOwnershipControls", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return w.DeleteBucketOwnershipControls(ctx, c, bucketIn)
	}},
	{"PutBucketAcl", []right{{"s3:PutBucketAcl", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return w.PutBucketACL(ctx, c, &PutACLInput{ObjectInput: ObjectInput{Bucket: "tour"}, ACL: ACL{Canned: "private"}})
	}},
	{"GetBucketAcl", []right{{"s3:GetBucketAcl", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.GetBucketACL(ctx, c, bucketIn))
	}},
	{"GetBucketCors", []right{{"s3:GetBucketCORS", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.GetBucketConfiguration(ctx, c, &BucketConfigurationInput{BucketInput: *bucketIn, Kind: "cors"}))
	}},
	{"PutObject", []right{{"s3:PutObject", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error { return w.put(c, "tour", "key") }},
	{"PutObject with everything", []right{{"s3:PutObject", "k"}, {"s3:PutObjectTagging", "k"}, {"s3:PutObjectAcl", "k"}, {"s3:PutObjectRetention", "k"},
		{"s3:PutObjectLegalHold", "k"}, {"s3:GetObject", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return w.put(c, "tour", "key", func(in *PutObjectInput) {
			in.Tagging, in.ACL, in.Conditions.IfMatch = "a=b", ACL{Grants: map[string]string{"x-amz-grant-read": "id=1"}}, "etag"
			in.Lock = ObjectLock{Mode: "GOVERNANCE", LegalHold: "ON"}
		})
	}},
	{"GetObject", []right{{"s3:GetObject", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error { return w.get(c, "tour", "key") }},
	{"GetObject of a version", []right{{"s3:GetObjectVersion", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.read(c, "tour", "key", object.NullVersion))
	}},
	{"GetObjectAttributes", []right{{"s3:GetObject", "k"}, {"s3:GetObjectAttributes", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.GetObjectAttributes(ctx, c, &GetObjectAttributesInput{ObjectInput: objectIn(""), Attributes: []string{"ETag"}, MaxParts: -1}))
	}},
	{"GetObjectAttributes of a version", []right{{"s3:GetObjectVersion", "k"}, {"s3:GetObjectVersionAttributes", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.GetObjectAttributes(ctx, c, &GetObjectAttributesInput{ObjectInput: objectIn("null"), Attributes: []string{"ETag"}, MaxParts: -1}))
	}},
	{"DeleteObject", []right{{"s3:DeleteObject", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.DeleteObject(ctx, c, &DeleteObjectInput{ObjectInput: objectIn("")}))
	}},
	{"DeleteObject with conditions", []right{{"s3:DeleteObject", "k"}, {"s3:BypassGovernanceRetention", "k"}, {"s3:GetObject", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.DeleteObject(ctx, c, &DeleteObjectInput{ObjectInput: objectIn(""), BypassGovernance: true, IfMatch: "etag"}))
	}},
	{"DeleteObject of a version", []right{{"s3:DeleteObjectVersion", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.DeleteObject(ctx, c, &DeleteObjectInput{ObjectInput: objectIn("null")}))
	}},
	{"DeleteObjects", []right{{"s3:DeleteObject", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		out, err := w.DeleteObjects(ctx, c, &DeleteObjectsInput{BucketInput: *bucketIn, Objects: []DeleteEntry{{Key: "key"}}})
		if err == nil && out.Results[0].ErrCode != "" {
			err = notFound(out.Results[0].ErrCode, out.Results[0].ErrMessage)
		}
		return err
	}},
	{"PutObjectTagging", []right{{"s3:PutObjectTagging", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.PutObjectTagging(ctx, c, &PutTaggingInput{ObjectInput: objectIn("")}))
	}},
	{"PutObjectTagging of a version", []right{{"s3:PutObjectVersionTagging", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.PutObjectTagging(ctx, c, &PutTaggingInput{ObjectInput: objectIn("null")}))
	}},
	{"GetObjectTagging", []right{{"s3:GetObjectTagging", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		in := objectIn("")
		return errOf(w.GetObjectTagging(ctx, c, &in))
	}},
	{"GetObjectTagging of a version", []right{{"s3:GetObjectVersionTagging", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		in := objectIn("null")
		return errOf(w.GetObjectTagging(ctx, c, &in))
	}},
	{"DeleteObjectTagging", []right{{"s3:DeleteObjectTagging", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		in := objectIn("")
		return errOf(w.DeleteObjectTagging(ctx, c, &in))
	}},
	{"DeleteObjectTagging of a version", []right{{"s3:DeleteObjectVersionTagging", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		in := objectIn("null")
		return errOf(w.DeleteObjectTagging(ctx, c, &in))
	}},
	{"PutObjectAcl", []right{{"s3:PutObjectAcl", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.PutObjectACL(ctx, c, &PutACLInput{ObjectInput: objectIn(""), ACL: ACL{Canned: "private"}}))
	}},
	{"PutObjectAcl of a version", []right{{"s3:PutObjectVersionAcl", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.PutObjectACL(ctx, c, &PutACLInput{ObjectInput: objectIn("null"), ACL: ACL{Canned: "private"}}))
	}},
	{"GetObjectAcl", []right{{"s3:GetObjectAcl", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		in := objectIn("")
		return errOf(w.GetObjectACL(ctx, c, &in))
	}},
	{"GetObjectAcl of a version", []right{{"s3:GetObjectVersionAcl", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		in := objectIn("null")
		return errOf(w.GetObjectACL(ctx, c, &in))
	}},
	{"GetObjectRetention", []right{{"s3:GetObjectRetention", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		in := objectIn("")
		return errOf(w.GetObjectConfiguration(ctx, c, &in, "retention"))
	}},
	{"GetObjectTorrent of a version", []right{{"s3:GetObjectVersionTorrent", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		in := objectIn("null")
		return errOf(w.GetObjectConfiguration(ctx, c, &in, "torrent"))
	}},
	{"UpdateObjectEncryption", []right{{"s3:UpdateObjectEncryption", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return w.UpdateObjectEncryption(ctx, c, &UpdateObjectEncryptionInput{ObjectInput: objectIn(""), KMSKeyARN: keyARN})
	}},
	{"ListObjects", []right{{"s3:ListBucket", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.ListObjects(ctx, c, &ListObjectsInput{BucketInput: *bucketIn, MaxKeys: -1}))
	}},
	{"ListObjectsV2", []right{{"s3:ListBucket", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.ListObjectsV2(ctx, c, &ListObjectsInput{BucketInput: *bucketIn, MaxKeys: -1}))
	}},
	{"ListObjectVersions", []right{{"s3:ListBucketVersions", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.ListObjectVersions(ctx, c, &ListObjectsInput{BucketInput: *bucketIn, MaxKeys: -1}))
	}},
	{"ListMultipartUploads", []right{{"s3:ListBucketMultipartUploads", "b"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.ListMultipartUploads(ctx, c, &ListMultipartUploadsInput{BucketInput: *bucketIn, MaxUploads: -1}))
	}},
	{"CopyObject", []right{{"s3:PutObject", "k"}, {"s3:GetObject", "src"}, {"s3:GetObjectTagging", "src"}, {"s3:PutObjectTagging", "k"}},
		func(ctx context.Context, w *world, c *authn.Caller) error {
			return errOf(w.CopyObject(ctx, c, &CopyObjectInput{PutObjectInput: PutObjectInput{Bucket: "tour", Key: "key"}, Source: CopySource{Bucket: "from", Key: "src"}}))
		}},
	{"CopyObject of a version", []right{{"s3:PutObject", "k"}, {"s3:GetObjectVersion", "src"}, {"s3:PutObjectTagging", "k"}},
		func(ctx context.Context, w *world, c *authn.Caller) error {
			return errOf(w.CopyObject(ctx, c, &CopyObjectInput{PutObjectInput: PutObjectInput{Bucket: "tour", Key: "key", Tagging: "a=b"}, TaggingDirective: "REPLACE",
				Source: CopySource{Bucket: "from", Key: "src", VersionID: "null"}}))
		}},
	{"CreateMultipartUpload", []right{{"s3:PutObject", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.CreateMultipartUpload(ctx, c, &CreateMultipartUploadInput{PutObjectInput: PutObjectInput{Bucket: "tour", Key: "key"}}))
	}},
	{"UploadPart", []right{{"s3:PutObject", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.UploadPart(ctx, c, &UploadPartInput{Bucket: "tour", Key: "key", UploadID: "u", PartNumber: 1, Upload: upload("x")}))
	}},
	{"UploadPartCopy", []right{{"s3:PutObject", "k"}, {"s3:GetObject", "src"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		out, err := w.CreateMultipartUpload(ctx, root(owner), &CreateMultipartUploadInput{PutObjectInput: PutObjectInput{Bucket: "tour", Key: "key"}})
		must(w.t, err)
		return errOf(w.UploadPartCopy(ctx, c, &UploadPartCopyInput{UploadPartInput: UploadPartInput{Bucket: "tour", Key: "key", UploadID: out.UploadID, PartNumber: 1},
			Source: CopySource{Bucket: "from", Key: "src"}}))
	}},
	{"CompleteMultipartUpload", []right{{"s3:PutObject", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.CompleteMultipartUpload(ctx, c, &CompleteMultipartUploadInput{Bucket: "tour", Key: "key", UploadID: "u", ObjectSize: -1}))
	}},
	{"AbortMultipartUpload", []right{{"s3:AbortMultipartUpload", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return w.AbortMultipartUpload(ctx, c, &MultipartUploadInput{Bucket: "tour", Key: "key", UploadID: "u"})
	}},
	{"ListParts", []right{{"s3:ListMultipartUploadParts", "k"}}, func(ctx context.Context, w *world, c *authn.Caller) error {
		return errOf(w.ListParts(ctx, c, &MultipartUploadInput{Bucket: "tour", Key: "key", UploadID: "u", MaxParts: -1}))
	}},
}

var bucketIn = &BucketInput{Bucket: "tour"}

func objectIn(version string) ObjectInput {
	return ObjectInput{Bucket: "tour", Key: "key", VersionID: version}
}

func errOf[T any](_ T, err error) error { return err }

// TestActions runs every operation as a user who has all of its rights, and as one
// for each right who lacks only that.
func TestActions(t *testing.T) {
	for _, op := range operations {
		t.Run(op.name, func(t *testing.T) {
			for leave := -1; leave < len(op.rights); leave++ {
				w := newWorld(t)
				w.bucket("tour")
				w.bucket("from")
				must(t, w.put(root(owner), "tour", "key"))
				must(t, w.put(root(owner), "from", "src", func(in *PutObjectInput) { in.Tagging = "a=b" }))
				var statements []string
				for i, r := range op.rights {
					if i != leave {
						statements = append(statements, allow(r.action, places[r.on]))
					}
				}
				err := op.call(t.Context(), w, w.user(owner, statements...))
				denied := code(err) == "AccessDenied"
				switch {
				case leave < 0 && denied:
					t.Errorf("with all of its rights: %v", err)
				case leave < 0:
				case !denied || !strings.Contains(err.Error(), "to perform: "+op.rights[leave].action+" "):
					t.Errorf("without %s: %v; want a denial of it", op.rights[leave].action, err)
				}
			}
		})
	}
}
