package conformance

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// The tests in this file and in those named abuse_*_test.go repeat mistakes that other
// servers of S3, KMS and STS made. Each names the advisory or what went wrong.
//
// Some mistakes can't be repeated, because there is nothing yet that could make them:
//
//   - an archive that is unpacked after upload (CVE-2026-40344 in MinIO): a header that
//     asks for it is refused, as [TestInternalHeaders] shows;
//   - rules for CORS with control bytes in them (CVE-2021-3524 in Ceph): no bucket has
//     any, and [TestHeaderInjection] tries what is stored;
//   - locks whose metadata can't be read (GHSA-j548 in RustFS): objects have no locks;
//     the permissions that go with their headers are in [TestActionOfEachRequest];
//   - tokens reviewed by Kubernetes and users of LDAP (GHSA-7m6v-q233-q9j9 and
//     CVE-2026-33419 in MinIO): the audience of a web identity is in
//     [TestForgedWebIdentity], and the answers about who is there are in
//     [TestNoOneIsEnumerated];
//   - calls between nodes (GHSA-c667 in RustFS, CVE-2021-39231 in Ozone): there is one
//     node. [TestScopesOfServices] sends what is signed for one operation to another;
//   - verifying the presigned GetCallerIdentity of another server: this one verifies its
//     own alone, as [TestScopesOfServices] tries.

// victim is an object that an attacker would like to read, change or destroy.
const victim = "what the attacker is after"

// besieged starts a server with a bucket "vault" that holds the victim, and a
// bucket "open" for what attackers write.
func besieged(t *testing.T, args ...string) *sdk {
	t.Helper()
	k := connect(t, start(t, args...))
	for _, b := range []string{"vault", "open"} {
		_, err := k.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &b})
		check(t, "CreateBucket", err)
	}
	k.put(t, "vault", "victim", victim)
	return k
}

// untouched fails the test if anything was changed.
func (k *sdk) untouched(t *testing.T) {
	t.Helper()
	if got, _ := k.get(t, "vault", "victim"); got != victim {
		t.Errorf("victim = %q; want it as it was", got)
	}
	for bucket, n := range map[string]int32{"vault": 1, "open": 0} {
		l, err := k.s3.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket})
		check(t, "ListObjectsV2", err)
		if *l.KeyCount != n {
			t.Errorf("%s holds %d objects; want %d", bucket, *l.KeyCount, n)
		}
		e, err := k.s3.GetBucketEncryption(t.Context(), &s3.GetBucketEncryptionInput{Bucket: &bucket})
		check(t, "GetBucketEncryption", err)
		want(t, "blocks", fmt.Sprint(e.ServerSideEncryptionConfiguration.Rules[0].BlockedEncryptionTypes.EncryptionType), "[SSE-C]")
	}
}

// TestUnsignedHeaders adds headers to requests after they were signed. Several
// servers took an x-amz-copy-source that no one had signed, so that a URL for an
// upload read any object as its signer (CVE-2026-54330 in Ceph, and others in
// September 2026).
func TestUnsignedHeaders(t *testing.T) {
	t.Parallel()
	k := besieged(t)
	for _, header := range [][2]string{
		{"x-amz-copy-source", "/vault/victim"}, {"X-AMZ-COPY-SOURCE", "vault/victim"}, {"x-amz-copy-source-range", "bytes=0-1"},
		{"x-amz-metadata-directive", "REPLACE"}, {"x-amz-acl", "private"}, {"x-amz-tagging", "a=b"}, {"x-amz-meta-role", "admin"},
		{"x-amz-server-side-encryption", "AES256"}, {"x-amz-server-side-encryption-customer-algorithm", "AES256"},
		{"x-amz-storage-class", "GLACIER"}, {"x-amz-website-redirect-location", "https://evil.example"},
		{"x-amz-security-token", "x"}, {"x-amz-bypass-governance-retention", "true"}, {"x-amz-unheard-of", "x"},
	} {
		for _, presigned := range []bool{false, true} {
			req, err := http.NewRequest("PUT", k.endpoint+"/open/taken", strings.NewReader("x"))
			check(t, "NewRequest", err)
			if presigned {
				u, _ := k.presign(t, "PUT", "/open/taken", time.Minute, time.Now())
				req.URL, err = url.Parse(u)
				check(t, "Parse", err)
			} else {
				k.sign(t, req, hexSHA256([]byte("x")))
			}
			req.Header[header[0]] = []string{header[1]}
			status, body := k.send(t, req)
			doing := fmt.Sprintf("PUT with an unsigned %s, presigned %t", header[0], presigned)
			answers(t, doing, status, body, 403, "AccessDenied")
			if !strings.Contains(body, strings.ToLower(header[0])) {
				t.Errorf("%s = %s; want the name of the header", doing, body)
			}
		}
	}
	// The query of a URL is signed whole.
	u, _ := k.presign(t, "PUT", "/open/taken", time.Minute, time.Now())
	status, body := k.do(t, "PUT", u+"&x-amz-copy-source=%2Fvault%2Fvictim", "")
	answers(t, "PUT with a copy source put into the URL", status, body, 403, "SignatureDoesNotMatch")
	k.untouched(t)
}

