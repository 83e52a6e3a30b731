package checksum

import (
	"encoding/binary"
	"hash"
	"sync"
)

// polyNVME is the polynomial of CRC64NVME, reflected.
//
// Source: NVM Express NVM Command Set Specification 1.0c, section 5.2.1.3.4,
// "64b CRC Polynomial".
const polyNVME = 0x9a6c9329ac4bc9b5

// tablesNVME returns the tables of slicing by 16: entry [k][b] is the CRC of the
// byte b followed by k zero bytes. hash/crc64 keeps such tables for its own two
// polynomials only and builds them anew in every call for any other.
var tablesNVME = sync.OnceValue(func() *[16][256]uint64 {
	t := new([16][256]uint64)
	for b := range 256 {
		crc := uint64(b)
		for range 8 {
			crc = crc>>1 ^ polyNVME&-(crc&1)
		}
		t[0][b] = crc
	}
	for k := 1; k < 16; k++ {
		for b := range 256 {
			t[k][b] = t[0][byte(t[k-1][b])] ^ t[k-1][b]>>8
		}
	}
	return t
})

// crc64NVME is a running CRC64NVME. The zero value is ready to use.
type crc64NVME struct{ crc uint64 }

var _ hash.Hash64 = (*crc64NVME)(nil)

func (d *crc64NVME) Write(p []byte) (int, error) {
	d.crc = updateNVME(d.crc, p)
	return len(p), nil
}

func updateNVME(crc uint64, p []byte) uint64 {
	t := tablesNVME()
	crc = ^crc
	for len(p) >= 16 {
		a := binary.LittleEndian.Uint64(p) ^ crc
		b := binary.LittleEndian.Uint64(p[8:])
		crc = t[15][byte(a)] ^ t[14][byte(a>>8)] ^ t[13][byte(a>>16)] ^ t[12][byte(a>>24)] ^
			t[11][byte(a>>32)] ^ t[10][byte(a>>40)] ^ t[9][byte(a>>48)] ^ t[8][a>>56] ^
			t[7][byte(b)] ^ t[6][byte(b>>8)] ^ t[5][byte(b>>16)] ^ t[4][byte(b>>24)] ^
			t[3][byte(b>>32)] ^ t[2][byte(b>>40)] ^ t[1][byte(b>>48)] ^ t[0][b>>56]
		p = p[16:]
	}
	for _, v := range p {
		crc = t[0][byte(crc)^v] ^ crc>>8
	}
	return ^crc
}

func (d *crc64NVME) Sum(b []byte) []byte { return binary.BigEndian.AppendUint64(b, d.crc) }
func (d *crc64NVME) Sum64() uint64       { return d.crc }
func (d *crc64NVME) Reset()              { d.crc = 0 }
func (d *crc64NVME) Size() int           { return 8 }
func (d *crc64NVME) BlockSize() int      { return 1 }
