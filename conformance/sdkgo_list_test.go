package conformance

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"sort"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

type conn = net.Conn

var dialer net.Dialer

// escape encodes a key for x-amz-copy-source.
func escape(key string) string { return strings.ReplaceAll(url.QueryEscape(key), "+", "%20") }

// unescape decodes what encoding-type=url has encoded.
func unescape(t testing.TB, s string) string {
	t.Helper()
	out, err := url.QueryUnescape(s)
	check(t, "unescape "+s, err)
	return out
}

func testListings(t *testing.T, k *sdk) {
	ctx := t.Context()
	b := k.bucket(t)
	keys := []string{"a", "b/1", "b/2", "b/3/x", "b/3/y", "b0", "c d/e", "é/1", "z"}
	for _, key := range keys {
		k.put(t, b, key, key)
	}
	// v1 and v2 walk a listing in pages and return keys and prefixes in order.
	v1 := func(prefix, delimiter, after string, max int32) (out []string) {
		t.Helper()
		in := &s3.ListObjectsInput{Bucket: &b, Prefix: &prefix, Delimiter: &delimiter, MaxKeys: &max, Marker: &after}
		for {
			p, err := k.s3.ListObjects(ctx, in)
			check(t, "ListObjects", err)
			out = append(out, merge(t, p.Contents, p.CommonPrefixes, max)...)
			if !*p.IsTruncated {
				return out
			}
			in.Marker = p.NextMarker
			if in.Marker == nil {
				in.Marker = p.Contents[len(p.Contents)-1].Key
			}
		}
	}
	v2 := func(prefix, delimiter, after string, max int32) (out []string) {
		t.Helper()
		in := &s3.ListObjectsV2Input{Bucket: &b, Prefix: &prefix, Delimiter: &delimiter, MaxKeys: &max}
		if after != "" {
			in.StartAfter = &after
		}
		for {
			p, err := k.s3.ListObjectsV2(ctx, in)
			check(t, "ListObjectsV2", err)
			want(t, "KeyCount", int(*p.KeyCount), len(p.Contents)+len(p.CommonPrefixes))
			out = append(out, merge(t, p.Contents, p.CommonPrefixes, max)...)
			if !*p.IsTruncated {
				return out
			}
			in.ContinuationToken = p.NextContinuationToken
		}
	}
	for _, c := range []struct{ prefix, delimiter, after, want string }{
		{"", "", "", strings.Join(keys, "|")},
		{"", "/", "", "a|b/|b0|c d/|z|é/"},
		{"b", "/", "", "b/|b0"},
		{"b/", "/", "", "b/1|b/2|b/3/"},
		{"b/3/", "/", "", "b/3/x|b/3/y"},
		{"", "", "b/2", "b/3/x|b/3/y|b0|c d/e|z|é/1"},
		{"b/", "", "b/2", "b/3/x|b/3/y"},
		{"", "3/", "", "a|b/1|b/2|b/3/|b0|c d/e|z|é/1"},
		{"none", "/", "", ""},
	} {
		sorted := strings.Split(c.want, "|")
		sort.Strings(sorted) // é sorts behind z in bytes
		wanted := strings.Join(sorted, "|")
		for _, max := range []int32{1, 2, 1000} {
			doing := fmt.Sprintf("(prefix %q, delimiter %q, after %q, %d at a time)", c.prefix, c.delimiter, c.after, max)
			want(t, "ListObjects "+doing, strings.Join(v1(c.prefix, c.delimiter, c.after, max), "|"), wanted)
			want(t, "ListObjectsV2 "+doing, strings.Join(v2(c.prefix, c.delimiter, c.after, max), "|"), wanted)
		}
	}
	none, err := k.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &b, MaxKeys: aws.Int32(0)})
	check(t, "ListObjectsV2 of 0 keys", err)
	want(t, "KeyCount", *none.KeyCount, 0)
	want(t, "IsTruncated", *none.IsTruncated, false)
	owned, err := k.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &b, MaxKeys: aws.Int32(1), FetchOwner: aws.Bool(true)})
	check(t, "ListObjectsV2 with owners", err)
	if o := owned.Contents[0]; o.Owner == nil || len(aws.ToString(o.Owner.ID)) != 64 {
		t.Errorf("owner = %+v; want a canonical user id of 64 digits", o.Owner)
	}
	want(t, "size listed", *owned.Contents[0].Size, 1)
	want(t, "ETag listed", *owned.Contents[0].ETag, md5ETag("a"))
	_, err = k.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &b, ContinuationToken: aws.String("!nonsense")})
	refused(t, "ListObjectsV2 with a made-up token", err, "InvalidArgument")
	_, err = k.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &b, MaxKeys: aws.Int32(-1)})
	refused(t, "ListObjectsV2 of -1 keys", err, "InvalidArgument")
	_, err = k.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String(b + "-none")})
	refused(t, "ListObjectsV2 of no bucket", err, "NoSuchBucket")
}

// merge returns the keys and prefixes of a page, in order.
func merge(t testing.TB, keys []types.Object, prefixes []types.CommonPrefix, max int32) []string {
	t.Helper()
	var out []string
	for _, o := range keys {
		out = append(out, *o.Key)
	}
	for _, p := range prefixes {
		out = append(out, *p.Prefix)
	}
	if len(out) > int(max) {
		t.Errorf("page of %d entries; want at most %d", len(out), max)
	}
	sort.Strings(out)
	return out
}

