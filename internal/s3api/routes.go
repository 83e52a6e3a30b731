package s3api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"coffer/internal/checksum"
)

// A Route is one operation of S3 and what selects it.
type Route struct {
	Operation string // as AWS names it
	Method    string
	On        Level
	Query     string // the sub-resource, a query parameter; empty for none
	Path      string // of S3 Control: the path
	Copy      bool   // selected by the header x-amz-copy-source

	params  []string // query parameters besides Query
	headers encryptionHeaders
	serve   func(*call) error // nil if Coffer does not have the operation
}

// Built reports whether Coffer has the operation. The others are answered with
// 501 NotImplemented, and recorded.
func (r Route) Built() bool { return r.serve != nil }

// encryptionHeaders says which families of encryption headers an operation
// takes. On any other operation such a header is refused.
type encryptionHeaders int

const (
	takesSSE     encryptionHeaders = 1 << iota // x-amz-server-side-encryption, -aws-kms-key-id, -context, -bucket-key-enabled
	takesSSEC                                  // x-amz-server-side-encryption-customer-*
	takesCopySSE                               // x-amz-copy-source-server-side-encryption-customer-*
)

var (
	listParams    = []string{"prefix", "delimiter", "encoding-type", "max-keys"}
	listAllParams = append(slices.Clone(listParams), "marker", "start-after", "continuation-token", "fetch-owner")
	readParams    = []string{"versionId", "partNumber", "response-cache-control", "response-content-disposition",
		"response-content-encoding", "response-content-language", "response-content-type", "response-expires"}
	version = []string{"versionId"}
	byID    = []string{"id", "continuation-token"}
)

// publicAccessBlockPath is where S3 Control keeps an account's Block Public Access.
const publicAccessBlockPath = controlPath + "configuration/publicAccessBlock"

// Routes returns every operation of the S3 API, built or not.
//
// Source: Amazon S3 API Reference, "Actions", read 2026-11-21.
func Routes() []Route { return slices.Clone(routes) }

var routes = slices.Concat(built, configurations(), notBuiltRoutes())

