package conformance

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	bigendian "encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"hash/crc64"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// algorithms are the checksums of S3 with ways to compute them.
var algorithms = map[types.ChecksumAlgorithm]func([]byte) []byte{
	types.ChecksumAlgorithmCrc32: func(b []byte) []byte { return bigendian.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(b)) },
	types.ChecksumAlgorithmCrc32c: func(b []byte) []byte {
		return bigendian.BigEndian.AppendUint32(nil, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	},
	types.ChecksumAlgorithmCrc64nvme: func(b []byte) []byte {
		return bigendian.BigEndian.AppendUint64(nil, crc64.Checksum(b, crc64.MakeTable(0x9a6c9329ac4bc9b5)))
	},
	types.ChecksumAlgorithmSha1:   func(b []byte) []byte { s := sha1.Sum(b); return s[:] },
	types.ChecksumAlgorithmSha256: func(b []byte) []byte { s := sha256.Sum256(b); return s[:] },
}

func encoded(a types.ChecksumAlgorithm, b []byte) string {
	return base64.StdEncoding.EncodeToString(algorithms[a](b))
}

// sums returns the checksums that an answer has, as ALGORITHM=value.
func sums(crc32, crc32c, crc64, sha1, sha256 *string) string {
	var out []string
	for _, s := range []struct {
		name  string
		value *string
	}{{"CRC32", crc32}, {"CRC32C", crc32c}, {"CRC64NVME", crc64}, {"SHA1", sha1}, {"SHA256", sha256}} {
		if s.value != nil {
			out = append(out, s.name+"="+*s.value)
		}
	}
	return strings.Join(out, " ")
}

// setSum puts a checksum into its field of an upload.
func setSum(in *s3.PutObjectInput, a types.ChecksumAlgorithm, value string) {
	switch a {
	case types.ChecksumAlgorithmCrc32:
		in.ChecksumCRC32 = &value
	case types.ChecksumAlgorithmCrc32c:
		in.ChecksumCRC32C = &value
	case types.ChecksumAlgorithmCrc64nvme:
		in.ChecksumCRC64NVME = &value
	case types.ChecksumAlgorithmSha1:
		in.ChecksumSHA1 = &value
	case types.ChecksumAlgorithmSha256:
		in.ChecksumSHA256 = &value
	}
}

