// Package checksum implements the checksums of Amazon S3: the algorithms, their
// names in headers and documents, their values in base64, and how the values of
// the parts of a multipart upload become the value of the object.
//
// A composite value is the checksum of the parts' checksums, written as
// base64-N for N parts. A full-object value is the checksum of the bytes; for
// the CRCs it is computed from the parts' values alone, see [Algorithm.Combine].
//
// MD5 and SHA-1 are used here and nowhere else: as checksums that S3's API
// prescribes, never as security functions.
//
// Source: Amazon S3 User Guide, "Checking object integrity in Amazon S3", and
// Amazon S3 API Reference, PutObject and CreateMultipartUpload, read 2026-11-21.
package checksum

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
)

// An Algorithm is a checksum algorithm, named as x-amz-checksum-algorithm and
// x-amz-sdk-checksum-algorithm spell it. [Parse] makes one from outside text;
// the methods panic on values that it did not return.
type Algorithm string

// The algorithms that S3 names and this package computes.
const (
	CRC32     Algorithm = "CRC32"
	CRC32C    Algorithm = "CRC32C"
	CRC64NVME Algorithm = "CRC64NVME" // S3's default when the client names none
	SHA1      Algorithm = "SHA1"
	SHA256    Algorithm = "SHA256"
	SHA512    Algorithm = "SHA512"
	MD5       Algorithm = "MD5" // also the ETag and Content-MD5
)

var (
	// ErrUnknown means that S3 has no algorithm of that name.
	ErrUnknown = errors.New("checksum: unknown algorithm")
	// ErrUnsupported means that S3 has the algorithm and Coffer does not. The
	// wrapped text names it.
	ErrUnsupported = errors.New("checksum: algorithm is not supported")
	// ErrInvalid means that a value is not the base64 form of a checksum of
	// the algorithm.
	ErrInvalid = errors.New("checksum: invalid value")
)

// unsupported are the algorithms of S3 that no package among the dependencies
// computes.
var unsupported = []string{"XXHASH64", "XXHASH3", "XXHASH128"}

// algorithms are all supported ones, in the order of [Algorithms].
var algorithms = []Algorithm{CRC32, CRC32C, CRC64NVME, SHA1, SHA256, SHA512, MD5}

// Algorithms returns the supported algorithms.
func Algorithms() []Algorithm { return slices.Clone(algorithms) }

// Parse returns the algorithm of that name, in upper or lower case. It returns
// [ErrUnsupported] for a name that S3 knows and this package does not compute,
// and [ErrUnknown] for any other.
func Parse(name string) (Algorithm, error) {
	upper := strings.ToUpper(name)
	if i := slices.Index(algorithms, Algorithm(upper)); i >= 0 {
		return algorithms[i], nil
	}
	if slices.Contains(unsupported, upper) {
		return "", fmt.Errorf("%w: %s", ErrUnsupported, upper)
	}
	return "", ErrUnknown
}

const headerPrefix = "x-amz-checksum-"

// ParseHeader returns the algorithm whose value a header or a trailer of that
// name carries; the case does not matter. Its errors are those of [Parse], so
// x-amz-checksum-type, -mode and -algorithm, which carry no value, answer
// [ErrUnknown].
func ParseHeader(header string) (Algorithm, error) {
	if len(header) < len(headerPrefix) || !strings.EqualFold(header[:len(headerPrefix)], headerPrefix) {
		return "", ErrUnknown
	}
	return Parse(header[len(headerPrefix):])
}

// Header returns the name of the header and the trailer that carry a value,
// in lower case: "x-amz-checksum-crc32c".
func (a Algorithm) Header() string { return headerPrefix + strings.ToLower(string(a)) }

// Size returns the length of a value in bytes, before base64.
func (a Algorithm) Size() int {
	switch a {
	case CRC32, CRC32C:
		return 4
	case CRC64NVME:
		return 8
	case MD5:
		return 16
	case SHA1:
		return 20
	case SHA256:
		return sha256.Size
	case SHA512:
		return sha512.Size
	}
	panic("checksum: internal error: no such algorithm: " + string(a))
}

