package checksum

import (
	"encoding/binary"
	"hash"

	"github.com/minio/crc64nvme"
)

// polyNVME is the polynomial of CRC64NVME, reflected.
//
// Source: NVM Express NVM Command Set Specification 1.0c, section 5.2.1.3.4,
// "64b CRC Polynomial".
const polyNVME = 0x9a6c9329ac4bc9b5

// crc64NVME is a running CRC64NVME. The zero value is ready to use.
type crc64NVME struct{ crc uint64 }

var _ hash.Hash64 = (*crc64NVME)(nil)

func (d *crc64NVME) Write(p []byte) (int, error) {
	d.crc = crc64nvme.Update(d.crc, p)
	return len(p), nil
}

func (d *crc64NVME) Sum(b []byte) []byte { return binary.BigEndian.AppendUint64(b, d.crc) }
func (d *crc64NVME) Sum64() uint64       { return d.crc }
func (d *crc64NVME) Reset()              { d.crc = 0 }
func (d *crc64NVME) Size() int           { return 8 }
func (d *crc64NVME) BlockSize() int      { return 1 }
