package s3

import (
	"context"
	"encoding/base64"
	"maps"
	"testing"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/object"
)

func TestSubjectOf(t *testing.T) {
	for _, tt := range []struct {
		from, key, want string // an empty want is a refusal
	}{
		{"segment:1", "alice/2026/a.pdf", "alice"},
		{"segment:2", "alice/2026/a.pdf", "2026"},
		{"segment:3", "alice/2026/a.pdf", "a.pdf"},
		{"segment:4", "alice/2026/a.pdf", ""},
		{"segment:1", "alice", "alice"},
		{"segment:1", "/alice", ""},
		{"segment:2", "a//b", ""},
		{"segment:2", "a/", ""},
		{"segment:1", "a\xff/b", ""},
		{"key", "a\xffb", ""},
		{"key", "alice/a.pdf", "tour/alice/a.pdf"},
		{"key", "/", "tour//"},
		{"segment:0", "a", ""},
		{"", "a", ""},
	} {
		got, ok := SubjectOf(tt.from, "tour", tt.key)
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("SubjectOf(%q, %q) = %q, %t; want %q", tt.from, tt.key, got, ok, tt.want)
		}
	}
}

func TestReservedBucketTags(t *testing.T) {
	w := newWorld(t)
	w.bucket("tour")
	for _, tt := range []struct{ key, value, want string }{
		{"coffer:subject-from", "key", ""},
		{"coffer:subject-from", "segment:1", ""},
		{"coffer:subject-from", "segment:512", ""},
		{"coffer:subject-from", "segment:513", "InvalidTag"},
		{"coffer:subject-from", "segment:0", "InvalidTag"},
		{"coffer:subject-from", "segment:01", "InvalidTag"},
		{"coffer:subject-from", "segment:+1", "InvalidTag"},
		{"coffer:subject-from", "segment:", "InvalidTag"},
		{"coffer:subject-from", "Key", "InvalidTag"},
		{"coffer:subject-from", "", "InvalidTag"},
		{"Coffer:subject-from", "key", "InvalidTag"},
		{"coffer:other", "x", "InvalidTag"},
		{"coffer", "x", ""},
	} {
		tags := []Tag{{Key: tt.key, Value: tt.value}}
		err := w.PutBucketTagging(t.Context(), root(owner), &PutTaggingInput{ObjectInput: ObjectInput{Bucket: "tour"}, Tags: tags})
		want(t, "PutBucketTagging("+tt.key+"="+tt.value+")", err, tt.want)
		_, err = w.CreateBucket(t.Context(), root(owner), &CreateBucketInput{Bucket: "new", Tags: tags})
		want(t, "CreateBucket("+tt.key+"="+tt.value+")", err, tt.want)
		if err == nil {
			must(t, w.DeleteBucket(t.Context(), root(owner), &BucketInput{Bucket: "new"}))
		}
	}
}

// shredKeys has keyARN, which shreds by the pair subject, and remembers the last
// encryption context. Like KMS it refuses one without the pair.
type shredKeys struct {
	kmsKeys
	last map[string]string
}

func (*shredKeys) ShredBy(context.Context, *authn.Caller, string) (string, error) {
	return "subject", nil
}

func (k *shredKeys) NewDataKey(_ context.Context, _ *authn.Caller, _ string, ec map[string]string) ([32]byte, []byte, string, error) {
	k.last = maps.Clone(ec)
	if ec["subject"] == "" {
		return [32]byte{}, nil, "", awserr.New(400, "ValidationException", "no subject")
	}
	return [32]byte{1}, []byte("blob"), keyARN, nil
}

func (*shredKeys) Part(_ context.Context, _ string, ec map[string]string) (string, error) {
	return "id of " + ec["subject"], nil
}

