package s3api

import (
	"bytes"
	"context"
	"encoding/xml"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/checksum"
	"coffer/internal/identity"
	"coffer/internal/s3"
)

const (
	account   = "123456789012"
	accessKey = "AKIAIOSFODNN7EXAMPLE"
	secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

var modified = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

// A fakeAPI records what the handler asks for.
type fakeAPI struct {
	method  string
	in      any
	caller  *authn.Caller
	body    []byte // of an upload
	refused string // operation that was refused
	calls   int

	skipBody bool  // do not read an upload
	err      error // answers every method
	get      s3.GetObjectOutput
	versions *s3.ListObjectVersionsOutput
	list     *s3.ListObjectsOutput
	put      s3.PutObjectOutput
	kind     func(kind string) error
}

func answer[T any](f *fakeAPI, method string, c *authn.Caller, in any, out T) (T, error) {
	f.method, f.in, f.caller = method, in, c
	f.calls++
	return out, f.err
}

func (f *fakeAPI) upload(u *s3.Upload) error {
	if f.skipBody || f.err != nil {
		return f.err
	}
	var err error
	f.body, err = io.ReadAll(u.Body)
	return err
}

type ctx = context.Context
type who = *authn.Caller

func (f *fakeAPI) ListBuckets(_ ctx, c who, in *s3.ListBucketsInput) (*s3.ListBucketsOutput, error) {
	return answer(f, "ListBuckets", c, in, &s3.ListBucketsOutput{Owner: s3.Owner{ID: "id"}, Buckets: []s3.BucketInfo{{Name: "b", Created: modified}}})
}
func (f *fakeAPI) CreateBucket(_ ctx, c who, in *s3.CreateBucketInput) (*s3.CreateBucketOutput, error) {
	return answer(f, "CreateBucket", c, in, &s3.CreateBucketOutput{BucketARN: "arn:aws:s3:::" + in.Bucket})
}
func (f *fakeAPI) HeadBucket(_ ctx, c who, in *s3.BucketInput) (*s3.HeadBucketOutput, error) {
	return answer(f, "HeadBucket", c, in, &s3.HeadBucketOutput{Region: "us-east-1"})
}
func (f *fakeAPI) DeleteBucket(_ ctx, c who, in *s3.BucketInput) error {
	_, err := answer(f, "DeleteBucket", c, in, 0)
	return err
}
func (f *fakeAPI) GetBucketLocation(_ ctx, c who, in *s3.BucketInput) (*s3.GetBucketLocationOutput, error) {
	return answer(f, "GetBucketLocation", c, in, &s3.GetBucketLocationOutput{LocationConstraint: "eu-west-1"})
}
func (f *fakeAPI) PutBucketVersioning(_ ctx, c who, in *s3.PutBucketVersioningInput) error {
	_, err := answer(f, "PutBucketVersioning", c, in, 0)
	return err
}
func (f *fakeAPI) GetBucketVersioning(_ ctx, c who, in *s3.BucketInput) (*s3.GetBucketVersioningOutput, error) {
	return answer(f, "GetBucketVersioning", c, in, &s3.GetBucketVersioningOutput{Status: "Enabled"})
}
func (f *fakeAPI) PutBucketEncryption(_ ctx, c who, in *s3.PutBucketEncryptionInput) error {
	_, err := answer(f, "PutBucketEncryption", c, in, 0)
	return err
}
func (f *fakeAPI) GetBucketEncryption(_ ctx, c who, in *s3.BucketInput) (*s3.GetBucketEncryptionOutput, error) {
	return answer(f, "GetBucketEncryption", c, in, &s3.GetBucketEncryptionOutput{Rules: []s3.EncryptionRule{{Algorithm: "AES256"}}})
}
func (f *fakeAPI) DeleteBucketEncryption(_ ctx, c who, in *s3.BucketInput) error {
	_, err := answer(f, "DeleteBucketEncryption", c, in, 0)
	return err
}
func (f *fakeAPI) PutBucketTagging(_ ctx, c who, in *s3.PutTaggingInput) error {
	_, err := answer(f, "PutBucketTagging", c, in, 0)
	return err
}
func (f *fakeAPI) GetBucketTagging(_ ctx, c who, in *s3.BucketInput) (*s3.TaggingOutput, error) {
	return answer(f, "GetBucketTagging", c, in, &s3.TaggingOutput{Tags: []s3.Tag{{Key: "k", Value: "v"}}})
}
func (f *fakeAPI) DeleteBucketTagging(_ ctx, c who, in *s3.BucketInput) error {
	_, err := answer(f, "DeleteBucketTagging", c, in, 0)
	return err
}
func (f *fakeAPI) GetBucketConfiguration(_ ctx, c who, in *s3.BucketConfigurationInput) (*s3.BucketConfigurationOutput, error) {
	if f.kind != nil {
		if err := f.kind(in.Kind); err != nil {
			f.err = err
		}
	}
	return answer(f, "GetBucketConfiguration", c, in, &s3.BucketConfigurationOutput{Kind: in.Kind, Owner: s3.Owner{ID: "id"}})
}
func (f *fakeAPI) PutBucketPolicy(_ ctx, c who, in *s3.PutBucketPolicyInput) error {
	_, err := answer(f, "PutBucketPolicy", c, in, 0)
	return err
}
func (f *fakeAPI) GetBucketPolicy(_ ctx, c who, in *s3.BucketInput) (*s3.GetBucketPolicyOutput, error) {
	return answer(f, "GetBucketPolicy", c, in, &s3.GetBucketPolicyOutput{Policy: "{}"})
}
func (f *fakeAPI) DeleteBucketPolicy(_ ctx, c who, in *s3.BucketInput) error {
	_, err := answer(f, "DeleteBucketPolicy", c, in, 0)
	return err
}
func (f *fakeAPI) GetBucketPolicyStatus(_ ctx, c who, in *s3.BucketInput) (*s3.GetBucketPolicyStatusOutput, error) {
	return answer(f, "GetBucketPolicyStatus", c, in, &s3.GetBucketPolicyStatusOutput{IsPublic: true})
}
func (f *fakeAPI) PutPublicAccessBlock(_ ctx, c who, in *s3.PutPublicAccessBlockInput) error {
	_, err := answer(f, "PutPublicAccessBlock", c, in, 0)
	return err
}
func (f *fakeAPI) GetPublicAccessBlock(_ ctx, c who, in *s3.BucketInput) (*s3.PublicAccessBlock, error) {
	return answer(f, "GetPublicAccessBlock", c, in, &s3.PublicAccessBlock{BlockPublicPolicy: true})
}
func (f *fakeAPI) DeletePublicAccessBlock(_ ctx, c who, in *s3.BucketInput) error {
	_, err := answer(f, "DeletePublicAccessBlock", c, in, 0)
	return err
}
func (f *fakeAPI) PutAccountPublicAccessBlock(_ ctx, c who, in *s3.PutAccountPublicAccessBlockInput) error {
	_, err := answer(f, "PutAccountPublicAccessBlock", c, in, 0)
	return err
}
func (f *fakeAPI) GetAccountPublicAccessBlock(_ ctx, c who, in *s3.AccountInput) (*s3.PublicAccessBlock, error) {
	return answer(f, "GetAccountPublicAccessBlock", c, in, &s3.PublicAccessBlock{IgnorePublicACLs: true})
}
func (f *fakeAPI) DeleteAccountPublicAccessBlock(_ ctx, c who, in *s3.AccountInput) error {
	_, err := answer(f, "DeleteAccountPublicAccessBlock", c, in, 0)
	return err
}
func (f *fakeAPI) PutBucketOwnershipControls(_ ctx, c who, in *s3.PutBucketOwnershipControlsInput) error {
	_, err := answer(f, "PutBucketOwnershipControls", c, in, 0)
	return err
}
func (f *fakeAPI) GetBucketOwnershipControls(_ ctx, c who, in *s3.BucketInput) (*s3.GetBucketOwnershipControlsOutput, error) {
	return answer(f, "GetBucketOwnershipControls", c, in, &s3.GetBucketOwnershipControlsOutput{ObjectOwnership: "ObjectWriter"})
}
func (f *fakeAPI) DeleteBucketOwnershipControls(_ ctx, c who, in *s3.BucketInput) error {
	_, err := answer(f, "DeleteBucketOwnershipControls", c, in, 0)
	return err
}
func (f *fakeAPI) PutBucketACL(_ ctx, c who, in *s3.PutACLInput) error {
	_, err := answer(f, "PutBucketAcl", c, in, 0)
	return err
}
func (f *fakeAPI) GetBucketACL(_ ctx, c who, in *s3.BucketInput) (*s3.ACLOutput, error) {
	return answer(f, "GetBucketAcl", c, in, &s3.ACLOutput{Owner: s3.Owner{ID: "id"}, Grants: []s3.ACLGrant{{ID: "id", Permission: "FULL_CONTROL"}}})
}
func (f *fakeAPI) PutObjectACL(_ ctx, c who, in *s3.PutACLInput) (*s3.PutObjectACLOutput, error) {
	return answer(f, "PutObjectAcl", c, in, &s3.PutObjectACLOutput{VersionID: "v"})
}
func (f *fakeAPI) GetObjectACL(_ ctx, c who, in *s3.ObjectInput) (*s3.ACLOutput, error) {
	return answer(f, "GetObjectAcl", c, in, &s3.ACLOutput{Owner: s3.Owner{ID: "id"}, VersionID: "v"})
}
func (f *fakeAPI) PutObject(_ ctx, c who, in *s3.PutObjectInput) (*s3.PutObjectOutput, error) {
	out, err := answer(f, "PutObject", c, in, &f.put)
	if err == nil {
		err = f.upload(&in.Upload)
	}
	return out, err
}
func (f *fakeAPI) GetObject(_ ctx, c who, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	return answer(f, "GetObject", c, in, &f.get)
}
func (f *fakeAPI) DeleteObject(_ ctx, c who, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	return answer(f, "DeleteObject", c, in, &s3.DeleteObjectOutput{DeleteMarker: true, VersionID: "v"})
}
func (f *fakeAPI) DeleteObjects(_ ctx, c who, in *s3.DeleteObjectsInput) (*s3.DeleteObjectsOutput, error) {
	out := &s3.DeleteObjectsOutput{}
	for i, o := range in.Objects {
		r := s3.DeleteResult{Key: o.Key, VersionID: o.VersionID}
		if i == 1 {
			r.ErrCode, r.ErrMessage = "AccessDenied", "Access Denied"
		}
		out.Results = append(out.Results, r)
	}
	return answer(f, "DeleteObjects", c, in, out)
}
func (f *fakeAPI) CopyObject(_ ctx, c who, in *s3.CopyObjectInput) (*s3.CopyObjectOutput, error) {
	return answer(f, "CopyObject", c, in, &s3.CopyObjectOutput{PutObjectOutput: f.put, LastModified: modified, SourceVersionID: "sv"})
}
func (f *fakeAPI) UpdateObjectEncryption(_ ctx, c who, in *s3.UpdateObjectEncryptionInput) error {
	_, err := answer(f, "UpdateObjectEncryption", c, in, 0)
	return err
}
func (f *fakeAPI) GetObjectAttributes(_ ctx, c who, in *s3.GetObjectAttributesInput) (*s3.GetObjectAttributesOutput, error) {
	return answer(f, "GetObjectAttributes", c, in, &s3.GetObjectAttributesOutput{ETag: "e", LastModified: modified})
}
func (f *fakeAPI) PutObjectTagging(_ ctx, c who, in *s3.PutTaggingInput) (*s3.TaggingOutput, error) {
	return answer(f, "PutObjectTagging", c, in, &s3.TaggingOutput{VersionID: "v"})
}
func (f *fakeAPI) GetObjectTagging(_ ctx, c who, in *s3.ObjectInput) (*s3.TaggingOutput, error) {
	return answer(f, "GetObjectTagging", c, in, &s3.TaggingOutput{VersionID: "v"})
}
func (f *fakeAPI) DeleteObjectTagging(_ ctx, c who, in *s3.ObjectInput) (*s3.TaggingOutput, error) {
	return answer(f, "DeleteObjectTagging", c, in, &s3.TaggingOutput{VersionID: "v"})
}
func (f *fakeAPI) GetObjectConfiguration(_ ctx, c who, in *s3.ObjectInput, kind string) (*s3.BucketConfigurationOutput, error) {
	return answer(f, "GetObjectConfiguration", c, in, &s3.BucketConfigurationOutput{Kind: kind, Owner: s3.Owner{ID: "id"}})
}
func (f *fakeAPI) ListObjects(_ ctx, c who, in *s3.ListObjectsInput) (*s3.ListObjectsOutput, error) {
	return answer(f, "ListObjects", c, in, f.listing())
}
func (f *fakeAPI) ListObjectsV2(_ ctx, c who, in *s3.ListObjectsInput) (*s3.ListObjectsOutput, error) {
	return answer(f, "ListObjectsV2", c, in, f.listing())
}
func (f *fakeAPI) listing() *s3.ListObjectsOutput {
	if f.list != nil {
		return f.list
	}
	return &s3.ListObjectsOutput{MaxKeys: 1000}
}
func (f *fakeAPI) ListObjectVersions(_ ctx, c who, in *s3.ListObjectsInput) (*s3.ListObjectVersionsOutput, error) {
	out := f.versions
	if out == nil {
		out = &s3.ListObjectVersionsOutput{}
	}
	return answer(f, "ListObjectVersions", c, in, out)
}
func (f *fakeAPI) CreateMultipartUpload(_ ctx, c who, in *s3.CreateMultipartUploadInput) (*s3.CreateMultipartUploadOutput, error) {
	return answer(f, "CreateMultipartUpload", c, in, &s3.CreateMultipartUploadOutput{UploadID: "id", ChecksumAlgorithm: in.ChecksumAlgorithm})
}
func (f *fakeAPI) UploadPart(_ ctx, c who, in *s3.UploadPartInput) (*s3.UploadPartOutput, error) {
	out, err := answer(f, "UploadPart", c, in, &s3.UploadPartOutput{ETag: "p"})
	if err == nil {
		err = f.upload(&in.Upload)
	}
	return out, err
}
func (f *fakeAPI) UploadPartCopy(_ ctx, c who, in *s3.UploadPartCopyInput) (*s3.UploadPartOutput, error) {
	return answer(f, "UploadPartCopy", c, in, &s3.UploadPartOutput{ETag: "p", LastModified: modified})
}
func (f *fakeAPI) CompleteMultipartUpload(_ ctx, c who, in *s3.CompleteMultipartUploadInput) (*s3.CompleteMultipartUploadOutput, error) {
	return answer(f, "CompleteMultipartUpload", c, in, &s3.CompleteMultipartUploadOutput{PutObjectOutput: f.put})
}
func (f *fakeAPI) AbortMultipartUpload(_ ctx, c who, in *s3.MultipartUploadInput) error {
	_, err := answer(f, "AbortMultipartUpload", c, in, 0)
	return err
}
func (f *fakeAPI) ListParts(_ ctx, c who, in *s3.MultipartUploadInput) (*s3.ListPartsOutput, error) {
	return answer(f, "ListParts", c, in, &s3.ListPartsOutput{})
}
func (f *fakeAPI) ListMultipartUploads(_ ctx, c who, in *s3.ListMultipartUploadsInput) (*s3.ListMultipartUploadsOutput, error) {
	return answer(f, "ListMultipartUploads", c, in, &s3.ListMultipartUploadsOutput{})
}
func (f *fakeAPI) Refuse(_ ctx, c who, operation, _, _ string, err error) error {
	f.refused, f.caller = operation, c
	return err
}

var _ s3.API = (*fakeAPI)(nil)

// keys holds the one access key of the tests.
type keys struct{}

func (keys) Lookup(_ context.Context, id string) (*identity.AccessKey, error) {
	if id != accessKey {
		return nil, identity.ErrNoAccessKey
	}
	return &identity.AccessKey{ID: id, Account: account, Principal: "arn:aws:iam::" + account + ":root",
		Secret: identity.NewSecret(secretKey), Status: identity.Active}, nil
}

// signedIn takes every request without a signature for one of the root user.
type signedIn struct{ *authn.Authenticator }

func (s signedIn) S3(r *http.Request, f authn.Facts) (*authn.Caller, *authn.Body, error) {
	c, b, err := s.Authenticator.S3(r, f)
	if c != nil && c.IsAnonymous() {
		c.Type, c.Account = authn.TypeRoot, account
	}
	return c, b, err
}

// A rig is a handler with a fake behind it.
type rig struct {
	*fakeAPI
	h    *Handler
	logs *lockedBuffer
}

// A lockedBuffer is a log that a server writes while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func md5Of(s string) string { return checksum.MD5.Encode(checksum.MD5.Sum([]byte(s))) }

func newRig(anonymous bool) *rig {
	var a Authenticator = signedIn{authn.New(authn.Config{Keys: keys{}, Region: "us-east-1"})}
	if anonymous {
		a = a.(signedIn).Authenticator
	}
	rig := &rig{fakeAPI: &fakeAPI{}, logs: &lockedBuffer{}}
	rig.get = s3.GetObjectOutput{ETag: "e", LastModified: modified}
	rig.put = s3.PutObjectOutput{ETag: "e"}
	rig.h = New(Config{API: rig.fakeAPI, Authenticator: a, Domains: []string{"s3.example.com", "example.com"},
		Log: slog.New(slog.NewTextHandler(rig.logs, nil)), Now: func() time.Time { return modified }})
	return rig
}

// do sends a request whose headers are "Name: value".
func (g *rig) do(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	g.h.ServeHTTP(w, r)
	return w
}

// code returns the error code of an answer.
func code(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	return errorBody(t, w).Code
}

type wireError struct {
	XMLName       xml.Name `xml:"Error"`
	Code, Message string
	ArgumentName  string
	Method        string
	ResourceType  string
	RequestID     string `xml:"RequestId"`
	HostID        string `xml:"HostId"`
}

func errorBody(t *testing.T, w *httptest.ResponseRecorder) (e wireError) {
	t.Helper()
	if w.Code < 300 {
		t.Fatalf("answer is %d %s, no error", w.Code, w.Body)
	}
	if err := xml.Unmarshal(w.Body.Bytes(), &e); err != nil {
		t.Fatalf("%v in %q", err, w.Body)
	}
	if e.Message == "" || e.RequestID == "" || e.RequestID != w.Header().Get("x-amz-request-id") || e.HostID == "" {
		t.Errorf("incomplete error body: %s", w.Body)
	}
	return e
}

// in returns the input of the last call, or fails.
func in[T any](t *testing.T, g *rig) T {
	t.Helper()
	v, ok := g.in.(T)
	if !ok {
		t.Fatalf("input is %T (%s); refused %q", g.in, g.method, g.refused)
	}
	return v
}

// content is a Body over a reader.
type content struct {
	io.Reader
	closed bool
}

func (c *content) Close() error { c.closed = true; return nil }
func (c *content) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{c.Reader})
}

var errSome = awserr.New(403, "AccessDenied", "Access Denied")
