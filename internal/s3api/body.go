package s3api

import (
	"crypto/subtle"
	"encoding/base64"
	"io"
	"strings"

	"coffer/internal/awserr"
	"coffer/internal/checksum"
	"coffer/internal/restxml"
)

// Limits of the documents that are sent, in bytes.
const (
	// maxDocument is for every document without a limit of its own.
	maxDocument = 1 << 20
	// maxDelete holds 1,000 entries with the longest keys, unescaped.
	maxDelete = 2 << 20
	// maxComplete holds 10,000 parts with a SHA-512 checksum each, indented.
	maxComplete = 4 << 20
)

// readDocument reads the body whole, up to max bytes, and checks it against the
// digests that came with it. With mustDigest one is required.
func (c *call) readDocument(max int64, mustDigest bool) ([]byte, error) {
	if err := checkContentMD5(c.header); err != nil {
		return nil, err
	}
	algorithm, value, trailer, err := c.checksum()
	if err != nil {
		return nil, err
	}
	md5 := c.get("Content-MD5")
	if mustDigest && md5 == "" && algorithm == "" {
		return nil, invalidRequest("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
	}
	if c.payload == nil {
		return nil, nil
	}
	if c.payload.Length() > max {
		return nil, tooLong(max)
	}
	b, err := io.ReadAll(io.LimitReader(c.payload, max+1))
	if err != nil {
		return nil, readError(err)
	}
	if int64(len(b)) > max {
		return nil, tooLong(max)
	}
	if md5 != "" {
		sum := base64.StdEncoding.EncodeToString(checksum.MD5.Sum(b))
		if subtle.ConstantTimeCompare([]byte(sum), []byte(md5)) != 1 {
			return nil, awserr.New(400, "BadDigest", "The Content-MD5 you specified did not match what we received.").
				With("ExpectedDigest", md5).With("CalculatedDigest", sum)
		}
	}
	if trailer != nil {
		value = trailer()[algorithm.Header()]
	} else if value == "" {
		return b, nil
	}
	if algorithm.Encode(algorithm.Sum(b)) != value {
		return nil, awserr.New(400, "BadDigest", "The %s you specified did not match the calculated checksum.", strings.ToUpper(string(algorithm)))
	}
	return b, nil
}

func tooLong(max int64) error {
	return awserr.New(400, "MaxMessageLengthExceeded", "Your request was too big.").With("MaxMessageLengthBytes", itoa(max))
}

// checksums returns what a document lists of an object's checksums, in S3's
// order.
func documentChecksums(values map[checksum.Algorithm]string) []restxml.Checksum {
	if len(values) == 0 {
		return nil
	}
	out := make([]restxml.Checksum, 0, len(values))
	for _, a := range checksum.Algorithms() {
		if v := values[a]; v != "" {
			out = append(out, restxml.Checksum{Algorithm: string(a), Value: v})
		}
	}
	return out
}
