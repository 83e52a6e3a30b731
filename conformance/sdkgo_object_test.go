package conformance

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// md5ETag returns the ETag of an object of SSE-S3.
func md5ETag(body string) string {
	sum := md5.Sum([]byte(body))
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func testObjects(t *testing.T, k *sdk) {
	ctx := t.Context()
	b := k.bucket(t)
	for name, n := range map[string]int{"empty": 0, "one byte": 1, "a segment": 64 << 10, "over a segment": 64<<10 + 1, "larger than is kept inline": 3<<20 + 17} {
		body := string(random(uint64(n), n))
		out := k.put(t, b, name, body)
		want(t, "ETag of "+name, *out.ETag, md5ETag(body))
		want(t, "encryption of "+name, out.ServerSideEncryption, types.ServerSideEncryptionAes256)
		got, info := k.get(t, b, name)
		if got != body {
			t.Errorf("%s = %d bytes, SHA-256 %s; want %d, %s", name, len(got), hexSHA256([]byte(got)), n, hexSHA256([]byte(body)))
		}
		want(t, "ContentLength of "+name, *info.ContentLength, int64(n))
		want(t, "HeadObject of "+name, *k.head(t, b, name).ContentLength, int64(n))
	}

	expires := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	k.put(t, b, "described", "x", func(in *s3.PutObjectInput) {
		in.ContentType, in.CacheControl, in.ContentLanguage = aws.String("text/x-y; charset=utf-8"), aws.String("no-store"), aws.String("ga")
		in.ContentEncoding, in.ContentDisposition = aws.String("gzip"), aws.String(`attachment; filename="a b.txt"`)
		in.Expires, in.StorageClass = &expires, types.StorageClassStandardIa
		in.WebsiteRedirectLocation = aws.String("/elsewhere")
		in.Metadata = map[string]string{"Owner": "alice", "dash-ed": "with  spaces, and commas"}
	})
	h := k.head(t, b, "described")
	want(t, "ContentType", *h.ContentType, "text/x-y; charset=utf-8")
	want(t, "CacheControl", *h.CacheControl, "no-store")
	want(t, "ContentLanguage", *h.ContentLanguage, "ga")
	// Clients that frame the body add aws-chunked, which is not the object's.
	want(t, "ContentEncoding", *h.ContentEncoding, "gzip")
	want(t, "ContentDisposition", *h.ContentDisposition, `attachment; filename="a b.txt"`)
	want(t, "ExpiresString", *h.ExpiresString, expires.Format(http.TimeFormat))
	want(t, "StorageClass", h.StorageClass, types.StorageClassStandardIa)
	want(t, "WebsiteRedirectLocation", *h.WebsiteRedirectLocation, "/elsewhere")
	want(t, "metadata owner", h.Metadata["owner"], "alice")
	want(t, "metadata dash-ed", h.Metadata["dash-ed"], "with  spaces, and commas")
	_, err := k.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &b, Key: aws.String("m"), Metadata: map[string]string{"m": strings.Repeat("x", 2049)}})
	refused(t, "PutObject with 2 KiB of metadata", err, "MetadataTooLarge")
	_, err = k.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &b, Key: aws.String("m"), StorageClass: "NONESUCH"})
	refused(t, "PutObject of an unknown class", err, "InvalidStorageClass")

	_, out := k.get(t, b, "described", func(in *s3.GetObjectInput) {
		in.ResponseContentType, in.ResponseCacheControl = aws.String("text/html"), aws.String("max-age=1")
		in.ResponseContentDisposition, in.ResponseContentLanguage = aws.String(`inline; filename="é"`), aws.String("de")
		in.ResponseContentEncoding, in.ResponseExpires = aws.String("identity"), &expires
	})
	want(t, "overridden ContentType", *out.ContentType, "text/html")
	want(t, "overridden CacheControl", *out.CacheControl, "max-age=1")
	want(t, "overridden ContentLanguage", *out.ContentLanguage, "de")
	want(t, "overridden ContentEncoding", *out.ContentEncoding, "identity")

	refused(t, "GetObject of none", k.getErr(b, "none"), "NoSuchKey")
	_, err = k.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b, Key: aws.String("none")})
	wantStatus(t, "HeadObject of none", err, 404)
	stranger := aws.String("111122223333")
	refused(t, "GetObject of a stranger's bucket", k.getErr(b, "empty", func(in *s3.GetObjectInput) { in.ExpectedBucketOwner = stranger }), "AccessDenied")
	_, err = k.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &b, Key: aws.String("s"), ExpectedBucketOwner: stranger})
	refused(t, "PutObject to a stranger's bucket", err, "AccessDenied")
	k.get(t, b, "empty", func(in *s3.GetObjectInput) { in.ExpectedBucketOwner = aws.String("123456789012") })
}

