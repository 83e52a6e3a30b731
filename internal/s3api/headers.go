package s3api

import (
	"net/http"
	"strings"

	"coffer/internal/checksum"
)

// headerKind says what becomes of a header.
type headerKind int

const (
	isUnknown headerKind = iota
	isKnown
	isSSE
	isSSEC
	isCopySSEC
	isCopy    // belongs to a copy
	isList    // may come more than once
	isAccount // names the account of S3 Control
)

// amzHeaders holds the x-amz- headers that some operation understands, or that
// change nothing: who asks to pay for a request, or which proxy it came through.
//
// Source: Amazon S3 API Reference, "Common Request Headers" and the request
// syntax of every operation, read 2026-11-21.
var amzHeaders = map[string]headerKind{
	"x-amz-account-id":                        isAccount,
	"x-amz-acl":                               isKnown,
	"x-amz-api-version":                       isKnown,
	"x-amz-bucket-namespace":                  isKnown,
	"x-amz-bucket-object-lock-enabled":        isKnown,
	"x-amz-bypass-governance-retention":       isKnown,
	"x-amz-cf-id":                             isKnown,
	"x-amz-checksum-algorithm":                isKnown,
	"x-amz-checksum-mode":                     isKnown,
	"x-amz-checksum-type":                     isKnown,
	"x-amz-confirm-remove-self-bucket-access": isKnown,
	"x-amz-content-sha256":                    isKnown,
	"x-amz-date":                              isKnown,
	"x-amz-decoded-content-length":            isKnown,
	"x-amz-expected-bucket-owner":             isKnown,
	"x-amz-grant-full-control":                isList,
	"x-amz-grant-read":                        isList,
	"x-amz-grant-read-acp":                    isList,
	"x-amz-grant-write":                       isList,
	"x-amz-grant-write-acp":                   isList,
	"x-amz-if-match-last-modified-time":       isKnown,
	"x-amz-if-match-size":                     isKnown,
	"x-amz-max-parts":                         isKnown,
	"x-amz-metadata-directive":                isKnown,
	"x-amz-mfa":                               isKnown,
	"x-amz-mp-object-size":                    isKnown,
	"x-amz-object-attributes":                 isList,
	"x-amz-object-lock-legal-hold":            isKnown,
	"x-amz-object-lock-mode":                  isKnown,
	"x-amz-object-lock-retain-until-date":     isKnown,
	"x-amz-object-ownership":                  isKnown,
	"x-amz-optional-object-attributes":        isList,
	"x-amz-part-number-marker":                isKnown,
	"x-amz-region-set":                        isKnown,
	"x-amz-request-payer":                     isKnown,
	"x-amz-sdk-checksum-algorithm":            isKnown,
	"x-amz-security-token":                    isKnown,
	"x-amz-source-expected-bucket-owner":      isCopy,
	"x-amz-storage-class":                     isKnown,
	"x-amz-tagging":                           isKnown,
	"x-amz-tagging-directive":                 isKnown,
	"x-amz-te":                                isKnown,
	"x-amz-trailer":                           isKnown,
	"x-amz-user-agent":                        isKnown,
	"x-amz-website-redirect-location":         isKnown,
	"x-amz-write-offset-bytes":                isKnown,

	"x-amz-server-side-encryption":                    isSSE,
	"x-amz-server-side-encryption-aws-kms-key-id":     isSSE,
	"x-amz-server-side-encryption-context":            isSSE,
	"x-amz-server-side-encryption-bucket-key-enabled": isSSE,

	"x-amz-server-side-encryption-customer-algorithm": isSSEC,
	"x-amz-server-side-encryption-customer-key":       isSSEC,
	"x-amz-server-side-encryption-customer-key-md5":   isSSEC,

	"x-amz-copy-source-server-side-encryption-customer-algorithm": isCopySSEC,
	"x-amz-copy-source-server-side-encryption-customer-key":       isCopySSEC,
	"x-amz-copy-source-server-side-encryption-customer-key-md5":   isCopySSEC,

	"x-amz-copy-source":                     isCopy,
	"x-amz-copy-source-if-match":            isCopy,
	"x-amz-copy-source-if-none-match":       isCopy,
	"x-amz-copy-source-if-modified-since":   isCopy,
	"x-amz-copy-source-if-unmodified-since": isCopy,
	"x-amz-copy-source-range":               isCopy,
}

const metaPrefix = "x-amz-meta-"

// checkHeaders refuses the headers that the operation does not understand:
// encryption headers that are unknown or have no meaning here, headers of a copy
// on what is none, headers of other servers' internals, and every other x-amz-
// header that no operation knows. Most headers may come only once, so that no
// two readers of a request take two values from it.
func (c *call) checkHeaders(route *Route) error {
	for name, values := range c.header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-minio-") || strings.HasPrefix(lower, "x-amz-internal") {
			return invalidArgument(lower, "", "The header %s is not accepted from clients", lower)
		}
		if !strings.HasPrefix(lower, "x-amz-") || strings.HasPrefix(lower, metaPrefix) {
			continue
		}
		kind := amzHeaders[lower]
		if kind == isUnknown && isChecksumHeader(lower) {
			kind = isKnown
		}
		if len(values) > 1 && kind != isList {
			return invalidArgument(lower, "", "The header %s must be given once", lower)
		}
		var takes bool
		switch kind {
		case isUnknown:
			if strings.Contains(lower, "server-side-encryption") {
				return invalidArgument(lower, "", "The encryption header %s is not known", lower)
			}
			return notImplemented(lower)
		case isSSE:
			takes = route.headers&takesSSE != 0
		case isSSEC:
			takes = route.headers&takesSSEC != 0
		case isCopySSEC:
			takes = route.headers&takesCopySSE != 0
		case isCopy:
			takes = route.Copy
		case isAccount:
			takes = route.On == Account
		default:
			takes = true
		}
		if !takes {
			return invalidArgument(lower, "", "%s header is not supported for this operation.", lower)
		}
	}
	return nil
}

// isChecksumHeader reports whether a header carries a checksum, of an algorithm
// that is supported or not: [call.upload] tells them apart.
func isChecksumHeader(lower string) bool {
	_, err := checksum.ParseHeader(lower)
	return strings.HasPrefix(lower, checksumPrefix) && err != checksum.ErrUnknown
}

const checksumPrefix = "x-amz-checksum-"

// get returns the only value of a header.
func (c *call) get(name string) string { return c.header.Get(name) }

// joined returns the values of a header that is a list.
func joined(h http.Header, name string) string { return strings.Join(h.Values(name), ",") }