// attackedRequests are requests that change or tell something.
var attackedRequests = []struct{ method, target, body string }{
	{"PUT", "/open/new", "x"},
	{"PUT", "/vault/victim", "overwritten"},
	{"DELETE", "/vault/victim", ""},
	{"GET", "/vault/victim", ""},
	{"HEAD", "/vault/victim", ""},
	{"GET", "/vault", ""},
	{"GET", "/vault?list-type=2", ""},
	{"GET", "/", ""},
	{"PUT", "/brand-new", ""},
	{"DELETE", "/open", ""},
	{"POST", "/vault?delete", "<Delete><Object><Key>victim</Key></Object></Delete>"},
	{"POST", "/open/new?uploads", ""},
	{"PUT", "/open/new?uploadId=x&partNumber=1", "x"},
	{"POST", "/open/new?uploadId=x", "<CompleteMultipartUpload/>"},
	{"PUT", "/vault/victim?tagging", "<Tagging><TagSet/></Tagging>"},
	{"PUT", "/vault?versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"},
	{"PUT", "/vault?encryption", "<ServerSideEncryptionConfiguration><Rule><BlockedEncryptionTypes><EncryptionType>NONE</EncryptionType></BlockedEncryptionTypes></Rule></ServerSideEncryptionConfiguration>"},
	{"PUT", "/vault/victim?encryption", "<ObjectEncryption/>"},
}

// payloadModes are the ways in which a signed request may declare its body.
var payloadModes = []string{"", "UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}

// TestBadSignatures sends every request with every kind of payload and a
// signature that does not hold. Servers have skipped the check for one payload
// mode (CVE-2025-31489, CVE-2026-40344 in MinIO) and for one kind of operation
// (CVE-2020-11012 there: an access key without its secret).
func TestBadSignatures(t *testing.T) {
	t.Parallel()
	k := besieged(t)
	spoil := map[string]func(authorization string) string{
		"a digit changed": func(a string) string {
			last := a[len(a)-1]
			return a[:len(a)-1] + map[bool]string{true: "1", false: "0"}[last == '0']
		},
		"none":      func(a string) string { return a[:strings.Index(a, "Signature=")+len("Signature=")] },
		"shortened": func(a string) string { return a[:len(a)-2] },
		"left out":  func(a string) string { return a[:strings.Index(a, ", Signature=")] },
		"of another key": func(a string) string {
			return strings.Replace(a, k.keyID, "AKIAIOSFODNN7EXAMPLE", 1)
		},
		"of another service": func(a string) string { return strings.Replace(a, "/s3/", "/iam/", 1) },
		"of another region":  func(a string) string { return strings.Replace(a, "/us-east-1/", "/eu-west-1/", 1) },
		"of no headers":      func(a string) string { return strings.Replace(a, "host;", "", 1) },
	}
	for _, r := range attackedRequests {
		for _, mode := range payloadModes {
			for name, change := range spoil {
				req, err := http.NewRequest(r.method, k.endpoint+r.target, strings.NewReader(r.body))
				check(t, "NewRequest", err)
				payload := mode
				if mode == "" {
					payload = hexSHA256([]byte(r.body))
				}
				if strings.HasPrefix(mode, "STREAMING") {
					req.Header.Set("Content-Encoding", "aws-chunked")
					req.Header.Set("X-Amz-Decoded-Content-Length", fmt.Sprint(len(r.body)))
				}
				if strings.HasSuffix(mode, "TRAILER") {
					req.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32")
				}
				k.sign(t, req, payload)
				req.Header.Set("Authorization", change(req.Header.Get("Authorization")))
				if status, body := k.send(t, req); status != 403 && status != 400 && !(name == "of another service" && status == 501) {
					t.Errorf("%s %s, payload %q, signature %s = %d %s; want 403 or 400", r.method, r.target, mode, name, status, body)
				}
			}
		}
		// In the query.
		u, _ := k.presign(t, r.method, r.target, time.Minute, time.Now())
		for name, bad := range map[string]string{
			"changed":  u[:len(u)-1] + map[bool]string{true: "1", false: "0"}[u[len(u)-1] == '0'],
			"left out": u[:strings.Index(u, "&X-Amz-Signature=")],
			"empty":    u[:strings.Index(u, "&X-Amz-Signature=")] + "&X-Amz-Signature=",
		} {
			if status, body := k.do(t, r.method, bad, r.body); status != 403 && status != 400 {
				t.Errorf("%s %s, signature of the URL %s = %d %s; want 403 or 400", r.method, r.target, name, status, body)
			}
		}
	}
	k.untouched(t)
	_, err := k.s3.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: ptr("brand-new")})
	wantStatus(t, "HeadBucket of what was refused", err, 404)
}

