package bench

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
)

// modes are the values of --sse, with what the table calls them.
var modes = []struct{ name, title string }{
	{"none", "no SSE header"},
	{"s3", "SSE-S3"},
	{"kms", "SSE-KMS"},
	{"c", "SSE-C"},
	{"dsse", "DSSE-KMS"},
}

// modeTitle returns what the table calls a mode.
func modeTitle(name string) string {
	for _, m := range modes {
		if m.name == name {
			return m.title
		}
	}
	return name
}

const sse = "X-Amz-Server-Side-Encryption"

// An encryption is the headers that ask for one.
type encryption struct {
	write map[string][]string // of PutObject and CreateMultipartUpload
	read  map[string][]string // of reads, and of UploadPart
}

// newEncryption returns the headers of a mode. SSE-C takes a random key.
func newEncryption(rand io.Reader, o *options) (encryption, error) {
	e := encryption{write: map[string][]string{}, read: map[string][]string{}}
	kms := map[string]string{"kms": "aws:kms", "dsse": "aws:kms:dsse"}
	switch o.sse {
	case "s3":
		e.write[sse] = []string{"AES256"}
	case "kms", "dsse":
		e.write[sse] = []string{kms[o.sse]}
		e.write[sse+"-Aws-Kms-Key-Id"] = []string{o.kmsKey}
		if o.bucketKey {
			e.write[sse+"-Bucket-Key-Enabled"] = []string{"true"}
		}
	case "c":
		key := make([]byte, 32)
		if _, err := io.ReadFull(rand, key); err != nil {
			return e, fmt.Errorf("make customer key: %w", err)
		}
		defer clear(key)
		sum := md5.Sum(key)
		e.write[sse+"-Customer-Algorithm"] = []string{"AES256"}
		e.write[sse+"-Customer-Key"] = []string{base64.StdEncoding.EncodeToString(key)}
		e.write[sse+"-Customer-Key-Md5"] = []string{base64.StdEncoding.EncodeToString(sum[:])}
		e.read = e.write
	}
	return e, nil
}

// allowCustomerKeys lifts the block of SSE-C with which a new bucket starts since
// April 2026. A server that does not know the setting has no such block, so its
// refusal is no error.
//
// Source: Amazon S3 User Guide, "Blocking or unblocking SSE-C for a general
// purpose bucket", read 2026-11-21.
func (s *session) allowCustomerKeys(ctx context.Context) error {
	_, err := s.call(ctx, &request{method: http.MethodPut, path: s.root, query: "encryption=",
		body: newDocument(`<ServerSideEncryptionConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule>` +
			`<ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>` +
			`<BlockedEncryptionTypes><EncryptionType>NONE</EncryptionType></BlockedEncryptionTypes>` +
			`</Rule></ServerSideEncryptionConfiguration>`)})
	if f, ok := err.(*failure); ok && f.err == nil {
		return nil
	}
	return err
}
