package conformance

import (
	"crypto/md5"
	"encoding/base64"
	"regexp"
	"testing"

	"coffer/internal/s3api"
)

var s3Codes = api{name: "s3", anonymous: "AccessDenied", unknown: "InvalidAccessKeyId", wrong: "SignatureDoesNotMatch", denied: "AccessDenied"}

// A place is where a row of S3 happens: a bucket with an object, and as much else as
// the row asks for.
type place struct {
	m                              *matrix
	bucket, key, upload, etag      string
	kmsKey                         string // ARN
	aboutBucket, aboutKey, aboutID string // ARNs of bucket and object; the upload's query
}

// root sends a request of S3 as the root user, and returns the answer.
func (p *place) root(method, target, body string, header ...string) outcome {
	p.m.Helper()
	out := p.m.try(wire{service: "s3", method: method, target: target, body: body, header: header}, p.m.server.credentials())
	if out.status >= 300 {
		p.m.Fatalf("%s %s as root = %d %s", method, target, out.status, out.body)
	}
	return out
}

func (m *matrix) place() *place {
	m.Helper()
	p := &place{m: m, bucket: m.fresh("bucket"), key: "key"}
	p.root("PUT", "/"+p.bucket, "")
	p.aboutBucket, p.aboutKey = "arn:aws:s3:::"+p.bucket, "arn:aws:s3:::"+p.bucket+"/key"
	return p
}

func (p *place) object(header ...string) {
	p.etag = p.root("PUT", "/"+p.bucket+"/key", "data", header...).header.Get("ETag")
}

var uploadID = regexp.MustCompile(`<UploadId>([^<]+)</UploadId>`)

func (p *place) begun(header ...string) {
	out := p.root("POST", "/"+p.bucket+"/key?uploads", "", header...)
	p.upload = string(uploadID.FindSubmatch(out.body)[1])
}

func (p *place) part() {
	p.etag = p.root("PUT", "/"+p.bucket+"/key?partNumber=1&uploadId="+p.upload, "data").header.Get("ETag")
}

// underKMS makes a KMS key, and returns the headers for its use.
func (p *place) underKMS() []string {
	p.kmsKey = p.m.kmsKey()
	return []string{"x-amz-server-side-encryption", "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id", p.kmsKey}
}