var built = []Route{
	{Operation: "ListBuckets", Method: "GET", On: Service, serve: (*call).listBuckets,
		params: []string{"continuation-token", "prefix", "bucket-region", "max-buckets"}},

	{Operation: "CreateBucket", Method: "PUT", On: Bucket, serve: (*call).createBucket},
	{Operation: "HeadBucket", Method: "HEAD", On: Bucket, serve: (*call).headBucket},
	{Operation: "DeleteBucket", Method: "DELETE", On: Bucket, serve: (*call).deleteBucket},
	{Operation: "GetBucketLocation", Method: "GET", On: Bucket, Query: "location", serve: (*call).getBucketLocation},
	{Operation: "PutBucketVersioning", Method: "PUT", On: Bucket, Query: "versioning", serve: (*call).putBucketVersioning},
	{Operation: "GetBucketVersioning", Method: "GET", On: Bucket, Query: "versioning", serve: (*call).getBucketVersioning},
	{Operation: "PutBucketEncryption", Method: "PUT", On: Bucket, Query: "encryption", serve: (*call).putBucketEncryption},
	{Operation: "GetBucketEncryption", Method: "GET", On: Bucket, Query: "encryption", serve: (*call).getBucketEncryption},
	{Operation: "DeleteBucketEncryption", Method: "DELETE", On: Bucket, Query: "encryption", serve: (*call).deleteBucketEncryption},
	{Operation: "PutBucketTagging", Method: "PUT", On: Bucket, Query: "tagging", serve: (*call).putBucketTagging},
	{Operation: "GetBucketTagging", Method: "GET", On: Bucket, Query: "tagging", serve: (*call).getBucketTagging},
	{Operation: "DeleteBucketTagging", Method: "DELETE", On: Bucket, Query: "tagging", serve: (*call).deleteBucketTagging},

	{Operation: "PutBucketPolicy", Method: "PUT", On: Bucket, Query: "policy", serve: (*call).putBucketPolicy},
	{Operation: "GetBucketPolicy", Method: "GET", On: Bucket, Query: "policy", serve: (*call).getBucketPolicy},
	{Operation: "DeleteBucketPolicy", Method: "DELETE", On: Bucket, Query: "policy", serve: (*call).deleteBucketPolicy},
	{Operation: "GetBucketPolicyStatus", Method: "GET", On: Bucket, Query: "policyStatus", serve: (*call).getBucketPolicyStatus},
	{Operation: "PutPublicAccessBlock", Method: "PUT", On: Bucket, Query: "publicAccessBlock", serve: (*call).putPublicAccessBlock},
	{Operation: "GetPublicAccessBlock", Method: "GET", On: Bucket, Query: "publicAccessBlock", serve: (*call).getPublicAccessBlock},
	{Operation: "DeletePublicAccessBlock", Method: "DELETE", On: Bucket, Query: "publicAccessBlock", serve: (*call).deletePublicAccessBlock},
	{Operation: "PutBucketOwnershipControls", Method: "PUT", On: Bucket, Query: "ownershipControls", serve: (*call).putBucketOwnershipControls},
	{Operation: "GetBucketOwnershipControls", Method: "GET", On: Bucket, Query: "ownershipControls", serve: (*call).getBucketOwnershipControls},
	{Operation: "DeleteBucketOwnershipControls", Method: "DELETE", On: Bucket, Query: "ownershipControls", serve: (*call).deleteBucketOwnershipControls},
	{Operation: "PutBucketAcl", Method: "PUT", On: Bucket, Query: "acl", serve: (*call).putBucketACL},
	{Operation: "GetBucketAcl", Method: "GET", On: Bucket, Query: "acl", serve: (*call).getBucketACL},
	{Operation: "PutObjectAcl", Method: "PUT", On: Object, Query: "acl", serve: (*call).putObjectACL, params: version},
	{Operation: "GetObjectAcl", Method: "GET", On: Object, Query: "acl", serve: (*call).getObjectACL, params: version},

	// Of S3 Control, by the names that CloudTrail has for them.
	{Operation: "PutAccountPublicAccessBlock", Method: "PUT", On: Account, Path: publicAccessBlockPath, serve: (*call).putAccountPublicAccessBlock},
	{Operation: "GetAccountPublicAccessBlock", Method: "GET", On: Account, Path: publicAccessBlockPath, serve: (*call).getAccountPublicAccessBlock},
	{Operation: "DeleteAccountPublicAccessBlock", Method: "DELETE", On: Account, Path: publicAccessBlockPath, serve: (*call).deleteAccountPublicAccessBlock},

	{Operation: "ListObjects", Method: "GET", On: Bucket, serve: (*call).listObjects, params: listAllParams},
	{Operation: "ListObjectsV2", Method: "GET", On: Bucket, Query: "list-type", serve: (*call).listObjectsV2, params: listAllParams},
	{Operation: "ListObjectVersions", Method: "GET", On: Bucket, Query: "versions", serve: (*call).listObjectVersions,
		params: append(slices.Clone(listParams), "key-marker", "version-id-marker")},
	{Operation: "ListMultipartUploads", Method: "GET", On: Bucket, Query: "uploads", serve: (*call).listMultipartUploads,
		params: []string{"prefix", "delimiter", "encoding-type", "max-uploads", "key-marker", "upload-id-marker"}},
	{Operation: "DeleteObjects", Method: "POST", On: Bucket, Query: "delete", serve: (*call).deleteObjects},
	{Operation: "PostObject", Method: "POST", On: Bucket, serve: (*call).postObject},

	{Operation: "GetObject", Method: "GET", On: Object, serve: (*call).getObject, params: readParams, headers: takesSSE | takesSSEC},
	{Operation: "HeadObject", Method: "HEAD", On: Object, serve: (*call).getObject, params: readParams, headers: takesSSE | takesSSEC},
	{Operation: "PutObject", Method: "PUT", On: Object, serve: (*call).putObject, headers: takesSSE | takesSSEC},
	{Operation: "CopyObject", Method: "PUT", On: Object, Copy: true, serve: (*call).copyObject, headers: takesSSE | takesSSEC | takesCopySSE},
	{Operation: "DeleteObject", Method: "DELETE", On: Object, serve: (*call).deleteObject, params: version},
	{Operation: "GetObjectAttributes", Method: "GET", On: Object, Query: "attributes", serve: (*call).getObjectAttributes, params: version, headers: takesSSEC},
	{Operation: "PutObjectTagging", Method: "PUT", On: Object, Query: "tagging", serve: (*call).putObjectTagging, params: version},
	{Operation: "GetObjectTagging", Method: "GET", On: Object, Query: "tagging", serve: (*call).getObjectTagging, params: version},
	{Operation: "DeleteObjectTagging", Method: "DELETE", On: Object, Query: "tagging", serve: (*call).deleteObjectTagging, params: version},
	{Operation: "UpdateObjectEncryption", Method: "PUT", On: Object, Query: "encryption", serve: (*call).updateObjectEncryption, params: version},

	{Operation: "CreateMultipartUpload", Method: "POST", On: Object, Query: "uploads", serve: (*call).createMultipartUpload, headers: takesSSE | takesSSEC},
	{Operation: "UploadPart", Method: "PUT", On: Object, Query: "uploadId", serve: (*call).uploadPart, params: []string{"partNumber"}, headers: takesSSE | takesSSEC},
	{Operation: "UploadPartCopy", Method: "PUT", On: Object, Query: "uploadId", Copy: true, serve: (*call).uploadPartCopy, params: []string{"partNumber"},
		headers: takesSSE | takesSSEC | takesCopySSE},
	{Operation: "CompleteMultipartUpload", Method: "POST", On: Object, Query: "uploadId", serve: (*call).completeMultipartUpload, headers: takesSSEC},
	{Operation: "AbortMultipartUpload", Method: "DELETE", On: Object, Query: "uploadId", serve: (*call).abortMultipartUpload},
	{Operation: "ListParts", Method: "GET", On: Object, Query: "uploadId", serve: (*call).listParts,
		params: []string{"max-parts", "part-number-marker", "encoding-type"}, headers: takesSSEC},
}

