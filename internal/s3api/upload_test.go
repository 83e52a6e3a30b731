package s3api

import (
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"coffer/internal/checksum"
	"coffer/internal/s3"
)

// TestHeaders checks which x-amz- headers are refused, on which operation.
func TestHeaders(t *testing.T) {
	sse := "x-amz-server-side-encryption"
	tests := []struct {
		name, method, target string
		headers              []string
		status               int // 200 if the API is called
		code                 string
	}{
		{"encryption", "PUT", "/b/k", []string{sse + ": aws:kms", sse + "-aws-kms-key-id: k", sse + "-context: e30=", sse + "-bucket-key-enabled: true"}, 200, ""},
		{"a kind of encryption that the service judges", "PUT", "/b/k", []string{sse + ": aws:fsx"}, 200, ""},
		{"an unknown encryption header", "PUT", "/b/k", []string{sse + "-aws-kms-keyid: k"}, 400, "InvalidArgument"},
		{"an unknown encryption header on a read", "GET", "/b/k", []string{sse + "-x: y"}, 400, "InvalidArgument"},
		{"an unknown encryption header of the source", "PUT", "/b/k", []string{"x-amz-copy-source: /a/b", "x-amz-copy-source-" + sse[6:] + ": AES256"}, 400, "InvalidArgument"},
		{"an encryption header twice", "PUT", "/b/k", []string{sse + ": AES256", sse + ": aws:kms"}, 400, "InvalidArgument"},
		{"encryption of a delete", "DELETE", "/b/k", []string{sse + ": AES256"}, 400, "InvalidArgument"},
		{"encryption of a listing", "GET", "/b", []string{sse + ": AES256"}, 400, "InvalidArgument"},
		{"encryption of a bucket", "PUT", "/b", []string{sse + ": AES256"}, 400, "InvalidArgument"},
		{"encryption on a read goes to the service", "GET", "/b/k", []string{sse + ": AES256"}, 200, ""},
		{"a client's key on a delete", "DELETE", "/b/k", []string{sse + "-customer-key: k"}, 400, "InvalidArgument"},
		{"a source's key without a copy", "PUT", "/b/k", []string{"x-amz-copy-source-server-side-encryption-customer-key: k"}, 400, "InvalidArgument"},
		{"a condition on a source without a copy", "PUT", "/b/k", []string{"x-amz-copy-source-if-match: e"}, 400, "InvalidArgument"},
		{"a copy source on a read", "GET", "/b/k", []string{"x-amz-copy-source: /a/b"}, 400, "InvalidArgument"},
		{"another server's internals", "PUT", "/b/k", []string{"X-Minio-Replication-Actual-Object-Size: 1"}, 400, "InvalidArgument"},
		{"internals", "PUT", "/b/k", []string{"x-amz-internal-owner: me"}, 400, "InvalidArgument"},
		{"a header that no operation knows", "PUT", "/b/k", []string{"x-amz-object-annotation-directive: COPY"}, 501, "NotImplemented"},
		{"a checksum that nobody computes", "PUT", "/b/k", []string{"x-amz-checksum-xxhash64: AAAAAAAAAAA="}, 400, "InvalidRequest"},
		{"who pays", "GET", "/b/k", []string{"x-amz-request-payer: requester", "x-amz-user-agent: x"}, 200, ""},
		{"metadata", "PUT", "/b/k", []string{"x-amz-meta-server-side-encryption: x"}, 200, ""},
		{"a lock", "PUT", "/b/k", []string{"x-amz-object-lock-mode: GOVERNANCE"}, 200, ""},
		{"a boolean that is none", "DELETE", "/b/k", []string{"x-amz-bypass-governance-retention: yes"}, 400, "InvalidArgument"},
		{"a directive that is none", "PUT", "/b/k", []string{"x-amz-copy-source: /a/b", "x-amz-metadata-directive: MERGE"}, 400, "InvalidArgument"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(false)
			w := g.do(tt.method, tt.target, "", tt.headers...)
			if w.Code != tt.status || tt.code != "" && code(t, w) != tt.code {
				t.Errorf("= %d %s; want %d %s", w.Code, w.Body, tt.status, tt.code)
			}
			if called := g.calls == 1; called != (tt.status == 200) || called == (g.refused != "") {
				t.Errorf("calls %d, refused %q", g.calls, g.refused)
			}
		})
	}
}

