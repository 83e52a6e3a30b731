package s3api

import (
	"strings"
	"testing"
	"unicode/utf8"

	"coffer/internal/s3"
)

// TestAddress checks that the key is the decoded raw path and nothing else: what
// is authorized is what is used.
func TestAddress(t *testing.T) {
	long := strings.Repeat("k", MaxKeyLength)
	tests := []struct {
		name, host, path string
		bucket, key      string
		status           int // 200 unless set
	}{
		{name: "path style", path: "/b/k", bucket: "b", key: "k"},
		{name: "virtual-hosted style", host: "b.s3.example.com:7070", path: "/k", bucket: "b", key: "k"},
		{name: "the longest domain wins", host: "b.s3.example.com", path: "/s3", bucket: "b", key: "s3"},
		{name: "a bucket with dots", host: "a.b.S3.Example.com.", path: "/k", bucket: "a.b", key: "k"},
		{name: "the domain itself is path style", host: "s3.example.com", path: "/b/k", bucket: "b", key: "k"},
		{name: "another host is path style", host: "127.0.0.1:1", path: "/b/k", bucket: "b", key: "k"},
		{name: "a host that only ends like a domain", host: "b-s3.example.org", path: "/b/k", bucket: "b", key: "k"},
		{name: "dot segments", path: "/b/a/../../c/./d", bucket: "b", key: "a/../../c/./d"},
		{name: "encoded dot segments", path: "/b/%2e%2e/%2E%2E/k", bucket: "b", key: "../../k"},
		{name: "empty segments", path: "/b//a///c", bucket: "b", key: "/a///c"},
		{name: "a trailing slash", path: "/b/dir/", bucket: "b", key: "dir/"},
		{name: "an encoded slash", path: "/b/a%2Fb", bucket: "b", key: "a/b"},
		{name: "an encoded question mark", path: "/b/a%3Facl", bucket: "b", key: "a?acl"},
		{name: "a percent sign", path: "/b/100%25", bucket: "b", key: "100%"},
		{name: "an escape that was escaped", path: "/b/%252e%252e", bucket: "b", key: "%2e%2e"},
		{name: "a plus is no space", path: "/b/a+b%20c", bucket: "b", key: "a+b c"},
		{name: "UTF-8", path: "/b/%E2%82%AC", bucket: "b", key: "€"},
		{name: "the longest key", path: "/b/" + long, bucket: "b", key: long},
		{name: "a key too long", path: "/b/" + long + "k", status: 400},
		{name: "no UTF-8", path: "/b/%ff", status: 400},
		{name: "no bucket", path: "//k", status: 400},
		{name: "a slash in the bucket", path: "/b%2Fk", status: 400},
		{name: "a slash in the bucket, with a key", path: "/b%2F..%2Fc/k", status: 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(false)
			host := tt.host
			if host == "" {
				host = "localhost:7070"
			}
			r := g.do("GET", "http://"+host+tt.path, "", "Host: "+host)
			if tt.status != 0 {
				if r.Code != tt.status || g.calls != 0 {
					t.Errorf("= %d; want %d", r.Code, tt.status)
				}
				return
			}
			got := in[*s3.GetObjectInput](t, g)
			if got.Bucket != tt.bucket || got.Key != tt.key {
				t.Errorf("bucket %q key %q; want %q %q", got.Bucket, got.Key, tt.bucket, tt.key)
			}
		})
	}
}

func TestParseCopySource(t *testing.T) {
	tests := []struct {
		name, in             string
		bucket, key, version string
		ok                   bool
	}{
		{"bucket and key", "b/k", "b", "k", "", true},
		{"a leading slash", "/b/k", "b", "k", "", true},
		{"an encoded key", "/b/a%20b%2Bc%3Fd", "b", "a b+c?d", "", true},
		{"a plus is a space", "/b/a+b", "b", "a b", "", true},
		{"dot segments", "/b/../c/%2e%2e/k", "b", "../c/../k", "", true},
		{"empty segments", "/b//k/", "b", "/k/", "", true},
		{"a version", "/b/k?versionId=v%2F1", "b", "k", "v/1", true},
		{"an encoded slash after the bucket", "b%2Fk", "", "", "", false},
		{"no key", "/b/", "", "", "", false},
		{"no bucket", "//k", "", "", "", false},
		{"nothing", "", "", "", "", false},
		{"an empty version", "/b/k?versionId=", "", "", "", false},
		{"another parameter", "/b/k?acl", "", "", "", false},
		{"a second parameter", "/b/k?versionId=v&x=y", "", "", "", false},
		{"a bad escape", "/b/%zz", "", "", "", false},
		{"no UTF-8", "/b/%ff", "", "", "", false},
		{"an access point", "arn:aws:s3:us-east-1:123456789012:accesspoint/a/object/k", "", "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseCopySource(tt.in)
			if (err == nil) != tt.ok || err == nil && (got.Bucket != tt.bucket || got.Key != tt.key || got.VersionID != tt.version) {
				t.Errorf("parseCopySource(%q) = %q %q %q, %v", tt.in, got.Bucket, got.Key, got.VersionID, err)
			}
		})
	}
}

func FuzzCopySource(f *testing.F) {
	f.Add("/b/k?versionId=v")
	f.Add("b/%2e%2e/+?versionId=%zz")
	f.Fuzz(func(t *testing.T, in string) {
		s, err := parseCopySource(in)
		if err == nil && (s.Bucket == "" || s.Key == "" || len(s.Key) > MaxKeyLength || !utf8.ValidString(s.Key) || strings.Contains(s.Bucket, "/")) {
			t.Errorf("parseCopySource(%q) = %+v", in, s)
		}
	})
}
