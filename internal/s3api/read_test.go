package s3api

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"coffer/internal/awserr"
	"coffer/internal/checksum"
	"coffer/internal/s3"
)

func TestParseRange(t *testing.T) {
	tests := []struct {
		in   string
		want *s3.ByteRange
	}{
		{"bytes=0-9", &s3.ByteRange{First: 0, Last: 9}},
		{"Bytes=5-5", &s3.ByteRange{First: 5, Last: 5}},
		{"bytes=5-", &s3.ByteRange{First: 5, Last: -1}},
		{"bytes=-5", &s3.ByteRange{Suffix: 5, IsSuffix: true}},
		{"bytes=-0", &s3.ByteRange{IsSuffix: true}},
		{"bytes=0-99999999999999999999", &s3.ByteRange{Last: 1<<63 - 1}},
		// All others are answered with the whole object.
		{"", nil}, {"bytes", nil}, {"bytes=", nil}, {"bytes=-", nil}, {"bytes=a-b", nil}, {"bytes=9-0", nil},
		{"bytes=0-1,3-4", nil}, {"bytes=+1-2", nil}, {"bytes=1--2", nil}, {"items=0-1", nil}, {"0-1", nil},
	}
	for _, tt := range tests {
		h := http.Header{"Range": {tt.in}}
		got := parseRange(h)
		if (got == nil) != (tt.want == nil) || got != nil && *got != *tt.want {
			t.Errorf("parseRange(%q) = %+v; want %+v", tt.in, got, tt.want)
		}
	}
	if got := parseRange(http.Header{"Range": {"bytes=0-1"}, "If-Range": {`"e"`}}); got != nil {
		t.Errorf("with If-Range = %+v; want the whole object", got)
	}
}

func FuzzRange(f *testing.F) {
	for _, s := range []string{"bytes=0-9", "bytes=-5", "bytes=5-", "bytes=9-0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		r := parseRange(http.Header{"Range": {in}})
		if r != nil && (r.First < 0 || r.Suffix < 0 || r.Last < -1 || r.Last >= 0 && r.Last < r.First) {
			t.Errorf("parseRange(%q) = %+v", in, r)
		}
	})
}

func object(s string) s3.GetObjectOutput {
	return s3.GetObjectOutput{Body: &content{Reader: strings.NewReader(s)}, Size: int64(len(s)), Length: int64(len(s)), ETag: "e", LastModified: modified}
}

func TestGetObject(t *testing.T) {
	g := newRig(false)
	g.get = object("hello")
	g.get.Size, g.get.Offset, g.get.Partial = 20, 10, true
	g.get.VersionID, g.get.PartsCount, g.get.TagCount, g.get.MissingMeta = "v", 3, 2, 1
	g.get.Attributes = s3.Attributes{ContentType: "text/plain", StorageClass: "STANDARD_IA", Expires: "soon", Metadata: map[string]string{"name": "ä"}}
	g.get.SSE = s3.SSE{Algorithm: "aws:kms:dsse", KMSKeyID: "arn", Context: "never on a read"}
	g.get.Checksums = s3.Checksums{Type: "COMPOSITE", Values: map[checksum.Algorithm]string{checksum.SHA256: "x-2"}}
	body := g.get.Body.(*content)
	w := g.do("GET", "/b/k?versionId=v&response-content-type=text/css&response-expires=now", "", "Range: bytes=10-14", "If-Match: a", "If-Match: b",
		"If-Modified-Since: Sat, 21 Nov 2026 08:00:00 GMT", "If-Unmodified-Since: never", "x-amz-checksum-mode: ENABLED")
	got := in[*s3.GetObjectInput](t, g)
	if got.VersionID != "v" || *got.Range != (s3.ByteRange{First: 10, Last: 14}) || got.Conditions.IfMatch != "a,b" || !got.ChecksumMode || got.Head ||
		!got.Conditions.IfModifiedSince.Equal(modified) || !got.Conditions.IfUnmodifiedSince.IsZero() || got.Overrides["response-content-type"] != "text/css" {
		t.Errorf("input = %+v", got)
	}
	if w.Code != 206 || w.Body.String() != "hello" || !body.closed {
		t.Errorf("= %d %q, closed %v", w.Code, w.Body, body.closed)
	}
	for name, want := range map[string]string{"Content-Range": "bytes 10-14/20", "Content-Length": "5", "Content-Type": "text/css", "Expires": "now",
		"Last-Modified": "Sat, 21 Nov 2026 08:00:00 GMT", "Accept-Ranges": "bytes", "x-amz-version-id": "v", "x-amz-mp-parts-count": "3",
		"x-amz-tagging-count": "2", "x-amz-missing-meta": "1", "x-amz-storage-class": "STANDARD_IA", "x-amz-server-side-encryption": "aws:kms:dsse",
		"x-amz-server-side-encryption-aws-kms-key-id": "arn", "x-amz-server-side-encryption-context": "", "x-amz-checksum-sha256": "x-2",
		"x-amz-checksum-type": "COMPOSITE", "Content-Security-Policy": "sandbox", "X-Content-Type-Options": "nosniff"} {
		if value := w.Header().Get(name); value != want {
			t.Errorf("%s = %q; want %q", name, value, want)
		}
	}
	if v := spelled(w.Header(), "x-amz-meta-name"); v != "=?UTF-8?b?w6Q=?=" {
		t.Errorf("metadata = %q", v)
	}
}