func testRanges(t *testing.T, k *sdk) {
	b := k.bucket(t)
	const n = 200_000
	body := string(random(7, n))
	k.put(t, b, "o", body)
	k.put(t, b, "empty", "")
	for _, c := range []struct {
		header, content string
		off, n          int
	}{
		{"bytes=0-0", "bytes 0-0/200000", 0, 1},
		{"bytes=0-199999", "bytes 0-199999/200000", 0, n},
		{"bytes=65530-65545", "bytes 65530-65545/200000", 65530, 16}, // across segments
		{"bytes=131072-", "bytes 131072-199999/200000", 131072, n - 131072},
		{"bytes=-5", "bytes 199995-199999/200000", n - 5, 5},
		{"bytes=-900000", "bytes 0-199999/200000", 0, n},
		{"bytes=199990-900000", "bytes 199990-199999/200000", n - 10, 10},
	} {
		got, out := k.get(t, b, "o", func(in *s3.GetObjectInput) { in.Range = &c.header })
		if got != body[c.off:c.off+c.n] {
			t.Errorf("Range %s = %d bytes that differ; want %d from %d", c.header, len(got), c.n, c.off)
		}
		want(t, "ContentRange of "+c.header, aws.ToString(out.ContentRange), c.content)
		want(t, "AcceptRanges", aws.ToString(out.AcceptRanges), "bytes")
	}
	// What is no range, or several, asks for all of it.
	for _, header := range []string{"bytes=a-b", "bytes=5-2", "lines=0-1", "bytes=0-1,5-6"} {
		got, out := k.get(t, b, "o", func(in *s3.GetObjectInput) { in.Range = &header })
		want(t, "length for Range "+header, len(got), n)
		want(t, "ContentRange for "+header, aws.ToString(out.ContentRange), "")
	}
	for key, header := range map[string]string{"o": "bytes=200000-", "empty": "bytes=0-0"} {
		err := k.getErr(b, key, func(in *s3.GetObjectInput) { in.Range = &header })
		refused(t, "Range "+header+" of "+key, err, "InvalidRange")
		wantStatus(t, "Range "+header+" of "+key, err, 416)
	}
	// The one part of an object that was put whole.
	got, out := k.get(t, b, "o", func(in *s3.GetObjectInput) { in.PartNumber = aws.Int32(1) })
	want(t, "length of part 1", len(got), n)
	want(t, "PartsCount", aws.ToInt32(out.PartsCount), 0)
	err := k.getErr(b, "o", func(in *s3.GetObjectInput) { in.PartNumber = aws.Int32(2) })
	wantStatus(t, "part 2", err, 416)
	refused(t, "part 2", err, "InvalidPartNumber")
}

