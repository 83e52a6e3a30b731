package restxml

import (
	"bytes"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"coffer/internal/awserr"
)

var update = flag.Bool("update", false, "write the golden files")

var day = time.Date(2009, 10, 12, 17, 50, 30, 123456789, time.UTC)

func ptr[T any](v T) *T { return &v }

var owner = Owner{ID: "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a", DisplayName: "mtd@amazon.com"}

// documents holds one document of each kind, in the shape of the example on the
// page of the Amazon S3 API Reference that the golden file is named for.
var documents = map[string]Document{
	"ListBuckets": &ListAllMyBucketsResult{Owner: owner, Buckets: []Bucket{
		{Name: "quotes", Created: day, Region: "us-east-1", ARN: "arn:aws:s3:::quotes"}, {Name: "samples", Created: day}},
		Prefix: "s", ContinuationToken: "token"},
	"ListBuckets-empty": &ListAllMyBucketsResult{Owner: Owner{ID: "id"}},
	"ListObjects": &ListBucketResult{Page: Page{Bucket: "quotes", Prefix: "N", Delimiter: "/", Max: 40, IsTruncated: true, CommonPrefixes: []string{"N/"}},
		Marker: "Ned", NextMarker: "New",
		Contents: []Entry{{Key: "Nelson", LastModified: day, ETag: "828ef3fdfa96f00ad9f27c383fc9ac7f", Size: 5, StorageClass: "STANDARD", Owner: &owner}}},
	"ListObjectsV2": &ListBucketResultV2{Page: Page{Bucket: "quotes", Max: 1000}, StartAfter: "a", ContinuationToken: "1ueG", NextContinuationToken: "2x", KeyCount: 1,
		Contents: []Entry{{Key: "my-image.jpg", LastModified: day, ETag: "70ee1738b6b21e2c8a43f3a5ab0eee71", Size: 142863, StorageClass: "STANDARD",
			Algorithms: []string{"CRC64NVME"}, ChecksumType: "FULL_OBJECT"}}},
	"ListObjectsV2-url": &ListBucketResultV2{Page: Page{Bucket: "b", Prefix: "a b", Delimiter: "+", Max: 1, URL: true, CommonPrefixes: []string{"a b/\x01+"}}, StartAfter: "ä",
		Contents: []Entry{{Key: "a b/test_file(3).png", LastModified: day, ETag: "e", StorageClass: "STANDARD"}}},
	"ListObjectsV2-control": &ListBucketResultV2{Page: Page{Bucket: "b", Max: 1},
		Contents: []Entry{{Key: "a\x01\r\n<&>\"'\uffff", LastModified: day, ETag: "e", StorageClass: "STANDARD"}}},
	"ListObjectVersions": &ListVersionsResult{Page: Page{Bucket: "bucket", Prefix: "my", Max: 5}, NextKeyMarker: "k", NextVersionIDMarker: "v",
		Entries: []Entry{
			{Key: "my-image.jpg", VersionID: "3/L4kqtJl40Nr8X8gdRQBpUMLUo", IsLatest: true, LastModified: day, ETag: "fba9dede5f27731c9771645a39863328", Size: 434234, StorageClass: "STANDARD", Owner: &owner},
			{Key: "my-second-image.jpg", VersionID: "03jpff543dhffds434rfdsFDN943fdsFkdmqnh892", IsLatest: true, DeleteMarker: true, LastModified: day, Owner: &owner},
			{Key: "my-second-image.jpg", VersionID: "QUpfdndhfd8438MNFDN93jdnJFkdmqnh893", LastModified: day, ETag: "9b2cf535f27731c974343645a3985328", Size: 166434, StorageClass: "STANDARD", Owner: &owner}}},
	"ListMultipartUploads": &ListMultipartUploadsResult{Page: Page{Bucket: "bucket", Delimiter: "/", Max: 3, IsTruncated: true, CommonPrefixes: []string{"photos/"}},
		NextKeyMarker: "my-movie.m2ts", NextUploadIDMarker: "YW55", Uploads: []Upload{{Key: "my-divisor", UploadID: "XMgb", Owner: owner, StorageClass: "STANDARD", Initiated: day, ChecksumAlgorithm: "CRC32", ChecksumType: "COMPOSITE"}}},
	"ListParts": &ListPartsResult{Bucket: "example-bucket", Key: "example-object", UploadID: "XXBsb2Fk", Owner: owner, StorageClass: "STANDARD",
		PartNumberMarker: 1, NextPartNumberMarker: 3, MaxParts: 2, IsTruncated: true, ChecksumAlgorithm: "SHA256", ChecksumType: "COMPOSITE",
		Parts: []Part{{Number: 2, LastModified: day, ETag: "7778aef83f66abc1fa1e8477f296d394", Size: 10485760, Checksums: []Checksum{{"SHA256", "c3Vt"}}}}},
	"CreateMultipartUpload":   &InitiateMultipartUploadResult{Bucket: "example-bucket", Key: "example-object", UploadID: "VXBsb2FkIElE"},
	"CompleteMultipartUpload": &CompleteMultipartUploadResult{Location: "http://h/b/k", Bucket: "b", Key: "k", ETag: "3858f62230ac3c915f300c664312c11f-9", Checksums: []Checksum{{"CRC64NVME", "AAAAAAAAAAA="}}, ChecksumType: "FULL_OBJECT"},
	"CopyObject":              &CopyResult{LastModified: day, ETag: "9b2cf535f27731c974343645a3985328"},
	"UploadPartCopy":          &CopyResult{Part: true, LastModified: day, ETag: "9b2cf535f27731c974343645a3985328"},
	"DeleteObjects": &DeleteResult{Results: []Deletion{{Key: "sample1.txt", VersionID: "v", DeleteMarker: true, DeleteMarkerVersionID: "m"},
		{Key: "sample2.txt", Code: "AccessDenied", Message: "Access Denied"}}},
	"GetBucketLocation":         LocationConstraint("eu-west-1"),
	"GetBucketLocation-classic": LocationConstraint(""),
	"GetBucketVersioning":       &VersioningConfiguration{Status: "Enabled"},
	"GetBucketVersioning-never": &VersioningConfiguration{},
	"GetBucketEncryption": &ServerSideEncryptionConfiguration{Rules: []EncryptionRule{{Algorithm: "aws:kms", KMSMasterKeyID: "arn:aws:kms:us-east-1:1234/5678example",
		BucketKeyEnabled: ptr(true), BlockedPresent: true, BlockedTypes: []string{"SSE-C"}}}},
	"GetObjectTagging": &Tagging{Tags: []Tag{{"tag1", "val1"}, {"tag2", ""}}},
	"GetBucketAcl": &AccessControlPolicy{Owner: owner, Grants: []Grant{{ID: owner.ID, Permission: "FULL_CONTROL"},
		{URI: "http://acs.amazonaws.com/groups/global/AllUsers", Permission: "READ"}}},
	"GetPublicAccessBlock":         &PublicAccessBlockConfiguration{BlockPublicACLs: true, RestrictPublicBuckets: true},
	"GetPublicAccessBlock-account": &PublicAccessBlockConfiguration{Control: true, IgnorePublicACLs: true},
	"GetBucketPolicyStatus":        PolicyStatus{IsPublic: true},
	"GetBucketOwnershipControls":   &OwnershipControls{Rules: []string{"ObjectWriter"}},
	"GetObjectAttributes": &GetObjectAttributesResponse{ETag: "70b6", Checksums: []Checksum{{"SHA256", "2dhlzA=="}}, ChecksumType: "COMPOSITE",
		Parts:        &ObjectParts{Total: 2, MaxParts: 1, NextPartNumberMarker: 1, IsTruncated: true, Parts: []Part{{Number: 1, Size: 5, Checksums: []Checksum{{"SHA256", "AA=="}}}}},
		StorageClass: "STANDARD", Size: ptr(int64(9))},
	"GetObjectAttributes-total": &GetObjectAttributesResponse{Parts: &ObjectParts{Total: 2}},
	"PostObject":                &PostResponse{Location: "http://h/b/k", Bucket: "b", Key: "k", ETag: "4b6c"},
	"ErrorResponses": &Error{Err: awserr.New(404, "NoSuchKey", "The resource you requested does not exist").With("Resource", "/mybucket/myfoto.jpg").
		With("bad name><", "left out"), RequestID: "4442587FB7D0A2F9", HostID: "host"},
	"ErrorResponses-message": &Error{Err: &awserr.Error{Code: "SlowDown"}},
}

