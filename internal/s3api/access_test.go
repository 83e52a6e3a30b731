package s3api

import (
	"strings"
	"testing"

	"coffer/internal/s3"
)

// S3 Control is told by its path and the header that names the account; its errors
// have an envelope.
func TestS3Control(t *testing.T) {
	const path = "/v20180820/configuration/publicAccessBlock"
	tests := []struct {
		name, method, target, header string
		status                       int
		code                         string
		operation                    string // that was called or refused
	}{
		{"an account's setting", "GET", path, "x-amz-account-id: " + account, 200, "", "GetAccountPublicAccessBlock"},
		{"on a host of its own", "GET", "http://123456789012.example.com" + path, "x-amz-account-id: " + account, 200, "", "GetAccountPublicAccessBlock"},
		{"another operation", "GET", "/v20180820/jobs", "x-amz-account-id: " + account, 501, "NotImplemented", "Unknown"},
		{"another method", "POST", path, "x-amz-account-id: " + account, 405, "MethodNotAllowed", "Unknown"},
		{"a parameter", "GET", path + "?versionId=1", "x-amz-account-id: " + account, 400, "InvalidArgument", "GetAccountPublicAccessBlock"},
		{"without an account it is a bucket", "GET", path, "Accept: x", 200, "", "GetObject"},
		{"the account on an operation of S3", "GET", "/bucket/key", "x-amz-account-id: " + account, 400, "InvalidArgument", "GetObject"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(false)
			w := g.do(tt.method, tt.target, "", tt.header)
			done := g.method
			if done == "" {
				done = g.refused
			}
			if w.Code != tt.status || done != tt.operation {
				t.Errorf("%s %s = %d, %s; want %d, %s", tt.method, tt.target, w.Code, done, tt.status, tt.operation)
			}
			wrapped := strings.Contains(w.Body.String(), "<ErrorResponse xmlns=\"http://awss3control.amazonaws.com/doc/2018-08-20/\"><Error><Code>"+tt.code+"<")
			if isControl := strings.Contains(tt.target, "/v20180820/"); tt.code != "" && wrapped != isControl {
				t.Errorf("body = %s", w.Body)
			}
			// Clients look for the request's ID beside the error.
			if wrapped && !strings.Contains(w.Body.String(), "</Error><RequestId>") {
				t.Errorf("body = %s; want the request's ID in the envelope", w.Body)
			}
		})
	}
}

func TestACLRequests(t *testing.T) {
	g := newRig(false)
	body := `<AccessControlPolicy><Owner><ID>o</ID></Owner><AccessControlList><Grant><Grantee><URI>u</URI></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>`
	g.do("PUT", "/bucket/key?acl&versionId=v", body)
	got := in[*s3.PutACLInput](t, g)
	if got.VersionID != "v" || got.Document == nil || got.Document.Owner.ID != "o" || len(got.Document.Grants) != 1 || got.Document.Grants[0] != (s3.ACLGrant{URI: "u", Permission: "READ"}) {
		t.Errorf("input = %+v", got)
	}
	g.do("PUT", "/bucket?acl", "", "x-amz-grant-read: id=1", "x-amz-grant-write-acp: id=2")
	if got := in[*s3.PutACLInput](t, g); got.Document != nil || len(got.ACL.Grants) != 2 || got.ACL.Grants["x-amz-grant-write-acp"] != "id=2" {
		t.Errorf("input = %+v", got)
	}
	if w := g.do("PUT", "/bucket?acl", "<AccessControlPolicy/>"); w.Code != 400 || code(t, w) != "MalformedXML" {
		t.Errorf("PUT ?acl without a list = %d %s", w.Code, w.Body)
	}
	if w := g.do("PUT", "/bucket?policy", "{}", "x-amz-confirm-remove-self-bucket-access: yes"); w.Code != 400 {
		t.Errorf("PUT ?policy with a confirmation that is none = %d", w.Code)
	}
	if w := g.do("GET", "/bucket?policy", ""); w.Header().Get("Content-Type") != "application/json" || w.Body.String() != "{}" {
		t.Errorf("GET ?policy = %s %q", w.Header().Get("Content-Type"), w.Body)
	}
	g.do("GET", "/bucket?list-type=2&prefix=&max-keys=5", "")
	if got := in[*s3.ListObjectsInput](t, g); !got.HasPrefix || got.HasDelimiter || got.MaxKeys != 5 {
		t.Errorf("input = %+v", got)
	}
}