func testReadConditions(t *testing.T, k *sdk) {
	b := k.bucket(t)
	etag := *k.put(t, b, "o", "x").ETag
	past, future := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	other := aws.String(`"0123456789abcdef0123456789abcdef"`)
	for _, c := range []struct {
		name   string
		set    func(*s3.GetObjectInput)
		status int
	}{
		{"If-Match", func(in *s3.GetObjectInput) { in.IfMatch = &etag }, 200},
		{"If-Match of another", func(in *s3.GetObjectInput) { in.IfMatch = other }, 412},
		{"If-Match beats If-Unmodified-Since", func(in *s3.GetObjectInput) { in.IfMatch, in.IfUnmodifiedSince = &etag, &past }, 200},
		{"If-None-Match", func(in *s3.GetObjectInput) { in.IfNoneMatch = &etag }, 304},
		{"If-None-Match of another", func(in *s3.GetObjectInput) { in.IfNoneMatch = other }, 200},
		{"If-None-Match beats If-Modified-Since", func(in *s3.GetObjectInput) { in.IfNoneMatch, in.IfModifiedSince = &etag, &past }, 304},
		{"If-Modified-Since the past", func(in *s3.GetObjectInput) { in.IfModifiedSince = &past }, 200},
		{"If-Modified-Since now", func(in *s3.GetObjectInput) { in.IfModifiedSince = aws.Time(time.Now()) }, 304},
		{"If-Unmodified-Since the past", func(in *s3.GetObjectInput) { in.IfUnmodifiedSince = &past }, 412},
		{"If-Unmodified-Since the future", func(in *s3.GetObjectInput) { in.IfUnmodifiedSince = &future }, 200},
	} {
		if err := k.getErr(b, "o", c.set); c.status == 200 {
			check(t, c.name, err)
		} else {
			wantStatus(t, c.name, err, c.status)
		}
	}
}

func testWriteConditions(t *testing.T, k *sdk) {
	ctx := t.Context()
	b := k.bucket(t)
	put := func(key, body, match, noneMatch string) error {
		in := &s3.PutObjectInput{Bucket: &b, Key: &key, Body: strings.NewReader(body)}
		if match != "" {
			in.IfMatch = &match
		}
		if noneMatch != "" {
			in.IfNoneMatch = &noneMatch
		}
		_, err := k.s3.PutObject(ctx, in)
		return err
	}
	refused(t, "If-Match of no object", put("o", "x", `"abc"`, ""), "NoSuchKey")
	check(t, "If-None-Match: * of no object", put("o", "first", "", "*"))
	refused(t, "If-None-Match: * of an object", put("o", "second", "", "*"), "PreconditionFailed")
	refused(t, "If-Match of another ETag", put("o", "second", md5ETag("other"), ""), "PreconditionFailed")
	check(t, "If-Match", put("o", "second", md5ETag("first"), ""))
	check(t, "If-Match without quotes", put("o", "third", strings.Trim(md5ETag("second"), `"`), ""))
	refused(t, "If-None-Match of an ETag", put("o", "x", "", md5ETag("third")), "NotImplemented")
	if got, _ := k.get(t, b, "o"); got != "third" {
		t.Errorf("object = %q; want third", got)
	}

	// Terraform's and OpenTofu's state locks stand on this: of many that create
	// a key at once, one wins.
	const racers = 8
	errs := make(chan error, racers)
	for i := range racers {
		go func() { errs <- put("lock", fmt.Sprint(i), "", "*") }()
	}
	won := 0
	for range racers {
		switch err := <-errs; code(err) {
		case "PreconditionFailed", "ConditionalRequestConflict":
		default:
			check(t, "racing put", err)
			won++
		}
	}
	want(t, "winners of a lock", won, 1)

	del := func(match string) error {
		_, err := k.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b, Key: aws.String("o"), IfMatch: &match})
		return err
	}
	refused(t, "DeleteObject with another ETag", del(md5ETag("other")), "PreconditionFailed")
	check(t, "DeleteObject with its ETag", del(md5ETag("third")))
	refused(t, "GetObject after it", k.getErr(b, "o"), "NoSuchKey")
}