// history lists the versions of a bucket as key:id with a star for the latest
// and a cross for delete markers.
func (k *sdk) history(t testing.TB, bucket string, page int32) string {
	t.Helper()
	var out []string
	pages := s3.NewListObjectVersionsPaginator(k.s3, &s3.ListObjectVersionsInput{Bucket: &bucket, MaxKeys: &page})
	type entry struct{ key, id string }
	latest := map[entry]string{}
	for pages.HasMorePages() {
		p, err := pages.NextPage(context.Background())
		check(t, "ListObjectVersions", err)
		for _, v := range p.Versions {
			latest[entry{*v.Key, *v.VersionId}] = star(*v.IsLatest)
			out = append(out, *v.Key+":"+*v.VersionId)
		}
		for _, m := range p.DeleteMarkers {
			latest[entry{*m.Key, *m.VersionId}] = "x" + star(*m.IsLatest)
			out = append(out, *m.Key+":"+*m.VersionId)
		}
	}
	for i, s := range out {
		key, id, _ := strings.Cut(s, ":")
		out[i] += latest[entry{key, id}]
	}
	sort.Strings(out)
	return strings.Join(out, " ")
}

func star(latest bool) string {
	if latest {
		return "*"
	}
	return ""
}

func testVersions(t *testing.T, k *sdk) {
	ctx := t.Context()
	b := k.bucket(t)
	v, err := k.s3.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &b})
	check(t, "GetBucketVersioning", err)
	want(t, "status of a new bucket", v.Status, "")
	if out := k.put(t, b, "o", "null"); out.VersionId != nil {
		t.Errorf("VersionId without versioning = %q; want none", *out.VersionId)
	}
	k.version(t, b, types.BucketVersioningStatusEnabled)
	v, err = k.s3.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &b})
	check(t, "GetBucketVersioning", err)
	want(t, "status", v.Status, types.BucketVersioningStatusEnabled)
	one := *k.put(t, b, "o", "one").VersionId
	two := *k.put(t, b, "o", "two").VersionId
	byID := func(id string) func(*s3.GetObjectInput) {
		return func(in *s3.GetObjectInput) { in.VersionId = &id }
	}
	for id, body := range map[string]string{"null": "null", one: "one", two: "two"} {
		got, out := k.get(t, b, "o", byID(id))
		want(t, "version "+id, got, body)
		want(t, "VersionId", aws.ToString(out.VersionId), id)
	}
	got, _ := k.get(t, b, "o")
	want(t, "latest", got, "two")

	d, err := k.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b, Key: aws.String("o")})
	check(t, "DeleteObject", err)
	want(t, "DeleteMarker", aws.ToBool(d.DeleteMarker), true)
	marker := *d.VersionId
	refused(t, "GetObject of a deleted object", k.getErr(b, "o"), "NoSuchKey")
	refused(t, "GetObject of a delete marker", k.getErr(b, "o", byID(marker)), "MethodNotAllowed")
	refused(t, "GetObject of no version", k.getErr(b, "o", byID("zzzzzzzz")), "InvalidArgument")
	want(t, "history", k.history(t, b, 2), sorted("o:"+marker+"x*", "o:"+two, "o:"+one, "o:null"))
	want(t, "history in pages of one", k.history(t, b, 1), k.history(t, b, 1000))
	_, err = k.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &b})
	refused(t, "DeleteBucket with old versions", err, "BucketNotEmpty")

	d, err = k.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b, Key: aws.String("o"), VersionId: &marker})
	check(t, "DeleteObject of the marker", err)
	want(t, "DeleteMarker of its deletion", aws.ToBool(d.DeleteMarker), true)
	got, _ = k.get(t, b, "o")
	want(t, "after the marker is gone", got, "two")
	_, err = k.s3.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &b, Key: aws.String("o"), CopySource: aws.String(b + "/o?versionId=" + one)})
	check(t, "CopyObject of an old version onto the object", err)
	got, _ = k.get(t, b, "o")
	want(t, "after a restore", got, "one")

	out, err := k.s3.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &b, Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: aws.String("o"), VersionId: &one}, {Key: aws.String("o"), VersionId: aws.String("null")}, {Key: aws.String("o")}}}})
	check(t, "DeleteObjects", err)
	want(t, "deleted", len(out.Deleted), 3)
	for _, d := range out.Deleted {
		if d.VersionId == nil && (!aws.ToBool(d.DeleteMarker) || aws.ToString(d.DeleteMarkerVersionId) == "") {
			t.Errorf("deletion of the object = %+v; want a marker", d)
		}
	}
	refused(t, "GetObject of a deleted version", k.getErr(b, "o", byID(one)), "NoSuchVersion")
}

func sorted(s ...string) string {
	sort.Strings(s)
	return strings.Join(s, " ")
}

func testSuspended(t *testing.T, k *sdk) {
	ctx := t.Context()
	b := k.bucket(t)
	k.version(t, b, types.BucketVersioningStatusEnabled)
	one := *k.put(t, b, "o", "one").VersionId
	k.version(t, b, types.BucketVersioningStatusSuspended)
	// A write answers no id, a read answers null.
	want(t, "VersionId of a put", aws.ToString(k.put(t, b, "o", "null").VersionId), "")
	want(t, "VersionId of a read", aws.ToString(k.head(t, b, "o").VersionId), "null")
	k.put(t, b, "o", "null again")
	want(t, "history", k.history(t, b, 1000), sorted("o:null*", "o:"+one))
	got, _ := k.get(t, b, "o")
	want(t, "object", got, "null again")
	d, err := k.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b, Key: aws.String("o")})
	check(t, "DeleteObject", err)
	want(t, "marker", aws.ToString(d.VersionId), "null")
	want(t, "history after a delete", k.history(t, b, 1000), sorted("o:nullx*", "o:"+one))
	k.version(t, b, types.BucketVersioningStatusEnabled)
	two := *k.put(t, b, "o", "two").VersionId
	want(t, "history after versioning is back", k.history(t, b, 1), sorted("o:"+two+"*", "o:nullx", "o:"+one))
}
