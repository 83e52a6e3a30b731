package s3

import (
	"crypto/rand"
	"encoding/base64"
	"testing"

	"coffer/internal/authn"
	"coffer/internal/awserr"
	"coffer/internal/checksum"
	"coffer/internal/object"
	"coffer/internal/sealed"
)

func customer(t *testing.T) CustomerKey {
	t.Helper()
	var key [32]byte
	if _, err := rand.Read(key[:]); err != nil {
		t.Fatal(err)
	}
	return CustomerKey{Algorithm: "AES256", Key: Secret(base64.StdEncoding.EncodeToString(key[:])),
		KeyMD5: base64.StdEncoding.EncodeToString(checksum.MD5.Sum(key[:]))}
}

func TestPlan(t *testing.T) {
	key := customer(t)
	other := customer(t)
	context := func(json string) string { return base64.StdEncoding.EncodeToString([]byte(json)) }
	kmsDefault := object.Encryption{Algorithm: "aws:kms", KMSMasterKeyID: "alias/b", BucketKeyEnabled: true}
	open := object.Encryption{Algorithm: "AES256", Blocked: []string{"NONE"}}
	tests := []struct {
		name   string
		def    object.Encryption
		e      Encryption
		k      CustomerKey
		remote bool // the client is elsewhere, over plain HTTP
		mode   sealed.Mode
		keyID  string
		code   string
	}{
		{name: "default SSE-S3", mode: sealed.ModeS3},
		{name: "default of the bucket", def: kmsDefault, mode: sealed.ModeBucketKey, keyID: "alias/b"},
		{name: "header over default", def: kmsDefault, e: Encryption{Algorithm: "AES256"}, mode: sealed.ModeS3},
		{name: "KMS without key is aws/s3, whatever the bucket names", def: kmsDefault, e: Encryption{Algorithm: "aws:kms", BucketKeyEnabled: "false"}, mode: sealed.ModeKMS},
		{name: "KMS with key", e: Encryption{Algorithm: "aws:kms", KMSKeyID: "alias/x"}, mode: sealed.ModeKMS, keyID: "alias/x"},
		{name: "bucket key by header", e: Encryption{Algorithm: "aws:kms", BucketKeyEnabled: "true"}, mode: sealed.ModeBucketKey},
		{name: "bucket key off by header", def: kmsDefault, e: Encryption{BucketKeyEnabled: "false"}, mode: sealed.ModeKMS, keyID: "alias/b"},
		{name: "DSSE", e: Encryption{Algorithm: "aws:kms:dsse", KMSKeyID: "k"}, mode: sealed.ModeDSSE, keyID: "k"},
		{name: "DSSE has no bucket keys", e: Encryption{Algorithm: "aws:kms:dsse", BucketKeyEnabled: "true"}, code: "InvalidArgument"},
		{name: "DSSE ignores the bucket's default", def: object.Encryption{Algorithm: "aws:kms:dsse", BucketKeyEnabled: true}, mode: sealed.ModeDSSE},
		{name: "unknown algorithm", e: Encryption{Algorithm: "aws:fsx"}, code: "InvalidArgument"},
		{name: "algorithm in another case", e: Encryption{Algorithm: "aes256"}, code: "InvalidArgument"},
		{name: "key without algorithm", e: Encryption{KMSKeyID: "k"}, code: "InvalidArgument"},
		{name: "key without algorithm over a KMS default", def: kmsDefault, e: Encryption{KMSKeyID: "k"}, code: "InvalidArgument"},
		{name: "key with AES256", e: Encryption{Algorithm: "AES256", KMSKeyID: "k"}, code: "InvalidArgument"},
		{name: "bucket key neither true nor false", e: Encryption{Algorithm: "aws:kms", BucketKeyEnabled: "yes"}, code: "InvalidArgument"},
		{name: "context", e: Encryption{Algorithm: "aws:kms", Context: context(`{"a":"b"}`)}, mode: sealed.ModeKMS},
		{name: "context with SSE-S3", e: Encryption{Algorithm: "AES256", Context: context(`{"a":"b"}`)}, code: "InvalidArgument"},
		{name: "context that is no base64", e: Encryption{Algorithm: "aws:kms", Context: "{}"}, code: "InvalidArgument"},
		{name: "context of numbers", e: Encryption{Algorithm: "aws:kms", Context: context(`{"a":1}`)}, code: "InvalidArgument"},
		{name: "context of null", e: Encryption{Algorithm: "aws:kms", Context: context(`{"a":null}`)}, code: "InvalidArgument"},
		{name: "context that poses as S3's", e: Encryption{Algorithm: "aws:kms", Context: context(`{"aws:s3:arn":"arn:aws:s3:::other/key"}`)}, code: "InvalidArgument"},
		{name: "SSE-C blocked", def: object.Encryption{Algorithm: "AES256", Blocked: []string{"SSE-C"}}, k: key, code: "AccessDenied"},
		{name: "SSE-C", def: open, k: key, mode: sealed.ModeCustomer},
		{name: "SSE-C with another kind", def: open, e: Encryption{Algorithm: "AES256"}, k: key, code: "InvalidArgument"},
		{name: "SSE-C over plain HTTP", def: open, k: key, remote: true, code: "InvalidRequest"},
		{name: "SSE-C without algorithm", def: open, k: CustomerKey{Key: key.Key, KeyMD5: key.KeyMD5}, code: "InvalidArgument"},
		{name: "SSE-C with an unknown algorithm", def: open, k: CustomerKey{Algorithm: "AES128", Key: key.Key, KeyMD5: key.KeyMD5}, code: "InvalidEncryptionAlgorithmError"},
		{name: "SSE-C without key", def: open, k: CustomerKey{Algorithm: "AES256", KeyMD5: key.KeyMD5}, code: "InvalidArgument"},
		{name: "SSE-C without digest", def: open, k: CustomerKey{Algorithm: "AES256", Key: key.Key}, code: "InvalidArgument"},
		{name: "SSE-C with the digest of another key", def: open, k: CustomerKey{Algorithm: "AES256", Key: key.Key, KeyMD5: other.KeyMD5}, code: "InvalidArgument"},
		{name: "SSE-C with a short key", def: open, k: CustomerKey{Algorithm: "AES256", Key: "c2hvcnQ=", KeyMD5: key.KeyMD5}, code: "InvalidArgument"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			def := tt.def
			if def.Algorithm == "" {
				def.Algorithm = "AES256"
			}
			c := &authn.Caller{SourceIP: "127.0.0.1"}
			if tt.remote {
				c.SourceIP = "192.0.2.1"
			}
			r := &request{c: c, bucket: &object.Bucket{Encryption: def}}
			p, err := r.plan(tt.e, tt.k)
			if tt.code != "" {
				if !awserr.Is(err, tt.code) {
					t.Errorf("plan = %v; want %s", err, tt.code)
				}
				return
			}
			if err != nil {
				t.Fatalf("plan = %v; want a plan", err)
			}
			if p.mode != tt.mode || p.keyID != tt.keyID {
				t.Errorf("plan = %v under %q; want %v under %q", p.mode, p.keyID, tt.mode, tt.keyID)
			}
		})
	}
}