func testDeletes(t *testing.T, k *sdk) {
	ctx := t.Context()
	b := k.bucket(t)
	_, err := k.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b, Key: aws.String("never")})
	check(t, "DeleteObject of none", err)
	remove := func(quiet bool, ids ...types.ObjectIdentifier) (*s3.DeleteObjectsOutput, error) {
		return k.s3.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &b, Delete: &types.Delete{Objects: ids, Quiet: &quiet}})
	}
	id := func(key string) types.ObjectIdentifier { return types.ObjectIdentifier{Key: &key} }
	for _, key := range []string{"a", "b & <c>", "d\n", "é"} {
		k.put(t, b, key, "x")
	}
	out, err := remove(false, id("a"), id("b & <c>"), id("d\n"), id("never"))
	check(t, "DeleteObjects", err)
	want(t, "deleted", len(out.Deleted), 4)
	want(t, "key with markup", *out.Deleted[1].Key, "b & <c>")
	want(t, "key with a line feed", *out.Deleted[2].Key, "d\n")
	bad := id("é")
	bad.ETag = aws.String(md5ETag("other"))
	out, err = remove(true, bad, id("never"))
	check(t, "quiet DeleteObjects", err)
	want(t, "deleted, quietly", len(out.Deleted), 0)
	want(t, "errors", len(out.Errors), 1)
	want(t, "error", aws.ToString(out.Errors[0].Code), "PreconditionFailed")
	if aws.ToString(out.Errors[0].Message) == "" {
		t.Error("an error of DeleteObjects has no message")
	}
	k.get(t, b, "é")

	var many []types.ObjectIdentifier
	for i := range 1001 {
		many = append(many, id(fmt.Sprintf("k%d", i)))
	}
	_, err = remove(true, many...)
	refused(t, "DeleteObjects of 1,001", err, "MalformedXML")
	_, err = remove(true, many[:1000]...)
	check(t, "DeleteObjects of 1,000", err)
	_, err = remove(true, []types.ObjectIdentifier{}...)
	if err == nil {
		t.Error("DeleteObjects of nothing = nil; want MalformedXML")
	}
	// Without a digest of the list a flipped bit would delete another object.
	status, body := k.signed(t, "POST", "/"+b+"?delete", `<Delete><Object><Key>é</Key></Object></Delete>`)
	if status != 400 || !strings.Contains(body, "<Code>InvalidRequest</Code>") {
		t.Errorf("DeleteObjects without a digest = %d %s; want 400 InvalidRequest", status, body)
	}
}

// oddKeys are keys that a server is likely to clean, split, fold or lose.
func oddKeys() []string {
	return []string{
		"..", ".", "../up", "a/../b", "a/./b", "a//b", "//", "/leading", "trailing/", "///",
		" ", "sp ace", "a+b", "a%2Fb", "%", "%zz", "a%00b", "a?b=c", "a#b", "a&b", "a=b", "a;b", "a:b", "a|b", `a\b`, `a"b'c`,
		"<x>&amp;</x>", "ünïcode", "日本語/キー", "😀", "é", "e\u0301", "A", "a", "\u200b", "\ufeff", "_coffer/x",
		"tab\there", "line\nfeed", "cr\rhere", "bell\x07", "one\x01", "del\x7f", "\u0085", "\ufffe",
		strings.Repeat("k", 1024), strings.Repeat("日", 341), "x/" + strings.Repeat("../", 300),
		"?versions", "index.html", "soap", "a*b", "{x}", "~", "^", "`", "[0]", "@", "$", "!", "(x)", ",",
	}
}

func testKeys(t *testing.T, k *sdk) {
	ctx := t.Context()
	b := k.bucket(t)
	keys := oddKeys()
	for _, key := range keys {
		k.put(t, b, key, "body of "+key)
	}
	for _, key := range keys {
		if got, _ := k.get(t, b, key); got != "body of "+key {
			t.Errorf("object %q = %q; want its own body", key, got)
		}
	}
	got := map[string]bool{}
	last := ""
	pages := s3.NewListObjectsV2Paginator(k.s3, &s3.ListObjectsV2Input{Bucket: &b, EncodingType: types.EncodingTypeUrl, MaxKeys: aws.Int32(7)})
	for pages.HasMorePages() {
		p, err := pages.NextPage(ctx)
		check(t, "ListObjectsV2", err)
		for _, o := range p.Contents {
			key := unescape(t, *o.Key)
			if key <= last {
				t.Errorf("key %q comes after %q; want the order of bytes", key, last)
			}
			got[key], last = true, key
		}
	}
	for _, key := range keys {
		if !got[key] {
			t.Errorf("key %q is not listed", key)
		}
	}
	want(t, "keys listed", len(got), len(keys))
	copied := aws.String("copied")
	for _, key := range []string{"..", "a//b", "a?b=c", "a%2Fb", "a+b", "日本語/キー", "/leading"} {
		_, err := k.s3.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &b, Key: copied, CopySource: aws.String(b + "/" + escape(key))})
		check(t, "CopyObject of "+key, err)
		if body, _ := k.get(t, b, *copied); body != "body of "+key {
			t.Errorf("copy of %q = %q; want its body", key, body)
		}
	}
	long := strings.Repeat("k", 1025)
	_, err := k.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &b, Key: &long})
	refused(t, "PutObject with a key of 1,025 bytes", err, "KeyTooLongError")
	status, body := k.signed(t, "GET", "/"+b+"/%ff%fe", "")
	if status != 400 || !strings.Contains(body, "<Code>InvalidURI</Code>") {
		t.Errorf("GET of a key that is no UTF-8 = %d %s; want 400 InvalidURI", status, body)
	}
	for _, key := range keys {
		_, err := k.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b, Key: &key})
		check(t, "DeleteObject", err)
	}
	_, err = k.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b, Key: copied})
	check(t, "DeleteObject", err)
	_, err = k.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &b})
	check(t, "DeleteBucket once every key is deleted", err)
}