// chunked signs a streamed upload, chunk by chunk, and returns its request.
// Spoil may change the framed body.
func (k *sdk) chunked(t *testing.T, target, trailer string, spoil func(string) string, chunks ...string) *http.Request {
	t.Helper()
	mode, length := "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", 0
	for _, c := range chunks {
		length += len(c)
	}
	req, err := http.NewRequest("PUT", k.endpoint+target, nil)
	check(t, "NewRequest", err)
	req.Header.Set("Content-Encoding", "aws-chunked")
	req.Header.Set("X-Amz-Decoded-Content-Length", fmt.Sprint(length))
	if trailer != "" {
		mode += "-TRAILER"
		req.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32")
	}
	k.sign(t, req, mode)
	_, signature, _ := strings.Cut(req.Header.Get("Authorization"), "Signature=")
	date := req.Header.Get("X-Amz-Date")
	key := k.signingKey(date[:8])
	next := func(kind, parts string) string {
		signature = fmt.Sprintf("%x", mac(key, kind+"\n"+date+"\n"+date[:8]+"/"+k.region+"/s3/aws4_request\n"+signature+"\n"+parts))
		return signature
	}
	var b strings.Builder
	for _, c := range append(chunks, "") {
		s := next("AWS4-HMAC-SHA256-PAYLOAD", hexSHA256(nil)+"\n"+hexSHA256([]byte(c)))
		fmt.Fprintf(&b, "%x;chunk-signature=%s\r\n%s", len(c), s, c)
		if c != "" {
			b.WriteString("\r\n")
		}
	}
	if trailer != "" {
		line := "x-amz-checksum-crc32:" + trailer
		fmt.Fprintf(&b, "%s\r\nx-amz-trailer-signature:%s\r\n", line, next("AWS4-HMAC-SHA256-TRAILER", hexSHA256([]byte(line+"\n"))))
	}
	b.WriteString("\r\n")
	body := b.String()
	if spoil != nil {
		body = spoil(body)
	}
	req.Body, req.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	return req
}

// TestSignedChunks changes the chunks and the trailer of an upload whose first
// signature holds.
func TestSignedChunks(t *testing.T) {
	t.Parallel()
	k := besieged(t)
	one, two := string(random(1, 64<<10)), "the end"
	crc := encoded("CRC32", []byte(one+two))
	for _, trailer := range []string{"", crc} {
		status, body := k.send(t, k.chunked(t, "/open/good", trailer, nil, one, two))
		answers(t, "a signed stream", status, body, 200, "")
		if got, _ := k.get(t, "open", "good"); got != one+two {
			t.Errorf("signed stream = %d bytes that differ; want its data alone", len(got))
		}
		for name, spoil := range map[string]func(string) string{
			"data changed":    func(b string) string { return strings.Replace(b, two, "THE END", 1) },
			"a chunk dropped": func(b string) string { return "7;" + b[strings.Index(b, "\r\n7;")+4:] },
			"chunks swapped": func(b string) string {
				i := strings.Index(b, "\r\n7;") + 2
				j := strings.Index(b, "the end\r\n") + 9
				return b[i:j] + b[:i] + b[j:]
			},
			"a signature empty": func(b string) string { i := strings.Index(b, "chunk-signature=") + 16; return b[:i] + b[i+64:] },
			"no signatures":     func(b string) string { i := strings.Index(b, ";"); return b[:i] + b[i+81:] },
			"cut short":         func(b string) string { return b[:strings.Index(b, two)] },
			"no last chunk":     func(b string) string { return b[:strings.Index(b, "\r\n0;")+2] },
		} {
			status, _ := k.send(t, k.chunked(t, "/open/bad", trailer, spoil, one, two))
			if status != 403 && status != 400 {
				t.Errorf("a stream with %s = %d; want 403 or 400", name, status)
			}
			refused(t, "GetObject of a stream with "+name, k.getErr("open", "bad"), "NoSuchKey")
		}
	}
	for name, spoil := range map[string]func(string) string{
		"another checksum": func(b string) string { return strings.Replace(b, crc, encoded("CRC32", nil), 1) },
		"another signature": func(b string) string {
			i := strings.Index(b, "trailer-signature:") + 18
			return b[:i] + strings.Repeat("0", 64) + b[i+64:]
		},
		"no signature": func(b string) string { return b[:strings.Index(b, "x-amz-trailer-signature")] + "\r\n" },
		"a header that is extra": func(b string) string {
			return strings.Replace(b, "x-amz-checksum-crc32:", "x-amz-meta-a:b\r\nx-amz-checksum-crc32:", 1)
		},
	} {
		status, _ := k.send(t, k.chunked(t, "/open/bad", crc, spoil, one, two))
		if status != 403 && status != 400 {
			t.Errorf("a trailer with %s = %d; want 403 or 400", name, status)
		}
		refused(t, "GetObject of a stream whose trailer has "+name, k.getErr("open", "bad"), "NoSuchKey")
	}
	// An envelope that is not declared is not stored as if it were the data,
	// which corrupted backups elsewhere.
	status, body := k.signed(t, "PUT", "/open/envelope", "7\r\nthe end\r\n0\r\n\r\n", "Content-Encoding", "aws-chunked", "X-Amz-Decoded-Content-Length", "7")
	if got := k.getErr("open", "envelope"); status == 200 && got == nil {
		if stored, _ := k.get(t, "open", "envelope"); stored != "7\r\nthe end\r\n0\r\n\r\n" {
			t.Errorf("envelope that was declared as the data = %q", stored)
		}
	} else if status != 400 && status != 403 {
		t.Errorf("an envelope that is not declared = %d %s", status, body)
	}
}