// testChecksums sends each checksum in the ways that clients do: computed by the
// SDK (in a header over HTTP, in a trailer over TLS), given by the caller, and
// wrong.
func testChecksums(t *testing.T, k *sdk) {
	ctx := t.Context()
	b := k.bucket(t)
	body := random(3, 100_000)
	for a := range algorithms {
		name := string(a)
		value := encoded(a, body)
		k.put(t, b, name, string(body), func(in *s3.PutObjectInput) { in.ChecksumAlgorithm = a })
		_, out := k.get(t, b, name, func(in *s3.GetObjectInput) { in.ChecksumMode = types.ChecksumModeEnabled })
		want(t, "checksums of "+name, sums(out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumCRC64NVME, out.ChecksumSHA1, out.ChecksumSHA256), name+"="+value)
		want(t, "type of "+name, out.ChecksumType, types.ChecksumTypeFullObject)
		h, err := k.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b, Key: &name, ChecksumMode: types.ChecksumModeEnabled})
		check(t, "HeadObject", err)
		want(t, "checksums of HeadObject", sums(h.ChecksumCRC32, h.ChecksumCRC32C, h.ChecksumCRC64NVME, h.ChecksumSHA1, h.ChecksumSHA256), name+"="+value)

		given := k.put(t, b, name+"-given", string(body), func(in *s3.PutObjectInput) { setSum(in, a, value) })
		want(t, "answer to "+name, sums(given.ChecksumCRC32, given.ChecksumCRC32C, given.ChecksumCRC64NVME, given.ChecksumSHA1, given.ChecksumSHA256), name+"="+value)

		wrong := &s3.PutObjectInput{Bucket: &b, Key: aws.String(name + "-wrong"), Body: bytes.NewReader(body)}
		setSum(wrong, a, encoded(a, []byte("other")))
		_, err = k.s3.PutObject(ctx, wrong)
		refused(t, "PutObject with a wrong "+name, err, "BadDigest")
		refused(t, "GetObject of what was refused", k.getErr(b, name+"-wrong"), "NoSuchKey")
		setSum(wrong, a, "bm90IG9uZQ==")
		_, err = k.s3.PutObject(ctx, wrong)
		refused(t, "PutObject with a "+name+" of a wrong length", err, "InvalidRequest")
	}
	// Without any the server chooses CRC64NVME.
	bare := k.server.s3(func(o *s3.Options) {
		o.HTTPClient, o.RequestChecksumCalculation = k.http, aws.RequestChecksumCalculationWhenRequired
	})
	_, err := bare.PutObject(ctx, &s3.PutObjectInput{Bucket: &b, Key: aws.String("bare"), Body: bytes.NewReader(body)})
	check(t, "PutObject without a checksum", err)
	_, out := k.get(t, b, "bare", func(in *s3.GetObjectInput) { in.ChecksumMode = types.ChecksumModeEnabled })
	want(t, "checksum by default", aws.ToString(out.ChecksumCRC64NVME), encoded(types.ChecksumAlgorithmCrc64nvme, body))
	// A range has none of its own.
	_, out = k.get(t, b, "bare", func(in *s3.GetObjectInput) {
		in.ChecksumMode, in.Range = types.ChecksumModeEnabled, aws.String("bytes=0-9")
	})
	want(t, "checksums of a range", sums(out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumCRC64NVME, out.ChecksumSHA1, out.ChecksumSHA256), "")
	sum := md5.Sum([]byte("other"))
	_, err = bare.PutObject(ctx, &s3.PutObjectInput{Bucket: &b, Key: aws.String("bare"), Body: bytes.NewReader(body),
		ContentMD5: aws.String(base64.StdEncoding.EncodeToString(sum[:]))})
	refused(t, "PutObject with a wrong MD5", err, "BadDigest")

	if strings.HasPrefix(k.endpoint, "https:") {
		// A body that can't be read twice has its checksum in the trailer only.
		_, err = k.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &b, Key: aws.String("stream"), Body: unseekable{bytes.NewReader(body)},
			ContentLength: aws.Int64(int64(len(body)))})
		check(t, "PutObject of a stream", err)
		got, _ := k.get(t, b, "stream")
		want(t, "stream", hexSHA256([]byte(got)), hexSHA256(body))
	}
}

// upload starts an upload and sends parts of the given sizes. It returns the
// upload and its parts.
func (k *sdk) upload(t testing.TB, bucket, key string, a types.ChecksumAlgorithm, kind types.ChecksumType, sizes ...int) (*s3.CreateMultipartUploadOutput, []types.CompletedPart) {
	t.Helper()
	u, err := k.s3.CreateMultipartUpload(context.Background(), &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key, ChecksumAlgorithm: a, ChecksumType: kind})
	check(t, "CreateMultipartUpload", err)
	var parts []types.CompletedPart
	for i, n := range sizes {
		parts = append(parts, k.part(t, u, int32(i+1), random(uint64(i+1), n), a))
	}
	return u, parts
}

func (k *sdk) part(t testing.TB, u *s3.CreateMultipartUploadOutput, number int32, body []byte, a types.ChecksumAlgorithm) types.CompletedPart {
	t.Helper()
	p, err := k.s3.UploadPart(context.Background(), &s3.UploadPartInput{Bucket: u.Bucket, Key: u.Key, UploadId: u.UploadId,
		PartNumber: &number, Body: bytes.NewReader(body), ChecksumAlgorithm: a})
	check(t, "UploadPart", err)
	return types.CompletedPart{ETag: p.ETag, PartNumber: &number, ChecksumCRC32: p.ChecksumCRC32, ChecksumCRC32C: p.ChecksumCRC32C,
		ChecksumCRC64NVME: p.ChecksumCRC64NVME, ChecksumSHA1: p.ChecksumSHA1, ChecksumSHA256: p.ChecksumSHA256}
}

func (k *sdk) complete(t testing.TB, bucket string, u *s3.CreateMultipartUploadOutput, parts []types.CompletedPart, opts ...func(*s3.CompleteMultipartUploadInput)) *s3.CompleteMultipartUploadOutput {
	t.Helper()
	in := &s3.CompleteMultipartUploadInput{Bucket: &bucket, Key: u.Key, UploadId: u.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}}
	for _, o := range opts {
		o(in)
	}
	out, err := k.s3.CompleteMultipartUpload(context.Background(), in)
	check(t, "CompleteMultipartUpload", err)
	return out
}

