package conformance

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
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

// A plant is the secrets that were given to a server, to be looked for.
type plant struct {
	t       *testing.T
	secrets []planted
	answers bytes.Buffer // errors that clients saw
	seed    uint64
}

type planted struct {
	name    string
	needles [][]byte
}

// add plants a secret in every form in which it could be written down.
func (p *plant) add(name string, secret []byte) {
	std, url := base64.RawStdEncoding, base64.RawURLEncoding
	n := [][]byte{secret, []byte(hex.EncodeToString(secret)), []byte(strings.ToUpper(hex.EncodeToString(secret)))}
	for shift := range 3 {
		// In base64 text of something longer the secret starts at any of
		// three places of a group; the outer characters are not its own.
		padded := append(make([]byte, shift), secret...)
		for _, e := range []*base64.Encoding{std, url} {
			text := e.EncodeToString(padded)
			n = append(n, []byte(text[(shift*8+5)/6:len(text)-2]))
		}
	}
	n = append(n, []byte(strings.Trim(fmt.Sprintf("%d", secret), "[]")))
	p.secrets = append(p.secrets, planted{name, n})
}

// body returns a body of a size that holds a planted text in every 64 bytes.
func (p *plant) body(name string, size int) []byte {
	p.seed++
	mark := []byte("PLANTED" + hex.EncodeToString(random(1000+p.seed, 12)))
	p.add("plaintext of "+name, mark)
	line := append(append([]byte{}, mark...), bytes.Repeat([]byte("."), 64-len(mark))...)
	return bytes.Repeat(line, (size+63)/64)[:max(size, 64)]
}

// scan fails the test for every secret that is in b, each once.
func (p *plant) scan(where string, b []byte, except ...string) {
	p.t.Helper()
	// Few places begin like a needle, so one pass looks for all.
	var begins [1 << 16]bool
	byStart := map[[needleStart]byte][]int{}
	for i, s := range p.secrets {
		for _, n := range s.needles {
			begins[uint16(n[0])<<8|uint16(n[1])] = true
			start := [needleStart]byte(n)
			byStart[start] = append(byStart[start], i)
		}
	}
	for at := 0; at+needleStart <= len(b); at++ {
		if !begins[uint16(b[at])<<8|uint16(b[at+1])] {
			continue
		}
		for _, i := range byStart[[needleStart]byte(b[at:])] {
			s := p.secrets[i]
			if slices.Contains(except, s.name) {
				continue
			}
			if slices.ContainsFunc(s.needles, func(n []byte) bool { return bytes.HasPrefix(b[at:], n) }) {
				p.t.Errorf("%s holds the %s at %d: %.80q", where, s.name, at, b[max(0, at-20):min(len(b), at+60)])
				except = append(except, s.name)
			}
		}
	}
}

// needleStart is a length that every needle has.
const needleStart = 8

const secretKey = "secret access key"

// scanDir looks through every file of a data directory. Only DIR/credentials
// may hold the secret access key.
func (p *plant) scanDir(dir string) {
	p.t.Helper()
	control := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if name == "credentials" {
			p.scan(name, b, secretKey)
			return nil
		}
		p.scan(name, b)
		p.scan("the name of", []byte(name))
		control += bytes.Count(b, []byte("control-key"))
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	// Keys of rows are in the clear. If the scan does not see them it sees nothing.
	if control == 0 {
		p.t.Errorf("the scan does not find the key of an object in %s", dir)
	}
}

func (p *plant) must(doing string, err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%s: %v", doing, err)
	}
}

// refused sends a request that must fail, and keeps the answer.
func (p *plant) refused(doing string, req *http.Request) {
	p.t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	if res.StatusCode < 400 {
		p.t.Errorf("%s = %d; want a refusal", doing, res.StatusCode)
	}
	fmt.Fprintf(&p.answers, "%v\n%s\n", res.Header, b)
}

// echoed sends a request that must fail and to which S3 itself answers with
// what it was sent: the secret is looked for in what is kept, not in the answer.
func (p *plant) echoed(doing string, req *http.Request) {
	p.t.Helper()
	kept := p.answers.Len()
	p.refused(doing, req)
	p.answers.Truncate(kept)
}

