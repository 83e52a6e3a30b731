// Package keyspec is the cryptography of KMS keys: which key specs there are,
// what each may be used for, how its key material is made, checked and stored,
// and what it computes.
//
// Key material is stored in one form for each key, so that equal keys have equal
// bytes:
//
//	SYMMETRIC_DEFAULT       32 random bytes
//	HMAC_*                  as many random bytes as the hash is long
//	RSA_*, ECC_*            PKCS #8 (RFC 5958), as OpenSSL writes it
//	ML_DSA_*, ML_KEM_*      PKCS #8 with the seed alone (RFC 9881, RFC 9935)
//
// An opened [Key] computes everything but what a SYMMETRIC_DEFAULT key does:
// its ciphertext blobs are package keyblob's.
//
// Randomness comes from [crypto/rand], because the primitives of the standard
// library take no other.
//
// # FIPS 140-3
//
// Under GODEBUG=fips140=only the package refuses with [ErrForbidden] what no
// approved module computes: all of ECC_SECG_P256K1, and RSAES_OAEP_SHA_1. The
// code of ML-DSA and of ML-KEM-512 is not part of Go's validated module (that of
// ML-KEM-768 and ML-KEM-1024 is, from version 1.0.0 on), so these are refused too.
package keyspec
