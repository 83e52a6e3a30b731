package authn

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"coffer/internal/awserr"
	"coffer/internal/identity"
	"coffer/internal/sigv4"
)

const (
	testAccount = "123456789012"
	testKeyID   = "AKIAIOSFODNN7EXAMPLE"
	testSecret  = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	testHost    = "s3.example.test:7070"
)

var testNow = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// keys is a Keys with fixed contents.
type keys map[string]*identity.AccessKey

func (k keys) Lookup(_ context.Context, id string) (*identity.AccessKey, error) {
	if found := k[id]; found != nil {
		return found, nil
	}
	return nil, identity.ErrNoAccessKey
}

var testKeys = keys{
	testKeyID: {ID: testKeyID, Account: testAccount, Principal: "arn:aws:iam::123456789012:root",
		Secret: identity.NewSecret(testSecret), Status: identity.Active},
	"AKIAALICE": {ID: "AKIAALICE", Account: testAccount, Principal: aliceARN, UserID: aliceID, UserName: "alice",
		Secret: identity.NewSecret(testSecret), Status: identity.Active},
	"AKIAINACTIVE": {ID: "AKIAINACTIVE", Account: testAccount, Principal: "arn:aws:iam::123456789012:root",
		Secret: identity.NewSecret(testSecret), Status: identity.Inactive},
}

// newTest returns an authenticator whose clock stands at testNow.
func newTest() *Authenticator {
	return New(Config{Keys: testKeys, Now: func() time.Time { return testNow }, Region: "us-east-1"})
}

func newSigner(service string) *sigv4.Signer {
	return sigv4.NewSigner(testKeyID, testSecret, "us-east-1", service)
}

// newRequest returns a request that is not signed, as a client makes it.
func newRequest(method, target string, header ...string) *http.Request {
	r, err := http.NewRequest(method, "http://"+testHost+target, nil)
	if err != nil {
		panic(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// unsigned returns r as package sigv4 has it.
func unsigned(r *http.Request) *sigv4.Request {
	return &sigv4.Request{Method: r.Method, Path: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Host: r.URL.Host, Header: r.Header}
}

// setBody gives r a body of known length.
func setBody(r *http.Request, body string) {
	if body == "" {
		r.Body, r.ContentLength = http.NoBody, 0
		return
	}
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
}

// wire returns r as a server reads it.
func wire(t testing.TB, r *http.Request) *http.Request {
	t.Helper()
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	read, err := http.ReadRequest(bufio.NewReader(&b))
	if err != nil {
		t.Fatal(err)
	}
	read.RemoteAddr = "192.0.2.7:49152"
	return read
}

func hashOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// signed returns a request with a body of that payload mode: a name in package
// sigv4, or "" for a hash.
func signed(method, target, mode, body string, header ...string) *http.Request {
	r := newRequest(method, target, header...)
	var chain *sigv4.Chain
	cfg := sigv4.EncodeConfig{ChunkSize: sigv4.MinChunkSize}
	switch mode {
	case "":
		newSigner("s3").Sign(unsigned(r), hashOf(body), testNow)
		setBody(r, body)
		return r
	case sigv4.UnsignedPayload:
		newSigner("s3").Sign(unsigned(r), mode, testNow)
		setBody(r, body)
		return r
	}
	r.Header.Set("Content-Encoding", "aws-chunked")
	r.Header.Set("X-Amz-Decoded-Content-Length", strconv.Itoa(len(body)))
	if mode != sigv4.StreamingPayload {
		r.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32")
		cfg.TrailerName, cfg.TrailerLength = "x-amz-checksum-crc32", 8
		cfg.Trailer = func() string { return "AAAAAA==" }
	}
	chain = newSigner("s3").Sign(unsigned(r), mode, testNow)
	if mode != sigv4.StreamingUnsignedTrailer {
		cfg.Chain = chain
	}
	framed, err := io.ReadAll(sigv4.NewChunkEncoder(strings.NewReader(body), cfg))
	if err != nil {
		panic(err)
	}
	setBody(r, string(framed))
	return r
}

// presigned returns a request whose query is signed for a minute.
func presigned(method, target string, header ...string) *http.Request {
	r := newRequest(method, target, header...)
	r.URL.RawQuery = newSigner("s3").Presign(unsigned(r), sigv4.UnsignedPayload, testNow, time.Minute)
	return r
}

// An answer is what a test expects of a refused request: a code, a status, and
// "" or the message, and fields that the error has.
type answer struct {
	code    string
	status  int
	message string
	fields  map[string]string
}

// check reports an error that is not the answer.
func (want answer) check(t *testing.T, err error) {
	t.Helper()
	e := awserr.As(err)
	if e == nil || e.Code != want.code || e.Status != want.status || want.message != "" && e.Message != want.message {
		t.Errorf("error = %v; want %d %s: %s", err, want.status, want.code, want.message)
		return
	}
	for name, value := range want.fields {
		if got := field(e, name); got != value {
			t.Errorf("field %s = %q; want %q", name, got, value)
		}
	}
}

func field(e *awserr.Error, name string) string {
	for _, f := range e.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return "(none)"
}