// TestTwoSignatures sends credentials in the header and in the query at once:
// where one way was checked and the other believed, any name would do
// (GHSA-9c4q-hq6p-c237 in MinIO).
func TestTwoSignatures(t *testing.T) {
	t.Parallel()
	k := besieged(t)
	for _, r := range attackedRequests {
		u, _ := k.presign(t, r.method, r.target, time.Minute, time.Now())
		for name, authorization := range map[string]string{
			"a good header": "", "a made-up header": "AWS4-HMAC-SHA256 Credential=" + k.keyID + "/20261121/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00",
			"version 2": "AWS " + k.keyID + ":c2lnbmF0dXJl", "a bearer": "Bearer x",
		} {
			req, err := http.NewRequest(r.method, u, strings.NewReader(r.body))
			check(t, "NewRequest", err)
			if authorization == "" {
				k.sign(t, req, hexSHA256([]byte(r.body)))
			} else {
				req.Header.Set("Authorization", authorization)
			}
			if status, body := k.send(t, req); status != 400 && status != 403 {
				t.Errorf("%s %s with a signed URL and %s = %d %s; want 400", r.method, r.target, name, status, body)
			}
		}
		// Credentials that are only named.
		named := k.endpoint + r.target + map[bool]string{true: "&", false: "?"}[strings.Contains(r.target, "?")] + "X-Amz-Credential=" + url.QueryEscape(k.keyID+"/20261121/us-east-1/s3/aws4_request")
		for _, u := range []string{named, named + "&X-Amz-Algorithm=AWS4-HMAC-SHA256", named + "&AWSAccessKeyId=" + k.keyID} {
			if status, body := k.do(t, r.method, u, r.body); status != 400 && status != 403 {
				t.Errorf("%s %s by %s = %d %s; want 403", r.method, r.target, u, status, body)
			}
		}
	}
	k.untouched(t)
}

// TestFormBucket posts forms into other buckets than the signer meant. Servers
// have trusted the form's bucket, or never compared it with the policy's
// (CVE-2023-28434 in MinIO, CVE-2023-43040 in Ceph).
func TestFormBucket(t *testing.T) {
	t.Parallel()
	k := besieged(t)
	later := time.Now().Add(time.Hour)
	anyKey := []string{"starts-with", "$key", ""}
	policy := k.policy(later, map[string]string{"bucket": "open"}, anyKey)
	key := []string{"key", "victim"}
	for name, c := range map[string]struct {
		bucket string
		fields []string
	}{
		"another bucket in the URL":            {"vault", append(policy[:len(policy):len(policy)], key...)},
		"another bucket in the URL, and named": {"vault", append(append(policy[:len(policy):len(policy)], key...), "bucket", "open")},
		"another bucket in the form":           {"open", append(append(policy[:len(policy):len(policy)], key...), "bucket", "vault")},
		"the bucket twice":                     {"open", append(append(policy[:len(policy):len(policy)], key...), "bucket", "open", "Bucket", "vault")},
		"the key twice":                        {"open", append(append(policy[:len(policy):len(policy)], key...), "Key", "other")},
		"a policy of another":                  {"open", append(append([]string{"policy", "e30="}, policy[2:]...), key...)},
		"a copy source":                        {"open", append(append(policy[:len(policy):len(policy)], key...), "x-amz-copy-source", "/vault/victim")},
		"no signature":                         {"open", append(policy[:len(policy)-2:len(policy)-2], key...)},
		"a reserved place":                     {"_coffer/dev/clock", append(policy[:len(policy):len(policy)], key...)},
	} {
		res, body := k.post(t, c.bucket, form{c.fields, "overwritten"})
		if res.StatusCode < 400 {
			t.Errorf("form with %s = %d %s; want a refusal", name, res.StatusCode, body)
		}
	}
	res, body := k.post(t, "open", form{append(policy[:len(policy):len(policy)], key...), "x"}, "Authorization", "AWS "+k.keyID+":x")
	answers(t, "a form with a header of authorization", res.StatusCode, body, 400, "")
	k.untouched(t)
}

