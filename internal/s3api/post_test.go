package s3api

import (
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/checksum"
	"coffer/internal/s3"
)

// policyAuth takes the policy field, as JSON, for signed by the root user.
type policyAuth struct{ signedIn }

func (a policyAuth) Post(r *http.Request, fields map[string]string, f authn.Facts) (*authn.Caller, []byte, error) {
	c := &authn.Caller{Type: authn.TypeRoot, Account: account, AuthType: authn.AuthPost}
	policy, ok := fields["policy"]
	if !ok {
		return &authn.Caller{Type: authn.TypeAnonymous}, nil, nil
	}
	b, err := base64.StdEncoding.DecodeString(policy)
	return c, b, err
}

func postRig() *rig {
	g := newRig(true)
	g.h.auth = policyAuth{signedIn{g.h.auth.(*authn.Authenticator)}}
	return g
}

// multipartForm builds a form of "name=value" fields; "file=content" is a file
// named up\load.txt.
func multipartForm(fields ...string) string {
	var b strings.Builder
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		b.WriteString("--BOUNDARY\r\nContent-Disposition: form-data; name=\"" + name + "\"")
		if name == "file" {
			b.WriteString("; filename=\"C:/up/load.txt\"\r\nContent-Type: text/html")
		}
		b.WriteString("\r\n\r\n" + value + "\r\n")
	}
	return b.String() + "--BOUNDARY--\r\n"
}

const formType = "Content-Type: multipart/form-data; boundary=BOUNDARY"

func encoded(policy string) string {
	return "policy=" + base64.StdEncoding.EncodeToString([]byte(policy))
}

const later = `"expiration": "2026-11-21T09:00:00.000Z"`