func testAttributes(t *testing.T, k *sdk) {
	ctx := t.Context()
	b := k.bucket(t)
	k.put(t, b, "o", "hello")
	all := types.ObjectAttributes("").Values()
	out, err := k.s3.GetObjectAttributes(ctx, &s3.GetObjectAttributesInput{Bucket: &b, Key: aws.String("o"), ObjectAttributes: all})
	check(t, "GetObjectAttributes", err)
	want(t, "ETag", `"`+aws.ToString(out.ETag)+`"`, md5ETag("hello")) // bare, as AWS has it
	want(t, "ObjectSize", aws.ToInt64(out.ObjectSize), 5)
	want(t, "StorageClass", out.StorageClass, types.StorageClassStandard)
	c := out.Checksum
	want(t, "checksums", sums(c.ChecksumCRC32, c.ChecksumCRC32C, c.ChecksumCRC64NVME, c.ChecksumSHA1, c.ChecksumSHA256), "CRC32=NhCmhg==")
	want(t, "ChecksumType", out.Checksum.ChecksumType, types.ChecksumTypeFullObject)
	if out.ObjectParts != nil {
		t.Errorf("ObjectParts = %+v; want none", out.ObjectParts)
	}

	key, etags := k.upload(t, b, "parts", types.ChecksumAlgorithmSha256, types.ChecksumTypeComposite, partSize, partSize, 10)
	k.complete(t, b, key, etags)
	var numbers []int32
	in := &s3.GetObjectAttributesInput{Bucket: &b, Key: aws.String("parts"), MaxParts: aws.Int32(2),
		ObjectAttributes: []types.ObjectAttributes{types.ObjectAttributesObjectParts, types.ObjectAttributesChecksum}}
	for {
		out, err := k.s3.GetObjectAttributes(ctx, in)
		check(t, "GetObjectAttributes", err)
		want(t, "TotalPartsCount", aws.ToInt32(out.ObjectParts.TotalPartsCount), 3)
		want(t, "ChecksumType", out.Checksum.ChecksumType, types.ChecksumTypeComposite)
		if out.ETag != nil || out.ObjectSize != nil {
			t.Error("GetObjectAttributes answers what was not asked for")
		}
		for _, p := range out.ObjectParts.Parts {
			numbers = append(numbers, *p.PartNumber)
			if aws.ToString(p.ChecksumSHA256) == "" {
				t.Errorf("part %d has no SHA-256", *p.PartNumber)
			}
		}
		if !*out.ObjectParts.IsTruncated {
			break
		}
		in.PartNumberMarker = out.ObjectParts.NextPartNumberMarker
	}
	want(t, "parts", fmt.Sprint(numbers), "[1 2 3]")
	_, err = k.s3.GetObjectAttributes(ctx, &s3.GetObjectAttributesInput{Bucket: &b, Key: aws.String("none"), ObjectAttributes: all})
	refused(t, "GetObjectAttributes of none", err, "NoSuchKey")
}

// unseekable hides that a reader can seek.
type unseekable struct{ io.Reader }
