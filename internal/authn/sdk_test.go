package authn

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"coffer/internal/sigv4"
)

var sdkCredentials = aws.Credentials{AccessKeyID: testKeyID, SecretAccessKey: testSecret}

// oddTargets are paths and queries on which encodings disagree.
var oddTargets = []string{
	"/",
	"/bucket",
	"/bucket/",
	"/bucket/a b+c//../é%2F",
	"/bucket//k/./..//",
	"/bucket/%2e%2e/%41",
	"/bucket/!\"$&'()*,:;<=>@[]^`{|}~",
	"/bucket/ü/日本?versionId=a%2Bb&x-id=GetObject",
	"/bucket?uploads",
	"/bucket?list-type=2&prefix=a%20b&delimiter=%2F&continuation-token=1%2B%2F%3D",
	"/bucket?prefix=a+b&marker=é",
	"/bucket/k?a=2&a=1&a&b=&=c",
	"/bucket/k?tagging&versionId=null",
	"/bucket/k?response-content-disposition=attachment%3B%20filename%3D%22a%22",
}

func TestSDKSigner(t *testing.T) {
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	for _, target := range oddTargets {
		u, err := url.Parse("http://" + testHost + strings.ReplaceAll(target, " ", "%20"))
		if err != nil {
			t.Fatal(err)
		}
		r := &http.Request{Method: "GET", URL: u, Host: testHost, Header: http.Header{
			"X-Amz-Content-Sha256": {sigv4.EmptySHA256}, "X-Amz-Meta-Spaces": {"  a   b "}, "X-Amz-Meta-Two": {"1", "2"}}}
		if err := signer.SignHTTP(t.Context(), sdkCredentials, r, sigv4.EmptySHA256, "s3", "us-east-1", testNow); err != nil {
			t.Fatal(err)
		}
		if _, _, err := newTest().S3(wire(t, r), Facts{}); err != nil {
			t.Errorf("header, %s: %v", target, err)
		}

		r = &http.Request{Method: "GET", URL: u, Host: testHost, Header: http.Header{}}
		q := u.Query()
		q.Set("X-Amz-Expires", "60")
		presign := *u
		presign.RawQuery = q.Encode()
		r.URL = &presign
		signed, header, err := signer.PresignHTTP(t.Context(), sdkCredentials, r, sigv4.UnsignedPayload, "s3", "us-east-1", testNow)
		if err != nil {
			t.Fatal(err)
		}
		got, err := http.NewRequest("GET", signed, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, values := range header {
			if name != "Host" {
				got.Header[name] = values
			}
		}
		if _, _, err := newTest().S3(wire(t, got), Facts{}); err != nil {
			t.Errorf("presigned, %s: %v", target, err)
		}
	}
}

// TestSDKAgreesWithOurSigner signs with both and compares the signatures.
func TestSDKAgreesWithOurSigner(t *testing.T) {
	for _, service := range []string{"s3", "kms", "coffer"} {
		signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
		for _, target := range oddTargets {
			if service != "s3" && strings.ContainsAny(target, "é.") || service != "s3" && strings.Contains(target, "//") {
				continue // the SDK does not normalize
			}
			u, err := url.Parse("http://" + testHost + strings.ReplaceAll(target, " ", "%20"))
			if err != nil {
				t.Fatal(err)
			}
			if service == "s3" && !sigv4.EncodesPathAsSent(u.EscapedPath()) {
				continue // the SDK signs it as it stands
			}
			header := http.Header{"X-Amz-Meta-Color": {"blue"}}
			if service == "s3" {
				header["X-Amz-Content-Sha256"] = []string{sigv4.EmptySHA256}
			}
			theirs := &http.Request{Method: "PUT", URL: u, Host: testHost, Header: header.Clone()}
			if err := signer.SignHTTP(t.Context(), sdkCredentials, theirs, sigv4.EmptySHA256, service, "us-east-1", testNow); err != nil {
				t.Fatal(err)
			}
			ours := &sigv4.Request{Method: "PUT", Path: u.EscapedPath(), RawQuery: u.RawQuery, Host: testHost, Header: header.Clone()}
			newSigner(service).Sign(ours, sigv4.EmptySHA256, testNow)
			if got, want := ours.Header["Authorization"][0], theirs.Header.Get("Authorization"); got != want {
				t.Errorf("%s %s: Sign = %s; the SDK has %s", service, target, got, want)
			}
		}
	}
}

// TestSDKClients sends requests of the SDK's clients through a server.
func TestSDKClients(t *testing.T) {
	a := New(Config{Keys: testKeys, Region: "us-east-1"})
	var caller *Caller
	var data []byte
	var trailer map[string]string
	var mode string
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b *Body
		var err error
		mode = r.Header.Get("X-Amz-Content-Sha256")
		if service := Service(r); service == "s3" {
			caller, b, err = a.S3(r, Facts{})
		} else {
			caller, b, err = a.JSON(r, service, Facts{})
			w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		}
		if err == nil {
			data, err = io.ReadAll(b)
			trailer = b.Trailer()
		}
		if err != nil {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if caller.Service == "kms" {
			io.WriteString(w, "{}")
		}
	})
	provider := credentials.NewStaticCredentialsProvider(testKeyID, testSecret, "")
	body := strings.Repeat("d", 200_000)
	for name, server := range map[string]*httptest.Server{"http": httptest.NewServer(handler), "https": httptest.NewTLSServer(handler)} {
		defer server.Close()
		client := s3.New(s3.Options{BaseEndpoint: &server.URL, UsePathStyle: true, Region: "us-east-1", Credentials: provider, HTTPClient: server.Client(), RetryMaxAttempts: 1})
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("a b+c//../é%2F"),
			Body: strings.NewReader(body), Metadata: map[string]string{"color": "blue  green"}, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
		if err != nil || string(data) != body || caller.Type != TypeRoot || caller.SecureTransport != (name == "https") {
			t.Errorf("%s: PutObject = %v, %d bytes, caller %+v", name, err, len(data), caller)
		}
		if name == "https" && (mode != sigv4.StreamingUnsignedTrailer || trailer["x-amz-checksum-crc32"] == "") {
			t.Errorf("%s: mode %s, trailers %v; want a trailing checksum", name, mode, trailer)
		}
		if name == "https" && (caller.TLSVersion != "TLSv1.3" || !strings.HasPrefix(caller.CipherSuite, "TLS_AES_")) {
			t.Errorf("caller has %s, %s", caller.TLSVersion, caller.CipherSuite)
		}
		if _, err := client.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: aws.String("bucket"), Key: aws.String("k"), CopySource: aws.String("bucket/a%20b")}); err != nil && !strings.Contains(err.Error(), "EOF") {
			t.Errorf("%s: CopyObject: %v", name, err)
		}
		presigner := s3.NewPresignClient(client)
		signed, err := presigner.PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("a b+c"), ServerSideEncryption: types.ServerSideEncryptionAwsKms})
		if err != nil {
			t.Fatal(err)
		}
		send(t, server.Client(), signed.Method, signed.URL, signed.SignedHeader, body)
		if string(data) != body || caller.AuthType != AuthQuery {
			t.Errorf("%s: presigned PUT: %d bytes, caller %+v", name, len(data), caller)
		}

		keys := kms.New(kms.Options{BaseEndpoint: &server.URL, Region: "eu-west-1", Credentials: provider, HTTPClient: server.Client(), RetryMaxAttempts: 1})
		if _, err := keys.ListKeys(t.Context(), &kms.ListKeysInput{}); err != nil || caller.Service != "kms" || caller.Region != "eu-west-1" {
			t.Errorf("%s: ListKeys: %v, caller %+v", name, err, caller)
		}
	}
}

