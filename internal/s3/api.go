package s3

import (
	"context"

	"coffer/internal/authn"
)

// An API is the S3 operations that a front offers. [Service] implements it.
// Every method authorizes, acts and records exactly once, and returns an
// *awserr.Error for whatever a client may see.
type API interface {
	ListBuckets(context.Context, *authn.Caller, *ListBucketsInput) (*ListBucketsOutput, error)
	CreateBucket(context.Context, *authn.Caller, *CreateBucketInput) (*CreateBucketOutput, error)
	HeadBucket(context.Context, *authn.Caller, *BucketInput) (*HeadBucketOutput, error)
	DeleteBucket(context.Context, *authn.Caller, *BucketInput) error
	GetBucketLocation(context.Context, *authn.Caller, *BucketInput) (*GetBucketLocationOutput, error)
	PutBucketVersioning(context.Context, *authn.Caller, *PutBucketVersioningInput) error
	GetBucketVersioning(context.Context, *authn.Caller, *BucketInput) (*GetBucketVersioningOutput, error)
	PutBucketEncryption(context.Context, *authn.Caller, *PutBucketEncryptionInput) error
	GetBucketEncryption(context.Context, *authn.Caller, *BucketInput) (*GetBucketEncryptionOutput, error)
	DeleteBucketEncryption(context.Context, *authn.Caller, *BucketInput) error
	PutBucketTagging(context.Context, *authn.Caller, *PutTaggingInput) error
	GetBucketTagging(context.Context, *authn.Caller, *BucketInput) (*TaggingOutput, error)
	DeleteBucketTagging(context.Context, *authn.Caller, *BucketInput) error
	PutBucketPolicy(context.Context, *authn.Caller, *PutBucketPolicyInput) error
	GetBucketPolicy(context.Context, *authn.Caller, *BucketInput) (*GetBucketPolicyOutput, error)
	DeleteBucketPolicy(context.Context, *authn.Caller, *BucketInput) error
	GetBucketPolicyStatus(context.Context, *authn.Caller, *BucketInput) (*GetBucketPolicyStatusOutput, error)
	PutPublicAccessBlock(context.Context, *authn.Caller, *PutPublicAccessBlockInput) error
	GetPublicAccessBlock(context.Context, *authn.Caller, *BucketInput) (*PublicAccessBlock, error)
	DeletePublicAccessBlock(context.Context, *authn.Caller, *BucketInput) error
	PutBucketOwnershipControls(context.Context, *authn.Caller, *PutBucketOwnershipControlsInput) error
	GetBucketOwnershipControls(context.Context, *authn.Caller, *BucketInput) (*GetBucketOwnershipControlsOutput, error)
	DeleteBucketOwnershipControls(context.Context, *authn.Caller, *BucketInput) error
	PutBucketACL(context.Context, *authn.Caller, *PutACLInput) error
	GetBucketACL(context.Context, *authn.Caller, *BucketInput) (*ACLOutput, error)
	GetBucketConfiguration(context.Context, *authn.Caller, *BucketConfigurationInput) (*BucketConfigurationOutput, error)

	PutObject(context.Context, *authn.Caller, *PutObjectInput) (*PutObjectOutput, error)
	GetObject(context.Context, *authn.Caller, *GetObjectInput) (*GetObjectOutput, error)
	DeleteObject(context.Context, *authn.Caller, *DeleteObjectInput) (*DeleteObjectOutput, error)
	DeleteObjects(context.Context, *authn.Caller, *DeleteObjectsInput) (*DeleteObjectsOutput, error)
	CopyObject(context.Context, *authn.Caller, *CopyObjectInput) (*CopyObjectOutput, error)
	UpdateObjectEncryption(context.Context, *authn.Caller, *UpdateObjectEncryptionInput) error
	GetObjectAttributes(context.Context, *authn.Caller, *GetObjectAttributesInput) (*GetObjectAttributesOutput, error)
	PutObjectTagging(context.Context, *authn.Caller, *PutTaggingInput) (*TaggingOutput, error)
	GetObjectTagging(context.Context, *authn.Caller, *ObjectInput) (*TaggingOutput, error)
	DeleteObjectTagging(context.Context, *authn.Caller, *ObjectInput) (*TaggingOutput, error)
	PutObjectACL(context.Context, *authn.Caller, *PutACLInput) (*PutObjectACLOutput, error)
	GetObjectACL(context.Context, *authn.Caller, *ObjectInput) (*ACLOutput, error)
	// GetObjectConfiguration answers legal-hold, retention and torrent.
	GetObjectConfiguration(ctx context.Context, c *authn.Caller, in *ObjectInput, kind string) (*BucketConfigurationOutput, error)

	ListObjects(context.Context, *authn.Caller, *ListObjectsInput) (*ListObjectsOutput, error)
	ListObjectsV2(context.Context, *authn.Caller, *ListObjectsInput) (*ListObjectsOutput, error)
	ListObjectVersions(context.Context, *authn.Caller, *ListObjectsInput) (*ListObjectVersionsOutput, error)

	CreateMultipartUpload(context.Context, *authn.Caller, *CreateMultipartUploadInput) (*CreateMultipartUploadOutput, error)
	UploadPart(context.Context, *authn.Caller, *UploadPartInput) (*UploadPartOutput, error)
	UploadPartCopy(context.Context, *authn.Caller, *UploadPartCopyInput) (*UploadPartOutput, error)
	CompleteMultipartUpload(context.Context, *authn.Caller, *CompleteMultipartUploadInput) (*CompleteMultipartUploadOutput, error)
	AbortMultipartUpload(context.Context, *authn.Caller, *MultipartUploadInput) error
	ListParts(context.Context, *authn.Caller, *MultipartUploadInput) (*ListPartsOutput, error)
	ListMultipartUploads(context.Context, *authn.Caller, *ListMultipartUploadsInput) (*ListMultipartUploadsOutput, error)

	// The operations of S3 Control on an account.
	PutAccountPublicAccessBlock(context.Context, *authn.Caller, *PutAccountPublicAccessBlockInput) error
	GetAccountPublicAccessBlock(context.Context, *authn.Caller, *AccountInput) (*PublicAccessBlock, error)
	DeleteAccountPublicAccessBlock(context.Context, *authn.Caller, *AccountInput) error

	// Refuse records an operation that Coffer does not have, or a request
	// that failed before any method could take it, and returns the error to
	// answer with.
	Refuse(ctx context.Context, c *authn.Caller, operation, bucket, key string, err error) error
}
