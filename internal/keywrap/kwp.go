package keywrap

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"math"
)

// icv2 starts the alternative initial value of KWP.
//
// Source: RFC 5649, section 3; NIST SP 800-38F, section 6.3.
var icv2 = [4]byte{0xA6, 0x59, 0x59, 0xA6}

// WrapKey wraps a key of 1 to 2^32-1 bytes under an AES key (KWP-AE). The result
// is 8 to 15 bytes longer, and the same each time.
//
// It returns ErrTooLong for another length, and ErrAlgorithm if kek is no AES key.
func WrapKey(kek, key []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, ErrAlgorithm
	}
	if len(key) == 0 || int64(len(key)) > math.MaxUint32 {
		return nil, ErrTooLong
	}
	out := make([]byte, 8+(len(key)+7)/8*8)
	copy(out, icv2[:])
	binary.BigEndian.PutUint32(out[4:], uint32(len(key)))
	copy(out[8:], key)
	if len(out) == aes.BlockSize {
		block.Encrypt(out, out)
		return out, nil
	}
	wrapRounds(block, out)
	return out, nil
}

// UnwrapKey reverts [WrapKey] (KWP-AD). The caller wipes the key.
//
// It returns ErrUnwrap for whatever does not open, after work that does not depend
// on why, and ErrAlgorithm if kek is no AES key.
func UnwrapKey(kek, wrapped []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, ErrAlgorithm
	}
	if len(wrapped) < aes.BlockSize || len(wrapped)%8 != 0 || int64(len(wrapped)) > math.MaxUint32 {
		return nil, ErrUnwrap
	}
	plain := make([]byte, len(wrapped))
	if len(wrapped) == aes.BlockSize {
		block.Decrypt(plain, wrapped)
	} else {
		copy(plain, wrapped)
		unwrapRounds(block, plain)
	}
	padded := plain[8:]
	size := binary.BigEndian.Uint32(plain[4:])
	// What the size leaves of the last eight bytes is padding: 0 to 7 zeros.
	padding := uint32(len(padded)) - size
	good := subtle.ConstantTimeCompare(plain[:4], icv2[:])
	good &= subtle.ConstantTimeEq(int32(padding>>3), 0)
	for i := range 7 {
		inKey := subtle.ConstantTimeLessOrEq(int(padding&7), i) // byte i from the end
		isZero := subtle.ConstantTimeByteEq(padded[len(padded)-1-i], 0)
		good &= inKey | isZero
	}
	if good != 1 {
		clear(plain)
		return nil, ErrUnwrap
	}
	return padded[:size:size], nil
}

// wrapRounds is the wrapping function W on two or more semiblocks after the first.
//
// Source: NIST SP 800-38F, algorithm 1.
func wrapRounds(block cipher.Block, b []byte) {
	var x [aes.BlockSize]byte
	copy(x[:8], b)
	t := uint64(0)
	for range 6 {
		for at := 8; at < len(b); at += 8 {
			t++
			copy(x[8:], b[at:at+8])
			block.Encrypt(x[:], x[:])
			copy(b[at:], x[8:])
			binary.BigEndian.PutUint64(x[:], binary.BigEndian.Uint64(x[:])^t)
		}
	}
	copy(b, x[:8])
}

// unwrapRounds is the inverse of wrapRounds.
//
// Source: NIST SP 800-38F, algorithm 2.
func unwrapRounds(block cipher.Block, b []byte) {
	var x [aes.BlockSize]byte
	copy(x[:8], b)
	t := uint64(6 * (len(b)/8 - 1))
	for range 6 {
		for at := len(b) - 8; at >= 8; at -= 8 {
			binary.BigEndian.PutUint64(x[:], binary.BigEndian.Uint64(x[:])^t)
			copy(x[8:], b[at:at+8])
			block.Decrypt(x[:], x[:])
			copy(b[at:], x[8:])
			t--
		}
	}
	copy(b, x[:8])
}