// TestSecretsStay plants secrets in everything that can be written, and looks
// for them in the data directory, the log, the metrics and the answers.
func TestSecretsStay(t *testing.T) {
	s := start(t, "--allow-sse-c", "--log-level", "debug")
	p := &plant{t: t}
	p.add(secretKey, []byte(s.secret))
	p.writeObjects(s)
	p.writeParts(s)
	p.writeKeys(s)
	p.sendMistakes(s)
	checkNoCore(t, s)

	res, err := http.Get(s.endpoint + "/_coffer/metrics")
	p.must("GET metrics", err)
	metrics, err := io.ReadAll(res.Body)
	p.must("read metrics", err)
	if !bytes.Contains(metrics, []byte("coffer_")) {
		t.Error("metrics are empty")
	}
	p.scan("metrics", metrics)
	p.scan("an answer", p.answers.Bytes())
	time.Sleep(1200 * time.Millisecond) // the trail of reads is written every second
	p.scanDir(s.dir)                    // rows in the log, and what half an upload leaves
	s.stop()
	p.scanDir(s.dir) // rows in tables
	p.scan("the server's log", []byte(s.logs()))
	if !strings.Contains(s.logs(), "level=DEBUG") {
		t.Error("the log holds no request")
	}
	checkModes(t, s.dir)
}

const plantBucket = "planted"

func (p *plant) writeObjects(s *server) {
	ctx, c := context.Background(), s.s3()
	_, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(plantBucket)})
	p.must("CreateBucket", err)
	for _, size := range []int{100, 300 << 10} {
		for _, mode := range []string{"S3", "KMS", "dual", "customer"} {
			name := fmt.Sprintf("control-key-%s-%d", mode, size)
			in := &s3.PutObjectInput{Bucket: aws.String(plantBucket), Key: &name, Body: bytes.NewReader(p.body("PutObject "+name, size))}
			get := &s3.GetObjectInput{Bucket: aws.String(plantBucket), Key: &name}
			switch mode {
			case "KMS":
				in.ServerSideEncryption = types.ServerSideEncryptionAwsKms
			case "dual":
				in.ServerSideEncryption = types.ServerSideEncryptionAwsKmsDsse
			case "customer":
				in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = p.customer(name)
				get.SSECustomerAlgorithm, get.SSECustomerKey, get.SSECustomerKeyMD5 = in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5
			}
			_, err := c.PutObject(ctx, in)
			p.must("PutObject", err)
			out, err := c.GetObject(ctx, get)
			p.must("GetObject", err)
			io.Copy(io.Discard, out.Body)
			out.Body.Close()
		}
	}
	_, err = c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: aws.String(plantBucket), Key: aws.String("copy"), CopySource: aws.String(plantBucket + "/control-key-S3-307200"),
		ServerSideEncryption: types.ServerSideEncryptionAwsKms})
	p.must("CopyObject", err)
	in := &s3.CopyObjectInput{Bucket: aws.String(plantBucket), Key: aws.String("copy-c"), CopySource: aws.String(plantBucket + "/control-key-KMS-100")}
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = p.customer("CopyObject")
	_, err = c.CopyObject(ctx, in)
	p.must("CopyObject to SSE-C", err)

	signed, err := s3.NewPresignClient(c).PresignPutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(plantBucket), Key: aws.String("presigned")})
	p.must("presign", err)
	p.plantSignature(signed.URL)
	req, _ := http.NewRequest("PUT", signed.URL, bytes.NewReader(p.body("presigned PUT", 1000)))
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != 200 {
		p.t.Errorf("presigned PUT = %v, %v; want 200", res, err)
	}
	signedGet, err := s3.NewPresignClient(c).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(plantBucket), Key: aws.String("presigned")})
	p.must("presign", err)
	p.plantSignature(signedGet.URL)
	if res, err := http.Get(signedGet.URL); err != nil || res.StatusCode != 200 {
		p.t.Errorf("presigned GET = %v, %v; want 200", res, err)
	}
	p.postForm(s)
}

// plantSignature plants the signature of a presigned URL, which is a credential
// until it expires.
func (p *plant) plantSignature(url string) {
	_, after, _ := strings.Cut(url, "X-Amz-Signature=")
	p.add("signature of a presigned URL", []byte(after[:64]))
}

