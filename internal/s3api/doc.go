// Package s3api is the wire protocol of Amazon S3: it turns an HTTP request
// into one call of an [s3.API] and the outcome into an HTTP response. It holds
// no rule about buckets, objects or permissions.
//
// A request goes through these steps, and a failure in any of them is recorded
// by the API before it is answered:
//
//	address       host and raw path name a bucket and a key
//	authenticate  who sends it; the body is not read yet
//	route         method, sub-resource and copy source name an operation
//	refuse        headers and parameters that are not understood
//	decode        into the operation's input
//	call          the API authorizes, reads the body if it wants to, acts
//	encode
//
// What is not understood is refused and never ignored: a server that drops an
// encryption header, or a sub-resource, does something else than it was asked
// to and says that all is well.
//
// Source: Amazon S3 API Reference, read 2026-11-21.
package s3api