func testMultipart(t *testing.T, k *sdk) {
	ctx := t.Context()
	b := k.bucket(t)
	sizes := []int{partSize, partSize + 13, 9}
	var whole, partSums []byte
	for i, n := range sizes {
		p := random(uint64(i+1), n)
		whole = append(whole, p...)
		sum := md5.Sum(p)
		partSums = append(partSums, sum[:]...)
	}
	sum := md5.Sum(partSums)
	etag := `"` + hex.EncodeToString(sum[:]) + `-3"`

	type kind struct {
		a types.ChecksumAlgorithm
		t types.ChecksumType
	}
	for _, c := range []kind{
		{"", ""},
		{types.ChecksumAlgorithmCrc32, types.ChecksumTypeComposite}, {types.ChecksumAlgorithmCrc32, types.ChecksumTypeFullObject},
		{types.ChecksumAlgorithmCrc32c, types.ChecksumTypeFullObject}, {types.ChecksumAlgorithmCrc64nvme, types.ChecksumTypeFullObject},
		{types.ChecksumAlgorithmSha1, types.ChecksumTypeComposite}, {types.ChecksumAlgorithmSha256, types.ChecksumTypeComposite},
	} {
		name := fmt.Sprintf("%s %s", c.a, c.t)
		u, parts := k.upload(t, b, name, c.a, c.t, sizes...)
		out := k.complete(t, b, u, parts)
		want(t, "ETag of "+name, *out.ETag, etag)
		got, info := k.get(t, b, name, func(in *s3.GetObjectInput) { in.ChecksumMode = types.ChecksumModeEnabled })
		if got != string(whole) {
			t.Errorf("%s = %d bytes, SHA-256 %s; want %d, %s", name, len(got), hexSHA256([]byte(got)), len(whole), hexSHA256(whole))
		}
		if c.a == "" {
			continue
		}
		value := encoded(c.a, whole)
		if c.t == types.ChecksumTypeComposite {
			var all []byte
			for i, n := range sizes {
				all = append(all, algorithms[c.a](random(uint64(i+1), n))...)
			}
			value = encoded(c.a, all) + "-3"
		}
		want(t, "checksum of "+name, sums(info.ChecksumCRC32, info.ChecksumCRC32C, info.ChecksumCRC64NVME, info.ChecksumSHA1, info.ChecksumSHA256), string(c.a)+"="+value)
		want(t, "type of "+name, info.ChecksumType, c.t)
	}

	// Parts can be read one by one, ranges across them.
	name := " "
	off := 0
	for i, n := range sizes {
		got, out := k.get(t, b, name, func(in *s3.GetObjectInput) { in.PartNumber = aws.Int32(int32(i + 1)) })
		want(t, fmt.Sprintf("part %d", i+1), hexSHA256([]byte(got)), hexSHA256(whole[off:off+n]))
		want(t, "PartsCount", aws.ToInt32(out.PartsCount), 3)
		off += n
	}
	got, _ := k.get(t, b, name, func(in *s3.GetObjectInput) {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", partSize-3, 2*partSize+14))
	})
	want(t, "a range over three parts", hexSHA256([]byte(got)), hexSHA256(whole[partSize-3:2*partSize+15]))

	// Part numbers need not be consecutive, a part sent again replaces the
	// first, and parts that are not named are dropped.
	u, _ := k.upload(t, b, "sparse", "", "")
	k.part(t, u, 7, random(1, partSize), "")
	seven := k.part(t, u, 7, random(7, partSize), "")
	k.part(t, u, 8, random(8, partSize), "")
	last := k.part(t, u, 10_000, []byte("end"), "")
	done := k.complete(t, b, u, []types.CompletedPart{seven, last})
	if !strings.HasSuffix(*done.ETag, `-2"`) {
		t.Errorf("ETag = %s; want one of two parts", *done.ETag)
	}
	got, _ = k.get(t, b, "sparse")
	want(t, "sparse", hexSHA256([]byte(got)), hexSHA256(append(random(7, partSize), "end"...)))
	// Complete is repeated by clients that missed the answer.
	again, err := k.s3.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &b, Key: u.Key, UploadId: u.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{seven, last}}})
	if err == nil {
		want(t, "ETag of a second completion", *again.ETag, *done.ETag)
	} else {
		refused(t, "second completion", err, "NoSuchUpload")
	}
}