// customer plants a key of SSE-C and returns its headers.
func (p *plant) customer(name string) (algorithm, key, sum *string) {
	p.seed++
	k := random(5000+p.seed, 32)
	p.add("SSE-C key of "+name, k)
	digest := md5.Sum(k)
	return aws.String("AES256"), aws.String(base64.StdEncoding.EncodeToString(k)), aws.String(base64.StdEncoding.EncodeToString(digest[:]))
}

func hmacSHA256(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// postForm uploads a signed form as a browser does.
func (p *plant) postForm(s *server) {
	now := time.Now().UTC()
	day := now.Format("20060102")
	credential := s.keyID + "/" + day + "/" + s.region + "/s3/aws4_request"
	policy := base64.StdEncoding.EncodeToString([]byte(fmt.Sprintf(`{"expiration":%q,"conditions":[{"bucket":%q},{"key":"form"},`+
		`{"x-amz-algorithm":"AWS4-HMAC-SHA256"},{"x-amz-credential":%q},{"x-amz-date":%q}]}`,
		now.Add(time.Hour).Format("2006-01-02T15:04:05.000Z"), plantBucket, credential, now.Format("20060102T150405Z"))))
	key := hmacSHA256(hmacSHA256(hmacSHA256(hmacSHA256([]byte("AWS4"+s.secret), day), s.region), "s3"), "aws4_request")
	p.add("signing key", key)
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	for _, f := range [][2]string{{"key", "form"}, {"x-amz-algorithm", "AWS4-HMAC-SHA256"}, {"x-amz-credential", credential},
		{"x-amz-date", now.Format("20060102T150405Z")}, {"policy", policy}, {"x-amz-signature", hex.EncodeToString(hmacSHA256(key, policy))}} {
		w.WriteField(f[0], f[1])
	}
	file, _ := w.CreateFormFile("file", "form.txt")
	file.Write(p.body("POST form", 200<<10))
	w.Close()
	res, err := http.Post(s.endpoint+"/"+plantBucket, w.FormDataContentType(), &form)
	p.must("POST form", err)
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); res.StatusCode != 204 {
		p.t.Errorf("POST form = %d %s; want 204", res.StatusCode, b)
	}
}

func (p *plant) writeParts(s *server) {
	ctx, c, bucket := context.Background(), s.s3(), aws.String(plantBucket)
	for _, mode := range []string{"S3", "KMS", "customer"} {
		for _, end := range []string{"complete", "abort", "leave"} {
			key := aws.String("parts-" + mode + "-" + end)
			create := &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key}
			part := &s3.UploadPartInput{Bucket: bucket, Key: key, PartNumber: aws.Int32(1), Body: bytes.NewReader(p.body("part "+*key, 100<<10))}
			copied := &s3.UploadPartCopyInput{Bucket: bucket, Key: key, PartNumber: aws.Int32(2), CopySource: aws.String(plantBucket + "/control-key-S3-100")}
			complete := &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: key}
			switch mode {
			case "KMS":
				create.ServerSideEncryption = types.ServerSideEncryptionAwsKms
			case "customer":
				a, k, m := p.customer(*key)
				create.SSECustomerAlgorithm, create.SSECustomerKey, create.SSECustomerKeyMD5 = a, k, m
				part.SSECustomerAlgorithm, part.SSECustomerKey, part.SSECustomerKeyMD5 = a, k, m
				copied.SSECustomerAlgorithm, copied.SSECustomerKey, copied.SSECustomerKeyMD5 = a, k, m
				complete.SSECustomerAlgorithm, complete.SSECustomerKey, complete.SSECustomerKeyMD5 = a, k, m
			}
			up, err := c.CreateMultipartUpload(ctx, create)
			p.must("CreateMultipartUpload", err)
			part.UploadId, copied.UploadId, complete.UploadId = up.UploadId, up.UploadId, up.UploadId
			if end == "complete" { // one part of two may be small
				part.PartNumber, copied.PartNumber = aws.Int32(2), aws.Int32(1)
				big := p.body("large part "+*key, partSize)
				_, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: bucket, Key: key, UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader(big),
					SSECustomerAlgorithm: part.SSECustomerAlgorithm, SSECustomerKey: part.SSECustomerKey, SSECustomerKeyMD5: part.SSECustomerKeyMD5})
				p.must("UploadPart", err)
				copied.PartNumber = aws.Int32(3)
			}
			first, err := c.UploadPart(ctx, part)
			p.must("UploadPart", err)
			_, err = c.UploadPartCopy(ctx, copied)
			p.must("UploadPartCopy", err)
			switch end {
			case "abort":
				_, err = c.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: bucket, Key: key, UploadId: up.UploadId})
				p.must("AbortMultipartUpload", err)
			case "complete":
				list, err := c.ListParts(ctx, &s3.ListPartsInput{Bucket: bucket, Key: key, UploadId: up.UploadId})
				p.must("ListParts", err)
				complete.MultipartUpload = &types.CompletedMultipartUpload{Parts: []types.CompletedPart{
					{PartNumber: aws.Int32(1), ETag: list.Parts[0].ETag}, {PartNumber: aws.Int32(2), ETag: first.ETag}}}
				_, err = c.CompleteMultipartUpload(ctx, complete)
				p.must("CompleteMultipartUpload", err)
			}
		}
	}
}