// configurations returns the routes that read what a bucket or an object could
// have and here never has.
func configurations() []Route {
	var out []Route
	get := func(operation, kind string, params ...string) {
		out = append(out, Route{Operation: operation, Method: "GET", On: Bucket, Query: kind, params: params,
			serve: func(c *call) error { return c.getBucketConfiguration(kind) }})
	}
	get("GetBucketCors", "cors")
	get("GetBucketWebsite", "website")
	get("GetBucketLogging", "logging")
	get("GetBucketLifecycleConfiguration", "lifecycle")
	get("GetBucketReplication", "replication")
	get("GetBucketRequestPayment", "requestPayment")
	get("GetBucketAccelerateConfiguration", "accelerate")
	get("GetObjectLockConfiguration", "object-lock")
	get("GetBucketNotificationConfiguration", "notification")
	get("GetBucketAnalyticsConfiguration", "analytics", byID...)
	get("GetBucketInventoryConfiguration", "inventory", byID...)
	get("GetBucketMetricsConfiguration", "metrics", byID...)
	get("GetBucketIntelligentTieringConfiguration", "intelligent-tiering", byID...)

	getObject := func(operation, kind string) {
		out = append(out, Route{Operation: operation, Method: "GET", On: Object, Query: kind, params: version,
			serve: func(c *call) error { return c.getObjectConfiguration(kind) }})
	}
	getObject("GetObjectLegalHold", "legal-hold")
	getObject("GetObjectRetention", "retention")
	getObject("GetObjectTorrent", "torrent")
	return out
}

