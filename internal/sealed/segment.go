package sealed

import (
	"crypto/cipher"
	"encoding/binary"
)

// A segmenter seals or opens segments of one body. It holds scratch space, so
// each goroutine has its own; the ciphers are shared.
type segmenter struct {
	aeads []cipher.AEAD // by layer, the inner one first
	aad   [2 + 8 + 1]byte
}

// additional returns the additional data of a segment in one layer. It is valid
// until the next call.
func (s *segmenter) additional(layer int, index int64, isLast bool) []byte {
	s.aad[0] = byte(len(s.aeads))
	s.aad[1] = byte(layer + 1)
	binary.BigEndian.PutUint64(s.aad[2:], uint64(index))
	s.aad[10] = 0
	if isLast {
		s.aad[10] = 1
	}
	return s.aad[:]
}

// seal puts a sealed segment into dst[:0], which has room for it and does not
// overlap plain.
func (s *segmenter) seal(dst, plain []byte, index int64, isLast bool) []byte {
	dst = s.aeads[0].Seal(dst[:0], nil, plain, s.additional(0, index, isLast))
	for i := 1; i < len(s.aeads); i++ {
		dst = s.aeads[i].Seal(dst[:0], nil, dst, s.additional(i, index, isLast))
	}
	return dst
}

// open puts the plaintext of a sealed segment into dst[:0], which has room for
// it and does not overlap sealed. It overwrites sealed when there are two layers.
func (s *segmenter) open(dst, sealed []byte, index int64, isLast bool) ([]byte, error) {
	var err error
	for i := len(s.aeads) - 1; i > 0; i-- {
		sealed, err = s.aeads[i].Open(sealed[:0], nil, sealed, s.additional(i, index, isLast))
		if err != nil {
			return nil, ErrDamaged
		}
	}
	dst, err = s.aeads[0].Open(dst[:0], nil, sealed, s.additional(0, index, isLast))
	if err != nil {
		return nil, ErrDamaged
	}
	return dst, nil
}