// aboutPolicy is a bucket policy that is not public and allows nothing.
func aboutPolicy(p *place) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"` + p.aboutBucket + `/secret"}]}`
}

// s3Row says what a route takes beside its path.
type s3Row struct {
	operation, with string
	actions         []string // on the object if the route is about one, and else on the bucket
	prepare         func(p *place)
	header          func(p *place) []string
	body            func(p *place) string
	query           func(p *place) string // beside the sub-resource
	also            func(p *place) []right
	passes, foreign string
	inside          bool
}

func text(s string) func(*place) string { return func(*place) string { return s } }

func s3Rows(t testing.TB) ([]row, map[string]bool) {
	routes, built := make(map[string]s3api.Route), make(map[string]bool)
	for _, r := range s3api.Routes() {
		routes[r.Operation], built[r.Operation] = r, r.Built()
	}
	var rows []row
	for _, spec := range s3Specs {
		route, known := routes[spec.operation]
		if !known {
			t.Errorf("%s is no route", spec.operation)
			continue
		}
		rows = append(rows, spec.row(route))
	}
	return rows, built
}

// row returns the row of a route.
func (s s3Row) row(route s3api.Route) row {
	return row{operation: s.operation, with: s.with, passes: s.passes, foreign: s.foreign, last: true, inside: s.inside, make: func(m *matrix) (wire, []right) {
		p := m.place()
		if s.prepare != nil {
			s.prepare(p)
		}
		w := wire{service: "s3", method: route.Method}
		resource := "*"
		switch route.On {
		case s3api.Service:
			w.target = "/"
		case s3api.Bucket:
			w.target, resource = "/"+p.bucket, p.aboutBucket
		case s3api.Object:
			w.target, resource = "/"+p.bucket+"/key", p.aboutKey
		case s3api.Account:
			w.target, w.header = route.Path, []string{"x-amz-account-id", homeAccount}
		}
		switch route.Query {
		case "":
		case "uploadId":
			w.target += "?uploadId=" + p.upload
			if route.Method == "PUT" {
				w.target += "&partNumber=1"
			}
		case "list-type":
			w.target += "?list-type=2"
		default:
			w.target += "?" + route.Query
		}
		if s.query != nil {
			w.target += s.query(p)
		}
		if s.header != nil {
			w.header = append(w.header, s.header(p)...)
		}
		if s.body != nil {
			w.body = s.body(p)
		}
		if s.operation == "DeleteObjects" {
			sum := md5.Sum([]byte(w.body))
			w.header = append(w.header, "Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
		}
		if s.operation == "DeleteObjects" || s.operation == "PostObject" {
			resource = p.aboutKey
		}
		if s.operation == "PostObject" {
			w.form = map[string]string{"key": "key"}
		}
		var rights []right
		for _, action := range s.actions {
			rights = append(rights, right{action, resource})
		}
		if s.also != nil {
			rights = append(rights, s.also(p)...)
		}
		return w, rights
	}}
}

// from is the source of copies, in another bucket.
func (p *place) from() *place {
	other := p.m.place()
	other.object()
	return other
}

var s3Specs = append([]s3Row{
	{operation: "ListBuckets", actions: []string{"s3:ListAllMyBuckets"}, foreign: own},
	{operation: "CreateBucket", actions: []string{"s3:CreateBucket"}, foreign: "BucketAlreadyExists",
		prepare: func(p *place) { p.root("DELETE", "/"+p.bucket, "") }},
	{operation: "HeadBucket", actions: []string{"s3:ListBucket"}},
	{operation: "DeleteBucket", actions: []string{"s3:DeleteBucket"}},
	{operation: "GetBucketLocation", actions: []string{"s3:GetBucketLocation"}},
	{operation: "PutBucketVersioning", actions: []string{"s3:PutBucketVersioning"}, body: text("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")},
	{operation: "GetBucketVersioning", actions: []string{"s3:GetBucketVersioning"}},
	{operation: "PutBucketEncryption", actions: []string{"s3:PutEncryptionConfiguration"},
		body: text("<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>")},
	{operation: "GetBucketEncryption", actions: []string{"s3:GetEncryptionConfiguration"}},
	{operation: "DeleteBucketEncryption", actions: []string{"s3:PutEncryptionConfiguration"}},
	{operation: "PutBucketTagging", actions: []string{"s3:PutBucketTagging"}, body: text("<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>")},
	{operation: "GetBucketTagging", actions: []string{"s3:GetBucketTagging"}, passes: "NoSuchTagSet"},
	{operation: "DeleteBucketTagging", actions: []string{"s3:PutBucketTagging"}},

	{operation: "PutBucketPolicy", actions: []string{"s3:PutBucketPolicy"}, body: aboutPolicy},
	{operation: "GetBucketPolicy", actions: []string{"s3:GetBucketPolicy"}, passes: "NoSuchBucketPolicy"},
	{operation: "GetBucketPolicy", with: "that is there", actions: []string{"s3:GetBucketPolicy"},
		prepare: func(p *place) { p.root("PUT", "/"+p.bucket+"?policy", aboutPolicy(p)) }},
	{operation: "DeleteBucketPolicy", actions: []string{"s3:DeleteBucketPolicy"},
		prepare: func(p *place) { p.root("PUT", "/"+p.bucket+"?policy", aboutPolicy(p)) }},
	{operation: "GetBucketPolicyStatus", actions: []string{"s3:GetBucketPolicyStatus"},
		prepare: func(p *place) { p.root("PUT", "/"+p.bucket+"?policy", aboutPolicy(p)) }},
	{operation: "PutPublicAccessBlock", actions: []string{"s3:PutBucketPublicAccessBlock"}, body: text("<PublicAccessBlockConfiguration/>")},
	{operation: "GetPublicAccessBlock", actions: []string{"s3:GetBucketPublicAccessBlock"}},
	{operation: "DeletePublicAccessBlock", actions: []string{"s3:PutBucketPublicAccessBlock"}},
	{operation: "PutBucketOwnershipControls", actions: []string{"s3:PutBucketOwnershipControls"},
		body: text("<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>")},
	{operation: "GetBucketOwnershipControls", actions: []string{"s3:GetBucketOwnershipControls"}},
	{operation: "DeleteBucketOwnershipControls", actions: []string{"s3:PutBucketOwnershipControls"}},
	{operation: "PutBucketAcl", actions: []string{"s3:PutBucketAcl"}, prepare: withACLs, header: header("x-amz-acl", "private")},
	{operation: "GetBucketAcl", actions: []string{"s3:GetBucketAcl"}},
	{operation: "PutObjectAcl", actions: []string{"s3:PutObjectAcl"}, prepare: withACLs, header: header("x-amz-acl", "private")},
	{operation: "PutObjectAcl", with: "of a version", actions: []string{"s3:PutObjectVersionAcl"}, prepare: withACLs, header: header("x-amz-acl", "private"), query: text("&versionId=null")},
	{operation: "GetObjectAcl", actions: []string{"s3:GetObjectAcl"}, prepare: withObject},
	{operation: "GetObjectAcl", with: "of a version", actions: []string{"s3:GetObjectVersionAcl"}, prepare: withObject, query: text("&versionId=null")},

	{operation: "PutAccountPublicAccessBlock", actions: []string{"s3:PutAccountPublicAccessBlock"}, body: text("<PublicAccessBlockConfiguration/>")},
	{operation: "GetAccountPublicAccessBlock", actions: []string{"s3:GetAccountPublicAccessBlock"}},
	{operation: "DeleteAccountPublicAccessBlock", actions: []string{"s3:PutAccountPublicAccessBlock"}},

	{operation: "ListObjects", actions: []string{"s3:ListBucket"}},
	{operation: "ListObjectsV2", actions: []string{"s3:ListBucket"}},
	{operation: "ListObjectVersions", actions: []string{"s3:ListBucketVersions"}},
	{operation: "ListMultipartUploads", actions: []string{"s3:ListBucketMultipartUploads"}},
	{operation: "DeleteObjects", actions: []string{"s3:DeleteObject"}, prepare: withObject, body: text("<Delete><Object><Key>key</Key></Object></Delete>"), inside: true},
	{operation: "DeleteObjects", with: "of a version", actions: []string{"s3:DeleteObjectVersion"}, prepare: withObject,
		body: text("<Delete><Object><Key>key</Key><VersionId>null</VersionId></Object></Delete>"), inside: true},
	{operation: "PostObject", actions: []string{"s3:PutObject"}},

	{operation: "GetObject", actions: []string{"s3:GetObject"}, prepare: withObject},
	{operation: "GetObject", with: "of a version", actions: []string{"s3:GetObjectVersion"}, prepare: withObject, query: text("?versionId=null")},
	{operation: "GetObject", with: "under SSE-KMS", actions: []string{"s3:GetObject"}, prepare: func(p *place) { p.object(p.underKMS()...) }, also: throughKMS("Decrypt")},
	{operation: "HeadObject", actions: []string{"s3:GetObject"}, prepare: withObject},
	{operation: "PutObject", actions: []string{"s3:PutObject"}},
	{operation: "PutObject", with: "with tags", actions: []string{"s3:PutObject", "s3:PutObjectTagging"}, header: header("x-amz-tagging", "a=b")},
	{operation: "PutObject", with: "under SSE-KMS", actions: []string{"s3:PutObject"}, header: (*place).underKMS, also: throughKMS("GenerateDataKey")},
	{operation: "CopyObject", actions: []string{"s3:PutObject"}, also: copied, header: (*place).copySource, prepare: withSource},
	{operation: "DeleteObject", actions: []string{"s3:DeleteObject"}, prepare: withObject},
	{operation: "DeleteObject", with: "of a version", actions: []string{"s3:DeleteObjectVersion"}, prepare: withObject, query: text("?versionId=null")},
	{operation: "GetObjectAttributes", actions: []string{"s3:GetObject", "s3:GetObjectAttributes"}, prepare: withObject, header: header("x-amz-object-attributes", "ETag")},
	{operation: "PutObjectTagging", actions: []string{"s3:PutObjectTagging"}, prepare: withObject, body: text("<Tagging><TagSet/></Tagging>")},
	{operation: "PutObjectTagging", with: "of a version", actions: []string{"s3:PutObjectVersionTagging"}, prepare: withObject, body: text("<Tagging><TagSet/></Tagging>"), query: text("&versionId=null")},
	{operation: "GetObjectTagging", actions: []string{"s3:GetObjectTagging"}, prepare: withObject},
	{operation: "GetObjectTagging", with: "of a version", actions: []string{"s3:GetObjectVersionTagging"}, prepare: withObject, query: text("&versionId=null")},
	{operation: "DeleteObjectTagging", actions: []string{"s3:DeleteObjectTagging"}, prepare: withObject},
	{operation: "DeleteObjectTagging", with: "of a version", actions: []string{"s3:DeleteObjectVersionTagging"}, prepare: withObject, query: text("&versionId=null")},
	{operation: "UpdateObjectEncryption", actions: []string{"s3:UpdateObjectEncryption"}, prepare: func(p *place) { p.object(); p.underKMS() },
		body: func(p *place) string {
			return "<ObjectEncryption><SSE-KMS><KMSKeyArn>" + p.kmsKey + "</KMSKeyArn></SSE-KMS></ObjectEncryption>"
		}, also: throughKMS("GenerateDataKey")},

	{operation: "CreateMultipartUpload", actions: []string{"s3:PutObject"}},
	{operation: "CreateMultipartUpload", with: "under SSE-KMS", actions: []string{"s3:PutObject"}, header: (*place).underKMS, also: throughKMS("GenerateDataKey")},
	{operation: "UploadPart", actions: []string{"s3:PutObject"}, prepare: withUpload, body: text("data")},
	{operation: "UploadPart", with: "under SSE-KMS", actions: []string{"s3:PutObject"}, prepare: func(p *place) { p.begun(p.underKMS()...) }, body: text("data"), also: throughKMS("Decrypt")},
	{operation: "UploadPartCopy", actions: []string{"s3:PutObject"}, also: copied, header: (*place).copySource, prepare: func(p *place) { p.begun(); withSource(p) }},
	{operation: "CompleteMultipartUpload", actions: []string{"s3:PutObject"}, prepare: func(p *place) { p.begun(); p.part() }, body: func(p *place) string {
		return "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>" + p.etag + "</ETag></Part></CompleteMultipartUpload>"
	}},
	{operation: "AbortMultipartUpload", actions: []string{"s3:AbortMultipartUpload"}, prepare: withUpload},
	{operation: "ListParts", actions: []string{"s3:ListMultipartUploadParts"}, prepare: withUpload},
	{operation: "GetObjectLegalHold", actions: []string{"s3:GetObjectLegalHold"}, prepare: withObject, passes: "InvalidRequest"},
	{operation: "GetObjectRetention", actions: []string{"s3:GetObjectRetention"}, prepare: withObject, passes: "InvalidRequest"},
	{operation: "GetObjectTorrent", actions: []string{"s3:GetObjectTorrent"}, prepare: withObject, passes: "NotImplemented"},
}, configurationSpecs()...)

// configurationSpecs are the reads of what no bucket has.
func configurationSpecs() []s3Row {
	var list []s3Row
	for operation, takes := range map[string]struct{ action, passes string }{
		"GetBucketCors":                            {"s3:GetBucketCORS", "NoSuchCORSConfiguration"},
		"GetBucketWebsite":                         {"s3:GetBucketWebsite", "NoSuchWebsiteConfiguration"},
		"GetBucketLogging":                         {"s3:GetBucketLogging", ""},
		"GetBucketLifecycleConfiguration":          {"s3:GetLifecycleConfiguration", "NoSuchLifecycleConfiguration"},
		"GetBucketReplication":                     {"s3:GetReplicationConfiguration", "ReplicationConfigurationNotFoundError"},
		"GetBucketRequestPayment":                  {"s3:GetBucketRequestPayment", ""},
		"GetBucketAccelerateConfiguration":         {"s3:GetAccelerateConfiguration", ""},
		"GetObjectLockConfiguration":               {"s3:GetBucketObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"},
		"GetBucketNotificationConfiguration":       {"s3:GetBucketNotification", ""},
		"GetBucketAnalyticsConfiguration":          {"s3:GetAnalyticsConfiguration", ""},
		"GetBucketInventoryConfiguration":          {"s3:GetInventoryConfiguration", ""},
		"GetBucketMetricsConfiguration":            {"s3:GetMetricsConfiguration", ""},
		"GetBucketIntelligentTieringConfiguration": {"s3:GetIntelligentTieringConfiguration", ""},
	} {
		list = append(list, s3Row{operation: operation, actions: []string{takes.action}, passes: takes.passes})
	}
	return list
}

func withObject(p *place) { p.object() }
func withUpload(p *place) { p.begun() }

// withACLs makes the bucket one where lists are in force.
func withACLs(p *place) {
	p.root("PUT", "/"+p.bucket+"?ownershipControls", "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>")
	p.object()
}

func withSource(p *place) { p.aboutID = p.from().bucket }

func (p *place) copySource() []string { return []string{"x-amz-copy-source", "/" + p.aboutID + "/key"} }

func copied(p *place) []right { return []right{{"s3:GetObject", "arn:aws:s3:::" + p.aboutID + "/key"}} }

func header(pairs ...string) func(*place) []string {
	return func(*place) []string { return append([]string(nil), pairs...) }
}

// throughKMS is what S3 asks KMS for as the caller.
func throughKMS(actions ...string) func(p *place) []right {
	return func(p *place) []right {
		var list []right
		for _, a := range actions {
			list = append(list, right{"kms:" + a, p.kmsKey})
		}
		return list
	}
}

func TestMatrixS3(t *testing.T) {
	t.Parallel()
	m := newMatrix(t, s3Codes)
	rows, built := s3Rows(t)
	m.runAll(rows, built)
}