// TestHeaderInjection tries to break out of a header of an answer through what
// was stored or asked for (CVE-2020-10753 and CVE-2021-3524 in Ceph).
func TestHeaderInjection(t *testing.T) {
	t.Parallel()
	k := besieged(t)
	const evil = "x\r\nX-Evil: 1\r\n\r\n<script>"
	for _, header := range []string{"x-amz-meta-a", "x-amz-website-redirect-location", "x-amz-storage-class"} {
		u, _ := k.presign(t, "PUT", "/open/o?"+header+"="+url.QueryEscape(evil), time.Minute, time.Now())
		if status, body := k.do(t, "PUT", u, "x"); status != 400 {
			t.Errorf("PUT with line breaks in %s = %d %s; want 400", header, status, body)
		}
	}
	later := time.Now().Add(time.Hour)
	// Of the fields of a form metadata may hold any text, and a redirect that is
	// no URL counts as none.
	for field, wantStatus := range map[string]int{"Content-Type": 400, "Cache-Control": 400, "Content-Disposition": 400, "x-amz-meta-a": 204, "success_action_redirect": 204} {
		res, body := k.post(t, "open", form{append(k.policy(later, []string{"starts-with", "$key", ""}, []string{"starts-with", "$" + field, ""}), "key", "form", field, evil), "x"})
		if res.StatusCode != wantStatus || res.Header.Get("X-Evil") != "" {
			t.Errorf("form with line breaks in %s = %d %s; want %d", field, res.StatusCode, body, wantStatus)
		}
	}
	k.post(t, "open", form{append(k.policy(later, []string{"starts-with", "$key", ""}, []string{"starts-with", "$x-amz-meta-a", ""}), "key", "form", "x-amz-meta-a", evil), "x"})
	stored := k.signedResponse(t, "GET", "/open/form")
	if stored.Header.Get("X-Evil") != "" || !strings.HasPrefix(stored.Header.Get("X-Amz-Meta-A"), "=?UTF-8?") {
		t.Errorf("GET of metadata with line breaks answers %v; want an encoded word", stored.Header)
	}
	for _, override := range []string{"content-type", "content-disposition", "cache-control", "content-language", "content-encoding", "expires"} {
		u, _ := k.presign(t, "GET", "/vault/victim?response-"+override+"="+url.QueryEscape(evil), time.Minute, time.Now())
		res, err := k.http.Get(u)
		check(t, "GET", err)
		res.Body.Close()
		if res.Header.Get("X-Evil") != "" || strings.Contains(fmt.Sprint(res.Header), "\n") {
			t.Errorf("GET with line breaks in response-%s answers %v", override, res.Header)
		}
	}
	// Objects are content of strangers on the host of an API.
	k.put(t, "open", "page.html", "<script>alert(1)</script>", func(in *s3.PutObjectInput) { in.ContentType = ptr("text/html") })
	res := k.signedResponse(t, "GET", "/open/page.html")
	want(t, "Content-Security-Policy", res.Header.Get("Content-Security-Policy"), "sandbox")
	want(t, "X-Content-Type-Options", res.Header.Get("X-Content-Type-Options"), "nosniff")
}

func (k *sdk) signedResponse(t *testing.T, method, target string) *http.Response {
	t.Helper()
	req, err := http.NewRequest(method, k.endpoint+target, nil)
	check(t, "NewRequest", err)
	k.sign(t, req, hexSHA256(nil))
	res, err := k.http.Do(req)
	check(t, method+" "+target, err)
	res.Body.Close()
	return res
}

// TestAnonymousOracle compares the answers to requests without a signature:
// conditions and ranges on them told strangers what an object was
// (CVE-2024-36107 in MinIO).
func TestAnonymousOracle(t *testing.T) {
	t.Parallel()
	k := besieged(t)
	etag := md5ETag(victim)
	clean := func(body string) string {
		for _, element := range []string{"RequestId", "HostId", "Resource", "Key"} {
			if i, j := strings.Index(body, "<"+element+">"), strings.Index(body, "</"+element+">"); i >= 0 && j > i {
				body = body[:i] + body[j:]
			}
		}
		return body
	}
	var first string
	for _, method := range []string{"GET", "HEAD"} {
		first = ""
		for _, target := range []string{"/vault/victim", "/vault/none", "/vault/victim?versionId=null", "/vault/victim?versionId=abc", "/vault/none?versionId=abc"} {
			for _, header := range [][]string{nil, {"If-Match", etag}, {"If-Match", `"other"`}, {"If-None-Match", etag}, {"If-None-Match", "*"},
				{"If-Modified-Since", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)}, {"If-Unmodified-Since", "Mon, 02 Jan 2006 15:04:05 GMT"},
				{"Range", "bytes=0-1"}, {"Range", "bytes=999-"}, {"x-amz-checksum-mode", "ENABLED"}} {
				status, body := k.do(t, method, k.endpoint+target, "", header...)
				got := fmt.Sprint(status, clean(body))
				if first == "" {
					first = got
					want(t, "status of an anonymous "+method, status, 403)
				}
				if got != first {
					t.Errorf("anonymous %s %s %v = %s; want %s as of any", method, target, header, got, first)
				}
			}
		}
	}
}