func TestPostPolicy(t *testing.T) {
	base := []string{"key=user/eric/a.txt", "Content-Type=text/plain"}
	ct := `["starts-with", "$Content-Type", "text/"]`
	tests := []struct {
		name, policy string
		fields       []string // in place of base
		file         string
		status       int
		code         string
	}{
		{name: "a policy that holds", policy: `{` + later + `, "conditions": [{"bucket": "b"}, ["starts-with", "$key", "user/eric/"], ` + ct + `]}`, status: 204},
		{name: "names in another case", policy: `{` + later + `, "conditions": [["EQ", "$KEY", "user/eric/a.txt"], {"content-TYPE": "text/plain"}]}`, status: 204},
		{name: "the policy of another bucket", policy: `{` + later + `, "conditions": [{"bucket": "other"}, ["starts-with", "$key", ""], ` + ct + `]}`, status: 403, code: "AccessDenied"},
		{name: "a form for another bucket", policy: `{` + later + `, "conditions": [{"bucket": "other"}, ["starts-with", "$key", ""]]}`, fields: []string{"key=k", "bucket=other"}, status: 400, code: "InvalidArgument"},
		{name: "a policy that has expired", policy: `{"expiration": "2026-11-21T08:00:00Z", "conditions": [["starts-with", "$key", ""], ` + ct + `]}`, status: 403, code: "AccessDenied"},
		{name: "another value", policy: `{` + later + `, "conditions": [{"key": "other"}, ` + ct + `]}`, status: 403, code: "AccessDenied"},
		{name: "a value in another case", policy: `{` + later + `, "conditions": [{"key": "USER/eric/a.txt"}, ` + ct + `]}`, status: 403, code: "AccessDenied"},
		{name: "another prefix", policy: `{` + later + `, "conditions": [["starts-with", "$key", "user/bob/"], ` + ct + `]}`, status: 403, code: "AccessDenied"},
		{name: "a field without a condition", policy: `{` + later + `, "conditions": [["starts-with", "$key", ""]]}`, status: 403, code: "AccessDenied"},
		{name: "an encryption field without a condition", policy: `{` + later + `, "conditions": [["starts-with", "$key", ""]]}`, fields: []string{"key=k", "x-amz-server-side-encryption=AES256"}, status: 403, code: "AccessDenied"},
		{name: "fields that need none", policy: `{` + later + `, "conditions": [["starts-with", "$key", ""]]}`, fields: []string{"key=k", "x-ignore-me=x", "bucket=b", "x-amz-signature=x"}, status: 204},
		{name: "a condition without its field", policy: `{` + later + `, "conditions": [["starts-with", "$key", ""], {"acl": "private"}]}`, fields: []string{"key=k"}, status: 403, code: "AccessDenied"},
		{name: "a condition without a dollar sign", policy: `{` + later + `, "conditions": [["eq", "key", "k"]]}`, fields: []string{"key=k"}, status: 403, code: "AccessDenied"},
		{name: "one of several types does not match", policy: `{` + later + `, "conditions": [["starts-with", "$key", ""], ` + ct + `]}`, fields: []string{"key=k", "Content-Type=text/plain, image/png"}, status: 403, code: "AccessDenied"},
		{name: "the size at its limits", policy: `{` + later + `, "conditions": [["starts-with", "$key", ""], ["content-length-range", 4, "4"]]}`, fields: []string{"key=k"}, file: "1234", status: 204},
		{name: "too small", policy: `{` + later + `, "conditions": [["starts-with", "$key", ""], ["content-length-range", 5, 10]]}`, fields: []string{"key=k"}, file: "1234", status: 400, code: "EntityTooSmall"},
		{name: "too large", policy: `{` + later + `, "conditions": [["starts-with", "$key", ""], ["content-length-range", 0, 3]]}`, fields: []string{"key=k"}, file: "1234", status: 400, code: "EntityTooLarge"},
		{name: "the narrowest of several ranges", policy: `{` + later + `, "conditions": [["starts-with", "$key", ""], ["content-length-range", 0, 3], ["content-length-range", 0, 10]]}`, fields: []string{"key=k"}, file: "1234", status: 400, code: "EntityTooLarge"},
		{name: "a range that is none", policy: `{` + later + `, "conditions": [["starts-with", "$key", ""], ["content-length-range", "test", 10]]}`, fields: []string{"key=k"}, status: 403, code: "AccessDenied"},
		{name: "an unknown operator", policy: `{` + later + `, "conditions": [["starts-with", "$key", ""], ["ends-with", "$key", "k"]]}`, fields: []string{"key=k"}, status: 400, code: "InvalidPolicyDocument"},
		{name: "two in one", policy: `{` + later + `, "conditions": [{"key": "k", "acl": "private"}]}`, fields: []string{"key=k"}, status: 400, code: "InvalidPolicyDocument"},
		{name: "a condition too long", policy: `{` + later + `, "conditions": [["eq", "$key", "k", "x"]]}`, fields: []string{"key=k"}, status: 400, code: "InvalidPolicyDocument"},
		{name: "a value that is no string", policy: `{` + later + `, "conditions": [{"key": 1}]}`, fields: []string{"key=k"}, status: 400, code: "InvalidPolicyDocument"},
		{name: "no expiration", policy: `{"conditions": []}`, status: 400, code: "InvalidPolicyDocument"},
		{name: "no conditions", policy: `{` + later + `}`, status: 400, code: "InvalidPolicyDocument"},
		{name: "a member that is not known", policy: `{` + later + `, "conditions": [], "x": 1}`, status: 400, code: "InvalidPolicyDocument"},
		{name: "no JSON", policy: `x`, status: 400, code: "InvalidPolicyDocument"},
		{name: "more than JSON", policy: `{` + later + `, "conditions": []} {}`, status: 400, code: "InvalidPolicyDocument"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := postRig()
			fields := tt.fields
			if fields == nil {
				fields = base
			}
			fields = append([]string{encoded(tt.policy)}, fields...)
			w := g.do("POST", "/b", multipartForm(append(fields, "file="+tt.file)...), formType)
			if w.Code != tt.status || tt.code != "" && code(t, w) != tt.code {
				t.Errorf("= %d %s; want %d %s", w.Code, w.Body, tt.status, tt.code)
			}
			if tt.status == 403 && g.calls != 0 {
				t.Error("the API was called")
			}
		})
	}
}