func TestCheckRule(t *testing.T) {
	yes := true
	tests := []struct {
		name    string
		rule    EncryptionRule
		blocked string
		code    string
	}{
		{name: "no block element blocks", rule: EncryptionRule{Algorithm: "AES256"}, blocked: "SSE-C"},
		{name: "NONE unblocks", rule: EncryptionRule{Algorithm: "AES256", BlockedPresent: true, BlockedTypes: []string{"NONE"}}, blocked: "NONE"},
		{name: "block alone", rule: EncryptionRule{BlockedPresent: true, BlockedTypes: []string{"SSE-C"}}, blocked: "SSE-C"},
		{name: "empty block", rule: EncryptionRule{Algorithm: "AES256", BlockedPresent: true}, code: "InvalidArgument"},
		{name: "NONE twice", rule: EncryptionRule{Algorithm: "AES256", BlockedPresent: true, BlockedTypes: []string{"NONE", "NONE"}}, code: "InvalidArgument"},
		{name: "both", rule: EncryptionRule{Algorithm: "AES256", BlockedPresent: true, BlockedTypes: []string{"NONE", "SSE-C"}}, code: "InvalidArgument"},
		{name: "AES256 is no type", rule: EncryptionRule{Algorithm: "AES256", BlockedPresent: true, BlockedTypes: []string{"AES256"}}, code: "MalformedXML"},
		{name: "key with AES256", rule: EncryptionRule{Algorithm: "AES256", KMSMasterKeyID: "k"}, code: "InvalidArgument"},
		{name: "unknown algorithm", rule: EncryptionRule{Algorithm: "DES"}, code: "MalformedXML"},
		{name: "empty rule", rule: EncryptionRule{}, code: "MalformedXML"},
		{name: "KMS", rule: EncryptionRule{Algorithm: "aws:kms", KMSMasterKeyID: "alias/x", BucketKeyEnabled: &yes}, blocked: "SSE-C"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := new(Service).checkRule(&tt.rule)
			if tt.code != "" {
				if !awserr.Is(err, tt.code) {
					t.Errorf("checkRule = %v; want %s", err, tt.code)
				}
				return
			}
			if err != nil || len(e.Blocked) != 1 || e.Blocked[0] != tt.blocked {
				t.Errorf("checkRule = %v, %v; want %s", e.Blocked, err, tt.blocked)
			}
		})
	}
}