// TestPathConfusion writes names that one reader of a request may see otherwise
// than the next: what is authorized must be what is used (CVE-2026-42882 in
// s3-proxy, and mistakes of RustFS and versitygw).
func TestPathConfusion(t *testing.T) {
	t.Parallel()
	k := besieged(t)
	k.put(t, "open", "own", "own")
	for _, target := range []string{"/open/../vault/victim", "/open/%2e%2e/vault/victim", "/open/..%2Fvault%2Fvictim", "/open/%2e%2e%2fvault%2fvictim",
		"/open//vault/victim", "//vault/victim", "/open%2F..%2Fvault/victim", "/vault%2Fvictim", "/open/./../vault/victim", "/open/..;/vault/victim",
		"/open/%252e%252e/vault/victim", `/open/..\vault\victim`, "/open/%5c..%5cvault", "/_coffer/../vault/victim", "/vault/./victim", "/vault//victim", "/vault/victim/", "/vault/victim%00"} {
		for _, signed := range []bool{true, false} {
			req := &http.Request{Method: "GET", Host: strings.TrimPrefix(k.endpoint, "http://"), Header: http.Header{}}
			u, err := url.Parse(k.endpoint)
			check(t, "Parse", err)
			u.Opaque = "//" + u.Host + target // sent as it is
			req.URL = u
			if signed {
				k.sign(t, req, hexSHA256(nil))
			}
			if status, body := k.send(t, req); status < 400 || strings.Contains(body, victim) {
				t.Errorf("GET %s, signed %t = %d %s; want no other object", target, signed, status, body)
			}
		}
	}
	for source, wantCode := range map[string]string{
		"open/../vault/victim": "NoSuchKey", "open/%2e%2e/vault/victim": "NoSuchKey", "open/..%2Fvault%2Fvictim": "NoSuchKey", "/open//own": "NoSuchKey",
		"open%2F..%2Fvault/victim": "InvalidArgument", "vault%2Fvictim": "InvalidArgument", "//vault/victim": "InvalidArgument", "vault/victim?versionId=": "InvalidArgument",
		"vault/victim?versionId=null&x=y": "InvalidArgument", "vault/victim?other": "InvalidArgument", "vault/victim%3FversionId=null": "NoSuchKey", "vault/victim%00": "NoSuchKey",
	} {
		_, err := k.copyErr("open", "copied", source)
		refused(t, "CopyObject of "+source, err, wantCode)
	}
	_, err := k.s3.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: ptr("open"), Key: ptr("own")})
	check(t, "DeleteObject", err)
	k.untouched(t)
}

// TestNoSharedSecrets compares two fresh installations. Constant keys and tokens
// let anyone in (CVE-2025-68926 in RustFS, CVE-2026-113466 in MinIO's console).
func TestNoSharedSecrets(t *testing.T) {
	t.Parallel()
	a, b := besieged(t, "--tls-self-signed"), besieged(t, "--tls-self-signed")
	if a.keyID == b.keyID || a.secret == b.secret {
		t.Error("two installations have the same credentials")
	}
	seen := map[[32]byte]string{}
	err := filepath.WalkDir(a.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		sum, err := sumOf(path)
		seen[sum] = path
		return err
	})
	check(t, "walk", err)
	for _, dir := range []string{"root", "tls"} {
		err := filepath.WalkDir(filepath.Join(b.dir, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			check(t, "Info", err)
			sum, err := sumOf(path)
			if same := seen[sum]; same != "" && info.Size() > 64 {
				t.Errorf("%s and %s are the same", path, same)
			}
			return err
		})
		check(t, "walk", err)
	}
	// What one signed or sealed, the other does not take.
	stranger := *b
	stranger.server = &server{t: t, endpoint: b.endpoint, keyID: a.keyID, secret: a.secret, region: b.region}
	status, body := stranger.signed(t, "GET", "/vault", "")
	answers(t, "credentials of another installation", status, body, 403, "InvalidAccessKeyId")
	key := a.key(t)
	e, err := a.kms.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x")})
	check(t, "Encrypt", err)
	_, err = b.kms.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: e.CiphertextBlob})
	if code := code(err); code != "InvalidCiphertextException" && code != "AccessDeniedException" && code != "NotFoundException" {
		t.Errorf("Decrypt of another installation's ciphertext = %v; want a refusal", err)
	}
}

func sumOf(path string) ([32]byte, error) {
	b, err := os.ReadFile(path)
	return sha256.Sum256(b), err
}