func TestPostFields(t *testing.T) {
	tests := []struct {
		name   string
		fields []string
		status int
		code   string
	}{
		{"no key", []string{"file=x"}, 400, "InvalidArgument"},
		{"an empty key", []string{"key=", "file=x"}, 400, "InvalidArgument"},
		{"no file", []string{"key=k"}, 400, "InvalidArgument"},
		{"a field twice", []string{"key=k", "KEY=l", "file=x"}, 400, "InvalidArgument"},
		{"a key too long", []string{"key=" + strings.Repeat("k", 1025), "file=x"}, 400, "KeyTooLongError"},
		{"no UTF-8", []string{"key=\xff", "file=x"}, 400, "InvalidArgument"},
		{"fields too large", []string{"key=k", "x-ignore-a=" + strings.Repeat("x", 21<<10), "file=x"}, 400, "MaxPostPreDataLengthExceeded"},
		{"an unknown encryption field", []string{"key=k", "x-amz-server-side-encryption-x=y", "file=x"}, 400, "InvalidArgument"},
		{"an unknown field of AWS's", []string{"key=k", "x-amz-copy-source=/a/b", "file=x"}, 501, "NotImplemented"},
		{"a type that ends the header", []string{"key=k", "Content-Type=a\r\nSet-Cookie: x", "file=x"}, 400, "InvalidArgument"},
		{"a tagging field that is no XML", []string{"key=k", "tagging=a=b", "file=x"}, 400, "MalformedXML"},
		{"two checksums", []string{"key=k", "x-amz-checksum-crc32=NhCmhg==", "x-amz-checksum-crc32c=NhCmhg==", "file=x"}, 400, "InvalidRequest"},
		{"a checksum that is none", []string{"key=k", "x-amz-checksum-crc32=x", "file=x"}, 400, "InvalidRequest"},
		{"an MD5 that is none", []string{"key=k", "Content-MD5=x", "file=x"}, 400, "InvalidDigest"},
		{"metadata too large", []string{"key=k", "x-amz-meta-a=" + strings.Repeat("x", 2048), "file=x"}, 400, "MetadataTooLarge"},
		{"metadata whose name is no header's", []string{"key=k", "x-amz-meta-a b=x", "file=x"}, 400, "InvalidArgument"},
		{"a file and then anything", []string{"key=k", "file=x", "policy=x", "key=other"}, 204, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := postRig()
			w := g.do("POST", "/b", multipartForm(tt.fields...), formType)
			if w.Code != tt.status || tt.code != "" && code(t, w) != tt.code {
				t.Errorf("= %d %s; want %d %s", w.Code, w.Body, tt.status, tt.code)
			}
			if tt.code != "" && (g.calls != 0 || g.refused != "PostObject") {
				t.Errorf("calls %d, refused %q", g.calls, g.refused)
			}
		})
	}
	g := postRig()
	if w := g.do("POST", "/b", "key=k", "Content-Type: application/x-www-form-urlencoded"); w.Code != 412 || code(t, w) != "PreconditionFailed" {
		t.Errorf("a form of another type = %d", w.Code)
	}
	if w := g.do("POST", "/b", multipartForm("key=k", "file=x"), formType, "x-amz-server-side-encryption: AES256"); w.Code != 400 {
		t.Errorf("encryption as a header of a form = %d; want 400, forms have fields", w.Code)
	}
}

// TestPostNameThatEndsTheHeader names a field by RFC 2231, which can spell a line
// break.
func TestPostNameThatEndsTheHeader(t *testing.T) {
	g := postRig()
	form := strings.Replace(multipartForm("key=k", "x=y", "file=x"), `name="x"`, "name*=UTF-8''x-amz-meta-a%0D%0ASet-Cookie", 1)
	if w := g.do("POST", "/b", form, formType); w.Code != 400 || g.calls != 0 {
		t.Errorf("= %d %s", w.Code, w.Body)
	}
}

func TestPostObject(t *testing.T) {
	g := postRig()
	g.put = s3.PutObjectOutput{ETag: "e", VersionID: "v"}
	w := g.do("POST", "http://b.s3.example.com/", multipartForm("key=up/${filename}", "Content-Type=text/css", "x-amz-meta-Name=a\r\nb", "acl=private",
		"tagging=<Tagging><TagSet><Tag><Key>a b</Key><Value>c&amp;d</Value></Tag></TagSet></Tagging>", "x-amz-server-side-encryption=aws:kms",
		"x-amz-server-side-encryption-aws-kms-key-id=key", "x-amz-server-side-encryption-customer-key=a2V5", "x-amz-object-lock-mode=GOVERNANCE",
		"x-amz-checksum-crc32=NhCmhg==", "success_action_status=201", "file=hello"), formType, "Host: b.s3.example.com")
	got := in[*s3.PutObjectInput](t, g)
	if !got.Post || got.Bucket != "b" || got.Key != "up/load.txt" || string(g.body) != "hello" || got.Upload.Length != -1 ||
		got.Attributes.ContentType != "text/css" || got.Attributes.Metadata["name"] != "a\r\nb" || got.ACL.Canned != "private" ||
		got.Tagging != "a+b=c%26d" || got.Encryption.Algorithm != "aws:kms" || got.Encryption.KMSKeyID != "key" || got.Customer.Key != "a2V5" ||
		got.Lock.IsZero() || got.Upload.Algorithm != checksum.CRC32 || got.Upload.Checksum != "NhCmhg==" {
		t.Errorf("input = %+v, body %q", got, g.body)
	}
	if !g.caller.IsAnonymous() {
		t.Error("a form without a policy is not anonymous")
	}
	var answer struct {
		XMLName                     xml.Name `xml:"PostResponse"`
		Location, Bucket, Key, ETag string
	}
	err := xml.Unmarshal(w.Body.Bytes(), &answer)
	if w.Code != 201 || err != nil || answer.Location != "http://b.s3.example.com/up/load.txt" || answer.Key != "up/load.txt" || answer.ETag != `"e"` ||
		w.Header().Get("Location") != answer.Location || w.Header().Get("x-amz-version-id") != "v" {
		t.Errorf("= %d %s %v", w.Code, w.Body, w.Header())
	}
}