// notBuiltRoutes returns the operations that Coffer does not have.
func notBuiltRoutes() []Route {
	var out []Route
	add := func(method string, on Level, query string, operations ...string) {
		for _, op := range operations {
			out = append(out, Route{Operation: op, Method: method, On: on, Query: query})
		}
	}
	for query, name := range map[string]string{
		"abac": "BucketAbac", "accelerate": "BucketAccelerateConfiguration",
		"analytics": "BucketAnalyticsConfiguration", "cors": "BucketCors",
		"intelligent-tiering": "BucketIntelligentTieringConfiguration", "inventory": "BucketInventoryConfiguration",
		"lifecycle": "BucketLifecycleConfiguration", "logging": "BucketLogging", "metrics": "BucketMetricsConfiguration",
		"notification": "BucketNotificationConfiguration", "object-lock": "ObjectLockConfiguration",
		"replication": "BucketReplication", "requestPayment": "BucketRequestPayment", "website": "BucketWebsite",
	} {
		add("PUT", Bucket, query, "Put"+name)
	}
	for query, name := range map[string]string{
		"analytics": "BucketAnalyticsConfiguration", "cors": "BucketCors",
		"intelligent-tiering": "BucketIntelligentTieringConfiguration", "inventory": "BucketInventoryConfiguration",
		"lifecycle": "BucketLifecycle", "metrics": "BucketMetricsConfiguration",
		"metadataConfiguration": "BucketMetadataConfiguration", "metadataTable": "BucketMetadataTableConfiguration",
		"replication": "BucketReplication", "website": "BucketWebsite",
	} {
		add("DELETE", Bucket, query, "Delete"+name)
	}
	add("GET", Bucket, "abac", "GetBucketAbac")
	add("GET", Bucket, "metadataConfiguration", "GetBucketMetadataConfiguration")
	add("POST", Bucket, "metadataConfiguration", "CreateBucketMetadataConfiguration")
	add("GET", Bucket, "metadataTable", "GetBucketMetadataTableConfiguration")
	add("POST", Bucket, "metadataTable", "CreateBucketMetadataTableConfiguration")
	add("PUT", Bucket, "metadataInventoryTable", "UpdateBucketMetadataInventoryTableConfiguration")
	add("PUT", Bucket, "metadataJournalTable", "UpdateBucketMetadataJournalTableConfiguration")
	add("PUT", Bucket, "metadataAnnotationTable", "UpdateBucketMetadataAnnotationTableConfiguration")
	add("GET", Bucket, "session", "CreateSession")

	add("PUT", Object, "legal-hold", "PutObjectLegalHold")
	add("PUT", Object, "retention", "PutObjectRetention")
	add("PUT", Object, "renameObject", "RenameObject")
	add("POST", Object, "restore", "RestoreObject")
	add("POST", Object, "select", "SelectObjectContent")
	add("PUT", Object, "annotation", "PutObjectAnnotation")
	add("GET", Object, "annotation", "GetObjectAnnotation")
	add("DELETE", Object, "annotation", "DeleteObjectAnnotation")
	add("GET", Object, "annotations", "ListObjectAnnotations")
	slices.SortFunc(out, func(a, b Route) int { return strings.Compare(a.Operation, b.Operation) })
	return out
}

// selectors holds every parameter that is a sub-resource of some operation.
var selectors = func() map[string]bool {
	m := map[string]bool{}
	for _, r := range routes {
		if r.Query != "" {
			m[r.Query] = true
		}
	}
	return m
}()

