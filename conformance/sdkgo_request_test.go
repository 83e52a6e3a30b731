package conformance

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// pause is how a slow client waits between reads.
func pause() { time.Sleep(8 * time.Millisecond) }

// sign signs a request to S3 in its headers.
func (s *server) sign(t testing.TB, req *http.Request, payload string) {
	t.Helper()
	s.signAt(t, req, payload, time.Now())
}

func (s *server) signAt(t testing.TB, req *http.Request, payload string, at time.Time) {
	t.Helper()
	creds, err := s.credentials().Retrieve(t.Context())
	check(t, "credentials", err)
	req.Header.Set("X-Amz-Content-Sha256", payload)
	err = v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).SignHTTP(t.Context(), creds, req, payload, "s3", s.region, at)
	check(t, "sign", err)
}

// presign returns a URL for a request to S3 with its headers signed.
func (s *server) presign(t testing.TB, method, target string, expires time.Duration, at time.Time, header ...string) (string, http.Header) {
	t.Helper()
	req, err := http.NewRequest(method, s.endpoint+target, nil)
	check(t, "NewRequest", err)
	q := req.URL.Query()
	q.Set("X-Amz-Expires", fmt.Sprint(int(expires.Seconds())))
	req.URL.RawQuery = q.Encode()
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	creds, err := s.credentials().Retrieve(t.Context())
	check(t, "credentials", err)
	signed, headers, err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).PresignHTTP(t.Context(), creds, req, "UNSIGNED-PAYLOAD", "s3", s.region, at)
	check(t, "presign", err)
	return signed, headers
}

// do sends a request without signing it.
func (k *sdk) do(t testing.TB, method, url, body string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	check(t, "NewRequest", err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return k.send(t, req)
}

// answers fails the test unless an answer has the status and, if it is an error,
// the code.
func answers(t testing.TB, doing string, status int, body string, wantStatus int, wantCode string) {
	t.Helper()
	if status != wantStatus || wantCode != "" && !strings.Contains(body, "<Code>"+wantCode+"</Code>") {
		t.Errorf("%s = %d %s; want %d %s", doing, status, body, wantStatus, wantCode)
	}
	if wantCode != "" && strings.Contains(body, "<Message></Message>") {
		t.Errorf("%s has no message", doing)
	}
}

func testPresigned(t *testing.T, k *sdk) {
	ctx := t.Context()
	b := k.bucket(t)
	p := s3.NewPresignClient(k.s3)
	put, err := p.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: &b, Key: aws.String("a b/é"), ContentType: aws.String("text/x")}, s3.WithPresignExpires(time.Minute))
	check(t, "PresignPutObject", err)
	status, body := k.do(t, "PUT", put.URL, "hello", "Content-Type", "text/x")
	answers(t, "presigned PUT", status, body, 200, "")
	status, body = k.do(t, "PUT", put.URL, "hello", "Content-Type", "text/html")
	answers(t, "presigned PUT of another type", status, body, 403, "SignatureDoesNotMatch")
	get, err := p.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &b, Key: aws.String("a b/é"), ResponseContentDisposition: aws.String("attachment")})
	check(t, "PresignGetObject", err)
	res, err := k.http.Get(get.URL)
	check(t, "presigned GET", err)
	want(t, "presigned GET", read(t, res.Body), "hello")
	want(t, "Content-Disposition", res.Header.Get("Content-Disposition"), "attachment")
	want(t, "Content-Type", res.Header.Get("Content-Type"), "text/x")
	status, body = k.do(t, "GET", strings.Replace(get.URL, "attachment", "inline", 1), "")
	answers(t, "presigned GET with another override", status, body, 403, "SignatureDoesNotMatch")
	status, body = k.do(t, "DELETE", get.URL, "")
	answers(t, "DELETE with the URL of a GET", status, body, 403, "SignatureDoesNotMatch")
	status, body = k.do(t, "GET", strings.Replace(get.URL, "/"+b+"/a", "/"+b+"/b", 1), "")
	answers(t, "presigned GET of another key", status, body, 403, "SignatureDoesNotMatch")

	now := time.Now()
	for name, c := range map[string]struct {
		expires time.Duration
		at      time.Time
		status  int
		code    string
	}{
		"a week":                {7 * 24 * time.Hour, now, 200, ""},
		"more than a week":      {7*24*time.Hour + time.Second, now, 400, "AuthorizationQueryParametersError"},
		"a minute, an hour ago": {time.Minute, now.Add(-time.Hour), 403, "AccessDenied"},
		"from tomorrow on":      {time.Hour, now.Add(24 * time.Hour), 403, "AccessDenied"},
	} {
		u, _ := k.presign(t, "GET", "/"+b, c.expires, c.at)
		status, body := k.do(t, "GET", u, "")
		answers(t, "a URL for "+name, status, body, c.status, c.code)
	}
	u, _ := k.presign(t, "GET", "/"+b, time.Minute, now)
	status, body = k.do(t, "GET", strings.Replace(u, "X-Amz-Expires=60", "X-Amz-Expires=6000", 1), "")
	answers(t, "a URL whose life was prolonged", status, body, 403, "SignatureDoesNotMatch")

	// Encryption that a URL demands can't be left out.
	key := k.key(t)
	sealedPut, err := p.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: &b, Key: aws.String("sealed"),
		ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &key})
	check(t, "PresignPutObject with KMS", err)
	var header []string
	for name, values := range sealedPut.SignedHeader {
		if name != "Host" {
			header = append(header, name, values[0])
		}
	}
	status, body = k.do(t, "PUT", sealedPut.URL, "x", header...)
	answers(t, "presigned PUT with KMS", status, body, 200, "")
	want(t, "its key", aws.ToString(k.head(t, b, "sealed").SSEKMSKeyId), key)
	if len(header) > 2 {
		status, body = k.do(t, "PUT", sealedPut.URL, "x")
		answers(t, "presigned PUT with KMS left out", status, body, 403, "")
	}
	// A clock that is off.
	req, _ := http.NewRequest("GET", k.endpoint+"/"+b, nil)
	k.signAt(t, req, hexSHA256(nil), now.Add(-20*time.Minute))
	status, body = k.send(t, req)
	answers(t, "a request signed 20 minutes ago", status, body, 403, "RequestTimeTooSkewed")
}