func (p *plant) writeKeys(s *server) {
	ctx, c := context.Background(), s.kms()
	key, err := c.CreateKey(ctx, &kms.CreateKeyInput{})
	p.must("CreateKey", err)
	id := key.KeyMetadata.KeyId
	plain := p.body("KMS Encrypt", 64)
	enc, err := c.Encrypt(ctx, &kms.EncryptInput{KeyId: id, Plaintext: plain, EncryptionContext: map[string]string{"a": "b"}})
	p.must("Encrypt", err)
	_, err = c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: enc.CiphertextBlob, EncryptionContext: map[string]string{"a": "b"}})
	p.must("Decrypt", err)
	_, err = c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: enc.CiphertextBlob})
	wantCode(p.t, "Decrypt without the context", err, "InvalidCiphertextException")
	dk, err := c.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: id, KeySpec: kmstypes.DataKeySpecAes256})
	p.must("GenerateDataKey", err)
	p.add("data key", dk.Plaintext)
	wrapped, err := c.GenerateDataKeyWithoutPlaintext(ctx, &kms.GenerateDataKeyWithoutPlaintextInput{KeyId: id, KeySpec: kmstypes.DataKeySpecAes256})
	p.must("GenerateDataKeyWithoutPlaintext", err)
	dec, err := c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: wrapped.CiphertextBlob})
	p.must("Decrypt", err)
	p.add("data key made without plaintext", dec.Plaintext)
	rnd, err := c.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(32)})
	p.must("GenerateRandom", err)
	p.add("GenerateRandom", rnd.Plaintext)
	_, err = c.Encrypt(ctx, &kms.EncryptInput{KeyId: aws.String("alias/none"), Plaintext: p.body("Encrypt that fails", 64)})
	wantCode(p.t, "Encrypt under no key", err, "NotFoundException")
	_, err = c.Encrypt(ctx, &kms.EncryptInput{KeyId: id, Plaintext: p.body("Encrypt that is too long", 5000)})
	wantCode(p.t, "Encrypt of 5,000 bytes", err, "ValidationException")
}