func TestValidBucketName(t *testing.T) {
	for name, want := range map[string]bool{
		"tour": true, "a.b-c": true, "abc": true, "ab": false, "Tour": false, "-tour": false, "tour-": false, "a..b": false,
		"192.168.5.4": false, "xn--a": false, "sthree-a": false, "a-s3alias": false, "a--ol-s3": false, "a_b": false,
		"a23456789012345678901234567890123456789012345678901234567890123":  true,
		"a234567890123456789012345678901234567890123456789012345678901234": false, "": false, ".ab": false, "a/b": false,
	} {
		if got := ValidBucketName(name); got != want {
			t.Errorf("ValidBucketName(%q) = %v; want %v", name, got, want)
		}
	}
}

func TestResolveRange(t *testing.T) {
	tests := []struct {
		r      ByteRange
		size   int64
		off, n int64
		ok     bool
	}{
		{ByteRange{First: 0, Last: 0}, 10, 0, 1, true},
		{ByteRange{First: 3, Last: -1}, 10, 3, 7, true},
		{ByteRange{First: 3, Last: 99}, 10, 3, 7, true},
		{ByteRange{First: 10, Last: -1}, 10, 0, 0, false},
		{ByteRange{IsSuffix: true, Suffix: 4}, 10, 6, 4, true},
		{ByteRange{IsSuffix: true, Suffix: 40}, 10, 0, 10, true},
		{ByteRange{IsSuffix: true, Suffix: 0}, 10, 10, 0, false},
		{ByteRange{First: 0, Last: -1}, 0, 0, 0, false},
		{ByteRange{IsSuffix: true, Suffix: 1}, 0, 0, 0, false},
	}
	for _, tt := range tests {
		off, n, ok := tt.r.Resolve(tt.size)
		if ok != tt.ok || ok && (off != tt.off || n != tt.n) {
			t.Errorf("%+v.Resolve(%d) = %d, %d, %v; want %d, %d, %v", tt.r, tt.size, off, n, ok, tt.off, tt.n, tt.ok)
		}
	}
}
