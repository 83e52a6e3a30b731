package conformance

import (
	"bytes"
	"context"
	"encoding/xml"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const unsignedPayload = "UNSIGNED-PAYLOAD"

// newRequest returns a request of S3 that is signed, except for its body.
func (s *server) newRequest(method, path string, body io.Reader, header ...string) *http.Request {
	s.t.Helper()
	req, err := http.NewRequest(method, s.endpoint+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	req.Header.Set("X-Amz-Content-Sha256", unsignedPayload)
	creds, err := s.credentials().Retrieve(context.Background())
	if err != nil {
		s.t.Fatal(err)
	}
	err = v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).
		SignHTTP(context.Background(), creds, req, unsignedPayload, "s3", s.region, time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	return req
}

// An answer is what a server answered to a raw request.
type answer struct {
	status int
	header http.Header
	body   []byte
	code   string // of an error
}

// send sends a raw request with a body of its own and reads the answer. It
// checks that an answer of S3 with an error is the document that clients expect.
func (s *server) send(method, path string, body []byte, header ...string) answer {
	s.t.Helper()
	a, err := s.trySend(method, path, body, header...)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// trySend is send for requests that may get no answer, and for goroutines.
func (s *server) trySend(method, path string, body []byte, header ...string) (answer, error) {
	res, err := http.DefaultClient.Do(s.newRequest(method, path, bytes.NewReader(body), header...))
	if err != nil {
		return answer{}, err
	}
	return readAnswer(s.t, res)
}

func readAnswer(t testing.TB, res *http.Response) (answer, error) {
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	a := answer{status: res.StatusCode, header: res.Header, body: b}
	if err == nil && res.StatusCode >= 400 && len(b) > 0 {
		a.code = errorCode(t, b)
	}
	return a, err
}

// errorCode returns the code of S3's error document. It fails the test for a
// document that lacks something.
func errorCode(t testing.TB, doc []byte) string {
	t.Helper()
	var e struct {
		XMLName                          xml.Name `xml:"Error"`
		Code, Message, RequestID, HostID string
	}
	// The names of S3 end in Id.
	text := strings.NewReplacer("RequestId>", "RequestID>", "HostId>", "HostID>").Replace(string(doc))
	if err := xml.Unmarshal([]byte(text), &e); err != nil || e.Code == "" || e.Message == "" || e.RequestID == "" {
		t.Errorf("error document = %q, %v; want Code, Message and RequestId", doc, err)
	}
	return e.Code
}

// eventually fails the test unless ok comes true within a time.
func eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(50 * time.Millisecond) {
		if ok() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after %v it is not so that %s", within, what)
		}
	}
}