// parseQuery reads the query parameters. Each may come once. Those of the
// signature and those that begin with "x-", which S3 ignores too, are dropped,
// except that an x-amz- parameter counts as the header of its name: signers put
// headers into presigned URLs, and to ignore one would be to do something else
// than what was signed.
//
// Source: Amazon S3 User Guide, "Amazon S3 server access log format" (custom
// parameters), and API Reference, "Authenticating Requests: Using Query
// Parameters", read 2026-11-21.
func (c *call) parseQuery() error {
	all, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return invalidURI(c.r.URL.EscapedPath())
	}
	c.header = c.r.Header
	c.query = url.Values{}
	cloned := false
	for name, values := range all {
		if len(values) > 1 {
			return invalidArgument(name, values[0], "The parameter %s must be given once", name)
		}
		lower := strings.ToLower(name)
		switch {
		case signatureParams[lower], isSumOfNothing(lower, values[0]):
		case strings.HasPrefix(lower, "x-amz-"):
			if strings.ContainsFunc(values[0], isControl) {
				return invalidArgument(name, "", "The parameter %s holds what no header can", name)
			}
			if !cloned {
				c.header, cloned = c.r.Header.Clone(), true
			}
			if sent := c.header.Values(lower); len(sent) > 0 && (len(sent) > 1 || sent[0] != values[0]) {
				return invalidArgument(name, values[0], "The header and the parameter %s differ", lower)
			}
			c.header.Set(lower, values[0])
		case strings.HasPrefix(lower, "x-"):
		default:
			c.query[name] = values
		}
	}
	return nil
}

// isControl reports whether r is a control character that no header may hold.
//
// Source: RFC 9110, section 5.5.
func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// isSumOfNothing reports whether a query parameter is the checksum of an empty
// body. An SDK that sums every upload puts it into the URLs that it presigns,
// because there is no body yet: it says nothing about the one to come.
//
// Source: github.com/aws/aws-sdk-js-v3, issue 6994; Amazon S3 ignores checksums
// in the query, github.com/aws/aws-sdk-go-v2, issue 2610, read 2026-11-21.
func isSumOfNothing(lower, value string) bool {
	a, err := checksum.ParseHeader(lower)
	return err == nil && value == a.Encode(a.Sum(nil))
}

// signatureParams are the parameters of a presigned URL.
var signatureParams = map[string]bool{"x-amz-algorithm": true, "x-amz-credential": true, "x-amz-date": true,
	"x-amz-expires": true, "x-amz-signedheaders": true, "x-amz-signature": true, "x-amz-security-token": true,
	"x-amz-content-sha256": true}

// route finds the operation.
func (c *call) route(level Level) (*Route, error) {
	var found []string
	for name := range c.query {
		if selectors[name] {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	if len(found) > 1 {
		return nil, invalidArgument("ResourceType", found[0], "Conflicting query string parameters: %s", strings.Join(found, ", "))
	}
	query := ""
	if len(found) == 1 {
		query = found[0]
	}
	copies := level == Object && c.r.Method == http.MethodPut && len(c.header.Values("x-amz-copy-source")) > 0
	var match *Route
	var allow []string
	for i := range routes {
		r := &routes[i]
		if r.On != level || r.Query != query || level == Account && r.Path != c.r.URL.Path {
			continue
		}
		if r.Method != c.r.Method {
			allow = append(allow, r.Method)
			continue
		}
		// Without a form of its own for copies, the operation stays, and
		// checkHeaders refuses the header.
		if match == nil || copies && r.Copy {
			if !r.Copy || copies {
				match = r
			}
		}
	}
	if match == nil && level == Account && len(allow) == 0 {
		return nil, notBuilt()
	}
	if match == nil {
		slices.Sort(allow)
		return nil, methodNotAllowed(c.r.Method, level, slices.Compact(allow))
	}
	return match, nil
}

// checkParameters refuses what the operation has no use for: a sub-resource that
// is not known, or a parameter that asks for something.
func (c *call) checkParameters(route *Route) error {
	for name, values := range c.query {
		value := values[0]
		switch {
		case name == route.Query:
			if value != "" && !valued[name] {
				return invalidArgument(name, value, "The sub-resource %s takes no value", name)
			}
		case slices.Contains(route.params, name):
			if name == "versionId" && value == "" {
				return invalidArgument(name, "", "Version id cannot be the empty string")
			}
		case name == "versionId":
			return invalidArgument(name, value, "This operation does not accept a version-id.")
		case value == "":
			return notBuilt().With("Resource", name)
		default:
			return invalidArgument(name, value, "The parameter %s is not supported by this operation", name)
		}
	}
	return nil
}

// valued holds the sub-resources that have a value.
var valued = map[string]bool{"uploadId": true, "list-type": true}