func init() {
	for kind := range defaults {
		d, _ := DefaultConfiguration(kind)
		documents["default-"+kind] = d
	}
}

func TestGolden(t *testing.T) {
	for name, d := range documents {
		t.Run(name, func(t *testing.T) {
			got := Append(nil, d)
			file := filepath.Join("testdata/golden", name+".xml")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if !strings.HasSuffix(name, "-control") {
				wellFormed(t, got)
			}
		})
	}
}

func wellFormed(t *testing.T, b []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("%v in %s", err, b)
		}
	}
}

func TestURLEncode(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "a-b_c.d*e/f", "a-b_c.d*e/f"},
		{"the example of the API reference", "test_file(3).png", "test_file%283%29.png"},
		{"space and plus", "a b+c", "a+b%2Bc"},
		{"tilde", "~", "%7E"},
		{"UTF-8", "ä", "%C3%A4"},
		{"control", "\x00\n", "%00%0A"},
		{"percent", "%2F", "%252F"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := URLEncode(tt.in); got != tt.want {
				t.Errorf("URLEncode(%q) = %q; want %q", tt.in, got, tt.want)
			}
		})
	}
}

// TestText checks that a reader gets back every key that XML can carry.
func TestText(t *testing.T) {
	for _, key := range []string{"", "a&b<c>d\"e'f", "]]>", "\t\n\r", "ä€😀", "\ufffd", "&#13;"} {
		b := Append(nil, &InitiateMultipartUploadResult{Key: key})
		var got struct{ Key string }
		if err := xml.Unmarshal(b, &got); err != nil || got.Key != key {
			t.Errorf("%q came back as %q, %v", key, got.Key, err)
		}
	}
	// Bytes that are no UTF-8 must not break the document.
	wellFormed(t, Append(nil, &InitiateMultipartUploadResult{Key: "a\xffb\xc3"}))
}

