package conformance

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestCopySources copies what the caller may not read into where it may write, whole
// and as parts. Servers authorized the target alone (GHSA-mx42 and GHSA-wfxj in
// RustFS, #9555 in SeaweedFS).
func TestCopySources(t *testing.T) {
	t.Parallel()
	k := besieged(t)
	ctx := t.Context()
	other := k.server.account("other")
	theirs := k.s3As(other.credentials())
	for _, b := range []string{"sources", "target"} {
		_, err := k.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &b})
		check(t, "CreateBucket", err)
	}
	_, err := theirs.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("foreign")})
	check(t, "CreateBucket", err)
	_, err = theirs.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("foreign"), Key: aws.String("o"), Body: strings.NewReader(victim)})
	check(t, "PutObject", err)
	key := keyWith(t, k.kms, `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":["kms:GenerateDataKey","kms:Decrypt"],"Resource":"*"}`)
	k.version(t, "sources", types.BucketVersioningStatusEnabled)
	old := *k.put(t, "sources", "o", victim).VersionId
	k.put(t, "sources", "o", "for all")
	k.put(t, "sources", "secret", victim)
	k.put(t, "sources", "sealed", victim, func(in *s3.PutObjectInput) {
		in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryptionAwsKms, &key
	})

	// The copier may write everywhere in the target, and read the current version of
	// some objects.
	statement := `{"Effect":"Allow","Action":["s3:PutObject","s3:PutObjectTagging","s3:AbortMultipartUpload","s3:GetObject"],"Resource":"arn:aws:s3:::target/*"}`
	reads := `{"Effect":"Allow","Action":["s3:GetObject","s3:GetObjectTagging"],"Resource":["arn:aws:s3:::sources/o","arn:aws:s3:::sources/sealed","arn:aws:s3:::foreign/*"]}`
	_, copier := k.stsUser(t, "copier", `{"Version":"2012-10-17","Statement":[`+statement+`,`+reads+`]}`)
	client := k.s3With(copier)
	up, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String("target"), Key: aws.String("parts")})
	check(t, "CreateMultipartUpload", err)
	copies := func(source string, header ...string) map[string]error {
		_, whole := client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: aws.String("target"), Key: aws.String("copy"), CopySource: &source})
		_, part := client.UploadPartCopy(ctx, &s3.UploadPartCopyInput{Bucket: aws.String("target"), Key: aws.String("parts"), UploadId: up.UploadId, PartNumber: aws.Int32(1), CopySource: &source})
		_, ranged := client.UploadPartCopy(ctx, &s3.UploadPartCopyInput{Bucket: aws.String("target"), Key: aws.String("parts"), UploadId: up.UploadId, PartNumber: aws.Int32(1), CopySource: &source,
			CopySourceRange: aws.String("bytes=0-3")})
		return map[string]error{"CopyObject": whole, "UploadPartCopy": part, "UploadPartCopy of a range": ranged}
	}
	for operation, err := range copies("sources/o") {
		check(t, operation+" of what may be read", err)
	}
	for _, source := range []string{
		"sources/secret", "vault/victim", "/vault/victim", "sources/o?versionId=" + old, "sources/o?versionId=null", "sources/none",
		"sources/sealed", // its key is not for the copier
		"foreign/o",      // its account does not allow it
		"foreign/none",
	} {
		for operation, err := range copies(source) {
			refused(t, operation+" of "+source, err, "AccessDenied")
		}
	}
	_, err = client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("target"), Key: aws.String("copy")})
	check(t, "HeadObject of the copy", err)
	got, _ := k.get(t, "target", "copy")
	want(t, "the copy that was allowed", got, "for all")
	parts, err := k.s3.ListParts(ctx, &s3.ListPartsInput{Bucket: aws.String("target"), Key: aws.String("parts"), UploadId: up.UploadId})
	check(t, "ListParts", err)
	if len(parts.Parts) != 1 || *parts.Parts[0].Size != 4 && *parts.Parts[0].Size != int64(len("for all")) {
		t.Errorf("parts = %+v; want the one that was allowed", parts.Parts)
	}

	// Each side of a copy across accounts must allow it, and so must the key.
	policy := allowing(`{"AWS":"arn:aws:iam::123456789012:user/copier"}`, "s3:GetObject", "foreign/*")
	_, err = theirs.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String("foreign"), Policy: &policy})
	check(t, "PutBucketPolicy", err)
	for _, err := range copies("foreign/o") {
		check(t, "a copy across accounts that both allow", err)
	}
	denied := strings.Replace(policy, `"Allow"`, `"Deny"`, 1)
	_, err = theirs.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String("foreign"), Policy: &denied})
	check(t, "PutBucketPolicy", err)
	for operation, err := range copies("foreign/o") {
		refused(t, operation+" of what its owner denies", err, "AccessDenied")
	}
	k.rights(t, "copier", `{"Version":"2012-10-17","Statement":[`+statement+`,`+reads+`,{"Effect":"Allow","Action":"kms:Decrypt","Resource":"`+key+`"}]}`)
	for operation, err := range copies("sources/sealed") {
		check(t, operation+" with its key", err)
	}
	_, err = k.kms.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &key})
	check(t, "DisableKey", err)
	for operation, err := range copies("sources/sealed") {
		if code(err) != "KMS.DisabledException" {
			t.Errorf("%s with a disabled key = %v; want KMS.DisabledException", operation, err)
		}
	}
	// The target may not be written by who may read the source alone.
	k.rights(t, "copier", `{"Version":"2012-10-17","Statement":[`+reads+`]}`)
	for operation, err := range copies("sources/o") {
		refused(t, operation+" into what may not be written", err, "AccessDenied")
	}
	k.untouched(t)
}