func testMultipartRefusals(t *testing.T, k *sdk) {
	ctx := t.Context()
	b := k.bucket(t)
	complete := func(u *s3.CreateMultipartUploadOutput, parts []types.CompletedPart, opts ...func(*s3.CompleteMultipartUploadInput)) error {
		in := &s3.CompleteMultipartUploadInput{Bucket: &b, Key: u.Key, UploadId: u.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}}
		for _, o := range opts {
			o(in)
		}
		_, err := k.s3.CompleteMultipartUpload(ctx, in)
		return err
	}
	u, parts := k.upload(t, b, "o", "", "", partSize, 100, 100)
	refused(t, "complete with a small part in the middle", complete(u, parts), "EntityTooSmall")
	refused(t, "complete in another order", complete(u, []types.CompletedPart{parts[1], parts[0]}), "InvalidPartOrder")
	refused(t, "complete with a part twice", complete(u, []types.CompletedPart{parts[0], parts[0]}), "InvalidPartOrder")
	refused(t, "complete with a part that is missing", complete(u, []types.CompletedPart{parts[0], {PartNumber: aws.Int32(9), ETag: parts[0].ETag}}), "InvalidPart")
	refused(t, "complete with a wrong ETag", complete(u, []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: parts[1].ETag}}), "InvalidPart")
	refused(t, "complete with no parts", complete(u, []types.CompletedPart{}), "InvalidRequest")
	refused(t, "complete of a wrong size", complete(u, parts[:1], func(in *s3.CompleteMultipartUploadInput) { in.MpuObjectSize = aws.Int64(7) }), "InvalidRequest")
	k.put(t, b, "o", "there already")
	refused(t, "complete with If-None-Match: *", complete(u, parts[:1], func(in *s3.CompleteMultipartUploadInput) { in.IfNoneMatch = aws.String("*") }), "PreconditionFailed")
	refused(t, "complete with If-Match of another", complete(u, parts[:1], func(in *s3.CompleteMultipartUploadInput) { in.IfMatch = parts[0].ETag }), "PreconditionFailed")
	// None of it ended the upload.
	check(t, "complete with If-Match", complete(u, parts[:1], func(in *s3.CompleteMultipartUploadInput) { in.IfMatch = aws.String(md5ETag("there already")) }))

	gone, _ := k.upload(t, b, "gone", "", "", 10)
	_, err := k.s3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b, Key: gone.Key, UploadId: gone.UploadId})
	check(t, "AbortMultipartUpload", err)
	part := func(u *s3.CreateMultipartUploadOutput, number int32, set func(*s3.UploadPartInput)) error {
		in := &s3.UploadPartInput{Bucket: &b, Key: u.Key, UploadId: u.UploadId, PartNumber: &number, Body: strings.NewReader("x")}
		if set != nil {
			set(in)
		}
		_, err := k.s3.UploadPart(ctx, in)
		return err
	}
	refused(t, "UploadPart after an abort", part(gone, 1, nil), "NoSuchUpload")
	_, err = k.s3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b, Key: gone.Key, UploadId: gone.UploadId})
	refused(t, "a second abort", err, "NoSuchUpload")
	open, _ := k.upload(t, b, "open", types.ChecksumAlgorithmSha256, types.ChecksumTypeComposite)
	refused(t, "part 0", part(open, 0, nil), "InvalidArgument")
	refused(t, "part 10,001", part(open, 10_001, nil), "InvalidArgument")
	refused(t, "a part with another algorithm", part(open, 1, func(in *s3.UploadPartInput) { in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32 }), "InvalidRequest")
	refused(t, "a part of another key", part(open, 1, func(in *s3.UploadPartInput) { in.Key = aws.String("other") }), "NoSuchUpload")
	refused(t, "a part with a wrong checksum", part(open, 1, func(in *s3.UploadPartInput) {
		in.ChecksumSHA256 = aws.String(encoded(types.ChecksumAlgorithmSha256, []byte("other")))
	}), "BadDigest")
	for _, c := range []struct {
		a types.ChecksumAlgorithm
		t types.ChecksumType
	}{{types.ChecksumAlgorithmSha256, types.ChecksumTypeFullObject}, {types.ChecksumAlgorithmCrc64nvme, types.ChecksumTypeComposite}} {
		_, err = k.s3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &b, Key: aws.String("o"), ChecksumAlgorithm: c.a, ChecksumType: c.t})
		refused(t, fmt.Sprintf("CreateMultipartUpload with %s %s", c.a, c.t), err, "InvalidRequest")
	}
	// A full-object checksum is verified, though the server never saw it sent whole.
	full, parts := k.upload(t, b, "full", types.ChecksumAlgorithmCrc32, types.ChecksumTypeFullObject, partSize, 5)
	whole := append(random(1, partSize), random(2, 5)...)
	with := func(sum string) func(*s3.CompleteMultipartUploadInput) {
		return func(in *s3.CompleteMultipartUploadInput) {
			in.ChecksumCRC32, in.ChecksumType = &sum, types.ChecksumTypeFullObject
		}
	}
	refused(t, "complete with a wrong checksum", complete(full, parts, with(encoded(types.ChecksumAlgorithmCrc32, []byte("x")))), "BadDigest")
	check(t, "complete with its checksum", complete(full, parts, with(encoded(types.ChecksumAlgorithmCrc32, whole))))
}