// A form is what a browser posts.
type form struct {
	fields []string // name, value, ...
	file   string
}

// post posts a form to a bucket.
func (k *sdk) post(t testing.TB, bucket string, f form, header ...string) (*http.Response, string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(f.fields); i += 2 {
		w.WriteField(f.fields[i], f.fields[i+1])
	}
	part, err := w.CreateFormFile("file", `C:\tmp\up.txt`)
	check(t, "CreateFormFile", err)
	part.Write([]byte(f.file))
	w.WriteField("submit", "after the file")
	w.Close()
	req, err := http.NewRequest("POST", k.endpoint+"/"+bucket, &b)
	check(t, "NewRequest", err)
	req.Header.Set("Content-Type", w.FormDataContentType())
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := k.http.Do(req)
	check(t, "POST", err)
	return res, read(t, res.Body)
}

// policy returns the fields that sign a policy with these conditions.
func (k *sdk) policy(expires time.Time, conditions ...any) []string {
	now := time.Now().UTC()
	date := now.Format("20060102T150405Z")
	credential := k.keyID + "/" + date[:8] + "/" + k.region + "/s3/aws4_request"
	conditions = append(conditions, map[string]string{"x-amz-credential": credential}, map[string]string{"x-amz-algorithm": "AWS4-HMAC-SHA256"},
		map[string]string{"x-amz-date": date})
	document, _ := json.Marshal(map[string]any{"expiration": expires.UTC().Format(time.RFC3339), "conditions": conditions})
	encoded := base64.StdEncoding.EncodeToString(document)
	return []string{"policy", encoded, "x-amz-credential", credential, "x-amz-algorithm", "AWS4-HMAC-SHA256", "x-amz-date", date,
		"x-amz-signature", hex.EncodeToString(mac(k.signingKey(date[:8]), encoded))}
}

func mac(key []byte, data string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(data))
	return m.Sum(nil)
}

// signingKey derives the key that signs for S3 on a day.
func (s *server) signingKey(day string) []byte {
	key := []byte("AWS4" + s.secret)
	for _, part := range []string{day, s.region, "s3", "aws4_request"} {
		key = mac(key, part)
	}
	return key
}