// kmsOperations are all operations of KMS.
var kmsOperations = strings.Fields(`CancelKeyDeletion ConnectCustomKeyStore CreateAlias CreateCustomKeyStore CreateGrant CreateKey Decrypt DeleteAlias
DeleteCustomKeyStore DeleteImportedKeyMaterial DeriveSharedSecret DescribeCustomKeyStores DescribeKey DisableKey DisableKeyRotation
DisconnectCustomKeyStore EnableKey EnableKeyRotation Encrypt GenerateDataKey GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext
GenerateDataKeyWithoutPlaintext GenerateMac GenerateRandom GetKeyLastUsage GetKeyPolicy GetKeyRotationStatus GetParametersForImport GetPublicKey ImportKeyMaterial
ListAliases ListGrants ListKeyPolicies ListKeyRotations ListKeys ListResourceTags ListRetirableGrants PutKeyPolicy ReEncrypt ReplicateKey RetireGrant
RevokeGrant RotateKeyOnDemand ScheduleKeyDeletion Sign TagResource UntagResource UpdateAlias UpdateCustomKeyStore UpdateKeyDescription
UpdatePrimaryRegion Verify VerifyMac NoSuchOperation`)

// subresources are the query parameters that select operations of S3.
var subresources = strings.Fields(`abac accelerate acl analytics annotation annotations attributes cors delete encryption intelligent-tiering inventory
legal-hold lifecycle list-type=2 location logging metadataConfiguration metadataTable metrics notification object-lock ownershipControls policy
policyStatus publicAccessBlock renameObject replication requestPayment restore retention select session tagging torrent uploadId=x uploads
versioning versions website`)

// TestEveryDoor knocks without a signature: at every operation of S3 and KMS, at
// services that are not there, and at the operators' paths. Forgotten endpoints
// answered everyone in several servers (CVE-2023-28432 in MinIO told the root
// password).
func TestEveryDoor(t *testing.T) {
	t.Parallel()
	k := besieged(t, "--dev-clock")
	forged := []string{"userid", k.keyID, "aws-principalarn", "arn:aws:iam::123456789012:root", "x-forwarded-for", "127.0.0.1", "x-real-ip", "127.0.0.1",
		"x-forwarded-user", "root", "cookie", "session=root", "x-original-url", "/_coffer/health/live"}
	for _, method := range []string{"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "TRACE", "COPY"} {
		for _, path := range []string{"/", "/vault", "/vault/", "/vault/victim", "/brand-new", "/open/new"} {
			for _, query := range append([]string{""}, subresources...) {
				status, body := k.do(t, method, k.endpoint+path+"?"+query, "", forged...)
				if status < 400 || strings.Contains(body, victim) {
					t.Errorf("anonymous %s %s?%s = %d %s; want a refusal", method, path, query, status, body)
				}
				if status == 500 || status == 501 && method == "GET" && query == "" {
					t.Errorf("anonymous %s %s?%s = %d %s", method, path, query, status, body)
				}
			}
		}
		for _, name := range []string{"", "health", "health/live", "health/ready", "metrics", "dev/clock", "clock", "clock/confirm", "admin", "debug/pprof/", "v1/keys", "../vault/victim", "credentials", "root", "console", "console/"} {
			status, body := k.do(t, method, k.endpoint+"/_coffer/"+name, `{"advance":"1h"}`, forged...)
			open := (method == "GET" || method == "HEAD") && (strings.HasPrefix(name, "health/") || name == "metrics")
			if open != (status == 200) {
				t.Errorf("anonymous %s /_coffer/%s = %d %s; want it to be open: %t", method, name, status, body, open)
			}
			if strings.Contains(body, k.secret) || strings.Contains(body, k.keyID) {
				t.Errorf("%s /_coffer/%s tells credentials", method, name)
			}
		}
	}
	for _, op := range kmsOperations {
		status, body := k.do(t, "POST", k.endpoint+"/", "{}", "X-Amz-Target", "TrentService."+op, "Content-Type", "application/x-amz-json-1.1")
		if status != 400 || !strings.Contains(body, "MissingAuthenticationTokenException") {
			t.Errorf("anonymous %s = %d %s; want MissingAuthenticationTokenException", op, status, body)
		}
	}
	for _, c := range []struct{ contentType, target, body, want string }{
		{"application/x-www-form-urlencoded", "", "Action=GetCallerIdentity&Version=2011-06-15", "<Code>"},
		{"application/x-www-form-urlencoded", "", "Action=CreateUser&UserName=x&Version=2010-05-08", "<Code>"},
		{"application/x-amz-json-1.1", "AWSOrganizationsV20161128.ListAccounts", "{}", "__type"},
		{"application/x-amz-json-1.1", "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents", "{}", "__type"},
	} {
		header := []string{"Content-Type", c.contentType}
		if c.target != "" {
			header = append(header, "X-Amz-Target", c.target)
		}
		if status, body := k.do(t, "POST", k.endpoint+"/", c.body, header...); status < 400 || !strings.Contains(body, c.want) {
			t.Errorf("anonymous %s%s = %d %s; want a refusal in its own protocol", c.target, c.body, status, body)
		}
	}
	k.untouched(t)
}

