package s3

import (
	"strings"
	"testing"
)

func TestRewrapObject(t *testing.T) {
	const sent = "eyJwcm9qZWN0IjoieCJ9" // {"project":"x"}
	for _, tt := range []struct {
		name   string
		e      Encryption
		k      CustomerKey
		wanted SSE
		code   string
	}{
		{name: "SSE-KMS", e: Encryption{Algorithm: "aws:kms", KMSKeyID: keyARN, Context: sent}, wanted: SSE{Algorithm: "aws:kms", KMSKeyID: keyARN, Context: sent}},
		{name: "bucket key", e: Encryption{Algorithm: "aws:kms", KMSKeyID: keyARN, BucketKeyEnabled: "true"}, wanted: SSE{Algorithm: "aws:kms", KMSKeyID: keyARN, BucketKeyEnabled: true}},
		{name: "DSSE-KMS", e: Encryption{Algorithm: "aws:kms:dsse", KMSKeyID: keyARN}, wanted: SSE{Algorithm: "aws:kms:dsse", KMSKeyID: keyARN}},
		{name: "SSE-S3", wanted: SSE{Algorithm: "aws:kms", KMSKeyID: keyARN}},
		{name: "SSE-C", k: customer(t), code: "InvalidRequest"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.bucket("tour")
			must(t, w.put(root(owner), "tour", "key", func(in *PutObjectInput) { in.Encryption, in.Customer = tt.e, tt.k }))
			b, err := w.objects.Bucket(t.Context(), "tour")
			must(t, err)
			before, err := w.objects.Find(t.Context(), b, "key", "")
			must(t, err)
			out, err := w.RewrapObject(t.Context(), root(owner), &RewrapObjectInput{Bucket: "tour", Key: "key", KMSKeyARN: keyARN})
			want(t, "RewrapObject()", err, tt.code)
			after, err := w.objects.Find(t.Context(), b, "key", "")
			must(t, err)
			if isSame := after.Content.ID == before.Content.ID; isSame != (tt.code != "") {
				t.Errorf("same content: %v", isSame)
			}
			if tt.code != "" {
				return
			}
			if *out != (RewrapObjectOutput{VersionID: "null", KMSKeyARN: keyARN, Bytes: 4}) {
				t.Errorf("RewrapObject() = %+v", out)
			}
			if got := sse(&after.Content.Wrap); got != tt.wanted {
				t.Errorf("sealed as %+v; want %+v", got, tt.wanted)
			}
			if data, err := w.read(root(owner), "tour", "key", ""); err != nil || string(data) != "data" {
				t.Errorf("read = %q, %v", data, err)
			}
		})
	}
}

func TestRewrapObjectRefuses(t *testing.T) {
	w := newWorld(t)
	w.bucket("tour")
	must(t, w.put(root(owner), "tour", "key"))
	const object = "arn:aws:s3:::tour/key"
	one, other := allow("coffer:RewrapObject", object), allow("s3:UpdateObjectEncryption", object)
	for _, tt := range []struct {
		in         RewrapObjectInput
		statements []string
		code, says string
	}{
		{RewrapObjectInput{Bucket: "tour", Key: "key", KMSKeyARN: keyARN}, []string{one}, "AccessDeniedException", "to perform: s3:UpdateObjectEncryption "},
		{RewrapObjectInput{Bucket: "tour", Key: "key", KMSKeyARN: keyARN}, []string{other, allow("s3:*", "*")}, "AccessDeniedException", "to perform: coffer:RewrapObject "},
		{RewrapObjectInput{Bucket: "tour", Key: "key", KMSKeyARN: keyARN[strings.LastIndex(keyARN, "/")+1:]}, []string{one, other}, "InvalidArgument", ""},
		{RewrapObjectInput{Bucket: "tour", Key: "key", VersionID: "none", KMSKeyARN: keyARN}, []string{one, other}, "InvalidArgument", ""},
		{RewrapObjectInput{Bucket: "tour", KMSKeyARN: keyARN}, []string{one, other}, "ValidationException", ""},
		{RewrapObjectInput{Key: "key", KMSKeyARN: keyARN}, []string{one, other}, "ValidationException", ""},
		{RewrapObjectInput{Bucket: "tours", Key: "key", KMSKeyARN: keyARN}, []string{one, other}, "NoSuchBucket", ""},
		{RewrapObjectInput{Bucket: "tour", Key: "key", KMSKeyARN: keyARN}, []string{one, other}, "", ""},
	} {
		_, err := w.RewrapObject(t.Context(), w.user(owner, tt.statements...), &tt.in)
		if code(err) != tt.code || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("RewrapObject(%+v) = %v; want %q, %q", tt.in, err, tt.code, tt.says)
		}
	}
}