func testForms(t *testing.T, k *sdk) {
	b := k.bucket(t)
	later := time.Now().Add(time.Hour)
	in := map[string]string{"bucket": b}
	startsWith := func(field, value string) []string { return []string{"starts-with", "$" + field, value} }
	policy := func(conditions ...any) []string { return k.policy(later, conditions...) }

	res, body := k.post(t, b, form{append(policy(in, startsWith("key", "up/")), "key", "up/${filename}"), "hello"})
	answers(t, "POST", res.StatusCode, body, 204, "")
	want(t, "ETag of a form", res.Header.Get("ETag"), md5ETag("hello"))
	got, _ := k.get(t, b, "up/up.txt")
	want(t, "object of a form", got, "hello")

	res, body = k.post(t, b, form{append(policy(in, startsWith("key", ""), startsWith("Content-Type", "image/"), startsWith("x-amz-meta-m", ""), startsWith("success_action_status", "")),
		"key", "described", "Content-Type", "image/png", "x-amz-meta-m", "v", "success_action_status", "201"), "hello"})
	answers(t, "POST with 201", res.StatusCode, body, 201, "")
	for _, element := range []string{"<Bucket>" + b + "</Bucket>", "<Key>described</Key>", "<ETag>"} {
		if !strings.Contains(body, element) {
			t.Errorf("answer to a form = %s; want %s in it", body, element)
		}
	}
	h := k.head(t, b, "described")
	want(t, "Content-Type of a form", *h.ContentType, "image/png")
	want(t, "metadata of a form", h.Metadata["m"], "v")
	res, body = k.post(t, b, form{append(policy(in, startsWith("key", ""), startsWith("success_action_redirect", "https://app.example.test/")),
		"key", "redirected", "success_action_redirect", "https://app.example.test/done?x=1"), "hello"})
	answers(t, "POST with a redirect", res.StatusCode, body, 303, "")
	to, err := res.Location()
	check(t, "Location", err)
	want(t, "redirect", to.Host+to.Path+" "+to.Query().Get("bucket")+" "+to.Query().Get("key")+" "+to.Query().Get("x"), "app.example.test/done "+b+" redirected 1")

	key := k.key(t)
	res, body = k.post(t, b, form{append(policy(in, startsWith("key", ""), startsWith("x-amz-server-side-encryption", ""), startsWith("x-amz-server-side-encryption-aws-kms-key-id", "")),
		"key", "sealed", "x-amz-server-side-encryption", "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id", key), "hello"})
	answers(t, "POST with KMS", res.StatusCode, body, 204, "")
	want(t, "key of a form", aws.ToString(k.head(t, b, "sealed").SSEKMSKeyId), key)

	base := []any{in, startsWith("key", "up/")}
	for name, c := range map[string]struct {
		fields []string
		file   string
		status int
		code   string
	}{
		"another key":            {append(policy(base...), "key", "elsewhere"), "x", 403, "AccessDenied"},
		"a field more":           {append(policy(base...), "key", "up/x", "x-amz-meta-m", "v"), "x", 403, "AccessDenied"},
		"a condition unmet":      {append(policy(append(base, map[string]string{"acl": "private"})...), "key", "up/x"), "x", 403, "AccessDenied"},
		"an expired policy":      {append(k.policy(time.Now().Add(-time.Minute), base...), "key", "up/x"), "x", 403, "AccessDenied"},
		"too long a file":        {append(policy(append(base, []any{"content-length-range", 0, 3})...), "key", "up/x"), "four", 400, "EntityTooLarge"},
		"too short a file":       {append(policy(append(base, []any{"content-length-range", 9, 30})...), "key", "up/x"), "four", 400, "EntityTooSmall"},
		"an unknown operator":    {append(policy(append(base, []any{"ends-with", "$key", "x"})...), "key", "up/x"), "x", 400, "InvalidPolicyDocument"},
		"no key":                 {policy(base...), "x", 400, "InvalidArgument"},
		"a key of 1,025 bytes":   {append(policy(base...), "key", "up/"+strings.Repeat("k", 1022)), "x", 400, "KeyTooLongError"},
		"an encryption misspelt": {append(policy(append(base, startsWith("x-amz-server-side-encryptoin", ""))...), "key", "up/x", "x-amz-server-side-encryptoin", "aws:kms"), "x", 501, "NotImplemented"},
		"a block of SSE-C": {append(policy(append(base, startsWith("x-amz-server-side-encryption-customer-algorithm", ""), startsWith("x-amz-server-side-encryption-customer-key", ""),
			startsWith("x-amz-server-side-encryption-customer-key-MD5", ""))...), "key", "up/x", "x-amz-server-side-encryption-customer-algorithm", "AES256",
			"x-amz-server-side-encryption-customer-key", *b64(random(1, 32)), "x-amz-server-side-encryption-customer-key-MD5", *b64(random(1, 16))), "x", 403, "AccessDenied"},
		"no policy and no signature": {[]string{"key", "up/x"}, "x", 403, "AccessDenied"},
	} {
		res, body := k.post(t, b, form{c.fields, c.file})
		answers(t, "POST with "+name, res.StatusCode, body, c.status, c.code)
	}
	refused(t, "GetObject of what was refused", k.getErr(b, "up/x"), "NoSuchKey")

	// The SDK's own presigned form.
	p, err := s3.NewPresignClient(k.s3).PresignPostObject(t.Context(), &s3.PutObjectInput{Bucket: &b, Key: aws.String("sdk/form")},
		func(o *s3.PresignPostOptions) { o.Expires = time.Minute })
	check(t, "PresignPostObject", err)
	var fields []string
	for name, value := range p.Values {
		fields = append(fields, name, value)
	}
	if p.Values["key"] == "" {
		fields = append(fields, "key", "sdk/form")
	}
	res, body = k.post(t, b, form{fields, "sdk"})
	answers(t, "POST of the SDK's form", res.StatusCode, body, 204, "")
}