// New returns a hash that computes a. Its Sum is big-endian, as S3 encodes it,
// and it works in every FIPS 140 mode.
func (a Algorithm) New() hash.Hash {
	switch a {
	case CRC32:
		return crc32.NewIEEE()
	case CRC32C:
		return crc32.New(castagnoli)
	case CRC64NVME:
		return new(crc64NVME)
	case MD5:
		return newMD5()
	case SHA1:
		return newSHA1()
	case SHA256:
		return sha256.New()
	case SHA512:
		return sha512.New()
	}
	panic("checksum: internal error: no such algorithm: " + string(a))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Sum returns the checksum of p.
func (a Algorithm) Sum(p []byte) []byte {
	h := a.New()
	h.Write(p)
	return h.Sum(nil)
}

// Encode returns the base64 form of a value, as headers and documents carry it.
func (a Algorithm) Encode(sum []byte) string { return base64.StdEncoding.EncodeToString(sum) }

// Decode returns the value whose base64 form is s, or [ErrInvalid].
func (a Algorithm) Decode(s string) ([]byte, error) {
	// The length is checked first: DecodeString would allocate for any input,
	// and it skips line breaks, which are not part of a value.
	if len(s) != base64.StdEncoding.EncodedLen(a.Size()) {
		return nil, fmt.Errorf("%w of %s: length", ErrInvalid, a)
	}
	sum, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(sum) != a.Size() {
		return nil, fmt.Errorf("%w of %s: base64", ErrInvalid, a)
	}
	return sum, nil
}

// Composite returns the checksum of the parts' checksums, which are in the
// order of the parts. Its MD5, in hexadecimal, is also what the ETag of a
// multipart object starts with.
func (a Algorithm) Composite(parts [][]byte) []byte {
	h := a.New()
	for _, sum := range parts {
		h.Write(sum)
	}
	return h.Sum(nil)
}

// MaxParts is the most parts that a multipart upload has.
//
// Source: Amazon S3 User Guide, "Amazon S3 multipart upload limits", read
// 2026-11-21.
const MaxParts = 10_000

// EncodeComposite returns the form base64-N of a composite value of n parts.
func (a Algorithm) EncodeComposite(sum []byte, n int) string {
	return a.Encode(sum) + "-" + strconv.Itoa(n)
}

// DecodeComposite splits the form base64-N. It returns [ErrInvalid] unless N is
// a decimal number from 1 to [MaxParts] without leading zeros.
func (a Algorithm) DecodeComposite(s string) (sum []byte, n int, err error) {
	value, count, ok := strings.Cut(s, "-")
	if !ok {
		return nil, 0, fmt.Errorf("%w of %s: no part count", ErrInvalid, a)
	}
	n, err = strconv.Atoi(count)
	if err != nil || n < 1 || n > MaxParts || strconv.Itoa(n) != count {
		return nil, 0, fmt.Errorf("%w of %s: part count", ErrInvalid, a)
	}
	sum, err = a.Decode(value)
	if err != nil {
		return nil, 0, err
	}
	return sum, n, nil
}

// A Type says what the checksum of a multipart object covers, as
// x-amz-checksum-type spells it.
type Type string

// The types.
const (
	Composite  Type = "COMPOSITE"   // the checksums of the parts
	FullObject Type = "FULL_OBJECT" // the bytes of the object
)

// ParseType returns the type of that name, which is in upper case, or
// [ErrInvalid].
func ParseType(s string) (Type, error) {
	if t := Type(s); t == Composite || t == FullObject {
		return t, nil
	}
	return "", fmt.Errorf("%w: checksum type", ErrInvalid)
}

// MultipartType returns the type that a multipart upload gets when it names
// only the algorithm.
func (a Algorithm) MultipartType() Type {
	if a == CRC64NVME {
		return FullObject
	}
	return Composite
}

// AllowsMultipart reports whether a multipart upload may ask for a value of
// type t: CRC64NVME is of the full object only, CRC32 and CRC32C have both
// types, and the others, which can't be computed from the parts' values, are
// composite only. A single PutObject is always of the full object.
func (a Algorithm) AllowsMultipart(t Type) bool {
	switch a {
	case CRC64NVME:
		return t == FullObject
	case CRC32, CRC32C:
		return t == Composite || t == FullObject
	default:
		return t == Composite
	}
}