func TestPostRedirect(t *testing.T) {
	for _, tt := range []struct {
		name, field, location string
		status                int
	}{
		{"an address", "success_action_redirect=https://app.example/done?x=1", "https://app.example/done", 303},
		{"the old name", "redirect=http://app.example/", "http://app.example/", 303},
		{"a script", "success_action_redirect=javascript:alert(1)", "", 204},
		{"a path", "success_action_redirect=/done", "", 204},
		{"a header", "success_action_redirect=http://a/\r\nSet-Cookie: x", "", 204},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := postRig()
			w := g.do("POST", "/b", multipartForm("key=k", tt.field, "file=x"), formType)
			location := w.Header().Get("Location")
			if w.Code != tt.status || tt.location != "" && !strings.HasPrefix(location, tt.location) {
				t.Fatalf("= %d %s; want %d %s", w.Code, location, tt.status, tt.location)
			}
			if tt.status != 303 {
				return
			}
			u, err := url.Parse(location)
			if err != nil || u.Query().Get("bucket") != "b" || u.Query().Get("key") != "k" || u.Query().Get("etag") != `"e"` {
				t.Errorf("location = %s, %v", location, err)
			}
		})
	}
}

// TestPostIsAuthorizedByBucketOfURL is the mistake of CVE-2023-28434: whatever the
// form says, the bucket that is authorized and written is that of the URL.
func TestPostIsAuthorizedByBucketOfURL(t *testing.T) {
	g := postRig()
	g.do("POST", "/b", multipartForm("key=../other/k", "bucket=b", "file=x"), formType)
	if got := in[*s3.PutObjectInput](t, g); got.Bucket != "b" || got.Key != "../other/k" {
		t.Errorf("bucket %q key %q", got.Bucket, got.Key)
	}
}

func TestPostSignature(t *testing.T) {
	g := newRig(true) // the real verification
	policy := encoded(`{` + later + `, "conditions": [["starts-with", "$key", ""]]}`)
	for _, fields := range [][]string{
		{policy},
		{policy, "x-amz-algorithm=AWS4-HMAC-SHA256", "x-amz-credential=" + accessKey + "/20261121/us-east-1/s3/aws4_request",
			"x-amz-date=20261121T080000Z", "x-amz-signature=" + strings.Repeat("0", 64)},
	} {
		w := g.do("POST", "/b", multipartForm(append(fields, "key=k", "file=x")...), formType)
		if w.Code < 400 || g.calls != 0 || g.refused != "PostObject" {
			t.Errorf("%d fields = %d, calls %d", len(fields), w.Code, g.calls)
		}
	}
}

// TestCutForm checks that a form that ends within its file is an error.
func TestCutForm(t *testing.T) {
	g := postRig()
	whole := multipartForm("key=k", "file="+strings.Repeat("x", 10_000))
	w := g.do("POST", "/b", whole[:len(whole)-100], formType)
	if w.Code != 400 {
		t.Errorf("= %d, stored %d bytes", w.Code, len(g.body))
	}
}

func FuzzPostPolicy(f *testing.F) {
	f.Add(`{"expiration": "2026-11-21T09:00:00.000Z", "conditions": [{"bucket": "b"}, ["starts-with", "$key", "a"], ["content-length-range", 1, 2]]}`, "key", "a")
	f.Add(`{"expiration": "", "conditions": null}`, "", "")
	f.Fuzz(func(t *testing.T, document, name, value string) {
		p, err := parsePostPolicy([]byte(document))
		if err != nil {
			if awserr.As(err) == nil {
				t.Errorf("%v is not for a client", err)
			}
			return
		}
		name = strings.ToLower(name)
		err = p.check(map[string]string{name: value}, p.expires.Add(-time.Second))
		if err == nil && !exempt(name) && len(p.conditions) == 0 {
			t.Errorf("field %q passed without a condition", name)
		}
		if p.check(map[string]string{}, p.expires) == nil {
			t.Error("an expired policy holds")
		}
	})
}

func FuzzForm(f *testing.F) {
	f.Add(multipartForm("key=k", "file=x"))
	f.Add("--BOUNDARY\r\nContent-Disposition: form-data; name=key\r\n\r\n")
	f.Fuzz(func(t *testing.T, body string) {
		g := postRig()
		g.do("POST", "/b", body, formType)
		if g.calls == 0 && g.refused == "" {
			t.Error("neither called nor recorded")
		}
	})
}

func TestBudget(t *testing.T) {
	b := &budget{r: zeros{}, left: 10}
	if n, err := io.Copy(io.Discard, b); n != 10 || !errors.Is(err, errBudget) {
		t.Errorf("Copy = %d, %v; want 10, %v", n, err, errBudget)
	}
}