// TestOneReading gives a user the object of one reading of a name and not that of the
// other, and asks by every spelling of it. What is served must be what was authorized
// (GHSA-8r6f and GHSA-f4vq in RustFS, CVE-2026-42882 in s3-proxy, and fixes in
// versitygw).
func TestOneReading(t *testing.T) {
	t.Parallel()
	k := besieged(t)
	ctx := t.Context()
	b := "names"
	_, err := k.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &b})
	check(t, "CreateBucket", err)
	// Each name is an object of its own, whose body is the name.
	names := []string{"a/b", "a//b", "/a/b", "a/./b", "a/../b", "../names/a/b", "b", "a%2Fb", "a%2fb", "a?b", "a", "a#b", "a/b/", "a b", "a+b", "a%20b", "a/%2e%2e/b", `a\b`, "a;b", "a&b=c", "A/B",
		"a?versionId=null", "a%3FversionId=null", "é", "e\u0301", "..", ".", "%", "a\tb"}
	for _, name := range names {
		k.put(t, b, name, name)
	}
	_, reader := k.stsUser(t, "reader", "")
	_, copier := k.stsUser(t, "copier2", "")
	spell := map[string]func(string) string{
		"escaped":       func(s string) string { return strings.ReplaceAll(url.PathEscape(s), "%2F", "/") },
		"escaped whole": url.PathEscape,
		"in lower case": func(s string) string {
			return strings.NewReplacer("%2F", "%2f", "%3F", "%3f", "%2E", "%2e", "%5C", "%5c").Replace(url.PathEscape(s))
		},
		"every byte": func(s string) string {
			var b strings.Builder
			for _, c := range []byte(s) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
			return b.String()
		},
	}
	literal := strings.NewReplacer("*", "${*}", "?", "${?}", "$", "${$}")
	for _, name := range names {
		resource := "arn:aws:s3:::names/" + literal.Replace(name)
		quoted := strconv.QuoteToASCII(resource)
		k.rights(t, "reader", stsAllow(`"s3:GetObject"`, quoted))
		for _, asked := range names {
			for how, f := range spell {
				if how != "escaped" && asked != name && len(asked)+len(name) > 8 {
					continue // the readings that are near are enough
				}
				n := knock{service: "s3", method: "GET", target: "/names/" + f(asked)}
				status, body := k.knock(t, reader, n)
				switch {
				case asked == name && (status != 200 || body != name):
					t.Errorf("GET %s, %s, by who may read %q = %d %.200s; want it", n.target, how, name, status, body)
				case asked != name && (status != 403 || strings.HasPrefix(body, asked)):
					t.Errorf("GET %s, %s, by who may read %q alone = %d %.200s; want 403", n.target, how, name, status, body)
				}
			}
		}
	}
	// The same for the sources of copies.
	for _, name := range []string{"a/b", "a?b", "a", "a%2Fb", "a#b", "a+b", "a b", "a/../b", "b", "a//b", "/a/b", "a?versionId=null"} {
		k.rights(t, "copier2", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:GetObjectTagging"],"Resource":`+strconv.QuoteToASCII("arn:aws:s3:::names/"+literal.Replace(name))+`},
			{"Effect":"Allow","Action":["s3:PutObject","s3:PutObjectTagging"],"Resource":"arn:aws:s3:::open/*"}]}`)
		client := k.s3With(copier)
		for _, asked := range names {
			source := b + "/" + url.PathEscape(asked)
			_, err := client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: aws.String("open"), Key: aws.String("copied"), CopySource: &source})
			read := strings.ReplaceAll(asked, "+", " ") // an unescaped + in a copy source is a blank
			switch {
			case read == name:
				check(t, "CopyObject of "+source+" by who may read "+name, err)
				got, _ := k.get(t, "open", "copied")
				want(t, "the copy of "+source, got, name)
			default:
				refused(t, "CopyObject of "+source+" by who may read "+name+" alone", err, "AccessDenied")
			}
		}
	}
	_, err = k.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("open"), Key: aws.String("copied")})
	check(t, "DeleteObject", err)
	k.untouched(t)
}
