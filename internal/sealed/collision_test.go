package sealed

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"testing"
)

// The classic attack on encryption that does not commit to its key: somebody
// who knows two keys builds one ciphertext that AES-GCM opens under both, to two
// plaintexts. (Dodis, Grubbs, Ristenpart and Woodage, "Fast Message Franking",
// CRYPTO 2018, section 3.) The commitment ends it.
func TestTwoKeysForOneBody(t *testing.T) {
	const blocks = 8
	id := testID("collision")
	keys := [2]Keys{testKeys(Single, "first"), testKeys(Single, "second")}
	var hs, masks [2]element // the hash keys, and what hides the tags
	var content [2]Content
	nonce := []byte("twelve bytes")
	for i := range keys {
		key, commitment := derive((*[KeySize]byte)(&keys[i][0]), &id, info(infoSegment, byte(Single), 1))
		block, err := aes.NewCipher(key[:])
		if err != nil {
			t.Fatal(err)
		}
		var b [16]byte
		block.Encrypt(b[:], b[:])
		hs[i] = elementOf(b[:])
		block.Encrypt(b[:], append(append([]byte{}, nonce...), 0, 0, 0, 1))
		masks[i] = elementOf(b[:])
		content[i] = Content{ID: id, Suite: Single, Commitment: commitment[:], Length: 16 * blocks}
	}

	// The tag is a polynomial in the hash key; its coefficients are the blocks of
	// the additional data, of the ciphertext, and their lengths. Both tags are
	// equal if one block, here the last, solves a linear equation.
	seg := segmenter{aeads: make([]cipher.AEAD, 1)}
	aad := seg.additional(0, 0, true)
	text := pattern(16 * blocks)
	clear(text[16*(blocks-1):])
	tag := func(i int) element { return ghash(hs[i], aad, text).add(masks[i]) }
	// The last block counts H^2: after it comes the block of lengths.
	factor := hs[0].mul(hs[0]).add(hs[1].mul(hs[1]))
	solution := tag(0).add(tag(1)).mul(factor.inverse())
	copy(text[16*(blocks-1):], solution.bytes())
	if tag(0) != tag(1) {
		t.Fatal("the equation is solved wrongly")
	}
	sealedSegment := append(append(bytes.Clone(nonce), text...), tag(0).bytes()...)

	// AES-GCM takes it under both keys.
	var plain [2][]byte
	for i := range keys {
		aeads, _ := layers(keys[i], &id)
		var err error
		if plain[i], err = aeads[0].Open(nil, nil, sealedSegment, aad); err != nil {
			t.Fatalf("AES-GCM refuses key %d: %v", i, err)
		}
	}
	if bytes.Equal(plain[0], plain[1]) {
		t.Fatal("both keys give the same plaintext")
	}

	// The body opens under the key that its content commits to, and under no other.
	for i := range keys {
		body := append(content[i].header(), sealedSegment...)
		if got, err := openAll(body, keys[i], content[i]); err != nil || !bytes.Equal(got, plain[i]) {
			t.Errorf("under the right key: %x, %v", got, err)
		}
		if got, err := openAll(body, keys[1-i], content[i]); !errors.Is(err, ErrWrongKey) || len(got) != 0 {
			t.Errorf("under the other key: %x, %v; want %v", got, err, ErrWrongKey)
		}
		other := append(content[1-i].header(), sealedSegment...)
		if got, err := openAll(other, keys[i], content[i]); !errors.Is(err, ErrDamaged) || len(got) != 0 {
			t.Errorf("under the header of the other: %x, %v; want %v", got, err, ErrDamaged)
		}
	}
}

// An element of GF(2^128) as GCM has it: bit 0 is the highest bit of hi.
//
// Source: NIST SP 800-38D, section 6.3.
type element struct{ hi, lo uint64 }

func elementOf(b []byte) element {
	return element{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

func (x element) bytes() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, x.hi), x.lo)
}

func (x element) add(y element) element { return element{x.hi ^ y.hi, x.lo ^ y.lo} }

func (x element) mul(y element) (z element) {
	for i := range 128 {
		word := x.hi
		if i >= 64 {
			word = x.lo
		}
		if word>>(63-i%64)&1 == 1 {
			z = z.add(y)
		}
		carry := y.lo & 1
		y.lo = y.lo>>1 | y.hi<<63
		y.hi >>= 1
		if carry == 1 {
			y.hi ^= 0xe1 << 56
		}
	}
	return z
}

// inverse returns x^(2^128-2).
func (x element) inverse() element {
	z := element{hi: 1 << 63} // one
	for range 127 {
		x = x.mul(x)
		z = z.mul(x)
	}
	return z
}

// ghash returns GHASH of the additional data and the ciphertext.
//
// Source: NIST SP 800-38D, sections 6.4 and 7.1.
func ghash(h element, aad, text []byte) (y element) {
	var block [16]byte
	for _, data := range [][]byte{aad, text} {
		for len(data) > 0 {
			clear(block[:])
			data = data[copy(block[:], data):]
			y = y.add(elementOf(block[:])).mul(h)
		}
	}
	lengths := element{uint64(len(aad)) * 8, uint64(len(text)) * 8}
	return y.add(lengths).mul(h)
}