func TestPutObject(t *testing.T) {
	g := newRig(false)
	g.put = s3.PutObjectOutput{ETag: "e", VersionID: "v", SSE: s3.SSE{Algorithm: "aws:kms", KMSKeyID: "arn", Context: "e30=", BucketKeyEnabled: true},
		Checksums: s3.Checksums{Type: "FULL_OBJECT", Values: map[checksum.Algorithm]string{checksum.CRC32: "AAAAAA=="}}}
	w := g.do("PUT", "/b/k", "hello", "Content-Type: text/plain", "Cache-Control: no-cache", "Content-Encoding: aws-chunked, gzip", "Expires: soon",
		"Content-MD5: "+md5Of("hello"), "x-amz-checksum-crc32: NhCmhg==", "x-amz-meta-One: 1", "x-amz-meta-One: 2", "x-amz-tagging: a=b", "x-amz-storage-class: STANDARD_IA",
		"x-amz-acl: private", "x-amz-grant-read: id=1", "If-None-Match: *", "x-amz-object-lock-legal-hold: ON", "x-amz-expected-bucket-owner: 1",
		"x-amz-server-side-encryption-customer-key: c2VjcmV0", "x-amz-website-redirect-location: /x")
	got := in[*s3.PutObjectInput](t, g)
	a := got.Attributes
	switch {
	case string(g.body) != "hello", got.Upload.Length != 5, got.Upload.Algorithm != checksum.CRC32, got.Upload.Checksum != "NhCmhg==", got.Upload.Trailer != nil:
		t.Errorf("upload = %q %+v", g.body, got.Upload)
	case a.ContentType != "text/plain", a.CacheControl != "no-cache", a.ContentEncoding != "gzip", a.Expires != "soon", a.Metadata["one"] != "1,2",
		a.StorageClass != "STANDARD_IA", a.WebsiteRedirectLocation != "/x":
		t.Errorf("attributes = %+v", a)
	case got.Tagging != "a=b", got.ACL.Canned != "private", got.ACL.Grants["x-amz-grant-read"] != "id=1", got.Conditions.IfNoneMatch != "*",
		got.Lock.IsZero(), got.ExpectedBucketOwner != "1", got.Customer.Key != "c2VjcmV0", got.WriteOffset:
		t.Errorf("input = %+v", got)
	}
	for name, want := range map[string]string{"ETag": `"e"`, "x-amz-version-id": "v", "x-amz-server-side-encryption": "aws:kms",
		"x-amz-server-side-encryption-aws-kms-key-id": "arn", "x-amz-server-side-encryption-context": "e30=", "x-amz-server-side-encryption-bucket-key-enabled": "true",
		"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-type": "FULL_OBJECT", "Content-Security-Policy": "sandbox", "X-Content-Type-Options": "nosniff"} {
		value := w.Header().Get(name)
		if name == "ETag" {
			value = spelled(w.Header(), name)
		}
		if value != want {
			t.Errorf("%s = %q; want %q", name, value, want)
		}
	}
}