// TestInternalHeaders sends the headers with which nodes of other servers speak
// among themselves: taken from clients, they planted metadata and skipped
// encryption (MinIO's X-Minio-Replication and X-Minio-Source families).
func TestInternalHeaders(t *testing.T) {
	t.Parallel()
	k := besieged(t)
	for _, header := range []string{"X-Minio-Replication-Server-Side-Encryption-Sealed-Key", "X-Minio-Replication-Ssec-Crc", "X-Minio-Source-Mtime", "X-Minio-Source-Etag",
		"X-Minio-Extract", "X-Minio-Force-Delete", "X-Amz-Internal-Owner", "X-Amz-Server-Side-Encryption-Sealed-Key", "X-Amz-Replication-Status", "X-Amz-Version-Id"} {
		status, body := k.signed(t, "PUT", "/open/o", "x", header, "x")
		if status != 400 && status != 501 {
			t.Errorf("PUT with %s = %d %s; want 400 or 501", header, status, body)
		}
	}
	k.untouched(t)
	// The same names below x-amz-meta- are the client's own and mean nothing.
	k.put(t, "open", "o", "x", func(in *s3.PutObjectInput) {
		in.Metadata = map[string]string{"x-minio-internal-server-side-encryption-sealed-key": "x", "server-side-encryption": "none"}
	})
	want(t, "metadata", len(k.head(t, "open", "o").Metadata), 2)
	got, out := k.get(t, "open", "o")
	want(t, "object", got+string(out.ServerSideEncryption), "xAES256")
}

// TestForgedAddress claims to come from this machine, or over TLS, through the
// headers of proxies: SSE-C keys go over plain HTTP from loopback only
// (CVE-2026-21862 in RustFS believed X-Forwarded-For).
func TestForgedAddress(t *testing.T) {
	t.Parallel()
	addrs, err := net.InterfaceAddrs()
	check(t, "InterfaceAddrs", err)
	var host string
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			host = n.IP.String()
		}
	}
	if host == "" {
		t.Skip("this machine has no address but loopback")
	}
	k := besieged(t, "--listen", "0.0.0.0:0", "--allow-sse-c")
	_, err = k.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: ptr("customers")})
	check(t, "CreateBucket", err)
	k.put(t, "customers", "loopback", "x", func(in *s3.PutObjectInput) { setPutKey(in, random(1, 32)) })
	u, err := url.Parse(k.endpoint)
	check(t, "Parse", err)
	k.endpoint = "http://" + net.JoinHostPort(host, u.Port())
	algorithm, key, digest := sseC(random(1, 32))
	for _, forged := range [][]string{nil, {"X-Forwarded-For", "127.0.0.1"}, {"X-Real-Ip", "127.0.0.1"}, {"Forwarded", "for=127.0.0.1;proto=https"},
		{"X-Forwarded-Proto", "https"}, {"True-Client-Ip", "127.0.0.1"}, {"X-Forwarded-For", "::1"}} {
		status, body := k.signed(t, "PUT", "/customers/o", "x", append([]string{"x-amz-server-side-encryption-customer-algorithm", *algorithm,
			"x-amz-server-side-encryption-customer-key", *key, "x-amz-server-side-encryption-customer-key-md5", *digest}, forged...)...)
		answers(t, fmt.Sprint("SSE-C over plain HTTP from outside with ", forged), status, body, 400, "InvalidRequest")
	}
}

// TestScopes uses a signature for another service or operation than it was made
// for (CVE-2025-65073 in Keystone made tokens of leaked presigned URLs).
func TestScopes(t *testing.T) {
	t.Parallel()
	k := besieged(t)
	u, _ := k.presign(t, "GET", "/vault/victim", time.Minute, time.Now())
	query := u[strings.Index(u, "?"):]
	for _, target := range []string{"/", "/vault", "/vault/other", "/_coffer/clock", "/_coffer/dev/clock", "/vault/victim/"} {
		status, body := k.do(t, "GET", k.endpoint+target+query, "")
		if status < 400 {
			t.Errorf("GET %s with the query of another URL = %d %s; want a refusal", target, status, body)
		}
	}
	// A URL of S3 at KMS.
	status, body := k.do(t, "POST", k.endpoint+"/"+query, "{}", "X-Amz-Target", "TrentService.ListKeys", "Content-Type", "application/x-amz-json-1.1")
	if status < 400 {
		t.Errorf("ListKeys with a URL of S3 = %d %s; want a refusal", status, body)
	}
	// An S3 signature at KMS, and a policy of a form as a header.
	req, err := http.NewRequest("POST", k.endpoint+"/", bytes.NewReader([]byte("{}")))
	check(t, "NewRequest", err)
	req.Header.Set("X-Amz-Target", "TrentService.ListKeys")
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	k.sign(t, req, hexSHA256([]byte("{}")))
	if status, body := k.send(t, req); status < 400 {
		t.Errorf("ListKeys signed for S3 = %d %s; want a refusal", status, body)
	}
	cookie := base64.StdEncoding.EncodeToString([]byte(k.keyID + ":" + k.secret))
	status, body = k.do(t, "GET", k.endpoint+"/vault/victim", "", "Authorization", "Basic "+cookie)
	if status != 400 && status != 403 {
		t.Errorf("GET with basic authentication = %d %s; want a refusal", status, body)
	}
}