func send(t *testing.T, client *http.Client, method, target string, header http.Header, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		if name != "Host" && name != "Content-Length" {
			r.Header[name] = values
		}
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("%s %s: %s", method, target, answer.Status)
	}
}

// TestSignedContentLength signs headers that a server does not keep among the
// others.
func TestSignedContentLength(t *testing.T) {
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	r := newRequest("PUT", "/bucket/key", "X-Amz-Content-Sha256", hashOf("hello"))
	setBody(r, "hello") // which makes the SDK sign content-length
	if err := signer.SignHTTP(t.Context(), sdkCredentials, r, hashOf("hello"), "s3", "us-east-1", testNow); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(r.Header.Get("Authorization"), "content-length;") {
		t.Fatalf("content-length is not signed: %s", r.Header.Get("Authorization"))
	}
	if _, _, err := newTest().S3(wire(t, r), Facts{}); err != nil {
		t.Error(err)
	}
}

func FuzzS3(f *testing.F) {
	raw := func(r *http.Request) []byte {
		var b bytes.Buffer
		r.Write(&b)
		return b.Bytes()
	}
	for _, mode := range modes {
		f.Add(raw(signed("PUT", "/bucket/key", mode, "hello")))
	}
	f.Add(raw(presigned("GET", "/bucket/key")))
	f.Add(raw(signedJSON("kms", "{}")))
	f.Add([]byte("GET /?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=9999999999999999999 HTTP/1.1\r\nHost: x\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a := New(Config{Keys: testKeys, Now: func() time.Time { return testNow }})
		for _, authenticate := range []func(*http.Request) (*Caller, *Body, error){
			func(r *http.Request) (*Caller, *Body, error) { return a.S3(r, Facts{}) },
			func(r *http.Request) (*Caller, *Body, error) { return a.JSON(r, Service(r), Facts{}) },
		} {
			r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(data)))
			if err != nil {
				return
			}
			c, b, err := authenticate(r.WithContext(context.Background()))
			if (err == nil) != (c != nil && b != nil) {
				t.Errorf("caller %v, body %v, error %v", c, b, err)
			}
			if err == nil {
				io.Copy(io.Discard, b)
			}
		}
	})
}

func BenchmarkS3(b *testing.B) {
	a := newTest()
	for name, r := range map[string]*http.Request{"header": signed("GET", "/bucket/some/key.txt", "", ""), "presigned": presigned("GET", "/bucket/some/key.txt")} {
		r.RequestURI, r.RemoteAddr, r.Host = r.URL.RequestURI(), "192.0.2.7:49152", testHost
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := a.S3(r, Facts{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkJSON(b *testing.B) {
	a := newTest()
	r := signedJSON("kms", "{}")
	r.Host = testHost
	b.ReportAllocs()
	for b.Loop() {
		setBody(r, "{}")
		if _, _, err := a.JSON(r, "kms", Facts{}); err != nil {
			b.Fatal(err)
		}
	}
}