func TestUploadHeaders(t *testing.T) {
	crc := "x-amz-checksum-crc32: NhCmhg=="
	tests := []struct {
		name    string
		headers []string
		code    string // empty if accepted
		status  int
	}{
		{"an MD5 that is none", []string{"Content-MD5: MTIz"}, "InvalidDigest", 400},
		{"an empty MD5", []string{"Content-MD5: "}, "InvalidDigest", 400},
		{"two checksums", []string{crc, "x-amz-checksum-sha1: qvTGHdzF6KLavt4PO0gs2a6pQ00="}, "InvalidRequest", 400},
		{"a checksum and a trailer", []string{crc, "x-amz-trailer: x-amz-checksum-crc32"}, "InvalidRequest", 400},
		{"a checksum of the wrong length", []string{"x-amz-checksum-sha256: NhCmhg=="}, "InvalidRequest", 400},
		{"a trailer that the payload does not have", []string{"x-amz-trailer: x-amz-checksum-crc32"}, "InvalidRequest", 400},
		{"another algorithm than the checksum's", []string{crc, "x-amz-sdk-checksum-algorithm: SHA256"}, "InvalidRequest", 400},
		{"an algorithm without a checksum", []string{"x-amz-sdk-checksum-algorithm: SHA256"}, "InvalidRequest", 400},
		{"an unknown algorithm", []string{crc, "x-amz-sdk-checksum-algorithm: ROT13"}, "InvalidRequest", 400},
		{"the algorithm of the checksum", []string{crc, "x-amz-sdk-checksum-algorithm: crc32"}, "", 200},
		{"metadata at the limit", []string{"x-amz-meta-a: " + strings.Repeat("x", MaxMetadata-1)}, "", 200},
		{"metadata above the limit", []string{"x-amz-meta-a: " + strings.Repeat("x", MaxMetadata)}, "MetadataTooLarge", 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(false)
			w := g.do("PUT", "/b/k", "hello", tt.headers...)
			if w.Code != tt.status || tt.code != "" && (code(t, w) != tt.code || g.calls != 0) {
				t.Errorf("= %d %s; want %d %s", w.Code, w.Body, tt.status, tt.code)
			}
		})
	}
}

// TestPresignedChecksum has the checksum in the query, where an SDK that presigns
// an upload without its body puts that of nothing.
func TestPresignedChecksum(t *testing.T) {
	for sum, want := range map[string]string{"AAAAAA%3D%3D": "", "NhCmhg%3D%3D": "NhCmhg=="} {
		g := newRig(false)
		g.do("PUT", "/b/k?x-amz-checksum-crc32="+sum+"&x-amz-sdk-checksum-algorithm=CRC32", "hello")
		if u := in[*s3.PutObjectInput](t, g).Upload; u.Algorithm != checksum.CRC32 || u.Checksum != want {
			t.Errorf("checksum of a URL with %s = %s %q; want CRC32 %q", sum, u.Algorithm, u.Checksum, want)
		}
	}
}

func TestUploadLength(t *testing.T) {
	for _, tt := range []struct {
		name   string
		length int64
		status int
		code   string
	}{{"unknown", -1, 411, "MissingContentLength"}, {"too long", MaxUpload + 1, 400, "EntityTooLarge"}, {"the longest", MaxUpload, 200, ""}} {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(false)
			g.skipBody = true
			r := httptest.NewRequest("PUT", "/b/k", unread{t})
			r.ContentLength = tt.length
			r.Header.Set("Expect", "100-continue")
			w := httptest.NewRecorder()
			g.h.ServeHTTP(w, r)
			if w.Code != tt.status || tt.code != "" && code(t, w) != tt.code {
				t.Errorf("= %d %s; want %d %s", w.Code, w.Body, tt.status, tt.code)
			}
		})
	}
}

// unread is a body that must not be touched: a client that waits for
// "100 Continue" must not be told to send what will be refused.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestBodyIsNotReadBeforeTheDecision(t *testing.T) {
	for _, headers := range [][2]string{{"", ""}, {"Content-MD5", "bad"}, {"x-minio-x", "y"}} {
		g := newRig(false)
		g.err = errSome
		r := httptest.NewRequest("PUT", "/b/k", unread{t})
		r.ContentLength = 10
		r.Header.Set("Expect", "100-continue")
		if headers[0] != "" {
			r.Header.Set(headers[0], headers[1])
		}
		w := httptest.NewRecorder()
		g.h.ServeHTTP(w, r)
		if w.Code < 400 {
			t.Errorf("= %d", w.Code)
		}
	}
}

