package s3api

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"coffer/internal/s3"
)

// bodies holds a body for the operations that need one.
var bodies = map[string]string{
	"PutBucketVersioning":         "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
	"PutBucketEncryption":         "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
	"PutPublicAccessBlock":        "<PublicAccessBlockConfiguration/>",
	"PutAccountPublicAccessBlock": "<PublicAccessBlockConfiguration/>",
	"PutBucketOwnershipControls":  "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>",
	"PutBucketPolicy":             "{}",
	"PutBucketTagging":            "<Tagging><TagSet/></Tagging>",
	"PutObjectTagging":            "<Tagging><TagSet/></Tagging>",
	"UpdateObjectEncryption":      "<ObjectEncryption><SSE-KMS><KMSKeyArn>a</KMSKeyArn></SSE-KMS></ObjectEncryption>",
	"CompleteMultipartUpload":     "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>",
	"DeleteObjects":               "<Delete><Object><Key>k</Key></Object></Delete>",
}

// request returns what selects a route: a target, a body and headers.
func (r Route) request() (target, body string, headers []string) {
	target = [...]string{"/", "/bucket", "/bucket/key", r.Path}[r.On]
	if r.On == Account {
		headers = append(headers, "x-amz-account-id: "+account)
	}
	switch r.Query {
	case "":
	case "list-type":
		target += "?list-type=2"
	case "uploadId":
		target += "?uploadId=id"
		if r.Method == "PUT" {
			target += "&partNumber=1"
		}
	default:
		target += "?" + r.Query
	}
	if r.Copy {
		headers = append(headers, "x-amz-copy-source: /from/key")
	}
	switch r.Operation {
	case "DeleteObjects":
		headers = append(headers, "Content-MD5: "+md5Of(bodies[r.Operation]))
	case "GetObjectAttributes":
		headers = append(headers, "x-amz-object-attributes: ETag")
	}
	return target, bodies[r.Operation], headers
}

// TestRoutes sends a request for every route and expects its operation, or 501
// and a record of the refusal.
func TestRoutes(t *testing.T) {
	for _, route := range Routes() {
		t.Run(route.Operation, func(t *testing.T) {
			g := newRig(false)
			if route.Operation == "PostObject" {
				t.Skip("in post_test.go")
			}
			target, body, headers := route.request()
			w := g.do(route.Method, target, body, headers...)
			if !route.Built() {
				if w.Code != 501 || code(t, w) != "NotImplemented" || g.refused != route.Operation || g.calls != 0 {
					t.Errorf("%s %s = %d, refused %q; want 501 and a record of %s", route.Method, target, w.Code, g.refused, route.Operation)
				}
				return
			}
			want := route.Operation
			switch g.in.(type) {
			case *s3.BucketConfigurationInput:
				want = "GetBucketConfiguration"
			case *s3.GetObjectInput:
				want = "GetObject"
			}
			if g.method == "GetObjectConfiguration" {
				want = g.method
			}
			if g.method != want || g.calls != 1 || g.refused != "" {
				t.Errorf("%s %s called %q %d times and refused %q; want %q", route.Method, target, g.method, g.calls, g.refused, want)
			}
			if k, ok := g.in.(*s3.BucketConfigurationInput); ok && k.Kind != route.Query {
				t.Errorf("kind = %q; want %q", k.Kind, route.Query)
			}
			known := g.method == "GetBucketConfiguration" || g.method == "GetObjectConfiguration"
			if w.Code >= 300 && !known {
				t.Errorf("%s %s = %d %s", route.Method, target, w.Code, w.Body)
			}
		})
	}
}

// TestRoutesAreDistinct checks that no request has two routes, and that none of
// AWS's names is there twice.
func TestRoutesAreDistinct(t *testing.T) {
	type selector struct {
		method string
		on     Level
		query  string
		copies bool
		path   string
	}
	bySelector, byName := map[selector]string{}, map[string]bool{}
	for _, r := range Routes() {
		s := selector{r.Method, r.On, r.Query, r.Copy, r.Path}
		if other, ok := bySelector[s]; ok {
			t.Errorf("%s and %s have the same route", r.Operation, other)
		}
		if byName[r.Operation] {
			t.Errorf("%s has two routes", r.Operation)
		}
		bySelector[s], byName[r.Operation] = r.Operation, true
	}
	// The reads of configurations that Terraform makes of every bucket.
	for _, kind := range []string{"acl", "cors", "website", "logging", "lifecycle", "replication", "requestPayment", "accelerate",
		"object-lock", "policy", "tagging", "versioning", "encryption"} {
		if !slices.ContainsFunc(Routes(), func(r Route) bool {
			return r.Method == "GET" && r.On == Bucket && r.Query == kind && r.Built()
		}) {
			t.Errorf("GET ?%s has no route", kind)
		}
	}
}