func page(n int) *ListBucketResultV2 {
	d := &ListBucketResultV2{Page: Page{Bucket: "bucket", Max: 1000}, KeyCount: n, Contents: make([]Entry, n)}
	for i := range d.Contents {
		d.Contents[i] = Entry{Key: "photos/2026/11/image-" + strconv.Itoa(i) + ".jpg", LastModified: day, ETag: "70ee1738b6b21e2c8a43f3a5ab0eee71",
			Size: 1 << 20, StorageClass: "STANDARD", Algorithms: []string{"CRC64NVME"}, ChecksumType: "FULL_OBJECT"}
	}
	return d
}

func BenchmarkListing(b *testing.B) {
	d := page(1000)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = Append(buf[:0], d)
	}
	b.SetBytes(int64(len(buf)))
}

// BenchmarkListingReflection is the same page through encoding/xml.
func BenchmarkListingReflection(b *testing.B) {
	type contents struct {
		Key, LastModified, ETag, ChecksumAlgorithm, ChecksumType string
		Size                                                     int64
		StorageClass                                             string
	}
	type result struct {
		XMLName  xml.Name `xml:"ListBucketResult"`
		Name     string
		Contents []contents
	}
	d := page(1000)
	var buf bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		buf.Reset()
		r := result{Name: d.Bucket}
		for _, e := range d.Contents {
			r.Contents = append(r.Contents, contents{e.Key, e.LastModified.Format("2006-01-02T15:04:05.000Z"), `"` + e.ETag + `"`, e.Algorithms[0], e.ChecksumType, e.Size, e.StorageClass})
		}
		if err := xml.NewEncoder(&buf).Encode(r); err != nil {
			b.Fatal(err)
		}
	}
}

// TestErrorIsAlwaysParsed repeats a key that XML can't carry.
func TestErrorIsAlwaysParsed(t *testing.T) {
	b := Append(nil, &Error{Err: awserr.New(404, "NoSuchKey", "No key \x01.").With("Key", "a\x00\x1f\t\uffff\xffé")})
	var got struct{ Code, Message, Key string }
	if err := xml.Unmarshal(b, &got); err != nil {
		t.Fatalf("Unmarshal(%q) = %v", b, err)
	}
	if got.Code != "NoSuchKey" || got.Message != "No key \ufffd." || got.Key != "a\ufffd\ufffd\t\ufffd\ufffdé" {
		t.Errorf("error = %+q", got)
	}
}