// TestShortBody checks that a body that ends early is an error and not a shorter
// object.
func TestShortBody(t *testing.T) {
	b := &body{r: strings.NewReader("abc"), left: 5}
	if _, err := io.ReadAll(b); err == nil || !strings.Contains(err.Error(), "IncompleteBody") {
		t.Errorf("a short body ends with %v", err)
	}
	b = &body{r: strings.NewReader("abcdef"), left: 5}
	if _, err := io.ReadAll(b); err == nil {
		t.Error("a long body is accepted")
	}
	b = &body{r: io.MultiReader(strings.NewReader("abc"), errReader{errors.New("connection reset")}), left: 5}
	if _, err := io.ReadAll(b); err == nil || !strings.Contains(err.Error(), "IncompleteBody") {
		t.Errorf("a broken body ends with %v", err)
	}
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

// TestMetadata checks the examples of the S3 User Guide, "Working with object
// metadata", and that no stored byte can end a header.
func TestMetadata(t *testing.T) {
	tests := []struct{ name, in, out string }{
		{"ASCII", "AMAZONS3", "AMAZONS3"},
		{"raw UTF-8, which S3 reads as ISO 8859-1", "ÄMÄZÕÑ S3", "=?UTF-8?b?w4PChE3Dg8KEWsODwpXDg8KRIFMz?="},
		{"an encoded word comes back as it was", "=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?=", "=?UTF-8?Q?=C3=84M=C3=84Z=C3=95=C3=91_S3?="},
	}
	for _, tt := range tests {
		if got := toHeader(fromHeader(tt.in)); got != tt.out {
			t.Errorf("%s: %q came back as %q; want %q", tt.name, tt.in, got, tt.out)
		}
	}
	for _, evil := range []string{"a\r\nSet-Cookie: x", "\n", "\x00", "\x7f"} {
		if got := toHeader(evil); strings.ContainsAny(got, "\r\n\x00\x7f") {
			t.Errorf("toHeader(%q) = %q", evil, got)
		}
	}
}

func TestDocuments(t *testing.T) {
	del := bodies["DeleteObjects"]
	tests := []struct {
		name, method, target, body string
		headers                    []string
		status                     int
		code                       string
	}{
		{"deletes without a digest", "POST", "/b?delete", del, nil, 400, "InvalidRequest"},
		{"deletes with the wrong MD5", "POST", "/b?delete", del, []string{"Content-MD5: " + md5Of("x")}, 400, "BadDigest"},
		{"deletes with a checksum", "POST", "/b?delete", del, []string{"x-amz-checksum-md5: " + md5Of(del)}, 200, ""},
		{"deletes with the wrong checksum", "POST", "/b?delete", del, []string{"x-amz-checksum-crc32: AAAAAA=="}, 400, "BadDigest"},
		{"a digest that comes with what needs none", "PUT", "/b?encryption", bodies["PutBucketEncryption"], []string{"Content-MD5: " + md5Of("x")}, 400, "BadDigest"},
		{"no body", "PUT", "/b?encryption", "", nil, 400, "MalformedXML"},
		{"a body too long", "PUT", "/b?tagging", "<!--" + strings.Repeat("x", maxDocument) + "-->", nil, 400, "MaxMessageLengthExceeded"},
		{"a key too long", "POST", "/b?delete", "<Delete><Object><Key>" + strings.Repeat("k", 1025) + "</Key></Object></Delete>", nil, 400, "KeyTooLongError"},
		{"an entity", "PUT", "/b?versioning", `<!DOCTYPE x [<!ENTITY e "Enabled">]><VersioningConfiguration><Status>&e;</Status></VersioningConfiguration>`, nil, 400, "MalformedXML"},
		{"no parts", "POST", "/b/k?uploadId=u", "<CompleteMultipartUpload/>", nil, 400, "InvalidRequest"},
		{"a bucket without a body", "PUT", "/b", "", nil, 200, ""},
		{"a bucket with a body of another kind", "PUT", "/b", "<Tagging><TagSet/></Tagging>", nil, 400, "MalformedXML"},
		{"a second factor", "PUT", "/b?versioning", bodies["PutBucketVersioning"], []string{"x-amz-mfa: 1 2"}, 501, "NotImplemented"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(false)
			if strings.Contains(tt.body, "kkk") {
				tt.headers = []string{"Content-MD5: " + md5Of(tt.body)}
			}
			w := g.do(tt.method, tt.target, tt.body, tt.headers...)
			if w.Code != tt.status || tt.code != "" && (code(t, w) != tt.code || g.calls != 0 || g.refused == "") {
				t.Errorf("= %d %s; want %d %s", w.Code, w.Body, tt.status, tt.code)
			}
		})
	}
}
