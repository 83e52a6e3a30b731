// Package xks is the interface between AWS KMS and an external key store proxy: its
// messages, limits and errors, what the cipher authenticates, and the signature of a
// request. Both sides use it: the proxy, and the KMS that calls one.
//
// Every request is a POST of one JSON object over HTTPS, signed with SigV4 for the
// service kms-xks-proxy:
//
//	{prefix}/kms/xks/v1/health                  GetHealthStatus
//	{prefix}/kms/xks/v1/keys/{key ID}/metadata  GetKeyMetadata
//	{prefix}/kms/xks/v1/keys/{key ID}/encrypt   Encrypt
//	{prefix}/kms/xks/v1/keys/{key ID}/decrypt   Decrypt
//
// Encryption is AES-256-GCM. Its additional data holds the lengths of its two parts,
// so that neither can be taken for the other:
//
//	u16 length | additionalAuthenticatedData | u8 length | ciphertextMetadata
//
// Names are exact, no member may stand twice, and a member that the specification
// does not have is refused, except in requestMetadata, where AWS says that more will
// come.
//
// Source: AWS KMS External Key Store Proxy API Specification, version 1.0.3
// (github.com/aws/aws-kms-xksproxy-api-spec), read 2026-11-22. Its example in Appendix C
// is a vector in testdata/vectors.
package xks
