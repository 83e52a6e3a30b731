// Package sigv4 implements AWS Signature Version 4, for both sides of a request,
// and the aws-chunked framing of streamed uploads.
//
// A signature is an HMAC-SHA-256 over the string to sign
//
//	string to sign = "AWS4-HMAC-SHA256" LF date LF scope LF hex(SHA-256(canonical request))
//	scope          = yyyymmdd "/" region "/" service "/aws4_request"
//	canonical      = method LF path LF query LF (name ":" value LF)* LF names LF payload hash
//
// under a key that is derived from the secret and the scope. Amazon S3 takes the
// path as it stands, percent-encoded once; every other service removes dot
// segments and empty segments and encodes a second time.
//
// An aws-chunked body is a sequence of chunks and, in the -TRAILER modes, header
// lines after the last one. In the signed modes each chunk carries a signature
// that covers its data and the signature before it, beginning with that of the
// request:
//
//	body    = chunk* last [trailer]
//	chunk   = hex size [";chunk-signature=" hex] CRLF data CRLF
//	last    = "0" [";chunk-signature=" hex] CRLF
//	trailer = (name ":" value CRLF)* ["x-amz-trailer-signature:" hex CRLF] CRLF
//
// Nothing here reads a clock: what is expired or not yet valid is for the caller
// to say.
//
// Sources: Amazon S3 API Reference, "Authenticating Requests (AWS Signature
// Version 4)" with "Signature Calculations for the Authorization Header:
// Transferring Payload in Multiple Chunks" and "Signature calculations for
// trailing headers"; AWS IAM User Guide, "Create a signed AWS API request"; all
// read 2026-11-21. Their examples are in testdata/vectors.
package sigv4