// sendMistakes sends requests that fail and have a secret in them, some where
// none belongs.
func (p *plant) sendMistakes(s *server) {
	object := "/" + plantBucket + "/control-key-customer-100"
	a, k, m := p.customer("a read with the wrong key")
	customer := []string{"X-Amz-Server-Side-Encryption-Customer-Algorithm", *a, "X-Amz-Server-Side-Encryption-Customer-Key", *k,
		"X-Amz-Server-Side-Encryption-Customer-Key-Md5", *m}
	p.refused("GET with a wrong SSE-C key", s.newRequest("GET", object, nil, customer...))
	_, k, _ = p.customer("a key that does not match its MD5")
	customer[3] = *k
	p.refused("GET with a wrong MD5", s.newRequest("GET", object, nil, customer...))
	_, k, _ = p.customer("a key in the place of its MD5")
	customer[5] = *k
	p.echoed("PUT with the key as MD5", s.newRequest("PUT", object, strings.NewReader("x"), customer...))
	_, k, _ = p.customer("a key in the place of the algorithm")
	customer[1] = *k
	p.echoed("PUT with the key as algorithm", s.newRequest("PUT", object, strings.NewReader("x"), customer...))

	wrong := func(doing string, change func(*http.Request)) {
		req := s.newRequest("GET", "/"+plantBucket+"/control-key-S3-100", nil)
		change(req)
		p.refused(doing, req)
	}
	signed := func(change func(string) string) func(*http.Request) {
		return func(req *http.Request) { req.Header.Set("Authorization", change(req.Header.Get("Authorization"))) }
	}
	for _, change := range []func(string) string{
		func(h string) string { return h[:strings.Index(h, "Signature=")] + "Signature=" + s.secret },
		func(h string) string { return strings.Replace(h, s.keyID, s.secret, 1) },
	} {
		req := s.newRequest("GET", "/"+plantBucket+"/control-key-S3-100", nil)
		req.Header.Set("Authorization", change(req.Header.Get("Authorization")))
		p.echoed("the secret as signature or as access key ID", req)
	}
	wrong("the secret as password", func(req *http.Request) { req.SetBasicAuth(s.keyID, s.secret) })
	wrong("the secret as bearer token", signed(func(string) string { return "Bearer " + s.secret }))
	wrong("the secret in the signature of version 2", signed(func(string) string { return "AWS " + s.keyID + ":" + s.secret }))
	wrong("the secret as session token", func(req *http.Request) { req.Header.Set("X-Amz-Security-Token", s.secret) })

	sum := base64.StdEncoding.EncodeToString(make([]byte, 16))
	for _, size := range []int{100, 300 << 10} {
		p.refused("PUT with a wrong MD5", s.newRequest("PUT", "/"+plantBucket+"/digest", bytes.NewReader(p.body("PUT with a wrong MD5", size)), "Content-Md5", sum))
		p.refused("PUT to no bucket", s.newRequest("PUT", "/none-such/key", bytes.NewReader(p.body("PUT to no bucket", size))))
		p.cutOff(s, p.body("PUT that breaks off", size))
	}
	p.refused("XML that is none", s.newRequest("PUT", "/"+plantBucket+"?versioning", bytes.NewReader(p.body("malformed XML", 200))))
	req, _ := http.NewRequest("POST", s.endpoint, bytes.NewReader(p.body("malformed JSON", 200)))
	req.Header.Set("X-Amz-Target", "TrentService.Encrypt")
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	b, _ := io.ReadAll(req.Body)
	req.Body = io.NopCloser(bytes.NewReader(b))
	creds, _ := s.credentials().Retrieve(context.Background())
	p.must("sign", v4.NewSigner().SignHTTP(context.Background(), creds, req, hexSHA256(b), "kms", s.region, time.Now()))
	p.refused("malformed JSON", req)
}

// cutOff sends the first part of an upload and hangs up.
func (p *plant) cutOff(s *server, b []byte) {
	req := s.newRequest("PUT", "/"+plantBucket+"/cut", bytes.NewReader(b))
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.endpoint, "http://"))
	p.must("dial", err)
	defer conn.Close()
	fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", req.URL.RequestURI(), req.URL.Host, len(b)+1000)
	req.Header.Write(conn)
	fmt.Fprint(conn, "\r\n")
	conn.Write(b)
}

// checkNoCore makes sure that a crash of the server leaves no image of its
// memory.
func checkNoCore(t testing.TB, s *server) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(b), "\n") {
		if rest, ok := strings.CutPrefix(line, "Max core file size"); ok {
			if f := strings.Fields(rest); f[0] != "0" || f[1] != "0" {
				t.Errorf("limits of the server: %s; want 0", line)
			}
			return
		}
	}
	t.Error("no limit of the core file size found")
}

// checkModes makes sure that other users of the machine get at nothing.
func checkModes(t testing.TB, dir string) {
	t.Helper()
	want := map[string]fs.FileMode{".": 0o700, "credentials": 0o600, "root": 0o700}
	filepath.WalkDir(filepath.Join(dir, "root"), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			t.Error(err)
			return nil
		}
		name, _ := filepath.Rel(dir, path)
		want[name] = 0o600
		if e.IsDir() {
			want[name] = 0o700
		}
		return nil
	})
	if len(want) < 5 {
		t.Errorf("the root store has %d files; want more", len(want)-3)
	}
	for name, mode := range want {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != mode {
			t.Errorf("mode of %s = %v; want %v", name, info.Mode().Perm(), mode)
		}
	}
}
