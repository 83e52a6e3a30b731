package checksum

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync"
)

// CanCombine reports whether the checksum of two strings of bytes, one after the
// other, follows from their checksums: [Algorithm.Combine] works for the CRCs.
func (a Algorithm) CanCombine() bool { return a == CRC32 || a == CRC32C || a == CRC64NVME }

// Combine returns the checksum of the bytes A followed by the bytes B, given the
// checksums of both and the length of B in bytes. It takes time logarithmic in
// lenB.
//
// It returns [ErrInvalid] if a is not a CRC, if a value has the wrong length or
// if lenB is negative.
func (a Algorithm) Combine(sumA, sumB []byte, lenB int64) ([]byte, error) {
	if !a.CanCombine() || len(sumA) != a.Size() || len(sumB) != a.Size() || lenB < 0 {
		return nil, fmt.Errorf("%w of %s to combine", ErrInvalid, a)
	}
	if a == CRC64NVME {
		crc := ringNVME().shift(binary.BigEndian.Uint64(sumA), lenB) ^ binary.BigEndian.Uint64(sumB)
		return binary.BigEndian.AppendUint64(nil, crc), nil
	}
	r := ringIEEE
	if a == CRC32C {
		r = ringCastagnoli
	}
	crc := uint32(r().shift(uint64(binary.BigEndian.Uint32(sumA)), lenB)) ^ binary.BigEndian.Uint32(sumB)
	return binary.BigEndian.AppendUint32(nil, crc), nil
}

// A ring is the polynomials over GF(2) modulo one of degree 32 or 64. They are
// written reflected, as the CRCs are: the coefficient of x^0 is the highest bit.
//
// A CRC of A followed by n bytes of B is crc(A) x^(8n) + crc(B). The inversions
// before and after, which all three CRCs have, cancel out in that sum. The
// method is that of zlib's crc32_combine since its version 1.2.12.
type ring struct {
	poly uint64
	one  uint64     // x^0
	x2n  [66]uint64 // x^(2^k); the exponent 8n of a length n < 2^63 has 66 bits
}

func newRing(poly, one uint64) func() *ring {
	return sync.OnceValue(func() *ring {
		r := &ring{poly: poly, one: one}
		r.x2n[0] = one >> 1
		for k := 1; k < len(r.x2n); k++ {
			r.x2n[k] = r.mul(r.x2n[k-1], r.x2n[k-1])
		}
		return r
	})
}

var (
	ringIEEE       = newRing(crc32.IEEE, 1<<31)
	ringCastagnoli = newRing(crc32.Castagnoli, 1<<31)
	ringNVME       = newRing(polyNVME, 1<<63)
)

// mul returns a times b.
func (r *ring) mul(a, b uint64) uint64 {
	var product uint64
	for m := r.one; a != 0; m >>= 1 {
		if a&m != 0 {
			product ^= b
			a ^= m
		}
		b = b>>1 ^ r.poly&-(b&1)
	}
	return product
}

// shift returns crc times x^(8n).
func (r *ring) shift(crc uint64, n int64) uint64 {
	for k := 3; n != 0; n, k = n>>1, k+1 {
		if n&1 != 0 {
			crc = r.mul(r.x2n[k], crc)
		}
	}
	return crc
}
