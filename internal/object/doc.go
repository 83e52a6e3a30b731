// Package object holds the rules of buckets, objects, versions and uploads: what
// a write makes visible, what a listing shows, what a deletion removes.
//
// It seals every body before a store sees it, and never decides who may do what:
// the service above authorizes, obtains the secret that seals, and passes the
// record of the call to be written in the same transaction.
//
// Rows, all under the prefix "s3"; "·" joins, esc() escapes 0x00 as 0x00 0xff and
// ends with 0x00 0x01, so that keys of any bytes sort as themselves:
//
//	s3b · name                              bucket
//	s3a · account · 0x00 · name             a bucket's owner
//	s3o · bucket ID · key                   head: the key's current version is an object
//	s3m · bucket ID · key                   head: the key's current version is a delete marker
//	s3v · bucket ID · esc(key) · ^seq       version, the newest first
//	s3c · content ID                        sealed body of a small object or part
//	s3t · content ID · chunk                part table of a multipart object
//	s3u · bucket ID · esc(key) · upload ID  upload
//	s3p · upload ID · part number           part of an upload
//	s3i · blob ID                           intent: a blob that no row names yet
//	s3g · content ID                        content to be removed
//	s3w · until · bucket ID · esc(key) · seq  replaced wraps to be forgotten then
//	s3d · esc(key ARN) · esc(part) · ...    what is, or was, under a KMS key or a part of it
//	s3e                                     that s3d is complete
//	s3f · esc(key ARN)                      materials of a KMS key that nothing may come under
//	s3x · bucket ID                         deleted bucket whose uploads are to be removed
//	s3y · bucket ID                         policy of a bucket
//	s3k · account                           Block Public Access of an account
//
// Source of the rules: Amazon S3 User Guide and API Reference. The rows are
// normative in docs/spec/data-directory.md.
package object
