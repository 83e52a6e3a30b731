package s3

import (
	"io"
	"time"

	"coffer/internal/checksum"
)

// Secret is a header value that is never printed.
type Secret string

// String, GoString, MarshalJSON and LogValue never show the secret.
func (Secret) String() string               { return "[secret]" }
func (Secret) GoString() string             { return "[secret]" }
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"[secret]"`), nil }

// Encryption is the x-amz-server-side-encryption headers of a request, as
// sent. The service checks them; empty means absent.
type Encryption struct {
	Algorithm        string // AES256, aws:kms, aws:kms:dsse
	KMSKeyID         string // id, ARN, alias or alias ARN
	Context          string // base64 of a JSON object of strings
	BucketKeyEnabled string // "true" or "false"
}

// IsZero reports whether no such header was sent.
func (e Encryption) IsZero() bool { return e == Encryption{} }

// CustomerKey is the SSE-C headers of a request, as sent.
type CustomerKey struct {
	Algorithm string
	Key       Secret // base64
	KeyMD5    string // base64
}

// IsZero reports whether no such header was sent.
func (c CustomerKey) IsZero() bool { return c == CustomerKey{} }

// SSE is how an object is sealed, as answers show it.
type SSE struct {
	Algorithm         string // AES256, aws:kms, aws:kms:dsse; empty for SSE-C
	KMSKeyID          string // always the full key ARN
	Context           string // echoed on writes: base64 of JSON
	BucketKeyEnabled  bool
	CustomerAlgorithm string
	CustomerKeyMD5    string
}

// Conditions are the conditional headers of a request; empty means absent.
type Conditions struct {
	IfMatch           string
	IfNoneMatch       string
	IfModifiedSince   time.Time
	IfUnmodifiedSince time.Time
}

// Attributes are the headers that an object keeps and returns.
type Attributes struct {
	ContentType             string
	CacheControl            string
	ContentDisposition      string
	ContentEncoding         string // without aws-chunked
	ContentLanguage         string
	Expires                 string
	WebsiteRedirectLocation string
	StorageClass            string
	Metadata                map[string]string // user metadata, names in lower case
}

// ACL is the access control headers of a request.
type ACL struct {
	Canned string
	Grants map[string]string // header name, in lower case, to value
}

// An ACLGrant is one grant of an access control list. One of ID, URI and Email is
// set.
type ACLGrant struct{ ID, URI, Email, Permission string }

// ObjectLock is the headers that ask for a lock on an object, as sent.
type ObjectLock struct{ Mode, RetainUntil, LegalHold string }

// IsZero reports whether no such header was sent.
func (l ObjectLock) IsZero() bool { return l == ObjectLock{} }

// PublicAccessBlock is the four switches of Block Public Access.
type PublicAccessBlock struct {
	BlockPublicACLs, IgnorePublicACLs, BlockPublicPolicy, RestrictPublicBuckets bool
}

// Upload is a body on its way in.
type Upload struct {
	// Body yields the decoded payload. It checks the payload's signature by
	// itself and fails with an *awserr.Error instead of io.EOF if that does
	// not match: nothing read from it counts before io.EOF.
	Body io.Reader
	// Length is the decoded length in bytes. It is -1 for a form: there the
	// length is known once Body has ended, and Body itself fails with
	// EntityTooLarge or EntityTooSmall outside the range that the form's policy
	// allows, at most 5 GiB.
	Length int64
	// ContentMD5 is the Content-MD5 header, base64 as sent.
	ContentMD5 string
	// Algorithm is the checksum that the client sends, in a header or a
	// trailer, or names in x-amz-sdk-checksum-algorithm; 0 if none.
	Algorithm checksum.Algorithm
	// Checksum is the value of the checksum header, base64; empty if it
	// comes in the trailer.
	Checksum string
	// Trailer returns the trailer after Body has ended; names in lower
	// case. Nil if none was announced.
	Trailer func() map[string]string
}

// Checksums are the checksums of an object's or part's plaintext, base64, and
// of a multipart object "base64-N" when composite.
type Checksums struct {
	Values map[checksum.Algorithm]string
	Type   string // COMPOSITE or FULL_OBJECT; empty if there are none
}

// Owner is the owner of a bucket or object.
type Owner struct{ ID, DisplayName string }

// Tag is one tag.
type Tag struct{ Key, Value string }

type (
	// ListBucketsInput pages through buckets in name order.
	ListBucketsInput struct {
		ContinuationToken, Prefix, BucketRegion string
		MaxBuckets                              int // 0 means all, up to 10,000
	}
	// ListBucketsOutput is one page.
	ListBucketsOutput struct {
		Buckets           []BucketInfo
		Owner             Owner
		ContinuationToken string
		Prefix            string
	}
	// BucketInfo is one bucket of a listing.
	BucketInfo struct {
		Name, Region, ARN string
		Created           time.Time
	}

	// CreateBucketInput is the request of CreateBucket.
	CreateBucketInput struct {
		Bucket             string
		LocationConstraint string
		Tags               []Tag
		ACL                ACL
		ObjectOwnership    string
		ObjectLockEnabled  bool
		// Unsupported names a part of the request body that Coffer does not
		// have, such as a directory bucket's Location.
		Unsupported string
	}
	// CreateBucketOutput is its answer.
	CreateBucketOutput struct{ Location, BucketARN string }

	// BucketInput names a bucket.
	BucketInput struct {
		Bucket              string
		ExpectedBucketOwner string
	}
	// HeadBucketOutput is the answer of HeadBucket.
	HeadBucketOutput struct{ Region, BucketARN string }

	// GetBucketLocationOutput holds the location constraint: empty for
	// us-east-1.
	GetBucketLocationOutput struct{ LocationConstraint string }

	// PutBucketVersioningInput is the request of PutBucketVersioning.
	PutBucketVersioningInput struct {
		BucketInput
		Status    string // Enabled or Suspended
		MFADelete string
	}
	// GetBucketVersioningOutput is empty for a bucket never versioned.
	GetBucketVersioningOutput struct{ Status string }

	// EncryptionRule is one rule of a bucket's default encryption.
	EncryptionRule struct {
		Algorithm        string   // SSEAlgorithm; empty if there is no ApplyServerSideEncryptionByDefault
		KMSMasterKeyID   string   // as put
		BucketKeyEnabled *bool    // nil if absent
		BlockedTypes     []string // EncryptionType values; nil if the element is absent
		BlockedPresent   bool     // the BlockedEncryptionTypes element is there
	}
	// PutBucketEncryptionInput is the request of PutBucketEncryption.
	PutBucketEncryptionInput struct {
		BucketInput
		Rules []EncryptionRule
	}
	// GetBucketEncryptionOutput is a bucket's default encryption.
	GetBucketEncryptionOutput struct{ Rules []EncryptionRule }

	// PutTaggingInput is the request of PutBucketTagging and
	// PutObjectTagging.
	PutTaggingInput struct {
		ObjectInput // Key and VersionID are empty for a bucket
		Tags        []Tag
	}
	// TaggingOutput holds tags and, of an object, the version they are on.
	TaggingOutput struct {
		Tags      []Tag
		VersionID string
	}

	// PutBucketPolicyInput is the request of PutBucketPolicy.
	PutBucketPolicyInput struct {
		BucketInput
		Policy []byte // the document as sent
		// ConfirmRemoveSelf allows a policy that keeps the caller from changing it.
		ConfirmRemoveSelf bool
	}
	// GetBucketPolicyOutput is a bucket's policy.
	GetBucketPolicyOutput struct{ Policy string }
	// GetBucketPolicyStatusOutput tells whether a bucket's policy is public.
	GetBucketPolicyStatusOutput struct{ IsPublic bool }

	// PutPublicAccessBlockInput is the request of PutPublicAccessBlock.
	PutPublicAccessBlockInput struct {
		BucketInput
		PublicAccessBlock
	}
	// AccountInput names an account: the header x-amz-account-id of S3 Control.
	AccountInput struct{ Account string }
	// PutAccountPublicAccessBlockInput is the request of PutPublicAccessBlock of S3
	// Control.
	PutAccountPublicAccessBlockInput struct {
		AccountInput
		PublicAccessBlock
	}

	// PutBucketOwnershipControlsInput is the request of PutBucketOwnershipControls.
	PutBucketOwnershipControlsInput struct {
		BucketInput
		Rules []string // ObjectOwnership of each rule
	}
	// GetBucketOwnershipControlsOutput is a bucket's object ownership.
	GetBucketOwnershipControlsOutput struct{ ObjectOwnership string }

	// PutACLInput is the request of PutBucketAcl and PutObjectAcl.
	PutACLInput struct {
		ObjectInput // Key and VersionID are empty for a bucket
		ACL         ACL
		Document    *ACLDocument // the body; nil if there is none
	}
	// ACLDocument is an access control list as a body.
	ACLDocument struct {
		Owner  Owner
		Grants []ACLGrant
	}
	// ACLOutput is an access control list.
	ACLOutput struct {
		Owner     Owner
		Grants    []ACLGrant
		VersionID string // of an object
	}
	// PutObjectACLOutput is the answer of PutObjectAcl.
	PutObjectACLOutput struct{ VersionID string }

	// BucketConfigurationInput asks for one of the configurations that a
	// bucket does not have, by its sub-resource: cors, website, logging,
	// lifecycle, replication, requestPayment, accelerate, object-lock,
	// notification, analytics, inventory, metrics, intelligent-tiering.
	BucketConfigurationInput struct {
		BucketInput
		Kind string
		ID   string // of analytics, inventory, metrics, intelligent-tiering
	}
	// BucketConfigurationOutput holds what AWS answers by default. The front
	// encodes the default document of Kind.
	BucketConfigurationOutput struct {
		Kind  string
		Owner Owner
	}

	// ObjectInput names an object or one version of it.
	ObjectInput struct {
		Bucket, Key         string
		VersionID           string // empty, "null" or an id
		ExpectedBucketOwner string
	}

	// PutObjectInput is the request of PutObject and PostObject.
	PutObjectInput struct {
		Bucket, Key         string
		Upload              Upload
		Attributes          Attributes
		Tagging             string // as sent: URL query encoding
		Encryption          Encryption
		Customer            CustomerKey
		Conditions          Conditions
		ACL                 ACL
		Lock                ObjectLock
		WriteOffset         bool // x-amz-write-offset-bytes was sent (directory buckets)
		ExpectedBucketOwner string
		Post                bool // by a form
	}
	// PutObjectOutput is the answer of PutObject and PostObject.
	PutObjectOutput struct {
		ETag      string // without quotes
		VersionID string // empty in a bucket never versioned
		SSE       SSE
		Checksums Checksums
		Size      int64
	}

	// ByteRange is the Range header of one range, as sent.
	ByteRange struct {
		First, Last int64 // Last is -1 if open
		Suffix      int64 // bytes from the end if > 0 or IsSuffix
		IsSuffix    bool
	}

	// GetObjectInput is the request of GetObject and HeadObject.
	GetObjectInput struct {
		ObjectInput
		Range        *ByteRange // nil for all
		PartNumber   int        // 0 for none
		Customer     CustomerKey
		Encryption   Encryption // any such header on a read is refused
		Conditions   Conditions
		ChecksumMode bool // x-amz-checksum-mode: ENABLED
		Head         bool
		Overrides    map[string]string // response-* parameters, by name
	}
	// GetObjectOutput is the answer. Body is nil for HeadObject; the caller
	// closes it otherwise.
	GetObjectOutput struct {
		Body          Body
		Size          int64 // of the whole object
		Offset        int64 // of the first byte answered
		Length        int64 // bytes answered
		Partial       bool  // 206
		ETag          string
		VersionID     string
		LastModified  time.Time
		Attributes    Attributes
		SSE           SSE
		Checksums     Checksums // only if asked for
		PartsCount    int       // only if a part was asked for; 0 otherwise
		TagCount      int
		MissingMeta   int
		ReplicaStatus string
	}
	// Body is the plaintext of a read. It is decrypted as it is read, and
	// every byte was authenticated before it is returned. Reading stops with
	// an error when access to the object's key ends.
	Body interface {
		io.ReadCloser
		io.WriterTo
	}

	// DeleteObjectInput is the request of DeleteObject.
	DeleteObjectInput struct {
		ObjectInput
		IfMatch             string
		IfMatchLastModified time.Time
		IfMatchSize         *int64
		BypassGovernance    bool
		MFA                 string
	}
	// DeleteObjectOutput is its answer.
	DeleteObjectOutput struct {
		DeleteMarker bool
		VersionID    string
	}
	// DeleteObjectsInput is the request of DeleteObjects.
	DeleteObjectsInput struct {
		BucketInput
		Objects          []DeleteEntry
		Quiet            bool
		BypassGovernance bool
		MFA              string
	}
	// DeleteEntry is one object to delete.
	DeleteEntry struct {
		Key, VersionID   string
		ETag             string
		LastModifiedTime time.Time
		Size             *int64
	}
	// DeleteObjectsOutput holds one result for each entry, in order.
	DeleteObjectsOutput struct{ Results []DeleteResult }
	// DeleteResult is what became of one entry.
	DeleteResult struct {
		Key, VersionID        string
		DeleteMarker          bool
		DeleteMarkerVersionID string
		ErrCode, ErrMessage   string // empty if deleted
	}

	// CopySource names what is copied from where.
	CopySource struct {
		Bucket, Key, VersionID string
		Customer               CustomerKey
		Conditions             Conditions
		ExpectedBucketOwner    string
	}
	// CopyObjectInput is the request of CopyObject.
	CopyObjectInput struct {
		PutObjectInput    // Upload is unused but for Algorithm
		Source            CopySource
		MetadataDirective string // COPY, REPLACE or empty
		TaggingDirective  string
	}
	// CopyObjectOutput is its answer.
	CopyObjectOutput struct {
		PutObjectOutput
		LastModified    time.Time
		SourceVersionID string
	}

	// UpdateObjectEncryptionInput is the request of UpdateObjectEncryption.
	UpdateObjectEncryptionInput struct {
		ObjectInput
		KMSKeyARN        string
		BucketKeyEnabled bool
		Unsupported      string // another kind of encryption was asked for
	}

	// GetObjectAttributesInput is the request of GetObjectAttributes.
	GetObjectAttributesInput struct {
		ObjectInput
		Customer         CustomerKey
		Attributes       []string // ETag, Checksum, ObjectParts, StorageClass, ObjectSize
		MaxParts         int      // -1 if not sent
		PartNumberMarker int
	}
	// GetObjectAttributesOutput is its answer; what was not asked for is zero.
	GetObjectAttributesOutput struct {
		VersionID    string
		LastModified time.Time
		ETag         string
		Checksums    Checksums
		StorageClass string
		Size         *int64
		Parts        *ObjectParts
		SSE          SSE
	}
	// ObjectParts is one page of the parts of an object.
	ObjectParts struct {
		Total            int
		PartNumberMarker int
		NextMarker       int
		MaxParts         int
		IsTruncated      bool
		Parts            []Part // empty unless parts have checksums
	}

	// ListObjectsInput is the request of all object listings.
	ListObjectsInput struct {
		BucketInput
		Prefix, Delimiter string
		// HasPrefix and HasDelimiter say that the parameters were sent.
		HasPrefix, HasDelimiter bool
		MaxKeys                 int    // -1 if not sent
		Marker                  string // V1
		ContinuationToken       string // V2, as sent
		StartAfter              string // V2
		FetchOwner              bool   // V2
		KeyMarker               string // versions
		VersionIDMarker         string // versions
	}
	// ListObjectsOutput is one page of keys.
	ListObjectsOutput struct {
		Name                  string
		MaxKeys               int
		IsTruncated           bool
		Contents              []ObjectEntry
		CommonPrefixes        []string
		NextMarker            string // V1: the last key or prefix answered
		NextContinuationToken string // V2
		KeyCount              int
	}
	// ObjectEntry is one object or version of a listing.
	ObjectEntry struct {
		Key          string
		VersionID    string
		IsLatest     bool
		DeleteMarker bool
		LastModified time.Time
		ETag         string
		Size         int64
		StorageClass string
		Algorithms   []string // ChecksumAlgorithm
		ChecksumType string
		Owner        Owner
	}
	// ListObjectVersionsOutput is one page of versions and delete markers,
	// in the order in which they are listed.
	ListObjectVersionsOutput struct {
		Name                string
		MaxKeys             int
		IsTruncated         bool
		Entries             []ObjectEntry
		CommonPrefixes      []string
		NextKeyMarker       string
		NextVersionIDMarker string
	}

	// CreateMultipartUploadInput is the request of CreateMultipartUpload.
	CreateMultipartUploadInput struct {
		PutObjectInput    // Upload is unused but for Algorithm
		ChecksumType      string
		ChecksumAlgorithm checksum.Algorithm
	}
	// CreateMultipartUploadOutput is its answer.
	CreateMultipartUploadOutput struct {
		UploadID          string
		SSE               SSE
		ChecksumAlgorithm checksum.Algorithm
		ChecksumType      string
	}
	// UploadPartInput is the request of UploadPart.
	UploadPartInput struct {
		Bucket, Key, UploadID string
		PartNumber            int
		Upload                Upload
		Customer              CustomerKey
		Encryption            Encryption // any such header is refused
		ExpectedBucketOwner   string
	}
	// UploadPartCopyInput is the request of UploadPartCopy.
	UploadPartCopyInput struct {
		UploadPartInput
		Source CopySource
		Range  *ByteRange // x-amz-copy-source-range
	}
	// UploadPartOutput is the answer of UploadPart and UploadPartCopy.
	UploadPartOutput struct {
		ETag            string
		SSE             SSE
		Checksums       Checksums
		LastModified    time.Time // copies only
		SourceVersionID string    // copies only
	}
	// Part is one part of an upload or of an object.
	Part struct {
		Number       int
		ETag         string
		Size         int64
		LastModified time.Time
		Checksums    Checksums
	}
	// CompleteMultipartUploadInput is the request of CompleteMultipartUpload.
	CompleteMultipartUploadInput struct {
		Bucket, Key, UploadID string
		Parts                 []Part // Number, ETag and Checksums.Values as sent
		Customer              CustomerKey
		Conditions            Conditions
		Algorithm             checksum.Algorithm // of the whole object's checksum, if sent
		Checksum              string
		ChecksumType          string
		ObjectSize            int64 // x-amz-mp-object-size; -1 if not sent
		ExpectedBucketOwner   string
	}
	// CompleteMultipartUploadOutput is its answer.
	CompleteMultipartUploadOutput struct {
		PutObjectOutput
		Location string
	}
	// MultipartUploadInput names an upload.
	MultipartUploadInput struct {
		Bucket, Key, UploadID string
		ExpectedBucketOwner   string
		// ListParts only.
		MaxParts         int // -1 if not sent
		PartNumberMarker int
		Customer         CustomerKey
	}
	// ListPartsOutput is one page of the parts of an upload.
	ListPartsOutput struct {
		Parts             []Part
		PartNumberMarker  int
		NextMarker        int
		MaxParts          int
		IsTruncated       bool
		Owner             Owner
		StorageClass      string
		ChecksumAlgorithm checksum.Algorithm
		ChecksumType      string
	}
	// ListMultipartUploadsInput is the request of ListMultipartUploads.
	ListMultipartUploadsInput struct {
		BucketInput
		Prefix, Delimiter         string
		KeyMarker, UploadIDMarker string
		MaxUploads                int // -1 if not sent
	}
	// ListMultipartUploadsOutput is one page of uploads.
	ListMultipartUploadsOutput struct {
		Uploads            []UploadEntry
		CommonPrefixes     []string
		MaxUploads         int
		IsTruncated        bool
		NextKeyMarker      string
		NextUploadIDMarker string
	}
	// UploadEntry is one upload of a listing.
	UploadEntry struct {
		Key, UploadID, StorageClass string
		Initiated                   time.Time
		Owner                       Owner
		ChecksumAlgorithm           checksum.Algorithm
		ChecksumType                string
	}
)