// testKMS is what envelope encryption in an application calls.
func testKMS(t *testing.T, k *sdk) {
	ctx := t.Context()
	key := k.key(t)
	pairs := map[string]string{"tenant": "a", "é": "ü"}
	e, err := k.kms.Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: []byte("secret"), EncryptionContext: pairs})
	check(t, "Encrypt", err)
	d, err := k.kms.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: e.CiphertextBlob, EncryptionContext: pairs})
	check(t, "Decrypt", err)
	want(t, "Decrypt", string(d.Plaintext), "secret")
	want(t, "KeyId of Decrypt", *d.KeyId, key)
	_, err = k.kms.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: e.CiphertextBlob})
	wantCode(t, "Decrypt without the context", err, "InvalidCiphertextException")
	other := k.key(t)
	_, err = k.kms.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: e.CiphertextBlob, EncryptionContext: pairs, KeyId: &other})
	wantCode(t, "Decrypt with another key named", err, "IncorrectKeyException")
	g, err := k.kms.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &key, KeySpec: kmstypes.DataKeySpecAes256})
	check(t, "GenerateDataKey", err)
	want(t, "length of a data key", len(g.Plaintext), 32)
	r, err := k.kms.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: g.CiphertextBlob, DestinationKeyId: &other})
	check(t, "ReEncrypt", err)
	d, err = k.kms.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: r.CiphertextBlob, KeyId: &other})
	check(t, "Decrypt after ReEncrypt", err)
	want(t, "data key after ReEncrypt", string(d.Plaintext), string(g.Plaintext))
	_, err = k.kms.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key})
	check(t, "DisableKey", err)
	_, err = k.kms.Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x")})
	refused(t, "Encrypt with a disabled key", err, "DisabledException")
	_, err = k.kms.Encrypt(ctx, &kms.EncryptInput{KeyId: &other, Plaintext: make([]byte, 4097)})
	refused(t, "Encrypt of 4,097 bytes", err, "ValidationException")
	_, err = k.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String("alias/none")})
	refused(t, "DescribeKey of none", err, "NotFoundException")
	n := 0
	pages := kms.NewListKeysPaginator(k.kms, &kms.ListKeysInput{Limit: aws.Int32(1)})
	for pages.HasMorePages() && n < 5 {
		p, err := pages.NextPage(ctx)
		check(t, "ListKeys", err)
		n += len(p.Keys)
	}
	if n < 2 {
		t.Errorf("ListKeys = %d keys; want at least 2", n)
	}
	_, err = k.kms.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &other, PendingWindowInDays: aws.Int32(7)})
	check(t, "ScheduleKeyDeletion", err)
	_, err = k.kms.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: r.CiphertextBlob})
	refused(t, "Decrypt with a key pending deletion", err, "KMSInvalidStateException")
	_, err = k.kms.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &other})
	check(t, "CancelKeyDeletion", err)
	desc, err := k.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &other})
	check(t, "DescribeKey", err)
	want(t, "state after CancelKeyDeletion", desc.KeyMetadata.KeyState, kmstypes.KeyStateDisabled)
}
