package sealed

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

const (
	// SegmentSize is the number of plaintext bytes in every segment but the
	// last: 64 KiB. Larger ones make small ranges dearer, smaller ones cost
	// space (28 bytes each) and speed.
	SegmentSize = 64 << 10
	// Overhead is what each layer adds to a segment in bytes: nonce and tag.
	Overhead = 12 + 16
	// MaxLength is the largest plaintext of one body: 2^32 segments, 256 TiB.
	// Random nonces allow no more under one key.
	//
	// Source: NIST SP 800-38D, section 8.3.
	MaxLength = int64(SegmentSize) << 32
	// MaxHeaderSize is the size in bytes of the longest header, that of [Double].
	MaxHeaderSize = headerPrefix + 32 + 2*KeySize

	magic        = "coffer"
	headerPrefix = len(magic) + 2 // and version and suite
)

// A Suite says how often a body is encrypted.
type Suite uint8

// The suites. A suite has as many data keys as layers.
const (
	Single Suite = 1
	Double Suite = 2 // twice, under independent keys: DSSE-KMS
)

// String returns "single", "double" or "suite(n)".
func (s Suite) String() string {
	switch s {
	case Single:
		return "single"
	case Double:
		return "double"
	}
	return fmt.Sprintf("suite(%d)", uint8(s))
}

func (s Suite) known() bool          { return s == Single || s == Double }
func (s Suite) layers() int          { return int(s) }
func (s Suite) headerSize() int64    { return int64(headerPrefix + 32 + KeySize*s.layers()) }
func (s Suite) sealedSegment() int64 { return SegmentSize + Overhead*int64(s.layers()) }

// A Content describes one body, or, with an empty commitment, an object in
// parts. All of it is public. The caller keeps it where it can't be altered
// unnoticed; the wrap authenticates it.
type Content struct {
	ID         [32]byte // random, fresh whenever the data keys are
	Suite      Suite
	Commitment []byte // 32 bytes for each layer
	Length     int64  // of the plaintext, in bytes
}

// check returns ErrFormat unless c can describe a body, or, if inParts, an
// object in parts.
func (c *Content) check(inParts bool) error {
	switch {
	case !c.Suite.known():
		return fmt.Errorf("%w: %v", ErrFormat, c.Suite)
	case c.Length < 0 || !inParts && c.Length > MaxLength:
		return fmt.Errorf("%w: length %d", ErrFormat, c.Length)
	case inParts && len(c.Commitment) != 0,
		!inParts && len(c.Commitment) != KeySize*c.Suite.layers():
		return fmt.Errorf("%w: commitment of %d bytes", ErrFormat, len(c.Commitment))
	}
	return nil
}

// appendTo appends the canonical encoding of c.
func (c *Content) appendTo(b []byte) []byte {
	b = append(b, c.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Length))
	b = append(b, byte(c.Suite), byte(len(c.Commitment)))
	return append(b, c.Commitment...)
}

// header returns the header of the body.
func (c *Content) header() []byte {
	b := make([]byte, 0, MaxHeaderSize)
	b = append(b, magic...)
	b = append(b, Version, byte(c.Suite))
	b = append(b, c.ID[:]...)
	return append(b, c.Commitment...)
}

// ParseHeader reads the header at the start of a body, of which it needs up to
// [MaxHeaderSize] bytes. It sets all of the Content but the length. Nothing is
// authenticated: the result tells what a body claims to be.
//
// It returns ErrDamaged if there is no whole header, and ErrFormat if its
// version or suite is unknown.
func ParseHeader(b []byte) (Content, error) {
	if len(b) < headerPrefix || string(b[:len(magic)]) != magic {
		return Content{}, fmt.Errorf("header: %w", ErrDamaged)
	}
	version, suite := b[len(magic)], Suite(b[len(magic)+1])
	if version != Version {
		return Content{}, fmt.Errorf("header: %w: version %d", ErrFormat, version)
	}
	if !suite.known() {
		return Content{}, fmt.Errorf("header: %w: %v", ErrFormat, suite)
	}
	if int64(len(b)) < suite.headerSize() {
		return Content{}, fmt.Errorf("header: %w", ErrDamaged)
	}
	c := Content{Suite: suite, ID: [32]byte(b[headerPrefix:])}
	c.Commitment = bytes.Clone(b[headerPrefix+32 : suite.headerSize()])
	return c, nil
}

// SegmentCount returns the number of segments of a plaintext: at least one.
func SegmentCount(length int64) int64 {
	return max(1, (length+SegmentSize-1)/SegmentSize)
}

// SegmentOffset returns where segment i starts in a body.
func SegmentOffset(i int64, s Suite) int64 {
	return s.headerSize() + i*s.sealedSegment()
}

// SealedSize returns the size of the body of a plaintext of up to [MaxLength]
// bytes.
func SealedSize(length int64, s Suite) int64 {
	return s.headerSize() + length + SegmentCount(length)*Overhead*int64(s.layers())
}

// PlainSize returns the length of the plaintext of a body of the given size. It
// returns ErrDamaged if no body has that size, and ErrFormat for an unknown suite.
func PlainSize(sealedSize int64, s Suite) (int64, error) {
	if !s.known() {
		return 0, fmt.Errorf("%w: %v", ErrFormat, s)
	}
	overhead := Overhead * int64(s.layers())
	rest := sealedSize - s.headerSize()
	if rest < overhead {
		return 0, fmt.Errorf("body of %d bytes: %w", sealedSize, ErrDamaged)
	}
	n := (rest + s.sealedSegment() - 1) / s.sealedSegment()
	length := rest - n*overhead
	if n > 1 && length <= (n-1)*SegmentSize || length > MaxLength {
		return 0, fmt.Errorf("body of %d bytes: %w", sealedSize, ErrDamaged)
	}
	return length, nil
}