func TestRefusedRoutes(t *testing.T) {
	tests := []struct {
		name, method, target string
		headers              []string
		status               int
		code                 string
	}{
		{"a method that the service does not have", "PUT", "/", nil, 405, "MethodNotAllowed"},
		{"HEAD of the service", "HEAD", "/", nil, 405, ""},
		{"a method that a bucket does not have", "PATCH", "/b", nil, 405, "MethodNotAllowed"},
		{"a POST to an object", "POST", "/b/k", nil, 405, "MethodNotAllowed"},
		{"a method that a sub-resource does not have", "DELETE", "/b?location", nil, 405, "MethodNotAllowed"},
		{"two sub-resources", "GET", "/b?acl&policy", nil, 400, "InvalidArgument"},
		{"the same parameter twice", "GET", "/b/k?versionId=a&versionId=b", nil, 400, "InvalidArgument"},
		{"an unknown sub-resource of a bucket", "GET", "/b?banana", nil, 501, "NotImplemented"},
		{"an unknown sub-resource of an object", "PUT", "/b/k?banana", nil, 501, "NotImplemented"},
		{"a sub-resource of a bucket on an object", "PUT", "/b/k?versioning", nil, 405, "MethodNotAllowed"},
		{"a parameter that asks for something", "GET", "/b?allow-unordered=true", nil, 400, "InvalidArgument"},
		{"a version where none can be", "PUT", "/b/k?versionId=v", nil, 400, "InvalidArgument"},
		{"an empty version", "DELETE", "/b/k?versionId=", nil, 400, "InvalidArgument"},
		{"a sub-resource with a value", "PUT", "/b?encryption=off", nil, 400, "InvalidArgument"},
		{"an upload without a part number", "PUT", "/b/k?uploadId=u", nil, 400, "InvalidArgument"},
		{"a part number without an upload", "PUT", "/b/k?partNumber=1", nil, 400, "InvalidArgument"},
		{"another list type", "GET", "/b?list-type=3", nil, 400, "InvalidArgument"},
		{"a copy into tags", "PUT", "/b/k?tagging", []string{"x-amz-copy-source: /a/b"}, 400, "InvalidArgument"},
		{"a bad escape in the query", "GET", "/b?prefix=%zz", nil, 400, "InvalidURI"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(false)
			w := g.do(tt.method, tt.target, "", tt.headers...)
			if w.Code != tt.status || tt.code != "" && code(t, w) != tt.code {
				t.Errorf("%s %s = %d %s; want %d %s", tt.method, tt.target, w.Code, w.Body, tt.status, tt.code)
			}
			if g.calls != 0 || g.refused == "" {
				t.Errorf("calls %d, refused %q; want a record and no call", g.calls, g.refused)
			}
			if tt.status == 405 && w.Header().Get("Allow") == "" && !strings.Contains(tt.target, "?versioning") {
				t.Error("no Allow header")
			}
		})
	}
}

func TestIgnoredParameters(t *testing.T) {
	g := newRig(false)
	if w := g.do("GET", "/b/k?x-id=GetObject&x-custom=log&X-Amz-Date=20260101T000000Z", ""); w.Code != 200 || g.method != "GetObject" {
		t.Errorf("= %d %s", w.Code, w.Body)
	}
}

// TestQueryHeaders checks that a header that a signer put into a URL counts as
// one.
func TestQueryHeaders(t *testing.T) {
	g := newRig(false)
	g.do("PUT", "/b/k?x-amz-server-side-encryption=aws%3Akms&X-Amz-Acl=private&x-amz-meta-a=b", "x")
	got := in[*s3.PutObjectInput](t, g)
	if got.Encryption.Algorithm != "aws:kms" || got.ACL.Canned != "private" || got.Attributes.Metadata["a"] != "b" {
		t.Errorf("input = %+v", got)
	}
	if w := g.do("PUT", "/b/k?x-amz-acl=private", "x", "x-amz-acl: public-read"); w.Code != 400 {
		t.Errorf("a header and a parameter that differ = %d; want 400", w.Code)
	}
	g = newRig(false)
	if w := g.do("PUT", "/b/k?x-amz-meta-a=1%0D%0AX-Evil:%202", ""); w.Code != 400 || g.calls != 0 {
		t.Errorf("a parameter with line breaks = %d; want 400, as of a header", w.Code)
	}
	if w := g.do("PUT", "/b/k?x-amz-copy-source=/a/b", ""); w.Code != 200 || g.method != "CopyObject" {
		t.Errorf("a copy source in the query = %d %s", w.Code, g.method)
	}
}

func TestPreflight(t *testing.T) {
	g := newRig(true)
	w := g.do("OPTIONS", "/b/k", "", "Origin: http://a", "Access-Control-Request-Method: PUT")
	e := errorBody(t, w)
	if w.Code != 403 || e.Code != "AccessForbidden" || e.Message != "CORSResponse: CORS is not enabled for this bucket." || e.ResourceType != "OBJECT" {
		t.Errorf("= %d %+v", w.Code, e)
	}
	for name := range w.Header() {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("answer has %s", name)
		}
	}
	if w := g.do("OPTIONS", "/b", ""); w.Code != 400 || code(t, w) != "BadRequest" {
		t.Errorf("without an origin = %d", w.Code)
	}
}

func TestUnauthenticated(t *testing.T) {
	g := newRig(true)
	w := g.do("PUT", "/b/k?banana", "x", "Authorization: AWS4-HMAC-SHA256 garbage", "x-amz-date: 20261121T080000Z", "x-minio-x: 1")
	if w.Code == http.StatusOK || g.calls != 0 || g.refused == "" {
		t.Fatalf("= %d, calls %d, refused %q", w.Code, g.calls, g.refused)
	}
	if c := code(t, w); c == "NotImplemented" || c == "InvalidArgument" {
		t.Errorf("a bad signature was answered with %s, which tells about the rest of the request", c)
	}
	if g.caller == nil || g.caller.SourceIP == "" || g.caller.RequestID == "" {
		t.Errorf("caller of the record = %+v", g.caller)
	}
}