// TestSubjectFrom writes in every way into buckets that take the subject from the
// object key, and looks at the encryption context, the index and what a client sees.
func TestSubjectFrom(t *testing.T) {
	const arn, other = "arn:aws:s3:::tour/alice/a.pdf", "arn:aws:s3:::tour/bob/b"
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	mine := encode(`{"subject":"carol","x":"y"}`)
	kms := Encryption{Algorithm: algorithmKMS, KMSKeyID: keyARN}
	with := func(change func(*Encryption)) Encryption {
		e := kms
		change(&e)
		return e
	}
	for _, tt := range []struct {
		name, from, key string
		e               Encryption
		subject         string // that KMS saw
		want            string // the error
	}{
		{"filled in", "segment:1", "alice/a.pdf", kms, "alice", ""},
		{"the whole key", "key", "alice/a.pdf", kms, "tour/alice/a.pdf", ""},
		{"the client's own", "segment:1", "alice/a.pdf", with(func(e *Encryption) { e.Context = mine }), "carol", ""},
		{"the client's own without a tag", "", "alice/a.pdf", with(func(e *Encryption) { e.Context = mine }), "carol", ""},
		{"beside the client's other pairs", "segment:1", "alice/a.pdf", with(func(e *Encryption) { e.Context = encode(`{"x":"y"}`) }), "alice", ""},
		{"dual layer", "segment:1", "alice/a.pdf", with(func(e *Encryption) { e.Algorithm = algorithmDSSE }), "alice", ""},
		{"nothing to fill in", "", "alice/a.pdf", kms, "", "KMS.ValidationException"},
		{"no such segment", "segment:3", "alice/a.pdf", kms, "", "InvalidRequest"},
		{"an empty value of the client's", "segment:1", "alice/a.pdf", with(func(e *Encryption) { e.Context = encode(`{"subject":""}`) }), "", "KMS.ValidationException"},
	} {
		for _, bucketKey := range []bool{false, true} {
			if bucketKey && tt.e.Algorithm == algorithmDSSE {
				continue
			}
			t.Run(tt.name, func(t *testing.T) {
				w, keys := newWorld(t), new(shredKeys)
				w.keys = keys
				w.bucket("tour")
				if tt.from != "" {
					must(t, w.PutBucketTagging(t.Context(), root(owner), &PutTaggingInput{ObjectInput: ObjectInput{Bucket: "tour"},
						Tags: []Tag{{Key: "coffer:subject-from", Value: tt.from}}}))
				}
				e := tt.e
				if bucketKey {
					e.BucketKeyEnabled = "true"
				}
				out, err := w.PutObject(t.Context(), root(owner), &PutObjectInput{Bucket: "tour", Key: tt.key, Upload: upload("data"), Encryption: e})
				want(t, "PutObject()", err, tt.want)
				if keys.last["subject"] != tt.subject {
					t.Errorf("KMS saw the subject %q; want %q", keys.last["subject"], tt.subject)
				}
				if tt.want != "" {
					return
				}
				if keys.last["aws:s3:arn"] != arn {
					t.Errorf("KMS saw the bucket %q; want the object: bucket keys are shared", keys.last["aws:s3:arn"])
				}
				if out.SSE.Context != e.Context || out.SSE.BucketKeyEnabled {
					t.Errorf("PutObject() answers the context %q and bucket key %t; want %q as sent", out.SSE.Context, out.SSE.BucketKeyEnabled, e.Context)
				}
				w.wantUnder(t, tt.subject, tt.key)

				// A copy is a subject of its own key, and so is an upload.
				if tt.from != "segment:1" || tt.name != "filled in" {
					return
				}
				_, err = w.CopyObject(t.Context(), root(owner), &CopyObjectInput{PutObjectInput: PutObjectInput{Bucket: "tour", Key: "bob/b", Encryption: e},
					Source: CopySource{Bucket: "tour", Key: tt.key}})
				must(t, err)
				if keys.last["subject"] != "bob" || keys.last["aws:s3:arn"] != other {
					t.Errorf("KMS saw %q for a copy", keys.last)
				}
				up, err := w.CreateMultipartUpload(t.Context(), root(owner), &CreateMultipartUploadInput{PutObjectInput: PutObjectInput{Bucket: "tour", Key: "eve/up", Encryption: e}})
				must(t, err)
				p, err := w.UploadPart(t.Context(), root(owner), &UploadPartInput{Bucket: "tour", Key: "eve/up", UploadID: up.UploadID, PartNumber: 1, Upload: upload("data")})
				must(t, err)
				w.wantUnder(t, "eve", "eve/up")
				_, err = w.CompleteMultipartUpload(t.Context(), root(owner), &CompleteMultipartUploadInput{Bucket: "tour", Key: "eve/up", UploadID: up.UploadID,
					Parts: []Part{{Number: 1, ETag: p.ETag}}, ObjectSize: -1})
				must(t, err)
				w.wantUnder(t, "eve", "eve/up")
				must(t, w.put(root(owner), "tour", "plain/x"))
				must(t, w.UpdateObjectEncryption(t.Context(), root(owner), &UpdateObjectEncryptionInput{ObjectInput: ObjectInput{Bucket: "tour", Key: "plain/x"}, KMSKeyARN: keyARN, BucketKeyEnabled: bucketKey}))
				w.wantUnder(t, "plain", "plain/x")
			})
		}
	}
}

// wantUnder wants exactly one object under a subject.
func (w *world) wantUnder(t *testing.T, subject, key string) {
	t.Helper()
	var got []string
	must(t, w.objects.EachUse(t.Context(), object.TargetOf(keyARN, "id of "+subject), func(u *object.Use) error {
		got = append(got, u.Key)
		return nil
	}))
	if len(got) != 1 || got[0] != key {
		t.Errorf("under the subject %q lie %q; want %q", subject, got, key)
	}
}