// spelled returns the value of a header whose name is spelled so.
func spelled(h http.Header, name string) string { return strings.Join(h[name], ",") }

func TestGetObjectRefuses(t *testing.T) {
	tests := []struct {
		name, target string
		anonymous    bool
		headers      []string
		code         string
	}{
		{"a part and a range", "/b/k?partNumber=1", false, []string{"Range: bytes=0-1"}, "InvalidRequest"},
		{"a part that is none", "/b/k?partNumber=0", false, nil, "InvalidArgument"},
		{"a part too high", "/b/k?partNumber=10001", false, nil, "InvalidArgument"},
		{"an override without a signature", "/b/k?response-content-type=text/html", true, nil, "InvalidRequest"},
		{"an override that ends the header", "/b/k?response-content-type=a%0d%0aSet-Cookie:x", false, nil, "InvalidArgument"},
		{"an override that a header cannot hold", "/b/k?response-cache-control=%E2%80%94", false, nil, "InvalidArgument"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(tt.anonymous)
			w := g.do("GET", tt.target, "", tt.headers...)
			if got := code(t, w); got != tt.code || g.calls != 0 {
				t.Errorf("= %s, calls %d; want %s", got, g.calls, tt.code)
			}
		})
	}
}

func TestHeadObject(t *testing.T) {
	g := newRig(false)
	g.get = object("hello")
	g.get.Body = nil
	w := g.do("HEAD", "/b/k", "")
	if got := in[*s3.GetObjectInput](t, g); !got.Head || w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") != "5" || w.Header().Get("Content-Type") != "binary/octet-stream" {
		t.Errorf("= %d %q %v", w.Code, w.Body, w.Header())
	}
	g.err = awserr.New(404, "NoSuchKey", "The specified key does not exist.").WithHeader("x-amz-delete-marker", "true")
	w = g.do("HEAD", "/b/k", "")
	if w.Code != 404 || w.Body.Len() != 0 || w.Header().Get("x-amz-delete-marker") != "true" {
		t.Errorf("an error of HEAD = %d %q %v", w.Code, w.Body, w.Header())
	}
}

func TestNotModified(t *testing.T) {
	g := newRig(false)
	g.err = awserr.New(304, "NotModified", "Not Modified").WithHeader("ETag", `"e"`).WithHeader("Last-Modified", "Sat, 21 Nov 2026 08:00:00 GMT")
	w := g.do("GET", "/b/k", "", `If-None-Match: "e"`)
	if w.Code != 304 || w.Body.Len() != 0 || w.Header().Get("Etag") != `"e"` || w.Header().Get("Content-Type") != "" {
		t.Errorf("= %d %q %v", w.Code, w.Body, w.Header())
	}
}

// TestBrokenBody checks that a client never takes a part of an object for the
// whole: not of one that fails, and not of one that ends early.
func TestBrokenBody(t *testing.T) {
	damaged := awserr.New(500, "InternalError", "We encountered an internal error. Please try again.").Because(errors.New("segment 2 does not open"))
	tests := []struct {
		name string
		body io.Reader
		cut  bool // the connection breaks off; else an error is answered
	}{
		{"before the first byte", errReader{damaged}, false},
		{"after some bytes", io.MultiReader(strings.NewReader(strings.Repeat("x", 100_000)), errReader{damaged}), true},
		{"an end too early", strings.NewReader("short"), true},
		{"an end before the first byte", strings.NewReader(""), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(false)
			g.get = object("")
			g.get.Body, g.get.Size, g.get.Length = &content{Reader: tt.body}, 200_000, 200_000
			g.get.Attributes.Metadata = map[string]string{"secret": "x"}
			srv := httptest.NewServer(g.h)
			resp, err := http.Get(srv.URL + "/b/k")
			if err != nil {
				srv.Close()
				if !tt.cut {
					t.Fatal(err)
				}
				return
			}
			b, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			srv.Close() // waits for the handler, and so for its log
			if tt.cut && (err == nil || resp.StatusCode != 200) {
				t.Errorf("= %d, %d bytes and no error", resp.StatusCode, len(b))
			}
			if !tt.cut && (err != nil || resp.StatusCode != 500 || !strings.Contains(string(b), "<Code>InternalError</Code>") ||
				resp.Header.Get("x-amz-meta-secret") != "" || resp.Header.Get("Content-Security-Policy") != "sandbox") {
				t.Errorf("= %d %q, %v, %v", resp.StatusCode, b, err, resp.Header)
			}
			if !strings.Contains(g.logs.String(), "error=") {
				t.Errorf("log = %q", g.logs)
			}
		})
	}
}