func testMultipartListings(t *testing.T, k *sdk) {
	ctx := t.Context()
	b := k.bucket(t)
	u, _ := k.upload(t, b, "dir/a", types.ChecksumAlgorithmSha1, types.ChecksumTypeComposite, 10, 20, 30)
	for _, key := range []string{"dir/a", "dir/b", "z"} {
		k.upload(t, b, key, "", "")
	}
	var sizes []int64
	pages := s3.NewListPartsPaginator(k.s3, &s3.ListPartsInput{Bucket: &b, Key: u.Key, UploadId: u.UploadId, MaxParts: aws.Int32(2)})
	for pages.HasMorePages() {
		p, err := pages.NextPage(ctx)
		check(t, "ListParts", err)
		want(t, "ChecksumAlgorithm", p.ChecksumAlgorithm, types.ChecksumAlgorithmSha1)
		for _, part := range p.Parts {
			sizes = append(sizes, *part.Size)
			want(t, "SHA-1 of a part", aws.ToString(part.ChecksumSHA1), encoded(types.ChecksumAlgorithmSha1, random(uint64(*part.PartNumber), int(*part.Size))))
		}
	}
	want(t, "parts", fmt.Sprint(sizes), "[10 20 30]")
	list := func(prefix, delimiter string, max int32) string {
		t.Helper()
		var out []string
		in := &s3.ListMultipartUploadsInput{Bucket: &b, Prefix: &prefix, Delimiter: &delimiter, MaxUploads: &max}
		for {
			p, err := k.s3.ListMultipartUploads(ctx, in)
			check(t, "ListMultipartUploads", err)
			for _, u := range p.Uploads {
				out = append(out, *u.Key)
			}
			for _, c := range p.CommonPrefixes {
				out = append(out, *c.Prefix)
			}
			if !*p.IsTruncated {
				return sorted(out...)
			}
			in.KeyMarker, in.UploadIdMarker = p.NextKeyMarker, p.NextUploadIdMarker
		}
	}
	for _, max := range []int32{1, 2, 1000} {
		want(t, "uploads", list("", "", max), "dir/a dir/a dir/b z")
		want(t, "uploads below dir/", list("dir/", "", max), "dir/a dir/a dir/b")
		want(t, "uploads by folder", list("", "/", max), "dir/ z")
	}
	_, err := k.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &b})
	// AWS deletes a bucket with uploads under way and forgets them.
	if err != nil {
		refused(t, "DeleteBucket with uploads under way", err, "BucketNotEmpty")
	}
	_, err = k.s3.ListParts(ctx, &s3.ListPartsInput{Bucket: aws.String(b + "-none"), Key: u.Key, UploadId: u.UploadId})
	refused(t, "ListParts in no bucket", err, "NoSuchBucket")
}
