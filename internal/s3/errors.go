package s3

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"coffer/internal/authz"
	"coffer/internal/awserr"
	"coffer/internal/blob"
	"coffer/internal/checksum"
	"coffer/internal/meta"
	"coffer/internal/object"
	"coffer/internal/sealed"
)

// Errors without a domain error behind them. The texts are AWS's.
//
// Source: Amazon S3 API Reference, "Error responses", and recorded answers, read
// 2026-11-21.
var (
	errAccessDenied   = awserr.New(403, "AccessDenied", "Access Denied")
	errInternal       = awserr.New(500, "InternalError", "We encountered an internal error. Please try again.")
	errUnavailable    = awserr.New(503, "ServiceUnavailable", "The storage can't be written now: it is full, read-only or failing. Nothing of this request was kept.")
	errNotImplemented = awserr.New(501, "NotImplemented", "A header you provided implies functionality that is not implemented.")
	errMalformedXML   = awserr.New(400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	errNotModified    = awserr.New(304, "NotModified", "Not Modified")
	errPrecondition   = awserr.New(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
)

func invalidArgument(name, value, format string, args ...any) *awserr.Error {
	e := awserr.New(400, "InvalidArgument", format, args...)
	if name != "" {
		e = e.With("ArgumentName", name).With("ArgumentValue", value)
	}
	return e
}

func invalidRequest(format string, args ...any) *awserr.Error {
	return awserr.New(400, "InvalidRequest", format, args...)
}

// answers says what a client sees of each domain error. An error that is not
// here is InternalError to the client and goes whole to the log.
var answers = []struct {
	err    error
	answer *awserr.Error
}{
	{object.ErrNoSuchBucket, awserr.New(404, "NoSuchBucket", "The specified bucket does not exist")},
	{object.ErrBucketExists, awserr.New(409, "BucketAlreadyExists", "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.")},
	{object.ErrBucketOwned, awserr.New(409, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.")},
	{object.ErrBucketNotEmpty, awserr.New(409, "BucketNotEmpty", "The bucket you tried to delete is not empty")},
	{object.ErrTooManyBuckets, awserr.New(400, "TooManyBuckets", "You have attempted to create more buckets than allowed")},
	{object.ErrNoPolicy, awserr.New(404, "NoSuchBucketPolicy", "The bucket policy does not exist")},
	{object.ErrNoSuchKey, awserr.New(404, "NoSuchKey", "The specified key does not exist.")},
	{object.ErrNoSuchVersion, awserr.New(404, "NoSuchVersion", "The specified version does not exist.")},
	{object.ErrInvalidVersionID, awserr.New(400, "InvalidArgument", "Invalid version id specified")},
	{object.ErrIsMarker, awserr.New(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")},
	{object.ErrNoSuchUpload, awserr.New(404, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.")},
	{object.ErrPrecondition, errPrecondition},
	{object.ErrConflict, awserr.New(409, "ConditionalRequestConflict", "The conditional request cannot succeed due to a conflicting operation against this resource.")},
	{object.ErrRetired, awserr.New(503, "ServiceUnavailable", "The version of the KMS key is being destroyed. Please try again.")},
	{object.ErrChanged, awserr.New(409, "OperationAborted", "A conflicting conditional operation is currently in progress against this resource. Please try again.")},
	{object.ErrInvalidPart, awserr.New(400, "InvalidPart", "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.")},
	{object.ErrPartOrder, awserr.New(400, "InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.")},
	{object.ErrPartTooSmall, awserr.New(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")},
	{object.ErrNoParts, errMalformedXML},
	{object.ErrTooLarge, awserr.New(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")},
	{object.ErrTooSmall, awserr.New(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")},
	{object.ErrIncomplete, awserr.New(400, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header")},
	{object.ErrBadDigest, awserr.New(400, "BadDigest", "The Content-MD5 you specified did not match what we received.")},
	{object.ErrInvalidChecksum, awserr.New(400, "InvalidRequest", "Value for the checksum header or trailer is invalid.")},
	{object.ErrSizeMismatch, awserr.New(400, "InvalidRequest", "The provided 'x-amz-mp-object-size' header value does not match what was computed.")},
	{object.ErrNotSealedThisWay, awserr.New(400, "InvalidRequest", "The encryption type of the object can't be changed in this way.")},
	{object.ErrChecksumMismatch, awserr.New(400, "InvalidRequest", "Checksum Type mismatch occurred: the checksum algorithm differs from the one that the multipart upload was created with.")},
	{object.ErrWrongCustomerKey, awserr.New(403, "AccessDenied", "Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key.")},
	{meta.ErrUnavailable, errUnavailable},
	{blob.ErrUnavailable, errUnavailable},
	{authz.ErrUnrecorded, errUnavailable},
	{sealed.ErrDamaged, errInternal},
	{sealed.ErrWrongKey, errInternal},
	{sealed.ErrFormat, errInternal},
	{meta.ErrCorrupt, errInternal},
	{blob.ErrCorrupt, errInternal},
	{context.Canceled, awserr.New(400, "RequestTimeout", "Your socket connection to the server was not read from or written to within the timeout period.")},
	{context.DeadlineExceeded, awserr.New(400, "RequestTimeout", "Your socket connection to the server was not read from or written to within the timeout period.")},
}

// translate turns any error into what the client sees.
func (r *request) translate(err error) error {
	if e := awserr.As(err); e != nil {
		return e
	}
	var denied *authz.Denied
	if errors.As(err, &denied) {
		if denied.Anonymous || denied.Foreign {
			return denied.Mark(errAccessDenied).Because(err)
		}
		return denied.Mark(awserr.New(403, "AccessDenied", "%s", denied.Error()))
	}
	var digest *object.DigestError
	if errors.As(err, &digest) {
		return digestError(digest)
	}
	for _, a := range answers {
		if errors.Is(err, a.err) {
			e := r.detail(a.answer, err)
			return e.Because(err)
		}
	}
	return errInternal.Because(err)
}

// detail adds the elements that S3 puts beside some codes.
func (r *request) detail(e *awserr.Error, err error) *awserr.Error {
	switch e.Code {
	case "NoSuchBucket", "NoSuchBucketPolicy", "BucketNotEmpty", "BucketAlreadyExists", "BucketAlreadyOwnedByYou":
		return e.With("BucketName", r.bucketName)
	case "NoSuchKey", "NoSuchVersion":
		return e.With("Key", r.key)
	}
	var small *object.SmallPartError
	if errors.As(err, &small) {
		return e.With("ProposedSize", fmt.Sprint(small.Size)).With("MinSizeAllowed", fmt.Sprint(object.MinPartSize)).
			With("PartNumber", fmt.Sprint(small.Number)).With("ETag", small.ETag)
	}
	return e
}

func digestError(d *object.DigestError) *awserr.Error {
	if d.Algorithm != checksum.MD5 {
		return awserr.New(400, "BadDigest", "The %s you specified did not match the calculated checksum.", d.Algorithm)
	}
	return awserr.New(400, "BadDigest", "The Content-MD5 you specified did not match what we received.").
		With("ExpectedDigest", base64.StdEncoding.EncodeToString(d.Expected)).
		With("CalculatedDigest", base64.StdEncoding.EncodeToString(d.Calculated))
}

// kmsError words what KMS answered as S3 does: the code gets the prefix KMS, a denial
// is S3's own, and a throttled call is one that clients send again.
//
// Source: recorded answers of Amazon S3, February 2026; AWS DataSync User Guide,
// "Accessing S3 buckets using server-side encryption", read 2026-11-21.
func kmsError(err error) error {
	e := awserr.As(err)
	if e == nil {
		return fmt.Errorf("ask KMS: %w", err)
	}
	switch {
	case e.Code == "AccessDeniedException":
		return awserr.New(403, "AccessDenied", "%s", e.Message).Because(err)
	case e.Code == "ThrottlingException":
		return awserr.New(503, "SlowDown", "Please reduce your request rate for operations involving AWS KMS.").Because(err)
	case e.Status >= 500:
		return awserr.New(503, "ServiceUnavailable", "KMS can't answer now. Please try again.").Because(err)
	case strings.HasPrefix(e.Code, "KMS."):
		return e
	}
	return awserr.New(400, "KMS."+e.Code, "%s", e.Message).Because(err)
}
