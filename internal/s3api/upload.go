package s3api

import (
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"coffer/internal/awserr"
	"coffer/internal/checksum"
	"coffer/internal/s3"
)

// MaxUpload is the largest body of one PutObject, UploadPart or PostObject.
//
// Source: Amazon S3 User Guide, "Uploading objects" (5 GB in a single operation),
// read 2026-11-21.
const MaxUpload = 5 << 30

// upload reads the headers that describe the body. The body itself is not
// touched: it is read, and a waiting client told to send it, once the service
// has decided.
func (c *call) upload() (s3.Upload, error) {
	u := s3.Upload{ContentMD5: c.get("Content-MD5")}
	if c.payload == nil || c.payload.Length() < 0 {
		return u, awserr.New(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
	}
	u.Length = c.payload.Length()
	if u.Length > MaxUpload {
		return u, tooLarge(u.Length, MaxUpload)
	}
	if err := checkContentMD5(c.header); err != nil {
		return u, err
	}
	var err error
	if u.Algorithm, u.Checksum, u.Trailer, err = c.checksum(); err != nil {
		return u, err
	}
	u.Body = &body{r: c.payload, left: u.Length}
	return u, nil
}

func tooLarge(size, max int64) error {
	return awserr.New(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size").
		With("ProposedSize", itoa(size)).With("MaxSizeAllowed", itoa(max))
}

// checkContentMD5 refuses a Content-MD5 that is no MD5, an empty one included.
func checkContentMD5(h http.Header) error {
	values := h.Values("Content-MD5")
	if len(values) == 0 {
		return nil
	}
	if b, err := base64.StdEncoding.DecodeString(values[0]); err != nil || len(b) != 16 || len(values) > 1 {
		return awserr.New(400, "InvalidDigest", "The Content-MD5 you specified was invalid.").With("Content-MD5", values[0])
	}
	return nil
}

// checksum reads the one checksum that a request carries: in a header, in a
// trailer that it announces, or only named.
func (c *call) checksum() (a checksum.Algorithm, value string, trailer func() map[string]string, err error) {
	for name, values := range c.header {
		name = strings.ToLower(name)
		if !isChecksumHeader(name) {
			continue
		}
		if a != "" {
			return "", "", nil, errManyChecksums()
		}
		if a, err = checksum.ParseHeader(name); err != nil {
			return "", "", nil, errChecksumAlgorithm()
		}
		value = values[0]
		if _, err := a.Decode(value); err != nil {
			return "", "", nil, invalidRequest("Value for %s header is invalid.", name)
		}
	}
	if announced := c.get("x-amz-trailer"); announced != "" {
		if a != "" {
			return "", "", nil, errManyChecksums()
		}
		a, err = checksum.ParseHeader(strings.TrimSpace(announced))
		if err != nil || !strings.HasSuffix(c.r.Header.Get("x-amz-content-sha256"), "-TRAILER") {
			return "", "", nil, invalidRequest("The value specified in the x-amz-trailer header is not supported")
		}
		trailer = c.payload.Trailer
	}
	named := c.get("x-amz-sdk-checksum-algorithm")
	if named == "" {
		return a, value, trailer, nil
	}
	n, err := checksum.Parse(named)
	if err != nil {
		return "", "", nil, errChecksumAlgorithm()
	}
	switch {
	case a == "" && c.r.Header.Get("x-amz-sdk-checksum-algorithm") != "":
		return "", "", nil, invalidRequest("x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	case a == "":
		// A presigned URL names what the SDK would have computed.
		a = n
	case a != n:
		return "", "", nil, invalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.")
	}
	return a, value, trailer, nil
}

func errManyChecksums() error {
	return invalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
}

func errChecksumAlgorithm() error {
	return invalidRequest("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
}

// algorithmHeader reads x-amz-checksum-algorithm, of CopyObject and
// CreateMultipartUpload.
func (c *call) algorithmHeader() (checksum.Algorithm, error) {
	name := c.get("x-amz-checksum-algorithm")
	if name == "" {
		return "", nil
	}
	a, err := checksum.Parse(name)
	if err != nil {
		return "", errChecksumAlgorithm()
	}
	return a, nil
}

// A body yields exactly the announced number of bytes, or an *awserr.Error.
type body struct {
	r    io.Reader
	left int64
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.left -= int64(n)
	if b.left < 0 || err == io.EOF && b.left > 0 {
		return n, incompleteBody(nil)
	}
	if err != nil && err != io.EOF {
		err = readError(err)
	}
	return n, err
}

// readError says why a body could not be read, if the reader did not.
func readError(err error) error {
	var timeout net.Error
	switch {
	case awserr.As(err) != nil:
		return err
	case errors.As(err, &timeout) && timeout.Timeout():
		return awserr.New(400, "RequestTimeout", "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.").Because(err)
	}
	return incompleteBody(err)
}

func incompleteBody(cause error) error {
	return awserr.New(400, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header").Because(cause)
}

// attributes reads the headers that an object keeps.
func (c *call) attributes() (s3.Attributes, error) {
	meta, err := c.metadata()
	return s3.Attributes{
		ContentType:             c.get("Content-Type"),
		CacheControl:            c.get("Cache-Control"),
		ContentDisposition:      c.get("Content-Disposition"),
		ContentEncoding:         withoutChunked(c.header.Values("Content-Encoding")),
		ContentLanguage:         c.get("Content-Language"),
		Expires:                 c.get("Expires"),
		WebsiteRedirectLocation: c.get("x-amz-website-redirect-location"),
		StorageClass:            c.get("x-amz-storage-class"),
		Metadata:                meta,
	}, err
}

// withoutChunked drops aws-chunked from a list of codings: it is of the
// connection, and an object that kept it could not be read.
func withoutChunked(values []string) string {
	var keep []string
	for _, coding := range strings.Split(strings.Join(values, ","), ",") {
		if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "aws-chunked") {
			keep = append(keep, coding)
		}
	}
	return strings.Join(keep, ",")
}

func (c *call) encryption() s3.Encryption {
	return s3.Encryption{
		Algorithm:        c.get("x-amz-server-side-encryption"),
		KMSKeyID:         c.get("x-amz-server-side-encryption-aws-kms-key-id"),
		Context:          c.get("x-amz-server-side-encryption-context"),
		BucketKeyEnabled: c.get("x-amz-server-side-encryption-bucket-key-enabled"),
	}
}

func (c *call) customerKey() s3.CustomerKey {
	return c.customerKeyOf("x-amz-server-side-encryption-customer-")
}

func (c *call) copyCustomerKey() s3.CustomerKey {
	return c.customerKeyOf("x-amz-copy-source-server-side-encryption-customer-")
}

func (c *call) customerKeyOf(prefix string) s3.CustomerKey {
	return s3.CustomerKey{
		Algorithm: c.get(prefix + "algorithm"),
		Key:       s3.Secret(c.get(prefix + "key")),
		KeyMD5:    c.get(prefix + "key-md5"),
	}
}

// conditions reads the conditional headers with a prefix. A date that is none is
// no condition.
//
// Source: RFC 9110, sections 13.1.3 and 13.1.4.
func (c *call) conditions(prefix string) s3.Conditions {
	return s3.Conditions{
		IfMatch:           joined(c.header, prefix+"If-Match"),
		IfNoneMatch:       joined(c.header, prefix+"If-None-Match"),
		IfModifiedSince:   httpTime(c.get(prefix + "If-Modified-Since")),
		IfUnmodifiedSince: httpTime(c.get(prefix + "If-Unmodified-Since")),
	}
}

func httpTime(s string) time.Time {
	t, err := http.ParseTime(s)
	if err != nil {
		return time.Time{}
	}
	return t
}

func (c *call) acl() s3.ACL {
	a := s3.ACL{Canned: c.get("x-amz-acl")}
	for name := range c.header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-grant-") {
			if a.Grants == nil {
				a.Grants = map[string]string{}
			}
			a.Grants[lower] = joined(c.header, name)
		}
	}
	return a
}

// lock reads the headers that ask for a lock on the object.
func (c *call) lock() s3.ObjectLock {
	return s3.ObjectLock{Mode: c.get("x-amz-object-lock-mode"), RetainUntil: c.get("x-amz-object-lock-retain-until-date"),
		LegalHold: c.get("x-amz-object-lock-legal-hold")}
}

func (c *call) expectedOwner() string { return c.get("x-amz-expected-bucket-owner") }
